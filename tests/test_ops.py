"""OpWorld and its runs: the solver, the split, greedy decoding and the checks, each against another way."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lhas_utils import difficulty, difficulty_claims, models, op_world, ops, training
from lhas_utils.config import ModelSpec
from lhas_utils.ops import OpSpec

TINY = OpSpec(seed=1000, op=3, n=4, steps=2, base_steps=2, test_size=3)
BY_HAND = "solve n0 3 n1 0 n2 4 n3 n0 - n2 ; n4 n3 * 2 ? n5 n1 + n2 ; n6 n1 + 1 ; n7 n5 + n6 ; n8 n7 + 0 ;"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(models.paths, "MODELS", tmp_path_factory.getbasetemp() / "models")


@pytest.fixture(scope="module")
def model():
    """A model that has learned little: it writes something, and not always the same."""
    words = op_world.tokenizer()
    net = models.create(ModelSpec(hidden=16), words, 1000, op_world.POSITIONS)
    data = models.encode(op_world.mid_training("strong", 1000, 128), words)
    training.fit(net, data, 60, 16, 4e-3, np.random.default_rng(0))
    return net


@pytest.fixture(scope="module")
def problems():
    return models.encode(op_world.sample(3, 5, 1000), op_world.tokenizer())


@given(st.sampled_from((1, *op_world.LEVELS)), st.integers(0, 2**20))
@settings(max_examples=60, deadline=None)
def test_solver_checks_every_sample_and_the_graph_has_the_stated_edges(op, seed):
    for row in op_world.sample(op, 4, seed):
        assert op_world.verify(row) and row["level"] == op
        steps, needed = row["response"].split(), op_world.needed(row["prompt"])
        assert len(steps) == op * op_world.STEP and int(steps[-2]) == op_world.answer(row["prompt"])
        assert len(needed) == op and len(row["prompt"].split()) + 2 == op_world.PROMPT
        operands = [{w for w in (a, b) if w in op_world.NAMES} for a, _, b in needed.values()]
        assert sum(map(len, operands)) == op_world.edges(op) == (4 * op) // 3 + 1
        assert all(operands), "every operation reads a node"
        for i in (2, 5, 6):
            wrong = list(steps)
            wrong[-8 + i] = str((int(wrong[-8 + i]) + 1) % op_world.MODULUS)
            assert not op_world.verify(row | {"response": " ".join(wrong)})


@given(st.integers(0, 2**20))
@settings(max_examples=15, deadline=None)
def test_traces_are_verified_and_come_at_every_level(seed):
    rows = [r for r in op_world.mid_training("weak", seed, 160) if r["prompt"].startswith("trace")]
    assert all(map(op_world.verify, rows)) and max(r["level"] for r in rows) == op_world.OPS
    for steps in (r["response"].split() for r in rows):
        assert steps[2 :: op_world.STEP] == steps[6 :: op_world.STEP], "a node has the value of its left operand"


def test_mid_training_solves_only_the_levels_a_base_has_seen():
    for kind, most in op_world.SEEN.items():
        rows = op_world.mid_training(kind, 1000, 200)
        assert max(r["level"] for r in rows if r["prompt"].startswith("solve")) == most


def test_solver_by_hand():
    assert op_world.answer(BY_HAND) == 3  # (3 - 4) * 2 = 4 * 2 modulo 5
    assert op_world.needed(BY_HAND) == {"n3": ["n0", "-", "n2"], "n4": ["n3", "*", "2"]}
    right = "n3 n0 3 - n2 4 4 ; n4 n3 4 * 2 2 3 ?"
    assert op_world.verify({"prompt": BY_HAND, "response": right})
    assert not op_world.verify({"prompt": BY_HAND, "response": right + " n5 n1 0 + n2 4 4 ;"})
    assert [op_world.edges(op) for op in range(1, 8)] == [2, 3, 5, 6, 7, 9, 10]


def core(prompt: str) -> str:
    """Return the needed part of a problem with nodes renamed in order of use, from the text alone."""
    words, names = prompt.split(), {}
    values = dict(zip(words[1 : 1 + 2 * op_world.GIVENS : 2], words[2 : 2 + 2 * op_world.GIVENS : 2]))
    out = []
    for v, (a, sign, b) in op_world.needed(prompt).items():
        for w in (a, b, v):
            names.setdefault(w, w if w.isdigit() else f"v{len(names)}={values.get(w)}")
        out.append((names[v], names[a], sign, names[b]))
    return str(out)


def test_train_and_test_share_no_problem_even_up_to_names_and_distractors():
    train = {core(p) for op in op_world.LEVELS for p in op_world.sample(op, 400, 1000)["prompt"]}
    train |= {core(p) for p in op_world.mid_training("strong", 1000, 1200)["prompt"]}
    test = {core(p) for data in op_world.slices(1000, 300).values() for p in data["prompt"]}
    assert not train & test
    same = {core(p) for seed in (1000, 1001) for p in op_world.sample(2, 4000, seed)["prompt"]}
    assert len(same) < 8000, "the comparison can see repetitions"


def test_no_answer_is_much_likelier_than_another():
    """So a guess scores 1 / modulus: operands are bijections of the result."""
    rows = op_world.sample(3, 1400, 1000)
    counts = Counter(op_world.answer(p) for p in rows["prompt"])
    assert len(counts) == op_world.MODULUS and max(counts.values()) < 1.35 * 1400 / op_world.MODULUS


def test_samples_nest_and_honour_the_seed():
    small, large = (op_world.sample(4, n, 1000)["prompt"] for n in (4, 9))
    assert list(small) == list(large)[:4]
    assert list(small) != list(op_world.sample(4, 4, 1001)["prompt"])


def test_every_word_is_in_the_vocabulary(problems):
    assert (problems.input_ids[:, : op_world.PROMPT] != op_world.tokenizer().pad_token_id).all()


def plain(model, prompt: torch.Tensor, new_tokens: int) -> list[int]:
    """Decode one prompt, one token at a time, each from the whole text so far."""
    ids, eos = prompt.tolist(), model.config.eos_token_id
    for _ in range(new_tokens):
        with torch.no_grad():
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] == eos:
            break
    return ids[len(prompt) :]


def test_decoding_agrees_with_one_token_at_a_time(model, problems):
    prompts = problems.input_ids[:, : op_world.PROMPT]
    together = ops.decode(model, prompts, 30)
    texts = set()
    for row, prompt in zip(together.tolist(), prompts):
        alone = plain(model, prompt, 30)
        assert row[: len(alone)] == alone
        assert set(row[len(alone) :]) <= {model.config.pad_token_id}
        texts.add(tuple(alone))
    assert len(texts) > 1, "the model must depend on its prompt"


def test_final_answers_by_hand():
    eos, pad = 3, 0
    new = torch.tensor([[9, 8, 7, eos, pad], [9, 8, 7, 6, 5], [8, eos, pad, pad, pad], [eos, 9, 9, 9, eos]])
    assert ops.final_answers(new, eos).tolist() == [8, -1, -1, -1]


def test_exact_counts_a_right_answer_after_a_wrong_step(monkeypatch, model, problems):
    right = problems.input_ids[:, op_world.PROMPT :].clone()
    monkeypatch.setattr(ops, "decode", lambda *a: right)
    assert ops.exact(model, problems) == 1
    zero = ops.VALUES.start
    right[:, 2] = (right[:, 2] == zero).long() + zero  # a wrong value in the first step of all
    assert ops.exact(model, problems) == 1
    right[:3, 3 * op_world.STEP - 2] = 0
    assert ops.exact(model, problems) == pytest.approx(2 / 5)


def test_value_loss_weighs_values_by_hand(model, problems):
    nll = training.token_nll(model, problems).detach()
    for row, (losses, target) in enumerate(zip(nll, problems.labels[:, 1:])):
        weights = [0 if t == models.IGNORE else ops.VALUE_WEIGHT if op_world.TOKENS[t].isdigit() else 1 for t in target.tolist()]
        expected = np.average(losses.numpy(), weights=weights)
        assert ops.value_loss(model, problems)[row].item() == pytest.approx(expected, rel=1e-5)


def test_execute_is_tidy_and_repeatable(tidy_rows):
    rows = tidy_rows(ops.execute, TINY)
    for who in ("base", "tuned"):
        assert list(rows.loc[rows["who"] == who, "slice"]) == [*map(str, op_world.LEVELS), "train"]
    assert rows["exact"].between(0, 1).all()
    base, tuned = (rows[rows["who"] == w]["nll"].to_numpy() for w in ("base", "tuned"))
    assert not np.allclose(base, tuned)


def test_base_is_shared_and_left_untouched():
    base, *_ = ops._start(TINY.model, 1000, 3)
    before = models.weights(base).clone()
    ops.execute(replace(TINY, op=6))
    assert torch.equal(before, models.weights(base))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"base": "huge"}, "base: expected one of weak, strong; got 'huge'"),
        ({"op": 9}, "op: expected one of 2, 3"),
        ({"n": 0}, "n: expected an integer"),
        ({"lr": 0.0}, "lr: expected a number"),
    ],
)
def test_errors_name_expected_and_received(change, message):
    with pytest.raises(ValueError, match=message):
        replace(OpSpec(), **change)


def made_up(gain, bases=("weak",)) -> pd.DataFrame:
    """Return one row per run of the published plan with `gain(seed, op, n)`."""
    _, levels, sizes = difficulty.OP_PLANS["full"]
    cells = [(s, op, n) for s in range(1000, 1003) for op in levels for n in sizes]
    return pd.DataFrame([{"base": b, "seed": s, "op": op, "n": n, "gain": gain(s, op, n)} for b in bases for s, op, n in cells])


def test_checks_find_a_planted_optimum_and_its_shift(monkeypatch):
    _, (easiest, first, last, hardest), (small, *_, large) = difficulty.OP_PLANS["full"]
    planted = made_up(lambda seed, op, n: -((op - (first if n == small else last)) ** 2))
    monkeypatch.setattr(difficulty, "op_runs", lambda profile: planted)
    found = {e["name"]: e for e in difficulty_claims.op_interior_optimum("full")}
    assert len(found) == 2 and all(e["n_seeds"] == 3 for e in found.values())
    assert found["weak base, best - hardest"]["effect"] == pytest.approx((last - hardest) ** 2)
    assert found["weak base, best - easiest"]["effect"] == pytest.approx((last - easiest) ** 2)
    (move,) = difficulty_claims.op_optimum_moves_with_n("full")
    assert move["effect"] == pytest.approx(last - first) and set(move) == {"name", "effect", "low", "high", "n_seeds"}


def test_check_finds_a_planted_shift_with_the_base(monkeypatch):
    _, (_, first, last, _), _ = difficulty.OP_PLANS["full"]
    parts = [made_up(lambda seed, op, n: -((op - top) ** 2), (base,)) for base, top in (("strong", last), ("weak", first))]
    monkeypatch.setattr(difficulty, "op_runs", lambda profile: pd.concat(parts))
    (move,) = difficulty_claims.op_optimum_moves_with_base("full")
    assert move["effect"] == pytest.approx(last - first) and move["n_seeds"] == 3


def test_gains_are_means_over_levels_without_the_training_set(monkeypatch):
    rows = [{"who": who, "slice": s, "exact": e} for who, at in (("base", 0.2), ("tuned", 0.5)) for s, e in (("2", at), ("3", at + 0.1), ("train", 9.0))]
    difficulty.op_runs.cache_clear()
    monkeypatch.setattr(difficulty.sweep, "results", lambda specs: pd.DataFrame(rows).assign(base="weak", seed=0, op=3, n=8))
    (run,) = difficulty.op_runs("smoke").to_dict("records")
    difficulty.op_runs.cache_clear()
    assert (run["before"], run["after"], run["gain"]) == pytest.approx((0.25, 0.55, 0.3))


def test_checks_are_empty_without_runs():
    assert difficulty.opworld("fast") == []
    assert difficulty_claims.op_interior_optimum("fast") == []
    assert difficulty_claims.op_optimum_moves_with_n("fast") == [] == difficulty_claims.op_optimum_moves_with_base("fast")


def test_plan_of_the_published_run():
    specs = difficulty.opworld("full")
    assert len(specs) == len(set(specs)) == 120 and {s.seed for s in specs} == set(range(5))
    chosen = difficulty.develop_opworld("full")
    assert {s.seed for s in chosen} == {1000} and specs[0].lr in {s.lr for s in chosen}
    assert {s.base for s in difficulty.opworld("smoke")} == {"weak", "strong"}
