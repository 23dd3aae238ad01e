"""The ledger: claims as written in `claims.yml`, effects from runs, one verdict each.

`claims.yml` fixes statement, statistic, direction and smallest effect of interest before the
evaluation seeds are run. A claim is either a list of paired contrasts on an experiment or a check
function; both give effects signed so that positive is what the claim says.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import import_module

import numpy as np
import pandas as pd
import yaml

from . import experiments, paths, stats

VERDICTS = ("REPRODUCED", "PARTLY", "CONTRADICTED", "INCONCLUSIVE", "NOT TESTABLE")
COLUMNS = ["id", "verdict", "part", "effect", "low", "high", "n_seeds", "profile", "note"]
_REQUIRED = ("id", "statement", "where", "kind", "notebook", "smallest", "test")


@dataclass(frozen=True)
class Effect:
    """One signed effect: positive is what the claim says; [low, high] is its 95 % interval."""

    name: str
    effect: float
    low: float
    high: float
    n_seeds: int
    smallest: float = 0.0
    p: float | None = None


@cache
def contract() -> dict[str, dict]:
    """Return the claims of `claims.yml` by id; a missing or repeated field is an error that names it."""
    out = {}
    for entry in yaml.safe_load((paths.ROOT / "claims.yml").read_text()):
        lacking = [f for f in _REQUIRED if f not in entry]
        if lacking or entry.get("id") in out:
            raise ValueError(f"claims.yml, {entry.get('id')}: " + (f"expected field {lacking[0]!r}" if lacking else "id used twice"))
        if entry["kind"] != "out of scope" and not ("contrasts" in entry or "check" in entry):
            raise ValueError(f"claims.yml, {entry['id']}: expected `contrasts` or `check`")
        out[entry["id"]] = entry
    return out


def get(claim: str) -> dict:
    """Return one claim's contract; an unknown id is an error that lists the known ones."""
    if claim not in contract():
        raise ValueError(f"claim: expected one of {', '.join(contract())}; got {claim!r}")
    return contract()[claim]


def contrast(runs: pd.DataFrame, spec: dict, smallest: float) -> Effect | None:
    """Return the paired effect of one contrast on per-run metrics; None if no seed has both sides.

    Args:
        runs: one row per run (`experiments.summary`).
        spec: `metric`; `a` and `b`, selectors or {column: value} filters of the two sides;
            `direction` greater (a above b) or less; optional `margin`, added to the effect of a
            claim that a is not worse than b by more than that; optional `minus`, another pair a, b
            whose difference is taken off (a difference of differences).
        smallest: smallest effect of interest, in the metric's unit.
    """

    def side(which):
        chosen = {"selector": which} if isinstance(which, str) else which
        part = runs
        for column, value in chosen.items():
            part = part[part[column].isna() if value is None else part[column] == value]
        return part.drop_duplicates("seed").set_index("seed")[spec["metric"]]

    d = side(spec["a"]) - side(spec["b"])
    if "minus" in spec:
        d = d - (side(spec["minus"]["a"]) - side(spec["minus"]["b"]))
    d = d.dropna()
    if d.empty:
        return None
    sign = {"greater": 1, "less": -1}[spec["direction"]]
    d = sign * d + spec.get("margin", 0.0)
    mean, low, high = stats.interval(d)
    name = f"{spec['metric']}: {_side_name(spec['a'])} {'>' if sign > 0 else '<'} {_side_name(spec['b'])}"
    if "minus" in spec:
        name += f", more than {_side_name(spec['minus']['a'])} against {_side_name(spec['minus']['b'])}"
    return Effect(name, mean, low, high, len(d), spec.get("smallest", smallest), stats.sign_flip(d))


def _side_name(side) -> str:
    return side if isinstance(side, str) else ", ".join(f"{k}={v}" for k, v in side.items())


def effects(claim: str, profile: str) -> list[Effect]:
    """Compute a claim's effects on the runs of a profile."""
    entry = get(claim)
    if entry["kind"] == "out of scope":
        return []
    if "contrasts" in entry:
        runs = pd.concat([experiments.runs(name, profile) for name in entry["experiment"].split()])
        found = [contrast(runs, c, entry["smallest"]) for c in entry["contrasts"]] if len(runs) else []
        if profile == "full" and (None in found or not found):
            raise ValueError(f"claim {claim}: the published runs lack a side of a contrast; check its filters in claims.yml")
        return [e for e in found if e is not None]
    module, name = entry["check"].split(".")
    found = getattr(import_module(f"lhas_utils.{module}"), name)(profile)
    found = found if isinstance(found, list) else [found]
    return [Effect(**({"smallest": entry["smallest"]} | f)) for f in found]


