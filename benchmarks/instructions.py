"""How many instructions is an iteration? A figure without noise, against one that is stored.

valgrind counts them in a fit of few and of more iterations, whose difference is the iterations' own. It knows no
AVX-512, so our kernels for less are counted, each with the BLAS kernels of the same age. The figures hold for one
compiler, BLAS and Python: elsewhere they are only told.
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

from benchmarks.compiled import library
from benchmarks.peers import OURS, load
from benchmarks.problems import Problem, generate
from benchmarks.report import Report
from benchmarks.settings import Settings

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
TOLERANCE = 0.03
VALGRIND = ("valgrind", "--tool=callgrind", "--instr-atstart=no", "--quiet")
# SciPy comes first: this package forgets the BLAS kernel that was asked for.
CHILD = "import sys, scipy.linalg; from benchmarks.instructions import count; count(sys.argv[1])"


def add_arguments(parser: ArgumentParser) -> None:
    """Add what is only for this question."""
    parser.add_argument("--update", action="store_true", help="store the figures instead of judging them")


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each kernel and problem; return whether none takes more instructions than are allowed."""
    if reason := absence():
        report.skipped("instructions", reason)
        return True
    counted = {
        kernel: measured(kernel, coretype, settings, report)
        for kernel, coretype in KERNELS.items()
        if kernel in available()
    }
    now = circumstances()
    if getattr(settings.arguments, "update", False) and not report.failures:
        content = {"circumstances": now, "tolerance": TOLERANCE, "counts": counted}
        STORED.write_text(json.dumps(content, indent=2) + "\n")
        report.note(f"stored in {STORED.name}")
    stored = json.loads(STORED.read_text())
    before = stored["circumstances"]
    differing = [f"{name}: {before[name]}, here {now[name]}" for name in now if before[name] != now[name]]
    more = table(counted, stored, report)
    for difference in differing:
        report.note(f"only told, not judged, as the stored figures are for {difference}")
    return not more or bool(differing)


def table(counted: dict[str, dict[str, int]], stored: dict[str, Any], report: Report) -> list[str]:
    """Print the figures beside the stored ones; return what grew by more than the tolerance."""
    report.note(f"instructions per iteration; tolerance {stored['tolerance']:.0%}")
    report.header("problem", "kernel", "instructions", "stored", "ratio", "verdict")
    more = []
    for kernel, counts in counted.items():
        for name, count in counts.items():
            before = stored["counts"].get(kernel, {}).get(name)
            judged = judge(count, before, stored["tolerance"])
            if judged == "more":
                more.append(f"{name} {kernel}")
            ratio = f"{count / before:.4f}" if before else "–"
            report.row(name, kernel, str(count), str(before or "–"), ratio, judged)
    return more


def judge(count: int, before: int | None, tolerance: float) -> str:
    """Return how a count compares with the stored one."""
    if before is None:
        return "not stored"
    if count > before * (1 + tolerance):
        return "more"
    return "fewer: worth an --update" if count < before * (1 - tolerance) else "same"


def absence() -> str:
    """Return why nothing can be counted here; nothing if it can."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return "the figures are for x86-64"
    if shutil.which("valgrind") is None:
        return "no valgrind"
    try:
        bridge()
    except (OSError, RuntimeError) as reason:
        return str(reason)
    return ""


def bridge() -> ctypes.CDLL:
    """Return what speaks to valgrind, compiled without instructions it does not know."""
    return library(BRIDGE, "-march=x86-64")


def available() -> list[str]:
    """Return our kernels that this machine can run."""
    return list(import_module("gmm._em").kernels())


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
    """Return the totals of callgrind's files by the name that each was asked for with."""
    totals = {}
    for path in folder.iterdir():
        text = path.read_text()
        name = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
        total = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
        if name and total:
            totals[name[1]] = int(total[1])
    return totals


def count(kernel: str) -> None:
    """Fit under valgrind, telling it what to count: a first fit, a short one and a long one of each problem."""
    ours, valgrind = load(OURS), bridge()
    if f"kernel {kernel}" not in ours.version():
        raise RuntimeError(f"expected kernel {kernel}, got {ours.version()}")
    for problem in PROBLEMS:
        X, start = generate(problem)

        def fit(n_iter: int, problem: Problem = problem, X: Any = X, start: Any = start) -> None:
            ours.fit(problem, X, start, n_iter, 1)

        fit(2)
        gc.collect()
        gc.disable()  # a collection in one of the two fits is no part of an iteration
        for name, n_iter in (("short", 1), ("long", 1 + problem.n_iter)):
            valgrind.begin()
            fit(n_iter)
            valgrind.end(f"{problem.name} {name}".encode())
        gc.enable()


def circumstances() -> dict[str, str]:
    """Return what the figures depend on beside our own code."""
    return {
        "compiler": compiler(Path(str(import_module("gmm._em").__file__)).read_bytes()),
        "blas": scipy_blas(),
        "python": ".".join(platform.python_version_tuple()[:2]),
    }


def compiler(binary: bytes) -> str:
    """Return the compiler that left its name in a binary."""
    found = re.search(rb"GCC: \([^)]*\) [\d.]+|clang version [\d.]+", binary)
    return found[0].decode() if found else "unknown"


def scipy_blas() -> str:
    """Return the BLAS that our kernel calls, and its version."""
    import scipy

    blas = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{blas['name']} {blas['version']}"
