"""Real text: the schema, every fault of the data, the split, the stages, and the corpus that is kept."""

import json

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset, DatasetDict

from lhas_utils.core import paths
from lhas_utils.worlds import SKILLS, TextWorld, describe_corpus, formats, reading, register, sentences, splits, text
from lhas_utils.worlds import rows as rows_of


def rows(skill, n, start=0, **more):
    numbers = range(start, start + n)
    return [{"skill": skill, "prompt": f"{skill} question {i}?", "response": f"answer {i}."} | more for i in numbers]


def write(path, items):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((i if isinstance(i, str) else json.dumps(i)) + "\n" for i in items))
    return path


@pytest.fixture
def folder(tmp_path):
    """Two skills, 40 training rows and 12 validation rows each."""
    for skill in ("math", "general"):
        write(tmp_path / f"{skill}.train.jsonl", rows(skill, 40))
        write(tmp_path / f"{skill}.validation.jsonl", rows(skill, 12, start=100))
    return tmp_path


# ---- schema ------------------------------------------------------------------------------------


def test_schema_and_stage_order(folder):
    data = text.load(str(folder))
    assert isinstance(data["train"], Dataset)
    assert tuple(data["train"].column_names) == tuple(data["validation"].column_names) == text.SCHEMA
    assert text.skills_of(data) == ["general", "math"], "the paper's order, not the alphabet's or the folder's"
    assert data["train"][0]["task"] == "general", "a row without a task has its skill as task"
    assert {s: len(d) for s, d in data.items()} == {"train": 80, "validation": 24}


def test_unknown_names_come_in_the_order_found_after_the_papers(folder):
    write(folder / "art.train.jsonl", rows("art", 10))
    write(folder / "art.validation.jsonl", rows("art", 10, start=50))
    assert text.skills_of(text.load(str(folder))) == ["general", "math", "art"]


def test_skills_subfolder_single_file_and_hub_give_the_same_rows(folder, tmp_path, monkeypatch):
    plain = text.load(str(folder))
    nested = tmp_path / "outer" / "skills"
    nested.mkdir(parents=True)
    for f in folder.glob("*.jsonl"):
        f.rename(nested / f.name)
    assert text.load(str(nested.parent))["train"].to_list() == plain["train"].to_list()

    one = write(tmp_path / "all.jsonl", rows("general", 60) + rows("math", 60))
    single = text.load(str(one))
    assert len(single["train"]) + len(single["validation"]) == 120
    assert text.load(str(one))["validation"].to_list() == single["validation"].to_list()

    columns = {"category": "skill", "instruction": "prompt", "output": "response"}
    frame = pd.DataFrame(rows("general", 60) + rows("math", 60)).rename(columns={v: k for k, v in columns.items()})
    hub = DatasetDict({"train": Dataset.from_pandas(frame)})
    asked = []
    monkeypatch.setattr(formats, "load_dataset", lambda *names, **how: asked.append((names, how)) or hub)
    assert text.load("owner/name:part")["train"].to_list() == single["train"].to_list()
    assert asked == [(("owner/name", "part"), {"trust_remote_code": False})], "no code of a data set is run"


def test_given_quality_and_difficulty_are_kept(folder):
    for skill in ("math", "general"):
        write(folder / f"{skill}.train.jsonl", rows(skill, 40, quality=0.3, difficulty=0.7))
        write(folder / f"{skill}.validation.jsonl", rows(skill, 12, start=100, quality=1, difficulty=0))
    data = text.load(str(folder))
    assert set(data["train"]["quality"]) == {0.3} and set(data["train"]["difficulty"]) == {0.7}


def test_difficulty_stand_in_is_the_length_rank_within_the_skill():
    frame = pd.DataFrame({"skill": ["a"] * 4 + ["b"], "prompt": "p", "response": ["x" * n for n in (1, 3, 3, 9, 100)]})
    out = text._complete(frame.assign(quality=1.0, difficulty=None, place="here"))
    np.testing.assert_allclose(out["difficulty"], [1 / 4, 2.5 / 4, 2.5 / 4, 1, 1])


def test_judge_stand_in_by_hand():
    frame = pd.DataFrame({"skill": "a", "prompt": "Say it", "response": ["Yes.", "no way", "say it"]})
    # ranks of length 4, 6, 6 are 1/3, 5/6, 5/6, so length scores 2/3, 1/3, 1/3
    # form: 4 of 4; then 2 of 4 (small letter, no end mark); then 1 of 4 (it is the prompt, too)
    np.testing.assert_allclose(text.stand_in_judge(frame), [1 / 2 + 1 / 3, 1 / 4 + 1 / 6, 1 / 8 + 1 / 6])


# ---- bad input: each is one line that names the place ------------------------------------------


