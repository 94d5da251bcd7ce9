import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.answers import ItemQuery
from pricing_assets.core.items import item_id
from pricing_assets.core.periods import day_end
from pricing_assets.schema import tables as t
from pricing_assets.schema.migrate import upgrade
from pricing_assets.store import snapshots
from pricing_assets.store.partitions import WeeksDetached, detach_before, make_weeks
from pricing_assets.store.snapshots import WINDOW_DAYS, build_days
from resources.compute import duckdb_connection
from resources.database import Database
from tests.conftest import DatabaseUrl
from tests.examples import (
    ASKS,
    DAY,
    NOON,
    SOLD,
    book,
    commit,
    listing,
    register,
    reply,
    rows,
    sales,
    scan,
)

TODAY = NOON.date()
LATER = NOON + 40 * DAY
NOTHING_SAID = dict.fromkeys(("condition", "grader", "grade", "variant"))


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
    (build,) = build_days(database, [TODAY], now=LATER)
    assert (build.rows, build.as_of, build.provisional) == (1, day_end(TODAY), False)
    found = day(database)[book(1).item_id]
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
            "quick_sale": found["quick_sale"],
            "market_value": found["market_value"],
            "patient_sale": found["patient_sale"],
            "low_value": found["low_value"],
            "high_value": found["high_value"],
            "effective_n": 5.0,
            "outliers": 0,
            "confidence": "medium",
            "method": "sold+ask",
            "ask_count": 2,
            "min_ask": Decimal("4.00"),
            "sources": f"{ASKS},{SOLD}",
            "breakdown": found["breakdown"],
        }
    }


def test_one_sale_is_the_value_with_a_wide_range(database: Database) -> None:
    sales(database, 1, ["10.00"])
    build_days(database, [TODAY], now=LATER)
    found = day(database)[book(1).item_id]
    names = ("low_value", "quick_sale", "market_value", "patient_sale", "high_value")
    assert [str(found[name]) for name in names] == ["7.00", "10.00", "10.00", "10.00", "13.00"]
    assert (found["confidence"], found["method"], found["effective_n"]) == ("low", "sold", 1.0)
    entry = {**NOTHING_SAID, "n": 1, "median": "10.00", "market": "10.00", "premium": None}
    assert json.loads(found["breakdown"]) == [entry]


def test_the_breakdown_tells_condition_grade_and_variant(database: Database) -> None:
    shown = [
        replace(listing(str(place), price, condition=condition), title=title)
        for place, (price, condition, title) in enumerate(
            (
                ("10.00", "Used", "a copy"),
                ("10.00", "Used", "another copy"),
                ("12.00", None, "a copy"),
                ("30.00", "Used", "a copy, signed"),
            )
        )
    ]
    commit(database, reply(1, SOLD, listings=shown))
    build_days(database, [TODAY], now=LATER)
    found = day(database)[book(1).item_id]
    assert found["sold_count"] == 3
    assert found["market_value"] < 12
    entries = json.loads(found["breakdown"])
    assert [
        (e["condition"], e["grade"], e["variant"], e["n"], e["median"], e["market"])
        for e in entries
    ] == [
        (None, None, None, 1, "12.00", "12.00"),
        ("Used", None, None, 2, "10.00", "10.00"),
        ("Used", None, "signed", 1, "30.00", "30.00"),
    ]
    premium = round(30 / float(found["market_value"]) - 1, 2)
    assert [e["premium"] for e in entries] == [None, None, premium]


def test_a_grade_is_worth_more_than_the_raw_card(database: Database) -> None:
    key = "1986|fleer|57|michael jordan"
    card = ItemQuery(item_id("card", key), "card", key)
    database.execute(
        sa.insert(t.items).values(
            id=card.item_id, category="card", natural_key=key, created_at=NOON, updated_at=NOON
        )
    )
    titles = ("1986 Fleer Michael Jordan #57", "1986 Fleer Michael Jordan #57 PSA 8")
    shown = [
        replace(listing(f"{title} {n}", price), title=title)
        for title, price in zip(titles, ("100.00", "250.00"), strict=True)
        for n in range(2)
    ]
    commit(database, replace(reply(1, SOLD, listings=shown), query=card))
    build_days(database, [TODAY], now=LATER)
    found = day(database)[card.item_id]
    assert (found["market_value"], found["sold_count"]) == (Decimal("100.00"), 2)
    assert [
        (e["grader"], e["grade"], e["variant"], e["market"], e["premium"])
        for e in json.loads(found["breakdown"])
    ] == [(None, None, None, "100.00", None), ("psa", "8", "psa 8", "250.00", 1.5)]


