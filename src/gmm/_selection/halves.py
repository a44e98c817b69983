"""`split_lrt` and `stability`: what fits to halves of the rows say about the number of components."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.mixture import GaussianMixture
from gmm._exceptions import ConvergenceWarning
from gmm._fitting.sampling import common_seed
from gmm._passes.e_step import replicated
from gmm._public import publish
from gmm._selection.held_out import counted_rows
from gmm._selection.request import check_comparable, requested_components
from gmm._selection.resampling import Seed, checked_rows
from gmm._selection.standard import comparable_fits
from gmm._validation.combinations import refuse
from gmm._validation.parameters import check_callback
from gmm._validation.rows import check_enough_rows
from gmm._validation.scalars import check_real, check_whole
from gmm._values.covariance import DEFAULT_COVARIANCE_TYPE
from gmm._values.layouts import Array

Rows = NDArray[Any]
Halves = tuple[Rows, Rows]
Fits = tuple[Sequence[GaussianMixture], Sequence[GaussianMixture]]
_Result = TypeVar("_Result", "SplitLRT", "Stability")

_RANDOM_LABELS = 20  # pairs of random labellings; disagreements are in units of their mean


@dataclass(frozen=True, eq=False, repr=False)
class _Splits:
    """A number for each K and each random split into halves; fewer splits if a callback ended the work."""

    n_components: NDArray[np.intp]
    splits: Array
    n_splits: int

    @property
    def _heading(self) -> str:
        made = self.splits.shape[1]
        of = "" if made == self.n_splits else f" of {self.n_splits}"
        return f"{type(self).__name__}, mean of {made}{of} split{'s' if self.n_splits > 1 else ''}"


class SplitLRT(_Splits):
    """E-values against "at most K components", for each K.

    Attributes
    ----------
    n_components : ndarray of int, shape (m,)
        The numbers K.
    splits : ndarray of float64, shape (m, n_splits)
        Natural logarithms of the e-values of each split, which are means of both directions.
    n_splits : int
        Number of splits requested; fewer were made if the callback ended the test.
    """

    @property
    def e_values(self) -> Array:
        """Mean e-value over the splits, (m,): its expectation is at most 1 if K components suffice."""
        with np.errstate(over="ignore"):
            return np.exp(np.logaddexp.reduce(self.splits, axis=1)) / self.splits.shape[1]

    @property
    def p_values(self) -> Array:
        """min(1, 1 / e-value), (m,): below α with a probability of at most α if K components suffice."""
        with np.errstate(divide="ignore"):
            return np.minimum(1.0, 1 / self.e_values)

    def confidence_set(self, level: float = 0.95) -> NDArray[np.intp]:
        """Return the numbers K not rejected at this confidence level, in increasing order.

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
        lines = [self._heading]
        for K, e, p in zip(self.n_components, self.e_values, self.p_values, strict=True):
            lines.append(f"at most {K:2d} component{'s' if K > 1 else ' '}: e = {e:.3g}, p ≤ {p:.3g}")
        return "\n".join(lines)


