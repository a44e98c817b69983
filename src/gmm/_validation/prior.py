"""Priors: what the caller gave, and what the rows say of the rest."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from gmm._validation.given import Floats, check_matrices, given_array
from gmm.covariance import CovarianceModel
from gmm.layouts import DIAGONAL, SPHERICAL
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
        Of the rows, unbiased.

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
    elif np.ndim(given.scale) == 0:
        scale = _number(given.scale, "scale") * np.eye(d)
    else:
        scale = given_array(given.scale, "prior.scale", (d, d)).astype(np.float64)
    check_matrices(scale[None], "prior.scale", ["it"])
    return ConjugatePrior(centre, shrinkage, dof, scale)


def _number(value: Any, name: str) -> float:
    if not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ValueError(f"expected a finite number for a prior's {name}, got {value!r}")
    return float(value)


def _scale_of_rows(covariance: Floats, model: CovarianceModel, n_components: int) -> Floats:
    """Fraley & Raftery (2007), section 3.2: K components share the rows' volume."""
    d = len(covariance)
    if model.layout in (DIAGONAL, SPHERICAL):
        covariance = np.trace(covariance) / d * np.eye(d)
    elif np.linalg.eigvalsh(covariance)[0] <= 0:
        covariance = np.diag(np.diagonal(covariance))
    if not (np.diagonal(covariance) > 0).all():
        column = int(np.argmin(np.diagonal(covariance)))
        raise ValueError(f"column {column} does not vary, so the rows tell no scale of a prior: give it one")
    return covariance / n_components ** (2 / d)
