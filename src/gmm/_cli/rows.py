"""The rows of a table: choice of columns, missing values and checks, in memory or read block by block.

Messages give column names, and row numbers as in the file (from 1, without the header).
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from operator import eq, ne
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gmm import MixtureClassifier
from gmm._cli.arguments import CommandError, UsageError, checked, in_options
from gmm._cli.show import Mixture, Screen, messages_of
from gmm._text.words import counted, listed, percent, quoted, suggestion
from gmm.sources import ArraySource, Source, checked_rows, column_notes, open_table

SHOWN, LEFT_OUT_SHOWN = 4, 8
_COUNTED = "rows are counted below the names of columns"  # not as lines of a file, which may begin with others
_KINDS = ("numbers", "labels", "constant", "codes", "copies")  # of columns that may be left out
_CODES_EACH = 2  # codes for each other column up to which they are left out

WORDS = {
    "named": "--header",
    "unnamed": "--no-header",
    "decimal": "--decimal {}",
    "missing": "{}",
    "each": "--na {!r} ",
    "columns": "--columns",
    "above": "--skip {} leaves out what is above the table, such as a title",
    "line": "--comment {!r} leaves out lines that begin so",
    "delimiter": "--delimiter {!r}",
    "all": "--header, --decimal, --na, --delimiter, --skip and --comment apply",
}


_MAY_BE_NAME = re.compile("(min|max)(imum)?|count|anzahl|s\\.?d", re.IGNORECASE)
_SUMMARY = re.compile(
    rf"^\s*({_MAY_BE_NAME.pattern}|((sub|grand|zwischen|gesamt)[- ]?)?(total|sum|summe)s?|gesamt|somme|mean|average|avg"
    r"|median|mittel(wert)?|durchschnitt|moyenne|st(andar)?d[. ]*(dev(iation)?)?|stabw|standardabweichung)[.:]*\s*$",
    re.IGNORECASE,
)
_ROUNDED, _INSIDE = 1e-3, 0.25  # shares of a sum and of a range that rounding may take
_WHOLE = re.compile(r"-?\d+\.0+")


class Labels(NamedTuple):
    """Labels of rows.

    Attributes
    ----------
    names : ndarray of str
        The distinct ones, sorted; as numbers if all are.
    codes : ndarray of int, shape (n,)
        Which of them each row has, −1 without a label.
    """

    names: NDArray[np.object_]
    codes: NDArray[np.intp]

    @classmethod
    def from_column(
        cls, column: Iterable[Any], usual: Iterable[str], missing: Iterable[str], rows: NDArray[np.intp] | None
    ) -> Labels:
        """Read blocks of a column of any type; `rows` are those that are wanted, counted from 0, None if all are.

        Whole numbers lose the .0 that a column with gaps often has.
        """
        blocks = pa.chunked_array([block.combine_chunks().dictionary_encode() for block in column])
        encoded = blocks.unify_dictionaries().combine_chunks()
        texts = ["" if value is None else str(value) for value in encoded.dictionary.to_pylist()]
        absent, blank = {*missing}, {*usual}
        texts = ["" if text.strip() in blank or text in absent else text for text in texts]
        if all(map(_WHOLE.fullmatch, filter(None, texts))):
            texts = [text.partition(".")[0] for text in texts]
        indices = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy() + 1
        used, codes = np.unique(indices if rows is None else indices[rows], return_inverse=True)
        present = ["" if i == 0 else texts[i - 1] for i in used]
        names = sorted({*present} - {""})
        with suppress(ValueError):  # of words
            names.sort(key=float)
        places = {name: code for code, name in enumerate(names)}
        return cls(np.array(names, dtype=object), np.array([places.get(text, -1) for text in present])[codes])


def _columns_to_read(
    fields: Mapping[str, Any],
    columns: Sequence[str] | None = None,
    exclude: Iterable[str] = (),
    roles: Mapping[str, str] = MappingProxyType({}),
) -> tuple[list[str], tuple[str, ...]]:
    """Choose the columns that are to be read as numbers, in memory or not.

    Parameters
    ----------
    fields : mapping
        All columns, of an `open_table`.
    columns : sequence of str, optional
        Those to choose; by default all numeric ones.
    exclude : iterable of str
        Those not to choose.
    roles : mapping of str to str
        Those that serve as something else, and the options that name them.

    Returns
    -------
    names : list of str
    notes : tuple of str
        Notes which columns are dropped, and why.

    Raises
    ------
    CommandError
        If a column is not there, is both chosen and not to be, or is not one of numbers; if there are none to choose;
        or if a column of numbers and other texts would be left out.
    """
    if all(pa.types.is_null(field.type) for field in fields.values()):
        raise CommandError("the table has no rows, or none with a value")
    out = dict.fromkeys([*exclude, *roles])
    _check_present(fields, [*(columns or ()), *out])
    for name in columns or ():
        if name in roles:
            raise CommandError(f"{roles[name]} names column {name!r}, which is fitted: expected another column")
    if overlap := sorted({*out}.intersection(columns or ())):
        raise CommandError(f"columns cannot be both fitted and left out: {quoted(overlap)}")
    if columns is not None:
        for name in columns:
            if why := _why_not_numeric(fields[name]):
                obstacle = fields[name].obstacle
                remedy = f"; {obstacle.remedy}" if obstacle is not None and obstacle.mostly_numbers else ""
                raise CommandError(f"expected numbers in column {name!r}, got {why}{remedy}")
        return list(dict.fromkeys(columns)), ()
    reasons = {name: _why_not_numeric(field) for name, field in fields.items() if name not in out}
    obstacles = {name: fields[name].obstacle for name in reasons}
    if mixed := {name: each for name, each in obstacles.items() if each is not None and each.mostly_numbers}:
        if all(reasons.values()) and _are_names(mixed):
            row, texts = next(iter(mixed.values())).row + 1, quoted(each.texts[0] for each in mixed.values())
            raise CommandError(
                f"row {row} holds {texts} in place of numbers, like names of columns; {_COUNTED}. Remove such rows "
                "from the file, and put a second table into a file of its own"
            )
        reports = (f"column {name!r} holds numbers, and {each.reason}; {each.remedy}" for name, each in mixed.items())
        them = "it" if len(mixed) == 1 else "them"
        remedy = f"; --exclude {','.join(mixed)!r} leaves {them} out, and --columns names those to fit"
        raise CommandError(f"{listed(reports, SHOWN)}{'' if all(reasons.values()) else remedy}; {_COUNTED}")
    if reasons.get("") == "":
        reasons[""] = "no name, as for row numbers"
    numeric = [name for name, why in reasons.items() if not why]
    omissions = listed((f"{name!r} ({why})" for name, why in reasons.items() if why), LEFT_OUT_SHOWN)
    notes = (f"dropped: {omissions}",) if omissions else ()
    if not numeric:
        why = notes[0] if notes else f"all are left out by options: {quoted(sorted(out))}"
        raise CommandError(f"the table has no numeric columns to fit; {why}")
    return numeric, notes


def _are_names(obstacles: Mapping[str, Any]) -> bool:
    """Return whether the first texts in columns of numbers are a row of names: their own, or different words."""
    texts = [each.texts[0] for each in obstacles.values()]
    are_words = 1 < len(texts) == len({*texts}) and all(text[:1].isalpha() for text in texts)
    return (are_words or texts == [*obstacles]) and len({each.row for each in obstacles.values()}) == 1


def _check_present(names: Collection[str], columns: Iterable[str]) -> None:
    """Check that a table has these columns.

    Raises
    ------
    CommandError
        If one is not there.
    """
    absent = [name for name in dict.fromkeys(columns) if name not in names]
    if absent:
        noun = "column" if len(absent) == 1 else "columns"
        raise CommandError(f"no {noun} {quoted(absent)}; the table has {quoted(names)}{suggestion(absent[0], names)}")


def _why_not_numeric(column: Any) -> str:
    if column.is_numeric:
        return ""
    if column.obstacle is not None:
        return str(column.obstacle.reason)
    return "no values" if pa.types.is_null(column.type) else f"type {column.type}"


def further_notes(found: Iterable[str], notes: Sequence[str], *, named: bool) -> tuple[str, ...]:
    """Return what a search notes of the fitted columns and these notes do not have.

    Codes and identifiers among columns that the user `named` are meant.
    """
    noted = {getattr(note, "kind", None) for note in notes} - {None}
    noted |= {"numbers", "codes", "copies"} if named else set()
    return tuple(getattr(note, "in_options", note) for note in found if getattr(note, "kind", None) not in noted)


_OTHER_MODEL = "use a model of gmm fit --missing em, which accepts them"
_INSTEAD = {"fit": "use --missing em to fit them too", "predict": _OTHER_MODEL, "plot": _OTHER_MODEL}
_BUNDLED = "faithful.csv"


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a table that are fitted or scored.

    Attributes
    ----------
    names : tuple of str
        Names of the d columns.
    source : Source
        The checked rows, as estimators take them, with their weights and, where the model has them, names.
    notes : tuple of str
        Notes for the user on how the table was read and what was left out, one line each.
    table : returned by `open_table`, or None once it has been read
    indices : ndarray of int, or None
        Which rows of the table these are, counted from 0; None if all.
    labels : Labels, optional
        The label column.
    """

    names: tuple[str, ...]
    source: Any
    notes: tuple[str, ...]
    table: Any
    indices: NDArray[np.intp] | None = None
    labels: Labels | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows, n."""
        return int(self.source.n_rows)

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """The weight column."""
        weights: NDArray[np.float64] | None = self.source.sample_weight
        return weights

    @property
    def in_memory(self) -> bool:
        """Whether the rows are in memory."""
        return bool(self.source.storage == "memory")

    @cached_property
    def values(self) -> NDArray[np.floating]:
        """The rows in memory, (n, d), NaN where a value is missing."""
        rows: NDArray[np.floating] = next(iter(self.source.chunks())).rows
        return rows

    def numbers(self, first: int, stop: int) -> NDArray[np.integer[Any]]:
        """Numbers in the table, from 1, of some of the rows, counted from 0."""
        return np.arange(first + 1, stop + 1) if self.indices is None else self.indices[first:stop] + 1

    def table_columns(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Read columns of the table as they are, for these rows; "all" alone are all.

        Raises
        ------
        CommandError
            If one is not there.
        """
        names = list(self.table.fields) if names == ["all"] else list(dict.fromkeys(names))
        _check_present(self.table.fields, names)
        first = 0
        for block in self.table.columns(names):
            if self.indices is None:
                yield block
                continue
            ends = np.searchsorted(self.indices, [first, first + len(block)])
            yield block.take(self.indices[slice(*ends)] - first)
            first += len(block)

    def select(self, positions: NDArray[np.intp], note: str) -> Rows:
        """Return some of the rows in memory, by their positions (from 0), with their weights and one more note."""
        weights = None if self.weights is None else self.weights[positions]
        source = ArraySource(self.values[positions], weights, feature_names=self.source.feature_names)
        indices = positions if self.indices is None else self.indices[positions]
        return replace(self, source=source, indices=indices, notes=(*self.notes, note))

    def subset(self, indices: NDArray[np.intp]) -> Any:
        """Return rows in memory by their positions (from 0)."""
        return ArraySource(self.values[indices], None, feature_names=self.source.feature_names)

    @property
    def filled_note(self) -> str:
        """The note on a picture of the rows without gaps; empty if there are none."""
        n = int(np.isnan(self.values).any(axis=1).sum())
        have = "has" if n == 1 else "have"
        return f"{counted(n, 'row')} {have} missing values, drawn at their conditional means." if n else ""


