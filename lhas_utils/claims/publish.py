"""The published verdicts: computed from the published rows, written, read, counted, and judged again."""

import io
from difflib import unified_diff
from pathlib import Path

import pandas as pd

from ..core import choose, paths, write
from ..runs import is_published, published
from .contract import SCORES, TALLIES, get
from .gate_checks import require
from .judge import COLUMNS, PARTS, VERDICTS, combine, verdicts

NUMBERS = ("effect", "low", "high", "p")  # empty where a claim has none; the other columns are words


def _files() -> dict[str, str]:
    """Return the two files of verdicts of the published rows as name -> text; none where the world fails its gate."""
    if is_published("branch"):
        require(published("branch"))
    table, parts = verdicts("published")
    frames = {"claims.csv": table.round(4), "claim_parts.csv": parts.round(6)}
    return {name: frame.to_csv(index=False, lineterminator="\n") for name, frame in frames.items()}


def publish() -> None:
    """Judge every claim from the published rows, with their six digits; write `claims.csv` and `claim_parts.csv`."""
    for name, text in _files().items():
        write(paths.data("full") / name, text)
    print(tallies(published_verdicts()))


def _read(source: Path | io.StringIO) -> pd.DataFrame:
    table = pd.read_csv(source, keep_default_na=False, na_values={c: [""] for c in NUMBERS})
    if list(table.columns) != COLUMNS:
        found = f"expected the columns {', '.join(COLUMNS)}; got {', '.join(table.columns)}"
        raise ValueError(f"claims.csv: {found}; `make all PROFILE=full` writes it again")
    return table.set_index("id")


def published_verdicts() -> pd.DataFrame:
    """Return the published verdicts, `figures/data/claims.csv`, indexed by id (empty before the first run)."""
    path = paths.data("full") / "claims.csv"
    return _read(path) if path.exists() else pd.DataFrame(columns=COLUMNS).set_index("id")


def published_parts() -> pd.DataFrame:
    """Return every part of every published claim by each metric, `claim_parts.csv` (empty before the first run)."""
    path = paths.data("full") / "claim_parts.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=PARTS)


def by_metric(claim: str, parts: pd.DataFrame) -> dict[str, str]:
    """Return a claim's verdict by each metric of its parts, in their order."""
    own = parts[parts["id"] == claim].groupby("score", sort=False)["verdict"]
    return {metric: combine(each.to_list(), get(claim)["quantifier"]) for metric, each in own}


def tally(table: pd.DataFrame) -> str:
    """Return how many claims of a table have each verdict, and how many of those are firm."""
    said = []
    for word in VERDICTS:
        own = table[table["verdict"] == word]
        firm = (own["firm"] == "yes").sum()
        said += [f"{len(own)} {word}" + (f" ({firm} firm)" if firm else "")] if len(own) else []
    return ", ".join(said)


def tallies(table: pd.DataFrame) -> str:
    """Return one sentence for each tally: the papers' experiments, their printed numbers and theory, our additions."""
    groups = {name: table[table["tally"] == name] for name in TALLIES}
    return "\n".join(f"{TALLIES[name]}, {len(g)} claims: {tally(g)}." for name, g in groups.items() if len(g))


def rejudge(metric: str = "") -> int:
    """Judge every claim again from the published rows; print the tallies and what differs from the published verdicts.

    Args:
        metric: `exact`, `nll` or `accuracy` as the one that decides; as published where it is empty.

    Returns:
        0 where both files are equal, byte for byte, or with a `metric`; 1 where they differ.
    """
    if metric:
        return _by(choose("METRIC", metric, SCORES))
    changed = []
    for name, text in _files().items():
        path = paths.data("full") / name
        was, now = (t.splitlines(keepends=True) for t in (path.read_text() if path.exists() else "", text))
        changed += unified_diff(was, now, f"{name}, published", f"{name}, judged again", n=0)
        if name == "claims.csv":
            print(tallies(_read(io.StringIO(text))))
    print("".join(changed) or "Equal to the published verdicts, every effect and interval included.")
    return int(bool(changed))


def _by(metric: str) -> int:
    """Judge with another metric as the one that decides; print every verdict that differs from the published one."""
    now, was = verdicts("published", primary=metric)[0].set_index("id")["verdict"], published_verdicts()["verdict"]
    both = pd.concat([was, now], axis=1, keys=["was", "now"]).loc[now.index]
    differ = both[both["was"] != both["now"]]
    for claim, row in differ.iterrows():
        print(f"{claim:5} {row['was']} -> {row['now']}")
    print(f"By {metric}, {len(differ)} of {len(both)} verdicts differ from the published ones.")
    return 0
