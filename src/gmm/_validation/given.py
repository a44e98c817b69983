"""Numbers given beside X: sample weights, starting values, responsibilities, a mixture's numbers.

Only their shape and values are judged here; what becomes of them is decided above.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._validation.arrays import FloatArray, as_floats, as_plain_array, place_in
from gmm.covariance import CovarianceModel
from gmm.layouts import FULL, Layout, SingularMatrixError

__all__ = [
    "check_means_init",
    "check_mixture",
    "check_parameters_given",
    "check_precisions_init",
    "check_responsibilities",
    "check_sample_weight",
    "check_weights_init",
]

Floats = NDArray[np.float64]
_LARGEST = 1e150
_LEAST_WEIGHT = 1e-280
_LEAST_SHARE = 1e-300
_CONSTRAINED = 1e-5  # relative: what is rounded to float32 on its way is still of its model
_ROUNDING = 16 * np.finfo(np.float64).eps  # relative, of the smallest eigenvalues of well conditioned matrices


def check_sample_weight(sample_weight: Any, n_rows: int) -> Floats | None:
    """Return the weights of the rows, or None where none are given.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,), number or None
        Finite, none negative, not all zero; a number stands for that weight in every row.
    n_rows : int
        The number of rows of X.

    Returns
    -------
    ndarray of shape (n_rows,), float64, contiguous; or None

    Raises
    ------
    ValueError
        For another shape, and for weights that are not finite, negative, all zero or that sum
        to infinity, with the index.
    TypeError
        For what holds no numbers.
    """
    if sample_weight is None:
        return None
    name = "sample_weight"
    weights = _floats(sample_weight, name).astype(np.float64, order="C")
    _check_finite(weights, f"Input {name}", name)
    if isinstance(sample_weight, numbers.Number):
        weights = np.full(n_rows, weights)
    if weights.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {weights.ndim}D array. Expected "
            f"either a scalar value or a 1D array of length {n_rows}."
        )
    if weights.shape != (n_rows,):
        raise ValueError(f"{name}.shape == {weights.shape}, expected {(n_rows,)}!")
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    _check_not_negative(weights, "`sample_weight`", name)
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not _LEAST_WEIGHT < total < 1 / _LEAST_WEIGHT:
        raise ValueError(
            f"{name} is too {'small' if total < 1 else 'large'}: its sum is {total:g}, expected between "
            f"{_LEAST_WEIGHT:g} and {1 / _LEAST_WEIGHT:g}. Divide it by its maximum."
        )
    return weights


def check_weights_init(value: Any, n_components: int) -> Floats:
    """Return the given weights of the components.

    Parameters
    ----------
    value : array-like of shape (n_components,)
        Between 0 and 1, with the sum 1.
    n_components : int
        K.

    Returns
    -------
    ndarray of shape (n_components,), float64

    Raises
    ------
    ValueError
        For another shape, values that are not finite or outside [0, 1], or another sum.
    """
    weights = _shares(value, n_components)
    total = weights.sum()
    return weights if total == 1 else weights / total


def _shares(value: Any, n_components: int) -> Floats:
    """Weights whose sum is 1 within the rounding of float32."""
    given = given_array(value, "weights", (n_components,))
    if given.min() < 0 or given.max() > 1:
        # scikit-learn's sentence names the two the wrong way round; its tests ask for that.
        index = int(np.flatnonzero((given < 0) | (given > 1))[0])
        raise ValueError(
            "The parameter 'weights' should be in the range [0, 1], but got max value "
            f"{given.min():.5f}, min value {given.max():.5f} (component {index} has "
            f"{given[index]:.6g})"
        )
    weights = given.astype(np.float64)
    total = weights.sum()
    # Weights that were rounded to float32 somewhere on their way are still meant to sum to 1.
    if not abs(1.0 - total) <= 1e-6:
        raise ValueError(
            "The parameter 'weights' should be normalized, but got sum(weights) = "
            f"{total:.5f}. Divide the weights by their sum."
        )
    return weights


def check_means_init(value: Any, n_components: int, n_features: int) -> Floats:
    """Return the given means of the components.

    Parameters
    ----------
    value : array-like of shape (n_components, n_features)
        Finite numbers.
    n_components, n_features : int
        K and d.

    Returns
    -------
    ndarray of shape (n_components, n_features), float64

    Raises
    ------
    ValueError
        For another shape and for values that are not finite, or whose squares would not be.
    """
    means = given_array(value, "means", (n_components, n_features)).astype(np.float64)
    if np.abs(means).max() > _LARGEST:
        k, j = _first(np.abs(means) > _LARGEST)
        raise ValueError(
            f"The parameter 'means' holds a value too large: {means[k, j]:g} (component {k}, feature {j}). Expected "
            f"magnitudes up to {_LARGEST:g}, whose squares are finite."
        )
    return means


def check_precisions_init(value: Any, n_components: int, n_features: int, model: CovarianceModel) -> Floats:
    """Return the given precisions (inverse covariances) of the components.

    Parameters
    ----------
    value : array-like of shape model.layout.shape(n_components, n_features)
        Symmetric and positive-definite matrices, or positive numbers.
    n_components, n_features : int
        K and d.
    model : CovarianceModel
        Its layout settles the shape, its name stands in messages.

    Returns
    -------
    ndarray of the same shape, float64

    Raises
    ------
    ValueError
        For another shape, values that are not finite, and what is not symmetric and
        positive-definite, with the component.
    """
    return _check_spread(value, f"{model.known_as} precision", n_components, n_features, model)


def check_parameters_given(
    weights: Any, means: Any, covariances: Any, model: CovarianceModel
) -> tuple[Floats, Floats, Floats]:
    """Return the parameters of a mixture that is given by its numbers.

    Parameters
    ----------
    weights : array-like of shape (n_components,)
        Between 0 and 1, with the sum 1.
    means : array-like of shape (n_components, n_features)
        Finite numbers; they settle K and d.
    covariances : array-like of shape model.layout.shape(n_components, n_features)
        Symmetric and positive-definite matrices, or positive variances.
    model : CovarianceModel
        Its layout settles the shape, its name stands in messages.

    Returns
    -------
    weights, means, covariances : ndarray, float64

    Raises
    ------
    ValueError
        As `check_weights_init`, `check_means_init` and `check_precisions_init`.
    """
    shares, centres, spread = check_mixture(weights, means, covariances, model)
    return check_weights_init(shares, len(shares)), check_means_init(centres, *centres.shape), spread


def check_mixture(weights: Any, means: Any, covariances: Any, model: CovarianceModel) -> tuple[Floats, Floats, Floats]:
    """Return the parameters of a mixture, no number changed, however nearly singular a fit has left it.

    Parameters
    ----------
    weights : array-like of shape (n_components,)
        Between 0 and 1, with the sum 1.
    means : array-like of shape (n_components, n_features)
        Finite numbers; they settle K and d.
    covariances : array-like of shape model.layout.shape(n_components, n_features)
        Symmetric and positive-definite matrices, or positive variances.
    model : CovarianceModel
        Its layout settles the shape, its name stands in messages.

    Returns
    -------
    weights, means, covariances : ndarray, float64

    Raises
    ------
    ValueError
        For what is no such thing, with the component.
    """
    centres = _floats(means, "means")
    if centres.ndim != 2 or 0 in centres.shape:
        raise ValueError(
            f"The parameter 'means' should have the shape of (n_components, n_features), but got {centres.shape}"
        )
    n_components, n_features = centres.shape
    shares = _shares(weights, n_components)
    centres = given_array(centres, "means", centres.shape).astype(np.float64)
    spread = _check_spread(covariances, f"{model.known_as} covariance", n_components, n_features, model)
    _check_constraint(spread, shares, n_features, model)
    return shares, centres, spread


def check_responsibilities(value: Any, n_rows: int, n_components: int) -> Floats:
    """Return the responsibilities that a fit is to begin with.

    Parameters
    ----------
    value : array-like of shape (n_rows, n_components)
        None negative, each row with the sum 1 (within 1e-6; 1e-5 in float32).
    n_rows, n_components : int
        n and K.

    Returns
    -------
    ndarray of shape (n_rows, n_components), float64, contiguous

    Raises
    ------
    ValueError
        For another shape, values that are not finite or negative, and for a row whose sum is
        not 1, with the row.
    """
    name = "responsibilities"
    given = given_array(value, name, (n_rows, n_components))
    _check_not_negative(given, name, name)
    sums = given.sum(axis=1, dtype=np.float64)
    tolerance = 1e-5 if given.dtype == np.float32 else 1e-6
    off = np.flatnonzero(np.abs(sums - 1.0) > tolerance)
    if off.size:
        row = int(off[0])
        raise ValueError(
            f"Each row of the {name} should have the sum 1, but row {row} has {sums[row]:.6g} "
            f"({off.size} such row(s)). Divide the rows by their sums."
        )
    return np.ascontiguousarray(given, dtype=np.float64)


def _floats(value: Any, name: str) -> FloatArray:
    return as_floats(as_plain_array(value, name), name, place_in(name))


def given_array(value: Any, name: str, shape: tuple[int, ...]) -> FloatArray:
    given = _floats(value, name)
    if given.shape != shape:
        raise ValueError(f"The parameter '{name}' should have the shape of {shape}, but got {given.shape}")
    _check_finite(given, f"The parameter '{name}'", name)
    return given


def _check_finite(given: FloatArray, subject: str, name: str) -> None:
    finite = np.isfinite(given)
    if not finite.all():
        index = _first(~finite)
        word = "NaN" if np.isnan(given[index]) else "infinity"
        raise ValueError(
            f"{subject} contains {word}. The first is at {place_in(name)(index)}; expected finite numbers."
        )


def _check_not_negative(given: FloatArray, subject: str, name: str) -> None:
    if given.min() < 0:
        index = _first(given < 0)
        raise ValueError(
            f"Negative values in data passed to {subject}. The first is {given[index]!s} at "
            f"{place_in(name)(index)}; expected none below 0."
        )


def _first(wrong: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))


def _check_spread(value: Any, name: str, n_components: int, n_features: int, model: CovarianceModel) -> Floats:
    spread = given_array(value, name, model.layout.shape(n_components, n_features)).astype(np.float64)
    # Shapes that no K = d can confuse tell matrices from numbers, and one for all from one each.
    shape = model.layout.shape(2, 3)
    if shape[-2:] == (3, 3):
        components = [f"component {k}" for k in range(n_components)] if len(shape) == 3 else ["the matrix"]
        check_matrices(spread.reshape(-1, n_features, n_features), name, components)
    else:
        _check_positive(spread, name)
    return spread


def _check_constraint(covariances: Floats, weights: Floats, n_features: int, model: CovarianceModel) -> None:
    """Refuse covariances that the model does not allow, as far as rounding lets that be told."""
    nearest = model.constrained(covariances, np.maximum(weights, _LEAST_SHARE), previous=covariances)
    off, largest = np.abs(covariances - nearest), np.abs(covariances).max()
    if off.max() <= _CONSTRAINED * largest:
        return
    if off.max() > _ROUNDING * _condition(covariances, n_features, model.layout) * largest:
        index = _first(off == off.max())
        raise ValueError(
            f"no covariances of the model {model.known_as}: {_component(index)} has {covariances[index]:.6g}, "
            f"where the nearest of the model have {nearest[index]:.6g}"
        )


def _condition(covariances: Floats, n_features: int, layout: Layout) -> float:
    """How nearly singular the most singular covariance is, up to a factor d²."""
    variances = layout.diagonal(covariances, n_features)
    precisions = layout.diagonal(layout.inverse(covariances, n_features), n_features)
    with np.errstate(over="ignore"):
        return float((variances.max(axis=1) * precisions.max(axis=1)).max())


def check_matrices(matrices: Floats, name: str, which: Sequence[str]) -> None:
    """Refuse matrices, (m, d, d), unless all are symmetric and what a pass takes for positive definite.

    Parameters
    ----------
    matrices : ndarray of shape (m, d, d)
    name : str
        What messages call all of them.
    which : sequence of str, length m
        What messages call each of them.

    Raises
    ------
    ValueError
        For the first that is at fault.
    """
    subject = f"'{name}' should be symmetric, positive-definite:"
    if not (matrices == matrices.transpose(0, 2, 1)).all():
        for matrix, called in zip(matrices, which, strict=True):
            if fault := _asymmetry(matrix):
                raise ValueError(f"{subject} {called} {fault}")
    try:
        FULL.whiten(matrices, matrices.shape[-1])
    except SingularMatrixError as error:
        smallest = f"smallest eigenvalue {_smallest(matrices[error.component]):.6g}"
        raise ValueError(f"{subject} {which[error.component]} is not positive-definite ({smallest})") from None


def _asymmetry(matrix: Floats) -> str:
    scale = np.sqrt(np.abs(np.diagonal(matrix)))
    wrong = np.abs(matrix - matrix.T) > 1e-5 * np.outer(scale, scale)
    if not wrong.any():
        return ""
    i, j = _first(wrong)
    return f"has {matrix[i, j]:.6g} at ({i}, {j}) and {matrix[j, i]:.6g} at ({j}, {i})"


def _smallest(matrix: Floats) -> float:
    return float(np.linalg.eigvalsh(matrix)[0])


def _check_positive(spread: Floats, name: str) -> None:
    if not (spread > 0).all():
        index = _first(~(spread > 0))
        raise ValueError(f"'{name}' should be positive: {_component(index)} has {spread[index]:.6g}")


def _component(index: Sequence[int]) -> str:
    return f"component {index[0]}" + "".join(f", column {j}" for j in index[1:])
