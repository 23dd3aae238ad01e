"""Digests of specs and of code: what changes them, and what does not."""

import importlib.metadata
import importlib.util
import itertools
import linecache
import subprocess
import sys
import textwrap
import threading
from copy import deepcopy
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from lhas_utils.core import Checkpoint, ModelSpec, Registry, TrainSpec, code, digest, digests
from lhas_utils.studies import RunSpec
from lhas_utils.worlds import TextWorld, WorldSpec

# ---- specs ---------------------------------------------------------------------------------------


def test_equal_specs_have_equal_digests():
    one, other = RunSpec("random", 3, world=WorldSpec(noise=0.2)), RunSpec("random", 3, world=WorldSpec(noise=0.2))
    assert digest(one) == digest(other)
    assert len(digest(one)) == 16


def test_a_whole_number_is_the_same_setting_as_a_float():
    assert RunSpec("random", 0, budget=1) == RunSpec("random", 0, budget=1.0)
    assert digest(RunSpec("random", 0, budget=1)) == digest(RunSpec("random", 0, budget=1.0))


@pytest.mark.parametrize(
    "change",
    [
        {"selector": "loss"},
        {"seed": 1},
        {"budget": 0.3},
        {"params": (("alpha", 2.0),)},
        {"world": WorldSpec(noise=0.11)},
        {"world": TextWorld("abc")},
        {"model": ModelSpec(steps=801)},
        {"model": Checkpoint("owner/name")},
        {"train": TrainSpec(rank=4)},
    ],
)
def test_every_field_changes_the_digest(change):
    spec = RunSpec("random", 0)
    assert digest(replace(spec, **change)) != digest(spec)


def test_kinds_with_the_same_fields_are_told_apart():
    assert digest(Checkpoint("a", "b")) != digest({"name": "a", "fingerprint": "b"})


# ---- code: from files, from cells, from cells with a magic ----------------------------------------

COUNT = itertools.count()


class Sources:
    """Runs the same text as a reader could: in a module, in a notebook's cell, in a cell whose text nobody keeps."""

    def __init__(self, folder: Path, kind: str):
        self.folder, self.kind = folder, kind

    def __call__(self, text: str) -> SimpleNamespace:
        text = textwrap.dedent(text)
        if self.kind == "file":
            folder = self.folder / str(next(COUNT))
            folder.mkdir()
            (folder / "own.py").write_text(text)
            spec = importlib.util.spec_from_file_location("own", folder / "own.py")
            module = sys.modules["own"] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
        name = f"<cell {next(COUNT)}>"
        if self.kind == "cell":
            linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        names = {"__name__": "__main__"}
        exec(compile(text, name, "exec"), names)
        return SimpleNamespace(**names)


@pytest.fixture(params=["file", "cell", "magic"])
def run(request, tmp_path):
    yield Sources(tmp_path, request.param)
    sys.modules.pop("own", None)


@pytest.fixture(params=["file", "cell"])
def read(request, tmp_path):
    """As `run`, where the text can be read."""
    yield Sources(tmp_path, request.param)
    sys.modules.pop("own", None)


