"""What a selection costs: each selector against a plain forward pass over its pool, in one call of one process."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lhas_utils.analysis import readable
from lhas_utils.analysis.statistics import table
from lhas_utils.core import ModelSpec, paths, write
from lhas_utils.learning import base_model, copy_of
from lhas_utils.runs import to_csv
from lhas_utils.selection import SELECTORS, History, SelectionContext
from lhas_utils.studies import BRANCHED
from lhas_utils.studies.stages import prepared
from lhas_utils.worlds import WorldSpec

REPEATS, STAGE = 5, 1


def resident(line: str) -> float:
    """Return a line of this process's /proc/self/status (VmRSS: memory now, VmHWM: its peak) in MiB."""
    status = Path("/proc/self/status").read_text()
    return float(status.partition(f"{line}:")[2].split()[0]) / 1024


def extra(call) -> float:
    """Return by how many MiB the memory of this process peaks in a call above what it was; nan where Linux is not."""
    if not Path("/proc/self/clear_refs").exists():
        call()
        return np.nan
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    call()
    return resident("VmHWM") - before


def bench_selection():
    torch.set_num_threads(1)
    knobs, spec = WorldSpec(), ModelSpec()
    model = base_model(spec, knobs.corpus, 1000)
    frozen, (world, data) = copy_of(model), prepared(knobs, spec, 1000, knobs.max_length)
    pool, stage, rows = data.pools[STAGE], world.stages[STAGE], []

    @torch.no_grad()
    def forward():
        for start in range(0, len(pool), 128):
            model(input_ids=pool.take(range(start, min(start + 128, len(pool)))).input_ids, use_cache=False)

    def seconds(call) -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    def select(name):
        ctx = SelectionContext(
            model, frozen, stage.pool, pool, data.validations[STAGE], data.proxies[STAGE], History(), STAGE
        )
        return SELECTORS[name](ctx, len(pool) // 4, rng=np.random.default_rng(0))

    forward()
    for repeat in range(REPEATS):
        plain = min(seconds(forward) for _ in range(3))
        for name in BRANCHED:
            took = seconds(lambda: select(name))
            rows.append((name, repeat, took, took / plain, extra(lambda: select(name))))
    measured = ["seconds", "forward_passes", "peak_mib"]
    costs = table(pd.DataFrame(rows, columns=["selector", "seed", *measured]), measured)
    write(paths.data("full") / "costs.csv", to_csv(costs))
    print(f"\n{len(pool)} examples, one thread; forward passes over the pool, repeats in one process")
    print(readable(costs).to_string())
