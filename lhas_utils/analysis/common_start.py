"""The common start in numbers: what a stage's choice does now, before, next and out of distribution."""

import numpy as np
import pandas as pd

from ..studies import START
from .metrics import auc, higher_is_better

QUANTITIES = ("now", "forgetting", "next_auc", "next_gain", "ood", "later")


def _wide(part: pd.DataFrame, columns: str) -> pd.DataFrame:
    return part.pivot(index=["selector", "stage"], columns=columns, values="value")


def branched(rows: pd.DataFrame, metric: str = "exact") -> pd.DataFrame:
    """Return one row per seed and selector of the common start, means over the stages t = 1..T.

    With M_{t-1} the common checkpoint and M_t what training on the selector's choice makes of it:

    - now: Perf(M_t, V_t) - Perf(M_{t-1}, V_t).
    - forgetting: mean over earlier stages s < t of Perf(M_{t-1}, V_s) - Perf(M_t, V_s), t >= 2.
    - next_auc: area under the probe's curve on V_{t+1}, t < T (`metrics.auc`); next_gain: it minus the first point.
    - ood: mean over capabilities of the OOD score after the stage minus before.
    - later: next_auc - forgetting + ood, eq. 2 of arXiv:2605.30537 without what is scored now, all weights 1.

    Args:
        rows: tidy rows of the experiment `branch`.
        metric: `exact`, `accuracy` or `nll`, which enters with its sign turned.

    Returns:
        DataFrame seed, selector (`start`, no training, among them), and `QUANTITIES`.

    Raises:
        ValueError: rows without the arm `start`.
    """
    if START not in set(rows["selector"]):
        raise ValueError(f"branched: expected the arm {START!r}; got {', '.join(map(str, rows['selector'].unique()))}")
    rows = higher_is_better(rows[rows["metric"].isin([metric, "weight"])])
    return pd.concat([_one(run).assign(seed=run["seed"].iloc[0]) for _, run in rows.groupby("run")], ignore_index=True)


def _one(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the table of one seed."""
    split = dict(tuple(rows.groupby("split", sort=False)))
    names = list(dict.fromkeys(split["id"]["capability"]))
    W = split["mixture"].pivot(index="stage", columns="capability", values="value")[names]
    own = _wide(split["id"], "capability")[names] @ W.T.to_numpy()
    change = own - own.loc[START].reindex(own.index.get_level_values("stage")).to_numpy()
    ood = _wide(split["ood"], "capability").mean(axis=1).unstack("stage")
    curves, out = _wide(split["probe"], "step").sort_index(axis=1), {}
    area = curves.apply(lambda curve: auc(curves.columns, curve.to_numpy()), axis=1)
    for name in dict.fromkeys(split["id"]["selector"]):
        d = change.loc[name].to_numpy()
        out[name] = {
            "now": np.diag(d).mean(),
            "forgetting": np.mean([-d[t, :t].mean() for t in range(1, len(d))]) if len(d) > 1 else 0.0,
            "next_auc": area[name].mean(),
            "next_gain": (area - curves.iloc[:, 0])[name].mean(),
            "ood": (ood.loc[name] - ood.loc[START]).mean(),
        }
    table = pd.DataFrame.from_dict(out, orient="index").rename_axis("selector").reset_index()
    return table.assign(later=table["next_auc"] - table["forgetting"] + table["ood"])


def trajectory(rows: pd.DataFrame) -> pd.DataFrame:
    """Return Random's trajectory in rows of the common start in the form of stage runs: M_0 is stage 0."""
    own = rows[(rows["selector"] == "random") & rows["split"].isin(["id", "ood"])]
    first = rows[(rows["selector"] == START) & rows["split"].isin(["id", "ood"]) & (rows["stage"] == 1)]
    mixture = rows[rows["split"] == "mixture"]
    return pd.concat([first.assign(stage=0), own, mixture], ignore_index=True).assign(selector="random")


def known(rows: pd.DataFrame, metric: str = "exact") -> pd.DataFrame:
    """Return the base model's score on each task of its own text, (seeds, tasks), from rows of the common start."""
    part = rows[(rows["split"] == "known") & (rows["metric"] == metric)]
    return part.pivot(index="seed", columns="capability", values="value")
