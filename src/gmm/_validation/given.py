"""Validation of arrays other than X: sample weights, starting values, responsibilities, mixture parameters."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from sys import float_info
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._validation.arrays import FloatArray, as_array, as_floats, place_in
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import FULL, Layout, SingularMatrixError, determines
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics

Floats = NDArray[np.float64]
_LARGEST = 1e150
_LEAST = 1 / float_info.max  # of variances: the inverse of less is infinite
_LARGEST_SCATTER = 1e304
_LEAST_WEIGHT = 1e-280
_LEAST_SHARE = 1e-300
_CONSTRAINED = 1e-5  # relative: covariances that were rounded to float32 still satisfy their model
_ROUNDING = 16 * np.finfo(np.float64).eps  # relative error of the smallest eigenvalue of a well-conditioned matrix


def check_sample_weight(sample_weight: Any, n_rows: int) -> Floats | None:
    """Check the weights of the rows.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,), number or None
        Finite, non-negative and not all zero; a number is the weight of every row.
    n_rows : int
        The number of rows of X.

    Returns
    -------
    ndarray of shape (n_rows,), float64, contiguous; or None

    Raises
    ------
    ValueError
        If the shape is wrong, a weight is negative or not finite (the message gives its index), all are zero, or
        their sum overflows or underflows.
    TypeError
        If `sample_weight` does not hold numbers.
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


def check_targets(y: Any, n_rows: int, *, missing: str = "error") -> FloatArray:
    """Check the targets of a regression, (n_rows,) or (n_rows, m); with `missing` "em", NaN is a missing one.

    Raises
    ------
    ValueError
        If there are none, the shape is wrong or a value is not finite; the message gives its index.
    """
    if y is None:
        raise ValueError("MixtureRegressor requires y to be passed, but the target y is None")
    targets = _floats(y, "y")
    if targets.ndim not in (1, 2) or len(targets) != n_rows or not targets.size:
        raise ValueError(f"expected y of shape ({n_rows},) or ({n_rows}, m), as many rows as X, got {targets.shape}")
    _check_finite(np.where(np.isnan(targets), 0, targets) if missing == "em" else targets, "Input y", "y")
    columns = targets.reshape(n_rows, -1).astype(np.float64)
    if (empty := np.isnan(columns).all(axis=0)).any():
        raise ValueError(
            f"all values of target {empty.argmax()} in y are missing, so there is nothing to learn from it"
        )
    if (far := np.abs(columns) > _LARGEST).any():
        i, j = _first(far)
        raise ValueError(
            f"row {i} of y has {columns[i, j]:g} as target {j}, expected magnitudes up to {_LARGEST:g}, whose squares "
            "are finite: divide the target by its standard deviation"
        )
    return targets


def check_ridge(reg_covar: float, weight: float) -> None:
    """Check that `reg_covar` can be added to the scatter of rows that weigh so much in all.

    Raises
    ------
    ValueError
        If their product overflows, or nearly so.
    """
    if weight > 0 and float(reg_covar) > _LARGEST_SCATTER / max(weight, 1.0):
        raise ValueError(
            f"reg_covar is too large: {reg_covar:g}, for rows of weight {weight:g}. Expected a product of the two up "
            f"to {_LARGEST_SCATTER:g}. Divide the rows by their scale, or the weights by their maximum."
        )


def check_weights_init(value: Any, n_components: int) -> Floats:
    """Check the weights of the components at a start.

    Parameters
    ----------
    value : array-like of shape (n_components,)
        Between 0 and 1, with sum 1.
    n_components : int
        K.

    Returns
    -------
    ndarray of shape (n_components,), float64

    Raises
    ------
    ValueError
        If the shape is wrong, a value is not finite or outside [0, 1], or the sum is not 1.
    """
    array = check_array(value, "weights", (n_components,))
    if array.min() < 0 or array.max() > 1:
        # scikit-learn's message swaps minimum and maximum, and its tests match that.
        raise ValueError(
            f"The parameter 'weights' should be in the range [0, 1], but got max value {array.min():.5f}, min value "
            f"{array.max():.5f}"
        )
    return check_weights(array, n_components)


def check_weights(value: Any, n_components: int, name: str = "weights") -> Floats:
    """Check weights as `check_shares` does, and divide them by their sum."""
    weights = check_shares(value, n_components, name)
    return np.asarray(weights / weights.sum())


