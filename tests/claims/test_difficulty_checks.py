"""Every check of the difficulty study on made-up runs."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from lhas_utils import claims
from lhas_utils.analysis import optimum
from lhas_utils.runs import specs
from lhas_utils.runs.difficulty_grids import PLANS
from lhas_utils.studies import SIGMAS
from lhas_utils.worlds import LEVEL_WORLDS


@pytest.mark.parametrize("profile", ["smoke", "fast", "full"])
def test_plans_hold_what_the_checks_need(profile):
    plan = specs("difficulty", profile)
    assert len(set(plan)) == len(plan)
    assert all(s.seed < 1000 for s in plan)
    assert {s.loss for s in plan} == {"sft", "dft"} and {s.trim for s in plan} == {"none", "easiest", "hardest"}
    seeds, skills, *_ = PLANS[profile]
    assert len({s.seed for s in plan}) == seeds
    assert all(set(levels) <= set(LEVEL_WORLDS[skill].levels) for skill, (levels, _) in skills.items())


def test_every_check_runs_on_made_up_runs(monkeypatch):
    """All checks of the ledger give complete effects on a full set of synthetic runs of `smoke`."""
    rng, tables = np.random.default_rng(0), []
    for i, spec in enumerate(s for s in specs("difficulty", "smoke") if s.seed == 0):
        for seed in (0, 1, 2):
            parts = [*map(str, LEVEL_WORLDS[spec.skill].levels), "train"]
            run = pd.DataFrame(
                [(w, p, *rng.random(2)) for w in ("base", "tuned") for p in parts],
                columns=["who", "slice", "exact", "nll"],
            )
            if spec.draws:
                post = [("posterior", p, np.nan, rng.random(), s) for s in SIGMAS for p in parts]
                run = pd.concat([run, pd.DataFrame(post, columns=["who", "slice", "exact", "nll", "sigma"])])
            fields = {k: getattr(spec, k) for k in optimum.SPEC} | {"seed": seed, "run": 3 * i + seed}
            tables.append(
                run.assign(
                    accuracy=run["exact"],
                    **fields,
                    examples=spec.n,
                    updates=3,
                    tokens_seen=9,
                    tokens_distinct=9,
                    distance2=1.0,
                )
            )
    rows = pd.concat(tables, ignore_index=True)
    for name in ("difficulty_checks", "optimum_checks"):
        module = import_module(f"lhas_utils.claims.{name}")
        monkeypatch.setattr(module, "difficulty_rows", lambda profile: rows)
        monkeypatch.setattr(module, "difficulty_runs", lambda profile: optimum.per_run(rows))
    mine = [c for c, entry in claims.contract().items() if entry.get("experiment") == "difficulty"]
    names = {claims.get(c)["check"] for c in mine}
    assert len(names) == 20
    for name in names:
        found = claims.CHECKS[name]("smoke")
        for effect in found if isinstance(found, list) else [found]:
            assert effect["low"] <= effect["effect"] <= effect["high"] and effect["n_seeds"] == 3, name
