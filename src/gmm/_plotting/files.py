"""Encode plots: image files, and inline SVG that adopts the colours of the page around it."""

from __future__ import annotations

import re
from io import BytesIO
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.collections import Collection, PathCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.text import Text

from gmm._plotting.style import FAINT, INK, PAPER
from gmm._text.words import counted

_DPI, _DPI_ON_PAGE = 200, 144
_MANY = 100  # marks above which a collection is rasterised, to keep pages small
_ON_PAGE = {INK: "currentColor", FAINT: "var(--faint, currentColor)", PAPER: f"var(--paper, {PAPER})"}
_ROUNDED = re.compile(r"\d+\.\d{3,}")  # coordinates in points: invisible digits were half of the page
_TAG = re.compile(r"<[^>]*>")
_POINTED_AT = re.compile(r'(?:xlink:href="|url\()#([^")]+)')
_COMPONENT = re.compile(r"(?<!empty )\bcomponent(?=s?\b)")
_IN_USE = re.compile(r"\b(\d+) of \d+ components?\b")  # of a variational fit, whose other ones a page tells elsewhere
_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_SHORT, _LINES = 12, 3  # characters of a label that is never wrapped, and most lines of a wrapped one
_FILLED = 0.9  # most of an axis that its label may fill: axes shrink when labels take more lines


def encoded(picture: Any, kind: str) -> bytes:
    """Encode a plot as an image file, and close its figure.

    Parameters
    ----------
    picture : Axes or ndarray of Axes
        What a plotting function returned.
    kind : {"png", "svg", "pdf"}
        File format.

    Returns
    -------
    bytes
        Content of the file. Equal plots give equal bytes.
    """
    metadata = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None}}[kind]
    with mpl.rc_context({"svg.hashsalt": "gmm"}):
        return _saved(_figure(picture), format=kind, dpi=_DPI, metadata=metadata)


def inline_svg(picture: Any, name: str, label: str) -> str:
    """Encode a plot as an SVG element for an HTML page, and close its figure.

    Ink becomes the page's text colour (``currentColor``), white its ``--paper``, and faint marks its ``--faint``. The
    page may replace any other colour ``#rrggbb`` by setting ``--on-rrggbb``. There is no background. Text stays text,
    in the page's font, and calls components groups. Large sets of marks are rasterised.

    Parameters
    ----------
    picture : Axes or ndarray of Axes
        What a plotting function returned.
    name : str
        Name of the plot, letters only. It is a class of the element and the prefix of each id, which keeps ids unique
        on a page of several plots.
    label : str
        Text alternative for screen readers, already escaped.

    Returns
    -------
    str
        The SVG element.
    """
    figure = _figure(picture)
    _call_groups(figure)
    for collection in figure.findobj(Collection):
        many = isinstance(collection, PathCollection) and len(np.asarray(collection.get_offsets())) > _MANY
        collection.set_rasterized(many or isinstance(collection, QuadMesh))
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        document = _saved(figure, format="svg", dpi=_DPI_ON_PAGE, transparent=True, metadata=no_metadata)
    return _element(document.decode(), name, label)


def _saved(figure: Figure, **how: Any) -> bytes:
    _break_labels(figure)
    file = BytesIO()
    figure.savefig(file, **how)
    plt.close(figure)
    return file.getvalue()


def _call_groups(figure: Figure) -> None:
    """Call components groups, as the page does; names of columns, which label axes, stay."""
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    labels = {label for axis in axes for label in (axis.label, *axis.get_ticklabels(which="both"))}
    for text in figure.findobj(Text):
        if text not in labels or text.get_text() == "components":
            in_use = _IN_USE.sub(lambda found: counted(int(found[1]), "component"), text.get_text())
            text.set_text(_COMPONENT.sub("group", in_use))


def _break_labels(figure: Figure) -> None:
    """Wrap labels longer than their axes, and truncate those of too many lines: column names may be long."""
    axes = [ax for ax in figure.axes if max(len(ax.get_xlabel()), len(ax.get_ylabel())) > _SHORT]
    if axes:
        figure.draw_without_rendering()
    for ax in axes:
        room = ax.get_window_extent()
        for label, most, along in ((ax.xaxis.label, room.width, "width"), (ax.yaxis.label, room.height, "height")):
            share = _FILLED * most / max(getattr(label.get_window_extent(), along), 1)
            if share < _FILLED:
                longest = max(map(len, label.get_text().split("\n")))
                label.set_text(_wrapped(label.get_text(), max(_SHORT // 2, int(share * longest))))


def _wrapped(text: str, length: int) -> str:
    lines = [part for line in text.split("\n") for part in wrap(line, length)]
    return "\n".join(lines if len(lines) <= _LINES else [*lines[: _LINES - 1], lines[_LINES - 1][: length - 1] + "…"])


def _element(document: str, name: str, label: str) -> str:
    """Extract the SVG element of a document, without metadata and with ids that begin with `name`."""
    text = document[document.index("<svg") :].strip()
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.S)
    ids = {name for tag in _TAG.findall(text) for name in _POINTED_AT.findall(tag)}
    text = _TAG.sub(lambda tag: _page_tag(tag[0], name, ids), text)  # tags only: text between them is the user's
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups()  # type: ignore[union-attr]
    head = f'<svg class="picture {name}" role="img" aria-label="{label}" viewBox="0 0 {width} {height}" '
    head += f'style="max-width: {float(width) / 72:.2f}in" xmlns="http://www.w3.org/2000/svg" '
    return head + 'xmlns:xlink="http://www.w3.org/1999/xlink">' + text[text.index(">") + 1 :]


def _page_tag(tag: str, name: str, ids: set[str]) -> str:
    """Round the paths of a tag, prefix its ids with the plot's name, and make its colours the page's."""
    tag = re.sub(r'(?<= d=")[^"]+', lambda path: _ROUNDED.sub(lambda value: f"{float(value[0]):.2f}", path[0]), tag)
    tag = re.sub(r' id="([^"]+)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in ids else "", tag)
    tag = re.sub(r'((?:xlink:href="|url\())#', rf"\g<1>#{name}-", tag)
    return re.sub(
        r"(?<=: )#[0-9a-f]{6}\b", lambda match: _ON_PAGE.get(match[0], f"var(--on-{match[0][1:]}, {match[0]})"), tag
    )


def _figure(picture: Any) -> Figure:
    """Return the figure, after replacing characters in its texts that fonts lack and XML forbids."""
    figure: Figure = np.ravel(np.asarray(picture, dtype=object))[0].figure
    for text in figure.findobj(Text):
        if _UNPRINTABLE.search(text.get_text()):
            text.set_text(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text.get_text()))
    return figure
