"""How many instructions does an iteration take? A count without noise, compared with a stored one.

valgrind counts the instructions of a short and a long fit; their difference belongs to the iterations. It does not
support AVX-512, so our other kernels are counted, each with OpenBLAS kernels of the same generation. The counts hold
for one compiler, BLAS and Python; with others they are printed but not compared.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.limit import library
from benchmarks.peers import OURS
from benchmarks.peers import PEERS as KNOWN
from benchmarks.problems import Problem, generate
from benchmarks.report import Report, Settings

PEERS: tuple[str, ...] = ()
THREADS = (1,)
STORED = Path(__file__).with_name("instructions.json")
BRIDGE = Path(__file__).with_name("callgrind.cpp")
PROBLEMS = (
    Problem(2000, 8, 16, "full", n_iter=4),
    Problem(2000, 16, 64, "diag", n_iter=4),
    Problem(500, 40, 4, "full", n_iter=4),
)
KERNELS = {"base": "Nehalem", "avx2": "Haswell"}  # ours, and OpenBLAS's
SHORT = 3  # passes, after which checks for degenerate components cost as much as after more
TOLERANCE = 0.03
VALGRIND = ("valgrind", "--tool=callgrind", "--instr-atstart=no", "--quiet")
# SciPy must come first: importing benchmarks removes the variable that selects the BLAS kernel.
CHILD = "import sys, scipy.linalg; from benchmarks.instructions import count; count(sys.argv[1])"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this question."""
    parser.add_argument("--update", action="store_true", help="store the counts instead of comparing them")


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each kernel and problem; return whether all counts are within the tolerance."""
    if reason := absence():
        report.skipped("instructions", reason)
        return True
    counted = {
        kernel: measured(kernel, coretype, settings, report)
        for kernel, coretype in KERNELS.items()
        if kernel in available()
    }
    now = circumstances()
    if settings.arguments.update and not report.failures:
        content = {"circumstances": now, "tolerance": TOLERANCE, "counts": counted}
        STORED.write_text(json.dumps(content, indent=2) + "\n")
        report.note(f"stored in {STORED.name}")
    stored = json.loads(STORED.read_text())
    before = stored["circumstances"]
    differing = [f"{name}: {before[name]}, here {now[name]}" for name in now if before[name] != now[name]]
    more = table(counted, stored, report)
    for difference in differing:
        report.note(f"not compared: the stored counts are for {difference}")
    return not more or bool(differing)


def table(counted: dict[str, dict[str, int]], stored: dict[str, Any], report: Report) -> list[str]:
    """Print the counts and the stored ones; return those that grew by more than the tolerance."""
    report.note(f"instructions per iteration; tolerance {stored['tolerance']:.0%}")
    report.header("problem", "kernel", "instructions", "stored", "ratio", "result")
    more = []
    for kernel, counts in counted.items():
        for name, count in counts.items():
            before = stored["counts"].get(kernel, {}).get(name)
            result = compare(count, before, stored["tolerance"])
            if result == "more":
                more.append(f"{name} {kernel}")
            ratio = f"{count / before:.4f}" if before else "–"
            report.row(name, kernel, str(count), str(before or "–"), ratio, result)
    return more


def compare(count: int, before: int | None, tolerance: float) -> str:
    """Return how a count compares with the stored one."""
    if before is None:
        return "not stored"
    if count > before * (1 + tolerance):
        return "more"
    return "fewer: run --update" if count < before * (1 - tolerance) else "same"


def absence() -> str:
    """Return why instructions cannot be counted here; an empty string if they can."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return "the counts are for x86-64"
    if shutil.which("valgrind") is None:
        return "valgrind is not installed"
    try:
        bridge()
    except (OSError, RuntimeError) as reason:
        return str(reason)
    return ""


def bridge() -> ctypes.CDLL:
    """Return the interface to valgrind, compiled without instructions that it does not support."""
    return library(BRIDGE, "-march=x86-64")


def available() -> list[str]:
    """Return the kernels that this machine can run."""
    return list(import_module("gmm._kernel.tiles").kernels())


def measured(kernel: str, coretype: str, settings: Settings, report: Report) -> dict[str, int]:
    """Count each problem's instructions per iteration with one kernel, in one process under valgrind."""
    folder = settings.folder / kernel
    folder.mkdir()
    environment = {
        **os.environ,
        "GMM_KERNEL": kernel,
        "OPENBLAS_CORETYPE": coretype,
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
    }
    command = (*VALGRIND, f"--callgrind-out-file={folder}/out", sys.executable, "-c", CHILD, kernel)
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        report.failed(kernel, next(reversed(result.stderr.splitlines()), f"exit code {result.returncode}"))
        return {}
    totals = dumped(folder)
    return {
        problem.name: (totals[f"{problem.name} long"] - totals[f"{problem.name} short"]) // problem.n_iter
        for problem in PROBLEMS
    }


def dumped(folder: Path) -> dict[str, int]:
    """Return the totals in callgrind's files, by the name of each dump."""
    totals = {}
    for path in folder.iterdir():
        text = path.read_text()
        name = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
        total = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
        if name and total:
            totals[name[1]] = int(total[1])
    return totals


def count(kernel: str) -> None:
    """Run under valgrind: for each problem a warm-up fit, then a short and a long fit that are counted."""
    ours, valgrind = KNOWN[OURS], bridge()
    if f"kernel {kernel}" not in ours.version():
        raise RuntimeError(f"expected kernel {kernel}, got {ours.version()}")
    for problem in PROBLEMS:
        X, start = generate(problem)

        def fit(n_iter: int, problem: Problem = problem, X: Any = X, start: Any = start) -> None:
            ours.fit(problem, X, start, n_iter, 1)

        fit(2)
        gc.collect()
        gc.disable()  # a collection would be counted in only one of the two fits
        for name, n_iter in (("short", SHORT), ("long", SHORT + problem.n_iter)):
            valgrind.begin()
            fit(n_iter)
            valgrind.end(f"{problem.name} {name}".encode())
        gc.enable()


def circumstances() -> dict[str, str]:
    """Return what the counts depend on apart from our own code."""
    return {
        "compiler": compiler(Path(str(import_module("gmm._em").__file__)).read_bytes()),
        "blas": scipy_blas(),
        "python": ".".join(platform.python_version_tuple()[:2]),
    }


def compiler(binary: bytes) -> str:
    """Return the name of the compiler that a binary records."""
    match = re.search(rb"GCC: \([^)]*\) [\d.]+|clang version [\d.]+", binary)
    return match[0].decode() if match else "unknown"


def scipy_blas() -> str:
    """Return the BLAS that our kernel calls, and its version."""
    import scipy

    blas = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{blas['name']} {blas['version']}"
