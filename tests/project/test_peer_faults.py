"""One test for each fault known in published reference code that concerns something computed here.

Each test fails on an implementation with the fault it is named after.
"""

import inspect
from copy import deepcopy
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lhas_utils.analysis import metrics, statistics
from lhas_utils.core import ModelSpec, TrainSpec
from lhas_utils.learning import IGNORE, create, encode, fit, score, with_lora, word_level
from lhas_utils.runs.grids import SMOKE
from lhas_utils.selection import (
    SELECTORS,
    History,
    SelectionContext,
    checked,
    clusters,
    coverage,
    get,
    selectors,
    signals,
    utility_diversity,
)
from lhas_utils.studies import RunSpec
from lhas_utils.studies.stages import execute
from lhas_utils.worlds import WorldSpec, skill_world
from lhas_utils.worlds.symbols import DIALECT

WORDS = word_level(DIALECT)
THREE = np.array([[0, 0, 0], [0.50, 0, 0], [0.60, 0.70, 0], [0.80, 0.65, 0.75]])


class Points:
    """A context that knows embeddings only."""

    def __init__(self, embedding):
        self.embedding, self.history, self.terms = np.asarray(embedding, float), History(), {}

    def __len__(self):
        return len(self.embedding)


@pytest.fixture(scope="module")
def small():
    tokenizer = word_level(DIALECT)
    world = skill_world(WorldSpec(pool_size=12, test_size=2), seed=0, validation_size=4)
    model = create(ModelSpec(hidden=16, layers=1, heads=2), tokenizer, seed=0).eval()
    return model, encode(world.stages[2].pool, tokenizer)


