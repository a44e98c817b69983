"""``gmm fit``: read a table, fit, write files and print the result."""

from __future__ import annotations

import argparse
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gmm import _selection as selection
from gmm._cli.describe import (
    Agreement,
    Labels,
    MixtureFacts,
    agreement_json,
    cells_json,
    clusters_sentence,
    compare,
    ending,
    finite_or_none,
    mixture_json,
)
from gmm._cli.failures import CommandError, UsageError, check_together
from gmm._cli.rows import Rows, rows_to_fit, unsaid
from gmm._cli.show import Screen
from gmm._cli.write import (
    PICTURES,
    check_suffix,
    check_writable,
    drawing,
    predicted,
    save_picture,
    scorer_of,
    write_beside,
    write_json,
    write_predictions,
    write_table,
    write_text,
    written,
)
from gmm._estimators.bayesian import BayesianGaussianMixture
from gmm._estimators.contract import names_of_features
from gmm._estimators.criteria import CRITERIA
from gmm._estimators.fitted import fitted_parameters, past_of
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.summary import Figures, log_likelihood_of
from gmm._lazy import cached_property
from gmm._rows.delimited import is_number
from gmm._rows.sources import relative_ridge, reweighed
from gmm._rows.writing import class_columns
from gmm._selection import MixtureClassifier, Selection
from gmm._selection.classifier import accuracy_line, summary_of
from gmm._selection.request import kind_of, requested_types
from gmm._text.words import counted, suggestion
from gmm._uses.overlap import CombinedComponents, combine_components
from gmm._values.covariance import (
    CLASSIC,
    COVARIANCE_CHOICES,
    DEFAULT_COVARIANCE_TYPE,
    OF_FACTORS,
    covariance_model,
    model_names,
    names_factors,
)
from gmm._values.tails import NORMAL_TAILS

_BUNDLED_NAME = "Old Faithful"
_MOST_COMBINED = 1e8  # rows times squared components: a few seconds
_LEAST_OVERLAP = 0.02  # nats per row


@dataclass(frozen=True, eq=False)
class Outcome:
    """The rows and options of a fit, whatever it fitted.

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
    """

    rows: Rows
    options: argparse.Namespace
    warnings: Sequence[str]
    seconds: float

    @property
    def source(self) -> str:
        """Name of the data."""
        return self.options.file or _BUNDLED_NAME

    @property
    def size(self) -> str:
        """The name of the data, and how many rows and columns it has."""
        return f"{self.source}: {counted(self.rows.n_rows, 'row')}, {counted(len(self.rows.names), 'column')}"

    @property
    def total_weight(self) -> float:
        """Sum of the weights, or the number of rows if there are none."""
        weights = self.rows.weights
        return float(self.rows.n_rows if weights is None else weights.sum())

    def about_data(self) -> dict[str, Any]:
        """Convert facts about the data to JSON values."""
        return {
            "file": self.source,
            "n_rows": self.rows.n_rows,
            "columns": list(self.rows.names),
            "total_weight": self.total_weight,
            "notes": list(self.rows.notes),
        }


