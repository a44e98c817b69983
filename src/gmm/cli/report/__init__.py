"""The report of a fit: one HTML file that a stranger can read, with its pictures inside.

`sections.py` and `choosing.py` say what stands in it, `wording.py` how it is said, `glossary.py` what words mean,
`figures.py` what is drawn, `columns.py` and `origin.py` what is known of the data, `page.py` how a page looks.
"""

from gmm.cli.report import sections
from gmm.cli.report.choosing import choice
from gmm.cli.report.figures import drawn
from gmm.cli.report.glossary import glossary
from gmm.cli.report.origin import Origin
from gmm.cli.report.page import Part, whole
from gmm.cli.result import Result
from gmm.text.html import Html

__all__ = ["Origin", "written"]


def written(result: Result, origin: Origin) -> str:
    """Write a result as a page.

    Parameters
    ----------
    result : Result
        A finished ``gmm fit``.
    origin : Origin
        Where it comes from.

    Returns
    -------
    str
        A whole HTML document that loads nothing.

    Raises
    ------
    ModuleNotFoundError
        matplotlib, which draws the pictures, is not installed.
    """
    pictures = drawn(result)
    several = result.model.n_components > 1
    parts = [
        Part("picture", "Picture", "What it looks like", Html(pictures["clusters"] + pictures.get("pairs", ""))),
        Part("groups", *(("Groups", "The groups") if several else ("Group", "The group")), sections.groups(result)),
        Part("choice", "Choice", "Why this mixture", choice(result, pictures)),
    ]
    if several:
        parts.append(Part("certainty", "Certainty", "How certain it is", sections.certainty(result, pictures)))
    if result.agreement is not None:
        parts.append(Part("labels", "Labels", "Groups and labels", sections.agreement(result)))
    parts += [
        Part("data", "Data", "The data", sections.data(result, origin)),
        Part("fit", "Fit", "How the fit went", sections.fitting(result, pictures)),
        Part("again", "Reproduce", "How to reproduce it", sections.reproduction(result, origin)),
        Part("words", "Words", "What the words mean", _words(result)),
    ]
    name = result.source if result.options.file is None else origin.file
    heading = f"{name}: {result.model.n_components} {'groups' if several else 'group'}"
    closing = f"Made by gmm {origin.versions['gmm-em']}, {origin.when}."
    return whole(heading, "Gaussian mixture report", name, sections.opening(result), parts, closing)


def _words(result: Result) -> Html:
    return glossary(weighted=result.rows.weights is not None, labelled=result.agreement is not None)
