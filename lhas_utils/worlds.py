"""SkillWorld: stages of symbol-string skills, generated, seeded, nothing downloaded.

An example is `<bos> op.. x.. <sep> y.. <eos>`; the model is scored on `y.. <eos>`. Five skills
stand in for the five stages of arXiv:2605.30537, section 5. Every response has an exact solver
(`solve`), so label noise, near-duplicates and test sets are known rather than guessed.
"""

from dataclasses import dataclass
from itertools import accumulate
from zlib import crc32

import numpy as np
from datasets import Dataset

from .config import ORDERS, WorldSpec

SKILLS = ("general", "math", "code", "reasoning", "safety")
DOMAINS = ("qa", "biomedical", "legal", "finance", "science")
SYMBOLS = 10  # symbols per alphabet; arithmetic on symbol indices is modulo this
FORBIDDEN = {8, 9}  # symbol indices that the `guard` skill must refuse
REFUSAL = "<refuse>"

_OPS = {  # one-step operations on a tuple of symbol indices
    "copy": lambda x: x,
    "rotate": lambda x: x[1:] + x[:1],
    "reverse": lambda x: x[::-1],
    "swap": lambda x: tuple(x[i ^ 1] if (i ^ 1) < len(x) else x[i] for i in range(len(x))),
    "increment": lambda x: tuple((v + 1) % SYMBOLS for v in x),
    "double": lambda x: tuple((2 * v) % SYMBOLS for v in x),
    "cumsum": lambda x: tuple(v % SYMBOLS for v in accumulate(x)),
    "sort": lambda x: tuple(sorted(x)),
    "sort_down": lambda x: tuple(sorted(x, reverse=True)),
    "running_max": lambda x: tuple(accumulate(x, max)),
}
_SKILL_OPS = {
    "general": ("copy", "rotate", "reverse", "swap"),
    "math": ("increment", "double", "cumsum"),
    "code": tuple(f"{f} {g}" for f in ("reverse", "swap", "increment") for g in ("rotate", "increment", "reverse") if f != g),
    "reasoning": ("sort", "sort_down", "running_max"),
    "safety": ("guard copy", "guard reverse", "guard increment"),
}
_UNSEEN = {"code": ("rotate swap", "double reverse", "swap double")}  # compositions kept for OOD
_DOMAIN_OPS = ("reverse", "swap", "increment", "sort", "cumsum")
BASE_OPS = ("copy", "rotate", "increment")  # what the base model is pre-trained on, on all alphabets

LENGTHS = {1: (2, 3), 2: (4, 5), 3: (6, 7)}  # difficulty level -> string lengths
OOD_LENGTHS = (8,)
TOKENS = (
    ("<pad>", "<bos>", "<sep>", "<eos>", REFUSAL, "guard")
    + tuple(_OPS)
    + tuple(f"{letter}{i}" for letter in "abcde" for i in range(SYMBOLS))
)


@dataclass(frozen=True)
class Stage:
    """One stage: the pool D_t, the selector's validation set, and the weights of Perf(., V_t).

    `weights` maps capability to its share in V_t, so Perf(M, V_t) = sum_j weights[j] R[., j].
    """

    name: str
    pool: Dataset
    validation: Dataset
    weights: dict[str, float]


@dataclass(frozen=True)
class World:
    """Everything a run meets: stages, standing proxy P_t, and test sets per capability."""

    stages: tuple[Stage, ...]
    proxy: Dataset
    tests: dict[str, Dataset]
    ood: dict[str, Dataset]


