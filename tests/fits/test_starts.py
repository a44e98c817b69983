"""Where a fit begins: the rows as a weighted set, the four named starts, and given ones."""

from contextlib import suppress

import numpy as np
import pytest
from scipy.cluster.hierarchy import cut_tree, fcluster, linkage
from sklearn.datasets import load_iris

import inside
import reference
from gmm import GaussianMixture
from inside import SPHERICAL, ArraySource, EStep, _em, covariance_model, draw_sample, mstep
from inside import starts as initialization
from tables import cases, noted, parameters, refused, warned

every_type = pytest.mark.parametrize("covariance_type", [*inside.PARSIMONIOUS, *reference.OF_FACTORS])
every_start = pytest.mark.parametrize("init_params", inside.STARTS)
quiet = pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")

rng = np.random.default_rng(0)
CENTRES = np.array([[-9.0, 0.0], [9.0, 0.0], [0.0, 12.0]])
GROUPS = rng.integers(3, size=150)
ROWS = CENTRES[GROUPS] + rng.normal(size=(150, 2))


def started(rows, covariance_type="full", init_params="kmeans", weight=None, K=3, seed=0):
    source, model = ArraySource(rows, weight), covariance_model(covariance_type)
    state = np.random.RandomState(seed)
    settings = inside.FitSettings(K, inside.Objective(model, 1e-6), start=inside.StartSettings(init_params))
    return inside.start_statistics(source, settings, state)


def test_few_rows_are_taken_as_a_weighted_set_in_order_of_value():
    rows = np.array([[2.0, 1.0], [1.0, 5.0], [2.0, 1.0], [1.0, 3.0], [2.0, 0.0]])
    got = draw_sample(ArraySource(rows, np.array([1.0, 2.0, 3.0, 0.0, 5.0])), 2, rng)
    np.testing.assert_array_equal(got.rows, [[1.0, 5.0], [2.0, 0.0], [2.0, 1.0]])
    np.testing.assert_array_equal(got.sample_weight, [2.0, 5.0, 4.0])


def test_many_rows_are_sampled_without_repeats_and_more_for_more_components_but_none_without_weight():
    rows = np.arange(30_000.0)[:, None]
    weight = np.where(rows[:, 0] % 2, 0.0, 1 + rows[:, 0])
    drawn = ((None, 3), (None, 20), (weight, 3))
    few, more, weighted = (draw_sample(ArraySource(rows, w), K, np.random.RandomState(0)) for w, K in drawn)
    assert [len(np.unique(each.rows)) for each in (few, more)] == [len(few.rows), len(more.rows)] == [10_000, 20_000]
    assert np.isin(few.rows, rows).all()
    assert abs(few.rows.mean() - rows.mean()) < 250
    np.testing.assert_array_equal(weighted.sample_weight, 1 + weighted.rows[:, 0])
    assert not (weighted.rows % 2).any()


@pytest.mark.parametrize("unit", [1e-300, 1.0, 1e300])
def test_a_part_has_so_many_rows_drawn_by_their_weights_whatever_one_of_them_weighs(unit):
    weight = np.r_[np.ones(900), 2 * np.ones(300), 500.0, 1e6] * unit
    rows, rng = ArraySource(np.arange(1202.0)[:, None], weight), np.random.default_rng(0)
    counts, totals = np.zeros(1202), []
    for _ in range(200):
        part = inside.sample_by_weight(rows, 100, rng)
        drawn = part.rows[:, 0].astype(int)
        assert len(np.unique(drawn)) == len(drawn)
        assert abs(len(drawn) - 100) <= 1
        counts[drawn] += 1
        totals.append(part.sample_weight / part.sample_weight.max() * 1e6)
        assert {1200, 1201} <= set(drawn)
    assert counts[900:1200].mean() == pytest.approx(2 * counts[:900].mean(), rel=0.1)
    assert np.mean([total.sum() for total in totals]) == pytest.approx(weight.sum() / unit, rel=1e-4)
    whole = inside.sample_by_weight(rows, 1202, rng)
    np.testing.assert_array_equal(whole.sample_weight, weight[whole.rows[:, 0].astype(int)])


