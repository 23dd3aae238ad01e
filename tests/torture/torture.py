"""Kill, damage, starve and move a small sweep, and see that it ends with the same bytes.

`python tests/torture/torture.py` takes half an hour on 2 cores, `torture.py kill disk` less. It works in a copy in a
temporary folder and leaves nothing behind. It ends with a table (fault, times tried, outcome), and with status 1 where
an outcome is not the promised one.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SWEEP = [sys.executable, "-m", "lhas_utils", "run", "02", "--profile", "smoke"]
COPIED = ("lhas_utils", "claims.yml", "pyproject.toml", "figures/data")
AGAIN = "is not as it was written; making it again"
KEPT = "stopped; runs that were finished are kept"
KINDS = (
    "cache/*[0-9a-f].run",
    "models/*/model.safetensors",
    "models/*/config.json",
    "models/*/SEAL",
)


def copy(folder: Path) -> Path:
    """Copy what a sweep needs into a folder and return it."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    return folder


def surroundings(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a sweep in a folder."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    quiet = {"PYTHONPATH": str(folder), "LHAS_PROGRESS": "0", "HF_HUB_OFFLINE": "1", "LOKY_MAX_CPU_COUNT": "2"}
    return {k: v for k, v in os.environ.items() if k != "SCHEDULER"} | single | quiet | more


def start(folder: Path, *before: str, **more: str) -> subprocess.Popen:
    """Start the sweep in a process group of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    return subprocess.Popen([*before, *SWEEP], cwd=folder, env=surroundings(folder, **more), **pipes)


def sweep(folder: Path, *before: str, **more: str) -> tuple[int, str]:
    """Run the sweep to its end and return its status and what it said."""
    running = start(folder, *before, **more)
    said, _ = running.communicate(timeout=900)
    return running.returncode, said


def made(folder: Path) -> dict[str, str]:
    """Return name -> digest of everything that a sweep made."""
    files = (p for p in (folder / "build").rglob("*") if p.is_file() and not p.name.startswith("."))
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


class Trial:
    """One copy that has been swept once, and what it made then.

    Args:
        folder: a temporary folder.
    """

    def __init__(self, folder: Path):
        self.home, self.folder = folder, copy(folder / "sound")
        status, said = sweep(self.folder)
        if status:
            sys.exit(f"torture: expected a sound sweep; got status {status}: {said[-2000:]}")
        self.bytes = made(self.folder)

    def fresh(self, name: str = "fresh") -> Path:
        """Return a copy of the checkout without a build folder."""
        shutil.rmtree(self.home / name, ignore_errors=True)
        return copy(self.home / name)

    def again(self, folder: Path, *before: str, **more: str) -> str:
        """Sweep a folder; return an empty text if it ends well with the same bytes, else what is wrong."""
        status, said = sweep(folder, *before, **more)
        if status or "Traceback" in said:
            return f"status {status}: {said.strip().splitlines()[-1:]}"
        return "" if made(folder) == self.bytes else "other bytes"


def kill(trial: Trial, with_signal: int = signal.SIGKILL, times: int = 20) -> list[str]:
    """Stop a sweep again and again at a random moment; what was finished stays, and the end is the same."""
    out, folder, chance = [], trial.fresh(), random.Random(0)
    for _ in range(times):
        running, before = start(folder), made(folder)
        time.sleep(chance.uniform(5, 30))
        if running.poll() is None:
            os.killpg(running.pid, with_signal)
        said, _ = running.communicate(timeout=600)
        lost = [n for n, d in before.items() if made(folder).get(n) != d]
        out.append(f"finished files changed: {lost[:2]}" if lost else "")
        if "Traceback" in said or (running.returncode > 0 and KEPT not in said):
            out[-1] = f"said: {said[-300:]}"
        if made(folder) == trial.bytes:
            shutil.rmtree(folder / "build")
    return [*out, trial.again(folder)]


def interrupt(trial: Trial) -> list[str]:
    """Ctrl-C: one sentence, no traceback, and the same end."""
    return kill(trial, signal.SIGINT, 4)


def damage(trial: Trial) -> list[str]:
    """Cut, blank, flip or swap a file of every kind: a sentence names it, and it is made again, byte for byte."""
    spoil: dict[str, Callable[[Path, bytes], object]] = {
        "empty": lambda path, whole: path.write_bytes(b""),
        "cut": lambda path, whole: path.write_bytes(whole[: len(whole) // 2]),
        "zeroed": lambda path, whole: path.write_bytes(bytes(len(whole))),
        "flipped": lambda path, whole: path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:]),
        "swapped": lambda path, whole: path.write_bytes(
            next(p for p in path.parent.glob("*") if p != path).read_bytes()
        ),
        "gone": lambda path, whole: path.unlink(),
    }
    out = []
    for pattern in KINDS:
        for how, do in list(spoil.items())[2 * ("models" in pattern) :]:  # there each costs the whole sweep
            path = sorted((trial.folder / "build").glob(pattern))[0]
            do(path, path.read_bytes())
            if "models" in pattern:  # a base is read only where a run of it lacks
                shutil.rmtree(trial.folder / "build/cache")
            status, said = sweep(trial.folder)
            named = path.name if "cache" in pattern else path.parent.name
            silent = f"{named} {AGAIN}" not in said and how != "gone"
            wrong = "not said" if silent else "other bytes" if made(trial.folder) != trial.bytes else ""
            out.append(f"{pattern} {how}: {wrong or said[-200:]}" if status or wrong else "")
    return out


def disk(trial: Trial) -> list[str]:
    """A full disk: one sentence, what was computed stays, and the next sweep goes on."""
    folder, out = trial.fresh(), []
    (folder / "build").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder / "build")]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        return ["not tried: needs the right to mount a tmpfs"]
    try:
        status, said = sweep(folder)
        sound = status == 1 and said.strip().splitlines()[-1].startswith("error: ") and "Traceback" not in said
        out.append("" if sound else f"full: status {status}, {said[-300:]}")
        kept = made(folder)
        whole = all(trial.bytes.get(name) == digest for name, digest in kept.items())
        out.append("" if kept and whole else f"{len(kept)} files, not all as they should be")
        subprocess.run(["mount", "-o", "remount,ro", str(folder / "build")], check=True)
        status, said = sweep(folder)
        out.append("" if status == 1 and "Traceback" not in said else f"read-only: status {status}, {said[-300:]}")
        subprocess.run(["mount", "-o", "remount,rw,size=500m", str(folder / "build")], check=True)
        return [*out, trial.again(folder)]
    finally:
        subprocess.run(["umount", str(folder / "build")], check=True)


def _starts(before: list[str]) -> bool:
    """Return whether a Python under a command can start another one, as a pool's does."""
    again = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', '']).returncode)"
    return not subprocess.run([*before, sys.executable, "-c", again], capture_output=True).returncode


def place(trial: Trial) -> list[str]:
    """A folder of any name, no git, no HOME, one core, other hash seeds, no assertions, a user without rights."""
    odd = trial.fresh("it's a föld er")
    out = [trial.again(odd)]
    surroundings = [{"PATH": "/nonexistent"}, {"HOME": "/nonexistent"}, {"PYTHONOPTIMIZE": "1"}]
    surroundings += [{"PYTHONHASHSEED": seed} for seed in ("1", "2", "random")]
    for more in surroundings:
        out.append(f"{more}: {wrong}" if (wrong := trial.again(trial.fresh(), **more)) else "")
    for before in (["taskset", "-c", "0"], ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]):
        if not (shutil.which(before[0]) and _starts(before)):
            print(f"{before[0]}: not here, or a Python that its user may not start; left out", file=sys.stderr)
            continue
        folder = trial.fresh()
        for path in (trial.home, folder, *folder.rglob("*")):
            path.chmod(0o777)
        out.append(f"{before[0]}: {wrong}" if (wrong := trial.again(folder, *before, HOME=str(folder))) else "")
    return out


