"""The split likelihood ratio and the stability of partitions, against their definitions and what they promise."""

from itertools import permutations

import numpy as np
import pytest
from scipy.special import logsumexp

import reference
from gmm import GaussianMixture
from gmm.inference import SplitLRT, Stability, split_lrt, stability
from inside import _disagreement, _log_ratios
from tables import refused

rng = np.random.default_rng(0)
GROUPS = np.concatenate([rng.normal(-4, 1, (60, 2)), rng.normal(4, 1, (40, 2))])
FEW = {"n_splits": 4, "n_init": 2, "random_state": 0}


def log_likelihood(rows, mixture):
    joint = reference.log_joint(rows, mixture.weights_, mixture.means_, mixture.covariances_)
    return logsumexp(joint, axis=1).sum()


def test_log_ratios_are_those_of_the_definition():
    half, other = GROUPS[::2], GROUPS[1::2]
    nulls, alternatives = ([GaussianMixture(K, random_state=0).fit(rows) for K in (1, 2, 3)] for rows in (half, other))
    ratios = _log_ratios(nulls, alternatives, half, other, [1, 2])
    parameters = np.array([5, 11, 17])
    bic = [p * np.log(50) - 2 * log_likelihood(other, each) for p, each in zip(parameters, alternatives, strict=True)]
    for ratio, K in zip(ratios, (1, 2), strict=True):
        best = alternatives[K + int(np.argmin(bic[K:]))]
        highest = max(log_likelihood(half, null) for null in nulls[:K])
        assert ratio == pytest.approx(log_likelihood(half, best) - highest, abs=1e-8)


def test_two_groups_are_no_single_component():
    test = split_lrt(GROUPS, range(1, 4), **FEW)
    assert test.p_values[0] < 1e-6
    np.testing.assert_array_equal(test.p_values[1:], 1)
    np.testing.assert_array_equal(test.confidence_set(), [2, 3])
    holed = GROUPS.copy()
    holed[::7, 0] = np.nan
    refused("NaN", split_lrt, holed, 1, **FEW)
    assert split_lrt(holed, 1, **FEW, missing="em").p_values[0] < 1e-6


def test_e_values_are_at_most_one_on_average_where_components_suffice():
    draws = np.random.default_rng(1)
    values = [
        split_lrt(draws.normal(size=(40, 1)), 1, n_splits=2, n_init=1, random_state=0).e_values[0] for _ in range(60)
    ]
    assert np.mean(values) < 1
    assert max(values) < 20


def test_means_are_over_splits_and_do_not_overflow():
    test = SplitLRT(np.array([1, 2]), np.array([[0.0, np.log(3.0)], [2000.0, 0.0]]), 2)
    np.testing.assert_allclose(test.e_values, [2, np.inf])
    np.testing.assert_allclose(test.p_values, [0.5, 0])
    assert "at most  1 component : e = 2, p ≤ 0.5" in repr(test)


def test_the_callback_sees_the_splits_so_far_and_ends_the_test():
    seen = []
    test = split_lrt(GROUPS, 1, **FEW, callback=lambda so_far: seen.append(so_far) or len(seen) == 2)
    assert [each.splits.shape for each in seen] == [(1, 1), (1, 2)]
    assert "2 of 4 splits" in repr(test)


@pytest.mark.parametrize("K", [2, 3, 5])
def test_disagreement_is_that_after_the_best_renumbering(K):
    draws = np.random.default_rng(K)
    labels, others = draws.integers(K, size=(2, 40))
    least = min(np.mean(np.array(order)[labels] != others) for order in permutations(range(K)))
    assert _disagreement(labels, others, K) == pytest.approx(least)
    assert _disagreement(labels, (labels + 1) % K, K) == 0


def test_the_groups_that_are_there_come_back():
    draws = np.random.default_rng(0)
    rows = np.concatenate([draws.normal(centre, 1, (60, 2)) for centre in (-8, 0, 8)])
    result = stability(rows, [2, 3, 4], **FEW)
    assert result.best == 3
    assert result.curve[1] == 0
    assert result.curve[2] > 0.1
    assert "★  3 components: 0.000 ± 0.000" in repr(result)
    assert Stability(np.array([2, 3, 4]), np.array([[0.0], [0.0], [0.2]]), 1).best == 3  # the largest of equal ones
    of_one = stability(np.random.default_rng(0).normal(size=(200, 2)), 4, **FEW)
    assert 0.3 < of_one.curve[0] < 1.2


def test_noise_is_a_label_of_its_own():
    labels = np.array([-1, 0, 1, 1])
    assert _disagreement(labels, np.array([-1, 1, 0, 0]), 2) == 0
    assert _disagreement(labels, np.array([0, 1, -1, -1]), 2) == 0
    assert _disagreement(labels, np.array([1, 1, 0, 0]), 2) == 0.25
    assert stability(GROUPS, 2, **FEW, noise=True).curve[0] < 0.2


def test_neither_threads_nor_units_nor_other_numbers_change_anything():
    for call, counts in ((split_lrt, 1), (stability, [2, 3])):
        one, *several = (call(GROUPS, counts, **FEW, n_threads=n).splits for n in (1, 2, 3))
        for other in several:
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(stability(GROUPS * 1024, 2, **FEW).splits, one[:1])
    np.testing.assert_array_equal(stability(GROUPS, 3, **FEW).splits, one[1:])
    plain, scaled = (split_lrt(rows, 1, **FEW, reg_covar=0) for rows in (GROUPS, GROUPS * 1024 + 4096))
    np.testing.assert_allclose(plain.splits, scaled.splits, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "part"),
    [
        (lambda: split_lrt(GROUPS, 0), ValueError, "n_components"),
        (lambda: stability(GROUPS, [1, 2]), ValueError, "n_components"),
        (lambda: stability(GROUPS, 2, colour=1), TypeError, "stability has no parameter 'colour'"),
        (lambda: split_lrt(GROUPS, 60), ValueError, "61"),
        (lambda: split_lrt(GROUPS, 1, n_splits=0), ValueError, "n_splits"),
        (lambda: split_lrt(GROUPS, 1, means_init=[[0, 0]]), TypeError, "means_init applies to a single fit.*split_lrt"),
        (lambda: split_lrt(GROUPS, 1, colour=1, prior=1), TypeError, "split_lrt has no parameter 'colour'"),
        (lambda: split_lrt(None, 1, callback=1), TypeError, "callback"),
        (lambda: split_lrt(GROUPS, 1, **FEW).confidence_set(1), ValueError, "level"),
    ],
)
def test_wrong_input(call, error, part):
    refused(part, call, error=error)
