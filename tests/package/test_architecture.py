"""The rules of the house, read from the sources, none of which is imported."""

import ast
import re
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "gmm"
PYTHON = sorted(PACKAGE.rglob("*.py"))
CYTHON = sorted(path for path in PACKAGE.rglob("*.p*") if path.suffix in {".pyx", ".pxd", ".pxi"})
SOURCES = PYTHON + CYTHON

# Layers from the top to the bottom, and in each layer its modules likewise; "|" separates levels. A module imports what
# is on a lower level, of its own layer or of a layer below, and nothing beside or above it.
LAYERS = {
    "__main__": "",
    "_cli": "_cli | fit | report | apply outcome | output | rows | show | arguments",
    **dict.fromkeys(("gmm", "em", "plotting"), ""),
    "_plotting": "boundaries passes | curves planes | scene | _plotting style",
    **dict.fromkeys(("analysis", "inference", "sources", "tracking", "_loading"), ""),
    "_selection": """
        _selection | classifier options | resampling search | loop standard | result | progress solutions | request
    """,
    "_uses": "adaptation anomalies directions distances overlap standard_errors tracking true_values",
    "exchange": "exchange | mclust onnx sklearn",
    "_estimators": """
        steps | bayesian regressor | mixture | fitted | conditional saved summary | criteria outcome scorer
        | classes request | attributes | contract
    """,
    "_frozen_mixture": "",
    "_persistence": "values | _persistence",
    "_versions": "",
    "_fitting": "_fitting | fit | moments split_merge | starts | degenerate hierarchy | sampling",
    "_passes": "stepwise | problem | em | e_step | solver",
    "_rows": """
        input | file_table | dask opening | partitions | arrow delimited incomplete | text_stream | tables | blocks
        | formats sources writing
    """,
    "_validation": "parameters | checks | rows | _validation column_notes combinations | scalars",
    **dict.fromkeys(("_frozen", "api", "_em"), ""),
    "_values": """
        coordinates objective | completion priors | parameters | whitened | covariance noise row_data
        statistics tails | layouts
    """,
    "_blas": "",
    "_kernel": """
        loop | mstep tiles | candidate quasi_newton | merging state_conversions | factor_frame frame | joint
        | solver_state | workers patterns update | lanes | arrays objective workspace memory_pool prepared ratio
        | constraint deconvolve degenerate diagnostics overflow few_rows low_rank observed sums | tails
        | block factors moments neighbours orientation plan seeding volumes whitener within_clusters
        | axes variational estimate family leaves linear rows triangles | cholesky layout twin | blas checks
    """,
    "_text": "frames table | html | words",
    **dict.fromkeys(("_log", "_exceptions", "_lazy"), ""),
}


DEPTHS = {}  # every module, "layer" or "layer.module": (depth of the layer, depth in it)
for depth, (name, levels) in enumerate(LAYERS.items()):
    DEPTHS[name] = (depth, 99)  # the layer itself, where its levels do not name it: a docstring alone
    for inner, level in enumerate(levels.split("|")):
        DEPTHS |= {name if module == name else f"{name}.{module}": (depth, inner) for module in level.split()}

COVARIANCE_TYPES = {"full", "tied", "diag", "spherical"} | {
    *("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV")
}
ALWAYS_THERE = {"numpy", "scipy", "threadpoolctl"}
# Private names of other libraries without a public counterpart, and those that namedtuples document.
PRIVATE_ELSEWHERE = {"_ActionsContainer", "_SubParsersAction", "_getframe", "_rand", "_replace", "_asdict", "_fields"}
# The only dataclasses that change.
ESTIMATORS = {"BayesianGaussianMixture", "GaussianMixture", "GaussianMixtureSearch"}
ESTIMATORS |= {"MixtureClassifier", "MixtureRegressor"}
PYARROW = ["arrow", "delimited", "file_table", "tables", "text_stream", "writing"]
# Layers and modules that no other imports when it is loaded, and what they need.
EXTRAS = {
    "_cli": {"pyarrow", "rich"},
    "_cli.report": {"jinja2", "pyarrow", "rich"},
    "_plotting": {"matplotlib"},
    "_rows.dask": {"dask", "distributed"},
    **{f"_rows.{module}": {"pyarrow"} for module in PYARROW},
}


def module_of(path):
    """Return the name of a source file's module below the package; "gmm" for the package itself."""
    if path.suffix == ".pxi":
        return "_em"  # which includes them all
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "gmm"


MODULES = {module_of(path) for path in SOURCES}


def layer(path):
    return module_of(path).split(".")[0]


