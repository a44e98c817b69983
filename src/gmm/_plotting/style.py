"""How plots look: colours that are distinct for colour-blind readers and in grey, new Axes, legends; and their files.

Files are images, and inline SVG that adopts the colours of the page around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import chain
from textwrap import wrap
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection, PathCollection, QuadMesh
from matplotlib.colors import to_hex, to_rgb, to_rgba
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.text import Text
from numpy.typing import NDArray

from gmm._exceptions import invalid
from gmm._text.words import counted
from gmm._validation.scalars import check_choice, check_whole

INK, FAINT, PAPER = "#24292f", "#8c959f", "#ffffff"  # text and lines that carry information; what is behind; nothing
DARKER = 0.75  # factor on a component's colour, for lines on its rows
NOISE = "black"  # of rows that belong to no component
# The hues of Okabe & Ito (2008), moved until all are distinct under each kind of red-green blindness, and neighbours by
# lightness alone (tests/plotting/test_plotting.py).
_PALETTE = ("#486ca6", "#e0af0f", "#02725c", "#d08dad", "#983519", "#22b3f0", "#4a2e93", "#a99233")
_WIDEST = 58  # characters of texts side by side
_LINE = 0.19  # inches
LEGEND: Any = {"fontsize": 9.0, "handlelength": 1.4}  # of a figure of our own
Entries = list[tuple[Artist, str]]


class Inks(NamedTuple):
    """Colours that depend on the background: of white paper or, if `dark`, of a dark one."""

    dark: bool = False
    ink: str = INK
    faint: str = FAINT
    paper: str = PAPER
    row: str = "#57606a"  # rows, where colour encodes something else
    bars: str = "#d8dde2"  # rows of a histogram
    pale: str = "#f4f5f6"  # a neutral sample of a pale tint
    pale_edge: str = "#c8ccd1"

    def strong(self, shades: NDArray[np.float64]) -> NDArray[np.float64]:
        """Increase the contrast of components' colours (n, 3), for lines on their rows."""
        return 1 - DARKER * (1 - shades) if self.dark else DARKER * shades

    def mixed(self, depth: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return colours (n, 3) from the faint one at a depth of 0 to ink at 1."""
        return (1 - depth[:, None]) * np.array(to_rgb(self.faint)) + depth[:, None] * np.array(to_rgb(self.ink))


STYLE: Any = {
    "figure.figsize": (5.0, 4.0),
    "figure.dpi": 110,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def colours(n: int) -> NDArray[np.float64]:
    """Return the colours of `n` components, (n, 3) in RGB from 0 to 1; from the ninth on they repeat, lighter."""
    base, n = np.array([to_rgb(name) for name in _PALETTE]), check_whole(n, "n", 0)
    rounds = np.arange(n) // len(base)
    shade = (0.6**rounds)[:, None]
    return base[np.arange(n) % len(base)] * shade + (1 - shade)


@contextmanager
def axes_of(ax: Axes | None) -> Iterator[Axes]:
    """Yield the caller's Axes, in the caller's style, or those of a new figure, in the package's style.

    A new figure is closed if drawing fails.

    Raises
    ------
    TypeError
        If `ax` is not an Axes, but for example an array of Axes or a figure.
    ValueError
        If the Axes are not rectangular and two-dimensional, but for example polar.
    """
    if ax is not None:
        if not isinstance(ax, Axes):
            several = " of Axes: pass one of them, such as ax[0]" if isinstance(ax, np.ndarray | list | tuple) else ""
            hint = ": pass one of its Axes, such as figure.subplots()" if isinstance(ax, FigureBase) else several
            raise TypeError(f"ax must be one matplotlib Axes or None, got {type(ax).__name__}{hint}")
        if ax.name != "rectilinear":
            raise invalid(f"ax must be two-dimensional rectangular Axes, got Axes of projection {ax.name!r}")
        yield ax
        return
    with own_figure(1, 1) as axes:
        yield axes[0, 0]


@contextmanager
def own_figure(n_rows: int, n_columns: int, **kwargs: Any) -> Iterator[NDArray[np.object_]]:
    """Yield the Axes of a new figure, in the package's style, as a matrix; the figure is closed if drawing fails."""
    # Loads the backend before the options are changed: that of notebooks sets `interactive` when it is loaded.
    plt.draw_if_interactive()  # type: ignore[no-untyped-call]
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(n_rows, n_columns, squeeze=False, **kwargs)
        # Matplotlib makes ticks only when it draws, in the style active then.
        for ax in axes.ravel():
            ax.title.set_wrap(True)
            ax.tick_params(colors=INK)
            for axis in (ax.xaxis, ax.yaxis):
                axis.get_offset_text().set_color(INK)
        try:
            yield axes
        except BaseException:
            plt.close(figure)
            raise


def inks_of(ax: Axes) -> Inks:
    """Return the inks for the background of Axes: their own face, blended with that of their figure behind it."""
    paper = np.ones(3)
    for patch in (ax.figure.patch, ax.patch):
        *face, opacity = to_rgba(patch.get_facecolor() if patch.get_visible() else "none")
        paper = opacity * np.array(face) + (1 - opacity) * paper
    if paper @ [0.2126, 0.7152, 0.0722] > 0.45:
        return Inks()
    tone = to_hex((float(paper[0]), float(paper[1]), float(paper[2])))
    return Inks(True, "#e6edf3", "#8c959f", tone, "#b1bac4", "#4a525b", tone, "#6e7681")


def dot(colour: Any, marker: str = "o", size: float = 7) -> Line2D:
    """Make the mark of a legend entry: a dot, or another marker."""
    return Line2D([], [], marker=marker, linestyle="", color=colour, markersize=size)


def note(text: str) -> tuple[Artist, str]:
    """Make a legend entry that has no mark."""
    return Line2D([], [], linestyle=""), text


_MOST_COVERED = 0.25  # share of Axes that a legend may cover


def legend_below(ax: Axes, columns: list[Entries]) -> None:
    """Draw the legend of a figure below its Axes, and make the figure higher by it: it covers nothing."""
    figure: Any = ax.figure
    columns = [column for column in columns if column]
    if sum(max(len(text) for _, text in column) for column in columns) > _WIDEST:
        columns = [list(chain(*columns))]
    n_lines = max(map(len, columns))
    padded = [[*column, *[note("")] * (n_lines - len(column))] for column in columns]
    style: Any = {"loc": "outside lower center", "ncols": len(columns), "labelspacing": 0.3}
    figure.legend(*zip(*chain(*padded), strict=True), **LEGEND, **style)
    figure.set_figheight(figure.get_figheight() + _LINE * n_lines)


def legend_of_labels(ax: Axes, *, own: bool) -> None:
    """Draw the legend of labelled artists, if there are any: below the Axes in a figure of our own."""
    entries: Entries = list(zip(*ax.get_legend_handles_labels(), strict=True))
    if entries and own:
        legend_below(ax, [entries])
    elif entries:
        legend_inside(ax, entries, loc="best")


def legend_inside(ax: Axes, entries: Entries, **style: Any) -> None:
    """Draw the legend on somebody's Axes, hidden where it would cover more than a quarter of them."""
    legend = ax.legend(*zip(*entries, strict=True), **style)
    covered, panel = legend.get_window_extent(), ax.get_window_extent()
    legend.set_visible(covered.width * covered.height < _MOST_COVERED * panel.width * panel.height)


_DPI, _DPI_ON_PAGE = 200, 144
_MANY = 100  # marks above which a collection is rasterised, to keep pages small
_ON_PAGE = {INK: "currentColor", FAINT: "var(--faint, currentColor)", PAPER: f"var(--paper, {PAPER})"}
_ROUNDED = re.compile(r"\d+\.\d{3,}")  # coordinates in points: invisible digits were half of the page
_TAG = re.compile(r"<[^>]*>")
_POINTED_AT = re.compile(r'(?:xlink:href="|url\()#([^")]+)')
_COMPONENT = re.compile(r"(?<!empty )\bcomponent(?=s?\b)")
_IN_USE = re.compile(r"\b(\d+) of \d+ components?\b")  # of a variational fit, whose other ones a page lists elsewhere
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
    kinds = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None}}
    metadata = kinds[check_choice(kind, "kind", tuple(kinds))]
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


colours.__module__ = encoded.__module__ = inline_svg.__module__ = "gmm.plotting"


def _saved(figure: Figure, **kwargs: Any) -> bytes:
    _break_labels(figure)
    file = BytesIO()
    figure.savefig(file, **kwargs)
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
        window = ax.get_window_extent()
        for label, most, along in ((ax.xaxis.label, window.width, "width"), (ax.yaxis.label, window.height, "height")):
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
    axes = np.ravel(np.asarray(picture, dtype=object)).tolist()
    if not (axes and isinstance(axes[0], Axes)):
        raise TypeError(f"expected what a plotting function returns, Axes or an array of these, got {picture!r:.80}")
    figure: Any = axes[0].figure
    for text in figure.findobj(Text):
        if _UNPRINTABLE.search(text.get_text()):
            text.set_text(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text.get_text()))
    return figure
