"""One table for both ways to read it: what `gmm` prints and writes is the same in memory and block by block."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

import gmm
from command import fails, json_of, labels_in, ok, result_in, table, text_in, write
from inside import blocks, finishing

BOTH = pytest.mark.parametrize("how", [(), ("--blocks",)], ids=["memory", "blocks"])
ONE = ("--components", 1, "--covariance", "EII")
N = 600


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(blocks, "_CHUNK_BYTES", 1 << 12)


def measured(n=N):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 2)) + 6 * rng.integers(2, size=(n, 1))


def parquet(path, **columns):
    pa.parquet.write_table(pa.table(columns), path, row_group_size=700)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same rows as text, Parquet and .npy: an identifier, two features, a constant, a text, a code, and weights."""
    place, n = tmp_path_factory.mktemp("blocks"), 4000
    X, rng = measured(n), np.random.default_rng(1)
    columns = {"id": np.arange(n) + 5, "a": X[:, 0], "b": X[:, 1], "c": np.full(n, 2.5), "t": ["x"] * n}
    columns |= {"k": np.arange(n) // 10 % 3, "w": rng.uniform(0.5, 2, n)}
    parquet(place / "rows.parquet", **columns)
    pa.csv.write_csv(pa.table(columns), place / "rows.csv")
    np.save(place / "rows.npy", X)
    return place


def both(*words):
    """What a command prints, which is the same in memory and block by block."""
    whole, parts = ok(*words), ok(*words, "--blocks")
    assert (parts.stdout, parts.stderr) == (whole.stdout, whole.stderr)
    return whole


def both_written(place, *words):
    """What a command writes and says, likewise."""
    told = [ok(*words, "--out", place / name, *how).stderr for name, how in (("m.csv", ()), ("b.csv", ("--blocks",)))]
    assert told[0] == told[1]
    assert (place / "m.csv").read_bytes() == (place / "b.csv").read_bytes()
    return table(text_in(place / "m.csv"))


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "rows.npy"])
def test_predict_writes_the_bytes_of_the_table_in_memory(folder, tmp_path, name):
    how = () if name == "rows.npy" else ("--columns", "b,a")
    ok("fit", folder / name, *how, "--components", 2, "--covariance", "full", "--out", tmp_path)
    predict = ("predict", tmp_path / "model.gmm", folder / name)
    for more in ((), ("--proba",), ("--density",), ("--known", "b", "--level", "0.9", "--keep", "k")):
        if name != "rows.npy" or "--known" not in more:
            both_written(tmp_path, *predict, *more)
    if name == "rows.npy":
        return
    own = table(text_in(folder / "rows.csv"))
    for keep, names in {"t,id": ["t", "id"], "all": [*own]}.items():
        written = both_written(tmp_path, *predict, "--keep", keep, "--proba")
        assert list(written) == [*names, "row", "component", "p_0", "p_1"]
        assert all(written[column] == own[column] for column in names)
    for how in ((), ("--blocks",)):
        assert "no column 'z'" in fails(1, *predict, "--keep", "z", *how)


def test_fit_finds_in_an_array_and_in_some_of_the_rows_what_it_does_in_memory(folder, monkeypatch):
    fit = ("--components", "1:3", "--covariance", "full,EEE")
    whole, parts = (json_of("fit", folder / "rows.npy", *fit, *how) for how in ((), ("--blocks",)))
    assert whole == parts
    monkeypatch.setattr(finishing, "SEARCHED", 1000)
    columns = (folder / "rows.parquet", "--exclude", "id", "--exclude", "c, k", "--weight-column", "w")
    assert json_of("fit", *columns, *fit, "--blocks", "--quiet")["best"]["n_components"] == 2


