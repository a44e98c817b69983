"""Degenerate components: on few rows, on ties or on less than rounding, so that their likelihood means nothing."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._kernel import mstep
from gmm._kernel.mstep import DegeneracyCheck
from gmm._passes.em import QuasiNewton, SolverRun
from gmm._passes.solver import SolverResult
from gmm._rows.sources import ArraySource, Source
from gmm._text.words import printable
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import Array
from gmm._values.objective import Objective
from gmm._values.parameters import NOTHING_FIXED, Estimate, MixtureParameters
from gmm._values.priors import MixturePosterior
from gmm._values.statistics import SufficientStatistics

_CAUSES = (  # from 1 on, as `_kernel/degenerate.pxd` has them
    "too few rows for its covariance",
    "too few rows to tell a group from chance",
    "columns that depend on each other",
    "no spread but reg_covar in {columns}: rows that repeat, or few of them",
    "less spread than the rounding of values leaves in {columns}: rows that repeat, or few of them",
    "rows that repeat, which its density counts as more than they tell",
)
_NAMED = 3  # columns at most
_RIDGES = 2  # of which one is in every covariance, as the kernel has it
_LOOKED_AT, _FIRST_LOOKED_AT = 20_000, 300  # rows
_COUNTED = 100_000  # rows, of which the distinct ones are counted


_OfMixture = tuple[Estimate, Array | None]


class DegeneracyRule(IntEnum):
    """What mixtures are compared by, which decides how much chance may give to a component."""

    # As `_kernel/degenerate.pxd` has them.
    ONE_NUMBER = 0  # the likelihood, of as many components
    CRITERION = 1  # of several numbers of components
    HELD_OUT = 2  # rows, to which chance gives nothing


class Resolution(NamedTuple):
    """What rows can tell of a component: so many distinct rows, columns of these `steps` (0 if continuous), the ridge.

    `source` has the rows to look at, if these are in memory, and `weight` is that of the distinct ones, if it is known.
    Copies are counted by it in units of their geometric mean, which no scale of weights nor copies of all rows change.
    """

    n_distinct: float
    steps: Array
    ridge: float
    source: Source | None = None
    weight: Array | None = None

    @classmethod
    def from_source(cls, source: Source, ridge: float) -> Resolution:
        """Return that of a source; true values behind errors have no steps."""
        steps = np.zeros(source.n_features) if source.errors else source.survey.steps
        array = source.one_array
        n_distinct = source.survey.n_used if array is None or source.n_rows > _COUNTED else array.n_distinct
        merged = vars(source).get("distinct", source)
        weight = merged.sample_weight if merged.n_rows == n_distinct else None
        return cls(n_distinct, steps, ridge, None if source.errors or array is None else source, weight)

    def check(self, model: CovarianceModel, rule: DegeneracyRule = DegeneracyRule.ONE_NUMBER) -> DegeneracyCheck:
        """Return the compiled check of mixtures of a model."""
        return DegeneracyCheck(
            _of_model(model, len(self.steps)), self.n_distinct, self.steps, self.ridge, rule, self.weight
        )


class Degeneracy:
    """Reports which components of mixtures of a model are degenerate.

    A degenerate component is worth no more, as what the mixture would lose without it, than chance gives to so many
    distinct rows (`least_worth`), or has fewer than the likelihood needs to have a bound. Or it is thin: its
    correlations are singular to rounding, as those of a column and its copy; or in some direction it has less variance
    than rounding leaves in values of a step h, h²/12 (Sheppard), or no more than the ridge, and all rows have far more
    there; or its density owes as much to rows of one value, of which no step is known. Its likelihood is then that of a
    density where rows repeat, or what the ridge makes of it. A single component is degenerate if its correlations are
    singular to rounding, or if it has too few rows to span all directions and hardly more than the ridge as variance in
    some of them. A posterior has no degenerate component: the prior sees to that.

    Statistics are of the last pass of a fit without a prior. Where components of their own shapes are scaled to one
    volume, they tell the covariances before, of which some may be narrow.
    """

    def __init__(
        self, model: CovarianceModel, rows: Resolution, rule: DegeneracyRule = DegeneracyRule.ONE_NUMBER
    ) -> None:
        self._check, self._fixed, self.rows = rows.check(model, rule), NOTHING_FIXED, rows
        self._of_moments = rows.ridge > 0 and model.depends_on_moments

    @classmethod
    def of_fits(
        cls, objective: Objective, source: Source, rule: DegeneracyRule = DegeneracyRule.ONE_NUMBER
    ) -> Degeneracy:
        """Return the check of fits to rows; fixed covariances are left out, and statistics where there is a prior."""
        degeneracy = cls(objective.model, Resolution.from_source(source, objective.ridge), rule)
        if objective.prior:  # which leaves ties a spread of its own
            degeneracy.rows, degeneracy._of_moments = degeneracy.rows._replace(source=None), False
        degeneracy._fixed = objective.fixed
        return degeneracy

    def causes(
        self, parameters: MixtureParameters, statistics: SufficientStatistics | None = None
    ) -> NDArray[np.uint8]:
        """Return the first cause by which each component is degenerate, (K,); 0 for none, or a fixed covariance."""
        if isinstance(parameters, MixturePosterior):
            return np.zeros(parameters.n_components, np.uint8)
        of_mixture = _of_mixture(parameters)
        causes = self._certain(parameters, of_mixture, statistics if self._of_moments else None)
        return self._with_ties(parameters, of_mixture, causes)

    def _certain(
        self, parameters: MixtureParameters, of_mixture: _OfMixture, statistics: SufficientStatistics | None
    ) -> NDArray[np.uint8]:
        """Return the causes that the mixture tells, without a look at the rows."""
        causes = self._check.causes(*of_mixture, statistics)
        if fixed := self._fixed or parameters.fixed:
            causes[fixed.covariances] = 0
        return causes

    def _with_ties(
        self, parameters: MixtureParameters, of_mixture: _OfMixture, causes: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Return the causes with those that the rows tell, if they are in memory: a part of them first."""
        source = self.rows.source
        if len(causes) == 1 or source is None or (array := source.one_array) is None:
            return causes
        found = self._ties(of_mixture, causes, array, _FIRST_LOOKED_AT)
        if source.n_rows > _FIRST_LOOKED_AT and (doubted := found != causes).any():
            others = np.where(doubted, causes, 1).astype(np.uint8)  # of which nothing is asked
            found = np.where(doubted, self._ties(of_mixture, others, array, _LOOKED_AT), causes)
        if fixed := self._fixed or parameters.fixed:
            found[fixed.covariances] = 0
        return found

    def _ties(self, of_mixture: _OfMixture, causes: NDArray[np.uint8], array: ArraySource, n: int) -> NDArray[np.uint8]:
        """Return the causes with those that at most n of the rows tell."""
        weight = None if array.sample_weight is None else _some(array.sample_weight, n)
        return self._check.ties(*of_mixture, causes, array.look(_some, n), weight, array.look(_repeats))

    def __call__(
        self, parameters: MixtureParameters, statistics: SufficientStatistics | None = None
    ) -> NDArray[np.bool_]:
        """Return whether components are degenerate, (K,)."""
        return self.causes(parameters, statistics) > 0

    def worth(self, result: SolverResult) -> tuple[bool, float]:
        """Return by what fits of one K compare: whether their bounds have a meaning, and how much they are worth.

        A bound without a meaning is worth what it is.
        """
        parameters, bound = result.parameters, result.lower_bound
        if isinstance(parameters, MixturePosterior) or (self._fixed and self._fixed.covariances.any()):
            return True, bound
        worth = self._check.worth(*_of_mixture(parameters), bound)
        return (True, worth) if worth > -np.inf else (False, bound)

    def first(self, fit: SolverRun | SolverResult, *, of_mixture: bool = False) -> int:
        """Return a degenerate component of a fit, or of a run so far, the first that the mixture tells; −1 if none is.

        Of the mixture alone, it is without the statistics and the rows.
        """
        is_told, is_sound = of_mixture or not self._of_moments, False
        if is_told and isinstance(fit, SolverRun) and isinstance(fit.solver, QuasiNewton) and fit.n_passes:
            first = self._check.first(fit.solver.working, fit.solver.problem.objective.noise)  # nothing is fixed
            if of_mixture or first >= 0 or self.rows.source is None:
                return first
            is_sound = True
        parameters = fit.parameters
        if isinstance(parameters, MixturePosterior):
            return -1
        mixture = _of_mixture(parameters)
        if is_sound:
            causes = np.zeros(parameters.n_components, np.uint8)
        else:
            causes = self._certain(parameters, mixture, None if is_told else fit.statistics)
        if not (of_mixture or causes.any()):  # a look at the rows takes longer
            causes = self._with_ties(parameters, mixture, causes)
        first = int(causes.argmax())
        return first if causes[first] else -1