def rows_to_fit(screen: Screen, options: argparse.Namespace) -> Rows:
    """Read the table that the options name, or open it with --blocks, and print the notes on it.

    Raises
    ------
    CommandError
        If a name is not in the table, no numeric column or fewer than two rows are left, or values are not finite.
    UsageError
        If an option does not go with another one.
    """
    weight, label = options.weight_column, options.label_column or options.class_column
    with screen.working("reading"):
        table, written = _open(options)
        others = dict.fromkeys(options.errors or (), "--errors")
        flag = "--label-column" if options.class_column is None else "--class-column"
        others |= {name: option for name, option in ((label, flag), (weight, "--weight-column")) if name}
        columns, notes = _columns_to_read(table.fields, options.columns, options.exclude or (), others)
        _check_present(table.fields, [name for name in options.keep or () if name != "all"])
        if weight is not None:
            _columns_to_read(table.fields, [weight])
        rows = _where(_without_summaries(_rows(table, columns, options), written), options)
        rows = _checked(_measurements(rows, options), options)
        if rows.n_rows < 2:
            raise CommandError(f"the table has 1 row{'' if rows.indices is None else ' left'}; at least 2 are needed")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rows = _with_values(rows, "gmm fit", options, missing=options.missing)
        if label is not None:
            blocks = (block[label] for block in table.columns([label]))
            rows = replace(rows, labels=Labels.from_column(blocks, table.missing, options.na, rows.indices))
    found = column_notes(rows.source, ("long tail", "error value")) if rows.in_memory else ()
    notes = (*table.notes([*rows.names, *others]), *notes, *rows.notes, *(note.in_options for note in found))
    notes = (*notes, *(in_options(note, options) for warning in caught for note in messages_of(warning)))
    screen.note(*notes)
    return replace(rows, notes=notes, table=table if options.keep else None)


