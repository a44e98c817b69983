"""The section of a report on how sure its numbers are: standard errors, stability and overlap."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._cli.report import wording
from gmm._cli.report.columns import COLUMNS_SHOWN
from gmm._cli.report.page import render
from gmm._cli.result import MixtureOutcome
from gmm._estimators.contract import names_of_features
from gmm._estimators.fitted import fitted_parameters
from gmm._estimators.mixture import GaussianMixture
from gmm._text.amounts import percent
from gmm._text.html import Html, table
from gmm._uses.overlap import overlap
from gmm._uses.standard_errors import StandardErrors, standard_errors
from gmm._values.layouts import Array, SingularMatrixError

__all__ = ["trust"]

_REFITS, _MOST_WORK = 100, 1e6  # multiply-adds of a pass: of more, refits would take longer than some seconds
_PATTERN_WORK = 4e4  # of rows that have the same columns, beside theirs
_DRAWN = 20_000
_APART = 1e-3  # overlap of two groups that are apart


def trust(result: MixtureOutcome) -> Html | None:
    """Say how far weights and means may be off, and which groups are alike; None where it would take too long."""
    model, d = result.model, result.rows.values.shape[1]
    if (
        not isinstance(model, GaussianMixture)
        or model.trim
        or _work(result.rows.values, model.n_components) > _MOST_WORK
    ):
        return None
    errors, why, stability, alike, overlapping = None, "", None, "", False
    if result.total_weight < model.n_parameters_:
        why = "there are fewer rows than free parameters"
    else:
        try:
            errors = standard_errors(model, result.rows.source, n_replicates=_REFITS, random_state=result.options.seed)
        except SingularMatrixError:
            why = wording.COLLAPSED
    if model.n_components > 1:
        if errors is not None:
            assert errors.adjusted_rand is not None  # there were refits
            stability = errors.adjusted_rand.mean(), *np.quantile(errors.adjusted_rand, [0.025, 0.975])
        alike, overlapping = _alike(overlap(model, n_samples=_DRAWN))
    return render(
        "trust",
        n_refits=0 if errors is None else _REFITS - errors.n_left_out,
        why=why,
        stability=stability,
        alike=alike,
        overlapping=overlapping,
        table="" if errors is None else _table(result, errors),
        n_columns_hidden=0 if errors is None else d - COLUMNS_SHOWN,
    )


def _work(values: NDArray[Any], n_components: int) -> float:
    n, d = values.shape
    absent = np.isnan(values)
    return n * n_components * d * d + (_PATTERN_WORK * len(np.unique(absent, axis=0)) if absent.any() else 0)


def _table(result: MixtureOutcome, errors: StandardErrors) -> Html:
    mixture, names = fitted_parameters(result.model), names_of_features(result.model)[:COLUMNS_SHOWN]
    rows = [["weight", *(f"{a:.4f} ± {e:.4f}" for a, e in zip(mixture.weights, errors.weights, strict=True))]]
    for name, means, of_means in zip(names, mixture.means.T, errors.means.T, strict=False):
        rows.append(
            [
                name,
                *(
                    f"{wording.format_value(mean, error)} ± {wording.format_value(error, error)}"
                    for mean, error in zip(means.tolist(), of_means.tolist(), strict=True)
                ),
            ]
        )
    return table(
        ["", *(f"group {k}" for k in result.shown)], rows, caption="Weights and means ± their standard errors."
    )


def _alike(shares: Array) -> tuple[str, bool]:
    """Name the two groups that are most alike, given the `overlap` of all; also return whether they overlap."""
    both = shares + shares.T
    i, j = (int(k) for k in np.unravel_index(both.argmax(), both.shape))
    if both[i, j] < _APART:
        return "No two groups overlap: less than one row in a thousand looks more like one of another group.", False
    return (
        f"The two groups most alike are {i} and {j}: {percent(shares[i, j])} of the rows of group {i} look more like "
        f"those of group {j}, and {percent(shares[j, i])} the other way round.",
        True,
    )