def test_no_array_of_all_labels_is_made(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(gmm.GaussianMixture, "predict", None)
    how = ("--columns", "a,b", "--components", 2, "--covariance", "full", "--noise", "--out", tmp_path)
    found = json_of("fit", folder / "rows.csv", *how, "--blocks")["best"]
    labels = np.int64(labels_in(tmp_path)["component"])
    assert found["rows_per_component"] == np.bincount(labels[labels >= 0]).tolist()


def test_fit_tells_of_columns_as_in_memory(folder):
    how = ("fit", folder / "rows.parquet", "--components", 1, "--covariance", "diag")
    told = both(*how).stderr
    assert "left out: 't' (type string)" in told
    kinds = {"'id'": "numbers the rows", "'c' (2.5)": "is constant", "'k' (3 distinct values)": "code"}
    for column, what in kinds.items():
        assert any(column in line and what in line and "--columns" in line for line in told.splitlines())
    assert json_of(*how, "--blocks")["data"]["columns"] == ["a", "b", "w"]
    assert json_of(*how, "--blocks", "--columns", "a,id,c,k")["data"]["columns"] == ["a", "id", "c", "k"]
    assert both(*how, "--columns", "a,c").stderr.count("constant") == 1
    posterior = ("fit", folder / "rows.parquet", "--columns", "a,b", "--bayesian", "--max-components", 4)
    assert json_of(*posterior)["best"] == json_of(*posterior, "--blocks")["best"]


@pytest.mark.parametrize("alone", [False, True])
def test_columns_that_number_the_rows_in_any_order_are_left_out(alone, tmp_path):
    rng, n = np.random.default_rng(0), 2000
    columns = {"id": rng.permutation(n) - 7, "a": rng.normal(size=n), "same": rng.permutation(n) // 2 * 2}
    columns["count"] = rng.integers(0, n + n // 5, n)
    how = ("--components", 1, "--covariance", "diag", *(("--exclude", "a,same,count") if alone else ()))
    told = both("fit", parquet(tmp_path / "rows.parquet", **columns), *how).stderr
    single = "column 'id' numbers the rows, like an identifier; use --exclude to leave it out"
    beside = "left out: 'id', which numbers the rows, like an identifier; use --columns"
    assert (single if alone else beside) in told
    assert "same" not in told
    assert "count" not in told
    ids = ["" if i == 7 else i for i in range(n)]
    done = both("fit", write(tmp_path / "gap.csv", ["id", "", "a"], ids, range(n), columns["a"]), *how[:4])
    assert "left out: 'id'" in done.stderr
    assert "no name, as for row numbers" in done.stderr
    assert f"{n:,} rows, 1 column" in done.stdout


def test_a_model_without_names_is_given_all_columns(tmp_path):
    values = np.column_stack([np.arange(40), np.sin(np.arange(40.0))])
    path = parquet(tmp_path / "rows.parquet", id=values[:, 0], a=values[:, 1])
    gmm.GaussianMixture(2, random_state=0).fit(values).save(tmp_path / "m")
    found = both_written(tmp_path, "predict", tmp_path / "m", path)
    np.testing.assert_array_equal(np.int64(found["component"]), gmm.load(tmp_path / "m").predict(values))


def test_what_does_not_go_with_blocks_is_said(folder, tmp_path):
    rows = folder / "rows.parquet"
    np.save(tmp_path / "one.npy", np.ones((1, 2)))
    broken = parquet(tmp_path / "broken.parquet", a=[1.0, None, 3.0], b=[1.0, 2.0, 3.0], w=[1.0, 1.0, None])
    for code, words, told in (
        (2, ("-",), "expected a file"),
        (1, (rows, "--columns", "a,z"), "no column 'z'"),
        (1, (rows, "--columns", "a", "--exclude", "a"), "both fitted and left out: 'a'"),
        (1, (rows, "--exclude", "id,a,b,c,k,w"), "no numeric columns"),
        (1, (rows, "--exclude", "id,a,b,c,k,w,t"), "by options: 'a', 'b'"),
        (1, (rows, "--columns", "a,t"), "column 't'"),
        (1, (tmp_path / "one.npy",), "1 row"),
        (1, (broken, "--exclude", "w"), "row 2, column 'a'"),
        (1, (broken, "--weight-column", "w"), "row 2, column 'a'"),
    ):
        assert told in fails(code, "fit", *words, "--blocks", stdin="a\n1\n2\n")


def test_kept_columns_are_those_of_the_rows_that_are_left(tmp_path):
    i = np.arange(20)
    gap = ["" if j == 3 else j * j % 7 for j in range(20)]
    path = write(tmp_path / "rows.csv", ["a", "b", "who", "component"], i + 0.5, gap, [f"name {j}" for j in i], i)
    ok("fit", path, "--columns", "a,b", "--drop-missing", "--components", 1, "--covariance", "full", "--out", tmp_path)
    how = ("predict", tmp_path / "model.gmm", path, "--drop-missing", "--keep", "who,component")
    found = table(ok(*how).stdout)
    assert list(found) == ["who", "component", "row", "component_"]
    assert [column[3] for column in found.values()] == ["name 4", "4", "5", "0"]
    assert list(table(ok(*how, "--known", "a").stdout)) == ["who", "component", "row", "b", "b_sd"]


def kept(place, path, names, how):
    """The columns that are carried to the predictions of a model of a and b."""
    ok("fit", path, "--columns", "a,b", *ONE, "--out", place)
    done = ok("predict", place / "model.gmm", path, "--keep", names, "--out", place / "p.csv", *how)
    assert "left out" not in done.stderr
    return table(text_in(place / "p.csv"))


@BOTH
def test_text_and_numbers_of_a_german_export_are_kept_as_they_are_written(how, tmp_path):
    a, b = measured().round(3).T
    zips, notes = [f"{7 * i % 100_000:05}" for i in range(N)], [["", "NA", " a", "1e3", "x,y"][i % 5] for i in range(N)]
    found = kept(tmp_path, write(tmp_path / "t.csv", ["a", "b", "zip", "note"], a, b, zips, notes), "zip,note,a", how)
    assert (found["zip"], found["note"], found["a"]) == (zips, notes, list(map(str, a)))
    rows = [[f"{a:.3f}".replace(".", ","), f"{b:.2f}".replace(".", ",")] for a, b in measured()]
    rows = [[*row, f"{1 + i % 9}.{i % 1000:03}"] for i, row in enumerate(rows)]
    (tmp_path / "t.csv").write_text("\n".join(["a;b;c", *map(";".join, rows)]) + "\n")
    found = kept(tmp_path, tmp_path / "t.csv", "c,a", how)
    assert (found["c"], found["a"]) == ([row[2] for row in rows], [row[0] for row in rows])


@BOTH
def test_whole_numbers_are_kept_to_the_last_digit(how, tmp_path):
    numbers, (a, b) = (np.arange(N) * 7 + 2**62 + 1).astype(np.int64), measured().T
    path = parquet(tmp_path / "t.parquet", a=a, b=b, n=pa.array([None, *numbers[1:]], pa.int64()))
    assert kept(tmp_path, path, "n", how)["n"] == ["", *map(str, numbers[1:])]
    np.save(tmp_path / "t.npy", np.column_stack([numbers, numbers[::-1]]))
    gmm.GaussianMixture(1).fit(np.load(tmp_path / "t.npy")).save(tmp_path / "m.gmm")
    ok("predict", tmp_path / "m.gmm", tmp_path / "t.npy", "--keep", "x1", "--out", tmp_path / "p.csv", *how)
    assert table(text_in(tmp_path / "p.csv"))["x1"] == list(map(str, numbers[::-1]))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_byte_is_the_same(kind, tmp_path):
    X = measured()
    columns = {"a": X[:, 0], "b": X[:, 1], "who": [("x", "y", None)[i % 3] for i in range(N)], "w": np.ones(N) / 3}
    path = tmp_path / f"t.{kind}"
    (pa.parquet.write_table if kind == "parquet" else pa.csv.write_csv)(pa.table(columns), path)
    fit = ("fit", path, "--components", "1:3", "--covariance", "EEE,VVV", "--label-column", "who")
    fit, found = (*fit, "--weight-column", "w", "--format", "parquet"), []
    for name, how in {"whole": (), "parts": ("--blocks",)}.items():
        place = tmp_path / name
        done = ok(*fit, "--out", place, *how)
        document = result_in(place)
        for cell in document["cells"]:
            del cell["seconds"]
        model = place / "model.gmm"
        ok("predict", model, path, "--proba", "--keep", "all", "--out", place / "p.parquet", *how)
        written = [(place / file).read_bytes() for file in ("labels.parquet", "criteria.csv", "p.parquet")]
        told = done.stderr + done.stdout.replace(str(place), "")
        found.append((told, document, ok("predict", model, path, *how).stdout, written))
    assert found[0] == found[1]
    assert document["agreement"]["labels"] == ["x", "y"]


@BOTH
def test_names_have_no_blanks_and_files_need_no_suffix(how, tmp_path):
    path = write(tmp_path / "rows", [" a", " b ", "who"], *measured().round(3).T, "xy" * (N // 2))
    document = json_of("fit", path, "--columns", "b,a", "--label-column", "who", *ONE, *how)
    assert document["data"]["columns"] == ["b", "a"]
    assert document["agreement"]["counts"] == [[N // 2], [N // 2]]
    assert "more than once: 'a'" in fails(1, "fit", write(tmp_path / "twice", [" a", "a"], [1, 3], [2, 5]), *how)


def test_text_beside_tables_is_told(tmp_path):
    X = measured()
    parquet(tmp_path / "part-1.parquet", a=X[:, 0], b=X[:, 1])
    (tmp_path / "readings.csv").write_text("a,b\n1,2\n")
    done = both("fit", tmp_path, *ONE)
    assert f"{N} rows" in done.stdout
    assert "files of another kind are not read: 'readings.csv'" in done.stderr


@BOTH
def test_notes_are_on_the_columns_that_were_asked_for(how, tmp_path):
    lines = [f"{a:.3f};{b:.2f};{1 + i % 9},{i % 1000:03}.5;7;x" for i, (a, b) in enumerate(measured())]
    (tmp_path / "t.csv").write_text("\n".join(["a;b;c;d;e", *lines]) + "\n")
    fit = ("fit", tmp_path / "t.csv", *ONE, "--quiet", "--decimal", ".", *how)
    assert json_of(*fit, "--columns", "a,b")["data"]["notes"] == []
    (told,) = json_of(*fit, "--columns", "a,c")["data"]["notes"]
    assert "'c'" in told


@BOTH
def test_constants_and_weights_that_are_none_are_named(how, tmp_path):
    path = parquet(tmp_path / "t.parquet", a=np.full(50, 2.5), b=np.full(50, 3))
    weighed = write(tmp_path / "t.csv", "aw", [1, 2, 4, 5], [1, 1, -2, 1])
    for words, parts in (
        ((path,), ("constant", "'a'", "'b'")),
        ((path, "--columns", "a,b"), ("constant", "'a'", "'b'")),
        ((weighed, "--weight-column", "w", *ONE), ("'w'", "-2", "row 3")),
    ):
        fails(1, "fit", *words, *how, tells=parts)


def test_the_table_may_stand_behind_options(tmp_path):
    path = write(tmp_path / "t.csv", "ab", *measured().T)
    ok("fit", path, *ONE, "--out", tmp_path)
    how = ("plot", tmp_path / "model.gmm", "--kind", "pairs", path, "--out", tmp_path / "p.png")
    ok(*how)
    assert "t2.csv" in fails(2, *how, tmp_path / "t2.csv")


def test_missing_values_in_blocks_are_told_what_helps(tmp_path):
    X = measured()
    ok("fit", write(tmp_path / "t.csv", "ab", *X.T), *ONE, "--out", tmp_path)
    X[3, 1] = np.nan
    write(tmp_path / "t.csv", "ab", *X.T)
    for command in (("fit",), ("predict", "model.gmm")):
        parts = "row 4, column 'b'", "--drop-missing in place of --blocks", "--missing em"
        told = fails(1, *command, "t.csv", "--blocks", tells=parts, cwd=tmp_path)
        assert ("gmm fit --missing em" in told) == (command[0] == "predict")


@pytest.mark.parametrize(
    ("d", "K", "n_tables", "by_name"), [(2, 2, 1, False), (24, 2, 1, True), (24, 6, 2, True), (3, 9, 2, False)]
)
def test_wide_tables_are_printed_in_the_direction_that_needs_fewer(d, K, n_tables, by_name, tmp_path):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(9 * k, 1, (40, d)) for k in range(K)]).round(2)
    path = write(tmp_path / "t.csv", [f"c{j}" for j in range(d)], *X.T)
    fit = ("fit", path, "--components", K, "--covariance", "EEE", "--out", tmp_path)
    for words in (fit, ("info", tmp_path / "model.gmm")):
        shown = ok(*words, COLUMNS="80").stdout.partition("\nwritten to")[0]
        assert shown.count("\ncomponent  ") == n_tables
        assert ("\nc0  " in shown) == by_name
        assert {f"c{j}" for j in range(d)} <= {*re.findall(r"\bc\d+\b", shown.partition("\ncomponent  ")[2])}
        assert shown.count(" ± ") == d * K
        assert shown.count("orrelation of component") == K * by_name
        assert max(map(len, shown.partition("\ncomponent  ")[2].splitlines())) <= 80