def test_a_bad_row_is_named_by_file_and_line(folder):
    path = write(folder / "math.train.jsonl", rows("math", 2) + [{"prompt": "p"}] + rows("math", 20, start=2))
    with pytest.raises(ValueError) as error:
        describe_corpus(str(folder))
    assert str(error.value).startswith(f"{path}, line 3: ") and "\n" not in str(error.value)


@pytest.mark.parametrize("data", ["/no/such/folder", "./nothing", "a/b/c", "missing.jsonl", "", "folder/"])
def test_missing_data(data):
    with pytest.raises(ValueError, match="DATA.*expected"):
        describe_corpus(data)


def test_skills_with_too_few_rows_are_left_out_and_said(folder):
    write(folder / "art.jsonl", rows("art", 3))
    said = describe_corpus(str(folder))
    assert said.startswith("general 40/12, math 40/12 (train/validation rows)\n")
    assert "skills left out: expected at least 8 training rows" in said and "'art' 3 and 0 of 3 prompts" in said
    write(folder / "math.validation.jsonl", rows("math", 3, start=100))
    said = describe_corpus(str(folder))
    assert "too few rows, 'art' 3 and 0 of 3 prompts, 'math' 40 and 3" in said and "one skill, so one stage" in said


def test_one_skill_is_one_stage_and_how_to_name_more_is_said(tmp_path):
    path = write(tmp_path / "m.jsonl", rows("math", 100))
    said = describe_corpus(str(path))
    assert "one skill, so one stage: nothing comes later" in said and "SKILL=COLUMN names the column" in said
    assert "skills are all 'topic', as SKILL says: no column has this name" in describe_corpus(f"{path}?skill=topic")
    (stage,) = text.text_world(text.load(str(path)), seed=0).stages
    assert stage.name == "math" and stage.weights == {"math": 1.0}
    write(path, rows("math", 9))
    with pytest.raises(ValueError, match=r"expected a skill; got none; .*too few rows, .*; SKILL=COLUMN") as error:
        describe_corpus(str(path))
    assert "\n" not in str(error.value)


def test_columns_and_the_limit_stand_behind_the_data(folder):
    assert reading.length_of(f"{folder}?skill=topic&length=256") == 256 and reading.length_of(str(folder)) == 0
    assert reading.choices("a?length=9&response=r") == ("a", rows_of.Columns(response="r"))
    assert reading.choices("a?length=many") == ("a?length=many", rows_of.Columns()), "no number: a name as it stands"
    odd = folder / "x?length=9"
    odd.mkdir()
    assert reading.length_of(str(odd)) == 0, "a folder of this name is a folder"


def test_one_prompt_in_all_rows_is_said(tmp_path):
    same = [{"prompt": "Translate.", "response": f"word {i}"} for i in range(50)]
    for name in "ab":
        write(tmp_path / f"{name}.jsonl", same)
    with pytest.raises(ValueError, match=r"got too few rows, 'a' 50 and 0 of 1 prompts, 'b' 50 and 0 of 1 prompts"):
        describe_corpus(str(tmp_path))


def test_quality_in_some_rows_only(folder):
    write(folder / "math.train.jsonl", rows("math", 4, quality=1.0) + rows("math", 20, start=4))
    with pytest.raises(ValueError, match=r"line \d+: expected 'quality', which other rows have"):
        describe_corpus(str(folder))


def test_hub_failure_is_one_line(monkeypatch):
    def fail(*_, **how):
        raise ConnectionError("no\nnetwork")

    monkeypatch.setattr(formats, "load_dataset", fail)
    with pytest.raises(ValueError, match=r"'owner/name'.*ConnectionError: no network"):
        describe_corpus("owner/name")
    monkeypatch.setattr(
        formats, "load_dataset", lambda *_, **how: DatasetDict({"test": Dataset.from_list(rows("a", 9))})
    )
    with pytest.raises(ValueError, match="expected a split 'train'; got test"):
        describe_corpus("owner/name")


# ---- split and world ---------------------------------------------------------------------------


def test_no_prompt_on_both_sides(folder):
    same = {"prompt": "GENERAL  question 100?", "response": "yes"}  # in general.validation but for case and spaces
    write(folder / "math.train.jsonl", rows("math", 40) + [same])
    write(folder / "math.validation.jsonl", rows("math", 12, start=100) + rows("math", 1, start=100))
    data = text.load(str(folder))
    train, validation = ([text.normalised(p) for p in data[s]["prompt"]] for s in splits.SPLITS)
    assert len(train) == 80 and not set(train) & set(validation)
    assert len(validation) == len(set(validation)) == 24


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    return text.load(str(sentences.generate(tmp_path_factory.mktemp("generated"), size=60)))


