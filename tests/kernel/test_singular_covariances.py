"""Parameters from statistics where it is hard: the ridge, singular covariances, lost components."""

import re
from dataclasses import replace

import numpy as np
import pytest

import inside
import reference
from gmm import BayesianGaussianMixture, ConvergenceWarning, GaussianMixture
from inside import PARSIMONIOUS, MStep, Objective, covariance_model, refill_empty
from tables import refused, warned
from test_update import statistics_of

every_type = pytest.mark.parametrize("covariance_type", PARSIMONIOUS)


def statistics(covariance_type, rows, responsibilities):
    of_rows = statistics_of(covariance_type, rows, responsibilities, np.ones(len(rows)))
    return of_rows, covariance_model(covariance_type)


def ordinary(n=50, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)), rng.dirichlet(np.ones(3), size=n)


def with_a_lost_component():
    rows, responsibilities = ordinary()
    responsibilities[:, 1] += responsibilities[:, 2]
    responsibilities[:, 2] = 0
    return rows, responsibilities


@every_type
def test_a_ridge_lost_to_rounding_is_raised_until_it_is_felt(covariance_type):
    rows = 1e12 * np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0]])
    given_statistics, model = statistics(covariance_type, rows, np.ones((4, 1)))
    got = Objective(model, 1e-6).update(given_statistics)
    assert np.isfinite(got.log_determinants).all()
    dense = reference.dense(got.covariances, covariance_type, 1, 2)[0]
    np.testing.assert_allclose(np.diag(dense), 1.25e24, rtol=1e-12)


@every_type
def test_a_lost_component_gets_half_of_the_heaviest(covariance_type):
    given_statistics, model = statistics(covariance_type, *with_a_lost_component())
    got, repaired = refill_empty(given_statistics, model, at_most=3)
    donor = int(np.argmax(given_statistics.counts))
    assert repaired == {2: donor}
    assert got.counts[2] == got.counts[donor] == given_statistics.counts[donor] / 2
    assert got.counts.sum() == pytest.approx(50)
    before, after = (Objective(model, 1e-6).update(s) for s in (given_statistics, got))
    # The halves lie half a standard deviation to either side, and move nothing else.
    middle = (after.means[2] + after.means[donor]) / 2
    np.testing.assert_allclose(middle, before.means[donor], rtol=1e-9)
    free = Objective(covariance_model(reference.shape_of(covariance_type)), 1e-6).update(given_statistics)
    widest = np.linalg.eigvalsh(reference.dense(free.covariances, covariance_type, 3, 2)[donor])
    apart = np.linalg.norm(after.means[2] - after.means[donor])
    assert apart == pytest.approx(np.sqrt(widest[-1]), rel=1e-3)
    np.testing.assert_allclose(after.means[1 - donor], before.means[1 - donor], rtol=1e-12)
    for values in (after.weights, after.means, after.covariances, after.whiteners):
        with pytest.raises(ValueError, match="read-only"):
            values[...] = 0


@every_type
def test_no_more_are_repaired_than_are_lost_and_asked_for(covariance_type):
    given_statistics, model = statistics(covariance_type, *ordinary())
    same, repaired = refill_empty(given_statistics, model, at_most=3)
    assert repaired == {}
    assert same is given_statistics
    given_statistics, _ = statistics(covariance_type, ordinary()[0], np.eye(4)[np.ones(50, int)])
    for at_most, expected in ((4, [0, 2, 3]), (2, [0, 2]), (0, [])):
        assert list(refill_empty(given_statistics, model, at_most=at_most)[1]) == expected
    m_step, (lost, _) = MStep(Objective(model, 1e-6), repairs=3), statistics(covariance_type, *with_a_lost_component())
    for _ in range(9):
        m_step(lost)
    assert m_step.repaired == [2, 2, 2]  # a climb repairs at most as often as it has components


@pytest.mark.parametrize("reg_covar", [0.0, 1e-6])
@every_type
def test_a_fit_repairs_a_lost_component_with_one_warning_that_names_it(covariance_type, reg_covar):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (80, 2)), rng.normal(9, 1, (40, 2))])
    how = {"means_init": [[0.0, 0.0], [9.0, 9.0], [500.0, 500.0]], "reg_covar": reg_covar, "max_iter": 500}
    with pytest.warns(ConvergenceWarning, match="lost all rows") as told:
        mixture = GaussianMixture(3, covariance_type=covariance_type, **how).fit(X)
    assert [each.filename for each in told] == [__file__]
    assert mixture.remarks_["lost rows"].startswith("Component(s) 2 lost all rows")
    assert mixture.converged_
    assert (mixture.weights_ > 0.01).all()
    assert np.abs(mixture.means_).max() < 20


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_without_a_ridge_a_singular_fit_is_scikit_learns_error_and_says_where(covariance_type):
    X = np.array([[0.0, 0.0], [1.0, 0.5], [0.5, 1.0], [9.0, 9.0], [9.0, 9.0]])
    X, where = (X[[0, 0, 3, 3]], "all components share") if covariance_type == "tied" else (X, "component 1")
    how = {"covariance_type": covariance_type, "means_init": [[0.5, 0.5], [9.0, 9.0]], "tol": 1e-9}
    mixture = GaussianMixture(2, **how, reg_covar=0)
    refused("ill-defined empirical covariance.*" + where, mixture.fit, X)
    assert not hasattr(mixture, "converged_")
    means, bounds = mixture.set_params(reg_covar=1e-6).fit(X).means_, mixture.lower_bounds_
    refused("ill-defined", mixture.set_params(reg_covar=0).fit, X)  # which leaves it as it was
    np.testing.assert_array_equal(mixture.means_, means)
    assert mixture.lower_bounds_ == bounds


