"""Which columns are fitted unless `--columns` names them, and what is said of the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from gmm._cli.failures import CommandError
from gmm._rows.numerals import Obstacle, is_numeric
from gmm._rows.text_format import Words
from gmm._text.lists import listed, quoted, suggestion
from gmm._validation.column_notes import CODES, CONSTANT, COPIES, NUMBERS, ColumnKinds, Note

__all__ = ["LEFT_OUT_SHOWN", "OPTIONS", "SHOWN", "check_present", "columns_to_read", "measurements", "unsaid"]

SHOWN, LEFT_OUT_SHOWN = 4, 8
_CODES_EACH = 2  # codes for each other column up to which they are left out

OPTIONS = Words(
    named="--header",
    unnamed="--no-header",
    decimal="--decimal {}",
    missing="{}",
    each="--na {!r} ",
    columns="--columns",
    lines="--skip leaves out lines above the table, --comment those that begin with a mark; --delimiter splits fields",
    all="--header, --decimal, --na, --delimiter, --skip and --comment apply",
)


def columns_to_read(
    fields: Mapping[str, pa.Field],
    columns: Sequence[str] | None = None,
    exclude: Iterable[str] = (),
    serving: Mapping[str, str] = MappingProxyType({}),
) -> tuple[list[str], tuple[str, ...]]:
    """Choose the columns that are to be read as numbers, in memory or not.

    Parameters
    ----------
    fields : mapping of str to pyarrow.Field
        Names, types and obstacles of all columns.
    columns : sequence of str, optional
        Those to choose; by default all numeric ones.
    exclude : iterable of str
        Those not to choose.
    serving : mapping of str to str
        Those that serve as something else, and the options that say so.

    Returns
    -------
    names : list of str
    notes : tuple of str
        Says which columns are left out, and why.

    Raises
    ------
    CommandError
        If a column is not there, is both chosen and not to be, or is not one of numbers; if there are none to choose;
        or if a column of numbers and other texts would be left out.
    """
    if all(pa.types.is_null(field.type) for field in fields.values()):
        raise CommandError("the table has no rows, or none with a value")
    out = {*exclude, *serving}
    check_present(fields, [*(columns or ()), *out])
    for name in columns or ():
        if name in serving:
            raise CommandError(f"{serving[name]} names column {name!r}, which is fitted: expected another column")
    if overlap := sorted(out.intersection(columns or ())):
        raise CommandError(f"columns cannot be both fitted and left out: {quoted(overlap)}")
    if columns is not None:
        for name in columns:
            if why := _why_not_numeric(fields[name]):
                raise CommandError(f"expected numbers in column {name!r}, got {why}{_remedy(fields[name])}")
        return list(dict.fromkeys(columns)), ()
    reasons = {name: _why_not_numeric(field) for name, field in fields.items() if name not in out}
    obstacles = {name: obstacle for name in reasons if (obstacle := Obstacle.of(fields[name])) is not None}
    if mixed := [name for name, obstacle in obstacles.items() if obstacle.mostly_numbers]:
        each = (f"column {name!r} holds numbers, and {obstacles[name].reason}{_remedy(fields[name])}" for name in mixed)
        them = "it" if len(mixed) == 1 else "them"
        raise CommandError(
            f"{listed(each, SHOWN)}; --exclude {','.join(mixed)!r} leaves {them} out, and --columns names those to fit"
        )
    if reasons.get("") == "":
        reasons[""] = "no name, as for row numbers"
    numeric = [name for name, why in reasons.items() if not why]
    omissions = listed((f"{name!r} ({why})" for name, why in reasons.items() if why), LEFT_OUT_SHOWN)
    notes = (f"left out: {omissions}",) if omissions else ()
    if not numeric:
        why = notes[0] if notes else f"all are left out by options: {quoted(sorted(out))}"
        raise CommandError(f"the table has no numeric columns to fit; {why}")
    return numeric, notes


def check_present(names: Collection[str], columns: Iterable[str]) -> None:
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


def _why_not_numeric(field: pa.Field) -> str:
    if is_numeric(field.type):
        return ""
    obstacle = Obstacle.of(field)
    if obstacle is not None:
        return obstacle.reason
    return "no values" if pa.types.is_null(field.type) else f"type {field.type}"


def _remedy(field: pa.Field) -> str:
    obstacle = Obstacle.of(field)
    remedy = "" if obstacle is None else obstacle.remedy(OPTIONS)
    return f"; {remedy}" if remedy else ""


def measurements(
    names: Sequence[str], blocks: Iterable[NDArray[Any]], n_rows: int, *, named: bool
) -> tuple[list[int], tuple[str, ...]]:
    """Return the columns to fit, and notes on others; all columns where the user `named` them.

    Raises
    ------
    CommandError
        If all are constant.
    """
    kinds = ColumnKinds(blocks, n_rows, names)
    if len(kinds.constants) == len(names):
        raise CommandError(f"nothing to fit: all columns are constant: {quoted(names, SHOWN)}")
    suspects = [(COPIES, {j: f" (of {names[original]!r})" for j, original in kinds.copies.items()})]
    if not named:
        suspects = [
            (NUMBERS, dict.fromkeys(kinds.numbers, "")),
            (CONSTANT, {j: f" ({value:g})" for j, value in kinds.constants.items()}),
            (CODES, {j: f" ({n} distinct values)" for j, n in kinds.codes.items()}),
            *suspects,
        ]
    fitted, notes = set(range(len(names))), list[str]()
    for kind, columns in suspects:
        fresh = [j for j in columns if j in fitted]
        texts, others = [f"{names[j]!r}{columns[j]}" for j in fresh], len(fitted) - len(fresh)
        if named or not others or (kind is CODES and len(fresh) > _CODES_EACH * others):
            notes += [Note.of(kind, texts, options=True)] if fresh else []
        elif fresh:
            what, them = (kind.one, "it") if len(fresh) == 1 else (kind.several, "them")
            keep = f", and --keep to write {them} beside the labels" if kind is NUMBERS else ""
            notes.append(
                f"left out: {listed(texts, SHOWN)}, which{what}; use --columns to name the columns to fit{keep}"
            )
            fitted -= {*fresh}
    return sorted(fitted), tuple(notes)


def unsaid(found: Iterable[str], notes: Sequence[str], *, named: bool) -> tuple[str, ...]:
    """Return what a search notes of the fitted columns and these notes do not say.

    Codes and identifiers among columns that the user `named` are meant.
    """
    said = {note.kind for note in notes if isinstance(note, Note)} | ({NUMBERS, CODES, COPIES} if named else set())
    texts = [note.in_options if isinstance(note, Note) else note for note in found]
    return tuple(text for text in texts if getattr(text, "kind", None) not in said)
