"""Companion to arXiv:2605.30537 (long-term effects of data selection) and arXiv:2605.12906 (data difficulty)."""

import os

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from . import exercises, ledger, live, metrics, plots, quoted, ranking, regime_plots, selectors, signals, stats, worlds  # noqa: E402
from .claims import check_claim  # noqa: E402
from .config import ModelSpec, RunSpec, TrainSpec, WorldSpec  # noqa: E402
from .context import SelectionContext, coverage  # noqa: E402
from .contract import check_selector, explain  # noqa: E402
from .experiments import experiment, picks, runs, summary  # noqa: E402
from .products import evidence, minus_random, save_figure, save_table  # noqa: E402
from .race import compare  # noqa: E402
from .selectors import SELECTORS, standardise, top_k  # noqa: E402
from .setup import start  # noqa: E402
