"""The report of a fit as a page, its sentences, and pictures as files."""

import functools
import hashlib
import itertools
import json
import operator
import os
import re
import shlex
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.text import Text
from sklearn.datasets import load_wine

import gmm
import inside
from command import fails, labels_in, ok, process, result_in, run, text_in, write
from gmm import plotting
from gmm.plotting import plot_clusters
from inside import Html, column_statistics, encoded, figures, inline_svg, title, wording
from tables import DATA, IRIS, PACKAGE, assert_contains, cases

FAITHFUL = PACKAGE / "data" / "faithful.csv"
NASTY = '<script>alert("&amp;")</script>'
NASTY_FILE = "a<b>&c.csv" if os.name == "posix" else "a&b;&c.csv"  # Windows has no < and > in names of files
BEHIND_CODE = "\ue000"  # where punctuation may come


class Page:
    """A page taken apart: it is XML, but for one kind of tag, so that every tag is closed and no attribute is twice."""

    def __init__(self, text):
        xml = re.sub("(<meta [^>]*)>", r"\1/>", text).replace("</code>", f"</code>{BEHIND_CODE}")
        self.text, self.root = text, ET.fromstring(xml)
        self.tags = [(local(each.tag), {local(name): of for name, of in each.items()}) for each in self.root.iter()]
        self.tables = [[["".join(cell.itertext()) for cell in row] for row in of.iter("tr")] for of in self.of("table")]
        self.captions = ["".join(of.find("caption").itertext()) for of in self.of("table")]

    def of(self, tag):
        return list(self.root.iter(tag))

    def said(self):
        style = {"".join(each.itertext()) for each in self.of("style")}
        words = " ".join(text for text in self.root.itertext() if text not in style)
        return " ".join(words.replace(f" {BEHIND_CODE}", "").split())

    def table(self, caption):
        """The table whose caption begins so."""
        return next(table for table, told in zip(self.tables, self.captions, strict=True) if told.startswith(caption))


def local(name):
    return name.rpartition("}")[2]


def rows_of(kind, path):
    """Write a table and return what the command line is to do with it."""
    rng = np.random.default_rng(0)
    few = ["--components", "1:3", "--covariance", "EEE,VVV"]
    if kind == "old faithful":
        return few
    if kind == "velocities":
        return [DATA / "galaxies.csv", "--components", "1:4"]
    if kind == "iris":
        X = IRIS
        species = np.repeat(["setosa", "versicolor", "virginica"], 50)
        return [write(path / "iris.csv", ["sl", "sw", "pl", "pw", "kind"], *X.T, species), *LABELLED, *few]
    if kind == "posterior":
        X = 6 * rng.integers(2, size=(150, 1)) + rng.normal(size=(150, 3))
        two = write(path / "two.csv", ["a", "b", "c", "kind"], *X.T, X[:, 0] > 3)
        return [two, *LABELLED, "--bayesian", "--max-components", "9"]
    if kind == "many columns":
        wine = load_wine()
        return [write(path / "wine.csv", wine.feature_names, *wine.data.T), "--components", "2", "--covariance", "EEI"]
    if kind == "one group":
        np.save(path / "one.npy", rng.normal(size=(80, 3)))
        return [path / "one.npy", *few]
    a, b = np.concatenate([rng.normal(size=(30, 2)), rng.normal(6, 2, (30, 2))]).round(3).T.tolist()
    a[7], weights = "", 1 + np.arange(60) % 3
    labels = [NASTY[:8], "b&b", ""] * 20
    nasty = write(path / NASTY_FILE, [NASTY, "cost ($) & $x", "w", "kind"], a, b, weights, labels)
    return [nasty, *LABELLED, "--weight-column", "w", "--drop-missing", "--components", "2", *FAST[2:3], "VVV"]


LABELLED = "--label-column", "kind"
FAST = ("--components", "2", "--covariance", "EEE")
KINDS = ["old faithful", "velocities", "iris", "many columns", "one group", "nasty names"]


