"""Amounts in words: how many of what, and shares. The same on the screen, on a page and in a picture."""

from __future__ import annotations

__all__ = ["amount", "counted", "percent"]


def counted(n: int, word: str, plural: str | None = None) -> str:
    """Say how many: ``1 row``, ``12,345 rows``; with `plural` where no s makes it."""
    return f"{n:,} {word if n == 1 else plural or f'{word}s'}"


def amount(number: float) -> str:
    """A number of rows in groups of three digits; of weights, no whole number, a digit after the point, or three."""
    if number == round(number):
        return f"{number:,.0f}"
    return f"{number:,.1f}" if number >= 10 else f"{number:.3g}"  # weights may add up to 1


def percent(share: float, decimals: int | None = None) -> str:
    """A share in per cent, not broken at the end of a line; two digits where nothing is said: ``21 %``, ``0.35 %``."""
    form = (".0f" if share >= 0.095 else ".2g") if decimals is None else f".{decimals}f"
    return f"{100 * share:{form}}\N{NO-BREAK SPACE}%"
