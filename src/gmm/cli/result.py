"""What a finished ``gmm fit`` has to give: files, JSON, tables on the screen; the report is made of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
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
    crowded_sentence,
    ended,
    finite_or_none,
    mixture_json,
)
from gmm.cli.rows import Rows
from gmm.cli.show import Screen
from gmm.cli.write import labels_table, table_to, to_json
from gmm.estimators.criteria import CRITERIA
from gmm.estimators.mixture import GaussianMixture
from gmm.text.amounts import counted

__all__ = ["Result"]

_BUNDLED = "Old Faithful"
_BLOCK = 1 << 16  # rows whose responsibilities are there at once


@dataclass(frozen=True, eq=False)
class Result:
    """A finished search over a table's rows, as files, JSON and tables.

    Attributes
    ----------
    rows : Rows
        What was fitted.
    found : Selection
        The search.
    options : argparse.Namespace
        The options of ``gmm fit``.
    notes : tuple of str
        What was told of the table: columns and rows that were left out.
    warnings : tuple of str
        Of the fits.
    seconds : float
        What the search took.
    """

    rows: Rows
    found: selection.Selection
    options: argparse.Namespace
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float

    @property
    def model(self) -> GaussianMixture:
        """The mixture that was chosen."""
        return self.found.best

    @property
    def source(self) -> str:
        """Where the rows came from."""
        return self.options.file or _BUNDLED

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The most probable component of each row, (n,)."""
        return np.asarray(self.model.predict(self.rows.frame))

    @cached_property
    def certainty(self) -> NDArray[np.float64]:
        """The largest responsibility of each row, (n,): how probable its component is."""
        rows = self.rows
        parts = (rows.part(slice(first, first + _BLOCK)) for first in range(0, len(rows.values), _BLOCK))
        return np.concatenate([self.model.predict_proba(part).max(axis=1) for part in parts], dtype=np.float64)

    @cached_property
    def agreement(self) -> Agreement | None:
        """How well components agree with the label column, where there is one."""
        if self.rows.labels is None:
            return None
        return compare(self.rows.labels, self.labels, self.model.n_components)

    @property
    def unit(self) -> str:
        """What a log-likelihood is counted by: the row, or the unit of weight where rows have weights."""
        return "row" if self.rows.weights is None else "unit weight"

    def drawn(self, draw: Callable[..., Any], **options: Any) -> Any:
        """Draw the chosen mixture with its rows, as they weigh.

        Parameters
        ----------
        draw : callable
            One of `gmm.plotting` that takes a mixture and rows.
        **options
            What else it is to know.

        Returns
        -------
        Axes or ndarray of Axes
        """
        return draw(self.model, self.rows.frame, sample_weight=self.rows.weights, **options)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Rows per component, by their most probable one, (K,)."""
        return np.bincount(self.labels, minlength=self.model.n_components)

    @property
    def total_weight(self) -> float:
        """The sum of the weights; the number of rows where there are none."""
        weights = self.rows.weights
        return float(len(self.rows.values) if weights is None else weights.sum())

    @property
    def doubt(self) -> str:
        """What is to be said of a mixture with as many parameters as rows, or more; empty of others."""
        rows = "rows" if self.rows.weights is None else "units of weight"
        return crowded_sentence(int(self.model.n_parameters_), self.total_weight, rows)

    def write(self, out: Path, kind: str) -> None:
        """Write the four files of a result.

        Parameters
        ----------
        out : Path
            The directory.
        kind : {"csv", "parquet"}
            Of the labels.
        """
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
        """Return everything as JSON values.

        Returns
        -------
        dict
            What was read, all cells, the chosen mixture, the agreement with labels.
        """
        best = self.found.best_index
        agreement = self.agreement
        return {
            "data": {
                "file": self.source,
                "n_rows": len(self.rows.values),
                "columns": list(self.rows.names),
                "total_weight": self.total_weight,
                "notes": list(self.notes),
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
        """Print what was read, the table of cells, the chosen mixture.

        Parameters
        ----------
        screen : Screen
            Where to.
        out : Path or None
            Where files were written.
        """
        n, d = self.rows.values.shape
        screen.line(f"{self.source}: {counted(n, 'row')}, {counted(d, 'column')}")
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
        return (
            f"{counted(model.n_components, 'component')}, {model.covariance_type}{prior}: "
            f"{ended(model)}, log-likelihood {loglik:.2f} "
            f"({loglik / self.total_weight:.4f} per {self.unit})"
        )
