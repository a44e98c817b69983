"""The benchmarks' own arithmetic, tables and optima; nothing is timed, and no peer is imported."""

import numpy as np
import pytest

pytest.importorskip("resource", reason="the benchmarks measure memory as POSIX tells it")

from benchmarks import fits, following, gaps, optima, search, tasks
from benchmarks.gaps import ABOVE, DEGENERATE, MEAN_GAP, REGULAR_GAP, WITHIN, Outcome
from benchmarks.problems import TYPES, Mixture, component_covariance, health, mean_log_likelihood, rows_needed
from benchmarks.synthetic import SYNTHETIC

from gmm import GaussianMixture
from inside import PARSIMONIOUS, covariance_model


def found(bics, of_vve, spike):
    bics = {(K, "VVV"): bic for K, bic in enumerate(bics, 1)} | {(1, "VVE"): of_vve}
    return search.SearchResult(bics, {cell: cell != (spike, "VVV") for cell in bics})


def test_a_search_is_judged_cell_by_cell():
    theirs = found([10.0, 10.0, 10.0, 10.0, 1.0, np.nan, 60.0], of_vve=1.0, spike=5)
    ours = found([9.0, 9.6, 10.4, 13.0, 20.0, 20.0, 3.0], of_vve=30.0, spike=7)
    # Better; the same twice; worse; their spike; they have nothing; VVE; our spike, far from the best.
    assert search.tally(ours, theirs) == search.Tally(1, 2, 2, 1, 1, 3, 3.0)
    assert (ours.best, theirs.best) == (9.0, 1.0)


@pytest.mark.parametrize("model", search.MODELS)
def test_the_health_of_a_search_is_of_full_covariances(model):
    X = np.random.default_rng(0).normal(size=(60, 3)) * [1, 2, 3] + 20 * np.eye(3)[np.arange(60) % 3]
    fit = GaussianMixture(3, covariance_type=model, random_state=0).fit(X)
    mixture = search.dense(fit, model)
    assert mixture.covariances.shape == (3, 3, 3)
    assert mean_log_likelihood(X, mixture, "full") == pytest.approx(fit.score(X), rel=1e-9)
    assert search.healthy(mixture, model, 60)
    assert not search.healthy(mixture, model, 6)


def test_no_table_is_both_tuned_on_and_judged_by():
    tuned, evaluated = (
        {each.name for each in fits.TABLES if each.group == group} for group in ("tuned on", "evaluated on")
    )
    assert min(len(tuned), len(evaluated)) >= 6
    assert not tuned & evaluated


def test_tracks_are_judged_as_clear_mot_does():
    truth = [{"a": np.array([0.0, 0.0]), "b": np.array([50.0, 0.0])} for _ in range(4)]
    one, two = np.array([0.5, 0.0]), np.array([50.0, 1.0])
    assert following.tracking_scores(truth, [{1: one, 2: two}] * 4) == (0, 0, 0, 1.0)
    # The numbers change places, an object is missed once, and another is where there is none.
    told = [{1: one, 2: two}, {2: one, 1: two}, {2: one}, {2: one, 1: two, 3: np.array([20.0, 20.0])}]
    assert following.tracking_scores(truth, told) == (1, 1, 2, 0.5)
    # The nearest is not taken from who had it before.
    near = [{1: np.array([3.0, 0.0]), 2: two}, {1: np.array([3.0, 0.0]), 2: two, 3: one}]
    assert following.tracking_scores(truth[:2], near) == (0, 1, 0, 0.75)


# --- Whole fits: the stored optima, what is healthy, and the arithmetic of gaps -------------------


ROWS = np.random.default_rng(0).normal(size=(300, 2)) * [1, 3] + np.repeat([[0, 0], [6, 6], [0, 12]], 100, axis=0)


def mixture(covariances, weights=(0.5, 0.5)):
    covariances = np.array(covariances, float)
    return Mixture(np.array(weights), np.zeros((2, 2)), covariances)


def parts_of(fit):
    return Mixture(fit.weights_, fit.means_, fit.covariances_)


