"""The checks of claims G01, G02: does training teach the worlds' stages what selectors are compared on?"""

import pandas as pd

from ..analysis import gate, known, rises, trajectory
from ..analysis.gate import RISE, SEEDS
from ..analysis.statistics import effect, exact
from ..runs import experiment
from .contract import check

KNOWN = 0.95  # exact match of the base on every task of its own text


@check
def skill_world_teaches(profile: str, metric: str = "exact") -> list[dict]:
    """G01: Random's rise of exact match on its own stage, the final average, what the base knows, and OOD."""
    rows = experiment("branch", profile)
    own = trajectory(rows)
    before, after = rises(own)
    gains = after - before
    stages = gains.drop(columns="final")
    ood = own[(own["split"] == "ood") & (own["metric"] == "exact")]
    ends = ood.groupby(["seed", "stage"])["value"].mean().unstack()
    return [
        *(effect(stages[name] - RISE, name=f"{name}: rise - {RISE}", smallest=0.0) for name in stages),
        exact((stages >= RISE).mean().min() - SEEDS, name=f"share of seeds with that rise, worst stage, - {SEEDS}"),
        effect(gains["final"], name="final average - base", smallest=RISE),
        effect(known(rows).min(axis=1) - KNOWN, name=f"base on its own worst task - {KNOWN}", smallest=0.0),
        effect(ends.iloc[:, -1] - ends.iloc[:, 0], name="OOD after the last stage - base", smallest=0.1),
    ]


@check
def other_sequences_teach(profile: str, metric: str = "exact") -> list[dict]:
    """G02: Random's rise of exact match on the worst own stage of the domain and of the interleaved sequence."""
    rows, out = experiment("sequences", profile), []
    for name, part in rows.groupby("sequence") if len(rows) else ():
        before, after = rises(part)
        worst = (after - before).drop(columns="final").min(axis=1)
        out.append(effect(worst - RISE, name=f"{name}: rise at the worst stage - {RISE}", smallest=0.0))
    return out


def require(rows: pd.DataFrame) -> None:
    """Raise a `ValueError` that names the stages at which the world of the common start fails its gate."""
    table = gate(trajectory(rows))
    if failed := list(table.index[~table["passes"]]):
        gains = ", ".join(f"{name} {table.loc[name, 'gain']:+.2f}" for name in failed)
        raise ValueError(f"gate of SkillWorld: expected a rise of {RISE} at every stage; got {gains}. No verdicts")
