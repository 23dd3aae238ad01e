"""The rules every stored notebook keeps. Plain nbformat: nothing is executed here.

A rule is a function `rule(nb, name) -> list of complaints`. Each is shown to fire on a notebook that breaks it.
"""

import ast
import copy
import io
import json
import re
import tokenize
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MAX_LINES, MAX_LINES_NUMPY, MAX_BYTES = 15, 25, 800_000
NOTEBOOK_METADATA = {"kernelspec", "language_info"}
CELL_METADATA = {"tags", "jupyter"}
CELL_TAGS = {"parameters", "nbval-ignore-output", "numpy", "solution", "exercise", "hide-input"}
FIGURE = r"fig\d\d_[a-z]\w*"


def code_cells(nb):
    return [c for c in nb.cells if c.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def outputs(nb):
    return [(i, out) for i, cell in enumerate(nb.cells) for out in cell.get("outputs", [])]


def output_text(out) -> str:
    if out.output_type == "stream":
        return out.text
    return "\n".join(t for mime, t in out.get("data", {}).items() if mime.startswith("text/") and isinstance(t, str))


def title_names_the_notebook(nb, name):
    first = nb.cells[0] if nb.cells else None
    number = name.partition("_")[0]
    ok = first and first.cell_type == "markdown" and re.match(rf"# {number} [-–—] \S", first.source)
    return [] if ok else [f"the first cell is Markdown and begins '# {number} - Title'"]


def one_parameters_cell_and_it_is_the_first_code(nb, name):
    tagged = [i for i, c in enumerate(code_cells(nb)) if "parameters" in tags(c)]
    return [] if tagged == [0] else [f"code cells tagged 'parameters': {tagged}, expected just the first, [0]"]


def parameters_are_commented_literals(nb, name):
    cell = next((c for c in code_cells(nb) if "parameters" in tags(c)), None)
    if cell is None:
        return []
    bad, names = [], []
    for node in ast.parse(cell.source).body:
        text = ast.get_source_segment(cell.source, node)
        if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
            bad.append(f"{text!r} is not NAME = literal")
            continue
        names.append(node.targets[0].id)
        try:
            value = ast.literal_eval(node.value)
        except ValueError:
            bad.append(f"{text!r} is computed; papermill would not carry an override over")
            continue
        if "#" not in cell.source.splitlines()[node.end_lineno - 1][node.end_col_offset :]:
            bad.append(f"{text!r} has no comment with its unit or allowed values")
        if names == ["PROFILE"] and value != "fast":
            bad.append(f"PROFILE is {value!r}, the stored default is 'fast'")
    if names[:1] != ["PROFILE"]:
        bad.append(f"the first parameter is PROFILE, received {names[:1]}")
    if len(names) > 5:
        bad.append(f"{len(names)} parameters, at most PROFILE and 4 knobs")
    return bad


def kernel_is_python3(nb, name):
    kernel, language = nb.metadata.get("kernelspec", {}), nb.metadata.get("language_info", {})
    ok = kernel.get("name") == "python3" and language.get("name") == "python"
    return [] if ok else [f"kernelspec python3 and language python expected, received {kernel}, {language}"]


def counts_run_from_1_to_n(nb, name):
    counts = [c.execution_count for c in code_cells(nb)]
    expected = list(range(1, len(counts) + 1))
    return [] if counts and counts == expected else [f"counts {counts[:8]}: store it with make refresh"]


def nothing_raised(nb, name):
    bad = [f"cell {i}: stored error {o.ename}" for i, o in outputs(nb) if o.output_type == "error"]
    return bad + [f"cell {i} expects to raise" for i, c in enumerate(nb.cells) if "raises-exception" in tags(c)]


def no_stderr(nb, name):
    return [f"cell {i}: {o.text[:80]!r}" for i, o in outputs(nb) if o.output_type == "stream" and o.name == "stderr"]


def no_widgets(nb, name):
    bad = [f"cell {i}: widget" for i, o in outputs(nb) if any("widget" in mime for mime in o.get("data", {}))]
    return bad + (["metadata.widgets"] if "widgets" in nb.metadata else [])


def no_progress_bars_or_styler(nb, name):
    bad = []
    for i, out in outputs(nb):
        text = output_text(out)
        if re.search(r"\d+%\|", text) or "it/s]" in text or "\r" in text:
            bad.append(f"cell {i}: a progress bar")
        if re.search(r'id="T_[0-9a-f]+', text):
            bad.append(f"cell {i}: a Styler table (random ids)")
        if "image/svg+xml" in out.get("data", {}):
            bad.append(f"cell {i}: SVG (random ids), show PNG")
    return bad


def no_absolute_paths(nb, name):
    pattern = re.compile(r"(?<![\w.:/<-])/(?:[a-z]\w*/)+[\w.-]+|\b[A-Z]:\\\w")
    text = [(i, output_text(o)) for i, o in outputs(nb)]
    text += [(i, c.source) for i, c in enumerate(nb.cells) if c.cell_type == "code"]
    return [f"cell {i}: {m[0]}" for i, t in text for m in pattern.finditer(re.sub(r"<[^>]*>", "", t))]


def metadata_is_plain(nb, name):
    bad = [f"metadata.{k}" for k in nb.metadata if k not in NOTEBOOK_METADATA]
    for i, cell in enumerate(nb.cells):
        bad += [f"cell {i}: metadata.{k}" for k in cell.metadata if k not in CELL_METADATA]
        bad += [f"cell {i}: tag {t}" for t in tags(cell) if t not in CELL_TAGS | {"raises-exception"}]
    return bad


def format_is_4_5_with_unique_ids(nb, name):
    ids = [c.get("id") for c in nb.cells]
    ok = (nb.nbformat, nb.nbformat_minor) >= (4, 5) and None not in ids and len(set(ids)) == len(ids)
    return [] if ok else [f"nbformat {nb.nbformat}.{nb.nbformat_minor}, cell ids {ids[:4]}"]


def size_is_small(nb, name):
    size = len(nbformat.writes(nb).encode())
    return [] if size < MAX_BYTES else [f"{size / 1000:.0f} kB, at most {MAX_BYTES / 1000:.0f}"]


def no_line_ends_with_a_semicolon(nb, name):
    bad = []
    for i, cell in enumerate(nb.cells):
        if cell.cell_type == "code":
            tokens = list(tokenize.generate_tokens(io.StringIO(cell.source).readline))
            ends = (tokenize.NEWLINE, tokenize.COMMENT, tokenize.ENDMARKER)
            pairs = zip(tokens, tokens[1:], strict=False)
            bad += [f"cell {i}: {a.line.strip()!r}" for a, b in pairs if a.string == ";" and b.type in ends]
    return bad


def no_magics_or_filters(nb, name):
    pattern = re.compile(r"(?m)^\s*(?:[!%].*|.*\bget_ipython\(.*|.*\bwarnings\.(?:filter|simplefilter).*)$")
    code = [(i, c.source) for i, c in enumerate(nb.cells) if c.cell_type == "code"]
    return [f"cell {i}: {m[0].strip()!r}" for i, source in code for m in pattern.finditer(source)]


def cells_are_short(nb, name):
    bad = []
    for i, cell in enumerate(nb.cells):
        if cell.cell_type == "code":
            lines = [line for line in cell.source.splitlines() if line.strip()]
            limit = MAX_LINES_NUMPY if "numpy" in tags(cell) or "exercise" in tags(cell) else MAX_LINES
            if len(lines) > limit:
                bad.append(
                    f"cell {i}: {len(lines)} non-blank lines, at most {limit} (plain-NumPy cells are tagged 'numpy')"
                )
    return bad


def figures_are_named_by_the_notebook(nb, name):
    number = name.partition("_")[0]
    odd = [f for f in sorted(references(nb)[1]) if not f.startswith(f"fig{number}_")]
    return [f"figure {f!r} is not named like fig{number}_slug" for f in odd]


def ends_with_what_we_saw(nb, name):
    last = nb.cells[-1] if nb.cells else None
    if last is None or last.cell_type != "markdown":
        return ["the last cell is Markdown"]
    return [f"the last cell lacks {w!r}" for w in ("What we saw", "does not show", "Try") if w not in last.source]


RULES = [
    title_names_the_notebook,
    one_parameters_cell_and_it_is_the_first_code,
    parameters_are_commented_literals,
    kernel_is_python3,
    counts_run_from_1_to_n,
    nothing_raised,
    no_stderr,
    no_widgets,
    no_progress_bars_or_styler,
    no_absolute_paths,
    metadata_is_plain,
    format_is_4_5_with_unique_ids,
    size_is_small,
    no_line_ends_with_a_semicolon,
    no_magics_or_filters,
    cells_are_short,
    figures_are_named_by_the_notebook,
    ends_with_what_we_saw,
]


def read(path):
    nb = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(nb)
    return nb


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_stored_notebook(path, rule):
    complaints = rule(read(path), path.stem)
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_papermill_knows_the_parameters(path):
    import papermill

    inferred = papermill.inspect_notebook(str(path))
    assert "PROFILE" in inferred
    cell = next(c for c in code_cells(read(path)) if "parameters" in tags(c))
    assert set(inferred) == {node.targets[0].id for node in ast.parse(cell.source).body}


# ---- figures and claims --------------------------------------------------------------------------


def contract(text: str) -> list[dict]:
    """claims.yml as a list of claims, whether it is a list, {claims: [...]} or {ID: {...}}."""
    data = yaml.safe_load(text) or []
    if isinstance(data, dict):
        data = data.get("claims", [dict(v, id=k) for k, v in data.items() if isinstance(v, dict)])
    return data


def references(nb) -> tuple[set[str], set[str]]:
    """Claim ids and names of saved figures that a notebook's code and first cell speak of."""
    code = "\n".join(c.source for c in code_cells(nb))
    claims, figures = set(), set()
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        strings = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if called == "check_claim":
            claims.update(strings[:1])
        if called == "save_figure":
            figures.update(strings[:1])
            listed = [k.value for k in node.keywords if k.arg == "claims" and isinstance(k.value, ast.List)]
            claims.update(e.value for value in listed for e in value.elts if isinstance(e, ast.Constant))
    if nb.cells and nb.cells[0].cell_type == "markdown":
        claims.update(re.findall(r"\b[CD]\d{1,2}\b(?!\.\d)", nb.cells[0].source))
    return claims, figures


def figure_names(claim: dict) -> set[str]:
    value = claim.get("figure") or []
    return {Path(v).stem for v in ([value] if isinstance(value, str) else value) if re.fullmatch(FIGURE, Path(v).stem)}


def unknown_references(nb, claims: list[dict]) -> list[str]:
    ids, figures = references(nb)
    bad = [f"claim {c} is not in claims.yml" for c in sorted(ids - {str(c["id"]) for c in claims})]
    odd = [f for f in sorted(figures) if not re.fullmatch(FIGURE, f)]
    return bad + [f"figure {f!r} is not named like fig03_slug" for f in odd]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_claim_and_figure_named_exists(path):
    assert not unknown_references(read(path), contract((ROOT / "claims.yml").read_text()))


def test_every_figure_of_the_contract_is_saved_by_one_notebook():
    saved = [figure for path in NOTEBOOKS for figure in references(read(path))[1]]
    assert len(saved) == len(set(saved)), "a figure is saved by two notebooks"
    numbers = {path.stem.partition("_")[0] for path in NOTEBOOKS}
    claims = [c for c in contract((ROOT / "claims.yml").read_text()) if str(c.get("notebook", ""))[:2] in numbers]
    wanted = {figure for claim in claims for figure in figure_names(claim)}
    assert not wanted - set(saved), "claims.yml names figures that no notebook saves"


# ---- the rules fire ------------------------------------------------------------------------------


def good_notebook():
    new = nbformat.v4
    nb = new.new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        }
    )
    nb.cells = [
        new.new_markdown_cell("# 03 - Rank reversal\nClaims: C03. Section 5.1."),
        new.new_code_cell(
            'PROFILE = "fast"  # smoke | fast | full\nSEED = 0  # any integer', metadata={"tags": ["parameters"]}
        ),
        new.new_code_cell("import lhas_utils as lu\n\nfig = 1\nlu.save_figure(fig, 'fig03_x', claims=['C03'])"),
        new.new_code_cell("lu.check_claim('C03', profile=PROFILE)\n'a;'  # b;"),
        new.new_markdown_cell("## What we saw\n## What this does not show\n## Try"),
    ]
    for count, cell in enumerate(code_cells(nb), 1):
        cell.execution_count = count
    nb.cells[3].outputs = [new.new_output("stream", name="stdout", text="REPRODUCED 1/2 and/or 50%\n")]
    return nb