def rows_for(
    model: Mixture | MixtureClassifier,
    options: argparse.Namespace,
    screen: Screen,
    predicted: Sequence[str] = (),
) -> Rows:
    """Read the rows to apply a saved model to, or open them with --blocks, and print notes on them.

    Parameters
    ----------
    model : GaussianMixture, BayesianGaussianMixture or MixtureClassifier
    options : argparse.Namespace
        Those of reading a table: of its format, columns and missing values.
    screen : Screen
        Prints the notes.
    predicted : sequence of str
        Further columns that are of use, though not read.

    Raises
    ------
    CommandError, UsageError
        As `rows_to_fit`.
    """
    names = model.feature_names_in_ if hasattr(model, "feature_names_in_") else None
    with screen.working("reading"):
        table, written = _open(options)
        errors = options.errors or ()
        chosen, roles = None if names is None else list(names), dict.fromkeys(errors, "--errors")
        columns, omissions = _columns_to_read(table.fields, chosen, roles=roles)
        if len(columns) != model.n_features_in_:
            expected = counted(model.n_features_in_, "numeric column")
            raise CommandError(f"the model expects {expected}, got {len(columns)}: {quoted(columns)}")
        options.missing = "error" if options.drop_missing else model.missing
        rows = _rows(table, columns, options)
        if options.command == "plot":
            rows = _without_summaries(rows, written)
        if names is None:
            rows.source.feature_names = None
        rows = _with_values(_checked(rows, options), model, options)
    unused = [] if names is None else [name for name in table.fields if name not in {*names, *predicted, *errors}]
    unused_note = (f"columns not used by the model: {quoted(unused)}",) if unused else ()
    screen.note(*table.notes(columns), *unused_note, *omissions, *rows.notes)
    return replace(rows, table=table if options.keep else None)