def check_shares(value: Any, n_components: int, name: str = "weights") -> Floats:
    """Check that weights are between 0 and 1 and have the sum 1, without changing a number."""
    array = check_array(value, name, (n_components,))
    outside = (array < 0) | (array > 1)
    if outside.any():
        index = _first(outside)
        raise ValueError(
            f"The parameter {name!r} should be in the range [0, 1], but got {array[index]:.6g} at "
            f"{place_in(name)(index)}"
        )
    weights = array.astype(np.float64)
    total = weights.sum()
    # The tolerance allows for weights that were rounded to float32.
    if not abs(1.0 - total) <= 1e-6:
        raise ValueError(
            f"The parameter {name!r} should be normalized, but got sum({name}) = {total:.5f}. Divide the {name} by "
            "their sum."
        )
    return weights


def check_means_init(value: Any, n_components: int, n_features: int) -> Floats:
    """Check the means of the components.

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
        If the shape is wrong, or a value is not finite or so large that its square overflows.
    """
    means = check_array(value, "means", (n_components, n_features)).astype(np.float64, order="C")
    check_squares(means, "means", "component")
    return means


def check_squares(values: Floats, name: str, of_row: str) -> None:
    """Check that squares of values, a matrix whose rows are of one thing each, are finite.

    Raises
    ------
    ValueError
        If a value is too large.
    """
    if np.abs(values).max() > _LARGEST:
        i, j = _first(np.abs(values) > _LARGEST)
        raise ValueError(
            f"The parameter {name!r} holds a value too large: {values[i, j]:g} ({of_row} {i}, feature {j}). Expected "
            f"magnitudes up to {_LARGEST:g}, whose squares are finite."
        )


def check_precisions_init(value: Any, n_components: int, n_features: int, model: CovarianceModel) -> Floats:
    """Check the precisions (inverse covariances) of the components.

    Parameters
    ----------
    value : array-like of shape model.layout.shape(n_components, n_features)
        Symmetric positive-definite matrices, or positive numbers.
    n_components, n_features : int
        K and d.
    model : CovarianceModel
        Gives the expected shape, and its name for messages.

    Returns
    -------
    ndarray of the same shape, float64

    Raises
    ------
    ValueError
        If the shape is wrong, a value is not finite, or a matrix is not symmetric and positive-definite; the message
        gives the component.
    """
    return _check_spread(value, f"{model.type_name} precision", n_components, n_features, model)[0]


def check_precision_factors(value: Any, n_components: int, n_features: int, layout: Layout) -> Floats:
    """Check the triangular factors of precisions, or 1/σ; return their products, the precisions.

    Raises
    ------
    TypeError, ValueError
        If the shape is wrong, or a factor or a product is not finite.
    """
    factors = check_array(value, "precisions_cholesky_", layout.shape(n_components, n_features)).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        precisions = layout.gram(layout.transposed(factors))
    if not np.isfinite(precisions).all():
        raise ValueError(
            "expected precisions_cholesky_ whose products are finite numbers, got values of up to "
            f"{np.abs(factors).max():.3g}; give X a larger unit"
        )
    return precisions


def check_user_mixture(weights: Any, means: Any, covariances: Any, model: CovarianceModel) -> MixtureParameters:
    """Check the parameters of a mixture that a user passes, and normalise the weights.

    Parameters
    ----------
    weights, means, covariances, model
        As for `check_mixture`.

    Returns
    -------
    MixtureParameters

    Raises
    ------
    ValueError
        As for `check_mixture`, `check_weights` and `check_means_init`.
    """
    mixture = check_mixture(weights, means, covariances, model)
    check_means_init(mixture.means, *mixture.means.shape)
    return mixture.with_other(weights=check_weights(mixture.weights, mixture.n_components))


