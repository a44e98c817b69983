"""The benchmarks' own arithmetic, tables and verdicts; nothing is timed, and no peer is imported."""

import importlib
import json
import os
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

# At hand in the repository and in the source distribution, beside the tests.
sys.path.insert(0, str(Path(__file__).parents[1]))
pytest.importorskip("resource", reason="the benchmarks measure memory as POSIX tells it")

import benchmarks
from benchmarks import __main__ as command
from benchmarks import compare, goals, growth, instructions, memory, peers, publish, report, search
from benchmarks.grid import Cell, Measurement, cells
from benchmarks.limit import Rates, limit_seconds, multiply_adds, typical
from benchmarks.measure import Reading, slope
from benchmarks.problems import GRID, Mixture, Problem, generate, mean_log_likelihood, responsibilities
from benchmarks.settings import Settings

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


@pytest.mark.parametrize(("covariance_type", "expected"), [("full", 44), ("tied", 8), ("diag", 16), ("spherical", 9)])
def test_multiply_adds_of_a_row_and_component(covariance_type, expected):
    assert multiply_adds(Problem(100, 8, 3, covariance_type)) == expected


@pytest.mark.parametrize(
    ("name", "ms"),
    [
        ("full-1M-2-4", 1.33),
        ("full-200k-8-16", 4.76),
        ("full-50k-64-32", 102),
        ("diag-500k-16-64", 36.2),
        ("tied-100k-32-16", 1.81),
        ("spherical-200k-16-32", 4.40),
    ],
)
def test_limit_of_published_cells(name, ms):
    assert 1e3 * limit_seconds(problem(name), PUBLISHED) == pytest.approx(ms, rel=0.02)


def test_limit_is_reading_where_arithmetic_is_free():
    free = Rates(1e30, 1e30, 1e9)
    asked = Problem(1000, 50, 2, "diag", dtype="float32")
    assert limit_seconds(asked, free) == pytest.approx(1000 * 50 * 4 / 1e9)


def test_typical_rates_are_medians():
    rates = [Rates(1, 30, 5), Rates(2, 10, 6), Rates(3, 20, 70)]
    assert typical(rates) == Rates(2, 20, 6)


@pytest.mark.parametrize("power", [0.5, 1, 2])
def test_exponent_of_a_power_law(power):
    sizes = [2, 3, 10, 200]
    assert growth.exponent(sizes, [7e-6 * size**power for size in sizes]) == pytest.approx(power)


def test_exponent_needs_two_points():
    assert np.isnan(growth.exponent([1], [1.0]))
    assert np.isnan(growth.exponent([1, 2], [1.0]))
    assert np.isnan(growth.exponent([1, 2], [1.0, -1.0]))


def test_curve_names_where_the_share_is_lowest():
    curve = growth.Curve("full", "d", [2, 40, 80], {"gmm": [1.0, 20.0, 40.0]}, [0.6, 0.3, 0.5])
    assert curve.describe() == "full: time ~ d^p, p = gmm 1.00; lowest share of the limit 30 % at d = 40"


def test_growth_has_the_sizes_between_the_published():
    assert {3, 6, 12, 24, 40, 80, 200} <= set(growth.SIZES["d"])
    assert {5, 7, 20, 48, 200} <= set(growth.SIZES["K"])


def test_every_goal_is_a_cell_of_the_grid():
    names = {problem.name for problem in GRID}
    assert {name for name, _ in [*goals.GRID_GOALS, *goals.SMALL_GOALS]} <= names
    assert names == {name for name, dtype in [*goals.GRID_GOALS, *goals.SMALL_GOALS] if dtype == "float64"}


