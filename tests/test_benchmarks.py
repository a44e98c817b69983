"""The benchmarks' own arithmetic, tables and optima; nothing is timed, and no peer is imported."""

import importlib
import json
import os

import numpy as np
import pytest

pytest.importorskip("resource", reason="the benchmarks measure memory as POSIX tells it")

import benchmarks
from benchmarks import clusterings, fits, following, gaps, instructions, optima, search, tasks
from benchmarks.gaps import ABOVE, DEGENERATE, MEAN_GAP, REGULAR_GAP, WITHIN, Outcome
from benchmarks.limit import Rates, limit_seconds
from benchmarks.measure import Reading, WorkerError
from benchmarks.problems import GRID, TYPES, Mixture, component_covariance, health, mean_log_likelihood, rows_needed
from benchmarks.synthetic import SYNTHETIC
from benchmarks.tasks import Fitted

from gmm import GaussianMixture
from inside import PARSIMONIOUS, covariance_model

PUBLISHED = Rates(multiply_adds=134.9e9 / 2, exponentials=1 / 0.183e-9, bytes_read=42e9)


def test_nobody_is_told_which_blas_kernels_to_use(monkeypatch):
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        monkeypatch.setenv(name, "1")
    importlib.reload(benchmarks)
    assert not {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} & set(os.environ)


def test_limit_of_published_cells():
    milliseconds = {problem.name: 1e3 * limit_seconds(problem, PUBLISHED) for problem in GRID}
    published = {"full-200k-8-16": 4.76, "diag-500k-16-64": 36.2, "tied-100k-32-16": 1.81, "spherical-200k-16-32": 4.40}
    assert {name: milliseconds[name] for name in published} == pytest.approx(published, rel=0.02)


def test_instruction_counts_are_judged_stored_and_read(tmp_path):
    told_of = {(100, 100): "same", (104, 100): "more", (96, 100): "fewer: run --update", (5, None): "not stored"}
    for (count, before), told in told_of.items():
        assert instructions.judge(count, before, 0.03) == told
    stored = json.loads(instructions.STORED.read_text())
    for kernel in instructions.KERNELS:
        assert set(stored["counts"][kernel]) == {problem.name for problem in instructions.PROBLEMS}
    (tmp_path / "out.1").write_text("desc: Trigger: Client Request: full short\ntotals: 120\n")
    (tmp_path / "out.2").write_text("desc: Trigger: Client Request: full long\nsummary: 920\n")
    (tmp_path / "out.3").write_text("desc: Trigger: Program termination\ntotals: 7\n")
    assert instructions.dumped(tmp_path) == {"full short": 120, "full long": 920}
    assert instructions.compiler(b"\0GCC: (Debian 12.2.0-14) 12.2.0\0") == "GCC: (Debian 12.2.0-14) 12.2.0"
    assert instructions.compiler(b"nothing") == "unknown"


def found(bics, of_vve, spike):
    bics = {(K, "VVV"): bic for K, bic in enumerate(bics, 1)} | {(1, "VVE"): of_vve}
    return search.SearchResult(bics, {cell: cell != (spike, "VVV") for cell in bics})


def test_a_search_is_judged_cell_by_cell():
    theirs = found([10.0, 10.0, 10.0, 10.0, 1.0, np.nan, 10.0], of_vve=1.0, spike=5)
    ours = found([9.0, 9.6, 10.4, 13.0, 20.0, 20.0, 3.0], of_vve=30.0, spike=7)
    # Better; the same twice; worse; their spike; they have nothing; VVE; our spike.
    assert search.tally(ours, theirs) == search.Tally(1, 2, 2, 1, 3, 3.0)
    assert (ours.best, theirs.best) == (9.0, 1.0)


@pytest.mark.parametrize("model", search.MODELS)
def test_the_health_of_a_search_is_of_full_covariances(model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)) * [1, 2, 3] + 20 * np.eye(3)[np.arange(60) % 3]
    fit = GaussianMixture(3, covariance_type=model, random_state=0).fit(X)
    mixture = search.dense(fit, model)
    assert mixture.covariances.shape == (3, 3, 3)
    score = mean_log_likelihood(X, mixture, "full")
    assert score == pytest.approx(fit.score(X), rel=1e-9)
    assert search.healthy(mixture, model, 60)
    assert not search.healthy(mixture, model, 6)


