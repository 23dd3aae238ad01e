"""Each figure function returns a figure, draws every selector it is given and leaves its tables as they were."""

from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from lhas_utils import figures
from lhas_utils.analysis import statistics
from lhas_utils.figures import difficulty_figures as difficulty
from lhas_utils.figures import theory_figures as theory
from lhas_utils.figures import utility_figures as utility
from lhas_utils.figures.style import SIGN

SELECTORS = ["random", "lhas", "less", "easy"]
KINDS = [*SELECTORS, "batch"]
NOW_AND_LATER = ["immediate_utility", "long_horizon"]


def table(*numbers, **axes):
    """A row for every combination of the values of `axes`; `numbers` are mean, low and high unless named."""
    rows = [(*values, 0.1 * i, 0.1 * i - 0.05, 0.1 * i + 0.1) for i, values in enumerate(product(*axes.values()))]
    return pd.DataFrame(rows, columns=[*axes, *(numbers or ("mean", "low", "high"))])


def of_selectors(*metrics):
    return table(selector=SELECTORS, metric=metrics)


PROBE = table("value", "_", "__", selector=SELECTORS, seed=[0, 1, 2], step=[0, 5])
GAP = np.array([0, 0.5, 0.5, 1]), {"this run": 0.5}
KNOBS = {"alignment": ["0.0", "1.0"], "precursors": ["0.2"], "noise": ["0.1", "0.3"], "budget": ["0.25", "0.5"]}
LOCAL = table("first", "next", "C", arm=["sgd", "adamw"], eta=[0.001, 0.03], kind=KINDS).assign(spread=0.3)
FITS = table("first", "second", "length", arm=["sgd", "adamw"], eta=[0.001, 0.03], seed=[0, 1]).assign(pairs=0.9)
CURVE = table("closed_form", "monte_carlo", "single_direction", C=[0.2, 0.6, 1.0])
GRID = {"skill": ["sort", "cumsum"], "base": ["weak", "strong"], "n": [32, 512]}
LEDGER = pd.DataFrame(
    {
        "tally": ["papers", "papers", "papers", "ours"],
        "verdict": ["CONTRADICTED", "REPRODUCED", "REPRODUCED", "PARTLY"],
        "stands_on": ["3 of 3, firm", "1 of 3, fragile", "3 of 3, firm", ""],
    },
    index=["C01", "C02", "C03", "G01"],
)
CASES = {
    figures.rank_reversal: (of_selectors("immediate_utility", "future_auc", "forgetting", "ood"), PROBE, *GAP),
    figures.concentration: (of_selectors("concentration", "concentration_normalised", "entropy", "forgetting"),),
    figures.diagnostics: (of_selectors("entropy", "difficulty", "quality", "concentration"),),
    figures.differences: (of_selectors(*NOW_AND_LATER).assign(label="one"), NOW_AND_LATER),
    figures.conditions: (table(selector=SELECTORS, budget=["10 %", "25 %"], metric=["ood"]), "budget", ["ood"]),
    figures.true_effect: (table(selector=[*SELECTORS, "effect now", "reliability"], target=["now", "last", "final"]),),
    figures.real_text: (of_selectors("current_nll", "future_auc_nll", "forgetting_nll", "ood_nll"),),
    figures.race: (table("current", "future_auc", "forgetting", selector=[*SELECTORS, "mine"], seed=[0, 1]), "mine"),
    figures.ratios: (table(benchmark=["a"], peer=["b", "c"], size=["n = 5"]).assign(ratio=2.0, low=1.5, high=3.0),),
    figures.heatmap: (pd.DataFrame([[0.0, np.nan], [0.5, 1.0]], ["a", "b"], ["c", "d"]), "share", 0.5),
    figures.regimes: (table(**KNOBS, metric=["current", "long_horizon"]),),
    figures.utility_terms: (of_selectors(*utility.TERMS, "long_horizon"),),
    figures.order_map: (table(selector=SELECTORS, order=["paper", "reversed"], metric=["long_horizon"]),),
    figures.ledger: (LEDGER,),
    figures.concept: (2,),
    theory.counter_example: (table("a", "b", "_", eta=[0.0, 0.3]), 2 / 7),
    theory.prediction: (LOCAL, FITS),
    theory.spectra: (CURVE, LOCAL),
    theory.regret: (table("regret", "_", "__", model=["one", "two"], angle=[0, 90]),),
    difficulty.heatmaps: (
        table("gain", "_", "__", **GRID, d=[2, 3]),
        table("d_star", "low", "high", **GRID, estimator=["best cell", "vertex"]).assign(at_edge=1, n_seeds=3),
    ),
    difficulty.slices: (table("exact", "_", "__", n=[32, 512], d=[2, 3], level=[2, 3]),),
    difficulty.gaps: (
        table(
            part=["sort", "cumsum"],
            n=[32, 512],
            d=[2, 3],
            metric=["train_nll", "generalization_nll", "extrapolation_nll", "target_nll"],
        ),
    ),
    difficulty.lines: (table(n=[32, 512], arm=["steps", "tokens"], d=[2, 3]), "d", "gain"),
    difficulty.bound: (table("risk", "complexity", "shift", n=[32, 512], d=[2, 3]).assign(observed=1.0), 5.0),
    difficulty.optimum: (table("measured", "line", "constant", n=[32, 512]).assign(nearest=1.0),),
    difficulty.measures: (table("nll", "failure", "_", skill=["sort"], base=["weak", "strong"], level=[2, 3]),),
}


