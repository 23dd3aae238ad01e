"""DepthWorld: the exact check of every sample, the split, and what the bases have seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lhas_utils.worlds import LEVEL_WORLDS, DepthWorld, trimmed
from lhas_utils.worlds.depth import KNOBS, verify

CELLS = [(skill, d) for skill, knob in KNOBS.items() for d in knob.levels]


@given(st.sampled_from(CELLS), st.integers(0, 2**20))
@settings(max_examples=40, deadline=None)
def test_solver_checks_every_sample(level, seed):
    skill, d = level
    for row in DepthWorld(skill).sample(d, 5, seed):
        assert verify(skill, row) and row["level"] in DepthWorld(skill).span(d)
        assert len(row["response"].split()) + 1 == DepthWorld(skill).answer_tokens(row["level"])
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


def test_rows_are_checked_by_hand():
    assert verify("cumsum", {"prompt": "cumsum a4 a4 a4", "response": "a4 a8 a2"})
    assert verify("sort", {"prompt": "sort a2 a0 a1", "response": "a0 a1 a2"})
    assert not verify("sort", {"prompt": "sort_down a2 a0 a1", "response": "a0 a1 a2"})
    assert not verify("cumsum", {"prompt": "cumsum a4 a4 a4", "response": "a4 a8 a3"})


def test_each_skill_has_levels_of_its_own():
    assert DepthWorld("sort").levels == tuple(range(2, 15)) and DepthWorld("cumsum").levels == tuple(range(2, 9))
    mixed = np.bincount(DepthWorld("cumsum").sample(0, 700, 1000)["level"])
    assert len(mixed) == 9 and not mixed[:2].any() and mixed[2:].all()


def test_a_level_is_a_bucket_of_lengths():
    world = DepthWorld("sort")
    assert [world.span(d) for d in (0, 2, 3, 4, 14)] == [(), (2,), (2, 3), (2, 3, 4), (12, 13, 14)]
    lengths = np.bincount(world.sample(5, 3000, 1000)["level"], minlength=9)
    assert lengths[3:6].sum() == 3000 and (abs(lengths[3:6] - 1000) < 100).all()
    mixed = np.bincount(world.sample(0, 3000, 1000)["level"], minlength=9)
    assert not mixed[:2].any() and len(mixed) == 15 and (abs(mixed[2:] - 3000 / 13) < 65).all()
    assert {d: set(data["level"]) for d, data in world.slices(1000, 4).items()} == {d: {d} for d in range(2, 15)}


def test_other_skills_come_at_lengths_no_skill_was_seen_at():
    for skill, (levels, symbols, seen, others) in KNOBS.items():
        for kind in ("weak", "strong"):
            rows = DepthWorld(skill).corpus(kind).rows(1000, 1500).to_list()
            found = {name: [r for r in rows if r["prompt"].split()[0] == name] for name in (skill, *others)}
            assert sum(map(len, found.values())) == len(rows) and skill not in others
            assert {r["level"] for r in found[skill]} == set(range(1, seen[kind] + 1))
            assert all(max(int(w[1:]) for w in r["prompt"].split()[1:]) < symbols for r in found[skill])
            assert all({r["level"] for r in found[name]} == {1, *levels} for name in others)
            assert 0.3 < len(found[skill]) / len(rows) < 0.5


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
    with pytest.raises(ValueError, match="skill: expected one of sort, cumsum; got 'chess'"):
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


@pytest.mark.parametrize("skill", LEVEL_WORLDS)
def test_training_data_are_uniform_over_the_levels_they_span(skill):
    world = LEVEL_WORLDS[skill]
    for d in world.levels:
        assert set(world.sample(d, 60, 1000)["level"]) == set(world.span(d)) <= set(world.levels)