def bundled() -> Any:
    """Return the Old Faithful data: 272 rows of ``eruptions`` and ``waiting`` until the next one, in minutes.

    References
    ----------
    A. Azzalini, A. W. Bowman (1990). A look at some data on the Old Faithful geyser.
    *Applied Statistics* 39, 357-365.
    """
    content = (files("gmm") / "data" / _BUNDLED).read_bytes()
    return open_table(_BUNDLED, words=WORDS, content=content)


def _open(options: argparse.Namespace) -> tuple[Any, Mapping[str, Any]]:
    """Open the table that the options name; return it, and its columns as they are written.

    Among numbers, words that call a row a total or another statistic are missing values of the table, but of `predict`.
    """
    if options.blocks and options.file in (None, "-"):
        raise UsageError("--blocks reads the table once for each pass: expected a file")
    if options.file is None:
        table = bundled()
        return table, table.fields
    settings = {name: vars(options)[name] for name in ("header", "decimal", "delimiter", "skip")}
    settings |= {"na_values": options.na, "comments": options.comment, "words": WORDS, "whole": not options.blocks}
    settings["content"] = sys.stdin.buffer.read() if options.file == "-" else None
    table = open_table(options.file, **settings)
    found = (field.obstacle for field in table.fields.values())
    obstacles = [each for each in found if each is not None and each.mostly_numbers]
    words = {text for each in obstacles for text in each.texts if _SUMMARY.match(text)}
    if not words or options.command == "predict":
        return table, table.fields
    return open_table(options.file, **settings | {"na_values": [*options.na, *words]}), table.fields


def _rows(table: Any, names: Sequence[str], options: argparse.Namespace) -> Rows:
    """Return columns of numbers, and the weights, as they are in the table."""
    weight = options.weight_column
    numbers = table.numbers(names, weight)
    source: Source = numbers
    if not options.blocks:
        values, weights = numbers.array()
        source = ArraySource(values, weights, numbers.feature_names)
    try:
        empty = source.n_rows == 0
    except ValueError:  # a weight may be negative, for which there are words here
        if weight is not None:
            _check_weights(table.numbers([weight]).array()[0][:, 0], weight, None)
        raise
    if empty:
        raise CommandError("the table has no rows")
    return Rows(tuple(names), source, (), table)


