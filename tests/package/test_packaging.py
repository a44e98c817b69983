"""What is installed: its files, its version, its types, and what it costs to import."""

import importlib
import os
import pickle
import re
import runpy
import subprocess
import sys
import tomllib
import typing
from importlib.metadata import metadata, version
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

import gmm
from inside import EXTRAS
from tables import PACKAGE, ROOT, assert_contains, cases, python


def text_of(path):
    return (ROOT / path).read_text(encoding="utf-8")


PROJECT = tomllib.loads(text_of("pyproject.toml"))
SOURCES = ROOT / "src" / "gmm"
PUBLIC = [f"gmm.{name}" for name in ("analysis", "em", "exchange", "inference", "plotting", "sources", "tracking")]
PUBLIC += [f"gmm.exchange.{name}" for name in ("mclust", "onnx", "sklearn")]


def test_messages_name_what_the_extras_install():
    told = PROJECT["project"]["optional-dependencies"].items()
    assert {extra: tuple(Requirement(each).name for each in needed) for extra, needed in told} == EXTRAS


def test_nothing_is_installed_from_where_it_is_not():
    """Before the first release, pip finds no distribution of that name, or another's."""
    if re.search(r"^## \[.+\] - \d", text_of("CHANGELOG.md"), re.MULTILINE):
        pytest.skip("a version is released")
    paths = [ROOT / "README.md", *(path for folder in ("src", "docs") for path in (ROOT / folder).rglob("*.*"))]
    pages = [path for path in paths if path.suffix in (".py", ".md", ".rst") and "generated" not in path.parts]
    assert len(pages) > 100
    assert not [path for path in pages if re.search(r"pip install [^\n]*gmm-em", text_of(path))]


def test_what_is_tested_is_what_is_in_the_tree():
    kinds = ("*.py", "*.html", "*.css")
    here, there = (
        {str(path.relative_to(folder)): path.read_bytes() for kind in kinds for path in folder.rglob(kind)}
        for folder in (SOURCES, PACKAGE)
    )
    differing = sorted(name for name in here | there if here.get(name) != there.get(name))
    assert not differing, f"{differing} in {PACKAGE} are not the tree's: rm -rf build, install"
    assert str(Path("_cli/report/templates/page.html")) in here
    # What others compile and type against.
    for name in ("api.pxd", "include/gmm_api.h", "_em.pyi"):
        assert (PACKAGE / name).read_bytes() == (SOURCES / name).read_bytes()
    assert (PACKAGE / "py.typed").is_file()
    assert Path(gmm.get_include(), "gmm_api.h").is_file()


def test_all_data_inside_have_a_source():
    told = text_of("LICENSE-DATA")
    assert [path.name for path in (PACKAGE / "data").iterdir()] == ["faithful.csv"]
    assert "gmm/data/faithful.csv " in told
    patterns = re.findall(r"tests/data/([\w*.]+)", told)
    for path in (ROOT / "tests" / "data").iterdir():
        if path.suffix in (".csv", ".npy") or path.name.startswith("mclust"):
            assert any(map(path.match, patterns)), path
    assert "LICENSE-DATA" in PROJECT["project"]["license-files"]


def test_one_version_everywhere():
    number = version("gmm-em")
    assert gmm.__version__ == number
    assert f"\n## [{number}]" in text_of("CHANGELOG.md")


@pytest.mark.parametrize("package", ["gmm", *PUBLIC])
def test_public_names_are_the_packages(package):
    module = importlib.import_module(package)
    assert len(module.__all__) <= 24
    for name in set(module.__all__) - {"__version__", "mclust", "onnx", "sklearn"}:
        public = getattr(module, name)
        assert public.__module__ == package
        assert pickle.loads(pickle.dumps(public)) is public
        typing.get_type_hints(public.__init__ if isinstance(public, type) else public)


