"""What is public: a name in single backquotes, in whatever module it stands, is one of ``gmm`` or of its modules."""

import inspect
from importlib import import_module
from typing import Any

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


def documented(name: str) -> dict[str, list[str]]:
    """Return the public properties and methods of a class that this package defines, for the page of the class."""
    module, _, attribute = name.rpartition(".")
    kind: Any = getattr(import_module(module), attribute)
    own = [vars(base) for base in kind.__mro__ if base.__module__.partition(".")[0] == "gmm"]
    found: dict[str, list[str]] = {"properties": [], "methods": []}
    for each in sorted({each for members in own for each in members if not each.startswith("_")}):
        value = inspect.getattr_static(kind, each)
        if isinstance(value, property):
            found["properties"].append(each)
        elif callable(value) or isinstance(value, classmethod | staticmethod):
            found["methods"].append(each)
    return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Look again where Sphinx found nothing, and let templates ask."""
    app.connect("missing-reference", resolve)
    app.config.autosummary_context = {"documented": documented}
    return {"parallel_read_safe": True, "parallel_write_safe": True}
