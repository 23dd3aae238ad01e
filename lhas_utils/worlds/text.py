"""TextWorld: real text as stages, one skill a stage, from whatever `reading` finds."""

import math
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import pandas as pd
from datasets import Dataset, DatasetDict
from scipy.stats import rankdata

from ..core import digest, instance, number, paths, store, stream
from ..core import load as load_table
from . import sentences
from .reading import read_rows
from .rows import NUMBERS
from .skill import SKILLS
from .splits import SPLITS, normalised
from .types import Stage, World

SCHEMA = ("skill", "task", "prompt", "response", "turns", *NUMBERS)
MIN_TRAIN, MIN_VALIDATION = 8, 8  # rows, and distinct validation prompts, that each skill needs
VALIDATION = 64  # examples at most in a stage's validation set, and in the proxy


def _ranks(lengths) -> np.ndarray:
    return rankdata(lengths) / max(len(lengths), 1)


def stand_in_judge(frame: pd.DataFrame) -> np.ndarray:
    """Return a stand-in for a quality score, in [0, 1], for data that bring none.

    Half of it is form: the share of four checks that the response passes (does not start with a
    small letter; ends with a mark, a bracket or a digit; has no line twice; is not its prompt). The
    other half is length: 1 - |2 r - 1| with r the rank of the response's length within its skill, so
    that middling lengths score best. It knows nothing of correctness.
    """

    def form(prompt, response):
        text, lines = response.strip(), [s for s in response.splitlines() if s.strip()]
        ends = text[-1].isdigit() or text[-1] in ".!?)]}\"'`;"
        fresh = normalised(prompt) != normalised(text)
        return np.mean([not text[0].islower(), ends, len(lines) == len(set(lines)), fresh])

    rank = frame["response"].str.len().groupby(frame["skill"]).transform(_ranks)
    return np.array([form(p, r) for p, r in zip(frame["prompt"], frame["response"])]) / 2 + (1 - abs(2 * rank - 1)) / 2


def _complete(frame: pd.DataFrame) -> pd.DataFrame:
    """Fill absent `quality` and `difficulty` by their documented stand-ins."""
    for name in NUMBERS:
        given = frame[name].notna()
        if given.any() and not given.all():
            raise ValueError(f"{frame['place'][(~given).idxmax()]}: expected {name!r}, which other rows have; got none")
    if frame["quality"].isna().any():
        frame["quality"] = stand_in_judge(frame)
    if frame["difficulty"].isna().any():
        frame["difficulty"] = frame["response"].str.len().groupby(frame["skill"]).transform(_ranks)
    return frame.astype({name: float for name in NUMBERS})


def load(data: str) -> DatasetDict:
    """Load text data into the splits `train` and `validation` with the columns `SCHEMA`.

    - Skills come in the paper's order where they have the paper's names, then in the order found.
    - A skill without a held-out split gives one prompt in five to it, by a digest of the prompt.
    - No prompt is in both splits (the training row goes), and none is twice in validation.
    - Absent `quality`: `stand_in_judge`. Absent `difficulty`: rank of the response's length within
      the skill, in (0, 1].

    Args:
        data: what `read_rows` takes.
    """
    return _load(data)[0]


def _load(data: str) -> tuple[DatasetDict, list[str]]:
    """Return the corpus and what there is to say about how it was read."""
    reading = read_rows(data)
    counts = Counter((row["skill"], row["split"]) for row in reading.rows)
    found = list(dict.fromkeys(row["skill"] for row in reading.rows))
    small = [s for s in found if counts[s, "train"] < MIN_TRAIN or counts[s, "validation"] < MIN_VALIDATION]
    skills = [s for s in dict.fromkeys((*SKILLS, *found)) if s in found and s not in small]
    said = [reading.left] if reading.left else []
    if small:
        prompts = {s: {normalised(row["prompt"]) for row in reading.rows if row["skill"] == s} for s in small[:5]}
        sizes = ", ".join(
            f"{s!r} {counts[s, 'train']} and {counts[s, 'validation']} of {len(p)} prompts" for s, p in prompts.items()
        )
        wanted = f"at least {MIN_TRAIN} training rows and {MIN_VALIDATION} different validation prompts"
        said.append(f"skills left out: expected {wanted}; got too few rows, {sizes}{', ...' if small[5:] else ''}")
    way = "SKILL=COLUMN names the column of the skills, or give each skill a file of its own"
    if not skills:
        raise ValueError("; ".join([f"DATA {data!r}: expected a skill; got none", reading.skills, *said, way]))
    if len(skills) == 1:
        said.append(f"one skill, so one stage: nothing comes later, and nothing can be forgotten; {way}")
    frame = pd.DataFrame([row for row in reading.rows if row["skill"] in skills])
    frame = _complete(frame.sort_values("skill", key=lambda column: column.map(skills.index), kind="stable"))
    parts = {s: frame.loc[frame["split"] == s, list(SCHEMA)] for s in SPLITS}
    corpus = {s: Dataset.from_pandas(part, preserve_index=False) for s, part in parts.items()}
    return DatasetDict(corpus), [*reading.notes, *said]


def skills_of(corpus: DatasetDict) -> list[str]:
    """Return the skills of a corpus in stage order."""
    return list(dict.fromkeys(corpus["train"]["skill"]))


