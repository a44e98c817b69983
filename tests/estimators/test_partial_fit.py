"""`partial_fit`: a mixture that learns from one block after the other."""

import copy
import os
import pickle

import numpy as np
import pytest

import gmm
import reference
from gmm import GaussianMixture, NormalInverseWishart
from inside import PARSIMONIOUS, load_state, record_of, save_state
from tables import assert_same, cases, copies, parameters, refused, reloaded, warned

pytestmark = pytest.mark.filterwarnings("ignore:Best performing initialization")
K, D = 3, 2


def drawn(n=400, seed=0):
    rng = np.random.default_rng(seed)
    means = np.array([[0.0, 0.0], [4.0, 1.0], [-3.0, 5.0]])
    return means[rng.integers(K, size=n)] + rng.normal(size=(n, D)) * [1.0, 0.5]


X, FAR = drawn(), np.full((1, D), 30.0)


def bits(mixture):
    return [getattr(mixture, name).tobytes() for name in ("weights_", "means_", "covariances_")]


def begun(covariance_type="full", **parameters):
    return GaussianMixture(K, covariance_type=covariance_type, **{"random_state": 0} | parameters).partial_fit(X)


def fully(covariance_type="full", rows=X, **parameters):
    how = {"covariance_type": covariance_type, "tol": 1e-12, "max_iter": 3000, "random_state": 0}
    return GaussianMixture(K, **how, **parameters).fit(rows)


@pytest.mark.parametrize("covariance_type", PARSIMONIOUS)
def test_an_optimum_stays_where_it_is(covariance_type):
    mixture = fully(covariance_type, reg_covar=0)
    score, before = mixture.score(X), parameters(mixture)
    mixture.partial_fit(X)
    assert mixture.score(X) == pytest.approx(score, abs=1e-9)
    for now, then, near in zip(parameters(mixture), before, (1e-4, 1e-3, 1e-2), strict=True):
        np.testing.assert_allclose(now, then, atol=near)


def test_a_source_is_taken_in_blocks_of_its_own(tmp_path):
    rows, weight = drawn(3000), np.random.default_rng(1).uniform(0, 2, 3000)
    np.save(tmp_path / "X.npy", rows)
    one = begun().partial_fit(rows)
    for source in (gmm.open_rows(tmp_path / "X.npy"), gmm.open_rows(lambda: np.array_split(rows, 39))):
        assert bits(begun().partial_fit(source)) == bits(one)
    weighted = gmm.open_rows(lambda: ((rows[i : i + 500], weight[i : i + 500]) for i in range(0, 3000, 500)))
    assert bits(begun().partial_fit(weighted)) == bits(begun().partial_fit(rows, sample_weight=weight))
    many = drawn(600_000)
    np.save(tmp_path / "X.npy", many)
    streamed = begun().partial_fit(gmm.open_rows(tmp_path / "X.npy"))
    assert streamed.n_iter_ == len(streamed.lower_bounds_) == len(streamed.history_) == 2
    by_hand = begun().partial_fit(many[: 1 << 19])
    by_hand.partial_fit(many[1 << 19 :])
    assert bits(streamed) == bits(by_hand)
    assert streamed.lower_bounds_[1:] == by_hand.lower_bounds_
    assert bits(GaussianMixture(K, random_state=0).partial_fit(gmm.open_rows(tmp_path / "X.npy"))) != bits(streamed)


@pytest.mark.parametrize("prior", [None, "conjugate"])
@pytest.mark.parametrize("covariance_type", PARSIMONIOUS)
def test_a_stream_goes_on_after_a_file_a_pickle_and_a_copy(covariance_type, prior):
    mixture = begun(covariance_type, prior=prior)
    copied = [*copies(mixture), copy.deepcopy(mixture)]
    expected = bits(mixture.partial_fit(drawn(50, 3), decay=1e-3).partial_fit(drawn(50, 4)))
    for other in copied:
        assert bits(other.partial_fit(drawn(50, 3), decay=1e-3).partial_fit(drawn(50, 4))) == expected


@cases(
    (lambda h, a: h["stream"].pop("weight"), "'weight' is missing"),
    (lambda h, a: a.pop("stream/first"), "'stream/first' is missing"),
    (lambda h, a: a.update({"stream/counts": np.full(K, -1 / K)}), "expected counts of the sum 1"),
    (lambda h, a: a.update({"stream/counts": np.full(K, 2 / K)}), "expected counts of the sum 1"),
    (lambda h, a: h["stream"]["prior"].update(dof=0.0), "expected a positive number for 'dof'"),
)
def test_a_file_with_a_stream_that_is_none_is_refused(change, words, tmp_path):
    path = tmp_path / "stream.gmm"
    begun(prior="conjugate").partial_fit(X).save(path)
    header, arrays = load_state(path)
    header["weight_seen"] = 400.0
    header = {name: value for name, value in header.items() if not name.startswith("format")}
    change(header, arrays)
    save_state(path, header, arrays)
    assert words in str(refused(r"stream\.gmm is not a", gmm.load, path))


