"""Notes on columns: row numbers, constants, codes, copies, long tails and error values.

`column_kinds` reads rows block by block. Its results are true of all rows: the first rows make a column a candidate,
and later ones may exclude it. The other functions read rows in memory, each for one kind of note. `ArraySource.look`
calls them once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gmm._text.words import counted, listed, percent
from gmm._validation.scalars import as_list

LONG_TAIL = "positive with a long tail"
_SHOWN = 4  # columns in a note
_MOST_CODES, _ROWS_PER_CODE = 10, 20  # distinct values, and rows for each of them, that make a code likely
_FEW_ROWS = 10  # fewer rows give no evidence on columns
_ROWS_PER_TIE = 5  # with which a component can follow one value
_MOST_YEARS, _YEARS = 30, (1800, 2100)
_ENOUGH = 50  # rows that show a tail
_LEAST_FACTOR, _LEAST_SKEWNESS = 10, 1.25  # from the 5 % to the 95 % quantile; of values that logarithms even out
_LEAST_ERRORS, _GAP = 5, 2  # rows with an error value, interquartile ranges to the others
_MOST_ERRORS = 3  # such values of a column
_EXTREME, _TOO_FAR = 1e3, 1e8  # interquartile ranges from the median: of a value to report, and of an error
_LEAST_NINES, _NINES = 2, re.compile("-?99+")  # rows with a usual code, such as -999
# Share of a sum that rounding may take; values in it that are not 0; and how often it holds the largest of these, which
# 1, 2, 4, … hold twice.
_OF_TOTAL, _LEAST_ADDED, _TIMES = 1e-3, 8, 2.1
_OF_MEAN = 1e-3  # of the range, by which a mean may be rounded: in two columns, one row in 70,000 is so near
_BEGINNING = 1000  # rows that show of most columns that they have more values
_AT_ONCE = 1 << 20  # values, which show of most columns that they are measurements
_EXACT = 2.0**53
_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")  # of "customer_id" and "customerID", each of two
_LABEL = re.compile(
    "(.* )?(zip|zip ?code|post ?code|postal ?code|plz|postleitzahl|tel|telefon|(tele)?phone|(?<!to )date|datum|"
    "timestamp)( number| nr)?"
)
_DAYS = {6: 100, 8: 1, 12: 1e-4, 14: 1e-6}  # to yyyymmdd, by the digits of yyyymm, yyyymmddhhmm and yyyymmddhhmmss
_NEAR, _ROUNDING = 1e-5, 16  # in standard deviations; in units of eps
_RATIOS = (0.7548776662466927, 0.5698402909980532)  # whose multiples fill the unit square evenly
_SAMPLE = 1000  # rows for correlations
_TOGETHER = 256  # columns whose correlations with all others are in memory at once
_CORRELATED, _HALF_STEP = 1 - 4e-3, 0.04  # of columns that differ by rounding; its half step in interquartile ranges


# --- Texts ---------------------------------------------------------------------------------------


class Kind(NamedTuple):
    """The text on one column and on several, and advice on "it" or "them": in Python, and on the command line.

    On the command line, `option` is for columns that are fitted, and `kept` for those that are dropped.
    """

    name: str
    one: str
    several: str
    advice: str = ""
    option: str = "; use --exclude to drop {}"
    kept: str = ""


NUMBERS = Kind(
    "numbers",
    " numbers the rows, like an identifier",
    " number the rows, like identifiers",
    ": drop {}",
    kept=", and --keep to write {} with the labels",
)
LABELS = Kind(
    "labels", " is a label, not a measurement", " are labels, not measurements", ": drop {}", kept=NUMBERS.kept
)
CONSTANT = Kind("constant", " is constant", " are constant")
CODES = Kind("codes", " may be a code", " may be codes", ", which can drive the choice: try without {}")
COPIES = Kind(
    "copies", " is a copy or a rescaling", " are copies or rescalings", ", which makes covariances singular: drop"
)
_BUT = " but for rounding"
_ROUNDED = Kind("rounded copies", COPIES.one + _BUT, COPIES.several + _BUT, ", which can drive the choice: drop")
_FOLLOWED = (
    ": components may collapse on single values, and are reported as degenerate only if their variance there is less "
    "than that of rounding, and far less than that of all rows"
)
_TIES = Kind("ties", _FOLLOWED, _FOLLOWED, option="")
_LOGARITHMS = "fit {} instead (numpy.log, LN in a spreadsheet); a simpler mixture may then suffice"
_TAILS = Kind(
    "long tail",
    f" is {LONG_TAIL}: {_LOGARITHMS.format('its logarithm')}",
    f" are {LONG_TAIL}: {_LOGARITHMS.format('their logarithms')}",
    option="",
)


class ColumnNote(str):
    """A note on columns, as text for Python.

    Attributes
    ----------
    kind : str
        "numbers", "labels", "constant", "codes", "copies", "long tail", "error value" or "total"; in a `Selection` also
        "rounded copies" and "ties".
    columns : dict of str to str
        Their names, and the text on each.
    """

    kind: str
    columns: Mapping[str, str]
    _words: Kind

    @classmethod
    def of(cls, kind: Kind, columns: Mapping[str, str], *, options: bool = False) -> ColumnNote:
        """Make a note, for Python or with `options` of the command line."""
        noun, what, them = ("column", kind.one, "it") if len(columns) == 1 else ("columns", kind.several, "them")
        advice = kind.option if options else kind.advice
        note = cls(f"{noun} {listed(columns.values(), _SHOWN)}{what}{advice.format(them)}")
        note.kind, note.columns, note._words = kind.name, columns, kind
        return note

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the text, as files store it."""
        return str, (str(self),)

    @property
    def in_options(self) -> ColumnNote:
        """The note for the command line."""
        return ColumnNote.of(self._words, self.columns, options=True)

    @property
    def left_out(self) -> str:
        """The note of the command line on columns that it drops."""
        kind = self._words
        what, them = (kind.one, "it") if len(self.columns) == 1 else (kind.several, "them")
        return (
            f"dropped: {listed(self.columns.values(), _SHOWN)}, which{what}; use --columns to name the columns to fit"
            f"{kind.kept.format(them)}"
        )

    def among(self, names: Collection[str]) -> ColumnNote | None:
        """Return the note on its columns of these names; None if it has none of them.

        Parameters
        ----------
        names : collection of str
        """
        wanted = {*map(str, as_list(names))}
        columns = {name: text for name, text in self.columns.items() if name in wanted}
        return ColumnNote.of(self._words, columns) if columns else None


