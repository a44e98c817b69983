"""No text of a stranger's file reaches a terminal as it is: names, labels, headers and paths are shown, not obeyed."""

import io
import json
import os
import sys
import warnings
from unicodedata import category

import numpy as np
import pandas as pd
import pytest

import fuzz_files
import gmm
from command import ok, result_in, run
from gmm import GaussianMixture, MixtureClassifier, open_rows, select
from inside import main
from tables import cases

HOSTILE = "\x1b]0;x\x07\u202e\x9b31m\r\u2028"
RNG = np.random.default_rng(0)
TWO = np.concatenate([RNG.normal(0, 1, 60), RNG.normal(6, 1, 60)])
FRAME = pd.DataFrame(
    {"a" + HOSTILE: TWO, "b" + HOSTILE: TWO + RNG.normal(size=120), "c" + HOSTILE: RNG.integers(0, 3, 120)}
)
LABELS = np.repeat(["u" + HOSTILE, "v" + HOSTILE], 60)


def obeyed(text):
    return sorted({letter for letter in text if category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n"})


def told(action):
    """What a terminal is told: the result, or the error, and warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = action()
            texts = [str(result), repr(result)]
        except (ValueError, TypeError) as error:
            texts = [str(error)]
    return "\n".join([*texts, *(str(warning.message) for warning in caught)])


def with_hostile(value):
    """Copies of a header, in each of which one key or text goes on with hostile letters."""
    if isinstance(value, str):
        yield value + HOSTILE
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from ([*value[:index], other, *value[index + 1 :]] for other in with_hostile(entry))
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield {name: other for name, other in value.items() if name != key} | {key + HOSTILE: entry}
            yield from (value | {key: other} for other in with_hostile(entry))


def saved_things():
    how = {"random_state": 0, "max_iter": 5}
    X = FRAME.iloc[:, :2]
    yield GaussianMixture(2, tails="t", **how).fit(X, labels=[*LABELS[:5], *[None] * 110, *LABELS[-5:]])
    yield MixtureClassifier(1, "diag", **how).fit(X, LABELS)
    yield select(FRAME.iloc[:5], [1, 2, 9], ["EEI", "VII"], tails=["normal", "t"], **how)


@pytest.mark.filterwarnings("ignore")
def test_no_text_of_a_saved_file_is_obeyed():
    n_loaded = 0
    for thing in saved_things():
        parts = fuzz_files.members(fuzz_files.saved(thing))
        for header in with_hostile(json.loads(fuzz_files.array_of(parts["header.npy"]).tobytes())):
            changed, found = np.frombuffer(json.dumps(header).encode(), np.uint8), []
            content = fuzz_files.packed(parts | {"header.npy": fuzz_files.npy(changed)})
            text = told(lambda content=content, found=found: found.append(gmm.load(content)))
            for loaded in found:
                n_loaded += 1
                best = getattr(loaded, "best", loaded)
                shown = str(loaded), str(best), repr(getattr(best, "history_", "")), *getattr(loaded, "notes", ())
                text += "".join(shown)
            assert not obeyed(text), text
    assert n_loaded > 20


@cases(
    lambda: GaussianMixture(4, covariance_type="diag", reg_covar=1e-9, random_state=0).fit(FRAME.round(0)),
    lambda: GaussianMixture(2).fit(FRAME * 1e200),
    lambda: GaussianMixture(2).fit(FRAME.assign(**{"t" + HOSTILE: LABELS})),
    lambda: GaussianMixture(2, covariance_type="x" + HOSTILE).fit(FRAME),
    lambda: GaussianMixture(2).set_params(**{"x" + HOSTILE: 1}),
    lambda: GaussianMixture(1).fit(FRAME, labels=LABELS),
    lambda: GaussianMixture(1).fit(FRAME).predict(FRAME.rename(columns=str.upper)),
    lambda: GaussianMixture(1).fit(FRAME).marginal("x" + HOSTILE),
    lambda: GaussianMixture(1).fit(FRAME).predict_from(FRAME.iloc[:, :1], level=0.9),
    lambda: gmm.analysis.directions(GaussianMixture(2, random_state=0).fit(FRAME)),
    lambda: gmm.inference.standard_errors(GaussianMixture(1).fit(FRAME), FRAME),
    lambda: MixtureClassifier(1).fit(FRAME, LABELS),
    lambda: MixtureClassifier(1).fit(FRAME, [LABELS[0], *LABELS[60:], *LABELS[61:]]),
    lambda: select(FRAME.assign(**{"id" + HOSTILE: range(120), "d" + HOSTILE: 2 * TWO}), [1, 2], ["EEI", "VVV"]),
)
def test_no_name_or_label_is_obeyed(action):
    text = told(action)
    assert text
    assert not obeyed(text)


NAMES = '"a\x1b]0;\u202e","b\u202e\x1b"\n'
BODY = "".join(f"{a:.3f},{b:.3f}\n" for a, b in FRAME.iloc[:, :2].to_numpy())


@cases(
    ("t.csv", NAMES + BODY),
    ("t.csv", NAMES + BODY + "x\x1b,2\n"),
    ("t.csv", NAMES + BODY + "1,2,\x1b3\n"),
    ("t.csv", NAMES + BODY + '"1\x1b,2\n'),
    ("t.csv", "1\x1b,2\n" * 30),
    ("t.csv", "a\x1b,a\x1b\n" + BODY),
    ("t.csv", NAMES + '"1,000.5",2\n' + BODY),
    ("\x1b/t\x1b.csv", "a,b\nx,y\n" + BODY),
    ("t\x1b.parquet", "PAR1\x1b"),
    ("t\x1b.npy", "\x1b"),
    ("t.\x1b", "\x1b"),
    ("t\x1b.gmm", "\x1b"),
)
@pytest.mark.skipif(os.name != "posix", reason="Windows has no control characters in names of files")
def test_no_text_of_a_table_and_no_name_of_a_file_is_obeyed(name, text, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    assert not obeyed(told(lambda: gmm.load(path) if name.endswith("gmm") else GaussianMixture(1).fit(open_rows(path))))
    assert not obeyed(told(lambda: GaussianMixture(1).fit(open_rows(path.parent))))


@pytest.mark.needs("jinja2", "pyarrow", "rich")
def test_no_table_and_no_traceback_is_obeyed_in_a_terminal(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text('"a\x9b",b\u202e,"c\x1b"\n' + BODY.replace("\n", ",u\x1b\n"), encoding="utf-8")
    out = tmp_path / ("o\x1b" if os.name == "posix" else "o")  # Windows has no control characters in names of files
    fit, predict = ("fit", path, "--components", 1, "--covariance", "EEE"), ("predict", out / "model.gmm", path)
    quiet, keep, sample = (*fit, "--out", out, "--quiet"), (*predict, "--keep", "all"), ("sample", predict[1], "-n", 2)
    for words in (quiet, keep, (*quiet, "--json"), sample, (*keep, "--known", "x", "--debug")):
        shown = io.StringIO()
        shown.isatty = lambda: True
        monkeypatch.setattr(sys, "stdout", shown)
        monkeypatch.setattr(sys, "stderr", shown)
        main([*map(str, words)])
        assert not obeyed(shown.getvalue().replace("\x1b[2m", "").replace("\x1b[0m", "")), words
        assert ("a\\x9b" in shown.getvalue()) == (words[0] in ("predict", "sample") or "--debug" in words)
    text, absent = ("--columns", "c\x1b"), ("fit", tmp_path / "no\x1b.csv")
    done = [run(*fit, *how, "c\x1b") for how in (("--out", out, "--label-column"), ("--class-column",))]
    done += [run(*fit, *how) for how in (text, (*text, "--blocks"), ("--weight-column", "b\u202e"))]
    done += [run(*words) for words in (("info", predict[1]), absent, ("fit", "--\x1b"), (*predict, "--known", "\x1b"))]
    assert not obeyed("".join(each.stdout + each.stderr for each in done))
    assert all("a\\x9b" in each.stdout for each in (*done[:2], done[5]))
    assert result_in(out)["best"]["columns"] == ["a\x9b", "b\u202e"]


@pytest.mark.needs("pyarrow")
@pytest.mark.skipif(sys.platform != "linux", reason="others name files in Unicode")
def test_names_of_files_need_not_be_utf_8(tmp_path):
    def named(end):
        return tmp_path / os.fsdecode(b"\xff" + end)

    named(b".csv").write_text("a,b\n" + BODY, encoding="utf-8")
    FRAME.set_axis(list("abc"), axis=1).to_parquet(buffer := io.BytesIO())
    named(b".parquet").write_bytes(buffer.getvalue())
    np.save(named(b".npy"), FRAME.to_numpy())
    expected = GaussianMixture(1).fit(FRAME.to_numpy()).means_
    for end, digits in ((b".csv", 1e-3), (b".parquet", 0), (b".npy", 0)):
        found = GaussianMixture(1).fit(open_rows(named(end)))
        np.testing.assert_allclose(found.means_[:, :2], expected[:, :2], atol=digits, rtol=1e-12)
        for how in ((), ("--blocks",)):
            ok("fit", named(end), *how, "--components", 1, "--covariance", "EEE", "--out", named(b"out"), "--quiet")
    found.save(named(b".gmm"))
    assert not obeyed(told(lambda: gmm.load(named(b".gmm"))))
