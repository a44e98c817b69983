"""The sections of a report: each function computes its values and renders its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from gmm._cli.describe import MixtureFacts, clusters_sentence, ending
from gmm._cli.report import wording
from gmm._cli.report.columns import COLUMNS_SHOWN, Columns
from gmm._cli.report.figures import Picture, colours
from gmm._cli.report.narrative import Narrative
from gmm._cli.report.origin import Origin
from gmm._cli.report.page import css_colour, render
from gmm._cli.result import MixtureOutcome, Result
from gmm._estimators.fitted import fitted_parameters
from gmm._text.amounts import percent
from gmm._text.html import Cell, Html, table
from gmm._validation.column_notes import LONG_TAIL
from gmm._values.covariance import Factors

__all__ = ["agreement", "certainty", "data", "fitting", "groups", "opening", "reproduction"]

_LIMIT = 0.9  # a row is uncertain if its largest probability is below this
_MOST_UNCERTAIN = 10
_MOST_OUTSIDE = 10
_VALUES_SHOWN = 4
_LABELS_SHOWN = 50


def opening(result: MixtureOutcome, story: Narrative) -> Html:
    """Render the summary: two or three sentences, tiles in plain words, and warnings."""
    n, several = result.rows.n_rows, len(result.shown) > 1
    numbers = wording.headline_numbers(
        result.counts[result.shown],
        _uncertain(result),
        outside=result.outside,
        n_outside=result.n_outside,
        n_clusters=result.n_clusters,
    )
    separation = (
        wording.separation_sentence(*_of_groups(result)[:2], result.n_clusters)
        if several and result.n_outside < n
        else ""
    )
    sentences = [story.summary, separation, wording.outside_sentence(result.outside, result.n_outside, n), story.remark]
    long_tails = [f"{note[0].upper()}{note[1:]}." for note in result.rows.notes if LONG_TAIL in note]
    warnings = [*long_tails, *story.warnings, *result.warnings]
    return render("opening", sentences=sentences, numbers=numbers, warnings=warnings)


def groups(result: MixtureOutcome, pictures: Mapping[str, Picture]) -> Html:
    """Describe each group in sentences, and all groups in a table."""
    facts = MixtureFacts.of(result.model)
    several, strongest = len(result.shown) > 1, [facts.strongest_correlations[k] for k in result.shown]
    shared = wording.shared_sentence(facts.names, strongest) if several else ""
    return render(
        "groups",
        groups=_cards(result, facts, is_shared=bool(shared)) if several else [],
        shared=shared,
        overlap="" if result.combined is None else clusters_sentence(result.combined.clusters(), result.shown, "group"),
        picture=pictures.get("combined"),
        correlation="" if several else wording.correlation_sentence(facts.names, strongest[0], "Over all rows"),
        table=_table_of_groups(result, facts),
        outside=_table_of_rows_outside(result),
        n_columns_hidden=len(facts.names) - COLUMNS_SHOWN,
        loadings=Html() if facts.factors is None else _table_of_loadings(result, facts, facts.factors),
    )


def certainty(result: MixtureOutcome, pictures: Mapping[str, Picture]) -> Html:
    """Say how many rows are uncertain, and list the least certain ones."""
    return render(
        "certainty",
        sentence=wording.certainty_sentence(*_of_groups(result)),
        pictures=[pictures[name] for name in ("boundaries", "uncertainty") if name in pictures],
        table=_table_of_uncertain(result),
    )


def agreement(result: MixtureOutcome) -> Html:
    """Compare the groups with the label column."""
    labels = result.agreement
    assert labels is not None  # the section exists only if there are labels
    largest = max(1, int(labels.counts.max(initial=0)))
    outside = range(result.model.n_components, labels.counts.shape[1])
    columns = [*result.shown, *outside]
    body = [
        [label, *(Cell(str(count) if count else "·", shade=count / largest) for count in counts[columns])]
        for label, counts in zip(labels.labels[:_LABELS_SHOWN], labels.counts, strict=False)
    ]
    headings = [result.options.label_column, *(f"group {k}" for k in result.shown), *(result.outside for _ in outside)]
    return render(
        "labels",
        sentence=wording.agreement_sentence(labels.adjusted_rand_index),
        n_unlabelled=labels.n_unlabelled,
        table=table(headings, body, caption="Rows by label and group."),
        n_labels_hidden=len(labels.labels) - _LABELS_SHOWN,
    )


def data(result: MixtureOutcome) -> Html:
    """Summarise the fitted columns, and say what was left out."""
    rows = result.rows
    columns = Columns(rows.values[:, :COLUMNS_SHOWN], rows.weights)
    headings = ["column", "smallest", "lower quartile", "median", "upper quartile", "largest", "mean", "sd"]
    numbers = np.vstack([columns.quantiles, columns.means, columns.spreads]).T
    body = [
        [name, *(wording.format_value(float(value), spread) for value in values)]
        for name, values, spread in zip(rows.names[:COLUMNS_SHOWN], numbers, columns.spreads, strict=False)
    ]
    caption = "The fitted columns (sd: standard deviation)."
    if columns.n_missing.any():
        headings.append("missing")
        body = [[*line, f"{missing:,}"] for line, missing in zip(body, columns.n_missing, strict=True)]
        caption = "The values that are there in the fitted columns, and how many are missing (sd: standard deviation)."
    return render(
        "data",
        weight_column=result.options.weight_column,
        total_weight=f"{result.total_weight:,.6g}",
        notes=[note.partition("; use --")[0] for note in rows.notes if LONG_TAIL not in note],
        table=table(headings, body, caption=caption),
        n_columns_hidden=len(rows.names) - COLUMNS_SHOWN,
    )


def fitting(result: MixtureOutcome, story: Narrative, pictures: Mapping[str, Picture]) -> Html:
    """Say how the fit of the chosen mixture went, and give its settings."""
    settings = {name: value for name, value in result.model.get_params().items() if value is not None}
    if result.options.tol is None and isinstance(result, Result):
        del settings["tol"]  # a search chooses it by the rows, and the reason for the end says it
    return render(
        "fit",
        model=result.model,
        ending=ending(result.model),
        subject=story.subject,
        reached=story.reached,
        picture=pictures.get("convergence"),
        settings=settings,
    )


def reproduction(result: MixtureOutcome, origin: Origin) -> Html:
    """Give what is needed to reproduce the result."""
    return render("reproduction", origin=origin, options=result.options)


def _of_groups(result: MixtureOutcome) -> tuple[int, int, float, str]:
    """Return how many rows are uncertain, of how many that are in groups, below which limit, and which these are."""
    which = wording.INSIDE[result.outside] if result.n_outside else ""
    return _uncertain(result), len(result.labels) - result.n_outside, _LIMIT, which


def _uncertain(result: MixtureOutcome) -> int:
    return int((result.certainty[result.labels >= 0] < _LIMIT).sum())


def _cards(result: MixtureOutcome, facts: MixtureFacts, *, is_shared: bool) -> list[dict[str, object]]:
    """Return what the card of each group says, but for a correlation that is shared by all."""
    model, palette = result.model, colours(result.model.n_components)
    means = np.asarray(model.means_, dtype=np.float64)
    strongest = [None] * model.n_components if is_shared else facts.strongest_correlations
    return [
        {
            "number": k,
            "colour": css_colour(palette[k]),
            "share": wording.format_share(result.counts[k] / result.rows.n_rows),
            "n_rows": result.counts[k],
            "sentences": wording.component_sentences(facts.names, means[k], facts.overall, strongest[k]),
        }
        for k in result.shown
    ]


def _table_of_groups(result: MixtureOutcome, facts: MixtureFacts) -> Html:
    """Tabulate means and standard deviations: a row per column of the data, columns for groups, all groups, noise."""
    shown, noise, model = result.shown, result.n_outside if result.options.noise else None, result.model
    several, all_means = len(shown) > 1, np.asarray(model.means_)[shown]
    grouped = [float(sum(model.weights_)), float(model.noise_weight_ or 0)]
    summed = [several, noise is not None]  # columns beside those of the groups
    weights = [*model.weights_[shown], *compress(grouped, summed)]
    counts = [*result.counts[shown], *compress((result.counts.sum(), noise), summed)]
    body: list[list[object]] = [
        ["weight", *(f"{weight:.4f}" for weight in weights)],
        ["rows", *(f"{count:,}" for count in counts)],
    ]
    for j, name in enumerate(facts.names[:COLUMNS_SHOWN]):
        centre, scale = (float(values[j]) for values in facts.overall)
        means = all_means[:, j]
        shades = np.abs(means - centre) / scale / 2 if scale > 0 and several else np.zeros(len(shown))
        cells = [
            Cell(_mean_and_spread(mean, spread, scale), shade=shade)
            for mean, spread, shade in zip(means, facts.spreads[shown, j], shades, strict=True)
        ]
        body.append([name, *cells, *compress((_mean_and_spread(centre, scale, scale), ""), summed)])
    spread = "scale" if fitted_parameters(model).tails else "standard deviation"
    caption = f"Mean ± {spread} of each column" + (
        " in each group; the deeper the shade, the further the mean is from that of all groups." if several else "."
    )
    return table(
        ["", *(f"group {k}" for k in shown), *compress(("all groups", "noise"), summed)], body, caption=caption
    )


def _table_of_rows_outside(result: MixtureOutcome) -> Html:
    """Tabulate the first rows that are noise or left out; empty if none is."""
    rows, first = result.rows, np.flatnonzero(result.labels < 0)[:_MOST_OUTSIDE]
    if len(first) == 0:
        return Html()
    headings = ["row", *rows.names[:_VALUES_SHOWN]]
    body = [[rows.numbers(i, i + 1)[0], *_first_values(rows.values[i])] for i in first]
    caption = wording.outside_caption(result.outside, result.n_outside, len(first))
    return table(headings, body, caption=caption, numeric=range(len(headings)))


def _table_of_loadings(result: MixtureOutcome, facts: MixtureFacts, factors: Factors) -> Html:
    """Tabulate loadings and the standard deviations of the noise: a row per column, columns for each group."""
    shown = result.shown
    headings = [f"{k}: {what}" for k in shown for what in (*map(str, range(factors.loadings.shape[2])), "noise ±")]
    values = np.concatenate([np.c_[factors.loadings[k], np.sqrt(factors.noise[k])] for k in shown], axis=1)
    body = [
        [name, *(wording.format_value(value, scale) for value in row)]
        for name, row, scale in zip(
            facts.names[:COLUMNS_SHOWN], values, facts.spreads[shown].mean(axis=0), strict=False
        )
    ]
    caption = "Loadings of each group's factors: by how much a column rises with a factor; and the noise beside them."
    return table(["", *headings], body, caption=caption)


def _mean_and_spread(mean: float, spread: float, scale: float) -> str:
    return f"{wording.format_value(mean, scale)} ± {wording.format_value(spread, scale)}"


def _table_of_uncertain(result: MixtureOutcome) -> Html:
    """Tabulate the least certain rows; empty if every row is certain."""
    rows, names = result.rows, result.rows.names
    of_groups = np.flatnonzero(result.labels >= 0)
    order = of_groups[np.argsort(result.certainty[of_groups], kind="stable")[:_MOST_UNCERTAIN]]
    uncertain = order[result.certainty[order] < _LIMIT]
    if len(uncertain) == 0:
        return Html()
    body = []
    for i, probabilities in zip(uncertain, result.model.predict_proba(rows.subset(uncertain)), strict=True):
        body.append([rows.numbers(i, i + 1)[0], *_two_most_probable(probabilities), *_first_values(rows.values[i])])
    headings = ["row", "group", "probability", "next group", "probability", *names[:_VALUES_SHOWN]]
    return table(
        headings,
        body,
        caption="The least certain rows, numbered as in the file, not counting the header.",
        numeric=range(len(headings)),
    )


def _first_values(row: NDArray[np.floating]) -> list[str]:
    return ["missing" if np.isnan(value) else f"{value:.6g}" for value in row[:_VALUES_SHOWN]]


def _two_most_probable(probabilities: NDArray[np.floating]) -> Sequence[object]:
    first, second = np.argsort(-probabilities, kind="stable")[:2]
    return first, percent(probabilities[first], 1), second, percent(probabilities[second], 1)
