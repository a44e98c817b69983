"""Units: rows in standard deviations or of one width on the way in, mixtures and tables in their own on the way out."""

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


def in_other_units(self: _Mixture, units: Coordinates, raised: float) -> _Mixture:
    """Return an estimator in the units of the columns, where log densities are larger by a number.

    Its covariance type is that of its mixture there; of its other parameters, a `NormalInverseWishart` comes along, and
    `reg_covar` is that of the column with the smallest unit; where the fit began is said in other units, and left out.
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
    of_fit = attributes.fit_attributes(trace, self.lower_bound_ + raised, traces)
    before = attributes.record_of(self)
    steps = None if before.steps is None else before.steps * units.scales
    shrunk_by = None if before.shrunk_by is None else before.shrunk_by * np.append(1.0, units.scales)
    of_rows = before.weight, steps, before.causes, before.beside_errors
    record = attributes.FitRecord(parameters, trace, *of_rows, shrunk=before.shrunk, shrunk_by=shrunk_by)
    attributes.set_mixture(other, parameters, names, self._dtype, _last_fit=record, **of_fit)
    return other


_AT_ONCE = 1 << 12  # rows


def in_units(source: Source, noise: Noise, *, standardize: Any) -> tuple[Source, Noise, Coordinates | None]:
    """Return rows and noise in the units of a search, and these units, if they are standard deviations.

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
    about, weight = source.survey.centre, source.survey.weight
    sums, squares, present = np.zeros((3, source.n_features))
    gappy = np.zeros(source.n_features, bool)
    (chunk,) = source.chunks()
    # In pieces of the same order in memory, for the same bits.
    for piece in chunk.pieces(_AT_ONCE):
        rows, weights = np.ascontiguousarray(piece.rows), piece.weights
        away, gaps = rows - about, np.isnan(rows)
        away[gaps] = 0.0
        sums, present, gappy = sums + weights @ away, present + weights @ ~gaps, gappy | gaps.any(axis=0)
        squares += np.einsum("ij,ij->j", weighed(away, weights), away)
    # About the mean of what is there: where nothing is missing, this is `about`.
    total = np.where(gappy, present, weight)
    shift = np.where(gappy, sums / total, 0.0)
    centre, deviations = about + shift, np.sqrt(np.maximum(squares / total - shift**2, 0))
    rounding = 8 * np.finfo(np.float64).eps * np.abs(centre)  # which a constant column leaves of its mean
    return Coordinates(centre, np.where(deviations > rounding, deviations, 1.0))


def comparable_fits(
    rows: NDArray[Any], parameters: dict[str, Any]
) -> tuple[NDArray[Any], dict[str, Any], Coordinates | None]:
    """Return rows and the parameters of fits that are compared, for which units do not matter, and the units.

    The ridge is in the units of the rows. Starts see distances, so columns come as wide as the narrowest one, for
    models that other units of columns leave as they are, and where nothing is given in the units of the rows.
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
    """Warn of columns that do not vary, whose part of all criteria is that of the ridge alone."""
    low, high = source.survey.box
    constant = np.flatnonzero(low == high)
    if len(constant):
        called = column_names(names, source.n_features)
        columns = quoted(called[j] for j in constant)
        what = "All columns" if len(constant) == source.n_features else f"Column(s) {columns}"
        text = f"{what} are constant: likelihoods and criteria depend on reg_covar or a prior there. Leave these out."
        warn("constant", text)


def note_on_shrinkage(estimators: Iterable[GaussianMixture | None]) -> Iterator[str]:
    """Say how many mixtures have a prior that nobody asked for."""
    n_shrunk = sum(attributes.record_of(each).shrunk == "rows" for each in estimators if each is not None)
    if n_shrunk:
        yield f"noise and means of {counted(n_shrunk, 'cell')} with factors are shrunk: each component has few rows"


def log_volume(source: Source, units: Coordinates) -> float:
    """Σ_i w_i Σ_j log scale_j over the columns that row i has: log densities of scaled rows are larger by it."""
    logs = np.log(units.scales)
    if not source.patterns:
        return float(source.survey.weight * logs.sum())
    return float(sum(pattern.weight * logs[pattern.observed].sum() for pattern in source.patterns))


def restored(selection: Selection, units: Coordinates | None, source: Source) -> Selection:
    """Return a search of rows in these coordinates, if any, as one of the rows themselves.

    Likelihoods and criteria become those of the rows; the number of parameters stays that of the models searched.
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
    columns["estimators"] = tuple(each and in_other_units(each, units, raised) for each in selection.estimators)
    by = rises.get(selection.criterion, 0.0)
    columns["others"] = tuple(
        other._replace(mixture=in_other_units(other.mixture, units, raised), criterion=other.criterion + by)
        for other in selection.others
    )
    return replace(selection, **columns, standardized=True)
