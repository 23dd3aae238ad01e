"""The stage protocol: which examples each call receives, by their content, and which model it is given."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from lhas_utils.core import ModelSpec, TrainSpec, stream
from lhas_utils.learning import METRICS, copy_of, restore, shuffled, trainable, weights, with_lora
from lhas_utils.selection import concentration, signals
from lhas_utils.studies import RunSpec, stages
from lhas_utils.worlds import WorldSpec
from tests.studies.recorder import Recorder, base, mark, prepared, texts

WORLD = WorldSpec(pool_size=23, test_size=4)
TRAIN = TrainSpec(steps=4, batch_size=3, probe_steps=(0, 1, 3), probe_size=7)
SEED, T = 3, 3  # stages, the first of five


@cache
def flow(knobs=WORLD, train=TRAIN, budget=0.25, rank=None) -> SimpleNamespace:
    """Run the protocol once with a selector that draws at random; keep every call."""
    model = base()
    out = SimpleNamespace(start=weights(model), base=copy_of(model), contexts=[], sketches=[], asked=[])
    whole, out.data = prepared(knobs, SEED)
    out.world = replace(whole, stages=whole.stages[:T])
    if rank:
        model = with_lora(model, rank, SEED)

    def select(ctx, budget, *, rng):
        picks = rng.permutation(len(ctx))[:budget]
        out.asked.append((ctx.stage, budget, np.sort(picks)))
        out.sketches.append(ctx.sketch[np.sort(picks)])
        ctx.compute("loss", "grad_norm", "embedding")  # with the model as it is now
        out.contexts.append(ctx)
        return picks

    with pytest.MonkeyPatch.context() as patch:
        out.calls = Recorder(patch, stages)
        frozen = copy_of(out.base)
        out.rows, out.picks = stages.run(out.world, out.data, model, frozen, select, budget, train, SEED)
    out.model, out.frozen = model, frozen
    out.fits = [e for e in out.calls.of("fit") if "at" not in e.options]
    out.probes = [e for e in out.calls.of("fit") if "at" in e.options]
    return out


def value(run, split, stage, capability, metric, step=0) -> float:
    rows = run.rows
    one = (rows["split"] == split) & (rows["stage"] == stage) & (rows["capability"] == capability)
    (found,) = rows.loc[one & (rows["metric"] == metric) & (rows["step"] == step), "value"]
    return found


def picked(run, t: int, part: int = 0) -> list[str]:
    """Return the texts of what the selector picked at stage t."""
    mine = [picks for stage, _, picks in run.asked if stage == t]
    return texts(run.world.stages[t].pool.select(mine[part]))


def log(run) -> list[tuple[str, str]]:
    """Return every call as (what, name of the data)."""
    names = {}
    for t, stage in enumerate(run.world.stages):
        names |= {tuple(texts(stage.pool)): f"pool {t}", tuple(picked(run, t)): f"picks {t}"}
    for name, test in run.world.tests.items():
        names |= {tuple(texts(test)): f"test {name}", tuple(texts(run.world.ood[name])): f"ood {name}"}
    names |= {tuple(e.data): f"probe {t}" for t, e in enumerate(run.probes, 1)}
    return [(e.what, names[tuple(e.data)]) for e in run.calls.events]


# ---- the order of calls ------------------------------------------------------------------------------


def test_a_run_selects_trains_scores_and_probes_stage_by_stage_and_touches_nothing_else():
    run = flow()
    names = list(run.world.tests)
    tests, ood = ([("score", f"{kind} {n}") for n in names] for kind in ("test", "ood"))
    expected = tests + ood
    for t in range(T):
        expected += [("context", f"pool {t}"), ("fit", f"picks {t}"), *tests, *(ood if t == T - 1 else [])]
        if t < T - 1:
            expected += [("fit", f"probe {t + 1}"), *[("score", f"test {names[t + 1]}")] * len(TRAIN.probe_steps)]
    assert log(run) == expected


# ---- training ----------------------------------------------------------------------------------------


def test_training_is_on_all_of_the_picks_and_on_nothing_else():
    run = flow()
    assert len(run.fits) == T
    for t, fit in enumerate(run.fits):
        assert fit.data == picked(run, t)
        assert len(fit.data) == 6 < len(run.world.stages[t].pool)
        assert sorted(np.concatenate(fit.batches)) == sorted([*range(6)] * 2)  # 4 steps of 3: two whole epochs


def test_training_takes_its_batches_from_the_stream_of_the_stage():
    for t, fit in enumerate(flow().fits):
        assert fit.batches == shuffled(stream(SEED, "train", t), 6, TRAIN.steps, TRAIN.batch_size).tolist()
        assert fit.lr == TRAIN.lr and not fit.options  # a constant step size and the example loss


def test_each_stage_goes_on_from_the_model_of_the_one_before():
    run = flow()
    assert torch.equal(run.fits[0].before, run.start)
    for fit, following in zip(run.fits, run.fits[1:]):
        assert torch.equal(following.before, fit.after) and not torch.equal(fit.before, fit.after)
    assert torch.equal(weights(run.model), run.fits[-1].after)


@pytest.mark.parametrize("pool, budget, size", [(23, 0.25, 6), (21, 0.25, 5), (23, 1e-9, 1), (23, 1.0, 23)])
def test_the_budget_is_the_rounded_share_of_the_pool_and_at_least_one(pool, budget, size):
    run = flow(replace(WORLD, pool_size=pool), TRAIN, budget)
    assert [n for _, n, _ in run.asked] == [size] * T
    assert [len(f.data) for f in run.fits] == [size] * T
    assert run.picks.groupby("stage").size().tolist() == [size] * T


def test_picks_name_the_examples_that_were_trained_on():
    run = flow()
    for t, part in run.picks.groupby("stage"):
        assert texts(run.world.stages[t - 1].pool.select(part["index"].tolist())) == run.fits[t - 1].data


@pytest.mark.parametrize("which", ["easy_first", "hard_first"])
def test_a_curriculum_begins_with_the_third_of_the_picks_at_its_end_of_difficulty(which):
    run = flow(WORLD, replace(TRAIN, curriculum=which))
    for t, fit in enumerate(run.fits):
        assert fit.data == picked(run, t)
        picks = run.asked[t][2]
        difficulty = np.array(run.world.stages[t].pool["difficulty"])[picks]
        order = sorted(range(6), key=lambda i: difficulty[i] * (1 if which == "easy_first" else -1))
        assert set(fit.batches[0]) == set(order[:2])  # a third of six
        assert len(fit.batches) == TRAIN.steps


# ---- re-selection ------------------------------------------------------------------------------------


def test_reselection_splits_the_steps_and_picks_with_the_model_as_it_is():
    run = flow(WORLD, replace(TRAIN, steps=5, reselect=2))
    contexts = run.calls.of("context")
    assert [e.stage for e in contexts] == [t for t in range(T) for _ in range(2)]
    assert [len(f.batches) for f in run.fits] == [2, 3] * T
    for i, (context, fit) in enumerate(zip(contexts, run.fits)):
        t, part = divmod(i, 2)
        assert fit.data == picked(run, t, part)
        assert context.model == (run.fits[i - 1].left if i else mark(run.base))
        drawn = stream(SEED, "select", t, part).permutation(23)[:6]
        assert np.array_equal(run.asked[i][2], np.sort(drawn))
    for t in range(T):  # one stream a stage, so that the second part does not repeat the first one's order
        order = stream(SEED, "train", t)
        for part, steps in enumerate((2, 3)):
            assert run.fits[2 * t + part].batches == shuffled(order, 6, steps, TRAIN.batch_size).tolist()


def test_after_reselection_the_history_holds_each_example_of_the_stage_once_and_the_tokens_are_of_both_parts():
    run = flow(WORLD, replace(TRAIN, steps=5, reselect=2))
    both = np.union1d(run.asked[0][2], run.asked[1][2])
    assert len(run.asked[0][2]) < len(both) < 12
    expected = signals.embedding(run.base, run.data.pools[0].take(both))
    assert run.calls.of("context")[2].history == pytest.approx(expected)
    tokens = [f.tokens for f in run.fits]
    for t, stage in enumerate(run.world.stages):
        assert value(run, "diagnostic", t + 1, stage.name, "tokens") == tokens[2 * t] + tokens[2 * t + 1]
    first = run.picks[run.picks["stage"] == 1]["index"].tolist()
    assert first == run.asked[0][2].tolist()


# ---- what the selector sees --------------------------------------------------------------------------


def test_the_selector_sees_the_pool_and_the_validation_set_of_its_stage_and_the_proxy():
    run = flow()
    contexts = run.calls.of("context")
    assert [c.stage for c in contexts] == [*range(T)]
    for context, stage in zip(contexts, run.world.stages):
        assert context.data == context.pool == texts(stage.pool)
        assert context.validation == texts(stage.validation)
        assert context.proxy == texts(run.world.proxy)
    tested = {e for d in (*run.world.tests.values(), *run.world.ood.values()) for e in texts(d)}
    for context in contexts:
        assert not tested & {*context.pool, *context.validation, *context.proxy}


def test_the_selector_picks_with_the_model_of_the_stage_before_and_the_frozen_base():
    run = flow()
    contexts = run.calls.of("context")
    assert [c.model for c in contexts] == [mark(run.base), *(f.left for f in run.fits[:-1])]
    assert {c.frozen for c in contexts} == {mark(run.base)} == {mark(run.frozen)}
    assert len({c.model for c in contexts}) == T


def test_the_selector_draws_from_the_stream_of_its_stage():
    for t, (stage, _, picks) in enumerate(flow().asked):
        assert stage == t and np.array_equal(picks, np.sort(stream(SEED, "select", t, 0).permutation(23)[:6]))


def test_the_history_holds_the_frozen_embeddings_of_all_earlier_picks_oldest_first():
    run = flow()
    contexts, past = run.calls.of("context"), []
    assert contexts[0].history is None
    for t in range(1, T):
        past.append(signals.embedding(run.base, run.data.pools[t - 1].take(run.asked[t - 1][2])))
        assert contexts[t].history == pytest.approx(np.concatenate(past))


def test_the_history_holds_the_sketches_of_the_time_of_selection():
    run = flow()
    assert np.array_equal(run.contexts[-1].history.sketch, np.concatenate(run.sketches))


def test_the_signals_are_of_the_validation_set_the_proxy_and_the_two_models():
    run = flow()
    ctx, model = run.contexts[0], run.base
    directions = {"v": ctx.validation, "p": ctx.proxy}
    directions = {k: signals.mean_gradient(model, d) for k, d in directions.items()}
    exact = np.array(
        [
            [float(signals.mean_gradient(model, ctx.encoded.take([i])) @ v) for v in directions.values()]
            for i in range(len(ctx))
        ]
    )
    scale = abs(exact).max()
    assert ctx.align_current == pytest.approx(exact[:, 0], rel=1e-3, abs=1e-4 * scale)
    assert ctx.align_proxy == pytest.approx(exact[:, 1], rel=1e-3, abs=1e-4 * scale)
    norms = ctx.grad_norm * float(directions["p"].norm())
    assert ctx.cosine_proxy == pytest.approx(ctx.align_proxy / norms) and abs(ctx.cosine_proxy).max() <= 1
    last = run.contexts[-1]
    assert last.embedding == pytest.approx(signals.embedding(run.base, run.data.pools[T - 1]))


# ---- scores ------------------------------------------------------------------------------------------


def test_every_capability_is_scored_on_its_own_test_set_after_every_stage():
    run = flow()
    outside = [e for e in run.calls.of("score") if e.data in [texts(d) for d in run.world.tests.values()]]
    marks = [mark(run.base), *(f.left for f in run.fits)]
    for t in range(T + 1):
        for name, test in run.world.tests.items():
            event = next(e for e in outside if e.data == texts(test) and e.model == marks[t])
            for metric in METRICS:
                assert value(run, "id", t, name, metric) == event.result[metric]


def test_out_of_distribution_sets_are_scored_at_the_two_ends_and_only_there():
    run = flow()
    ends = {0: mark(run.base), T: run.fits[-1].left}
    assert set(run.rows.loc[run.rows["split"] == "ood", "stage"]) == {0, T}
    for t, model in ends.items():
        for name, test in run.world.ood.items():
            (event,) = [e for e in run.calls.of("score") if e.data == texts(test) and e.model == model]
            for metric in METRICS:
                assert value(run, "ood", t, name, metric) == event.result[metric]
    assert len([e for e in run.calls.of("score") if e.data in [texts(d) for d in run.world.ood.values()]]) == 2 * len(
        run.world.tests
    )


# ---- the probe ---------------------------------------------------------------------------------------


def probe_scores(run, t: int) -> list:
    """Return the score events inside the probe of stage t."""
    events, start = run.calls.events, run.calls.events.index(run.probes[t - 1])
    ends = [i for i, e in enumerate(events) if i > start and e.what == "context"]
    return events[start + 1 : ends[0]]


def test_the_probe_trains_on_random_examples_of_the_next_pool():
    run = flow()
    assert len(run.probes) == T - 1
    for t, probe in enumerate(run.probes, 1):
        rng = stream(SEED, "probe", t)
        sample = rng.choice(23, size=TRAIN.probe_size, replace=False)
        assert probe.data == texts(run.world.stages[t].pool.select(sample))
        assert probe.batches == shuffled(rng, TRAIN.probe_size, TRAIN.probe_steps[-1], TRAIN.batch_size).tolist()
        assert probe.lr == TRAIN.lr and set(probe.options) == {"at"}
        assert tuple(probe.options["at"]) == TRAIN.probe_steps


def test_the_probe_starts_from_the_stages_model_and_leaves_it_as_it_was():
    run = flow()
    for t, probe in enumerate(run.probes, 1):
        assert torch.equal(probe.before, run.fits[t - 1].after)
        assert not torch.equal(probe.after, probe.before)  # it did train
        assert torch.equal(run.fits[t].before, run.fits[t - 1].after)  # and was undone
        inner = probe_scores(run, t)
        assert inner[0].model == run.fits[t - 1].left and inner[-1].model == probe.left
        assert len({e.model for e in inner}) == len(TRAIN.probe_steps)


def test_a_probe_larger_than_the_pool_takes_the_whole_pool():
    run = flow(WORLD, replace(TRAIN, probe_size=1000))
    for t, probe in enumerate(run.probes, 1):
        assert sorted(probe.data) == sorted(texts(run.world.stages[t].pool))


@pytest.mark.parametrize("knobs", [{}, {"sequence": "interleaved"}, {"alignment": 0.5}, {"order": "reversed"}])
def test_the_probe_scores_the_next_stages_mixture_at_each_step(knobs):
    run = flow(replace(WORLD, **knobs))
    for t in range(1, T):
        weight = {n: w for n, w in run.world.stages[t].weights.items() if w > 0}
        inner = probe_scores(run, t)
        assert len(inner) == len(weight) * len(TRAIN.probe_steps)
        for k, step in enumerate(TRAIN.probe_steps):
            events = inner[k * len(weight) : (k + 1) * len(weight)]
            assert [e.data for e in events] == [texts(run.world.tests[n]) for n in weight]
            for metric in METRICS:
                mixed = sum(w * e.result[metric] for w, e in zip(weight.values(), events))
                assert value(run, "probe", t, run.world.stages[t].name, metric, step) == pytest.approx(mixed)


def test_the_probes_tokens_are_those_of_the_batches_so_far():
    run = flow()
    for t, probe in enumerate(run.probes, 1):
        answers = np.array([len(e.partition("<sep>")[2].split()) for e in probe.data])
        for step in TRAIN.probe_steps:
            seen = sum(answers[b].sum() for b in probe.batches[:step])
            assert value(run, "probe", t, run.world.stages[t].name, "tokens", step) == seen


# ---- mixtures and diagnostics ------------------------------------------------------------------------


@pytest.mark.parametrize("knobs", [{}, {"sequence": "interleaved", "alignment": 0.2}, {"order": "alternating"}])
def test_the_rows_say_the_weight_of_every_capability_in_every_stage(knobs):
    run = flow(replace(WORLD, **knobs))
    for t, stage in enumerate(run.world.stages):
        for name, weight in stage.weights.items():
            assert value(run, "mixture", t + 1, name, "weight") == weight
        assert sum(stage.weights.values()) == pytest.approx(1)


def test_drift_compares_the_stages_update_with_the_sum_of_the_earlier_ones():
    run = flow()
    updates = [f.after - f.before for f in run.fits]
    for t in range(1, T):
        old = torch.stack(updates[:t]).sum(0)
        cosine = float(torch.nn.functional.cosine_similarity(updates[t], old, dim=0))
        got = value(run, "diagnostic", t + 1, run.world.stages[t].name, "drift")
        assert got == pytest.approx(1 - cosine, abs=1e-5)


def test_concentration_is_of_the_picks_at_the_model_that_picked_them():
    run, model = flow(), base()
    for t, fit in enumerate(run.fits):
        restore(model, fit.before)
        gram = signals.gram(model, run.data.pools[t].take(run.asked[t][2]))
        name = run.world.stages[t].name
        for metric, unit in (("concentration", False), ("concentration_normalised", True)):
            assert value(run, "diagnostic", t + 1, name, metric) == pytest.approx(concentration(gram, unit), rel=1e-4)
        answers = sum(len(e.partition("<sep>")[2].split()) for e in fit.data)
        assert value(run, "diagnostic", t + 1, name, "selected_tokens") == answers
        assert value(run, "diagnostic", t + 1, name, "tokens") == fit.tokens


# ---- LoRA --------------------------------------------------------------------------------------------


def test_with_lora_only_adapters_change_and_the_frozen_model_has_none():
    run = flow(WORLD, TRAIN, 0.25, 2)
    was = dict(run.base.named_parameters())
    for name, p in run.model.named_parameters():
        plain = name.removeprefix("base_model.model.").replace(".base_layer", "")
        assert ("lora_" in name) == p.requires_grad == (plain not in was)
        if plain in was:
            assert torch.equal(p, was[plain])
    assert {c.frozen for c in run.calls.of("context")} == {mark(run.base)}
    moved = [float(abs(p).max()) for n, p in trainable(run.model).items() if "lora_B" in n]
    assert min(moved) > 0  # every adapter has learnt: B starts at 0


@pytest.mark.parametrize("rank", [1, 4])
def test_lora_adds_twice_the_product_of_its_factors(rank):
    model = with_lora(base(), rank, 0)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_" in name:
                p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(len(name))))
    factors = {n.replace(".default.weight", ""): p.detach() for n, p in model.named_parameters() if "lora_" in n}
    was, merged = dict(base().named_parameters()), dict(model.merge_and_unload().named_parameters())
    sites = [n.removesuffix(".lora_A") for n in factors if n.endswith(".lora_A")]
    assert len(sites) == 7  # every linear layer of one block
    for site in sites:
        A, B = factors[f"{site}.lora_A"], factors[f"{site}.lora_B"]
        assert A.shape[0] == B.shape[1] == rank
        name = f"{site.removeprefix('base_model.model.')}.weight"
        torch.testing.assert_close(merged[name] - was[name], 2 * B @ A, rtol=1e-4, atol=1e-4)


# ---- from a spec -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [None, 2])
def test_a_spec_runs_its_own_world_model_and_selector(monkeypatch, rank):
    made, ran = [], []
    monkeypatch.setattr(stages, "base_model", lambda *asked: made.append(asked) or base())
    monkeypatch.setattr(stages, "run", lambda *given: ran.append(given) or (pd.DataFrame(), None))
    train = replace(TRAIN, rank=rank)
    spec = RunSpec("loss", 5, 0.5, world=WORLD, model=ModelSpec(hidden=16, steps=1), train=train)
    functions = {"loss": object(), "random": object()}
    stages.execute(spec, functions)
    assert made == [(spec.model, WORLD.corpus, 5)]
    ((world, data, model, frozen, select, *rest),) = ran
    built = WORLD.build(5)
    assert [texts(s.pool) for s in world.stages] == [texts(s.pool) for s in built.stages]
    assert select is functions["loss"] and rest == [0.5, train, 5]
    assert mark(frozen) == mark(base()) and frozen is not model
    ranks = {len(p) for n, p in model.named_parameters() if "lora_A" in n}
    assert ranks == ({rank} if rank else set())
    for stage, pool, validation in zip(built.stages, data.pools, data.validations):
        assert texts(pool) == texts(stage.pool) and texts(validation) == texts(stage.validation)
    assert all(texts(proxy) == texts(built.proxy) for proxy in data.proxies)
    for name in built.tests:
        assert texts(data.tests[name]) == texts(built.tests[name])
        assert texts(data.ood[name]) == texts(built.ood[name])


def test_adapters_start_from_the_seed_and_change_nothing_before_training():
    a, b, other = (with_lora(base(), 2, seed) for seed in (0, 0, 1))
    assert torch.equal(weights(a), weights(b)) and not torch.equal(weights(a), weights(other))
    ids = torch.arange(8)[None]
    assert torch.equal(a.eval()(input_ids=ids).logits, base()(input_ids=ids).logits)


# ---- the amount of training --------------------------------------------------------------------------


def test_a_stage_of_no_steps_leaves_the_model_as_it_was_and_still_probes():
    run = flow(train=TrainSpec(steps=0, batch_size=3, probe_steps=(0, 1), probe_size=5))
    assert mark(run.model) == mark(run.base) and all(e.batches == [] for e in run.fits) and len(run.probes) == T - 1
    tokens = run.rows[(run.rows["split"] == "diagnostic") & (run.rows["metric"] == "tokens")]
    assert set(tokens["value"]) == {0}


def test_matched_tokens_scale_the_steps_by_the_mean_response():
    run = flow(train=replace(TRAIN, match="tokens"))
    for t, fit in enumerate(run.fits):
        selected, pool = (run.data.pools[t].take(run.asked[t][2]).tokens(), run.data.pools[t].tokens())
        assert len(fit.batches) == max(1, round(TRAIN.steps * float(pool.float().mean() / selected.float().mean())))


def test_as_many_tokens_by_hand():
    def of(*lengths):
        return SimpleNamespace(tokens=lambda: torch.tensor(lengths))

    assert stages.as_many_tokens(80, of(2, 4), of(6)) == 40 and stages.as_many_tokens(80, of(4), of(2, 2)) == 160
    assert stages.as_many_tokens(1, of(1), of(9)) == 1 and stages.as_many_tokens(0, of(5), of(5)) == 0


def test_a_stages_own_proxy_reaches_its_selector_and_no_other():
    run = flow(replace(WORLD, proxy="next"))
    validations = [texts(s.validation) for s in run.world.stages]
    whole = WORLD.build(SEED).stages
    assert [c.proxy for c in run.calls.of("context")] == [texts(whole[t + 1].validation) for t in range(T)]
    assert validations[1] == texts(whole[1].validation)
