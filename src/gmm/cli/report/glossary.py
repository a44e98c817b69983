"""The words of the page, explained."""

from __future__ import annotations

from collections.abc import Sequence

from gmm.cli.report.page import facts
from gmm.estimators.criteria import CRITERIA
from gmm.selection.grid import title
from gmm.text.html import Html

__all__ = ["glossary"]


def glossary(*, weighted: bool, labelled: bool) -> Html:
    """The words of the page.

    Parameters
    ----------
    weighted, labelled : bool
        Whether rows have weights, and labels that the groups are compared with.

    Returns
    -------
    Html
    """
    counted = "total weight of the rows" if weighted else "number of rows"
    criteria = [(title(name), f"{_CRITERIA[name].format(n=counted)} Smaller is better.") for name in CRITERIA]
    return facts([*_TERMS, *criteria, *(_OF_LABELS if labelled else ())], "glossary")


_TERMS: Sequence[tuple[str, str]] = (
    ("Gaussian mixture", "A model of data as rows drawn from several normal distributions, its components."),
    ("Group, component", "One of these distributions; pictures say component for a group. Two that overlap much may "
     "together be what one would call one cluster; and one may only bend the shape of another."),
    ("Weight", "The share of a component in the whole; the weights add up to 1."),
    ("Probability of a group", "How probable it is that a row came from a component, given its values and the "
     "mixture (its responsibility). A row is counted to the most probable one."),
    ("Covariance model", "What the components may differ in, three letters: volume, shape, orientation; E is equal, V "
     "variable, I a sphere or along the columns. EEE: all alike; VVV: each as it likes."),
    ("Log-likelihood", "How probable the rows are under the mixture, as a logarithm (nats). Larger is better, and it "
     "always grows with more components: hence the criteria."),
    ("Nat", "The unit of a natural logarithm: one nat more is 2.72 times as probable."),
    ("Projected remaining gain", "What further passes would still add to the log-likelihood, as the last ones let "
     "expect; a fit ends where it is below the tolerance (tol)."),
    ("Standard deviation", "The usual distance from the mean; about 95 % of a normal distribution lie within two."),
)  # fmt: skip
_CRITERIA = {
    "bic": "Bayesian information criterion: −2 log-likelihood + number of free parameters × log of the {n}.",
    "aic": "Akaike information criterion: −2 log-likelihood + 2 × number of free parameters.",
    "aicc": "AIC corrected for few rows; infinite (∞) where parameters are as many as the {n}, less one, or more.",
    "icl": "Integrated completed likelihood: BIC plus twice the entropy of the assignment.",
    "nec": "Normalised entropy criterion: the entropy of the assignment beside the gain in log-likelihood over one "
    "component.",
}
_OF_LABELS = (
    ("Adjusted Rand index", "How alike two partitions of the rows are, by the pairs of rows that both put together or "
     "apart: 1 where they are the same, 0 on average where one is by chance."),
)  # fmt: skip
