"""Many jobs side by side, on this machine or on a Dask cluster, with progress and ETA."""

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from joblib import Parallel, cpu_count, delayed, parallel_config
from joblib.externals.loky import process_executor
from tqdm.auto import tqdm

from ..core import Checkpoint, settings
from ..learning import quiet
from . import cluster

ROOM, TIMES = 10**9, 14  # bytes of a process, and how often it holds a checkpoint's weights, signals of a pool included


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _alone(job: Callable, arguments: tuple) -> None:
    """Do one job with one thread; libraries' warnings, the same in many processes, stay quiet.

    joblib ends a process that has grown by 0.3 GB, and with it the base models that its next run would have used; here
    one may grow by a core's share of the memory.
    """
    process_executor._MAX_MEMORY_LEAK_SIZE = _memory() // cpu_count()
    torch.set_num_threads(1)
    quiet()
    with warnings.catch_warnings(action="ignore"):
        job(*arguments)


def _workers(jobs: list[tuple]) -> int:
    """Return how many jobs run at once: as many as cores, of checkpoints no more than memory holds, one on a GPU."""
    most, models = min(len(jobs), cpu_count()), [getattr(spec, "model", None) for spec, *_ in jobs]
    checkpoints = {model for model in models if isinstance(model, Checkpoint)}
    if not checkpoints:
        return most
    if any(model.device == "cuda" for model in checkpoints):
        return 1
    weights = max(sum(f.stat().st_size for f in Path(m.name).glob("*.safetensors")) for m in checkpoints)
    return max(1, min(most, _memory() // (ROOM + TIMES * weights)))


def _here(job: Callable, jobs: list[tuple]) -> Iterator[None]:
    with parallel_config(backend="loky", n_jobs=_workers(jobs), inner_max_num_threads=1):
        yield from Parallel(return_as="generator_unordered")(delayed(_alone)(job, arguments) for arguments in jobs)


def run(job: Callable, jobs: list[tuple], title: str, each: Callable | None = None) -> None:
    """Call `job(*arguments)` for each of `jobs`, whose first argument is a spec; `each()` here after every one.

    On this machine as many at once as it has cores for this process (LOKY_MAX_CPU_COUNT limits them); with SCHEDULER
    set, on the workers of that Dask cluster (`cluster.run`).
    """
    if not jobs:
        return
    address = settings.scheduler()
    done = cluster.run(address, _alone, [(job, arguments) for arguments in jobs]) if address else _here(job, jobs)
    look = {"unit": "run", "leave": False, "smoothing": 0.1, "mininterval": 1}
    with warnings.catch_warnings():  # a process that has outgrown its share ends after its run, another takes its place
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
        for _ in tqdm(done, total=len(jobs), desc=title, disable=not settings.show_progress(), **look):
            if each:
                each()
