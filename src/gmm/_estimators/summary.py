"""`Summary`: text and HTML summaries of a fitted mixture, for `print`, notebooks and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm import _fitting as fitting
from gmm._estimators.criteria import aic, bic, surplus, title
from gmm._estimators.outcome import SHRUNK, FitRecord, doubt_of_ridge, doubt_of_shapes
from gmm._text.html import Html, escaped, line, sparkline
from gmm._text.table import LABEL, Cell, Column, Table
from gmm._text.words import amount, counted, listed, noise_of_weight, omissions, percent, plus_minus
from gmm._values.covariance import FactorModel
from gmm._values.parameters import MixtureParameters
from gmm._values.priors import MixturePosterior

_MAX_COMPONENTS = 12
_MAX_FEATURES = 6
_MEANING = "mean ± standard deviation"


class Figures(NamedTuple):
    """How well a mixture describes rows: those of its fit, or others.

    Parameters
    ----------
    weight : float
        Of the rows; their number, where they have no weights.
    loglik : float
        In nats.
    criteria : mapping of str to float
        By their names.
    degenerate : mapping of int to str
        Why components are degenerate.
    weighted : bool
        Whether rows have weights other than 1.
    n_rows : int, optional
        None of a fit, which does not know it.
    counts : array of int, shape (K,), optional
        Rows of each component.
    n_noise : int, optional
        Rows that are noise, of a mixture with noise.
    """

    weight: float
    loglik: float
    criteria: Mapping[str, float]
    degenerate: Mapping[int, str]
    weighted: bool
    n_rows: int | None = None
    counts: NDArray[np.int64] | None = None
    n_noise: int | None = None

    @classmethod
    def of_fit(
        cls,
        parameters: MixtureParameters,
        record: FitRecord,
        mean_loglik: float | None,
        ridge: float,
        feature_names: Sequence[str],
    ) -> Figures | None:
        """Return what a fit remembers of its rows; None if it does not, or its bound is not of the likelihood."""
        is_posterior = isinstance(parameters, MixturePosterior) or record.shrunk
        if mean_loglik is None or is_posterior or not record.weight or record.steps is None or record.causes is None:
            return None
        loglik, p = record.weight * mean_loglik, parameters.n_parameters
        scores = {"bic": bic(loglik, p, record.weight), "aic": aic(loglik, p)}
        rows = fitting.degenerate.Resolution(record.weight, record.steps, ridge)
        reasons = fitting.degenerate.reasons_of(record.causes, parameters, rows, feature_names)
        return cls(record.weight, loglik, scores, reasons, weighted=not record.weight.is_integer())

    @property
    def line(self) -> str:
        """The number of rows, the log-likelihood and the criteria, as text."""
        rows = f"n = {amount(self.weight)}" if self.n_rows is None else counted(self.n_rows, "row")
        if self.weighted and self.n_rows is not None:
            rows += f" of weight {amount(self.weight)}"
        if self.n_noise is not None:
            rows += f", {self.n_noise:,} of them noise"
        about = "about " if self.n_rows is None and self.degenerate else ""  # the last pass of a fit loses digits there
        numbers = (f"{title(name)} {about}{value:.2f}" for name, value in self.criteria.items())
        unit = "unit weight" if self.weighted else "row"
        loglik = f"log-likelihood {about}{self.loglik:.2f} ({self.loglik / self.weight:.4f} per {unit})"
        return ", ".join([rows, loglik, *numbers])

    def doubt(self, parameters: MixtureParameters) -> str:
        """Say why criteria are unreliable; empty if they are not, or there are none."""
        return surplus(parameters.n_parameters, self.weight) if self.criteria else ""

    @property
    def verdict(self) -> str:
        """Which components are degenerate, and why, as text; empty if none is and nobody asked."""
        if not self.degenerate:
            return "" if self.n_rows is None else "no component is degenerate"
        components: dict[str, list[str]] = {}
        for k, reason in self.degenerate.items():
            components.setdefault(reason, []).append(str(k))
        return "degenerate: " + "; ".join(
            f"component{'s' * (len(each) > 1)} {listed(each, _MAX_COMPONENTS)} ({reason})"
            for reason, each in components.items()
        )


class Summary(NamedTuple):
    """Weights, means and standard deviations of the components, and how the fit ended.

    The table has the first components and features only; its notes say how many are missing. `ending` is empty if
    there is nothing to say of the fit, `figures` where nothing is known of rows.
    """

    headline: str
    table: Table
    ending: str = ""
    objective: str = ""
    lower_bounds: tuple[float, ...] = ()
    figures: str = ""
    verdict: str = ""

    @classmethod
    def of(
        cls,
        own: Mapping[str, Any],
        parameters: MixtureParameters,
        record: FitRecord,
        feature_names: Sequence[str],
        bound_name: str,
        figures: Figures | None,
    ) -> Summary:
        """Summarise a mixture by the attributes of its estimator, with figures of rows where there are any."""
        K, d = parameters.means.shape
        n_rows, n_columns = min(K, _MAX_COMPONENTS), min(d, _MAX_FEATURES)
        fit, lower_bound, ridge = own.get("history_"), own.get("lower_bound_"), own["reg_covar"]
        objective = SHRUNK.get(record.shrunk, bound_name)
        meaning = "mean ± scale" if parameters.tails else _MEANING
        notes = omissions(component=K - n_rows, feature=d - n_columns)
        notes += [_noise_share(parameters, n_rows, ridge), meaning]
        if record.shrunk_by is not None:
            n, *spread = (f"{number:.3g}" for number in record.shrunk_by[: 1 + n_columns].tolist())
            notes.append(
                f"the default prior beside errors is worth {n} rows of each component, with standard deviations of "
                f"{', '.join(spread)}{', …' * (d > n_columns)}; set prior= for another, acceleration=None for none"
            )
        notes.append(doubt_of_shapes(parameters, feature_names))
        notes += [text for cause, text in own.get("remarks_", {}).items() if cause != "degenerate"]
        columns, verdict = [Column("", range(n_rows), LABEL)], ""
        if figures is not None:
            verdict = figures.verdict
            notes += [figures.doubt(parameters), doubt_of_ridge(parameters, ridge, feature_names)]
            if figures.counts is not None:
                columns.append(Column("rows", [f"{count:,}" for count in figures.counts[:n_rows]]))
        columns += _columns([parameters], feature_names[:n_columns], n_rows, has_bars=True)
        return cls(
            headline=f"{counted(K, 'component')}, {counted(d, 'feature')}, {parameters.model.printed(d)} covariance, "
            + _extent(parameters, own.get("max_ratio") or inf),
            table=Table(columns, notes=list(filter(None, [*notes, verdict]))),
            ending=f"{fit.ending} ({fit.reason}), {objective} {lower_bound:.6g} nats" if fit else "",
            objective=objective,
            lower_bounds=fit.lower_bounds if fit else (),
            figures="" if figures is None else figures.line,
            verdict=verdict,
        )

    @classmethod
    def of_classes(
        cls,
        labels: Sequence[object],
        priors: NDArray[np.float64],
        mixtures: Sequence[MixtureParameters],
        feature_names: Sequence[str],
        *,
        loglik: float,
        bic: float,
    ) -> Summary:
        """Summarise the mixtures of classes, which have prior probabilities."""
        d, openings = len(feature_names), list[tuple[str, ...]]()
        for label, prior, parameters in zip(labels, priors, mixtures, strict=True):
            openings.append((str(label), f"{prior:.4f}", parameters.model.printed(d)))
            openings += [("", "", "")] * (parameters.n_components - 1)
        n, n_rows, names = len(openings), min(len(openings), _MAX_COMPONENTS), feature_names[:_MAX_FEATURES]
        first = Table.of(("class", "prior", "covariance"), openings[:n_rows]).columns
        notes = [*omissions(component=n - n_rows, feature=d - len(names)), _MEANING]
        sizes = counted(len(mixtures), "class", "classes"), counted(n, "component"), counted(d, "feature")
        return cls(
            headline=f"{', '.join(sizes)}, log-likelihood {loglik:.6g} nats, BIC {bic:.6g}",
            table=Table([*first, *_columns(mixtures, names, n_rows)], notes=notes),
        )

    def __str__(self) -> str:
        """Return the summary as lines of text."""
        return "\n".join([*filter(None, (self.headline, self.figures, self.ending)), str(self.table)])

    def html(self) -> list[object]:
        """Return the summary as parts of a page, with a bar for each weight and a sparkline of the lower bounds."""
        parts: list[object] = [line(self.headline, "title"), *[line(self.figures)] * bool(self.figures)]
        parts += [self.table._replace(notes=()), line("; ".join(self.table.notes), "faint")]
        if self.ending:
            curve = sparkline(self.lower_bounds, label=f"{self.objective}, pass 1 to {len(self.lower_bounds)}")
            parts.append(line(Html(f"{curve}<span>{escaped(self.ending)}</span>"), "beside"))
        return parts


def _extent(parameters: MixtureParameters, max_ratio: float) -> str:
    """Tell how much a mixture is free to say, and what lies beside and within its components."""
    if isinstance(parameters, MixturePosterior):
        extent = f"{counted(parameters.n_effective, 'component')} not empty"
    else:
        extent = counted(parameters.n_parameters, "free parameter")
    if parameters.noise:
        extent += f", {noise_of_weight(parameters.noise_weight)}"
    if max_ratio < inf:
        extent += f", eigenvalue ratio at most {max_ratio:g}"
    if parameters.tails:
        extent += f", {parameters.tails.text}"
    return extent


def _noise_share(parameters: MixtureParameters, n_rows: int, least: float) -> str:
    """Tell what the factors of each component leave as noise: the mean share of the columns' variances."""
    if not isinstance(parameters.model, FactorModel):
        return ""
    covariances = parameters.covariances[:n_rows]
    variances = parameters.model.layout.diagonal(covariances, parameters.n_features)
    shares = parameters.model.factors(covariances, least).noise / variances
    each = ", ".join(percent(share) for share in shares.mean(axis=1))
    of = "the component's variances" if n_rows == 1 else "each component's variances"
    return f"{counted(parameters.model.n_factors, 'factor')}; noise is {each} of {of}"


def _columns(
    mixtures: Sequence[MixtureParameters], names: Sequence[str], n_rows: int, *, has_bars: bool = False
) -> list[Column]:
    """Return weights, and means with standard deviations, of the first components of some mixtures."""
    means = np.concatenate([each.means for each in mixtures])
    spreads = np.sqrt(np.concatenate([each.column_variances for each in mixtures]))
    weights = np.concatenate([each.weights for each in mixtures])[:n_rows]
    columns = [Column("weight", [Cell(f"{weight:.4f}", bar=weight if has_bars else None) for weight in weights])]
    return columns + [Column(name, plus_minus(means[:, j], spreads[:, j])[:n_rows]) for j, name in enumerate(names)]
