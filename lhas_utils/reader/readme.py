"""The generated parts of README, artefact appendix and index of figures: nobody types a result."""

import json
import re
from html import escape
from itertools import groupby, product

import pandas as pd

from ..analysis import decision_accuracy, differences, gate, gate_line, runs, trajectory
from ..analysis.statistics import table
from ..analysis.summary import SCORES
from ..claims import comparison, contract, ledger, llm_checks, markdown_row, record, records
from ..claims.render import HEADER
from ..core import paths, write
from ..figures import LABELS, UNITS, found, side
from ..runs import LLM, is_published, kept, provenance, published, specs
from ..studies import FRESH

HELD = "REPRODUCED"  # what a control has to be
HEADLINES = "G01 B15 B16 B18 B20 B22 C31 V01 T02 D04 D11n F05 F11".split()  # the ledger's first screen
FINDINGS = (("alignment", "now"), ("alignment", "later"), ("lhas", "later"))
OWN_PASTS = (("alignment", "current"), ("alignment", "long_horizon"), ("lhas", "long_horizon"))
_SIDES = {1: "better", 0: "not told apart", -1: "worse"}
TABLE1 = ("current", "immediate_utility", "future_auc", "forgetting", "ood", "worst_task", "long_horizon")


def summary() -> str:
    """Return a list that counts the verdicts, one sentence for each tally, and the controls that did not hold."""
    judged = (r for r in records() if r.kind == "control" and r.effect)
    failed = [f"{r.claim} {r.verdict} ({r.statement.removeprefix('Control: ')})" for r in judged if r.verdict != HELD]
    lines = [*ledger.counts().splitlines(), f"Controls that did not hold: {'; '.join(failed) or 'none'}."]
    return "\n".join(f"- {line}" for line in lines)


def headlines() -> str:
    """Return the claims that the README opens with, as such a table."""
    return "\n".join([HEADER, *(markdown_row(r) for r in records() if r.claim in HEADLINES)])


def figure() -> str:
    """Return the published figure of the common start as a Markdown image with its alt text."""
    side = json.loads((paths.figures("full") / "fig03_common_start.json").read_text())
    return f"![{side['alt']}](figures/fig03_common_start.png)"


def _minus_random(metric: str = "exact") -> pd.DataFrame:
    """Return the intervals of the published common start in a metric, each selector minus Random."""
    table = pd.read_csv(paths.data("full") / "branch.csv")
    return table[(table["minus"] == "random") & (table["score"] == metric)]


def _names(names: list[str]) -> str:
    *most, last = names or ["none"]
    return f"{', '.join(most)} and {last}" if most else last


def _now_and_later(metric: str) -> tuple[pd.DataFrame, dict[str, int], dict[str, int]]:
    """Return the intervals of all ways to choose but Random, and on which side of it each is, now and later."""
    table = _minus_random(metric)
    table = table[~table["selector"].isin(["random", "start"])]
    sides = {q: {r["selector"]: side(r, q) for _, r in t.iterrows()} for q, t in table.groupby("metric", sort=False)}
    return table, sides["now"], sides["later"]


def answer() -> str:
    """Return whether what helps most now serves better later, each selector beside Random, by the common start.

    Better and worse are those whose interval of the difference in exact match lies on one side of 0; a name tells the
    metrics in which its two sides are others. RS2 stands apart: every other way keeps to its share of the pool.
    """
    of = {metric: _now_and_later(metric) for metric in SCORES}
    table, now, later = of["exact"]
    ways = [name for name in now if name != FRESH]
    best = table[table["selector"].isin(ways) & (table["metric"] == "now")].set_index("selector")["mean"].idxmax()

    def named(name):
        other = [UNITS[m] for m, (_, a, b) in of.items() if (a[name], b[name]) != (now[name], later[name])]
        return LABELS[name] + (f" (not in {_names(other)})" if other else "")

    groups = {sides: [n for n in ways if (now[n], later[n]) == sides] for sides in product(_SIDES, repeat=2)}
    both, crossed = (now[best], later[best]), groups[1, -1] or groups[-1, 1]
    lead = "Here it does not." if both == (1, -1) else "Not reliably."
    if both == (1, 1) and not crossed:
        lead = "Here it does."
    told = "; ".join(f"{_both(a, b)}: {_names(list(map(named, g)))}" for (a, b), g in groups.items() if g)
    return (
        f"**{lead}** Of {len(ways)} ways to choose a share of the pool, each beside Random from one checkpoint (exact "
        f"match, {table['n_seeds'].min()} seeds, SkillWorld; 95 % intervals, each for itself), {LABELS[best]} has the "
        f"largest gain now ({_both(*both)}). All of them: {told}. {_fresh(now, later)}"
    )


