"""README, artefact appendix and index of figures say what the published run says."""

import json
import re
from types import SimpleNamespace

import pandas as pd
import pytest

from lhas_utils.core import paths
from lhas_utils.figures import LABELS
from lhas_utils.reader import readme

README = (paths.ROOT / "README.md").read_text()


@pytest.mark.parametrize("file", readme.GENERATED)
def test_generated_parts_are_those_of_the_published_run(file):
    text = (paths.ROOT / file).read_text()
    assert readme.renewed(file, text) == text


@pytest.mark.parametrize(
    "sides, lead, told",
    [
        (
            {"loss": (0.3, 0.2), "lhas": (-0.1, 0.4), "length": (0.0, -0.2)},
            "Not reliably.",
            "better now and later: Loss; not told apart now, worse later: Length; worse now, better later: LHAS.",
        ),
        (
            {"loss": (0.3, 0.2), "lhas": (-0.1, -0.4)},
            "Here it does.",
            "better now and later: Loss; worse now and later: LHAS.",
        ),
        (
            {"loss": (0.3, -0.2), "lhas": (0.1, 0.4)},
            "Here it does not.",
            "better now and later: LHAS; better now, worse later: Loss.",
        ),
        (
            {"loss": (0.04, -0.2), "lhas": (0.0, 0.0)},
            "Not reliably.",
            "not told apart now and later: LHAS; not told apart now, worse later: Loss.",
        ),
    ],
)
def test_the_question_is_answered_by_the_sides_of_now_and_later(monkeypatch, sides, lead, told):
    """Half-widths of .05: what lies within -+.05 is not told apart. RS2 gains most and decides nothing."""
    rows = [
        (name, metric, mean, mean - 0.05, mean + 0.05, 8)
        for name, means in ({"random": (0, 0), "start": (-1, -1), "rs2": (0.9, 0.9)} | sides).items()
        for metric, mean in zip(("now", "later"), means)
    ]
    table = pd.DataFrame(rows, columns=["selector", "metric", "mean", "low", "high", "n_seeds"])
    monkeypatch.setattr(readme, "_minus_random", lambda metric: table)
    said = readme.answer()
    assert said.startswith(f"**{lead}** Of {len(sides)} ways") and "8 seeds" in said
    assert "Loss has the largest gain now" in said and f"All of them: {told} RS2, better now and later" in said
    even = table.assign(mean=0.0, low=-0.05, high=0.05)
    monkeypatch.setattr(readme, "_minus_random", lambda metric: even if metric == "nll" else table)
    moved = {LABELS[n] for n, (now, later) in sides.items() if max(abs(now), abs(later)) > 0.05}
    assert readme.answer() == re.sub(
        r"(LHAS|Length|Loss)([;.])", lambda m: f"{m[1]}{' (not in nats a token)' * (m[1] in moved)}{m[2]}", said
    )


def test_a_missing_marker_is_named():
    with pytest.raises(ValueError, match="README.md: expected the markers `<!-- generated: summary -->`"):
        readme.renewed("README.md", README.replace("<!-- generated: summary -->", ""))


