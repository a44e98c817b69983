"""The rules of the house, read from the sources, none of which is imported."""

import ast
import itertools
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "gmm"
PYTHON = sorted(PACKAGE.rglob("*.py"))
CYTHON = sorted([*PACKAGE.rglob("*.pyx"), *PACKAGE.rglob("*.pxd")])
SOURCES = PYTHON + CYTHON

# From the top to the bottom. A room imports what is below it, never its neighbour or above.
LAYERS = [
    {"__main__"},
    {"cli"},
    {"plotting"},
    {"gmm"},  # the public face
    {"loading"},
    {"selection", "resampling", "steps"},
    {"mixture"},
    {"_fitted"},
    {"_estimator", "fitting", "progress", "summary", "versions"},
    {"initialization", "screening", "scorer", "persistence", "criteria", "_validation"},
    {"likelihood", "hierarchy", "metrics"},
    {"inference", "health"},
    {"parameters", "priors"},
    {"covariance", "sources"},
    {"whitened"},
    {"statistics"},
    {"layouts"},
    {"_em"},
    {"_climb"},
    {"_lanes", "_mstep"},
    {"_ascent"},
    {"_frame"},
    {"_state"},
    {"_update"},
    {"_moments", "_shape", "_far", "_constraint", "_whitener"},
    {"_plan", "_block", "_seeding", "_orientation"},
    {"_leaves", "_axes", "_cholesky"},
    {"_linear", "_twin"},
    {"_blas"},
    {"amounts", "exceptions", "markup", "threads", "_lengths"},
]
DEPTH = {room: depth for depth, rooms in enumerate(LAYERS) for room in rooms}

COVARIANCE_TYPES = {"full", "tied", "diag", "spherical"} | {
    *("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV")
}
ALWAYS_THERE = {"numpy", "scipy", "threadpoolctl"}
EXTRAS = {"cli": {"pyarrow", "rich"}, "plotting": {"matplotlib"}}  # rooms that no other imports when it is loaded


def room(path):
    """Return the room that a source file belongs to: its module, or its folder in the package."""
    first = path.relative_to(PACKAGE).parts[0]
    name = Path(first).stem
    return "gmm" if name == "__init__" else name


ROOMS = {room(path) for path in SOURCES}


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def python_imports(path, *, nested=True):
    """Yield (line, dotted absolute name) of all imports, or of those that run at import."""
    package = ("gmm", *path.relative_to(PACKAGE).parent.parts)
    module = tree(path)
    for node in ast.walk(module) if nested else module.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                yield node.lineno, f"{source}.{alias.name}"


def cython_imports(path):
    """Yield (line, dotted name) of the cimports and imports of a .pyx or .pxd file."""
    pattern = re.compile(r"^\s*(?:from\s+([\w.]+)\s+)?c?import\b([\w., ]*)")
    for number, line in enumerate(code_without_text(path), 1):
        if found := pattern.match(line):
            names = re.findall(r"(?:^|,)\s*([\w.]+)", found[2]) or ["*"]
            for name in names:
                yield number, f"{found[1]}.{name}" if found[1] else name


def imports(path):
    found = python_imports(path) if path.suffix == ".py" else cython_imports(path)
    for line, name in found:
        parts = (f"gmm{name}" if name.startswith(".") else name).split(".")
        yield line, [part for part in parts if part]


def code_without_text(path):
    """Return Cython source with its comments and docstrings blanked, line by line."""
    text = re.sub(r'""".*?"""', lambda m: "\n" * m[0].count("\n"), path.read_text(), flags=re.S)
    return [line.split("#")[0].rstrip() for line in text.splitlines()]


def docstring_lines(node):
    if not ast.get_docstring(node, clean=False):
        return 0
    return node.body[0].end_lineno - node.body[0].lineno + 1


