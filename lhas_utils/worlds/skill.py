"""SkillWorld: stages of symbol-string skills, generated, seeded, nothing downloaded.

Five skills stand in for the five stages of arXiv:2605.30537, section 5. Label noise, near-duplicates and test sets
are known rather than guessed, because every response has an exact solver (`symbols.solve`). A base model knows every
operation in lower case and none in the stages' dialect, so that fine-tuning elicits what is there, as in a language
model. Recipe and step sizes were chosen on development seeds by what Random learns, before any selector ran.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from datasets import Dataset

from ..core import choose, number, stream
from .symbols import DIALECT, FORBIDDEN, LETTERS, SYMBOLS, dialect, side, solve, text
from .types import Stage, World, table

SKILLS = ("general", "math", "code", "reasoning", "safety")
DOMAINS = ("qa", "biomedical", "legal", "finance", "science")
SEQUENCES = ("skill", "domain", "interleaved")
ORDERS = {  # four stage orders of the skill sequence (paper, App. C); indices into SKILLS
    "paper": (0, 1, 2, 3, 4),
    "reversed": (4, 3, 2, 1, 0),
    "safety_early": (0, 4, 1, 2, 3),
    "alternating": (0, 3, 1, 4, 2),
}
TASKS = {  # capability -> its tasks, as the base model knows them; the stages teach them in the `dialect`
    "general": ("reverse", "swap", "rotate"),
    "math": ("increment", "decrement", "double"),
    "code": ("reverse increment", "swap increment", "increment rotate", "reverse rotate"),
    "reasoning": ("sort", "sort_down", "running_max"),
    "safety": ("guard copy", "guard reverse", "guard increment"),
}
KNOWN = tuple(task for tasks in TASKS.values() for task in tasks)
DOMAIN_TASKS = ("reverse", "swap", "increment", "sort", "double")
LENGTHS = {1: (3,), 2: (4,), 3: (6,)}  # difficulty level -> string lengths
OOD_LENGTHS = (5,)
BASE_LETTERS = "aaaaaa" + LETTERS[1:]  # alphabets of the pre-training text, each as often as it stands here
PROXIES = ("standing", "next", "previous")
COLUMNS = ("skill", "task", "prompt", "response", "difficulty", "kind", "clean", "duplicate")
_EVERY_LENGTH = tuple(n for level in LENGTHS.values() for n in level) + OOD_LENGTHS
VALIDATION = 64  # examples in each stage's validation set


@dataclass(frozen=True)
class SkillCorpus:
    """Pre-training text of SkillWorld: the tasks in lower case on all five alphabets at all lengths, OOD included."""

    words: ClassVar = DIALECT
    positions: ClassVar = 64
    tag: ClassVar = "pretrain"
    seeded: ClassVar = True
    weights: ClassVar = {}

    def rows(self, seed: int, size: int) -> Dataset:
        """Return `size` examples."""
        rng = stream(seed, "base")

        def letter():
            return BASE_LETTERS[rng.integers(len(BASE_LETTERS))]

        rows = [_draw(rng, "base", KNOWN, letter(), _EVERY_LENGTH, "pool") for _ in range(size)]
        return table(rows, COLUMNS, quality=np.ones(size))

    def known(self, seed: int, size: int) -> dict[str, Dataset]:
        """Return task -> `size` test examples of a task of the text, on the stages' alphabet: does the base know it?"""
        rng = stream(seed, "known")
        drawn = {
            task: [_draw(rng, task, (task,), LETTERS[0], _EVERY_LENGTH, "test") for _ in range(size)] for task in KNOWN
        }
        return {task: table(rows, COLUMNS, quality=np.ones(size)) for task, rows in drawn.items()}


