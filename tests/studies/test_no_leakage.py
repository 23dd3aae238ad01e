"""No example that is tested is trained on, shown to a selector or probed with: every world, by the prompts."""

import json
from itertools import combinations
from pathlib import Path

import pytest
from datasets import DatasetDict

from lhas_utils.worlds import LEVEL_WORLDS, ORDERS, SEQUENCES, SKILLS, World, WorldSpec, op, sentences, text


def prompts(*sets) -> set[str]:
    return {text.normalised(p) for data in sets for p in data["prompt"]}


def assert_apart(groups: dict[str, set[str]], but=()):
    """Assert that no two groups share a prompt, but for the pairs named."""
    for a, b in combinations(groups, 2):
        if (a, b) not in but:
            assert not groups[a] & groups[b], (a, b, sorted(groups[a] & groups[b])[:3])
    assert all(groups.values())


def groups(world: World) -> dict[str, set[str]]:
    """Return the prompts of each role; the probe of stage t trains on examples of pool t."""
    return {
        "pools": prompts(*(s.pool for s in world.stages)),
        "validation": prompts(*(s.validation for s in world.stages)),
        "proxy": prompts(world.proxy),
        "tests": prompts(*world.tests.values()),
        "ood": prompts(*world.ood.values()),
    }


# ---- SkillWorld --------------------------------------------------------------------------------------

KNOBS = [{"sequence": s} for s in SEQUENCES] + [{"order": o} for o in list(ORDERS)[1:]]
KNOBS += [{"alignment": 0.5}, {"alignment": 1.0, "sequence": "domain"}, {"noise": 0.6, "duplicates": 0.6}]


