"""The protocol on real text: what is refused, and end to end on small models, made here and pretrained."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lhas_utils.analysis import against_random, metrics, text_summary, text_table
from lhas_utils.core import Checkpoint, ModelSpec, paths
from lhas_utils.learning import byte_pairs, load_base, tokenizer
from lhas_utils.runs import base_line, key, missing, path, results, text_specs, trials
from lhas_utils.runs.cache import chosen, compute
from lhas_utils.studies import stages
from lhas_utils.worlds import text

METRICS = ("current", "future_auc", "forgetting", "ood")


@pytest.fixture
def folder(tmp_path):
    """Two skills, 40 training rows and 12 validation rows each."""
    data = tmp_path / "data"
    data.mkdir()
    for skill in ("math", "general"):
        for split, numbers in (("train", range(40)), ("validation", range(100, 112))):
            rows = [{"skill": skill, "prompt": f"{skill} question {i}?", "response": f"answer {i}."} for i in numbers]
            (data / f"{skill}.{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return data


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Send everything that is cached to a temporary folder; no progress bar."""
    for name in ("CACHE", "MODELS", "CORPORA"):
        monkeypatch.setattr(paths, name, tmp_path / "build" / name.lower())
    monkeypatch.setenv("LHAS_PROGRESS", "0")
    for cached in (text.registered, tokenizer, stages.prepared):
        cached.cache_clear()


def execute(spec):
    return stages.execute(spec, chosen(spec))


def test_bad_model_and_bad_numbers(folder, build, tmp_path):
    for model in ("/no/such/model", str(tmp_path)):
        with pytest.raises(ValueError, match="MODEL"):
            text_specs(str(folder), model, "smoke")
    with pytest.raises(ValueError, match="pool: expected an integer.*got -1"):
        text_specs(str(folder), "", "smoke", pool=-1)
    with pytest.raises(ValueError, match="seeds: expected an integer.*got True"):
        text_specs(str(folder), "", "smoke", seeds=True)
    with pytest.raises(ValueError, match="profile: expected one of smoke, fast, full; got 'huge'"):
        text_specs(str(folder), "", "huge")
    with pytest.raises(ValueError, match="DATA.*expected"):
        text_specs("/no/such/folder", "", "smoke")


def test_pool_and_seeds_can_be_asked_for(folder, build):
    specs = text_specs(str(folder), "", "fast", pool=10, seeds=3)
    assert {s.seed for s in specs} == {0, 1, 2} and {s.world.pool_size for s in specs} == {10}
    assert len(specs) == len(set(specs)) == 21
    given, own = text_specs(str(folder), "", "fast"), text_specs("", "", "fast")
    assert {s.seed for s in given} == {0, 1} and given[0].world.pool_size == 300
    assert own[0].world.pool_size == 120 and own[0].world.data != given[0].world.data


def test_end_to_end_without_a_model(folder, build):
    specs = text_specs(str(folder), "", "smoke")
    assert [s.selector for s in specs] == ["random", "gradient", "lhas"] and {s.seed for s in specs} == {0}
    for s in specs:  # in this process: the temporary folders are not known to others
        compute(s, None, path(s), path(s, picks=True))
    assert not missing(specs), "finished runs are in the cache"
    rows = results(specs)
    mixture = rows[rows["split"] == "mixture"].pivot_table(index="stage", columns="capability", values="value")
    assert mixture.loc[[1, 2], ["general", "math"]].to_numpy().tolist() == [[1, 0], [0, 1]]
    table = text_summary(rows)
    assert list(table["selector"]) == ["random", "gradient", "lhas"]
    assert np.isfinite(table[[f"{m}{s}" for m in METRICS for s in ("", "_nll")]]).all().all()
    assert table["current"].between(0, 1).all() and (table["current_nll"] > 0).all()
    tidy = text_table(table)
    assert list(tidy.columns) == ["selector", "metric", "mean", "low", "high", "n_seeds"]
    assert list(against_random(table).index) == ["gradient", "lhas"]
    assert "no MODEL given" in base_line(specs)


def test_the_limit_comes_from_the_data_unless_it_is_given(folder, build):
    assert {s.world.max_length for s in text_specs(str(folder), "", "fast")} == {32}
    long = [{"prompt": f"long question {i}?", "response": f"{i} " + "abcdefg hijk " * 30} for i in range(60)]
    (folder / "long.jsonl").write_text("".join(json.dumps(row) + "\n" for row in long))
    assert 32 < text_specs(str(folder), "", "fast")[0].world.max_length <= 256
    assert text_specs(f"{folder}?length=77", "", "fast")[0].world.max_length == 77
    assert text_specs(str(folder), "", "smoke")[0].world.max_length == 32
    with pytest.raises(ValueError, match="max_length: expected an integer in .*; got 3"):
        text_specs(f"{folder}?length=3", "", "smoke")


