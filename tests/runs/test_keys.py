"""The key of a run is its spec and the code that it reaches: each module of the engine is changed in one place.

One other process, in another folder and with another hash seed, imports the libraries once and then, for each change,
a fresh copy of the package with that change in it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from lhas_utils.core import ModelSpec, TrainSpec, paths
from lhas_utils.runs import cache, key
from lhas_utils.studies import BranchSpec, DifficultySpec, EffectSpec, LocalSpec, RunSpec
from lhas_utils.worlds import TextWorld, WorldSpec

SPECS = {
    "random": 'RunSpec("random", 0)',
    "lhas": 'RunSpec("lhas", 0)',
    "alignment": 'RunSpec("alignment", 0)',
    "branch": "BranchSpec(0)",
    "text": 'RunSpec("random", 0, world=TextWorld("0123456789abcdef"))',
    "local": "LocalSpec(0)",
    "effect": "EffectSpec(0)",
    "sort": 'DifficultySpec("sort")',
    "op": 'DifficultySpec("op")',
}
ALL = "random lhas alignment branch text local effect sort op"
STAGES = "random lhas alignment branch text local effect"
RUNS = "random lhas alignment text"  # trajectories
SKILL = "random lhas alignment branch local effect"
NONE = ""


class Change(NamedTuple):
    """Text `old` of a file becomes `new`; the keys of these kinds of runs change with it."""

    file: str
    old: str
    new: str
    kinds: str


FLIPS = [
    Change("core/seeds.py", "str(t)", "repr(t)", ALL),
    Change("core/specs.py", "steps: int = 2400", "steps: int = 2401", ALL),  # of a base model
    Change("core/specs.py", "steps: int = 80\n", "steps: int = 81\n", STAGES),  # of a stage
    Change("core/specs.py", "value <= high:", "value <= 2 * high:", ALL),
    Change("worlds/types.py", "for k in names}", "for k in names[:]}", f"{SKILL} sort op"),
    Change("worlds/symbols.py", "(2 * v)", "(3 * v)", f"{SKILL} sort"),
    Change("worlds/symbols.py", '{8: "validation", 9', '{7: "validation", 9', f"{SKILL} sort"),
    Change("worlds/symbols.py", "op.capitalize()", "op.upper()", SKILL),
    Change("worlds/skill.py", "- 2 * (hard", "- 3 * (hard", SKILL),
    Change("worlds/skill.py", "noise: float = 0.10", "noise: float = 0.11", SKILL),
    Change("worlds/skill.py", '"safety_early": (0, 4, 1, 2, 3)', '"safety_early": (0, 4, 1, 3, 2)', SKILL),
    Change("worlds/depth.py", "OTHERS_SHARE = 0.6", "OTHERS_SHARE = 0.7", "sort"),
    Change("worlds/depth.py", '"depth-test"', '"depth-tests"', "sort"),  # a method of the world
    Change("worlds/depth.py", "round(0.1 *", "round(0.2 *", "sort op"),
    Change("worlds/op.py", "MODULUS = 5", "MODULUS = 7", "op"),
    Change("worlds/op.py", '"ops-test"', '"ops-tests"', "op"),
    Change("worlds/op.py", "VALUE_WEIGHT = 5.0", "VALUE_WEIGHT = 4.0", "op"),
    Change("worlds/text.py", "0.75 * len", "0.8 * len", "text"),
    Change("worlds/text.py", 'tag: ClassVar = "pretrain"', 'tag: ClassVar = "text"', "text"),
    Change(
        "worlds/text.py", "(1 - abs(2 * rank - 1)) / 2", "(1 - abs(2 * rank - 1)) / 3", NONE
    ),  # in the data's digest
    Change("worlds/rows.py", '"difficulty": (0, 1)', '"difficulty": (0, 2)', NONE),
    Change("worlds/splits.py", "MOST = 6000", "MOST = 5000", NONE),
    Change("worlds/formats.py", "BATCH = 1000", "BATCH = 999", NONE),
    Change("worlds/reading.py", "most: int = MOST", "most: int = 2 * MOST", NONE),
    Change("worlds/sentences.py", "rng.integers(1, 9)), int", "rng.integers(1, 8)), int", NONE),
    Change("learning/tokens.py", "max_length // 2,", "max_length // 3,", ALL),
    Change("worlds/gym.py", "positions: int = 96", "positions: int = 97", NONE),
    Change("worlds/gym_levels.py", "maxsize=4", "maxsize=5", NONE),
    Change("worlds/items.py", "SPACING = 10**6", "SPACING = 10**7", NONE),
    Change("worlds/embedding.py", "batch_size: int = 64", "batch_size: int = 65", NONE),
    Change("worlds/turns.py", "for turn in turns) == 1", "for turn in turns) == 2", NONE),
    Change("learning/checkpoints.py", 'glob("*.safetensors")', 'glob("*.bin")', NONE),
    Change("learning/gemma.py", "TINY_STEPS, TINY_LR = 150", "TINY_STEPS, TINY_LR = 151", NONE),
    Change("learning/speed.py", "times: int = 3", "times: int = 4", NONE),
    Change("studies/levels.py", "steps: int = 40", "steps: int = 41", NONE),
    Change("learning/forward.py", "LOGITS = 2**25", "LOGITS = 2**20", ALL),
    Change("learning/forward.py", "LARGE = 2**14", "LARGE = 2**15", ALL),
    Change("learning/forward.py", "inputs[0]))", "inputs[0] * 2))", ALL),
    Change("learning/models.py", "2 * spec.hidden", "3 * spec.hidden", ALL),
    Change("learning/models.py", "lora_alpha=2 *", "lora_alpha=4 *", STAGES),
    Change("learning/loop.py", "-(-steps * b // n)", "-(-steps * b // n) + 1", ALL),
    Change("learning/loop.py", '"linear": lambda s: 1 - s', '"linear": lambda s: 2 - s', ALL),
    Change("learning/loop.py", "clip_grad_norm_(parameters, clip)", "clip_grad_norm_(parameters, 2 * clip)", ALL),
    Change("learning/loop.py", "torch.exp(-nll.detach())", "torch.exp(nll.detach())", "sort op"),
    Change("learning/loop.py", "4 / 3 * np.arange", "5 / 3 * np.arange", RUNS),
    Change("learning/score.py", "right == n,", "right >= n,", f"{RUNS} branch effect sort op"),
    Change("learning/score.py", "argmax(1), 0) - 2", "argmax(1), 0) - 1", "sort op"),
    Change("learning/bases.py", "spec.steps * spec.batch_size", "spec.steps + spec.batch_size", ALL),
    Change("selection/signals.py", "PROJECTION = (8, 128)", "PROJECTION = (8, 64)", STAGES),
    Change("selection/signals.py", "unit * sign", "unit", STAGES),
    Change("selection/gradients.py", "SDPBackend.MATH", "SDPBackend.EFFICIENT_ATTENTION", STAGES),
    Change("selection/gradients.py", "o * i < t", "o * i < 2 * t", STAGES),
    Change("selection/context.py", "return np.ones(", "return np.zeros(", STAGES),
    Change("selection/picks.py", "np.argsort(-score", "np.argsort(score", "lhas alignment branch local effect"),
    Change("selection/picks.py", "picks.max() >= n", "picks.max() > n", f"{RUNS} branch local"),
    Change(
        "selection/selectors.py",
        "return top_k(ctx.align_current, budget)",
        "return top_k(-ctx.align_current, budget)",
        "alignment branch local effect",
    ),
    Change(
        "selection/selectors.py", "size=budget, replace=False", "size=budget, replace=True", "random branch text effect"
    ),
    Change("selection/selectors.py", "top_k(ctx.el2n", "top_k(-ctx.el2n", "effect"),
    Change("selection/selectors.py", "similarity /= 2", "similarity /= 3", NONE),  # nobody's selector here
    Change("selection/selectors.py", "ctx.encoded.tokens().numpy()", "-ctx.encoded.tokens().numpy()", "branch"),
    Change("selection/lhas.py", "coverage_weight * z(", "-coverage_weight * z(", "lhas branch local effect"),
    Change("selection/lhas.py", "proxy_weight=3.0", "proxy_weight=2.0", "lhas branch local effect"),
    Change("selection/diagnostics.py", "eigvalsh(K)[-1]", "eigvalsh(K)[0]", f"{RUNS} branch local"),
    Change("selection/diagnostics.py", "1 - new @ old", "1 + new @ old", RUNS),
    Change(
        "selection/registry.py",
        '"quality", "utility_diversity"',
        '"utility_diversity", "quality"',
        "branch local effect",
    ),
    Change("studies/stages.py", "if w > 0", "if w >= 0", f"{RUNS} branch"),
    Change("studies/stages.py", "steps * mean[0]", "steps + mean[0]", RUNS),
    Change("studies/branch.py", "epochs = max(1,", "epochs = max(2,", "branch"),
    Change("studies/branch.py", 'START, FRESH = "start"', 'START, FRESH = "begin"', "branch"),
    Change("studies/stages.py", "or spec.world.max_length", "or 64", STAGES),
    Change("studies/expansion.py", "gbar.abs() + 1e-8", "gbar.abs() + 1e-6", "local"),
    Change("studies/expansion.py", "ETAS = (0.001,", "ETAS = (0.002,", "local"),
    Change("studies/retraining.py", "y - y.mean()", "y + y.mean()", "effect"),
    Change("studies/retraining.py", "TrainSpec(steps=30)", "TrainSpec(steps=31)", "effect"),
    Change("studies/difficulty.py", "EPOCHS = 3", "EPOCHS = 4", "sort op"),
    Change("studies/difficulty.py", "SIGMAS = (0.003,", "SIGMAS = (0.004,", "sort op"),
]
METRIC = '\n\ndef added(R):\n    """Return nothing of use."""\n    return 2 * R\n'
SELECTOR = (
    '\n\n@selector\ndef added(ctx, budget, *, rng):\n    """Another one."""\n    return top_k(-ctx.loss, budget)\n'
)
TOKEN_NLL = "    return cross_entropy(*response_logits(model, batch))"
NEUTRAL = {
    "an added metric": [("analysis/metrics.py", None, METRIC)],
    "an added selector": [("selection/selectors.py", None, SELECTOR)],
    "a reworded error": [
        ("core/specs.py", "expected one of", "must be one of"),
        ("selection/picks.py", "repeated", "twice"),
        ("worlds/text.py", "run again with the DATA", "run once more with the DATA"),
        ("selection/context.py", "that are not, the first for", "that are not numbers, first"),
    ],
    "an added print": [
        (
            "studies/stages.py",
            "    history, rows, picks",
            "    print(f'{len(world.stages)} stages')\n    history, rows, picks",
        ),
        (
            "learning/loop.py",
            "    model.train()\n    if 0",
            "    said = f'{lr}'\n    print(said)\n    model.train()\n    if 0",
        ),
    ],
    "an added import": [
        (file, "import numpy as np\n", "import string\n\nimport numpy as np\n")
        for file in ("studies/stages.py", "learning/loop.py", "worlds/skill.py", "selection/selectors.py")
    ],
    "a docstring": [
        ("learning/loop.py", "Train in place by AdamW", "Learn in place by AdamW"),
        ("worlds/skill.py", "Knobs of SkillWorld.", "What SkillWorld can be."),
        ("core/seeds.py", "Random streams", "Streams"),
    ],
    "a comment": [("learning/loop.py", "    tokens = 0\n", "    # none yet\n    tokens = 0  # at first\n")],
    "another layout": [
        ("learning/loop.py", TOKEN_NLL, TOKEN_NLL.replace("(model, batch)", "(\n        model, batch\n    )"))
    ],
    "annotations": [
        ("learning/loop.py", "n: int, steps: int, batch_size: int) -> np.ndarray", "n, steps, batch_size)"),
        ("worlds/op.py", "    order: dict[int, int] = {}", "    order = {}"),
    ],
    "a moved function": [
        ("selection/diagnostics.py", "def concentration", "def _aside():\n    pass\n\n\ndef concentration"),
        (
            "learning/loop.py",
            "def example_loss(model, batch: Encoded) -> torch.Tensor:\n",
            "def _unused():\n    pass\n\n\ndef example_loss(model, batch: Encoded) -> torch.Tensor:\n",
        ),
    ],
    "a figure": [("figures/style.py", None, "\nADDED = 1\n")],
    "a grid": [("runs/lhas_grids.py", "TINY = 5", "TINY = 6"), ("runs/difficulty_grids.py", "LR = 1e-3", "LR = 2e-3")],
    "where files lie": [
        ("core/paths.py", 'BUILD / "models"', 'BUILD / "bases"'),
        ("core/files.py", '".partial-"', '".p-"'),
    ],
    "how runs are shared out": [("runs/pool.py", '"mininterval": 1', '"mininterval": 2')],
}

PROGRAM = """
import importlib, json, shutil, sys, types
from pathlib import Path

