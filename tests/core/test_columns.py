"""The columns that tell runs apart: every field of a spec and of its world, and of its training what differs."""

from dataclasses import asdict

from lhas_utils.core import TrainSpec, columns
from lhas_utils.studies import BranchSpec, DifficultySpec, EffectSpec, LocalSpec, RunSpec
from lhas_utils.worlds import WorldSpec

TRAIN = TrainSpec(steps=7, rank=3, reselect=2, curriculum="hard_first", lr=0.5, batch_size=9, match="tokens")
WORLD = WorldSpec(sequence="domain", order="reversed", pool_size=9, noise=0.4, alignment=0.7, test_size=5)
TOLD = {"steps": 7, "rank": 3, "reselect": 2, "curriculum": "hard_first", "lr": 0.5, "match": "tokens"}


def test_a_run_of_the_stages_tells_its_parameters_its_world_and_its_training():
    params = (("alpha", 2.0), ("utility", "loss"))
    got = columns(RunSpec("lhas", 4, 0.5, params, world=WORLD, train=TRAIN))
    own = {"selector": "lhas", "seed": 4, "budget": 0.5, "params": "alpha=2.0, utility=loss"}
    assert got == own | asdict(WORLD) | TOLD
    assert columns(RunSpec("random", 0))["params"] == ""


def test_measurements_tell_their_own_fields_too():
    own = {"seed": 4, "stage": 2, "candidates": 8, "subsets": 5, "budget": 0.3}
    assert columns(EffectSpec(**own, world=WORLD, train=TRAIN)) == own | asdict(WORLD) | TOLD
    own = {"seed": 4, "stage": 2, "random": 3, "batches": 2, "trained": 1, "budget": 0.3}
    assert columns(LocalSpec(**own, world=WORLD, train=TRAIN)) == own | asdict(WORLD) | TOLD


def test_a_run_of_the_difficulty_study_tells_all_of_its_fields():
    spec = DifficultySpec(skill="op", base="strong", seed=4, d=3, n=9, steps=5, loss="dft", lr=0.5, match="tokens")
    assert columns(spec) == asdict(spec)


def test_a_common_start_leaves_its_selectors_to_the_rows():
    got = columns(BranchSpec(4, world=WORLD, train=TRAIN, selectors=("random", "loss")))
    assert got == {"seed": 4, "budget": 0.25} | asdict(WORLD) | TOLD
