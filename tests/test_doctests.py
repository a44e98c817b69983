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
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_are_true(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.attempted
    assert not result.failed
