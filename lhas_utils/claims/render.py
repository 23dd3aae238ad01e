"""The one place where a claim becomes text: terminal, notebook 09, README and site show the same record."""

import re
import textwrap
from typing import NamedTuple

import numpy as np
import pandas as pd

from . import quoted
from .contract import SEEDLESS, contract, get
from .effects import Effect, named, readable
from .publish import published_verdicts

_PRINTED = {  # quantity of a contrast -> the printed table that has it
    **dict.fromkeys(("current", "future_auc", "forgetting", "ood", "worst_task"), quoted.TABLE1),
    **dict.fromkeys(("entropy", "difficulty", "quality", "concentration"), quoted.TABLE2),
}
HEADER = (
    "| id | claim | weakest effect [95 % interval] | p | seeds | verdict | stands on |\n|---|---|---|---|---|---|---|"
)
WIDTH = 100


class Record(NamedTuple):
    """What is shown of a claim; every field is ready to print, and empty where there is nothing to say.

    Args:
        effect: that of the claim's weakest part, with its interval. seeds: how many are behind it, 0 for none.
        p: of that part's verdict. evidence: effect, p, seeds and part in one line.
        stands_on: under how many of the claim's metrics the verdict is the same, and whether it is firm or fragile.
        smallest: effect that would matter, by each metric; a number without seeds has one too.
        quoted: the numbers that the paper prints. change: which result would change the verdict.
    """

    claim: str
    statement: str
    where: str
    kind: str
    tally: str
    notebook: str
    figure: str
    command: str
    minutes: str
    effect: str
    p: str
    seeds: int
    part: str
    evidence: str
    smallest: str
    quoted: str
    verdict: str
    stands_on: str
    note: str
    change: str


def shown(effect: float, low: float, high: float) -> str:
    """Return an effect with its interval, three decimals, signs written out."""
    return f"{effect:+.3f} [{low:+.3f}, {high:+.3f}]"


def counted(n_seeds: int) -> str:
    """Return a number of seeds in words; 0 seeds are an exact number."""
    return f"{int(n_seeds)} seed{'s' if n_seeds > 1 else ''}" if n_seeds else "exact"


def probability(p: float) -> str:
    """Return a p-value in at most four decimals; empty for a number that has none.

    >>> probability(0.0123), probability(0.00001), probability(float("nan"))
    ('p = 0.0123', 'p < 0.0001', '')
    """
    if pd.isna(p):
        return ""
    return f"p = {p:.4f}".rstrip("0").rstrip(".") if p >= 0.0001 else "p < 0.0001"


def quoted_effects(claim: str) -> list[str]:
    """Return the printed numbers behind a claim's contrasts, marked quoted, in the paper's units.

    `alignment` has none: it is our second reading of Gradient, and the paper prints one.
    """
    out = []
    for c in get(claim).get("contrasts", ()):
        table, quantity, sides = _PRINTED.get(c["quantity"]), c["quantity"], (c["a"], c["b"])
        if table is None or not all(isinstance(s, str) and s in table.index for s in sides):
            continue
        a, b = (table.loc[s, quantity] for s in sides)
        out.append(f"quoted {quantity}: {sides[0]} {a:g}, {sides[1]} {b:g} ({a - b:+.2g})")
    return out


def change_of_mind(claim: str, verdict: str | None) -> str:
    """Return which result would change a verdict, derived from the contract."""
    entry = get(claim)
    if entry["kind"] == "out of scope":
        return "an experiment of the size the claim speaks of"
    if entry["kind"] in SEEDLESS:
        return "a correction of the printed numbers or of the formula"
    metric = entry["metrics"][0]
    smallest = entry["smallest"][metric]
    above = f"an interval above 0, an effect of at least {smallest:g} ({metric}) and p < 0.05 in every part"
    below = f"an interval below 0 with p < 0.05 in {'a' if entry['quantifier'] == 'all' else 'every'} part"
    inside = f"effects surely inside +-{smallest:g}" if smallest else ""
    against = " or ".join(filter(None, [below, inside]))
    ways = ((above, "reproduced"), (below, "contradicted"), (inside, "equivalent"))
    return {
        "REPRODUCED": f"{against}, in another world or with more seeds",
        "CONTRADICTED": above,
        "EQUIVALENT": f"{above}; or {below}",
        "PARTLY": f"{above}; or {against}",
    }.get(verdict, "; ".join(f"{found}: {word}" for found, word in ways if found))


