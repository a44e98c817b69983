"""How the command line reads tables: no row is lost or invented, and wide tables cost what their columns do."""

import gzip
import io
import json
import os
import threading
from importlib.resources import files

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from gmm.cli import main
from gmm.cli.failures import CommandError, UsageError
from gmm.cli.rows import numeric_rows
from gmm.cli.tables import read

IRIS = "5.1,3.5,1.4,0.2,Iris-setosa\n4.9,3.0,1.4,0.2,Iris-setosa\n6.4,3.2,4.5,1.5,Iris-versicolor\n\n"
FAITHFUL = files("gmm") / "data" / "faithful.csv"
posix = pytest.mark.skipif(os.name != "posix", reason="pipes with names, of POSIX")


def read_text(folder, text, header=None, name="a.csv"):
    path = folder / name
    path.write_bytes(text.encode())
    return read(str(path), header)


@pytest.mark.parametrize(
    "text",
    [
        IRIS,
        IRIS.replace(",", "\t"),
        IRIS.replace("Iris-setosa", '"Iris, setosa"'),
        IRIS.replace("5.1", '"5.1"').replace("4.9", '"4.9"'),
        IRIS.replace("\n", "\r\n"),
        "\n\n" + IRIS,
        "\ufeff" + IRIS,
        "M,0.45,0.36\nF,0.53,0.42\nM,0.44,0.36\n",
        "2024-01-01,1.5,2\n2024-01-02,2.5,3\n2024-01-03,0.5,9\n",
        "?,3.5,1\n4.9,3.0,2\n5.0,3.1,2\n",
        "1,2\n3,4\n5,7\n",
        "NaN\n1\n2\n",
        "Smith,London,12\nSmith,Paris,9\nJones,Rome,7\n",
    ],
    ids=["iris.data", "tabs", "quoted label", "quoted number", "CRLF", "blank lines", "byte order mark", "label first",
         "date", "missing", "numbers alone", "NaN alone", "mostly text"],
)  # fmt: skip
def test_a_first_line_that_is_a_row_is_kept_and_told(text, tmp_path):
    table, notes = read_text(tmp_path, text)
    assert table.num_rows == 3
    assert table.column_names == [f"x{j}" for j in range(table.num_columns)]
    (note,) = notes
    assert "so it is read as a row" in note
    assert "--header" in note
    assert read_text(tmp_path, text, header=True)[0].num_rows == 2
    assert read_text(tmp_path, text, header=False) == (table, ())


@pytest.mark.parametrize(
    ("text", "noted"),
    [
        ("a,b\n1,2\n3,4\n", False),
        ("octane,900,902\n88.1,0.1,0.2\n88.3,0.2,0.1\n", False),
        ("id,2020,name\n1,5.5,x\n2,6.5,y\n", False),
        ("0,1,2,3\n5.1,3.5,1.4,0.2\n4.9,3.0,1.4,0.2\n", True),
        (",0,1,2\n0,5,3,1\n1,4,3,1\n", True),
        ("country,1990,1991,1992\nChad,5,6,7\nPeru,9,8,7\n", True),
        ("city,region,2020\nBath,west,5\nYork,north,6\n", True),
    ],
    ids=["plain", "wavelengths", "one year", "numbers of columns", "pandas with its index", "years", "mostly text"],
)
def test_a_first_line_that_names_columns_is_no_row(text, noted, tmp_path):
    first = text.splitlines()[0].split(",")
    table, notes = read_text(tmp_path, text)
    assert (table.column_names, table.num_rows) == (first, 2)
    assert [("read as column names" in note, "--no-header" in note) for note in notes] == [(True, True)] * noted
    assert read_text(tmp_path, text, header=False)[0].num_rows == 3


@pytest.mark.parametrize(
    "text",
    [
        "country,2001,2002\nChad,5,6\nPeru,9,8\n",
        "1,2,3\n4,5,6\n",
        "n.a.,3.5,x\n5.1,3.0,x\n4.9,3.1,x\n",
        "a1,5.5,6\na2,5,6\n",
    ],
    ids=["two years", "numbers that count", "contradiction", "a name for each row"],
)
def test_a_first_line_that_may_be_either_is_asked_about(text, tmp_path):
    with pytest.raises(CommandError, match="use --header if it holds column names, --no-header if it is a row"):
        read_text(tmp_path, text)
    rows = len(text.splitlines())
    assert [read_text(tmp_path, text, header)[0].num_rows for header in (True, False)] == [rows - 1, rows]


def test_every_row_of_a_headerless_file_is_fitted(tmp_path, capsys):
    (tmp_path / "iris.data").write_text(IRIS)
    words = ["--components", "1", "--models", "EII", "--json", "--label-column", "x4"]
    assert main(["fit", str(tmp_path / "iris.data"), *words]) == 0
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert document["data"]["n_rows"] == 3
    assert document["agreement"]["counts"] == [[2], [1]]
    assert shown.err.startswith(
        "note: the first line holds numbers ('5.1', '3.5', '1.4' and 1 more), so it is read as a row and the columns "
        "are named x0 to x4; use --header if it holds column names\n"
    )


