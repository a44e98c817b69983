"""`Table`: parts of a result in rows and columns, laid out as text and HTML here, for terminals in `_cli/show.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from typing import NamedTuple

from gmm._lazy import reduced_at_home
from gmm._text.html import Html, block, escaped, line
from gmm._text.words import counted, omissions, printable

NUMBER, TEXT, LABEL = "number", "text", "label"

_ROWS_SHOWN = 6
_DEEPEST = 0.32  # opacity of a shade of 1
_WIDTH, _GAP, _LONGEST_NAME = 46, 1.5, 12  # characters of a line on a telephone, between columns, of a first column
_ACCENT = "42, 134, 221"  # #2a86dd as in html.css; every browser accepts it inside rgba()


class Cell(NamedTuple):
    """A table cell with more than text.

    Parameters
    ----------
    text : str
    title : str, default=""
        Tooltip.
    kind : str, default=""
        Style: any of "best", "muted", "strong", "long" (may wrap), "failed", "mark" and "zero", separated by spaces.
    bar : float, optional
        Filled part of a thin bar next to the text, 0 to 1.
    shade : float, default=0
        Depth of the background colour, 0 to 1.
    """

    text: str
    title: str = ""
    kind: str = ""
    bar: float | None = None
    shade: float = 0.0


class Column(NamedTuple):
    """A heading and the entries below it.

    Parameters
    ----------
    heading : str
    entries : sequence
        Each is text, a number or a `Cell`; text with a method ``__html__`` is HTML.
    kind : str, default="number"
        "number" stands to the right, "text" to the left, "label" to the left on pages alone.
    least : int, default=0
        Characters that it takes at least.
    """

    heading: str
    entries: Sequence[object]
    kind: str = NUMBER
    least: int = 0

    @property
    def cells(self) -> list[Cell]:
        """Heading and entries."""
        return list(map(_cell, (self.heading, *self.entries)))

    def width(self, length: Callable[[str], int] = len) -> int:
        """Characters of the longest text."""
        return max(self.least, *(length(printable(cell.text)) for cell in self.cells))

    def padded(self, length: Callable[[str], int] = len) -> Iterator[Cell]:
        """Yield the cells with texts of equal length, without what a terminal would obey."""
        width = self.width(length)
        for cell in self.cells:
            text = printable(cell.text)
            spaces = " " * (width - length(text))
            yield cell._replace(text=text + spaces if self.kind == TEXT else spaces + text)


class Table(NamedTuple):
    """Columns, and what stands around them: text in a terminal, HTML in notebooks.

    Parameters
    ----------
    columns : sequence of Column
        All as long; if no heading has text, there are none.
    caption : str, default=""
    best : int, optional
        Index of the row to highlight.
    notes : sequence of str, optional
        Lines below.
    """

    columns: Sequence[Column]
    caption: str = ""
    best: int | None = None
    notes: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        headings: Sequence[str],
        rows: Iterable[Sequence[object]],
        caption: str = "",
        *,
        kinds: Iterable[str] = (LABEL,),
        best: int | None = None,
        notes: Sequence[str] = (),
    ) -> Table:
        """Make a table of its rows.

        Parameters
        ----------
        headings : sequence of str
        rows : iterable of sequence
            Entries, as of a `Column`.
        caption : str, default=""
        kinds : iterable of str, default=("label",)
            Kinds of the first columns; the others have numbers.
        best : int, optional
            Index of the row to highlight.
        notes : sequence of str, optional
            Lines below.

        Returns
        -------
        Table

        Examples
        --------
        >>> print(Table.of(["size", "rows"], [["small", 12], ["large", 3]]))
           size  rows
          small    12
          large     3
        """
        entries = list(zip(*rows, strict=True)) or [()] * len(headings)
        if headings and len(headings) != len(entries):
            raise ValueError(f"expected rows of {counted(len(headings), 'entry', 'entries')}, got {len(entries)}")
        columns = map(Column, headings or [""] * len(entries), entries, chain(kinds, repeat(NUMBER)))
        return cls(tuple(columns), caption, best, notes)

    @classmethod
    def beginning(cls, headings: Sequence[str], rows: Iterable[Sequence[str]], n_rows: int, caption: str) -> Table:
        """Number the first rows; a note counts the others."""
        first = [[i, *row] for i, row in enumerate(islice(rows, _ROWS_SHOWN))]
        return cls.of(["", *headings], first, caption, notes=omissions(row=n_rows - len(first)))

    def lines(self, indent: str = "  ", gap: int = 2, *, ruled: bool = False) -> Iterator[str]:
        """Yield headings, if `ruled` with a line below them, and rows as text."""
        for number, row in enumerate(zip(*(column.padded() for column in self.columns), strict=True)):
            text = (" " * gap).join(cell.text for cell in row)
            yield f"{indent}{text}".rstrip()
            if ruled and not number:
                yield "─" * len(text)

    def __repr__(self) -> str:
        """Return caption, rows and notes as lines of text."""
        return "\n".join([*[self.caption] * bool(self.caption), *self.lines(), *(f"  {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        return block(self)

    def __html__(self) -> Html:
        """Return a table that scrolls horizontally if it is wider than the page, and its notes as sentences.

        One too wide for a telephone has the class ``gmm-stacked``, and its cells their headings, so that a page can put
        each row in lines of its own.
        """
        headings, *rows = zip(*(column.cells for column in self.columns), strict=True)
        right = [column.kind == NUMBER for column in self.columns]
        headed = any(cell.text for cell in headings)
        first, *others = (max(len(cell.text) for cell in column.cells) for column in self.columns)
        width = min(first, _LONGEST_NAME) + sum(others) + _GAP * len(others)  # on a telephone, which breaks the first
        stacked = headed and width > _WIDTH
        parts = [f"<caption>{escaped(self.caption)}</caption>"] * bool(self.caption)
        if headed:
            parts += ["<thead>", _row("th", headings, right, repeat(' scope="col"')), "</thead>"]
        labels = [f' data-label="{escaped(cell.text)}"' * stacked for cell in headings]
        body = (_row("td", row, right, labels, ' class="gmm-best"' * (i == self.best)) for i, row in enumerate(rows))
        kind = ' class="gmm-stacked"' if stacked else ""
        table = f'<div class="gmm-wide"><table{kind}>{"".join(parts)}<tbody>{"".join(body)}</tbody></table></div>'
        return Html("".join([table, *(line(f"{note}.") for note in self.notes)]))


Cell.__module__ = Column.__module__ = Table.__module__ = "gmm.analysis"
Cell.__reduce_ex__ = Column.__reduce_ex__ = Table.__reduce_ex__ = reduced_at_home  # type: ignore[method-assign]


def _cell(entry: object) -> Cell:
    if isinstance(entry, Cell):
        return entry
    return Cell(entry if isinstance(entry, str) else str(entry))  # HTML stays HTML


def _row(tag: str, cells: Iterable[Cell], right: Iterable[bool], attributes: Iterable[str], kind: str = "") -> str:
    return f"<tr{kind}>{''.join(map(_entry, repeat(tag), cells, right, attributes))}</tr>"


def _entry(tag: str, cell: Cell, right: bool, attributes: str) -> str:
    classes = " ".join(f"gmm-{name}" for name in ["number"] * right + cell.kind.split())
    attributes += f' class="{classes}"' if classes else ""
    attributes += f' title="{escaped(cell.title)}"' if cell.title else ""
    if cell.shade > 0:
        attributes += f' style="background-color: rgba({_ACCENT}, {_DEEPEST * min(cell.shade, 1):.3f})"'
    bar = ""
    if cell.bar is not None:
        share = min(max(cell.bar, 0.0), 1.0)
        bar = f'<span class="gmm-bar"><span style="width: {100 * share:.1f}%"></span></span>'
    return f"<{tag}{attributes}>{escaped(cell.text)}{bar}</{tag}>"
