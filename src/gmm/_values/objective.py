"""`Objective`: the function that a fit maximises, and its mixtures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import inf
from typing import Any

import numpy as np

from gmm._blas import blas_alone
from gmm._kernel import mstep
from gmm._kernel.mstep import MixtureFamily, cached_property
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import SingularMatrixError
from gmm._values.noise import NO_NOISE, Noise
from gmm._values.parameters import NOTHING_FIXED, Estimate, Fixed, MixtureParameters
from gmm._values.priors import FLAT, MixturePosterior, Prior, VariationalPrior
from gmm._values.row_data import ALL_UNKNOWN, KnownClasses
from gmm._values.statistics import SufficientStatistics
from gmm._values.tails import NORMAL_TAILS, Tails

ShareOut = Callable[[Callable[[int, int], None], int, float], None]

_EPS = float(np.finfo(np.float64).eps)
_LATEST = 4  # families that are cached: those of a race and a fit, but not of many blocks of rows with other weights


def in_turn(task: Callable[[int, int], None], n: int, work: float) -> None:
    """Run a task in this thread."""
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
        The noise to which rows may belong instead of to a component.
    fixed : Fixed
        Parameters of the initial mixture of a run that do not change; the others are fitted by EM only.
    anchor : MixtureParameters, optional
        The mixture with the fixed parameters of every run.
    max_ratio : float
        The largest ratio of any two eigenvalues of all covariances; ∞ for no limit.
    tails : Tails
        Tails of all components.
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
        """Return the fields, without cached values."""
        return vars(self) | {"_latest": {}}

    @cached_property
    def repairable(self) -> bool:
        """Whether a component without rows may be moved; a variational fit may drop it."""
        return not (self.prior.variational or self.fixed)

    @cached_property
    def is_plain(self) -> bool:
        """Whether any mixture of normal components without fixed parts is one of this objective."""
        is_free = self.fixed is NOTHING_FIXED and self.anchor is None and self.max_ratio == inf
        return is_free and self.prior is FLAT and self.tails is NORMAL_TAILS

    @property
    def for_starts(self) -> Objective:
        """The objective of starts: for their model, without fixed parameters."""
        differs = self.fixed or self.anchor is not None
        free = replace(self, fixed=NOTHING_FIXED, anchor=None) if differs else self
        model = self.model.for_starts
        return free if free.model is model else free.stored_for(model)

    def for_mixture(self, mixture: MixtureParameters) -> Objective:
        """Return the objective with the tails, the noise and the fixed parameters of a mixture."""
        if mixture.noise is self.noise and mixture.tails is self.tails and not (mixture.fixed or self.fixed):
            return self
        return replace(self.with_anchor(mixture), noise=mixture.noise, tails=mixture.tails)

    def with_anchor(self, anchor: MixtureParameters) -> Objective:
        """Return the objective with the fixed parameters of a mixture."""
        return replace(self, fixed=anchor.fixed, anchor=anchor if anchor.fixed else None)

    def stored_for(self, model: CovarianceModel) -> Objective:
        """Return the objective for a model with the same covariances in another layout."""
        if model is self.model and self.anchor is None:
            return self
        return replace(self, model=model, prior=self.prior.stored_for(model), anchor=None)

    def family(self, shape: tuple[int, ...], weight: float = 1.0, classes: KnownClasses = ALL_UNKNOWN) -> MixtureFamily:
        """Return the compiled family of the mixtures with means of a shape, given rows of this weight."""
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
                fixed=self.fixed.table.view(np.uint8) if self.fixed else None,
            )
            if len(self._latest) == _LATEST:
                self._latest.clear()
            self._latest[key] = family
        return family

    def adopted(self, parameters: MixtureParameters, weight: float) -> MixtureParameters:
        """Convert a mixture, which may be of another fit, to one of this objective and of rows of this weight."""
        if self.is_plain and parameters.tails is NORMAL_TAILS and parameters.fixed is NOTHING_FIXED:
            return parameters
        parameters = self._within_limit(self.prior.adopted(parameters, weight))
        tails = parameters.tails if parameters.tails.equals(self.tails) else self.tails
        if tails or parameters.tails:  # one number may stand for those of each component
            parameters = parameters.with_other(tails=tails.with_numbers(tails.numbers(parameters.n_components)))
        if self.anchor is not None:
            family, given = self.family(parameters.means.shape, weight), self.anchor.as_estimate()
            parameters = parameters.updated(family.with_fixed(parameters.as_estimate(), given))
        return parameters if parameters.fixed.equals(self.fixed) else parameters.with_other(fixed=self.fixed)

    def _within_limit(self, parameters: MixtureParameters) -> MixtureParameters:
        """Return a mixture whose covariances are within the limit; rounding may exceed it."""
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

        With a prior, compute the mode of the posterior or, with a `VariationalPrior`, a `MixturePosterior`.

        Parameters
        ----------
        statistics : SufficientStatistics
        previous : MixtureParameters, optional
            The mixture before: its fixed parameters stay, and iterations of covariances start from its own.
        weight : float, optional
            Weight of all rows, for a variational posterior; that of the statistics by default.
        share_out : callable
            Runs the updates of the covariances, in threads if it is worth it: see `EStep.share_out`.

        Raises
        ------
        SingularMatrixError
            If a covariance is not positive definite and there is no ridge.
        """
        weight = statistics.weight if weight is None else weight
        family = self.family(statistics.first.shape, weight)
        update = mstep.Update(
            family,
            np.ascontiguousarray(statistics.origins),
            statistics.counts,
            np.ascontiguousarray(statistics.first),
            np.ravel(statistics.second),
            statistics.weight,
            None if previous is None else previous.as_estimate(),
            statistics.precisions,
        )
        share_out(update.covariances, update.n_covariances, family.work)
        if self.model.constraint or self.max_ratio < inf:
            share_out(update.constrain, 1, family.work)
        with blas_alone(family.work):
            estimate, failed = update.finish()
        if failed >= 0:
            raise SingularMatrixError(failed)
        return self.mixture(estimate, weight)

    def mixture(self, estimate: Estimate, weight: float) -> MixtureParameters:
        """Return the result of a compiled update by rows of this weight."""
        if isinstance(self.prior, VariationalPrior):
            return MixturePosterior.from_shares(estimate, self, self.prior, weight)
        return MixtureParameters.from_estimate(estimate, self)


@lru_cache(typed=True)
def log_likelihood(model: CovarianceModel, ridge: float) -> Objective:
    """Return the objective of normal components, which does not depend on rows: one for all fits."""
    return Objective(model, ridge)
