"""SkillWorld: answers, splits, shares and randomness, each checked without the module's own code."""

import numpy as np
import pytest

from lhas_utils.worlds import DOMAINS, ORDERS, SKILLS, WorldSpec, skill_world, stage_weights
from lhas_utils.worlds.symbols import DIALECT, OPERATIONS

COLUMNS = ["skill", "task", "prompt", "response", "difficulty", "kind", "clean", "duplicate", "quality"]
SPEC = WorldSpec(pool_size=300, test_size=30)


@pytest.fixture(scope="module")
def world():
    return skill_world(SPEC, seed=0)


@pytest.fixture(scope="module")
def large():
    return skill_world(WorldSpec(pool_size=2000, test_size=2), seed=5, validation_size=4)


def naive(task: str, x: list[int]) -> list[int] | None:
    """Solve a task of either dialect step by step, written apart from the module."""
    words = task.lower().split()
    if words[0] == "guard":
        for v in x:
            if v in (8, 9):
                return None
        words = words[1:]
    for op in words[::-1]:
        y = []
        if op == "copy":
            y = x[:]
        elif op == "rotate":
            y = [x[(i + 1) % len(x)] for i in range(len(x))]
        elif op == "reverse":
            y = [x[len(x) - 1 - i] for i in range(len(x))]
        elif op == "swap":
            y = x[:]
            for i in range(0, len(x) - 1, 2):
                y[i], y[i + 1] = x[i + 1], x[i]
        elif op == "increment":
            y = [0 if v == 9 else v + 1 for v in x]
        elif op == "decrement":
            y = [9 if v == 0 else v - 1 for v in x]
        elif op == "double":
            y = [int(str(v + v)[-1]) for v in x]
        elif op == "cumsum":
            y = [int(str(sum(x[: i + 1]))[-1]) for i in range(len(x))]
        elif op in ("sort", "sort_down"):
            rest = x[:]
            while rest:
                v = min(rest) if op == "sort" else max(rest)
                rest.remove(v)
                y.append(v)
        elif op == "running_max":
            y = [max(x[: i + 1]) for i in range(len(x))]
        x = y
    return x


def read(row) -> tuple[str, list[int]]:
    """Take a prompt apart: task and symbol indices."""
    words = row["prompt"].split()
    symbols = [w for w in words if w[-1].isdigit()]
    return " ".join(words[: len(words) - len(symbols)]), [int(s[1:]) for s in symbols]


def answer(row) -> str:
    task, x = read(row)
    y, letter = naive(task, x), row["prompt"].split()[-1][0]
    return "<refuse>" if y is None else " ".join(f"{letter}{v}" for v in y)


def everything(world):
    pools = [s.pool for s in world.stages] + [s.validation for s in world.stages]
    return [*pools, world.proxy, *world.tests.values(), *world.ood.values()]


def test_every_clean_response_is_right_and_every_noisy_one_is_wrong(world):
    for data in everything(world):
        for row in data.to_list():
            assert (row["response"] == answer(row)) == row["clean"], row


def test_a_wrong_response_keeps_its_length(world):
    noisy = [r for s in world.stages for r in s.pool.to_list() if not r["clean"]]
    assert len(noisy) == 5 * 30
    assert all(len(r["response"].split()) == len(answer(r).split()) for r in noisy)


def test_only_pools_hold_noise_and_duplicates(world):
    for data in [*(s.validation for s in world.stages), world.proxy, *world.tests.values(), *world.ood.values()]:
        assert all(data["clean"]) and not any(data["duplicate"])


def test_pools_validation_and_tests_share_no_prompt(world):
    pools = {p for s in world.stages for p in s.pool["prompt"]}
    validation = {p for s in world.stages for p in s.validation["prompt"]} | set(world.proxy["prompt"])
    tests = {p for d in [*world.tests.values(), *world.ood.values()] for p in d["prompt"]}
    assert min(len(pools), len(validation), len(tests)) > 50
    assert not pools & validation
    assert not pools & tests
    assert not validation & tests


def test_pre_training_text_shares_no_prompt_with_validation_or_tests(world):
    base = set(WorldSpec().corpus.rows(0, 3000)["prompt"])
    held_out = {p for d in everything(world)[5:] for p in d["prompt"]}
    assert not base & held_out


def test_pre_training_covers_all_alphabets_and_out_of_distribution_lengths():
    rows = WorldSpec().corpus.rows(0, 2000).to_list()
    letters = [r["prompt"].split()[-1][0] for r in rows]
    assert set(letters) == set("abcde") and letters.count("a") / 2000 == pytest.approx(0.6, abs=0.05)
    assert {len(read(r)[1]) for r in rows} == {3, 4, 5, 6}
    assert all(r["response"] == answer(r) for r in rows)


