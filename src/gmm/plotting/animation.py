"""`animate_fit`: the components as they learn, a frame for each pass, with the log-likelihood growing beside them."""

from __future__ import annotations

import base64
import numbers
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.animation import FFMpegWriter, FuncAnimation
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from gmm._validation import check_random_state
from gmm.exceptions import InvalidParameterError, raisable
from gmm.initialization import kmeans_plusplus
from gmm.layouts import Array
from gmm.mixture import GaussianMixture
from gmm.parameters import MixtureParameters
from gmm.plotting import marks
from gmm.plotting.frame import amount
from gmm.plotting.scene import Scene, limits, scene_of, scored
from gmm.plotting.style import FAINT, INK, STYLE, colours, steady_ticks
from gmm.plotting.view import View, ellipse, view_of
from gmm.steps import ClimbToBe, climb_to_be

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["FitAnimation", "animate_fit"]

_CONTENTS = (0.5, 0.95)
_MOST_ROWS = 2000
_NEARLY_WHITE = 30  # sum over the channels, of 255 each
_FIRST, _LAST = 1000, 2500  # milliseconds at least that a GIF stays on these frames
_GREY = np.array([[0.55, 0.58, 0.62, 0.55]])
_STARTS = ("init_params", "weights_init", "means_init", "precisions_init")


def animate_fit(
    X: ArrayLike,
    n_components: int,
    *,
    view: Any = None,
    interval: int = 200,
    sample_weight: ArrayLike | None = None,
    random_state: int | np.random.RandomState | np.random.Generator | None = 0,
    **parameters: Any,
) -> FitAnimation:
    """Animate a fit: the start, then a frame for each pass.

    The first frame shows the rows in grey and the ellipses of the start. Each further one is a pass: rows coloured by
    responsibility, the ellipses of the mixture that the pass measured, which hold 50 % and 95 % of their components,
    the ways of the means, and beside them the mean log-likelihood so far. Along one feature, densities over a histogram
    stand for the ellipses.

    Unless a start is given, it is poor, so that there is something to see: random rows for means, as k-means++ draws
    them, and for each component the covariance of all rows. `random_state` chooses them; another may lead to another
    optimum, as EM does.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d)
        Rows. Of more than 2000, as many by chance are drawn; all are fitted.
    n_components : int
        Number of components, K.
    view : None, int, str, pair of int or str, or "discriminating", default=None
        One feature or two, by number or name; or the plane in which the last mixture's components differ most. None
        takes the features of one or two, else that plane.
    interval : int, default=200
        Milliseconds between frames.
    sample_weight : array-like of shape (n,), default=None
        Rows are drawn the larger the heavier.
    random_state : int, RandomState, Generator or None, default=0
        Seeds the start, and which rows are drawn.
    **parameters
        Further parameters of the fit, as `gmm.em_steps` takes them; here ``tol=1e-5`` unless given, which does not take
        a slow beginning for an end. ``max_iter`` bounds the frames, and ``acceleration="auto"`` shows how the default
        fit gets there in fewer.

    Returns
    -------
    FitAnimation
        A Matplotlib animation; notebooks show it. ``save("fit.gif")`` needs nothing else, ``save("fit.mp4")`` ffmpeg.

    Raises
    ------
    ValueError, TypeError
        For input that cannot be used, as `em_steps`; for a view that is not there, or an `interval` below 1.

    Examples
    --------
    >>> from gmm.plotting import animate_fit
    >>> film = animate_fit([[0.0], [1.0], [2.0], [7.0], [9.0]], 2, max_iter=3)
    >>> film.n_frames
    4
    """
    if not isinstance(interval, numbers.Integral) or interval < 1:
        raise raisable(InvalidParameterError)(f"interval must be an int from 1, in milliseconds; got {interval!r}")
    asked = {"tol": 1e-5, "random_state": random_state} | parameters
    begin = partial(climb_to_be, X, n_components, sample_weight, caller=animate_fit.__name__)
    climb = begin(asked)
    if not any(parameters.get(name) is not None for name in _STARTS):
        climb = begin(asked | _poor_start(climb, asked))
    film = _film(climb, random_state, view)
    with mpl.rc_context(STYLE):
        return FitAnimation(film, int(interval))


