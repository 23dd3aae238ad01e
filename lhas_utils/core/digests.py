"""Digests: one for what a run is asked (its spec), one for the code that answers.

`code` follows the functions and classes that its roots reach and reads their normalised source (`source`); what is
not reached does not count. Values of globals, of closures and of defaults count as values. So an added metric or a
reworded error keeps cached runs valid.
"""

import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache, cached_property, partial
from pathlib import Path, PurePath
from types import CellType, FunctionType, MethodType, ModuleType

import joblib

from . import source

LIBRARIES = ("torch", "transformers", "peft", "numpy", "scipy")  # whose versions count: they do the arithmetic
_OURS = __name__.partition(".")[0]
_NAMING = tuple(f"{__package__}.{m}" for m in ("digests", "files", "paths", "settings", "source"))  # keep results


class Registry(dict):
    """A dict of which a spec picks an entry: who reads it does not reach the entries; `code` is given the one."""


def digest(*parts: object) -> str:
    """Return 16 hex digits that identify `parts`: specs, strings, numbers, and lists and dicts of them.

    >>> digest([1, 2]) == digest((1, 2)) != digest([2, 1])
    True
    """
    return hashlib.sha256(json.dumps([_plain(p) for p in parts], sort_keys=True).encode()).hexdigest()[:16]


def _plain(value):
    if is_dataclass(value):
        return [type(value).__name__, {f.name: _plain(getattr(value, f.name)) for f in fields(value)}]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def code(*roots: object) -> str:
    """Return the digest of the source that functions, classes and values reach, and of `LIBRARIES`.

    Args:
        roots: functions, classes, methods, partials, objects that are called, or plain values.
    """
    reader = _Reader()
    named = [reader.describe(root) for root in roots]
    return digest(named, reader.found, versions())


@cache
def versions() -> dict[str, str]:
    """Return the versions of `LIBRARIES` by name, without the part after `+` that names a build."""
    return {name: importlib.metadata.version(name).partition("+")[0] for name in LIBRARIES}


class _Reader:
    """Texts that identify values; the source of code in them goes to `found`, by name."""

    def __init__(self):
        self.found: dict[str, str] = {}
        self.open: list[int] = []  # what is being described, so that a circle ends

    def describe(self, value: object) -> str:
        """Return a text that is the same for the same value in every process and every checkout."""
        if value is None or isinstance(value, (str, bytes, int, float, complex, range)):
            return repr(value)
        if id(value) in self.open:
            return getattr(value, "__qualname__", type(value).__name__)
        self.open.append(id(value))
        try:
            return self._described(value)
        finally:
            self.open.pop()

    def _described(self, value) -> str:
        if isinstance(value, partial):
            return f"partial {self.describe([value.func, value.args, value.keywords])}"
        if isinstance(value, MethodType):
            return f"method {self.describe(value.__func__)} of {self.describe(value.__self__)}"
        if isinstance(value, ModuleType):
            return f"module {value.__name__}"
        if hasattr(value, "__wrapped__") and _is_installed(value):  # cached or decorated by a library
            return self.describe(value.__wrapped__)
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, (list, tuple, set, frozenset)):
            parts = [self.describe(v) for v in value]
            return f"{type(value).__name__} {sorted(parts) if isinstance(value, (set, frozenset)) else parts}"
        if isinstance(value, Registry):
            return "registry"
        if isinstance(value, dict):
            return str({str(k): self.describe(v) for k, v in value.items()})
        if isinstance(value, PurePath):
            return f"path {value}"
        if not _is_installed(value):
            return f"object {self.describe(type(value))} {self.describe(value.__getstate__())}"
        torch = sys.modules.get("torch")
        if torch and isinstance(value, torch.nn.Module):
            return f"{value!r} {self.describe(dict(value.state_dict()))}"
        try:
            if torch and isinstance(value, torch.Tensor):  # pickled, it would show where it lies
                value = (str(value.dtype), value.shape, value.detach().cpu().reshape(-1).view(torch.uint8).numpy())
            return joblib.hash(value)
        except Exception:  # not everything can be pickled
            return repr(value)

    def _function(self, value: FunctionType) -> str:
        module = value.__globals__.get("__name__", "")
        name = f"{module}.{value.__code__.co_qualname}"
        if _is_installed(value) or module in _NAMING:
            return name
        read, bound = source.of_function(value), _bound(value)
        name = self._enter(name, read, {k: v for k, v in value.__globals__.items() if k not in bound})
        own = [self.describe(v) for v in (value.__defaults__, value.__kwdefaults__) if v]
        own += self._reached(read.reads, bound)
        return f"{name} with {own}" if own else name

    def _class(self, value: type) -> str:
        name = f"{value.__module__}.{value.__qualname__}"
        if _is_installed(value) or value.__module__ in _NAMING:
            return name
        read = source.of_class(value)
        if read is None:
            return f"class {name} {self.describe(_members(value))} {self.describe(value.__bases__)}"
        names = [f.__globals__ for f in vars(value).values() if isinstance(f, FunctionType) and not _is_installed(f)]
        return self._enter(name, read, [*names, getattr(sys.modules.get(value.__module__), "__dict__", {})][0])

    def _enter(self, name: str, read: source.Source, names: dict) -> str:
        """Put a piece of source and what it takes from `names` into `found`; return its name there."""
        name += f" {digest(read.text)}"
        if name not in self.found:
            self.found[name] = ""
            self.found[name] = "\n".join([read.text, *self._reached(read.reads, names)])
        return name

    def _reached(self, reads: Iterable[tuple[str, ...]], names: dict) -> list[str]:
        return sorted({f"{dotted}: {self.describe(v)}" for dotted, v in _follow(reads, names)})