import datasets, joblib, numpy, pandas, pyarrow.parquet, scipy.cluster.vq, scipy.stats, torch, transformers

source, scratch, asked = Path(sys.argv[1]), Path(sys.argv[2]), json.load(sys.stdin)
parsed = {}  # what is known of a text stays known: nine files in ten are the same

def keys(name, edits):
    package = scratch / name / "lhas_utils"
    shutil.copytree(source, package)
    for file, old, new in edits:
        text = (package / file).read_text()
        if old is not None and old not in text:
            return f"{file} holds no {old!r}"
        (package / file).write_text(text + new if old is None else text.replace(old, new, 1))
    for module in [m for m in sys.modules if m.partition(".")[0] == "lhas_utils"]:
        del sys.modules[module]
    stub = types.ModuleType("lhas_utils")  # without the rooms above the runs
    stub.__path__ = [str(package)]
    sys.modules["lhas_utils"] = stub
    importlib.invalidate_caches()
    reader, names = importlib.import_module("lhas_utils.core.source"), {}
    for cached in ("_tree", "_nodes", "_classes", "_read"):
        setattr(reader, cached, parsed.setdefault(cached, getattr(reader, cached)))
    for room in ("studies", "worlds", "runs"):
        names |= vars(importlib.import_module(f"lhas_utils.{room}"))
    found = {kind: names["key"](eval(text, names)) for kind, text in asked["specs"].items()}
    shutil.rmtree(package)
    return found

