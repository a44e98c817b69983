"""The sections of a report: each computes its values and fills its template with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gmm.cli.describe import MixtureFacts, ended
from gmm.cli.report import wording
from gmm.cli.report.choosing import rivals
from gmm.cli.report.columns import Columns
from gmm.cli.report.figures import Picture, colours
from gmm.cli.report.origin import Origin
from gmm.cli.report.page import css_colour, rendered
from gmm.cli.result import Result
from gmm.selection.grid import at_the_edge, incomplete, title, written
from gmm.selection.status import NOT_CONVERGED, is_degenerate
from gmm.text.amounts import percent
from gmm.text.html import Cell, Html, table

__all__ = ["agreement", "certainty", "data", "fitting", "groups", "opening", "reproduction"]

_LIMIT = 0.9  # rows whose most probable group is less probable than this are called uncertain
_MOST_UNCERTAIN = 10
_VALUES_SHOWN = 4
_COLUMNS_SHOWN = 60
_LABELS_SHOWN = 50


def opening(result: Result) -> Html:
    """Sum up what was found: two or three sentences, a row of numbers, warnings."""
    model, found, rows = result.model, result.found, result.rows
    n, d = rows.values.shape
    K = model.n_components
    numbers = {"rows": f"{n:,}"}
    if rows.weights is not None:
        numbers["total weight"] = f"{result.total_weight:,.6g}"
    numbers["columns" if d > 1 else "column"] = str(d)
    numbers["groups" if K > 1 else "group"] = str(K)
    numbers["covariance model"] = model.covariance_type
    numbers[title(found.criterion)] = written(found.criterion, found.scores[found.best_index])
    if K > 1:
        numbers["uncertain rows"] = f"{_uncertain(result):,}"
    sentences = [
        wording.found_sentence(K, result.options.components, n, rows.names),
        wording.trust_sentence(_uncertain(result), n, _LIMIT) if K > 1 else "",
        wording.rival_sentence(found.criterion, K, rivals(result)),
    ]
    return rendered("opening", sentences=sentences, numbers=numbers, warnings=_warnings(result))


def groups(result: Result) -> Html:
    """Describe each group in sentences, and all of them in a table."""
    described = MixtureFacts.of(result.model)
    whole = Columns(result.rows.values, result.rows.weights)
    several = result.model.n_components > 1
    return rendered(
        "groups",
        groups=_cards(result, described, whole) if several else [],
        correlation=wording.together_sentence(described.names, described.strongest[0], "Over all rows"),
        table=_table_of_groups(result, described, whole),
        n_columns_hidden=len(described.names) - _COLUMNS_SHOWN,
    )


def certainty(result: Result, pictures: Mapping[str, Picture]) -> Html:
    """Say how many rows belong to no group for certain, and list the least certain."""
    return rendered(
        "certainty",
        sentence=wording.certainty_sentence(_uncertain(result), len(result.labels), _LIMIT),
        pictures=[pictures[name] for name in ("boundaries", "uncertainty") if name in pictures],
        table=_table_of_uncertain(result),
    )


def agreement(result: Result) -> Html:
    """Compare the groups with the labels that were given."""
    found = result.agreement
    assert found is not None  # the section is for rows with labels
    largest = max(1, int(found.counts.max(initial=0)))
    body = [
        [label, *(Cell(str(count) if count else "·", shade=count / largest) for count in counts)]
        for label, counts in zip(found.labels[:_LABELS_SHOWN], found.counts, strict=False)
    ]
    headings = [result.options.label_column, *(f"group {k}" for k in range(result.model.n_components))]
    return rendered(
        "labels",
        sentence=wording.agreement_sentence(found.adjusted_rand_index),
        n_unlabelled=found.n_unlabelled,
        table=table(headings, body, caption="Rows by label and group."),
        n_labels_hidden=len(found.labels) - _LABELS_SHOWN,
    )


def data(result: Result, origin: Origin) -> Html:
    """Summarise the columns that were fitted, and say what was left out."""
    rows = result.rows
    shown = Columns(rows.values[:, :_COLUMNS_SHOWN], rows.weights)
    headings = ["column", "smallest", "lower quartile", "median", "upper quartile", "largest", "mean", "sd"]
    numbers = np.vstack([shown.quantiles, shown.means, shown.spreads]).T
    body = [
        [name, *(wording.measured(float(value), spread) for value in values)]
        for name, values, spread in zip(rows.names[:_COLUMNS_SHOWN], numbers, shown.spreads, strict=False)
    ]
    return rendered(
        "data",
        file=origin.file,
        rows=rows,
        weight_column=result.options.weight_column,
        total_weight=f"{result.total_weight:,.6g}",
        notes=result.notes,
        table=table(headings, body, caption="The fitted columns (sd: standard deviation)."),
        n_columns_hidden=len(rows.names) - _COLUMNS_SHOWN,
    )


def fitting(result: Result, pictures: Mapping[str, Picture]) -> Html:
    """Say how the fit of the chosen mixture went, and with which settings."""
    loglik = result.found.loglik[result.found.best_index]
    return rendered(
        "fit",
        model=result.model,
        ended=ended(result.model),
        loglik=f"{loglik:,.2f}",
        loglik_per_unit=f"{loglik / result.total_weight:.4f}",
        unit=result.unit,
        seconds=f"{result.seconds:.2g}",
        picture=pictures.get("convergence"),
        options=result.options,
    )


def reproduction(result: Result, origin: Origin) -> Html:
    """Give what is needed to reproduce the result."""
    return rendered("reproduction", origin=origin, options=result.options)


def _uncertain(result: Result) -> int:
    return int((result.certainty < _LIMIT).sum())


def _warnings(result: Result) -> list[str]:
    """What a reader must know before trusting the result."""
    found = result.found
    status = found.status[found.best_index]
    warnings = [result.doubt] if result.doubt else []
    if not found.complete:
        warnings.append(f"The search is {incomplete(found)}.")
    if status == NOT_CONVERGED:
        warnings.append(f"The chosen mixture had {ended(result.model)}.")
    if is_degenerate(status):
        warnings.append(
            f"In every fit a component collapsed onto a few rows or ties ({status}); do not rely on the criterion."
        )
    if at_the_edge(found):
        warnings.append("The best mixture has the largest number of groups tried; more may be better (--components).")
    return [*warnings, *result.warnings]


def _cards(result: Result, described: MixtureFacts, whole: Columns) -> list[dict[str, object]]:
    """The values of each group's card."""
    model = result.model
    return [
        {
            "colour": css_colour(colour),
            "share": wording.share(weight),
            "n_rows": count,
            "sentences": wording.component_sentences(
                described.names, means, spreads, (whole.means, whole.spreads), strongest
            ),
        }
        for colour, weight, count, means, spreads, strongest in zip(
            colours(model.n_components),
            model.weights_,
            result.counts,
            np.asarray(model.means_, dtype=np.float64),
            described.spreads,
            described.strongest,
            strict=True,
        )
    ]


