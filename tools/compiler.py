"""What compiling needs, looked for before Cython's minute: a C compiler and Python's headers."""

import os
import shlex
import shutil
import sys
import sysconfig
from importlib import import_module
from pathlib import Path

from setuptools.errors import PlatformError

COMMANDS = {"bdist_wheel", "build", "build_ext", "develop", "editable_wheel", "install"}  # that compile
INSTALL = """
  Debian, Ubuntu:  sudo apt install build-essential python3-dev
  Fedora:          sudo dnf install gcc python3-devel
  macOS:           xcode-select --install
  Windows:         winget install Microsoft.VisualStudio.2022.BuildTools --override "--passive --add
                   Microsoft.VisualStudio.Workload.VCTools --includeRecommended"
"""


def check_compiler():
    """End with what to install, if this command compiles and something that it needs is not there."""
    if COMMANDS.intersection(sys.argv) and (what := missing()):
        sys.exit(f"\nThis package is compiled here, which needs {what}. To install it:{INSTALL}")


def missing():
    """Say what is not there; empty if nothing is."""
    if os.name == "nt":
        try:
            import_module("distutils.ccompiler").new_compiler().initialize()  # setuptools' own
        except PlatformError as error:
            return f"a C compiler ({error})"
    else:
        compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
        if shutil.which(compiler) is None:
            return f"a C compiler ({compiler} is not on PATH)"
    return "" if Path(sysconfig.get_path("include"), "Python.h").exists() else "the headers of Python (Python.h)"
