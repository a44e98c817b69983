"""What numbers mean, in sentences: functions of numbers and names, which know nothing of pages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gmm.cli.describe import decimals
from gmm.selection.grid import title, written
from gmm.text.amounts import counted, percent
from gmm.values.covariance import CovarianceModel

__all__ = [
    "agreement_sentence",
    "certainty_sentence",
    "columns_named",
    "compared_sentence",
    "component_sentences",
    "covariance_sentence",
    "evidence",
    "found_sentence",
    "measured",
    "number",
    "range_named",
    "ranking_caption",
    "rival_sentence",
    "runner_up_sentence",
    "scale_sentence",
    "share",
    "together_sentence",
    "trust_sentence",
    "uncertain_caption",
]

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NAMED = 3  # columns in a sentence
_COMMON, _IDENTITY = "E", "I"  # letters of a covariance model
# In standard deviations of all rows: from where on a mean differs, differs clearly, and differs much.
_SOMEWHAT, _CLEARLY, _MUCH = 0.25, 0.75, 1.75
_NARROW, _WIDE = 0.6, 1.5  # a standard deviation beside that of all rows
_CORRELATED, _CLOSELY = 0.1, 0.7
_OPEN = 2.0  # a difference of a criterion that decides nothing
_NEARLY = 0.99  # a share from which on those are counted that are missing
_MOST_DECIMALS = 9
_SCALED = ("bic", "aic", "aicc")  # criteria whose differences have an agreed scale


def number(n: int) -> str:
    """A number in words up to twelve, in figures beyond."""
    return _WORDS[n] if 0 <= n < len(_WORDS) else f"{n:,}"


def columns_named(names: Sequence[str]) -> str:
    """Name up to three columns, count more: ``eruptions and waiting``, ``13 columns``."""
    return counted(len(names), "column") if len(names) > _NAMED else _and(names)


def found_sentence(n_components: int, tried: Sequence[int], n_rows: int, names: Sequence[str]) -> str:
    """Say how many groups were found in which rows; where only one number was tried, as requested."""
    rows = f"{counted(n_rows, 'row')} of {columns_named(names)}"
    asked = len(set(tried)) == 1
    if n_components > 1:
        found = f"{number(n_components).capitalize()} groups"
        return f"{found}, as requested, describe {rows}." if asked else f"{found} were found in {rows}."
    if asked:
        return f"One group, as requested, describes {rows}."
    return f"No division into groups was found in {rows}: one group describes them best."


def range_named(tried: Sequence[int]) -> str:
    """Name the numbers of components that were tried, in ascending order: ``1 to 9 groups``."""
    if len(tried) == 1:
        return counted(tried[0], "group")
    if len(tried) > 2 and list(tried) == list(range(tried[0], tried[-1] + 1)):
        return f"{tried[0]} to {tried[-1]} groups"
    return f"{', '.join(map(str, tried[:-1]))} or {tried[-1]} groups"


def compared_sentence(n_ranked: int, n_cells: int, tried: Sequence[int], n_types: int) -> str:
    """Say how many mixtures there were to choose from: those that were fitted, of all that were asked for."""
    many = counted(n_cells, "mixture") if n_ranked == n_cells else f"{n_ranked:,} of {counted(n_cells, 'mixture')}"
    were = "was" if n_ranked == 1 else "were"
    return f"{many} {were} compared: {range_named(tried)}, {counted(n_types, 'covariance model')}."


def ranking_caption(criterion: str, n_listed: int, *, infinite: bool) -> str:
    """Caption the list of the best mixtures and explain its headings."""
    many = f"{number(n_listed)} " if n_listed > 1 else ""
    caption = (
        f"The {many}best by {criterion} (loglik: log-likelihood in nats; df: free parameters; Δ: distance from "
        "the best). Smaller is better, except for the log-likelihood."
    )
    if infinite:
        caption += " AICc is infinite (∞) where there are about as many parameters as rows, or more."
    return caption


def together_sentence(
    names: Sequence[str], strongest: tuple[int, int, float] | None, where: str = "Within the group,"
) -> str:
    """Say which two columns are most strongly correlated, and how; empty where `strongest` is None."""
    if strongest is None:
        return ""
    i, j = strongest[:2]
    value = round(strongest[2], 2) + 0.0  # never -0.00
    if abs(value) < _CORRELATED:
        return f"{where} no two columns are correlated (strongest correlation {value:+.2f})."
    tend = "" if abs(value) >= _CLOSELY else "tend to "
    move = "rise together" if value > 0 else "move in opposite directions"
    return f"{where} {names[i]} and {names[j]} {tend}{move} (correlation {value:+.2f})."


def covariance_sentence(model: CovarianceModel, n_components: int, n_columns: int) -> str:
    """Say what a covariance model lets the groups look like."""
    one = n_components == 1
    if n_columns == 1:
        return "one variance" if one else ("one variance for all" if model.common else "a separate variance for each")
    round_, long = ("circle", "ellipse") if n_columns == 2 else ("sphere", "ellipsoid")
    if one:
        turned = "with axes along the columns" if model.orientation == _IDENTITY else "of any orientation"
        return f"a {round_}" if model.shape == _IDENTITY else f"an {long} {turned}"
    if model.shape == _IDENTITY:
        return f"{round_}s of {'equal' if model.volume == _COMMON else 'different'} size"
    letters = {"volume": model.volume, "shape": model.shape, "orientation": model.orientation}
    equal = [what for what, letter in letters.items() if letter == _COMMON]
    different = [what for what, letter in letters.items() if letter not in (_COMMON, _IDENTITY)]
    told = [f"of {how} {_and(whats)}" for how, whats in (("equal", equal), ("different", different)) if whats]
    axes = ", with axes along the columns" if model.orientation == _IDENTITY else ""
    return f"{long}s {' and '.join(told)}{axes}"


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
    """Say how close the next best cells come; empty where there are none.

    `rivals` are components, covariance model and distance to the best, the nearest first.
    """
    if not rivals:
        return ""
    K, name, distance = rivals[0]
    told = f"The runner-up, {counted(K, 'group')} with {name}, is {written(criterion, distance)} behind"
    if criterion == "bic":
        word = evidence(distance)
        told += f", which is {word}{'' if distance < _OPEN else ' evidence for the chosen mixture'}"
    near = sum(distance < _OPEN for *_, distance in rivals) if criterion in _SCALED else 0
    if near > 1:
        best = title(criterion)
        return f"{told}. {number(near).capitalize()} others are within 2 of the best {best}, so the choice is open."
    return f"{told}."


def component_sentences(
    names: Sequence[str],
    means: NDArray[np.float64],
    spreads: NDArray[np.float64],
    whole: tuple[NDArray[np.float64], NDArray[np.float64]],
    strongest: tuple[int, int, float] | None,
) -> list[str]:
    """Compare a component with all rows, `whole` (means and standard deviations), in one to three sentences."""
    differences = _differences(names, means, whole)
    width = _width(names, spreads, whole[1], bool(differences))
    same = "Its mean is close to that of all rows." if len(names) == 1 else "Its means are close to those of all rows."
    told = [f"{_listed(differences)}." if differences else same]
    told += [f"{width}."] if width else []
    return [*told, *filter(None, [together_sentence(names, strongest)])]


def certainty_sentence(n_uncertain: int, n_rows: int, limit: float) -> str:
    """Say how many rows belong to no group with a probability of `limit`."""
    if n_uncertain == 0:
        return f"Every row belongs to its group with a probability of at least {percent(limit, 0)}."
    they, labels = ("It lies", "its label") if n_uncertain == 1 else ("They lie", "their labels")
    return (
        f"For {n_uncertain:,} of {counted(n_rows, 'row')} ({share(n_uncertain / n_rows)}), no group reaches "
        f"a probability of {percent(limit, 0)}. {they} where groups overlap; treat {labels} with caution."
    )


def uncertain_caption(n_listed: int) -> str:
    """Caption the list of the least certain rows."""
    rows = "least certain row" if n_listed == 1 else f"{number(n_listed)} least certain rows"
    return f"The {rows}. Rows are numbered as in the file, not counting the header."


def trust_sentence(n_uncertain: int, n_rows: int, limit: float) -> str:
    """Say how well the groups are separated; no share is rounded to all or nothing."""
    n_sure = n_rows - n_uncertain
    sure = n_sure / n_rows
    steps = ((0.5, "They overlap heavily: only"), (0.8, "They overlap:"), (0.97, "They are mostly separated:"))
    how = next((word for limit, word in steps if sure < limit), "They are well separated:")
    belong = "belongs" if min(n_sure, n_uncertain) == 0 or n_sure == 1 else "belong"
    if n_sure == 0:
        how, who = "They overlap heavily:", "no row"
    elif n_uncertain == 0:
        who = "every row"
    elif sure >= _NEARLY:
        who = f"all but {n_uncertain:,} of {counted(n_rows, 'row')}"
    elif sure < 1 - _NEARLY:
        who = f"{n_sure:,} of {counted(n_rows, 'row')}"
    else:
        who = f"{percent(sure, 0)} of the rows"
    return f"{how} {who} {belong} to one of them with a probability of at least {percent(limit, 0)}."


def share(part: float) -> str:
    """Write a share in per cent with one decimal, or with more where it would wrongly round to 0 or 100."""
    shown = 1
    while 0 < part < 1 and round(100 * part, shown) in (0, 100) and shown < _MOST_DECIMALS:
        shown += 1
    return percent(part, shown)


def rival_sentence(criterion: str, n_components: int, rivals: Sequence[tuple[int, str, float]]) -> str:
    """Warn where another number of groups fits almost as well; empty where none does, or there is no scale."""
    if criterion not in _SCALED:
        return ""
    others = [(K, distance) for K, _, distance in rivals if n_components != K and distance < _OPEN]
    if not others:
        return ""
    K, distance = others[0]
    groups = f"{number(K).capitalize()} {'group describes' if K == 1 else 'groups describe'}"
    return f"{groups} the rows almost as well ({title(criterion)} only {written(criterion, distance)} higher)."


def agreement_sentence(index: float) -> str:
    """Say what an adjusted Rand index means."""
    steps = ((0.1, "no better than chance"), (0.5, "weakly"), (0.8, "partly"), (0.95, "closely"))
    how = next((word for limit, word in steps if index < limit), "almost exactly")
    if index >= 1.0:
        how = "exactly"
    return (
        f"Groups and labels agree {how}: the adjusted Rand index is {index:.4f}, where 1 means identical partitions "
        "and 0 agreement by chance."
    )


def measured(value: float, spread: float) -> str:
    """Write a value with decimals that suit a standard deviation."""
    suited = decimals(spread, abs(value))
    return f"{value:.6g}" if suited is None else f"{value:.{suited}f}"


def _differences(
    names: Sequence[str], means: NDArray[np.float64], whole: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> list[str]:
    """The columns in which a component's mean differs most, the most different first."""
    centre, usual = whole
    scores = np.divide(means - centre, usual, out=np.zeros(len(means)), where=usual > 0)
    told = []
    for j in np.argsort(-np.abs(scores), kind="stable")[:_NAMED]:
        size = abs(scores[j])
        if size < _SOMEWHAT:
            break
        degree = "much " if size >= _MUCH else "" if size >= _CLEARLY else "somewhat "
        more = "higher" if scores[j] > 0 else "lower"
        told.append(
            f"{degree}{more} {names[j]} ({measured(means[j], usual[j])} against {measured(centre[j], usual[j])})"
        )
    return told


def _width(names: Sequence[str], spreads: NDArray[np.float64], usual: NDArray[np.float64], shifted: bool) -> str:
    """The column in which a component is much wider than all rows; or narrower, where it has no other mark."""
    ratios = np.divide(spreads, usual, out=np.ones(len(spreads)), where=usual > 0)
    j = int(ratios.argmax() if ratios.max() >= _WIDE or shifted else ratios.argmin())
    if _NARROW <= ratios[j] < _WIDE or (shifted and ratios[j] < _WIDE):
        return ""
    how = "widely" if ratios[j] >= _WIDE else "narrowly"
    return (
        f"It is {how} spread in {names[j]} (standard deviation {measured(spreads[j], usual[j])} against "
        f"{measured(usual[j], usual[j])})"
    )


def _listed(parts: Sequence[str]) -> str:
    text = _and(parts)
    return text[0].upper() + text[1:]


def _and(words: Sequence[str]) -> str:
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), words[-1]])