@pytest.fixture(autouse=True)
def _no_window(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Of a kind of data: the page, taken apart, the result as JSON, the directory and the words; each made once."""

    @functools.cache
    def report(kind):
        path = tmp_path_factory.mktemp("report")
        words = ["fit", *rows_of(kind, path), "--out", path / "out", "--report", "--quiet"]
        ok(*words)
        return page_in(path / "out"), result_in(path / "out"), path, list(map(str, words))

    return report


def page_in(out, name="report.html"):
    return Page(text_in(out / name))


def page_of(out, *words):
    """The page of a fit, written to a directory together with its results."""
    ok("fit", *words, "--out", out, "--report", "--quiet")
    return page_in(out)


@pytest.mark.parametrize("kind", [*KINDS, "posterior"])
def test_a_page_is_sound_loads_nothing_and_can_be_read_by_everyone(kind, reports):
    page = reports(kind)[0]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "base", "form"}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "action")], tag
        target = attributes.get("href", "#")
        assert target.startswith("data:image/png;base64,") or target == "#" or target[1:] in ids, target[:80]
    assert "@import" not in page.text
    assert all(target[0] == "#" and target[1:] in ids for target in re.findall(r"url\(([^)]*)\)", page.text))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert page.captions
    assert all(page.captions)
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(pictures) >= 2
    assert {each["role"] for each in pictures} == {"img"}
    assert min(len(each["aria-label"]) for each in pictures) > 10
    assert ("html", {"lang": "en"}) in page.tags
    assert "prefers-color-scheme: dark" in page.text
    assert re.search(r'<meta name="viewport" content="width=device-width', page.text)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_those_of_the_result(kind, reports):
    page, result, *_ = reports(kind)
    best, groups = result["best"], page.table("Mean ± standard deviation")
    n_groups = best["n_components"]
    assert groups[0][1 + n_groups :] == (["all groups"] if n_groups > 1 else [])
    assert [float(text) for text in groups[1][1 : 1 + n_groups]] == pytest.approx(best["weights"], abs=5.1e-5)
    assert [int(text) for text in groups[2][1 : 1 + n_groups]] == best["rows_per_component"]
    assert [row[0] for row in groups[3:]] == best["columns"]
    for j, row in enumerate(groups[3:]):
        for k, entry in enumerate(row[1 : 1 + n_groups]):
            mean, spread = (float(text.replace("−", "-")) for text in entry.split(" ± "))
            width = best["standard_deviations"][k][j]
            assert mean == pytest.approx(best["means"][k][j], abs=0.02 * width + 1e-9)
            assert spread == pytest.approx(width, rel=0.06)
    assert_contains(page.said(), f"{best['bic']:.2f}", f"{best['loglik']:.2f} nats".replace("-", "−"))
    if len(result["cells"]) > 1:
        chose = next(column for column in zip(*page.table("The "), strict=True) if column[0] == "BIC")
        least = min(cell["bic"] for cell in result["cells"] if cell["bic"] is not None)
        assert float(chose[1]) == pytest.approx(least, abs=0.0051)


def test_the_page_of_a_variational_fit_shows_the_groups_that_are_left(reports):
    page, result, path, _ = reports("posterior")
    said, best, model = page.said(), result["best"], gmm.load(path / "out" / "model.gmm")
    assert best["n_effective_components"] == 2
    evidence = f"of the log evidence is {best['lower_bound']:.2f}".replace("-", "−")
    assert_contains(said, evidence, without=["BIC", "Smaller is better"])
    shown = [k for k, n in enumerate(best["rows_per_component"]) if n]
    assert page.table("Mean ± standard deviation")[0] == ["", *(f"group {k}" for k in shown), "all groups"]
    assert page.table("Rows by label")[0] == ["kind", *(f"group {k}" for k in shown)]
    table, held = page.table("Weights and means, with their 95 %"), model.credible_intervals(0.95)
    assert [float(text) for text in table[1][1:]] == pytest.approx([model.counts_[k] for k in shown], abs=0.051)
    means = zip(model.means_.T, held.means.transpose(1, 0, 2), strict=True)
    for row, (values, ends) in zip(table[2:], [(model.weights_, held.weights), *means], strict=True):
        for text, k in zip(row[1:], shown, strict=True):
            got = [float(part.replace("−", "-")) for part in re.findall(r"[−\d.]+", text)]
            assert got == pytest.approx([values[k], *ends[k]], abs=0.06 * np.ptp(ends[k]))


def test_the_page_says_what_was_found(reports):
    page, result, path, _ = reports("iris")
    said = page.said()
    index = f"adjusted Rand index of groups and labels is {result['agreement']['adjusted_rand_index']:.4f}"
    assert_contains(said, f"{result['best']['n_components']} groups describe 150 rows of 4 columns", index)
    assert said.count("Within the group,") == 2  # what all groups share is said once
    table = page.table("Rows by label and group")
    counts = [[0 if text == "·" else int(text) for text in row[1:]] for row in table[1:]]
    assert counts == result["agreement"]["counts"]
    proba = np.array([column for name, column in labels_in(path / "out").items() if name[:2] == "p_"], float)
    sure = wording.format_share(np.mean(proba.max(axis=0) >= 0.9)).replace("\N{NO-BREAK SPACE}", " ")
    assert f"rows clearly of one group {sure}" in said


def test_noise_is_counted_and_widens_no_column(tmp_path):
    rng = np.random.default_rng(0)
    groups = rng.normal(91 * [[[60, 4]]] + 60 * [[[75, 4]]], [1.5, 0.1], (151, 4, 2)).reshape(-1, 2)
    rows = np.concatenate([groups, np.column_stack([np.full(12, -999.0), rng.normal(4, 0.3, 12)])])
    path = write(tmp_path / "a.csv", ["heat", "pressure"], *rows.round(3).T)
    page = page_of(tmp_path, path, "--components", "2", "--noise")
    said = page.said()
    assert re.search(r"(Much lower|Lower) heat \((59|60)\.\d+ against 6[56]", said)
    assert re.search(r"(Much higher|Higher) heat \(7[45]\.\d+ against 6[56]", said)
    table = page.table("Mean ± standard deviation")
    assert table[0][3:] == ["all groups", "noise"]
    weights = [float(text) for text in table[1][1:]]
    assert weights[2] == pytest.approx(weights[0] + weights[1], abs=1.1e-4)
    assert len(set(re.findall(r"tol=([\d.e-]*\d)", page.text))) == 1
    assert "<dt>tol</dt>" not in page.text
    assert weights[2] + weights[3] == pytest.approx(1, abs=1.1e-4)
    assert table[2][3:] == ["604", "12"]
    assert page.table("The first 10 of 12 rows of the noise")[1][:2] == ["605", "−999"]
    assert_contains(said, "rows clearly of one group 98.1", "rows of no group (noise) 1.9")


def test_the_least_certain_rows_are_named(reports):
    page, _, path, _ = reports("old faithful")
    sure = gmm.load(path / "out" / "model.gmm").predict_proba(pd.read_csv(FAITHFUL)).max(axis=1)
    listed = [int(row[0]) for row in page.table("The least certain rows")[1:]]
    assert listed == (np.argsort(sure, kind="stable")[:10] + 1).tolist()
    assert f"For {(sure < 0.9).sum()} of 272 rows" in page.said()


SAID = {
    "old faithful": [
        *("random weights, 100 times", "adjusted Rand index of 0.88", "22 % the other way"),
        "Where groups overlap, the errors are larger than these.",
    ],
    "iris": [
        *("Cell A number of groups and a", "New start A start", "Adjusted Rand index How similar"),
        *("× log of the number of rows.", "No two groups overlap"),
    ],
    "nasty names": [
        *(NASTY, NASTY_FILE, "because of missing values", "total weight", "Adjusted Rand index How similar"),
        "× log of the total weight of the rows.",
    ],
    "one group": ["1 group describes 80 rows"],
    "many columns": ["lines above it. Of the 13 columns, the first 4."],
    "posterior": [
        *("2 groups describe 150 rows of a, b and c", "9 components and left 7 empty"),
        *("Adjusted Rand index How similar", "log evidence after each pass.", "Credible interval An interval"),
    ],
}


def test_what_pages_say(reports):
    """How sure the numbers are, what words of theirs mean, and names of columns and files as they are."""
    for kind, told in SAID.items():
        said = reports(kind)[0].said()
        everywhere = "unit of a natural logarithm", "Group, component One of these", "Projected remaining gain"
        assert [sentence for sentence in (*told, *everywhere) if sentence not in said] == [], kind
        assert ("Adjusted Rand" in said) == ("Adjusted Rand index How similar" in told)
    assert "adjusted Rand" not in reports("one group")[0].said()
    assert reports("one group")[1]["best"]["n_components"] == 1
    assert reports("one group")[0].table("Weights and means")[1] == ["weight", "1.0000 ± 0.0000"]
    of_errors = reports("old faithful")[0].table("Weights and means")
    assert [row[0] for row in of_errors[1:]] == ["weight", "eruptions", "waiting"]
    page, result, *_ = reports("nasty names")
    assert "<script" not in page.text
    assert "<script>" in [row[0] for row in page.table("Rows by label and group")]
    assert result["data"]["total_weight"] == 118  # without the row that has a gap
    assert "118" in page.said()


def test_a_page_reports_how_to_reproduce_it(reports):
    page, _, path, words = reports("iris")
    said = page.said()
    assert_contains(said, shlex.join(["gmm", *words]), "the same numbers, with any number of threads.")
    content = (path / "iris.csv").read_bytes()
    assert_contains(said, hashlib.sha256(content).hexdigest(), f"{len(content):,} bytes", f"gmm-em {gmm.__version__}")
    assert_contains(said, f"numpy {np.__version__}", f"Python {sys.version.split()[0]}")
    assert hashlib.sha256(FAITHFUL.read_bytes()).hexdigest() in reports("old faithful")[0].said()


def test_what_is_drawn_fits_the_columns_and_calls_components_groups(reports):
    named = {kind: re.findall(r'<svg class="picture (\w+)"', reports(kind)[0].text) for kind in KINDS}
    assert named["old faithful"] == ["clusters", "selection", "boundaries", "uncertainty", "convergence"]
    assert named["velocities"] == ["clusters", "selection", "uncertainty", "convergence"]
    assert named["iris"][:2] == ["clusters", "pairs"]
    assert not {"pairs", "selection"} & {*named["many columns"]}
    assert named["one group"][:3] == ["clusters", "pairs", "selection"]
    assert "uncertainty" not in named["one group"]
    for kind in ("iris", "one group", "posterior"):
        texts = re.findall(r">([^<>]+)</text>", reports(kind)[0].text)
        assert any("group" in text for text in texts)
        counted = r"(?<!empty )component|\d of \d+ (group|component)"  # the page counts those in use
        assert not [text for text in texts if re.search(counted, text)]


def test_where_a_report_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(inside.report, "render_report", lambda *_: "a page")
    for words, place in (((), "report.html"), (("--out", "here"), Path("here", "report.html"))):
        assert f"report written to {place}\n" in ok("fit", *FAST, "--report", *words, cwd=tmp_path).stdout
    shown = ok("fit", *FAST, "--report", "named.htm", "--json", cwd=tmp_path)
    assert (json.loads(shown.stdout)["seed"], shown.stderr) == (0, "note: report written to named.htm\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "named.htm", "report.html"]


@pytest.fixture
def said_of(monkeypatch, tmp_path):
    """What the page of a fit says, without pictures."""
    monkeypatch.setattr(figures, "_picture", lambda _, caption, *__: figures.figure(Html("<svg></svg>"), caption))

    def said_of(*words):
        run("fit", *words, "--out", tmp_path, "--report", "--quiet")
        return page_in(tmp_path).said()

    return said_of


def test_doubts_are_reported_in_whole_sentences(said_of):
    said = said_of("--components", "1:2", "--covariance", "VVV")
    assert_contains(said, "2 groups are the most that were tried: try --components up to 6", "by groups (1 to 2)")
    said = said_of("--components", "3", "--covariance", "VVV", "--max-iter", "1")
    ended = "The chosen mixture had not converged after 1 pass (max_iter reached)."
    assert_contains(said, "The best has not converged: try --max-iter=10.", ended)
    said = said_of("--components", "1:3", "--covariance", "EEE,VVV", "--time-limit", "1e-9")
    (n_tried,) = re.findall(r"(\d) of 6 mixtures", said)
    assert 0 < int(n_tried) < 6
    again = "with any number of threads, unless the time limit stops the search"
    assert_contains(said, "incomplete (ended early): ", again, without=["as requested"])


def test_a_code_is_reported_first_and_hides_no_spread_and_missing_values_are_named(tmp_path):
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal([0, 5], 0.2, (80, 2)), rng.normal([8, 9], 0.2, (60, 2)), np.full((3, 2), 999)])
    path = write(tmp_path / "t.csv", ["x", "y"], *values.T)
    page = page_of(tmp_path, path, "--components", "3", "--covariance", "EEE", "--na", "k.A.", "--na", "-")
    opening, _, rest = page.said().partition("What it looks like")
    assert "Columns 'x' (3 rows), 'y' (3 rows) have 999, far from all others; if it is a code, use --na 999" in opening
    assert_contains(rest, "Also missing, by --na: 'k.A.', '-'.", without=["have 999"])
    spreads = [entry.partition(" ± ")[2] for row in page.table("Mean ± standard")[3:] for entry in row[1:]]
    assert all(float(spread) for spread in spreads)


def test_rounding_is_no_standard_error(tmp_path):
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal([0, 5], 1, (80, 2)), rng.normal([8, 9], 1, (60, 2)), np.full((4, 2), 99.9)])
    page = page_of(tmp_path, write(tmp_path / "t.csv", ["x", "y"], *values.T), "--components", "3", "--covariance=EEE")
    assert [row[-1] for row in page.table("Weights and means")[2:]] == ["99.9 ± 0"] * 2
    model = gmm.load(tmp_path / "model.gmm")
    values = pd.DataFrame(values, columns=["x", "y"])
    assert "e-" not in repr(gmm.inference.standard_errors(model, values, n_replicates=20, random_state=0))


def test_degenerate_refits_are_told(said_of, tmp_path):
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, (12, 2)), rng.normal(5, 1, (4, 2))])
    said = said_of(write(tmp_path / "t.csv", ["x", "y"], *values.T), "--components", "2", "--covariance", "VVV")
    assert re.search(r"100 times .*\. Of these fits, [1-9]\d ended in a degenerate mixture and are left out", said)
    assert re.search(r"The BIC, [\d.]+, belongs to 2 groups with VVV", said)


def test_a_long_tail_is_reported_first_and_options_are_left_to_the_terminal(said_of, tmp_path):
    amounts = np.exp(1.5 * np.random.default_rng(0).normal(size=100))
    path = write(tmp_path / "t.csv", ["id", "amount"], range(100), amounts)
    said = said_of(path, "--components", "1,2", "--covariance", "V")
    opening, _, rest = said.partition("What it looks like")
    assert "Column 'amount' is positive with a long tail: fit its logarithm" in opening
    assert_contains(rest, "dropped: 'id', which numbers the rows, like an identifier", without=["long tail:"])
    assert "--columns" not in said


def test_bad_places_are_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "folder.html").mkdir()
    monkeypatch.setattr(inside.command_fit, "select", lambda *_, **__: pytest.fail("searched"))
    for *words, place, told in (
        ("fit", "--report", "absent/report.html", "No such file or directory"),
        ("fit", "--report", "folder.html", "Is a directory"),
        ("fit", "--plot", "absent/a.png", "No such file or directory"),
        ("predict", "absent.gmm", "a.csv", "--out", "absent/a.csv", "No such file"),
        ("sample", "absent.gmm", "-n", "2", "--out", "absent/a.csv", "No such file"),
    ):
        assert f"{place}: {told}" in fails(1, *words, place, cwd=tmp_path)


def fit_without(package, path, *words, before=""):
    """Run ``gmm fit`` in a directory, where a package is not installed."""
    (path / "sitecustomize.py").write_text(f"import sys; sys.modules[{package!r}] = None\n{before}")
    places = os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])
    return process("fit", *words, cwd=path, PYTHONPATH=places)


def test_what_is_to_be_installed_is_told_before_the_work(tmp_path):
    for package, advice, *words in (
        ("matplotlib", "matplotlib pillow", "--report"),
        ("matplotlib", "matplotlib pillow", "--plot", "a.png"),
        ("jinja2", "jinja2 pyarrow rich", "--report"),
        ("pyarrow", "jinja2 pyarrow rich"),
        ("rich", "jinja2 pyarrow rich"),
    ):
        done = fit_without(package, tmp_path, *words, before="import gmm._selection\ngmm._selection.select = None\n")
        told = f"gmm fit: error: {package} is not installed: python -m pip install {advice}\n"
        assert (done.returncode, done.stderr) == (1, told)
        assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"sitecustomize.py"}
    ok("--version", by=process, PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    done = fit_without("jinja2", tmp_path, *FAST, "--plot", "a.svg")  # which only a report needs
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a.svg").exists()


def test_pictures_need_no_display(tmp_path, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    environment = {"MPLBACKEND": "module://windows.of.a.desktop", "PYTHONWARNINGS": "error"}
    ok("fit", *FAST, "--plot", "a.png", "--quiet", by=process, cwd=tmp_path, **environment)
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model of named columns with its rows, one without names, and one that was given."""
    path = tmp_path_factory.mktemp("model")
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(30, 3)), rng.normal(5, 1, (30, 3))])
    rows = write(path / "rows.csv", ["c", "a", "b", "label"], *X.T[[2, 0, 1]], "x" * 60)
    write(path / "two.csv", ["c", "a"], *X.T[:2])
    ok("fit", rows, *FAST, "--columns", "a,b,c", "--out", path)
    gmm.GaussianMixture(2, random_state=0).fit(X[:, :2]).save(path / "bare.gmm")
    gmm.GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]]).save(path / "given.gmm")
    gmm.GaussianMixture(1).fit(rng.normal(size=(20, 7))).save(path / "seven.gmm")
    return path


