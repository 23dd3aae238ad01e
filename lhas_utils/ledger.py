"""The ledger as a page: claim, place, command, effect against the printed number, verdict, what would change it."""

import textwrap

import pandas as pd

from . import claims, quoted, report

_PRINTED = {  # metric of a contrast -> (printed table, column)
    "current": (quoted.TABLE1, "current"),
    "future_auc": (quoted.TABLE1, "future_auc"),
    "forgetting": (quoted.TABLE1, "forgetting"),
    "ood": (quoted.TABLE1, "ood"),
    "worst_task": (quoted.TABLE1, "worst_task"),
    "entropy": (quoted.TABLE2, "entropy"),
    "difficulty": (quoted.TABLE2, "difficulty"),
    "quality": (quoted.TABLE2, "quality"),
    "concentration": (quoted.TABLE2, "concentration"),
}
_WAITING = (
    "No published run yet: `figures/data/claims.csv` appears with the first run at `full`. Statements and rules "
    "stand already."
)


def quoted_effects(claim: str) -> list[str]:
    """Return the printed numbers behind a claim's contrasts, marked quoted, in the paper's units."""
    out = []
    for c in claims.get(claim).get("contrasts", ()):
        table, column = _PRINTED.get(c["metric"], (None, None))
        sides = [c["a"], c["b"]]
        if table is None or not all(isinstance(s, str) for s in sides):
            continue
        if not set(sides) <= set(table.index):
            continue  # `alignment` is our second reading of Gradient: the paper prints one
        a, b = (table.loc[s, column] for s in sides)
        out.append(f"quoted {c['metric']}: {sides[0]} {a:g}, {sides[1]} {b:g} ({a - b:+.2g})")
    return out


def change_of_mind(claim: str) -> str:
    """Return which result would change the verdict, derived from the contract."""
    entry = claims.get(claim)
    row = claims.published()["verdict"].get(claim)
    smallest = entry["smallest"]
    above = f"an interval above 0 and an effect of at least {smallest:g} in every part"
    below = (
        f"an interval that ends below {smallest:g} in every part" if smallest else "an interval that ends at or below 0"
    )
    if entry["kind"] == "out of scope":
        return "an experiment of the size the claim speaks of"
    if entry["kind"] in ("exact", "quoted numbers"):
        return "a correction of the printed numbers or of the formula"
    return {
        "REPRODUCED": f"{below}, in another world or with more seeds",
        "CONTRADICTED": above,
        "PARTLY": f"{above}; or {below}",
    }.get(row, f"{above}: reproduced; {below}: contradicted")


def command(claim: str) -> str:
    """Return the command that reruns exactly what one claim needs."""
    return f"make claim ID={claim}"


def table() -> pd.DataFrame:
    """Return the ledger, one row a claim, with what `show` prints of it and its kind."""
    found, rows = claims.published(), {}
    for claim, entry in claims.contract().items():
        row = found.loc[claim] if claim in found.index else None
        known = row is not None and pd.notna(row["effect"])
        rows[claim] = {
            "statement": entry["statement"],
            "where": entry["where"],
            "kind": entry["kind"],
            "notebook": str(entry["notebook"]),
            "figure": entry.get("figure") or "",
            "command": command(claim),
            "minutes": entry.get("minutes", ""),
            "effect": f"{row['effect']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]" if known else "",
            "part": row["part"] if known else "",
            "seeds": int(row["n_seeds"]) if known else 0,
            "quoted": "; ".join(quoted_effects(claim)),
            "verdict": "not published yet" if row is None else row["verdict"],
            "note": entry.get("note", "") if row is None or pd.isna(row["note"]) else row["note"],
            "change": change_of_mind(claim),
        }
    return pd.DataFrame(rows).T.rename_axis("claim")


def counts() -> str:
    """Return how many claims have each verdict, or that there is no published run yet."""
    if claims.published().empty:
        return f"{len(claims.contract())} claims. {_WAITING}"
    return report.summary_line().strip("*")


def _say(label: str, text: str):
    if text:
        print(textwrap.fill(f"{label:10} {text}", 116, initial_indent="    ", subsequent_indent=" " * 15))


def show(verdict: str | None = None):
    """Print every claim (or those with one verdict) as a short paragraph."""
    for claim, row in table().iterrows():
        if verdict and row["verdict"] != verdict:
            continue
        print(textwrap.fill(f"{claim}  {row['verdict']}: {row['statement']}", 116, subsequent_indent="    "))
        _say("where", f"{row['where']}; notebook {row['notebook']}" + (f", {row['figure']}" if row["figure"] else ""))
        _say("effect", row["effect"] and f"{row['effect']}, {row['seeds']} seeds; weakest part: {row['part']}")
        _say("paper", row["quoted"])
        _say("command", row["command"] + (f"   ({row['minutes']} min)" if row["minutes"] != "" else ""))
        _say("would change our mind:", row["change"])


def show_contradicted():
    """Print the contradicted claims with all their parts."""
    rows = table()
    rows = rows[rows["verdict"] == "CONTRADICTED"]
    print(
        f"{len(rows)} claims are contradicted."
        if len(rows)
        else "No claim is contradicted by the published run, or there is none yet."
    )
    for claim, row in rows.iterrows():
        print(textwrap.fill(f"\n{claim}  {row['statement']}", 116, subsequent_indent="    "))
        _say("effect", f"{row['effect']}, {row['seeds']} seeds; weakest part: {row['part']}")
        _say("parts", row["note"])
        _say("paper", row["quoted"])


def show_agreement(setup):
    """Print how many means of this run lie inside the published intervals, or why that cannot be said."""
    if setup.profile == "full":
        print("This is the published run itself.")
        return
    try:
        report.show_verify(setup.profile)
    except ValueError as error:
        print(f"Not yet: {error}")
