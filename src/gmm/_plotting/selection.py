"""`plot_selection`: a criterion against the number of components, with a line for each covariance type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gmm._estimators.criteria import title
from gmm._exceptions import InvalidParameterError, raisable
from gmm._plotting.legends import legend_of_labels
from gmm._plotting.lines import Line, draw_line, label_ends, limit_height, mark_best, set_counts_axis
from gmm._plotting.pipeline import last_of
from gmm._plotting.style import FAINT, axes_of, colours, inks_of
from gmm._public import publish
from gmm._selection import NOT_CONVERGED, OK, GaussianMixtureSearch, Selection
from gmm._selection.cells import check_criterion
from gmm._selection.status import has_failed, is_behind, is_degenerate, is_eligible
from gmm._text.amounts import counted
from gmm._validation.parameters import check_is_fitted

_IN_COLOUR = 5  # most lines drawn in colour


def plot_selection(
    selection: Selection | GaussianMixtureSearch, *, ax: Axes | None = None, criterion: str | None = None
) -> Axes:
    """Draw a criterion against the number of components, with a line for each covariance type.

    The types with the lowest values are in colour and labelled, the lowest on top; a star marks the best cell. An open
    dot marks a cell that did not converge. A triangle, off the lines, marks a cell with a degenerate component, whose
    criterion is meaningless; it is moved to the edge if it lies outside the axes. Lines far from the best may continue
    above the axes, where grey triangles say so.

    Parameters
    ----------
    selection : Selection, GaussianMixtureSearch or a pipeline that ends in one
        The result of `select`, or a fitted search.
    ax : Axes, optional
        Axes to draw on; None makes a new figure.
    criterion : str, optional
        "bic", "aic", "aicc", "icl", "nec" or, of a search by it, "held_out"; None draws the criterion of the
        selection.

    Returns
    -------
    Axes
        Smaller is better.

    Raises
    ------
    NotFittedError
        If the search is not fitted.
    TypeError
        If `selection` is neither a selection nor a search.
    ValueError
        If the criterion does not exist, or is not finite for any cell.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import select
    >>> from gmm.plotting import plot_selection
    >>> X = np.random.default_rng(0).normal(size=(60, 2))
    >>> plot_selection(select(X, [1, 2], ["EII", "VVV"], random_state=0)).get_ylabel()
    'BIC (smaller is better)'
    """
    table = table_of(selection)
    name = check_criterion(table.criterion if criterion is None else criterion, table.criteria)
    cells = cells_of(table, name)
    with axes_of(ax, figsize=(5.0, 4.0)) as target:
        lines = _lines(table, cells)
        _faint_lines(target, lines[_IN_COLOUR:])
        for line in reversed(lines[:_IN_COLOUR]):  # the lowest on top
            draw_line(target, line)
        limit_height(target, lines[:_IN_COLOUR])
        _mark_cells(target, table, cells, lines)
        mark_best(target, table.n_components[cells.best], cells.values[cells.best], inks_of(target).ink)
        set_counts_axis(target, table.n_components)
        label_ends(target, lines[:_IN_COLOUR])
        target.set_ylabel(f"{title(name)} (smaller is better)")
        target.set_title("\n".join([_choice(table, name, cells), *_absence_note(table, cells)]))
        legend_of_labels(target, own=ax is None)
    return target


@dataclass(frozen=True, eq=False)
class Cells:
    """A criterion in the cells of a selection: usable and degenerate ones, each (n_cells,), NaN for all other cells."""

    values: NDArray[np.float64]
    degenerate: NDArray[np.float64]
    best: int


def table_of(selection: Any) -> Selection:
    """Return a selection, or that of a fitted search, which a pipeline may end in."""
    selection = last_of(selection)
    if isinstance(selection, GaussianMixtureSearch):
        check_is_fitted(selection)
        return selection.selection_
    if isinstance(selection, Selection):
        return selection
    raise TypeError(
        "expected the Selection that `select` returns, or a fitted GaussianMixtureSearch; got "
        f"{type(selection).__name__}"
    )


def cells_of(table: Selection, name: str) -> Cells:
    """Collect a criterion over the cells of a selection, with degenerate cells apart."""
    values = np.array(getattr(table, name))
    values[~np.isfinite(values)] = np.nan
    degenerate = np.array([not is_eligible(status, name) for status in table.status])
    if np.isnan(values).all():
        raise raisable(InvalidParameterError)(
            f"{title(name)} is not finite for any cell of this selection: draw another criterion"
        )
    if np.isnan(values[~degenerate]).all():  # draw the degenerate cells as lines if there are no others
        degenerate[:] = False
    usable = np.where(degenerate, np.nan, values)
    best = table.best_index if name == table.criterion else int(np.nanargmin(usable))
    return Cells(usable, np.where(degenerate, values, np.nan), best)


def indices_of(table: Selection, kind: str) -> NDArray[np.intp]:
    """Return the indices of the cells of a covariance type and tails, by ascending number of components."""
    indices = np.flatnonzero(np.array(table.kinds) == kind)
    return indices[np.argsort(table.n_components[indices], kind="stable")]


def _lines(table: Selection, cells: Cells) -> list[Line]:
    """Make the lines, the lowest first; types whose values are all equal share one line."""
    groups_of: dict[tuple[bytes, ...], list[str]] = {}
    members: dict[str, NDArray[np.intp]] = {}
    for name in dict.fromkeys(table.kinds):
        members[name] = indices_of(table, name)
        parts = (table.n_components, cells.values, cells.degenerate)
        groups_of.setdefault(tuple(part[members[name]].tobytes() for part in parts), []).append(name)
    groups = [(names, members[names[0]]) for names in groups_of.values()]
    groups.sort(key=lambda group: np.fmin.reduce(cells.values[group[1]], initial=np.inf))
    palette = [*colours(_IN_COLOUR), *[FAINT] * len(groups)]
    return [
        Line(tuple(names), table.n_components[indices], cells.values[indices], colour)
        for (names, indices), colour in zip(groups, palette, strict=False)
    ]


def _faint_lines(ax: Axes, lines: Sequence[Line]) -> None:
    n_types = sum(len(line.names) for line in lines)
    for number, line in enumerate(lines):
        label = counted(n_types, "other type") if number == 0 else None
        ax.plot(line.counts, line.values, color=FAINT, lw=0.9, alpha=0.7, marker="o", ms=2, label=label, zorder=2)


def _mark_cells(ax: Axes, table: Selection, cells: Cells, lines: Sequence[Line]) -> None:
    """Mark cells that did not converge by open dots, and degenerate ones by triangles, moved inside the axes."""
    colour_of = {name: line.colour for line in lines for name in line.names}
    low, high = ax.get_ylim()
    inside = np.clip(cells.degenerate, low + 0.02 * (high - low), high - 0.02 * (high - low))
    open_ended = np.array([status == NOT_CONVERGED or is_behind(status) for status in table.status])
    kinds = {"not converged": ("o", open_ended, cells.values)}
    kinds["degenerate: criterion is meaningless"] = ("v", np.isfinite(cells.degenerate), inside)
    for name, (marker, among, heights) in kinds.items():
        label: str | None = name
        for number in np.flatnonzero(among & np.isfinite(heights)):
            colour = colour_of[table.kinds[number]]
            at = (table.n_components[number], heights[number])
            ax.plot(*at, marker, ms=5.5, mfc=inks_of(ax).paper, mec=colour, ls="", label=label, zorder=5)
            label = None


def _choice(table: Selection, name: str, cells: Cells) -> str:
    best = cells.best
    choice = f"{title(name)} chooses {counted(table.n_components[best], 'component')}, {table.kinds[best]}"
    return choice if np.isnan(cells.values[best]) or not is_degenerate(table.status[best]) else choice + ", degenerate"


def _absence_note(table: Selection, cells: Cells) -> list[str]:
    blank = np.isnan(cells.values) & np.isnan(cells.degenerate)
    why = [
        "degenerate" if is_degenerate(status) else "failed" if has_failed(status) else status
        for status, is_blank in zip(table.status, blank, strict=True)
        if is_blank
    ]
    counts = [f"{why.count(reason)} {reason}" for reason in dict.fromkeys(why) if reason != OK]
    return [f"not drawn: {', '.join(counts)}"] if counts else []


publish("gmm.plotting", [plot_selection])
