"""To scikit-learn's estimators and back: the same numbers, attributes and parameters, or an error in words."""

import pickle
import sys

import numpy as np
import pytest

from gmm import BayesianGaussianMixture, GaussianMixture, NotFittedError
from gmm.exchange.sklearn import from_sklearn, to_sklearn
from inside import CLASSIC, PARSIMONIOUS, covariance_model
from tables import assert_same, cases, refused, reloaded

peers, preprocessing = pytest.importorskip("sklearn.mixture"), pytest.importorskip("sklearn.preprocessing")
RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(size=(250, 3)) @ RNG.normal(size=(3, 3)) + 4, RNG.normal(size=(250, 3))])
CLASSES = (GaussianMixture, BayesianGaussianMixture)
CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def attributes(estimator):
    return {name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")}


def assert_scored_alike(one, other):
    for method in ("predict_proba", "score_samples", "score", *("bic", "aic") * hasattr(one, "bic")):
        np.testing.assert_allclose(getattr(one, method)(X), getattr(other, method)(X), err_msg=method, **CLOSE)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


@pytest.mark.parametrize("covariance_type", CLASSIC)
@pytest.mark.parametrize("cls", CLASSES)
def test_scikit_learn_scores_ours_as_we_do(cls, covariance_type):
    ours = cls(n_components=3, covariance_type=covariance_type, random_state=0, tol=0.1).fit(X)
    theirs = to_sklearn(ours)
    assert type(theirs) is getattr(peers, cls.__name__)
    assert_scored_alike(theirs, ours)
    assert (theirs.n_iter_, theirs.converged_) == (ours.n_iter_, ours.converged_)
    assert (theirs.lower_bound_, theirs.lower_bounds_) == (ours.lower_bound_, ours.lower_bounds_)
    for name, value in theirs.get_params().items():
        assert value == getattr(ours, name), name


@pytest.mark.parametrize("prior", ["dirichlet_process", "dirichlet_distribution"])
@pytest.mark.parametrize("covariance_type", CLASSIC)
@pytest.mark.parametrize("cls", CLASSES)
def test_ours_score_theirs_as_they_do(cls, covariance_type, prior):
    how = {"weight_concentration_prior_type": prior} if cls is BayesianGaussianMixture else {}
    kind = getattr(peers, cls.__name__)
    theirs = kind(n_components=3, covariance_type=covariance_type, random_state=0, tol=0.1, **how).fit(X)
    ours = from_sklearn(theirs)
    assert type(ours) is cls
    assert_scored_alike(ours, theirs)
    again = to_sklearn(ours)
    assert attributes(again) == attributes(theirs)
    for name in attributes(theirs) - {"feature_names_in_"}:
        value, expected = getattr(again, name), getattr(theirs, name)
        for one, other in zip(value, expected, strict=True) if isinstance(expected, tuple) else [(value, expected)]:
            np.testing.assert_allclose(np.squeeze(one), np.squeeze(other), err_msg=name, **CLOSE)
    assert {name: getattr(ours, name) for name in theirs.get_params()} == theirs.get_params()
    assert ours.history_.reason == "fitted by scikit-learn"
    loaded = reloaded(ours)
    np.testing.assert_array_equal(loaded.score_samples(X), ours.score_samples(X))
    assert loaded.n_iter_ == theirs.n_iter_


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_there_and_back_no_bit_changes(cls, dtype):
    ours = cls(n_components=3, random_state=0, reg_covar=1e-5, max_iter=500).fit(X.astype(dtype))
    back = from_sklearn(to_sklearn(ours))
    assert_same(back._parameters, ours._parameters, names=("means", "covariances"))
    np.testing.assert_allclose(back.score_samples(X), ours.score_samples(X), rtol=1e-12)
    assert (back.n_iter_, back.lower_bound_) == (ours.n_iter_, ours.lower_bound_)
    assert repr(back) == repr(ours)


@pytest.mark.parametrize("name", PARSIMONIOUS)
def test_a_constrained_model_goes_as_the_type_that_stores_it(name):
    ours = GaussianMixture(3, covariance_type=name, random_state=0).fit(X)
    theirs = to_sklearn(ours)
    assert theirs.covariance_type in CLASSIC
    assert covariance_model(theirs.covariance_type).layout is covariance_model(name).layout
    np.testing.assert_allclose(theirs.score_samples(X), ours.score_samples(X), **CLOSE)
    np.testing.assert_allclose(theirs.predict_proba(X), ours.predict_proba(X), **CLOSE)
    more = theirs._n_parameters() - ours.n_parameters_
    assert more >= 0
    assert (more == 0) == (name in ("VVV", "EEE", "VVI", "VII"))
    assert theirs.bic(X) - ours.bic(X) == pytest.approx(more * np.log(len(X)), abs=1e-8)


def test_what_scikit_learn_lacks_becomes_its_default_and_theirs_is_their_own(monkeypatch):
    table = pytest.importorskip("pandas").DataFrame(X, columns=["a", "b", "c"])
    how = {"init_params": "hierarchical", "random_state": np.random.default_rng(0), "prior": "conjugate"}
    ours = GaussianMixture(2, covariance_type="VVE", warm_start=True, **how).fit(table)
    theirs = to_sklearn(ours)
    assert list(theirs.feature_names_in_) == list(from_sklearn(theirs).feature_names_in_) == ["a", "b", "c"]
    assert (theirs.init_params, theirs.random_state, theirs.covariance_type) == ("kmeans", None, "full")
    assert b"gmm" not in pickle.dumps(theirs)
    theirs.means_[0] = 0.0
    assert (ours.means_[0] != 0).all()
    theirs.fit(X)
    made = GaussianMixture.from_parameters([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]])
    theirs = to_sklearn(made)  # without a record of a fit
    assert not hasattr(theirs, "n_iter_")
    assert not hasattr(from_sklearn(theirs), "history_")
    assert theirs.predict([[-3.0], [3.0]]).tolist() == [0, 1]
    monkeypatch.setitem(sys.modules, "sklearn.mixture", None)
    refused("python -m pip install scikit-learn", to_sklearn, made, error=ModuleNotFoundError)


