"""The values of options, parsed and checked."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from math import inf, nan

from gmm._validation.tails import TAILS
from gmm._values.tails import LEAST_DEGREES, MOST_DEGREES

__all__ = [
    "at_least_one",
    "components",
    "degrees",
    "delimiter",
    "names",
    "natural",
    "non_negative",
    "positive",
    "positive_number",
    "probability",
    "tails",
]

_MOST_COMPONENTS = 10_000


def components(text: str) -> list[int]:
    """Parse ``3``, ``2,4,6``, ``1:9`` or ``1-9`` (both ends included), or a list of these."""
    numbers: list[int] = []
    for part in text.replace("-", ":").split(","):
        first, colon, last = part.partition(":")
        if not (first.strip().isdecimal() and (not colon or last.strip().isdecimal())):
            raise argparse.ArgumentTypeError(f"expected 3, 2,4,6 or 1:9, got {text!r}")
        if max(int(first), int(last if colon else first)) > _MOST_COMPONENTS:
            raise argparse.ArgumentTypeError(f"expected numbers up to {_MOST_COMPONENTS:,}, got {text!r}")
        if colon and int(first) > int(last):
            raise argparse.ArgumentTypeError(f"range {part.strip()} is empty; write {int(last)}:{int(first)}")
        numbers.extend(range(int(first), int(last if colon else first) + 1))
    if not numbers or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"expected positive integers, and ranges such as 1:9, got {text!r}")
    return sorted(set(numbers))


def names(text: str) -> list[str]:
    """Parse names separated by commas; a name that contains a comma is quoted as in CSV."""
    listed = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    if not listed or "" in listed:
        raise argparse.ArgumentTypeError(f"expected names separated by commas, got {text!r}")
    if again := [name for i, name in enumerate(listed) if name in listed[:i]]:
        raise argparse.ArgumentTypeError(f"expected each name once, got {again[0]!r} again")
    return listed


def delimiter(text: str) -> str:
    """Parse one character, or its name."""
    mark = {"tab": "\t", "\\t": "\t", "space": " "}.get(text, text)
    if len(mark.encode()) != 1 or mark in '"\r\n':
        raise argparse.ArgumentTypeError(f"expected one character, tab or space, got {text!r}")
    return mark


def tails(text: str) -> list[str]:
    """Parse ``t`` or ``normal,t,contaminated``."""
    listed = names(text)
    if unknown := [name for name in listed if name not in TAILS]:
        raise argparse.ArgumentTypeError(f"expected {', '.join(TAILS)}, or some with commas, got {unknown[0]!r}")
    return listed


def natural(text: str) -> int:
    """Parse an integer from 0 on that seeds random numbers."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"expected an integer from 0 to 2^32-1, got {text!r}")
    return int(text)


def positive(text: str) -> int:
    """Parse an integer from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)


def _number(expected: str, holds: Callable[[float], bool]) -> Callable[[str], float]:
    def parsed(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = nan
        if not holds(value):
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
        return value

    return parsed


non_negative = _number("a non-negative number", lambda value: 0 <= value < inf)
at_least_one = _number("a number of at least 1", lambda value: 1 <= value < inf)
positive_number = _number("a positive number", lambda value: 0 < value < inf)
degrees = _number(
    f"a number from {LEAST_DEGREES} to {MOST_DEGREES}", lambda value: LEAST_DEGREES <= value <= MOST_DEGREES
)
probability = _number("a number between 0 and 1", lambda value: 0 < value < 1)
