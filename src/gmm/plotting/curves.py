"""Curves: how a fit climbed, and criteria against the number of components."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from gmm.criteria import CRITERIA
from gmm.inference import Trace
from gmm.mixture import GaussianMixture
from gmm.plotting.style import FAINT, INK, STYLE, axes_of, colours
from gmm.selection import NOT_CONVERGED, OK, SPIKE, GaussianMixtureSearch, Selection

__all__ = ["plot_convergence", "plot_criteria", "plot_selection"]

_FEW_PASSES = 60  # up to which each has a dot
_IN_COLOUR = 5  # covariance types
_APART = 0.045  # of the Axes' height: between two labels
_RISES = 5  # a picture is as high as so many times what lines rise after their lowest points
_PAPER = "white"


def plot_convergence(model: GaussianMixture | GaussianMixtureSearch, *, ax: Axes | None = None) -> Axes:
    """Draw what a fit climbed, pass by pass: a line for each start, that of the best in colour.

    Parameters
    ----------
    model : GaussianMixture or GaussianMixtureSearch
        Fitted by `fit`; of a search the best.
    ax : Axes, optional
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        Passes from 1 to the right, the objective upwards, in nats per row. A full dot is where a climb converged, an
        open one where it did not; the title tells why the best climb ended. Crosses are steps that were taken back.

    Raises
    ------
    ValueError
        If the mixture has no history: it was not fitted, was given by its parameters, or made no pass.

    Examples
    --------
    >>> from gmm import GaussianMixture
    >>> from gmm.plotting import plot_convergence
    >>> model = GaussianMixture(2, random_state=0).fit([[0.0], [1.0], [7.0], [9.0]])
    >>> plot_convergence(model).get_xlabel()
    'pass'
    """
    best, others = _histories(model)
    with mpl.rc_context(STYLE) if ax is None else nullcontext():
        ax = axes_of(ax)
        for number, trace in enumerate(others):
            told = f"other starts ({len(others)})" if number == 0 else None
            ax.plot(*_passes(trace), color=FAINT, lw=1, alpha=max(0.3, 0.9 - 0.03 * len(others)), label=told, zorder=2)
            _end(ax, trace, FAINT, 3.5)
        _best_climb(ax, best, f"start {best.start + 1}, the best" if others else None)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        longest = max(map(len, (best, *others)))
        ax.set_xlim(1 - 0.02 * longest, longest + 0.03 * longest)
        measured = "log-likelihood" if getattr(model, "prior", None) is None else "log-likelihood and prior"
        ax.set(xlabel="pass", ylabel=f"mean {measured} (nats per row)")
        ax.set_title(_ending(best))
        if len(ax.get_legend_handles_labels()[1]):
            ax.legend(loc="best")
    return ax


def _histories(fitted: Any) -> tuple[Trace, list[Trace]]:
    model = getattr(fitted, "best_estimator_", fitted)
    if not hasattr(model, "histories_"):
        raise ValueError(
            "expected a mixture that `fit` has fitted, whose histories_ tell how it climbed; this "
            f"{type(model).__name__} has none: it is not fitted, or its parameters were given or set by hand"
        )
    if len(model.history_) == 0:
        raise ValueError("this fit made no pass, so there is nothing to draw: fit it with max_iter of 1 or more")
    return model.history_, [trace for trace in model.histories_ if trace is not model.history_]


def _passes(trace: Trace) -> tuple[range, tuple[float, ...]]:
    return range(1, len(trace) + 1), trace.objective


def _best_climb(ax: Axes, trace: Trace, told: str | None) -> None:
    colour = colours(1)[0]
    dots = "o" if len(trace) <= _FEW_PASSES else None
    ax.plot(*_passes(trace), color=colour, lw=2, marker=dots, ms=3, label=told, zorder=3)
    back = [
        (n, value) for n, (value, kept) in enumerate(zip(trace.objective, trace.accepted, strict=True), 1) if not kept
    ]
    if back:
        ax.plot(*zip(*back, strict=True), "x", color=INK, ms=6, label="step taken back", zorder=4)
    _end(ax, trace, colour, 8)


def _end(ax: Axes, trace: Trace, colour: Any, size: float) -> None:
    """Where a climb ended: a full dot if it converged, else an open one."""
    face = colour if trace.converged else _PAPER
    at = ([len(trace)], [trace.objective[-1]])
    ax.plot(*at, "o", ms=size, mfc=face, mec=colour, mew=1.2, clip_on=False, zorder=5)


def _ending(trace: Trace) -> str:
    ending = trace.ending[0].upper() + trace.ending[1:]
    done = trace.refinement
    moves = "" if done is None else f"; split–merge kept {len(done.moves)} of {done.tried} moves"
    return f"{ending}{moves}\n{trace.reason}"


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
    ValueError
        If there is no such criterion, or this is no selection.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import select
    >>> from gmm.plotting import plot_selection
    >>> found = select(np.random.default_rng(0).normal(size=(60, 2)), [1, 2], ["EII", "VVV"], random_state=0)
    >>> plot_selection(found).get_ylabel()
    'BIC (smaller is better)'
    """
    found = _table(selection)
    name = _criterion(found.criterion if criterion is None else criterion)
    cells = _cells(found, name)
    with mpl.rc_context(STYLE) if ax is None else nullcontext():
        ax = axes_of(ax, figsize=(7.0, 4.8))
        lines = _lines(found, cells)
        _faint_lines(ax, lines[_IN_COLOUR:])
        for line in lines[:_IN_COLOUR]:
            ax.plot(line.counts, line.values, color=line.colour, lw=1.8, marker="o", ms=4.5, zorder=3)
        _as_high_as_the_best(ax, lines[:_IN_COLOUR])
        _mark_cells(ax, found, cells, lines)
        ax.plot(found.n_components[cells.best], cells.values[cells.best], "*", ms=16, mfc=INK, mec=_PAPER, zorder=7)
        _counts_axis(ax, found.n_components)
        _name_at_the_end(ax, lines[:_IN_COLOUR])
        ax.set_ylabel(f"{name.upper()} (smaller is better)")
        ax.set_title("\n".join([_chosen(found, name, cells), *_not_drawn(found, cells)]))
        if ax.get_legend_handles_labels()[1]:
            ax.legend(loc="best")
    return ax