def test_an_item_that_sold_in_no_plain_copy_has_the_value_of_all(database: Database) -> None:
    signed = replace(listing("a", "30.00"), title="signed")
    commit(database, reply(1, SOLD, listings=[signed]))
    build_days(database, [TODAY], now=LATER)
    found = day(database)[book(1).item_id]
    assert found["market_value"] == Decimal("30.00")
    assert [entry["premium"] for entry in json.loads(found["breakdown"])] == [None]


def test_an_ask_that_is_shown_again_stays_open_and_caps(database: Database) -> None:
    sold = [listing(str(n), price, sold_at=NOON) for n, price in enumerate(("10.00", "20.00"))]
    ask = [listing("a", "15.50", "ask")]
    commit(database, reply(1, ASKS, NOON - 40 * DAY, listings=ask))
    commit(database, reply(1, SOLD, listings=sold))
    build_days(database, [TODAY], now=LATER)
    assert day(database)[book(1).item_id]["method"] == "sold"
    commit(database, reply(1, ASKS, NOON - DAY, listings=ask))
    build_days(database, [TODAY], now=LATER)
    found = day(database)[book(1).item_id]
    assert (found["method"], found["high_value"]) == ("sold+ask", Decimal("15.50"))


def test_one_sale_that_was_seen_twice_counts_once(database: Database) -> None:
    seen = (("s1", "10.00", 0), ("s2", "10.40", 1), ("s3", "10.00", 9))
    for source in (SOLD, "serpapi_ebay_sold"):
        for name, price, hours in seen:
            at = NOON - timedelta(days=20) + timedelta(hours=30 * hours)
            shown = [listing(f"{source}-{name}", price, sold_at=at)]
            commit(database, reply(1, source, NOON + timedelta(minutes=hours), listings=shown))
    build_days(database, [TODAY], now=LATER)
    found = day(database)[book(1).item_id]
    assert (found["sold_count"], found["max_price"]) == (2, Decimal("10.00"))


def test_asks_are_counted_beside_and_never_mixed_in(database: Database) -> None:
    commit(database, reply(1, ASKS, listings=[listing("a", "4.00", "ask")]))
    sales(database, 2, ["10.00"])
    build_days(database, [TODAY], now=LATER)
    asked, sold = day(database)[book(1).item_id], day(database)[book(2).item_id]
    assert (asked["sold_count"], asked["ask_count"], asked["min_ask"]) == (0, 1, Decimal("4.00"))
    assert asked["median_price"] is asked["min_price"] is asked["quick_sale"] is None
    assert (sold["sold_count"], sold["ask_count"], sold["min_ask"]) == (1, 0, None)
    assert (sold["min_price"], sold["max_price"]) == (Decimal("10.00"), Decimal("10.00"))


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["b", "it's", "a", 'a"b', ""]))))
def test_sources_are_named_in_order_and_once(said: list[tuple[int, str]]) -> None:
    with duckdb_connection() as duck:
        duck.execute("CREATE TABLE observations (item_id BIGINT, source VARCHAR)")
        for row in said:
            duck.execute("INSERT INTO observations VALUES (?, ?)", row)
        found = duck.sql(snapshots._sources_sql(duck)).fetchall()
    wanted = {item: sorted({source for other, source in said if other == item}) for item, _ in said}
    assert dict(found) == {item: ",".join(sources) for item, sources in wanted.items()}


def test_a_day_has_rows_of_items_with_news_only(database: Database) -> None:
    sales(database, 1, ["10.00"], NOON - DAY)
    sales(database, 2, ["10.00"], NOON)
    sales(database, 3, ["10.00"], NOON + DAY)
    commit(database, reply(4, SOLD))
    build_days(database, [TODAY], now=LATER)
    assert set(day(database)) == {book(2).item_id}


def test_a_withdrawn_ask_is_news(database: Database) -> None:
    commit(database, reply(1, ASKS, NOON - DAY, listings=[listing("a", "4.00", "ask")]))
    commit(database, reply(1, ASKS))
    build_days(database, [TODAY], now=LATER)
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
    build_days(database, [TODAY], now=LATER)
    assert day(database)[book(1).item_id]["sold_count"] == counted