@dataclass(frozen=True, eq=False)
class MixtureOutcome(Outcome, ABC):
    """A fitted mixture with its rows and options.

    Attributes
    ----------
    model : GaussianMixture or BayesianGaussianMixture
    """

    model: GaussianMixture | BayesianGaussianMixture

    @property
    def converged(self) -> bool:
        """Whether a fit converged."""
        return self.model.converged_

    @property
    def searched(self) -> str:
        """The covariance model, as it was fitted."""
        return fitted_parameters(self.model).model.printed(len(self.rows.names))

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Most probable component of each row in memory, −1 for none, shape (n,)."""
        return np.concatenate([*self._labels_by_blocks()])

    def _labels_by_blocks(self) -> Iterator[NDArray[np.int64]]:
        return (labels for _, labels, _ in predicted(self.model, self.rows, self.left_out, responsibilities=False))

    @property
    def left_out(self) -> NDArray[np.bool_] | None:
        """Which rows the fit left out, shape (n,); None if it takes all."""
        return past_of(self.model).trimmed

    @cached_property
    def fitted_rows(self) -> Any:
        """The rows; those that the fit left out have no weight."""
        source = self.rows.source
        return source if self.left_out is None else reweighed(source, np.where(self.left_out, 0.0, source.weights))

    @cached_property
    def certainty(self) -> NDArray[np.float64]:
        """Largest responsibility of each row, shape (n,)."""
        return scorer_of(self.model).largest_responsibilities(self.rows.source)

    @cached_property
    def agreement(self) -> Agreement | None:
        """Agreement of the components with the label column, if there is one."""
        if self.rows.labels is None:
            return None
        return compare(self.rows.labels, self._labels_by_blocks(), self.model.n_components)

    @cached_property
    def combined(self) -> CombinedComponents | None:
        """Clusters of several components, where components overlap and merging ends that; None elsewhere.

        Not looked for among fewer than four components, of which the rule says 2 wherever some overlap, nor where it
        takes seconds.
        """
        K = len(self.shown)
        if K < 4 or not self.rows.in_memory or self.rows.n_rows * K**2 > _MOST_COMBINED:
            return None
        combined = combine_components(self.model, self.fitted_rows)
        before, after = combined.entropies[combined.n_present - 1], combined.entropies[combined.n_clusters - 1]
        overlap = before > _LEAST_OVERLAP * self.fitted_rows.weights.sum() and after < before / 2
        return combined if overlap and combined.n_clusters < combined.n_present else None

    @property
    def n_clusters(self) -> int | None:
        """Number of clusters if overlapping components are joined; None if none are."""
        return None if self.combined is None else len(set(self.combined.clusters()[self.shown]))

    @property
    def unit(self) -> str:
        """Unit of a mean log-likelihood: the row, or the unit of weight if rows have weights."""
        return "row" if self.rows.weights is None else "unit weight"

    @cached_property
    def shown(self) -> list[int]:
        """Components that tables and reports show: all."""
        return list(range(self.model.n_components))

    def draw(self, plot: Callable[..., Any], **options: Any) -> Any:
        """Draw the chosen mixture with its weighted rows.

        Parameters
        ----------
        plot : callable
            A function of `gmm.plotting` that takes a mixture and rows.
        **options
            Passed to `plot`.

        Returns
        -------
        Axes or ndarray of Axes
        """
        return plot(self.model, self.fitted_rows, **options)

    @property
    def note_on_pictures(self) -> str:
        """What to say of pictures of the rows; empty if they show all as they are."""
        return self.rows.filled_note if self.left_out is None else "Rows left out are not drawn."

    @property
    def units(self) -> str:
        """What responsibilities add up to, in the plural."""
        return "rows" if self.rows.weights is None else "units of weight"

    @cached_property
    def _rows_of(self) -> NDArray[np.int64]:
        """Number of rows that are outside, and of each component's, by the most probable."""
        size = self.model.n_components + 1
        each = [np.bincount(labels + 1, minlength=size) for labels in self._labels_by_blocks()]
        counts: NDArray[np.int64] = np.sum(each, axis=0)
        return counts  # rows outside have the label −1

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of rows per component, by most probable component, shape (K,)."""
        return self._rows_of[1:]

    @property
    def n_outside(self) -> int:
        """Number of rows that are noise, or left out, rather than any component's."""
        return int(self._rows_of[0])

    @property
    def outside(self) -> str:
        """What a row without a component is."""
        return "noise" if self.left_out is None else "left out"

    @property
    def _in_clusters(self) -> str:
        return "" if self.n_clusters is None else f" in {counted(self.n_clusters, 'cluster')}"

    @property
    def _guards(self) -> str:
        """What guards against degenerate components, in words; empty if nothing does."""
        prior = "" if self.options.prior is None else f", {self.options.prior} prior"
        limit = "" if self.options.max_ratio is None else f", eigenvalue ratio at most {self.options.max_ratio:g}"
        return f"{prior}{limit}"

    @property
    def beside(self) -> str:
        """What lies beside the components, in words; empty without noise and rows that are left out."""
        if self.left_out is not None:
            return f", {counted(self.n_outside, 'row')} left out"
        if not self.options.noise:
            return ""
        return f", noise of weight {self.model.noise_weight_:.4f} with {counted(self.n_outside, 'row')}"

    @property
    @abstractmethod
    def headline(self) -> str:
        """The chosen mixture in one line."""

    def document(self) -> dict[str, Any]:
        """Convert the result to JSON values: the data, the mixture, the agreement with labels."""
        clusters = None if self.combined is None else self.combined.clusters().tolist()
        best = {**mixture_json(self.model), "rows_per_component": self.counts.tolist(), "clusters": clusters}
        agreement = None if self.agreement is None else agreement_json(self.agreement)
        return {"data": self.about_data(), "seed": self.options.seed, "best": best, "agreement": agreement}

    def write(self, out: Path, kind: str) -> list[str]:
        """Write the model, the labels in the format `kind`, and JSON to a directory; return the names of the files."""
        self.model.save(out / "model.gmm")
        write_predictions(out / f"labels.{kind}", self.model, self.rows, self.options, left_out=self.left_out)
        write_json(out / "result.json", self.document())
        return ["model.gmm", f"labels.{kind}", "result.json"]

    def show(self, screen: Screen) -> None:
        """Print the size of the data, the mixture and its agreement with labels, if there are any."""
        screen.line(self.size)
        screen.line()
        self._show_search(screen)
        screen.line(self.headline)
        screen.line()
        screen.mixture(MixtureFacts.of(self.model), self.counts, self.shown)
        if self.combined is not None:
            screen.line()
            screen.line(clusters_sentence(self.combined.clusters(), self.shown, "component"))
        if self.agreement is not None:
            screen.line()
            columns = {k: str(k) for k in self.shown} | (
                {self.model.n_components: self.outside} if self.n_outside else {}
            )
            screen.agreement(self.agreement, self.options.label_column, columns)

    def _show_search(self, screen: Screen) -> None:
        """Print how the mixture was chosen, if it was."""

    def finish(self, screen: Screen, out: Path | None) -> None:
        """Write and print the result."""
        names: list[str] = []
        if out is not None:
            with screen.working("writing"):
                names = self.write(out, self.options.format)
        if self.options.json:
            write_json(None, self.document())
            return
        self.show(screen)
        screen.announce_files(out, *names)


