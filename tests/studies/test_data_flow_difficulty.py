"""The difficulty study: the sample that is trained on, what base and tuned model are scored on, and the posterior."""

from collections import Counter
from functools import cache
from math import log
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lhas_utils.core import ModelSpec, stream
from lhas_utils.learning import LOSSES, create, shuffled, weights, word_level
from lhas_utils.studies import CLIP, SIGMAS, DifficultySpec, difficulty
from lhas_utils.worlds import op, symbols
from tests.studies.recorder import Recorder, mark, texts

SMALL = {"seed": 3, "steps": 3, "batch_size": 4, "base_steps": 1, "test_size": 25}


def base(corpus):
    """Return a tiny untrained model that reads the world of a corpus."""
    words = word_level(corpus.words)
    return create(ModelSpec(hidden=16, layers=1, heads=2), words, 0, max_positions=corpus.positions).eval()


@cache
def flow(**knobs) -> SimpleNamespace:
    """Compute a run once; keep every call."""
    spec = DifficultySpec(**SMALL | knobs)
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(difficulty, "base_model", lambda *asked: made.append(asked) or base(asked[1]))
        calls = Recorder(patch, difficulty, word_level(spec.corpus.words))
        difficulty._start.cache_clear()
        rows, picks = difficulty.execute(spec, {})
        kept = difficulty._start(spec.model, spec.world, spec.base, spec.seed, spec.test_size)[0]
        difficulty._start.cache_clear()
    assert picks is None
    fits = calls.of("fit")
    return SimpleNamespace(spec=spec, calls=calls, rows=rows, made=made, fit=fits[0], fits=fits, kept=mark(kept))


def row(run, who, slice_):
    (found,) = run.rows[(run.rows["who"] == who) & (run.rows["slice"] == str(slice_))].to_dict("records")
    return found


@pytest.mark.parametrize("skill, d", [("sort", 6), ("cumsum", 4), ("sort", 0), ("op", 3)])
def test_training_is_on_a_sample_of_the_level_and_the_training_side(skill, d):
    run = flow(skill=skill, d=d, n=10)
    sample = run.spec.world.sample(d, 10, run.spec.seed)
    assert len(run.fits) == 1 and run.fit.data == texts(sample)
    assert set(sample["level"]) <= set(run.spec.world.span(d) if d else run.spec.world.levels)
    tag = {"op": "ops"}.get(skill, "depth")
    assert run.fit.batches == shuffled(stream(3, f"{tag}-order", d, 10), 10, 3, 4).tolist()
    assert run.fit.lr == run.spec.lr and run.fit.options == {
        "schedule": "cosine",
        "warmup": 0.03,
        "loss": LOSSES["sft"],
    }
    tested = {e for test in run.spec.world.slices(3, 25).values() for e in texts(test)}
    assert not tested & set(run.fit.data)


def test_the_base_is_that_of_the_seed_and_its_recipe():
    run = flow(skill="sort", d=6, n=10)
    assert run.made == [(run.spec.model, run.spec.world.corpus("weak"), 3)]
    assert run.spec.model.steps == 1


@pytest.mark.parametrize("skill", ["sort", "op"])
def test_base_and_tuned_are_scored_on_the_same_slices_and_on_the_training_sample(skill):
    run = flow(skill=skill, d=3, n=10)
    slices = {str(d): texts(test) for d, test in run.spec.world.slices(3, 25).items()}
    slices["train"] = run.fit.data
    events = run.calls.of("score_decoded" if skill == "op" else "score")
    expected = [(name, model) for model in (run.fit.model, run.fit.left) for name in slices]
    assert [(e.data, e.model) for e in events] == [(slices[name], model) for name, model in expected]
    for (name, model), e in zip(expected, events):
        found = row(run, "base" if model == run.fit.model else "tuned", name)
        assert {k: found[k] for k in e.result} == e.result


def test_at_most_the_first_shown_examples_of_the_sample_are_scored():
    run = flow(skill="sort", d=5, n=10, shown=4)
    sample = texts(run.spec.world.sample(5, 10, 3))
    assert run.fit.data == sample
    assert [e.data for e in run.calls.of("score")][13::14] == [sample[:4]] * 2
    assert (run.rows["tokens_distinct"] == sum(len(e.partition("<sep>")[2].split()) for e in sample)).all()  # of all


def test_a_longer_sample_begins_with_the_shorter_one():
    assert flow(skill="sort", d=5, n=20).fit.data[:10] == flow(skill="sort", d=5, n=10).fit.data


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_the_loss_is_the_one_asked_for(loss):
    assert flow(skill="sort", d=5, n=10, loss=loss).fit.options["loss"] is LOSSES[loss]


