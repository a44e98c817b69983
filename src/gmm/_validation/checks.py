"""Validation of arrays other than X: weights, labels, errors, starting and fixed values, noise, tails, priors."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from math import inf
from sys import float_info
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._exceptions import invalid
from gmm._text.words import quoted, suggestion
from gmm._validation.combinations import CombinationError
from gmm._validation.rows import FloatArray, as_array, check_finite, check_values, first_index, floats_of
from gmm._validation.scalars import as_real, check_real
from gmm._values.covariance import CLASSIC, LIMITED, CovarianceModel, stored_as
from gmm._values.layouts import FULL, SPHERICAL, Layout, SingularMatrixError, determines
from gmm._values.noise import NO_NOISE, Noise
from gmm._values.parameters import NOTHING_FIXED, PARTS, Fixed, MixtureParameters
from gmm._values.priors import ConjugatePrior, NormalInverseWishart, VariationalPrior, has_variances
from gmm._values.statistics import SufficientStatistics
from gmm._values.tails import NORMAL_TAILS, OF_EACH, StudentTails, Tails

Floats = NDArray[np.float64]
SPREADS = frozenset({"covariances", "precisions", "precisions_cholesky"})
_LARGEST = 1e150
_LEAST = 1 / float_info.max  # of variances: the inverse of less is infinite
_LEAST_SHARE = 1e-300
_AGREEMENT = 1e-3  # relative, in addition to rounding
_CONSTRAINED = 1e-5  # relative: covariances that were rounded to float32 still satisfy their model
_ROUNDING = 16 * np.finfo(np.float64).eps  # relative error of the smallest eigenvalue of a well-conditioned matrix


def check_targets(y: Any, n_rows: int, *, missing: str = "error") -> FloatArray:
    """Check the targets of a regression, (n_rows,) or (n_rows, m); with `missing` "em", NaN is a missing value.

    Raises
    ------
    ValueError
        If there are none, the shape is wrong or a value is not finite; the message gives its index.
    """
    if y is None:
        raise ValueError("MixtureRegressor requires y to be passed, but the target y is None")
    targets = floats_of(y, "y")
    if targets.ndim not in (1, 2) or len(targets) != n_rows or not targets.size:
        raise ValueError(f"expected y of shape ({n_rows},) or ({n_rows}, m), as many rows as X, got {targets.shape}")
    check_finite(np.where(np.isnan(targets), 0, targets) if missing == "em" else targets, "Input y", "y")
    columns = targets.reshape(n_rows, -1).astype(np.float64)
    if (empty := np.isnan(columns).all(axis=0)).any():
        raise ValueError(f"all values of target {empty.argmax()} in y are missing")
    _check_magnitudes(columns, "y", ": divide the target by its standard deviation")
    return targets


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
    """Check weights as `check_shares` does, and divide them by their sum unless it is 1 up to rounding."""
    weights = check_shares(value, n_components, name)
    total = weights.sum()
    rounding = n_components * np.finfo(np.float64).eps
    return weights if abs(total - 1) <= rounding else np.asarray(weights / total)


def check_shares(value: Any, n_components: int, name: str = "weights") -> Floats:
    """Check that weights are between 0 and 1 and have the sum 1, without changing a number."""
    weights = check_numbers(value, name, (n_components,))
    check_values((weights >= 0) & (weights <= 1), weights, f"{name} in the range [0, 1]", name)
    total = weights.sum()
    # The tolerance allows for weights that were rounded to float32.
    if not abs(1.0 - total) <= 1e-6:
        raise ValueError(
            f"The parameter {name!r} should be normalized, but got sum({name}) = {total:.5f}. Divide the {name} by "
            "their sum."
        )
    return weights


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
        As for `check_mixture`, `check_weights` and `check_coordinates`.
    """
    mixture = check_mixture(weights, means, covariances, model)
    check_coordinates(mixture.means, "means", mixture.means.shape)
    return mixture.with_other(weights=check_weights(mixture.weights, mixture.n_components))