def test_the_base_knows_every_operation_of_the_stages_and_not_one_word_of_their_dialect(world):
    taught = {row["task"] for s in world.stages for row in s.pool}
    text = WorldSpec().corpus.rows(0, 3000)
    assert {task.lower() for task in taught} == set(text["task"]) and len(taught) == 16
    words = {w for c in ("prompt", "response") for r in text[c] for w in r.split()}
    assert not words & {w for task in taught for w in task.split()} and words == {w.lower() for w in words}


def test_the_base_is_asked_about_every_task_of_its_text_on_prompts_that_it_has_not_read():
    known, text = WorldSpec().corpus.known(3, 20), WorldSpec().corpus.rows(3, 3000)
    assert list(known) == list(dict.fromkeys(known)) and set(known) == set(text["task"])
    for task, rows in known.items():
        assert set(rows["task"]) == {task} and len(rows) == 20
        assert all(r["response"] == answer(r) for r in rows.to_list())
        assert not set(rows["prompt"]) & set(text["prompt"])


def test_out_of_distribution_has_a_length_that_no_pool_has(world):
    for stage in world.stages:
        assert {len(read(r)[1]) for r in stage.pool.to_list()} == {3, 4, 6}
        assert {len(read(r)[1]) for r in world.ood[stage.name].to_list()} == {5}


def test_imbalance_gives_the_first_task_its_share(world):
    spec = WorldSpec(pool_size=1500, test_size=2, imbalance=0.8, duplicates=0, earlier=0, precursors=0)
    first = ("Reverse", "Increment", "Reverse Increment", "Sort", "Guard Copy")
    for stage, task in zip(skill_world(spec, 0, 4).stages, first):
        share = stage.pool.to_pandas()["task"].value_counts(normalize=True)
        assert share[task] == pytest.approx(0.8, abs=0.04)
        rest = share.drop(task)
        assert rest.to_numpy() == pytest.approx(np.full(len(rest), 0.2 / len(rest)), abs=0.03)


def test_a_proxy_is_the_standing_suite_or_a_neighbours_validation_set(world):
    assert all(stage.proxy is None for stage in world.stages)
    for which, near in (("next", [1, 2, 3, 4, 4]), ("previous", [0, 0, 1, 2, 3])):
        stages = skill_world(WorldSpec(pool_size=300, test_size=30, proxy=which), seed=0).stages
        for stage, t in zip(stages, near):
            assert stage.proxy.to_dict() == world.stages[t].validation.to_dict(), (which, stage.name)


def test_a_judge_without_noise_sees_every_wrong_answer():
    pool = WorldSpec(pool_size=300, duplicates=0, judge_noise=0).build(0).stages[0].pool.to_pandas()
    for _, level in pool.groupby("difficulty"):
        assert level.groupby("clean")["quality"].nunique().tolist() == [1, 1]
        assert level.loc[level["clean"], "quality"].min() > level.loc[~level["clean"], "quality"].max()


def test_sizes_and_schema(world):
    assert [s.name for s in world.stages] == list(SKILLS)
    for stage in world.stages:
        assert len(stage.pool) == 300 and len(stage.validation) == 64
    assert all(len(d) == 30 for d in [*world.tests.values(), *world.ood.values()])
    assert list(world.tests) == list(world.ood) == list(SKILLS)
    for data in everything(world):
        assert sorted(data.column_names) == sorted(COLUMNS)
        row = data[0]
        assert [type(row[c]) for c in COLUMNS] == [str, str, str, str, float, str, bool, bool, float]
    assert {r["kind"] for s in world.stages for r in s.pool.to_list()} == {"own", "earlier", "precursor"}


def test_every_token_is_known_to_the_tokenizer(world):
    text = {t for d in everything(world) for c in ("prompt", "response") for r in d[c] for t in r.split()}
    assert text <= set(DIALECT)
    assert len(set(DIALECT)) == len(DIALECT)
    assert {*OPERATIONS, *(op.capitalize() for op in OPERATIONS)} <= set(DIALECT)