@dataclass(frozen=True)
class WorldSpec:
    """Knobs of SkillWorld. All shares are fractions of a stage's pool.

    Args:
        sequence: `skill`, `domain` or `interleaved` (paper, section 5).
        order: one of `ORDERS`; which capability comes when.
        pool_size: examples in each stage's pool D_t.
        earlier: share of examples of earlier stages' capabilities.
        precursors: share of easy examples of later stages' capabilities.
        noise: share whose response is wrong.
        duplicates: share that are near-duplicates of a few examples of the same pool.
        alignment: a in [0, 1]; stage t draws its own share from (1-a) own + a uniform over all
            capabilities, and the shares of earlier and precursor examples shrink by 1-a. At 1 all
            stages are the same distribution.
        imbalance: share of each capability's examples that are of its first task; 0 is the same share for all.
        judge_noise: standard deviation of the quality judge's error (`judge`).
        proxy_size: examples in the standing proxy P_t, uniform over capabilities.
        proxy: P_t of eq. 5: the `standing` suite, or the validation set of the `next` or the `previous` stage
            (of the stage itself where there is none).
        test_size: test examples per capability, in and out of distribution (strings of a length that no pool holds).
    """

    sequence: str = "skill"
    order: str = "paper"
    pool_size: int = 750
    earlier: float = 0.3
    precursors: float = 0.2
    noise: float = 0.10
    duplicates: float = 0.20
    alignment: float = 0.0
    imbalance: float = 0.0
    judge_noise: float = 1.0
    proxy_size: int = 64
    proxy: str = "standing"
    test_size: int = 100
    max_length: ClassVar = 64
    corpus: ClassVar = SkillCorpus()

    def __post_init__(self):
        choose("sequence", self.sequence, SEQUENCES)
        choose("order", self.order, ORDERS)
        choose("proxy", self.proxy, PROXIES)
        number("pool_size", self.pool_size, 1, 10**6, integer=True)
        number("proxy_size", self.proxy_size, 1, 10**5, integer=True)
        number("test_size", self.test_size, 1, 10**5, integer=True)
        for name in ("earlier", "precursors", "noise", "duplicates", "alignment", "imbalance"):
            number(name, getattr(self, name), 0, 1)
        number("judge_noise", self.judge_noise, 0, 1e6)
        if self.earlier + self.precursors > 1:
            raise ValueError(f"earlier + precursors: expected at most 1; got {self.earlier + self.precursors}")

    def build(self, seed: int) -> World:
        """Generate the world of a seed (`skill_world`)."""
        return skill_world(self, seed)


def _draw(rng, capability: str, tasks, letter: str, lengths, which: str) -> dict:
    """Draw one correct example from one side of the split; a string has one side in both dialects."""
    while True:
        task, length = tasks[rng.integers(len(tasks))], lengths[rng.integers(len(lengths))]
        high = SYMBOLS
        if task.lower().startswith("guard") and rng.random() < 0.5:
            high = SYMBOLS - len(FORBIDDEN)
        x = tuple(int(v) for v in rng.integers(high, size=length))
        if side(task.lower(), letter, x) == which:
            return _row(capability, task, letter, x)


def _row(capability: str, task: str, letter: str, x: tuple[int, ...], kind: str = "own") -> dict:
    level = next((d for d, lengths in LENGTHS.items() if len(x) in lengths), max(LENGTHS) + 1)
    return {
        "skill": capability,
        "task": task,
        "prompt": f"{task} {text(letter, x)}",
        "response": text(letter, solve(task.lower(), x)),
        "difficulty": level / (max(LENGTHS) + 1),
        "kind": kind,
        "clean": True,
        "duplicate": False,
        "x": x,
        "letter": letter,
    }


def capabilities(spec: WorldSpec) -> dict[str, tuple[tuple[str, ...], str]]:
    """Map capability -> (tasks in the dialect, alphabet) in stage order."""
    if spec.sequence == "domain":
        everything = {d: (DOMAIN_TASKS, LETTERS[i]) for i, d in enumerate(DOMAINS)}
    else:
        everything = {s: (TASKS[s], LETTERS[0]) for s in SKILLS}
    names = [list(everything)[i] for i in ORDERS[spec.order]]
    return {name: (tuple(map(dialect, everything[name][0])), everything[name][1]) for name in names}


def stage_weights(spec: WorldSpec) -> np.ndarray:
    """Return W (T, J): row t is stage t's own mixture over capabilities, which is also V_t's.

    skill, domain: W = (1-a) I + a/J with a = `alignment`. interleaved: a stage keeps half of its
    weight and lends the rest to its neighbours before the same mixing, so boundaries blur.
    """
    n = len(SKILLS)
    own = np.eye(n)
    if spec.sequence == "interleaved":
        own = 0.5 * np.eye(n) + 0.25 * np.eye(n, k=1) + 0.25 * np.eye(n, k=-1)
        own /= own.sum(1, keepdims=True)
    return (1 - spec.alignment) * own + spec.alignment / n


def _corrupt(rng, row: dict) -> dict:
    """Replace the response by a wrong one of the same length, as label noise."""
    right = row["response"].split()
    while True:
        wrong = [f"{row['letter']}{v}" for v in rng.integers(SYMBOLS, size=len(right))]
        if wrong != right:
            return row | {"response": " ".join(wrong), "clean": False}


def _near_duplicate(rng, row: dict) -> dict:
    """Change one symbol of the string and solve again; stay on the pool side of the split."""
    for _ in range(20):
        x = list(row["x"])
        x[rng.integers(len(x))] = int(rng.integers(SYMBOLS))
        if side(row["task"].lower(), row["letter"], tuple(x)) == "pool":
            break
    else:
        x = row["x"]
    return _row(row["skill"], row["task"], row["letter"], tuple(x), row["kind"]) | {"duplicate": True}


