"""The grids of LHAS: the design of the tuning, its rounds, the map's cells and arms, the proxies."""

from collections import Counter
from dataclasses import replace
from itertools import combinations, product

from lhas_utils.runs import (
    ABLATIONS,
    ARMS,
    CELLS,
    DEVELOPMENT,
    PROXIES,
    ROUNDS,
    SURVIVORS,
    WEIGHTS,
    design,
    specs,
    weights,
)
from lhas_utils.runs.lhas_grids import JUDGES, LABEL_NOISE, LEVELS
from lhas_utils.selection import lhas
from lhas_utils.worlds import WorldSpec


def test_the_design_has_each_pair_of_levels_of_two_weights_once():
    settings = design()
    assert len(settings) == len(LEVELS) ** 2 and 0.0 in LEVELS
    for i, j in combinations(range(3), 2):
        assert Counter((v[i], v[j]) for v in settings) == Counter(product(LEVELS, repeat=2))


def test_the_rounds_share_the_development_seeds():
    assert sum(ROUNDS, ()) == DEVELOPMENT and len(DEVELOPMENT) == 8
    assert len(SURVIVORS) == len(ROUNDS) - 1
    before = set(design())
    for survivors in SURVIVORS:
        assert set(survivors) < before
        before = set(survivors)


def test_a_setting_is_lambda_eta_rho():
    assert weights((1.0, 2.0, 3.0)) == {"coverage_weight": 1.0, "proxy_weight": 2.0, "penalty_weight": 3.0}


def test_each_round_runs_its_settings_and_random_on_its_seeds():
    full = specs("develop", "full")
    for settings, which in zip((design(), *SURVIVORS), ROUNDS):
        of = Counter((s.selector, s.params) for s in full if s.seed in which)
        expected = [("random", ()), *(("lhas", tuple(sorted(weights(v).items()))) for v in settings)]
        assert of == Counter(expected * len(which))
    assert specs("develop", "fast") == [] and len(specs("develop", "smoke")) == 9


def test_the_default_weights_came_through_the_last_round_and_are_not_on_the_edge():
    chosen = tuple(lhas.__kwdefaults__[name] for name in weights((0, 0, 0)))
    assert chosen in SURVIVORS[-1] and max(chosen) < max(LEVELS)


def test_weights_are_a_third_and_three_times_the_default_and_a_small_penalty():
    assert {parameter for params in WEIGHTS.values() for parameter in params} == {*weights((0, 0, 0))}
    for name, params in WEIGHTS.items():
        ((parameter, value),) = params.items()
        default = lhas.__kwdefaults__[parameter]
        assert value in (default / 3, 3 * default) if default else value == 0.3
        assert name == f"{parameter} {value:g}"


def test_a_term_is_taken_out_where_it_has_a_weight_and_put_in_where_it_has_none():
    for name in ("without coverage", "without proxy", "with penalty"):
        ((parameter, value),) = ABLATIONS[name].items()
        default = lhas.__kwdefaults__[parameter]
        assert (value == 0 < default) if name.startswith("without") else (default == 0 < value)
        assert ARMS[name] == ("lhas", ABLATIONS[name])


def test_the_map_has_every_cell_with_every_arm_on_every_seed():
    full = specs("lhas_map", "full")
    cells = Counter((s.world.duplicates, s.world.imbalance, s.world.noise, s.budget) for s in full)
    assert set(cells) == set(product(*CELLS.values())) and set(cells.values()) == {len(ARMS) * 8}
    assert {(s.selector, s.params) for s in full} == {(n, tuple(p.items())) for n, p in ARMS.values()}
    assert len({s.seed for s in full}) == 8 and len(specs("lhas_map", "fast")) == 6
    small = specs("lhas_map", "smoke")
    assert len(small) == 6 and len({(s.world.duplicates, s.budget) for s in small}) == 2


def test_the_proxies_change_nothing_else():
    full = specs("proxies", "full")
    assert {(s.world.proxy, s.world.proxy_size) for s in full} == {("next", 64), ("previous", 64), ("standing", 5)}
    assert {s.params for s in full} == {()} and len(full) == 8 * len(PROXIES)
    assert {(s.world.noise, s.world.duplicates, s.budget) for s in full} == {
        (WorldSpec().noise, WorldSpec().duplicates, 0.25)
    }


def test_a_judge_errs_more_or_less_and_nothing_else_changes():
    full = specs("judges", "full")
    standing = {"noise": WorldSpec().noise, "judge_noise": WorldSpec().judge_noise}
    assert standing == {"noise": LABEL_NOISE[0], "judge_noise": JUDGES[1]}
    of = {}
    for s in full:
        of.setdefault((s.world.noise, s.world.judge_noise), set()).add((s.selector, s.seed))
        assert s.params == () and replace(s.world, **standing) == WorldSpec()
    assert set(of) == set(product(LABEL_NOISE, JUDGES)) - {(LABEL_NOISE[0], 1.0)}
    quality = {("quality", s.seed) for s in specs("table1", "full") if s.selector == "quality"}
    assert all(quality <= found for found in of.values()) and len(quality) == 12
    assert {s for s, _ in of[LABEL_NOISE[1], 1.0]} == {"quality", "random", "lhas"}


def test_the_ablations_are_those_named():
    assert {s.params for s in specs("ablations", "full")} == {tuple(sorted(p.items())) for p in ABLATIONS.values()}
    assert {s.params for s in specs("sensitivity", "full")} == {tuple(p.items()) for p in WEIGHTS.values()}
