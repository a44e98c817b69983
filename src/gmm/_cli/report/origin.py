"""Provenance of a result: the command, the input file, versions, the machine and the time."""

from __future__ import annotations

import argparse
import hashlib
import platform
import shlex
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path

from gmm._versions import __version__

__all__ = ["Origin"]

_PACKAGES = ("numpy", "scipy", "pyarrow", "matplotlib")


@dataclass(frozen=True)
class Origin:
    """What is needed to reproduce a result.

    Attributes
    ----------
    command : str
        The command line, quoted for a shell.
    file : str
        Name of the file, without its directory.
    size : int or None
        Size of the file in bytes; None for a folder, a pipe or standard input.
    sha256 : str or None
        Hash of the file's content; None for a folder, a pipe or standard input.
    versions : mapping of str to str
        Versions of this package, its dependencies and Python.
    machine : str
    when : str
        Date and time, UTC.
    """

    command: str
    file: str
    size: int | None
    sha256: str | None
    versions: Mapping[str, str]
    machine: str
    when: str

    @classmethod
    def of(cls, options: argparse.Namespace) -> Origin:
        """Record the file, the versions and the machine, given the options of ``gmm fit``."""
        size, digest = None, None
        bundled = files("gmm") / "data" / "faithful.csv"
        if options.file is None or Path(options.file).is_file():  # a pipe can be read only once
            with as_file(bundled) if options.file is None else nullcontext(Path(options.file)) as path:
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = path.stat().st_size
        return cls(
            command=shlex.join(["gmm", *options.words]),
            file={None: bundled.name, "-": "standard input"}.get(options.file) or Path(options.file).name,
            size=size,
            sha256=digest,
            versions={
                "gmm-em": __version__,
                **{name: version(name) for name in _PACKAGES},
                "Python": platform.python_version(),
            },
            machine=f"{platform.system()} {platform.release()}, {platform.machine()}",
            when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        )
