"""Selection from 10,000 to 1,000,000 candidates (`SCALE=1` for the last): seconds, memory, and how both grow."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.benchmarks.record import keep

SIZES = (10_000, 100_000, 1_000_000) if os.environ.get("SCALE") else (10_000, 100_000)
CODE = """
import resource, sys, time
import numpy as np
from lhas_utils.selection import SELECTORS, History
name, n, d = sys.argv[1], int(sys.argv[2]), 256
rng = np.random.default_rng(0)
class Pool:
    history, terms = History(), {}
    nuclear_norm, cosine_proxy = rng.random(n, np.float32), rng.random(n, np.float32)
    embedding = rng.standard_normal((n, d), np.float32)
    projection = rng.standard_normal((n, 1024), np.float32) if name == "lhas" else None
    def __len__(self): return n
    def explain(self, *_, **terms): pass
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
picks = SELECTORS[name](Pool(), n // 100, rng=np.random.default_rng(1))
assert len(set(picks.tolist())) == n // 100
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, before / 2**20)
"""


@pytest.mark.parametrize("name", ["lhas", "diversity", "facility_location"])
def bench_scale(name):
    """Budget 1 %, 256 dimensions; in a process of its own, so that the peak of memory is its own."""
    seconds = []
    for n in SIZES:
        done = subprocess.run([sys.executable, "-c", CODE, name, str(n)], capture_output=True, text=True, check=True)
        took, peak, inputs = map(float, done.stdout.split())
        seconds.append(took)
        keep("scale", name, f"n = {n}", seconds=took, peak_gib=peak, inputs_gib=inputs)
    slope = np.polyfit(np.log(SIZES), np.log(seconds), 1)[0]
    keep("scale, exponent of the seconds", name, f"n = {SIZES[0]} to {SIZES[-1]}", ratio=slope)