SELECT = """
    import numpy as np

    WEIGHT = 2.0
    TABLE = {"a": 1.0, "b": [1, 2]}

    def helper(x):
        return WEIGHT * np.sqrt(x.loss) + TABLE["a"]

    def select(ctx, budget, *, rng, power=1):
        scores = [helper(c) for c in (ctx,) if c.stage in {1, 2, 3}]
        return np.argsort(-scores[0] ** power)[:budget]
"""
CHANGES = {
    "a constant of the function": ("stage in {1, 2, 3}", "stage in {1, 2, 4}"),
    "an operator": ("-scores[0]", "+scores[0]"),
    "a default": ("power=1", "power=2"),
    "an attribute": ("c.stage", "c.step"),
    "a global": ("WEIGHT = 2.0", "WEIGHT = 3.0"),
    "an element of a global": ("[1, 2]}", "[1, 3]}"),
    "the name of a library function": ("np.argsort", "np.argpartition"),
    "a constant of a helper": ('["a"]', '["b"]'),
    "a library function of a helper": ("np.sqrt", "np.log"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_can_change_a_number_changes_the_digest(run, change):
    now = code(run(SELECT).select)
    assert code(run(SELECT).select) == now
    assert CHANGES[change][0] in SELECT
    assert code(run(SELECT.replace(*CHANGES[change])).select) != now


NEUTRAL = {
    "a comment": ("return np.argsort", "# a comment\n        return np.argsort"),
    "a docstring": ("    scores = [", '    """Say what it does."""\n        scores = ['),
    "annotations": ("power=1):", "power: int = 1) -> list[int]:"),
    "a local annotation": ("scores = [", "scores: list = ["),
    "a print": ("return WEIGHT", "print('here', x)\n        return WEIGHT"),
    "an import": ("import numpy as np", "import json\n    import numpy as np"),
    "a function that is not reached": ("    def helper", "    def other():\n        return 1\n\n    def helper"),
    "a global that is not reached": ("WEIGHT = 2.0", "WEIGHT = 2.0\n    UNUSED = 1"),
}


@pytest.mark.parametrize("change", NEUTRAL)
def test_what_cannot_change_a_number_does_not_change_the_digest(read, change):
    assert NEUTRAL[change][0] in SELECT
    assert code(read(SELECT.replace(*NEUTRAL[change])).select) == code(read(SELECT).select)


CHECK = """
    def select(ctx, budget, *, rng):
        if budget < 1:
            got = f"{type(budget).__name__} {budget}"
            raise ValueError(f"budget: expected one or more; got {got}") from None
        return ctx.loss
"""


@pytest.mark.parametrize(
    "change", [("expected one or more", "must be one or more"), ("__name__} {b", "__name__} of {b")]
)
def test_a_reworded_error_does_not_change_the_digest(read, change):
    assert change[0] in CHECK
    assert code(read(CHECK.replace(*change)).select) == code(read(CHECK).select)


def test_the_kind_of_an_error_and_its_condition_do(read):
    now = code(read(CHECK).select)
    assert code(read(CHECK.replace("ValueError", "TypeError")).select) != now
    assert code(read(CHECK.replace("budget < 1", "budget < 2")).select) != now


def test_a_text_that_is_used_counts(read):
    text = "def select(ctx):\n    name = f'{ctx}a'\n    return name\n"
    assert code(read(text).select) != code(read(text.replace("}a", "}b")).select)


def test_the_order_of_functions_does_not_matter(read):
    one, other = "def a(x):\n    return x\n", "def b(x):\n    return a(x) + 1\n"
    assert code(read(one + other).b) == code(read(other + one).b)


CLASS = """
    LOW = 1

    class Weighted:
        scale = 10

        def __init__(self, weight):
            self.weight = weight

        def __call__(self, ctx, budget, *, rng):
            return self.pick(ctx, budget)

        def pick(self, ctx, budget):
            return self.weight * ctx.loss + self.bonus + LOW

        @property
        def bonus(self):
            return 7
"""


@pytest.mark.parametrize(
    "change",
    [("scale = 10", "scale = 20"), ("+ self.bonus", "- self.bonus"), ("return 7", "return 8"), ("LOW = 1", "LOW = 2")],
)
def test_an_object_is_known_by_its_whole_class(run, change):
    now = code(run(CLASS).Weighted(1))
    assert now == code(run(CLASS).Weighted(1)) != code(run(CLASS).Weighted(2))
    assert change[0] in CLASS
    assert code(run(CLASS.replace(*change)).Weighted(1)) != now


@pytest.mark.parametrize("change", [("scale = 10", "scale = 20"), ("return 7", "return 8")])
def test_so_is_a_bound_method_and_an_object_that_a_function_uses(run, change):
    user = (
        CLASS
        + "\n    one = Weighted(1)\n\n    def select(ctx, budget, *, rng):\n        return one.pick(ctx, budget)\n"
    )
    for get in (lambda own: own.one.pick, lambda own: own.select):
        assert code(get(run(user))) == code(get(run(user))) != code(get(run(user.replace(*change))))


def test_objects_with_slots_and_of_derived_classes():
    def make(value, extra=0):
        class Base:
            __slots__ = ("value",)

            def __call__(self, ctx, budget, *, rng):
                return self.value + extra

        class Derived(Base):
            __slots__ = ()

        out = Derived()
        out.value = value
        return out

    assert code(make(1)) == code(make(1)) != code(make(2))
    assert code(make(1)) != code(make(1, extra=1))


def test_a_base_class_counts(run):
    text = "class A:\n    def f(self):\n        return 1\n\nclass B(A):\n    pass\n"
    assert code(run(text).B()) != code(run(text.replace("return 1", "return 2")).B())


def test_values_that_closures_hold():
    def make(weight, helper=None):
        def select(ctx, budget, *, rng):
            return weight * (helper(ctx) if helper else ctx.loss)

        return select

    assert code(make(1.0)) == code(make(1.0)) != code(make(2.0))
    assert code(make(1.0, len)) != code(make(1.0, sum))
    assert code(make(1.0, make(2.0))) != code(make(1.0, make(3.0)))
    frames = [pd.DataFrame({"x": np.arange(500) + (np.arange(500) == k)}) for k in (250, 251)]
    assert str(frames[0]) == str(frames[1])  # the same when printed
    assert code(make(frames[0])) != code(make(frames[1]))
    arrays = np.zeros(2000), np.eye(1, 2000)[0]
    assert code(make(arrays[0])) == code(make(np.zeros(2000))) != code(make(arrays[1]))
    assert code(make(torch.zeros(3))) == code(make(torch.zeros(3))) != code(make(torch.ones(3)))
    model = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    assert code(make(model[0])) == code(make(deepcopy(model[0]))) != code(make(model[1]))
    assert code(make(Path("a.npy"))) != code(make(Path("b.npy")))
    assert code(make({1, 2})) != code(make({1, 3}))
    assert code(make(print)) == code(make(print))
    assert code(make(threading.Lock())) != code(make(1.0))  # cannot be pickled


def test_two_closures_of_one_function_in_one_selector():
    def scaled(by):
        def inner(x):
            return by * x

        return inner

    def make(a, b):
        first, second = scaled(a), scaled(b)

        def select(ctx, budget, *, rng):
            return first(ctx.loss) + second(ctx.quality)

        return select

    assert len({code(make(*pair)) for pair in ((1, 2), (1, 3), (2, 1))}) == 3
    loop = [[lambda x, k=k: k * x for k in pair] for pair in ((1, 2), (1, 3))]
    assert code(*loop[0]) != code(*loop[1])


def test_functions_that_share_a_line_are_told_apart():
    first, second = (lambda ctx, n, *, rng: ctx.loss), (lambda ctx, n, *, rng: ctx.coverage)
    assert code(first) != code(second)
    low, high = (lambda ctx, n, *, rng: ctx.loss * 2), (lambda ctx, n, *, rng: ctx.loss * 3)
    assert code(low) != code(high)
    inner = (lambda n: lambda x: x * 2), (lambda n: lambda x: x * 3)
    assert len({code(f) for f in inner} | {code(f(0)) for f in inner}) == 4


def test_partials_are_known_by_their_arguments():
    def select(ctx, budget, *, rng, x=0, y=0):
        return x

    assert code(partial(select, x=1)) == code(partial(select, x=1)) != code(partial(select, x=2))
    assert code(partial(select, x=1)) != code(partial(select, y=1))
    assert code(partial(partial(select, x=1), y=2)) != code(partial(select, x=1))


DECORATED = """
    import functools

    def scaled(by):
        def decorate(f):
            @functools.wraps(f)
            def inner(*args, **more):
                return by * 5 * f(*args, **more)

            return inner

        return decorate

    @scaled(2)
    def select(ctx, budget, *, rng):
        return ctx.loss + 1

    class Holder:
        @scaled(4)
        def pick(self, ctx):
            return ctx.loss
"""


@pytest.mark.parametrize("change", [("@scaled(2)", "@scaled(3)"), ("by * 5", "by * 6"), ("loss + 1", "loss + 2")])
def test_a_decorator_of_ones_own_counts(run, change):
    assert change[0] in DECORATED
    assert code(run(DECORATED).select) == code(run(DECORATED).select)
    assert code(run(DECORATED.replace(*change)).select) != code(run(DECORATED).select)


@pytest.mark.parametrize("change", [("@scaled(4)", "@scaled(3)"), ("by * 5", "by * 6")])
def test_so_does_one_of_a_method(run, change):
    assert code(run(DECORATED.replace(*change)).Holder().pick) != code(run(DECORATED).Holder().pick)


def test_decorators_of_libraries_change_no_number(read):
    plain = "import torch\nfrom functools import cache\n\ndef f(x):\n    return x + 1\n"
    now = code(read(plain).f)
    for decorator in ("@torch.no_grad()", "@cache"):
        assert code(read(plain.replace("def f", f"{decorator}\ndef f")).f) == now
        assert code(read(plain.replace("def f", f"{decorator}\ndef f").replace("+ 1", "+ 2")).f) != now


def test_functions_that_call_each_other_end():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n > 0 and even(n - 1)

    @cache
    def power(n):
        return 2 * power(n - 1) if n else 1

    assert code(even) == code(even) != code(odd)
    assert code(power) == code(power)
    circle = [1]
    circle.append(circle)
    assert code(circle) == code(circle) != code([2, [2]])


def test_a_helper_in_a_folder_that_is_no_package_counts(tmp_path, monkeypatch):
    found = []
    for i, text in enumerate(("x + 1", "x + 2")):
        folder = tmp_path / str(i) / "mine"
        folder.mkdir(parents=True)
        (folder / "helpers.py").write_text(f"def f(x):\n    return {text}\n")
        monkeypatch.syspath_prepend(folder.parent)
        import mine.helpers

        def select(ctx):
            return mine.helpers.f(ctx)  # noqa: B023 the module of this turn

        found.append((code(select), code(mine.helpers.f)))
        for name in ("mine", "mine.helpers"):
            sys.modules.pop(name)
    assert found[0][0] != found[1][0] and found[0][1] != found[1][1]


@pytest.mark.parametrize("record, own", [("theirs/__init__.py,,\n", False), (None, True)])
def test_a_wheel_is_a_library_in_any_folder(tmp_path, monkeypatch, record, own):
    found = []
    for i, text in enumerate(("x + 1", "x + 2")):
        folder, info = (tmp_path / str(i) / name for name in ("theirs", "theirs-1.dist-info"))
        folder.mkdir(parents=True)
        info.mkdir()
        (folder / "__init__.py").write_text(f"def f(x):\n    return {text}\n")
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
        (info / "top_level.txt").write_text("theirs\n")
        if record:
            (info / "RECORD").write_text(record)
        monkeypatch.syspath_prepend(folder.parent)
        digests._wheels.cache_clear()
        import theirs

        found.append(code(theirs.f))
        sys.modules.pop("theirs")
        monkeypatch.undo()
    digests._wheels.cache_clear()
    assert (found[0] != found[1]) == own


def test_who_reads_a_registry_does_not_reach_its_entries():
    def read_from(entries):
        def select(ctx):
            return entries[ctx.name]

        return code(select)

    assert read_from(Registry(a=1)) == read_from(Registry(a=2, b=3)) != read_from({"a": 1})


def test_library_versions_change_the_code_digest(monkeypatch):
    now = code(digest)
    monkeypatch.setattr(importlib.metadata, "version", lambda package: "0.0")
    digests.versions.cache_clear()
    assert code(digest) != now
    digests.versions.cache_clear()


ELSEWHERE = """
import sys, types

package = types.ModuleType("lhas_utils")
package.__path__ = [sys.argv[1]]
sys.modules["lhas_utils"] = package
from lhas_utils.core import code

def even(n, names=frozenset({"a", "b", "c"})):
    return n in {"x", "y", "z"} or odd(n - 1) or n in names

def odd(n):
    return any(f(n) for f in (even, odd, zero))

def zero(n):
    return even(n)

names = {"__name__": "__main__"}
exec("def cell(n): return n in {'x', 'y', 'z'} and helper(n)\\ndef helper(n): return [n for _ in 'ab']", names)
print(code(even), code(odd), code({"p", "q", "r"}), code(names["cell"]))
"""


def test_no_order_of_sets_and_no_address_is_in_a_digest(tmp_path):
    (tmp_path / "x.py").write_text(ELSEWHERE)
    package = str(Path(digests.__file__).parents[1])
    said = {
        subprocess.run(
            [sys.executable, "x.py", package],
            cwd=tmp_path,
            env={"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2, 3)
    }
    assert len(said) == 1 and len(set(said.pop().split())) == 4
