"""Whether the built pages load anything from elsewhere: a script, a style, a font or a picture is then a warning."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# Links that a reader may follow are <a href>; these elements load with the page.
LOADED = (
    re.compile(
        r"""<(?:script|img|iframe|video|audio|source|embed)\b[^>]*\bsrc(?:set)?\s*=\s*["']?\s*((?:https?:)?//[^"'\s>]+)"""
    ),
    re.compile(r"""<link\b(?![^>]*\brel=["']?canonical)[^>]*\bhref\s*=\s*["']?\s*((?:https?:)?//[^"'\s>]+)"""),
    re.compile(r"""\b(?:import\s*\(|from)\s*["'](https?://[^"']+)"""),
    re.compile(r"""(?:@import\s+|\burl\()\s*(?:url\()?["']?((?:https?:)?//[^"')\s]+)"""),
)


def loaded_from_elsewhere(text: str) -> list[str]:
    """Return the addresses that a page or a style sheet loads from another host."""
    return [address for pattern in LOADED for address in pattern.findall(text)]


def check(app: Sphinx, error: Exception | None) -> None:
    """Warn of every page that needs a network."""
    if error is not None or app.builder.format != "html":
        return
    from sphinx.util import logging  # the tests read this file where there is no Sphinx

    for path in sorted(Path(app.outdir).rglob("*")):
        if path.suffix in {".html", ".css"}:
            for address in loaded_from_elsewhere(path.read_text(encoding="utf-8")):
                where = path.relative_to(app.outdir)
                logging.getLogger(__name__).warning("%s loads %s: the pages are read offline", where, address)


def setup(app: Sphinx) -> dict[str, bool]:
    """Look at the pages when they are built."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