HARD_DATA = {
    "all rows identical": np.full((20, 3), 7.0),
    "two distinct rows": np.repeat([[0.0, 1.0, 2.0], [5.0, 5.0, 5.0]], 10, axis=0),
    "a constant column": np.column_stack([np.arange(20.0), np.full(20, 3.0), np.arange(20.0) % 3]),
    "collinear": np.outer(np.arange(20.0), [1.0, 2.0, -1.0]),
    "wider than long": np.random.default_rng(0).normal(size=(6, 3)) @ np.ones((3, 9)),
    "one far row": np.vstack([np.random.default_rng(1).normal(size=(19, 3)), [[1e9, 0.0, 0.0]]]),
    "columns of unlike units": np.random.default_rng(2).normal(size=(20, 3)) * [1e-9, 1.0, 1e9],
    "whole numbers": np.random.default_rng(3).integers(0, 2, size=(30, 3)).astype(float),
    "huge": 1e140 * np.random.default_rng(4).normal(size=(20, 2)),
    "tiny": 1e-140 * np.random.default_rng(5).normal(size=(20, 2)),
}


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:reg_covar hides groups")
@pytest.mark.parametrize("init_params", ["kmeans", "random", "random_from_data"])
@pytest.mark.parametrize("X", HARD_DATA.values(), ids=HARD_DATA)
@every_type
def test_with_a_ridge_hard_data_is_no_dead_end(covariance_type, X, init_params):
    how = {"covariance_type": covariance_type, "init_params": init_params, "random_state": 0, "max_iter": 20}
    mixture = GaussianMixture(4, **how).fit(X)
    for values in (mixture.lower_bound_, mixture.score_samples(X), mixture.means_, mixture.covariances_):
        assert np.isfinite(values).all()
    np.testing.assert_allclose(mixture.predict_proba(X).sum(axis=1), 1, atol=1e-9)
    assert mixture.weights_.sum() == pytest.approx(1)


@pytest.mark.parametrize("acceleration", ["auto", None])
@pytest.mark.parametrize(("cls", "unit"), [(GaussianMixture, "nats per row"), (BayesianGaussianMixture, "nats")])
def test_a_fit_cut_short_warns_where_tol_or_more_is_left(cls, unit, acceleration):
    """Once, with how much, and where scikit-learn's rule ends; a single pass cannot tell whether it is enough."""
    X, silent = np.random.default_rng(1).normal(size=(100, 2)), 0
    for max_iter in range(1, 30):
        how = {"n_init": 1 + max_iter % 2, "acceleration": acceleration, "tol": 2e-3, "random_state": 0}
        mixture, told = warned(cls(n_components=4, max_iter=max_iter, **how).fit, X)
        left, bounds = mixture.history_.remaining, mixture.lower_bounds_
        assert np.isfinite(left).all()
        assert min(left) >= 0
        small = np.array(mixture.history_.accepted[1:], dtype=bool) & (np.abs(np.diff(bounds)) < mixture.tol)
        if mixture.converged_ or (left[-1] < mixture.tol and max_iter > 1):
            assert not told
            silent += not mixture.converged_
        else:
            (message,) = told
            assert mixture.remarks_ == {"not converged": message}
            assert f"some {left[-1]:.2g} {unit} remain to be gained (tol=0.002)" in message
            ends = re.findall(r"scikit-learn's rule.*stops this fit at pass (\d+)", message)
            assert ends == [str(i + 2) for i in np.flatnonzero(small)[:1]]
    assert bool(silent) == bool(acceleration)


def test_what_no_pass_could_project_is_what_later_passes_gained_and_left():
    records = inside.plain_records([-5.0, -4.0, -3.5, -3.3], 0.0)
    records[2:, 2] = 0.25, 0.1
    trace = inside.Trace(records, "", converged=False)
    assert trace.remaining == pytest.approx((1.8, 0.8, 0.25, 0.1))
    unknown = replace(trace, records=inside.plain_records(trace.objective, 0.0))
    assert unknown.remaining == pytest.approx((2.4, 1.4, 0.9, 0.7))
    assert replace(trace, records=records[:0]).remaining == ()
