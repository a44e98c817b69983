"""Parameters from statistics: maximum likelihood or a posteriori, the ridge, and components that lost their rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gmm._kernel import mstep
from gmm._kernel.mstep import MixtureFamily
from gmm.em.e_step import EStep
from gmm.em.quasi_newton import QuasiNewton
from gmm.em.solver import SolverResult, climb
from gmm.em.stopping import Stopping
from gmm.em.textbook import EStepFunction, PassBatchFunction, TextbookEM
from gmm.rows.sources import Source
from gmm.values.covariance import CovarianceModel
from gmm.values.layouts import Array, SingularMatrixError
from gmm.values.parameters import MixtureParameters
from gmm.values.priors import ConjugatePrior
from gmm.values.statistics import SufficientStatistics

Spread = Callable[[Callable[[int, int], None], int, float], None]

_EPS = float(np.finfo(np.float64).eps)
_ROUGHLY = 1e-3  # nats per unit weight


def mixture_family(
    model: CovarianceModel, shape: tuple[int, ...], ridge: float, prior: ConjugatePrior | None = None
) -> MixtureFamily:
    """Return the mixtures and the objective of a fit as the compiled core takes them; `shape` is that of the means."""
    K, d = shape
    moments = None if prior is None else prior.as_moments(model, K, d)
    return MixtureFamily(model.layout.code, model.constraint, K, d, ridge, moments, model.moments.code)


class MStep:
    """The M-step of one climb: a component without rows gets a new place, at most `repairs` times.

    Parameters
    ----------
    model : CovarianceModel
    ridge : float
    repairs : int
    spread : callable, optional
        As `most_likely` takes it.
    prior : ConjugatePrior, optional
    """

    def __init__(
        self,
        model: CovarianceModel,
        ridge: float,
        repairs: int,
        spread: Spread | None = None,
        prior: ConjugatePrior | None = None,
    ) -> None:
        self._model = model
        self.ridge = ridge
        self._repairs_left = repairs
        self._spread = spread or _in_turn
        self._prior = prior
        self.repaired: list[int] = []

    @property
    def repair_empty(self) -> bool:
        """Whether components without rows are given a new place."""
        return self._repairs_left > 0

    def family(self, parameters: MixtureParameters) -> MixtureFamily:
        """What it maximises over mixtures of that shape."""
        return mixture_family(self._model, parameters.means.shape, self.ridge, self._prior)

    def __call__(
        self, statistics: SufficientStatistics, previous: MixtureParameters | None = None
    ) -> MixtureParameters:
        """The parameters that maximise the expected complete-data log-likelihood, with the ridge and the prior.

        They are never worse than those of `previous`.
        """
        statistics, repaired = refilled(statistics, self._model, self._repairs_left)
        self._repairs_left -= len(repaired)
        self.repaired += repaired
        before = None if previous is None else previous.covariances
        return most_likely(statistics, self._model, self.ridge, spread=self._spread, previous=before, prior=self._prior)

    def measuring(self, e_step: EStep) -> EStepFunction:
        """Passes whose statistics have what is maximised for their evidence: the prior is counted in."""

        def measured(parameters: MixtureParameters) -> SufficientStatistics:
            statistics = e_step(parameters.whitened())
            if self._prior is None:
                return statistics
            log_prior = self.family(parameters).log_prior(
                np.ascontiguousarray(parameters.means), np.ravel(parameters.whiteners), parameters.log_determinants
            )
            return replace(statistics, log_evidence=statistics.log_evidence + log_prior)

        return measured

    def batches(self, e_step: EStep) -> PassBatchFunction:
        """Passes and these updates in turn, as far as no update needs help: see `gmm.em.textbook`."""

        def run(
            parameters: MixtureParameters, stopping: Stopping, bounds: list[float], at_most: int
        ) -> tuple[MixtureParameters, SufficientStatistics, list[float]]:
            family = self.family(parameters)
            batch = e_step.run_em(parameters, stopping, bounds, at_most, family=family, repair_empty=self.repair_empty)
            if batch.estimate is not None:
                parameters = MixtureParameters.estimated(batch.estimate, self._model)
            return parameters, batch.statistics, batch.bounds

        return run


def textbook(
    parameters: MixtureParameters,
    e_step: EStep,
    m_step: MStep,
    stopping: Stopping,
    before: tuple[float, ...] = (),
) -> TextbookEM:
    """The likelihood's way by EM: see `gmm.inference.TextbookEM`, whose arguments the others are."""
    batches = m_step.batches(e_step)
    return TextbookEM(parameters, m_step.measuring(e_step), m_step, stopping, before=before, batches=batches)


