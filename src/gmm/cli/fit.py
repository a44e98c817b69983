"""``gmm fit``: read, search, write, show."""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gmm import selection
from gmm.cli.agreement import Agreement, compare
from gmm.cli.describe import (
    MixtureFacts,
    agreement_json,
    cells_json,
    counted,
    ended,
    finite_or_none,
    mixture_json,
)
from gmm.cli.failures import CommandError, UsageError
from gmm.cli.rows import Rows, numeric_rows
from gmm.cli.show import Screen
from gmm.cli.tables import faithful, read
from gmm.cli.write import labels_table, table_to, to_json
from gmm.covariance import COVARIANCE_TYPES, PARSIMONIOUS, covariance_model, same_as
from gmm.criteria import CRITERIA
from gmm.mixture import GaussianMixture

__all__ = ["fit"]

BUNDLED = "Old Faithful"


def fit(options: argparse.Namespace) -> int:
    """Fit every requested cell to a table, choose, write and show.

    Parameters
    ----------
    options : argparse.Namespace
        The options of ``gmm fit``.

    Returns
    -------
    int
        0; 1 when no cell converged, after everything has been written and shown.
    """
    screen = Screen(options.quiet)
    names = _covariance_types(options)
    table, notes = (faithful(), ()) if options.file is None else read(options.file)
    rows = numeric_rows(
        table,
        columns=options.columns,
        exclude=options.exclude or (),
        label_column=options.label_column,
        weight_column=options.weight_column,
        drop_missing=options.drop_missing,
    )
    for note in (*notes, *rows.notes):
        screen.note(note)
    out = _directory(options.out)
    types = _distinct_types(len(rows.names)) if names is None else names
    found = _search(screen, rows, types, options)
    report = _Report(rows, found, options)
    if out is not None:
        report.write(out, options.format)
    if options.json:
        to_json(None, report.document())
    else:
        report.show(screen, out)
    return _verdict(found, options)


@dataclass(frozen=True, eq=False)
class _Report:
    """A finished search over a table's rows, as files, JSON and tables."""

    rows: Rows
    found: selection.Selection
    options: argparse.Namespace

    @property
    def model(self) -> GaussianMixture:
        return self.found.best

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        return np.asarray(self.model.predict(self.rows.frame))

    @cached_property
    def agreement(self) -> Agreement | None:
        if self.rows.labels is None:
            return None
        return compare(self.rows.labels, self.labels, self.model.n_components)

    @property
    def counts(self) -> NDArray[np.int64]:
        return np.bincount(self.labels, minlength=self.model.n_components)

    def write(self, out: Path, kind: str) -> None:
        """Write the four files of a result."""
        self.model.save(out / "model.gmm")
        proba = self.model.predict_proba(self.rows.frame)
        table_to(out / f"labels.{kind}", labels_table(self.rows.numbers, self.labels, proba))
        cells = [
            {name: value for name, value in cell.items() if name not in ("seconds", "best")}
            for cell in cells_json(self.found)
        ]
        table_to(out / "criteria.csv", pa.Table.from_pylist(cells))
        to_json(out / "result.json", self.document())

    def document(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        best = self.found.best_index
        agreement = self.agreement
        return {
            "data": {
                "file": self.options.file or BUNDLED,
                "n_rows": len(self.rows.values),
                "columns": list(self.rows.names),
                "total_weight": float(self._total_weight()),
                "notes": list(self.rows.notes),
            },
            "seed": self.options.seed,
            "criterion": self.found.criterion,
            "prior": self.options.prior,
            "complete": self.found.complete,
            "best": {
                **mixture_json(self.model),
                "loglik": finite_or_none(self.found.loglik[best]),
                **{name: finite_or_none(getattr(self.found, name)[best]) for name in CRITERIA},
                "status": self.found.status[best],
                "rows_per_component": self.counts.tolist(),
            },
            "cells": cells_json(self.found),
            "agreement": None if agreement is None else agreement_json(agreement),
        }

    def show(self, screen: Screen, out: Path | None) -> None:
        """Print what was read, the table of cells, the chosen mixture."""
        n, d = self.rows.values.shape
        screen.line(f"{self.options.file or BUNDLED}: {counted(n, 'row')}, {counted(d, 'column')}")
        screen.line()
        screen.cells(self.found)
        screen.line()
        screen.line(self._headline())
        screen.line()
        screen.mixture(MixtureFacts.of(self.model), self.counts)
        agreement = self.agreement
        if agreement is not None:
            screen.line()
            screen.agreement(agreement, self.options.label_column)
        if out is not None:
            screen.line()
            files = ("model.gmm", f"labels.{self.options.format}", "criteria.csv", "result.json")
            screen.line(f"written to {out}: {', '.join(files)}")

    def _headline(self) -> str:
        model, loglik = self.model, self.found.loglik[self.found.best_index]
        prior = "" if self.options.prior is None else f", {self.options.prior} prior"
        each = "unit weight" if self.rows.weights is not None else "row"
        return (
            f"{counted(model.n_components, 'component')}, {model.covariance_type}{prior}: "
            f"{ended(model)}, log-likelihood {loglik:.2f} "
            f"({loglik / self._total_weight():.4f} per {each})"
        )

    def _total_weight(self) -> float:
        weights = self.rows.weights
        return float(len(self.rows.values) if weights is None else weights.sum())


def _covariance_types(options: argparse.Namespace) -> list[str] | None:
    """The names that were given, checked; None for all."""
    option = "--covariance" if options.models is None else "--models"
    names = options.covariance or options.models or ["all"]
    unknown = [name for name in names if name not in (*COVARIANCE_TYPES, "all")]
    if unknown:
        raise UsageError(f"{option} {','.join(unknown)}: expected all, or some of {','.join(COVARIANCE_TYPES)}")
    return None if "all" in names else list(dict.fromkeys(names))


def _distinct_types(n_columns: int) -> list[str]:
    """All models; of one column there are fewer that differ."""
    return list(dict.fromkeys(same_as(covariance_model(name), 2, n_columns).name for name in PARSIMONIOUS))


def _directory(path: str | None) -> Path | None:
    """Make the directory before the work, so that a bad path costs nothing."""
    if path is None:
        return None
    out = Path(path)
    out.mkdir(parents=True, exist_ok=True)
    return out


def _search(screen: Screen, rows: Rows, types: Sequence[str], options: argparse.Namespace) -> selection.Selection:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with screen.progress(options.components, len(types)) as advance:
            found = selection.select(
                rows.frame,
                options.components,
                types,
                criterion=options.criterion,
                n_init=options.n_init,
                random_state=options.seed,
                n_threads=options.threads,
                sample_weight=rows.weights,
                callback=advance,
                time_limit=options.time_limit,
                max_iter=options.max_iter,
                tol=options.tol,
                refine=options.refine,
                reg_covar=options.reg_covar,
                prior=options.prior,
            )
    for text, times in Counter(str(warning.message) for warning in caught).items():
        screen.note(text if times == 1 else f"{text} ({times} times)")
    return found


def _verdict(found: selection.Selection, options: argparse.Namespace) -> int:
    if any(mixture is not None and mixture.converged_ for mixture in found.estimators):
        return 0
    raise CommandError(
        f"no cell converged in {options.max_iter} passes; the results are those of the last "
        "pass: raise --max-iter or --tol"
    )
