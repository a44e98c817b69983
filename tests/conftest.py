"""What every test shares: how hypothesis draws its examples, which kernel computes, and how threads wait."""

import ast
import errno
import os
import zlib
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, seed, settings

# Threads of OpenMP and OpenBLAS, scikit-learn's, wait for work in a loop: beside other tests, for most of a core. Both
# look once, when numpy is imported: before anything of gmm.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

from gmm._kernel import tiles
from gmm._persistence import checkpoints

# `ci` draws the same examples in every run, so that a failure there is the failure at home. By hand:
# pytest --hypothesis-profile=random
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, max_examples=20)
settings.register_profile("random", deadline=None, print_blob=True, max_examples=500)
settings.register_profile("long", deadline=None, print_blob=True, max_examples=int(os.environ.get("GMM_EXAMPLES", 500)))
settings.load_profile("ci")


def pytest_addoption(parser):
    parser.addoption("--installed", action="store_true", help="leave out files that import what is not installed")


def pytest_ignore_collect(collection_path, config):
    """Where some packages have no wheels, the workflow tests the rest; elsewhere their absence is an error."""
    if config.getoption("--installed") and collection_path.suffix == ".py" and missing(collection_path):
        return True
    return None


def pytest_report_header(config):
    if not config.getoption("--installed"):
        return None
    files = {file.name: missing(file) for file in sorted(Path(__file__).parent.glob("test_*.py"))}
    return [f"left out, not installed: {', '.join(names)}: {file}" for file, names in files.items() if names]


def missing(file):
    """Return the packages that a file imports anywhere, and that are not installed."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    packages = {module.partition(".")[0] for module in modules}
    return sorted(name for name in packages - {"benchmarks", "tests"} if find_spec(name) is None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Let every test draw examples of its own: else all parameters of one function would see the same."""
    test = getattr(item, "obj", None)
    if is_hypothesis_test(test) and settings.get_current_profile_name() == "ci":
        seed(zlib.crc32(f"{item.module.__name__}::{item.name}".encode()))(test)


@pytest.fixture(autouse=True)
def _kernel_behind_a_test_is_the_one_before():
    before = tiles.kernel()
    yield
    tiles.use_kernel(before)


@pytest.fixture
def _always_due(monkeypatch):
    """Let checkpoints be written whenever they may be."""
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    monkeypatch.setattr(checkpoints, "_SHARE", 0.0)


@pytest.fixture
def full_disk(monkeypatch):
    """Let the disk be full after four files, until `monkeypatch.undo()`; return a list of all that were tried."""
    sync, tried = os.fsync, []

    def fsync(descriptor):
        tried.append(descriptor)
        if len(tried) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return tried
