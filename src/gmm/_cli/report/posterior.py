"""What a report tells of a variational fit: which components are left, and how certain their numbers are."""

from __future__ import annotations

import numpy as np

from gmm._cli.describe import MixtureFacts, ending
from gmm._cli.report import wording
from gmm._cli.report.columns import COLUMNS_SHOWN
from gmm._cli.report.narrative import Narrative
from gmm._cli.report.page import Section, render
from gmm._cli.result import Posterior
from gmm._text.amounts import with_minus
from gmm._text.html import Html, table
from gmm._values.covariance import covariance_model

__all__ = ["posterior_narrative"]

_LEVEL = 0.95


def posterior_narrative(result: Posterior) -> Narrative:
    """Tell of the components that are left, their intervals and the bound."""
    model, rows, n = result.model, result.rows, len(result.shown)
    bound = with_minus(f"{model.lower_bound_:.2f}")
    warnings = [] if model.converged_ else [f"The fit had {ending(model)}."]
    if n == model.n_components > 1:
        warnings.append("No component is empty; more may be better (--max-components).")
    return Narrative(
        summary=wording.summary_sentence(n, range(2), rows.n_rows, rows.names),
        remark="",
        warnings=warnings,
        section=Section("posterior", "What is left, and how certain it is", _section(result)),
        subject="The fit",
        reached=f"Its lower bound of the log evidence is {bound} nats. The fit took {result.seconds:.2g} s.",
        terms=render("terms_posterior"),
    )


def _section(result: Posterior) -> Html:
    model, shown = result.model, result.shown
    counts = np.asarray(model.counts_, dtype=np.float64)
    empty = np.delete(counts, shown)
    return render(
        "posterior",
        left=wording.empty_sentence(model.n_components, len(empty), float(empty.sum()), result.units),
        covariances=wording.covariance_sentence(
            covariance_model(model.covariance_type), len(shown), len(result.rows.names)
        ),
        several=len(shown) > 1,
        level=f"{100 * _LEVEL:g} %",
        table=_intervals(result, counts),
        n_columns_hidden=len(result.rows.names) - COLUMNS_SHOWN,
    )


def _intervals(result: Posterior, counts: np.ndarray) -> Html:
    """Tabulate expected rows, and weights and means with their credible intervals: a column per group."""
    model, shown = result.model, result.shown
    names, intervals = MixtureFacts.of(model).names, model.credible_intervals(_LEVEL)
    body: list[list[object]] = [
        [f"expected {result.units}", *(f"{counts[k]:,.1f}" for k in shown)],
        ["weight", *(_with_interval(model.weights_[k], *intervals.weights[k]) for k in shown)],
    ]
    for j, name in enumerate(names[:COLUMNS_SHOWN]):
        body.append([name, *(_with_interval(model.means_[k, j], *intervals.means[k, j]) for k in shown)])
    caption = f"Weights and means, with their {100 * _LEVEL:g} % credible intervals."
    return table(["", *(f"group {k}" for k in shown)], body, caption=caption)


def _with_interval(value: float, low: float, high: float) -> str:
    width = 5 * (high - low)  # of which the interval shows two digits or so
    mean, least, most = (wording.format_value(float(number), width) for number in (value, low, high))
    return f"{mean} ({least} to {most})"
