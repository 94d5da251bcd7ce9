import threading
from dataclasses import replace
from datetime import timedelta, timezone

import pyarrow as pa
import pytest
import sqlalchemy as sa

from pricing_assets.core.items import item_id
from pricing_assets.schema import tables as t
from pricing_assets.store import intake
from pricing_assets.store.intake import IntakeCount, Readings, pending_count, store_scans
from resources.database import Database
from tests.conftest import DatabaseUrl
from tests.examples import DAY, NOON, READING, book, isbn, readings, rows, scan


def with_column(reading: Readings, name: str, values: pa.Array) -> Readings:
    schema = reading.rows.schema
    place = schema.get_field_index(name)
    return replace(reading, rows=reading.rows.set_column(place, schema.field(name), values))


def test_two_files_in_one_transaction(database: Database) -> None:
    first = readings([1, 2], origin="first", name="first.txt", bad=["97800"])
    second = readings([2, 3], origin="second", name="second.txt")
    found = store_scans(database, iter([first, second]), user_id="default", received_at=NOON)
    assert found == IntakeCount(read=5, accepted=4, rejected=1, known=0)
    stored = rows(database, t.scans, "origin_name", "line")
    assert [(row["origin_name"], row["line"], row["code"]) for row in stored] == [
        ("first.txt", 1, isbn(1)),
        ("first.txt", 2, isbn(2)),
        ("first.txt", 3, "97800"),
        ("second.txt", 1, isbn(2)),
        ("second.txt", 2, isbn(3)),
    ]
    refused = stored[2]
    assert (refused["status"], refused["reason"]) == ("rejected", "check_digit")
    assert (refused["note"], refused["item_id"]) == ("97800 is wrong", None)
    assert {row["status"] for row in stored if row is not refused} == {"accepted"}
    assert pending_count(database, now=NOON) == 4


def test_an_accepted_scan_has_its_item_and_book(database: Database) -> None:
    scan(database, 1, 2, 1)
    items, books = rows(database, t.items, "natural_key"), rows(database, t.books, "isbn13")
    assert [(row["id"], row["category"], row["natural_key"]) for row in items] == [
        (book(number).item_id, "book", isbn(number)) for number in (1, 2)
    ]
    assert [(row["item_id"], row["isbn13"]) for row in books] == [
        (book(number).item_id, isbn(number)) for number in (1, 2)
    ]
    assert all(row["isbn10"][:9] == row["isbn13"][3:12] for row in books)
    assert {row["created_at"] for row in items} == {NOON}


def test_lines_that_are_known_are_not_stored_again(database: Database) -> None:
    scan(database, 1, 2, origin="a")
    before = rows(database, t.scans)
    assert scan(database, 1, 2, origin="a", at=NOON + DAY) == IntakeCount(2, 0, 0, 2)
    assert rows(database, t.scans) == before
    # The rest of a file after a crash in its middle.
    assert scan(database, 1, 2, 3, origin="a") == IntakeCount(3, 1, 0, 2)
    # The same book again, on another day: another scan of the same item.
    assert scan(database, 1, origin="b") == IntakeCount(1, 1, 0, 0)
    assert len(rows(database, t.items)) == 3


def test_a_known_refusal_is_known_too(database: Database) -> None:
    bad = readings([1], bad=["97800", "97801"])
    counts = [store_scans(database, [bad], user_id="default", received_at=NOON) for _ in range(2)]
    assert counts == [IntakeCount(3, 1, 2, 0), IntakeCount(3, 0, 0, 3)]


def test_the_same_content_twice_in_one_transaction_is_stored_once(database: Database) -> None:
    twice = [readings([1, 2], origin="a", name=name) for name in ("one.txt", "two.txt")]
    assert store_scans(database, twice, user_id="default", received_at=NOON) == IntakeCount(
        4, 2, 0, 2
    )


def test_counts_add_up_over_many_transactions(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "TRANSACTION_ROWS", 4)
    files = [readings([n, n + 1], origin=str(n), bad=["97800"]) for n in range(7)]
    found = store_scans(database, files, user_id="default", received_at=NOON)
    assert found == IntakeCount(read=21, accepted=14, rejected=7, known=0)
    assert len(rows(database, t.scans)) == 21
    assert len(rows(database, t.items)) == 8
    again = store_scans(database, files, user_id="default", received_at=NOON)
    assert again == IntakeCount(read=21, accepted=0, rejected=0, known=21)