def test_a_fit_counts_as_its_rows_and_given_parameters_as_a_start():
    fitted = GaussianMixture(K, random_state=0).fit(X)
    before, block = parameters(fitted), drawn(100, 5) + 0.3
    of_fit, of_file = (mixture.partial_fit(block) for mixture in (copy.deepcopy(fitted), reloaded(fitted)))
    np.testing.assert_array_equal(of_fit.means_, of_file.means_)
    given = GaussianMixture.from_parameters(*before).partial_fit(block)
    for mixture, past in ((of_fit, 400), (given, 3 * 17)):
        (expected,) = reference.stepwise_em([(block, np.ones(100))], before, "full", past)
        away, moved = expected[1] - before[1], mixture.means_ - before[1]
        assert np.abs(moved).max() == pytest.approx(np.abs(away).max(), rel=1e-4)


def test_a_new_fit_or_new_parameters_end_a_stream():
    expected = begun().fit(X).partial_fit(drawn(50, 3))
    assert bits(begun().partial_fit(drawn(500, 9)).fit(X).partial_fit(drawn(50, 3))) == bits(expected)
    streamed = begun()
    streamed.means_ = streamed.means_ + 1
    assert record_of(streamed).weight == 0
    assert not hasattr(streamed, "lower_bound_")
    given = GaussianMixture.from_parameters(streamed.weights_, streamed.means_, streamed.covariances_)
    np.testing.assert_allclose(streamed.partial_fit(X).means_, given.partial_fit(X).means_, rtol=1e-12)


def test_it_is_a_fitted_mixture_after_each_block():
    mixture = GaussianMixture(K, random_state=0)
    for block in (*np.split(X, 4), X[:1]):
        assert mixture.partial_fit(block) is mixture
        np.testing.assert_allclose(mixture.freeze().score_samples(block), mixture.score_samples(block))
        assert (mixture.converged_, mixture.n_iter_, mixture.n_features_in_) == (False, 1, D)
        assert mixture.lower_bounds_ == [mixture.lower_bound_]
        assert "one step for each block" in str(mixture)
    assert not hasattr(gmm.BayesianGaussianMixture(), "partial_fit")


def test_names_a_prior_and_the_box_of_noise_are_those_of_the_first_block():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b"])
    mixture = GaussianMixture(K, random_state=0).partial_fit(frame).partial_fit(frame[:10])
    assert list(mixture.feature_names_in_) == ["a", "b"]
    refused("feature names should match", mixture.partial_fit, frame[["b", "a"]])
    streams = begun(prior="conjugate"), begun(prior="conjugate").partial_fit(X + 100)
    np.testing.assert_array_equal(*(record_of(each).stream.objective.prior.mean for each in streams))
    mixture = begun(noise=True)
    before = mixture._parameters.noise.box
    np.testing.assert_array_equal(before, [X.min(axis=0), X.max(axis=0)])
    for rows in (X + 50, X[:1]):  # of which one has none of its own
        np.testing.assert_array_equal(mixture.partial_fit(rows)._parameters.noise.box, before)


STRONG = NormalInverseWishart(shrinkage=50, dof=60, mean=np.zeros(D))


@pytest.mark.parametrize(("prior", "ridge"), [(None, 0.1), ("conjugate", 1e-6), ("conjugate", 0.1), (STRONG, 1e-6)])
@pytest.mark.parametrize("covariance_type", PARSIMONIOUS)
@pytest.mark.filterwarnings("ignore:Some components lost all rows")  # whose weight goes to 0
def test_a_prior_and_a_ridge_count_once_in_a_fit_that_goes_on(covariance_type, prior, ridge):
    fitted = fully(covariance_type, prior=prior, reg_covar=ridge)
    moved = reloaded(fitted).partial_fit(FAR, sample_weight=[1e-6])
    assert_same(moved, fitted, 1e-4)
    assert bits(fitted.partial_fit(FAR, sample_weight=[1e-6])) == bits(moved)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("covariance_type", ["VVV", "EEE", "VVI", "EII"])
def test_a_prior_counts_once_in_a_cell_that_goes_on(covariance_type, standardize):
    prior = NormalInverseWishart(shrinkage=50, dof=60, mean=np.zeros(D), scale=1.0)
    how = {"prior": prior, "tol": 1e-12, "max_iter": 2000, "random_state": 0, "standardize": standardize}
    cell = gmm.select(X, K, covariance_type, **how).best
    assert_same(copy.deepcopy(cell).partial_fit(FAR, sample_weight=[1e-6]), cell, 1e-4)


BAD = {
    "NaN": (np.where(np.arange(20)[:, None] == 7, np.nan, X[:20]), {}, "Input X contains NaN"),
    "another width": (np.ones((5, 3)), {}, "X has 3 features, but GaussianMixture is expecting 2 features"),
    "no weight": (X[:3], {"sample_weight": np.zeros(3)}, "at least one non-zero"),
    "a value too far": (np.full((3, D), 1e200), {}, "too far from the means of the mixture"),
    "all is forgotten": (X, {"decay": 1.0}, "expected decay to be a number in .0, 1., got 1.0"),
    "no number": (X, {"decay": "0.1"}, "expected decay to be a number in .0, 1., got '0.1'"),
}