def extras(path):
    """Return the optional packages that a source file may import."""
    return EXTRAS.get(module_of(path), EXTRAS.get(layer(path), set()))


COMMAND = [path for path in PYTHON if layer(path) == "_cli"]
BELOW = [path for path in PYTHON if layer(path) != "_cli"]


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def nodes(path, kind):
    """Return what of a kind stands in a module, at any depth."""
    return [node for node in ast.walk(tree(path)) if isinstance(node, kind)]


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
    """Yield (line, dotted name) of the cimports and imports of a .pyx, .pxd or .pxi file."""
    pattern = re.compile(r"^\s*(?:from\s+([\w.]+)\s+)?c?import\b([\w., ]*)")
    for number, line in enumerate(code_without_text(path), 1):
        if found := pattern.match(line):
            for name in re.findall(r"(?:^|,)\s*([\w.]+)", found[2]) or ["*"]:
                yield number, f"{found[1]}.{name}" if found[1] else name


def imports(path):
    found = python_imports(path) if path.suffix == ".py" else cython_imports(path)
    for line, name in found:
        parts = (f"gmm{name}" if name.startswith(".") else name).split(".")
        yield line, [part for part in parts if part]


@cache
def code_without_text(path):
    """Return Cython source with its comments and docstrings blanked, line by line."""
    text = re.sub(r'""".*?"""', lambda m: "\n" * m[0].count("\n"), path.read_text(encoding="utf-8"), flags=re.S)
    return [line.split("#")[0].rstrip() for line in text.splitlines()]


def matches(path, pattern):
    """Yield (line, what) of the matches in Cython code."""
    for number, line in enumerate(code_without_text(path), 1):
        yield from ((number, found[0].strip()) for found in re.finditer(pattern, line))


def rule(paths, why):
    """Make a test of a function that yields (line, what) where a file breaks a rule; it fails with all these places."""

    def test_of(breaches):
        def test():
            places = [f"\n  {path.relative_to(ROOT)}:{line} {what}" for path in paths for line, what in breaches(path)]
            assert not places, why + "".join(places)

        return test

    return test_of


def test_every_module_has_a_level():
    assert DEPTHS.keys() >= MODULES, f"give {sorted(MODULES - DEPTHS.keys())} a place in LAYERS, and in ARCHITECTURE.md"
    assert DEPTHS.keys() <= MODULES, f"LAYERS names {sorted(DEPTHS.keys() - MODULES)}, which are not there"


def test_contributing_names_the_tests_of_every_layer():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*) \| `(tests/\w+)`", text, flags=re.M)
    assert sorted(re.findall(r"`(\w+)`", " ".join(layers for layers, _ in rows))) == sorted(LAYERS)
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob("*/test_*.py")}
    assert sorted(folder for _, folder in rows) == sorted(folders)


@rule(SOURCES, "imports go down only, for types as well; move what is needed below both")
def test_imports_go_down(path):
    here = module_of(path)
    for line, parts in imports(path):
        names = (".".join(parts[1:length]) for length in range(len(parts), 1, -1))
        there = next((name for name in names if name in MODULES), "gmm") if parts[0] == "gmm" else here
        if there != here and DEPTHS[there] <= DEPTHS[here]:
            yield line, f"{here} imports {there}"


