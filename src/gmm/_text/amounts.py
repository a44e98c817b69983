"""Counts, weights and percentages as text, the same in terminals, reports and pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import floor, isfinite, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = Sequence[float] | NDArray[Any]

_HYPHEN = re.compile(r"(?<!\w)-(?=[\d.])")


def counted(n: int, word: str, plural: str | None = None) -> str:
    """Format a count with its noun: ``1 row``, ``12,345 rows``; `plural` is for irregular plurals."""
    return f"{n:,} {word if n == 1 else plural or f'{word}s'}"


def amount(number: float) -> str:
    """Format a number of rows with thousands separators, or a total weight with one decimal or three digits."""
    if number == round(number):
        return f"{number:,.0f}"
    return f"{number:,.1f}" if number >= 10 else f"{number:.3g}"  # normalised weights add up to 1


def duration(seconds: float) -> str:
    """Format a time: ``20 s``, ``5 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def percent(share: float, decimals: int | None = None) -> str:
    """Format a share as a percentage with a no-break space; by default with two digits: ``21 %``, ``0.35 %``."""
    form = (".0f" if share >= 0.095 else ".2g") if decimals is None else f".{decimals}f"
    return f"{100 * share:{form}}\N{NO-BREAK SPACE}%"


def form_of(spread: float, largest: float, digits: int = 3) -> str:
    """Return the format of values up to `largest` that shows so many digits of their standard deviation."""
    if isfinite(spread) and spread > 0:
        places = max(0, digits - 1 - floor(log10(spread)))
        if places <= 6 and largest < 1e9:
            return f".{places}f"
    return ".6g"


def plus_minus(values: Numbers, spreads: Numbers, digits: int = 3) -> list[str]:
    """Format the values of a column and their standard deviations with equal decimals: ``4.27 ± 0.40``."""
    form = form_of(float(np.median(spreads)), float(np.abs(values).max()), digits)
    small = f".{digits}g" if form.endswith("g") else ".2g"
    texts = [
        (f"{value:{form}}", f"{spread:{form}}", f"{spread:{small}}")
        for value, spread in zip(map(float, values), map(float, spreads), strict=True)
    ]
    return [f"{value} ± {alike if form != '.6g' and float(alike) else alone}" for value, alike, alone in texts]


def noise_of_weight(weight: float) -> str:
    """Say that there is noise, and its weight, which may be lost to rounding."""
    return f"noise of weight {weight:.4f}" if weight >= 1e-4 else "noise of weight below 0.0001"


def with_minus(text: str) -> str:
    """Replace the hyphens before numbers by minus signs; exponents stay."""
    return _HYPHEN.sub("\N{MINUS SIGN}", text)