def check_assigned(
    changed: Mapping[str, FloatArray], before: MixtureParameters | None, model: CovarianceModel
) -> MixtureParameters:
    """Check a mixture of which some parameters were assigned; of several `SPREADS` the last counts.

    Parameters
    ----------
    changed : mapping of names to arrays
        Assigned parameters, in the order of assignment.
    before : MixtureParameters or None
        The mixture with the other parameters, and the tails.
    model : CovarianceModel

    Raises
    ------
    ValueError
        If they are not a mixture of as many columns as `before`, or two of them contradict each other.
    """
    spreads, parts = [name for name in changed if name in SPREADS], dict[str, FloatArray](changed)
    if before is not None:
        parts = {name: getattr(before, name) for name in PARTS[: 2 if spreads else 3]} | parts
    per_component = [name for name in parts if not (model.layout.pooled and name in SPREADS)]
    counts = [sum(parts[name].shape[:1]) for name in per_component]
    if len({*counts}) > 1:
        names, got = " and ".join(f"{name}_" for name in per_component), " and ".join(map(str, counts))
        raise ValueError(f"expected the same number of components in {names}, got {got}. Assign all of them.")
    means = _centres(parts["means"])
    K, d = means.shape
    if before is not None and d != before.n_features:
        raise ValueError(f"The parameter 'means_' should have the shape of {(K, before.n_features)}, but got {(K, d)}")
    *others, covariances = [_covariances(name, parts[name], K, d, model) for name in spreads or PARTS[2:]]
    mixture = check_user_mixture(parts["weights"], means, covariances, model)
    for name, other in zip(spreads, others, strict=False):  # the last of the spreads is the mixture's
        white, eps = mixture.whiteners, np.finfo(np.result_type(*(parts[each] for each in spreads))).eps
        if model.layout.axis_aligned:
            difference = np.abs(model.layout.gram(white) * other - 1)
        else:
            difference = np.abs(white @ other @ white.swapaxes(-1, -2) - np.eye(d))
        rounding = 16 * eps / np.finfo(np.float64).eps * mixture.rounding.max()
        if not difference.max() <= _AGREEMENT + rounding:
            k = difference.reshape(K, -1).max(axis=1).argmax()
            owner = "" if model.layout.pooled else f" of component {k}"
            raise ValueError(
                f"{name}_ and {spreads[-1]}_{owner} contradict each other: expected those of the same covariances. "
                "Assign one of them, and the other follows."
            )
    return mixture if before is None else mixture.with_other(tails=before.tails)


def check_sorted_once(name: str, values: FloatArray, present: NDArray[Any], used: str) -> None:
    """Check that assigned values of components do not sort values that follow from others, which were `used`.

    Raises
    ------
    ValueError
        If they are the `present` values in another order.
    """
    assigned, implied = (np.unique(each.reshape(len(each), -1), axis=0) for each in (values, present))
    if not np.array_equal(values, present) and np.array_equal(assigned, implied):
        raise ValueError(
            f"{name}_ were sorted after {used}_ were, but had the new order already, because the mixture was used in "
            f"between. Sort both before the mixture is used, or {used}_ alone."
        )


def _covariances(name: str, values: FloatArray, K: int, d: int, model: CovarianceModel) -> Floats:
    """Return the covariances by covariances, precisions or factors of precisions, according to the name."""
    if name == "covariances":
        return check_spread(values, "covariance", K, d, model)[0]
    if name == "precisions_cholesky":
        factors = check_numbers(values, "precisions_cholesky_", model.layout.shape(K, d))
        with np.errstate(over="ignore", invalid="ignore"):
            values = model.layout.gram(model.layout.transposed(factors))
        if not np.isfinite(values).all():
            raise ValueError(
                "expected precisions_cholesky_ with finite squares, got values of up to "
                f"{np.abs(factors).max():.3g}. Multiply X by a large number, and divide precisions_cholesky_ by it."
            )
    return model.layout.inverse(check_spread(values, "precision", K, d, model)[0], d)


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
    centres = _centres(means)
    n_components, n_features = centres.shape
    shares = check_shares(weights, n_components)
    spread, factors = check_spread(covariances, "covariance", n_components, n_features, model)
    mixture = MixtureParameters(shares, centres, spread, model, factors)
    check_constraint(mixture)
    return mixture


def _centres(means: Any) -> Floats:
    centres = floats_of(means, "means")
    if centres.ndim != 2 or 0 in centres.shape:
        raise ValueError(
            f"The parameter 'means' should have the shape of (n_components, n_features), but got {centres.shape}"
        )
    return check_numbers(centres, "means", centres.shape)


