"""The reader's own text: what is read, whether Random learns anything from it, and only then who picks better."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pandas as pd

from .. import analysis
from ..core import TrainSpec
from ..learning import check_model
from ..runs import base_line, cut_line, fill, measured, missing, results, text_specs, trials
from ..studies import RunSpec
from ..worlds import describe_corpus
from .apart import apart
from .given_model import try_out

RISE = 0.01  # fall of the NLL on the own stage, in nats a token, at which a stage is said to be learnt
HOW = "NLL, as its fall in nats a token"


def trained(specs: list[RunSpec], profile: str) -> Iterator[tuple[TrainSpec, pd.DataFrame]]:
    """Yield each training tried and its gate (Random's own-stage gain on a development seed) until one passes."""
    for trial in trials(specs, profile):
        table = analysis.gate(results([trial]), "nll", RISE)
        yield trial.train, table
        if _stages(table)["passes"].all():
            return


def _stages(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(index="final")


def best(tried: list[tuple[TrainSpec, pd.DataFrame]]) -> TrainSpec:
    """Return the training to use: the one that passes, else the one whose worst stage gains most."""
    return max(tried, key=lambda pair: (_stages(pair[1])["passes"].all(), _stages(pair[1])["gain"].min()))[0]


def _chosen(specs: list[RunSpec], profile: str, say: Callable[[str], None] = lambda line: None) -> list[RunSpec]:
    """Return the runs with the training that Random's gate chooses; `say` is told each one tried."""
    tried = []
    for train, table in trained(specs, profile):
        tried.append((train, table))
        say(_tried_line(train, table))
    return [replace(s, train=best(tried)) for s in specs]


def own_specs(data: str = "", model: str = "", profile: str = "fast", pool: int = 0, seeds: int = 0) -> list[RunSpec]:
    """Return the runs on the reader's text, with the steps and step size that Random's gate chooses.

    They are chosen on a development seed, before any selector is looked at: the first of a few trainings under which
    the NLL on every stage's own skill falls by 0.01 nats a token, else the one whose worst stage gains most.

    Args:
        data, model, profile, pool, seeds: as of `runs.text_specs`.
    """
    return _chosen(text_specs(data, model, profile, pool, seeds), profile)


def _tried_line(train: TrainSpec, table: pd.DataFrame) -> str:
    stages = _stages(table)
    gains = ", ".join(f"{name} {gain:+.3f}" for name, gain in stages["gain"].items())
    verdict = "passes" if stages["passes"].all() else "fails"
    return f"  {train.steps} steps of {train.lr:g}: {verdict} ({gains})"


def run_text(data: str, model: str = "", profile: str = "fast") -> None:
    """Say what is read, try the model, show the gate, then fill the run cache that notebook 07 reads.

    Args:
        data: empty for the generated sentences. model, profile: as of `own_specs`.
    """
    if model:
        check_model(model)
    if data:
        print(f"data: {describe_corpus(data)}", flush=True)
    specs = text_specs(data, model, profile)
    if data:
        print(cut_line(measured(specs[0].world, specs[0].model), specs[0].world.max_length), flush=True)
    print(base_line(specs), flush=True)
    if model:
        try_out(specs[0])
    print(f"gate: does Random learn its own stages (development seed, gain in {HOW})?", flush=True)
    specs = _chosen(specs, profile, say=partial(print, flush=True))
    train = specs[0].train
    print(f"training: {train.steps} steps of {train.lr:g} a stage", flush=True)
    random = [s for s in specs if s.selector == "random"]
    fill(random)
    print(analysis.gate_line(analysis.gate(results(random), "nll", RISE), HOW), flush=True)
    todo = len(missing(specs))
    print(f"runs: {len(specs)} at profile {profile}, {len(specs) - todo} in the cache, {todo} to compute", flush=True)
    fill(specs)
    print(apart(analysis.carded(results(specs), "nll")), flush=True)
