"""A race as a folder that can be cited and run again: code, seeds, table, figure and a digest."""

import ast
import importlib.metadata
import inspect
import json
import platform
import re
import symtable
import textwrap
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Protocol

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from .. import figures
from ..core import code, digest, paths, write
from ..runs import to_csv
from ..selection import name_of
from .practice import context

LIBRARIES = ("torch", "transformers", "datasets", "numpy", "scipy", "peft")


class Finished(Protocol):
    """What is saved of a race; `compare` returns one."""

    name: str
    select: Callable
    against: tuple[str, ...]
    runs: pd.DataFrame
    table: pd.DataFrame
    differences: pd.DataFrame
    metric: str
    asked: dict


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _refuse(name: str, got: str) -> ValueError:
    way = "write the selector as a function of a cell or a file, its numbers written out or as arguments with a default"
    return ValueError(f"save: expected code that can be run again elsewhere; {name} {got}: {way}")


def source_of(select: Callable) -> str:
    """Return Python text that defines a selector and whatever it reads: imports, constants, other functions.

    Raises:
        ValueError: it is no plain function, or reads something that text cannot hold.
    """
    imports: dict[str, str] = {}
    constants: dict[str, str] = {}
    functions: dict[str, str] = {}

    def visit(function: object, name: str) -> None:
        if not isinstance(function, FunctionType) or function.__code__.co_name == "<lambda>":
            raise _refuse(name, f"is {'a lambda' if inspect.isfunction(function) else f'a {type(function).__name__}'}")
        if function.__closure__:
            raise _refuse(name, f"reads {', '.join(function.__code__.co_freevars)} of the function around it")
        try:
            text = textwrap.dedent(inspect.getsource(function))
        except (OSError, TypeError):
            raise _refuse(name, "has no text that could be found") from None
        functions[name] = ""  # its place is kept: what it reads comes before
        for other in sorted(_globals(symtable.symtable(text, name, "exec")) & set(function.__globals__)):
            if other not in {**imports, **constants, **functions}:
                take(other, function.__globals__[other], name)
        del functions[name]
        functions[name] = text

    def take(name: str, value: object, reader: str) -> None:
        home = getattr(value, "__module__", None) or ""
        if isinstance(value, ModuleType):
            imports[name] = f"import {value.__name__} as {name}"
        elif isinstance(value, (FunctionType, type)) and _is_installed(home):
            imports[name] = f"from {home} import {value.__qualname__} as {name}"
        elif isinstance(value, FunctionType):
            visit(value, name)
        elif _is_literal(value):
            constants[name] = f"{name} = {value!r}"
        elif callable(value) and _is_installed(home) and hasattr(value, "__name__"):
            imports[name] = f"from {home} import {value.__name__} as {name}"
        else:
            raise _refuse(reader, f"reads {name}, a {type(value).__name__}")

    visit(select, name_of(select))
    return "\n".join([*imports.values(), *constants.values()]) + "\n\n\n" + "\n\n".join(functions.values())


def _globals(text: symtable.SymbolTable) -> set[str]:
    """Return the global names that a text and the functions in it read; arguments and locals are none."""
    own = {symbol.get_name() for symbol in text.get_symbols() if symbol.is_referenced() and symbol.is_global()}
    return own.union(*map(_globals, text.get_children()))


def _is_installed(module: str) -> bool:
    top = module.partition(".")[0]
    return top == "lhas_utils" or top == "builtins" or top in importlib.metadata.packages_distributions()


def _is_literal(value: object) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False


def loaded(path: Path) -> tuple[Callable, dict]:
    """Run a file and return its selector and the arguments of its race.

    The selector is the function that RACE names, else the only one that the file defines.
    """
    space = {"__name__": path.stem, "__file__": str(path)}
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), space)
    except Exception as error:  # whatever somebody's file does
        raise ValueError(
            f"FILE {str(path)!r}: expected Python that runs; got {type(error).__name__}: {error}"
        ) from None
    race = dict(space.get("RACE", {}))
    name = race.pop("select", None)
    own = {k: v for k, v in space.items() if isinstance(v, FunctionType) and v.__module__ == path.stem}
    if name is None and len(own) == 1:
        name = next(iter(own))
    if name not in own:
        got = ", ".join(own) or "none"
        wanted = "one function select(ctx, budget, *, rng), or RACE = {'select': its name}"
        raise ValueError(f"FILE {str(path)!r}: expected {wanted}; got {got}")
    return own[name], race


def save(race: Finished, name: str) -> Path:
    """Write a race into the folder `build/races/NAME` and return it.

    `race.py` defines the selector and the arguments of the race, and `make race FILE=.../race.py` runs it again;
    `race.json` has seeds, versions and digests; `table.csv`, `differences.csv` and `runs.csv` the numbers; `race.png`
    and `race.pdf` the figure.

    Args:
        race: what `compare` returned. name: letters, digits, `-`, `_` and `.`; an old folder of this name is replaced.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"save: expected a name of letters, digits, -, _ and .; got {name!r}")
    if not isinstance(race.asked["data"], str):
        raise ValueError("save: expected a race on SkillWorld or on DATA, which one line can name; got specs of runs")
    text = source_of(race.select)
    asked = {"select": name_of(race.select)} | race.asked
    folder = paths.BUILD / "races" / name
    path = folder / "race.py"
    head = f'"""The race {name}; `make race FILE=path/to/{path.name}` runs it again."""'
    write(path, f"{head}\n\n{text}\n\nRACE = {asked!r}\n")
    again, _ = loaded(path)
    ctx = context("smoke")
    picks = [np.asarray(s(ctx, len(ctx) // 4, rng=np.random.default_rng(0))) for s in (race.select, again)]
    if not np.array_equal(*picks):
        raise _refuse(name_of(race.select), "picks otherwise when its text is run")
    write(folder / "table.csv", to_csv(race.table.reset_index()))
    write(folder / "runs.csv", to_csv(race.runs))
    if "random" in race.against:
        write(folder / "differences.csv", to_csv(race.differences.rename_axis("selector").reset_index()))
    figure = figures.race(race.runs, race.name)
    for kind, undated in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        image = BytesIO()
        figure.savefig(image, format=kind, metadata=undated)
        write(folder / f"race.{kind}", image.getvalue())
    plt.close(figure)
    versions = {library: importlib.metadata.version(library) for library in LIBRARIES}
    about = {"name": name, "metric": race.metric, "asked": asked, "python": platform.python_version()}
    about |= {"versions": versions, "code": code(race.select), "digest": digest_of(race)}
    write(folder / "race.json", json.dumps(about, indent=1) + "\n")
    print(f"saved in {folder.relative_to(paths.ROOT)}, digest {about['digest']}")
    return folder


def digest_of(race: Finished) -> str:
    """Return the digest of a race's numbers, six significant digits of them."""
    return digest(to_csv(race.runs.drop(columns="run")))
