"""GymWorld: shares as asked, right answers but for the noise, and no prompt in two sets."""

from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from lhas_utils.worlds import FAMILIES, LEVELS, GymCorpus, GymLevels, GymWorld, embedding, gym, items
from tests.worlds.test_items import needs_gym

SMALL = GymWorld("stand-in", pool_size=80, validation_size=12, proxy_size=12, test_size=10)


@pytest.fixture(scope="module")
def world():
    return SMALL.build(1000)


def answer(prompt: str) -> str:
    """Work a stand-in's question out from its words alone."""
    for opening in gym.OPENINGS[1:]:
        prompt = prompt.removeprefix(opening)
    question = prompt.removesuffix("\nAnswer:")
    for closing in gym.CLOSINGS[1:]:
        question = question.removesuffix(closing)
    if question.startswith("Reverse "):
        return ", ".join(question.removeprefix("Reverse ").removesuffix(":").split(", ")[::-1])
    if question.endswith(", ?"):
        terms = [int(t) for t in question.removesuffix(", ?").split(", ")]
        return str(2 * terms[3] - terms[2])
    told, asked = question.rsplit(". ", 1)
    if " > " in told:
        return told.split(" > ")[-1 - int(asked.split()[2])]
    return next(t.split()[0] for t in told.split(". ") if t.endswith(f" has {asked[8:-1]}"))


def sets(world) -> dict:
    out = {"proxy": world.proxy}
    out |= {f"{kind} {name}": data for kind in ("tests", "ood") for name, data in getattr(world, kind).items()}
    for stage in world.stages:
        out |= {f"pool {stage.name}": stage.pool, f"validation {stage.name}": stage.validation}
    return out


def test_no_prompt_is_in_two_sets_nor_twice_in_one_but_for_duplicates(world):
    found = {name: set(data["prompt"]) for name, data in sets(world).items()}
    for a, b in combinations(found, 2):
        assert not found[a] & found[b], (a, b)
    for name, data in sets(world).items():
        frame = data.to_pandas()
        assert not frame.loc[~frame["duplicate"], "prompt"].duplicated().any(), name


def test_every_answer_is_right_but_for_the_noise_in_the_pools(world):
    for name, data in sets(world).items():
        for row in data:
            assert (row["response"] == answer(row["prompt"])) == row["clean"], (name, row)
        assert name.startswith("pool") or all(data["clean"])


def test_the_shares_are_those_that_were_asked_for(world):
    for t, stage in enumerate(world.stages):
        pool = stage.pool.to_pandas()
        assert len(pool) == 80 and (~pool["clean"]).sum() == 8 and pool["duplicate"].sum() == 12
        kinds = pool.loc[~pool["duplicate"]].groupby("kind")["skill"].unique().to_dict()
        assert list(kinds["own"]) == [stage.name]
        assert set(kinds.get("earlier", ())) <= set(FAMILIES[:t]) and ("earlier" in kinds) == (t > 0)
        assert set(kinds.get("precursor", ())) <= set(FAMILIES[t + 1 :]) and ("precursor" in kinds) == (t < 3)
        assert set(pool.loc[pool["kind"] == "precursor", "task"].str[-1]) <= {"1"}
        assert stage.weights == {f: float(f == stage.name) for f in FAMILIES}


def test_copies_ask_one_question_in_other_words(world):
    pool = world.stages[0].pool.to_pandas()
    copies = pool[pool["duplicate"] & pool["clean"]]
    assert copies["prompt"].nunique() == len(copies) and copies["response"].nunique() == 1


def test_levels_and_difficulties(world):
    for name, data in world.tests.items():
        assert set(data["task"]) == {f"{name} {d}" for d in gym.TRAINED}
        assert set(world.ood[name]["task"]) == {f"{name} {gym.OOD}"}
    assert world.ood["number_sequence"]["difficulty"] == [gym.OOD / len(LEVELS)] * 10
    assert {s: list(world.proxy["skill"]).count(s) for s in FAMILIES} == dict.fromkeys(FAMILIES, 3)


def test_the_same_seed_gives_the_same_world_and_another_one_another(world):
    again, other = SMALL.build(1000), SMALL.build(1001)
    for name, data in sets(world).items():
        assert data.to_dict() == sets(again)[name].to_dict()
        assert not {*data["prompt"]} >= {*sets(other)[name]["prompt"]}, name


