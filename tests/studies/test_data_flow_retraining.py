"""Subset retraining: which examples are trained on and scored, and effects that are planted and found again."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lhas_utils.core import TrainSpec, stream
from lhas_utils.learning import shuffled
from lhas_utils.selection import PAPER, signals
from lhas_utils.studies import SCORED, TARGETS, EffectSpec, retraining, stages
from lhas_utils.worlds import WorldSpec
from tests.studies.recorder import Recorder, base, mark, prepared, texts

WORLD = WorldSpec(pool_size=23, test_size=4, duplicates=0.0)
SPEC = EffectSpec(3, stage=2, candidates=6, subsets=4, world=WORLD, train=TrainSpec(steps=2, batch_size=2))
T = 5


def order(ctx, budget, *, rng):
    """Rank as the stream says; take what the online selectors take, too."""
    return rng.permutation(len(ctx))[:budget]


def online(ctx, budget, *, rng, micro_batch):
    assert micro_batch == len(ctx) == budget  # the whole pool is one micro-batch
    return np.argsort(ctx.loss)


def selectors() -> dict:
    return {name: online if name in retraining.ONLINE else order for name in SCORED}


@cache
def flow() -> SimpleNamespace:
    """Compute the run once; keep every call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "base_model", lambda *_: base())
        calls = Recorder(patch, retraining)
        rows, picks = retraining.execute(SPEC, selectors())
    assert picks is None
    world, _ = prepared(WORLD, SPEC.seed)
    chosen = [np.sort(stream(SPEC.seed, "effect", t).choice(23, 6, replace=False)) for t in range(T)]
    rng = stream(SPEC.seed, "effect subsets")
    masks = [rng.permutation([True] * 3 + [False] * 3) for _ in range(SPEC.subsets)]
    return SimpleNamespace(calls=calls, rows=rows, world=world, chosen=chosen, masks=masks, fits=calls.of("fit"))


def at(run, t, mask=slice(None)) -> list[str]:
    return texts(run.world.stages[t].pool.select(run.chosen[t][mask]))


def test_every_subset_trains_its_half_then_the_later_stages_on_common_examples():
    run = flow()
    expected = [at(run, t) for t in range(2)]
    for mask in run.masks:
        expected += [at(run, 2, mask), at(run, 3), at(run, 4)]
    assert [f.data for f in run.fits] == expected
    assert all(mask.sum() == 3 for mask in run.masks) and len({tuple(m) for m in run.masks}) > 1


def test_the_budget_of_the_other_stages_is_the_rounded_share_of_their_pools():
    assert [len(f.data) for f in flow().fits[:2]] == [6, 6]  # a quarter of 23 is 5.75


def test_every_subset_starts_from_the_same_model_trained_on_the_earlier_stages():
    run = flow()
    assert run.fits[0].model == mark(base())
    assert torch.equal(run.fits[1].before, run.fits[0].after)
    for i in range(SPEC.subsets):
        own, third, fourth = run.fits[2 + 3 * i : 5 + 3 * i]
        assert torch.equal(own.before, run.fits[1].after)
        assert torch.equal(third.before, own.after) and torch.equal(fourth.before, third.after)


def test_training_takes_its_batches_from_the_stream_of_the_stage():
    run = flow()
    order = [0, 1] + [2, 3, 4] * SPEC.subsets
    for t, fit in zip(order, run.fits):
        assert fit.batches == shuffled(stream(SPEC.seed, "train", t), len(fit.data), 2, 2).tolist()
        assert fit.lr == SPEC.train.lr and not fit.options


def test_now_is_scored_on_the_stages_own_tests_and_the_end_on_all_tests():
    run = flow()
    tests = {name: texts(test) for name, test in run.world.tests.items()}
    expected = []
    for i in range(SPEC.subsets):
        own, _, last = run.fits[2 + 3 * i : 5 + 3 * i]
        expected += [(tests["code"], own.left)] + [(t, last.left) for t in tests.values()]
    assert [(e.data, e.model) for e in run.calls.of("score")] == expected


def test_outcomes_become_effects_with_minus_the_nll():
    run = flow()
    scores = np.array([e.result["nll"] for e in run.calls.of("score")]).reshape(SPEC.subsets, 1 + T)
    outcomes = {"now": -scores[:, 0], "last": -scores[:, T], "final": -scores[:, 1:].mean(1)}
    masks = np.array(run.masks)
    for name, y in outcomes.items():
        assert run.rows[name].to_numpy() == pytest.approx(retraining.effects(masks, y))


