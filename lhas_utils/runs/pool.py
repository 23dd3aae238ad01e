"""Many jobs side by side, on this machine or on a Dask cluster, with progress and ETA."""

import warnings
from collections.abc import Callable, Iterator

import torch
from joblib import Parallel, cpu_count, delayed, parallel_config
from tqdm.auto import tqdm

from ..core import Checkpoint, settings
from ..learning import quiet
from . import cluster


def _alone(job: Callable, arguments: tuple) -> None:
    """Do one job with one thread; libraries' warnings, the same in many processes, stay quiet."""
    torch.set_num_threads(1)
    quiet()
    with warnings.catch_warnings(action="ignore"):
        job(*arguments)


def _workers(jobs: list[tuple]) -> int:
    """Return how many jobs run at once: the cores this process may use, one where a checkpoint fills the GPU."""
    on_gpu = torch.cuda.is_available() and any(isinstance(spec.model, Checkpoint) for spec, *_ in jobs)
    return 1 if on_gpu else min(len(jobs), cpu_count())


def _here(job: Callable, jobs: list[tuple]) -> Iterator[None]:
    with parallel_config(backend="loky", n_jobs=_workers(jobs), inner_max_num_threads=1):
        yield from Parallel(return_as="generator_unordered")(delayed(_alone)(job, arguments) for arguments in jobs)


def run(job: Callable, jobs: list[tuple], title: str) -> None:
    """Call `job(*arguments)` for each of `jobs`, whose first argument is a spec.

    On this machine as many at once as it has cores for this process (LOKY_MAX_CPU_COUNT limits them); with SCHEDULER
    set, on the workers of that Dask cluster (`cluster.run`).
    """
    if not jobs:
        return
    address = settings.scheduler()
    done = cluster.run(address, _alone, [(job, arguments) for arguments in jobs]) if address else _here(job, jobs)
    look = {"unit": "run", "leave": False, "smoothing": 0.1, "mininterval": 1}
    for _ in tqdm(done, total=len(jobs), desc=title, disable=not settings.show_progress(), **look):
        pass
