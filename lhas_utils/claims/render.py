"""The one place where a claim becomes text: terminal, notebook 09, README and site show the same record."""

import textwrap
from typing import NamedTuple

import pandas as pd

from . import quoted
from .contract import contract, get
from .effects import Effect
from .judge import published_verdicts

_PRINTED = {  # metric of a contrast -> the printed table that has it
    **dict.fromkeys(("current", "future_auc", "forgetting", "ood", "worst_task"), quoted.TABLE1),
    **dict.fromkeys(("entropy", "difficulty", "quality", "concentration"), quoted.TABLE2),
}
HEADER = "| id | claim | where | weakest effect [95 % interval] | seeds | verdict |\n|---|---|---|---|---|---|"
WIDTH = 116


class Record(NamedTuple):
    """What is shown of a claim; every field is ready to print, and empty where there is nothing to say.

    Args:
        effect: that of the claim's weakest part, with its interval. seeds: how many are behind it, 0 for none.
        evidence: effect, seeds and part in one line.
        quoted: the numbers that the paper prints. change: which result would change the verdict.
    """

    claim: str
    statement: str
    where: str
    kind: str
    notebook: str
    figure: str
    command: str
    minutes: str
    effect: str
    seeds: int
    part: str
    evidence: str
    quoted: str
    verdict: str
    note: str
    change: str


def shown(effect: float, low: float, high: float) -> str:
    """Return an effect with its interval, three decimals, signs written out."""
    return f"{effect:+.3f} [{low:+.3f}, {high:+.3f}]"


def counted(n_seeds: int) -> str:
    """Return a number of seeds in words; 0 seeds are an exact number."""
    return f"{int(n_seeds)} seed{'s' if n_seeds > 1 else ''}" if n_seeds else "exact"


def quoted_effects(claim: str) -> list[str]:
    """Return the printed numbers behind a claim's contrasts, marked quoted, in the paper's units.

    `alignment` has none: it is our second reading of Gradient, and the paper prints one.
    """
    out = []
    for c in get(claim).get("contrasts", ()):
        table, metric, sides = _PRINTED.get(c["metric"]), c["metric"], (c["a"], c["b"])
        if table is None or not all(isinstance(s, str) and s in table.index for s in sides):
            continue
        a, b = (table.loc[s, metric] for s in sides)
        out.append(f"quoted {metric}: {sides[0]} {a:g}, {sides[1]} {b:g} ({a - b:+.2g})")
    return out


def change_of_mind(claim: str, verdict: str | None) -> str:
    """Return which result would change a verdict, derived from the contract."""
    entry = get(claim)
    smallest = entry["smallest"]
    above = f"an interval above 0 and an effect of at least {smallest:g} in every part"
    below = f"an interval that ends {f'below {smallest:g} in every part' if smallest else 'at or below 0'}"
    if entry["kind"] == "out of scope":
        return "an experiment of the size the claim speaks of"
    if entry["kind"] in ("exact", "quoted numbers"):
        return "a correction of the printed numbers or of the formula"
    return {
        "REPRODUCED": f"{below}, in another world or with more seeds",
        "CONTRADICTED": above,
        "PARTLY": f"{above}; or {below}",
    }.get(verdict, f"{above}: reproduced; {below}: contradicted")


def record(claim: str, table: pd.DataFrame | None = None) -> Record:
    """Return what is shown of a claim.

    Args:
        table: verdicts indexed by id; the published ones where it is not given.
    """
    entry, table = get(claim), published_verdicts() if table is None else table
    row = table.loc[claim] if claim in table.index else None
    known = row is not None and pd.notna(row["effect"])
    effect = shown(row["effect"], row["low"], row["high"]) if known else ""
    verdict = None if row is None else row["verdict"]
    return Record(
        claim=claim,
        statement=entry["statement"],
        where=entry["where"],
        kind=entry["kind"],
        notebook=str(entry["notebook"]),
        figure=entry.get("figure") or "",
        command=f"make claim ID={claim}",
        minutes=str(entry.get("minutes", "")),
        effect=effect,
        seeds=int(row["n_seeds"]) if known else 0,
        part=row["part"] if known else "",
        evidence=f"{effect}, {counted(row['n_seeds'])}; weakest part: {row['part']}" if known else "",
        quoted="; ".join(quoted_effects(claim)),
        verdict=verdict or "not published yet",
        note=entry.get("note", "") if row is None or pd.isna(row["note"]) else row["note"],
        change=change_of_mind(claim, verdict),
    )


def records() -> list[Record]:
    """Return every claim's record, in the order of the contract."""
    table = published_verdicts()
    return [record(claim, table) for claim in contract()]


def _field(label: str, text: str) -> list[str]:
    indent = {"initial_indent": "    ", "subsequent_indent": " " * 15}
    return [textwrap.fill(f"{label:10} {text}", WIDTH, **indent)] if text else []


def text(r: Record) -> str:
    """Return a record as a short paragraph for the terminal."""
    head = textwrap.fill(f"{r.claim}  {r.verdict}: {r.statement}", WIDTH, subsequent_indent="    ")
    minutes = f"   ({r.minutes} min)" if r.minutes else ""
    where = f"{r.where}; notebook {r.notebook}" + (f", {r.figure}" if r.figure else "")
    fields = {"where": where, "effect": r.evidence, "paper": r.quoted, "command": r.command + minutes}
    fields["would change our mind:"] = r.change
    return "\n".join([head, *(line for label, said in fields.items() for line in _field(label, said))])


def parts_text(r: Record) -> str:
    """Return a record with all its parts and the paper's numbers, for the terminal."""
    head = textwrap.fill(f"{r.claim}  {r.statement}", WIDTH, subsequent_indent="    ")
    fields = {"effect": r.evidence, "parts": r.note, "paper": r.quoted}
    return "\n".join([head, *(line for label, said in fields.items() for line in _field(label, said))])


def line(r: Record) -> str:
    """Return a record as one line: id, verdict, statement."""
    return f"{r.claim:5} {r.verdict:18} {r.statement}"


def markdown_row(r: Record) -> str:
    """Return a record as a row of the Markdown table whose first lines are `HEADER`."""
    return f"| {r.claim} | {r.statement} | {r.where} | {r.effect} | {r.seeds or ''} | {r.verdict} |"


def run_text(r: Record, found: list[Effect], said: str) -> str:
    """Return one run's effects beside the published one.

    Args:
        found: the run's effects.
        said: how the run compares with the published effect; empty where there is nothing to compare.
    """
    lines = [f"{r.claim}  {r.statement}  ({r.where})"]
    lines += [f"    this run    {e.name}: {shown(e.effect, e.low, e.high)}, {counted(e.n_seeds)}" for e in found]
    if said:
        lines.append(f"    published   {r.part}: {r.effect}, {counted(r.seeds)}; {said}")
    return "\n".join([*lines, f"    verdict     {r.note if r.kind == 'out of scope' else r.verdict}"])
