"""What every test shares: how hypothesis draws its examples, which kernel computes, and how threads wait."""

import os
import sys
import zlib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, seed, settings

# Threads of OpenMP and OpenBLAS, scikit-learn's, wait for work in a loop: beside other tests, for most of a core. Both
# look once, when numpy is imported: before anything of gmm.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

# The benchmarks are at hand in the repository and in the source distribution, beside the tests.
sys.path.insert(0, str(Path(__file__).parents[1]))

from inside import blocks, tiles

# `ci` draws the same examples in every run, so that a failure there is the failure at home. By hand:
# pytest --hypothesis-profile=random
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, max_examples=20)
many = int(os.environ.get("GMM_EXAMPLES", 500))
settings.register_profile("random", deadline=None, print_blob=True, max_examples=many)
settings.load_profile("ci")

OURS = {"benchmarks", "gmm", "tests"}  # whose absence is an error, always


def pytest_addoption(parser):
    parser.addoption("--installed", action="store_true", help="skip what needs a package that is not installed")


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*packages): those of a process, or of the command line, in a test")


def pytest_pycollect_makemodule(module_path, parent):
    """Where some packages have no wheels, the workflow tests the rest; elsewhere their absence is an error."""
    return InstalledModule.from_parent(parent, path=module_path) if parent.config.getoption("--installed") else None


class InstalledModule(pytest.Module):
    """A file of tests, skipped where it cannot be imported without a package that is not installed."""

    def collect(self):
        try:
            return super().collect()
        except self.CollectError as error:
            skip_without(error.__cause__, self.nodeid)
            raise


def skipping(item):
    """Run what a hook wraps; skip the test where it asks for a package that is not installed."""
    try:
        return (yield)
    except ModuleNotFoundError as error:
        if item.config.getoption("--installed"):
            skip_without(error, item.nodeid.partition("::")[0])
        raise


def skip_without(error, file):
    """Skip where an import failed because a package, not a module of it, is not there."""
    package = (getattr(error, "name", None) or "gmm").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and package not in OURS and find_spec(package) is None:
        pytest.skip(f"{file}: {package} is not installed", allow_module_level=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    return (yield from skipping(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item):
    """Let every test draw examples of its own: else all parameters of one function would see the same."""
    test = getattr(item, "obj", None)
    if is_hypothesis_test(test) and settings.get_current_profile_name() == "ci":
        seed(zlib.crc32(f"{item.module.__name__}::{item.name}".encode()))(test)
    return (yield from skipping(item))


@pytest.fixture(autouse=True)
def _packages_are_there(request):
    for mark in request.node.iter_markers("needs"):
        for package in mark.args:
            import_module(package)


@pytest.fixture(autouse=True)
def _kernel_behind_a_test_is_the_one_before():
    before = tiles.kernel()
    yield
    tiles.use_kernel(before)


@pytest.fixture(params=tiles.kernels())
def kernel(request):
    """Each kernel that this machine can run."""
    tiles.use_kernel(request.param)
    return request.param


@pytest.fixture
def _small_chunks(monkeypatch):
    """A pass reads a few lanes at a time, so that it has many chunks; a file is read in pieces."""
    monkeypatch.setattr(blocks, "_CHUNK_BYTES", 1 << 12)
    monkeypatch.setattr(blocks, "_FEWEST_LANES", 1)
    monkeypatch.setattr(blocks, "_BLOCK_BYTES", 1 << 12)


@pytest.fixture(autouse=True)
def _no_figure_left():
    """Close what a test has drawn: matplotlib warns of many open figures."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def figures(monkeypatch):
    """Draw coarsely, and show no window."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    from inside import STYLE

    def refuse(*args, **kwargs):
        raise AssertionError("a function of gmm.plotting called show")

    monkeypatch.setitem(STYLE, "figure.dpi", 30)
    monkeypatch.setattr(plt, "show", refuse)
    monkeypatch.setattr(mpl.figure.Figure, "show", refuse)
