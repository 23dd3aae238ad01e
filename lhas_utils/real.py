"""The stage protocol on real text: with a pretrained model and LoRA, or a small model made here.

Without a checkpoint, a byte-pair tokenizer and a small Llama-class model are trained on the text of
the training split first, once for all seeds, as a pretrained model would be. Seeds then differ in
pools, test sets and training order. Scores are response NLL (nats per token) and token accuracy.
"""

import os
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pandas as pd
import torch
from datasets import Dataset, DatasetDict
from joblib import delayed
from tqdm.auto import tqdm

from . import bases, corpora, protocol, selectors, sentences, sweep
from .config import ModelSpec, TrainSpec, choose, digest, source_digest
from .models import copy_of, with_lora
from .selectors import PAPER


@dataclass(frozen=True)
class RealSpec:
    """One run on real text: one selector, one seed, one corpus, one base model.

    Args:
        corpus: digest of the corpus, as `register` returns it.
        checkpoint: hub id or absolute path of a pretrained model; empty for the model made here.
        fingerprint: what tells two states of a local checkpoint apart.
        pool_size, test_size: upper limits per stage and capability, examples.
        max_length: tokens of prompt and response together.
        vocabulary, model: tokenizer and base model made here, unused with a checkpoint.
    """

    selector: str
    seed: int
    corpus: str
    checkpoint: str = ""
    fingerprint: str = ""
    budget: float = 0.25
    pool_size: int = 300
    test_size: int = 64
    max_length: int = 96
    vocabulary: int = 2048
    model: ModelSpec = field(default_factory=ModelSpec)
    train: TrainSpec = field(default_factory=TrainSpec)


GENERATED = {  # fields of RealSpec for the generated corpus
    "pool_size": 120, "test_size": 32, "max_length": 48, "vocabulary": 512,
    "model": ModelSpec(hidden=48, steps=250, batch_size=16, lr=4e-3),
    "train": TrainSpec(steps=20, batch_size=8, lr=1e-3, probe_steps=(0, 5, 10, 15)),
}  # fmt: skip
TEXT = {  # for data the reader brings, without a checkpoint
    "pool_size": 300, "test_size": 64, "max_length": 96, "vocabulary": 2048,
    "model": ModelSpec(hidden=64, layers=3, steps=400, batch_size=16, lr=3e-3),
    "train": TrainSpec(steps=60, batch_size=8, lr=1e-3, probe_steps=(0, 5, 10, 20)),
}  # fmt: skip
CHECKPOINT = {  # and with one: LoRA of rank 16
    "pool_size": 300, "test_size": 64, "max_length": 128, "vocabulary": 0,
    "train": TrainSpec(steps=60, batch_size=8, lr=3e-4, rank=16, probe_steps=(0, 5, 10, 20)),
}  # fmt: skip
SMOKE = {
    "pool_size": 24, "test_size": 8, "max_length": 32, "vocabulary": 320,
    "model": ModelSpec(hidden=16, layers=1, heads=2, steps=4, batch_size=4),
    "train": TrainSpec(steps=2, batch_size=4, probe_steps=(0, 2)),
}  # fmt: skip
PROFILES = {  # number of seeds, selectors
    "smoke": (1, ("random", "gradient", "lhas")),
    "fast": (2, PAPER),
    "full": (5, PAPER),
}


def register(data: str) -> str:
    """Load a corpus (`corpora.load`), keep it in `build/corpora` and return its digest.

    Empty `data` means the small generated corpus.
    """
    corpus = corpora.load(data or str(sentences.generate()))
    frame = pd.concat([corpus[s].to_pandas().assign(split=s) for s in corpora.SPLITS], ignore_index=True)
    name = digest(frame.to_dict("list"))
    path = corpora.FOLDER / f"{name}.parquet"
    if not path.exists() or sweep.load(path) is None:
        sweep.store(path, frame)
    return name


@cache
def registered(name: str) -> DatasetDict:
    """Return the corpus of a digest; an absent or damaged one is an error that says what to do."""
    frame = sweep.load(corpora.FOLDER / f"{name}.parquet")
    if frame is None:
        raise ValueError(f"corpus {name}: expected it in {corpora.FOLDER}; run again with the DATA it came from")
    parts = {s: frame[frame["split"] == s].drop(columns="split") for s in corpora.SPLITS}
    return DatasetDict({s: Dataset.from_pandas(part, preserve_index=False) for s, part in parts.items()})


