"""One table for both ways to read it: what `gmm` prints and writes is the same in memory and block by block."""

import csv
import json
import re
from importlib.resources import files

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import gmm
from inside import blocks, entrance
from test_cli import fails, ok

BOTH = pytest.mark.parametrize("how", [(), ("--blocks",)], ids=["memory", "blocks"])
ONE = ("--components", 1, "--covariance", "EII")
N = 600


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(blocks, "_CHUNK_BYTES", 1 << 12)


def measured(n=N):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 2)) + 6 * rng.integers(2, size=(n, 1))


def kept(place, table, names, how):
    """The columns that are carried to the predictions of a model of a and b."""
    ok("fit", table, "--columns", "a,b", *ONE, "--out", place)
    done = ok("predict", place / "model.gmm", table, "--keep", names, "--out", place / "p.csv", *how)
    assert "left out" not in done.stderr
    return rows_of(place / "p.csv")


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@BOTH
def test_columns_of_text_are_kept_as_they_are_written(how, tmp_path):
    zips = [f"{7 * i % 100_000:05}" for i in range(N)]
    notes = ["", "NA", " a", "1e3", "x,y"]
    lines = [f'{a:.3f},{b:.3f},{zips[i]},"{notes[i % 5]}"' for i, (a, b) in enumerate(measured())]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,zip,note", *lines]) + "\n")
    found = kept(tmp_path, tmp_path / "t.csv", "zip,note,a", how)
    assert [row["zip"] for row in found] == zips
    assert [row["note"] for row in found] == [notes[i % 5] for i in range(N)]
    assert [row["a"] for row in found] == [line.partition(",")[0] for line in lines]


@BOTH
def test_numbers_of_a_german_export_are_kept_as_they_are_written(how, tmp_path):
    lines = [
        f"{a:.3f};{b:.2f}".replace(".", ",") + f";{1 + i % 9}.{i % 1000:03}" for i, (a, b) in enumerate(measured())
    ]
    (tmp_path / "t.csv").write_text("\n".join(["a;b;c", *lines]) + "\n")
    found = kept(tmp_path, tmp_path / "t.csv", "c,a", how)
    assert [row["c"] for row in found] == [line.rpartition(";")[2] for line in lines]
    assert [row["a"] for row in found] == [line.partition(";")[0] for line in lines]


@BOTH
@pytest.mark.parametrize("kind", ["parquet", "npy"])
def test_whole_numbers_are_kept_to_the_last_digit(how, kind, tmp_path):
    numbers = (np.arange(N) * 7 + 2**62 + 1).astype(np.int64)
    X = measured()
    if kind == "parquet":
        table = pa.table({"a": X[:, 0], "b": X[:, 1], "n": pa.array([None, *numbers[1:]], pa.int64())})
        pa.parquet.write_table(table, tmp_path / "t.parquet")
        found = kept(tmp_path, tmp_path / "t.parquet", "n", how)
        assert [row["n"] for row in found] == ["", *map(str, numbers[1:])]
        return
    np.save(tmp_path / "t.npy", np.column_stack([numbers, numbers[::-1]]))
    gmm.GaussianMixture(1).fit(np.column_stack([numbers, numbers[::-1]])).save(tmp_path / "m.gmm")
    ok("predict", tmp_path / "m.gmm", tmp_path / "t.npy", "--keep", "x1", "--out", tmp_path / "p.csv", *how)
    assert [row["x1"] for row in rows_of(tmp_path / "p.csv")] == [str(number) for number in numbers[::-1]]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_byte_is_the_same(kind, tmp_path):
    X = measured()
    columns = {"a": X[:, 0], "b": X[:, 1], "who": [("x", "y", None)[i % 3] for i in range(N)], "w": np.ones(N) / 3}
    table = pa.table(columns)
    path = tmp_path / f"t.{kind}"
    (pa.parquet.write_table if kind == "parquet" else pa.csv.write_csv)(table, path)
    fit = ("fit", path, "--components", "1:3", "--covariance", "EEE,VVV", "--label-column", "who")
    fit = (*fit, "--weight-column", "w")
    for name, how in {"whole": (), "parts": ("--blocks",)}.items():
        done = ok(*fit, "--format", "parquet", "--out", tmp_path / name, *how)
        told = done.stderr + done.stdout.replace(str(tmp_path / name), "")
        (tmp_path / f"{name}.txt").write_text(told, encoding="utf-8")
        document = json.loads((tmp_path / name / "result.json").read_text(encoding="utf-8"))
        for cell in document["cells"]:
            del cell["seconds"]
        (tmp_path / name / "result.json").write_text(json.dumps(document))
        model = tmp_path / name / "model.gmm"
        ok("predict", model, path, "--proba", "--keep", "all", "--out", tmp_path / name / "p.parquet", *how)
        (tmp_path / name / "p.csv").write_text(ok("predict", model, path, *how).stdout)
    assert document["agreement"]["labels"] == ["x", "y"]
    assert (tmp_path / "whole.txt").read_text(encoding="utf-8") == (tmp_path / "parts.txt").read_text(encoding="utf-8")
    for file in ("labels.parquet", "criteria.csv", "result.json", "p.parquet", "p.csv"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "parts" / file).read_bytes(), file


