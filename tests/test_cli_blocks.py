"""The command line with --blocks: the bytes of the same table in memory, of files that are read for each pass."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import gmm
from inside import blocks, finishing
from test_cli import fails, ok

N = 4000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same rows as text, Parquet and .npy: an identifier, two features, a constant, a text, a code, and weights."""
    place = tmp_path_factory.mktemp("blocks")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 2)) + 6 * rng.integers(2, size=(N, 1))
    columns = {"id": np.arange(N) + 5, "a": X[:, 0], "b": X[:, 1], "c": np.full(N, 2.5), "t": ["x"] * N}
    columns["k"] = np.arange(N) // 10 % 3
    table = pa.table(columns | {"w": rng.uniform(0.5, 2, N)})
    pa.parquet.write_table(table, place / "rows.parquet", row_group_size=700)
    pa.csv.write_csv(table, place / "rows.csv")
    np.save(place / "rows.npy", X)
    return place


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(blocks, "_CHUNK_BYTES", 1 << 14)


def read(path):
    return pa.csv.read_csv(path) if path.suffix == ".csv" else pa.parquet.read_table(path)


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "rows.npy"])
def test_predict_writes_the_bytes_of_the_table_in_memory(folder, tmp_path, name):
    how = () if name == "rows.npy" else ("--columns", "b,a")
    ok("fit", folder / name, *how, "--components", 2, "--covariance", "full", "--out", tmp_path / "fit")
    model = tmp_path / "fit" / "model.gmm"
    for more in ((), ("--proba",), ("--density",)):
        whole, parts = (tmp_path / f"{label}.csv" for label in ("whole", "parts"))
        told = ok("predict", model, folder / name, "--out", whole, *more).stderr
        assert ok("predict", model, folder / name, "--out", parts, "--blocks", *more).stderr == told
        assert parts.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "rows.npy"])
def test_fit_finds_and_writes_what_it_does_in_memory(folder, tmp_path, name, monkeypatch):
    how = () if name == "rows.npy" else ("--exclude", "id,c,k", "--weight-column", "w")
    how = (folder / name, *how, "--components", "1:3", "--covariance", "full,EEE", "--format", "parquet")
    whole = ok("fit", *how, "--out", tmp_path / "whole")
    parts = ok("fit", *how, "--out", tmp_path / "parts", "--blocks")
    assert [line for line in parts.stderr.splitlines() if "left out" not in line] == [
        line for line in whole.stderr.splitlines() if "left out" not in line
    ]
    (one, other) = (gmm.load(tmp_path / label / "model.gmm") for label in ("whole", "parts"))
    np.testing.assert_allclose(other.means_, one.means_, atol=1e-3)
    assert list(other.feature_names_in_) == list(one.feature_names_in_)
    labels = [read(tmp_path / label / "labels.parquet") for label in ("whole", "parts")]
    assert labels[0]["component"].equals(labels[1]["component"])
    data = [
        json.loads((tmp_path / label / "result.json").read_text(encoding="utf-8"))["data"]
        for label in ("whole", "parts")
    ]
    for key in ("n_rows", "columns", "total_weight"):
        assert data[0][key] == data[1][key]
    monkeypatch.setattr(finishing, "SEARCHED", 1000)
    sampled = ok("fit", *how, "--json", "--blocks", "--quiet")
    assert json.loads(sampled.stdout)["best"]["n_components"] == 2


