"""What was fitted, with its rows: as JSON, as files and on the terminal."""

from __future__ import annotations

import argparse
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gmm import BayesianGaussianMixture, GaussianMixture, Selection
from gmm._cli import output
from gmm._cli.arguments import IN_PYTHON, CommandError
from gmm._cli.rows import Labels, Rows, further_notes
from gmm._cli.show import COLUMNS_SHOWN, Screen, clusters_sentence
from gmm._text.table import TEXT, Cell, Column, Table
from gmm._text.words import counted, omissions
from gmm.analysis import CombinedComponents, combine_components
from gmm.inference import adjusted_rand_index

_BUNDLED_NAME = "Old Faithful"
_MOST_COMBINED = 1e8  # rows times squared components: a few seconds
_LEAST_OVERLAP = 0.02  # nats per row
_LABELS_SHOWN = 30
SURE = 0.9  # a row is uncertain if its largest probability is below this
NORMAL = IN_PYTHON.parameters["tails"].choices[0]
_INTEGER = re.compile(r"0|-?[1-9]\d*")  # as it is printed again


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

    def show(self, screen: Screen, name: str, columns: Mapping[int, str]) -> None:
        """Print the table of labels and some columns, by their headings; `name` is that of the label column."""
        if len(columns) > COLUMNS_SHOWN:
            screen.line(f"table of labels with {counted(len(columns), 'column')} left out (--json prints all)")
        else:
            screen.tables([self.table(name, columns, _LABELS_SHOWN)])
        n = self.n_unlabelled
        apart = f" of the labelled rows; {counted(n, 'row')} {'has' if n == 1 else 'have'} no label" if n else ""
        screen.line(f"adjusted Rand index {self.adjusted_rand_index:.4f}{apart}")


def compare(labels: Labels, components: NDArray[np.integer[Any]], K: int) -> Agreement:
    """Compare labels with components.

    Parameters
    ----------
    labels : Labels
    components : ndarray of int, shape (n,)
        Component of each row, from 0; −1 for noise, which is the last column.
    K : int
        Number of components.
    """
    counts, is_labelled = np.zeros((len(labels.names), K + 1), dtype=np.int64), labels.codes >= 0
    np.add.at(counts, (labels.codes[is_labelled], components[is_labelled]), 1)
    counts = counts if (components < 0).any() else counts[:, :K]
    return Agreement(
        labels=tuple(labels.names.tolist()),
        counts=counts,
        adjusted_rand_index=adjusted_rand_index(counts),
        n_unlabelled=int((~is_labelled).sum()),
    )


class Outcome(ABC):
    """What was fitted, with the rows and the options of the fit.

    Attributes
    ----------
    rows : Rows
        The fitted rows.
    options : argparse.Namespace
        The options of ``gmm fit``.
    warnings : sequence of str
        Warnings issued during the fit.
    seconds : float
        Duration of the fit, in seconds.
    doubts : sequence of str
        What is noted of the fit.
    model : GaussianMixture, BayesianGaussianMixture or MixtureClassifier
    """

    agreement: Agreement | None  # of predictions with labels, if there are any
    doubts: Sequence[str] = ()

    def __init__(
        self, rows: Rows, options: argparse.Namespace, warnings: Sequence[str], seconds: float, model: Any
    ) -> None:
        self.rows, self.options, self.warnings, self.seconds, self.model = rows, options, warnings, seconds, model

    @property
    def source(self) -> str:
        """Name of the data."""
        return self.options.file or _BUNDLED_NAME

    @property
    def total_weight(self) -> float:
        """Sum of the weights, or the number of rows if there are none."""
        weights = self.rows.weights
        return float(self.rows.n_rows if weights is None else weights.sum())

    @abstractmethod
    def best(self) -> dict[str, Any]:
        """Convert what was fitted to JSON values."""

    def document(self) -> dict[str, Any]:
        """Convert the result to JSON values: the data, what was fitted, and its agreement with labels."""
        data = {
            "file": self.source,
            "n_rows": self.rows.n_rows,
            "columns": list(self.rows.names),
            "total_weight": self.total_weight,
            "notes": list(self.rows.notes),
        }
        agreement = self.agreement and self.agreement._asdict() | {"counts": self.agreement.counts.tolist()}
        return {"data": data, "seed": self.options.random_state, "best": self.best(), "agreement": agreement}

    def write(self, out: Path) -> list[str]:
        """Write the model, the predictions for the rows, and JSON to a directory; return the names of the files."""
        labels = f"labels.{self.options.format}"
        self.model.save(out / "model.gmm")
        predictions = output.predictions(self.model, self.rows, self.options, out / labels)
        output.write_with_others(out / labels, self.rows, self.options, predictions)
        output.write_json(out / "result.json", self.document())
        return ["model.gmm", labels, "result.json"]

    def show(self, screen: Screen) -> None:
        """Print the size of the data."""
        rows = self.rows
        screen.line(f"{self.source}: {counted(rows.n_rows, 'row')}, {counted(len(rows.names), 'column')}")
        screen.line()


