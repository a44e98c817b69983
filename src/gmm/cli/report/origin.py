"""Where a result comes from: the command, the file it read, the versions, the machine and the time."""

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

from gmm.versions import __version__

__all__ = ["Origin"]

_PACKAGES = ("numpy", "scipy", "pyarrow", "matplotlib")


@dataclass(frozen=True)
class Origin:
    """What is needed to make a result again.

    Attributes
    ----------
    command : str
        The command line, as a shell takes it.
    file : str
        The file's name, without its directory.
    size : int or None
        Of the file, bytes; None of a pipe or standard input.
    sha256 : str or None
        Of the file's bytes; None of a pipe or standard input.
    versions : mapping of str to str
        Of this package, of those it stands on, and of Python.
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
        """Look at the file, the packages and the machine now.

        Parameters
        ----------
        options : argparse.Namespace
            The options of ``gmm fit``.

        Returns
        -------
        Origin
        """
        size, digest = None, None
        bundled = files("gmm") / "data" / "faithful.csv"
        if options.file is None or Path(options.file).is_file():  # a pipe has been read, and is empty
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
