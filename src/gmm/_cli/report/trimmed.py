"""What a report tells of a trimmed fit: how many rows it left out, and what it reached on the others."""

from __future__ import annotations

from gmm._cli.describe import ending
from gmm._cli.report import wording
from gmm._cli.report.narrative import Narrative
from gmm._cli.report.page import Section, render
from gmm._cli.trimmed import Trimmed
from gmm._text.amounts import percent, with_minus
from gmm._values.covariance import covariance_model

__all__ = ["trimmed_narrative"]


def trimmed_narrative(result: Trimmed) -> Narrative:
    """Tell of the rows that were left out, and of the likelihood of the others."""
    model, rows, n = result.model, result.rows, result.model.n_components
    figures = "" if result.figures is None else f"Of the rows that are left, {with_minus(result.figures.line)}. "
    section = render(
        "trimmed",
        share=percent(model.trim),
        units=result.units,
        several=n > 1,
        covariances=wording.covariance_sentence(
            covariance_model(model.covariance_type, len(rows.names)), n, len(rows.names)
        ),
    )
    return Narrative(
        summary=wording.summary_sentence(n, [n], rows.n_rows - result.n_outside, rows.names),
        remark="",
        warnings=[*([] if model.converged_ else [f"The fit had {ending(model)}."]), *result.doubts],
        section=Section("choice", "The rows left out", section),
        subject="The fit",
        reached=f"{figures}The fit took {result.seconds:.2g} s.",
        terms=render("terms_trimmed"),
    )
