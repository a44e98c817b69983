"""Formulas as MathML, which browsers draw by themselves: no script, and the font comes along."""

import re
from importlib.resources import files

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

FONT = files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf"
FUNCTION = re.compile(r"<m[io]>(log|exp|max|tr|diag|KL)</m[io]>")
BETTER = {
    r"\lvert": r"\left|",  # a fence has no space inside
    r"\rvert": r"\right|",
}
BETTER_MATHML = {
    "<mi>&#x0007E;</mi>": "<mo>&#x0223C;</mo>",  # \sim is a relation
    "<mo>&#x0003D;</mo><mo>&#x02212;</mo>": '<mo>&#x0003D;</mo><mo form="prefix">&#x02212;</mo>',  # a sign
}


def mathml(text: str, display: str) -> str:
    """Return a formula of LaTeX as MathML, spaced as TeX would."""
    found = convert(replaced(text, BETTER), display=display)
    return FUNCTION.sub(r'<mo form="prefix" lspace="0.17em" rspace="0.17em">\1</mo>', replaced(found, BETTER_MATHML))


def replaced(text: str, by: dict[str, str]) -> str:
    """Return the text with the keys replaced by their values."""
    for old, new in by.items():
        text = text.replace(old, new)
    return text


def inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula of its own, with its number and the link to itself."""
    self.body.append(self.starttag(node, "div", CLASS="math-block"))
    self.body.append(mathml(node.astext(), "block"))
    if node["number"]:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def add_font(app: Sphinx) -> None:
    """Copy the font to the folder of the style sheet that names it."""
    app.config.html_static_path.append(str(FONT))


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer ``html_math_renderer = "mathml"``."""
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))
    app.connect("builder-inited", add_font)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
