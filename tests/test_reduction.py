"""Mixtures of fewer components: what stays, how near they are, and several together."""

import numpy as np
import pytest

import gmm
import inside
import reference
from gmm import GaussianMixture
from gmm.analysis import distance, reduce
from inside import COVARIANCE_TYPES, covariance_model, fitted_parameters

rng = np.random.default_rng(0)
X = rng.normal(size=(600, 3)) + 3 * rng.integers(0, 4, size=(600, 1))


def dense(fit):
    K, d = fit.means_.shape
    return fit.weights_, fit.means_, reference.dense(fit.covariances_, fit.covariance_type, K, d)


def random_mixture(K, d, seed=0):
    draws = np.random.default_rng(seed)
    roots = draws.normal(size=(K, d, d + 2))
    covariances = roots @ roots.transpose(0, 2, 1) / (d + 2)
    return GaussianMixture.from_parameters(draws.dirichlet(np.ones(K)), 10 * draws.normal(size=(K, d)), covariances)


@pytest.mark.parametrize("name", [*COVARIANCE_TYPES, "factor1", "ppca1"])
def test_of_every_type_it_is_nearly_what_a_fit_of_so_many_is(name):
    many = GaussianMixture(12, covariance_type=name, random_state=0).fit(X)
    few = reduce(many, 4)
    fit = GaussianMixture(4, covariance_type=name, random_state=0).fit(X)
    assert covariance_model(few.covariance_type) is covariance_model(name)
    assert few.score(X) > fit.score(X) - 0.06
    mean, covariance = reference.moments_of_mixture(*dense(many))
    few_mean, few_covariance = reference.moments_of_mixture(*dense(few))
    np.testing.assert_allclose(few_mean, mean, atol=1e-12)
    if not covariance_model(name).constraint:
        shape = reference.shape_of(name)
        project = {"diag": np.diag, "spherical": np.trace}.get(shape, np.asarray)
        np.testing.assert_allclose(project(few_covariance), project(covariance), rtol=1e-10)


@pytest.mark.parametrize("name", COVARIANCE_TYPES)
def test_as_many_components_are_the_same_mixture(name):
    fit = GaussianMixture(5, covariance_type=name, random_state=0).fit(X)
    assert distance(fit, reduce(fit, 5)).value < 1e-6


@pytest.mark.parametrize("name", ["factor1", "ppca2"])
def test_factors_stored_in_low_rank_are_reduced_as_whole_covariances_are(name):
    fit = GaussianMixture(8, covariance_type=name, prior="conjugate", random_state=0).fit(X)
    assert not fitted_parameters(fit).model.stored_whole
    whole = GaussianMixture.from_parameters(fit.weights_, fit.means_, fit.covariances_, covariance_type=name)
    assert distance(reduce(fit, 3), reduce(whole, 3)).value < 1e-6
    assert distance(reduce([fit, fit], 3), reduce(whole, 3)).value < 1e-6


def test_few_components_are_merged_as_one_after_the_other(monkeypatch):
    """With one merger in a round and all as neighbours, it is greedy; and hard EM then costs nothing."""
    monkeypatch.setattr(inside.reduction, "_MOST_AT_ONCE", 0.0)
    for seed in range(5):
        mixture = random_mixture(9, 2, seed)
        greedy = GaussianMixture.from_parameters(*reference.reduced_greedily(dense(mixture), 4))
        with monkeypatch.context() as patch:
            patch.setattr(inside.reduction, "_REDUCTION_MOST_ROUNDS", 1)
            assert distance(reduce(mixture, 4), greedy).value < 1e-6
        rows, _ = mixture.sample(20_000, random_state=0)
        assert reduce(mixture, 4).score(rows) > greedy.score(rows) - 0.02


def test_thousands_of_components_lose_little():
    mixture = random_mixture(3000, 2)
    few = reduce(mixture, 300)
    assert few.n_components == 300
    assert (few.weights_ > 0).all()
    rows, _ = mixture.sample(5000, random_state=0)
    assert mixture.score(rows) - few.score(rows) < 0.08


def test_units_of_columns_change_nothing():
    mixture, units = random_mixture(200, 3), np.array([1.0, 1e5, 1e-4])
    w, m, S = dense(mixture)
    scaled = reduce(GaussianMixture.from_parameters(w, m * units + 7 * units, S * np.outer(units, units)), 20)
    few = reduce(mixture, 20)
    np.testing.assert_allclose(scaled.means_ / units - 7, few.means_, rtol=1e-6, atol=1e-6)