@pytest.mark.parametrize("kind", inside.PICTURES)
def test_a_saved_model_is_drawn(kind, saved, tmp_path):
    before = plt.get_fignums()  # pages that ran before may have left some
    rows = [] if kind == "convergence" else [saved / "rows.csv"]
    shown = ok("plot", saved / "model.gmm", "--kind", kind, *rows, cwd=tmp_path)  # behind options, where it may stand
    assert shown.stdout == f"picture written to {kind}.png\n"
    assert (tmp_path / f"{kind}.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert plt.get_fignums() == before


@pytest.mark.parametrize("how", ["--report", "--plot"])
def test_pictures_know_the_weights(how, tmp_path, monkeypatch):
    weighed, plots = {}, ("plot_clusters", "plot_decision_boundaries", "plot_uncertainty")
    for name in plots:
        plain = getattr(plotting, name)
        drawn = lambda model, rows, plain=plain, name=name: weighed.setdefault(name, rows) and plain(model, rows)  # noqa: E731
        monkeypatch.setattr(plotting, name, drawn)
    X, weight = np.random.default_rng(0).normal(size=(60, 2)).round(3), 1 + np.arange(60) % 3
    path = write(tmp_path / "rows.csv", "abw", *X.T, weight)
    ok("fit", path, "--weight-column", "w", *FAST, how, tmp_path / {"--report": "r.html", "--plot": "p.png"}[how])
    assert set(weighed) == {*plots[: 3 if how == "--report" else 1]}
    for rows in weighed.values():
        np.testing.assert_array_equal(rows.sample_weight, weight)


def test_pictures_are_of_the_kind_of_their_suffix(saved, tmp_path):
    of_rows = ("plot", saved / "model.gmm", saved / "rows.csv", "--features")
    for words, name, begin in (
        ((*of_rows, "c,a", "--out"), "a.SVG", b"<?xml"),
        ((*of_rows, "b", "--out"), "a.pdf", b"%PDF-"),
        (("plot", saved / "bare.gmm", saved / "two.csv", "--out"), "c.png", b"\x89PNG\r\n\x1a\n"),
    ):
        ok(*words, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(begin)
    assert ET.parse(tmp_path / "a.SVG").getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_the_features_are_those_that_were_named(saved, tmp_path, monkeypatch):
    """Columns are matched by name: the table has them in another order than the model."""
    seen = []
    monkeypatch.setattr(inside.output, "save_picture", lambda drawn, _: seen.append(drawn))
    ok("fit", *FAST, "--out", tmp_path)
    shown = ok("plot", tmp_path / "model.gmm")
    assert shown.stderr == "note: no FILE: the picture shows the bundled rows of Old Faithful\n"
    for words in ("--features c,a", "--features b", "--kind pairs --features c,a,b", "--kind pairs"):
        ok("plot", saved / "model.gmm", saved / "rows.csv", *words.split())
    assert [(ax.get_xlabel(), ax.get_ylabel()) for ax in seen[:2]] == [("eruptions", "waiting"), ("c", "a")]
    assert seen[2].get_xlabel() == "b"
    assert [[ax.get_xlabel() for ax in each[2]] for each in seen[3:]] == [["c", "a", "b"], ["a", "b", "c"]]


def test_what_cannot_be_drawn_is_told(saved):
    before, rows = sorted(saved.iterdir()), ("model.gmm", "rows.csv")
    for code, words, told in (
        (2, rows[:1], "--kind clusters needs a table of rows: gmm plot MODEL FILE"),
        (2, (*rows, "--features", "a,d"), "--features a,d: expected one of the columns 'a', 'b', 'c'"),
        (2, ("seven.gmm", "a.csv", "--features", "x0,x1,x2,x3,x4,x5,x6"), "expected one to 6 columns, got 7"),
        (1, ("model.gmm", "two.csv"), "no column 'b'"),
        (1, ("given.gmm", "--kind", "convergence"), "no passes to draw"),
        (1, (*rows, "--out", "absent/a.png"), "absent/a.png: No such file"),
    ):
        assert told in fails(code, "plot", *words, cwd=saved)
    assert sorted(saved.iterdir()) == before


def test_a_picture_takes_on_the_colours_of_the_page():
    before = plt.get_fignums()
    text = inline_svg(drawn_with_names("ab", rows=5000), "blobs", "two blobs")
    root = ET.fromstring(text)
    assert {node.get("id")[:6] for node in root.iter() if node.get("id")} == {"blobs-"}
    assert len(text) < 600_000  # 5000 marks as paths are megabytes
    assert_contains(text, "currentColor", "var(--on-", without=re.findall(r": #[0-9a-f]{6}", text))
    assert root.find(".//{*}text") is not None
    assert plt.get_fignums() == before


def drawn_with_names(names, rows=30, **how):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(rows, len(names))), columns=[*names])
    return plot_clusters(gmm.GaussianMixture(2, random_state=0).fit(X), X, **how)