def out(kind, **more):
    return [nbformat.v4.new_output(kind, **more)]


def set_source(index, text):
    return lambda nb: nb.cells[index].update(source=text)


def set_outputs(*args, **more):
    return lambda nb: nb.cells[3].update(outputs=out(*args, **more))


BREAKS = [
    ("title_names_the_notebook", set_source(0, "# Rank reversal")),
    ("one_parameters_cell_and_it_is_the_first_code", lambda nb: nb.cells[1].metadata.update(tags=[])),
    ("one_parameters_cell_and_it_is_the_first_code", lambda nb: nb.cells[2].metadata.update(tags=["parameters"])),
    ("parameters_are_commented_literals", set_source(1, 'PROFILE = "fast"  # a\nTWICE = 2 * SEED  # b')),
    ("parameters_are_commented_literals", set_source(1, 'PROFILE = "fast"  # a\nSEED = 0')),
    ("parameters_are_commented_literals", set_source(1, 'PROFILE = "full"  # a')),
    ("parameters_are_commented_literals", set_source(1, "SEED = 0  # a")),
    ("parameters_are_commented_literals", set_source(1, 'PROFILE = "fast"  # a\nimport os  # b')),
    ("kernel_is_python3", lambda nb: nb.metadata.kernelspec.update(name="my-venv")),
    ("kernel_is_python3", lambda nb: nb.metadata.pop("language_info")),
    ("counts_run_from_1_to_n", lambda nb: nb.cells[2].update(execution_count=7)),
    ("counts_run_from_1_to_n", lambda nb: nb.cells[2].update(execution_count=None)),
    ("nothing_raised", set_outputs("error", ename="ValueError", evalue="x", traceback=[])),
    ("nothing_raised", lambda nb: nb.cells[3].metadata.update(tags=["raises-exception"])),
    ("no_stderr", set_outputs("stream", name="stderr", text="Warning")),
    ("no_widgets", set_outputs("display_data", data={"application/vnd.jupyter.widget-view+json": {}})),
    ("no_widgets", lambda nb: nb.metadata.update(widgets={})),
    ("no_progress_bars_or_styler", set_outputs("stream", name="stdout", text=" 40%|####      | 4/10")),
    ("no_progress_bars_or_styler", set_outputs("display_data", data={"text/html": '<table id="T_0a1b2">'})),
    ("no_progress_bars_or_styler", set_outputs("display_data", data={"image/svg+xml": "<svg/>"})),
    ("no_absolute_paths", set_outputs("stream", name="stdout", text="saved /" + "home/ada/figures/fig03_x.pdf")),
    ("no_absolute_paths", set_source(3, "open('/" + "data/x.csv')")),
    ("metadata_is_plain", lambda nb: nb.metadata.update(papermill={})),
    ("metadata_is_plain", lambda nb: nb.cells[2].metadata.update(collapsed=True)),
    ("metadata_is_plain", lambda nb: nb.cells[2].metadata.update(tags=["injected-parameters"])),
    ("format_is_4_5_with_unique_ids", lambda nb: nb.cells[2].update(id=nb.cells[3].id)),
    ("format_is_4_5_with_unique_ids", lambda nb: nb.update(nbformat_minor=4)),
    ("size_is_small", set_outputs("stream", name="stdout", text="x" * MAX_BYTES)),
    ("no_line_ends_with_a_semicolon", set_source(3, "x = 1;\nx")),
    ("no_line_ends_with_a_semicolon", set_source(3, "x;  # quiet")),
    ("no_magics_or_filters", set_source(3, "!pip install x")),
    ("no_magics_or_filters", set_source(3, "%matplotlib inline")),
    ("no_magics_or_filters", set_source(3, "warnings.filterwarnings('ignore')")),
    ("cells_are_short", set_source(3, "x = 1\n" * (MAX_LINES + 1))),
    ("figures_are_named_by_the_notebook", set_source(3, "lu.save_figure(1, 'fig02_x')")),
    ("ends_with_what_we_saw", lambda nb: nb.cells.pop()),
    ("ends_with_what_we_saw", set_source(-1, "## What we saw\n## Try")),
]


