"""Whether wheels hold what a release promises: ``python tools/check_wheel.py FILE...``.

Licences, the source of each data file and the versions that built it are inside; it is small; extensions for Linux are
linked with full RELRO, without an executable stack, RPATH and RUNPATH.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from zipfile import ZipFile

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
LARGEST = 2e6
LICENCES = ("LICENSE", "LICENSE-DATA")
BUILT_BY = {"Cython", "compiler", "numpy", "scipy", "setuptools"}


def faults(wheel: Path) -> list[str]:
    """What is wrong with a wheel, one sentence each."""
    distribution = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["name"]
    size = wheel.stat().st_size
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        found = [f"no {name}" for name in LICENCES if not any(each.endswith(f"/licenses/{name}") for each in names)]
        bills = [each for each in names if f".dist-info/sboms/{distribution}" in each]
        told = {part["name"] for bill in bills for part in json.loads(archive.read(bill))["components"]}
        found += [f"no version of {name} in .dist-info/sboms" for name in sorted(BUILT_BY - told)]
        found += [f"{size / 1e6:.2f} MB, expected at most {LARGEST / 1e6}"] if size > LARGEST else []
        if "linux" in wheel.name:
            with tempfile.TemporaryDirectory() as folder:
                extensions = [archive.extract(name, folder) for name in names if name.endswith(".so")]
                found += [f"{Path(each).name}: {fault}" for each in extensions for fault in link_faults(each)]
    return [f"{wheel.name}: {fault}" for fault in found]


def link_faults(extension: str) -> list[str]:
    """What is wrong with how an ELF file was linked, by readelf."""
    told = subprocess.run(["readelf", "-dlW", extension], capture_output=True, text=True, check=True).stdout
    stacks = [line for line in told.splitlines() if "GNU_STACK" in line]
    return [
        *(f"a {name}" for name in ("RPATH", "RUNPATH") if f"({name})" in told),
        *([] if "GNU_RELRO" in told else ["no RELRO"]),
        *([] if "BIND_NOW" in told or "Flags: NOW" in told else ["no BIND_NOW"]),
        *([] if stacks and "RWE" not in stacks[0] else ["an executable stack"]),
    ]


if __name__ == "__main__":
    sys.exit("\n".join(fault for wheel in sys.argv[1:] for fault in faults(Path(wheel))) or 0)
