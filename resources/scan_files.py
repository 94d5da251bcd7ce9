"""Files of scans: exports, scanner memories and dumps, read as batches of judged rows.

Here: formats, encodings, columns, line numbers, and what makes a file unreadable.
Not here: what a single code means (`core.readings`), where the rows go (the intake).

`python -m resources.scan_files FILE ROWS [CATEGORY]` writes batches of so many rows to its output
as an Arrow stream: a large file is read in a process of its own while its rows are stored.
"""

import codecs
import csv
import gzip
import io
import json
import re
import subprocess
import sys
import tempfile
import zlib
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import IO, NamedTuple, cast

import pyarrow as pa

from pricing_assets.core.categories import CATEGORIES
from pricing_assets.core.codes import MAX_CODE_LENGTH, REASONS, read_code
from pricing_assets.core.items import item_id
from pricing_assets.core.readings import read_item

SCAN_SCHEMA = pa.schema(
    [
        pa.field("line", pa.int64(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("category", pa.string()),
        pa.field("natural_key", pa.string()),
        pa.field("item_id", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("note", pa.string(), nullable=False),
        pa.field("scanned_at", pa.timestamp("us", tz="UTC")),
    ]
)
"""Columns of a batch. A row is accepted exactly when `reason` is null."""

LINE_REASONS: Mapping[str, str] = {
    "bad_json": "The line is not valid JSON ({detail}). Write one object or one code a line.",
    "bad_dump_row": (
        "The line has {detail} columns separated by tabs; a row of an Open Library dump has 5. "
        "Download the dump again if many rows are like this."
    ),
    "no_code_field": "The line has no field for a code. Name one of: {detail}.",
    "long_line": "The line has over {detail} characters. Write one row a line.",
}
"""Why a whole line is refused, where no code could be taken from it. See also `REASONS`."""

LARGE_FILE_BYTES = 2 * 1024**2
"""From here on reading takes longer than starting a process for it."""

MAX_LINE_LENGTH = 64 * 1024
"""Characters of a line that are held; a longer line is refused and skipped over."""

COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    "isbn": ("isbn", "isbn13", "isbn10", "isbnnumber", "bookisbn", "sbn", "isbnean", "eanisbn"),
    "barcode": (
        *("ean", "ean13", "eancode", "gtin", "gtin13", "upc", "upca", "asin"),
        *("barcode", "barcodes", "barcodenumber"),
    ),
    "code": ("code", "codes", "scan", "scannedcode"),
    "title": ("title",),
    "category": ("category", "itemcategory"),
    "time": ("scannedat", "scannedon", "scantime", "scandate", "timestamp", "datetime"),
}
"""What a column may be called, by its role; lower case, without spaces and punctuation.

Codes are tried in the order of the roles here, then of the columns: one internal number
in eleven passes for an ISBN that lost its zeros, so a column named for ISBNs goes first.
A title is a code only where no column of codes is named and the category is said: it names a
card, but no book.
"""

_UNREAD_TIME = "The time of its scan could not be read; write it like 2026-10-31T12:00:00+00:00."
_PROJECT = Path(__file__).resolve().parent.parent
_UNREADABLE = 3
"""What the reading process ends with where it says what makes the file unreadable."""

_CHUNK = 256 * 1024
_SAMPLE_LINES = 200
_MAX_RECORD_LINES = 100  # more, and a quote was never meant to open a field
_DELIMITERS = ("\t", ";", ",", "|")
_UNIX_TIME = re.compile(r"[0-9]{10}|[0-9]{13}").fullmatch
_ROLES = {name: role for role, names in COLUMN_NAMES.items() for name in names}
_CODE_ROLES = ("isbn", "barcode", "code")
_RANK = {reason: rank for rank, reason in enumerate(REASONS)}
# What a column without a name must mostly hold. A wrong check digit or length is no sign:
# any column of numbers has those.
_CODELIKE = frozenset({None, "lost_digits", "upc", "ean_not_book", "asin", "issn"})
_BINARY = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook; save the sheet as CSV UTF-8, or unzip it",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save the sheet as CSV UTF-8",
    b"%PDF": "a PDF; export the list as CSV or text",
    b"SQLite format 3": "a SQLite database; export the table as CSV",
    b"PAR1": "a Parquet file; export it as CSV",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it or use gzip",
    b"BZh": "compressed with bzip2; decompress it or use gzip",
    b"\xfd7zXZ": "compressed with xz; decompress it or use gzip",
    b"7z\xbc\xaf": "a 7-Zip archive; unpack it",
}


class UnreadableFile(ValueError):
    """The file as a whole cannot be read; the message says why and what to do."""


class _Record(NamedTuple):
    """One data row before judgement: its codes and category, or the fault that hid them."""

    line: int
    codes: Sequence[str]
    scanned_at: str = ""
    category: str | None = None
    fault: str | None = None
    detail: str = ""


class _Judged(NamedTuple):
    """One distinct code, read once a batch."""

    code: str
    category: str | None
    natural_key: str | None
    item_id: str | None
    reason: str | None
    note: str


def read_scans(
    path: Path, batch_rows: int = 50_000, category: str | None = None
) -> Iterator[pa.RecordBatch]:
    """Read a file of scans: every data row comes back once, accepted or with a reason.

    Reads delimited text (comma, semicolon, tab or bar; with or without a header), one
    code a line, JSON lines, and Open Library's editions dump; each plain or gzipped, in
    UTF-8, UTF-16 with a byte order mark, or Windows-1252. Blank lines are no rows. Of
    several code columns the first accepted one counts; if none is, the most telling
    reason. Times without a zone are taken as UTC.

    Memory is bounded by `batch_rows`, whatever the file's size. A file of `LARGE_FILE_BYTES`
    or more is read beside what the caller does, in a process of its own.

    Args:
        path: The file.
        batch_rows: Most rows in a batch.
        category: Of the rows that do not say it themselves, where whoever brings the file does.

    Yields:
        Batches of `SCAN_SCHEMA`. `line` is the physical line a row starts at, from 1.

    Raises:
        UnreadableFile: The file is no text, no code column can be found, or it breaks
            off (a truncated gzip file does so after its whole batches were given).
    """
    if batch_rows < 1:
        raise ValueError(f"batch_rows is {batch_rows}; a batch has at least one row")
    if path.is_file() and path.stat().st_size >= LARGE_FILE_BYTES:
        yield from read_beside(path, batch_rows, category)
    else:
        yield from _read(path, batch_rows, category)


def read_beside(
    path: Path, batch_rows: int, category: str | None = None
) -> Iterator[pa.RecordBatch]:
    """Do what `read_scans` does in a process of its own, which reads ahead of the caller."""
    command = [sys.executable, "-m", "resources.scan_files", str(path.absolute()), str(batch_rows)]
    command += [category] if category else []
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, cwd=_PROJECT
        ) as reader,
    ):
        try:
            with pa.ipc.open_stream(reader.stdout) as batches:
                yield from batches
            ended = reader.wait()
        except (pa.ArrowInvalid, OSError):
            # It ended in the middle of what it wrote, or wrote something else and goes on with it.
            reader.kill()
            ended = reader.wait() or 1
        finally:
            # Also where the caller wants no more of it: nobody reads what it would still write.
            reader.kill()
        said.seek(0)
        message = said.read().decode(errors="replace").strip()
        if ended == _UNREADABLE:
            raise UnreadableFile(message)
        if ended:
            raise RuntimeError(f"reading {path.name} ended with code {ended}: {message[-2000:]}")


