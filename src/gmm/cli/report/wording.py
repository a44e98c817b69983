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
    """A number in words as far as twelve, then in figures.

    Parameters
    ----------
    n : int

    Returns
    -------
    str
    """
    return _WORDS[n] if 0 <= n < len(_WORDS) else f"{n:,}"


def columns_named(names: Sequence[str]) -> str:
    """Name columns in a sentence, or count them where they are many.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    str
        ``eruptions and waiting``, ``13 columns``.
    """
    return counted(len(names), "column") if len(names) > _NAMED else _and(names)


def found_sentence(n_components: int, tried: Sequence[int], n_rows: int, names: Sequence[str]) -> str:
    """Say in one sentence what was found.

    Parameters
    ----------
    n_components : int
        Of the chosen mixture.
    tried : sequence of int
        The numbers of components that were asked for.
    n_rows : int
    names : sequence of str
        Of the columns.

    Returns
    -------
    str
    """
    rows = f"{counted(n_rows, 'row')} of {columns_named(names)}"
    asked = len(set(tried)) == 1
    if n_components > 1:
        found = f"{number(n_components).capitalize()} groups"
        return f"{found}, as many as asked for, describe {rows}." if asked else f"{found} were found in {rows}."
    if asked:
        return f"One group, as asked for, describes {rows}."
    return f"No division into groups was found in {rows}: one group describes them best."


def range_named(tried: Sequence[int]) -> str:
    """Name the numbers of components that were tried.

    Parameters
    ----------
    tried : sequence of int
        Ascending.

    Returns
    -------
    str
        ``1 to 9 groups``.
    """
    if len(tried) == 1:
        return counted(tried[0], "group")
    if len(tried) > 2 and list(tried) == list(range(tried[0], tried[-1] + 1)):
        return f"{tried[0]} to {tried[-1]} groups"
    return f"{', '.join(map(str, tried[:-1]))} or {tried[-1]} groups"


def compared_sentence(n_ranked: int, n_cells: int, tried: Sequence[int], n_types: int) -> str:
    """Say among how many mixtures there was a choice: those that were fitted, of all cells of the search."""
    many = counted(n_cells, "mixture") if n_ranked == n_cells else f"{n_ranked:,} of {counted(n_cells, 'mixture')}"
    were = "was" if n_ranked == 1 else "were"
    return f"{many} {were} compared, {range_named(tried)} with {counted(n_types, 'covariance model')}."


def ranking_caption(criterion: str, n_listed: int, *, infinite: bool) -> str:
    """Say what the list of the best mixtures holds, and what its headings mean."""
    many = f"{number(n_listed)} " if n_listed > 1 else ""
    caption = (
        f"The {many}best by {criterion} (loglik: log-likelihood in nats; df: free parameters; Δ: behind the best). "
        "Smaller is better, but for the log-likelihood."
    )
    if infinite:
        caption += " AICc is infinite (∞) where there are as many parameters as rows, or nearly."
    return caption


def together_sentence(names: Sequence[str], strongest: tuple[int, int, float] | None, where: str = "Within it") -> str:
    """Say which columns go together most.

    Parameters
    ----------
    names : sequence of str
    strongest : tuple (int, int, float) or None
        Two columns and their correlation.
    where : str

    Returns
    -------
    str
        Empty where there is no correlation to speak of.
    """
    if strongest is None:
        return ""
    i, j = strongest[:2]
    value = round(strongest[2], 2) + 0.0  # never -0.00
    if abs(value) < _CORRELATED:
        return f"{where} no two columns go together (strongest correlation {value:+.2f})."
    closely = "closely " if abs(value) >= _CLOSELY else ""
    if value > 0:
        return f"{where} {names[i]} and {names[j]} rise {closely}together (correlation {value:+.2f})."
    closely = ", closely" if closely else ""
    return f"{where} {names[i]} and {names[j]} move in opposite directions{closely} (correlation {value:+.2f})."


