"""Build the compiled modules; everything else is in pyproject.toml."""

import os
import shutil
import sys
from multiprocessing import get_start_method
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

sys.path.insert(0, str(Path(__file__).parent / "tools"))
from archives import SourceDistribution, Wheel, description
from compiler import check_compiler, flags_of_gcc

DEBUG = os.environ.get("GMM_DEBUG", "0") not in ("", "0")
DIRECTIVES = {"wraparound": False, "cdivision": True, "freethreading_compatible": True, "auto_pickle": False}
DIRECTIVES |= {"boundscheck": DEBUG, "initializedcheck": DEBUG}
SHARED = Extension("gmm._kernel.cython_types", [])  # memoryviews, functions: a copy in each is 0.2 MB of a wheel
# The compiler may fuse a multiplication with an addition, so instruction sets differ in the last digit. No exception
# passes through the modules, whose unwind tables would be 4 % of them.
OPTIMISED = ["-g0", "-fno-math-errno", "-fno-trapping-math", "-fno-asynchronous-unwind-tables"]
LEVELS = {"gmm._em": ["-O3"], "gmm._kernel.tiles": ["-O3"], SHARED.name: ["-O2"]}
OTHERS = ["-O2", "-ftree-vectorize"]  # -O3 makes a quarter more of these, no faster; that of _em saves fits 3 %
CHECKED = ["-O1", "-g", "-Werror=uninitialized"]


class BuildExtension(build_ext):
    """Run Cython and the C compiler, on all modules at once, where anything that they are made of has changed.

    Cython runs here, not when this file is read, so that an sdist and metadata need no C code.
    """

    def build_extensions(self):
        self.parallel = self.parallel or len(self.extensions)
        translated = cythonize(
            self.extensions,
            build_dir="build/cython-debug" if DEBUG else "build/cython",
            include_path=["src"],
            compiler_directives=DIRECTIVES,
            nthreads=len(self.extensions) if get_start_method() == "fork" else 0,  # others run this file again
            shared_utility_qualified_name=SHARED.name,
            module_name=SHARED.name,  # of that module: the others are named by their extensions
        )
        record, called = Path("build/called"), repr([DEBUG, *map(os.environ.get, ("CC", "CFLAGS", "LDFLAGS"))])
        if not record.exists() or record.read_text(encoding="utf-8") != called:
            record.write_text(called, encoding="utf-8")  # newer than what was compiled by other arguments
        own = flags_of_gcc(self.compiler)
        for extension, c in zip(self.extensions, translated, strict=True):
            extension.sources = c.sources
            extension.depends = [*map(str, Path("src").rglob("*.h")), "setup.py", "tools/compiler.py", str(record)]
            if self.compiler.compiler_type == "msvc":
                extension.extra_compile_args = self.windows_arguments()
                continue
            optimised = [*LEVELS.get(extension.name, OTHERS), *own.get(extension.name, []), *OPTIMISED]
            extension.extra_compile_args = CHECKED if DEBUG else optimised
            extension.libraries = ["m"]
            self.compiler.linker_so = [each for each in self.compiler.linker_so if not each.startswith("-Wl,-rpath")]
            if sys.platform == "linux" and not DEBUG:
                extension.extra_link_args = ["-Wl,-s,--build-id=none,-z,relro,-z,now"]  # no symbols to find by an id
        super().build_extensions()

    def windows_arguments(self):
        """Let CC name clang-cl: MSVC has no vector types and gets the slower twin."""
        if "CC" not in os.environ:
            return ["/O2"]
        if not self.compiler.initialized:
            self.compiler.initialize(self.plat_name)
        cc = os.environ["CC"]
        self.compiler.cc = shutil.which(cc) or sys.exit(f"CC is {cc!r}, which is not on PATH")
        machine = {"win-amd64": "x86_64", "win-arm64": "aarch64"}[self.plat_name]
        return ["/O2", "/clang:-O3", "/clang:-fno-math-errno", f"--target={machine}-pc-windows-msvc"]


check_compiler()
MODULES = [
    Extension(f"gmm.{name}", [f"src/gmm/{name.replace('.', '/')}.pyx"], include_dirs=["src/gmm/_kernel"])
    for name in ("_em", "_frozen", "_kernel.mstep", "_kernel.tiles")
]
setup(
    long_description=description(),
    long_description_content_type="text/markdown",
    ext_modules=[*MODULES, SHARED],
    cmdclass={"build_ext": BuildExtension, "bdist_wheel": Wheel, "sdist": SourceDistribution},
)
