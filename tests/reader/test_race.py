"""The race runs, is cached by the code of the selector, and refuses before any run."""

import json
import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset, load_from_disk

import lhas_utils as lu
from lhas_utils.analysis import carded
from lhas_utils.core import code
from lhas_utils.reader import Race, compare, export
from lhas_utils.reader.apart import apart
from lhas_utils.runs import missing, published, table1

pytestmark = pytest.mark.filterwarnings("ignore")


def good(ctx, budget, *, rng):
    return lu.top_k(ctx.loss + 0.1 * rng.random(len(ctx)), budget)


def no_rng(ctx, budget):
    return lu.top_k(ctx.loss, budget)


def nothing(ctx, budget, *, rng):
    lu.top_k(ctx.loss, budget)


def twice(ctx, budget, *, rng):
    return np.arange(budget) // 2


@pytest.fixture(scope="module")
def race():
    """A race of two seeds against Random at the size of the tests."""
    return compare(good, against=["random", "quality"], profile="smoke")


@pytest.mark.slow
def test_compare_shows_yours_beside_known_ones_and_caches_it(race):
    table = race.table
    assert list(table.index) == ["random", "quality", "good"] and np.isfinite(table.to_numpy()).all()
    mine = [replace(s, selector="good") for s in table1("smoke") if s.selector == "random"]
    assert missing(mine, good) == []
    again = compare(good, against=["random", "quality"], profile="smoke")
    pd.testing.assert_frame_equal(table, again.table)
    assert race.asked["seeds"] == [100, 101] and race.metric == "exact"


@pytest.mark.slow
def test_after_the_race(race, tmp_path):
    assert list(race.differences.index) == ["quality", "good"]
    assert set(race.differences) == {"current", "now", "future_auc", "forgetting", "ood"}
    assert "2 seed(s)" in race.apart()
    card = race.scorecard(seconds=True)
    assert list(card.index) == ["random", "quality", "good"] and (card["1: now", "seconds"] >= 0).all()
    shares = race.plot_picks("quality")
    assert shares.groupby("stage")[["mine", "rival"]].sum().to_numpy() == pytest.approx(1)
    with pytest.raises(ValueError, match="rival: expected one of random, quality; got 'lhas'"):
        race.plot_picks("lhas")
    with pytest.raises(ValueError, match="leaderboard: expected a race in the published world"):
        race.leaderboard()
    picks = race.picks()
    assert set(picks["selector"]) == {"random", "quality", "good"} and len(picks) == 3 * 2 * 5 * 12
    alone = replace(race, runs=race.runs[race.runs["selector"] != "random"], against=("quality",))
    with pytest.raises(ValueError, match="race: expected 'random' among the rivals; got quality"):
        alone.apart()


@pytest.mark.slow
def test_picks_become_data(race, tmp_path):
    rows = race.chosen()
    assert len(rows) == 5 * 12 and {"prompt", "response", "clean", "stage"} <= set(rows.column_names)
    mine = race.picks().query("selector == 'good' and seed == 101 and stage == 3")["index"]
    pool = race.known[1].world.build(101).stages[2].pool
    assert race.chosen(seed=101, stage=3)["prompt"] == pool.select(mine.tolist())["prompt"]
    path = tmp_path / "a" / "picks.jsonl"
    assert race.export(str(path), stage=1) == 12
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    first = race.chosen(stage=1)[0]
    assert lines[0] == {"prompt": first["prompt"], "completion": first["response"]} and len(lines) == 12
    assert race.export(str(tmp_path / "saved")) == 60 == len(load_from_disk(str(tmp_path / "saved")))
    with pytest.raises(ValueError, match="export: expected NAME.jsonl or a folder .*got .*picks.csv"):
        race.export(str(tmp_path / "picks.csv"))
    for wrong, words in (({"seed": 7}, "seed: expected one of 100, 101; got 7"), ({"stage": 6}, "stage: expected one")):
        with pytest.raises(ValueError, match=words):
            race.chosen(**wrong)


@pytest.mark.slow
def test_a_race_in_any_world():
    spec = replace(table1("smoke")[0], selector="lhas", world=replace(table1("smoke")[0].world, noise=0.6))
    race = compare(good, against=["random"], data=[spec])
    assert race.known == (replace(spec, selector="random"),) and race.metric == "exact"
    assert list(race.table.index) == ["random", "good"]
    with pytest.raises(ValueError, match="save: expected a race on SkillWorld or on DATA"):
        race.save("there")


def test_talks_are_exported_as_turns(tmp_path):
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
    rows = [
        {"prompt": "s q", "response": "a", "turns": json.dumps(turns)},
        {"prompt": "p", "response": "r", "turns": ""},
    ]
    export.write_rows(Dataset.from_list(rows), str(tmp_path / "x.jsonl"))
    one, two = (json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines())
    assert one == {"prompt": turns, "completion": [{"role": "assistant", "content": "a"}]}
    assert two == {"prompt": [{"role": "user", "content": "p"}], "completion": [{"role": "assistant", "content": "r"}]}


