"""DepthWorld: the exact check of every sample, the split, and what the bases have seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lhas_utils.worlds import LEVEL_WORLDS, DepthWorld, trimmed
from lhas_utils.worlds.depth import KNOBS, OTHERS, answer, verify

LEVELS = [(skill, d) for skill, knob in KNOBS.items() for d in knob.levels]


@given(st.sampled_from(LEVELS), st.integers(0, 2**20))
@settings(max_examples=40, deadline=None)
def test_solver_checks_every_sample(level, seed):
    skill, d = level
    for row in DepthWorld(skill).sample(d, 5, seed):
        assert verify(skill, row) and row["level"] == d
        assert len(row["response"].split()) + 1 == DepthWorld(skill).answer_tokens(d)
        wrong = row["response"].split()
        wrong[-1] = f"a{(int(wrong[-1][1:]) + 1) % 10}"
        assert not verify(skill, row | {"response": " ".join(wrong)})


@given(st.sampled_from(sorted(KNOBS)), st.integers(0, 2**20))
@settings(max_examples=15, deadline=None)
def test_train_and_test_share_no_prompt(skill, seed):
    world = DepthWorld(skill)
    train = {p for d in (0, *world.levels) for p in world.sample(d, 20, seed)["prompt"]}
    train |= set(world.corpus("strong").rows(seed, 60)["prompt"])
    test = {p for data in world.slices(seed, 10).values() for p in data["prompt"]}
    assert not train & test


def test_answers_by_hand():
    assert answer("cumsum", (4, 4, 4)) == "a4 a8 a2"
    assert answer("program swap double rotate", (1, 2, 7)) == "rotate a2 a7 a1 double a4 a4 a2 swap a4 a4 a2"
    assert DepthWorld("program").answer_tokens(3) == 1 + 3 * 4


def test_other_skills_come_at_lengths_no_skill_was_seen_at():
    for skill, (_, seen, reach) in KNOBS.items():
        world = DepthWorld(skill)
        rows = world.corpus("weak").rows(1000, 600).to_list()
        own = [r["level"] for r in rows if verify(skill, r) and r["level"] <= seen["weak"]]
        others = [r["level"] for r in rows if r["prompt"].split()[0] in OTHERS and r["level"] > seen["weak"]]
        longest = max(len(r["response"].split()) for data in world.slices(1000, 2).values() for r in data)
        assert set(own) >= set(range(1, seen["weak"] + 1))
        assert max(others) == reach
        assert 2 * reach >= longest  # prompt and response of the others span the hardest response
        assert all(r["level"] <= seen["weak"] for r in rows if r["prompt"].split()[0] in ("sort", "cumsum"))


def test_samples_nest_and_honour_the_seed():
    small, large = (DepthWorld("sort").sample(5, n, 1000)["prompt"] for n in (4, 9))
    assert list(small) == list(large)[:4]
    assert list(small) != list(DepthWorld("sort").sample(5, 4, 1001)["prompt"])


def test_trimming_removes_one_end():
    data = DepthWorld("sort").sample(0, 100, 1000)
    levels = np.sort(data["level"])
    assert np.array_equal(np.sort(trimmed(data, "easiest")["level"]), levels[10:])
    assert np.array_equal(np.sort(trimmed(data, "hardest")["level"]), levels[:-10])


def test_an_unknown_skill_lists_the_known_ones():
    with pytest.raises(ValueError, match="skill: expected one of sort, cumsum, program; got 'chess'"):
        DepthWorld("chess")


@pytest.mark.parametrize("skill", LEVEL_WORLDS)
def test_every_level_world_keeps_the_protocol(skill):
    world = LEVEL_WORLDS[skill]
    slices = world.slices(0, 2)
    assert tuple(slices) == world.levels and {len(data) for data in slices.values()} == {2}
    assert set(world.sample(world.levels[0], 3, 0).column_names) >= {"prompt", "response", "level"}
    for kind in ("weak", "strong"):
        corpus = world.corpus(kind)
        assert corpus.seeded and corpus.words and corpus.positions > 0
        words = {w for row in corpus.rows(0, 5) for w in f"{row['prompt']} {row['response']}".split()}
        assert words <= set(corpus.words) and set(corpus.weights) <= set(corpus.words)