def test_predict_takes_the_same_options(tmp_path, capsys):
    (tmp_path / "years.csv").write_text("2001,2002\n1.5,2\n2,3.5\n4,4\n")
    model = tmp_path / "out" / "model.gmm"
    words = ["--components", "1", "--models", "EII", "--quiet", "--out", str(model.parent)]
    assert main(["fit", str(tmp_path / "years.csv"), "--header", *words]) == 0
    assert main(["predict", str(model), str(tmp_path / "years.csv"), "--header"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 3


def test_what_has_no_lines_has_no_header(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(3))
    with pytest.raises(UsageError, match=r"a\.npy: --header and --no-header apply to delimited text"):
        read(str(tmp_path / "a.npy"), False)


@pytest.mark.parametrize(("named", "d"), [(True, 20_000), (False, 2_000)])
def test_a_line_longer_than_a_block_is_read(named, d, tmp_path):
    """More than a MiB; 20,000 columns are too many for anything that squares them."""
    long = "0" * (1_200_000 // d)
    lines = [",".join(f"c{j}_{long}" for j in range(d))] * named + [",".join([f"1.25{long}"] * d)] * 2
    table, _ = read_text(tmp_path, "\n".join(lines) + "\n")
    assert (table.num_columns, table.num_rows) == (d, 2)


def contents():
    """The eruptions in every kind of file, by the name that the file has."""
    text, table = FAITHFUL.read_bytes(), read(str(FAITHFUL))[0]
    parquet, feather, npy = pa.BufferOutputStream(), pa.BufferOutputStream(), io.BytesIO()
    pa.parquet.write_table(table, parquet)
    pa.feather.write_feather(table, feather)
    np.save(npy, np.column_stack([column.to_numpy() for column in table.columns]))
    return {
        "a.csv": text,
        "a": text,
        "a.csv.gz": gzip.compress(text),
        "b": gzip.compress(text),
        "a.parquet": parquet.getvalue().to_pybytes(),
        "a.feather": feather.getvalue().to_pybytes(),
        "a.npy": npy.getvalue(),
    }


@posix
@pytest.mark.parametrize("name", contents())
def test_a_pipe_is_read_whole(name, tmp_path):
    path, content = tmp_path / name, contents()[name]
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(content,), daemon=True)
    writer.start()
    table, _ = read(str(path))
    writer.join(10)
    assert table.num_rows == 272
    assert table.column(0).to_pylist() == read(str(FAITHFUL))[0].column(0).to_pylist()


@posix
def test_a_report_of_what_came_through_a_pipe(tmp_path, capsys):
    path, report = tmp_path / "a.csv", tmp_path / "a.html"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(FAITHFUL.read_bytes(),), daemon=True)
    writer.start()
    words = ["--components", "1", "--models", "EII", "--report", str(report)]
    assert main(["fit", str(path), *words]) == 0
    assert "272 rows, 2 columns" in capsys.readouterr().out
    assert "unknown: the data came through a pipe" in report.read_text()


def test_compressed_standard_input(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(FAITHFUL.read_bytes()))))
    assert read("-")[0].num_rows == 272


@pytest.mark.parametrize("kind", ["longdouble", "float16", "uint64", ">f8", ">f4"])
def test_arrays_of_every_width_are_read(kind, tmp_path):
    array = np.arange(6.0).reshape(3, 2).astype(kind)
    np.save(tmp_path / "a.npy", array)
    table, notes = read(str(tmp_path / "a.npy"))
    np.testing.assert_array_equal(numeric_rows(table).values, np.arange(6.0).reshape(3, 2))
    wide = array.dtype.itemsize > 8
    assert notes == ((f"{array.dtype} (longdouble) numbers are converted to float64",) if wide else ())


def test_one_note_on_all_columns_of_a_kind(tmp_path):
    n, many = 12, 5000
    columns = {f"c{j}": np.full(n, j) for j in range(many)}
    columns |= {f"id{j}": np.arange(n) + j for j in range(many)} | {f"t{j}": np.full(n, "x") for j in range(many)}
    table = pa.table({**columns, "a": np.random.default_rng(0).normal(size=n)})
    left, numbered, constant = numeric_rows(table, identifiers=False).notes
    assert left.endswith("'t7' (text 'x' in row 1) and 4,992 more")
    assert constant == (
        "5,000 columns are constant: 'c0' (0), 'c1' (1), 'c2' (2), 'c3' (3) and 4,996 more; "
        "use --exclude to leave them out"
    )
    assert numbered == (
        "left out: 'id0', 'id1', 'id2', 'id3' and 4,996 more (number the rows, like identifiers); "
        "use --columns to keep them"
    )


def test_messages_on_many_columns_stay_short():
    table = pa.table({f"c{j}": pa.array([None, 1.0]) for j in range(3000)})
    with pytest.raises(CommandError) as told:
        numeric_rows(table)
    assert "c0: 1, " in str(told.value)
    assert "and 2,992 more" in str(told.value)
    assert len(str(told.value)) < 400
    with pytest.raises(CommandError, match="and 2,992 more"):
        numeric_rows(pa.table({f"c{j}": ["x", "y"] for j in range(3000)}))