def check_responsibilities(value: Any, n_rows: int, n_components: int, *, with_noise: bool = False) -> Floats:
    """Check the responsibilities that a fit starts from.

    Parameters
    ----------
    value : array-like of shape (n_rows, n_components)
        Non-negative; each row sums to 1 within 1e-6 (1e-5 in float32).
    n_rows, n_components : int
        n and K.
    with_noise : bool
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
    check_values(array >= 0, array, "responsibilities of 0 or more", name)
    sums = array.sum(axis=1, dtype=np.float64)
    too_much = sums - 1.0 if with_noise else np.abs(sums - 1.0)
    off = np.flatnonzero(too_much > (1e-5 if array.dtype == np.float32 else 1e-6))
    if off.size:
        most, row = "at most 1" if with_noise else "1", int(off[0])
        raise ValueError(
            f"Each row of {name} should sum to {most}, but the sum of row {row} is {sums[row]:.6g} "
            f"({off.size} such row(s)). Divide each row by its sum."
        )
    return np.ascontiguousarray(array, dtype=np.float64)


def check_array(value: Any, name: str, shape: tuple[int, ...]) -> FloatArray:
    """Check that an array-like has a shape and finite values, and return it as floats.

    Raises
    ------
    ValueError
        If the shape is wrong or a value is not finite; the message gives its index.
    """
    array = floats_of(value, name)
    if array.shape != shape:
        raise ValueError(f"The parameter '{name}' should have the shape of {shape}, but got {array.shape}")
    check_finite(array, f"The parameter '{name}'", name)
    return array


def check_numbers(value: Any, name: str, shape: tuple[int, ...]) -> Floats:
    """Return a copy in float64 of what `check_array` checks."""
    return check_array(value, name, shape).astype(np.float64, order="C")


def check_coordinates(value: Any, name: str, shape: tuple[int, ...]) -> Floats:
    """Return a copy of what `check_array` checks, also that squares are finite."""
    values = check_numbers(value, name, shape)
    _check_magnitudes(values, name)
    return values


def _check_magnitudes(values: Floats, name: str, remedy: str = ", which is too large") -> None:
    is_valid = ~(np.abs(values) > _LARGEST)  # or NaN
    check_values(is_valid, values, f"magnitudes of up to {_LARGEST:g}, whose squares are finite", name, remedy)


def check_spread(
    value: Any, noun: str, n_components: int, n_features: int, model: CovarianceModel
) -> tuple[Floats, tuple[Floats, Floats] | None]:
    """Check covariances or precisions, according to a noun, in the storage of a model.

    Returns
    -------
    matrices : ndarray of shape model.layout.shape(n_components, n_features)
    factors : tuple of whiteners and log determinants, or None
        Factors of dense matrices, which show that all are definite.

    Raises
    ------
    ValueError
        If the shape is wrong, a value is not finite, or a matrix is not symmetric and positive-definite; the message
        gives the component.
    """
    name = f"{model.type_name} {noun}"
    spread = check_numbers(value, name, model.layout.shape(n_components, n_features))
    # The layout's shape for K = 2 and d = 3 distinguishes matrices from variances, and pooled from other layouts.
    shape = model.layout.shape(2, 3)
    if model.stores_dense and shape[-2:] == (3, 3):
        components = [f"component {k}" for k in range(n_components)] if len(shape) == 3 else ["the matrix"]
        whiteners, log_determinants = check_matrices(spread.reshape(-1, n_features, n_features), name, components)
        return spread, (whiteners.reshape(spread.shape), log_determinants)
    variances = spread if model.stores_dense else spread[:, 0]
    if (index := first_index(~(variances > _LEAST))) is not None:  # in scikit-learn's words
        raise ValueError(f"'{name}' should be positive: {_component(index)} has {variances[index]:.6g}")
    return spread, None


def check_constraint(mixture: MixtureParameters) -> None:
    """Reject covariances that violate the model's constraint by more than rounding explains.

    Raises
    ------
    ValueError
        If there are such covariances.
    """
    covariances, weights, model = mixture.covariances, mixture.weights, mixture.model
    if not (model.constraint and model.stores_dense):  # stored factors need only ψ > 0
        return
    if model.n_parameters(*mixture.means.shape) == stored_as(FULL).n_parameters(*mixture.means.shape):
        return  # at the Ledermann bound and above it, factors have any covariance
    try:
        nearest = model.nearest(covariances, np.maximum(weights, _LEAST_SHARE))
    except SingularMatrixError:  # they are definite, so there is a nearest one: it is lost to rounding
        return
    off, largest = np.abs(covariances - nearest), np.abs(covariances).max()
    if off.max() <= _CONSTRAINED * largest:
        return
    with np.errstate(over="ignore"):  # the largest condition number, up to a factor d²
        condition = float((mixture.column_variances.max(axis=1) * mixture.column_precisions.max(axis=1)).max())
    index = first_index(off == off.max())
    if off.max() > _ROUNDING * condition * largest and index is not None:
        raise ValueError(
            f"the covariances do not satisfy the model {model.type_name}: {_component(index)} has "
            f"{covariances[index]:.6g}, expected {nearest[index]:.6g} as in the nearest covariances that do"
        )


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
        scale = np.sqrt(np.abs(np.diagonal(matrices, axis1=1, axis2=2)))
        transposed, tolerance = matrices.transpose(0, 2, 1), 1e-5 * (scale[:, :, None] * scale[:, None])
        if (index := first_index(np.abs(matrices - transposed) > tolerance)) is not None:
            raise ValueError(
                f"{subject} {labels[index[0]]} has {matrices[index]:.6g} at {index[1:]} and "
                f"{transposed[index]:.6g} at {index[:0:-1]}"
            )
    try:
        return FULL.whiten(matrices, matrices.shape[-1])
    except SingularMatrixError as error:
        smallest = f"smallest eigenvalue {np.linalg.eigvalsh(matrices[error.component])[0]:.6g}"
        raise ValueError(f"{subject} {labels[error.component]} is not positive-definite ({smallest})") from None


def _component(index: Sequence[int]) -> str:
    return f"component {index[0]}" + "".join(f", column {j}" for j in index[1:])


def check_statistics(statistics: SufficientStatistics, shape: tuple[int, ...], moments: Layout) -> None:
    """Check that statistics are those of a mixture of K components and d features, `shape`.

    Raises
    ------
    ValueError
        If their shape or their second moments differ, or they have no rows.
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


