"""The grids of the real model: both papers' questions on Gemma 3 270M with LoRA and verifiable questions.

`llm_specs` gives the runs of one model: the packaged one, any other, or a tiny one of Gemma's class on stand-in
questions, which shows the same code without weights. The published experiments are those of the packaged model; `fast`
leaves them out, because smaller runs of another model say nothing about them.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

from ..core import PROFILES, Checkpoint, TrainSpec, choose, settings
from ..learning import GEMMA, PACKAGED, TINY, check_model, fastest, made, packaged, speed
from ..studies import BASES, BRANCHED, BranchSpec, LevelSpec, RunSpec
from ..worlds import GymWorld
from .cache import fill, missing
from .grids import evaluation
from .unfinished import finish

PATHS = ("random", "gradient", "alignment", "diversity", "lhas")  # selectors that live with their own past
FEW = ("random", "alignment", "diversity", "lhas")
LEVEL_FAMILIES = ("word_sequence_reversal", "family_relationships")
RANK, LR = 16, 5e-4  # of the adapters, and the step size of a stage; both chosen with the families, by the gate alone


class Size(NamedTuple):
    """The size of a profile: seeds of the three parts, selectors from one start, world, training; levels and sizes."""

    seeds: tuple[int, int, int]
    selectors: tuple[str, ...]
    world: GymWorld
    train: TrainSpec
    levels: tuple[int, ...]
    sizes: tuple[int, ...]
    recipe: dict


SIZES = {
    "smoke": Size(
        (2, 1, 2),
        BRANCHED,
        GymWorld("stand-in", stages=2, pool_size=24, validation_size=8, proxy_size=8, test_size=6),
        TrainSpec(steps=2, batch_size=4, rank=2, probe_steps=(0, 2), probe_size=8),
        (1, 3),
        (8,),
        {"steps": 2, "rank": 2, "mid_steps": 2, "mid_size": 8, "test_size": 6},
    ),
    "fast": Size(
        (2, 1, 1),
        FEW,
        GymWorld(stages=2, pool_size=80, validation_size=16, proxy_size=16, test_size=16),
        TrainSpec(steps=8, batch_size=8, lr=LR, rank=RANK, probe_steps=(0, 4), probe_size=32),
        (1, 5),
        (16, 64),
        {"steps": 8, "mid_steps": 8, "test_size": 16, "shown": 16},
    ),
    "full": Size(
        (8, 8, 8),
        BRANCHED,
        GymWorld(pool_size=200, test_size=32),
        TrainSpec(steps=24, batch_size=8, lr=LR, rank=RANK, probe_steps=(0, 4, 8), probe_size=64),
        (1, 2, 3, 4, 5),
        (16, 64, 256),
        {"steps": 20, "mid_steps": 12, "test_size": 32, "shown": 32},
    ),
}


def _size(profile: str) -> Size:
    """Return the size of a profile, its adapters of LORA_RANK where that is set."""
    size, rank = SIZES[profile], settings.lora_rank()
    if rank is None:
        return size
    return size._replace(train=replace(size.train, rank=rank), recipe=size.recipe | {"rank": rank})


def base(model: str = "", device: str = "", dtype: str = "") -> Checkpoint:
    """Return the checkpoint of a model; a packaged one is made unless it is there.

    Args:
        model: a packaged model's name, a hub id or a folder; empty for the tiny model made here.
        device, dtype: empty for DEVICE and DTYPE, or where these are not set for the fastest.

    Raises:
        ValueError: for what is no causal LM, or a device that is not there.
    """
    if not model:
        model, device, dtype = TINY, "cpu", "float32"
    given, quickest = (device or settings.device(), dtype or settings.dtype()), fastest()
    if model not in PACKAGED:
        return check_model(model, *given)
    made(model)
    return packaged(model, dtype=given[1] or quickest[1], device=given[0] or quickest[0])


def branches(model: Checkpoint, size: Size) -> list[BranchSpec]:
    """Return the runs of the common start on a model."""
    run = {"world": size.world, "model": model, "train": size.train, "selectors": size.selectors}
    return [BranchSpec(seed, **run) for seed in evaluation(size.seeds[0])]


def trajectories(model: Checkpoint, size: Size) -> list[RunSpec]:
    """Return the runs in which each selector lives with its own past."""
    run = {"world": size.world, "model": model, "train": size.train}
    return [RunSpec(name, s, **run) for s in evaluation(size.seeds[1]) for name in PATHS]


def levels(model: Checkpoint, size: Size) -> list[LevelSpec]:
    """Return the runs of the difficulty study: equal steps, and at the ends of n equal epochs and equal tokens.

    The strong base and the two controls are those of the first family.
    """
    recipe = {"model": model, "source": size.world.source} | size.recipe
    out, ends = [], dict.fromkeys((size.sizes[0], size.sizes[-1]))
    for seed, skill in product(evaluation(size.seeds[2]), LEVEL_FAMILIES):
        first = skill == LEVEL_FAMILIES[0]
        grid = product(BASES if first else BASES[:1], size.sizes, size.levels)
        out += [LevelSpec(skill, base, seed, d, n, **recipe) for base, n, d in grid]
        if first:
            few = product(("epochs", "tokens"), ends, size.levels[::2])
            out += [LevelSpec(skill, BASES[0], seed, d, n, match=match, **recipe) for match, n, d in few]
    return out


PARTS: dict[str, Callable[[Checkpoint, Size], list]] = {"branch": branches, "paths": trajectories, "difficulty": levels}


def llm_specs(model: str = "", profile: str = "fast", part: str = "branch") -> list:
    """Return the runs of one part on one model.

    Args:
        model: as of `base`; without one the size is that of `smoke`. part: `branch`, `paths` or `difficulty`.
    """
    choose("profile", profile, PROFILES)
    if profile == "full" and model == GEMMA:
        return _published(part, profile)
    return PARTS[choose("part", part, PARTS)](base(model), _size(profile if model else "smoke"))


def llm_line(model: str, profile: str) -> str:
    """Return one sentence that says which model the runs have, where it computes, and in what."""
    spec = llm_specs(model, profile)[0]
    where = f"{spec.model.dtype} on {spec.model.device}"
    if (spec.model.device, spec.model.dtype) == ("cpu", "bfloat16") and fastest()[1] != "bfloat16":
        where += ", in which this processor does not compute: DTYPE=float32 is faster"
    return f"model: {Path(spec.model.name).name}, LoRA rank {spec.train.rank}, {where}; questions: {spec.world.source}"


def run_llm(model: str = "", profile: str = "fast") -> None:
    """Fill the run cache with all parts on one model, one after the other, then say how fast it was."""
    if profile == "published":
        return
    checkpoint = base(model)
    print(llm_line(model, profile), flush=True)
    for part in PARTS:
        specs = llm_specs(model, profile, part)
        if profile == "full" and model == GEMMA:
            finish(f"llm_{part}", specs)
            continue
        print(f"{part}: {len(specs)} runs at profile {profile}, {len(missing(specs))} to compute", flush=True)
        fill(specs)
    if model:
        print(speed(checkpoint, _size(profile).train), flush=True)


def _published(part: str, profile: str) -> list:
    """Return the runs of a published experiment: the packaged model, by default in bfloat16 on the CPU."""
    if choose("profile", profile, PROFILES) != "full":
        return llm_specs("", profile, part) if profile == "smoke" else []
    where = {"device": settings.device() or "cpu", "dtype": settings.dtype() or "bfloat16"}
    return PARTS[part](packaged(GEMMA, **where), _size("full"))


def llm_branch(profile: str) -> list[BranchSpec]:
    """Common start on the real model: every selector from the same checkpoint, at every stage."""
    return _published("branch", profile)


def llm_paths(profile: str) -> list[RunSpec]:
    """Trajectories on the real model: Random, both readings of Gradient, Diversity, LHAS."""
    return _published("paths", profile)


def llm_difficulty(profile: str) -> list[LevelSpec]:
    """Difficulty on the real model: level x examples x base, with epoch- and token-matched controls."""
    return _published("difficulty", profile)
