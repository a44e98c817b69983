"""A name in single backquotes, in whatever module it stands, is one of ``gmm`` where that has it."""

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import gmm


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, contents: nodes.Element) -> nodes.Element | None:
    """Return the link to ``gmm.NAME``, or None where there is no such public name."""
    name = node["reftarget"]
    if node.get("refdomain") != "py" or name.partition(".")[0] not in gmm.__all__:
        return None
    python = env.domains["py"]
    return python.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], f"gmm.{name}", node, contents)


def setup(app: Sphinx) -> dict[str, bool]:
    """Look again where Sphinx found nothing."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
