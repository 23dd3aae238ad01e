"""The grids: what each profile asks for, that no run is asked for twice, and that names and seeds are kept apart."""

import pytest

from lhas_utils.runs import (
    ABLATIONS,
    DEVELOPMENT,
    DFT_LR,
    EXPERIMENTS,
    LR,
    NOTEBOOKS,
    TABLE1,
    WEIGHTS,
    cache,
    experiment,
    specs,
    table1,
)
from lhas_utils.runs.difficulty_grids import BASE_STEPS, PLANS, STEPS
from lhas_utils.selection import PAPER
from lhas_utils.studies import BASES, DifficultySpec
from lhas_utils.worlds import LEVEL_WORLDS, ORDERS, SEQUENCES

CHOOSING = ("develop", "develop_lora", "develop_difficulty", "develop_opworld")


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("profile", ["smoke", "fast", "full"])
def test_no_run_is_asked_for_twice_and_every_selector_exists(name, profile):
    grid = specs(name, profile)
    assert len(grid) == len(set(grid))
    assert grid or profile == "fast"
    for spec in grid:
        cache.chosen(spec)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_seeds_that_choose_and_seeds_that_judge_are_apart(name):
    seeds = {s.seed for profile in ("smoke", "fast", "full") for s in specs(name, profile)}
    assert seeds <= {*DEVELOPMENT} if name in CHOOSING else seeds <= {*range(100, 200)}


def test_seeds_start_at_100_and_grow_with_the_profile():
    for name in set(EXPERIMENTS) - {*CHOOSING}:
        small, large = ({s.seed for s in specs(name, profile)} for profile in ("fast", "full"))
        assert small <= large == set(range(100, 100 + len(large))), name


def test_notebooks_name_experiments():
    assert {e for names in NOTEBOOKS.values() for e in names} | {*CHOOSING} == set(EXPERIMENTS)
    with pytest.raises(ValueError, match="experiment: expected one of branch"):
        specs("tabel1", "fast")
    with pytest.raises(ValueError, match="profile: expected one of smoke, fast, full; got 'quick'"):
        specs("table1", "quick")
    assert experiment("opworld", "fast").empty


def test_the_main_table_has_the_papers_selectors_and_the_second_reading():
    assert TABLE1 == (*PAPER, "alignment")
    full = table1("full")
    assert len(full) == 96 and {s.selector for s in full} == {*TABLE1} and len({s.seed for s in full}) == 12


def test_grids_cover_what_they_are_named_after():
    assert {s.world.order for s in specs("orders", "full")} == {*ORDERS} - {"paper"}
    assert {s.world.sequence for s in specs("sequences", "full")} == {*SEQUENCES} - {"skill"}
    assert {s.params for s in specs("ablations", "full")} == {tuple(sorted(p.items())) for p in ABLATIONS.values()}
    assert {s.params for s in specs("sensitivity", "full")} == {tuple(p.items()) for p in WEIGHTS.values()}
    assert {s.budget for s in specs("budgets", "full")} == {0.1, 0.5}
    assert {s.train.rank for s in specs("lora", "full")} == {4, 16}
    assert {s.world.noise for s in specs("controls", "full") if s.selector == "oracle"} == {0.6}


def test_the_difficulty_grid_is_a_grid():
    full = specs("difficulty", "full")
    main = [s for s in full if (s.loss, s.match, s.trim) == ("sft", "steps", "none") and s.d]
    for skill, seeds in {"sort": 12, "cumsum": 8}.items():
        cells = {(s.seed, s.base, s.d, s.n) for s in main if s.skill == skill}
        sides = [len({c[i] for c in cells}) for i in range(4)]
        assert len(cells) == sides[0] * sides[1] * sides[2] * sides[3] and sides[:2] == [seeds, len(BASES)]
    assert {s.lr for s in full} == {LR, DFT_LR} and {s.match for s in full} == {"steps", "tokens", "epochs"}
    assert {s.draws > 0 for s in main if (s.skill, s.base) != ("sort", "weak")} == {False}
    assert {s.trim for s in full if not s.d} == {"none", "easiest", "hardest"}
    bounded = {(s.d, s.n) for s in main if s.draws}
    assert bounded == {(d, n) for d in PLANS["full"].few for n in (32, 2048)}


def test_the_levels_were_chosen_on_development_seeds():
    chose, full = specs("develop_difficulty", "full"), specs("difficulty", "full")
    assert {s.seed for s in chose} == {1000, 1001} and not specs("develop_difficulty", "fast")
    for skill in ("sort", "cumsum"):
        of = [s for s in chose if s.skill == skill and s.base_steps == BASE_STEPS]
        assert {(s.base, s.n) for s in of} == {(b, n) for b in BASES for n in (32, 2048)}
        used = {s.d for s in full if (s.skill, s.match, s.loss) == (skill, "steps", "sft") and s.d}
        assert {s.d for s in of} <= used and max(s.d for s in of) == max(used) == LEVEL_WORLDS[skill].levels[-1]
        assert {(s.steps, s.lr) for s in of} == {(STEPS[skill], LR)}
    assert {s.base_steps for s in full} == {BASE_STEPS}


def test_plan_of_the_published_run_of_the_second_witness():
    full = specs("opworld", "full")
    assert len(full) == len(set(full)) == 48 and {s.seed for s in full} == {100, 101}
    assert {s.skill for s in full} == {"op"} and all(isinstance(s, DifficultySpec) for s in full)
    chosen = specs("develop_opworld", "full")
    assert {s.seed for s in chosen} == {1000} and full[0].lr in {s.lr for s in chosen}
    assert {s.base for s in specs("opworld", "smoke")} == {"weak", "strong"}
    assert specs("opworld", "fast") == []
