import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lhas_utils import depth, depth_world, models
from lhas_utils.depth import DepthSpec

TINY = DepthSpec(d=4, n=8, steps=2, base_steps=2, draws=1, test_size=4, seed=1000)
LEVELS = [(skill, d) for skill, s in depth_world.SKILLS.items() for d in s.levels]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(models.paths, "MODELS", tmp_path_factory.getbasetemp() / "models")


@given(st.sampled_from(LEVELS), st.integers(0, 2**20))
@settings(max_examples=40, deadline=None)
def test_solver_checks_every_sample(level, seed):
    skill, d = level
    for row in depth_world.sample(skill, d, 5, seed):
        assert depth_world.verify(skill, row) and row["level"] == d
        assert len(row["response"].split()) + 1 == depth_world.answer_tokens(skill, d)
        wrong = row["response"].split()
        wrong[-1] = f"a{(int(wrong[-1][1:]) + 1) % 10}"
        assert not depth_world.verify(skill, row | {"response": " ".join(wrong)})


@given(st.sampled_from(sorted(depth_world.SKILLS)), st.integers(0, 2**20))
@settings(max_examples=15, deadline=None)
def test_train_and_test_share_no_prompt(skill, seed):
    train = {
        p for d in (0, *depth_world.SKILLS[skill].levels) for p in depth_world.sample(skill, d, 20, seed)["prompt"]
    }
    train |= set(depth_world.mid_training(skill, "strong", seed, 60)["prompt"])
    test = {p for data in depth_world.slices(skill, seed, 10).values() for p in data["prompt"]}
    assert not train & test


def test_answers_by_hand():
    assert depth_world.answer("cumsum", (4, 4, 4)) == "a4 a8 a2"
    assert (
        depth_world.answer("program swap double rotate", (1, 2, 7)) == "rotate a2 a7 a1 double a4 a4 a2 swap a4 a4 a2"
    )
    assert depth_world.answer_tokens("program", 3) == 1 + 3 * 4


def test_other_skills_come_at_lengths_no_skill_was_seen_at():
    for skill, shape in depth_world.SKILLS.items():
        rows = depth_world.mid_training(skill, "weak", 1000, 600)
        own = [r["level"] for r in rows if depth_world.verify(skill, r) and r["level"] <= shape.seen["weak"]]
        others = [r["level"] for r in rows if r["prompt"].split()[0] in depth_world.OTHERS and r["level"] > shape.seen["weak"]]
        longest = max(len(r["response"].split()) for data in depth_world.slices(skill, 1000, 2).values() for r in data)
        assert set(own) >= set(range(1, shape.seen["weak"] + 1))
        assert max(others) == shape.longest
        assert 2 * shape.longest >= longest  # prompt and response of the others span the hardest response
        assert all(r["level"] <= shape.seen["weak"] for r in rows if r["prompt"].split()[0] in ("sort", "cumsum"))


def test_samples_nest_and_honour_the_seed():
    small, large = (depth_world.sample("sort", 5, n, 1000)["prompt"] for n in (4, 9))
    assert list(small) == list(large)[:4]
    assert list(small) != list(depth_world.sample("sort", 5, 4, 1001)["prompt"])


def test_trimming_removes_one_end():
    data = depth_world.sample("sort", 0, 100, 1000)
    levels = np.sort(data["level"])
    assert np.array_equal(np.sort(depth_world.trimmed(data, "easiest")["level"]), levels[10:])
    assert np.array_equal(np.sort(depth_world.trimmed(data, "hardest")["level"]), levels[:-10])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"skill": "chess"}, "skill: expected one of sort, cumsum, program; got 'chess'"),
        ({"d": 9}, "d: expected one of 0, 2"),
        ({"base": "huge"}, "base: expected one of weak, strong"),
        ({"trim": "hardest"}, "d: expected 0"),
        ({"d": 0, "match": "tokens"}, "d: expected one level"),
        ({"n": 0}, "n: expected an integer"),
    ],
)
def test_errors_name_expected_and_received(change, message):
    with pytest.raises(ValueError, match=message):
        replace(DepthSpec(), **change)


