"""The section on the choice: how many groups, of what shape, and how close the others come."""

from __future__ import annotations

from collections.abc import Mapping

from gmm.cli.report import wording
from gmm.cli.report.figures import Picture
from gmm.cli.report.page import rendered
from gmm.cli.result import Result
from gmm.selection import Selection
from gmm.selection.grid import Grid, distinct, failures, ranking, title, written
from gmm.text.html import Html, table
from gmm.values.covariance import covariance_model

__all__ = ["choice", "rivals"]

_TOP = 10
_RIVALS = 25  # cells after the best, at most, that are compared with it


def choice(result: Result, pictures: Mapping[str, Picture]) -> Html:
    """Say which mixture was chosen, by which criterion, and from which mixtures."""
    found, model = result.found, result.model
    shape = covariance_model(model.covariance_type)
    return rendered(
        "choice",
        criterion=title(found.criterion),
        score=written(found.criterion, found.scores[found.best_index]),
        model=model,
        covariances=wording.covariance_sentence(shape, model.n_components, len(result.rows.names)),
        compared=_compared(found) if len(found.status) > 1 else "",
        runner_up=wording.runner_up_sentence(found.criterion, rivals(result)),
        scale=wording.scale_sentence(found.criterion),
        picture=pictures.get("selection"),
        ranking=_ranking(found),
        grid=Grid.of(found),
        failures=list(failures(found)),
    )


def rivals(result: Result) -> list[tuple[int, str, float]]:
    """The next best cells, the nearest first: components, covariance model, and distance to the best."""
    found = result.found
    best = found.scores[found.best_index]
    return [
        (int(found.n_components[n]), found.covariance_type[n], float(found.scores[n] - best))
        for n in distinct(found)[1 : 1 + _RIVALS]
    ]


def _compared(found: Selection) -> str:
    ranked = found.ranked()
    tried = sorted({int(K) for K in found.n_components[ranked]})
    types = {found.covariance_type[n] for n in ranked}
    return wording.compared_sentence(len(ranked), len(found.status), tried, len(types))


def _ranking(found: Selection) -> Html:
    """Tabulate the best cells; the columns that matter most come first, for narrow screens."""
    mark, K, model, loglik, df, score, behind, *others = ranking(found, distinct(found)[:_TOP])
    columns = [mark, K, model, score, behind, loglik, df, *others]
    infinite = any("inf" in column for column in columns)
    _, _, *headings = (heading for heading, *_ in columns)
    rows = zip(*(["∞" if text == "inf" else text for text in texts] for _, *texts in columns), strict=True)
    caption = wording.ranking_caption(title(found.criterion), len(score) - 1, infinite=infinite)
    numeric = [1, *range(3, len(columns))]
    return table(["", "groups", *headings], list(rows), caption=caption, best=0, numeric=numeric)
