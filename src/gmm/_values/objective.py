"""`Objective`: what a fit maximises, and the mixtures over which it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._kernel import mstep
from gmm._kernel.mstep import MixtureFamily, cached_property
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import Array, SingularMatrixError
from gmm._values.noise import NO_NOISE, Noise
from gmm._values.parameters import NOTHING_FIXED, Fixed, MixtureParameters
from gmm._values.priors import FLAT, Prior
from gmm._values.statistics import SufficientStatistics
from gmm._values.tails import NORMAL_TAILS, Tails
from gmm._values.weights import ALL_UNKNOWN, KnownClasses

ShareOut = Callable[[Callable[[int, int], None], int, float], None]

_EPS = float(np.finfo(np.float64).eps)
_LATEST = 4  # families that are kept: of a race and of the fit, but not of many blocks of rows with their own weights


def in_turn(task: Callable[[int, int], None], n: int, work: float) -> None:
    """Run a task at once, on this thread."""
    task(0, n)


@dataclass(frozen=True, eq=False)
class Objective:
    """The log-likelihood, or with a prior the log posterior density or the evidence bound, of mixtures of a model.

    Parameters
    ----------
    model : CovarianceModel
    ridge : float
        Added to the diagonals of the covariances, in squared units of the data.
    prior : Prior
    noise : Noise
        To which rows may belong instead of to a component.
    fixed : Fixed
        Parameters of the mixture that a run begins with which stay; the others climb by EM alone.
    anchor : MixtureParameters, optional
        Has the fixed parameters of every run, whatever it begins with.
    max_ratio : float
        Of the largest eigenvalue of all covariances to the smallest one; ∞ for no limit.
    tails : Tails
        Of all components.
    """

    model: CovarianceModel
    ridge: float = 0.0
    prior: Prior = FLAT
    noise: Noise = NO_NOISE
    fixed: Fixed = NOTHING_FIXED
    anchor: MixtureParameters | None = None
    tails: Tails = NORMAL_TAILS
    max_ratio: float = inf
    _latest: dict[tuple[object, ...], MixtureFamily] = field(default_factory=dict, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields, without what follows from them."""
        return vars(self) | {"_latest": {}}

    @cached_property
    def repairable(self) -> bool:
        """Whether a component without rows may get a new place; a variational fit may do without it."""
        return not (self.prior.variational or self.fixed)

    @cached_property
    def is_plain(self) -> bool:
        """Whether a mixture of normal components, none of them fixed, is one of this objective as it is."""
        is_free = self.fixed is NOTHING_FIXED and self.anchor is None and self.max_ratio == inf
        return is_free and self.prior is FLAT and self.tails is NORMAL_TAILS

    @property
    def for_starts(self) -> Objective:
        """The objective of starts: of normal components, without noise and fixed parameters."""
        differs = self.noise or self.fixed or self.anchor is not None or self.tails
        return replace(self, noise=NO_NOISE, fixed=NOTHING_FIXED, anchor=None, tails=NORMAL_TAILS) if differs else self

    def for_mixture(self, mixture: MixtureParameters) -> Objective:
        """Return the objective with the tails, the noise and the fixed parameters of a mixture."""
        if mixture.noise is self.noise and mixture.tails is self.tails and not (mixture.fixed or self.fixed):
            return self
        return replace(self.with_anchor(mixture), noise=mixture.noise, tails=mixture.tails)

    def with_anchor(self, anchor: MixtureParameters) -> Objective:
        """Return the objective with the fixed parameters of a mixture."""
        return replace(self, fixed=anchor.fixed, anchor=anchor if anchor.fixed else None)

    def stored_for(self, model: CovarianceModel) -> Objective:
        """Return the objective for a model that stores the same covariances in another layout."""
        if model is self.model and self.anchor is None:
            return self
        return replace(self, model=model, prior=self.prior.stored_for(model), anchor=None)

    def family(self, shape: tuple[int, ...], weight: float = 1.0, classes: KnownClasses = ALL_UNKNOWN) -> MixtureFamily:
        """Return the mixtures with means of a shape, given rows of this weight, as the compiled core takes them."""
        model, (K, d) = self.model, shape
        key = K, d, weight, classes.owners.tobytes()
        family = self._latest.get(key)
        if family is None:
            family = MixtureFamily(
                model.layout.code,
                model.constraint,
                K,
                d,
                self.ridge,
                self.prior.as_moments(model, K, d),
                self.prior.belief(weight),
                log_noise=self.noise.log_density,
                owners=classes.owners.astype(np.intc) if len(classes.owners) == K else None,
                n_factors=model.n_factors,
                max_ratio=self.max_ratio,
                tails=self.tails.numbers(K),
                free_tails=self.tails.free,
            )
            if len(self._latest) == _LATEST:
                self._latest.clear()
            self._latest[key] = family
        return family

    def adopted(self, parameters: MixtureParameters, weight: float) -> MixtureParameters:
        """Return a mixture as one of this objective and of rows of this weight; it may be of another fit."""
        if self.is_plain and parameters.tails is NORMAL_TAILS and parameters.fixed is NOTHING_FIXED:
            return parameters
        parameters = self._within_limit(self.prior.adopted(parameters, weight))
        tails = parameters.tails if parameters.tails.equals(self.tails) else self.tails
        if tails or parameters.tails:  # one number may stand for those of each component
            parameters = parameters.with_other(tails=tails.with_numbers(tails.numbers(parameters.n_components)))
        if self.anchor is not None:
            return with_fixed(self.fixed, parameters, self.anchor)
        return parameters if parameters.fixed.equals(self.fixed) else parameters.with_other(fixed=self.fixed)

    def _within_limit(self, parameters: MixtureParameters) -> MixtureParameters:
        """Return a mixture whose covariances are within the limit: as they are, if they break it by rounding alone."""
        if self.max_ratio == inf:
            return parameters
        before, d = np.ravel(parameters.covariances), parameters.n_features
        counts = np.maximum(parameters.weights, _EPS)
        within, _ = mstep.of_limited_ratio(self.model.layout.code, before, counts, d, self.max_ratio)
        if np.abs(within - before).max() <= 8 * d * _EPS * np.abs(before).max():
            return parameters
        return parameters.with_other(covariances=within.reshape(parameters.covariances.shape))

    def update(
        self,
        statistics: SufficientStatistics,
        previous: MixtureParameters | None = None,
        *,
        weight: float | None = None,
        share_out: ShareOut = in_turn,
    ) -> MixtureParameters:
        """Compute weights n_k / n, means, and the model's covariances of S_k / n_k with the ridge on the diagonals.

        With a prior, the mode of the posterior or, with a `VariationalPrior`, a `MixturePosterior`.

        Parameters
        ----------
        statistics : SufficientStatistics
        previous : MixtureParameters, optional
            The mixture before: its fixed parameters stay, and covariances that iterate begin at its own.
        weight : float, optional
            Of all rows, which a variational posterior counts; that of the statistics by default.
        share_out : callable
            Runs the updates of the covariances, in threads if they are worth it: see `EStep.share_out`.

        Raises
        ------
        SingularMatrixError
            If a covariance is not positive definite and there is no ridge.
        """
        weight = statistics.weight if weight is None else weight
        if previous is not None and self.fixed:
            statistics = moments_for_fixed(self.fixed, statistics, previous, self.prior)
        family = self.family(statistics.first.shape, weight)
        before = None if previous is None else previous.covariances
        update = mstep.Update(
            family,
            np.ascontiguousarray(statistics.origins),
            statistics.counts,
            np.ascontiguousarray(statistics.first),
            np.ravel(statistics.second),
            statistics.weight,
            None if before is None else np.ravel(before),
            statistics.precisions,
        )
        share_out(update.covariances, update.n_covariances, family.work)
        if self.model.constraint or self.max_ratio < inf:
            share_out(update.constrain, 1, family.work)
        estimate, failed = update.finish()
        if failed < 0:
            mixture = self.prior.mixture(estimate, self, weight)
        elif self.prior or self.max_ratio < inf or not self.model.stored_whole:
            raise SingularMatrixError(failed)
        else:
            counts = positive_counts(statistics)
            free = self.model.layout.per_count(statistics.scatter, counts)
            mixture = ridged(counts, statistics.means, free, self.model, self.ridge, before).with_other(
                weights=self.noise.shares(counts, statistics.weight),
                noise=self.noise,
                fixed=self.fixed,
                tails=self.tails if previous is None else previous.tails,
            )
        return with_fixed(self.fixed, mixture, previous) if previous is not None and self.fixed else mixture