@pytest.mark.parametrize("scale", [5e-324, 1.0, 1e300, 1.7e308])
@pytest.mark.parametrize("levels", [1, 2, 9, 10**6])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 3), (7, 1), (64, 2), (1000, 3)])
def test_the_set_of_rows_is_what_numpy_makes_of_it(n, d, levels, scale):
    rng = np.random.default_rng([n, levels])
    values = np.where(rng.uniform(size=(n, d)) < 0.7, rng.integers(-levels, levels + 1, (n, d)), levels // 2)
    rows = values / levels * scale * rng.choice([0.0, -0.0, 1.0], size=d)
    for weight in (None, rng.uniform(size=n)):
        distinct, mass = mstep.distinct_rows(rows, weight)
        expected, which = np.unique(rows + 0.0, axis=0, return_inverse=True)
        np.testing.assert_array_equal(distinct, expected)
        np.testing.assert_allclose(mass, np.bincount(which.ravel(), weight), rtol=1e-13)


@pytest.mark.parametrize("scale", [5e-324, 1.0, 1e300])
@pytest.mark.parametrize(("n", "d"), [(0, 1), (1, 1), (2, 3), (7, 1), (64, 2), (1000, 3), (20_000, 2)])
def test_equal_rows_are_numbered_in_their_order(n, d, scale):
    rng = np.random.default_rng(n)
    rows = rng.integers(-2, 3, size=(n, d)) * rng.choice([0.0, -0.0, 1.0], size=d) * scale
    rows[n // 2 :, -1] += rng.integers(0, 100, n - n // 2)
    _, first, which = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    firsts, codes = mstep.equal_rows(rows)
    np.testing.assert_array_equal(firsts, first[order])
    np.testing.assert_array_equal(codes, np.argsort(order)[which.ravel()])
    integers = rows.view(np.uint64)
    kept, codes = mstep.equal_rows(integers)
    np.testing.assert_array_equal(integers[kept][codes], integers)


def test_rows_of_nan_are_equal_and_rows_without_columns_are_refused():
    rows = np.full((50_000, 2), np.nan)
    rows[::2, 1] = 0.0
    firsts, codes = mstep.equal_rows(rows)
    assert firsts.tolist() == [0, 1]
    assert codes[:4].tolist() == [0, 1, 0, 1]
    refused("one feature at least", mstep.equal_rows, np.empty((3, 0)))


@every_start
@every_type
def test_a_start_has_all_the_weight_and_the_layout_of_its_model(covariance_type, init_params):
    weight = np.random.default_rng(3).integers(1, 3, len(ROWS)).astype(float)
    got = started(ROWS, covariance_type, init_params, weight)
    assert got.layout is covariance_model(covariance_type).layout
    assert got.second.shape == got.layout.shape(3, 2)
    assert got.counts.sum() == pytest.approx(weight.sum())
    mean = got.counts @ got.means / got.counts.sum()
    np.testing.assert_allclose(mean, weight @ ROWS / weight.sum(), atol=1e-9)
    if init_params in ("k-means++", "random_from_data"):  # each row goes to its nearest
        assert (got.counts == np.round(got.counts)).all()
        assert (got.counts >= 1).all()
    if init_params == "random":
        np.testing.assert_allclose(got.counts, weight.sum() / 3, atol=15)
        assert np.abs(got.means - ROWS.mean(axis=0)).max() < 2


def test_components_of_one_weight_come_by_falling_means():
    """Though the last digits of their weights differ."""
    for seed in range(20):
        shares = np.random.default_rng(seed).dirichlet(np.ones(7))
        rows = np.array([-90.0, 90.0])[:, None] + np.linspace(-1, 1, 7)
        weight = np.concatenate([shares, shares[::-1]])
        assert (np.diff(started(rows.reshape(-1, 1), weight=weight, K=2).means[:, 0]) < 0).all()


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_partitions_that_agree_are_one_start(covariance_type):
    settings = inside.FitSettings(3, inside.Objective(covariance_model(covariance_type), 1e-6))
    rng = np.random.default_rng(0)
    (of_groups,) = initialization.run_race(settings, ArraySource(ROWS), rng, _em.Race.initial)
    assert sorted(of_groups.statistics.counts) == sorted(np.bincount(GROUPS))
    assert len(initialization.run_race(settings._replace(n_components=5), ArraySource(ROWS), rng, _em.Race.initial)) > 1


def views(rows, weight=None, n_components=1, name="full"):
    sample, layout = ArraySource(rows, weight), covariance_model(name).layout
    return _em.CandidateRows.of(sample, sample, layout).views(layout, n_components)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("d", [2, 3, 8, 11, 20])
def test_one_view_has_the_units_of_the_covariance_shrunk_towards_its_diagonal(d, weighted):
    rng = np.random.default_rng(d)
    rows, weight = rng.normal(size=(500, d)) @ (np.eye(d) + rng.normal(size=(d, d)) / d), rng.integers(1, 4, 500) * 1.0
    weights = weight if weighted else np.ones(500)
    own, within, white = views(rows, weight if weighted else None, 3)
    shrunk = np.cov(rows.T, bias=True, aweights=weights) * (1 + 0.03 * d * np.eye(d))
    whitener = white.of_rows[1].reshape(d, d)
    unit = np.sqrt(np.trace(whitener @ shrunk @ whitener.T) / d)  # rows have mean variance 1 in each view
    whitener = whitener / unit
    np.testing.assert_allclose(whitener @ shrunk @ whitener.T, np.eye(d), atol=1e-9)
    for view in (own, white, within):
        seen = view.coordinates
        assert np.average(np.square(seen).mean(axis=1), weights=weights) == pytest.approx(1, rel=1e-12)
        np.testing.assert_allclose(view.in_own_units(seen), rows, atol=1e-9)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "d", "K"), [(7, 2, 2), (32, 3, 2), (300, 2, 3), (900, 6, 9), (2000, 5, 30)])
