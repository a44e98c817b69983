"""Fitted mixtures as scikit-learn's estimators, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm.exceptions import NotFittedError, raisable
from gmm.values.covariance import CovarianceModel, stored_as
from gmm.values.fixed import PARTS
from gmm.versions import imported

__all__ = ["as_sklearn", "state_of_sklearn"]

_OF_MIXTURE = ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_")
_PRIORS = ("mean_precision_prior", "mean_prior", "degrees_of_freedom_prior", "covariance_prior")
_OF_POSTERIOR = (
    "weight_concentration_",
    "mean_precision_",
    "degrees_of_freedom_",
    "weight_concentration_prior_",
    *(f"{name}_" for name in _PRIORS),
)
_OF_FIT = ("converged_", "n_iter_", "lower_bound_", "lower_bounds_", "n_features_in_", "feature_names_in_")
_STARTS = ("kmeans", "k-means++", "random", "random_from_data")


def as_sklearn(mixture: Any, model: CovarianceModel) -> Any:
    """Make scikit-learn's estimator of the same class name, parameters and fitted attributes.

    Parameters
    ----------
    mixture : estimator
        Fitted; its attributes are named as scikit-learn's.
    model : CovarianceModel
        Of its covariances.

    Returns
    -------
    sklearn.mixture.GaussianMixture or sklearn.mixture.BayesianGaussianMixture
    """
    estimator = getattr(imported("sklearn.mixture", "sklearn"), type(mixture).__name__)()
    theirs = {name: getattr(mixture, name) for name in estimator.get_params()}
    theirs["covariance_type"] = stored_as(model.layout).alias
    if not isinstance(theirs["init_params"], str) or theirs["init_params"] not in _STARTS:
        del theirs["init_params"]
    if isinstance(theirs["random_state"], np.random.Generator):
        del theirs["random_state"]
    estimator.set_params(**theirs)
    for name in (*_OF_MIXTURE, *_OF_POSTERIOR, *_OF_FIT):
        if hasattr(mixture, name):
            setattr(estimator, name, _writable(getattr(mixture, name)))
    return estimator


def state_of_sklearn(estimator: Any, name: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return a fitted estimator of scikit-learn's as the header and arrays of a saved mixture.

    Parameters
    ----------
    estimator : sklearn.mixture.GaussianMixture or sklearn.mixture.BayesianGaussianMixture
    name : str
        Name of the class that is expected.

    Raises
    ------
    TypeError
        If it is not of that class.
    NotFittedError
        If it is not fitted.
    """
    kind = getattr(imported("sklearn.mixture", "sklearn"), name)
    if not isinstance(estimator, kind):
        own = type(estimator)
        raise TypeError(
            f"expected a fitted sklearn.mixture.{name}, got {own.__module__}.{own.__name__}: {estimator!r:.80}"
        )
    missing = [f"{part}_" for part in PARTS if not hasattr(estimator, f"{part}_")]
    if missing:
        raise raisable(NotFittedError)(
            f"expected a fitted sklearn.mixture.{name}, got one without {', '.join(missing)}: call its 'fit' first"
        )
    params = estimator.get_params(deep=False)
    header: dict[str, Any] = {
        "parameters": {each: params[each] for each in kind().get_params()},
        "covariance_model": params["covariance_type"],
        "dtype": np.asarray(estimator.means_).dtype.name,
        "feature_names": list(getattr(estimator, "feature_names_in_", ())),
    }
    arrays = {part: np.asarray(getattr(estimator, f"{part}_"), dtype=np.float64) for part in PARTS}
    if hasattr(estimator, "mean_precision_"):
        _add_posterior(estimator, header, arrays)
    bounds = getattr(estimator, "lower_bounds_", None)
    if bounds is not None and len(bounds) == estimator.n_iter_:  # older versions did not record them
        header |= {"reason": "fitted by scikit-learn", "converged": bool(estimator.converged_), "start": 0}
        header["lower_bound"] = float(np.squeeze(estimator.lower_bound_))  # (1,) for a posterior with "tied"
        arrays |= {"lower_bounds": np.ravel(bounds).astype(np.float64), "seconds": np.zeros(len(bounds))}
    return header, arrays


def _add_posterior(estimator: Any, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Add what a posterior has beside its mixture: its prior, and the shares of the rows."""
    prior = {name: np.asarray(getattr(estimator, f"{name}_"), dtype=np.float64) for name in _PRIORS}
    precisions = np.asarray(estimator.mean_precision_, dtype=np.float64)
    counts = np.maximum(precisions - prior["mean_precision_prior"], 0.0)
    header["posterior"] = {
        "weight_concentration_prior_type": estimator.weight_concentration_prior_type,
        "weight_concentration_prior": float(estimator.weight_concentration_prior_),
        "mean_precision_prior": float(prior["mean_precision_prior"]),
        "degrees_of_freedom_prior": float(prior["degrees_of_freedom_prior"]),
        "weight": float(counts.sum()),
    }
    arrays |= {name: prior[name] for name in ("mean_prior", "covariance_prior")}
    arrays["shares"] = counts / counts.sum()


def _writable(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_writable, value))
    return value.copy() if isinstance(value, np.ndarray) else value
