"""The checks of claims F01, F08 to F12, F15 and F16: the real model's gates, difficulty, and what a toy world tells.

F08e, F09e, F10e and F16e ask the same of equal epochs, which the first family has.

Every statistic is one value a seed of the real model.
"""

from ..analysis import rises, runs, trajectory
from ..analysis.agreement import decided, ordered_alike
from ..analysis.gate import RISE
from ..analysis.statistics import effect, related
from ..runs import experiment
from .contract import check
from .difficulty_checks import easier, fewer, gaps, harder
from .optimum_checks import moves_with_n, teaches

LEVELS = "llm_difficulty"
DECIDED = ("now", "later")  # quantities of the common start
CHEAP = {"branch": "SkillWorld", "text_branch": "small text model"}


@check
def real_model_learns(profile: str, metric: str = "exact") -> list[dict]:
    """F01: Random's rise of exact match on each stage's own family, minus `RISE`."""
    rows = experiment("llm_branch", profile)
    if not len(rows):
        return []
    before, after = rises(trajectory(rows))
    gains = (after - before).drop(columns="final")
    return [effect(gains[name] - RISE, name=f"{name}: rise - {RISE}", smallest=0.0) for name in gains]


@check
def real_generalization_falls(profile: str, metric: str = "exact") -> list[dict]:
    """F08: generalization gap at the smallest minus at the largest n, mean over levels, per family, as D09."""
    return gaps(profile, "generalization", metric, fewer, "smallest n - largest n", experiment=LEVELS)


@check
def real_extrapolation_falls(profile: str, metric: str = "exact") -> list[dict]:
    """F09: extrapolation gap at the easiest minus at the hardest level, mean over n, per family, as D10."""
    return gaps(profile, "extrapolation", metric, easier, "easiest - hardest", experiment=LEVELS)


@check
def real_optimum_moves(profile: str, metric: str = "exact") -> list[dict]:
    """F10: best level at the largest minus at the smallest n that gains, by both estimators, per family, as D04."""
    return moves_with_n(profile, metric, "steps", LEVELS)


@check
def real_generalization_falls_epochs(profile: str, metric: str = "exact") -> list[dict]:
    """F08e: as F08 where the number of epochs is fixed, the paper's design."""
    return gaps(profile, "generalization", metric, fewer, "smallest n - largest n", "epochs", LEVELS)


@check
def real_extrapolation_falls_epochs(profile: str, metric: str = "exact") -> list[dict]:
    """F09e: as F09 where the number of epochs is fixed, the paper's design."""
    return gaps(profile, "extrapolation", metric, easier, "easiest - hardest", "epochs", LEVELS)


@check
def real_optimum_moves_epochs(profile: str, metric: str = "exact") -> list[dict]:
    """F10e: as F10 where the number of epochs is fixed, the paper's design."""
    return moves_with_n(profile, metric, "epochs", LEVELS)


@check
def real_levels_teach(profile: str, metric: str = "exact") -> list[dict]:
    """F15: the gate of the difficulty study, per family and base, as D00."""
    return teaches(profile, LEVELS)


@check
def real_generalization_rises(profile: str, metric: str = "exact") -> list[dict]:
    """F16: generalization gap at the hardest minus at the easiest level, smallest n, per family, as D08."""
    return gaps(profile, "generalization", metric, harder, "hardest - easiest", experiment=LEVELS)


@check
def real_generalization_rises_epochs(profile: str, metric: str = "exact") -> list[dict]:
    """F16e: as F16 where the number of epochs is fixed, the paper's design."""
    return gaps(profile, "generalization", metric, harder, "hardest - easiest", "epochs", LEVELS)


@check
def toy_worlds_decide(profile: str, metric: str = "exact") -> list[dict]:
    """F11: share of pairs of selectors that SkillWorld orders as the real model does, minus .5, now and later."""
    return _decided("branch", profile, metric)


@check
def small_text_decides(profile: str, metric: str = "exact") -> list[dict]:
    """F12: the same for the small model of sentences."""
    return _decided("text_branch", profile, metric)


def _decided(cheap: str, profile: str, metric: str) -> list[dict]:
    real = runs("llm_branch", profile, metric)
    other = runs(cheap, profile, metric) if len(real) else real  # nothing is computed to be compared with nothing
    if not len(other):
        return []
    said = {quantity: f"{CHEAP[cheap]}, {quantity}: share - .5" for quantity in DECIDED}
    return [related(*decided(other, real, q), lambda a, b: ordered_alike(a, b) - 0.5, name) for q, name in said.items()]