@pytest.mark.parametrize("trim", ["easiest", "hardest"])
def test_trimming_takes_a_tenth_off_one_end_of_the_mixed_sample(trim):
    run = flow(skill="sort", d=0, n=20, trim=trim)
    whole = run.spec.world.sample(0, 20, 3)
    levels = dict(zip(texts(whole), whole["level"]))
    gone = [levels[e] for e in Counter(texts(whole)) - Counter(run.fit.data)]
    extreme = sorted(whole["level"])
    assert gone and sorted(gone) == (extreme[:2] if trim == "easiest" else extreme[-2:])


@pytest.mark.parametrize(
    "knobs, examples, updates",
    [
        ({"match": "steps"}, 10, 3),
        ({"match": "tokens", "d": 14}, 6, 2),
        ({"match": "tokens", "d": 2}, 27, 8),
        ({"match": "epochs"}, 10, 8),
        ({"match": "epochs", "n": 2}, 2, 3),
    ],
)
def test_what_is_held_equal_decides_how_much_is_trained(knobs, examples, updates):
    run = flow(**{"skill": "sort", "d": 5, "n": 10} | knobs)  # answers of level 8, 14 and 2 have 8, 14 and 3
    assert len(run.fit.data) == examples and len(run.fit.batches) == updates
    assert (run.rows["examples"] == examples).all() and (run.rows["updates"] == updates).all()


def test_rows_count_the_tokens_and_the_way_from_the_base():
    run = flow(skill="sort", d=5, n=10)
    answers = [len(e.partition("<sep>")[2].split()) for e in run.fit.data]
    assert set(answers) == {4, 5, 6}
    assert (run.rows["tokens_distinct"] == sum(answers)).all()
    assert (run.rows["tokens_seen"] == sum(answers[i] for batch in run.fit.batches for i in batch)).all()
    way = float((run.fit.after - run.fit.before).square().sum())
    assert run.rows["distance2"].iloc[0] == pytest.approx(way, rel=1e-5) and run.rows["distance2"].nunique() == 1


# ---- the posterior of Prop. 4.1 ----------------------------------------------------------------------


def test_the_posterior_is_sampled_around_the_tuned_model_on_its_sample_and_on_few_test_examples():
    seen, tuned = [], {}
    spec = DifficultySpec(skill="sort", d=5, n=10, draws=2, shown=8, **SMALL)
    words = word_level(spec.corpus.words)

    def fit(model, data, batches, lr, **options):
        with torch.no_grad():
            for p in model.parameters():
                p.add_(1.0)
        tuned.update(weights=weights(model), model=model)
        return 0

    def example_loss(model, data):
        seen.append((texts(data, words), weights(model) - tuned["weights"]))
        return torch.tensor([100.0, 0.5])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(difficulty, "base_model", lambda _, corpus, seed: base(corpus))
        patch.setattr(difficulty, "fit", fit)
        patch.setattr(difficulty, "example_loss", example_loss)
        difficulty._start.cache_clear()
        rows, _ = difficulty.execute(spec, {})
        difficulty._start.cache_clear()
    parts = {"train": texts(spec.world.sample(5, 8, 3))}
    parts |= {str(d): texts(test)[:20] for d, test in spec.world.slices(3, 25).items()}
    assert [data for data, _ in seen] == [*parts.values()] * 2 * len(SIGMAS)
    spread = [float(d.std()) for _, d in seen]
    assert spread == pytest.approx(np.repeat(SIGMAS, 2 * len(parts)), rel=0.1)
    assert all(abs(float(d.mean())) < 0.1 * s for (_, d), s in zip(seen, spread))
    assert not torch.equal(seen[0][1], seen[len(parts)][1])  # each draw is its own
    assert torch.equal(weights(tuned["model"]), tuned["weights"])  # the model is left as it was
    risks = rows[rows["who"] == "posterior"]
    assert sorted(risks["sigma"].unique()) == sorted(SIGMAS) and set(risks["slice"]) == set(parts)
    assert risks["nll"].to_numpy() == pytest.approx((CLIP + 0.5) / 2)  # the loss of 100 is clipped
    p = weights(base(spec.corpus)).numel()
    assert rows["distance2"].iloc[0] == pytest.approx(p, rel=1e-4)  # of the tuned model, not of a draw


def test_the_clip_is_the_loss_of_a_uniform_guess():
    assert CLIP == difficulty.clip(DifficultySpec().world) == log(len(symbols.TOKENS))
    assert difficulty.clip(DifficultySpec(skill="op", d=3).world) == log(len(op.TOKENS))


def test_the_base_itself_is_never_trained():
    run = flow(skill="sort", d=5, n=10)
    assert run.fit.model == mark(base(run.spec.corpus)) == run.kept != run.fit.left
    assert [e.model for e in run.calls.of("score")][:8] == [run.fit.model] * 8
