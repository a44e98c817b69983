"""Model selection criteria as formulas over numbers: BIC, AIC, AICc, ICL and NEC; smaller is better for all.

`loglik` is the total log-likelihood of the data in nats, `n_parameters` the number p of free parameters, and `n` the
number of rows or, for weighted data, the sum of the weights. Criteria other than NEC are on the scale of −2
log-likelihood: a difference of 2 is one nat. Also the agreement of two partitions.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._passes.e_step import Totals
from gmm._text.words import amount, counted
from gmm._validation.scalars import excerpt

# Relative difference of a log-likelihood summed in two orders.
_ROUNDING = 1e-10
_LARGEST_FIXED = 1e12  # larger numbers are written with an exponent


def bic(loglik: float, n_parameters: int, n: float) -> float:
    """Return the Bayesian information criterion, ``-2 loglik + p ln n``.

    Some programs, such as mclust, print its negative.

    References
    ----------
    G. Schwarz (1978). Estimating the dimension of a model. *Annals of Statistics* 6, 461-464.

    Examples
    --------
    >>> round(bic(-1126.326, 11, 272), 2)
    2314.32
    """
    return -2.0 * loglik + n_parameters * log(n)


def aic(loglik: float, n_parameters: int) -> float:
    """Return Akaike's information criterion, ``-2 loglik + 2 p``.

    References
    ----------
    H. Akaike (1974). A new look at the statistical model identification. *IEEE Transactions on Automatic Control* 19,
    716-723.

    Examples
    --------
    >>> aic(-100.0, 5)
    210.0
    """
    return -2.0 * loglik + 2.0 * n_parameters


def aicc(loglik: float, n_parameters: int, n: float) -> float:
    """Return Akaike's criterion with the small-sample correction, ``aic + 2 p (p + 1) / (n - p - 1)``.

    Never below `aic`; infinite unless n > p + 1.

    References
    ----------
    C. M. Hurvich, C.-L. Tsai (1989). Regression and time series model selection in small samples. *Biometrika* 76,
    297-307.

    Examples
    --------
    >>> aicc(-100.0, 5, 26)
    213.0
    >>> aicc(-100.0, 5, 6)
    inf
    """
    spare = n - n_parameters - 1
    if spare <= 0:
        return inf
    return aic(loglik, n_parameters) + 2.0 * n_parameters * (n_parameters + 1) / spare


def overparametrised_note(n_parameters: int, n: float) -> str:
    """Return a note if a mixture has at least as many free parameters as rows, as criteria are unreliable; else ""."""
    if not 0 < n <= n_parameters:
        return ""
    return (
        f"{counted(n_parameters, 'free parameter')} for {amount(n)} rows: criteria are unreliable, so use fewer "
        "components or columns, or a simpler covariance_type"
    )


def icl(classification_loglik: float, n_parameters: int, n: float) -> float:
    """Return the integrated completed likelihood, ``-2 loglik_c + p ln n``.

    This is BIC with each row counted under its most probable component only. It prefers components that do not
    overlap, and is never below BIC.

    Parameters
    ----------
    classification_loglik : float
        ``sum_i w_i max_k log rho_ik`` in nats, where ``rho_ik`` is the joint density of row i and component k.
    n_parameters : int
    n : float

    References
    ----------
    C. Biernacki, G. Celeux, G. Govaert (2000). Assessing a mixture model for clustering with the integrated completed
    likelihood. *IEEE Transactions on Pattern Analysis and Machine Intelligence* 22, 719-725, the approximation of its
    section 3.

    Examples
    --------
    >>> icl(-100.0, 5, 1)
    200.0
    """
    return bic(classification_loglik, n_parameters, n)


def nec(entropy: float, loglik: float, loglik_of_one: float | None) -> float:
    """Return the normalised entropy criterion, ``entropy / (loglik - loglik_of_one)``.

    It compares the overlap of the components with their gain over a single component, and does not count parameters: it
    selects clusterings, not densities. It is 1 for one component by definition, so several are chosen only if their
    criterion is below 1. It is infinite for several components that gain nothing over one. Uniform noise counts as a
    component in the entropy; the single component has the same noise.

    Parameters
    ----------
    entropy : float
        ``-sum_i w_i sum_k r_ik log r_ik`` of the responsibilities ``r_ik``, in nats.
    loglik : float
    loglik_of_one : float or None
        Log-likelihood of one component of the same covariance type, fitted to the same data, with the same noise if
        there is any; None if the mixture has one component.

    References
    ----------
    G. Celeux, G. Soromenho (1996). An entropy criterion for assessing the number of clusters in a mixture model.
    *Journal of Classification* 13, 195-212. C. Biernacki, G. Celeux, G. Govaert (1999). An improvement of the NEC
    criterion for assessing the number of clusters in a mixture model. *Pattern Recognition Letters* 20, 267-272, for
    one component.

    Examples
    --------
    >>> nec(5.0, -100.0, -150.0)
    0.1
    >>> nec(0.0, -150.0, None)
    1.0
    """
    if loglik_of_one is None:
        return 1.0
    gain = loglik - loglik_of_one
    if gain <= _ROUNDING * abs(loglik_of_one):
        return 1.0 if entropy == 0 else inf
    return entropy / gain


class Criterion(NamedTuple):
    """A criterion, with what searches, tables and reports need.

    Parameters
    ----------
    name, title : str
        As an argument, and in print.
    scale : str
        What it measures, and what its differences mean, for a reader of a report.
    value : callable or None
        Its value for the sums of a pass, p, n and the log-likelihood of one component; None if it needs other fits.
    has_scale : bool
        Whether there is an agreed scale of its differences.
    near : float
        Difference up to which the choice between two cells is uncertain.
    per_nat : float
        By how much it falls as the log-likelihood of the same mixture rises by a nat in other units of the columns.
    decimals : int
    """

    name: str
    title: str
    scale: str
    value: Callable[[Totals, int, float, float | None], float] | None
    has_scale: bool = False
    near: float = 10.0
    per_nat: float = 2.0
    decimals: int = 2

    @property
    def of_interest(self) -> float:
        """Difference from the best up to which a cell of many rows is finished."""
        return 4 * self.near

    def text(self, value: float, decimals: int | None = None) -> str:
        """Return a value or a difference as tables print it."""
        decimals = self.decimals if decimals is None else decimals
        return f"{value:.{decimals}f}" if abs(value) < _LARGEST_FIXED else f"{value:.4g}"


_BURNHAM = "have substantial support, those beyond 10 essentially none (Burnham & Anderson 2002)."
HELD_OUT = "held_out"  # of a search: minus twice the log-likelihood of rows that were not fitted
_ALL = (
    Criterion(
        "bic",
        "BIC",
        "BIC weighs the log-likelihood against the number of parameters. A difference in BIC below 2 is barely "
        "worth mentioning; 2 to 6 is positive evidence, 6 to 10 strong, above 10 very strong (Kass & Raftery 1995).",
        lambda totals, p, n, _: bic(totals.log_likelihood, p, n),
        has_scale=True,
    ),
    Criterion(
        "aic",
        "AIC",
        f"Models within 2 of the smallest AIC {_BURNHAM} AIC tends to choose more groups than BIC.",
        lambda totals, p, *_: aic(totals.log_likelihood, p),
        has_scale=True,
    ),
    Criterion(
        "aicc",
        "AICc",
        f"Models within 2 of the smallest AICc {_BURNHAM} AICc is AIC corrected for few rows.",
        lambda totals, p, n, _: aicc(totals.log_likelihood, p, n),
        has_scale=True,
    ),
    Criterion(
        "icl",
        "ICL",
        "ICL is BIC with a penalty for overlapping groups. There is no agreed scale for its differences.",
        lambda totals, p, n, _: icl(totals.classification, p, n),
    ),
    Criterion(
        "nec",
        "NEC",
        "NEC divides the overlap of the groups by their gain over one group; below 1, there are groups.",
        lambda totals, p, n, one: nec(totals.entropy, totals.log_likelihood, one),
        near=0.1,
        per_nat=0.0,  # a ratio of gains
        decimals=3,
    ),
    Criterion(
        HELD_OUT,
        "held-out deviance",
        "Held-out deviance is −2 log-likelihood of rows that were not fitted. There is "
        "no agreed scale for its differences, which vary with the folds.",
        None,
    ),
)
CRITERION = {criterion.name: criterion for criterion in _ALL}
OF_SEARCHES = tuple(CRITERION)
OF_LIKELIHOOD = "bic", "aic", "aicc"  # functions of the likelihood, p and n
CRITERIA = tuple(name for name, criterion in CRITERION.items() if criterion.value)  # of a single fit


def evaluate(totals: Totals, n_parameters: int, n: float, loglik_of_one: float | None) -> dict[str, float]:
    """Return all criteria of one fit by their names in ``CRITERIA``; NaN for those that depend on a NaN.

    Examples
    --------
    >>> evaluate(Totals(-100.0, -101.0, 1.0), 5, 1, -110.0)
    {'bic': 200.0, 'aic': 210.0, 'aicc': inf, 'icl': 202.0, 'nec': 0.1}
    """
    return {one.name: one.value(totals, n_parameters, n, loglik_of_one) for one in _ALL if one.value}


def best_possible(criterion: str, loglik: float, n_parameters: int, n: float) -> float:
    """Return the smallest value that a criterion can have at a log-likelihood; it falls as the likelihood rises.

    It is the criterion itself for those that the likelihood alone decides, BIC for ICL, which is never below it, and −∞
    for NEC and held-out likelihood, which the likelihood does not bound.

    Examples
    --------
    >>> best_possible("icl", -100.0, 5, 1), best_possible("nec", -100.0, 5, 1)
    (200.0, -inf)
    """
    value, per_nat = CRITERION[criterion].value, CRITERION[criterion].per_nat
    return value(Totals(loglik, loglik, 0.0), n_parameters, n, None) if value and per_nat else -inf


def title(criterion: str) -> str:
    """Return the name of a criterion as it is printed."""
    return CRITERION[criterion].title


def adjusted_rand_index(counts: ArrayLike) -> float:
    """Return the adjusted Rand index of a cross-table.

    Parameters
    ----------
    counts : array-like of shape (n_labels, K)
        Rows of each label in each component. Weights count as numbers of rows, so they must be on that scale.

    Returns
    -------
    float
        1 for identical partitions, 0 in expectation for independent ones.

    References
    ----------
    L. Hubert, P. Arabie (1985). Comparing partitions. *Journal of Classification* 2, 193-218, equation 5.

    Examples
    --------
    >>> round(adjusted_rand_index([[9, 1], [0, 10]]), 3)
    0.8
    """
    try:
        table = np.asarray(counts)
    except ValueError:  # rows of several lengths
        table = np.empty(0)
    table = table.astype(np.float64) if table.dtype.kind in "biuf" else np.empty(0)
    if table.ndim != 2 or not (np.isfinite(table) & (table >= 0)).all():
        raise ValueError(f"expected counts of rows, a table of labels and components, got {excerpt(counts)}")
    together = _pairs(table)
    by_label, by_component = _pairs(table.sum(axis=1)), _pairs(table.sum(axis=0))
    every = _pairs(table.sum())
    expected = by_label * by_component / every if every else 0.0
    largest = 0.5 * (by_label + by_component)
    return 1.0 if largest == expected else (together - expected) / (largest - expected)


adjusted_rand_index.__module__ = "gmm.inference"


def cross_table(
    labels: NDArray[np.intp],
    others: NDArray[np.intp],
    shape: tuple[int, int],
    weight: NDArray[np.number] | None = None,
) -> NDArray[np.number]:
    """Return how many rows, or how much of their weight, have two labels; −1 is the last."""
    cells = np.ravel_multi_index((labels, others), shape, mode="wrap")
    return np.bincount(cells, weight, shape[0] * shape[1]).reshape(shape)


def _pairs(counts: NDArray[np.number]) -> float:
    sizes = np.asarray(counts, dtype=np.float64)
    return float(np.sum(sizes * (sizes - 1.0)) / 2.0)
