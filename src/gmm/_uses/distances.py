"""The `distance` of two mixtures, and a `match` of their components."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.attributes import checked_for, fitted_parameters
from gmm._estimators.fitted import FittedMixture
from gmm._estimators.scorer import Scorer, log_evidence_of
from gmm._fitting.sampling import Rng
from gmm._rows.sources import ArraySource, check_names
from gmm._validation.parameters import check_n_samples, check_random_state
from gmm._validation.scalars import check_choice
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

KINDS = _WASSERSTEIN, _KULLBACK_LEIBLER, _ = ("wasserstein", "kullback-leibler", "bhattacharyya")
_NUMBERS_AT_ONCE = _PAIRED_AT_ONCE = 2_000_000
_MOST_ROUNDS, _SMALL_GAIN = 100, 1e-10  # of a variational bound, in nats
# Costs are at most 1: with the usual 1e-7, components near each other may be exchanged.
_EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
_SMALL_GAP, _RANGE, _ROUNDING = 1e-9, 1e4, 1e-30  # shares of a cost: of a good plan, of relevant ones, and of zero
_EQUAL = 1e-12  # difference of bounds, relative or in nats, below which they are the value
_DISJOINT = 50.0  # nats, above which densities do not overlap
_FAR = 1e300  # in place of infinity and overflows


@dataclass(frozen=True, eq=False, repr=False)
class Distance:
    """The distance of two mixtures; ``float(...)`` is the value.

    Attributes
    ----------
    value : float
    standard_error : float
        Standard error of the value over its draws; 0 if it is exact.
    low, high : float
        Bounds that hold for any draws; equal to the value if it is exact.
    plan : ndarray of shape (K, L), or None
        For a Wasserstein distance: the weight that moves from each component of the first to each of the second.
    """

    value: float
    standard_error: float
    low: float
    high: float
    plan: NDArray[np.float64] | None = None

    def __float__(self) -> float:
        """Return the value."""
        return self.value

    def __repr__(self) -> str:
        """Return the value, with its standard error and bounds if it is not exact."""
        if self.plan is not None:
            return f"<Distance: {self.value:.6g}>"
        return f"<Distance: {self.value:.4g} ± {self.standard_error:.2g}, between {self.low:.4g} and {self.high:.4g}>"


def distance(
    model: FittedMixture,
    other: FittedMixture,
    *,
    kind: str = "wasserstein",
    n_samples: int = 100_000,
    random_state: int | Rng | None = 0,
) -> Distance:
    """Compute the distance of two mixtures with any covariance types and numbers of components.

    Parameters
    ----------
    model, other : GaussianMixture or BayesianGaussianMixture
        Fitted mixtures of the same columns, without noise.
    kind : {"wasserstein", "kullback-leibler", "bhattacharyya"}, default="wasserstein"
        "wasserstein" is MW₂, the root of the least mean squared distance over which the weight of one mixture moves
        to the other, component by component: a metric between mixtures, in the units of the columns, and never less
        than the Wasserstein distance of the densities. "kullback-leibler" is ∫ f log(f / g), where f is `model`, and
        "bhattacharyya" −log ∫ √(f g); both are in nats, and the same in all units.
    n_samples : int, default=100_000
        Number of rows that the latter two draw.
    random_state : int, RandomState, Generator or None, default=0
        Seed of the draws.

    Returns
    -------
    Distance
        The value, its standard error, and bounds.

    Raises
    ------
    NotFittedError
        If a mixture is not fitted.
    TypeError, ValueError
        If the mixtures have different columns or noise, or an argument is invalid.

    Notes
    -----
    MW₂ is a linear program of K × L numbers: in 8 columns, 1 s for two mixtures of 100 components, 4 s for 300.

    The bounds of the Kullback–Leibler divergence are the variational one of Hershey & Olsen from above, and that of
    Durrieu, Thiran & Kelly from below; those of Bhattacharyya's distance follow from √(x + y) ≤ √x + √y, and from the
    inequality of Cauchy & Schwarz for the parts of a matching. They may be wide if components overlap. If the
    mixtures are so far apart that draws of one are never near the other, only the bounds are reliable for
    Bhattacharyya's distance.

    References
    ----------
    J. Delon, A. Desolneux (2020). A Wasserstein-type distance in the space of Gaussian mixture models. *SIAM Journal on
    Imaging Sciences* 13, 936-970.

    J. R. Hershey, P. A. Olsen (2007). Approximating the Kullback Leibler divergence between Gaussian mixture models.
    *ICASSP*, IV-317-320.

    J.-L. Durrieu, J.-P. Thiran, F. Kelly (2012). Lower and upper bounds for approximation of the Kullback-Leibler
    divergence between Gaussian mixture models. *ICASSP*, 4833-4836.

    J. R. Hershey, P. A. Olsen (2008). Variational Bhattacharyya divergence for hidden Markov models. *ICASSP*,
    4557-4560.

    Examples
    --------
    >>> from gmm import GaussianMixture
    >>> from gmm.analysis import distance
    >>> here = GaussianMixture.from_parameters([0.5, 0.5], [[0.0], [4.0]], [1, 1], covariance_type="spherical")
    >>> there = GaussianMixture.from_parameters([0.5, 0.5], [[4.0], [1.0]], [1, 4], covariance_type="spherical")
    >>> distance(here, there)
    <Distance: 1>
    >>> distance(here, there, kind="kullback-leibler")
    <Distance: 0.1266 ± 0.0016, between 0 and 0.2216>
    """
    check_choice(kind, "kind", KINDS)
    f, g = (checked_for(each, "distance").plugged_in() for each in (model, other))
    check_same_names(model, other)
    n_samples, rng = check_n_samples(n_samples), check_random_state(random_state)
    a, b, unit = _common_units(f, g)
    if kind == _WASSERSTEIN:
        plan, cost = _transport(f.weights, g.weights, map_pairs(bures, a, b))
        value = unit * float(np.sqrt(cost))
        return Distance(value, 0.0, value, value, plan)
    if kind == _KULLBACK_LEIBLER:
        ratios = _log_ratios(f, g, f, n_samples, rng)
        return _bounded(*_mean(ratios), *_divergence_bounds(*_present(f, a), *_present(g, b)))
    # ∫ √(f g) is the mean of √(f g) / h over draws of h = (f + g) / 2, which is between 0 and 1.
    halves = [_log_ratios(f, g, each, (n_samples + 1) // 2, rng) for each in (f, g)]
    ratios = np.abs(np.concatenate(halves))
    logs = np.log(2) - 0.5 * ratios - np.log1p(np.exp(-ratios))  # of 1 / cosh
    most, value, error = float(logs.max()), np.inf, np.inf
    if np.isfinite(most):
        common, error = _mean(np.exp(logs - most))
        value, error = 0.0 - most - float(np.log(common)), error / common
    return _bounded(value, error, *_common_bounds(*_present(f, a), *_present(g, b)))


def match(model: FittedMixture, other: FittedMixture) -> NDArray[np.intp]:
    """Match the components of two mixtures, for example of a fit and a refit.

    The result is the assignment with the least sum of Bhattacharyya's distances −log ∫ √(f g) between the densities of
    the components. It does not depend on the units of the columns, nor on weights. Above 50 nats only the ranks of
    distances count, so a component that moved far away does not change the other matches. Components with heavy tails
    are compared as normal ones with their scale matrices.

    Parameters
    ----------
    model, other : GaussianMixture or BayesianGaussianMixture
        Fitted mixtures of the same columns; noise is ignored.

    Returns
    -------
    ndarray of int, shape (K,)
        The component of `other` for each of `model`; −1 for those without one, if `other` has fewer. If both have
        equally many, ``other.means_[match(model, other)]`` are the means in the order of `model`.

    Raises
    ------
    NotFittedError
        If a mixture is not fitted.
    TypeError, ValueError
        If they have different columns.

    References
    ----------
    H. W. Kuhn (1955). The Hungarian method for the assignment problem. *Naval Research Logistics Quarterly* 2, 83-97.

    Examples
    --------
    >>> from gmm import GaussianMixture
    >>> from gmm.analysis import match
    >>> before = GaussianMixture.from_parameters([0.5, 0.5], [[0.0], [9.0]], [1, 1], covariance_type="spherical")
    >>> after = GaussianMixture.from_parameters([0.4, 0.6], [[8.0], [0.5]], [1, 1], covariance_type="spherical")
    >>> match(before, after)
    array([1, 0])
    """
    from scipy.optimize import linear_sum_assignment

    a, b, _ = _common_units(fitted_parameters(model), fitted_parameters(other))
    check_same_names(model, other)
    with np.errstate(all="ignore"):
        costs = np.fmin(map_pairs(bhattacharyya, a, b), _FAR)
    is_far = costs > _DISJOINT
    ranks = np.unique(costs[is_far], return_inverse=True)[1]
    costs[is_far] = _DISJOINT + ranks / costs.size
    partners = np.full(len(costs), -1, dtype=np.intp)
    matched, theirs = linear_sum_assignment(costs)
    partners[matched] = theirs
    return partners


def _common_units(f: MixtureParameters, g: MixtureParameters) -> tuple[Gaussians, Gaussians, float]:
    """Return the components of two mixtures about a common origin, in a common unit, and this unit."""
    if f.n_features != g.n_features:
        raise ValueError(f"expected mixtures of the same columns, got one of {f.n_features} and one of {g.n_features}")
    d, origin, aligned = f.n_features, f.means[0], all(each.model.layout.axis_aligned for each in (f, g))
    deviations = (np.sqrt(each.model.layout.diagonal(each.covariances, d).max()) for each in (f, g))
    unit = float(max(*deviations, *(np.abs(each.means - origin).max() for each in (f, g))))
    return gaussians(f, aligned, origin, unit), gaussians(g, aligned, origin, unit), unit


def _transport(weights: Array, others: Array, costs: Array) -> tuple[Array, float]:
    """Return the plan that moves some weights (K,) to others (L,) at the least cost, and this cost.

    The tolerance is a share of the largest cost. A next attempt therefore cuts off costs far above that of the plan: a
    plan without them is as good as before, and the tolerance is smaller.
    """
    from scipy.sparse import eye_array, kron, vstack

    K, L = costs.shape
    sums = vstack([kron(eye_array(K), np.ones((1, L))), kron(np.ones((1, K)), eye_array(L))], format="csr")
    marginals, cap = np.concatenate([weights / weights.sum(), others / others.sum()]), costs.max() or 1.0
    plan, cost, gap = _plan(costs, cap, sums, marginals)
    while gap > _SMALL_GAP * cost and cap > _RANGE * cost > _ROUNDING * costs.max():
        cap, before = _RANGE * cost, (plan, cost)
        plan, cost, gap = _plan(costs, cap, sums, marginals)
        if cost >= before[1]:
            return before
    return plan, cost


def _plan(costs: Array, cap: float, sums: Any, marginals: Array) -> tuple[Array, float, float]:
    """Return the plan of least cost with costs cut off at a cap, its true cost, and a bound of its excess."""
    from scipy.optimize import linprog

    capped = np.minimum(costs, cap).ravel() / cap
    result = linprog(capped, A_eq=sums, b_eq=marginals, method="highs-ds", options=_EXACT)
    plan = np.maximum(result.x.reshape(costs.shape), 0.0)
    rest = costs - cap * (sums.T @ result.eqlin.marginals).reshape(costs.shape)
    return plan, float((plan * costs).sum()), float((plan * rest).sum() - min(rest.min(), 0.0))


def _log_ratios(f: MixtureParameters, g: MixtureParameters, origin: MixtureParameters, n: int, rng: Rng) -> Array:
    """Return log f − log g of n rows drawn from one of the two."""
    scorers, values = (Scorer(f), Scorer(g)), []
    step = max(1, _NUMBERS_AT_ONCE // max(f.n_features, f.n_components, g.n_components))
    for first in range(0, n, step):
        rows = ArraySource(origin.sample(min(step, n - first), rng)[0])
        logs = [log_evidence_of(scorer, rows, True) for scorer in scorers]
        values.append(logs[0] - logs[1])
    return np.concatenate(values)


@np.errstate(all="ignore")
def _mean(values: Array) -> tuple[float, float]:
    """Return the mean, and its standard error."""
    return float(values.mean()), float(values.std() / np.sqrt(len(values)))


def _bounded(value: float, error: float, low: float, high: float) -> Distance:
    """Return a mean over draws within its bounds, or the exact value if these are equal."""
    low, high = (0.0 if np.isnan(low) else low), (np.inf if np.isnan(high) else high)  # after overflows
    if low == high or high - low <= _EQUAL * max(low, 1.0):
        return Distance(low, 0.0, low, high)
    inside = min(max(low, value), high)
    error = float(np.max([error, abs(value - inside)]))
    return Distance(inside, np.inf if np.isnan(error) else error, low, high)


def _present(mixture: MixtureParameters, components: Gaussians) -> tuple[Array, Gaussians]:
    """Return the weights and the components that have any weight."""
    is_present = mixture.weights > 0
    return mixture.weights[is_present], components.subset(is_present)


@np.errstate(all="ignore")
def _divergence_bounds(weights: Array, a: Gaussians, others: Array, b: Gaussians) -> tuple[float, float]:
    """Return bounds of the Kullback–Leibler divergence of two mixtures."""
    from scipy.special import logsumexp, xlogy

    divergences, within = map_pairs(kullback_leibler, a, b), map_pairs(kullback_leibler, a, a)
    common = map_pairs(log_overlap, a, b)
    entropies = 0.5 * a.n_features * (1 + np.log(2 * np.pi)) - a.log_determinants
    own_term, other_term = logsumexp(-within, b=weights, axis=1), logsumexp(common, b=others, axis=1)
    low = max(float(weights @ (own_term - entropies - other_term)), 0.0)
    shares, high, before = weights[:, None] * others, np.inf, np.inf
    for _ in range(_MOST_ROUNDS):  # the parts into which components are split, of either mixture in turn
        columns = shares.sum(axis=0)
        parts = shares * np.divide(others, columns, out=np.zeros_like(columns), where=columns > 0)
        logs = np.log(parts, out=np.full_like(parts, -np.inf), where=parts > 0) - divergences
        shares = weights[:, None] * np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        used = shares > 0
        ratios = np.divide(shares, parts, out=np.ones_like(parts), where=used)
        high = float(xlogy(shares, ratios).sum() + (shares * divergences).sum(where=used))
        if not before - high > _SMALL_GAIN:
            break
        before = high
    return low, max(high, low)


@np.errstate(all="ignore")
def _common_bounds(weights: Array, a: Gaussians, others: Array, b: Gaussians) -> tuple[float, float]:
    """Return bounds of Bhattacharyya's distance of two mixtures, by ∫ √(f_a g_b) of their components."""
    divergences = map_pairs(bhattacharyya, a, b)
    nearest = float(np.fmin.reduce(divergences, axis=None))
    if not np.isfinite(nearest):  # overflow: NaN is no bound
        return nearest, nearest
    common = np.exp(nearest - divergences)  # relative to the nearest, which may be beyond all exponentials
    most = float((np.sqrt(weights[:, None] * others) * common).sum())
    of_model = of_other = weights[:, None] * others  # the parts of either mixture's components
    least, before = 0.0, -1.0
    for _ in range(_MOST_ROUNDS):
        of_model = _rescale(of_other * common**2, weights, 1)
        of_other = _rescale(of_model * common**2, others, 0)
        least = min(float((np.sqrt(of_model * of_other) * common).sum()), most)
        if not least - before > _SMALL_GAIN:
            break
        before = least
    low = max(nearest - float(np.log(most)), 0.0)
    return low, max(nearest - float(np.log(least)), low)


