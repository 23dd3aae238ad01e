"""Source as a key sees it: without what cannot change a number.

Comments, docstrings, annotations of functions, what an error or a `print` says, and imports do not count.
"""

import ast
import copy
import dis
import linecache
import symtable
import sys
from collections.abc import Iterator
from functools import cache
from types import CodeType, FunctionType
from typing import NamedTuple

_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


class Source(NamedTuple):
    """Normalised text, and the dotted names `("np", "linalg", "norm")` that it takes from outside of it."""

    text: str
    reads: frozenset[tuple[str, ...]]


def of_function(value: FunctionType) -> Source:
    """Return the source of a function or lambda; of its compiled form where no text is kept (a cell with a magic)."""
    compiled = value.__code__
    lines = _nodes(_text(compiled.co_filename, value.__globals__)).get(compiled.co_firstlineno, ())
    found = [n for n in lines if _is_source_of(n, compiled)]
    return _read(found[-1]) if found else Source(_instructions(compiled), frozenset(_loaded(compiled)))


def of_class(value: type) -> Source | None:
    """Return the source of a class, or None where no text is kept or the class lives in a function's call."""
    inside = [f.__code__ for f in vars(value).values() if isinstance(f, FunctionType)]
    module = sys.modules.get(value.__module__)
    files = [getattr(module, "__file__", None), *(c.co_filename for c in inside)]
    for file in filter(None, files):  # a cell of a notebook is no module's file, but its methods know it
        text = _text(file, vars(module) if module else None)
        nodes = [n for n in _classes(text) if n.qualname == value.__qualname__]
        starts = [c.co_firstlineno for c in inside if c.co_filename == file]
        around = [n for n in nodes if any(n.lineno <= line <= n.end_lineno for line in starts)]
        if nodes and "<locals>" not in value.__qualname__:
            return _read((around or nodes)[-1])
    return None


def _text(file: str, namespace: dict | None) -> str:
    linecache.checkcache(file)
    return "".join(linecache.getlines(file, namespace))


def _is_source_of(node: ast.AST, compiled: CodeType) -> bool:
    if isinstance(node, _FUNCTION):
        return node.name == compiled.co_name
    places = [(line, column) for line, _, column, _ in compiled.co_positions() if line and column]
    start, end = (node.body.lineno, node.body.col_offset), (node.body.end_lineno, node.body.end_col_offset)
    return compiled.co_name == "<lambda>" and bool(places) and all(start <= place <= end for place in places)


@cache
def _nodes(text: str) -> dict[int, list[ast.AST]]:
    """Return the functions and lambdas of a text by their first line, decorators included, outer ones first."""
    found: dict[int, list[ast.AST]] = {}
    for node in ast.walk(_tree(text)):
        if isinstance(node, (*_FUNCTION, ast.Lambda)):
            above = [d.lineno for d in getattr(node, "decorator_list", ())]
            found.setdefault(min([node.lineno, *above]), []).append(node)
    return found


@cache
def _classes(text: str) -> list[ast.ClassDef]:
    """Return the classes of a text, each with its `qualname`."""
    found = []

    def visit(node, path):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                child.qualname = ".".join([*path, child.name])
                found.append(child)
                visit(child, [*path, child.name])
            else:
                visit(child, [*path, child.name, "<locals>"] if isinstance(child, _FUNCTION) else path)

    visit(_tree(text), [])
    return found


@cache
def _read(node: ast.AST) -> Source:
    if isinstance(node, _FUNCTION):  # what a decorator does is in the wrapper
        node = copy.copy(node)
        node.decorator_list = []
    text = ast.unparse(node)
    outer = _outer_names(symtable.symtable(text, "source", "exec"))
    return Source(text, frozenset(chain for chain in _chains(node) if chain[0] in outer))


def _outer_names(table: symtable.SymbolTable) -> set[str]:
    here = {s.get_name() for s in table.get_symbols() if s.is_global() or table.get_type() == "module"}
    return here.union(*map(_outer_names, table.get_children()))


