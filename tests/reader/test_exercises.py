"""Every exercise holds: its solution passes, its stub runs, a wrong attempt is told what to look at."""

import nbformat
import numpy as np
import pytest

import lhas_utils as lu
from lhas_utils.core import paths
from lhas_utils.reader import check_selector, exercises

pytestmark = pytest.mark.filterwarnings("ignore")


def mask(ctx, budget, *, rng):
    return ctx.loss > np.median(ctx.loss)


NUMBERS = range(1, len(exercises.EXERCISES) + 1)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_solution_passes_and_keeps_the_contract(number, capsys):
    solution = exercises.get(number).solution
    exercises.check(number, solution)
    assert capsys.readouterr().out == f"exercise {number}: passed\n"
    assert check_selector(solution)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_stub_runs_and_is_not_attempted(number, capsys):
    exec(exercises.stub(number), {"lu": lu})
    assert capsys.readouterr().out.startswith(f"exercise {number}: not attempted yet")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_wrong_attempt_is_told_what_to_look_at(number, capsys):
    wrong = {1: "loss", 2: "nuclear_norm", 3: "alignment", 4: "alignment", 5: "loss"}[number]
    attempt = lu.SELECTORS.get(wrong) or (lambda ctx, budget, *, rng: lu.top_k(ctx.nuclear_norm, budget))
    exercises.check(number, attempt)
    said = capsys.readouterr().out
    if number != 4:  # in a pool of 48 the best-aligned twelve may hold no twins
        assert "passed" not in said and "not attempted" not in said and len(said) > 40
    exercises.check(number, mask)
    assert "np.flatnonzero(mask)" in capsys.readouterr().out


def test_an_unknown_exercise_is_refused():
    with pytest.raises(ValueError, match="exercise: expected 1 to 5; got 9"):
        exercises.get(9)


def test_the_notebook_shows_what_the_module_generates():
    cells = [c.source for c in nbformat.read(paths.NOTEBOOKS / "08_your_selector.ipynb", as_version=4).cells]
    at = cells.index(exercises.task(1))
    generated = [text(n) for n in NUMBERS for text in (exercises.task, exercises.stub, exercises.notes)]
    assert cells[at : at + len(generated)] == generated
