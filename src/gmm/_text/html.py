"""HTML strings: paragraphs, sparklines and collapsible sections for notebooks and reports.

Plain text is escaped. Strings of type `Html`, and what else has `__html__`, are inserted unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from math import isfinite

_WIDTH, _HEIGHT, _MARGIN = 160, 28, 3
FLAT = 5e-6  # relative: a curve that rises less is drawn flat
_MOST_POINTS = 200  # in a sparkline, about one per pixel


class Html(str):
    """A string that is already HTML; `escaped` and Jinja2 templates do not escape it again."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


@cache
def style() -> str:
    """Return the style sheet for the HTML built here."""
    return (files("gmm._text") / "html.css").read_text(encoding="utf-8")


def escaped(text: object) -> Html:
    """Escape text for use in an element or a quoted attribute; what has HTML of its own gives that."""
    from html import escape  # and all of HTML's entities, which `import gmm` does without

    return Html(text.__html__() if hasattr(text, "__html__") else escape(str(text), quote=True))


def joined(*parts: object) -> Html:
    """Escape and concatenate the parts."""
    return Html("".join(map(escaped, parts)))


def line(text: object, kind: str = "") -> Html:
    """Build a paragraph; `kind` is "title", "faint" or "row" (a picture and its text)."""
    return Html(f'<p class="gmm-{kind}">{escaped(text)}</p>' if kind else f"<p>{escaped(text)}</p>")


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
    least = FLAT * max(abs(low), abs(high))
    low, high = min(low, high - least), max(high, low + least)
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


def details(title: object, body: object) -> Html:
    """Build a collapsible section, which is collapsed at first."""
    return Html(f"<details><summary>{escaped(title)}</summary>{escaped(body)}</details>")


def block(*parts: object) -> Html:
    """Stack the parts in one block that includes the style sheet."""
    return Html(f'<div class="gmm"><style>{style()}</style>{joined(*parts)}</div>')