def test_the_third_view_has_the_metric_of_near_pairs_as_its_twin_finds_it(n, d, K, weighted):
    rng = np.random.default_rng([n, d])
    rows = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 5 * rng.normal(size=(K, d))[rng.integers(K, size=n)]
    weight = rng.integers(1, 4, n) * 1.0 if weighted else None
    _, within, white = views(rows, weight, K)
    expected = reference.within_metric(white.coordinates, np.ones(n) if weight is None else weight, K)
    got = within.of_rows[1].reshape(d, d) @ np.linalg.inv(white.of_rows[1].reshape(d, d))
    np.testing.assert_allclose(got / np.linalg.norm(got), expected / np.linalg.norm(expected), atol=1e-6)


@pytest.mark.parametrize("d", [2, 5, 12])
def test_clusters_are_round_in_the_third_view_whatever_the_units(d):
    """Their common covariance is, to the precision of some sixty pairs for each column."""
    rng = np.random.default_rng(d)
    stretch = np.linalg.qr(rng.normal(size=(d, d)))[0] * np.logspace(-1, 1, d)
    rows = (rng.normal(size=(900, d)) + 5 * rng.normal(size=(4, d))[rng.integers(4, size=900)]) @ stretch
    seen = [views(rows @ units, None, 4) for units in (np.eye(d), np.diag(np.logspace(3, -3, d)))]
    own = rows - rows.mean(axis=0)
    spreads = [np.linalg.cond(np.linalg.lstsq(own, view.coordinates)[0].T @ stretch.T) for view in seen[0]]
    assert spreads[1] < min(2.5, spreads[0] / 3)
    distances = [np.linalg.norm(view.coordinates - view.coordinates[0], axis=1) for _, view, _ in seen]
    np.testing.assert_allclose(distances[1], distances[0], rtol=1e-3)


def test_there_is_no_third_view_where_it_would_be_one_of_the_others():
    rows = np.random.default_rng(0).normal(size=(200, 70))
    for d, K, name in ((1, 3, "full"), (2, 1, "full"), (70, 3, "diag")):
        assert len(views(rows[:, :d].copy(), None, K, name)) == 2
    assert len(views(rows, None, 3)) == 3
    assert len(views(np.zeros((9, 2)), None, 3)) == 2, "equal rows have no pairs that are apart"


