"""Pictures of curves: criteria, hierarchies, tests, drift, directions and other answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from gmm._em import CandidateRows
from gmm._estimators.attributes import fitted_parameters
from gmm._estimators.contract import names_of_features
from gmm._estimators.criteria import CRITERIA, title
from gmm._estimators.mixture import GaussianMixture
from gmm._exceptions import invalid
from gmm._fitting.hierarchy import Hierarchy
from gmm._fitting.sampling import draw_sample
from gmm._plotting.scene import fitted_mixture, literal, split_pipeline
from gmm._plotting.style import FAINT, Inks, axes_of, colours, inks_of, legend_of_labels, own_figure
from gmm._rows.input import as_one_array, as_source
from gmm._rows.sources import ArraySource
from gmm._selection import GaussianMixtureSearch, Selection
from gmm._selection.progress import Ending
from gmm._selection.resampling import BootstrapLRT, Stability
from gmm._selection.result import check_criterion, statuses
from gmm._text.words import amount, counted, percent
from gmm._uses.anomalies import Drift
from gmm._uses.directions import Directions
from gmm._uses.overlap import CombinedComponents, clusters_after
from gmm._uses.standard_errors import StandardErrors
from gmm._validation.parameters import check_is_fitted, check_random_state
from gmm._validation.scalars import as_list, check_choice, check_whole
from gmm._values.layouts import FULL, Array

_APART = 0.045  # least distance between two labels, as a fraction of the Axes' height
_COLOUR = colours(1)[0]
_DASHES: Any = (0, (4, 3))
_LINE: Any = {"lw": 1.8, "marker": "o", "ms": 4.5, "zorder": 3}  # with a dot for each number of components
_RISES = 5  # height of the plot, in multiples of the most that a line rises after its minimum


class Line(NamedTuple):
    """A criterion as a function of the number of components.

    Attributes
    ----------
    names : tuple of str
        The criterion; or the covariance type, or several types whose cells are all equal.
    counts, values : arrays of shape (n,)
        Numbers of components, and the criterion for each; NaN where there is no point.
    colour : str or array of shape (3,)
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    values: NDArray[np.float64]
    colour: Any

    @property
    def label(self) -> str:
        """The first two names."""
        return " = ".join(self.names[:2]) + (" = …" if len(self.names) > 2 else "")


def finish_lines(ax: Axes, lines: Sequence[Line], counts: Iterable[int]) -> None:
    """Set the limits of drawn lines, and name each to the right of the Axes; the horizontal axis has all `counts`.

    The steep fall from too few components, which would flatten the rest, is cut off and marked by triangles at the top.
    """
    low, high = ax.get_ylim()
    ax.set_ylim(low, high)  # later artists, such as degenerate cells, no longer change the limits
    _set_counts_axis(ax, counts)
    curves = [line for line in lines if np.isfinite(line.values).any()]
    lowest = [np.nanmin(line.values) for line in curves]
    rise = max(np.nanmax(line.values[int(np.nanargmin(line.values)) :]) - np.nanmin(line.values) for line in curves)
    least, top = min(lowest), max(lowest) + _RISES * rise
    if rise > 0 and top < high:
        ax.set_ylim(least - 0.06 * (top - least), top + 0.04 * (top - least))
        low, high = ax.get_ylim()
        above = sorted({count for line in lines for count in line.counts[line.values > high].tolist()})
        where: Any = {"ls": "", "clip_on": False, "transform": ax.get_xaxis_transform()}
        if above:
            ax.plot(above, [1] * len(above), "^", color=inks_of(ax).faint, ms=6, label="above the picture", **where)
    finite = [np.flatnonzero(np.isfinite(line.values))[-1] for line in curves]
    ends = [(line.counts[end], line.values[end]) for line, end in zip(curves, finite, strict=True)]
    heights = spaced([min(y, high) for _, y in ends], _APART * (high - low))
    last = max(line.counts[-1] for line in lines)
    leader = {"arrowstyle": "-", "color": FAINT, "lw": 0.7, "ls": ":", "shrinkA": 1, "shrinkB": 5}
    style: Any = {"xycoords": "data", "textcoords": ax.get_yaxis_transform(), "va": "center", "annotation_clip": False}
    for line, (x, y), height in zip(curves, ends, heights, strict=True):
        text = line.label + " ↑" if y > high else line.label
        is_near = x == last and abs(height - y) < 0.01 * (high - low)
        arrow = None if is_near or y > high else leader
        ax.annotate(text, (x, y), (1.02, height), color=line.colour, arrowprops=arrow, **style)