@pytest.mark.parametrize("cls", CLASSES)
def test_other_classes_are_refused_in_words(cls):
    for wrong, words in (
        (preprocessing.StandardScaler(), r"sklearn\..*\.StandardScaler: "),
        (cls(), rf"gmm\.{cls.__name__}: "),
        ("full", "builtins.str: 'full'"),
        (getattr(peers, cls.__name__), f"abc.ABCMeta: .*{cls.__name__}"),
    ):
        told = rf"expected a fitted sklearn\.mixture\.GaussianMixture or .*, got {words}"
        refused(told, from_sklearn, wrong, error=TypeError)
    told = r"without weights_, means_, covariances_.*its 'fit'"
    refused(told, from_sklearn, getattr(peers, cls.__name__)(), error=NotFittedError)
    refused("not fitted yet", to_sklearn, cls(), error=NotFittedError)


@cases(
    ({"weights_": np.ones(2)}, "normalized"),
    ({"covariance_type": "round"}, "expected a covariance type"),
    ({"tol": -1.0}, "'tol' parameter"),
)
def test_what_is_no_mixture_is_refused(changed, message):
    theirs = peers.GaussianMixture(2, random_state=0).fit(X)
    vars(theirs).update(changed)
    refused(message, from_sklearn, theirs)


@pytest.mark.parametrize("covariance_type", CLASSIC)
@cases({}, *({"weight_concentration_prior_type": f"dirichlet_{each}"} for each in ("process", "distribution")))
def test_scikit_learns_extension_interface_is_read_alike(how, covariance_type):
    kind = BayesianGaussianMixture if how else GaussianMixture
    ours = kind(n_components=4, covariance_type=covariance_type, random_state=0, **how).fit(X)
    theirs = to_sklearn(ours)
    for name in ("_estimate_log_prob", "_estimate_weighted_log_prob"):
        np.testing.assert_allclose(getattr(ours, name)(X), getattr(theirs, name)(X), rtol=1e-9)
    np.testing.assert_allclose(ours._estimate_log_weights(), theirs._estimate_log_weights(), rtol=1e-9)
    for one, other in zip(ours._estimate_log_prob_resp(X), theirs._estimate_log_prob_resp(X), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    if not how:
        assert ours._n_parameters() == theirs._n_parameters()


@cases("_initialize_parameters", "_initialize", "_e_step", "_m_step", "_estimate_log_prob", "_estimate_log_weights")
def test_a_subclass_that_overrides_a_step_of_scikit_learns_fit_is_refused_at_the_fit(name):
    for kind in (GaussianMixture, BayesianGaussianMixture):
        other = type("Mine", (kind,), {name: lambda self, *_: None})(n_components=2)
        refused(f"Mine overrides {name}, which fit does not call: use ", other.fit, X, error=TypeError)
    mine = type("Mine", (GaussianMixture,), {"predict": lambda self, X: X})(n_components=2, random_state=0)
    assert mine.fit(X).converged_
