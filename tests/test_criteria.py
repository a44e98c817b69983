"""Criteria against their formulas and against published numbers."""

from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import strategies as st

from gmm import GaussianMixture
from inside import COVARIANCE_TYPES, FULL, ArraySource, EStep, Scorer, criteria

logliks = st.floats(-1e9, 1e9)
sizes = st.integers(1, 10**6)
rows = st.floats(1, 1e9)

rng = np.random.default_rng(0)
X = np.concatenate([rng.normal(-1.5, 1, (120, 3)), rng.normal(1.5, [0.5, 1, 2], (80, 3))])
WEIGHTS = rng.integers(1, 4, len(X)).astype(float)


def test_bic_and_aic_of_old_faithful_are_the_published_ones():
    # mclust on Old Faithful, EEE with 3 and VVV with 2 components; mclust prints the negative.
    assert criteria.bic(-1126.326, 11, 272) == pytest.approx(2314.316, abs=2e-3)
    assert criteria.bic(-1130.264068, 11, 272) == pytest.approx(2322.191959, abs=1e-6)
    assert criteria.aic(-1130.264068, 11) == pytest.approx(2260.528136 + 22)
    with pytest.raises(KeyError):  # what is not in the table has no least value either
        criteria.least("dic", -100.0, 5, 50)


def test_aicc_is_published_one_and_infinite_for_too_few_rows():
    # Hurvich & Tsai (1989), with σ² among the p parameters: AIC + 2 p (p + 1) / (n − p − 1).
    assert criteria.aicc(-40.0, 3, 10) == pytest.approx(86 + 24 / 6)
    assert criteria.aicc(-40.0, 3, 4) == criteria.aicc(-40.0, 3, 2) == inf
    assert criteria.aicc(-40.0, 3, 4.1) < inf


def test_nec_of_one_component_is_1_and_of_several_that_gain_nothing_infinite():
    assert criteria.nec(0.0, -150.0, -150.0) == 1
    assert criteria.nec(0.0, -150.0, -150.0 * (1 + 1e-14)) == 1
    assert criteria.nec(2.0, -150.0, -150.0) == criteria.nec(2.0, -151.0, -150.0) == inf
    assert criteria.nec(0.0, -100.0, -150.0) == 0
    assert isnan(criteria.nec(nan, -100.0, -150.0))
    assert isnan(criteria.nec(1.0, -100.0, nan))


def entropy(mixture, rows, weights):
    shares = mixture.predict_proba(rows).astype(np.float64)
    logs = np.log(shares, where=shares > 0, out=np.zeros_like(shares))
    return -float(weights @ (shares * logs).sum(axis=1))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", COVARIANCE_TYPES)
def test_the_methods_are_the_formulas(name, dtype):
    rows = X.astype(dtype)
    mixture = GaussianMixture(3, covariance_type=name, random_state=0).fit(rows, sample_weight=WEIGHTS)
    one = GaussianMixture(1, covariance_type=name).fit(rows, sample_weight=WEIGHTS)
    loglik, of_one = (fitted.log_likelihood(rows, WEIGHTS) for fitted in (mixture, one))
    p, n = mixture.n_parameters_, WEIGHTS.sum()
    assert mixture.criteria(rows, WEIGHTS)["aicc"] == pytest.approx(criteria.aicc(loglik, p, n), rel=1e-12)
    expected = entropy(mixture, rows, WEIGHTS) / (loglik - of_one)
    assert mixture.criteria(rows, WEIGHTS)["nec"] == pytest.approx(expected, rel=1e-5 if dtype == np.float32 else 1e-9)
    assert one.criteria(rows, WEIGHTS)["nec"] == 1
    for weights in (np.ones(len(X)), WEIGHTS):
        whole = Scorer(mixture._parameters).totals(ArraySource(rows, weights)).entropy
        assert whole == pytest.approx(entropy(mixture, rows, weights), rel=1e-5 if dtype == np.float32 else 1e-12)
    assert mixture.criteria(rows)["nec"] != pytest.approx(mixture.criteria(rows, WEIGHTS)["nec"], rel=1e-5)


def test_a_row_of_weight_zero_does_not_count_however_far_it_is():
    """Its log density is −∞, and zero times that is not a number."""
    parameters = GaussianMixture(2, random_state=0).fit(X)._parameters
    far = ArraySource(np.vstack([X, np.full((1, 3), 1e200)]), np.append(WEIGHTS, 0))
    with EStep(far, FULL) as with_it, EStep(ArraySource(X, WEIGHTS), FULL) as without:
        got, expected = (e_step.totals(parameters.whitened()) for e_step in (with_it, without))
    assert got == pytest.approx(expected, rel=1e-12)
