"""A run's tables of intervals against the published ones: does this machine find what was published?"""

import pandas as pd

from ..core import paths

_INTERVALS = {"metric", "mean", "low", "high", "n_seeds"}


def verify(profile: str) -> pd.DataFrame:
    """Compare a run's tables with the published ones, metric by metric.

    Returns:
        DataFrame table, name, metric, published interval, this run's mean, `inside` (the mean lies in the published
        95 % interval widened to this run's own smaller number of seeds).

    Raises:
        ValueError: where this run has no tables yet, or of other conditions than the published ones.
    """
    out = []
    for path in sorted(paths.data("full").glob("*.csv")):
        mine = paths.data(profile) / path.name
        published = pd.read_csv(path)
        if not mine.exists() or not _INTERVALS <= set(published.columns):
            continue
        own, keys = pd.read_csv(mine), [c for c in published.columns if c not in _INTERVALS - {"metric"}]
        if lacking := set(published.columns) - set(own.columns):
            what = f"expected the columns {', '.join(sorted(lacking))}; got {', '.join(own.columns)}"
            raise ValueError(f"{mine.relative_to(paths.ROOT)}: {what}; run `make all PROFILE={profile}` again")
        both = published.merge(own, on=keys, suffixes=("", "_run"))
        widen = (1 + both["n_seeds"] / both["n_seeds_run"].clip(lower=1)) ** 0.5
        compared = {
            "table": path.stem,
            "name": both[keys[0]],
            "metric": both["metric"],
            "published": both["mean"],
            "low": both["mean"] - widen * (both["mean"] - both["low"]),
            "high": both["mean"] + widen * (both["high"] - both["mean"]),
            "this run": both["mean_run"],
        }
        out.append(pd.DataFrame(compared).assign(inside=lambda t: t["this run"].between(t["low"], t["high"])))
    if not out:
        where = paths.data(profile).relative_to(paths.ROOT)
        raise ValueError(f"nothing to compare: expected tables in {where}; run `make all PROFILE={profile}` first")
    return pd.concat(out, ignore_index=True).dropna(subset=["published"])


def show_verify(profile: str) -> None:
    """Print `verify`: every value outside its interval, and the share inside per table."""
    table = verify(profile)
    outside = table[~table["inside"]]
    if len(outside):
        print(outside.drop(columns="inside").round(3).to_string(index=False))
    for name, part in table.groupby("table"):
        inside = f"{int(part['inside'].sum()):4} of {len(part):4} means inside the published interval"
        print(f"{name:20} {inside}, widened for this run's seeds")
    print("A prediction interval for the mean of fewer seeds: about 1 in 20 values falls outside by chance.")
