"""Jobs on a Dask cluster, whose scheduler and workers first show that they compute as this process would."""

import asyncio
import platform
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from ..core import digest, paths
from ..core.digests import versions

ROOMS = ("core", "worlds", "learning", "selection", "studies", "runs")  # what a worker computes with
ANSWER, IMPORT, GONE = 10, 300, 60  # s that a scheduler or worker has to answer, to import, to come back


class Here(NamedTuple):
    """What this process computes with, to be found on a worker.

    Args:
        made_of: code and versions, by name. token: a file of the run cache, there while the cluster is used.
    """

    made_of: dict[str, str]
    token: Path


@cache
def made_of() -> dict[str, str]:
    """Return the code and the versions that decide numbers, as they were when this process was first asked."""
    package = Path(__file__).parents[1]
    files = sorted(f for room in ROOMS for f in (package / room).rglob("*.py"))
    code = digest({f.relative_to(package).as_posix(): f.read_text(encoding="utf-8") for f in files})
    return {"lhas_utils": code, "Python": platform.python_version()} | versions()


def unlike(here: Here) -> str:
    """Return in words where code or versions of this process differ from those of the one that asks; else no text."""
    found = made_of()
    return ", ".join(f"{name} {found[name]} where {v} asks" for name, v in here.made_of.items() if found[name] != v)


def unfit(here: Here, dask_worker) -> str:
    """Return in words why this worker would not do a run as the process that asks; else no text."""
    said = [unlike(here)]
    if not here.token.exists():
        said.append(f"no sight of {here.token.parent}, where the runs go")
    if dask_worker.state.nthreads != 1:
        said.append(f"{dask_worker.state.nthreads} threads where one run at a time is safe (--nthreads 1)")
    return ", ".join(filter(None, said))


def _refused(wrong: dict[str, str]) -> ValueError:
    (where, what), *more = wrong.items()
    rest = f" (and {len(more)} more like it)" if more else ""
    return ValueError(
        "SCHEDULER: expected a scheduler and workers of this checkout and environment; "
        f"got {where} with {what}{rest}; start it again from here"
    )


def _do(job: Callable, here: Here, arguments: tuple) -> None:
    """Do one job on a worker, also one that joined after the others were asked."""
    from distributed import get_worker

    worker = get_worker()
    if wrong := unfit(here, worker):
        raise _refused({worker.address: wrong})
    job(*arguments)


async def _reach(address: str) -> None:
    from distributed.comm import connect

    await (await asyncio.wait_for(connect(address, timeout=ANSWER), ANSWER + 1)).close()


@contextmanager
def _client(address: str) -> Iterator:
    if not re.fullmatch(r"\w+://\S+:\d{1,5}", address):
        raise ValueError(f"SCHEDULER: expected the address of a Dask scheduler, tcp://host:port; got {address!r}")
    try:
        from distributed import Client
    except ImportError:
        needed = "the packages of the extra, .venv/bin/python -m pip install -e '.[cluster]'"
        raise ValueError(f"SCHEDULER: expected {needed}; got no package distributed") from None
    try:
        with ThreadPoolExecutor(1) as thread:  # a notebook has a loop in this one; a client alone may wait for ever
            thread.submit(asyncio.run, _reach(address)).result()
        client = Client(address, timeout=ANSWER, set_as_default=False)
    except Exception as error:  # whoever listens there answers as it likes
        got = next(iter(str(error).splitlines()), "") or f"none within {ANSWER} s"
        raise ValueError(f"SCHEDULER: expected a Dask scheduler that answers at {address}; got {got}") from None
    with client:
        yield client


def _check(client, address: str, here: Here) -> None:
    """Refuse a cluster without workers, or where the scheduler or one of them is not like this process."""
    try:
        client.wait_for_workers(1, timeout=ANSWER)
    except TimeoutError:
        start = f"`.venv/bin/dask worker {address} --nthreads 1` here starts one"
        raise ValueError(f"SCHEDULER: expected a worker at {address}; got none within {ANSWER} s; {start}") from None
    try:
        said = {"the scheduler": _asked(client.run_on_scheduler, unlike, here, callback_timeout=IMPORT)}
        said |= client.run(unfit, here, on_error="return", callback_timeout=IMPORT)
    except TimeoutError:
        raise ValueError(f"SCHEDULER: expected an answer from all workers; got none within {IMPORT} s") from None
    if wrong := {where: str(what) for where, what in said.items() if what}:
        raise _refused(wrong)


def _asked(ask: Callable, *arguments, **more) -> str | Exception:
    try:
        return ask(*arguments, **more)
    except (ImportError, AttributeError) as error:
        return error


def run(address: str, job: Callable, jobs: list[tuple]) -> Iterator[None]:
    """Call `job(*arguments)` for each of `jobs` on the workers of a scheduler; yield once for each that is done.

    Jobs of a worker that dies go to the others. Bad input, a cluster that is not like this process, or one that is
    lost is a `ValueError`; an error of a job is raised as it is.

    Args:
        address: of the scheduler, `tcp://host:port`. job, jobs: what can be pickled; they write into the run cache.
    """
    paths.CACHE.mkdir(parents=True, exist_ok=True)
    with _client(address) as client, NamedTemporaryFile(dir=paths.CACHE, prefix=".partial-") as token:
        here = Here(made_of(), Path(token.name))
        _check(client, address, here)
        yield from _done(client, client.map(partial(_do, job, here), jobs, pure=False))


def _ended(future) -> None:
    if future.status != "finished":
        future.result()  # raises


def _staffed(client) -> bool:
    from distributed import CancelledError

    try:
        return bool(client.nthreads(callback_timeout=GONE))
    except OSError:
        raise CancelledError from None


def _done(client, futures: list) -> Iterator[None]:
    """Yield once for each future that is done, and let go of it: Dask computes again what is held and lost."""
    from distributed import CancelledError, KilledWorker, as_completed

    open_, kept = as_completed(futures, loop=client.loop), "finished runs are kept, the same command goes on from there"
    futures.clear()
    alive = asked = time.monotonic()
    while not open_.is_empty():
        try:
            for _ in map(_ended, open_.next_batch(block=False)):
                yield
                alive = time.monotonic()
            time.sleep(0.1)
            if time.monotonic() - asked > ANSWER:
                asked = time.monotonic()
                alive = asked if _staffed(client) else alive
        except KilledWorker:
            raise ValueError(
                f"SCHEDULER: expected workers that outlive a run; got several that one ended; {kept}"
            ) from None
        except CancelledError:
            raise ValueError(f"SCHEDULER: expected the scheduler to stay; got no answer; {kept}") from None
        if time.monotonic() - alive > GONE:
            raise ValueError(f"SCHEDULER: expected workers to stay; got none for {GONE} s; {kept}")
