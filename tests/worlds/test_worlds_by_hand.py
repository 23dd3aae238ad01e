"""What the worlds promise of every example, checked from its text: answers, sides of the split, shares, levels."""

from collections import Counter
from zlib import crc32

import numpy as np
import pytest

from lhas_utils.worlds import LEVEL_WORLDS, SEQUENCES, WorldSpec, op


def parsed(row: dict) -> tuple[str, str, tuple[int, ...]]:
    """Return (task, letter, symbols) of a SkillWorld prompt."""
    words = row["prompt"].split()
    symbols = [w for w in words if w[1:].isdigit()]
    assert words == row["task"].split() + symbols and len({w[0] for w in symbols}) == 1
    return row["task"], symbols[0][0], tuple(int(w[1:]) for w in symbols)


def answer(task: str, letter: str, x: tuple[int, ...]) -> str:
    """Return the right response, by another way than the package's."""
    rules = {
        "copy": lambda s: s,
        "rotate": lambda s: np.roll(s, -1),
        "reverse": np.flip,
        "swap": lambda s: np.array([s[i + 1 if i % 2 == 0 and i + 1 < len(s) else i - i % 2] for i in range(len(s))]),
        "increment": lambda s: (s + 1) % 10,
        "decrement": lambda s: (s - 1) % 10,
        "double": lambda s: s * 2 % 10,
        "cumsum": lambda s: np.cumsum(s) % 10,
        "sort": np.sort,
        "sort_down": lambda s: -np.sort(-s),
        "running_max": np.maximum.accumulate,
    }
    first, *rest = task.lower().split()
    if first == "guard":
        return "<refuse>" if {8, 9} & set(x) else answer(" ".join(rest), letter, x)
    state = np.array(x)
    for name in [first, *rest][::-1]:  # f g is f(g(x))
        state = rules[name](state)
    return " ".join(f"{letter}{v}" for v in state)


def side(task: str, letter: str, x: tuple[int, ...]) -> str:
    bucket = crc32(f"{task.lower()}|{letter}|{x}".encode()) % 10
    return "validation" if bucket == 8 else "test" if bucket == 9 else "pool"


# ---- SkillWorld --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_every_example_of_every_set_is_right_and_on_its_side_of_the_split(sequence):
    spec = WorldSpec(sequence=sequence, pool_size=80, test_size=30, noise=0.2)
    world = spec.build(0)
    sets = [(s.pool, "pool") for s in world.stages] + [(s.validation, "validation") for s in world.stages]
    sets += [(world.proxy, "validation"), (spec.corpus.rows(0, 100), "pool")]
    sets += [(d, "test") for d in (*world.tests.values(), *world.ood.values())]
    for data, which in sets:
        for row in data:
            told = parsed(row)
            assert side(*told) == which, row
            assert (row["response"] == answer(*told)) == row["clean"], row


def test_label_noise_is_always_wrong_and_has_the_length_of_the_answer():
    pool = WorldSpec(pool_size=1500, noise=1.0, duplicates=0.0).build(0).stages[0].pool
    assert not any(pool["clean"])
    for row in pool:
        right = answer(*parsed(row))
        assert row["response"] != right and len(row["response"].split()) == len(right.split())


def test_the_shares_of_a_pool_are_those_of_the_knobs():
    spec = WorldSpec(pool_size=1500, noise=0.2, duplicates=0.0, earlier=0.3, precursors=0.2)
    world = spec.build(0)
    names = [s.name for s in world.stages]
    for t, stage in enumerate(world.stages):
        rows = list(stage.pool)
        assert sum(not r["clean"] for r in rows) == 300
        share = Counter(r["kind"] for r in rows)
        assert share["earlier"] / 1500 == pytest.approx(0.3 if t else 0, abs=0.05)
        assert share["precursor"] / 1500 == pytest.approx(0.2 if t < 4 else 0, abs=0.05)
        assert {r["skill"] for r in rows if r["kind"] == "earlier"} == set(names[:t])
        assert {r["skill"] for r in rows if r["kind"] == "precursor"} == set(names[t + 1 :])
        assert {r["skill"] for r in rows if r["kind"] == "own"} == {stage.name}
        assert {r["difficulty"] for r in rows if r["kind"] == "precursor"} <= {0.25}


