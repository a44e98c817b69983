"""What is public: a name in single backquotes, in whatever module it stands, is one of ``gmm`` or of its modules."""

import inspect
import re
from importlib import import_module

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

MODULES = (
    "gmm",
    *(f"gmm.{name}" for name in ("analysis", "em", "inference", "plotting", "sources", "tracking")),
    *(f"gmm.exchange.{name}" for name in ("mclust", "onnx", "sklearn")),
)
HOMES = {name: module for module in MODULES for name in import_module(module).__all__}


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, contents: nodes.Element) -> nodes.Element | None:
    """Return the link to a public name by itself, or None where there is none."""
    home = HOMES.get(node["reftarget"].partition(".")[0])
    if node.get("refdomain") != "py" or home is None:
        return None
    python, name = env.domains["py"], f"{home}.{node['reftarget']}"
    return python.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], name, node, contents)


def documented(kind: type) -> dict[str, list[str]]:
    """Return the members that the page of a class lists: its own and those of internal bases.

    Properties that the docstring has among its attributes are left out.
    """
    bases = [base for base in kind.__mro__ if base.__module__.partition(".")[0] == "gmm"]
    own = [vars(base) for base in bases if base is kind or base.__name__ not in HOMES]
    text = (inspect.getdoc(kind) or "").partition("Attributes\n----------\n")[2]
    attributes = {name.strip() for line in re.findall(r"^\w[\w, ]*", text, re.MULTILINE) for name in line.split(",")}
    members: dict[str, list[str]] = {"properties": [], "methods": []}
    for name in sorted({name for names in own for name in names if not name.startswith("_")}):
        value = inspect.getattr_static(kind, name)
        if isinstance(value, property):
            members["properties"] += [name] if name not in attributes else []
        elif callable(value) or isinstance(value, classmethod | staticmethod):
            members["methods"].append(name)
    return members


def setup(app: Sphinx) -> dict[str, bool]:
    """Resolve names that Sphinx does not find, and give templates the members of the pages of classes."""
    app.connect("missing-reference", resolve)
    public = ((f"{module}.{name}", getattr(import_module(module), name)) for name, module in HOMES.items())
    pages = {name: documented(value) for name, value in public if isinstance(value, type)}
    app.config.autosummary_context = {"documented": pages}
    return {"parallel_read_safe": True, "parallel_write_safe": True}
