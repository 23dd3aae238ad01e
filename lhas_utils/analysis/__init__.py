"""From tidy rows to numbers: metrics, statistics of paired runs, tables, theory, and the difficulty study."""

from . import agreement, bound, common_start, coverage, lhas_map, metrics, optimum, statistics, theory
from .agreement import concentration_against_spread, correlations, decision_accuracy, fit_quality
from .bound import bounds
from .common_start import branched, known, trajectory
from .gate import gate, gate_line, rises
from .level_gate import difficulty_gate, learnt, level_reach
from .lhas_map import cell_words, differences_by_cell, map_runs
from .optimum import by_slice, difficulty_rows, difficulty_runs, grid, measures, per_run, ridge, with_a_peak
from .scorecard import LEVELS, carded, first_gain, overlap, scorecard
from .statistics import differences, readable
from .summary import COMMON_START, arms, runs, summary
from .tables import (
    TEXT_METRICS,
    against_published,
    against_random,
    evidence,
    minus_random,
    predicted,
    save_table,
    text_summary,
    text_table,
    whose,
    with_differences,
)
from .tuning import choice, halving
