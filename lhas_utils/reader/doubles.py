"""Doubles for a trial: copies of a selector as it came, contexts with other signals, global randomness in any state."""

import inspect
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

import cloudpickle
import numpy as np
import torch

from ..selection import SelectionContext

_LOOKED_AT = ("model", "frozen", "pool", "encoded", "validation", "proxy", "history", "stage")


@contextmanager
def by_value(select: Callable) -> Iterator[None]:
    """Let a selector of somebody's own file be pickled as code: who reads it may not find the file."""
    module = sys.modules.get(getattr(select, "__module__", None) or "")
    own = module is not None and module.__name__.partition(".")[0] not in ("__main__", "lhas_utils")
    if own:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        if own:
            cloudpickle.unregister_pickle_by_value(module)


def copies(select: Callable) -> Callable[[], Callable]:
    """Return a function that makes copies of a selector as it is now, with what it remembers; itself if none can be."""
    try:
        with by_value(select):
            code = cloudpickle.dumps(select)
        cloudpickle.loads(code)
    except Exception:  # an open file, a lock, a generator: many kinds of error
        return lambda: select
    return lambda: cloudpickle.loads(code)


def altered(inner: SelectionContext, change: Callable, drop: str = "") -> SelectionContext:
    """Return a context whose array signals pass through `change(name, values)`, without the pool's column `drop`."""

    class Altered(SelectionContext):
        def __init__(self):
            self.__dict__ |= {k: v for k, v in vars(inner).items() if k in _LOOKED_AT} | {"terms": {}}
            if drop:
                self.pool = inner.pool.remove_columns(drop)

        def __getattribute__(self, name):
            kind = None if name.startswith("_") else inspect.getattr_static(SelectionContext, name, None)
            if isinstance(kind, (property, cached_property)):
                if name == drop:
                    return self._column(name)
                return change(name, np.asarray(getattr(inner, name), float))
            return object.__getattribute__(self, name)

    return Altered()


def seeded(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def global_state() -> dict[str, str]:
    """Return the state of each global generator by the name of its library."""
    name, keys, *rest = np.random.get_state()
    states = {"random": repr(random.getstate()), "NumPy": repr((name, keys.tolist(), rest))}
    return states | {"torch": repr(torch.get_rng_state().tolist())}


@contextmanager
def as_it_was() -> Iterator[None]:
    """Leave the global generators in the state in which they were, whatever happens."""
    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.set_rng_state(kept[2])
