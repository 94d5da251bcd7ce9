"""Rows of SQLite as Arrow.

SQLite packs a row into one JSON array, or the values of a column into one text, which Arrow's
CSV reader takes apart: half the time, or a third, of making one Python object for every value
and reading those.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import sqlalchemy as sa

if TYPE_CHECKING:
    from resources.database import AnySelect

FETCHED_ROWS = 200
"""Rows fetched from SQLite at a time: few enough for the processor's nearest cache.

Reading 1,000,000 rows of 18 columns took a quarter longer with 5,000.
"""

BYTES_A_ROW = 33
"""Bytes that a row adds to the text of a column of moments, with the end of its line."""

LEAST_BYTES = 1_000_000
"""Bytes that a text may have however few rows are asked for: SQLite's own texts are bound with it,
as the declaration of a function's columns."""

WALKED_KIB = 4096
"""Pages of the database in memory while many rows are read: as many as the processor's cache holds.

What is walked through is not looked at again. With 64 MiB reading took an eighth longer.
"""

_NULL = "\x1f"
"""A line of a column's text that is null."""

_NO_LINE = (b"\r", b"\x1e")
"""What a CSV reader would end a line or a value at, beside the end of the line that is ours."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""A CSV reader takes it for no part of the first value."""

LONGEST_UNITS = 18
"""Digits of an amount that a 64-bit integer holds, whichever they are."""


def is_packed(field: pa.Field) -> bool:
    """Tell whether a value's JSON is exact: not of floats (15 digits) nor of bytes (none)."""
    if pa.types.is_decimal(field.type):
        return bool(field.type.precision <= LONGEST_UNITS)
    return not (pa.types.is_floating(field.type) or pa.types.is_binary(field.type))


def packed(statement: "AnySelect", schema: pa.Schema) -> "AnySelect":
    """Return a select of one JSON array for each row, and beside it what JSON cannot hold."""
    array, beside = _packed_row(statement, schema)
    return sa.select(sa.cast(array, sa.LargeBinary()), *beside)


def packed_together(statement: "AnySelect", schema: pa.Schema) -> "AnySelect":
    """Return a select of the JSON arrays of all rows as one text, null without rows.

    SQLite makes it in one step, which threads of one process do side by side.

    Raises:
        ValueError: A column is of a type that JSON cannot hold.
    """
    array, beside = _packed_row(statement, schema)
    if beside:
        raise ValueError(f"{', '.join(c.name for c in beside)}: not exact in a text")
    return sa.select(_one_text(array))


def columns_together(statement: "AnySelect", schema: pa.Schema) -> "AnySelect":
    """Return a select of one text a column: the values of all rows, one a line.

    Two thirds of the time of `packed_together`. Before the texts come the number of rows, and for
    each column that of its known values where a text could be mistaken for a null, else null. See
    `uncolumned`.

    Raises:
        ValueError: A column is of a type that a text cannot hold.
    """
    rows = statement.subquery("rows")
    texts: list[sa.ColumnElement[Any]] = []
    known: list[sa.ColumnElement[Any]] = []
    for origin, column, field in zip(statement.selected_columns, rows.columns, schema, strict=True):
        if not is_packed(field):
            raise ValueError(f"{field.name}: not exact in a text")
        value = _as_units(column, field)
        nullable = getattr(origin, "nullable", True)
        if nullable:
            value = sa.func.ifnull(sa.type_coerce(value, sa.Text()), sa.literal(_NULL))
        texts.append(_one_text(value))
        if pa.types.is_string(field.type):
            known.append(sa.func.count(column) if nullable else sa.func.count())
        else:
            known.append(sa.null())
    return sa.select(sa.func.count(), *known, *texts)


