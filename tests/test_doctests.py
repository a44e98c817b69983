"""The examples in the docstrings of the installed package."""

import doctest
import importlib
import pkgutil

import pytest

import gmm

MODULES = ["gmm", *(m.name for m in pkgutil.walk_packages(gmm.__path__, "gmm."))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_examples_are_true(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.failed == 0