def check_mixture(weights: Any, means: Any, covariances: Any, model: CovarianceModel) -> MixtureParameters:
    """Check the parameters of a mixture without changing a number; nearly singular covariances are accepted.

    Parameters
    ----------
    weights : array-like of shape (n_components,)
        Between 0 and 1, with sum 1.
    means : array-like of shape (n_components, n_features)
        Finite numbers; their shape gives K and d.
    covariances : array-like of shape model.layout.shape(n_components, n_features)
        Symmetric positive-definite matrices, or positive variances.
    model : CovarianceModel
        Gives the expected shape of the covariances, and its name for messages.

    Returns
    -------
    MixtureParameters

    Raises
    ------
    ValueError
        If a shape or a value is wrong; the message gives the component.
    """
    centres = _floats(means, "means")
    if centres.ndim != 2 or 0 in centres.shape:
        raise ValueError(
            f"The parameter 'means' should have the shape of (n_components, n_features), but got {centres.shape}"
        )
    n_components, n_features = centres.shape
    shares = check_shares(weights, n_components)
    centres = check_array(centres, "means", centres.shape).astype(np.float64, order="C")
    spread, factors = _check_spread(covariances, f"{model.type_name} covariance", n_components, n_features, model)
    mixture = MixtureParameters(shares, centres, spread, model, factors)
    check_constraint(mixture)
    return mixture


def check_responsibilities(value: Any, n_rows: int, n_components: int, *, beside_noise: bool = False) -> Floats:
    """Check the responsibilities that a fit starts from.

    Parameters
    ----------
    value : array-like of shape (n_rows, n_components)
        Non-negative; each row sums to 1 within 1e-6 (1e-5 in float32).
    n_rows, n_components : int
        n and K.
    beside_noise : bool
        Whether a row may sum to less.

    Returns
    -------
    ndarray of shape (n_rows, n_components), float64, contiguous

    Raises
    ------
    ValueError
        If the shape is wrong, a value is negative or not finite, or a row does not sum to 1; the message gives the
        row.
    """
    name = "init_params"
    array = check_array(value, name, (n_rows, n_components))
    _check_not_negative(array, name, name)
    sums = array.sum(axis=1, dtype=np.float64)
    tolerance = 1e-5 if array.dtype == np.float32 else 1e-6
    too_much = sums - 1.0
    off = np.flatnonzero((too_much if beside_noise else np.abs(too_much)) > tolerance)
    if off.size:
        row = int(off[0])
        most = "at most 1" if beside_noise else "1"
        raise ValueError(
            f"Each row of {name} should sum to {most}, but the sum of row {row} is {sums[row]:.6g} "
            f"({off.size} such row(s)). Divide each row by its sum."
        )
    return np.ascontiguousarray(array, dtype=np.float64)


def _floats(value: Any, name: str) -> FloatArray:
    return as_floats(as_array(value, name), name, place_in(name))


def check_array(value: Any, name: str, shape: tuple[int, ...]) -> FloatArray:
    """Check that an array-like has a shape and finite values, and return it as floats.

    Raises
    ------
    ValueError
        If the shape is wrong or a value is not finite; the message gives its index.
    """
    array = _floats(value, name)
    if array.shape != shape:
        raise ValueError(f"The parameter '{name}' should have the shape of {shape}, but got {array.shape}")
    _check_finite(array, f"The parameter '{name}'", name)
    return array


def _check_finite(array: FloatArray, subject: str, name: str) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        index = _first(~finite)
        word = "NaN" if np.isnan(array[index]) else "infinity"
        raise ValueError(
            f"{subject} contains {word}. The first is at {place_in(name)(index)}; expected finite numbers."
        )


def _check_not_negative(array: FloatArray, subject: str, name: str) -> None:
    if array.min() < 0:
        index = _first(array < 0)
        raise ValueError(
            f"Negative values in data passed to {subject}. The first is {array[index]!s} at "
            f"{place_in(name)(index)}; expected no value below 0."
        )


def _first(wrong: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))


def _check_spread(
    value: Any, name: str, n_components: int, n_features: int, model: CovarianceModel
) -> tuple[Floats, tuple[Floats, Floats] | None]:
    """Return the matrices, and, of dense ones, the whiteners and log determinants that show them to be definite."""
    spread = check_array(value, name, model.layout.shape(n_components, n_features)).astype(np.float64, order="C")
    if not model.stored_whole:
        _check_positive(spread[:, 0], name)
        return spread, None
    # The layout's shape for K = 2 and d = 3 tells matrices from variances, and pooled from per-component layouts.
    shape = model.layout.shape(2, 3)
    if shape[-2:] == (3, 3):
        components = [f"component {k}" for k in range(n_components)] if len(shape) == 3 else ["the matrix"]
        whiteners, log_determinants = check_matrices(spread.reshape(-1, n_features, n_features), name, components)
        return spread, (whiteners.reshape(spread.shape), log_determinants)
    _check_positive(spread, name)
    return spread, None


