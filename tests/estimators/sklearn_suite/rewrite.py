"""Copy scikit-learn's installed mixture tests so that their public classes come from gmm.

Nothing of scikit-learn's is kept here: edits find their place by the names of functions and of private attributes. Each
must match, and no private method may still be called on an object of the class under test, else the script stops; so a
new release cannot silently drop or weaken a test. `deselected.txt` tells what is left out or adapted, and why.

Usage: rewrite.py DIRECTORY
"""

import ast
import re
import sys
from pathlib import Path

import sklearn.mixture

SOURCE = Path(sklearn.mixture.__file__).parent / "tests"
DESELECTED = Path(__file__).with_name("deselected.txt")
CLASSES = r"(?:GaussianMixture|BayesianGaussianMixture)"
IMPORT = rf"^from sklearn\.mixture import {CLASSES}(?:, {CLASSES})*$"
ANY_IMPORT = re.compile(r"\s*(from|import) sklearn\.mixture")
ORACLES = re.compile("_gaussian_mixture import|_bayesian_mixture import|tests.test_gaussian_mixture import RandomData")

HELPERS = """

def _npar(g, X):
    n = len(X)
    p = (g.bic(X) - g.aic(X)) / (np.log(n) - 2)
    assert abs(p - round(p)) < 1e-6
    return round(p)
"""


def need(found, what):
    """Stop where an edit found no place."""
    if not found:
        sys.exit(f"rewrite.py: no match for {what}; scikit-learn changed, adapt the harness")


def substituted(pattern, new, text, what):
    text, count = re.subn(pattern, new, text, flags=re.M)
    need(count, what)
    return text


def inside(text, name, edit):
    """Edit a top-level function."""
    found = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == name]
    need(found, f"function {name}")
    first = min(node.lineno for node in (found[0], *found[0].decorator_list)) - 1
    lines = text.splitlines(True)
    before, body, behind = lines[:first], lines[first : found[0].end_lineno], lines[found[0].end_lineno :]
    return "".join([*before, edit("".join(body)), *behind])


def adapt_gaussian(text):
    text = substituted(r"\b(\w+)\._n_parameters\(\)", r"_npar(\1, X)", text, "_n_parameters")
    for name in ("_calculate_precisions", "test_gaussian_mixture_precisions_init"):
        text = inside(text, name, lambda body: "")
    # Which component comes first is the start's affair: both fits get the means that belong to the given precisions.
    means = "GaussianMixture(\n        means_init=np.stack([X[label == j].mean(axis=0) for j in range(n_components)]),"

    def edit(body):
        return substituted(r"\bGaussianMixture\(", means, body, "the two fits")

    return inside(text, "test_gaussian_mixture_precisions_init_diag", edit) + HELPERS


def adapt_bayesian(text):
    def edit(body):
        body = substituted(r"^ +\w+\._check_parameters\(.*\)\n", "", body, "_check_parameters")
        pattern = r"^( +)(\w+)\._initialize_parameters\(.*\)$"
        new = r"\1\2.set_params(max_iter=0, init_params='random').fit(X)"
        return substituted(pattern, new, body, "_initialize_parameters")

    return inside(text, "test_compare_covar_type", edit)


ADAPT = {"test_gaussian_mixture.py": adapt_gaussian, "test_bayesian_mixture.py": adapt_bayesian}


def refuse_leftovers(text, name):
    """Stop where scikit-learn's classes or private methods are still asked."""
    for line in text.splitlines():
        if ANY_IMPORT.match(line) and not ORACLES.search(line):
            sys.exit(f"rewrite.py: unexpected import left in {name}: {line}")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            attribute = node.func.attr
            if re.match(r"_[a-z]", attribute) and attribute != "_set_parameters":
                sys.exit(f"rewrite.py: a private method is still called in {name}: {attribute}")


def rewrite(directory):
    for path in sorted(SOURCE.glob("test_*.py")):
        text = path.read_text()
        imported = re.search(IMPORT, text, re.M)
        need(imported, f"the classes in {path.name}")
        text = text.replace(imported[0], imported[0].replace("sklearn.mixture", "gmm"), 1)
        text = ADAPT.get(path.name, str)(text)
        refuse_leftovers(text, path.name)
        (directory / path.name).write_text(text)


def deselected(directory):
    """Yield what pytest is to leave out; each name must stand in its file."""
    for line in DESELECTED.read_text().splitlines():
        if line.startswith("DESELECT "):
            node = line.split()[1]
            name, test = node.split("[")[0].split("::")
            if (directory / name).exists():
                need(re.search(rf"^def {test}\(", (directory / name).read_text(), re.M), node)
                yield f"--deselect={node}"


def main(directory):
    rewrite(directory)
    (directory / "arguments").write_text("\n".join(deselected(directory)))
    (directory / "pytest.ini").write_text("[pytest]\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