def python_functions(path):
    """Yield (name, line, length without docstring) of every function."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1 - docstring_lines(node)
            yield node.name, node.lineno, length


def cython_functions(path):
    """Yield (name, line, length without docstring) of every function, by its indentation."""
    lines = code_without_text(path)
    start = re.compile(r"^( *)(?:def|cdef|cpdef)\b[^=]*?\b(\w+)\(")
    for number, line in enumerate(lines):
        if not (found := start.match(line)):
            continue
        inside = itertools.takewhile(
            lambda text: not text or text.startswith((found[1] + " ", found[1] + ")")),
            lines[number + 1 :],
        )
        yield found[2], number + 1, 1 + sum(1 for text in inside if text)


def places(path, rows):
    return "".join(f"\n  {path.relative_to(ROOT)}:{line} {what}" for line, what in rows)


def each(paths):
    """Parametrise a test over files, each under its path in the package."""
    names = [str(path.relative_to(PACKAGE)) for path in paths]
    return pytest.mark.parametrize("path", paths, ids=names)


def test_every_module_has_a_layer():
    homeless = ROOMS - DEPTH.keys()
    assert not homeless, f"give {sorted(homeless)} a place in LAYERS, and in ARCHITECTURE.md"


@each(SOURCES)
def test_imports_go_down(path):
    here = room(path)
    wrong = []
    for line, parts in imports(path):
        if parts[0] != "gmm":
            continue
        there = next((part for part in parts[1:2] if part in ROOMS), "gmm")
        if there != here and DEPTH.get(there, 99) <= DEPTH.get(here, -1):
            wrong.append((line, f"{here} imports {there}"))
    assert not wrong, (
        "imports go down only, so that a reader can stop at any depth and a lower room can be "
        "tested without the upper ones; move what is needed below both" + places(path, wrong)
    )


@each(PYTHON)
def test_only_numpy_and_scipy_are_imported_at_once(path):
    allowed = ALWAYS_THERE | sys.stdlib_module_names | {"gmm"} | EXTRAS.get(room(path), set())
    rows = [(line, name) for line, name in python_imports(path, nested=False) if name.split(".")[0] not in allowed]
    assert not rows, (
        "`import gmm` costs numpy, scipy and threadpoolctl alone; import an optional package "
        "inside the function that needs it" + places(path, rows)
    )


@each(PYTHON)
def test_an_extra_is_imported_in_its_room_alone(path):
    others = set().union(*(names for name, names in EXTRAS.items() if name != room(path)))
    rows = [(line, name) for line, name in python_imports(path) if name.split(".")[0] in others]
    assert not rows, "what an extra installs is imported in one room" + places(path, rows)


@each([path for path in PYTHON if room(path) != "covariance"])
def test_covariance_types_are_objects(path):
    rows = [
        (node.lineno, repr(node.value))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and node.value in COVARIANCE_TYPES
    ]
    assert not rows, (
        "a covariance type is a string in covariance.py alone, else each new type must visit "
        "every place that compares it; ask the model object" + places(path, rows)
    )


@each([path for path in CYTHON if path.stem != "_constraint"])
def test_the_kernel_knows_no_covariance_type(path):
    quoted = [rf"""["']{name}["']""" for name in sorted(COVARIANCE_TYPES)]
    words = re.compile("|".join([*quoted, *(rf"\b{name}\b" for name in sorted(COVARIANCE_TYPES) if name.isupper())]))
    code = enumerate(code_without_text(path), 1)
    rows = [(number, line.strip()) for number, line in code if words.search(line)]
    assert not rows, "the kernel sees arrays and strides, no covariance type" + places(path, rows)


@each(SOURCES)
def test_a_room_is_named_after_what_happens_in_it(path):
    vague = {"utils", "util", "common", "helpers", "helper", "misc", "base", "tools", "core"}
    names = {part.strip("_") for part in path.relative_to(PACKAGE).with_suffix("").parts}
    assert not names & vague, f"{path.name}: a name that fits anything attracts everything"


@each(PYTHON)
def test_a_module_says_in_one_paragraph_what_lives_here(path):
    docstring = ast.get_docstring(tree(path)) or ""
    assert docstring, "a module begins with what lives here and what does not"
    assert len(re.split(r"\n\s*\n", docstring)) <= 2, (
        "one line and one paragraph: what needs more belongs to ARCHITECTURE.md"
    )


@each([path for path in SOURCES if path.suffix != ".pxd"])
def test_functions_are_short(path):
    found = python_functions(path) if path.suffix == ".py" else cython_functions(path)
    rows = [(line, f"{name}: {length} lines") for name, line, length in found if length > 40]
    assert not rows, "a function does one thing, in 40 lines without docstring" + places(path, rows)


@each(SOURCES)
def test_files_are_short(path):
    length = len(path.read_text().splitlines())
    if path.suffix == ".py":
        kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        nodes = (node for node in ast.walk(tree(path)) if isinstance(node, kinds))
        length -= sum(docstring_lines(node) for node in nodes)
    limit = 350 if path.suffix == ".py" else 700
    assert length <= limit, f"{path.name}: {length} lines, at most {limit}: find the seam, split"


def test_setup_and_header_are_short():
    assert len((ROOT / "setup.py").read_text().splitlines()) < 50, "settings go to pyproject.toml"
    for header in PACKAGE.rglob("*.h"):
        length = len(header.read_text().splitlines())
        assert length <= 400, f"{header.name}: {length} lines: Cython first, C for leaves only"


def test_the_build_is_portable():
    text = (ROOT / "setup.py").read_text()
    for flag, why in {
        "-ffast-math": "NaN and infinity must keep their meaning",
        "-march=native": "a wheel runs on other machines",
        "openmp": "hangs after fork, and sums differ between thread counts",
    }.items():
        assert flag not in text, f"no {flag} in setup.py: {why}"


@each(PYTHON)
def test_estimators_do_not_draw(path):
    rows = [
        (method.lineno, f"{node.name}.{method.name}")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
        for method in node.body
        if isinstance(method, ast.FunctionDef) and method.name.startswith("plot")
    ]
    assert not rows, "pictures are functions, above everything, not methods" + places(path, rows)


@each([path for path in PYTHON if room(path) != "cli"])
def test_values_are_frozen(path):
    rows = [
        (node.lineno, node.name)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list
        if "dataclass" in ast.unparse(decorator) and "frozen=True" not in ast.unparse(decorator)
    ]
    assert not rows, (
        "only estimators hold state; below them are frozen values: no set-up in tests, no locks "
        "between threads" + places(path, rows)
    )


@each(SOURCES)
def test_names_are_those_of_the_literature(path):
    banned = {"resp", "nk", "xk", "sk", "sigma", "covars"}
    if path.suffix == ".py":
        nodes = list(ast.walk(tree(path)))
        rows = [(n.lineno, n.id) for n in nodes if isinstance(n, ast.Name) and n.id in banned]
        rows += [(n.lineno, n.arg) for n in nodes if isinstance(n, ast.arg) and n.arg in banned]
    else:
        word = re.compile(rf"\b({'|'.join(sorted(banned))})\b")
        code = enumerate(code_without_text(path), 1)
        rows = [(number, found[0]) for number, line in code if (found := word.search(line))]
    assert not rows, "say responsibilities, counts, first, second, covariances" + places(path, rows)
