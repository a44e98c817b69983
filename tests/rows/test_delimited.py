"""Delimited text: a field that begins with a quote ends with one, and a text that is left waits for nothing."""

import io
import subprocess
import sys
import threading
import weakref
from functools import partial

import pytest

import gmm
from inside import QuotedText, TextFormat, delimited, text_part
from tables import cases, refused

MANY = 2000  # lines, more than a block of the parser


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(delimited, "BLOCK", 1 << 12)


def part(folder, text, *, whole):
    path = folder / "rows.csv"
    path.write_bytes(text)
    return text_part(str(path), str(path), TextFormat(), whole=whole)


def table(folder, text):
    (folder / "rows.csv").write_text(text)
    return folder / "rows.csv"


def n_rows(part):
    return sum(map(len, part.batches(part.schema.names[:1], 1000)))


BEGIN, MIDDLE = b"a,note,b\n", b"1,x,2\n" * MANY


@cases(
    (BEGIN + b'1,x,"4"5\n2,y,3\n', 2, "b", '"4"5'),
    (BEGIN + b'1,"x,2\n2,y,3\n', 2, "note", '"x,2'),
    (BEGIN + b'1,"x,2\n2,"y",3\n', 2, "note", '"x,2'),
    (BEGIN + b'"1"," ""x"" ",2\r\n1,"x"",2\r\n2,"y",3\r\n', 3, "note", '"x"",2'),
    (BEGIN + b'1,"x\ny","2\n', 3, "b", '"2'),
    (BEGIN + MIDDLE + b'1,"x,2\n', MANY + 2, "note", '"x,2'),
    (BEGIN + b'1,"x,2\n' + MIDDLE, 2, "note", '"x,2'),
    (b'1,2\n"3,4\n', 2, "x0", '"3,4'),
    (b'"a","b\n1,2\n3,4\n', 1, "b", '"b'),
    ids=["digit behind", "to the end", "to the next quote", "doubled", "record", "far", "long", "no names", "names"],
)
def test_a_field_that_does_not_end_with_its_quote_is_refused(text, line, column, field, tmp_path):
    reads = [partial(part, tmp_path, text, whole=whole) for whole in (True, False)]
    messages = [str(refused("quote", lambda read=read: n_rows(read()))) for read in reads]
    assert messages[0] == messages[1]
    assert messages[0].startswith(f"{tmp_path / 'rows.csv'}: line {line}, column {column!r}: ")
    assert f"got {field!r}: put a quote at its end, and write quotes inside it twice" in messages[0]


@pytest.mark.parametrize("whole", [True, False])
@cases(b'1,"x",2\n', b'1,x"y,2\n', b'1,"x" ,2\n', b'"1","""x"", y","2"\r\n', b'1,"line\n3,4,5\n",2\n')
def test_other_quotes_are_read(record, whole, tmp_path):
    assert n_rows(part(tmp_path, BEGIN + record, whole=whole)) == 1
    table = part(tmp_path, b'a,"of\n""b"""\n1,2\n3,4\n', whole=whole)  # names, one of which has two lines
    assert (table.schema.names, n_rows(table)) == (["a", 'of\n"b"'], 2)
    table = part(tmp_path, b"\xef\xbb\xbf" + BEGIN + record * MANY, whole=whole)
    assert n_rows(table) == MANY
    assert [str(column.type) for column in table.columns.values()] == ["int64", "string", "int64"]


def test_rows_of_a_file_with_such_a_field_are_not_fitted(tmp_path):
    path = table(tmp_path, "a,b,note\n" + "1,2,x\n" * 9 + '3,"4"5,x\n')
    refused("line 11, column 'b'", lambda: gmm.GaussianMixture().fit(gmm.open_rows(path, columns=["a", "b"])))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_quotes_are_followed_from_block_to_block(size):
    text = b'a,"b ""c"" , d"\r\n"e\nf",g"h\n"i,j\n",k\n"l"'
    stream = QuotedText(io.BytesIO(text), "text", ",", ["a", "b"])
    assert b"".join(iter(lambda: stream.read(size), b"")) == text
    stream = QuotedText(io.BytesIO(text + b"m"), "text", ",", ["a", "b"])
    refused("^text: line 6, column 'a': .* got '\"l\"m'", b"".join, iter(lambda: stream.read(size), b""))


@pytest.mark.parametrize("ends", [False, True])
def test_a_text_is_not_closed_while_it_is_read_unless_the_process_ends(ends, monkeypatch):
    """Its descriptor would be the next file's, where a read ahead would be lost; at the end, the reader is gone."""
    reading, go, closed = threading.Event(), threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, size=-1):
            if self.tell():  # behind what the stream looks at first
                reading.set()
                go.wait()
            return super().read(size)

        def close(self):
            closed.set()
            super().close()

    stream = QuotedText(Slow(b"a,b\n1,2\n"), "text", ",", ["a", "b"])
    threading.Thread(target=stream.read, args=(4,), daemon=True).start()
    assert reading.wait(10)
    monkeypatch.setattr(sys, "is_finalizing", lambda: ends)
    threading.Thread(target=stream.close, daemon=True).start()
    assert closed.wait(10 if ends else 0.2) == ends
    if not ends:
        go.set()
    assert closed.wait(10)


HALF_READ = """
import sys, time, gmm
from gmm._rows.text_stream import TextStream
read, reading = TextStream.read, []
def slow(*how):
    reading.append(1)
    time.sleep(0.05)
    try:
        return read(*how)
    finally:
        reading.pop()
TextStream.read = slow
for _ in range(3):
    gmm.open_rows(sys.argv[1])
    assert not reading
"""


def test_a_text_that_is_left_half_read_waits_for_nothing(tmp_path):
    """A reader that goes waits for its thread, which waits for the interpreter that the reader holds: for ever."""
    path = table(tmp_path, "a,b\n" + "1.5,2.5\n" * 1_200_000)
    subprocess.run([sys.executable, "-c", HALF_READ, path], check=True, timeout=60)


def test_a_text_leaves_nothing_behind_that_a_thread_still_holds(tmp_path, monkeypatch):
    """A thread of Arrow that drops its stream while the interpreter ends aborts the process."""
    path, streams = table(tmp_path, "a,b\n" + "1.5,2.5\n" * 360), []

    class Noted(delimited.TextStream):
        def __init__(self, *of):
            streams.append(weakref.ref(self))
            super().__init__(*of)

    monkeypatch.setattr(delimited, "TextStream", Noted)
    for _ in range(150):
        gmm.open_rows(path)
        assert not [stream for stream in streams if stream() is not None]
    error = refused("quote", lambda: gmm.open_rows(table(tmp_path, 'a,b\n1,"2"3\n')))
    assert not [stream for stream in streams if stream() is not None], error


@pytest.mark.parametrize("read", ["head", "choose_decimal", "batches"])
def test_ctrl_c_while_a_text_is_left_half_read_is_not_lost(read, tmp_path, monkeypatch):
    """An exception in the destructor of a generator would be ignored."""
    path = table(tmp_path, "a;b\n" + "1,5;2,5\n" * 40 + "x;5\n" * (read == "batches"))
    end = delimited.end_reading

    def interrupted(*of):
        end(*of)
        frame, names = sys._getframe(), []
        while frame := frame.f_back:
            names.append(frame.f_code.co_name)
        if read in names[:3] and "_no_number" not in names:
            raise KeyboardInterrupt

    monkeypatch.setattr(delimited, "end_reading", interrupted)
    with pytest.raises(KeyboardInterrupt):
        gmm.open_rows(path, decimal="," if read == "batches" else None).n_rows  # noqa: B018
