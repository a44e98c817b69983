"""Standard errors of mixtures that were fitted to rows of which some classes are known."""

import numpy as np
import pytest

from gmm import GaussianMixture
from gmm.inference import standard_errors
from tables import refused

rng = np.random.default_rng(0)
X = np.concatenate([rng.normal(-1, 1, (300, 1)), rng.normal(1, 1, (200, 1))])
Y = np.repeat(["a", "b"], [300, 200])
HALF = np.where(rng.random(500) < 0.5, Y, None)
CLOSE = {"tol": 1e-10, "max_iter": 5000, "random_state": 0, "reg_covar": 0}


@pytest.mark.parametrize("method", ["information", "weighted-bootstrap", "bootstrap"])
def test_of_rows_whose_class_is_known_it_is_the_closed_form(method):
    fit = GaussianMixture(2, **CLOSE).fit(X, labels=Y)
    errors = standard_errors(fit, X, labels=Y, method=method, n_replicates=1000, random_state=0)
    n, variances, close = np.array([300, 200]), fit.covariances_[:, 0, 0], 1e-5 if method == "information" else 0.08
    np.testing.assert_allclose(errors.means[:, 0], np.sqrt(variances / n), rtol=close)
    np.testing.assert_allclose(errors.weights, np.sqrt(0.6 * 0.4 / 500), rtol=close)
    if method == "information":
        np.testing.assert_allclose(errors.covariances[:, 0, 0], variances * np.sqrt(2 / n), rtol=1e-5)


@pytest.mark.parametrize("gaps", [False, True])
def test_of_half_the_labels_refits_agree_with_the_information(gaps):
    rows, how = np.column_stack([X, np.random.default_rng(1).normal(size=500) + X[:, 0]]), {}
    if gaps:
        rows[::3, 1], how = np.nan, {"missing": "em"}
    fit = GaussianMixture(2, covariance_type="diag", **CLOSE, **how).fit(rows, labels=HALF)
    information = standard_errors(fit, rows, labels=HALF, method="information")
    refits = standard_errors(fit, rows, labels=HALF, n_replicates=300, random_state=0)
    np.testing.assert_allclose(refits.means, information.means, rtol=0.3)
    np.testing.assert_allclose(refits.weights, information.weights, rtol=0.3)
    np.testing.assert_allclose(refits.replicates.means.mean(axis=0), fit.means_, atol=0.05)


def test_the_labels_are_those_of_the_fit():
    fit, without = GaussianMixture(2, **CLOSE).fit(X, labels=HALF), GaussianMixture(2, random_state=0).fit(X)
    for method in ("information", "weighted-bootstrap"):
        refused("fitted with labels", standard_errors, fit, X, method=method)
        refused("fitted without labels", standard_errors, without, X, labels=HALF, method=method)
        with pytest.raises(ValueError, match="labels of the fit"):
            standard_errors(fit, X, labels=np.where(HALF == "a", "a", np.where(HALF == "b", "c", None)), method=method)
