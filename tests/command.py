"""The command line in tests: its runner, tables for it to read, and what it writes."""

import contextlib
import csv
import io
import json
import os
import subprocess
import sys

import pytest

from inside import main


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


def fails(code, *words, tells=(), by=run, **options):
    """Run what must fail; return its one line on standard error, which tells all of these."""
    done = by(*words, **options)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("gmm")
    assert not [part for part in tells if part not in lines[0]], lines[0]
    return lines[0]


def json_of(*words, **options):
    """The document that a command prints, without the seconds of cells."""
    document = json.loads(ok(*words, "--json", **options).stdout)
    for cell in document.get("cells", ()):
        del cell["seconds"]
    return document


def text_in(path):
    return path.read_text(encoding="utf-8")


def result_in(out):
    return json.loads(text_in(out / "result.json"))


def table(text):
    """The columns of delimited text by their names."""
    names, *rows = csv.reader(io.StringIO(text))
    return {name: [row[j] for row in rows] for j, name in enumerate(names)}


def labels_in(out):
    return table(text_in(out / "labels.csv"))


def write(path, names, *columns):
    """Write columns as delimited text; return its path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([names, *zip(*columns, strict=True)])
    return path


def on_terminal(*command):
    """Run a command whose standard error is a terminal; return all that it writes there."""
    import pty

    main, terminal = pty.openpty()
    environment, shown = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}, bytearray()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=terminal, env=environment) as running:
        os.close(terminal)
        with contextlib.suppress(OSError):  # which ends a terminal that nobody holds
            while part := os.read(main, 1 << 16):
                shown.extend(part)
    os.close(main)
    assert running.returncode == 0, shown
    return shown.decode()
