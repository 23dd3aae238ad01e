"""Figures of the local analysis: tables in, figure out."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from .plots import COLOURS, LABELS, MARKERS

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"


def counter_example(losses: pd.DataFrame, critical: float):
    """Draw the next-stage loss of both selections against the step size.

    Args:
        losses: columns eta, a, b. critical: the step size at which the order flips.
    """
    fig, ax = plt.subplots(figsize=(3.5, 2.6))
    ax.plot(losses["eta"], losses["a"], color=BLUE, label="selection a (smaller inner product)")
    ax.plot(losses["eta"], losses["b"], color=ORANGE, ls="--", label="selection b (larger inner product)")
    ax.axvline(critical, color="0.4", lw=0.8, ls=":")
    ax.annotate("critical step 2/7", (critical, 0.8), xytext=(4, 0), textcoords="offset points", fontsize=8, va="top")
    ax.set(xlabel="step size η", ylabel="next-stage loss after the step", ylim=(0, 1.05))
    ax.legend(frameon=False, loc="upper left")
    return fig


def prediction(rows: pd.DataFrame, fits: pd.DataFrame, etas=(0.001, 0.03)):
    """Draw predicted against actual change at two step sizes and after one AdamW step, and R^2 and order against the step.

    Args:
        rows: a run of `local_analysis.execute` (one seed). fits: `local_analysis.fit_quality` of all seeds.
    """
    fig, axes = plt.subplots(2, 2, figsize=(7, 5.8))
    panels = [(f"one gradient step, η = {eta:g}", rows[(rows["arm"] == "sgd") & np.isclose(rows["eta"], eta)]) for eta in etas]
    panels.append(("one AdamW step, as in training", rows[rows["arm"] == "adamw"]))
    for ax, (title, part) in zip(axes.flat, panels):
        ends = [part[["first", "next"]].min().min(), part[["first", "next"]].max().max()]
        ax.plot(ends, ends, color="0.6", lw=0.8, zorder=0)
        for kind, g in part.groupby("kind", sort=False):
            few = kind in MARKERS and kind != "random"
            style = {"color": COLOURS.get(kind, "0.65"), "marker": MARKERS.get(kind, "."), "s": 34 if few else 12, "zorder": 3 if few else 1}
            ax.scatter(g["first"], g["next"], label=LABELS.get(kind, "Mini-batch of 16"), linewidths=0.4, **style)
        ax.set(title=title, xlabel="predicted change, first order (nats)", ylabel="actual change (nats)")
    sgd, adamw = (fits[fits["arm"] == arm].groupby("eta")[["length", "first", "second", "pairs"]].mean() for arm in ("sgd", "adamw"))
    ax = axes[1, 1]
    for column, label, colour, line in (("first", "first order, R²", BLUE, "-o"), ("second", "second order, R²", ORANGE, "--s"), ("pairs", "pairs in order", GREEN, ":^")):
        ax.plot(sgd["length"], sgd[column].clip(lower=-1), line, color=colour, ms=4, lw=1.1, label=label)
    ax.axvline(adamw["length"].iloc[0], color="0.4", lw=0.8, ls=":")
    ax.annotate("one AdamW step", (adamw["length"].iloc[0], -0.95), rotation=90, fontsize=8, ha="right", va="bottom")
    ax.set(xscale="log", title="where it breaks", xlabel="length of the step ‖Δθ‖", ylabel="R² (floored at -1), share", ylim=(-1.08, 1.08))
    ax.legend(frameon=False, loc="lower left")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False, handletextpad=0.1)
    return fig


def spectra(curve: pd.DataFrame, rows: pd.DataFrame):
    """Draw the relative variance of transfer against concentration: closed form with its bounds, and measured.

    Args:
        curve: columns C, closed_form, monte_carlo, single_direction. rows: a run of `local_analysis.execute`.
    """
    fig, axes = plt.subplots(1, 2, figsize=(7, 3.2))
    ax = axes[0]
    ax.fill_between(curve["C"], 2 * curve["C"] ** 2, 2 * curve["C"], color="0.9", lw=0, label="bounds 2C² and 2C")
    ax.plot(curve["C"], curve["closed_form"], color=BLUE, label="all gradients, closed form")
    ax.plot(curve["C"], curve["monte_carlo"], "o", color=BLUE, ms=4, label="all gradients, simulated")
    ax.plot(curve["C"], curve["single_direction"], "--", color=ORANGE, label="mean gradient alone")
    ax.set(xlabel="concentration C", ylabel="Var X / (E X)²", title="random future directions", ylim=(0, 3.9), yticks=range(4))
    ax.legend(frameon=False, loc="upper left", labelspacing=0.2)
    ax = axes[1]
    one = rows[rows["arm"] == "adamw"]
    for kind, g in one.groupby("kind", sort=False):
        ax.scatter(g["C"], g["spread"], color=COLOURS.get(kind, "0.65"), marker=MARKERS.get(kind, "."), s=28 if kind in MARKERS and kind != "random" else 12, label=LABELS.get(kind, "Mini-batch of 16"), linewidths=0.4)
    ax.set(xlim=(0, None), ylim=(0, None), xlabel="concentration C(S), trained model", ylabel="Var X / (E X)², later stages", title="measured")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False, handletextpad=0.1)
    return fig


def regret(table: pd.DataFrame):
    """Draw the regret of the myopic selection against the angle between stage optima.

    Args:
        table: columns model, angle (degrees), regret.
    """
    fig, ax = plt.subplots(figsize=(3.5, 2.8))
    looks = zip((BLUE, "#56B4E9", "#000000", ORANGE), ("-", "-", ":", "--"), (5, 2.5, 1.4, 1.4))  # equal shapes lie on each other
    for (name, g), (colour, line, width) in zip(table.groupby("model", sort=False), looks):
        ax.plot(g["angle"], g["regret"] / g["regret"].abs().max(), line, color=colour, lw=width, label=name)
    ax.set(xlabel="angle between stage optima (degrees)", ylabel="regret / largest regret", xticks=range(0, 181, 45), ylim=(0, 1.55))
    ax.legend(frameon=False, loc="upper left")
    return fig
