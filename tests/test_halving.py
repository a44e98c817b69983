"""Candidates for a start against their twin, and how they are compared."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import inside
import reference
from gmm import GaussianMixture
from inside import SPHERICAL, ArraySource, Cut, MixtureParameters, Objective, Problem, covariance_model, schedule_for
from tables import noted, refused

every_type = pytest.mark.parametrize("covariance_type", [*inside.PARSIMONIOUS, *reference.OF_FACTORS])
closed_forms = pytest.mark.parametrize("covariance_type", reference.CLOSED_FORMS)

K, D, N = 3, 2, 300
rng = np.random.default_rng(0)
CENTRES = np.array([[-3.0, 0.0], [3.0, 1.0], [0.0, 4.0]])
X = CENTRES[rng.integers(K, size=N)] + rng.normal(size=(N, D))
WEIGHT = rng.uniform(0.5, 2, N)
RIDGE = 1e-3
SHOWN = {SPHERICAL: np.array([0.4]), inside.DIAGONAL: np.array([[0.3, 0.5]])}
SHOWN[inside.TIED] = np.array([[0.4, 0.0], [-0.1, 0.5]])


def table(rows=X, weight=None, centre=None, **how):
    """Rows as candidates read them."""
    centre = rows.mean(axis=0) if centre is None else centre
    away = rows - centre
    scatter = away.T @ (away if weight is None else away * weight[:, None])
    return inside._em.CandidateRows(rows, weight, centre, np.abs(away).max(axis=0), scatter=scatter, **how)


def begun(model, rows, view, seeds, *, ridge=RIDGE, n_lloyd=2, n_soft=2, n_passes=0):
    """Begin from seeds in a view of the rows, leave it, and run for some passes; return also the scratch."""
    one, scratch = inside.Candidate(Objective(model, ridge).family(seeds.shape), model.layout), inside._em.Scratch()
    one.begin(scratch, view, seeds.copy(), n_lloyd=n_lloyd, n_soft=n_soft)
    one.leave_view(scratch, rows)
    one.run(scratch, rows, n_passes)
    return one, scratch


def candidate(covariance_type, layout=SPHERICAL, *, weight=None, single=False, n_lloyd=2, n_soft=3, n_passes=0):
    """Begin from the first rows, and run for some passes; return also the rows in the view's coordinates."""
    centre = X.mean(axis=0)
    Y = np.ascontiguousarray(layout.whitened(SHOWN[layout], 0, X - centre))
    seen = table(Y, weight, np.zeros(D), single_limit=single)
    view = inside.CandidateView(seen, layout.code, SHOWN[layout].ravel(), centre)
    how = {"n_lloyd": n_lloyd, "n_soft": n_soft, "n_passes": n_passes}
    rows = table(X, weight, single_limit=single)
    return begun(covariance_model(covariance_type), rows, view, Y[:K], **how)[0], Y


def assert_is(one, covariance_type, expected, exact=1e-9):
    """A candidate has these weights, means and covariances."""
    got = MixtureParameters.from_estimate(one.estimate, Objective(covariance_model(covariance_type)))
    np.testing.assert_allclose(got.weights, expected[0], rtol=exact)
    np.testing.assert_allclose(got.means, expected[1], rtol=exact, atol=exact)
    dense = reference.dense(got.covariances, covariance_type, *got.means.shape)
    np.testing.assert_allclose(dense, expected[2], rtol=10 * exact, atol=10 * exact)
    assert one.estimate[0].min() == got.weights.min()


@pytest.mark.parametrize("kernel", ["blas", inside.tiles.kernels()[-1]])
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("layout", SHOWN)
@closed_forms
def test_a_candidate_is_its_twin(covariance_type, layout, weighted, single, kernel):
    inside.tiles.use_kernel(kernel)
    weight = WEIGHT if weighted else None
    one, Y = candidate(covariance_type, layout, weight=weight, single=single, n_passes=3)
    mass = np.ones(N) if weight is None else weight
    how = {"n_lloyd": 2, "n_soft": 3, "weight": mass, "reg_covar": RIDGE}
    first = reference.candidate(X, Y, Y[:K], covariance_type, **how)
    bounds, path = reference.em(X, first, covariance_type, 3, weight=mass, reg_covar=RIDGE)
    exact = 1e-4 if single else 1e-9
    assert_is(one, covariance_type, path[-1], exact)
    assert one.lower_bound == pytest.approx(bounds[-1], rel=exact)
    assert not one.failed