def test_a_past_day_built_again_gives_the_same_rows(database: Database) -> None:
    asks = [listing("a", "4.00", "ask"), listing("b", "6.00", "ask")]
    sold = [listing("s1", "10.00"), listing("s2", "12.00"), listing("e", "7.00", currency="EUR")]
    for number in (1, 2):
        commit(database, reply(number, SOLD, listings=sold), reply(number, ASKS, listings=asks))
    build_days(database, [TODAY], now=NOON + DAY)
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
    build_days(database, [TODAY], now=LATER)
    assert day(database) == before
    build_days(database, [TODAY + DAY], now=LATER)
    following = day(database, TODAY + DAY)
    assert len(following) == 3
    found = following[book(1).item_id]
    assert (found["sold_count"], found["max_price"]) == (3, Decimal("99.00"))
    assert (found["ask_count"], found["min_ask"]) == (1, Decimal("1.00"))


def test_the_running_day_is_provisional_until_it_is_built_again(database: Database) -> None:
    sales(database, 1, ["10.00"])
    (build,) = build_days(database, [TODAY], now=NOON + timedelta(hours=1))
    assert (build.provisional, build.as_of) == (True, NOON + timedelta(hours=1))
    assert day(database)[book(1).item_id]["provisional"] is True
    sales(database, 1, ["10.00", "20.00"], NOON + timedelta(hours=2))
    assert build_days(database, [TODAY], now=NOON + timedelta(hours=1)) == [build]
    assert day(database)[book(1).item_id]["sold_count"] == 1
    build_days(database, [TODAY], now=LATER)
    found = day(database)[book(1).item_id]
    assert (found["provisional"], found["as_of"], found["sold_count"]) == (False, day_end(TODAY), 2)


def test_days_begin_and_end_in_utc(database: Database) -> None:
    first = datetime(2026, 10, 20, tzinfo=UTC)
    sales(database, 1, ["1.00"], first - timedelta(microseconds=1))
    sales(database, 2, ["1.00"], first)
    sales(database, 3, ["1.00"], first + DAY - timedelta(microseconds=1))
    sales(database, 4, ["1.00"], first + DAY)
    build_days(database, [TODAY], now=LATER)
    assert set(day(database)) == {book(2).item_id, book(3).item_id}


def test_many_batches_are_one_day(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "SNAPSHOTS_A_BATCH", 3)
    numbers = range(1, 12)
    scan(database, *numbers, origin="b")
    for number in numbers:
        sales(database, number, [f"{number}.00"])
    assert build_days(database, [TODAY], now=LATER)[0].rows == 11
    found = day(database)
    prices = [found[book(number).item_id]["max_price"] for number in numbers]
    assert prices == [Decimal(number) for number in numbers]


def test_two_runs_may_build_a_day_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "SNAPSHOTS_A_BATCH", 3)
    scan(database, *range(1, 9), origin="b")
    for number in range(1, 9):
        sales(database, number, [f"{number}.00"])
    both, news = threading.Barrier(2), snapshots._news

    def news_of_both(*arguments: Any) -> pa.Table:
        both.wait(30)  # neither saw a snapshot of the other
        return news(*arguments)

    monkeypatch.setattr(snapshots, "_news", news_of_both)
    with ThreadPoolExecutor(2) as runs:
        builds = [runs.submit(build_days, database, [TODAY], now=LATER) for _ in range(2)]
        assert [build.result()[0].rows for build in builds] == [8, 8]
    together = day(database)
    assert len(together) == 8
    monkeypatch.setattr(snapshots, "_news", news)
    database.execute(sa.delete(t.price_snapshots))
    build_days(database, [TODAY], now=LATER)
    assert day(database) == together


def test_what_waits_is_not_built_after_a_failure(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "WORKERS", 1)
    monkeypatch.setattr(snapshots, "SNAPSHOTS_A_BATCH", 1)
    sales(database, 1, ["1.00"])
    sales(database, 2, ["2.00"])
    sales(database, 3, ["3.00"])
    build, failed, begun = snapshots._built_batch, threading.Event(), []

    def slow_after_the_first(database: Database, batch: pa.Table) -> pa.Table:
        begun.append(batch)
        if len(begun) > 1:
            failed.wait(10)
            time.sleep(0.2)
        return build(database, batch)

    def failing(*_: Any, **__: Any) -> int:
        failed.set()
        raise OSError("no space left on device")

    monkeypatch.setattr(snapshots, "_built_batch", slow_after_the_first)
    monkeypatch.setattr(database, "upsert", failing)
    with pytest.raises(OSError, match="no space"):
        build_days(database, [TODAY], now=LATER)
    assert len(begun) == 2


