"""Real text: the schema, every fault of the data, the split, and the protocol end to end on small models."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset, DatasetDict

from lhas_utils import bases, corpora, metrics, paths, real, real_table, sentences, sweep


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


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Send everything that is cached to a temporary folder; one process, no progress bar."""
    for name in ("CACHE", "MODELS"):
        monkeypatch.setattr(paths, name, tmp_path / "build" / name.lower())
    monkeypatch.setattr(corpora, "FOLDER", tmp_path / "build" / "corpora")
    monkeypatch.setenv("LHAS_PROGRESS", "0")
    real.registered.cache_clear()


# ---- schema ------------------------------------------------------------------------------------


def test_schema_and_stage_order(folder):
    data = corpora.load(str(folder))
    assert isinstance(data["train"], Dataset)
    assert tuple(data["train"].column_names) == tuple(data["validation"].column_names) == corpora.SCHEMA
    assert corpora.skills_of(data) == ["general", "math"], "the paper's order, not the alphabet's or the folder's"
    assert data["train"][0]["task"] == "general", "a row without a task has its skill as task"
    assert {s: len(d) for s, d in data.items()} == {"train": 80, "validation": 24}


def test_unknown_names_come_in_the_order_found_after_the_papers(folder):
    write(folder / "art.train.jsonl", rows("art", 10))
    write(folder / "art.validation.jsonl", rows("art", 10, start=50))
    assert corpora.skills_of(corpora.load(str(folder))) == ["general", "math", "art"]


def test_skills_subfolder_single_file_and_hub_give_the_same_rows(folder, tmp_path, monkeypatch):
    nested = tmp_path / "outer" / "skills"
    nested.mkdir(parents=True)
    for f in folder.glob("*.jsonl"):
        (nested / f.name).write_bytes(f.read_bytes())
    plain = corpora.load(str(folder))
    assert corpora.load(str(nested.parent))["train"].to_list() == plain["train"].to_list()

    one = write(tmp_path / "all.jsonl", rows("general", 60) + rows("math", 60))
    single = corpora.load(str(one))
    assert len(single["train"]) + len(single["validation"]) == 120
    assert corpora.load(str(one))["validation"].to_list() == single["validation"].to_list()

    columns = {"category": "skill", "instruction": "prompt", "output": "response"}
    frame = pd.DataFrame(rows("general", 60) + rows("math", 60)).rename(columns={v: k for k, v in columns.items()})
    hub = DatasetDict({"train": Dataset.from_pandas(frame)})
    monkeypatch.setattr(corpora, "load_dataset", lambda name, configuration: hub)
    assert corpora.load("owner/name:part")["train"].to_list() == single["train"].to_list()


def test_given_quality_and_difficulty_are_kept(folder):
    for skill in ("math", "general"):
        write(folder / f"{skill}.train.jsonl", rows(skill, 40, quality=0.3, difficulty=0.7))
        write(folder / f"{skill}.validation.jsonl", rows(skill, 12, start=100, quality=1, difficulty=0))
    data = corpora.load(str(folder))
    assert set(data["train"]["quality"]) == {0.3} and set(data["train"]["difficulty"]) == {0.7}


def test_difficulty_stand_in_is_the_length_rank_within_the_skill():
    frame = pd.DataFrame({"skill": ["a"] * 4 + ["b"], "prompt": "p", "response": ["x" * n for n in (1, 3, 3, 9, 100)]})
    out = corpora._complete(frame.assign(quality=1.0, difficulty=None, place="here"))
    np.testing.assert_allclose(out["difficulty"], [1 / 4, 2.5 / 4, 2.5 / 4, 1, 1])


def test_judge_stand_in_by_hand():
    frame = pd.DataFrame({"skill": "a", "prompt": "Say it", "response": ["Yes.", "no way", "say it"]})
    # ranks of length 4, 6, 6 are 1/3, 5/6, 5/6, so length scores 2/3, 1/3, 1/3
    # form: 4 of 4; then 2 of 4 (small letter, no end mark); then 1 of 4 (it is the prompt, too)
    np.testing.assert_allclose(corpora.stand_in_judge(frame), [1 / 2 + 1 / 3, 1 / 4 + 1 / 6, 1 / 8 + 1 / 6])


# ---- bad input: each is one line that names the place ------------------------------------------