def test_a_good_notebook_breaks_no_rule():
    nb = good_notebook()
    nbformat.validate(nb)
    assert {r.__name__: r(nb, "03_rank_reversal") for r in RULES if r(nb, "03_rank_reversal")} == {}
    assert references(nb) == ({"C03"}, {"fig03_x"})


@pytest.mark.parametrize("rule, spoil", BREAKS, ids=[name for name, _ in BREAKS])
def test_the_rule_fires(rule, spoil):
    nb = copy.deepcopy(good_notebook())
    spoil(nb)
    assert next(r for r in RULES if r.__name__ == rule)(nb, "03_rank_reversal")


def test_every_rule_is_shown_to_fire():
    assert {r.__name__ for r in RULES} == {name for name, _ in BREAKS}


def test_a_numpy_cell_may_be_longer():
    nb = good_notebook()
    nb.cells[3].update(source="x = 1\n" * 25, metadata=nbformat.from_dict({"tags": ["numpy"]}))
    assert not cells_are_short(nb, "03_rank_reversal")


@pytest.mark.parametrize("text", ["- id: C03", "claims:\n- id: C03", "C03: {kind: exact}"])
def test_unknown_claims_and_figures_are_found(text):
    assert unknown_references(good_notebook(), contract(text)) == []
    nb = good_notebook()
    nb.cells[3].source = "lu.check_claim('C99')\nlu.save_figure(fig, 'plot', claims=['D07'])"
    found = unknown_references(nb, contract(text))
    assert [f.split()[1] for f in found] == ["C99", "D07", "'plot'"]


