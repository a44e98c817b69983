"""Lists of names and other texts for messages."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["listed", "quoted"]

_LISTED = 20


def quoted(names: Iterable[str], most: int = _LISTED) -> str:
    """Quote and list names, counting those beyond the first `most`: ``'a', 'b' and 3 more``."""
    return listed(map(repr, names), most)


def listed(texts: Iterable[str], most: int) -> str:
    """List texts, counting those beyond the first `most`: ``a, b and 3 more``."""
    items = list(texts)
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more
