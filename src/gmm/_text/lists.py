"""Lists of names and other texts for messages, and tables of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice, zip_longest

from gmm._text.printable import printable

_LISTED = 20
_ROWS_SHOWN = 6


def quoted(names: Iterable[str], most: int = _LISTED) -> str:
    """Quote and list names, counting those beyond the first `most`: ``'a', 'b' and 3 more``."""
    return listed(map(repr, names), most)


def listed(texts: Iterable[str], most: int) -> str:
    """List texts, counting those beyond the first `most`: ``a, b and 3 more``."""
    items = list(texts)
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def suggestion(name: object, names: Iterable[str]) -> str:
    """Return ``"; did you mean 'full'?"`` with the nearest of the names, capitals apart; empty if none is near.

    Of several that are as near, it names those that differ in the fewest places.
    """
    from difflib import get_close_matches  # is loaded for a message alone

    if not isinstance(name, str):
        return ""
    by_lower, lower = {each.lower(): each for each in names}, name.lower()
    near = get_close_matches(lower, by_lower, n=_LISTED)
    alike = [each for each in near if _likeness(lower, each) == _likeness(lower, near[0])]
    fewest = min((_differing(lower, each) for each in alike), default=0)
    best = sorted(repr(by_lower[each]) for each in alike if _differing(lower, each) == fewest)
    return f"; did you mean {' or '.join(best)}?" if best else ""


def _likeness(one: str, other: str) -> float:
    from difflib import SequenceMatcher

    return SequenceMatcher(None, other, one).ratio()


def _differing(one: str, other: str) -> int:
    return sum(a != b for a, b in zip_longest(one, other))


def aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a table as lines, each column as wide as its longest cell, which stands to the right."""
    cells = [[printable(cell) for cell in row] for row in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    ]


def beginning(headings: Sequence[str], rows: Iterable[Sequence[str]], n_rows: int) -> list[str]:
    """Return a table of the first rows, numbered, as lines; the last says how many there are beside these."""
    first = [[str(i), *row] for i, row in enumerate(islice(rows, _ROWS_SHOWN))]
    more = n_rows - len(first)
    return aligned([["", *headings], *first]) + [f"  … and {more:,} more row{'s' * (more > 1)}"] * (more > 0)
