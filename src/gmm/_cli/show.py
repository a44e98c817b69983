"""Terminal output: the progress bar, the table of cells and the summary of a mixture."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from math import nan
from threading import Timer
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from gmm import _selection as selection
from gmm._cli.describe import Agreement, MixtureFacts
from gmm._cli.failures import in_options
from gmm._estimators.criteria import title
from gmm._estimators.fitted import FittedMixture
from gmm._selection import Selection
from gmm._selection.result import Grid, advice, certainty, distinct, failures, incomplete, legend, ranking
from gmm._text.words import counted, duration, form_of, plus_minus, printable, printable_lines
from gmm._values.covariance import Factors

_TOP = 10  # cells listed below the grid
_FEW = 12  # up to this many cells, all are listed and there is no grid
_GAPS = (3, 2)  # between two columns of the list; the first that fits is used
_BEST, _PROBLEM, _FAINT, _DOUBT = "bold green", "red", "dim", "bold yellow"


def choice(search: Selection, width: int) -> Iterator[Text | Table]:
    """Lay out a search as tables and lines of text, from top to bottom.

    Parameters
    ----------
    search : Selection
    width : int
        Maximum number of characters in a line.

    Yields
    ------
    Text or Table
    """
    many = len(search.status) > _FEW
    if many:
        yield from _grid(Grid.of(search, width))
        yield Text()
    best, omitted = _ranking(search, distinct(search)[:_TOP] if many else search.ranked(), width)
    yield best
    marks = [*legend(search, of_grid=many), *certainty(search)]
    if omitted:
        marks.append(f"too narrow to show {', '.join(omitted)} (see --json)")
    together = "   ".join(marks)
    yield from (Text(line, _FAINT) for line in ([together] if 0 < len(together) <= width else marks))
    yield from (Text(in_options(line), _DOUBT) for line in advice(search))
    yield from (Text(line, _PROBLEM) for line in failures(search))
    if not search.complete:
        yield Text(incomplete(search), _DOUBT)


def _table(
    columns: Iterable[Sequence[str | Text]], left: Collection[int] = (), *, gap: int = _GAPS[0], best: int | None = None
) -> Table:
    """Lay out columns, each a heading and its entries, with a rule below the headings.

    Parameters
    ----------
    columns : iterable of sequences
    left : collection of int
        Columns that stand to the left.
    gap : int
        Characters between two columns, 1 to 3.
    best : int, optional
        The row to highlight.
    """
    table = Table(box=SIMPLE_HEAD, padding=(0, gap // 2, 0, (gap - 1) // 2), pad_edge=False, show_edge=False)
    texts = [[Text(printable(entry)) if isinstance(entry, str) else entry for entry in column] for column in columns]
    for j, (heading, *_) in enumerate(texts):
        table.add_column(heading, justify="left" if j in left else "right")
    for i, row in enumerate(zip(*(entries for _, *entries in texts), strict=True)):
        table.add_row(*row, style=_BEST if i == best else None)
    return table


def _grid(grid: Grid) -> Iterator[Text | Table]:
    yield Text(grid.caption, "italic")
    for first in range(0, len(grid.headings), grid.many):
        if first:
            yield Text()
        columns: list[list[str | Text]] = [[grid.corner, *grid.names]]
        for j, heading in enumerate(grid.headings[first : first + grid.many], first):
            cells = (row[j] for row in grid.rows)
            texts = (Text(cell.text, _BEST if cell.best else _PROBLEM * cell.failed) for cell in cells)
            columns.append([heading.rjust(grid.size - 1), *texts])
        yield _table(columns, [0] if grid.models_down else (), gap=1)


def _ranking(search: Selection, cells: Sequence[int], width: int) -> tuple[Table, list[str]]:
    """Tabulate cells; also return the criteria for which there is no room."""
    columns = ranking(search, cells)
    omitted: list[str] = []
    gap = next((gap for gap in _GAPS if _width(columns, gap) <= width), _GAPS[-1])
    while _width(columns, gap) > width and columns[-1][0] != f"Δ{title(search.criterion)}":
        omitted.insert(0, columns.pop()[0])
    left = [j for j, (name, *_) in enumerate(columns) if name == "model"]
    best = cells.index(search.best_index) if search.best_index in cells else None
    return _table(columns, left, gap=gap, best=best), omitted


def _width(columns: Iterable[Sequence[str]], gap: int = _GAPS[0]) -> int:
    """Characters of a line of columns, with a gap behind each but the last."""
    return sum(max(map(cell_len, column)) + gap for column in columns) - gap


_COLUMNS_SHOWN = 24
_PATIENCE = 1.0  # seconds without a word
_UNCUT = 10_000
_LABELS_SHOWN = 30
_LOADINGS_SHOWN = 30


class _Console(Console):
    """A console that raises BrokenPipeError, where rich itself would exit with code 1, and shows no control characters.

    All text goes through `render_str`.
    """

    def render_str(self, text: str, **how: Any) -> Text:
        """Make text of a string."""
        return super().render_str(printable_lines(text), **how)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Screen:
    """Terminal output: tables go to standard output, progress and notes to standard error.

    Parameters
    ----------
    quiet : bool
        Print nothing.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._width = Console().width
        # Wide enough for any table: wrapped lines are better than truncated numbers.
        self._out = _Console(quiet=quiet, highlight=False, emoji=False, width=_UNCUT)
        self._err = _Console(quiet=quiet, highlight=False, emoji=False, stderr=True)

    def note(self, text: str) -> None:
        """Print a note on standard error; a sentence loses its capital letter and its full stop."""
        first = text[:1].lower() if text[1:2].islower() else text[:1]
        self._err.print(f"[dim]note:[/] {escape((first + text[1:]).removesuffix('.'))}", soft_wrap=True)

    def notes(self, texts: Iterable[str]) -> None:
        """Print several notes."""
        for text in texts:
            self.note(text)

    def line(self, text: str = "") -> None:
        """Print a line of the results."""
        self._out.print(escape(text), soft_wrap=True)

    @contextmanager
    def warnings(self, options: argparse.Namespace) -> Iterator[list[str]]:
        """Print the warnings of a fit as notes behind it; the list has them then."""
        texts: list[str] = []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield texts
        for text, times in Counter(str(warning.message) for warning in caught).items():
            text = in_options(text, options)
            texts.append(text if times == 1 else f"{text} ({times} times)")
        self.notes(texts)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Say what is being done, and for how long, if it takes more than a second and standard error is a terminal."""
        if self._quiet or not sys.stderr.isatty():
            yield
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        status = Progress(*columns, console=self._err, transient=True)
        status.add_task(what)
        patience = Timer(_PATIENCE, status.start)
        patience.daemon = True
        patience.start()
        try:
            yield
        finally:
            patience.cancel()
            patience.join()
            status.stop()

    @contextmanager
    def progress(self, n_components: Sequence[int], n_models: int) -> Iterator[Callable[[selection.Progress], None]]:
        """Show a progress bar during a search if standard error is a terminal.

        Parameters
        ----------
        n_components : sequence of int
            Numbers of components in the order in which they are fitted.
        n_models : int
            Number of covariance models.

        Yields
        ------
        callable
            The callback for the search, called after each cell.
        """
        bar = Progress(
            SpinnerColumn(),
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
        labels = [f"K={k}" for k in n_components]
        with nullcontext() if bar.disable else bar:  # rich before 14.3 ends a bar without a terminal by an empty line
            task = bar.add_task("fitting", total=len(labels) * n_models, now=labels[0])
            seconds = dict[int, float]()  # of each cell that is finished on all rows

            def advance(state: selection.Progress) -> None:
                if state.readings and not seconds:
                    self.note(f"the best models are finished on all rows: about {state.readings} readings of the file")
                if state.readings and state.iteration is None:
                    seconds[state.cell] = nan
                    return
                if state.iteration is not None:
                    seconds[state.cell] = state.seconds_left
                    bar.update(task, now=_pace(state, list(seconds.values())))
                    return
                count = state.cell + 1
                if state.fold:
                    bar.update(task, completed=count, now=f"fold {state.fold}, K={state.n_components}")
                    return
                now = labels[count // n_models] if count < state.n_cells else "improving the best"
                bar.update(task, completed=count, now=now)

            yield advance

    def cells(self, search: selection.Selection) -> None:
        """Print the cells of a search: a grid of the criterion if there are many, and the best cells."""
        for part in choice(search, self._width):
            self._show(part)

    def mixture(
        self, model: FittedMixture, counts: NDArray[np.int64] | None = None, shown: Sequence[int] | None = None
    ) -> None:
        """Print the weights, means and standard deviations of a mixture.

        Parameters
        ----------
        model : FittedMixture
        counts : ndarray of int, shape (K,), default=None
            Number of rows per component.
        shown : sequence of int, default=None
            The components to print; None prints all.
        """
        facts = MixtureFacts(model)
        shown = range(model.n_components) if shown is None else shown
        columns = [["weight", *(f"{model.weights_[k]:.4f}" for k in shown)]]
        columns += [] if counts is None else [["rows", *(str(counts[k]) for k in shown)]]
        labels = [["component", *map(str, shown)], *columns]
        for j, name in enumerate(facts.names[:_COLUMNS_SHOWN]):
            entries = plus_minus(model.means_[:, j], facts.spreads[:, j])
            columns.append([printable(name), *(entries[k] for k in shown)])
        correlations = [_correlation(facts, facts.strongest_correlations[k]) for k in shown]
        title = "correlation" if len(facts.names) == 2 else "strongest correlation"
        beside = [[title, *correlations]] if any(correlations) else []
        tables = _tables(labels, [*columns[len(labels) - 1 :], *beside], self._width)
        names, *rows = zip(*columns, strict=True)
        down = _tables(
            [["component", *names]], [[str(k), *row] for k, row in zip(shown, rows, strict=True)], self._width
        )
        turned = len(down) < len(tables)
        for number, table in enumerate(down if turned else tables):
            if number:
                self.line()
            self._show(table)
        for k, text in zip(shown, correlations if turned else (), strict=False):
            self.line(f"{title} of component {k}: {text}" if text else "")
        hidden = len(facts.names) - _COLUMNS_SHOWN
        if hidden > 0:
            self.line(f"… and {counted(hidden, 'more column')} (--json prints all)")
        if facts.factors is not None:
            self._factors(facts, facts.factors, shown)

    def _factors(self, facts: MixtureFacts, factors: Factors, shown: Sequence[int]) -> None:
        """Print the loadings, and the standard deviations of the noise beside them."""
        labels, values = [["component"], ["loadings"]], list[NDArray[np.float64]]()
        for k in shown:
            loadings = factors.loadings[k].T
            labels[0] += [str(k)] * (len(loadings) + 1)
            labels[1] += [*(f"factor {j}" for j in range(len(loadings))), "noise ±"]
            values += [*loadings, np.sqrt(factors.noise[k])]
        table = np.array(values[:_LOADINGS_SHOWN])
        columns = [[name, *_in_decimals(table[:, j])] for j, name in enumerate(facts.names[:_COLUMNS_SHOWN])]
        for part in _tables([label[: len(table) + 1] for label in labels], columns, self._width):
            self.line()
            self._show(part)
        if len(values) > _LOADINGS_SHOWN:
            self.line(f"… and {counted(len(values) - _LOADINGS_SHOWN, 'more row')} of loadings (--json prints all)")

    def agreement(self, agreement: Agreement, name: str, columns: Mapping[int, str]) -> None:
        """Print the cross-table of labels and some columns, by their headings; `name` is that of the label column."""
        named: list[list[str | Text]] = [[name, *agreement.labels[:_LABELS_SHOWN]]]
        for j, heading in columns.items():
            counts = agreement.counts[:_LABELS_SHOWN, j]
            named.append([Text(heading), *(Text(str(n)) if n else Text("·", _FAINT) for n in counts)])
        wide = len(columns) > _COLUMNS_SHOWN
        if wide:
            self.line(f"table of labels with {counted(len(columns), 'column')} left out (--json prints all)")
        else:
            self._show(_table(named, [0]))
        hidden = 0 if wide else len(agreement.labels) - _LABELS_SHOWN
        if hidden > 0:
            self.line(f"… and {counted(hidden, 'more label')}")
        n = agreement.n_unlabelled
        apart = f" of the labelled rows; {counted(n, 'row')} {'has' if n == 1 else 'have'} no label" if n else ""
        self.line(f"adjusted Rand index {agreement.adjusted_rand_index:.4f}{apart}")

    def _show(self, part: Table | Text) -> None:
        """Print a table or a line without trailing spaces."""
        with self._out.capture() as printed:
            self._out.print(Text(printable_lines(part.plain), part.style) if isinstance(part, Text) else part)
        for line in Text.from_ansi(printed.get().rstrip("\n")).split("\n"):
            line.rstrip()
            self._out.print(line, soft_wrap=True)


def _correlation(facts: MixtureFacts, pair: tuple[int, int, float] | None) -> str:
    if pair is None:
        return ""
    i, j, value = pair
    between = "" if len(facts.names) == 2 else f" {printable(facts.names[i])}, {printable(facts.names[j])}"
    return f"{value:+.2f}{between}"


def _in_decimals(values: NDArray[np.float64]) -> list[str]:
    largest = float(np.abs(values).max())
    return [f"{value:{form_of(largest, largest)}}" for value in values]


def _tables(labels: Sequence[list[str]], columns: Sequence[list[str]], width: int) -> list[Table]:
    """Lay out columns beside those that label the rows, in as many tables below each other as the width needs."""
    parts: list[list[list[str]]] = [[]]
    for column in columns:
        if parts[-1] and _width([*labels, *parts[-1], column]) + _GAPS[0] > width:
            parts.append([])
        parts[-1].append(column)
    tables = []
    for part in parts:
        together = [*labels, *part]
        is_text = [any("correlation" in text or text in ("loadings", "weight") for text in each) for each in together]
        tables.append(_table(together, np.flatnonzero(is_text)))
    return tables


def _pace(state: selection.Progress, seconds: list[float]) -> str:
    """Say how far the cells have come on all rows, of which each needs so many seconds more."""
    assert state.iteration is not None  # it is of a pass over all rows
    pace, longest = f"all rows, pass {state.iteration.n_iter}: {state.rows_per_second:,.0f} rows/s", np.max(seconds)
    return pace if np.isnan(longest) else f"{pace}, {duration(longest)} left"