@dataclass(frozen=True, eq=False)
class _Cells:
    """A criterion in the cells of a table: what is drawn in lines (n_cells,), NaN elsewhere; spikes; the best."""

    values: NDArray[np.float64]
    spikes: NDArray[np.float64]
    best: int


@dataclass(frozen=True, eq=False)
class _Line:
    """Covariance types whose cells are the same, one number of components after the other."""

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    values: NDArray[np.float64]
    colour: Any

    @property
    def label(self) -> str:
        """The first types by name."""
        return " = ".join(self.names[:2]) + (" = …" if len(self.names) > 2 else "")


def _table(selection: Any) -> Selection:
    found = getattr(selection, "selection_", selection)
    if isinstance(found, Selection):
        return found
    raise ValueError(
        "expected the Selection that `select` returns, or a fitted GaussianMixtureSearch; got "
        f"{type(selection).__name__}"
    )


def _criterion(name: Any) -> str:
    if name not in CRITERIA:
        raise ValueError(f"expected a criterion among {CRITERIA}, got {name!r}")
    return str(name)


def _cells(found: Selection, name: str) -> _Cells:
    values = np.array(getattr(found, name))
    values[~np.isfinite(values)] = np.nan
    spiked = np.array([status.startswith(SPIKE) for status in found.status])
    if np.isnan(values).all():
        raise ValueError(f"{name} is finite for no cell of this selection: draw another criterion")
    if np.isnan(values[~spiked]).all():  # there is nothing else
        spiked[:] = False
    sound = np.where(spiked, np.nan, values)
    best = found.best_index if name == found.criterion else int(np.nanargmin(sound))
    return _Cells(sound, np.where(spiked, values, np.nan), best)


def _lines(found: Selection, cells: _Cells) -> list[_Line]:
    """The lines, the lowest first; those in colour have one of their own. Types that are everywhere equal share one."""
    types = np.array(found.covariance_type)
    known: dict[tuple[bytes, ...], list[str]] = {}
    members: dict[str, NDArray[np.intp]] = {}
    for name in dict.fromkeys(found.covariance_type):
        of_type = np.flatnonzero(types == name)
        members[name] = of_type[np.argsort(found.n_components[of_type], kind="stable")]
        drawn = (found.n_components, cells.values, cells.spikes)
        known.setdefault(tuple(part[members[name]].tobytes() for part in drawn), []).append(name)
    groups = [(names, members[names[0]]) for names in known.values()]
    groups.sort(key=lambda group: np.fmin.reduce(cells.values[group[1]], initial=np.inf))
    palette = [*colours(_IN_COLOUR), *[FAINT] * len(groups)]
    return [
        _Line(tuple(names), found.n_components[numbers], cells.values[numbers], colour)
        for (names, numbers), colour in zip(groups, palette, strict=False)
    ]