def test_goals_by_threads():
    cell = problem("full-200k-8-16")
    assert goals.grid_goal(cell, 1, np.nan) == {"vs sklearn": 28, "vs best peer": 3.8, "of limit": 0.58}
    assert goals.grid_goal(cell, 2, 17.0) == {"1→2": 1.8, "vs daal4py": 2.8}
    assert goals.grid_goal(cell, 2, 3.0) == {"vs daal4py": 2.8}
    assert goals.grid_goal(cell, 3, 17.0) == {}
    assert goals.grid_goal(problem("full-150-4-3"), 1, np.nan) == {"ms": 0.008}
    assert goals.grid_goal(problem("tied-100k-32-16"), 1, np.nan) == {"vs sklearn": 50, "of limit": 0.47}


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ({"vs sklearn": 30.0, "of limit": 0.7}, "met"),
        ({"vs sklearn": 30.0, "of limit": 0.5}, "missed: of limit"),
        ({"vs sklearn": 20.0, "of limit": np.nan}, "missed: vs sklearn"),
        ({"of limit": np.nan}, "–"),
    ],
)
def test_verdict(figures, expected):
    assert goals.verdict({"vs sklearn": 28, "of limit": 0.58}, figures) == expected


def test_milliseconds_are_met_from_below():
    assert goals.verdict({"ms": 0.008}, {"ms": 0.007}) == "met"
    assert goals.verdict({"ms": 0.008}, {"ms": 0.009}) == "missed: ms"
    assert goals.wording({"ms": 0.008}) == "≤0.008 ms"
    assert goals.wording({"vs sklearn": 28, "of limit": 0.58}) == "28× 58 %"


def test_ratios_leave_our_twin_out():
    assert report.ratios({"sklearn": 30, "daal4py": 8, "gmm": 2, "gmm (blas)": 3}) == (15, 4)
    assert np.isnan(report.ratios({"gmm": 2, "gmm (blas)": 3})).all()


def measurement(ms):
    return Measurement([1e-3 * ms], Reading(1e-3 * ms, 80.0, 4.0, None), -1.0)


def test_figures_of_a_cell():
    cell = Cell(
        problem("full-200k-8-16"),
        2,
        {"sklearn": measurement(300), "daal4py": measurement(30), "gmm": measurement(10)},
        ms_on_one=19.0,
        rates=PUBLISHED,
    )
    figures = cell.figures()
    assert figures["vs sklearn"] == pytest.approx(30)
    assert figures["vs best peer"] == figures["vs daal4py"] == pytest.approx(3)
    assert figures["1→2"] == pytest.approx(1.9)
    assert figures["of limit"] == pytest.approx(0.476, rel=0.02)


def test_smoke_cells_are_tiny_and_of_each_type(tmp_path):
    chosen = list(cells(settings(tmp_path)))
    assert {p.covariance_type for p in chosen} == {"full", "tied", "diag", "spherical"}
    assert max(p.n_rows for p in chosen) <= 2000


def test_unknown_cell_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a part of one of full-1M-2-4"):
        next(cells(settings(tmp_path, only="cubic")))