# --- Rows in memory ------------------------------------------------------------------------------


def few_values(rows: NDArray[Any], names: Sequence[str], has_errors: bool = False) -> tuple[ColumnNote, ...]:
    """Note columns of few values, which may be codes; or ties, if rows have no errors.

    Codes of categories have no distances, and components collapse on single values. Fractions count in both cases.
    """
    n, d = rows.shape
    most, most_ties = min(_MOST_CODES, n // _ROWS_PER_CODE) if d > 1 else 0, min(_MOST_CODES, n // _ROWS_PER_TIE)
    few: dict[Kind, dict[str, str]] = {CODES: {}, _TIES: {}}
    for name, m in zip(names, map(_n_values, rows.T), strict=True):
        if 1 < m <= most or (1 < m <= most_ties and not has_errors):
            few[CODES if m <= most else _TIES][name] = f"{name!r} ({m} distinct values)"
    return notes_of(few)


def copies(rows: NDArray[Any], names: Sequence[str]) -> tuple[ColumnNote, ...]:
    """Note columns that are others in other units, up to rounding; they make covariances singular."""
    if len(rows) < _FEW_ROWS:
        return ()
    floats = rows if np.issubdtype(rows.dtype, np.floating) else rows.astype(np.float64)
    exact = rescalings(floats)
    rounded = [pair for pair in rounded_rescalings(floats) if pair.copy not in {one.copy for one in exact}]
    return notes_of(
        {kind: dict(pair.named(names) for pair in pairs) for kind, pairs in ((COPIES, exact), (_ROUNDED, rounded))}
    )


def long_tails(rows: NDArray[Any], names: Sequence[str]) -> tuple[ColumnNote, ...]:
    """Note columns of rows (n, d) that need many components, and whose logarithms need few."""
    columns = zip(names, rows.T, strict=True)
    return notes_of({_TAILS: {name: repr(name) for name, column in columns if _is_long_tailed(column)}})


def notes_of(found: Mapping[Kind, Mapping[str, str]]) -> tuple[ColumnNote, ...]:
    """Return a note on the columns of each kind that has some."""
    return tuple(ColumnNote.of(kind, columns) for kind, columns in found.items() if columns)


def error_values(rows: NDArray[Any], names: Sequence[str]) -> tuple[ColumnNote, ...]:
    """Note values, in their own units, far from all others, that rows share, like codes, or single rows have."""
    found: dict[str, dict[str, int]] = {}
    for name, column in zip(names, rows.T, strict=True):
        for value, n in _end_values(column):
            text = np.format_float_positional(value, trim="-")
            if n >= (_LEAST_NINES if _NINES.fullmatch(text) else _LEAST_ERRORS):
                found.setdefault(text, {})[name] = n
    notes: dict[Kind, dict[str, str]] = {}
    for value, counts in found.items():
        one = f" has {value} in {counted(next(iter(counts.values())), 'row')}, far from all others"
        kind = _error_value(one, f" have {value}, far from all others", "a code", value)
        each = {name: f" ({counted(n, 'row')})" if len(counts) > 1 else "" for name, n in counts.items()}
        notes[kind] = {name: f"{name!r}{n_rows}" for name, n_rows in each.items()}
    noted = {name for columns in notes.values() for name in columns}
    for extreme in extremes(rows):
        name = names[extreme.column]
        if name not in noted and not _is_long_tailed(rows[:, extreme.column]):
            kind = _error_value(
                f" has {extreme.text}", f" have {extreme.text}", "no measurement", f"{extreme.value:.17g}"
            )
            notes.setdefault(kind, {})[name] = repr(name)
    return notes_of(notes)


def _error_value(one: str, several: str, what: str, value: str) -> Kind:
    """Return the kind of notes on a value that may be `what`, with advice to fit without it."""
    advice = f"; if it is {what}, replace it by numpy.nan and fit with missing='em'"
    return Kind("error value", one, several, advice, f"; if it is {what}, use --na {value} --missing em")


def check_extremes(rows: NDArray[Any], names: Sequence[str], weight: NDArray[Any] | None = None) -> None:
    """Raise ValueError if a value is so far from the others that floating point leaves these no digits."""
    used = rows if weight is None else rows[weight > 0]
    if found := [each for each in extremes(used) if each.distance > _TOO_FAR]:
        worst = max(found, key=lambda each: each.distance)
        if weight is not None:
            worst = worst._replace(row=int(np.flatnonzero(weight > 0)[worst.row]))
        raise ValueError(
            f"expected values up to {_TOO_FAR:g} interquartile ranges from the median of their column, got "
            f"{names[worst.column]!r} with {worst.text}: in a sum of squares, it leaves the others no digits. Drop "
            "the row or, if it is no measurement, replace it by numpy.nan and fit with missing='em'"
        )


class Extreme(NamedTuple):
    """The farthest value of a column, a row that has it, and the number of rows with extreme values."""

    column: int
    value: float
    row: int
    n_rows: int
    distance: float  # interquartile ranges

    @property
    def text(self) -> str:
        """The value, its row and its distance as text."""
        more = f"; look at {counted(self.n_rows - 1, 'more row')} too" if self.n_rows > 1 else ""
        far = f"{self.distance:.2g} interquartile ranges from the median"
        return f"{self.value:g} in row {self.row} (of those fitted, from 0), {far}{more}"


def extremes(rows: NDArray[Any]) -> tuple[Extreme, ...]:
    """Return the farthest values of columns of which few values are farther than `_EXTREME` interquartile ranges.

    Many different ones are a group, or a tail. If half of the rows have the median, the range is that of the others.
    """
    found = []
    for j, column in enumerate(rows.T):
        some = column[:: max(1, len(column) // _SAMPLE)].astype(np.float64)
        some = some[~np.isnan(some)]
        middle = float(np.median(some)) if len(some) else 0.0
        others = some[some != middle]
        low, high = (
            np.quantile(some if 2 * len(others) > len(some) else others, [0.25, 0.75]) if len(others) else (0, 0)
        )
        if high > low:
            with np.errstate(over="ignore", invalid="ignore"):
                distances = np.abs(column - middle) / (high - low)
            far = np.flatnonzero(distances > _EXTREME)
            if len(far) > 0 and len(np.unique(column[far])) <= max(_MOST_CODES, len(column) // 100):
                row = int(far[distances[far].argmax()])
                found.append(Extreme(j, float(column[row]), row, len(far), float(distances[row])))
    return tuple(found)


def _end_values(column: NDArray[Any]) -> Iterator[tuple[Any, int]]:
    """Yield values at an end of a column, after a gap of several interquartile ranges, with the number of their rows.

    For a single row, such as a total, the gap is also wider than the range of all others, which is fast to compute.
    """
    values = column[~np.isnan(column)]
    for _ in range(_MOST_ERRORS):
        for end in (np.min, np.max):
            if not len(values):
                return
            value = end(values)
            others = values[values != value]
            n = len(values) - len(others)
            if n >= len(others):
                continue
            gap = abs(float(end(others)) - float(value))
            if n == 1 and gap <= float(np.max(others)) - float(np.min(others)):
                continue
            if len(np.unique(others[:_BEGINNING])) <= _MOST_CODES:
                continue
            low, high = np.quantile(others, [0.25, 0.75])
            if gap > _GAP * float(high - low) > 0:
                yield value, n
                values = others
                break
        else:
            return


def _n_values(column: NDArray[Any]) -> int:
    """Count distinct values of a column without NaN: exactly up to `_MOST_CODES`, else a lower bound."""
    present = column[~np.isnan(column)]
    n = len(np.unique(present[:_BEGINNING]))
    return len(np.unique(present)) if n <= _MOST_CODES < len(present) else n


def _is_code(values: NDArray[Any]) -> bool:
    """Return whether a column of whole numbers with these few distinct values may be a code, or a year.

    Codes are ten or fewer; years are thirty or fewer from 1800 to 2100, at least half of those in their range. Each
    has twenty rows or more.
    """
    n = len(values)
    if n <= _MOST_CODES:
        return n > 1
    first, last = values.min(), values.max()
    return bool(_YEARS[0] <= first and last <= _YEARS[1] and last - first < 2 * n)


def _is_long_tailed(column: NDArray[Any]) -> bool:
    """Return whether values are positive, span orders of magnitude, and are skewed, but their logarithms are not."""
    values = column[~np.isnan(column)].astype(np.float64)
    if len(values) < _ENOUGH or not 0 < values.min() < values.max() < np.inf:
        return False
    low, high = np.quantile(values, [0.05, 0.95])
    if high < _LEAST_FACTOR * low:
        return False
    return _skewness(values) > max(_LEAST_SKEWNESS, 2 * abs(_skewness(np.log(values))))


def _skewness(values: NDArray[np.float64]) -> float:
    centred = values - values.mean()
    return float(np.mean(centred**3) / np.mean(centred**2) ** 1.5)


# --- Rows block by block -------------------------------------------------------------------------


def total(blocks: Iterable[NDArray[Any]], names: Sequence[str]) -> tuple[ColumnNote, ...]:
    """Note that the last row with values is the sum, in half of its columns, or the mean of the rows above it."""
    d = len(names)
    n, sums, added, last = np.zeros(d, np.int64), np.zeros(d), np.zeros(d, np.int64), np.empty((0, d))
    low, high, step = np.full(d, np.inf), np.full(d, -np.inf), max(1, _AT_ONCE // d)
    with np.errstate(all="ignore"):  # by infinite values
        for part in (block[i : i + step] for block in blocks for i in range(0, len(block), step)):
            rows = np.concatenate([last, part[~np.isnan(part).all(axis=1)]])
            above, last = rows[:-1], rows[-1:]
            n, sums = n + (~np.isnan(above)).sum(axis=0), sums + np.nansum(above, axis=0)
            added += np.count_nonzero(np.nan_to_num(above), axis=0)
            low = np.fmin(low, np.fmin.reduce(above, initial=np.inf))
            high = np.fmax(high, np.fmax.reduce(above, initial=-np.inf))
        values, is_present = last.ravel(), ~np.isnan(last).ravel()
        are_sums = (np.abs(values - sums) <= _OF_TOTAL * np.abs(sums)) & (added >= _LEAST_ADDED)
        are_sums &= np.abs(values) > _TIMES * np.fmax(np.abs(low), np.abs(high))
        are_means = (np.abs(values - sums / n) <= _OF_MEAN * (high - low)) & (n >= _FEW_ROWS) & (low < high)
    if are_sums.any() and 2 * are_sums.sum() >= is_present.sum():
        what, found = "sum", np.flatnonzero(are_sums)
    elif are_means.sum() > 1 and (are_means == is_present).all():
        what, found = "mean", np.flatnonzero(are_means)
    else:
        return ()
    where = f"the {what} of those above in"
    texts = f" has {where} its last row", f" have {where} their last row", ": drop it", "; remove it from the file"
    return notes_of({Kind("total", *texts): {names[j]: repr(names[j]) for j in found.tolist()}})


Kinds: TypeAlias = dict[Kind, dict[str, str]]


def kinds_in_memory(rows: NDArray[Any], names: Sequence[str]) -> Kinds:
    """Return the columns of each kind among rows (n, d), as `column_kinds` does."""
    step = max(1, _AT_ONCE // max(1, len(names)))
    return column_kinds((rows[first : first + step] for first in range(0, len(rows), step)), len(rows), names)


def identifiers(found: Kinds, names: Sequence[str]) -> tuple[ColumnNote, ...]:
    """Note columns, unless all, that number or label the rows; these have to be in their own units."""
    columns = {kind: found[kind] for kind in (NUMBERS, LABELS)}
    return notes_of(columns) if sum(map(len, columns.values())) < len(names) else ()


def column_kinds(blocks: Iterable[NDArray[Any]], n_rows: int, names: Sequence[str]) -> Kinds:
    """Return the columns of each kind, by rows that are read block by block until all kinds are decided.

    Parameters
    ----------
    blocks : iterable of arrays of shape (m, d)
        All rows in order; missing values are NaN.
    n_rows : int
        Their number in all.
    names : sequence of str
        Names of the d columns.

    Returns
    -------
    Kinds
        The columns by their names, with the text on each. `NUMBERS` are whole numbers, of most rows, that increase, if
        there are other columns, or are distinct and fill most of a range or have the name of an identifier; `LABELS`
        are whole numbers that repeat and have such a name, dates, postcodes and telephone numbers, by their names;
        `CONSTANT` are those of one value, `CODES` of few whole ones, and `COPIES` are others in other units.
    """
    d, pairs = len(names), list[Rescaling]()
    low, high, n_present = np.full(d, np.inf), np.full(d, -np.inf), np.zeros(d, np.int64)
    whole = {j: _WholeNumbers(n_rows, name, is_alone=d == 1) for j, name in enumerate(names)}
    may_be_large = np.array([column.is_identifier for column in whole.values()])
    with np.errstate(all="ignore"):  # of infinite values, which are an error later
        for block in blocks:
            rows = block if np.issubdtype(block.dtype, np.floating) else block.astype(np.float64)
            present, constant = ~np.isnan(rows), ~(low < high)
            before = np.where(constant & np.isfinite(low), low, np.nan).astype(rows.dtype)
            low, high = np.fmin(low, np.fmin.reduce(rows)), np.fmax(high, np.fmax.reduce(rows))
            n_present += present.sum(axis=0)
            pairs = [pair for pair in pairs if pair.holds(rows)]
            new = np.flatnonzero(constant & (low < high)).tolist()  # constant before this block
            if len(new) > 1:
                found = rescalings(np.concatenate([before[None, new], rows[:, new]]))
                pairs += [pair._replace(copy=new[pair.copy], original=new[pair.original]) for pair in found]
            are_exact = may_be_large | ((low > -_EXACT) & (high < _EXACT))
            are_whole = ((rows == np.floor(rows)) | ~present).all(axis=0) & are_exact
            whole = {j: column for j, column in whole.items() if are_whole[j]}
            for j, column in whole.items():
                if column.is_open and present[:, j].any():
                    column.look(rows[present[:, j], j].astype(np.float64), high[j] - low[j])
            if not (pairs or (low == high).any() or any(column.is_open for column in whole.values())):
                break
    numbers = [j for j, column in whole.items() if column.numbers_rows(n_present[j], high[j] - low[j])]
    constants = np.flatnonzero((low == high) & (n_present > 1)).tolist()
    codes = {j: len(column.values) for j, column in whole.items() if _is_code(column.values)}
    others = whole.keys() - {*numbers, *codes}
    labels = {j: whole[j].label for j in sorted(others) if whole[j].label}
    pairs = sorted(pair.among({*numbers, *labels, *codes}) for pair in pairs) if n_rows >= _FEW_ROWS else []
    return {
        NUMBERS: {names[j]: repr(names[j]) for j in numbers},
        LABELS: {names[j]: f"{names[j]!r} ({what})" for j, what in labels.items()},
        CONSTANT: {names[j]: f"{names[j]!r} ({low[j]:g})" for j in constants},
        CODES: {names[j]: f"{names[j]!r} ({n} distinct values)" for j, n in codes.items()},
        COPIES: dict(pair.named(names) for pair in pairs),
    }


class _WholeNumbers:
    """A column of whole numbers, as far as it was read, which may number the rows or be a code.

    `values` are the distinct ones, if they may be codes.
    """

    def __init__(self, n_rows: int, name: str, *, is_alone: bool) -> None:
        words = [word.lower() for word in _WORD.findall(name)]
        self._n_rows, self._is_alone, self._is_label = n_rows, is_alone, bool(_LABEL.fullmatch(" ".join(words)))
        self._are_dates = True
        # A column of this name holds identifiers, if its numbers are whole and distinct.
        self.is_identifier = words[:1] == ["id"] or words[-1:] in (["id"], ["key"]) or words == ["index"]
        self._increases, self._is_dense, self._is_distinct, self._may_be_code = True, True, True, not is_alone
        self._last, self.values = np.nan, np.empty(0)
        self._parts: list[NDArray[Any]] = []  # all numbers, if these may be distinct and number the rows

    @property
    def is_open(self) -> bool:
        """Whether further rows may change the result."""
        return self._increases or self._is_distinct or self._may_be_code or self._are_dates

    @property
    def label(self) -> str:
        """The kind of label of a column that does not number the rows; empty if it is no label."""
        if self._n_rows < _FEW_ROWS or not (self._are_dates or self._is_label or self.is_identifier):
            return ""
        return "dates" if self._are_dates else "by its name"

    def look(self, column: NDArray[Any], width: float) -> None:
        """Add further numbers; all so far have a range of this width."""
        values = np.unique(column)
        self._increases &= not (column[0] <= self._last) and bool((np.diff(column) > 0).all())
        self._last = column[-1]
        self._are_dates = self._are_dates and _are_dates(values)
        self._is_dense &= bool(width < self._n_rows + self._n_rows // 4)
        self._is_distinct &= len(values) == len(column) and (self._is_dense or self.is_identifier)
        kind = np.int32 if np.abs(values).max() < 2**31 else np.float64  # there may be billions
        self._parts = [*self._parts, values.astype(kind)] if self._is_distinct else []
        if self._may_be_code:
            self.values = np.union1d(self.values, values)
            self._may_be_code = len(self.values) <= min(_MOST_YEARS, self._n_rows // _ROWS_PER_CODE)
            self.values = self.values if self._may_be_code else self.values[:0]

    def numbers_rows(self, n: int, width: float) -> bool:
        """Return whether the n numbers, in a range of this width, number the rows."""
        if not 2 * n > self._n_rows >= _FEW_ROWS:
            return False
        if self._increases and not self._is_alone:
            return True
        is_likely = self._is_distinct and (self.is_identifier or width < n + n // 4)
        return is_likely and len(np.unique(np.concatenate(self._parts))) == n


def _are_dates(values: NDArray[np.float64]) -> bool:
    """Return whether all whole numbers, in order, are months or days of the years of `_YEARS`, or times of these."""
    days = values * _DAYS.get(len(f"{values[-1]:.0f}"), np.nan)
    years, months = days // 10_000, days % 10_000 // 100
    in_years = (_YEARS[0] <= years) & (years <= _YEARS[1])
    return bool((in_years & (months >= 1) & (months <= 12) & (days % 100 < 32)).all())


# --- Copies --------------------------------------------------------------------------------------


class Rescaling(NamedTuple):
    """A column that is another one in another unit and with another origin.

    Attributes
    ----------
    copy, original : int
        The columns.
    slope, intercept : float
        The copy is `slope` times the original plus `intercept`.
    tolerance : float
        Difference beyond rounding that is accepted.
    """

    copy: int
    original: int
    slope: float
    intercept: float
    tolerance: float

    def named(self, names: Sequence[str]) -> tuple[str, str]:
        """Return the name of the copy, and the text on it with the original."""
        return names[self.copy], f"{names[self.copy]!r} (of {names[self.original]!r})"

    def among(self, odd: Collection[int]) -> Rescaling:
        """Return the pair with the odd column, a number of rows or a code, as the copy if only one is odd."""
        copy, original = self.copy, self.original
        return self._replace(copy=original, original=copy) if copy in odd and original not in odd else self

    def holds(self, rows: NDArray[Any]) -> bool:
        """Return whether this is true of rows (n, d), with NaN in both columns or in none."""
        copy, scaled = rows[:, self.copy], self.slope * rows[:, self.original]
        rounding = _ROUNDING * np.finfo(rows.dtype).eps * (np.abs(copy) + np.abs(scaled) + abs(self.intercept))
        missing = np.isnan(copy)
        near = np.abs(copy - scaled - self.intercept) <= self.tolerance + rounding
        return bool((np.isnan(scaled) == missing).all() and (near | missing).all())


@np.errstate(all="ignore")  # by columns that are constant, empty or infinite
def rescalings(rows: NDArray[Any]) -> list[Rescaling]:
    """Return which columns of rows (n, d) are copies of earlier ones, or have only another unit and origin.

    A column is only compared with those that have nearly the same projections on two fixed directions.
    """
    directions = np.outer(_RATIOS, np.arange(1, len(rows) + 1)) % 1 - 0.5
    prints = np.abs(directions @ _deviations(rows))
    found, is_original = list[Rescaling](), np.zeros(rows.shape[1], np.bool_)
    for j in np.flatnonzero(np.isfinite(prints[0])).tolist():
        near = is_original & (np.abs(prints - prints[:, j, None]) <= 2 * _NEAR).all(axis=0)
        pair = next(filter(None, (_rescaling(rows, i, j) for i in np.flatnonzero(near).tolist())), None)
        if pair is None:
            is_original[j] = True
        else:
            found.append(pair)
    return found


@np.errstate(all="ignore")
def rounded_rescalings(rows: NDArray[Any]) -> list[Rescaling]:
    """Return which columns of rows (n, d) are earlier ones in another unit up to some rounding, including copies."""
    some = rows[:: max(1, len(rows) // _SAMPLE)]
    unit, starts = _deviations(some), range(0, some.shape[1], _TOGETHER)
    near = ((first, np.abs(unit[:, first : first + _TOGETHER].T @ unit) > _CORRELATED) for first in starts)
    likely = [(first + i, j) for first, alike in near for i, j in np.argwhere(np.triu(alike, first + 1)).tolist()]
    pairs: dict[int, Rescaling] = {}
    for original, copy in likely[::-1]:
        low, high = np.nanpercentile(rows[:, copy], [25, 75])
        if pair := _rescaling(rows, original, copy, _HALF_STEP * float(high - low)):
            pairs[copy] = pair
    return [pairs[copy] for copy in sorted(pairs)]


def _deviations(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return deviations from the means of columns, 0 for missing values, whose squares add up to 1, or NaN."""
    missing = np.isnan(rows)
    means = np.where(missing, 0.0, rows).sum(axis=0, dtype=np.float64) / (~missing).sum(axis=0)
    centred: NDArray[np.float64] = np.where(missing, 0.0, rows - means)
    centred /= np.sqrt(np.square(centred).sum(axis=0))
    return centred


def _rescaling(rows: NDArray[Any], original: int, copy: int, tolerance: float | None = None) -> Rescaling | None:
    """Return a column as a rescaling of another one, up to rounding and some tolerance; None if it is not."""
    x, y = rows[:, original].astype(np.float64), rows[:, copy].astype(np.float64)
    low, high = np.nanargmin(x), np.nanargmax(x)
    slope = (y[high] - y[low]) / (x[high] - x[low]) if x[high] > x[low] else 0.0
    if not (np.isfinite(slope) and slope):
        return None
    tolerance = _NEAR * float(np.nanstd(y)) if tolerance is None else tolerance
    pair = Rescaling(copy, original, float(slope), float(y[low] - slope * x[low]), tolerance)
    return pair if pair.holds(rows) else None


# --- Columns in which rows are on a plane or a point ---------------------------------------------

_READ = 100_000  # rows; `_SAMPLE` of them select candidates
_NAMED = 6  # columns in a note
_ROWS_PER_COLUMN = 3  # with fewer, columns may depend on each other by chance
_LIKELY, _SURE = 0.1, 2e-6  # residual deviation, as a share of a column's, that may be rounding, and that is
_UNIT = 0.05  # how far a coefficient may be from one
_MOSTLY, _FEW = 0.3, 10  # share of the rows; distinct values, which have other notes


def singular_columns(rows: NDArray[Any], names: Sequence[str]) -> tuple[str, ...]:
    """Note columns of rows (n, d) that are mostly one value, and three or more that add up, in their own units."""
    some = rows[:: max(1, len(rows) // _READ)]
    return (*_frequent_values(some, names), *_sums(some, names))


def _frequent_values(rows: NDArray[Any], names: Sequence[str]) -> Iterator[str]:
    """Note columns of many values that have one of them in many rows."""
    found = []
    for name, column in zip(names, rows.T, strict=True):
        present = column[~np.isnan(column)]
        values, counts = np.unique(present[:: max(1, len(present) // _SAMPLE)], return_counts=True)
        if len(values) > _FEW and counts.max() >= _MOSTLY * counts.sum():
            value = values[counts.argmax()]
            found.append(f"{name!r} ({value:g} in {percent(np.mean(present == value), 0)})")
    if found:
        what = f"column {found[0]} is" if len(found) == 1 else f"columns {listed(found, _NAMED)} are"
        yield f"{what} one value in many rows, on which a component may collapse: fit the other rows separately"


def _sums(rows: NDArray[Any], names: Sequence[str]) -> Iterator[str]:
    """Note three and more columns of which one follows from the others, up to rounding."""
    some = rows[:: max(1, len(rows) // _SAMPLE)].astype(np.float64)
    with np.errstate(all="ignore"):  # by values without squares
        some = some[~np.isnan(some).any(axis=1)]
        scales = np.sqrt(np.square(some - some.mean(axis=0)).mean(axis=0)) if len(some) else some.sum(axis=0)
    varied = np.flatnonzero((scales > 0) & np.isfinite(scales))
    if len(varied) < 3 or len(some) < _ROWS_PER_COLUMN * len(varied):
        return
    from scipy.linalg import qr, solve_triangular

    whitened = (some - some.mean(axis=0))[:, varied] / scales[varied] / np.sqrt(len(some))
    upper, order = qr(whitened, mode="r", pivoting=True)
    rank = int((np.abs(np.diag(upper)) > _LIKELY).sum())
    slopes = solve_triangular(upper[:rank, :rank], upper[:rank, rank : len(order)])
    for column, slope in zip(varied[order[rank:]], slopes.T, strict=True):
        weights = slope * scales[column] / scales[varied[order[:rank]]]
        adds = (np.abs(slope) > _UNIT) | (np.abs(np.abs(weights) - 1) < _UNIT)  # in its own units, also a rare part
        others, weights = varied[order[:rank]][adds], weights[adds]
        if len(others) > 1:
            yield from _note_on_sum(rows, names, np.append(others, column), np.append(-weights, 1.0))


def _note_on_sum(
    rows: NDArray[Any], names: Sequence[str], columns: NDArray[np.intp], weights: NDArray[np.float64]
) -> Iterator[str]:
    """Note how columns (m,) depend on each other, if their sum is constant with these weights, the last 1."""
    units = np.sign(weights)
    are_units = bool((np.abs(weights - units) < _UNIT).all())
    values = rows[:, columns].astype(np.float64)
    values = values[~np.isnan(values).any(axis=1)]
    totals = values @ (units if are_units else weights)
    spread, rounding = np.ptp(totals), len(columns) * max(np.diff(np.unique(column)).min() for column in values.T)
    exact = spread <= _SURE * values[:, -1].std()
    if not (exact or (are_units and spread <= rounding)):
        return
    few, many = sorted(([repr(names[j]) for j in sorted(columns[units == sign])] for sign in (1, -1)), key=len)
    if are_units and len(few) < 2:
        what = f"columns {listed(many, _NAMED)}"
        what = f"column {few[0]} is the sum of {what}" if few else f"{what} add up to {np.median(totals):.6g}"
    else:
        what = f"columns {listed((repr(names[j]) for j in sorted(columns)), _NAMED)} depend on each other"
    effect = "which makes covariances singular" if exact else "but for rounding, which can drive the choice"
    yield f"{what}{', ' if exact else ' '}{effect}: drop one of them"


BLOCK_KINDS = (NUMBERS, LABELS, CONSTANT, CODES, COPIES)
ARRAY_KINDS = {"long tail": long_tails, "error value": error_values}
KINDS = (*(kind.name for kind in BLOCK_KINDS), *ARRAY_KINDS, "total")

ColumnNote.__module__ = "gmm.sources"
