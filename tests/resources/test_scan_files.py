import csv
import gzip
import io
import json
import os
import random
import signal
import tracemalloc
import zlib
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing_assets.core.codes import MAX_CODE_LENGTH, REASONS, read_code
from pricing_assets.core.items import item_id
from pricing_assets.core.readings import read_item
from resources.scan_files import (
    LARGE_FILE_BYTES,
    LINE_REASONS,
    MAX_LINE_LENGTH,
    SCAN_SCHEMA,
    UnreadableFile,
    read_beside,
    read_scans,
)

HUNGER_GAMES = "9780439023481"
MOCKINGBIRD = "9780061120084"

REFERENCE = Path(
    os.environ.get("PRICING_REFERENCE_DATA")
    or Path(__file__).resolve().parents[2].parent / "shared" / "data"
)


def _write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    body = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
    return path


def _rows(path: Path, batch_rows: int = 50_000) -> list[dict[str, Any]]:
    batches = list(read_scans(path, batch_rows))
    assert all(batch.schema == SCAN_SCHEMA for batch in batches)
    rows: list[dict[str, Any]] = pa.Table.from_batches(batches, SCAN_SCHEMA).to_pylist()
    for row in rows:
        if row["reason"] is None:
            assert row["item_id"] == item_id(row["category"], row["natural_key"])
        else:
            assert row["reason"] in REASONS or row["reason"] in LINE_REASONS
            assert row["note"]
            assert row["category"] is row["natural_key"] is row["item_id"] is None
    return rows