def test_shares_are_as_specified(large):
    n = 2000
    for t, stage in enumerate(large.stages):
        pool = stage.pool.to_pandas()
        assert (~pool["clean"]).sum() == 200
        assert pool["duplicate"].sum() == 400
        fresh = pool[~pool["duplicate"]]
        sd = np.sqrt(0.25 / len(fresh))
        shares = fresh["kind"].value_counts(normalize=True)
        assert shares.get("earlier", 0) == pytest.approx(0.3 if t > 0 else 0, abs=4 * sd)
        assert shares.get("precursor", 0) == pytest.approx(0.2 if t < 4 else 0, abs=4 * sd)
        rank = pool["skill"].map({s: i for i, s in enumerate(SKILLS)})
        assert (rank[pool["kind"] == "own"] == t).all()
        assert (rank[pool["kind"] == "earlier"] < t).all()
        assert (rank[pool["kind"] == "precursor"] > t).all()
        assert len(pool) == n


def test_precursors_are_the_easy_examples(large):
    for stage in large.stages:
        pool = stage.pool.to_pandas()
        assert (pool.loc[pool["kind"] == "precursor", "difficulty"] == 0.25).all()
        assert set(pool.loc[pool["kind"] == "own", "difficulty"]) == {0.25, 0.5, 0.75}


def test_near_duplicates_are_near(large):
    pool = large.stages[0].pool.to_pandas()
    copies, others = pool[pool["duplicate"]], pool[~pool["duplicate"]]

    def symbols_apart(a, b):
        (task, x), (other, y) = read(a), read(b)
        return sum(u != v for u, v in zip(x, y)) if task == other and len(x) == len(y) else 99

    everyone = pool.to_dict("records")
    near = [
        min(symbols_apart(row, other) for other in everyone if other is not row)
        for row in copies.head(60).to_dict("records")
    ]
    assert max(near) <= 2  # both may be one change away from the same popular example
    assert copies["prompt"].str.split().str[0].value_counts(normalize=True).size <= others["task"].nunique()


def test_no_noise_and_no_duplicates_where_none_are_asked_for():
    world = skill_world(
        WorldSpec(pool_size=60, test_size=2, noise=0, duplicates=0, earlier=0, precursors=0), seed=0, validation_size=4
    )
    for stage in world.stages:
        assert all(stage.pool["clean"]) and not any(stage.pool["duplicate"])
        assert set(stage.pool["kind"]) == {"own"} and set(stage.pool["skill"]) == {stage.name}


def test_same_seed_same_world_other_seed_other_world(world):
    again, other = skill_world(SPEC, seed=0), skill_world(SPEC, seed=1)
    for a, b, c in zip(everything(world), everything(again), everything(other)):
        assert a.to_dict() == b.to_dict()
        assert a["prompt"] != c["prompt"]


def test_a_world_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].copy()
    skill_world(WorldSpec(pool_size=20, test_size=2), seed=0, validation_size=4)
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize("sequence", ["skill", "domain", "interleaved"])
@pytest.mark.parametrize("alignment", [0.0, 0.4, 1.0])
def test_stage_weights_are_mixtures(sequence, alignment):
    W = stage_weights(WorldSpec(sequence=sequence, alignment=alignment))
    assert W.shape == (5, 5)
    assert W.sum(1) == pytest.approx(np.ones(5))
    assert (W >= 0).all()


def test_stage_weights_by_hand():
    assert stage_weights(WorldSpec()) == pytest.approx(np.eye(5))
    assert stage_weights(WorldSpec(alignment=1)) == pytest.approx(np.full((5, 5), 0.2))
    assert stage_weights(WorldSpec(alignment=0.5))[1] == pytest.approx([0.1, 0.6, 0.1, 0.1, 0.1])
    interleaved = stage_weights(WorldSpec(sequence="interleaved"))
    assert interleaved[2] == pytest.approx([0, 0.25, 0.5, 0.25, 0])
    assert interleaved[0] == pytest.approx([2 / 3, 1 / 3, 0, 0, 0])


def test_validation_sets_follow_the_mixture_and_its_weights_are_kept():
    world = skill_world(WorldSpec(sequence="interleaved", pool_size=10, test_size=2), seed=0, validation_size=400)
    share = world.stages[2].validation.to_pandas()["skill"].value_counts(normalize=True)
    assert world.stages[2].weights == pytest.approx(dict(zip(SKILLS, [0, 0.25, 0.5, 0.25, 0])))
    assert share[["math", "code", "reasoning"]].tolist() == pytest.approx([0.25, 0.5, 0.25], abs=0.1)
    assert set(share.index) == {"math", "code", "reasoning"}


def test_the_proxy_is_uniform_over_capabilities(world):
    counts = world.proxy.to_pandas()["skill"].value_counts()
    assert set(counts.index) == set(SKILLS)
    assert counts.max() - counts.min() <= 1


