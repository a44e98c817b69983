"""Weights are counts: whole ones say how often rows occur, for searches and all that compares numbers of components."""

import numpy as np
import pytest

import gmm
from gmm import select
from gmm.inference import split_lrt, stability

rng = np.random.default_rng(3)
X = np.concatenate([rng.normal(0, 1, (40, 2)), rng.normal(3, 1.2, (30, 2))])
COUNTS = rng.integers(1, 4, len(X))
GAPS = np.where(rng.uniform(size=X.shape) < 0.1, np.nan, X)[~(rng.uniform(size=X.shape) < 0.1).all(axis=1)]
GAPS[np.isnan(GAPS).all(axis=1)] = 0.0
FOUR = ["EII", "VVI", "EEE", "VVV"]
SEARCHES = {
    "every model": {},
    "tails": {"covariance_type": FOUR, "tails": ["normal", "t", "contaminated"]},
    "factors": {"covariance_type": ["factor1", "ppca1"]},
    "prior": {"covariance_type": FOUR, "prior": "conjugate"},
    "moves": {"covariance_type": FOUR, "refine": "split-merge"},
    "gaps": {"rows": GAPS, "missing": "em", "covariance_type": FOUR},
    "gaps beside noise": {"rows": GAPS, "missing": "em", "covariance_type": FOUR, "noise": True, "criterion": "nec"},
    "known components": {"covariance_type": "full", "fixed": {"means": True}, "means_init": [[0, 0]]},
    **{criterion: {"covariance_type": FOUR, "criterion": criterion} for criterion in ("aic", "aicc", "icl", "nec")},
    "held_out": {"covariance_type": FOUR, "criterion": "held_out"},
}


def assert_same(one, other):
    assert (one.status, one.best_index) == (other.status, other.best_index)
    for name in one.criteria:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-7, err_msg=name)
    np.testing.assert_allclose(one.best.means_, other.best.means_, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_takes_weights_for_counts(name):
    how = {"n_components": range(1, 4), "random_state": 0} | SEARCHES[name]
    rows = how.pop("rows", X)
    counts = COUNTS[: len(rows)]
    assert_same(select(rows, sample_weight=counts, **how), select(np.repeat(rows, counts, axis=0), **how))


def test_tables_of_few_distinct_rows_take_weights_for_counts():
    """Cells differed by 42 of BIC, since the effective number of rows was less than their weight."""
    draws = [np.random.default_rng(0).normal(0, 1, 700), np.random.default_rng(1).normal(6, 1.5, 500)]
    ties = np.unique(np.round(np.concatenate(draws) * 5) / 5, return_counts=True)
    how = {"n_components": range(1, 6), "random_state": 0}
    for rows, counts in (ties, (np.array([0.0, 1.0, 2.5]), [10, 20, 15])):
        assert_same(select(rows[:, None], sample_weight=counts, **how), select(np.repeat(rows, counts)[:, None], **how))


def test_halves_and_classes_take_weights_for_counts():
    repeated, y = np.repeat(X, COUNTS, axis=0), np.repeat([0, 1], [40, 30])
    for call in (split_lrt, stability):
        how = {"n_splits": 3, "random_state": 0}
        one, other = call(X, [2, 3], sample_weight=COUNTS, **how), call(repeated, [2, 3], **how)
        np.testing.assert_array_equal(one.splits, other.splits)
    how = {"random_state": 0, "covariance_type": FOUR, "criterion": "bic"}
    one = gmm.MixtureClassifier([1, 2], **how).fit(X, y, sample_weight=COUNTS)
    other = gmm.MixtureClassifier([1, 2], **how).fit(repeated, np.repeat(y, COUNTS))
    assert one.bic_ == pytest.approx(other.bic_, rel=1e-9)


def test_weights_that_sum_to_one_are_told_to_be_one_row():
    told = r"weights add up to 1, fewer than the \d+ free parameters .* multiply them by 70, so that their mean is 1"
    search = gmm.GaussianMixtureSearch([1, 2], "full", random_state=0)
    for model in (search, gmm.BayesianGaussianMixture(n_components=2, random_state=0)):
        with pytest.warns(UserWarning, match=told):
            model.fit(X, sample_weight=np.full(len(X), 1 / len(X)))