def test_words_in_a_picture_are_not_rewritten_and_the_same_picture_is_the_same_file():
    names = ['a id="b" #ffffff url(#foo) d="1.23456"', "c: #24292f"]
    root = ET.fromstring(inline_svg(drawn_with_names(names), "pairs", "two blobs"))
    assert {*names} < {"".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")}
    for kind in ("png", "svg", "pdf"):
        assert encoded(drawn_with_names(names), kind) == encoded(drawn_with_names(names), kind)


def clipped(axes):
    """Whether labels of Axes are longer than these."""
    axes[0].figure.draw_without_rendering()
    labels = [(ax, label, along) for ax in axes for label, along in ((ax.xaxis.label, 2), (ax.yaxis.label, 3))]
    lengths = [[of.get_window_extent().bounds[along] for of in (label, ax)] for ax, label, along in labels]
    return any(label > 1.02 * axis for label, axis in lengths)


@pytest.mark.parametrize("view", [None, "pairs"])
def test_long_labels_fit_their_axes(view):
    for encode in (None, lambda drawn: encoded(drawn, "svg"), lambda drawn: inline_svg(drawn, "picture", "names")):
        drawn = drawn_with_names("ab", view=view)
        axes = np.ravel(np.asarray(drawn, dtype=object))
        for label in filter(Text.get_text, (each.label for ax in axes for each in (ax.xaxis, ax.yaxis))):
            label.set_text("Umsatz €/Monat, ohne Steuer und Rabatte im Jahr 2024, geschätzt, ohne Gewähr")
        if encode:
            encode(drawn)
        assert clipped(axes) == (encode is None)


def test_characters_that_cannot_be_shown_are_replaced(tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 2)).round(3)
    path = write(tmp_path / "rows.csv", ["a\x08b", "c\x7f\td"], *X.T)
    assert "a\ufffdb" in page_of(tmp_path, path, *FAST, "--plot", tmp_path / "a.svg").said()
    ET.parse(tmp_path / "a.svg")
    assert "\ufffdb" in inline_svg(drawn_with_names(["a\x08b", "c"]), "ctl", "names")


