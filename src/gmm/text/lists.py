"""Lists of names and other texts for messages, and tables of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gmm.text.printable import printable

__all__ = ["aligned", "listed", "quoted", "suggestion"]

_LISTED = 20


def quoted(names: Iterable[str], most: int = _LISTED) -> str:
    """Quote and list names, counting those beyond the first `most`: ``'a', 'b' and 3 more``."""
    return listed(map(repr, names), most)


def listed(texts: Iterable[str], most: int) -> str:
    """List texts, counting those beyond the first `most`: ``a, b and 3 more``."""
    items = list(texts)
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def suggestion(name: object, names: Iterable[str]) -> str:
    """Return ``"; did you mean 'full'?"`` with the nearest of the names, capitals apart; empty if none is near."""
    from difflib import get_close_matches  # is loaded for a message alone

    by_lower = {each.lower(): each for each in names}
    near = get_close_matches(name.lower(), by_lower, n=1) if isinstance(name, str) else []
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""


def aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a table as lines, each column as wide as its longest cell, which stands to the right."""
    cells = [[printable(cell) for cell in row] for row in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    ]
