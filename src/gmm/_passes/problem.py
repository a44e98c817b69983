"""`Problem`: rows and an objective. It opens both steps of EM, and prepares every solver run."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gmm._blas import blas_alone
from gmm._kernel.mstep import MixtureFamily, QuasiNewtonState
from gmm._passes.e_step import EStep
from gmm._passes.em import MStep, QuasiNewton, Solver, SolverRun, TextbookEM
from gmm._passes.solver import GainBelow, Iteration
from gmm._rows.sources import Source
from gmm._values.layouts import Array, SingularMatrixError
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics

NO_NOISE_YET = 1e-5  # share: the rounding of responsibilities in float32 that sum to 1


class SolverSettings(NamedTuple):
    """The solver, `QuasiNewton` or `TextbookEM`, and its limits.

    `tolerance` is in nats per unit weight or, if the `bound_is_total`, in nats, as the run's record then is; `max_iter`
    is in passes; `confirm_stop` is for `QuasiNewton`. A result that is not `resumable` lacks
    the solver's state, which is as large as many mixtures.
    """

    tolerance: float
    max_iter: int
    accelerated: bool = True
    confirm_stop: bool = True
    bound_is_total: bool = False
    resumable: bool = True


class Continuation(NamedTuple):
    """A mixture from which a run starts, or a run that it continues.

    Parameters
    ----------
    parameters : MixtureParameters
    bounds : tuple of float
        Lower bounds that passes before this run measured.
    state : QuasiNewtonState, optional
        State of the accelerated run that this one continues.
    repaired : tuple of int
        Components that were moved before this run.
    records : array of shape (n, 5), optional
        Records of the last passes of that run, if it has converged: this one then has, too.
    """

    parameters: MixtureParameters
    bounds: tuple[float, ...] = ()
    state: QuasiNewtonState | None = None
    repaired: tuple[int, ...] = ()
    records: Array | None = None


class Parts(NamedTuple):
    """A mixture from which a run starts: weights (K,), means (K, d) and precisions, flat, in the model's layout.

    Its covariances are the nearest of the model.
    """

    weights: Array
    means: Array
    precisions: Array


RunStart = Continuation | Parts | SufficientStatistics


class Problem(NamedTuple):
    """Rows, and what a solver maximises over mixtures of them.

    Parameters
    ----------
    rows : Source
    objective : Objective
    n_threads : int, optional
        None for all usable cores.
    repair_empty : bool
        Whether components that lose their rows are moved: in one run, at most as many as there are components, and none
        if the objective is not `repairable`.
    """

    rows: Source
    objective: Objective
    n_threads: int | None = None
    repair_empty: bool = True

    def family(self, n_components: int) -> MixtureFamily:
        """Return the compiled family of the mixtures of so many components, with the objective."""
        rows = self.rows
        return self.objective.family((n_components, rows.n_features), rows.survey.weight, rows.known)

    def e_step(self) -> EStep:
        """Open passes over the rows; close them with a ``with`` statement."""
        return EStep(self.rows, self.objective.model.layout, n_threads=self.n_threads)

    def at_precisions(self, weights: Array, precisions: Array) -> tuple[Array, tuple[Array, Array]]:
        """Return the covariances of `Parts`, with their whiteners and log determinants.

        Raises
        ------
        SingularMatrixError
            If one is not positive definite.
        """
        family, layout = self.family(len(weights)), self.objective.model.layout
        with blas_alone(family.work):
            covariances, whiteners, log_determinants, failed = family.at_precisions(weights, precisions)
        if failed >= 0:
            raise SingularMatrixError(failed)
        shape = layout.shape(len(weights), self.rows.n_features)
        return covariances.reshape(shape), (whiteners.reshape(shape), log_determinants)

    def first_update(self, e_step: EStep, initial: RunStart) -> Continuation:
        """Make the first M-step after statistics, with the initial share of noise.

        Raises
        ------
        SingularMatrixError
            If a covariance is singular and there is no ridge.
        """
        if isinstance(initial, Continuation):
            return initial
        if isinstance(initial, Parts):
            covariances, factors = self.at_precisions(initial.weights, initial.precisions)
            return Continuation(MixtureParameters(*initial[:2], covariances, self.objective.model, factors))
        noise, has_tails = self.objective.noise, not self.objective.tails or np.any(initial.precision)
        initial = self.next_update(e_step, initial)
        if initial.parameters.noise_weight < min(noise.share, NO_NOISE_YET):  # a partition
            initial = initial._replace(parameters=initial.parameters.with_noise(noise, noise.share))
        if not has_tails:  # no pass has measured their degrees of freedom
            initial = initial._replace(parameters=initial.parameters.with_other(tails=self.objective.tails))
        return initial

    def next_update(self, e_step: EStep, statistics: SufficientStatistics) -> Continuation:
        """Make the M-step that follows a pass; it raises as `first_update` does."""
        m_step = self.m_step(e_step, len(statistics.counts))
        return Continuation(m_step(statistics), repaired=tuple(m_step.repaired))

    def prepare_run(
        self,
        e_step: EStep,
        initial: RunStart,
        settings: SolverSettings,
        *,
        start: int = 0,
        callback: Callable[[Iteration], object] | None = None,
    ) -> SolverRun:
        """Prepare a solver run; `SolverRun.go` makes its passes.

        Parameters
        ----------
        e_step : EStep
            Open over the same rows, for the moments of the same model.
        begin : Continuation, Parts or SufficientStatistics
            The last two stand for their `first_update`, whose errors this raises.
        settings : SolverSettings
        start : int
            Index of the start, for the record.
        callback : callable, optional
            Called with an `Iteration` after each pass; a truthy return value ends the run.
        """
        objective, weight = self.objective, self.rows.survey.weight
        unit = weight if settings.bound_is_total else 1.0
        tolerance, confirm = settings.tolerance / unit, settings.confirm_stop
        accelerated, resumable = settings.accelerated and not objective.fixed, settings.resumable
        before: tuple[float, ...] = ()
        records: Array | None = None
        solver: Solver
        if isinstance(initial, SufficientStatistics):
            n_components, compiled = len(initial.counts), objective.model.stores_dense
        elif isinstance(initial, Parts):
            n_components, compiled = len(initial.weights), objective.is_plain
        else:
            n_components, compiled = initial.parameters.n_components, False
        if accelerated and compiled and not objective.noise:  # Python sets its share
            working = QuasiNewtonState(self.family(n_components), tolerance, confirm)
            repair_empty = self.repair_empty and objective.repairable
            solver = QuasiNewton(working, e_step, self, unit=unit, resumable=resumable, repair_empty=repair_empty)
            if not solver.start_at(initial):
                initial = self.first_update(e_step, initial)
                solver.start(initial.parameters, self.m_step(e_step, n_components, initial.repaired))
        else:
            initial = self.first_update(e_step, initial)
            before, records = initial.bounds, initial.records
            parameters = objective.adopted(initial.parameters, weight)
            m_step = self.m_step(e_step, n_components, initial.repaired)
            if accelerated:
                family = self.family(n_components)
                working = initial.state or QuasiNewtonState(family, tolerance, confirm)
                solver = QuasiNewton(working, e_step, self, unit=unit, resumable=resumable)
                if initial.state is None:
                    solver.start(parameters, m_step)
                else:
                    solver.mixture, solver.repair_empty = parameters, m_step.repair_empty
            else:
                bounds = tuple(each / unit for each in before)
                solver = TextbookEM(parameters, e_step, m_step, GainBelow(tolerance, unit), before=bounds)
        return SolverRun(
            solver,
            max_iter=settings.max_iter,
            start=start,
            callback=callback,
            before=before[-1] if before else None,
            unit=unit,
            records=records,
        )

    def m_step(self, e_step: EStep, n_components: int, repaired: tuple[int, ...] = ()) -> MStep:
        """Open the M-step of a run, which has repaired some components before."""
        objective, rows = self.objective, self.rows
        repairs, weight = n_components if self.repair_empty and objective.repairable else 0, rows.survey.weight
        return MStep(
            objective, repairs, weight=weight, classes=rows.known, share_out=e_step.share_out, repaired=repaired
        )
