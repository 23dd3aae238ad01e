"""A static site of the executed notebooks: plain HTML and CSS, no script, nothing fetched from elsewhere.

Notebooks go through nbconvert cell by cell; formulas become MathML, which browsers draw themselves;
figures become files with the alt text of their sidecars; each claim links to the cell that checks it.
"""

import base64
import re
import shutil
import struct
from html import escape
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter

from . import ledger, paths, report

TITLE = "Selecting data for the long run: an executable companion"
CSS = """
:root { color-scheme: light; --line: #d0d4da; --soft: #f5f6f8; --ink: #1b1f24; --link: #0a5bb0; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: #fff; color: var(--ink); font: 17px/1.55 system-ui, sans-serif;
  overflow-wrap: break-word; }
main, header nav { max-width: 54rem; margin: 0 auto; padding: 0 1rem; }
header { border-bottom: 1px solid var(--line); background: var(--soft); font-size: .9rem; }
header nav { padding: .5rem 1rem; display: flex; flex-wrap: wrap; gap: .2rem .9rem; }
header [aria-current] { font-weight: 700; color: var(--ink); text-decoration: none; }
a { color: var(--link); } h1, h2, h3 { line-height: 1.25; } h1 { font-size: 1.8rem; }
  h2 { margin-top: 2.2rem; font-size: 1.35rem; } h3 { font-size: 1.1rem; }
.anchor-link { display: none; }
pre { overflow-x: auto; padding: .6rem .8rem; font: .8rem/1.45 ui-monospace, monospace; margin: .4rem 0; }
.code > pre, .code .highlight pre { background: var(--soft); border: 1px solid var(--line);
  border-radius: 4px; }
.out pre { border-left: 3px solid var(--line); background: #fff; }
:not(pre) > code { background: var(--soft); padding: .05em .3em; font-size: .88em; }
img { max-width: 100%; height: auto; display: block; margin: .6rem auto; }
figure { margin: 1.6rem 0; } figcaption { font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; } td, th { border-bottom: 1px solid var(--line);
  padding: .3rem .6rem; text-align: left; vertical-align: top; }
math { font-size: 1.08em; } math[display=block] { overflow-x: auto; overflow-y: hidden; margin: .6rem 0;
  max-width: 100%; }
details { margin: .4rem 0; } summary { cursor: pointer; color: var(--link); }
.verdict { font-weight: 700; white-space: nowrap; }
.claim { border: 1px solid var(--line); border-radius: 4px; padding: .1rem .9rem .6rem; margin: 1rem 0; }
.claim h3 { margin: .7rem 0 .1rem; font-size: 1rem; } .claim .verdict { margin: 0 0 .3rem; font-size: .9rem;
  } .claim dl { display: grid; grid-template-columns: 7rem 1fr; gap: .15rem .8rem; margin: 0;
  font-size: .9rem; }
.claim dt { color: #4a525c; } .claim dd { margin: 0; min-width: 0; }
:target { outline: 3px solid #E69F00; outline-offset: 3px; }
@media (max-width: 40rem) {
  .claim dl { display: block; } .claim dd { margin-bottom: .3rem; } h1 { font-size: 1.5rem; }
  h2 { font-size: 1.25rem; }
  table.cards thead { display: none; } table.cards tr { display: block; border-bottom: 1px solid var(--line);
  padding: .4rem 0; }
  table.cards td { display: block; border: 0; padding: .05rem 0; }
}
"""


def mathml(tex: str, display: str = "inline") -> str:
    """Return TeX as MathML; what the converter cannot read stays visible as TeX."""
    try:
        return convert(tex.strip(), display=display)
    except Exception:
        return f"<code>{escape(tex)}</code>"


class _Renderer(IPythonRenderer):
    def inline_math(self, body):
        return mathml(body)

    def block_math(self, body):
        return mathml(body, "block")

    multiline_math = block_math

    def latex_environment(self, name, body):
        return mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")


def markdown(source: str) -> str:
    """Return Markdown as HTML with formulas as MathML."""
    return MarkdownWithMath(renderer=_Renderer(escape=False, anchor_link_text="")).render(source)


def _inline(text: str) -> str:
    """Return one line of Markdown (code, emphasis, formulas) as HTML without a paragraph around it."""
    return re.sub(r"^<p>|</p>\s*$", "", markdown(escape(str(text), quote=False)).strip())


def _question(nb) -> str:
    found = re.search(r"\*\*Question\.\*\* (.+)", nb.cells[0].source) if nb.cells else None
    return found[1].strip() if found else ""


def _title(nb) -> str:
    return nb.cells[0].source.splitlines()[0].lstrip("# ").strip()


def _size(png: bytes) -> tuple[int, int]:
    return struct.unpack(">II", png[16:24])