@dataclass(frozen=True, eq=False)
class Result(MixtureOutcome):
    """A finished search with its rows and options.

    Attributes
    ----------
    model : GaussianMixture
        The chosen mixture.
    search : Selection
    """

    model: GaussianMixture
    search: Selection

    @property
    def searched(self) -> str:
        """The chosen covariance model, and whether it is one of standardised columns."""
        best, d = self.search.best_index, len(self.rows.names)
        name = kind_of(covariance_model(self.search.covariance_type[best]).printed(d), self.search.tails[best])
        return f"{name} of standardised columns" if self.search.standardized else name

    @property
    def n_parameters(self) -> int:
        """Number of free parameters of the chosen cell."""
        return int(self.search.n_parameters[self.search.best_index])

    @property
    def converged(self) -> bool:
        """Whether the fit of a cell converged."""
        return any(mixture is not None and mixture.converged_ for mixture in self.search.estimators)

    def write(self, out: Path, kind: str) -> list[str]:
        """Write the model, labels, criteria and JSON."""
        names = super().write(out, kind)
        cells = [
            {name: value for name, value in cell.items() if name not in ("seconds", "best")}
            for cell in cells_json(self.search)
        ]
        table = pa.Table.from_pylist(cells)
        write_table(out / "criteria.csv", [dict(zip(table.column_names, table.columns, strict=True))])
        return [*names[:2], "criteria.csv", *names[2:]]

    def document(self) -> dict[str, Any]:
        """Convert the result to JSON values: beside the mixture, all cells and what the search was for."""
        search, document = self.search, super().document()
        best = search.best_index
        document["best"] |= {
            "n_parameters": self.n_parameters,
            "loglik": finite_or_none(search.loglik[best]),
            **{name: finite_or_none(getattr(search, name)[best]) for name in search.criteria},
            "status": search.status[best],
        }
        facts = ("criterion", "standardized", "complete", "n_fresh_starts", "n_found_again", "n_searched")
        request = {name: vars(self.options)[name] for name in ("prior", "max_ratio")}
        request |= {"noise": bool(self.options.noise), "cells": cells_json(search)}
        return {**document, **{name: getattr(search, name) for name in facts}, **request}

    def _show_search(self, screen: Screen) -> None:
        screen.cells(self.search)
        screen.line()

    @property
    def headline(self) -> str:
        """The chosen mixture in one line."""
        model, loglik = self.model, self.search.loglik[self.search.best_index]
        return (
            f"{counted(model.n_components, 'component')}{self._in_clusters}, {self.searched}{self._guards}"
            f"{self.beside}: {ending(model)}, {log_likelihood_of(loglik, self.total_weight, self.unit)}"
        )


