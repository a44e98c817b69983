"""The HTML report of a fit: one file that includes its pictures, for readers who did not run the fit.

`sections.py` and `choosing.py` compute the values of each section, `wording.py` its sentences, `figures.py` its
pictures, `columns.py` and `origin.py` the facts about the data; `templates/` holds the layout and the glossary.
"""

from gmm.cli.report import sections
from gmm.cli.report.choosing import choice
from gmm.cli.report.figures import draw_pictures
from gmm.cli.report.origin import Origin
from gmm.cli.report.page import Section, render, render_page
from gmm.cli.result import Result

__all__ = ["Origin", "render_report"]


def render_report(result: Result, origin: Origin) -> str:
    """Render a result as a self-contained HTML document.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    pictures = draw_pictures(result)
    K, labelled, weighted = result.model.n_components, result.agreement is not None, result.rows.weights is not None
    several = K > 1
    picture = render("picture", clusters=pictures["clusters"], pairs=pictures.get("pairs"))
    parts = [
        Section("picture", "Picture", "What it looks like", picture),
        Section("groups", *(("Groups", "The groups") if several else ("Group", "The group")), sections.groups(result)),
        Section("choice", "Choice", "Why this mixture", choice(result, pictures)),
    ]
    if several:
        parts.append(Section("certainty", "Certainty", "How certain it is", sections.certainty(result, pictures)))
    if labelled:
        parts.append(Section("labels", "Labels", "Groups and labels", sections.agreement(result)))
    parts += [
        Section("data", "Data", "The data", sections.data(result, origin)),
        Section("fit", "Fit", "How the fit went", sections.fitting(result, pictures)),
        Section("reproduction", "Reproduce", "How to reproduce it", sections.reproduction(result, origin)),
        Section("terms", "Terms", "What the terms mean", render("terms", weighted=weighted, labelled=labelled)),
    ]
    name = result.source if result.options.file is None else origin.file
    title = f"{name}: {K} {'groups' if several else 'group'}"
    return render_page(sections.opening(result), parts, name=name, title=title, origin=origin)
