"""How a search looks in a terminal: the criterion of all cells as a grid, the best in full, and what else there is.

Tables and lines of text for a width, as the terminal or the pipe has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from gmm.selection import Selection
from gmm.selection.grid import Grid, GridCell, distinct, failures, incomplete, legend, ranking, title

__all__ = ["choice", "headed_table"]

_TOP = 10  # cells listed below the grid
_FEW = 12  # up to so many cells, the list is whole and needs no grid
_GAPS = (3, 2)  # between two columns of the list, by the room there is
_BEST, _WRONG, _BESIDE = "bold green", "red", "dim"


def choice(found: Selection, width: int) -> Iterator[Text | Table]:
    """Lay a search out as tables and lines.

    Parameters
    ----------
    found : Selection
        The search.
    width : int
        Characters that a line should not exceed.

    Yields
    ------
    Text or Table
        What stands below each other.
    """
    many = len(found.status) > _FEW
    if many:
        yield from _grid(Grid.of(found, width))
        yield Text()
    yield _ranking(found, distinct(found)[:_TOP] if many else found.ranked(), width)
    told = list(legend(found, of_grid=many))
    together = "   ".join(told)
    yield from (Text(line, _BESIDE) for line in ([together] if 0 < len(together) <= width else told))
    yield from (Text(line, _WRONG) for line in failures(found))
    if not found.complete:
        yield Text(incomplete(found), "bold yellow")


def headed_table(gap: int = 3) -> Table:
    """An empty table with a line below its headings, its columns `gap` characters apart, 1 to 3."""
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
    return _WRONG if cell.failed else ""


def _ranking(found: Selection, cells: Sequence[int], width: int) -> Table:
    """List cells with their numbers and the distance to the best; criteria that find no room are left out."""
    columns = ranking(found, cells)
    gap = next((gap for gap in _GAPS if _width(columns, gap) <= width), _GAPS[-1])
    while _width(columns, gap) > width and columns[-1][0] != f"Δ{title(found.criterion)}":
        columns.pop()
    table = headed_table(gap)
    for name, *_ in columns:
        table.add_column(name, justify="left" if name == "model" else "right")
    for number, row in zip(cells, zip(*(texts for _, *texts in columns), strict=True), strict=True):
        table.add_row(*row, style=_BEST if number == found.best_index else None)
    return table


def _width(columns: Sequence[Sequence[str]], gap: int) -> int:
    return sum(max(map(len, column)) for column in columns) + gap * (len(columns) - 1)
