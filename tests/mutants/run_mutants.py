"""Plant one fault at a time in a copy of the package and see whether a test fails: `run_mutants.py [-j 2] [words]`.

Every fault of `mutants.yml` is applied alone to a fresh copy of the checkout, in which its tests run until the first
failure. The tests must pass without a fault, so that a failure is the fault's. Ends with a table, and with status 1
where a fault is missed that is not argued to change nothing, or where a patch, or a test, no longer works.
"""

import argparse
import gc
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
COPIED = (
    "lhas_utils",
    "tests",
    "figures",
    "pyproject.toml",
    "claims.yml",
    "Makefile",
    "README.md",
    "ARTEFACT.md",
    "requirements.lock",
)
PACKAGES = ("lhas_utils.reader", "transformers.models.llama.modeling_llama", "peft", "hypothesis", "nbval.plugin")
OPTIONS = ("-q", "--tb=line", "-m", "not slow", "-W", "ignore::pytest.PytestAssertRewriteWarning")
TIMEOUT = 180  # seconds for the tests of one fault; a fault that makes them hang is caught as well
FIRST = ("FAILED tests", "ERROR tests")  # how pytest names a failure
PASSED, FAILED, BROKEN = 0, 1, 3  # exit codes of pytest


class Mutant(NamedTuple):
    """One fault: `old` stands once in `lhas_utils/FILE` and becomes `new`.

    Args:
        tests: files under `tests/` that are to notice it.
        equal: why the fault changes nothing that is promised, where it is not to be noticed.
    """

    file: str
    fault: str
    old: str
    new: str
    tests: tuple[str, ...]
    equal: str = ""

    def patched(self, root: Path = ROOT) -> str:
        """Return the module's text with the fault in it.

        Raises:
            ValueError: for a patch that fits nowhere, or twice, and for tests that are not there.
        """
        text = (root / "lhas_utils" / self.file).read_text()
        if (found := text.count(self.old)) != 1:
            what = f"{self.file}, {self.fault}: expected {self.old!r} once; got it {found} times"
            raise ValueError(f"{what}; the module has changed, so write the patch anew")
        if lacking := [t for t in self.tests if not (root / "tests" / t).is_file()]:
            raise ValueError(f"{self.file}, {self.fault}: expected tests/{lacking[0]}; there is no such file")
        return text.replace(self.old, self.new)


def mutants() -> list[Mutant]:
    """Return the faults of `mutants.yml`."""
    modules = yaml.safe_load((Path(__file__).parent / "mutants.yml").read_text())
    return [
        Mutant(file, **{"tests": module["tests"]} | fault)
        for file, module in modules.items()
        for fault in module["faults"]
    ]


def unfit(mutant: Mutant) -> str:
    """Return what keeps a patch from being applied; empty where nothing does."""
    try:
        mutant.patched()
    except ValueError as error:
        return str(error)
    return ""


class Job(NamedTuple):
    """The tests of one fault, or of none, and where they run."""

    mutant: Mutant | None
    tests: tuple[str, ...]
    folder: Path
    started: float


class Outcome(NamedTuple):
    """How one job ended: the exit code (None: stopped), the first failing test, seconds, and all that was said."""

    mutant: Mutant | None
    code: int | None
    test: str
    seconds: float
    said: str

    def word(self) -> str:
        """Return `caught`, `missed`, `equal` (missed, as argued) or `broken`."""
        if self.code in (FAILED, None):
            return "broken" if self.mutant is None or self.mutant.equal else "caught"
        if self.code != PASSED:
            return "broken"
        return "equal" if self.mutant and self.mutant.equal else "missed"


def copy(folder: Path, mutant: Mutant | None) -> None:
    """Copy what the tests need into a folder, with one fault in it."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.png", "*.pdf"))
        elif source.exists():
            shutil.copy(source, folder / name)
    (folder / "notebooks").symlink_to(ROOT / "notebooks")
    if mutant:
        (folder / "lhas_utils" / mutant.file).write_text(mutant.patched())


def start(job: Job) -> int:
    """Run the tests of a job in a child process and return its id; the libraries are loaded already."""
    child = os.fork()
    if child:
        return child
    code = BROKEN
    try:
        code = in_child(job)
    finally:
        os._exit(code)


def in_child(job: Job) -> int:
    """Run the tests of a job and return the exit code of pytest; what is said goes to a file."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with (job.folder / "said").open("w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        os.chdir(job.folder)
        elsewhere = [p for p in sys.path if Path(p or ".").resolve() not in (ROOT, Path(__file__).parent)]
        sys.path[:] = [str(job.folder), *elsewhere]
        import pytest

        options = [*OPTIONS, "-x"] if job.mutant else OPTIONS
        code = pytest.main([*(f"tests/{t}" for t in job.tests), *options])
        sys.stdout.flush()
        return int(code)


