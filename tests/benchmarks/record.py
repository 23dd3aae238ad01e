"""Two ways to one answer, timed in turns in one process; what came out is kept in `figures/data/bench.csv`."""

import os
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

from lhas_utils.core import paths, write
from lhas_utils.learning import processor
from lhas_utils.runs import to_csv

FILE = paths.data("full") / "bench.csv"
KEYS = ["benchmark", "peer", "size"]
REPEATS = 5


def machine() -> str:
    """Return the processor, its cores and the version of torch."""
    return f"{processor()}, {os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} thread"


def keep(benchmark: str, peer: str, size: str, **values) -> None:
    """Write one line of the table; a line of the same benchmark, peer and size gives way to it."""
    row = pd.DataFrame([{"benchmark": benchmark, "peer": peer, "size": size} | values | {"machine": machine()}])
    if FILE.exists():
        old = pd.read_csv(FILE)
        same = (old[KEYS].astype(str) == row[KEYS].astype(str).iloc[0]).all(axis=1)
        row = pd.concat([old[~same], row])
    write(FILE, to_csv(row.sort_values(KEYS)))
    print(f"\n{benchmark} | {peer} | {size}: " + ", ".join(f"{k} {v:.3g}" for k, v in values.items()))


def turns(one: Callable, other: Callable, repeats: int = REPEATS) -> np.ndarray:
    """Return the seconds of two calls, timed in turns, shape (repeats, 2)."""
    seconds = np.empty((repeats, 2))
    for row in seconds:
        for k, call in enumerate((one, other)):
            start = time.perf_counter()
            call()
            row[k] = time.perf_counter() - start
    return seconds


def against(benchmark: str, peer: str, size: str, theirs: Callable, ours: Callable, repeats: int = REPEATS) -> tuple:
    """Time both sides in turns, keep the ratio theirs / ours and its spread; return both answers.

    The first call of each side, which compiles and fills caches, is not timed.
    """
    answers, seconds = (theirs(), ours()), turns(theirs, ours, repeats)
    ratios = seconds[:, 0] / seconds[:, 1]
    spread = {"ratio": np.median(ratios), "low": ratios.min(), "high": ratios.max()}
    keep(benchmark, peer, size, seconds=np.median(seconds[:, 1]), **spread, repeats=repeats)
    return answers
