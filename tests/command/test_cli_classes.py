"""A classifier from the command line: what it prints and writes, what predicts with it, and what it refuses."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

import gmm
from command import fails, json_of, labels_in, ok, result_in, table, text_in, write
from gmm import __version__
from tables import assert_contains

NAMES = np.array(["setosa", "versicolor", "virginica"])
X, Y = load_iris(return_X_y=True)
pytestmark = pytest.mark.needs("pyarrow")
SOME = [None if number % 10 == 0 else name for number, name in enumerate(NAMES[Y])]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Iris with gaps among the species: every tenth is unknown."""
    path = tmp_path_factory.mktemp("data") / "iris.csv"
    return write(path, [*"abcd", "species"], *X.T, [name or "" for name in SOME])


@pytest.fixture(scope="module")
def fitted(rows, tmp_path_factory):
    pytest.importorskip("pyarrow")  # a fixture of the module comes before what a mark of its tests needs
    out = tmp_path_factory.mktemp("results")
    return out, ok("fit", rows, "--class-column", "species", "--out", out).stdout


def test_a_fit_prints_its_classes_and_writes_the_classifier_of_python(fitted, rows):
    out, printed = fitted
    assert printed.splitlines()[0].endswith("iris.csv: 150 rows, 4 columns")
    assert_contains(printed, "3 classes, 3 components", " of the labelled rows; 15 rows have no label\n")
    assert "labelled rows are predicted right" in printed
    assert printed.splitlines()[-1] == f"written to {out}: model.gmm, labels.csv, result.json"
    ours, direct = gmm.load(out / "model.gmm"), gmm.MixtureClassifier(random_state=0).fit(X, SOME)
    assert (ours.bic_, ours.classes_.tolist()) == (direct.bic_, NAMES.tolist())
    assert ours.feature_names_in_.tolist() == list("abcd")
    labels, document = labels_in(out), result_in(out)
    assert labels["class"] == direct.predict(X).tolist()
    np.testing.assert_array_equal(np.float64(labels["p_setosa"]), direct.predict_proba(X)[:, 0].round(6))
    assert [one["class"] for one in document["best"]["classes"]] == NAMES.tolist()
    assert (document["best"]["bic"], document["best"]["n_iter"]) == (direct.bic_, direct.n_iter_)
    assert None not in document["best"]["classes"][0].values()
    assert document["accuracy"] == direct.score(X, SOME)
    assert json_of("fit", rows, "--class-column", "species") == document


def test_its_model_predicts_classes_and_is_shown(fitted, rows, tmp_path):
    model = fitted[0] / "model.gmm"
    ok("predict", model, rows, "--proba", "--out", tmp_path / "classes.csv")
    assert text_in(tmp_path / "classes.csv") == text_in(fitted[0] / "labels.csv")
    short = table(ok("predict", model, rows).stdout)
    assert list(short) == ["row", "class"]
    assert short["class"][0] == "setosa"
    headline, saved, *lines = ok("info", model).stdout.splitlines()
    assert headline.startswith("3 classes")
    assert saved == f"saved by gmm {__version__}, format 1"
    assert any(line.split()[:1] == ["virginica"] for line in lines)
    shown = json_of("info", model)
    assert (shown["format_version"], len(shown["classes"])) == (1, 3)


def test_whole_numbers_are_classes_and_gaps_are_taken(tmp_path):
    i = np.arange(150)
    petal, kinds = np.where(i % 7, X[:, 2].astype(str), ""), np.where(i % 5, Y, -1)
    path = write(tmp_path / "t.csv", ["length", "petal", "kind"], X[:, 0], petal, kinds)
    how = ("--class-column", "kind", "--covariance", "EEE,VVV")
    printed = ok("fit", path, *how, "--missing", "em", "--out", tmp_path).stdout
    classifier = gmm.load(tmp_path / "model.gmm")
    assert (classifier.classes_.tolist(), classifier.missing) == ([0, 1, 2], "em")
    assert " of the labelled rows; 30 rows have no label\n" in printed
    assert "--missing em" in fails(1, "fit", path, *how)


def test_the_accuracy_is_by_weight(tmp_path):
    y, weight = np.arange(60) % 2, np.arange(60) % 3 + 1
    rows = np.random.default_rng(0).normal(size=(60, 2)) + y[:, None]
    some = [None if number % 5 == 0 else k for number, k in enumerate(y.tolist())]
    path = write(tmp_path / "t.csv", ["a", "b", "w", "kind"], *rows.T.tolist(), weight, some)
    found = json_of("fit", path, "--class-column", "kind", "--weight-column", "w")
    classifier = gmm.MixtureClassifier(random_state=0).fit(rows, some, weight)
    assert found["accuracy"] == classifier.score(rows, some, weight) != classifier.score(rows, some)


