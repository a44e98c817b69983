"""Pages: what they print is so, what they link is there, and the build shows them as it should."""

import contextlib
import io
import re
import runpy
import shlex
import types
from pathlib import Path

import pytest

from gmm import plotting
from gmm._cli import main

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))
FENCES = re.compile(r"^```(python|text|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    return FENCES.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [page for page in [README, *PAGES] if blocks(page)], ids=lambda page: page.stem)
def test_blocks_run_in_turn_and_print_what_stands_below(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what a block saves
    monkeypatch.setenv("COLUMNS", "80")
    names, printed, compared = {}, None, 0
    for kind, text in blocks(page):
        if kind == "python":
            assert not printed, "what a block prints stands below it"
            printed = output_of(exec, compile(text, page.name, "exec"), names)
        elif kind == "console":
            command, expected = text.split("\n", 1)
            lines = output_of(main, shlex.split(command)[2:]).splitlines()
            assert "".join(f"{line.rstrip()}\n" for line in lines) == expected
            compared += 1
        elif printed:
            assert printed == text
            printed, compared = None, compared + 1
    assert not printed
    assert compared


def output_of(call, *arguments):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        call(*arguments)
    return out.getvalue()


def test_every_speed_in_the_readme_stands_in_the_documentation():
    """With the command that prints it, so that the two cannot drift apart."""
    full = (ROOT / "docs" / "measurements.md").read_text(encoding="utf-8")
    rows = README.read_text(encoding="utf-8").partition("\n## Speed\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in rows.splitlines() if "benchmarks" in line]
    assert len(rows) == 4
    for _, theirs, ours, command in rows:
        assert command.strip().strip("`") in full
        for figure in re.findall(r"\d+(?:\.\d+)?", theirs + ours):
            assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d.])", full), figure


@pytest.mark.parametrize("page", [*PAGES, README], ids=lambda page: page.stem)
def test_what_is_linked_in_the_tree_is_there(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<link rel="canonical" href="https://example.org/page.html">', []),
        ('<script async src="https://cdn.example.org/x.js"></script>', ["https://cdn.example.org/x.js"]),
        ('<link href="//fonts.example.org/f.css" rel="stylesheet">', ["//fonts.example.org/f.css"]),
        ("@font-face { src: url(https://example.org/f.woff2) }", ["https://example.org/f.woff2"]),
        ('@import "https://example.org/s.css";', ["https://example.org/s.css"]),
        ('import x from "https://example.org/m.js";', ["https://example.org/m.js"]),
        ('<svg xmlns="http://www.w3.org/2000/svg"><use href="#a"/></svg>', []),
    ],
)
def test_the_build_notices_what_is_loaded_from_elsewhere(text, expected):
    assert extension("self_contained").loaded_from_elsewhere(text) == expected


def extension(name):
    return types.SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "extensions" / f"{name}.py")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Σ_k π_k N(μ_k, Σ_k)", "Σ[k] π[k] N(μ[k], Σ[k])"),
        ("λD_kA_kD_kᵀ", "λD[k]A[k]D[k]ᵀ"),
        ("½·tr Σ_k⁻¹C_k", "½·tr Σ[k]⁻¹C[k]"),
        ("Σ_i w_i r_ik (x_i − o_k)", "Σ[i] w[i] r[ik] (x[i] − o[k])"),
        ("n_init, weights_, log_offset_k and x_max", "n_init, weights_, log_offset_k and x_max"),
    ],
)
def test_letters_with_an_index_have_it_below(text, expected):
    pytest.importorskip("sphinx")
    nodes = extension("subscripts").parts(text)
    assert "".join(f"[{node.astext()}]" if node.tagname == "subscript" else node.astext() for node in nodes) == expected


def test_an_example_comes_before_the_long_lists():
    template = (ROOT / "docs" / "templates" / "numpydoc_docstring.rst").read_text(encoding="utf-8")
    parts = re.findall(r"{{(\w+)}}", template)
    assert parts[:5] == ["index", "summary", "extended_summary", "examples", "parameters"]
    numpydoc = pytest.importorskip("numpydoc")
    theirs = (Path(numpydoc.__file__).parent / "templates" / "numpydoc_docstring.rst").read_text(encoding="utf-8")
    assert sorted(parts) == sorted(re.findall(r"{{(\w+)}}", theirs))


def test_a_search_finds_one_page_first():
    """A main entry of the index ranks before titles and text."""
    words = {"outlier": "heavy-tails", "missing values": "recipes", "GridSearchCV": "choosing-a-model"}
    words |= {"collapse": "choosing-a-model", "k-means": "choosing-a-model", "anomaly": "recipes"}
    for word, page in words.items():
        entry = re.compile(rf"^```{{index}} .*! {word}(?:,|$)", re.MULTILINE)
        assert [path.stem for path in PAGES if entry.search(path.read_text(encoding="utf-8"))] == [page]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pictures_of_a_page_can_be_drawn_and_have_files_of_their_own(page):
    """Each block of reStructuredText counts its pictures from 1, so a second one would overwrite the first."""
    text = page.read_text(encoding="utf-8")
    pictures = re.findall(r"^\.\. plot::\n((?:   :.*\n)*)", text, re.MULTILINE)
    names = {name for options in pictures for name in re.findall(r":filename-prefix: (\S+)", options)}
    assert len(pictures) < 2 or len(names) == len(pictures)
    assert set(re.findall(r"(?<![\w/])(?:plot|animate)_\w+", text)) <= set(plotting.__all__)  # not the gallery's files