def _rescale(parts: Array, sums: Array, axis: int) -> Array:
    """Return parts scaled to given sums along an axis."""
    totals = parts.sum(axis=axis)
    factors = np.divide(sums, totals, out=np.zeros_like(sums), where=totals > 0)
    return np.asarray(parts * np.expand_dims(factors, axis))


# --- Many pairs of Gaussians ------------------------------------------------------------------------


def check_same_names(mixture: FittedMixture, other: FittedMixture) -> None:
    """Check that two fitted mixtures have the same feature names in the same order, if both have any."""
    names, others = (vars(each).get("feature_names_in_") for each in (mixture, other))
    if names is not None and others is not None:
        check_names(others, names, mixture)


class Gaussians(NamedTuple):
    """Gaussians that are products of p independent ones of m features each: p = 1, or m = 1 along the axes.

    Parameters
    ----------
    means : array of shape (…, p, m)
    roots : array of shape (…, p, m, m)
        L with Σ = L Lᵀ.
    whiteners : array of shape (…, p, m, m)
        W = L⁻¹.
    """

    means: Array
    roots: Array
    whiteners: Array

    def subset(self, index: Any) -> Self:
        """Return some of them, by an index of the leading axes."""
        return type(self)(*(values[index] for values in self))

    @property
    def n_features(self) -> int:
        """All of them, p m."""
        return int(self.means.shape[-1] * self.means.shape[-2])

    @property
    def log_determinants(self) -> Array:
        """Logarithms of |W|."""
        return np.asarray(np.log(np.diagonal(self.whiteners, axis1=-2, axis2=-1)).sum(axis=(-2, -1)))


