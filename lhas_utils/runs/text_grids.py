"""The grid of the protocol on real text: with a pretrained model and LoRA, or a small model made here.

Without a checkpoint, a byte-pair tokenizer and a small Llama-class model are trained on the text of
the training split first, once for all seeds, as a pretrained model would be. Seeds then differ in
pools, test sets and training order.
"""

from dataclasses import replace
from pathlib import Path

import torch

from ..core import PROFILES, ModelSpec, TrainSpec, choose, number
from ..learning import check_model
from ..selection import PAPER
from ..studies import BranchSpec, RunSpec
from ..worlds import TextWorld, describe_corpus, register
from .cache import fill, missing
from .grids import FIRST

SMALL = {  # sizes of the generated sentences' world; base model; training
    "world": {"pool_size": 120, "test_size": 32, "max_length": 48, "vocabulary": 512},
    "model": ModelSpec(hidden=48, steps=250, batch_size=16, lr=4e-3),
    "train": TrainSpec(steps=20, batch_size=8, lr=1e-3, probe_steps=(0, 5, 10, 15)),
}
GIVEN = {  # the same for data that the reader brings
    "world": {},
    "model": ModelSpec(hidden=64, layers=3, steps=400, batch_size=16, lr=3e-3),
    "train": TrainSpec(steps=60, batch_size=8, lr=1e-3, probe_steps=(0, 5, 10, 20)),
}
PRETRAINED = {  # and with a checkpoint: LoRA of rank 16
    "world": {"max_length": 128, "vocabulary": 0},
    "train": TrainSpec(steps=60, batch_size=8, lr=3e-4, rank=16, probe_steps=(0, 5, 10, 20)),
}
SMOKE = {
    "world": {"pool_size": 24, "test_size": 8, "max_length": 32, "vocabulary": 320},
    "model": ModelSpec(hidden=16, layers=1, heads=2, steps=4, batch_size=4),
    "train": TrainSpec(steps=2, batch_size=4, probe_steps=(0, 2)),
}
SIZES = {  # profile -> number of seeds, selectors
    "smoke": (1, ("random", "gradient", "lhas")),
    "fast": (2, PAPER),
    "full": (5, PAPER),
}


def text_specs(data: str = "", model: str = "", profile: str = "fast", pool: int = 0, seeds: int = 0) -> list[RunSpec]:
    """Check data and model and return the runs on them.

    Args:
        data: a folder, a `.jsonl` file or a hub name (`worlds.reading`); empty for the generated sentences.
        model: hub id or path of a causal LM; empty for the small model made here.
        pool, seeds: examples a stage and number of seeds; 0 for the profile's own.
    """
    number("pool", pool, 0, 10**6, integer=True)
    number("seeds", seeds, 0, 10**6, integer=True)
    many, names = SIZES[choose("profile", profile, PROFILES)]
    recipe = PRETRAINED if model else GIVEN if data else SMALL
    if profile == "smoke":
        recipe = SMOKE | ({"train": replace(SMOKE["train"], rank=2)} if model else {})
    base = check_model(model) if model else recipe["model"]
    sizes = recipe["world"] | ({"pool_size": pool} if pool else {})
    world = TextWorld(register(data), **sizes)
    return [
        RunSpec(name, seed, world=world, model=base, train=recipe["train"])
        for seed in range(seeds or many)
        for name in names
    ]


def text_branch(profile: str) -> list[BranchSpec]:
    """Common start on generated sentences with a small model made here: the second cheap world beside SkillWorld."""
    many = {"smoke": 1, "fast": 0, "full": 8}[choose("profile", profile, PROFILES)]
    recipe = SMOKE if profile == "smoke" else SMALL
    world = TextWorld(register(""), **recipe["world"]) if many else None
    seeds = range(FIRST, FIRST + many)
    return [BranchSpec(seed, world=world, model=recipe["model"], train=recipe["train"]) for seed in seeds]


def base_line(specs: list[RunSpec]) -> str:
    """Return one sentence that says which base model the runs start from."""
    model, world = specs[0].model, specs[0].world
    if not isinstance(model, ModelSpec):
        where = "a GPU, bfloat16" if torch.cuda.is_available() else "the CPU, float32"
        return f"base: {Path(model.name).name}, LoRA rank {specs[0].train.rank}, on {where}"
    size = f"width {model.hidden}, {model.layers} layers, {model.steps} steps"
    return (
        f"base: no MODEL given, so a byte-pair tokenizer ({world.vocabulary} tokens) and a small Llama-class model "
        f"({size}) are trained on the training text first"
    )


def run_text(data: str, model: str = "", profile: str = "fast") -> None:
    """Check `data` and `model`, then fill the run cache that notebook 07 reads, with progress and ETA."""
    if data:
        print(f"data: {describe_corpus(data)}", flush=True)
    specs = text_specs(data, model, profile)
    todo = len(missing(specs))
    print(base_line(specs), flush=True)
    print(f"runs: {len(specs)} at profile {profile}, {len(specs) - todo} in the cache, {todo} to compute", flush=True)
    fill(specs)
