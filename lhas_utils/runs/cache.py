"""Specs in, results out: each run is one sealed file in `build/cache`, named by what its result depends on.

A key is the spec, the code that the run reaches, that of its own selectors, and the versions of the libraries that
do the arithmetic (`core.code`). A file is written complete or not at all, so a killed sweep leaves finished runs only
and the next one continues; one that is not as it was written is computed again (`core.files`).
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import FunctionType

import pandas as pd

from ..core import code, columns, digest, load, paths, store
from ..core.files import alone, unseal
from ..learning import base_model, tokenizer
from ..selection import get
from ..studies import STUDIES
from . import pool


def chosen(spec, select: Callable | None = None) -> dict[str, Callable]:
    """Return the selectors of a run by name, parameters bound; `select`, not registered, is the last of them."""
    params = dict(getattr(spec, "params", ()))
    own = dict.fromkeys(spec.selectors[-1:], select) if select else {}
    return {name: own.get(name) or get(name, **params) for name in spec.selectors}


def _kinds(spec) -> Iterator[type]:
    """Yield the classes of the specs in a spec: their methods are code that a run reaches."""
    for value in [getattr(spec, f.name) for f in fields(spec)] + [spec.world, spec.corpus, spec.model]:
        if is_dataclass(value):
            yield type(value)


@cache
def _engine(execute: Callable, kind: type, kinds: tuple[type, ...]) -> str:
    """Return the digest of a study; of the spec itself what it works out, since its fields are in its own digest."""
    own = [v.fget if isinstance(v, property) else v for k, v in vars(kind).items() if not k.startswith("__")]
    return code(execute, [v for v in own if isinstance(v, FunctionType)], *kinds)


@cache
def _registered(name: str) -> str:
    return code(get(name))


def code_of(spec, select: Callable | None = None) -> str:
    """Return the digest of the code that a run reaches: the study, its worlds, its base model and its selectors."""
    kinds = tuple(sorted(set(_kinds(spec)), key=lambda kind: kind.__name__))
    own = [_registered(name) for name in (spec.selectors[:-1] if select else spec.selectors)]
    own += [code(select)] if select and spec.selectors else []
    return digest(_engine(STUDIES[type(spec)], type(spec), kinds), own)


def key(spec, select: Callable | None = None) -> str:
    """Return the cache key of a run; `select` is a selector that is not registered."""
    return digest(spec, code_of(spec, select))


def path(spec, select: Callable | None = None, picks: bool = False) -> Path:
    """Return the file of a run's rows, or of its picks."""
    return paths.CACHE / f"{key(spec, select)}{'-picks' if picks else ''}.run"


def missing(specs: list, select: Callable | None = None) -> list:
    """Return the runs that are not in the cache as they were written; a damaged file is said and removed."""
    return [s for s in dict.fromkeys(specs) if unseal(path(s, select)) is None]


def compute(spec, select: Callable | None, target: Path, target_picks: Path) -> None:
    """Compute one run and write its picks, if it has any, then its rows."""
    rows, picks = STUDIES[type(spec)](spec, chosen(spec, select))
    if picks is not None:
        store(target_picks, picks)
    store(target, rows, spec=asdict(spec))


def prepare(spec) -> None:
    """Make the base model of a run and its tokenizer."""
    tokenizer(spec.model, spec.corpus)
    base_model(spec.model, spec.corpus, spec.seed)


def fill(specs: list, select: Callable | None = None, each: Callable | None = None) -> int:
    """Compute the missing runs, base models first, and call `each()` after every one; return how many were computed.

    One process of a machine computes at a time; another waits, and finds them done. An unknown selector or parameter
    is a `ValueError` before any run is lost.
    """
    todo = missing(specs, select)
    for s in todo:
        chosen(s, select)
    if not todo:
        return 0
    with alone(paths.CACHE, "computing runs"):
        todo = missing(todo, select)
        bases = {(s.model, s.corpus, s.seed if s.corpus.seeded else 0): s for s in todo}
        pool.run(prepare, [(s,) for s in bases.values()], "base models")
        jobs = [(s, select, path(s, select), path(s, select, picks=True)) for s in todo]
        pool.run(compute, jobs, "runs", each)
    return len(todo)


def results(specs: list, select: Callable | None = None, picks: bool = False) -> pd.DataFrame:
    """Return the tidy rows of many runs, one block a run, with the spec's fields as columns.

    Args:
        specs: the grid; missing runs are computed first.
        select: a selector that is not registered; the specs name it.
        picks: return the picks of each run in place of its rows.
    """
    files = [path(s, select, picks) for s in specs]
    tables = [load(f) for f in files]
    if lost := [s for s, table in zip(specs, tables) if table is None]:
        if picks:  # they come with their rows only
            for s in lost:
                path(s, select).unlink(missing_ok=True)
        fill(lost, select)
        tables = [load(f) for f in files]
    return pd.concat([_labelled(t, i, columns(s)) for i, (s, t) in enumerate(zip(specs, tables))], ignore_index=True)


def _labelled(table: pd.DataFrame, run: int, spec: dict) -> pd.DataFrame:
    if both := set(table) & set(spec):
        found = f"columns {sorted(both)} are fields of the spec already"
        raise ValueError(f"results: expected names that no spec has; got {found}; name what a run measures otherwise")
    return table.assign(run=run, **spec)
