"""The house keeps its rules: rooms in a fixed order, imports only downwards, one place for each thing.

A rule takes the package's folder and returns complaints; each is tried on a sound small package and on faulty ones.
"""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "lhas_utils"
ROOMS = ("core", "worlds", "learning", "selection", "studies", "runs", "analysis", "claims", "figures", "reader")
LINES, COLUMNS = 320, 120


def modules(package: Path) -> dict[str, Path]:
    """Dotted name below the package -> file; `core/__init__.py` is "core", the package's own is ""."""
    out = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        out[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return out


def trees(package: Path) -> dict[str, ast.Module]:
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in modules(package).items()}


def targets(node: ast.AST, name: str, known: dict[str, Path], package: str = "lhas_utils") -> list[tuple[str, str]]:
    """What an import statement in module `name` brings in: pairs (name bound to a module of ours or "", module)."""
    if isinstance(node, ast.Import):
        ours = [a for a in node.names if a.name.split(".")[0] == package]
        return [(a.asname or package, a.name.removeprefix(package).lstrip(".")) for a in ours]
    if not isinstance(node, ast.ImportFrom):
        return []
    if node.level:
        here = name.split(".") if name else []
        up = node.level - (known[name].name == "__init__.py")
        base = [*here[: len(here) - up], *filter(None, [node.module])]
    else:
        first, *base = node.module.split(".")
        if first != package:
            return []
    base = ".".join(base)
    full = [(a.asname or a.name, f"{base}.{a.name}".lstrip(".")) for a in node.names]
    return [(bound, module) if module in known else ("", base) for bound, module in full]


def imported(package: Path) -> list[tuple[str, int, str, str]]:
    """Every import within the package: module, line, name bound to a module or "", module brought in."""
    known = modules(package)
    return [
        (name, node.lineno, bound, module)
        for name, tree in trees(package).items()
        for node in ast.walk(tree)
        for bound, module in targets(node, name, known)
    ]


def room(name: str) -> str:
    return name.partition(".")[0]


# ---- the rules -----------------------------------------------------------------------------------


def every_room_is_there(package: Path) -> list[str]:
    out = []
    for name in ROOMS:
        path = package / name / "__init__.py"
        tree = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.Module([], [])
        text = ast.get_docstring(tree) or ""
        if "\n" in text or not text.endswith(".") or ". " in text:
            out.append(f"{name}/__init__.py: expected a docstring of one sentence; got {text!r}")
        if not any(isinstance(n, ast.ImportFrom) for n in tree.body):
            out.append(f"{name}/__init__.py: expected imports, the names that rooms above may use")
    others = {room(name) for name in modules(package)} - {*ROOMS, "", "__main__"}
    return out + [f"{name}: expected every module in one of the rooms" for name in sorted(others)]


def imports_go_down(package: Path) -> list[str]:
    rank = {name: i for i, name in enumerate(ROOMS)} | {"": len(ROOMS), "__main__": len(ROOMS) + 1}
    return [
        f"{name}:{line} imports {module or 'the whole package'}, which stands above it"
        for name, line, _, module in imported(package)
        if rank.get(room(module), 0) > rank.get(room(name), 0)
    ]


def no_cycles(package: Path) -> list[str]:
    graph = {name: set() for name in modules(package)}
    for name, _, _, module in imported(package):
        graph[name].add(module)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" imports ".join(name or "lhas_utils" for name in reversed(error.args[1]))]
    return []


def no_import_by_string(package: Path) -> list[str]:
    def by_string(node: ast.AST) -> bool:
        if isinstance(node, ast.Name | ast.Attribute):
            return ast.unparse(node).rpartition(".")[2] in ("import_module", "__import__")
        text = ast.unparse(node) if isinstance(node, ast.Subscript | ast.Call) else ""
        return text.startswith(("sys.modules['lhas_utils", "sys.modules.get('lhas_utils"))

    return [
        f"{name}:{node.lineno} imports by string: {ast.unparse(node)}"
        for name, tree in trees(package).items()
        for node in ast.walk(tree)
        if by_string(node)
    ]


