"""`plot_selection` and `plot_criteria`: criteria against the number of components, of a search or of mixtures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.criteria import CRITERIA, title
from gmm._estimators.mixture import GaussianMixture
from gmm._exceptions import InvalidParameterError, raisable
from gmm._plotting.legends import legend_of_labels
from gmm._plotting.lines import Line, draw_line, label_ends, limit_height, mark_best, set_counts_axis
from gmm._plotting.pipeline import last_of
from gmm._plotting.scene import fitted_mixture
from gmm._plotting.style import FAINT, axes_of, colours, inks_of
from gmm._public import publish
from gmm._selection import GaussianMixtureSearch, Selection
from gmm._selection.cells import check_criterion
from gmm._selection.status import NOT_CONVERGED, OK, has_failed, is_behind, is_degenerate, is_eligible
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


def plot_criteria(
    models: Selection | GaussianMixtureSearch | Sequence[GaussianMixture],
    X: ArrayLike | None = None,
    *,
    ax: Axes | None = None,
    criteria: Sequence[str] = ("bic", "aic"),
    covariance_type: str | None = None,
    sample_weight: ArrayLike | None = None,
) -> Axes:
    """Draw criteria against the number of components, and mark the minimum of each.

    Parameters
    ----------
    models : Selection, GaussianMixtureSearch, or sequence of GaussianMixture
        A search, of which the cells of one covariance type are drawn; or fitted mixtures with different numbers of
        components.
    X : array-like of shape (n, d), optional
        Rows on which to evaluate fitted mixtures. Not allowed with a search, which has its criteria already.
    ax : Axes, optional
        Axes to draw on; None makes a new figure.
    criteria : sequence of str, default=("bic", "aic")
        One or more of "bic", "aic", "aicc", "icl" and "nec".
    covariance_type : str, optional
        Covariance type to draw of a search; None selects that of its best cell.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows in X.

    Returns
    -------
    Axes
        Smaller is better. Lines may continue above the axes, where grey triangles say so. Cells with a degenerate
        component are left out, since their criteria are meaningless.

    Raises
    ------
    NotFittedError
        If the search or a mixture is not fitted.
    TypeError
        If `models` is neither a selection, a search nor a list of mixtures.
    ValueError
        If a criterion or the covariance type does not exist, a criterion is not finite for any non-degenerate cell, X
        is missing, or two mixtures have the same number of components; or if X or weights are given with a search, or
        `covariance_type` with mixtures.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import GaussianMixture
    >>> from gmm.plotting import plot_criteria
    >>> X = np.concatenate([np.arange(9.0), np.arange(40.0, 49.0)])[:, None]
    >>> models = [GaussianMixture(K, random_state=0).fit(X) for K in (1, 2)]
    >>> plot_criteria(models, X).get_title()
    'BIC chooses 2 components, AIC 2'
    """
    names = _checked_criteria(criteria)
    _check_not_names(X)
    if isinstance(models, Selection | GaussianMixtureSearch):
        _check_omitted("fitted mixtures; a search has its criteria already", X=X, sample_weight=sample_weight)
        counts, values, suffix = _of_type(table_of(models), names, covariance_type)
    else:
        _check_omitted("a search, to choose the type to draw", covariance_type=covariance_type)
        counts, values = _of_mixtures(models, X, sample_weight, names)
        suffix = ""
    with axes_of(ax) as target:
        lines = [
            Line((title(name),), counts, of_name, colour)
            for name, of_name, colour in zip(names, values, colours(len(names)), strict=True)
        ]
        for line in lines:
            draw_line(target, line)
            best = int(np.nanargmin(line.values))
            target.axvline(counts[best], color=line.colour, lw=0.8, ls=(0, (4, 3)), zorder=1)
            mark_best(target, counts[best], line.values[best], line.colour)
        limit_height(target, lines)
        set_counts_axis(target, counts)
        label_ends(target, lines)
        target.set_ylabel(f"{' and '.join(line.label for line in lines)} (smaller is better)")
        target.set_title(_minima(lines) + suffix)
        legend_of_labels(target, own=ax is None)
    return target


def _checked_criteria(criteria: Any) -> list[str]:
    listed = [criteria] if isinstance(criteria, str) else criteria
    if not isinstance(listed, Iterable):
        raise TypeError(f"criteria must be one or more of {CRITERIA}, got {type(criteria).__name__}")
    names = [check_criterion(name) for name in listed]
    if not names:
        raise raisable(InvalidParameterError)(f"criteria must be one or more of {CRITERIA}, got none")
    return names


def _check_not_names(X: Any) -> None:
    """Catch criteria passed as second argument, in place of the rows."""
    if isinstance(X, str) or (isinstance(X, list | tuple) and X and all(isinstance(name, str) for name in X)):
        raise raisable(InvalidParameterError)(
            f"X must be the rows on which to evaluate fitted mixtures, got {X!r}; did you mean criteria={X!r}?"
        )


def _check_omitted(meant_for: str, **arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise raisable(InvalidParameterError)(f"{name} is only for {meant_for}")


def _minima(lines: Sequence[Line]) -> str:
    smallest = [line.counts[np.nanargmin(line.values)] for line in lines]
    first = f"{lines[0].label} chooses {counted(smallest[0], 'component')}"
    return ", ".join([first, *(f"{line.label} {count}" for line, count in zip(lines[1:], smallest[1:], strict=True))])


def _of_type(
    selection: Selection, names: Sequence[str], covariance_type: str | None
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]], str]:
    kind = selection.kinds[selection.best_index] if covariance_type is None else covariance_type
    of_type = indices_of(selection, kind)
    if not len(of_type):
        listed = ", ".join(dict.fromkeys(selection.kinds))
        raise raisable(InvalidParameterError)(
            f"this selection has no cell of covariance_type {kind!r}; it has {listed}"
        )
    values = [cells_of(selection, name).values[of_type] for name in names]
    for name, of_name in zip(names, values, strict=True):
        if np.isnan(of_name).all():
            raise raisable(InvalidParameterError)(
                f"no non-degenerate cell of covariance_type {kind!r} has a finite {title(name)}: draw other criteria"
            )
    return selection.n_components[of_type], values, f"\ncovariance type {kind}"


def _of_mixtures(
    models: Sequence[GaussianMixture], X: ArrayLike | None, sample_weight: ArrayLike | None, names: Sequence[str]
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]]:
    mixtures = _mixtures(models)
    if X is None:
        raise raisable(InvalidParameterError)(
            "fitted mixtures are evaluated on rows: pass X, or a Selection, which has its criteria already"
        )
    ordered = sorted(mixtures, key=lambda model: len(model.weights_))
    counts = np.array([len(model.weights_) for model in ordered], dtype=np.int64)
    if not len(counts) or (np.diff(counts) == 0).any():
        raise raisable(InvalidParameterError)(
            f"expected fitted mixtures, one for each number of components; got these numbers: {counts.tolist()}"
        )
    scores = [model.criteria(X, sample_weight) for model in ordered]
    values = [np.array([of_model[name] for of_model in scores]) for name in names]
    for name, of_name in zip(names, values, strict=True):
        if not np.isfinite(of_name).any():
            raise raisable(InvalidParameterError)(
                f"{title(name)} is not finite for any of these mixtures: draw other criteria"
            )
    return counts, [np.where(np.isfinite(of_name), of_name, np.nan) for of_name in values]


def _mixtures(models: Any) -> list[GaussianMixture]:
    expected = "expected a Selection, a fitted GaussianMixtureSearch, or a list of fitted mixtures; got "
    if not isinstance(models, Iterable) or isinstance(models, str | Mapping):
        raise TypeError(expected + type(models).__name__)
    mixtures = []
    for model in models:
        try:
            mixture = fitted_mixture(model)
        except TypeError:
            raise TypeError(f"{expected}{type(models).__name__} with {type(model).__name__}") from None
        if not isinstance(mixture, GaussianMixture):
            raise TypeError(f"{expected}{type(mixture).__name__}, whose number of components has no criterion")
        mixtures.append(mixture)
    return mixtures


publish("gmm.plotting", [plot_criteria, plot_selection])
