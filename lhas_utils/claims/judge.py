"""From effects to verdicts, and the published verdicts: computed from the published rows, so that anyone can again."""

import io
from difflib import unified_diff
from pathlib import Path

import numpy as np
import pandas as pd

from ..analysis import statistics
from ..core import paths, write
from .contract import contract, get
from .effects import Effect, effects

VERDICTS = ("REPRODUCED", "PARTLY", "CONTRADICTED", "INCONCLUSIVE", "NOT TESTABLE")
COLUMNS = ["id", "verdict", "part", "effect", "low", "high", "n_seeds", "profile", "note"]
PARTS = ["id", "part", "metric", "effect", "low", "high", "p", "p_holm", "n_seeds", "smallest", "verdict"]


def judge(effect: Effect, p_holm: float | None = None) -> str:
    """Return the verdict of one effect.

    REPRODUCED: interval above 0, effect at least the smallest of interest and, where a test applies, Holm-adjusted
    p < 0.05. CONTRADICTED: the whole interval lies below the smallest effect of interest (or at or below 0).
    INCONCLUSIVE otherwise.
    """
    if effect.low > 0 and effect.effect >= effect.smallest and (p_holm is None or p_holm < 0.05):
        return "REPRODUCED"
    if effect.high < max(effect.smallest, 1e-12):
        return "CONTRADICTED"
    return "INCONCLUSIVE"


def combine(verdicts: list[str]) -> str:
    """Return a compound claim's verdict: all agree, or PARTLY where some effects are reproduced."""
    if not verdicts:
        return "NOT TESTABLE"
    if len(set(verdicts)) == 1:
        return verdicts[0]
    if "REPRODUCED" in verdicts:
        return "PARTLY"
    return "CONTRADICTED" if "CONTRADICTED" in verdicts else "INCONCLUSIVE"


def weakest(found: list[Effect], each: list[str]) -> Effect:
    """Return the effect that stands for a claim: of those with the worst verdict, the one with the lowest low end."""
    order = ("CONTRADICTED", "INCONCLUSIVE", "REPRODUCED")
    return min(zip(found, each), key=lambda pair: (order.index(pair[1]), pair[0].low))[0]


def _power(e: Effect) -> str:
    """Say what an undecided effect's seeds could see, and how many would narrow its interval to the smallest effect."""
    half = (e.high - e.low) / 2
    text = f"power: {e.name} is known to +-{half:.2g} with {e.n_seeds} seeds"
    if 0 < e.smallest < half:
        text += f", about {np.ceil(e.n_seeds * (half / e.smallest) ** 2):.0f} would bring that to {e.smallest:g}"
    return text


def _note(claim: str, found: list[Effect], each: list[str], worst: Effect) -> str:
    """Say what each part of a claim came to, how near an undecided one is known, and what the seeds cannot reach."""
    tested = [e for e in found if e.p is not None]
    reachable = min((len(tested) * 2.0 ** (1 - e.n_seeds) for e in tested), default=0)
    notes = ["; ".join(f"{e.name} {v}" for e, v in zip(found, each))] if len(found) > 1 else []
    notes += [_power(e) for e, v in zip(found, each) if v == "INCONCLUSIVE" and e.n_seeds]
    if reachable >= 0.05:
        notes.append(f"underpowered: {worst.n_seeds} seeds reach p = {min(reachable, 1):.2g} at best")
    return ". ".join(filter(None, [*notes, get(claim).get("note", "")]))


def verdicts(profile: str, ids: list[str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judge claims on a profile's runs, or on the `published` ones; Holm runs over the contrasts of one claim.

    Returns:
        (one row a claim with `COLUMNS`, one row a part with `PARTS`). In the first, part, effect, low and high are
        those of the claim's `weakest` effect, in units that make positive what the claim says. A note says how near
        an inconclusive effect is known, and where the seeds are too few for the test to reach significance at all.
    """
    rows, parts, run = [], [], "full" if profile == "published" else profile
    for c in ids or contract():
        found = effects(c, profile)
        tested = [e for e in found if e.p is not None]
        adjusted = dict(zip(map(id, tested), statistics.holm([e.p for e in tested]))) if tested else {}
        each = [judge(e, adjusted.get(id(e))) for e in found]
        worst = weakest(found, each) if found else Effect("", np.nan, np.nan, np.nan, 0)
        numbers = (worst.name, worst.effect, worst.low, worst.high, worst.n_seeds)
        rows.append((c, combine(each), *numbers, run, _note(c, found, each, worst)))
        parts += [
            (c, e.name, e.metric, e.effect, e.low, e.high, e.p, adjusted.get(id(e)), e.n_seeds, e.smallest, v)
            for e, v in zip(found, each)
        ]
    return pd.DataFrame(rows, columns=COLUMNS), pd.DataFrame(parts, columns=PARTS)


def _files() -> dict[str, str]:
    """Return the two files of verdicts of the published rows as name -> text."""
    table, parts = verdicts("published")
    frames = {"claims.csv": table.round(4), "claim_parts.csv": parts.round(6)}
    return {name: frame.to_csv(index=False, lineterminator="\n") for name, frame in frames.items()}


def publish() -> None:
    """Judge every claim from the published rows, with their six digits; write `claims.csv` and `claim_parts.csv`."""
    for name, text in _files().items():
        write(paths.data("full") / name, text)
    print(f"published: {tally(published_verdicts()['verdict'])}")


def _read(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    if list(table.columns) != COLUMNS:
        found = f"expected the columns {', '.join(COLUMNS)}; got {', '.join(table.columns)}"
        raise ValueError(f"{path.name}: {found}; `make all PROFILE=full` writes it again")
    return table.set_index("id")


def published_verdicts() -> pd.DataFrame:
    """Return the published verdicts, `figures/data/claims.csv`, indexed by id (empty before the first run)."""
    path = paths.data("full") / "claims.csv"
    return _read(path) if path.exists() else pd.DataFrame(columns=COLUMNS).set_index("id")


def tally(verdicts: pd.Series) -> str:
    """Return one sentence that counts verdicts."""
    counts = verdicts.value_counts()
    return f"{counts.sum()} claims: {', '.join(f'{counts[v]} {v}' for v in VERDICTS if v in counts)}."


def rejudge() -> int:
    """Judge every claim again from the published rows; print the tally and what differs from the published verdicts.

    Returns:
        0 where both files are equal, byte for byte; 1 where they differ.
    """
    changed = []
    for name, text in _files().items():
        path = paths.data("full") / name
        was, now = (t.splitlines(keepends=True) for t in (path.read_text() if path.exists() else "", text))
        changed += unified_diff(was, now, f"{name}, published", f"{name}, judged again", n=0)
        if name == "claims.csv":
            print(tally(pd.read_csv(io.StringIO(text))["verdict"]))
    print("".join(changed) or "Equal to the published verdicts, every effect and interval included.")
    return int(bool(changed))
