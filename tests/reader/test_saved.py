"""A saved race is code that runs again elsewhere, and says whether its numbers are the saved ones."""

import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lhas_utils as lu
from lhas_utils.core import paths
from lhas_utils.reader import again, compare, run_again, saved

pytestmark = pytest.mark.filterwarnings("ignore")
WEIGHT, TABLE = 0.25, pd.DataFrame({"x": [1]})
ctx = TABLE  # as a notebook has one; a selector's own ctx is another


def halved(x):
    return np.asarray(x) * WEIGHT


def own(ctx, budget, *, rng, share=0.5):
    return lu.top_k(ctx.loss + share * halved(rng.random(len(ctx))), budget)


def reads_a_table(ctx, budget, *, rng):
    return lu.top_k(ctx.loss * TABLE["x"][0], budget)


def around():
    weight = 2.0

    def inner(ctx, budget, *, rng):
        return lu.top_k(weight * ctx.loss, budget)

    return inner


def renamed(select, name):
    select.__name__ = name
    return select


class Picker:
    def __call__(self, ctx, budget, *, rng):
        return lu.top_k(ctx.loss, budget)


def test_the_text_has_what_the_selector_reads():
    text = saved.source_of(own)
    assert "import numpy as np\n" in text and "import lhas_utils as lu\n" in text and "WEIGHT = 0.25\n" in text
    assert text.index("def halved") < text.index("def own(ctx, budget, *, rng, share=0.5):")
    space = {}
    exec(text, space)
    assert space["own"] is not own and space["halved"](4) == 1.0
    taken = saved.source_of(lu.SELECTORS["loss"])
    assert "import top_k as top_k" in taken and "def loss(ctx, budget, *, rng):" in taken


@pytest.mark.parametrize(
    "select, words",
    [
        (around(), "inner reads weight of the function around it"),
        (reads_a_table, "reads_a_table reads TABLE, a DataFrame"),
        (Picker(), "Picker is a Picker"),
        (functools.partial(own, share=1.0), "own is a partial"),
        (lambda ctx, n, *, rng: lu.top_k(ctx.loss, n), "<lambda> is a lambda"),
        (renamed(lambda ctx, n, *, rng: lu.top_k(ctx.loss, n), "mine"), "mine is a lambda"),
    ],
)
def test_what_text_cannot_hold_is_refused(select, words):
    with pytest.raises(ValueError, match=f"save: expected code that can be run again elsewhere; {words}: write the"):
        saved.source_of(select)


def file(tmp_path, text):
    path = tmp_path / "mine.py"
    path.write_text(text)
    return path


SELECT = "import numpy as np\n\n\ndef pick(ctx, budget, *, rng):\n    return np.arange(budget)\n"


def test_a_file_is_a_selector_and_perhaps_a_race(tmp_path):
    select, asked = saved.loaded(file(tmp_path, SELECT))
    assert select.__name__ == "pick" and asked == {}
    more = SELECT + "\n\ndef other(x):\n    return x\n"
    with pytest.raises(ValueError, match=r"FILE .*expected one function.*or RACE = .*; got pick, other"):
        saved.loaded(file(tmp_path, more))
    select, asked = saved.loaded(file(tmp_path, more + "RACE = {'select': 'pick', 'profile': 'smoke'}\n"))
    assert select.__name__ == "pick" and asked == {"profile": "smoke"}
    for text, words in (("1 / 0", "got ZeroDivisionError"), ("def", "got SyntaxError"), ("x = 1", "got none")):
        with pytest.raises(ValueError, match=f"FILE .*{words}") as error:
            saved.loaded(file(tmp_path, text))
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="FILE 'none.py': expected a Python file"):
        run_again("none.py")
    path = file(tmp_path, SELECT + "RACE = {'seed': 1}\n")
    with pytest.raises(
        ValueError, match="expected in RACE some of against, data, model, profile, seeds, truth; got seed"
    ):
        run_again(str(path))


@pytest.mark.slow
def test_saved_and_run_again(tmp_path, monkeypatch, capsys):
    race = compare(own, against=["random"], profile="smoke", seeds=100)
    with pytest.raises(ValueError, match="save: expected a name of letters.*got '../x'"):
        race.save("../x")
    monkeypatch.setattr(paths, "BUILD", paths.BUILD / "tests")
    folder = race.save("mine")
    try:
        names = {p.name for p in folder.iterdir()}
        assert names == {"race.py", "race.json", "table.csv", "runs.csv", "differences.csv", "race.png", "race.pdf"}
        about = json.loads((folder / "race.json").read_text())
        assert (
            about["asked"]["seeds"] == [100] and about["digest"] == saved.digest_of(race) and about["versions"]["torch"]
        )
        assert f"digest {about['digest']}" in capsys.readouterr().out
        run_again(str(folder / "race.py"))
        assert f"the same numbers as saved, digest {about['digest']}" in capsys.readouterr().out
        monkeypatch.setattr(again, "digest_of", lambda race: "other")
        with pytest.raises(
            ValueError, match="race.py: expected the numbers of digest .*; got others, 0.000 away at most"
        ):
            run_again(str(folder / "race.py"))
    finally:
        for path in Path(folder).iterdir():
            path.unlink()
        folder.rmdir()
