"""The grid of the protocol on real text: with a pretrained model and LoRA, or a small model made here.

Without a checkpoint, a byte-pair tokenizer and a small Llama-class model are trained on the text of
the training split first, once for all seeds, as a pretrained model would be. Seeds then differ in
pools, test sets and training order.
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from ..core import PROFILES, Checkpoint, ModelSpec, TrainSpec, choose, number, settings
from ..learning import check_model, tokenizer
from ..selection import PAPER
from ..studies import BranchSpec, RunSpec
from ..worlds import TextWorld, length_of, register, registered
from .grids import DEVELOPMENT, evaluation
from .text_lengths import lengths, limit_for

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
PRETRAINED = {  # and with a checkpoint: LoRA of rank 16, or of LORA_RANK
    "world": {"vocabulary": 0},
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


LONGEST = 256  # tokens of an example at most, where the data choose
LONGEST_GPU = 1024
FACTORS = {  # profile -> (of the steps, of the step size) of the recipe, tried in this order
    "smoke": ((1, 1), (1, 0.1)),
    "fast": ((1, 1), (1, 0.3), (1, 0.1), (0.3, 0.1), (3, 1)),
    "full": ((1, 1), (1, 0.3), (1, 0.1), (0.3, 0.1), (3, 1), (3, 0.3)),
}


def text_specs(data: str = "", model: str = "", profile: str = "fast", pool: int = 0, seeds: int = 0) -> list[RunSpec]:
    """Check data and model and return the runs on them, with the training of the recipe.

    An example has at most as many tokens as the data say (`worlds.length_of`), else as keep 95 % of every skill's
    examples whole: at most 256, on a GPU 1,024.

    Args:
        data: a folder, a file or a hub name (`worlds.reading`); empty for the generated sentences.
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
    train = replace(recipe["train"], rank=settings.lora_rank() or recipe["train"].rank) if model else recipe["train"]
    length = length_of(data)
    sizes = recipe["world"] | ({"pool_size": pool} if pool else {}) | ({"max_length": length} if length else {})
    world = TextWorld(register(data), **sizes)
    if "max_length" not in sizes:
        most = LONGEST_GPU if model and base.device == "cuda" else LONGEST
        world = replace(world, max_length=limit_for(measured(world, base), most))
    return [
        RunSpec(name, seed, world=world, model=base, train=train) for seed in range(seeds or many) for name in names
    ]


def measured(world: TextWorld, base) -> pd.DataFrame:
    """Return the lengths of a world's texts in tokens of a base model's tokenizer (`text_lengths.lengths`).

    A chat template that does not take the data's turns is a `ValueError` that names MODEL.
    """
    try:
        return lengths(registered(world.data), tokenizer(base, world.corpus))
    except ValueError as error:
        if not isinstance(base, Checkpoint) or str(error).startswith("MODEL"):
            raise
        raise ValueError(f"MODEL {base.name!r}: {error}") from None


def trials(specs: list[RunSpec], profile: str) -> list[RunSpec]:
    """Return Random's run on a development seed for every training that may be chosen, the recipe's own first."""
    base = replace(specs[0], selector="random", seed=DEVELOPMENT[0])
    out = []
    for steps, lr in FACTORS[choose("profile", profile, PROFILES)]:
        train = replace(base.train, steps=round(steps * base.train.steps), lr=lr * base.train.lr)
        out.append(replace(base, train=train))
    return out


def text_branch(profile: str) -> list[BranchSpec]:
    """Common start on generated sentences with a small model made here: the second cheap world beside SkillWorld."""
    many = {"smoke": 1, "fast": 0, "full": 8}[choose("profile", profile, PROFILES)]
    recipe = SMOKE if profile == "smoke" else SMALL
    world = TextWorld(register(""), **recipe["world"]) if many else None
    return [BranchSpec(seed, world=world, model=recipe["model"], train=recipe["train"]) for seed in evaluation(many)]


def base_line(specs: list[RunSpec]) -> str:
    """Return one sentence that says which base model the runs start from."""
    model, world = specs[0].model, specs[0].world
    if not isinstance(model, ModelSpec):
        where = {"cuda": "a GPU", "cpu": "the CPU"}[model.device]
        template = tokenizer(model, world.corpus).chat_template
        talk = "each example as a talk by its chat template" if template else "without a chat template, it has none"
        return f"base: {Path(model.name).name}, LoRA rank {specs[0].train.rank}, on {where} in {model.dtype}, {talk}"
    size = f"width {model.hidden}, {model.layers} layers, {model.steps} steps"
    return (
        f"base: no MODEL given, so a byte-pair tokenizer ({world.vocabulary} tokens) and a small Llama-class model "
        f"({size}) are trained on the training text first"
    )
