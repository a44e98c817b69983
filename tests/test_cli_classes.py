"""A classifier from the command line: what it prints and writes, what predicts with it, and what it refuses."""

import csv
import json

import numpy as np
import pytest
from sklearn.datasets import load_iris

import gmm
from test_cli import fails, ok

NAMES = np.array(["setosa", "versicolor", "virginica"])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Iris with gaps among the species: every tenth is unknown."""
    X, y = load_iris(return_X_y=True)
    path = tmp_path_factory.mktemp("data") / "iris.csv"
    labels = ["" if number % 10 == 0 else name for number, name in enumerate(NAMES[y])]
    lines = [",".join([*map(str, row), label]) for row, label in zip(X, labels, strict=True)]
    path.write_text("\n".join(["a,b,c,d,species", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def fitted(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    return out, ok("fit", table, "--class-column", "species", "--out", out).stdout


def rows_of(text):
    return list(csv.DictReader(text.splitlines()))


def test_a_fit_prints_its_classes(fitted):
    out, printed = fitted
    assert printed.splitlines()[0].endswith("iris.csv: 150 rows, 4 columns")
    assert "3 classes, 3 components" in printed
    assert " of the labelled rows; 15 rows have no label\n" in printed
    assert "labelled rows are predicted right" in printed
    assert printed.splitlines()[-1] == f"written to {out}: model.gmm, labels.csv, result.json"


def test_it_writes_the_classifier_of_python(fitted, table):
    X, y = load_iris(return_X_y=True)
    some = [None if number % 10 == 0 else name for number, name in enumerate(NAMES[y])]
    ours, direct = gmm.load(fitted[0] / "model.gmm"), gmm.MixtureClassifier(random_state=0).fit(X, some)
    assert ours.bic_ == direct.bic_
    assert ours.classes_.tolist() == NAMES.tolist()
    assert ours.feature_names_in_.tolist() == list("abcd")
    written = rows_of((fitted[0] / "labels.csv").read_text(encoding="utf-8"))
    assert [row["class"] for row in written] == direct.predict(X).tolist()
    shown = [float(row["p_setosa"]) for row in written]
    np.testing.assert_array_equal(shown, direct.predict_proba(X)[:, 0].round(6))
    document = json.loads((fitted[0] / "result.json").read_text(encoding="utf-8"))
    assert [one["class"] for one in document["best"]["classes"]] == NAMES.tolist()
    assert (document["best"]["bic"], document["best"]["n_iter"]) == (direct.bic_, direct.n_iter_)
    assert None not in document["best"]["classes"][0].values()
    assert document["accuracy"] == direct.score(X, some)
    assert json.loads(ok("fit", table, "--class-column", "species", "--json").stdout) == document


def test_bic_may_be_asked_for_by_name(fitted, table):
    how = ("fit", table, "--class-column", "species", "--criterion", "bic", "--json")
    assert json.loads(ok(*how).stdout) == json.loads((fitted[0] / "result.json").read_text(encoding="utf-8"))


def test_its_model_predicts_classes(fitted, table, tmp_path):
    model = fitted[0] / "model.gmm"
    ok("predict", model, table, "--proba", "--out", tmp_path / "classes.csv")
    assert (tmp_path / "classes.csv").read_text(encoding="utf-8") == (fitted[0] / "labels.csv").read_text(
        encoding="utf-8"
    )
    short = rows_of(ok("predict", model, table).stdout)
    assert list(short[0]) == ["row", "class"]
    assert short[0]["class"] == "setosa"
    assert "p_setosa" not in short[0]


def test_its_model_is_shown(fitted):
    model = fitted[0] / "model.gmm"
    headline, saved, *table = ok("info", model).stdout.splitlines()
    assert headline.startswith("3 classes")
    assert saved == f"saved by gmm {gmm.__version__}, format 1"
    assert any(line.split()[:1] == ["virginica"] for line in table)
    shown = json.loads(ok("info", model, "--json").stdout)
    assert (shown["format_version"], len(shown["classes"])) == (1, 3)


def test_whole_numbers_are_classes_and_gaps_are_taken(tmp_path):
    X, y = load_iris(return_X_y=True)
    lines = [f"{row[0]},{row[2] if number % 7 else ''},{-1 if number % 5 == 0 else k}" for number, (row, k) in
             enumerate(zip(X, y, strict=True))]  # fmt: skip
    (tmp_path / "t.csv").write_text("\n".join(["length,petal,kind", *lines]) + "\n")
    how = ("--class-column", "kind", "--covariance", "EEE,VVV")
    printed = ok("fit", "t.csv", *how, "--missing", "em", "--out", "out", cwd=tmp_path).stdout
    classifier = gmm.load(tmp_path / "out" / "model.gmm")
    assert (classifier.classes_.tolist(), classifier.missing) == ([0, 1, 2], "em")
    assert " of the labelled rows; 30 rows have no label\n" in printed
    predicted = rows_of(ok("predict", "out/model.gmm", "t.csv", cwd=tmp_path).stdout)
    assert np.mean([int(row["class"]) == k for row, k in zip(predicted, y, strict=True)]) > 0.9
    assert "--missing em" in fails(1, "fit", "t.csv", *how, cwd=tmp_path)


def test_the_accuracy_is_by_weight(tmp_path):
    rng = np.random.default_rng(0)
    X, y, weight = rng.normal(size=(60, 2)), np.arange(60) % 2, np.arange(60) % 3 + 1
    X += y[:, None]
    some = [None if number % 5 == 0 else k for number, k in enumerate(y.tolist())]
    lines = [f"{a!r},{b!r},{w},{'' if k is None else k}" for (a, b), w, k in zip(X.tolist(), weight, some, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,w,kind", *lines]) + "\n")
    how = ("--class-column", "kind", "--weight-column", "w", "--json")
    found = json.loads(ok("fit", "t.csv", *how, cwd=tmp_path).stdout)
    classifier = gmm.MixtureClassifier(random_state=0).fit(X, some, weight)
    assert found["accuracy"] == classifier.score(X, some, weight) != classifier.score(X, some)


def test_several_components_and_their_spikes_are_told(table, tmp_path):
    kept = [line for line in table.read_text(encoding="utf-8").splitlines() if ",setosa" not in line]
    same = [line for number in range(10) for line in ("5.1,3.5,1.4,0.2,setosa", "5.4,3.9,1.7,0.4,setosa")]
    (tmp_path / "same.csv").write_text("\n".join([*kept, *same]) + "\n")  # two flowers again and again
    how = "--class-column", "species", "--components", "2", "--covariance", "VVI,VVE"
    done = ok("fit", "same.csv", *how, cwd=tmp_path)
    assert "6 components" in done.stdout
    assert "note: A component of class 'setosa' has collapsed" in done.stderr
    found = json.loads(ok("fit", table, "--class-column", "species", "--components", "1,2", "--json", "--quiet").stdout)
    assert [one["columns"] for one in found["best"]["classes"]] == [list("abcd")] * 3


def test_what_a_classifier_is_no_use_for_is_refused(fitted, table, tmp_path):
    model = fitted[0] / "model.gmm"
    for words in (("--known", "a"), ("--blocks",)):
        assert f"a classifier cannot be combined with {words[0]}" in fails(2, "predict", model, table, *words)
    for words in (
        ("sample", model, "-n", "2"),
        ("export", model, "--out", tmp_path / "a.json"),
        ("plot", model, table),
    ):
        assert "gmm predict and gmm info" in fails(1, *words)
    assert "no column 'kind'" in fails(1, "fit", table, "--class-column", "kind")
    empty = tmp_path / "empty.csv"
    empty.write_text("a,b,kind\n1,2,\n3,4,\n5,7,\n")
    assert "all are unknown" in fails(1, "fit", empty, "--class-column", "kind")


@pytest.mark.parametrize("option", ["--class-column", "--label-column"])
def test_markers_of_missing_values_are_no_labels(option, tmp_path):
    markers = ["", "NA", " n/a ", "NaN", "null", "None", "?", "<NA>", "#N/A", "b", "c", "c"] * 4
    lines = [f"{number % 17},{number % 5},{marker}" for number, marker in enumerate(markers)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,kind", *lines]) + "\n")
    how = ("--components", "1", "--covariance", "EII", "--json")
    agreement = json.loads(ok("fit", "t.csv", option, "kind", *how, cwd=tmp_path).stdout)["agreement"]
    assert (agreement["labels"], agreement["n_unlabelled"]) == (["b", "c"], 36)


def test_whole_numbers_with_gaps_are_classes_as_pandas_writes_them(tmp_path):
    X, y = load_iris(return_X_y=True)
    kinds = [("", "-1.0")[number % 2] if number % 5 == 0 else f"{k:.1f}" for number, k in enumerate(y)]
    lines = [f"{row[0]},{row[2]},{k},{k.removesuffix('.0')}" for row, k in zip(X, kinds, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["length,petal,kind,whole", *lines]) + "\n")
    how = ("--columns", "length,petal", "--json", "--out", "out")
    printed = ok("fit", "t.csv", "--class-column", "kind", *how, cwd=tmp_path).stdout
    assert gmm.load(tmp_path / "out" / "model.gmm").classes_.tolist() == [0, 1, 2]
    assert json.loads(printed)["agreement"]["labels"] == ["0", "1", "2"]
    assert json.loads(printed) == json.loads(ok("fit", "t.csv", "--class-column", "whole", *how, cwd=tmp_path).stdout)
    compared = ok("fit", "t.csv", "--label-column", "kind", "--components", "1", *how, cwd=tmp_path).stdout
    assert json.loads(compared)["agreement"]["labels"] == ["-1", "0", "1", "2"]
    refused = fails(1, "fit", "t.csv", "--class-column", "petal", "--columns", "length", cwd=tmp_path)
    assert "--class-column" in refused
    assert "got 1.1" in refused


def test_the_table_of_many_classes_is_left_out(tmp_path):
    lines = [f"{10 * (number // 3) + number % 3},c{number // 3}" for number in range(75)]
    for rows, there in ((lines[:72], True), (lines, False)):
        (tmp_path / "t.csv").write_text("\n".join(["a,kind", *rows]) + "\n")
        done = ok("fit", "t.csv", "--columns", "a", "--class-column", "kind", "--covariance", "EEE", cwd=tmp_path)
        assert any(line.split()[:3] == ["kind", "c0", "c1"] for line in done.stdout.splitlines()) == there
        assert ("25 columns left out" in done.stdout) != there
        assert "adjusted Rand index 1.0000" in done.stdout
