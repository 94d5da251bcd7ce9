import csv
import gzip
import io
import os
import re
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import isbn

from resources.sandbox.catalogue import (
    BUNDLED_BOOKS,
    MAX_GENERATED,
    SKIPPED_KEPT,
    UnreadableCatalogue,
    bundled_catalogue,
    read_catalogue,
    split_authors,
)

REFERENCE = Path(
    os.environ.get("PRICING_REFERENCE_DATA") or Path(__file__).parents[3].parent / "shared" / "data"
)
BOOKS = REFERENCE / "datasets" / "books"
needs_reference = pytest.mark.skipif(
    not BOOKS.is_dir(), reason=f"no reference data in {BOOKS}; set PRICING_REFERENCE_DATA"
)


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


# --- bundled -----------------------------------------------------------------------------


def test_bundled_books_are_many_valid_and_varied() -> None:
    with BUNDLED_BOOKS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    reading = read_catalogue(BUNDLED_BOOKS)
    assert len(reading.books) == len(rows) >= 300
    assert reading.skipped_count == 0
    assert all(isbn.is_valid(row["isbn13"]) and len(row["isbn13"]) == 13 for row in rows)
    bindings = Counter(book.binding for book in reading.books)
    assert min(bindings[b] for b in ("Hardcover", "Paperback", "Mass Market Paperback")) > 50
    years = [book.publication_year for book in reading.books if book.publication_year]
    assert len(years) == len(rows)
    assert min(years) < 1970
    assert max(years) > 2010
    assert all(book.authors and book.publisher and book.language for book in reading.books)
    assert Counter(a for b in reading.books for a in b.authors).most_common(1)[0][1] < 10


@needs_reference
def test_bundled_books_agree_with_the_reference() -> None:
    known = defaultdict(list)
    for name, code, titles, author in (
        ("goodbooks10k_books.csv", "isbn", ("title", "original_title"), "authors"),
        ("goodreads11k_books.csv", "isbn", ("title",), "authors"),
        ("book_crossing_books.csv", "ISBN", ("Book-Title",), "Book-Author"),
    ):
        with (BOOKS / name).open(encoding="utf-8", errors="replace", newline="") as file:
            for row in csv.DictReader(file):
                number = (row[code] or "").zfill(10)
                if isbn.is_valid(number):
                    words = _words(" ".join(row[title] or "" for title in titles))
                    known[isbn.to_isbn13(number)].append((words, _words(row[author] or "")))
    checked = 0
    for book in read_catalogue(BUNDLED_BOOKS).books:
        for words, names in known[book.isbn13]:
            checked += 1
            surname = _words(book.authors[0])[-1]
            assert set(_words(book.title)) <= set(words), (book, words)
            assert surname in names, (book, names)
    assert checked >= 300


def _words(text: str) -> list[str]:
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c)
    )
    words = re.sub(r"[^a-z0-9]+", " ", re.sub("['\u2019]", "", plain)).split()
    return [word for word in words if word not in ("the", "a", "an", "and", "of")]


def test_generated_books_say_that_they_are_simulated_and_cannot_be_real() -> None:
    real = len(read_catalogue(BUNDLED_BOOKS).books)
    generated = bundled_catalogue(3_000)[real:]
    assert len(generated) == 3_000 - real
    for book in generated:
        assert isbn.is_valid(book.isbn13)
        assert re.fullmatch(r"97899994\d{5}", book.isbn13)  # a group nobody has been given
        assert re.match(r"Simulated Title \d{5}: The \w+ \w+$", book.title)
        assert all("(simulated)" in text for text in (*book.authors, book.publisher))


def test_some_works_have_several_editions() -> None:
    editions = defaultdict(list)
    for book in bundled_catalogue(2_000):
        editions[book.work].append(book)
    sizes = Counter(len(books) for books in editions.values())
    assert sizes[1] > sizes[2] > 50
    assert sizes[4] > 10
    for books in editions.values():
        assert len({book.isbn13 for book in books}) == len(books)


@settings(max_examples=20, deadline=None)
@given(small=st.integers(1, 1_500), more=st.integers(0, 500))
def test_a_smaller_catalogue_is_the_beginning_of_a_larger_one(small: int, more: int) -> None:
    books = bundled_catalogue(small)
    assert len(books) == small
    assert len({book.isbn13 for book in books}) == small
    assert bundled_catalogue(small + more)[:small] == books


@pytest.mark.parametrize("size", [0, -1, MAX_GENERATED * 2])
def test_an_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="bundled catalogue has 1 to"):
        bundled_catalogue(size)


# --- files -------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize(
    "header",
    [
        ("ISBN", "Book-Title", "Book-Author", "Year-Of-Publication"),
        ("isbn_13", "title", "authors", "publication_date"),
        ("isbn13", "original_title", "author", "original_publication_year"),
        ("Isbn10", "Title", "Author Name", "Year"),
    ],
)
def test_csv_in_any_usual_dress(
    tmp_path: Path, delimiter: str, encoding: str, header: list[str]
) -> None:
    text = (
        delimiter.join(header)
        + "\n"
        + delimiter.join(
            (
                "0679720200",
                "L'Étranger",
                "Camus",
                "1989.0",
            )
        )
    )
    reading = read_catalogue(write(tmp_path / "books.csv", text + "\n", encoding))
    (book,) = reading.books
    assert book.isbn13 == "9780679720201"
    assert book.title.endswith("Étranger")
    assert book.authors == ("Camus",)
    assert book.publication_year == 1989


