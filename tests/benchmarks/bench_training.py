"""The training loop against trainers of the field: the same model, examples, order, steps and step size."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from datasets import Dataset

from lhas_utils.core import ModelSpec
from lhas_utils.learning import create, encode, fit, weights, word_level
from lhas_utils.worlds import WorldSpec
from lhas_utils.worlds.symbols import DIALECT
from tests.benchmarks.record import against

STEPS, BATCH, LR = 80, 16, 1e-3


@pytest.fixture(scope="module")
def given():
    torch.set_num_threads(1)
    words = word_level(DIALECT)
    data = encode(WorldSpec(pool_size=STEPS * BATCH, test_size=8).build(1000).stages[2].pool, words)
    return create(ModelSpec(), words, 0), words, data


def ours(model, data):
    model = deepcopy(model)
    fit(model, data, np.arange(STEPS * BATCH).reshape(STEPS, BATCH), LR)
    return model


def arguments(kind, folder, **more):
    """Return the settings under which a `transformers` trainer does what `fit` does."""
    return kind(
        output_dir=str(folder),
        per_device_train_batch_size=BATCH,
        max_steps=STEPS,
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

    model, _, data = given
    table = rows(data)

    def theirs():
        mine = deepcopy(model)
        settings = arguments(TrainingArguments, tmp_path)
        Trainer(model=mine, args=settings, train_dataset=table, data_collator=default_data_collator).train()
        return mine

    a, b = against(
        "training loop", "transformers.Trainer", f"{STEPS} steps of {BATCH}", theirs, lambda: ours(model, data)
    )
    assert weights(a).shape == weights(b).shape


def bench_trl(given, tmp_path):
    trl = pytest.importorskip("trl", reason="peer not installed: pip install '.[bench]'")
    model, words, data = given
    table = rows(data)

    def theirs():
        mine = deepcopy(model)
        settings = arguments(trl.SFTConfig, tmp_path, dataset_kwargs={"skip_prepare_dataset": True}, packing=False)
        trl.SFTTrainer(model=mine, args=settings, train_dataset=table, processing_class=words).train()
        return mine

    against("training loop", "trl.SFTTrainer", f"{STEPS} steps of {BATCH}", theirs, lambda: ours(model, data))
