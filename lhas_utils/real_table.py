"""What runs on real text come to: one row a run, Table 1, a figure."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from . import metrics, paths, plots, products, stats

METRICS = ("current", "future_auc", "forgetting", "ood")  # of Table 1, in token accuracy and again in NLL


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run: every metric in token accuracy, and with the suffix `_nll` in nats.

    With the NLL, forgetting is its rise above its lowest value since the capability was trained;
    lower is better for all of them.
    """
    out = []
    for _, run in rows.groupby("run", sort=True):
        stages = run.loc[run["split"] == "id", "capability"].nunique()
        W = np.eye(stages)
        nll = metrics.summarise(run, W, "nll")
        flipped = {f"{m}_nll": nll[m] if m == "forgetting" else -nll[m] for m in METRICS}
        first = run.iloc[0]
        named = {"selector": first["selector"], "seed": int(first["seed"])}
        out.append(named | metrics.summarise(run, W, "accuracy") | flipped)
    return pd.DataFrame(out)


def table1(runs_summary: pd.DataFrame) -> pd.DataFrame:
    """Return Table 1 as tidy intervals: selector, metric, mean, low, high, n_seeds."""
    wanted = [*METRICS, *(f"{m}_nll" for m in METRICS), "entropy", "concentration"]
    return stats.table(runs_summary, wanted)


def against_random(runs: pd.DataFrame, wanted=("current_nll", "future_auc_nll")) -> pd.DataFrame:
    """Return the paired differences from Random: mean [low, high] over seeds, one column a metric."""
    wide = runs.pivot(index="seed", columns="selector", values=list(wanted))
    out = {}
    for metric in wanted:
        for name in wide[metric].columns.drop("random"):
            mean, low, high = stats.interval(wide[metric][name] - wide[metric]["random"])
            out.setdefault(metric, {})[name] = f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"
    return pd.DataFrame(out).reindex([n for n in dict.fromkeys(runs["selector"]) if n != "random"])


def figure(intervals: pd.DataFrame):
    """Draw Table 1 in response NLL: one panel a metric, one row a selector, further left is better."""
    titles = {
        "current_nll": "(a) stage just trained", "future_auc_nll": "(b) next stage (AUC)",
        "forgetting_nll": "(c) forgetting (rise)", "ood_nll": "(d) long prompts",
    }  # fmt: skip
    names = list(dict.fromkeys(intervals["selector"]))
    wide = intervals.set_index(["selector", "metric"])
    fig, axes = plt.subplots(1, 4, figsize=(7.2, 0.26 * len(names) + 1.1), sharey=True)
    for ax, (metric, title) in zip(axes, titles.items()):
        for y, name in enumerate(names):
            mean, low, high = wide.loc[(name, metric), ["mean", "low", "high"]]
            style = {"fmt": plots.MARKERS[name], "color": plots.COLOURS[name], "ms": 5, "capsize": 2, "lw": 1}
            ax.errorbar(mean, y, xerr=[[mean - low], [high - mean]], **style)
        ax.axvline(wide.loc[(names[0], metric), "mean"], color="0.7", lw=0.8, ls=":")
        ax.set_title(title, loc="left", fontsize=8)
        ax.set_xlabel("nats a token")
        ax.locator_params(axis="x", nbins=3)
        ax.margins(x=0.12, y=0.08)
    axes[0].set_yticks(range(len(names)), [plots.LABELS[n] for n in names])
    axes[0].invert_yaxis()
    return fig


def save_table(intervals: pd.DataFrame, setup, given: bool):
    """Write Table 1: to `build/real/table1.csv` for the reader's own data, beside the figures otherwise."""
    if not given:
        return products.save_table(intervals, "real_text", setup)
    folder = paths.BUILD / "real"
    folder.mkdir(parents=True, exist_ok=True)
    intervals.to_csv(folder / "table1.csv", index=False, float_format="%.6g", lineterminator="\n")