def test_alignment_mixes_the_stages_and_takes_the_other_shares_away():
    world = WorldSpec(pool_size=1500, duplicates=0.0, alignment=0.6).build(0)
    for t, stage in enumerate(world.stages):
        assert sorted(stage.weights.values()) == pytest.approx([0.12] * 4 + [0.52])
        assert max(stage.weights, key=stage.weights.get) == stage.name
        share = Counter(stage.pool["kind"])
        assert share["earlier"] / 1500 == pytest.approx(0.4 * 0.3 if t else 0, abs=0.035)
        assert share["precursor"] / 1500 == pytest.approx(0.4 * 0.2 if t < 4 else 0, abs=0.035)
        own = Counter(r["skill"] for r in stage.pool if r["kind"] == "own")
        assert own[stage.name] / sum(own.values()) == pytest.approx(0.52, abs=0.05) and len(own) == 5


def test_the_judge_sees_noise_partly_and_likes_what_is_easy():
    rows = [r for s in WorldSpec(pool_size=1500, noise=0.4, duplicates=0.0).build(0).stages for r in s.pool]
    logit = np.log([r["quality"] / (1 - r["quality"]) for r in rows])
    x = np.array([[1.0, r["clean"], r["difficulty"]] for r in rows])
    assert np.linalg.lstsq(x, logit, rcond=None)[0] == pytest.approx([0.5, 1.0, -2.0], abs=0.15)


# ---- DepthWorld --------------------------------------------------------------------------------------


@pytest.mark.parametrize("skill", ["sort", "cumsum"])
def test_a_mixed_sample_and_a_bases_corpus_are_uniform_over_their_levels(skill):
    world = LEVEL_WORLDS[skill]
    share = Counter(world.sample(0, 1200, 0)["level"])
    assert set(share) == set(world.levels)
    assert max(abs(v / 1200 - 1 / len(share)) for v in share.values()) < 0.04
    assert [len(r.split()) + 1 for r in world.slices(0, 1)[world.levels[2]]["response"]] == [
        world.answer_tokens(world.levels[2])
    ]


# ---- OpWorld -----------------------------------------------------------------------------------------


def canonical(prompt: str) -> str:
    """Return a problem as what its question needs, the givens renamed by first use and with their values."""
    words = prompt.split()
    value = dict(zip(words[1:7:2], words[2:7:2]))
    names: dict[str, str] = {}

    def seen(word):
        return names.setdefault(word, f"g{len(names)}={value[word]}") if word in value else word

    operations = [[seen(w) for w in (left, right)] + [sign] for left, sign, right in op.needed(prompt).values()]
    return f"{operations}"


def test_problems_are_split_by_what_the_question_needs():
    world = LEVEL_WORLDS["op"]
    tests = {canonical(p) for p in world.slices(0, 200)[2]["prompt"]}
    samples = {canonical(p) for p in world.sample(2, 1200, 0)["prompt"]}
    corpora = {canonical(p) for k in ("weak", "strong") for p in world.corpus(k).rows(0, 800)["prompt"]}
    again = {canonical(p) for p in world.sample(2, 1200, 1)["prompt"]}
    assert not tests & samples and not tests & corpora
    assert len(samples & again) > 50 and len(samples & corpora) > 10  # problems do come twice, on their own side


def test_every_operation_and_both_tasks_are_right_by_hand():
    prompt = "n0 3 n1 1 n2 4 n3 n0 - n2 ; n4 n3 * 2 ; n5 n4 + n1 ? n6 n1 + n2 ; n7 n2 + n3 ; n8 n0 + n1 ;"
    solve = "n3 n0 3 - n2 4 4 ; n4 n3 4 * 2 2 3 ; n5 n4 3 + n1 1 4 ?"  # 3 - 4 = 4, 4 * 2 = 3, 3 + 1 = 4 modulo 5
    trace = "n3 n0 3 - n2 4 3 ; n4 n3 3 * 2 2 3 ; n5 n4 3 + n1 1 3 ?"  # the left operand, as it is
    assert op.verify({"prompt": f"solve {prompt}", "response": solve})
    assert op.verify({"prompt": f"trace {prompt}", "response": trace})
    rows = [r for k in ("weak", "strong") for r in LEVEL_WORLDS["op"].corpus(k).rows(0, 150)]
    rows += [r for d in (2, 4, 6) for r in LEVEL_WORLDS["op"].sample(d, 40, 0)]
    assert all(op.verify(r) for r in rows)
    assert [op.edges(d) for d in (1, 2, 3, 4, 6)] == [2, 3, 5, 6, 9]
    for row in LEVEL_WORLDS["op"].sample(4, 40, 0):
        operands = [w for left, _, right in op.needed(row["prompt"]).values() for w in (left, right)]
        assert sum(w.startswith("n") for w in operands) == 6
