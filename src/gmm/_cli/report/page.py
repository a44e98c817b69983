"""Rendering of the HTML templates, by the only module that imports Jinja2, and what a page says of its origin."""

from __future__ import annotations

import argparse
import hashlib
import platform
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from gmm._text.html import Html, escaped, joined, line, style
from gmm._versions import __version__

_PACKAGES = ("numpy", "scipy", "pyarrow", "matplotlib")


class Origin(NamedTuple):
    """What is needed to reproduce a result.

    Attributes
    ----------
    command : str
        The command line, quoted for a shell.
    file : str
        Name of the file, without its directory.
    facts : mapping of str to object
        The file, its size and its hash, the seed, the versions of this package, its dependencies and Python, the
        machine, and the time.
    """

    command: str
    file: str
    facts: Mapping[str, object]

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Origin:
        """Record the file, the versions and the machine, given the options of ``gmm fit``."""
        size, digest = "unknown", "unknown: the data came through a pipe"
        bundled = files("gmm") / "data" / "faithful.csv"
        if options.file is None or Path(options.file).is_file():  # a pipe can be read only once
            with as_file(bundled) if options.file is None else nullcontext(Path(options.file)) as path:
                with path.open("rb") as file:
                    digest = Html(f"<code>{hashlib.file_digest(file, 'sha256').hexdigest()}</code>")
                size = f"{path.stat().st_size:,} bytes"
        name = {None: bundled.name, "-": "standard input"}.get(options.file) or Path(options.file).name
        versions = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
        facts = {
            "data": name,
            "size": size,
            "SHA-256": digest,
            "seed": options.random_state,
            "versions": f"gmm-em {__version__}, {versions}, Python {platform.python_version()}",
            "machine": f"{platform.system()} {platform.release()}, {platform.machine()}",
            "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        }
        return cls(shlex.join(["gmm", *options.words]), name, facts)


# HTML forbids these characters, and surrogates.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
_NEGATIVE = re.compile(r'(?<=gmm-number">)-(?=[\d.])')  # at the start of a cell of a table
_OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*(=\S*\w)?")
_LIGHT, _GREY = 190, 24  # a light grey: the minimum of its RGB values, and their largest difference
_FAINT_ON_DARK = "#39424c"
_VISIBLE = 0.22  # luminance, for a contrast above 4:1 on the dark background

_TEMPLATES = Environment(
    loader=PackageLoader("gmm._cli.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Section(NamedTuple):
    """A section of the page: its id, its title and its parts.

    A part is a paragraph, as text, or what has HTML of its own; empty ones are left out.
    """

    name: str
    title: str
    parts: Sequence[object]

    @property
    def body(self) -> Html:
        """The parts below each other."""
        return joined(*(part if hasattr(part, "__html__") else line(part) for part in self.parts if part))


def keys(values: Mapping[str, object]) -> Html:
    """Return a list of names and their values."""
    return joined(
        Html('<dl class="keys">'),
        *(Html(f"<dt>{escaped(name)}</dt><dd>{escaped(value)}</dd>") for name, value in values.items()),
        Html("</dl>"),
    )


def notice(texts: Sequence[str]) -> Html:
    """Return a framed list of texts, with options of the command line as code; empty if there are none."""
    items = [_OPTION.sub(r"<code>\g<0></code>", escaped(text)) for text in texts]
    return Html(f'<div class="notice"><ul>{"".join(f"<li>{item}</li>" for item in items)}</ul></div>' * bool(items))


def beneath(text: str) -> Html:
    """Return what is said below a table, in small letters."""
    return Html(f'<p class="beneath">{escaped(text)}</p>')


def render(template: str, **values: object) -> Html:
    """Render a template; text values are escaped, `Html` values are not. Numbers in tables get minus signs.

    Raises
    ------
    jinja2.UndefinedError
        If the template uses a value that was not given.
    """
    return Html(_NEGATIVE.sub("\N{MINUS SIGN}", _TEMPLATES.get_template(f"{template}.html").render(values)))


def render_page(sections: Sequence[Section], **values: object) -> str:
    """Render the whole page as one self-contained document."""
    bodies = [(section, section.body) for section in sections]
    colours = sorted(set(re.findall(r"var\(--on-([0-9a-f]{6})", "".join(body for _, body in bodies))))
    on_dark = {colour: _for_dark(colour) for colour in colours}
    document = render("page", version=__version__, bodies=bodies, shared_style=Html(style()), on_dark=on_dark, **values)
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", document)


def _for_dark(colour: str) -> str:
    """Lighten a colour until it is visible on dark; light greys, which are faint on white, become faint on dark."""
    parts = [int(colour[i : i + 2], 16) for i in (0, 2, 4)]
    if min(parts) > _LIGHT and max(parts) - min(parts) < _GREY:
        return _FAINT_ON_DARK
    mixed, share = parts, 0.0
    while _luminance(mixed) < _VISIBLE and share < 1:
        share += 0.05
        mixed = [round(part + share * (255 - part)) for part in parts]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _luminance(parts: Sequence[int]) -> float:
    """Relative luminance as defined by WCAG 2, from 0 to 1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in parts)]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