@pytest.mark.parametrize(("covariance_type", "best"), [("tied", 591.41), ("diag", 705.07), ("spherical", 783.82)])
def test_the_hierarchy_leads_iris_to_the_best_optima_known(covariance_type, best):
    iris = load_iris().data
    asked = {"covariance_type": covariance_type, "init_params": "hierarchical", "tol": 1e-9, "max_iter": 999}
    fitted = [GaussianMixture(4, random_state=seed, **asked).fit(iris).bic(iris) for seed in range(3)]
    assert fitted[0] == pytest.approx(best, abs=6e-3)
    assert set(fitted) == {fitted[0]}, "few rows leave nothing to chance"


@every_type
def test_a_hierarchical_start_is_scipys_of_repeated_rows_in_whitened_units(covariance_type):
    rng = np.random.default_rng(8)
    rows = rng.normal(size=(90, 2)) * [1, 1000] @ np.array([[1, 300], [0, 1]])
    weight = rng.integers(1, 9, 90)
    repeated = np.repeat(rows, weight, axis=0)
    whitener = np.linalg.inv(np.linalg.cholesky(np.cov(repeated.T, bias=True) * (1 + 0.03 * 2 * np.eye(2))))
    clusters = fcluster(linkage(repeated @ whitener.T, "ward"), 3, "maxclust")
    means = np.array([repeated[clusters == k].mean(axis=0) for k in (1, 2, 3)])
    nearest = np.linalg.norm((repeated[:, None] - means) @ whitener.T, axis=2).argmin(axis=1)
    got = started(rows, covariance_type, "hierarchical", weight.astype(float))
    expected = np.bincount(nearest)
    np.testing.assert_allclose(got.counts, np.sort(expected)[::-1], rtol=1e-12)
    order = np.argsort(-expected)
    np.testing.assert_allclose(got.means, [repeated[nearest == k].mean(axis=0) for k in order], rtol=1e-9)


def test_the_hierarchy_is_of_a_thousand_rows_at_most(monkeypatch):
    asked = noted(monkeypatch, inside.Hierarchy, "__init__", lambda one, rows, weight: len(rows))
    rows = np.concatenate([ROWS + shift for shift in np.random.default_rng(0).normal(size=(9, 2)) / 99])
    one, other = (started(rows, init_params="hierarchical", seed=seed).means for seed in range(2))
    assert asked == [1000, 1000]
    np.testing.assert_allclose(one[np.argsort(one[:, 0])], CENTRES[[0, 2, 1]], atol=0.5)
    # All rows go to the nearest mean, whichever of them made the hierarchy.
    np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize(("n", "d", "K", "n_draws"), [(1, 1, 1, 2), (3, 2, 3, 1), (150, 4, 3, 3), (700, 9, 20, 4)])
def test_seeds_are_those_of_the_textbook_for_the_same_uniforms(n, d, K, n_draws):
    rng = np.random.default_rng(n)
    rows, weight = rng.normal(size=(n, d)), rng.uniform(size=n) * (rng.uniform(size=n) > 0.2)
    weight[0] = 1
    for numbers in rng.uniform(size=(4, 1 + (K - 1) * n_draws)):
        seeds = _em.kmeans_seeds(rows, weight, numbers, K)
        np.testing.assert_array_equal(seeds, reference.kmeans_seeds(rows, weight, numbers, K, n_draws))


def test_clusters_weigh_rows_and_leave_a_centre_without_rows_where_it_is():
    def clusters(rows, weight, seeds):
        origin = np.zeros(rows.shape[1])
        table = _em.CandidateRows(rows, weight, origin, np.abs(rows).max(axis=0))
        view = inside.CandidateView(table, SPHERICAL.code, np.ones(1), origin)
        return inside.Clusters(view, seeds, 20, _em.Scratch()).centres

    rows, light = np.array([0.0, 1.0, 1.5, 10.0])[:, None], 1e-160
    underflows = [1e200, light, light, light]  # the share off the centres does
    for weight, expected in (([1.0, 3.0, 0.0, 1.0], 0.75), (underflows, 0.0)):
        centres = clusters(rows, np.array(weight), np.array([[0.0], [9.0]]))
        np.testing.assert_allclose(centres[:, 0], [expected, 10.0], atol=1e-9)
    for far in (40.0, 1e6):
        centres = clusters(ROWS, None, np.array([[0.0, 4.0], [far, far]]))
        np.testing.assert_array_equal(centres[1], [far, far])