@lru_cache(typed=True)
def log_likelihood(model: CovarianceModel, ridge: float) -> Objective:
    """Return the objective of normal components alone, which has nothing of the rows: once for all fits."""
    return Objective(model, ridge)


def positive_counts(statistics: SufficientStatistics) -> Array:
    """Return the counts, raised above 0: a component without rows keeps its place, with the ridge alone."""
    return np.maximum(statistics.counts, statistics.least_count)


def ridged(
    counts: Array, means: Array, free: Array, model: CovarianceModel, ridge: float, previous: Array | None = None
) -> MixtureParameters:
    """Return the mixture of free covariances S_k / n_k with `ridge` on their diagonals, and more if rounding needs it.

    Raises
    ------
    SingularMatrixError
        If a covariance is not positive definite and `ridge` is 0.
    """
    layout = model.layout
    once = layout.with_ridge(free, ridge)
    extra = np.zeros(1 if layout.pooled else len(counts))
    weights, d = counts / counts.sum(), means.shape[1]
    while True:
        try:
            free = layout.with_ridge(once, extra)
            covariances = model.constrained(free, counts, previous=previous, least=ridge)
            return MixtureParameters(weights, means, covariances, model)
        except SingularMatrixError as error:
            if ridge == 0:
                raise
            # A constraint does not tell whose covariance it is: raise all of them.
            k = slice(None) if model.constraint else slice(error.component, error.component + 1)
            # Not the diagonal: after a component has jumped far, cancellation may have left it negative.
            scale = np.abs(once if layout.pooled else once[k]).max()
            extra[k] = np.maximum(4 * extra[k], d * _EPS * scale)
            if not (0 < extra[k].max() <= 4 * d * scale < np.inf):
                raise


