"""Prop. 1 and App. B.2 of arXiv:2605.30537 measured on the trained model: predicted against actual.

One run takes a checkpoint M_{t-1} in the middle of the skill sequence, many selections S of D_t, and
compares the Taylor terms of the next stage's loss L_{t+1} with what one step, or a whole stage of
training, does to it. Symbols as in `analysis.theory`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..core import ModelSpec, TrainSpec, number, stream
from ..learning import IGNORE, Encoded, copy_of, fit, restore, shuffled, weights
from ..selection import PAPER, History, SelectionContext, checked, concentration, signals
from ..worlds import Corpus, WorldSpec
from .stages import check_run, start

ETAS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # step sizes of the single gradient step


def _flat_loss(model, data: Encoded):
    """Return (flat theta (p,), function theta -> mean example loss) of the trainable parameters."""
    named = {k: p.detach() for k, p in model.named_parameters() if p.requires_grad}
    fixed = {k: v.detach() for k, v in [*model.named_parameters(), *model.named_buffers()] if k not in named}
    sizes = [p.numel() for p in named.values()]
    ids, labels = data.input_ids.to(model.device), data.labels[:, 1:].to(model.device)
    scored = labels != IGNORE

    def loss(theta):
        values = {k: part.view_as(p) for (k, p), part in zip(named.items(), theta.split(sizes))}
        logits = functional_call(model, (values, fixed), kwargs={"input_ids": ids, "use_cache": False}).logits[:, :-1]
        nll = -logits.log_softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0] * scored
        return (nll.sum(1) / scored.sum(1)).mean()

    model.eval()
    return torch.cat([p.flatten() for p in named.values()]), loss


def hvp(model, data: Encoded, directions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (r, HV): gradient (p,) and exact Hessian-vector products (m, p) of the mean example loss.

    H v = grad <grad L(theta), v>, by a second backward pass through the first (Pearlmutter 1994).
    Attention runs in its plain mathematical form, the one that can be differentiated twice.
    """
    theta, loss = _flat_loss(model, data)
    theta.requires_grad_()
    with sdpa_kernel(SDPBackend.MATH):
        (r,) = torch.autograd.grad(loss(theta), theta, create_graph=True)
        products = [torch.autograd.grad(r, theta, grad_outputs=v.to(r), retain_graph=True)[0] for v in directions]
    return r.detach(), torch.stack(products)


def taylor_terms(model, data: Encoded, directions: torch.Tensor) -> np.ndarray:
    """Return (l, q) = (<r, v>, v^T H v) for each direction v, shape (m, 2).

    The predicted change of L under theta - eta v is -eta l, to second order -eta l + eta^2/2 q.

    Args:
        directions: (m, p), for instance mean selected gradients gbar_S.
    """
    r, products = hvp(model, data, directions)
    v = directions.to(r)
    return torch.stack([v @ r, (v * products).sum(1)], 1).cpu().numpy()


@torch.no_grad()
def actual_change(model, data: Encoded, directions: torch.Tensor, etas: Sequence[float]) -> np.ndarray:
    """Return L(theta - eta v) - L(theta), shape (m, len(etas)); the model is left as it was."""
    theta, loss = _flat_loss(model, data)
    start = loss(theta)
    return np.array([[float(loss(theta - eta * v.to(theta)) - start) for eta in etas] for v in directions])


@dataclass(frozen=True)
class LocalSpec:
    """One run of the local analysis.

    Args:
        seed: world, base model and random subsets derive from it.
        stage: t in 1..T-2 counted from 0: the model has been trained on the stages before it.
        random, batches: random selections at the budget, and random selections of `batch_size`.
        trained: how many of the random selections also train for a whole stage.
        budget: share of the pool in a selection.
    """

    seed: int
    stage: int = 1
    random: int = 25
    batches: int = 25
    trained: int = 3
    budget: float = 0.25
    world: WorldSpec = field(default_factory=WorldSpec)
    model: ModelSpec = field(default_factory=ModelSpec)
    train: TrainSpec = field(default_factory=TrainSpec)

    def __post_init__(self):
        check_run(self)
        for name in ("stage", "random", "batches", "trained"):
            number(name, getattr(self, name), 0, 10**4, integer=True)

    @property
    def corpus(self) -> Corpus:
        """What the base model is trained on."""
        return self.world.corpus

    @property
    def selectors(self) -> tuple[str, ...]:
        """Names of the selectors that the run needs."""
        return (*PAPER[1:], "alignment")


def _stage(spec: LocalSpec, model, data, t: int, chosen) -> None:
    """Train the model for one stage on the chosen examples, in the order that the protocol has at this seed."""
    batches = shuffled(stream(spec.seed, "train", t), len(chosen), spec.train.steps, spec.train.batch_size)
    fit(model, data.pools[t].take(chosen), batches, spec.train.lr)


def checkpoint(spec: LocalSpec, model, data):
    """Return M_{t-1}: a copy of the base model trained on random selections of the earlier stages."""
    model = copy_of(model)
    for t in range(spec.stage):
        n = len(data.pools[t])
        chosen = stream(spec.seed, "local", t).choice(n, round(spec.budget * n), replace=False)
        _stage(spec, model, data, t, chosen)
    return model


