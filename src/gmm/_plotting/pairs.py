"""`plot_pairs`: rows before any fit, for every pair of columns."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from gmm._plotting.frame import grid_of_pairs, label_outer
from gmm._plotting.legends import Entries, dot, legend_of_pairs
from gmm._plotting.style import NOISE, STYLE, closed_on_failure, colours, inks_of
from gmm._plotting.view import MOST_PAIRED, columns_of, literal
from gmm._public import publish
from gmm._rows.entrance import as_one_array, as_source
from gmm._text.amounts import counted
from gmm._validation.labels import check_labels
from gmm._validation.parameters import check_random_state
from gmm._validation.scalars import check_whole

_BINS, _LONGEST = 16, 18


def plot_pairs(
    X: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    filled: ArrayLike | None = None,
    columns: Any = None,
    max_points: int = 5000,
    random_state: Any = 0,
) -> NDArray[np.object_]:
    """Draw rows before any fit: histograms of columns, and every pair of them.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d)
        Rows. A missing value leaves its row out where its column is drawn, unless it is `filled`.
    labels : array-like of shape (n,), default=None
        Classes of the rows, which colour them; unknown ones (None, NaN) are black.
    filled : array-like of shape (n, d), default=None
        The same rows without gaps, as `impute` returns them: where X has none, its values are drawn as crosses, and as
        dotted lines in histograms.
    columns : sequence of int or str, default=None
        The columns to draw, by index or name; None draws the first six.
    max_points : int, default=5000
        Maximum number of rows drawn, chosen at random. Histograms use all rows.
    random_state : int, RandomState, Generator or None, default=0
        Seed of the choice.

    Returns
    -------
    ndarray of Axes of shape (m, m)

    Raises
    ------
    ValueError, TypeError
        If the rows, labels or columns are unusable.

    Examples
    --------
    >>> from gmm.plotting import plot_pairs
    >>> plot_pairs([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]]).shape
    (2, 2)
    """
    source, named = as_source(X, estimator=plot_pairs.__name__, missing="em")
    rows = as_one_array(source, "a picture", gaps=True).rows
    whole = rows if filled is None else _filled(filled, rows)
    names = tuple(f"x{j}" for j in range(rows.shape[1])) if named is None else tuple(map(str, named))
    chosen = list(range(min(len(names), MOST_PAIRED))) if columns is None else columns_of(columns, names)
    classes, codes = check_labels([None] * len(rows) if labels is None else labels, len(rows), unknown=None)
    m, n_drawn = len(chosen), min(check_whole(max_points, "max_points"), len(rows))
    drawn = np.sort(check_random_state(random_state).choice(len(rows), n_drawn, replace=False))
    with mpl.rc_context(STYLE), closed_on_failure():
        panels = grid_of_pairs(m)
        labels_of = [literal(names[j], _LONGEST, names) for j in chosen]
        for i, j in np.ndindex(m, m):
            if j > i:
                continue
            if i == j:
                _histogram(panels[i, i], rows[:, chosen[i]], whole[:, chosen[i]], codes, len(classes))
            else:
                pair = [chosen[j], chosen[i]]
                _points(panels[i, j], rows[drawn][:, pair], whole[drawn][:, pair], codes[drawn], len(classes))
            label_outer(panels[i, j], labels_of, i, j, m)
        panels[0, 0].figure.suptitle(_title(len(rows), n_drawn, m, len(names)), fontsize=11)
        called = list(map(str, classes.tolist()))
        names_of_classes = [literal(name, _LONGEST, called) for name in called]
        entries: Entries = list(zip(map(dot, colours(len(classes))), names_of_classes, strict=True))
        if filled is not None:
            entries.append((dot(inks_of(panels[0, 0]).ink, "x"), "filled"))
        if entries:
            legend_of_pairs(panels, entries)
    return np.asarray(panels)


def _filled(values: ArrayLike, rows: NDArray[Any]) -> NDArray[Any]:
    """Check the rows without gaps."""
    whole = as_one_array(as_source(values, estimator=plot_pairs.__name__)[0], "a picture").rows
    if whole.shape != rows.shape:
        raise ValueError(f"expected filled of shape {rows.shape}, as X has, got {whole.shape}")
    return whole


def _title(n_rows: int, n_drawn: int, m: int, d: int) -> str:
    rows = counted(n_rows, "row") if n_drawn == n_rows else f"{n_drawn:,} of {counted(n_rows, 'row')}"
    return rows if m == d else f"{rows}, {m} of {counted(d, 'column')}"


def _histogram(ax: Axes, values: NDArray[Any], whole: NDArray[Any], codes: NDArray[np.intp], n_classes: int) -> None:
    there = np.isfinite(values)
    finite = values[there]
    width = finite.max(initial=-np.inf) - finite.min(initial=np.inf)
    tied = width < 2 * _BINS * np.spacing(np.abs(finite).max(initial=0))  # too few numbers lie between for the bins
    edges = np.histogram_bin_edges(finite, bins=1 if tied else _BINS)
    heights, _ = np.histogram(finite, edges)
    ax.stairs(heights, edges, fill=True, color=inks_of(ax).bars, zorder=1)
    if np.isfinite(whole[~there]).any():
        ax.stairs(np.histogram(whole[~there], edges)[0], edges, color=inks_of(ax).ink, linestyle=":", zorder=3)
    for k, shade in enumerate(colours(n_classes)):
        ax.stairs(np.histogram(values[there & (codes == k)], edges)[0], edges, color=shade, linewidth=1.4, zorder=2)


def _points(ax: Axes, values: NDArray[Any], whole: NDArray[Any], codes: NDArray[np.intp], n_classes: int) -> None:
    shades: Any = np.vstack([colours(n_classes), mpl.colors.to_rgb(NOISE)])[codes] if n_classes else inks_of(ax).row
    ax.scatter(values[:, 0], values[:, 1], s=9, c=shades, alpha=0.7, linewidths=0, zorder=2)
    gaps = np.isnan(values).any(axis=1) & np.isfinite(whole).all(axis=1)
    if gaps.any():
        marks = shades[gaps] if n_classes else inks_of(ax).ink
        ax.scatter(whole[gaps, 0], whole[gaps, 1], s=18, c=marks, marker="x", linewidths=0.9, zorder=3)


publish("gmm.plotting", [plot_pairs])