def _told(path: Path) -> list[tuple[int, str | None]]:
    return [(row["line"], row["natural_key"] or row["reason"]) for row in _rows(path)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("header", ["isbn", "ISBN-13", "ISBN 10", "Ean", "BarCode", "Code", "upc"])
def test_a_named_column_is_found_whatever_the_delimiter(
    tmp_path: Path, delimiter: str, header: str
) -> None:
    rows = [["title", header, "price"], ["A", HUNGER_GAMES, "1"], ["B", "0439023484", "2"]]
    content = "".join(delimiter.join(row) + "\n" for row in rows)

    told = _told(_write(tmp_path, "scans.csv", content))

    assert told == [(2, HUNGER_GAMES), (3, "check_digit")]


@pytest.mark.parametrize("suffix", ["csv", "txt", "tsv", "csv.gz", "txt.gz", "dat"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_one_code_a_line(tmp_path: Path, suffix: str, end: str) -> None:
    lines = [HUNGER_GAMES, "", "61120081", "  ", "0439023484", '="0439023483"']

    told = _told(_write(tmp_path, f"scans.{suffix}", end.join(lines)))

    assert told == [(1, HUNGER_GAMES), (3, MOCKINGBIRD), (5, "check_digit"), (6, HUNGER_GAMES)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
def test_encodings_are_found_out(tmp_path: Path, encoding: str) -> None:
    content = f"Título;ISBN\nCafé à Québec;{HUNGER_GAMES}\nÜber;{MOCKINGBIRD}\n"

    told = _told(_write(tmp_path, "scans.csv", content.encode(encoding)))

    assert told == [(2, HUNGER_GAMES), (3, MOCKINGBIRD)]


def test_a_byte_order_mark_before_bytes_that_are_not_utf8_is_dropped(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbfisbn;title\n0061120081;caf\xe9\n"

    assert _told(_write(tmp_path, "scans.csv", content)) == [(2, MOCKINGBIRD)]


def test_a_late_byte_that_is_not_utf8_stops_nothing(tmp_path: Path) -> None:
    lines = [f"{HUNGER_GAMES},é"] * 40_000
    content = b"isbn,title\n" + "\n".join(lines).encode() + b"\n" + b"0061120081,\xe9\x81\n"

    rows = _rows(_write(tmp_path, "scans.csv", content))

    assert len(rows) == 40_001
    assert rows[-1]["line"] == 40_002
    assert rows[-1]["natural_key"] == MOCKINGBIRD


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (f"1,Some title,{HUNGER_GAMES}\n2,Other,{MOCKINGBIRD}\n", 2),
        (f"2767052;a;439023483\n41865;b;316015849\n2657;c;61120081\n;;{HUNGER_GAMES}\n", 4),
        ("a\t9.78E+12\nb\t9.78E+12\n", 0),
        (f'{HUNGER_GAMES},"A, B","x ""y"""\n{MOCKINGBIRD},"C",\n', 2),
    ],
)
def test_without_a_header_the_column_that_reads_best_counts(
    tmp_path: Path, content: str, codes: int
) -> None:
    rows = _rows(_write(tmp_path, "scans.csv", content))

    assert [row["line"] for row in rows] == list(range(1, content.count("\n") + 1))
    assert sum(row["reason"] is None for row in rows) == codes
    assert {row["reason"] for row in rows} <= {None, "lost_digits"}


def test_the_first_accepted_of_several_code_columns_counts(tmp_path: Path) -> None:
    content = (
        "id,isbn,isbn13,title\n"
        "1,439023483,9.78043902348e+12,restored\n"
        f"2,,{MOCKINGBIRD},second column\n"
        "3,0439023484,9.78043902348e+12,check digit tells most\n"
        "4,,9.78043902348e+12,empty tells least\n"
        "5,,,nothing\n"
        "6\n"
        "7,a,sw0001,b,c,d,e\n"
    )

    rows = _rows(_write(tmp_path, "scans.csv", content))

    assert [(row["line"], row["code"], row["natural_key"] or row["reason"]) for row in rows] == [
        (2, "439023483", HUNGER_GAMES),
        (3, MOCKINGBIRD, MOCKINGBIRD),
        (4, "0439023484", "check_digit"),
        (5, "9.78043902348e+12", "lost_digits"),
        (6, "", "empty"),
        (7, "", "empty"),
        (8, "a", "not_a_code"),
    ]
    assert "0439023483" in rows[0]["note"]


def test_a_column_named_for_isbns_goes_before_other_numbers(tmp_path: Path) -> None:
    # 61120081 is a shop's own number that happens to pass for an ISBN without its zeros.
    table = _write(tmp_path, "scans.csv", f"code,ean,isbn\n61120081,,{HUNGER_GAMES}\n61120081,,\n")
    lines = _write(tmp_path, "scans.jsonl", f'{{"code": 61120081, "isbn": "{HUNGER_GAMES}"}}\n')

    assert _told(table) == [(2, HUNGER_GAMES), (3, MOCKINGBIRD)]
    assert _told(lines) == [(1, HUNGER_GAMES)]


def test_lines_are_counted_through_quoted_newlines(tmp_path: Path) -> None:
    content = (
        "title,isbn\n"
        f'"two\nlines",{HUNGER_GAMES}\n'
        f'"a ""quote""",{MOCKINGBIRD}\n'
        "\n"
        f'"three\r\n\r\nlines",{HUNGER_GAMES}\n'
        f"last,{MOCKINGBIRD}"
    )

    told = _told(_write(tmp_path, "scans.csv", content))

    assert told == [(2, HUNGER_GAMES), (4, MOCKINGBIRD), (6, HUNGER_GAMES), (9, MOCKINGBIRD)]


@pytest.mark.parametrize("tail", [0, 5, 500])
@pytest.mark.parametrize("title", ['"stray', '"', '"12"" single', '"a" b "c'])
def test_a_quote_that_is_never_closed_swallows_no_rows(
    tmp_path: Path, title: str, tail: int
) -> None:
    content = f"title\tisbn\n{title}\t{HUNGER_GAMES}\n" + f"next\t{MOCKINGBIRD}\n" * tail

    told = _told(_write(tmp_path, "scans.tsv", content))

    assert told == [(2, HUNGER_GAMES), *((n, MOCKINGBIRD) for n in range(3, 3 + tail))]


titles = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=("Cs", "Cc"))
    | st.sampled_from('",;\n'),
    max_size=20,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.tuples(titles, st.sampled_from([HUNGER_GAMES, "0439023484", ""])), min_size=1),
    st.integers(1, 7),
)
def test_any_well_formed_csv_gives_its_rows(
    tmp_path: Path, table: list[tuple[str, str]], batch_rows: int
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["title", "isbn"])
    lines = []
    for row in table:
        lines.append(text.getvalue().count("\n") + 1)
        writer.writerow(row)

    rows = _rows(_write(tmp_path, "scans.csv", text.getvalue()), batch_rows)

    assert [row["line"] for row in rows] == lines
    assert [row["code"] for row in rows] == [code for _, code in table]
    assert [row["reason"] for row in rows] == [read_code(code).reason for _, code in table]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["csv", "txt", "jsonl", "tsv"]))