def _faint_lines(ax: Axes, lines: Sequence[_Line]) -> None:
    n_types = sum(len(line.names) for line in lines)
    for number, line in enumerate(lines):
        told = f"{n_types} other type{'s' * (n_types != 1)}" if number == 0 else None
        ax.plot(line.counts, line.values, color=FAINT, lw=0.9, alpha=0.7, marker="o", ms=2, label=told, zorder=2)


def _as_high_as_the_best(ax: Axes, lines: Sequence[_Line]) -> None:
    """Leave out what is far above: beside the fall from too few components the rest would be one flat line."""
    low, high = ax.get_ylim()
    ax.set_ylim(low, high)
    drawn = [line.values for line in lines if np.isfinite(line.values).any()]
    rise = max(np.nanmax(values[int(np.nanargmin(values)) :]) - np.nanmin(values) for values in drawn)
    least, highest = (extreme([np.nanmin(values) for values in drawn]) for extreme in (min, max))
    top = highest + _RISES * rise
    if rise > 0 and top < high:
        ax.set_ylim(least - 0.06 * (top - least), top + 0.04 * (top - least))


def _mark_cells(ax: Axes, found: Selection, cells: _Cells, lines: Sequence[_Line]) -> None:
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
            ax.plot(*at, marker, ms=5.5, mfc=_PAPER, mec=colour, ls="", label=label, zorder=5)
            label = None


def _name_at_the_end(ax: Axes, lines: Sequence[_Line]) -> None:
    """Each line's name right of the Axes, as high as the line ends or beside that; ↑ if it is above the picture."""
    low, high = ax.get_ylim()
    drawn = [line for line in lines if np.isfinite(line.values).any()]
    ends = [int(np.flatnonzero(np.isfinite(line.values))[-1]) for line in drawn]
    last = max(line.counts[-1] for line in lines)
    heights = [min(line.values[end], high) for line, end in zip(drawn, ends, strict=True)]
    for line, end, height in zip(drawn, ends, _apart(heights, _APART * (high - low)), strict=True):
        beside = line.counts[end] == last and abs(height - line.values[end]) < 0.01 * (high - low)
        above = line.values[end] > high
        leader = {"arrowstyle": "-", "color": FAINT, "lw": 0.7, "ls": ":", "shrinkA": 1, "shrinkB": 5}
        ax.annotate(
            line.label + " ↑" * bool(above),
            (line.counts[end], line.values[end]),
            (1.02, height),
            xycoords="data",
            textcoords=ax.get_yaxis_transform(),
            color=line.colour,
            va="center",
            annotation_clip=False,
            arrowprops=None if beside or above else leader,
        )


def _apart(heights: Sequence[float], gap: float) -> NDArray[np.float64]:
    """Heights at least a `gap` from each other, in their order, about where they were."""
    order = np.argsort(heights, kind="stable")
    steps = gap * np.arange(len(heights))
    wanted = np.asarray(heights)[order] - steps
    # The nearest that do not fall, least squares: means of those that would (pool adjacent violators).
    pools: list[tuple[float, int]] = []
    for value in wanted:
        pool = (float(value), 1)
        while pools and pools[-1][0] > pool[0]:
            before = pools.pop()
            size = before[1] + pool[1]
            pool = ((before[0] * before[1] + pool[0] * pool[1]) / size, size)
        pools.append(pool)
    placed = np.empty(len(heights))
    placed[order] = np.repeat([value for value, _ in pools], [size for _, size in pools]) + steps
    return placed


def _counts_axis(ax: Axes, counts: Iterable[int]) -> None:
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=12))
    ax.set_xlim(min(counts) - 0.3, max(counts) + 0.3)
    ax.set_xlabel("components")


def _n_components(count: np.int64) -> str:
    return f"{count} component{'s' * int(count != 1)}"


def _chosen(found: Selection, name: str, cells: _Cells) -> str:
    best = cells.best
    chosen = f"{name.upper()} chooses {_n_components(found.n_components[best])}, {found.covariance_type[best]}"
    return chosen if np.isnan(cells.values[best]) or not found.status[best].startswith(SPIKE) else chosen + ", a spike"


def _not_drawn(found: Selection, cells: _Cells) -> list[str]:
    """How many cells have no point, and why."""
    blank = np.isnan(cells.values) & np.isnan(cells.spikes)
    why = [status.split(":")[0] for status, none in zip(found.status, blank, strict=True) if none]
    told = [f"{why.count(reason)} {reason}" for reason in dict.fromkeys(why) if reason != OK]
    return [f"without a point: {', '.join(told)}"] if told else []