def test_amounts_by_hand():
    assert DepthSpec(d=8, n=90, steps=120).amount() == (90, 120)
    assert DepthSpec(d=8, n=90, steps=120, match="tokens").amount() == (60, 80)  # 9 answer tokens against 6
    assert DepthSpec(d=2, n=90, steps=120, match="tokens").amount() == (180, 240)
    assert DepthSpec(n=160, match="epochs").amount() == (160, 15)
    assert DepthSpec(n=8, match="epochs").amount() == (8, 3)


def test_token_match_holds_tokens():
    seen = {
        d: n * steps for d in (2, 5, 8) for n, steps in [DepthSpec(d=d, n=1200, steps=120, match="tokens").amount()]
    }
    assert {d: round(DepthSpec(d=d, n=1200, match="tokens").amount()[0] * (d + 1), -1) for d in seen} == {
        2: 7200,
        5: 7200,
        8: 7200,
    }


def test_batches_by_length_hold_similar_lengths_and_cover_the_data():
    data = models.encode(depth_world.mid_training("sort", "weak", 1000, 256), models.symbol_tokenizer())
    batches = depth.by_length(np.random.default_rng(0), data, 4)
    assert sorted(np.concatenate(batches)) == list(range(256))
    used = (data.labels != models.IGNORE).cumsum(1).argmax(1).numpy()
    spans = sorted((used[b].min(), used[b].max()) for b in batches)
    assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:]))


def test_dft_gradient_is_the_sft_gradient_times_p():
    logits = torch.tensor([[0.0, 1.0, 2.0]], requires_grad=True)
    sft = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, torch.tensor([1])), logits)[0]
    model = models.create(depth.ModelSpec(hidden=16), models.symbol_tokenizer(), 0)
    batch = models.encode(depth_world.sample("sort", 2, 1, 1000), models.symbol_tokenizer())
    nll = depth.token_nll(model, batch)
    p = torch.softmax(logits, 1)[0, 1].item()
    dft = torch.exp(-torch.nn.functional.cross_entropy(logits, torch.tensor([1])).detach())
    assert torch.allclose(dft * sft, p * sft)
    expected = (torch.exp(-nll) * nll).sum() / batch.tokens()
    assert depth.dft_loss(model, batch).item() == pytest.approx(expected.item())
    parameter = next(model.parameters())
    a = torch.autograd.grad(depth.dft_loss(model, batch).sum(), parameter)[0]
    nll = depth.token_nll(model, batch)
    b = torch.autograd.grad((nll * torch.exp(-nll).detach()).sum() / batch.tokens()[0], parameter)[0]
    assert torch.allclose(a, b)


def test_execute_is_tidy_and_repeatable(tidy_rows):
    rows = tidy_rows(depth.execute, TINY)
    assert set(rows["who"]) == {"base", "tuned", "posterior"}
    levels = [str(d) for d in depth_world.SKILLS["sort"].levels]
    for who in ("base", "tuned"):
        assert list(rows.loc[rows["who"] == who, "slice"]) == [*levels, "train"]
    assert len(rows[rows["who"] == "posterior"]) == len(depth.SIGMAS) * (len(levels) + 1)
    assert (
        (rows["tokens_distinct"] == 8 * 5).all()
        and (rows["tokens_seen"] == 2 * 8 * 5).all()
        and (rows["distance2"] > 0).all()
    )
    base, tuned = (rows[rows["who"] == w]["nll"].to_numpy() for w in ("base", "tuned"))
    assert not np.allclose(base, tuned)
    assert rows.loc[rows["who"] == "posterior", "nll"].between(0, depth.CLIP).all()
    json.dumps(rows.iloc[0].to_dict(), default=float)


def test_base_is_shared_and_left_untouched():
    model, *_ = depth._start(TINY.model, 1000, 4)
    before = models.weights(model).clone()
    depth.execute(replace(TINY, loss="dft", draws=0))
    assert torch.equal(before, models.weights(model))
