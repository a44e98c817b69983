"""Parameters that are assigned to a mixture: in any order, in place, and what is no mixture is refused."""

import itertools
import pickle

import numpy as np
import pytest

import gmm
from gmm import GaussianMixture
from inside import CLASSIC, PARSIMONIOUS
from tables import a_mixture, blobs, cases, groups, refused

X = blobs(120, 2, 2)


def test_scores_of_another_number_of_columns_than_the_mixture_has_are_refused():
    mixture = GaussianMixture(2, random_state=0).fit(X)
    mixture.n_features_in_ = 1
    refused(r"length 1, .* got 2", mixture.score_samples, X[:, :1])  # such rows never reach the loops


@pytest.mark.parametrize("last", ["covariances_", "precisions_", "precisions_cholesky_"])
def test_assigned_parameters_are_read_before_there_are_all(last):  # as graspologic's DivisiveCluster does
    mixture = GaussianMixture(covariance_type="diag")
    mixture.weights_ = [1]
    mixture.means_ = np.zeros((1, 3))
    assert mixture.means_.shape == (1, 3)
    refused(None, mixture.predict, np.zeros((2, 3)), error=gmm.NotFittedError)
    assert not hasattr(mixture, "covariances_")
    setattr(mixture, last, np.full((1, 3), 4.0))
    np.testing.assert_allclose(getattr(mixture, last), np.full((1, 3), 4.0))
    assert mixture.weights_.dtype == np.float64


ASSIGNABLE = "weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"


def components_of(mixture, name, chosen):
    """The parameter of some components."""
    values = getattr(mixture, name)
    common = name not in ("weights_", "means_") and mixture.covariance_type in ("tied", "EEE")
    return values if common else values[chosen]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("covariance_type", [*PARSIMONIOUS, "ppca1"])
@pytest.mark.parametrize("K", [2, 3, 4])
def test_components_sorted_in_any_order_of_assignment_are_the_same_mixture(K, covariance_type, dtype):
    mixture = GaussianMixture(K, covariance_type=covariance_type, random_state=0).fit(groups().astype(dtype))
    expected, responsibilities = mixture.score_samples(groups()), mixture.predict_proba(groups())
    order = np.roll(np.arange(K), 1)
    for names in itertools.permutations(ASSIGNABLE):
        for name in names:
            setattr(mixture, name, components_of(mixture, name, order))
        responsibilities = responsibilities[:, order]
        rtol = 1e-3 if dtype == np.float32 else 1e-9
        np.testing.assert_allclose(mixture.score_samples(groups()), expected, rtol=rtol)
    np.testing.assert_allclose(mixture.predict_proba(groups()), responsibilities, atol=0.01)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical", "tied", "ppca1"])
def test_components_sorted_with_uses_in_between_are_the_same_mixture_or_refused(K, covariance_type):
    mixture = GaussianMixture(K, covariance_type=covariance_type, random_state=0).fit(groups())
    expected, before, order = mixture.score_samples(groups()), pickle.dumps(mixture), np.roll(np.arange(K), 1)
    n_refused = 0
    for names, used in itertools.product(itertools.permutations(ASSIGNABLE), [*np.eye(4), *np.tri(4)[1:]]):
        mixture = pickle.loads(before)
        try:
            for name, is_used in zip(names, (*used, 1), strict=True):
                setattr(mixture, name, components_of(mixture, name, order))
                scores = mixture.score_samples(groups()[:9]) if is_used else None
        except ValueError as error:
            assert "sorted after" in str(error)  # noqa: PT017
            n_refused += 1
        else:
            np.testing.assert_allclose(scores, expected[:9], rtol=1e-9)
    assert (n_refused > 0) == (covariance_type != "tied")
    mixture = pickle.loads(before)
    mixture.covariances_[:] = components_of(mixture, "covariances_", order)
    mixture.predict(groups())
    mixture.precisions_ = components_of(mixture, "precisions_", order)
    if covariance_type != "tied":
        refused("precisions_ were sorted after covariances_ were", mixture.predict, groups())
    mixture = pickle.loads(before)
    for _ in range(2):  # sorted again by another number
        for name in ("covariances_", "means_", "weights_"):
            setattr(mixture, name, components_of(mixture, name, order))
        np.testing.assert_allclose(mixture.score_samples(groups()), expected, rtol=1e-9)


@pytest.mark.parametrize("covariance_type", CLASSIC)
def test_what_was_not_assigned_is_as_it_was_until_the_mixture_is_used(covariance_type):
    mixture = a_mixture(covariance_type)
    wider, before = {"covariances_": 4, "precisions_": 1 / 4, "precisions_cholesky_": 1 / 2}, pickle.dumps(mixture)
    for name in wider:
        mixture, others = pickle.loads(before), {*ASSIGNABLE} - {name}
        values = {each: np.copy(getattr(mixture, each)) for each in ASSIGNABLE}
        setattr(mixture, name, values[name] * wider[name])
        for other in others:
            np.testing.assert_array_equal(getattr(mixture, other), values[other])
        mixture.predict(mixture.means_)
        for other, times in wider.items():
            np.testing.assert_allclose(getattr(mixture, other), values[other] * times)
        for other in {*wider} - {name}:
            for times in (1, 1.1):
                mixture = pickle.loads(before)
                setattr(mixture, name, values[name])
                setattr(mixture, other, values[other] * times)
                if times == 1:
                    mixture.predict(mixture.means_)
                else:
                    refused(f"{name} and {other}.* contradict each other", mixture.predict, mixture.means_)


