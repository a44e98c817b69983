"""What a bug report should say of the machine and of what is installed."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from threadpoolctl import threadpool_info

from gmm import _em
from gmm.threads import usable_threads

__version__ = version("gmm-em")

# What the extras of pyproject.toml install. Messages name these packages and not the extras: that is right for every
# way in which gmm-em itself was installed.
EXTRAS = {"cli": ("pyarrow", "rich"), "plot": ("matplotlib", "pillow")}

_PACKAGES = (
    "gmm-em", "numpy", "scipy", "threadpoolctl", "cython", "scikit-learn", "pyarrow", "rich", "pandas", "polars",
)  # fmt: skip


def install_line(extra: str) -> str:
    """The command that installs what an extra needs.

    Parameters
    ----------
    extra : {"cli", "plot"}

    Returns
    -------
    str

    Examples
    --------
    >>> install_line("cli")
    'python -m pip install pyarrow rich'
    """
    return f"python -m pip install {' '.join(EXTRAS[extra])}"


def show_versions() -> None:
    """Print the versions of Python, of this package and its companions, and of BLAS.

    Examples
    --------
    >>> import gmm
    >>> gmm.show_versions()  # doctest: +ELLIPSIS
    System
    ...
    """
    print("System")
    print(f"  python         {sys.version.split()[0]} ({sys.executable})")
    print(f"  machine        {platform.platform()}")
    print(f"  usable threads {usable_threads()}")
    print(f"  kernel         {_em.kernel()}, of {', '.join(_em.kernels())}")
    print("Packages")
    for name in _PACKAGES:
        print(f"  {name:<14} {_version(name)}")
    print("Thread pools")
    for pool in threadpool_info():
        told = (pool["internal_api"], pool["version"], f"{pool['num_threads']} threads")
        print("  " + ", ".join(str(item) for item in told if item is not None))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
