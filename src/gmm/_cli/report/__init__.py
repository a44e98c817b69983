"""The HTML report of a fit: one file that includes its pictures, for readers who did not run the fit.

`sections.py` computes the values of each section, its sentences and its pictures; `page.py` puts them into
`templates/`, which hold the layout and the glossary. What differs between a search, a trimmed fit and a variational one
is a `Narrative`.
"""

from gmm._cli.fit import Posterior, Result, Trimmed
from gmm._cli.report import sections
from gmm._cli.report.page import Origin, Section, render, render_page
from gmm._cli.report.sections import posterior_narrative, search_narrative, trimmed_narrative


def render_report(result: Result | Posterior | Trimmed, origin: Origin) -> str:
    """Render a result as a self-contained HTML document.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    pictures = sections.draw_pictures(result)
    if isinstance(result, Posterior):
        story = posterior_narrative(result)
    else:
        story = trimmed_narrative(result) if isinstance(result, Trimmed) else search_narrative(result, pictures)
    K, labelled = len(result.shown), result.agreement is not None
    several = K > 1
    picture = render("picture", clusters=pictures["clusters"], pairs=pictures.get("pairs"))
    parts = [
        Section("picture", "What it looks like", picture),
        Section("groups", "The groups" if several else "The group", sections.groups(result, pictures)),
        story.section,
    ]
    if several:
        parts.append(Section("certainty", "Certainty", sections.certainty(result, pictures)))
    if (sure := sections.trust(result)) is not None:
        parts.append(Section("trust", "How sure the numbers are", sure))
    if labelled:
        parts.append(Section("labels", "Groups and labels", sections.agreement(result)))
    parts += [
        Section("data", "The data", sections.data(result)),
        Section("fit", "Convergence", sections.fitting(result, story, pictures)),
        Section("reproduction", "Reproduce this report", render("reproduction", origin=origin, options=result.options)),
        Section("terms", "What the terms mean", render("terms", terms=story.terms, labelled=labelled)),
    ]
    name = result.source if result.options.file is None else origin.file
    title = f"{name}: {K} {'groups' if several else 'group'}"
    return render_page(sections.opening(result, story), parts, name=name, title=title, origin=origin)
