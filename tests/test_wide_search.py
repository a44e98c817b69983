"""Searches over mixtures of factors of many columns, which store factors and noise in every cell."""

import numpy as np
import pytest

import gmm
from gmm import GaussianMixture, select
from inside import (
    DIAGONAL,
    FULL,
    ArraySource,
    LowRank,
    SearchRows,
    Worker,
    candidates,
    factor_model,
    fitted_parameters,
    stored_as,
    with_other_factors,
)
from test_wide_factors import D, K, Q, X, is_low_rank

TYPES = ["diag", "factor", "ppca"]


@pytest.fixture(scope="module")
def found():
    return select(X, [1, 2, 3, 4], TYPES, n_factors=[1, 2], random_state=0)


@pytest.fixture(scope="module")
def mixture():
    return fitted_parameters(GaussianMixture(K, covariance_type="factor", n_factors=Q, random_state=0).fit(X))


def test_the_truth_is_chosen(found):
    assert (found.best.n_components, found.covariance_type[found.best_index]) == (K, "ppca2")


def test_cells_with_factors_store_no_whole_covariance(found):
    for name, each in zip(found.covariance_type, found.estimators, strict=True):
        assert is_low_rank(each) is (name != "diag")


def test_no_cell_is_below_a_fit(found):
    """Of more components than there are, the climbs that go on may be others."""
    cells = zip(found.n_components, found.covariance_type, found.loglik, strict=True)
    for K_, name, loglik in (cell for cell in cells if cell[0] <= K):
        alone = GaussianMixture(int(K_), covariance_type=name, random_state=0, tol=1e-6, max_iter=1000).fit(X)
        assert loglik > len(X) * alone.score(X) - 1


def test_parameters_and_criteria_are_those_of_the_models(found):
    d = D
    for K_, name, p, bic, each in zip(
        found.n_components, found.covariance_type, found.n_parameters, found.bic, found.estimators, strict=True
    ):
        of_covariance = {"diag": d, "factor1": 2 * d, "factor2": 3 * d - 1, "ppca1": d + 1, "ppca2": 2 * d}[name]
        assert p == K_ - 1 + K_ * (d + of_covariance)
        np.testing.assert_allclose(bic, each.bic(X), rtol=1e-12)


def test_few_rows_shrink_and_the_table_says_so(tmp_path):
    few = select(X[:150], [1, 2, 3], ["diag", "factor2"], random_state=0)
    assert "with factors are shrunk" in repr(few)
    of_two = few.estimators[[*few.n_components].index(3) + 1]
    assert "shrunk" in str(of_two)
    few.save(tmp_path / "few")
    again = gmm.load(tmp_path / "few").estimators[[*few.n_components].index(3) + 1]
    assert str(again) == str(of_two)
    assert "shrunk" not in repr(select(X, [1, 2], ["diag", "factor2"], random_state=0))


def test_units_and_files_keep_that_a_fit_is_shrunk(tmp_path):
    few = select(X[:150], [3], "factor2", standardize=True, random_state=0)
    assert "shrunk" in str(few.best)
    few.best.save(tmp_path / "few")
    assert "shrunk" in str(gmm.load(tmp_path / "few"))


@pytest.mark.parametrize("other", [factor_model(kind, q, False) for kind in ("factor", "ppca") for q in (1, 2, 3)])
def test_other_factors_keep_most_of_a_covariance(mixture, other):
    covariances = with_other_factors(mixture.covariances, mixture.model, other)
    low_rank = mixture.model.layout
    before, after = low_rank.diagonal(mixture.covariances, D), other.layout.diagonal(covariances, D)
    np.testing.assert_allclose(after.sum(axis=1), before.sum(axis=1), rtol=0.05)
    if other is mixture.model:
        np.testing.assert_allclose(other.layout.written_out(covariances), low_rank.written_out(mixture.covariances))


