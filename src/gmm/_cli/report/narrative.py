"""What a report tells about how a mixture was found: by a search, a trimmed fit or a variational one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmm._cli.report.page import Section
from gmm._text.html import Html

__all__ = ["Narrative"]


@dataclass(frozen=True)
class Narrative:
    """The parts of a report that the other sections leave open.

    Attributes
    ----------
    summary, remark : str
        The first and the last sentence of the opening; the last may be empty.
    warnings : sequence of str
    section : Section
        Why this mixture.
    subject : str
        What has converged.
    reached : str
        What it reached, and in which time, as sentences.
    terms : Html
        Entries of the glossary.
    """

    summary: str
    remark: str
    warnings: Sequence[str]
    section: Section
    subject: str
    reached: str
    terms: Html