@pytest.mark.parametrize("knobs", KNOBS, ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_skill_worlds_keep_pools_validation_and_tests_apart(knobs, seed):
    spec = WorldSpec(pool_size=150, test_size=60, **knobs)
    found = groups(spec.build(seed))
    assert_apart(found, but=[("validation", "proxy")])  # both are what a selector may look at
    assert_apart({"base": prompts(spec.corpus.rows(seed, 3000)), **{k: found[k] for k in ("tests", "ood")}})


def test_the_out_of_distribution_sets_have_a_length_that_nothing_else_has():
    world = WorldSpec(pool_size=150, test_size=20).build(0)
    seen = [s.pool for s in world.stages] + [s.validation for s in world.stages] + [world.proxy, *world.tests.values()]

    def lengths(sets):
        return {len(p.split()) - len(t.split()) for data in sets for t, p in zip(data["task"], data["prompt"])}

    assert not lengths(seen) & lengths(world.ood.values())


@pytest.mark.parametrize("which", ["next", "previous"])
def test_a_neighbours_proxy_is_apart_from_pools_and_tests(which):
    world = WorldSpec(pool_size=150, test_size=60, proxy=which).build(0)
    found = groups(world) | {"proxy": prompts(*(s.proxy for s in world.stages))}
    assert_apart(found, but=[("validation", "proxy")])


def test_no_prompt_stands_in_the_bases_text_in_the_other_dialect():
    world = WorldSpec(pool_size=150, test_size=60).build(0)
    base = {p.lower() for p in WorldSpec().corpus.rows(0, 3000)["prompt"]}
    tested = {p.lower() for d in (*world.tests.values(), *world.ood.values()) for p in d["prompt"]}
    assert not base & tested


def test_another_seed_has_other_tests():
    a, b = (groups(WorldSpec(pool_size=20, test_size=30).build(seed)) for seed in (0, 1))
    assert all(len(a[k] & b[k]) < len(a[k]) / 2 for k in a)


# ---- DepthWorld and OpWorld --------------------------------------------------------------------------


@pytest.mark.parametrize("skill", sorted(LEVEL_WORLDS))
def test_samples_of_every_level_and_the_bases_corpora_hold_no_test_prompt(skill):
    world = LEVEL_WORLDS[skill]
    tests = prompts(*world.slices(0, 60).values())
    samples = prompts(*(world.sample(d, 150, 0) for d in (*world.levels, *((0,) if skill != "op" else ()))))
    corpora = [world.corpus(kind).rows(0, 1500) for kind in ("weak", "strong")]
    assert_apart({"samples": samples, "tests": tests})
    assert_apart({"base": prompts(*corpora), "tests": tests})


@pytest.mark.parametrize("skill", sorted(LEVEL_WORLDS))
def test_samples_and_slices_are_of_their_level(skill):
    world = LEVEL_WORLDS[skill]
    for d, data in world.slices(0, 30).items():
        assert set(data["level"]) == {d} and len(data) == 30
        assert {level(skill, r) for r in data} == {d}
        assert {level(skill, r) for r in world.sample(d, 60, 0)} == set(world.span(d))


def level(skill: str, row: dict) -> int:
    """Return the level of a row, from its text alone."""
    words = row["prompt"].split()
    if skill == "op":
        return len(op.needed(row["prompt"]))
    return len(words) - 1


@pytest.mark.parametrize("skill", ["sort", "cumsum"])
def test_a_base_has_seen_its_skill_at_its_easy_levels_only(skill):
    world = LEVEL_WORLDS[skill]
    for kind in ("weak", "strong"):
        rows = [r for r in world.corpus(kind).rows(0, 800) if r["prompt"].split()[0] == skill]
        assert max(level(skill, r) for r in rows) == world.seen[kind] < max(world.levels)


def test_op_problems_are_apart_by_what_the_question_needs_whatever_the_task_says():
    world = LEVEL_WORLDS["op"]

    def bodies(data):
        return {p.partition(" ")[2] for p in data["prompt"]}

    tests = set().union(*map(bodies, world.slices(0, 60).values()))
    trained = [world.sample(d, 150, 0) for d in world.levels] + [
        world.corpus(k).rows(0, 1500) for k in ("weak", "strong")
    ]
    assert not tests & set().union(*map(bodies, trained))
    for kind in ("weak", "strong"):
        rows = world.corpus(kind).rows(0, 800)
        solved = [len(op.needed(r["prompt"])) for r in rows if r["prompt"].startswith("solve")]
        assert max(solved) == world.seen[kind] < max(world.levels)


# ---- TextWorld ---------------------------------------------------------------------------------------


def written(file: Path, prompts: list[str], **more) -> None:
    """Write a JSONL file of rows with these prompts, each with a response of its own."""
    rows = [{"prompt": p, "response": f"answer {i}", **more} for i, p in enumerate(prompts)]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> DatasetDict:
    """A corpus whose skills, and whose two splits, share prompts until it is loaded."""
    folder = tmp_path_factory.mktemp("skills")
    for skill, shift in (("general", 0), ("math", 20)):
        for split, numbers in (("train", range(120)), ("validation", range(90, 150))):
            asked = [f"Question {i + shift} {'x ' * (i % 9)}" for i in numbers]
            written(folder / f"{skill}.{split}.jsonl", [p.upper() for p in asked] if split == "train" else asked)
    return text.load(str(folder))


@pytest.mark.parametrize("seed", [0, 1])
def test_text_worlds_keep_pools_validation_proxy_and_tests_apart(corpus, seed):
    assert_apart(groups(text.text_world(corpus, seed, pool_size=50, test_size=12, validation_size=8)))


def test_no_prompt_is_in_both_splits_of_a_corpus(corpus):
    assert_apart({split: prompts(corpus[split]) for split in corpus})
    assert len(prompts(corpus["validation"])) == len(corpus["validation"])


def test_text_without_a_validation_split_is_held_out_by_prompt(tmp_path):
    for skill in ("a", "b"):
        written(tmp_path / f"{skill}.jsonl", [f"{skill} {i % 60}" for i in range(240)])  # every prompt four times
    loaded = text.load(str(tmp_path))
    assert_apart({split: prompts(loaded[split]) for split in loaded})
    assert 0.1 < len(loaded["validation"]) / 120 < 0.3


def test_generated_sentences_are_apart_too(tmp_path):
    world = text.text_world(text.load(str(sentences.generate(tmp_path, size=60))), 0, pool_size=40, test_size=6)
    assert_apart(groups(world))
    assert [s.name for s in world.stages] == list(SKILLS)
