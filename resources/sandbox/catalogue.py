"""The books that the sandbox knows: the bundled catalogue, and files of real ones.

`books.csv` holds well-known books by their facts. What is generated beside them has
ISBNs from registration groups that no agency has been given (978-99994 to 978-99999),
and says in its title that it is simulated.

Not here: what a book is worth (`market`), or what a vendor says of it.
"""

import csv
import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from stdnum import ean

from pricing_assets.core.codes import read_code

BUNDLED_BOOKS = Path(__file__).with_name("books.csv")
DEFAULT_SIZE = 5_000
MAX_GENERATED = 60_000
SKIPPED_KEPT = 1_000
"""How many skipped rows are kept one by one; all are counted."""


class UnreadableCatalogue(ValueError):
    """A catalogue file that holds no books we can read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Book:
    """One edition.

    Attributes:
        isbn13: Its 13 digits, valid.
        binding: ``Hardcover``, ``Paperback``, ``Mass Market Paperback`` ... or empty.
        language: ISO 639-1 code where it is a common one, else as it came; or empty.
        work: Key that all editions of the same work share.
    """

    isbn13: str
    title: str
    authors: tuple[str, ...] = ()
    publisher: str = ""
    publication_year: int | None = None
    binding: str = ""
    page_count: int | None = None
    language: str = ""
    work: str = ""


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row of a catalogue file that was not taken, with its line (from 1) and why."""

    line: int
    reason: str


@dataclass(slots=True)
class CatalogueReading:
    """What a catalogue file held.

    Attributes:
        books: One each ISBN, in the order of the file.
        skipped: The first `SKIPPED_KEPT` rows that were not taken.
        skipped_count: How many were not taken in all.
    """

    books: list[Book] = field(default_factory=list)
    skipped: list[SkippedRow] = field(default_factory=list)
    skipped_count: int = 0


# --- the bundled catalogue ---------------------------------------------------------------


def bundled_catalogue(size: int = DEFAULT_SIZE) -> list[Book]:
    """Return the bundled real books first, then generated ones, `size` in all.

    Always the same ones: a smaller catalogue is the beginning of a larger one.

    Raises:
        ValueError: `size` is below 1 or beyond what the generated ISBNs cover.
    """
    real = read_catalogue(BUNDLED_BOOKS).books
    if not 1 <= size <= len(real) + MAX_GENERATED:
        raise ValueError(
            f"a bundled catalogue has 1 to {len(real) + MAX_GENERATED} books, not {size}; "
            "give a catalogue file for more"
        )
    return [*real[:size], *_generated(size - len(real))]


_ADJECTIVES = (
    "Glass", "Silent", "Borrowed", "Winter", "Paper", "Hollow", "Northern", "Salt", "Amber",
    "Last", "Crooked", "Quiet", "Iron", "Distant", "Painted", "Second",
)  # fmt: skip
_NOUNS = (
    "Harbour", "Orchard", "Cartographer", "Lighthouse", "Kingdom", "Letters", "Garden",
    "Machine", "River", "Archive", "Daughter", "Season", "Station", "Mirror", "Road", "Choir",
)  # fmt: skip
_GIVEN_NAMES = ("Ada", "Bruno", "Clara", "Dario", "Edith", "Farid", "Greta", "Hugo")
_FAMILY_NAMES = ("Marlow", "Quint", "Osei", "Lindqvist", "Vale", "Tanaka", "Brandt", "Ruiz")
_BINDINGS = (
    "Paperback", "Paperback", "Hardcover", "Mass Market Paperback", "Hardcover", "Paperback",
    "Mass Market Paperback", "Paperback",
)  # fmt: skip
_EDITIONS = (1, 1, 1, 2, 1, 2, 3, 4)


def _generated(count: int) -> Iterator[Book]:
    number = work = 0
    while number < count:
        work += 1
        draw = hashlib.blake2b(f"simulated work {work}".encode(), digest_size=16).digest()
        title = (
            f"Simulated Title {work:05d}: The {_ADJECTIVES[draw[0] % 16]} {_NOUNS[draw[1] % 16]}"
        )
        authors = (f"{_GIVEN_NAMES[draw[2] % 8]} {_FAMILY_NAMES[draw[3] % 8]} (simulated)",)
        # More recent books than old ones: the larger of two draws.
        year = 1950 + max(draw[4], draw[5]) * 75 // 255
        pages = 96 + 4 * draw[6]
        for edition in range(min(_EDITIONS[draw[7] % 8], count - number)):
            stem = f"9789999{40_000 + number:05d}"
            yield Book(
                isbn13=stem + ean.calc_check_digit(stem),
                title=title,
                authors=authors,
                publisher=f"Sandbox Press {draw[8] % 40 + 1} (simulated)",
                publication_year=min(year + 4 * edition, 2025),
                binding=_BINDINGS[(draw[9] + edition) % 8],
                page_count=pages + 8 * edition,
                language="en",
                work=_work(title, authors),
            )
            number += 1


