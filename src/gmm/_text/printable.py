"""`printable`: text that a terminal shows and does not obey."""

from __future__ import annotations

from unicodedata import category

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


def printable_lines(text: str) -> str:
    """Return lines of text likewise; their ends stay."""
    return "\n".join(map(printable, text.split("\n")))
