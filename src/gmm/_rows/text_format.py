"""`TextFormat`: what a user says of delimited text, and the words in which messages advise to say more."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from gmm._validation.scalars import check_boolean

DECIMALS = (".", ",")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class Words(NamedTuple):
    """How a user states each part of a `TextFormat`; ``{}`` stands for the text in question."""

    named: str
    unnamed: str
    decimal: str
    missing: str
    each: str  # of several texts in the place of ``{}`` in `missing`
    columns: str
    lines: str
    all: str


PYTHON = Words(
    named="header=True",
    unnamed="header=False",
    decimal="decimal={!r}",
    missing="na_values=[{}]",
    each="{!r}, ",
    columns="columns=[…]",
    lines="pandas.read_csv reads text with other lines in it, by skiprows and comment, and takes another delimiter",
    all="header, decimal and na_values apply",
)


class TextFormat(NamedTuple):
    """How delimited text is to be read; None leaves it to the text.

    Attributes
    ----------
    header : bool or None
        Whether the first line holds column names.
    decimal : {".", ","} or None
        The decimal mark. The other one may then separate thousands, as blanks and apostrophes may.
    na_values : tuple of str
        Texts that stand for a missing value, beside the usual ones.
    delimiter : str or None
        What separates fields.
    skip : int
        How many lines above the table are no part of it.
    comment : str
        Lines that begin with this are none either; empty for no such lines.
    words : Words
        How messages advise to say this.
    """

    header: bool | None = None
    decimal: str | None = None
    na_values: tuple[str, ...] = ()
    delimiter: str | None = None
    skip: int = 0
    comment: str = ""
    words: Words = PYTHON

    @classmethod
    def of(cls, header: bool | None, decimal: Any, na_values: object) -> Self:
        """Check what a user says.

        Raises
        ------
        ValueError, TypeError
            If `header` is no truth value, `decimal` is neither mark, or `na_values` is not a list of texts.
        """
        header = None if header is None else check_boolean(header, "header")
        if decimal is not None and not (isinstance(decimal, str) and decimal in DECIMALS):
            raise ValueError(f"expected '.' or ',' for decimal, got {decimal!r:.60}")
        if isinstance(na_values, str):
            raise TypeError(f"expected a list of texts for na_values, got the string {na_values!r}: [{na_values!r}]")
        if isinstance(na_values, memoryview) or not isinstance(na_values, Iterable):
            raise TypeError(f"expected a list of texts for na_values, got {na_values!r:.60}")
        texts = tuple(na_values)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError(f"expected texts in na_values, got {texts!r:.60}")
        return cls(header, decimal, texts)

    @property
    def codes(self) -> tuple[float, ...]:
        """Those of the texts that are numbers, however a table writes them."""
        return tuple(map(float, filter(_NUMBER.fullmatch, self.na_values)))

    @property
    def is_silent(self) -> bool:
        """Whether nothing is said."""
        return self == TextFormat(words=self.words)
