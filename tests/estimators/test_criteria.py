"""Criteria: the methods of a mixture are the published formulas."""

from math import inf, isnan, nan

import numpy as np
import pytest

from gmm import GaussianMixture, select
from inside import PARSIMONIOUS, ArraySource, Scorer, Totals, criteria

draws = np.random.default_rng(0)
TABLE = np.concatenate([draws.normal(-1.5, 1, (120, 3)), draws.normal(1.5, [0.5, 1, 2], (80, 3))])
COUNTS = draws.integers(1, 4, len(TABLE)).astype(float)


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
@pytest.mark.parametrize("name", PARSIMONIOUS)
def test_the_methods_are_the_formulas(name, dtype):
    rows = TABLE.astype(dtype)
    mixture = GaussianMixture(3, covariance_type=name, random_state=0).fit(rows, sample_weight=COUNTS)
    one = GaussianMixture(1, covariance_type=name).fit(rows, sample_weight=COUNTS)
    loglik, of_one = (fitted.log_likelihood(rows, COUNTS) for fitted in (mixture, one))
    p, n = mixture.n_parameters_, COUNTS.sum()
    assert mixture.criteria(rows, COUNTS)["aicc"] == pytest.approx(criteria.aicc(loglik, p, n), rel=1e-12)
    expected = entropy(mixture, rows, COUNTS) / (loglik - of_one)
    assert mixture.criteria(rows, COUNTS)["nec"] == pytest.approx(expected, rel=1e-5 if dtype == np.float32 else 1e-9)
    assert one.criteria(rows, COUNTS)["nec"] == 1
    for weights in (np.ones(len(TABLE)), COUNTS):
        whole = Scorer(mixture._parameters).totals(ArraySource(rows, weights)).entropy
        assert whole == pytest.approx(entropy(mixture, rows, weights), rel=1e-5 if dtype == np.float32 else 1e-12)
    assert mixture.criteria(rows)["nec"] != pytest.approx(mixture.criteria(rows, COUNTS)["nec"], rel=1e-5)


@pytest.mark.parametrize("criterion", criteria.CRITERIA)
def test_no_criterion_is_below_what_its_likelihood_allows(criterion):
    rng = np.random.default_rng(0)
    for _ in range(100):
        loglik, p, n = 1000 * rng.normal(), int(rng.integers(1, 50)), float(rng.uniform(1, 100))
        entropy = rng.exponential()
        scores = criteria.evaluate(Totals(loglik, loglik - entropy, entropy), p, n, loglik - rng.exponential())
        least = criteria.best_possible(criterion, loglik, p, n)
        assert least <= scores[criterion] + 1e-9
        assert (least == scores[criterion]) == (criterion in ("bic", "aic", "aicc"))
        assert criteria.best_possible(criterion, loglik + 1, p, n) < least or abs(least) == inf


def test_a_selection_of_float32_rows_has_the_criteria_of_its_mixtures():
    rows = np.random.default_rng(1).normal(size=(50_000, 2)).astype(np.float32)
    found = select(rows, [1], "full", random_state=0)
    assert found.bic[0] == pytest.approx(found.best.bic(rows), rel=1e-7)
    assert found.icl[0] >= found.bic[0] - 1e-6
