"""What reviews found, each by its smallest example."""

import itertools
import os
import pickle
from contextlib import suppress
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

import gmm
from gmm import BayesianGaussianMixture, GaussianMixture, select
from inside import CLASSIC, COVARIANCE_TYPES, SPHERICAL, ArraySource, EStep, WhitenedMixture, single_threaded_blas
from tables import a_mixture, blobs, groups, refused, reloaded

X = blobs(120, 2, 2)
BROKEN = np.zeros(250, dtype=[("a", "f8", (2,)), ("b", "f4")])  # of strides that are no whole items
ROUND = WhitenedMixture(SPHERICAL, np.zeros(1), np.zeros((1, 2)), np.ones(1))


def test_scores_of_another_number_of_columns_than_the_mixture_has_are_refused():
    mixture = GaussianMixture(2, random_state=0).fit(X)
    mixture.n_features_in_ = 1
    refused(r"length 1, .* got 2", mixture.score_samples, X[:, :1])  # such rows never reach the loops


every_last = pytest.mark.parametrize("last", ["covariances_", "precisions_", "precisions_cholesky_"])


@every_last
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
@pytest.mark.parametrize("covariance_type", [*COVARIANCE_TYPES, "ppca1"])
@pytest.mark.parametrize("K", [2, 3, 4])
def test_components_sorted_in_any_order_of_assignment_are_the_same_mixture(K, covariance_type, dtype):
    mixture = GaussianMixture(K, covariance_type=covariance_type, random_state=0).fit(groups().astype(dtype))
    expected, responsibilities = mixture.score_samples(groups()), mixture.predict_proba(groups())
    order = np.roll(np.arange(K), 1)
    for names in itertools.permutations(ASSIGNABLE):
        for name in names:
            setattr(mixture, name, components_of(mixture, name, order))
        responsibilities = responsibilities[:, order]
        np.testing.assert_allclose(
            mixture.score_samples(groups()), expected, rtol=1e-3 if dtype == np.float32 else 1e-9
        )
    np.testing.assert_allclose(mixture.predict_proba(groups()), responsibilities, atol=0.01)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical", "tied", "ppca1"])
def test_components_sorted_with_uses_in_between_are_the_same_mixture_or_refused(K, covariance_type):
    mixture = GaussianMixture(K, covariance_type=covariance_type, random_state=0).fit(groups())
    expected, before, order = mixture.score_samples(groups()), pickle.dumps(mixture), np.roll(np.arange(K), 1)
    n_refused = 0
    for names, used in itertools.product(itertools.permutations(ASSIGNABLE), [*np.eye(4), *np.tri(4)]):
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


@pytest.mark.parametrize("covariance_type", [*COVARIANCE_TYPES, "ppca1"])
@pytest.mark.parametrize("spread", ASSIGNABLE[2:])
def test_another_number_of_components_may_be_assigned(covariance_type, spread):
    three, chosen = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(groups()), [2, 0]
    part = GaussianMixture.from_parameters(
        three.weights_[chosen] / three.weights_[chosen].sum(),
        three.means_[chosen],
        components_of(three, "covariances_", chosen),
        covariance_type=covariance_type,
    )
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


