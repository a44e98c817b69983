"""Facts about mixtures and searches, for the terminal and for JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.contract import names_of_features
from gmm._estimators.criteria import adjusted_rand_index
from gmm._estimators.factors import factors_of
from gmm._estimators.fitted import FittedMixture, fitted_parameters, record_of
from gmm._lazy import cached_property
from gmm._rows.delimited import MISSING
from gmm._selection import MixtureClassifier, Selection
from gmm._text.table import TEXT, Cell, Column, Table
from gmm._text.words import counted, omissions
from gmm._values.covariance import Factors

_WHOLE = re.compile(r"-?\d+\.0+")


class Labels(NamedTuple):
    """Labels of rows.

    Attributes
    ----------
    names : ndarray of str
        The distinct ones, sorted.
    codes : ndarray of int, shape (n,)
        Which of them each row has, −1 without a label.
    """

    names: NDArray[np.object_]
    codes: NDArray[np.intp]

    @classmethod
    def from_column(cls, column: Iterable[Any], missing: Iterable[str], rows: NDArray[np.intp] | None) -> Labels:
        """Read blocks of a column of any type; `rows` are those that are wanted, counted from 0, None if all are.

        Whole numbers lose the .0 that a column with gaps often has.
        """
        absent, numbers, parts = {*missing}, dict[str, int](), []
        for block in column:
            encoded = block.combine_chunks().dictionary_encode()
            texts = ["" if value is None else str(value) for value in encoded.dictionary.to_pylist()]
            named = [
                -1 if text.strip() in MISSING or text in absent else numbers.setdefault(text, len(numbers))
                for text in texts
            ]
            codes = encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
            parts.append(np.array([*named, -1])[codes])
        texts = [text.partition(".")[0] for text in numbers] if all(map(_WHOLE.fullmatch, numbers)) else list(numbers)
        codes = np.concatenate([np.empty(0, np.intp), *parts])
        codes = codes if rows is None else codes[rows]
        every, places = np.unique([*texts, ""], return_inverse=True)
        return cls(every.astype(object), np.append(places[:-1], -1)[codes]).with_names(
            texts[code] for code in np.unique(codes[codes >= 0])
        )

    def with_names(self, names: Iterable[str]) -> Labels:
        """Return the labels with these names; other rows have none."""
        there = np.isin(self.names, list(names))
        return Labels(self.names[there], np.append(np.where(there, np.cumsum(there) - 1, -1), -1)[self.codes])


class Agreement(NamedTuple):
    """Agreement of labels and components.

    Attributes
    ----------
    labels : tuple of str
        Distinct labels, sorted.
    counts : ndarray of int, shape (n_labels, K) or (n_labels, K + 1)
        Rows of each label in each component and, if there are any, in the noise.
    adjusted_rand_index : float
        1 for identical partitions, 0 on average for independent ones.
    n_unlabelled : int
        Number of rows without a label, which are not counted above.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]
    adjusted_rand_index: float
    n_unlabelled: int

    def table(self, name: str, columns: Mapping[int, str], most: int, caption: str = "") -> Table:
        """Tabulate the first labels, the more rows the deeper; `name` is theirs, `columns` are numbers and headings."""
        largest, labels = max(1, int(self.counts.max(initial=0))), self.labels[:most]
        table = [Column(name, labels, TEXT)]
        for j, heading in columns.items():
            counts = self.counts[:most, j].tolist()
            cells = [Cell(str(n), shade=n / largest) if n else Cell("·", kind="zero") for n in counts]
            table.append(Column(heading, cells))
        return Table(table, caption, notes=omissions(label=len(self.labels) - most))


def compare(labels: Labels, components: Iterable[NDArray[np.integer[Any]]], K: int) -> Agreement:
    """Compare labels with components.

    Parameters
    ----------
    labels : Labels
    components : iterable of arrays of int
        Component of each row, block by block, from 0; −1 for noise, which is the last column.
    K : int
        Number of components.
    """
    counts, first, noise = np.zeros((len(labels.names), K + 1), dtype=np.int64), 0, False
    for block in components:
        codes = labels.codes[first : first + len(block)]
        first, noise = first + len(block), noise or bool((block < 0).any())
        np.add.at(counts, (codes[codes >= 0], block[codes >= 0]), 1)
    counts = counts if noise else counts[:, :K]
    return Agreement(
        labels=tuple(labels.names.tolist()),
        counts=counts,
        adjusted_rand_index=adjusted_rand_index(counts),
        n_unlabelled=int((labels.codes < 0).sum()),
    )