def _read(path: Path, batch_rows: int, category: str | None) -> Iterator[pa.RecordBatch]:
    try:
        if not path.is_file():
            what = "is not a regular file" if path.exists() else "does not exist"
            raise UnreadableFile(f"{path.name} {what}. Give the path of a file of scans.")
        with path.open("rb") as raw:
            zipped = raw.peek(2)[:2] == b"\x1f\x8b"
            stream = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if zipped else raw
            records = _records(path.name, _lines(_text(path.name, stream)), category)
            while rows := list(islice(records, batch_rows)):
                yield _batch(rows)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFile(
            f"{path.name} is a damaged or truncated gzip file ({error}). Copy or download it again."
        ) from error
    except OSError as error:
        raise UnreadableFile(
            f"{path.name} cannot be read ({error.strerror or error}). "
            "Check that it exists and that you may read it."
        ) from error


# --- bytes to lines ---------------------------------------------------------------------


def _text(name: str, stream: IO[bytes]) -> Iterator[str]:
    """Decode a file chunk by chunk, with all line ends as newlines."""
    chunk = stream.read(_CHUNK)
    _refuse_binary(name, chunk[:8192])
    utf16 = chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    decoder: codecs.IncrementalDecoder
    if utf16:
        decoder = codecs.getincrementaldecoder("utf-16")("replace")
    else:
        decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    while True:
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError:
            # Not UTF-8 after all: from here on it is what Windows writes. Codes are ASCII,
            # so rows before this one lost nothing.
            undecoded = (decoder.getstate()[0] + chunk).removeprefix(codecs.BOM_UTF8)
            decoder = codecs.getincrementaldecoder("cp1252")("replace")
            text = decoder.decode(undecoded, final=not chunk)
        yield newlines.decode(text, final=not chunk)
        if not chunk:
            return
        chunk = stream.read(_CHUNK)