@pytest.mark.parametrize(
    ("assigned", "message"),
    [
        ({"means_": np.zeros((2, 3))}, r"'means_' should have the shape of \(2, 2\), but got \(2, 3\)"),
        ({"means_": np.zeros((3, 2))}, r"components in weights_ and means_ and covariances_, got 2 and 3 and 2"),
        ({"means_": np.full((2, 2), np.nan)}, "contains NaN"),
        ({"weights_": [0.5, 0.6]}, "should be normalized"),
        ({"covariances_": -np.ones((2, 2, 2))}, "positive"),
        ({"precisions_": np.ones((2, 2))}, "should have the shape"),
    ],
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


def test_numpy_scalars_among_the_parameters_are_saved():
    asked = {"max_iter": np.int32(500), "tol": np.float32(0.5), "random_state": np.int64(7), "warm_start": np.True_}
    loaded = reloaded(GaussianMixture(2, **asked).fit(X))
    assert {name: loaded.get_params()[name] for name in asked} == asked


@pytest.mark.parametrize("invalid", [{"max_iter": "many"}, {"tol": np.nan}, {"prior": "flat"}, {"n_threads": 0}])
def test_a_file_that_load_would_refuse_is_not_written(tmp_path, invalid):
    mixture = GaussianMixture(2, random_state=0).fit(X).set_params(**invalid)
    refused(f"The '{next(iter(invalid))}' parameter of GaussianMixture must be", mixture.save, tmp_path / "m.gmm")
    assert not list(tmp_path.iterdir())


def test_float32_attributes_that_float32_cannot_hold_are_float64():
    rows = (X * 1e25).astype(np.float32)
    mixture = GaussianMixture(2, random_state=0).fit(rows)
    assert mixture.means_.dtype == np.float32
    assert np.isfinite(mixture.covariances_).all()
    assert (np.diagonal(mixture.covariances_, axis1=1, axis2=2) > 0).all()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        *(
            (lambda w=w: GaussianMixture(2).fit(X, sample_weight=np.full(120, w)), "Divide it by its m")
            for w in (5e-324, 1e-310, 1e306)
        ),
        (lambda: GaussianMixture(2, means_init=np.full((2, 2), 1e300)).fit(X), "too large"),
        (
            lambda: GaussianMixture(2).fit(X * 1e149, sample_weight=np.full(120, 1e10)),
            r"weights sum to 1.2e\+12, and X holds .* at row \d+, column \d.*Divide",
        ),
        (lambda: GaussianMixture(1).fit(np.array([[0.0], [1.0], [-1e200], [1e200], [1e200]])), "row 2"),
        (lambda: GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]]).sample(10**30), "n_samples"),
        (lambda: EStep(ArraySource(BROKEN["a"]), SPHERICAL)(ROUND), "got 20 and 8"),
    ],
)
def test_what_overflows_or_lies_otherwise_in_memory_is_refused(call, told):
    refused(told, call)


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
def test_a_start_with_one_good_partition_is_good_enough_without_a_ridge():
    from sklearn.datasets import load_iris

    n_fitted = 0
    for seed in range(15):
        with suppress(ValueError):
            n_fitted += GaussianMixture(7, reg_covar=0, random_state=seed).fit(load_iris().data).n_iter_ > 0
    assert n_fitted >= 11  # scikit-learn: 13; one partition alone: half of them


def test_a_selection_of_float32_rows_has_the_criteria_of_its_mixtures():
    rows = np.random.default_rng(1).normal(size=(50_000, 2)).astype(np.float32)
    found = select(rows, [1], "full", random_state=0)
    assert found.bic[0] == pytest.approx(found.best.bic(rows), rel=1e-7)
    assert found.icl[0] >= found.bic[0] - 1e-6


