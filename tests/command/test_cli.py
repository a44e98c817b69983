"""The command line: what it prints, what it writes, how it ends."""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

import gmm
import inside
from command import fails, json_of, labels_in, ok, on_terminal, process, result_in, run, table, text_in, write
from gmm.exchange.mclust import from_json
from inside import OPTIONS_OF_COMMANDS as OPTIONS
from inside import main, write_json, write_table
from tables import DATA, ROOT, assert_contains, cases, refused

FAST = ("--components", "1:3", "--n-init", "1", "--covariance", "full,diag")
ONE = ("--components", 1, "--covariance", "EEE")
NAMES = "sepal length", "sepal width", "petal length", "petal width"
X_IRIS = load_iris().data
pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names")  # numbers are scored on purpose
posix = pytest.mark.skipif(os.name != "posix", reason="signals, terminals, places in /dev and long names, of POSIX")


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    """Iris with its species as text, the file every test may read."""
    data = load_iris()
    species = data.target_names[data.target]
    return write(tmp_path_factory.mktemp("data") / "iris.csv", [*NAMES, "species"], *data.data.T.tolist(), species)


@pytest.fixture(scope="module")
def result(iris, tmp_path_factory):
    """A finished ``gmm fit`` with everything written."""
    out = tmp_path_factory.mktemp("fit") / "new" / "result"
    return out, ok("fit", iris, "--label-column", "species", "--components", 3, "--out", out).stdout


@pytest.fixture(scope="module")
def model(result):
    return result[0] / "model.gmm"


def test_the_main_job_on_the_data_inside():
    done = ok("fit", by=process)
    assert done.stderr == ""
    # The mixture R's mclust chooses too: EEE with 3 components, BIC 2314.3.
    k, covariance, loglik, df, bic, delta, *_ = re.search(r"^★ (.*)", done.stdout, re.M)[1].split()
    assert (k, covariance, df, delta) == ("3", "EEE", "11", "0.00")
    assert [float(loglik), float(bic)] == pytest.approx([-1126.32, 2314.31], abs=0.02)
    assert_contains(done.stdout, "272 rows, 2 columns", "3 components, EEE (tied): converged after", "eruptions", " ± ")


