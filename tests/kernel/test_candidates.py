"""Candidates for a start against their twin, and how they are compared."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import inside
import reference
from gmm import GaussianMixture
from inside import SPHERICAL, ArraySource, MixtureParameters, Objective, Problem, covariance_model
from tables import blobs, cases, refused

closed_forms = pytest.mark.parametrize("covariance_type", reference.CLOSED_FORMS)

K, D, N = 3, 2, 300
rng = np.random.default_rng(0)
CENTRES = np.array([[-3.0, 0.0], [3.0, 1.0], [0.0, 4.0]])
X = CENTRES[rng.integers(K, size=N)] + rng.normal(size=(N, D))
WEIGHT = rng.uniform(0.5, 2, N)
# What a candidate is told of weights, and its twin.
each_weight = pytest.mark.parametrize(("weight", "mass"), [(None, np.ones(N)), (WEIGHT, WEIGHT)], ids=["one", "uneven"])
RIDGE = 1e-3
SHOWN = {SPHERICAL: np.array([0.4]), inside.DIAGONAL: np.array([[0.3, 0.5]])}
SHOWN[inside.TIED] = np.array([[0.4, 0.0], [-0.1, 0.5]])


def table(rows=X, weight=None, centre=None, **how):
    """Rows as candidates read them."""
    centre = rows.mean(axis=0) if centre is None else centre
    reach = np.abs(rows - centre).max(axis=0)
    return inside._em.CandidateRows(rows, weight, centre, reach, pooled=True, **how)


def begun(model, rows, view, seeds, *, ridge=RIDGE, n_lloyd=2, n_passes=0):
    """Begin from clusters that seeds in a view of the rows lead to, and run for some passes; return the scratch too."""
    one, scratch = inside.Candidate(Objective(model, ridge).family(seeds.shape), model.layout), inside._em.Scratch()
    one.initialise(scratch, rows, inside.Clusters(view, seeds, n_lloyd, scratch))
    one.run(scratch, rows, n_passes)
    return one, scratch


def candidate(covariance_type, layout=SPHERICAL, *, weight=None, single=False, n_lloyd=2, n_passes=0):
    """Begin from the first rows, and run for some passes; return also the rows in the view's coordinates."""
    view, Y = a_view(layout, weight, single)
    rows = table(X, weight, single_limit=single)
    return begun(covariance_model(covariance_type), rows, view, Y[:K], n_lloyd=n_lloyd, n_passes=n_passes)[0], Y


def a_view(layout=SPHERICAL, weight=None, single=False, **classes):
    """A view of the rows, and these in its coordinates."""
    centre = X.mean(axis=0)
    Y = np.ascontiguousarray(layout.whitened(SHOWN[layout], 0, X - centre))
    seen = table(Y, weight, np.zeros(D), single_limit=single, **classes)
    return inside.CandidateView(seen, layout.code, SHOWN[layout].ravel(), centre), Y


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
@each_weight
@pytest.mark.parametrize("layout", SHOWN)
@closed_forms
def test_a_candidate_is_its_twin(covariance_type, layout, weight, mass, single, kernel):
    inside.tiles.use_kernel(kernel)
    one, Y = candidate(covariance_type, layout, weight=weight, single=single, n_passes=3)
    first = reference.candidate(X, Y, Y[:K], covariance_type, n_lloyd=2, weight=mass, reg_covar=RIDGE)
    bounds, path = reference.em(X, first, covariance_type, 3, weight=mass, reg_covar=RIDGE)
    exact = 1e-4 if single else 1e-9
    assert_is(one, covariance_type, path[-1], exact)
    assert one.lower_bound == pytest.approx(bounds[-1], rel=exact)
    assert not one.failed


@pytest.mark.parametrize("n_lloyd", [0, 1, 3])
@pytest.mark.parametrize("layout", SHOWN)
@each_weight
def test_clusters_are_those_of_the_twin(weight, mass, layout, n_lloyd):
    view, Y = a_view(layout, weight)
    clusters = inside.Clusters(view, Y[:K], n_lloyd, inside._em.Scratch())
    centres, inertia = reference.clusters(Y, Y[:K], n_lloyd, mass)
    back = X.mean(axis=0) + layout.coloured(SHOWN[layout], 0, centres)
    np.testing.assert_allclose(clusters.centres, back, rtol=1e-9, atol=1e-9)
    if n_lloyd:  # no pass tells how tight seeds are
        log_volume = np.log(layout.diagonal(SHOWN[layout], D)).sum()
        expected = log_volume - D / 2 * np.log(inertia / (D * mass.sum()))
        assert clusters.tightness == pytest.approx(expected, rel=1e-9)


