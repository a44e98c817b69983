"""Criteria against their formulas and against published numbers."""

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmm import criteria

logliks = st.floats(-1e9, 1e9)
sizes = st.integers(1, 10**6)
rows = st.floats(1, 1e9)


def test_bic_of_old_faithful_is_the_published_one():
    # mclust on Old Faithful, EEE with 3 and VVV with 2 components; mclust prints the negative.
    assert criteria.bic(-1126.326, 11, 272) == pytest.approx(2314.316, abs=2e-3)
    assert criteria.bic(-1130.264068, 11, 272) == pytest.approx(2322.191959, abs=1e-6)


def test_aic_counts_two_per_parameter():
    assert criteria.aic(-1130.264068, 11) == pytest.approx(2260.528136 + 22)


@given(logliks, logliks, sizes, rows)
def test_every_criterion_is_evaluated(loglik, classification, p, n):
    assert criteria.evaluate(loglik, classification, p, n) == {
        "bic": -2 * loglik + p * log(n),
        "aic": -2 * loglik + 2 * p,
        "icl": -2 * classification + p * log(n),
    }
    assert tuple(criteria.evaluate(loglik, classification, p, n)) == criteria.CRITERIA


@given(logliks, sizes, rows)
def test_a_better_fit_and_fewer_parameters_are_smaller(loglik, p, n):
    assert criteria.bic(loglik + 1, p, n) <= criteria.bic(loglik, p, n)
    assert criteria.bic(loglik, p, n) <= criteria.bic(loglik, p + 1, n)
    assert criteria.aic(loglik, p) <= criteria.aic(loglik, p + 1)
