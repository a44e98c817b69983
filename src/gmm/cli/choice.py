"""How a search looks in a terminal: the criterion of all cells as a grid, the best in full, and what else there is.

Lines of text for a width, as the terminal or the pipe has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from gmm.selection import Selection
from gmm.selection.grid import Grid, GridCell, distinct, failures, incomplete, legend, ranking, title

__all__ = ["choice"]

_TOP = 10  # cells listed below the grid
_FEW = 12  # up to so many cells, the list is whole and needs no grid
_GAPS = (3, 2)  # between two columns of the list, by the room there is
_BEST, _WRONG, _BESIDE = "bold green", "red", "dim"


def choice(found: Selection, width: int) -> Iterator[Text]:
    """Lay a search out as lines.

    Parameters
    ----------
    found : Selection
        The search.
    width : int
        Characters that a line should not exceed.

    Yields
    ------
    Text
        The lines.
    """
    many = len(found.status) > _FEW
    if many:
        yield from _grid(Grid.of(found, width))
        yield Text()
    yield from _ranking(found, distinct(found)[:_TOP] if many else found.ranked(), width)
    told = list(legend(found, of_grid=many))
    together = "   ".join(told)
    yield from (Text(line, _BESIDE) for line in ([together] if 0 < len(together) <= width else told))
    yield from (Text(line, _WRONG) for line in failures(found))
    if not found.complete:
        yield Text(incomplete(found), "bold yellow")


def _grid(grid: Grid) -> Iterator[Text]:
    yield Text(grid.caption, "italic")
    for left, cells in grid.lines():
        line = Text(left, "bold" if left.startswith(grid.corner) and not cells else "")
        for text, cell in cells:
            line.append(text, _style(cell))
        yield line


def _style(cell: GridCell) -> str:
    if cell.best:
        return _BEST
    return _WRONG if cell.failed else ""


def _ranking(found: Selection, cells: Sequence[int], width: int) -> Iterator[Text]:
    """List cells with their numbers and the distance to the best; criteria that find no room are left out."""
    columns = ranking(found, cells)
    gap = next((gap for gap in _GAPS if _width(columns, gap) <= width), _GAPS[-1])
    while _width(columns, gap) > width and columns[-1][0] != f"Δ{title(found.criterion)}":
        columns.pop()
    sizes = [max(map(len, column)) for column in columns]
    for place, row in enumerate(zip(*columns, strict=True)):
        texts = (text.ljust(size) if name == "model" else text.rjust(size)
                 for text, size, (name, *_) in zip(row, sizes, columns, strict=True))  # fmt: skip
        best = place and cells[place - 1] == found.best_index
        yield Text((" " * gap).join(texts).rstrip(), "bold" if not place else _BEST if best else "")
        if not place:
            yield Text("─" * _width(columns, gap))


def _width(columns: Sequence[Sequence[str]], gap: int) -> int:
    return sum(max(map(len, column)) for column in columns) + gap * (len(columns) - 1)
