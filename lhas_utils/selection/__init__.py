"""Who picks: what a selector may look at, per-example signals, the selectors and the check of their picks."""

from . import selectors, signals
from .context import History, SelectionContext, coverage, squared_distances
from .diagnostics import concentration, drift, entropy
from .lhas import clusters, lhas, top_eigenvector, uds, utility_diversity
from .picks import as_indices, checked, name_of, standardise, top_k
from .registry import PAPER, SELECTORS, get, selector
