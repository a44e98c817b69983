"""Versions of this package and its dependencies, for bug reports, and the commands that install extras."""

from __future__ import annotations

import platform
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from gmm._kernel import tiles
from gmm._passes.e_step import usable_threads

__version__ = version("gmm-em")

# Packages of each extra in pyproject.toml. Messages name packages, not extras: that works however gmm-em was installed.
EXTRAS = {
    "cli": ("jinja2", "pyarrow", "rich"),
    "dask": ("dask", "distributed"),
    "onnx": ("onnx",),
    "plot": ("matplotlib", "pillow"),
    "sklearn": ("scikit-learn",),
}

_PACKAGES = (
    "gmm-em", "numpy", "scipy", "threadpoolctl", "cython", "scikit-learn", "pyarrow", "rich", "pandas", "polars",
    "dask", "distributed",
)  # fmt: skip


def install_line(extra: str) -> str:
    """Return the command that installs the packages of an extra.

    Parameters
    ----------
    extra : {"cli", "dask", "onnx", "plot", "sklearn"}

    Returns
    -------
    str

    Examples
    --------
    >>> install_line("cli")
    'python -m pip install jinja2 pyarrow rich'
    """
    return f"python -m pip install {' '.join(EXTRAS[extra])}"


def imported(module: str, extra: str) -> Any:
    """Import a module that an extra installs.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed; the message contains the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{module.partition('.')[0]} is not installed: {install_line(extra)}", name=error.name
        ) from None


def show_versions() -> None:
    """Print the versions of Python, of this package and its dependencies, and of the BLAS library.

    Examples
    --------
    >>> import gmm
    >>> gmm.show_versions()  # doctest: +ELLIPSIS
    System
    ...
    """
    from threadpoolctl import threadpool_info

    print("System")
    print(f"  python         {sys.version.split()[0]} ({sys.executable})")
    print(f"  machine        {platform.platform()}")
    print(f"  usable threads {usable_threads()}")
    print(f"  kernel         {tiles.kernel()}, of {', '.join(tiles.kernels())}")
    print("Packages")
    for name in _PACKAGES:
        print(f"  {name:<14} {_version(name)}")
    print("Thread pools")
    for pool in threadpool_info():
        parts = (pool["internal_api"], pool["version"], f"{pool['num_threads']} threads")
        print("  " + ", ".join(str(part) for part in parts if part is not None))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


show_versions.__module__ = "gmm"
