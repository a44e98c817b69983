"""The compiled parameter update against its twin, and compiled climbs against the same climbs pass by pass."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inside
import reference
from inside import SPHERICAL, ArraySource, EStep, GainBelow, MStep, Objective, covariance_model, mstep
from tables import blobs, refused

NEVER = GainBelow(0.0)
every_type = pytest.mark.parametrize("covariance_type", inside.PARSIMONIOUS)
classic = pytest.mark.parametrize("covariance_type", inside.CLASSIC)
closed_forms = pytest.mark.parametrize("covariance_type", reference.CLOSED_FORMS)


def problem(covariance_type, K, d, *, seed=0, n=60):
    """Rows, responsibilities, weights, and their statistics about origins that are no means."""
    rng = np.random.default_rng(seed)
    n = max(n, 3 * d * K)
    rows, weight = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)), rng.uniform(0.2, 3.0, n)
    responsibilities = rng.dirichlet(np.full(K, 0.5), size=n)
    return rows, responsibilities, weight, statistics_of(covariance_type, rows, responsibilities, weight)


def statistics_of(covariance_type, rows, responsibilities, weight):
    origins = np.full((responsibilities.shape[1], rows.shape[1]), 0.3)
    counts, first, second = reference.statistics(rows, responsibilities, weight, origins)
    kept = np.ascontiguousarray(reference.in_layout(second, covariance_type))
    layout = covariance_model(covariance_type).layout
    return inside.SufficientStatistics(layout, origins, counts, first, kept, 0.0, weight.sum())


def compiled_update(statistics, ridge, constraint=0):
    of = statistics
    family = mstep.MixtureFamily(of.layout.code, constraint, *of.first.shape, ridge)
    update = mstep.Update(family, of.origins, of.counts, of.first, np.ravel(of.second), of.weight)
    update.covariances(0, update.n_covariances)
    update.constrain(0, 1)
    return update.finish()


@closed_forms
@settings(max_examples=settings.default.max_examples // 2)
@given(
    K=st.integers(1, 5),
    d=st.sampled_from([1, 2, 3, 4, 7, 15, 16, 17, 18, 30]),
    ridge=st.sampled_from([0.0, 1e-6, 0.25]),
    seed=st.integers(0, 2**16),
)
def test_the_update_is_the_textbooks(covariance_type, K, d, ridge, seed):
    rows, responsibilities, weight, statistics = problem(covariance_type, K, d, seed=seed)
    found, failed = compiled_update(statistics, ridge, covariance_model(covariance_type).constraint)
    weights, means, covariances, whiteners, log_determinants, _ = found
    expected = reference.m_step(rows, responsibilities, weight, covariance_type, ridge)
    assert failed == -1
    np.testing.assert_allclose(weights, expected[0], rtol=1e-11)
    scale = np.abs(rows).max()
    np.testing.assert_allclose(means, expected[1], rtol=0, atol=1e-12 * scale * K)
    shape = covariance_model(covariance_type).layout.shape(K, d)
    dense = reference.dense(covariances.reshape(shape), covariance_type, K, d)
    np.testing.assert_allclose(dense, expected[2], rtol=0, atol=1e-11 * scale**2)
    for k, W in enumerate(reference.dense(whiteners.reshape(shape), covariance_type, K, d)):
        np.testing.assert_array_equal(W, np.tril(W))
        np.testing.assert_array_equal(dense[k], dense[k].T)
        condition = np.linalg.cond(dense[k])
        np.testing.assert_allclose(W @ dense[k] @ W.T, np.eye(d), rtol=0, atol=1e-14 * d * condition)
        of_k = log_determinants[k if len(log_determinants) > 1 else 0]
        assert of_k == pytest.approx(-0.5 * np.linalg.slogdet(dense[k])[1], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
@pytest.mark.parametrize("d", [1, 2, 16, 17])
def test_the_first_singular_component_is_told(covariance_type, d):
    rows, responsibilities = np.random.default_rng(0).normal(size=(5 * d + 9, d)), np.zeros((5 * d + 9, 3))
    responsibilities[2:, 0] = responsibilities[0, 1] = responsibilities[1, 2] = 1
    statistics = statistics_of(covariance_type, rows, responsibilities, np.ones(len(rows)))
    assert compiled_update(statistics, 0.0)[1] in (1, 2)  # rounding may leave one row a spread
    emptied = np.multiply(statistics.second.T, [1, 0, 0]).T.copy()
    exact = replace(statistics, first=np.zeros_like(statistics.first), second=emptied)
    assert compiled_update(exact, 0.0)[1] == 1
    assert compiled_update(exact, 1e-6)[1] == -1


@classic
@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("d", [2, 20])
def test_no_positive_definite_matrix_is_told(covariance_type, bad, d):
    layout = covariance_model(covariance_type).layout
    matrices = layout.with_ridge(np.zeros(layout.shape(2, d)), 1.0)
    matrices.reshape(-1)[-1] = bad
    told = refused("not positive definite", layout.whiten, matrices, d, error=inside.SingularMatrixError)
    assert told.component == (0 if layout.pooled else 1)


@every_type
def test_a_component_without_rows_keeps_its_place_and_gets_the_ridge(covariance_type):
    rows, responsibilities, weight, _ = problem(covariance_type, 3, 2)
    responsibilities[:, 0] += responsibilities[:, 2]
    responsibilities[:, 2] = 0
    statistics = statistics_of(covariance_type, rows, responsibilities, weight)
    model = covariance_model(covariance_type)
    got = Objective(model, 0.5).update(statistics)
    np.testing.assert_array_equal(got.means[2], statistics.origins[2])
    assert 0 < got.weights[2] <= np.finfo(float).eps
    assert np.isfinite(got.log_determinants).all()
    if not model.layout.pooled and not model.constraint:
        np.testing.assert_array_equal(model.layout.dense(got.covariances, 3, 2)[2], 0.5 * np.eye(2))


@pytest.mark.parametrize("covariance_type", ["diag", "spherical"])
def test_rounding_leaves_no_negative_variance(covariance_type):
    *_, statistics = problem(covariance_type, 2, 3)
    below = replace(statistics, second=-np.ones_like(statistics.second))
    got = Objective(covariance_model(covariance_type), 0.25).update(below).covariances
    np.testing.assert_array_equal(got, np.full_like(got, 0.25))


@pytest.mark.parametrize("n_threads", [1, 2, 3, None])
@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_an_update_that_is_worth_threads_is_the_same_on_any_number(covariance_type, n_threads):
    *_, statistics = problem(covariance_type, 5, 100)
    model = covariance_model(covariance_type)
    ranges = []
    with EStep(ArraySource(np.zeros((1, 1))), model.layout, n_threads=n_threads) as e_step:

        def share_out(task, n, work):
            assert work > 1e6
            e_step.share_out(lambda *part: ranges.append(part) or task(*part), n, work)

        got = MStep(Objective(model, 1e-6), 0, share_out=share_out)(statistics)
    with inside.single_threaded_blas():  # the threads of older BLAS change the last digits
        expected = Objective(model, 1e-6).update(statistics)
    for name in ("weights", "means", "covariances", "whiteners", "log_determinants"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))
    if n_threads is not None:
        assert len(ranges) == (1 if covariance_type == "tied" else n_threads)


def test_a_pool_that_began_with_few_ranges_has_room_for_more():
    barrier, e_step = threading.Barrier(3), EStep(ArraySource(np.zeros((1, 1))), SPHERICAL, n_threads=3)
    with e_step:
        e_step.share_out(lambda start, end: None, 2, 1e9)
        e_step.share_out(lambda start, end: barrier.wait(10), 3, 1e9)


class Counting(EStep):
    """An E-step that remembers how many passes each compiled loop made."""

    def __init__(self, *args, **how):
        super().__init__(*args, **how)
        self.bursts = []

    def run_em(self, *args, **how):
        found = super().run_em(*args, **how)
        self.bursts.append(len(found.bounds))
        # The parameters are those that the last pass measured.
        assert self(found.parameters.whitened()).mean_log_evidence == found.bounds[-1]
        return found


class OnePass(EStep):
    """An E-step without the compiled loop."""

    resident = None

    def run_em(self, parameters, stopping, bounds, at_most, *, family, repair_empty):
        statistics = self(parameters.whitened())
        return inside.PassBatch([statistics.mean_log_evidence], statistics, parameters)


def begin(covariance_type, means, spread=1.0):
    model = covariance_model(covariance_type)
    K, d = np.shape(means)
    covariances = model.layout.with_ridge(np.zeros(model.layout.shape(K, d)), spread**2)
    return inside.MixtureParameters(np.full(K, 1 / K), np.array(means, dtype=np.float64), covariances, model)


def maximise(parameters, e_step, *, ridge=1e-6, stopping=NEVER, before=(), **how):
    m_step = MStep(Objective(parameters.model, ridge), parameters.n_components)
    climb = inside.TextbookEM(parameters, e_step, m_step, stopping, before=before)
    return inside.SolverRun(climb, **how).go().result, m_step.repaired


def both_ways(source, parameters, *, ridge=1e-6, stopping=NEVER, max_iter=40, form=-1):
    """A climb by compiled loops and the same pass by pass, and how many passes each loop made."""
    ends, bursts = [], None
    for kind in (Counting, OnePass):
        with kind(source, parameters.model.layout, form=form) as e_step:
            ends += maximise(parameters, e_step, ridge=ridge, stopping=stopping, max_iter=max_iter)
        bursts = getattr(e_step, "bursts", bursts)
    found, repaired, expected, repaired_plainly = ends
    assert repaired == repaired_plainly
    assert_same_bits(found, expected)
    assert sum(bursts) == len(found.trace) == len(found.trace.seconds)
    return found, bursts


def assert_same_bits(got, expected):
    assert got.lower_bound == expected.lower_bound
    for name in ("lower_bounds", "reason", "converged"):
        assert getattr(got.trace, name) == getattr(expected.trace, name)
    for name in ("weights", "means", "covariances", "whiteners", "log_determinants"):
        ours, theirs = getattr(got.parameters, name), getattr(expected.parameters, name)
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
        assert ours.shape == theirs.shape


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize(("dtype", "weighted"), [(np.float64, True), (np.float32, False)])
@pytest.mark.parametrize("form", [-1, 0, 1])
@every_type
def test_a_compiled_climb_is_the_same_pass_by_pass(covariance_type, form, dtype, weighted):
    rows = blobs(dtype=dtype)
    source = ArraySource(rows, np.random.default_rng(1).uniform(size=len(rows)) if weighted else None)
    _, bursts = both_ways(source, begin(covariance_type, rows[:3]), form=form)
    assert bursts == [40]


@pytest.mark.parametrize(
    ("n", "d", "K", "layout"),
    [(3, 1, 1, "C"), (100, 1, 4, "F"), (5000, 2, 2, "strided"), (300, 20, 2, "C"), (400, 41, 3, "strided")],
)
@every_type
def test_whatever_the_shape(covariance_type, n, d, K, layout):
    rows = blobs(n, d)
    means = rows[:K].copy()
    rows = {"C": rows, "F": np.asfortranarray(rows), "strided": np.repeat(rows, 2, axis=1)[:, ::2]}[layout]
    parameters = begin(covariance_type, means)
    _, bursts = both_ways(ArraySource(rows), parameters, max_iter=6)
    # An update that is worth threads ends the loop.
    assert bursts == ([1] * 6 if Objective(parameters.model, 1e-6).family(means.shape).work > 2e6 else [6])


@pytest.mark.parametrize("tails", [None, inside.StudentTails(5.0)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@every_type
def test_a_single_pass_is_the_same_by_the_loop_and_by_a_plan(covariance_type, dtype, tails):
    rows = blobs(5000, dtype=dtype)
    mixture = begin(covariance_type, [*rows[:3], rows[0] + 1e6])
    mixture = (mixture if tails is None else mixture.with_other(tails=tails)).whitened()
    with EStep(ArraySource(rows), mixture.layout) as loop, OnePass(ArraySource(rows), mixture.layout) as plan:
        (ours, our_rounding), (theirs, their_rounding) = loop.rounded(mixture), plan.rounded(mixture)
    assert our_rounding == their_rounding
    for name in ("origins", "counts", "first", "second", "log_evidence", "weight", "precision"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)


@pytest.mark.parametrize("max_iter", [0, 1, 2, 3, 500])
@pytest.mark.parametrize("tolerance", [0.0, 1e-3, np.inf])
@classic
def test_it_stops_where_the_rule_says(covariance_type, tolerance, max_iter):
    rows = blobs()
    source, how = ArraySource(rows), {"stopping": GainBelow(tolerance), "max_iter": max_iter}
    found, bursts = both_ways(source, begin(covariance_type, rows[:3]), **how)
    assert len(bursts) == min(max_iter, 1)
    if tolerance == np.inf and max_iter > 1:
        assert len(found.trace) == 2
        assert found.trace.converged


@every_type
def test_a_climb_that_goes_on_knows_the_bound_before(covariance_type):
    rows = blobs()
    parameters = begin(covariance_type, rows[:3])
    with EStep(ArraySource(rows), parameters.model.layout) as e_step:
        whole, _ = maximise(parameters, e_step, stopping=GainBelow(1e-4), max_iter=500)
        first = whole.trace.lower_bounds[:-1]
        rest, _ = maximise(whole.parameters, e_step, stopping=GainBelow(1e-4), max_iter=9, before=first)
    assert rest.trace.lower_bounds == whole.trace.lower_bounds[-1:]
    assert rest.trace.converged


def test_a_watched_climb_is_told_of_every_pass():
    rows = blobs()
    source, parameters, told = ArraySource(rows), begin("full", rows[:3]), []
    with Counting(source, parameters.model.layout) as e_step:
        watched, _ = maximise(parameters, e_step, max_iter=9, callback=told.append)
    assert e_step.bursts == [1] * 9
    assert tuple(record.lower_bound for record in told) == watched.trace.lower_bounds
    assert_same_bits(watched, both_ways(source, parameters, max_iter=9)[0])


@every_type
def test_work_that_is_worth_threads_is_left_to_them(covariance_type):
    rows = blobs(60_000, 4)
    parameters = begin(covariance_type, rows[:8])
    with Counting(ArraySource(rows), parameters.model.layout, n_threads=2) as e_step:
        maximise(parameters, e_step, max_iter=3)
    assert e_step.bursts == [1, 1, 1]


@pytest.mark.parametrize("ridge", [0.0, 1e-6])
@every_type
def test_a_component_that_loses_its_rows_is_given_a_new_place_and_the_climb_goes_on(covariance_type, ridge):
    rows = blobs()
    means = np.vstack([rows[:2], np.full((1, 3), 1e3)])
    found, bursts = both_ways(ArraySource(rows), begin(covariance_type, means), ridge=ridge)
    assert bursts == [1, 39]
    assert (found.parameters.weights > 0.01).all()


@every_type
def test_rows_lost_when_no_more_repairs_are_left_do_not_stop_the_loop(covariance_type):
    rows = np.repeat(blobs()[:2], 20, axis=0)
    found, bursts = both_ways(ArraySource(rows), begin(covariance_type, blobs()[:5] + 50.0), max_iter=60)
    assert sum(bursts) == 60
    assert np.isfinite(found.trace.lower_bounds).all()


def collapsing(n=30):
    """Rows on a line, far from others in general position: one component becomes ever thinner."""
    rows = blobs(n, 2)
    return np.vstack([rows, np.outer(np.linspace(0, 1, n), [1.0, 1.0]) + 30.0])


@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_a_singular_update_is_the_same_error_and_at_last_leaves_what_was_measured(covariance_type):
    rows = collapsing() if covariance_type == "full" else np.vstack([blobs(30, 2), np.full((5, 2), 40.0)])
    parameters = begin(covariance_type, [rows[0], rows[-1]])
    for kind in (EStep, OnePass):
        with kind(ArraySource(rows), parameters.model.layout) as e_step:
            how = {"error": inside.SingularMatrixError, "ridge": 0.0, "max_iter": 90}
            assert refused(None, maximise, parameters, e_step, **how).component == 1
    reasons = []
    while not reasons or reasons[-1] == "max_iter reached":
        found, _ = both_ways(ArraySource(rows), parameters, ridge=0.0, max_iter=1 + len(reasons))
        reasons.append(found.trace.reason)
    assert reasons[-1] == "max_iter reached, the last update was singular"
    assert len(found.trace) == len(reasons)


@pytest.mark.parametrize("scale", [1e9, 1e12])
@every_type
def test_a_ridge_that_is_not_felt_is_raised_in_the_middle(covariance_type, scale):
    rows = scale * collapsing()
    parameters = begin(covariance_type, [rows[0], rows[-1]], spread=30 * scale)
    found, bursts = both_ways(ArraySource(rows), parameters, max_iter=60)
    assert sum(bursts) == 60 or "the objective" in found.trace.reason


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_a_climb_from_one_form_into_another(covariance_type, dtype):
    rows = np.vstack([blobs(100, 2), np.full((20, 2), 25.0)]).astype(dtype)
    source, parameters = ArraySource(rows), begin(covariance_type, [[0.0, 0.0], [20.0, 20.0]], spread=9.0)
    found, bursts = both_ways(source, parameters, max_iter=30)
    e_step = EStep(source, parameters.model.layout)
    assert e_step.plan(parameters.whitened()).linear
    assert not e_step.plan(found.parameters.whitened()).linear
    assert len(bursts) > 1
