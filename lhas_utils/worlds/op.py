"""OpWorld: word-level modular arithmetic on a dependency graph, difficulty = number of operations.

After iGSM (facebookresearch/iGSM, commit 6855c77; arXiv:2605.12906, section 4): `op` operation nodes, arithmetic
modulo a prime, statements nobody needs, a chain of thought in topological order, train and test disjoint by
hash. An example is `<bos> task givens operations ask v <sep> steps <eos>`.

A prompt always has `GIVENS` givens (`n0 3`) and `OPS` operations (`n4 n0 + n2 ;`), nodes numbered in topological
order, so its length does not tell the level: the op-th operation ends in `?`, the question; later ones and some
givens are distractors. A step of the answer is `n4 n0 3 + n2 4 2 ;`: the node, each operand with its value, the value
of the node; a literal is its own value. The other task, `trace`, has the same text but no arithmetic: a node takes
the value of its left operand. It is mid-trained at all levels, so that a long problem is nothing new: only
arithmetic along it is.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple
from zlib import crc32

from datasets import Dataset

from ..core import stream
from .symbols import SPECIAL
from .types import table

MODULUS = 5  # 23 in the public generator
LEVELS = tuple(range(2, 7))  # operations of a test problem; D_test is uniform over them
SEEN = {"weak": 2, "strong": 4}  # most operations a base has solved
GIVENS, OPS = 3, 6  # statements of a prompt
BINS, TRAIN_BINS = 23, 16  # problems with hash 0..15 are for training, 16..22 for testing
STEP = 8  # tokens of a step of the answer
TASKS, SOLVE_SHARE = ("solve", "trace"), 0.4  # of the mid-training corpus
NAMES = tuple(f"n{i}" for i in range(GIVENS + OPS))
TOKENS = (*SPECIAL, *TASKS, ";", "?", "+", "-", "*", *map(str, range(MODULUS)), *NAMES)
PROMPT = 1 + 1 + 2 * GIVENS + 5 * OPS + 1  # tokens of a prompt, `<bos>` and `<sep>` included
POSITIONS = PROMPT + STEP * OPS + 1
VALUE_WEIGHT = 5.0  # of a value in the mid-training loss: at 1 the arithmetic stays at chance three times as long
COLUMNS = ("prompt", "response", "level")


class Operation(NamedTuple):
    """v = left sign right; an operand is the number of a node (givens first) or, as text, a literal."""

    left: int | str
    sign: str
    right: int | str


def edges(op: int) -> int:
    """Return the edges of a problem, floor(4 op / 3) + 1 (arXiv:2605.12906, section 4).

    An edge is an operand of a needed operation that is read from another node. The other operands, 2 op - edges
    (at most one an operation), are literals.
    """
    return 4 * op // 3 + 1


def _graph(rng, op: int) -> list[Operation]:
    """Draw `OPS` operations in topological order, of which the op-th needs all before it and none after."""
    literal = set(rng.permutation(op)[: 2 * op - edges(op)])
    free = [1 if i in literal else 2 for i in range(op)]  # operands still to be chosen
    reads = [[] for _ in range(OPS)]
    for i in reversed(range(op - 1)):  # every needed node has a reader
        reader = rng.choice([j for j in range(i + 1, op) if free[j]])
        reads[reader].append(GIVENS + i)
        free[reader] -= 1
    free += [int(rng.integers(1, 3)) for _ in range(OPS - op)]
    out = []
    for i in range(OPS):
        others = [k for k in range(GIVENS + i) if k not in reads[i]]
        operands = reads[i] + [int(k) for k in rng.choice(others, size=free[i], replace=False)]
        if len(operands) == 2:
            sign = "+-"[rng.integers(2)]
            operands = [operands[k] for k in rng.permutation(2)]
        else:  # times a literal that has an inverse: no answer is likelier than another
            sign = "+*"[rng.integers(2)]
            operands.append(str(rng.integers(sign == "*", MODULUS)))
        out.append(Operation(operands[0], sign, operands[1]))
    return out


def compute(x: int, sign: str, y: int) -> int:
    """Return x sign y modulo `MODULUS`.

    >>> compute(2, "-", 4), compute(3, "*", 4)
    (3, 2)
    """
    return {"+": x + y, "-": x - y, "*": x * y}[sign] % MODULUS


def _problem(rng, op: int) -> tuple[str, list[int], list[Operation]]:
    """Draw the values of the givens and the operations; also return what the split hashes."""
    values, graph = [int(v) for v in rng.integers(MODULUS, size=GIVENS)], _graph(rng, op)
    order: dict[int, int] = {}  # givens renumbered by first use: which of them are distractors does not count
    key = []
    for o in graph[:op]:
        for k in (o.left, o.right):
            if isinstance(k, int) and k < GIVENS:
                order.setdefault(k, len(order))
        key.append([f"g{order[k]}={values[k]}" if k in order else str(k) for k in (o.left, o.right)] + [o.sign])
    return str(key), values, graph


def _example(rng, task: str, op: int, side: str) -> dict:
    """Draw one example from one side of the split."""
    while True:
        key, values, graph = _problem(rng, op)
        if (crc32(key.encode()) % BINS < TRAIN_BINS) == (side == "train"):
            break
    known = dict(enumerate(values))

    def name(k):
        return NAMES[k] if isinstance(k, int) else k

    def value(k):
        return known[k] if isinstance(k, int) else int(k)

    prompt = [task] + [w for n, v in zip(NAMES, values) for w in (n, str(v))]
    steps = []
    for i, o in enumerate(graph):
        end = "?" if i == op - 1 else ";"
        prompt += [NAMES[GIVENS + i], name(o.left), o.sign, name(o.right), end]
        if i < op:
            x, y = value(o.left), value(o.right)
            known[GIVENS + i] = v = compute(x, o.sign, y) if task == "solve" else x
            steps += [NAMES[GIVENS + i], name(o.left), str(x), o.sign, name(o.right), str(y), str(v), end]
    return {"prompt": " ".join(prompt), "response": " ".join(steps), "level": op}


def _parsed(prompt: str) -> tuple[dict[str, list[str]], str]:
    """Return the definition of each node and the node in question, from a prompt's text."""
    words = prompt.split()
    given, stated = words[1 : 1 + 2 * GIVENS], words[1 + 2 * GIVENS :]
    definitions = {given[i]: given[i + 1 : i + 2] for i in range(0, len(given), 2)}
    definitions |= {stated[i]: stated[i + 1 : i + 4] for i in range(0, len(stated), 5)}
    return definitions, stated[stated.index("?") - 4]


