"""`split_lrt`: evidence against a number of components that holds at any sample size, by universal inference."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.mixture import GaussianMixture
from gmm._exceptions import ConvergenceWarning
from gmm._fitting.fit import COMPARISON_DEFAULTS
from gmm._fitting.seeds import common_seed
from gmm._passes.threads import replicated
from gmm._public import publish
from gmm._rows.entrance import as_one_array, as_source
from gmm._selection.resampling import check_comparable
from gmm._validation.combinations import refusal
from gmm._validation.parameters import check_callback
from gmm._validation.rows import check_enough_rows
from gmm._validation.scalars import check_real, check_whole, is_whole
from gmm._values.covariance import DEFAULT_COVARIANCE_TYPE
from gmm._values.layouts import Array

__all__ = ["SplitLRT", "split_lrt"]

Seed = int | np.random.RandomState | np.random.Generator | None


@dataclass(frozen=True, eq=False, repr=False)
class SplitLRT:
    """E-values against "at most K components", for each K that was asked for.

    Attributes
    ----------
    n_components : ndarray of int, shape (m,)
        The numbers K.
    log_e_values : ndarray of float64, shape (m, n_splits)
        Natural logarithm of the e-value of each split, the mean of both its directions.
    n_splits : int
        Number of splits requested; fewer were made if the callback ended the test.
    """

    n_components: NDArray[np.intp]
    log_e_values: Array
    n_splits: int

    @property
    def e_values(self) -> Array:
        """Mean e-value over the splits, (m,): its expectation is at most 1 if K components suffice."""
        with np.errstate(over="ignore"):
            return np.exp(np.logaddexp.reduce(self.log_e_values, axis=1)) / self.log_e_values.shape[1]

    @property
    def p_values(self) -> Array:
        """min(1, 1 / e-value), (m,): below α with a probability of at most α if K components suffice."""
        with np.errstate(divide="ignore"):
            return np.minimum(1.0, 1 / self.e_values)

    def confidence_set(self, level: float = 0.95) -> NDArray[np.intp]:
        """Return the numbers K that are not rejected at this confidence level, in increasing order.

        With probability `level` at least, the smallest number that suffices is none of those left out. Numbers above
        the largest K that was tested are never ruled out.

        Raises
        ------
        ValueError
            If `level` is not between 0 and 1.
        """
        return self.n_components[self.p_values > 1 - check_real(level, "level", "(0, 1)")]

    def __repr__(self) -> str:
        """Return the e-value of each K."""
        of = self.log_e_values.shape[1]
        splits = f"{of} splits" if of == self.n_splits else f"{of} of {self.n_splits} splits"
        lines = [f"SplitLRT, mean of {splits}"]
        for K, e, p in zip(self.n_components, self.e_values, self.p_values, strict=True):
            lines.append(f"at most {K:2d} component{'s' if K > 1 else ' '}: e = {e:.3g}, p ≤ {p:.3g}")
        return "\n".join(lines)


def split_lrt(
    X: Any,
    n_components: int | Iterable[int],
    *,
    covariance_type: str = DEFAULT_COVARIANCE_TYPE,
    n_splits: int = 20,
    n_init: int = 5,
    random_state: Seed = None,
    n_threads: int | None = None,
    callback: Callable[[SplitLRT], object] | None = None,
    **parameters: Any,
) -> SplitLRT:
    """Test "at most K components" by the split likelihood ratio (Wasserman, Ramdas & Balakrishnan 2020).

    The rows are split into halves at random. Mixtures with more than K components are fitted to one half, and the one
    of the best BIC is compared, on the other half, with the mixture of K components that is most likely there: the
    ratio of likelihoods, averaged over both directions and all splits, is an e-value. If K components suffice, its
    expectation is at most 1, so it exceeds 1 / α with a probability of at most α: without a bootstrap, for any number
    of rows. That guarantee costs power, a half of the rows and more: where components overlap, an e-value below 1 / α
    says little. To choose K, use `select`; to find out whether a component more is significant, `bootstrap_lrt` sees
    it earlier.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d)
        The rows; they must be independent.
    n_components : int or iterable of int
        The numbers K to test. Alternatives to each have K + 1 components to one more than the largest.
    covariance_type : str, default="full"
        The covariance type of all mixtures: the test is one within that model.
    n_splits : int, default=20
        Number of random splits into halves.
    n_init : int, default=5
        Number of starts of each fit. A fit of K components that misses the highest likelihood overstates the evidence.
    random_state : int, RandomState, Generator or None, default=None
        Seed of splits and starts. Anything but an int is drawn from once.
    n_threads : int or None, default=None
        Number of threads; None uses all available cores. The result does not depend on it.
    callback : callable, default=None
        Called with the `SplitLRT` so far after each split. If it returns True, the test ends with these splits.
    **parameters
        Other parameters of `GaussianMixture`, the same for all fits. The defaults are ``tol=1e-5, max_iter=1000``.

    Returns
    -------
    SplitLRT
        The e-values of all splits, their means, p-values, and a confidence set for K.

    Raises
    ------
    ValueError
        If the data or a number are invalid, or halves have fewer rows than components. If a fit fails, a note on the
        error names the split.
    TypeError
        If `GaussianMixture` has no such parameter, or it applies to a single fit.

    References
    ----------
    L. Wasserman, A. Ramdas & S. Balakrishnan (2020). Universal inference. *Proceedings of the National Academy of
    Sciences* 117, 16880-16890; equations 6 (split) and 8 (both directions), section 6 (mixtures).

    Examples
    --------
    >>> import numpy as np
    >>> from gmm.inference import split_lrt
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (100, 1)), rng.normal(4, 1, (100, 1))])
    >>> test = split_lrt(X, range(1, 4), random_state=0)
    >>> test.p_values[0] < 1e-6
    True
    >>> test.confidence_set()
    array([2, 3])
    """
    check_callback(callback)
    tested = _numbers(n_components)
    check_comparable(parameters, split_lrt.__name__)
    if parameters.get("prior") is not None:
        raise refusal("a prior", "split_lrt")
    if parameters.get("noise", False) is not False:
        raise refusal("noise", "split_lrt")
    source, _ = as_source(X, None, estimator=split_lrt.__name__, min_rows=2, missing=parameters.get("missing", "error"))
    rows = as_one_array(source, split_lrt.__name__, gaps=True).rows
    check_enough_rows(len(rows) // 2, tested[-1] + 1)
    how = COMPARISON_DEFAULTS | parameters | {"covariance_type": covariance_type, "n_init": n_init}
    rng = np.random.default_rng(common_seed(random_state))
    seeds = rng.integers(2**31, size=check_whole(n_splits, "n_splits")).tolist()

    def evidence(seed: int, threads: int | None) -> Array:
        return _evidence_of_split(rows, tested, seed, how | {"n_threads": threads})

    test = SplitLRT(np.array(tested), np.empty((len(tested), 0)), len(seeds))
    work = float(len(rows) / 2 * (tested[-1] + 1) * rows.shape[1] ** 2)
    with closing(replicated(evidence, seeds, work=work, n_threads=n_threads)) as splits:
        for values in splits:
            test = replace(test, log_e_values=np.column_stack([test.log_e_values, values]))
            test.log_e_values.flags.writeable = False
            if callback is not None and callback(test):
                break
    return test


def _numbers(n_components: int | Iterable[int]) -> list[int]:
    listed = [n_components] if is_whole(n_components) or not isinstance(n_components, Iterable) else list(n_components)
    if not listed:
        raise ValueError("n_components: expected at least one number of components, got none")
    return sorted({check_whole(number, "n_components") for number in listed})


def _evidence_of_split(rows: NDArray[Any], tested: Sequence[int], seed: int, how: dict[str, Any]) -> Array:
    """Return log e-values of one split, (m,), averaged over its two directions (equation 8)."""
    dealt = np.random.default_rng(seed).permutation(len(rows))
    halves = [rows[np.sort(part)] for part in np.array_split(dealt, 2)]
    numbers = sorted({*tested, *range(tested[0] + 1, tested[-1] + 2)})
    fits = [[_fit(half, K, seed, how) for K in numbers] for half in halves]
    one, other = (_log_ratios(fits[i], fits[1 - i], halves[i], halves[1 - i], tested) for i in range(2))
    return np.logaddexp(one, other) - np.log(2)


def _fit(half: NDArray[Any], n_components: int, seed: int, how: dict[str, Any]) -> GaussianMixture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianMixture(n_components, **how | {"random_state": seed}).fit(half)


def _log_ratios(
    nulls: Sequence[GaussianMixture],
    alternatives: Sequence[GaussianMixture],
    half: NDArray[Any],
    other: NDArray[Any],
    tested: Sequence[int],
) -> Array:
    """Return log likelihood ratios on a half, (m,), to `nulls` that are fitted there (equation 6).

    Each alternative is fitted to the other half, and the one of the best BIC there is compared.
    """
    highest = {K: max(null.log_likelihood(half) for null in nulls if null.n_components <= K) for K in tested}
    scores = [(each.bic(other), each.log_likelihood(half), each.n_components) for each in alternatives]
    return np.array([min(score for score in scores if score[2] > K)[1] - highest[K] for K in tested])


publish("gmm.inference", [SplitLRT, split_lrt])
