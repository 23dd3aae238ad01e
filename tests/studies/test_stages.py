"""One tiny run of the protocol, taken apart; what it must keep the same for every selector."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lhas_utils.analysis import metrics
from lhas_utils.core import ModelSpec, TrainSpec, paths
from lhas_utils.learning import copy_of, create, weights, word_level
from lhas_utils.runs import cache, fill, pool
from lhas_utils.selection import entropy
from lhas_utils.studies import RunSpec, stages
from lhas_utils.worlds import ORDERS, SEQUENCES, SKILLS, WorldSpec, skill_world, stage_weights
from lhas_utils.worlds.symbols import DIALECT

WORLD = WorldSpec(pool_size=40, test_size=10)
SPEC = RunSpec(
    "random",
    0,
    world=WORLD,
    model=ModelSpec(hidden=32, steps=20, rows=640),
    train=TrainSpec(steps=4, probe_steps=(0, 2), probe_size=20),
)
BUDGET = 10  # a quarter of 40
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def execute(tmp_path_factory):
    """Run a spec with its base models in a folder of this module; each spec is run once."""
    done = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "MODELS", tmp_path_factory.mktemp("models"))

        def run(spec):
            if spec not in done:
                done[spec] = stages.execute(spec, cache.chosen(spec))
            return done[spec]

        yield run


@pytest.fixture(scope="module")
def random_run(execute):
    return execute(SPEC)


@pytest.fixture(scope="module")
def lhas_run(execute):
    return execute(replace(SPEC, selector="lhas", params=(("penalty_weight", 1.0),)))


def part(rows, split, **where):
    rows = rows[rows["split"] == split]
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return rows


def test_rows_are_tidy(random_run):
    rows, _ = random_run
    assert list(rows.columns) == ["split", "stage", "capability", "step", "metric", "value"]
    assert set(rows["split"]) == {"mixture", "id", "ood", "probe", "diagnostic"}
    assert not rows.duplicated(["split", "stage", "capability", "step", "metric"]).any()
    missing = rows[rows["value"].isna()]
    assert list(zip(missing["stage"], missing["metric"])) == [(1, "drift")]  # the first stage has none
    scores = rows[rows["metric"].isin(["accuracy", "exact"])]["value"]
    assert ((0 <= scores) & (scores <= 1)).all()


def test_the_score_matrix_has_a_row_per_stage_and_the_base(random_run):
    rows, _ = random_run
    for metric in ("accuracy", "exact", "nll"):
        R = metrics.matrix(rows, "id", metric)
        assert R.shape == (6, 5) and list(R.index) == [0, 1, 2, 3, 4, 5] and list(R.columns) == list(SKILLS)
    assert list(metrics.matrix(rows, "ood").index) == [0, 5]
    assert metrics.matrix(rows).diff().iloc[1:].abs().to_numpy().max() > 0


def test_probes_adapt_each_checkpoint_to_the_next_stage_on_the_asked_grid(random_run):
    rows, _ = random_run
    probe = part(rows, "probe")
    assert sorted(set(zip(probe["stage"], probe["capability"]))) == [(t, SKILLS[t]) for t in (1, 2, 3, 4)]
    assert set(probe["step"]) == {0, 2}
    curves = metrics.probe_curves(rows)
    R = metrics.matrix(rows)
    for t, curve in curves.items():
        assert curve["value"].iloc[0] == pytest.approx(R.loc[t, SKILLS[t]])  # before any step: M_t on V_{t+1}
        assert curve["tokens"].iloc[0] == 0 < curve["tokens"].iloc[1]


def test_diagnostics_of_each_stage(random_run):
    rows, picks = random_run
    table = part(rows, "diagnostic").pivot(index="stage", columns="metric", values="value")
    assert list(table.index) == [1, 2, 3, 4, 5]
    for stage, chosen in picks.groupby("stage"):
        assert table.loc[stage, "entropy"] == pytest.approx(entropy(chosen["task"]))
    assert ((1 / BUDGET <= table["concentration"]) & (table["concentration"] <= 1)).all()
    assert table["clean"].between(0, 1).all() and table["quality"].between(0, 1).all()
    assert (table["tokens"] > 0).all() and table["drift"].iloc[1:].between(0, 2).all()


def test_diagnostics_describe_the_selected_examples(random_run):
    rows, picks = random_run
    pool = skill_world(WORLD, 0).stages[2].pool
    chosen = pool.select(picks.loc[picks["stage"] == 3, "index"].tolist()).to_pandas()
    got = part(rows, "diagnostic", stage=3).set_index("metric")["value"]
    for column in ("difficulty", "quality", "clean", "duplicate"):
        assert got[column] == pytest.approx(chosen[column].mean())
    assert got["selected_tokens"] == sum(len(r.split()) + 1 for r in chosen["response"])


def test_picks_are_the_budget_at_every_stage(random_run, lhas_run):
    for _, picks in (random_run, lhas_run):
        for stage in (1, 2, 3, 4, 5):
            index = picks.loc[picks["stage"] == stage, "index"].tolist()
            assert len(index) == len(set(index)) == BUDGET
            assert index == sorted(index) and 0 <= index[0] and index[-1] < 40
        assert {"skill", "task", "kind"} <= set(picks.columns)


def test_picks_say_what_they_picked(random_run):
    pool = skill_world(WORLD, 0).stages[1].pool
    picks = random_run[1]
    for row in picks[picks["stage"] == 2].to_dict("records"):
        assert (row["skill"], row["task"], row["kind"]) == tuple(
            pool[row["index"]][c] for c in ("skill", "task", "kind")
        )


def test_lhas_explains_every_pick(lhas_run):
    picks = lhas_run[1]
    terms = picks[["utility", "coverage", "proxy_gain", "penalty"]]
    assert np.isfinite(terms.to_numpy()).all()
    assert (terms.abs().to_numpy().max(0) > 0).all()


def test_the_same_spec_gives_the_same_run(execute, random_run):
    again = stages.execute(SPEC, cache.chosen(SPEC))
    for a, b in zip(again, random_run):
        assert a.equals(b)


def test_another_seed_gives_another_run(execute, random_run):
    other = execute(replace(SPEC, seed=1))
    assert not np.allclose(metrics.matrix(other[0]), metrics.matrix(random_run[0]))
    assert other[1]["index"].tolist() != random_run[1]["index"].tolist()


def test_random_streams_do_not_depend_on_the_selector(random_run, lhas_run):
    """Common random numbers: same base, same probe examples in the same order."""
    a, b = random_run[0], lhas_run[0]
    assert metrics.matrix(a).loc[0].equals(metrics.matrix(b).loc[0])
    tokens = [part(r, "probe", metric="tokens")["value"].tolist() for r in (a, b)]
    assert tokens[0] == tokens[1]
    assert random_run[1]["index"].tolist() != lhas_run[1]["index"].tolist()


def test_selectors_that_pick_alike_end_alike(execute):
    """With weights 0, LHAS picks what utility-diversity picks; then the whole run must be equal."""
    off = (("coverage_weight", 0.0), ("penalty_weight", 0.0), ("proxy_weight", 0.0))
    a, b = execute(replace(SPEC, selector="utility_diversity")), execute(replace(SPEC, selector="lhas", params=off))
    assert a[1]["index"].equals(b[1]["index"])
    assert a[0].equals(b[0])


@pytest.mark.parametrize("rank", [None, 2])
def test_the_probe_leaves_the_model_as_it_was(execute, random_run, monkeypatch, rank):
    probe, seen = stages.probe, []

    def watched(model, *args):
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        probe(model, *args)
        seen.append(all(torch.equal(p, before[name]) for name, p in model.named_parameters()))

    monkeypatch.setattr(stages, "probe", watched)
    spec = replace(SPEC, train=replace(SPEC.train, rank=rank))
    rows, _ = stages.execute(spec, cache.chosen(spec))
    assert seen == [True] * 4
    assert part(rows, "diagnostic", metric="drift")["value"].iloc[1:].between(0, 2).all()


def test_a_longer_probe_changes_nothing_but_the_probe(execute, random_run):
    longer = execute(replace(SPEC, train=replace(SPEC.train, probe_steps=(0, 2, 5))))[0]
    short = random_run[0]
    for split in ("id", "ood", "diagnostic"):
        assert part(longer, split).reset_index(drop=True).equals(part(short, split).reset_index(drop=True))
    both = part(longer, "probe")
    assert both[both["step"] <= 2].reset_index(drop=True).equals(part(short, "probe").reset_index(drop=True))


def own_run(world, select, train=SPEC.train, budget=0.25):
    tokenizer = word_level(DIALECT)
    model = create(ModelSpec(hidden=16, layers=1, heads=2), tokenizer, 0)
    frozen = copy_of(model)
    before = weights(frozen)
    out = stages.run(world, stages.encodings(world, tokenizer, 64), model, frozen, select, budget, train, 0)
    assert torch.equal(weights(frozen), before)  # M_0 is never trained
    assert not torch.equal(weights(model), before)
    return out


@pytest.fixture(scope="module")
def two_stages():
    world = skill_world(WorldSpec(pool_size=20, test_size=4), 0, validation_size=4)
    return replace(world, stages=world.stages[:2])


@pytest.mark.parametrize("budget, size", [(0.5, 10), (1.0, 20), (1e-9, 1)])
def test_the_budget_is_a_share_of_the_pool_and_at_least_one(two_stages, budget, size):
    seen = []

    def first(ctx, budget, *, rng):
        seen.append((budget, ctx.stage, len(ctx.history)))
        return np.arange(budget)

    rows, picks = own_run(two_stages, first, budget=budget)
    assert seen == [(size, 0, 0), (size, 1, size)]
    assert picks.groupby("stage").size().tolist() == [size, size]
    assert list(metrics.matrix(rows, "ood").index) == [0, 2]


def test_reselection_asks_anew_within_a_stage_and_trains_as_many_steps(two_stages):
    asked = []

    def select(ctx, budget, *, rng):
        asked.append((ctx.stage, float(ctx.loss.mean())))
        return rng.choice(len(ctx), size=budget, replace=False)

    own_run(two_stages, select, replace(SPEC.train, reselect=2))
    assert [stage for stage, _ in asked] == [0, 0, 1, 1]
    assert len({value for _, value in asked}) == 4  # by the model as it is at that point


def test_the_history_after_reselection_holds_every_example_trained_on(two_stages):
    chosen, lengths = [], []

    def select(ctx, budget, *, rng):
        lengths.append((ctx.stage, len(ctx.history)))
        chosen.append(rng.choice(len(ctx), size=budget, replace=False))
        return chosen[-1]

    own_run(two_stages, select, replace(SPEC.train, reselect=2))
    assert lengths[:3] == [(0, 0), (0, 0), (1, len({*chosen[0], *chosen[1]}))]


def test_a_curriculum_trains_on_the_same_choice_in_another_order(execute, random_run):
    rows, picks = execute(replace(SPEC, train=replace(SPEC.train, curriculum="easy_first")))
    assert picks[picks["stage"] == 1]["index"].tolist() == random_run[1][random_run[1]["stage"] == 1]["index"].tolist()
    assert not np.allclose(part(rows, "id", stage=1)["value"], part(random_run[0], "id", stage=1)["value"])


def test_the_curriculum_ranking_is_by_difficulty():
    assert stages._from_one_end(np.array([0.5, 0.25, 0.75]), "easy_first").tolist() == [1, 0, 2]
    assert stages._from_one_end(np.array([0.5, 0.25, 0.75]), "hard_first").tolist() == [2, 0, 1]


def test_a_selector_that_breaks_the_contract_stops_the_run_in_words(two_stages):
    def greedy(ctx, budget, *, rng):
        return np.zeros(budget, int)

    with pytest.raises(ValueError, match="greedy: expected no index twice; got 4 repeated"):
        own_run(two_stages, greedy)


def test_an_empty_pool_stops_the_run_in_words(two_stages):
    empty = replace(two_stages.stages[1], pool=two_stages.stages[1].pool.select([]))
    with pytest.raises(ValueError, match="expected at least one example"):
        own_run(
            replace(two_stages, stages=(two_stages.stages[0], empty)), lambda ctx, budget, *, rng: np.arange(budget)
        )


def test_an_unknown_selector_or_parameter_stops_before_any_training(monkeypatch):
    monkeypatch.setattr(pool, "run", lambda *args: pytest.fail("a model was trained first"))
    with pytest.raises(ValueError, match="selector: expected one of"):
        fill([replace(SPEC, selector="lhaas")])
    with pytest.raises(ValueError, match="parameter of selector 'lhas': expected one of .*; got 'lambda'"):
        fill([replace(SPEC, selector="lhas", params=(("lambda", 1.0),))])


@pytest.mark.parametrize("sequence, order", [*((s, "paper") for s in SEQUENCES), *(("skill", o) for o in ORDERS)])
def test_the_rows_hold_the_mixture_of_every_stage(execute, sequence, order):
    """So long-horizon utility needs no knowledge of the world."""
    small = {"pool_size": 8, "test_size": 2, "earlier": 0, "precursors": 0}
    world = WorldSpec(sequence=sequence, order=order, alignment=0.4, **small)
    tiny = ModelSpec(hidden=8, heads=2, layers=1, steps=1)
    spec = replace(SPEC, world=world, model=tiny, train=TrainSpec(steps=1, probe_steps=(0, 1), probe_size=4))
    rows = part(execute(spec)[0], "mixture")
    names = [stage.name for stage in skill_world(world, 0, 4).stages]
    W = rows.pivot(index="stage", columns="capability", values="value").loc[[1, 2, 3, 4, 5], names]
    assert set(rows["metric"]) == {"weight"} and len(rows) == 25
    np.testing.assert_allclose(W.to_numpy(), stage_weights(world))


@pytest.mark.parametrize(
    "values, message",
    [
        ({"seed": -1}, "seed: expected an integer"),
        ({"seed": 0.0}, "seed: expected an integer"),
        ({"budget": 0}, "budget: expected a number"),
        ({"budget": 1.01}, "budget: expected a number"),
        ({"budget": "all"}, "budget: expected a number"),
        ({"params": (("b", 1.0), ("a", 1.0))}, r"params: expected \(name, value\) pairs sorted by name; got"),
        ({"world": "skill"}, "world: expected the knobs of a world with stages; got 'skill'"),
    ],
)
def test_a_bad_value_is_refused_when_the_spec_is_made(values, message):
    with pytest.raises(ValueError, match=message):
        RunSpec(**({"selector": "random", "seed": 0} | values))
