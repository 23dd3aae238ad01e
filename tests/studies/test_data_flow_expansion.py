"""The local analysis: the checkpoint, the selections, and on which data each term of the expansion is measured."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lhas_utils.core import TrainSpec, stream
from lhas_utils.learning import example_loss, restore, shuffled, weights
from lhas_utils.selection import PAPER, SELECTORS, signals
from lhas_utils.studies import ETAS, LocalSpec, expansion, stages
from lhas_utils.worlds import WorldSpec
from tests.studies.recorder import Recorder, base, mark, prepared, texts

WORLD = WorldSpec(pool_size=23, test_size=4)
SPEC = LocalSpec(3, stage=2, random=3, batches=2, trained=1, world=WORLD, train=TrainSpec(steps=2, batch_size=4))
NAMES = ("loss", "gradient")
T = 5


@cache
def flow() -> SimpleNamespace:
    """Compute the run once; keep every call and the data and model of every measurement."""
    kept = {name: [] for name in ("taylor_terms", "actual_change")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "base_model", lambda *_: base())
        calls = Recorder(patch, expansion)
        for name in kept:
            inner = getattr(expansion, name)

            def recorded(model, data, directions, *more, inner=inner, name=name):
                kept[name].append(SimpleNamespace(model=mark(model), data=texts(data), directions=directions))
                return inner(model, data, directions, *more)

            patch.setattr(expansion, name, recorded)
        rows, picks = expansion.execute(SPEC, {name: SELECTORS[name] for name in NAMES})
    assert picks is None
    world, data = prepared(WORLD, SPEC.seed)
    run = SimpleNamespace(calls=calls, rows=rows, world=world, data=data, **kept)
    run.fits = calls.of("fit")
    run.checkpoint = moved(run.fits[1].after)
    return run


def moved(theta):
    """Return the tiny model with other weights."""
    model = base()
    restore(model, theta)
    return model


def validation(run, t):
    return texts(run.world.stages[t].validation)


def subsets(run) -> list[tuple[str, np.ndarray]]:
    """Return the selections of the run, found again: by the model of the checkpoint, and from the streams."""
    losses, norms, data = [], [], run.data.pools[2]
    for i in range(23):
        losses.append(mean_loss(run.checkpoint, data.take([i])))
        norms.append(float(signals.mean_gradient(run.checkpoint, data.take([i])).norm()))
    out = [(name, np.sort(np.argsort(v)[::-1][:6])) for name, v in zip(NAMES, (losses, norms))]
    rng = stream(SPEC.seed, "local subsets")
    out += [("random", rng.choice(23, 6, replace=False)) for _ in range(3)]
    return out + [("batch", rng.choice(23, 4, replace=False)) for _ in range(2)]


def mean_loss(model, data) -> float:
    with torch.no_grad():
        return float(example_loss(model, data).double().mean())


def test_the_checkpoint_is_trained_on_random_selections_of_the_earlier_stages_only():
    run = flow()
    assert run.fits[0].model == mark(base())
    for t in range(2):
        chosen = stream(SPEC.seed, "local", t).choice(23, 6, replace=False)  # 5.75 rounds to 6
        assert run.fits[t].data == texts(run.world.stages[t].pool.select(chosen))
        assert run.fits[t].batches == shuffled(stream(SPEC.seed, "train", t), 6, 2, 4).tolist()
    assert torch.equal(run.fits[1].before, run.fits[0].after)


def test_selectors_see_the_stage_of_the_checkpoint_and_an_empty_history():
    run = flow()
    (c,) = run.calls.of("context")
    assert c.stage == 2 and c.history is None
    assert c.model == mark(run.checkpoint) and c.frozen == mark(base())
    assert c.data == c.pool == texts(run.world.stages[2].pool)
    assert c.validation == validation(run, 2) and c.proxy == texts(run.world.proxy)
    assert SPEC.selectors == (*PAPER[1:], "alignment")


def test_the_taylor_terms_and_the_single_steps_are_of_the_next_stages_validation_set_at_the_checkpoint():
    run = flow()
    assert len(run.taylor_terms) == 2  # sgd and adamw
    for call in run.taylor_terms + run.actual_change[:2]:
        assert call.data == validation(run, 3) and call.model == mark(run.checkpoint)
        assert len(call.directions) == 2 + 3 + 2


def test_directions_are_the_mean_gradients_of_the_selections():
    run = flow()
    for i, (kind, chosen) in enumerate(subsets(run)):
        g = signals.mean_gradient(run.checkpoint, run.data.pools[2].take(chosen))
        for call, v in zip(run.taylor_terms, (g, SPEC.train.lr * g.sign())):
            angle = torch.nn.functional.cosine_similarity(call.directions[i], v, dim=0)
            assert angle > (0.9999 if v is g else 0.99), (i, kind)
            assert float(call.directions[i].norm() / v.norm()) == pytest.approx(1, abs=1e-3 if v is g else 0.05)


def test_rows_of_a_single_step_are_what_that_step_does_to_the_next_stage():
    run = flow()
    sgd = run.rows[run.rows["arm"] == "sgd"].set_index(["subset", "eta"])
    theta, V_now, V_next = weights(run.checkpoint), run.data.validations[2], run.data.validations[3]
    r_now, r_next = (signals.mean_gradient(run.checkpoint, V) for V in (V_now, V_next))
    for i, (kind, chosen) in enumerate(subsets(run)):
        g = signals.mean_gradient(run.checkpoint, run.data.pools[2].take(chosen))
        for eta in (ETAS[2], ETAS[-1]):
            row = sgd.loc[(i, eta)]
            assert row["kind"] == kind
            change = mean_loss(moved(theta - eta * g), V_next) - mean_loss(run.checkpoint, V_next)
            assert row["next"] == pytest.approx(change, abs=2e-5)
            assert row["first"] == pytest.approx(-eta * float(g @ r_next), rel=1e-3, abs=1e-6)
            assert row["now"] == pytest.approx(-eta * float(g @ r_now), rel=1e-3, abs=1e-6)
            assert row["length"] == pytest.approx(eta * float(g.norm()), rel=1e-4)
        r_up, r_down = (signals.mean_gradient(moved(theta + e * g / g.norm()), V_next) for e in (0.01, -0.01))
        q = float(g @ (r_up - r_down)) * float(g.norm()) / 0.02
        for eta in ETAS:
            curved = sgd.loc[(i, eta), "second"] - sgd.loc[(i, eta), "first"]
            assert curved == pytest.approx(eta**2 / 2 * q, rel=0.05, abs=1e-6)


def test_a_whole_stage_trains_on_the_selection_from_the_checkpoint_and_is_undone():
    run = flow()
    chosen = subsets(run)
    trained = run.fits[2:]
    assert len(trained) == len(NAMES) + SPEC.trained
    rows = run.rows[run.rows["arm"] == "train"]
    assert rows["subset"].tolist() == [0, 1, 2] and rows["kind"].tolist() == [*NAMES, "random"]
    first = run.rows[run.rows["arm"] == "adamw"].set_index("subset")["first"]
    for (_, row), fit in zip(rows.iterrows(), trained):
        picks = chosen[row["subset"]][1]
        assert fit.data == texts(run.world.stages[2].pool.select(picks))
        assert fit.batches == shuffled(stream(SPEC.seed, "train", 2), 6, 2, 4).tolist()
        assert torch.equal(fit.before, weights(run.checkpoint)) and not torch.equal(fit.after, fit.before)
        model = moved(fit.after)
        for column, t in (("now", 2), ("next", 3)):
            V = run.data.validations[t]
            assert row[column] == pytest.approx(mean_loss(model, V) - mean_loss(run.checkpoint, V), abs=2e-5)
        assert row["first"] == pytest.approx(first[row["subset"]])
        assert row["length"] == pytest.approx(float((fit.after - fit.before).norm()), rel=1e-4)


def test_transfer_is_to_the_unit_gradients_of_all_later_validation_sets():
    run = flow()
    later = run.data.validations[3:]
    f = torch.cat([signals.matrix(run.checkpoint, V) for V in later])
    f = (f / f.norm(dim=1, keepdim=True)).double()
    assert len(f) == sum(map(len, later)) == 2 * 64
    for i, (_, chosen) in enumerate(subsets(run)):
        g = signals.matrix(run.checkpoint, run.data.pools[2].take(chosen)).double()
        X = ((g @ f.T) ** 2).mean(0).numpy()
        gram = (g @ g.T).numpy()
        row = run.rows[run.rows["subset"] == i].iloc[0]
        assert row["spread"] == pytest.approx(X.var() / X.mean() ** 2, rel=1e-3)
        assert row["C"] == pytest.approx(np.linalg.eigvalsh(gram)[-1] / np.trace(gram), rel=1e-3)
        share = np.linalg.eigvalsh(gram) / np.trace(gram)
        assert row["ipr"] == pytest.approx((share**2).sum(), rel=1e-3)
