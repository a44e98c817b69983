"""`Summary`: text and HTML summaries of a fitted mixture, for `print`, notebooks and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm import _fitting as fitting
from gmm._estimators.attributes import FitRecord, MixtureEstimator, fitted_parameters, record_of
from gmm._estimators.contract import names_of_features
from gmm._estimators.criteria import aic, bic, evaluate, overparametrised_note, title
from gmm._estimators.outcome import SHRUNK, doubt_of_ridge, doubt_of_shapes
from gmm._estimators.scorer import Scorer
from gmm._kernel.mstep import cached_property
from gmm._lazy import reduced_at_home
from gmm._rows.sources import Source
from gmm._text.frames import data_frame
from gmm._text.html import Html, escaped, line, sparkline
from gmm._text.table import LABEL, Cell, Column, Table
from gmm._text.words import amount, counted, listed, noise_of_weight, omissions, percent, plus_minus
from gmm._values.covariance import FactorModel
from gmm._values.parameters import MixtureParameters
from gmm._values.priors import MixturePosterior

_MAX_COMPONENTS = 12
_MAX_FEATURES = 6
_MEANING = "mean ± standard deviation"
_BOUNDS = {False: "mean log-likelihood", True: "lower bound of the log evidence"}  # by whether it is a posterior


class Figures(NamedTuple):
    """How well a mixture describes rows: those of its fit, or others.

    Parameters
    ----------
    weight : float
        Weight of the rows; their number if they have no weights.
    loglik : float
        In nats.
    criteria : mapping of str to float
        By their names.
    degenerate : mapping of int to str
        Why components are degenerate.
    weighted : bool
        Whether rows have weights other than 1.
    n_rows : int, optional
        None for a fit, which does not store it.
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
        """Return the figures that a fit stores of its rows; None if it has none, or its bound is not a likelihood."""
        is_posterior = isinstance(parameters, MixturePosterior) or record.shrunk
        if mean_loglik is None or is_posterior or not record.weight or record.steps is None or record.causes is None:
            return None
        loglik, p = record.weight * mean_loglik, parameters.n_parameters
        scores = {"bic": bic(loglik, p, record.weight), "aic": aic(loglik, p)}
        rows = fitting.degenerate.Resolution(record.weight, record.steps, ridge)
        reasons = fitting.degenerate.describe_causes(record.causes, parameters, rows, feature_names)
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
        """Return why criteria are unreliable; empty if they are not, or there are none."""
        return overparametrised_note(parameters.n_parameters, self.weight) if self.criteria else ""

    @property
    def diagnosis(self) -> str:
        """Which components are degenerate, and why; empty if none is, for the figures of a fit."""
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

    The table has the first components and features only; its notes state how many are missing. `ending` is empty
    without a fit, `figures` without rows.
    """

    headline: str
    table: Table
    ending: str = ""
    objective: str = ""
    lower_bounds: tuple[float, ...] = ()
    figures: str = ""
    diagnosis: str = ""

    @classmethod
    def of(
        cls,
        estimator: Mapping[str, Any],
        parameters: MixtureParameters,
        record: FitRecord,
        feature_names: Sequence[str],
        figures: Figures | None,
    ) -> Summary:
        """Summarise a mixture by the attributes of its estimator, with figures of rows where there are any."""
        K, d = parameters.means.shape
        n_rows, n_columns = min(K, _MAX_COMPONENTS), min(d, _MAX_FEATURES)
        fit, lower_bound, ridge = estimator.get("history_"), estimator.get("lower_bound_"), estimator["reg_covar"]
        objective = SHRUNK.get(record.shrunk, _BOUNDS[isinstance(parameters, MixturePosterior)])
        meaning = "mean ± scale" if parameters.tails else _MEANING
        notes = omissions(component=K - n_rows, feature=d - n_columns)
        notes += [_noise_share(parameters, n_rows, ridge), meaning]
        if record.shrunk_by is not None:
            n, *spread = (f"{number:.3g}" for number in record.shrunk_by[: 1 + n_columns].tolist())
            notes.append(
                f"the default prior of fits with errors counts as {n} rows of each component, with standard "
                f"deviations of {', '.join(spread)}{', …' if d > n_columns else ''}; prior= sets another, "
                "and acceleration=None fits without one"
            )
        notes.append(doubt_of_shapes(parameters, feature_names))
        notes += [text for cause, text in estimator.get("remarks_", {}).items() if cause != "degenerate"]
        columns, diagnosis = [Column("", range(n_rows), LABEL)], ""
        if figures is not None:
            diagnosis = figures.diagnosis
            notes += [figures.doubt(parameters), doubt_of_ridge(parameters, ridge, feature_names)]
            if figures.counts is not None:
                columns.append(Column("rows", [f"{count:,}" for count in figures.counts[:n_rows]]))
        columns += _columns([parameters], feature_names[:n_columns], n_rows, has_bars=True)
        return cls(
            headline=f"{counted(K, 'component')}, {counted(d, 'feature')}, {parameters.model.printed(d)} covariance, "
            + _extent(parameters, estimator.get("max_ratio") or inf),
            table=Table(columns, notes=list(filter(None, [*notes, diagnosis]))),
            ending=f"{fit.ending} ({fit.reason}), {objective} {lower_bound:.6g} nats" if fit else "",
            objective=objective,
            lower_bounds=fit.lower_bounds if fit else (),
            figures="" if figures is None else figures.line,
            diagnosis=diagnosis,
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
        parts: list[object] = [line(self.headline, "title")]
        if self.figures:
            parts.append(line(self.figures))
        parts += [self.table._replace(notes=()), line("; ".join(self.table.notes), "faint")]
        if self.ending:
            curve = sparkline(self.lower_bounds, label=f"{self.objective}, pass 1 to {len(self.lower_bounds)}")
            parts.append(line(Html(f"{curve}<span>{escaped(self.ending)}</span>"), "row"))
        return parts


def _extent(parameters: MixtureParameters, max_ratio: float) -> str:
    """Return the number of free parameters, and noise, limits and tails, as text."""
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
    """Return the mean share of the columns' variances that factors of each component do not explain, as text."""
    if not isinstance(parameters.model, FactorModel):
        return ""
    covariances = parameters.covariances[:n_rows]
    variances = parameters.model.layout.diagonal(covariances, parameters.n_features)
    shares = parameters.model.factors(covariances, least).noise / variances
    each = ", ".join(percent(share) for share in shares.mean(axis=1))
    whole = "the component's variances" if n_rows == 1 else "each component's variances"
    return f"{counted(parameters.model.n_factors, 'factor')}; noise is {each} of {whole}"


