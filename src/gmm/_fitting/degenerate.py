"""Degenerate components: on few rows, on ties or on less than rounding, so that their likelihood means nothing."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._candidates import is_sound
from gmm._rows.sources import Source
from gmm._text.words import printable
from gmm._values.covariance import CovarianceModel, stored_as
from gmm._values.layouts import FULL, TIED, Array, SingularMatrixError
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.priors import MixturePosterior
from gmm._values.statistics import SufficientStatistics

_FEW_ROWS = "fewer rows than its covariance needs"
_STRAYS = "so few rows that they are strays rather than a group"
_CHANCE = "no better a fit than chance gives to so few rows"
_DEPENDENT = "columns that depend on each other"
_NO_SPREAD = "no spread but reg_covar in {}: rows that repeat, or few of them"
_NARROW = "less spread than the rounding of values leaves in {}: rows that repeat, or few of them"
_NAMED = 3  # columns at most
_NARROWER = 4  # times: how much less variance than all rows a degenerate component has
_RIDGES = 2  # of which one is in every covariance: a component has no more variance than the ridge
_MANY = 6  # times the fewest rows: so many of one value are no accident
_DEVIATIONS = 3  # of other components, beyond which a component has its place for itself
_PAIR = 1.5  # effective rows, half a row rounded up: a row by itself may be the end of a long tail
_HUGE = 1e300  # in place of what overflows
_CHANCE_OF_PARAMETER = 2.5  # nats; log n / 2, what BIC takes, is more from 149 rows on


class Judge(Enum):
    """What mixtures are compared by: with some, strays and chance make no component."""

    START = auto()  # of one fit, for which many rows of one value are a group where no other component is near
    LIKELIHOOD = auto()  # of as many components
    CRITERION = auto()  # of several numbers of components
    HELD_OUT = auto()  # rows, which need no such rules


class Resolution(NamedTuple):
    """What rows can tell of a component: `weight` rows, columns of these `steps` (0 if continuous), and the ridge."""

    weight: float
    steps: Array
    ridge: float

    @classmethod
    def from_source(cls, source: Source, ridge: float) -> Resolution:
        """Return that of a source; true values behind errors have no steps."""
        steps = np.zeros(source.n_features) if source.errors else source.steps
        return cls(source.survey.weight, steps, ridge)

    @property
    def ridge_variances(self) -> Array:
        """Variance in each column up to which it is the ridge's, (d,)."""
        return np.full(len(self.steps), _RIDGES * self.ridge)

    @property
    def variances(self) -> Array:
        """The same with that of rounding to the steps (Sheppard), (d,)."""
        return self.ridge_variances + self.steps**2 / 12


def degenerate_components(
    parameters: MixtureParameters,
    rows: Resolution,
    statistics: SufficientStatistics | None = None,
    judge: Judge = Judge.LIKELIHOOD,
) -> NDArray[np.bool_]:
    """Tell which components are degenerate, (K,).

    A degenerate component has fewer rows than its model needs (half a row is rounded up), or correlations that are
    singular to rounding, as those of a column and its copy. Or it is narrow: in some direction it has less variance
    than rounding leaves in values of a step h, h²/12 (Sheppard), or no more than the ridge, and all rows have far more
    there. Its likelihood is then that of a density where the rows have a lattice, or what the ridge makes of it. Where
    all components share one covariance, none needs rows for its own, but so few are a group only far from all others:
    see `_least_worth`. A single component is degenerate if its correlations are singular to rounding, or if it has too
    few rows to span all directions and hardly more than the ridge as variance in some of them. A posterior has no
    degenerate component: the prior sees to that.

    Parameters
    ----------
    parameters : MixtureParameters
    rows : Resolution
    statistics : SufficientStatistics, optional
        Of the last pass of a fit without a prior. Where components of their own shapes are scaled to one volume, they
        tell the covariances before, of which some may be narrow.
    judge : Judge, default=Judge.LIKELIHOOD
    """
    causes = _causes(parameters, rows, statistics, judge)
    kept = [causes[why] for why in causes if judge is not Judge.HELD_OUT or why not in (_STRAYS, _CHANCE)]
    degenerate = np.asarray(np.logical_or.reduce([np.zeros(parameters.n_components, dtype=bool), *kept]))
    if judge is Judge.START:
        few = rows.weight * parameters.weights < _MANY * fewest_rows(parameters.model, parameters.n_features)
        # Some have no other within three of their deviations, in a column where they are narrow.
        variances, means = parameters.column_variances, parameters.means
        far = np.square(means[:, None] - means) > _DEVIATIONS**2 * (variances + rows.variances)
        far |= np.eye(len(means), dtype=bool)[:, :, None]
        is_alone = ((variances <= rows.variances) & far.all(axis=1)).any(axis=1)
        degenerate &= few | ~is_alone
    return degenerate


