"""Terminal output: the progress bar, the table of cells and the summary of a mixture."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain, islice
from threading import Timer
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from gmm import BayesianGaussianMixture, GaussianMixture, Selection
from gmm import Progress as Reached
from gmm._cli.arguments import in_options
from gmm._text.table import NUMBER, TEXT, Cell, Column, Table
from gmm._text.words import counted, form_of, in_one_line, omissions, plus_minus, printable, printable_lines

_TOP = 10  # cells listed below the grid
_FEW = 12  # up to this many cells, all are listed and there is no grid
_GAPS = (3, 2)  # between two columns of the list; the first that fits is used
_FAINT, _DOUBT, _PROBLEM = "dim", "bold yellow", "red"
Mixture: TypeAlias = GaussianMixture | BayesianGaussianMixture
Correlation: TypeAlias = tuple[int, int, float]  # of a column with another
_STYLES = {"best": "bold green", "failed": _PROBLEM, "zero": _FAINT}  # of cells, by their kinds


def choice(search: Selection, width: int) -> Iterator[Text]:
    """Lay out a search as lines, from top to bottom.

    Parameters
    ----------
    search : Selection
    width : int
        Maximum number of characters in a line.

    Yields
    ------
    Text
    """
    many, remarks = len(search.status) > _FEW, search.remarks()
    grids = search.tables(width) if many else []
    for grid in grids:
        yield from drawn(grid._replace(notes=()), 1)
        yield Text()
    best = search.ranking(search.ranked(distinct=True)[:_TOP] if many else search.ranked())
    columns, omitted = list(best.columns), list[str]()
    gap = next((gap for gap in _GAPS if _width(columns, gap) <= width), _GAPS[-1])
    while _width(columns, gap) > width and not columns[-1].heading.startswith("Δ"):
        omitted.insert(0, columns.pop().heading)
    yield from drawn(best._replace(columns=columns, caption="", notes=()), gap)
    marks = [*(grids[-1] if many else best).notes, *remarks.certainty]
    if omitted:
        marks.append(f"too narrow to show {', '.join(omitted)} (see --json)")
    yield from (Text(line, _FAINT) for line in in_one_line(marks, width))
    yield from (Text(printable_lines(in_options(line)), _DOUBT) for line in remarks.advice)
    yield from (Text(printable_lines(line), _PROBLEM) for line in remarks.failures)
    if not search.complete:
        yield Text(remarks.incomplete, _DOUBT)


def drawn(table: Table, gap: int = _GAPS[0]) -> Iterator[Text]:
    """Yield the lines of a table, with a rule below the headings and `gap` characters between two columns."""
    if table.caption:
        yield Text(table.caption, "italic")
    for number, cells in enumerate(zip(*(column.padded(cell_len) for column in table.columns), strict=True), -1):
        style = "bold" if number < 0 else _STYLES["best"] if number == table.best else ""
        yield Text(" " * gap, style).join(map(_text, cells))
        if number < 0:
            yield Text("─" * _width(table.columns, gap))
    yield from map(Text, table.notes)


def _text(cell: Cell) -> Text:
    return Text(cell.text, next((_STYLES[kind] for kind in cell.kind.split() if kind in _STYLES), ""))


def _width(columns: Sequence[Column], gap: int = _GAPS[0]) -> int:
    """Characters of a line of columns, with a gap behind each but the last."""
    return sum(column.width(cell_len) + gap for column in columns) - gap


COLUMNS_SHOWN = 24
_PATIENCE = 1.0  # seconds without a word
_UNCUT = 10_000
_LOADINGS_SHOWN = 30


class _Console(Console):
    """A console that raises BrokenPipeError, where rich itself would exit with code 1, and shows no control characters.

    All text goes through `render_str`.
    """

    def render_str(self, text: str, **kwargs: Any) -> Text:
        """Make text of a string."""
        return super().render_str(printable_lines(text), **kwargs)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def messages_of(warning: warnings.WarningMessage) -> Sequence[str]:
    """Return the messages of a warning: its notes, which have the numbers, or its text."""
    return getattr(warning.message, "__notes__", (str(warning.message),))


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

    def note(self, *texts: str) -> None:
        """Print notes on standard error; a sentence loses its capital letter and its full stop."""
        for text in texts:
            first = text[:1].lower() if text[1:2].islower() else text[:1]
            self._err.print(f"[dim]note:[/] {escape((first + text[1:]).removesuffix('.'))}", soft_wrap=True)

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
        for text, times in Counter(chain.from_iterable(map(messages_of, caught))).items():
            text = in_options(text, options)
            texts.append(text if times == 1 else f"{text} ({times} times)")
        self.note(*texts)

    @contextmanager
    def working(self, what: str) -> Iterator[Callable[[str], None]]:
        """Show what is being done, and for how long, if it takes more than a second and standard error is a terminal.

        Yields
        ------
        callable
            Shows the progress.
        """
        if self._quiet or not sys.stderr.isatty():
            yield lambda how_far: None
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        status = Progress(*columns, console=self._err, transient=True)
        task = status.add_task(what)
        patience = Timer(_PATIENCE, status.start)
        patience.daemon = True
        patience.start()
        try:
            yield lambda how_far: status.update(task, description=f"{what}: {how_far}")
        finally:
            patience.cancel()
            patience.join()
            status.stop()

    @contextmanager
    def progress(self, n_components: Sequence[int], n_models: int) -> Iterator[Callable[[Reached], None]]:
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
        columns = SpinnerColumn(), TextColumn("fitting"), BarColumn(bar_width=None), MofNCompleteColumn()
        now, is_silent = TextColumn("{task.fields[now]}"), self._quiet or not sys.stderr.isatty()
        settings: dict[str, Any] = {"console": self._err, "transient": True, "expand": True, "disable": is_silent}
        bar = Progress(*columns, TimeElapsedColumn(), now, **settings)
        labels = [f"K={k}" for k in n_components]
        with nullcontext() if bar.disable else bar:  # rich before 14.3 ends a bar without a terminal by an empty line
            task = bar.add_task("fitting", total=len(labels) * n_models, now=labels[0])

            def advance(state: Reached) -> None:
                count = state.cell + 1
                now = labels[count // n_models] if count < state.n_cells else "improving the best"
                now = f"fold {state.fold}, K={state.n_components}" if state.fold else now
                bar.update(task, completed=count, now=now)

            yield advance

    def cells(self, search: Selection) -> None:
        """Print the cells of a search: a grid of the criterion if there are many, and the best cells."""
        self._show(choice(search, self._width))

    def mixture(
        self, model: Mixture, counts: NDArray[np.int64] | None = None, shown: Sequence[int] | None = None
    ) -> None:
        """Print the weights, means and standard deviations of a mixture.

        Parameters
        ----------
        model : GaussianMixture or BayesianGaussianMixture
        counts : ndarray of int, shape (K,), default=None
            Number of rows per component.
        shown : sequence of int, default=None
            The components to print; None prints all.
        """
        facts = model.summary()
        names, strongest = facts.feature_names, facts.strongest_correlations
        shown = range(model.n_components) if shown is None else shown
        labels = [Column("component", shown), Column("weight", [f"{model.weights_[k]:.4f}" for k in shown])]
        labels += [] if counts is None else [Column("rows", [str(counts[k]) for k in shown])]
        of_columns = zip(names, map(plus_minus, model.means_.T, facts.standard_deviations.T), strict=True)
        columns = [Column(name, [entries[k] for k in shown]) for name, entries in islice(of_columns, COLUMNS_SHOWN)]
        correlations = [_correlation(names, strongest[k]) for k in shown]
        title = "correlation" if len(names) == 2 else "strongest correlation"
        extra = [Column(title, correlations, TEXT)] * any(correlations)
        tables = _tables(labels, [*columns, *extra], self._width)
        rows = [[column.heading, *column.entries] for column in (*labels[1:], *columns)]
        first, *of_components = Table.of(["component", *map(str, shown)], rows, kinds=[TEXT]).columns
        transposed = _tables([first], of_components, self._width)
        is_transposed = len(transposed) < len(tables)
        notes = [f"{title} of component {k}: {text}" for k, text in zip(shown, correlations, strict=True) if text]
        notes = notes if is_transposed else []
        if hidden := omissions(column=len(names) - COLUMNS_SHOWN):
            notes.append(f"{hidden[0]} (--json prints all)")
        self.tables(transposed if is_transposed else tables, notes)
        if isinstance(model, GaussianMixture) and hasattr(model, "loadings_"):
            self.line()
            self._factors(model, names, shown)

    def _factors(self, model: GaussianMixture, columns_of: Sequence[str], shown: Sequence[int]) -> None:
        """Print the loadings, and the standard deviations of the noise."""
        labels, values = list[tuple[int, str]](), list[NDArray[np.float64]]()
        of_columns, noise = model.loadings_, model.noise_variance_
        for k in shown:
            loadings = of_columns[k].T
            labels += [(k, name) for name in (*(f"factor {j}" for j in range(len(loadings))), "noise ±")]
            values += [*loadings, np.sqrt(noise[k])]
        table = np.array(values[:_LOADINGS_SHOWN])
        headings = Table.of(["component", "loadings"], labels[:_LOADINGS_SHOWN], kinds=[NUMBER, TEXT])
        columns = list[Column]()
        for name, column in zip(columns_of[:COLUMNS_SHOWN], table.T, strict=False):
            form = form_of(largest := float(np.abs(column).max()), largest)
            columns.append(Column(name, [f"{value:{form}}" for value in column]))
        hidden = omissions(row=len(values) - _LOADINGS_SHOWN)
        notes = [f"{note} of loadings (--json prints all)" for note in hidden]
        self.tables(_tables(headings.columns, columns, self._width), notes)

    def tables(self, tables: Sequence[Table], notes: Sequence[str] = ()) -> None:
        """Print tables below each other, and notes below them."""
        for number, table in enumerate(tables):
            self._show([*[Text()] * bool(number), *drawn(table)])
        for note in notes:
            self.line(note)

    def _show(self, lines: Iterable[Text]) -> None:
        """Print lines without trailing spaces."""
        for line in lines:
            line.rstrip()
            self._out.print(line, soft_wrap=True)


def _correlation(names: Sequence[str], pair: Correlation | None) -> str:
    if pair is None:
        return ""
    i, j, value = pair
    between = "" if len(names) == 2 else f" {printable(names[i])}, {printable(names[j])}"
    return f"{value:+.2f}{between}"


def _tables(labels: Sequence[Column], columns: Sequence[Column], width: int) -> list[Table]:
    """Lay out columns behind those that label the rows, in as many tables as the width needs."""
    parts: list[list[Column]] = [[]]
    for column in columns:
        if parts[-1] and _width([*labels, *parts[-1], column]) + _GAPS[0] > width:
            parts.append([])
        parts[-1].append(column)
    return [Table([*labels, *part]) for part in parts]


def clusters_sentence(clusters: NDArray[np.intp], shown: Sequence[int], word: str) -> str:
    """Return a sentence on components that may be one cluster, by the cluster of each; `word` stands for them."""
    members = [[k for k in shown if clusters[k] == c] for c in dict.fromkeys(clusters[list(shown)])]
    merged = ", ".join(" + ".join(map(str, each)) for each in members if len(each) > 1)
    return (
        f"Overlapping {word}s that may be one cluster: {merged}. That makes {counted(len(members), 'cluster')} of "
        f"{counted(len(shown), word)}, merged by entropy."
    )
