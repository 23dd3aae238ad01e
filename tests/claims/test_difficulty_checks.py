"""Every check of the difficulty study on made-up runs."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from lhas_utils import claims
from lhas_utils.analysis import optimum
from lhas_utils.claims import difficulty_checks, optimum_checks
from lhas_utils.runs import specs
from lhas_utils.runs.difficulty_grids import PLANS
from lhas_utils.studies import BASES, SIGMAS
from lhas_utils.worlds import LEVEL_WORLDS


@pytest.mark.parametrize("profile", ["smoke", "fast", "full"])
def test_plans_hold_what_the_checks_need(profile):
    plan = specs("difficulty", profile)
    assert len(set(plan)) == len(plan)
    assert all(100 <= s.seed < 1000 for s in plan)
    assert {s.loss for s in plan} == {"sft", "dft"} and {s.trim for s in plan} == {"none", "easiest", "hardest"}
    for skill, (seeds, levels, sizes) in PLANS[profile].grids.items():
        own = [s for s in plan if (s.skill, s.loss, s.match, s.trim) == (skill, "sft", "steps", "none") and s.d]
        cells = {(s.seed, s.base, s.d, s.n) for s in own}
        assert set(levels) <= set(LEVEL_WORLDS[skill].levels)
        assert len(cells) == len(own) == seeds * len(BASES) * len(levels) * len(sizes)


def test_every_check_runs_on_made_up_runs(monkeypatch):
    """All checks of the ledger give complete effects on a full set of synthetic runs of `smoke`."""
    rng, tables = np.random.default_rng(0), []
    for i, spec in enumerate(s for s in specs("difficulty", "smoke") if s.seed == 100):
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
    for module in (difficulty_checks, optimum_checks):
        monkeypatch.setattr(module, "difficulty_rows", lambda profile, name="difficulty": rows)
        monkeypatch.setattr(module, "difficulty_runs", lambda profile, name="difficulty": optimum.per_run(rows))
    mine = {
        name: c for m in (difficulty_checks, optimum_checks) for name, c in vars(m).items() if name in claims.CHECKS
    }
    assert len(mine) == 29
    for (name, check), metric in product(mine.items(), ("exact", "nll")):
        found = check("smoke", metric)
        for effect in found if isinstance(found, list) else [found]:
            assert effect["low"] <= effect["effect"] <= effect["high"] and effect["n_seeds"] == 3, name
