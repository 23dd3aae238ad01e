"""The common start: which examples, which model and which order each arm gets, and what its numbers are."""

import numpy as np
import pandas as pd
import pytest

from lhas_utils.analysis import branched, gate, known, trajectory
from lhas_utils.core import ModelSpec, TrainSpec, stream
from lhas_utils.learning import encode, score, shuffled
from lhas_utils.selection import get
from lhas_utils.studies import BRANCHED, FRESH, START, BranchSpec, branch, stages
from lhas_utils.worlds import WorldSpec
from tests.studies.recorder import WORDS, Recorder, base, mark, prepared, texts

WORLD = WorldSpec(pool_size=23, test_size=4)
TRAIN = TrainSpec(steps=4, batch_size=3, probe_steps=(0, 1, 3), probe_size=7)
SPEC = BranchSpec(7, 0.25, WORLD, ModelSpec(hidden=16, steps=1), TRAIN)
SIZE, T = 6, 5
ARMS = (START, *BRANCHED, FRESH)


@pytest.fixture(scope="module")
def run():
    """Return (recorder, world, tensors, base, rows, picks) of one run on a tiny untrained base."""
    patch = pytest.MonkeyPatch()
    world, data = prepared(WORLD, 7)
    patch.setattr(branch, "start", lambda spec: (world, data, base(7), base(7)))
    recorder = Recorder(patch, branch)
    patch.setattr(stages, "fit", recorder._fit(stages.fit))
    patch.setattr(stages, "score", recorder._score(stages.score))
    rows, picks = branch.execute(SPEC, {name: get(name) for name in BRANCHED})
    patch.undo()
    return recorder, world, data, base(7), rows, picks


def trainings(recorder):
    """Return (fits of the stages' own training, fits of the probes)."""
    fits = recorder.of("fit")
    return [f for f in fits if "at" not in f.options], [f for f in fits if "at" in f.options]


def test_each_stage_has_one_context_of_its_own_data_and_of_the_common_model(run):
    recorder, world, data, start, _, picks = run
    contexts = recorder.of("context")
    assert [c.stage for c in contexts] == [0, 1, 2, 3, 4]
    own, _ = trainings(recorder)
    per_stage = len(ARMS) - 1
    common = [mark(start)] + [own[t * per_stage + BRANCHED.index("random")].left for t in range(T)]
    tested = {x for d in (*world.tests.values(), *world.ood.values()) for x in texts(d)}
    for t, c in enumerate(contexts):
        assert c.model == common[t] and c.frozen == common[0], t
        assert c.pool == texts(world.stages[t].pool) == c.data and c.proxy == texts(world.proxy)
        assert c.validation == texts(world.stages[t].validation)
        assert not tested & {*c.pool, *c.validation, *c.proxy}
        assert (0 if c.history is None else len(c.history)) == t * SIZE


def test_every_arm_starts_from_the_common_model_and_trains_on_its_own_picks_only(run):
    recorder, world, data, _, _, picks = run
    own, _ = trainings(recorder)
    contexts, per_stage = recorder.of("context"), len(ARMS) - 1
    assert len(own) == T * per_stage
    for t in range(T):
        here = own[t * per_stage : (t + 1) * per_stage]
        assert {f.model for f in here} == {contexts[t].model}
        order = [list(b) for b in shuffled(stream(7, "train", t), SIZE, 4, 3)]
        for name, f in zip(BRANCHED, here):
            mine = picks[(picks["selector"] == name) & (picks["stage"] == t + 1)]
            assert f.data == [texts(world.stages[t].pool)[i] for i in mine["index"]] and len(f.data) == SIZE
            assert f.batches == order and f.lr == TRAIN.lr and not f.options


def test_rs2_trains_on_new_random_examples_every_epoch(run):
    recorder, world, *_ = run
    own, _ = trainings(recorder)
    per_stage, seen = len(ARMS) - 1, []
    for t in range(T):
        f = own[(t + 1) * per_stage - 1]
        assert f.data == texts(world.stages[t].pool)
        first, second = np.reshape(f.batches, (2, SIZE))  # 4 steps of 3 are two epochs of 6
        assert len(set(first)) == len(set(second)) == SIZE
        seen.append(set(first) != set(second))
    assert any(seen)


def test_fresh_subsets_by_hand():
    drawn = branch.fresh(np.random.default_rng(0), 50, 10, 7, 4)  # 28 draws: epochs of 10, 10 and 8
    flat = drawn.ravel()
    assert drawn.shape == (7, 4) and [len(set(flat[i : i + 10])) for i in (0, 10, 20)] == [10, 10, 8]
    assert branch.fresh(np.random.default_rng(0), 9, 2, 3, 5).shape == (3, 2)


def test_scores_of_an_arm_are_of_its_model_on_tests_and_ood(run):
    recorder, world, data, _, rows, _ = run
    own, _ = trainings(recorder)
    per_stage = len(ARMS) - 1
    for t in (0, 3):
        f = own[t * per_stage + BRANCHED.index("loss")]
        for split, sets in (("id", world.tests), ("ood", world.ood)):
            for name, test in sets.items():
                said = [s.result for s in recorder.of("score") if s.model == f.left and s.data == texts(test)]
                part = rows[(rows["selector"] == "loss") & (rows["split"] == split) & (rows["stage"] == t + 1)]
                part = part[part["capability"] == name].set_index("metric")["value"]
                assert said and part.to_dict() == pytest.approx(said[0])