def _value(word: str, definitions: dict[str, list[str]], trace: bool) -> int:
    if word not in definitions:
        return int(word)
    if len(definitions[word]) == 1:
        return int(definitions[word][0])
    left, sign, right = definitions[word]
    x, y = _value(left, definitions, trace), _value(right, definitions, trace)
    if trace:
        return x
    return (x + y if sign == "+" else x - y if sign == "-" else x * y) % MODULUS


def answer(prompt: str) -> int:
    """Return the value of the node a prompt asks for, from its text alone, by recursion from the question.

    >>> answer("solve n0 3 n1 0 n2 4 n3 n0 - n2 ; n4 n3 * 2 ? n5 n1 + n2 ;")
    3
    """
    definitions, question = _parsed(prompt)
    return _value(question, definitions, prompt.startswith("trace"))


def needed(prompt: str) -> dict[str, list[str]]:
    """Return the operations a prompt's question depends on, node -> [left, sign, right], in the order of the text."""
    definitions, question = _parsed(prompt)
    found, todo = set(), [question]
    while todo:
        word = todo.pop()
        if word in definitions and word not in found:
            found.add(word)
            todo += definitions[word][::2]
    return {v: d for v, d in definitions.items() if v in found and len(d) == 3}


def verify(row: dict) -> bool:
    """Tell whether a row's response is the right chain of thought, working from its text alone."""
    definitions, question = _parsed(row["prompt"])
    trace, words = row["prompt"].startswith("trace"), row["prompt"].split()
    values = {w: str(_value(w, definitions, trace)) for w in words if w in definitions or w.isdigit()}
    chain = []
    for v, (left, sign, right) in needed(row["prompt"]).items():
        chain += [v, left, values[left], sign, right, values[right], values[v], "?" if v == question else ";"]
    return row["response"].split() == chain


@dataclass(frozen=True)
class OpCorpus:
    """Mid-training text of an OpWorld base: problems of the easy levels, traces at all levels."""

    kind: str
    words: ClassVar = TOKENS
    positions: ClassVar = POSITIONS
    tag: ClassVar = "ops-pretrain"
    seeded: ClassVar = True
    weights: ClassVar = {str(v): VALUE_WEIGHT for v in range(MODULUS)}

    def rows(self, seed: int, size: int) -> Dataset:
        """Return `size` examples."""
        rng, rows = stream(seed, "ops-base"), []
        for _ in range(size):
            task = TASKS[int(rng.random() >= SOLVE_SHARE)]
            hardest = SEEN[self.kind] if task == "solve" else OPS
            rows.append(_example(rng, task, int(rng.integers(1, 1 + hardest)), "train"))
        return table(rows, COLUMNS)


@dataclass(frozen=True)
class OpWorld:
    """The one skill of OpWorld; its difficulty is the number of operations."""

    tag: ClassVar = "ops"
    decoded: ClassVar = True
    levels: ClassVar = LEVELS
    seen: ClassVar = SEEN

    def corpus(self, kind: str) -> OpCorpus:
        """Return the mid-training corpus of the `weak` or the `strong` base."""
        return OpCorpus(kind)

    def answer_tokens(self, d: int) -> int:
        """Return the response tokens of a problem with d operations, `<eos>` included."""
        return STEP * d + 1

    def span(self, d: int) -> tuple[int, ...]:
        """Return the levels in the training data of level d: itself."""
        return (d,)

    def sample(self, d: int, n: int, seed: int) -> Dataset:
        """Return n i.i.d. training problems with d operations; prefixes nest."""
        rng = stream(seed, "ops", d)
        return table([_example(rng, "solve", d, "train") for _ in range(n)], COLUMNS)

    def slices(self, seed: int, size: int) -> dict[int, Dataset]:
        """Return the test set of each level, `size` problems each."""

        def one(d):
            rng = stream(seed, "ops-test", d)
            return table([_example(rng, "solve", d, "test") for _ in range(size)], COLUMNS)

        return {d: one(d) for d in LEVELS}