@dataclass(frozen=True, eq=False)
class Posterior(MixtureOutcome):
    """A variational fit with its rows and options.

    Attributes
    ----------
    model : BayesianGaussianMixture
    """

    model: BayesianGaussianMixture

    @cached_property
    def shown(self) -> list[int]:
        """Components that expect a row or more, and those that rows belong to."""
        return ((np.asarray(self.model.counts_) >= 1) | (self.counts > 0)).nonzero()[0].tolist()

    def document(self) -> dict[str, Any]:
        """Convert the result to JSON values."""
        document, expected = super().document(), np.asarray(self.model.counts_, dtype=np.float64).tolist()
        document["best"] |= {"n_effective_components": self.model.n_effective_components_, "expected_rows": expected}
        return document

    @property
    def headline(self) -> str:
        """The mixture in one line."""
        components = f"{counted(len(self.shown), 'component')} of {self.model.n_components} in use{self._in_clusters}"
        bound = f"lower bound of the log evidence {self.model.lower_bound_:.2f}"
        return f"{components}, {self.searched}{self.beside}: {ending(self.model)}, {bound}"


def _fit_parameters(options: argparse.Namespace, tol: float | None) -> dict[str, Any]:
    """Return the parameters that every kind of fit takes from the options; `tol` is the one by default."""
    return {
        "tol": tol if options.tol is None else options.tol,
        "reg_covar": options.reg_covar,
        "max_iter": options.max_iter,
        "n_init": options.n_init,
        "random_state": options.seed,
        "n_threads": options.threads,
        "missing": options.missing or "error",
    }


def _own_parameters(rows: Rows, options: argparse.Namespace, tol: float) -> dict[str, Any]:
    """Return the parameters of a single fit, with the ridge in the units of the rows, as a search takes it."""
    return _fit_parameters(options, tol) | {"reg_covar": relative_ridge(rows.source, options.reg_covar)}


def _make_directory(path: str | None) -> Path | None:
    """Make the directory of the results, if there is one."""
    if path is None:
        return None
    out = Path(path)
    if out.is_file():
        raise CommandError(f"--out {path}: expected a directory, got a file")
    out.mkdir(parents=True, exist_ok=True)
    return out


@dataclass(frozen=True, eq=False)
class Trimmed(MixtureOutcome):
    """A trimmed fit with its rows and options.

    Attributes
    ----------
    model : GaussianMixture
    """

    model: GaussianMixture

    @cached_property
    def figures(self) -> Figures | None:
        """Log-likelihood and criteria of the rows that are left; None with a prior."""
        model = self.model
        if model.prior is not None:
            return None
        of_fit = model.lower_bound_, model.reg_covar, names_of_features(model)
        return Figures.of_fit(fitted_parameters(model), past_of(model), *of_fit)

    @property
    def doubts(self) -> list[str]:
        """Which components are degenerate, and why, if any is."""
        return [self.figures.verdict] if self.figures is not None and self.figures.verdict else []

    def document(self) -> dict[str, Any]:
        """Convert the result to JSON values: beside the mixture, what was left out, and figures of the others."""
        document, figures = super().document(), self.figures
        if figures is not None:
            numbers = {"loglik": figures.loglik, **figures.criteria}
            document["best"] |= {name: finite_or_none(value) for name, value in numbers.items()}
        request = {name: vars(self.options)[name] for name in ("prior", "max_ratio", "trim")}
        return {**document, **request, "n_left_out": self.n_outside}

    @property
    def headline(self) -> str:
        """The mixture in one line."""
        components = f"{counted(self.model.n_components, 'component')}{self._in_clusters}"
        figures = "" if self.figures is None else f"; of the rows that are left, {self.figures.line}"
        return f"{components}, {self.searched}{self._guards}{self.beside}: {ending(self.model)}{figures}"


