"""Frozen specifications of models and training, checked when they are made: equal specs, equal results."""

from dataclasses import asdict, dataclass, fields, is_dataclass

PROFILES = ("smoke", "fast", "full")
VIEWS = (*PROFILES, "published")  # what a notebook can show: runs of a profile, or the published rows
WHOLE = ("full", "published")  # views of the whole study, which write `figures/` and judge
CURRICULA = ("shuffled", "easy_first", "hard_first")
SCHEDULES = ("constant", "linear", "cosine")
BATCHES = ("shuffled", "by_length")
MATCHES = ("steps", "tokens")
DTYPES = ("float32", "bfloat16")
DEVICES = ("cpu", "cuda")


def choose(name: str, value, allowed):
    """Return `value` if it is one of `allowed`, else raise a `ValueError` that lists them."""
    if value not in allowed:
        raise ValueError(f"{name}: expected one of {', '.join(map(str, allowed))}; got {value!r}")
    return value


def number(name: str, value, low: float, high: float, integer: bool = False) -> None:
    """Raise a `ValueError` unless `value` is a number (with `integer`, an integer) in [low, high]."""
    kind = "an integer" if integer else "a number"
    right_type = isinstance(value, int if integer else (int, float)) and not isinstance(value, bool)
    if not right_type or not low <= value <= high:
        raise ValueError(f"{name}: expected {kind} in [{low}, {high}]; got {value!r}")


def instance(name: str, value, *kinds: type) -> None:
    """Raise a `ValueError` unless `value` is of one of `kinds`."""
    if not isinstance(value, kinds):
        raise ValueError(f"{name}: expected a {' or a '.join(k.__name__ for k in kinds)}; got {value!r}")


@dataclass(frozen=True)
class ModelSpec:
    """The base model M_0: a Llama-class causal LM and how it is pre-trained.

    Args:
        hidden, layers, heads: width, depth and attention heads.
        init: standard deviation of the initial weights; 0.1 learns about three times faster than
            the library's 0.02 at this width.
        steps, batch_size, lr: pre-training (AdamW), optimiser steps, examples a step, peak step size.
        schedule: of the step size: `linear` decay or `cosine` to zero, after a share `warmup` of the steps.
        clip: largest norm of the gradient; 0 clips nothing.
        batches: `shuffled` anew every epoch, or of examples of similar length, `by_length`.
        rows: examples of the pre-training corpus at most.
    """

    hidden: int = 64
    layers: int = 2
    heads: int = 4
    init: float = 0.1
    steps: int = 2400
    batch_size: int = 64
    lr: float = 5e-3
    schedule: str = "linear"
    warmup: float = 0.08
    clip: float = 1.0
    batches: str = "shuffled"
    rows: int = 48_000

    def __post_init__(self):
        for name in ("hidden", "layers", "heads", "steps", "batch_size", "rows"):
            number(name, getattr(self, name), 1, 10**6, integer=True)
        for name in ("init", "lr"):
            number(name, getattr(self, name), 1e-12, 10)
        number("warmup", self.warmup, 0, 1)
        number("clip", self.clip, 0, 1e6)
        choose("schedule", self.schedule, SCHEDULES)
        choose("batches", self.batches, BATCHES)
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden: expected a multiple of 2 x heads = {2 * self.heads}; got {self.hidden}")


@dataclass(frozen=True)
class Checkpoint:
    """A pretrained base model.

    Args:
        name: hub id or absolute path. fingerprint: what tells two states of a local folder apart.
        dtype, device: of its weights and arithmetic, and where that is done.
    """

    name: str
    fingerprint: str = ""
    dtype: str = "float32"
    device: str = "cpu"

    def __post_init__(self):
        instance("name", self.name, str)
        instance("fingerprint", self.fingerprint, str)
        choose("dtype", self.dtype, DTYPES)
        choose("device", self.device, DEVICES)


@dataclass(frozen=True)
class TrainSpec:
    """Fine-tuning of one stage and the adaptation probe after it (AdamW, constant step size).

    Args:
        steps, batch_size, lr: one stage's training; 0 steps train nothing.
        match: `steps`, or `tokens`: the steps are scaled by (mean response tokens of the pool) / (of the selected), so
            that every selector's training sees as many response tokens as Random's.
        rank: LoRA rank, or None for full fine-tuning.
        probe_steps: grid of optimiser steps at which the probe is evaluated, from 0.
        probe_size: random examples of the next stage's pool that the probe trains on.
        reselect: selections per stage; 1 is static pre-filtering, k > 1 selects anew k times.
        curriculum: order of the selected examples: `shuffled`, or by difficulty, `easy_first` or
            `hard_first` (`learning.paced`).
    """

    steps: int = 80
    batch_size: int = 16
    lr: float = 1e-3
    match: str = "steps"
    rank: int | None = None
    probe_steps: tuple[int, ...] = (0, 5, 10, 20, 30)
    probe_size: int = 400
    reselect: int = 1
    curriculum: str = "shuffled"

    def __post_init__(self):
        number("steps", self.steps, 0, 10**6, integer=True)
        choose("match", self.match, MATCHES)
        number("batch_size", self.batch_size, 1, 10**5, integer=True)
        number("lr", self.lr, 1e-12, 10)
        number("reselect", self.reselect, 1, max(1, self.steps), integer=True)
        choose("curriculum", self.curriculum, CURRICULA)
        if self.rank is not None:
            number("rank", self.rank, 1, 10**4, integer=True)
        number("probe_size", self.probe_size, 1, 10**9, integer=True)
        instance("probe_steps", self.probe_steps, tuple)
        for step in self.probe_steps:
            number("probe_steps", step, 0, 10**6, integer=True)
        grid = list(self.probe_steps)
        if len(grid) < 2 or grid[0] != 0 or grid != sorted(set(grid)):
            raise ValueError(f"probe_steps: expected increasing steps from 0, two or more; got {self.probe_steps}")


def from_dict(kind, values: dict):
    """Build a spec from a plain dict; an unknown key is an error that lists the known ones."""
    for name in values:
        choose(f"{kind.__name__} parameter", name, [f.name for f in fields(kind)])
    return kind(**values)


_TRAINING = ("steps", "rank", "reselect", "curriculum", "lr", "match")  # what tells runs apart of a TrainSpec


def columns(spec) -> dict:
    """Return a run's spec as flat columns: its own fields, those of its world, and of its training some.

    `params` becomes text, `k=v` joined by commas; the base model's fields are left out, and `selectors`, which the rows
    of a run with several name one by one.
    """
    flat = {}
    for f in fields(spec):
        value = getattr(spec, f.name)
        if f.name == "params":
            flat["params"] = ", ".join(f"{k}={v}" for k, v in value)
        elif f.name == "train":
            flat |= {k: getattr(value, k) for k in _TRAINING}
        elif not is_dataclass(value) and f.name != "selectors":
            flat[f.name] = value
        elif f.name == "world":
            flat |= asdict(value)
    return flat
