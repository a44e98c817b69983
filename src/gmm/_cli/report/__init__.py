"""The HTML report of a fit: one file that includes its pictures, for readers who did not run the fit.

Tables, pictures and sentences are made here, and put into `templates/`, which hold the layout and the glossary. What
differs between a search and a variational fit is in a subclass of `Report`.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import re
import shlex
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from gmm import BayesianGaussianMixture, GaussianMixture, __version__, plotting
from gmm._cli.arguments import IN_PYTHON, in_options
from gmm._cli.outcome import SURE, MixtureOutcome, Posterior, Result
from gmm._cli.show import Correlation, clusters_sentence
from gmm._text.html import Html, details, escaped, joined, line, style
from gmm._text.table import LABEL, Cell, Column, Table
from gmm._text.words import counted, form_of, omissions, percent, quoted, real_spread, span, with_minus
from gmm.analysis import overlap
from gmm.inference import standard_errors

_PACKAGES = ("numpy", "scipy", "pyarrow", "matplotlib")


def provenance(options: argparse.Namespace) -> dict[str, object]:
    """Return what is needed to reproduce a result: the file, its hash, the versions and the machine, by their names."""
    size, digest = "unknown", "unknown: the data came through a pipe"
    path: Any = files("gmm") / "data" / "faithful.csv" if options.file is None else Path(options.file)
    if path.is_file():  # a pipe can be read only once
        with path.open("rb") as file:
            digest = Html(f"<code>{hashlib.file_digest(file, 'sha256').hexdigest()}</code>")
            size = f"{file.tell():,} bytes"
    versions = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    return {
        "data": "standard input" if options.file == "-" else path.name,
        "size": size,
        "SHA-256": digest,
        "seed": options.random_state,
        "versions": f"gmm-em {__version__}, {versions}, Python {platform.python_version()}",
        "machine": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


# HTML forbids these characters, and surrogates.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
_NEGATIVE = re.compile(r'(?<=gmm-number">)-(?=[\d.])')  # at the start of a cell of a table
_COLOUR = re.compile(r"var\(--on-([0-9a-f]{6})")
_OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*(=\S*\w)?")
_LIGHT, _GREY = 190, 24  # a light grey: the minimum of its RGB values, and their largest difference
_FAINT_ON_DARK = "#39424c"
_VISIBLE = 0.22  # luminance, for a contrast above 4:1 on the dark background

Array: TypeAlias = NDArray[np.float64]
_Section: TypeAlias = tuple[str, str, Sequence[object]]
_TEMPLATES = Environment(
    loader=PackageLoader("gmm._cli.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def keys(values: Mapping[str, object]) -> Html:
    """Return a list of names and their values."""
    items = (f"<dt>{escaped(name)}</dt><dd>{escaped(value)}</dd>" for name, value in values.items())
    return Html(f'<dl class="keys">{"".join(items)}</dl>')


def notice(texts: Sequence[str]) -> Html:
    """Return a framed list of texts, with options of the command line as code; empty if there are none."""
    items = [_OPTION.sub(r"<code>\g<0></code>", escaped(text)) for text in texts]
    return Html(f'<div class="notice"><ul>{"".join(f"<li>{item}</li>" for item in items)}</ul></div>' * bool(items))


def render(template: str, **values: object) -> Html:
    """Render a template; text values are escaped, `Html` values are not. Numbers in tables get minus signs.

    Raises
    ------
    jinja2.UndefinedError
        If the template uses a value that was not given.
    """
    return Html(_NEGATIVE.sub("\N{MINUS SIGN}", _TEMPLATES.get_template(f"{template}.html").render(values)))


def _for_dark(colour: str) -> str:
    """Lighten a colour until it is visible on dark; light greys, which are faint on white, become faint on dark."""
    parts = np.array([int(colour[i : i + 2], 16) for i in (0, 2, 4)])
    if parts.min() > _LIGHT and np.ptp(parts) < _GREY:
        return _FAINT_ON_DARK
    mixed = (np.rint(parts + share * (255 - parts)).astype(int) for share in np.linspace(0, 1, 21))
    return "#" + "".join(f"{part:02x}" for part in next(each for each in mixed if _luminance(each) >= _VISIBLE))


def _luminance(parts: NDArray[Any]) -> float:
    """Relative luminance as defined by WCAG 2, from 0 to 1."""
    linear = np.where(parts <= 10, parts / (255 * 12.92), ((parts / 255 + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def figure(svg: Html, caption: str) -> Html:
    """Return a picture and the caption below it."""
    caption = f"<figcaption>{escaped(caption)}</figcaption>"
    return Html(f'<figure><div class="view">{svg}</div>{caption}</figure>')


def _picture(name: str, caption: str, plot: Callable[..., Any], *arguments: object) -> Html:
    """Draw a picture, which has a name, of something."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the browser's fonts have glyphs that matplotlib's lack
        svg = plotting.inline_svg(plot(*arguments), name, escaped(caption.partition(".")[0]))
    return figure(Html(svg), caption)