def check_constraint(mixture: MixtureParameters) -> None:
    """Reject covariances that violate the model's constraint by more than rounding explains.

    Raises
    ------
    ValueError
        If there are such covariances.
    """
    covariances, weights, model = mixture.covariances, mixture.weights, mixture.model
    if not (model.constraint and model.stored_whole):  # of factors stored as such nothing but ψ > 0 is asked
        return
    try:
        nearest = model.nearest(covariances, np.maximum(weights, _LEAST_SHARE))
    except SingularMatrixError:  # they are definite, so there is a nearest one: it is lost to rounding
        return
    off, largest = np.abs(covariances - nearest), np.abs(covariances).max()
    if off.max() <= _CONSTRAINED * largest:
        return
    if off.max() > _ROUNDING * _condition(mixture) * largest:
        index = _first(off == off.max())
        raise ValueError(
            f"the covariances do not satisfy the model {model.type_name}: {_component(index)} has "
            f"{covariances[index]:.6g}, expected {nearest[index]:.6g} as in the nearest covariances that do"
        )


def _condition(mixture: MixtureParameters) -> float:
    """Estimate the largest condition number of the covariances, up to a factor d²."""
    with np.errstate(over="ignore"):
        return float((mixture.column_variances.max(axis=1) * mixture.column_precisions.max(axis=1)).max())


def check_matrices(matrices: Floats, name: str, labels: Sequence[str]) -> tuple[Floats, Floats]:
    """Check that all matrices are symmetric and positive definite, by the factorisation that a pass uses.

    Parameters
    ----------
    matrices : ndarray of shape (m, d, d)
    name : str
        Name of the array in messages.
    labels : sequence of str, length m
        Name of each matrix in messages.

    Returns
    -------
    whiteners : ndarray of shape (m, d, d)
    log_determinants : ndarray of shape (m,)
        log|W|.

    Raises
    ------
    ValueError
        For the first matrix that is not symmetric and positive definite.
    """
    subject = f"'{name}' should be symmetric, positive-definite:"
    if not (matrices == matrices.transpose(0, 2, 1)).all():
        for matrix, label in zip(matrices, labels, strict=True):
            if fault := _asymmetry(matrix):
                raise ValueError(f"{subject} {label} {fault}")
    try:
        return FULL.whiten(matrices, matrices.shape[-1])
    except SingularMatrixError as error:
        smallest = f"smallest eigenvalue {np.linalg.eigvalsh(matrices[error.component])[0]:.6g}"
        raise ValueError(f"{subject} {labels[error.component]} is not positive-definite ({smallest})") from None


def _asymmetry(matrix: Floats) -> str:
    scale = np.sqrt(np.abs(np.diagonal(matrix)))
    wrong = np.abs(matrix - matrix.T) > 1e-5 * np.outer(scale, scale)
    if not wrong.any():
        return ""
    i, j = _first(wrong)
    return f"has {matrix[i, j]:.6g} at ({i}, {j}) and {matrix[j, i]:.6g} at ({j}, {i})"


def _check_positive(spread: Floats, name: str) -> None:
    if not (spread > _LEAST).all():
        index = _first(~(spread > _LEAST))
        raise ValueError(f"'{name}' should be positive: {_component(index)} has {spread[index]:.6g}")


def _component(index: Sequence[int]) -> str:
    return f"component {index[0]}" + "".join(f", column {j}" for j in index[1:])


def check_statistics(statistics: SufficientStatistics, shape: tuple[int, ...], moments: Layout) -> None:
    """Check that statistics are those of a mixture of K components and d features, `shape`.

    Raises
    ------
    ValueError
        If their shape or their second moments are others, or they are of no rows.
    """
    if statistics.first.shape != tuple(shape):
        raise ValueError(
            f"expected statistics of {tuple(shape)} components and features, got {statistics.first.shape}: "
            "em.e_step makes them with the same mixture"
        )
    if not determines(statistics.layout, moments):
        raise ValueError(
            f"expected statistics of the same covariance_type, with second moments {moments.shape(*shape)}, got "
            f"{statistics.second.shape}"
        )
    if not statistics.weight > 0:
        raise ValueError(f"expected statistics of some rows, got the weight {statistics.weight:g}")
