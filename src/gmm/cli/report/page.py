"""Fills the templates and style sheets of a page: the only place for Jinja2."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from gmm.text.amounts import counted
from gmm.text.html import Html, style

__all__ = ["Section", "css_colour", "page", "rendered"]

_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")  # what HTML may not hold, but for surrogates
_LIGHT, _GREY = 190, 24  # of a grey: the least of its parts, and how far they differ
_FAINT_ON_DARK = "#39424c"
_VISIBLE = 0.22  # luminance: more than 4:1 beside the dark paper

_TEMPLATES = Environment(
    loader=PackageLoader("gmm.cli.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["counted"] = counted


@dataclass(frozen=True)
class Section:
    """A section of the page: its id, its title in the contents, its title, and what stands below."""

    name: str
    link: str
    title: str
    body: Html


def rendered(template: str, **values: object) -> Html:
    """Fill a template with values; text is escaped, `Html` is not.

    Raises
    ------
    jinja2.UndefinedError
        The template uses a value that was not given.
    """
    return Html(_TEMPLATES.get_template(f"{template}.html").render(values))


def page(opening: Html, sections: Sequence[Section], **values: object) -> str:
    """Lay out the whole page, a single file that loads nothing."""
    drawn = "".join(section.body for section in sections)
    colours = sorted(set(re.findall(r"var\(--on-([0-9a-f]{6})", drawn)))
    on_dark = {colour: _for_dark(colour) for colour in colours}
    shared = {"shared_style": Html(style()), "on_dark": on_dark}
    whole = rendered("page", opening=opening, sections=sections, **shared, **values)
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", whole)


def css_colour(colour: str) -> str:
    """Write ``#rrggbb`` as a CSS value: unchanged on white paper, lighter on dark."""
    return f"var(--on-{colour[1:]}, {colour})"


def _for_dark(colour: str) -> str:
    """A colour made lighter until it stands out from dark paper; light greys, which are faint on white, made faint."""
    parts = [int(colour[i : i + 2], 16) for i in (0, 2, 4)]
    if min(parts) > _LIGHT and max(parts) - min(parts) < _GREY:
        return _FAINT_ON_DARK
    mixed, share = parts, 0.0
    while _luminance(mixed) < _VISIBLE and share < 1:
        share += 0.05
        mixed = [round(part + share * (255 - part)) for part in parts]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _luminance(parts: Sequence[int]) -> float:
    """Relative luminance by the web's rules for contrast, from 0 to 1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in parts)]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