def _clusters_caption(d: int, K: int) -> str:
    if d == 1:
        return "The values, the density of each group and their sum. The bars show the share of rows in each bin."
    subject = "The rows and the groups" if K > 1 else "The rows and the group"
    if d > 2:
        what = "groups" if K > 1 else "rows"
        subject += (
            f", projected onto the plane in which the {what} differ most; each axis combines several columns, mostly "
            "those that it names, with + if they grow along it and − if they fall"
        )
    mixed = " The colour of a row mixes the colours of the groups by their probabilities." if K > 1 else ""
    return f"{subject}.{mixed} The inner ellipse contains 50 % of {'a' if K > 1 else 'the'} group, the outer one 95 %."


_MOST_PAIRS = 5  # columns in the grid of pairs
_NAMED = 3  # at most this many columns are named in a sentence
_DIFFERENT, _MUCH = 0.25, 1.75  # differences of a mean, in standard deviations of all groups together
_CORRELATED = 0.1
_EQUAL, _IDENTITY = "E", "I"  # letters of covariance models
_OPEN = 2.0  # smaller differences of a criterion are inconclusive
_MOST_DECIMALS = 9
COLLAPSED = "a group lies on so few rows, or on rows so alike, that small changes of the rows could remove it"
_SEPARATION = ((0.5, "overlap heavily"), (0.8, "overlap"), (0.97, "are mostly separated"))  # by shares of sure rows


def summary_sentence(n_components: int, tried: Sequence[int], n_rows: int, names: Sequence[str]) -> str:
    """Return a sentence on how many groups describe which rows; "as requested" if only one number was tried."""
    request = ", as requested," if len(set(tried)) == 1 else ""
    verb = "describes" if n_components == 1 else "describe"
    columns = counted(len(names), "column") if len(names) > _NAMED else _and(names)
    return f"{counted(n_components, 'group')}{request} {verb} {counted(n_rows, 'row')} of {columns}."


def empty_sentence(n_components: int, n_empty: int, expected: float, unit: str) -> str:
    """Return a sentence on the components of a variational fit; `unit` is rows in the plural."""
    little = f"{expected:.2g}" if expected >= 1e-3 else "less than 0.001"
    empty = f"{n_empty} empty, with {little} expected {unit} in all" if n_empty else "none empty"
    return f"The fit began with {counted(n_components, 'component')} and left {empty}."


def compared_sentence(n_ranked: int, n_cells: int, tried: Sequence[int], n_types: int) -> str:
    """Return a sentence on how many of the requested mixtures were fitted and compared."""
    many = counted(n_cells, "mixture") if n_ranked == n_cells else f"{n_ranked:,} of {counted(n_cells, 'mixture')}"
    return f"Compared: {many}, by groups ({span(tried)}) and {counted(n_types, 'covariance model')}."


def correlation_sentence(names: Sequence[str], strongest: Correlation | None, scope: str = "Within the group,") -> str:
    """Return a sentence on which two columns are most strongly correlated; empty if `strongest` is None."""
    if strongest is None:
        return ""
    i, j, value = strongest
    signed = with_minus(f"{round(value, 2) + 0.0:+.2f}")  # never -0.00
    if abs(value) < _CORRELATED:
        return f"{scope} no two columns are correlated (strongest correlation {signed})."
    change = f"{names[i]} and {names[j]} rise together" if value > 0 else f"{names[i]} falls as {names[j]} rises"
    return f"{scope} {change} (correlation {signed})."


def covariance_sentence(model: Any, n_components: int, n_columns: int) -> str:
    """Describe the shapes of groups under a covariance model."""
    one, many = n_components == 1, n_columns > 2
    if n_columns == 1:
        return "one variance for all" if one or model.common else "a separate variance for each"
    round_, long = ("sphere", "ellipsoid") if many else ("circle", "ellipse")
    axes = ", with axes along the columns" if model.orientation == _IDENTITY else ""
    if model.n_factors:
        shapes = f"an {long}" if one else f"{long}s, each"
        noise = "noise that is the same in all columns" if model.for_scaled_columns is not model else "noise"
        return f"{shapes} of {counted(model.n_factors, 'factor')} and {noise}"
    if one:
        return f"a {round_}" if model.shape == _IDENTITY else f"an {long}{axes}"
    if model.shape == _IDENTITY:
        return f"{round_}s of {'equal' if model.volume == _EQUAL else 'different'} size"
    letters = {"volume": model.volume, "shape": model.shape, "orientation": model.orientation}
    equal = [what for what, letter in letters.items() if letter == _EQUAL]
    different = [what for what, letter in letters.items() if letter not in (_EQUAL, _IDENTITY)]
    parts = [
        f"of {settings} {_and(whats)}" for settings, whats in (("equal", equal), ("different", different)) if whats
    ]
    return f"{long}s {' and '.join(parts)}{axes}"


def runner_up_sentence(criterion: str, rivals: Sequence[tuple[int, str, float]]) -> str:
    """Return a sentence on how close the next best cells are; empty if there are none.

    `rivals` are (n_components, covariance model, distance to the best), best first.
    """
    if not rivals:
        return ""
    (K, name, distance), chosen_by = rivals[0], IN_PYTHON.criteria[criterion]
    near = sum(distance < _OPEN for *_, distance in rivals) if chosen_by.has_scale else 0
    within = f" In all, {near:,} mixtures are within {_OPEN:g} of the best {chosen_by.title}: too close to decide."
    others, gap = within if near > 1 else "", with_minus(chosen_by.text(distance))
    return f"The runner-up, {counted(K, 'group')} with {name}, is {gap} behind.{others}"