def in_words(claim: str, said: str) -> str:
    """Return a text with the names of a claim's contrasts (`effects.named`) put into words (`effects.readable`)."""
    words = {named(spec): readable(spec) for spec in get(claim).get("contrasts", ())}
    for name in sorted(words, key=len, reverse=True):
        said = said.replace(name, words[name])
    return said


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
    p, stands = (probability(row["p"]) if known else ""), ""
    if known and row["stands_on"]:
        stands = ", ".join(filter(None, [row["stands_on"], {"yes": "firm"}.get(row["firm"], row["firm"])]))
    evidence = ", ".join(filter(None, [effect, p, counted(row["n_seeds"]) if known else ""]))
    part = in_words(claim, row["part"]) if known else ""
    note = entry.get("note", "") if row is None or pd.isna(row["note"]) else in_words(claim, row["note"])
    return Record(
        claim=claim,
        statement=entry["statement"],
        where=entry["where"],
        kind=entry["kind"],
        tally=entry["tally"],
        notebook=str(entry["notebook"]),
        figure=entry.get("figure") or "",
        command=f"make claim ID={claim}",
        minutes=str(entry.get("minutes", "")),
        effect=effect,
        p=p,
        seeds=int(row["n_seeds"]) if known else 0,
        part=part,
        evidence=f"{evidence}; weakest part: {part}" if known else "",
        smallest=", ".join(f"{size:g} {metric}" for metric, size in entry.get("smallest", {}).items()),
        quoted="; ".join(quoted_effects(claim)),
        verdict=verdict or "not published yet",
        stands_on=stands,
        note=note,
        change=change_of_mind(claim, verdict),
    )


def records() -> list[Record]:
    """Return every claim's record, in the order of the contract."""
    table = published_verdicts()
    return [record(claim, table) for claim in contract()]


def _wrapped(text: str, first: str = "", later: str = "    ") -> str:
    """Return a text in lines of `WIDTH` that break between words, with one indent for the first and one for others."""
    indent = {"initial_indent": first, "subsequent_indent": later}
    kept = re.sub(r"\bp ([=<]) ", "p\xa0\\1\xa0", text)  # a p-value stays on one line
    return textwrap.fill(kept, WIDTH, break_long_words=False, break_on_hyphens=False, **indent).replace("\xa0", " ")


def _field(label: str, text: str, width: int = 10) -> list[str]:
    return [_wrapped(f"{label:{width}} {text}", "    ", " " * (width + 5))] if text else []


def ruled(r: Record) -> str:
    """Return the verdict and on how many metrics it stands."""
    return f"{r.verdict} ({r.stands_on})" if r.stands_on else r.verdict


def text(r: Record) -> str:
    """Return a record as a short paragraph for the terminal."""
    head = _wrapped(f"{r.claim}  {ruled(r)}: {r.statement}")
    minutes = f"   ({r.minutes} min at PROFILE=full)" if r.minutes else ""
    where = f"{r.where}; notebook {r.notebook}" + (f", {r.figure}" if r.figure else "")
    fields = {
        "where": where,
        "effect": r.evidence,
        "smallest": r.smallest,
        "paper": r.quoted,
        "command": r.command + minutes,
    }
    fields["would change our mind:"] = r.change
    return "\n".join([head, *(line for label, said in fields.items() for line in _field(label, said))])


def background(r: Record) -> str:
    """Return what `run_text` leaves out: the paper's number, the smallest effect, the parts, where it is shown."""
    shown_in = f"notebook {r.notebook}" + (f", figures/{r.figure}.pdf" if r.figure else "")
    fields = {
        "paper": r.quoted or "prints no number for it",
        "smallest": r.smallest,
        "parts": r.note,
        "shown in": shown_in,
    }
    return "\n".join(line for label, said in fields.items() for line in _field(label, said))


def parts_text(r: Record) -> str:
    """Return a record with all its parts and the paper's numbers, for the terminal."""
    head = _wrapped(f"{r.claim}  {r.statement}")
    fields = {"effect": r.evidence, "parts": r.note, "paper": r.quoted}
    return "\n".join([head, *(line for label, said in fields.items() for line in _field(label, said))])


def line(r: Record) -> str:
    """Return a record as one line: id, verdict, the metrics it stands on, statement."""
    return f"{r.claim:5} {r.verdict:14} {r.stands_on:16} {r.statement}"


def markdown_row(r: Record) -> str:
    """Return a record as a row of the Markdown table whose first lines are `HEADER`."""
    p = r.p.removeprefix("p = ").removeprefix("p ")
    effect = f"{r.part}: {r.effect}" if r.part else r.effect
    cells = (r.claim, f"{r.statement} ({r.where})", effect, p, r.seeds or "", r.verdict, r.stands_on)
    return f"| {' | '.join(str(c).replace('|', '&#124;') for c in cells)} |"


def run_text(r: Record, found: list[Effect], words: dict[str, str], said: str) -> str:
    """Return one run's effects beside the published one, the verdict by each metric and what would change it.

    Args:
        found: the run's effects.
        words: metric -> verdict.
        said: how the run compares with the published effect; empty where there is nothing to compare.
    """
    fields = []
    for e in found:
        p = probability(e.p if e.n_seeds else np.nan)
        told = ", ".join(filter(None, [shown(e.effect, e.low, e.high), p, counted(e.n_seeds)]))
        fields.append(("this run", f"{in_words(r.claim, e.name)}: {told}"))
    if said:
        told = ", ".join(filter(None, [r.effect, r.p, counted(r.seeds)]))
        fields.append(("published", f"{r.part}: {told}; {said}"))
    fields.append(("verdict", r.note if r.kind == "out of scope" else ruled(r)))
    if len(words) > 1:
        fields.append(("by metric", ", ".join(f"{metric} {word}" for metric, word in words.items())))
    fields.append(("would change our mind:", r.change))
    head = _wrapped(f"{r.claim}  {r.statement}  ({r.where})")
    return "\n".join([head, *(line for label, told in fields for line in _field(label, told, 11))])
