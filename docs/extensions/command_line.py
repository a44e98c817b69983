"""The directive ``command-line-help``: the help of a command of ``gmm``."""

import contextlib
import io
import os

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gmm._cli import main


def help_of(command: str) -> str:
    """Return what ``gmm COMMAND --help`` prints in a terminal of 100 columns; "" is ``gmm --help``."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
            main([*command.split(), "--help"])
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before
    return out.getvalue()


class CommandLineHelp(SphinxDirective):
    """The help of one command."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the text as a block."""
        command = self.arguments[0] if self.arguments else ""
        line = " ".join(["$ gmm", *command.split(), "--help"])
        text = f"{line}\n{help_of(command)}"
        return [nodes.literal_block(text, text, language="text")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the directive."""
    app.add_directive("command-line-help", CommandLineHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
