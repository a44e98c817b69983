"""The benchmarks' own arithmetic and tables; nothing is timed, and no peer is imported."""

import importlib
import json
import os
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("resource", reason="the benchmarks measure memory as POSIX tells it")

import benchmarks
from benchmarks import bayes, clusterings, fits, following, instructions, report, search
from benchmarks.grid import Measurement
from benchmarks.limit import Rates, limit_seconds
from benchmarks.measure import Reading
from benchmarks.problems import GRID, TYPES, mean_log_likelihood
from benchmarks.report import Settings

PUBLISHED = Rates(multiply_adds=134.9e9 / 2, exponentials=1 / 0.183e-9, bytes_read=42e9)


def test_nobody_is_told_which_blas_kernels_to_use(monkeypatch):
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        monkeypatch.setenv(name, "1")
    importlib.reload(benchmarks)
    assert not {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} & set(os.environ)


def problem(name):
    return next(problem for problem in GRID if problem.name == name)


def settings(folder, **changes):
    return replace(Settings(folder, ("sklearn", "gmm"), (1,), ("float64",), 1, "", smoke=True), **changes)


@pytest.mark.parametrize(
    ("name", "ms"),
    [
        ("full-200k-8-16", 4.76),
        ("diag-500k-16-64", 36.2),
        ("tied-100k-32-16", 1.81),
        ("spherical-200k-16-32", 4.40),
    ],
)
def test_limit_of_published_cells(name, ms):
    assert 1e3 * limit_seconds(problem(name), PUBLISHED) == pytest.approx(ms, rel=0.02)


def measurement(ms):
    return Measurement([1e-3 * ms], Reading(1e-3 * ms, 80.0, 4.0, None), -1.0)


def test_instruction_counts_are_judged_stored_and_read(tmp_path):
    told_of = {(100, 100): "same", (104, 100): "more", (96, 100): "fewer: run --update", (5, None): "not stored"}
    for (count, before), told in told_of.items():
        assert instructions.judge(count, before, 0.03) == told
    stored = json.loads(instructions.STORED.read_text())
    assert set(stored["circumstances"]) == {"compiler", "blas", "python"}
    for kernel in instructions.KERNELS:
        assert set(stored["counts"][kernel]) == {problem.name for problem in instructions.PROBLEMS}
    (tmp_path / "out.1").write_text("desc: Trigger: Client Request: full short\ntotals: 120\n")
    (tmp_path / "out.2").write_text("desc: Trigger: Client Request: full long\nsummary: 920\n")
    (tmp_path / "out.3").write_text("desc: Trigger: Program termination\ntotals: 7\n")
    assert instructions.dumped(tmp_path) == {"full short": 120, "full long": 920}
    assert instructions.compiler(b"\0GCC: (Debian 12.2.0-14) 12.2.0\0") == "GCC: (Debian 12.2.0-14) 12.2.0"
    assert instructions.compiler(b"nothing") == "unknown"


def test_a_search_is_judged_cell_by_cell():
    theirs = search.SearchResult(
        {(1, "VVV"): 10.0, (2, "VVV"): 10.0, (3, "VVV"): 10.0, (4, "VVV"): 10.0, (5, "VVV"): 1.0, (6, "VVV"): np.nan}
        | {(1, "VVE"): 1.0, (7, "VVV"): 10.0},
        {(K, "VVV"): K != 5 for K in range(1, 8)} | {(1, "VVE"): True},
    )
    ours = search.SearchResult(
        {(K, "VVV"): bic for K, bic in enumerate([9.0, 9.6, 10.4, 13.0, 20.0, 20.0, 3.0], 1)} | {(1, "VVE"): 30.0},
        {(K, "VVV"): K != 7 for K in range(1, 8)} | {(1, "VVE"): True},
    )
    # Better; the same twice; worse; their spike; they have nothing; VVE; our spike.
    assert search.tally(ours, theirs) == search.Tally(1, 2, 2, 1, 3, 3.0)
    assert (ours.best, theirs.best) == (9.0, 1.0)


@pytest.mark.parametrize("model", search.MODELS)
def test_the_health_of_a_search_is_of_full_covariances(model):
    from gmm import GaussianMixture

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


@pytest.mark.parametrize("way", ["auto", None])
@pytest.mark.parametrize("prior", bayes.PRIORS)
@pytest.mark.parametrize("name", TYPES)
def test_no_random_variational_fit_lowers_its_bound(name, prior, way):
    """Ten thousand by `python -m benchmarks bayes`."""
    for seed in range(20):
        assert bayes.falls(seed, name, prior, way).max(initial=0) <= bayes.ROUNDING


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


def test_objects_are_followed(tmp_path, capsys):
    """One video of a scene by `python -m benchmarks following`."""
    assert following.run(settings(tmp_path, only="every third"), report.Report())
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if "every third" in line]
    (tracker, baseline) = (float(row[-1]) for row in rows)
    assert tracker > baseline


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
