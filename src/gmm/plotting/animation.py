"""`animate_fit`: the components as they learn, a frame for each pass, with the log-likelihood growing beside them."""

from __future__ import annotations

import base64
import numbers
import os
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.animation import FFMpegWriter, FuncAnimation
from numpy.typing import ArrayLike

from gmm.estimators.mixture import GaussianMixture
from gmm.estimators.steps import SteppedFit, prepare_stepped_fit
from gmm.exceptions import InvalidParameterError, raisable
from gmm.fitting.starts import kmeans_plusplus
from gmm.plotting.film import Film, film_of
from gmm.plotting.gif import AS_DRAWN, gif
from gmm.plotting.stage import stage
from gmm.plotting.style import STYLE
from gmm.text.amounts import counted
from gmm.validation.parameters import check_random_state
from gmm.values.layouts import Array

_FIRST, _LAST = 1000, 2500  # milliseconds at least that a GIF stays on these frames
_LONGEST = 655_350  # milliseconds: a GIF counts hundredths of a second in 16 bits
_FILMS = (".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".webp", ".apng", ".avif")
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
        For input that cannot be used, as `em_steps`; for a view that is not there, or an `interval` below 1 or above
        655350, the longest that a GIF can wait.

    Examples
    --------
    >>> from gmm.plotting import animate_fit
    >>> film = animate_fit([[0.0], [1.0], [2.0], [7.0], [9.0]], 2, max_iter=3)
    >>> film.n_frames
    4
    """
    if isinstance(interval, bool) or not isinstance(interval, numbers.Integral) or not 1 <= interval <= _LONGEST:
        raise raisable(InvalidParameterError)(
            f"interval must be an int from 1 to {_LONGEST}, in milliseconds; got {interval!r}"
        )
    asked = {"tol": 1e-5, "random_state": random_state} | parameters
    begin = partial(prepare_stepped_fit, X, n_components, sample_weight, caller=animate_fit.__name__)
    climb = begin(asked)
    if not any(parameters.get(name) is not None for name in _STARTS):
        climb = begin(asked | _poor_start(climb, asked))
    film = film_of(climb, random_state, view)
    with mpl.rc_context(STYLE):
        return FitAnimation(film, int(interval))


def _poor_start(climb: SteppedFit, asked: dict[str, Any]) -> dict[str, Array]:
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
    return np.asarray(parameters.model.layout.diagonal(parameters.covariances, parameters.n_features)[0])


class FitAnimation(FuncAnimation):
    """The animation of a fit; `animate_fit` makes it, and nothing else does.

    Attributes
    ----------
    n_frames : int
        One for the start, and one for each pass.
    """

    def __init__(self, film: Film, interval: int) -> None:
        self.n_frames = 1 + len(film.passes)
        self._film, self._interval_asked = film, interval
        self._figure, draw = stage(film)
        self._show = draw
        super().__init__(self._figure, draw, frames=self.n_frames, interval=interval, cache_frame_data=False)
        # Matplotlib warns of an animation that was made and neither shown nor saved; to make one is no mistake.
        self._draw_was_started = True

    def save(
        self,
        filename: str | os.PathLike[str],
        writer: Any = None,
        fps: float | None = None,
        dpi: float | str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Write the animation to a file, and close its figure unless a window shows it.

        It can be saved and shown again.

        Parameters
        ----------
        filename : str or os.PathLike
            A GIF needs nothing but Pillow, which comes with Matplotlib, and stays on the first and the last frame for
            a while; ``.mp4`` and other films need ffmpeg.
        writer, *args, **kwargs
            As ``matplotlib.animation.Animation.save`` takes them; a `writer` knows what it can write.
        fps : float, optional
            Frames per second; those of `interval` if None.
        dpi : float or "figure", optional
            Dots per inch; Matplotlib's own choice if None, for a GIF the figure's.

        Raises
        ------
        ValueError
            If the name ends otherwise, it is no GIF and there is no ffmpeg, or `fps` or `dpi` is no number above 0.
        OSError
            If there can be no such file.
        """
        _check_rates(fps, dpi)
        path = Path(filename)
        if path.is_dir() and path.suffix:
            raise IsADirectoryError(f"{str(path)!r} is a folder; expected the name of a file")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {str(path.parent)!r} to save an animation in")
        if writer is None:
            _check_kind(path)
        if writer is None and path.suffix.lower() == ".gif" and not args and not kwargs:
            path.write_bytes(self._gif(fps, None if dpi == "figure" else dpi))
        else:
            others: tuple[Any, ...] = (fps, dpi, *args)
            with mpl.rc_context(AS_DRAWN):
                super().save(os.fspath(filename), writer, *others, **kwargs)
        if getattr(self._figure.canvas, "required_interactive_framework", None) is None:
            plt.close(self._figure)

    def _repr_html_(self) -> str:
        """The GIF, in the page itself."""
        encoded = base64.b64encode(self._gif()).decode()
        plt.close(self._figure)  # or a notebook shows it once more, still
        told = f"Animation of a fit: its start and {counted(self.n_frames - 1, 'pass', 'passes')}"
        return f'<img alt="{told}" style="max-width:100%" src="data:image/gif;base64,{encoded}">'

    def _gif(self, fps: float | None = None, dpi: Any = None) -> bytes:
        wait = self._interval_asked if fps is None else round(1000 / fps)
        if wait > _LONGEST:
            raise ValueError(f"a frame of a .gif lasts at most {_LONGEST // 1000} seconds; got fps={fps!r}")
        waits = [max(wait, _FIRST), *[wait] * (self.n_frames - 2), max(wait, _LAST)]
        return gif(self._figure, self._show, waits, dpi)


def _check_rates(fps: Any, dpi: Any) -> None:
    for name, value, words in (("fps", fps, ()), ("dpi", dpi, ("figure",))):
        if value is None or value in words:
            continue
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 < float(value) < np.inf:
            others = ", 'figure' or None" if words else ", or None"
            raise ValueError(f"{name} must be a finite number above 0{others}; got {value!r}")


def _check_kind(path: Path) -> None:
    """Refuse what neither Pillow nor ffmpeg writes; whoever has set another of Matplotlib's writers knows its kinds."""
    kind = path.suffix.lower()
    if kind == ".gif" or not mpl.rcParams["animation.writer"].startswith("ffmpeg"):
        return
    if kind not in _FILMS:
        raise ValueError(
            f"expected a name that ends in .gif, which Pillow writes, or in {', '.join(_FILMS[:-1])} or {_FILMS[-1]}, "
            f"which ffmpeg writes; got {str(path)!r}"
        )
    if not FFMpegWriter.isAvailable():
        raise ValueError(f"to save {str(path)!r} needs ffmpeg, which is not installed; a .gif needs nothing")