def _both(now: int, later: int) -> str:
    if now == later:
        return f"{_SIDES[now]} now and later"
    return f"{_SIDES[now]} now, {_SIDES[later]} later"


def _fresh(now: dict[str, int], later: dict[str, int]) -> str:
    """Return what RS2 came to, and of what share of the pool it needs the answers, 1 - (1 - budget)^epochs."""
    spec = specs("branch", "full")[0]
    epochs = spec.train.steps * spec.train.batch_size / round(spec.budget * spec.world.pool_size)
    share = 1 - (1 - spec.budget) ** epochs
    return (
        f"{LABELS[FRESH]}, {_both(now[FRESH], later[FRESH])}, trains as long, but on new random examples every epoch: "
        f"it needs answers for {share:.0%} of the pool where the others need {spec.budget:.0%}."
    )


def findings() -> str:
    """Return what the common start found, a sentence for each of `FINDINGS`, and what would change our mind."""
    table = _minus_random()
    said = [f"- {found(table, selector, quantity)}" for selector, quantity in FINDINGS]
    return "\n".join([*said, f"- What would change our mind (claim B15): {record('B15').change}."])


def table1() -> str:
    """Return the README's main comparison, Random against each selector, from `table1.csv`."""
    intervals = pd.read_csv(paths.data("full") / "table1.csv")
    means = intervals.pivot(index="selector", columns="metric", values="mean")[list(TABLE1)].round(3)
    names = " | ".join(metric.replace("_", " ") for metric in TABLE1)
    lines = [f"| selector | {names} |", "|---" * (len(TABLE1) + 1) + "|"]
    for name in dict.fromkeys(intervals["selector"]):
        lines.append(f"| {name} | " + " | ".join(f"{v:.3f}" for v in means.loc[name]) + " |")
    return "\n".join(lines)


def _listed(names: pd.Series) -> str:
    return ", ".join(f"`{name}`" for name in names)


def made_by() -> str:
    """Return which experiments' published rows today's code computed, and which an older one did."""
    made = provenance()
    here = made["runs"] > 0
    groups = {
        "computed by the code as it is today": made[here & made["same_code"] & made["same_specs"]],
        "computed by older code": made[here & ~made["same_code"] & ~made["still"]],
        "computed for other specifications than today's": made[here & made["same_code"] & ~made["same_specs"]],
        "not published": made[~here],
    }
    said = [f"{text}: {_listed(g['experiment'])}" for text, g in groups.items() if len(g)]
    again = made[here & ~made["same_code"] & made["still"]]
    if len(again):
        same = f"computed by older code, of which today's computed {again['again'].sum()} runs again with equal rows"
        said.insert(0, f"{same}: {_listed(again['experiment'])}")
    counted = f"Published rows of {here.sum()} of {len(made)} experiments, {made['runs'].sum()} runs"
    return "; ".join([counted, *said]) + "."


def gates() -> str:
    """Return whether Random's training taught the stages of Table 1 anything, in exact match and in nats."""
    rows = published("table1")
    return f"{gate_line(gate(rows))}\n\n{gate_line(gate(rows, 'nll', 0.0), 'NLL, as its fall in nats')}"


def real() -> str:
    """Return what the real model found, as far as it is published: each selector with its own past, then from one
    start; how well SkillWorld decides; what came of the claims; and how many runs of the rest are there.
    """
    parts = {"llm_paths": _own_pasts, "llm_branch": _one_start, "llm_difficulty": _by_level}
    said = [line for name, part in parts.items() if is_published(name) for line in part()]
    lacking = {name: specs(name, "full") for name in LLM if not is_published(name)}
    counts = ", ".join(f"{kept(name, grid)} of {len(grid)} runs of {name}" for name, grid in lacking.items())
    wait = f"- Not published before all runs are there: {counts} so far; `make llm PROFILE=full` computes the rest."
    return "\n".join([*said, *([wait] if counts else [])])


def _said(scores: pd.DataFrame, findings: tuple) -> list[str]:
    metrics = list(dict.fromkeys(metric for _, metric in findings))
    apart = differences(scores, scores[scores["selector"] == "random"], metrics)
    intervals = table(apart[apart["selector"] != "random"], metrics)
    return [f"- {found(intervals, *which, world='Gemma 3 270M')}" for which in findings]


def _own_pasts() -> list[str]:
    lead = f"- Each selector with its own past. {gate_line(gate(published('llm_paths')))}"
    return [lead, *_said(runs("llm_paths", "published"), OWN_PASTS)]