def test_slope_cancels_what_surrounds_the_loop():
    def worker(n_iter):
        return Reading(1.0 + 0.25 * n_iter, 0.0, 0.0, n_iter)

    seconds, last = slope(worker, 0, 4)
    assert seconds == pytest.approx(0.25)
    assert last.value == 5


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_responsibilities_are_shares(covariance_type):
    asked = Problem(50, 2, 3, covariance_type)
    X, start = generate(asked)
    shares = responsibilities(X, start, covariance_type)
    assert shares.shape == (50, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    nearest = ((X[:, np.newaxis] - start.means) ** 2).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(shares.argmax(axis=1), nearest)  # equal weights, unit covariances


def test_referee_knows_no_singular_covariance():
    mixture = Mixture(np.ones(1), np.zeros((1, 2)), np.zeros((1, 2, 2)))
    assert np.isnan(mean_log_likelihood(np.zeros((3, 2)), mixture, "full"))


@pytest.mark.parametrize(
    ("count", "before", "expected"),
    [(100, 100, "same"), (104, 100, "more"), (96, 100, "fewer: worth an --update"), (5, None, "not stored")],
)
def test_instruction_counts_are_judged(count, before, expected):
    assert instructions.judge(count, before, 0.03) == expected


def test_stored_instruction_counts_are_of_the_problems():
    stored = json.loads(instructions.STORED.read_text())
    assert set(stored["circumstances"]) == {"compiler", "blas", "python"}
    for kernel in instructions.KERNELS:
        assert set(stored["counts"][kernel]) == {problem.name for problem in instructions.PROBLEMS}


def test_callgrind_totals_by_name(tmp_path):
    (tmp_path / "out.1").write_text("desc: Trigger: Client Request: full short\ntotals: 120\n")
    (tmp_path / "out.2").write_text("desc: Trigger: Client Request: full long\nsummary: 920\n")
    (tmp_path / "out.3").write_text("desc: Trigger: Program termination\ntotals: 7\n")
    assert instructions.dumped(tmp_path) == {"full short": 120, "full long": 920}


def test_compiler_leaves_its_name():
    assert instructions.compiler(b"\0GCC: (Debian 12.2.0-14) 12.2.0\0") == "GCC: (Debian 12.2.0-14) 12.2.0"
    assert instructions.compiler(b"nothing") == "unknown"


def test_statistics_of_the_memory_goal():
    assert memory.statistics_mb(Problem(1000, 10, 4, "full")) == pytest.approx(4 * 111 * 8e-6)
    assert memory.statistics_mb(Problem(1000, 10, 4, "tied")) == pytest.approx((4 * 11 + 100) * 8e-6)


def row(name, n_threads=1, dtype="float64", **ms):
    answers = {peer: {"ms_per_iteration": value, "grown_mb": 3.0} for peer, value in ms.items()}
    return {
        "problem": name,
        "dtype": dtype,
        "n_threads": n_threads,
        "peers": answers,
        "limit_ms": 5.0,
        "figures": {"vs sklearn": 30.0, "vs best peer": None, "of limit": 0.5},
        "goals": {"vs sklearn": 28, "of limit": 0.58},
        "verdict": "missed: of limit",
    }


def content(question, rows, table=()):
    told = {"cpu": "a processor", "cpus": 2, "python": "3.11.9", "versions": {"gmm-em": "1", "daal4py": None}}
    notes = ["the machine, float64, threads: 1: 100 GF"]
    return {"question": question, "rows": rows, "table": table, "notes": notes, "conditions": told}


def test_markdown_of_the_grid():
    first = content("grid", [row("full-200k-8-16", sklearn=300.0, gmm=11.0), row("diag-1M-2-4", gmm=9.0)])
    later = content("grid", [row("full-200k-8-16", sklearn=300.0, gmm=10.0)])
    lines = publish.markdown([first, later]).splitlines()
    assert (
        "| float64, 1 thread: rows × features, K, type | sklearn | gmm | limit | vs sklearn | vs best peer | of limit "
        "| goals | verdict |" in lines
    )
    told = "| 200k × 8, 16, full | 300 | 10.0 | 5.00 | **30.0×** | – | **50 %** | 28× 58 % | missed: of limit |"
    assert lines.index(
        "| 1M × 2, 4, diag | – | 9.00 | 5.00 | **30.0×** | – | **50 %** | 28× 58 % | missed: of limit |"
    ) < (lines.index(told))  # the grid's order
    assert "| 200k × 8, 16, full | float64 | 3.00 | 3.00 |" in lines
    assert lines[-2:] == [
        "- a processor, 2 CPUs; Python 3.11.9, gmm-em 1",
        "- the machine, float64, threads: 1: 100 GF",
    ]


def test_markdown_of_another_question_is_what_was_printed():
    text = publish.markdown([content("predict", [], [["ms", "gmm"], ["import", "200"]])])
    assert "`python -m benchmarks predict`\n\n| ms | gmm |\n| :-- | --: |\n| import | 200 |\n" in text


def test_every_peer_has_looks_of_its_own():
    assert set(publish.LOOKS) == set(peers.PEERS)
    assert len(set(publish.LOOKS.values())) == len(peers.PEERS)


def test_report_keeps_what_it_prints(tmp_path, capsys):
    told = report.Report()
    told.header("a", "b")
    told.row(("1", "2"), a=1, b=float("nan"))
    told.note("later")
    told.close()
    assert capsys.readouterr().out == "\n| a | b |\n| :-- | --: |\n| 1 | 2 |\n\n- later\n"
    told.write(tmp_path / "figures.json", "grid", settings(tmp_path, arguments=Namespace(base="main")))
    stored = json.loads((tmp_path / "figures.json").read_text())
    assert stored["table"] == [["a", "b"], ["1", "2"]]
    assert stored["rows"] == [{"a": 1, "b": None}]


@pytest.mark.parametrize(
    ("argv", "question", "everything"),
    [
        ([], "grid", False),
        (["--smoke"], "grid", True),
        (["grid", "--smoke"], "grid", False),
        (["--only", "tied"], "grid", False),
        (["growth", "--repeats", "2"], "growth", False),
    ],
)
def test_command_line(argv, question, everything):
    given = command.parse(argv)
    assert (given.question, given.everything) == (question, everything)


def test_command_line_of_questions_with_arguments():
    given = command.parse(["compare", "main~1", ".", "--only", "diag", "--threads", "1,2"])
    assert (given.base, given.head, given.only, given.threads) == ("main~1", ".", "diag", (1, 2))
    given = command.parse(["report", "a.json", "b.json", "--plot", "grid.png"])
    assert [str(path) for path in given.files] == ["a.json", "b.json"]
    assert command.parse(["instructions", "--update"]).update


def test_compare_prints_the_ratio_of_the_rounds(tmp_path, capsys):
    asked = Problem(100, 2, 2, "diag")
    X, start = generate(asked)
    fits = {
        "base": [(0.010, Reading(0.1, 0, 0, start)), (0.020, Reading(0.1, 0, 0, start))],
        "head": [(0.005, Reading(0.1, 0, 0, start)), (0.015, Reading(0.1, 0, 0, start))],
    }
    told = report.Report()
    compare.show(asked, 1, X, fits, told)
    assert told.rows[0]["ratios"] == [0.5, 0.75]
    assert "| 15.0 | 10.0 | 0.625 | 0.500 … 0.750 | 0e+00 |" in capsys.readouterr().out


def test_a_search_is_judged_cell_by_cell():
    theirs = search.Found(
        {(1, "VVV"): 10.0, (2, "VVV"): 10.0, (3, "VVV"): 10.0, (4, "VVV"): 10.0, (5, "VVV"): 1.0, (6, "VVV"): np.nan}
        | {(1, "VVE"): 1.0, (7, "VVV"): 10.0},
        {(K, "VVV"): K != 5 for K in range(1, 8)} | {(1, "VVE"): True},
    )
    ours = search.Found(
        {(K, "VVV"): bic for K, bic in enumerate([9.0, 9.6, 10.4, 13.0, 20.0, 20.0, 3.0], 1)} | {(1, "VVE"): 30.0},
        {(K, "VVV"): K != 7 for K in range(1, 8)} | {(1, "VVE"): True},
    )
    # Better; the same twice; worse; their spike; they have nothing; VVE; our spike.
    assert search.tally(ours, theirs) == search.Tally(1, 2, 2, 1, 3, 3.0)
    assert (ours.best, theirs.best) == (9.0, 1.0)


def test_a_search_knows_models_by_the_names_of_mclust():
    names = search.our_names()
    assert set(search.CLASSIC) <= set(names) <= set(search.MODELS)
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("model", search.our_names())
def test_the_health_of_a_search_is_of_full_covariances(model):
    from gmm import GaussianMixture

    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)) * [1, 2, 3] + 20 * np.eye(3)[np.arange(60) % 3]
    fit = GaussianMixture(3, covariance_type=search.our_names()[model], random_state=0).fit(X)
    mixture = search.dense(fit, model)
    assert mixture.covariances.shape == (3, 3, 3)
    score = mean_log_likelihood(X, mixture, "full")
    assert score == pytest.approx(fit.score(X), rel=1e-9)
    assert search.healthy(mixture, model, 60)
    assert not search.healthy(mixture, model, 6)


def test_a_search_tells_a_peer_that_is_not_there(tmp_path, capsys):
    found = search.Found({(1, "VVV"): 1.0}, {(1, "VVV"): True})
    told = report.Report()
    assert search.show(("iris", 4, "mclust"), {"gmm": (1.0, found)}, settings(tmp_path), told)
    assert "| iris | 4 | mclust: not there | – |" in capsys.readouterr().out


def test_every_goal_of_a_search_is_a_table():
    assert {name for name, _ in goals.OF_SEARCH} == set(search.LOADERS)