def _table_of_groups(result: Result, described: MixtureFacts, whole: Columns) -> Html:
    """Tabulate means and standard deviations: a row per column of the data, a column per group, one for all rows."""
    model = result.model
    K = model.n_components
    body: list[list[object]] = [
        ["weight", *(f"{weight:.4f}" for weight in model.weights_), "1"],
        ["rows", *(f"{count:,}" for count in result.counts), f"{len(result.rows.values):,}"],
    ]
    for j, name in enumerate(described.names[:_COLUMNS_SHOWN]):
        centre, usual = whole.means[j], whole.spreads[j]
        means = model.means_[:, j]
        shades = np.abs(means - centre) / usual / 2 if usual > 0 and K > 1 else np.zeros(K)
        cells = [
            Cell(_mean_and_spread(mean, spread, usual), shade=shade)
            for mean, spread, shade in zip(means, described.spreads[:, j], shades, strict=True)
        ]
        body.append([name, *cells, _mean_and_spread(centre, usual, usual)])
    caption = "Mean ± standard deviation of each column" + (
        " in each group; the deeper the shade, the further the mean is from that of all rows." if K > 1 else "."
    )
    return table(["", *(f"group {k}" for k in range(K)), "all rows"], body, caption=caption)


def _mean_and_spread(mean: float, spread: float, usual: float) -> str:
    return f"{wording.measured(mean, usual)} ± {wording.measured(spread, usual)}"


def _table_of_uncertain(result: Result) -> Html:
    """List the least certain rows; empty where every row is certain."""
    rows, names = result.rows, result.rows.names
    order = np.argsort(result.certainty, kind="stable")[:_MOST_UNCERTAIN]
    chosen = order[result.certainty[order] < _LIMIT]
    if len(chosen) == 0:
        return Html()
    body = []
    for i, probabilities in zip(chosen, result.model.predict_proba(rows.part(chosen)), strict=True):
        values = [f"{value:.6g}" for value in rows.values[i, :_VALUES_SHOWN]]
        body.append([rows.numbers[i], *_two_most_probable(probabilities), *values])
    headings = ["row", "group", "probability", "next group", "probability", *names[:_VALUES_SHOWN]]
    return table(headings, body, caption=wording.uncertain_caption(len(body)), numeric=range(len(headings)))


def _two_most_probable(probabilities: NDArray[np.floating]) -> Sequence[object]:
    first, second = np.argsort(-probabilities, kind="stable")[:2]
    return first, percent(probabilities[first], 1), second, percent(probabilities[second], 1)