def test_no_bytes_break_it(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = _write(tmp_path, f"scans.{suffix}", content)
    try:
        rows = _rows(path)
    except UnreadableFile:
        return
    assert len(rows) <= len(content)
    assert [row["line"] for row in rows] == sorted({row["line"] for row in rows})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text('0123456789Xabc",;\t -e+.=', max_size=20)))
def test_every_line_of_a_text_file_is_one_row(tmp_path: Path, lines: list[str]) -> None:
    lines = [f"{line}." for line in lines]  # none is blank

    rows = _rows(_write(tmp_path, "scans.txt", "\n".join(lines)))

    assert [row["line"] for row in rows] == list(range(1, len(lines) + 1))


def test_json_lines(tmp_path: Path) -> None:
    lines = [
        json.dumps({"isbn": HUNGER_GAMES, "scanned_at": "2026-10-31T12:00:00Z"}),
        json.dumps({"ISBN-10": 439023483}),
        json.dumps("0061120081"),
        "9780439023481",
        "9.780439023481e12",
        "",
        '{"isbn": "978',
        json.dumps({"title": "no code"}),
        json.dumps({"isbn": None}),
        json.dumps({"isbn_13": [], "isbn_10": ["0439023484", "0439023483"]}),
        "null",
        "[" * 100_000,
        "[" * 20_000,
        '{"isbn": "\\ud800\\u0000"}',
        json.dumps({"isbn": {"deep": True}, "upc": True}),
    ]

    rows = _rows(_write(tmp_path, "scans.jsonl", "\n".join(lines)))

    assert [(row["line"], row["natural_key"] or row["reason"]) for row in rows] == [
        (1, HUNGER_GAMES),
        (2, HUNGER_GAMES),
        (3, MOCKINGBIRD),
        (4, HUNGER_GAMES),
        (5, HUNGER_GAMES),
        (7, "bad_json"),
        (8, "no_code_field"),
        (9, "empty"),
        (10, HUNGER_GAMES),
        (11, "no_code_field"),
        (12, "long_line"),
        (13, "bad_json"),
        (14, "control_characters"),
        (15, "empty"),
    ]
    assert rows[0]["scanned_at"] == datetime(2026, 10, 31, 12, tzinfo=UTC)
    assert "character" in rows[5]["note"]
    assert "isbn" in rows[6]["note"]


def test_an_open_library_dump(tmp_path: Path) -> None:
    def row(**fields: object) -> str:
        body = json.dumps({"key": "/books/OL1M", "title": 'A "quoted" title', **fields})
        return f"/type/edition\t/books/OL1M\t3\t2026-01-03T07:51:31.882542\t{body}"

    lines = [
        row(isbn_13=["978-0-439-02348-1"], isbn_10=["0439023483"]),
        row(isbn_10=["0061120081"]),
        row(isbn_13=["9780439023482"]),
        row(),
        "/type/edition\t/books/OL2M\t1\tbroken",
        row(isbn_13=[HUNGER_GAMES])[:-2],
    ]

    told = _told(_write(tmp_path, "ol_dump_editions.txt.gz", "\n".join(lines)))

    assert told == [
        (1, HUNGER_GAMES),
        (2, MOCKINGBIRD),
        (3, "check_digit"),
        (4, "no_code_field"),
        (5, "bad_dump_row"),
        (6, "bad_json"),
    ]


@pytest.mark.parametrize("header", ["scanned_at", "Timestamp", "date-time", "Scan Time"])
def test_the_time_of_a_scan_is_read_in_utc(tmp_path: Path, header: str) -> None:
    times = [
        "2026-10-31T12:00:00Z",
        "2026-10-31 14:00:00+02:00",
        "2026-10-31 12:00:00",
        "1793448000",
        "1793448000000",
        "31/10/2026",
        "",
    ]
    content = f"isbn,{header}\n" + "".join(f"{HUNGER_GAMES},{time}\n" for time in times)

    rows = _rows(_write(tmp_path, "scans.csv", content))

    noon = datetime(2026, 10, 31, 12, tzinfo=UTC)
    assert [row["scanned_at"] for row in rows] == [noon] * 5 + [None] * 2
    assert [bool(row["note"]) for row in rows] == [False] * 5 + [True, False]
    assert all(row["natural_key"] == HUNGER_GAMES for row in rows)


