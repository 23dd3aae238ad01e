"""Picks as data: the chosen examples as a data set, and as files that a trainer reads."""

import json
from pathlib import Path

import pandas as pd
from datasets import Dataset

from ..core import choose, write
from ..studies import RunSpec


def picked(spec: RunSpec, picks: pd.DataFrame, stage: int | None = None) -> Dataset:
    """Return the examples of one run's picks, all columns of the pool and `stage`.

    Args:
        spec: the run. picks: its picks: columns stage, index. stage: from 1; None for all, one after the other.
    """
    stages = spec.world.build(spec.seed).stages
    which = range(1, len(stages) + 1) if stage is None else [choose("stage", stage, range(1, len(stages) + 1))]
    parts = []
    for t in which:
        rows = picks.loc[picks["stage"] == t, "index"].tolist()
        parts.append(stages[t - 1].pool.to_pandas().iloc[rows].assign(stage=t))
    return Dataset.from_pandas(pd.concat(parts), preserve_index=False)


def _for_trainer(row: dict, talks: bool) -> dict:
    """Return TRL's prompt and completion of a row, as texts or, in a set with talks, as turns."""
    if not talks:
        return {"prompt": row["prompt"], "completion": row["response"]}
    before = json.loads(row["turns"]) if row["turns"] else [{"role": "user", "content": row["prompt"]}]
    return {"prompt": before, "completion": [{"role": "assistant", "content": row["response"]}]}


def write_rows(rows: Dataset, path: str) -> int:
    """Write examples and return how many.

    A path that ends in `.jsonl` gets one object a line with `prompt` and `completion`, which TRL's `SFTTrainer` takes
    as it is; turns in place of texts where an example is a talk. Any other path becomes a folder of `save_to_disk` with
    all columns.
    """
    target = Path(path).expanduser()
    if target.suffix != ".jsonl":
        if target.suffix or target.is_file():
            raise ValueError(f"export: expected NAME.jsonl or a folder for save_to_disk; got {path!r}")
        rows.save_to_disk(str(target))
        return len(rows)
    talks = "turns" in rows.column_names and any(rows["turns"])
    lines = [json.dumps(_for_trainer(row, talks), ensure_ascii=False) for row in rows]
    write(target, "\n".join(lines) + "\n")
    return len(lines)
