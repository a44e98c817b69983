"""Degenerate components: on few rows, on ties or on less than rounding, so that their likelihood means nothing."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._kernel import mstep
from gmm._kernel.mstep import Verdict
from gmm._passes.em import QuasiNewton, SolverRun
from gmm._passes.solver import SolverResult
from gmm._rows.sources import Source
from gmm._text.words import printable
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import Array
from gmm._values.objective import Objective
from gmm._values.parameters import NOTHING_FIXED, MixtureParameters
from gmm._values.priors import MixturePosterior
from gmm._values.statistics import SufficientStatistics

_CAUSES = (  # from 1 on, as `_kernel/degenerate.pxd` has them
    "fewer rows than its covariance needs",
    "so few rows that they are strays rather than a group",
    "no better a fit than chance gives to so few rows",
    "columns that depend on each other",
    "no spread but reg_covar in {}: rows that repeat, or few of them",
    "less spread than the rounding of values leaves in {}: rows that repeat, or few of them",
)
_NAMED = 3  # columns at most
_RIDGES = 2  # of which one is in every covariance, as the kernel has it


class Judge(IntEnum):
    """What mixtures are compared by: with some, strays and chance make no component."""

    # As `_kernel/degenerate.pxd` has them.
    START = 0  # of one fit, for which many rows of one value are a group where no other component is near
    LIKELIHOOD = 1  # of as many components
    CRITERION = 2  # of several numbers of components
    HELD_OUT = 3  # rows, which need no such rules


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
    def variances(self) -> Array:
        """Variance in each column up to which it is that of the ridge and of rounding to the steps (Sheppard), (d,)."""
        return _RIDGES * self.ridge + self.steps**2 / 12

    def verdict(self, model: CovarianceModel, judge: Judge) -> Verdict:
        """Return what tells of mixtures of a model, compiled."""
        return Verdict(_of_model(model, len(self.steps)), self.weight, self.variances, self.ridge, judge)


class Degeneracy:
    """Tells which components of mixtures of a model are degenerate.

    A degenerate component has fewer rows than its model needs (half a row is rounded up), or correlations that are
    singular to rounding, as those of a column and its copy. Or it is narrow: in some direction it has less variance
    than rounding leaves in values of a step h, h²/12 (Sheppard), or no more than the ridge, and all rows have far more
    there. Its likelihood is then that of a density where the rows have a lattice, or what the ridge makes of it. Where
    all components share one covariance, none needs rows for its own, but so few are a group only far from all others:
    see `least_worth`. A single component is degenerate if its correlations are singular to rounding, or if it has too
    few rows to span all directions and hardly more than the ridge as variance in some of them. A posterior has no
    degenerate component: the prior sees to that.

    Statistics are of the last pass of a fit without a prior. Where components of their own shapes are scaled to one
    volume, they tell the covariances before, of which some may be narrow.
    """

    def __init__(self, model: CovarianceModel, rows: Resolution, judge: Judge = Judge.LIKELIHOOD) -> None:
        self._verdict, self._fixed = rows.verdict(model, judge), NOTHING_FIXED
        self._of_moments = rows.ridge > 0 and depends_on_moments(model)

    @classmethod
    def of_fits(cls, objective: Objective, source: Source, judge: Judge = Judge.LIKELIHOOD) -> Degeneracy:
        """Return what judges fits to rows; a fixed covariance says nothing of them, nor statistics beside a prior."""
        judged = cls(objective.model, Resolution.from_source(source, objective.ridge), judge)
        judged._of_moments &= not objective.prior
        judged._fixed = objective.fixed
        return judged

    def causes(
        self, parameters: MixtureParameters, statistics: SufficientStatistics | None = None
    ) -> NDArray[np.uint8]:
        """Return the first cause by which each component is degenerate, (K,); 0 for none."""
        if isinstance(parameters, MixturePosterior):
            return np.zeros(parameters.n_components, np.uint8)
        free = statistics if self._of_moments else None
        return self._verdict.causes(parameters.as_estimate(), _spread_of_noise(parameters), free)

    def __call__(
        self, parameters: MixtureParameters, statistics: SufficientStatistics | None = None
    ) -> NDArray[np.bool_]:
        """Tell which components are degenerate, (K,)."""
        degenerate = self.causes(parameters, statistics) > 0
        return degenerate & ~self._fixed.covariances if self._fixed else degenerate

    def first(self, fit: SolverRun | SolverResult, *, of_mixture: bool = False) -> int:
        """Return the first degenerate component of a fit, or of a run so far; −1 if there is none.

        Of the mixture alone, it is without the statistics.
        """
        of_pass = self._of_moments and not of_mixture
        if isinstance(fit, SolverRun) and isinstance(fit.solver, QuasiNewton) and fit.n_passes:  # nothing is fixed
            return self._verdict.first(fit.solver.working, fit.solver.problem.objective.noise, of_pass=of_pass)
        degenerate = self(fit.parameters, fit.statistics if of_pass else None)
        first = int(degenerate.argmax())
        return first if degenerate[first] else -1


def reasons_of(
    parameters: MixtureParameters,
    rows: Resolution,
    feature_names: Sequence[str],
    statistics: SufficientStatistics | None = None,
) -> dict[int, str]:
    """Return why components are degenerate, by their numbers; those that are not are left out."""
    reasons: dict[int, str] = {}
    causes = Degeneracy(parameters.model, rows).causes(parameters, statistics)
    causes = np.where(parameters.fixed.covariances, 0, causes)
    for k in sorted(np.flatnonzero(causes).tolist(), key=causes.__getitem__):
        narrow = np.flatnonzero(parameters.column_variances[k] <= rows.variances).tolist()
        names = [printable(feature_names[j]) for j in narrow[:_NAMED]]
        names += [f"{len(narrow) - _NAMED} more columns"] * (len(narrow) > _NAMED)
        reasons[k] = _CAUSES[causes[k] - 1].format(", ".join(names) or "some direction")
    return reasons


def on_ridge_alone(parameters: MixtureParameters, ridge: float, feature_names: Sequence[str]) -> list[str]:
    """Name the columns in which the whole mixture has hardly more variance than the ridge: constant ones, or small."""
    here = (ridge > 0) & (total_variances(parameters) <= _RIDGES * ridge)
    return [printable(feature_names[j]) for j in np.flatnonzero(here).tolist()]


@lru_cache
def _of_model(model: CovarianceModel, d: int) -> tuple[int, int, float, float, bool, bool, bool, bool]:
    """Return what the rules need to know of a model, as `Verdict` takes it."""
    n_parameters = 1 + d + model.n_parameters(2, d) - model.n_parameters(1, d)
    sizes = model.layout.code, d, fewest_rows(model, d), n_parameters
    return *sizes, model.common, model.common_axes, model.own_shapes, model.scales_shapes


def fewest_rows(model: CovarianceModel, n_features: int) -> float:
    """Return the rows below which a component has fewer than its model needs, half a row rounded up."""
    return model.fewest_rows(n_features) - 0.5


def depends_on_moments(model: CovarianceModel) -> bool:
    """Tell whether `statistics` say more of degenerate components than their mixture: of shapes at one volume."""
    return model.scales_shapes and model.stored_whole


def total_variances(parameters: MixtureParameters) -> Array:
    """Return the variances of the whole mixture, (d,)."""
    layout, estimate = parameters.model.layout, parameters.as_estimate()
    return mstep.total_variances(layout.code, estimate, _spread_of_noise(parameters))


def _spread_of_noise(parameters: MixtureParameters) -> Array | None:
    return np.asarray(parameters.noise.variances) if parameters.noise else None
