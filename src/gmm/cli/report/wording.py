"""Sentences that interpret numbers; independent of the page and its templates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gmm.cli.describe import decimals
from gmm.selection.grid import title, written
from gmm.text.amounts import counted, percent, with_minus
from gmm.values.covariance import COMMON, IDENTITY, CovarianceModel

__all__ = [
    "agreement_sentence",
    "certainty_sentence",
    "compared_sentence",
    "component_sentences",
    "correlation_sentence",
    "covariance_sentence",
    "empty_sentence",
    "evidence",
    "format_share",
    "format_value",
    "interval_sentence",
    "left_sentence",
    "name_range",
    "noise_sentence",
    "number",
    "ranking_caption",
    "rival_sentence",
    "runner_up_sentence",
    "scale_sentence",
    "search_certainty_sentence",
    "separation_sentence",
    "summary_sentence",
    "uncertain_caption",
]

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NAMED = 3  # at most this many columns are named in a sentence
# Differences of a mean, in standard deviations of all rows, that are called "somewhat", unqualified and "much".
_SOMEWHAT, _CLEARLY, _MUCH = 0.25, 0.75, 1.75
_NARROW, _WIDE = 0.6, 1.5  # ratios of a standard deviation to that of all rows
_CORRELATED, _CLOSELY = 0.1, 0.7
_OPEN = 2.0  # smaller differences of a criterion are inconclusive
_NEARLY = 0.99  # above this share, the exceptions are counted instead
_OVERLAPPING = 0.8  # below this share of certain rows, the groups overlap
_MOST_DECIMALS = 9
_DRAWN = " (drawn as ellipses where the axes have different scales)"
_SCALED = ("bic", "aic", "aicc")  # criteria with an agreed scale for differences


def number(n: int) -> str:
    """Write a number in words up to twelve, and in digits beyond."""
    return _WORDS[n] if 0 <= n < len(_WORDS) else f"{n:,}"


def summary_sentence(n_components: int, tried: Sequence[int], n_rows: int, names: Sequence[str]) -> str:
    """Say how many groups there are in which rows; "as requested" if only one number was tried."""
    rows = f"{counted(n_rows, 'row')} of {_name_columns(names)}"
    asked = len(set(tried)) == 1
    if n_components > 1:
        groups = f"{number(n_components).capitalize()} groups"
        return f"{groups}, as requested, describe {rows}." if asked else f"{groups} were found in {rows}."
    if asked:
        return f"One group, as requested, describes {rows}."
    return f"No division into groups was found in {rows}: one group describes them best."


def left_sentence(n_left: int, n_components: int, n_rows: int, names: Sequence[str]) -> str:
    """Say how many groups a variational fit leaves of its components."""
    rows = f"{counted(n_rows, 'row')} of {_name_columns(names)}"
    found = f"{number(n_left).capitalize()} {'group was' if n_left == 1 else 'groups were'} found in {rows}"
    n_empty = n_components - n_left
    if n_empty == 0:
        return f"{found}."
    others = "other component is" if n_empty == 1 else f"other {number(n_empty)} of {n_components} components are"
    return f"{found}; the {others} empty."


def empty_sentence(n_components: int, n_empty: int, expected: float, unit: str) -> str:
    """Say what a variational fit began with, and what its empty components expect; `unit` is rows in the plural."""
    began = f"The fit began with {counted(n_components, 'component')}"
    if n_empty == 0:
        return f"{began} and leaves none empty."
    little = f"{expected:.2g}" if expected >= 1e-3 else "less than 0.001"
    if n_empty == 1:
        return f"{began}. The one that is empty expects {little} {unit}."
    return f"{began}. The {number(n_empty)} that are empty expect {little} {unit} together."


def interval_sentence(level: float) -> str:
    """Say what credible intervals of that level mean, and what they leave out."""
    return (
        f"A weight or mean lies in its interval with a posterior probability of {100 * level:g} %, each taken by "
        "itself. The intervals are those of the variational posterior, which is narrower than the exact one, and hold "
        "for this division into groups; another start may find another."
    )


def name_range(tried: Sequence[int]) -> str:
    """Describe ascending numbers of components: ``1 to 9 groups``, ``2 or 5 groups``."""
    if len(tried) == 1:
        return counted(tried[0], "group")
    if len(tried) > 2 and list(tried) == list(range(tried[0], tried[-1] + 1)):
        return f"{tried[0]} to {tried[-1]} groups"
    return f"{', '.join(map(str, tried[:-1]))} or {tried[-1]} groups"


def compared_sentence(n_ranked: int, n_cells: int, tried: Sequence[int], n_types: int) -> str:
    """Say how many of the requested mixtures were fitted and compared."""
    many = counted(n_cells, "mixture") if n_ranked == n_cells else f"{n_ranked:,} of {counted(n_cells, 'mixture')}"
    were = "was" if n_ranked == 1 else "were"
    return f"{many} {were} compared: {name_range(tried)}, {counted(n_types, 'covariance model')}."


def ranking_caption(criterion: str, n_listed: int, *, infinite: bool) -> str:
    """Return the caption of the table of the best mixtures, which explains its headings."""
    many = f"{number(n_listed)} " if n_listed > 1 else ""
    caption = (
        f"The {many}best by {criterion} (loglik: log-likelihood in nats; df: free parameters; Δ: distance from "
        "the best). Smaller is better, except for the log-likelihood."
    )
    if infinite:
        caption += " AICc is infinite (∞) where there are about as many parameters as rows, or more."
    return caption


def correlation_sentence(
    names: Sequence[str], strongest: tuple[int, int, float] | None, where: str = "Within the group,"
) -> str:
    """Say which two columns are most strongly correlated; empty if `strongest` is None."""
    if strongest is None:
        return ""
    i, j = strongest[:2]
    value = round(strongest[2], 2) + 0.0  # never -0.00
    signed = with_minus(f"{value:+.2f}")
    if abs(value) < _CORRELATED:
        return f"{where} no two columns are correlated (strongest correlation {signed})."
    tend = "" if abs(value) >= _CLOSELY else "tend to "
    move = "rise together" if value > 0 else "move in opposite directions"
    return f"{where} {names[i]} and {names[j]} {tend}{move} (correlation {signed})."


def covariance_sentence(model: CovarianceModel, n_components: int, n_columns: int) -> str:
    """Describe the shapes of groups under a covariance model."""
    one = n_components == 1
    if n_columns == 1:
        return "one variance" if one else ("one variance for all" if model.common else "a separate variance for each")
    drawn = _DRAWN if n_columns == 2 else ""
    round_, long = ("circle", "ellipse") if n_columns == 2 else ("sphere", "ellipsoid")
    if one:
        turned = "with axes along the columns" if model.orientation == IDENTITY else "of any orientation"
        return f"a {round_}{drawn}" if model.shape == IDENTITY else f"an {long} {turned}"
    if model.shape == IDENTITY:
        return f"{round_}s of {'equal' if model.volume == COMMON else 'different'} size{drawn}"
    letters = {"volume": model.volume, "shape": model.shape, "orientation": model.orientation}
    equal = [what for what, letter in letters.items() if letter == COMMON]
    different = [what for what, letter in letters.items() if letter not in (COMMON, IDENTITY)]
    parts = [f"of {how} {_and(whats)}" for how, whats in (("equal", equal), ("different", different)) if whats]
    axes = ", with axes along the columns" if model.orientation == IDENTITY else ""
    return f"{long}s {' and '.join(parts)}{axes}"


def evidence(difference: float) -> str:
    """Grade the evidence against a mixture whose BIC is larger by `difference` (Kass & Raftery 1995)."""
    steps = ((_OPEN, "barely worth mentioning"), (6.0, "positive"), (10.0, "strong"))
    return next((word for limit, word in steps if difference < limit), "very strong")


def scale_sentence(criterion: str) -> str:
    """Say what a difference in a criterion means."""
    return {
        "bic": "A difference in BIC below 2 is barely worth mentioning; 2 to 6 is positive evidence, 6 to 10 strong, "
        "above 10 very strong (Kass & Raftery 1995).",
        "aic": "Models within 2 of the smallest AIC have substantial support, those beyond 10 essentially none "
        "(Burnham & Anderson 2002). AIC aims at prediction and tends to choose more groups than BIC.",
        "aicc": "Models within 2 of the smallest AICc have substantial support, those beyond 10 essentially none "
        "(Burnham & Anderson 2002). AICc is AIC corrected for few rows.",
        "icl": "ICL is BIC with a penalty for overlapping groups. There is no agreed scale for its differences; one "
        "below 2 decides nothing.",
        "nec": "NEC weighs the overlap of the groups against what they explain; a value below 1 indicates groups. "
        "There is no agreed scale for its differences.",
    }[criterion]


def runner_up_sentence(criterion: str, rivals: Sequence[tuple[int, str, float]]) -> str:
    """Say how close the next best cells are; empty if there are none.

    `rivals` are (n_components, covariance model, distance to the best), best first.
    """
    if not rivals:
        return ""
    K, name, distance = rivals[0]
    sentence = f"The runner-up, {counted(K, 'group')} with {name}, is {written(criterion, distance)} behind"
    if criterion == "bic":
        word = evidence(distance)
        sentence += f", which is {word}{'' if distance < _OPEN else ' evidence for the chosen mixture'}"
    near = sum(distance < _OPEN for *_, distance in rivals) if criterion in _SCALED else 0
    if near > 1:
        best = title(criterion)
        return f"{sentence}. {number(near).capitalize()} others are within 2 of the best {best}, so the choice is open."
    return f"{sentence}."


def search_certainty_sentence(parts: Sequence[str]) -> str:
    """Say how often the chosen mixture was found again and how many cells are near it; empty if there is nothing."""
    return f"In the search it was {'; '.join(parts)}." if len(parts) == 2 else ""


def component_sentences(
    names: Sequence[str],
    means: NDArray[np.float64],
    spreads: NDArray[np.float64],
    overall: tuple[NDArray[np.float64], NDArray[np.float64]],
    strongest: tuple[int, int, float] | None,
) -> list[str]:
    """Compare a component with the means and standard deviations of all rows, in one to three sentences."""
    differences = _differences(names, means, overall)
    width = _width(names, spreads, overall[1], bool(differences))
    same = "Its mean is close to that of all rows." if len(names) == 1 else "Its means are close to those of all rows."
    sentences = [f"{_listed(differences)}." if differences else same]
    sentences += [f"{width}."] if width else []
    return [*sentences, *filter(None, [correlation_sentence(names, strongest)])]


def certainty_sentence(n_uncertain: int, n_rows: int, limit: float, which: str = "") -> str:
    """Say for how many rows no group reaches a probability of `limit`; `which` rows these are goes behind the word."""
    if n_uncertain == 0:
        return f"Every row{which} belongs to its group with a probability of at least {percent(limit, 0)}."
    they, labels = ("It lies", "its label") if n_uncertain == 1 else ("They lie", "their labels")
    share = format_share(n_uncertain / n_rows)
    return (
        f"For {n_uncertain:,} of {counted(n_rows, 'row')}{which} ({share}), no group reaches "
        f"a probability of {percent(limit, 0)}. {they} where groups overlap; treat {labels} with caution."
    )


def noise_sentence(n_noise: int, n_rows: int) -> str:
    """Say how many rows belong to no group; empty if none does."""
    if n_noise == 0:
        return ""
    belong = "belongs" if n_noise == 1 else "belong"
    return (
        f"{counted(n_noise, 'row')} ({format_share(n_noise / n_rows)}) {belong} to no group, but to noise that is "
        "spread evenly over the box of the rows."
    )


def uncertain_caption(n_listed: int) -> str:
    """Return the caption of the table of the least certain rows."""
    rows = "least certain row" if n_listed == 1 else f"{number(n_listed)} least certain rows"
    return f"The {rows}. Rows are numbered as in the file, not counting the header."


def separation_sentence(n_uncertain: int, n_rows: int, limit: float, which: str = "") -> str:
    """Say how well the groups are separated; a share is never rounded to 0 or 100 per cent.

    `which` rows these are goes behind the word.
    """
    n_sure = n_rows - n_uncertain
    sure = n_sure / n_rows
    steps = ((0.5, "They overlap heavily:"), (_OVERLAPPING, "They overlap:"), (0.97, "They are mostly separated:"))
    how = next((word for limit, word in steps if sure < limit), "They are well separated:")
    if 0 < sure < _OVERLAPPING:
        who = _most(n_uncertain, n_rows) + which
        return f"{how} for {who}, no group has a probability of {percent(limit, 0)} or more."
    belong = "belongs" if min(n_sure, n_uncertain) == 0 else "belong"
    who = "no row" if n_sure == 0 else "every row" if n_uncertain == 0 else _most(n_sure, n_rows)
    return f"{how} {who}{which} {belong} to one of them with a probability of at least {percent(limit, 0)}."


def _most(count: int, n_rows: int) -> str:
    """Say how many of the rows these are; where nearly all are, count the others."""
    share = count / n_rows
    return (
        f"all but {n_rows - count:,} of {counted(n_rows, 'row')}"
        if share >= _NEARLY
        else f"{percent(share, 0)} of the rows"
    )


def format_share(share: float) -> str:
    """Format a share in per cent with one decimal, or with more if it would wrongly round to 0 or 100."""
    digits = 1
    while 0 < share < 1 and round(100 * share, digits) in (0, 100) and digits < _MOST_DECIMALS:
        digits += 1
    return percent(share, digits)


def rival_sentence(criterion: str, n_components: int, rivals: Sequence[tuple[int, str, float]]) -> str:
    """Say which other number of groups fits almost as well; empty if none does or the criterion has no scale."""
    if criterion not in _SCALED:
        return ""
    others = [(K, distance) for K, _, distance in rivals if n_components != K and distance < _OPEN]
    if not others:
        return ""
    K, distance = others[0]
    groups = f"{number(K).capitalize()} {'group describes' if K == 1 else 'groups describe'}"
    return f"{groups} the rows almost as well ({title(criterion)} only {written(criterion, distance)} higher)."


def agreement_sentence(index: float) -> str:
    """Interpret an adjusted Rand index."""
    steps = ((0.1, "no better than chance"), (0.5, "weakly"), (0.8, "partly"), (0.95, "closely"))
    how = next((word for limit, word in steps if index < limit), "almost exactly")
    if index >= 1.0:
        how = "exactly"
    return (
        f"Groups and labels agree {how}: the adjusted Rand index is {index:.4f}, where 1 means identical partitions "
        "and 0 agreement by chance."
    )


def format_value(value: float, spread: float) -> str:
    """Format a value with a number of decimals that suits a standard deviation."""
    digits = decimals(spread, abs(value))
    return with_minus(f"{value:.6g}" if digits is None else f"{value:.{digits}f}")


def _differences(
    names: Sequence[str], means: NDArray[np.float64], overall: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> list[str]:
    centre, scale = overall
    scores = np.divide(means - centre, scale, out=np.zeros(len(means)), where=scale > 0)
    phrases = []
    for j in np.argsort(-np.abs(scores), kind="stable")[:_NAMED]:
        size = abs(scores[j])
        if size < _SOMEWHAT:
            break
        degree = "much " if size >= _MUCH else "" if size >= _CLEARLY else "somewhat "
        more = "higher" if scores[j] > 0 else "lower"
        value, usual = format_value(means[j], scale[j]), format_value(centre[j], scale[j])
        phrases.append(f"{degree}{more} {names[j]} ({value} against {usual})")
    return phrases


def _width(names: Sequence[str], spreads: NDArray[np.float64], overall: NDArray[np.float64], shifted: bool) -> str:
    """Name the column in which a component is much wider than all rows, or narrower if its means do not differ."""
    ratios = np.divide(spreads, overall, out=np.ones(len(spreads)), where=overall > 0)
    j = int(ratios.argmax() if ratios.max() >= _WIDE or shifted else ratios.argmin())
    if _NARROW <= ratios[j] < _WIDE or (shifted and ratios[j] < _WIDE):
        return ""
    how = "widely" if ratios[j] >= _WIDE else "narrowly"
    return (
        f"It is {how} spread in {names[j]} (standard deviation {format_value(spreads[j], overall[j])} against "
        f"{format_value(overall[j], overall[j])})"
    )


def _listed(parts: Sequence[str]) -> str:
    text = _and(parts)
    return text[0].upper() + text[1:]


def _name_columns(names: Sequence[str]) -> str:
    """Name up to three columns, or count them: ``eruptions and waiting``, ``13 columns``."""
    return counted(len(names), "column") if len(names) > _NAMED else _and(names)


def _and(words: Sequence[str]) -> str:
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), words[-1]])