def test_a_mixture_of_more_factors_begins_no_lower_than_of_fewer(mixture):
    more = factor_model("factor", Q + 1, False)
    covariances = with_other_factors(mixture.covariances, mixture.model, more)
    grown = GaussianMixture.from_parameters(
        mixture.weights, mixture.means, more.layout.written_out(covariances), covariance_type="full"
    )
    assert grown.score(X) > GaussianMixture(K, covariance_type="factor1", random_state=0).fit(X).score(X)


def test_one_more_component_is_one_in_two_halves(mixture):
    starts = candidates.splits(None, mixture)
    assert starts
    for start in starts:
        assert start.n_components == K + 1
        np.testing.assert_allclose(start.weights.sum(), 1)
        np.testing.assert_allclose(start.weights @ start.means, mixture.weights @ mixture.means)


def test_one_component_less_leaves_noise_its_share():
    noisy = fitted_parameters(GaussianMixture(K, covariance_type="factor2", noise=True, random_state=0).fit(X))
    starts = candidates.drops(None, candidates.Diagnosis(None), noisy)
    assert [start.n_components for start in starts] == [K - 1] * K
    for start in starts:
        np.testing.assert_allclose(start.noise_weight, noisy.noise_weight)


def test_whole_and_stored_factors_go_together():
    found = select(X, [K], ["full", "tied", "spherical", "factor2", "factor20"], random_state=0)
    layouts = {
        name: type(fitted_parameters(each).model.layout)
        for name, each in zip(found.covariance_type, found.estimators, strict=True)
    }
    assert layouts["factor2"] is LowRank
    assert layouts["factor20"] is type(FULL)
    assert found.covariance_type[found.best_index] == "factor2"


def test_searches_with_noise_have_it():
    found = select(X, [2, 3, 4], ["diag", "factor2"], noise=True, random_state=0)
    assert found.best.n_components == K
    assert found.best.noise_weight_ >= 0


def test_a_solution_has_moments_about_any_origin(mixture):
    rows = SearchRows.of(ArraySource(X), K, 0)
    worker = Worker(rows, 1)
    diagnostics = candidates.diagnosed(rows.sample, worker.e_step(rows.sample, DIAGONAL), mixture)
    statistics = candidates.of_other_model(mixture, diagnostics.statistics, stored_as(DIAGONAL))
    worker.close()
    assert statistics.layout is DIAGONAL
    np.testing.assert_allclose(statistics.counts.sum(), len(X))


def test_labels_leave_factors_as_they_are_stored():
    rng = np.random.default_rng(0)
    truth = GaussianMixture(K, covariance_type="factor2", random_state=0).fit(X).predict(X)
    labels = np.where(rng.uniform(size=len(X)) < 0.3, truth, -1)
    how = {"covariance_type": "factor2", "random_state": 0, "tol": 1e-8, "max_iter": 4000}
    wide = GaussianMixture(K, **how).fit(X, labels=labels)
    assert is_low_rank(wide)
    whole = GaussianMixture(K, **how, precisions_init=np.linalg.inv(wide.covariances_)).fit(X, labels=labels)
    np.testing.assert_allclose(wide.lower_bound_, whole.lower_bound_, atol=1e-5)
    assert (wide.predict(X) == truth).mean() > 0.95
    within = GaussianMixture(K + 1, **how, init_params="random").fit(X, labels=labels, components_per_class={0: 2})
    assert within.component_classes_.tolist() == [0, 0, 1, 2]


def test_a_checkpoint_goes_on(tmp_path):
    class StopError(Exception):
        pass

    def stop(progress):
        if progress.n_components == 2:
            raise StopError

    how = {"n_factors": [1, 2], "random_state": 0, "checkpoint": tmp_path / "file"}
    with pytest.raises(StopError):
        select(X, [1, 2, 3], ["diag", "factor"], callback=stop, **how)
    again = select(X, [1, 2, 3], ["diag", "factor"], resume=True, **how)
    whole = select(X, [1, 2, 3], ["diag", "factor"], n_factors=[1, 2], random_state=0)
    np.testing.assert_array_equal(again.loglik, whole.loglik)
