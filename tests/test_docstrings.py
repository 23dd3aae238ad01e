"""What the docstrings show is what the code does, and no public name is without one."""

import ast
import doctest
from importlib import import_module

import pytest

from lhas_utils import paths

MODULES = sorted(p.stem for p in (paths.ROOT / "lhas_utils").glob("*.py") if p.stem not in ("__init__", "__main__"))


@pytest.mark.parametrize("name", MODULES)
def test_examples_run_as_shown(name):
    assert doctest.testmod(import_module(f"lhas_utils.{name}")).failed == 0


def test_there_are_examples():
    found = doctest.DocTestFinder()
    assert sum(len(t.examples) for n in MODULES for t in found.find(import_module(f"lhas_utils.{n}"))) > 12


@pytest.mark.parametrize("name", MODULES)
def test_public_names_are_explained(name):
    tree = ast.parse((paths.ROOT / f"lhas_utils/{name}.py").read_text())
    kinds = ast.FunctionDef | ast.ClassDef
    bare = [n.name for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_") and not ast.get_docstring(n)]
    assert ast.get_docstring(tree) and not bare