def test_nothing_is_nothing(database: Database) -> None:
    assert store_scans(database, [], user_id="default", received_at=NOON) == IntakeCount()
    assert pending_count(database, now=NOON) == 0


def test_scans_without_an_owner_are_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="user_id is empty"):
        scan(database, 1, user_id="")
    assert rows(database, t.scans) == []


def test_users_keep_their_scans_apart(database: Database) -> None:
    names = ["ann", "bob", "50% O'Neill \\ co"]
    for name in names:
        assert scan(database, 1, 2, origin="same", user_id=name) == IntakeCount(2, 2, 0, 0)
    assert scan(database, 1, 2, origin="same", user_id="ann").known == 2
    owners = [row["user_id"] for row in rows(database, t.scans, "user_id", "line")]
    assert sorted(owners) == sorted(names * 2)
    assert len(rows(database, t.items)) == 2


def test_a_scan_keeps_its_own_time(database: Database) -> None:
    west = timezone(timedelta(hours=-8))
    scanned = (NOON - DAY).astimezone(west)
    times = pa.array([scanned, None], pa.timestamp("us", tz="UTC"))
    timed = with_column(readings([1, 2]), "scanned_at", times)
    store_scans(database, [timed], user_id="default", received_at=NOON)
    stored = rows(database, t.scans, "line")
    assert [row["scanned_at"] for row in stored] == [scanned, NOON]
    assert {row["received_at"] for row in stored} == {NOON}


def test_what_cannot_be_stored_leaves_no_scan_and_stops_no_other_try(database: Database) -> None:
    wrong = with_column(readings([1, 2]), "code", pa.array([isbn(1), None]))
    with pytest.raises(Exception, match=r"(?i)not.null"):
        store_scans(database, [wrong], user_id="default", received_at=NOON)
    assert rows(database, t.scans) == []

    count = store_scans(database, [readings([1, 2])], user_id="default", received_at=NOON)
    assert (count.accepted, count.known) == (2, 0)
    assert len(rows(database, t.items)) == len(rows(database, t.books)) == 2


def test_two_writers_of_the_same_books_wait_for_each_other(
    database: Database, migrated_url: DatabaseUrl
) -> None:
    numbers, failures, start = list(range(6_000)), [], threading.Barrier(2)

    def store(order: list[int], user_id: str) -> None:
        other = Database(migrated_url)
        reading = readings(order, origin=user_id)
        start.wait()
        try:
            store_scans(other, [reading], user_id=user_id, received_at=NOON)
        except Exception as error:
            failures.append(error)
        other.close()

    threads = [
        threading.Thread(target=store, args=(numbers, "up")),
        threading.Thread(target=store, args=(numbers[::-1], "down")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=50)
    assert failures == []
    assert database.scalar(sa.select(sa.func.count()).select_from(t.items)) == 6_000
    assert database.scalar(sa.select(sa.func.count()).select_from(t.scans)) == 12_000


def test_an_item_has_its_row_in_the_table_of_its_category(database: Database) -> None:
    keys = (
        ("card", "base1-4"),
        ("card", "1986|fleer|57|michael jordan"),
        ("minifigure", "sw0001"),
        ("book", isbn(1)),
    )
    reading = Readings(
        "0" * 64,
        "mixed.csv",
        pa.RecordBatch.from_pylist(
            [
                {
                    "line": line,
                    "code": key,
                    "category": category,
                    "natural_key": key,
                    "item_id": item_id(category, key),
                }
                for line, (category, key) in enumerate(keys, 1)
            ],
            schema=READING,
        ),
    )
    for _ in range(2):
        store_scans(database, [reading], user_id="default", received_at=NOON)
    assert len(rows(database, t.items)) == 4
    assert [row["isbn13"] for row in rows(database, t.books)] == [isbn(1)]
    assert [row["set_number"] for row in rows(database, t.minifigures)] == ["sw0001"]
    cards = {row["item_id"]: row for row in rows(database, t.cards)}
    jordan = cards[item_id(*keys[1])]
    assert (jordan["player_or_character"], jordan["year"], jordan["number"]) == (
        "Michael Jordan",
        1986,
        "57",
    )
    assert cards[item_id(*keys[0])]["name"] is None
    titles = {row["natural_key"]: row["title"] for row in rows(database, t.items)}
    assert titles == dict.fromkeys([key for _, key in keys]) | {keys[1][1]: "Michael Jordan"}
