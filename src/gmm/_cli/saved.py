"""Saved mixtures, as the commands that use one open them."""

from __future__ import annotations

import os

from gmm._cli.failures import CommandError
from gmm._estimators.bayesian import BayesianGaussianMixture
from gmm._estimators.mixture import GaussianMixture
from gmm._loading import load
from gmm._selection import MixtureClassifier

__all__ = ["load_mixture", "load_model"]


def load_mixture(path: str) -> GaussianMixture | BayesianGaussianMixture:
    """Load a mixture of either kind.

    Raises
    ------
    CommandError
        If the file holds something else.
    ValueError
        As `load`.
    """
    model = load_model(path)
    if isinstance(model, MixtureClassifier):
        raise CommandError(f"{path} holds a classifier: gmm predict and gmm info take it")
    return model


def load_model(path: str) -> GaussianMixture | BayesianGaussianMixture | MixtureClassifier:
    """Load a mixture of either kind, or a classifier.

    Raises
    ------
    CommandError, ValueError
        As `load_mixture`.
    """
    if os.path.isdir(path):
        inside = os.path.join(path, "model.gmm")
        raise CommandError(f"{path} is a folder: expected a saved model" + f", {inside}" * os.path.exists(inside))
    model = load(path)
    if not isinstance(model, GaussianMixture | BayesianGaussianMixture | MixtureClassifier):
        raise CommandError(f"{path} holds a {type(model).__name__}, expected a mixture")
    return model
