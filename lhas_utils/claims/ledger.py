"""The ledger as a page: claim, place, command, effect against the printed number, verdict, what would change it."""

import json
from dataclasses import asdict

import pandas as pd

from ..analysis.tables import Origin, predicted
from ..core import WHOLE, choose, paths, write
from . import comparison
from .contract import contract, get
from .effects import Effect, effects
from .judge import VERDICTS, verdicts
from .publish import by_metric, published_parts, published_verdicts, tallies
from .render import background, line, parts_text, record, records, run_text, text

_WAITING = (
    "No published run yet: `figures/data/claims.csv` appears with the first run at `full`. Statements and rules "
    "stand already."
)


def table() -> pd.DataFrame:
    """Return the ledger, one row a claim, with the fields of `render.Record`, indexed by `claim`."""
    return pd.DataFrame(records()).set_index("claim")


def counts() -> str:
    """Return how many claims have each verdict, a sentence for each tally, or that there is no published run yet."""
    found = published_verdicts()
    return tallies(found) if len(found) else f"{len(contract())} claims. {_WAITING}"


def show(verdict: str | None = None) -> None:
    """Print every claim (or those with one of `VERDICTS`) as a short paragraph."""
    if verdict is not None:
        choose("verdict", verdict, VERDICTS)
    for r in records():
        if verdict in (None, r.verdict):
            print(text(r))


def show_lines() -> None:
    """Print every claim with its verdict, one line each, and the tallies."""
    for r in records():
        print(line(r))
    print(f"\n{counts()}")


def show_contradicted() -> None:
    """Print the contradicted claims with all their parts."""
    found = [r for r in records() if r.verdict == "CONTRADICTED"]
    none = "No claim is contradicted by the published run, or there is none yet."
    print(f"{len(found)} claims are contradicted." if found else none)
    for r in found:
        print("\n" + parts_text(r))


def show_agreement(setup: Origin) -> None:
    """Print how many means of this run lie inside the published intervals, or why that cannot be said."""
    if setup.profile in WHOLE:
        print("This is the published run itself.")
        return
    try:
        comparison.show_verify(setup.profile)
    except ValueError as error:
        print(f"Not yet: {error}")


def _compared(row: pd.Series, found: list[Effect]) -> str:
    """Say whether a run's effect lies in the published interval of the claim's weakest part, widened for its seeds."""
    mine = next((e for e in found if e.name == row["part"]), None)
    if mine is None:
        return "this run leaves it out, PROFILE=full computes it"
    low, high = predicted(row["effect"], row["low"], row["high"], row["n_seeds"], mine.n_seeds)
    inside = low - 1e-3 <= mine.effect <= high + 1e-3  # published with 4 decimals
    return f"this run's is {'inside' if inside else 'outside'}" + (", widened for its seeds" if mine.n_seeds else "")


def check_claim(claim: str, setup: Origin) -> None:
    """Print a claim, this run's effect beside the published one, and the published verdict; keep them as JSON.

    A run of fewer seeds never announces a verdict of its own: it says whether its effect lies in the published
    interval of the claim's `weakest` part, widened for its seeds (`analysis.predicted`). The `full` profile is the
    published run and judges.
    """
    claim = get(claim)["id"]
    found, published = effects(claim, setup.profile), published_verdicts()
    if setup.profile in WHOLE:
        judged, parts = verdicts(setup.profile, [claim])
        r, said = record(claim, judged.set_index("id")), ""
    else:
        r, parts = record(claim, published), published_parts()
        said = _compared(published.loc[claim], found) if r.effect else ""
    print(run_text(r, found, by_metric(claim, parts), said))
    told = {"id": claim, "profile": setup.profile, "verdict": r.verdict, "effects": [asdict(e) for e in found]}
    write(paths.claims(setup.profile) / f"{claim}.json", json.dumps(told, indent=1))


def show_claim(claim: str, setup: Origin) -> None:
    """Check a claim as `check_claim` does, and print all that the contract and the published run know of it."""
    check_claim(claim, setup)
    print(background(record(get(claim)["id"])))
