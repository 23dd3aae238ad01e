"""Numbers become pictures: every selector in one colour, every figure with a sidecar of what it shows."""

from . import branch_figures, difficulty_figures, maps, theory_figures
from .branch_figures import learning, low_start, now_later
from .comparisons import (
    concentration,
    conditions,
    curves,
    diagnostics,
    differences,
    gap,
    race,
    rank_reversal,
    ratios,
    real_text,
    scatter,
    true_effect,
)
from .concept import concept
from .ledger_figures import ledger
from .lhas_figures import lhas_map
from .llm_figures import decisions, worlds
from .maps import heatmap, regimes
from .pick_figures import picks
from .sidecar import save_figure
from .style import (
    COLOURS,
    COLUMN,
    LABELS,
    MARKERS,
    NAMES,
    PAGE,
    UNITS,
    forest,
    interval,
    show,
    side,
    style,
    style_of,
    subplots,
)
from .utility_figures import order_map, utility_terms
from .words import found
