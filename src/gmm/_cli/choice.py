"""A search in the terminal: a grid of the criterion, a table of the best cells, and notes.

Tables and lines are laid out for the width of the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from gmm._cli.failures import in_options
from gmm._estimators.criteria import title
from gmm._selection import Selection
from gmm._selection.grid import Grid, GridCell, advice, certainty, distinct, failures, incomplete, legend, ranking

__all__ = ["choice", "headed_table"]

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


def headed_table(gap: int = 3) -> Table:
    """Return an empty table with a rule below its headings and `gap` (1 to 3) characters between columns."""
    return Table(box=SIMPLE_HEAD, padding=(0, gap // 2, 0, (gap - 1) // 2), pad_edge=False, show_edge=False)


def _grid(grid: Grid) -> Iterator[Text | Table]:
    yield Text(grid.caption, "italic")
    for first in range(0, len(grid.headings), grid.many):
        if first:
            yield Text()
        within = slice(first, first + grid.many)
        table = headed_table(gap=1)
        table.add_column(grid.corner, justify="left" if grid.models_down else "right")
        for heading in grid.headings[within]:
            table.add_column(heading, justify="right", min_width=grid.size - 1)
        for name, row in zip(grid.names, grid.rows, strict=True):
            table.add_row(name, *(Text(cell.text, _style(cell)) for cell in row[within]))
        yield table


def _style(cell: GridCell) -> str:
    if cell.best:
        return _BEST
    return _PROBLEM if cell.failed else ""


def _ranking(search: Selection, cells: Sequence[int], width: int) -> tuple[Table, list[str]]:
    """Tabulate cells; also return the criteria for which there is no room."""
    columns = ranking(search, cells)
    omitted: list[str] = []
    gap = next((gap for gap in _GAPS if _width(columns, gap) <= width), _GAPS[-1])
    while _width(columns, gap) > width and columns[-1][0] != f"Δ{title(search.criterion)}":
        omitted.insert(0, columns.pop()[0])
    table = headed_table(gap)
    for name, *_ in columns:
        table.add_column(name, justify="left" if name == "model" else "right")
    for number, row in zip(cells, zip(*(texts for _, *texts in columns), strict=True), strict=True):
        table.add_row(*row, style=_BEST if number == search.best_index else None)
    return table, omitted


def _width(columns: Sequence[Sequence[str]], gap: int) -> int:
    return sum(max(map(len, column)) for column in columns) + gap * (len(columns) - 1)