def test_skipped_rows_are_reported_with_line_and_reason(tmp_path: Path) -> None:
    text = (
        "isbn,title\n"
        "9780679720201,The Stranger\n"
        "9780679720202,Wrong digit\n"
        '0439023483,"Two\nlines"\n'
        ",Nothing\n"
        "9780439023481,Twice\n"
        "9780061120084\n"
        "9780061120084,  \n"
        "61120081,Zeros lost\n"
    )
    reading = read_catalogue(write(tmp_path / "books.csv", text))
    assert [book.title for book in reading.books] == ["The Stranger", "Two lines", "Zeros lost"]
    assert [row.line for row in reading.skipped] == [3, 6, 7, 8, 9]
    assert reading.skipped_count == 5
    reasons = [row.reason for row in reading.skipped]
    assert "check digit" in reasons[0]
    assert reasons[1] == "there is no ISBN"
    assert reasons[2] == "9780439023481 is already in line 4"
    assert "1 fields where the header has 2" in reasons[3]
    assert "no title" in reasons[4]


def test_a_rounded_isbn13_gives_way_to_the_other_column(tmp_path: Path) -> None:
    text = "isbn,isbn13,title\n439023483,9.78043902348e+12,The Hunger Games\n"
    (book,) = read_catalogue(write(tmp_path / "b.csv", text)).books
    assert book.isbn13 == "9780439023481"


def test_only_the_first_skipped_rows_are_kept_but_all_are_counted(tmp_path: Path) -> None:
    text = "isbn,title\n0439023483,One\n" + "nonsense,x\n" * (SKIPPED_KEPT + 50)
    reading = read_catalogue(write(tmp_path / "b.csv", text))
    assert len(reading.skipped) == SKIPPED_KEPT
    assert reading.skipped_count == SKIPPED_KEPT + 50


DUMP_LINE = (
    "/type/edition\t/books/OL1M\t3\t2026-01-03T07:51:31\t"
    '{"title": "The Stranger", "isbn_10": ["0679720200"], "publish_date": "March 1989", '
    '"publishers": ["Vintage"], "physical_format": "Paperback", "number_of_pages": 123, '
    '"works": [{"key": "/works/OL9W"}], "languages": [{"key": "/languages/eng"}]}\n'
)


@pytest.mark.parametrize("name", ["dump.txt", "dump.tsv", "dump.txt.gz"])
def test_open_library_dump(tmp_path: Path, name: str) -> None:
    text = DUMP_LINE + "/type/work\t/works/OL9W\t1\t2026-01-03\t{}\n/type/edition\tx\n"
    data = text.encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    reading = read_catalogue(path)
    (book,) = reading.books
    assert (book.isbn13, book.title, book.work) == ("9780679720201", "The Stranger", "OL9W")
    assert (book.publication_year, book.page_count, book.language) == (1989, 123, "en")
    assert [row.line for row in reading.skipped] == [2, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no column for isbn and title"),
        (b"name,price\nx,1\n", "no column for isbn"),
        (b"isbn,title\nnonsense,x\n", "holds no book: 1 rows were skipped"),
    ],
)
def test_a_file_without_books_is_refused_with_a_reason(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "books.csv"
    path.write_bytes(content)
    with pytest.raises(UnreadableCatalogue, match=message):
        read_catalogue(path)


def test_missing_and_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableCatalogue, match="nowhere"):
        read_catalogue(tmp_path / "nowhere.csv")
    broken = tmp_path / "books.csv.gz"
    broken.write_bytes(gzip.compress(b"isbn,title\n" + b"0439023483,x\n" * 900)[:-20])
    with pytest.raises(UnreadableCatalogue, match="cannot be read as a catalogue"):
        read_catalogue(broken)


@settings(max_examples=60, deadline=None)
@given(
    titles=st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1),
        max_size=8,
    ),
    delimiter=st.sampled_from(",;\t"),
)
def test_whatever_the_titles_every_row_is_read_or_reported(
    tmp_path_factory: pytest.TempPathFactory, titles: list[str], delimiter: str
) -> None:
    codes = [book.isbn13 for book in bundled_catalogue(len(titles) + 1)]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(("isbn", "title"))
    writer.writerow((codes[-1], "first"))
    writer.writerows(zip(codes, titles, strict=False))
    path = write(tmp_path_factory.mktemp("c") / "books.csv", text.getvalue())
    reading = read_catalogue(path)
    assert len(reading.books) + reading.skipped_count == len(titles) + 1
    expected = [" ".join(title.split()) for title in titles]
    assert [book.title for book in reading.books] == ["first", *filter(None, expected)]


@pytest.mark.parametrize(
    ("text", "authors"),
    [
        ("J.K. Rowling/Mary GrandPré", ("J.K. Rowling", "Mary GrandPré")),
        ("Suzanne Collins", ("Suzanne Collins",)),
        ("Steven D. Levitt, Stephen J. Dubner", ("Steven D. Levitt", "Stephen J. Dubner")),
        ("Rowling, J.K.", ("Rowling, J.K.",)),
        ("", ()),
    ],
)
def test_split_authors(text: str, authors: tuple[str, ...]) -> None:
    assert split_authors(text) == authors


@needs_reference
@pytest.mark.parametrize(
    ("name", "books", "skipped"),
    [
        ("goodbooks10k_books.csv", 6_400, 600),
        ("goodreads11k_books.csv", 7_800, 50),
        ("book_crossing_books.csv", 18_800, 50),
        ("ol_dump_editions_sample.tsv", 3, 3),
    ],
)
def test_real_catalogues_are_read_in_place(name: str, books: int, skipped: int) -> None:
    reading = read_catalogue(BOOKS / name)
    assert len(reading.books) >= books
    assert reading.skipped_count <= skipped
    assert all(row.line > 1 and row.reason for row in reading.skipped)
    assert all(isbn.is_valid(book.isbn13) for book in reading.books)
    years = sum(book.publication_year is not None for book in reading.books)
    assert years / len(reading.books) > 0.6