def uncolumned(found: Sequence[Any], schema: pa.Schema) -> pa.Table | None:
    """Return the rows of `columns_together`; None where a text has an end of a line in it."""
    rows, known, texts = found[0], found[1 : len(schema) + 1], found[len(schema) + 1 :]
    if rows == 0:
        return schema.empty_table()
    columns = []
    for field, count, text in zip(schema, known, texts, strict=True):
        if any(sign in text for sign in _NO_LINE) or text.startswith(_BYTE_ORDER_MARK):
            return None
        column = of_packed(_lines(text, _packed_type(field)), field)
        if len(column) != rows:
            return None  # a text has the end of a line in it
        if count is not None and column.null_count != rows - count:
            return None  # a text is what stands for null
        columns.append(column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _lines(text: bytes, kind: pa.DataType) -> pa.Array:
    """Return the lines of a text as values."""
    lines = text + b"\n"  # without an end the last line is none where it is empty
    table = pa_csv.read_csv(
        pa.py_buffer(lines),
        pa_csv.ReadOptions(column_names=["line"], use_threads=False, block_size=len(lines) + 1),
        pa_csv.ParseOptions(delimiter="\x1e", quote_char=False, ignore_empty_lines=False),
        pa_csv.ConvertOptions(
            column_types={"line": kind}, null_values=[_NULL], strings_can_be_null=True
        ),
    )
    return table["line"].combine_chunks()


def _one_text(value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.cast(sa.func.group_concat(value, "\n"), sa.LargeBinary())


def _as_units(column: sa.ColumnElement[Any], field: pa.Field) -> sa.ColumnElement[Any]:
    """Return an amount as a whole number of its last decimal; what is none as it is."""
    if not pa.types.is_decimal(field.type):
        return column
    units = sa.type_coerce(column, sa.Float()) * 10**field.type.scale
    return sa.cast(sa.func.round(units), sa.BigInteger())


def read_together(
    connection: sa.Connection,
    statement: "AnySelect",
    schema: pa.Schema,
    sql: "Callable[[AnySelect], str]",
    longest: int | None = None,
) -> pa.Table:
    """Return all rows of a statement: a text a column, or, where that cannot be, a text of rows.

    Args:
        sql: Gives a statement as text (`Database.sql`).
        longest: Bytes that the text of a column may have.

    Raises:
        sqlite3.DataError: A text would be longer.
        ValueError: A column is of a type that a text cannot hold.
    """
    driver = cast(sqlite3.Connection, connection.connection.driver_connection)
    ((cache_size,),) = driver.execute("PRAGMA cache_size")
    driver.execute(f"PRAGMA cache_size = -{WALKED_KIB}")
    try:
        texts = _one_row(driver, sql(columns_together(statement, schema)), longest)
        table = uncolumned(texts, schema)
        if table is not None:
            return table
        (lines,) = _one_row(driver, sql(packed_together(statement, schema)))
        batches = [] if lines is None else [unpacked_text(lines, schema)]
        return pa.Table.from_batches(batches, schema)
    finally:
        driver.execute(f"PRAGMA cache_size = {cache_size}")


def _one_row(
    driver: sqlite3.Connection, statement: str, longest: int | None = None
) -> Sequence[Any]:
    """Return the one row of a statement, none of whose values may be longer."""
    usual = driver.getlimit(sqlite3.SQLITE_LIMIT_LENGTH)
    driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, usual if longest is None else longest)
    try:
        return cast(Sequence[Any], driver.execute(statement).fetchone())
    finally:
        driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, usual)


def _packed_row(
    statement: "AnySelect", schema: pa.Schema
) -> tuple[sa.ColumnElement[Any], list[sa.ColumnElement[Any]]]:
    rows = statement.subquery("rows")
    inside: list[sa.ColumnElement[Any]] = []
    beside: list[sa.ColumnElement[Any]] = []
    for origin, column, field in zip(statement.selected_columns, rows.columns, schema, strict=True):
        if not is_packed(field):
            beside.append(column)
        elif pa.types.is_decimal(field.type):
            inside.append(_as_units(column, field))
        elif pa.types.is_string(field.type) and not isinstance(
            getattr(origin, "table", None), sa.Table
        ):
            # Unless it is made a plain text, what a JSON function gave is put in as JSON.
            inside.append(sa.type_coerce(column, sa.Text()) + "")
        else:
            inside.append(column)
    # The brackets stick to the first and last element, which are ours and left out again.
    return sa.func.json_array(sa.text("0"), *inside, sa.text("0")), beside


