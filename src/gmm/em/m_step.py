"""The M-step: parameters from statistics by maximum likelihood or MAP, with a ridge and repairs of empty components."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np

from gmm._kernel import mstep
from gmm._kernel.mstep import MixtureFamily
from gmm.em.fixed import fixed_in, moments_beside
from gmm.values.covariance import CovarianceModel
from gmm.values.fixed import Fixed, same_fixed
from gmm.values.layouts import Array, Layout, SingularMatrixError
from gmm.values.noise import UniformNoise
from gmm.values.parameters import MixtureParameters
from gmm.values.priors import ConjugatePrior
from gmm.values.statistics import SufficientStatistics
from gmm.values.variational import MixturePosterior, VariationalPrior

Prior = ConjugatePrior | VariationalPrior
Spread = Callable[[Callable[[int, int], None], int, float], None]

_EPS = float(np.finfo(np.float64).eps)


def mixture_family(
    model: CovarianceModel,
    shape: tuple[int, ...],
    ridge: float,
    prior: Prior | None = None,
    weight: float = 1.0,
    noise: UniformNoise | None = None,
) -> MixtureFamily:
    """Return the mixtures and the objective of a fit as the compiled core takes them.

    Parameters
    ----------
    model : CovarianceModel
    shape : tuple of int
        That of the means.
    ridge : float
    prior : ConjugatePrior or VariationalPrior, optional
    weight : float
        Of all rows, which a variational posterior counts.
    noise : UniformNoise, optional
    """
    K, d = shape
    if isinstance(prior, VariationalPrior):
        return prior.family(model, K, ridge, weight)
    moments = None if prior is None else prior.as_moments(model, K, d)
    log_noise = -inf if noise is None else noise.log_density
    codes = model.layout.code, model.constraint
    return MixtureFamily(*codes, K, d, ridge, moments, model.moments.code, log_noise=log_noise)


class MStep:
    """The M-step of one run, which may give components without rows a new place.

    Parameters
    ----------
    model : CovarianceModel
    ridge : float
    repairs : int
        Maximum number of components that get a new place.
    spread : callable, optional
        As in `most_likely`.
    prior : ConjugatePrior or VariationalPrior, optional
    weight : float
        Of all rows.
    repaired : sequence of int
        Components that got a new place before; they count towards `repairs`.
    noise : UniformNoise, optional
    fixed : Fixed, optional
        What stays as it is in the mixture before.
    """

    def __init__(
        self,
        model: CovarianceModel,
        ridge: float,
        repairs: int,
        *,
        spread: Spread | None = None,
        prior: Prior | None = None,
        weight: float = 1.0,
        repaired: Sequence[int] = (),
        noise: UniformNoise | None = None,
        fixed: Fixed | None = None,
    ) -> None:
        self._model = model
        self._ridge = ridge
        self._repairs = repairs
        self._spread = spread or _in_turn
        self._prior = prior
        self._weight = weight
        self._noise = noise
        self._fixed = fixed
        self.repaired = list(repaired)

    @property
    def repair_empty(self) -> bool:
        """Whether a component without rows is given a new place."""
        return self._repairs > len(self.repaired)

    def family(self, parameters: MixtureParameters) -> MixtureFamily:
        """Return the mixtures of that shape, as the compiled core sees them."""
        return mixture_family(self._model, parameters.means.shape, self._ridge, self._prior, self._weight, self._noise)

    def taken(self, parameters: MixtureParameters) -> MixtureParameters:
        """Return the mixture as one of this fit.

        A posterior may be of another prior or rows; a mixture may hold other parameters.
        """
        if isinstance(self._prior, VariationalPrior) and isinstance(parameters, MixturePosterior):
            return MixturePosterior.of(parameters.as_estimate(), self._model, self._prior, self._weight)
        if not same_fixed(parameters.fixed, self._fixed):
            return MixtureParameters.estimated(parameters.as_estimate(), self._model, parameters.noise, self._fixed)
        return parameters

    def __call__(
        self, statistics: SufficientStatistics, previous: MixtureParameters | None = None
    ) -> MixtureParameters:
        """Maximise the expected complete-data log-likelihood, ridge and prior included; never worse than `previous`."""
        statistics, repaired = refilled(statistics, self._model, self._repairs - len(self.repaired))
        self.repaired += repaired
        how: dict[str, Any] = {"spread": self._spread, "prior": self._prior, "noise": self._noise}
        how["weight"] = self._weight  # the statistics' own differs by rounding
        if previous is None:
            return most_likely(statistics, self._model, self._ridge, **how)
        if self._fixed is not None:
            statistics = moments_beside(self._fixed, statistics, previous, self._prior)
        found = most_likely(statistics, self._model, self._ridge, previous=previous.covariances, **how)
        return found if self._fixed is None else fixed_in(self._fixed, found, previous)


def _in_turn(task: Callable[[int, int], None], n: int, work: float) -> None:
    task(0, n)


def most_likely(
    statistics: SufficientStatistics,
    model: CovarianceModel,
    ridge: float,
    *,
    spread: Spread = _in_turn,
    previous: Array | None = None,
    prior: Prior | None = None,
    noise: UniformNoise | None = None,
    weight: float | None = None,
) -> MixtureParameters:
    """Compute weights n_k / n, means, and the model's covariances of S_k / n_k with `ridge` on the diagonals.

    With a prior, the mode of the posterior or, with a `VariationalPrior`, a `MixturePosterior`.

    Parameters
    ----------
    statistics : SufficientStatistics
    model : CovarianceModel
    ridge : float
    spread : callable
        Runs the updates of the covariances, in threads if they are worth it: see `EStep.spread`.
    previous : array in the shape of the model's layout, optional
        The previous covariances.
    prior : ConjugatePrior or VariationalPrior, optional
    noise : UniformNoise, optional
    weight : float, optional
        Of all rows, which a variational posterior counts; that of the statistics by default.

    Raises
    ------
    SingularMatrixError
        If a covariance is not positive definite and `ridge` is 0.
    """
    weight = statistics.weight if weight is None else weight
    family = mixture_family(model, statistics.first.shape, ridge, prior, weight, noise)
    update = mstep.Update(
        family,
        np.ascontiguousarray(statistics.origins),
        statistics.counts,
        np.ascontiguousarray(statistics.first),
        np.ravel(statistics.second),
        statistics.weight,
        None if previous is None else np.ravel(previous),
    )
    spread(update.covariances, update.n_covariances, family.work)
    if model.constraint:
        spread(update.constrain, 1, family.work)
    estimate, failed = update.finish()
    if failed < 0 and isinstance(prior, VariationalPrior):
        return MixturePosterior.of(estimate, model, prior, weight)
    if failed < 0:
        return MixtureParameters.estimated(estimate, model, noise)
    if prior is not None:
        raise SingularMatrixError(failed)
    counts = _positive_counts(statistics)
    free = model.layout.per_count(statistics.scatter, counts)
    mixture = ridged(counts, statistics.means, free, model, ridge, previous)
    return mixture if noise is None else replace(mixture, weights=counts / statistics.weight, noise=noise)


def _positive_counts(statistics: SufficientStatistics) -> Array:
    """Return the counts, raised above 0: a component without rows keeps its place, with the ridge alone."""
    return np.maximum(statistics.counts, _EPS * statistics.weight)


def ridged(
    counts: Array,
    means: Array,
    free: Array,
    model: CovarianceModel,
    ridge: float,
    previous: Array | None = None,
) -> MixtureParameters:
    """Return the mixture of free covariances S_k / n_k with `ridge` on their diagonals, and more if rounding needs it.

    Raises
    ------
    SingularMatrixError
        As `most_likely`.
    """
    layout = model.layout
    once = layout.with_ridge(free, ridge)
    extra = np.zeros(1 if layout.pooled else len(counts))
    weights, d = counts / counts.sum(), means.shape[1]
    while True:
        try:
            covariances = model.constrained(layout.with_ridge(once, extra), counts, previous=previous)
            return MixtureParameters(weights, means, covariances, model)
        except SingularMatrixError as error:
            if ridge == 0:
                raise
            # Constrained covariances depend on each other: raise all of them.
            k = slice(None) if model.constraint else slice(error.component, error.component + 1)
            # Not the diagonal: after a component has jumped far, cancellation may have left it negative.
            scale = np.abs(once if layout.pooled else once[k]).max()
            extra[k] = np.maximum(4 * extra[k], d * _EPS * scale)
            if not (0 < extra[k].max() <= 4 * d * scale < np.inf):
                raise


def refilled(
    statistics: SufficientStatistics, model: CovarianceModel, at_most: int
) -> tuple[SufficientStatistics, list[int]]:
    """Give each component without rows half of the heaviest one, split along its widest direction.

    Parameters
    ----------
    statistics : SufficientStatistics
    model : CovarianceModel
    at_most : int
        Maximum number of components to repair; further ones stay where they are.

    Returns
    -------
    statistics : SufficientStatistics
    repaired : list of int
        The components that were given a new place.
    """
    empty = (statistics.counts <= _EPS * statistics.weight).nonzero()[0]
    repaired = [int(k) for k in empty[: at_most if len(statistics.counts) > 1 else 0]]
    for k in repaired:
        donor = int(np.argmax(statistics.counts))
        free = model.layout.per_count(statistics.scatter, _positive_counts(statistics))
        statistics = split_widest(statistics, donor, k, model.layout, free, offset=0.5)
    return statistics, repaired


def split_widest(
    statistics: SufficientStatistics, component: int, into: int, layout: Layout, covariances: Array, *, offset: float
) -> SufficientStatistics:
    """Split a component in two along its widest direction, the means 2·`offset` standard deviations apart."""
    return statistics.split(component, into, offset * layout.widest(covariances, component, statistics.first.shape[1]))
