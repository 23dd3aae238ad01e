"""Graded exercises: canonical solutions, checks that teach, and the student's text made from both.

An exercise is a solution whose docstring is the goal. `stub` and `notes` write what the notebook
shows; a test compares them with the stored notebook, so that text and solution cannot drift apart.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

import numpy as np

from ..selection import SELECTORS, standardise, top_k
from .practice import context
from .rules import returned

lu = SimpleNamespace(SELECTORS=SELECTORS, standardise=standardise, top_k=top_k)  # solutions are shown as students write


@cache
def _context(profile: str = "smoke"):
    return context(profile)


def _tokens(ctx) -> np.ndarray:
    return np.array([len(r.split()) + 1 for r in ctx.pool["response"]])


def middle_loss(ctx, budget, *, rng):
    """Highest loss, but first drop the 15 % of the pool with the very highest: much of it is noise."""
    n = len(ctx)
    drop = min(int(0.15 * n), n - budget)  # so that budget n still works
    order = np.argsort(-ctx.loss, kind="stable")
    return order[drop : drop + budget]


def fair_length(ctx, budget, *, rng):
    """Highest nuclear norm against equals: minus the mean of the pool's examples with as many words in the response."""
    words = np.array([len(r.split()) for r in ctx.pool["response"]])
    score = ctx.nuclear_norm.copy()
    for w in np.unique(words):
        score[words == w] -= score[words == w].mean()
    return lu.top_k(score, budget)


def balanced(ctx, budget, *, rng):
    """Equal turns for every task: the best of each by ctx.align_current, then the second best, ..."""
    task = np.array(ctx.pool["task"])
    turn = np.empty(len(ctx))
    for name in np.unique(task):
        mine = np.flatnonzero(task == name)
        turn[mine[np.argsort(-ctx.align_current[mine], kind="stable")]] = np.arange(len(mine))
    order = np.lexsort((-ctx.align_current, turn))
    return order[:budget]


def no_twins(ctx, budget, *, rng):
    """Best align_current first, but skip twins: cosine of ctx.sketch with a pick above 0.8 (fill up at the end)."""
    order = np.argsort(-ctx.align_current, kind="stable")
    chosen, skipped = [], []
    for i in order:
        twin = len(chosen) and (ctx.sketch[chosen] @ ctx.sketch[i]).max() > 0.8
        (skipped if twin else chosen).append(i)
    return np.array((chosen + skipped)[:budget])


def my_lhas(ctx, budget, *, rng):
    """Eq. 5 in one shot: standardised nuclear norm + 3 coverage + 3 cosine_proxy - 0.3 crowding, terms explained.

    Crowding of x: the share of the pool that lies in x's cluster, by k-means (8, rng=0, minit="++") of ctx.embedding.
    """
    from scipy.cluster.vq import kmeans2

    _, label = kmeans2(ctx.embedding, min(8, len(ctx)), minit="++", rng=0)
    crowding = np.bincount(label)[label] / len(ctx)
    terms = {
        "utility": lu.standardise(ctx.nuclear_norm),
        "coverage": 3 * lu.standardise(ctx.coverage),
        "proxy_gain": 3 * lu.standardise(ctx.cosine_proxy),
        "penalty": -0.3 * lu.standardise(crowding),
    }
    picks = lu.top_k(sum(terms.values()), budget)
    ctx.explain(picks, **{name: values[picks] for name, values in terms.items()})
    return picks


def _same_as(solution, attempt, ctx, budget):
    right = set(solution(ctx, budget, rng=np.random.default_rng(0)))
    return len(right & set(attempt)) / budget


def _check_middle(ctx, picks):
    loss = ctx.loss
    dropped = np.argsort(-loss, kind="stable")[: int(0.15 * len(ctx))]
    if np.isin(dropped, picks).any():
        return (
            f"{np.isin(dropped, picks).sum()} of your picks are among the 15 % with the highest loss: leave those "
            "out first"
        )
    if loss[picks].mean() < np.median(loss):
        return "your picks have a low loss: sort by -ctx.loss to have the highest first"


def _check_length(ctx, picks):
    tokens, k = _tokens(ctx), len(picks)
    mean, by_norm = (tokens[i].mean() for i in (picks, lu.top_k(ctx.nuclear_norm, k)))
    if mean > by_norm - 0.25:
        return (
            f"your picks have {mean:.1f} tokens on average, as many as by the plain nuclear norm ({by_norm:.1f}): "
            "take the length out first"
        )
    if mean < tokens.mean() - 1:
        return (
            f"your picks have {mean:.1f} tokens on average, the pool {tokens.mean():.1f}: division goes too far, "
            "compare with equals"
        )
    own = fair_length(ctx, k, rng=None)
    if ctx.nuclear_norm[picks].mean() < 0.9 * ctx.nuclear_norm[own].mean():
        return "among equals, other examples have a higher nuclear norm: keep the highest"


def _check_balanced(ctx, picks):
    task = np.array(ctx.pool["task"])
    names, there = np.unique(task, return_counts=True)
    taken = np.array([(task[picks] == name).sum() for name in names])
    left = taken < there  # tasks that could have given more
    if left.any() and taken.max() > taken[left].min() + 1:
        return (
            f"'{names[taken.argmax()]}' gave {taken.max()} picks and '{names[left][taken[left].argmin()]}' gave "
            f"{taken[left].min()}: take turns"
        )
    for name in names:
        mine = np.flatnonzero(task == name)
        best = mine[np.argsort(-ctx.align_current[mine], kind="stable")]
        k = (task[picks] == name).sum()
        if set(best[:k]) - set(picks):
            return f"within '{name}' the picks are not those with the highest ctx.align_current"