@every_type
def test_means_alone_give_each_row_to_the_nearest(covariance_type):
    counts = np.bincount(((ROWS[:, None] - CENTRES) ** 2).sum(axis=2).argmin(axis=1))
    got = inside.from_means(ArraySource(ROWS), CENTRES, covariance_model(covariance_type).layout)
    np.testing.assert_array_equal(got.counts, counts)
    fitted = GaussianMixture(3, covariance_type=covariance_type, means_init=CENTRES + 0.5, max_iter=0).fit(ROWS)
    np.testing.assert_allclose(fitted.weights_, counts / len(ROWS))
    np.testing.assert_array_equal(fitted.means_, CENTRES + 0.5)


@quiet
@every_type
def test_what_is_given_of_a_start_is_kept_and_the_rest_found(covariance_type):
    layout = covariance_model(covariance_type).layout
    sizes = 1.5 if covariance_type.startswith("E") else np.linspace(1, 2, 3)  # of one volume
    given = {"weights_init": [0.2, 0.3, 0.5], "means_init": CENTRES}
    given["precisions_init"] = layout.with_ridge(np.zeros(layout.shape(3, 2)), sizes)
    asked = {"covariance_type": covariance_type, "max_iter": 0, "random_state": 0, "reg_covar": 0}
    free = GaussianMixture(3, **asked).fit(ROWS)
    for names in (*([name] for name in given), list(given)):
        got = GaussianMixture(3, **asked, **{name: given[name] for name in names}).fit(ROWS)
        for name in names:
            np.testing.assert_allclose(getattr(got, name.replace("init", "")), given[name], rtol=1e-12)
        if names == ["weights_init"]:
            np.testing.assert_array_equal(got.means_, free.means_)


@quiet
@pytest.mark.parametrize("d", [16, 17])
def test_covariances_are_the_inverses_of_given_precisions(d):
    factors = np.random.default_rng(0).normal(size=(3, d, 2 * d))
    precisions, rows = factors @ factors.swapaxes(1, 2) / d, np.random.default_rng(1).normal(size=(50, d))
    given = {"weights_init": [0.2, 0.3, 0.5], "means_init": rows[:3], "precisions_init": precisions}
    fitted = GaussianMixture(3, **given, max_iter=0).fit(rows)
    np.testing.assert_allclose(fitted.covariances_, np.linalg.inv(precisions), rtol=1e-9, atol=1e-12)