def test_no_array_of_all_labels_is_made(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(gmm.GaussianMixture, "predict", None)
    how = ("--columns", "a,b", "--components", 2, "--covariance", "full", "--noise", "--out", tmp_path, "--json")
    found = json.loads(ok("fit", folder / "rows.csv", *how, "--blocks").stdout)["best"]
    labels = read(tmp_path / "labels.csv")["component"].to_numpy()
    assert found["rows_per_component"] == np.bincount(labels[labels >= 0]).tolist()


def test_fit_tells_of_columns_as_in_memory(folder):
    told = ok("fit", folder / "rows.parquet", "--components", 1, "--covariance", "diag", "--blocks").stderr
    assert "left out: 't' (type string)" in told
    for column, what in {
        "'id'": "numbers the rows",
        "'c' (2.5)": "is constant",
        "'k' (3 distinct values)": "a code",
    }.items():
        assert any(column in line and what in line and "--columns" in line for line in told.splitlines())
    whole = ok("fit", folder / "rows.parquet", "--components", 1, "--covariance", "diag")
    assert whole.stderr == told
    shown = ("fit", folder / "rows.parquet", "--components", 1, "--covariance", "diag", "--json", "--blocks")
    assert json.loads(ok(*shown).stdout)["data"]["columns"] == ["a", "b", "w"]
    assert "id" in json.loads(ok(*shown, "--columns", "a,id").stdout)["data"]["columns"]


def test_a_gap_in_a_column_that_is_left_out_is_none(tmp_path):
    rows = np.random.default_rng(0).normal(size=(200, 2)).tolist()
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "a", "b"], *([i if i != 7 else "", *row] for i, row in enumerate(rows))])
    how = "fit", tmp_path / "rows.csv", "--components", 1, "--covariance", "full"
    whole, parts = ok(*how), ok(*how, "--blocks")
    assert "left out: 'id'" in whole.stderr
    assert (parts.stdout, parts.stderr) == (whole.stdout, whole.stderr)


@pytest.mark.parametrize("alone", [False, True])
def test_columns_that_number_the_rows_in_any_order_are_left_out(alone, tmp_path):
    rng, n = np.random.default_rng(0), 2000
    columns = {"id": rng.permutation(n) - 7, "a": rng.normal(size=n), "same": rng.permutation(n)}
    columns["same"][columns["same"] == 5] = 6  # as wide, but not distinct
    pa.parquet.write_table(pa.table(columns), tmp_path / "rows.parquet")
    how = ("--components", 1, "--covariance", "diag", *(("--exclude", "a,same") if alone else ()), "--blocks")
    told = ok("fit", tmp_path / "rows.parquet", *how).stderr
    single = "column 'id' numbers the rows, like an identifier; use --exclude to leave it out"
    beside = "left out: 'id', which numbers the rows, like an identifier; use --columns"
    assert (single if alone else beside) in told
    assert "same" not in told


def test_a_model_without_names_is_given_all_columns(folder, tmp_path):
    table = pa.table({"id": np.arange(40), "a": np.sin(np.arange(40.0))})
    pa.parquet.write_table(table, tmp_path / "rows.parquet")
    values = np.column_stack([table["id"], table["a"]]).astype(float)
    gmm.GaussianMixture(2, random_state=0).fit(values).save(tmp_path / "m")
    for more in ((), ("--blocks",)):
        ok("predict", tmp_path / "m", tmp_path / "rows.parquet", "--out", tmp_path / "labels.csv", *more)
        labels = read(tmp_path / "labels.csv")["component"].to_numpy()
        np.testing.assert_array_equal(labels, gmm.load(tmp_path / "m").predict(values))


def test_a_posterior_is_fitted_block_by_block(folder):
    how = ("fit", folder / "rows.parquet", "--columns", "a,b", "--bayesian", "--max-components", 4, "--json")
    one, other = (json.loads(ok(*how, *more).stdout) for more in ((), ("--blocks",)))
    assert one["best"] == other["best"]


def test_columns_are_predicted_block_by_block_as_in_memory(folder, tmp_path):
    table = folder / "rows.parquet"
    ok("fit", table, "--columns", "a,b", "--components", 2, "--covariance", "VVV", "--out", tmp_path)
    how = ("predict", tmp_path / "model.gmm", table, "--known", "a", "--level", "0.9", "--keep", "k")
    for name, more in {"memory.csv": (), "blocks.csv": ("--blocks",)}.items():
        ok(*how, "--out", tmp_path / name, *more)
    assert (tmp_path / "memory.csv").read_bytes() == (tmp_path / "blocks.csv").read_bytes()


