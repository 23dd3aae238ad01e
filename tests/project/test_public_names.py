"""Notebooks and texts speak of what exists: public names of the package, files that are there."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

import lhas_utils as lu

ROOT = Path(__file__).resolve().parents[2]


def private_names(source: str) -> list[str]:
    """Complaints about a cell that goes past the package's public names."""
    out = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lhas_utils":
            out.append(f"{ast.unparse(node)}: expected `import lhas_utils as lu` and `lu.NAME`")
        if isinstance(node, ast.Import):
            ours = [a for a in node.names if a.name.split(".")[0] == "lhas_utils"]
            out += [
                f"{ast.unparse(node)}: expected `import lhas_utils as lu`"
                for a in ours
                if a.asname != "lu" or "." in a.name
            ]
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            out.append(f"{ast.unparse(node)}: a private name")
    return out


def unknown_names(source: str) -> list[str]:
    """Names `lu.a` or `lu.module.b` in a cell that the package does not offer."""
    out = []
    for node in ast.walk(ast.parse(source)):
        text = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        if re.fullmatch(r"lu\.\w+", text) and node.attr not in lu.__all__:
            out.append(f"{text}: not in lhas_utils.__all__")
        if re.fullmatch(r"lu\.\w+\.\w+", text):
            owner = vars(lu).get(node.value.attr)
            if type(owner) is type(lu) and node.attr not in vars(owner):
                out.append(f"{text}: there is no such name")
    return out


def cells() -> list[tuple[str, str]]:
    out = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        out += [(f"{path.stem}, code cell {i}", cell.source) for i, cell in enumerate(code, 1)]
    return out


@pytest.mark.parametrize("rule", [private_names, unknown_names], ids=lambda rule: rule.__name__)
def test_notebooks_use_public_names(rule):
    complaints = [f"{where}: {what}" for where, source in cells() for what in rule(source)]
    assert not complaints, "\n".join(complaints)


def test_a_cell_with_a_fault_is_found():
    for source in (
        "from lhas_utils.core import specs",
        "import lhas_utils",
        "import lhas_utils.core as lu",
        "ctx._model",
    ):
        assert private_names(source), source
    assert not private_names("import lhas_utils as lu\nimport numpy as np\nlu.summary(rows)")
    assert unknown_names("lu.nothing_like_it(1)") and unknown_names("lu.metrics.nothing_like_it")
    assert not unknown_names("lu.summary(lu.metrics.gini)")


# ---- texts ---------------------------------------------------------------------------------------


def missing_files(text: str, root: Path) -> list[str]:
    """Files and modules that a text names in backticks or links and that are not there; CAPITALS are placeholders."""
    found = re.findall(r"[`(]((?:[\w.-]+/)+[\w.-]*)(?:::\w+)?[`)]", text)
    found += [name.replace(".", "/") for name in re.findall(r"`(lhas_utils(?:\.[a-z]\w*)+)`", text)]
    built = ("build/", ".venv/", "path/")
    wanted = [
        name
        for name in found
        if not name.startswith(built) and not re.search(r"(?<![A-Za-z])[A-Z]{2,}(?![A-Za-z])", name)
    ]

    def there(name: str) -> bool:
        places = [root / name, root / "lhas_utils" / name]
        return any(p.exists() or p.with_suffix(".py").exists() for p in places)

    return [name for name in wanted if not there(name)]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "ARTEFACT.md", "figures/README.md"])
def test_a_text_names_files_that_exist(name):
    assert missing_files((ROOT / name).read_text(encoding="utf-8"), ROOT) == []


def test_a_text_that_names_a_missing_file_is_found(tmp_path):
    for name in ("lhas_utils/worlds/types.py", "lhas_utils/runs/grids.py", "figures/fig1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    faults = ("`worlds/gone.py`", "[x](notebooks/11_gone.ipynb)", "`lhas_utils/gone`", "`lhas_utils.runs.gone`")
    for text in faults:
        assert missing_files(text, tmp_path), text
    assert not missing_files(
        "`worlds/types.py`, `lhas_utils.runs.grids`, `figures/`, `worlds/a_NAME.py`, `lhas_utils.__all__`", tmp_path
    )


def unknown_targets(text: str, makefile: str) -> list[str]:
    """Targets that a text asks for, as in `make claim ID=C03`, and that the Makefile does not have."""
    targets = set(re.findall(r"^([a-z ]+):", makefile, re.M))
    known = {word for line in targets for word in line.split()}
    return [t for t in re.findall(r"(?:`|^ *)make ([a-z]+)", text, re.M) if t not in known]


TEXTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "ARTEFACT.md",
    *sorted((ROOT / "lhas_utils").rglob("*.py")),
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.stem)
def test_a_command_that_is_named_exists(path):
    assert unknown_targets(path.read_text(encoding="utf-8"), (ROOT / "Makefile").read_text(encoding="utf-8")) == []


def test_a_command_that_does_not_exist_is_found():
    makefile = "judge readme:\n\t@do\nclaim: environment ## one\n"
    assert unknown_targets("`make claim ID=C03`, then `make judge`; they make it so\nmake readme", makefile) == []
    assert unknown_targets("`make publish` writes it\n  make nothing", makefile) == ["publish", "nothing"]