def gaussians(mixture: MixtureParameters, axis_aligned: bool, origin: Array, scale: float) -> Gaussians:
    """Return the components of a mixture in other units; if `axis_aligned`, as products over features."""
    means = (mixture.means - origin) / scale
    if axis_aligned:
        roots = np.sqrt(mixture.column_variances)[:, :, None, None] / scale
        return Gaussians(means[:, :, None], roots, 1 / roots)
    mixture = mixture.to_dense()
    whiteners = mixture.model.layout.dense(mixture.whiteners, *mixture.means.shape)[:, None]
    return Gaussians(means[:, None], np.asarray(np.linalg.inv(whiteners) / scale, dtype=np.float64), whiteners * scale)


def map_pairs(function: Callable[[Gaussians, Gaussians], Array], a: Gaussians, b: Gaussians) -> Array:
    """Return a function of all pairs of K Gaussians and L others, (K, L), computed in parts."""
    step = max(1, _PAIRED_AT_ONCE // b.roots.size)
    parts = [slice(first, first + step) for first in range(0, len(a.means), step)]
    return np.concatenate([function(a.subset((part, None)), b.subset(None)) for part in parts])


def bures(a: Gaussians, b: Gaussians) -> Array:
    """Return squared Wasserstein distances: ‖μ_a − μ_b‖² + the least ‖L_a − L_b U‖² over rotations U."""
    left, _, right = np.linalg.svd(np.swapaxes(b.roots, -1, -2) @ a.roots)
    return _squares(a.means - b.means, 2) + _squares(a.roots - b.roots @ (left @ right), 3)


@np.errstate(over="ignore")  # of distant means, in the widths of the other
def kullback_leibler(a: Gaussians, b: Gaussians) -> Array:
    """Return the divergences of b from a, in nats."""
    steps = b.whiteners @ (a.means - b.means)[..., None]
    rest = b.whiteners @ a.roots
    logs = a.log_determinants - b.log_determinants
    return np.maximum(0.5 * (_squares(rest, 3) - a.n_features + _squares(steps, 3)) + logs, 0.0)


def log_overlap(a: Gaussians, b: Gaussians) -> Array:
    """Return log ∫ f_a f_b."""
    squares, half = _sum_of_covariances(a, b)
    return np.asarray(-0.5 * squares - half - 0.5 * a.n_features * np.log(2 * np.pi))


def bhattacharyya(a: Gaussians, b: Gaussians) -> Array:
    """Return Bhattacharyya's distances, −log ∫ √(f_a f_b)."""
    squares, half = _sum_of_covariances(a, b)
    nats = 0.25 * squares + half - 0.5 * a.n_features * np.log(2) + 0.5 * (a.log_determinants + b.log_determinants)
    return np.maximum(nats, 0.0)


def _sum_of_covariances(a: Gaussians, b: Gaussians) -> tuple[Array, Array]:
    """Return the squared Mahalanobis distances of the means under Σ = Σ_a + Σ_b, and ½ log|Σ|."""
    ratio = a.whiteners @ b.roots
    total = np.eye(ratio.shape[-1]) + ratio @ np.swapaxes(ratio, -1, -2)
    beyond = ~np.isfinite(total).all(axis=(-2, -1), keepdims=True)  # overflows, for which a decomposition fails
    factor = np.linalg.cholesky(np.where(beyond, np.eye(ratio.shape[-1]), total))
    factor = np.asarray(np.where(beyond, np.nan, factor), dtype=np.float64)
    steps = np.asarray(np.linalg.solve(factor, a.whiteners @ (a.means - b.means)[..., None]), dtype=np.float64)
    return _squares(steps, 3), np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=(-2, -1)) - a.log_determinants


def _squares(values: Array, n_axes: int) -> Array:
    """Return sums of squares over the last axes."""
    return np.asarray((values**2).sum(axis=tuple(range(-n_axes, 0))))


Distance.__module__ = distance.__module__ = match.__module__ = "gmm.analysis"
