"""Conversion of a variational posterior to the header and the arrays of a file, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from gmm._persistence.archive import Arrays, Header, item, positive
from gmm._persistence.values import sum_beside_noise
from gmm._validation.given import check_shares
from gmm._validation.prior import DIRICHLET, DIRICHLET_PROCESS, check_has_posterior, check_variational_prior
from gmm._values.parameters import MixtureParameters
from gmm._values.variational import MixturePosterior, VariationalPrior

_NUMBERS = ("weight_concentration_prior", "mean_precision_prior", "degrees_of_freedom_prior")
_ARRAYS = ("mean_prior", "covariance_prior")
_TYPE = "weight_concentration_prior_type"


def prior_parameters(prior: VariationalPrior) -> dict[str, Any]:
    """Return the arrays of a prior as the parameters of an estimator that had them."""
    return {"mean_prior": prior.mean, "covariance_prior": prior.scale}


def posterior_to_state(posterior: MixturePosterior) -> tuple[Header, Arrays]:
    """Convert what a posterior has beside its mixture to header entries and arrays."""
    prior = posterior.prior
    header: Header = {
        "posterior": {
            _TYPE: DIRICHLET_PROCESS if prior.sticks else DIRICHLET,
            "weight_concentration_prior": prior.concentration,
            "mean_precision_prior": prior.shrinkage,
            "degrees_of_freedom_prior": prior.dof,
            "weight": posterior.weight,
        }
    }
    return header, {"shares": posterior.shares, "mean_prior": prior.mean, "covariance_prior": np.asarray(prior.scale)}


def posterior_from_state(header: Header, arrays: Arrays, parameters: MixtureParameters) -> MixturePosterior:
    """Rebuild the posterior of which `parameters` is the mixture.

    Raises
    ------
    KeyError
        If an entry is missing.
    ValueError
        If an entry is invalid; the message names it.
    """
    saved, model, d = item(header, "posterior", dict), parameters.model, parameters.n_features
    check_has_posterior(model, "a saved posterior")
    numbers = {name: positive(saved, name) for name in (*_NUMBERS, "weight")}
    if saved[_TYPE] not in (DIRICHLET_PROCESS, DIRICHLET):
        raise ValueError(f"expected a prior of weights for {_TYPE!r} in its header, got {saved[_TYPE]!r:.60}")
    hyperparameters = numbers | {name: arrays[name] for name in _ARRAYS} | {_TYPE: saved[_TYPE]}
    shares, noise = arrays["shares"], parameters.noise
    check_shares(shares / sum_beside_noise(shares, "shares") if noise else shares, parameters.n_components, "shares")
    shares = shares.astype(np.float64)
    rows_mean = np.resize(arrays["mean_prior"], d)  # the distance from theirs was checked when they were there
    prior = check_variational_prior(hyperparameters, model, len(shares), rows_mean, np.ones(d), 0.0)
    estimate = shares, *parameters.as_estimate()[1:]
    posterior = MixturePosterior.of(estimate, parameters, prior, numbers["weight"])
    if not np.allclose(posterior.weights, parameters.weights, rtol=1e-6, atol=1e-9):
        raise ValueError("expected weights that follow from 'shares' and the prior")
    return posterior
