"""The reader's text: the gate stands first, training is chosen by it, and who cannot be told apart is said."""

import json

import pandas as pd
import pytest

import lhas_utils as lu
from lhas_utils.core import TrainSpec, paths
from lhas_utils.learning import tokenizer
from lhas_utils.reader import own_text
from lhas_utils.runs import missing, pool
from lhas_utils.studies import stages
from lhas_utils.worlds import text

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Send everything that is cached to a temporary folder, and compute in this process, which knows it."""
    for name in ("CACHE", "MODELS", "CORPORA"):
        monkeypatch.setattr(paths, name, tmp_path / "build" / name.lower())
    monkeypatch.setattr(pool, "run", lambda job, jobs, *_: [job(*arguments) for arguments in jobs] and None)
    for cached in (text.registered, tokenizer, stages.prepared):
        cached.cache_clear()


def folder(tmp_path, *skills, response="answer {i}."):
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    for skill in skills:
        rows = [{"prompt": f"{skill} question {i}?", "response": response.format(i=i)} for i in range(60)]
        (data / f"{skill}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(data)


def gates(*gains):
    """Gate tables of two stages with these gains."""
    return [
        (
            TrainSpec(steps=k),
            pd.DataFrame(
                {"gain": [*g, 0.0], "passes": [v >= own_text.RISE for v in g] + [False]}, index=["a", "b", "final"]
            ),
        )
        for k, g in enumerate(gains, start=1)
    ]


def test_the_training_that_passes_is_used_else_the_one_with_the_best_worst_stage():
    assert own_text.best(gates((0.5, -0.1), (0.02, 0.03))).steps == 2
    assert own_text.best(gates((0.5, -0.2), (0.0, -0.1), (0.9, -0.3))).steps == 2


def test_trainings_are_tried_until_one_passes(monkeypatch):
    tables = iter([t for _, t in gates((0.5, -0.1), (0.2, 0.2), (0.3, 0.3))])
    monkeypatch.setattr(own_text, "trials", lambda specs, profile: [lu.RunSpec("random", 1000)] * 3)
    monkeypatch.setattr(own_text, "results", lambda specs: specs)
    monkeypatch.setattr(own_text.analysis, "gate", lambda rows, metric, rise: next(tables))
    tried = list(own_text.trained([], "fast"))
    assert len(tried) == 2 and own_text._tried_line(*tried[0]) == "  80 steps of 0.001: fails (a +0.500, b -0.100)"
    assert own_text._tried_line(*tried[1]) == "  80 steps of 0.001: passes (a +0.200, b +0.200)"


@pytest.mark.slow
def test_make_real_shows_the_gate_before_anybody_is_compared(tmp_path, build, capsys):
    data = folder(tmp_path, "math", "general")
    own_text.run_text(f"{data}?length=40", "", "smoke")
    lines = capsys.readouterr().out.splitlines()
    starts = [line.split(":")[0].split(" ")[0] for line in lines if not line.startswith(" ")]
    assert starts == ["data", "length", "base", "gate", "training", "Gate", "runs", "Nobody"]
    assert any(line.startswith("runs: 3 at profile smoke, 1 in the cache, 2 to compute") for line in lines)
    specs = lu.own_specs(f"{data}?length=40", "", "smoke")
    assert missing(specs) == [] and {s.world.max_length for s in specs} == {40}
    chosen = next(line for line in lines if line.startswith("training"))
    assert chosen == f"training: {specs[0].train.steps} steps of {specs[0].train.lr:g} a stage"


@pytest.mark.slow
def test_one_skill_runs_to_the_end(tmp_path, build, capsys):
    own_text.run_text(folder(tmp_path, "alone"), "", "smoke")
    said = capsys.readouterr().out
    assert "one skill, so one stage" in said and "Nobody is told apart" in said
    table = lu.analysis.text_summary(lu.results(lu.own_specs(folder(tmp_path, "alone"), "", "smoke")))
    assert table["future_auc"].isna().all() and table["forgetting"].eq(0).all() and table["current"].notna().all()


def hardest(ctx, budget, *, rng):
    return lu.top_k(ctx.loss, budget)


def knows(ctx, budget, *, rng):
    return lu.top_k([float(c) for c in ctx.pool["clean"]], budget)


@pytest.mark.slow
def test_the_race_on_ones_own_data(tmp_path, build, capsys):
    data = folder(tmp_path, "math", "general")
    race = lu.compare(hardest, against=["random"], profile="smoke", data=data)
    assert capsys.readouterr().out.startswith("Gate "), "before anybody is compared"
    assert list(race.table.index) == ["random", "hardest"] and race.metric == "nll" and race.asked["data"] == data
    assert (race.table["current"] < 0).all(), "minus the NLL"
    assert len(race.chosen(stage=1)) == 6 and set(race.chosen()["skill"]) == {"math", "general"}
    starts = race.common_start()
    assert list(starts.index) == ["hardest"] and "now" in starts
    with pytest.raises(ValueError, match="leaderboard: expected a race in the published world"):
        race.leaderboard()
    with pytest.raises(ValueError, match="knows: expected of .*a column 'clean', which its truth names; there is none"):
        lu.compare(knows, against=["random"], profile="smoke", data=data, truth="clean")
