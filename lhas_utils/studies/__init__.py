"""One run: `execute(spec, selectors) -> (tidy rows, picks)` for each kind of specification."""

from collections.abc import Callable

from . import branch, difficulty, expansion, levels, retraining, stages
from .branch import BRANCHED, FRESH, START, BranchSpec
from .difficulty import BASES, CLIP, MIXED, SIGMAS, TRIMS, DifficultySpec
from .expansion import ETAS, LocalSpec
from .levels import LevelSpec
from .retraining import SCORED, TARGETS, EffectSpec
from .stages import RunSpec

STUDIES: dict[type, Callable] = {  # kind of spec -> what computes it
    RunSpec: stages.execute,
    BranchSpec: branch.execute,
    LocalSpec: expansion.execute,
    EffectSpec: retraining.execute,
    DifficultySpec: difficulty.execute,
    LevelSpec: levels.execute,
}
