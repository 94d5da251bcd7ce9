"""Files of sales, CSV or JSON Lines, read as batches of text by role; and their mappings.

Here: formats, columns, line numbers, and what makes a file unreadable. Not here: which row
is a sale (`core.sales`).
"""

import csv
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pyarrow as pa

from pricing_assets.core.sales import ROLES, MappingError, SaleMapping, read_mapping
from resources.scan_files import UnreadableFile
from resources.sources.wire import storable

if TYPE_CHECKING:
    from _csv import Reader as _Reader

BATCH_ROWS = 50_000

MAX_HEADER = 131_072
"""Characters of a first line at most: what has more names no columns, and may have no line ends."""

SALES_SCHEMA = pa.schema(
    [("line", pa.int64()), ("fault", pa.string()), *((role, pa.string()) for role in ROLES)]
)
"""Columns of a batch: the line a row starts at, from 1, what hid its fields, and its fields as
text, empty where the file has none."""

_DELIMITERS = (",", ";", "\t", "|")


def mapping_of(path: Path) -> SaleMapping:
    """Read a mapping from its TOML file.

    Raises:
        MappingError: It is no TOML, or describes no mapping; the message names the file.
    """
    try:
        return read_mapping(tomllib.loads(path.read_text("utf-8")))
    except (ValueError, UnicodeDecodeError) as error:
        raise MappingError(f"{path.name}: {error}") from None


def read_sales(path: Path, mapping: SaleMapping) -> Iterator[pa.RecordBatch]:
    """Read a file of sales; every row comes back once, with its fields or with a fault.

    CSV has a header, and comma, semicolon, tab or bar between its columns. Memory is bounded,
    whatever the file's size.

    Yields:
        Batches of `SALES_SCHEMA`.

    Raises:
        UnreadableFile: It is no text, or lacks a mapped column.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        head = file.read(64 * 1024)
        if "\0" in head:
            raise UnreadableFile(f"{path.name} is not text. Export it as CSV in UTF-8.")
        file.seek(0)
        if head.lstrip().startswith("{") or path.suffix in (".jsonl", ".ndjson"):
            yield from _json_batches(file, mapping)
        else:
            yield from _csv_batches(path.name, file, mapping)


def _csv_batches(name: str, file: IO[str], mapping: SaleMapping) -> Iterator[pa.RecordBatch]:
    first = file.readline(MAX_HEADER + 1)
    if not first.strip():
        raise UnreadableFile(f"{name} is empty. Its first line names the columns.")
    if len(first) > MAX_HEADER:
        raise UnreadableFile(
            f"{name}:1 should name the columns and has over {MAX_HEADER:,} characters. Export the "
            "file again, with a header."
        )
    delimiter = max(_DELIMITERS, key=lambda mark: len(next(csv.reader([first], delimiter=mark))))
    # A header may hold line ends within quotes, so it is read again with the rest.
    reader = csv.reader(chain([first], file), delimiter=delimiter)
    try:
        header = [column.strip() for column in next(reader)]
        missing = [column for column in mapping.columns.values() if column not in header]
        if missing:
            raise UnreadableFile(
                f"{name} has no column {missing[0]!r}; it has {', '.join(map(repr, header))}. "
                "Correct the names under [columns] of the mapping."
            )
        places = {role: header.index(column) for role, column in mapping.columns.items()}
        rows = numbered_records(reader)
        while batch := list(islice(rows, BATCH_ROWS)):
            yield text_batch(batch, len(header), places, ROLES)
    except csv.Error as error:
        raise UnreadableFile(
            f"{name}:{reader.line_num} cannot be read as CSV ({error}): a quote may be open "
            "before it. Correct it and import the file again."
        ) from None


def numbered_records(reader: "_Reader") -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not blank with the line it starts at."""
    start = reader.line_num + 1
    for row in reader:
        if row:
            yield start, row
        start = reader.line_num + 1


def text_batch(
    rows: list[tuple[int, list[str]]],
    width: int,
    places: Mapping[str, int],
    names: Sequence[str],
) -> pa.RecordBatch:
    """Return records as columns of text: line, fault, and the named ones.

    Args:
        rows: As `numbered_records` gives them.
        width: Columns of the header; a record with another number has the fault `columns`, and
            one that holds NUL, which no database stores as text, the fault `nul`.
        places: Where a named column is; one that is nowhere is empty.
        names: The columns, in their order.
    """
    filler = [""] * width
    whole = [row if len(row) == width else (row + filler)[:width] for _, row in rows]
    faults = [None if len(row) == width else "columns" for _, row in rows]
    for place, row in enumerate(whole):
        if "\0" in "".join(row):
            whole[place], faults[place] = [text.replace("\0", "") for text in row], "nul"
    columns = list(zip(*whole, strict=True))
    return pa.RecordBatch.from_arrays(
        [
            pa.array([line for line, _ in rows], pa.int64()),
            pa.array(faults, pa.string()),
            *(
                pa.array(columns[places[name]], pa.string())
                if name in places
                else pa.repeat(pa.scalar(""), len(rows))
                for name in names
            ),
        ],
        names=["line", "fault", *names],
    )


def _json_batches(file: IO[str], mapping: SaleMapping) -> Iterator[pa.RecordBatch]:
    numbered = ((number, line) for number, line in enumerate(file, 1) if line.strip())
    while lines := list(islice(numbered, BATCH_ROWS)):
        documents = [_json_object(line) for _, line in lines]
        yield pa.RecordBatch.from_arrays(
            [
                pa.array([number for number, _ in lines], pa.int64()),
                pa.array([None if d is not None else "bad_json" for d in documents], pa.string()),
                *(
                    pa.array([_field(d, mapping.columns.get(role)) for d in documents], pa.string())
                    for role in ROLES
                ),
            ],
            schema=SALES_SCHEMA,
        )


def _json_object(line: str) -> dict[str, object] | None:
    try:
        value = json.loads(line, parse_int=str, parse_float=str)  # numbers as they came
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _field(document: Mapping[str, object] | None, column: str | None) -> str:
    value = document.get(column) if document and column else None
    # A string of JSON may hold an escaped NUL, or half of an emoji where a title was cut.
    return storable(value) if isinstance(value, str) else ""
