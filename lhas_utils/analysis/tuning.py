"""How the weights of LHAS were chosen: successive halving over settings, read from its rows and from nothing else."""

import pandas as pd

from ..runs import ROUNDS


def halving(runs: pd.DataFrame, quantity: str = "long_horizon") -> pd.DataFrame:
    """Return the rounds of a tuning, one row a round and setting, the best of each round first.

    A round holds the settings that have a run on each of its seeds and of the seeds of the rounds before. As many go
    on as the next round has, the best by their mean over all these seeds; one after the last round, which is the
    choice.

    Args:
        runs: one row per run of the experiment `develop` (`summary`); LHAS's `params` tell the settings apart.
        quantity: what was maximised.

    Returns:
        DataFrame round (from 1), params, mean, minus_random, n_seeds, kept (by this rule), went_on (has runs in the
        next round; for the last round the same as kept).

    Raises:
        ValueError: runs without LHAS or Random on a seed.
    """
    wide = {name: part.set_index("seed") for name, part in runs.groupby("selector")}
    if lacking := {"lhas", "random"} - set(wide):
        raise ValueError(f"halving: expected runs of lhas and random; got none of {', '.join(sorted(lacking))}")
    scores = wide["lhas"].reset_index().pivot(index="seed", columns="params", values=quantity)
    random = wide["random"][quantity]
    rounds, seen = [], []
    for which in ROUNDS:
        seen += [s for s in which if s in scores.index]
        rounds.append(scores.loc[seen].dropna(axis=1))
    out = []
    for k, part in enumerate(rounds):
        mean = part.mean().sort_values(ascending=False, kind="stable")
        following = list(rounds[k + 1].columns) if k + 1 < len(rounds) else [mean.index[0]]
        for place, params in enumerate(mean.index):
            numbers = (mean[params], mean[params] - random[part.index].mean(), len(part))
            out.append((k + 1, params, *numbers, place < len(following), params in following))
    columns = ["round", "params", "mean", "minus_random", "n_seeds", "kept", "went_on"]
    return pd.DataFrame(out, columns=columns)


def choice(rounds: pd.DataFrame) -> str:
    """Return in words what a tuning (`halving`) chose, on how many seeds, and how far it lies from the next best."""
    last = rounds[rounds["round"] == rounds["round"].max()]
    best = last.iloc[0]
    words = ", ".join(f"{n} setting{'s' * (n != 1)}" for n in rounds.groupby("round").size())
    seeds = ", ".join(map(str, rounds.groupby("round")["n_seeds"].first()))
    text = f"Rounds of {words} on {seeds} development seeds. Chosen: {best['params']}; "
    text += f"U_long {best['mean']:.3f}, {best['minus_random']:+.3f} against Random"
    return text + (f", {best['mean'] - last.iloc[1]['mean']:+.3f} against the second." if len(last) > 1 else ".")
