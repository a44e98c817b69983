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
    "too few rows to distinguish a group from chance",
    "columns that depend on each other",
    "no variance but reg_covar in {columns}: repeated values, or few rows",
    "less variance than rounding in {columns}: repeated values, or few rows",
    "repeated rows, whose density is larger than their mass justifies",
)
_NAMED = 3  # columns at most
_RIDGES = 2  # as in the kernel: every covariance includes one
_LOOKED_AT, _FIRST_LOOKED_AT = 20_000, 300  # rows
_COUNTED = 100_000  # rows, of which the distinct ones are counted


_Mixture = tuple[Estimate, Array | None]


class DegeneracyRule(IntEnum):
    """The comparison of mixtures, on which the gain of a component by chance depends."""

    # As `_kernel/degenerate.pxd` has them.
    ONE_NUMBER = 0  # the likelihood, of as many components
    CRITERION = 1  # of several numbers of components
    HELD_OUT = 2  # rows, to which chance gives nothing


class Resolution(NamedTuple):
    """Limits of the density of a component: the distinct rows, the `steps` of columns (0 if continuous), the ridge.

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
        """Return the resolution of a source; true values behind errors have no steps."""
        steps = np.zeros(source.n_features) if source.errors else source.survey.steps
        array = source.one_array
        n_distinct = source.survey.n_used if array is None or source.n_rows > _COUNTED else array.n_distinct
        merged = vars(source).get("distinct", source)
        weight = merged.sample_weight if merged.n_rows == n_distinct else None
        return cls(n_distinct, steps, ridge, None if source.errors or array is None else source, weight)

    def check(self, model: CovarianceModel, rule: DegeneracyRule = DegeneracyRule.ONE_NUMBER) -> DegeneracyCheck:
        """Return the compiled check of mixtures of a model."""
        return DegeneracyCheck(
            _model_arguments(model, len(self.steps)), self.n_distinct, self.steps, self.ridge, rule, self.weight
        )


class Degeneracy:
    """Reports which components of mixtures of a model are degenerate.

    A degenerate component gains the mixture no more than chance gives to so many distinct rows (`least_worth`), or has
    fewer rows than the likelihood needs to have a bound. Or it is narrow: its correlations are singular to rounding, as
    those of a column and its copy; or in some direction its variance is below that of rounding to a step h, h²/12
    (Sheppard), or hardly above the ridge, and that of all rows is far larger; or its density depends as much on rows of
    one value, whose step is unknown. Its likelihood then measures repeated rows, or the ridge. A single component is
    degenerate if its correlations are singular to rounding, or if it has too few rows to span all directions and hardly
    more variance than the ridge in some of them. A posterior has no degenerate component, because of its prior.

    Statistics are those of the last pass of a fit without a prior. Where components of their own shapes are scaled to
    one volume, they give the covariances before scaling, of which some may be narrow.
    """

    def __init__(
        self, model: CovarianceModel, rows: Resolution, rule: DegeneracyRule = DegeneracyRule.ONE_NUMBER
    ) -> None:
        self._check, self._fixed, self.rows = rows.check(model, rule), NOTHING_FIXED, rows
        self._uses_moments = rows.ridge > 0 and model.depends_on_moments

    @classmethod
    def for_fits(
        cls, objective: Objective, source: Source, rule: DegeneracyRule = DegeneracyRule.ONE_NUMBER
    ) -> Degeneracy:
        """Return the check of fits to rows, without fixed covariances, and without statistics if there is a prior."""
        degeneracy = cls(objective.model, Resolution.from_source(source, objective.ridge), rule)
        if objective.prior:  # it gives ties a variance
            degeneracy.rows, degeneracy._uses_moments = degeneracy.rows._replace(source=None), False
        degeneracy._fixed = objective.fixed
        return degeneracy

    def causes(
        self, parameters: MixtureParameters, statistics: SufficientStatistics | None = None
    ) -> NDArray[np.uint8]:
        """Return the first cause by which each component is degenerate, (K,); 0 for none, or a fixed covariance."""
        if isinstance(parameters, MixturePosterior):
            return np.zeros(parameters.n_components, np.uint8)
        mixture = _arguments(parameters)
        causes = self._mixture_causes(parameters, mixture, statistics if self._uses_moments else None)
        return self._add_ties(parameters, mixture, causes)

    def _mixture_causes(
        self, parameters: MixtureParameters, mixture: _Mixture, statistics: SufficientStatistics | None
    ) -> NDArray[np.uint8]:
        """Return the causes that follow from the mixture alone."""
        causes = self._check.causes(*mixture, statistics)
        if fixed := self._fixed or parameters.fixed:
            causes[fixed.covariances] = 0
        return causes

    def _add_ties(
        self, parameters: MixtureParameters, mixture: _Mixture, causes: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Return the causes with those of ties in the rows, if these are in memory: a part of them first."""
        source = self.rows.source
        if len(causes) == 1 or source is None or (array := source.one_array) is None:
            return causes
        found = self._ties(mixture, causes, array, _FIRST_LOOKED_AT)
        if source.n_rows > _FIRST_LOOKED_AT and (doubted := found != causes).any():
            others = np.where(doubted, causes, 1).astype(np.uint8)  # these are not checked
            found = np.where(doubted, self._ties(mixture, others, array, _LOOKED_AT), causes)
        if fixed := self._fixed or parameters.fixed:
            found[fixed.covariances] = 0
        return found

    def _ties(self, mixture: _Mixture, causes: NDArray[np.uint8], array: ArraySource, n: int) -> NDArray[np.uint8]:
        """Return the causes with those of ties in at most n of the rows."""
        weight = None if array.sample_weight is None else _thin_out(array.sample_weight, n)
        return self._check.ties(*mixture, causes, array.look(_thin_out, n), weight, array.look(_find_ties))

    def __call__(
        self, parameters: MixtureParameters, statistics: SufficientStatistics | None = None
    ) -> NDArray[np.bool_]:
        """Return whether components are degenerate, (K,)."""
        return self.causes(parameters, statistics) > 0

    def worth(self, result: SolverResult) -> tuple[bool, float]:
        """Return by what fits of one K compare: whether their bounds are valid, and their worth.

        The worth of an invalid bound is the bound.
        """
        parameters, bound = result.parameters, result.lower_bound
        if isinstance(parameters, MixturePosterior) or (self._fixed and self._fixed.covariances.any()):
            return True, bound
        worth = self._check.worth(*_arguments(parameters), bound)
        return (True, worth) if worth > -np.inf else (False, bound)

    def first(self, fit: SolverRun | SolverResult, *, mixture_only: bool = False) -> int:
        """Return the first degenerate component of a fit, or of a run so far; −1 if there is none.

        With `mixture_only`, check the mixture alone, without its statistics and the rows.
        """
        needs_no_moments, is_valid = mixture_only or not self._uses_moments, False
        if needs_no_moments and isinstance(fit, SolverRun) and isinstance(fit.solver, QuasiNewton) and fit.n_passes:
            first = self._check.first(fit.solver.working, fit.solver.problem.objective.noise)  # nothing is fixed
            if mixture_only or first >= 0 or self.rows.source is None:
                return first
            is_valid = True
        parameters = fit.parameters
        if isinstance(parameters, MixturePosterior):
            return -1
        mixture = _arguments(parameters)
        if is_valid:
            causes = np.zeros(parameters.n_components, np.uint8)
        else:
            causes = self._mixture_causes(parameters, mixture, None if needs_no_moments else fit.statistics)
        if not (mixture_only or causes.any()):  # a look at the rows takes longer
            causes = self._add_ties(parameters, mixture, causes)
        first = int(causes.argmax())
        return first if causes[first] else -1