# --- Whole fits ---------------------------------------------------------------------------------


def a_fit(ms, score, *, degenerate=False):
    return fits.Fit(1e-3 * ms, score, degenerate)


def fits_cell(ours, theirs, group=fits.TUNED):
    table = fits.Table("a table", group, lambda: np.zeros((2, 1)))
    return fits.Cell(table, 3, "full", 1, {"sklearn": theirs, "gmm": ours}, (0.5, 0.3, 0.2))


def test_a_cell_of_fits_compares_medians_and_is_lost_if_it_raised_or_is_lower_than_a_sound_one():
    cell = fits_cell([a_fit(2, -1.0), a_fit(9, -1.2), a_fit(1, -1.1)], [a_fit(8, -1.5), a_fit(4, -1.0)])
    assert (cell.ratio, cell.gain, cell.lost) == (pytest.approx(3), pytest.approx(0.15), False)
    for degenerate in (False, True):
        assert fits_cell([a_fit(1, -1.0)], [a_fit(1, -0.9, degenerate=degenerate)]).lost is not degenerate
    assert fits_cell([a_fit(np.nan, np.nan)], [a_fit(1, -5.0)]).lost


def test_no_table_is_both_tuned_on_and_judged_by():
    tuned, judged = ({each.name for each in fits.TABLES if each.group == group} for group in ("tuned on", "judged on"))
    assert min(len(tuned), len(judged)) >= 6
    assert not tuned & judged


def test_tracks_are_judged_as_clear_mot_does():
    truth = [{"a": np.array([0.0, 0.0]), "b": np.array([50.0, 0.0])} for _ in range(4)]
    one, two = np.array([0.5, 0.0]), np.array([50.0, 1.0])
    assert following.judged(truth, [{1: one, 2: two}] * 4) == (0, 0, 0, 1.0)
    # The numbers change places, an object is missed once, and another is where there is none.
    told = [{1: one, 2: two}, {2: one, 1: two}, {2: one}, {2: one, 1: two, 3: np.array([20.0, 20.0])}]
    assert following.judged(truth, told) == (1, 1, 2, 0.5)
    # The nearest is not taken from who had it before.
    near = [{1: np.array([3.0, 0.0]), 2: two}, {1: np.array([3.0, 0.0]), 2: two, 3: one}]
    assert following.judged(truth[:2], near) == (0, 1, 0, 0.75)


def test_clusterings_of_drawn_rows_are_judged_by_seeds():
    X, y = np.column_stack([np.arange(1200.0), np.ones(1200)]), np.arange(1200) % 2
    rows, classes = clusterings.drawn(X, y)
    assert rows.shape == (clusterings.ROWS, 1)  # the constant column is left out
    assert len(classes) == len(rows)
    np.testing.assert_allclose([rows.mean(), rows.std()], [0, 1], atol=1e-12)

    def right_once(X, K, seed):
        if seed == 1:
            raise ValueError("no fit")
        return 1 - y if seed == 0 else np.zeros(len(y))

    assert clusterings.mean_index(X, y, right_once, 3) == pytest.approx(1 / 3)


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
    expected = {MEAN_GAP: 0.1 / 4, REGULAR_GAP: 0.1 / 3, WITHIN: 2 / 5, DEGENERATE: 2 / 5, "passes": 25, ABOVE: 1}
    assert {name: told[name] for name in expected} == pytest.approx(expected)


def test_an_outcome_is_judged_by_the_referee():
    fitted = GaussianMixture(3, random_state=0).fit(ROWS)

    def worker(covariance_type, parameters):
        return Reading(2.0, 0.0, 0.0, Fitted(parts_of(fitted), 5.0, 123.0))

    found = gaps.outcome(ROWS, "full", {}, fitted.score(ROWS) + 0.5, worker)
    assert (found.gap, found.degenerate, found.passes, found.seconds) == (pytest.approx(0.5), False, 5.0, 2.0)

    def failing(covariance_type, parameters):
        raise WorkerError("no")

    found = gaps.outcome(ROWS, "full", {}, 0.0, failing)
    assert (np.isnan(found.gap), found.degenerate) == (True, True)


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
