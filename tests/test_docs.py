"""README, the pages of the documentation and docstrings: their examples are true, and no name is left out."""

import contextlib
import doctest
import importlib.util
import inspect
import io
import pkgutil
import re
import shlex
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import gmm
from gmm import GaussianMixture
from inside import EXTRAS, PARSIMONIOUS, covariance_model, main

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
MODULES = ("analysis", "em", "inference", "plotting", "sources", "tracking")
MODULES += tuple(f"exchange.{name}" for name in ("mclust", "onnx", "sklearn"))
PAGES = sorted((ROOT / "docs").glob("*.md"))
INSTALLED = ["gmm", *(m.name for m in pkgutil.walk_packages(gmm.__path__, "gmm."))]
WITH_EXAMPLES = [name for name in INSTALLED if b">>> " in Path(find_spec(name).origin).read_bytes()]
PUBLIC = {"gmm", *(name for name in INSTALLED if not any(part.startswith("_") for part in name.split(".")))}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FENCES = re.compile(r"^```(python|text|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    return FENCES.findall(page.read_text(encoding="utf-8"))


RUN = [README, *(pytest.param(page, marks=pytest.mark.pages) for page in PAGES if blocks(page))]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_blocks_run_in_turn_and_print_what_stands_below(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what a block saves
    monkeypatch.setenv("COLUMNS", "80")
    names, printed, compared = {}, None, 0
    for kind, text in blocks(page):
        if kind == "python":
            assert not printed, "what a block prints stands below it"
            printed = output_of(exec, compile(text, page.name, "exec"), names)
        elif kind == "console":
            for package in EXTRAS["cli"]:
                import_module(package)
            asked, told = text.split("\n", 1)
            lines = output_of(main, shlex.split(asked)[2:]).splitlines()
            assert "".join(f"{line.rstrip()}\n" for line in lines) == told
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


def test_the_table_of_models_is_what_the_package_has():
    text = (ROOT / "docs" / "covariance-models.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "closed" in line or "iterative" in line]
    told = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rows = [cells for cells in told if len(cells) == 7]
    assert [cells[0] for cells in rows] == list(PARSIMONIOUS)
    X = np.random.default_rng(0).normal(size=(60, 4))
    for name, _, alias, formula, example, _, shape in rows:
        model = covariance_model(name)
        assert model.alias == alias
        expression = re.sub(r"([Kd)])(?=[Kd(])", r"\1*", formula.replace("−", "-")).replace("/", "//")
        for K, d in ((3, 4), (5, 2), (2, 7)):
            assert eval(expression, {"K": K, "d": d}) == model.n_parameters(K, d)
        assert int(example) == model.n_parameters(3, 4)
        fit = GaussianMixture(3, covariance_type=name, random_state=0, tol=1e9).fit(X)
        assert fit.covariances_.shape == eval(shape, {"K": 3, "d": 4})


def rows_of(page, heading):
    """The cells of the table under a heading of a page, without its header."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    part = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines[2:]]


def named(cells):
    """What stands in single backquotes."""
    return re.findall(r"`([^`]+)`", " ".join(cells))


def test_the_page_for_scikit_learn_leaves_no_name_out():
    peer = pytest.importorskip("sklearn.mixture").GaussianMixture
    fitted = peer().fit(np.arange(6.0).reshape(3, 2))
    ours = GaussianMixture().fit(np.arange(6.0).reshape(3, 2))
    parameters = list(inspect.signature(peer).parameters)
    attributes = {name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")}
    methods = {name for name in dir(peer) if not name.startswith("_")}
    names = {"Parameters": parameters, "Attributes": attributes | {"feature_names_in_"}, "Methods": methods}
    for heading, theirs in names.items():
        told = [cells[0].strip("`") for cells in rows_of("from-scikit-learn", heading)]
        assert len(told) == len(set(told))
        assert set(told) == set(theirs), heading
        assert not {name for name in told if name != "feature_names_in_" and not hasattr(ours, name)}
    bayesian = pytest.importorskip("sklearn.mixture").BayesianGaussianMixture
    theirs = set(inspect.signature(bayesian).parameters) - set(inspect.signature(GaussianMixture).parameters)
    told = named([cells[0] for cells in rows_of("from-scikit-learn", "BayesianGaussianMixture")])
    assert set() < theirs <= set(told)


def test_what_is_said_to_be_beyond_is_there():
    text = (ROOT / "docs" / "from-scikit-learn.md").read_text(encoding="utf-8")
    beyond = [names for line in re.findall(r"^\*Beyond\*: (.*)", text, re.MULTILINE) for names in named([line])]
    assert len(beyond) > 8
    mixture = GaussianMixture().fit(np.arange(6.0).reshape(3, 2))
    missing = {name for name in beyond if re.fullmatch(r"\w+", name) and not hasattr(mixture, name)}
    assert not missing
    prose = re.sub("```.*?```", "", text, flags=re.DOTALL)
    left_out = {name for name in dir(GaussianMixture) if name[0] != "_"} - set(named([prose]))
    assert not left_out


def test_the_reference_lists_every_public_name_once():
    text = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    listed = re.findall(r"^   ([\w.]+)$", text, re.MULTILINE)
    assert len(listed) == len(set(listed))
    modules = [gmm, *(import_module(f"gmm.{name}") for name in MODULES)]
    assert set(listed) == {name for module in modules for name in module.__all__} - {"__version__"}


def test_the_page_of_the_command_line_has_every_command(capsys):
    text = (ROOT / "docs" / "command-line-options.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE)
    assert {"fit", "predict"} <= set(commands)
    assert re.findall(r"\{command-line-help\} *(\w*)\n", text) == ["", *commands]


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
    path = ROOT / "docs" / "extensions" / f"{name}.py"
    module = importlib.util.module_from_spec(spec := importlib.util.spec_from_file_location(path.stem, path))
    spec.loader.exec_module(module)
    return module


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
    plotting = pytest.importorskip("gmm.plotting")
    assert set(re.findall(r"(?<![\w/])(?:plot|animate)_\w+", text)) <= set(plotting.__all__)  # not the gallery's files


class Finder(doctest.DocTestFinder):
    """Looks at where a thing is defined, not at its `__module__`, which for public ones is the package."""

    def _from_module(self, module, value):
        if getattr(value, "__module__", None) not in PUBLIC:
            return super()._from_module(module, value)
        functions = vars(value).values() if isinstance(value, type) else [value]
        return any(getattr(function, "__globals__", None) is vars(module) for function in functions)


class Runner(doctest.DocTestRunner):
    """Leaves the absence of a package to `conftest`."""

    def report_unexpected_exception(self, out, test, example, exc_info):
        if isinstance(exc_info[1], ModuleNotFoundError):
            raise exc_info[1]
        super().report_unexpected_exception(out, test, example, exc_info)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_are_true(name):
    module = import_module(name)
    runner = Runner(optionflags=FLAGS)
    examples = Finder().find(module)
    for example in examples:
        runner.run(example)
    n_written = Path(module.__file__).read_text(encoding="utf-8").count(">>> ")
    assert sum(len(example.examples) for example in examples) == n_written
    assert not runner.failures
