"""From effects to verdicts: the rule for a part, for a claim, and for how firmly a verdict stands over metrics."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from ..analysis import statistics
from .contract import contract, get
from .effects import Effect, effects, missing

VERDICTS = ("REPRODUCED", "PARTLY", "EQUIVALENT", "CONTRADICTED", "INCONCLUSIVE", "NOT TESTABLE")
WORST = ("CONTRADICTED", "EQUIVALENT", "INCONCLUSIVE", "REPRODUCED")
LEVEL = 0.05
COLUMNS = "id verdict stands_on firm tally part effect low high p n_seeds profile note".split()
PARTS = "id score part quantity effect low high p p_holm p_equivalent n_seeds smallest verdict".split()


class Part(NamedTuple):
    """A judged effect: p_holm is its p adjusted within the claim, p_equivalent that of two one-sided tests."""

    effect: Effect
    p_holm: float
    p_equivalent: float
    verdict: str

    @property
    def p(self) -> float:
        """The p behind the verdict; not a number where there are no seeds."""
        if not self.effect.n_seeds:
            return np.nan
        return self.p_equivalent if self.verdict == "EQUIVALENT" else self.p_holm


def _equivalent(e: Effect) -> float:
    """Return p of equivalence within the smallest effect; 1 where none is given or too few seeds could tell."""
    return statistics.equivalence(vars(e), e.smallest) if e.smallest and e.n_seeds > 1 else 1.0


def judge(effect: Effect, p_holm: float | None = None, seeds: int = 0) -> str:
    """Return the verdict of one effect.

    REPRODUCED: interval above 0, effect at least the smallest of interest, Holm-adjusted p < 0.05. EQUIVALENT: two
    one-sided t tests put it inside -+smallest, p < 0.05 (never where smallest is 0). CONTRADICTED: interval below 0,
    adjusted p < 0.05. INCONCLUSIVE otherwise; NOT TESTABLE with fewer than `seeds`. A number without seeds is
    REPRODUCED from the smallest of interest on, CONTRADICTED below.

    Args:
        p_holm: adjusted p; the effect's own p where it stands alone.
        seeds: what a verdict needs.
    """
    if not effect.n_seeds:
        return "REPRODUCED" if effect.effect >= effect.smallest else "CONTRADICTED"
    significant = (effect.p if p_holm is None else p_holm) < LEVEL
    if effect.n_seeds < seeds:
        return "NOT TESTABLE"
    if effect.low > 0 and effect.effect >= effect.smallest and significant:
        return "REPRODUCED"
    if _equivalent(effect) < LEVEL:
        return "EQUIVALENT"
    return "CONTRADICTED" if effect.high < 0 and significant else "INCONCLUSIVE"


def combine(verdicts: list[str], quantifier: str) -> str:
    """Return a claim's verdict from those of its parts.

    Parts that agree give their word. Of a claim about `all`, one CONTRADICTED part decides, then one EQUIVALENT part;
    one that speaks of `each` is PARTLY where some are REPRODUCED, else CONTRADICTED where some are. INCONCLUSIVE
    otherwise; NOT TESTABLE without parts, or with one that is.
    """
    if not verdicts or "NOT TESTABLE" in verdicts:
        return "NOT TESTABLE"
    if len(set(verdicts)) == 1:
        return verdicts[0]
    if quantifier == "each" and "REPRODUCED" in verdicts:
        return "PARTLY"
    deciding = ("CONTRADICTED", "EQUIVALENT") if quantifier == "all" else ("CONTRADICTED",)
    return next((word for word in deciding if word in verdicts), "INCONCLUSIVE")


def judged(claim: str, profile: str, metric: str) -> list[Part]:
    """Return a claim's parts by one metric, judged; Holm runs over them."""
    found, seeds = effects(claim, profile, metric), get(claim)["seeds"]
    adjusted = statistics.holm([e.p for e in found])
    return [Part(e, p, _equivalent(e), judge(e, p, seeds)) for e, p in zip(found, adjusted)]


def weakest(parts: list[Part], verdict: str) -> Part:
    """Return the part that stands for a claim.

    Of the parts with the claim's verdict, or with the worst one, that with the lowest low end; of equivalent ones that
    with the highest p.
    """
    words = [p.verdict for p in parts]
    worst = verdict if verdict in words else min(words, key=WORST.index)
    own = [p for p in parts if p.verdict == worst]
    return min(own, key=lambda p: -p.p_equivalent if worst == "EQUIVALENT" else p.effect.low)


def firmness(by_metric: dict[str, list[Part]], words: dict[str, str]) -> str:
    """Return `yes` where a verdict stands under all metrics with p < 0.05 each, else `fragile`.

    Empty for an undecided claim and for one with a single metric. PARTLY is firm where every metric reproduces the same
    parts.
    """
    first = next(iter(words.values()))
    if len(words) == 1 or first in ("INCONCLUSIVE", "NOT TESTABLE"):
        return ""
    if set(words.values()) != {first}:
        return "fragile"
    if first == "PARTLY":
        held = {tuple(p.effect.name for p in parts if p.verdict == "REPRODUCED") for parts in by_metric.values()}
        return "yes" if len(held) == 1 else "fragile"
    ps = [weakest(parts, first).p for parts in by_metric.values()]
    return "yes" if all(np.isnan(p) or p < LEVEL for p in ps) else "fragile"


