"""`plot_uncertainty`: how uncertain the assignment of each row is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from gmm._plotting.frame import draw
from gmm._plotting.legends import Entries, note
from gmm._plotting.marks import numbers, rows
from gmm._plotting.scene import Scene, coordinates, scene_of, scored
from gmm._plotting.style import Inks, inks_of
from gmm._plotting.view import View
from gmm._public import publish
from gmm._text.amounts import percent
from gmm._values.layouts import Array

_LEAST, _MORE = 0.6, 5.0  # area of a certain row, and the extra area of a row halfway between two components
_NOTED = 0.1  # uncertainty above which rows are counted
_EXAMPLES = (0.01, 0.1, 0.3, 0.5)


def plot_uncertainty(
    model: Any,
    X: ArrayLike,
    *,
    ax: Axes | None = None,
    view: Any = None,
    sample_weight: ArrayLike | None = None,
    max_points: int = 5000,
    random_state: Any = 0,
) -> Any:
    """Draw rows with larger and darker points (lighter on dark Axes) where their assignment is less certain.

    The uncertainty of a row is one minus its largest responsibility, computed from all features in any view. It is the
    probability that `predict` is wrong if the mixture is the true one. With one feature, the height of each row is
    its uncertainty, and a curve gives the uncertainty by that feature alone. The mean and the share in the legend are
    weighted and use all rows.

    Parameters
    ----------
    model, X, ax, view, sample_weight, max_points, random_state
        As in `plot_clusters`.

    Returns
    -------
    Axes, or ndarray of Axes of shape (d, d) for "pairs"

    Raises
    ------
    NotFittedError, ValueError
        As in `plot_clusters`.

    Examples
    --------
    >>> from gmm import GaussianMixture
    >>> from gmm.plotting import plot_uncertainty
    >>> X = [[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]]
    >>> ax = plot_uncertainty(GaussianMixture(2, random_state=0).fit(X), X)
    >>> ax.get_title()
    'Uncertainty of the assignment'
    """
    scene = scene_of(model, X, sample_weight=sample_weight, max_points=max_points, random_state=random_state)
    return draw(scene, view, ax, _panel, "Uncertainty of the assignment")


def _panel(ax: Axes, scene: Scene, view: View, edges: Array, *, small: bool) -> list[Entries]:
    places = _axis(ax, scene, view, edges) if view.n_axes == 1 else _plane(ax, scene, view)
    numbers(ax, places, scene.present, scene.shades, small=small)
    sizes: Entries = [
        (_example(value, inks_of(ax)), f"uncertainty {value:g}")
        for value in _EXAMPLES
        if value < 1 - 1 / scene.n_clusters + 1e-9
    ]
    every, weight = scene.uncertainty_of_all, scene.sample_weight
    part, mean = (float(np.average(values, weights=weight)) for values in (every > _NOTED, every))
    summary = [f"mean {mean:.2g}", f"above {_NOTED:g}: {percent(part) + ' of' if part else 'no'} rows"]
    return [sizes, list(map(note, summary))]


def _plane(ax: Axes, scene: Scene, view: View) -> Array:
    order = np.argsort(scene.uncertainty, kind="stable")  # the uncertain ones on top
    ordered = replace(scene, sample_index=scene.sample_index[order], responsibilities=scene.responsibilities[order])
    rows(ax, ordered, view, _ink(ordered.uncertainty, inks_of(ax)), area=_area(ordered.uncertainty))
    return view.project(scene.mixture.means)


def _axis(ax: Axes, scene: Scene, view: View, edges: Array) -> Array:
    mixture = view.marginal(scene.mixture)
    (x,) = coordinates(mixture, edges, n=800)
    responsibilities, _ = scored(mixture, x[:, None])
    ax.plot(x, 1 - scene.shares_of(responsibilities).max(axis=1), color=inks_of(ax).faint, linewidth=1.4, zorder=1)
    values, uncertainty = view.project(scene.sample_rows)[:, 0], scene.uncertainty
    ax.scatter(
        values,
        uncertainty,
        s=10 * np.sqrt(_area(uncertainty)),
        c=_ink(uncertainty, inks_of(ax)),
        linewidths=0,
        zorder=2,
    )
    ax.set_ylim(-0.04, max(0.55, 1.1 * (1 - 1 / scene.n_clusters)))
    ax.set_ylabel("uncertainty")
    return np.column_stack([mixture.means[:, 0], np.zeros(len(mixture.means))])


def _example(uncertainty: float, inks: Inks) -> Line2D:
    ink, size = _ink(np.array([uncertainty]), inks)[0], 4 * float(np.sqrt(_area(uncertainty)))
    return Line2D([], [], marker="o", linestyle="", color=ink, markersize=size)


def _area(uncertainty: Any) -> Any:
    return _LEAST + _MORE * np.clip(2 * np.asarray(uncertainty), 0, 1)


def _ink(uncertainty: Array, inks: Inks) -> Array:
    depth = np.clip(2 * uncertainty, 0, 1)[:, None] ** 0.5
    shades = (1 - depth) * np.array(to_rgb(inks.faint)) + depth * np.array(to_rgb(inks.ink))
    return np.column_stack([shades, 0.35 + 0.5 * depth])


publish("gmm.plotting", [plot_uncertainty])