def describe_corpus(data: str) -> str:
    """Read all of the data and return how: a line of sizes, then a line for each thing that a reader should know.

    A fault of the data is a `ValueError` in words.
    """
    corpus, notes = _load(data)
    train, validation = (corpus[s].to_pandas()["skill"].value_counts() for s in SPLITS)
    sizes = ", ".join(f"{s} {train[s]}/{validation[s]}" for s in skills_of(corpus)) + " (train/validation rows)"
    return "\n".join([sizes, *(f"  {note}" for note in notes)])


def text_world(
    corpus: DatasetDict, seed: int, pool_size: int = 300, test_size: int = 64, validation_size: int = VALIDATION
) -> World:
    """Build stages from a corpus: one skill a stage, pools from `train`, the rest from `validation`.

    Per skill, the longest quarter of the validation prompts is the out-of-distribution test, and
    training prompts longer than its shortest one are left out of the pool. The other validation
    prompts are dealt to the test set, the selector's validation set and the proxy, which is even
    over skills. No prompt is in two of these.

    Args:
        seed: names the stream that draws and deals.
        pool_size, test_size, validation_size: upper limits, examples; the proxy has
            `validation_size` in all, the out-of-distribution tests `test_size` each.
    """
    skills = skills_of(corpus)
    train, held_out = (corpus[split].to_pandas() for split in SPLITS)
    stages, tests, ood, proxy = [], {}, {}, []

    def dataset(rows):
        return Dataset.from_pandas(rows, preserve_index=False)

    for s in skills:
        rng = stream(seed, "corpus", s)
        rows = held_out[held_out["skill"] == s]
        long = rows["prompt"].str.len().rank(method="first") > math.ceil(0.75 * len(rows))
        limit = rows.loc[long, "prompt"].str.len().min()
        own = train[train["skill"] == s]
        short = own[own["prompt"].str.len() <= limit]
        own = short if len(short) >= MIN_TRAIN else own
        pool = own.iloc[np.sort(rng.permutation(len(own))[:pool_size])]
        rest = rows[~long].iloc[rng.permutation((~long).sum())]
        sizes = min(test_size, len(rest) // 2), min(validation_size, len(rest) // 4)
        share = min(max(1, validation_size // len(skills)), len(rest) - sum(sizes))
        ends = np.cumsum([*sizes, share])
        tests[s] = dataset(rest.iloc[: ends[0]])
        proxy.append(rest.iloc[ends[1] : ends[2]])
        ood[s] = dataset(rows[long].iloc[:test_size])
        validation = dataset(rest.iloc[ends[0] : ends[1]])
        stages.append(Stage(s, dataset(pool), validation, {n: float(n == s) for n in skills}))
    return World(tuple(stages), dataset(pd.concat(proxy)), tests, ood)


@dataclass(frozen=True)
class TextCorpus:
    """Pre-training text of a registered corpus: its training rows, one after the other in a stream of tokens.

    Args:
        data: digest of the corpus, as `register` returns it.
        vocabulary: tokens of the byte-pair tokenizer.
        positions: tokens of a training sequence.
    """

    data: str
    vocabulary: int
    positions: int
    words: ClassVar = ()
    tag: ClassVar = "pretrain"
    seeded: ClassVar = False
    weights: ClassVar = {}

    def rows(self, seed: int, size: int) -> Dataset:
        """Return the training rows, whatever the seed and the size."""
        return registered(self.data)["train"]


@dataclass(frozen=True)
class TextWorld:
    """Stages of real text, one skill a stage.

    Args:
        data: digest of the corpus, as `register` returns it.
        pool_size, test_size: upper limits per stage and capability, examples.
        max_length: tokens of prompt and response together.
        vocabulary: tokens of the tokenizer made from the text; unused with a checkpoint.
    """

    data: str
    pool_size: int = 300
    test_size: int = 64
    max_length: int = 96
    vocabulary: int = 2048

    def __post_init__(self):
        instance("data", self.data, str)
        for name, low in (("pool_size", 1), ("test_size", 1), ("max_length", 4), ("vocabulary", 0)):
            number(name, getattr(self, name), low, 10**6, integer=True)

    @property
    def corpus(self) -> TextCorpus:
        """What a base model without a checkpoint is trained on."""
        return TextCorpus(self.data, self.vocabulary, self.max_length)

    def build(self, seed: int) -> World:
        """Deal the registered corpus into stages (`text_world`)."""
        return text_world(registered(self.data), seed, self.pool_size, self.test_size)


def register(data: str) -> str:
    """Load a corpus, keep it in `build/corpora` and return its digest; empty `data` means the generated sentences."""
    corpus = load(data or str(sentences.generate()))
    frame = pd.concat([corpus[s].to_pandas().assign(split=s) for s in SPLITS], ignore_index=True)
    name = digest(frame.to_dict("list"))
    path = paths.CORPORA / f"{name}.corpus"
    if load_table(path) is None:
        store(path, frame)
    return name


@cache
def registered(name: str) -> DatasetDict:
    """Return the corpus of a digest; an absent or damaged one is an error that says what to do."""
    frame = load_table(paths.CORPORA / f"{name}.corpus")
    if frame is None:
        raise ValueError(f"corpus {name}: expected it in {paths.CORPORA}; run again with the DATA it came from")
    parts = {s: frame[frame["split"] == s].drop(columns="split") for s in SPLITS}
    return DatasetDict({s: Dataset.from_pandas(part, preserve_index=False) for s, part in parts.items()})
