"""The training loop against trainers of the field: the same model, examples, order, steps and step size."""

from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lhas_utils.core import ModelSpec
from lhas_utils.learning import (
    GEMMA,
    Encoded,
    base_model,
    create,
    encode,
    fit,
    packaged,
    tokenizer,
    weights,
    with_lora,
    word_level,
)
from lhas_utils.worlds import GymCorpus, GymWorld, WorldSpec
from lhas_utils.worlds.symbols import DIALECT
from tests.benchmarks.record import against

LR = 1e-3


class Given(NamedTuple):
    """A model, its tokenizer, as many examples as are trained on, and how many a step."""

    model: PreTrainedModel
    words: PreTrainedTokenizerBase
    data: Encoded
    steps: int
    batch: int
    half: bool

    @property
    def size(self) -> str:
        name = f"{GEMMA}, LoRA, " if self.half else ""
        return f"{name}{self.steps} steps of {self.batch}"


def small() -> Given:
    words, steps, batch = word_level(DIALECT), 80, 16
    data = encode(WorldSpec(pool_size=steps * batch, test_size=8).build(1000).stages[2].pool, words)
    return Given(create(ModelSpec(), words, 0), words, data, steps, batch, False)


def real() -> Given:
    pytest.importorskip("reasoning_gym", reason="no real model: `make llm` installs it")
    checkpoint, steps, batch = packaged(GEMMA, "bfloat16"), 5, 8
    if not Path(checkpoint.name).exists():
        pytest.skip("no real model: `make llm` makes it")
    words, world = tokenizer(checkpoint, GymCorpus()), GymWorld(pool_size=steps * batch, test_size=4)
    data = encode(world.build(1000).stages[0].pool, words, world.max_length)
    return Given(with_lora(base_model(checkpoint, GymCorpus(), 0), 16, 0), words, data, steps, batch, True)


@pytest.fixture(scope="module", params=[small, real])
def given(request):
    torch.set_num_threads(1)
    return request.param()


def ours(given):
    model = deepcopy(given.model)
    fit(model, given.data, np.arange(given.steps * given.batch).reshape(given.steps, given.batch), LR)
    return model


def arguments(kind, folder, given, **more):
    """Return the settings under which a `transformers` trainer does what `fit` does."""
    return kind(
        output_dir=str(folder),
        per_device_train_batch_size=given.batch,
        max_steps=given.steps,
        bf16=given.half,
        learning_rate=LR,
        weight_decay=0.01,
        max_grad_norm=0.0,
        lr_scheduler_type="constant",
        optim="adamw_torch_fused",
        train_sampling_strategy="sequential",
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        **more,
    )


def rows(data) -> Dataset:
    parts = {"input_ids": data.input_ids.tolist(), "labels": data.labels.tolist()}
    return Dataset.from_dict(parts)


def bench_transformers_trainer(given, tmp_path):
    from transformers import Trainer, TrainingArguments, default_data_collator

    table = rows(given.data)

    def theirs():
        mine = deepcopy(given.model)
        settings = arguments(TrainingArguments, tmp_path, given)
        Trainer(model=mine, args=settings, train_dataset=table, data_collator=default_data_collator).train()
        return mine

    a, b = against("training loop", "transformers.Trainer", given.size, theirs, lambda: ours(given))
    assert weights(a).shape == weights(b).shape


def bench_trl(given, tmp_path):
    trl = pytest.importorskip("trl", reason="peer not installed: pip install '.[bench]'")
    table = rows(given.data)

    def theirs():
        mine = deepcopy(given.model)
        more = {"dataset_kwargs": {"skip_prepare_dataset": True}, "packing": False}
        settings = arguments(trl.SFTConfig, tmp_path, given, **more)
        trl.SFTTrainer(model=mine, args=settings, train_dataset=table, processing_class=given.words).train()
        return mine

    against("training loop", "trl.SFTTrainer", given.size, theirs, lambda: ours(given))
