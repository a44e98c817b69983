"""What fitted mixtures are used for, with rows of which some values are missing."""

import numpy as np
import pytest

import gmm
from gmm import GaussianMixture
from gmm.cli import main
from test_missing import APPLES, with_gaps


def test_the_information_is_that_of_the_values_that_are_there():
    """Sizes of 18 apples and worms of 12: of the size, the errors are those of all 18; of the worms, by a Hessian."""
    fit = GaussianMixture(1, missing="em", reg_covar=0, tol=1e-14, max_iter=2000).fit(APPLES)
    errors = gmm.standard_errors(fit, APPLES, method="information")
    mean, S = fit.means_[0], fit.covariances_[0]
    at = np.array([*mean, S[0, 0], S[0, 1], S[1, 1]])

    def log_likelihood(point):
        covariance = point[[2, 3, 3, 4]].reshape(1, 2, 2)
        model = GaussianMixture.from_parameters([1.0], point[None, :2], covariance)
        return model.set_params(missing="em").log_likelihood(APPLES)

    steps = np.diag(1e-3 * np.sqrt([S[0, 0], S[1, 1], S[0, 0] ** 2, S[0, 0] * S[1, 1], S[1, 1] ** 2]))
    hessian = np.array(
        [
            [
                sum(i * j * log_likelihood(at + i * a + j * b) for i in (1, -1) for j in (1, -1))
                / (4 * a.sum() * b.sum())
                for b in steps
            ]
            for a in steps
        ]
    )
    expected = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    np.testing.assert_allclose(errors.means[0], expected[:2], rtol=1e-3)
    np.testing.assert_allclose(errors.covariances[0][np.triu_indices(2)], expected[2:], rtol=1e-3)
    assert errors.means[0, 0] == pytest.approx(np.sqrt(S[0, 0] / 18), rel=1e-6)


@pytest.mark.parametrize("how", [{}, {"noise": True}])
def test_refits_to_rows_with_gaps_agree_with_the_information(how):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal([-6, 0], 1, (300, 2)), rng.normal([6, 1], [1, 2], (200, 2))])
    if how:
        X = np.concatenate([X, rng.uniform(-20, 20, (40, 2))])
    X[rng.random(len(X)) < 0.4, 1] = np.nan
    fit = GaussianMixture(2, missing="em", tol=1e-9, max_iter=2000, random_state=0, **how).fit(X)
    by_information = gmm.standard_errors(fit, X, method="information")
    for method in ("weights", "rows"):
        errors = gmm.standard_errors(fit, X, method=method, n_replicates=200, random_state=0)
        np.testing.assert_allclose(errors.means, by_information.means, rtol=0.25)
        np.testing.assert_allclose(errors.weights, by_information.weights, rtol=0.25)
        assert errors.n_left_out == 0
    if not how:  # the column without gaps has the errors that it has alone
        alone = GaussianMixture(2, random_state=0).fit(X[:, :1])
        whole = gmm.standard_errors(alone, X[:, :1], method="information")
        np.testing.assert_allclose(by_information.means[:, 0], whole.means[:, 0], rtol=0.02)


def test_a_report_of_rows_with_gaps_says_how_sure_its_numbers_are(tmp_path, monkeypatch):
    np.savetxt(tmp_path / "gaps.csv", with_gaps(n=200), delimiter=",", header="a,b,c,d", comments="")
    monkeypatch.chdir(tmp_path)
    words = ["fit", "gaps.csv", "--components", "2", "--models", "VVI", "--missing", "em", "--report", "--quiet"]
    assert main(words) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Weights and means ± their standard errors" in page
    assert "groups overlap" in page or "The two groups most alike" in page


def test_a_report_without_refits_says_why_and_keeps_the_overlap(tmp_path, monkeypatch):
    X = with_gaps(n=200, share=0.0)
    np.save(tmp_path / "light.npy", np.column_stack([X, np.full(200, 0.01)]))
    monkeypatch.chdir(tmp_path)
    words = ["fit", "light.npy", "--weight-column", "x4", "--components", "2", "--models", "VVV", "--report", "--quiet"]
    assert main(words) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Weights and means ± their standard errors" not in page
    assert "No standard errors are given" in page
    assert "add up to" in page
    assert "groups overlap" in page or "The two groups most alike" in page
