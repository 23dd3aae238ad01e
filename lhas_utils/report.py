"""Reports made from results: a run against the published one, and the README's generated parts."""

import json
import re

import pandas as pd

from . import claims, experiments, paths, products, sweep
from .config import digest, source_digest
from .setup import Setup

_MARK = "<!-- generated: {0} -->\n{1}\n<!-- end: {0} -->"


def publish(profile: str) -> pd.DataFrame:
    """Write every experiment's tidy rows, what made them, and all verdicts; return the verdicts.

    `data/runs_NAME.csv.gz` holds the rows. `data/runs.csv` holds per experiment its number of runs and
    seeds, the digest of its specs, and that of the code and libraries that ran them.
    """
    setup, made = Setup("publish", profile), []
    for name in dict.fromkeys(e for names in experiments.NOTEBOOKS.values() for e in names):
        specs = experiments.EXPERIMENTS[name](profile)
        if not specs:
            continue
        products.save_rows(experiments.experiment(name, profile), f"runs_{name}", setup)
        code = source_digest(*sweep.RUNNERS[type(specs[0]).__name__][1])
        made.append((name, len(specs), len({s.seed for s in specs}), digest(*specs), code))
    products.save_table(pd.DataFrame(made, columns=["experiment", "runs", "seeds", "specs", "code"]), "runs", setup)
    return claims.publish(profile)


def verify(profile: str) -> pd.DataFrame:
    """Compare a run's tables with the published ones, metric by metric.

    Returns:
        DataFrame table, name, metric, published interval, this run's mean, `inside` (the mean lies
        in the published 95 % interval widened to this run's own smaller number of seeds).
    """
    out = []
    for path in sorted(paths.data("full").glob("*.csv")):
        mine = paths.data(profile) / path.name
        published = pd.read_csv(path)
        if not mine.exists() or not {"metric", "mean", "low", "high", "n_seeds"} <= set(published.columns):
            continue
        keys = [c for c in published.columns if c not in ("mean", "low", "high", "n_seeds")]
        both = published.merge(pd.read_csv(mine), on=keys, suffixes=("", "_run"))
        widen = (1 + both["n_seeds"] / both["n_seeds_run"].clip(lower=1)) ** 0.5
        low = both["mean"] - widen * (both["mean"] - both["low"])
        high = both["mean"] + widen * (both["high"] - both["mean"])
        out.append(pd.DataFrame({
            "table": path.stem, "name": both[keys[0]], "metric": both["metric"], "published": both["mean"], "low": low, "high": high,
            "this run": both["mean_run"], "inside": both["mean_run"].between(low, high),
        }))  # fmt: skip
    if not out:
        raise ValueError(f"nothing to compare: expected tables in {paths.data(profile).relative_to(paths.ROOT)}; run `make all PROFILE={profile}` first")
    return pd.concat(out, ignore_index=True).dropna(subset=["published"])


def show_verify(profile: str):
    """Print `verify`: every value outside its interval, and the share inside per table."""
    table = verify(profile)
    outside = table[~table["inside"]]
    if len(outside):
        print(outside.drop(columns="inside").round(3).to_string(index=False))
    for name, part in table.groupby("table"):
        print(f"{name:20} {int(part['inside'].sum()):4} of {len(part):4} means inside the published interval, widened for this run's seeds")
    print("A prediction interval for the mean of fewer seeds: about 1 in 20 values falls outside by chance.")


HEADLINES = ("C17", "R02", "P01", "C12", "A02", "T02", "Q01", "D04", "D13", "D15")  # the ledger's first screen


def claims_table(ids=None) -> str:
    """Return claims of the ledger (all by default) as a Markdown table: claim, where, effect with interval, verdict."""
    table = claims.published()
    lines = ["| id | claim | where | weakest effect [95 % interval] | seeds | verdict |", "|---|---|---|---|---|---|"]
    for claim, entry in claims.contract().items():
        if ids is not None and claim not in ids:
            continue
        if claim in table.index:
            row = table.loc[claim]
            effect = "" if pd.isna(row["effect"]) else f"{row['effect']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
            seeds, verdict = int(row["n_seeds"]) or "", row["verdict"]
        else:
            effect, seeds, verdict = "", "", "not published yet"
        lines.append(f"| {claim} | {entry['statement']} | {entry['where']} | {effect} | {seeds} | {verdict} |")
    return "\n".join(lines)


def headlines() -> str:
    """Return the ten claims that the README opens with."""
    return claims_table(HEADLINES)


def summary_line() -> str:
    """Return one sentence that counts the verdicts."""
    counts = claims.published()["verdict"].value_counts()
    parts = [f"{counts[v]} {v}" for v in claims.VERDICTS if v in counts]
    return f"**{int(counts.sum())} claims: {', '.join(parts)}.**"


def findings() -> str:
    """Return the README's main comparison, Random against each selector, from `table1.csv`."""
    table = pd.read_csv(paths.data("full") / "table1.csv").pivot(index="selector", columns="metric", values="mean")
    table = table[["current", "immediate_utility", "future_auc", "forgetting", "ood", "worst_task", "long_horizon"]].round(3)
    order = list(dict.fromkeys(pd.read_csv(paths.data("full") / "table1.csv")["selector"]))
    lines = ["| selector | " + " | ".join(c.replace("_", " ") for c in table) + " |", "|---" * (len(table.columns) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(f"{v:.3f}" for v in table.loc[name]) + " |" for name in order]
    return "\n".join(lines)


def main_figure() -> str:
    """Return the published Fig. 2 as a Markdown image with its alt text and its caption."""
    side = json.loads((paths.figures("full") / "fig2_rank_reversal.json").read_text())
    return f"![{side['alt']}](figures/fig2_rank_reversal.png)\n\n*{side['caption']}*"


GENERATED = {"summary": summary_line, "headlines": headlines, "figure": main_figure, "claims": claims_table, "table1": findings}


def readme(text: str) -> str:
    """Return README text with every generated part renewed; a missing marker is an error."""
    for name, make in GENERATED.items():
        pattern = re.compile(f"<!-- generated: {name} -->.*?<!-- end: {name} -->", re.S)
        if not pattern.search(text):
            raise ValueError(f"README.md: expected the markers `<!-- generated: {name} -->` and `<!-- end: {name} -->`")
        text = pattern.sub(lambda _: _MARK.format(name, make()), text)
    return text


def write_readme():
    """Write the generated parts of README.md."""
    path = paths.ROOT / "README.md"
    new = readme(path.read_text())
    if new != path.read_text():
        path.write_text(new)
        print("README.md: generated parts renewed")


def figures(profile: str) -> list[dict]:
    """Return the sidecars of a profile's figures, sorted by name."""
    return [json.loads(p.read_text()) for p in sorted(paths.figures(profile).glob("*.json"))]