def rival_sentence(criterion: str, n_components: int, rivals: Sequence[tuple[int, str, float]]) -> str:
    """Return a sentence on another number of groups that fits almost as well; empty if there is none, or no scale."""
    others = [(K, distance) for K, _, distance in rivals if n_components != K and distance < _OPEN]
    if not others or not IN_PYTHON.criteria[criterion].has_scale:
        return ""
    K = others[0][0]
    return f"{counted(K, 'group')} {'fits' if K == 1 else 'fit'} almost as well: how many there are is not certain."


def component_sentences(
    names: Sequence[str], means: Array, overall: tuple[Array, Array], strongest: Correlation | None
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
    return [_sentence(first), *filter(None, [correlation_sentence(names, strongest)])]


def shared_sentence(names: Sequence[str], strongest: Sequence[Correlation | None]) -> str:
    """Return a sentence on which columns are most strongly correlated in every group; empty where groups differ."""
    same = len({each and (*each[:2], round(each[2], 2)) for each in strongest}) == 1
    return correlation_sentence(names, strongest[0], "In every group,") if same else ""


def certainty_sentence(result: MixtureOutcome) -> str:
    """Return a sentence on the rows whose labels are not sure."""
    n, limit = int(result.counts.sum()), percent(SURE, 0)
    scope = " outside the noise" if result.n_noise else ""
    if result.n_uncertain == 0:
        return f"Every row{scope} belongs to its group with a probability of at least {limit}."
    return (
        f"For {result.n_uncertain:,} of {counted(n, 'row')}{scope} ({format_share(result.n_uncertain / n)}), no group "
        f"reaches a probability of {limit}: treat these labels with caution."
    )


def separation_sentence(result: MixtureOutcome) -> str:
    """Return sentences on how well the groups are separated, and how many clusters the overlapping ones make."""
    n = result.n_clusters
    joined = "" if n is None else f" Joined where they overlap, they make {counted(n, 'cluster')}."
    return f"They {_separation(result)}.{joined}"


def headline_numbers(result: MixtureOutcome) -> dict[str, str]:
    """Return the first sentences of a page, in plain words: how many groups, how well apart, how sure their rows are.

    Shares are those of all rows, also of no group.
    """
    counts, n_noise = result.counts[result.shown], result.n_noise
    n_grouped, n_rows, several = int(counts.sum()), int(counts.sum()) + n_noise, len(counts) > 1
    numbers = {"groups" if several else "group": f"{len(counts)}"}
    if result.n_clusters is not None:
        numbers["clusters of overlapping groups"] = f"{result.n_clusters}"
    if several and n_grouped:
        numbers |= {
            "the groups": _separation(result),
            "rows clearly of one group": format_share((n_grouped - result.n_uncertain) / n_rows),
            "rows of the largest group": format_share(counts.max() / n_rows),
        }
    return numbers | ({"rows of no group (noise)": format_share(n_noise / n_rows)} if n_noise else {})


def _separation(result: MixtureOutcome) -> str:
    share = 1 - result.n_uncertain / result.counts.sum()
    return next((words for limit, words in _SEPARATION if share < limit), "are well separated")


def noise_sentence(result: MixtureOutcome) -> str:
    """Return a sentence on how many rows belong to no group; empty if none does."""
    n = result.n_noise
    rows = f"{counted(n, 'row')} ({format_share(n / result.rows.n_rows)}) {'belongs' if n == 1 else 'belong'}"
    return f"{rows} to no group, but to noise that is spread evenly over the box of the rows." if n else ""


def format_share(share: float) -> str:
    """Format a share in per cent with one decimal, or with more if it would wrongly round to 0 or 100."""
    digits = 1
    while 0 < share < 1 and round(100 * share, digits) in (0, 100) and digits < _MOST_DECIMALS:
        digits += 1
    return percent(share, digits)


def format_value(value: float, spread: float) -> str:
    """Format a value with a number of decimals that suits a standard deviation."""
    return with_minus(f"{value:{form_of(spread, abs(value))}}")


def _is_doubt(note: str) -> bool:
    """Return whether a note on the rows may question the groups."""
    return getattr(note, "kind", "") in ("long tail", "error value")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _and(words: Sequence[str]) -> str:
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), words[-1]])


def _mean_and_spread(mean: float, spread: float, scale: float) -> str:
    spread = real_spread(spread, mean)
    if float(f"{spread:{form_of(scale, abs(mean))}}") == 0:  # a group far away makes the scale large
        scale = spread
    return f"{format_value(mean, scale)} ± {format_value(spread, scale)}"


def _with_interval(value: float, low: float, high: float) -> str:
    width = 5 * (high - low)  # of which the interval shows two digits or so
    mean, least, most = (format_value(float(number), width) for number in (value, low, high))
    return f"{mean} ({least} to {most})"


_QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def column_statistics(X: NDArray[np.floating], weights: Array | None) -> Array:
    """Return minimum, quartiles, maximum, mean and standard deviation of columns, weighted if the rows are.

    Parameters
    ----------
    X : ndarray of float, shape (n, d)
        NaN where a value is missing.
    weights : ndarray of float64, shape (n,), or None
        The standard deviation divides by their sum, or by the number of rows.

    Returns
    -------
    ndarray of float64, shape (d, 7)
    """
    statistics = []
    for column in X.T:
        is_used = ~np.isnan(column) if weights is None else ~np.isnan(column) & (weights > 0)
        values = column[is_used].astype(np.float64)
        used: Any = None if weights is None else weights[is_used]
        mean = np.average(values, weights=used)
        spread = np.sqrt(np.average((values - mean) ** 2, weights=used))
        quantiles = np.quantile(values, _QUARTILES, weights=used, method="linear" if used is None else "inverted_cdf")
        statistics.append([*quantiles, mean, spread])
    return np.array(statistics)


COLUMNS_SHOWN = 60  # in a table of a report
_ROWS_SHOWN = 10
_VALUES_SHOWN = 4
_LABELS_SHOWN = 50
_TOP = 10
_RIVALS = 25  # at most this many cells are compared with the best
_LEVEL = 0.95
_REFITS, _MOST_WORK = 100, 1e6  # multiply-adds of a pass: of more, refits would take longer than some seconds
_PATTERN_WORK = 4e4  # of rows that have the same columns, in addition to their own
_DRAWN = 20_000
_APART = 1e-3  # overlap of two groups that are apart
_COMPARED = (
    "How the means of each group compare with those of the whole mixture, which are the means of all groups by weight."
)
_CREDIBLE = (
    f"A weight or mean lies in its interval with a posterior probability of {100 * _LEVEL:g} %, each taken by itself "
    "and for this division into groups. The variational posterior is narrower than the exact one."
)


