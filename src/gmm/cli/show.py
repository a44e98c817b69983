"""What a person sees: the progress bar, the table of cells, the summary of a mixture."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from gmm import selection
from gmm.amounts import counted
from gmm.cli.agreement import Agreement
from gmm.cli.choice import choice
from gmm.cli.describe import MixtureFacts, decimals

__all__ = ["Screen"]

_COLUMNS_SHOWN = 24
_UNCUT = 10_000
_GAP = 3  # between two columns of a table
_LABELS_SHOWN = 30


class _Console(Console):
    """A console that leaves a closed pipe to the caller, where rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Screen:
    """The terminal: tables on standard output, progress and notes on standard error.

    Parameters
    ----------
    quiet : bool
        Show nothing at all.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._width = Console().width
        # As wide as a table needs: a number cut short is worse than a line that wraps.
        self._out = _Console(quiet=quiet, highlight=False, emoji=False, width=_UNCUT)
        self._err = _Console(quiet=quiet, highlight=False, emoji=False, stderr=True)

    def note(self, text: str) -> None:
        """Print one line beside the results.

        Parameters
        ----------
        text : str
            The line.
        """
        self._err.print(f"[dim]note:[/] {escape(text)}", soft_wrap=True)

    def line(self, text: str = "") -> None:
        """Print one line among the results.

        Parameters
        ----------
        text : str
            The line.
        """
        self._out.print(escape(text), soft_wrap=True)

    @contextmanager
    def progress(self, n_components: Sequence[int], n_models: int) -> Iterator[Callable[[selection.Progress], None]]:
        """Show a bar on a terminal while cells are fitted; nothing elsewhere.

        Parameters
        ----------
        n_components : sequence of int
            The numbers of components, in the order of their fits.
        n_models : int
            How many cells there are of each.

        Yields
        ------
        callable
            To be called with each finished cell.
        """
        bar = Progress(
            TextColumn("fitting"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}"),
            console=self._err,
            transient=True,
            expand=True,
            disable=self._quiet or not sys.stderr.isatty(),
        )
        begun = [f"K={k}" for k in n_components]
        with bar:
            task = bar.add_task("fitting", total=len(begun) * n_models, now=begun[0])

            def advance(done: selection.Progress) -> None:
                count = done.cell + 1
                now = begun[count // n_models] if count < done.n_cells else "improving the best"
                bar.update(task, completed=count, now=now)

            yield advance

    def cells(self, found: selection.Selection) -> None:
        """Print the table of cells: a grid of the criterion if there are many, and the best of them.

        Parameters
        ----------
        found : Selection
            The search.
        """
        for line in choice(found, self._width):
            self._out.print(line)

    def mixture(self, facts: MixtureFacts, counts: NDArray[np.int64] | None = None) -> None:
        """Print a mixture's weights, means and spreads, by column name.

        Parameters
        ----------
        facts : MixtureFacts
            The mixture.
        counts : ndarray of int, shape (K,), default=None
            Rows per component, by their most probable one.
        """
        for number, part in enumerate(_fitting(_columns_of_mixture(facts), self._width)):
            if number:
                self.line()
            self._table(_mixture_table(facts, counts, part))
        hidden = len(facts.names) - _COLUMNS_SHOWN
        if hidden > 0:
            self.line(f"… and {counted(hidden, 'more column')} (--json prints all)")

    def agreement(self, agreement: Agreement, name: str) -> None:
        """Print the cross-table of labels and components.

        Parameters
        ----------
        agreement : Agreement
            The comparison.
        name : str
            The label column's name.
        """
        table = _table()
        table.add_column(escape(name))
        for k in range(agreement.counts.shape[1]):
            table.add_column(str(k), justify="right")
        pairs = zip(agreement.labels, agreement.counts, strict=True)
        for label, counts in islice(pairs, _LABELS_SHOWN):
            table.add_row(escape(label), *(str(n) if n else "[dim]·[/]" for n in counts))
        self._table(table)
        hidden = len(agreement.labels) - _LABELS_SHOWN
        if hidden > 0:
            self.line(f"… and {counted(hidden, 'more label')}")
        beside = f" ({counted(agreement.n_unlabelled, 'row')} without a label left out)"
        self.line(
            f"adjusted Rand index {agreement.adjusted_rand_index:.4f}" + (beside if agreement.n_unlabelled else "")
        )

    def _table(self, table: Table) -> None:
        """Print a table without the blanks that fill its last column."""
        with self._out.capture() as printed:
            self._out.print(table)
        for line in Text.from_ansi(printed.get().rstrip("\n")).split("\n"):
            line.rstrip()
            self._out.print(line, soft_wrap=True)


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")


def _columns_of_mixture(facts: MixtureFacts) -> list[tuple[str, list[str]]]:
    """Return one column of text for each of the first data columns, and one for correlations where there are any."""
    columns = [
        (name, _mean_and_spread(facts.model.means_[:, j], facts.spreads[:, j]))
        for j, name in enumerate(facts.names[:_COLUMNS_SHOWN])
    ]
    if any(facts.strongest):
        told = [_correlation(facts, pair) for pair in facts.strongest]
        title = "correlation" if len(facts.names) == 2 else "strongest correlation"
        columns.append((title, told))
    return columns


def _correlation(facts: MixtureFacts, pair: tuple[int, int, float] | None) -> str:
    if pair is None:
        return ""
    i, j, value = pair
    between = "" if len(facts.names) == 2 else f" {facts.names[i]}, {facts.names[j]}"
    return f"{value:+.2f}{between}"


def _mean_and_spread(means: NDArray[np.floating], spreads: NDArray[np.float64]) -> list[str]:
    """Write means and spreads of a column with decimals that suit the usual spread."""
    suited = decimals(float(np.median(spreads)), float(np.abs(means).max()))
    mean, spread = (".6g", ".3g") if suited is None else (f".{suited}f", f".{suited}f")
    return [f"{m:{mean}} ± {s:{spread}}" for m, s in zip(means, spreads, strict=True)]


def _fitting(columns: Sequence[tuple[str, list[str]]], width: int) -> Iterator[Sequence[tuple[str, list[str]]]]:
    """Split columns into tables that fit the terminal beside the components' own columns."""
    part: list[tuple[str, list[str]]] = []
    used = margin = len("component   weight   ") + 7  # and the rows
    for name, entries in columns:
        needed = max(len(name), *map(len, entries)) + _GAP
        if part and used + needed > width:
            yield part
            part, used = [], margin
        part.append((name, entries))
        used += needed
    yield part


def _mixture_table(
    facts: MixtureFacts, counts: NDArray[np.int64] | None, part: Sequence[tuple[str, list[str]]]
) -> Table:
    table = _table()
    table.add_column("component", justify="right")
    table.add_column("weight", justify="right")
    if counts is not None:
        table.add_column("rows", justify="right")
    for name, _ in part:
        table.add_column(escape(name), justify="left" if "correlation" in name else "right")
    for k, weight in enumerate(facts.model.weights_):
        beside = [] if counts is None else [str(counts[k])]
        table.add_row(str(k), f"{weight:.4f}", *beside, *(escape(entries[k]) for _, entries in part))
    return table