def solve(task: str, x: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the exact answer of `task` on symbol indices `x`; None means refusal.

    A task is a sequence of operations, applied right to left (`f g` is f(g(x))); `guard` refuses
    when `x` holds a forbidden symbol.

    >>> solve("reverse increment", (1, 2, 9))
    (0, 3, 2)
    >>> solve("guard copy", (1, 9)) is None
    True
    """
    ops = task.split()
    if ops[0] == "guard":
        return None if FORBIDDEN & set(x) else solve(" ".join(ops[1:]), x)
    for op in reversed(ops):
        x = _OPS[op](x)
    return x


def _text(letter: str, x) -> str:
    return REFUSAL if x is None else " ".join(f"{letter}{v}" for v in x)


def _side(task: str, letter: str, x) -> str:
    """Return the side of the split that a prompt belongs to: 80 % pool, 10 % validation, 10 % test."""
    bucket = crc32(f"{task}|{letter}|{x}".encode()) % 10
    return {8: "validation", 9: "test"}.get(bucket, "pool")


def _draw(rng, capability, tasks, letter, lengths, side: str) -> dict:
    """Draw one correct example from one side of the split by prompt."""
    while True:
        task, length = tasks[rng.integers(len(tasks))], lengths[rng.integers(len(lengths))]
        high = SYMBOLS
        if task.startswith("guard") and rng.random() < 0.5:
            high = SYMBOLS - len(FORBIDDEN)
        x = tuple(int(v) for v in rng.integers(high, size=length))
        if _side(task, letter, x) == side:
            return _row(capability, task, letter, x)


def _row(capability, task, letter, x, kind="own") -> dict:
    level = next((d for d, lengths in LENGTHS.items() if len(x) in lengths), max(LENGTHS) + 1)
    return {
        "skill": capability,
        "task": task,
        "prompt": f"{task} {_text(letter, x)}",
        "response": _text(letter, solve(task, x)),
        "difficulty": level / (max(LENGTHS) + 1),
        "kind": kind,
        "clean": True,
        "duplicate": False,
        "x": x,
        "letter": letter,
    }


def _capabilities(spec: WorldSpec) -> dict[str, tuple[tuple[str, ...], str]]:
    """Map capability -> (tasks, alphabet) in stage order."""
    if spec.sequence == "domain":
        table = {d: (_DOMAIN_OPS, "abcde"[i]) for i, d in enumerate(DOMAINS)}
    else:
        table = {s: (_SKILL_OPS[s], "a") for s in SKILLS}
    names = list(table)
    return {names[i]: table[names[i]] for i in ORDERS[spec.order]}


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
        if _side(row["task"], row["letter"], tuple(x)) == "pool":
            break
    else:
        x = row["x"]
    return _row(row["skill"], row["task"], row["letter"], tuple(x), row["kind"]) | {"duplicate": True}


def judge(rng, rows: list[dict]) -> np.ndarray:
    """Return an imperfect judge's quality in (0, 1): sees noise partly, likes short and easy.

    q = sigmoid(clean - 1/2 - 2 (difficulty - 1/2) + eps), eps ~ N(0, 1): at one difficulty the judge
    prefers a right response to a wrong one three times in four.
    """
    clean = np.array([r["clean"] for r in rows], float)
    hard = np.array([r["difficulty"] for r in rows])
    logit = clean - 0.5 - 2 * (hard - 0.5) + rng.normal(size=len(rows))
    return 1 / (1 + np.exp(-logit))


def _dataset(rows: list[dict], quality) -> Dataset:
    keep = ("skill", "task", "prompt", "response", "difficulty", "kind", "clean", "duplicate")
    return Dataset.from_dict({k: [r[k] for r in rows] for k in keep} | {"quality": quality})


def _pool(rng, spec: WorldSpec, t: int, table: dict, weights: np.ndarray) -> Dataset:
    names = list(table)
    levels = list(LENGTHS.values())
    rows = []
    earlier, precursors = (1 - spec.alignment) * spec.earlier, (1 - spec.alignment) * spec.precursors
    for u in rng.random(spec.pool_size):
        if u < earlier and t > 0:
            kind, name = "earlier", names[rng.integers(t)]
        elif earlier <= u < earlier + precursors and t < len(names) - 1:
            kind, name = "precursor", names[rng.integers(t + 1, len(names))]
        else:
            kind, name = "own", names[rng.choice(len(names), p=weights[t])]
        lengths = levels[0] if kind == "precursor" else levels[rng.integers(len(levels))]
        rows.append(_draw(rng, name, *table[name], lengths, "pool") | {"kind": kind})
    n_dup = int(spec.duplicates * spec.pool_size)
    if n_dup:  # a few popular examples, each repeated with small changes
        popular = rng.choice(spec.pool_size, size=max(1, n_dup // 20), replace=False)
        for i in rng.choice(spec.pool_size, size=n_dup, replace=False):
            rows[i] = _near_duplicate(rng, rows[popular[rng.integers(len(popular))]])
    for i in rng.choice(spec.pool_size, size=int(spec.noise * spec.pool_size), replace=False):
        rows[i] = _corrupt(rng, rows[i])
    return _dataset(rows, judge(rng, rows))


def _test_set(rng, name, tasks, letter, size, levels) -> Dataset:
    rows = [_draw(rng, name, tasks, letter, levels[i % len(levels)], "test") for i in range(size)]
    return _dataset(rows, np.ones(size))


def stream(seed: int, *tags) -> np.random.Generator:
    """Return the random stream of one purpose: same seed and tags, same numbers."""
    return np.random.default_rng([seed, *(crc32(str(t).encode()) for t in tags)])


def skill_world(spec: WorldSpec, seed: int, validation_size: int = 64) -> World:
    """Generate one SkillWorld.

    Pools, validation sets (the proxy among them) and test sets never share a prompt.

    Args:
        spec: the knobs.
        seed: evaluation seeds are 0, 1, 2, ...; development seeds start at 1000.
        validation_size: examples in each stage's validation set. The proxy P_t is uniform over
            capabilities (the paper's small standing evaluation suite, section 9).
    """
    table, weights = _capabilities(spec), stage_weights(spec)
    names, levels = list(table), list(LENGTHS.values())
    stages = []
    for t, name in enumerate(names):
        rng = stream(seed, "validation", t)
        share = rng.choice(len(names), size=validation_size, p=weights[t])
        rows = [_draw(rng, names[j], *table[names[j]], levels[i % 3], "validation") for i, j in enumerate(share)]
        pool = _pool(stream(seed, "pool", t), spec, t, table, weights)
        stages.append(Stage(name, pool, _dataset(rows, np.ones(len(rows))), dict(zip(names, weights[t]))))
    rng = stream(seed, "proxy")
    rows = [_draw(rng, n := names[i % len(names)], *table[n], levels[i % 3], "validation") for i in range(spec.proxy_size)]
    tests = {n: _test_set(stream(seed, "test", n), n, *table[n], spec.test_size, levels) for n in names}
    ood = {}
    for n, (tasks, letter) in table.items():
        rng, half = stream(seed, "ood", n), spec.test_size // 2
        longer = [_draw(rng, n, tasks, letter, OOD_LENGTHS, "test") for _ in range(spec.test_size - half)]
        unseen = [_draw(rng, n, _UNSEEN[n], letter, levels[i % 3], "test") for i in range(half)] if n in _UNSEEN and spec.sequence != "domain" else []
        ood[n] = _dataset(longer + unseen, np.ones(len(longer + unseen)))
    return World(tuple(stages), _dataset(rows, np.ones(len(rows))), tests, ood)


def base_corpus(seed: int, size: int) -> Dataset:
    """Generate pre-training text: `BASE_OPS` on all five alphabets at all lengths, OOD included."""
    rng = stream(seed, "base")
    lengths = tuple(n for level in LENGTHS.values() for n in level) + OOD_LENGTHS
    letters = "abcde"
    rows = [_draw(rng, "base", BASE_OPS, letters[rng.integers(5)], lengths, "pool") for _ in range(size)]
    return _dataset(rows, np.ones(size))