def test_weighted_columns_equal_repeated_rows():
    rng = np.random.default_rng(0)
    X, weights = rng.normal(size=(41, 2)), rng.integers(0, 4, 41)
    rows = np.repeat(X, weights, axis=0)
    quartiles = np.quantile(rows, (0.25, 0.5, 0.75), axis=0, method="inverted_cdf")
    expected = [rows.min(axis=0), *quartiles, rows.max(axis=0), rows.mean(axis=0), rows.std(axis=0)]
    np.testing.assert_allclose(column_statistics(X, weights.astype(float)).T, expected)
    np.testing.assert_allclose(column_statistics(rows, None).T[5:], expected[5:])


def sentences(means, strongest):
    whole = np.array([3.49, 70.9]), np.array([1.14, 13.6])
    return wording.component_sentences(("eruptions", "waiting"), np.array(means), whole, strongest)


def test_a_component_is_described_by_what_differs():
    for means, correlation, *told in (
        ([4.47, 80.9], 0.29, "Higher eruptions (4.47 against 3.49)", "rise together (correlation +0.29)."),
        ([3.5, 80.9], 0.05, "Higher waiting (80.9 against 70.9).", "no two columns are correlated"),
        ([1.2, 70.0], -0.85, "Much lower eruptions (1.20 against 3.49).", "eruptions falls as waiting rises"),
        ([3.5, 71.0], -0.001, "Its means are close to those of all groups.", "+0.00"),
    ):
        assert all(map(operator.contains, sentences(means, (0, 1, correlation)), told))
    assert len(wording.component_sentences(["a"], np.array([5.0]), (np.array([5.0]), np.array([0.0])), None)) == 1