def _columns(
    mixtures: Sequence[MixtureParameters], names: Sequence[str], n_rows: int, *, has_bars: bool = False
) -> list[Column]:
    """Return weights, and means with standard deviations, of the first components of some mixtures."""
    means = np.concatenate([each.means for each in mixtures])
    spreads = np.sqrt(np.concatenate([each.column_variances for each in mixtures]))
    weights = np.concatenate([each.weights for each in mixtures])[:n_rows]
    columns = [Column("weight", [Cell(f"{weight:.4f}", bar=weight if has_bars else None) for weight in weights])]
    return columns + [Column(name, plus_minus(means[:, j], spreads[:, j])[:n_rows]) for j, name in enumerate(names)]


@dataclass(frozen=True, eq=False, repr=False)
class MixtureSummary:
    """A fitted mixture with rows: how well it describes them, and how many belong to each component.

    Attributes
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        The mixture.
    n_rows : int or None
        Number of rows; None for a fit, which does not store it.
    total_weight : float
        Sum of their weights; without weights, their number.
    log_likelihood : float
        Log-likelihood of all rows, in nats; NaN if a mixture stores none.
    criteria : dict of str to float
        "bic", "icl" and "aic", for a fit "bic" and "aic"; smaller is better. Empty for a `BayesianGaussianMixture`.
    counts : ndarray of int, shape (K,), or None
        Rows of each component, by the most probable one; None for a fit.
    n_noise : int or None
        Rows that are noise; None for a fit.
    degenerate : dict of int to str
        Degenerate components, and why; their likelihood is no evidence of a group.
    """

    model: MixtureEstimator
    n_rows: int | None
    total_weight: float
    log_likelihood: float
    criteria: dict[str, float]
    counts: NDArray[np.int64] | None
    n_noise: int | None
    degenerate: dict[int, str]
    __reduce_ex__ = reduced_at_home

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns, (d,): those of the fit, or x0, x1, … if they had none."""
        return names_of_features(self.model)

    @property
    def standard_deviations(self) -> NDArray[np.float64]:
        """Standard deviations of each component and column, (K, d); with heavy tails, their scales."""
        return np.sqrt(fitted_parameters(self.model).column_variances)

    @property
    def covariances(self) -> NDArray[Any] | None:
        """The mixture's `covariances_`; None if it stores factors and noise instead, for many columns."""
        return self.model.covariances_ if fitted_parameters(self.model).model.stores_dense else None

    @property
    def strongest_correlations(self) -> list[tuple[int, int, float] | None]:
        """Two columns of each component, and their correlation; None if no columns are correlated."""
        parameters, spreads = fitted_parameters(self.model), self.standard_deviations
        layout, (K, d) = parameters.model.dense.layout, spreads.shape  # as `covariances_` are written out
        if layout.axis_aligned:
            return [None] * K
        dense = layout.dense(np.asarray(self.model.covariances_, dtype=np.float64), K, d)
        strongest = list[tuple[int, int, float] | None]()
        for covariance, spread in zip(dense, spreads, strict=False):
            correlations = covariance / np.outer(spread, spread)
            size = np.abs(np.triu(correlations, k=1))
            i, j = divmod(int(size.argmax()), d)
            strongest.append((i, j, float(correlations[i, j])) if size.any() else None)
        return strongest * (K // len(strongest))  # a common covariance is listed once

    @property
    def covariance_model(self) -> str:
        """The covariance model, as it is printed."""
        mixture = fitted_parameters(self.model)
        return mixture.model.printed(mixture.n_features)

    @property
    def tails(self) -> str:
        """How heavy the tails of the components are; empty if they are normal."""
        return fitted_parameters(self.model).tails.text

    @property
    def ending(self) -> str:
        """How the fit ended, such as ``converged after 12 passes``."""
        if not hasattr(self.model, "history_"):
            return "parameters given, not fitted"
        few = record_of(self.model).shrunk == "rows"
        shrunk = ", noise and means shrunk (few rows for each component)" if few else ""
        heavy = f", Student-t components with {self.tails}, ± their scale" if self.tails else ""
        return f"{self.model.history_.ending}{shrunk}{heavy}"

    @property
    def figures(self) -> str:
        """The number of rows, their log-likelihood and the criteria in one line; empty without rows."""
        return "" if self._figures is None else self._figures.line

    @property
    def diagnosis(self) -> str:
        """Which components are degenerate, and why; empty if none is, without rows."""
        return "" if self._figures is None else self._figures.diagnosis

    def to_frame(self) -> Any:
        """Return one row for each component.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            Columns ``component``, ``rows`` (not for a fit), ``weight``, ``degenerate`` (why; empty if it is not) and,
            for each feature, its mean and standard deviation, such as ``waiting mean`` and ``waiting sd``; with heavy
            tails ``waiting scale`` instead of the latter.
        """
        mixture, spreads = fitted_parameters(self.model), self.standard_deviations
        K = mixture.n_components
        spread = "scale" if mixture.tails else "sd"
        rows = {} if self.counts is None else {"rows": self.counts}
        columns = {"component": np.arange(K), **rows, "weight": mixture.weights}
        columns["degenerate"] = np.array([self.degenerate.get(k, "") for k in range(K)], object)
        for j, name in enumerate(self.feature_names):
            columns |= {f"{name} mean": mixture.means[:, j], f"{name} {spread}": spreads[:, j]}
        return data_frame(columns)

    def __repr__(self) -> str:
        """Return the summary as lines of text."""
        return str(self._summary)

    def _repr_html_(self) -> str:
        from gmm._text.html import block

        return block(*self._summary.html())

    @cached_property
    def _figures(self) -> Figures | None:
        if self.n_rows is None:
            return _figures_of_fit(self.model)
        numbers = self.total_weight, self.log_likelihood, self.criteria, self.degenerate
        n_noise = self.n_noise if fitted_parameters(self.model).noise else None
        return Figures(*numbers, self.total_weight != self.n_rows, self.n_rows, self.counts, n_noise)

    @property
    def _summary(self) -> Summary:
        return summary_of(self.model, self._figures)


def _figures_of_fit(mixture: MixtureEstimator) -> Figures | None:
    """Return the figures that a mixture stores of the rows of its fit; None if it has none, or with a prior."""
    if vars(mixture).get("prior") is not None:
        return None
    bound, fit = vars(mixture).get("lower_bound_"), (fitted_parameters(mixture), record_of(mixture))
    return Figures.of_fit(*fit, bound, mixture.reg_covar, names_of_features(mixture))


def summary_of_fit(mixture: MixtureEstimator) -> MixtureSummary:
    """Return the summary of the figures that a mixture stores of its fit."""
    figures, (loglik, scores, reasons) = _figures_of_fit(mixture), (nan, dict[str, float](), dict[int, str]())
    if figures is not None:
        loglik, scores, reasons = figures.loglik, dict(figures.criteria), dict(figures.degenerate)
    return MixtureSummary(mixture, None, record_of(mixture).weight, loglik, scores, None, None, reasons)


def summary_of_rows(mixture: MixtureEstimator, source: Source) -> MixtureSummary:
    """Return the summary of rows under a mixture."""
    scorer = Scorer(fitted_parameters(mixture), mixture.n_threads)
    parameters, weight, totals = scorer.parameters, source.survey.weight, scorer.totals(source)
    scores = evaluate(totals, parameters.n_parameters, weight, None)
    shown = () if isinstance(parameters, MixturePosterior) else ("bic", "icl", "aic")
    counts = np.zeros(parameters.n_components + 1, np.int64)
    for _, results in scorer.blocks(source, labels=True):
        assert results.labels is not None  # they were requested
        counts += np.bincount(results.labels + 1, minlength=len(counts))
    is_plain = not (source.errors or getattr(mixture, "prior", None))
    statistics = scorer.statistics(source) if is_plain and parameters.model.depends_on_moments else None
    rows = fitting.degenerate.Resolution.from_source(source, mixture.reg_covar)
    causes = fitting.degenerate.Degeneracy(parameters.model, rows).causes(parameters, statistics)
    reasons = fitting.degenerate.describe_causes(causes, parameters, rows, names_of_features(mixture))
    numbers = source.n_rows, weight, totals.log_likelihood, {name: scores[name] for name in shown}
    return MixtureSummary(mixture, *numbers, counts[1:], int(counts[0]), reasons)


def summary_of(mixture: MixtureEstimator, figures: Figures | None = None) -> Summary:
    """Return the summary of a fitted mixture with figures of rows, by default those of its fit."""
    figures = _figures_of_fit(mixture) if figures is None else figures
    fit = fitted_parameters(mixture), record_of(mixture), names_of_features(mixture)
    return Summary.of(vars(mixture), *fit, figures)


MixtureSummary.__module__ = "gmm.analysis"