def test_a_sale_is_of_the_day_on_which_it_was_first_seen(database: Database) -> None:
    edge = day_end(TODAY) - WINDOW_DAYS * DAY
    sold = [
        listing("before", "10.00", sold_at=edge - timedelta(hours=1)),
        listing("again", "10.00", sold_at=edge + timedelta(hours=1)),
        listing("another", "20.00", sold_at=edge + timedelta(hours=1)),
    ]
    commit(database, reply(1, SOLD, listings=sold))
    build_days(database, [TODAY], now=LATER)
    found = day(database)[book(1).item_id]
    assert (found["sold_count"], found["min_price"]) == (1, Decimal("20.00"))


def test_days_of_one_run_are_as_each_by_itself(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [TODAY + n * DAY for n in range(4)]
    for number, at in ((1, NOON), (2, NOON + DAY), (1, NOON + 3 * DAY), (3, NOON + 3 * DAY)):
        sold = [
            listing(f"{number}-{at:%d}-{n}", f"{number + n}.00", sold_at=at - n * DAY)
            for n in range(3)
        ]
        ask = listing(f"ask-{at:%d}", "9.00", "ask")
        commit(database, reply(number, SOLD, at, listings=sold))
        commit(database, reply(number, ASKS, at, listings=[ask]))
    built = build_days(database, days, now=LATER)
    assert [build.rows for build in built] == [1, 1, 0, 2]
    together = rows(database, t.price_snapshots)
    database.execute(sa.delete(t.price_snapshots))
    for wanted in days:
        build_days(database, [wanted], now=LATER)
    assert rows(database, t.price_snapshots) == together
    # However few observations may be in memory: those of one snapshot always are.
    counted = []
    count = snapshots._count_observations

    def counting(database: Database, items: sa.Subquery) -> int:
        counted.append(count(database, items))
        return counted[-1]

    monkeypatch.setattr(snapshots, "_count_observations", counting)
    for most in (1, 5):
        monkeypatch.setattr(snapshots, "OBSERVATIONS_A_BATCH", most)
        database.execute(sa.delete(t.price_snapshots))
        build_days(database, days, now=LATER)
        assert rows(database, t.price_snapshots) == together
    assert max(counted) == 16


@pytest.mark.parametrize("before", [1, 13])
def test_a_day_is_the_same_whichever_days_are_built_with_it(
    database: Database, before: int
) -> None:
    # Each sale repeats the one before it unless that one is a repeat itself: which of them count
    # hangs on where the chain begins.
    sold = [
        listing(f"sale-{999 - n}", "10.00" if n % 4 else "10.25", sold_at=NOON - n * DAY)
        for n in range(0, 130, 2)
    ]
    for at in (NOON - before * DAY, NOON):
        commit(database, reply(1, ASKS, at, listings=[listing(f"ask-{at:%d}", "9.00", "ask")]))
    commit(database, reply(1, SOLD, listings=sold))
    build_days(database, [TODAY], now=LATER)
    alone = day(database)
    built = build_days(database, [TODAY - before * DAY, TODAY], now=LATER)
    assert [build.rows for build in built] == [1, 1]
    assert day(database) == alone


def test_a_sale_of_tomorrow_is_for_tomorrow(database: Database) -> None:
    tomorrow = listing("b", "20.00", sold_at=day_end(TODAY) + timedelta(hours=1))
    commit(database, reply(1, SOLD, listings=[listing("a", "10.00"), tomorrow]))
    build_days(database, [TODAY], now=LATER)
    found = day(database)[book(1).item_id]
    assert (found["sold_count"], found["max_price"]) == (1, Decimal("10.00"))


def test_a_day_is_not_built_without_what_is_detached(postgres_url: DatabaseUrl) -> None:
    database = Database(postgres_url)
    upgrade(database)
    register(database)
    scan(database, 1)
    old = NOON - 30 * DAY
    make_weeks(database, now=old)
    sales(database, 1, ["10.00"], old)
    sales(database, 1, ["20.00"], NOON)
    build_days(database, [old.date(), TODAY], now=LATER)
    built = rows(database, t.price_snapshots)
    assert len(built) == 2
    week, *_ = detach_before(database, TODAY - 14 * DAY)
    for wanted in (TODAY, old.date()):
        with pytest.raises(WeeksDetached, match=f"weeks of {week}.*is detached.*price_listings"):
            build_days(database, [wanted], now=LATER)
    assert rows(database, t.price_snapshots) == built
    # Of a day that is far enough from it nothing is missing.
    assert [build.rows for build in build_days(database, [TODAY + 120 * DAY], now=LATER)] == [0]
    database.close()


def test_a_day_without_news_has_no_rows(database: Database) -> None:
    assert build_days(database, [TODAY], now=LATER)[0].rows == 0
    assert day(database) == {}
