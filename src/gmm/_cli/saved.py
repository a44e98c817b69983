"""Saved mixtures, as the commands that use one open them."""

from __future__ import annotations

import os
from zipfile import is_zipfile

from gmm._cli.failures import CommandError, UsageError
from gmm._estimators.bayesian import BayesianGaussianMixture
from gmm._estimators.mixture import GaussianMixture
from gmm._loading import load
from gmm._selection import MixtureClassifier

__all__ = ["load_mixture", "load_model"]


def load_mixture(path: str, table: str | None = None) -> GaussianMixture | BayesianGaussianMixture:
    """Load a mixture of either kind; `table` is the file that is named behind it.

    Raises
    ------
    CommandError
        If the file holds something else.
    UsageError
        If the two files are in the wrong order.
    ValueError
        As `load`.
    """
    model = load_model(path, table)
    if isinstance(model, MixtureClassifier):
        raise CommandError(f"{path} holds a classifier: gmm predict and gmm info take it")
    return model


def load_model(path: str, table: str | None = None) -> GaussianMixture | BayesianGaussianMixture | MixtureClassifier:
    """Load a mixture of either kind, or a classifier; `table` is the file that is named behind it.

    Raises
    ------
    CommandError, UsageError, ValueError
        As `load_mixture`.
    """
    if os.path.isdir(path):
        inside = os.path.join(path, "model.gmm")
        raise CommandError(f"{path} is a folder: expected a saved model" + f", {inside}" * os.path.exists(inside))
    if table is not None and not is_zipfile(path) and os.path.isfile(path) and is_zipfile(table):
        raise UsageError(f"{path} is no saved model, but {table} may be one: expected the model first, then the table")
    model = load(path)
    if not isinstance(model, GaussianMixture | BayesianGaussianMixture | MixtureClassifier):
        raise CommandError(f"{path} holds a {type(model).__name__}, expected a mixture")
    return model