def test_clusters_keep_rows_of_a_class_to_its_components():
    codes = np.repeat(np.array([1, 2, 0], np.intc), [40, 40, N - 80])
    classes = inside.KnownClasses(codes, np.array([0, 1, -1]))
    view, Y = a_view(code=codes, allowed=classes.allowed)
    clusters = inside.Clusters(view, Y[[0, 50, 100]], 1, inside._em.Scratch())
    away = np.square(Y[:, None] - Y[[0, 50, 100]]).sum(axis=2) - classes.allowed.T[codes]  # ∞ where it may not be
    means = np.array([X[away.argmin(axis=1) == k].mean(axis=0) for k in range(K)])
    np.testing.assert_allclose(clusters.centres, means, rtol=1e-9, atol=1e-9)
    refused("codes of rows and a table", table, code=codes)


def test_of_clusterings_that_are_alike_the_tightest_is_left():
    (view, Y), scratch = a_view(), inside._em.Scratch()
    other = inside.Clusters(a_view(inside.TIED)[0], Y[:K], 20, scratch)
    same, again = (inside.Clusters(view, seeds, 20, scratch) for seeds in (Y[:K], Y[:K][::-1].copy()))
    loose = inside.Clusters(view, Y[[0, 0, 0]] + [[0.0], [1e-3], [2e-3]], 1, scratch)
    chosen = inside._em.tightest([loose, same, again, other], 9, 9)
    assert loose in chosen
    assert len(chosen) == 2
    assert chosen[0].tightness == max(one.tightness for one in (loose, same, again, other))
    assert inside._em.tightest([loose, same, again, other], 1, 9) == chosen[:1]
    elsewhere = inside.Clusters(view, Y[[0, 1, 1]] + [[0.0], [0.0], [1e-3]], 1, scratch, 1)
    of_each = inside._em.tightest([loose, same, elsewhere], 9, 1)
    assert of_each == sorted([same, elsewhere], key=lambda one: -one.tightness)


@pytest.mark.parametrize("covariance_type", [*inside.PARSIMONIOUS, *reference.OF_FACTORS])
def test_the_statistics_of_a_candidate_are_those_of_its_mixture(covariance_type):
    (one, _), model = candidate(covariance_type, n_passes=2), covariance_model(covariance_type)
    problem = Problem(ArraySource(X), Objective(model, RIDGE))
    with problem.e_step() as e_step:
        updated = problem.first_update(e_step, one.statistics).parameters
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


@pytest.mark.parametrize("n_left", [4, 3, 1])
@each_weight
@closed_forms
def test_components_are_dropped_as_in_the_twin(covariance_type, weight, mass, n_left):
    model, rows = covariance_model(covariance_type), table(X, weight)
    view = inside.CandidateView(rows, SPHERICAL.code, np.ones(1), np.zeros(D))
    larger, scratch = begun(model, rows, view, X[:5], n_passes=2)
    mixture = MixtureParameters.from_estimate(larger.estimate, Objective(model))
    parameters = mixture.weights, mixture.means, reference.dense(mixture.covariances, covariance_type, 5, D)
    how = {"weight": mass, "reg_covar": RIDGE}
    expected = [*reference.without_components(X, parameters, covariance_type, n_left, 2, **how)]
    reduced = larger.without(scratch, rows, Objective(model, RIDGE).family((n_left, D)), 2)
    assert len(reduced) == 2
    for one, parameters in zip(reduced, expected, strict=True):
        assert_is(one, covariance_type, parameters)
        one.run(scratch, rows, 1)
        assert one.lower_bound == pytest.approx(reference.mean_log_likelihood(X, parameters, weight), rel=1e-9)