# ---- selection ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["diversity", "facility_location"])
def test_deepcore_log_determinant_picks_near_duplicates(name):
    """DeepCore returns the explained part of the variance in place of what is left of it."""
    rng = np.random.default_rng(0)
    centres = np.eye(8) * 5
    ctx = Points(np.repeat(centres, 10, 0) + rng.normal(0, 1e-2, size=(80, 8)))
    picks = checked(get(name), ctx, 8, rng)
    assert sorted(picks // 10) == list(range(8))  # one of each group of near-duplicates

    def volume(chosen):
        return np.linalg.slogdet(ctx.embedding[chosen] @ ctx.embedding[chosen].T + 1e-9 * np.eye(8))[1]

    assert volume(picks) > max(volume(rng.choice(80, 8, replace=False)) for _ in range(20))


@pytest.mark.parametrize("name", sorted(SELECTORS))
def test_deepcore_glister_swallows_a_misspelt_option(name):
    """DeepCore passes `upadate_state=`, `**kwargs` swallows it and the gradient is never updated."""
    with pytest.raises(ValueError, match=f"parameter of selector '{name}': expected one of .*; got 'upadate_state'"):
        get(name, upadate_state=True)
    kinds = [p.kind for p in inspect.signature(SELECTORS[name]).parameters.values()]
    assert inspect.Parameter.VAR_KEYWORD not in kinds


def test_deepcore_glister_never_updates_its_state():
    """What was picked in one micro-batch counts in the next: the memory grows within a stage."""

    class Stub(Points):
        nuclear_norm = np.zeros(4)
        projection = np.array([[0.0], [0.0], [0.1], [9.0]])

    ctx = Stub(np.zeros((4, 1)))
    picked = [utility_diversity(ctx, 2, rng=np.random.default_rng(s), micro_batch=2) for s in range(40)]
    # after a first micro-batch from the group at 0, the far example is preferred wherever it is offered
    later = [p[1] for p in picked if p[0] != 3]
    assert len(later) > 5 and np.mean([p == 3 for p in later]) > 0.5


def test_deita_uses_one_comparison_for_similarity_and_for_distance():
    """DEITA's Manhattan option rejects far items: of 0, 1, 2 it keeps 0 and 1 where 0 and 2 is right."""
    assert set(selectors.diversity(Points([[0.0], [0.0], [1.0], [20.0]]), 2, rng=None)) & {3}
    assert coverage(np.array([[1.0], [2.0]]), np.array([[0.0]])) == pytest.approx([1, 2])  # farther is more


def test_submodlib_fixes_its_seed():
    """`srand(1)` inside: three runs gave one set, so a study over seeds had no selection variance."""
    ctx = Points(np.zeros((60, 1)))
    draws = [tuple(checked(selectors.random, ctx, 10, np.random.default_rng(s))) for s in range(3)]
    assert len(set(draws)) == 3


def test_apricot_seeds_the_global_generator():
    before = np.random.get_state()[1].copy()
    ctx = Points(np.random.default_rng(0).normal(size=(20, 3)))
    for name in ("random", "diversity", "facility_location"):
        checked(get(name), ctx, 5, np.random.default_rng(0))
    clusters(ctx)
    assert (np.random.get_state()[1] == before).all()


def test_uds_keeps_prompt_and_padding_rows(small):
    """The reference takes the nuclear norm of the whole padded logits, prompt included."""
    model, data = small
    got = signals.forward_signals(model, data)["nuclear_norm"]
    whole = torch.linalg.svdvals(model(input_ids=data.input_ids).logits.double()).sum(1).detach().numpy()
    response = []
    for i in range(len(data)):
        here = (data.labels[i, 1:] != IGNORE).nonzero()[:, 0]
        logits = model(input_ids=data.input_ids[i : i + 1]).logits[0, here].double()
        response.append(torch.linalg.svdvals(logits).sum().item())
    np.testing.assert_allclose(got, response, rtol=1e-4)
    assert (whole > 1.1 * got).all()


def test_uds_projection_changes_between_runs(small):
    """The reference neither registers nor saves its random projection: a resumed run gets another."""
    model, data = small
    first = signals.forward_signals(model, data)["projection"]
    signals._projection.cache_clear()
    np.random.seed(7)
    assert (signals.forward_signals(model, data)["projection"] == first).all()


def test_uds_diversity_of_an_empty_memory_is_zero():
    class Stub(Points):
        nuclear_norm = np.array([3.0, 1.0, 2.0, 0.0])
        projection = np.array([[0.0], [50.0], [100.0], [500.0]])

    picks = utility_diversity(Stub(np.zeros((4, 1))), 2, rng=np.random.default_rng(0), alpha=1e6, micro_batch=4)
    assert sorted(picks) == [0, 2]


# ---- gradients ------------------------------------------------------------------------------------


def test_dattri_projects_what_should_be_exact(small):
    """dattri's default projection to 512 dimensions correlates 0.5 with the exact scores."""
    model, data = small
    v = signals.mean_gradient(model, data)
    exact = []
    for i in range(len(data)):
        exact.append(float(signals.mean_gradient(model, data.take([i])) @ v))
    got = signals.gradient_signals(model, data, {"v": v})["v"]
    np.testing.assert_allclose(got, exact, rtol=1e-4, atol=1e-5 * np.abs(exact).max())


def test_dattri_shares_its_defaults_between_calls():
    """A module-level dict of defaults, updated by one call, changes every later one."""
    before = {name: dict(f.__kwdefaults__ or {}) for name, f in SELECTORS.items()}
    get("lhas", coverage_weight=9.0, utility="loss")
    get("utility_diversity", alpha=9.0)
    assert {name: dict(f.__kwdefaults__ or {}) for name, f in SELECTORS.items()} == before
    assert not any(isinstance(v, (dict, list, set)) for defaults in before.values() for v in defaults.values())


def test_bergson_per_example_gradients_depend_on_the_batch(small):
    """Fused attention gives other per-example gradients in another batch; plain attention does not."""
    model, data = small
    together, alone = signals.matrix(model, data), signals.matrix(model, data, batch_size=1)
    assert ((together - alone).norm(dim=1) / alone.norm(dim=1)).max() < 1e-4


def test_gradnorm_ignores_which_parameters_train(small):
    """Gradients are of the trainable parameters: with adapters, of the adapters."""
    model, data = small
    lora = with_lora(deepcopy(model), rank=2, seed=0)
    full = signals.gradient_signals(model, data, {})["grad_norm"]
    assert (signals.gradient_signals(lora, data, {})["grad_norm"] < full).all()


# ---- metrics --------------------------------------------------------------------------------------


def test_mammoth_forgetting_is_never_negative():
    """mammoth's maximum runs over the last row too: improvement is counted as some forgetting."""
    assert metrics.forgetting(THREE) == pytest.approx(-0.075)
    assert metrics.forgetting(THREE, "clipped") == pytest.approx(0.025)  # only where it is asked for


def test_mammoth_pads_the_lists_of_its_caller():
    rows = [[0.1, 0.1, 0.1], [0.50, 0.2, 0.1], [0.60, 0.70, 0.1], [0.80, 0.65, 0.75]]
    before = [list(r) for r in rows]
    for definition in ("chaudhry", "clipped", "bwt", "first_minus_last"):
        metrics.forgetting(rows, definition)
    metrics.forward_transfer(rows)
    assert rows == before


def test_avalanche_calls_first_minus_last_forgetting():
    """avalanche's `Forgetting` is -BWT; here it has its own name and is not the default."""
    assert metrics.forgetting(THREE, "first_minus_last") == pytest.approx(-0.125)
    assert -metrics.forgetting(THREE, "bwt") == pytest.approx(-0.125)
    assert metrics.forgetting(THREE) != pytest.approx(metrics.forgetting(THREE, "first_minus_last"))


def test_gem_divides_by_t_instead_of_t_minus_one():
    R = THREE.copy()
    R[1, 1], R[2, 2] = 0.3, 0.1
    assert metrics.forgetting(R, "bwt") == pytest.approx(((0.80 - 0.50) + (0.65 - 0.70)) / 2)
    assert metrics.forward_transfer(R) == pytest.approx((0.3 + 0.1) / 2)


def test_continuum_forgets_the_last_old_task():
    """A loop over range(k - 2) leaves out the second last task."""
    worse = THREE.copy()
    worse[3, 1] -= 0.40
    assert metrics.forgetting(worse) == pytest.approx(-0.075 + 0.40 / 2)
    assert metrics.forgetting(worse, "bwt") == pytest.approx(0.125 - 0.40 / 2)


def test_renate_forward_transfer_is_the_same_for_every_method():
    """It must move with the score on a capability just before its own stage, and with nothing else."""
    R = np.random.default_rng(0).random((4, 3))
    for j in (1, 2):
        ahead = R.copy()
        ahead[j, j] += 0.2
        assert metrics.forward_transfer(ahead) == pytest.approx(metrics.forward_transfer(R) + 0.1)
    later = R.copy()
    later[3] += 0.2
    later[:, 0] += 0.2
    assert metrics.forward_transfer(later) == pytest.approx(metrics.forward_transfer(R))


# ---- statistics -----------------------------------------------------------------------------------


def test_rliable_ignores_its_random_state():
    """Three calls with one random state gave three intervals; only the global seed had an effect."""
    np.random.seed(0)
    first, _ = statistics.resamples(20, seed=1)
    statistics.resamples.cache_clear()
    np.random.seed(1)
    assert (statistics.resamples(20, seed=1)[0] == first).all()
    assert (statistics.resamples(20, seed=2)[0] != first).any()


# ---- data and options -----------------------------------------------------------------------------


@pytest.mark.parametrize("build", [lambda seed: WorldSpec(pool_size=200).build(seed)])
def test_reasoning_gym_shares_questions_between_neighbouring_seeds(build):
    """Items drawn by `Random(seed + index)` are the next seed's items, moved by one."""
    for a, b in zip(build(100).stages, build(101).stages):
        own, other = (
            [row["prompt"] for row in s.pool if row["difficulty"] == max(s.pool["difficulty"])] for s in (a, b)
        )
        assert len(own) > 20 and len(set(own) & set(other)) < 0.05 * len(own)


def test_lm_scores_over_prompt_and_answer_are_flattered(small, monkeypatch):
    """A model that knows the answers and nothing of the prompts has all right; what it says of prompts is not asked."""
    model, data = small
    knows = torch.where(data.labels == IGNORE, (data.input_ids + 1) % len(WORDS), data.input_ids).roll(-1, 1)
    answers = torch.nn.functional.one_hot(knows, len(WORDS)).float() * 50
    rows = {tuple(ids): i for i, ids in enumerate(data.input_ids.tolist())}

    def forward(input_ids, use_cache):
        padded = torch.nn.functional.pad(input_ids, (0, data.input_ids.shape[1] - input_ids.shape[1]))
        own = answers[[rows[tuple(ids)] for ids in padded.tolist()], : input_ids.shape[1]]
        return SimpleNamespace(logits=knower.head(own))

    knower = SimpleNamespace(device="cpu", eval=lambda: None, head=torch.nn.Identity())
    knower.head.weight = torch.zeros(len(WORDS), 1)

    class Knower:
        device, dtype, eval = "cpu", torch.float32, staticmethod(lambda: None)
        get_output_embeddings, __call__ = staticmethod(lambda: knower.head), staticmethod(forward)

    got = score(Knower(), data)
    assert got["exact"] == got["accuracy"] == 1 and got["nll"] == pytest.approx(0, abs=1e-6)
    whole = (answers[:, :-1].argmax(-1) == data.input_ids[:, 1:]).float().mean()
    assert whole < 0.7


def test_a_signal_cached_by_name_outlives_its_model(small):
    """Scores kept under a name or a step number are read back after training; a context is of one model alone."""
    model, data = deepcopy(small[0]), small[1]
    pool = skill_world(WorldSpec(pool_size=12, test_size=2), seed=0, validation_size=4).stages[2].pool

    def context():
        return SelectionContext(model, small[0], pool, data, data, data, History(), 2)

    before = context()
    first = {name: getattr(before, name).copy() for name in ("loss", "align_current", "embedding")}
    fit(model, data, [np.arange(12)] * 5, 0.05)
    after = context()
    assert not np.allclose(after.loss, first["loss"]) and not np.allclose(after.align_current, first["align_current"])
    assert np.allclose(after.embedding, first["embedding"])  # frozen, on purpose
    assert all((getattr(before, name) == values).all() for name, values in first.items())


OPTIONS = {
    "steps": 20,
    "batch_size": 5,
    "lr": 3e-3,
    "match": "tokens",
    "rank": 2,
    "probe_steps": (0, 1, 4),
    "probe_size": 7,
    "reselect": 2,
    "curriculum": "easy_first",
}


@pytest.fixture(scope="module")
def rows_of():
    spec = RunSpec("loss", 1000, **SMOKE | {"train": replace(SMOKE["train"], steps=24)})
    default = execute(spec, SELECTORS)[0]

    def of(**train):
        return execute(replace(spec, train=replace(spec.train, **train)), SELECTORS)[0], default

    return of


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_that_is_accepted_is_not_dropped(name, rows_of):
    """A trainer that takes `**kwargs` runs its defaults under a name that says otherwise."""
    assert {*OPTIONS} == {f.name for f in fields(TrainSpec)}
    rows, default = rows_of(**{name: OPTIONS[name]})
    assert not rows.equals(default)
