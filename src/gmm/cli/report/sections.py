"""The sections of a report: each from a result to HTML."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gmm.amounts import counted, percent
from gmm.cli.describe import MixtureFacts, ended
from gmm.cli.report import wording
from gmm.cli.report.choosing import rivals
from gmm.cli.report.columns import Columns
from gmm.cli.report.figures import colours
from gmm.cli.report.origin import Origin
from gmm.cli.report.page import beside, card, cards, code, facts, items, paragraph
from gmm.cli.result import Result
from gmm.markup import Cell, Html, details, joined, table
from gmm.selection.grid import at_the_edge, incomplete, title, written
from gmm.selection.status import NOT_CONVERGED, is_spike

__all__ = ["agreement", "certainty", "data", "fitting", "groups", "opening", "reproduction"]

_LIMIT = 0.9  # a row that belongs to its group with less is called uncertain
_MOST_UNCERTAIN = 10
_VALUES_SHOWN = 4
_COLUMNS_SHOWN = 60
_LABELS_SHOWN = 50


def opening(result: Result) -> Html:
    """What was found, in two sentences and a row of numbers.

    Parameters
    ----------
    result : Result

    Returns
    -------
    Html
    """
    model, found, rows = result.model, result.found, result.rows
    n, d = rows.values.shape
    K, best = model.n_components, found.best_index
    numbers: list[tuple[object, object]] = [
        ("rows", f"{n:,}"),
        ("columns" if d > 1 else "column", d),
        ("groups" if K > 1 else "group", K),
        ("covariance model", model.covariance_type),
        (title(found.criterion), written(found.criterion, found.scores[best])),
    ]
    if K > 1:
        numbers.append(("uncertain rows", f"{_uncertain(result):,}"))
    if rows.weights is not None:
        numbers.insert(1, ("total weight", f"{result.total_weight:,.6g}"))
    told = paragraph(
        wording.found_sentence(K, result.options.components, n, rows.names),
        wording.trust_sentence(_uncertain(result), n, _LIMIT) if K > 1 else "",
        wording.rival_sentence(found.criterion, K, rivals(result)),
        kind="lead",
    )
    warned = _warnings(result)
    return joined(told, facts(numbers, "facts"), items(warned, "told") if warned else "")


def groups(result: Result) -> Html:
    """Each group in sentences, and all of them in a table.

    Parameters
    ----------
    result : Result

    Returns
    -------
    Html
    """
    described = MixtureFacts.of(result.model)
    whole = Columns(result.rows.values, result.rows.weights)
    if result.model.n_components == 1:
        pair = described.strongest[0]
        told = wording.together_sentence(described.names, pair, "Over all rows")
        return joined(paragraph(told), _table_of_groups(result, described, whole))
    each = cards([_card(result, described, whole, k) for k in range(len(described.spreads))])
    told = paragraph("Each group beside the whole: what its means are, against those of all rows.")
    return joined(told, each, _table_of_groups(result, described, whole))


def certainty(result: Result, pictures: Mapping[str, Html]) -> Html:
    """How many rows belong to no group for certain, and which do so the least.

    Parameters
    ----------
    result : Result
    pictures : mapping of str to Html

    Returns
    -------
    Html
    """
    told = paragraph(wording.certainty_sentence(_uncertain(result), len(result.labels), _LIMIT))
    drawn = beside(*(pictures[name] for name in ("boundaries", "uncertainty") if name in pictures))
    return joined(told, drawn, _table_of_uncertain(result))


def agreement(result: Result) -> Html:
    """The given labels against the groups.

    Parameters
    ----------
    result : Result
        Of rows that have labels.

    Returns
    -------
    Html
    """
    found = result.agreement
    assert found is not None  # the caller has looked
    largest = max(1, int(found.counts.max(initial=0)))
    body = [
        [label, *(Cell(str(count) if count else "·", shade=count / largest) for count in counts)]
        for label, counts in zip(found.labels[:_LABELS_SHOWN], found.counts, strict=False)
    ]
    name = result.options.label_column
    headings = [name, *(f"group {k}" for k in range(result.model.n_components))]
    hidden = len(found.labels) - _LABELS_SHOWN
    were = "was" if found.n_unlabelled == 1 else "were"
    return Html(
        paragraph(
            wording.agreement_sentence(found.adjusted_rand_index),
            f"{counted(found.n_unlabelled, 'row')} without a label {were} left out." if found.n_unlabelled else "",
            "The labels were not used in the fit.",
        )
        + table(headings, body, caption="Rows by label and group.")
        + paragraph(f"… and {counted(hidden, 'more label')}." if hidden > 0 else "")
    )


def data(result: Result, origin: Origin) -> Html:
    """What was read: columns in numbers, and what was left out.

    Parameters
    ----------
    result : Result
    origin : Origin

    Returns
    -------
    Html
    """
    rows, names = result.rows, result.rows.names
    n, d = rows.values.shape
    shown = Columns(rows.values[:, :_COLUMNS_SHOWN], rows.weights)
    headings = ["column", "smallest", "lower quartile", "median", "upper quartile", "largest", "mean", "sd"]
    body = [
        [name, *(wording.measured(float(q), shown.spreads[j]) for q in (*shown.quantiles[:, j], shown.means[j],
                                                                     shown.spreads[j]))]
        for j, name in enumerate(names[:_COLUMNS_SHOWN])
    ]  # fmt: skip
    weighted = "" if rows.weights is None else (
        f"Rows are weighted by {result.options.weight_column}: together they weigh {result.total_weight:,.6g}, and "
        "quartiles, means and standard deviations (sd) count them so."
    )  # fmt: skip
    told = paragraph(f"{origin.file}: {counted(n, 'row')} of {counted(d, 'column')} were fitted.", weighted)
    listed = table(headings, body, caption="The columns that were fitted (sd: standard deviation).")
    return joined(told, items(result.notes, "told") if result.notes else "", listed, _hidden(d))


def fitting(result: Result, pictures: Mapping[str, Html]) -> Html:
    """How the fit of the chosen mixture went.

    Parameters
    ----------
    result : Result
    pictures : mapping of str to Html

    Returns
    -------
    Html
    """
    model, options = result.model, result.options
    loglik = result.found.loglik[result.found.best_index]
    per = result.unit
    told = paragraph(
        f"The chosen mixture {'' if model.converged_ else 'had '}{ended(model)} ({model.history_.reason}).",
        f"Its log-likelihood is {loglik:,.2f} nats, {loglik / result.total_weight:.4f} per {per}, "
        f"with {counted(int(model.n_parameters_), 'free parameter')}.",
        f"The search took {result.seconds:.2g} s.",
    )
    settings: list[tuple[object, object]] = [
        ("stops below a gain of", f"{options.tol:g} nats per {per}"),
        ("passes at most", f"{options.max_iter:,}"),
        ("starts per number of groups", options.n_init),
        ("added to variances", f"{options.reg_covar:g}"),
        ("prior", options.prior or "none"),
        ("refinement", options.refine or "of the best cells"),
    ]
    return joined(told, pictures.get("convergence", ""), details("Settings of the fit", facts(settings, "keys")))


def reproduction(result: Result, origin: Origin) -> Html:
    """What it takes to make the result again.

    Parameters
    ----------
    result : Result
    origin : Origin

    Returns
    -------
    Html
    """
    size = "not known" if origin.size is None else f"{origin.size:,} bytes"
    digest = "not known, it came through a pipe" if origin.sha256 is None else Html(f"<code>{origin.sha256}</code>")
    pairs: list[tuple[object, object]] = [
        ("data", origin.file),
        ("size", size),
        ("SHA-256", digest),
        ("seed", result.options.seed),
        ("versions", ", ".join(f"{name} {version}" for name, version in origin.versions.items())),
        ("machine", origin.machine),
        ("made", origin.when),
    ]
    return Html(
        paragraph(
            "The same command on the same file gives the same numbers, whatever the number of threads"
            + (", unless time is up at another place." if result.options.time_limit is not None else ".")
        )
        + code(origin.command)
        + facts(pairs, "keys")
    )


def _uncertain(result: Result) -> int:
    return int((result.certainty < _LIMIT).sum())


def _warnings(result: Result) -> list[str]:
    """What a reader must know before believing anything."""
    found, best = result.found, result.found.best_index
    status, told = found.status[best], [result.doubt] if result.doubt else []
    if not found.complete:
        told.append(f"The search is {incomplete(found)}.")
    if status == NOT_CONVERGED:
        told.append(f"The chosen mixture had {ended(result.model)}.")
    if is_spike(status):
        told.append(f"In every fit a component collapsed on few rows or ties ({status}): the criterion means nothing.")
    if at_the_edge(found):
        told.append("The best has the most groups that were tried: more may be better (--components).")
    return [*told, *result.warnings]


def _card(result: Result, described: MixtureFacts, whole: Columns, k: int) -> Html:
    model = result.model
    means = np.asarray(model.means_[k], dtype=np.float64)
    sentences = wording.component_sentences(
        described.names, means, described.spreads[k], (whole.means, whole.spreads), described.strongest[k]
    )
    share = f"{wording.share(model.weights_[k])} · {counted(result.counts[k], 'row')}"
    return card(f"Group {k}", share, joined(*map(paragraph, sentences)), colours(model.n_components)[k])


def _table_of_groups(result: Result, described: MixtureFacts, whole: Columns) -> Html:
    """A row for each data column, a column for each group, and all rows beside."""
    model = result.model
    K, d = described.spreads.shape
    n = len(result.rows.values)
    body: list[list[object]] = [
        ["weight", *(f"{weight:.4f}" for weight in model.weights_), "1"],
        ["rows", *(f"{count:,}" for count in result.counts), f"{n:,}"],
    ]
    for j, name in enumerate(described.names[:_COLUMNS_SHOWN]):
        usual, centre = whole.spreads[j], whole.means[j]
        entries = [
            Cell(
                f"{wording.measured(mean, usual)} ± {wording.measured(spread, usual)}",
                shade=abs(mean - centre) / usual / 2 if usual > 0 and K > 1 else 0,
            )
            for mean, spread in zip(model.means_[:, j], described.spreads[:, j], strict=True)
        ]
        body.append([name, *entries, f"{wording.measured(centre, usual)} ± {wording.measured(usual, usual)}"])
    caption = "Mean ± standard deviation of each column" + (
        " in each group; the deeper the shade, the further the mean is from that of all rows." if K > 1 else "."
    )
    return Html(table(["", *(f"group {k}" for k in range(K)), "all rows"], body, caption=caption) + _hidden(d))


def _table_of_uncertain(result: Result) -> Html:
    rows, names = result.rows, result.rows.names
    order = np.argsort(result.certainty, kind="stable")[:_MOST_UNCERTAIN]
    chosen = order[result.certainty[order] < _LIMIT]
    if len(chosen) == 0:
        return Html()
    proba = result.model.predict_proba(rows.part(chosen))
    body = []
    for i, each in zip(chosen, proba, strict=True):
        first, second = np.argsort(-each, kind="stable")[:2]
        values = [f"{value:.6g}" for value in rows.values[i, :_VALUES_SHOWN]]
        body.append([f"{rows.numbers[i]}", first, percent(each[first], 1), second, percent(each[second], 1), *values])
    headings = ["row", "group", "probability", "next group", "probability", *names[:_VALUES_SHOWN]]
    rows_told = "row, by its" if len(body) == 1 else "rows, by their"
    many = "" if len(body) == 1 else f"{wording.number(len(body))} "
    caption = f"The {many}least certain {rows_told} number in the file, without its header."
    return table(headings, body, caption=caption, numeric=range(len(headings)))


def _hidden(d: int) -> Html:
    return paragraph(f"… and {counted(d - _COLUMNS_SHOWN, 'more column')}." if d > _COLUMNS_SHOWN else "")
