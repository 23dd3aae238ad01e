"""What CONTRIBUTING.md tells a newcomer to write works where it says to write it."""

import re
import textwrap
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import yaml

import lhas_utils as lu
from lhas_utils import claims
from lhas_utils.core import PROFILES, ModelSpec, TrainSpec, paths
from lhas_utils.figures.style import STYLES, style_of
from lhas_utils.runs import EXPERIMENTS, chosen
from lhas_utils.selection import SELECTORS
from lhas_utils.studies import STUDIES, RunSpec

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = {
    block.splitlines()[0].removeprefix("# "): block
    for block in map(textwrap.dedent, re.findall(r"^ *```(?:python|yaml)\n(.*?)^ *```", TEXT, re.S | re.M))
}
TINY = {
    "model": ModelSpec(hidden=16, steps=20),
    "train": TrainSpec(steps=4, probe_steps=(0, 2, 4), probe_size=32),
}


def written(file: str) -> dict:
    """The names that a block defines, executed as if it stood at the end of its file, or were that file."""
    name = file.removesuffix(".py").replace("/", ".")
    known = dict(vars(import_module(name))) if (ROOT / file).exists() else {}
    space = known | {"__name__": name, "__package__": name.rpartition(".")[0]}
    exec(compile(BLOCKS[file], file, "exec"), space)
    return space


@pytest.fixture(autouse=True)
def house_as_it_was():
    """Selectors and looks that a test enters are gone after it."""
    before = dict(SELECTORS), dict(STYLES)
    yield
    for table, old in zip((SELECTORS, STYLES), before):
        table.clear()
        table.update(old)


def test_the_selector_keeps_the_contract_and_has_a_look(capsys):
    select = written("lhas_utils/selection/selectors.py")["known"]
    assert SELECTORS["known"] is select and lu.check_selector(select), capsys.readouterr().out
    written("lhas_utils/figures/style.py")
    for values in zip(*(style_of(name) for name in SELECTORS)):
        assert len(set(map(str, values))) == len(SELECTORS), values


def test_the_world_is_fit_for_a_run():
    world = written("lhas_utils/worlds/twin.py")["TwinWorld"](pool_size=40, test_size=8)
    one, again = world.build(0), world.build(0)
    assert one.stages[0].pool.to_dict() == again.stages[0].pool.to_dict() != world.build(1).stages[0].pool.to_dict()
    spec = RunSpec("lhas", 0, world=world, **TINY)
    rows, picks = STUDIES[RunSpec](spec, chosen(spec))
    assert set(rows["capability"]) == {"reverse", "sort"} and set(picks["stage"]) == {1, 2}


def test_the_metric_is_a_function_of_the_scores():
    assert written("lhas_utils/analysis/metrics.py")["best_task"](np.array([[0.1, 0.9], [0.5, 0.3]])) == 0.5
    assert "best_task" not in vars(lu.metrics)


def test_the_claim_is_judged_from_the_published_rows(tmp_path, monkeypatch):
    (entry,) = yaml.safe_load(BLOCKS["claims.yml"])
    assert entry["id"] not in claims.contract()
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    (tmp_path / "claims.yml").write_text(BLOCKS["claims.yml"])
    claims.contract.cache_clear()
    try:
        (effect,) = claims.effects(entry["id"], "published")
        assert effect.n_seeds == 12 and claims.judge(effect) in claims.VERDICTS
    finally:
        claims.contract.cache_clear()


def test_the_experiment_has_runs_at_every_profile():
    grid = written("lhas_utils/runs/grids.py")["redundancy"]
    assert "redundancy" not in EXPERIMENTS
    sizes = [len(grid(profile)) for profile in PROFILES]
    assert sizes == sorted(sizes) and all(spec.world.duplicates in (0.0, 0.6) for spec in grid("full"))


def test_every_block_is_tried():
    assert set(BLOCKS) == {
        "lhas_utils/selection/selectors.py",
        "lhas_utils/figures/style.py",
        "lhas_utils/worlds/twin.py",
        "lhas_utils/analysis/metrics.py",
        "claims.yml",
        "lhas_utils/runs/grids.py",
    }
