"""The result of ``gmm fit``: files, JSON and tables in the terminal; reports are made from it."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gmm._caching import cached_property
from gmm._cli.agreement import Agreement, compare
from gmm._cli.describe import (
    MixtureFacts,
    agreement_json,
    cells_json,
    clusters_sentence,
    ending,
    finite_or_none,
    mixture_json,
)
from gmm._cli.failures import CommandError
from gmm._cli.rows import Rows
from gmm._cli.show import Screen
from gmm._cli.write import predicted, scorer_of, write_json, write_predictions, write_table
from gmm._estimators.bayesian import BayesianGaussianMixture
from gmm._estimators.fitted import past_of
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.summary import log_likelihood_of
from gmm._rows.reweighed import reweighed
from gmm._selection import Selection
from gmm._text.amounts import counted
from gmm._uses.combining import CombinedComponents, combine_components

__all__ = ["MixtureOutcome", "Outcome", "Posterior", "Result", "fit_parameters", "make_directory"]

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
    """A fitted mixture with its rows and options."""

    @property
    @abstractmethod
    def model(self) -> GaussianMixture | BayesianGaussianMixture:
        """The mixture."""

    @property
    def converged(self) -> bool:
        """Whether a fit converged."""
        return self.model.converged_

    @property
    def searched(self) -> str:
        """The covariance model, as it was fitted."""
        return self.model.covariance_type

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
        labels, keep = out / f"labels.{kind}", self.options.keep or ()
        write_predictions(labels, self.model, self.rows, left_out=self.left_out, keep=keep)
        write_json(out / "result.json", self.document())
        return ["model.gmm", f"labels.{kind}", "result.json"]

    def show(self, screen: Screen) -> None:
        """Print the size of the data, the mixture and its agreement with labels, if there are any."""
        n, d = self.rows.n_rows, len(self.rows.names)
        screen.line(f"{self.source}: {counted(n, 'row')}, {counted(d, 'column')}")
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
    search : Selection
    """

    search: Selection

    @property
    def model(self) -> GaussianMixture:
        """The chosen mixture."""
        return self.search.best

    @property
    def searched(self) -> str:
        """The chosen covariance model, and whether it is one of standardised columns."""
        name = self.search.kinds[self.search.best_index]
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
    mixture : BayesianGaussianMixture
    """

    mixture: BayesianGaussianMixture

    @property
    def model(self) -> BayesianGaussianMixture:
        """The mixture."""
        return self.mixture

    @cached_property
    def shown(self) -> list[int]:
        """Components that expect a row or more, and those that rows belong to."""
        return ((np.asarray(self.model.counts_) >= 1) | (self.counts > 0)).nonzero()[0].tolist()

    def document(self) -> dict[str, Any]:
        """Convert the result to JSON values."""
        document, expected = super().document(), np.asarray(self.model.counts_, dtype=np.float64).tolist()
        effective = {"n_effective_components": self.model.n_effective_components_, "expected_rows": expected}
        document["best"] |= effective
        return document

    @property
    def headline(self) -> str:
        """The mixture in one line."""
        components = f"{counted(len(self.shown), 'component')} of {self.model.n_components} in use{self._in_clusters}"
        bound = f"lower bound of the log evidence {self.model.lower_bound_:.2f}"
        return f"{components}, {self.model.covariance_type}{self.beside}: {ending(self.model)}, {bound}"


def fit_parameters(options: argparse.Namespace, tol: float | None) -> dict[str, Any]:
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


def make_directory(path: str | None) -> Path | None:
    """Make the directory of the results, if there is one."""
    if path is None:
        return None
    out = Path(path)
    if out.is_file():
        raise CommandError(f"--out {path}: expected a directory, got a file")
    out.mkdir(parents=True, exist_ok=True)
    return out
