"""The benchmarks of whole fits: the stored optima, what is healthy, and the arithmetic of gaps."""

from dataclasses import replace
from types import SimpleNamespace

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


def settings(folder, **changes):
    return replace(Settings(folder, ("gmm",), (1,), ("float64",), 1, "", smoke=True), **changes)


# --- What is healthy ----------------------------------------------------------------------------


def test_thinness_is_relative_to_the_pooled_covariance():
    thin = mixture([np.eye(2), np.diag([1, 1e-3])], weights=(0.75, 0.25))
    assert health(thin, "full", 1000).thinness == pytest.approx(1e-3 / (0.75 + 0.25e-3))
    assert health(thin, "full", 1000).good
    assert health(mixture(np.diag([1, 1e-9])), "tied", 1000).thinness == pytest.approx(1)
    for covariances in ([np.eye(2), np.diag([1, 1e-5])], np.zeros((2, 2, 2))):
        assert not health(mixture(covariances), "full", 1000).good


def test_health_does_not_depend_on_units():
    rng = np.random.default_rng(3)
    first, second, units = (factor @ factor.T for factor in rng.normal(size=(3, 2, 2)))
    before = health(mixture([first, second]), "full", 50)
    after = health(mixture([units @ first @ units.T, units @ second @ units.T]), "full", 50)
    assert after.thinness == pytest.approx(before.thinness, rel=1e-6)


# --- The stored table ---------------------------------------------------------------------------


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
    np.testing.assert_allclose(
        component_covariance(Mixture(again.weights_, again.means_, again.covariances_), covariance_type, 1),
        component_covariance(told, covariance_type, 1),
    )


def test_likelihood_of_one_component():
    for X in (ROWS, ROWS[:, :1]):
        assert optima.alone(X) == pytest.approx(GaussianMixture(1, reg_covar=0).fit(X).score(X))


def test_finalists_differ_and_are_the_best():
    found = [(score, "rows", seed, climb(score)) for seed, score in enumerate([1, 3, 3 - 1e-9, 2, -1, -2, -3, -4, -5])]
    assert [score for score, *_ in optima.finalists(found)] == [3, 2, 1, -1, -2, -3]


class FakeSearch:
    """Climbs by seed, of which some are not healthy; to polish adds a hundredth."""

    def __init__(self, scores, sick=()):
        self.scores, self.sick, self.X = scores, sick, ROWS

    def fit(self, kind, seed, **parameters):
        found = self.scores[kind][seed] if seed < len(self.scores[kind]) else None
        return None if found is None else climb(found)

    def polish(self, found):
        return climb(found.bound + 0.01)

    def score(self, found):
        return found.bound

    def health(self, found):
        return SimpleNamespace(good=round(found.bound, 3) not in self.sick, rows=2.0, thinness=0.5)


@pytest.fixture
def one_round(monkeypatch):
    """Rounds of two seeds from two kinds of start, whatever the clock says."""

    def rounds(search, tried, seconds):
        for kind in search.scores:
            for seed in range(tried.get(kind, 0), tried.get(kind, 0) + 2):
                yield kind, seed, search.fit(kind, seed)

    monkeypatch.setattr(optima, "rounds", rounds)


@pytest.mark.usefixtures("one_round")
@pytest.mark.parametrize("sick", [5.0, 5.01], ids=["before", "polished"])
def test_a_search_stores_the_best_healthy_climb_and_how_it_was_found(sick):
    entry = optima.searched(FakeSearch({"rows": [-3, -1], "k-means": [5, None]}, sick=[sick]), None, 0)
    assert entry["score"] == pytest.approx(-0.99)
    assert (entry["kind"], entry["seed"]) == ("rows", 1)
    assert entry["tried"] == {"rows": 2, "k-means": 2}
    assert entry["last"]["restarts"] == 4


@pytest.mark.usefixtures("one_round")
def test_a_later_search_begins_with_new_seeds_and_never_lowers():
    first = optima.searched(FakeSearch({"rows": [-1, -3]}), None, 0)
    worse = optima.searched(FakeSearch({"rows": [9, 9, -2, -2]}), first, 0)
    assert (worse["score"], worse["seed"], worse["date"]) == (first["score"], first["seed"], first["date"])
    assert worse["tried"] == {"rows": 4}
    better = optima.searched(FakeSearch({"rows": [None] * 4 + [-0.5, -3]}), worse, 0)
    assert (better["score"], better["seed"]) == (pytest.approx(-0.49), 4)


@pytest.mark.usefixtures("one_round")
def test_nothing_is_stored_where_nothing_is_healthy():
    assert optima.searched(FakeSearch({"rows": [1, 1]}, sick=[1.0]), None, 0) is None


# --- Climbs -------------------------------------------------------------------------------------


def test_passes_of_all_starts_and_moves_are_told_or_not_known():
    X = np.random.default_rng(0).normal(size=(300, 2))
    alone = GaussianMixture(3, random_state=0).fit(X)
    assert tasks.passes_of(alone) == alone.n_iter_
    refined = GaussianMixture(3, random_state=0, refine="split-merge").fit(X)
    assert tasks.passes_of(refined) == refined.history_.refinement.passes > alone.n_iter_
    assert np.isnan(tasks.passes_of(GaussianMixture(3, random_state=0, n_init=2).fit(X)))


@pytest.mark.parametrize("refine", [None, "split-merge"])
def test_a_fit_of_ours_tells_where_it_ended_and_by_which_way(refine, tmp_path):
    """By the estimator itself: what it tells of a fit changes, and every benchmark of whole fits reads it."""
    np.save(tmp_path / "rows.npy", ROWS)
    asked = {"n_components": 3, "random_state": 0, "refine": refine}
    told = tasks.DefaultFit("gmm", tmp_path / "rows.npy", 1)("diag", asked).value
    again = GaussianMixture(covariance_type="diag", **asked).fit(ROWS)
    assert told.bound == again.lower_bound_
    assert told.n_passes == again.n_iter_ if refine is None else told.n_passes > again.n_iter_


def test_the_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    found = {variant.name: {MEAN_GAP: 0.1 / (1 + n), "seconds": 1.0 + n} for n, variant in enumerate(gaps.VARIANTS)}
    gaps.draw(found).savefig(tmp_path / "picture.png")
    gaps.draw({"gmm": found["gmm"]})  # without the other package
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


# --- Gaps ---------------------------------------------------------------------------------------


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


def test_a_fit_that_raises_is_no_hit():
    def worker(covariance_type, parameters):
        raise WorkerError("no")

    found = gaps.outcome(ROWS, "full", {}, 0.0, worker)
    assert np.isnan(found.gap)
    assert found.degenerate


@pytest.mark.parametrize("module", [optima, gaps])
def test_questions_are_asked_of_nothing(module, tmp_path, capsys):
    """A name that no data set has: titles alone are printed."""
    name = module.__name__.removeprefix("benchmarks.")
    assert module.run(settings(tmp_path, only="no such rows", arguments=parse([name])), Report())
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
