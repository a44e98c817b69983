"""The command line: what it prints, what it writes, how it ends."""

import contextlib
import csv
import io
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from importlib.resources import files
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
from gmm.exchange.mclust import from_json
from inside import format_share, main, write_json, write_table

FAST = ("--components", "1:3", "--n-init", "1", "--covariance", "full,diag")


def run(*words, cwd=None, stdin=None, **environment):
    """Run the command line in this process, its streams being pipes, 100 columns wide."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"COLUMNS": "100", **environment}.items():
            patch.setenv(name, value)
        if cwd is not None:
            patch.chdir(cwd)
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((stdin or "").encode()), encoding="utf-8"))
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        try:
            code = main([*map(str, words)])
        except SystemExit as leaving:
            code = leaving.code
    shown = [stream.detach().getvalue().decode() for stream in (out, err) if not stream.flush()]
    return subprocess.CompletedProcess(words, code, *shown)


def process(*words, cwd=None, stdin=None, **environment):
    """Run the command line as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "gmm", *map(str, words)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": "100", "PYTHONUTF8": "1", **environment},
        timeout=120,
        check=False,
    )


def ok(*words, by=run, **options):
    done = by(*words, **options)
    assert done.returncode == 0, done.stderr
    return done


def fails(code, *words, by=run, **options):
    """Run what must fail; return its one line on standard error."""
    done = by(*words, **options)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("gmm")
    return lines[0]


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    """Iris with its species as text, the file every test may read."""
    path = tmp_path_factory.mktemp("data") / "iris.csv"
    data = load_iris()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sepal length", "sepal width", "petal length", "petal width", "species"])
        for row, target in zip(data.data, data.target, strict=True):
            writer.writerow([*row, data.target_names[target]])
    return path


@pytest.fixture(scope="module")
def result(iris, tmp_path_factory):
    """A finished ``gmm fit`` with everything written."""
    out = tmp_path_factory.mktemp("fit") / "new" / "result"
    done = ok("fit", iris, "--label-column", "species", "--components", 3, "--out", out)
    return out, done.stdout


@pytest.fixture(scope="module")
def model(result):
    return result[0] / "model.gmm"


def table(text):
    rows = list(csv.DictReader(io.StringIO(text)))
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def test_the_main_job_on_the_data_inside():
    done = ok("fit", by=process)
    assert done.stderr == ""
    assert "272 rows, 2 columns" in done.stdout
    # The mixture R's mclust chooses too: EEE with 3 components, BIC 2314.3.
    best = next(line for line in done.stdout.splitlines() if line.startswith("★"))
    k, covariance, loglik, df, bic, delta, *_ = best.split()[1:]
    assert (k, covariance, df, delta) == ("3", "EEE", "11", "0.00")
    assert float(loglik) == pytest.approx(-1126.32, abs=0.02)
    assert float(bic) == pytest.approx(2314.31, abs=0.02)
    assert "3 components, EEE (tied): converged after" in done.stdout
    assert "eruptions" in done.stdout
    assert " ± " in done.stdout


def test_the_readme_shows_what_is_printed():
    """Line by line, "…" for lines left out; numbers may differ in the last digits, as processors do."""
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    shown = next(text for text in re.findall(r"^```text\n(.*?)^```$", readme, re.M | re.S) if "Old Faithful" in text)
    printed = iter(ok("fit", COLUMNS="80").stdout.splitlines())
    assert len(shown.splitlines()) > 8
    for line in shown.splitlines():
        if line != "…":
            assert any(same_words_and_numbers(line, other) for other in printed), line


def same_words_and_numbers(one, other):
    """Whether two lines have the same words, and numbers that agree but for rounding."""
    pairs = list(zip(one.split(), other.split(), strict=False))
    return len(one.split()) == len(other.split()) and all(
        word == printed or near(word, printed) for word, printed in pairs
    )


def near(word, printed):
    """Whether both are numbers, with the same mark before them, and nearly equal."""
    numbers = [re.fullmatch(r"([★^~(+]?)(-?\d[\d.]*)", text) for text in (word, printed)]
    return (
        None not in numbers
        and numbers[0][1] == numbers[1][1]
        and float(numbers[1][2]) == pytest.approx(float(numbers[0][2]), rel=1e-4, abs=0.11)
    )


