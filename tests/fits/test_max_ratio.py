"""A limit on the ratio of eigenvalues: its update against a scalar minimiser, and the laws of fits under it."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import gmm
import reference
from gmm import GaussianMixture
from inside import LIMITED, covariance_model, mstep
from tables import dense, refused, reloaded, warned

every_type = pytest.mark.parametrize("covariance_type", LIMITED)
sizes = {"K": st.integers(1, 4), "d": st.integers(1, 12), "seed": st.integers(0, 2**16)}

pytestmark = pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")


def free_covariances(covariance_type, K, d, seed, *, rank=None):
    """Free covariances (K, d, d) of the type, of volumes over six decades, and uneven counts."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(K, d + 3 if rank is None else rank, d)) * 10 ** rng.uniform(-3, 3, (K, 1, 1))
    matrices = rows.transpose(0, 2, 1) @ rows
    kept = covariance_model(covariance_type).layout.reduced(matrices, covariance_model("full").layout, d)
    return reference.dense(kept, covariance_type, K, d), rng.dirichlet(np.ones(K)) * 100 + 0.01


def within(covariance_type, free, counts, max_ratio):
    """The compiled update, (K, d, d)."""
    K, d = free.shape[:2]
    layout = covariance_model(covariance_type).layout
    stored = np.ravel(layout.reduced(free, covariance_model("full").layout, d))
    values, solved = mstep.of_limited_ratio(layout.code, np.ascontiguousarray(stored), counts, d, max_ratio)
    assert solved
    return reference.dense(values.reshape(layout.shape(K, d)), covariance_type, K, d)


def cost(covariances, free, counts):
    return -2 * reference.constraint_objective(covariances, free, counts) / counts.sum()


def assert_within(max_ratio, covariances):
    values = np.linalg.eigvalsh(covariances)
    assert values.min() > 0
    assert values.max() <= max_ratio * values.min() * (1 + 1e-9 + 1e-12 * values.shape[1] * max_ratio)


def assert_limited(mixture):
    assert_within(mixture.max_ratio, dense(mixture))


def table(seed, n=200, d=3):
    """Rows of three groups, one of them thin and one of five rows, with weights."""
    rng = np.random.default_rng(seed)
    spread = 10 ** rng.uniform(-1.5, 0.5, (3, d))
    group = rng.choice(3, n, p=[0.6, 0.375, 0.025])
    rows = 3 * rng.normal(size=(3, d))[group] + spread[group] * rng.normal(size=(n, d))
    return rows, rng.uniform(0.2, 2, n)


def start(covariance_type, seed, K, d, decades=3.0):
    """A start far outside of any limit."""
    rng = np.random.default_rng(seed)
    precisions = 10 ** rng.uniform(-decades, decades, (K, d))
    shape = {"full": lambda: precisions[:, :, None] * np.eye(d), "diag": lambda: precisions}
    precisions = shape.get(covariance_type, lambda: precisions[:, 0])()
    return {"weights_init": np.full(K, 1 / K), "means_init": rng.normal(size=(K, d)), "precisions_init": precisions}


@every_type
@given(**sizes, max_ratio=st.sampled_from([1.0, 1.5, 10.0, 50.0, 1e6]))
def test_the_update_is_that_of_a_scalar_minimiser_and_keeps_bits_within(covariance_type, K, d, seed, max_ratio):
    free, counts = free_covariances(covariance_type, K, d, seed)
    got = within(covariance_type, free, counts, max_ratio)
    expected = reference.within_ratio(free, counts, max_ratio)
    assert cost(got, free, counts) <= cost(expected, free, counts) + 1e-9
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert_within(max_ratio, got)
    values, before = np.linalg.eigvalsh(got), np.linalg.eigvalsh(free)
    inner = (before.min(1) > values.min() * (1 + 1e-9)) & (before.max(1) < values.max() * (1 - 1e-9))
    np.testing.assert_array_equal(got[inner], free[inner])


@every_type
@given(K=st.integers(2, 4), d=st.integers(2, 6), seed=st.integers(0, 2**16))
def test_singular_covariances_become_definite(covariance_type, K, d, seed):
    free, counts = free_covariances(covariance_type, K, d, seed, rank=1)
    free[0] = 0
    assert_within(50, within(covariance_type, free, counts, 50.0))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reg_covar", [0.0, 0.01])
