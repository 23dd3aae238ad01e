"""The grids of the real model: what is run on which model, and that light profiles need no weights."""

from pathlib import Path

import pytest

from lhas_utils.core import digest, paths
from lhas_utils.learning import GEMMA, TINY, packaged
from lhas_utils.runs import LLM, PARTS, experiments, llm_grids, llm_line, llm_specs, specs
from lhas_utils.runs.provenance import today
from lhas_utils.selection import SELECTORS
from lhas_utils.studies import BranchSpec, LevelSpec, RunSpec


@pytest.fixture(autouse=True)
def unsaid(monkeypatch):
    for name in ("DEVICE", "DTYPE", "LORA_RANK"):
        monkeypatch.delenv(name, raising=False)


def test_the_published_runs_are_of_the_packaged_model_and_of_evaluation_seeds():
    for name, seeds in zip(LLM[:3], (8, 8, 8)):
        grid = specs(name, "full")
        assert len(set(grid)) == len(grid)
        assert {Path(s.model.name).name for s in grid} == {GEMMA} and {s.model.dtype for s in grid} == {"bfloat16"}
        assert {s.seed for s in grid} == set(range(100, 100 + seeds))


def test_light_profiles_need_no_weights():
    for name in LLM[:3]:
        assert specs(name, "fast") == []
        assert {s.model for s in specs(name, "smoke")} == {packaged(TINY)}
    for part in PARTS:
        for profile in ("smoke", "fast"):
            assert {s.model for s in llm_specs("", profile, part)} == {packaged(TINY)}
            assert digest(*llm_specs("", profile, part)) == digest(*llm_specs("", "smoke", part))


def test_what_is_compared():
    branch, lived, level = (specs(name, "full") for name in LLM[:3])
    assert all(isinstance(s, BranchSpec) and {"gradient", "alignment", "lhas"} <= set(s.selectors) for s in branch)
    assert all(isinstance(s, RunSpec) for s in lived) and {s.selector for s in lived} <= set(SELECTORS)
    assert {s.selector for s in lived} == set(llm_grids.PATHS)
    assert all(isinstance(s, LevelSpec) for s in level)
    main = [s for s in level if s.match == "steps"]
    assert len(main) == 8 * 3 * 3 * 5  # seeds; the first family with both bases; sizes; levels
    assert {s.skill for s in level if s.base == "strong"} == set(llm_grids.LEVEL_FAMILIES[:1])
    assert {(s.match, s.base) for s in level} == {
        ("steps", "weak"),
        ("steps", "strong"),
        ("epochs", "weak"),
        ("tokens", "weak"),
    }
    assert {s.n for s in main} == {16, 64, 256} and {s.n for s in level if s.match == "epochs"} == {16, 256}


def test_where_it_computes_can_be_said(monkeypatch):
    monkeypatch.setattr(llm_grids, "made", lambda name: None)
    monkeypatch.setenv("DTYPE", "float32")
    assert {s.model.dtype for s in specs("llm_branch", "full")} == {"float32"}
    assert llm_specs(GEMMA, "fast")[0].model.dtype == "float32"
    assert "gemma-3-270m, LoRA rank 16, float32 on cpu" in llm_line(GEMMA, "fast")
    assert "gemma-3-tiny, LoRA rank 2" in llm_line("", "fast") and "stand-in" in llm_line("", "fast")
    monkeypatch.setenv("LORA_RANK", "4")
    assert "gemma-3-270m, LoRA rank 4" in llm_line(GEMMA, "fast") and "LoRA rank 4" in llm_line("", "fast")
    assert {s.rank for s in llm_specs(GEMMA, "fast", "difficulty")} == {4}
    assert {s.train.rank for s in specs("llm_paths", "full")} == {4}


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("", "huge"), "profile: expected one of smoke, fast, full; got 'huge'"),
        (("", "fast", "map"), "part: expected one of branch, paths, difficulty; got 'map'"),
        (("./no-such-folder", "fast"), "MODEL './no-such-folder': expected a hub id or a model folder"),
    ],
)
def test_bad_input_is_one_sentence(arguments, words):
    with pytest.raises(ValueError, match=words):
        llm_specs(*arguments)


def test_published_specs_are_the_same_on_every_machine(monkeypatch, tmp_path):
    here = today(["llm_branch"])
    monkeypatch.setattr(paths, "MODELS", tmp_path)
    assert specs("llm_branch", "full")[0].model.name.startswith(str(tmp_path))
    assert today(["llm_branch"]).equals(here)


def test_at_full_the_rows_are_read_and_never_computed(monkeypatch):
    monkeypatch.setattr(experiments, "is_published", lambda name: False)
    monkeypatch.setattr(experiments.cache, "results", lambda *arguments: pytest.fail("computed"))
    assert all(experiments.experiment(name, "full").empty for name in LLM)


def test_a_processor_without_bfloat16_is_said(monkeypatch):
    monkeypatch.setattr(llm_grids, "made", lambda name: None)
    monkeypatch.setattr(llm_grids, "fastest", lambda: ("cpu", "float32"))
    assert "does not compute" not in llm_line(GEMMA, "fast")
    monkeypatch.setenv("DTYPE", "bfloat16")
    assert "in which this processor does not compute: DTYPE=float32 is faster" in llm_line(GEMMA, "fast")