def _thin_out(numbers: NDArray[Any], n: int) -> Array:
    """Return at most n of the numbers of rows, evenly spaced, as `DegeneracyCheck.ties` reads them."""
    return np.ascontiguousarray(numbers[:: -(-len(numbers) // n)], np.float64)


def _find_ties(rows: NDArray[Any]) -> NDArray[np.uint8]:
    """Return which columns have equal values in some rows, (d,): continuous ones have no step."""
    values = np.sort(_thin_out(rows, _FIRST_LOOKED_AT), axis=0)
    return (values[1:] == values[:-1]).any(axis=0).view(np.uint8)


def describe_causes(
    causes: NDArray[np.uint8], parameters: MixtureParameters, rows: Resolution, feature_names: Sequence[str]
) -> dict[int, str]:
    """Return texts that explain why components are degenerate, by their numbers, without the other components."""
    reasons: dict[int, str] = {}
    limits = np.asarray(rows.check(parameters.model).variances)
    for k in sorted(np.flatnonzero(causes).tolist(), key=causes.__getitem__):
        narrow = np.flatnonzero(parameters.column_variances[k] <= limits).tolist()
        names = [printable(feature_names[j]) for j in narrow[:_NAMED]]
        names += [f"{len(narrow) - _NAMED} more columns"] if len(narrow) > _NAMED else []
        reasons[k] = _CAUSES[causes[k] - 1].format(columns=", ".join(names) or "some direction")
    return reasons


def check_causes(causes: NDArray[Any], n_components: int) -> NDArray[np.uint8]:
    """Return the causes that a file has, once checked."""
    if causes.dtype != np.uint8 or causes.shape != (n_components,) or causes.max() > len(_CAUSES):
        raise ValueError(f"expected a number up to {len(_CAUSES)} for each component in 'causes', got {causes!r:.80}")
    return causes


def columns_without_variance(parameters: MixtureParameters, ridge: float, feature_names: Sequence[str]) -> list[str]:
    """Return the columns in which all of the mixture has hardly more variance than the ridge: constant, or small."""
    is_constant = (ridge > 0) & (total_variances(parameters) <= _RIDGES * ridge)
    return [printable(feature_names[j]) for j in np.flatnonzero(is_constant).tolist()]


@lru_cache
def _model_arguments(model: CovarianceModel, d: int) -> tuple[int, int, float, float, float, float, bool]:
    """Return the numbers of a model that `DegeneracyCheck` requires."""
    n_single, n_pair = (number * (d + 1) - 1 + model.n_parameters(number, d) for number in (1, 2))
    none, directions = float(model.unbounded_rows(d)), float(model.thin_directions(d))
    return model.layout.code, d, none, directions, n_single, n_pair - n_single, model.common


def total_variances(parameters: MixtureParameters) -> Array:
    """Return the variances of all of the mixture, (d,)."""
    return mstep.total_variances(parameters.model.layout.code, *_arguments(parameters))


def _arguments(parameters: MixtureParameters) -> _Mixture:
    """Return a mixture, and the variances of its noise, as a `DegeneracyCheck` requires them."""
    return parameters.as_estimate(), np.asarray(parameters.noise.variances) if parameters.noise else None
