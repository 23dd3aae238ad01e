"""OpWorld: the solver, the graph and the split, each against another way."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from lhas_utils.learning import encode, word_level
from lhas_utils.worlds import OpWorld
from lhas_utils.worlds.op import (
    GIVENS,
    LEVELS,
    MODULUS,
    NAMES,
    OPS,
    POSITIONS,
    PROMPT,
    SEEN,
    STEP,
    TOKENS,
    answer,
    edges,
    needed,
    verify,
)

WORLD = OpWorld()
BY_HAND = "solve n0 3 n1 0 n2 4 n3 n0 - n2 ; n4 n3 * 2 ? n5 n1 + n2 ; n6 n1 + 1 ; n7 n5 + n6 ; n8 n7 + 0 ;"


@given(st.sampled_from((1, *LEVELS)), st.integers(0, 2**20))
@settings(max_examples=60, deadline=None)
def test_solver_checks_every_sample_and_the_graph_has_the_stated_edges(op, seed):
    for row in WORLD.sample(op, 4, seed):
        assert verify(row) and row["level"] == op
        steps, used = row["response"].split(), needed(row["prompt"])
        assert len(steps) == op * STEP == WORLD.answer_tokens(op) - 1 and int(steps[-2]) == answer(row["prompt"])
        assert len(used) == op and len(row["prompt"].split()) + 2 == PROMPT
        operands = [{w for w in (a, b) if w in NAMES} for a, _, b in used.values()]
        assert sum(map(len, operands)) == edges(op) == (4 * op) // 3 + 1
        assert all(operands), "every operation reads a node"
        for i in (2, 5, 6):
            wrong = list(steps)
            wrong[-8 + i] = str((int(wrong[-8 + i]) + 1) % MODULUS)
            assert not verify(row | {"response": " ".join(wrong)})


@given(st.integers(0, 2**20))
@settings(max_examples=15, deadline=None)
def test_traces_are_verified_and_come_at_every_level(seed):
    rows = [r for r in WORLD.corpus("weak").rows(seed, 160) if r["prompt"].startswith("trace")]
    assert all(map(verify, rows)) and max(r["level"] for r in rows) == OPS
    for steps in (r["response"].split() for r in rows):
        assert steps[2::STEP] == steps[6::STEP], "a node has the value of its left operand"


def test_mid_training_solves_only_the_levels_a_base_has_seen():
    for kind, most in SEEN.items():
        rows = WORLD.corpus(kind).rows(1000, 200)
        assert max(r["level"] for r in rows if r["prompt"].startswith("solve")) == most


def test_solver_by_hand():
    assert answer(BY_HAND) == 3  # (3 - 4) * 2 = 4 * 2 modulo 5
    assert needed(BY_HAND) == {"n3": ["n0", "-", "n2"], "n4": ["n3", "*", "2"]}
    right = "n3 n0 3 - n2 4 4 ; n4 n3 4 * 2 2 3 ?"
    assert verify({"prompt": BY_HAND, "response": right})
    assert not verify({"prompt": BY_HAND, "response": right + " n5 n1 0 + n2 4 4 ;"})
    assert [edges(op) for op in range(1, 8)] == [2, 3, 5, 6, 7, 9, 10]


def core(prompt: str) -> str:
    """Return the needed part of a problem with nodes renamed in order of use, from the text alone."""
    words, names = prompt.split(), {}
    values = dict(zip(words[1 : 1 + 2 * GIVENS : 2], words[2 : 2 + 2 * GIVENS : 2]))
    out = []
    for v, (a, sign, b) in needed(prompt).items():
        for w in (a, b, v):
            names.setdefault(w, w if w.isdigit() else f"v{len(names)}={values.get(w)}")
        out.append((names[v], names[a], sign, names[b]))
    return str(out)


def test_train_and_test_share_no_problem_even_up_to_names_and_distractors():
    train = {core(p) for op in LEVELS for p in WORLD.sample(op, 400, 1000)["prompt"]}
    train |= {core(p) for p in WORLD.corpus("strong").rows(1000, 1200)["prompt"]}
    test = {core(p) for data in WORLD.slices(1000, 300).values() for p in data["prompt"]}
    assert not train & test
    same = {core(p) for seed in (1000, 1001) for p in WORLD.sample(2, 4000, seed)["prompt"]}
    assert len(same) < 8000, "the comparison can see repetitions"


def test_no_answer_is_much_likelier_than_another():
    """So a guess scores 1 / modulus: operands are bijections of the result."""
    rows = WORLD.sample(3, 1400, 1000)
    counts = Counter(answer(p) for p in rows["prompt"])
    assert len(counts) == MODULUS and max(counts.values()) < 1.35 * 1400 / MODULUS


def test_samples_nest_and_honour_the_seed():
    small, large = (WORLD.sample(4, n, 1000)["prompt"] for n in (4, 9))
    assert list(small) == list(large)[:4]
    assert list(small) != list(WORLD.sample(4, 4, 1001)["prompt"])


def test_every_word_is_in_the_vocabulary_and_every_problem_has_room():
    words = word_level(TOKENS)
    problems = encode(WORLD.sample(max(LEVELS), 5, 1000), words)
    assert (problems.input_ids[:, :PROMPT] != words.pad_token_id).all()
    assert problems.input_ids.shape[1] <= POSITIONS == WORLD.corpus("weak").positions
    assert words.unk_token_id is None or words.unk_token_id == words.pad_token_id
    for row in WORLD.corpus("strong").rows(0, 50):
        assert set(f"{row['prompt']} {row['response']}".split()) <= set(TOKENS)