@pytest.fixture(autouse=True)
def closed():
    """No figure stays open."""
    yield
    plt.close("all")


@pytest.mark.parametrize("draw", CASES, ids=lambda f: f.__name__)
def test_a_figure_comes_out_and_the_tables_stay_as_they_were(draw):
    tables = [a for a in CASES[draw] if isinstance(a, pd.DataFrame)]
    before = [t.copy(deep=True) for t in tables]
    fig = draw(*CASES[draw])
    assert isinstance(fig, Figure)
    fig.draw_without_rendering()
    for was, now in zip(before, tables):
        pd.testing.assert_frame_equal(was, now)


def test_sizes_are_in_the_order_of_their_numbers():
    bench = table(benchmark=["a"], peer=["b", "c"], size=["n = 1000", "n = 10000", "n = 5000"]).assign(ratio=2.0)
    labels = [t.get_text() for t in figures.ratios(bench).axes[0].get_yticklabels()]
    assert labels[::-1] == [f"a: {peer}, n = {n}" for peer in "bc" for n in (1000, 5000, 10000)]


def test_the_gap_says_how_many_are_ranked_and_its_lines_stay_below_the_legend():
    fig = figures.rank_reversal(*CASES[figures.rank_reversal])
    ax = fig.axes[3]
    assert f"random rankings of {len(SELECTORS)}" in {t.get_text() for t in ax.get_legend().get_texts()}
    fig.draw_without_rendering()
    tops = [ax.transData.transform(line.get_xydata())[:, 1].max() for line in ax.lines]
    assert max(tops) < ax.get_legend().get_window_extent().y0


@pytest.mark.parametrize("draw", CASES, ids=lambda f: f.__name__)
def test_a_figure_is_legible_at_the_width_it_is_made_for(draw):
    figures.style()
    fig = draw(*CASES[draw])
    assert fig.get_figwidth() in (figures.COLUMN, figures.PAGE)
    texts = [t for t in fig.findobj(Text) if t.get_visible() and t.get_text().strip()]
    assert texts and min(t.get_fontsize() for t in texts) >= 8


@pytest.mark.parametrize(
    "draw, args", [(figures.curves, (PROBE,)), (figures.scatter, (of_selectors("a", "b"), "a", "b"))]
)
def test_functions_that_take_axes_return_them_with_every_selector_named(draw, args):
    _, ax = figures.subplots()
    assert draw(ax, *args) is ax
    assert ax.get_legend_handles_labels()[1] == [figures.LABELS[s] for s in SELECTORS]


def test_no_selector_is_left_out():
    fig = figures.conditions(*CASES[figures.conditions])
    assert {t.get_text() for t in fig.legends[0].get_texts()} == {figures.LABELS[s] for s in SELECTORS}
    intervals, *rest = CASES[figures.conditions]
    with pytest.raises(ValueError, match="'mine'"):
        figures.conditions(intervals.replace("lhas", "mine"), *rest)


def test_bands_of_curves_are_the_intervals_of_the_statistics():
    _, ax = figures.subplots()
    figures.curves(ax, PROBE[PROBE["selector"] == "random"])
    values = PROBE[(PROBE["selector"] == "random") & (PROBE["step"] == 0)]["value"]
    mean, low, high = statistics.interval(values)
    band = ax.collections[0].get_paths()[0].vertices
    assert ax.lines[0].get_ydata()[0] == pytest.approx(mean)
    assert sorted({low, high}) == pytest.approx(sorted(set(band[band[:, 0] == 0, 1])))


def test_differences_are_coloured_by_their_side_and_keep_their_markers():
    rows = [("random", "a", 0.2, 0.1, 0.3), ("lhas", "b", -0.2, -0.3, -0.1), ("less", "c", 0.0, -0.1, 0.1)]
    table = pd.DataFrame(rows, columns=["selector", "label", "mean", "low", "high"])
    fig = figures.differences(
        pd.concat([table.assign(metric=m) for m in ("current", "forgetting")]), ["current", "forgetting"]
    )
    better, worse, equal = SIGN[1], SIGN[-1], SIGN[0]
    found = [[c.lines[0].get_color() for c in ax.containers] for ax in fig.axes]
    assert found == [[better, worse, equal], [worse, better, equal]]
    assert [c.lines[0].get_marker() for c in fig.axes[0].containers] == [figures.MARKERS[s] for s in table["selector"]]


def test_conditions_are_points_and_no_lines():
    fig = figures.conditions(*CASES[figures.conditions])
    assert {c.lines[0].get_linestyle() for c in fig.axes[0].containers} == {"None"}