class _Drawings(NamedTuple):
    """What the options ask for; made before the fit, because what cannot be written is an error before the work.

    Attributes
    ----------
    report : Path or None
        Path of the report.
    origin : gmm._cli.report.Origin or None
        What the report says of where the rows come from.
    """

    report: Path | None
    origin: Any

    @staticmethod
    def check(options: argparse.Namespace) -> None:
        """Reject paths that cannot be written and options whose packages are not installed."""
        if isinstance(options.report, str) and Path(options.report).suffix.lower() not in (".html", ".htm"):
            raise UsageError(
                f"--report {options.report}: expected a name ending in .html; if it is the table to fit, put it first: "
                "gmm fit FILE --report"
            )
        if options.plot is not None:
            check_suffix("--plot", options.plot, PICTURES)
            check_writable(options.plot)
        if options.plot is not None or options.report is not None:
            drawing()
        if options.report is not None:
            _report_module()

    @classmethod
    def of(cls, options: argparse.Namespace, out: Path | None) -> _Drawings:
        """Choose the path of the report, which is checked, and look at the file; `out` is the results' directory."""
        if options.report is None:
            return cls(None, None)
        path = Path(options.report) if isinstance(options.report, str) else (out or Path()) / "report.html"
        check_writable(path)
        return cls(path, _report_module().Origin.of(options))

    def write(self, result: MixtureOutcome, screen: Screen) -> None:
        """Write what was asked for, and say so."""
        written = []
        if (plot := result.options.plot) is not None:
            save_picture(result.draw(drawing().plot_clusters), plot)
            written.append(f"picture written to {plot}")
            if note := result.note_on_pictures:
                screen.note(f"in the picture, {note[0].lower()}{note[1:].rstrip('.')}")
        if self.report is not None:
            write_text(self.report, _report_module().render_report(result, self.origin))
            written.append(f"report written to {self.report}")
        for line in written:
            (screen.note if result.options.json else screen.line)(line)


def _report_module() -> Any:
    """Import `gmm._cli.report` only for a report, because nothing else needs Jinja2."""
    return import_module("gmm._cli.report")


_INTEGER = re.compile(r"0|-?[1-9]\d*")  # as it is printed again


def _fit_classes(screen: Screen, options: argparse.Namespace, covariance_type: str | Sequence[str]) -> None:
    """Run ``gmm fit --class-column``.

    Raises
    ------
    CommandError
        If the table or an option is invalid.
    """
    options = argparse.Namespace(**vars(options) | {"label_column": options.class_column})
    rows = rows_to_fit(screen, options)
    assert rows.labels is not None  # the column is in the table
    labels, out = _classes_of(rows.labels, options.class_column), _make_directory(options.out)
    started = time.perf_counter()
    classifier = MixtureClassifier(
        options.components or 1,
        covariance_type,
        criterion=options.criterion,
        prior=options.prior,
        standardize=bool(options.scale),
        **_fit_parameters(options, None),
    )
    with screen.warnings(options) as warned, screen.working("fitting"):
        classifier.fit(rows.source, labels)
    outcome = Outcome(rows, options, warned, time.perf_counter() - started)
    proba, classes = classifier.predict_proba(rows.source), [str(label) for label in classifier.classes_.tolist()]
    labelled, predicted = rows.labels.among(classes), proba.argmax(axis=1)
    agreement = compare(labelled, iter([predicted]), len(classes))
    has_label, weight = labelled.codes >= 0, rows.weights
    is_right = np.array(classes, object)[predicted[has_label]] == labelled.names[labelled.codes[has_label]]
    of_labelled = None if weight is None else weight[has_label]
    right = float(np.average(is_right, weights=of_labelled))
    of_each = np.bincount(labelled.codes[has_label], of_labelled)
    of_rows = {"accuracy": right, "agreement": agreement_json(agreement)}
    document = {"data": outcome.about_data(), "seed": options.seed, "best": class_json(classifier), **of_rows}
    if out is not None:
        _write_classifier(out, classifier, outcome, proba, document)
    if options.json:
        write_json(None, document)
    else:
        _show_classifier(screen, classifier, outcome, agreement)
        screen.line(accuracy_line(right, float(of_each.max() / of_each.sum())))
        screen.announce_files(out, "model.gmm", f"labels.{options.format}", "result.json")


