"""One thread, no network, no screen, and no dependence on the folder pytest was started in."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before torch or numpy is imported
os.environ.update(MPLBACKEND="agg", HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(ROOT / "build/hypothesis")
os.environ["JUPYTER_PLATFORM_DIRS"] = "1"  # otherwise jupyter_core warns, and warnings are errors here

import hypothesis  # noqa: E402
import pytest  # noqa: E402

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def quiet_libraries():
    """As in a notebook or a worker: what a test reads from the terminal is ours."""
    from lhas_utils.learning import quiet

    quiet()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture
def tidy_rows():
    """Run a spec twice and return its rows: equal both times, no picks, global randomness untouched."""
    import pandas as pd
    import torch

    def rows_of(execute, spec):
        before = torch.get_rng_state()
        rows, picks = execute(spec)
        again, _ = execute(spec)
        assert torch.equal(before, torch.get_rng_state())
        pd.testing.assert_frame_equal(rows, again)
        assert picks is None
        return rows

    return rows_of


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Every test starts in an empty folder: nothing may rely on the current one."""
    monkeypatch.chdir(tmp_path)
