"""Fitted mixtures to and from scikit-learn's estimators."""

from __future__ import annotations

from copy import copy, deepcopy
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.attributes import checked_for, set_mixture
from gmm._estimators.bayesian import BayesianGaussianMixture
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.saved import from_state
from gmm._exceptions import NotFittedError, raisable
from gmm._persistence import build_object
from gmm._values.covariance import stored_as
from gmm._values.parameters import PARTS
from gmm._versions import imported

__all__ = ["from_sklearn", "to_sklearn"]

_MIXTURE_ATTRIBUTES = ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_")
_PRIORS = ("mean_precision_prior", "mean_prior", "degrees_of_freedom_prior", "covariance_prior")
_POSTERIOR_ATTRIBUTES = (
    "weight_concentration_",
    "mean_precision_",
    "degrees_of_freedom_",
    "weight_concentration_prior_",
    *(f"{name}_" for name in _PRIORS),
)
_FIT_ATTRIBUTES = ("converged_", "n_iter_", "lower_bound_", "lower_bounds_", "n_features_in_", "feature_names_in_")
_STARTS = ("kmeans", "k-means++", "random", "random_from_data")


def to_sklearn(model: GaussianMixture | BayesianGaussianMixture) -> Any:
    """Make scikit-learn's estimator of the same name, with the fitted attributes of a mixture.

    Parameters and fitted attributes are the same, in float64, with these exceptions: a constrained covariance model
    becomes the covariance type that stores it, so that `bic` and `aic` there count its parameters; a start that
    scikit-learn does not have becomes its default, and a numpy Generator as `random_state` becomes None; parameters
    that it does not have, such as `prior`, are dropped.

    Parameters
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        A fitted mixture.

    Returns
    -------
    sklearn.mixture.GaussianMixture or sklearn.mixture.BayesianGaussianMixture
        The estimator, which does not need this package.

    Examples
    --------
    >>> from gmm import GaussianMixture
    >>> from gmm.exchange.sklearn import to_sklearn
    >>> mixture = GaussianMixture.from_parameters([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]])
    >>> to_sklearn(mixture).predict([[-3.0], [2.0]])
    array([0, 1])
    """
    parameters = checked_for(model, "scikit-learn's estimators")
    mixture: Any = copy(model)
    set_mixture(mixture, parameters, vars(model).get("feature_names_in_"), np.dtype(np.float64))
    estimator = getattr(imported("sklearn.mixture", "sklearn"), type(mixture).__name__)()
    theirs = {name: getattr(mixture, name) for name in estimator.get_params()}
    theirs["covariance_type"] = stored_as(parameters.model.dense.layout).alias
    if not isinstance(theirs["init_params"], str) or theirs["init_params"] not in _STARTS:
        del theirs["init_params"]
    if isinstance(theirs["random_state"], np.random.Generator):
        del theirs["random_state"]
    estimator.set_params(**theirs)
    posterior = _POSTERIOR_ATTRIBUTES if hasattr(mixture, "mean_precision_") else ()
    for name in (*_MIXTURE_ATTRIBUTES, *posterior, *_FIT_ATTRIBUTES):
        if hasattr(mixture, name):
            setattr(estimator, name, deepcopy(getattr(mixture, name)))  # with writable arrays
    return estimator


def from_sklearn(estimator: Any) -> GaussianMixture | BayesianGaussianMixture:
    """Make a fitted mixture from scikit-learn's estimator of the same name.

    Parameters
    ----------
    estimator : sklearn.mixture.GaussianMixture or sklearn.mixture.BayesianGaussianMixture
        A fitted estimator. Its parameters and fitted attributes are copied; ``lower_bound_`` belongs to the parameters
        before the last update and, for a posterior, lacks constants.

    Returns
    -------
    GaussianMixture or BayesianGaussianMixture

    Raises
    ------
    TypeError
        If it is of another class.
    ValueError
        If it is not fitted (`NotFittedError`), or its attributes are not a valid mixture.
    """
    theirs = imported("sklearn.mixture", "sklearn")
    kinds: tuple[type[GaussianMixture | BayesianGaussianMixture], ...] = (GaussianMixture, BayesianGaussianMixture)
    for kind in kinds:
        if isinstance(estimator, getattr(theirs, kind.__name__)):
            header, arrays = _state(estimator, getattr(theirs, kind.__name__))
            return build_object("the estimator of scikit-learn", "mixture", partial(from_state, kind), header, arrays)
    actual, expected = type(estimator), " or ".join(kind.__name__ for kind in kinds)
    raise TypeError(
        f"expected a fitted sklearn.mixture.{expected}, got {actual.__module__}.{actual.__name__}: {estimator!r:.80}"
    )


def _state(estimator: Any, kind: type[Any]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return a fitted estimator of scikit-learn as the header and arrays of a saved mixture."""
    missing = [f"{part}_" for part in PARTS if not hasattr(estimator, f"{part}_")]
    if missing:
        raise raisable(NotFittedError)(
            f"expected a fitted sklearn.mixture.{kind.__name__}, got one without {', '.join(missing)}: call its 'fit' "
            "first"
        )
    params = estimator.get_params(deep=False)
    header: dict[str, Any] = {
        "parameters": {each: params[each] for each in kind().get_params()},
        "covariance_model": params["covariance_type"],
        "dtype": np.asarray(estimator.means_).dtype.name,
        "feature_names": list(getattr(estimator, "feature_names_in_", ())),
    }
    arrays = {part: np.asarray(getattr(estimator, f"{part}_"), dtype=np.float64) for part in PARTS}
    if hasattr(estimator, "mean_precision_"):  # a posterior also has a prior, and the shares of the rows
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
    bounds = getattr(estimator, "lower_bounds_", None)
    if bounds is not None and len(bounds) == estimator.n_iter_:  # older versions did not record them
        header |= {"reason": "fitted by scikit-learn", "converged": bool(estimator.converged_), "start": 0}
        header["lower_bound"] = float(np.squeeze(estimator.lower_bound_))  # (1,) for a posterior with "tied"
        arrays |= {"lower_bounds": np.ravel(bounds).astype(np.float64), "seconds": np.full(len(bounds), np.nan)}
    return header, arrays
