"""`MixtureSummary`: what a fitted mixture says of rows, in one table; its `summary` is a method of mixtures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm import _fitting as fitting
from gmm._estimators import criteria
from gmm._estimators.contract import names_of_features
from gmm._estimators.fitted import FittedMixture, fitted_parameters, rows_of_fit, summary_of
from gmm._estimators.scorer import Scorer
from gmm._public import publish
from gmm._text.frames import data_frame

if TYPE_CHECKING:
    from gmm._estimators.summary import Summary


@dataclass(frozen=True, eq=False, repr=False)
class MixtureSummary:
    """Rows under a fitted mixture: how well it describes them, and how many belong to each component.

    Attributes
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        The mixture.
    n_rows : int
        Number of rows.
    total_weight : float
        Sum of their weights; without weights, their number.
    log_likelihood : float
        Of all rows, in nats.
    criteria : dict of str to float
        "bic", "icl" and "aic", smaller is better; empty for a `BayesianGaussianMixture`.
    counts : ndarray of int, shape (K,)
        Rows of each component, by the most probable one.
    n_noise : int
        Rows that are noise.
    degenerate : dict of int to str
        Components that have collapsed, and why; their likelihood means nothing.
    """

    model: FittedMixture
    n_rows: int
    total_weight: float
    log_likelihood: float
    criteria: dict[str, float]
    counts: NDArray[np.int64]
    n_noise: int
    degenerate: dict[int, str]

    def to_frame(self) -> Any:
        """Return one row for each component.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            Columns ``component``, ``rows``, ``weight``, ``degenerate`` (why; empty if it is not) and, for each feature,
            its mean and standard deviation, such as ``waiting mean`` and ``waiting sd``; with heavy tails ``waiting
            scale`` in place of the latter.
        """
        mixture = fitted_parameters(self.model)
        K, spreads = mixture.n_components, np.sqrt(mixture.column_variances)
        spread = "scale" if mixture.tails else "sd"
        columns = {"component": np.arange(K), "rows": self.counts, "weight": mixture.weights}
        columns["degenerate"] = np.array([self.degenerate.get(k, "") for k in range(K)], object)
        for j, name in enumerate(names_of_features(self.model)):
            columns |= {f"{name} mean": mixture.means[:, j], f"{name} {spread}": spreads[:, j]}
        return data_frame(columns)

    def __repr__(self) -> str:
        """Return the summary as lines of text."""
        return str(self._summary)

    def _repr_html_(self) -> str:
        from gmm._text.html import block

        return block(*self._summary.html())

    @property
    def _summary(self) -> Summary:
        from gmm._estimators.summary import Figures

        numbers = self.total_weight, self.log_likelihood, self.criteria, self.degenerate
        n_noise = self.n_noise if fitted_parameters(self.model).noise else None
        figures = Figures(*numbers, self.total_weight != self.n_rows, self.n_rows, self.counts, n_noise)
        return summary_of(self.model, figures)


def summary(
    self: FittedMixture, X: ArrayLike, sample_weight: ArrayLike | None = None, *, error_covariance: Any = None
) -> MixtureSummary:
    """Summarise rows under the mixture: likelihood, criteria, rows of each component; *beyond*.

    ``print(mixture)`` knows the number of rows and the log-likelihood of the fit; this reads the rows.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        Rows, usually those of the fit.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows; the criteria use their sum as the sample size.
    error_covariance : array-like, default=None
        Of the rows' measurement errors, as in `fit`; needed where the rows of the fit had some.

    Returns
    -------
    MixtureSummary
        It prints, and has its numbers as attributes and as a data frame.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import GaussianMixture
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (100, 1)), rng.normal(4, 1, (50, 1))])
    >>> mixture = GaussianMixture(2, random_state=0).fit(X)
    >>> mixture.summary(X)
    2 components, 1 feature, V (full) covariance, 5 free parameters
    150 rows, log-likelihood -301.92 (-2.0128 per row), BIC 628.90, ICL 628.90, AIC 613.85
    converged after 1 pass (projected remaining gain 0 below tol=0.001), mean log-likelihood -2.01283 nats
         rows  weight              x0
      0   100  0.6667  -3.919 ± 0.962
      1    50  0.3333   4.027 ± 0.951
      mean ± standard deviation
      no component is degenerate
    """
    source = rows_of_fit(self, X, sample_weight, error_covariance)
    scorer = Scorer(fitted_parameters(self), self.n_threads)
    parameters, weight, totals = scorer.parameters, source.survey.weight, scorer.totals(source)
    scores = criteria.evaluate(totals, parameters.n_parameters, weight, None)
    shown = () if self._variational else ("bic", "icl", "aic")
    counts = np.zeros(parameters.n_components + 1, np.int64)
    for _, results in scorer.blocks(source, labels=True):
        assert results.labels is not None  # they were requested
        counts += np.bincount(results.labels + 1, minlength=len(counts))
    is_plain = not (source.errors or vars(self).get("prior"))
    verdict = fitting.degenerate
    moments = is_plain and verdict.depends_on_moments(parameters.model)
    of_pass = scorer.statistics(source) if moments else None
    return MixtureSummary(
        self,
        source.n_rows,
        weight,
        totals.log_likelihood,
        {name: scores[name] for name in shown},
        counts[1:],
        int(counts[0]),
        verdict.reasons_of(
            parameters, verdict.Resolution.from_source(source, self.reg_covar), names_of_features(self), of_pass
        ),
    )


publish("gmm.analysis", [MixtureSummary])