def _poor_start(climb: ClimbToBe, asked: dict[str, Any]) -> dict[str, Array]:
    """Random rows for means, far from each other; equal weights; and for each component the covariance of all rows.

    From rows that are close, EM lingers for long where components are still the same.
    """
    K, model, source = climb.settings.n_components, climb.settings.model, climb.source
    about_all = {name: asked[name] for name in ("covariance_type", "reg_covar", "n_threads") if name in asked}
    one = GaussianMixture(1, **about_all).fit(source.rows, sample_weight=source.sample_weight)
    precisions = one.precisions_ if model.layout.pooled else np.repeat(one.precisions_, K, axis=0)
    weight = np.ones(source.n_rows) if source.sample_weight is None else source.sample_weight
    rows, scale = source.rows.astype(np.float64), np.sqrt(_variances(one))
    rng = check_random_state(asked["random_state"])
    means = scale * kmeans_plusplus((rows - one.means_) / scale, weight, K, rng) + one.means_
    return {"weights_init": np.full(K, 1 / K), "means_init": means, "precisions_init": precisions}


def _variances(one: GaussianMixture) -> Array:
    """Of each feature, (d,), in a mixture of one component."""
    parameters = one._fitted()
    return np.asarray(parameters.model.layout.dense(parameters.covariances, 1, parameters.n_features)[0].diagonal())


@dataclass(frozen=True, eq=False)
class _Pass:
    """One pass: the mixture in the view, responsibilities (s, K) of the rows shown, and the bound."""

    mixture: MixtureParameters
    responsibilities: Array
    lower_bound: float
    accepted: bool


@dataclass(frozen=True, eq=False)
class _Film:
    """What an animation shows: the last mixture with its rows, the view, the passes, and why there are no more."""

    scene: Scene
    view: View
    passes: tuple[_Pass, ...]
    reason: str


def _film(climb: ClimbToBe, random_state: Any, asked_view: Any) -> _Film:
    if isinstance(asked_view, str) and asked_view == "pairs":
        raise raisable(InvalidParameterError)("an animation shows one view: a feature, a pair of them, or a plane")
    strides = list(climb)
    if not strides:
        raise raisable(InvalidParameterError)("max_iter=0 makes no pass, so nothing moves: expected 1 or more")
    source, last = climb.source, strides[-1]
    model = GaussianMixture._holding(last.iteration.parameters, None)
    weight = source.sample_weight
    seed = random_state if isinstance(random_state, int | None) else 0  # a generator has given the start
    scene = scene_of(model, source.rows, sample_weight=weight, max_points=_MOST_ROWS, random_state=seed)
    names = scene.names if climb.feature_names is None else tuple(climb.feature_names.tolist())
    view = view_of(scene.mixture, names, asked_view)
    shown = np.ascontiguousarray(source.rows[scene.shown])
    passes = [
        _Pass(
            view.marginal(stride.iteration.parameters),
            scored(stride.iteration.parameters, shown)[0],
            stride.iteration.lower_bound,
            stride.iteration.accepted,
        )
        for stride in strides
    ]
    assert last.reason is not None  # the last pass has one
    return _Film(scene, view, tuple(passes), last.reason)