def claim_cells(nb) -> dict[str, int]:
    """Map claim id -> index of the first cell that checks it, by what the cell printed."""
    out = {}
    for i, cell in enumerate(nb.cells):
        if "check_claim" in cell.source:
            text = "".join(o.get("text", "") for o in cell.get("outputs", []))
            for claim in re.findall(r"^([A-Z]{1,2}\d{2})\b", text, re.M):
                out.setdefault(claim, i)
    return out


def _alt(cell, heading: str, figures: dict) -> str:
    names = re.findall(r"save_figure\(\s*\w+,\s*[\"'](\w+)", cell.source)
    if names and names[0] in figures:
        return figures[names[0]]["alt"]
    return f"Figure of the section “{heading}”; the text beside it says what to look for."


def _cells(nb, exporter, stem: str, figures: dict, images: Path) -> list[str]:
    """Return each cell as HTML; images are written to `images`."""
    out, heading, count = [], _title(nb), 0
    anchors = {}
    for claim, i in claim_cells(nb).items():
        anchors.setdefault(i, []).append(claim)
    for i, cell in enumerate(nb.cells):
        if cell.cell_type == "markdown":
            heading = ([h.strip() for h in re.findall(r"^#+ (.+)", cell.source, re.M)] or [heading])[-1]
            soup = BeautifulSoup(markdown(cell.source), "html.parser")
        else:
            one = nbformat.v4.new_notebook(cells=[cell], metadata=nb.metadata)
            soup = BeautifulSoup(exporter.from_notebook_node(one)[0], "html.parser")
            for prompt in soup.select(".prompt, style, script"):
                prompt.decompose()
        for img in soup.find_all("img"):
            head, _, data = img.get("src", "").partition("base64,")
            if head.startswith("data:image/png"):
                png = base64.b64decode(data)
                count += 1
                (images / f"{stem}-{count}.png").write_bytes(png)
                width, height = _size(png)
                img.attrs = {
                    "src": f"img/{stem}-{count}.png",
                    "alt": _alt(cell, heading, figures),
                    "width": width,
                    "height": height,
                    "loading": "lazy",
                }
        for pre in soup.find_all("pre"):
            pre["tabindex"] = "0"
        for table in soup.find_all("table"):
            table.wrap(soup.new_tag("div", attrs={"class": "wide"}))
        marks = "".join(f'<a id="claim-{c}"></a>' for c in anchors.get(i, ()))
        if cell.cell_type == "markdown":
            out.append(f"<section>{soup}</section>")
        else:
            code = soup.select_one(".input, .input_area")
            source = str(code.extract()) if code else ""
            out.append(f'{marks}<div class="code">{source}</div><div class="out">{soup}</div>')
    return out


def _links(html: str, pages: set[str]) -> str:
    """Point links at notebooks to their pages; a notebook that was not built loses its link."""
    soup = BeautifulSoup(html, "html.parser")
    for a in soup.find_all("a", href=re.compile(r"^[\w/.-]+\.ipynb(#.*)?$")):
        stem = Path(a["href"].partition("#")[0]).stem
        if stem in pages:
            a["href"] = f"{stem}.html"
        else:
            a.unwrap()
    for a in soup.select("a.anchor-link"):
        a.decompose()
    return str(soup)


def _short(text: str) -> str:
    return text[:2] if text[:2].isdigit() else text


def _page(title: str, body: str, nav: dict[str, str], here: str) -> str:
    current = ' aria-current="page"'
    items = "".join(
        f'<a href="{href}" title="{escape(text)}"{current if href == here else ""}>{escape(_short(text))}</a>'
        for href, text in nav.items()
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><link rel="stylesheet" href="style.css">'
        '</head>\n'
        f'<body><header><nav aria-label="Pages">{items}</nav></header>\n<main>\n{body}\n</main></body></html>\n'
    )


def _claim_link(claim: str, row, cells: dict[str, str]) -> str:
    return f'<a href="{cells[claim]}">the cell</a>' if claim in cells else f"notebook {escape(row['notebook'])}"


def _ledger_page(table, cells: dict[str, str]) -> str:
    parts = [
        f"<h1>Claims</h1><p>{_inline(ledger.counts())}</p>",
        "<p>Effects are signed so that positive is what the claim says; <em>quoted</em> numbers are the paper's, "
        "in its units.</p>",
    ]
    for claim, row in table.iterrows():
        fields = {
            "where": escape(row["where"]),
            "effect": escape(f"{row['effect']}, {row['seeds']} seeds; weakest part: {row['part']}" if row["effect"] else "none yet"),
            "paper": escape(row["quoted"]),
            "checked in": _claim_link(claim, row, cells),
            "command": f"<code>{escape(row['command'])}</code>"
            + (f", {row['minutes']} min" if row["minutes"] != "" else ""),
            "would change our mind": escape(row["change"]),
            "note": _inline(row["note"]),
        }
        rows = "".join(f"<dt>{k}</dt><dd>{v}</dd>" for k, v in fields.items() if v)
        parts.append(
            f'<article class="claim" id="{claim}"><h3>{claim} {_inline(row["statement"])}</h3><p class="verdict">'
            f'{escape(row["verdict"])}</p><dl>{rows}</dl></article>'
        )
    return "\n".join(parts)


