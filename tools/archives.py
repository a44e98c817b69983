"""What `setup.py` writes: wheels that say what built them, sources of the same bytes everywhere, a page for PyPI."""

import gzip
import json
import os
import re
import shlex
import subprocess
import sysconfig
import tarfile
import tomllib
from importlib.metadata import version
from pathlib import Path

from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parents[1]
RELATIVE = re.compile(r"""(\]\(|(?:href|src)=")(?!https?:|#)([^)"]+)""")


def description():
    """Return README.md for PyPI, which has no file beside it: links go to this version in the repository."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def absolute(link):
        before, path = link.groups()
        kind = "raw" if path.endswith((".png", ".gif")) else "blob"
        return f"{before}{project['urls']['Source']}/{kind}/v{project['version']}/{path}"

    return RELATIVE.sub(absolute, (ROOT / "README.md").read_text(encoding="utf-8"))


class Wheel(bdist_wheel):
    """A wheel with the versions that built it, as CycloneDX in .dist-info/sboms (PEP 770)."""

    def write_wheelfile(self, wheelfile_base, *arguments, **options):
        """Add the bill of materials beside the metadata."""
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
        """Pack what `sdist` has gathered."""
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
