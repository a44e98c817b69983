"""Validation of priors; hyperparameters that are not set are estimated from the rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from gmm._exceptions import InvalidParameterError, raisable
from gmm._validation.given import Floats, check_array, check_matrices
from gmm._validation.scalars import as_real
from gmm._values.covariance import CLASSIC, CovarianceModel
from gmm._values.layouts import SPHERICAL
from gmm._values.priors import ConjugatePrior, NormalInverseWishart, of_variances
from gmm._values.variational import VariationalPrior

DIRICHLET_PROCESS, DIRICHLET = "dirichlet_process", "dirichlet_distribution"
OF_POSTERIOR = (  # parameters of `BayesianGaussianMixture`
    "weight_concentration_prior_type",
    "weight_concentration_prior",
    "mean_precision_prior",
    "mean_prior",
    "degrees_of_freedom_prior",
    "covariance_prior",
)

# Beyond these, the logarithm of the density overflows.
_LARGEST_DOF, _LEAST_SHRINKAGE = 1e300, 1e-300
_FARTHEST = 1e150  # a prior's mean from the rows'
_NOISE_DOF = 18.0  # of a variance beside factors: worth 20 rows, the best of five settings of embeddings
_COLLINEAR = 1e-12  # an eigenvalue of correlations: the square of the rounding of float32 rows is less
_LEAST_RIDGE = 1e-10  # of a variance: less is lost to rounding, if other columns tell this one
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
        noise beside factors the variances of the columns within clusters.

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
    shrinkage = _number(prior.shrinkage, "shrinkage")
    if shrinkage < 0:
        raise ValueError(f"expected prior.shrinkage of at least 0, got {shrinkage:g}")
    if 0 < shrinkage < _LEAST_SHRINKAGE:
        raise ValueError(f"expected prior.shrinkage of 0, or of at least {_LEAST_SHRINKAGE:g}, got {shrinkage:g}")
    of_noise = not model.stored_whole
    least, default = (0, _NOISE_DOF) if of_noise else (d - 1, d + 2.0)
    dof = default if prior.dof is None else _number(prior.dof, "dof")
    if not dof > least:
        raise ValueError(f"expected prior.dof above {'0' if of_noise else f'd − 1 = {d - 1}'}, got {dof:g}")
    if dof > _LARGEST_DOF:
        raise ValueError(f"expected prior.dof of at most {_LARGEST_DOF:g}, got {dof:g}")
    centre = mean if prior.mean is None else _check_mean(prior.mean, "prior.mean", mean)
    if prior.scale is None:
        scale = _estimated_scale(covariance, model, n_components, dof + 2)
    else:
        scale = _check_scale(prior.scale, model, d)
    return ConjugatePrior(centre, shrinkage, dof, scale)


def check_given_prior(
    prior: NormalInverseWishart | str | None, models: Iterable[CovarianceModel], centre: Floats
) -> None:
    """Check what a prior sets, before there are fits of some models, for rows about `centre`, (d,).

    Raises
    ------
    TypeError, ValueError
        As `check_prior`.
    """
    if prior is None:
        return
    for model in {(of_variances(model.layout), model.stored_whole): model for model in models}.values():
        # In the place of the rows' covariance, which a prior without a scale is completed by later.
        spread = np.ones(len(centre)) if of_variances(model.layout) else np.eye(len(centre))
        check_prior(prior, model, 1, mean=centre, covariance=spread)


def _check_scale(scale: Any, model: CovarianceModel, d: int) -> Floats:
    if np.ndim(scale) == 0:
        number = _number(scale, "scale")
        if not number > 0:
            raise ValueError(f"expected prior.scale above 0, got {number:g}")
        return np.full(d, number) if of_variances(model.layout) else number * np.eye(d)
    matrix = check_array(scale, "prior.scale", (d, d)).astype(np.float64)
    check_matrices(matrix[None], "prior.scale", ["the matrix"])
    return np.diagonal(matrix) if of_variances(model.layout) else matrix


def _check_mean(value: Any, name: str, mean: Floats) -> Floats:
    """Check the mean of a prior, given that of the rows."""
    centre = check_array(value, name, mean.shape).astype(np.float64)
    far = np.abs(centre / 2 - mean / 2) > _FARTHEST / 2  # halves: their difference is finite
    if far.any():
        j = int(far.argmax())
        raise ValueError(
            f"expected {name} within {_FARTHEST:g} of the mean of the rows, so that squares are finite, got "
            f"{centre[j]:g} for feature {j}, whose mean is {mean[j]:g}"
        )
    return centre


def _number(value: Any, name: str) -> float:
    number = as_real(value)
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number for prior.{name}, got {value!r}")
    return number


def _estimated_scale(covariance: Floats, model: CovarianceModel, n_components: int, n_prior: float) -> Floats:
    """Fraley & Raftery (2007), section 3.2: the K components share the volume of the rows; of noise, `n_prior` rows."""
    if not model.stored_whole:
        if not covariance.any():
            raise ValueError(
                f"cannot estimate prior.scale from the rows: {n_components} clusters of them have no spread. Set "
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
    """Tell whether columns, of which none is constant, follow from others but for rounding, whatever their units."""
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
        raise raisable(InvalidParameterError)(
            f"{name} has no posterior for covariance_type={model.name!r}: a Wishart prior is conjugate to "
            f"{', '.join(map(repr, CLASSIC))} alone. Choose one of these, or fit {model.name} by GaussianMixture, with "
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
        Added to the diagonal of the covariance where a column is constant or, but for rounding, follows from others; in
        large units, 1e-10 of the variances if these are more.

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
        scale = _check_covariance_prior(values["covariance_prior"], model, d)
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
            "cannot take covariance_prior from the rows: their covariance is singular. Set covariance_prior, raise "
            "reg_covar, or drop columns that are constant or follow from others"
        )
    added = np.maximum(ridge, _LEAST_RIDGE * variances)
    return covariance + (np.diag(added) if covariance.ndim == 2 else added)


def _check_covariance_prior(value: Any, model: CovarianceModel, d: int) -> Floats:
    shape = model.layout.shape(1, d)
    shape = shape if model.layout.pooled else shape[1:]
    scale = check_array(value, f"{model.type_name} covariance_prior", shape).astype(np.float64)
    if scale.ndim == 2:
        check_matrices(scale[None], f"{model.type_name} covariance_prior", ["the matrix"])
    elif not (scale > 0).all():
        raise ValueError(f"'{model.type_name} covariance_prior' should be positive, but got {value!r}")
    return scale
