"""A finding in words, made from a row of a table: nobody types a result."""

import re

import pandas as pd

from .style import NAMES, UNITS, side, style_of

_THAN = {1: "better than", -1: "worse than", 0: "not told apart from"}


def found(
    table: pd.DataFrame, selector: str, quantity: str, metric: str = "exact", *, world: str = "SkillWorld"
) -> str:
    """Return what a table of differences from Random says of a selector: effect, interval, metric, seeds and world.

    One seed has no interval and judges nothing: the sentence then has the difference alone.

    Args:
        table: columns selector, metric (the quantity), mean, low, high, n_seeds; each selector minus Random.
        selector, quantity: name the row; `metric` is what it is measured in, a key of `UNITS`.

    Raises:
        ValueError: the table has no such row, or several.

    >>> row = ("lhas", "now", 0.08, 0.05, 0.11, 12)
    >>> table = pd.DataFrame([row], columns=["selector", "metric", "mean", "low", "high", "n_seeds"])
    >>> found(table, "lhas", "now")
    'LHAS is better than Random in gain now: +0.080 [+0.050, +0.110] in exact match (12 seeds, SkillWorld).'
    >>> found(table.assign(n_seeds=1), "lhas", "now")
    'LHAS minus Random in gain now: +0.080 in exact match (1 seed, no interval, SkillWorld).'
    """
    rows = table[(table["selector"] == selector) & (table["metric"] == quantity)]
    if len(rows) != 1:
        raise ValueError(f"found: expected one row of {selector!r} and {quantity!r}; got {len(rows)}")
    row = rows.iloc[0]
    name = re.sub(r" (\$.*?\$|\(lower is better\))", "", NAMES.get(quantity, quantity))
    name = name if name[1:2].isupper() else name[0].lower() + name[1:]
    label = style_of(selector).label
    if row["n_seeds"] == 1:
        return f"{label} minus Random in {name}: {row['mean']:+.3f} in {UNITS[metric]} (1 seed, no interval, {world})."
    numbers = f"{row['mean']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}] in {UNITS[metric]}"
    said = f"{label} is {_THAN[side(row, quantity)]} Random in {name}"
    return f"{said}: {numbers} ({row['n_seeds']} seeds, {world})."