@pytest.mark.parametrize(
    "line, words",
    [
        ({"prompt": "p"}, ["line 3", "'response'", "'prompt'"]),
        ({"response": "r"}, ["line 3", "'prompt'"]),
        ({}, ["line 3", "empty object"]),
        ({"prompt": "", "response": "r"}, ["line 3", "'prompt'", "blank"]),
        ({"prompt": "p", "response": "  "}, ["line 3", "'response'", "blank"]),
        ({"prompt": "p", "response": 4}, ["line 3", "'response'", "text", "4"]),
        ({"prompt": "p", "response": None}, ["line 3", "'response'"]),
        ({"prompt": "p", "response": "r", "skill": "code"}, ["line 3", "'math'", "'code'"]),
        ({"prompt": "p", "response": "r", "quality": "good"}, ["line 3", "'quality'", "'good'"]),
        ({"prompt": "p", "response": "r", "quality": float("nan")}, ["line 3", "'quality'", "nan"]),
        ({"prompt": "p", "response": "r", "difficulty": 3}, ["line 3", "'difficulty'", "[0, 1]", "3"]),
        ('{"prompt": "p", ', ["line 3", "JSON"]),
        ("just text", ["line 3", "JSON", "just text"]),
        ("[1, 2]", ["line 3", "JSON object", "list"]),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(folder, line, words):
    path = write(folder / "math.train.jsonl", rows("math", 2) + [line] + rows("math", 20, start=2))
    with pytest.raises(ValueError) as error:
        corpora.check(str(folder))
    message = str(error.value)
    assert message.startswith(str(path)) and "\n" not in message
    for word in words:
        assert word in message


def test_empty_file(folder):
    write(folder / "math.train.jsonl", [])
    with pytest.raises(ValueError, match=r"math\.train\.jsonl: .*empty file"):
        corpora.check(str(folder))


def test_not_text(folder):
    (folder / "math.train.jsonl").write_bytes(b'{"prompt": "\xff\xfe"}')
    with pytest.raises(ValueError, match=r"math\.train\.jsonl: expected UTF-8"):
        corpora.check(str(folder))


@pytest.mark.parametrize("data", ["/no/such/folder", "./nothing", "a/b/c", "missing.jsonl", "", "folder/"])
def test_missing_data(data):
    with pytest.raises(ValueError, match="DATA.*expected"):
        corpora.check(data)


def test_folder_without_jsonl(tmp_path):
    with pytest.raises(ValueError, match=r"NAME\.train\.jsonl"):
        corpora.check(str(tmp_path))


def test_wrong_suffix_and_wrong_split(folder, tmp_path):
    with pytest.raises(ValueError, match=r"expected a \.jsonl file; got \.csv"):
        corpora.check(str(write(tmp_path / "x.csv", ["a,b"])))
    write(folder / "math.dev.jsonl", rows("math", 1))
    with pytest.raises(ValueError, match=r"expected one of train, validation; got 'dev'"):
        corpora.check(str(folder))


def test_too_few_rows_name_the_skill(folder):
    write(folder / "math.validation.jsonl", rows("math", 3, start=100))
    with pytest.raises(ValueError, match=r"skill 'math': expected at least 8 .* too few rows, 40 and 3"):
        corpora.check(str(folder))


def test_one_skill_is_too_few(tmp_path):
    with pytest.raises(ValueError, match="at least two skills.*got math"):
        corpora.check(str(write(tmp_path / "m.jsonl", rows("math", 100))))


def test_quality_in_some_rows_only(folder):
    write(folder / "math.train.jsonl", rows("math", 4, quality=1.0) + rows("math", 20, start=4))
    with pytest.raises(ValueError, match=r"line \d+: expected 'quality', which other rows have"):
        corpora.check(str(folder))


def test_unknown_skill_lists_the_known(folder):
    with pytest.raises(ValueError, match="skill: expected one of general, math; got 'poetry'"):
        corpora.world(corpora.load(str(folder)), 0, skills=["math", "poetry"])


def test_hub_failure_is_one_line(monkeypatch):
    def fail(*_):
        raise ConnectionError("no\nnetwork")

    monkeypatch.setattr(corpora, "load_dataset", fail)
    with pytest.raises(ValueError, match=r"'owner/name'.*ConnectionError: no network"):
        corpora.check("owner/name")
    monkeypatch.setattr(corpora, "load_dataset", lambda *_: DatasetDict({"test": Dataset.from_list(rows("a", 9))}))
    with pytest.raises(ValueError, match="expected a split 'train'; got test"):
        corpora.check("owner/name")


def test_bad_model_and_bad_numbers(folder, build, tmp_path):
    for model in ("/no/such/model", str(tmp_path)):
        with pytest.raises(ValueError, match="MODEL"):
            real.grid(str(folder), model, "smoke")
    with pytest.raises(ValueError, match="pool: expected an integer.*got -1"):
        real.grid(str(folder), "", "smoke", pool=-1)
    with pytest.raises(ValueError, match="profile: expected one of smoke, fast, full; got 'huge'"):
        real.grid(str(folder), "", "huge")


# ---- split and world ---------------------------------------------------------------------------


def test_no_prompt_on_both_sides(folder):
    same = {"prompt": "GENERAL  question 100?", "response": "yes"}  # in general.validation but for case and spaces
    write(folder / "math.train.jsonl", rows("math", 40) + [same])
    write(folder / "math.validation.jsonl", rows("math", 12, start=100) + rows("math", 1, start=100))
    data = corpora.load(str(folder))
    train, validation = ([corpora.normalised(p) for p in data[s]["prompt"]] for s in corpora.SPLITS)
    assert len(train) == 80 and not set(train) & set(validation)
    assert len(validation) == len(set(validation)) == 24


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    return corpora.load(str(sentences.generate(tmp_path_factory.mktemp("generated"), size=60)))


def test_generated_corpus_has_five_skills_and_is_reproducible(generated, tmp_path):
    assert corpora.skills_of(generated) == ["general", "math", "code", "reasoning", "safety"]
    again = corpora.load(str(sentences.generate(tmp_path, size=60)))
    assert again["train"].to_list() == generated["train"].to_list()


def test_world_is_seeded_and_disjoint(generated):
    world = corpora.world(generated, 3, pool_size=20, test_size=6, validation_size=10)
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
    again, other = (corpora.world(generated, s, 20, 6, 10) for s in (3, 4))
    assert again.stages[2].pool.to_list() == world.stages[2].pool.to_list()
    assert other.stages[2].pool.to_list() != world.stages[2].pool.to_list()
    assert (np.random.get_state()[1] == state).all(), "global randomness is left alone"


# ---- the protocol ------------------------------------------------------------------------------


def test_tokenizer_is_reproducible_and_loses_nothing(generated):
    texts = list(generated["train"]["prompt"])
    a, b = bases.train_tokenizer(texts, 320), bases.train_tokenizer(texts, 320)
    assert a.get_vocab() == b.get_vocab() and len(a) == 320
    odd = "naïve → {x: 1}\n\t日"
    assert a.decode(a(odd, add_special_tokens=False)["input_ids"]) == odd


def test_end_to_end_without_a_model(folder, build):
    specs = real.grid(str(folder), "", "smoke")
    assert [s.selector for s in specs] == ["random", "gradient", "lhas"] and {s.seed for s in specs} == {0}
    for s in specs:  # in this process: the temporary folders are not known to others
        sweep._job(s, sweep.key(s), None)
    assert not sweep.missing(specs), "finished runs are in the cache"
    table = real_table.summary(real.runs(specs))
    assert list(table["selector"]) == ["random", "gradient", "lhas"]
    assert np.isfinite(table[[f"{m}{s}" for m in real_table.METRICS for s in ("", "_nll")]]).all().all()
    assert table["current"].between(0, 1).all() and (table["current_nll"] > 0).all()
    tidy = real_table.table1(table)
    assert list(tidy.columns) == ["selector", "metric", "mean", "low", "high", "n_seeds"]
    assert list(real_table.against_random(table).index) == ["gradient", "lhas"]
    assert "no MODEL given" in real.base_line(specs)


def test_same_spec_same_rows(folder, build):
    spec = real.grid(str(folder), "", "smoke")[2]
    first, picks = real.execute(spec)
    second, same = real.execute(spec)
    pd.testing.assert_frame_equal(first, second)
    pd.testing.assert_frame_equal(picks, same)


def test_nll_table_by_hand():
    R = [[5.0, 6.0], [2.0, 5.0], [3.0, 1.0]]
    parts = [("id", t, c, 0, "nll", R[t][j]) for t in range(3) for j, c in enumerate("ab")]
    parts += [("id", t, c, 0, "accuracy", 0.0) for t in range(3) for c in "ab"]
    parts += [("ood", 2, "a", 0, m, 4.0) for m in ("nll", "accuracy")]
    parts += [("probe", 1, "b", k, m, v) for k, v in ((0, 5.0), (10, 3.0)) for m in ("nll", "accuracy", "tokens")]
    run = pd.DataFrame(parts, columns=["split", "stage", "capability", "step", "metric", "value"])
    out = real_table.summary(run.assign(run=0, selector="random", seed=0)).iloc[0]
    assert out["current_nll"] == pytest.approx((2 + 1) / 2)
    assert out["forgetting_nll"] == pytest.approx(3 - 2), "capability a rose from 2 to 3 nats"
    assert out["future_auc_nll"] == pytest.approx(4) and out["ood_nll"] == pytest.approx(4)
    assert metrics.matrix(run, "id", "nll").to_numpy().tolist() == R


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks, transformers warns
@pytest.mark.filterwarnings("ignore:fan_in_fan_out is set:UserWarning")  # GPT-2's layers are transposed
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_end_to_end_with_a_pretrained_model_and_lora(folder, build, tmp_path, family):
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    texts = [r["prompt"] for r in rows("math", 40)]
    base = bases.train_tokenizer(texts, 300)
    ends = {"eos_token": "<eos>"} if family == "gpt2" else {"bos_token": "<bos>", "eos_token": "<eos>"}
    PreTrainedTokenizerFast(tokenizer_object=base.backend_tokenizer, **ends).save_pretrained(tmp_path / family)
    if family == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=24, n_embd=16, n_layer=1, n_head=2))
    else:
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=300, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
            )
        )
    model.save_pretrained(tmp_path / family)
    spec = next(s for s in real.grid(str(folder), str(tmp_path / family), "smoke") if s.selector == "lhas")
    assert spec.train.rank == 2 and "LoRA rank 2" in real.base_line([spec])
    frame, picks = real.execute(spec)
    assert np.isfinite(frame.loc[frame["split"] == "id", "value"]).all() and len(picks) == 12
    tokenizer, loaded = bases.pretrained(spec.checkpoint)
    assert tokenizer.pad_token is not None and tokenizer.bos_token is not None
    other = replace(spec, fingerprint="changed")
    assert sweep.key(other) != sweep.key(spec), "another state of the checkpoint is another run"