class Report:
    """A report of a result, section by section; what depends on the kind of fit is in a subclass.

    Attributes
    ----------
    summary, remark : str
        The first sentence of the opening, and the last, which may be empty.
    warnings : list of str
    chosen : tuple
        The section on why this mixture.
    subject, climb, objective : str
        What has converged; the caption of its passes; what it maximises, and its duration, as sentences.
    terms : {"search", "posterior"}
        Entries of the glossary.
    """

    summary: str
    chosen: _Section
    objective: str
    terms: str
    remark = ""
    subject = "The fit"
    climb = "The log-likelihood per row after each pass of the chosen fit."

    def __init__(self, result: MixtureOutcome) -> None:
        self.result, self.model, self.rows, self.options = result, result.model, result.rows, result.options
        self.names, self.shown, self.several = result.rows.names, result.shown, len(result.shown) > 1
        self.facts, self.spreads = result.facts, result.facts.standard_deviations
        means, weights = np.asarray(self.model.means_, dtype=np.float64), np.asarray(self.model.weights_)
        centre = np.average(means, axis=0, weights=weights)
        variances = np.average(self.spreads**2 + (means - centre) ** 2, axis=0, weights=weights)
        self.overall = centre, np.sqrt(variances)  # of all components together, without noise
        self.strongest = self.facts.strongest_correlations
        self.warnings = [] if result.model.converged_ else [f"The fit had {self.facts.ending}."]

    def _drawn(self, name: str, caption: str, plot: Callable[..., Any], mixture: object) -> Html:
        """Draw a picture of the rows and a mixture."""
        caption = f"{caption} {self.rows.filled_note}".rstrip()
        return _picture(name, caption, plot, mixture, self.rows.source)

    def _overview(self) -> list[Html]:
        """Draw the rows and the groups, in a plane and by pairs of columns."""
        d = len(self.names)
        parts = [self._drawn("clusters", _clusters_caption(d, len(self.shown)), plotting.plot_clusters, self.model)]
        if 2 < d <= _MOST_PAIRS:
            caption = (
                "The rows and the groups for every pair of columns. The diagonal shows the values of one column and "
                "the density of each group."
            )
            parts.append(self._drawn("pairs", caption, partial(plotting.plot_clusters, view="pairs"), self.model))
        return parts

    def document(self, origin: Mapping[str, object]) -> str:
        """Lay out the page, given its `provenance`."""
        result, options, K = self.result, self.options, len(self.shown)
        labelled, weighted = result.agreement is not None, self.rows.weights is not None
        limit = "" if options.time_limit is None else ", unless the time limit stops the search at a different point"
        command = (f"<span>{escaped(shlex.quote(word))}</span>" for word in ("gmm", *options.words))
        again = [
            f"The same command on the same file gives the same numbers, with any number of threads{limit}.",
            Html(f"<pre><code>{' '.join(command)}</code></pre>"),
            keys(origin),
        ]
        terms = render("terms", kind=self.terms, weighted=weighted, labelled=labelled)
        # names, titles and parts: paragraphs as text, what has HTML of its own, and empty ones
        sections: list[_Section] = [
            ("picture", "What it looks like", self._overview()),
            ("groups", "The groups" if self.several else "The group", self._groups()),
            self.chosen,
            ("certainty", "Certainty", self._certainty()),
            ("trust", "How sure the numbers are", self._trust()),
            ("labels", "Groups and labels", self._agreement()),
            ("data", "The data", self._data()),
            ("fit", "Convergence", self._fitting()),
            ("reproduction", "Reproduce this report", again),
            ("terms", "What the terms mean", [terms]),
        ]
        bodies = [
            (section, heading, joined(*(part if hasattr(part, "__html__") else line(part) for part in parts if part)))
            for section, heading, parts in sections
            if parts
        ]
        separation = separation_sentence(result) if self.several and result.n_noise < self.rows.n_rows else ""
        doubts = [_sentence(note) for note in self.rows.notes if _is_doubt(note)]
        name = result.source if options.file is None else origin["data"]
        drawn = set(_COLOUR.findall("".join(body for *_, body in bodies)))
        page = render(
            "page",
            name=name,
            title=f"{name}: {K} {'groups' if self.several else 'group'}",
            sentences=[self.summary, separation, noise_sentence(result), self.remark],
            numbers=headline_numbers(result),
            warnings=notice([*doubts, *self.warnings, *result.warnings]),
            bodies=bodies,
            shared_style=Html(style()),
            on_dark={colour: _for_dark(colour) for colour in sorted(drawn)},
            version=__version__,
            made=origin["made"],
        )
        return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", page)

    def _groups(self) -> list[object]:
        """Describe each group in sentences, and all groups in a table."""
        result, parts = self.result, list[object]()
        strongest = [self.strongest[k] for k in self.shown]
        if self.several:
            shared = shared_sentence(self.names, strongest)
            parts += [f"{_COMPARED} {shared}".rstrip(), self._cards(is_shared=bool(shared))]
        else:
            scope = "Within the group," if result.n_noise else "Over all rows"
            parts.append(correlation_sentence(self.names, strongest[0], scope))
        parts.append(self._table_of_groups())
        if isinstance(self.model, GaussianMixture) and hasattr(self.model, "loadings_"):
            parts.append(self._table_of_loadings(self.model))
        first = np.flatnonzero(result.labels < 0)[:_ROWS_SHOWN]
        extent = "The rows" if len(first) == result.n_noise else f"The first {len(first)} of {result.n_noise:,} rows"
        parts.append(self._table_of_rows(first, f"{extent} of the noise"))
        if result.combined is not None:
            clusters = clusters_sentence(result.combined.clusters(), self.shown, "group")
            caption = "The same rows in the colours of the clusters. The ellipses are those of the groups."
            parts += [clusters, self._drawn("combined", caption, plotting.plot_clusters, result.combined)]
        return parts

    def _cards(self, *, is_shared: bool) -> Html:
        """Render a card of each group, without a correlation that is shared by all."""
        palette = plotting.colours(self.model.n_components)
        codes = ["".join(f"{round(255 * part):02x}" for part in colour) for colour in palette]
        means, counts = np.asarray(self.model.means_, dtype=np.float64), self.result.counts
        cards = [
            {
                "number": k,
                "colour": f"var(--on-{codes[k]}, #{codes[k]})",
                "size": f"{counted(counts[k], 'row')}, {format_share(counts[k] / self.rows.n_rows)}",
                "sentences": component_sentences(
                    self.names, means[k], self.overall, None if is_shared else self.strongest[k]
                ),
            }
            for k in self.shown
        ]
        return render("groups", groups=cards)

    def _by_group(self, first: Sequence[str], columns: Mapping[str, Iterable[object]], caption: str) -> Table:
        """Tabulate groups by their headings: entries of these first names, and one for each column of the data."""
        n = len(first) + COLUMNS_SHOWN
        entries = [Column(heading, list(islice(values, n))) for heading, values in columns.items()]
        notes = omissions(column=len(self.names) - COLUMNS_SHOWN)
        return Table([Column("", [*first, *self.names][:n], LABEL), *entries], caption, notes=notes)

    def _table_of_groups(self) -> Table:
        """Tabulate means and standard deviations of groups, all of them together, and an empty column of noise."""
        model, several, counts, (centre, scale) = self.model, self.several, self.result.counts, self.overall

        def entries(k: int) -> Iterator[object]:
            yield from (f"{model.weights_[k]:.4f}", f"{counts[k]:,}")
            for mean, spread, middle, width in zip(model.means_[k], self.spreads[k], centre, scale, strict=True):
                shade = abs(mean - middle) / width / 2 if width > 0 and several else 0.0
                yield Cell(_mean_and_spread(mean, spread, width), shade=shade)

        columns = {f"group {k}": entries(k) for k in self.shown}
        if several:
            size = f"{sum(model.weights_):.4f}", f"{counts.sum():,}"
            columns["all groups"] = iter([*size, *map(_mean_and_spread, centre, scale, scale)])
        if self.options.noise:
            size = f"{model.noise_weight_:.4f}", f"{self.result.n_noise:,}"
            columns["noise"] = iter([*size, *[""] * len(centre)])
        spread = "scale" if self.facts.tails else "standard deviation"
        caption = f"Mean ± {spread} of each column" + (
            " in each group; the deeper the shade, the further the mean is from that of all groups." if several else "."
        )
        return self._by_group(["weight", "rows"], columns, caption)

    def _table_of_loadings(self, model: GaussianMixture) -> Table:
        """Tabulate loadings and the standard deviations of the noise: a row per column, columns for each group."""
        scales = self.spreads[self.shown].mean(axis=0)
        loadings, noise = model.loadings_, np.sqrt(model.noise_variance_)
        columns = {
            f"{k}: {what}": map(format_value, values, scales)
            for k in self.shown
            for what, values in (*enumerate(loadings[k].T), ("noise ±", noise[k]))
        }
        caption = "Loadings of each group's factors: by how much a column rises with a factor; and the noise."
        return self._by_group([], columns, caption)

    def _table_of_rows(self, chosen: NDArray[np.intp], caption: str, *others: Column) -> Table | str:
        """Tabulate the first values of rows, behind further columns; empty if none is chosen."""
        columns = [Column("row", [self.rows.numbers(i, i + 1)[0] for i in chosen]), *others]
        for name, values in zip(self.names, self.rows.values[chosen, :_VALUES_SHOWN].T, strict=False):
            columns.append(Column(name, ["missing" if np.isnan(value) else f"{value:.6g}" for value in values]))
        some = f" Of the {d} columns, the first {_VALUES_SHOWN}." if (d := len(self.names)) > _VALUES_SHOWN else ""
        caption = f"{caption}, numbered as in the file, not counting the header and lines above it.{some}"
        return Table(columns, caption) if len(chosen) else ""

    def _certainty(self) -> list[object]:
        """Write how certain the groups of the rows are, and tabulate the least certain rows, if any is uncertain."""
        if not self.several:
            return []
        pictures = []
        if len(self.names) > 1 and not self.options.noise:
            caption = "The most probable group at each point. The fainter the colour, the less certain."
            pictures.append(self._drawn("boundaries", caption, plotting.plot_decision_boundaries, self.model))
        caption = "The uncertainty of each row. The larger the mark, the less certain the row's group."
        pictures.append(self._drawn("uncertainty", caption, plotting.plot_uncertainty, self.model))
        certainty, of_groups = self.result.certainty, np.flatnonzero(self.result.labels >= 0)
        order = of_groups[np.argsort(certainty[of_groups], kind="stable")[:_ROWS_SHOWN]]
        uncertain = order[certainty[order] < SURE]
        shares = self.model.predict_proba(self.rows.subset(uncertain)) if len(uncertain) else np.empty((0, 2))
        ranked, columns = np.argsort(-shares, axis=1, kind="stable")[:, :2], list[Column]()
        likely = np.take_along_axis(shares, ranked, axis=1)
        for heading, groups, values in zip(("group", "next group"), ranked.T, likely.T, strict=True):
            columns += [Column(heading, groups), Column("probability", [percent(value, 1) for value in values])]
        table = self._table_of_rows(uncertain, "The least certain rows", *columns)
        return [certainty_sentence(self.result), Html(f'<div class="columns">{joined(*pictures)}</div>'), table]

    def _agreement(self) -> list[object]:
        """Compare the groups with the label column, if there is one."""
        labels = self.result.agreement
        if labels is None:
            return []
        columns = {k: f"group {k}" for k in self.shown}
        columns |= dict.fromkeys(range(self.model.n_components, labels.counts.shape[1]), "noise")
        n, index = labels.n_unlabelled, labels.adjusted_rand_index
        has, are = ("has", "is") if n == 1 else ("have", "are")
        unlabelled = f" {counted(n, 'row')} {has} no label, and {are} not compared." if n else ""
        return [
            f"The adjusted Rand index of groups and labels is {index:.4f} (1: identical, 0: by chance).{unlabelled} "
            "The labels were not used in the fit.",
            labels.table(self.options.label_column, columns, _LABELS_SHOWN, "Rows by label and group."),
        ]

    def _data(self) -> list[object]:
        """Summarise the fitted columns, and list what was dropped."""
        rows, weight = self.rows, self.options.weight_column
        values = rows.values[:, :COLUMNS_SHOWN]
        statistics, n_missing = column_statistics(values, rows.weights), np.isnan(values).sum(axis=0)
        headings = ["column", "smallest", "lower quartile", "median", "upper quartile", "largest", "mean", "sd"]
        body = [
            [name, *(format_value(float(value), numbers[-1]) for value in numbers)]
            for name, numbers in zip(self.names, statistics, strict=False)
        ]
        columns, caption = [*Table.of(headings, body).columns], "The fitted columns (sd: standard deviation)."
        if n_missing.any():
            columns.append(Column("missing", [f"{missing:,}" for missing in n_missing]))
            caption = (
                "The values that are there in the fitted columns, and how many are missing (sd: standard deviation)."
            )
        total = f"Rows are weighted by {weight} (total weight {self.result.total_weight:,.6g})"
        return [
            f"{total}; quartiles, means and standard deviations (sd) use these weights." if weight else "",
            notice([note.partition("; use --")[0] for note in rows.notes if not _is_doubt(note)]),
            f"Also missing, by --na: {quoted(self.options.na)}." if self.options.na else "",
            Table(columns, caption, notes=omissions(column=len(self.names) - COLUMNS_SHOWN)),
        ]

    def _fitting(self) -> list[object]:
        """Write how the fit of the chosen mixture went, and give its settings."""
        model = self.model
        settings = {name: value for name, value in model.get_params().items() if value is not None}
        if self.options.tol is None and self.result.search is not None:
            del settings["tol"]  # a search chooses it by the rows, and the reason for the end contains it
        had = "" if model.converged_ else "had "
        return [
            f"{self.subject} {had}{self.facts.ending} ({model.history_.reason}). {self.objective}",
            _picture("convergence", self.climb, plotting.plot_convergence, model) if len(model.history_) > 1 else "",
            details("Settings of the fit", keys(settings)),
        ]

    def _trust(self) -> list[object]:
        """Write how far weights and means may be off, and which groups are alike; empty if that takes too long."""
        model, d = self.model, self.rows.values.shape[1]
        if not isinstance(model, GaussianMixture):
            return []
        absent = np.isnan(self.rows.values)
        patterns = _PATTERN_WORK * len(np.unique(absent, axis=0)) if absent.any() else 0
        if len(absent) * model.n_components * d * d + patterns > _MOST_WORK:
            return []
        several, seed = model.n_components > 1, self.options.random_state
        alike, overlapping = _alike(overlap(model, n_samples=_DRAWN)) if several else ("", False)
        if self.result.total_weight < model.n_parameters_:
            return [f"No standard errors are given: there are fewer rows than free parameters. {alike}".rstrip()]
        try:
            errors = standard_errors(model, self.rows.source, n_replicates=_REFITS, random_state=seed)
        except ValueError:  # too few refits are without a degenerate component
            return [f"No standard errors are given: {COLLAPSED}. {alike}".rstrip()]
        stability, left_out = "", ""
        if several:
            assert errors.adjusted_rand is not None  # there were refits
            low, high = np.quantile(errors.adjusted_rand, [0.025, 0.975])
            stability = (
                f"The refits group the rows as above with an adjusted Rand index of {errors.adjusted_rand.mean():.2f} "
                f"on average (95 % of them: {with_minus(f'{low:.2f}')} to {high:.2f}), where 1 is the same grouping."
            )
        if errors.n_left_out:
            verb = "is" if errors.n_left_out == 1 else "are"
            left_out = f" Of these fits, {errors.n_left_out} ended in a degenerate mixture and {verb} left out."
        refitted = (
            f"The mixture was fitted again to the same rows with random weights, {_REFITS} times (the weighted "
            f"likelihood bootstrap).{left_out}"
        )
        caveat = " Where groups overlap, the errors are larger than these." if overlapping else ""
        columns = {
            f"group {k}": [f"{weight:.4f} ± {of_weight:.4f}", *map(_mean_and_spread, means, of_means, of_means)]
            for k, weight, of_weight, means, of_means in zip(
                self.shown, model.weights_, errors.weights, model.means_, errors.means, strict=True
            )
        }
        return [
            " ".join(filter(None, [refitted, stability, alike])),
            self._by_group(["weight"], columns, "Weights and means ± their standard errors."),
            line(f"The number of groups and the covariance model are taken as known.{caveat}", "beneath"),
        ]


