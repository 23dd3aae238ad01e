"""Every selector by name: `@selector` enters a function."""

from collections.abc import Callable
from functools import partial

from ..core import choose

PAPER = ("random", "loss", "gradient", "diversity", "quality", "utility_diversity", "lhas")  # Table 1
SELECTORS: dict[str, Callable] = {}


def selector(function: Callable) -> Callable:
    """Enter a function `select(ctx, budget, *, rng)` into `SELECTORS` under its own name and return it."""
    if function.__name__ in SELECTORS:
        raise ValueError(f"selector: expected a new name; got {function.__name__!r}, which is taken")
    SELECTORS[function.__name__] = function
    return function


def get(name: str, **params) -> Callable:
    """Return a registered selector with its parameters bound; unknown names and parameters are errors."""
    function = SELECTORS[choose("selector", name, SELECTORS)]
    known = list(function.__kwdefaults__ or {})
    for key in params:
        choose(f"parameter of selector {name!r}", key, known or ["(none)"])
    return partial(function, **params) if params else function