def _measurements(rows: Rows, options: argparse.Namespace) -> Rows:
    """Return the rows, with notes, without columns that are no measurements; with all columns if the user named them.

    Raises
    ------
    CommandError
        If all others are constant or, with texts, identifiers.
    """
    named = options.columns is not None
    names, in_memory = rows.names, rows.in_memory
    found = {note.kind: note for note in column_notes(rows.source, _KINDS, labels=rows.table.labels())}
    fitted, notes = names, list[str]()
    for kind, note in found.items():
        if (fitted_note := note.among(fitted)) is None or (named and kind != "copies"):
            continue
        n_others = len(fitted) - len(fitted_note.columns)
        if named or not n_others or (kind == "codes" and len(fitted_note.columns) > _CODES_EACH * n_others):
            notes.append(fitted_note.in_options)
        else:
            notes.append(fitted_note.left_out)
            fitted = tuple(name for name in fitted if name not in fitted_note.columns)
    rows, of_kind = replace(rows, notes=(*rows.notes, *notes)), {kind: {*note.columns} for kind, note in found.items()}
    if {*fitted} <= of_kind.get("constant", set()):
        others = quoted((name for name in names if name not in fitted), SHOWN)
        left_out = f", besides those left out: {others}" if len(fitted) < len(names) else ""
        raise CommandError(f"nothing to fit: all columns are constant: {quoted(fitted, SHOWN)}{left_out}")
    has_texts = any(_why_not_numeric(field) for field in rows.table.fields.values())
    if has_texts and not named and {*fitted} <= of_kind.get("numbers", set()) | of_kind.get("labels", set()):
        raise CommandError(
            f"nothing to fit: the columns of numbers are identifiers or labels: {quoted(names, SHOWN)}; the others "
            "hold no numbers"
        )
    if fitted == names:
        return rows
    if not in_memory:
        return replace(_rows(rows.table, fitted, options), notes=rows.notes)
    values, feature_names = rows.values[:, [*map(names.index, fitted)]], np.array(fitted, dtype=object)
    source = ArraySource(np.ascontiguousarray(values), rows.weights, feature_names=feature_names)
    return replace(rows, names=fitted, source=source)


def _checked(rows: Rows, options: argparse.Namespace) -> Rows:
    """Return the rows with values and weights that can be used: with missing values, or without rows that have any.

    No value is infinite or, of rows read block by block, missing.
    """
    if rows.in_memory:
        if options.missing != "em":
            rows = _without_missing(rows, options)
        if rows.n_rows == 0:
            raise CommandError("no rows are left: all have missing values")
        if rows.weights is not None:
            _check_weights(rows.weights, options.weight_column, rows.indices)
    survey = rows.source.survey
    place = survey.infinite if options.missing == "em" else survey.nonfinite
    if place is not None:
        row, column = place
        what, remedy = "an infinite", "Remove such rows from the file"
        if np.isnan(rows.source.take(np.array([row]))[0, column]):
            what = "a missing"
            remedy = f"Use --drop-missing in place of --blocks, or {_INSTEAD[options.command]}"
        position = f"row {rows.numbers(row, row + 1)[0]}, column {rows.names[column]!r}"
        raise CommandError(f"{what} value in {position}. {remedy}")
    return rows


def _with_values(rows: Rows, estimator: object, options: argparse.Namespace, **kwargs: Any) -> Rows:
    """Return the rows that have a value, as an estimator takes them, and note how many values are missing."""
    source: Any = checked_rows(rows.source, estimator=estimator, error_covariance=_variances(rows, options), **kwargs)
    some = sum(pattern.n_rows for pattern in source.patterns if pattern.missing.any())
    if not some:
        return replace(rows, source=source)
    share = sum(pattern.n_rows * pattern.missing.mean() for pattern in source.patterns) / source.n_rows
    missing = f"missing values in {some:,} of {counted(source.n_rows, 'row')}, {percent(share)} of all values"
    notes = (*rows.notes, missing)
    empty = source.empty
    if empty.any():
        numbers = listed(map(str, np.flatnonzero(empty) + 1), SHOWN)
        notes = (*notes, f"{counted(int(empty.sum()), 'row')} without a value left out ({numbers})")
        source = source.where(~empty)
        rows = replace(rows, indices=np.flatnonzero(~empty))
    return replace(rows, source=source, notes=notes)