def short_climb(
    rows: Source,
    model: CovarianceModel,
    ridge: float,
    begin: SufficientStatistics | MixtureParameters,
    *,
    max_iter: int,
    n_threads: int | None = None,
    prior: ConjugatePrior | None = None,
) -> SolverResult | None:
    """Where a start leads, roughly, to compare it with others; None where it ends in a singular covariance."""
    with EStep(rows, model.moments, n_threads=n_threads) as e_step:
        try:
            m_step = MStep(model, ridge, len(begin.means), e_step.spread, prior)
            parameters = m_step(begin) if isinstance(begin, SufficientStatistics) else begin
            way = QuasiNewton(parameters, e_step, m_step, tolerance=_ROUGHLY, confirm_stop=False)
            return replace(climb(way, max_iter=max_iter), ascent=None)  # which is of the size of many mixtures
        except SingularMatrixError:
            return None


def _in_turn(task: Callable[[int, int], None], n: int, work: float) -> None:
    task(0, n)


def most_likely(
    statistics: SufficientStatistics,
    model: CovarianceModel,
    ridge: float,
    *,
    spread: Spread = _in_turn,
    previous: Array | None = None,
    prior: ConjugatePrior | None = None,
) -> MixtureParameters:
    """The M-step: weights n_k / n, means, and the model's covariances of S_k / n_k with `ridge` on the diagonals.

    Parameters
    ----------
    statistics : SufficientStatistics
    model : CovarianceModel
    ridge : float
    spread : callable
        Runs the covariances' estimates, in threads perhaps: see `gmm.inference.EStep.spread`.
    previous : array in the shape of the model's layout, optional
        The covariances before.
    prior : ConjugatePrior, optional

    Raises
    ------
    SingularMatrixError
        If a covariance is not positive definite and `ridge` is 0.
    """
    family = mixture_family(model, statistics.first.shape, ridge, prior)
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
    if failed < 0:
        return MixtureParameters.estimated(estimate, model)
    if prior is not None:
        raise SingularMatrixError(failed)
    counts = _divisors(statistics)
    free = model.layout.per_count(statistics.scatter, counts)
    return ridged(counts, statistics.means, free, model, ridge, previous)


def _divisors(statistics: SufficientStatistics) -> Array:
    """The counts; a component without rows must not divide by zero: it keeps its place, with the ridge alone."""
    return np.maximum(statistics.counts, _EPS * statistics.weight)


def ridged(
    counts: Array,
    means: Array,
    free: Array,
    model: CovarianceModel,
    ridge: float,
    previous: Array | None = None,
) -> MixtureParameters:
    """The mixture of free covariances S_k / n_k with `ridge` on their diagonals, and more where rounding asks for it.

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
            # Constrained covariances depend on each other: all are helped.
            k = slice(None) if model.constraint else slice(error.component, error.component + 1)
            # Not the diagonal: where a component has jumped far, cancellation may have left it negative.
            scale = np.abs(once if layout.pooled else once[k]).max()
            extra[k] = np.maximum(4 * extra[k], d * _EPS * scale)
            if not (0 < extra[k].max() <= 4 * d * scale < np.inf):
                raise


def refilled(
    statistics: SufficientStatistics, model: CovarianceModel, at_most: int
) -> tuple[SufficientStatistics, list[int]]:
    """Give components without rows half of the heaviest one, split along its widest direction.

    Parameters
    ----------
    statistics : SufficientStatistics
    model : CovarianceModel
    at_most : int
        How many to repair; more are left where they are.

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
        statistics = statistics.split(donor, k, _half_spread(statistics, donor, model))
    return statistics, repaired


def _half_spread(statistics: SufficientStatistics, component: int, model: CovarianceModel) -> Array:
    """Half a standard deviation of `component` along its widest direction, (d,)."""
    free = model.layout.per_count(statistics.scatter, _divisors(statistics))
    return 0.5 * model.layout.widest(free, component, statistics.first.shape[1])