def _some(numbers: NDArray[Any], n: int) -> Array:
    """Return at most n of the numbers of rows, evenly among all, as `DegeneracyCheck.ties` reads them."""
    return np.ascontiguousarray(numbers[:: -(-len(numbers) // n)], np.float64)


def _repeats(rows: NDArray[Any]) -> NDArray[np.uint8]:
    """Tell which columns have equal values in some rows, (d,): continuous ones have no step."""
    values = np.sort(_some(rows, _FIRST_LOOKED_AT), axis=0)
    return (values[1:] == values[:-1]).any(axis=0).view(np.uint8)


def reasons_of(
    causes: NDArray[np.uint8], parameters: MixtureParameters, rows: Resolution, feature_names: Sequence[str]
) -> dict[int, str]:
    """Return in words why components are degenerate, by their numbers; those that are not are left out."""
    reasons: dict[int, str] = {}
    of_rounding = np.asarray(rows.check(parameters.model).variances)
    for k in sorted(np.flatnonzero(causes).tolist(), key=causes.__getitem__):
        narrow = np.flatnonzero(parameters.column_variances[k] <= of_rounding).tolist()
        names = [printable(feature_names[j]) for j in narrow[:_NAMED]]
        names += [f"{len(narrow) - _NAMED} more columns"] * (len(narrow) > _NAMED)
        reasons[k] = _CAUSES[causes[k] - 1].format(columns=", ".join(names) or "some direction")
    return reasons


def check_causes(causes: NDArray[Any], n_components: int) -> NDArray[np.uint8]:
    """Return causes of a file, if they are such."""
    if causes.dtype != np.uint8 or causes.shape != (n_components,) or causes.max() > len(_CAUSES):
        raise ValueError(f"expected a number up to {len(_CAUSES)} for each component in 'causes', got {causes!r:.80}")
    return causes


def on_ridge_alone(parameters: MixtureParameters, ridge: float, feature_names: Sequence[str]) -> list[str]:
    """Name the columns in which the whole mixture has hardly more variance than the ridge: constant ones, or small."""
    here = (ridge > 0) & (total_variances(parameters) <= _RIDGES * ridge)
    return [printable(feature_names[j]) for j in np.flatnonzero(here).tolist()]


@lru_cache
def _of_model(model: CovarianceModel, d: int) -> tuple[int, int, float, float, float, float, bool]:
    """Return what the rules need to know of a model, as `DegeneracyCheck` requires it."""
    of_one, of_two = (number * (d + 1) - 1 + model.n_parameters(number, d) for number in (1, 2))
    none, directions = float(model.unbounded_rows(d)), float(model.thin_directions(d))
    return model.layout.code, d, none, directions, of_one, of_two - of_one, model.common


def total_variances(parameters: MixtureParameters) -> Array:
    """Return the variances of the whole mixture, (d,)."""
    return mstep.total_variances(parameters.model.layout.code, *_of_mixture(parameters))


def _of_mixture(parameters: MixtureParameters) -> _OfMixture:
    """Return a mixture, and the variances of its noise, as a `DegeneracyCheck` requires them."""
    return parameters.as_estimate(), np.asarray(parameters.noise.variances) if parameters.noise else None