print(json.dumps({name: keys(name, edits) for name, edits in asked["edits"].items()}))
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> dict[str, dict[str, str]]:
    """Keys by the name of the change, then by kind; "now" is an unchanged copy, "flip 3" is `FLIPS[3]`."""
    edits = {"now": []} | {f"flip {i}": [c[:3]] for i, c in enumerate(FLIPS)} | NEUTRAL
    hash_seed = "77" if os.environ.get("PYTHONHASHSEED") != "77" else "78"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(paths.ROOT / "lhas_utils"), str(tmp_path_factory.mktemp("elsewhere"))],
        input=json.dumps({"specs": SPECS, "edits": edits}),
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def changed(keys: dict, name: str) -> set[str]:
    assert isinstance(keys[name], dict), keys[name]
    return {kind for kind in SPECS if keys[name][kind] != keys["now"][kind]}


@pytest.mark.slow
@pytest.mark.parametrize("i", range(len(FLIPS)), ids=[f"{c.file}: {c.old}" for c in FLIPS])
def test_a_change_of_the_engine_changes_the_keys_of_the_runs_that_reach_it(keys, i):
    assert changed(keys, f"flip {i}") == set(FLIPS[i].kinds.split())


@pytest.mark.slow
@pytest.mark.parametrize("name", NEUTRAL)
def test_what_changes_no_number_changes_no_key(keys, name):
    assert changed(keys, name) == set()


