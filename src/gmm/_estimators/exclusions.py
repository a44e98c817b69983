"""Parameters of fitted mixtures for features that exclude some of them."""

from __future__ import annotations

from gmm._estimators.fitted import FittedMixture, fitted_parameters
from gmm._validation.combinations import refuse
from gmm._values.parameters import MixtureParameters
from gmm._values.tails import ContaminatedTails


def checked_without(mixture: FittedMixture, feature: str, *excluded: str) -> MixtureParameters:
    """Return the parameters of a fitted mixture, for a feature that excludes others.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    CombinationError
        If it was fitted with one of the others.
    """
    parameters = fitted_parameters(mixture)
    has = {
        "noise": parameters.noise,
        "heavy tails": parameters.tails,
        "tails='contaminated'": parameters.tails.name == ContaminatedTails.name,
    }
    refuse(feature, {other: has[other] for other in excluded})
    return parameters