@quiet
@pytest.mark.parametrize("covariance_type", reference.CLOSED_FORMS)
def test_responsibilities_may_be_an_array_or_come_from_a_function(covariance_type):
    one_hot, calls = np.eye(3)[GROUPS], []

    def function(X, n_components, random_state):
        calls.append((X.shape, n_components, random_state.uniform()))
        return one_hot

    asked = {"covariance_type": covariance_type, "max_iter": 0, "reg_covar": 0, "random_state": 0}
    for init_params in (one_hot, one_hot.tolist(), function):
        got = GaussianMixture(3, init_params=init_params, **asked).fit(ROWS)
        expected = reference.m_step(ROWS, one_hot, np.ones(len(ROWS)), covariance_type)
        for ours, theirs in zip(parameters(got), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    GaussianMixture(3, init_params=function, n_init=3, **asked).fit(ROWS)
    assert [call[:2] for call in calls] == [((150, 2), 3)] * 4
    assert calls[0] == calls[1], "the first of many starts is that of one"
    assert len({call[2] for call in calls[1:]}) == 3, "each start has its own generator"


@quiet
@every_start
@every_type
def test_there_may_be_fewer_distinct_rows_than_components(covariance_type, init_params):
    how = {"covariance_type": covariance_type, "init_params": init_params, "random_state": 0}
    assert np.isfinite(GaussianMixture(5, **how).fit(np.repeat([[0.0, 0.0], [5.0, 5.0]], [12, 8], axis=0)).lower_bound_)
    X = np.full((20, 2), 3.0)
    fitted = GaussianMixture(3, **how).fit(X)
    np.testing.assert_allclose(fitted.weights_ @ fitted.means_, [3.0, 3.0], rtol=1e-3)
    assert len(set(fitted.predict(X))) == 1


@quiet
@pytest.mark.filterwarnings("ignore:reg_covar hides groups")
@every_start
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag"])
@pytest.mark.parametrize("n_features", [1, 2, 80])
def test_a_feature_in_which_only_a_row_of_no_weight_differs_has_a_unit(n_features, covariance_type, init_params):
    X = np.zeros((8, n_features))
    X[0] = 1
    X[1:5, 1:] = np.random.default_rng(0).normal(size=(4, n_features - 1))
    X[5:, 1:] = 3
    fitted = GaussianMixture(2, covariance_type=covariance_type, init_params=init_params, random_state=0)
    fitted.fit(X, sample_weight=[1e-162, *[1e154] * 7])
    assert np.isfinite(fitted.covariances_).all()


def test_rough_rows_lose_what_float32_loses_and_no_more():
    mixture = inside.WhitenedMixture(SPHERICAL, np.zeros(3), ROWS[:3], np.ones(3))
    for weight, near in ((None, 1e-5), (np.full(len(ROWS), 1e9), 0)):  # whose sums are out of range
        rows = ArraySource(ROWS, weight)
        sources = rows, rows.with_changes(dtype=np.dtype(np.float32))
        exact, rough = (EStep(source, SPHERICAL)(mixture).means for source in sources)
        assert (exact != rough).any() == (near > 0)
        np.testing.assert_allclose(rough, exact, rtol=0, atol=near)


# --- Ward's clusters, and what weights and ties mean to them --------------------------------------


def ward(rows, weight, n_clusters):
    return inside.Hierarchy(rows - weight @ rows / weight.sum(), weight).clusters(n_clusters)


def same_clusters(got, expected):
    return len(set(zip(got, expected, strict=True))) == len(set(got)) == len(set(expected))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "d"), [(2, 1), (3, 2), (50, 1), (200, 3), (400, 12)])
def test_the_clusters_are_scipys_of_repeated_rows(n, d, weighted):
    rng = np.random.default_rng(n)
    times = rng.integers(1, 6, n) if weighted else np.ones(n, int)
    rows = rng.normal(size=(n, d)) * np.arange(1, d + 1)
    hierarchy = linkage(np.repeat(rows, times, axis=0), method="ward")
    for n_clusters, unit in zip((1, 2, 3, min(17, n), n), (1e-150, 1, 1e150, 1, 1), strict=True):
        got = ward(rows, times * unit, n_clusters)
        assert len(set(got)) == min(n_clusters, n)
        assert same_clusters(np.repeat(got, times), cut_tree(hierarchy, min(n_clusters, n)).ravel())


@cases(
    ([0, 0.1, 5, 5.1, 9, 9.1], [1e-250] * 2 + [1e90] * 4, 2, [0, 0, 0, 0, 1, 1]),  # they come to an end
    ([0, 10, 11, 1000], [1e-200] * 3 + [1], 3, [0, 1, 1, 2]),  # those without a product are still apart
    ([5, -5, 5.1, -5.1], [1] * 4, 2, [0, 1, 0, 1]),  # numbers are those of the first rows
    ([-1, 1], [1] * 2, 5, [0, 1]),  # there are no more clusters than rows
    ([0], [1], 5, [0]),
)
def test_of_few_rows_clusters_are_these(rows, weight, n_clusters, expected):
    rows, weight = np.array(rows, float)[:, None], np.array(weight, float)
    np.testing.assert_array_equal(ward(rows, weight, n_clusters), expected)