def judge(effect: Effect, p_holm: float | None = None) -> str:
    """Return the verdict of one effect.

    REPRODUCED: interval above 0, effect at least the smallest of interest and, where a test
    applies, Holm-adjusted p < 0.05. CONTRADICTED: the whole interval lies below the smallest
    effect of interest (or at or below 0). INCONCLUSIVE otherwise.
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
    """Return the effect that stands for a claim: of those with the worst verdict, the one with the lowest lower bound."""
    order = ("CONTRADICTED", "INCONCLUSIVE", "REPRODUCED")
    return min(zip(found, each), key=lambda pair: (order.index(pair[1]), pair[0].low))[0]


def _power(e: Effect) -> str:
    """Say what an undecided effect's seeds could see, and how many would narrow its interval to the smallest effect."""
    half = (e.high - e.low) / 2
    text = f"power: {e.name} is known to +-{half:.2g} with {e.n_seeds} seeds"
    if 0 < e.smallest < half:
        text += f", about {np.ceil(e.n_seeds * (half / e.smallest) ** 2):.0f} would bring that to {e.smallest:g}"
    return text


def verdicts(profile: str, ids=None) -> pd.DataFrame:
    """Judge claims on a profile's runs; Holm runs over the contrasts of one claim.

    Returns:
        DataFrame with `COLUMNS`; part, effect, low and high are those of the claim's `weakest`
        effect, in units that make positive what the claim says. A note
        says how near an inconclusive effect is known, and where the seeds are too few for the test
        to reach significance at all.
    """
    rows = []
    for c in ids or contract():
        found, notes = effects(c, profile), [get(c).get("note", "")]
        tested = [e for e in found if e.p is not None]
        adjusted = dict(zip(map(id, tested), stats.holm([e.p for e in tested]))) if tested else {}
        each = [judge(e, adjusted.get(id(e))) for e in found]
        worst = weakest(found, each) if found else Effect("", np.nan, np.nan, np.nan, 0)
        reachable = min((len(tested) * 2.0 ** (1 - e.n_seeds) for e in tested), default=0)
        if reachable >= 0.05:
            notes.insert(0, f"underpowered: {worst.n_seeds} seeds reach p = {min(reachable, 1):.2g} at best")
        notes[:0] = [_power(e) for e, v in zip(found, each) if v == "INCONCLUSIVE" and e.n_seeds]
        if len(found) > 1:
            notes.insert(0, "; ".join(f"{e.name} {v}" for e, v in zip(found, each)))
        rows.append((c, combine(each), worst.name, worst.effect, worst.low, worst.high, worst.n_seeds, profile, ". ".join(filter(None, notes))))
    return pd.DataFrame(rows, columns=COLUMNS)


def publish(profile: str) -> pd.DataFrame:
    """Judge every claim, write `data/claims.csv` of the profile and return it."""
    table = verdicts(profile)
    path = paths.data(profile) / "claims.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(path, index=False, lineterminator="\n")
    return table


def published() -> pd.DataFrame:
    """Return the published verdicts, `figures/data/claims.csv`, indexed by id (empty before the first run)."""
    path = paths.data("full") / "claims.csv"
    return pd.read_csv(path, keep_default_na=False, na_values=[""]).set_index("id") if path.exists() else pd.DataFrame(columns=COLUMNS).set_index("id")


def _count(n_seeds) -> str:
    return f"{int(n_seeds)} seed{'s' if n_seeds > 1 else ''}" if n_seeds else "exact"


def check_claim(claim: str, setup) -> None:
    """Print a claim, this run's effect beside the published one, and the published verdict.

    A run of fewer seeds never announces a verdict of its own: it says whether its effect lies in
    the published interval of the claim's `weakest` part. The `full` profile is the published run and judges.
    """
    entry, found = get(claim), effects(claim, setup.profile)
    table = published()
    if setup.profile == "full" or claim not in table.index:
        row = verdicts(setup.profile, [claim]).iloc[0]
        word = row["verdict"] if setup.profile == "full" else "not published yet"
    else:
        row = table.loc[claim]
        word = row["verdict"]
    print(f"{claim}  {entry['statement']}  ({entry['where']})")
    for e in found:
        print(f"    this run    {e.name}: {e.effect:+.3f} [{e.low:+.3f}, {e.high:+.3f}], {_count(e.n_seeds)}")
    if claim in table.index and np.isfinite(row["effect"]) and setup.profile != "full":
        mine = next((e for e in found if e.name == row["part"]), None)
        if mine is None:
            said = "this run leaves it out, PROFILE=full computes it"
        else:
            inside = row["low"] - 1e-3 <= mine.effect <= row["high"] + 1e-3  # published with 4 decimals
            said = f"this run's is {'inside' if inside else 'outside'}"
        print(f"    published   {row['part']}: {row['effect']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}], {_count(row['n_seeds'])}; {said}")
    print(f"    verdict     {entry['note'] if entry['kind'] == 'out of scope' else word}")
    record = {"id": claim, "profile": setup.profile, "verdict": word, "effects": [vars(e) for e in found]}
    path = paths.claims(setup.profile) / f"{claim}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1))
