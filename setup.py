"""Build the compiled modules; everything else is in pyproject.toml."""

import gzip
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from importlib.metadata import version
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

DEBUG = os.environ.get("GMM_DEBUG", "0") not in ("", "0")
DIRECTIVES = {"wraparound": False, "cdivision": True, "freethreading_compatible": True}
DIRECTIVES |= {"boundscheck": DEBUG, "initializedcheck": DEBUG}
SHARED = Extension("gmm._kernel.cython_types", [])  # memoryviews, functions: a copy in each is 0.2 MB of a wheel
# The compiler may fuse a multiplication with an addition, so instruction sets differ in the last digit. No exception
# passes through the modules, whose unwind tables would be 4 % of them.
OPTIMISED = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-fno-asynchronous-unwind-tables"]
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
            shared_utility_qualified_name=SHARED.name,
            module_name=SHARED.name,  # of that module: the others are named by their extensions
        )
        record, called = Path("build/called"), repr([DEBUG, *map(os.environ.get, ("CC", "CFLAGS", "LDFLAGS"))])
        if not record.exists() or record.read_text() != called:
            record.write_text(called)  # newer than what was compiled by other arguments
        for extension, c in zip(self.extensions, translated, strict=True):
            extension.sources = c.sources
            extension.depends = [*map(str, Path("src").rglob("*.h")), "setup.py", str(record)]
            if self.compiler.compiler_type == "msvc":
                extension.extra_compile_args = self.windows_arguments()
                continue
            extension.extra_compile_args = CHECKED if DEBUG else OPTIMISED
            extension.libraries = ["m"]
            self.compiler.linker_so = [each for each in self.compiler.linker_so if not each.startswith("-Wl,-rpath")]
            if sys.platform == "linux" and not DEBUG:
                extension.extra_link_args = ["-Wl,-s,-z,relro,-z,now"]
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


class Wheel(bdist_wheel):
    """A wheel with the versions that built it, as CycloneDX in .dist-info/sboms (PEP 770)."""

    def write_wheelfile(self, wheelfile_base, *arguments, **options):
        super().write_wheelfile(wheelfile_base, *arguments, **options)
        name = self.distribution.get_name()
        bill = {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "lifecycles": [{"phase": "build"}],
                "component": part("library", name, self.distribution.get_version(), "BSD-3-Clause"),
            },
            "components": [
                part("library", "Cython", version("Cython"), "Apache-2.0", "its code is in the extensions"),
                part("data", "faithful.csv", "1990", None, "LICENSE-DATA says where it comes from"),
                *(part("library", each, version(each), None, "build") for each in ("setuptools", "numpy", "scipy")),
                part("application", "compiler", compiler(), None, "build"),
            ],
        }
        place = Path(wheelfile_base, "sboms", f"{name}.cdx.json")
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")


def part(kind, name, number, licence, use=None):
    """Return a component of the bill of materials; one of use "build" is not in the wheel."""
    return {
        "type": kind,
        "name": name,
        "version": number,
        **({"purl": f"pkg:pypi/{name.lower()}@{number}"} if kind == "library" else {}),
        **({"licenses": [{"license": {"id": licence}}]} if licence else {}),
        **({"scope": "excluded"} if use == "build" else {"description": use} if use else {}),
    }


def compiler():
    """Return how the C compiler names itself; MSVC does not."""
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "")
    told = subprocess.run([*command, "--version"], capture_output=True, text=True).stdout if command else ""
    return told.partition("\n")[0] or "MSVC"


class SourceDistribution(sdist):
    """With SOURCE_DATE_EPOCH the same sources give the same bytes, whoever packs them, where and when."""

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, owner=None, group=None):
        if format != "gztar" or "SOURCE_DATE_EPOCH" not in os.environ:
            return super().make_archive(base_name, format, root_dir, base_dir, owner, group)
        when = int(os.environ["SOURCE_DATE_EPOCH"])

        def impersonal(member):
            member.mtime, member.uid, member.gid, member.uname, member.gname = when, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        path = f"{base_name}.tar.gz"
        with (
            open(path, "wb") as file,
            gzip.GzipFile("", "wb", mtime=when, fileobj=file) as packed,
            tarfile.open(fileobj=packed, mode="w") as archive,
        ):
            archive.add(base_dir, filter=impersonal)
        return path


NAMES = ("_em", "_errors", "_candidates", "_loop", "_frozen", "_kernel.mstep", "_kernel.first_look", "_kernel.tiles")
setup(
    ext_modules=[
        Extension(f"gmm.{name}", [f"src/gmm/{name.replace('.', '/')}.pyx"], include_dirs=["src/gmm/_kernel"])
        for name in NAMES
    ]
    + [SHARED],
    cmdclass={"build_ext": BuildExtension, "bdist_wheel": Wheel, "sdist": SourceDistribution},
)