@pytest.mark.parametrize(("n_lloyd", "n_soft"), [(0, 0), (0, 2), (1, 0), (3, 1)])
@closed_forms
def test_a_candidate_makes_the_passes_that_it_is_told_to(covariance_type, n_lloyd, n_soft):
    how = {"n_lloyd": n_lloyd, "n_soft": n_soft}
    one, Y = candidate(covariance_type, inside.TIED, **how)
    expected = reference.candidate(X, Y, Y[:K], covariance_type, weight=np.ones(N), reg_covar=RIDGE, **how)
    assert_is(one, covariance_type, expected)


@every_type
def test_the_statistics_of_a_candidate_are_those_of_its_mixture(covariance_type):
    one, _ = candidate(covariance_type, n_passes=2)
    model = covariance_model(covariance_type)
    problem = Problem(ArraySource(X), Objective(model, RIDGE))
    with problem.e_step() as e_step:
        updated = problem.beginning(e_step, one.statistics).parameters
    got = MixtureParameters.from_estimate(one.estimate, Objective(model))
    np.testing.assert_allclose(updated.means, got.means, rtol=1e-12)
    # An update of EVE or VVE begins from the last one, and leaves to the next what one turn in each plane does.
    np.testing.assert_allclose(updated.covariances, got.covariances, rtol=1e-3)


def test_a_singular_covariance_makes_a_candidate_fail():
    rows = np.column_stack([X[:, 0], X[:, 0]])
    passed = table(rows, None, np.zeros(D))
    view = inside.CandidateView(passed, SPHERICAL.code, np.ones(1), np.zeros(D))
    one, _ = begun(covariance_model("full"), passed, view, rows[:K], ridge=0.0, n_lloyd=1, n_passes=1)
    assert one.failed
    assert one.lower_bound == -np.inf
    assert one.statistics.weight == N, "which tell a caller with a ridge where it was"


@pytest.mark.parametrize("d", [1, 3, 8, 11])
def test_a_view_is_in_units_in_which_its_mean_variance_is_one(d):
    for weight in (None, WEIGHT):
        y = np.random.default_rng(d).normal(size=(N, d)) * np.arange(1, d + 1)
        inside.CandidateView.scaled(y, weight, SPHERICAL.code, np.ones(1), np.zeros(d), 0.0)
        assert np.average(np.square(y).mean(axis=1), weights=weight) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("n_left", [4, 3, 1])
@pytest.mark.parametrize("weighted", [False, True])
@closed_forms
def test_components_are_dropped_as_in_the_twin(covariance_type, weighted, n_left):
    model, weight, seeds = covariance_model(covariance_type), WEIGHT if weighted else None, 5
    how = {"weight": np.ones(N) if weight is None else weight, "reg_covar": RIDGE}
    rows = table(X, weight)
    view = inside.CandidateView(rows, SPHERICAL.code, np.ones(1), np.zeros(D))
    larger, scratch = begun(model, rows, view, X[:seeds], n_passes=2)
    mixture = MixtureParameters.from_estimate(larger.estimate, Objective(model))
    parameters = mixture.weights, mixture.means, reference.dense(mixture.covariances, covariance_type, seeds, D)
    reduced = larger.without(scratch, rows, Objective(model, RIDGE).family((n_left, D)), 2)
    expected = reference.without_components(X, parameters, covariance_type, n_left, 2, **how)
    assert len(reduced) == 2
    for one, parameters in zip(reduced, expected, strict=True):
        assert_is(one, covariance_type, parameters)
        one.run(scratch, rows, 1)
        bound = reference.mean_log_likelihood(X, parameters, weight)
        assert one.lower_bound == pytest.approx(bound, rel=1e-9)


