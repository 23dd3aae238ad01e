"""What a run is: frozen specifications, checked when they are made, and one digest for each.

A `RunSpec` says everything a run depends on besides the source code: the world, the model, the
training recipe, the selector, the budget and the seed. Equal specs give equal results.
"""

import hashlib
import importlib.metadata
import inspect
import json
from ast import AsyncFunctionDef, ClassDef, Constant, Expr, FunctionDef, Module, dump, parse, walk
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib import import_module

PROFILES = ("smoke", "fast", "full")
SEQUENCES = ("skill", "domain", "interleaved")
CURRICULA = ("shuffled", "easy_first", "hard_first")
ORDERS = {  # four stage orders of the skill sequence (paper, App. C); indices into SKILLS
    "paper": (0, 1, 2, 3, 4),
    "reversed": (4, 3, 2, 1, 0),
    "safety_early": (0, 4, 1, 2, 3),
    "alternating": (0, 3, 1, 4, 2),
}


def choose(name: str, value, allowed):
    """Return `value` if it is one of `allowed`, else raise a `ValueError` that lists them."""
    if value not in allowed:
        raise ValueError(f"{name}: expected one of {', '.join(map(str, allowed))}; got {value!r}")
    return value


def _number(name: str, value, low, high, integer=False):
    kind = "an integer" if integer else "a number"
    right_type = isinstance(value, int if integer else (int, float)) and not isinstance(value, bool)
    if not right_type or not low <= value <= high:
        raise ValueError(f"{name}: expected {kind} in [{low}, {high}]; got {value!r}")


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
        proxy_size: examples in the standing proxy P_t, uniform over capabilities.
        test_size: test examples per capability; out of distribution half as many longer strings, and
            for `code` as many again with compositions that no pool holds.
    """

    sequence: str = "skill"
    order: str = "paper"
    pool_size: int = 600
    earlier: float = 0.3
    precursors: float = 0.2
    noise: float = 0.10
    duplicates: float = 0.20
    alignment: float = 0.0
    proxy_size: int = 64
    test_size: int = 100

    def __post_init__(self):
        choose("sequence", self.sequence, SEQUENCES)
        choose("order", self.order, ORDERS)
        _number("pool_size", self.pool_size, 1, 10**6, integer=True)
        _number("proxy_size", self.proxy_size, 1, 10**5, integer=True)
        _number("test_size", self.test_size, 1, 10**5, integer=True)
        for name in ("earlier", "precursors", "noise", "duplicates", "alignment"):
            _number(name, getattr(self, name), 0, 1)
        if self.earlier + self.precursors > 1:
            raise ValueError(f"earlier + precursors: expected at most 1; got {self.earlier + self.precursors}")


@dataclass(frozen=True)
class ModelSpec:
    """The base model M_0: a Llama-class causal LM and how it is pre-trained.

    Args:
        hidden, layers, heads: width, depth and attention heads.
        init: standard deviation of the initial weights; 0.1 learns about three times faster than
            the library's 0.02 at this width.
        steps, batch_size, lr: pre-training (AdamW, linear decay to zero).
    """

    hidden: int = 64
    layers: int = 2
    heads: int = 4
    init: float = 0.1
    steps: int = 800
    batch_size: int = 32
    lr: float = 4e-3

    def __post_init__(self):
        for name in ("hidden", "layers", "heads", "steps", "batch_size"):
            _number(name, getattr(self, name), 1, 10**6, integer=True)
        for name in ("init", "lr"):
            _number(name, getattr(self, name), 1e-12, 10)
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden: expected a multiple of 2 x heads = {2 * self.heads}; got {self.hidden}")


@dataclass(frozen=True)
class TrainSpec:
    """Fine-tuning of one stage and the adaptation probe after it (AdamW, constant step size).

    Args:
        steps, batch_size, lr: one stage's training.
        rank: LoRA rank, or None for full fine-tuning.
        probe_steps: grid of optimiser steps at which the probe is evaluated, from 0.
        probe_size: random examples of the next stage's pool that the probe trains on.
        reselect: selections per stage; 1 is static pre-filtering, k > 1 selects anew k times.
        curriculum: order of the selected examples: `shuffled`, or by difficulty, `easy_first` or
            `hard_first` (`training.paced`).
    """

    steps: int = 80
    batch_size: int = 16
    lr: float = 2e-3
    rank: int | None = None
    probe_steps: tuple[int, ...] = (0, 5, 10, 20, 30)
    probe_size: int = 400
    reselect: int = 1
    curriculum: str = "shuffled"

    def __post_init__(self):
        _number("steps", self.steps, 1, 10**6, integer=True)
        _number("batch_size", self.batch_size, 1, 10**5, integer=True)
        _number("lr", self.lr, 1e-12, 10)
        _number("reselect", self.reselect, 1, self.steps, integer=True)
        choose("curriculum", self.curriculum, CURRICULA)
        if self.rank is not None:
            _number("rank", self.rank, 1, 10**4, integer=True)
        _number("probe_size", self.probe_size, 1, 10**9, integer=True)
        for step in self.probe_steps:
            _number("probe_steps", step, 0, 10**6, integer=True)
        if list(self.probe_steps) != sorted(set(self.probe_steps)) or self.probe_steps[:1] != (0,) or len(self.probe_steps) < 2:
            raise ValueError(f"probe_steps: expected increasing steps from 0, two or more; got {self.probe_steps}")


@dataclass(frozen=True)
class RunSpec:
    """One run: one selector, one seed, one sequence of stages.

    Args:
        selector: name in `selectors.SELECTORS`.
        seed: world, base model, training order and selector randomness all derive from it; the
            selector's name never does (common random numbers).
        budget: fraction of the pool in (0, 1], kept at every stage.
        params: selector parameters as sorted (name, value) pairs.
    """

    selector: str
    seed: int
    budget: float = 0.25
    params: tuple[tuple[str, float | str], ...] = ()
    world: WorldSpec = field(default_factory=WorldSpec)
    model: ModelSpec = field(default_factory=ModelSpec)
    train: TrainSpec = field(default_factory=TrainSpec)

    def __post_init__(self):
        _number("seed", self.seed, 0, 2**31, integer=True)
        _number("budget", self.budget, 1e-9, 1)
        object.__setattr__(self, "budget", float(self.budget))  # 1 and 1.0 are one run


def from_dict(kind, values: dict):
    """Build a spec from a plain dict; an unknown key is an error that lists the known ones."""
    for name in values:
        choose(f"{kind.__name__} parameter", name, [f.name for f in fields(kind)])
    return kind(**values)


def digest(*parts) -> str:
    """Return 16 hex digits that identify `parts` (specs, strings, plain data)."""
    plain = [asdict(p) if hasattr(p, "__dataclass_fields__") else p for p in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def _without_docstrings(source: str) -> str:
    tree = parse(source)
    for node in walk(tree):
        if isinstance(node, (Module, ClassDef, FunctionDef, AsyncFunctionDef)) and node.body:
            first = node.body[0]
            if isinstance(first, Expr) and isinstance(first.value, Constant):
                node.body = node.body[1:]
    return dump(tree)


@cache
def source_digest(*modules: str) -> str:
    """Return the digest of these modules' code and of the libraries that do their arithmetic.

    Comments and docstrings do not count: editing them keeps cached runs valid.
    """
    code = [_without_docstrings(inspect.getsource(import_module(f"lhas_utils.{m}"))) for m in modules]
    versions = [importlib.metadata.version(p).split("+")[0] for p in ("torch", "transformers", "peft", "numpy", "scipy")]
    return digest(code, versions)