def degenerate_under(
    objective: Objective,
    source: Source,
    parameters: MixtureParameters,
    statistics: SufficientStatistics | None = None,
    judge: Judge = Judge.LIKELIHOOD,
) -> NDArray[np.bool_]:
    """Tell which components of a fit to rows are degenerate, (K,); beside a prior, its statistics say nothing of them.

    A fixed covariance says nothing of the rows.
    """
    free, rows = None if objective.prior else statistics, Resolution.from_source(source, objective.ridge)
    degenerate = degenerate_components(parameters, rows, free, judge)
    return degenerate & ~objective.fixed.covariances


def reasons_of(
    parameters: MixtureParameters,
    rows: Resolution,
    feature_names: Sequence[str],
    statistics: SufficientStatistics | None = None,
) -> dict[int, str]:
    """Return why components are degenerate, by their numbers; those that are not are left out."""
    reasons: dict[int, str] = {}
    for reason, components in _causes(parameters, rows, statistics).items():
        for k in np.flatnonzero(components & ~parameters.fixed.covariances).tolist():
            narrow = np.flatnonzero(parameters.column_variances[k] <= rows.variances).tolist()
            names = [printable(feature_names[j]) for j in narrow[:_NAMED]]
            names += [f"{len(narrow) - _NAMED} more columns"] * (len(narrow) > _NAMED)
            reasons.setdefault(k, reason.format(", ".join(names) or "some direction"))
    return reasons


def on_ridge_alone(parameters: MixtureParameters, ridge: float, feature_names: Sequence[str]) -> list[str]:
    """Name the columns in which the whole mixture has hardly more variance than the ridge: constant ones, or small."""
    here = (ridge > 0) & (total_variances(parameters) <= _RIDGES * ridge)
    return [printable(feature_names[j]) for j in np.flatnonzero(here).tolist()]


def _causes(
    parameters: MixtureParameters,
    rows: Resolution,
    statistics: SufficientStatistics | None,
    judge: Judge = Judge.LIKELIHOOD,
) -> dict[str, NDArray[np.bool_]]:
    """Return for each cause, in words, which components are degenerate by it, (K,); causes may be absent."""
    if isinstance(parameters, MixturePosterior):
        return {}
    if parameters.n_components == 1 and not parameters.noise:
        if not parameters.model.stored_whole:
            return {}
        causes = {_DEPENDENT: _singular(parameters)}
        if parameters.model.layout in (FULL, TIED) and rows.weight < parameters.n_features + 1:
            (covariance,) = parameters.model.layout.dense(parameters.covariances, 1, parameters.n_features)
            causes[_FEW_ROWS] = np.linalg.eigvalsh(covariance)[:1] <= _RIDGES * rows.ridge
        return causes
    model, counts = parameters.model, rows.weight * parameters.weights
    few = np.asarray(counts < fewest_rows(model, parameters.n_features))
    least = _least_worth(parameters, rows.weight, few, judge)
    if parameters.noise or parameters.tails:  # which explain far rows without a component
        poor = least > 0
    else:
        poor = np.isinf(least)
        open_ = (least > 0) & ~poor
        poor[open_] = _worth(parameters, rows.weight, open_) < least[open_]
    causes = {_STRAYS if model.common else _FEW_ROWS: poor & few, _CHANCE: poor & ~few}
    before = _unscaled(parameters, rows.ridge, statistics)
    if model.stored_whole:
        # Bounds that take no eigenvalues may rule out dependent columns and narrow components.
        estimates = [mixture.as_estimate() for mixture in dict.fromkeys((parameters, before))]
        if all(is_sound(model.layout.code, *estimate[1:4], rows.variances) for estimate in estimates):
            return causes
        causes[_DEPENDENT] = _singular(parameters)
    on_ridge = _narrow(parameters, before, rows.ridge_variances)
    return causes | {_NO_SPREAD: on_ridge, _NARROW: ~on_ridge & _narrow(parameters, before, rows.variances)}


