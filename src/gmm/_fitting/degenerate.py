"""Degenerate components: collapsed on a few rows or on ties, so that their likelihood means nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gmm._candidates import is_sound
from gmm._text.printable import printable
from gmm._values.covariance import CovarianceModel, stored_as
from gmm._values.layouts import FULL, TIED, Array, SingularMatrixError
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics
from gmm._values.variational import MixturePosterior

_FEW_ROWS = "fewer rows than its covariance needs"
_STRAYS = "so few rows that they are strays rather than a group"
_DEPENDENT = "columns that depend on each other"
_NO_SPREAD = "no spread but reg_covar in {}: rows that repeat, or few of them"
_THINNER = "far thinner than the others in some direction, on few rows"
# In variances of the pooled covariance within components. A direction above 1e-3 of the data's variances is above this.
THIN = 1e-4
# A thin component with at least so many times the fewest rows, and variances above the ridge, is a tight cluster.
_MANY, _MANY_OF_FACTORS = 6, 10
_PAIR = 1.5  # effective rows, half a row rounded up: a row by itself may be the end of a long tail
_NAMED = 3  # columns at most
_ON_RIDGE = 2  # ridges: a variance up to this says more of the ridge than of the rows
_ON_RIDGE_OF_HEAVY = 20  # the same of heavy tails, which let few rows with other values widen a component of tied ones
_FAR = 10  # times as large: how far the data's variance is above that of a component on the ridge
_TIED = 1e-5  # ridges: rows with one value in a column leave no more than this above the ridge


def degenerate_components(
    parameters: MixtureParameters,
    n_effective: float,
    ridge: float,
    statistics: SufficientStatistics | None = None,
    *,
    strays: bool = True,
) -> NDArray[np.bool_]:
    """Tell which components are degenerate, (K,).

    A degenerate component has fewer rows than its model needs (half a row is rounded up). One covariance of all
    components needs none of each, but BIC would make components of strays there: so few rows are a group only far from
    all others. Or a degenerate component has correlations that are
    singular to rounding, as those of a column and its copy; or it is thin: the least eigenvalue of W⁻¹Σ_k, where
    W = Σ_k π_k Σ_k with the noise among them, is tiny; or it is on the ridge, so that its likelihood is what the ridge
    makes of it: in some direction it has hardly more variance than the ridge, and W far more. If all components are so
    narrow, they may be clusters in small units, which have some variance of their own; only where each has one value of
    a column that varies, and nothing but the ridge beside it, are they degenerate. A thin component of many rows, above
    the ridge, is a tight cluster, which is not degenerate. A single component is degenerate if its correlations are
    singular to rounding, or if it has too few rows to span all directions and hardly more than the ridge as variance in
    some of them. A posterior has no degenerate component: the prior sees to that.

    Parameters
    ----------
    parameters : MixtureParameters
    n_effective : float
        Effective number of rows: `Source.n_effective`.
    ridge : float
        In the covariances' diagonals.
    statistics : SufficientStatistics, optional
        Of the last pass of a fit without a prior. Where components of their own shapes are scaled to one volume, they
        tell the covariances before, of which some may be on the ridge.
    strays : bool, default=True
        Whether components of strays are degenerate; not where rows held out judge them.
    """
    sound, causes = np.zeros(parameters.n_components, dtype=bool), _causes(parameters, n_effective, ridge, statistics)
    return np.asarray(np.logical_or.reduce([sound, *(causes[why] for why in causes if strays or why != _STRAYS)]))


def reasons_of(
    parameters: MixtureParameters,
    n_effective: float,
    ridge: float,
    feature_names: Sequence[str],
    statistics: SufficientStatistics | None = None,
) -> dict[int, str]:
    """Return why components are degenerate, by their numbers; those that are not are left out."""
    reasons: dict[int, str] = {}
    for reason, components in _causes(parameters, n_effective, ridge, statistics).items():
        for k in np.flatnonzero(components & ~parameters.fixed.covariances).tolist():
            reasons.setdefault(k, reason.format(_flat_columns(parameters, k, ridge, feature_names)))
    return reasons


def on_ridge_alone(parameters: MixtureParameters, ridge: float, feature_names: Sequence[str]) -> list[str]:
    """Name the columns in which the whole mixture has hardly more variance than the ridge: constant ones, or small."""
    total = _within(parameters) + parameters.weights @ _away(parameters) ** 2
    here = (ridge < (1 + _TIED) * total) & (total <= _ON_RIDGE * ridge)
    return [printable(feature_names[j]) for j in np.flatnonzero(here).tolist()]


def _flat_columns(parameters: MixtureParameters, k: int, ridge: float, feature_names: Sequence[str]) -> str:
    """Name the columns in which a component has hardly more variance than the ridge."""
    flat = parameters.column_variances[k] <= _high(parameters, ridge)
    names = [printable(feature_names[j]) for j in np.flatnonzero(flat).tolist()]
    more = [f"{len(names) - _NAMED} more columns"] * (len(names) > _NAMED)
    return ", ".join(names[:_NAMED] + more) or "some direction"


def _causes(
    parameters: MixtureParameters, n_effective: float, ridge: float, statistics: SufficientStatistics | None
) -> dict[str, NDArray[np.bool_]]:
    """Return for each cause, in words, which components are degenerate by it, (K,); causes may be absent."""
    if isinstance(parameters, MixturePosterior):
        return {}
    if not parameters.model.stored_whole:
        return _few_or_narrow(parameters, n_effective, ridge)
    if parameters.n_components == 1 and not parameters.noise:
        unspanned = parameters.model.layout in (FULL, TIED) and n_effective < parameters.n_features + 1
        return {_DEPENDENT: _singular(parameters)} | (
            {_FEW_ROWS: flat_components(parameters, ridge)} if unspanned else {}
        )
    model, d, rows = parameters.model, parameters.n_features, n_effective * parameters.weights
    before, fewest = _unscaled(parameters, ridge, statistics), fewest_rows(model, d)
    if not (parameters.noise or parameters.tails) and _are_sound((parameters, before), fewest / n_effective, ridge):
        return {}
    few = np.asarray(rows < fewest)
    causes = {_STRAYS: few & ~_far_groups(parameters, n_effective)} if model.common else {_FEW_ROWS: few}
    causes[_DEPENDENT] = _singular(parameters)
    causes[_NO_SPREAD] = _on_ridge(before, ridge)
    if _any_thin(parameters):
        causes[_THINNER] = (_thinnest(parameters) < THIN) & (rows < _MANY * model.fewest_rows(d))
    return causes


def _are_sound(mixtures: Iterable[MixtureParameters], fewest: float, ridge: float) -> bool:
    """Tell whether bounds that take no eigenvalues rule out every degenerate component; `fewest` rows are a weight."""
    estimates = ((each.model.layout.code, *each.as_estimate()[:4]) for each in dict.fromkeys(mixtures))
    return all(is_sound(*each, least_weight=(1 + _TIED) * fewest, ridge=ridge, thin=THIN) for each in estimates)


def _far_groups(parameters: MixtureParameters, n_effective: float) -> NDArray[np.bool_]:
    """Tell which components lie so far from every other that chance made none of them, (K,); of one covariance.

    Without component k, whose rows m another takes, the common covariance grows, which costs at least n/2 log(1 + h)
    nats, with h = π_j π_k / (π_j + π_k) times the squared distance of their means. For k, BIC takes (d + 1)/2 log n,
    its small weight about m log n, and as much is the choice of m among n rows. Beside noise or with heavy tails, far
    rows need no component.
    """
    weights, whiteners, layout = parameters.weights, parameters.whiteners, parameters.model.layout
    rows, far = n_effective * weights, np.zeros(len(weights), dtype=bool)
    if parameters.noise or parameters.tails:
        return far
    for k in np.flatnonzero(rows >= _PAIR).tolist():
        others = np.arange(len(weights)) != k
        white = layout.whitened(whiteners, k, parameters.means[others] - parameters.means[k])
        shared = weights[k] * weights[others] / (weights[k] + weights[others])
        gain = n_effective / 2 * np.log1p(shared * (white**2).sum(axis=1))
        far[k] = gain.min() > (2 * rows[k] + (parameters.n_features + 1) / 2) * np.log(n_effective)
    return far


def _few_or_narrow(parameters: MixtureParameters, n_effective: float, ridge: float) -> dict[str, NDArray[np.bool_]]:
    """Return the causes of `_causes` for covariances stored as factors and noise, without a d × d matrix.

    A direction is thin where more columns than there are factors have hardly any noise: in some direction of these
    columns, factors have no variance.
    """
    if parameters.n_components == 1 and not parameters.noise:
        return {}
    model, rows, noise = parameters.model, n_effective * parameters.weights, parameters.covariances[:, 0]
    fewest = fewest_rows(model, parameters.n_features)
    within = _within(parameters)
    thin = (noise < THIN * within) | ((noise <= _ON_RIDGE * ridge) & (_FAR * noise < within))
    narrow = thin.sum(axis=1) > model.n_factors
    return {_FEW_ROWS: np.asarray(rows < fewest), _THINNER: narrow & (rows < _MANY_OF_FACTORS * fewest)}


def degenerate_under(
    objective: Objective,
    n_effective: float,
    parameters: MixtureParameters,
    statistics: SufficientStatistics | None = None,
    *,
    strays: bool = True,
) -> NDArray[np.bool_]:
    """Tell which components of a fit are degenerate, (K,); beside a prior, its statistics say nothing of them.

    A fixed covariance says nothing of the rows.
    """
    free = None if objective.prior else statistics
    degenerate = degenerate_components(parameters, n_effective, objective.ridge, free, strays=strays)
    return degenerate & ~objective.fixed.covariances


def depends_on_moments(model: CovarianceModel) -> bool:
    """Tell whether `statistics` say more of degenerate components than their mixture: of shapes at one volume."""
    return model.scales_shapes and model.stored_whole


def fewest_rows(model: CovarianceModel, n_features: int) -> float:
    """Return the effective rows below which a component has fewer than its model needs, half a row rounded up."""
    return model.fewest_rows(n_features) - 0.5


def _singular(parameters: MixtureParameters) -> NDArray[np.bool_]:
    """Tell which components have correlations that are singular to rounding, (K,)."""
    if parameters.model.layout.axis_aligned:
        return np.zeros(parameters.n_components, dtype=bool)
    return np.asarray(2 * parameters.n_features * parameters.rounding >= 1)


def flat_components(parameters: MixtureParameters, ridge: float) -> NDArray[np.bool_]:
    """Tell which components have hardly more than the ridge as variance in some direction, (K,)."""
    covariances = parameters.model.layout.dense(parameters.covariances, *parameters.means.shape)
    return np.asarray(np.linalg.eigvalsh(covariances)[:, 0] <= _ON_RIDGE * ridge)


def _unscaled(
    parameters: MixtureParameters, ridge: float, statistics: SufficientStatistics | None
) -> MixtureParameters:
    """Return the mixture with the covariances that its components had before they were scaled to one volume."""
    model = parameters.model
    if statistics is None or not depends_on_moments(model) or ridge == 0:
        return parameters
    free = model.layout.per_count(statistics.scatter, np.maximum(statistics.counts, np.finfo(np.float64).tiny))
    try:
        return replace(parameters, covariances=model.layout.with_ridge(free, ridge), model=stored_as(model.layout))
    except SingularMatrixError:  # to rounding
        return parameters


def _on_ridge(parameters: MixtureParameters, ridge: float) -> NDArray[np.bool_]:
    """Tell which components have hardly more variance than the ridge where the rows have far more, (K,)."""
    layout, K = parameters.model.layout, parameters.n_components
    high = _high(parameters, ridge)
    of_ties = high if parameters.tails else (1 + _TIED) * ridge
    if layout is not TIED:  # 1 / tr Σ_k⁻¹ bounds the eigenvalues, so that few have to be computed
        least = 1 / np.square(parameters.whiteners).reshape(K, -1).sum(axis=1)
        if (least > high).all():
            return np.zeros(K, dtype=bool)
    variances, within, away = parameters.column_variances, _within(parameters), _away(parameters)
    total = within + parameters.weights @ away**2
    on_ridge = (variances <= high) & (_FAR * variances < within)
    on_ridge |= (variances <= of_ties) & (_FAR * variances < total)
    verdicts: NDArray[np.bool_] = np.asarray(on_ridge.any(axis=1))
    if layout is TIED and ridge > 0:
        return verdicts | (len(verdicts) > 1 and _shares_ridge(parameters, ridge, away))
    if layout is not FULL or ridge == 0:
        return verdicts
    for k in np.flatnonzero(~verdicts & (least <= high)):
        values, axes = np.linalg.eigh(parameters.covariances[k])
        positive = np.maximum(values, np.finfo(np.float64).eps * values[-1])  # rounding may make them negative
        flat = (axes / np.sqrt(positive))[:, values <= high]
        verdicts[k] = flat.size > 0 and np.linalg.eigvalsh(flat.T @ _pooled(parameters) @ flat)[-1] > _FAR
    return verdicts


def _high(parameters: MixtureParameters, ridge: float) -> float:
    """Return the variance up to which a direction is on the ridge."""
    return (_ON_RIDGE_OF_HEAVY if parameters.tails else _ON_RIDGE) * ridge


def _shares_ridge(parameters: MixtureParameters, ridge: float, away: Array) -> bool:
    """Tell whether one covariance has the ridge alone in a direction in which the means differ by far more."""
    values, axes = np.linalg.eigh(parameters.covariances)
    rounding = len(values) * np.finfo(np.float64).eps * values[-1]
    between = np.sqrt(parameters.weights)[:, None] * (away @ axes[:, values <= (1 + _TIED) * ridge + rounding])
    return bool((between**2).sum(axis=0).max(initial=0) > _FAR * ridge)


def _any_thin(parameters: MixtureParameters) -> bool:
    """Tell whether a component may be thin; small tr Σ_k⁻¹W bound the eigenvalues, so that none has to be computed."""
    if parameters.noise:
        return True
    if parameters.model.common:
        return False
    if parameters.model.layout is not FULL:
        return True
    whiteners = parameters.whiteners
    with np.errstate(over="ignore"):
        traces = (whiteners @ _pooled(parameters) * whiteners).reshape(len(whiteners), -1).sum(axis=1)
    return not bool((THIN * traces < 1).all())


def _pooled(parameters: MixtureParameters) -> Array:
    """Return W of covariances with correlations, (d, d)."""
    K, d = parameters.means.shape
    covariances = parameters.model.layout.dense(parameters.covariances, K, d)
    pooled = (parameters.weights @ covariances.reshape(K, d * d)).reshape(d, d)
    pooled.flat[:: d + 1] += _of_noise(parameters)
    return np.asarray(pooled)


def _of_noise(parameters: MixtureParameters) -> Array | float:
    """Return the variances of the noise times its weight, (d,); 0 without noise."""
    return parameters.noise_weight * parameters.noise.variances


def _within(parameters: MixtureParameters) -> Array:
    """Return the mean variances within components and noise, the diagonal of W, (d,)."""
    return np.asarray(parameters.weights @ parameters.column_variances + _of_noise(parameters))


def _away(parameters: MixtureParameters) -> Array:
    """Return the means of components about their own mean, (K, d); 0 where they differ by rounding."""
    means, weights = parameters.means, parameters.weights
    away = means - weights @ means / weights.sum()
    rounding = len(means) * np.finfo(np.float64).eps * np.abs(means).max(axis=0)
    return np.where(np.abs(away) <= rounding, 0.0, away)


def _thinnest(parameters: MixtureParameters) -> Array:
    """Return the least eigenvalues of W⁻¹Σ_k, (K,)."""
    layout, weights = parameters.model.layout, parameters.weights
    if layout.axis_aligned:
        return np.asarray((parameters.column_variances / _within(parameters)).min(axis=1))
    covariances = layout.dense(parameters.covariances, *parameters.means.shape)
    try:
        whitener = np.linalg.inv(np.linalg.cholesky(_pooled(parameters)))
    except np.linalg.LinAlgError:  # singular to rounding: no direction is thinner than the rest
        return np.ones(len(weights))
    return np.asarray(np.linalg.eigvalsh(whitener @ covariances @ whitener.T)[:, 0])