def runs_of(selector, **values):
    """Runs of three seeds; a pair of numbers is the first seed's value and the step from seed to seed."""
    quantities = dict.fromkeys(("current", "now", "future_auc", "forgetting", "ood"), (0.0, 0.0)) | values
    return pd.DataFrame(
        {"selector": selector, "seed": range(3)}
        | {k: [a + d * i for i in range(3)] for k, (a, d) in quantities.items()}
    )


def test_who_is_told_apart_by_hand():
    random = runs_of("random")
    assert apart(pd.concat([random, runs_of("a", current=(0.0, 0.1))])) == (
        "Nobody is told apart from Random on 3 seed(s); more seeds, or data that teach more, would."
    )
    sure = runs_of("b", current=(0.5, 0.0), forgetting=(0.5, 0.0))
    said = apart(pd.concat([random, runs_of("a"), sure]))
    assert said.endswith("b: current better, forgetting worse. Not told apart: a.")
    assert "forgetting" not in apart(pd.concat([random, sure.assign(forgetting=np.nan)]).assign(forgetting=np.nan))


def test_the_leaderboard_has_every_published_selector():
    spec = replace(table1("full")[0], selector="random")
    rows = published("table1").query("seed == 100 and selector == 'lhas'").assign(selector="mine")
    runs = carded(rows)
    race = Race("mine", good, ("random",), (spec,), rows, runs, "exact", {})
    board = race.leaderboard()
    assert board["rank"].tolist() == list(range(1, len(board) + 1)) and board["seeds"].eq(1).all()
    assert board["long_horizon"].is_monotonic_decreasing
    assert {"mine", "lhas", "random", "rs2", "start", "balanced", "length", "less"} <= set(board.index)
    assert board.loc["mine", "current"] == board.loc["lhas", "current"], "the same runs under another name"


def trains(ctx, budget, *, rng):
    with torch.no_grad():
        next(ctx.model.parameters()).mul_(1.01)
    return lu.top_k(ctx.loss, budget)


def peeks(ctx, budget, *, rng):
    return lu.top_k(np.array(ctx.pool["clean"], float), budget)


def test_compare_refuses_before_any_run():
    for select, words in ((twice, "repeat another one"), (trains, "model untouched"), (peeks, "knows no ground truth")):
        with pytest.raises(ValueError, match=f"^{select.__name__}: .*{words}.* lu.check_selector tells more"):
            compare(select, profile="smoke")
    with pytest.raises(ValueError, match="expected a function select.*got 'lhas'; a known name belongs in `against`"):
        compare("lhas", profile="smoke")
    with pytest.raises(ValueError, match="against: expected one of random.*got 'gradeint'"):
        compare(good, against="gradeint", profile="smoke")
    with pytest.raises(ValueError, match="against: expected one of random"):
        compare(good, against=["gradeint"], profile="smoke")
    with pytest.raises(ValueError, match="seeds: expected some of"):
        compare(good, profile="smoke", seeds=(0, 77))
    with pytest.raises(ValueError, match="model: expected data beside it.*got 'some/model'"):
        compare(good, profile="smoke", model="some/model")


def make(weight, helper=None):
    def select(ctx, budget, *, rng):
        return lu.top_k(weight * (helper(ctx) if helper else ctx.loss), budget)

    return select


def test_a_changed_value_or_helper_starts_new_runs():
    assert code(make(1.0)) == code(make(1.0)) != code(make(2.0))
    assert code(make(1.0, no_rng)) != code(make(1.0, nothing))
    assert code(partial(good, x=1)) != code(partial(good, x=2))
    frames = [pd.DataFrame({"x": np.arange(500) + (np.arange(500) == k)}) for k in (250, 251)]  # the same when printed
    assert str(frames[0]) == str(frames[1]) and code(make(frames[0])) != code(make(frames[1]))
    assert code(make(print)) == code(make(print))
    assert code(make(threading.Lock())) != code(make(1.0))  # cannot be pickled


class Weighted:
    def __init__(self, weight):
        self.weight = weight

    def __call__(self, ctx, budget, *, rng):
        return self.pick(ctx, budget, rng=rng)

    def pick(self, ctx, budget, *, rng):
        return lu.top_k(self.weight * ctx.loss, budget)


def test_an_object_is_known_by_its_class_and_its_state():
    assert code(Weighted(1)) == code(Weighted(1)) != code(Weighted(2))
    assert code(Weighted(1).pick) == code(Weighted(1).pick) != code(Weighted(2).pick)


def test_functions_that_share_a_line_are_told_apart():
    first, second = (lambda ctx, n, *, rng: lu.top_k(ctx.loss, n)), (lambda ctx, n, *, rng: lu.top_k(ctx.coverage, n))
    assert code(first) != code(second)
    low, high = (lambda ctx, n, *, rng: lu.top_k(ctx.loss * 2, n)), (lambda ctx, n, *, rng: lu.top_k(ctx.loss * 3, n))
    assert code(low) != code(high)
