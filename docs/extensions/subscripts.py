"""Letters with an index in running text, Σ_k or r_ik, as they are set in print; code and formulas stay as they are."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

# One letter, of the Latin alphabet at the beginning of a word or after another index, and one or two small letters.
INDEXED = re.compile(r"((?:(?<![A-Za-z_])|(?<=_[a-z])|(?<=_[a-z]{2}))[A-Za-zΑ-Ωα-ω])_([a-z]{1,2})(?![a-z0-9_])")
# Not all of FixedTextElement: autosummary's tables are of that kind.
VERBATIM = (nodes.literal, nodes.literal_block, nodes.doctest_block, nodes.math, nodes.math_block, nodes.raw)


def parts(text: str) -> list[nodes.Node]:
    """Return a text as text and subscripts."""
    plain, *indexed = INDEXED.split(text)
    found: list[nodes.Node] = [nodes.Text(plain)]
    for letter, index, after in zip(indexed[::3], indexed[1::3], indexed[2::3], strict=True):
        found += [nodes.Text(letter), nodes.subscript("", index), nodes.Text(after)]
    return [node for node in found if node.astext()]


class Subscripts(SphinxPostTransform):
    """Replace the texts of a page, those that autosummary made of docstrings included."""

    default_priority = 900  # references are resolved
    formats = ("html",)

    def run(self, **kwargs: object) -> None:
        """Replace them."""
        for text in list(self.document.findall(nodes.Text)):
            inside_verbatim, node = False, text.parent
            while node is not None and not inside_verbatim:
                inside_verbatim, node = isinstance(node, VERBATIM), node.parent
            if not inside_verbatim and INDEXED.search(text):
                text.parent.replace(text, parts(str(text)))


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the transform."""
    app.add_post_transform(Subscripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
