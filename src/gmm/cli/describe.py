"""What a mixture and a search say of themselves: plain facts, for the screen and for JSON."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import floor, isfinite, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._estimator import names_of_features
from gmm.amounts import counted
from gmm.cli.agreement import Agreement
from gmm.covariance import covariance_model
from gmm.criteria import CRITERIA
from gmm.mixture import GaussianMixture
from gmm.selection import Selection

__all__ = [
    "MixtureFacts",
    "agreement_json",
    "cells_json",
    "crowded_sentence",
    "decimals",
    "ended",
    "finite_or_none",
    "mixture_json",
]


@dataclass(frozen=True, eq=False)
class MixtureFacts:
    """A fitted mixture in the words of its columns.

    Attributes
    ----------
    model : GaussianMixture
        The mixture.
    names : tuple of str
        Names of the d columns; ``x0``, ``x1``, ... where it has none.
    spreads : ndarray of float64, shape (K, d)
        Standard deviation per component and column.
    """

    model: GaussianMixture
    names: tuple[str, ...]
    spreads: NDArray[np.float64]

    @classmethod
    def of(cls, model: GaussianMixture) -> MixtureFacts:
        """Take the facts from a fitted mixture.

        Parameters
        ----------
        model : GaussianMixture
            The mixture.

        Returns
        -------
        MixtureFacts
            Its names and spreads.
        """
        layout = covariance_model(model.covariance_type).layout
        covariances = np.asarray(model.covariances_, dtype=np.float64)
        spreads = np.sqrt(layout.diagonal(covariances, model.means_.shape[1]))
        return cls(model, names_of_features(model), np.broadcast_to(spreads, model.means_.shape))

    @cached_property
    def strongest(self) -> list[tuple[int, int, float] | None]:
        """The strongest correlation of each component: two columns and its value."""
        layout, (K, d) = covariance_model(self.model.covariance_type).layout, self.spreads.shape
        if layout.axis_aligned:
            return [None] * K
        dense = layout.dense(np.asarray(self.model.covariances_, dtype=np.float64), K, d)
        if layout.pooled:
            return [_strongest(dense[0], self.spreads[0])] * K
        return [_strongest(*each) for each in zip(dense, self.spreads, strict=True)]


def mixture_json(model: GaussianMixture) -> dict[str, Any]:
    """Return a mixture's numbers as JSON values.

    Parameters
    ----------
    model : GaussianMixture
        The mixture.

    Returns
    -------
    dict
        Sizes, convergence, columns, weights, means, covariances (in the shape of
        ``covariances_``) and standard deviations.
    """
    facts = MixtureFacts.of(model)
    return {
        "n_components": int(model.n_components),
        "covariance_type": model.covariance_type,
        "n_parameters": int(model.n_parameters_),
        **_convergence_json(model),
        "columns": list(facts.names),
        "weights": model.weights_.tolist(),
        "means": model.means_.tolist(),
        "covariances": model.covariances_.tolist(),
        "standard_deviations": facts.spreads.tolist(),
    }


def decimals(spread: float, largest: float) -> int | None:
    """How many decimals suit values of a spread.

    Parameters
    ----------
    spread : float
        Their standard deviation.
    largest : float
        The largest of them, without its sign.

    Returns
    -------
    int or None
        None where so many are needed, or values are so large, that they are better written with an exponent.
    """
    if not (isfinite(spread) and spread > 0):
        return None
    needed = max(0, 2 - floor(log10(spread)))
    return needed if needed <= 6 and largest < 1e9 else None


def ended(model: GaussianMixture) -> str:
    """Say how the fit of a mixture ended.

    Parameters
    ----------
    model : GaussianMixture
        The mixture.

    Returns
    -------
    str
        ``converged after 12 passes`` and the like.
    """
    if not hasattr(model, "history_"):
        return "given, not fitted"
    return model.history_.ending


def crowded_sentence(n_parameters: int, total: float, rows: str) -> str:
    """Warn of a mixture that has as many parameters as there are rows, or more.

    Parameters
    ----------
    n_parameters : int
    total : float
        The number of rows, or their total weight.
    rows : str
        What is counted: ``rows``.

    Returns
    -------
    str
        Empty where there are fewer.
    """
    if n_parameters < total:
        return ""
    return (
        f"The chosen mixture has {counted(n_parameters, 'free parameter')} for {total:,.6g} {rows}: its criteria are "
        "doubtful, and AICc is infinite; fewer columns (--columns) or models of fewer parameters (--models) are safer."
    )


def cells_json(found: Selection) -> list[dict[str, Any]]:
    """Return the cells of a search as JSON values, in their order.

    Parameters
    ----------
    found : Selection
        The search.

    Returns
    -------
    list of dict
        One per cell; null where a cell failed or was not tried.
    """
    numbers = ("loglik", *CRITERIA, "seconds")
    return [
        {
            "n_components": int(found.n_components[i]),
            "covariance_type": found.covariance_type[i],
            "n_parameters": None if found.estimators[i] is None else int(found.n_parameters[i]),
            **{name: finite_or_none(getattr(found, name)[i]) for name in numbers},
            "status": found.status[i],
            "best": i == found.best_index,
        }
        for i in range(len(found.status))
    ]


def agreement_json(agreement: Agreement) -> dict[str, Any]:
    """Return a comparison with labels as JSON values.

    Parameters
    ----------
    agreement : Agreement
        The comparison.

    Returns
    -------
    dict
        Labels, counts (a row per label, a column per component), adjusted Rand index.
    """
    return {
        "labels": list(agreement.labels),
        "counts": agreement.counts.tolist(),
        "adjusted_rand_index": agreement.adjusted_rand_index,
        "n_unlabelled": agreement.n_unlabelled,
    }


def finite_or_none(value: float) -> float | None:
    """Return the number, or None where JSON has no word for it.

    Parameters
    ----------
    value : float
        Any number.

    Returns
    -------
    float or None
        None for NaN and infinities.
    """
    return float(value) if np.isfinite(value) else None


def _convergence_json(model: GaussianMixture) -> dict[str, Any]:
    if not hasattr(model, "history_"):
        return {"converged": None, "n_iter": None, "lower_bound": None}
    return {
        "converged": bool(model.converged_),
        "n_iter": int(model.n_iter_),
        "lower_bound": finite_or_none(model.lower_bound_),
    }


def _strongest(covariance: NDArray[np.float64], spreads: NDArray[np.float64]) -> tuple[int, int, float] | None:
    correlations = covariance / np.outer(spreads, spreads)
    size = np.abs(np.triu(correlations, k=1))
    if not size.any():
        return None
    i, j = np.unravel_index(int(size.argmax()), size.shape)
    return int(i), int(j), float(correlations[i, j])