@pytest.mark.parametrize("n_more", [1, 3])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["one", "uneven"])
@pytest.mark.parametrize("covariance_type", inside.PARSIMONIOUS)
def test_components_split_as_in_the_twin(covariance_type, weight, n_more):
    model = covariance_model(covariance_type)
    one, _ = candidate(covariance_type, weight=weight, n_passes=2)
    larger = one.with_splits(inside._em.Scratch(), table(X, weight), Objective(model, RIDGE).family((K + n_more, D)))
    mixture = MixtureParameters.from_estimate(one.estimate, Objective(model))
    problem = Problem(ArraySource(X, weight), Objective(model, RIDGE), 1)
    with problem.e_step() as e_step:
        stored = model.layout.code, mixture.covariances
        axes = inside.split_axes(model.layout.code, mixture.weights, mixture.means, mixture.covariances)
        look = e_step.diagnostics(mixture.whitened(), axes)
        gains, expected = reference.split_gains(look.powers, look.statistics.counts), look.statistics
        for k in np.argsort(-gains.max(axis=1))[:n_more]:
            step = inside.split_step(*stored, axes, k, gains[k].argmax(), D, inside.OFFSET)
            expected = expected.split(k, len(expected.counts), step)
        if larger.failed:  # narrower along the axis than the model has it
            assert np.linalg.eigvalsh(expected.scatter).min() < 0
            return
        expected = problem.first_update(e_step, expected).parameters
    got = MixtureParameters.from_estimate(larger.estimate, Objective(model))
    ours, theirs = (one.for_components(np.argsort(one.means[:, 0])) for one in (got, expected))  # axes have no sign
    np.testing.assert_allclose(ours.weights, theirs.weights, rtol=1e-9)
    np.testing.assert_allclose(ours.means, theirs.means, rtol=1e-9, atol=1e-9)
    exact = 1e-8 if covariance_type in reference.CLOSED_FORMS else 1e-3
    np.testing.assert_allclose(ours.covariances, theirs.covariances, rtol=exact, atol=exact)


BESIDE = {
    "noise": {"noise": inside.Noise(X.min(axis=0) - 1, X.max(axis=0) + 1, 0.05)},
    "tails": {"tails": inside.StudentTails(4.0, estimated=True)},
    "given tails": {"tails": inside.StudentTails(4.0)},
    "both": {"noise": inside.Noise(X.min(axis=0), X.max(axis=0), 0.05), "tails": inside.StudentTails(2.5, True, False)},
}


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("single", [False, True])
def test_a_candidate_makes_the_passes_of_a_fit_beside_noise_and_of_heavy_tails(covariance_type, beside, single):
    """It leaves noise a share where it begins, and has the degrees of freedom of which a fit begins."""
    model = covariance_model(covariance_type)
    objective, (view, Y), scratch = Objective(model, RIDGE, **BESIDE[beside]), a_view(), inside._em.Scratch()
    rows, one = table(X, WEIGHT, single_limit=single), inside.Candidate(objective.family((K, D)), model.layout)
    one.initialise(scratch, rows, inside.Clusters(view, Y[:K], 2, scratch), 0.3)
    first = MixtureParameters.from_estimate(one.estimate, objective)
    assert 1 - first.weights.sum() == pytest.approx(0.3 if objective.noise else 0)
    if objective.tails:
        np.testing.assert_allclose(first.tails.degrees, objective.tails.degrees, rtol=1e-9)
    for _ in range(3):
        before = MixtureParameters.from_estimate(one.estimate, objective)
        one.run(scratch, rows, 1)
        with inside.EStep(ArraySource(X, WEIGHT), model.layout) as e_step:
            expected = e_step(before.whitened())
        exact = 1e-5 if single else 1e-9
        found = one.statistics.recentred(expected.origins)
        for name in ("counts", "first", "second", "precisions", "log_evidence", "weight"):
            numbers = getattr(expected, name)
            scale = np.abs(numbers).max() or 1.0
            np.testing.assert_allclose(getattr(found, name), numbers, rtol=0, atol=exact * scale, err_msg=name)
        assert one.lower_bound == found.mean_log_evidence


@pytest.mark.usefixtures("kernel")
@cases((2, 2, 1, 1), (40, 33, 32, 3), (300, 200, 10, 2), (90, 90, 40, 5))
def test_the_distance_to_a_neighbour_tells_how_dense_a_place_is(n, n_others, number, d):
    rows = np.random.default_rng(n).normal(size=(n, d))
    others = np.arange(n_others) * n // n_others  # evenly among rows that may be sorted
    squares = np.square(rows[:, None] - rows[others]).sum(axis=2)
    squares[others, np.arange(n_others)] = np.inf
    found = inside._em.neighbour_distances(rows, n_others, number)
    np.testing.assert_allclose(found, np.sort(squares, axis=1)[:, number - 1], atol=1e-12)