def _follow(reads: Iterable[tuple[str, ...]], names: dict) -> Iterator[tuple[str, object]]:
    """Yield (dotted name, value) of what source reads, as far as modules lead."""
    for first, *rest in sorted(reads):
        if first not in names:
            continue
        value, dotted = names[first], first
        while rest and isinstance(value, ModuleType) and value.__name__ not in _NAMING and hasattr(value, rest[0]):
            dotted += f".{rest[0]}"
            value = getattr(value, rest.pop(0))
        yield dotted, value


def _bound(function: FunctionType) -> dict[str, object]:
    """Return what a closure holds, by name; a name without a value yet is left out."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
    full = {name: cell for name, cell in cells.items() if cell != CellType()}
    return {name: cell.cell_contents for name, cell in full.items()}


def _members(kind: type) -> dict[str, object]:
    """Return the functions and values of a class whose text is not known."""

    def bare(value):
        if isinstance(value, property):
            return [value.fget, value.fset]
        return value.func if isinstance(value, cached_property) else getattr(value, "__func__", value)

    found = {k: bare(v) for k, v in vars(kind).items()}
    hidden = [k for k, v in found.items() if k.startswith(("__", "_abc_")) and not isinstance(v, FunctionType)]
    return {k: v for k, v in sorted(found.items()) if k not in hidden}


def _is_installed(value: object) -> bool:
    """Tell whether code, or the class of an object, is of Python or an installed library: versions stand for it."""
    if isinstance(value, FunctionType):
        name = value.__globals__.get("__name__") or "__main__"
    else:
        name = (value if isinstance(value, type) else type(value)).__module__
    top = name.partition(".")[0]
    if top in (_OURS, "__main__"):
        return False
    if top in sys.stdlib_module_names:
        return True
    known = [sys.modules[m] for m in (name, top) if m in sys.modules]
    file = next(filter(None, (getattr(m, "__file__", None) for m in known)), None)
    if file is None:
        return bool(known)  # compiled
    return (
        "site-packages" in file
        or "dist-packages" in file
        or any(map(Path(file).is_relative_to, _wheels().get(top, ())))
    )


@cache
def _wheels() -> dict[str, list[Path]]:
    """Return, by package, the folders in which wheels put it, whatever they are called (`pip install --target`).

    A package in development has its record elsewhere than its files, or none.
    """
    of = importlib.metadata.packages_distributions().items()
    known = {top: [importlib.metadata.distribution(name) for name in filter(None, names)] for top, names in of}
    return {top: [Path(d.locate_file("")) for d in each if d.read_text("RECORD")] for top, each in known.items()}