def _alike(shares: Array) -> tuple[str, bool]:
    """Name the two groups that are most alike, given the `overlap` of all; also return whether they overlap."""
    both = shares + shares.T
    i, j = (int(k) for k in np.unravel_index(both.argmax(), both.shape))
    if both[i, j] < _APART:
        return "No two groups overlap: less than one row in a thousand looks more like one of another group.", False
    return (
        f"The two groups most alike are {i} and {j}: {percent(shares[i, j])} of the rows of group {i} look more like "
        f"those of group {j}, and {percent(shares[j, i])} the other way round.",
        True,
    )


class SearchReport(Report):
    """Report of a search: the criterion, the mixtures that were compared and the rivals of the chosen one."""

    terms, subject = "search", "The chosen mixture"

    def __init__(self, result: Result) -> None:
        super().__init__(result)
        search, K = result.search, result.model.n_components
        self.search, self.remarks, self.warnings = search, search.remarks("group"), []
        if not search.complete:
            self.warnings.append(f"The search is {self.remarks.incomplete}.")
        if search.status[search.best_index].startswith("degenerate") and search.criterion != "held_out":
            self.warnings.append("Do not use its criteria: a component has too few rows or too little spread.")
        self.warnings += [_sentence(in_options(text)) for text in self.remarks.advice]
        next_best = search.ranked(distinct=True)[1 : 1 + _RIVALS]
        rivals = [(int(search.n_components[n]), search.kinds[n], float(search.differences[n])) for n in next_best]
        self.summary = summary_sentence(K, self.options.n_components, self.rows.n_rows, self.names)
        self.remark = rival_sentence(search.criterion, K, rivals)
        self.chosen = ("choice", "Why this mixture", self._choice(result.model_name, rivals))
        per_unit = with_minus(f"{result.loglik / result.total_weight:.4f}")
        self.objective = (
            f"Its log-likelihood is {with_minus(f'{result.loglik:.2f}')} nats, {per_unit} per {result.unit}, with "
            f"{counted(result.n_parameters, 'free parameter')}. The search took {result.seconds:.2g} s."
        )

    def _choice(self, model_name: str, rivals: Sequence[tuple[int, str, float]]) -> list[object]:
        """Write which mixture was chosen, by which criterion, and among which mixtures."""
        search, K, chosen_by = self.search, self.model.n_components, IN_PYTHON.criteria[self.search.criterion]
        name, tails = chosen_by.title, self.facts.tails
        shape = IN_PYTHON.covariance_model(search.covariance_type[search.best_index])
        heavy = f"Their tails are those of Student-t distributions with {tails}: heavier"
        ranked, n_cells = search.ranked(), len(search.status)
        tried, n_kinds = sorted({int(K) for K in search.n_components[ranked]}), len({search.kinds[n] for n in ranked})
        score = with_minus(chosen_by.text(search.scores[search.best_index]))
        covariances = covariance_sentence(shape, K, len(self.names))
        sentences = [
            compared_sentence(len(ranked), n_cells, tried, n_kinds) if n_cells > 1 else "",
            f"{'The smallest' if n_cells > 1 else 'The'} {name}, {score}, belongs to {counted(K, 'group')} with "
            f"{model_name}: {covariances}.",
            f"{heavy} than normal ones, so that rows far away count little." if tails else "",
            runner_up_sentence(search.criterion, rivals),
        ]
        if certain := "; ".join(self.remarks.certainty):
            sentences.append(f"In the search: {certain}.")
        text = " ".join(filter(None, sentences))
        if n_cells == 1:
            return [text, f"No other mixture was tried, so there was nothing for {name} to choose."]
        (grid,) = search.tables(word="group")
        legend = line(" · ".join(grid.notes), "beneath")
        every = joined(grid._replace(notes=()), legend, *map(line, self.remarks.failures))
        caption = "The criterion against the number of groups, one line per covariance model. Smaller is better."
        picture = _picture("selection", caption, plotting.plot_selection, search) if len(tried) > 1 else ""
        return [text, chosen_by.scale, picture, self._table_of_best(), details(f"{name} of every mixture", every)]

    def _table_of_best(self) -> Table:
        """Tabulate the best cells, with the most important columns first for narrow screens."""
        best = self.search.ranking(self.search.ranked(distinct=True)[:_TOP])
        mark, K, model, loglik, df, score, distances, *others = best.columns
        columns = [mark, K._replace(heading="groups"), model, score, distances, loglik, df, *others]
        name = IN_PYTHON.criteria[self.search.criterion].title
        caption = (
            f"The best by {name} (loglik: log-likelihood in nats; df: free parameters; Δ: "
            "distance from the best). Smaller is better, except for the log-likelihood."
        )
        if any("inf" in column.entries for column in columns):
            columns = [
                each._replace(entries=["∞" if text == "inf" else text for text in each.entries]) for each in columns
            ]
            caption += " AICc is infinite (∞) where there are about as many parameters as rows."
        return Table(columns, caption, best=0)