def _check_twins(ctx, picks):
    cosine = ctx.sketch[picks] @ ctx.sketch[picks].T
    twins = int((np.triu(cosine, 1) > 0.8).sum())
    own = ctx.sketch[(s := no_twins(ctx, len(picks), rng=None))] @ ctx.sketch[s].T
    if twins > (np.triu(own, 1) > 0.8).sum():
        return f"{twins} pairs of picks have gradient directions with a cosine above 0.8"
    if ctx.align_current[picks].mean() < 0.9 * ctx.align_current[s].mean():
        return "your picks align less than they could without twins: begin with the highest ctx.align_current"


def _check_lhas(ctx, picks):
    lacking = {"utility", "coverage", "proxy_gain", "penalty"} - set(ctx.terms)
    if lacking:
        return f"the score is not explained: ctx.explain(picks, ...) lacks {', '.join(sorted(lacking))}"
    if np.mean(ctx.terms["proxy_gain"]) <= 0:
        return "your picks point away from the proxy: its term has the sign +"


@dataclass(frozen=True)
class Exercise:
    """One exercise: its solution, how hard and long it is, a hint, and a check of properties."""

    solution: Callable
    difficulty: str
    minutes: int
    title: str
    hint: str
    check: Callable


EXERCISES = (
    Exercise(
        middle_loss,
        "easy",
        5,
        "Loss without the noise",
        "`np.argsort(-ctx.loss)` lists the pool from highest to lowest loss; a slice of it is the answer.",
        _check_middle,
    ),
    Exercise(
        fair_length,
        "easy",
        5,
        "A norm that does not count tokens",
        '`ctx.pool["response"]` holds texts; `len(text.split())` counts words. Copy the norm, then subtract a '
        "mean per length.",
        _check_length,
    ),
    Exercise(
        balanced,
        "medium",
        10,
        "Everybody's turn",
        "Rank the examples within each task (0, 1, 2, ...) and sort by that rank; `np.lexsort` breaks ties by a "
        "second key.",
        _check_balanced,
    ),
    Exercise(
        no_twins,
        "medium",
        10,
        "No twins",
        "Rows of `ctx.sketch` have length about 1, so `ctx.sketch[chosen] @ ctx.sketch[i]` are cosines with all "
        "picks so far.",
        _check_twins,
    ),
    Exercise(
        my_lhas,
        "hard",
        20,
        "Equation 5",
        "One dict of four arrays, `sum(terms.values())`, `lu.top_k`, then `ctx.explain(picks, "
        "**{name: values[picks] ...})`.",
        _check_lhas,
    ),
)


def get(number: int) -> Exercise:
    """Return exercise 1, 2, ...; another number is an error that lists them."""
    if number not in range(1, len(EXERCISES) + 1):
        raise ValueError(f"exercise: expected 1 to {len(EXERCISES)}; got {number!r}")
    return EXERCISES[number - 1]


def task(number: int) -> str:
    """Return the Markdown before an exercise: title, difficulty, minutes, goal."""
    e = get(number)
    goal = " ".join(inspect.getdoc(e.solution).split())
    return f"### Exercise {number}: {e.title}\n\n*{e.difficulty}, {e.minutes} min.* {goal}"


def stub(number: int) -> str:
    """Return the student's cell: the solution's signature, a body that runs, and the check."""
    name = get(number).solution.__name__
    return (
        f"def {name}(ctx, budget, *, rng):\n"
        "    # your code in place of the next line, which falls back to Random\n"
        '    return lu.SELECTORS["random"](ctx, budget, rng=rng)\n'
        f"\n\nlu.exercises.check({number}, {name})"
    )


def notes(number: int) -> str:
    """Return the Markdown after an exercise: hint and solution, folded."""
    e = get(number)
    code = inspect.getsource(e.solution).rstrip()
    return (
        f"<details><summary>Hint</summary>\n\n{e.hint}\n\n</details>\n\n"
        f"<details><summary>Solution</summary>\n\n```python\n{code}\n```\n\n</details>"
    )


def check(number: int, attempt: Callable, profile: str = "smoke") -> None:
    """Print `not attempted yet`, `passed`, or what to look at next."""
    e, ctx = get(number), _context(profile)
    budget = len(ctx) // 4
    ctx.terms.clear()
    problem = returned(attempt, ctx, budget)
    if problem:
        print(f"exercise {number}: {problem}")
        return
    picks = np.asarray(attempt(ctx, budget, rng=np.random.default_rng(0)))
    if set(picks) == set(lu.SELECTORS["random"](ctx, budget, rng=np.random.default_rng(0))):
        print(f"exercise {number}: not attempted yet (these are the random selector's picks)")
        return
    problem = e.check(ctx, picks)
    if problem:
        print(f"exercise {number}: {problem}")
        return
    share = _same_as(e.solution, picks, ctx, budget)
    print(f"exercise {number}: passed" + ("" if share == 1 else f"; {share:.0%} of your picks are also the solution's"))