def covariance_sentence(model: CovarianceModel, n_components: int, n_columns: int) -> str:
    """Say what a covariance model lets the groups look like.

    Parameters
    ----------
    model : CovarianceModel
    n_components, n_columns : int

    Returns
    -------
    str
    """
    one = n_components == 1
    if n_columns == 1:
        return "one variance" if one else ("one variance for all" if model.common else "a variance of its own for each")
    round_, long = ("circle", "ellipse") if n_columns == 2 else ("sphere", "ellipsoid")
    if one:
        turned = "with axes along the columns" if model.orientation == _IDENTITY else "turned freely"
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
    """How strong the evidence of a difference of BIC is (Kass & Raftery 1995).

    Parameters
    ----------
    difference : float
        How much larger the other's BIC is.

    Returns
    -------
    str
    """
    steps = ((_OPEN, "hardly worth a mention"), (6.0, "positive"), (10.0, "strong"))
    return next((word for limit, word in steps if difference < limit), "very strong")


def scale_sentence(criterion: str) -> str:
    """What a difference of a criterion means.

    Parameters
    ----------
    criterion : str
        A name of `gmm.estimators.criteria.CRITERIA`.

    Returns
    -------
    str
    """
    return {
        "bic": "A difference of BIC below 2 is hardly worth a mention, 2 to 6 is positive evidence, 6 to 10 strong, "
        "above 10 very strong (Kass & Raftery 1995).",
        "aic": "Models within 2 of the smallest AIC have much support, beyond 10 hardly any (Burnham & Anderson 2002). "
        "AIC chooses more groups than BIC does, as it aims at prediction.",
        "aicc": "Models within 2 of the smallest AICc have much support, beyond 10 hardly any (Burnham & Anderson "
        "2002). AICc is AIC corrected for few rows.",
        "icl": "ICL is BIC with a penalty for groups that overlap. Its differences have no agreed scale; one below 2 "
        "decides nothing.",
        "nec": "NEC weighs the overlap of the groups against what they explain; below 1 there are groups. Its "
        "differences have no agreed scale.",
    }[criterion]


def runner_up_sentence(criterion: str, rivals: Sequence[tuple[int, str, float]]) -> str:
    """How close the next best come.

    Parameters
    ----------
    criterion : str
        A name of `gmm.estimators.criteria.CRITERIA`.
    rivals : sequence of (int, str, float)
        Components, covariance model and distance to the best of the cells after it, the nearest first.

    Returns
    -------
    str
        Empty where there are none.
    """
    if not rivals:
        return ""
    K, name, distance = rivals[0]
    told = f"The next best, {counted(K, 'group')} with {name}, is {written(criterion, distance)} behind"
    if criterion == "bic":
        word = evidence(distance)
        told += f", which is {word}{'' if distance < _OPEN else ' evidence for the chosen one'}"
    near = sum(distance < _OPEN for *_, distance in rivals) if criterion in _SCALED else 0
    if near > 1:
        best = title(criterion)
        return f"{told}. {number(near).capitalize()} others are within 2 of the best {best}: the choice is open."
    return f"{told}."


def component_sentences(
    names: Sequence[str],
    means: NDArray[np.float64],
    spreads: NDArray[np.float64],
    whole: tuple[NDArray[np.float64], NDArray[np.float64]],
    strongest: tuple[int, int, float] | None,
) -> list[str]:
    """Describe a component against all rows: what it has more or less of, its width, its strongest correlation.

    Parameters
    ----------
    names : sequence of str, length d
    means, spreads : ndarray of float64, shape (d,)
        Means and standard deviations of the component.
    whole : tuple of two ndarray of float64, shape (d,)
        Means and standard deviations of all rows.
    strongest : tuple (int, int, float) or None
        Two columns and their correlation within the component.

    Returns
    -------
    list of str
        One to three sentences.
    """
    differences = _differences(names, means, whole)
    width = _width(names, spreads, whole[1], bool(differences))
    same = "Its mean is close to that of all rows." if len(names) == 1 else "Its means are close to those of all rows."
    told = [f"{_listed(differences)}." if differences else same]
    told += [f"{width}."] if width else []
    return [*told, *filter(None, [together_sentence(names, strongest)])]


def certainty_sentence(n_uncertain: int, n_rows: int, limit: float) -> str:
    """Say how many rows belong to no group for certain.

    Parameters
    ----------
    n_uncertain, n_rows : int
    limit : float
        The probability from which on a row counts as certain.

    Returns
    -------
    str
    """
    if n_uncertain == 0:
        return f"Every row belongs to its group with a probability of {percent(limit, 0)} or more."
    they, labels = ("it lies", "label") if n_uncertain == 1 else ("they lie", "labels")
    return (
        f"For {n_uncertain:,} of {counted(n_rows, 'row')} ({share(n_uncertain / n_rows)}) no group reaches a "
        f"probability of {percent(limit, 0)}: {they} where groups overlap, so read the {labels} of "
        f"{'this row' if n_uncertain == 1 else 'these rows'} with care."
    )


