"""Where the seconds of one run go: training, signals, evaluation and the rest; and how near training is to the peak."""

import time
from functools import partial

import numpy as np
import torch

from lhas_utils.learning import trainable
from lhas_utils.learning.speed import peak
from lhas_utils.selection import SELECTORS, signals
from lhas_utils.studies import RunSpec, stages
from tests.benchmarks.record import REPEATS, keep

SIGNALS = ("forward_signals", "mean_gradient", "gradient_signals", "sketches", "embedding", "gram")
PARTS = {  # what a call is counted under; a call inside another one counts for itself alone
    "forward, backward and AdamW": [(stages, "fit")],
    "signals": [(signals, name) for name in SIGNALS],
    "evaluation": [(stages, "score")],
}
REST = "worlds, selection and the rest"


class Clock:
    """Seconds by part, each moment charged to the innermost one."""

    def __init__(self):
        self.spent, self.open, self.since = dict.fromkeys((*PARTS, REST), 0.0), [REST], time.perf_counter()

    def switch(self):
        now = time.perf_counter()
        self.spent[self.open[-1]] += now - self.since
        self.since = now

    def counted(self, part, call, *given, **more):
        self.switch()
        self.open.append(part)
        try:
            return call(*given, **more)
        finally:
            self.switch()
            self.open.pop()


def measured(spec: RunSpec, patch) -> tuple[Clock, float]:
    """Return the clock of one run and the operations of its training, 6 a weight and token."""
    clock, work = Clock(), 0.0
    for part, calls in PARTS.items():
        for module, name in calls:
            patch.setattr(module, name, partial(clock.counted, part, getattr(module, name)))
    fit = stages.fit

    def counting(model, data, batches, *given, **more):
        nonlocal work
        clock.switch()
        weights = sum(p.numel() for p in trainable(model).values())
        work += 6 * weights * sum(data.take(rows).input_ids.numel() for rows in batches)
        clock.since = time.perf_counter()  # what the count took is nobody's
        return fit(model, data, batches, *given, **more)

    patch.setattr(stages, "fit", counting)
    stages.execute(spec, SELECTORS)
    clock.switch()
    return clock, work


def bench_stage_run(monkeypatch):
    """LHAS on a development seed, all stages of SkillWorld at the training of the published runs."""
    torch.set_num_threads(1)
    spec = RunSpec("lhas", 1000)
    stages.start(spec)  # the base model is there
    shares, peaks = [], []
    for _ in range(REPEATS):
        with monkeypatch.context() as patch:
            clock, work = measured(spec, patch)
        total = sum(clock.spent.values())
        shares.append({part: seconds / total for part, seconds in clock.spent.items()})
        training = clock.spent["forward, backward and AdamW"]
        peaks.append(work / training / peak(torch.float32, "cpu"))
        assert training > 0 and abs(sum(shares[-1].values()) - 1) < 1e-9
    for part in shares[0]:
        spread = of_repeats([share[part] for share in shares])
        keep("one run, share of the seconds", part, "LHAS, 5 stages", **spread)
    keep("one run, share of the matrix peak", "training", "LHAS, 5 stages", **of_repeats(peaks))


def of_repeats(shares: list[float]) -> dict[str, float]:
    """Return median and range; no `ratio`, which is of others' seconds over ours."""
    return {"share": np.median(shares), "fewest": min(shares), "most": max(shares), "repeats": len(shares)}