def test_effects_of_a_linear_outcome_are_its_coefficients_with_mean_zero():
    rng = np.random.default_rng(0)
    masks, worth = np.stack([rng.permutation(np.arange(8) < 4) for _ in range(60)]), rng.normal(size=8)
    assert retraining.effects(masks, 5 + masks @ worth) == pytest.approx(worth - worth.mean())


def test_selectors_see_the_candidates_and_the_history_of_the_earlier_stages():
    run = flow()
    contexts = run.calls.of("context")
    assert [c.stage for c in contexts] == [0, 1, 2]
    for t, c in enumerate(contexts):
        assert c.data == c.pool == at(run, t)
        assert c.validation == texts(run.world.stages[t].validation) and c.proxy == texts(run.world.proxy)
        assert c.frozen == mark(base()) and c.model == (run.fits[t - 1].left if t else mark(base()))
    data = prepared(WORLD, SPEC.seed)[1]
    past = [signals.embedding(base(), data.pools[t].take(run.chosen[t])) for t in range(2)]
    assert contexts[0].history is None and contexts[2].history == pytest.approx(np.concatenate(past))


def test_orders_put_the_first_pick_on_top_and_all_selectors_draw_from_one_stream():
    run = flow()
    drawn = stream(SPEC.seed, "select", SPEC.stage).permutation(6)
    place = np.empty(6, int)
    place[drawn] = [5, 4, 3, 2, 1, 0]
    for name in set(SCORED) - set(retraining.ONLINE):
        assert run.rows[f"order_{name}"].tolist() == place.tolist(), name
    assert {*PAPER, "alignment"} <= set(SCORED)


def test_rows_describe_the_candidates():
    run = flow()
    pool = run.world.stages[2].pool.select(run.chosen[2]).to_pandas()
    assert run.rows["index"].tolist() == run.chosen[2].tolist()
    for column in ("skill", "kind", "clean", "duplicate", "difficulty"):
        assert run.rows[column].tolist() == pool[column].tolist()


# ---- planted effects ---------------------------------------------------------------------------------


PLANTED = {"now": 0, "last": 1, "final": 2}  # the candidate that helps each target, and no other
SUBSETS = 40


@cache
def planted():
    """Run with a score that knows which candidates were trained on: one helps, and another one hurts, each target."""
    seen = SimpleNamespace(subset=None, count=-1, later=0)
    spec = EffectSpec(3, stage=2, candidates=6, subsets=SUBSETS, world=WORLD, train=TrainSpec(steps=1, batch_size=2))
    world, _ = prepared(WORLD, 3)
    candidates = texts(world.stages[2].pool.select(np.sort(stream(3, "effect", 2).choice(23, 6, replace=False))))
    tests = {tuple(texts(test)): name for name, test in world.tests.items()}

    def fit(model, data, batches, lr):
        if set(texts(data)) < set(candidates):
            seen.subset, seen.later, seen.count = set(texts(data)), 0, seen.count + 1
        else:
            seen.later += 1
        return 0

    def helps(i):  # in even subsets the last one gets most of the credit, so the halves differ
        also = candidates[5] in seen.subset if seen.count % 2 == 0 else 0.0
        return float(candidates[i] in seen.subset) - float(candidates[i + 1] in seen.subset) + 3 * also

    def score(model, data):
        name = tests[tuple(texts(data))]
        if seen.later == 0:
            assert name == "code"
            return {"nll": 7 - helps(0)}
        assert seen.later == 2
        return {"nll": 7 - helps(1) if name == "safety" else 7 - helps(2)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "base_model", lambda *_: base())
        patch.setattr(retraining, "fit", fit)
        patch.setattr(retraining, "score", score)
        return retraining.execute(spec, selectors())[0]


@pytest.mark.parametrize("target", TARGETS)
def test_an_example_that_helps_has_a_positive_effect_and_one_that_hurts_a_negative_one(target):
    rows, helper = planted(), PLANTED[target]
    odd, mean = rows[f"{target}_odd"], rows[target].mean()
    assert odd.idxmax() == helper and odd.idxmin() == helper + 1
    assert rows.loc[helper, target] > mean > rows.loc[helper + 1, target]
    assert odd[helper] > 0 > odd[helper + 1]


@pytest.mark.parametrize("target", TARGETS)
def test_the_two_halves_of_the_subsets_are_told_apart(target):
    rows = planted()
    assert rows[f"{target}_even"].idxmax() == 5  # where the last one has the credit
    assert rows[f"{target}_odd"][5] < 1