def test_a_cell_of_the_regime_map_that_is_not_told_apart_has_no_colour():
    cell = {"alignment": 0.0, "precursors": 0.2, "noise": 0.1, "budget": 0.25}
    rows = [
        cell | {"mean": 0.1, "low": 0.05, "high": 0.2},
        cell | {"alignment": 1.0, "mean": 0.1, "low": -0.1, "high": 0.2},
    ]
    table = pd.concat([pd.DataFrame(rows).assign(metric=m) for m in ("current", "long_horizon")])
    fig = figures.regimes(table)
    assert fig.axes[0].images[0].get_array().tolist() == [[0.1, 0.0]]
    assert [t.get_text() for t in fig.axes[0].texts] == ["+0.10\n[0.05, 0.20]", "+0.10\n[-0.10, 0.20]"]


def test_only_the_racer_of_ones_own_is_hatched():
    fig = figures.race(*CASES[figures.race])
    assert [bar.get_hatch() for bar in fig.axes[0].patches] == [None, None, None, None, "///"]


def test_a_cell_without_a_number_stays_empty_and_text_is_readable():
    fig = figures.heatmap(*CASES[figures.heatmap])
    shown = {t.get_text(): t.get_color() for t in fig.axes[0].texts if t.get_text()}
    assert shown == {"0.00": "w", "0.50": "k", "1.00": "w"}


def test_the_terms_of_the_utility_end_where_their_sum_is():
    rows = [("lhas", q, v) for q, v in (("final", 0.2), ("future_auc", -0.1), ("kept", 0.3), ("ood", -0.4))]
    rows = [*rows, ("lhas", "long_horizon", 0.0)]
    given = pd.DataFrame(rows, columns=["selector", "metric", "mean"]).assign(low=-1.0, high=1.0)
    bars = {
        b.get_label(): b.patches[0] for b in figures.utility_terms(given).axes[0].containers if hasattr(b, "patches")
    }
    spans = [(round(b.get_x(), 9), round(b.get_x() + b.get_width(), 9)) for b in bars.values()]
    assert spans == [(0.0, 0.2), (0.0, -0.1), (0.2, 0.5), (-0.1, -0.5)]


def test_an_order_map_boxes_the_best_and_greys_what_is_not_told_apart():
    rows = [("random", 0, 0, 0), ("lhas", 0.2, 0.1, 0.3), ("less", -0.1, -0.3, 0.1)]
    given = pd.DataFrame(rows, columns=["selector", "mean", "low", "high"]).assign(order="paper", metric="long_horizon")
    ax = figures.order_map(given).axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == [figures.LABELS[n] for n in ("less", "lhas")]
    assert ax.images[0].get_array().tolist() == [[0.0, 0.2]]
    assert [t.get_text() for t in ax.texts] == ["-0.10", "+0.20"]
    assert [box.get_x() for box in ax.patches] == [pytest.approx(0.53)]


def test_the_ledger_has_every_claim_once_in_the_colour_of_its_verdict_and_hatches_the_fragile():
    fig = figures.ledger(LEDGER)
    titles = [ax.get_title(loc="left") for ax in fig.axes]
    assert titles == ["The papers' experiments: 3 claims", "Our own additions and controls: 1 claims"]
    assert [[t.get_text() for t in ax.texts] for ax in fig.axes] == [["C02", "C03", "C01"], ["G01"]]
    assert [bool(p.get_hatch()) for p in fig.axes[0].patches] == [True, False, False]
    first, _, last = (to_hex(p.get_facecolor()).upper() for p in fig.axes[0].patches)
    assert (first, last) == (SIGN[1], SIGN[-1])


def test_the_sketch_needs_a_stage_before_and_one_after():
    for wrong in (0, 4, "math"):
        with pytest.raises(ValueError, match=f"concept: expected a stage from 1 to 3; got {wrong!r}"):
            figures.concept(wrong)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_what_is_forgotten_is_read_on_the_model_after_the_stage(at):
    ax = figures.concept(at).axes[0]
    words = {t.get_text().split(":")[0]: t for t in ax.texts if ":" in t.get_text()}
    assert f"$M_{at + 1}$" in words["before"].get_text()
    feet = [t.xyann[0] for t in ax.texts if isinstance(t, Annotation) and t.xyann[1] < 0]
    assert len(feet) == len(words) and np.allclose(feet, [at + 0.5, at + 0.5, at + 1.5], atol=0.1)


def test_the_counter_example_names_the_critical_step_it_is_given():
    told = [t.get_text() for t in theory.counter_example(table("a", "b", "_", eta=[0.0, 0.3]), 0.05).axes[0].texts]
    assert told == ["critical step 0.05"]


def test_a_perfect_score_would_reach_the_root_of_the_reliability():
    effects = table(selector=["loss", "effect now", "reliability"], target=["now", "last", "final"])
    effects.loc[effects["selector"] == "reliability", "mean"] = 0.64
    for ax in figures.true_effect(effects).axes:
        assert [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"] == [pytest.approx(0.8)]
