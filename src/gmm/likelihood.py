"""Parameters from statistics: maximum likelihood, the ridge, and components that lost their rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gmm import _mstep
from gmm._mstep import Ascent
from gmm.covariance import CovarianceModel
from gmm.inference import Climb, EStep, GainBelow, Iteration, QuasiNewton, Stopping, climb, em
from gmm.layouts import Array, SingularMatrixError
from gmm.parameters import MixtureParameters
from gmm.sources import ArraySource
from gmm.statistics import SufficientStatistics

Spread = Callable[[Callable[[int, int], None], int, float], None]

_EPS = float(np.finfo(np.float64).eps)
_ROUGHLY = 1e-3  # nats per unit weight


class MStep:
    """The M-step of one climb: a component without rows gets a new place, at most `repairs` times.

    Parameters
    ----------
    model : CovarianceModel
    ridge : float
    repairs : int
    spread : callable, optional
        As `maximum_likelihood` takes it.
    """

    def __init__(self, model: CovarianceModel, ridge: float, repairs: int, spread: Spread | None = None) -> None:
        self._model = model
        self.ridge = ridge
        self._repairs_left = repairs
        self._spread = spread or _in_turn
        self.repaired: list[int] = []

    @property
    def refills(self) -> bool:
        """Whether components without rows are given a new place."""
        return self._repairs_left > 0

    def __call__(self, statistics: SufficientStatistics) -> MixtureParameters:
        """The parameters that maximise the expected complete-data log-likelihood, with the ridge."""
        statistics, repaired = refilled(statistics, self._model, self.ridge, self._repairs_left)
        self._repairs_left -= len(repaired)
        self.repaired += repaired
        return maximum_likelihood(statistics, self._model, self.ridge, self._spread)

    def burst(
        self, e_step: EStep, parameters: MixtureParameters, stopping: Stopping, bounds: list[float], at_most: int
    ) -> tuple[MixtureParameters, SufficientStatistics, list[float]]:
        """Passes of `e_step` and these updates in turn, as far as no update needs help: see `gmm.inference.em`."""
        found = e_step.burst(
            parameters.whitened(),
            stopping,
            bounds,
            at_most if self._model.free else 1,
            ridge=self.ridge,
            refills=self.refills,
        )
        if found.estimate is not None:
            parameters = MixtureParameters.estimated(found.estimate, self._model)
        return parameters, found.statistics, found.bounds


def maximise(
    parameters: MixtureParameters,
    e_step: EStep,
    m_step: MStep,
    *,
    stopping: Stopping,
    max_iter: int,
    before: tuple[float, ...] = (),
    start: int = 0,
    callback: Callable[[Iteration], object] | None = None,
) -> Climb:
    """Climb the likelihood by EM: see `gmm.inference.em`, whose arguments the others are."""
    return em(
        parameters,
        lambda theta: e_step(theta.whitened()),
        m_step,
        stopping=stopping,
        max_iter=max_iter,
        before=before,
        start=start,
        callback=callback,
        burst=partial(m_step.burst, e_step),
    )


def ascend(
    parameters: MixtureParameters,
    e_step: EStep,
    m_step: MStep,
    *,
    tolerance: float,
    max_iter: int,
    thorough: bool = True,
    start: int = 0,
    callback: Callable[[Iteration], object] | None = None,
    ascent: Ascent | None = None,
    before: float | None = None,
    closing: bool = True,
) -> Climb:
    """Climb by quasi-Newton steps: see `gmm.inference.QuasiNewton`, whose arguments the others are.

    By EM, where the covariances are constrained beyond their layout.
    """
    if not parameters.model.free:
        bounds = () if before is None else (before,)
        how: dict[str, Any] = {"before": bounds, "start": start, "callback": callback}
        return maximise(parameters, e_step, m_step, stopping=GainBelow(tolerance), max_iter=max_iter, **how)
    way = QuasiNewton(
        parameters,
        e_step,
        m_step,
        ridge=m_step.ridge,
        tolerance=tolerance,
        thorough=thorough,
        ascent=ascent,
    )
    return climb(way, max_iter=max_iter, start=start, callback=callback, before=before, closing=closing)


def short_climb(
    rows: ArraySource,
    model: CovarianceModel,
    ridge: float,
    begin: SufficientStatistics | MixtureParameters,
    *,
    max_iter: int,
    n_threads: int | None = None,
) -> Climb | None:
    """Where a start leads, roughly, to compare it with others; None where it ends in a singular covariance."""
    with EStep(rows, model.moments, n_threads=n_threads) as e_step:
        try:
            m_step = MStep(model, ridge, len(begin.means), e_step.spread)
            parameters = m_step(begin) if isinstance(begin, SufficientStatistics) else begin
            found = ascend(parameters, e_step, m_step, tolerance=_ROUGHLY, thorough=False, max_iter=max_iter)
            return replace(found, ascent=None)  # which is of the size of many mixtures
        except SingularMatrixError:
            return None


def _in_turn(task: Callable[[int, int], None], n: int, work: float) -> None:
    task(0, n)


def maximum_likelihood(
    statistics: SufficientStatistics, model: CovarianceModel, ridge: float, spread: Spread = _in_turn
) -> MixtureParameters:
    """The M-step: weights n_k / n, means, and the model's covariances with `ridge` on their diagonals.

    Parameters
    ----------
    statistics : SufficientStatistics
    model : CovarianceModel
    ridge : float
    spread : callable
        Runs the covariances' estimates, in threads perhaps: see `gmm.inference.EStep.spread`.

    Raises
    ------
    SingularMatrixError
        If a covariance is not positive definite and `ridge` is 0.
    """
    if model.free:
        parameters = _free_update(statistics, model, ridge, spread)
        if parameters is not None:
            return parameters
    counts, covariances = _estimated(statistics, model)
    return ridged(counts / counts.sum(), statistics.means, covariances, model, ridge)


def _estimated(statistics: SufficientStatistics, model: CovarianceModel) -> tuple[Array, Array]:
    """The counts, as the model divides by them, and its covariances without the ridge."""
    # A component without rows must not divide by zero; it keeps its place, with the ridge as its covariance.
    counts = np.maximum(statistics.counts, _EPS * statistics.weight)
    return counts, model.estimate(statistics.scatter, counts)


def _free_update(
    statistics: SufficientStatistics, model: CovarianceModel, ridge: float, spread: Spread
) -> MixtureParameters | None:
    """The M-step where nothing but the layout constrains the covariances; None where one is singular."""
    update = _mstep.Update(
        model.layout.code,
        np.ascontiguousarray(statistics.origins),
        statistics.counts,
        np.ascontiguousarray(statistics.first),
        np.ravel(statistics.second),
        statistics.weight,
        ridge,
    )
    spread(update.covariances, update.n_covariances, update.work)
    estimate, failed = update.finish()
    return None if failed >= 0 else MixtureParameters.estimated(estimate, model)


def ridged(weights: Array, means: Array, covariances: Array, model: CovarianceModel, ridge: float) -> MixtureParameters:
    """The mixture with `ridge` on its covariances' diagonals, and more where rounding asks for more.

    Raises
    ------
    SingularMatrixError
        As `maximum_likelihood`.
    """
    layout = model.layout
    covariances = once = layout.with_ridge(covariances, ridge)
    extra = np.zeros(1 if layout.pooled else len(weights))
    while True:
        try:
            return MixtureParameters(weights, means, covariances, model)
        except SingularMatrixError as error:
            if ridge == 0:
                raise
            k, d = error.component, means.shape[1]
            # Not the diagonal: where a component has jumped far, cancellation may have left it negative.
            scale = np.abs(once if layout.pooled else once[k]).max()
            extra[k] = max(4 * extra[k], d * _EPS * scale)
            if not 0 < extra[k] <= 4 * d * scale < np.inf:
                raise
            covariances = layout.with_ridge(once, extra)


def refilled(
    statistics: SufficientStatistics, model: CovarianceModel, ridge: float, at_most: int
) -> tuple[SufficientStatistics, list[int]]:
    """Give components without rows half of the heaviest one, split along its widest direction.

    Parameters
    ----------
    statistics : SufficientStatistics
    model : CovarianceModel
    ridge : float
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
        statistics = statistics.split(donor, k, _half_spread(statistics, donor, model, ridge))
    return statistics, repaired


def _half_spread(statistics: SufficientStatistics, component: int, model: CovarianceModel, ridge: float) -> Array:
    """Half a standard deviation of `component` along its widest direction, (d,)."""
    K, d = statistics.first.shape
    covariances = model.layout.dense(_estimated(statistics, model)[1], K, d)
    variances, axes = np.linalg.eigh(covariances[component])
    return np.asarray(0.5 * np.sqrt(max(variances[-1], 0.0)) * axes[:, -1])
