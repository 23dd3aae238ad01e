"""Figures of the local analysis: tables in, figure out."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import COLUMN, PAGE, legend_below, point

BLUE, ORANGE, GREEN, SKY = "#0072B2", "#D55E00", "#009E73", "#56B4E9"


def counter_example(losses: pd.DataFrame, critical: float) -> Figure:
    """Return a figure of the next-stage loss of both selections against the step size.

    Args:
        losses: columns eta, a, b.
        critical: the step size at which the order flips.
    """
    fig, ax = plt.subplots(figsize=(COLUMN, 2.6))
    ax.plot(losses["eta"], losses["a"], color=BLUE, label="selection a (smaller inner product)")
    ax.plot(losses["eta"], losses["b"], color=ORANGE, ls="--", label="selection b (larger inner product)")
    ax.vlines(critical, 0, 0.72, color="0.4", lw=0.8, ls=":")  # below the legend
    told = f"critical step {critical:.3g}"
    ax.annotate(told, (critical, 0.72), xytext=(4, 0), textcoords="offset points", fontsize=8, va="top")
    ax.set(xlabel="step size η", ylabel="next-stage loss after the step", ylim=(0, 1.05))
    ax.legend(loc="upper left")
    return fig


def _selections(ax: Axes, rows: pd.DataFrame, x: str, y: str) -> None:
    """Draw one point per selection; the few of a selector stand out from random ones and mini-batches."""
    for kind, group in rows.groupby("kind", sort=False):
        few = kind not in ("random", "batch")
        ax.scatter(group[x], group[y], s=34 if few else 12, zorder=3 if few else 1, linewidths=0.4, **point(kind))


def prediction(rows: pd.DataFrame, fits: pd.DataFrame, etas: Sequence[float] = (0.001, 0.03)) -> Figure:
    """Return a figure of predicted against actual change, at three kinds of step, and of where prediction breaks.

    Open points in the last panel are those of the AdamW step.

    Args:
        rows: local analysis of one seed: columns arm, eta, kind (a selector or `batch`), first, next (nats).
        fits: `fit_quality` of all seeds: columns arm, eta, length, first, second, pairs.
        etas: the two step sizes.
    """
    fig, axes = plt.subplots(2, 2, figsize=(PAGE, 5.8))
    sgd = rows[rows["arm"] == "sgd"]
    panels = {f"one gradient step, η = {eta:g}": sgd[np.isclose(sgd["eta"], eta)] for eta in etas}
    panels["one AdamW step, as in training"] = rows[rows["arm"] == "adamw"]
    for ax, (title, part) in zip(axes.flat, panels.items()):
        values = part[["first", "next"]].to_numpy()
        ends = values.min(), values.max()
        ax.plot(ends, ends, color="0.6", lw=0.8, zorder=0)
        _selections(ax, part, "first", "next")
        ax.set(title=title, xlabel="predicted change, first order (nats)", ylabel="actual change (nats)")
    _where_it_breaks(axes[1, 1], fits)
    legend_below(fig, ncols=5, handletextpad=0.1)
    return fig


def _where_it_breaks(ax: Axes, fits: pd.DataFrame) -> None:
    lines = {
        "first": ("first order, R²", BLUE, "-o"),
        "second": ("second order, R²", ORANGE, "--s"),
        "pairs": ("pairs in order", GREEN, ":^"),
    }
    means = fits.groupby(["arm", "eta"])[["length", *lines]].mean()
    sgd, adamw = means.loc["sgd"], means.loc["adamw"].iloc[0].clip(lower=-1)
    for column, (label, colour, line) in lines.items():
        ax.plot(sgd["length"], sgd[column].clip(lower=-1), line, color=colour, ms=4, lw=1.1, label=label)
        ax.plot(adamw["length"], adamw[column], line[-1], color=colour, mfc="w", ms=6, zorder=4)
    ax.annotate("open: one\nAdamW step", (0.97, 0.97), xycoords="axes fraction", fontsize=8, ha="right", va="top")
    ax.set(xscale="log", xlabel="length of the step ‖Δθ‖", ylabel="R² (floored at -1), share", ylim=(-1.08, 1.08))
    ax.set_title("where it breaks")
    ax.legend(loc="lower left")


def spectra(curve: pd.DataFrame, rows: pd.DataFrame) -> Figure:
    """Return a figure of transfer's relative variance against concentration: closed form with bounds, and measured.

    Args:
        curve: columns C, closed_form, monte_carlo, single_direction.
        rows: local analysis of one seed: columns arm, kind (a selector or `batch`), C, spread.
    """
    fig, (ax, measured) = plt.subplots(1, 2, figsize=(PAGE, 3.2))
    ax.fill_between(curve["C"], 2 * curve["C"] ** 2, 2 * curve["C"], color="0.9", lw=0, label="bounds 2C² and 2C")
    ax.plot(curve["C"], curve["closed_form"], color=BLUE, label="all gradients, closed form")
    ax.plot(curve["C"], curve["monte_carlo"], "o", color=BLUE, ms=4, label="all gradients, simulated")
    ax.plot(curve["C"], curve["single_direction"], "--", color=ORANGE, label="mean gradient alone")
    ax.set(xlabel="concentration C", ylabel="Var X / (E X)²", ylim=(0, 3.9), yticks=range(4))
    ax.set_title("random future directions")
    ax.legend(loc="upper left", labelspacing=0.2)
    _selections(measured, rows[rows["arm"] == "adamw"], "C", "spread")
    measured.set(xlim=(0, None), ylim=(0, None), title="measured")
    measured.set(xlabel="concentration C(S), trained model", ylabel="Var X / (E X)², later stages")
    handles = measured.get_legend_handles_labels()
    fig.legend(*handles, loc="outside lower center", ncols=5, handletextpad=0.1)
    return fig


def regret(table: pd.DataFrame) -> Figure:
    """Return a figure of the myopic selection's regret, over its largest value, against the angle between stage optima.

    Args:
        table: columns model (four at most), angle (degrees), regret.
    """
    fig, ax = plt.subplots(figsize=(COLUMN, 2.8))
    looks = ((BLUE, "-", 5), (SKY, "-", 2.5), ("k", ":", 1.4), (ORANGE, "--", 1.4))  # equal shapes lie on each other
    for (name, group), (colour, line, width) in zip(table.groupby("model", sort=False), looks):
        share = group["regret"] / group["regret"].abs().max()
        ax.plot(group["angle"], share, line, color=colour, lw=width, label=name)
    ax.set(xlabel="angle between stage optima (degrees)", ylabel="regret / largest regret")
    ax.set(xticks=range(0, 181, 45), ylim=(0, 1.55))
    ax.legend(loc="upper left")
    return fig