def _write_classifier(
    out: Path, classifier: MixtureClassifier, outcome: Outcome, proba: NDArray[Any], document: dict[str, Any]
) -> None:
    """Write the model, the predicted classes of the fitted rows, and JSON."""
    classifier.save(out / "model.gmm")
    rows, options = outcome.rows, outcome.options
    path, classes = out / f"labels.{options.format}", classifier.classes_
    labels, shown = classes[proba.argmax(axis=1)], written(proba, path, options)
    write_beside(path, rows, options.keep or (), [class_columns(rows.numbers(0, rows.n_rows), labels, classes, shown)])
    write_json(out / "result.json", document)


def _show_classifier(screen: Screen, classifier: MixtureClassifier, outcome: Outcome, agreement: Agreement) -> None:
    """Print the size of the data, the classes, and how the fitted rows are predicted."""
    for line in (outcome.size, "", *str(summary_of(classifier)).splitlines(), ""):
        screen.line(line)
    screen.agreement(agreement, outcome.options.class_column, dict(enumerate(map(str, classifier.classes_.tolist()))))


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


def _classes_of(labels: Labels, column: str) -> NDArray[Any]:
    """Return labels as classes: whole numbers if all are, else texts; None is unknown.

    Raises
    ------
    CommandError
        If they are numbers with fractions.
    """
    texts = labels.names.tolist()
    fractions = [text for text in texts if is_number(text) and not float(text).is_integer()]
    if fractions and all(map(is_number, texts)):
        raise CommandError(
            f"--class-column {column}: expected classes that are whole numbers or words, got {fractions[0]}"
        )
    classes = [int(text) for text in texts] if all(map(_INTEGER.fullmatch, texts)) else texts
    return np.array([*classes, None], dtype=object)[labels.codes]


_COMPONENTS = range(1, 10)
_MAX_COMPONENTS, _BOUND_TOL = 20, 1e-3  # of a variational fit
_TOL = 1e-5  # of a trimmed one, in nats per row


def fit(options: argparse.Namespace) -> None:
    """Run ``gmm fit``: a search, one trimmed or variational fit, or a classifier.

    Raises
    ------
    CommandError
        If no fit converged, after everything has been written and printed; and if the table or an option is invalid.
    """
    screen = Screen(options.quiet)
    check_together(options)
    if options.keep and options.out is None:
        raise UsageError("--keep: expected with --out DIR, whose table of labels the columns go to")
    names = _covariance_types(options)
    _check_single(names, options)
    if options.class_column is not None:
        _fit_classes(screen, options, names or "all")
        return
    _Drawings.check(options)
    rows = rows_to_fit(screen, options)
    out = _make_directory(options.out)
    drawings = _Drawings.of(options, out)
    result = _outcome(screen, rows, names, options)
    try:
        result.finish(screen, out)
    finally:  # also for a reader that has gone, as head -1 has
        drawings.write(result, screen)
    if not result.converged:
        raise CommandError(
            f"no fit converged in {counted(options.max_iter, 'pass', 'passes')}; the results are those of the last "
            "pass: raise --max-iter or --tol"
        )


def _covariance_types(options: argparse.Namespace) -> list[str] | None:
    """Return the covariance models by their names, among which "all" may be; None is the default."""
    names = options.covariance or ["all"]
    if options.bayesian and options.covariance is not None and (len(names) > 1 or names[0] not in CLASSIC):
        raise UsageError(f"--covariance {','.join(names)}: expected one of {', '.join(CLASSIC)} with --bayesian")
    unknown = [name for name in names if name not in (*COVARIANCE_CHOICES, "all") and not names_factors(name)]
    if unknown:
        near = suggestion(unknown[0], COVARIANCE_CHOICES)
        raise UsageError(
            f"--covariance {','.join(unknown)}: expected all, or names among {','.join(COVARIANCE_CHOICES)}{near}"
        )
    of_factors = [name for name in names if name in OF_FACTORS]
    if of_factors and options.n_factors is None:
        raise UsageError(
            f"--covariance {of_factors[0]}: expected --n-factors, or their number in the name: {of_factors[0]}2"
        )
    if not of_factors and options.n_factors is not None:
        raise UsageError(f"--n-factors: expected with --covariance {' or '.join(OF_FACTORS)}, whose factors it counts")
    return None if names == ["all"] else model_names(sorted(names, key="all".__ne__), options.n_factors or ())


