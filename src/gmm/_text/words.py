"""Numbers, lists of names and texts that a terminal shows and does not obey, as words, the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from math import floor, isfinite, log10
from typing import Any
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

_OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, marks of direction, halves of characters, ends of lines
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # of Persian letters, and of pictures


def printable(text: str) -> str:
    r"""Return one line of text, with escapes such as \\x1b for what a terminal would not show."""
    if text.isprintable():
        return text
    return "".join(
        letter.encode("unicode_escape").decode() if category(letter) in _OBEYED and letter not in _JOINERS else letter
        for letter in text
    )


def column_names(given: Iterable[object] | None, n_columns: int) -> tuple[str, ...]:
    """Return the names of columns as texts; x0, x1, … of so many columns without any."""
    return tuple(map(str, () if given is None else given)) or tuple(f"x{j}" for j in range(n_columns))


def printable_lines(text: str) -> str:
    """Return lines of text likewise; their ends stay."""
    return "\n".join(map(printable, text.split("\n")))


Numbers = Sequence[float] | NDArray[Any]

_ROUNDING = 1e-14  # relative
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
            return f"z.{places}f"  # no −0
    return ".6g"


def real_spread(spread: float, value: float) -> float:
    """Return a standard deviation or error, or 0 if it is no more than rounding of equal values."""
    return spread if spread > _ROUNDING * abs(value) else 0.0


def plus_minus(values: Numbers, spreads: Numbers, digits: int = 3) -> list[str]:
    """Format the values of a column and their standard deviations with equal decimals: ``4.27 ± 0.40``."""
    form = form_of(float(np.median(spreads)), float(np.abs(values).max()), digits)
    small = f".{digits}g" if form.endswith("g") else ".2g"
    texts = [
        (f"{value:{form}}", f"{spread:{form}}", f"{real_spread(spread, value):{small}}")
        for value, spread in zip(map(float, values), map(float, spreads), strict=True)
    ]
    return [f"{value} ± {alike if form != '.6g' and float(alike) else alone}" for value, alike, alone in texts]


def noise_of_weight(weight: float) -> str:
    """Return a note on the noise and its weight, which may be lost to rounding."""
    return f"noise of weight {weight:.4f}" if weight >= 1e-4 else "noise of weight below 0.0001"


def with_minus(text: str) -> str:
    """Replace the hyphens before numbers by minus signs; exponents stay."""
    return _HYPHEN.sub("\N{MINUS SIGN}", text)


_LISTED = 20


def quoted(names: Iterable[str], most: int = _LISTED) -> str:
    """Quote and list names, counting those beyond the first `most`: ``'a', 'b' and 3 more``."""
    return listed(map(repr, names), most)


def listed(texts: Iterable[str], most: int) -> str:
    """List texts, counting those beyond the first `most`: ``a, b and 3 more``."""
    items = list(texts)
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def span(numbers: Sequence[int]) -> str:
    """Write ascending numbers: ``5 to 9`` if there are several in a row, else ``2, 5``."""
    first, last = numbers[0], numbers[-1]
    in_a_row = len(numbers) > 1 and last - first == len(numbers) - 1
    return f"{first} to {last}" if in_a_row else ", ".join(map(str, numbers))


def suggestion(name: object, names: Iterable[str]) -> str:
    """Return ``"; did you mean 'full'?"`` with the nearest of the names, capitals apart; empty if none is near.

    If several are as near, it names those that differ in the fewest places.
    """
    from difflib import SequenceMatcher, get_close_matches  # are loaded for a message alone

    if not isinstance(name, str):
        return ""
    by_lower, lower = {each.lower(): each for each in names}, name.lower()
    near = get_close_matches(lower, by_lower, n=_LISTED)
    likeness = {each: SequenceMatcher(None, each, lower).ratio() for each in near}
    alike = (each for each in near if likeness[each] == likeness[near[0]])
    differing = {each: sum(a != b for a, b in zip_longest(lower, each)) for each in alike}
    best = sorted(repr(by_lower[each]) for each, n in differing.items() if n == min(differing.values()))
    return f"; did you mean {' or '.join(best)}?" if best else ""


def in_one_line(texts: Iterable[str], width: int) -> list[str]:
    """Return texts side by side if that is no longer than `width`, else below each other."""
    items = list(texts)
    together = "   ".join(items)
    return [together] if 0 < len(together) <= width else items


def omissions(**numbers: int) -> list[str]:
    """Return a note on how many more of each there are than a table shows; none if these are all."""
    more = [counted(number, f"more {name}") for name, number in numbers.items() if number > 0]
    return [f"… and {', '.join(more)}"] if more else []
