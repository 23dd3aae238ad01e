"""Trajectory diagnostics of a selection (arXiv:2605.30537, section 3): what needs the model is measured in the run."""

from collections.abc import Sequence

import numpy as np
import torch


def entropy(labels: Sequence) -> float:
    """Return the entropy of cluster labels in nats, in [0, ln(number of clusters)].

    >>> round(entropy(["a", "a", "b", "b"]), 4)
    0.6931
    """
    _, counts = np.unique(np.asarray(labels), return_counts=True)
    share = counts / counts.sum()
    return float(-(share * np.log(share)).sum())


def concentration(gram: np.ndarray, normalise: bool = False, eps: float = 1e-12) -> float:
    """Return C(S) = lambda_max(G) / (tr(G) + eps), Definition 1, from the Gram matrix <g_i, g_j> (k, k).

    The k x k Gram matrix has the non-zero spectrum of k G, so no p x p matrix is formed. With
    `normalise` every g_i is divided by its norm first: the raw value depends on gradient norms. In [1/k, 1].

    >>> round(concentration(np.eye(4)), 3)
    0.25
    """
    K = np.asarray(gram, float)
    if normalise:
        norm = np.sqrt(np.maximum(np.diag(K), eps))
        K = K / norm[:, None] / norm[None]
    return float(np.linalg.eigvalsh(K)[-1] / (np.trace(K) + eps))


def drift(updates: Sequence[torch.Tensor]) -> float:
    """Return the cosine distance between the last stage's update (p,) and the sum of the earlier ones.

    In [0, 2]; NaN for the first stage (paper, section 3, diagnostic iii).
    """
    if len(updates) < 2:
        return float("nan")
    new, old = updates[-1].double(), sum(updates[:-1]).double()
    return float(1 - new @ old / (new.norm() * old.norm()).clamp(min=1e-12))