def test_several_are_one_mixture_of_all_their_rows():
    parts = [X[:100], X[100:]]
    fits = [GaussianMixture(4, random_state=0).fit(part) for part in parts]
    together = reduce(fits, 8, weights=[100, 500])
    expected = (fits[0].score_samples(X) + np.log(1 / 6), fits[1].score_samples(X) + np.log(5 / 6))
    np.testing.assert_allclose(together.score_samples(X), np.logaddexp(*expected), rtol=1e-9)
    assert reduce(fits, 4, weights=[100, 500]).score(X) > GaussianMixture(4, random_state=0).fit(X).score(X) - 0.05
    tied = [GaussianMixture(3, covariance_type="tied", random_state=0).fit(part) for part in parts]
    assert reduce(tied, 3).covariances_.shape == (3, 3)


def test_components_without_weight_are_left_out_and_equal_ones_are_merged():
    mixture = GaussianMixture.from_parameters([0.5, 0, 0.5], [[0.0], [5.0], [9.0]], [[[1.0]]] * 3)
    assert reduce(mixture, 2).means_.ravel().tolist() == [0, 9]
    with pytest.raises(ValueError, match="from 1 to 2"):
        reduce(mixture, 3)
    mixture = GaussianMixture.from_parameters(np.full(40, 1 / 40), np.zeros((40, 2)), [np.eye(2)] * 40)
    for n in (1, 3):
        few = reduce(mixture, n)
        assert few.weights_.sum() == pytest.approx(1)
        np.testing.assert_allclose(few.covariances_, [np.eye(2)] * n)


def test_names_types_and_settings_stay():
    pandas = pytest.importorskip("pandas")
    settings = {"missing": "em", "reg_covar": 1e-3, "n_threads": 1, "random_state": 0}
    fit = GaussianMixture(4, **settings).fit(pandas.DataFrame(X.astype(np.float32), columns=["a", "b", "c"]))
    few = reduce(fit, 2)
    assert few.get_params().items() >= settings.items()
    assert few.feature_names_in_.tolist() == ["a", "b", "c"]
    assert few.means_.dtype == np.float32
    bayesian = gmm.BayesianGaussianMixture(n_components=4, random_state=0).fit(X)
    assert type(reduce(bayesian, 2)) is GaussianMixture
    assert not fitted_parameters(few).fixed


def test_what_is_refused():
    fit = GaussianMixture(2, random_state=0).fit(X)
    for n in (0, 3, 1.5, True):
        with pytest.raises(ValueError, match="n_components"):
            reduce(fit, n)
    with pytest.raises(ValueError, match="got none"):
        reduce([], 1)
    with pytest.raises(TypeError, match="expected weights=None"):
        reduce(fit, 1, weights=[1])
    for weights in ([1], [1, -1], [0, 0], [1, np.nan], [1, np.inf], np.ma.masked_equal([1, 2], 1)):
        with pytest.raises(ValueError, match="a weight from 0 on"):
            reduce([fit, fit], 1, weights=weights)
    for other in (GaussianMixture(2, covariance_type="diag").fit(X), GaussianMixture(2).fit(X[:, :2])):
        with pytest.raises(ValueError, match="same covariance type and columns"):
            reduce([fit, other], 1)


def test_components_and_weights_of_any_size_are_reduced_or_refused_in_words():
    places = np.array([[0, 0], [1e-8, 1e-8], [10, 10], [11, 11.0]])
    narrow, narrower = (
        GaussianMixture.from_parameters([0.25] * 4, each, [np.eye(2) * 1e-16] * 4) for each in (places, places * 7)
    )
    assert sorted(reduce(narrow, 3).means_[:, 0].round()) == [0, 10, 11]
    with pytest.raises(ValueError, match="larger reg_covar") as raised:
        reduce(narrower, 2)
    assert type(raised.value) is ValueError
    places = [[0, 0], [5e149, 5e149]]  # beyond all distances
    far, narrow = (GaussianMixture.from_parameters([0.5, 0.5], places, [np.eye(2) * v] * 2) for v in (1, 1e-20))
    np.testing.assert_allclose(sorted(reduce([far, narrow], 2).means_[:, 0]), [0, 5e149])
    few = reduce([GaussianMixture(1).fit(part) for part in (X[:100], X[100:])], 2, weights=[1e308, 1e308])
    np.testing.assert_allclose(few.weights_, [0.5, 0.5])
