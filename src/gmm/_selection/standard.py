"""Units: rows in standard deviations or of equal widths for fits, mixtures and tables in the original units after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmm._estimators import attributes
from gmm._estimators.attributes import fitted_parameters
from gmm._estimators.criteria import CRITERION
from gmm._estimators.fitted import FittedMixture
from gmm._estimators.mixture import GaussianMixture
from gmm._exceptions import warn
from gmm._fitting.fit import COMPARISON_DEFAULTS
from gmm._rows.incomplete import mapped
from gmm._rows.sources import ArraySource, Source, column_widths, relative_ridge
from gmm._selection.result import Selection
from gmm._text.words import column_names, counted, quoted
from gmm._validation.parameters import check_parameters, options_with
from gmm._validation.scalars import check_boolean
from gmm._values.coordinates import Coordinates
from gmm._values.noise import Noise
from gmm._values.priors import NormalInverseWishart
from gmm._values.row_data import weighed

_Mixture = TypeVar("_Mixture", bound=FittedMixture)


def in_original_units(self: _Mixture, units: Coordinates, raised: float) -> _Mixture:
    """Return an estimator in the units of the columns, where log densities are `raised` by a constant.

    Its covariance type is that of its mixture there. A `NormalInverseWishart` is converted, `reg_covar` is that of the
    column with the smallest unit, and starting values, which are in other units, are dropped.
    """
    parameters, arguments = units.restored(fitted_parameters(self)), self.get_params()
    if attributes.model_of(self) is not parameters.model:
        arguments["covariance_type"] = parameters.model.name
    arguments["reg_covar"] *= float(units.scales.min()) ** 2
    arguments |= {name: None for name in options_with("start") if name.endswith("_init") and name in arguments}
    if isinstance(arguments.get("prior"), NormalInverseWishart):
        arguments["prior"] = units.restored_prior(arguments["prior"])
    names = vars(self).get("feature_names_in_")
    other = attributes.estimator_of(type(self), parameters, names, self._dtype, **arguments)
    if "history_" not in vars(self):  # a part of a fit, such as one class of several
        return other
    traces = tuple(trace.raised(raised) for trace in self.histories_)
    trace = self.history_.raised(raised)
    fit_attributes = attributes.fit_attributes(trace, self.lower_bound_ + raised, traces)
    before = attributes.record_of(self)
    steps = None if before.steps is None else before.steps * units.scales
    shrunk_by = None if before.shrunk_by is None else before.shrunk_by * np.append(1.0, units.scales)
    row_facts = before.weight, steps, before.causes, before.has_errors
    record = attributes.FitRecord(parameters, trace, *row_facts, shrunk=before.shrunk, shrunk_by=shrunk_by)
    attributes.set_mixture(other, parameters, names, self._dtype, _last_fit=record, **fit_attributes)
    return other


_AT_ONCE = 1 << 12  # rows


def to_search_units(source: Source, noise: Noise, *, standardize: Any) -> tuple[Source, Noise, Coordinates | None]:
    """Return rows and noise in the units of a search, and these units if they are standard deviations.

    Raises
    ------
    TypeError
        If `standardize` is not True or False.
    """
    if not check_boolean(standardize, "standardize"):
        return source, noise, None
    units = _standard_deviations(source)
    scaled = mapped(source, units.from_rows)
    if source.errors:
        scaled = scaled.with_changes(errors=source.errors.scaled(units.scales))
    return scaled, noise.mapped(units.from_rows), units


def _standard_deviations(source: Source) -> Coordinates:
    """Return coordinates in standard deviations about the mean; a constant column keeps its unit."""
    origin, weight = source.survey.centre, source.survey.weight
    sums, squares, present = np.zeros((3, source.n_features))
    has_gaps = np.zeros(source.n_features, bool)
    (chunk,) = source.chunks()
    # In pieces of the same order in memory, for the same bits.
    for piece in chunk.pieces(_AT_ONCE):
        rows, weights = np.ascontiguousarray(piece.rows), piece.weights
        steps, gaps = rows - origin, np.isnan(rows)
        steps[gaps] = 0.0
        sums, present, has_gaps = sums + weights @ steps, present + weights @ ~gaps, has_gaps | gaps.any(axis=0)
        squares += np.einsum("ij,ij->j", weighed(steps, weights), steps)
    # The centre is the mean of observed values: for complete columns, this is `origin`.
    total = np.where(has_gaps, present, weight)
    shift = np.where(has_gaps, sums / total, 0.0)
    centre, deviations = origin + shift, np.sqrt(np.maximum(squares / total - shift**2, 0))
    rounding = 8 * np.finfo(np.float64).eps * np.abs(centre)  # of the mean of a constant column
    return Coordinates(centre, np.where(deviations > rounding, deviations, 1.0))


def comparable_fits(
    rows: NDArray[Any], parameters: dict[str, Any]
) -> tuple[NDArray[Any], dict[str, Any], Coordinates | None]:
    """Return rows and the parameters of fits that are compared, so that units do not matter, and the units.

    The ridge is in the units of the rows. Starts depend on distances, so columns are scaled to the width of the
    narrowest one, for models that do not depend on units, and if no parameter is in the units of the rows.
    """
    settings = COMPARISON_DEFAULTS | parameters
    check_parameters(template := GaussianMixture(**settings))
    source, model = ArraySource(rows), attributes.model_of(template, rows.shape[1])
    given = np.ndim(template.noise) > 0 or isinstance(template.prior, NormalInverseWishart)
    given |= template.max_ratio is not None or not isinstance(template.init_params, str)
    widths, units = column_widths(source), None
    if model.for_scaled_columns is model and not given and (widths > (least := widths.min())).any():
        units = Coordinates(np.zeros(len(widths)), np.where(np.isfinite(widths), widths / least, 1.0))
        rows = units.from_rows(rows)
    return rows, settings | {"reg_covar": relative_ridge(ArraySource(rows), template.reg_covar)}, units


def warn_of_constants(source: Source, names: NDArray[np.object_] | None) -> None:
    """Warn of constant columns, whose part of all criteria depends on the ridge alone."""
    low, high = source.survey.box
    constant = np.flatnonzero(low == high)
    if len(constant):
        called = column_names(names, source.n_features)
        columns = quoted(called[j] for j in constant)
        what = "All columns" if len(constant) == source.n_features else f"Column(s) {columns}"
        text = f"{what} are constant: likelihoods and criteria depend on reg_covar or a prior. Drop these columns."
        warn("constant", text)


def note_on_shrinkage(estimators: Iterable[GaussianMixture | None]) -> Iterator[str]:
    """Yield the number of mixtures that have a prior by default."""
    n_shrunk = sum(attributes.record_of(each).shrunk == "rows" for each in estimators if each is not None)
    if n_shrunk:
        yield f"noise and means of {counted(n_shrunk, 'cell')} with factors are shrunk: each component has few rows"


def log_volume(source: Source, units: Coordinates) -> float:
    """Return Σ_i w_i Σ_j log scale_j over the observed columns of row i, by which scaling raises log densities."""
    logs = np.log(units.scales)
    if not source.patterns:
        return float(source.survey.weight * logs.sum())
    return float(sum(pattern.weight * logs[pattern.observed].sum() for pattern in source.patterns))


def restore_units(selection: Selection, units: Coordinates | None, source: Source) -> Selection:
    """Return a search of rows in these coordinates, if any, in the units of the rows.

    Likelihoods and criteria become those of the rows; numbers of parameters stay those of the models searched.
    """
    if units is None:
        return selection
    shift = log_volume(source, units)
    raised = -shift / source.survey.weight
    rises = {name: criterion.per_nat * shift for name, criterion in CRITERION.items() if criterion.per_nat}
    columns: dict[str, Any] = {name: getattr(selection, name) + by for name, by in (rises | {"loglik": -shift}).items()}
    for values in columns.values():
        values.flags.writeable = False
    columns["scores"] = columns.get(selection.criterion, selection.scores)
    columns["estimators"] = tuple(each and in_original_units(each, units, raised) for each in selection.estimators)
    by = rises.get(selection.criterion, 0.0)
    columns["others"] = tuple(
        other._replace(mixture=in_original_units(other.mixture, units, raised), criterion=other.criterion + by)
        for other in selection.others
    )
    return replace(selection, **columns, standardized=True)