def no_questions_to_modules(package: Path) -> list[str]:
    ours, out = {}, []
    for name, _, bound, _ in imported(package):
        ours.setdefault(name, set()).add(bound)
    for name, tree in trees(package).items():
        for node in ast.walk(tree):
            asks = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args
            if asks and node.func.id in ("hasattr", "getattr", "setattr", "vars", "dir"):
                if isinstance(node.args[0], ast.Name) and node.args[0].id in ours.get(name, ()):
                    out.append(f"{name}:{node.lineno} looks names up in a module: {ast.unparse(node)}")
    return out


def imports_stand_at_the_top(package: Path) -> list[str]:
    known = modules(package)
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return sorted(
        {
            f"{name}:{node.lineno} imports {module or 'the package'} inside a function"
            for name, tree in trees(package).items()
            for function in ast.walk(tree)
            if isinstance(function, functions)
            for node in ast.walk(function)
            for _, module in targets(node, name, known)
        }
    )


def names_are_unique(package: Path) -> list[str]:
    where = {}
    for name in modules(package):
        if "." in name:
            where.setdefault(name.rpartition(".")[2], []).append(name)
    return [f"one name for two modules: {' and '.join(names)}" for names in where.values() if len(names) > 1]


def files_are_short(package: Path) -> list[str]:
    out = []
    for name, path in modules(package).items():
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > LINES:
            out.append(f"{name}: {len(lines)} lines; expected at most {LINES}")
        out += [f"{name}:{i} has {len(x)} columns" for i, x in enumerate(lines, 1) if len(x) > COLUMNS]
    return out


def settings_are_read_in_one_place(package: Path) -> list[str]:
    out = []
    for name, tree in trees(package).items():
        quiet = [
            n for n in ast.walk(tree) if not name and ast.unparse(n).startswith("os.environ.setdefault('TOKENIZERS_")
        ]
        spared = {id(n) for whole in quiet for n in ast.walk(whole)}
        for node in ast.walk(tree):
            read = isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv", "os.putenv")
            named = isinstance(node, ast.ImportFrom) and node.module == "os"
            named = named and {a.name for a in node.names} & {"environ", "getenv", "putenv"}
            if (read or named) and id(node) not in spared and name != "core.settings":
                out.append(f"{name or '__init__'}:{node.lineno} uses the environment; core/settings.py is the place")
    return out


def no_assert(package: Path) -> list[str]:
    return [
        f"{name}:{node.lineno} {ast.unparse(node)[:60]}: python -O would drop it; raise an error"
        for name, tree in trees(package).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    ]


RULES = (
    every_room_is_there,
    imports_go_down,
    no_cycles,
    no_import_by_string,
    no_questions_to_modules,
    imports_stand_at_the_top,
    names_are_unique,
    files_are_short,
    settings_are_read_in_one_place,
    no_assert,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule):
    complaints = rule(PACKAGE)
    assert not complaints, "\n".join(complaints)


# ---- every rule can fail -------------------------------------------------------------------------