@each_weight
def test_some_rows_are_about_their_own_mean(weight, mass):
    """A candidate of them is that of a table of these rows alone."""
    some, found = np.arange(5, 90, 2), []
    lone = None if weight is None else weight[some]
    centre = np.average(X[some], axis=0, weights=mass[some])
    for rows in (table(X, weight).some(some), table(X[some], lone, centre)):
        views = rows.views(inside.FULL, K)
        scratch = inside._em.Scratch()
        one = inside.Candidate(Objective(covariance_model("full"), RIDGE).family((K, D)), inside.FULL)
        one.initialise(scratch, rows, inside.Clusters(views[0], views[0].coordinates[:K], 3, scratch))
        one.run(scratch, rows, 2)
        found.append(one.statistics)
    np.testing.assert_allclose(found[0].means, found[1].means, rtol=1e-9)
    assert found[0].mean_log_evidence == pytest.approx(found[1].mean_log_evidence, rel=1e-12)


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
@pytest.mark.parametrize("size", [0.0, 1e-200])
def test_a_column_without_spread_changes_no_split(covariance_type, size):
    """Where the mean covariance is the identity, that of the ridge alone is, too."""
    model, means = covariance_model(covariance_type), []
    for rows in (X, np.column_stack([X, size * X[:, 0]])):
        centre, (_, d) = rows.mean(axis=0), rows.shape
        passed, seen = table(rows), table(rows - centre, None, np.zeros(d))
        view = inside.CandidateView(seen, SPHERICAL.code, np.ones(1), centre)
        one, scratch = begun(model, passed, view, rows[:K] - centre, n_passes=3)
        larger = one.with_splits(scratch, passed, Objective(model, RIDGE).family((K + 2, d)))
        means.append(MixtureParameters.from_estimate(larger.estimate, Objective(model)).means)
    ours, theirs = (each[np.argsort(each[:, 0]), :D] for each in means)
    np.testing.assert_allclose(theirs, ours, rtol=1e-6)


def test_other_numbers_of_components_or_of_neighbours_than_there_can_be_are_refused():
    one, family, rows = candidate("full")[0], Objective(covariance_model("full"), RIDGE).family, table()
    for n_components in (K, 2 * K + 1):
        refused("of 4 to 6 components, got", one.with_splits, inside._em.Scratch(), rows, family((n_components, D)))
    refused("fewer components than 3, got 3", one.without, inside._em.Scratch(), rows, family((K, D)), 1)
    for n_others, number in ((N, 0), (N + 1, 3), (3, 3)):
        refused("to find so many neighbours in", inside._em.neighbour_distances, X, n_others, number)


def best(rows, covariance_type, n_components=K, seed=0):
    """The statistics of the winner of a race."""
    settings = inside.starts.FitSettings(n_components, Objective(covariance_model(covariance_type), RIDGE), 1)
    return inside.starts.run_race(settings, ArraySource(rows), np.random.default_rng(seed)).statistics


@pytest.mark.parametrize("covariance_type", inside.PARSIMONIOUS)
def test_splits_and_drops_end_higher(covariance_type, monkeypatch):
    rows, ends = np.random.default_rng(4).standard_t(4, size=(600, 3)), []
    for n_more in (0, 2):
        how = inside.starts.Effort(2, 2, n_more, 1, len(rows))
        monkeypatch.setattr(inside.starts, "effort", lambda *_, how=how, **__: how)
        ends.append([best(rows, covariance_type, 4, seed=seed).mean_log_evidence for seed in range(5)])
    gains = np.subtract(*ends[::-1])
    assert gains.mean() > 1e-3, "not each one: without them, candidates make more passes"