# --- Fixed parameters ----------------------------------------------------------------------------


def moments_for_fixed(
    fixed: Fixed, statistics: SufficientStatistics, previous: MixtureParameters, prior: Prior
) -> SufficientStatistics:
    """Return moments whose update has the free parameters that are best beside the fixed ones.

    Those of a fixed mean are about it, as if it were the mean of the rows, as free covariances are about it; those of a
    fixed covariance only have to be of some matrix that is not singular.

    Parameters
    ----------
    fixed : Fixed
    statistics : SufficientStatistics
        Of a pass.
    previous : MixtureParameters
        The mixture whose parameters stay.
    prior : Prior
        Not variational: a posterior has no parameters to fix.
    """
    layout, of_mean = statistics.layout, fixed.means[:, None]
    about = statistics.recentred(np.where(of_mean, previous.means, statistics.origins))
    first, second = np.where(of_mean, 0.0, about.first), about.second
    off = np.where(of_mean, prior.shortfall(previous.means, about.counts), 0.0)
    second = second + layout.outer(off, off)
    if fixed.covariances.any():
        counts = np.maximum(about.counts, about.least_count)
        root = first / np.sqrt(counts)[:, None]
        mass = counts.sum() if layout.pooled else counts
        stand_in = (mass * previous.covariances.T).T + layout.outer(root, root)
        second = _composite(fixed.covariances, stand_in, second)
    return SufficientStatistics(layout, about.origins, about.counts, first, second, about.log_evidence, about.weight)


def with_fixed(fixed: Fixed, update: MixtureParameters, previous: MixtureParameters) -> MixtureParameters:
    """Return the update of such moments with the fixed parameters as they were."""
    mask = fixed.covariances
    return update.with_other(
        weights=_weights(fixed, update.weights, previous.weights),
        means=np.where(fixed.means[:, None], previous.means, update.means),
        covariances=_composite(mask, previous.covariances, update.covariances),
        factors=(
            _composite(mask, previous.whiteners, update.whiteners),
            _composite(mask, previous.log_determinants, update.log_determinants),
        ),
        fixed=fixed,
    )


def _weights(fixed: Fixed, weights: Array, previous: Array) -> Array:
    """Return fixed weights, beside which the others share the rest in proportion."""
    stays, free = fixed.weights, weights[~fixed.weights].sum()
    if not stays.any():
        return weights
    if not free > 0:  # all are fixed, or no row is left
        return previous
    return np.where(stays, previous, weights * ((1.0 - previous[stays].sum()) / free))


def _composite(mask: NDArray[np.bool_], fixed: Array, free: Array) -> Array:
    """Return some components' numbers of one array, and the others' of another; all or none where they share them."""
    if mask.all() or not mask.any():
        return fixed if mask.any() else free
    return np.where(mask.reshape((-1,) + (1,) * (fixed.ndim - 1)), fixed, free)