def outcome(n_rows, n_uncertain, n_clusters=None):
    return SimpleNamespace(counts=np.array([n_rows]), n_noise=0, n_uncertain=n_uncertain, n_clusters=n_clusters)


def test_every_criterion_has_a_scale_and_a_term(reports):
    glossary = reports("one group")[0].text.partition('<dl class="glossary">')[2]
    for criterion in inside.CRITERIA:
        assert title(criterion) in inside.criteria.CRITERION[criterion].scale
        assert re.search(rf"<dt>{title(criterion)}</dt>\s*<dd>[^<]*Smaller is better\.</dd>", glossary)


def test_as_many_parameters_as_rows_are_told(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 8)))
    report = ("--report", tmp_path / "report.html")
    shown = ok("fit", tmp_path / "x.npy", "--components", "1,2", "--covariance", "VVV", *report).stdout
    page, told = page_in(tmp_path), "44 free parameters for 40 rows: criteria are unreliable, so use fewer components"
    assert all(told in text for text in (page.said(), shown))
    best = page.table("The best by")
    assert "∞" in best[1]
    assert "inf" not in itertools.chain(*best)
    shown = ok("fit", tmp_path / "x.npy", "--components", "1", "--covariance", "EEI", *report).stdout
    assert "unreliable" not in page_in(tmp_path).text + shown