def fewest_rows(model: CovarianceModel, n_features: int) -> float:
    """Return the rows below which a component has fewer than its model needs, half a row rounded up."""
    return model.fewest_rows(n_features) - 0.5


def depends_on_moments(model: CovarianceModel) -> bool:
    """Tell whether `statistics` say more of degenerate components than their mixture: of shapes at one volume."""
    return model.scales_shapes and model.stored_whole


def _least_worth(parameters: MixtureParameters, n: float, few: NDArray[np.bool_], judge: Judge) -> NDArray[np.float64]:
    """Return the nats that components have to be worth, (K,); 0 where a criterion tells, infinite where none may.

    Of n rows, the best component on m of them gains m r / (m − r) log n by chance, with r = d if it has a shape along
    axes that it turns as it needs (`CovarianceModel.fewest_rows`), less 1 for a given volume. So it has where axes are
    shared: they turn for each component, but BIC takes them once. It takes p / 2 log n for p parameters of a component;
    along shared axes chance gives up to some 2.5 p nats (in 19 of 20 draws of one Gaussian), which is more of fewer
    than 149 rows. Where all share one covariance, a component of few rows costs its weight, about m log n, and its
    mean, (d + 1) / 2 log n.
    """
    model, d, counts = parameters.model, parameters.n_features, n * parameters.weights
    p, log_n = 1 + d + model.n_parameters(2, d) - model.n_parameters(1, d), np.log(n)
    least = np.zeros(len(counts))
    if model.common_axes and d > 1:
        least[:] = p * _CHANCE_OF_PARAMETER if judge is Judge.CRITERION else 0
        if model.own_shapes:
            r = d - model.scales_shapes
            gained = np.divide(counts * r, counts - r, out=np.full(len(counts), np.inf), where=counts > r) * log_n
            least = np.maximum(least, gained)
        least[least <= p / 2 * log_n] = 0
    least[few] = (counts[few] + p / 2) * log_n if model.common else np.inf
    least[few & (counts < _PAIR)] = np.inf
    return least


