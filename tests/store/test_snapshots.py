from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pricing_assets.core.periods import day_end
from pricing_assets.schema import tables as t
from pricing_assets.store import snapshots
from pricing_assets.store.snapshots import WINDOW_DAYS, build_day
from resources.database import Database
from tests.examples import ASKS, DAY, NOON, SOLD, book, commit, listing, reply, rows, sales, scan

TODAY = NOON.date()
LATER = NOON + 40 * DAY


@pytest.fixture
def database(database: Database) -> Database:
    scan(database, 1, 2, 3, 4)
    return database


def day(database: Database, wanted: date = TODAY) -> dict[str, dict[str, Any]]:
    return {
        found["item_id"]: found
        for found in rows(database, t.price_snapshots)
        if found["snapshot_date"] == wanted
    }


def test_a_snapshot_is_the_market_at_the_end_of_the_day(database: Database) -> None:
    sales(database, 1, ["10.00", "20.00", "30.00", "40.00", "50.01"])
    asks = [listing("a", "4.00", "ask"), listing("b", "6.00", "ask")]
    commit(database, reply(1, ASKS, NOON + timedelta(hours=1), listings=asks))
    build = build_day(database, TODAY, now=LATER)
    assert (build.rows, build.as_of, build.provisional) == (1, day_end(TODAY), False)
    assert day(database) == {
        book(1).item_id: {
            "item_id": book(1).item_id,
            "snapshot_date": TODAY,
            "as_of": day_end(TODAY),
            "provisional": False,
            "window_days": WINDOW_DAYS,
            "sold_count": 5,
            "min_price": Decimal("10.00"),
            "median_price": Decimal("30.00"),
            "max_price": Decimal("50.01"),
            "quick_sale": Decimal("20.00"),
            "market_value": Decimal("30.00"),
            "patient_sale": Decimal("40.00"),
            "ask_count": 2,
            "min_ask": Decimal("4.00"),
            "sources": f"{ASKS},{SOLD}",
        }
    }


def test_quantiles_are_interpolated_to_the_cent(database: Database) -> None:
    sales(database, 1, ["1.00", "1.01", "1.03", "2.00"])
    build_day(database, TODAY, now=LATER)
    found = day(database)[book(1).item_id]
    assert [str(found[name]) for name in ("quick_sale", "market_value", "patient_sale")] == [
        *("1.01", "1.02", "1.27")
    ]


def test_asks_are_counted_beside_and_never_mixed_in(database: Database) -> None:
    commit(database, reply(1, ASKS, listings=[listing("a", "4.00", "ask")]))
    sales(database, 2, ["10.00"])
    build_day(database, TODAY, now=LATER)
    asked, sold = day(database)[book(1).item_id], day(database)[book(2).item_id]
    assert (asked["sold_count"], asked["ask_count"], asked["min_ask"]) == (0, 1, Decimal("4.00"))
    assert asked["median_price"] is asked["min_price"] is asked["quick_sale"] is None
    assert (sold["sold_count"], sold["ask_count"], sold["min_ask"]) == (1, 0, None)
    assert (sold["min_price"], sold["max_price"]) == (Decimal("10.00"), Decimal("10.00"))


def test_a_day_has_rows_of_items_with_news_only(database: Database) -> None:
    sales(database, 1, ["10.00"], NOON - DAY)
    sales(database, 2, ["10.00"], NOON)
    sales(database, 3, ["10.00"], NOON + DAY)
    commit(database, reply(4, SOLD))
    build_day(database, TODAY, now=LATER)
    assert set(day(database)) == {book(2).item_id}


def test_a_withdrawn_ask_is_news(database: Database) -> None:
    commit(database, reply(1, ASKS, NOON - DAY, listings=[listing("a", "4.00", "ask")]))
    commit(database, reply(1, ASKS))
    build_day(database, TODAY, now=LATER)
    found = day(database)[book(1).item_id]
    assert (found["ask_count"], found["min_ask"], found["sources"]) == (0, None, "")


