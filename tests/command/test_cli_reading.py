"""How the command line reads tables: no row is lost or invented, and wide tables cost what their columns do."""

import gzip
import io
import json
import os
import re
import shlex
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

import gmm
from command import fails, json_of, labels_in, ok, result_in, run, table, text_in, write
from inside import WORDS, delimited
from tables import PACKAGE, assert_contains, cases, warned

IRIS = "5.1,3.5,1.4,0.2,Iris-setosa\n4.9,3.0,1.4,0.2,Iris-setosa\n6.4,3.2,4.5,1.5,Iris-versicolor\n\n"
FAITHFUL = PACKAGE / "data" / "faithful.csv"
posix = pytest.mark.skipif(os.name != "posix", reason="pipes with names, of POSIX")
pytestmark = pytest.mark.usefixtures("_small_chunks")
blocks_too = pytest.mark.parametrize("how", [(), ("--blocks",)], ids=["memory", "blocks"])
ONE = ("--components", 1, "--covariance", "EEE")


def read(path, **says):
    """The columns of a file as they are, and the notes on it."""
    table = gmm.sources.open_table(path, **says, words=WORDS)
    return pa.concat_tables(table.columns(list(table.fields))), table.notes(list(table.fields))


def numbers(path):
    table = gmm.sources.open_table(path, words=WORDS)
    return table.numbers(list(table.fields)).array()[0]


def fitted(*words):
    """What one component fitted to a table is, as the document says, and the notes on the table."""
    done = ok("fit", *words, *ONE, "--json")
    document = json.loads(done.stdout)
    return document["data"]["columns"], document["best"]["means"], done.stderr, document


refused = partial(fails, 1, "fit", *ONE)


def written(path, names, rows, encoding="utf-8"):
    path.write_text("\n".join([names, *rows]) + "\n", encoding=encoding)
    return path


def read_text(folder, text, header=None):
    (folder / "a.csv").write_bytes(text.encode())
    return read(folder / "a.csv", header=header)


ROW, NAMES, NOTED, ASKED = "a row", "names", "names, with a note", "a question"
FIRST_LINES = {
    "iris.data": (IRIS, ROW),
    "quoted label": (IRIS.replace("Iris-setosa", '"Iris, setosa"'), ROW),
    "quoted number": (IRIS.replace("5.1", '"5.1"').replace("4.9", '"4.9"'), ROW),
    "CRLF": (IRIS.replace("\n", "\r\n"), ROW),
    "byte order mark": ("\ufeff" + IRIS, ROW),
    "label first": ("M,0.45,0.36\nF,0.53,0.42\nM,0.44,0.36\n", ROW),
    "date": ("2024-01-01,1.5,2\n2024-01-02,2.5,3\n2024-01-03,0.5,9\n", ROW),
    "missing": ("?,3.5,1\n4.9,3.0,2\n5.0,3.1,2\n", ROW),
    "NaN alone": ("NaN\n1\n2\n", ROW),
    "mostly text in rows": ("Smith,London,12\nSmith,Paris,9\nJones,Rome,7\n", ROW),
    "plain": ("a,b\n1,2\n3,4\n", NAMES),
    "wavelengths": ("octane,900,902\n88.1,0.1,0.2\n88.3,0.2,0.1\n", NAMES),
    "one year": ("id,2020,name\n1,5.5,x\n2,6.5,y\n", NAMES),
    "pandas with its index": (",0,1,2\n0,5,3,1\n1,4,3,1\n", NOTED),
    "years": ("country,1990,1991,1992\nChad,5,6,7\nPeru,9,8,7\n", NOTED),
    "mostly text": ("city,region,2020\nBath,west,5\nYork,north,6\n", NOTED),
    "two years": ("country,2001,2002\nChad,5,6\nPeru,9,8\n", ASKED),
    "numbers that count": ("1,2,3\n4,5,6\n", ASKED),
    "contradiction": ("n.a.,3.5,x\n5.1,3.0,x\n4.9,3.1,x\n", ASKED),
    "a name for each row": ("a1,5.5,6\na2,5,6\n", ASKED),
}


@cases(FIRST_LINES)
def test_a_first_line_is_a_row_or_names_or_refused_with_the_option(text, verdict, tmp_path):
    (named, _), (unnamed, silent) = (read_text(tmp_path, text, header=header) for header in (True, False))
    n = len([line for line in text.splitlines() if line])
    assert (named.num_rows, unnamed.num_rows, silent) == (n - 1, n, ())
    if verdict == ASKED:
        with pytest.raises(ValueError, match="--no-header if it is"):
            read_text(tmp_path, text)
        return
    table, notes = read_text(tmp_path, text)
    assert table == (unnamed if verdict == ROW else named)
    names = [f"x{j}" for j in range(table.num_columns)] if verdict == ROW else text.splitlines()[0].split(",")
    assert table.column_names == names
    ends = " to ".join(names[:: len(names) - 1 or 1])
    as_row = f"so it is read as a row and the columns are named {ends}; use --head"
    said = {ROW: [as_row], NOTED: ["read as column names", "--no-header"], NAMES: []}[verdict]
    assert len(notes) == (verdict != NAMES)
    assert all(what in note for note in notes for what in ("the first line", "contains numbers ('", *said))


def test_options_of_text_are_those_of_predict(tmp_path):
    path = written(tmp_path / "years.csv", "2001,2002", ["1.5,2", "2,3.5", "4,4"])
    ok("fit", path, "--header", *ONE, "--out", tmp_path)
    assert len(ok("predict", tmp_path / "model.gmm", path, "--header").stdout.splitlines()) == 1 + 3


def contents():
    """The eruptions in every kind of file, by the name that the file has."""
    text, X = FAITHFUL.read_bytes(), numbers(FAITHFUL)
    table = pa.table({"eruptions": X[:, 0], "waiting": X[:, 1]})
    files = {f"a.{kind}": io.BytesIO() for kind in ("parquet", "feather", "arrows", "npy")}
    pa.parquet.write_table(table, files["a.parquet"])
    pa.feather.write_feather(table, files["a.feather"])
    with pa.ipc.new_stream(files["a.arrows"], table.schema) as stream:
        stream.write_table(table)
    np.save(files["a.npy"], X)
    texts = {"a.csv": text, "a": text, "a.tsv": text.replace(b",", b"\t")}
    texts["a.txt"] = text.replace(b",", b"0;")  # beside which a point before three digits may separate thousands
    texts["u.txt"] = texts["a.tsv"].decode().encode("utf-16")  # of spreadsheets
    texts |= {"a.csv.gz": gzip.compress(text), "b": gzip.compress(text)}
    return texts | {name: file.getvalue() for name, file in files.items()}


def write_into_pipe(path, content):
    """Let a thread write what is read from a pipe."""
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(content,), daemon=True).start()


