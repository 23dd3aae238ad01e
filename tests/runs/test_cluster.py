"""Runs on a Dask cluster of this machine: the same bytes, a worker's death costs one run, what differs is refused."""

import builtins
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from lhas_utils.core import paths
from lhas_utils.runs import cluster, pool
from lhas_utils.studies import RunSpec

JOBS = """
import os, time
from pathlib import Path

def job(spec, folder, i):
    print(os.getpid(), i, file=open(folder / "starts", "a"))
    time.sleep(0.5)
    (folder / f"{i}.done").touch()

def late(spec, folder, i):
    while i and not (folder / "go").exists():
        time.sleep(0.05)
    job(spec, folder, i)

def fault(spec):
    raise ArithmeticError("a run of seed 7 diverged")
"""
SWEEP = """
from lhas_utils.runs import fill, specs
from lhas_utils.learning import quiet
quiet()
print(fill(specs("table1", "smoke")[:6]))
"""


def until(condition, seconds: float = 120):
    """Wait for a condition and return its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "expected it to happen in time"
        time.sleep(0.05)
    return value


class Cluster:
    """A scheduler on a free port of the loopback and its workers, each a process group of its own.

    Args:
        folder: of its files. package: the folder that holds `lhas_utils`.
    """

    def __init__(self, folder: Path, package: Path = paths.ROOT):
        self.folder, self.processes = folder, []
        file = folder / "scheduler.json"
        self.start("scheduler", "--port", "0", "--scheduler-file", str(file), package=package)
        self.address = json.loads(until(lambda: file.exists() and file.read_text()))["address"]

    def start(self, kind: str, *options: str, package: Path) -> subprocess.Popen:
        """Start a scheduler or a worker."""
        command = [sys.executable, "-W", "ignore", "-m", "dask", kind, "--host", "127.0.0.1", "--no-dashboard"]
        path = os.pathsep.join([str(package), str(self.folder)])
        more = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "DASK_DISTRIBUTED__WORKER__PRELOAD": "[]"}
        log = (self.folder / f"{len(self.processes)}-{kind}.log").open("w")
        with log:
            out = {"stdout": log, "stderr": log, "start_new_session": True}
            made = subprocess.Popen([*command, *options], cwd=self.folder, env=os.environ | more, **out)
        self.processes.append(made)
        return made

    def late(self, *options: str, package: Path = paths.ROOT) -> subprocess.Popen:
        """Start a worker with one thread; it may have left again before anybody sees it."""
        places = ("--no-nanny", "--local-directory", str(self.folder))
        return self.start("worker", self.address, *places, "--nthreads", "1", *options, package=package)

    def worker(self, *options: str, package: Path = paths.ROOT) -> subprocess.Popen:
        """Start a worker with one thread, and wait until it has joined."""
        before = len(self.workers())
        made = self.late(*options, package=package)
        until(lambda: len(self.workers()) > before)
        return made

    def workers(self) -> list[str]:
        """Return the addresses of the workers."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            return list(client.nthreads())

    def stop(self, *processes: subprocess.Popen) -> None:
        """End processes, all by default, and see that none is left."""
        for process in processes or reversed(self.processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            with pytest.raises(ProcessLookupError):
                os.killpg(process.pid, 0)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The run cache in a folder of the test."""
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("LHAS_PROGRESS", "0")


@pytest.fixture(scope="module")
def dask():
    """What follows needs Dask."""
    return pytest.importorskip("distributed", reason="the extra is not installed: pip install -e '.[cluster]'")


@pytest.fixture(scope="module")
def two(dask, tmp_path_factory):
    """A cluster of two workers that are right."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "jobs_of_a_test.py").write_text(JOBS)
    made = Cluster(folder)
    try:
        sys.path.insert(0, str(folder))
        made.worker()
        made.worker()
        yield made
    finally:
        sys.path.remove(str(folder))
        made.stop()


@pytest.fixture
def jobs(two):
    """The module of jobs that the workers know."""
    import jobs_of_a_test

    return jobs_of_a_test


def refusal(address: str, monkeypatch) -> str:
    """Return the one sentence with which a cluster is refused before any job."""
    monkeypatch.setenv("SCHEDULER", address)
    with pytest.raises(ValueError) as refused:
        pool.run(Path.touch, [(paths.CACHE / "touched",)], "files")
    assert not (paths.CACHE / "touched").exists()
    said = str(refused.value)
    assert said.startswith("SCHEDULER: expected ") and "\n" not in said and len(said) < 400
    return said


@pytest.mark.parametrize("address", ["nonsense", "tcp://", "127.0.0.1:8786", "tcp://here", "tcp://here:port"])
def test_what_is_no_address_is_refused(address, monkeypatch):
    assert refusal(address, monkeypatch).endswith(f"a Dask scheduler, tcp://host:port; got {address!r}")


def test_the_packages_that_it_needs_are_named(monkeypatch):
    found = builtins.__import__

    def without(name, *more):
        if name == "distributed":
            raise ImportError(name)
        return found(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install -e '.[cluster]'; got no package distributed" in refusal("tcp://127.0.0.1:1", monkeypatch)


def test_an_address_where_nobody_answers_is_refused(dask, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the call and says nothing
        port = silent.getsockname()[1]
        assert f"that answers at tcp://127.0.0.1:{port}; got " in refusal(f"tcp://127.0.0.1:{port}", monkeypatch)
    assert f"that answers at tcp://127.0.0.1:{port}; got " in refusal(f"tcp://127.0.0.1:{port}", monkeypatch)
    assert "that answers at tcp://127.0.0.1:99999; got " in refusal("tcp://127.0.0.1:99999", monkeypatch)


@pytest.mark.slow
def test_a_cluster_without_workers_is_refused(dask, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER", 3)
    empty = Cluster(tmp_path)
    try:
        said = refusal(empty.address, monkeypatch)
    finally:
        empty.stop()
    assert f"got none within 3 s; `.venv/bin/dask worker {empty.address} --nthreads 1` here starts one" in said


@pytest.mark.slow
def test_a_scheduler_that_cannot_import_the_package_is_refused(dask, tmp_path, monkeypatch):
    (tmp_path / "lhas_utils").mkdir()
    (tmp_path / "lhas_utils/__init__.py").touch()
    other = Cluster(tmp_path, tmp_path)
    try:
        other.worker()
        said = refusal(other.address, monkeypatch)
    finally:
        other.stop()
    assert "got the scheduler with No module named 'lhas_utils.runs' (and 1 more like it); start it again from" in said


@pytest.fixture(params=["without the package", "other code", "two threads"])
def wrong(request, two, tmp_path):
    """(options of a worker, what is said of it)."""
    if request.param == "two threads":
        return {"options": ("--nthreads", "2")}, "2 threads where one run at a time is safe (--nthreads 1)"
    package = tmp_path / "lhas_utils"
    if request.param == "other code":
        shutil.copytree(paths.ROOT / "lhas_utils", package)
        seeds = package / "core/seeds.py"
        seeds.write_text(seeds.read_text().replace("str(t)", "repr(t)"))
        return {"package": tmp_path}, f" where {cluster.made_of()['lhas_utils']} asks"
    package.mkdir()
    (package / "__init__.py").touch()
    return {"package": tmp_path}, "No module named 'lhas_utils.runs'"


@pytest.mark.slow
def test_a_worker_that_would_compute_otherwise_is_refused(two, wrong, monkeypatch):
    how, what = wrong
    before = set(two.workers())
    worker = two.worker(*how.get("options", ()), **{k: v for k, v in how.items() if k != "options"})
    try:
        (address,) = set(two.workers()) - before
        said = refusal(two.address, monkeypatch)
    finally:
        two.stop(worker)
    assert f"got {address} with " in said and what in said and "more like it" not in said


@pytest.mark.slow
@pytest.mark.parametrize("name", ["numpy", "torch", "Python", "lhas_utils"])
def test_another_version_is_refused_by_name(two, name, monkeypatch):
    made = cluster.made_of()
    monkeypatch.setattr(cluster, "made_of", lambda: made | {name: "0.1"})
    assert f" with {name} {made[name]} where 0.1 asks (and 2 more like it)" in refusal(two.address, monkeypatch)


@pytest.mark.slow
def test_workers_that_do_not_see_the_run_cache_are_refused(two, monkeypatch):
    made = cluster.made_of()
    monkeypatch.setattr(cluster, "made_of", lambda: made)
    monkeypatch.setattr(cluster, "Path", lambda name: Path("/elsewhere") / Path(name).name)
    assert "with no sight of /elsewhere, where the runs go" in refusal(two.address, monkeypatch)


@pytest.mark.slow
def test_a_worker_that_joins_later_is_asked_too(two, wrong, tmp_path, jobs):
    """Its first job stops the others, and what they did is kept; one that cannot even read a job leaves by itself."""
    how, what = wrong
    running = cluster.run(two.address, jobs.late, [(None, tmp_path, i) for i in range(20)])
    next(running)
    worker = two.late(*how.get("options", ()), **{k: v for k, v in how.items() if k != "options"})
    try:
        if what.startswith("No module"):
            worker.wait(120)
            (tmp_path / "go").touch()
            assert len(list(running)) == 19
        else:
            with pytest.raises(ValueError) as refused:
                list(running)
            assert str(refused.value).startswith("SCHEDULER: expected ") and what in str(refused.value)
    finally:
        (tmp_path / "go").touch()
        two.stop(worker)
    starts = Counter(line.split()[1] for line in (tmp_path / "starts").read_text().splitlines())
    assert starts and set(starts.values()) == {1}


@pytest.mark.slow
def test_an_error_of_a_job_is_raised_as_it_is(two, jobs, monkeypatch):
    monkeypatch.setenv("SCHEDULER", two.address)
    with pytest.raises(ArithmeticError, match="a run of seed 7 diverged"):
        pool.run(jobs.fault, [(RunSpec("random", 7),)], "runs")
    assert not list(paths.CACHE.iterdir())  # the token is gone


@pytest.mark.slow
def test_jobs_of_a_dead_worker_go_to_the_others(two, tmp_path, jobs):
    """Only what it was doing is done again, nothing that it had finished."""

    def starts():
        return [tuple(map(int, line.split())) for line in (tmp_path / "starts").read_text().splitlines()]

    third = two.worker()
    running = cluster.run(two.address, jobs.job, [(None, tmp_path, i) for i in range(12)])
    for _ in range(6):
        next(running)

    def half_way():
        own = [i for pid, i in starts() if pid == third.pid]
        return own and not (tmp_path / f"{own[-1]}.done").exists() and own

    *finished, open_ = until(half_way)
    third.kill()
    assert len(list(running)) == 6
    third.wait()
    assert all((tmp_path / f"{i}.done").exists() for i in range(12))
    again = {i for i, times in Counter(i for _, i in starts()).items() if times > 1}
    assert finished and again == {open_}


@pytest.mark.slow
def test_without_a_worker_left_it_ends_in_a_sentence(two, tmp_path, jobs, monkeypatch):
    monkeypatch.setattr(cluster, "GONE", 2)
    monkeypatch.setattr(cluster, "ANSWER", 1)
    (tmp_path / "jobs_of_a_test.py").write_text(JOBS)
    alone = Cluster(tmp_path)
    try:
        worker = alone.worker()
        running = cluster.run(alone.address, jobs.job, [(None, tmp_path, i) for i in range(20)])
        next(running)
        worker.kill()
        with pytest.raises(ValueError, match="expected workers to stay; got none for 2 s; finished runs are kept, the"):
            list(running)
        again = cluster.run(alone.address, jobs.job, [(None, tmp_path, 0)] * 20)
        alone.worker()
        next(again)
        alone.processes[0].kill()
        with pytest.raises(ValueError, match="expected the scheduler to stay; got no answer; finished runs are kept"):
            list(again)
    finally:
        alone.stop()


def made(folder: Path) -> dict[str, bytes]:
    files = (p for p in (folder / "build").rglob("*") if p.is_file() and not p.name.startswith("."))
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


@pytest.mark.slow
def test_a_sweep_gives_the_same_bytes_though_a_worker_is_killed(dask, tmp_path):
    """Base models and runs of a copy of the checkout: on this machine, and on two workers of which one dies."""

    def sweep(folder, **more):
        kept = {k: v for k, v in os.environ.items() if k != "SCHEDULER"} | {"PYTHONPATH": str(folder)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen([sys.executable, "-c", SWEEP], cwd=folder, env=kept | more, **pipes)

    local, shared = tmp_path / "local", tmp_path / "shared"
    for folder in (local, shared):
        shutil.copytree(paths.ROOT / "lhas_utils", folder / "lhas_utils")
    other, running = Cluster(tmp_path, shared), sweep(local)
    try:
        said, _ = running.communicate(timeout=900)
        assert said == "6\n"
        dying, _ = other.worker(package=shared), other.worker(package=shared)
        running = sweep(shared, SCHEDULER=other.address)

        def runs():
            files = (shared / "build/cache").glob("*[0-9a-f].run")
            return {f.name: (f.stat().st_ino, f.stat().st_mtime_ns) for f in files}

        kept = until(runs, 600)
        dying.kill()
        said, _ = running.communicate(timeout=900)
        assert said == "6\n"
    finally:
        running.kill()
        running.wait()
        other.stop()
    assert kept.items() <= runs().items() and len(kept) < 6
    assert made(shared) == made(local)
