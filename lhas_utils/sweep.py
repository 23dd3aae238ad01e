"""Grid in, results out: cached, resumable, parallel runs.

One run is one parquet file in `build/cache`, written to a temporary name and renamed, so a killed
sweep leaves only complete files and the next one continues. The name is the digest of the spec
and of the code that computes the run; a file that cannot be read is computed again.
"""

import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from joblib import Parallel, cpu_count, delayed, parallel_config
from tqdm.auto import tqdm

from . import live, paths
from .config import RunSpec, digest, source_digest

_PROTOCOL = ("config", "worlds", "models", "training", "signals", "context", "selectors", "metrics", "protocol")
RUNNERS = {  # kind of spec -> (module whose `execute` runs it, modules its result depends on)
    "RunSpec": ("protocol", _PROTOCOL),
    "LocalSpec": ("local_analysis", (*_PROTOCOL, "local_analysis")),
    "EffectSpec": ("true_effect", (*_PROTOCOL, "true_effect")),
    "RealSpec": ("real", (*_PROTOCOL, "corpora", "sentences", "bases", "real")),
    "OpSpec": ("ops", ("config", "worlds", "models", "training", "depth_world", "depth", "op_world", "ops")),
    "DepthSpec": ("depth", ("config", "worlds", "models", "training", "depth_world", "depth")),
}


def key(spec, code: str = "") -> str:
    """Return the cache key of a run; `code` is the source of a selector that is not registered."""
    return digest(spec, source_digest(*RUNNERS[type(spec).__name__][1]), code)


def store(path: Path, rows: pd.DataFrame, **extra):
    """Write rows and plain metadata as one parquet file, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(rows, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"lhas": json.dumps(extra).encode()})
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    os.close(handle)
    try:
        pq.write_table(table, partial)
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def load(path: Path) -> pd.DataFrame | None:
    """Read a cached table; None if it is absent or damaged, the latter with a message."""
    if not path.exists():
        return None
    try:
        return pq.read_table(path).to_pandas()
    except (pa.ArrowException, OSError) as error:
        print(f"run cache: {path.name} cannot be read ({type(error).__name__}); computing it again", file=sys.stderr)
        path.unlink()
        return None


def _runner(spec):
    return import_module(f"lhas_utils.{RUNNERS[type(spec).__name__][0]}")


def _job(spec, name, select):
    import torch

    torch.set_num_threads(1)
    runner = _runner(spec)
    with warnings.catch_warnings(action="ignore"):  # of the libraries, in many processes
        rows, picks = runner.execute(spec, select) if select else runner.execute(spec)
    if picks is not None:
        store(paths.CACHE / f"{name}-picks.parquet", picks)
    store(paths.CACHE / f"{name}.parquet", rows, spec=asdict(spec))


def _base(spec):
    import torch

    torch.set_num_threads(1)
    _runner(spec).base_model(spec.model, spec.seed)


def _parallel(jobs, title: str):
    """Run delayed jobs on the cores this process may use (LOKY_MAX_CPU_COUNT limits them), with progress and ETA."""
    if not jobs:
        return
    cluster = os.environ.get("SCHEDULER")
    if cluster:
        from distributed import Client

        Client(cluster)
    workers = -1 if cluster else min(len(jobs), cpu_count())
    silent = os.environ.get("LHAS_PROGRESS") == "0" or live.headless()
    with parallel_config("dask" if cluster else "loky", n_jobs=workers, **({} if cluster else {"inner_max_num_threads": 1})):
        done = Parallel(return_as="generator_unordered")(jobs)
        for _ in tqdm(done, total=len(jobs), desc=title, unit="run", leave=False, disable=silent, smoothing=0.1, mininterval=1):
            pass


def missing(specs: list, code: str = "") -> list:
    """Return the runs that are not in the cache."""
    return [s for s in dict.fromkeys(specs) if not (paths.CACHE / f"{key(s, code)}.parquet").exists()]


def _check(specs):
    """Refuse an unknown selector or parameter before any run is lost."""
    from . import selectors

    for name, params in dict.fromkeys((s.selector, s.params) for s in specs if isinstance(s, RunSpec)):
        selectors.get(name, **dict(params))


def fill(specs: list, select: Callable | None = None, code: str = "") -> int:
    """Compute the missing runs, base models first; return how many were computed."""
    todo = missing(specs, code)
    if todo and select is None:
        _check(todo)
    bases = {(type(s), s.model, s.seed): s for s in todo if hasattr(_runner(s), "base_model")}
    _parallel([delayed(_base)(s) for s in bases.values()], "base models")
    _parallel([delayed(_job)(s, key(s, code), select) for s in todo], "runs")
    return len(todo)


def results(specs: list, select: Callable | None = None, code: str = "", picks: bool = False) -> pd.DataFrame:
    """Return the tidy rows of many runs, one block a run, with the spec's fields as columns.

    Args:
        specs: the grid; missing runs are computed first.
        select, code: an unregistered selector and its source.
        picks: return the picks of each run in place of its rows.
    """
    suffix = "-picks.parquet" if picks else ".parquet"

    def read():
        return [load(paths.CACHE / f"{key(s, code)}{suffix}") for s in specs]

    fill(specs, select, code)
    tables = read()
    for s, table in zip(specs, tables):
        if table is None:  # damaged, or its picks are gone: the run as a whole is computed again
            (paths.CACHE / f"{key(s, code)}.parquet").unlink(missing_ok=True)
    if any(table is None for table in tables):
        fill(specs, select, code)
        tables = read()
    return pd.concat([_labelled(t, i, describe(s)) for i, (s, t) in enumerate(zip(specs, tables))], ignore_index=True)


def _labelled(table: pd.DataFrame, run: int, spec: dict) -> pd.DataFrame:
    if both := set(table) & set(spec):
        raise ValueError(f"results: columns {sorted(both)} are fields of the spec already; name what a run measures otherwise")
    return table.assign(run=run, **spec)


def describe(spec) -> dict:
    """Return a spec as flat columns; fields of its world and training recipe come up one level."""
    flat = {k: v for k, v in asdict(spec).items() if k != "params"}
    flat["params"] = ", ".join(f"{k}={v}" for k, v in getattr(spec, "params", ()))
    for nested, names in (("world", None), ("train", ("steps", "rank", "reselect", "curriculum", "lr")), ("model", ())):
        inner = flat.pop(nested, {})
        flat |= {k: v for k, v in inner.items() if names is None or k in names}
    return flat