class FitAnimation(FuncAnimation):
    """The animation of a fit; `animate_fit` makes it.

    Parameters
    ----------
    film : _Film
    interval : int
        Milliseconds between frames.

    Attributes
    ----------
    n_frames : int
        One for the start, and one for each pass.
    """

    def __init__(self, film: _Film, interval: int) -> None:
        self.n_frames = 1 + len(film.passes)
        self._film, self._interval_asked = film, interval
        self._figure, draw = _stage(film)
        self._show = draw
        super().__init__(self._figure, draw, frames=self.n_frames, interval=interval, cache_frame_data=False)
        # Matplotlib warns of an animation that was made and neither shown nor saved; to make one is no mistake.
        self._draw_was_started = True

    def save(self, filename: str | os.PathLike[str], writer: Any = None, *args: Any, **kwargs: Any) -> None:
        """Write the animation to a file.

        Parameters
        ----------
        filename : str or os.PathLike
            A GIF needs nothing but Pillow, which comes with Matplotlib, and stays on the first and the last frame for
            a while; ``.mp4`` and other films need ffmpeg.
        writer, *args, **kwargs
            As ``matplotlib.animation.Animation.save`` takes them. A GIF without a `writer` takes ``fps`` and ``dpi``.

        Raises
        ------
        ValueError
            If it is no GIF and there is no ffmpeg.
        """
        if writer is None and Path(filename).suffix.lower() == ".gif" and not args and kwargs.keys() <= {"fps", "dpi"}:
            Path(filename).write_bytes(self._gif(**kwargs))
            return
        if writer is None and not FFMpegWriter.isAvailable():
            raise ValueError(
                f"to save {os.fspath(filename)!r} needs ffmpeg, which is not installed; a .gif needs nothing"
            )
        super().save(os.fspath(filename), writer, *args, **kwargs)

    def _repr_html_(self) -> str:
        """The GIF, in the page itself."""
        encoded = base64.b64encode(self._gif()).decode()
        plt.close(self._figure)  # or a notebook shows it once more, still
        told = f"Animation of a fit: its start and {self.n_frames - 1} passes"
        return f'<img alt="{told}" style="max-width:100%" src="data:image/gif;base64,{encoded}">'

    def _gif(self, fps: float | None = None, dpi: float | None = None) -> bytes:
        """All frames in common colours, so that only what moves is stored."""
        from PIL import Image

        wait = self._interval_asked if fps is None else round(1000 / fps)
        told = [self._picture(number, dpi) for number in {0, self.n_frames // 2, self.n_frames - 1}]
        sheet = Image.fromarray(np.concatenate([np.asarray(picture) for picture in told]))
        palette = _with_white(sheet.quantize(256, method=Image.Quantize.MEDIANCUT))
        frames = [
            self._picture(number, dpi).quantize(palette=palette, dither=Image.Dither.NONE)
            for number in range(self.n_frames)
        ]
        waits = [max(wait, _FIRST), *[wait] * (self.n_frames - 2), max(wait, _LAST)]
        file = BytesIO()
        frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=waits, loop=0)
        return file.getvalue()

    def _picture(self, number: int, dpi: float | None) -> Image:
        from PIL import Image

        self._show(number)
        file = BytesIO()
        self._figure.savefig(file, format="rgba", dpi=dpi or self._figure.dpi)
        width, height = (round(side * (dpi or self._figure.dpi)) for side in self._figure.get_size_inches())
        return Image.frombuffer("RGBA", (width, height), file.getvalue()).convert("RGB")


def _with_white(sheet: Image) -> Image:
    """The palette, with white for all that is nearly white, as paper is."""
    palette = np.array(sheet.getpalette()).reshape(-1, 3)
    palette[np.abs(255 - palette).sum(axis=1) <= _NEARLY_WHITE] = 255
    sheet.putpalette(palette.ravel().tolist())
    return sheet


def _stage(film: _Film) -> tuple[Figure, Callable[[int], list[Any]]]:
    """The figure, and what draws a frame on it by its number."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.6), width_ratios=(1.5, 1))
    for ax in (left, right):
        steady_ticks(ax)
    panel = _histogram(left, film) if film.view.n_axes == 1 else _plane(left, film)
    grown = _curve(right, film)

    def draw(number: int) -> list[Any]:
        panel(number)
        grown(number)
        left.set_title(_told(film, number), loc="left")
        return []

    draw(len(film.passes))
    figure.draw_without_rendering()  # the layout, once for all frames
    with mpl.rc_context({"figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)
    draw(0)
    return figure, draw


def _told(film: _Film, number: int) -> str:
    n, K = len(film.passes), film.scene.n_components
    if number == 0:
        return f"The start: {K} component{'s' * (K != 1)}"
    told = f"Pass {number} of {n}"
    if number == n:
        return f"{told}: {film.reason}"
    return told if film.passes[number - 1].accepted else f"{told}, a step taken back"


def _plane(ax: Axes, film: _Film) -> Callable[[int], None]:
    """Rows, ellipses, and the numbered means with their ways."""
    scene, view, start = film.scene, film.view, film.passes[0].mixture
    edges = limits(scene, view)
    points = marks.rows(ax, scene, view, _GREY)
    marks.ellipses(ax, start, _CONTENTS)
    marks.numbers(ax, start.means, np.arange(scene.n_components))
    outlines = {patch.get_gid(): patch for patch in ax.patches if isinstance(patch, Polygon)}
    shades = colours(scene.n_components)
    ways = [ax.plot([], [], color=shade, lw=1.2, alpha=0.9, zorder=4)[0] for shade in shades]
    badges = list(ax.texts)
    paths = np.stack([one.mixture.means for one in film.passes])
    ax.set(xlim=edges[0], ylim=edges[1], xlabel=view.labels[0], ylabel=view.labels[1])
    _caption(ax, "ellipses hold 50 % and 95 %", scene)

    def draw(number: int) -> None:
        now = film.passes[max(number, 1) - 1]
        soft = marks.softly(replace(scene, responsibilities=now.responsibilities))
        points.set_facecolor(list(map(tuple, _GREY if number == 0 else soft)))
        for k in range(scene.n_components):
            for content in _CONTENTS:
                polygon = outlines.get(f"component {k} content {content:g}")
                if polygon is not None:
                    polygon.set_xy(ellipse(now.mixture.means[k], now.mixture.covariances[k], content))
            ways[k].set_data(paths[:number, k].T)
            badges[k].set_position(now.mixture.means[k])

    return draw


def _histogram(ax: Axes, film: _Film) -> Callable[[int], None]:
    """The rows' histogram, and over it the density of each component and their sum."""
    scene, view = film.scene, film.view
    edges = limits(scene, view)
    heights = marks.histogram(ax, scene, view, film.passes[-1].mixture, edges[0])
    shades = colours(scene.n_components)
    parts = [Polygon([[0, 0]], closed=True, fc=(*shade, 0.3), ec=shade, lw=1.5, zorder=2) for shade in shades]
    for part in parts:
        ax.add_patch(part)
    (total,) = ax.plot([], [], color=INK, lw=1.6, zorder=3)
    highest = max(marks.curve(one.mixture, edges)[1].max() for one in film.passes)
    ax.set(
        xlim=edges[0],
        ylim=(0, 1.08 * min(highest, 2 * np.max(heights))),
        xlabel=view.labels[0],
        ylabel="density",
        yticks=[],
    )
    _caption(ax, "", scene)

    def draw(number: int) -> None:
        x, density, of_parts = marks.curve(film.passes[max(number, 1) - 1].mixture, edges)
        total.set_data(x, density)
        for part, heights_of_part in zip(parts, of_parts.T, strict=True):
            corners = [(x[0], 0.0), *zip(x, heights_of_part, strict=True), (x[-1], 0.0)]
            part.set_xy(np.array(corners))

    return draw


def _caption(ax: Axes, told: str, scene: Scene) -> None:
    shown = (
        f"{amount(len(scene.shown))} of {amount(scene.source.n_used)} rows shown"
        if len(scene.shown) < scene.source.n_used
        else ""
    )
    text = "; ".join(part for part in (told, shown) if part)
    paper: dict[str, Any] = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.5}
    place: dict[str, Any] = {
        "transform": ax.transAxes,
        "ha": "right",
        "va": "bottom",
        "fontsize": 8,
        "color": INK,
        "zorder": 6,
    }
    if text:
        ax.text(0.99, 0.015, text, bbox=paper, **place)


def _curve(ax: Axes, film: _Film) -> Callable[[int], None]:
    """The mean log-likelihood, from the first pass to the one that is shown."""
    bounds: Sequence[float] = [one.lower_bound for one in film.passes]
    low, high = min(bounds), max(bounds)
    room = 0.06 * (high - low) or 0.5
    n = len(bounds)
    (line,) = ax.plot([], [], color=INK, lw=1.8, zorder=2)
    (head,) = ax.plot([], [], "o", color=INK, ms=7, zorder=3)
    ax.set(xlim=(1 - 0.04 * n, 1.04 * n + 0.5), ylim=(low - room, high + room))
    ax.set(xlabel="pass", ylabel="mean log-likelihood (nats per row)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.grid(axis="y", color=FAINT, alpha=0.25, lw=0.7)

    def draw(number: int) -> None:
        line.set_data(range(1, number + 1), bounds[:number])
        head.set_data([number] * (number > 0), bounds[max(number - 1, 0) : number])
        value = f"{bounds[number - 1]:.4f}".replace("-", "−")
        ax.set_title(f"Log-likelihood {value}" if number else "", loc="left")

    return draw