def test_what_does_not_go_with_blocks_is_said(folder, tmp_path):
    table = folder / "rows.parquet"
    assert "expected a file" in fails(2, "fit", "--blocks")
    assert "expected a file" in fails(2, "fit", "-", "--blocks", stdin="a\n1\n2\n")
    assert "no column 'z'" in fails(1, "fit", table, "--columns", "a,z", "--blocks")
    assert "both fitted and left out: 'a'" in fails(1, "fit", table, "--columns", "a", "--exclude", "a", "--blocks")
    assert "no numeric columns" in fails(1, "fit", table, "--exclude", "id,a,b,c,k,w", "--blocks")
    assert "by options: 'a', 'b'" in fails(1, "fit", table, "--exclude", "id,a,b,c,k,w,t", "--blocks")
    assert "column 't'" in fails(1, "fit", table, "--columns", "a,t", "--blocks")
    np.save(tmp_path / "one.npy", np.ones((1, 2)))
    assert "1 row" in fails(1, "fit", tmp_path / "one.npy", "--blocks")
    broken = pa.table({"a": [1.0, None, 3.0], "b": [1.0, 2.0, 3.0]})
    pa.parquet.write_table(broken, tmp_path / "broken.parquet")
    assert "row 2, column 'a'" in fails(1, "fit", tmp_path / "broken.parquet", "--blocks")


def test_a_column_without_a_name_is_left_out_as_in_memory(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"{number},{a:.6f},{b:.6f}" for number, (a, b) in enumerate(rng.normal(size=(300, 2)))]
    (tmp_path / "rows.csv").write_text("\n".join([",a,b", *lines]) + "\n")
    for how in ((), ("--blocks",)):
        done = ok("fit", tmp_path / "rows.csv", *how, "--components", 1, "--covariance", "diag")
        assert "300 rows, 2 columns" in done.stdout
        assert "no name, as for row numbers" in done.stderr


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_predictions_carry_columns_of_the_table(folder, tmp_path, name):
    ok("fit", folder / name, "--columns", "b,a", "--components", 2, "--covariance", "full", "--out", tmp_path / "fit")
    model, own = tmp_path / "fit" / "model.gmm", read(folder / name)
    for keep, names in {"t,id": ["t", "id"], "all": own.column_names}.items():
        whole, parts = (tmp_path / f"{label}.csv" for label in ("whole", "parts"))
        ok("predict", model, folder / name, "--keep", keep, "--proba", "--out", whole)
        ok("predict", model, folder / name, "--keep", keep, "--proba", "--out", parts, "--blocks")
        assert parts.read_bytes() == whole.read_bytes()
        written = read(whole)
        assert written.column_names == [*names, "row", "component", "p_0", "p_1"]
        assert all(written[column].equals(own[column]) for column in names)
    for how in ((), ("--blocks",)):
        assert "no column 'z'" in fails(1, "predict", model, folder / name, "--keep", "z", "--out", whole, *how)


def test_kept_columns_are_those_of_the_rows_that_are_left(tmp_path):
    lines = [f"{i}.5,{'' if i == 3 else i * i % 7},name {i},{i}" for i in range(20)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,who,component", *lines]) + "\n")
    fit = ("--columns", "a,b", "--drop-missing", "--components", 1, "--covariance", "full", "--out", tmp_path)
    ok("fit", tmp_path / "rows.csv", *fit)
    how = ("predict", tmp_path / "model.gmm", tmp_path / "rows.csv", "--drop-missing", "--keep", "who,component")
    found = ok(*how).stdout.splitlines()
    assert found[0] == "who,component,row,component_"
    assert next(csv.reader(found[4:])) == ["name 4", "4", "5", "0"]
    known = ok(*how, "--known", "a").stdout.splitlines()
    assert known[0] == "who,component,row,b,b_sd"


def test_columns_keep_their_names_where_rows_without_a_value_are_left_out(tmp_path):
    rows = np.random.default_rng(0).normal(size=(300, 2)).astype(str)
    rows[7], rows[9, 0] = "", ""
    (tmp_path / "rows.csv").write_text("a,b\n" + "\n".join(map(",".join, rows)) + "\n")
    how = ("fit", tmp_path / "rows.csv", "--missing", "em", "--components", 1, "--covariance", "full", "--json")
    for more in ((), ("--blocks",), ("--blocks", "--bayesian")):
        how = how if "--bayesian" not in more else (*how[:4], "--json")
        assert json.loads(ok(*how, *more).stdout)["best"]["columns"] == ["a", "b"]