def test_a_classifier_is_fitted_in_standard_deviations(rows):
    fit = ("fit", rows, "--class-column", "species", "--covariance", "VII")
    for words, standardize in (((), False), (("--scale",), True)):
        direct = gmm.MixtureClassifier(1, "VII", standardize=standardize, random_state=0).fit(X, SOME)
        assert json_of(*fit, *words)["best"]["bic"] == direct.bic_


def test_several_components_and_their_spikes_are_told(rows, tmp_path):
    kept = [line for line in text_in(rows).splitlines() if ",setosa" not in line]
    same = [line for number in range(10) for line in ("5.1,3.5,1.4,0.2,setosa", "5.4,3.9,1.7,0.4,setosa")]
    (tmp_path / "same.csv").write_text("\n".join([*kept, *same]) + "\n")  # two flowers again and again
    how = "--class-column", "species", "--components", "2", "--covariance", "VVI,VVE"
    done = ok("fit", tmp_path / "same.csv", *how)
    assert "6 components" in done.stdout
    assert "note: A component of class 'setosa' is degenerate" in done.stderr
    found = json_of("fit", rows, "--class-column", "species", "--components", "1,2", "--quiet")
    assert [one["columns"] for one in found["best"]["classes"]] == [list("abcd")] * 3


def test_what_a_classifier_is_no_use_for_is_refused(fitted, rows, tmp_path):
    model = fitted[0] / "model.gmm"
    assert "a classifier cannot be combined with --blocks" in fails(2, "predict", model, rows, "--blocks")
    for command, *words in (("sample", "-n", "2"), ("export", "--out", tmp_path / "a.json"), ("plot", rows)):
        assert "gmm predict and gmm info" in fails(1, command, model, *words)
    assert "no column 'kind'" in fails(1, "fit", rows, "--class-column", "kind")
    empty = write(tmp_path / "empty.csv", ["a", "b", "kind"], [1, 3, 5], [2, 4, 7], [""] * 3)
    assert "all are unknown" in fails(1, "fit", empty, "--class-column", "kind")


@pytest.mark.parametrize("option", ["--class-column", "--label-column"])
def test_markers_of_missing_values_are_no_labels(option, tmp_path):
    markers = ["", "NA", " n/a ", "NaN", "null", "None", "?", "<NA>", "#N/A", "b", "c", "c"] * 4
    path = write(tmp_path / "t.csv", ["a", "b", "kind"], np.arange(48) % 17, np.arange(48) % 5, markers)
    agreement = json_of("fit", path, option, "kind", "--components", "1", "--covariance", "EII")["agreement"]
    assert (agreement["labels"], agreement["n_unlabelled"]) == (["b", "c"], 36)


def test_whole_numbers_with_gaps_are_classes_as_pandas_writes_them(tmp_path):
    kinds = [("", "-1.0")[number % 2] if number % 5 == 0 else f"{k:.1f}" for number, k in enumerate(Y)]
    columns = X[:, 0], X[:, 2], kinds, [k.removesuffix(".0") for k in kinds]
    path = write(tmp_path / "t.csv", ["length", "petal", "kind", "whole"], *columns)
    how = ("fit", path, "--columns", "length,petal")
    found = json_of(*how, "--class-column", "kind", "--out", tmp_path)
    assert gmm.load(tmp_path / "model.gmm").classes_.tolist() == [0, 1, 2]
    assert found["agreement"]["labels"] == ["0", "1", "2"]
    assert found == json_of(*how, "--class-column", "whole")
    compared = json_of(*how, "--label-column", "kind", "--components", "1")
    assert compared["agreement"]["labels"] == ["-1", "0", "1", "2"]
    assert "got 1.1" in fails(1, "fit", path, "--class-column", "petal", "--columns", "length")


def test_labels_that_are_numbers_are_in_their_order_and_the_table_of_many_is_left_out(tmp_path):
    for n, there in ((24, True), (25, False)):
        i = np.arange(3 * n)
        path = write(tmp_path / "t.csv", ["a", "kind"], 10 * (i // 3) + i % 3, i // 3)
        fit = ("fit", path, "--columns", "a", "--covariance", "EEE", "--components", "1")
        shown = ok(*fit, "--class-column", "kind").stdout
        assert any(line.split()[:3] == ["kind", "0", "1"] for line in shown.splitlines()) == there
        assert ("25 columns left out" in shown) != there
        assert "adjusted Rand index 1.0000" in shown
        classes, compared = (json_of(*fit, how, "kind")["agreement"] for how in ("--class-column", "--label-column"))
        assert classes["labels"] == compared["labels"] == [str(k) for k in range(n)]
        np.testing.assert_array_equal(classes["counts"], 3 * np.eye(n))