class Stability(_Splits):
    """Disagreement between partitions of the same rows by fits to other rows, for each number of components.

    Attributes
    ----------
    n_components : ndarray of int, shape (m,)
        The numbers K, at least 2.
    splits : ndarray of float64, shape (m, n_splits)
        Share of rows with another label, after the best renumbering, over that share for random labels: 0 where the
        partition comes back, 1 where it is as good as random.
    n_splits : int
        Number of splits requested; fewer were made if the callback ended the work.
    """

    @property
    def curve(self) -> Array:
        """Mean disagreement of each K, (m,); small is stable."""
        return self.splits.mean(axis=1)

    @property
    def standard_errors(self) -> Array:
        """Standard errors of `curve` from the spread of the splits, (m,); NaN for a single split."""
        n = self.splits.shape[1]
        return self.splits.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else np.full(len(self.curve), np.nan)

    @property
    def best(self) -> int:
        """The most stable K; the largest of equals."""
        return int(self.n_components[np.flatnonzero(self.curve == self.curve.min())[-1]])

    def __repr__(self) -> str:
        """Return the curve, and its smallest value."""
        lines = [f"{self._heading} (0 is stable, 1 random)"]
        for K, value, error in zip(self.n_components, self.curve, self.standard_errors, strict=True):
            lines.append(f"{'★' if self.best == K else ' '} {K:2d} components: {value:.3f} ± {error:.3f}")
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
    sample_weight: ArrayLike | None = None,
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
    sample_weight : array-like of int of shape (n,), default=None
        How often each row occurs.
    callback : callable, default=None
        Called with the `SplitLRT` so far after each split. If it returns True, the test ends with these splits.
    **parameters
        Other parameters of `GaussianMixture`, the same for all fits. The defaults are ``tol=1e-5, max_iter=1000``,
        and `reg_covar` is in the units of the columns, as in `select`.

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
    >>> bool(test.p_values[0] < 1e-6)
    True
    >>> test.confidence_set()
    array([2, 3])
    """
    callback = check_callback(callback)
    check_comparable(parameters, split_lrt.__name__)
    noise, prior = parameters.get("noise", False), parameters.get("prior")
    refuse("split_lrt", {"a prior": prior is not None, "noise": noise is not False})
    numbers = _numbers(n_components, 1)
    all_numbers = sorted({*numbers, *range(numbers[0] + 1, numbers[-1] + 2)})
    return _of_each_split(
        SplitLRT(np.array(numbers), np.empty((len(numbers), 0)), n_splits),
        callback,
        split_lrt.__name__,
        (X, sample_weight),
        all_numbers,
        {"covariance_type": covariance_type, "n_init": n_init} | parameters,
        partial(_log_e_values, numbers=numbers),
        random_state=random_state,
        n_threads=n_threads,
    )


def stability(
    X: Any,
    n_components: int | Iterable[int],
    *,
    covariance_type: str = DEFAULT_COVARIANCE_TYPE,
    n_splits: int = 20,
    n_init: int = 3,
    random_state: Seed = None,
    n_threads: int | None = None,
    sample_weight: ArrayLike | None = None,
    callback: Callable[[Stability], object] | None = None,
    **parameters: Any,
) -> Stability:
    """Measure how well a partition is reproduced from other rows (Lange, Roth, Braun & Buhmann 2004).

    The rows are split into halves at random, and a mixture is fitted to each. Both label the rows of the second half;
    the share of rows on which they disagree, after the best renumbering, is divided by that of random labels, so that
    numbers of components can be compared. It says nothing of K = 1, and prefers few, well separated groups: where
    clusters overlap, it counts fewer than there are. Heavy tails, for which BIC adds components, do not mislead it.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d)
        The rows.
    n_components : int or iterable of int
        The numbers K to compare, at least 2.
    covariance_type : str, default="full"
        The covariance type of all mixtures.
    n_splits : int, default=20
        Number of random splits into halves.
    n_init : int, default=3
        Number of starts of each fit.
    random_state : int, RandomState, Generator or None, default=None
        Seed of splits and starts. Anything but an int is drawn from once.
    n_threads : int or None, default=None
        Number of threads; None uses all available cores. The result does not depend on it.
    sample_weight : array-like of int of shape (n,), default=None
        How often each row occurs.
    callback : callable, default=None
        Called with the `Stability` so far after each split. If it returns True, the work ends with these splits.
    **parameters
        Other parameters of `GaussianMixture`, the same for all fits. The defaults are ``tol=1e-5, max_iter=1000``,
        and `reg_covar` is in the units of the columns, as in `select`.

    Returns
    -------
    Stability
        The disagreement of every split, their means, and the most stable K.

    Raises
    ------
    ValueError
        If the data or a number are invalid, or halves have fewer rows than components.
    TypeError
        If `GaussianMixture` has no such parameter, or it applies to a single fit.

    References
    ----------
    T. Lange, V. Roth, M. L. Braun & J. M. Buhmann (2004). Stability-based validation of clustering solutions. *Neural
    Computation* 16, 1299-1323; equations 5 (disagreement) and 13 (random labels).

    Examples
    --------
    >>> import numpy as np
    >>> from gmm.inference import stability
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(centre, 1, (100, 1)) for centre in (-8, 0, 8)])
    >>> stability(X, range(2, 6), random_state=0).best
    3
    """
    callback = check_callback(callback)
    check_comparable(parameters, stability.__name__)
    numbers = _numbers(n_components, 2)
    return _of_each_split(
        Stability(np.array(numbers), np.empty((len(numbers), 0)), n_splits),
        callback,
        stability.__name__,
        (X, sample_weight),
        numbers,
        {"covariance_type": covariance_type, "n_init": n_init} | parameters,
        _disagreements,
        random_state=random_state,
        n_threads=n_threads,
    )


def _of_each_split(
    result: _Result,
    callback: Callable[[_Result], object] | None,
    caller: str,
    table: tuple[Any, Any],
    numbers: Sequence[int],
    parameters: dict[str, Any],
    measure: Callable[[Halves, Fits], Array],
    *,
    random_state: Seed,
    n_threads: int | None,
) -> _Result:
    """Return a result with a measure of the fits to both halves of each split, in order, until a callback ends it."""
    rows = counted_rows(checked_rows(*table, caller, parameters.get("missing", "error"))[0], caller)
    check_enough_rows(len(rows) // 2, numbers[-1])
    rng = np.random.default_rng(common_seed(random_state))
    seeds = rng.integers(2**31, size=check_whole(result.n_splits, "n_splits")).tolist()
    rows, settings, _ = comparable_fits(rows, parameters)

    def measured(seed: int, n_threads: int | None) -> Array:
        order = np.random.default_rng(seed).permutation(len(rows))
        one, other = (rows[np.sort(part)] for part in np.array_split(order, 2))
        how = settings | {"random_state": seed, "n_threads": n_threads}
        return measure((one, other), (_fits(one, numbers, how), _fits(other, numbers, how)))

    work = float(len(rows) / 2 * numbers[-1] * rows.shape[1] ** 2)
    with closing(replicated(measured, seeds, work=work, n_threads=n_threads)) as values:
        for column in values:
            result = replace(result, splits=np.column_stack([result.splits, column]))
            result.splits.flags.writeable = False
            if callback is not None and callback(result):
                break
    return result


def _fits(half: Rows, numbers: Sequence[int], how: dict[str, Any]) -> list[GaussianMixture]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return [GaussianMixture(K, **how).fit(half) for K in numbers]


def _numbers(n_components: int | Iterable[int], least: int) -> list[int]:
    numbers = sorted(requested_components(n_components))
    check_whole(numbers[0], "n_components", least)
    return numbers


def _log_e_values(halves: Halves, fits: Fits, numbers: Sequence[int]) -> Array:
    """Return log e-values of one split, (m,), averaged over its two directions (Wasserman et al., equation 8)."""
    one, other = (_log_ratios(fits[i], fits[1 - i], halves[i], halves[1 - i], numbers) for i in range(2))
    return np.asarray(np.logaddexp(one, other) - np.log(2))


def _log_ratios(
    nulls: Sequence[GaussianMixture],
    alternatives: Sequence[GaussianMixture],
    half: NDArray[Any],
    other: NDArray[Any],
    numbers: Sequence[int],
) -> Array:
    """Return log likelihood ratios on a half, (m,), to `nulls` that are fitted there (equation 6).

    Each alternative is fitted to the other half, and the one of the best BIC there is compared.
    """
    likelihoods = {null.n_components: null.log_likelihood(half) for null in nulls}
    highest = {K: max(value for n, value in likelihoods.items() if n <= K) for K in numbers}
    scores = [(each.bic(other), each.log_likelihood(half), each.n_components) for each in alternatives]
    return np.array([min(score for score in scores if score[2] > K)[1] - highest[K] for K in numbers])


def _disagreements(halves: Halves, fits: Fits) -> Array:
    """Return the disagreement of both fits about the second half, (m,), over that of random labels (Lange et al.)."""
    half, shares = halves[1], []
    for one, other in zip(*fits, strict=True):
        K = one.n_components
        draws = np.random.default_rng([len(half), K])
        pairs = draws.integers(K, size=(_RANDOM_LABELS, 2, len(half)))
        by_chance = [_disagreement(first, second, K) for first, second in pairs]
        shares.append(_disagreement(one.predict(half), other.predict(half), K) / np.mean(by_chance))
    return np.array(shares)


def _disagreement(labels: NDArray[np.intp], others: NDArray[np.intp], n_components: int) -> float:
    """Return the smallest share of rows with another label that a renumbering leaves (equation 5)."""
    from scipy.optimize import linear_sum_assignment

    together = np.zeros((n_components + 1, n_components + 1))  # −1, of noise, is the last
    np.add.at(together, (labels, others), 1)
    return float(1 - together[linear_sum_assignment(-together)].sum() / len(labels))


publish("gmm.inference", [SplitLRT, Stability, split_lrt, stability])