RIVALS = [(2, "VEV", 0.8), (4, "EEE", 1.5), (3, "VVV", 7.0)]
SEPARATION = {29: "are well separated", 31: "are mostly separated", 201: "overlap", 501: "overlap heavily"}  # by unsure
TRIED = {(1, 2, 3): "(1 to 3)", (2, 5): "(2, 5)", (1,): "(1)"}
LOOKS = {
    ("EII", 3, 2): "circles of equal size",
    ("EEE", 3, 2): "ellipses of equal volume, shape and orientation",
    ("VEV", 2, 3): "ellipsoids of equal shape and of different volume and orientation",
    ("VVI", 2, 3): "ellipsoids of different volume and shape, with axes along the columns",
    ("VII", 2, 1): "a separate variance for each",
    ("EII", 2, 1): "one variance for all",
    ("VVV", 1, 2): "an ellipse",
}


@cases(
    ("summary", (3, (1, 2, 3, 4), 272, ("a", "b")), ["3 groups describe", "272 rows", "a and b"]),
    ("summary", (1, (1,), 1, tuple("abcd")), ["1 group, as requested,", "1 row of", "4 columns"]),
    ("empty", (3, 0, 0.0, "rows"), ["3 components and left none"]),
    ("empty", (9, 7, 1e-9, "rows"), ["less than 0.001 expected rows"]),
    ("runner_up", ("bic", RIVALS), ["2 groups with VEV, is 0.80 behind.", "2 mixtures are within 2 of the best"]),
    ("runner_up", ("bic", []), ""),
    ("rival", ("bic", 3, RIVALS), ["2 groups fit almost as well"]),
    ("rival", ("bic", 3, [(3, "VVV", 0.1), (1, "EEE", 3.0)]), ""),
    ("rival", ("nec", 3, RIVALS), ""),
    *(("separation", (outcome(1000, n),), f"They {told}.") for n, told in SEPARATION.items()),
    ("separation", (outcome(1000, 500, n_clusters=3),), ["they make 3 clusters"]),
    ("certainty", (outcome(99_999, 1),), ["For 1 of 99,999 rows (0.001\u00a0%)"]),
    ("certainty", (outcome(9, 0),), ["Every row"]),
    *(("compared", (3, 3, tried, 1), [told]) for tried, told in TRIED.items()),
    *(("covariance", (inside.covariance_model(name), *sizes), told) for (name, *sizes), told in LOOKS.items()),
    ("shared", (["a", "b"], [(0, 1, 0.8), (0, 1, 0.6)]), ""),
    ("shared", (["a", "b"], [None, None]), ""),
    ("shared", (["a", "b"], [(0, 1, 0.801), (0, 1, 0.799)]), ["In every group, a and b rise together", "+0.80"]),
)
def test_what_is_found_is_one_sentence(sentence, of, told):
    said = getattr(wording, f"{sentence}_sentence")(*of)
    assert said == told if isinstance(told, str) else all(part in said for part in told)
