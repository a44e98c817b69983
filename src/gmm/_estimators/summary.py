"""`Summary`: text and HTML summaries of a fitted mixture, for `print` and for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from gmm._passes.trace import Trace
from gmm._text.amounts import counted, noise_of_weight, percent
from gmm._text.html import Cell, Html, escaped, line, sparkline, table
from gmm._text.lists import aligned
from gmm._values.covariance import FactorModel
from gmm._values.parameters import MixtureParameters
from gmm._values.variational import MixturePosterior

SHRUNK = {  # by what gave a fit a prior that was not asked for
    "rows": "mean log posterior density (noise and means are shrunk: each component has few rows)",
    "errors": "mean log posterior density (covariances are shrunk: errors may explain all spread)",
}
_MAX_COMPONENTS = 12
_MAX_FEATURES = 6


@dataclass(frozen=True)
class Summary:
    """Weights, means and standard deviations of the components, and how the fit ended.

    The table, `headings` and `rows`, has the first components and features only; `omissions` says how many are missing.
    `weights` are those of the components in the table, for bars if there are any. `ending` is empty if there is nothing
    to say of the fit, `factors` where there are none.
    """

    headline: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    omissions: str
    ending: str = ""
    factors: str = ""
    weights: tuple[float, ...] = ()
    objective: str = ""
    lower_bounds: tuple[float, ...] = ()
    meaning: str = "mean ± standard deviation"

    @classmethod
    def of(
        cls,
        parameters: MixtureParameters,
        trace: Trace | None,
        lower_bound: float | None,
        feature_names: Sequence[str],
        *,
        objective: str,
        least: float,
        max_ratio: float,
    ) -> Summary:
        """Summarise a mixture and, if it was fitted, its `trace` and `lower_bound`, of an `objective` by name.

        Beside factors, noise of at least `least` is shown; a `max_ratio` limits eigenvalues.
        """
        K, d = parameters.means.shape
        n_rows, n_columns = min(K, _MAX_COMPONENTS), min(d, _MAX_FEATURES)
        fit = trace if trace is not None and len(trace) else None
        if isinstance(parameters, MixturePosterior):
            extent = f"{parameters.n_effective} with a row or more"
        else:
            extent = counted(parameters.n_parameters, "free parameter")
        if parameters.noise:
            extent += f", {noise_of_weight(parameters.noise_weight)}"
        if max_ratio < inf:
            extent += f", eigenvalue ratio at most {max_ratio:g}"
        if parameters.tails:
            extent += f", {parameters.tails.text}"
        return cls(
            headline=f"{counted(K, 'component')}, {counted(d, 'feature')}, {parameters.model.printed(d)} covariance, "
            + extent,
            headings=("", "weight", *feature_names[:n_columns]),
            rows=_rows(parameters, n_rows, n_columns),
            omissions=_omissions(K - n_rows, d - n_columns),
            factors=_noise_share(parameters, n_rows, least),
            ending=f"{fit.ending} ({fit.reason}), {objective} {lower_bound:.6g} nats" if fit else "",
            weights=tuple(parameters.weights[:n_rows].tolist()),
            objective=objective,
            lower_bounds=fit.lower_bounds if fit else (),
            meaning="mean ± scale" if parameters.tails else cls.meaning,
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
        d = len(feature_names)
        rows, n_columns = [], min(d, _MAX_FEATURES)
        for label, prior, parameters in zip(labels, priors, mixtures, strict=True):
            opening = (str(label), f"{prior:.4f}", parameters.model.printed(d))
            for number, (_, *cells) in enumerate(_rows(parameters, parameters.n_components, n_columns)):
                rows.append((*(opening if number == 0 else ("", "", "")), *cells))
        sizes = counted(len(mixtures), "class", "classes"), counted(len(rows), "component"), counted(d, "feature")
        return cls(
            headline=f"{', '.join(sizes)}, log-likelihood {loglik:.6g} nats, BIC {bic:.6g}",
            headings=("class", "prior", "covariance", "weight", *feature_names[:n_columns]),
            rows=tuple(rows[:_MAX_COMPONENTS]),
            omissions=_omissions(len(rows) - _MAX_COMPONENTS, d - n_columns),
        )

    def __str__(self) -> str:
        """Return the summary as lines of text."""
        lines = aligned([self.headings, *self.rows])
        notes = [f"  {note}" for note in (self.omissions, self.factors, f"({self.meaning})") if note]
        return "\n".join([self.headline, *[self.ending] * bool(self.ending), *lines, *notes])

    def html(self) -> list[Html]:
        """Return the summary as parts of a page, with a bar for each weight and a sparkline of the lower bounds."""
        rows: Sequence[Sequence[Cell | str]] = [
            [number, Cell(weight, bar=share), *rest]
            for (number, weight, *rest), share in zip(self.rows, self.weights, strict=False)
        ]
        notes = "; ".join(note for note in (self.omissions, self.factors, self.meaning) if note)
        parts = [line(self.headline, "title"), table(self.headings, rows or self.rows), line(notes, "faint")]
        if self.ending:
            curve = sparkline(self.lower_bounds, label=f"{self.objective}, pass 1 to {len(self.lower_bounds)}")
            parts.append(line(Html(f"{curve}<span>{escaped(self.ending)}</span>"), "beside"))
        return parts


def _omissions(n_components: int, n_features: int) -> str:
    """Tell how many components and features the table leaves out."""
    numbers = {"more component": n_components, "more feature": n_features}
    missing = [counted(number, what) for what, number in numbers.items() if number > 0]
    return f"… and {', '.join(missing)}" if missing else ""


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


def _rows(parameters: MixtureParameters, n_rows: int, n_columns: int) -> tuple[tuple[str, ...], ...]:
    K, d = parameters.means.shape
    variances = parameters.model.layout.diagonal(parameters.covariances, d)
    spreads = np.broadcast_to(np.sqrt(variances), (K, d))
    return tuple(
        (
            str(k),
            f"{parameters.weights[k]:.4f}",
            *(f"{parameters.means[k, j]:.4g} ± {spreads[k, j]:.3g}" for j in range(n_columns)),
        )
        for k in range(n_rows)
    )