def _refuse_binary(name: str, head: bytes) -> None:
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            raise UnreadableFile(f"{name} is {what}.")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return
    control = len(re.findall(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", head))
    # Scanners put some around codes that are ASCII. Of compressed bytes a tenth are some, and
    # they are no UTF-8; text of Windows is not either, and has none.
    if control * (10 if _is_utf8(head) else 50) > len(head):
        raise UnreadableFile(f"{name} is no text file. Export it as CSV or text in UTF-8.")


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _lines(chunks: Iterable[str]) -> Iterator[str]:
    """Split text into lines without their ends, none over `MAX_LINE_LENGTH` + 1."""
    tail = ""
    for chunk in chunks:
        *lines, tail = (tail + chunk).split("\n")
        for line in lines:
            yield line[: MAX_LINE_LENGTH + 1]
        tail = tail[: MAX_LINE_LENGTH + 1]
    if tail:
        yield tail


# --- lines to records -------------------------------------------------------------------


def _records(name: str, lines: Iterator[str], given: str | None) -> Iterator[_Record]:
    """Find out the format and read the rows in it.

    Args:
        given: The category of the rows that do not say it themselves.
    """
    sample = list(islice(lines, _SAMPLE_LINES))
    first = next((line.strip() for line in sample if line.strip()), None)
    if first is None:
        return
    lines = chain(sample, lines)
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    if suffix in (".jsonl", ".ndjson", ".json") or first.startswith("{"):
        if first.startswith("["):
            raise UnreadableFile(
                f"{name} is one JSON array. Write one object a line (jq -c '.[]' does it)."
            )
        yield from _json_rows(lines, given, dump=False)
    elif first.startswith("/type/") and "\t" in first:
        yield from _json_rows(lines, given, dump=True)
    else:
        yield from _delimited(name, suffix, sample, lines, given)


def _json_rows(lines: Iterator[str], given: str | None, *, dump: bool) -> Iterator[_Record]:
    """Rows of JSON lines, or of a dump: type, key, revision, time, JSON, tabs between.

    The dump's format: https://openlibrary.org/developers/dumps
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if len(line) > MAX_LINE_LENGTH:
            yield _Record(number, (line,), fault="long_line", detail=f"{MAX_LINE_LENGTH:,}")
            continue
        text = line
        if dump:
            columns = line.split("\t", 4)
            if len(columns) < 5:
                yield _Record(number, (line,), fault="bad_dump_row", detail=str(len(columns)))
                continue
            text = columns[4]
        try:
            value = json.loads(text, parse_int=str, parse_float=str)  # numbers as they came
        except json.JSONDecodeError as error:
            detail = f"{error.msg} at character {error.pos + 1}"
            yield _Record(number, (line,), fault="bad_json", detail=detail)
        except RecursionError:
            yield _Record(number, (line,), fault="bad_json", detail="nested too deeply")
        else:
            yield _from_json(number, line, value, given)


def _from_json(number: int, line: str, value: object, given: str | None) -> _Record:
    if isinstance(value, str):
        return _Record(number, (value,), category=given)
    fields = value if isinstance(value, dict) else {}
    roles = {name: _role(name) for name in fields}
    found = [fields[name] for role in _CODE_ROLES for name in fields if roles[name] == role]
    times = (fields[name] for name in fields if roles[name] == "time")
    scanned_at = next((time for time in times if isinstance(time, str)), "")
    said = (fields[name] for name in fields if roles[name] == "category")
    named = next((name for name in said if isinstance(name, str)), "")
    category = _category(named, roles.values(), given)
    if not found and _has_titles(category):
        found = [fields[name] for name in fields if roles[name] == "title"]
    if not found:
        known = ", ".join((*COLUMN_NAMES["isbn"][:3], "code"))
        return _Record(number, (line,), scanned_at, fault="no_code_field", detail=known)
    flat = chain.from_iterable(field if isinstance(field, list) else [field] for field in found)
    return _Record(number, [c for c in flat if isinstance(c, str)] or ("",), scanned_at, category)


def _delimited(
    name: str,
    suffix: str,
    sample: Sequence[str],
    lines: Iterator[str],
    given: str | None,
) -> Iterator[_Record]:
    layout = _layout(sample, given)
    if layout is None:
        widths = {len(row) for d in _DELIMITERS for _, row in _rows(iter(sample), d)}
        if suffix != ".txt" and widths != {1}:
            names = ", ".join(COLUMN_NAMES["isbn"][:3])
            raise UnreadableFile(
                f"{name} has no column of codes: none is named {names}, ean, barcode or code, "
                "and none reads as ISBNs. Name the column in the first line, as in 'isbn,price', "
                "or for cards that have only titles 'title,category' with card in every row, or "
                "'title' and --category card."
            )
        layout = _Layout("", has_header=False, code_columns=(0,))
    rows = _rows(lines, layout.delimiter)
    if layout.has_header:
        next(rows)
    code_columns = layout.code_columns
    for number, row in rows:
        width = len(row)
        if width == 1 and len(row[0]) > MAX_LINE_LENGTH:
            yield _Record(number, row, fault="long_line", detail=f"{MAX_LINE_LENGTH:,}")
            continue
        codes = [row[i] for i in code_columns if i < width] or ("",)
        time, named = (
            "" if column is None or column >= width else row[column].strip()
            for column in (layout.time_column, layout.category_column)
        )
        yield _Record(number, codes, time, _category(named, layout.roles, given))


class _Layout(NamedTuple):
    """How a delimited file is laid out."""

    delimiter: str
    has_header: bool
    code_columns: tuple[int, ...]
    time_column: int | None = None
    category_column: int | None = None
    roles: Collection[str | None] = ("code",)


def _layout(sample: Sequence[str], given: str | None) -> _Layout | None:
    """Find the delimiter and the code columns: by name, else by what reads as codes.

    Titles stand for codes where the category of some row is known, and has such items.
    """
    tables = {d: list(islice(_rows(iter(sample), d), 100)) for d in _DELIMITERS}
    for delimiter, rows in tables.items():
        roles = [_role(field) for field in rows[0][1]]
        time, category, title = (
            roles.index(role) if role in roles else None for role in ("time", "category", "title")
        )
        if codes := [i for wanted in _CODE_ROLES for i, r in enumerate(roles) if r == wanted]:
            return _Layout(delimiter, True, tuple(codes), time, category, frozenset(roles))
        named = [row[category] for _, row in rows if category is not None and category < len(row)]
        if title is not None and any(map(_has_titles, [given, *map(_known_category, named)])):
            return _Layout(delimiter, True, (title,), time, category)
    best, layout = 0.5, None
    for delimiter, rows in tables.items():
        for column in range(min(max(len(row) for _, row in rows), 500)):
            values = [row[column] for _, row in rows if column < len(row) and row[column].strip()]
            good = sum(read_code(value).reason in _CODELIKE for value in values)
            # A column that only some rows have is the wreck of a wrong delimiter.
            share = good / len(rows)
            if share > best or (share == best and layout is None):
                best, layout = share, _Layout(delimiter, False, (column,))
    return layout


@lru_cache(maxsize=4096)
def _role(name: str) -> str | None:
    return _ROLES.get(re.sub(r"[\W_]+", "", name[:MAX_CODE_LENGTH]).casefold())


def _rows(lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Split lines into fields, with the number of each row's first line.

    Only rows with quotes need the csv module. A quote that is never closed would swallow
    the rows after it, so a row of several lines has to be faultless; if not, its first
    line is read for itself and the others again.
    """
    waiting: deque[str] = deque()
    number = 0
    while True:
        line = waiting.popleft() if waiting else next(lines, None)
        if line is None:
            return
        number += 1
        if not line or line.isspace():
            continue
        if not delimiter or len(line) > MAX_LINE_LENGTH:
            yield number, [line]
        elif '"' not in line:
            yield number, line.split(delimiter)
        else:
            row, taken = _quoted_row(line, waiting, lines, delimiter)
            yield number, row
            number += taken


def _quoted_row(
    first: str, waiting: deque[str], lines: Iterator[str], delimiter: str
) -> tuple[list[str], int]:
    """Read a row with quotes; also return how many more lines it took."""
    taken: list[str] = []

    def feed() -> Iterator[str]:
        yield f"{first}\n"
        while len(taken) < _MAX_RECORD_LINES:
            line = waiting.popleft() if waiting else next(lines, None)
            if line is None:
                return
            taken.append(line)
            yield f"{line}\n"

    try:
        return next(csv.reader(feed(), delimiter=delimiter, strict=True)), len(taken)
    except csv.Error:
        waiting.extendleft(reversed(taken))
    if first.count('"') % 2 == 0:
        try:
            return next(csv.reader([first], delimiter=delimiter)), 0
        except csv.Error:
            pass
    return first.split(delimiter), 0


# --- records to batches -----------------------------------------------------------------


def _batch(records: Sequence[_Record]) -> pa.RecordBatch:
    seen: dict[tuple[str, str | None], _Judged] = {}
    judged: list[_Judged] = []
    times: list[datetime | None] = []
    for record in records:
        best = _best(record, seen) if record.fault is None else _faulty(record)
        moment = None
        if record.scanned_at:
            moment = _moment(record.scanned_at)
            if moment is None:
                best = best._replace(note=f"{best.note} {_UNREAD_TIME}".strip())
        judged.append(best)
        times.append(moment)
    columns: list[Sequence[object]] = [[r.line for r in records], *zip(*judged, strict=True), times]
    return pa.RecordBatch.from_arrays(
        [pa.array(c, f.type) for c, f in zip(columns, SCAN_SCHEMA, strict=True)],
        schema=SCAN_SCHEMA,
    )


def _best(record: _Record, seen: dict[tuple[str, str | None], _Judged]) -> _Judged:
    """Return the first accepted of a row's codes, else the one refused most tellingly."""
    best: _Judged | None = None
    for code in record.codes:
        key = (code, record.category)
        judged = seen.get(key) or seen.setdefault(key, _judge(*key))
        if judged.reason is None:
            return judged
        if best is None or _RANK[judged.reason] < _RANK[cast("str", best.reason)]:
            best = judged
    return cast("_Judged", best)


def _category(named: str, roles: Collection[str | None], given: str | None) -> str | None:
    """Return the category of a row's codes; None where nothing says it.

    The row itself goes before whoever gave the file, and that before a column's name.
    """
    known = _known_category(named) or given
    return known or (None if "code" in roles else "book")


def _known_category(named: str) -> str | None:
    # Most files' categories are a shop's own, such as Fiction: those say nothing.
    name = named.strip().lower().removesuffix("s")
    return name if name in CATEGORIES else None


def _has_titles(category: str | None) -> bool:
    """Say whether an item of the category may be named by its title."""
    return category is not None and category != "book"


def _judge(code: str, category: str | None) -> _Judged:
    reading = read_item(code, category)
    identity = None
    if reading.category is not None and reading.natural_key is not None:
        identity = item_id(reading.category, reading.natural_key)
    return _Judged(
        _kept(code), reading.category, reading.natural_key, identity, reading.reason, reading.note
    )


def _faulty(record: _Record) -> _Judged:
    fault = cast("str", record.fault)
    note = LINE_REASONS[fault].format(detail=record.detail)
    return _Judged(_kept(record.codes[0]), None, None, None, fault, note)


def _kept(code: str) -> str:
    """Cut a code to what is kept of it, without what databases cannot hold (NUL, surrogates)."""
    if len(code) > MAX_CODE_LENGTH:
        code = f"{code[: MAX_CODE_LENGTH - 1]}…"
    if code.isascii() and "\0" not in code:
        return code
    return code.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _moment(text: str) -> datetime | None:
    """Read ISO-8601 or Unix seconds or milliseconds; without a zone it is UTC."""
    try:
        if _UNIX_TIME(text):
            return datetime.fromtimestamp(int(text[:10]), UTC).replace(
                microsecond=int(text[10:] or "0") * 1000
            )
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is UTC:
            return moment
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def main(path: str, batch_rows: str, category: str | None = None) -> int:
    """Write a file's batches to the output; what makes it unreadable, as a sentence, to stderr."""
    try:
        with pa.ipc.new_stream(sys.stdout.buffer, SCAN_SCHEMA) as stream:
            for batch in _read(Path(path), int(batch_rows), category):
                stream.write_batch(batch)
                sys.stdout.buffer.flush()
    except UnreadableFile as error:
        print(error, file=sys.stderr)
        return _UNREADABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
