"""`plot_convergence`: the objective of a fit, pass by pass."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gmm._estimators.bayesian import BayesianGaussianMixture
from gmm._estimators.fitted import FittedMixture
from gmm._estimators.mixture import GaussianMixture
from gmm._exceptions import InvalidParameterError, raisable
from gmm._passes.trace import Trace
from gmm._plotting.legends import legend_of_labels
from gmm._plotting.scene import fitted_mixture
from gmm._plotting.style import FAINT, axes_of, colours, inks_of
from gmm._public import publish
from gmm._selection import GaussianMixtureSearch
from gmm._text.amounts import counted

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
        converged, an open dot one that did not. The title says why the best one ended. Crosses mark rejected steps.

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
    with axes_of(ax) as target:
        for number, trace in enumerate(others):
            label = f"other starts ({len(others)})" if number == 0 else None
            target.plot(
                *_passes(trace), color=FAINT, lw=1, alpha=max(0.3, 0.9 - 0.03 * len(others)), label=label, zorder=2
            )
            _mark_end(target, trace, FAINT, 3.5)
        _draw_best(target, best, f"start {best.start + 1}, {_rank(best, others)}" if others else None)
        target.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        target.ticklabel_format(axis="y", useOffset=False)  # an offset such as 1e−6−6.84487 is hard to read
        longest = max(map(len, (best, *others)))
        target.set_xlim(1 - 0.02 * longest, longest + 0.03 * longest)
        target.set(xlabel="pass", ylabel=_objective(fitted, [best, *others]))
        target.set_title(_summary(best))
        legend_of_labels(target, own=ax is None)
    return target


def _histories(model: FittedMixture) -> tuple[Trace, list[Trace]]:
    """Return the trace of the best start, and those of the others."""
    if not hasattr(model, "histories_"):
        raise raisable(InvalidParameterError)(
            f"expected a mixture fitted by `fit`, with histories_ to draw; this {type(model).__name__} has none, "
            "because its parameters were given or set by hand: call fit(X) first"
        )
    if len(model.history_) == 0:
        raise raisable(InvalidParameterError)(
            "expected a fit with at least one pass to draw; this one made none: fit it with max_iter of 1 or more"
        )
    return model.history_, [trace for trace in model.histories_ if trace is not model.history_]


def _objective(model: FittedMixture, traces: list[Trace]) -> str:
    """Name the objective. That of an accelerated fit includes the ridge, which matters for small variances."""
    if isinstance(model, BayesianGaussianMixture):
        return "lower bound of the log evidence (nats)"
    what = "log-likelihood" if getattr(model, "prior", None) is None else "log-likelihood and prior"
    difference = max(abs(record.objective - record.lower_bound) for trace in traces for record in trace.passes)
    if difference > _resolution(traces):
        return f"objective (nats per row):\n{what} minus the ridge penalty"
    return f"mean {what} (nats per row)"


def _rank(best: Trace, others: list[Trace]) -> str:
    """Describe how the best start ended among all; invisible differences count as ties."""
    as_high = best.objective[-1] - _resolution([best, *others])
    n_ties = sum(trace.objective[-1] >= as_high for trace in others)
    return f"tied with {counted(n_ties, 'other')}" if n_ties else "the best"


def _resolution(traces: list[Trace]) -> float:
    """Return the least difference, in nats per row, that is visible in the plot and not rounding."""
    values = [value for trace in traces for value in trace.objective]
    return max((max(values) - min(values)) / 1000, 1e-6 * max(map(abs, values)))


def _passes(trace: Trace) -> tuple[range, tuple[float, ...]]:
    return range(1, len(trace) + 1), trace.objective


def _draw_best(ax: Axes, trace: Trace, label: str | None) -> None:
    colour = colours(1)[0]
    dots = "o" if len(trace) <= _FEW_PASSES else None
    ax.plot(*_passes(trace), color=colour, lw=2, marker=dots, ms=3, label=label, zorder=3)
    passes = zip(*_passes(trace), trace.accepted, strict=True)
    rejected = [(number, value) for number, value, accepted in passes if not accepted]
    if rejected:
        ax.plot(*zip(*rejected, strict=True), "x", color=inks_of(ax).ink, ms=6, label="rejected step", zorder=4)
    _mark_end(ax, trace, colour, 8)


def _mark_end(ax: Axes, trace: Trace, colour: Any, size: float) -> None:
    face = colour if trace.converged else inks_of(ax).paper
    at = ([len(trace)], [trace.objective[-1]])
    ax.plot(*at, "o", ms=size, mfc=face, mec=colour, mew=1.2, clip_on=False, zorder=5)


def _summary(trace: Trace) -> str:
    ending = trace.ending[0].upper() + trace.ending[1:]
    tally = trace.refinement
    moves = [] if tally is None else [f"split–merge kept {len(tally.moves)} of {counted(tally.tried, 'move')}"]
    return "\n".join([ending, *moves, trace.reason])


publish("gmm.plotting", [plot_convergence])
