"""Build the compiled modules; everything else is in pyproject.toml."""

import os
import sys

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("GMM_DEBUG", "0") not in ("", "0")
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "initializedcheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
    "freethreading_compatible": True,
}
# The compiler may fuse a multiplication with an addition, so instruction sets differ in the last digit.
OPTIMISED = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math"]
CHECKED = ["-O1", "-g"]


class BuildExtension(build_ext):
    """Run Cython and the C compiler, on all modules at once.

    Cython runs here, not when this file is read, so that an sdist and metadata need no C code. The C is always
    compiled: flags are no part of a file's age.
    """

    def build_extensions(self):
        self.force = True
        self.parallel = self.parallel or len(self.extensions)
        translated = cythonize(
            self.extensions,
            build_dir="build/cython-debug" if DEBUG else "build/cython",
            include_path=["src"],
            compiler_directives=DIRECTIVES,
        )
        for extension, c in zip(self.extensions, translated, strict=True):
            extension.sources = c.sources
        for extension in self.extensions:
            if self.compiler.compiler_type == "msvc":
                extension.extra_compile_args = ["/O2"]
                continue
            extension.extra_compile_args = CHECKED if DEBUG else OPTIMISED
            extension.libraries = ["m"]
            if sys.platform == "linux" and not DEBUG:
                extension.extra_link_args = ["-Wl,-s"]
        super().build_extensions()


setup(
    ext_modules=[
        Extension(f"gmm.{name}", [f"src/gmm/{name.replace('.', '/')}.pyx"], include_dirs=["src/gmm/_kernel"])
        for name in ("_em", "_candidates", "_frozen", "_kernel.mstep", "_kernel.first_look")
    ],
    cmdclass={"build_ext": BuildExtension},
)