def check_fixed(fixed: Mapping[str, Any] | None, n_components: int, model: CovarianceModel) -> Fixed:
    """Return which parameters a fit does not change.

    Parameters
    ----------
    fixed : mapping of {"weights", "means", "covariances"} to bool or array-like of shape (n_components,), or None
    n_components : int
    model : CovarianceModel

    Raises
    ------
    ValueError
        If a name or a mask is invalid, or covariances that depend on each other are fixed in part.
    """
    if not fixed:
        return NOTHING_FIXED
    unknown = [name for name in fixed if name not in PARTS]
    if unknown:
        near = suggestion(unknown[0], PARTS)
        raise ValueError(f"fixed: expected some of {quoted(PARTS)}, got {unknown[0]!r:.40}{near}")
    table = np.zeros((len(PARTS), n_components), bool)
    for row, name in zip(table, PARTS, strict=True):
        value = fixed.get(name, False)
        mask = as_array(value, f"fixed {name}") if isinstance(value, list | tuple) else np.asarray(value)
        if np.ma.is_masked(value) or mask.dtype != bool or mask.shape not in ((), (n_components,)):
            raise ValueError(
                f"fixed: expected True, False or one of them for each of {n_components} components for {name!r}, got "
                f"{value!r:.80}"
            )
        row[:] = mask
    return check_fixed_table(table, model)


def check_fixed_table(table: NDArray[np.bool_], model: CovarianceModel) -> Fixed:
    """Return the fixed parameters of a table of masks; see `check_fixed`."""
    fixed = Fixed(table) if table.any() else NOTHING_FIXED
    if model.joint and fixed.covariances.any() and not fixed.covariances.all():
        raise ValueError(
            f"fixed: covariances of {model.type_name} depend on each other, so fix all of them or none: "
            "expected True, or the covariance_type 'full', 'diag' or 'spherical'"
        )
    return fixed


def check_fixed_start(fixed: Fixed, parts: Container[str], *, otherwise: str = "") -> None:
    """Check that fixed parameters are among the given `parts` of a start: weights, means and precisions.

    `otherwise` is an alternative for the message.

    Raises
    ------
    ValueError
        If a fixed parameter is not given.
    """
    for name in fixed.masks:
        part = "precisions" if name == "covariances" else name
        if part not in parts:
            raise ValueError(f"fixed={{{name!r}: …}}: expected {part}_init, got None{otherwise}")


