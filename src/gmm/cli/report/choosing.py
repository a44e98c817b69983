"""The section on the choice of the mixture: its criterion, its shape and its closest rivals."""

from __future__ import annotations

from collections.abc import Mapping

from gmm.cli.report import wording
from gmm.cli.report.figures import Picture
from gmm.cli.report.page import render
from gmm.cli.result import Result
from gmm.selection import Selection
from gmm.selection.grid import Grid, behind, certainty, distinct, failures, ranking, title, written
from gmm.text.html import Html, table
from gmm.values.covariance import covariance_model

__all__ = ["choice", "rivals"]

_TOP = 10
_RIVALS = 25  # at most this many cells are compared with the best


def choice(result: Result, pictures: Mapping[str, Picture]) -> Html:
    """Render the section: which mixture was chosen, by which criterion, and among which mixtures."""
    search, model = result.search, result.model
    shape = covariance_model(model.covariance_type)
    return render(
        "choice",
        criterion=title(search.criterion),
        score=written(search.criterion, search.scores[search.best_index]),
        model=model,
        covariances=wording.covariance_sentence(shape, model.n_components, len(result.rows.names)),
        compared=_compared(search) if len(search.status) > 1 else "",
        runner_up=wording.runner_up_sentence(search.criterion, rivals(result)),
        certainty=wording.search_certainty_sentence(list(certainty(search))),
        scale=wording.scale_sentence(search.criterion),
        picture=pictures.get("selection"),
        ranking=_ranking(search),
        grid=Grid.of(search),
        failures=list(failures(search)),
    )


def rivals(result: Result) -> list[tuple[int, str, float]]:
    """Return the next best cells, best first, as (n_components, covariance model, distance to the best)."""
    search = result.search
    return [
        (int(search.n_components[n]), search.covariance_type[n], behind(search, n))
        for n in distinct(search)[1 : 1 + _RIVALS]
    ]


def _compared(search: Selection) -> str:
    ranked = search.ranked()
    tried = sorted({int(K) for K in search.n_components[ranked]})
    types = {search.covariance_type[n] for n in ranked}
    return wording.compared_sentence(len(ranked), len(search.status), tried, len(types))


def _ranking(search: Selection) -> Html:
    """Tabulate the best cells, with the most important columns first for narrow screens."""
    mark, K, model, loglik, df, score, behind, *others = ranking(search, distinct(search)[:_TOP])
    columns = [mark, K, model, score, behind, loglik, df, *others]
    infinite = any("inf" in column for column in columns)
    _, _, *headings = (heading for heading, *_ in columns)
    rows = zip(*(["∞" if text == "inf" else text for text in texts] for _, *texts in columns), strict=True)
    caption = wording.ranking_caption(title(search.criterion), len(score) - 1, infinite=infinite)
    numeric = [1, *range(3, len(columns))]
    return table(["", "groups", *headings], list(rows), caption=caption, best=0, numeric=numeric)