@pytest.mark.parametrize("piped", [False, pytest.param(True, marks=posix)])
@pytest.mark.parametrize("name", contents())
def test_every_kind_of_file_or_pipe_says_the_same(name, piped, tmp_path):
    (write_into_pipe if piped else Path.write_bytes)(tmp_path / name, contents()[name])
    np.testing.assert_array_equal(numbers(tmp_path / name), numbers(FAITHFUL))


@posix
def test_a_report_of_what_came_through_a_pipe(tmp_path):
    write_into_pipe(tmp_path / "a.csv", FAITHFUL.read_bytes())
    assert "272 rows, 2 columns" in ok("fit", tmp_path / "a.csv", *ONE, "--report", tmp_path / "a.html").stdout
    assert "came through a pipe" in (tmp_path / "a.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["longdouble", "float16", "uint64", ">f8"])
def test_arrays_of_every_width_are_read(kind, tmp_path):
    array = np.arange(6.0).reshape(3, 2).astype(kind)
    np.save(tmp_path / "a.npy", array)
    _, notes = read(tmp_path / "a.npy")
    np.testing.assert_array_equal(numbers(tmp_path / "a.npy"), np.arange(6.0).reshape(3, 2))
    wide = array.dtype.itemsize > 8
    assert [note.partition(" are")[0] for note in notes] == [f"{array.dtype} (longdouble) numbers"] * wide


def test_notes_and_messages_on_many_columns_are_short_and_name_what_is_really_unreadable(tmp_path):
    path, many = tmp_path / "a.feather", range(5000)
    columns = {f"c{j}": np.full(12, j) for j in many} | {f"id{j}": np.arange(12) + j for j in many}
    columns |= {f"t{j}": np.full(12, "x") for j in many} | {"a": np.random.default_rng(0).normal(size=12)}
    pa.feather.write_feather(pa.table(columns), path)
    left, numbered, constant = (line for line in ok("fit", path, *ONE).stderr.splitlines() if "dropped" in line)
    assert left.endswith("'t7' (type string) and 4,992 more")
    assert "'id0', 'id1', 'id2', 'id3' and 4,996 more, which number the rows" in numbered
    assert "'c0' (0), 'c1' (1), 'c2' (2), 'c3' (3) and 4,996 more, which are constant" in constant
    assert max(map(len, (left, numbered, constant))) < 400
    for values, tells in (([None, 1.0], ["c0: 1, ", "and 4,992 more"]), (["x", "y"], ["and 4,992 more"])):
        pa.feather.write_feather(pa.table({f"c{j}": pa.array(values) for j in many}), path)
        assert len(refused(path, tells=tells)) < 500
    text = written(tmp_path / "a.csv", "a,b", ["1,2", "2,NA", "3,5", "4,6", "5,-", "6,7"])
    assert "NA" not in refused(text, tells=["text '-' in row 5"]).replace("--na", "")


def exported(place, mark=",", text="-", encoding="utf-8"):
    """Write measurements as a German spreadsheet does, one of them with a text that is no number; return the path."""
    X = np.random.default_rng(0).normal(size=(60, 3)) * [1, 20, 900] + [17, 190, 4200]
    lines = [f"{a:.1f};{b:.2f};{c:,.1f};{2007 + i % 3}" for i, (a, b, c) in enumerate(X)]
    if mark == ",":
        lines = [line.translate(str.maketrans(".,", ",.")) for line in lines]
    lines[5] = lines[5].replace(lines[5].split(";")[1], text)
    return written(place / "export.csv", "Länge;Breite;Masse;Jahr", lines, encoding)


@blocks_too
@pytest.mark.parametrize("mark", [",", "."])
def test_either_decimal_mark_is_recognised(mark, how, tmp_path):
    path = exported(tmp_path, mark, "188" + mark + "25")
    columns, means, notes, _ = fitted(path, *how)
    assert columns == ["Länge", "Breite", "Masse"]
    np.testing.assert_allclose(means, [[17, 190, 4200]], rtol=0.1)
    assert ("commas are read as decimal" in notes) == (mark == ",")
    first = path.read_text(encoding="utf-8").splitlines()[1].split(";")[2]
    value = first.replace("." if mark == "," else ",", "").replace(",", ".")
    grouped = f"{first!r} of column 'Masse' as {value}"
    assert_contains(notes, grouped, "which may be a code", "'Jahr' (3 distinct values)")
    assert fitted(path, *how, "--decimal", mark)[1] == means


@blocks_too
@pytest.mark.parametrize("text", ["-", ".", "k.A.", "<0,5"])
def test_a_column_of_numbers_and_a_text_is_not_lost(text, how, tmp_path):
    path = exported(tmp_path, text=text)
    what = ["'Breite'", repr(text), "row 6", f"--na {text!r}"]
    refused(path, *how, tells=[*what, "--exclude 'Breite'", "--columns"])
    refused(path, *how, "--columns", "Breite", tells=what)
    refused(path, *how, "--na", text, tells=["row 6", "Breite"])
    assert fitted(path, *how, "--exclude", "Breite")[0] == ["Länge", "Masse"]
    if not how:
        assert fitted(path, "--na", text, "--drop-missing")[3]["data"]["n_rows"] == 59
        path = exported(tmp_path, text="   ")  # which is no text, and neither is what stands for nothing
        path.write_text(path.read_text(encoding="utf-8").replace("\n16", "\n NA ;1;1;2007\n16", 1), encoding="utf-8")
        columns, _, notes, _ = fitted(path, "--drop-missing")
        assert (columns, "2 of 61 rows" in notes) == (["Länge", "Breite", "Masse"], True)


@blocks_too
def test_what_a_comma_means_is_asked_where_it_may_be_either(how, tmp_path):
    path = written(tmp_path / "a.csv", "b;c", (f"{3 + i % 4},{(i * 7) % 10}50;{i % 9}" for i in range(30)))
    refused(path, "--columns", "b", *how, tells=["'3,050'", "row 1", "'b'", "--decimal ,", "--decimal ."])
    small, large = (fitted(path, "--columns", "b", *how, "--decimal", mark)[1] for mark in ",.")
    np.testing.assert_allclose(np.multiply(small, 1000), large)
    path.write_text(path.read_text().replace("c\n", "c\n1,5;2.5\n"))
    refused(path, "--columns", "b", *how, tells=["'1,5' in row 1, column 'b'", "'2.5' in row 1, column 'c'"])


@blocks_too
def test_text_in_latin_1_is_read_with_a_note(how, tmp_path):
    columns, _, notes, _ = fitted(exported(tmp_path, text="188,25", encoding="latin-1"), *how)
    assert columns == ["Länge", "Breite", "Masse"]
    assert "read as Latin-1" in notes
    late, lines = tmp_path / "late.csv", [b"%d.5,%d.25,x\n" % (i * i % 97, i % 61) for i in range(100_000)]
    late.write_bytes(b"".join([b"a,b,t\n", *lines, b"1,2,\xe4\n"]))
    assert "100,001 rows, 2 columns" in ok("fit", late, *ONE, "--label-column", "t", *how).stdout


def test_a_folder_is_read_as_one_table(tmp_path):
    X = np.random.default_rng(0).normal(size=(90, 2)).round(3)
    X[:30] = X[:30].round()
    folder = tmp_path / "parts"
    (folder / "more").mkdir(parents=True)
    for name, part in {"a.csv": X[:30], "b.csv": X[30:60], "more/c.csv": X[60:]}.items():
        (folder / name).write_text("x,y\n" + "".join(f"{a:g},{b:g}\n" for a, b in part))
    (folder / "_about.md").write_text("hidden")
    fit = ("--components", 1, "--covariance", "EEE", "--json")
    whole, parts = (json.loads(ok("fit", folder, *fit, *how).stdout) for how in ((), ("--blocks",)))
    assert whole["data"]["n_rows"] == 90
    np.testing.assert_allclose(whole["best"]["means"], parts["best"]["means"], atol=1e-3)
    (folder / "b.csv").write_text("x,z,y\n1,2,3\n")
    assert "a.csv lacks columns of later files, which are dropped: 'z'" in ok("fit", folder, *fit).stderr
    (folder / "b.csv").write_text("x\n1\n")
    refused(folder, *fit, tells=["b.csv: no column 'y'", f"{folder} is read as one table, so name one file"])


def columns_of(folder, *columns, how=(), tells=()):
    """The columns that are fitted; the notes tell all of these."""
    names = [chr(ord("a") + j) for j in range(len(columns))]
    pa.parquet.write_table(pa.table(dict(zip(names, columns, strict=True))), folder / "t.parquet")
    done = ok("fit", folder / "t.parquet", "--components", 1, "--covariance", "EEI", "--json", *how)
    assert_contains(done.stderr, *tells, without=["try without"])  # the search's words for the same
    return "".join(json.loads(done.stdout)["data"]["columns"])


@blocks_too
def test_copies_rescalings_and_codes_are_left_out_and_measurements_of_few_values_are_not(how, tmp_path):
    rng, n = np.random.default_rng(0), 3000
    x, y = rng.normal(size=(2, n))
    fahrenheit, near, late = 1.8 * x + 32, x + 1e-3 * y, np.where(np.arange(n) < n - 20, 4.0, x)
    tells = ["'c' (of 'a'), 'd' (of 'a'), 'e' (of 'b')", "--columns"]
    assert columns_of(tmp_path, x, y, x, fahrenheit, -y / 1000, near, how=how, tells=tells) == "abf"
    asked, tells = (*how, "--columns", "a,c"), ["'c' (of 'a') is a copy"]
    assert columns_of(tmp_path, x, y, x, how=asked, tells=tells) == "ac"
    assert columns_of(tmp_path, late, 3 * late, y, how=how) == "ac"
    sex, site, year, count = (rng.integers(low, high, n) for low, high in ((0, 2), (1, 5), (1998, 2016), (0, 60)))
    tells = ["'c' (2 distinct values), 'd' (4 distinct values), 'e' (18 distinct values), which may be codes"]
    assert columns_of(tmp_path, x, y, sex, site, year, count, how=how, tells=tells) == "abf"
    assert columns_of(tmp_path, sex, site, year, how=how) == "abc"
    tells = ["and 4 more may be codes; use --exclude to drop them"]
    assert columns_of(tmp_path, x, *rng.integers(1, 6, (8, n)), how=how, tells=tells) == "abcdefghi"
    assert columns_of(tmp_path, x, y, np.where(np.arange(n) < n - 100, sex, x), year * 37, how=how) == "abcd"


REPEATED = [1000 + 7 * (i % 31) for i in range(60)]
DAYS = [20260100 + 100 * (i % 7) + i % 28 + 1 for i in range(60)]
LARGE = [2**53 + 1 + 7 * (i * 37 % 60) for i in range(60)]
LABELS = {
    "large, shuffled": ("tweet", LARGE, "by its digits"),
    "larger than 64 bits": ("hash", [-(10**20) - i * i % 59 for i in range(60)], "by its digits"),
    "repeated": ("user_id", REPEATED, "by its name"),
    "postcodes": ("ZIP code", REPEATED, "by its name"),
    "telephones": ("phone_number", REPEATED, "by its name"),
    "zeros in front": ("place", [f"{7 * i % 9000:05}" for i in REPEATED], "by its digits"),
    "days": ("Stichtag", DAYS, "dates"),
    "seconds": ("t", [f"{day}120{i % 50 + 10}0" for i, day in enumerate(DAYS)], "dates"),
}


@blocks_too
@cases(LABELS)
def test_labels_that_are_numbers_are_left_out(name, values, why, how, tmp_path):
    a, b = np.random.default_rng(0).normal(size=(2, 60)).round(3)
    note = f"dropped: {name!r} ({why}), which is a label, not a measurement; use --columns"
    path = write(tmp_path / "t.csv", [name, "a", "b"], values, a, b)
    columns, _, told, _ = fitted(path, *how)
    assert (columns, note in told) == (["a", "b"], True)
    assert fitted(path, *how, "--columns", f"{name},a")[0] == [name, "a"]
    _, warnings = warned(gmm.open_rows, path)
    assert [f"column {name!r} ({why}) is a label" in each for each in warnings] == [True] * ("digits" in why)


@blocks_too
@pytest.mark.parametrize("kind", ["int64", "uint64"])
def test_large_integers_of_tables_are_labels(kind, how, tmp_path):
    a, b = np.random.default_rng(0).normal(size=(2, 60))
    path = parquet(tmp_path / "t.parquet", id=pa.array(LARGE, kind), of=pa.array([None, *LARGE[1:]], kind), a=a, b=b)
    columns, _, told, _ = fitted(path, *how)
    assert columns == ["a", "b"]
    assert_contains(told, "dropped: 'id', which numbers the rows", "dropped: 'of' (by its digits), which is a label")
    with pytest.warns(UserWarning, match=r"columns 'id' \(by its digits\), 'of' \(by its digits\) are labels"):
        gmm.open_rows(path)


def test_numbers_that_only_look_like_labels_are_fitted(tmp_path):
    a, b, mass = np.random.default_rng(0).normal(size=(3, 60))
    prices = np.random.default_rng(1).integers(190_000, 210_000, 60)
    columns = {"sales_to_date": REPEATED, "price": prices, "mass": mass * 1e20, "a": a, "b": b}
    assert fitted(write(tmp_path / "t.csv", [*columns], *columns.values()))[0] == [*columns]


def test_row_numbers_beside_texts_are_nothing_to_fit(tmp_path):
    path = write(tmp_path / "t.csv", ["id", "v"], range(40), [f"[1, {i}]" for i in range(40)])
    refused(path, tells=["nothing to fit", "'id'"])
    assert fitted(path, "--columns", "id")[0] == ["id"]


@pytest.mark.parametrize("first", ["1.077;63.336", "1,077;63,336"])  # thousands or thousandths
def test_ambiguous_points_and_commas_are_refused_with_the_option(first, tmp_path):
    mark = first[1]
    path = written(tmp_path / "table.csv", "a;b", [first, f"950;12{mark}001"])
    with pytest.raises(ValueError, match="decimal mark or separate thousands") as caught:
        gmm.open_rows(path)
    assert_contains(str(caught.value), f"1{mark}077", "row 1", "'a'", "decimal")
    with pytest.warns(UserWarning, match="without the marks in them: '1[.,]077' of column 'a' as 1077"):
        whole = gmm.open_rows(path, decimal="," if mark == "." else ".")
    np.testing.assert_array_equal(next(iter(whole.chunks())).rows[:, 0], [1077, 950])
    written(path, "a;b", ["1.077;1.263.336", "950;12.001"])  # of two points none is decimal
    source, notes = warned(gmm.open_rows, path)
    assert "the marks in them: '1.077' of column 'a' as 1077, '1.263.336' of column 'b' as 1263336" in "".join(notes)
    np.testing.assert_array_equal(next(iter(source.chunks())).rows, [[1077, 1263336], [950, 12001]])


@cases(
    ({"decimal": ","}, r"line 2, column 'a'.*'1.25'; use decimal='.' if points are decimal"),
    ({"na_values": None}, "list of texts for na_values"),
    ({"header": 0}, "header to be True or False"),
    ({"header": "no"}, "header to be True or False"),
)
def test_wrong_options_of_a_text_are_refused(says, told, tmp_path):
    path = written(tmp_path / "table.csv", "a;b", ["1.25;2.5"])
    with pytest.raises((TypeError, ValueError), match=told):
        list(gmm.open_rows(path, **says).chunks())
    assert gmm.open_rows(path, header=np.True_).n_rows == 1


PRICES = [(1273.92, 68.8), (539.57, 38.9), (81.95, 13.5), (1033.06, 72.1)] * 10


@blocks_too
@cases(("$", "12", "$"), ("$", "€12", "$"), ("", "12%", "the same sign"))
def test_numbers_with_different_signs_are_not_mixed(sign, other, remedy, how, tmp_path):
    written(tmp_path / "a.csv", "price,share", [*(f"{sign}{a},{b}" for a, b in PRICES), f"{other},1"])
    told = f"column 'price' holds numbers, and text {other!r} in row 41; write {remedy} with every number"
    refused(tmp_path / "a.csv", *how, tells=[told, "--exclude 'price'"])


@pytest.mark.parametrize("late", [False, True], ids=["in the first block", "later"])
def test_all_texts_among_numbers_are_named_at_once(late, tmp_path):
    words = ["oops", "-", "", "oops", "k.A."]
    lines = [f"{a},{b}" for a, b in PRICES] * (4000 if late else 1)
    lines += [f"{word},{i}" for i, word in enumerate(words)] + ["1,x", "2,y"] * (not late)
    written(tmp_path / "a.csv", "a,b", lines)
    tells = ["use --na 'oops' --na '-' --na 'k.A.' if these mean missing values"]
    if not late:
        tells += ["column 'b' holds numbers, and text 'x' in row 46; use --na 'x' --na 'y' if"]
    refused(tmp_path / "a.csv", *(("--blocks",) if late else ()), tells=tells)
    with pytest.raises(ValueError, match=r"na_values=\['oops', '-', 'k\.A\.'\] if these mean missing values"):
        gmm.GaussianMixture(1).fit(gmm.open_rows(tmp_path / "a.csv"))
    written(tmp_path / "a.csv", "a,b", [*(f"{a},{b}" for a, b in PRICES), *(f"w{i},1" for i in range(20))])
    refused(tmp_path / "a.csv", tells=["--na 'w11' and more if these mean"])


@blocks_too
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@cases(
    (["# made by x, 2020", "#", ""], ("--comment", "#")),
    (["\N{ZERO WIDTH NO-BREAK SPACE}# made by x, 2020", "", "#"], ("--comment", "#")),
    (["made by x; 2020", "", "(c)"], ("--skip", 3)),
    (["%%", "made", "%% by"], ("--skip", 2, "--comment", "%%")),
    (["# made by x, 2020", "! on a Monday"], ("--comment", "!", "--comment", "#")),
)
def test_lines_that_are_no_part_of_a_table_are_left_out(above, words, end, how, tmp_path):
    lines = [*above, "a:b", *(f"{a}:{b}" for a, b in PRICES), "#%% the end"[words[-1] == "%%" :]]
    lines = lines if "--comment" in words else lines[:-1]
    fit = (tmp_path / "a.csv", *words, "--delimiter", ":", *how)
    (tmp_path / "a.csv").write_bytes((end.join(lines) + end).encode())
    columns, means, *_ = fitted(*fit)
    assert columns == ["a", "b"]
    np.testing.assert_allclose(means, [np.mean(PRICES, axis=0)])
    (tmp_path / "a.csv").write_bytes((end.join([*lines, "", "1:2:3"]) + end).encode())
    refused(*fit, tells=[f"line {len(lines) + 2} has 3 fields, expected 2: correct it"])
    (tmp_path / "a.csv").write_bytes((end.join([*lines[:-1], "", "1:x"]) + end).encode())
    refused(*fit, tells=["text 'x' in row"])


@blocks_too
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_value_far_from_all_others_is_noted_with_the_option_that_helps(kind, how, tmp_path):
    hum, temp = np.random.default_rng(1).normal([[60], [20]], [[5], [4]], (2, 800)).round(2)
    hum[:31] = -999
    path = tmp_path / f"t.{kind}"
    (pa.parquet.write_table if kind == "parquet" else pa.csv.write_csv)(pa.table({"hum": hum, "temp": temp}), path)
    note = "note: column 'hum' has -999 in 31 rows, far from all others; if it is a code, use --na -999 --missing em"
    assert fitted(path, *how)[2] == ("" if how else f"{note}\n")
    _, means, notes, _ = fitted(path, *how, "--na", "-999", "--missing", "em")
    assert_contains(notes, "missing values in 31 of 800 rows", without=["far from"])
    assert 59 < means[0][0] < 61
    refused(path, *how, "--na", "-999", tells=["missing value"])
    if kind == "parquet":
        refused(path, *how, "--na", "none", tells=["apply to delimited text"])


# --- What spreadsheets, R and people write ---------------------------------------------------------

A, B = np.random.default_rng(0).normal([5, 40], 3, (40, 2)).round(2).T
NAMED, PLAIN = {"a": A, "b": B}, [f"{a},{b}" for a, b in zip(A, B, strict=True)]


def formed(form="{},{}", *more, decimal=".", a=A):
    """A line for each row, of the row's values and those of further columns in front."""
    return [form.format(*row).replace(".", decimal) for row in zip(*more, a, B, strict=True)]


def signed(negative, positive="{:.2f}"):
    return [(positive if a >= 0 else negative).format(abs(a)) for a in (A - 5).round(2)]


TWICE_NAMED = {"bp before": A, "bp after": B}
SHIFTED = {"a": (A - 5).round(2), "b": B}
LATE = {"a": np.append(A, 5), "b": np.append(B, 5)}
READ = {
    "Excel's separator": (["sep=;", "a;b", *formed("{};{}", decimal=",")], NAMED),
    "a quoted separator": (['"sep=,"', "a,b", *PLAIN], NAMED),
    "R with row numbers": (['"a" "b"', *formed('"{}" {} {}', range(1, 41))], NAMED),
    "R with row names": (['"a","b"', *formed('"car {}",{},{}', range(40))], NAMED),
    "some rows of R without quotes": (["a b", *formed("{} {} {}", range(2, 122, 3))], NAMED),
    "blanks": (["      a       b", *formed("{:7.2f} {:7.2f}")], NAMED),
    "lines of blanks": ([" ", "a b", *formed("{:.2f} {:.2f} "), "   "], NAMED),
    "blanks and texts": (["who   a     b", *formed("row{:<4} {:<6} {}", range(40))], NAMED),
    "names behind a mark": (["# a b", *formed("{} {}")], NAMED),
    "units behind a mark": (["# a,b", "# mm,kg", *PLAIN], NAMED),
    "remarks in front": (["# by me, 2024", "# and you", "a,b", *PLAIN], NAMED),
    "units": (["a;b", "mm;kg", *formed("{};{}", decimal=",")], NAMED),
    "units beside names": (["who,a,b", ",[mm],", *formed("p{},{},{}", range(40))], NAMED),
    "minus signs": (["a,b", *formed(a=signed("\N{MINUS SIGN}{:.2f}"))], SHIFTED),
    "minus behind": (["a;b", *formed("{};{}", a=signed("{:.2f}-"), decimal=",")], SHIFTED),
    "parentheses": (["a;b", *formed("{};{}", a=signed("(${:.2f})", "${:.2f}"))], SHIFTED),
    "lakhs": (["a;b", *formed("{};{}", a=[f"7,12,{500 + 20 * a:.2f}" for a in A])], {"a": 712_500 + 20 * A, "b": B}),
    "delimiters behind rows": (["a,b", *formed("{},{},")], NAMED),
    "delimiters behind names": (["a,b,", *PLAIN], NAMED),
    "empty columns": (["a;b;;", *formed("{};{};;")], NAMED),
    "decimal commas between blanks": (formed("{:.2f}   {:.2f}", decimal=","), {"x0": A, "x1": B}),
    "R with few texts at the end": (["a,b,c", *formed("r{},{},{},", range(40)), "r40,5.00,5.00,late"], LATE),
    "steps that double": (["a,b", *formed(a=0.3 * 2.0 ** np.arange(40))], {"a": 0.3 * 2.0 ** np.arange(40), "b": B}),
    "quotes behind blanks": (['"a", "b"', *formed('"{}", "{}"')], NAMED),
    "dollars": (["a;b", *formed('"{}";{}%', a=[f"${1000 + a:,.2f}" for a in A])], {"a": 1000 + A, "b": B}),
    "euros": (["a;b", *formed("{} €;{}\N{NO-BREAK SPACE}%", decimal=",")], NAMED),
    "pounds below zero": (["a;b", *formed("-£{:.2f};{}", a=99 + A)], {"a": -99 - A, "b": B}),
    "blanks around names": ([" a, b ", *PLAIN], NAMED),
    "commas in names": (["a (x, y, z);b (x, y, z)", *formed("{};{}")], {"a (x, y, z)": A, "b (x, y, z)": B}),
    "numbers below names": (["a b", "1.5 2", "3 4", "2 2.5"], {"a": [1.5, 3, 2], "b": [2, 4, 2.5]}),
    "3 columns": (["a b c", "1,5 200 -1", "1,5 2 2", "2 2 3"], {"a": [1.5, 1.5, 2], "b": [200, 2, 2], "c": [-1, 2, 3]}),
    "thousands below two words": (["gross income", "1 200", "1 300", "2 000"], {"gross income": [1200, 1300, 2000]}),
    "rows that are no thousands": (["1 200", "3 400", "5 500"], {"x0": [1, 3, 5], "x1": [200, 400, 500]}),
    "a Markdown table": (["| a | b |", "|---|---|", *formed("| {} | {} |")], NAMED),
    "two lines of names": (["bp;bp", "before;after", *formed("{};{}", decimal=",")], TWICE_NAMED),
    "names in two lines above an index": ([",bp,bp", ",before,after", *formed("{},{},{}", range(40))], TWICE_NAMED),
    "a name of the index below": ([",bp,bp", ",before,after", "who,,", *formed("p{},{},{}", range(40))], TWICE_NAMED),
    "merged names": (["who,bp,,hr,", "of,x,y,x,y", *formed("p{0},{1},{2},1,1", range(40))], {"bp x": A, "bp y": B}),
    "units below names in two lines": (["bp,bp", "before,after", "mm,mm", *PLAIN], TWICE_NAMED),
    "a logger's three lines": (
        ['"AT","a","b"', '"TS","deg C","%"', '"","Avg","Smp"', *formed('"day {}",{},{}', range(40))],
        NAMED,
    ),
    "empty rows at the end": (["a;b;c", *formed("{};{};p"), ";;", "; ;", ";;"], NAMED),
    "a dozen delimiters behind rows": (["a;b", *formed("{};{}" + 12 * ";", decimal=",")], NAMED),
    "a dozen delimiters behind names": (["a,b" + 12 * ",", *PLAIN], NAMED),
    "numbers as names": ([",1,2,3,", *formed("A{0},{1},{2},0,", range(40))], {"1": A, "2": B}),
    "numbers as names of rows with names": (["1,2,3", *formed("A,{},{},0")], {"1": A, "2": B}),
}


@blocks_too
@cases(READ)
def test_what_programs_write_is_read(lines, values, how, tmp_path):
    columns, means, *_ = fitted(written(tmp_path / "t.csv", lines[0], lines[1:]), *how)
    np.testing.assert_array_equal(columns, [*values])
    np.testing.assert_allclose(means, [[np.mean(column) for column in values.values()]])


@pytest.mark.parametrize("n", [40, 150_000])
def test_empty_rows_at_the_end_are_noted(n, tmp_path):
    path = written(tmp_path / "t.csv", "a;b", [*(f"{i};{i % 7}" for i in range(n)), ";", " ;", ""])
    (rows, notes) = warned(gmm.open_rows, path)
    assert (rows.n_rows, notes[0]) == (n, f"{path}: 2 rows at the end without a value are dropped")


def test_a_total_is_left_out_and_noted(tmp_path):
    X = np.column_stack([A, B, A * B])
    for last, noted in (
        (X.sum(axis=0), ["columns 'x0', 'x1', 'x2' have the sum of those above in their last row: drop it"]),
        ([A.max(), B.sum(), 1], []),
    ):
        assert [note for note in gmm.select(np.vstack([X, last]), 1, "EII").notes if "row" in note] == noted
    path = written(tmp_path / "t.csv", "who,a,b", [*ROWS, f"All,{A.sum():.1f},{B.sum():.1f}"])
    done = ok("fit", path, *ONE, "--label-column", "who", "--out", tmp_path)
    assert "left out: row 41, as columns 'a', 'b' have the sum of those above in their last row" in done.stderr
    assert labels_in(tmp_path)["row"] == list(map(str, range(1, 41)))


ROWS = formed("p{},{},{}", range(40))
HALVES = [*ROWS[:20], f"Subtotal,{A[:20].sum():.1f},{B[:20].sum():.1f}"]
HALVES += [*ROWS[20:], f"Subtotal,{A[20:].sum():.1f},{B[20:].sum():.1f}"]
MEANS = f"{A.mean():.2f},{B.mean():.2f}"
SUMMED = {
    "a total": ([*ROWS, f"Total,{A.sum():.1f},{B.sum():.1f}"], "row 41 "),
    "a total beside numbers": ([*[row[1:] for row in ROWS], f"Summe,{A.sum():.1f},{B.sum():.1f}"], "row 41 "),
    "statistics beside numbers": ([*[row[1:] for row in ROWS], f"Mean,{MEANS}", "SD,3.1,3.2"], "row(s 41, 42 | 41 )"),
    "a total above an empty row": ([*ROWS, f"Sum:,{A.sum():.1f},1", ",,"], "row 41 |last row"),
    "a mean": ([*ROWS, f"Mittelwert,{MEANS}"], "row 41 "),
    "a total in front": ([f"total,{A.sum():.1f},{B.sum():.1f}", *ROWS], "row 1 "),
    "a mean without a word": ([*ROWS, f",{MEANS}"], "last row"),
    "several": ([*ROWS, f"Mean,{MEANS}", "SD,3.1,3.2", "Max,14,46"], "row(s 41, 42, 43 | 41 )"),
    "subtotals": ([*HALVES, f"Total,{A.sum():.1f},{B.sum():.1f}"], "row(s 21, 42, 43 | 21 )"),
}


@blocks_too
@cases(SUMMED)
def test_rows_made_of_others_are_left_out_or_of_blocks_refused(lines, told, how, tmp_path):
    done = run("fit", written(tmp_path / "t.csv", "who,a,b", lines), *ONE, "--json", *(how or ["--drop-missing"]))
    assert re.search(told, done.stderr)
    if how:
        assert (done.returncode, bool(re.search("drop |leave |[Rr]emove ", done.stderr))) == (1, True)
    else:
        np.testing.assert_allclose(json.loads(done.stdout)["best"]["means"], [[A.mean(), B.mean()]])


def test_words_of_totals_may_be_names(tmp_path):
    """As of petrol stations, people, states."""
    for *names, other in (("Total", "Total"), ("Max", "Ann"), ("SD", "NY"), ("Min", "Max", "Ann"), ("max", "SD", "a")):
        lines = formed("{},{},{}", [other, "BP"] * 18 + [other, "BP", other, "BP"][len(names) :] + names)
        assert fitted(written(tmp_path / "t.csv", "who,a,b", lines))[1] == [[A.mean(), B.mean()]]


def test_words_of_totals_among_numbers_are_refused_with_the_option(tmp_path):
    numbered = [row[1:] for row in ROWS]
    for word in ("SD", "Total"):
        path = written(tmp_path / "t.csv", "who,a,b", [*numbered[:20], f"{word},5,40", *numbered[20:]])
        refused(path, tells=[f"column 'who', got text '{word}' in row 21; use --na '{word}' if"])


@pytest.mark.parametrize("late", ["1,000.5", "\N{MINUS SIGN}3.5", "(3.5)"])
def test_marks_behind_the_first_block_are_read(late, tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "BLOCK", 1 << 10)
    path = written(tmp_path / "t.csv", "a,b", [*PLAIN * 9, f'"{late}",3', *PLAIN])
    rows = np.concatenate([chunk.rows for chunk in gmm.open_rows(path).chunks()])
    np.testing.assert_array_equal(rows, numbers(path))
    assert rows[360, 0] == (1000.5 if "," in late else -3.5)


@blocks_too
def test_a_mark_that_comes_late_between_semicolons_decides(how, tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "BLOCK", 1 << 10)
    path = written(tmp_path / "t.csv", "a;b", [*["12;3", "13;5"] * 450, "1,25;4"])
    assert fitted(path, *how, "--columns", "a")[1] == [[pytest.approx((25 * 450 + 1.25) / 901)]]
    written(path, "a;b", [*["12;3", "13;5"] * 450, "1.234;4"])
    refused(path, *how, tells=["'1.234' in row 901, column 'a'", "--decimal . if points are decimal, --decimal ,"])


@pytest.mark.parametrize("who", ["p{}", '"p{}\nx"'], ids=["a line", "two lines"])
def test_delimiters_behind_rows_are_seen_whatever_the_block_cuts(who, tmp_path, monkeypatch):
    lines = [f"{who.format(i)},{i % 97 + 0.25:5},{i % 7}.5," for i in range(2000)]
    path = written(tmp_path / "t.csv", "who,a,b", lines)
    a, b = (np.mean(np.arange(2000) % n) for n in (97, 7))
    for block in range(1000, 1016):
        monkeypatch.setattr(delimited, "BLOCK", block)
        np.testing.assert_allclose(fitted(path, "--columns", "a,b")[1], [[a + 0.25, b + 0.5]])


def some(text):
    return formed(a=[text if i in (3, 9) else a for i, a in enumerate(A)])


GAPS = {"a": np.where(np.isin(np.arange(40), (3, 9)), np.nan, A), "b": B}
YEARS, CODED = {"2001": A, "2002": B}, np.where(GAPS["a"] == A, A, 999)
AFTER_GAP = {"x0": np.append(np.nan, A), "x1": np.append(3.25, B)}
THOUSANDS = [f"p{i}  {1 + i % 9} {100 + i * 37 % 800}  {i}.5" for i in range(40)]
WHOLE = (100 * A).round(), (100 * B).round()
WHOLE_NAMED = dict(zip("12", WHOLE, strict=True))
COMMAS = formed("s{} {:.2f} {:.2f}", range(40), decimal=",")
MESSY = formed("p{};{};{}", range(40), a=CODED, decimal=",")
MESSY.append(f"Sum;{CODED.sum():.2f};{B.sum():.2f}".replace(".", ","))
ADVISED = {  # lines, the values, and what must not be followed, since its condition is untrue
    "a title": (["Report 2024", "a;b", *formed("{};{}", decimal=",")], NAMED, ()),
    "a title with delimiters": (["Report; plant 3; 2024", "who;a;b", *formed("p{};{};{}", range(40))], NAMED, ()),
    "blanks between names": (["a b", *formed("{}\t{}")], NAMED, ("--skip 1",)),
    "decimal commas behind names": (["who,a", *(f"p{i},{15 + i % 11},{i * 7 % 10}" for i in range(40))], {}, ()),
    "blanks in thousands": (["who a b", *THOUSANDS], {}, ()),
    "a label and decimal commas": (COMMAS, {"x1": A, "x2": B}, ("--header",)),
    "a limit in front": (["<0.5,3.25", *PLAIN], AFTER_GAP, ("--header",)),
    "keys and values above": (["Device,X2", "Day,2024-01-05", "Serial,12345", "", "a,b", *PLAIN], NAMED, ()),
    "hexadecimal numbers": (["at,a,b", *formed("0x{:04x},{},{}", range(900, 980, 2))], NAMED, ()),
    "psql": (["  a  | b", "-----+----", *formed(" {} | {}"), "(40 rows)"], NAMED, ()),
    "mysql": (["+--+--+", "| a | b |", "+--+--+", *formed("| {} | {} |"), "+--+--+"], NAMED, ()),
    "a backslash": (["a,b", *some("\\N")], GAPS, ()),
    "a text that no option can say": (["a,b", *some("1\0")], GAPS, ()),
    "a title with empty fields": (["Report;;", "who;a;b", *formed("p{};{};{}", range(40))], NAMED, ()),
    "years": (["2001,2002", *PLAIN], YEARS, ("--no-header",)),
    "one column": (["a", *(f"{a:.2f}".replace(".", ",") for a in A)], {"a": A}, ("--skip 1",)),
    "one column without a name": ([f"{a:.2f}".replace(".", ",") for a in A], {"x0": A}, ("--delimiter ','",)),
    "more numbers than names": (["a,b", *(f"{line},5" for line in PLAIN)], {}, ()),
    "a remark": (["a,b", *PLAIN[:20], "# a break", *PLAIN[20:]], NAMED, ()),
    "a source beside names": (["who,a,b", *formed("p{},{},{}", range(40)), "Source: me,,"], NAMED, ()),
    "a short row": (["a,b", *PLAIN, "3.5"], NAMED, ()),
    "a long row": (["a,b", *PLAIN, "3.5,4,5"], NAMED, ()),
    "two decimal marks": (["a;b", *formed("{};{}")[:20], *formed("{};{}", decimal=",")[20:]], NAMED, ()),
    "a word": (["a,b", *some("-")], GAPS, ()),
    "signs in some rows": (["a,b", *some("5%")], NAMED, ()),
    "equal names": (["a,a", *PLAIN], NAMED, ()),
    "names again": (["a,b", *PLAIN[:20], "a,b", *PLAIN[20:]], NAMED, ()),
    "two tables": (["a,b", *PLAIN, "c,d", *PLAIN], {}, ()),
    "many lines above": ([*(f"note {i}" for i in range(60)), "who,a,b", *formed("p{},{},{}", range(40))], NAMED, ()),
    "a logger": (['"T5","X","1"', '"at","a"', '"TS","mm"', '"","Avg"', *formed('"d{}",{}', range(40))], NAMED, ()),
    "numbers as names below others": (["Plate,1", ",1,2,3", *formed("A,{},{},0")], {"1": A, "2": B}, ()),
    "numbers as names above integers": (
        ["1,2,3", *map("{:.0f},{:.0f},1".format, *WHOLE)],
        WHOLE_NAMED,
        ("--no-header",),
    ),
    "all at once": (["Report;;", "who;a;b", ";mm;kg", *MESSY], GAPS, ()),
}
BY_HAND = "a short row", "a long row", "two decimal marks", "equal names", "names again"  # to be corrected
VALUE = r"""(?:'[^']*'|"[^"]*"|\S+)"""
OPTION = re.compile(
    rf"--(?:header|no-header|drop-missing|missing em|skip \d+|decimal [.,]|(?:comment|delimiter|exclude) {VALUE}"
    rf"|na {VALUE}(?: --na {VALUE})*)"
)


@pytest.mark.parametrize("kind", ADVISED)
def test_no_advice_ends_in_a_wrong_table(kind, tmp_path):
    """Advice is followed until a table is read or refused; what is read has the right values under their names."""
    lines, values, untrue = ADVISED[kind]
    path, seen, waiting, is_read = written(tmp_path / "t.csv", lines[0], lines[1:]), set(), [()], False
    while waiting:
        words = waiting.pop()
        if frozenset(words) in seen or len(words) > 12:
            continue
        seen.add(frozenset(words))
        done = run("fit", path, *ONE, "--json", *words)
        advice = {option for option in OPTION.findall(done.stderr) if not option.startswith(untrue or ("?",))}
        told = f"{words}: {done.stderr}"
        if done.returncode == 0:
            document = json.loads(done.stdout)
            columns = document["data"]["columns"]
            is_read = True
            assert columns, told
            assert {*columns} <= {*values}, told
            if "--missing" not in words and not any("far from" in note for note in document["data"]["notes"]):
                table = np.column_stack([values[name] for name in columns])
                table = table[~np.isnan(table).any(axis=1)]
                assert document["data"]["n_rows"] == len(table), told
                np.testing.assert_allclose(document["best"]["means"], [table.mean(axis=0)], err_msg=told)
            advice = {option for option in advice if option.startswith("--na")}
        waiting += [(*words, *shlex.split(option)) for option in sorted(advice)]
    assert is_read or not values or kind in BY_HAND


# --- The same in memory and block by block --------------------------------------------------------

N = 600


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


def both_written(place, *words):
    """What a command writes and prints, which is the same in memory and block by block."""
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
    if name != "rows.npy":
        own, written = table(text_in(folder / "rows.csv")), both_written(tmp_path, *predict, "--keep", "all", "--proba")
        assert written == own | {name: written[name] for name in ("row", "component", "p_0", "p_1")}


@pytest.mark.parametrize("more", [(), ("--noise",), ("--prior", "conjugate"), ("--n-init", 2, "--tol", 1e-3)], ids=str)
def test_a_fit_of_blocks_is_that_of_the_estimator(more, folder, tmp_path, monkeypatch):
    path, columns = folder / "rows.parquet", ("--exclude", "id", "--exclude", "c, k", "--weight-column", "w")
    fit = ("fit", path, *columns, "--components", 2, "--covariance", "full", *more, "--blocks", "--out", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(gmm.GaussianMixture, "predict", None)  # which makes an array of all labels
        document = json_of(*fit, "--quiet")
    mixture, rows = gmm.load(tmp_path / "model.gmm"), gmm.open_rows(path, columns=list("ab"), weight="w")
    again = gmm.GaussianMixture(**mixture.get_params()).fit(rows)
    np.testing.assert_array_equal(mixture.means_, again.means_)
    assert (mixture.tol, mixture.n_init) == ((1e-3, 2) if "--tol" in more else (1e-5, 1))
    assert document["best"]["rows_per_component"] == np.bincount(again.predict(rows) + 1, minlength=3)[1:].tolist()
    assert "n_left_out" not in document
    if "--prior" not in more:
        assert document["best"]["bic"] == pytest.approx(again.bic(rows), rel=1e-9)


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


@blocks_too
def test_text_and_numbers_of_a_german_export_are_kept_as_they_are_written(how, tmp_path):
    a, b = measured().round(3).T
    zips, notes = [f"{7 * i % 100_000:05}" for i in range(N)], [["", "NA", " a", "1e3", "x,y"][i % 5] for i in range(N)]
    found = kept(tmp_path, write(tmp_path / "t.csv", ["a", "b", "zip", "note"], a, b, zips, notes), "zip,note,a", how)
    assert (found["zip"], found["note"], found["a"]) == (zips, notes, list(map(str, a)))
    c, a = [f"{1 + i % 9}.{i % 1000:03}" for i in range(N)], [f"{a:.3f}".replace(".", ",") for a in a]
    found = kept(tmp_path, written(tmp_path / "t.csv", "a;b;c", map("{};{:.0f},5;{}".format, a, b, c)), "c,a", how)
    assert (found["c"], found["a"]) == (c, a)


@blocks_too
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
    columns |= {"id": np.arange(N) + 5, "c": np.full(N, 2.5), "t": ["x"] * N, "k": np.arange(N) // 10 % 3}
    path = tmp_path / f"t.{kind}"
    (pa.parquet.write_table if kind == "parquet" else pa.csv.write_csv)(pa.table(columns), path)
    fit = ("fit", path, "--bayesian", "--max-components", 3, "--label-column", "who")
    fit, found = (*fit, "--weight-column", "w", "--format", "parquet"), []
    for name, how in {"whole": (), "parts": ("--blocks",)}.items():
        place = tmp_path / name
        done = ok(*fit, "--out", place, *how)
        document = result_in(place)
        model = place / "model.gmm"
        ok("predict", model, path, "--proba", "--keep", "all", "--out", place / "p.parquet", *how)
        written = [(place / file).read_bytes() for file in ("labels.parquet", "p.parquet")]
        told = done.stderr + done.stdout.replace(str(place), "")
        found.append((told, document, ok("predict", model, path, *how).stdout, written))
    assert found[0] == found[1]
    assert (document["agreement"]["labels"], document["best"]["columns"]) == (["x", "y"], ["a", "b"])
    left_out = "'t' (t", "'id', which numbers the rows", "'c' (2.5), which is constant", "'k' (3 distinct values)"
    assert_contains(done.stderr, *left_out)


@blocks_too
def test_notes_are_on_the_columns_that_were_asked_for(how, tmp_path):
    lines = [f"{a:.3f};{b:.2f};{1 + i % 9},{i % 1000:03}.5;7;x" for i, (a, b) in enumerate(measured())]
    fit = ("fit", written(tmp_path / "t.csv", "a;b;c;d;e", lines), *ONE, "--quiet", "--decimal", ".", *how)
    assert json_of(*fit, "--columns", "a,b")["data"]["notes"] == []
    (told,) = json_of(*fit, "--columns", "a,c")["data"]["notes"]
    assert "'c'" in told


@blocks_too
def test_constants_and_weights_that_are_none_are_named(how, tmp_path):
    path = parquet(tmp_path / "t.parquet", a=np.full(50, 2.5), b=np.full(50, 3))
    weighed = write(tmp_path / "t.csv", "aw", [1, 2, 4, 5], [1, 1, -2, 1])
    numbered = parquet(tmp_path / "n.parquet", id=np.arange(1, 51), b=np.full(50, 3))
    broken = parquet(tmp_path / "broken.parquet", a=[1.0, None, 3.0], b=[1.0, 2.0, 3.0], w=[1.0, 1.0, None])
    for words, parts in (
        ((path,), ("constant", "'a'", "'b'")),
        ((path, "--columns", "a,b"), ("constant", "'a'", "'b'")),
        ((numbered,), ("constant: 'b', besides those left out: 'id'",)),
        ((weighed, "--weight-column", "w"), ("'w'", "-2", "row 3")),
        ((broken, "--weight-column", "w", "--blocks"), ("weights in column 'w', got nan in row 3",)),
    ):
        refused(*words, *how, tells=parts)


def test_missing_values_in_blocks_are_told_what_helps(tmp_path):
    X = measured()
    ok("fit", write(tmp_path / "t.csv", "ab", *X.T), *ONE, "--out", tmp_path)
    X[3, 1] = np.nan
    write(tmp_path / "t.csv", "ab", *X.T)
    for command in (("fit", *ONE), ("predict", "model.gmm")):
        parts = "row 4, column 'b'", "--drop-missing in place of --blocks", "--missing em"
        told = fails(1, *command, "t.csv", "--blocks", tells=parts, cwd=tmp_path)
        assert ("gmm fit --missing em" in told) == (command[0] == "predict")


@cases((2, 2, 1, False), (24, 2, 1, True), (24, 6, 2, True), (3, 9, 2, False))
def test_wide_tables_are_printed_in_the_direction_that_needs_fewer(d, K, n_tables, by_name, tmp_path):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(9 * k, 1, (40, d)) for k in range(K)]).round(2)
    path = write(tmp_path / "t.csv", [f"c{j}" for j in range(d)], *X.T)
    fit = ("fit", path, "--components", K, "--covariance", "EEE", "--out", tmp_path)
    for words in (fit, ("info", tmp_path / "model.gmm")):
        shown = ok(*words, COLUMNS="80").stdout.partition("\nwritten to")[0]
        assert (shown.count("\ncomponent  "), "\nc0  " in shown) == (n_tables, by_name)
        assert {f"c{j}" for j in range(d)} <= {*re.findall(r"\bc\d+\b", shown.partition("\ncomponent  ")[2])}
        assert shown.count(" ± ") == d * K
        assert shown.count("orrelation of component") == K * by_name
        assert max(map(len, shown.partition("\ncomponent  ")[2].splitlines())) <= 80


@pytest.mark.parametrize("blank", ["", "NA"])
def test_a_first_row_without_numbers_is_no_second_line_of_names(blank, tmp_path):
    """As pandas writes differences of rows beside an index."""
    path = written(tmp_path / "t.csv", ",a,b", [f"2024-01-01,{blank},{blank}", *formed("of {},{},{}", range(40))])
    assert ok("fit", path, *ONE, "--drop-missing").stdout.startswith(f"{path}: 40 rows, 2 columns")
    fails(1, "fit", path, *ONE, tells=["row 1 (a, b)"])
