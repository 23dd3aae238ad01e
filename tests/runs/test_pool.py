"""Runs side by side: how many at once, and in which processes."""

import os
import time
from pathlib import Path

import pytest

from lhas_utils.core import Checkpoint
from lhas_utils.runs import pool
from lhas_utils.studies import RunSpec


@pytest.mark.slow
def test_jobs_really_run_in_parallel_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("LHAS_PROGRESS", "0")
    monkeypatch.delenv("SCHEDULER", raising=False)
    monkeypatch.setattr(pool, "_workers", lambda jobs: 2)
    pool.run(Path.touch, [(tmp_path / f"{i}",) for i in range(3)], "files")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1", "2"]
    pool.run(Path.touch, [], "none")


def test_a_checkpoint_on_a_gpu_has_it_to_itself(monkeypatch):
    monkeypatch.setattr(pool, "cpu_count", lambda: 8)
    for device, processes in (("cuda", 1), ("cpu", 3)):
        jobs = [(RunSpec("random", seed, model=Checkpoint("m", device=device)),) for seed in range(3)]
        assert pool._workers(jobs) == processes


def test_no_more_checkpoints_at_once_than_memory_holds(monkeypatch, tmp_path):
    monkeypatch.setattr(pool, "cpu_count", lambda: 8)
    monkeypatch.setattr(pool.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 4 * 10**6}.get)  # 16 GB
    jobs = [(RunSpec("random", seed, model=Checkpoint(str(tmp_path))),) for seed in range(6)]
    for size, processes in ((0, 6), (3 * 10**8, 3), (10**10, 1)):
        with (tmp_path / "model.safetensors").open("w") as file:
            file.truncate(size)
        assert pool._workers(jobs) == processes
    assert pool._workers([(RunSpec("random", seed),) for seed in range(6)]) == 6


@pytest.mark.slow
def test_a_process_that_has_grown_does_the_next_run_too(tmp_path, monkeypatch):
    monkeypatch.delenv("SCHEDULER", raising=False)
    monkeypatch.setattr(pool, "_workers", lambda jobs: 2)

    def grow(spec):
        vars(pool).setdefault("held", []).append(b"x" * 4 * 10**8)  # in the process that does the run
        time.sleep(1.1)  # joblib looks at the memory once a second
        (tmp_path / f"{spec} {os.getpid()}").touch()

    pool.run(grow, [(spec,) for spec in range(6)], "runs")
    assert len(list(tmp_path.iterdir())) == 6
    assert len({p.name.split()[1] for p in tmp_path.iterdir()}) == 2