def test_fewer_stages_are_the_first_families():
    world = replace(SMALL, stages=2).build(0)
    assert [s.name for s in world.stages] == list(FAMILIES[:2]) == list(world.tests) == list(world.ood)
    assert set(world.stages[1].pool["skill"]) == set(FAMILIES[:2])


def test_a_wrong_answer_is_one_that_the_scorer_does_not_take():
    def row(response, *right):
        return {"skill": "a", "response": response, "item": SimpleNamespace(accepts=right.__contains__), "clean": True}

    rng, rows = np.random.default_rng(0), [row("1", "1", "one"), row("one", "one"), row("2", "2")]
    assert all(gym._corrupt(rng, rows[0], rows)["response"] == "2" for _ in range(20))
    assert gym._corrupt(rng, rows[0], rows[:2]) == rows[0], "no other answer is wrong: it stays right"


@pytest.mark.parametrize(
    "knobs, words",
    [
        ({"source": "web"}, "source: expected one of reasoning-gym, stand-in; got 'web'"),
        ({"stages": 5}, r"stages: expected an integer in \[1, 4\]; got 5"),
        ({"pool_size": 0}, r"pool_size: expected an integer in \[1, 10000\]; got 0"),
        ({"noise": 1.5}, r"noise: expected a number in \[0, 1\]; got 1.5"),
        ({"earlier": 0.7, "precursors": 0.5}, r"earlier \+ precursors: expected at most 1; got 1.2"),
    ],
)
def test_bad_knobs_are_one_sentence(knobs, words):
    with pytest.raises(ValueError, match=words):
        GymWorld(**knobs)


def test_questions_that_run_out_are_said():
    few = iter([items.Item("a?", "1", bool)])
    used = set()
    gym.next_new(few, used)
    with pytest.raises(ValueError, match="questions: expected one more that is new; got 1 different ones in all"):
        gym.next_new(few, used)


def test_the_text_of_a_base_is_of_other_items_than_any_world(world):
    rows = GymCorpus().rows(0, 10)
    assert len(rows) == gym.READ * len(FAMILIES) and set(rows["skill"]) == set(FAMILIES)
    assert rows["prompt"] == GymCorpus().rows(5, 0)["prompt"]
    assert all(answer(row["prompt"]) == row["response"] for row in rows)


# ---- levels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_no_tested_question_is_trained_on_and_prefixes_nest(family):
    world = GymLevels(family, "stand-in")
    tests = world.slices(3, 20)
    assert list(tests) == list(LEVELS) and all(len(t) == 20 for t in tests.values())
    tested = {p for t in tests.values() for p in t["prompt"]}
    assert len(tested) == 100, "no question is tested twice, not at two levels either"
    assert tests[3]["prompt"] == world.slices(3, 30)[3]["prompt"][:20]
    for d in LEVELS:
        long, short = world.sample(d, 40, 3), world.sample(d, 8, 3)
        assert long["prompt"][:8] == short["prompt"] and len(set(long["prompt"])) == 40
        assert not tested & set(long["prompt"]) and set(long["level"]) == {d}
    easy = world.easy(9, 3)
    assert easy["level"] == [1, 2, 1, 2, 1, 2, 1, 2, 1] and not tested & set(easy["prompt"])


def test_bad_levels_are_one_sentence():
    with pytest.raises(ValueError, match="family: expected one of .*; got 'chess'"):
        GymLevels("chess")
    with pytest.raises(ValueError, match="size: expected one of 1, .*; got 65"):
        GymLevels("number_sequence", "stand-in").slices(0, 65)


# ---- with the packages ---------------------------------------------------------------------------


def test_without_the_embedding_one_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(embedding, "PACKAGE", "no_such_package")
    embedding._encoder.cache_clear()
    with pytest.raises(ValueError, match="expected the package no_such_package; got none; `make llm` installs it"):
        embedding.sentence_embeddings(["a"])


@needs_gym
def test_a_world_of_the_package_has_the_same_form_and_embeddings():
    world = replace(SMALL, source="reasoning-gym", stages=2, pool_size=30).build(1000)
    found = {name: set(data["prompt"]) for name, data in sets(world).items()}
    assert all(not found[a] & found[b] for a, b in combinations(found, 2))
    vectors = np.array(world.stages[0].pool["embedding"])
    assert vectors.shape == (30, 384) and np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-4)