def defined_names(module):
    """Yield the names that a module defines at any depth, attributes of `self` included."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            yield node.attr


def is_private(name):
    return name.startswith("_") and not name.endswith("__")


@rule(PYTHON, "a leading underscore means this module alone; give what others need a public name")
def test_private_names_stay_in_their_module(path):
    own = {*defined_names(tree(path)), *PRIVATE_ELSEWHERE}
    for node in nodes(path, ast.Attribute):
        foreign = node.attr not in own and ast.unparse(node.value) not in ("self", "cls", "super()")
        if foreign and is_private(node.attr):
            yield node.lineno, ast.unparse(node)
    for node in nodes(path, ast.ImportFrom):
        if (node.module or "").startswith("gmm"):
            names = (alias.name for alias in node.names if is_private(alias.name))
            yield from ((node.lineno, name) for name in names if name not in MODULES)


@rule(PYTHON, "a module's name is assigned twice, and the second counts everywhere; rename one")
def test_a_module_names_each_thing_once(path):
    """The number that bounds memory was once that of errors, a thousand lines below."""
    seen = set()
    for node in tree(path).body:
        one = [node.target] if isinstance(node, ast.AnnAssign) else []
        targets = node.targets if isinstance(node, ast.Assign) else one
        parts = (each for target in targets for each in ast.walk(target))
        names = {each.id for each in parts if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
        names |= {node.name} if isinstance(node, ast.FunctionDef | ast.ClassDef) else set()
        yield from ((node.lineno, name) for name in names & seen)
        seen |= names


@rule(PYTHON, "import an optional package inside the function that needs it")
def test_only_numpy_and_scipy_are_imported_at_once(path):
    allowed = ALWAYS_THERE | sys.stdlib_module_names | {"gmm"} | extras(path)
    return ((at, name) for at, name in python_imports(path, nested=False) if name.split(".")[0] not in allowed)


@rule(PYTHON, "what an extra installs is imported in one layer, or in one module")
def test_an_extra_is_imported_in_its_room_alone(path):
    others = set().union(*EXTRAS.values()) - extras(path)
    return ((line, name) for line, name in python_imports(path) if name.split(".")[0] in others)


@rule(COMMAND, "take it from a public module, or give it a public home; import it inside the function that needs it")
def test_the_command_takes_public_names_and_texts_alone_and_finds_no_module_by_a_string(path):
    private = re.compile(r"gmm\._(?!cli|text|_version__)|importlib\.import_module")
    return ((line, name) for line, name in python_imports(path) if private.match(name))


@rule(BELOW, "objects of a class share the lock of functools.cached_property; take gmm._kernel.mstep's")
def test_what_is_computed_once_has_no_lock(path):
    return ((line, name) for line, name in python_imports(path) if name == "functools.cached_property")


@rule(
    [path for path in PYTHON if module_of(path) != "_values.covariance"],
    "a covariance type is a string in _values/covariance.py alone; ask the model object",
)
def test_covariance_types_are_objects(path):
    constants = nodes(path, ast.Constant)
    return ((node.lineno, repr(node.value)) for node in constants if node.value in COVARIANCE_TYPES)


@rule([path for path in CYTHON if path.stem != "constraint"], "the kernel sees arrays and strides, no covariance type")
def test_the_kernel_knows_no_covariance_type(path):
    words = (rf"[\"']{name}[\"']" + rf"|\b{name}\b" * name.isupper() for name in sorted(COVARIANCE_TYPES))
    return matches(path, "|".join(words))


@rule(PYTHON, "a module begins with what lives here, in one line and one paragraph")
def test_a_module_says_in_one_paragraph_what_lives_here(path):
    docstring = ast.get_docstring(tree(path)) or ""
    if not docstring or len(re.split(r"\n\s*\n", docstring)) > 2:
        yield 1, f"{len(docstring)} characters"


def test_a_room_is_named_after_what_happens_in_it():
    vague = {"utils", "util", "common", "helpers", "helper", "misc", "base", "tools", "core"}
    names = {part.strip("_") for module in MODULES for part in module.split(".")}
    assert not names & vague, "a name that fits anything attracts everything"


def test_setup_and_header_are_short_and_the_build_is_portable():
    for header in PACKAGE.rglob("*.h"):
        length = len(header.read_text(encoding="utf-8").splitlines())
        assert length <= 460, f"{header.name}: {length} lines: Cython first, C for leaves only"
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 100, "settings go to pyproject.toml"
    # NaN and infinity keep their meaning; a wheel runs on other machines; OpenMP hangs after a fork.
    for flag in ("-ffast-math", "-march=native", "openmp"):
        assert flag not in text, f"no {flag} in setup.py"


@rule(PYTHON, "pictures are functions, above everything, not methods")
def test_estimators_do_not_draw(path):
    methods = ((kind, each) for kind in nodes(path, ast.ClassDef) for each in kind.body)
    named = ((kind, each) for kind, each in methods if isinstance(each, ast.FunctionDef))
    return ((each.lineno, f"{kind.name}.{each.name}") for kind, each in named if each.name.startswith("plot"))


@rule(BELOW, "only estimators hold state; other values keep no more than what follows from them")
def test_values_are_frozen(path):
    for node in nodes(path, ast.ClassDef):
        decorators = map(ast.unparse, node.decorator_list)
        thawed = any("dataclass" in text and "frozen=True" not in text for text in decorators)
        if thawed and node.name not in ESTIMATORS:
            yield node.lineno, node.name


@rule(CYTHON, "write `cimport gmm._kernel.name as name`")
def test_cython_sees_what_each_module_is_made_of(path):
    """Its `cythonize` does not notice the modules in `from gmm._kernel cimport blas`, and leaves old C code."""
    return matches(path, r"^\s*from gmm(\._kernel)? cimport.*")