def _variances(rows: Rows, options: argparse.Namespace) -> NDArray[np.float64] | None:
    """Return the squares of the columns of standard errors, (n, d); None if the options name none."""
    names = options.errors
    if names is None:
        return None
    if len(names) != len(rows.names):
        raise UsageError(
            f"--errors {','.join(names)}: expected {counted(len(rows.names), 'column')}, the standard errors of "
            f"{quoted(rows.names)} in this order, got {len(names)}. Use --columns of gmm fit to name the columns to fit"
        )
    _columns_to_read(rows.table.fields, names)
    distinct = list(dict.fromkeys(names))
    errors = rows.table.numbers(distinct).array()[0].astype(np.float64)[:, [distinct.index(name) for name in names]]
    errors = errors if rows.indices is None else errors[rows.indices]
    unused = np.concatenate([np.isnan(chunk.rows) for chunk in rows.source.chunks()]) & np.isnan(errors)
    with np.errstate(over="ignore"):
        variances = np.square(errors)
    bad = ~((errors >= 0) & np.isfinite(variances)) & ~unused
    if bad.any():
        i, j = np.argwhere(bad)[0].tolist()
        raise CommandError(
            f"expected standard errors of 0 or more, with finite squares, in column {names[j]!r}, got "
            f"{errors[i, j]:g} in row {rows.numbers(i, i + 1)[0]}. Where an error is unknown, leave the field of the "
            "value empty as well, and use --missing em of gmm fit"
        )
    return variances


def _without_missing(rows: Rows, options: argparse.Namespace) -> Rows:
    missing, names = np.isnan(rows.values), list(rows.names)
    if rows.weights is not None:
        missing, names = np.column_stack([missing, np.isnan(rows.weights)]), [*names, options.weight_column]
    bad = missing.any(axis=1)
    if not bad.any():
        return rows
    columns = listed((f"{name}: {n}" for name, n in zip(names, missing.sum(axis=0), strict=True) if n), LEFT_OUT_SHOWN)
    share = f"{bad.sum()} of {counted(len(bad), 'row')}"
    if not options.drop_missing:
        empty = {i + 1: [names[j] for j in np.flatnonzero(missing[i])] for i in np.flatnonzero(bad)[:SHOWN].tolist()}
        first = listed((f"row {number} ({listed(where, SHOWN)})" for number, where in empty.items()), SHOWN)
        more = ", …" if bad.sum() > SHOWN else ""
        instead = f", or {_INSTEAD[options.command]}" if np.isnan(rows.values).any() else ""  # weights are never fitted
        raise CommandError(
            f"missing values in {share} ({columns}): {first}{more}; {_COUNTED}. Use --drop-missing to leave these rows "
            f"out{instead}"
        )
    return rows.select(np.flatnonzero(~bad), f"{share} left out because of missing values ({columns})")


def _without_summaries(rows: Rows, fields: Mapping[str, Any]) -> Rows:
    """Leave out rows of totals and means, by a text such as "Total", or in the last row by its numbers.

    Raises
    ------
    CommandError
        If the rows are read block by block, or if such a text stands among the numbers of another row; `fields` are
        the columns as they are written.
    """
    named = _named_summaries(rows, fields)
    if named:
        texts = quoted(dict.fromkeys(named.values()), SHOWN)
        if not rows.in_memory:
            raise CommandError(f"row {min(named) + 1} holds {texts}; {_COUNTED}. Remove such rows from the file")
        noun = "rows" if len(named) > 1 else "row"
        note = f"left out: {noun} {listed((str(i + 1) for i in named), SHOWN)} ({texts}), made of other rows"
        rows = rows.select(np.delete(np.arange(rows.n_rows), [*named]), note)
    if not (found := column_notes(rows.source, ("total",))):
        return rows
    if not rows.in_memory:
        raise CommandError(found[0].in_options)
    last = int(np.flatnonzero(~np.isnan(rows.values).all(axis=1)).max())
    note = f"left out: row {rows.numbers(last, last + 1)[0]}, as {found[0].rpartition(': ')[0]}"
    return rows.select(np.delete(np.arange(rows.n_rows), last), note)


