"""HTML strings: tables, sparklines and collapsible sections for notebooks and reports.

Plain text is escaped. Strings of type `Html` are already HTML and are inserted unchanged.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from math import isfinite
from typing import NamedTuple

_WIDTH, _HEIGHT, _MARGIN = 160, 28, 3
_MOST_POINTS = 200  # in a sparkline, about one per pixel
_DEEPEST = 0.32  # opacity of a shade of 1
_ROOM, _GAP, _LONGEST_NAME = 46, 1.5, 12  # characters of a line on a telephone, between columns, of a first column
_ACCENT = "42, 134, 221"  # #2a86dd as in html.css; every browser accepts it inside rgba()


class Html(str):
    """A string that is already HTML; `escaped` and Jinja2 templates do not escape it again."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


@cache
def style() -> str:
    """Return the style sheet for the HTML built here."""
    return (files("gmm._text") / "html.css").read_text(encoding="utf-8")


class Cell(NamedTuple):
    """A table cell with more than text.

    Parameters
    ----------
    text : str
    title : str, default=""
        Tooltip.
    kind : str, default=""
        Style: any of "best", "muted", "strong" and "long" (may wrap), separated by spaces.
    bar : float, optional
        Filled part of a thin bar beside the text, 0 to 1.
    shade : float, default=0
        Depth of the background colour, 0 to 1.
    """

    text: str
    title: str = ""
    kind: str = ""
    bar: float | None = None
    shade: float = 0.0


def escaped(text: object) -> Html:
    """Escape text for use in an element or a quoted attribute; `Html` is returned unchanged."""
    from html import escape  # and all of HTML's entities, which `import gmm` does without

    return text if isinstance(text, Html) else Html(escape(str(text), quote=True))


def joined(*parts: object) -> Html:
    """Escape and concatenate the parts."""
    return Html("".join(map(escaped, parts)))


def line(text: object, kind: str = "") -> Html:
    """Build a paragraph; `kind` is "title", "faint" or "beside" (a picture and its text side by side)."""
    return Html(f'<p class="gmm-{kind}">{escaped(text)}</p>' if kind else f"<p>{escaped(text)}</p>")


def table(
    headings: Sequence[object],
    rows: Sequence[Sequence[object]],
    *,
    caption: object = None,
    best: int | None = None,
    numeric: Collection[int] | None = None,
) -> Html:
    """Build a table that scrolls horizontally if it is wider than the page.

    One too wide for a telephone has the class ``gmm-stacked``, and its cells their headings, so that a page can put
    each row in lines of its own.

    Parameters
    ----------
    headings : sequence
        One per column; if empty, the table has no header.
    rows : sequence of sequences
        Each entry is text, a number, `Html` or a `Cell`.
    caption : optional
    best : int, optional
        Index of the row to highlight.
    numeric : collection of int, optional
        Indices of the right-aligned columns; by default all but the first.

    Returns
    -------
    Html
    """
    width = max(map(len, [headings, *rows]), default=0)
    right = range(1, width) if numeric is None else numeric
    stacked = bool(headings) and _is_wide([headings, *rows])
    parts = [f"<caption>{escaped(caption)}</caption>"] if caption is not None else []
    if headings:
        names = "".join(_entry("th", name, j in right, ' scope="col"') for j, name in enumerate(headings))
        parts.append(f"<thead><tr>{names}</tr></thead>")
    parts.append("<tbody>")
    labels = [f' data-label="{escaped(name)}"' * stacked for name in headings] or [""] * width
    for i, row in enumerate(rows):
        entries = "".join(_entry("td", cell, j in right, labels[j]) for j, cell in enumerate(row))
        parts.append(f'<tr class="gmm-best">{entries}</tr>' if i == best else f"<tr>{entries}</tr>")
    kind = ' class="gmm-stacked"' if stacked else ""
    return Html(f'<div class="gmm-wide"><table{kind}>{"".join(parts)}</tbody></table></div>')


def _is_wide(rows: Sequence[Sequence[object]]) -> bool:
    """Return whether a table is wider than a telephone, on which the first column may break its lines."""
    texts = [[cell.text if isinstance(cell, Cell) else str(cell) for cell in row] for row in rows]
    first, *others = (max(map(len, column)) for column in zip(*texts, strict=True))
    return min(first, _LONGEST_NAME) + sum(others) + _GAP * len(others) > _ROOM


def _entry(tag: str, entry: object, right: bool, attributes: str = "") -> str:
    cell = entry if isinstance(entry, Cell) else Cell(escaped(entry))
    classes = " ".join(f"gmm-{name}" for name in ["number"] * right + cell.kind.split())
    attributes += f' class="{classes}"' if classes else ""
    attributes += f' title="{escaped(cell.title)}"' if cell.title else ""
    if cell.shade > 0:
        attributes += f' style="background-color: rgba({_ACCENT}, {_DEEPEST * min(cell.shade, 1):.3f})"'
    bar = "" if cell.bar is None else _bar(cell.bar)
    return f"<{tag}{attributes}>{escaped(cell.text)}{bar}</{tag}>"


def _bar(share: float) -> str:
    return f'<span class="gmm-bar"><span style="width: {100 * min(max(share, 0.0), 1.0):.1f}%"></span></span>'


def sparkline(values: Sequence[float], *, label: str) -> Html:
    """Draw a sparkline as inline SVG in the colour of the text.

    Parameters
    ----------
    values : sequence of float
        Values that are not finite are skipped and leave a space. Long sequences are thinned to the minimum and the
        maximum of each stretch.
    label : str
        Description of the values, for the tooltip and for screen readers.

    Returns
    -------
    Html
    """
    points = _points([float(value) for value in values])
    name = escaped(label)
    head = (
        f'<svg class="gmm-spark" xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{name}"><title>{name}</title>'
    )
    marks = ""
    if len(points) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        marks = (
            f'<polyline points="{path}" fill="none" stroke="currentColor" stroke-width="1.5" '
            'stroke-linejoin="round" stroke-linecap="round"/>'
        )
    if points:
        x, y = points[-1]
        marks += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="currentColor"/>'
    return Html(f"{head}{marks}</svg>")


def _points(values: Sequence[float]) -> list[tuple[float, float]]:
    finite = [(place, value) for place, value in enumerate(values) if isfinite(value)]
    if not finite:
        return []
    # Values are halved because their range may overflow.
    low, high = (extreme(value / 2 for _, value in finite) for extreme in (min, max))
    wide, tall = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    last = max(1, len(values) - 1)
    return [
        (
            _MARGIN + wide * place / last,
            _MARGIN + tall * (1 - ((value / 2 - low) / (high - low) if high > low else 0.5)),
        )
        for place, value in _thinned(finite)
    ]


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    if len(points) <= _MOST_POINTS:
        return points
    stretches = _MOST_POINTS // 2 - 1
    ends = [1 + (len(points) - 2) * i // stretches for i in range(stretches + 1)]
    extremes = [points[0]]
    for first, end in pairwise(ends):
        within = points[first:end]
        extremes += sorted({min(within, key=lambda point: point[1]), max(within, key=lambda point: point[1])})
    return [*extremes, points[-1]]


def details(title: object, body: object, *, open: bool = False) -> Html:
    """Build a collapsible section, collapsed unless `open`."""
    state = ' open="open"' if open else ""
    return Html(f"<details{state}><summary>{escaped(title)}</summary>{escaped(body)}</details>")


def block(*parts: object) -> Html:
    """Stack the parts in one block that includes the style sheet."""
    return Html(f'<div class="gmm"><style>{style()}</style>{joined(*parts)}</div>')