def test_generated_corpus_has_five_skills_and_is_reproducible(generated, tmp_path):
    assert text.skills_of(generated) == ["general", "math", "code", "reasoning", "safety"]
    again = text.load(str(sentences.generate(tmp_path, size=60)))
    assert again["train"].to_list() == generated["train"].to_list()


def test_world_is_seeded_and_disjoint(generated):
    world = text.text_world(generated, 3, pool_size=20, test_size=6, validation_size=10)
    assert [len(s.pool) for s in world.stages] == [20] * 5
    for i, stage in enumerate(world.stages):
        assert list(stage.weights.values()) == list(np.eye(5)[i]) and set(stage.pool["skill"]) == {stage.name}
        sets = (stage.pool, stage.validation, world.tests[stage.name], world.ood[stage.name], world.proxy)
        parts = [set(d["prompt"]) for d in sets]
        assert all(parts) and sum(map(len, parts)) == len(set.union(*parts)), "a prompt is in two parts"
        longest = max(map(len, [*world.tests[stage.name]["prompt"], *stage.validation["prompt"]]))
        assert longest <= min(map(len, world.ood[stage.name]["prompt"]))
        assert max(map(len, stage.pool["prompt"])) <= min(map(len, world.ood[stage.name]["prompt"]))
    state = np.random.get_state()[1].copy()
    again, other = (text.text_world(generated, s, 20, 6, 10) for s in (3, 4))
    assert again.stages[2].pool.to_list() == world.stages[2].pool.to_list()
    assert other.stages[2].pool.to_list() != world.stages[2].pool.to_list()
    assert (np.random.get_state()[1] == state).all(), "global randomness is left alone"


def test_every_skill_has_the_weight_of_its_own_stage(generated):
    world = text.text_world(generated, 0, pool_size=8, test_size=2, validation_size=5)
    assert [stage.name for stage in world.stages] == list(SKILLS) == list(world.tests) == list(world.ood)
    assert [list(stage.weights.values()) for stage in world.stages] == np.eye(5).tolist()


# ---- the corpus that is kept ---------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Keep corpora in a temporary folder."""
    monkeypatch.setattr(paths, "CORPORA", tmp_path / "kept")
    text.registered.cache_clear()
    yield tmp_path / "kept"
    text.registered.cache_clear()


def test_a_corpus_is_known_by_its_rows_and_comes_back_as_it_was(folder, kept):
    name = register(str(folder))
    assert name == register(str(folder)) and [p.name for p in kept.iterdir()] == [f"{name}.corpus"]
    for split, data in text.load(str(folder)).items():
        assert text.registered(name)[split].to_list() == data.to_list()
    write(folder / "math.train.jsonl", rows("math", 41))
    assert register(str(folder)) != name


def test_no_data_means_the_generated_sentences(kept):
    name = register("")
    assert text.skills_of(text.registered(name)) == list(SKILLS)
    assert (kept / "generated" / "math.train.jsonl").exists()


def test_an_absent_corpus_says_what_to_do(kept):
    with pytest.raises(ValueError, match="corpus abc: expected it in .*; run again with the DATA it came from"):
        TextWorld("abc").build(0)


@pytest.mark.parametrize("damage", [b"", b"not a table " * 50])
def test_a_damaged_corpus_is_said_and_made_again(folder, kept, capsys, damage):
    name = register(str(folder))
    path = kept / f"{name}.corpus"
    path.write_bytes(damage)
    with pytest.raises(ValueError, match="run again with the DATA"):
        text.registered(name)
    assert f"{path.name} is not as it was written" in capsys.readouterr().err
    path.write_bytes(damage)
    assert register(str(folder)) == name
    assert f"{path.name} is not as it was written" in capsys.readouterr().err
    assert len(text.registered(name)["train"]) == 80


def test_a_world_of_text_is_its_corpus_dealt_out(folder, kept):
    world = TextWorld(register(str(folder)), pool_size=20, test_size=3)
    built, again, other = world.build(0), world.build(0), world.build(1)
    assert [len(s.pool) for s in built.stages] == [20, 20] and {len(d) for d in built.tests.values()} == {3}
    assert built.stages[0].pool.to_list() == again.stages[0].pool.to_list() != other.stages[0].pool.to_list()
    corpus = world.corpus
    assert (corpus.vocabulary, corpus.positions, corpus.seeded, corpus.words) == (2048, 96, False, ())
    assert corpus.rows(0, 5).to_list() == text.registered(world.data)["train"].to_list()


@pytest.mark.parametrize("name, value", [("pool_size", 0), ("test_size", 2.0), ("max_length", 3), ("vocabulary", -1)])
def test_a_size_out_of_range_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}: expected an integer in"):
        TextWorld("abc", **{name: value})