def _chains(node: ast.AST) -> Iterator[tuple[str, ...]]:
    """Yield every name with the attributes that are taken from it, as far as they are written out."""
    inner = {id(n.value) for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    for part in ast.walk(node):
        chain: list[str] = []
        while isinstance(part, ast.Attribute) and (chain or id(part) not in inner):
            chain.insert(0, part.attr)
            part = part.value
        if isinstance(part, ast.Name) and (chain or id(part) not in inner):
            yield (part.id, *chain)


def _instructions(compiled: CodeType) -> str:
    def constant(c):
        return (
            _instructions(c)
            if isinstance(c, CodeType)
            else sorted(map(repr, c))
            if isinstance(c, frozenset)
            else repr(c)
        )

    constants = [constant(c) for c in compiled.co_consts]
    return str((compiled.co_code.hex(), compiled.co_names, compiled.co_varnames, compiled.co_freevars, constants))


def _loaded(compiled: CodeType) -> Iterator[tuple[str, ...]]:
    chain: tuple[str, ...] = ()
    for step in dis.get_instructions(compiled):
        if step.opname in ("LOAD_ATTR", "LOAD_METHOD") and chain:
            chain = (*chain, step.argval)
            continue
        if chain:
            yield chain
        chain = (step.argval,) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF") else ()
    for constant in compiled.co_consts:
        if isinstance(constant, CodeType):
            yield from _loaded(constant)


@cache
def _tree(text: str) -> ast.Module:
    try:
        return _Normal().visit(ast.parse(text))
    except SyntaxError:  # a cell with a magic, or a file that has changed
        return ast.Module([], [])


class _Blocks(ast.NodeTransformer):
    """Leaves no `pass` beside other statements."""

    def generic_visit(self, node):
        super().generic_visit(node)
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                kept = [s for s in block if not isinstance(s, ast.Pass)]
                setattr(node, name, kept or [ast.Pass()] * (name == "body"))
        return node


class _Normal(_Blocks):
    """Drops what cannot change a number; see the module's docstring."""

    def visit_FunctionDef(self, node):
        for a in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]:
            if a is not None:
                a.annotation = None
        node.returns = None
        return _Unread(self.generic_visit(node)).visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        for part in node.body:
            part.is_field = True  # annotations make the fields of a dataclass
        return self.generic_visit(node)

    def visit_AnnAssign(self, node):
        if hasattr(node, "is_field"):
            return self.generic_visit(node)
        return self.visit(ast.Assign([node.target], node.value, lineno=node.lineno)) if node.value else ast.Pass()

    def visit_Raise(self, node):
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        node.cause = None
        return node

    def visit_Assert(self, node):
        node.msg = None
        return self.generic_visit(node)

    def visit_Expr(self, node):
        call = node.value
        says = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print"
        return ast.Pass() if says or isinstance(call, ast.Constant) else self.generic_visit(node)


class _Unread(_Blocks):
    """Drops texts that were kept under a name for an error or a `print` that is gone."""

    def __init__(self, function: ast.AST):
        parts = list(ast.walk(function))
        self.read = {n.id for n in parts if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        self.read |= {name for n in parts if isinstance(n, (ast.Global, ast.Nonlocal)) for name in n.names}

    def visit_ClassDef(self, node):
        return node

    def visit_Assign(self, node):
        names = [t.id for t in node.targets if isinstance(t, ast.Name)]
        calls = [n.func for n in ast.walk(node.value) if isinstance(n, ast.Call)]
        harmless = all(isinstance(f, ast.Name) and f.id in ("len", "repr", "str", "type") for f in calls)
        text = isinstance(node.value, (ast.JoinedStr, ast.Constant)) and harmless
        return ast.Pass() if text and len(names) == len(node.targets) and not self.read & {*names} else node