def _named_summaries(rows: Rows, fields: Mapping[str, Any]) -> dict[int, str]:
    """Return rows of the table that texts call totals or, at its end, other statistics, and these texts.

    Above the end, where such a word may be the name of something, they are totals that add up, and minima and maxima
    are no values inside of the others.
    """
    texts = [name for name, field in fields.items() if pa.types.is_string(field.type)]
    found, among_numbers, n_rows = dict[int, str](), set[int](), 0
    for block in rows.table.columns(texts) if texts else ():
        for name, column in zip(texts, block.columns, strict=True):
            chosen = pc.fill_null(pc.match_substring_regex(column, _SUMMARY.pattern, ignore_case=True), False)
            summaries = {n_rows + i: column[i].as_py().strip() for i in np.flatnonzero(chosen.to_numpy()).tolist()}
            found |= summaries
            among_numbers |= summaries.keys() if rows.table.fields[name].is_numeric else set()
        n_rows += block.num_rows
    end, begin = n_rows, 0
    totals = {i: text for i, text in found.items() if text.lower().startswith(("sub", "zwischen"))}
    names = set[str]()
    while end - 1 in found or (rows.in_memory and end and np.isnan(rows.values[end - 1]).all()):
        end -= 1
    if rows.in_memory and found:
        others = np.delete(rows.values, [*found], axis=0)
        every = np.nansum(others, axis=0, dtype=np.float64)
        low, high = np.fmin.reduce(others, initial=np.inf), np.fmax.reduce(others, initial=-np.inf)
        ends = {"min": rows.values > low + _INSIDE * (high - low), "max": rows.values < high - _INSIDE * (high - low)}
        names = {text for i, text in found.items() if text[:3].lower() in ends and ends[text[:3].lower()][i].any()}
        for i in sorted(found):
            sums = np.stack([every, np.nansum(rows.values[begin:i], axis=0, dtype=np.float64)])
            if (np.abs(rows.values[i] - sums) < _ROUNDED * np.abs(sums))[: 1 + (i - begin > 1)].any():
                totals[i], begin = found[i], i + 1
    edge = {*range(end, n_rows)} | ({0} if not rows.in_memory else set())
    names |= {text for i, text in found.items() if i not in edge and i not in totals}
    last = {i: text for i, text in sorted(found.items()) if i in edge and text not in names}
    may_be_names = len({*last.values()}) == 1 and any(map(_MAY_BE_NAME.match, last.values()))
    totals |= {} if may_be_names and not (totals or among_numbers) else last
    if not among_numbers <= totals.keys() or len(totals) == n_rows:
        _columns_to_read(fields, rows.names)
    return totals


def _where(rows: Rows, options: argparse.Namespace) -> Rows:
    """Return the rows for which all conditions of the options hold; a missing value meets none.

    Raises
    ------
    CommandError
        If a column is not there or, for an order, holds no numbers; or if no row is left.
    UsageError
        If a column of numbers is compared with a text.
    """
    for column, compare, value, text in options.where:
        option, fields = f"--where {text!r}", rows.table.fields
        _check_present(fields, [column])
        if fields[column].is_numeric or compare not in (eq, ne):
            _columns_to_read(fields, [column])
            numbers = rows.table.numbers([column]).array()[0][:, 0]
            with checked(option):
                met = compare(numbers, float(value)) & ~np.isnan(numbers)
        else:
            blocks = (block[column] for block in rows.table.columns([column]))
            names, codes = Labels.from_column(blocks, rows.table.missing, options.na, None)
            same = np.isin(codes, [code for code, name in enumerate(names) if name.strip() == value])
            met = compare(same, True) & (codes >= 0)
        met = met if rows.indices is None else met[rows.indices]
        if not met.any():
            raise CommandError(f"{option}: no row is left")
        if not met.all():
            note = f"left out: {np.sum(~met)} of {counted(len(met), 'row')}, for which not {text}"
            rows = rows.select(np.flatnonzero(met), note)
    return rows


def _check_weights(weights: NDArray[np.floating], column: str, indices: NDArray[np.intp] | None) -> None:
    bad = ~((weights >= 0) & np.isfinite(weights))
    if bad.any():
        first = int(np.argmax(bad))
        row = 1 + int(first if indices is None else indices[first])
        raise CommandError(
            f"expected finite, non-negative weights in column {column!r}, got {weights[first]:g} in row {row}: leave "
            "such rows out, or weigh them 0"
        )