def _index(notebooks: dict, table, cells: dict[str, str], figures: dict) -> str:
    map_ = "".join(
        f'<tr><td><a href="{stem}.html">{escape(_title(nb))}</a></td><td>{_inline(_question(nb))}</td></tr>'
        for stem, nb in notebooks.items()
    )
    rows = "".join(
        f'<tr><td><a href="claims.html#{c}">{c}</a></td><td>{_inline(r["statement"])}</td><td class="verdict">'
        f'{escape(r["verdict"])}</td><td>{_claim_link(c, r, cells)}</td></tr>'
        for c, r in table.iterrows()
    )
    gallery = "".join(
        f'<figure><img src="img/{name}.png" alt="{escape(f["alt"])}" width="{f["size"][0]}" '
        f'height="{f["size"][1]}" loading="lazy"><figcaption>{escape(f["caption"])}'
        + (f' <a href="{f["notebook"]}.html">Notebook</a>.' if f["notebook"] in notebooks else "")
        + (
            " Claims: " + ", ".join(f'<a href="claims.html#{c}">{c}</a>' for c in f["claims"]) + "."
            if f["claims"]
            else ""
        )
        + "</figcaption></figure>"
        for name, f in figures.items()
    )
    return (
        f"<h1>{TITLE}</h1><p>Which data one picks for fine-tuning now decides what a model can learn later. The "
        "claims of arXiv:2605.30537 and arXiv:2605.12906, tested.</p>"
        '<h2>Map</h2><table class="cards"><thead><tr><th>notebook</th><th>question</th></tr></thead><tbody>'
        f'{map_}</tbody></table>'
        f'<h2>Claims</h2><p>{_inline(ledger.counts())}</p><table class="cards"><thead><tr><th>id</th><th>claim</th>'
        f'<th>verdict</th><th>checked in</th></tr></thead><tbody>{rows}</tbody></table>'
        f"<h2>Figures</h2>{gallery}"
    )


def build(profile: str, source: Path | None = None, target: Path | None = None) -> Path:
    """Write the site and return its folder; it is replaced only when the new one is complete.

    Args:
        profile: whose executed notebooks and figures are shown.
        source: folder of executed notebooks, `build/<profile>` by default.
        target: folder to write, `build/html` by default.
    """
    source, target = source or paths.BUILD / profile, target or paths.BUILD / "html"
    found = sorted(p for p in source.glob("[0-9][0-9]_*.ipynb") if ".partial" not in p.name)
    if not found:
        raise ValueError(f"html: expected executed notebooks in build/{profile}; run `make html PROFILE={profile}`")
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "img").mkdir(parents=True)
    figures = {f["figure"]: f for f in report.figures(profile)}
    notebooks = {p.stem: nbformat.read(p, as_version=4) for p in found}
    cells = {claim: f"{stem}.html#claim-{claim}" for stem, nb in notebooks.items() for claim in claim_cells(nb)}
    nav = {"index.html": "Overview", "claims.html": "Claims"} | {
        f"{stem}.html": _title(nb) for stem, nb in notebooks.items()
    }
    for name, figure in figures.items():
        png = (paths.figures(profile) / f"{name}.png").read_bytes()
        (partial / "img" / f"{name}.png").write_bytes(png)
        figure["size"] = _size(png)
    exporter, table = HTMLExporter(template_name="basic"), ledger.table()
    (partial / "style.css").write_text(CSS + HtmlFormatter(style="default").get_style_defs(".highlight"))
    bodies = {
        "index.html": (TITLE, _index(notebooks, table, cells, figures)),
        "claims.html": ("Claims", _ledger_page(table, cells)),
    }
    for stem, nb in notebooks.items():
        body = "\n".join(_cells(nb, exporter, stem, figures, partial / "img"))
        bodies[f"{stem}.html"] = (_title(nb), _links(body, set(notebooks)))
    for name, (title, body) in bodies.items():
        (partial / name).write_text(_page(title, body, nav, name), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    return target


def show(profile: str):
    """Build the site and print its pages with their weights."""
    target = build(profile)
    for page in sorted(target.glob("*.html")):
        used = {m for m in re.findall(r'src="(img/[^"]+)"', page.read_text(encoding="utf-8"))}
        weight = page.stat().st_size + sum((target / u).stat().st_size for u in used)
        print(f"{page.name:28} {page.stat().st_size / 1000:7.0f} kB, {weight / 1000:7.0f} kB with its figures")
    print(f"site: {target.relative_to(paths.ROOT)}/index.html")
