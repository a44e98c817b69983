"""What mixtures of factor analysers have beside other mixtures: loadings, noise, and the factors of rows."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import MethodType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.contract import as_dtype
from gmm._estimators.fitted import FittedMixture, fitted_parameters, source_of
from gmm._estimators.scorer import Scorer
from gmm._text.frames import frame_of
from gmm._validation.scalars import check_choice
from gmm._values.covariance import OF_FACTORS, FactorModel, Factors, names_factors

_CONTAINERS = "default", "pandas", "polars"
_OUTPUT = "_sklearn_output_config"  # scikit-learn's name, which its `clone` copies
_Mixture = TypeVar("_Mixture", bound=FittedMixture)


class OfFactors:
    """Descriptor of a method that only mixtures with factors have, as scikit-learn's ``available_if`` makes them."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.__doc__ = function, function.__doc__

    def __get__(self, instance: FittedMixture | None, owner: type[FittedMixture]) -> Callable[..., Any]:
        if instance is None:
            return self.function
        _check_has_factors(instance, self.function.__name__)
        return MethodType(self.function, instance)


def transform(self: FittedMixture, X: ArrayLike) -> NDArray[Any]:
    """Compute the expected factors of each row, weighted by the responsibilities; *beyond*.

    With "factor" or "ppca", component k draws a row as x = μ_k + Λ_k u + ε from q factors u ~ N(0, I) and noise
    ε ~ N(0, Ψ_k). The factors that are expected of a row are Σ_k r_ik Λ_kᵀ Σ_k⁻¹ (x_i − μ_k). Each component has
    factors of its own, so compare rows of one component. Where values are missing (``missing="em"``), x_i, μ_k, Σ_k and
    Λ_k are those of the others. With other covariance types there is no such method.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d)

    Returns
    -------
    ndarray of shape (n, q)
        float32 for float32 rows, else float64; a data frame if `set_output` or scikit-learn's configuration says so.

    Examples
    --------
    >>> from gmm import GaussianMixture
    >>> mixture = GaussianMixture.from_parameters([1.0], [[0, 0]], [[[2.0, 1.0], [1.0, 2.0]]], covariance_type="ppca1")
    >>> mixture.transform([[3.0, 3.0], [1.0, 0.0]]).round(2)
    array([[2.  ],
           [0.33]])
    """
    source = source_of(self, X)
    mixture, loadings = fitted_parameters(self), factors_of(self, "transform").loadings
    responsibilities = Scorer(mixture, self.n_threads).responsibilities(source)
    factors, maps = np.zeros((source.n_rows, loadings.shape[2])), dict[int, NDArray[Any]]()
    for number, here, part in source.pieces():
        there = source.patterns[number].observed
        if number not in maps:
            of_columns = mixture.model.layout.for_columns(mixture.covariances, there)
            slopes = np.linalg.solve(of_columns, loadings[:, there])
            maps[number] = np.ascontiguousarray(slopes.swapaxes(1, 2))
        for share, mean, map_ in zip(responsibilities[here].T, mixture.means[:, there], maps[number], strict=True):
            apart = np.subtract(part.rows, mean, order="C")  # a sum in one order; BLAS has one for each number of rows
            factors[here] += share[:, None] * np.einsum("ij,kj->ik", apart, map_)
    factors = as_dtype(factors, source.dtype)
    common = sys.modules["sklearn"].get_config()["transform_output"] if "sklearn" in sys.modules else "default"
    container = vars(self).get(_OUTPUT, {}).get("transform", common)
    if container == "default":
        return factors
    framed: Any = frame_of(
        container, factors, get_feature_names_out(self).tolist(), X
    )  # of pandas, with the index of X
    return framed


def fit_transform(self: FittedMixture, X: ArrayLike, y: object = None, **how: Any) -> NDArray[Any]:
    """Return ``fit(X, …).transform(X)`` for the same arguments, the factors of each row; *beyond*."""
    estimator: Any = self  # whose `fit` may be a subclass's
    factors: NDArray[Any] = estimator.fit(X, y, **how).transform(X)
    return factors


def get_feature_names_out(self: FittedMixture, input_features: object = None) -> NDArray[np.object_]:
    """Return the names of what `transform` returns: factor0, factor1, …; *beyond*."""
    n_factors = fitted_parameters(self).model.n_factors
    return np.array([f"factor{j}" for j in range(n_factors)], dtype=object)


def set_output(self: _Mixture, *, transform: str | None = None) -> _Mixture:
    """Choose what `transform` returns, as scikit-learn's transformers do; *beyond*.

    Parameters
    ----------
    transform : {"default", "pandas", "polars"} or None, default=None
        An array, or a data frame of one of these packages; None leaves it as it is.

    Returns
    -------
    GaussianMixture
        The estimator itself.
    """
    if transform is not None:
        vars(self)[_OUTPUT] = {"transform": check_choice(transform, "transform", _CONTAINERS)}
    return self


def factors_of(mixture: FittedMixture, name: str) -> Factors:
    """Return the loadings and the noise of a fitted mixture, for an attribute or a method of this name.

    Raises
    ------
    AttributeError
        If its covariances have no factors, or it is not fitted.
    """
    _check_has_factors(mixture, name)
    parameters = fitted_parameters(mixture)
    assert isinstance(parameters.model, FactorModel)  # this is what was checked
    return parameters.model.factors(parameters.covariances, mixture.reg_covar)


def _check_has_factors(mixture: FittedMixture, name: str) -> None:
    requested = mixture.covariance_type
    if mixture.__sklearn_is_fitted__():
        requested = fitted_parameters(mixture).model.name
    if requested not in OF_FACTORS and not names_factors(requested):
        raise AttributeError(
            f"{type(mixture).__name__} has {name} only with covariance_type {' or '.join(map(repr, OF_FACTORS))}"
        )