def _superlative(entry: dict) -> bool:
    """Return whether a claim sets one side against three or more others on one quantity."""
    contrasts = entry.get("contrasts", ())
    return len(contrasts) > 2 and all({**c, "b": 0} == {**contrasts[0], "b": 0} for c in contrasts)


def _power(part: Part) -> str:
    """Say what an undecided effect's seeds could see, and how many would narrow its interval to the smallest effect.

    Where the selectors are too few to tell a relation from chance, more seeds change nothing.
    """
    e = part.effect
    if part.p_holm >= LEVEL and e.p == e.chance:
        return f"{e.name}: chance over the selectors gives as much with p = {e.chance:.2g}, however many the seeds"
    half = (e.high - e.low) / 2
    text = f"power: {e.name} is known to +-{half:.2g} with {e.n_seeds} seeds"
    if 0 < e.smallest < half:
        text += f", about {np.ceil(e.n_seeds * (half / e.smallest) ** 2):.0f} would bring that to {e.smallest:g}"
    return text


def _note(claim: str, parts: list[Part], words: dict[str, str], lost: list[str]) -> str:
    """Say what each part came to, how near an undecided one is known, what is missing, and what other metrics say."""
    entry, notes = get(claim), []
    few = min((p.effect.n_seeds for p in parts if p.verdict == "NOT TESTABLE"), default=0)
    reachable = min((len(parts) * 2.0 ** (1 - p.effect.n_seeds) for p in parts if p.effect.n_seeds), default=0)
    if few:
        notes.append(f"exploration: {few} seeds, a verdict needs {entry['seeds']}")
    elif len(parts) > 1:
        of = f"{sum(p.verdict == 'REPRODUCED' for p in parts)} of {len(parts)}"
        if entry["quantifier"] == "all" and reachable < LEVEL:
            notes.append(f"beats {of}" if _superlative(entry) else f"holds in {of} parts")
        notes.append("; ".join(f"{p.effect.name} {p.verdict}" for p in parts))
    notes += [_power(p) for p in parts if p.verdict == "INCONCLUSIVE" and not p.effect.censored]
    if reachable >= LEVEL and not few:
        best = f"p = {min(reachable, 1):.2g} at best with {len(parts)} parts"
        notes.append(f"underpowered: {parts[0].effect.n_seeds} seeds reach {best}")
    if lost:
        notes.append(f"no published runs of {', '.join(lost)}")
    first, *rest = words.items()
    notes += [f"by {metric} {word}" for metric, word in rest if word != first[1]]
    return ". ".join(filter(None, [*notes, entry.get("note", "")]))


def _order(metrics: list[str], primary: str | None) -> list[str]:
    return [primary, *(m for m in metrics if m != primary)] if primary in metrics else metrics


def verdicts(
    profile: str, ids: list[str] | None = None, primary: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judge claims on a profile's runs, or on the `published` ones, by each of their metrics.

    Args:
        primary: metric that decides where a claim has it; the first of the claim's own by default.

    Returns:
        (one row a claim with `COLUMNS`, one row a part and metric with `PARTS`). In the first, part, effect, low, high
        and p are those of the claim's `weakest` part, in units that make positive what the claim says; `stands_on`
        says under how many of its metrics the verdict is the same, `firm` what `firmness` does.
    """
    rows, out, run = [], [], "full" if profile == "published" else profile
    for c in ids or contract():
        entry = get(c)
        if entry["kind"] == "out of scope":
            rows.append((c, "NOT TESTABLE", "", "", entry["tally"], "", *[np.nan] * 4, 0, run, entry.get("note", "")))
            continue
        parts = {m: judged(c, profile, m) for m in _order(entry["metrics"], primary)}
        first = next(iter(parts.values()))
        lost = missing(c, [p.effect for p in first], profile)
        each = {m: [p.verdict for p in ps] for m, ps in parts.items()}
        words = {m: "NOT TESTABLE" if lost else combine(v, entry["quantifier"]) for m, v in each.items()}
        word = next(iter(words.values()))
        stands = f"{list(words.values()).count(word)} of {len(words)}" if word != "NOT TESTABLE" else ""
        numbers = ("", *[np.nan] * 4, 0)
        if first:
            worst = weakest(first, word)
            e = worst.effect
            numbers = (e.name, e.effect, e.low, e.high, worst.p, e.n_seeds)
        firm = firmness(parts, words)
        rows.append((c, word, stands, firm, entry["tally"], *numbers, run, _note(c, first, words, lost)))
        out += [
            (c, m, p.effect.name, p.effect.quantity, p.effect.effect, p.effect.low, p.effect.high)
            + ((p.effect.p, p.p_holm, p.p_equivalent) if p.effect.n_seeds else (np.nan,) * 3)
            + (p.effect.n_seeds, p.effect.smallest, p.verdict)
            for m, ps in parts.items()
            for p in ps
        ]
    return pd.DataFrame(rows, columns=COLUMNS), pd.DataFrame(out, columns=PARTS)
