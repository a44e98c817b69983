"""The reference and other pages leave no name out, and the examples of docstrings are true."""

import doctest
import inspect
import pkgutil
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import gmm
from gmm import GaussianMixture
from inside import PARSIMONIOUS, WARNINGS, covariance_model, main
from tables import ROOT

MODULES = ("analysis", "em", "inference", "plotting", "sources", "tracking")
MODULES += tuple(f"exchange.{name}" for name in ("mclust", "onnx", "sklearn"))
INSTALLED = ["gmm", *(m.name for m in pkgutil.walk_packages(gmm.__path__, "gmm."))]
WITH_EXAMPLES = [name for name in INSTALLED if b">>> " in Path(find_spec(name).origin).read_bytes()]
PUBLIC = {"gmm", *(name for name in INSTALLED if not any(part.startswith("_") for part in name.split(".")))}


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


def test_the_page_for_scikit_learn_names_what_fits_warn_of_in_order():
    rows = rows_of("from-scikit-learn", "Warnings")
    told = [(cause.strip('"'), cells[1].strip("`")) for cells in rows for cause in named(cells[:1])]
    ours = [(cause, category.__name__) for cause, (category, _) in WARNINGS.items()]
    assert [each for each in ours if each in told] == told
    assert {cause for cause, _ in ours} - {cause for cause, _ in told} == {
        *("constant", "degenerate class", "classes of -1"),  # of searches and classifiers
        *("statistic of 0", "narrow intervals"),  # of tests and predictions
        *("column of classes", "fault", "feature names", "file", "no scratch file"),
    }


def test_what_is_said_to_be_beyond_is_there():
    text = (ROOT / "docs" / "from-scikit-learn.md").read_text(encoding="utf-8")
    beyond = [names for line in re.findall(r"^\*Beyond\*: (.*)", text, re.MULTILINE) for names in named([line])]
    assert len(beyond) > 8
    mixture = GaussianMixture().fit(np.arange(6.0).reshape(3, 2))
    assert not {name for name in beyond if re.fullmatch(r"\w+", name) and not hasattr(mixture, name)}
    prose = re.sub("```.*?```", "", text, flags=re.DOTALL)
    assert not {name for name in dir(GaussianMixture) if name[0] != "_"} - set(named([prose]))


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


# Words that only this project used, as parts of names too; `file.tell()` is Python's.
RETIRED = "asks? asked atoms? begun beside contested doors? entrances? floors fresh hopeless houses? judges? judged "
RETIRED += "rooms? said says? spikes? strays? tells? telling told verdicts?"


@pytest.mark.parametrize("folder", ["src", "docs", "."])
def test_sources_and_pages_use_the_words_of_the_field(folder):
    retired = re.compile(rf"(?<![^\W_])(?!(?<=\.)tell\()({'|'.join(RETIRED.split())})(?![^\W_])", re.IGNORECASE)
    kinds = {".md"} if folder == "." else {".css", ".html", ".md", ".pxd", ".pxi", ".py", ".pyx", ".rst"}
    paths = (ROOT / folder).glob("*" if folder == "." else "**/*")
    texts = {path: path.read_text(encoding="utf-8") for path in paths if path.suffix in kinds}
    assert texts
    assert not {f"{path}: {word[0]}" for path, text in texts.items() for word in retired.finditer(text)}


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
    runner = Runner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    examples = Finder().find(module)
    for example in examples:
        runner.run(example)
    n_written = Path(module.__file__).read_text(encoding="utf-8").count(">>> ")
    assert sum(len(example.examples) for example in examples) == n_written
    assert not runner.failures
