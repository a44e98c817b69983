"""Priors: what the caller gave, and what the rows say of the rest."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from gmm._validation.given import Floats, check_matrices, given_array
from gmm.covariance import CovarianceModel
from gmm.priors import ConjugatePrior, NormalInverseWishart


def check_prior(
    prior: NormalInverseWishart | str, model: CovarianceModel, n_components: int, *, mean: Floats, covariance: Floats
) -> ConjugatePrior:
    """Return the prior with all its parts.

    Parameters
    ----------
    prior : NormalInverseWishart or str
        A name stands for the parts that the rows say.
    model : CovarianceModel
    n_components : int
        K.
    mean : array of shape (d,)
    covariance : array of shape (d, d)
        Of the rows, unbiased; of diagonal and spherical models its diagonal alone, (d,).

    Raises
    ------
    ValueError
        For parts of another shape, that are not finite or out of range, and for rows without variance where they are
        to tell the scale.
    """
    given = NormalInverseWishart() if isinstance(prior, str) else prior
    d = len(mean)
    shrinkage = _number(given.shrinkage, "shrinkage")
    if shrinkage < 0:
        raise ValueError(f"expected a prior's shrinkage from 0 upwards, got {shrinkage:g}")
    dof = d + 2.0 if given.dof is None else _number(given.dof, "dof")
    if not dof > d - 1:
        raise ValueError(f"expected a prior's dof above d − 1 = {d - 1}, got {dof:g}")
    centre = mean if given.mean is None else given_array(given.mean, "prior.mean", (d,)).astype(np.float64)
    if given.scale is None:
        scale = _scale_of_rows(covariance, model, n_components)
    else:
        scale = _scale_given(given.scale, model, d)
    return ConjugatePrior(centre, shrinkage, dof, scale)


def _scale_given(scale: Any, model: CovarianceModel, d: int) -> Floats:
    if np.ndim(scale) == 0:
        number = _number(scale, "scale")
        if not number > 0:
            raise ValueError(f"expected a prior.scale above 0, got {number:g}")
        return np.full(d, number) if model.layout.axis_aligned else number * np.eye(d)
    matrix = given_array(scale, "prior.scale", (d, d)).astype(np.float64)
    check_matrices(matrix[None], "prior.scale", ["it"])
    return np.diagonal(matrix) if model.layout.axis_aligned else matrix


def _number(value: Any, name: str) -> float:
    if not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ValueError(f"expected a finite number for a prior's {name}, got {value!r}")
    return float(value)


def _scale_of_rows(covariance: Floats, model: CovarianceModel, n_components: int) -> Floats:
    """Fraley & Raftery (2007), section 3.2: K components share the rows' volume."""
    d = len(covariance)
    variances = np.full(d, covariance.mean()) if model.layout.axis_aligned else np.diagonal(covariance)
    if not (variances > 0).all():
        column = int(np.argmin(variances))
        raise ValueError(f"column {column} does not vary, so the rows tell no scale of a prior: give it one")
    if model.layout.axis_aligned:
        covariance = variances
    elif np.linalg.eigvalsh(covariance)[0] <= 0:
        covariance = np.diag(variances)
    return covariance / n_components ** (2 / d)