def test_the_real_model_is_spoken_of_as_far_as_it_is_published(monkeypatch):
    """Its rows are those of SkillWorld here."""
    stand_in, ready = {"llm_paths": "table1", "llm_branch": "branch"}, set()
    own_runs, own_rows = readme.runs, readme.published
    monkeypatch.setattr(readme, "is_published", ready.__contains__)
    monkeypatch.setattr(readme, "published", lambda name: own_rows(stand_in[name]))
    monkeypatch.setattr(readme, "runs", lambda name, profile: own_runs(stand_in.get(name, name), profile))
    monkeypatch.setattr(readme, "kept", lambda name, grid: len(grid) // 2)
    counts = "4 of 8 runs of llm_branch, 20 of 40 runs of llm_paths, 228 of 456 runs of llm_difficulty"
    wait = "- Not published before all runs are there: {} so far; `make llm PROFILE=full` computes the rest."
    ready.add("text_branch")
    assert readme.real() == wait.format(counts)
    ready.add("llm_paths")
    lived = readme.real().splitlines()
    assert lived.pop() == wait.format(counts.replace("20 of 40 runs of llm_paths, ", ""))
    assert len(lived) == 4 and lived[0].startswith("- Each selector with its own past. Gate passes.")
    assert "LHAS is not told apart from Random in long-horizon utility" in lived[3] and "Gemma 3 270M" in lived[3]
    monkeypatch.setattr(
        readme, "record", lambda claim: SimpleNamespace(verdict=f"<{claim}>", stands_on="1 of 2", evidence="+1")
    )
    ready.add("llm_branch")
    said = readme.real().splitlines()
    assert said[:4] == lived and said[4].startswith("- All from one checkpoint. Gate passes.")
    pairs = r"- Pairs of selectors ordered, {}, as .*: SkillWorld \d+% \(p = .*\), small text model \d+% .*seeds \d+%\."
    assert all(re.fullmatch(pairs.format(when), line) for when, line in zip(("now", "later"), said[8:10], strict=True))
    assert said[10].startswith("- From one checkpoint, the weakest part of each claim")
    claims = [line[line.index(": <") + 2 :] for line in said[11:-1]]
    assert claims == [f"<F{n:02}> (1 of 2), +1." for n in (1, 2, 3, 4, 5, 6, 7, 11, 12)]
    assert said[12].startswith("  - Loss and Gradient selection gain more on the stage at hand than Random: ")
    ready.add("llm_difficulty")
    lead, *others, rises = [line for line in readme.real().splitlines() if line not in said[:-1]]
    assert [line[line.index(": <") + 2 :] for line in others] == [
        *(f"<{claim}> (1 of 2), +1; with equal epochs <{claim}e> (1 of 2), +1." for claim in ("F08", "F09", "F10")),
        "<F15> (1 of 2), +1.",
    ]
    assert lead.startswith("- By difficulty, the weakest part of each claim")
    gap = "  - the generalization gap rises with difficulty"
    assert rises == f"{gap}: <F16> (1 of 2), +1; with equal epochs <F16e> (1 of 2), +1."
    assert [line for line in readme.real().splitlines() if line in said] == said[:-1]


def test_every_notebook_with_claims_has_its_commands(monkeypatch):
    shared = {"minutes": "4", "command": "make claim ID=A1"}
    own = [SimpleNamespace(claim=c, notebook=n, **shared) for c, n in (("A1", "03"), ("B1", "01"), ("A2", "03"))]
    monkeypatch.setattr(readme, "records", lambda: own)
    assert readme.commands().splitlines()[2:] == [
        "| 01 | `make 01` | B1 | `make claim ID=A1`, 4 min at `PROFILE=full` |",
        "| 03 | `make 03` | A1, A2 | `make claim ID=A1`, 4 min at `PROFILE=full` |",
    ]


def test_the_index_shows_every_figure_with_its_text_and_claims(tmp_path, monkeypatch):
    side = {"notebook": "03_rank", "caption": "It rises.", "alt": 'A "rise" < 1', "claims": ["C01", "C02"]}
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_text(json.dumps(side | {"figure": name}))
    monkeypatch.setattr(paths, "figures", lambda profile: tmp_path)
    picture = '<a href="a.pdf"><img src="a.png" width="240" alt="A &quot;rise&quot; &lt; 1"></a>'
    first = f"| {picture} | **a**: It rises. | [03](../notebooks/03_rank.ipynb) | C01, C02 |"
    assert readme.index().splitlines()[2:] == [
        first,
        first.replace("a.pdf", "b.pdf").replace("a.png", "b.png").replace("**a", "**b"),
    ]


def test_the_readme_says_whose_code_computed_the_published_rows(monkeypatch):
    made = pd.DataFrame(
        {
            "experiment": ["table1", "local", "bands", "orders", "lora"],
            "runs": [3, 2, 1, 0, 4],
            "same_code": [True, False, True, False, False],
            "same_specs": [True, False, False, False, True],
            "still": [False, False, False, False, True],
            "again": [0, 0, 0, 0, 2],
        }
    )
    monkeypatch.setattr(readme, "provenance", lambda: made)
    assert readme.made_by() == (
        "Published rows of 4 of 5 experiments, 10 runs; computed by older code, of which today's computed 2 runs again "
        "with equal rows: `lora`; computed by the code as it is today: `table1`; computed by older code: `local`; "
        "computed for other specifications than today's: `bands`; not published: `orders`."
    )


def test_writing_twice_changes_nothing(tmp_path, monkeypatch, capsys):
    (tmp_path / "claims.yml").symlink_to(paths.ROOT / "claims.yml")
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    stale = README.replace("<!-- generated: summary -->\n", "<!-- generated: summary -->\nold\n")
    (tmp_path / "README.md").write_text(stale)
    monkeypatch.setattr(readme, "GENERATED", {"README.md": {"summary": readme.summary}})
    readme.write_readme()
    assert capsys.readouterr().out == "README.md: generated parts renewed\n"
    assert (tmp_path / "README.md").read_text() == README
    readme.write_readme()
    assert capsys.readouterr().out == ""