class MixtureFacts:
    """A fitted mixture with its column names and standard deviations.

    Attributes
    ----------
    model : FittedMixture
    parameters : MixtureParameters
    names : tuple of str
        Names of the d columns, by default ``x0``, ``x1``, ...
    spreads : ndarray of float64, shape (K, d)
        Standard deviation per component and column.
    """

    def __init__(self, model: FittedMixture) -> None:
        self.model, self.parameters, self.names = model, fitted_parameters(model), names_of_features(model)
        self.spreads = np.sqrt(self.parameters.column_variances)

    @cached_property
    def overall(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Means and standard deviations of all components together, without noise, each of shape (d,)."""
        means, weights = np.asarray(self.model.means_, dtype=np.float64), np.asarray(self.model.weights_)
        centre = np.average(means, axis=0, weights=weights)
        return centre, np.sqrt(np.average(self.spreads**2 + (means - centre) ** 2, axis=0, weights=weights))

    @cached_property
    def factors(self) -> Factors | None:
        """Loadings and noise; None where the covariance model has none."""
        return factors_of(self.model, "loadings_") if self.parameters.model.n_factors else None

    @cached_property
    def strongest_correlations(self) -> list[tuple[int, int, float] | None]:
        """The strongest correlation of each component, as (column, column, value); None if it has none."""
        layout, (K, d) = self.parameters.model.whole.layout, self.spreads.shape  # as `covariances_` are written out
        if layout.axis_aligned:
            return [None] * K
        dense = layout.dense(np.asarray(self.model.covariances_, dtype=np.float64), K, d)
        strongest = [_strongest_correlation(*each) for each in zip(dense, self.spreads, strict=False)]
        return strongest * (K // len(strongest))  # a common covariance is one


def mixture_json(model: FittedMixture) -> dict[str, Any]:
    """Convert a mixture to JSON values.

    Returns
    -------
    dict
        Sizes, convergence, columns, weights, means, covariances (in the shape of ``covariances_``; None where factors
        and noise are stored, of many columns), standard deviations and, if there are factors, loadings and noise.
    """
    facts = MixtureFacts(model)
    parts, parameters, fitted = facts.factors, facts.parameters, hasattr(model, "history_")
    tails = parameters.tails
    of_factors = {} if parts is None else {"loadings": parts.loadings.tolist(), "noise_variances": parts.noise.tolist()}
    return {
        "n_components": int(model.n_components),
        "covariance_type": model.covariance_type,
        "n_parameters": int(model.n_parameters_),
        "converged": bool(model.converged_) if fitted else None,
        "n_iter": int(model.n_iter_) if fitted else None,
        "lower_bound": finite_or_none(model.lower_bound_) if fitted else None,
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


def class_json(classifier: MixtureClassifier) -> dict[str, Any]:
    """Convert a classifier to JSON values; how a class was fitted is there only where that was by itself."""
    parts: Any = zip(classifier.classes_.tolist(), classifier.class_prior_.tolist(), classifier.mixtures_, strict=True)
    return {
        "loglik": classifier.log_likelihood_,
        "bic": classifier.bic_,
        "n_iter": classifier.n_iter_,
        "classes": [
            {"class": label, "prior": prior}
            | {name: value for name, value in mixture_json(mixture).items() if value is not None}
            for label, prior, mixture in parts
        ],
    }


def ending(model: FittedMixture) -> str:
    """Say how the fit of a mixture ended, for example ``converged after 12 passes``."""
    if not hasattr(model, "history_"):
        return "parameters given, not fitted"
    shrunk = ", noise and means shrunk (few rows for each component)" if record_of(model).shrunk == "rows" else ""
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


def finite_or_none(value: float) -> float | None:
    """Return the number, or None for NaN and infinities, which JSON cannot hold."""
    return float(value) if np.isfinite(value) else None


def _strongest_correlation(
    covariance: NDArray[np.float64], spreads: NDArray[np.float64]
) -> tuple[int, int, float] | None:
    correlations = covariance / np.outer(spreads, spreads)
    size = np.abs(np.triu(correlations, k=1))
    if not size.any():
        return None
    i, j = np.unravel_index(int(size.argmax()), size.shape)
    return int(i), int(j), float(correlations[i, j])
