"""``gmm fit --class-column``: a classifier, whose classes a column of the table names."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._cli.agreement import Agreement, Labels, compare
from gmm._cli.describe import agreement_json, mixture_json
from gmm._cli.failures import CommandError
from gmm._cli.result import Outcome, fit_parameters, make_directory
from gmm._cli.rows import rows_to_fit
from gmm._cli.show import Screen
from gmm._cli.write import write_beside, write_json, written
from gmm._rows.delimited import is_number
from gmm._rows.writing import class_columns
from gmm._selection import MixtureClassifier
from gmm._selection.class_summary import accuracy_line, summary_of
from gmm._text.amounts import counted

__all__ = ["class_json", "fit_classes"]

_INTEGER = re.compile(r"0|-?[1-9]\d*")  # as it is printed again


def fit_classes(screen: Screen, options: argparse.Namespace, covariance_type: str | Sequence[str]) -> None:
    """Run ``gmm fit --class-column``.

    Raises
    ------
    CommandError
        If the table or an option is invalid.
    """
    options = argparse.Namespace(**vars(options) | {"label_column": options.class_column})
    rows = rows_to_fit(screen, options)
    assert rows.labels is not None  # the column is in the table
    labels, out, started = _classes(rows.labels, options.class_column), make_directory(options.out), time.perf_counter()
    classifier = _classifier(options, covariance_type)
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
        _write(out, classifier, outcome, proba, document)
    if options.json:
        write_json(None, document)
    else:
        _show(screen, classifier, outcome, agreement)
        screen.line(accuracy_line(right, float(of_each.max() / of_each.sum())))
        screen.announce_files(out, "model.gmm", f"labels.{options.format}", "result.json")


def _classifier(options: argparse.Namespace, covariance_type: str | Sequence[str]) -> MixtureClassifier:
    return MixtureClassifier(
        options.components or 1,
        covariance_type,
        prior=options.prior,
        standardize=bool(options.scale),
        **fit_parameters(options, None),
    )


def _write(
    out: Path, classifier: MixtureClassifier, outcome: Outcome, proba: NDArray[Any], document: dict[str, Any]
) -> None:
    """Write the model, the predicted classes of the fitted rows, and JSON."""
    classifier.save(out / "model.gmm")
    rows, options = outcome.rows, outcome.options
    path, classes = out / f"labels.{options.format}", classifier.classes_
    labels, shown = classes[proba.argmax(axis=1)], written(proba, out / f"labels.{options.format}", options)
    write_beside(path, rows, options.keep or (), [class_columns(rows.numbers(0, rows.n_rows), labels, classes, shown)])
    write_json(out / "result.json", document)


def _show(screen: Screen, classifier: MixtureClassifier, outcome: Outcome, agreement: Agreement) -> None:
    """Print the size of the data, the classes, and how the fitted rows are predicted."""
    n, d = outcome.rows.n_rows, len(outcome.rows.names)
    for line in (
        f"{outcome.source}: {counted(n, 'row')}, {counted(d, 'column')}",
        "",
        *str(summary_of(classifier)).splitlines(),
        "",
    ):
        screen.line(line)
    names = dict(enumerate(map(str, classifier.classes_.tolist())))
    screen.agreement(agreement, outcome.options.class_column, names)


def class_json(classifier: MixtureClassifier) -> dict[str, Any]:
    """Convert a classifier to JSON values; how a class was fitted is there only where that was by itself."""
    parts: Any = zip(classifier.classes_.tolist(), classifier.class_prior_.tolist(), classifier.mixtures_, strict=True)
    return {
        "loglik": classifier.log_likelihood_,
        "bic": classifier.bic_,
        "n_iter": classifier.n_iter_,
        "classes": [
            {"class": label, "prior": prior, **_without_none(mixture_json(mixture))} for label, prior, mixture in parts
        ],
    }


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _classes(labels: Labels, column: str) -> NDArray[Any]:
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
