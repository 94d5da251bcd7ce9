import csv
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from pricing_assets.core.sales import SaleMapping, read_mapping
from pricing_assets.schema import tables as t
from pricing_assets.store import sales
from pricing_assets.store.comps import update_comps
from pricing_assets.store.sales import ImportCount, SalesFile, import_sales, rejected_sales
from pricing_assets.store.unified_index import disagreements
from resources.database import Database
from resources.inbox import content_hash
from resources.sales_files import read_sales
from tests.examples import DAY, NOON, SOLD, book, isbn, row, rows, scan
from tests.examples import sales as shown_sales

HEADER = ("order", "isbn", "title", "amount", "currency", "sold", "copies")
MAPPING = read_mapping(
    {
        "source": "shop",
        "category": "book",
        "currency": "USD",
        "columns": {
            **{"code": "isbn", "title": "title", "price": "amount", "currency": "currency"},
            **{"sold_date": "sold", "listing_id": "order", "quantity": "copies"},
        },
    }
)


def sale(order: str, number: int, amount: str, currency: str = "") -> tuple[str, ...]:
    return (order, isbn(number), f"Book {number}", amount, currency, "2026-10-01", "")


def write(path: Path, lines: Sequence[Sequence[str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *lines])
    return path


def take(
    database: Database, path: Path, mapping: SaleMapping = MAPPING, now: datetime = NOON
) -> ImportCount:
    return import_sales(
        *(database, mapping, SalesFile.of(path, content_hash(path))),
        read_sales(path, mapping),
        now=now,
    )


LINES = (
    sale("1", 1, "$10.00"),
    sale("2", 1, "20.00"),
    sale("3", 2, "1,299.00", "GBP"),
    ("4", "no code", "x", "5", "", "2026-10-01", ""),
    ("5", isbn(3), "shifted", "1", "", "1970-01-01", ""),
    sale("2", 1, "30.00"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "shop.csv", LINES)


def test_every_row_is_stored_or_kept_for_review(database: Database, path: Path) -> None:
    assert take(database, path) == ImportCount(6, 3, 0, 3, 1)
    found = {r["source_listing_id"]: r for r in rows(database, t.price_listings)}
    assert set(found) == {"1", "2", "3"}
    one = found["1"]
    assert (one["item_id"], one["source"], one["kind"]) == (book(1).item_id, "file:shop", "sold")
    assert (one["price"], one["price_usd"], one["quantity"]) == (Decimal("10.00"),) * 2 + (1,)
    assert (one["sold_at"], one["observed_at"]) == (datetime(2026, 10, 1, tzinfo=UTC), NOON)
    assert (one["exchange_rate"], one["exchange_rate_date"]) == (Decimal(1), date(2026, 10, 1))
    assert (found["3"]["currency"], found["3"]["price"]) == ("GBP", Decimal("1299.00"))
    assert found["3"]["price_usd"] is found["3"]["exchange_rate"] is None
    assert "unknown currency GBP" in found["3"]["conversion_error"]
    evidence = row(database, t.payloads)
    assert evidence.sha256 == content_hash(path) == one["payload_sha256"]
    assert (evidence.size_bytes, evidence.body_zstd) == (path.stat().st_size, b"")
    total, rejected = rejected_sales(database, 10)
    assert total == 3
    assert [(r.line, r.reason) for r in rejected] == [
        (5, "code"),
        (6, "sold_date"),
        (7, "repeated"),
    ]
    assert "not a code" in rejected[0].note


def test_items_are_created_and_valued(database: Database, path: Path) -> None:
    take(database, path)
    assert {r["natural_key"] for r in rows(database, t.items)} == {isbn(1), isbn(2)}
    assert update_comps(database, now=NOON) == 2
    item = next(r for r in rows(database, t.items) if r["natural_key"] == isbn(1))
    assert (item["sold_comps_count"], item["sold_comps_median"]) == (2, Decimal("15.00"))
    # It was never asked, and a file is not the index's business.
    assert rows(database, t.unified_index) == []
    assert disagreements(database) == {}


def test_the_same_file_twice_adds_nothing(database: Database, path: Path) -> None:
    take(database, path)
    before = [rows(database, table) for table in (t.price_listings, t.items, t.payloads)]
    assert take(database, path, now=NOON + DAY) == ImportCount(6, 0, 3, 3, 1)
    assert [rows(database, table) for table in (t.price_listings, t.items, t.payloads)] == before
    assert rejected_sales(database, 10)[0] == 3


def test_a_later_file_corrects_and_adds(database: Database, path: Path, tmp_path: Path) -> None:
    take(database, path)
    later = write(
        tmp_path / "later.csv",
        [sale("1", 1, "10.00"), sale("2", 1, "25.00"), sale("9", 1, "7.00")],
    )
    assert take(database, later, now=NOON + DAY) == ImportCount(3, 2, 1, 0, 0)
    current = {
        r["source_listing_id"]: r["price"]
        for r in rows(database, t.price_listings)
        if r["superseded_at"] is None
    }
    assert current == {
        **{"1": Decimal("10.00"), "2": Decimal("25.00")},
        **{"3": Decimal("1299.00"), "9": Decimal("7.00")},
    }
    assert len(rows(database, t.price_listings)) == 5


def test_a_mended_mapping_takes_its_rejections_back(database: Database, path: Path) -> None:
    wrong = read_mapping(
        {
            **{"source": "shop", "category": "book", "currency": "USD"},
            "columns": {**MAPPING.columns, "price": "title"},
        }
    )
    assert take(database, path, wrong).rejected == 6
    assert take(database, path).stored == 3
    assert rejected_sales(database, 10)[0] == 3


def test_batches_lose_and_repeat_nothing(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sales, "TRANSACTION_ROWS", 7)
    path = write(tmp_path / "s.csv", [sale(str(n), 1 + n % 9, "5.00") for n in range(40)])
    assert take(database, path).stored == 40
    assert len({r["source_listing_id"] for r in rows(database, t.price_listings)}) == 40


def test_a_file_is_never_asked_and_other_sources_keep_theirs(
    database: Database, path: Path
) -> None:
    scan(database, 1)
    shown_sales(database, 1, ["99.00"])
    take(database, path)
    stored = {r["name"]: r for r in rows(database, t.data_sources)}
    assert stored["file:shop"]["is_active"] is False
    current = [r for r in rows(database, t.price_listings) if r["superseded_at"] is None]
    assert {r["source"] for r in current} == {SOLD, "file:shop"}


def test_characters_that_no_database_holds_do_not_stop_a_file(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "shop.jsonl"
    one = {"isbn": isbn(1), "amount": "10.00", "sold": "2026-10-01"}
    lines = [
        {**one, "order": "1\0", "title": "Cut in an emoji \ud83d"},
        {**one, "order": "2", "isbn": "978\0"},
        {**one, "order": "3"},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    assert take(database, path) == ImportCount(3, 2, 0, 1, 0)
    stored = rows(database, t.price_listings, "source_listing_id")
    assert [(r["source_listing_id"], r["title"]) for r in stored] == [
        ("1", "Cut in an emoji ?"),
        ("3", ""),
    ]
    ((rejected,),) = [rejected_sales(database, 10)[1]]
    assert (rejected.line, rejected.code, rejected.reason) == (2, "978", "code")


def test_a_damaged_line_of_a_csv_is_kept_for_review(database: Database, tmp_path: Path) -> None:
    lines = [sale(str(n), 1 + n % 9, "5.00") for n in range(2_000)]
    damaged = ("x", isbn(1) + "\0", "Book", "5.00\0\0", "", "2026-10-01", "")
    count = take(database, write(tmp_path / "shop.csv", [*lines, damaged]))
    assert (count.stored, count.rejected) == (2_000, 1)
    ((rejected,),) = [rejected_sales(database, 10)[1]]
    assert (rejected.line, rejected.code, rejected.reason) == (2_002, isbn(1), "nul")
    assert "damaged" in rejected.note


def test_an_empty_file_brings_nothing(database: Database, tmp_path: Path) -> None:
    assert take(database, write(tmp_path / "s.csv", [])) == ImportCount(0, 0, 0, 0, 0)


def test_a_real_export_with_shifted_rows(
    database: Database, reference_data: Path, tmp_path: Path
) -> None:
    """It is of other goods, so each row is given a book's code; nothing else is changed."""
    export = reference_data / "datasets" / "misc" / "ebay_sold_general_2021.csv"
    with export.open(newline="", encoding="utf-8") as file:
        header, *lines = list(csv.reader(file))
    mapping = read_mapping(
        {
            **{"source": "general-2021", "category": "book", "currency": "USD"},
            "columns": {
                **{"code": "isbn", "title": "title", "price": "price_usd"},
                **{"listing_id": "item_id", "sold_date": "sold_at", "condition": "condition"},
            },
        }
    )
    path = tmp_path / "general.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*header, "isbn"])
        writer.writerows([*line, isbn(1 + n % 500)] for n, line in enumerate(lines))
    count = take(database, path, mapping)
    shifted = [n for n, line in enumerate(lines, 2) if line[4].startswith("1970")]
    assert shifted
    assert count.read == len(lines) == count.stored + count.rejected
    _, rejected = rejected_sales(database, 100)
    assert [(r.line, r.reason) for r in rejected] == [(n, "sold_date") for n in shifted]
    # As it is, no row names a book: all are kept for review.
    as_it_is = read_mapping(
        {
            **{"source": "as-it-is", "category": "book", "currency": "USD"},
            "columns": {"code": "id", "price": "price_usd"},
        }
    )
    untouched = take(database, export, as_it_is)
    assert (untouched.read, untouched.stored) == (len(lines), 0)


def test_a_lot_is_counted_by_the_piece_and_a_signed_copy_for_itself(
    database: Database, tmp_path: Path
) -> None:
    titles = ("A plain copy", "Lot of 3 copies", "SIGNED by the author", "Signed lot of 2")
    lines = [
        (str(place), isbn(1), title, "10.00", "", "2026-10-01", "")
        for place, title in enumerate(titles)
    ]
    take(database, write(tmp_path / "shop.csv", lines))
    assert [
        (r["variant"], r["lot_size"], str(r["price"]), str(r["price_usd"]), r["match_confidence"])
        for r in rows(database, t.price_listings, "source_listing_id")
    ] == [
        (None, 1, "10.00", "10.00", 1.0),
        (None, 3, "10.00", "3.33", 1.0),
        ("signed", 1, "10.00", "10.00", 1.0),
        ("signed", 2, "10.00", "5.00", 1.0),
    ]