@BOTH
def test_names_have_no_blanks_and_files_need_no_suffix(how, tmp_path):
    lines = [f"{a:.3f},{b:.3f},{'xy'[i % 2]}" for i, (a, b) in enumerate(measured())]
    (tmp_path / "rows").write_text("\n".join([" a, b ,who", *lines]) + "\n")
    words = ("--columns", "b,a", "--label-column", "who", *ONE, "--json")
    document = json.loads(ok("fit", tmp_path / "rows", *words, *how).stdout)
    assert document["data"]["columns"] == ["b", "a"]
    assert document["agreement"]["counts"] == [[N // 2], [N // 2]]
    twice = " a,a\n1,2\n3,5\n"
    (tmp_path / "twice").write_text(twice)
    assert "more than once: 'a'" in fails(1, "fit", tmp_path / "twice", *how)


@BOTH
def test_text_beside_tables_is_told(how, tmp_path):
    X = measured()
    pa.parquet.write_table(pa.table({"a": X[:, 0], "b": X[:, 1]}), tmp_path / "part-1.parquet")
    (tmp_path / "readings.csv").write_text("a,b\n1,2\n")
    done = ok("fit", tmp_path, *ONE, "--json", *how)
    assert json.loads(done.stdout)["data"]["n_rows"] == N
    assert "files of another kind are not read: 'readings.csv'" in done.stderr


@BOTH
def test_notes_are_on_the_columns_that_were_asked_for(how, tmp_path):
    lines = [f"{a:.3f};{b:.2f};{1 + i % 9},{i % 1000:03}.5;7;x" for i, (a, b) in enumerate(measured())]
    (tmp_path / "t.csv").write_text("\n".join(["a;b;c;d;e", *lines]) + "\n")
    fit = ("fit", tmp_path / "t.csv", *ONE, "--quiet", "--decimal", ".")
    document = json.loads(ok(*fit, "--columns", "a,b", "--json", *how).stdout)
    assert document["data"]["notes"] == []
    (told,) = json.loads(ok(*fit, "--columns", "a,c", "--json", *how).stdout)["data"]["notes"]
    assert "'c'" in told


@BOTH
def test_numbers_of_rows_in_any_order_are_no_measurements(how, tmp_path):
    rng, X = np.random.default_rng(1), measured()
    some = rng.permutation(N + N // 5)[:N] + 1000
    counts = rng.integers(0, N + N // 5, N)
    pa.parquet.write_table(pa.table({"id": some, "a": X[:, 0], "count": counts}), tmp_path / "t.parquet")
    done = ok("fit", tmp_path / "t.parquet", *ONE, "--json", *how)
    assert json.loads(done.stdout)["data"]["columns"] == ["a", "count"]
    assert "'id'" in done.stderr
    assert "identifier" in done.stderr


@BOTH
@pytest.mark.parametrize("named", [(), ("--columns", "a,b")])
def test_a_table_of_constants_is_told(how, named, tmp_path):
    pa.parquet.write_table(pa.table({"a": np.full(50, 2.5), "b": np.full(50, 3)}), tmp_path / "t.parquet")
    told = fails(1, "fit", tmp_path / "t.parquet", *named, *how)
    assert all(each in told for each in ("constant", "'a'", "'b'"))


@BOTH
def test_a_weight_that_is_none_is_named(how, tmp_path):
    (tmp_path / "t.csv").write_text("a,w\n1,1\n2,1\n4,-2\n5,1\n")
    told = fails(1, "fit", tmp_path / "t.csv", "--weight-column", "w", *ONE, *how)
    assert all(each in told for each in ("'w'", "-2", "row 3"))


def test_a_constant_that_was_asked_for_is_told_once(tmp_path):
    pa.parquet.write_table(pa.table({"a": measured()[:, 0], "b": np.full(N, 3)}), tmp_path / "t.parquet")
    told = ok("fit", tmp_path / "t.parquet", *ONE, "--columns", "a,b").stderr
    assert told.count("'b'") == told.count("constant") == 1


@pytest.mark.parametrize(("name", "near"), [("EEX", ["EEE", "EEI", "EEV"]), ("vvx", ["VVI", "VVE", "VVV"])])
def test_a_wrong_covariance_model_is_told_its_neighbours(name, near):
    told = fails(2, "fit", "--covariance", name).partition("did you mean")[2]
    assert all(each in told for each in near)


def test_a_plot_needs_a_name(tmp_path):
    told = fails(2, "fit", "--plot", cwd=tmp_path)
    assert "--plot: expected one argument" in told


def test_the_table_may_stand_behind_options(tmp_path):
    np.savetxt(tmp_path / "t.csv", measured(), delimiter=",", header="a,b", comments="")
    ok("fit", tmp_path / "t.csv", *ONE, "--out", tmp_path)
    how = ("plot", tmp_path / "model.gmm", "--kind", "pairs", tmp_path / "t.csv", "--out", tmp_path / "p.png")
    ok(*how)
    assert "t2.csv" in fails(2, *how, tmp_path / "t2.csv")


@pytest.mark.parametrize("kind", ["density", "boundaries"])
def test_pictures_without_noise_are_refused_in_the_words_of_the_command_line(tmp_path, kind):
    np.savetxt(tmp_path / "t.csv", measured(), delimiter=",", header="a,b", comments="")
    ok("fit", tmp_path / "t.csv", *ONE, "--noise", "--out", tmp_path)
    how = ("plot", tmp_path / "model.gmm", tmp_path / "t.csv", "--kind")
    told = fails(2, *how, kind, cwd=tmp_path)
    assert f"--kind {kind}" in told
    assert "noise=" not in told
    for other in ("clusters", "uncertainty"):
        assert other in told
        ok(*how, other, cwd=tmp_path)


@BOTH
def test_rows_without_a_value_leave_the_names_to_the_others(tmp_path, how):
    X = measured()
    X[::7] = np.nan
    X[::11, 0] = np.nan
    pa.parquet.write_table(pa.table({"a": X[:, 0], "b": X[:, 1]}), tmp_path / "t.parquet")
    ok("fit", tmp_path / "t.parquet", *ONE, "--missing", "em", "--out", tmp_path)
    told = ok("predict", tmp_path / "model.gmm", tmp_path / "t.parquet", "--out", tmp_path / "p.csv", *how).stderr
    assert "feature names" not in told
    assert len(rows_of(tmp_path / "p.csv")) == np.isfinite(X).any(axis=1).sum()


@pytest.mark.parametrize("command", [("fit",), ("predict", "model.gmm")], ids=lambda words: words[0])
def test_missing_values_in_blocks_are_told_what_helps(tmp_path, command):
    X = measured()
    np.savetxt(tmp_path / "t.csv", X, delimiter=",", header="a,b", comments="")
    ok("fit", tmp_path / "t.csv", *ONE, "--out", tmp_path)
    X[3, 1] = np.nan
    np.savetxt(tmp_path / "t.csv", X, delimiter=",", header="a,b", comments="")
    told = fails(1, *command, "t.csv", "--blocks", cwd=tmp_path)
    for part in ("row 4, column 'b'", "--drop-missing in place of --blocks", "--missing em"):
        assert part in told
    assert ("gmm fit --missing em" in told) == (command[0] == "predict")


def test_a_classifier_is_fitted_in_standard_deviations(tmp_path):
    X = measured() * [1, 1000]
    table = pa.table({"a": X[:, 0], "b": X[:, 1], "kind": ["pq"[int(a > 3)] for a in X[:, 0]]})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    fit = ("fit", tmp_path / "t.parquet", "--class-column", "kind", "--covariance", "VII", "--json")
    own, scaled = (json.loads(ok(*fit, *more).stdout)["best"]["classes"][0] for more in ((), ("--scale",)))
    (of_own,), (of_scaled,) = (of["standard_deviations"] for of in (own, scaled))
    assert of_own[0] == pytest.approx(of_own[1])
    assert of_scaled[1] > 100 * of_scaled[0]


def test_rows_are_validated_once_in_a_report(monkeypatch, tmp_path):
    def never(*_, **__):
        raise AssertionError("the rows of the table are checked again")

    monkeypatch.setattr(entrance, "check_rows", never)
    ok("fit", files("gmm") / "data" / "faithful.csv", "--components", "2:4", "--report", tmp_path / "r.html")


@pytest.mark.parametrize(
    ("d", "K", "n_tables", "by_name"), [(2, 2, 1, False), (24, 2, 1, True), (24, 6, 2, True), (3, 9, 2, False)]
)
def test_wide_tables_are_printed_in_the_direction_that_needs_fewer(d, K, n_tables, by_name, tmp_path):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(9 * k, 1, (40, d)) for k in range(K)])
    path = tmp_path / "t.csv"
    path.write_text("\n".join([",".join(f"c{j}" for j in range(d)), *(",".join(f"{x:.2f}" for x in row) for row in X)]))
    fit = ("fit", path, "--components", K, "--covariance", "EEE", "--out", tmp_path, "--quiet")
    ok(*fit)
    for words in (fit[:-3], ("info", tmp_path / "model.gmm")):
        shown = ok(*words, COLUMNS="80").stdout
        assert shown.count("\ncomponent  ") == n_tables
        assert ("\nc0  " in shown) == by_name
        assert {f"c{j}" for j in range(d)} <= {*re.findall(r"\bc\d+\b", shown.partition("\ncomponent  ")[2])}
        assert shown.count(" ± ") == d * K
        assert shown.count("orrelation of component") == K * by_name
        assert max(map(len, shown.partition("\ncomponent  ")[2].splitlines())) <= 80