class PosteriorReport(Report):
    """Report of a variational fit: the components that are left, their intervals and the bound."""

    terms, climb = "posterior", "The lower bound of the log evidence after each pass."

    def __init__(self, result: Posterior) -> None:
        super().__init__(result)
        model, n, d = result.model, len(self.shown), len(self.names)
        counts = np.asarray(model.counts_, dtype=np.float64)
        empty, bound = np.delete(counts, self.shown), with_minus(f"{model.lower_bound_:.2f}")
        if n == model.n_components > 1:
            self.warnings.append("No component is empty; more may be better (--max-components).")
        left = empty_sentence(model.n_components, len(empty), float(empty.sum()), result.units)
        shapes = covariance_sentence(IN_PYTHON.covariance_model(model.covariance_type, d), n, d)
        left += f" The groups are {shapes}." if self.several else ""
        parts = [left, _CREDIBLE, self._table_of_intervals(model, counts, result.units)]
        self.summary = summary_sentence(n, range(2), self.rows.n_rows, self.names)
        self.chosen = ("posterior", "What is left, and how certain it is", parts)
        self.objective = f"Its lower bound of the log evidence is {bound} nats. The fit took {result.seconds:.2g} s."

    def _table_of_intervals(self, model: BayesianGaussianMixture, counts: Array, units: str) -> Table:
        """Tabulate expected rows, and weights and means with their credible intervals: a column per group."""
        intervals = model.credible_intervals(_LEVEL)
        columns = {
            f"group {k}": [
                f"{counts[k]:,.1f}",
                _with_interval(model.weights_[k], *intervals.weights[k]),
                *map(_with_interval, model.means_[k], *intervals.means[k].T),
            ]
            for k in self.shown
        }
        caption = f"Weights and means, with their {100 * _LEVEL:g} % credible intervals."
        return self._by_group([f"expected {units}", "weight"], columns, caption)


_REPORTS = {Result: SearchReport, Posterior: PosteriorReport}


def render_report(result: MixtureOutcome, origin: Mapping[str, object]) -> str:
    """Render a result, and its `provenance`, as a self-contained HTML document.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    return _REPORTS[type(result)](result).document(origin)
