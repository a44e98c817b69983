"""The section on the choice: how many groups, of what shape, and how close the others come."""

from __future__ import annotations

from collections.abc import Mapping

from gmm.cli.report import wording
from gmm.cli.report.page import paragraph
from gmm.cli.result import Result
from gmm.selection import Selection
from gmm.selection.grid import Grid, distinct, failures, ranking, title, written
from gmm.text.amounts import counted
from gmm.text.html import Html, details, table
from gmm.values.covariance import covariance_model

__all__ = ["choice", "rivals"]

_TOP = 10
_RIVALS = 25  # that are looked at for how close they come


def choice(result: Result, pictures: Mapping[str, Html]) -> Html:
    """Which mixture was chosen, by what, and among which.

    Parameters
    ----------
    result : Result
    pictures : mapping of str to Html

    Returns
    -------
    Html
    """
    found = result.found
    model, best = result.model, found.best_index
    name = title(found.criterion)
    shape = wording.covariance_sentence(
        covariance_model(model.covariance_type), model.n_components, len(result.rows.names)
    )
    told = paragraph(
        _compared(found) if len(found.status) > 1 else "",
        f"The smallest {name}, {written(found.criterion, found.scores[best])}, is that of "
        f"{counted(model.n_components, 'group')} with {model.covariance_type}: {shape}.",
        wording.runner_up_sentence(found.criterion, rivals(result)),
    )  # fmt: skip
    if len(found.status) == 1:
        return Html(told + paragraph(f"No other was tried, so {name} chose nothing."))
    return Html(
        told
        + paragraph(wording.scale_sentence(found.criterion))
        + pictures.get("selection", "")
        + _ranking(result)
        + details(f"{name} of every mixture", _grid(result), open=True)
    )


def rivals(result: Result) -> list[tuple[int, str, float]]:
    """The next best cells that differ: components, covariance model, and how far behind.

    Parameters
    ----------
    result : Result

    Returns
    -------
    list of (int, str, float)
        The nearest first.
    """
    found = result.found
    best = found.scores[found.best_index]
    return [
        (int(found.n_components[n]), found.covariance_type[n], float(found.scores[n] - best))
        for n in distinct(found)[1 : 1 + _RIVALS]
    ]


def _compared(found: Selection) -> str:
    """How many mixtures there was a choice of: those that failed or were not tried are no choice."""
    ranked, asked = found.ranked(), len(found.status)
    tried = sorted({int(K) for K in found.n_components[ranked]})
    types = {found.covariance_type[n] for n in ranked}
    were = "was" if len(ranked) == 1 else "were"
    many = counted(asked, "mixture") if len(ranked) == asked else f"{len(ranked):,} of {counted(asked, 'mixture')}"
    return f"{many} {were} compared, {wording.range_named(tried)} with {counted(len(types), 'covariance model')}."


def _ranking(result: Result) -> Html:
    listed = ranking(result.found, distinct(result.found)[:_TOP])
    mark, K, model, loglik, df, score, behind, *others = listed
    ordered = [mark, K, model, score, behind, loglik, df, *others]  # a telephone shows the first five
    columns = [["∞" if text == "inf" else text for text in column] for column in ordered]
    headings, *rows = zip(*columns, strict=True)
    best = title(result.found.criterion)
    many = f"{wording.number(len(rows))} " if len(rows) > 1 else ""
    caption = (
        f"The {many}best by {best} (loglik: log-likelihood in nats; df: free parameters; Δ: behind "
        "the best). Smaller is better, but for the log-likelihood."
    )
    if columns != ordered:
        caption += " AICc is infinite (∞) where there are as many parameters as rows, or nearly."
    return table(["", "groups", *headings[2:]], rows, caption=caption, best=0, numeric=[1, *range(3, len(headings))])


def _grid(result: Result) -> Html:
    grid = Grid.of(result.found)
    return Html(
        grid.html()
        + paragraph(" · ".join(grid.legend), kind="beneath")
        + "".join(map(paragraph, failures(result.found)))
    )