def together(trial: Trial) -> list[str]:
    """Two sweeps at once: one computes, the other says that it waits, and both end well."""
    folder = trial.fresh()
    running = [start(folder) for _ in range(2)]
    said = [r.communicate(timeout=900)[0] for r in running]
    waits = sum("waiting for it" in s for s in said)
    return [f"status {r.returncode}" if r.returncode else "" for r in running] + [
        "" if waits <= 1 and made(folder) == trial.bytes else f"{waits} waited, or other bytes"
    ]


FAULTS = {f.__name__: f for f in (kill, interrupt, damage, disk, place, together)}


def main() -> int:
    """Try the chosen faults, print the table, return 1 where one of them did harm."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("faults", nargs="*", help=f"some of {', '.join(FAULTS)}; all by default")
    chosen = parser.parse_args().faults or list(FAULTS)
    if unknown := set(chosen) - set(FAULTS):
        parser.error(f"expected some of {', '.join(FAULTS)}; got {', '.join(sorted(unknown))}")
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background job is deaf to Ctrl-C, and its children
    harm = 0
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        trial = Trial(Path(folder))
        print("| fault | times | outcome |\n|---|---|---|", flush=True)
        for name in chosen:
            wrong = FAULTS[name](trial)
            bad = [w for w in wrong if w]
            harm += len(bad)
            print(f"| {name} | {len(wrong)} | {'; '.join(bad) or 'as promised'} |", flush=True)
    return int(bool(harm))


if __name__ == "__main__":
    sys.exit(main())
