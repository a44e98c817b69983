"""Mixtures of factors of many columns, which store factors and noise: fits, files and searches."""

import pickle

import numpy as np
import pytest

import gmm
import inside
from gmm import GaussianMixture, select
from inside import LowRank, factor_model, fitted_parameters, with_other_factors
from tables import assert_same, copies, factor_groups, refused, reloaded

# A fit cut short by max_iter is what these tests want.
pytestmark = pytest.mark.filterwarnings("ignore:Best performing initialization")

N, D, K, Q = 600, 66, 3, 2
X = factor_groups(N, D, Q, K)


def estimator(**how):
    return GaussianMixture(**{"n_components": K, "covariance_type": "factor", "n_factors": Q, "random_state": 0} | how)


@pytest.fixture(scope="module")
def fitted():
    return estimator().fit(X)


def is_low_rank(mixture):
    return isinstance(fitted_parameters(mixture).model.layout, LowRank)


@pytest.mark.parametrize(("d", "n_factors", "low_rank"), [(D, Q, True), (63, Q, False), (D, 20, False)])
def test_width_and_factors_choose_the_storage(d, n_factors, low_rank):
    assert is_low_rank(estimator(n_factors=n_factors, max_iter=1, tol=100).fit(X[:, :d])) is low_rank


@pytest.mark.parametrize(("kind", "share"), [("factor", 0.0), ("ppca", 0.0), ("factor", 0.3)])
def test_a_fit_ends_where_that_with_whole_covariances_does_and_labels_go_along(kind, share, fitted):
    how, truth = {"covariance_type": kind, "tol": 1e-8, "max_iter": 5000}, fitted.predict(X)
    labels = np.where(np.random.default_rng(0).uniform(size=len(X)) < share, truth, -1) if share else None
    wide = estimator(**how).fit(X, labels=labels)
    whole = estimator(**how, precisions_init=np.linalg.inv(wide.covariances_)).fit(X, labels=labels)
    assert is_low_rank(wide)
    assert not is_low_rank(whole)
    assert wide.lower_bound_ == pytest.approx(whole.lower_bound_, abs=1e-4)
    if share:
        assert (wide.predict(X) == truth).mean() > 0.95
        within = estimator(**how, n_components=K + 1, init_params="random")
        within.fit(X, labels=labels, components_per_class={0: 2})
        assert within.component_classes_.tolist() == [0, 0, 1, 2]


def test_files_and_pickles_keep_the_bits(fitted, tmp_path):
    expected, frozen = fitted.score_samples(X), fitted.freeze()
    assert is_low_rank(reloaded(fitted))
    for other in (*copies(fitted), frozen, reloaded(frozen)):
        np.testing.assert_array_equal(other.score_samples(X), expected)
        np.testing.assert_array_equal(other.score_samples(X[:3]), expected[:3])
    header, arrays = inside.state_of(fitted)
    arrays["covariances"] = arrays["covariances"].copy()
    arrays["covariances"][1, 0, 2] = -1
    inside.save_state(tmp_path / "damaged.gmm", header, arrays)
    refused("covariance", gmm.load, tmp_path / "damaged.gmm")


def test_files_of_noise_and_factors_that_fill_a_square_matrix():
    """With a prior, two factors of three columns are stored as 3 × 3 numbers, which are no covariance."""
    some, how = X[:200, :3], {"prior": "conjugate", "random_state": 0}
    mixture = GaussianMixture(K, covariance_type="factor2", **how).fit(some)
    assert is_low_rank(mixture)
    search = select(some, [1, K], covariance_type=["factor2"], **how)
    classes = gmm.MixtureClassifier(n_components=1, covariance_type="factor2", **how).fit(some, np.arange(200) % 2)
    for each in (mixture, mixture.freeze(), search.best, classes):
        np.testing.assert_array_equal(reloaded(each).predict_proba(some), each.predict_proba(some))
    np.testing.assert_array_equal(reloaded(search).best.score_samples(some), search.best.score_samples(some))


NEED_WHOLE = {"refine", "precisions_init", "fixed"}
FITS = [{"refine": "split-merge"}, {"precisions_init": np.tile(np.eye(D), (K, 1, 1))}]
FITS += [{"fixed": {"weights": True}, "weights_init": np.full(K, 1 / K)}]
FITS += [{"init_params": name} for name in ("random", "k-means++", "hierarchical")]
FITS += [{"n_init": 2}, {"noise": True}, {"acceleration": None}, {"means_init": X[:K]}, {"n_threads": 2}]


