"""`plot_selection`: a criterion against the number of components, with a line for each covariance type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gmm.estimators.criteria import CRITERIA
from gmm.exceptions import InvalidParameterError, raisable
from gmm.plotting.lines import Line, as_high_as_the_best, counts_axis, name_at_the_end
from gmm.plotting.style import FAINT, axes_of, colours, inks_of
from gmm.selection import NOT_CONVERGED, OK, GaussianMixtureSearch, Selection
from gmm.selection.grid import title
from gmm.selection.status import has_failed, is_degenerate
from gmm.text.amounts import counted
from gmm.validation.parameters import check_is_fitted

_IN_COLOUR = 5  # covariance types


def plot_selection(
    selection: Selection | GaussianMixtureSearch, *, ax: Axes | None = None, criterion: str | None = None
) -> Axes:
    """Draw a criterion against the number of components, with a line for each covariance type.

    The types that come lowest are in colour and named at their lines; the best cell has a star. A cell that did not
    converge has an open dot; one that holds a spike, so that its criterion means nothing, a triangle beside the lines,
    at the edge where it is out of the picture. Lines may go on above the picture, where they are far from the best.

    Parameters
    ----------
    selection : Selection or GaussianMixtureSearch
        What `select` returned, or a fitted search.
    ax : Axes, optional
        Where to draw; a new figure if None.
    criterion : str, optional
        "bic", "aic", "aicc", "icl" or "nec"; None for the one that chose.

    Returns
    -------
    Axes
        Smaller is better.

    Raises
    ------
    NotFittedError
        For a search that is not fitted.
    TypeError
        For what is no selection and no search.
    ValueError
        If there is no such criterion, or it is finite for no cell.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import select
    >>> from gmm.plotting import plot_selection
    >>> found = select(np.random.default_rng(0).normal(size=(60, 2)), [1, 2], ["EII", "VVV"], random_state=0)
    >>> plot_selection(found).get_ylabel()
    'BIC (smaller is better)'
    """
    found = table_of(selection)
    name = checked_criterion(found.criterion if criterion is None else criterion)
    cells = cells_of(found, name)
    with axes_of(ax, figsize=(7.0, 4.8)) as ax:
        lines = _lines(found, cells)
        _faint_lines(ax, lines[_IN_COLOUR:])
        for line in lines[:_IN_COLOUR]:
            ax.plot(line.counts, line.values, color=line.colour, lw=1.8, marker="o", ms=4.5, zorder=3)
        as_high_as_the_best(ax, lines[:_IN_COLOUR])
        _mark_cells(ax, found, cells, lines)
        inks, at = inks_of(ax), (found.n_components[cells.best], cells.values[cells.best])
        ax.plot(*at, "*", ms=16, mfc=inks.ink, mec=inks.paper, zorder=7)
        counts_axis(ax, found.n_components)
        name_at_the_end(ax, lines[:_IN_COLOUR])
        ax.set_ylabel(f"{title(name)} (smaller is better)")
        ax.set_title("\n".join([_chosen(found, name, cells), *_not_drawn(found, cells)]))
        if ax.get_legend_handles_labels()[1]:
            ax.legend(loc="best")
    return ax


@dataclass(frozen=True, eq=False)
class Cells:
    """A criterion in the cells of a table: what is drawn in lines (n_cells,), NaN elsewhere; spikes; the best."""

    values: NDArray[np.float64]
    spikes: NDArray[np.float64]
    best: int


def table_of(selection: Any) -> Selection:
    """The table of a search, or an error that tells what has one."""
    if isinstance(selection, GaussianMixtureSearch):
        check_is_fitted(selection)
        return selection.selection_
    if isinstance(selection, Selection):
        return selection
    raise TypeError(
        "expected the Selection that `select` returns, or a fitted GaussianMixtureSearch; got "
        f"{type(selection).__name__}"
    )


def checked_criterion(name: Any) -> str:
    """The name of a criterion, or an error that lists them."""
    if not isinstance(name, str) or name not in CRITERIA:
        raise raisable(InvalidParameterError)(f"expected a criterion among {CRITERIA}, got {name!r}")
    return name


def cells_of(found: Selection, name: str) -> Cells:
    """A criterion in the cells of a table."""
    values = np.array(getattr(found, name))
    values[~np.isfinite(values)] = np.nan
    spiked = np.array([is_degenerate(status) for status in found.status])
    if np.isnan(values).all():
        raise raisable(InvalidParameterError)(
            f"{title(name)} is finite for no cell of this selection: draw another criterion"
        )
    if np.isnan(values[~spiked]).all():  # there is nothing else
        spiked[:] = False
    sound = np.where(spiked, np.nan, values)
    best = found.best_index if name == found.criterion else int(np.nanargmin(sound))
    return Cells(sound, np.where(spiked, values, np.nan), best)


def places_of(found: Selection, covariance_type: str) -> NDArray[np.intp]:
    """Where the cells of a covariance type stand in the table, by rising numbers of components."""
    places = np.flatnonzero(np.array(found.covariance_type) == covariance_type)
    return places[np.argsort(found.n_components[places], kind="stable")]


def _lines(found: Selection, cells: Cells) -> list[Line]:
    """The lines, the lowest first; those in colour have one of their own. Types that are everywhere equal share one."""
    known: dict[tuple[bytes, ...], list[str]] = {}
    members: dict[str, NDArray[np.intp]] = {}
    for name in dict.fromkeys(found.covariance_type):
        members[name] = places_of(found, name)
        drawn = (found.n_components, cells.values, cells.spikes)
        known.setdefault(tuple(part[members[name]].tobytes() for part in drawn), []).append(name)
    groups = [(names, members[names[0]]) for names in known.values()]
    groups.sort(key=lambda group: np.fmin.reduce(cells.values[group[1]], initial=np.inf))
    palette = [*colours(_IN_COLOUR), *[FAINT] * len(groups)]
    return [
        Line(tuple(names), found.n_components[numbers], cells.values[numbers], colour)
        for (names, numbers), colour in zip(groups, palette, strict=False)
    ]


def _faint_lines(ax: Axes, lines: Sequence[Line]) -> None:
    n_types = sum(len(line.names) for line in lines)
    for number, line in enumerate(lines):
        told = counted(n_types, "other type") if number == 0 else None
        ax.plot(line.counts, line.values, color=FAINT, lw=0.9, alpha=0.7, marker="o", ms=2, label=told, zorder=2)


def _mark_cells(ax: Axes, found: Selection, cells: Cells, lines: Sequence[Line]) -> None:
    """Open dots where a climb did not converge; triangles for spikes, at the edge where they are out of the picture."""
    colour_of = {name: line.colour for line in lines for name in line.names}
    low, high = ax.get_ylim()
    inside = np.clip(cells.spikes, low + 0.02 * (high - low), high - 0.02 * (high - low))
    kinds = {"not converged": ("o", np.array(found.status) == NOT_CONVERGED, cells.values)}
    kinds["holds a spike: means nothing"] = ("v", np.isfinite(cells.spikes), inside)
    for told, (marker, among, heights) in kinds.items():
        label: str | None = told
        for number in np.flatnonzero(among & np.isfinite(heights)):
            colour = colour_of[found.covariance_type[number]]
            at = (found.n_components[number], heights[number])
            ax.plot(*at, marker, ms=5.5, mfc=inks_of(ax).paper, mec=colour, ls="", label=label, zorder=5)
            label = None


def _chosen(found: Selection, name: str, cells: Cells) -> str:
    best = cells.best
    chosen = f"{title(name)} chooses {counted(found.n_components[best], 'component')}, {found.covariance_type[best]}"
    return chosen if np.isnan(cells.values[best]) or not is_degenerate(found.status[best]) else chosen + ", a spike"


def _not_drawn(found: Selection, cells: Cells) -> list[str]:
    """How many cells have no point, and why."""
    blank = np.isnan(cells.values) & np.isnan(cells.spikes)
    why = [
        "spike" if is_degenerate(status) else "failed" if has_failed(status) else status
        for status, none in zip(found.status, blank, strict=True)
        if none
    ]
    told = [f"{why.count(reason)} {reason}" for reason in dict.fromkeys(why) if reason != OK]
    return [f"without a point: {', '.join(told)}"] if told else []