def test_the_readme_shows_what_is_printed():
    """Line by line, "…" for lines left out; numbers may differ in the last digits, as processors do."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = next(text for text in re.findall(r"^```text\n(.*?)^```$", readme, re.M | re.S) if "Old Faithful" in text)
    printed = iter(ok("fit", COLUMNS="80").stdout.splitlines())
    assert len(shown.splitlines()) > 8
    for line in shown.splitlines():
        if line != "…":
            assert any(same_words_and_numbers(line, other) for other in printed), line


def same_words_and_numbers(*lines):
    """Whether two lines have the same words, and numbers that agree but for rounding."""
    number = r"-?\d+(?:\.\d+)?"
    words, others = (re.sub(number, "0", line).split() for line in lines)
    numbers, theirs = ([float(found) for found in re.findall(number, line)] for line in lines)
    return words == others and numbers == pytest.approx(theirs, rel=1e-4, abs=0.11)


def test_every_file_of_a_result(result):
    out, shown = result
    assert sorted(path.name for path in out.iterdir()) == ["criteria.csv", "labels.csv", "model.gmm", "result.json"]
    assert f"written to {out}" in shown.replace("\n", "")
    document, labels, cells = result_in(out), labels_in(out), table(text_in(out / "criteria.csv"))
    loaded, best, agreement = gmm.load(out / "model.gmm"), document["best"], document["agreement"]
    assert [int(k) for k in labels["component"]] == loaded.predict(X_IRIS).tolist()
    assert [int(row) for row in labels["row"]] == list(range(1, 151))
    assert cells["covariance_type"] == list(inside.PARSIMONIOUS)
    assert document["data"]["columns"] == best["columns"] == list(loaded.feature_names_in_) == list(NAMES)
    np.testing.assert_array_equal(best["means"], loaded.means_)
    assert best["bic"] == min(cell["bic"] for cell in document["cells"]) == float(min(cells["bic"], key=float))
    first = [document["solutions"][0][name] for name in ("criterion", "covariance_type", "share_moved")]
    assert first == [best["bic"], best["covariance_type"], 0]
    assert agreement["labels"] == ["setosa", "versicolor", "virginica"]
    assert np.sum(agreement["counts"], axis=1).tolist() == [50, 50, 50]
    expected = adjusted_rand_score(load_iris().target, labels["component"])
    assert agreement["adjusted_rand_index"] == pytest.approx(expected)
    assert f"adjusted Rand index {expected:.4f}" in shown
    for text in (shown, ok("fit", "--components", "2:3", "--covariance", "EEE,VVV").stdout):
        assert [line for line in text.splitlines() if line != line.rstrip()] == []


def cells(*words):
    """The cells of a fit by their names."""
    return json_of("fit", *words)["cells"]


def test_a_run_is_reproducible_and_seeded(iris):
    documents = [json_of("fit", iris, "--exclude", "species", *FAST, "--seed", seed) for seed in (0, 0, 3)]
    assert documents[0] == documents[1]
    assert documents[2]["seed"] == 3
    fit = ("fit", iris, "--covariance", "EEE", "--components")  # as people write ranges and criteria
    assert ok(*fit, "1-2", "--criterion", "BIC").stdout == ok(*fit, "1:2").stdout


def test_covariance_names_models_and_factors_their_number(iris, tmp_path):
    np.save(tmp_path / "one.npy", X_IRIS[:, :1])
    for words, expected in {
        ("--components", "1:2", "--covariance", "EEE,diag"): ["EEE", "diag"] * 2,
        ("--components", "1:2", "--covariance", "VII", "--covariance", "all"): [*inside.PARSIMONIOUS] * 2,
        ("--components", 2, "--covariance", "factor,diag", "--n-factors", "1:2"): ["factor1", "factor2", "diag"],
    }.items():
        assert [cell["covariance_type"] for cell in cells(iris, "--exclude", "species", *words)] == expected
    by_name = cells(iris, "--exclude", "species", "--components", 2, "--covariance", "factor1,factor2,diag")
    assert by_name == cells(iris, "--exclude", "species", *words)
    assert [cell["covariance_type"] for cell in cells(tmp_path / "one.npy", "--components", "1:3")] == ["E", "V"] * 3


def test_many_columns_say_that_few_rows_shrink_and_write_no_whole_covariances(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "rows.npy", rng.normal(size=(60, 2)) @ rng.normal(size=(2, 64)) + rng.normal(size=(60, 64)))
    words = ("fit", tmp_path / "rows.npy", "--covariance", "factor2", "--components", 1)
    best = json_of(*words)["best"]
    assert best["covariances"] is None
    assert np.shape(best["loadings"]) == (1, 64, 2)
    assert "noise and means shrunk" in ok(*words).stdout


def test_time_that_is_up_is_told(iris):
    words = ("fit", iris, "--exclude", "species", "--time-limit", "1e-9")
    shown, document = ok(*words).stdout, json_of(*words)
    assert re.search(r"incomplete \(ended early\): \d+ of 126 cells tried", shown)
    assert "– not tried" in shown
    assert document["complete"] is False
    left = [cell for cell in document["cells"] if cell["status"] == "not tried"]
    assert len(document["cells"]) == 9 * 14 > len(left) > 0
    assert all(cell[name] is None for cell in left for name in ("bic", "loglik", "n_parameters"))


def test_a_prior_is_believed():
    few = ("fit", "--components", "3", "--covariance", "VVV")
    document = json_of(*few, "--prior", "conjugate")
    assert (document["prior"], document["best"]["loglik"] < json_of(*few)["best"]["loglik"] - 1) == ("conjugate", True)
    assert "3 components, VVV (full), conjugate prior: converged" in ok(*few, "--prior", "conjugate").stdout


def test_tails_are_searched_shown_and_kept(tmp_path):
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.standard_t(3, (200, 2)), 7 + rng.standard_t(3, (150, 2))])
    words = ("fit", write(tmp_path / "t.csv", "ab", *rows.T), "--components", "1:2", "--covariance", "EEE")
    both, best = ok(*words, "--tails", "normal,t", "--out", tmp_path).stdout, result_in(tmp_path)["best"]
    assert_contains(both, "2 components, EEE (tied) t: converged", "degrees of freedom")
    assert best["tails"] == "t"
    assert 1 < best["degrees_of_freedom"] < 10
    assert table(text_in(tmp_path / "criteria.csv"))["tails"] == ["normal", "t"] * 2
    assert f"{best['degrees_of_freedom']:.4g} degrees of freedom" in ok("info", tmp_path / "model.gmm").stdout
    given = json_of(*words, "--tails", "t", "--degrees-of-freedom", "4")
    assert given["best"]["degrees_of_freedom"] == 4
    assert [cell["tails"] for cell in given["cells"]] == ["t", "t"]
    assert json_of(*words)["best"]["tails"] == "normal"


def test_a_limit_on_eigenvalues_is_for_three_models():
    words = ("fit", "--components", "2", "--max-ratio", "50")
    document = json_of(*words)
    assert document["max_ratio"] == 50
    assert {cell["covariance_type"] for cell in document["cells"]} == {"full", "diag", "spherical"}
    values = np.linalg.eigvalsh(document["best"]["covariances"])
    assert values.max() == pytest.approx(50 * values.min())
    assert "eigenvalue ratio at most 50: converged" in ok(*words).stdout


def test_unused_columns_are_noted(tmp_path):
    i = np.arange(9)
    days, late = [f"2020-01-{j + 1:02}" for j in i], [8 if j == 8 else "x" for j in i]
    columns = i, (i % 3 + i / 7).round(3), days, ["true"] * 9, [""] * 9, late, [5] * 9
    done = ok("fit", write(tmp_path / "mixed.csv", ["", "a", "when", "flag", "none", "late", "same"], *columns), *ONE)
    assert "9 rows, 1 column" in done.stdout
    kinds = ("'' (no name, as for row numbers", "'when' (type date", "'flag' (type bool", "'none' (no values)")
    assert_contains(done.stderr, *kinds, "'late' (text 'x' in row 1)", "'same' (5), which is constant")


def test_columns_that_number_the_rows_are_left_out(tmp_path):
    rng, x, number = np.random.default_rng(1), np.random.default_rng(0).normal(size=30).round(3), range(1, 31)

    def fitted(*words, **columns):
        path = write(tmp_path / "rows.csv", [*columns], *columns.values())
        data = json_of("fit", path, *ONE, "--quiet", *words)["data"]
        return data["columns"], data["notes"]

    what = "dropped: 'id', which numbers the rows, like an identifier; use --columns to name the columns to fit"
    told = f"{what}, and --keep to write it with the labels"
    assert fitted(id=number, x=x) == (["x"], [told])
    ids = {"id": np.arange(30) ** 2, "old id": rng.permutation(30), "new id": np.arange(30.0)}
    others = {"x": x, "half ID": rng.permutation(1000)[:30] / 8, "nr": np.arange(30) // 2, "t": x.cumsum()}
    of_ids = "ID", "Customer ID", "PassengerId", "customerID", "id_row", "index", "row.key"
    of_others = "income", "grid", "number", "body_mass_index"
    columns, (note,) = fitted(**ids, **others, **{name: rng.permutation(1000)[:30] for name in (*of_ids, *of_others)})
    assert columns == [*others, *of_others]
    assert "dropped: 'id', 'old id', 'new id', 'ID' and 6 more, which number the rows" in note
    for words in (("--columns", "id,x"), ("--exclude", "id")):
        assert fitted(*words, id=number, x=x)[1] == []
    assert fitted(speed=np.arange(30) ** 2) == (["speed"], [])
    gaps, numbers = ["" if i % 5 == 2 else value for i, value in enumerate(x)], ["", *range(2, 31)]
    missing = fitted("--missing", "em", id=numbers, x=gaps, y=x**2)[1]
    assert missing == [told, "missing values in 6 of 30 rows, 10\N{NO-BREAK SPACE}% of all values"]
    nothing = fitted("--missing", "em", id=numbers, x=gaps)[1]
    assert nothing[-1] == "6 rows without a value left out (3, 8, 13, 18 and 2 more)"


def test_rows_for_which_conditions_hold_are_fitted(tmp_path):
    spend, shop = [0, 3, 0, 5.5, "", 4, 8, 2], ["a", "b", "b", "b", "b", "b", " b ", "NA"]
    path = write(tmp_path / "rows.csv", ["total spend", "shop", "y"], spend, shop, [1, 2, 4, 8, 16, 32, 64, 128])

    def fitted(*words):
        conditions = [word for text in words for word in ("--where", text)]
        done = ok("fit", path, *ONE, "--columns", "y", *conditions, "--out", tmp_path)
        return list(map(int, labels_in(tmp_path)["row"])), done.stderr

    assert fitted("total spend > 0", "shop = b") == (
        [2, 4, 6, 7],
        "note: left out: 3 of 8 rows, for which not total spend > 0\n"
        "note: left out: 1 of 5 rows, for which not shop = b\n",
    )
    for condition, rows in (
        ("total spend>=4", [4, 6, 7]),
        ("total spend != 0", [2, 4, 6, 7, 8]),
        ("total spend == 0.0", [1, 3]),
        ("total spend <3", [1, 3, 8]),
        ("shop != a", [2, 3, 4, 5, 6, 7]),
    ):
        assert fitted(condition)[0] == rows
    for condition, code, told in (
        ("spend > 0", 1, "no column 'spend'; the table has 'total spend', 'shop', 'y'"),
        ("shop > 1", 1, "expected numbers in column 'shop', got text 'a' in row 1"),
        ("total spend > many", 2, "--where 'total spend > many': could not convert string to float: 'many'"),
        ("shop = c", 1, "--where 'shop = c': no row is left"),
        ("shop", 2, "expected a condition such as 'spend > 0', with one of <=, >=, !=, ==, =, <, >, got 'shop'"),
    ):
        fails(code, "fit", path, "--where", condition, tells=[told])
    fails(2, "fit", path, *ONE, "--blocks", "--where", "y > 2", tells=["--blocks cannot be combined with --where"])


def test_missing_values_are_an_error_that_says_where_or_dropped(tmp_path):
    path, weighed = tmp_path / "missing.csv", tmp_path / "weighed.csv"
    path.write_text("a,b,label\n1,2,p\n,3,q\n4,NA,\n5,7,p\n6,1,q\n?,,p\n2,5,q\n")
    parts = "3 of 7 rows (a: 2, b: 2)", "row 2 (a), row 3 (b), row 6 (a, b)", "Use --drop-missing", "; rows are counted"
    fails(1, "fit", path, tells=parts)
    left = ("--drop-missing", "--label-column", "label", "--components", 1, "--covariance", "diag", "--out", tmp_path)
    done = ok("fit", path, *left, "--json")
    assert "3 of 7 rows left out" in done.stderr
    assert labels_in(tmp_path)["row"] == ["1", "4", "5", "7"]
    assert json.loads(done.stdout)["agreement"]["counts"] == [[2], [2]]
    weighed.write_text("a,b,w\n1,2,1\n3,,1\n4,5,\n")
    how = ("fit", weighed, "--weight-column", "w")
    assert "(b: 1, w: 1)" in fails(1, *how)
    unweighed = tmp_path / "unweighed.csv"
    unweighed.write_text("a,b,w\n1,2,1\n3,4,\n5,6,1\n")
    assert fails(1, "fit", unweighed, "--weight-column", "w").endswith("to leave these rows out")
    told = fails(1, *how, "--missing", "em")
    assert "weights in column 'w', got nan in row 3: leave such rows out, or weigh them 0" in told


def test_a_saved_model_says_how_it_would_take_gaps(model, tmp_path):
    path = tmp_path / "gaps.csv"
    path.write_text("sepal length,sepal width,petal length,petal width\n5,3,,1\n5,3,1,\n")
    told = "Use --drop-missing to leave these rows out, or use a model of gmm fit --missing em, which accepts them"
    for command, *words in (("predict",), ("predict", "--known", "petal length,sepal length"), ("plot",)):
        assert told in fails(1, command, model, path, *words)
    gaps = tmp_path / "gaps"
    gmm.load(model).set_params(missing="em").save(gaps)
    found = table(ok("predict", gaps, path, "--known", "petal length,sepal length").stdout)
    whole = gmm.load(model)
    first = whole.marginal([0, 1, 3]).predict_from([[5.0]], [0]).means
    second = whole.predict_from([[5.0, 1.0]], [0, 2]).means
    np.testing.assert_allclose(np.array(found["petal width"], float), [first[0, 1], second[0, 1]])


def test_missing_values_may_be_integrated_out(tmp_path):
    out, rng = tmp_path / "out", np.random.default_rng(0)
    X = (rng.normal(size=(60, 2)) + 8 * (np.arange(60) % 2)[:, None]).round(3).astype(str)
    X[rng.uniform(size=(60, 2)) < 0.2], X[5] = "", ""
    path = write(tmp_path / "gaps.csv", "ab", *X.T)
    how = ("--components", 2, "--covariance", "full", "--missing", "em")
    done = ok("fit", path, *how, "--out", out, "--plot", tmp_path / "p.png", "--report", tmp_path / "r.html")
    n_empty = int((X == "").all(axis=1).sum())
    assert re.search(rf"{n_empty} rows? without a value", done.stderr)
    assert f"{60 - n_empty} rows, 2 columns" in done.stdout
    assert gmm.load(out / "model.gmm").missing == "em"
    predicted = ok("predict", out / "model.gmm", path)
    assert "feature names" not in predicted.stderr  # rows without a value leave them to the others
    labels = text_in(out / "labels.csv").splitlines()
    assert predicted.stdout == "".join(line.rsplit(",", 2)[0] + "\n" for line in labels)
    ok("plot", out / "model.gmm", path, "--out", tmp_path / "q.png")
    ok("fit", path, *how, "--blocks", "--out", tmp_path / "blocks")
    found = (labels_in(place)["component"] for place in (out, tmp_path / "blocks"))
    assert len({*zip(*found, strict=True)}) == 2  # in another order
    assert ok("predict", out / "model.gmm", path, "--blocks").stdout == predicted.stdout
    for blocks in ((), ("--blocks",)):
        assert json_of("fit", path, "--bayesian", "--missing", "em", *blocks)["best"]["columns"] == ["a", "b"]


def test_files_are_written_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    writers = {"a.csv": (write_table, [{"a": [1]}]), "a.json": (write_json, {"a": 1}), "a": (inside.write_text, "new")}
    for name, (write_it, content) in writers.items():
        (tmp_path / name).write_text("old")
        refused("No space", write_it, tmp_path / name, content, error=OSError)
    assert {path.name: text_in(path) for path in tmp_path.iterdir()} == dict.fromkeys(writers, "old")


def test_quiet_is_silent_and_labels_may_be_parquet(iris, tmp_path):
    done = ok("fit", iris, *ONE, "--out", tmp_path, "--format", "parquet", "--quiet")
    assert done.stdout == done.stderr == ""
    found = pa.parquet.read_table(tmp_path / "labels.parquet")
    assert (found.num_rows, found.column_names) == (150, ["row", "component", "p_0"])


def test_probabilities_have_six_decimals_in_text_unless_asked(model, iris, tmp_path):
    expected, whole = gmm.load(model).predict_proba(X_IRIS), ("--all-digits",)
    for suffix, how in (("csv", ()), ("tsv", ()), ("csv", whole), ("parquet", ())):
        path, text = tmp_path / f"p.{suffix}", suffix != "parquet"
        ok("predict", model, iris, "--proba", "--quiet", *how, "--out", path)
        columns = table(text_in(path).replace("\t", ",")) if text else pa.parquet.read_table(path).to_pydict()
        found = np.column_stack([np.float64(columns[f"p_{k}"]) for k in range(3)])
        np.testing.assert_array_equal(found, expected.round(6) if text and not how else expected)
        assert how or not text or max(map(len, columns["p_0"])) <= 8


def test_predict_by_name(model, iris, tmp_path):
    done, loaded = ok("predict", model, iris, "--proba"), gmm.load(model)
    found, expected = table(done.stdout), loaded.predict(X_IRIS).tolist()
    assert done.stderr == "note: columns not used by the model: 'species'\n"
    assert [int(k) for k in found["component"]] == expected
    assert list(found) == ["row", "component", "p_0", "p_1", "p_2"]
    turned = tmp_path / "turned.tsv"
    turned.write_text("".join("\t".join(line.split(",")[::-1]) + "\n" for line in text_in(iris).splitlines()))
    assert ok("predict", model, turned, "--proba", "--quiet").stdout == done.stdout
    densities = table(ok("predict", model, iris, "--density", "--quiet").stdout)
    assert list(densities) == ["row", "component", "log_density"]
    np.testing.assert_array_equal(np.float64(densities["log_density"]), loaded.score_samples(X_IRIS))


def test_predict_columns_from_known_ones(model, iris):
    done = ok("predict", model, iris, "--known", "petal width,sepal length", "--level", "0.9")
    expected, found = gmm.load(model).predict_from(X_IRIS[:, [3, 0]].tolist(), [3, 0], level=0.9), table(done.stdout)
    assert done.stderr == "note: columns not used by the model: 'species'\n"  # those that are predicted are of use
    ends = "", "_sd", "_low", "_high"
    assert list(found) == ["row", *(f"{name}{end}" for name in ("sepal width", "petal length") for end in ends)]
    np.testing.assert_allclose(np.float64(found["petal length"]), expected.means[:, 1])
    np.testing.assert_allclose(np.float64(found["sepal width_high"]), expected.intervals[:, 0, 1])
    for code, words, told in (
        (1, ("--known", "petal length,species"), "expected one of the columns 'sepal length', 'sepal width'"),
        (1, ("--known", "petal lenght"), "--known: expected one of the columns"),
        (1, ("--known", "petal lenght"), "got 'petal lenght'; did you mean 'petal length'?"),
        (1, ("--known", ",".join(NAMES)), "got all 4 columns"),
        (2, ("--level", "0.9"), "--level needs --known"),
        (2, ("--density", "--known", "species"), "--density cannot be combined with --known"),
    ):
        assert told in fails(code, "predict", model, iris, *words)


def test_predict_columns_of_models_without_names(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2)) @ [[1, 1], [0, 1]]
    gmm.BayesianGaussianMixture(n_components=1).fit(X).save(tmp_path / "m")
    found = table(ok("predict", tmp_path / "m", write(tmp_path / "d.csv", "p", [1, 2]), "--known", "x1").stdout)
    assert list(found) == ["row", "x0", "x0_sd"]
    expected = gmm.load(tmp_path / "m").plug_in().predict_from([[1.0], [2.0]], [1])
    np.testing.assert_allclose(np.float64(found["x0"]), expected.means[:, 0])
    np.save(tmp_path / "rows.npy", X[:25, :1])
    gmm.GaussianMixture(2, random_state=0).fit(rng.normal(size=(11, 2))).save(tmp_path / "few.gmm")
    words = "predict", tmp_path / "few.gmm", tmp_path / "rows.npy", "--known", "x0", "--out", tmp_path / "out.csv"
    assert "note" not in ok(*words).stderr
    assert "note: 6 parameters for 11 rows: intervals of" in ok(*words, "--level", "0.9").stderr


def test_errors_and_long_tails_are_told(tmp_path):
    rng = np.random.default_rng(0)
    heat = np.concatenate([rng.normal(60, 1.5, 200), rng.normal(75, 2, 200), np.linspace(-999, 400, 8)])
    path = write(tmp_path / "d.csv", ["heat", "spend"], heat.round(3), rng.lognormal(2, 1, 408).round(3))
    done = ok("fit", path, "--components", "3", "--covariance", "diag")
    assert re.search(r"component \d, of weight 0.0.*'heat'.*try --noise", done.stdout)
    assert "note: column 'spend' is positive with a long tail" in done.stderr


def test_notes_of_a_search_are_told_once(tmp_path):
    """Those on codes and copies are the command's own; others are the search's, also in JSON."""
    rng = np.random.default_rng(0)
    x, y, tie, code = rng.normal(size=100), rng.lognormal(2, 1, 100), rng.integers(1, 9, 100), rng.integers(1, 4, 100)
    path = write(tmp_path / "d.csv", ["size", "step", "site", "spend"], x.round(3), tie / 10, code, y.round(3))
    done = ok("fit", path, *ONE, "--json")
    ties = "column 'step' (8 distinct values): components may collapse on single values"
    assert f"note: {ties}" in done.stderr
    assert any(note.startswith(ties) for note in json.loads(done.stdout)["data"]["notes"])
    assert [done.stderr.count(name) for name in ("'step'", "'site'", "'spend'")] == [1, 1, 1]


def test_components_that_may_be_one_cluster_are_reported(tmp_path):
    rows = json.loads(text_in(DATA / "mclust_combi.json"))["ex4.1"]["X"]
    how = ("fit", write(tmp_path / "d.csv", "ab", *zip(*rows, strict=True)), "--covariance", "EEV", "--seed", "0")
    done = ok(*how, "--components", "6", "--out", tmp_path / "r", "--report")
    clusters = result_in(tmp_path / "r")["best"]["clusters"]
    expected = gmm.analysis.combine_components(gmm.load(tmp_path / "r" / "model.gmm"), rows).clusters()
    assert clusters == expected.tolist()
    assert max(clusters) == 3
    first, second = (" + ".join(map(str, np.flatnonzero(expected == c))) for c in range(4) if (expected == c).sum() > 1)
    words = f"may be one cluster: {first}, {second}. That makes 4 clusters of 6"
    assert f"{words} components" in " ".join(done.stdout.split())
    assert_contains(text_in(tmp_path / "r" / "report.html"), f"{words} groups", 'class="picture combined"')
    assert "one cluster" not in ok(*how, "--components", "3", "--out", tmp_path / "s").stdout
    assert result_in(tmp_path / "s")["best"]["clusters"] is None


def test_fit_with_noise(tmp_path):
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(0, 0.3, (60, 2)), rng.normal(5, 0.3, (60, 2)), rng.uniform(-10, 10, (40, 2))])
    path = write(tmp_path / "d.csv", ["a", "b", "kind"], *rows.T, ["left"] * 60 + ["right"] * 60 + ["noise"] * 40)
    how = ("--components", "2", "--covariance", "VII,VVV", "--label-column", "kind", "--noise")
    done = ok("fit", path, *how, "--out", tmp_path / "r", "--report")
    model, result = gmm.load(tmp_path / "r" / "model.gmm"), result_in(tmp_path / "r")
    assert model.noise_weight_ == pytest.approx(0.25, abs=0.03)
    n_noise = labels_in(tmp_path / "r")["component"].count("-1")
    told = f"noise of weight {model.noise_weight_:.4f}"
    assert_contains(done.stdout, f"{told} with {n_noise} rows", "kind     0    1   noise")
    assert (result["noise"], result["best"]["noise_weight"]) == (True, model.noise_weight_)
    assert sum(result["best"]["rows_per_component"]) + n_noise == len(rows)
    page = text_in(tmp_path / "r" / "report.html")
    assert_contains(page, f"{n_noise} rows", "to noise that is spread", "outside the noise")
    assert told in ok("info", tmp_path / "r" / "model.gmm").stdout
    posterior = ok("fit", path, "--noise", "--bayesian", "--out", tmp_path / "b", "--report")
    model = gmm.load(tmp_path / "b" / "model.gmm")
    assert f"noise of weight {model.noise_weight_:.4f} with {(model.predict(rows) < 0).sum()} rows" in posterior.stdout


def test_predict_names_columns_that_it_misses(model, tmp_path):
    gmm.GaussianMixture(1).fit(np.random.default_rng(0).normal(size=(25, 2))).save(tmp_path / "m")
    three = write(tmp_path / "three.csv", "pqr", [1], [2], [3])
    assert "expects 2 numeric columns" in fails(1, "predict", tmp_path / "m", three)
    some = write(tmp_path / "some.csv", ["sepal length", "petal length"], [1], [2])
    assert "'sepal width', 'petal width'" in fails(1, "predict", model, some)


def test_sample_is_seeded_and_can_be_fitted_again(model, tmp_path):
    first, again, other = (ok("sample", model, "-n", 40, "--seed", s).stdout for s in (0, 0, 1))
    assert first == again != other
    assert list(table(first)) == ["sepal length", "sepal width", "petal length", "petal width"]
    ok("sample", model, "--rows", 40, "--component", "--out", tmp_path / "s.feather")
    found = pa.feather.read_table(tmp_path / "s.feather")
    assert found.column_names[-1] == "component"
    np.testing.assert_allclose(np.float64(table(first)["sepal width"]), found["sepal width"])
    fails(1, "sample", model, "-n", 10**15, tells=["not enough memory", "draw fewer rows at a time"])


def test_what_is_added_to_columns_replaces_none(tmp_path):
    rows = np.random.default_rng(0).normal(size=(60, 4))
    columns = pa.table(dict(zip(["component", "row", "b", "b_sd"], rows.T, strict=True)))
    gmm.GaussianMixture(1, random_state=0).fit(columns).save(tmp_path / "m")
    pa.csv.write_csv(columns, tmp_path / "d.csv")
    drawn = table(ok("sample", tmp_path / "m", "-n", 4, "--component").stdout)
    assert (list(drawn), set(drawn["component_"])) == (["component", "row", "b", "b_sd", "component_"], {"0"})
    done = ok("predict", tmp_path / "m", tmp_path / "d.csv", "--known", "component", "--level", "0.5")
    names = [name + end for name in ("row", "b", "b_sd") for end in ("", "_sd", "_low", "_high")]
    names[names.index("b_sd")] = "b_sd_"
    assert (list(table(done.stdout)), done.stderr) == (["row_", *names], "")


def test_what_is_no_model_is_refused(model, iris, tmp_path):
    out = model.parent
    assert f"{out} is a folder: expected a saved model, {model}" in fails(1, "info", out)
    for command in (("predict", iris, iris), ("info", iris), ("sample", iris, "-n", "2")):
        assert "is not a saved model" in fails(1, *command)
    for command in ("predict", "plot"):
        fails(2, command, iris, model, tells=["iris.csv is no saved model", "expected the model first"])
    assert "No such file" in fails(1, "info", tmp_path / "absent.gmm")


@posix
def test_outputs_go_to_pipes_and_devices(model, tmp_path):
    gmm_ = f"{sys.executable} -m gmm"

    def bash(line):
        done = subprocess.run(["bash", "-c", line], capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    names, *drawn = ok("sample", model, "-n", 3).stdout.splitlines()
    again = bash(f"{gmm_} sample {model} -n 3 --out >(cat)").decode().splitlines()
    assert again[0] == names  # oldest kernels of BLAS have other last digits in each process
    np.testing.assert_allclose(*(np.loadtxt(rows, delimiter=",") for rows in (again[1:], drawn)), rtol=1e-12)
    assert json.loads(bash(f"{gmm_} export {model} --out /dev/stdout | cat"))["modelName"]
    script = f"import gmm; gmm.load({str(model)!r}).save('/dev/stdout')"
    (tmp_path / "m").write_bytes(bash(f'{sys.executable} -c "{script}" | cat'))
    assert gmm.load(tmp_path / "m").means_.tolist() == gmm.load(model).means_.tolist()
    ok("sample", model, "-n", 3, "--out", "/dev/null")
    ok("sample", model, "-n", 3, "--out", long := tmp_path / ("n" * 251 + ".csv"))  # as long as a name can be
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", long.name]


def test_info_shows_what_the_model_holds(model, tmp_path):
    shown, document = ok("info", model).stdout, json_of("info", model)
    assert_contains(shown, "3 components", "converged after", "petal width")
    np.testing.assert_array_equal(document["means"], gmm.load(model).means_)
    assert document["format_version"] == 1
    gmm.GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]]).save(tmp_path / "given")
    assert "given, not fitted" in ok("info", tmp_path / "given").stdout
    assert json_of("info", tmp_path / "given")["converged"] is None
    ok("fit", "--bayesian", "--max-components", 6, "--out", tmp_path)
    headline, *lines = ok("info", tmp_path / "model.gmm").stdout.splitlines()
    assert headline.startswith("2 components of 6")  # the others are empty
    assert [line.split()[0] for line in lines if "±" in line] == ["0", "1"]


@pytest.mark.parametrize("how", [("--covariance", "VVV", "--components", "2"), ("--bayesian", "--max-components", "2")])
def test_warnings_name_options(how):
    told = fails(1, "fit", *how, "--seed", "3", "--max-iter", "2")
    assert "--max-iter" in told
    assert not any(parameter in told for parameter in ("max_iter", "n_components", "random_state"))


def test_info_tells_correlations_and_of_many_columns_those_that_a_screen_has_room_for(tmp_path):
    rows = np.random.default_rng(0).normal(size=(300, 4)) @ [[1, 2, 0.5], [0.3, 0, 0], [0, 0.3, 0], [0, 0, 0.3]]
    mixture = gmm.GaussianMixture(covariance_type="factor1", prior="conjugate", random_state=0).fit(rows)
    mixture.save(tmp_path / "factors.gmm")  # which are stored as such
    covariance = mixture.covariances_[0]
    expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    told = ok("info", tmp_path / "factors.gmm", COLUMNS="80").stdout
    assert f"strongest correlation of component 0: {expected:+.2f} x0, x1" in told
    wide = gmm.GaussianMixture.from_parameters([0.5, 0.5], np.eye(2, 30), np.ones((2, 30)), covariance_type="diag")
    wide.save(tmp_path / "m.gmm")
    *_, last, more = ok("info", tmp_path / "m.gmm", COLUMNS="60").stdout.splitlines()
    assert last.split()[0] == "x23"  # and no line is empty
    assert more == "… and 6 more columns (--json prints all)"


def test_a_model_is_exported_by_the_suffix(model, tmp_path, monkeypatch):
    assert ok("export", model, "--out", tmp_path / "m.json").stdout == f"written to {tmp_path / 'm.json'}\n"
    np.testing.assert_array_equal(from_json(tmp_path / "m.json").means_, gmm.load(model).means_)
    rows = pa.table(dict(zip("ab", np.random.default_rng(0).normal(size=(2, 30)), strict=True)))
    posterior = gmm.BayesianGaussianMixture(n_components=2, random_state=0).fit(rows)
    posterior.save(tmp_path / "posterior.gmm")
    ok("export", tmp_path / "posterior.gmm", "--out", tmp_path / "p.json")
    written = from_json(tmp_path / "p.json")
    assert written.feature_names_in_.tolist() == ["a", "b"]
    np.testing.assert_array_equal(written.covariances_, posterior.plug_in().covariances_)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "onnx", None)
        told = "gmm export: error: onnx is not installed: python -m pip install onnx"
        assert fails(1, "export", model, "--out", tmp_path / "m.onnx") == told
    onnx = pytest.importorskip("onnx")
    for name in (model, tmp_path / "posterior.gmm"):
        assert ok("export", name, "--out", tmp_path / "m.onnx", "--quiet").stdout == ""
        onnx.checker.check_model(onnx.load(tmp_path / "m.onnx"))


def test_version_help_and_tracebacks_need_nothing():
    assert ok("--version").stdout == f"gmm {gmm.__version__}\n"
    for words in ((), ("fit",), ("predict",), ("sample",), ("info",), ("export",), ("plot",)):
        assert "usage: gmm" in ok(*words, "--help").stdout
    assert ok().stdout == ok("--help").stdout
    shown = re.findall("^  (?:-h, )?--(\\S+)", ok("fit", "--help").stdout, re.MULTILINE)
    assert shown[:6] == ["help", "columns", "components", "covariance", "out", "report"]
    done = run("fit", "absent.csv", "--debug")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.splitlines()[-1].startswith("gmm fit: error:")


SEARCHES = "", "--components 2", "--covariance full", "--components 1,2 --covariance full", "--tails normal,t"
BLOCKS = "expected one mixture to fit, such as --components 3 --covariance full, got a search, which would read"


@cases(
    ("--quiet", "COMMAND"),
    ("train", "invalid choice: 'train'"),
    ("select a.csv", "gmm: error: no command 'select'; use gmm fit, which also selects the model (see gmm --help)"),
    ("fit --components 0", "positive integers"),
    ("fit --components 3:1", "--components: range 3:1 is empty; write 1:3 ("),
    ("fit --columns a,b,a", "--columns: expected each name once, got 'a' again"),
    ("fit --covariance full,round", "--covariance full,round: expected a covariance type among 'full', 'tied'"),
    ("fit --components a", "expected a number (3), a list (2,4,6) or a range (1:9), got 'a'"),
    ("fit --columns a,,b", "names separated by commas"),
    ("fit --covariance factor", "'factor' needs its number of factors: expected it after the name, as in 'factor2"),
    ("fit --covariance full --n-factors 2", "--n-factors goes with 'factor' or 'ppca' in --covariance"),
    ("fit --bayesian --covariance factor2", "expected one of full, tied, diag, spherical with --bayesian"),
    ("fit --plot", "--plot: expected one argument"),
    ("fit --max-ratio 0.5", "--max-ratio: expected a number of at least 1, got '0.5'"),
    ("fit --tails t --degrees-of-freedom 0", "--degrees-of-freedom: expected a number from 1 to 1000000"),
    ("fit --degrees-of-freedom 4", "--degrees-of-freedom needs --tails t"),
    ("fit --tails normal,t --noise", "--tails t cannot be combined with --noise"),
    ("fit --max-ratio 50 --covariance full,EEV", "--max-ratio: expected a --covariance among"),
    *((f"fit a.csv --blocks {words}", BLOCKS) for words in SEARCHES),
    ("fit - --blocks --components 1 --covariance full", "expected a file"),
    ("fit --time-limit soon", "--time-limit: expected a positive number, got 'soon'"),
    ("fit --tol nan", "non-negative number"),
    ("fit a.csv --delimiter ab", "expected one character, tab or space"),
    ("fit --seed -1", "--seed"),
    ("fit x.csv --exlude id", "unrecognized arguments: --exlude id; did you mean --exclude? (see gmm fit --help)"),
    ("plot model.gmm --knid=pairs", "did you mean --kind? (see gmm plot --help)"),
    ("fit a.csv b.csv", "unrecognized arguments: b.csv; gmm reads one table at a time (see gmm fit --help)"),
    ("predict model.gmm", "required: FILE"),
    ("predict model.gmm a.csv --out b.doc", "expected a name ending in one of"),
    ("fit --report data.csv", "--report 'data.csv': expected a name ending in .html; if it is the table to fit"),
    ("fit --plot a.gif", "--plot 'a.gif': expected a name ending in one of .png, .svg, .pdf"),
    ("export model.gmm --out m.pmml", "error: --out 'm.pmml': expected a name ending in one of .json, .onnx"),
)
def test_bad_usage_ends_with_2(words, told):
    assert told in fails(2, *shlex.split(words))


@cases(
    ("absent.csv", None, "", "absent.csv: No such file"),
    ("empty.csv", b"", "", "is not a table: there is no line in it"),
    ("ragged.csv", b"a,b\n1,2\n1,2,3\n", "", "is not a table: line 3 has 3 fields, expected 2"),
    ("ragged.csv", b"a,b\n" + 20 * b"1,2\n" + b"1,2,3\n", "", "line 22 has 3 fields, expected 2: correct it"),
    ("titles.csv", b"Run 7\nof May\n\na,b,c\n1,2,3\n", "", "line 4 has 3 fields, expected 1: --skip 2 leaves out"),
    ("header.csv", b"a,b\n", "", "no rows"),
    ("four.csv", b"a\n1\n3\n5\n2\n", "--components 10", "10 components need at least 10 rows; the table has 4"),
    ("left.csv", b"a,b\n1,2\n3,\n", "--drop-missing", "the table has 1 row left; at least 2 are needed"),
    ("twice.csv", b"a,a\n1,2\n", "", "unique, but these occur more than once: 'a': give each its own name"),
    ("title.csv", b"Run 7;;\na;b;c\n1;2;3\n", "", "2 of 3 columns have no name: --skip 1"),
    ("words.csv", b"a,b,c\n1,2,x\nk,3,y\n4,-,z\n", "", "'-' if that means a missing value; rows are counted"),
    ("words.csv", b"a,b,c\n1,2,5\nk,3,6\n4,-,7\n", "", "--exclude 'a,b' leaves them out, and --columns names"),
    ("text.csv", b"a\nx\ny\n", "", "no numeric columns to fit; dropped: 'a'"),
    ("inf.csv", b"a,b\n1,2\n3,inf\n", "", "an infinite value in row 2, column 'b'"),
    ("a.csv", b"a,b\n1,2\n", "--columns a,c", "no column 'c'; the table has 'a', 'b'"),
    ("a.csv", b"width,b\n1,2\n", "--columns widht", "the table has 'width', 'b'; did you mean 'width'?"),
    ("a.csv", b"a,b\n1,\n2,x\n", "--columns b", "numbers in column 'b', got text 'x' in row 2"),
    ("a.csv", b"a,b\n1,2\n", "--columns a --exclude a", "both fitted and left out: 'a'"),
    ("a.csv", b"a,b\n1,2\n", "--exclude a,b", "all are left out by options: 'a', 'b'"),
    ("a.csv", b"a,w\n1,1\n2,-1\n", "--weight-column w", "non-negative weights in column 'w', got -1 in row 2"),
    ("a.csv", b"a,w\n1,1\n2,\n", "--weight-column w", "row 2 (w)"),
    ("a.csv", b"a,b\n,1\n2,\n", "--drop-missing", "no rows are left"),
    ("a.parquet", b"PAR1 no", "", "a.parquet is not a complete Parquet file"),
    ("a.feather", b"no", "", "is not an Arrow file"),
    ("a.npy", b"no", "", "not an array of numbers"),
    ("a.csv.gz", b"no", "", "a.csv.gz"),
    ("a.csv", b"\x89PNG\r\n\x1a\n1,2\n", "", "a.csv is not text but a PNG picture"),
    ("a.csv", b"\xd0\xcf\x11\xe0\n1,2\n", "", "such as .xls: save the table as CSV"),
    ("a.csv", b"PAR1\n1\n", "", "Parquet: end its name in .parquet"),
    ("a.csv", b"PK\x03\x04\x14\x00\x00\x00", "", "save the table as CSV"),
    ("a.xlsx", b"", "", "python -c \"import pandas; pandas.read_excel('a.xlsx').to_parquet('a.parquet')\""),
    ("a.csv", b"a\n1\n2\n", "--out a.csv", "--out a.csv: expected a directory"),
)
def test_bad_data_ends_with_1(name, content, words, told, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    fast = ("--components", "1:3", "--covariance", "full,diag")
    assert told in fails(1, "fit", name, *fast, *shlex.split(words), cwd=tmp_path)


def test_arrays_that_are_no_table_are_refused_and_their_headers_take_no_memory(tmp_path):
    for array in (np.zeros((2, 2, 2)), np.array(["a"]), np.zeros(3, complex)):
        np.save(tmp_path / "a.npy", array)
        assert "numbers of shape (rows, columns)" in fails(1, "fit", tmp_path / "a.npy")
    huge = "{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000,)}"
    for header in (huge, "(((", "-" * 9000, '"""'):
        size = len(header).to_bytes(2, "little")
        (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + size + header.encode() + bytes(48))
        assert "not an array of numbers" in fails(1, "fit", tmp_path / "a.npy")