def check_limits(options: Any, model: CovarianceModel, n_components: int) -> dict[str, Any]:
    """Return the limits of an estimator's options, as arguments of an `Objective`; ∞ for None.

    Raises
    ------
    CombinationError
        If the model has no exact update under the limit.
    """
    if options.max_ratio is None:
        return {"max_ratio": inf}
    if model.n_factors or (model.joint and n_components > 1):
        alias = f" ({model.name})" if model.alias else ""
        raise CombinationError(
            f"max_ratio: expected a covariance_type among {', '.join(map(repr, LIMITED))}, whose update under the "
            f"limit is exact, got {model.type_name!r}{alias}: choose one of them, or drop max_ratio"
        )
    return {"max_ratio": float(options.max_ratio)}


_SHARE = 0.05  # default of noise at the start


def check_noise(noise: Any, n_features: int, box_of_rows: Callable[[], NDArray[np.float64]]) -> Noise:
    """Return the noise by the value of a parameter.

    Parameters
    ----------
    noise : bool, float or array-like of shape (2, d)
        Whether there is any; or its share of the rows; or the corners of its box.
    n_features : int
        d.
    box_of_rows : callable
        Returns the least and the largest values of the rows, (2, d).

    Raises
    ------
    ValueError
        If the box is invalid: a wrong shape, numbers that are not finite or too large, or no volume.
    """
    share = noise
    if not isinstance(noise, bool):
        if isinstance(noise, list | tuple) or np.ndim(noise) > 0:
            return Noise(*check_box(noise, "noise", n_features), _SHARE)
        share = np.asarray(noise).item()
    if share is False:
        return NO_NOISE
    if share is not True and not 0 < as_real(share) < 1:
        raise invalid(f"expected noise to be True, False, a share between 0 and 1 or a box, got {noise!r:.80}")
    return Noise(*_with_volume(box_of_rows(), "the rows"), _SHARE if share is True else float(share))