def test_import_costs_numpy_and_scipy_alone_and_leaves_fits_and_the_search_until_they_are_asked_for():
    heavy = {"jinja2", "matplotlib", "pandas", "polars", "pyarrow", "rich", "sklearn"}
    told = python("-c", "import sys, gmm; print(*sys.modules); gmm.select; assert 'gmm._selection' in sys.modules")
    assert {"gmm", "gmm._kernel.cython_types"} <= set(told.split())  # Cython's types are there once
    assert not {*heavy, *PUBLIC} & set(told.split())
    later = ("gmm._selection", "gmm._fitting.", "gmm._rows.blocks", "gmm._passes.incomplete", "gmm._persistence.values")
    assert not [name for name in told.split() if name.startswith(later)]
    modules = {"analysis", "em", "exchange", "inference", "plotting", "sources", "tracking"}
    assert {name for name in dir(gmm) if not name.startswith("_")} == {*gmm.__all__, *modules} - {"__version__"}
    with pytest.raises(AttributeError, match=r"module 'gmm'.*attribute 'selct'"):
        _ = gmm.selct
    assert not [name for name in ("a.b", "data", "include", "_text.words") if hasattr(gmm, name)]


@cases(("EMStep", "gmm._estimators.steps", "gmm.em"), ("Selection", "gmm._selection.result", "gmm"))
def test_what_is_imported_later_is_pickled_as_public_from_the_start(name, of, public):
    told = python("-c", f"import {of} as m, pickle; print(b'{of}' in pickle.dumps(m.{name}), m.{name}.__module__)")
    assert told.split() == ["False", public]


@pytest.mark.needs("Cython")
def test_the_example_package_scores_from_four_threads(tmp_path):
    for source in (ROOT / "tests" / "example_package").iterdir():
        if source.suffix in (".py", ".pyx", ".c"):
            (tmp_path / source.name).write_bytes(source.read_bytes())
    quick = os.environ | {"CFLAGS": "-O0"}  # nobody measures it
    python("-W", "ignore", "setup.py", "-q", "build_ext", "--inplace", cwd=tmp_path, env=quick)
    python("use.py", cwd=tmp_path)


def test_the_description_for_the_index_has_no_relative_link():
    text = metadata("gmm-em")["Description"]  # no payload once importlib_metadata, dask's, has replaced Python's own
    targets = re.findall(r"\]\(([^)]+)\)|(?:href|src)=\"([^\"]+)\"", text)
    source = PROJECT["project"]["urls"]["Source"]
    ours = re.compile(rf"{re.escape(source)}/(?:blob|raw)/v{re.escape(gmm.__version__)}/([^#]+)(?:#.*)?")
    assert len(targets) > 20
    for target in map("".join, targets):
        assert (ROOT / ours.fullmatch(target)[1]).is_file(), target
    assert metadata("gmm-em")["Description-Content-Type"] == "text/markdown"


def test_a_wheel_without_licence_and_bill_of_materials_is_refused(tmp_path):
    faults = runpy.run_path(str(ROOT / "tools" / "check_wheel.py"))["faults"]
    wheel = tmp_path / "gmm_em-0.1.0-cp311-cp311-win_amd64.whl"
    inside = "gmm_em-0.1.0.dist-info"
    with ZipFile(wheel, "w") as archive:
        archive.writestr(f"{inside}/licenses/LICENSE", "")
        archive.writestr(f"{inside}/sboms/gmm-em.cdx.json", '{"components": [{"name": "Cython"}, {"name": "numpy"}]}')
    found = " ".join(faults(wheel))
    faulty = "no LICENSE-DATA", "version of compiler", "version of scipy"
    assert_contains(found, *faulty, without=["no LICENSE ", "Cython"])


def checks_of_a_release(root=ROOT):
    checks = runpy.run_path(str(ROOT / "tools" / "check_release.py"))
    checks["faults"].__globals__["ROOT"] = root
    return checks