# ---- what nbval may overlook ---------------------------------------------------------------------


def sanitizers() -> dict[str, str]:
    """The rules as nbval itself reads them (it drops, silently, what it cannot parse)."""
    from nbval.plugin import get_sanitize_patterns

    return dict(get_sanitize_patterns((ROOT / "tests/sanitize.cfg").read_text()))


def test_every_sanitize_rule_is_parsed_and_there_are_few():
    written = (ROOT / "tests/sanitize.cfg").read_text().count("\nregex: ")
    assert len(sanitizers()) == written <= 3


@pytest.mark.parametrize(
    "text, becomes",
    [
        ("<object at 0x7f21ab34cd90>", "<object at ADDRESS>"),
        ("<Figure size 640x480 with 2 Axes>", "FIGURE"),
        ("torch 2.13.0 (one thread)", "VERSION"),
        ("regret 0.125 [0.1, 0.2], mask 0xff", "regret 0.125 [0.1, 0.2], mask 0xff"),
    ],
)
def test_each_sanitize_rule_does_its_work_and_no_more(text, becomes):
    for pattern, replacement in sanitizers().items():
        text = re.sub(pattern, replacement, text)
    assert text == becomes


def test_notebook_files_are_written_the_way_refresh_writes_them():
    """One-space indent, sorted keys, newline at the end: so that a refresh without news changes no byte."""
    for path in NOTEBOOKS:
        data = json.loads(path.read_text())
        assert path.read_text() == json.dumps(data, indent=1, ensure_ascii=False, sort_keys=True) + "\n", path.name
