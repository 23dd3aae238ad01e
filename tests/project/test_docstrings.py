"""What the docstrings show is what the code does, and no public name is without one."""

import ast
import doctest
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "lhas_utils"
FILES = {
    ".".join(p.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): p
    for p in sorted(PACKAGE.rglob("*.py"))
    if p.name != "__main__.py"
}


@pytest.mark.parametrize("name", FILES)
def test_examples_run_as_shown(name):
    assert doctest.testmod(import_module(name)).failed == 0


def test_there_are_examples():
    found = doctest.DocTestFinder()
    assert sum(len(t.examples) for name in FILES for t in found.find(import_module(name))) > 12


@pytest.mark.parametrize("name", FILES)
def test_public_names_are_explained(name):
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.ClassDef
    named = [n for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")]
    bare = [n.name for n in named if not ast.get_docstring(n)]
    assert ast.get_docstring(tree), f"{name}: expected a docstring that says the module's role"
    assert not bare, f"{name}: expected a docstring for {', '.join(bare)}"