def test_every_file_of_a_result(result, iris):
    out, shown = result
    names = ["criteria.csv", "labels.csv", "model.gmm", "result.json"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert f"written to {out}" in shown.replace("\n", "")
    document = json.loads((out / "result.json").read_text(encoding="utf-8"))
    loaded = gmm.load(out / "model.gmm")
    labels = table((out / "labels.csv").read_text(encoding="utf-8"))
    X = load_iris().data
    assert [int(k) for k in labels["component"]] == loaded.predict(X[:, :]).tolist()
    proba = np.column_stack([np.float64(labels[f"p_{k}"]) for k in range(3)])
    np.testing.assert_array_equal(proba, loaded.predict_proba(X).round(6))
    assert [int(row) for row in labels["row"]] == list(range(1, 151))
    cells = table((out / "criteria.csv").read_text(encoding="utf-8"))
    assert cells["covariance_type"] == list(inside.PARSIMONIOUS)
    best = document["best"]
    assert best["columns"] == list(loaded.feature_names_in_)
    np.testing.assert_array_equal(best["means"], loaded.means_)
    assert best["bic"] == min(cell["bic"] for cell in document["cells"])
    assert float(min(cells["bic"], key=float)) == best["bic"]


@pytest.fixture(autouse=True)
def _names_are_fitted():
    """Numbers without names are scored on purpose here."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        yield


def test_labels_are_compared_and_not_fitted(result):
    out, shown = result
    document = json.loads((out / "result.json").read_text(encoding="utf-8"))
    agreement = document["agreement"]
    assert agreement["labels"] == ["setosa", "versicolor", "virginica"]
    assert np.sum(agreement["counts"], axis=1).tolist() == [50, 50, 50]
    labels = [int(k) for k in table((out / "labels.csv").read_text(encoding="utf-8"))["component"]]
    expected = adjusted_rand_score(load_iris().target, labels)
    assert agreement["adjusted_rand_index"] == pytest.approx(expected)
    assert "species" not in document["data"]["columns"]
    assert f"adjusted Rand index {expected:.4f}" in shown


def test_a_run_is_reproducible_and_seeded(iris):
    words = ("fit", iris, "--exclude", "species", *FAST, "--json")
    documents = [json.loads(ok(*words, "--seed", seed).stdout) for seed in (0, 0, 3)]
    for document in documents:
        for cell in document["cells"]:
            del cell["seconds"]
    assert documents[0] == documents[1]
    assert documents[2]["seed"] == 3


@pytest.mark.parametrize("criterion", inside.CRITERIA)
def test_the_criterion_chooses(criterion, iris):
    done = ok("fit", iris, "--exclude", "species", *FAST, "--json", "--criterion", criterion)
    document = json.loads(done.stdout)
    best = next(cell for cell in document["cells"] if cell["best"])
    assert best[criterion] == min(cell[criterion] for cell in document["cells"])
    assert document["criterion"] == criterion


def cells(*words):
    """The cells of a fit by their names, without their seconds."""
    found = json.loads(ok("fit", *words, "--json").stdout)["cells"]
    return [{name: value for name, value in cell.items() if name != "seconds"} for cell in found]


def test_covariance_names_models(iris):
    few = (iris, "--exclude", "species", "--components", "1:2")
    assert [cell["covariance_type"] for cell in cells(*few, "--covariance", "EEE,diag")] == ["EEE", "diag"] * 2
    names = cells(*few, "--covariance", "VII", "--covariance", "all")
    assert [cell["covariance_type"] for cell in names] == list(inside.PARSIMONIOUS) * 2


def test_factors_are_searched_by_their_number(iris):
    few = (iris, "--exclude", "species", "--components", 2)
    by_option = cells(*few, "--covariance", "factor,diag", "--n-factors", "1:2")
    by_name = cells(*few, "--covariance", "factor1,factor2,diag")
    assert by_option == by_name
    assert [cell["covariance_type"] for cell in by_name] == ["factor1", "factor2", "diag"]


def test_many_columns_say_that_few_rows_shrink_and_write_no_whole_covariances(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "rows.npy", rng.normal(size=(60, 2)) @ rng.normal(size=(2, 64)) + rng.normal(size=(60, 64)))
    words = ("fit", tmp_path / "rows.npy", "--covariance", "factor2", "--components", 1)
    best = json.loads(ok(*words, "--json").stdout)["best"]
    assert best["covariances"] is None
    assert np.shape(best["loadings"]) == (1, 64, 2)
    assert "noise and means shrunk" in ok(*words).stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--covariance", "factor"), "--covariance factor: expected --n-factors"),
        (("--covariance", "full", "--n-factors", 2), "--n-factors: expected with --covariance factor or ppca"),
        (("--bayesian", "--n-factors", 2), "--bayesian cannot be combined with --n-factors"),
        (("--bayesian", "--covariance", "factor2"), "expected one of full, tied, diag, spherical"),
    ],
)
def test_numbers_of_factors_that_say_nothing_are_refused(words, expected, iris):
    assert expected in fails(2, "fit", iris, "--exclude", "species", *words)


def test_one_column_has_two_models(tmp_path):
    np.save(tmp_path / "one.npy", np.random.default_rng(0).normal(size=60))
    found = cells(tmp_path / "one.npy", "--components", "1:3")
    assert [cell["covariance_type"] for cell in found] == ["E", "V"] * 3


def test_time_that_is_up_is_told(iris):
    words = ("fit", iris, "--exclude", "species", "--time-limit", "1e-9")
    shown = ok(*words).stdout
    assert re.search(r"incomplete \(ended early\): \d+ of 126 models tried", shown)
    assert "– not tried" in shown
    document = json.loads(ok(*words, "--json").stdout)
    assert document["complete"] is False
    left = [cell for cell in document["cells"] if cell["status"] == "not tried"]
    assert len(document["cells"]) == 9 * 14 > len(left) > 0
    assert all(cell[name] is None for cell in left for name in ("bic", "loglik", "n_parameters"))
    assert json.loads(ok("fit", "--components", "2", "--time-limit", "60", "--json").stdout)["complete"] is True


def test_a_prior_is_believed():
    few = ("--components", "3", "--covariance", "VVV")
    document = json.loads(ok("fit", *few, "--prior", "conjugate", "--json").stdout)
    assert document["prior"] == "conjugate"
    assert document["best"]["loglik"] < cells(*few)[0]["loglik"] - 1
    assert "3 components, VVV (full), conjugate prior: converged" in ok("fit", *few, "--prior", "conjugate").stdout


def test_contaminated_components_are_searched_shown_and_kept(tmp_path):
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(0, 1, (200, 2)), rng.normal(0, 6, (12, 2)), 9 + rng.normal(0, 1, (150, 2))])
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",", header="a,b", comments="")
    words = ("fit", tmp_path / "rows.csv", "--components", "2", "--covariance", "EII")
    text = ok(*words, "--tails", "normal,contaminated", "--out", tmp_path / "out").stdout
    assert "2 components, EII contaminated: converged" in text
    best = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))["best"]
    assert best["tails"] == "contaminated"
    assert all(0.5 <= share < 1 for share in best["good_shares"])
    assert all(inflation >= 5 for inflation in best["inflations"])
    assert "% outliers" in ok("info", tmp_path / "out" / "model.gmm").stdout


def test_tails_are_searched_shown_and_kept(tmp_path):
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.standard_t(3, (200, 2)), 7 + rng.standard_t(3, (150, 2))])
    np.savetxt(tmp_path / "t.csv", rows, delimiter=",", header="a,b", comments="")
    words = ("fit", tmp_path / "t.csv", "--components", "1:2", "--covariance", "EEE")
    both = ok(*words, "--tails", "normal,t", "--out", tmp_path / "out").stdout
    assert "2 components, EEE (tied) t: converged" in both
    assert "degrees of freedom" in both
    best = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))["best"]
    assert best["tails"] == "t"
    assert 1 < best["degrees_of_freedom"] < 10
    assert table((tmp_path / "out" / "criteria.csv").read_text(encoding="utf-8"))["tails"] == ["normal", "t"] * 2
    assert f"{best['degrees_of_freedom']:.4g} degrees of freedom" in ok("info", tmp_path / "out" / "model.gmm").stdout
    given = json.loads(ok(*words, "--tails", "t", "--degrees-of-freedom", "4", "--json").stdout)
    assert given["best"]["degrees_of_freedom"] == 4
    assert [cell["tails"] for cell in given["cells"]] == ["t", "t"]
    assert json.loads(ok(*words, "--json").stdout)["best"]["tails"] == "normal"


def test_a_limit_on_eigenvalues_is_for_three_models():
    words = ("fit", "--components", "2", "--max-ratio", "50")
    document = json.loads(ok(*words, "--json").stdout)
    assert document["max_ratio"] == 50
    assert {cell["covariance_type"] for cell in document["cells"]} == {"full", "diag", "spherical"}
    values = np.linalg.eigvalsh(document["best"]["covariances"])
    assert values.max() == pytest.approx(50 * values.min())
    assert "eigenvalue ratio at most 50: converged" in ok(*words).stdout
    assert "--max-ratio: expected a --covariance among" in fails(1, *words, "--covariance", "full,EEV")


def test_columns_are_chosen(iris):
    words = ("fit", iris, "--components", 2, "--covariance", "full", "--json")
    done = ok(*words, "--columns", "petal width, sepal width")
    assert json.loads(done.stdout)["data"]["columns"] == ["petal width", "sepal width"]
    done = ok(*words, "--exclude", "petal width", "--exclude", "sepal width")
    assert json.loads(done.stdout)["data"]["columns"] == ["sepal length", "petal length"]
    assert done.stderr == "note: left out: 'species' (text 'setosa' in row 1)\n"


def test_weights_equal_repeated_rows(tmp_path):
    rng = np.random.default_rng(1)
    X, weights = rng.normal(size=(60, 2)), rng.integers(1, 4, 60)
    pa.parquet.write_table(pa.table({"a": X[:, 0], "b": X[:, 1], "w": weights}), tmp_path / "w.parquet")
    repeated = np.repeat(X, weights, axis=0)
    pa.feather.write_feather(pa.table({"a": repeated[:, 0], "b": repeated[:, 1]}), str(tmp_path / "r.feather"))
    words = ("--components", "1,2", "--covariance", "full", "--json")
    weighted = json.loads(ok("fit", tmp_path / "w.parquet", "--weight-column", "w", *words).stdout)
    plain = json.loads(ok("fit", tmp_path / "r.feather", *words).stdout)
    assert weighted["data"]["total_weight"] == plain["data"]["n_rows"] == weights.sum()
    for one, other in zip(weighted["cells"], plain["cells"], strict=True):
        assert one["bic"] == pytest.approx(other["bic"], rel=1e-6)


def test_a_plot_without_a_table_says_whose_rows_it_shows(tmp_path):
    ok("fit", "--components", "2", "--covariance", "EII", "--out", tmp_path / "r")
    done = ok("plot", tmp_path / "r" / "model.gmm", "--out", tmp_path / "p.png")
    assert done.stderr == "note: no FILE: the picture shows the bundled rows of Old Faithful\n"


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "tsv", "txt", "parquet", "arrow", "arrows", "feather", "npy", "-"])
def test_every_kind_of_file_says_the_same(kind, tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 2)).round(3)
    columns = pa.table({"x0": X[:, 0], "x1": X[:, 1]})
    path, stdin = tmp_path / f"data.{kind}", None
    separator = {"tsv": "\t", "txt": ";"}.get(kind, ",")
    text = f"x0{separator}x1\n" + "".join(f"{a}{separator}{b}\n" for a, b in X)
    if kind == "-":
        path, stdin = "-", text
    elif kind == "csv.gz":
        with pa.output_stream(str(path), compression="gzip") as file:
            file.write(text.encode())
    elif kind == "parquet":
        pa.parquet.write_table(columns, path)
    elif kind == "npy":
        np.save(path, X)
    elif kind == "arrows":
        with pa.ipc.new_stream(str(path), columns.schema) as stream:
            stream.write_table(columns)
    elif kind in ("arrow", "feather"):
        pa.feather.write_feather(columns, str(path))
    else:
        path.write_text(text)
    words = ("--components", 1, "--covariance", "full", "--json")
    document = json.loads(ok("fit", path, *words, stdin=stdin).stdout)
    assert document["data"]["columns"] == ["x0", "x1"]
    np.testing.assert_allclose(document["best"]["means"], [X.mean(axis=0)], atol=1e-12)


def test_a_file_without_a_header_keeps_its_first_row(tmp_path):
    path = tmp_path / "bare.csv"
    path.write_text("\ufeff1,2\n3,4\n5,7\n", encoding="utf-8")
    done = ok("fit", path, "--components", 1, "--json")
    assert json.loads(done.stdout)["data"]["n_rows"] == 3
    assert "the first line holds numbers" in done.stderr


def test_lines_end_without_blanks(result):
    for shown in (result[1], ok("fit", "--components", "2:3", "--covariance", "EEE,VVV").stdout):
        assert [line for line in shown.splitlines() if line != line.rstrip()] == []


def test_unused_columns_are_told(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_text(",a,when,flag,none,late,same\n" + "".join(
        f"{i},{i % 3 + i / 7},2020-01-{i + 1:02},true,,{i if i == 8 else 'x'},5\n" for i in range(9)
    ))  # fmt: skip
    done = ok("fit", path, "--components", 1, "--covariance", "diag", "--json")
    document = json.loads(done.stdout)
    assert document["data"]["columns"] == ["a"]
    for told in ("''", "'when' (type date", "'flag' (type bool", "'none' (no values)",
                 "'late' (text 'x' in row 1)", "'same' (5), which is constant"):  # fmt: skip
        assert told in done.stderr


MISSING = "a,b,label\n1,2,p\n,3,q\n4,NA,\n5,7,p\n6,1,q\n?,,p\n2,5,q\n"


def test_columns_that_number_the_rows_are_left_out(tmp_path):
    x = np.random.default_rng(0).normal(size=30).round(3)
    fast = ("--components", 1, "--covariance", "EEE", "--quiet")

    def noted(names, *columns, words=()):
        lines = [",".join(names), *(",".join(map(str, row)) for row in zip(*columns, strict=True))]
        (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
        document = json.loads(ok("fit", tmp_path / "rows.csv", *fast, "--json", *words).stdout)
        return document["data"]["notes"]

    told = [
        "left out: 'id', which numbers the rows, like an identifier; use --columns to name the columns to fit, "
        "and --keep to write it beside the labels"
    ]
    assert noted(["id", "x"], range(1, 31), x) == told
    assert noted(["id", "x"], np.arange(30) ** 2, x) == told
    assert noted(["id", "x"], np.random.default_rng(1).permutation(30), x) == told
    some = np.random.default_rng(1).permutation(1000)[:30] + 1
    for name in ("id", "ID", "customer_id", "Customer ID", "PassengerId", "customerID", "id_row", "index", "row.key"):
        (note,) = noted([name, "x"], some, x)
        assert note == told[0].replace("'id'", repr(name))
    for name in ("income", "grid", "humid", "number", "body_mass_index", "idle"):
        assert noted([name, "x"], some, x) == []
    assert noted(["id", "x"], [*some[:-1], some[0]], x) == []
    assert noted(["id", "x"], some / 8, x) == []
    (both,) = noted(["id", "x", "row"], range(1, 31), x, range(30))
    assert "left out: 'id', 'row', which number the rows" in both
    (alone,) = noted(["id"], range(7, 37))
    assert "column 'id' numbers the rows" in alone
    assert "--exclude" in alone
    assert noted(["speed"], np.arange(30) ** 2) == []
    assert noted(["id", "x"], np.arange(30) // 2, x) == []
    assert noted(["time", "x"], np.arange(30) / 4, x) == []
    assert noted(["id", "x"], np.arange(30.0), x) == told
    assert noted(["id", "x"], range(1, 31), x, words=("--columns", "id,x")) == []
    assert noted(["id", "x"], range(1, 31), x, words=("--exclude", "id")) == []
    gaps, numbers = ["" if i % 5 == 2 else value for i, value in enumerate(x)], ["", *range(2, 31)]
    missing = noted(["id", "x", "y"], numbers, gaps, x**2, words=("--missing", "em"))
    assert missing == [*told, "missing values in 6 of 30 rows, 10\N{NO-BREAK SPACE}% of all values"]
    nothing = noted(["id", "x"], numbers, gaps, words=("--missing", "em"))
    assert nothing[-1].startswith("6 rows without a value")


def test_missing_values_are_an_error_that_says_where(tmp_path):
    path = tmp_path / "missing.csv"
    path.write_text(MISSING)
    line = fails(1, "fit", path)
    assert "3 of 7 rows (a: 2, b: 2)" in line
    assert "row 2 (a), row 3 (b), row 6 (a, b)" in line
    assert "use --drop-missing" in line
    weighed = tmp_path / "weighed.csv"
    weighed.write_text("a,b,w\n1,2,1\n3,,1\n4,5,\n")
    how = ("fit", weighed, "--weight-column", "w")
    assert "(b: 1, w: 1)" in fails(1, *how)
    assert "missing values in column 'w'" in fails(1, *how, "--missing", "em")


def test_a_saved_model_says_how_it_would_take_gaps(model, tmp_path):
    path = tmp_path / "gaps.csv"
    path.write_text("sepal length,sepal width,petal length,petal width\n5,3,,1\n5,3,1,\n")
    told = "use --drop-missing to leave these rows out; a model of gmm fit --missing em takes them as they are"
    for command, *words in (("predict",), ("predict", "--known", "petal length,sepal length"), ("plot",)):
        assert told in fails(1, command, model, path, *words)
    gaps = tmp_path / "gaps"
    gmm.load(model).set_params(missing="em").save(gaps)
    found = table(ok("predict", gaps, path, "--known", "petal length,sepal length").stdout)
    whole = gmm.load(model)
    means = [
        whole.marginal([0, 1, 3]).predict_from([[5.0]], [0]).means[0],
        whole.predict_from([[5.0, 1.0]], [0, 2]).means[0],
    ]
    np.testing.assert_allclose(np.array(found["petal width"], float), np.array(means)[:, 1])


def test_missing_values_may_be_dropped(tmp_path):
    path = tmp_path / "missing.csv"
    path.write_text(MISSING)
    done = ok("fit", path, "--drop-missing", "--label-column", "label", "--components", 1,
              "--covariance", "diag", "--out", tmp_path / "out", "--json")  # fmt: skip
    assert "3 of 7 rows left out" in done.stderr
    assert table((tmp_path / "out" / "labels.csv").read_text(encoding="utf-8"))["row"] == ["1", "4", "5", "7"]
    assert json.loads(done.stdout)["agreement"]["counts"] == [[2], [2]]


def test_missing_values_may_be_integrated_out(tmp_path):
    path, out, rng = tmp_path / "gaps.csv", tmp_path / "out", np.random.default_rng(0)
    X = rng.normal(size=(60, 2)) + 8 * (np.arange(60) % 2)[:, None]
    lines = [",".join("" if gap else f"{value:.3f}" for value, gap in zip(row, gaps, strict=True))
             for row, gaps in zip(X, rng.uniform(size=(60, 2)) < 0.2, strict=True)]  # fmt: skip
    lines[5] = ","
    path.write_text("a,b\n" + "\n".join(lines) + "\n")
    how = ("--components", 2, "--covariance", "full", "--missing", "em")
    done = ok("fit", path, *how, "--out", out, "--plot", tmp_path / "p.png", "--report", tmp_path / "r.html")
    assert "2 rows without a value" in done.stderr
    assert "58 rows, 2 columns" in done.stdout
    fit = gmm.load(out / "model.gmm")
    assert fit.missing == "em"
    again = ok("predict", out / "model.gmm", path).stdout
    assert again == "".join(
        line.rsplit(",", 2)[0] + "\n" for line in (out / "labels.csv").read_text(encoding="utf-8").splitlines()
    )
    ok("plot", out / "model.gmm", path, "--out", tmp_path / "q.png")
    assert "--missing em" in fails(2, "fit", path, *how, "--drop-missing")
    ok("fit", path, *how, "--blocks", "--out", tmp_path / "blocks")
    assert (tmp_path / "blocks" / "labels.csv").read_bytes() == (out / "labels.csv").read_bytes()
    assert ok("predict", out / "model.gmm", path, "--blocks").stdout == again


def test_rows_without_a_label_are_fitted(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("a,label\n1,p\n2,\n3,q\n9,\n")
    done = ok("fit", path, "--label-column", "label", "--components", 1, "--covariance", "diag")
    assert " of the labelled rows; 2 rows have no label\n" in done.stdout
    assert "4 rows, 1 column" in done.stdout


def test_files_are_written_whole(tmp_path, monkeypatch):
    """What was there stays where the new one cannot be put in its place."""
    (tmp_path / "a.csv").write_text("old")
    (tmp_path / "a.json").write_text("old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_table(tmp_path / "a.csv", [{"a": [1]}])
    with pytest.raises(OSError, match="No space"):
        write_json(tmp_path / "a.json", {"a": 1})
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {
        "a.csv": "old",
        "a.json": "old",
    }


def test_a_file_name_that_is_no_text_is_told(tmp_path, capsys):
    document = {"file": "n\udcff.npy"}
    write_json(tmp_path / "a.json", document)
    write_json(None, document)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == document
    assert json.loads(capsys.readouterr().out) == document


@pytest.mark.parametrize("words", [("predict", "absent.gmm", "a.csv"), ("sample", "absent.gmm", "-n", "2")])
def test_a_bad_place_is_refused_before_the_work(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--out", "nowhere/out.csv"]) == 1
    assert "nowhere/out.csv: No such file" in capsys.readouterr().err


def test_the_result_holds_every_note(tmp_path):
    np.savetxt(tmp_path / "bare.csv", np.random.default_rng(0).normal(size=(30, 2)), delimiter=",")
    assert main(["fit", str(tmp_path / "bare.csv"), "--components", "1", "--out", str(tmp_path), "--quiet"]) == 0
    notes = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["data"]["notes"]
    (note,) = notes
    assert "first line holds numbers (" in note
    assert "use --header if" in note


def test_labels_as_parquet(iris, tmp_path):
    ok("fit", iris, "--components", 2, "--covariance", "diag", "--out", tmp_path,
       "--format", "parquet", "--quiet")  # fmt: skip
    found = pa.parquet.read_table(tmp_path / "labels.parquet")
    assert found.column_names == ["row", "component", "p_0", "p_1"]
    assert found.num_rows == 150


def test_quiet_is_silent(iris):
    done = ok("fit", iris, "--components", 1, "--quiet")
    assert done.stdout == done.stderr == ""


def test_failed_cells_are_shown_and_do_not_fail_the_run(tmp_path):
    path = tmp_path / "five.csv"
    path.write_text("a\n1\n2\n4\n7\n11\n")
    done = ok("fit", path, "--components", "1,9", "--covariance", "diag")
    assert "K = 9 skipped: more components than rows (5)" in done.stdout


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_probabilities_have_six_decimals_in_text_unless_asked(suffix, model, iris, tmp_path):
    expected = gmm.load(model).predict_proba(load_iris().data)
    for how in ((), ("--all-digits",)):
        ok("predict", model, iris, "--proba", "--quiet", *how, "--out", tmp_path / f"p.{suffix}")
        if suffix == "parquet":
            columns = pa.parquet.read_table(tmp_path / "p.parquet").to_pydict()
        else:
            text = (tmp_path / f"p.{suffix}").read_text(encoding="utf-8").replace("\t", ",")
            columns = table(text)
            assert (max(map(len, ",".join(columns["p_0"]).split(","))) <= 8) == (not how)
        found = np.column_stack([np.float64(columns[f"p_{k}"]) for k in range(3)])
        np.testing.assert_array_equal(found, expected if how or suffix == "parquet" else expected.round(6))


def test_predict_by_name(model, iris, tmp_path):
    done = ok("predict", model, iris, "--proba")
    assert done.stderr == "note: columns not used by the model: 'species'\n"
    expected = gmm.load(model).predict(load_iris().data)
    assert [int(k) for k in table(done.stdout)["component"]] == expected.tolist()
    assert list(table(done.stdout)) == ["row", "component", "p_0", "p_1", "p_2"]
    rows = list(csv.reader(iris.read_text(encoding="utf-8").splitlines()))
    turned = tmp_path / "turned.tsv"
    turned.write_text("".join("\t".join(row[::-1]) + "\n" for row in rows))
    assert ok("predict", model, turned, "--proba", "--quiet").stdout == done.stdout
    densities = table(ok("predict", model, iris, "--density", "--quiet").stdout)
    assert list(densities) == ["row", "component", "log_density"]
    np.testing.assert_array_equal(
        np.array(densities["log_density"], float), gmm.load(model).score_samples(load_iris().data)
    )
    assert "--density: expected without --known" in fails(2, "predict", model, iris, "--density", "--known", "species")
    ok("predict", model, iris, "--out", tmp_path / "labels.parquet", "--quiet")
    found = pa.parquet.read_table(tmp_path / "labels.parquet")
    assert found["component"].to_pylist() == expected.tolist()


def test_predict_columns_from_known_ones(model, iris, tmp_path):
    done = ok("predict", model, iris, "--known", "petal width,sepal length", "--level", "0.9")
    X = load_iris().data
    expected = gmm.load(model).predict_from(X[:, [3, 0]].tolist(), [3, 0], level=0.9)
    found = table(done.stdout)
    assert list(found) == ["row", *(f"{name}{end}" for name in ("sepal width", "petal length")
                                    for end in ("", "_sd", "_low", "_high"))]  # fmt: skip
    np.testing.assert_allclose(np.array(found["petal length"], float), expected.means[:, 1])
    np.testing.assert_allclose(np.array(found["sepal width_high"], float), expected.intervals[:, 0, 1])
    line = fails(1, "predict", model, iris, "--known", "petal length,species")
    assert "no column 'species'; its columns are 'sepal length'" in line
    line = fails(1, "predict", model, iris, "--known", "petal lenght")
    assert "no column 'petal lenght'" in line
    assert line.rstrip().endswith("; did you mean 'petal length'?")
    assert "--level: expected with --known" in fails(2, "predict", model, iris, "--level", "0.9")
    assert "got all 4 columns" in fails(
        1, "predict", model, iris, "--known", "sepal length,sepal width,petal length,petal width"
    )


def test_predict_notes_that_intervals_of_few_rows_are_too_narrow(tmp_path):
    X = np.random.default_rng(0).normal(size=(25, 2))
    np.save(tmp_path / "rows.npy", X[:, :1])
    gmm.GaussianMixture(2, random_state=0).fit(X).save(tmp_path / "model.gmm")
    words = "predict", tmp_path / "model.gmm", tmp_path / "rows.npy", "--known", "x0", "--out", tmp_path / "out.csv"
    assert "note" not in ok(*words).stderr
    assert "note: 6 parameters for 25 rows say how" in ok(*words, "--level", "0.9").stderr


def test_predict_columns_of_a_posterior_without_names(tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 2))
    X[:, 1] += X[:, 0]
    gmm.BayesianGaussianMixture(n_components=1).fit(X).save(tmp_path / "m")
    (tmp_path / "d.csv").write_text("p\n1\n2\n")
    found = table(ok("predict", tmp_path / "m", tmp_path / "d.csv", "--known", "x1").stdout)
    assert list(found) == ["row", "x0", "x0_sd"]
    expected = gmm.load(tmp_path / "m").plug_in().predict_from([[1.0], [2.0]], [1])
    np.testing.assert_allclose(np.array(found["x0"], float), expected.means[:, 0])


def test_errors_and_long_tails_are_told(tmp_path):
    rng = np.random.default_rng(0)
    heat = np.concatenate([rng.normal(60, 1.5, 200), rng.normal(75, 2, 200), np.linspace(-999, 400, 8)])
    lines = [f"{x:.3f},{y:.3f}" for x, y in zip(heat, rng.lognormal(2, 1, 408), strict=True)]
    (tmp_path / "d.csv").write_text("\n".join(["heat,spend", *lines]) + "\n")
    done = ok("fit", tmp_path / "d.csv", "--components", "3", "--covariance", "diag")
    assert re.search(r"component \d, of weight 0.0.*'heat'.*try --noise", done.stdout)
    assert "note: column 'spend' is positive with a long tail" in done.stderr


def test_notes_of_a_search_are_told_once(tmp_path):
    """Those on codes and copies are the command's own; others are the search's, also in JSON."""
    rng = np.random.default_rng(0)
    lines = [f"{x:.3f},{tie / 10},{code},{y:.3f}" for x, tie, code, y in zip(
        rng.normal(size=100), rng.integers(1, 9, 100), rng.integers(1, 4, 100), rng.lognormal(2, 1, 100), strict=True,
    )]  # fmt: skip
    (tmp_path / "d.csv").write_text("\n".join(["size,step,site,spend", *lines]) + "\n")
    done = ok("fit", tmp_path / "d.csv", "--components", "1", "--covariance", "EEE", "--json")
    ties = (
        "column 'step' (8 distinct values): components with less spread there than rounding leaves, and far less than"
    )
    assert f"note: {ties}" in done.stderr
    assert any(note.startswith(ties) for note in json.loads(done.stdout)["data"]["notes"])
    assert [done.stderr.count(name) for name in ("'step'", "'site'", "'spend'")] == [1, 1, 1]


@pytest.mark.parametrize("how", [(), ("--missing", "em"), ("--bayesian",)])
def test_each_look_at_columns_is_made_once(how, tmp_path, monkeypatch):
    """By the command line, which tells some notes before the search, and by the search."""
    looks = "kinds_in_memory", "few_values", "long_tails", "copies", "error_values", "singular_columns"
    made = []
    for name in looks:
        look = getattr(inside.column_notes, name)
        told = lambda *of, look=look, name=name: made.append(name) or look(*of)  # noqa: E731
        monkeypatch.setattr(inside.column_notes, name, told)
    rows = np.random.default_rng(0).normal(size=(60, 2)).tolist()
    lines = [f"{x},{'' if how[-1:] == ('em',) and i == 7 else y}" for i, (x, y) in enumerate(rows)]
    (tmp_path / "d.csv").write_text("\n".join(["a,b", *lines]) + "\n")
    single = ("--components", "1", "--covariance", "full") if "--bayesian" not in how else ()
    ok("fit", tmp_path / "d.csv", *single, *how)
    assert sorted(made) == sorted(looks if single else ["kinds_in_memory", "long_tails", "error_values"])


def test_a_column_that_may_be_a_code_is_told(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"{x:.3f},{code},{n}" for x, code, n in zip(rng.normal(size=100), rng.integers(1, 4, 100),
                                                         rng.integers(0, 60, 100), strict=True)]  # fmt: skip
    (tmp_path / "d.csv").write_text("\n".join(["size,site,count", *lines]) + "\n")
    done = ok("fit", tmp_path / "d.csv", "--components", "1", "--covariance", "EEE")
    assert "left out: 'site' (3 distinct values), which may be a code; use --columns" in done.stderr
    assert "100 rows, 2 columns" in done.stdout
    done = ok("fit", tmp_path / "d.csv", "--components", "1", "--covariance", "EEE", "--columns", "size,site")
    assert "site" not in done.stderr
    assert "100 rows, 2 columns" in done.stdout


def test_components_that_may_be_one_cluster_are_told(tmp_path):
    rows = json.loads((Path(__file__).parent / "data" / "mclust_combi.json").read_text(encoding="utf-8"))["ex4.1"]["X"]
    (tmp_path / "d.csv").write_text("\n".join(["a,b", *(f"{a},{b}" for a, b in rows)]) + "\n")
    how = ("fit", tmp_path / "d.csv", "--covariance", "EEV", "--seed", "0")
    done = ok(*how, "--components", "6", "--out", tmp_path / "r", "--report")
    clusters = json.loads((tmp_path / "r" / "result.json").read_text(encoding="utf-8"))["best"]["clusters"]
    expected = gmm.analysis.combine_components(gmm.load(tmp_path / "r" / "model.gmm"), rows).clusters()
    assert clusters == expected.tolist()
    assert max(clusters) == 3
    first, second = (" + ".join(map(str, np.flatnonzero(expected == c))) for c in range(4) if (expected == c).sum() > 1)
    words = f"may be one cluster: {first}, {second}. That makes 4 clusters of 6"
    assert f"{words} components" in " ".join(done.stdout.split())
    report = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert f"{words} groups" in report
    assert 'class="picture combined"' in report
    alone = ok(*how, "--components", "3", "--out", tmp_path / "s")
    assert "one cluster" not in alone.stdout
    assert json.loads((tmp_path / "s" / "result.json").read_text(encoding="utf-8"))["best"]["clusters"] is None


def test_fit_with_noise(tmp_path):
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(0, 0.3, (60, 2)), rng.normal(5, 0.3, (60, 2)), rng.uniform(-10, 10, (40, 2))])
    kinds = ["left"] * 60 + ["right"] * 60 + ["noise"] * 40
    lines = [f"{a},{b},{kind}" for (a, b), kind in zip(rows.tolist(), kinds, strict=True)]
    (tmp_path / "d.csv").write_text("\n".join(["a,b,kind", *lines]) + "\n")
    how = ("--components", "2", "--covariance", "VII,VVV", "--label-column", "kind", "--noise")
    done = ok("fit", tmp_path / "d.csv", *how, "--out", tmp_path / "r", "--report")
    model = gmm.load(tmp_path / "r" / "model.gmm")
    assert model.noise_weight_ == pytest.approx(0.25, abs=0.03)
    labels = np.array(table((tmp_path / "r" / "labels.csv").read_text(encoding="utf-8"))["component"], int)
    n_noise = int((labels == -1).sum())
    assert f"noise of weight {model.noise_weight_:.4f} with {n_noise} rows" in done.stdout
    assert "kind     0    1   noise" in done.stdout
    result = json.loads((tmp_path / "r" / "result.json").read_text(encoding="utf-8"))
    assert (result["noise"], result["best"]["noise_weight"]) == (True, model.noise_weight_)
    assert sum(result["best"]["rows_per_component"]) + n_noise == len(rows)
    report = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert f"{n_noise} rows" in report
    assert "to noise that is spread" in report
    sure = model.predict_proba(rows)[labels >= 0].max(axis=1) >= 0.9
    assert "outside the noise" in report
    assert f"<dt>rows clearly of one group</dt><dd>{format_share(sure.sum() / len(rows))}</dd>" in report
    assert f"noise of weight {model.noise_weight_:.4f}" in ok("info", tmp_path / "r" / "model.gmm").stdout
    posterior = ok("fit", tmp_path / "d.csv", "--noise", "--bayesian", "--out", tmp_path / "b", "--report")
    model = gmm.load(tmp_path / "b" / "model.gmm")
    assert f"noise of weight {model.noise_weight_:.4f} with {(model.predict(rows) < 0).sum()} rows" in posterior.stdout


def test_fit_with_trim(tmp_path):
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(0, 0.3, (60, 2)), rng.normal(5, 0.3, (60, 2)), rng.uniform(-90, 90, (10, 2))])
    lines = [f"{a},{b},{kind}" for (a, b), kind in zip(rows.tolist(), 60 * "l" + 60 * "r" + 10 * "s", strict=True)]
    (tmp_path / "d.csv").write_text("\n".join(["a,b,kind", *lines]) + "\n")
    how = ("fit", tmp_path / "d.csv", "--components", "2", "--covariance", "full", "--trim", "0.08")
    done = ok(*how, "--label-column", "kind", "--out", tmp_path / "r", "--report")
    model = gmm.load(tmp_path / "r" / "model.gmm")
    np.testing.assert_array_equal(np.flatnonzero(model.trimmed_), np.arange(120, 130))
    labels = np.array(table((tmp_path / "r" / "labels.csv").read_text(encoding="utf-8"))["component"], int)
    np.testing.assert_array_equal(labels == -1, model.trimmed_)
    assert "10 rows left out: converged" in done.stdout
    assert "of the rows that are left, n = 119.6, log-likelihood" in done.stdout
    assert "kind    0    1   left out" in done.stdout
    result = json.loads((tmp_path / "r" / "result.json").read_text(encoding="utf-8"))
    assert (result["trim"], result["n_left_out"]) == (0.08, 10)
    assert result["best"]["loglik"] == pytest.approx(model.lower_bound_ * 130 * (1 - 0.08))
    assert sum(result["best"]["rows_per_component"]) == 120
    assert result["agreement"]["adjusted_rand_index"] == 1
    report = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert "2 groups, as requested, describe 120 rows of a and b. " in report
    assert "10 rows (7.7\N{NO-BREAK SPACE}%) of the least density are left out." in report
    assert "The rows left out, numbered as in the file" in report
    assert "<dt>rows of no group (left out)</dt><dd>7.7" in report
    assert "noise" not in done.stdout
    assert "VVV (full), 10 rows left out, 2 columns, " in ok("info", tmp_path / "r" / "model.gmm").stdout
    assert json.loads(ok("info", tmp_path / "r" / "model.gmm", "--json").stdout)["n_left_out"] == 10
    ok(*how, "--blocks", "--columns", "a,b", "--out", tmp_path / "b")
    assert (tmp_path / "b" / "labels.csv").read_text(encoding="utf-8") == (tmp_path / "r" / "labels.csv").read_text(
        encoding="utf-8"
    )
    with_prior = ok(*how, "--prior", "conjugate", "--json")
    assert "bic" not in json.loads(with_prior.stdout)["best"]


def test_clusters_and_pictures_of_a_trimmed_fit_are_those_of_the_rows_that_are_left(tmp_path, monkeypatch):
    weights, places = {}, ("gmm._cli.fit.combine_components", "gmm.plotting.plot_clusters")

    def watched(name, plain):
        def watch(model, X, *of, **how):
            weights.setdefault(name, []).append(X.weights.sum())
            return plain(model, X, *of, **how)

        monkeypatch.setattr(name, watch)

    watched(places[0], gmm.analysis.combine_components)
    watched(places[1], gmm.plotting.plot_clusters)
    rng = np.random.default_rng(0)
    rows = np.concatenate([*(rng.normal(6 * (k // 2), 0.5, (50, 2)) for k in range(4)), rng.uniform(-90, 90, (10, 2))])
    (tmp_path / "d.csv").write_text("\n".join(["a,b", *(f"{a},{b}" for a, b in rows.tolist())]) + "\n")
    words = ("--components", "4", "--covariance", "spherical", "--trim", "0.05", "--plot", tmp_path / "p.svg")
    done = ok("fit", tmp_path / "d.csv", *words, "--report", tmp_path / "r.html")
    assert weights == {places[0]: [200], places[1]: 3 * [200]}
    assert "note: in the picture, rows left out are not drawn" in done.stderr
    assert (tmp_path / "r.html").read_text(encoding="utf-8").count("Rows left out are not drawn.") == 4


def test_fit_with_trim_says_which_components_are_degenerate(tmp_path):
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(0, 1, (100, 2)), rng.uniform(-60, 60, (10, 2))])
    (tmp_path / "d.csv").write_text("\n".join(["a,b", *(f"{a},{b}" for a, b in rows.tolist())]) + "\n")
    words = ("--components", "2", "--covariance", "full", "--trim", "0.09", "--report", tmp_path / "r.html")
    done = ok("fit", tmp_path / "d.csv", *words)
    told = "degenerate: component 1 (fewer rows than its covariance needs)"
    assert f"note: {told}" in done.stderr
    assert told in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "how",
    [
        (),
        ("--components", "2"),
        ("--components", "2:3", "--covariance", "full"),
        ("--components", "2", "--covariance", "full,diag"),
        ("--components", "2", "--covariance", "all"),
        ("--components", "2", "--covariance", "factor", "--n-factors", "1,2"),
        ("--components", "2", "--covariance", "full", "--tails", "normal,t"),
    ],
)
def test_trim_is_for_one_mixture(how):
    error = fails(2, "fit", "--trim", "0.1", *how)
    assert "--trim: expected one mixture to fit, such as --components 3 --covariance full, got a search" in error


def test_predict_without_names_takes_columns_in_order(tmp_path):
    X = np.random.default_rng(0).normal(size=(25, 2))
    gmm.GaussianMixture(1).fit(X).save(tmp_path / "m")
    (tmp_path / "d.csv").write_text("p,q\n1,2\n3,4\n")
    assert table(ok("predict", tmp_path / "m", tmp_path / "d.csv").stdout)["component"] == [
        "0",
        "0",
    ]
    (tmp_path / "d.csv").write_text("p,q,r\n1,2,3\n")
    line = fails(1, "predict", tmp_path / "m", tmp_path / "d.csv")
    assert "expects 2 numeric columns" in line


def test_predict_names_the_columns_it_misses(model, tmp_path):
    (tmp_path / "d.csv").write_text("sepal length,petal length\n1,2\n")
    line = fails(1, "predict", model, tmp_path / "d.csv")
    assert "'sepal width', 'petal width'" in line


def test_rows_without_room_in_memory_are_an_error_that_helps(model):
    assert "not enough memory" in (told := fails(1, "sample", model, "-n", 10**15))
    assert "draw fewer rows at a time" in told


def test_sample_is_seeded_and_can_be_fitted_again(model, tmp_path):
    first, again, other = (ok("sample", model, "-n", 40, "--seed", s).stdout for s in (0, 0, 1))
    assert first == again != other
    assert list(table(first)) == ["sepal length", "sepal width", "petal length", "petal width"]
    ok("sample", model, "--rows", 40, "--component", "--out", tmp_path / "s.feather")
    found = pa.feather.read_table(tmp_path / "s.feather")
    assert found.column_names[-1] == "component"
    np.testing.assert_allclose(np.float64(table(first)["sepal width"]), found["sepal width"])


def named_mixture(path, names, n=60):
    rows = np.random.default_rng(0).normal(size=(n, len(names)))
    columns = pa.table(dict(zip(names, rows.T, strict=True)))
    gmm.GaussianMixture(1, random_state=0).fit(columns).save(path)
    return columns


def test_what_is_added_to_columns_replaces_none(tmp_path):
    columns = named_mixture(tmp_path / "m", ["component", "row", "b", "b_sd"])
    pa.csv.write_csv(columns, tmp_path / "d.csv")
    drawn = table(ok("sample", tmp_path / "m", "-n", 4, "--component").stdout)
    assert list(drawn) == ["component", "row", "b", "b_sd", "component_"]
    assert set(drawn["component_"]) == {"0"}
    done = ok("predict", tmp_path / "m", tmp_path / "d.csv", "--known", "component", "--level", "0.5")
    names = [name + end for name in ("row", "b", "b_sd") for end in ("", "_sd", "_low", "_high")]
    names[names.index("b_sd")] = "b_sd_"
    assert list(table(done.stdout)) == ["row_", *names]
    assert done.stderr == ""


def test_columns_that_are_predicted_are_not_called_unused(model, iris):
    told = ok("predict", model, iris, "--known", "petal width,sepal length").stderr
    assert told == "note: columns not used by the model: 'species'\n"


def test_no_control_character_reaches_the_terminal(tmp_path):
    name, label = "a\x1b[31mb", "\u202elabel"
    escape = "\x1b" if os.name == "posix" else ""  # Windows has no control characters in names of files
    lines = [
        f"{x:.3f},{y:.3f},\x1b]0;{i % 2}" for i, (x, y) in enumerate(np.random.default_rng(0).normal(size=(60, 2)))
    ]
    path, out = tmp_path / f"d{escape}d.csv", tmp_path / f"o{escape}o"
    path.write_text("\n".join([f"{name},c,{label}", *lines]) + "\n", encoding="utf-8")
    fit = ("fit", path, "--covariance", "EEE", "--components", "1:2")
    shown = [ok(*fit, "--label-column", label, "--out", out), ok("info", out / "model.gmm")]
    shown += [ok("fit", path, "--class-column", label), run("fit", path, "--columns", label)]
    shown += [
        run("fit", path, "--blocks", "--columns", label),
        run("fit", tmp_path / "no\x1b.csv"),
        run("fit", "--\x1b"),
    ]
    shown += [
        run("predict", out / "model.gmm", path, "--known", "\x1b"),
        run("fit", path, *fit[2:], "--weight-column", "c"),
    ]
    said = "".join(done.stdout + done.stderr for done in shown) + str(gmm.load(out / "model.gmm"))
    assert not {"\x1b", "\u202e"} & set(said)
    assert "a\\x1b[31mb" in shown[0].stdout
    assert json.loads((out / "result.json").read_text(encoding="utf-8"))["best"]["columns"] == [name, "c"]


def test_ranges_and_criteria_as_people_write_them(iris):
    written = ok("fit", iris, "--components", "1-2", "--covariance", "EEE", "--criterion", "BIC").stdout
    assert written == ok("fit", iris, "--components", "1:2", "--covariance", "EEE").stdout


def test_a_folder_of_results_says_which_file_is_the_model(tmp_path, iris):
    out = tmp_path / "out"
    ok("fit", iris, "--components", "1", "--covariance", "EII", "--out", out)
    assert f"{out} is a folder: expected a saved model, {out / 'model.gmm'}" in run("info", out).stderr


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_heading_of_two_lines_stays_in_its_line_of_the_table(end, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text('a,"b\nc"\n1,2\n2,3\n4,5\n3,1\n', newline=end)
    shown = ok("fit", path, "--covariance", "EII", "--components", "1").stdout
    assert f"b{end}c".encode("unicode_escape").decode() in next(
        line for line in shown.splitlines() if line.startswith("component")
    )


@pytest.mark.skipif(os.name != "posix", reason="places in /dev, of POSIX")
def test_outputs_go_to_pipes_and_devices(model, tmp_path):
    gmm_ = f"{sys.executable} -m gmm"

    def bash(line):
        done = subprocess.run(["bash", "-c", line], capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    drawn = ok("sample", model, "-n", 3).stdout.encode()
    assert bash(f"{gmm_} sample {model} -n 3 --out /dev/stdout | cat") == drawn
    assert bash(f"{gmm_} sample {model} -n 3 --out >(cat)") == drawn
    assert json.loads(bash(f"{gmm_} export {model} --out /dev/stdout | cat"))["modelName"]
    script = f"import gmm; m = gmm.load({str(model)!r}); m.save('/dev/stdout')"
    (tmp_path / "m").write_bytes(bash(f'{sys.executable} -c "{script}" | cat'))
    assert gmm.load(tmp_path / "m").means_.tolist() == gmm.load(model).means_.tolist()
    ok("sample", model, "-n", 3, "--out", "/dev/null")
    with pytest.raises(ValueError, match="expected a file for checkpoint"):
        gmm.GaussianMixture(1).fit(np.eye(3), checkpoint="/dev/null")


@pytest.mark.skipif(os.name != "posix", reason="Windows may end a path at 260 characters")
def test_names_of_files_may_be_as_long_as_they_can(model, tmp_path):
    long = tmp_path / ("n" * 251 + ".csv")
    ok("sample", model, "-n", 3, "--out", long)
    assert [path.name for path in tmp_path.iterdir()] == [long.name]


def test_info_shows_what_the_model_holds(model):
    shown = ok("info", model).stdout
    assert "3 components" in shown
    assert "converged after" in shown
    assert "petal width" in shown
    document = json.loads(ok("info", model, "--json").stdout)
    np.testing.assert_array_equal(document["means"], gmm.load(model).means_)
    assert document["format_version"] == 1


@pytest.mark.parametrize("how", [("--covariance", "VVV", "--components", "2"), ("--bayesian", "--max-components", "2")])
def test_checkpoints_and_warnings_name_options(how, tmp_path):
    kept = ("--checkpoint", tmp_path / "kept", "--seed", "3")
    stopped = run("fit", *how, *kept, "--max-iter", "2")
    assert stopped.returncode == 1
    assert "--max-iter" in stopped.stderr
    told = fails(1, "fit", *how[:-1], "3", *kept, "--max-iter", "9", "--resume")
    assert "--max-iter was 2 and is 9" in told
    for parameter in ("max_iter", "n_components", "random_state"):
        assert parameter not in stopped.stderr + told
    assert ("--max-components was 2 and is 3" in told) == ("--bayesian" in how)


def test_info_leaves_out_the_empty_components_of_a_posterior(tmp_path):
    ok("fit", "--bayesian", "--max-components", 6, "--out", tmp_path)
    headline, *lines = ok("info", tmp_path / "model.gmm").stdout.splitlines()
    assert headline.startswith("2 components of 6")
    assert [line.split()[0] for line in lines if "±" in line] == ["0", "1"]


def test_info_tells_correlations_of_factors_that_are_stored_as_such(tmp_path, capsys):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 1)) @ [[1.0, 2.0, 0.5]] + 0.3 * rng.normal(size=(300, 3))
    mixture = gmm.GaussianMixture(covariance_type="factor1", prior="conjugate", random_state=0).fit(rows)
    mixture.save(tmp_path / "model.gmm")
    assert main(["info", str(tmp_path / "model.gmm")]) == 0
    covariance = mixture.covariances_[0]
    expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert f"strongest correlation of component 0: {expected:+.2f} x0, x1" in capsys.readouterr().out


def test_components_without_a_correlation_leave_no_lines_empty(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    X = np.random.default_rng(0).normal(size=(60, 30)) + 6 * (np.arange(60) % 2)[:, None]
    gmm.GaussianMixture(2, covariance_type="diag", random_state=0).fit(X).save(tmp_path / "m.gmm")
    main(["info", str(tmp_path / "m.gmm")])
    *_, last, more = capsys.readouterr().out.splitlines()
    assert last.split()[0] == "x23"
    assert more == "… and 6 more columns (--json prints all)"


def test_info_of_a_mixture_that_was_given(tmp_path):
    given = gmm.GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])
    given.save(tmp_path / "given")
    assert "given, not fitted" in ok("info", tmp_path / "given").stdout
    assert json.loads(ok("info", tmp_path / "given", "--json").stdout)["converged"] is None


def test_a_model_is_exported_by_the_suffix(model, tmp_path):
    assert ok("export", model, "--out", tmp_path / "m.json").stdout == f"written to {tmp_path / 'm.json'}\n"
    again = from_json(tmp_path / "m.json")
    np.testing.assert_array_equal(again.means_, gmm.load(model).means_)
    wrong = run("export", model, "--out", tmp_path / "m.pmml")
    assert (wrong.returncode, wrong.stderr) == (
        2,
        f"gmm export: error: --out {tmp_path / 'm.pmml'}: expected a name ending in one of .json, .onnx\n",
    )
    rows = np.random.default_rng(0).normal(size=(30, 2))
    frame = pa.table({"a": rows[:, 0], "b": rows[:, 1]})
    gmm.BayesianGaussianMixture(n_components=2, random_state=0).fit(frame).save(tmp_path / "posterior.gmm")
    ok("export", tmp_path / "posterior.gmm", "--out", tmp_path / "p.json")
    posterior, written = gmm.load(tmp_path / "posterior.gmm"), from_json(tmp_path / "p.json")
    assert written.feature_names_in_.tolist() == posterior.feature_names_in_.tolist() == ["a", "b"]
    np.testing.assert_array_equal(written.covariances_, posterior.plug_in().covariances_)
    onnx = pytest.importorskip("onnx")
    for name in (model, tmp_path / "posterior.gmm"):
        assert ok("export", name, "--out", tmp_path / "m.onnx", "--quiet").stdout == ""
        onnx.checker.check_model(onnx.load(tmp_path / "m.onnx"))


def test_exporting_without_onnx_says_how_to_install_it(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    refused = run("export", model, "--out", tmp_path / "m.onnx")
    assert refused.returncode == 1
    assert refused.stderr == "gmm export: error: onnx is not installed: python -m pip install onnx\n"


def test_version_and_help_need_nothing():
    assert ok("--version").stdout == f"gmm {gmm.__version__}\n"
    for words in ((), ("fit",), ("predict",), ("sample",), ("info",), ("export",), ("plot",)):
        assert "usage: gmm" in ok(*words, "--help").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "COMMAND"),
        (("train",), "invalid choice: 'train'"),
        (
            ("select", "a.csv"),
            "gmm: error: no command 'select'; use gmm fit, which also selects the model (see gmm --help)",
        ),
        (("fit", "--components", "0"), "positive integers"),
        (("fit", "--components", "3:1"), "--components: range 3:1 is empty; write 1:3 ("),
        (("fit", "--components", "a"), "expected 3, 2,4,6 or 1:9, got 'a'"),
        (("fit", "--columns", "a,b,a"), "--columns: expected each name once, got 'a' again"),
        (("plot", "model.gmm", "--features", "a,a"), "--features: expected each name once, got 'a' again"),
        (("fit", "--covariance", "full,round"), "--covariance round: expected all, or names among"),
        (("fit", "--covariance", "EEE,EEX"), "--covariance EEX: expected all, or names among full,tied"),
        (("fit", "--covariance", ""), "names separated by commas"),
        (("fit", "--models", "EEE"), "unrecognized arguments: --models"),
        (("fit", "--criterion", "dic"), "invalid choice: 'dic'"),
        (("fit", "--prior", "wishart"), "invalid choice: 'wishart'"),
        (("fit", "--max-ratio", "0.5"), "--max-ratio: expected a number of at least 1, got '0.5'"),
        (("fit", "--max-ratio", "9", "--scale"), "--max-ratio cannot be combined with --scale"),
        (("fit", "--tails", "normal,u"), "--tails: expected normal, t, contaminated, or some with commas, got 'u'"),
        (
            ("fit", "--tails", "t", "--degrees-of-freedom", "0"),
            "--degrees-of-freedom: expected a number from 1 to 1000000",
        ),
        (("fit", "--degrees-of-freedom", "4"), "--degrees-of-freedom: expected with --tails t"),
        (("fit", "--tails", "normal", "--degrees-of-freedom", "4"), "--degrees-of-freedom: expected with --tails t"),
        (("fit", "--tails", "normal,t", "--noise"), "--tails t cannot be combined with --noise"),
        (("fit", "--tails", "t", "--refine", "split-merge"), "--tails t cannot be combined with --refine"),
        (("fit", "--time-limit", "-1"), "--time-limit: expected a positive number, got '-1'"),
        (("fit", "--time-limit", "0"), "--time-limit: expected a positive number, got '0'"),
        (("fit", "--time-limit", "soon"), "expected a positive number"),
        (("fit", "--n-init", "0"), "positive integer"),
        (("fit", "--tol", "nan"), "non-negative number"),
        (("fit", "--seed", "-1"), "--seed"),
        (("fit", "--threads", "two"), "positive integer"),
        (("fit", "--columns", "a,,b"), "names separated by commas"),
        (("fit", "--unknown"), "unrecognized arguments: --unknown (see gmm fit --help)"),
        (("fit", "--frobnicate"), "unrecognized arguments: --frobnicate (see gmm fit --help)"),
        (
            ("fit", "x.csv", "--exlude", "id"),
            "gmm fit: error: unrecognized arguments: --exlude id; did you mean --exclude? (see gmm fit --help)",
        ),
        (("plot", "model.gmm", "--knid=pairs"), "did you mean --kind? (see gmm plot --help)"),
        (
            ("fit", "a.csv", "b.csv"),
            "unrecognized arguments: b.csv; gmm reads one table at a time (see gmm fit --help)",
        ),
        (("predict", "model.gmm"), "required: FILE"),
        (("predict", "model.gmm", "a.csv", "--out", "b.doc"), "expected a name ending in one of"),
        (("sample", "model.gmm"), "required: -n"),
        (
            ("fit", "--report", "data.csv"),
            "--report data.csv: expected a name ending in .html; if it is the table to fit",
        ),
        (("fit", "--report", ""), "--report : expected a name ending in .html"),
        (("fit", "--plot", "a.gif"), "--plot a.gif: expected a name ending in one of .png, .svg, .pdf"),
        (("plot", "model.gmm", "a.csv", "--out", "a.jpg"), "--out a.jpg: expected a name ending in one of"),
        (("plot", "model.gmm", "a.csv", "--kind", "pie"), "invalid choice: 'pie'"),
    ],
)
def test_bad_usage_ends_with_2(words, told):
    assert told in fails(2, *words)


@pytest.mark.parametrize(
    ("name", "content", "words", "told"),
    [
        ("absent.csv", None, (), "absent.csv: No such file"),
        ("empty.csv", b"", (), "is not a table"),
        ("header.csv", b"a,b\n", (), "no rows"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n", (), "is not a table: line 3 has 3 fields, expected 2"),
        ("short.csv", b"a,b\n1,2\n3\n5,7\n", (), "line 3 has 1 field, expected 2"),
        (
            "four.csv",
            b"a,b\n1,2\n3,4\n5,7\n2,9\n",
            ("--components", "10"),
            "10 components need at least 10 rows; the table has 4",
        ),
        ("left.csv", b"a,b\n1,2\n3,\n", ("--drop-missing",), "the table has 1 row left; at least 2 are needed"),
        ("twice.csv", b"a,a\n1,2\n", (), "column names must be unique, but these occur more than once: 'a'"),
        ("twins.csv", b"a,b,a,b\n1,2,3,4\n", (), "occur more than once: 'a', 'b'"),
        ("text.csv", b"a\nx\ny\n", (), "no numeric columns to fit; left out: 'a'"),
        ("inf.csv", b"a,b\n1,2\n3,inf\n", (), "an infinite value in row 2, column 'b'"),
        ("one.csv", b"a\n1\n", (), "the table has 1 row; at least 2 are needed"),
        ("a.csv", b"a,b\n1,2\n", ("--columns", "a,c"), "no column 'c'; the table has 'a', 'b'"),
        ("a.csv", b"width,b\n1,2\n", ("--columns", "widht"), "the table has 'width', 'b'; did you mean 'width'?"),
        ("a.csv", b"a,b\n1,x\n", ("--columns", "b"), "numbers in column 'b', got text 'x' in row 1"),
        ("a.csv", b"a,b\n1,\n2,x\n", ("--columns", "b"), "numbers in column 'b', got text 'x' in row 2"),
        ("a.csv", b"a,b\n1,2\n", ("--columns", "a", "--exclude", "a"), "both fitted and left out"),
        (
            "a.csv",
            b"a,w\n1,1\n2,-1\n",
            ("--weight-column", "w"),
            "expected finite, non-negative weights in column 'w', got -1 in row 2",
        ),
        ("a.csv", b"a,w\n1,1\n2,\n", ("--weight-column", "w"), "row 2 (w)"),
        ("a.csv", b"a,b\n,1\n2,\n", ("--drop-missing",), "no rows are left"),
        ("a.parquet", b"PAR1 no", (), "a.parquet is not a complete Parquet file"),
        ("a.feather", b"no", (), "is not an Arrow file"),
        ("a.npy", b"no", (), "not an array of numbers"),
        ("a.csv.gz", b"no", (), "a.csv.gz"),
        ("a.csv", b"\x89PNG\r\n\x1a\n1,2\n", (), "a.csv is not text but a PNG picture"),
        ("a.csv", b"\xd0\xcf\x11\xe0\n1,2\n", (), "such as .xls: save the table as CSV"),
        ("a.csv", b"PAR1\n1\n", (), "Parquet: end its name in .parquet"),
        ("a.csv", b"a\n1\n2\n", ("--out", "a.csv"), "--out a.csv: expected a directory"),
    ],
)
def test_bad_data_ends_with_1(name, content, words, told, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    fast = ("--components", "1:3", "--covariance", "full,diag")
    assert told in fails(1, "fit", name, *fast, *words, cwd=tmp_path)


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 2, 2)), np.array(["a"]), np.zeros(3, complex)],
    ids=["3d", "text", "complex"],
)
def test_arrays_that_are_no_table_are_refused(array, tmp_path):
    np.save(tmp_path / "a.npy", array)
    assert "numbers of shape (rows, columns)" in fails(1, "fit", tmp_path / "a.npy")


@pytest.mark.parametrize(
    "header", ["{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000,)}", "(((", "-" * 9000, '"""']
)
def test_no_header_of_an_array_takes_memory_or_breaks_its_reader(header, tmp_path):
    size = len(header).to_bytes(2, "little")
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + size + header.encode() + bytes(48))
    assert "not an array of numbers" in fails(1, "fit", tmp_path / "a.npy")


