"""The passes of a fit: a film of its components, `animate_fit`, and the curve of its objective, `plot_convergence`."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.animation import FFMpegWriter, FuncAnimation
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from gmm._estimators.attributes import fitted_parameters
from gmm._estimators.bayesian import BayesianGaussianMixture
from gmm._estimators.fitted import FittedMixture
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.steps import SteppedFit, prepare_stepped_fit
from gmm._exceptions import invalid
from gmm._fitting.sampling import kmeans_plusplus
from gmm._passes.solver import Trace
from gmm._plotting.planes import Panel, content_label, curve, ellipse, notes, row_colours
from gmm._plotting.scene import Scene, View, fitted_mixture, scored, view_of
from gmm._plotting.style import FAINT, INK, axes_of, colours, inks_of, legend_of_labels, own_figure
from gmm._selection import GaussianMixtureSearch
from gmm._text.html import FLAT
from gmm._text.words import column_names, counted
from gmm._validation.parameters import check_random_state, options_with
from gmm._validation.scalars import as_real, check_boolean, check_whole
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

_MOST_ROWS = 2000
_CONTENTS = (0.5, 0.95)
_GREY = to_rgba(FAINT, 0.55)


class Pass(NamedTuple):
    """One pass: the mixture in the view, the responsibilities (s, K) of the drawn rows, and the lower bound."""

    mixture: MixtureParameters
    responsibilities: Array
    lower_bound: float
    accepted: bool


class Film(NamedTuple):
    """The content of an animation: the scene of the last mixture, the passes, their objective and why they ended."""

    scene: Scene
    view: View
    passes: Sequence[Pass]
    objective: str
    label: str
    reason: str


def film_of(climb: SteppedFit, random_state: Any, requested_view: Any) -> Film:
    """Run a fit to its end, and project each pass onto a view."""
    if str(requested_view) == "pairs" or np.asarray(requested_view, dtype=object).size > 2:
        raise invalid(
            "an animation has a single view: expected a feature, a pair of features, 'discriminating', directions or "
            f"None as view; got {requested_view!r:.80}"
        )
    steps = list(climb)
    if not steps:
        raise invalid("expected max_iter of 1 or more, got max_iter=0: a fit without a pass cannot be animated")
    source, last, n_threads = climb.source, steps[-1], climb.settings.n_threads
    names = column_names(source.feature_names, source.n_features)
    seed = random_state if isinstance(random_state, int | None) else 0  # a generator was used for the start
    scene = Scene(last.iteration.parameters, names, source, n_threads, _MOST_ROWS, seed)
    view = view_of(scene.mixture, scene.names, requested_view)
    passes = []
    for iteration in (step.iteration for step in steps):
        responsibilities, _ = scored(iteration.parameters, scene.sample_rows, n_threads)
        seen = view.marginal(iteration.parameters)
        passes.append(Pass(seen, responsibilities, iteration.lower_bound, iteration.accepted))
    assert last.reason is not None  # the last pass has one
    prior = climb.settings.objective.prior
    objective = "lower bound" if prior.variational else "log-likelihood and prior" if prior else "log-likelihood"
    label = f"{objective} of the log evidence (nats)" if prior.variational else f"mean {objective} (nats per row)"
    return Film(scene, view, passes, objective, label, last.reason)


def canvas_of(film: Film) -> tuple[Figure, Callable[[int], list[Any]]]:
    """Make the figure of an animation, and draw the first frame; return what draws one, given its number, as well."""
    with own_figure(2, 1, figsize=(5.0, 6.4), height_ratios=(1.8, 1)) as axes:
        upper, lower = axes[:, 0]
        panel, n = Panel(upper, film.scene, film.view), len(film.passes)
        draw_components = _histogram(panel, film) if film.view.n_axes == 1 else _plane(panel, film)
        draw_curve = _curve(lower, film)

        def draw(number: int) -> list[Any]:
            draw_components(number)
            draw_curve(number)
            rejected = "" if film.passes[number - 1].accepted else ", step rejected"
            title = f"Pass {number} of {n}{f': {film.reason}' if number == n else rejected}"
            upper.set_title(title if number else f"Start: {counted(film.scene.n_components, 'component')}", loc="left")
            return []

        captions = notes(film.scene, film.view, panel.edges)
        if film.view.n_axes == 2:
            captions = [f"ellipses hold {' and '.join(map(content_label, _CONTENTS))} of each component", *captions]
        figure: Figure = upper.figure
        if captions:
            figure.supxlabel("\n".join(captions), x=0.01, ha="left", fontsize=9, color=INK)
        draw(n)
        figure.draw_without_rendering()  # computes the layout, once for all frames
        figure.set_layout_engine("none")
        draw(0)
    return figure, draw


def _plane(panel: Panel, film: Film) -> Callable[[int], None]:
    scene, start = film.scene, film.passes[0].mixture
    points = panel.rows([_GREY])
    present = np.flatnonzero(start.weights > 0)  # at first: some may fade
    outlines, badges = panel.ellipses(start, _CONTENTS, present), panel.numbers(start.means, present)
    trails = [panel.ax.plot([], [], color=shade, lw=1.2, alpha=0.9, zorder=4)[0] for shade in scene.shades]
    means = np.stack([each.mixture.means for each in film.passes])

    def draw(number: int) -> None:
        mixture, responsibilities, *_ = film.passes[max(number, 1) - 1]
        shades = row_colours(scene, responsibilities=responsibilities)
        points.set_facecolor([_GREY] if number == 0 else list(map(tuple, shades)))
        for (k, content), outline in outlines.items():
            outline.set_xy(ellipse(mixture, k, content))
        for k, badge in badges.items():
            badge.xy = badge.xyann = tuple(mixture.means[k])
            trails[k].set_data(means[:number, k].T)

    return draw


def _histogram(panel: Panel, film: Film) -> Callable[[int], None]:
    ax, curves = panel.ax, [curve(each.mixture, panel.edges) for each in film.passes]
    top = panel.histogram(float(max(density.max() for _, density, _ in curves)))
    shades = film.scene.shades
    areas = [Polygon([[0, 0]], closed=True, fc=(*shade, 0.3), ec=shade, lw=1.5, zorder=2) for shade in shades]
    for area in areas:
        ax.add_patch(area)
    (total,) = ax.plot([], [], color=INK, lw=1.6, zorder=3)
    ax.set(ylim=(0, top), ylabel="density", yticks=[])

    def draw(number: int) -> None:
        x, density, parts = curves[max(number, 1) - 1]
        total.set_data(x, density)
        for area, part in zip(areas, parts.T, strict=True):
            area.set_xy(np.array([(x[0], 0.0), *zip(x, part, strict=True), (x[-1], 0.0)]))

    return draw


def _curve(ax: Axes, film: Film) -> Callable[[int], None]:
    bounds: Sequence[float] = [each.lower_bound for each in film.passes]
    low, high, n = min(bounds), max(bounds), len(bounds)
    margin = 0.06 * (high - low) or 0.5
    (line,) = ax.plot([], [], color=INK, lw=1.8, zorder=2)
    (head,) = ax.plot([], [], "o", color=INK, ms=7, zorder=3)
    ax.set(xlim=(1 - 0.04 * n, 1.04 * n + 0.5), ylim=(low - margin, high + margin), xlabel="pass", ylabel=film.label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.grid(axis="y", color=FAINT, alpha=0.25, lw=0.7)

    def draw(number: int) -> None:
        line.set_data(range(1, number + 1), bounds[:number])
        head.set_data([number] * (number > 0), bounds[max(number - 1, 0) : number])
        value = f"{bounds[number - 1]:.4f}".replace("-", "−")
        ax.set_title(f"{film.objective.capitalize()} {value}" if number else "", loc="left")

    return draw


_FIRST, _LAST = 1000, 2500  # least duration of these frames in a GIF, in milliseconds
_LONGEST = 655_350  # milliseconds: a GIF stores hundredths of a second in 16 bits
_FILMS = (".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".webp", ".apng", ".avif")
# Keep the size and colours of frames equal, whatever the user's settings for saving files.
_AS_DRAWN: Any = {"savefig.bbox": None, "savefig.facecolor": "auto", "savefig.transparent": False}
_NEARLY_WHITE = 30  # summed distance from white over the three channels, of 255 each


def animate_fit(
    X: ArrayLike,
    n_components: int,
    *,
    view: Any = None,
    interval: int = 200,
    sample_weight: ArrayLike | None = None,
    random_state: int | np.random.RandomState | np.random.Generator | None = 0,
    bayesian: bool = False,
    **parameters: Any,
) -> FitAnimation:
    """Animate a fit: the start, then a frame for each pass.

    The first frame shows the rows in grey and the ellipses of the start. Each of the others shows a pass: rows
    coloured by responsibility, ellipses of the mixture before the update (they hold 50 % and 95 % of each component),
    the paths of the means, and next to them the mean log-likelihood so far. With one feature, densities over a
    histogram take the place of ellipses.

    Unless you give a start, the fit begins from a poor one, so that there is something to see: its means are rows
    drawn by k-means++, and each component has the covariance of all rows. `random_state` chooses the start; another
    start may lead to another optimum.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d)
        Rows. All are fitted; at most 2000, chosen at random, are drawn.
    n_components : int
        Number of components, K.
    view : None, int, str, pair of int or str, "discriminating" or Directions, default=None
        One or two features, by index or name; or the plane in which the components of the last mixture differ most.
        None draws one or two features as they are, and more in that plane.
    interval : int, default=200
        Milliseconds between frames.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows. Heavier rows are drawn larger.
    random_state : int, RandomState, Generator or None, default=0
        Seed of the start and of the rows to draw.
    bayesian : bool, default=False
        Fit a `gmm.BayesianGaussianMixture`, whose components fade as they lose their rows; from its default start.
    **parameters
        Further parameters of the fit, as for `gmm.em.steps`. The default here is ``tol=1e-5`` (1e-3 if `bayesian`),
        which does not mistake a slow beginning for convergence. ``max_iter`` limits the number of frames, and
        ``acceleration="auto"`` shows how the default fit needs fewer.

    Returns
    -------
    FitAnimation
        A Matplotlib animation, which notebooks display. ``save("fit.gif")`` needs no other software;
        ``save("fit.mp4")`` needs ffmpeg.

    Raises
    ------
    ValueError, TypeError
        If the rows or parameters are invalid, as in `gmm.em.steps`; if the view does not exist; or if `interval` is not
        from 1 to 655350, the longest delay of a GIF.

    Examples
    --------
    >>> from gmm.plotting import animate_fit
    >>> film = animate_fit([[0.0], [1.0], [2.0], [7.0], [9.0]], 2, max_iter=3)
    >>> film.n_frames
    4
    """
    check_whole(interval, "interval, in milliseconds,", 1, _LONGEST)
    fit_parameters = {"tol": 1e-3 if check_boolean(bayesian, "bayesian") else 1e-5, "random_state": random_state}
    fit_parameters |= parameters
    rows = X, n_components, sample_weight
    prepare = partial(prepare_stepped_fit, *rows, caller=animate_fit.__name__, bayesian=bayesian)
    climb = prepare(fit_parameters)
    if not bayesian and not any(parameters.get(name) is not None for name in options_with("start")):
        climb = prepare(fit_parameters | _poor_start(climb, random_state))
    return FitAnimation(film_of(climb, random_state, view), int(interval))


def _poor_start(climb: SteppedFit, random_state: Any) -> dict[str, Array]:
    """Choose random rows as means, equal weights, and for each component the covariance of all rows.

    The rows are far from each other: from close ones, EM needs many passes until components differ.
    """
    (K, objective, n_threads, *_), source = climb.settings, climb.source
    model = objective.model
    one = GaussianMixture(1, covariance_type=model.type_name, reg_covar=objective.ridge, n_threads=n_threads)
    one.fit(source.rows, sample_weight=source.sample_weight)
    precisions = one.precisions_ if model.layout.pooled else np.repeat(one.precisions_, K, axis=0)
    rows, scale = source.rows.astype(np.float64), np.sqrt(fitted_parameters(one).column_variances[0])
    rng = check_random_state(random_state)
    means = scale * kmeans_plusplus((rows - one.means_) / scale, source.weights, K, rng) + one.means_
    return {"weights_init": np.full(K, 1 / K), "means_init": means, "precisions_init": precisions}


class FitAnimation(FuncAnimation):
    """The animation of a fit, as returned by `animate_fit`.

    Attributes
    ----------
    n_frames : int
        Number of frames: one for the start, and one for each pass.
    """

    def __init__(self, film: Film, interval: int) -> None:
        self.n_frames = 1 + len(film.passes)
        self._film, self._frame_interval = film, interval
        self._figure, self._draw_pass = canvas_of(film)
        super().__init__(self._figure, self._draw_pass, frames=self.n_frames, interval=interval, cache_frame_data=False)
        # Matplotlib would warn about an animation that is neither shown nor saved, which is legitimate.
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

        The animation can be saved and shown again afterwards.

        Parameters
        ----------
        filename : str or os.PathLike
            Name of the file. A ``.gif`` needs only Pillow, which comes with Matplotlib, and pauses on its first and
            last frame. ``.mp4`` and other video formats need ffmpeg.
        writer, *args, **kwargs
            As for ``matplotlib.animation.Animation.save``. With a `writer`, the file extension is not checked.
        fps : float, optional
            Frames per second; None follows `interval`.
        dpi : float or "figure", optional
            Dots per inch; None is Matplotlib's default, or the figure's resolution for a GIF.

        Raises
        ------
        ValueError
            If the file extension is not supported, a format other than GIF is requested without ffmpeg, or `fps` or
            `dpi` is not a finite number above 0.
        OSError
            If the file cannot be written.
        """
        for name, value, others in (("fps", fps, "or"), ("dpi", None if dpi == "figure" else dpi, "'figure' or")):
            if value is not None and not 0 < as_real(value) < np.inf:
                raise ValueError(f"{name} must be a finite number above 0, {others} None; got {value!r}")
        path = Path(filename)
        if path.is_dir() and path.suffix:
            raise IsADirectoryError(f"expected the name of a file, got {str(path)!r}, which is a folder")
        if not path.parent.is_dir():
            raise FileNotFoundError(
                f"cannot save {path.name!r}: there is no folder {str(path.parent)!r}; create it first"
            )
        if writer is None:
            _check_kind(path)
        if writer is None and path.suffix.lower() == ".gif" and not args and not kwargs:
            path.write_bytes(self._gif(fps, dpi or "figure"))
        else:
            rates: tuple[Any, ...] = (fps, dpi)
            with mpl.rc_context(_AS_DRAWN):
                super().save(os.fspath(filename), writer, *rates, *args, **kwargs)
        if getattr(self._figure.canvas, "required_interactive_framework", None) is None:
            plt.close(self._figure)

    def _repr_html_(self) -> str:
        encoded = base64.b64encode(self._gif()).decode()
        plt.close(self._figure)  # otherwise a notebook also shows a still image
        text = f"Animation of a fit: its start and {counted(self.n_frames - 1, 'pass', 'passes')}"
        return f'<img alt="{text}" style="max-width:100%" src="data:image/gif;base64,{encoded}">'

    def _gif(self, fps: float | None = None, dpi: Any = "figure") -> bytes:
        """Return the bytes of a GIF, which stores only the differences between frames, in the colours of three."""
        from PIL import Image

        wait, n = self._frame_interval if fps is None else round(1000 / fps), self.n_frames
        if wait > _LONGEST:
            raise ValueError(
                f"fps is too low for a .gif, whose frames last at most {_LONGEST // 1000} s; got fps={fps!r}"
            )

        def picture(number: int) -> Image.Image:
            self._draw_pass(number)
            file = BytesIO()
            with mpl.rc_context(_AS_DRAWN):
                self._figure.savefig(file, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
            return Image.open(file).convert("RGB")

        samples = [np.asarray(picture(number)) for number in sorted({0, n // 2, n - 1})]
        palette = Image.fromarray(np.concatenate(samples)).quantize(256, method=Image.Quantize.MEDIANCUT)
        colours = np.array(palette.getpalette()).reshape(-1, 3)
        colours[np.abs(255 - colours).sum(axis=1) <= _NEARLY_WHITE] = 255  # the background
        palette.putpalette(colours.ravel().tolist())
        first, *others = (picture(number).quantize(palette=palette, dither=Image.Dither.NONE) for number in range(n))
        file, waits = BytesIO(), [max(wait, _FIRST), *[wait] * (n - 2), max(wait, _LAST)]
        first.save(file, "GIF", save_all=True, append_images=others, duration=waits, loop=0)
        return file.getvalue()


def _check_kind(path: Path) -> None:
    """Reject a format that neither Pillow nor ffmpeg writes, unless another Matplotlib writer is configured."""
    kind = path.suffix.lower()
    if kind == ".gif" or not mpl.rcParams["animation.writer"].startswith("ffmpeg"):
        return
    if kind not in _FILMS:
        raise ValueError(
            f"expected a file name that ends in .gif, which Pillow writes, or in {', '.join(_FILMS[:-1])} or "
            f"{_FILMS[-1]}, which ffmpeg writes; got {str(path)!r}"
        )
    if not FFMpegWriter.isAvailable():
        raise ValueError(f"saving {str(path)!r} needs ffmpeg, which is not installed: install it, or save a .gif")


_FEW_PASSES = 60  # most passes that are drawn with a dot each


def plot_convergence(model: GaussianMixture | GaussianMixtureSearch, *, ax: Axes | None = None) -> Axes:
    """Draw the objective of a fit against its passes: a line for each start, the best one in colour.

    Parameters
    ----------
    model : GaussianMixture or GaussianMixtureSearch
        A mixture fitted by `fit`, or a fitted search, whose best mixture is drawn.
    ax : Axes, optional
        Axes to draw on; None makes a new figure.

    Returns
    -------
    Axes
        Passes from 1 on the horizontal axis, the objective in nats per row on the vertical one. The objective is the
        mean log-likelihood, plus the log density of a prior if there is one, and minus the ridge's penalty if the fit
        was accelerated; the label mentions the ridge if its penalty is visible. A filled dot ends a start that
        converged, an open dot one that did not. The title reports why the best one ended, and whether its start was the
        end. Crosses mark rejected steps.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If `model` is neither a mixture nor a search.
    ValueError
        If the mixture has no history, because its parameters were given or its fit made no pass.

    Examples
    --------
    >>> from gmm import GaussianMixture
    >>> from gmm.plotting import plot_convergence
    >>> model = GaussianMixture(2, random_state=0).fit([[0.0], [1.0], [7.0], [9.0]])
    >>> plot_convergence(model).get_xlabel()
    'pass'
    """
    fitted = fitted_mixture(model)
    best, others = _histories(fitted)
    resolution = _resolution([best, *others])
    with axes_of(ax) as target:
        for number, trace in enumerate(others):
            label = f"other starts ({len(others)})" if number == 0 else None
            alpha = max(0.3, 0.9 - 0.03 * len(others))
            _draw_trace(target, trace, FAINT, 3.5, lw=1, alpha=alpha, label=label, zorder=2)
        # Invisible differences count as ties.
        n_ties = sum(trace.objective[-1] >= best.objective[-1] - resolution for trace in others)
        rank = f"tied with {counted(n_ties, 'other')}" if n_ties else "the best"
        dots, label = "o" if len(best) <= _FEW_PASSES else None, f"start {best.start + 1}, {rank}" if others else None
        _draw_trace(target, best, colours(1)[0], 8, lw=2, marker=dots, ms=3, label=label, zorder=3)
        rejected = [number for number, accepted in enumerate(best.accepted) if not accepted]
        if rejected:
            passes, values = np.array(rejected) + 1, np.array(best.objective)[rejected]
            target.plot(passes, values, "x", color=inks_of(target).ink, ms=6, label="rejected step", zorder=4)
        target.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        target.ticklabel_format(axis="y", useOffset=False)  # an offset such as 1e−6−6.84487 is hard to read
        end = best.objective[-1]
        target.update_datalim([(1, (1 - FLAT) * end), (1, (1 + FLAT) * end)])
        longest = max(map(len, (best, *others)))
        target.set_xlim(1 - 0.02 * longest, longest + 0.03 * longest)
        target.set(xlabel="pass", ylabel=_objective(fitted, [best, *others], resolution))
        gain, tally = end - best.objective[0], best.refinement
        is_flat = best.converged and gain < FLAT * abs(end)
        flat = [f"the start was the end: all passes gain {gain:.2g}"] if is_flat else []
        moves = [] if tally is None else [f"split–merge kept {len(tally.moves)} of {counted(tally.tried, 'move')}"]
        target.set_title("\n".join([best.ending[0].upper() + best.ending[1:], *moves, *flat, best.reason]))
        legend_of_labels(target, own=ax is None)
    return target


def _histories(model: FittedMixture) -> tuple[Trace, list[Trace]]:
    """Return the trace of the best start, and those of the others."""
    if not hasattr(model, "histories_"):
        raise invalid(
            f"expected a mixture fitted by `fit`, with histories_ to draw; this {type(model).__name__} has none, "
            "because its parameters were given or set by hand: call fit(X) first"
        )
    if len(model.history_) == 0:
        raise invalid(
            "expected a fit with at least one pass to draw; this one made none: fit it with max_iter of 1 or more"
        )
    return model.history_, [trace for trace in model.histories_ if trace is not model.history_]


def _objective(model: FittedMixture, traces: list[Trace], resolution: float) -> str:
    """Name the objective. That of an accelerated fit includes the ridge, which matters for small variances."""
    if isinstance(model, BayesianGaussianMixture):
        return "lower bound of the log evidence (nats)"
    what = "log-likelihood" if getattr(model, "prior", None) is None else "log-likelihood and prior"
    difference = max(np.abs(trace.records[:, 1] - trace.records[:, 0]).max() for trace in traces)
    if difference > resolution:
        return f"objective (nats per row):\n{what} minus the ridge penalty"
    return f"mean {what} (nats per row)"


def _resolution(traces: list[Trace]) -> float:
    """Return the least difference, in nats per row, that is visible in the plot and not rounding."""
    values = [value for trace in traces for value in trace.objective]
    return max((max(values) - min(values)) / 1000, 1e-6 * max(map(abs, values)))


def _draw_trace(ax: Axes, trace: Trace, colour: Any, size: float, **style: Any) -> None:
    """Draw a line, and a dot at its end, which is open if the run did not converge."""
    ax.plot(range(1, len(trace) + 1), trace.objective, color=colour, **style)
    end: Any = {"mfc": colour if trace.converged else inks_of(ax).paper, "mec": colour, "mew": 1.2, "ms": size}
    ax.plot([len(trace)], [trace.objective[-1]], "o", clip_on=False, zorder=5, **end)


FitAnimation.__module__ = animate_fit.__module__ = plot_convergence.__module__ = "gmm.plotting"
