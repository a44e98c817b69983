"""The section on the choice of the mixture: its criterion, its shape and its closest rivals."""

from __future__ import annotations

from collections.abc import Mapping

from gmm._cli.failures import in_options
from gmm._cli.report import wording
from gmm._cli.report.figures import Picture
from gmm._cli.report.narrative import Narrative
from gmm._cli.report.page import Section, render
from gmm._cli.result import Result
from gmm._estimators.criteria import title
from gmm._estimators.fitted import fitted_parameters
from gmm._selection import Selection
from gmm._selection.grid import (
    Grid,
    advice,
    behind,
    certainty,
    distinct,
    failures,
    incomplete,
    ranking,
    text_of,
)
from gmm._selection.status import is_eligible
from gmm._text.amounts import counted, with_minus
from gmm._text.html import Cell, Html, table
from gmm._values.covariance import covariance_model

__all__ = ["search_narrative"]

_TOP = 10
_RIVALS = 25  # at most this many cells are compared with the best


def search_narrative(result: Result, pictures: Mapping[str, Picture]) -> Narrative:
    """Tell of the search: the criterion, the mixtures that were compared and the rivals of the chosen one."""
    search, K = result.search, result.model.n_components
    loglik = search.loglik[search.best_index]
    per_unit = with_minus(f"{loglik / result.total_weight:.4f}")
    return Narrative(
        summary=wording.summary_sentence(K, result.options.components, result.rows.n_rows, result.rows.names),
        remark=wording.rival_sentence(search.criterion, K, _rivals(result)),
        warnings=_warnings(result),
        section=Section("choice", "Why this mixture", _choice(result, pictures)),
        subject="The chosen mixture",
        reached=f"Its log-likelihood is {with_minus(f'{loglik:.2f}')} nats, {per_unit} per {result.unit}, with "
        f"{counted(result.n_parameters, 'free parameter')}. The search took {result.seconds:.2g} s.",
        terms=render("terms_search", weighted=result.rows.weights is not None),
    )


def _choice(result: Result, pictures: Mapping[str, Picture]) -> Html:
    """Render the section: which mixture was chosen, by which criterion, and among which mixtures."""
    search, model = result.search, result.model
    shape = covariance_model(search.covariance_type[search.best_index])
    return render(
        "choice",
        criterion=title(search.criterion),
        score=text_of(search.criterion, search.scores[search.best_index]),
        K=model.n_components,
        searched=result.searched,
        covariances=wording.covariance_sentence(shape, model.n_components, len(result.rows.names)),
        tails=wording.tails_sentence(fitted_parameters(model).tails),
        compared=_compared(search) if len(search.status) > 1 else "",
        runner_up=wording.runner_up_sentence(search.criterion, _rivals(result)),
        certainty=list(certainty(search)),
        scale=wording.SCALES[search.criterion],
        picture=pictures.get("selection"),
        ranking=_ranking(search),
        grid=Grid.of(search, word="group"),
        failures=list(failures(search)),
    )


def _rivals(result: Result) -> list[tuple[int, str, float]]:
    """Return the next best cells, best first, as (n_components, covariance model, distance to the best)."""
    search = result.search
    return [
        (int(search.n_components[n]), search.kinds[n], behind(search, n)) for n in distinct(search)[1 : 1 + _RIVALS]
    ]


def _warnings(result: Result) -> list[str]:
    search = result.search
    status = search.status[search.best_index]
    warnings = []
    if not search.complete:
        warnings.append(f"The search is {incomplete(search)}.")
    if not is_eligible(status, search.criterion):
        warnings.append("Do not use its criteria: a component lies on a few rows or on ties.")
    warnings += [f"{text[0].upper()}{text[1:]}." for text in map(in_options, advice(search, "group"))]
    return warnings


def _compared(search: Selection) -> str:
    ranked = search.ranked()
    tried = sorted({int(K) for K in search.n_components[ranked]})
    types = {search.kinds[n] for n in ranked}
    return wording.compared_sentence(len(ranked), len(search.status), tried, len(types))


def _ranking(search: Selection) -> Html:
    """Tabulate the best cells, with the most important columns first for narrow screens."""
    mark, K, model, loglik, df, score, distances, *others = ranking(search, distinct(search)[:_TOP])
    columns = [mark, K, model, score, distances, loglik, df, *others]
    infinite = any("inf" in column for column in columns)
    _, _, *headings = (heading for heading, *_ in columns)
    rows = zip(*(["∞" if text == "inf" else text for text in texts] for _, *texts in columns), strict=True)
    caption = wording.ranking_caption(title(search.criterion), infinite=infinite)
    numeric = [1, *range(3, len(columns))]
    marked = [[Cell(star, kind="mark"), *texts] for star, *texts in rows]
    return table(["", "groups", *headings], marked, caption=caption, best=0, numeric=numeric)
