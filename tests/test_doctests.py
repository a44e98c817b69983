"""The examples in the docstrings of the installed package."""

import doctest
import importlib
import pkgutil
from importlib.util import find_spec
from pathlib import Path

import pytest

import gmm

MODULES = ["gmm", *(m.name for m in pkgutil.walk_packages(gmm.__path__, "gmm."))]
WITH_EXAMPLES = [name for name in MODULES if b">>> " in Path(find_spec(name).origin).read_bytes()]
PUBLIC = {"gmm", *(name for name in MODULES if not any(part.startswith("_") for part in name.split(".")))}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


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
    module = importlib.import_module(name)
    runner = Runner(optionflags=FLAGS)
    examples = Finder().find(module)
    for example in examples:
        runner.run(example)
    n_written = Path(module.__file__).read_text(encoding="utf-8").count(">>> ")
    assert sum(len(example.examples) for example in examples) == n_written
    assert not runner.failures