def test_more_is_tried_where_rows_suffice_and_without_a_prior():
    def planned(n, n_components=K, d=2, name="full", plain=True, classes=False, mixed=False):
        how = {"plain": plain, "classes": classes, "mixed": mixed}
        return inside.starts.effort(covariance_model(name), n, d, n_components, **how)

    assert [planned(1000, n).n_more for n in (1, 2, 3, 8, 9, 20)] == [0, 2, 2, 4, 4, 10]
    # Fewer than six rows for each number of a mean: what is found is no better.
    assert planned(53, K) == (8, 2, 0, 1, 53)
    assert planned(53, K, name="tied") == (8, 3, 0, K, 53)
    assert planned(53, K, 1, "tied") == (4, 4, 2, K, 53), "one column has one metric"
    assert planned(54, K) == planned(90, K)._replace(part=54) == (4, 4, 2, K, 54)
    assert planned(1000, K, plain=False) == planned(30, K, plain=False)._replace(part=1000) == (4, 4, 0, K, 1000)
    # Fewer rows than parameters: of small groups, a part has too few for a covariance.
    assert planned(692, K, 20) == (12, 3, 2, K, 692)
    assert planned(693, K, 20) == (4, 4, 2, K, 693)
    assert planned(692, K, 20, "diag") == (4, 4, 2, K, 692)
    assert [planned(n, K).part for n in (799, 801, 5000)] == [799, 800, 800]
    assert [planned(99_999, 20, d).part for d in (2, 8, 40)] == [3000, 3000, 20 * 41 * 21]
    assert planned(9999, 20, 40, "diag").part == 3000
    # Classes have seeds of their own, and beside noise candidates begin in dense places, too.
    assert planned(1000, plain=False, classes=True) == (6, 6, 0, K, 1000)
    assert planned(5000, mixed=True) == planned(30, mixed=True)._replace(part=1500) == (4, 3, 0, K, 1500)


def test_more_components_find_a_cluster_that_none_begins_in():
    """Two clusters far away are one component of nearly every start with as many components as clusters."""
    centres = np.repeat([[0, 0], [0, 6], [6, 0], [60, 0], [60, 6]], 60, axis=0)
    rows = centres + np.random.default_rng(0).normal(size=(300, 2))
    assert min(best(rows, "full", 5, seed=seed).counts.min() for seed in range(10)) > 55
    assert best(np.random.default_rng(2).normal(size=(3000, 2)), "full").weight == 3000, "the last passes see all rows"


def race(fewest_rows=None, seeds=1):
    rows, rules = table(), (inside.FULL.code, D, fewest_rows, 0.0, D * (D + 3) / 2, 1.0, False)
    judged = fewest_rows is not None
    check = inside.DegeneracyCheck(rules, N, np.zeros(D), 0, inside.DegeneracyRule.ONE_NUMBER) if judged else None
    how = {"n_seeding": N, "n_candidates": 2, "degeneracy": check}
    return inside.Race([], inside.FULL, [], [rows], rows, np.zeros((seeds, 1)), **how)


def test_clusters_that_were_finished_rest_where_they_are():
    (view, Y), scratch = a_view(), inside._em.Scratch()
    clusters, before = (inside.Clusters(view, Y[:K], 1, scratch) for _ in range(2))
    centres = race(seeds=3).finish_clusters(0, clusters, scratch).centres  # more passes, as they were chosen of three
    assert not np.array_equal(centres, before.centres)
    np.testing.assert_array_equal(race(seeds=3).finish_clusters(0, clusters, scratch).centres, centres)


def test_a_degenerate_candidate_loses_to_a_sound_one():
    sound, light = (candidate("full", n_lloyd=1, n_passes=n)[0] for n in (1, 5))
    failed = inside.Candidate(Objective(covariance_model("full"), RIDGE).family((K, D)), inside.FULL)
    assert light.lower_bound > sound.lower_bound > failed.lower_bound
    between = N * (sound.estimate[0].min() + light.estimate[0].min()) / 2
    field = [failed, light, sound]
    assert race(0).ranked(field) == [light, sound, failed]
    assert race(between).ranked(field) == [sound, light, failed]
    assert race().ranked(field) == [light, sound, failed]
    refused("check of another model", race(0).ranked, [candidate("diag", n_passes=1)[0]])


def test_candidates_advance_in_several_threads():
    """Without the GIL, one thread took the scratch that another was about to take."""
    several = race()
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda _: [several.advance([], None, 0, 0) for _ in range(10_000)], range(4)):
            pass


@pytest.mark.parametrize("covariance_type", ["VVV", "EEE", "VEE", "EVV"])
@pytest.mark.parametrize("d", [4, 10])
def test_columns_that_nearly_follow_from_others_are_fitted_without_a_ridge(covariance_type, d):
    """These models do not depend on coordinates, but float32 cannot tell thin covariances from flat ones."""
    rng, rows = np.random.default_rng(0), blobs(600, d, apart=4.0)
    thin = 10 ** np.linspace(0, -4.5, d)
    turned = rows * thin @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    how = {"covariance_type": covariance_type, "reg_covar": 0, "random_state": 0}
    one, other = (GaussianMixture(3, **how).fit(X) for X in (rows, turned))
    assert other.score(turned) == pytest.approx(one.score(rows) - np.log(thin).sum(), abs=1e-3)