def plot_criteria(
    models: Selection | GaussianMixtureSearch | Sequence[GaussianMixture],
    X: ArrayLike | None = None,
    *,
    ax: Axes | None = None,
    criteria: Sequence[str] = ("bic", "aic"),
    covariance_type: str | None = None,
    sample_weight: ArrayLike | None = None,
) -> Axes:
    """Draw criteria against the number of components, and mark where each is smallest.

    Parameters
    ----------
    models : Selection, GaussianMixtureSearch, or sequence of GaussianMixture
        A search, whose cells of one covariance type are drawn; or fitted mixtures of different numbers of components.
    X : array-like of shape (n, d), optional
        The rows by which fitted mixtures are judged; a `Selection` needs none.
    ax : Axes, optional
        Where to draw; a new figure if None.
    criteria : sequence of str, default=("bic", "aic")
        Of "bic", "aic", "aicc", "icl" and "nec".
    covariance_type : str, optional
        Of a `Selection`, which type; None for that of its best cell.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows, with X.

    Returns
    -------
    Axes
        Smaller is better; lines may go on above the picture. Cells of a `Selection` that hold a spike are left out:
        their criteria mean nothing.

    Raises
    ------
    ValueError
        If there is no such criterion or type, X is missing, or two mixtures have the same number of components.

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
    names = [_criterion(name) for name in ([criteria] if isinstance(criteria, str) else criteria)]
    if isinstance(models, Selection | GaussianMixtureSearch):
        counts, values, told = _of_type(_table(models), names, covariance_type)
    else:
        counts, values = _of_mixtures(models, X, sample_weight, names)
        told = ""
    with mpl.rc_context(STYLE) if ax is None else nullcontext():
        ax = axes_of(ax)
        lines = [
            _Line((name.upper(),), counts, of_name, colour)
            for name, of_name, colour in zip(names, values, colours(len(names)), strict=True)
        ]
        for line in lines:
            ax.plot(line.counts, line.values, color=line.colour, lw=1.8, marker="o", ms=4.5, zorder=3)
            best = int(np.nanargmin(line.values))
            ax.axvline(counts[best], color=line.colour, lw=0.8, ls=(0, (4, 3)), zorder=1)
            ax.plot(counts[best], line.values[best], "*", ms=16, mfc=line.colour, mec=_PAPER, zorder=7)
        _as_high_as_the_best(ax, lines)
        _counts_axis(ax, counts)
        _name_at_the_end(ax, lines)
        ax.set_ylabel(f"{' and '.join(line.label for line in lines)} (smaller is better)")
        ax.set_title(_minima(lines) + told)
    return ax


def _minima(lines: Sequence[_Line]) -> str:
    smallest = [line.counts[np.nanargmin(line.values)] for line in lines]
    first = f"{lines[0].label} chooses {_n_components(smallest[0])}"
    return ", ".join([first, *(f"{line.label} {count}" for line, count in zip(lines[1:], smallest[1:], strict=True))])


def _of_type(
    found: Selection, names: Sequence[str], covariance_type: str | None
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]], str]:
    wanted = found.covariance_type[found.best_index] if covariance_type is None else covariance_type
    of_type = np.flatnonzero(np.array(found.covariance_type) == wanted)
    if not len(of_type):
        listed = ", ".join(dict.fromkeys(found.covariance_type))
        raise ValueError(f"this selection has no cell of covariance_type {wanted!r}; it has {listed}")
    of_type = of_type[np.argsort(found.n_components[of_type], kind="stable")]
    values = [_cells(found, name).values[of_type] for name in names]
    if any(np.isnan(of_name).all() for of_name in values):
        raise ValueError(f"{', '.join(names)}: not all are finite for a sound cell of covariance_type {wanted!r}")
    return found.n_components[of_type], values, f" (of {wanted})"


def _of_mixtures(
    models: Sequence[GaussianMixture], X: ArrayLike | None, sample_weight: ArrayLike | None, names: Sequence[str]
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]]:
    if X is None:
        raise ValueError("fitted mixtures are judged by rows: give X, or a Selection, which has its criteria")
    ordered = sorted(models, key=lambda model: len(model.weights_))
    counts = np.array([len(model.weights_) for model in ordered], dtype=np.int64)
    if not len(counts) or (np.diff(counts) == 0).any():
        raise ValueError(
            "expected fitted mixtures, one for each number of components; got these numbers of components: "
            f"{counts.tolist()}"
        )
    values = [np.array([getattr(model, name)(X, sample_weight) for model in ordered]) for name in names]
    return counts, [np.where(np.isfinite(of_name), of_name, np.nan) for of_name in values]
