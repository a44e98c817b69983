"""Pictures as bytes: files of an image, and SVG that takes on the colours of the page around it."""

from __future__ import annotations

import re
from io import BytesIO
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import Collection, PathCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.text import Text

from gmm.plotting.style import FAINT, INK, PAPER, STYLE

_DPI, _DPI_ON_PAGE = 200, 144
_MANY = 100  # marks in a picture from which on they are pixels: a page is to stay small
_ON_PAGE = {INK: "currentColor", FAINT: "var(--faint, currentColor)", PAPER: f"var(--paper, {PAPER})"}
_ROUNDED = re.compile(r"\d+\.\d{3,}")  # of a point: what is left out is not seen, and was half of the page
_TAG = re.compile(r"<[^>]*>")
_POINTED_AT = re.compile(r'(?:xlink:href="|url\()#([^")]+)')
_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_SHORT, _LINES = 12, 3  # letters of a label that is never broken, and lines of one that is
_FILLED = 0.95  # of an axis by its label: axes shrink as labels take more lines
_NARROW = 5.4  # inches: what a page's text is wide, and a telephone shows with letters that can be read


def encoded(drawn: Any, kind: str) -> bytes:
    """Encode a picture, and close its figure.

    Parameters
    ----------
    drawn : Axes or ndarray of Axes
        What was drawn on.
    kind : {"png", "svg", "pdf"}
        The format.

    Returns
    -------
    bytes
        The file's content: the same for the same picture.
    """
    figure = _figure(drawn)
    _break_labels(figure)
    told = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None}}[kind]
    file = BytesIO()
    with mpl.rc_context({"svg.hashsalt": "gmm"}):
        figure.savefig(file, format=kind, dpi=_DPI, metadata=told)
    plt.close(figure)
    return file.getvalue()


def inline_svg(drawn: Any, name: str, label: str) -> str:
    """Make a picture an SVG element, to stand within a page of HTML, and close its figure.

    Ink becomes the page's own colour (``currentColor``), white its ``--paper``, what stands behind its ``--faint``,
    every other colour ``#rrggbb`` one that the page may set as ``--on-rrggbb``; there is no background. Text stays
    text, in the page's font; marks become pixels where they are many; a legend beside the picture goes below it.

    Parameters
    ----------
    drawn : Axes or ndarray of Axes
        What was drawn on.
    name : str
        Of the picture, letters only: a class of the element, and the beginning of each id that is used, so that
        they differ on a page of several pictures.
    label : str
        What is shown, for those who cannot see it; escaped already.

    Returns
    -------
    str
        The element.
    """
    figure = _figure(drawn)
    if isinstance(drawn, Axes):
        _make_narrow(drawn)
    _break_labels(figure)
    for collection in figure.findobj(Collection):
        many = isinstance(collection, PathCollection) and len(np.asarray(collection.get_offsets())) > _MANY
        collection.set_rasterized(many or isinstance(collection, QuadMesh))
    file = BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", dpi=_DPI_ON_PAGE, transparent=True, metadata=nothing)
    plt.close(figure)
    return _element(file.getvalue().decode(), name, label)


def _make_narrow(ax: Axes) -> None:
    """Put a legend that stands beside the axes below them, and make the figure as wide as a page's text."""
    figure, legend = _figure(ax), ax.get_legend()
    wide, tall = figure.get_size_inches()
    if legend is None:
        figure.set_size_inches(min(wide, _NARROW), tall)
        return
    figure.draw_without_rendering()
    if legend.get_window_extent().x0 < ax.get_window_extent().x1 - 1:
        figure.set_size_inches(min(wide, _NARROW), tall)
        return
    entries, texts = (
        [entry for entry in legend.legend_handles if entry is not None],
        [text.get_text() for text in legend.get_texts()],
    )
    legend.remove()
    columns = 1 if max(map(len, texts)) > 40 else 2
    with mpl.rc_context(STYLE):
        figure.legend(entries, texts, loc="outside lower left", ncols=columns, fontsize=9)
    figure.set_size_inches(min(wide, _NARROW), 4.0 + 0.19 * -(-len(texts) // columns))


def _break_labels(figure: Figure) -> None:
    """Break labels into lines as long as their axes, and cut what needs more of them: names of columns may be long."""
    axes = [ax for ax in figure.axes if max(len(ax.get_xlabel()), len(ax.get_ylabel())) > _SHORT]
    if axes:
        figure.draw_without_rendering()
    for ax in axes:
        room = ax.get_window_extent()
        for label, most, along in ((ax.xaxis.label, room.width, "width"), (ax.yaxis.label, room.height, "height")):
            share = _FILLED * most / max(getattr(label.get_window_extent(), along), 1)
            if share < _FILLED:
                longest = max(map(len, label.get_text().split("\n")))
                label.set_text(_broken(label.get_text(), max(_SHORT // 2, int(share * longest))))


def _broken(text: str, length: int) -> str:
    lines = [part for line in text.split("\n") for part in wrap(line, length)]
    return "\n".join(lines if len(lines) <= _LINES else [*lines[: _LINES - 1], lines[_LINES - 1][: length - 1] + "…"])


def _element(document: str, name: str, label: str) -> str:
    """The element of a document, without what belongs to a file, and with ids of its own."""
    text = document[document.index("<svg") :].strip()
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.S)
    used = {name for tag in _TAG.findall(text) for name in _POINTED_AT.findall(tag)}
    text = _TAG.sub(lambda tag: _own(tag[0], name, used), text)  # what stands between tags are people's words
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups()  # type: ignore[union-attr]
    head = f'<svg class="picture {name}" role="img" aria-label="{label}" viewBox="0 0 {width} {height}" '
    head += f'style="max-width: {float(width) / 72:.2f}in" xmlns="http://www.w3.org/2000/svg" '
    return head + 'xmlns:xlink="http://www.w3.org/1999/xlink">' + text[text.index(">") + 1 :]


def _own(tag: str, name: str, used: set[str]) -> str:
    """A tag with rounded paths, ids that begin with the picture's name, and the page's colours."""
    tag = re.sub(r'(?<= d=")[^"]+', lambda found: _ROUNDED.sub(lambda one: f"{float(one[0]):.2f}", found[0]), tag)
    tag = re.sub(r' id="([^"]+)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", tag)
    tag = re.sub(r'((?:xlink:href="|url\())#', rf"\g<1>#{name}-", tag)
    return re.sub(
        r"(?<=: )#[0-9a-f]{6}\b", lambda found: _ON_PAGE.get(found[0], f"var(--on-{found[0][1:]}, {found[0]})"), tag
    )


def _figure(drawn: Any) -> Figure:
    """The figure, its texts without characters that no font has and no XML may hold."""
    figure: Figure = np.ravel(np.asarray(drawn, dtype=object))[0].figure
    for text in figure.findobj(Text):
        if _UNPRINTABLE.search(text.get_text()):
            text.set_text(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text.get_text()))
    return figure
