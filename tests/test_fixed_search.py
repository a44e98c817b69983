"""Known components in a search, and in split-merge moves: what stays, what is counted, how high cells come."""

import functools

import numpy as np
import pytest
from sklearn.base import clone

import gmm
from gmm import GaussianMixture, GaussianMixtureSearch, NormalInverseWishart, select
from inside import PARSIMONIOUS, candidates, covariance_model, engine, finishing, fitted_parameters
from tables import refused, reloaded

SEPARATE = "full", "diag", "spherical"  # covariances that do not depend on each other
MEANS = np.array([[0.0, 0.0], [6.0, 0.3]])
SPREAD = np.array([1.1, 0.7])
PRECISIONS = {"diag": np.array([[1, 1], [0.8, 2]]), "spherical": np.array([1.1, 1.2])}
PRECISIONS["full"] = np.array([[[1, 0.1], [0.1, 1]], [[0.8, 0.1], [0.1, 2]]])
BOTH = {"means": True, "covariances": True}


def rows(seed=0, n=90):
    """Two known classes, and two new ones."""
    rng = np.random.default_rng(seed)
    known = [rng.normal(size=(n, 2)), rng.normal(size=(n, 2)) * SPREAD + [6, 0]]
    return np.concatenate([*known, rng.normal(size=(n // 2, 2)) * 0.6 + [2, 5], rng.normal(size=(n // 3, 2)) - [3, 5]])


X = rows()
TYPES = "full", "EEI", "VVE"


def searched(data=X, n_components=range(2, 6), covariance_type=TYPES, **how):
    how = {"fixed": {"means": True}, "means_init": MEANS, "random_state": 0} | how
    return select(data, n_components, covariance_type, **how)


@functools.cache
def usual():
    return searched()


def fits(found):
    return [mixture for mixture in found.estimators if mixture is not None]


def assert_known(found, covariances=None, n=2):
    assert len(fits(found)) > 0
    for mixture in fits(found):
        np.testing.assert_array_equal(mixture.means_[:n], MEANS[:n].astype(mixture.means_.dtype))
        if covariances is not None:
            np.testing.assert_allclose(mixture.covariances_[:n], covariances[:n], rtol=1e-14)
        assert (mixture.means_[n:, None] != MEANS).any(axis=-1).all()


def same_bits(one, other):
    assert one.status == other.status
    np.testing.assert_array_equal(one.loglik, other.loglik)
    for here, there in zip(fits(one), fits(other), strict=True):
        np.testing.assert_array_equal(here.means_, there.means_)
        np.testing.assert_array_equal(here.covariances_, there.covariances_)


def test_fixed_means_stay_in_every_cell_of_all_models():
    found = searched(covariance_type="all", n_components=range(2, 5))
    assert found.status.count("ok") >= 40
    assert_known(found)
    cells = zip(found.n_components, found.covariance_type, found.n_parameters, found.estimators, strict=True)
    for K, name, n, mixture in cells:
        if mixture is not None:
            assert n == K - 1 + 2 * (K - 2) + covariance_model(name).n_parameters(K, 2) == mixture.n_parameters_
            assert mixture.covariance_type in PARSIMONIOUS
    np.testing.assert_allclose(found.bic, -2 * found.loglik + found.n_parameters * np.log(len(X)), rtol=1e-12)


@pytest.mark.parametrize("covariances", [True, [True, False]])
@pytest.mark.parametrize("name", SEPARATE)
def test_fixed_covariances_stay_as_well(name, covariances):
    fixed = {"means": True, "covariances": covariances}
    found = searched(covariance_type=name, fixed=fixed, precisions_init=PRECISIONS[name])
    n = 2 if covariances is True else 1
    given = GaussianMixture(2, covariance_type=name, fixed=BOTH, means_init=MEANS, precisions_init=PRECISIONS[name])
    expected = given.fit(X).covariances_
    assert_known(found)
    for mixture in fits(found):
        np.testing.assert_array_equal(mixture.covariances_[:n], expected[:n])
        K, one = mixture.n_components, covariance_model(name).n_parameters(1, 2)
        assert mixture.n_parameters_ == K - 1 + 2 * (K - 2) + one * (K - n)
        assert mixture.fixed["covariances"] == [True] * n + [False] * (K - n)
    assert found.best.n_components == 4 or name == "spherical"


@pytest.mark.parametrize("name", [*SEPARATE, "tied", "VEE"])
def test_a_search_among_the_known_alone(name):
    """Of one component, and of one column, cells are of simpler models in another shape."""
    for n, columns in [(1, [0, 1]), (1, [0]), (2, [0])] if name != "VEE" else [(2, [0, 1])]:
        d, full = len(columns), PRECISIONS["full"][:n][:, columns][:, :, columns]
        precisions = {
            "full": full,
            "VEE": full[0] * np.array([1.0, 2.0])[:, None, None],
            "tied": full[0],
            "diag": full[:, range(d), range(d)],
        }.get(name, full[:, 0, 0])
        how = {"fixed": BOTH, "means_init": MEANS[:n, columns], "precisions_init": precisions}
        found = searched(X[:, columns], n, name, **how)
        single = GaussianMixture(n, covariance_type=name, tol=1e-5, max_iter=1000, **how).fit(X[:, columns])
        assert found.status == ("ok",)
        np.testing.assert_array_equal(found.best.means_, single.means_)
        np.testing.assert_allclose(found.best.covariances_, single.covariances_, rtol=1e-15)
        assert found.best.n_parameters_ == single.n_parameters_ == n - 1
        assert found.loglik[0] == pytest.approx(single.log_likelihood(X[:, columns]), abs=1e-2)
        best = searched(X[:, columns], n, name, prior=NormalInverseWishart(), **how).best
        np.testing.assert_array_equal(best.partial_fit(X[:, columns]).covariances_, found.best.covariances_)


KINDS = {
    "float32": (X.astype(np.float32), {}),
    "weights": (X, {"sample_weight": np.random.default_rng(1).uniform(0, 2, len(X))}),
    "gaps": (np.where(np.arange(2 * len(X)).reshape(-1, 2) % 14 == 0, np.nan, X), {"missing": "em"}),
    "noise": (X, {"noise": [[-9, -9], [12, 9]]}),
    "prior": (X, {"prior": NormalInverseWishart()}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_known_components_go_with_all_kinds_of_rows(kind):
    table, how = KINDS[kind]
    found = searched(table, n_components=[2, 3, 4], **how)
    assert_known(found)
    assert found.best.n_components == 4
    if kind == "noise":
        assert all(mixture.noise_weight_ > 0 for mixture in fits(found))


def test_a_known_class_without_rows_is_no_degenerate_component():
    """Its covariance says nothing of the rows; a free one would have collapsed."""
    there = np.r_[X[:90], X[180:]]
    found = searched(there, 4, "full", fixed=BOTH, precisions_init=PRECISIONS["full"], means_init=[[0, 0], [60, 60]])
    assert found.status == ("ok",)
    assert found.best.weights_[1] < 1e-12


@pytest.mark.parametrize("name", ["full", "tied", "diag", "EVE", "VEI"])
def test_no_cell_is_below_a_fit_from_elsewhere(name):
    found, rng = searched(covariance_type=name, tol=1e-8), np.random.default_rng(0)
    for K, loglik in zip(found.n_components.tolist(), found.loglik, strict=True):
        fixed = {"means": [True, True] + [False] * (K - 2)}
        how = {"covariance_type": name, "fixed": fixed, "tol": 1e-7, "max_iter": 5000}
        for _ in range(6):
            begin = np.concatenate([MEANS, X[rng.choice(len(X), K - 2, replace=False)]])
            one = GaussianMixture(K, means_init=begin, **how).fit(X)
            if K < 5 or one.weights_.min() > 0.05:  # few rows may make a spike, which a search passes by
                assert loglik > one.log_likelihood(X) - 0.05


def test_a_further_fit_of_a_cell_stays_where_it_is():
    found = searched(fixed=BOTH, covariance_type="full", precisions_init=PRECISIONS["full"], tol=1e-9)
    for mixture, loglik in zip(found.estimators, found.loglik, strict=True):
        again = clone(mixture).fit(X)
        np.testing.assert_array_equal(again.means_[:2], MEANS)
        assert again.log_likelihood(X) == pytest.approx(loglik, abs=1e-3)
        assert mixture.partial_fit(X).means_[:2].tolist() == MEANS.tolist()


def test_known_classes_and_new_ones_are_found_where_they_are_in_any_order():
    found, turned = usual(), searched(means_init=MEANS[::-1])
    assert found.best.n_components == 4
    new = found.best.means_[2:][np.argsort(found.best.means_[2:, 0])]
    np.testing.assert_allclose(new, [[-3, -5], [2, 5]], atol=0.5)
    np.testing.assert_allclose(turned.bic, found.bic, atol=0.1)
    np.testing.assert_array_equal(turned.best.means_[:2], MEANS[::-1])


@pytest.mark.parametrize("init_params", ["k-means++", "hierarchical", "random"])
def test_other_starts_have_known_components_first(init_params):
    found = searched(init_params=init_params, n_components=4, n_init=2)
    assert_known(found)
    np.testing.assert_allclose(found.bic, searched(n_components=4).bic, atol=0.5)


def test_rows_in_a_file_threads_and_the_estimator_give_the_same_bits(tmp_path, monkeypatch):
    np.save(tmp_path / "rows.npy", X)
    monkeypatch.setattr(engine, "CELLS_WORTH_THREADS", 0)
    for source in (X, gmm.open_rows(tmp_path / "rows.npy"), gmm.open_rows(lambda: [X[:50], X[50:]])):
        same_bits(searched(source, n_threads=3), usual())
    search = GaussianMixtureSearch(range(2, 6), TYPES, fixed={"means": True}, means_init=MEANS, random_state=0).fit(X)
    same_bits(search.selection_, usual())
    again = reloaded(search.selection_)
    assert again.best.fixed == usual().best.fixed == {"means": [True, True, False, False]}
    assert again.best.n_parameters_ == usual().best.n_parameters_


def test_rows_beyond_memory_are_finished_with_what_is_known(monkeypatch, tmp_path):
    monkeypatch.setattr(finishing, "SEARCHED", 300)
    many = rows(n=700)
    how = {"fixed": BOTH, "precisions_init": PRECISIONS["full"], "covariance_type": "full", "n_components": [3, 4]}
    found = searched(gmm.open_rows(lambda: [many[:1000], many[1000:]]), **how)
    assert found.n_searched == 300
    assert_known(found, np.linalg.inv(PRECISIONS["full"]))
    assert found.best.n_components == 4
    here = searched(many, **how)
    assert found.bic[found.best_index] == pytest.approx(here.bic[here.best_index], abs=0.1)


def test_no_start_drops_a_known_component(monkeypatch):
    dropped, without = [], candidates.without
    monkeypatch.setattr(candidates, "without", lambda *args: (dropped.append(args[-1]), without(*args))[1])
    searched(X[:180], n_components=range(2, 5))  # of the known classes alone, so that new components cost least
    searched(X[180:], n_components=range(2, 5))  # and the other way round
    assert min(dropped) == 2


def test_moves_leave_fixed_parameters_and_improve():
    """A new component begins at a known one: a move gives it the class that is new."""
    begin = {"means_init": [[0, 0], [6, 0.3], [2.0, 5.0], [2.1, 5.1]], "fixed": {"means": [True, True, False, False]}}
    how = {"tol": 1e-7, "max_iter": 2000, "random_state": 0, **begin}
    plain, refined = GaussianMixture(4, **how).fit(X), GaussianMixture(4, refine="split-merge", **how).fit(X)
    assert refined.history_.refinement.moves
    assert all(dropped >= 2 for dropped, *_ in refined.history_.refinement.moves)
    assert refined.lower_bound_ > plain.lower_bound_ + 0.01
    np.testing.assert_array_equal(refined.means_[:2], MEANS)
    assert fitted_parameters(refined).fixed
    known = GaussianMixture(2, refine="split-merge", fixed={"means": True}, means_init=MEANS).fit(X)
    assert known.history_.refinement.tried == 0  # there is no move where all components are known


REFUSED = {
    "fewer components": ({"n_components": [1, 2]}, "expected n_components of 2 or more"),
    "no means": ({"means_init": None}, "expected means_init, got None$"),
    "covariances alone": ({"fixed": {"covariances": True}, "precisions_init": PRECISIONS["full"]}, "fixes all means"),
    "some means": ({"fixed": {"means": [True, False]}}, "fixes all means"),
    "no precisions": ({"fixed": BOTH}, "expected precisions_init, got None$"),
    "a joint model": ({"fixed": BOTH, "covariance_type": "VEE", "precisions_init": PRECISIONS["full"]}, "depend on"),
    "weights": ({"fixed": {"means": True, "weights": True}}, "fixed weights cannot be combined with select"),
    "other units": ({"standardize": True}, "fixed parameters cannot be combined with standardize"),
    "a mask": ({"fixed": {"means": [True]}}, "each of 2 components"),
    "another width": ({"means_init": MEANS[:, :1]}, "shape of .2, 2."),
}
REFUSED["another shape"] = (REFUSED["a joint model"][0] | {"covariance_type": ["full", "diag"]}, "precision")


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_cell_can_have_is_refused(name):
    how, words = REFUSED[name]
    refused(words, searched, **how)