def test_at_full_alignment_all_stages_have_the_same_pool_distribution():
    world = skill_world(
        WorldSpec(pool_size=1500, test_size=2, alignment=1, noise=0, duplicates=0), seed=0, validation_size=4
    )
    for stage in world.stages:
        pool = stage.pool.to_pandas()
        shares = pool["skill"].value_counts(normalize=True).reindex(SKILLS, fill_value=0)
        assert shares.to_numpy() == pytest.approx(np.full(5, 0.2), abs=4 * np.sqrt(0.16 / 1500)), stage.name
        levels = pool["difficulty"].value_counts(normalize=True).reindex([0.25, 0.5, 0.75])
        assert levels.to_numpy() == pytest.approx(np.full(3, 1 / 3), abs=4 * np.sqrt(0.23 / 1500)), stage.name


def test_orders_permute_the_stages():
    names = [s.name for s in skill_world(WorldSpec(order="safety_early", pool_size=5, test_size=2), 0, 4).stages]
    assert names == ["general", "safety", "math", "code", "reasoning"]
    assert list(skill_world(WorldSpec(order="reversed", pool_size=5, test_size=2), 0, 4).tests) == list(SKILLS[::-1])


def test_domains_share_operations_and_differ_in_alphabet():
    world = skill_world(
        WorldSpec(sequence="domain", pool_size=80, test_size=2, earlier=0, precursors=0), seed=0, validation_size=10
    )
    assert [s.name for s in world.stages] == list(DOMAINS)
    assert [{p.split()[-1][0] for p in s.pool["prompt"]} for s in world.stages] == [{c} for c in "abcde"]
    assert all(set(s.pool["task"]) == {"Reverse", "Swap", "Increment", "Sort", "Double"} for s in world.stages)


def test_the_judge_is_in_the_unit_interval_and_imperfect(large):
    pool = large.stages[0].pool.to_pandas()
    q = pool["quality"]
    assert ((0 < q) & (q < 1)).all()
    one_level = pool[pool["difficulty"] == 0.5]
    right, wrong = (one_level.loc[one_level["clean"] == c, "quality"].to_numpy() for c in (True, False))
    preferred = (right[:, None] > wrong).mean()
    assert preferred == pytest.approx(0.76, abs=0.09)  # P(N(1, 2) > 0)
    assert (
        pool.loc[pool["clean"] & (pool["difficulty"] == 0.25), "quality"].mean()
        > pool.loc[pool["clean"] & (pool["difficulty"] == 0.75), "quality"].mean() + 0.1
    )


def test_safety_prompts_are_about_half_refused(large):
    pool = large.stages[4].pool.to_pandas()
    own = pool[(pool["kind"] == "own") & ~pool["duplicate"] & pool["clean"]]
    assert 0.2 < (own["response"] == "<refuse>").mean() < 0.6


@pytest.mark.parametrize(
    "values, message",
    [
        ({"sequence": "skil"}, "sequence: expected one of skill, domain, interleaved; got 'skil'"),
        ({"order": "random"}, "order: expected one of paper, reversed, safety_early, alternating; got 'random'"),
        ({"pool_size": 0}, r"pool_size: expected an integer in \[1, 1000000\]; got 0"),
        ({"pool_size": 10.0}, "pool_size: expected an integer"),
        ({"test_size": True}, "test_size: expected an integer"),
        ({"noise": -0.1}, r"noise: expected a number in \[0, 1\]; got -0.1"),
        ({"noise": float("nan")}, "noise: expected a number"),
        ({"duplicates": "0.2"}, "duplicates: expected a number"),
        ({"alignment": 1.5}, "alignment: expected a number"),
        ({"imbalance": 2}, r"imbalance: expected a number in \[0, 1\]; got 2"),
        ({"judge_noise": -1}, "judge_noise: expected a number"),
        ({"proxy": "later"}, "proxy: expected one of standing, next, previous; got 'later'"),
        ({"earlier": 0.7, "precursors": 0.4}, r"earlier \+ precursors: expected at most 1"),
    ],
)
def test_a_bad_value_is_refused_when_the_spec_is_made(values, message):
    with pytest.raises(ValueError, match=message):
        WorldSpec(**values)


def test_every_order_visits_every_stage_once():
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in ORDERS.values())
    assert len(set(ORDERS.values())) == 4


def test_a_spec_builds_its_world(world):
    built = SPEC.build(0)
    for a, b in zip(everything(built), everything(world)):
        assert a.to_dict() == b.to_dict()
    assert SPEC.max_length == SPEC.corpus.positions