def test_thinness_is_relative_to_the_pooled_covariance():
    thin = mixture([np.eye(2), np.diag([1, 1e-3])], weights=(0.75, 0.25))
    assert health(thin, "full", 1000).thinness == pytest.approx(1e-3 / (0.75 + 0.25e-3))
    assert health(thin, "full", 1000).good
    assert health(mixture(np.diag([1, 1e-9])), "tied", 1000).thinness == pytest.approx(1)
    for covariances in ([np.eye(2), np.diag([1, 1e-5])], np.zeros((2, 2, 2))):
        assert not health(mixture(covariances), "full", 1000).good


@pytest.mark.parametrize("dataset", optima.PROBLEMS, ids=lambda dataset: f"{dataset.name}, {dataset.n_components}")
def test_every_problem_has_a_healthy_optimum_of_its_rows(dataset):
    try:
        X = dataset.load()
    except ImportError as reason:  # scikit-learn, and for its pictures Pillow
        pytest.skip(str(reason))
    for covariance_type in dataset.types:
        assert np.isfinite(optima.best_known(dataset, covariance_type, X)), covariance_type
        entry = optima.entries()[dataset.title(covariance_type)]
        assert entry["rows"] >= rows_needed(covariance_type, X.shape[1]) - 0.5
        assert entry["thinness"] > 1e-4


def test_an_optimum_of_other_rows_or_of_no_problem_is_not_taken():
    titles = {dataset.title(name) for dataset in optima.PROBLEMS for name in dataset.types}
    assert set(optima.entries()) == titles
    dataset = next(dataset for dataset in SYNTHETIC if dataset.name == "overlap2")
    assert np.isfinite(optima.best_known(dataset, "full", dataset.load()))
    assert np.isnan(optima.best_known(dataset, "full", dataset.load() * 1.001))


@pytest.mark.parametrize("covariance_type", TYPES)
def test_a_start_is_where_a_fit_without_passes_stays_and_parameters_are_counted(covariance_type):
    fitted = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(ROWS)
    assert optima.n_parameters(covariance_type, 3, 2) == fitted.n_parameters_
    told = parts_of(fitted)
    given = tasks.given_start(told, covariance_type)
    again = GaussianMixture(3, covariance_type=covariance_type, max_iter=0, **given).fit(ROWS)
    assert again.score(ROWS) == pytest.approx(fitted.score(ROWS), abs=1e-12)
    assert optima.alone(ROWS) == pytest.approx(GaussianMixture(1, reg_covar=0).fit(ROWS).score(ROWS))
    np.testing.assert_allclose(*(component_covariance(each, covariance_type, 1) for each in (parts_of(again), told)))


def test_figures_of_gaps():
    found = [
        Outcome(0.0, degenerate=False, passes=10, seconds=1.0),
        Outcome(0.1, degenerate=False, passes=20, seconds=2.0),
        Outcome(-0.4, degenerate=True, passes=30, seconds=3.0),  # above the best known, and no hit
        Outcome(-0.1, degenerate=False, passes=40, seconds=4.0),
        Outcome(np.nan, degenerate=True, passes=np.nan, seconds=np.nan),  # raised
    ]
    told = gaps.figures(found)
    expected = {MEAN_GAP: 0.1 / 4, REGULAR_GAP: 0.1 / 3, WITHIN: 2 / 5, DEGENERATE: 2 / 5, "passes": 25, ABOVE: 1}
    assert {name: told[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("covariance_type", [*TYPES, *PARSIMONIOUS])
def test_the_referee_asks_for_more_rows_than_leave_the_likelihood_a_bound(covariance_type):
    for d in (1, 5, 2):
        needed = rows_needed(covariance_type, d)
        assert needed > covariance_model(covariance_type).unbounded_rows(d) + 1
    if covariance_type == "diag":
        few = mixture(np.ones((2, 2)), weights=(0.9, 0.1))
        assert (health(few, "diag", 10 * needed).rows, needed) == (pytest.approx(needed), needed)
        assert health(few, "diag", 10 * needed - 4).good  # half a row is rounded up
        assert not health(few, "diag", 10 * needed - 6).good
