"""A selector of the reader's own has runs of its own in the cache, whatever the spec calls it."""

import pandas as pd
import pytest

from lhas_utils.core import paths
from lhas_utils.runs import cache, missing, pool, results
from lhas_utils.studies import STUDIES, RunSpec

SPEC = RunSpec("random", 0)


def first(ctx, budget, *, rng):
    return list(range(budget))


def last(ctx, budget, *, rng):
    return list(range(len(ctx) - budget, len(ctx)))


@pytest.fixture(autouse=True)
def study(tmp_path, monkeypatch):
    """Replace the study of `RunSpec` by one that tells which selector it was given; do jobs here, one by one."""

    def execute(spec, selectors):
        return pd.DataFrame({"by": [selectors[spec.selector].__name__]}), None

    monkeypatch.setitem(STUDIES, RunSpec, execute)
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(cache, "prepare", lambda spec: None)
    monkeypatch.setattr(pool, "run", lambda job, jobs, *_: [job(*arguments) for arguments in jobs])


@pytest.mark.parametrize("order", [(None, first, last), (last, None, first)])
def test_runs_of_an_own_selector_are_not_those_of_another(order):
    for _ in range(2):
        for select in order:
            assert results([SPEC], select)["by"].tolist() == [getattr(select, "__name__", "random")]
    assert missing([SPEC]) == missing([SPEC], first) == []
