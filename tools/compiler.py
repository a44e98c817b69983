"""The C compiler: whether there is one, looked for before Cython's minute, and the flags of gcc."""

import os
import shlex
import shutil
import sys
import sysconfig
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from setuptools.errors import CompileError, PlatformError

COMMANDS = {"bdist_wheel", "build", "build_ext", "develop", "editable_wheel", "install"}  # that compile
# Cython asks for its helpers, and ours, to be inline: where gcc does so with small ones alone, `_em` is a seventh
# smaller and fits take as long. By a smaller `mstep`, a pass of few rows takes 4 % more instructions; by a smaller
# `_frozen`, a row 8 % longer. To COLD, a branch that Cython calls unlikely is one that is never taken.
EAGER, COLD = "-fvect-cost-model=dynamic", "--param=builtin-expect-probability=100"
OF_GCC = {
    "gmm._em": ["--param=max-inline-insns-single=30"],
    "gmm._frozen": [EAGER, COLD],
    "gmm._kernel.mstep": [EAGER],
    "gmm._kernel.cython_types": ["--param=max-inline-insns-single=25", COLD],
}
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


def flags_of_gcc(compiler):
    """Return flags by module; none for a compiler that refuses them."""
    if compiler.compiler_type == "msvc":
        return {}
    with TemporaryDirectory() as folder:
        (source := Path(folder, "empty.c")).touch()
        try:
            compiler.compile([str(source)], output_dir=folder, extra_postargs=[EAGER])
        except CompileError:
            return {}
    return OF_GCC
