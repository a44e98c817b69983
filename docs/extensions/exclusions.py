"""The directive ``exclusions``: the table of the features that exclude each other."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from docutils import nodes
from docutils.parsers.rst import Directive

from gmm import options

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HEADER = ("this", "with this", "because", "instead")


def rows() -> list[tuple[str, str, str, str]]:
    """Return the rows of the table; those that differ in the second feature alone are one."""
    together = groupby(options().exclusions, key=lambda row: (row.first, row.reason, row.instead))
    return [
        (first, ", ".join(row.second for row in group), reason, instead) for (first, reason, instead), group in together
    ]


class Exclusions(Directive):
    """The table, as it is in the code."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        columns = [nodes.colspec(colwidth=25) for _ in HEADER]
        head = nodes.thead("", row_of(HEADER))
        body = nodes.tbody("", *map(row_of, rows()))
        return [nodes.table("", nodes.tgroup("", *columns, head, body, cols=len(HEADER)))]


def row_of(cells: tuple[str, ...]) -> nodes.row:
    """Return a row of a table."""
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", cell)) for cell in cells))


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the directive."""
    app.add_directive("exclusions", Exclusions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
