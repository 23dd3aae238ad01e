"""Doubles for a trial: copies of a selector as it came, and contexts whose signals are not what they were."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

import cloudpickle
import numpy as np

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
