"""The static site: complete, offline, every picture described, every internal link leading somewhere."""

import base64
import json
import re
from io import BytesIO

import matplotlib.pyplot as plt
import nbformat
import pytest
from bs4 import BeautifulSoup

from lhas_utils.claims.contract import contract
from lhas_utils.core import paths
from lhas_utils.reader import site

new = nbformat.v4
OWN = ["index.html", "claims.html", "rows.html", "search.html"]
ROWS = {"t": [12.7062], "metrics": ["exact"], "experiments": {"table1": {"arms": ["lhas"], "seeds": [1], "values": {}}}}


def png() -> str:
    fig, buffer = plt.figure(figsize=(1, 1)), BytesIO()
    fig.savefig(buffer, format="png")
    plt.close(fig)
    return base64.b64encode(buffer.getvalue()).decode()


def notebook(title: str, *cells):
    head = new.new_markdown_cell(f"# {title}\n\n**Question.** Does *this* work?")
    return new.new_notebook(
        cells=[head, *cells],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        },
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    source = tmp_path_factory.mktemp("executed")
    image = new.new_output("display_data", data={"image/png": png()})
    text = new.new_output("stream", name="stdout", text="C01  a claim\n    verdict     REPRODUCED\nD03e  another\n")
    table = (
        "<div><style scoped>td {color: url(x)}</style><script>alert(1)</script><table><tr><td>1</td></tr></table></div>"
    )
    frame = new.new_output("execute_result", data={"text/html": table, "text/plain": "1"}, execution_count=3)
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}, "text/plain": "FloatSlider(value=0.5)"}
    widget = new.new_output("display_data", data=view)
    first = notebook(
        "00 - Start",
        new.new_markdown_cell(
            "## Formula\n\nInline $\\alpha_i \\le \\frac{1}{2}$ and\n\n$$\\sum_{i=1}^n "
            "x_i^2$$\n\n[there](03_rank.ipynb), [nowhere](05_none.ipynb)\n\n| a | b |\n|---|---|\n| 1 | 2 |"
        ),
        new.new_code_cell("x = 1\n" + "y = " + "1 + " * 80 + "1", execution_count=1),
        new.new_code_cell("plt.show()", execution_count=2, outputs=[image]),
        new.new_code_cell("frame", execution_count=3, outputs=[frame, widget]),
        new.new_markdown_cell("<details><summary>Hint</summary>\n\n`code` inside\n\n</details>"),
    )
    first.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {"m": {}}}}
    second = notebook(
        "03 - Rank",
        new.new_code_cell('lu.check_claim("C01", setup)', execution_count=1, outputs=[text]),
        new.new_markdown_cell("## What we saw"),
    )
    for name, nb in {"00_start": first, "03_rank": second, "03_rank.partial": first}.items():
        nbformat.write(nb, source / f"{name}.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site.data, "explorer", lambda: ROWS)
        return site.build("smoke", source, tmp_path_factory.mktemp("site") / "html")


@pytest.fixture(scope="module")
def pages(folder):
    return {p.name: BeautifulSoup(p.read_text(encoding="utf-8"), "html.parser") for p in folder.glob("*.html")}


def test_the_pages_are_those_of_the_finished_notebooks(pages):
    assert set(pages) == {*OWN, "00_start.html", "03_rank.html"}


def test_no_internal_link_is_broken(folder, pages):
    for name, page in pages.items():
        for tag, key in (("a", "href"), ("img", "src"), ("link", "href")):
            for element in page.find_all(tag, attrs={key: True}):
                target, _, anchor = element[key].partition("#")
                target = target.partition("?")[0]
                if target.startswith("data:"):
                    continue
                assert (folder / (target or name)).exists(), (name, element)
                if anchor:
                    assert pages[target or name].find(id=anchor), (name, element)


def test_nothing_comes_from_elsewhere_and_only_our_own_script_runs(folder, pages):
    for name, page in pages.items():
        assert not page.find_all(["style", "iframe", "object"])
        scripts = page.find_all("script")
        assert not scripts or name in OWN
        assert all(not s.get_text() and s["src"] in ("site.js", "rows.js", "search.js") for s in scripts)
        assert not [e for e in page.find_all(src=True) if re.match(r"(https?:)?//", e["src"])]
        assert not [e for e in page.find_all("link") if re.match(r"(https?:)?//", e["href"])]
    assert "@import" not in (folder / "style.css").read_text() and "url(" not in (folder / "style.css").read_text()
    code = (folder / "site.js").read_text()
    assert not re.search(r"https?:|fetch|XMLHttp|import\b|eval|document\.write", code)


def constant(path, name):
    """Return the plain data of a script that defines one constant."""
    found = re.fullmatch(rf"const {name} = (.*);\n", path.read_text(encoding="utf-8"))
    return json.loads(found[1])


def test_the_scripts_hold_the_rows_and_an_index_whose_addresses_exist(folder, pages):
    assert constant(folder / "rows.js", "ROWS") == ROWS
    parts = constant(folder / "search.js", "INDEX")
    assert {"title": "00 Formula", "text": parts[1]["text"], "url": "00_start.html#Formula"} == parts[1]
    assert "Inline" in parts[1]["text"] and "03_rank.ipynb" not in parts[1]["text"]
    assert len([p for p in parts if p["url"].startswith("claims.html#")]) == len(contract())
    for part in parts:
        name, _, anchor = part["url"].partition("#")
        assert pages[name].find(id=anchor), part


def test_every_page_says_whose_numbers_it_shows(pages):
    said = {name: page.select_one(".run") for name, page in pages.items()}
    assert said["03_rank.html"].get_text() == "Numbers on this page: a run of the profile smoke."
    for name in ("claims.html", "rows.html"):
        assert said[name].get_text() == "Numbers on this page: the published run."


def test_the_table_of_claims_has_what_it_is_filtered_by_and_links_to_the_rows(pages):
    page = pages["claims.html"]
    rows = page.select("table.claims.sorts tbody tr")
    assert [r["data-claim"] for r in rows] == list(contract())
    assert {r["data-tally"] for r in rows} == {"papers", "printed", "ours"} and all(r["data-verdict"] for r in rows)
    assert page.select_one("#C01 a[href='rows.html?experiment=table1']")


def test_every_image_is_a_file_with_alt_text_and_size(folder, pages):
    images = [i for page in pages.values() for i in page.find_all("img")]
    assert images
    for image in images:
        assert len(image["alt"]) > 10 and int(image["width"]) > 0 and (folder / image["src"]).stat().st_size > 0


def test_tables_scroll_and_a_widget_leaves_its_text(pages):
    page = pages["00_start.html"]
    assert len(page.select("main table")) == 2 and all(t.find_parent(class_="wide") for t in page.select("main table"))
    assert "FloatSlider" in page.get_text()


def test_formulas_are_mathml(pages):
    assert len(pages["00_start.html"].find_all("math")) == 2
    assert "$" not in pages["00_start.html"].find("main").get_text()
    assert site.mathml(r"\frac{") and "$" not in site.mathml(r"\undefinedthing{x}")
    assert site.mathml(r"\undefinedthing{x}") == r"<code>\undefinedthing{x}</code>"
    assert "<mo>arg</mo>" in site.mathml(r"\arg\max_i x_i")


def test_every_formula_of_the_notebooks_is_drawn():
    for path in sorted(paths.NOTEBOOKS.glob("*.ipynb")):
        cells = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"]
        formulas = re.findall(r"\$\$(.+?)\$\$|\$([^$]+)\$", "\n\n".join(cells), re.S)
        unread = [tex for tex in map("".join, formulas) if "<code>" in site.mathml(tex)]
        assert not unread, (path.name, unread)


def test_links_between_notebooks_lead_to_pages_or_vanish(pages):
    links = {a.get_text(): a["href"] for a in pages["00_start.html"].select("main a[href]")}
    assert links.get("there") == "03_rank.html" and "nowhere" not in links
    assert "nowhere" in pages["00_start.html"].get_text()


def test_a_claim_links_to_the_cell_that_checks_it(pages):
    for claim in ("C01", "D03e"):
        assert pages["claims.html"].select_one(f"#{claim} a[href='03_rank.html#claim-{claim}']")
    assert len(pages["claims.html"].select("article.claim")) == len(contract())


def test_one_h1_a_language_and_a_viewport_on_every_page(pages):
    for page in pages.values():
        assert (
            len(page.find_all("h1")) == 1
            and page.html["lang"] == "en"
            and page.find("meta", attrs={"name": "viewport"})
        )


def test_the_site_is_light(folder):
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.suffix in (".html", ".css")) < 400_000


def test_no_notebooks_is_an_error_that_says_what_to_run(tmp_path):
    with pytest.raises(ValueError, match="run `make html PROFILE=smoke`"):
        site.build("smoke", tmp_path, tmp_path / "html")