def test_long_lines_and_nul_bytes_are_refused_rows(tmp_path: Path) -> None:
    content = (
        "isbn,title\n"
        f"{HUNGER_GAMES},{'x' * (MAX_LINE_LENGTH * 20)}\n"
        f"97804\x0039023481,nul inside\n"
        f"{HUNGER_GAMES}\x00,nul after\n"
        f"{'7' * 3000},long code\n"
        f"{MOCKINGBIRD},good\n"
    )

    rows = _rows(_write(tmp_path, "scans.csv", content))

    assert [(row["line"], row["natural_key"] or row["reason"]) for row in rows] == [
        (2, "long_line"),
        (3, "control_characters"),
        (4, HUNGER_GAMES),
        (5, "too_long"),
        (6, MOCKINGBIRD),
    ]
    assert not any("\x00" in row["code"] or len(row["code"]) > MAX_CODE_LENGTH for row in rows)


def test_a_file_without_line_ends_is_not_held_in_memory(tmp_path: Path) -> None:
    path = _write(tmp_path, "scans.txt.gz", b"7" * 50_000_000)

    tracemalloc.start()
    rows = _rows(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [(row["line"], row["reason"]) for row in rows] == [(1, "long_line")]
    assert len(rows[0]["code"]) <= MAX_CODE_LENGTH
    assert peak < 10_000_000


@pytest.mark.parametrize("content", [b"", b"\n\n  \r\n", "\ufeff".encode(), b"isbn,title\n"])
def test_a_file_without_rows_gives_none(tmp_path: Path, content: bytes) -> None:
    assert _rows(_write(tmp_path, "scans.csv", content)) == []
    assert _rows(_write(tmp_path, "scans.csv.gz", content)) == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("scans.xlsx", b"PK\x03\x04" + bytes(100), "save the sheet as CSV"),
        ("scans.xls", b"\xd0\xcf\x11\xe0\xa1\xb1" + bytes(100), "save the sheet as CSV"),
        ("scans.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "Export it as CSV"),
        ("scans.csv", "isbn\n9780439023481\n".encode("utf-16-le"), "UTF-8"),
        ("scans.csv", random.Random(0).randbytes(50_000), "is no text file"),  # noqa: S311
        ("scans.csv", zlib.compress(random.Random(1).randbytes(5_000)), "is no text file"),  # noqa: S311
        ("scans.csv", b"\x28\xb5\x2f\xfd" + bytes(9), "use gzip"),
        ("scans.json", f'["{HUNGER_GAMES}"]'.encode(), "one object a line"),
        ("books.csv", b"title,price\nA book,1.50\nAnother,2.50\n", "Name the column"),
        ("cards.csv", b"name,price\nA card,1.50\nAnother,2.50\n", "'title,category'"),
        ("books.csv", b"title,category\nA book,book\nAnother,Fiction\n", "Name the column"),
        ("books.csv", b"1;2767052\n2;2657317\n3;4186511\n4;5107209\n", "Name the column"),
    ],
)
def test_an_unreadable_file_says_what_to_do(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    with pytest.raises(UnreadableFile, match=words) as caught:
        _rows(_write(tmp_path, name, content))
    assert name in str(caught.value)


def test_a_truncated_gzip_file_is_unreadable(tmp_path: Path) -> None:
    whole = gzip.compress(b"isbn\n" + b"".join(f"{n:013d}\n".encode() for n in range(30_000)))

    for cut in (whole[:-9], whole[: len(whole) // 2], whole[:15], whole[:-4] + b"junk"):
        (tmp_path / "scans.csv.gz").write_bytes(cut)
        with pytest.raises(UnreadableFile, match="damaged or truncated"):
            _rows(tmp_path / "scans.csv.gz")


def test_a_process_beside_reads_the_same(tmp_path: Path) -> None:
    lines = [f"{code},2026-10-31T12:00:00Z" for code in (HUNGER_GAMES, "9.78014E+12", "no code")]
    path = _write(tmp_path, "scans.csv", "isbn,scanned_at\n" + "\n".join(lines * 9))

    assert list(read_beside(path, 10)) == list(read_scans(path, 10))
    assert list(read_beside(_write(tmp_path, "empty.csv", ""), 10)) == []


def test_a_process_beside_reads_a_link_by_the_links_name(tmp_path: Path) -> None:
    """By its ending a list of anything is one of codes; the file behind it has none."""
    content = _write(tmp_path, "content", "neither, this\nnor that, is\na code\n")
    link = tmp_path / "scans.txt"
    link.symlink_to(content)

    assert list(read_beside(link, 10)) == list(read_scans(link, 10))
    with pytest.raises(UnreadableFile, match=r"^content has no column of codes"):
        list(read_beside(content, 10))


def _processes_that_read(path: Path) -> list[int]:
    wanted, found = f"resources.scan_files\0{path}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if wanted in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def test_a_large_file_is_read_in_a_process_of_its_own(tmp_path: Path) -> None:
    path = _write(tmp_path, "scans.txt", f"{HUNGER_GAMES}\n" * (LARGE_FILE_BYTES // 14 + 1))
    batches = read_scans(path, 1_000)

    assert next(batches).num_rows == 1_000
    (reader,) = _processes_that_read(path)
    batches.close()  # type: ignore[attr-defined]
    assert reader not in _processes_that_read(path)


def test_a_process_beside_says_what_makes_a_file_unreadable(tmp_path: Path) -> None:
    whole = gzip.compress(b"isbn\n" + b"".join(f"{n:013d}\n".encode() for n in range(60_000)))
    (tmp_path / "scans.csv.gz").write_bytes(whole[: len(whole) // 2])
    batches = read_beside(tmp_path / "scans.csv.gz", 1_000)

    assert next(batches).num_rows == 1_000
    with pytest.raises(UnreadableFile, match=r"^scans.csv.gz is a damaged or truncated gzip file"):
        list(batches)


def test_a_process_beside_that_is_killed_is_no_end_of_the_file(tmp_path: Path) -> None:
    path = _write(tmp_path, "scans.txt", f"{HUNGER_GAMES}\n" * 100_000)
    batches = read_beside(path, 1_000)
    next(batches)
    (reader,) = _processes_that_read(path)
    os.kill(reader, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"reading scans.txt ended with code"):
        list(batches)


def test_what_is_no_file_is_unreadable(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path, tmp_path / "missing.csv", tmp_path / "pipe.csv"):
        with pytest.raises(UnreadableFile, match=r"is not a regular file|does not exist"):
            _rows(path)


def test_batches_have_at_most_the_rows_asked_for(tmp_path: Path) -> None:
    path = _write(tmp_path, "scans.txt", f"{HUNGER_GAMES}\n" * 25)

    assert [batch.num_rows for batch in read_scans(path, 10)] == [10, 10, 5]
    with pytest.raises(ValueError, match="at least one row"):
        next(read_scans(path, 0))


@pytest.mark.parametrize(
    ("name", "count", "accepted", "reasons"),
    [
        ("goodbooks10k_books.csv", 6997, 6492, {"check_digit", "lost_digits", "empty"}),
        ("goodreads11k_books.csv", 7843, 7841, {"check_digit"}),
        ("book_crossing_books.csv", 18_870, 18_869, {"asin"}),
    ],
)
def test_real_exports_are_read_to_the_last_row(
    name: str, count: int, accepted: int, reasons: set[str]
) -> None:
    path = REFERENCE / "datasets" / "books" / name
    if not path.exists():
        pytest.skip(f"no reference data at {REFERENCE} (PRICING_REFERENCE_DATA)")

    rows = _rows(path)

    counts = Counter(row["reason"] for row in rows)
    assert len(rows) == count
    assert counts[None] == accepted
    assert set(counts) - {None} == reasons
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        starts = [reader.line_num + 1 for _ in reader]
    assert [row["line"] for row in rows] == starts[:-1]


def test_restored_zeros_name_the_same_book_as_another_export() -> None:
    folder = REFERENCE / "datasets" / "books"
    if not folder.exists():
        pytest.skip(f"no reference data at {REFERENCE} (PRICING_REFERENCE_DATA)")

    def titles_of(name: str, column: str) -> dict[str, str]:
        with (folder / name).open(encoding="utf-8", newline="") as file:
            titles = dict(enumerate((row[column] for row in csv.DictReader(file)), 2))
        return {
            row["natural_key"]: titles[row["line"]]
            for row in _rows(folder / name)
            if row["reason"] is None
        }

    def words(title: str) -> set[str]:
        return {word for word in title.lower().replace(":", " ").split() if len(word) > 3}

    restored = titles_of("goodbooks10k_books.csv", "title")
    clean = titles_of("book_crossing_books.csv", "Book-Title")
    both = {
        key for key in restored.keys() & clean.keys() if words(restored[key]) and words(clean[key])
    }
    alike = {key for key in both if words(restored[key]) & words(clean[key])}
    assert len(both) > 100
    assert len(alike) > 0.95 * len(both)


def test_a_column_says_of_what_category_a_code_is(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        "mixed.csv",
        "code,category,scanned_at\n"
        "base1-4,Card,2026-10-31T12:00:00+00:00\n"
        "base1-4,,\n"
        f"{HUNGER_GAMES},Fiction,\n"
        "sw0001,,\n"
        "sw0001,minifigures,\n"
        f"{HUNGER_GAMES},card\n",
    )
    assert [(row["category"], row["natural_key"] or row["reason"]) for row in _rows(path)] == [
        ("card", "base1-4"),
        (None, "not_a_code"),
        ("book", HUNGER_GAMES),
        ("minifigure", "sw0001"),
        ("minifigure", "sw0001"),
        (None, "not_of_category"),
    ]
    given = pa.Table.from_batches(read_scans(path, category="card")).to_pylist()
    assert [row["category"] for row in given] == ["card", "card", None, None, "minifigure", None]
    lines = [{"code": "base1-4", "category": "card"}, {"code": "base1-4"}]
    path = _write(tmp_path, "mixed.jsonl", "\n".join(map(json.dumps, lines)))
    assert _told(path) == [(1, "base1-4"), (2, "not_a_code")]


SALAS = "2023 Bowman Chrome Ethan Salas #BCP-50"
TROUT = "2011 Topps Update Mike Trout #US175"


def _titled(path: Path, category: str | None = None) -> list[tuple[int, str | None]]:
    batches = read_scans(path, category=category)
    rows = pa.Table.from_batches(batches, SCAN_SCHEMA).to_pylist()
    return [(row["line"], row["natural_key"] or row["reason"]) for row in rows]


def test_titles_name_cards_where_no_column_has_codes(tmp_path: Path) -> None:
    cards = [(2, read_item(SALAS, "card").natural_key), (3, read_item(TROUT, "card").natural_key)]
    assert all(key for _, key in cards)
    # The number of a certificate reads as an ISBN that lost its zeros.
    plain = _write(tmp_path, "cards.csv", f"title;cert\n{SALAS};61120081\n{TROUT};61120081\n")
    assert _titled(plain, "card") == cards
    said = f"title,category\n{SALAS},card\n{TROUT},Cards\n{TROUT},\n"
    assert _titled(_write(tmp_path, "said.csv", said)) == [*cards, (4, "not_a_code")]
    coded = _write(tmp_path, "coded.csv", f"title,code,category\n{SALAS},base1-4,card\n")
    assert _titled(coded) == [(2, "base1-4")]


def test_a_line_of_json_may_name_a_card_by_its_title(tmp_path: Path) -> None:
    lines = [{"title": SALAS, "category": "card"}, {"title": TROUT}, {"title": "", "isbn": "x"}]
    path = _write(tmp_path, "cards.jsonl", "\n".join(map(json.dumps, lines)))
    salas, trout = (read_item(title, "card").natural_key for title in (SALAS, TROUT))
    assert _titled(path) == [(1, salas), (2, "no_code_field"), (3, "not_a_code")]
    assert _titled(path, "card")[:2] == [(1, salas), (2, trout)]


def test_one_title_a_line_is_of_the_category_that_is_given(tmp_path: Path) -> None:
    path = _write(tmp_path, "cards.txt", f"{SALAS}\n{TROUT}\n")
    assert _titled(path) == [(1, "not_a_code"), (2, "not_a_code")]
    told = [(1, read_item(SALAS, "card").natural_key), (2, read_item(TROUT, "card").natural_key)]
    assert _titled(path, "card") == told
    beside = pa.Table.from_batches(read_beside(path, 10, "card")).to_pylist()
    assert [row["natural_key"] for row in beside] == [key for _, key in told]


@pytest.mark.parametrize("framed", ["\x02{}\x03\r\n", "{}\x1d\r\n", "{}\0\r\n"])
def test_what_a_scanner_puts_around_codes_makes_no_binary_file(tmp_path: Path, framed: str) -> None:
    content = framed.format("  " + HUNGER_GAMES + "   ") * 100
    assert _told(_write(tmp_path, "scans.txt", content))[0] == (1, HUNGER_GAMES)