def test_every_module_of_the_engine_is_changed_somewhere():
    package, tried = paths.ROOT / "lhas_utils", {c.file for c in FLIPS}
    rooms = ("core", "worlds", "learning", "selection", "studies")
    found = {str(p.relative_to(package)) for room in rooms for p in (package / room).rglob("*.py")}
    naming = {f"core/{name}.py" for name in ("digests", "files", "paths", "settings", "source")}
    assert {f for f in found if Path(f).name != "__init__.py"} - naming == tried


@pytest.mark.slow
def test_keys_do_not_depend_on_the_process_nor_on_where_the_checkout_lies(keys):
    kinds = (RunSpec, BranchSpec, LocalSpec, EffectSpec, DifficultySpec)
    names = {kind.__name__: kind for kind in kinds}
    cache._engine.cache_clear()  # another test may have had a part of the engine replaced
    here = {kind: key(eval(text, names | {"TextWorld": TextWorld})) for kind, text in SPECS.items()}
    assert here == keys["now"] and len(set(here.values())) == len(SPECS)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 9},
        {"selector": "loss"},
        {"budget": 0.5},
        {"world": WorldSpec(noise=0.2)},
        {"world": TextWorld("abc")},
        {"model": ModelSpec(steps=2401)},
        {"train": TrainSpec(steps=81)},
        {"params": (("alpha", 1.0),)},
    ],
)
def test_the_key_changes_with_the_spec(change):
    now = key(RunSpec("utility_diversity", 0))
    assert key(RunSpec("utility_diversity", 0)) == now
    assert key(RunSpec(**({"selector": "utility_diversity", "seed": 0} | change))) != now


def test_the_key_changes_with_the_source_of_an_own_selector():
    def make(weight):
        def mine(ctx, budget, *, rng):
            return (weight * ctx.loss).argsort()[:budget]

        return mine

    spec = RunSpec("random", 0)
    assert key(spec, make(1)) == key(spec, make(1))
    assert len({key(spec), key(spec, make(1)), key(spec, make(2))}) == 3