@pytest.mark.parametrize(("rows", "how", "words"), BAD.values(), ids=BAD)
def test_a_bad_block_is_refused_and_changes_nothing(rows, how, words):
    mixture = begun().partial_fit(X[:50])
    before = pickle.dumps(mixture)
    refused(words, mixture.partial_fit, rows, **how)
    assert pickle.dumps(mixture) == before


@pytest.mark.skipif(os.name != "posix", reason="a file that is mapped changes, as POSIX lets it")
def test_a_source_that_fails_midway_changes_nothing(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, drawn(600_000))
    mixture, source = begun(), gmm.open_rows(path)
    assert source.survey.nonfinite is None
    before = pickle.dumps(mixture)
    np.save(path, drawn(600_000) + 1)
    refused("changed between two readings", mixture.partial_fit, source)
    assert pickle.dumps(mixture) == before


def test_a_first_block_needs_as_many_rows_as_components_and_should_have_more():
    mixture = GaussianMixture(K)
    refused("n_samples >= n_components but got n_components = 3, n_samples = 2", mixture.partial_fit, X[:2])
    assert not hasattr(mixture, "means_")
    with pytest.warns(gmm.ConvergenceWarning, match="The first block has fewer rows than"):
        mixture.partial_fit(X[:16])
    assert "16 rows for 17 free parameters" in mixture.remarks_["few rows"]
    assert np.isfinite(mixture.partial_fit(X).score(X))  # a warning would fail the test
    GaussianMixture(K, random_state=0).partial_fit(X[:17])
    GaussianMixture(K, prior="conjugate", random_state=0).partial_fit(X[:K])


@cases(
    ({"n_components": 4}, "continues the previous fit: expected the same .* Clone the estimator"),
    ({"prior": "conjugate"}, "continues a stream with its first prior, noise.* Clone the estimator to start over"),
    ({"noise": True}, "continues the previous fit: expected the same .* Clone the estimator"),
)
def test_other_parameters_in_the_middle_of_a_stream_are_refused(change, words):
    stream = begun()
    before = {name: stream.get_params()[name] for name in change}
    refused(words, stream.set_params(**change).partial_fit, X)
    stream.set_params(**before).partial_fit(X)


def test_a_singular_covariance_without_ridge_or_an_infinite_prior_is_an_error():
    mixture = GaussianMixture(1, random_state=0, prior=NormalInverseWishart(scale=1e200))
    refused("expected a finite prior relative to rows", mixture.fit, X, sample_weight=np.full(len(X), 1e-150))
    mixture = GaussianMixture(2, reg_covar=0, means_init=[[0.0, 0.0], [9.0, 9.0]])
    refused("ill-defined empirical covariance", mixture.partial_fit, [[0.0, 0.0], [0.0, 0.0], [9.0, 9.0], [9.0, 9.0]])
    assert not hasattr(mixture, "means_")


def test_a_component_that_all_rows_left_is_reseeded():
    mixture = begun()
    told = [text for _ in range(40) for text in warned(mixture.partial_fit, X[:200] + 1e3, decay=0.5)[1]]
    assert "lost all rows" in told[0]
    assert np.isfinite(mixture.score(X + 1e3))


def scattered(n, seed):
    rng = np.random.default_rng(seed)
    return np.where(rng.random((n, 1)) < 0.2, rng.uniform(-20, 20, (n, D)), drawn(n, seed))


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical", "VEE"])
def test_noise_is_followed_as_well(covariance_type):
    box = [[-20.0, -20.0], [20.0, 20.0]]
    mixture = GaussianMixture(K, covariance_type=covariance_type, noise=box, random_state=0)
    for seed in range(20):
        mixture.partial_fit(scattered(300, seed))
        assert mixture.weights_.sum() + mixture.noise_weight_ == pytest.approx(1)
    assert mixture.noise_weight_ == pytest.approx(0.2, abs=0.05)
    again = reloaded(mixture)
    assert bits(again.partial_fit(scattered(50, 99))) == bits(mixture.partial_fit(scattered(50, 99)))
    fitted = fully(covariance_type, scattered(2000, 1), noise=box, reg_covar=0)
    score, noise_weight = fitted.score(scattered(2000, 1)), fitted.noise_weight_
    fitted.partial_fit(scattered(2000, 1))
    assert fitted.score(scattered(2000, 1)) == pytest.approx(score, abs=1e-8)
    assert fitted.noise_weight_ == pytest.approx(noise_weight, abs=1e-4)


def test_a_stream_whose_groups_fade_into_noise_loads():
    rng = np.random.default_rng(0)
    near, box = rng.normal(size=(200, 2)) * 0.05, [[-10, -10], [10, 10]]
    stream = GaussianMixture(1, noise=box, random_state=0).partial_fit(near)
    for _ in range(5):
        stream.partial_fit(rng.uniform(5, 10, (1000, 2)), decay=0.5)
    assert reloaded(stream).noise_weight_ == stream.noise_weight_