def test_trials_are_randoms_on_a_development_seed(folder, build):
    specs = text_specs(str(folder), "", "fast")
    tried = trials(specs, "fast")
    assert {(s.selector, s.seed) for s in tried} == {("random", 1000)} and tried[0].train == specs[0].train
    assert [(s.train.steps, s.train.lr) for s in tried] == [
        (60, 1e-3),
        (60, pytest.approx(3e-4)),
        (60, pytest.approx(1e-4)),
        (18, pytest.approx(1e-4)),
        (180, 1e-3),
    ]
    assert {replace(s, train=specs[0].train) for s in tried} == {replace(specs[0], seed=1000)}


def test_same_spec_same_rows(folder, build):
    spec = text_specs(str(folder), "", "smoke")[2]
    first, picks = execute(spec)
    second, same = execute(spec)
    pd.testing.assert_frame_equal(first, second)
    pd.testing.assert_frame_equal(picks, same)


def test_nll_table_by_hand():
    R = [[5.0, 6.0], [2.0, 5.0], [3.0, 1.0]]
    parts = [("mixture", t, c, 0, "weight", float(c == "ab"[t - 1])) for t in (1, 2) for c in "ab"]
    parts += [("id", t, c, 0, "nll", R[t][j]) for t in range(3) for j, c in enumerate("ab")]
    parts += [("id", t, c, 0, "accuracy", 0.0) for t in range(3) for c in "ab"]
    parts += [("ood", t, "a", 0, m, 4.0) for t in (0, 2) for m in ("nll", "accuracy")]
    parts += [("probe", 1, "b", k, m, v) for k, v in ((0, 5.0), (10, 3.0)) for m in ("nll", "accuracy", "tokens")]
    run = pd.DataFrame(parts, columns=["split", "stage", "capability", "step", "metric", "value"])
    out = text_summary(run.assign(run=0, selector="random", seed=0)).iloc[0]
    assert out["current_nll"] == pytest.approx((2 + 1) / 2)
    assert out["forgetting_nll"] == pytest.approx(3 - 2), "capability a rose from 2 to 3 nats"
    assert out["future_auc_nll"] == pytest.approx(4) and out["ood_nll"] == pytest.approx(4)
    assert metrics.matrix(run, "id", "nll").to_numpy().tolist() == R


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks, transformers warns
@pytest.mark.filterwarnings("ignore:fan_in_fan_out is set:UserWarning")  # GPT-2's layers are transposed
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_end_to_end_with_a_pretrained_model_and_lora(folder, build, tmp_path, family):
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    texts = [f"math question {i}?" for i in range(40)]
    base = byte_pairs(texts, 300)
    ends = {"eos_token": "<eos>"} if family == "gpt2" else {"bos_token": "<bos>", "eos_token": "<eos>"}
    PreTrainedTokenizerFast(tokenizer_object=base.backend_tokenizer, **ends).save_pretrained(tmp_path / family)
    if family == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=24, n_embd=16, n_layer=1, n_head=2))
    else:
        size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        model = LlamaForCausalLM(LlamaConfig(vocab_size=300, **size))
    model.save_pretrained(tmp_path / family)
    spec = next(s for s in text_specs(str(folder), str(tmp_path / family), "smoke") if s.selector == "lhas")
    assert spec.train.rank == 2 and "LoRA rank 2, on the CPU in " in base_line([spec])
    assert base_line([spec]).endswith("without a chat template, it has none")
    frame, picks = execute(spec)
    assert np.isfinite(frame.loc[frame["split"] == "id", "value"]).all() and len(picks) == 12
    words, loaded = load_base(spec.model, spec.corpus, 0)
    assert words.pad_token is not None and words.bos_token is not None
    assert loaded.config.vocab_size == 300
    other = replace(spec, model=replace(spec.model, fingerprint="changed"))
    assert key(other) != key(spec), "another state of the checkpoint is another run"
    assert isinstance(spec.model, Checkpoint) and not isinstance(spec.model, ModelSpec)


def test_a_chat_template_is_used_and_said_or_named_with_the_model(folder, build, tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=300, **size)).save_pretrained(tmp_path / "chat")
    words = byte_pairs(["math question?"], 300)
    words = PreTrainedTokenizerFast(tokenizer_object=words.backend_tokenizer, eos_token="<eos>", pad_token="<pad>")
    turn = "{{ m['role'] }}: {{ m['content'] }}{{ eos_token }}"
    words.chat_template = (
        "{% for m in messages %}" + turn + "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    )
    words.save_pretrained(tmp_path / "chat")
    said = base_line(text_specs(str(folder), str(tmp_path / "chat"), "smoke"))
    assert said.endswith("each example as a talk by its chat template")
    words.chat_template = "{{ raise_exception('only tools here') }}"
    words.save_pretrained(tmp_path / "chat")
    tokenizer.cache_clear()
    with pytest.raises(
        ValueError, match="^MODEL .*chat': chat template: expected turns that it takes; .*only tools here"
    ):
        text_specs(str(folder), str(tmp_path / "chat"), "fast")