@pytest.mark.parametrize(
    ("sold_at", "counted"),
    [
        (day_end(TODAY) - timedelta(days=WINDOW_DAYS) + timedelta(microseconds=1), 1),
        (day_end(TODAY) - timedelta(days=WINDOW_DAYS), 0),
        (NOON, 1),
        (None, 1),
    ],
)
def test_sales_of_the_window_count(
    database: Database, sold_at: datetime | None, counted: int
) -> None:
    commit(database, reply(1, SOLD, listings=[listing("a", "9.00", sold_at=sold_at)]))
    build_day(database, TODAY, now=LATER)
    assert day(database)[book(1).item_id]["sold_count"] == counted


def test_a_past_day_built_again_gives_the_same_rows(database: Database) -> None:
    asks = [listing("a", "4.00", "ask"), listing("b", "6.00", "ask")]
    sold = [listing("s1", "10.00"), listing("s2", "12.00"), listing("e", "7.00", currency="EUR")]
    for number in (1, 2):
        commit(database, reply(number, SOLD, listings=sold), reply(number, ASKS, listings=asks))
    build_day(database, TODAY, now=NOON + DAY)
    before = day(database)
    assert len(before) == 2
    # The source corrects a sale, shows new ones, and both asks are gone.
    changed = [listing("s1", "99.00"), listing("s3", "1.00", sold_at=NOON - 3 * DAY)]
    for number in (1, 2, 3):
        commit(
            database,
            reply(number, SOLD, NOON + DAY, listings=changed),
            reply(number, ASKS, NOON + DAY, listings=[listing("c", "1.00", "ask")]),
        )
    build_day(database, TODAY, now=LATER)
    assert day(database) == before
    build_day(database, TODAY + DAY, now=LATER)
    following = day(database, TODAY + DAY)
    assert len(following) == 3
    found = following[book(1).item_id]
    assert (found["sold_count"], found["max_price"]) == (3, Decimal("99.00"))
    assert (found["ask_count"], found["min_ask"]) == (1, Decimal("1.00"))


def test_the_running_day_is_provisional_until_it_is_built_again(database: Database) -> None:
    sales(database, 1, ["10.00"])
    build = build_day(database, TODAY, now=NOON + timedelta(hours=1))
    assert (build.provisional, build.as_of) == (True, NOON + timedelta(hours=1))
    assert day(database)[book(1).item_id]["provisional"] is True
    sales(database, 1, ["10.00", "20.00"], NOON + timedelta(hours=2))
    assert build_day(database, TODAY, now=NOON + timedelta(hours=1)) == build
    assert day(database)[book(1).item_id]["sold_count"] == 1
    build_day(database, TODAY, now=LATER)
    found = day(database)[book(1).item_id]
    assert (found["provisional"], found["as_of"], found["sold_count"]) == (False, day_end(TODAY), 2)


def test_days_begin_and_end_in_utc(database: Database) -> None:
    first = datetime(2026, 10, 20, tzinfo=UTC)
    sales(database, 1, ["1.00"], first - timedelta(microseconds=1))
    sales(database, 2, ["1.00"], first)
    sales(database, 3, ["1.00"], first + DAY - timedelta(microseconds=1))
    sales(database, 4, ["1.00"], first + DAY)
    build_day(database, TODAY, now=LATER)
    assert set(day(database)) == {book(2).item_id, book(3).item_id}


def test_many_batches_are_one_day(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "ITEMS_A_BATCH", 2)
    for number in (1, 2, 3):
        sales(database, number, [f"{number}.00"])
    assert build_day(database, TODAY, now=LATER).rows == 3
    prices = [day(database)[book(number).item_id]["max_price"] for number in (1, 2, 3)]
    assert prices == [Decimal(1), Decimal(2), Decimal(3)]


def test_a_day_without_news_has_no_rows(database: Database) -> None:
    assert build_day(database, TODAY, now=LATER).rows == 0
    assert day(database) == {}
