"""`ParameterAttributes`: the parameters of a mixture as scikit-learn's attributes, which may be assigned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._kernel.mstep import QuasiNewtonState
from gmm.estimators.contract import Estimator, as_public_array, record_features
from gmm.validation.given import check_array, check_parameters_given, check_precisions_init
from gmm.validation.parameters import check_is_fitted
from gmm.values.covariance import CovarianceModel, covariance_model
from gmm.values.layouts import Array
from gmm.values.parameters import MixtureParameters

__all__ = ["ParameterAttributes", "fitted_parameters", "without_noise"]

_PARTS = ("weights", "means", "covariances")


class ParameterAttributes(Estimator):
    """Base class of estimators whose attributes are those of one mixture."""

    n_components: int
    covariance_type: str

    _parameters: MixtureParameters | None = None
    _dtype: np.dtype[Any] = np.dtype(np.float64)
    _bounds_before: tuple[float, ...] = ()
    _ascent: QuasiNewtonState | None = None
    _weight_seen: float = 0.0  # of the rows of the fit

    @property
    def weights_(self) -> NDArray[Any]:
        """Weights π_k, (K,)."""
        return self._public(fitted_parameters(self).weights)

    @weights_.setter
    def weights_(self, values: ArrayLike) -> None:
        self._assign(weights=values)

    @property
    def means_(self) -> NDArray[Any]:
        """Means μ_k, (K, d)."""
        return self._public(fitted_parameters(self).means)

    @means_.setter
    def means_(self, values: ArrayLike) -> None:
        self._assign(means=values)

    @property
    def covariances_(self) -> NDArray[Any]:
        """Covariances Σ_k, in the shape of the covariance type."""
        return self._public(fitted_parameters(self).covariances)

    @covariances_.setter
    def covariances_(self, values: ArrayLike) -> None:
        self._assign(covariances=values)

    @property
    def precisions_(self) -> NDArray[Any]:
        """Inverses of the covariances, in the same shape."""
        parameters = fitted_parameters(self)
        return self._public(parameters.model.layout.gram(parameters.whiteners))

    @precisions_.setter
    def precisions_(self, values: ArrayLike) -> None:
        model = self._model()
        K, d = self._shape_for(values)
        precisions = check_precisions_init(values, K, d, model)
        self._assign(covariances=model.layout.inverse(precisions, d))

    @property
    def precisions_cholesky_(self) -> NDArray[Any]:
        """Upper triangular factors of the precisions, or 1/σ, in the same shape."""
        parameters = fitted_parameters(self)
        return self._public(parameters.model.layout.transposed(parameters.whiteners))

    @precisions_cholesky_.setter
    def precisions_cholesky_(self, values: ArrayLike) -> None:
        layout = self._model().layout
        factors = check_array(values, "precisions_cholesky_", layout.shape(*self._shape_for(values))).astype(np.float64)
        self.precisions_ = layout.gram(layout.transposed(factors))

    @property
    def n_parameters_(self) -> int:
        """Number of free parameters."""
        return fitted_parameters(self).n_parameters

    @property
    def noise_weight_(self) -> float:
        """Weight of the noise, which the components leave; 0 without."""
        return fitted_parameters(self).noise_weight

    def __sklearn_is_fitted__(self) -> bool:
        return self._parameters is not None

    def _model(self) -> CovarianceModel:
        return covariance_model(self.covariance_type) if self._parameters is None else self._parameters.model

    def _shape_for(self, values: ArrayLike) -> tuple[int, int]:
        """K and d of the mixture or, before a fit, those that such covariances imply."""
        if self._parameters is not None:
            return self._parameters.n_components, self._parameters.n_features
        shape = np.shape(values)
        return self.n_components, shape[-1] if len(shape) > 1 else 1

    def _public(self, values: Array) -> NDArray[Any]:
        return as_public_array(values, self._dtype)

    def _assign(self, **given: ArrayLike) -> None:
        """Set parameters by hand; an unfitted estimator counts as fitted once it has all three."""
        model = self._model()
        if self._parameters is not None:
            without_noise(self, "assigning parameters")
        parts = dict(vars(self).get("_assigned", {}))
        if self._parameters is not None:
            parts = {name: getattr(self._parameters, name) for name in _PARTS}
        parts |= given
        if len(parts) < len(_PARTS):
            self._assigned = parts
            return
        checked = check_parameters_given(**parts, model=model)
        d = checked[1].shape[1] if self._parameters is None else self._parameters.n_features
        expected = (self.n_components if self._parameters is None else self._parameters.n_components, d)
        if checked[1].shape != expected:
            raise ValueError(f"expected means of shape {expected}, as the mixture has, got {checked[1].shape}")
        self._parameters = MixtureParameters(*checked, model)
        self._bounds_before, self._ascent, self._weight_seen = (), None, 0.0
        # The record of the fit does not describe these parameters.
        for name in ("history_", "histories_", "converged_", "n_iter_", "lower_bound_", "lower_bounds_"):
            vars(self).pop(name, None)
        if "n_features_in_" not in vars(self):
            record_features(self, self._parameters.n_features, None)


def fitted_parameters(mixture: ParameterAttributes) -> MixtureParameters:
    """Return the parameters of a fitted mixture.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    """
    check_is_fitted(mixture)
    assert mixture._parameters is not None  # this is what was checked
    return mixture._parameters


def without_noise(mixture: ParameterAttributes, method: str) -> MixtureParameters:
    """Return the parameters of a fitted mixture, for a method that knows no noise.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    ValueError
        If it was fitted with noise.
    """
    parameters = fitted_parameters(mixture)
    if parameters.noise is not None:
        raise ValueError(f"{method} knows components alone: expected a mixture fitted with noise=False")
    return parameters
