"""What a selection that comes from a file has to be: a table that a search could have found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm.estimators.criteria import CRITERIA
from gmm.estimators.mixture import GaussianMixture
from gmm.persistence import build_object
from gmm.selection.grid import SearchTable
from gmm.selection.status import NOT_TRIED, has_failed, is_known
from gmm.values.covariance import covariance_model

_COLUMNS = ("covariance_type", "status", "n_components", "n_parameters", "loglik", *CRITERIA, "scores", "seconds")


def mixture_of_cell(number: int, header: Any, arrays: dict[str, NDArray[Any]]) -> GaussianMixture:
    """The fitted mixture of a cell, or a ValueError that tells the cell."""
    if not isinstance(header, dict):
        raise ValueError(f"expected a header or null for cell {number} in 'mixtures', got {header!r:.60}")
    return build_object(f"its cell {number}", "mixture", GaussianMixture._from_state, header, arrays)


def whole_numbers(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    """The array of this name, or a ValueError where it holds other numbers."""
    if arrays[name].dtype.kind not in "iu":
        raise ValueError(f"expected whole numbers in {name!r}, got {arrays[name].dtype}")
    return arrays[name]


def check_together(found: SearchTable) -> None:
    """Refuse columns that do not make a table, and a table that no search could have found.

    Raises
    ------
    ValueError
        For the first column or cell that is at fault.
    """
    if found.criterion not in CRITERIA:
        raise ValueError(f"expected a criterion among {CRITERIA}, got {found.criterion!r}")
    n_cells = len(found.estimators)
    for name in _COLUMNS:
        shape = np.shape(getattr(found, name))
        if shape != (n_cells,):
            raise ValueError(f"expected {n_cells} cells in {name!r}, as in 'mixtures', got shape {shape}")
    if not np.array_equal(found.scores, getattr(found, found.criterion), equal_nan=True):
        raise ValueError(f"expected in 'scores' what chose, the column {found.criterion!r}, got other numbers")
    for number in range(n_cells):
        _check_cell(found, number)
    best = found.ranked()[:1]
    if [found.best_index] != best:
        raise ValueError(f"expected the best of all cells, {best}, for 'best_index', got {found.best_index}")
    features = {estimator.n_features_in_ for estimator in found.estimators if estimator is not None}
    if len(features) != 1:
        raise ValueError(f"expected mixtures of the same features, got some of {sorted(features)}")


def _check_cell(found: SearchTable, number: int) -> None:
    status, estimator = found.status[number], found.estimators[number]
    covariance_model(found.covariance_type[number])
    if not is_known(status):
        raise ValueError(f"expected what may be said of a cell for cell {number} in 'status', got {status!r:.60}")
    if (estimator is None) != (has_failed(status) or status == NOT_TRIED):
        fit = "no fit" if estimator is None else "a fit"
        raise ValueError(f"expected a fit where a cell is fitted, got {fit} in cell {number}, {status!r:.60}")
    K, n_parameters = int(found.n_components[number]), int(found.n_parameters[number])
    if K < 1 or n_parameters < 0:
        raise ValueError(f"expected components and parameters in cell {number}, got {K} and {n_parameters}")
    if estimator is not None and (len(estimator.weights_) != K or np.isnan(found.scores[number])):
        told = f"{len(estimator.weights_)} and {found.scores[number]}"
        raise ValueError(f"expected {K} components and a criterion in cell {number}, got {told}")
