"""Figures of the first study: results in, figure out. Nothing is computed here but positions.

One colour and one marker per selector in the whole project (Okabe-Ito, colour-blind safe).
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

COLOURS = {
    "random": "#000000",
    "loss": "#E69F00",
    "gradient": "#D55E00",
    "alignment": "#CC79A7",
    "diversity": "#56B4E9",
    "quality": "#9C8A00",
    "utility_diversity": "#0072B2",
    "lhas": "#009E73",
    "oracle": "#7F7F7F",
    "shuffled": "#B0B0B0",
    "difficulty_band": "#5E3C99",
}
MARKERS = dict(zip(COLOURS, "osD^vPXh<>d"))
LABELS = {
    "random": "Random",
    "loss": "Loss",
    "gradient": "Gradient (norm)",
    "alignment": "Gradient (alignment)",
    "diversity": "Diversity",
    "quality": "Quality",
    "utility_diversity": "Utility-div.",
    "lhas": "LHAS",
    "less": "LESS-style",
    "datamodel": "Datamodel-style",
    "facility_location": "Facility location",
    "el2n": "EL2N",
    "easy": "Easiest first",
    "effect now": "true effect now",
    "oracle": "Oracle",
    "shuffled": "Shuffled",
    "difficulty_band": "Difficulty band",
}
NAMES = {
    "current": "Current (token accuracy)",
    "immediate_utility": "Immediate utility $U_{imm}$",
    "future_auc": "Future adaptation AUC",
    "future_auc_minus_start": "Future AUC minus start",
    "forgetting": "Forgetting (lower is better)",
    "ood": "OOD accuracy",
    "worst_task": "Worst-task accuracy",
    "final_average": "Final average accuracy",
    "long_horizon": "Long-horizon utility $U_{long}$",
    "concentration": "Update concentration C(S)",
    "entropy": "Capability entropy (nats)",
    "forward_transfer": "Forward transfer",
}


def style():
    """Set the look of every figure: readable at column width, vector text, no chart junk."""
    sns.set_theme(context="paper", style="ticks", font="DejaVu Sans", rc={
        "font.size": 9, "axes.labelsize": 9, "axes.titlesize": 9, "legend.fontsize": 8, "xtick.labelsize": 8, "ytick.labelsize": 8,
        "pdf.fonttype": 42, "ps.fonttype": 42, "figure.dpi": 80, "savefig.dpi": 200, "axes.spines.top": False, "axes.spines.right": False,
        "figure.constrained_layout.use": True, "image.cmap": "cividis",
    })  # fmt: skip


def scatter(ax, intervals: pd.DataFrame, x: str, y: str, annotate: bool = True):
    """Draw one point per selector with the 95 % intervals of both metrics."""
    wide = intervals.set_index(["selector", "metric"])
    for name in dict.fromkeys(intervals["selector"]):
        a, b = wide.loc[(name, x)], wide.loc[(name, y)]
        ax.errorbar(
            a["mean"], b["mean"], xerr=[[a["mean"] - a["low"]], [a["high"] - a["mean"]]], yerr=[[b["mean"] - b["low"]], [b["high"] - b["mean"]]],
            fmt=MARKERS[name], color=COLOURS[name], ms=5, lw=0.9, capsize=1.5, label=LABELS[name],
        )  # fmt: skip
    ax.set(xlabel=NAMES.get(x, x), ylabel=NAMES.get(y, y))
    return ax


def curves(ax, probe: pd.DataFrame):
    """Draw the adaptation curve of each selector: mean over stages and seeds, 95 % interval over seeds.

    Args:
        probe: columns selector, seed, step, value (one value per seed).
    """
    for name, group in probe.groupby("selector", sort=False):
        sns.lineplot(data=group, x="step", y="value", color=COLOURS[name], marker=MARKERS[name], ms=4, mew=0, lw=1.1, errorbar=("ci", 95), seed=0, ax=ax, label=LABELS[name], err_kws={"alpha": 0.12, "lw": 0})
    ax.set(xlabel="updates on the next stage", ylabel="accuracy on the next stage")
    ax.get_legend().remove()
    return ax


def gap(ax, null: np.ndarray, observed: dict[str, float]):
    """Draw the permutation null of the myopia gap and observed values as labelled lines."""
    values, counts = np.unique(np.round(null, 6), return_counts=True)
    ax.bar(values, counts / counts.sum(), width=0.8 * np.diff(values).min(), color="0.8", label="random rankings")
    for (label, value), dash in zip(observed.items(), ("-", "--", ":")):
        ax.axvline(value, color="k", ls=dash, lw=1.2, label=f"{label}: {value:.3f}")
    ax.set(xlabel="myopia gap (eq. 3)", ylabel="probability", ylim=(0, 1.6 * counts.max() / counts.sum()))  # room for the legend
    ax.legend(frameon=False, loc="upper left")
    return ax


def rank_reversal(intervals: pd.DataFrame, probe: pd.DataFrame, null: np.ndarray, observed: dict[str, float]):
    """Draw Fig. 2: (a) now against later, (b) adaptation curves, (c) OOD against forgetting, (d) gap."""
    fig, axes = plt.subplots(2, 2, figsize=(7.2, 5.8))
    scatter(axes[0, 0], intervals, "immediate_utility", "future_auc")
    curves(axes[0, 1], probe)
    scatter(axes[1, 0], intervals, "forgetting", "ood")
    gap(axes[1, 1], null, observed)
    for ax, letter in zip(axes.flat, "abcd"):
        ax.set_title(f"({letter})", loc="left")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return fig


def concentration(intervals: pd.DataFrame):
    """Draw Fig. 4(b), update concentration against forgetting, raw and norm-normalised, and Fig. 3(b), entropy against concentration."""
    fig, axes = plt.subplots(1, 3, figsize=(7.2, 2.9))
    scatter(axes[0], intervals, "concentration", "forgetting")
    scatter(axes[1], intervals, "concentration_normalised", "forgetting")
    scatter(axes[2], intervals, "entropy", "concentration")
    axes[1].set(xlabel="C(S), gradients normalised", ylabel="")
    axes[1].sharey(axes[0])
    for ax, letter in zip(axes, "abc"):
        ax.set_title(f"({letter})", loc="left")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return fig


def heatmap(table: pd.DataFrame, label: str, centre: float | None = None, fmt: str = ".2f"):
    """Draw a labelled matrix; `centre` switches to a diverging map around that value."""
    fig, ax = plt.subplots(figsize=(0.75 * table.shape[1] + 2.2, 0.42 * table.shape[0] + 1.2))
    style = {"cmap": "cividis"} if centre is None else {"cmap": "PuOr_r", "center": centre}
    sns.heatmap(table, annot=True, fmt=fmt, cbar_kws={"label": label}, annot_kws={"size": 8}, ax=ax, **style)
    ax.set(xlabel=table.columns.name or "", ylabel=table.index.name or "")
    ax.set_xticks(ax.get_xticks(), ax.get_xticklabels(), rotation=35, ha="right")
    return fig


def diagnostics(intervals: pd.DataFrame):
    """Draw Table 2: one panel per diagnostic, one point per selector."""
    metrics = {"entropy": "capability entropy (nats)", "difficulty": "mean difficulty", "quality": "mean judged quality", "concentration": "concentration C(S)"}
    fig, axes = plt.subplots(1, 4, figsize=(7.2, 2.8), sharey=True)
    names = list(dict.fromkeys(intervals["selector"]))
    for ax, (metric, label) in zip(axes, metrics.items()):
        part = intervals[intervals["metric"] == metric].set_index("selector")
        for y, name in enumerate(names):
            row = part.loc[name]
            ax.errorbar(row["mean"], y, xerr=[[row["mean"] - row["low"]], [row["high"] - row["mean"]]], fmt=MARKERS[name], color=COLOURS[name], ms=5, capsize=1.5)
        ax.set_xlabel(label)
    axes[0].set_yticks(range(len(names)), [LABELS[n] for n in names])
    axes[0].invert_yaxis()
    return fig


def differences(intervals: pd.DataFrame, metrics: list[str], against: str = "Random"):
    """Draw paired differences with intervals: one panel per metric, one row per label.

    Args:
        intervals: columns label, selector, metric, mean, low, high.
    """
    labels = list(dict.fromkeys(intervals["label"]))
    fig, axes = plt.subplots(1, len(metrics), figsize=(3.6 * len(metrics), 0.26 * len(labels) + 0.9), sharey=True, squeeze=False)
    for ax, metric in zip(axes[0], metrics):
        part = intervals[intervals["metric"] == metric].set_index("label")
        for label, row in part.iterrows():
            name = row["selector"]
            ax.errorbar(row["mean"], labels.index(label), xerr=[[row["mean"] - row["low"]], [row["high"] - row["mean"]]], fmt=MARKERS.get(name, "o"), color=COLOURS.get(name, "0.3"), capsize=2)
        ax.axvline(0, color="0.6", lw=0.8)
        ax.set_yticks(range(len(labels)), labels)
        ax.set_xlabel(f"{NAMES.get(metric, metric)},\nminus {against}")
    axes[0, 0].invert_yaxis()
    return fig


def conditions(intervals: pd.DataFrame, x: str, metrics: list[str], order: list[str] | None = None):
    """Draw one panel per metric: a condition on the x axis, one line or point series per selector.

    Args:
        intervals: columns selector, `x`, metric, mean, low, high.
        order: order of the conditions; that of the table by default.
    """
    fig, axes = plt.subplots(1, len(metrics), figsize=(3.6 * len(metrics), 2.9), squeeze=False)
    order = order or list(dict.fromkeys(intervals[x]))
    names = [n for n in COLOURS if n in set(intervals["selector"])]
    for ax, metric in zip(axes[0], metrics):
        for k, name in enumerate(names):
            part = intervals[(intervals["selector"] == name) & (intervals["metric"] == metric)].set_index(x)
            part = part.loc[[o for o in order if o in part.index]]
            at = np.array([order.index(o) for o in part.index]) + 0.08 * (k - (len(names) - 1) / 2)
            ax.errorbar(at, part["mean"], yerr=[part["mean"] - part["low"], part["high"] - part["mean"]], fmt=MARKERS[name] + "-", color=COLOURS[name], ms=4.5, lw=0.8, capsize=1.5, label=LABELS[name])
        ax.set_xticks(range(len(order)), order, rotation=15 if max(map(len, order)) > 8 else 0)
        ax.set(xlabel=x, ylabel=NAMES.get(metric, metric))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return fig


def subplots(*args, **kwargs):
    """Return `plt.subplots` at the width of one column."""
    return plt.subplots(*args, **({"figsize": (3.6, 2.6)} | kwargs))


def show():
    """Show the current figures and close them."""
    plt.show()
    plt.close("all")
