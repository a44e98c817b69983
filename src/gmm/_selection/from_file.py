"""Validation of a selection read from a file: it must be a table that a search can produce."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.criteria import OF_SEARCHES
from gmm._estimators.fitted import fitted_parameters
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.saved import from_state
from gmm._persistence import build_object
from gmm._selection.cells import SearchTable
from gmm._selection.status import NOT_TRIED, has_failed, is_status
from gmm._values.covariance import covariance_model

_COLUMNS = (
    "covariance_type",
    "tails",
    "status",
    "n_components",
    "n_parameters",
    "loglik",
    *OF_SEARCHES,
    "scores",
    "seconds",
)


def mixture_of_cell(number: int, header: Any, arrays: dict[str, NDArray[Any]]) -> GaussianMixture:
    """Return the fitted mixture of a cell, or raise a ValueError that names the cell."""
    if not isinstance(header, dict):
        raise ValueError(f"expected a header or null for cell {number} in 'mixtures', got {header!r:.60}")
    return build_object(f"its cell {number}", "mixture", partial(from_state, GaussianMixture), header, arrays)


def whole_numbers(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    """Return the array of this name, or raise a ValueError if it does not hold integers."""
    if arrays[name].dtype.kind not in "iu":
        raise ValueError(f"expected whole numbers in {name!r}, got {arrays[name].dtype}")
    return arrays[name]


def check_together(selection: SearchTable) -> None:
    """Check that the columns form a table that a search can produce.

    Raises
    ------
    ValueError
        For the first column or cell that is wrong.
    """
    if selection.criterion not in OF_SEARCHES:
        raise ValueError(f"expected a criterion among {OF_SEARCHES}, got {selection.criterion!r}")
    n_cells = len(selection.estimators)
    for name in _COLUMNS:
        shape = np.shape(getattr(selection, name))
        if shape != (n_cells,):
            raise ValueError(f"expected {n_cells} cells in {name!r}, as in 'mixtures', got shape {shape}")
    if not np.array_equal(selection.scores, getattr(selection, selection.criterion), equal_nan=True):
        raise ValueError(f"expected 'scores' to equal the column of the criterion, {selection.criterion!r}, got others")
    for number in range(n_cells):
        _check_cell(selection, number)
    best = selection.ranked()[:1]
    if [selection.best_index] != best:
        raise ValueError(f"expected the best cell, {best}, for 'best_index', got {selection.best_index}")
    if selection.n_searched < 0:
        raise ValueError(f"expected a number of rows in 'n_searched', got {selection.n_searched}")
    again, fresh = selection.n_found_again, selection.n_fresh_starts
    if not 0 <= again <= fresh:
        raise ValueError(f"expected 'n_found_again' from 0 to 'n_fresh_starts', got {again} and {fresh}")
    features = {estimator.n_features_in_ for estimator in selection.estimators if estimator is not None}
    if len(features) != 1:
        raise ValueError(f"expected mixtures with one number of features, got {sorted(features)}")


def _check_cell(selection: SearchTable, number: int) -> None:
    status, estimator = selection.status[number], selection.estimators[number]
    covariance_model(selection.covariance_type[number])
    came = selection.tails[number]
    if (came if estimator is None else fitted_parameters(estimator).tails.name) != came:
        raise ValueError(f"expected the tails of the mixture of cell {number} in 'tails', got {came!r:.60}")
    if not is_status(status):
        raise ValueError(f"expected a known status for cell {number} in 'status', got {status!r:.60}")
    if (estimator is None) != (has_failed(status) or status == NOT_TRIED):
        expected, came = ("a fit", "none") if estimator is None else ("no fit", "one")
        raise ValueError(f"expected {expected} for cell {number}, whose status is {status!r:.60}, got {came}")
    K, n_parameters = int(selection.n_components[number]), int(selection.n_parameters[number])
    if K < 1 or n_parameters < 0:
        raise ValueError(f"expected at least 1 component and 0 parameters in cell {number}, got {K} and {n_parameters}")
    if estimator is not None and (len(estimator.weights_) != K or np.isnan(selection.scores[number])):
        came = f"{len(estimator.weights_)} and {selection.scores[number]}"
        raise ValueError(f"expected {K} components and a criterion in cell {number}, got {came}")
