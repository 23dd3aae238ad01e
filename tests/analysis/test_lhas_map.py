"""The map of LHAS on tables whose answer is known: pairs, words, Holm over cells, the best of all cells."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lhas_utils.analysis import lhas_map as module
from lhas_utils.analysis.lhas_map import (
    KNOBS,
    PAIRS,
    QUANTITIES,
    cell_words,
    differences_by_cell,
    map_runs,
    pays_somewhere,
    smallest,
    tally,
    verdict,
)
from lhas_utils.runs import ARMS, CELLS, as_text

GRID = list(product(*CELLS.values()))


def runs(value, arms=("lhas", "random"), seeds=range(4), grid=GRID) -> pd.DataFrame:
    """Return runs of the map, every quantity `value(arm, cell, seed)`, forgetting its negative."""
    rows = [
        (arm, *cell, seed, *[value(arm, k, seed) * (1 if q != "forgetting" else -1) for q in QUANTITIES])
        for arm in arms
        for k, cell in enumerate(grid)
        for seed in seeds
    ]
    return pd.DataFrame(rows, columns=["arm", *KNOBS, "seed", *QUANTITIES])


def intervals(means, half=0.01, n=8, metric="long_horizon", a="lhas", b="random") -> pd.DataFrame:
    """Return the table of one pair and quantity, a row a cell."""
    means = np.asarray(means, float)
    out = pd.DataFrame(GRID[: len(means)], columns=list(KNOBS)).assign(a=a, b=b, metric=metric, mean=means)
    return out.assign(low=means - half, high=means + half, n_seeds=n)


def test_every_arm_is_compared_with_lhas_and_with_random_once():
    assert len(set(PAIRS)) == len(PAIRS) == 11
    assert {frozenset(p) for p in PAIRS if "lhas" in p} == {frozenset(("lhas", a)) for a in ARMS if a != "lhas"}
    assert {a for a, b in PAIRS if b == "random"} == {*ARMS} - {"random"}


def test_differences_are_within_cell_and_seed():
    table = runs(lambda arm, k, seed: 10 * seed + k + (0.5 if arm == "lhas" else 0)).sample(frac=1, random_state=0)
    found = differences_by_cell(table)
    assert list(found.columns) == ["a", "b", *KNOBS, "seed", *QUANTITIES]
    assert len(found) == 16 * 4 and set(zip(found["a"], found["b"])) == {("lhas", "random")}
    assert found["long_horizon"].to_numpy() == pytest.approx(0.5)
    assert found["forgetting"].to_numpy() == pytest.approx(-0.5)


def test_a_seed_without_its_partner_is_left_out():
    table = runs(lambda *_: 1.0, seeds=[0, 1])
    table = table[~((table["arm"] == "random") & (table["seed"] == 1))]
    assert set(differences_by_cell(table)["seed"]) == {0}


def test_runs_get_their_arm_and_keep_the_worlds_imbalance(monkeypatch):
    rows = pd.DataFrame(
        [("lhas", "penalty_weight=1.0", 0.8), ("lhas", "", 0.0), ("random", "", 0.8)],
        columns=["selector", "params", "imbalance"],
    )
    monkeypatch.setattr(module, "summary", lambda rows, metric: rows.assign(capability_imbalance=0.1, score=metric))
    found = map_runs(rows, "nll")
    assert found["arm"].tolist() == ["with penalty", "lhas", "random"]
    assert found["imbalance"].tolist() == [0.8, 0.0, 0.8]
    assert set(found["capability_imbalance"]) == {0.1} and set(found["score"]) == {"nll"}


def test_the_p_of_a_cell_is_that_of_the_paired_t_test():
    x = np.array([0.03, 0.05, -0.01, 0.04, 0.02])
    half = stats.t.ppf(0.975, 4) * stats.sem(x)
    (row,) = cell_words(intervals([x.mean()], half, n=5)).to_dict("records")
    assert row["p"] == pytest.approx(stats.ttest_1samp(x, 0).pvalue) == row["p_holm"]


def test_words_by_hand():
    """Eight seeds: 95 % half-width h = 2.365 se, 90 % half-width .801 h; U_long's smallest difference is .04."""
    words = cell_words(intervals([0.2, -0.2, 0.01, 0.03, 0.035], 0.011))
    assert words["word"].tolist()[:2] == ["pays", "costs"]
    small = cell_words(intervals([0.0, 0.02, -0.02, 0.03, 0.02], [0.049, 0.0249, 0.0249, 0.012, 0.03]))["word"]
    assert small.tolist() == ["equivalent", "equivalent", "equivalent", "pays", "open"]
    less = cell_words(intervals([0.2, -0.2], 0.011, metric="forgetting"))
    assert less["word"].tolist() == ["costs", "pays"]


