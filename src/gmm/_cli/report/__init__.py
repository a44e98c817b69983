"""The HTML report of a fit: one file that includes its pictures, for readers who did not run the fit.

`sections.py` computes the values of each section, its sentences and its pictures; `page.py` puts them into
`templates/`, which hold the layout and the glossary. What differs between a search, a trimmed fit and a variational one
is a `Narrative`.
"""

from gmm._cli.report.page import Origin as Origin
from gmm._cli.report.sections import render_report as render_report