@pytest.mark.parametrize("how", FITS, ids="".join)
def test_what_needs_whole_covariances_keeps_them_alone(how):
    mixture = estimator(**how).fit(X, sample_weight=np.random.default_rng(2).uniform(0.5, 2, N))
    assert is_low_rank(mixture) is how.keys().isdisjoint(NEED_WHOLE)
    assert np.isfinite(mixture.score(X))


def test_one_goes_on_from_the_other(fitted):
    before = estimator(warm_start=True, max_iter=2, tol=0).fit(X)
    first = before.score(X)
    assert before.fit(X).score(X) >= first
    assert not is_low_rank(before.set_params(refine="split-merge", max_iter=5).fit(X))
    moved = pickle.loads(pickle.dumps(fitted))
    moved.means_ = fitted.means_ + 1
    np.testing.assert_allclose(moved.score_samples(X + 1), fitted.score_samples(X), rtol=1e-9)


# --- Laws, with the prior of few rows and without ------------------------------------------------


@pytest.mark.parametrize("kind", ["factor", "ppca"])
@pytest.mark.parametrize("n", [120, N])
def test_threads_and_sources_change_no_bit_and_repeats_and_order_little(kind, n):
    weight = np.random.default_rng(1).integers(1, 3, size=n)
    repeated = np.repeat(X[:n], weight, axis=0)
    one = estimator(covariance_type=kind, n_threads=1).fit(repeated)
    assert ("shrunk" in str(one)) is (n < N)
    blocks = gmm.open_rows(lambda: [repeated[: n // 3], repeated[n // 3 :]])
    for rows, n_threads in ((repeated, 2), (blocks, None)):
        assert_same(estimator(covariance_type=kind, n_threads=n_threads).fit(rows), one)
    order = np.random.default_rng(1).permutation(n)
    other = estimator(covariance_type=kind).fit(X[order], sample_weight=weight[order])
    assert_same(other, one, 1e-6, ["means_"])
    assert_same(other, one, 1e-5, ["covariances_"])


@pytest.mark.parametrize("rows", ["distinct", "twice", "constant"])
@pytest.mark.filterwarnings("ignore:Some components")
def test_a_component_for_each_row_has_no_prior_of_their_spread(rows):
    """There is none within components."""
    X = np.random.default_rng(0).normal(size=(20, 64))
    X, K = {"distinct": (X, 20), "twice": (np.repeat(X[:10], 2, axis=0), 10), "constant": (np.ones((20, 64)), 2)}[rows]
    mixture = GaussianMixture(K, covariance_type="factor4", random_state=0).fit(X)
    assert np.isfinite(mixture.lower_bound_)
    assert mixture.converged_
    assert "shrunk" not in str(mixture)
    fit = GaussianMixture(K, covariance_type="factor4", prior="conjugate").fit
    refused(rf"prior.scale.*{K} clusters.*no variance.*fewer components", fit, X)


@pytest.fixture(scope="module")
def found():
    return select(X, [1, 2, 3, 4], ["diag", "factor", "ppca"], n_factors=[1, 2], random_state=0)


@pytest.fixture(scope="module")
def mixture(fitted):
    return fitted_parameters(fitted)


def test_the_truth_is_chosen_and_cells_with_factors_store_no_whole_covariance(found):
    assert (found.best.n_components, found.covariance_type[found.best_index]) == (K, "ppca2")
    for name, each in zip(found.covariance_type, found.estimators, strict=True):
        assert is_low_rank(each) is (name != "diag")
    noisy = select(X, [2, 3, 4], ["diag", "factor2"], noise=True, random_state=0)
    assert noisy.best.n_components == K
    assert noisy.best.noise_weight_ >= 0


def test_no_cell_is_below_a_fit(found):
    """Of more components than there are, the climbs that go on may be others; some are not pursued."""
    cells = zip(found.n_components, found.covariance_type, found.loglik, found.status, strict=True)
    for K_, name, loglik, _ in (cell for cell in cells if cell[0] <= K and cell[3] == "ok"):
        alone = GaussianMixture(int(K_), covariance_type=name, random_state=0, tol=1e-6, max_iter=1000).fit(X)
        assert loglik > len(X) * alone.score(X) - 1


def test_few_rows_shrink_and_the_table_says_so_in_any_unit_and_file(found):
    few = select(X[:150], [1, 2, 3], ["diag", "factor2"], random_state=0)
    assert "with factors are shrunk" in repr(few)
    assert str(reloaded(few).estimators[5]) == str(few.estimators[5])
    best = select(X[:150], [3], "factor2", standardize=True, random_state=0).best
    for each in (few.estimators[5], best, reloaded(best)):
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
