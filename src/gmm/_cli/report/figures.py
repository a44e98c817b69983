"""The pictures of a report and their captions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from gmm._cli.fit import MixtureOutcome, Posterior, Result
from gmm._cli.write import drawing
from gmm._text.html import Html, escaped

_MOST_PAIRS = 5  # columns in the grid of pairs


@dataclass(frozen=True)
class Picture:
    """A picture and the caption below it."""

    svg: Html
    caption: str


def draw_pictures(result: MixtureOutcome) -> dict[str, Picture]:
    """Draw the pictures of a result: ``clusters`` always, the others only where they apply.

    The others are ``pairs``, ``combined``, ``boundaries``, ``uncertainty``, ``selection`` and ``convergence``.
    """
    model, draw = result.model, drawing()
    d, K = len(result.rows.names), len(result.shown)
    plans: dict[str, tuple[Callable[[], Any], str]] = {
        "clusters": (lambda: result.draw(draw.plot_clusters), _clusters_caption(d, K))
    }
    if 2 < d <= _MOST_PAIRS:
        plans["pairs"] = lambda: result.draw(draw.plot_clusters, view="pairs"), _PAIRS
    if result.combined is not None:
        plans["combined"] = (
            lambda: draw.plot_clusters(result.combined, result.fitted_rows),
            _COMBINED,
        )
    if K > 1:
        if d > 1 and not result.options.noise:
            plans["boundaries"] = lambda: result.draw(draw.plot_decision_boundaries), _BOUNDARIES
        plans["uncertainty"] = lambda: result.draw(draw.plot_uncertainty), _UNCERTAINTY
    note = result.note_on_pictures
    plans = {name: (plan, f"{caption} {note}".rstrip()) for name, (plan, caption) in plans.items()}
    if isinstance(result, Result) and len(set(result.search.n_components[result.search.ranked()])) > 1:
        plans["selection"] = lambda: draw.plot_selection(result.search), _SELECTION
    if len(model.history_) > 1:
        plans["convergence"] = lambda: draw.plot_convergence(model), _BOUND if isinstance(result, Posterior) else _CLIMB
    return {name: _picture(name, plan, caption) for name, (plan, caption) in plans.items()}


def colours(n: int) -> list[str]:
    """Return the colours of `n` components in the pictures, as ``#rrggbb``."""
    palette = import_module("gmm._plotting.style").colours(n)
    return ["#" + "".join(f"{round(255 * part):02x}" for part in colour) for colour in palette]


def _picture(name: str, plan: Callable[[], Any], caption: str) -> Picture:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the browser's fonts have glyphs that matplotlib's lack
        svg = import_module("gmm._plotting.files").inline_svg(plan(), name, escaped(caption.partition(".")[0]))
    return Picture(Html(svg), caption)


def _clusters_caption(d: int, K: int) -> str:
    if d == 1:
        return "The values, the density of each group and their sum. The bars show the share of rows in each bin."
    subject = "The rows and the groups" if K > 1 else "The rows and the group"
    if d > 2:
        what = "groups" if K > 1 else "rows"
        subject += (
            f", projected onto the plane in which the {what} differ most; each axis combines several columns, mostly "
            "those that it names, with + if they grow along it and − if they fall"
        )
    mixed = " The colour of a row mixes the colours of the groups by their probabilities." if K > 1 else ""
    return f"{subject}.{mixed} The inner ellipse contains 50 % of {'a' if K > 1 else 'the'} group, the outer one 95 %."


_PAIRS = (
    "The rows and the groups for every pair of columns. The diagonal shows the values of one column and the density of "
    "each group."
)
_COMBINED = "The same rows in the colours of the clusters. The ellipses are those of the groups."
_BOUNDARIES = "The most probable group at each point. The fainter the colour, the less certain."
_UNCERTAINTY = "The uncertainty of each row. The larger the mark, the less certain the row's group."
_SELECTION = "The criterion against the number of groups, one line per covariance model. Smaller is better."
_CLIMB = "The log-likelihood per row after each pass of the chosen fit."
_BOUND = "The lower bound of the log evidence after each pass."
