"""Searches over mixtures of factors of many columns, which store factors and noise in every cell."""

import numpy as np
import pytest

import gmm
import inside
from gmm import GaussianMixture, select
from inside import DIAGONAL, FULL, LowRank, Worker, candidates, factor_model, fitted_parameters, with_other_factors
from test_wide_factors import D, K, Q, X, is_low_rank

TYPES = ["diag", "factor", "ppca"]


@pytest.fixture(scope="module")
def found():
    return select(X, [1, 2, 3, 4], TYPES, n_factors=[1, 2], random_state=0)


@pytest.fixture(scope="module")
def mixture():
    return fitted_parameters(GaussianMixture(K, covariance_type="factor", n_factors=Q, random_state=0).fit(X))


def test_the_truth_is_chosen_and_cells_with_factors_store_no_whole_covariance(found):
    assert (found.best.n_components, found.covariance_type[found.best_index]) == (K, "ppca2")
    for name, each in zip(found.covariance_type, found.estimators, strict=True):
        assert is_low_rank(each) is (name != "diag")
    noisy = select(X, [2, 3, 4], ["diag", "factor2"], noise=True, random_state=0)
    assert noisy.best.n_components == K
    assert noisy.best.noise_weight_ >= 0


def test_no_cell_is_below_a_fit(found):
    """Of more components than there are, the climbs that go on may be others."""
    cells = zip(found.n_components, found.covariance_type, found.loglik, strict=True)
    for K_, name, loglik in (cell for cell in cells if cell[0] <= K):
        alone = GaussianMixture(int(K_), covariance_type=name, random_state=0, tol=1e-6, max_iter=1000).fit(X)
        assert loglik > len(X) * alone.score(X) - 1


def test_parameters_and_criteria_are_those_of_the_models(found):
    of_covariance = {"diag": D, "factor1": 2 * D, "factor2": 3 * D - 1, "ppca1": D + 1, "ppca2": 2 * D}
    cells = zip(found.n_components, found.covariance_type, found.n_parameters, found.bic, found.estimators, strict=True)
    for K_, name, p, bic, each in cells:
        assert p == K_ - 1 + K_ * (D + of_covariance[name])
        np.testing.assert_allclose(bic, each.bic(X), rtol=1e-12)


def test_few_rows_shrink_and_the_table_says_so_in_any_unit_and_file(tmp_path, found):
    few = select(X[:150], [1, 2, 3], ["diag", "factor2"], random_state=0)
    assert "with factors are shrunk" in repr(few)
    of_two = few.estimators[[*few.n_components].index(3) + 1]
    few.save(tmp_path / "few")
    again = gmm.load(tmp_path / "few").estimators[[*few.n_components].index(3) + 1]
    assert str(again) == str(of_two)
    best = select(X[:150], [3], "factor2", standardize=True, random_state=0).best
    best.save(tmp_path / "best")
    for each in (of_two, best, gmm.load(tmp_path / "best")):
        assert "shrunk" in str(each)
    assert "shrunk" not in repr(found)


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
    whole = more.layout.written_out(with_other_factors(mixture.covariances, mixture.model, more))
    grown = GaussianMixture.from_parameters(mixture.weights, mixture.means, whole, covariance_type="full")
    assert grown.score(X) > GaussianMixture(K, covariance_type="factor1", random_state=0).fit(X).score(X)


def test_one_more_component_is_one_in_two_halves_and_one_less_leaves_noise_its_share(mixture):
    starts = candidates.splits(None, mixture)
    assert starts
    for start in starts:
        assert start.n_components == K + 1
        np.testing.assert_allclose(start.weights.sum(), 1)
        np.testing.assert_allclose(start.weights @ start.means, mixture.weights @ mixture.means)
    noisy = fitted_parameters(GaussianMixture(K, covariance_type="factor2", noise=True, random_state=0).fit(X))
    starts = candidates.drops(None, candidates.Diagnosis(None), noisy)
    assert [start.n_components for start in starts] == [K - 1] * K
    for start in starts:
        np.testing.assert_allclose(start.noise_weight, noisy.noise_weight)


def test_whole_and_stored_factors_go_together():
    types = ["full", "tied", "spherical", "factor2", "factor20"]
    found = select(X, [K], types, random_state=0)
    layouts = [type(fitted_parameters(each).model.layout) for each in found.estimators]
    assert found.covariance_type == tuple(types)
    assert layouts[3:] == [LowRank, type(FULL)]
    assert found.covariance_type[found.best_index] == "factor2"


def test_a_solution_has_moments_about_any_origin(mixture):
    rows = inside.SearchRows.of(inside.ArraySource(X), K, 0)
    worker = Worker(rows, 1)
    diagnostics = candidates.diagnosed(rows.sample, worker.e_step(rows.sample, DIAGONAL), mixture)
    statistics = candidates.of_other_model(mixture, diagnostics.statistics, inside.stored_as(DIAGONAL))
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