def fetched(cursor: Any, most: int) -> list[list[Any]]:
    """Return the columns of the next rows; none at the end."""
    rows = cursor.fetchmany(min(FETCHED_ROWS, most))
    columns = [list(values) for values in zip(*rows, strict=True)]
    while rows and len(columns[0]) < most:
        rows = cursor.fetchmany(min(FETCHED_ROWS, most - len(columns[0])))
        for column, values in zip(columns, zip(*rows, strict=True), strict=bool(rows)):
            column.extend(values)
    return columns


def unpacked(columns: list[list[Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Return rows of `packed`, by column, as the schema says."""
    arrays, *beside = columns
    return unpacked_text(b"\n".join(arrays), schema, beside)


def unpacked_text(
    lines: bytes, schema: pa.Schema, beside: list[list[Any]] | None = None
) -> pa.RecordBatch:
    """Return the rows of a text of JSON arrays, one a line, as the schema says."""
    names = [str(place) for place in range(len(schema))]
    packed_types = {
        name: _packed_type(field)
        for name, field in zip(names, schema, strict=True)
        if is_packed(field)
    }
    lines = _as_csv(lines)
    table = pa_csv.read_csv(
        pa.py_buffer(lines),
        pa_csv.ReadOptions(
            column_names=["[", *packed_types, "]"], use_threads=False, block_size=len(lines) + 1
        ),
        pa_csv.ParseOptions(newlines_in_values=True),
        pa_csv.ConvertOptions(
            column_types=packed_types,
            include_columns=list(packed_types),
            null_values=["null"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    others = iter(beside or [])
    read = [
        of_packed(table[name].combine_chunks(), field)
        if name in packed_types
        else pa.array(next(others), _read_type(field))
        for name, field in zip(names, schema, strict=True)
    ]
    return conform(pa.RecordBatch.from_arrays(read, names=schema.names), schema)


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch in the types of a schema."""
    if batch.schema.equals(schema):
        return batch
    arrays = []
    for column, field in zip(batch.columns, schema, strict=True):
        if column.type != field.type:
            if isinstance(column.type, pa.BaseExtensionType):
                column = column.storage
            if pa.types.is_floating(column.type) and pa.types.is_decimal(field.type):
                column = pc.round(column, ndigits=field.type.scale)
            column = column.cast(field.type)
        arrays.append(column)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _packed_type(field: pa.Field) -> pa.DataType:
    as_integer = pa.types.is_decimal(field.type) or pa.types.is_boolean(field.type)
    return pa.int64() if as_integer else field.type


def of_packed(array: pa.Array, field: pa.Field) -> pa.Array:
    """Return the values of a packed column: an amount of a whole number of its last decimal."""
    if not pa.types.is_decimal(field.type):
        return array
    return pc.multiply(array.cast(pa.decimal128(19)), Decimal(1).scaleb(-field.type.scale))


def _read_type(field: pa.Field) -> pa.DataType:
    return pa.float64() if pa.types.is_decimal(field.type) else field.type


_BACKSLASH = b"\xff"
"""Stands for an escaped backslash for a while: a byte that is in no UTF-8."""

_ESCAPE = re.compile(rb"\\(?:u[0-9A-Fa-f]{4}|.)")


def _as_csv(lines: bytes) -> bytes:
    """Return JSON arrays as the lines of a CSV file: what is escaped is written as it is."""
    if b"\\" not in lines:
        return lines
    # The two that a text inside a text is full of, without a call for each.
    lines = lines.replace(b"\\\\", _BACKSLASH).replace(b'\\"', b'""')
    if b"\\" in lines:
        lines = _ESCAPE.sub(_unescaped, lines)
    return lines.replace(_BACKSLASH, b"\\")


def _unescaped(escape: re.Match[bytes]) -> bytes:
    character: str = json.loads(b'"' + escape[0] + b'"')
    return character.encode()