class Classes(Outcome):
    """A classifier with its rows and options."""

    agreement: Agreement

    def __init__(self, rows: Rows, *about: Any) -> None:
        super().__init__(rows, *about)
        assert rows.labels is not None  # the column is in the table
        self.summary = self.model.summary(rows.source, classes_of(rows, self.options.class_column), rows.weights)
        self._names = [str(label) for label in self.model.classes_.tolist()]
        predicted = self.model.predict_proba(rows.source).argmax(axis=1)
        places = {name: code for code, name in enumerate(self._names)}
        codes = np.array([*(places.get(name, -1) for name in rows.labels.names), -1])[rows.labels.codes]
        self.agreement = compare(Labels(np.array(self._names, dtype=object), codes), predicted, len(places))

    def best(self) -> dict[str, Any]:
        """Convert the classifier to JSON values."""
        return output.class_json(self.model)

    def document(self) -> dict[str, Any]:
        """Convert the result to JSON values."""
        document = super().document()
        agreement = document.pop("agreement")
        return document | {"accuracy": self.summary.accuracy, "agreement": agreement}

    def show(self, screen: Screen) -> None:
        """Print the classes, and how the fitted rows are predicted."""
        super().show(screen)
        for line in (*output.class_lines(self.model), ""):
            screen.line(line)
        self.agreement.show(screen, self.options.class_column, dict(enumerate(self._names)))
        screen.line(str(self.summary).splitlines()[-1])


