"""The benchmarks of whole fits: the stored optima, what is healthy, and the arithmetic of gaps."""

import numpy as np
import pytest

pytest.importorskip("resource", reason="the benchmarks measure memory as POSIX tells it")

from benchmarks import gaps, optima, tasks
from benchmarks.__main__ import parse
from benchmarks.gaps import ABOVE, DEGENERATE, MEAN_GAP, REGULAR_GAP, WITHIN, Outcome
from benchmarks.measure import Reading, WorkerError
from benchmarks.problems import TYPES, Mixture, component_covariance, health, rows_needed
from benchmarks.report import Report, Settings
from benchmarks.synthetic import SYNTHETIC
from benchmarks.tasks import Fitted

from gmm import GaussianMixture
from inside import PARSIMONIOUS, covariance_model

ROWS = np.random.default_rng(0).normal(size=(300, 2)) * [1, 3] + np.repeat([[0, 0], [6, 6], [0, 12]], 100, axis=0)


def mixture(covariances, weights=(0.5, 0.5)):
    covariances = np.array(covariances, float)
    return Mixture(np.array(weights), np.zeros((2, 2)), covariances)


def climb(bound=0.0, fitted=None):
    return Fitted(fitted or mixture([np.eye(2), np.eye(2)]), 5.0, bound)


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
        assert {"kind", "seed", "date", "cpu", "versions", "tried"} <= set(entry)


def test_an_optimum_of_other_rows_or_of_no_problem_is_not_taken():
    titles = {dataset.title(name) for dataset in optima.PROBLEMS for name in dataset.types}
    assert set(optima.entries()) == titles
    assert len({dataset.name for dataset in optima.DATASETS}) >= 8
    assert len({dataset.title(dataset.types[0]) for dataset in SYNTHETIC}) >= 6
    dataset = next(dataset for dataset in SYNTHETIC if dataset.name == "overlap2")
    assert np.isfinite(optima.best_known(dataset, "full", dataset.load()))
    assert np.isnan(optima.best_known(dataset, "full", dataset.load() * 1.001))


@pytest.mark.parametrize("covariance_type", TYPES)
def test_a_start_is_where_a_fit_without_passes_stays_and_parameters_are_counted(covariance_type):
    fitted = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(ROWS)
    assert optima.n_parameters(covariance_type, 3, 2) == fitted.n_parameters_
    told = Mixture(fitted.weights_, fitted.means_, fitted.covariances_)
    given = tasks.given_start(told, covariance_type)
    again = GaussianMixture(3, covariance_type=covariance_type, max_iter=0, **given).fit(ROWS)
    assert again.score(ROWS) == pytest.approx(fitted.score(ROWS), abs=1e-12)
    assert optima.alone(ROWS) == pytest.approx(GaussianMixture(1, reg_covar=0).fit(ROWS).score(ROWS))
    np.testing.assert_allclose(
        component_covariance(Mixture(again.weights_, again.means_, again.covariances_), covariance_type, 1),
        component_covariance(told, covariance_type, 1),
    )


@pytest.mark.parametrize("refine", [None, "split-merge"])
def test_a_fit_of_ours_tells_where_it_ended_and_by_which_way(refine, tmp_path):
    """By the estimator itself: what it tells of a fit changes, and every benchmark of whole fits reads it."""
    np.save(tmp_path / "rows.npy", ROWS)
    asked = {"n_components": 3, "random_state": 0, "refine": refine}
    told = tasks.DefaultFit("gmm", tmp_path / "rows.npy", 1)("diag", asked).value
    again = GaussianMixture(covariance_type="diag", **asked).fit(ROWS)
    assert told.bound == again.lower_bound_
    assert told.n_passes == again.n_iter_ if refine is None else told.n_passes > again.n_iter_
    assert np.isnan(tasks.passes_of(GaussianMixture(n_init=2, **asked).fit(ROWS)))  # of which some are not told


def test_figures_of_gaps():
    found = [
        Outcome(0.0, degenerate=False, passes=10, seconds=1.0),
        Outcome(0.1, degenerate=False, passes=20, seconds=2.0),
        Outcome(-0.4, degenerate=True, passes=30, seconds=3.0),  # above the best known, and no hit
        Outcome(-0.1, degenerate=False, passes=40, seconds=4.0),
        Outcome(np.nan, degenerate=True, passes=np.nan, seconds=np.nan),  # raised
    ]
    told = gaps.figures(found)
    assert told[MEAN_GAP] == pytest.approx(0.1 / 4)
    assert told[REGULAR_GAP] == pytest.approx(0.1 / 3)
    assert told[WITHIN] == pytest.approx(2 / 5)
    assert told[DEGENERATE] == pytest.approx(2 / 5)
    assert told["passes"] == pytest.approx(25)
    assert told[ABOVE] == 1


def test_an_outcome_is_judged_by_the_referee():
    fitted = GaussianMixture(3, random_state=0).fit(ROWS)
    told = Mixture(fitted.weights_, fitted.means_, fitted.covariances_)

    def worker(covariance_type, parameters):
        return Reading(2.0, 0.0, 0.0, climb(123.0, told))

    found = gaps.outcome(ROWS, "full", {}, fitted.score(ROWS) + 0.5, worker)
    assert (found.gap, found.degenerate, found.passes, found.seconds) == (pytest.approx(0.5), False, 5.0, 2.0)

    def failing(covariance_type, parameters):
        raise WorkerError("no")

    found = gaps.outcome(ROWS, "full", {}, 0.0, failing)
    assert (np.isnan(found.gap), found.degenerate) == (True, True)


@pytest.mark.parametrize("module", [optima, gaps])
def test_questions_are_asked_of_nothing(module, tmp_path, capsys):
    """A name that no data set has: titles alone are printed."""
    name = module.__name__.removeprefix("benchmarks.")
    how = tmp_path, ("gmm",), (1,), ("float64",), 1, "no such rows"
    assert module.run(Settings(*how, smoke=True, arguments=parse([name])), Report())
    assert "| problem |" in capsys.readouterr().out


@pytest.mark.parametrize("covariance_type", [*TYPES, *PARSIMONIOUS])
def test_the_referee_asks_for_as_many_rows_as_the_package(covariance_type):
    for d in (1, 5, 2):
        needed = rows_needed(covariance_type, d)
        assert needed == covariance_model(covariance_type).fewest_rows(d)
    if covariance_type == "diag":
        few = mixture(np.ones((2, 2)), weights=(0.9, 0.1))
        assert (health(few, "diag", 10 * needed).rows, needed) == (pytest.approx(needed), needed)
        assert health(few, "diag", 10 * needed - 4).good  # half a row is rounded up
        assert not health(few, "diag", 10 * needed - 6).good