def test_failed_cells_are_shown_and_none_that_converged_is_a_failure_told_after_the_results(iris, tmp_path):
    path = write(tmp_path / "five.csv", "a", [1, 2, 4, 7, 11])
    done = ok("fit", path, "--components", "1,9", "--covariance", "diag")
    assert "K = 9 skipped: more components than rows (5)" in done.stdout
    words = ("--components", 3, "--covariance", "full", "--max-iter", 1, "--out", tmp_path)
    assert "no fit converged" in fails(1, "fit", iris, *words)
    assert (tmp_path / "result.json").exists()


def test_a_table_of_numbers_is_fitted_without_pandas():
    """Loading it takes a good part of the time of a small fit, and arrow does so where it can."""
    words = ["fit", *FAST, "--quiet"]
    script = f"import sys; from gmm._cli import main; main({words}); sys.exit('pandas' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_output_is_of_any_encoding_and_json_utf_8(iris, tmp_path):
    """Windows' pipes and files are of its code page, before Python 3.15; a notebook's stream has no bytes beneath."""
    path = write(tmp_path / "data.csv", ["Länge", "длина"], [1, 2, 4, 3], [2, 3, 5, 1])

    def bytes_of(encoding, *words):
        command, environment = [sys.executable, "-m", "gmm", "fit", *map(str, words)], {"PYTHONIOENCODING": encoding}
        return subprocess.run(command, capture_output=True, env={**os.environ, **environment}, check=True).stdout

    assert b"best (smallest)" in bytes_of("ascii", iris, *FAST)
    written = bytes_of("cp1252", path, *ONE, "--json")
    assert b"\r" not in written
    with contextlib.redirect_stdout(io.StringIO()) as out:
        main(["fit", str(path), *map(str, ONE), "--json"])
    for text in (written.decode("utf-8"), out.getvalue()):
        assert json.loads(text)["data"]["columns"] == ["Länge", "длина"]