# --- files -------------------------------------------------------------------------------

_COLUMNS = {
    "isbn": ("isbn13", "isbn_13", "ean", "isbn", "isbn10", "isbn_10"),
    "title": ("title", "booktitle", "book_title", "original_title", "name"),
    "authors": ("authors", "author", "bookauthor", "book_author", "author_name"),
    "publisher": ("publisher", "publishers", "book_publisher"),
    "year": (
        "publication_year", "year_of_publication", "publication_date", "publish_date",
        "original_publication_year", "published", "year",
    ),
    "binding": ("binding", "physical_format", "format"),
    "pages": ("page_count", "num_pages", "number_of_pages", "pages"),
    "language": ("language", "language_code", "lang"),
}  # fmt: skip
"""Names under which files carry each field, best first; case, spaces and '-' do not count."""

_LANGUAGES = {
    "eng": "en", "fre": "fr", "fra": "fr", "ger": "de", "deu": "de", "spa": "es", "ita": "it",
    "por": "pt", "dut": "nl", "nld": "nl", "jpn": "ja", "rus": "ru", "chi": "zh", "zho": "zh",
}  # fmt: skip
_YEAR = re.compile(r"(?<!\d)(1[4-9]\d\d|20\d\d)(?!\d)")
_NOT_WORD = re.compile(r"[^\w]+")
_DUMP_LINE = re.compile(r"/type/\w+\t/\S+\t\d+\t\S+\t\{")
csv.field_size_limit(10_000_000)  # descriptions in real exports go past the default 131,072


def read_catalogue(path: Path) -> CatalogueReading:
    """Read a file of real books.

    A CSV with a header (``,``, ``;`` or tab; UTF-8 or Latin-1; columns under any usual
    name, an ISBN column among them), or Open Library's dump of editions; either may be
    gzipped. A row is taken when one of its ISBN columns holds an ISBN (`read_code`
    judges) and it has a title.

    Raises:
        UnreadableCatalogue: The file is missing, broken, has no ISBN column, or no book.
    """
    reading = CatalogueReading()
    try:
        with _opened(path) as stream:
            lines = _text_lines(stream)
            first = next(lines, "")
            everything = _chained(first, lines)
            if _DUMP_LINE.match(first):
                rows = _dump_rows(everything)
            else:
                rows = _csv_rows(everything, first, path)
            _collect(rows, reading)
    except (OSError, EOFError, csv.Error) as error:
        raise UnreadableCatalogue(
            f"{path} cannot be read as a catalogue ({error}); give a CSV with a header, or "
            "Open Library's editions dump, plain or gzipped"
        ) from error
    if not reading.books:
        why = Counter(row.reason for row in reading.skipped).most_common(1)
        raise UnreadableCatalogue(
            f"{path} holds no book: {reading.skipped_count} rows were skipped"
            + (f", mostly for this: {why[0][0]}" if why else "")
            + ". Give a file with a header row, ISBNs and titles."
        )
    return reading


def _collect(rows: Iterable[tuple[int, Book | str]], reading: CatalogueReading) -> None:
    seen: dict[str, int] = {}
    for line, row in rows:
        if isinstance(row, Book):
            if row.isbn13 not in seen:
                seen[row.isbn13] = line
                reading.books.append(row)
                continue
            row = f"{row.isbn13} is already in line {seen[row.isbn13]}"
        reading.skipped_count += 1
        if len(reading.skipped) < SKIPPED_KEPT:
            reading.skipped.append(SkippedRow(line, row))