@pytest.mark.parametrize("method", ["predict", "score", "score_samples", "predict_proba", "bic", "fit", "fit_predict"])
def test_warnings_point_at_the_callers_line(method):
    import pandas as pd

    mixture = GaussianMixture(2, random_state=0).fit(pd.DataFrame(X, columns=["a", "b"]))
    kind, told = UserWarning, "valid feature names"
    if method.startswith("fit"):
        mixture, kind, told = GaussianMixture(2, max_iter=1, tol=0, random_state=0), gmm.ConvergenceWarning, ""
    with pytest.warns(kind, match=told) as caught:
        getattr(mixture, method)(X)
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("unit", [1e-60, 1e-40, 1e-30, 1e30, 1e38, 1e60])
@pytest.mark.parametrize("weight", [np.ones(len(X)), np.linspace(0.2, 3, len(X))], ids=["equal", "uneven"])
def test_float32_rows_take_weights_that_float32_cannot_hold(weight, unit):
    rows, weights = X.astype(np.float32), (weight, weight * unit)
    one, other = (GaussianMixture(2, tol=1e-8, random_state=0).fit(rows, sample_weight=each) for each in weights)
    assert other.lower_bound_ == pytest.approx(one.lower_bound_, abs=1e-6)
    np.testing.assert_allclose(other.means_, one.means_, rtol=1e-5)
    np.testing.assert_allclose(other.covariances_, one.covariances_, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_float32_rows_and_weights_that_overflow_together_are_computed_in_float64(covariance_type):
    signs, weight = np.random.default_rng(0).choice([-1, 1], size=(2000, 3)), np.full(2000, 9e11)
    single, double = (
        GaussianMixture(1, covariance_type=covariance_type).fit((9.5e11 * signs).astype(dtype), sample_weight=weight)
        for dtype in (np.float32, np.float64)
    )
    assert single.lower_bound_ == pytest.approx(double.lower_bound_, rel=1e-6)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")  # polars keeps threads
def test_a_child_forked_while_blas_is_held_does_not_wait_for_its_parents_threads():
    with single_threaded_blas():
        child = os.fork()
        if child == 0:
            os._exit(single_threaded_blas._holders)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("fit", [GaussianMixture(2).fit, partial(select, n_components=[1, 2])])
def test_fits_of_many_columns_wake_no_threads_of_blas(fit):
    """They spin after each call between two passes: fits of 351 rows of 32 columns took up to 50 times the time."""
    holders = []
    X = np.random.default_rng(0).normal(size=(300, 32))
    fit(X, callback=lambda _: holders.append(single_threaded_blas._holders))
    assert min(holders) > 0


@pytest.mark.parametrize("factors", [[[6 + 1j]], [["6"]], [[np.nan]], [[1e200]], [[6.0, 0.0]], [6.0], [[[6.0]]]])
def test_factors_of_precisions_are_checked_as_other_parameters_are(factors):
    def use():
        mixture.precisions_cholesky_ = factors
        mixture.predict([[0.0]])

    mixture = GaussianMixture.from_parameters([1.0], [[0.0]], [[1.0]], covariance_type="diag")
    refused("precisions_cholesky_", use, error=(TypeError, ValueError))


def test_memory_order_of_given_means_changes_no_bits():
    """The linear form's origin is a sum whose order is that of the memory: a loaded mixture had other last digits."""
    rng = np.random.default_rng(0)
    for seed in range(20):
        means, rows = rng.normal(size=(3, 5)) * 10.0 ** rng.integers(-3, 3, 5), rng.normal(size=(4, 5))
        given = np.full(3, 1 / 3), np.asfortranarray(means), np.stack([np.eye(5) * (1 + seed)] * 3)
        mixture = GaussianMixture.from_parameters(*given)
        assert mixture.means_.flags.c_contiguous
        np.testing.assert_array_equal(reloaded(mixture).score_samples(rows), mixture.score_samples(rows))


@pytest.mark.filterwarnings("ignore:reg_covar hides groups")
def test_a_ridge_whose_sum_over_the_rows_overflows_is_refused():
    rows, heavy = np.random.default_rng(0).normal(size=(9, 2)), np.r_[np.ones(8), 1e200]
    for call in (GaussianMixture(reg_covar=1e300).fit, lambda X, **how: select(X, [1, 2], reg_covar=1e300, **how)):
        refused(r"reg_covar.*1e[+]300.*weight 1e[+]200", call, rows, sample_weight=heavy)
    GaussianMixture(reg_covar=1e300).fit(rows)


@pytest.mark.filterwarnings("ignore:The weights add up to", "ignore:reg_covar hides groups")
@pytest.mark.parametrize("cls", [GaussianMixture, BayesianGaussianMixture])
def test_numbers_of_a_narrower_type_are_what_they_say(cls):
    """Found by fuzzing: largest scatters and weights of 1e-161 are no numbers of float32."""
    X, weight = [[0.0], [1.0], [5.0]], [3e-161, 1e-161, 0.0]
    fits = (cls(tol=of(0.5), reg_covar=of(0.25)).fit(X, sample_weight=weight) for of in (float, np.float32))
    assert len({each.covariances_.tobytes() for each in fits}) == 1


@pytest.mark.parametrize("of", [Fraction, np.longdouble])
def test_numbers_that_json_does_not_know_are_saved(of):
    prior = gmm.NormalInverseWishart(mean=[of(0.5), of(1)], shrinkage=of(0.25))
    fit = GaussianMixture(2, tol=of(0.125), prior=prior, random_state=0).fit(X)
    again = reloaded(fit)
    assert (again.tol, list(again.prior.mean), again.prior.shrinkage) == (0.125, [0.5, 1], 0.25)
    np.testing.assert_array_equal(again.predict_proba(X), fit.predict_proba(X))


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
@pytest.mark.parametrize(
    ("counts", "how"),
    [([1, 2], {"reg_covar": 1e-300}), ([2], {"prior": gmm.NormalInverseWishart([6e30], 1e-6), "reg_covar": 0.0})],
)
def test_a_search_of_rows_whose_weights_differ_by_all_that_numbers_can(counts, how):
    """Found by fuzzing: of infinite promises, and weights times precisions, numpy warned."""
    rows = np.random.default_rng(0).normal(size=(8, 1)) + np.c_[[6, 6, 6, 6, 0, 6, 6, 0]]
    weight = np.r_[np.random.default_rng(0).random(8)[:1:-1], 1e200, 1e200]
    best = select(rows, counts, "full", sample_weight=weight, random_state=0, max_iter=12, **how).best
    assert np.isfinite(best.means_).all()