@pytest.mark.parametrize("n_more", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("covariance_type", inside.PARSIMONIOUS)
def test_components_split_as_in_the_twin(covariance_type, weighted, n_more):
    model, weight, centre = covariance_model(covariance_type), WEIGHT if weighted else None, X.mean(axis=0)
    one, _ = candidate(covariance_type, weight=weight, n_passes=2)
    larger = one.with_splits(inside._em.Scratch(), table(X, weight), Objective(model, RIDGE).family((K + n_more, D)))
    mixture = MixtureParameters.from_estimate(one.estimate, Objective(model))
    problem = Problem(ArraySource(X, weight), Objective(model, RIDGE), 1)
    with problem.e_step() as e_step:
        # In units of the rows' reach, so that the axes do not depend on those of the columns.
        reach, stored = np.abs(X - centre).max(axis=0), (model.layout.code, mixture.covariances)
        axes = inside.split_axes(*stored, reach)
        look = e_step.diagnostics(mixture.whitened(), axes)
        gains, expected = reference.split_gains(look.powers, look.statistics.counts), look.statistics
        for k in np.argsort(-gains.max(axis=1))[:n_more]:
            step = inside.split_step(*stored, axes, k, gains[k].argmax(), D, inside.OFFSET)
            expected = expected.split(k, len(expected.counts), step)
        if larger.failed:  # narrower along the axis than the model has it
            assert np.linalg.eigvalsh(expected.scatter).min() < 0
            return
        expected = problem.beginning(e_step, expected).parameters
    got = MixtureParameters.from_estimate(larger.estimate, Objective(model))
    ours, theirs = (one.for_components(np.argsort(one.means[:, 0])) for one in (got, expected))  # axes have no sign
    np.testing.assert_allclose(ours.weights, theirs.weights, rtol=1e-9)
    np.testing.assert_allclose(ours.means, theirs.means, rtol=1e-9, atol=1e-9)
    exact = 1e-8 if covariance_type in reference.CLOSED_FORMS else 1e-3
    np.testing.assert_allclose(ours.covariances, theirs.covariances, rtol=exact, atol=exact)


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
@pytest.mark.parametrize("size", [0.0, 1e-200])
def test_a_column_without_spread_changes_no_split(covariance_type, size):
    """The axes of splits are in units of the reach of the rows, which is 0 there, or next to it."""
    model, means = covariance_model(covariance_type), []
    for rows in (X, np.column_stack([X, size * X[:, 0]])):
        centre, (_, d) = rows.mean(axis=0), rows.shape
        passed, seen = table(rows), table(rows - centre, None, np.zeros(d))
        view = inside.CandidateView(seen, SPHERICAL.code, np.ones(1), centre)
        one, scratch = begun(model, passed, view, rows[:K] - centre, n_soft=0, n_passes=3)
        larger = one.with_splits(scratch, passed, Objective(model, RIDGE).family((K + 2, d)))
        means.append(MixtureParameters.from_estimate(larger.estimate, Objective(model)).means)
    ours, theirs = (each[np.argsort(each[:, 0]), :D] for each in means)
    np.testing.assert_allclose(theirs, ours, rtol=1e-6)


def test_other_numbers_of_components_and_a_view_that_was_not_entered_are_refused():
    one, family, rows = candidate("full")[0], Objective(covariance_model("full"), RIDGE).family, table()
    for n_components in (K, 2 * K + 1):
        refused("of 4 to 6 components, got", one.with_splits, inside._em.Scratch(), rows, family((n_components, D)))
    refused("fewer components than 3, got 3", one.without, inside._em.Scratch(), rows, family((K, D)), 1)
    unbegun = inside.Candidate(family((K, D)), inside.FULL)
    refused("has begun in a view", unbegun.leave_view, inside._em.Scratch(), rows)


def best(rows, covariance_type, n_components=K, *, weight=None, n_threads=1, seed=0, schedule=None, ridge=RIDGE):
    sample = ArraySource(rows, weight)
    problem = Problem(sample, Objective(covariance_model(covariance_type), ridge), n_threads)
    schedule, moments = schedule or schedule_for(problem, n_components), problem.objective.model.layout
    return inside.RaceRows(sample, moments, n_components, schedule, np.random.default_rng(seed)).winner(problem)


@pytest.mark.parametrize("names", [("full", "VEE", "EEV"), ("diag", "VEI"), ("EII", "spherical")], ids=str)
def test_models_of_a_layout_begin_alike_and_end_as_alone(names):
    sample, objectives = ArraySource(X, WEIGHT), [Objective(covariance_model(name), RIDGE) for name in names]
    moments, schedule = objectives[0].model.layout, inside.Schedule(6, 4, N, (Cut(1, 3),), n_more=2)
    course = inside.RaceRows(sample, moments, K, schedule, np.random.default_rng(0))
    for name, objective in zip(names, objectives, strict=True):
        together = course.winner(Problem(sample, objective, 1))
        alone = best(X, name, weight=WEIGHT, schedule=schedule)
        for part in ("counts", "first", "second", "log_evidence"):
            np.testing.assert_array_equal(getattr(together, part), getattr(alone, part))
    assert len(course.openings) == 6
    np.testing.assert_array_equal(course.winner(Problem(sample, objective, 1), last=True).second, alone.second)


@pytest.mark.parametrize("covariance_type", inside.PARSIMONIOUS)
def test_splits_and_drops_end_no_lower(covariance_type):
    rows = np.random.default_rng(4).standard_t(4, size=(600, 3))
    schedule = schedule_for(Problem(ArraySource(rows), Objective(covariance_model(covariance_type), RIDGE)), 4)
    assert schedule.n_more == 2
    gains = gains_of(rows, covariance_type, 4, schedule._replace(n_more=0), schedule)
    assert min(gains) >= -1e-9
    assert max(gains) > 1e-3


def gains_of(rows, covariance_type, n_components, *schedules):
    """What the ends of one schedule are above those of another, over five seeds."""
    seeds = (partial(best, rows, covariance_type, n_components, seed=seed) for seed in range(5))
    return [-np.subtract(*(of_seed(schedule=each).mean_log_evidence for each in schedules)) for of_seed in seeds]


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_another_heat_ends_no_lower_on_all_rows(covariance_type):
    rng = np.random.default_rng(0)
    rows = 4 * rng.integers(4, size=(1500, 2)) + rng.normal(size=(1500, 2))
    schedule = inside.Schedule(4, 4, 200, (Cut(2, 1), Cut(1, 2)), n_more=2)
    gains = gains_of(rows, covariance_type, 12, *(schedule._replace(n_heats=n) for n in (1, 2)))
    assert min(gains) >= 0
    assert max(gains) > 1e-2


def test_components_split_where_rows_suffice_without_a_prior_and_of_more_candidates_where_a_fit_is_alone():
    plain = Objective(covariance_model("full"), RIDGE)

    def planned(n, n_components=K, objective=plain, **alone):
        return schedule_for(Problem(ArraySource(np.ones((n, 2))), objective), n_components, **alone)

    def grown(n, **alone):
        schedule = planned(n, **alone)
        return schedule.n_heats, schedule.cuts[-1].n_survivors, schedule.n_candidates

    assert [planned(1000, n).n_more for n in (1, 2, 3, 8, 9, 20)] == [1, 2, 2, 4, 4, 10]
    assert planned(30, 2).n_more > 0 == planned(30, 5).n_more
    assert planned(1000, 3, replace(plain, prior=inside.ConjugatePrior(np.zeros(2), 0.01, 4.0, np.eye(2)))).n_more == 0
    assert [grown(n) for n in (500, 501, 800)] == [(1, 3, 12), (1, 2, 12), (1, 2, 12)]
    assert [grown(n) for n in (801, 9_999, 10_000)] == [(2, 1, 6), (2, 1, 6), (1, 1, 12)]
    assert [grown(n, alone=False) for n in (500, 501, 801, 10_000)] == [(1, 1, 12)] * 4


def test_passes_around_splits_and_drops_are_more_in_a_fit_that_is_alone_and_of_few_rows():
    def passes(n, d, **alone):
        problem = Problem(ArraySource(np.ones((n, d))), Objective(covariance_model("full"), RIDGE))
        schedule = schedule_for(problem, K, **alone)
        return schedule.n_larger, schedule.n_final

    assert [passes(*shape) for shape in ((60, 2), (800, 2), (1000, 1))] == [(10, 6)] * 3
    assert [passes(*shape) for shape in ((801, 2), (1001, 1), (10_000, 2))] == [(6, 3)] * 3
    assert [passes(n, 2, alone=False) for n in (60, 800, 801)] == [(6, 3)] * 3


def test_more_components_find_a_cluster_that_none_begins_in():
    """Two clusters far away are one component of nearly every start with as many components as clusters."""
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [0, 6], [6, 0], [60, 0], [60, 6]])
    rows = np.concatenate([centre + rng.normal(size=(60, 2)) for centre in centres])
    starts = [best(rows, "full", 5, seed=seed) for seed in range(10)]
    assert min(one.counts.min() for one in starts) > 55