def test_ties_go_to_the_first_row_whatever_rounding_does():
    grid = np.argwhere(np.ones((12, 12)))
    exact, *others = (ward(grid * unit, np.ones(144), 7) for unit in (1.0, 0.1, 1 / 3, 1e7 + 0.1))
    for clusters in others:
        np.testing.assert_array_equal(clusters, exact)
    rng = np.random.default_rng(0)  # equal rows, and rows that nearly are
    near = np.concatenate([np.zeros((20, 3)), 1e-9 * rng.normal(size=(20, 3)), rng.normal(size=(3, 3))])
    assert same_clusters(ward(near, np.ones(43), 4), [0] * 40 + [1, 2, 3])


@quiet
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_rows_of_known_class_begin_among_those_in_dense_places_however_many_repeat():
    """Rows that repeat are nearer to their neighbours than by rounding: a class may have a single row beside them."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(15, 5))[rng.integers(15, size=300)]
    labels = np.where(rng.random(300) < 0.2, 0, -1)
    labels[-1] = 1
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[0] = 1
    mixture = GaussianMixture(4, noise=True, missing="em", covariance_type="spherical", random_state=0, max_iter=20)
    assert sorted(set(mixture.fit(rows, labels=labels).component_classes_)) == [-1, 0, 1]


def test_a_row_far_away_hides_no_dense_place():
    """In units of its distance all others would be at one place, to rounding."""
    rng, ends = np.random.default_rng(3), []
    rows = rng.uniform(-10, 10, (4, 2))[rng.integers(4, size=600)] + rng.normal(0, 0.3, (600, 2))
    rows[:420] = rng.uniform(-12, 12, (420, 2))
    for far in (1e6, 1e12):
        rows[0] = far
        mixture = GaussianMixture(4, noise=[[-12, -12], [12, 12]], random_state=0).fit(rows)
        ends.append(mixture.lower_bound_)
    assert ends[1] == pytest.approx(ends[0], abs=1e-6)


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
def test_a_start_with_one_good_partition_is_good_enough_without_a_ridge():
    n_fitted = 0
    for seed in range(15):
        with suppress(ValueError):
            n_fitted += GaussianMixture(7, reg_covar=0, random_state=seed).fit(load_iris().data).n_iter_ > 0
    assert n_fitted >= 11  # scikit-learn: 13; one partition alone: half of them


EQUAL = {
    "parameters": {"means_init": [[0.0, 0], [0, 0]], "weights_init": [0.3, 0.7], "precisions_init": [np.eye(2)] * 2},
    "responsibilities": {"init_params": np.full((150, 2), [0.3, 0.7])},
}


@pytest.mark.parametrize("how", [{}, {"tails": "t"}, {"noise": True}, {"missing": "em"}, {"acceleration": None}])
@pytest.mark.parametrize("start", EQUAL)
def test_components_that_begin_equal_and_stay_so_are_reported(start, how):
    rows = ROWS.copy()
    if "missing" in how:
        rows[::7, 0] = np.nan
    model, notes = warned(GaussianMixture(2, **EQUAL[start], **how).fit, rows)
    assert "Components 0, 1 are equal" in " ".join(notes)
    assert "n_components=1 gives the same density" in model.remarks_["equal"]


@every_type
def test_three_of_four_components_that_begin_equal_are_reported(covariance_type):
    of_factors = {"n_factors": 1} if covariance_type in reference.OF_FACTORS else {}
    shares = (GROUPS[:, None] == [0, 1, 1, 1]) + 0.0
    shares = np.where(shares.any(axis=1, keepdims=True), shares / shares.sum(axis=1, keepdims=True).clip(1), 0.25)
    start = {"covariance_type": covariance_type, "init_params": shares}
    model, _ = warned(GaussianMixture(4, **start, **of_factors).fit, ROWS)
    assert "n_components=2 gives" in model.remarks_["equal"]


def test_components_with_one_mean_but_other_covariances_are_not_equal():
    precisions = [np.linalg.inv([[1.0, c], [c, 1.0]]) for c in (0.5, -0.5)]
    fixed = {"means": True, "covariances": True}
    start = {"means_init": np.zeros((2, 2)), "precisions_init": precisions, "fixed": fixed}
    assert "equal" not in GaussianMixture(2, **start).fit(ROWS).remarks_