def test_holm_runs_over_the_cells_of_one_pair_and_quantity():
    half = 0.02
    se = half / stats.t.ppf(0.975, 7)
    mean = se * stats.t.isf(0.01 / 2, 7)  # p = 0.01 alone
    alone = cell_words(intervals([mean], half))
    assert alone["p"].item() == pytest.approx(0.01) and alone["word"].item() == "pays"
    both = cell_words(pd.concat([intervals([mean], half), intervals([mean] * 16, half, b="balanced")]))
    assert both["p_holm"].round(6).tolist() == [0.01] + [0.16] * 16
    assert both["word"].tolist() == ["pays"] + ["open"] * 16


def test_without_spread_or_with_one_seed():
    words = cell_words(intervals([0.1, 0.0], 0.0))
    assert words["p"].tolist() == [0, 1] and words["word"].tolist() == ["pays", "equivalent"]
    assert cell_words(intervals([0.1, 0.0], 0.0, n=1))["word"].tolist() == ["open", "open"]


def test_smallest_differences():
    assert [smallest("long_horizon", m) for m in ("exact", "nll", "accuracy")] == [0.04, 0.1, 0.02]
    assert smallest("current") == 0.02
    with pytest.raises(ValueError, match="metric: expected one of exact, nll, accuracy; got 'f1'"):
        smallest("current", "f1")


def test_the_verdict_counts_cells():
    words = cell_words(intervals([0.2, 0.2, 0.0, 0.039, -0.2], 0.011))
    words.loc[3, "word"] = "open"
    assert tally(words).loc["lhas - random"].to_dict() == {"pays": 2, "costs": 1, "equivalent": 1, "open": 1}
    counted = "better in 2, worse in 1 of 5 cells (equivalent in 1, open in 1; Holm over the cells)."
    assert verdict(words, "random") == f"LHAS against random: {counted}"
    more = verdict(pd.concat([words, words.head(1).assign(word="open")]), "random")
    assert "better in 2, worse in 1 of 6 cells (equivalent in 1, open in 2;" in more
    assert verdict(words.assign(b="without proxy"), "without proxy") == f"LHAS against itself without proxy: {counted}"
    with pytest.raises(ValueError, match="expected a pair of the map, lhas - random; got lhas - oracle"):
        verdict(words, "oracle")


def test_a_pair_pays_somewhere_by_the_sign_of_what_is_better():
    """Better in one cell of 16 and, surer, worse in another, whose mirror counts in p; less forgetting is better."""
    gain = np.zeros((8, 16))
    gain[:, 3], gain[:, 7] = np.linspace(0.4, 0.6, 8), np.linspace(-1.1, -0.9, 8)
    table = runs(lambda arm, k, seed: gain[seed, k] if arm == "lhas" else 0.0, seeds=range(8))
    found = pays_somewhere(table, "lhas", "random")
    assert found["effect"] == pytest.approx(0.5) and found["low"] > 0.4 and found["p"] == 4 / 2**8
    assert found["name"] == "long_horizon: lhas - random, somewhere on the map" and found["n_seeds"] == 8
    assert pays_somewhere(table, "random", "lhas")["effect"] == pytest.approx(1.0)
    assert pays_somewhere(table, "lhas", "random", "forgetting")["effect"] == pytest.approx(0.5)


def test_parameters_as_the_rows_have_them():
    assert as_text({"b": 1.0, "a": "x"}) == "a=x, b=1.0" and as_text({}) == ""
