"""A stranger follows the README: every link, command and block of Python; blocks of `sh`, `py` need other machines."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from lhas_utils.core import paths

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = dict.fromkeys(re.findall(r"```(bash|python)\n(.*?)```", README, re.S))
COMMANDS = [line.split("#")[0].strip() for kind, text in BLOCKS if kind == "bash" for line in text.splitlines() if line]
THE_JOBS = {"make all", "make test"}  # continuous integration runs these two as they stand


def test_the_readme_shows_commands():
    assert THE_JOBS < set(COMMANDS) and len(COMMANDS) >= 8


def test_every_make_target_named_in_a_sentence_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.M))
    assert named and named <= targets


def test_every_linked_file_exists():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_link_inside_the_page_has_its_heading():
    headings = {
        re.sub(r"[^a-z0-9 -]", "", h.lower()).strip().replace(" ", "-") for h in re.findall(r"^#+ (.*)", README, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= headings


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A reader's own data: three small stages."""
    out = tmp_path_factory.mktemp("data")
    for stage, word in enumerate(("north", "south", "east")):
        for split, n in (("train", 60), ("validation", 20)):
            rows = [{"prompt": f"{word} {i % 7} plus {i % 5}", "response": f"{word} {i % 7 + i % 5}"} for i in range(n)]
            (out / f"{stage}_{word}.{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return out


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in THE_JOBS])
def test_every_command_runs_to_its_end(command, folder):
    """The real thing at the smoke profile: same Makefile, same notebooks, tiny runs."""
    words = command.replace("path/to/folder", str(folder)).split()
    drop = r"MAKE.*|MFLAGS|CONDA_.*|PROFILE|DATA|SKILL|PROMPT|RESPONSE|MODEL|ID|JOBS|VENV|PYTHON|ONLINE|PYTEST_.*"
    env = {k: v for k, v in os.environ.items() if not re.fullmatch(drop, k)}
    result = subprocess.run([*words, "PROFILE=smoke"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=550)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_the_python_block_runs(monkeypatch):
    (code,) = [text for kind, text in BLOCKS if kind == "python"]
    monkeypatch.chdir(paths.ROOT)
    smoke = code.replace('"lhas"])', '"lhas"], profile="smoke", seeds=(100,))')
    assert smoke != code
    exec(compile(smoke, "<README>", "exec"), {"__name__": "readme"})
