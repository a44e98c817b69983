"""Parameters of fitted mixtures for features that exclude some of them."""

from __future__ import annotations

from gmm._estimators.fitted import FittedMixture, fitted_parameters
from gmm._validation.combinations import refusal
from gmm._values.contamination import ContaminatedTails
from gmm._values.parameters import MixtureParameters

__all__ = ["checked_conditional", "checked_normal", "checked_without_noise"]


def checked_without_noise(mixture: FittedMixture, feature: str) -> MixtureParameters:
    """Return the parameters of a fitted mixture, for a feature that excludes noise.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    ValueError
        If it was fitted with noise.
    """
    parameters = fitted_parameters(mixture)
    if parameters.noise:
        raise refusal("noise", feature)
    return parameters


def checked_normal(mixture: FittedMixture, feature: str) -> MixtureParameters:
    """Return the parameters of a fitted mixture, for a feature that excludes heavy tails.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    ValueError
        If its components are not normal.
    """
    parameters = fitted_parameters(mixture)
    if parameters.tails:
        raise refusal("heavy tails", feature)
    return parameters


def checked_conditional(mixture: FittedMixture, feature: str) -> MixtureParameters:
    """Return the parameters of a fitted mixture, for a feature that excludes contaminated components.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    ValueError
        If its components are contaminated.
    """
    parameters = fitted_parameters(mixture)
    if parameters.tails.name == ContaminatedTails.name:
        raise refusal("tails='contaminated'", feature)
    return parameters