def grid(data: str = "", model: str = "", profile: str = "fast", pool: int = 0, seeds: int = 0) -> list[RealSpec]:
    """Return the runs of one profile on one corpus, after checking `data` and `model`.

    Args:
        data: see `corpora.load`; empty for the generated corpus.
        model: hub id or path of a causal LM; empty for the small model made here.
        pool, seeds: examples a stage and number of seeds; 0 for the profile's own.
    """
    for name, value in (("pool", pool), ("seeds", seeds)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{name}: expected an integer, 0 for the default; got {value!r}")
    many, names = PROFILES[choose("profile", profile, PROFILES)]
    checkpoint, mark = bases.check_model(model)
    sizes = CHECKPOINT if model else TEXT if data else GENERATED
    if profile == "smoke":
        sizes = SMOKE | ({"train": replace(SMOKE["train"], rank=2)} if model else {})
    sizes = sizes | ({"pool_size": pool} if pool else {})
    corpus = register(data)
    return [RealSpec(s, seed, corpus, checkpoint, mark, **sizes) for seed in range(seeds or many) for s in names]


def _base_key(spec: RealSpec) -> str:
    code = source_digest("models", "training", "bases")
    return digest(spec.corpus, spec.vocabulary, spec.max_length, spec.model, code)


def base(spec: RealSpec):
    """Return (tokenizer, M_0) of a run."""
    if spec.checkpoint:
        return bases.pretrained(spec.checkpoint)
    corpus = registered(spec.corpus)["train"]
    return bases.embedded(corpus, spec.vocabulary, spec.model, spec.max_length, _base_key(spec))


def _make_base(spec: RealSpec):
    torch.set_num_threads(1)
    base(spec)


def execute(spec: RealSpec, select=None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute one run on real text from its spec."""
    select = select or selectors.get(spec.selector)
    tokenizer, model = base(spec)
    limit = min(spec.max_length, getattr(model.config, "max_position_embeddings", None) or spec.max_length)
    frozen = copy_of(model)
    if spec.train.rank is not None:
        model = with_lora(model, spec.train.rank, spec.seed)
    ending = "" if tokenizer.sep_token else "\n"
    world = corpora.world(registered(spec.corpus), spec.seed, spec.pool_size, spec.test_size, ending=ending)
    data = protocol.encodings(world, tokenizer, limit)
    return protocol.run(world, data, model, frozen, select, spec.budget, spec.train, spec.seed)


def prepare(specs: list[RealSpec]):
    """Make what the runs share before they start side by side: tokenizer and base model."""
    first = {_base_key(s): s for s in specs if not s.checkpoint}
    sweep._parallel([delayed(_make_base)(s) for s in first.values()], "tokenizer and base model")


def runs(specs: list[RealSpec]) -> pd.DataFrame:
    """Return the tidy rows of the runs, from the cache or computed now with progress and ETA.

    On a GPU, the runs of a checkpoint go one after the other, so that it holds one model only.
    """
    todo = sweep.missing(specs)
    if todo and todo[0].checkpoint and torch.cuda.is_available():
        for s in tqdm(todo, desc="runs", unit="run", disable=os.environ.get("LHAS_PROGRESS") == "0", leave=False):
            sweep._job(s, sweep.key(s), None)
    elif todo:
        prepare(todo)
        sweep._parallel([delayed(sweep._job)(s, sweep.key(s), None) for s in todo], "runs")
    return sweep.results(specs)


def main(data: str, model: str = "", profile: str = "fast"):
    """Check `data` and `model`, then fill the run cache that notebook 07 reads."""
    if data:
        print(f"data: {corpora.check(data)}", flush=True)
    specs = grid(data, model, profile)
    todo = len(sweep.missing(specs))
    print(base_line(specs), flush=True)
    print(f"runs: {len(specs)} at profile {profile}, {len(specs) - todo} in the cache, {todo} to compute", flush=True)
    runs(specs)


def base_line(specs: list[RealSpec]) -> str:
    """Return one sentence that says which base model the runs start from."""
    s = specs[0]
    if s.checkpoint:
        where = "a GPU, bfloat16" if torch.cuda.is_available() else "the CPU, float32"
        return f"base: {Path(s.checkpoint).name}, LoRA rank {s.train.rank}, on {where}"
    size = f"width {s.model.hidden}, {s.model.layers} layers, {s.model.steps} steps"
    return (
        f"base: no MODEL given, so a byte-pair tokenizer ({s.vocabulary} tokens) and a small Llama-class model "
        f"({size}) are trained on the training text first"
    )