def _opened(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    return path.open("rb")


def _text_lines(stream: BinaryIO) -> Iterator[str]:
    """Decode line by line: files joined from several exports mix both encodings."""
    for number, raw in enumerate(stream):
        try:
            text = raw.decode("utf-8-sig" if number == 0 else "utf-8")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        yield text.replace("\0", "")


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _csv_rows(
    lines: Iterator[str], header_line: str, path: Path
) -> Iterator[tuple[int, Book | str]]:
    delimiter = max(",;\t", key=header_line.count)
    reader = csv.reader(lines, delimiter=delimiter)
    header = [re.sub(r"[\s-]+", "_", name.strip().lower()) for name in next(reader, [])]
    columns = {
        name: [header.index(alias) for alias in aliases if alias in header]
        for name, aliases in _COLUMNS.items()
    }
    missing = [name for name in ("isbn", "title") if not columns[name]]
    if missing:
        raise UnreadableCatalogue(
            f"{path} has no column for {' and '.join(missing)}; its header names "
            f"{', '.join(header)[:200] or 'nothing'}. Name one of "
            f"{', '.join(_COLUMNS[missing[0]])}."
        )
    line = reader.line_num + 1
    for row in reader:
        if row:
            yield line, _csv_book(row, len(header), columns)
        line = reader.line_num + 1


def _csv_book(row: Sequence[str], width: int, columns: dict[str, list[int]]) -> Book | str:
    if len(row) != width:
        return (
            f"{len(row)} fields where the header has {width}: a delimiter or quote inside "
            "a text is not escaped"
        )

    def first(name: str) -> str:
        return next((text for i in columns[name] if (text := row[i].strip())), "")

    return _book(
        codes=[row[i] for i in columns["isbn"]],
        title=first("title"),
        authors=split_authors(first("authors")),
        publisher=first("publisher"),
        year=first("year"),
        binding=first("binding"),
        pages=first("pages"),
        language=first("language"),
    )


def _dump_rows(lines: Iterator[str]) -> Iterator[tuple[int, Book | str]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, _dump_book(line.rstrip("\r\n").split("\t", 4))


def _dump_book(columns: list[str]) -> Book | str:
    if len(columns) != 5:
        return f"{len(columns)} columns where the dump has 5"
    if columns[0] != "/type/edition":
        return f"a {columns[0]}, not an edition"
    try:
        record = json.loads(columns[4])
    except ValueError as error:
        return f"the fifth column is not JSON: {error}"
    if not isinstance(record, dict):
        return "the fifth column is not a JSON object"

    def texts(name: str) -> list[str]:
        values = record.get(name)
        return [v for v in values if isinstance(v, str)] if isinstance(values, list) else []

    def key(name: str) -> str:
        values = record.get(name)
        first = values[0] if isinstance(values, list) and values else None
        return str(first.get("key", "")) if isinstance(first, dict) else ""

    # The dump names authors by key only; their names are in a dump of their own.
    return _book(
        codes=[*texts("isbn_13"), *texts("isbn_10")],
        title=str(record.get("title") or ""),
        authors=(),
        publisher=next(iter(texts("publishers")), ""),
        year=str(record.get("publish_date") or ""),
        binding=str(record.get("physical_format") or ""),
        pages=str(record.get("number_of_pages") or ""),
        language=key("languages").removeprefix("/languages/"),
        work=key("works").removeprefix("/works/"),
    )


def _book(
    *,
    codes: Sequence[str],
    title: str,
    authors: tuple[str, ...],
    publisher: str,
    year: str,
    binding: str,
    pages: str,
    language: str,
    work: str = "",
) -> Book | str:
    """Return the book, or why the row names none."""
    isbn13, refusal = None, "there is no ISBN"
    for code in codes:
        reading = read_code(code)
        if reading.category == "book":
            isbn13 = reading.natural_key
            break
        if code.strip():
            refusal = reading.note
    if isbn13 is None:
        return refusal
    title = " ".join(title.split())
    if not title:
        return f"{isbn13} has no title"
    found = _YEAR.search(year)
    page_text = pages.split(".")[0].strip()
    page_count = int(page_text) if page_text.isascii() and page_text.isdigit() else 0
    code = language.strip().lower().split("-")[0]
    return Book(
        isbn13=isbn13,
        title=title,
        authors=authors,
        publisher=publisher,
        publication_year=int(found[1]) if found else None,
        binding=binding.strip(),
        page_count=page_count if 0 < page_count < 100_000 else None,
        language=_LANGUAGES.get(code, code),
        work=work or _work(title, authors),
    )


def split_authors(text: str) -> tuple[str, ...]:
    """Split names at ``/``, ``;`` or ``|``; at commas too, unless that tears ``Last, First``."""
    names = [name.strip() for name in re.split(r"[;/|]", text)]
    if len(names) == 1:
        parts = [part.strip() for part in text.split(",")]
        if all(" " in part for part in parts):
            names = parts
    return tuple(dict.fromkeys(name for name in names if name))


def _work(title: str, authors: tuple[str, ...]) -> str:
    """Return the same key for editions alike in title (without subtitle) and first author."""
    short = re.split(r"\s*[:(\[]", title, maxsplit=1)[0] or title
    return _NOT_WORD.sub(" ", f"{short} {authors[0] if authors else ''}".casefold()).strip()
