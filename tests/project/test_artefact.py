"""The files that carry the project elsewhere (Docker, dev container, Binder, Zenodo) agree with the project's own."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
ZENODO = json.loads((ROOT / ".zenodo.json").read_text())
BINDER = yaml.safe_load((ROOT / ".binder/environment.yml").read_text())
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
NOT_IN_NOTEBOOKS = {"hypothesis", "nbval", "pytest"}


def pins(environment: dict) -> dict[str, str]:
    """Return package -> version of a conda environment; a build after the version does not count."""
    lines = [line.split("=") for line in environment["dependencies"] if isinstance(line, str) and "=" in line]
    return {name: version for name, version, *_ in lines}


def test_binder_has_the_pins_of_the_environment_without_what_only_tests_use():
    wanted = {name: version for name, version in pins(CONDA).items() if name not in NOT_IN_NOTEBOOKS}
    assert pins(BINDER) == wanted and BINDER["channels"] == CONDA["channels"]
    assert "pytorch=2.13.0=cpu*" in BINDER["dependencies"] and {"pip": ["-e .."]} in BINDER["dependencies"]


def test_binder_starts_one_process_with_one_thread(tmp_path):
    start = ROOT / ".binder/start"
    assert start.stat().st_mode & 0o111
    said = subprocess.run([start, "env"], capture_output=True, text=True, check=True).stdout
    assert {"LOKY_MAX_CPU_COUNT=1", "OMP_NUM_THREADS=1"} <= set(said.splitlines())


def test_zenodo_and_the_citation_name_one_thing():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for field in ("title", "version", "license", "keywords"):
        assert ZENODO[field] == CITATION[field], field
    assert ZENODO["version"] == version
    assert [c["name"] for c in ZENODO["creators"]] == [a["name"] for a in CITATION["authors"]]
    cited = {i["value"] for r in CITATION["references"] for i in r["identifiers"]}
    assert {i["identifier"] for i in ZENODO["related_identifiers"]} == cited


def test_containers_make_the_environment_as_everybody_does():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    docker = (ROOT / "Dockerfile").read_text()
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["postCreateCommand"] == "make env" and "RUN make env" in docker
    (start,) = re.findall(r"^CMD (\[.*\])$", docker, re.M)
    program, target, *settings = json.loads(start)
    assert program == "make" and target in targets and all(s.startswith("LAB_ARGS=") for s in settings)
    lowest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert re.search(r"^FROM python:(\d+\.\d+)-", docker, re.M)[1] in lowest
    assert {".venv", "build"} <= set((ROOT / ".dockerignore").read_text().split())