def test_probes_start_from_each_arms_model_on_the_same_examples_of_the_next_pool(run):
    recorder, world, *_ = run
    own, probes = trainings(recorder)
    per_stage = len(ARMS) - 1
    assert len(probes) == (T - 1) * len(ARMS)
    for t in range(T - 1):
        here = probes[t * len(ARMS) : (t + 1) * len(ARMS)]
        lefts = [recorder.of("context")[t].model] + [f.left for f in own[t * per_stage : (t + 1) * per_stage]]
        assert [p.model for p in here] == lefts
        assert len({tuple(p.data) for p in here}) == 1 and set(here[0].data) <= set(texts(world.stages[t + 1].pool))


def test_the_base_is_asked_about_its_own_dialect(run):
    *_, start, rows, _ = run
    part = rows[rows["split"] == "known"]
    assert set(part["selector"]) == {START} and set(part["stage"]) == {0}
    for task, examples in list(WORLD.corpus.known(7, 4).items())[:3]:
        said = part[part["capability"] == task].set_index("metric")["value"].to_dict()
        assert said == pytest.approx(score(start, encode(examples, WORDS)))
    assert known(rows.assign(seed=7, run=0)).shape == (1, 16)


@pytest.mark.parametrize(
    "values, message",
    [({"seed": -1}, "seed: expected an integer"), ({"seed": 1, "budget": 0}, "budget: expected a number")],
)
def test_a_bad_value_is_refused_when_the_spec_is_made(values, message):
    with pytest.raises(ValueError, match=message):
        BranchSpec(**values)


# ---- numbers -----------------------------------------------------------------------------------------


def table() -> pd.DataFrame:
    """Return rows of two stages and two capabilities a, b by hand: exact match and NLL (ten times one minus it)."""
    score_of = {  # (selector, stage) -> scores on a, b; OOD of both; the probe at steps 0, 10
        (START, 1): ((0.1, 0.0), (0.0, 0.2), (0.0, 0.2)),
        ("random", 1): ((0.5, 0.1), (0.2, 0.2), (0.1, 0.5)),
        ("loss", 1): ((0.9, 0.0), (0.0, 0.0), (0.0, 0.1)),
        (START, 2): ((0.5, 0.1), (0.2, 0.2), None),
        ("random", 2): ((0.4, 0.7), (0.4, 0.4), None),
        ("loss", 2): ((0.1, 0.8), (0.1, 0.1), None),
    }
    out = [(START, "mixture", t, c, 0, "weight", float((t == 1) == (c == "a"))) for t in (1, 2) for c in "ab"]
    for (selector, t), (own, ood, probe) in score_of.items():
        for split, values in (("id", own), ("ood", ood)):
            out += [(selector, split, t, c, 0, "exact", v) for c, v in zip("ab", values)]
            out += [(selector, split, t, c, 0, "nll", 10 * (1 - v)) for c, v in zip("ab", values)]
        out += [(selector, "probe", t + 1, "b", step, "exact", v) for step, v in zip((0, 10), probe or ())]
        out += [(selector, "probe", t + 1, "b", step, "nll", 10 * (1 - v)) for step, v in zip((0, 10), probe or ())]
    return pd.DataFrame(out, columns=branch.COLUMNS).assign(run=0, seed=3)


def test_the_numbers_of_a_common_start_by_hand():
    found = branched(table()).set_index("selector")
    assert found.loc[START].drop("seed").to_dict() == pytest.approx(
        {"now": 0, "forgetting": 0, "next_auc": 0.1, "next_gain": 0.1, "ood": 0, "later": 0.1}
    )
    random = {"now": (0.4 + 0.6) / 2, "forgetting": 0.1, "next_auc": 0.3, "next_gain": 0.2, "ood": (0.1 + 0.2) / 2}
    assert found.loc["random", list(random)].to_dict() == pytest.approx(random)
    loss = {"now": (0.8 + 0.7) / 2, "forgetting": 0.4, "next_auc": 0.05, "next_gain": 0.05, "ood": (-0.1 - 0.1) / 2}
    assert found.loc["loss", list(loss)].to_dict() == pytest.approx(loss)
    assert found.loc["loss", "later"] == pytest.approx(0.05 - 0.4 - 0.1) and set(found["seed"]) == {3}


def test_with_the_nll_every_difference_has_the_same_sign():
    exact, nll = branched(table()).set_index("selector"), branched(table(), "nll").set_index("selector")
    for name in ("now", "forgetting", "next_gain", "ood"):
        assert nll[name].to_numpy() == pytest.approx(10 * exact[name].to_numpy())


def test_rows_without_the_untrained_arm_are_refused():
    with pytest.raises(ValueError, match="branched: expected the arm 'start'; got random, loss"):
        branched(table().query("selector != 'start'"))


def test_randoms_trajectory_is_gated_as_any_stage_run():
    found = gate(trajectory(table()))
    assert found.loc["a", ["base", "after", "gain"]].tolist() == pytest.approx([0.1, 0.5, 0.4])
    assert found.loc["b", ["base", "after", "gain"]].tolist() == pytest.approx([0.0, 0.7, 0.7])
    assert found.loc["final", "gain"] == pytest.approx((0.4 + 0.7 - 0.1) / 2)