def selections(spec: LocalSpec, select: Mapping, model, frozen, world, data) -> list[tuple[str, np.ndarray]]:
    """Return (kind, indices): each selector's pick, random selections at the budget, random batches."""
    t, n = spec.stage, len(data.pools[spec.stage])
    pool, validation = world.stages[t].pool, data.validations[t]
    ctx = SelectionContext(model, frozen, pool, data.pools[t], validation, data.proxies[t], History(), t)
    size, rng = round(spec.budget * n), stream(spec.seed, "local subsets")
    out = [(name, checked(f, ctx, size, stream(spec.seed, "select", t, 0))) for name, f in select.items()]
    out += [("random", rng.choice(n, size, replace=False)) for _ in range(spec.random)]
    return out + [("batch", rng.choice(n, spec.train.batch_size, replace=False)) for _ in range(spec.batches)]


def spectra(inner: np.ndarray, gram: np.ndarray) -> dict[str, float]:
    """Return what App. B.2 is about, for k selected gradients g_i and m future directions f_j.

    C and C_normalised (Def. 1, raw and with unit g_i); ipr = sum p_i^2 over the shares of the spectrum;
    spread = Var X / (E X)^2 of the transfer X_j = mean_i <f_j, g_i>^2; spread_gaussian = the same if
    the f were Gaussian with their own second moment, 2 tr((G Sigma_f)^2) / tr(G Sigma_f)^2.

    Args:
        inner: <g_i, f_j>, (k, m). gram: <g_i, g_j>, (k, k).
    """
    p = np.linalg.eigvalsh(gram) / np.trace(gram)
    X = (inner**2).mean(0)
    singular = np.linalg.svd(inner, compute_uv=False)
    return {
        "C": concentration(gram),
        "C_normalised": concentration(gram, normalise=True),
        "ipr": float((p**2).sum()),
        "spread": float(X.var() / X.mean() ** 2),
        "spread_gaussian": float(2 * (singular**4).sum() / (singular**2).sum() ** 2),
    }


def execute(spec: LocalSpec, selectors: Mapping[str, Callable]) -> tuple[pd.DataFrame, None]:
    """Compute one run; return its rows, one per selection, arm and step size, and no picks.

    Columns: subset, kind; arm: `sgd`, theta - eta gbar_S; `adamw`, its first AdamW step; `train`, a
    whole stage of AdamW on S; eta; next: actual change of L_{t+1} on V_{t+1}; first, second: its
    prediction (of `train` the first order of `adamw`); now: first-order change of L_t on V_t (of
    `train` the actual one); length: ||Delta theta||; and the columns of `spectra`, f the unit gradients
    of all later stages' validation examples.
    """
    world, data, _, frozen = start(spec)
    t, lr = spec.stage, spec.train.lr
    model = checkpoint(spec, frozen, data)
    subsets = selections(spec, selectors, model, frozen, world, data)
    G = signals.matrix(model, data.pools[t])
    f = torch.cat([signals.matrix(model, V) for V in data.validations[t + 1 :]])
    inner = (G @ (f / f.norm(dim=1, keepdim=True).clamp(min=1e-12)).T).double().numpy()
    gram = (G @ G.T).double().numpy()
    V_now, V_next = data.validations[t], data.validations[t + 1]
    r_now = signals.mean_gradient(model, V_now)
    gbar = torch.stack([G[torch.as_tensor(S)].mean(0) for _, S in subsets])
    described = [
        {"subset": i, "kind": kind} | spectra(inner[S], gram[np.ix_(S, S)]) for i, (kind, S) in enumerate(subsets)
    ]
    rows, first_order = [], None
    adamw = lr * gbar / (gbar.abs() + 1e-8)  # its first step from zero moments, weight decay aside
    for arm, v, scale in (("sgd", gbar, ETAS), ("adamw", adamw, (1.0,))):
        (l, q), now = taylor_terms(model, V_next, v).T, (v @ r_now).numpy()
        change, length = actual_change(model, V_next, v, scale), v.norm(dim=1).numpy()
        first_order = -l
        for k, eta in enumerate(scale):
            for i, subset in enumerate(described):
                predicted = {"first": -eta * l[i], "second": -eta * l[i] + eta**2 / 2 * q[i], "now": -eta * now[i]}
                step = {"arm": arm, "eta": eta if arm == "sgd" else lr, "next": change[i, k]}
                rows.append(subset | step | predicted | {"length": eta * length[i]})
    before, kinds = weights(model), [kind for kind, _ in subsets]
    whole = [i for i, kind in enumerate(kinds) if kind not in ("random", "batch")]
    for i in whole + [i for i, kind in enumerate(kinds) if kind == "random"][: spec.trained]:
        _stage(spec, model, data, t, subsets[i][1])
        moved = (before - weights(model))[None]
        restore(model, before)
        now, after = (float(actual_change(model, V, moved, (1.0,))[0, 0]) for V in (V_now, V_next))
        step = {"arm": "train", "eta": lr, "next": after, "first": first_order[i], "second": np.nan, "now": now}
        rows.append(described[i] | step | {"length": float(moved.norm())})
    return pd.DataFrame(rows), None