@pytest.mark.parametrize("covariance_type", [*PARSIMONIOUS, "ppca1"])
@pytest.mark.parametrize("spread", ASSIGNABLE[2:])
def test_another_number_of_components_may_be_assigned(covariance_type, spread):
    three, chosen = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(groups()), [2, 0]
    weights, covariances = three.weights_[chosen], components_of(three, "covariances_", chosen)
    parts = weights / weights.sum(), three.means_[chosen], covariances
    part = GaussianMixture.from_parameters(*parts, covariance_type=covariance_type)
    never_fitted = GaussianMixture(covariance_type=covariance_type)
    other = GaussianMixture(2, covariance_type=covariance_type, random_state=1).fit(groups(seed=1))
    for source, targets in ((three, [never_fitted, other]), (part, [pickle.loads(pickle.dumps(three))])):
        for target in targets:
            for name in (spread, "means_", "weights_"):
                setattr(target, name, getattr(source, name))
            np.testing.assert_allclose(target.score_samples(groups()), source.score_samples(groups()), rtol=1e-9)
            assert target.predict_proba(groups()).shape[1] == len(source.weights_)


def test_arithmetic_in_place_changes_the_mixture():
    mixture, rows = a_mixture(), groups(d=4)
    expected, held = a_mixture().score_samples(rows - 1), mixture.means_
    mixture.means_ += 1
    np.testing.assert_allclose(mixture.score_samples(rows), expected)
    held -= 1
    np.testing.assert_allclose(pickle.loads(pickle.dumps(mixture)).score_samples(rows), a_mixture().score_samples(rows))
    np.testing.assert_allclose(mixture.score_samples(rows), a_mixture().score_samples(rows))
    mixture.covariances_[0] *= 4
    np.testing.assert_allclose(mixture.precisions_cholesky_[0], a_mixture().precisions_cholesky_[0])
    mixture.predict(rows)
    np.testing.assert_allclose(mixture.precisions_cholesky_[0], a_mixture().precisions_cholesky_[0] / 2)
    mixture.covariances_ = np.full((4, 4, 4), np.nan)  # as SimPEG makes room
    mixture.covariances_[:] = a_mixture().covariances_
    np.testing.assert_allclose(mixture.score_samples(rows), a_mixture().score_samples(rows))
    mixture.weights_[0] = 0
    refused("Divide the weights by their sum", mixture.predict, rows)
    mixture.weights_ /= mixture.weights_.sum()
    assert (mixture.predict(rows) != 0).all()


@cases(
    ({"means_": np.zeros((2, 3))}, r"'means_' should have the shape of \(2, 2\), but got \(2, 3\)"),
    ({"means_": np.zeros((3, 2))}, r"components in weights_ and means_ and covariances_, got 2 and 3 and 2"),
    ({"means_": np.full((2, 2), np.nan)}, "contains NaN"),
    ({"weights_": [0.5, 0.6]}, "should be normalized"),
    ({"covariances_": -np.ones((2, 2, 2))}, "positive"),
    ({"precisions_": np.ones((2, 2))}, "should have the shape"),
)
def test_assigned_parameters_that_are_no_mixture_are_refused_where_it_is_used(assigned, message):
    mixture = GaussianMixture(2, random_state=0).fit(X)
    for name, values in assigned.items():
        setattr(mixture, name, values)
    refused(message, mixture.predict, X)
    assert mixture.fit(X).predict(X).any()


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
def test_the_text_tells_the_likelihood_of_its_parameters_and_none_of_those_set_by_hand():
    mixture = GaussianMixture(2, max_iter=1, random_state=0).fit(X)
    assert f"{mixture.lower_bound_:.6g} nats" in str(mixture)
    mixture.means_ = mixture.means_ + 1
    assert "converged" not in str(mixture)
    assert not hasattr(mixture, "lower_bound_")


@pytest.mark.parametrize("factors", [[[6 + 1j]], [["6"]], [[np.nan]], [[1e200]], [[6.0, 0.0]], [6.0], [[[6.0]]]])
def test_factors_of_precisions_are_checked_as_other_parameters_are(factors):
    def use():
        mixture.precisions_cholesky_ = factors
        mixture.predict([[0.0]])

    mixture = GaussianMixture.from_parameters([1.0], [[0.0]], [[1.0]], covariance_type="diag")
    refused("precisions_cholesky_", use, error=(TypeError, ValueError))