@every_type
def test_each_pass_is_the_textbooks(covariance_type, reg_covar, weighted):
    X, weight = table(1)
    weight = weight if weighted else np.ones(len(X))
    how = start(covariance_type, 1, 3, 3, decades=1.5)
    layout = covariance_model(covariance_type).layout
    first = reference.dense(layout.inverse(how["precisions_init"], 3), covariance_type, 3, 3)
    first = how["weights_init"], how["means_init"], reference.within_ratio(first, how["weights_init"], 20)
    bounds, path = reference.em(X, first, covariance_type, 10, weight=weight, reg_covar=reg_covar, max_ratio=20)
    how |= {"tol": 0, "max_iter": 10, "reg_covar": reg_covar, "acceleration": None, "max_ratio": 20}
    got = GaussianMixture(3, covariance_type=covariance_type, **how).fit(X, sample_weight=weight)
    np.testing.assert_allclose(got.lower_bounds_, bounds, rtol=1e-6)
    expected = path[-1][2]
    np.testing.assert_allclose(dense(got), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("acceleration", ["auto", None])
@every_type
@settings(max_examples=settings.default.max_examples // 2)
@given(seed=st.integers(0, 2**16), K=st.integers(1, 5), max_ratio=st.sampled_from([1.0, 4.0, 50.0, 1000.0]))
def test_no_pass_lowers_the_likelihood(covariance_type, acceleration, seed, K, max_ratio):
    """The start is brought within the limit first: else the first pass measures what no update reaches."""
    X, weight = table(seed, n=60)
    how = {"covariance_type": covariance_type, "reg_covar": 0, "tol": 1e-9, "max_iter": 60, "max_ratio": max_ratio}
    mixture = GaussianMixture(K, acceleration=acceleration, **how, **start(covariance_type, seed, K, 3))
    _, noted = warned(mixture.fit, X, sample_weight=weight)
    assume("lost all rows" not in str(noted))  # a new place lowers it
    bounds = np.array(mixture.lower_bounds_)
    assert (np.diff(bounds) >= -1e-10 * (1 + np.abs(bounds[1:]))).all()
    assert_limited(mixture)
    assert mixture.lower_bound_ == pytest.approx(mixture.score(X, sample_weight=weight), abs=1e-9)


def test_rows_on_a_line_and_components_without_rows_are_fitted_without_a_ridge_and_equal_rows_are_not():
    X = np.column_stack([np.repeat(np.arange(30.0), 2), np.zeros(60)])
    mixture = GaussianMixture(3, reg_covar=0, max_ratio=50, random_state=0)
    assert_limited(mixture.fit(X))
    refused(r"ill-defined|singular", mixture.fit, np.ones((20, 2)))
    X, _ = table(4)
    far = {"means_init": [[0, 0, 0], [1e6, 0, 0]], "weights_init": [0.5, 0.5], "precisions_init": [np.eye(3)] * 2}
    assert_limited(GaussianMixture(2, reg_covar=0, max_ratio=10, fixed={"means": True}, **far).fit(X))


@pytest.mark.parametrize("name", ["tied", "EEE", "EEV", "VEI", "factor2", "ppca1"])
def test_other_models_are_refused_by_name(name):
    told = rf"max_ratio: expected .*'full'.*got .*\b{name}\b"
    refused(told, GaussianMixture(2, covariance_type=name, max_ratio=50).fit, table(2)[0])


def test_a_warm_start_begins_within_a_new_limit_and_goes_on_under_the_old_one():
    X, _ = table(6)
    mixture = GaussianMixture(3, reg_covar=0, random_state=0, warm_start=True, tol=1e-6, max_iter=200).fit(X)
    values = np.linalg.eigvalsh(mixture.covariances_)
    assert values.max() > 30 * values.min()
    assert_limited(mixture.set_params(max_ratio=30).fit(X))
    assert (np.diff(mixture.lower_bounds_) >= -1e-10).all()
    before = mixture.lower_bound_
    assert mixture.fit(X).lower_bound_ == pytest.approx(before, abs=1e-6)
    assert mixture.n_iter_ <= 5


def test_streams_and_steps_by_hand_stay_within_the_limit():
    X, _ = table(6, n=900)
    mixture = GaussianMixture(3, reg_covar=0, random_state=0, max_ratio=8)
    for block in np.split(X, 9):
        assert_limited(mixture.partial_fit(block))
    again = reloaded(mixture).partial_fit(X)
    np.testing.assert_array_equal(again.covariances_, mixture.partial_fit(X).covariances_)
    refused("first prior, noise and max_ratio", mixture.set_params(max_ratio=9).partial_fit, X)
    mixture = GaussianMixture(3, random_state=0, max_ratio=8).fit(X)
    assert_limited(gmm.em.m_step(mixture, gmm.em.e_step(mixture, X)))


def test_a_search_is_over_the_models_that_may_be_limited():
    X, _ = table(7)
    search = gmm.select(X, range(1, 5), max_ratio=12, reg_covar=0, random_state=0)
    assert set(search.covariance_type) == {"full", "diag", "spherical"}
    for estimator in filter(None, search.estimators):
        assert_limited(estimator)
    loaded = reloaded(search.best)
    assert loaded.max_ratio == 12
    assert "eigenvalue ratio at most 12" in str(loaded)
    refused("max_ratio: expected a covariance_type", gmm.select, X, 2, ["full", "tied"], max_ratio=12)


def test_one_column_is_limited_in_one_model_and_one_component_of_any_layout():
    X, _ = table(2)
    found = gmm.select(X[:, :1], [1, 2], max_ratio=9, random_state=0)
    assert found.covariance_type == ("V", "V")
    assert_within(9, found.best.covariances_.reshape(-1, 1, 1))
    full, tied = (GaussianMixture(1, covariance_type=name, max_ratio=3).fit(X) for name in ("full", "tied"))
    np.testing.assert_allclose(full.covariances_[0], tied.covariances_, rtol=1e-12)
