"""Pipelines of steps in front of a mixture: the mixture of the rows before them, where these steps are affine."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from gmm._values.coordinates import Coordinates
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

_CHECKED = 200  # rows on which a step is compared with an affine map
_AFFINE = {4: 1e-3, 8: 1e-7}  # largest difference for numbers of so many bytes, in the spread of what comes out
_SINGULAR = 1e-12  # reciprocal condition number below which a step, once columns have one unit, loses a direction


def steps_of(model: Any) -> list[tuple[str, Any]]:
    """Return the steps of a pipeline in front of its last, as names and transformers; none if it is no pipeline."""
    steps = [] if isinstance(model, type) else getattr(model, "steps", [])
    return [(name, step) for name, step in steps[:-1] if step is not None and step != "passthrough"]


def last_of(model: Any) -> Any:
    """Return the last step of a pipeline; what is no pipeline, as it is."""
    steps = None if isinstance(model, type) else getattr(model, "steps", None)
    return steps[-1][1] if steps else model


def before(
    steps: list[tuple[str, Any]], mixture: MixtureParameters, X: Any
) -> tuple[MixtureParameters, Any, tuple[str, ...] | None]:
    """Return a mixture behind steps as one in front of them, with the rows there and their names, if steps give any.

    Steps are taken back from the last on, up to one that does not leave as many directions as it gets, such as a PCA of
    few components: then rows and mixture are those behind that one.

    Raises
    ------
    ValueError
        If one of those steps is not affine, or would turn a box of noise, or values are missing behind them.
    """
    tables = [X]
    for _, step in steps:
        tables.append(step.transform(tables[-1]))
    if _has_gaps(tables[-1]):
        raise ValueError(
            "a picture needs whole rows, and values are missing: drop such rows, or draw the mixture pipeline[-1] with "
            "the rows pipeline[-1].impute(pipeline[:-1].transform(X))"
        )
    for number in range(len(steps) - 1, -1, -1):
        name, step = steps[number]
        coordinates = _coordinates(name, step, tables[number], tables[number + 1])
        if coordinates is None:
            named = getattr(step, "get_feature_names_out", None)
            return mixture, tables[number + 1], None if named is None else tuple(map(str, named()))
        if coordinates.scales.ndim == 2 and mixture.noise:
            raise ValueError(f"step {name!r} rotates the box of noise: draw pipeline[-1] with the rows that it gets")
        mixture = coordinates.restored(mixture)
    return mixture, X, None


def _has_gaps(rows: Any) -> bool:
    try:
        return bool(np.isnan(np.asarray(rows, dtype=np.float64)).any())
    except (TypeError, ValueError):  # no numbers
        return False


def _coordinates(name: str, step: Any, rows: Any, transformed: Any) -> Coordinates | None:
    """Return the coordinates that a step changes to, by trying it at d + 1 points; None if it loses directions."""
    try:
        values, expected = np.asarray(rows, dtype=np.float64), np.asarray(transformed)
    except ValueError:  # words, which no map of numbers reads
        raise _not_affine(name, step) from None
    centre, widths = values.mean(axis=0), values.std(axis=0)
    widths[widths == 0] = 1
    at = _tried(step, rows, np.vstack([centre, centre + np.diag(widths)]))
    matrix = (at[1:] - at[0]).T / widths
    some = np.unique(np.linspace(0, len(values) - 1, _CHECKED).astype(np.intp))
    away = np.abs(at[0] + (values[some] - centre) @ matrix.T - expected[some])
    spread = np.maximum(np.ptp(expected, axis=0), np.abs(at[1:] - at[0]).max(axis=0))
    if not (away <= _AFFINE[max(4, min(8, expected.dtype.itemsize))] * spread).all():
        raise _not_affine(name, step)
    if matrix.shape[0] != matrix.shape[1] or _reciprocal_condition(matrix * widths) < _SINGULAR:
        return None
    diagonal = matrix.diagonal()
    if np.array_equal(matrix, np.diag(diagonal)) and (diagonal > 0).all():
        return Coordinates(centre - at[0] / diagonal, 1 / diagonal)
    inverse = np.linalg.inv(matrix)
    return Coordinates(centre - inverse @ at[0], inverse)


def _not_affine(name: str, step: Any) -> ValueError:
    return ValueError(
        f"step {name!r} ({type(step).__name__}) is not affine, so the mixture has no picture in front of it; draw what "
        "the last step sees: the mixture pipeline[-1] with the rows pipeline[:-1].transform(X)"
    )


def _reciprocal_condition(matrix: Array) -> float:
    sizes = np.linalg.norm(matrix, axis=1, keepdims=True)
    values = np.linalg.svd(matrix / np.where(sizes > 0, sizes, 1), compute_uv=False)
    return float(values[-1] / values[0]) if values[0] > 0 else 0.0


def _tried(step: Any, rows: Any, points: Array) -> Array:
    """Return what a step makes of points, which it gets in the form of the rows: with their names, if they have any."""
    table: Any = points
    if hasattr(rows, "columns"):  # a data frame of pandas, or of polars
        names = {"columns" if hasattr(rows, "iloc") else "schema": list(rows.columns)}
        table = type(rows)(points, **names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that the points do not have
        return np.asarray(step.transform(table), dtype=np.float64)