def uncertain_caption(n_listed: int) -> str:
    """Say which rows the list of uncertain ones holds."""
    rows = "row, by its" if n_listed == 1 else "rows, by their"
    many = "" if n_listed == 1 else f"{number(n_listed)} "
    return f"The {many}least certain {rows} number in the file, without its header."


def trust_sentence(n_uncertain: int, n_rows: int, limit: float) -> str:
    """Say how well groups are told apart; no share is rounded to all or nothing.

    Parameters
    ----------
    n_uncertain, n_rows : int
    limit : float
        The probability from which on a row counts as certain.

    Returns
    -------
    str
    """
    n_sure = n_rows - n_uncertain
    sure = n_sure / n_rows
    steps = ((0.5, "They overlap much: only"), (0.8, "They overlap:"), (0.97, "They are mostly apart:"))
    how = next((word for limit, word in steps if sure < limit), "They are well apart:")
    belong = "belongs" if min(n_sure, n_uncertain) == 0 or n_sure == 1 else "belong"
    if n_sure == 0:
        how, who = "They overlap much:", "no row"
    elif n_uncertain == 0:
        who = "every row"
    elif sure >= _NEARLY:
        who = f"all but {n_uncertain:,} of {counted(n_rows, 'row')}"
    elif sure < 1 - _NEARLY:
        who = f"{n_sure:,} of {counted(n_rows, 'row')}"
    else:
        who = f"{percent(sure, 0)} of the rows"
    return f"{how} {who} {belong} to one of them with a probability of {percent(limit, 0)} or more."


def share(part: float) -> str:
    """A share in per cent with one decimal, and more where it would be 0 or 100 without being so.

    Parameters
    ----------
    part : float
        From 0 to 1.

    Returns
    -------
    str
    """
    shown = 1
    while 0 < part < 1 and round(100 * part, shown) in (0, 100) and shown < _MOST_DECIMALS:
        shown += 1
    return percent(part, shown)


def rival_sentence(criterion: str, n_components: int, rivals: Sequence[tuple[int, str, float]]) -> str:
    """Warn where another number of groups does almost as well.

    Parameters
    ----------
    criterion : str
        A name of `gmm.estimators.criteria.CRITERIA`.
    n_components : int
        Of the best.
    rivals : sequence of (int, str, float)
        Components, covariance model and distance to the best of the cells after it, the nearest first.

    Returns
    -------
    str
        Empty where none is close, or closeness has no scale.
    """
    if criterion not in _SCALED:
        return ""
    others = [(K, distance) for K, _, distance in rivals if n_components != K and distance < _OPEN]
    if not others:
        return ""
    K, distance = others[0]
    groups = f"{number(K).capitalize()} {'group describes' if K == 1 else 'groups describe'}"
    return f"{groups} them almost as well ({title(criterion)} {written(criterion, distance)} behind)."


def agreement_sentence(index: float) -> str:
    """Say what an adjusted Rand index means.

    Parameters
    ----------
    index : float

    Returns
    -------
    str
    """
    steps = ((0.1, "no better than by chance"), (0.5, "weakly"), (0.8, "in part"), (0.95, "closely"))
    how = next((word for limit, word in steps if index < limit), "almost exactly")
    if index >= 1.0:
        how = "exactly"
    return (
        f"Groups and labels agree {how}: the adjusted Rand index is {index:.4f}, where 1 is the same partition and 0 "
        "is chance."
    )


def measured(value: float, spread: float) -> str:
    """Write a value with decimals that suit a spread.

    Parameters
    ----------
    value, spread : float

    Returns
    -------
    str
    """
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
    how = "wide" if ratios[j] >= _WIDE else "narrow"
    return (
        f"It is {how} in {names[j]} (standard deviation {measured(spreads[j], usual[j])} against "
        f"{measured(usual[j], usual[j])})"
    )


def _listed(parts: Sequence[str]) -> str:
    text = _and(parts)
    return text[0].upper() + text[1:]


def _and(words: Sequence[str]) -> str:
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), words[-1]])