def test_what_is_no_model_is_refused(iris, tmp_path):
    for command in (("predict", iris, iris), ("info", iris), ("sample", iris, "-n", "2")):
        assert "is not a saved model" in fails(1, *command)
    assert "No such file" in fails(1, "info", tmp_path / "absent.gmm")


def test_nothing_converged_is_a_failure_told_after_the_results(iris, tmp_path):
    words = ("fit", iris, "--components", 3, "--covariance", "full", "--max-iter", 1)
    line = fails(1, *words, "--out", tmp_path)
    assert "no fit converged" in line
    assert (tmp_path / "result.json").exists()


def test_debug_gives_the_traceback(tmp_path):
    done = run("fit", tmp_path / "absent.csv", "--debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("gmm fit: error:")


@pytest.mark.parametrize("name", ["pyarrow", "rich"])
def test_without_its_extra_the_command_line_says_what_to_install(name, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{name!r}] = None\n")
    line = fails(1, "fit", by=process, PYTHONPATH=str(tmp_path))
    assert line == f"gmm fit: error: {name} is not installed: python -m pip install jinja2 pyarrow rich"
    ok("--version", by=process, PYTHONPATH=str(tmp_path))


def test_a_table_of_numbers_is_fitted_without_pandas():
    """Loading it takes a good part of the time of a small fit, and arrow does so where it can."""
    words = ["fit", *FAST, "--quiet"]
    script = f"import sys; from gmm._cli import main; main({words}); sys.exit('pandas' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_output_that_is_not_unicode(iris):
    done = subprocess.run(
        [sys.executable, "-m", "gmm", "fit", iris, *FAST],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=True,
    )
    assert b"best (smallest)" in done.stdout


def test_json_is_utf_8_whatever_the_output_is(tmp_path):
    """Windows' pipes and files are of its code page, before Python 3.15."""
    path = tmp_path / "data.csv"
    path.write_text("Länge,длина\n1,2\n2,3\n4,5\n3,1\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "gmm", "fit", path, "--components", "1", "--covariance", "EII", "--json"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        check=True,
    )
    assert json.loads(done.stdout.decode("utf-8"))["data"]["columns"] == ["Länge", "длина"]
    assert b"\r" not in done.stdout


def test_json_goes_to_a_stream_of_text_alone(tmp_path):
    """A notebook's has no bytes beneath."""
    (tmp_path / "data.csv").write_text("a,b\n1,2\n2,3\n4,5\n3,1\n", encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        main(["fit", str(tmp_path / "data.csv"), "--components", "1", "--covariance", "EII", "--json"])
    assert json.loads(out.getvalue())["data"]["columns"] == ["a", "b"]


def test_piped_output_has_no_colours_and_no_progress(iris):
    done = ok("fit", iris, *FAST, "--label-column", "species")
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stderr == ""


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


def on_terminal(*command):
    """Run a command whose standard error is a terminal; return all that it writes there."""
    import pty

    main, terminal = pty.openpty()
    shown = bytearray()

    def drain():
        with contextlib.suppress(OSError):  # which ends a terminal that nobody holds
            while part := os.read(main, 1 << 16):
                shown.extend(part)

    reader = threading.Thread(target=drain)
    reader.start()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=terminal, env=environment, timeout=120, check=False
    )
    os.close(terminal)
    reader.join(10)
    os.close(main)
    assert done.returncode == 0, shown
    return shown.decode()


@pytest.mark.skipif(os.name != "posix", reason="terminals and signals of POSIX")
class TestOnATerminal:
    def test_progress_is_live(self, iris):
        shown = on_terminal(sys.executable, "-m", "gmm", "fit", iris, *FAST)
        assert "fitting" in shown
        assert "/6" in shown

    def test_reading_and_writing_are_shown_if_they_take_long(self, model, iris, tmp_path):
        script = (
            "import gmm._cli.output as o, gmm._cli.show as s, sys, time; s._PATIENCE = 0.1\n"
            "write = o.write_table\n"
            "o.write_table = lambda *of, **how: (time.sleep(0.8), write(*of, **how))\n"
            "from gmm._cli import main; sys.exit(main())"
        )
        slow = f"(sleep 0.8; cat '{iris}') | {sys.executable} -c '{script}' predict {model} - --out {tmp_path}/p.csv"
        shown = on_terminal("bash", "-c", slow)
        assert "reading" in shown
        assert "writing" in shown
        assert len((tmp_path / "p.csv").read_text(encoding="utf-8").splitlines()) == 151

    def test_passes_over_all_rows_are_told(self, iris):
        script = "import gmm._selection.search as f, sys; f.SEARCHED = 100; from gmm._cli import main; sys.exit(main())"
        shown = on_terminal(sys.executable, "-c", script, "fit", iris, *FAST, "--exclude", "species", "--blocks")
        assert re.search(r"all rows, pass \d+: [\d,]+ rows/s, 0 s left", shown)

    def test_a_closed_pipe_is_no_error(self):
        command = f"{sys.executable} -m gmm fit {' '.join(FAST)}"
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command} | head -1"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("272 rows, 2 columns\n")

    @pytest.mark.parametrize("json", [[], ["--json"]])
    def test_a_reader_that_goes_away_loses_no_file(self, json, tmp_path):
        command = shlex.join([sys.executable, "-m", "gmm", "fit", *FAST, "--report", "--plot", "p.svg", *json])
        done = subprocess.run(
            ["bash", "-c", f"{command} | true"], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.stdout == ""
        assert "Error" not in done.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == ["p.svg", "report.html"]

    def test_an_interrupt_ends_with_130(self, tmp_path):
        np.save(tmp_path / "big.npy", np.random.default_rng(0).normal(size=(200_000, 4)))
        words = ["fit", "big.npy", "--components", "8", "--tol", "0", "--max-iter", "100000"]
        done = subprocess.run(
            [sys.executable, "-c", INTERRUPTED_SEARCH, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "gmm fit: interrupted\n")


@pytest.mark.parametrize("command", ["predict", "plot"])
def test_a_model_and_a_table_in_the_wrong_order(command, tmp_path):
    table = tmp_path / "d.csv"
    table.write_text("x\n1\n2\n4\n9\n")
    ok("fit", table, "--components", "1", "--out", tmp_path)
    told = fails(2, command, table, tmp_path / "model.gmm")
    assert "d.csv is no saved model" in told
    assert "expected the model first" in told


@pytest.mark.parametrize("how", [[], ["--blocks"], ["--class-column", "kind"]])
def test_a_fit_keeps_columns_beside_labels(how, tmp_path):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=40) + np.repeat([0, 9], 20)).round(3)
    names = [f"n{i}" for i in range(40)]
    lines = [f"{name},{value},{value > 4}" for name, value in zip(names, x, strict=True)]
    (tmp_path / "d.csv").write_text("\n".join(["name,x,kind", *lines]) + "\n")
    fit = ("fit", tmp_path / "d.csv", "--components", "1", *how)
    ok(*fit, "--keep", "name", "--out", tmp_path)
    found = table((tmp_path / "labels.csv").read_text(encoding="utf-8"))
    assert next(iter(found)) == "name"
    assert found["name"] == names
    assert found["row"] == [str(i) for i in range(1, 41)]
    assert "no column 'nmae'" in fails(1, *fit, "--keep", "nmae", "--out", tmp_path)
    assert "--keep: expected with --out" in fails(2, *fit, "--keep", "name")


def test_predictions_do_not_replace_their_table(tmp_path):
    table = tmp_path / "d.csv"
    table.write_bytes((files("gmm") / "data" / "faithful.csv").read_bytes())
    ok("fit", table, "--components", "2", "--covariance", "EEE", "--out", tmp_path / "r")
    before = table.read_bytes()
    for more in ([], ["--blocks"], ["--keep", "all"]):
        error = fails(2, "predict", tmp_path / "r" / "model.gmm", table, *more, "--out", table)
        assert "this is the table itself" in error
    assert table.read_bytes() == before
