"""Compile C++ files for this machine on demand, once per version of the source."""

from __future__ import annotations

import ctypes
import platform
import subprocess
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

BUILD = Path(__file__).parents[1] / "build" / "benchmarks"
COMPILE = ("g++", "-O3", "-march=native", "-shared", "-fPIC")


@cache
def library(source: Path, *flags: str) -> ctypes.CDLL:
    """Compile `source` with `flags` and load it; an error gives the reason in one line."""
    identity = repr((source.read_bytes(), flags, platform.node()))
    built = BUILD / f"{source.stem}-{sha256(identity.encode()).hexdigest()[:12]}.so"
    if not built.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        compile_into(built, (*COMPILE, str(source), *flags))
    return ctypes.CDLL(str(built))


def compile_into(built: Path, command: Sequence[str]) -> None:
    """Run the compiler."""
    result = subprocess.run([*command, "-o", str(built)], capture_output=True, text=True, check=False)
    if result.returncode:
        errors = (line for line in result.stderr.splitlines() if "error" in line or "cannot find" in line)
        raise RuntimeError(f"compilation failed: {next(errors, result.stderr)}")
