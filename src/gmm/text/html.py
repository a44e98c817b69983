"""HTML as strings: tables, sparklines and folds that look the same in a notebook and on a page.

Every text that is given is escaped; what was built here is `Html` and stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from itertools import pairwise
from math import isfinite

__all__ = ["Cell", "Html", "block", "details", "escaped", "joined", "line", "sparkline", "style", "table"]

_WIDTH, _HEIGHT, _MARGIN = 160, 28, 3
_MOST_POINTS = 200  # of a sparkline, about one for each pixel
_DEEPEST = 0.32  # the opacity of a shade of 1
_ACCENT = "42, 134, 221"  # the #2a86dd that html.css mixes; written in numbers, which every browser takes


class Html(str):
    """Text that is HTML already, which `escaped` and templates leave as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


@cache
def style() -> str:
    """The style sheet of everything that is built here."""
    return (files("gmm.text") / "html.css").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Cell:
    """A cell of a table that is more than its text.

    Parameters
    ----------
    text : str
    title : str, default=""
        What is told when one points at it.
    kind : str, default=""
        How it looks, in words among "best", "muted", "strong" and "long": that one may be broken into lines.
    bar : float, optional
        What a thin bar beside the text is filled with, 0 to 1.
    shade : float, default=0
        Of the cell's background, 0 to 1.
    """

    text: str
    title: str = ""
    kind: str = ""
    bar: float | None = None
    shade: float = 0.0


def escaped(text: object) -> Html:
    """The text as HTML, in an element or between the quotes of an attribute."""
    return text if isinstance(text, Html) else Html(escape(str(text), quote=True))


def joined(*parts: object) -> Html:
    """The parts after each other, with nothing between."""
    return Html("".join(map(escaped, parts)))


def line(text: object, kind: str = "") -> Html:
    """A paragraph; of the kind "title", "faint" or "beside" (a picture, and text that does not flow below it)."""
    return Html(f'<p class="gmm-{kind}">{escaped(text)}</p>' if kind else f"<p>{escaped(text)}</p>")


def table(
    headings: Sequence[object],
    rows: Sequence[Sequence[object]],
    *,
    caption: object = None,
    best: int | None = None,
    numeric: Collection[int] | None = None,
) -> Html:
    """A table, in a frame that scrolls where it is wider than the page.

    Parameters
    ----------
    headings : sequence
        One for each column; none at all, and there is no head.
    rows : sequence of sequences
        Texts, numbers, `Html` or `Cell`.
    caption : optional
    best : int, optional
        The row that is marked.
    numeric : collection of int, optional
        The columns aligned to the right; all but the first where nothing is said.

    Returns
    -------
    Html
    """
    width = max(map(len, [headings, *rows]), default=0)
    right = range(1, width) if numeric is None else numeric
    parts = [f"<caption>{escaped(caption)}</caption>"] if caption is not None else []
    if headings:
        names = "".join(_entry("th", name, j in right, ' scope="col"') for j, name in enumerate(headings))
        parts.append(f"<thead><tr>{names}</tr></thead>")
    parts.append("<tbody>")
    for i, row in enumerate(rows):
        entries = "".join(_entry("td", cell, j in right) for j, cell in enumerate(row))
        parts.append(f'<tr class="gmm-best">{entries}</tr>' if i == best else f"<tr>{entries}</tr>")
    return Html(f'<div class="gmm-wide"><table>{"".join(parts)}</tbody></table></div>')


def _entry(tag: str, given: object, right: bool, attributes: str = "") -> str:
    cell = given if isinstance(given, Cell) else Cell(escaped(given))
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
    """A small line of the values, as an inline SVG in the colour of the text.

    Parameters
    ----------
    values : sequence of float
        What is not finite is left out, at its place; of very many, the least and the greatest of each stretch are
        drawn.
    label : str
        What is shown, for those who point at it or cannot see it.

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
    drawn = ""
    if len(points) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        drawn = (
            f'<polyline points="{path}" fill="none" stroke="currentColor" stroke-width="1.5" '
            'stroke-linejoin="round" stroke-linecap="round"/>'
        )
    if points:
        x, y = points[-1]
        drawn += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="currentColor"/>'
    return Html(f"{head}{drawn}</svg>")


def _points(values: Sequence[float]) -> list[tuple[float, float]]:
    """Places in the picture, the first value left and the greatest on top."""
    finite = [(place, value) for place, value in enumerate(values) if isfinite(value)]
    if not finite:
        return []
    # Half of each: the range of values may be greater than the greatest number.
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
    kept = [points[0]]
    for first, end in pairwise(ends):
        within = points[first:end]
        kept += sorted({min(within, key=lambda point: point[1]), max(within, key=lambda point: point[1])})
    return [*kept, points[-1]]


def details(title: object, body: object, *, open: bool = False) -> Html:
    """What is folded away below a title until one asks for it, or `open` at once."""
    state = ' open="open"' if open else ""
    return Html(f"<details{state}><summary>{escaped(title)}</summary>{escaped(body)}</details>")


def block(*parts: object) -> Html:
    """The parts below each other, with the style that they need."""
    return Html(f'<div class="gmm"><style>{style()}</style>{joined(*parts)}</div>')
