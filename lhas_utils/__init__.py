"""Companion to arXiv:2605.30537 (long-term effects of data selection) and arXiv:2605.12906 (data difficulty).

Rooms, each importing only from those before it: core, worlds, learning, selection, studies, runs, analysis, claims,
figures, reader. What notebooks use stands here.
"""

import os
import signal
import sys

if sys.argv[:1] == ["-m"]:  # so while `python -m lhas_utils` loads its libraries: Ctrl-C ends it without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from . import analysis, claims, core, figures, learning, selection, studies, worlds
from .analysis import evidence, gate, gate_line, metrics, minus_random, runs, save_table, summary, theory
from .analysis import statistics as stats
from .claims import check_claim, ledger, quoted, ranking
from .core import ModelSpec, TrainSpec
from .figures import difficulty_figures as difficulty_plots
from .figures import found, save_figure
from .figures import theory_figures as theory_plots
from .reader import check_selector, compare, context, exercises, explain, live, own_specs, start
from .runs import (
    ABLATIONS,
    WEIGHTS,
    base_line,
    experiment,
    llm_line,
    llm_specs,
    picks,
    published,
    results,
)
from .selection import SELECTORS, SelectionContext, coverage, selectors, signals, standardise, top_k
from .studies import RunSpec
from .worlds import WorldSpec

plots = regime_plots = figures

__all__ = """
    ABLATIONS ModelSpec RunSpec SELECTORS SelectionContext TrainSpec WEIGHTS WorldSpec analysis base_line
    check_claim check_selector claims compare context core coverage difficulty_plots evidence exercises
    experiment explain figures found gate gate_line learning ledger live llm_line llm_specs metrics
    minus_random own_specs picks plots published quoted ranking regime_plots results runs save_figure
    save_table selection selectors signals standardise start stats studies summary theory theory_plots top_k
    worlds
""".split()