def check_box(box: Any, name: str, n_features: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the low and the high corner, (d,), of the box by the value of a parameter."""
    return _with_volume(check_coordinates(box, name, (2, n_features)), name)


def _with_volume(box: NDArray[np.float64], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.ascontiguousarray(box)
    expected = "a box with a volume, high - low above 0 in every column"
    check_values(high > low, high - low, expected, lambda index: f"column {index[0]} of {name}")
    return low, high


TAILS = NORMAL_TAILS.name, StudentTails.name
_FIRST = 8.0  # degrees of freedom from which their estimation starts


def check_tails(tails: str, degrees_of_freedom: Any) -> Tails:
    """Return the tails by the values of two parameters.

    Parameters
    ----------
    tails : {"normal", "t"}
    degrees_of_freedom : float or "each", optional
        For "t"; None estimates one value for all components, "each" one for each.

    Raises
    ------
    ValueError
        If normal tails have degrees of freedom.
    """
    if tails != StudentTails.name:
        if degrees_of_freedom is not None:
            raise ValueError(
                f"expected no degrees_of_freedom with tails={tails!r}, got {degrees_of_freedom!r:.80}; pass tails='t' "
                "with them"
            )
        return NORMAL_TAILS
    if degrees_of_freedom is None or degrees_of_freedom == OF_EACH:
        return StudentTails(_FIRST, True, degrees_of_freedom is None)
    return StudentTails(float(degrees_of_freedom))


DIRICHLET_PROCESS, DIRICHLET = "dirichlet_process", "dirichlet_distribution"

# Beyond these, the logarithm of the density overflows.
_LARGEST_DOF, _LEAST_SHRINKAGE = 1e300, 1e-300
_FARTHEST = 1e150  # a prior's mean from the rows'
_NOISE_DOF = 18.0  # of a variance of factor models: worth 20 rows, the best of five settings of embeddings
_COLLINEAR = 1e-12  # an eigenvalue of correlations: the square of the rounding of float32 rows is less
_LEAST_RIDGE = 1e-10  # of a variance: less is lost to rounding, if other columns determine this one
_MOST_PRIOR_ROWS = 1e10  # of a variational prior: beyond, differences of log-gamma functions lose the bound


def check_prior(
    prior: NormalInverseWishart | str, model: CovarianceModel, n_components: int, *, mean: Floats, covariance: Floats
) -> ConjugatePrior:
    """Check a prior and fill in the hyperparameters that are not set.

    Parameters
    ----------
    prior : NormalInverseWishart or str
        A string stands for `NormalInverseWishart()`, with no hyperparameter set.
    model : CovarianceModel
    n_components : int
        K.
    mean : ndarray of shape (d,)
        Mean of the rows.
    covariance : ndarray of shape (d, d)
        Unbiased covariance of the rows; for diagonal and spherical models only its diagonal, of shape (d,), and for
        models of factors and noise the variances of the columns within clusters.

    Returns
    -------
    ConjugatePrior

    Raises
    ------
    ValueError
        If a hyperparameter has the wrong shape, is not finite or is out of range, or if the scale is to be estimated
        and a column is constant.
    """
    prior = NormalInverseWishart() if isinstance(prior, str) else prior
    d = len(mean)
    shrinkage = check_real(prior.shrinkage, "prior.shrinkage", "[0.0, inf)")
    if 0 < shrinkage < _LEAST_SHRINKAGE:
        raise ValueError(f"expected prior.shrinkage of 0, or of at least {_LEAST_SHRINKAGE:g}, got {shrinkage:g}")
    least, default = (d - 1, d + 2.0) if model.stores_dense else (0, _NOISE_DOF)
    dof = default if prior.dof is None else check_real(prior.dof, "prior.dof", f"({least}, {_LARGEST_DOF:g}]")
    centre = mean if prior.mean is None else _check_mean(prior.mean, "prior.mean", mean)
    if prior.scale is None:
        return ConjugatePrior(centre, shrinkage, dof, _estimated_scale(covariance, model, n_components, dof + 2))
    if np.ndim(prior.scale) == 0:
        number = check_real(prior.scale, "prior.scale", "(0.0, inf)")
        scale = np.full(d, number) if has_variances(model.layout) else number * np.eye(d)
    else:
        matrix = _check_scale(prior.scale, "prior.scale", (d, d))
        scale = np.diagonal(matrix) if has_variances(model.layout) else matrix
    return ConjugatePrior(centre, shrinkage, dof, scale)


def check_given_prior(
    prior: NormalInverseWishart | str | None, models: Iterable[CovarianceModel], centre: Floats
) -> None:
    """Check the set hyperparameters of a prior before fits of some models, for rows about `centre`, (d,).

    Raises
    ------
    TypeError, ValueError
        As `check_prior`.
    """
    if prior is None:
        return
    for model in models:
        # Instead of the rows' covariance, which later completes a prior without a scale.
        spread = np.ones(len(centre)) if has_variances(model.layout) else np.eye(len(centre))
        check_prior(prior, model, 1, mean=centre, covariance=spread)


def _check_mean(value: Any, name: str, mean: Floats) -> Floats:
    """Check the mean of a prior, given that of the rows."""
    centre = check_numbers(value, name, mean.shape)
    near = np.abs(centre / 2 - mean / 2) <= _FARTHEST / 2  # halves: their difference is finite
    expected = f"{name} within {_FARTHEST:g} of the mean of the rows, so that squares are finite"
    check_values(near, centre, expected, name)
    return centre


def _check_scale(value: Any, name: str, shape: tuple[int, ...]) -> Floats:
    """Check the scale of a prior, a matrix or variances."""
    scale = check_numbers(value, name, shape)
    if scale.ndim == 2:
        check_matrices(scale[None], name, ["the matrix"])
    else:
        check_values(scale > 0, scale, f"a positive {name}", name)
    return scale


def _estimated_scale(covariance: Floats, model: CovarianceModel, n_components: int, n_prior: float) -> Floats:
    """Fraley & Raftery (2007), section 3.2: the K components share the volume of the rows; of noise, `n_prior` rows."""
    if not model.stores_dense:
        if not covariance.any():
            raise ValueError(
                f"cannot estimate prior.scale from the rows: {n_components} clusters of them have no variance. Set "
                "prior.scale, or fit fewer components"
            )
        return n_prior * covariance
    d = len(covariance)
    variances = np.full(d, covariance.mean()) if model.layout.axis_aligned else np.diagonal(covariance)
    if not (variances > 0).all():
        column = int(np.argmin(variances))
        raise ValueError(
            f"cannot estimate prior.scale from the rows: column {column} is constant, or varies by less than 1e-154. "
            "Set prior.scale, multiply that column by a power of ten, or drop it"
        )
    if model.layout.axis_aligned:
        covariance = variances
    elif are_collinear(covariance):
        covariance = np.diag(variances)
    return covariance / n_components ** (2 / d)


def are_collinear(covariance: Floats) -> bool:
    """Return whether columns, none of them constant, follow from others up to rounding, in any units."""
    deviations = np.sqrt(np.diagonal(covariance))
    correlations = covariance / deviations[:, None] / deviations
    return bool(np.linalg.eigvalsh(correlations)[0] < _COLLINEAR)


def check_has_posterior(model: CovarianceModel, name: str) -> None:
    """Check that the Wishart prior is conjugate to a covariance model; `name` is the estimator's.

    Raises
    ------
    InvalidParameterError
        If it is not.
    """
    if model.alias not in CLASSIC:
        raise invalid(
            f"{name} has no posterior for covariance_type={model.name!r}: a Wishart prior is conjugate to "
            f"only {', '.join(map(repr, CLASSIC))}. Choose one of these, or fit {model.name} by GaussianMixture, with "
            "prior='conjugate' for the mode of its posterior."
        )


def check_variational_prior(
    values: dict[str, Any], model: CovarianceModel, n_components: int, mean: Floats, covariance: Floats, ridge: float
) -> VariationalPrior:
    """Check the prior of a variational fit and fill in, as scikit-learn does, the hyperparameters that are None.

    Parameters
    ----------
    values : dict
        The parameters of `BayesianGaussianMixture` by name.
    model : CovarianceModel
    n_components : int
        K.
    mean : ndarray of shape (d,)
        Mean of the rows.
    covariance : ndarray of shape (d, d)
        Unbiased covariance of the rows; for diagonal and spherical models only its diagonal, of shape (d,).
    ridge : float
        Added to the diagonal of the covariance if a column is constant or, up to rounding, follows from others; at
        least 1e-10 of the variances.

    Raises
    ------
    ValueError
        If a hyperparameter has the wrong shape, is not finite or is out of range, or if the covariance is singular.
    """
    d = len(mean)
    concentration, precision = values["weight_concentration_prior"], values["mean_precision_prior"]
    dof, centre = values["degrees_of_freedom_prior"], values["mean_prior"]
    dof = float(d if dof is None else dof)
    for name in ("weight_concentration_prior", "mean_precision_prior", "degrees_of_freedom_prior"):
        if values[name] is not None and values[name] > _MOST_PRIOR_ROWS:
            raise ValueError(f"expected {name} of at most {_MOST_PRIOR_ROWS:g}, got {values[name]:g}")
    if not dof > d - 1:
        raise ValueError(f"The parameter 'degrees_of_freedom_prior' should be greater than {d - 1}, but got {dof:.3f}.")
    if values["covariance_prior"] is None:
        scale = _proper(covariance, model, ridge)
    else:
        shape = model.layout.shape(1, d) if model.layout.pooled else model.layout.shape(1, d)[1:]
        scale = _check_scale(values["covariance_prior"], f"{model.type_name} covariance_prior", shape)
    return VariationalPrior(
        mean if centre is None else _check_mean(centre, "mean_prior", mean),
        1.0 if precision is None else float(precision),
        dof,
        scale,
        1 / n_components if concentration is None else float(concentration),
        values["weight_concentration_prior_type"] == DIRICHLET_PROCESS,
    )


def _proper(covariance: Floats, model: CovarianceModel, ridge: float) -> Floats:
    """Return the covariance of the rows as the scale of a prior, which must not be singular."""
    if model.layout is SPHERICAL:
        covariance = covariance.mean()
    variances = np.diagonal(covariance) if covariance.ndim == 2 else covariance
    if (variances > 0).all() and not (covariance.ndim == 2 and are_collinear(covariance)):
        return covariance
    if ridge == 0:
        raise ValueError(
            "cannot estimate covariance_prior from the rows: their covariance is singular. Set covariance_prior, raise "
            "reg_covar, or drop columns that are constant or follow from others"
        )
    added = np.maximum(ridge, _LEAST_RIDGE * variances)
    return covariance + (np.diag(added) if covariance.ndim == 2 else added)