def judge(rng: np.random.Generator, rows: list[dict], noise: float = 1.0) -> np.ndarray:
    """Return an imperfect judge's quality in (0, 1), shape (n,): sees noise partly, likes short and easy.

    q = sigmoid(clean - 1/2 - 2 (difficulty - 1/2) + eps), eps ~ N(0, noise^2): with noise 1 and at
    one difficulty the judge prefers a right response to a wrong one three times in four.
    """
    clean = np.array([r["clean"] for r in rows], float)
    hard = np.array([r["difficulty"] for r in rows])
    logit = clean - 0.5 - 2 * (hard - 0.5) + noise * rng.normal(size=len(rows))
    return 1 / (1 + np.exp(-logit))


def _pool(rng, spec: WorldSpec, t: int, known: dict, weights: np.ndarray) -> Dataset:
    names, levels, rows = list(known), list(LENGTHS.values()), []
    earlier, precursors = (1 - spec.alignment) * spec.earlier, (1 - spec.alignment) * spec.precursors
    for u in rng.random(spec.pool_size):
        if u < earlier and t > 0:
            kind, name = "earlier", names[rng.integers(t)]
        elif earlier <= u < earlier + precursors and t < len(names) - 1:
            kind, name = "precursor", names[rng.integers(t + 1, len(names))]
        else:
            kind, name = "own", names[rng.choice(len(names), p=weights[t])]
        lengths = levels[0] if kind == "precursor" else levels[rng.integers(len(levels))]
        tasks, letter = known[name]
        if spec.imbalance:
            tasks = tasks[:1] if rng.random() < spec.imbalance else tasks[1:]
        rows.append(_draw(rng, name, tasks, letter, lengths, "pool") | {"kind": kind})
    n_dup = int(spec.duplicates * spec.pool_size)
    if n_dup:  # a few popular examples, each repeated with small changes
        popular = rng.choice(spec.pool_size, size=max(1, n_dup // 20), replace=False)
        for i in rng.choice(spec.pool_size, size=n_dup, replace=False):
            rows[i] = _near_duplicate(rng, rows[popular[rng.integers(len(popular))]])
    for i in rng.choice(spec.pool_size, size=int(spec.noise * spec.pool_size), replace=False):
        rows[i] = _corrupt(rng, rows[i])
    return table(rows, COLUMNS, quality=judge(rng, rows, spec.judge_noise))


def skill_world(spec: WorldSpec, seed: int, validation_size: int = VALIDATION) -> World:
    """Generate one SkillWorld.

    Pools, validation sets (the proxy among them) and test sets never share a prompt.

    Args:
        spec: the knobs.
        seed: evaluation seeds start at 100, development seeds at 1000.
        validation_size: examples in each stage's validation set. The proxy P_t is uniform over
            capabilities (the paper's small standing evaluation suite, section 9).
    """
    known, weights = capabilities(spec), stage_weights(spec)
    names, levels = list(known), list(LENGTHS.values())

    def right(rows):
        return table(rows, COLUMNS, quality=np.ones(len(rows)))

    def spread(rng, drawn, which):
        return [_draw(rng, n, *known[n], levels[i % len(levels)], which) for i, n in enumerate(drawn)]

    def longer(rng, name):
        return [_draw(rng, name, *known[name], OOD_LENGTHS, "test") for _ in range(spec.test_size)]

    stages = []
    for t, name in enumerate(names):
        rng = stream(seed, "validation", t)
        share = rng.choice(len(names), size=validation_size, p=weights[t])
        validation = right(spread(rng, [names[j] for j in share], "validation"))
        pool = _pool(stream(seed, "pool", t), spec, t, known, weights)
        stages.append(Stage(name, pool, validation, dict(zip(names, weights[t]))))
    evenly = [names[i % len(names)] for i in range(spec.proxy_size)]
    proxy = right(spread(stream(seed, "proxy"), evenly, "validation"))
    tests = {n: right(spread(stream(seed, "test", n), [n] * spec.test_size, "test")) for n in names}
    ood = {n: right(longer(stream(seed, "ood", n), n)) for n in names}
    return World(_with_proxies(stages, spec.proxy), proxy, tests, ood)


def _with_proxies(stages: list[Stage], which: str) -> tuple[Stage, ...]:
    """Return the stages, each with the validation set of its neighbour as its proxy where `which` is not `standing`."""
    if which == "standing":
        return tuple(stages)
    step = {"next": 1, "previous": -1}[which]
    near = [min(max(t + step, 0), len(stages) - 1) for t in range(len(stages))]
    return tuple(replace(stage, proxy=stages[t].validation) for stage, t in zip(stages, near))