def _worth(parameters: MixtureParameters, n: float, components: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the most that the mixture may lose, in nats, if a component and another one become one, (m,).

    Of rows in one of two components for sure, the normal density of both loses n B less n H, which their weights say of
    them: B = ½ (s log|Σ| − π_j log|Σ_j| − π_k log|Σ_k|), s = π_j + π_k, with Σ of both (Runnalls 2007, eq. 16), and H
    the entropy of their shares. Rows in both lose less of it, but no more than 2 n log 2 √(π_j π_k) c with
    Bhattacharyya's coefficient c, since the entropy of q, 1 − q is at most 2 log 2 √(q (1 − q)).
    """
    weights, means, layout = parameters.weights, parameters.means, parameters.model.layout
    least = []
    for k in np.flatnonzero(components).tolist():
        others = np.arange(len(weights)) != k
        own, their = weights[k], weights[others]
        steps, both = means[others] - means[k], own + their
        if parameters.model.common:
            squares = np.square(layout.whitened(parameters.whiteners, k, steps)).sum(axis=1)
            apart, overlap = np.log1p(own * their / both * squares) / 2, np.exp(-squares / 8)
        else:
            covariances = layout.dense(parameters.covariances, *means.shape)
            sizes = np.linalg.slogdet(covariances)[1]
            squares, of_mean = _squares_and_size(steps, (covariances[k] + covariances[others]) / 2)
            share = (own / both)[:, None, None]
            between, of_both = _squares_and_size(steps, share * covariances[k] + (1 - share) * covariances[others])
            of_both = of_both + np.log1p(own * their / both**2 * between)
            apart = (both * of_both - own * sizes[k] - their * sizes[others]) / 2
            overlap = np.exp((sizes[k] + sizes[others]) / 4 - of_mean / 2 - squares / 8)
        told = own * np.log(own / both) + their * np.log(their / both)
        least.append(n * (apart + told + 2 * np.log(2) * np.sqrt(own * their) * overlap).min())
    return np.array(least)


def _squares_and_size(steps: Array, matrices: Array) -> tuple[Array, Array]:
    """Return the squared lengths of steps (m, d) by matrices (m, d, d), and their log determinants, (m,)."""
    solved = np.linalg.solve(matrices, steps[:, :, None])[:, :, 0]
    return np.einsum("ij,ij->i", steps, solved), np.linalg.slogdet(matrices)[1]


def _singular(parameters: MixtureParameters) -> NDArray[np.bool_]:
    """Tell which components have correlations that are singular to rounding, (K,)."""
    if parameters.model.layout.axis_aligned:
        return np.zeros(parameters.n_components, dtype=bool)
    return np.asarray(2 * parameters.n_features * parameters.rounding >= 1)


def _unscaled(
    parameters: MixtureParameters, ridge: float, statistics: SufficientStatistics | None
) -> MixtureParameters:
    """Return the mixture with the covariances that its components had before they were scaled to one volume."""
    model = parameters.model
    if statistics is None or not depends_on_moments(model) or ridge == 0:
        return parameters
    free = model.layout.per_count(statistics.scatter, np.maximum(statistics.counts, np.finfo(np.float64).tiny))
    try:
        return parameters.with_other(covariances=model.layout.with_ridge(free, ridge), model=stored_as(model.layout))
    except SingularMatrixError:  # to rounding
        return parameters


def _narrow(parameters: MixtureParameters, before: MixtureParameters, least: Array) -> NDArray[np.bool_]:
    """Tell which components have less variance than `least`, (d,), in a direction where all rows have far more, (K,).

    Their covariances are those `before` they were scaled. Of factors and noise, stored without a d × d matrix, some
    direction is narrow where more columns than there are factors have hardly any noise.
    """
    model, layout = parameters.model, parameters.model.layout
    if layout.axis_aligned or not model.stored_whole:
        variances = before.column_variances if model.stored_whole else parameters.covariances[:, 0]
        narrow = (variances < least) & (_NARROWER * variances < total_variances(parameters))
        return np.asarray(narrow.sum(axis=1) > model.n_factors * (not model.stored_whole))
    (K, d), away = parameters.means.shape, _away(parameters)
    covariances = layout.dense(parameters.covariances, K, d)
    with np.errstate(over="ignore"):
        total = np.tensordot(parameters.weights, covariances, 1) + parameters.weights * away.T @ away
    total.flat[:: d + 1] += parameters.noise_weight * parameters.noise.variances
    matrices = before.whiteners if layout is FULL else before.whiteners[None]
    found = np.zeros(len(matrices), dtype=bool)
    for k, whitener in enumerate(matrices):
        # Where the component is white, its variance is 1 in every direction.
        with np.errstate(over="ignore", invalid="ignore"):
            values, axes = np.linalg.eigh(np.clip(whitener * least @ whitener.T, -_HUGE, _HUGE))
            across = axes[:, values > 1].T @ whitener
            spread = np.nan_to_num(across @ total @ across.T, nan=_HUGE, posinf=_HUGE, neginf=-_HUGE)
        found[k] = across.size > 0 and np.linalg.eigvalsh(spread)[-1] > _NARROWER
    return np.broadcast_to(found, parameters.n_components)


def total_variances(parameters: MixtureParameters) -> Array:
    """Return the variances of the whole mixture, (d,)."""
    with np.errstate(over="ignore"):
        between = parameters.weights @ _away(parameters) ** 2
    within = parameters.weights @ parameters.column_variances
    return np.asarray(within + between + parameters.noise_weight * parameters.noise.variances)


def _away(parameters: MixtureParameters) -> Array:
    """Return the means of components about their own mean, (K, d); 0 where they differ by rounding."""
    means, weights = parameters.means, parameters.weights
    away = means - weights @ means / weights.sum()
    rounding = len(means) * np.finfo(np.float64).eps * np.abs(means).max(axis=0)
    return np.where(np.abs(away) <= rounding, 0.0, away)