def spaced(heights: Sequence[float], gap: float) -> NDArray[np.float64]:
    """Move heights until they are at least `gap` apart, in their order and as little as possible."""
    order = np.argsort(heights, kind="stable")
    steps = gap * np.arange(len(heights))
    placed = np.empty(len(heights))
    placed[order] = isotonic_regression(np.asarray(heights)[order] - steps).x + steps
    return placed


def _mark_best(ax: Axes, count: int, value: float, colour: Any) -> None:
    """Draw an open star about the best value."""
    ax.plot(count, value, "*", ms=20, mfc="none", mec=colour, mew=1.4, zorder=7)


def _set_counts_axis(ax: Axes, counts: Iterable[int]) -> None:
    """Make the horizontal axis the number of components, with integer ticks."""
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=12))
    ax.set(xlim=(min(counts) - 0.3, max(counts) + 0.3), xlabel="components")


_IN_COLOUR = 5  # most lines drawn in colour


def plot_selection(
    selection: Selection | GaussianMixtureSearch, *, ax: Axes | None = None, criterion: str | None = None
) -> Axes:
    """Draw a criterion against the number of components, with a line for each covariance type.

    The types with the lowest values are in colour and labelled, the lowest on top; a star marks the best cell. Large
    dots mark cells near it, which were fitted from many starts (``found.pursued``); more starts may lower the others.
    An open dot marks a cell that did not converge. A triangle, off the lines, marks a cell with a degenerate component,
    whose criterion is meaningless; it is moved to the edge if it lies outside the axes. Lines far from the best may
    continue above the axes, where grey triangles mark it.

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
    lines = _lines(table, cells)
    drawn, others = lines[:_IN_COLOUR], lines[_IN_COLOUR:]
    label: str | None = counted(sum(len(line.names) for line in others), "other type")
    with axes_of(ax) as target:
        for line in others:
            style: Any = {"color": FAINT, "lw": 0.9, "alpha": 0.7, "marker": "o", "ms": 2, "zorder": 2}
            target.plot(line.counts, line.values, label=label, **style)
            label = None
        for line in reversed(drawn):  # the lowest on top
            target.plot(line.counts, line.values, color=line.colour, **_LINE)
        finish_lines(target, drawn, table.n_components)
        _mark_cells(target, table, cells, lines)
        best, count = cells.best, table.n_components[cells.best]
        _mark_best(target, count, cells.values[best], inks_of(target).ink)
        choice = f"{title(name)} chooses {counted(count, 'component')}, {table.kinds[best]}"
        if statuses(table)[best].kind == Ending.DEGENERATE and not np.isnan(cells.values[best]):
            choice += ", degenerate"
        target.set_ylabel(f"{title(name)} (smaller is better)")
        target.set_title("\n".join([choice, *_absence_note(table, cells)]))
        legend_of_labels(target, own=ax is None)
    return target


class Cells(NamedTuple):
    """A criterion in the cells of a selection: usable and degenerate ones, each (n_cells,), NaN for all other cells."""

    values: NDArray[np.float64]
    degenerate: NDArray[np.float64]
    best: int


def table_of(selection: Any) -> Selection:
    """Return a selection, or that of a fitted search, which a pipeline may end in."""
    _, selection = split_pipeline(selection)
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
    degenerate = np.array([not status.is_eligible(name) for status in statuses(table)])
    if np.isnan(values).all():
        raise invalid(f"{title(name)} is not finite for any cell of this selection: draw another criterion")
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
    groups: dict[tuple[bytes, ...], tuple[list[str], NDArray[np.intp]]] = {}
    for name in dict.fromkeys(table.kinds):
        indices = indices_of(table, name)
        parts = tuple(part[indices].tobytes() for part in (table.n_components, cells.values, cells.degenerate))
        groups.setdefault(parts, ([], indices))[0].append(name)
    ordered = sorted(groups.values(), key=lambda group: np.fmin.reduce(cells.values[group[1]], initial=np.inf))
    palette = [*colours(_IN_COLOUR), *[FAINT] * len(ordered)]
    return [
        Line(tuple(names), table.n_components[indices], cells.values[indices], colour)
        for (names, indices), colour in zip(ordered, palette, strict=False)
    ]


def _mark_cells(ax: Axes, table: Selection, cells: Cells, lines: Sequence[Line]) -> None:
    """Mark cells near the best by large dots, those that did not converge by open ones, degenerate ones by triangles.

    Triangles are moved inside the axes.
    """
    colour_of = {name: line.colour for line in lines for name in line.names}
    low, high = ax.get_ylim()
    inside = np.clip(cells.degenerate, low + 0.02 * (high - low), high - 0.02 * (high - low))
    open_ended = np.array([status.kind in (Ending.NOT_CONVERGED, Ending.NOT_PURSUED) for status in statuses(table)])
    filled: Any = {"ms": 8}
    empty: Any = {"ms": 5.5, "mfc": inks_of(ax).paper}
    kinds = {"near the best: many starts": ("o", filled, table.pursued & ~open_ended, cells.values)}
    kinds["not converged"] = "o", empty, open_ended, cells.values
    kinds["degenerate: criterion is meaningless"] = "v", empty, np.isfinite(cells.degenerate), inside
    for name, (marker, style, among, heights) in kinds.items():
        label: str | None = name
        for number in np.flatnonzero(among & np.isfinite(heights)):
            colour = colour_of[table.kinds[number]]
            at = (table.n_components[number], heights[number])
            ax.plot(*at, marker, color=colour, ls="", label=label, zorder=5, **style)
            label = None


def _absence_note(table: Selection, cells: Cells) -> list[str]:
    blank = np.isnan(cells.values) & np.isnan(cells.degenerate)
    why = [
        status.kind if status.kind in (Ending.DEGENERATE, Ending.FAILED) else str(status)
        for status in (statuses(table)[number] for number in np.flatnonzero(blank))
    ]
    counts = [f"{why.count(reason)} {reason}" for reason in dict.fromkeys(why) if reason != Ending.OK]
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
        Smaller is better. Lines may continue above the axes, where grey triangles mark it. Cells with a degenerate
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
    if not isinstance(criteria, Iterable):
        raise TypeError(f"criteria must be one or more of {CRITERIA}, got {type(criteria).__name__}")
    if not (names := [check_criterion(name) for name in as_list(criteria)]):
        raise invalid(f"criteria must be one or more of {CRITERIA}, got none")
    if isinstance(X, str) or (isinstance(X, list | tuple) and X and all(isinstance(name, str) for name in X)):
        raise invalid(
            f"X must be the rows on which to evaluate fitted mixtures, got {X!r}; did you mean criteria={X!r}?"
        )
    if isinstance(models, Selection | GaussianMixtureSearch):
        _check_omitted("fitted mixtures; a search has its criteria already", X=X, sample_weight=sample_weight)
        table = table_of(models)
        kind = table.kinds[table.best_index] if covariance_type is None else covariance_type
        counts, values = _criteria_of_type(table, kind, names)
        suffix = f"\ncovariance type {kind}"
        absent = f"no non-degenerate cell of covariance_type {kind!r} has a finite %s: draw other criteria"
    else:
        _check_omitted("a search, to choose the type to draw", covariance_type=covariance_type)
        counts, values = _criteria_of_mixtures(models, X, sample_weight, names)
        suffix, absent = "", "%s is not finite for any of these mixtures: draw other criteria"
    lines = list[Line]()
    for name, of_name, colour in zip(names, values, colours(len(names)), strict=True):
        if not np.isfinite(of_name).any():
            raise invalid(absent % title(name))
        lines.append(Line((title(name),), counts, np.where(np.isfinite(of_name), of_name, np.nan), colour))
    chosen = list[str]()
    with axes_of(ax) as target:
        for line in lines:
            target.plot(line.counts, line.values, color=line.colour, **_LINE)
            best = int(np.nanargmin(line.values))
            count = f"chooses {counted(counts[best], 'component')}" if not chosen else f"{counts[best]}"
            chosen.append(f"{line.label} {count}")
            target.axvline(counts[best], color=line.colour, lw=0.8, ls=_DASHES, zorder=1)
            _mark_best(target, counts[best], line.values[best], line.colour)
        finish_lines(target, lines, counts)
        target.set_ylabel(f"{' and '.join(line.label for line in lines)} (smaller is better)")
        target.set_title(", ".join(chosen) + suffix)
        legend_of_labels(target, own=ax is None)
    return target


def _check_omitted(meant_for: str, **arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise invalid(f"{name} is only for {meant_for}")


def _criteria_of_type(
    table: Selection, kind: Any, names: Sequence[str]
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]]:
    if not isinstance(kind, str) or kind not in table.kinds:
        listed = ", ".join(dict.fromkeys(table.kinds))
        raise invalid(f"this selection has no cell of covariance_type {kind!r}; it has {listed}")
    of_type = indices_of(table, kind)
    return table.n_components[of_type], [cells_of(table, name).values[of_type] for name in names]


def _criteria_of_mixtures(
    models: Any, X: ArrayLike | None, sample_weight: ArrayLike | None, names: Sequence[str]
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]]:
    expected = "expected a Selection, a fitted GaussianMixtureSearch, or a list of fitted mixtures; got "
    if not isinstance(models, Iterable) or isinstance(models, str | Mapping):
        raise TypeError(expected + type(models).__name__)
    mixtures = []
    for model in as_list(models):
        try:
            mixture = fitted_mixture(model)
        except TypeError:
            raise TypeError(f"{expected}{type(models).__name__} with {type(model).__name__}") from None
        if not isinstance(mixture, GaussianMixture):
            raise TypeError(f"{expected}{type(mixture).__name__}, whose number of components has no criterion")
        mixtures.append(mixture)
    if X is None:
        raise invalid("fitted mixtures are evaluated on rows: pass X, or a Selection, which has its criteria already")
    mixtures.sort(key=lambda model: len(model.weights_))
    counts = np.array([len(model.weights_) for model in mixtures], dtype=np.int64)
    if not len(counts) or (np.diff(counts) == 0).any():
        raise invalid(
            f"expected fitted mixtures, one for each number of components; got these numbers: {counts.tolist()}"
        )
    scores = [model.criteria(X, sample_weight) for model in mixtures]
    return counts, [np.array([of_model[name] for of_model in scores]) for name in names]


def _check_answer(answer: object, kind: type, function: str) -> None:
    if not isinstance(answer, kind):
        raise TypeError(f"expected what {function} returns, got {type(answer).__name__}")


@contextmanager
def _axes_for(answer: object, kind: type, function: str, ax: Axes | None) -> Iterator[tuple[Axes, Inks]]:
    """Check an answer, and yield Axes to draw it on, with their inks."""
    _check_answer(answer, kind, function)
    with axes_of(ax) as target:
        yield target, inks_of(target)


_MOST_COLUMNS, _PER_LINE, _LONGEST = 11, 3, 20  # of errors: columns, pictures side by side, characters of a name


def plot_bootstrap_lrt(test: BootstrapLRT, *, ax: Axes | None = None) -> Axes:
    """Draw a histogram of the statistics under K components, with a line at the statistic of the data.

    Parameters
    ----------
    test : BootstrapLRT
        From `gmm.inference.bootstrap_lrt`.
    ax : Axes, default=None
        Axes to draw on; None makes a new figure.

    Returns
    -------
    Axes
        The further right of the bars the line is, the more speaks for one more component.

    Raises
    ------
    TypeError
        If `test` is something else.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> X = np.concatenate([np.random.default_rng(0).normal(mean, 1, (100, 1)) for mean in (-4, 4)])
    >>> test = gmm.inference.bootstrap_lrt(X, 1, n_replicates=19, random_state=0)
    >>> gmm.plotting.plot_bootstrap_lrt(test).get_title()
    '1 component against 2: p = 0.05'
    """
    with _axes_for(test, BootstrapLRT, "gmm.inference.bootstrap_lrt", ax) as (target, inks):
        K, replicates = test.null.n_components, test.replicates
        heights, edges = np.histogram(replicates, bins=min(30, max(8, len(replicates) // 5)))
        tables = f"{counted(len(replicates), 'table')} drawn from {counted(K, 'component')}"
        target.stairs(heights, edges, fill=True, color=inks.bars, label=tables, zorder=1)
        high = np.quantile(replicates, 0.95)
        target.axvline(high, color=inks.faint, lw=1.2, ls=_DASHES, label="5 % are above", zorder=2)
        target.axvline(test.statistic, color=_COLOUR, lw=2.2, label="the data", zorder=3)
        target.set(xlabel="−2 log λ: twice the gain of one more component", ylabel="tables")
        target.set_title(f"{counted(K, 'component')} against {K + 1}: p = {test.p_value:.2g}")
        legend_of_labels(target, own=ax is None)
    return target


def plot_drift(drift: Drift, *, ax: Axes | None = None) -> Axes:
    """Draw the growth of components and the shifts of columns, in standard errors, with the limits of chance.

    Parameters
    ----------
    drift : Drift
        From `gmm.analysis.drift`.
    ax : Axes, default=None
        Axes to draw on; None makes a new figure.

    Returns
    -------
    Axes
        Bars beyond the dashed lines are the changes that `drift` names. To the right, components grew and columns rose.

    Raises
    ------
    TypeError
        If `drift` is something else.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> from gmm.plotting import plot_drift
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> change = gmm.analysis.drift(gmm.GaussianMixture(1).fit(X), X[:100] + [0, 1], X)
    >>> plot_drift(change).get_title()
    'drift: alarm at level 0.01, p = 0.001'
    """
    with _axes_for(drift, Drift, "gmm.analysis.drift", ax) as (target, inks):
        K, d = len(drift.growth), len(drift.movement)
        errors, shades = np.concatenate([drift.growth, drift.movement]), [*colours(K), *[inks.row] * d]
        target.barh(np.arange(K + d), errors, color=shades, height=0.7, zorder=2)
        for edge in (-drift.limit, drift.limit):
            target.axvline(edge, color=inks.faint, lw=1.0, ls=_DASHES, zorder=1)
        target.axvline(0, color=inks.ink, lw=0.8, zorder=3)
        target.set_yticks(np.arange(K + d), [*(f"component {k}" for k in range(K)), *drift.columns])
        target.invert_yaxis()
        target.set_xlabel("standard errors\n← shrank or fell        grew or rose →\ndashed: limits of chance")
        result = "drift: alarm" if drift.alarm else "drift: none"
        target.set_title(f"{result} at level {drift.level:g}, p = {drift.p_value:.2g}")
    return target


def plot_eigenvalues(directions: Directions, *, ax: Axes | None = None) -> Axes:
    """Draw the eigenvalues of directions, largest first, and the share of the first two.

    Parameters
    ----------
    directions : Directions
        From `gmm.analysis.directions`.
    ax : Axes, default=None
        Axes to draw on; None makes a new figure.

    Returns
    -------
    Axes
        Directions behind a steep fall add little to what separates components.

    Raises
    ------
    TypeError
        If `directions` is something else.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 5)) + 6 * np.eye(3, 5)[rng.integers(3, size=300)]
    >>> mixture = gmm.GaussianMixture(3, covariance_type="tied", random_state=0).fit(X)
    >>> gmm.plotting.plot_eigenvalues(gmm.analysis.directions(mixture)).get_xlabel()
    'direction'
    """
    with _axes_for(directions, Directions, "gmm.analysis.directions", ax) as (target, _):
        values = directions.eigenvalues
        n, share = len(values), values[:2].sum() / values.sum()
        target.bar(np.arange(1, n + 1), values, color=_COLOUR, width=0.6, zorder=2)
        target.xaxis.set_major_locator(MaxNLocator(integer=True))
        target.set(xlim=(0.4, max(n, 2) + 0.6), xlabel="direction", ylabel="eigenvalue")
        target.set_title(f"the first {'two have' if n > 1 else 'has'} {percent(share)} of the difference")
    return target


def plot_entropies(combined: CombinedComponents, *, by: str = "clusters", ax: Axes | None = None) -> Axes:
    """Draw the entropy of 1, 2, … K clusters, with the two lines whose meeting point suggests a number of clusters.

    Where the entropy falls steeply from right to left, components that overlap become one cluster. Where it is flat,
    clusters are merged that are apart.

    Parameters
    ----------
    combined : CombinedComponents
        From `gmm.analysis.combine_components`.
    by : {"clusters", "rows"}, default="clusters"
        The horizontal axis: the number of clusters, or the weight of the rows merged from there down to 1 cluster.
    ax : Axes, default=None
        Axes to draw on; None makes a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If `combined` or `by` is something else.

    Examples
    --------
    >>> from gmm import GaussianMixture
    >>> from gmm.analysis import combine_components
    >>> from gmm.plotting import plot_entropies
    >>> X = [[i + 30 * (i % 3)] for i in range(30)]
    >>> combined = combine_components(GaussianMixture(4, random_state=0).fit(X), X)
    >>> plot_entropies(combined).get_xlabel()
    'clusters'
    """
    check_choice(by, "by", ("clusters", "rows"))
    with _axes_for(combined, CombinedComponents, "gmm.analysis.combine_components", ax) as (target, inks):
        entropies, K = combined.entropies, len(combined.entropies)
        best = combined.n_clusters if by == "clusters" else combined.n_clusters_by_rows
        x = np.arange(1.0, K + 1) if by == "clusters" else np.concatenate([[0.0], np.cumsum(combined.merged_rows)])
        for part in (slice(best), slice(best - 1, combined.n_present)):
            if len(x[part]) > 1 and np.ptp(x[part]) > 0:
                fitted = np.polyval(np.polyfit(x[part], entropies[part], 1), x[part])
                target.plot(x[part], fitted, color=inks.faint, lw=1.2, ls=_DASHES, zorder=1)
        target.plot(x, entropies, color=_COLOUR, **_LINE)
        _mark_best(target, x[best - 1], entropies[best - 1], _COLOUR)
        if by == "clusters":
            _set_counts_axis(target, range(1, K + 1))
        target.set(xlabel="clusters" if by == "clusters" else "rows merged into 1 cluster", ylabel="entropy, nats")
        target.set_title(f"{counted(best, 'cluster')} suggested of {counted(K, 'component')}")
    return target


def plot_stability(stability: Stability, *, ax: Axes | None = None) -> Axes:
    """Draw the disagreement for each number of components: mean, standard error, and every split.

    Parameters
    ----------
    stability : Stability
        From `gmm.inference.stability`.
    ax : Axes, default=None
        Axes to draw on; None makes a new figure.

    Returns
    -------
    Axes
        A star marks the most stable number; at 1, partitions are as good as random.

    Raises
    ------
    TypeError
        If `stability` is something else.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> X = np.concatenate([np.random.default_rng(0).normal(mean, 1, (100, 1)) for mean in (-8, 0, 8)])
    >>> gmm.plotting.plot_stability(gmm.inference.stability(X, range(2, 5), random_state=0)).get_title()
    '3 components are the most stable'
    """
    with _axes_for(stability, Stability, "gmm.inference.stability", ax) as (target, inks):
        counts, curve, best = stability.n_components, stability.curve, stability.best
        places = np.repeat(counts, stability.splits.shape[1])
        target.plot(places, stability.splits.ravel(), "o", ms=3, color=inks.faint, alpha=0.5, mew=0, zorder=1)
        errors = np.nan_to_num(stability.standard_errors)
        target.errorbar(counts, curve, yerr=errors, color=_COLOUR, capsize=3, **_LINE)
        target.axhline(1, color=inks.faint, lw=1.0, ls=_DASHES, zorder=0)
        _mark_best(target, best, float(curve[counts == best][0]), _COLOUR)
        _set_counts_axis(target, counts)
        target.set_ylabel("disagreement of halves (1: random)")
        target.set_title(f"{counted(best, 'component')} are the most stable")
    return target


def plot_standard_errors(errors: StandardErrors, *, level: float = 0.95) -> NDArray[np.object_]:
    """Draw the weights and the means of each column with their confidence intervals, component by component.

    Parameters
    ----------
    errors : StandardErrors
        From `gmm.inference.standard_errors`.
    level : float, default=0.95
        Probability of the intervals.

    Returns
    -------
    ndarray of Axes
        One for the weights, and one for each of the first eleven columns; the title mentions others.

    Raises
    ------
    TypeError, ValueError
        If `errors` or `level` is something else.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> X = np.concatenate([np.random.default_rng(0).normal(mean, 1, (100, 1)) for mean in (-4, 4)])
    >>> errors = gmm.inference.standard_errors(gmm.GaussianMixture(2, random_state=0).fit(X), X, method="information")
    >>> [ax.get_title() for ax in gmm.plotting.plot_standard_errors(errors)]
    ['weight', 'x0']
    """
    _check_answer(errors, StandardErrors, "gmm.inference.standard_errors")
    ends, mixture, names = errors.intervals(level), fitted_parameters(errors.model), names_of_features(errors.model)
    K, shown = mixture.n_components, names[:_MOST_COLUMNS]
    estimates, intervals = [mixture.weights, *mixture.means.T], [ends.weights, *np.moveaxis(ends.means, 1, 0)]
    n, across = 1 + len(shown), min(1 + len(shown), _PER_LINE)
    lines = -(-n // _PER_LINE)
    size = 1.8 * across, 0.3 + lines * (0.9 + 0.3 * K)
    with own_figure(lines, across, figsize=size, sharey=True) as axes:
        every = axes.ravel()
        for ax, name, places, interval in zip(every, ("weight", *shown), estimates, intervals, strict=False):
            for k, shade in enumerate(inks_of(ax).strong(colours(K))):
                ax.plot(interval[k], [k, k], color=shade, linewidth=2.2, solid_capstyle="round", zorder=2)
                ax.plot(places[k], k, "o", color=shade, ms=5, zorder=3)
            ax.set_title(literal(name, _LONGEST, names))
            ax.grid(axis="x", color=inks_of(ax).bars, linewidth=0.7, zorder=0)
            ax.set_yticks(range(K), [str(k) for k in range(K)])
            ax.locator_params(axis="x", nbins=3)
        every[0].set_ylim(K - 0.5, -0.5)
        for ax in every[n:]:
            ax.set_axis_off()
        for ax in axes[:, 0]:
            ax.set_ylabel("component")
        hidden = f"; {_MOST_COLUMNS} of {len(names)} columns" if len(names) > _MOST_COLUMNS else ""
        every[0].figure.suptitle(f"estimates, {percent(level)} confidence intervals{hidden}", fontsize=11)
    return every[:n]


_MOST_LEAVES = 30


def plot_hierarchy(
    of: CombinedComponents | ArrayLike, n_clusters: int | None = None, *, random_state: Any = 0, ax: Axes | None = None
) -> Axes:
    """Draw the tree of clusters: which ones merge, and how far apart they are.

    Parameters
    ----------
    of : CombinedComponents, or array-like or data frame of shape (n, d)
        From `gmm.analysis.combine_components`, whose leaves are components and whose heights count clusters; or rows,
        for the tree from which ``init_params="hierarchical"`` takes its clusters: Ward's, in units of the covariance of
        all rows, of at most 1000 rows. Its last 30 clusters are drawn, at the heights of scipy's ``ward``.
    n_clusters : int, default=None
        How many clusters get colours of their own; None takes the suggested number of combined components, and 1 of
        rows.
    random_state : int, RandomState, Generator or None, default=0
        Seed of the choice among many rows.
    ax : Axes, default=None
        Axes to draw on; None makes a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError, TypeError
        If the rows are unusable, or have missing values.

    Examples
    --------
    >>> from gmm.plotting import plot_hierarchy
    >>> X = [[i + 30 * (i % 3)] for i in range(30)]
    >>> plot_hierarchy(X, 3).get_title()
    '3 clusters of 30 rows'
    """
    if isinstance(of, CombinedComponents):
        m, merges, suggestion = len(of.entropies), of.merges, of.n_clusters
        heights, leaves, what = np.arange(1.0, m), [*map(str, range(m))], counted(m, "component")
    else:
        source = as_one_array(as_source(of, estimator=plot_hierarchy.__name__), "a picture")
        rng = check_random_state(random_state)
        sample = draw_sample(source, 1, rng)
        assert isinstance(sample, ArraySource)  # of whole rows in memory
        seen = CandidateRows.of(sample, sample, FULL).views(FULL)[1].coordinates
        ward = Hierarchy.from_sample(ArraySource(seen, sample.sample_weight), rng)
        n, weight, suggestion = len(ward.weight), ward.weight.sum(), 1
        m = min(n, _MOST_LEAVES)
        clusters = ward.clusters(m)
        merges = clusters[ward.merges[n - m :]]
        heights = np.sqrt(2 * weight * ward.costs[n - m :])
        leaves = [*map(amount, np.bincount(clusters, ward.weight))]
        what = ("" if weight == source.n_rows else f"{amount(weight)} of ") + counted(source.n_rows, "row")
    n_clusters = check_whole(suggestion if n_clusters is None else n_clusters, "n_clusters", 1, m)
    with axes_of(ax) as target:
        order = _draw_tree(target, merges, heights, n_clusters)
        target.set_xticks(np.arange(m), [leaves[leaf] for leaf in order], rotation=90 if m > 15 else 0)
        target.set(xlim=(-0.7, m - 0.3), ylim=(0, (heights[-1] if m > 1 else 1.0) * 1.05))
        if isinstance(of, CombinedComponents):
            target.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            target.yaxis.set_major_formatter(lambda height, _: f"{m - height:.0f}")
            target.set(xlabel="component", ylabel="clusters")
        else:
            target.set(xlabel="rows", ylabel="distance (Ward)")
        target.set_title(f"{counted(n_clusters, 'cluster')} of {what}" if n_clusters > 1 else what)
    return target


def _draw_tree(ax: Axes, merges: NDArray[np.intp], heights: Array, n_clusters: int) -> list[int]:
    """Draw merges of leaves (m − 1, 2), each named by its first leaf, at rising heights (m − 1,).

    Return the leaves from left to right, such that no lines cross.
    """
    inks, m = inks_of(ax), len(merges) + 1
    members = {leaf: [leaf] for leaf in range(m)}
    for a, b in merges.tolist():
        members[a] += members.pop(b)
    order = members[0]
    clusters, shades = clusters_after(merges[: m - n_clusters], m), colours(n_clusters)
    x, tops = np.empty(m), np.zeros(m)
    x[order] = np.arange(m)
    lines, tints = [], []
    for number, ((a, b), height) in enumerate(zip(merges.tolist(), heights.tolist(), strict=True)):
        lines.append([(x[a], tops[a]), (x[a], height), (x[b], height), (x[b], tops[b])])
        tints.append(tuple(shades[clusters[a]]) if n_clusters > 1 and number < m - n_clusters else inks.ink)
        x[a], tops[a] = (x[a] + x[b]) / 2, height
    ax.add_collection(LineCollection(lines, colors=tints, linewidths=1.6, zorder=2))
    if n_clusters > 1:
        ax.scatter(np.arange(m), np.zeros(m), s=26, c=shades[clusters[order]], zorder=3, clip_on=False)
        reached = np.concatenate([[0.0], heights, heights[-1:] * 1.05])[m - n_clusters :][:2]
        ax.axhline(float(reached.mean()), color=inks.faint, lw=1.2, ls=_DASHES, zorder=1)
    return order


plot_bootstrap_lrt.__module__ = plot_criteria.__module__ = "gmm.plotting"
plot_drift.__module__ = plot_eigenvalues.__module__ = plot_entropies.__module__ = "gmm.plotting"
plot_hierarchy.__module__ = plot_selection.__module__ = plot_stability.__module__ = "gmm.plotting"
plot_standard_errors.__module__ = "gmm.plotting"