@posix
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stream_is_an_empty_one(closed, iris):
    words = ["fit", *FAST, "-" if closed == "<&-" else str(iris)]
    command = f"exec {shlex.join([sys.executable, '-m', 'gmm', *map(str, words)])} {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    told = "there is no line in it" if closed == "<&-" else "iris.csv: 150 rows" if closed == "2>&-" else ""
    assert told in done.stdout + done.stderr
    assert "Error" not in done.stderr
    assert done.returncode == (closed == "<&-")


INTERRUPTED_SEARCH = """
import os, signal, sys, threading
import gmm._selection
from gmm._cli import main

def begun(*asked, **how):
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    return select(*asked, **how)

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore
select, gmm._selection.select = gmm._selection.select, begun
sys.exit(main())
"""


@posix
class TestOnATerminal:
    def test_progress_is_live(self, iris):
        assert_contains(on_terminal(sys.executable, "-m", "gmm", "fit", iris, *FAST), "fitting", "/6")

    @pytest.mark.parametrize("kind", ["--components 3 --covariance VVV", "--bayesian"])
    def test_passes_over_blocks_are_live(self, kind, tmp_path):
        np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(300_000, 2)))
        script = "import gmm._cli.show as s, sys; s._PATIENCE = 0; from gmm._cli import main; sys.exit(main())"
        words = ["fit", tmp_path / "rows.npy", "--blocks", "--max-iter", "9", "--tol", ".01", *kind.split()]
        shown = on_terminal(sys.executable, "-c", script, *map(str, words))
        assert re.search(r"fitting: pass \d+, \d+.%, [\d,]+ rows/s", shown)
        assert re.search(r"e[-+]\d+ nats", shown)

    def test_reading_and_writing_are_shown_if_they_take_long(self, model, iris, tmp_path):
        script = (
            "import gmm._cli.output as o, gmm._cli.show as s, sys, time; s._PATIENCE = 0.1\n"
            "write = o.write_table\n"
            "o.write_table = lambda *of, **how: (time.sleep(0.8), write(*of, **how))\n"
            "from gmm._cli import main; sys.exit(main())"
        )
        slow = f"(sleep 0.8; cat '{iris}') | {sys.executable} -c '{script}' predict {model} - --out {tmp_path}/p.csv"
        assert_contains(on_terminal("bash", "-c", slow), "reading", "writing")
        assert len(text_in(tmp_path / "p.csv").splitlines()) == 151

    @cases(("", "head -1", []), ("--report", "true", ["report.html"]), ("--json --plot p.svg", "true", ["p.svg"]))
    def test_a_reader_that_goes_away_is_no_error_and_loses_no_file(self, how, reader, left, tmp_path):
        command = f"set -o pipefail; {sys.executable} -m gmm fit {' '.join(FAST)} {how} | {reader}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert re.sub("note: picture written.*\n", "", done.stderr) == ""
        assert (done.returncode, done.stdout.partition(": ")[2]) == (0, "" if left else "272 rows, 2 columns\n")
        assert [path.name for path in tmp_path.iterdir()] == left

    def test_an_interrupt_ends_with_130(self, tmp_path):
        np.save(tmp_path / "big.npy", np.random.default_rng(0).normal(size=(200_000, 4)))
        words = ["fit", "big.npy", "--components", "8", "--tol", "0", "--max-iter", "100000"]
        done = subprocess.run(
            [sys.executable, "-c", INTERRUPTED_SEARCH, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "gmm fit: interrupted\n")


@pytest.mark.parametrize("how", [[], ["--blocks"], ["--class-column", "kind"]])
def test_a_fit_keeps_columns_beside_labels(how, tmp_path):
    x = (np.random.default_rng(0).normal(size=40) + np.repeat([0, 9], 20)).round(3)
    names = [f"n{i}" for i in range(40)]
    path = write(tmp_path / "d.csv", ["name", "x", "kind"], names, x, x > 4)
    fit = ("fit", path, "--components", "1", "--covariance", "EII", *how)
    ok(*fit, "--keep", "name", "--out", tmp_path)
    found = labels_in(tmp_path)
    assert (next(iter(found)), found["name"]) == ("name", names)
    assert found["row"] == [str(i) for i in range(1, 41)]
    assert "no column 'nmae'" in fails(1, *fit, "--keep", "nmae", "--out", tmp_path)
    assert "--keep needs --out" in fails(2, *fit, "--keep", "name")


def test_predictions_do_not_replace_their_table(model, iris):
    before = iris.read_bytes()
    for more in ([], ["--blocks"], ["--keep", "all"]):
        assert "this is the table itself" in fails(2, "predict", model, iris, *more, "--out", iris)
    assert iris.read_bytes() == before


@cases(
    (["--class-column", "species"], gmm.MixtureClassifier()),
    (["--bayesian"], gmm.BayesianGaussianMixture()),
    ids=["classes", "bayesian"],
)
def test_an_option_that_a_fit_would_ignore_is_refused(words, estimator, iris):
    present = {*estimator.get_params(), ""}  # options that are no parameters have no name of one
    absent = [option for option in OPTIONS.values() if option.parameter not in present]
    assert len(absent) > 5
    for option in absent:
        value = option.choices[-1:] or ([] if option.value is True else ["2"])
        assert run("fit", iris, *words, option.flag, *value).returncode == 2, option.flag
