"""Write the site: a page for each notebook, an overview, the claims, the search and the rows explorer.

Every page can be read without its script, `site.js`; nothing is fetched from elsewhere.
"""

import json
import re
import shutil
from functools import partial
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from ...claims import contract, ledger, records
from ...core import WHOLE, paths
from . import cells, data
from .mathml import inline, markdown

HERE = Path(__file__).parent
TITLE = "Selecting data for the long run: an executable companion"
NAV = {"index.html": "Overview", "claims.html": "Claims", "rows.html": "Rows"}
PAGES = {  # template -> page, its title, whose numbers it shows, its scripts
    "overview": ("index.html", TITLE, "", []),
    "claims": ("claims.html", "Claims", "the published run", ["site.js"]),
    "rows": ("rows.html", "Rows explorer", "the published run", ["rows.js", "site.js"]),
    "search": ("search.html", "Search", "", ["search.js", "site.js"]),
}


def _exporter(pages: frozenset[str]) -> HTMLExporter:
    """Return nbconvert with the template beside this file; `pages` are the notebooks that links may lead to."""
    return HTMLExporter(
        template_name="template",
        extra_template_basedirs=[str(HERE)],
        preprocessors=[cells.describe],
        filters={
            "markdown": partial(markdown, pages=pages),
            "inline": inline,
            "bare": lambda html: re.sub(r"<(style|script)\b.*?</\1>", "", html, flags=re.S),
        },
    )


def _figures(profile: str, images: Path) -> dict[str, dict]:
    """Copy a profile's figures to `images` and return their sidecars with `width` and `height`, by name."""
    found = {}
    for path in sorted(paths.figures(profile).glob("*.json")):
        png = path.with_suffix(".png").read_bytes()
        (images / f"{path.stem}.png").write_bytes(png)
        width, height = cells.size(png)
        found[path.stem] = json.loads(path.read_text(encoding="utf-8")) | {"width": width, "height": height}
    return found


def _script(path: Path, name: str, value: object) -> None:
    """Write plain data as a script that defines one constant; a page of a folder may load it without a network."""
    path.write_text(f"const {name} = {json.dumps(value, separators=(',', ':'))};\n", encoding="utf-8")


def _write(folder: Path, notebooks: dict[str, nbformat.NotebookNode], profile: str):
    """Write every page, its images and the style sheet into `folder`."""
    (folder / "img").mkdir(parents=True)
    exporter, figures = _exporter(frozenset(notebooks)), _figures(profile, folder / "img")
    titles = {stem: cells.title(nb) for stem, nb in notebooks.items()}
    nav = NAV | {f"{s}.html": title for s, title in titles.items()}
    run = "the published run" if profile in WHOLE else f"a run of the profile {profile}"
    for stem, nb in notebooks.items():
        page = {"title": titles[stem], "nav": nav, "here": f"{stem}.html", "run": run, "scripts": []}
        settings = {"unique_key": stem, "output_files_dir": "img", "figures": figures, "page": page}
        html, resources = exporter.from_notebook_node(nb, resources=settings)
        (folder / f"{stem}.html").write_text(html, encoding="utf-8")
        for name, content in resources["outputs"].items():
            (folder / name).write_bytes(content)
    rows, found = data.explorer(), records()
    _script(folder / "rows.js", "ROWS", rows)
    _script(folder / "search.js", "INDEX", data.index(notebooks, found, figures))
    shutil.copy(HERE / "site.js", folder)
    shared = {
        "notebooks": [(stem, titles[stem], cells.question(nb)) for stem, nb in notebooks.items()],
        "claims": found,
        "counts": ledger.counts(),
        "checked_in": {c: f"{stem}.html#claim-{c}" for stem, nb in notebooks.items() for c in cells.claims(nb)},
        "experiments": {claim: entry.get("experiment", "").split() for claim, entry in contract().items()},
        "explored": set(rows["experiments"]),
        "figures": figures,
        "run": run,
    }
    for template, (name, title, whose, scripts) in PAGES.items():
        page = {"title": title, "nav": nav, "here": name, "run": whose, "scripts": scripts}
        html = exporter.environment.get_template(f"{template}.html.j2").render(page=page, **shared)
        (folder / name).write_text(html + "\n", encoding="utf-8")
    highlighting = HtmlFormatter(style="default").get_style_defs(".highlight")
    style = (HERE / "style.css").read_text(encoding="utf-8")
    (folder / "style.css").write_text(f"{style}\n{highlighting}\n", encoding="utf-8")


def build(profile: str, source: Path | None = None, target: Path | None = None) -> Path:
    """Write the site and return its folder; it is replaced only when the new one is complete.

    Args:
        profile: whose executed notebooks and figures are shown.
        source: folder of executed notebooks, `build/<profile>` by default.
        target: folder to write, `build/html` by default.

    Raises:
        ValueError: there is no executed notebook in `source`.
    """
    source, target = source or paths.BUILD / profile, target or paths.BUILD / "html"
    found = sorted(p for p in source.glob("[0-9][0-9]_*.ipynb") if ".partial" not in p.name)
    if not found:
        raise ValueError(f"html: expected executed notebooks in build/{profile}; run `make html PROFILE={profile}`")
    unfinished = target.with_name(target.name + ".partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    _write(unfinished, {p.stem: nbformat.read(p, as_version=4) for p in found}, profile)
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)
    return target


def show(profile: str):
    """Build the site and print its pages with their weights."""
    target = build(profile)
    for page in sorted(target.glob("*.html")):
        used = set(re.findall(r'src="(img/[^"]+)"', page.read_text(encoding="utf-8")))
        weight = page.stat().st_size + sum((target / u).stat().st_size for u in used)
        print(f"{page.name:28} {page.stat().st_size / 1000:7.0f} kB, {weight / 1000:7.0f} kB with its figures")
    print(f"site: {target.relative_to(paths.ROOT)}/index.html")