def _one_start() -> list[str]:
    scores = runs("llm_branch", "published")
    lead = f"- All from one checkpoint. {gate_line(gate(trajectory(published('llm_branch'))))}"
    said = [lead, *_said(scores, FINDINGS)]
    cheap = {world: runs(name, "published") for name, world in llm_checks.CHEAP.items()}
    for quantity in llm_checks.DECIDED:
        of = {world: decision_accuracy(table, scores, quantity) for world, table in cheap.items()}
        told = [f"{world} {t['accuracy'].mean():.0%} (p = {t['p'][0]:.2g} by chance)" for world, t in of.items()]
        own = of["SkillWorld"]["others"].mean()
        said.append(
            f"- Pairs of selectors ordered, {quantity}, as by a seed of the real model: {', '.join(told)}, its own "
            f"other seeds {own:.0%}."
        )
    units = "in exact match (orders of selectors: in shares of their pairs)"
    return [*said, f"- From one checkpoint, the weakest part of each claim, {units}:", *_judged("llm_branch")]


def _by_level() -> list[str]:
    units = "in exact match and failure rate (best difficulty: in levels)"
    return [f"- By difficulty, the weakest part of each claim, {units}:", *_judged("llm_difficulty")]


def _judged(experiment: str) -> list[str]:
    """Return the claims on an experiment, each with its verdict, its weakest part, and those of its twin `...e`."""
    entries = contract()

    def verdict(claim: str) -> str:
        one = record(claim)
        return f"{one.verdict} ({one.stands_on}), {one.evidence}"

    said = []
    for claim, entry in entries.items():
        if entry.get("experiment", "").split()[:1] == [experiment] and not claim.endswith("e"):
            twin = f"; with equal epochs {verdict(f'{claim}e')}" if f"{claim}e" in entries else ""
            said.append(f"  - {entry['statement'].removeprefix('On the real model ')}: {verdict(claim)}{twin}.")
    return said


def redrawn() -> str:
    """Return what another draw of base models says of the claims, from `redrawn.csv`."""
    return f"- Table 1 and the common start on another make of processor, {comparison.redrawn()}"


def commands() -> str:
    """Return the claims of each notebook with the commands that check them, a row a notebook."""
    rows = ["| notebook | all of it | its claims | one of them |", "|---|---|---|---|"]
    for number, own in groupby(sorted(records(), key=lambda r: r.notebook), lambda r: r.notebook):
        own = list(own)
        minutes = f", {own[0].minutes} min at `PROFILE=full`" if own[0].minutes else ""
        ids = ", ".join(r.claim for r in own)
        rows.append(f"| {number} | `make {number}` | {ids} | `{own[0].command}`{minutes} |")
    return "\n".join(rows)


def index() -> str:
    """Return the published figures as a Markdown table: thumbnail, caption, notebook and claims."""
    rows = ["| figure | what it says | notebook | claims |", "|---|---|---|---|"]
    sides = [json.loads(path.read_text()) for path in sorted(paths.figures("full").glob("*.json"))]
    for each in sorted(sides, key=lambda s: (s["notebook"], s["figure"])):
        name, alt = each["figure"], escape(each["alt"])
        picture = f'<a href="{name}.pdf"><img src="{name}.png" width="240" alt="{alt}"></a>'
        where = f"[{each['notebook'][:2]}](../notebooks/{each['notebook']}.ipynb)"
        rows.append(f"| {picture} | **{name}**: {each['caption']} | {where} | {', '.join(each['claims'])} |")
    return "\n".join(rows)


GENERATED = {  # file -> marker -> what stands between its two marks
    "README.md": {
        "answer": answer,
        "summary": summary,
        "headlines": headlines,
        "figure": figure,
        "findings": findings,
        "table1": table1,
        "gates": gates,
        "provenance": made_by,
        "real": real,
        "redrawn": redrawn,
    },
    "ARTEFACT.md": {"commands": commands},
    "figures/README.md": {"index": index},
}


def renewed(file: str, text: str) -> str:
    """Return a file's text with every generated part renewed.

    Raises:
        ValueError: for a missing marker.
    """
    for name, make in GENERATED[file].items():
        start, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        pattern = re.compile(f"{start}.*?{end}", re.S)
        if not pattern.search(text):
            raise ValueError(f"{file}: expected the markers `{start}` and `{end}`")
        part = f"{start}\n{make()}\n{end}"
        text = pattern.sub(lambda _: part, text)
    return text


def write_readme() -> None:
    """Write the generated parts of every file that has some."""
    for file in GENERATED:
        path = paths.ROOT / file
        old = path.read_text()
        if (new := renewed(file, old)) != old:
            write(path, new)
            print(f"{file}: generated parts renewed")