def _check_single(names: Sequence[str] | None, options: argparse.Namespace) -> None:
    """Check that --trim has one mixture to fit."""
    single = len(options.components or ()) == len(names or ()) == 1 and len(options.tails or [""]) == 1
    if options.trim is not None and (not single or names == ["all"]):
        raise UsageError(
            "--trim: expected one mixture to fit, such as --components 3 --covariance full, got a search: mixtures "
            "that leave out other rows cannot be compared; fit each by itself"
        )


def _outcome(
    screen: Screen, rows: Rows, names: Sequence[str] | None, options: argparse.Namespace
) -> Result | Posterior | Trimmed:
    """Fit what the options ask for."""
    started = time.perf_counter()
    with screen.warnings(options) as warned:
        if options.bayesian:
            posterior = _posterior(screen, rows, names, options)
            return Posterior(rows, options, warned, time.perf_counter() - started, posterior)
        if options.trim is not None:
            model = _trimmed(screen, rows, names, options)
            trimmed = Trimmed(rows, options, warned, time.perf_counter() - started, model)
            screen.notes(trimmed.doubts)
            return trimmed
        search = _search(screen, rows, names, options)
        more = unsaid(search.notes, rows.notes, named=options.columns is not None)
        screen.notes(more)
        rows = replace(rows, notes=(*rows.notes, *more))
        return Result(rows, options, warned, time.perf_counter() - started, search.best, search)


def _search(
    screen: Screen, rows: Rows, names: Sequence[str] | None, options: argparse.Namespace
) -> selection.Selection:
    options.components, options.criterion = options.components or list(_COMPONENTS), options.criterion or CRITERIA[0]
    types = requested_types(names or "all", len(rows.names), limited=options.max_ratio is not None)
    shared = "criterion", "time_limit", "checkpoint", "resume", "refine", "prior", "max_ratio", "degrees_of_freedom"
    same = {name: vars(options)[name] for name in shared}
    same |= {"noise": bool(options.noise), "standardize": bool(options.scale), **_fit_parameters(options, None)}
    same["tails"] = options.tails or [NORMAL_TAILS.name]
    with screen.progress(options.components, len(types) * len(same["tails"])) as advance:
        return selection.select(rows.source, options.components, types, callback=advance, **same)


def _trimmed(screen: Screen, rows: Rows, names: Sequence[str] | None, options: argparse.Namespace) -> GaussianMixture:
    assert names is not None  # as `_check_single` says
    shared = "refine", "prior", "max_ratio", "trim"
    tails = {"tails": (options.tails or [NORMAL_TAILS.name])[0], "degrees_of_freedom": options.degrees_of_freedom}
    same = {name: vars(options)[name] for name in shared if vars(options)[name] is not None} | tails
    model = GaussianMixture(
        options.components[0], covariance_type=names[0], **same, **_own_parameters(rows, options, _TOL)
    )
    with screen.working("fitting"):
        return model.fit(rows.source)


def _posterior(
    screen: Screen, rows: Rows, names: Sequence[str] | None, options: argparse.Namespace
) -> BayesianGaussianMixture:
    model = BayesianGaussianMixture(
        n_components=min(options.max_components or _MAX_COMPONENTS, rows.n_rows),
        covariance_type=(names or [DEFAULT_COVARIANCE_TYPE])[0],
        noise=bool(options.noise),
        **_own_parameters(rows, options, _BOUND_TOL),
    )
    with screen.working("fitting"):
        return model.fit(rows.source, checkpoint=options.checkpoint, resume=options.resume)
