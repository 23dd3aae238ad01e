"""Strings of symbols and the operations on them: the language of SkillWorld and DepthWorld.

An example is `<bos> op.. x.. <sep> y.. <eos>`; the model is scored on `y.. <eos>`. Every response has an exact solver.
"""

from itertools import accumulate
from zlib import crc32

SYMBOLS = 10  # symbols per alphabet; arithmetic on symbol indices is modulo this
FORBIDDEN = {8, 9}  # symbol indices that the `guard` skill must refuse
REFUSAL = "<refuse>"
LETTERS = "abcde"  # one alphabet each

OPERATIONS = {  # one-step operations on a tuple of symbol indices
    "copy": lambda x: x,
    "rotate": lambda x: x[1:] + x[:1],
    "reverse": lambda x: x[::-1],
    "swap": lambda x: tuple(x[i ^ 1] if (i ^ 1) < len(x) else x[i] for i in range(len(x))),
    "increment": lambda x: tuple((v + 1) % SYMBOLS for v in x),
    "decrement": lambda x: tuple((v - 1) % SYMBOLS for v in x),
    "double": lambda x: tuple((2 * v) % SYMBOLS for v in x),
    "cumsum": lambda x: tuple(v % SYMBOLS for v in accumulate(x)),
    "sort": lambda x: tuple(sorted(x)),
    "sort_down": lambda x: tuple(sorted(x, reverse=True)),
    "running_max": lambda x: tuple(accumulate(x, max)),
}
SPECIAL = ("<pad>", "<bos>", "<sep>", "<eos>")
TOKENS = (
    (*SPECIAL, REFUSAL, "guard")
    + tuple(OPERATIONS)
    + tuple(f"{letter}{i}" for letter in LETTERS for i in range(SYMBOLS))
)


def dialect(task: str) -> str:
    """Return a task in the dialect that the stages of SkillWorld teach: capitalised names, tokens of their own.

    >>> dialect("guard sort_down")
    'Guard Sort_down'
    """
    return " ".join(op.capitalize() for op in task.split())


DIALECT = (*TOKENS, *map(dialect, ("guard", *OPERATIONS)))


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
        x = OPERATIONS[op](x)
    return x


def text(letter: str, x: tuple[int, ...] | None) -> str:
    """Return a string of symbols as words, `a1 a2`; None is the refusal."""
    return REFUSAL if x is None else " ".join(f"{letter}{v}" for v in x)


def side(task: str, letter: str, x: tuple[int, ...]) -> str:
    """Return the side of the split that a prompt belongs to: 80 % pool, 10 % validation, 10 % test."""
    bucket = crc32(f"{task}|{letter}|{x}".encode()) % 10
    return {8: "validation", 9: "test"}.get(bucket, "pool")