def ended(job: Job, status: int | None) -> Outcome:
    """Read what a job said and remove its folder; no status means that it was stopped."""
    said = (job.folder / "said").read_text(errors="replace")
    failures = [line.partition(" ")[2].partition(" - ")[0] for line in said.splitlines() if line.startswith(FIRST)]
    test = "(no end in sight)" if status is None else failures[0].removeprefix("tests/") if failures else ""
    shutil.rmtree(job.folder, ignore_errors=True)
    code = None if status is None else os.waitstatus_to_exitcode(status)
    return Outcome(job.mutant, code, test, time.monotonic() - job.started, said)


def run(todo: Iterable[tuple[Mutant | None, tuple[str, ...]]], workers: int, timeout: float) -> Iterator[Outcome]:
    """Yield the outcomes of jobs, `workers` of them at a time."""
    waiting, running = list(todo)[::-1], {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                mutant, tests = waiting.pop()
                job = Job(mutant, tests, Path(tempfile.mkdtemp(prefix="mutant-")), time.monotonic())
                copy(job.folder, mutant)
                running[start(job)] = job
            time.sleep(0.05)
            for child, job in list(running.items()):
                done, status = os.waitpid(child, os.WNOHANG)
                if not done and time.monotonic() - job.started > timeout:
                    done, status = stopped(child), None
                if done:
                    del running[child]
                    yield ended(job, status)
    finally:
        for child, job in running.items():
            stopped(child)
            shutil.rmtree(job.folder, ignore_errors=True)


def stopped(child: int) -> int:
    """Stop a job with all that it started; return its id."""
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return child


def load() -> None:
    """Load all libraries once, so that no job has to, and forget the package itself."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ.update(MPLBACKEND="agg", HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    os.environ["JUPYTER_PLATFORM_DIRS"] = "1"
    sys.path.insert(0, str(ROOT))
    for name in PACKAGES:
        import_module(name)
    for name in [m for m in sys.modules if m.partition(".")[0] == "lhas_utils"]:
        del sys.modules[name]
    gc.collect()
    gc.freeze()  # so that the children share this memory


def show(outcomes: list[Outcome]) -> None:
    """Print a table of the faults by module, and what remains to be done."""
    print("\n| module | faults | caught | slowest, s |\n|---|---|---|---|")
    for module in sorted({o.mutant.file for o in outcomes}):
        own = [o for o in outcomes if o.mutant.file == module]
        caught = sum(o.word() == "caught" for o in own)
        print(f"| {module} | {len(own)} | {caught} | {max(o.seconds for o in own):.0f} |")
    words = [o.word() for o in outcomes]
    print("\n" + ", ".join(f"{words.count(w)} {w}" for w in ("caught", "missed", "equal", "broken") if w in words))


def main() -> int:
    """Run the faults whose file or description holds the given words; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("words", nargs="*", help="only faults whose file or description holds all of these")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="faults at a time")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds for the tests of one fault")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    chosen = [m for m in mutants() if all(w in f"{m.file} {m.fault}" for w in asked.words)]
    if lost := [said for m in chosen if (said := unfit(m))]:
        print("\n".join(lost))
        return 1
    load()
    sound = True
    files = sorted({t for m in chosen for t in m.tests})
    for outcome in run([(None, (f,)) for f in files], asked.jobs, 3 * asked.timeout):
        if outcome.code != PASSED:
            sound = False
            print(f"broken: without any fault, {outcome.test or 'a test'} fails\n{outcome.said[-1500:]}")
    if not sound:
        return 1
    print(f"{len(files)} files of tests pass without a fault; {len(chosen)} faults, one at a time:", flush=True)
    outcomes = []
    for o in run([(m, m.tests) for m in chosen], asked.jobs, asked.timeout):
        outcomes.append(o)
        print(f"{o.word():7} {o.mutant.file}: {o.mutant.fault} [{o.test or o.mutant.equal or '-'}]", flush=True)
        if o.word() == "broken":
            print(o.said[-1500:], flush=True)
    show(outcomes)
    return int(any(o.word() in ("missed", "broken") for o in outcomes))


if __name__ == "__main__":
    sys.exit(main())