class MixtureOutcome(Outcome):
    """A fitted mixture with its rows and options.

    Attributes
    ----------
    converged : bool
        Whether a fit converged.
    model_name : str
        The covariance model, as it was fitted.
    facts : MixtureSummary
        What the mixture remembers of its fit.
    objective : str
        What the fit maximises, as text after the reason for its end.
    unit, units : str
        Unit of a mean log-likelihood and of sums of responsibilities: rows, or units of weight.
    counts : ndarray of int, shape (K,)
        Number of rows per component, by most probable component.
    n_noise : int
        Number of rows that are noise rather than any component's.
    shown : list of int
        Components that tables and reports show.
    combined : CombinedComponents or None
        Clusters of several components, where components overlap and merging ends that.
    n_clusters : int or None
        Their number.
    agreement : Agreement or None
        Agreement of the components with the label column, if there is one.
    search : Selection or None
        Which chose the mixture.
    """

    model: GaussianMixture | BayesianGaussianMixture
    search: Selection | None = None
    objective = ""

    def __init__(self, rows: Rows, *about: Any) -> None:
        super().__init__(rows, *about)
        model, weighted = self.model, rows.weights is not None
        self.facts = model.summary()
        self.converged, self.model_name = model.converged_, self.facts.covariance_model
        self.unit, self.units = ("unit weight", "units of weight") if weighted else ("row", "rows")
        each = [np.bincount(labels + 1, minlength=1 + model.n_components) for labels in self._labels_by_blocks()]
        self.counts: NDArray[np.int64] = np.sum(each, axis=0)[1:]  # the first are those with the label −1
        self.n_noise, self.shown = rows.n_rows - int(self.counts.sum()), self._shown()
        self.combined = self._combined()
        clusters = None if self.combined is None else self.combined.clusters()[self.shown]
        self.n_clusters = None if clusters is None else len(set(clusters))
        self.agreement = None if rows.labels is None else compare(rows.labels, self.labels, model.n_components)

    def _labels_by_blocks(self) -> Iterator[NDArray[np.int64]]:
        """Yield the most probable component of each row, −1 for none."""
        return (labels for _, labels, _ in self.model.predict_blocks(self.rows.source, responsibilities=False))

    def _shown(self) -> list[int]:
        return list(range(self.model.n_components))

    def _combined(self) -> CombinedComponents | None:
        """Combine components, but not few, of which the rule makes 2 if any overlap, nor where it takes seconds."""
        K = len(self.shown)
        if K < 4 or not self.rows.in_memory or self.rows.n_rows * K**2 > _MOST_COMBINED:
            return None
        combined = combine_components(self.model, self.rows.source)
        before, after = combined.entropies[combined.n_present - 1], combined.entropies[combined.n_clusters - 1]
        overlap = before > _LEAST_OVERLAP * self.rows.source.weights.sum() and after < before / 2
        return combined if overlap and combined.n_clusters < combined.n_present else None

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Most probable component of each row, −1 for none, shape (n,)."""
        return np.concatenate([*self._labels_by_blocks()])

    @cached_property
    def certainty(self) -> NDArray[np.float64]:
        """Largest responsibility of each row, shape (n,)."""
        blocks = self.model.predict_blocks(self.rows.source)
        return np.concatenate([shares.max(axis=1).astype(np.float64) for *_, shares in blocks if shares is not None])

    @property
    def n_uncertain(self) -> int:
        """Number of rows in components of which none is sure."""
        return int((self.certainty[self.labels >= 0] < SURE).sum())

    @property
    def headline(self) -> str:
        """The mixture in one line: its size, its model, what guards it, and how the fit ended."""
        model, options = self.model, self.options
        parts = [counted(len(self.shown), "component")]
        parts += [f" of {model.n_components} in use"] * isinstance(model, BayesianGaussianMixture)
        parts += [] if self.n_clusters is None else [f" in {counted(self.n_clusters, 'cluster')}"]
        parts += [f", {self.model_name}"]
        guards = {"prior": ", {} prior", "max_ratio": ", eigenvalue ratio at most {:g}"}
        parts += [text.format(vars(options)[name]) for name, text in guards.items() if vars(options)[name] is not None]
        if options.noise:
            parts.append(f", noise of weight {model.noise_weight_:.4f} with {counted(self.n_noise, 'row')}")
        return "".join([*parts, f": {self.facts.ending}", self.objective])

    def best(self) -> dict[str, Any]:
        """Convert the mixture to JSON values."""
        clusters = None if self.combined is None else self.combined.clusters().tolist()
        return {**output.mixture_json(self.model), "rows_per_component": self.counts.tolist(), "clusters": clusters}

    def show(self, screen: Screen) -> None:
        """Print the size of the data, the mixture and its agreement with labels, if there are any."""
        super().show(screen)
        if self.search is not None:
            screen.cells(self.search)
            screen.line()
        screen.line(self.headline)
        screen.line()
        screen.mixture(self.model, self.counts, self.shown)
        if self.combined is not None:
            screen.line()
            screen.line(clusters_sentence(self.combined.clusters(), self.shown, "component"))
        if self.agreement is not None:
            screen.line()
            columns = {k: str(k) for k in self.shown}
            columns |= {self.model.n_components: "noise"} if self.n_noise else {}
            self.agreement.show(screen, self.options.label_column, columns)


class Result(MixtureOutcome):
    """A finished search with its rows and options; `model` is the chosen mixture.

    Attributes
    ----------
    search : Selection
    n_parameters : int
        Number of free parameters of the chosen cell.
    loglik : float
        Its log-likelihood, in nats.
    """

    search: Selection

    def __init__(
        self, rows: Rows, options: argparse.Namespace, warnings: Sequence[str], seconds: float, search: Selection
    ) -> None:
        doubts = further_notes(search.notes, rows.notes, named=options.columns is not None)
        super().__init__(replace(rows, notes=(*rows.notes, *doubts)), options, warnings, seconds, search.best)
        self.doubts, best = doubts, search.best_index
        self.search, self.n_parameters, self.loglik = search, int(search.n_parameters[best]), float(search.loglik[best])
        self.converged = any(mixture is not None and mixture.converged_ for mixture in search.estimators)
        printed = IN_PYTHON.covariance_model(search.covariance_type[best]).printed(len(rows.names))
        printed += "" if search.tails[best] == NORMAL else f" {search.tails[best]}"
        self.model_name = f"{printed} of standardised columns" if search.standardized else printed
        each = self.loglik / self.total_weight
        self.objective = f", log-likelihood {self.loglik:.2f} ({each:.4f} per {self.unit})"

    def write(self, out: Path) -> list[str]:
        """Write the model, labels, criteria and JSON."""
        names = super().write(out)
        cells = pa.Table.from_pylist(output.cells_json(self.search)).drop_columns(["seconds", "best"])
        output.write_table(out / "criteria.csv", [{name: cells[name] for name in cells.column_names}])
        return [*names[:2], "criteria.csv", *names[2:]]

    def best(self) -> dict[str, Any]:
        """Convert the mixture, and the results of the search for its cell, to JSON values."""
        cell = output.cells_json(self.search)[self.search.best_index]
        return super().best() | {
            name: cell[name] for name in ("n_parameters", "loglik", *self.search.criteria, "status")
        }

    def document(self) -> dict[str, Any]:
        """Convert the result to JSON values: the mixture, all cells and the request."""
        facts = ("criterion", "standardized", "complete", "n_new_starts", "n_found_again")
        document = super().document() | {name: getattr(self.search, name) for name in facts}
        document |= {name: vars(self.options)[name] for name in ("prior", "max_ratio", "noise")}
        return document | {"cells": output.cells_json(self.search), "solutions": output.solutions_json(self.search)}


class Posterior(MixtureOutcome):
    """A variational fit with its rows and options."""

    model: BayesianGaussianMixture

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self.objective = f", lower bound of the log evidence {self.model.lower_bound_:.2f}"

    def _shown(self) -> list[int]:
        """Return components that expect a row or more, and those that rows belong to."""
        return ((np.asarray(self.model.counts_) >= 1) | (self.counts > 0)).nonzero()[0].tolist()

    def best(self) -> dict[str, Any]:
        """Convert the mixture to JSON values."""
        expected = np.asarray(self.model.counts_, dtype=np.float64).tolist()
        return super().best() | {
            "n_effective_components": self.model.n_effective_components_,
            "expected_rows": expected,
        }


class Single(MixtureOutcome):
    """One fit, of rows beyond memory."""

    model: GaussianMixture

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        if self.facts.figures:
            self.objective = f", {self.facts.figures}"
            self.doubts = [self.facts.diagnosis] * bool(self.facts.diagnosis)

    def best(self) -> dict[str, Any]:
        """Convert the mixture to JSON values, with its figures."""
        numbers = {"loglik": self.facts.log_likelihood, **self.facts.criteria} if self.facts.figures else {}
        return super().best() | {name: output.finite_or_none(value) for name, value in numbers.items()}

    def document(self) -> dict[str, Any]:
        """Convert the result to JSON values: the mixture and the request."""
        return super().document() | {name: vars(self.options)[name] for name in ("prior", "max_ratio", "noise")}


def classes_of(rows: Rows, column: str) -> NDArray[Any]:
    """Return labels as classes: whole numbers if all are, else texts; None is unknown.

    Raises
    ------
    CommandError
        If they are numbers with fractions.
    """
    labels = rows.labels
    assert labels is not None  # the column is in the table
    texts = labels.names.tolist()
    try:
        fractions = [text for text, number in zip(texts, map(float, texts), strict=True) if not number.is_integer()]
    except ValueError:
        fractions = []  # some are words
    if fractions:
        raise CommandError(
            f"--class-column {column}: expected classes that are whole numbers or words, got {fractions[0]}"
        )
    classes = [int(text) for text in texts] if all(map(_INTEGER.fullmatch, texts)) else texts
    return np.array([*classes, None], dtype=object)[labels.codes]
