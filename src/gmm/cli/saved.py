"""Saved mixtures, as the commands that use one open them."""

from __future__ import annotations

from functools import partial
from typing import Any

from gmm.cli.failures import CommandError
from gmm.estimators.bayesian import BayesianGaussianMixture
from gmm.estimators.mixture import GaussianMixture
from gmm.estimators.saved import from_state
from gmm.persistence import load_object
from gmm.selection import MixtureClassifier

__all__ = ["load_mixture", "load_model"]

_MAKERS: dict[str, Any] = {
    kind.__name__: partial(from_state, kind) for kind in (GaussianMixture, BayesianGaussianMixture)
}


def load_mixture(path: str) -> GaussianMixture | BayesianGaussianMixture:
    """Load a mixture of either kind.

    Raises
    ------
    ValueError
        As `gmm.load`; also if the file holds a selection.
    CommandError
        If it holds a classifier.
    """
    model = load_model(path)
    if isinstance(model, MixtureClassifier):
        raise CommandError(f"{path} holds a classifier: gmm predict and gmm info take it")
    return model


def load_model(path: str) -> GaussianMixture | BayesianGaussianMixture | MixtureClassifier:
    """Load a mixture of either kind, or a classifier.

    Raises
    ------
    ValueError
        As `gmm.load`; also if the file holds a selection.
    """
    return load_object(path, {**_MAKERS, "MixtureClassifier": MixtureClassifier.from_state})
