"""Sentences that interpret numbers; independent of the page and its templates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.criteria import title
from gmm._selection.grid import text_of
from gmm._text.amounts import counted, form_of, percent, with_minus
from gmm._values.covariance import COMMON, IDENTITY, CovarianceModel
from gmm._values.tails import Tails

_NAMED = 3  # at most this many columns are named in a sentence
_DIFFERENT, _MUCH = 0.25, 1.75  # differences of a mean, in standard deviations of all groups together
_CORRELATED = 0.1
_OPEN = 2.0  # smaller differences of a criterion are inconclusive
_WITH_SCALE = ("bic", "aic", "aicc")  # criteria with an agreed scale of differences
_MOST_DECIMALS = 9
COLLAPSED = "a group lies on so few rows, or on rows so alike, that it does not outlive a change of the rows"
INSIDE = {"noise": " outside the noise", "left out": " not left out"}
_SEPARATION = ((0.5, "overlap heavily"), (0.8, "overlap"), (0.97, "are mostly separated"))  # by shares of sure rows
_BURNHAM = "have substantial support, those beyond 10 essentially none (Burnham & Anderson 2002)."
SCALES = {
    "bic": "BIC weighs how well a mixture fits against how many numbers it needs. "
    "A difference in BIC below 2 is barely worth mentioning; 2 to 6 is positive evidence, 6 to 10 strong, above "
    "10 very strong (Kass & Raftery 1995).",
    "aic": f"Models within 2 of the smallest AIC {_BURNHAM} AIC tends to choose more groups than BIC.",
    "aicc": f"Models within 2 of the smallest AICc {_BURNHAM} AICc is AIC corrected for few rows.",
    "icl": "ICL is BIC with a penalty for overlapping groups. There is no agreed scale for its differences.",
    "held_out": "Held-out deviance is −2 log-likelihood of rows that the mixture has not seen: how well it predicts. "
    "There is no agreed scale for its differences, which vary with the folds.",
    "nec": "NEC weighs the overlap of the groups against what they explain; below 1, there are groups.",
}


def summary_sentence(n_components: int, tried: Sequence[int], n_rows: int, names: Sequence[str]) -> str:
    """Say how many groups describe which rows; "as requested" if only one number was tried."""
    request = ", as requested," if len(set(tried)) == 1 else ""
    verb = "describes" if n_components == 1 else "describe"
    columns = counted(len(names), "column") if len(names) > _NAMED else _and(names)
    return f"{counted(n_components, 'group')}{request} {verb} {counted(n_rows, 'row')} of {columns}."


def empty_sentence(n_components: int, n_empty: int, expected: float, unit: str) -> str:
    """Say what a variational fit began with, and what its empty components expect; `unit` is rows in the plural."""
    little = f"{expected:.2g}" if expected >= 1e-3 else "less than 0.001"
    empty = f"{n_empty} empty, with {little} expected {unit} in all" if n_empty else "none empty"
    return f"The fit began with {counted(n_components, 'component')} and left {empty}."


def compared_sentence(n_ranked: int, n_cells: int, tried: Sequence[int], n_types: int) -> str:
    """Say how many of the requested mixtures were fitted and compared."""
    many = counted(n_cells, "mixture") if n_ranked == n_cells else f"{n_ranked:,} of {counted(n_cells, 'mixture')}"
    in_turn = len(tried) > 1 and list(tried) == list(range(tried[0], tried[-1] + 1))
    numbers = f"{tried[0]} to {tried[-1]}" if in_turn else ", ".join(map(str, tried))
    return f"Compared: {many}, by groups ({numbers}) and {counted(n_types, 'covariance model')}."


def ranking_caption(criterion: str, *, infinite: bool) -> str:
    """Return the caption of the table of the best mixtures, which explains its headings."""
    caption = (
        f"The best by {criterion} (loglik: log-likelihood in nats; df: free parameters; Δ: distance from the best). "
        "Smaller is better, except for the log-likelihood."
    )
    return f"{caption} AICc is infinite (∞) where there are about as many parameters as rows." if infinite else caption


def correlation_sentence(
    names: Sequence[str], strongest: tuple[int, int, float] | None, where: str = "Within the group,"
) -> str:
    """Say which two columns are most strongly correlated; empty if `strongest` is None."""
    if strongest is None:
        return ""
    i, j, value = strongest
    signed = with_minus(f"{round(value, 2) + 0.0:+.2f}")  # never -0.00
    if abs(value) < _CORRELATED:
        return f"{where} no two columns are correlated (strongest correlation {signed})."
    change = f"{names[i]} and {names[j]} rise together" if value > 0 else f"{names[i]} falls as {names[j]} rises"
    return f"{where} {change} (correlation {signed})."


def covariance_sentence(model: CovarianceModel, n_components: int, n_columns: int) -> str:
    """Describe the shapes of groups under a covariance model."""
    one, many = n_components == 1, n_columns > 2
    if n_columns == 1:
        return "one variance for all" if one or model.common else "a separate variance for each"
    round_, long = ("sphere", "ellipsoid") if many else ("circle", "ellipse")
    axes = ", with axes along the columns" if model.orientation == IDENTITY else ""
    if model.n_factors:
        shapes = f"an {long}" if one else f"{long}s, each"
        beside = "noise that is the same in all columns" if model.of_scaled_columns is not model else "noise"
        return f"{shapes} of {counted(model.n_factors, 'factor')} and {beside}"
    if one:
        return f"a {round_}" if model.shape == IDENTITY else f"an {long}{axes}"
    if model.shape == IDENTITY:
        return f"{round_}s of {'equal' if model.volume == COMMON else 'different'} size"
    letters = {"volume": model.volume, "shape": model.shape, "orientation": model.orientation}
    equal = [what for what, letter in letters.items() if letter == COMMON]
    different = [what for what, letter in letters.items() if letter not in (COMMON, IDENTITY)]
    parts = [f"of {how} {_and(whats)}" for how, whats in (("equal", equal), ("different", different)) if whats]
    return f"{long}s {' and '.join(parts)}{axes}"


def tails_sentence(tails: Tails) -> str:
    """Say how heavy the tails of the groups are; empty if they are normal."""
    heavy = f"Their tails are those of {tails.kind} distributions with {tails.text}: heavier"
    return f"{heavy} than normal ones, so that rows far away count little." if tails else ""


def runner_up_sentence(criterion: str, rivals: Sequence[tuple[int, str, float]]) -> str:
    """Say how close the next best cells are; empty if there are none.

    `rivals` are (n_components, covariance model, distance to the best), best first.
    """
    if not rivals:
        return ""
    K, name, distance = rivals[0]
    near = sum(distance < _OPEN for *_, distance in rivals) if criterion in _WITH_SCALE else 0
    within = f" In all, {near:,} mixtures are within {_OPEN:g} of the best {title(criterion)}: too close to decide."
    others = within if near > 1 else ""
    return f"The runner-up, {counted(K, 'group')} with {name}, is {text_of(criterion, distance)} behind.{others}"


def rival_sentence(criterion: str, n_components: int, rivals: Sequence[tuple[int, str, float]]) -> str:
    """Say which other number of groups fits almost as well; empty if none does or the criterion has no scale."""
    others = [(K, distance) for K, _, distance in rivals if n_components != K and distance < _OPEN]
    if not others or criterion not in _WITH_SCALE:
        return ""
    K = others[0][0]
    return f"{counted(K, 'group')} {'fits' if K == 1 else 'fit'} almost as well: how many there are is not certain."


def component_sentences(
    names: Sequence[str],
    means: NDArray[np.float64],
    overall: tuple[NDArray[np.float64], NDArray[np.float64]],
    strongest: tuple[int, int, float] | None,
) -> list[str]:
    """Compare a component with the means and standard deviations of all together, in one or two sentences."""
    centre, scale = overall
    scores, phrases = np.divide(means - centre, scale, out=np.zeros(len(means)), where=scale > 0), []
    for j in np.argsort(-np.abs(scores), kind="stable")[:_NAMED]:
        size = abs(scores[j])
        if size >= _DIFFERENT:
            degree = "much " if size >= _MUCH else ""
            value, usual = format_value(means[j], scale[j]), format_value(centre[j], scale[j])
            more = "higher" if scores[j] > 0 else "lower"
            phrases.append(f"{degree}{more} {names[j]} ({value} against {usual})")
    first = _and(phrases) if phrases else "its means are close to those of all groups"
    return [f"{first[0].upper()}{first[1:]}.", *filter(None, [correlation_sentence(names, strongest)])]


def shared_sentence(names: Sequence[str], strongest: Sequence[tuple[int, int, float] | None]) -> str:
    """Say which columns are most strongly correlated in every group; empty where groups differ."""
    same = len({each and (*each[:2], round(each[2], 2)) for each in strongest}) == 1
    return correlation_sentence(names, strongest[0], "In every group,") if same else ""


def certainty_sentence(n_uncertain: int, n_rows: int, limit: float, which: str = "") -> str:
    """Say for how many rows no group reaches a probability of `limit`; `which` rows these are goes behind the word."""
    if n_uncertain == 0:
        return f"Every row{which} belongs to its group with a probability of at least {percent(limit, 0)}."
    return (
        f"For {n_uncertain:,} of {counted(n_rows, 'row')}{which} ({format_share(n_uncertain / n_rows)}), no group "
        f"reaches a probability of {percent(limit, 0)}: treat these labels with caution."
    )


def separation_sentence(n_uncertain: int, n_rows: int, n_clusters: int | None = None) -> str:
    """Say how well the groups are separated, and how many clusters the overlapping ones make."""
    joined = "" if n_clusters is None else f" Joined where they overlap, they make {counted(n_clusters, 'cluster')}."
    return f"They {_separation(n_uncertain, n_rows)}.{joined}"


def headline_numbers(
    counts: NDArray[np.int64],
    n_uncertain: int,
    *,
    outside: str = "noise",
    n_outside: int = 0,
    n_clusters: int | None = None,
) -> dict[str, str]:
    """Return what a page says first, in plain words: how many groups, how well apart, how sure their rows are.

    Shares are those of all rows, also of no group; `n_clusters` is their number if overlapping groups are joined.
    """
    n_grouped, several = int(counts.sum()), len(counts) > 1
    n_rows = n_grouped + n_outside
    numbers = {"groups" if several else "group": f"{len(counts)}"}
    if n_clusters is not None:
        numbers["clusters of overlapping groups"] = f"{n_clusters}"
    if several and n_grouped:
        numbers |= {
            "the groups": _separation(n_uncertain, n_grouped),
            "rows clearly of one group": format_share((n_grouped - n_uncertain) / n_rows),
            "rows of the largest group": format_share(counts.max() / n_rows),
        }
    return numbers | ({f"rows of no group ({outside})": format_share(n_outside / n_rows)} if n_outside else {})


def _separation(n_uncertain: int, n_rows: int) -> str:
    share = 1 - n_uncertain / n_rows
    return next((words for limit, words in _SEPARATION if share < limit), "are well separated")


def outside_sentence(outside: str, n_outside: int, n_rows: int) -> str:
    """Say how many rows belong to no group; empty if none does."""
    belong, are = ("belongs", "is") if n_outside == 1 else ("belong", "are")
    rows = f"{counted(n_outside, 'row')} ({format_share(n_outside / n_rows)})"
    sentences = {
        "noise": f"{rows} {belong} to no group, but to noise that is spread evenly over the box of the rows.",
        "left out": f"{rows} of the least density {are} left out.",
    }
    return sentences[outside] if n_outside else ""


def outside_caption(outside: str, n_outside: int, n_shown: int) -> str:
    """Return the caption of a table of the first rows that belong to no group."""
    which = "The rows" if n_shown == n_outside else f"The first {n_shown} of {n_outside:,} rows"
    of = {"noise": "of the noise", "left out": "left out"}[outside]
    return f"{which} {of}, numbered as in the file, not counting the header."


def agreement_sentence(index: float) -> str:
    """Say how well groups and labels agree."""
    return f"The adjusted Rand index of groups and labels is {index:.4f} (1: identical, 0: by chance)."


def format_share(share: float) -> str:
    """Format a share in per cent with one decimal, or with more if it would wrongly round to 0 or 100."""
    digits = 1
    while 0 < share < 1 and round(100 * share, digits) in (0, 100) and digits < _MOST_DECIMALS:
        digits += 1
    return percent(share, digits)


def format_value(value: float, spread: float) -> str:
    """Format a value with a number of decimals that suits a standard deviation."""
    return with_minus(f"{value:{form_of(spread, abs(value))}}")


def _and(words: Sequence[str]) -> str:
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), words[-1]])
