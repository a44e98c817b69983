"""Facts about mixtures and searches, for the terminal and for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._caching import cached_property
from gmm._cli.agreement import Agreement
from gmm._estimators.contract import names_of_features
from gmm._estimators.factors import factors_of
from gmm._estimators.fitted import FittedMixture, fitted_parameters, model_of, past_of
from gmm._selection import Selection
from gmm._text.amounts import counted
from gmm._values.covariance import Factors

__all__ = [
    "MixtureFacts",
    "agreement_json",
    "cells_json",
    "clusters_sentence",
    "ending",
    "finite_or_none",
    "mixture_json",
]


@dataclass(frozen=True, eq=False)
class MixtureFacts:
    """A fitted mixture with its column names and standard deviations.

    Attributes
    ----------
    model : FittedMixture
    names : tuple of str
        Names of the d columns, by default ``x0``, ``x1``, ...
    spreads : ndarray of float64, shape (K, d)
        Standard deviation per component and column.
    """

    model: FittedMixture
    names: tuple[str, ...]
    spreads: NDArray[np.float64]

    @classmethod
    def of(cls, model: FittedMixture) -> MixtureFacts:
        """Collect the facts about a fitted mixture."""
        layout = model_of(model).layout
        covariances = np.asarray(model.covariances_, dtype=np.float64)
        spreads = np.sqrt(layout.diagonal(covariances, model.means_.shape[1]))
        return cls(model, names_of_features(model), np.broadcast_to(spreads, model.means_.shape))

    @cached_property
    def overall(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Means and standard deviations of all components together, without noise, each of shape (d,)."""
        means, weights = np.asarray(self.model.means_, dtype=np.float64), np.asarray(self.model.weights_)
        centre = np.average(means, axis=0, weights=weights)
        return centre, np.sqrt(np.average(self.spreads**2 + (means - centre) ** 2, axis=0, weights=weights))

    @cached_property
    def factors(self) -> Factors | None:
        """Loadings and noise; None where the covariance model has none."""
        return factors_of(self.model, "loadings_") if model_of(self.model).n_factors else None

    @cached_property
    def strongest_correlations(self) -> list[tuple[int, int, float] | None]:
        """The strongest correlation of each component, as (column, column, value); None if it has none."""
        layout, (K, d) = model_of(self.model).layout, self.spreads.shape
        if layout.axis_aligned:
            return [None] * K
        dense = layout.dense(np.asarray(self.model.covariances_, dtype=np.float64), K, d)
        if layout.pooled:
            return [_strongest_correlation(dense[0], self.spreads[0])] * K
        return [_strongest_correlation(*each) for each in zip(dense, self.spreads, strict=True)]


def mixture_json(model: FittedMixture) -> dict[str, Any]:
    """Convert a mixture to JSON values.

    Returns
    -------
    dict
        Sizes, convergence, columns, weights, means, covariances (in the shape of ``covariances_``; None where factors
        and noise are stored, of many columns), standard deviations and, if there are factors, loadings and noise.
    """
    facts = MixtureFacts.of(model)
    parts, parameters = facts.factors, fitted_parameters(model)
    tails = parameters.tails
    of_factors = {} if parts is None else {"loadings": parts.loadings.tolist(), "noise_variances": parts.noise.tolist()}
    return {
        "n_components": int(model.n_components),
        "covariance_type": model.covariance_type,
        "n_parameters": int(model.n_parameters_),
        **_convergence_json(model),
        "columns": list(facts.names),
        "weights": model.weights_.tolist(),
        "noise_weight": model.noise_weight_,
        "tails": tails.name,
        **{name: np.asarray(values).tolist() for name, values in tails.described.items()},
        "means": model.means_.tolist(),
        "covariances": model.covariances_.tolist() if parameters.model.stored_whole else None,
        "standard_deviations": facts.spreads.tolist(),
        **of_factors,
    }


def ending(model: FittedMixture) -> str:
    """Say how the fit of a mixture ended, for example ``converged after 12 passes``."""
    if not hasattr(model, "history_"):
        return "parameters given, not fitted"
    shrunk = ", noise and means shrunk (few rows for each component)" if past_of(model).shrunk == "rows" else ""
    tails = fitted_parameters(model).tails
    heavy = f", {tails.kind} components with {tails.text}, ± their scale" if tails else ""
    return model.history_.ending + shrunk + heavy


def cells_json(search: Selection) -> list[dict[str, Any]]:
    """Convert the cells of a search to JSON values, in order; numbers of cells without a fit are null."""
    numbers = ("loglik", *search.criteria, "seconds")
    return [
        {
            "n_components": int(search.n_components[i]),
            "covariance_type": search.covariance_type[i],
            "tails": search.tails[i],
            "n_parameters": None if search.estimators[i] is None else int(search.n_parameters[i]),
            **{name: finite_or_none(getattr(search, name)[i]) for name in numbers},
            "status": search.status[i],
            "best": i == search.best_index,
        }
        for i in range(len(search.status))
    ]


def clusters_sentence(clusters: NDArray[np.intp], shown: Sequence[int], word: str) -> str:
    """Say which components may be one cluster, given the cluster of each; `word` is what a component is called."""
    members = [[k for k in shown if clusters[k] == c] for c in dict.fromkeys(clusters[list(shown)])]
    merged = ", ".join(" + ".join(map(str, each)) for each in members if len(each) > 1)
    return (
        f"Overlapping {word}s that may be one cluster: {merged}. That makes {counted(len(members), 'cluster')} of "
        f"{counted(len(shown), word)}, merged by entropy."
    )


def agreement_json(agreement: Agreement) -> dict[str, Any]:
    """Convert an agreement to JSON values; ``counts`` has a row per label and a column per component."""
    return {
        "labels": list(agreement.labels),
        "counts": agreement.counts.tolist(),
        "adjusted_rand_index": agreement.adjusted_rand_index,
        "n_unlabelled": agreement.n_unlabelled,
    }


def finite_or_none(value: float) -> float | None:
    """Return the number, or None for NaN and infinities, which JSON cannot hold."""
    return float(value) if np.isfinite(value) else None


def _convergence_json(model: FittedMixture) -> dict[str, Any]:
    if not hasattr(model, "history_"):
        return {"converged": None, "n_iter": None, "lower_bound": None}
    return {
        "converged": bool(model.converged_),
        "n_iter": int(model.n_iter_),
        "lower_bound": finite_or_none(model.lower_bound_),
    }


def _strongest_correlation(
    covariance: NDArray[np.float64], spreads: NDArray[np.float64]
) -> tuple[int, int, float] | None:
    correlations = covariance / np.outer(spreads, spreads)
    size = np.abs(np.triu(correlations, k=1))
    if not size.any():
        return None
    i, j = np.unravel_index(int(size.argmax()), size.shape)
    return int(i), int(j), float(correlations[i, j])
