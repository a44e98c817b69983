"""Degenerate components: on few rows, on ties or on less than rounding, so that their likelihood means nothing."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._kernel import mstep
from gmm._kernel.mstep import THIN, Verdict, equal_rows, narrowest
from gmm._passes.em import QuasiNewton, SolverRun
from gmm._passes.problem import e_step_over
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
    "fewer rows than its covariance needs",
    "so few rows that they are strays rather than a group",
    "no better a fit than chance gives to so few rows",
    "columns that depend on each other",
    "no spread but reg_covar in {}: rows that repeat, or few of them",
    "less spread than the rounding of values leaves in {}: rows that repeat, or few of them",
)
_TIES = 6  # of these
_NAMED = 3  # columns at most
_RIDGES = 2  # of which one is in every covariance, as the kernel has it


# Of a component on one value, but for few rows: so many rows within one of its deviations, where it is `THIN` beside
# all rows, and of their own, which may be far less where a model has one width for all directions. Rows that make the
# deviation by themselves are two of it apart at least.
_TIED, _WINDOW = 11 / 12, 1.0
_OF_ONE = 0.9  # the same where all share one covariance, which may be wider than the rows of a component
_LOOKED_AT, _FIRST_LOOKED_AT, _FEW = 20_000, 300, 4  # rows, first without labels; of a component
_COUNTED = 100_000  # rows, of which the distinct ones are counted
_FEWEST_GAPS, _OFF_STEP, _MOST = 3, 1e-3, 0.8  # between repeated values; of a step, off a multiple of it; of all rows


_OfMixture = tuple[Estimate, Array | None]


class Judge(IntEnum):
    """What mixtures are compared by: with some, strays and chance make no component."""

    # As `_kernel/degenerate.pxd` has them.
    LIKELIHOOD = 0  # of as many components
    CRITERION = 1  # of several numbers of components
    HELD_OUT = 2  # rows, which need no such rules


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

    def verdict(self, model: CovarianceModel, judge: Judge = Judge.LIKELIHOOD) -> Verdict:
        """Return what tells of mixtures of a model, compiled."""
        return Verdict(_of_model(model, len(self.steps)), self.n_distinct, self.steps, self.ridge, judge, self.weight)


class Degeneracy:
    """Tells which components of mixtures of a model are degenerate.

    A degenerate component is worth no more, as what the mixture would lose without it, than chance gives to so many
    distinct rows, or has fewer than the likelihood needs to have a bound. Or it is thin: its correlations are singular
    to rounding, as those of a column and its copy; or in some direction it has less variance than rounding leaves in
    values of a step h, h²/12 (Sheppard), or no more than the ridge, and all rows have far more there; or nearly all its
    rows have one value in the direction in which it is thinnest. Its likelihood is then that of a density where the
    rows have a lattice, or what the ridge makes of it. Where all components share one covariance, few rows are a group
    only far from all others: see `least_worth`. A single component is degenerate if its correlations are singular to
    rounding, or if it has too few rows to span all directions and hardly more than the ridge as variance in some of
    them. A posterior has no degenerate component: the prior sees to that.

    Statistics are of the last pass of a fit without a prior. Where components of their own shapes are scaled to one
    volume, they tell the covariances before, of which some may be narrow.
    """

    def __init__(self, model: CovarianceModel, rows: Resolution, judge: Judge = Judge.LIKELIHOOD) -> None:
        self._verdict, self._fixed, self.rows = rows.verdict(model, judge), NOTHING_FIXED, rows
        self._of_moments = rows.ridge > 0 and model.depends_on_moments

    @classmethod
    def of_fits(cls, objective: Objective, source: Source, judge: Judge = Judge.LIKELIHOOD) -> Degeneracy:
        """Return what judges fits to rows; a fixed covariance says nothing of them, nor statistics beside a prior."""
        judged = cls(objective.model, Resolution.from_source(source, objective.ridge), judge)
        if objective.prior:  # which leaves ties a spread of its own
            judged.rows, judged._of_moments = judged.rows._replace(source=None), False
        judged._fixed = objective.fixed
        return judged

    def causes(
        self, parameters: MixtureParameters, statistics: SufficientStatistics | None = None
    ) -> NDArray[np.uint8]:
        """Return the first cause by which each component is degenerate, (K,); 0 for none, or a fixed covariance."""
        if isinstance(parameters, MixturePosterior):
            return np.zeros(parameters.n_components, np.uint8)
        of_mixture = _of_mixture(parameters)
        causes = self._certain(parameters, of_mixture, statistics if self._of_moments else None)
        causes[self._tied(parameters, of_mixture, causes)] = _TIES
        return causes

    def _certain(
        self, parameters: MixtureParameters, of_mixture: _OfMixture, statistics: SufficientStatistics | None
    ) -> NDArray[np.uint8]:
        """Return the causes that the mixture tells, without a look at the rows."""
        causes = self._verdict.causes(*of_mixture, statistics)
        if fixed := self._fixed or parameters.fixed:
            causes[fixed.covariances] = 0
        return causes

    def _tied(self, parameters: MixtureParameters, of_mixture: _OfMixture, causes: NDArray[np.uint8]) -> list[int]:
        """Return which components without a cause have one value, but for a few rows, where they are thin."""
        source, model = self.rows.source, parameters.model
        if len(causes) == 1 or source is None or (array := source.one_array) is None:
            return []
        # Enough of all rows are on one value, or the rows are too few to tell.
        first, weight = _some_rows(array, _FIRST_LOOKED_AT)
        fewest = 0 if model.common else _of_model(model, parameters.n_features)[2]
        few = max(_FEW * (len(first) < source.n_rows), fewest + 1)
        axes, owners = self._verdict.doubts(*of_mixture, causes, first, weight, few)
        if not len(owners):
            return []
        rows, weight = _some_rows(array, _LOOKED_AT)
        whole = len(rows) == source.n_rows
        part = source if whole else source.select_rows(np.arange(0, source.n_rows, -(-source.n_rows // _LOOKED_AT)))
        with e_step_over(part, model.layout, n_threads=1) as e_step:
            labels = e_step.rows(parameters.whitened(), labels=True).labels
        assert labels is not None  # they were asked for
        held = np.bincount(labels + 1, weight, len(causes) + 1)[1:].astype(float)
        least, enough = (_OF_ONE, fewest_rows(model, parameters.n_features)) if model.common else (_WINDOW, 0)
        widths, deviations = narrowest(rows, weight, labels, axes, owners, _TIED * held[owners])
        if model.own_shapes and not model.scales_shapes:
            deviations[:] = 1
        elif not model.layout.axis_aligned:  # rows may be narrower than what their component shares
            deviations[np.isin(owners, _on_values(rows, weight, labels, owners, held))] = 1
        on_one = widths <= least * np.minimum(deviations, 1)
        tied = set(owners[on_one & (held[owners] >= enough)].tolist())
        others = [k for k in dict.fromkeys(owners.tolist()) if k not in tied]
        variances = parameters.column_variances[others]
        thin = variances < THIN * total_variances(parameters)
        columns = np.flatnonzero(thin.any(axis=0) & array.look(_repeats, _FIRST_LOOKED_AT))
        steps = np.zeros(parameters.n_features)
        steps[columns] = [array.look(step_of_most, j) for j in columns.tolist()]
        narrow = thin & (variances < steps**2 / 12)
        tied.update(k for k, of_k in zip(others, narrow, strict=True) if of_k.any() or held[k] <= fewest)
        fixed = self._fixed or parameters.fixed
        return sorted(tied.difference(np.flatnonzero(fixed.covariances).tolist()) if fixed else tied)

    def __call__(
        self, parameters: MixtureParameters, statistics: SufficientStatistics | None = None
    ) -> NDArray[np.bool_]:
        """Tell which components are degenerate, (K,)."""
        return self.causes(parameters, statistics) > 0

    def worth(self, result: SolverResult) -> tuple[bool, float]:
        """Return by what fits of one K compare: whether their bounds have a meaning, and how much they are worth.

        A bound without a meaning is worth what it is.
        """
        parameters, bound = result.parameters, result.lower_bound
        if isinstance(parameters, MixturePosterior) or (self._fixed and self._fixed.covariances.any()):
            return True, bound
        worth = self._verdict.worth(*_of_mixture(parameters), bound)
        return (True, worth) if worth > -np.inf else (False, bound)

    def first(self, fit: SolverRun | SolverResult, *, of_mixture: bool = False) -> int:
        """Return a degenerate component of a fit, or of a run so far, the first that the mixture tells; −1 if none is.

        Of the mixture alone, it is without the statistics and the rows.
        """
        is_told, is_sound = of_mixture or not self._of_moments, False
        if is_told and isinstance(fit, SolverRun) and isinstance(fit.solver, QuasiNewton) and fit.n_passes:
            first = self._verdict.first(fit.solver.working, fit.solver.problem.objective.noise)  # nothing is fixed
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
            causes[self._tied(parameters, mixture, causes)] = _TIES
        first = int(causes.argmax())
        return first if causes[first] else -1


def step_of_most(rows: NDArray[Any], column: int) -> float:
    """Return the step of the values that most distinct rows have in a column; 0 if there is none."""
    some = np.ascontiguousarray(rows[: 10 * _LOOKED_AT], np.float64)
    values, counts = np.unique(some[:, column], return_counts=True)
    if counts.max(initial=0) == 1:
        return 0.0
    values, counts = np.unique(some[equal_rows(some)[0], column], return_counts=True)
    repeated = values[(counts > 1) & ~np.isnan(values)].astype(np.float64)
    gaps = np.diff(repeated)
    if len(gaps) < _FEWEST_GAPS:
        return 0.0
    step = float(np.median(gaps))
    multiples = (values - repeated[np.argmin(np.abs(gaps - step))]) / step
    on_steps = np.abs(multiples - np.rint(multiples)) < _OFF_STEP
    return step if counts[on_steps].sum() > _MOST * counts.sum() else 0.0


def _some(numbers: NDArray[Any], n: int) -> Array:
    """Return at most n of the numbers of rows, evenly among all, as `narrowest` reads them."""
    return np.ascontiguousarray(numbers[:: -(-len(numbers) // n)], np.float64)


def _on_values(
    rows: Array, weight: Array | None, labels: NDArray[np.intp], owners: NDArray[np.intp], held: Array
) -> NDArray[np.intp]:
    """Return which owners have half of their rows on one value of a column: these spread along axes that turn."""
    d, each = rows.shape[1], np.unique(owners)
    of_each = each.repeat(d)
    widths, _ = narrowest(rows, weight, labels, np.tile(np.eye(d), (len(each), 1)), of_each, held[of_each] / 2)
    return each[(widths == 0).reshape(-1, d).any(axis=1)]


def _repeats(rows: NDArray[Any], n: int) -> NDArray[np.bool_]:
    """Tell which columns have equal values in at most n rows, (d,): continuous ones have no step."""
    return (np.diff(np.sort(_some(rows, n), axis=0), axis=0) == 0).any(axis=0)


def _some_rows(array: ArraySource, n: int) -> tuple[Array, Array | None]:
    """Return at most n rows, and their weights if they have any."""
    return array.look(_some, n), None if array.sample_weight is None else _some(array.sample_weight, n)


def reasons_of(
    causes: NDArray[np.uint8], parameters: MixtureParameters, rows: Resolution, feature_names: Sequence[str]
) -> dict[int, str]:
    """Return in words why components are degenerate, by their numbers; those that are not are left out."""
    reasons: dict[int, str] = {}
    of_rounding = np.asarray(rows.verdict(parameters.model).variances)
    for k in sorted(np.flatnonzero(causes).tolist(), key=causes.__getitem__):
        narrow = np.flatnonzero(parameters.column_variances[k] <= of_rounding).tolist()
        names = [printable(feature_names[j]) for j in narrow[:_NAMED]]
        names += [f"{len(narrow) - _NAMED} more columns"] * (len(narrow) > _NAMED)
        reasons[k] = _CAUSES[causes[k] - 1].format(", ".join(names) or "some direction")
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
def _of_model(model: CovarianceModel, d: int) -> tuple[int, int, float, float, float, int, bool, bool]:
    """Return what the rules need to know of a model, as `Verdict` takes it."""
    n_parameters = 1 + d + model.n_parameters(2, d) - model.n_parameters(1, d)
    rows = float(model.unbounded_rows(d)), fewest_rows(model, d), float(model.thin_directions(d))
    return model.layout.code, d, *rows, n_parameters, model.common, model.common_axes


def fewest_rows(model: CovarianceModel, n_features: int) -> float:
    """Return the rows below which a component has fewer than its model needs, half a row rounded up."""
    return model.fewest_rows(n_features) - 0.5


def total_variances(parameters: MixtureParameters) -> Array:
    """Return the variances of the whole mixture, (d,)."""
    return mstep.total_variances(parameters.model.layout.code, *_of_mixture(parameters))


def _of_mixture(parameters: MixtureParameters) -> _OfMixture:
    """Return a mixture, and the variances of its noise, as a `Verdict` takes them."""
    return parameters.as_estimate(), np.asarray(parameters.noise.variances) if parameters.noise else None
