"""`plot_convergence`: how a fit climbed, pass by pass."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gmm.em.trace import Trace
from gmm.estimators.fitted import FittedMixture
from gmm.estimators.mixture import GaussianMixture
from gmm.exceptions import InvalidParameterError, raisable
from gmm.plotting.scene import fitted_mixture
from gmm.plotting.style import FAINT, axes_of, colours, inks_of
from gmm.selection import GaussianMixtureSearch
from gmm.text.amounts import counted

_FEW_PASSES = 60  # up to which each has a dot


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
        Passes from 1 to the right, the objective upwards, in nats per row: the mean log-likelihood, with the log
        density of a prior, and in an accelerated fit less what the ridge costs; the label says so where it is seen.
        A full dot is where a climb converged, an open one where it did not; the title tells why the best climb ended.
        Crosses are steps that were taken back.

    Raises
    ------
    NotFittedError
        For a model that is not fitted.
    TypeError
        For what is no mixture and no search.
    ValueError
        If the mixture has no history: it was given by its parameters, or made no pass.

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
    with axes_of(ax) as ax:
        for number, trace in enumerate(others):
            told = f"other starts ({len(others)})" if number == 0 else None
            ax.plot(*_passes(trace), color=FAINT, lw=1, alpha=max(0.3, 0.9 - 0.03 * len(others)), label=told, zorder=2)
            _end(ax, trace, FAINT, 3.5)
        _best_climb(ax, best, f"start {best.start + 1}, {_place(best, others)}" if others else None)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        longest = max(map(len, (best, *others)))
        ax.set_xlim(1 - 0.02 * longest, longest + 0.03 * longest)
        ax.set(xlabel="pass", ylabel=_measured(fitted, [best, *others]))
        ax.set_title(_ending(best))
        if len(ax.get_legend_handles_labels()[1]):
            ax.legend(loc="best")
    return ax


def _histories(model: FittedMixture) -> tuple[Trace, list[Trace]]:
    """How the best start climbed, and how the others did."""
    if not hasattr(model, "histories_"):
        raise raisable(InvalidParameterError)(
            "expected a mixture that `fit` has fitted, whose histories_ tell how it climbed; this "
            f"{type(model).__name__} has none: its parameters were given or set by hand"
        )
    if len(model.history_) == 0:
        raise raisable(InvalidParameterError)(
            "this fit made no pass, so there is nothing to draw: fit it with max_iter of 1 or more"
        )
    return model.history_, [trace for trace in model.histories_ if trace is not model.history_]


def _measured(model: FittedMixture, traces: list[Trace]) -> str:
    """What the objective is. An accelerated climb's has the ridge in it, which changes small variances much."""
    what = "log-likelihood" if getattr(model, "prior", None) is None else "log-likelihood and prior"
    apart = max(abs(one.objective - one.lower_bound) for trace in traces for one in trace.passes)
    if apart > _least_seen(traces):
        return f"objective (nats per row):\n{what} less the ridge's part"
    return f"mean {what} (nats per row)"


def _place(best: Trace, others: list[Trace]) -> str:
    """Of the best among the ends of all; a difference that nobody sees is none."""
    as_high = best.objective[-1] - _least_seen([best, *others])
    n = sum(trace.objective[-1] >= as_high for trace in others)
    return f"one of {n + 1} that end as high" if n else "the highest"


def _least_seen(traces: list[Trace]) -> float:
    """The least difference, in nats per row, that is seen where all these are drawn and that is not rounding."""
    values = [value for trace in traces for value in trace.objective]
    return max((max(values) - min(values)) / 1000, 1e-6 * max(map(abs, values)))


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
        ax.plot(*zip(*back, strict=True), "x", color=inks_of(ax).ink, ms=6, label="step taken back", zorder=4)
    _end(ax, trace, colour, 8)


def _end(ax: Axes, trace: Trace, colour: Any, size: float) -> None:
    """Where a climb ended: a full dot if it converged, else an open one."""
    face = colour if trace.converged else inks_of(ax).paper
    at = ([len(trace)], [trace.objective[-1]])
    ax.plot(*at, "o", ms=size, mfc=face, mec=colour, mew=1.2, clip_on=False, zorder=5)


def _ending(trace: Trace) -> str:
    ending = trace.ending[0].upper() + trace.ending[1:]
    done = trace.refinement
    moves = "" if done is None else f"; split–merge kept {len(done.moves)} of {counted(done.tried, 'move')}"
    return f"{ending}{moves}\n{trace.reason}"