def test_the_last_passes_see_all_rows():
    rows = np.random.default_rng(2).normal(size=(3000, 2))
    got = best(rows, "full", schedule=inside.Schedule(4, 4, 100, (Cut(2, 1), Cut(1, 1))))
    assert got.weight == 3000


def race(fewest_rows=None):
    rows, verdict = table(), None
    if fewest_rows is not None:
        rules = inside.FULL.code, D, fewest_rows, 6, False, False, False, False
        verdict = inside.Verdict(rules, N, np.zeros(D), 0, inside.Judge.LIKELIHOOD)
    return inside.Race(inside.Schedule(4, 4, N, ()), [], inside.FULL, [], rows, verdict=verdict)


def test_a_degenerate_candidate_loses_to_a_sound_one():
    sound, same, light = (candidate("full", n_passes=n)[0] for n in (1, 1, 5))
    failed = inside.Candidate(Objective(covariance_model("full"), RIDGE).family((K, D)), inside.FULL)
    assert light.lower_bound > sound.lower_bound > failed.lower_bound
    between = N * (sound.estimate[0].min() + light.estimate[0].min()) / 2
    field = [failed, light, sound, same]
    assert race(0).survivors(field, 4) == [light, sound, failed]
    assert race(between).survivors(field, 4) == [sound, light, failed]
    assert race(between).survivors(field, 2) == [sound]
    assert race(between).survivors([failed, light], 1) == [light]
    assert race().survivors(field, 1) == [light]
    refused("verdict of another model", race(0).survivors, [candidate("diag", n_passes=1)[0]], 1)


