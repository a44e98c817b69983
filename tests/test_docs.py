"""The pages of the documentation: their Python runs and prints what they say, and their pictures are there."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from gmm import GaussianMixture
from gmm.cli import main
from gmm.covariance import PARSIMONIOUS, covariance_model

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
FENCES = re.compile(r"^```(python|text|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    return FENCES.findall(page.read_text(encoding="utf-8"))


def test_there_are_pages():
    assert PAGES


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem)
def test_blocks_run_in_turn_and_print_what_stands_below(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what a block saves
    monkeypatch.setenv("COLUMNS", "80")
    names, printed, compared = {}, None, 0
    for kind, text in blocks(page):
        if kind == "python":
            assert not printed, "what a block prints stands below it"
            printed = output_of(exec, compile(text, page.name, "exec"), names)
        elif kind == "console":
            asked, told = text.split("\n", 1)
            assert stripped(output_of(main, shlex.split(asked)[2:])) == told
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


def stripped(text):
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.stem)
def test_what_is_linked_in_the_tree_is_there(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_table_of_models_is_what_the_package_has():
    text = (ROOT / "docs" / "choosing-a-model.md").read_text(encoding="utf-8")
    told = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if "closed" in line or "iterative" in line
    ]
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
