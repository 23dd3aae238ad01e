"""A figure on disk: three files that are the same whenever the figure is the same."""

import json
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lhas_utils.core import digest, paths
from lhas_utils.figures import COLUMN, PAGE, save_figure, style

SETUP = SimpleNamespace(notebook="03_rank_reversal", profile="smoke")
DATA = pd.DataFrame({"name": ["a", "b"], "value": [0.12345678, np.nan], "n": [1, 2], "flag": [True, False]})


@pytest.fixture
def save(tmp_path, monkeypatch):
    """A function that draws a line, saves it in a folder and returns the bytes of the three files by their kind."""

    def saved(folder, data=DATA, width=COLUMN, **texts):
        monkeypatch.setattr(paths, "figures", lambda profile: tmp_path / folder / profile)
        style()
        fig, ax = plt.subplots(figsize=(width, 2))
        ax.plot([0, 1], [0, 1])
        save_figure(fig, "fig0", SETUP, data=data, **{"caption": "A line.", "alt": "A rising line."} | texts)
        plt.close(fig)
        return {p.suffix: p.read_bytes() for p in sorted((tmp_path / folder / "smoke").iterdir())}

    return saved


def test_saving_twice_gives_the_same_bytes_and_no_date(save):
    first = save("one")
    assert first == save("two") and set(first) == {".pdf", ".png", ".json"}
    assert b"CreationDate" not in first[".pdf"] and b"Software" not in first[".png"]


def test_the_sidecar_says_what_is_plotted(save, capsys):
    files = save("one", claims=("C01",))
    sidecar = json.loads(files[".json"])
    columns = {"name": ["a", "b"], "value": [0.123457, None], "n": [1, 2], "flag": [1, 0]}
    assert sidecar["data"] == columns and sidecar["claims"] == ["C01"]
    assert (sidecar["caption"], sidecar["alt"]) == ("A line.", "A rising line. A line.")
    assert (sidecar["figure"], sidecar["notebook"], sidecar["profile"]) == ("fig0", "03_rank_reversal", "smoke")
    assert sidecar["digest"].encode() in files[".png"] and sidecar["digest"].encode() in files[".pdf"]
    assert capsys.readouterr().out == "fig0: A line.\n"
    save("two", caption="A line of so-many words. " * 6)
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert len(first) <= 100 and second.startswith("    ") and second[4] != " "


def test_the_digest_is_of_numbers_and_texts(save):
    known = json.loads(save("one")[".json"])["digest"]
    assert json.loads(save("two", DATA.assign(n=[1, 3]))[".json"])["digest"] != known
    assert json.loads(save("three", caption="Another.")[".json"])["digest"] != known


@pytest.mark.parametrize("width", [3.6, 7.2, 10.5])
def test_a_figure_has_the_width_of_a_column_or_of_a_page(save, width):
    for good in (COLUMN, PAGE):
        assert save("one", width=good)
    with pytest.raises(ValueError, match=rf"^fig0: expected a width of 3\.5 or 7 in; got {width:g} in$"):
        save("two", width=width)


def test_published_pictures_have_the_width_of_a_column_or_of_a_page(root):
    for path in sorted((root / "figures").glob("*.png")):
        assert plt.imread(path).shape[1] in (200 * COLUMN, 200 * PAGE), path.name


def test_published_sidecars_carry_their_digests(root):
    files = sorted((root / "figures").glob("*.json"))
    assert files
    for path in files:
        sidecar = json.loads(path.read_text())
        assert sidecar.pop("digest") == digest(sidecar), path.name
