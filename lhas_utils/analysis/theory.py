"""The local analysis of arXiv:2605.30537 (section 3, App. B) in closed form.

theta (p,) parameters; theta*_t (p,) and H_t (p, p), symmetric PSD, optimum and curvature of stage t's
loss L_t(theta) = 1/2 ||theta - theta*_t||^2_{H_t}; gbar_S (p,) the mean gradient of a selection S;
eta the step size (not the eta of eq. 5).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize


def quadratic_loss(theta: ArrayLike, theta_star: ArrayLike, H: ArrayLike) -> float:
    """Return L(theta) = 1/2 (theta - theta*)^T H (theta - theta*), in [0, inf)."""
    d = np.asarray(theta, float) - theta_star
    return float(d @ H @ d / 2)


def expansion(theta: ArrayLike, theta_star: ArrayLike, H: ArrayLike, gbar: ArrayLike) -> tuple[float, float, float]:
    """Return (L, l, q) with L(theta - eta gbar) = L - eta l + eta^2/2 q for every eta, exactly.

    l = <gbar, H(theta - theta*)>, q = gbar^T H gbar >= 0. Paper: App. B.1.

    >>> expansion([1.0], [0.0], np.array([[2.0]]), np.array([3.0]))
    (1.0, 6.0, 18.0)
    """
    gbar = np.asarray(gbar, float)
    d = np.asarray(theta, float) - theta_star
    return quadratic_loss(theta, theta_star, H), float(gbar @ H @ d), float(gbar @ H @ gbar)


def critical_eta(theta: ArrayLike, theta_star: ArrayLike, H: ArrayLike, gbar_a: ArrayLike, gbar_b: ArrayLike) -> float:
    """Return the step size up to which Prop. 1 holds for a pair with l_a < l_b.

    L(theta'_a) - L(theta'_b) = eta (l_b - l_a) - eta^2/2 (q_b - q_a), hence
    eta* = 2 (l_b - l_a) / (q_b - q_a); infinite where q_b <= q_a ("comparable second-order terms").

    Raises:
        ValueError: unless l_a < l_b, the premise of Prop. 1.
    """
    (_, l_a, q_a), (_, l_b, q_b) = (expansion(theta, theta_star, H, g) for g in (gbar_a, gbar_b))
    if not l_a < l_b:
        raise ValueError(f"premise of Prop. 1: expected l_a < l_b; got l_a = {l_a}, l_b = {l_b}")
    return 2 * (l_b - l_a) / (q_b - q_a) if q_b > q_a else float("inf")


def proposition_1(
    theta: ArrayLike, theta_star: ArrayLike, H: ArrayLike, gbar_a: ArrayLike, gbar_b: ArrayLike, eta: float
) -> tuple[bool, bool]:
    """Return (premise l_a < l_b, conclusion L(theta'_a) > L(theta'_b)) after one step of size eta."""
    (_, l_a, _), (_, l_b, _) = (expansion(theta, theta_star, H, g) for g in (gbar_a, gbar_b))
    a, b = (quadratic_loss(np.asarray(theta) - eta * np.asarray(g), theta_star, H) for g in (gbar_a, gbar_b))
    return l_a < l_b, a > b


def counter_example(eta: float = 2 / 7) -> dict[str, np.ndarray]:
    """Return two selections of equal current gain whose loss order flips just above `eta`.

    Stage t sees coordinate 0 only, stage t+1 the other two, both with unit curvature; theta = (1, 1, 0),
    both optima at 0, gbar_a = (1, 1, 0), gbar_b = (1, 2, c). Then l = (1, 2), q = (1, 4 + c^2) and
    critical_eta = 2 / (3 + c^2). The same first coordinate gives the same current gain at every step
    size; c is gradient that the next stage did not ask for. As eta -> 0 is allowed, no step size is
    safe for all pairs.

    Args:
        eta: in (0, 2/3], the critical step size wanted; another value is a `ValueError`.

    Returns:
        theta, theta_star, gbar_a, gbar_b, shape (3,), and H_now, H_next, shape (3, 3).
    """
    if not 0 < eta <= 2 / 3:
        raise ValueError(f"eta: expected a number in (0, 2/3]; got {eta!r}")
    c = np.sqrt(max(2 / eta - 3, 0.0))
    return {
        "theta": np.array([1.0, 1.0, 0.0]),
        "theta_star": np.zeros(3),
        "H_now": np.diag([1.0, 0.0, 0.0]),
        "H_next": np.diag([0.0, 1.0, 1.0]),
        "gbar_a": np.array([1.0, 1.0, 0.0]),
        "gbar_b": np.array([1.0, 2.0, c]),
    }


def spectrum(share: float, d: int) -> np.ndarray:
    """Return d eigenvalues with sum 1 whose largest is `share` in [1/d, 1] and the rest equal.

    Raises:
        ValueError: for a share that no spectrum has.
    """
    if not 1 / d <= share <= 1:
        raise ValueError(f"share: expected a number in [1/{d}, 1]; got {share!r}")
    return np.r_[share, np.full(d - 1, (1 - share) / max(d - 1, 1))]


def transfer_moments(G: ArrayLike, Sigma_f: ArrayLike) -> tuple[float, float]:
    """Return mean and variance of the transfer X = f^T G f to a future direction f ~ N(0, Sigma_f).

    X is the mean of <f, g_i>^2 over the selection, G its second moment (eq. 4):
    E X = tr(G Sigma_f), Var X = 2 tr((G Sigma_f)^2). For Sigma_f = I with p_i = lambda_i / tr G,
    Var X / (E X)^2 = 2 sum p_i^2, and C^2 <= sum p_i^2 <= C with C the concentration. Of a single
    fixed direction (G = gbar gbar^T) it is always 2. Paper: App. B.2, which proves no formula.

    >>> transfer_moments(np.diag([1.0, 3.0]), np.eye(2))
    (4.0, 20.0)
    """
    A = np.asarray(G, float) @ np.asarray(Sigma_f, float)
    return float(np.trace(A)), float(2 * np.trace(A @ A))


def simulate_transfer(G: ArrayLike, Sigma_f: ArrayLike, draws: int, *, rng: np.random.Generator) -> np.ndarray:
    """Return `draws` samples of X = f^T G f, f ~ N(0, Sigma_f), shape (draws,)."""
    f = rng.multivariate_normal(np.zeros(len(G)), Sigma_f, size=draws, method="eigh")
    return np.einsum("ni,ij,nj->n", f, G, f)


def equiangular(T: int, angle: float) -> np.ndarray:
    """Return T unit vectors with every pairwise angle `angle` (radians), rows of a (T, T) array.

    Raises:
        ValueError: unless cos(angle) >= -1/(T-1).
    """
    values, vectors = np.linalg.eigh((1 - np.cos(angle)) * np.eye(T) + np.cos(angle))
    if values[0] < -1e-9:
        raise ValueError(f"angle: expected cos(angle) >= -1/(T-1) = {-1 / (T - 1):.3f}; got {np.cos(angle):.3f}")
    return vectors * np.sqrt(np.maximum(values, 0))


def minimise_on_simplices(loss: Callable, gradient: Callable, T: int, J: int, tol: float = 1e-6) -> np.ndarray:
    """Return argmin of a convex f over T mixtures, w (T, J), w >= 0, rows summing to 1.

    The Frank-Wolfe gap sum_t max_s <grad_t, w_t - s> bounds f(w) - min f.

    Args:
        loss, gradient: of w flat, (T J,), to f and to its slope (T J,).

    Raises:
        ValueError: where the gap is above `tol` (1 + f(w)).
    """
    rows = {"type": "eq", "fun": lambda w: w.reshape(T, J).sum(1) - 1, "jac": lambda w: np.kron(np.eye(T), np.ones(J))}
    start = np.full(T * J, 1 / J)
    within = {"bounds": [(0, 1)] * (T * J), "constraints": rows}
    found = minimize(loss, start, jac=gradient, method="SLSQP", options={"ftol": 1e-15, "maxiter": 500}, **within)
    w = np.maximum(found.x.reshape(T, J), 0)
    w /= w.sum(1, keepdims=True)
    g = gradient(w.ravel()).reshape(T, J)
    gap = float(((g * w).sum(1) - g.min(1)).sum())
    if gap > tol * (1 + loss(w.ravel())):
        raise ValueError(f"mixture problem: expected a relative optimality gap of at most {tol}; got {gap:.2e}")
    return w


def stage_model(
    optima: ArrayLike, H: ArrayLike, kappa: float = 1.0, alpha: float = 0.0
) -> dict[str, float | np.ndarray]:
    """Solve a sequence of T quadratic stages for the myopic and the long-horizon selection, exactly.

    A selection is a mixture w_t of the T sources (source j alone has optimum theta*_j); training goes
    the share kappa of the way to the mixture's optimum, as n steps of gradient descent do with
    kappa = 1 - (1 - eta h)^n: theta_t = theta_{t-1} + kappa (sum_j w_tj theta*_j - theta_{t-1}), from 0.
    Myopic: each w_t minimises L_t(theta_t). Long: all w minimise eq. 2 with Perf = -loss,
    J = sum_t L_t(theta_T) + alpha sum_{t<T} L_{t+1}(theta_t); the area under an adaptation curve of
    gradient descent is proportional to the loss it starts from. beta = gamma = 0.

    Args:
        optima: (T, p), rows theta*_t. H: (T, p, p). kappa: in (0, 1]. alpha: >= 0.

    Returns:
        myopic, long: mixtures (T, T); J_myopic, J_long; regret = J_myopic - J_long >= 0. With kappa = 1,
        alpha = 0, H_t = I and optima at one mutual angle, regret = (T - 1) sin^2(angle / 2).
    """
    optima, H = np.asarray(optima, float), np.asarray(H, float)
    T, p = optima.shape
    if not 0 < kappa <= 1:
        raise ValueError(f"kappa: expected a number in (0, 1]; got {kappa!r}")
    decay = np.array([[kappa * (1 - kappa) ** (t - s) if s <= t else 0.0 for s in range(T)] for t in range(T)])
    terms = [(T - 1, t, 1.0) for t in range(T)] + [(t, t + 1, float(alpha)) for t in range(T - 1)]

    def objective(w, terms, slope=False):
        path = decay @ w.reshape(T, T) @ optima
        if not slope:
            return sum(weight * quadratic_loss(path[at], optima[of], H[of]) for at, of, weight in terms)
        return sum(
            weight * np.outer(decay[at], optima @ H[of] @ (path[at] - optima[of])) for at, of, weight in terms
        ).ravel()

    myopic = np.zeros((T, T))
    for t in range(T):  # w_t is row t; earlier rows are already chosen, later ones do not act on theta_t

        def with_row(row, t=t):
            return np.vstack([myopic[:t], np.reshape(row, (1, T)), np.zeros((T - t - 1, T))]).ravel()

        def slope(row, t=t):
            return objective(with_row(row), [(t, t, 1.0)], slope=True).reshape(T, T)[t]

        (myopic[t],) = minimise_on_simplices(lambda row: objective(with_row(row), [(t, t, 1.0)]), slope, 1, T)
    long = minimise_on_simplices(lambda w: objective(w, terms), lambda w: objective(w, terms, slope=True), T, T)
    now, later = objective(myopic.ravel(), terms), objective(long.ravel(), terms)
    return {"myopic": myopic, "long": long, "J_myopic": now, "J_long": later, "regret": now - later}