SOUND = {f"{name}/__init__.py": f'"""The room of {name}."""\n\nfrom math import pi\n' for name in ROOMS} | {
    "__init__.py": 'import os\n\nos.environ.setdefault("TOKENIZERS_PARALLELISM", "false")\nfrom .runs import grids\n',
    "__main__.py": "from . import grids\nfrom .reader.site import pages\n",
    "core/settings.py": "import os\n\n\ndef a() -> str:\n    return os.environ.get('A', '')\n",
    "core/specs.py": "from . import settings\nfrom .settings import a\n",
    "worlds/__init__.py": '"""Worlds."""\n\nfrom .types import Stage\n',
    "worlds/types.py": "import json\nfrom ..core import specs\n\nStage = getattr(json, 'loads')\n",
    "runs/grids.py": "from ..core.specs import a\nfrom ..worlds import Stage, types\n",
    "reader/site/__init__.py": '"""Site."""\n',
    "reader/site/pages.py": "from ...core import settings\nfrom . import cells\n",
    "reader/site/cells.py": "",
}
FAULTS = [
    (every_room_is_there, {"figures/__init__.py": '"""Figures. Two sentences."""\nfrom math import pi\n'}),
    (every_room_is_there, {"figures/__init__.py": '"""A room that exports nothing."""\n'}),
    (every_room_is_there, {"figures/__init__.py": '"""Figures."""\n'}),
    (every_room_is_there, {"figures/__init__.py": None}),
    (every_room_is_there, {"flat.py": ""}),
    (imports_go_down, {"core/specs.py": "from ..worlds import Stage\n"}),
    (imports_go_down, {"core/specs.py": "from lhas_utils.worlds.types import Stage\n"}),
    (imports_go_down, {"core/specs.py": "from .. import runs\n"}),
    (imports_go_down, {"reader/site/cells.py": "import lhas_utils as lu\n"}),
    (imports_go_down, {"reader/site/cells.py": "from .... import lhas_utils\nfrom ... import start\n"}),
    (no_cycles, {"core/settings.py": "from . import specs\n"}),
    (no_cycles, {"worlds/types.py": "from . import Stage\n"}),
    (no_cycles, {"reader/site/cells.py": "from .pages import build\n"}),
    (no_import_by_string, {"core/specs.py": "import importlib\nimportlib.import_module('lhas_utils.runs')\n"}),
    (no_import_by_string, {"core/specs.py": "from importlib import import_module\nimport_module('x')\n"}),
    (no_import_by_string, {"core/specs.py": "__import__('lhas_utils.runs')\n"}),
    (no_import_by_string, {"core/specs.py": "import sys\nsys.modules['lhas_utils.runs']\n"}),
    (no_questions_to_modules, {"runs/grids.py": "from ..worlds import types\nhasattr(types, 'x')\n"}),
    (no_questions_to_modules, {"runs/grids.py": "from .. import worlds\ngetattr(worlds, 'x')\n"}),
    (imports_stand_at_the_top, {"runs/grids.py": "def f():\n    from ..worlds import Stage\n"}),
    (imports_stand_at_the_top, {"runs/grids.py": "class A:\n    def f(self):\n        import lhas_utils.core\n"}),
    (names_are_unique, {"figures/types.py": ""}),
    (names_are_unique, {"reader/site/specs.py": ""}),
    (files_are_short, {"runs/grids.py": "\n" * (LINES + 1)}),
    (files_are_short, {"runs/grids.py": "#" * (COLUMNS + 1)}),
    (settings_are_read_in_one_place, {"runs/grids.py": "import os\nos.getenv('A')\n"}),
    (settings_are_read_in_one_place, {"runs/grids.py": "from os import environ\n"}),
    (settings_are_read_in_one_place, {"runs/grids.py": "import os\nos.environ.setdefault('TOKENIZERS_X', '')\n"}),
    (settings_are_read_in_one_place, {"__init__.py": "import os\nos.environ['A'] = ''\n"}),
    (no_assert, {"runs/grids.py": "assert (n := 1)\n"}),
]


def plant(folder: Path, changes: dict[str, str | None] | None = None) -> Path:
    """A small package in `folder`; `changes` replace files, None leaves one out."""
    for name, text in (SOUND | (changes or {})).items():
        if text is not None:
            path = folder / "lhas_utils" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return folder / "lhas_utils"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_sound_package_passes(rule, tmp_path):
    assert rule(plant(tmp_path)) == []


@pytest.mark.parametrize("rule, fault", FAULTS, ids=lambda x: getattr(x, "__name__", ""))
def test_a_planted_fault_is_found(rule, fault, tmp_path):
    assert rule(plant(tmp_path, fault))


def test_every_rule_has_a_fault():
    assert {rule for rule, _ in FAULTS} == set(RULES)