def test_a_tag_publishes_the_version_of_the_sources_and_from_no_other_repository():
    faults, ours = checks_of_a_release()["faults"], PROJECT["project"]["urls"]["Source"]
    unreleased = f"CHANGELOG.md gives {gmm.__version__} no date"
    assert faults(f"v{gmm.__version__}", ours) in ([], [unreleased])
    found = " ".join(faults("v999", f"{ours}-of-others"))
    assert_contains(found, "tag is v999", "address Source", "address Issues", "address Changelog")


def test_results_of_another_commit_are_no_release(tmp_path):
    row = "| `{}` | `{}` | 2026-11-23 | Linux | 1 | {} |"
    rows = [row.format("lint", "0123456789", "passed"), row.format("types", "abcdefabcd", "**failed**: mypy")]
    rows.append(row.format("wheels -- python3.14", "0123456789", "passed"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "measurements.md").write_text("\n".join(rows), encoding="utf-8")
    unfit_results = checks_of_a_release(tmp_path)["unfit_results"]
    found = unfit_results("0123456789fffff", ["lint", "types", "docs", "wheels"])
    names = [re.findall("lint|types|(?<=of )(?:docs|wheels)", each) for each in found]
    assert names == [["types"], ["types"], ["docs"], ["wheels"]]


@pytest.mark.skipif(os.name != "posix", reason="a compiler that is a script")
@pytest.mark.parametrize(("refused", "is_gcc"), [("*-fvect*", False), ("none", True)])
def test_flags_of_gcc_are_for_a_compiler_that_takes_them(refused, is_gcc, tmp_path):
    flags = runpy.run_path(str(ROOT / "tools" / "compiler.py"))["flags_of_gcc"]
    script = tmp_path / "compiler"
    script.write_text(f'#!/bin/sh\ncase "$*" in {refused}) exit 1;; esac\n', encoding="utf-8")
    script.chmod(0o755)
    compiler = importlib.import_module("distutils.ccompiler").new_compiler("unix")  # setuptools' own
    compiler.set_executables(compiler_so=str(script))
    assert bool(flags(compiler)) == is_gcc


@pytest.mark.skipif(os.name == "nt", reason="the compiler of Windows looks for itself")
def test_without_a_compiler_the_build_reports_at_once_what_to_install(tmp_path):
    """And for which system, without a line of Cython."""
    pytest.importorskip("Cython")
    words = [sys.executable, str(ROOT / "setup.py"), "-q", "bdist_wheel", "--bdist-dir", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, env=os.environ | {"CC": "no-such-cc -O2"}, capture_output=True, text=True)
    assert done.returncode == 1
    assert_contains(done.stderr, "This package is compiled here, which needs a C compiler (no-such-cc is not on PATH)")
    systems = "Debian, Ubuntu:  sudo apt install build-essential", "Fedora: ", "macOS: ", "Windows: "
    assert_contains(done.stderr, *systems)
    assert len(done.stderr.splitlines()) < 12
    assert not done.stdout


@cases(
    ("pyproject.toml", r"github\.com/[^/]+/", "github.com/others/", {"README.md", "RELEASING.md", "CITATION.cff"}),
    ("CHANGELOG.md", r"(?<=\d\] - ).*", "1999-12-24", {"README.md", "CITATION.cff"}),
)
def test_words_and_names_that_differ_are_no_release(file, pattern, other, named, tmp_path):
    of_root = ("README.md", "RELEASING.md", "CITATION.cff", "CHANGELOG.md", "pyproject.toml")
    for name in (*of_root, "docs/support.md", ".github/workflows/wheels.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        text = text_of(name) + "It is not on PyPI yet." * (name == "README.md")
        (tmp_path / name).write_text(re.sub(pattern, other, text) if name == file else text, encoding="utf-8")
    faults = checks_of_a_release(tmp_path)["faults"]
    assert {each.partition(" ")[0] for each in faults(f"v{gmm.__version__}")} >= named | {"tests/data/saved"}