def test_candidates_advance_in_several_threads():
    """Without the GIL, one thread took the scratch that another was about to take."""
    several, rows = race(), table()
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda _: [several.advance([], 0, rows, 0, 0, 0) for _ in range(10_000)], range(4)):
            pass


def test_simpler_mixtures_choose_where_mixtures_are_dear(monkeypatch):
    entered = noted(monkeypatch, inside.halving, "_share_out", lambda *given: given[-2])
    rows = np.concatenate([X] * 10)
    best(rows, "full", schedule=inside.Schedule(7, 2, len(rows), (Cut(1, 1),)))
    assert entered == [7, 2, 2]


@pytest.mark.parametrize(("n", "d", "K", "part"), [(150, 4, 3, 150), (5000, 2, 3, 800), (5000, 8, 20, 2000)])
def test_candidates_begin_on_part_of_many_rows(n, d, K, part):
    problem = Problem(ArraySource(np.ones((n, d))), Objective(covariance_model("full"), RIDGE))
    assert schedule_for(problem, K).part == part
    diagonal = schedule_for(problem._replace(objective=Objective(covariance_model("diag"), RIDGE)), K)
    assert diagonal.part <= part
    many = schedule_for(Problem(ArraySource(np.ones((10_000, d))), problem.objective), K)
    assert (many.n_seeding, many.random_seeds) == (300 * K, False)  # random rows among which k-means finds all
    wide = Problem(ArraySource(np.ones((500, 30))), problem.objective)  # where mixtures are dear
    assert schedule_for(wide, 20).n_candidates < schedule_for(wide, 2).n_candidates


@pytest.mark.parametrize("covariance_type", ["VVV", "EEE", "VEE", "EVV"])
@pytest.mark.parametrize("d", [4, 10])
def test_columns_that_nearly_follow_from_others_are_fitted_without_a_ridge(covariance_type, d):
    """These models do not depend on coordinates, but float32 cannot tell thin covariances from flat ones."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(4 * rng.normal(size=d), 1, size=(200, d)) for _ in range(3)])
    thin = 10 ** np.linspace(0, -4.5, d)
    turned = rows * thin @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    how = {"covariance_type": covariance_type, "reg_covar": 0, "random_state": 0}
    one, other = (GaussianMixture(3, **how).fit(X) for X in (rows, turned))
    assert other.score(turned) == pytest.approx(one.score(rows) - np.log(thin).sum(), abs=1e-3)
