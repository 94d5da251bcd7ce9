from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing_assets.core.items import item_id
from pricing_assets.core.periods import day_end
from pricing_assets.schema import tables as t
from pricing_assets.store.comps import update_comps
from pricing_assets.store.intake import create_items
from pricing_assets.store.price_history import PriceHistory, Sale, price_history
from pricing_assets.store.snapshots import build_days
from resources.database import Database
from tests.examples import ASKS, DAY, NOON, SOLD, book, commit, listing, reply, sales, scan

TODAY = NOON.date()
OURS = "sandbox:" + SOLD


@pytest.fixture
def database(database: Database) -> Database:
    scan(database, 1, 2)
    return database


def snapshots(
    database: Database, item: int | str, prices: dict[date, str], source: str = OURS
) -> None:
    """Store snapshots of a book, or of an item by its id, without what they came from."""
    money = pa.decimal128(12, 2)
    days, values = list(prices), [Decimal(price) for price in prices.values()]
    rows = len(days)
    database.upsert(
        t.price_snapshots,
        pa.table(
            {
                "item_id": [item if isinstance(item, str) else book(item).item_id] * rows,
                "snapshot_date": pa.array(days, pa.date32()),
                "as_of": pa.array([day_end(day) for day in days], pa.timestamp("us", tz="UTC")),
                "provisional": [False] * rows,
                "window_days": [90] * rows,
                "sold_count": [3] * rows,
                **{
                    name: pa.array([value + more for value in values], money)
                    for name, more in (("quick_sale", -1), ("market_value", 0), ("patient_sale", 1))
                },
                "ask_count": [0] * rows,
                "sources": [source] * rows,
            }
        ),
    )


def history(
    database: Database, days: int, *, until: date = TODAY, now: datetime = NOON
) -> PriceHistory:
    first = until - timedelta(days=days - 1)
    return price_history(database, book(1).item_id, first=first, last=until, now=now)


def test_a_day_without_news_carries_the_last_value_and_says_so(database: Database) -> None:
    snapshots(database, 1, {TODAY - 6 * DAY: "10.00", TODAY - 2 * DAY: "12.00"})
    found = history(database, 5)
    assert [(day.day, day.market, day.carried) for day in found.days] == [
        (TODAY - 4 * DAY, Decimal("10.00"), True),
        (TODAY - 3 * DAY, Decimal("10.00"), True),
        (TODAY - 2 * DAY, Decimal("12.00"), False),
        (TODAY - 1 * DAY, Decimal("12.00"), True),
        (TODAY, Decimal("12.00"), True),
    ]
    assert found.days[0].range == (Decimal("9.00"), Decimal("11.00"))
    assert found.days[0].values["as_of"] == day_end(TODAY - 6 * DAY)
    assert found.simulated


@given(
    st.dictionaries(st.integers(-40, 20), st.integers(200, 9_999), max_size=8),
    st.integers(1, 30),
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_day_has_the_latest_snapshot_until_then(
    database: Database, cents: dict[int, int], days: int
) -> None:
    database.execute(sa.delete(t.price_snapshots))
    prices = {TODAY + offset * DAY: Decimal(value) / 100 for offset, value in cents.items()}
    if prices:
        snapshots(database, 1, {day: str(price) for day, price in prices.items()})
    found = history(database, days).days
    expected = []
    for day in (TODAY - number * DAY for number in reversed(range(days))):
        until = [known for known in prices if known <= day]
        if until:
            expected.append((day, prices[max(until)], max(until) != day))
    assert [(day.day, day.market, day.carried) for day in found] == expected
    assert all(after.day - before.day == DAY for before, after in pairwise(found))


def test_a_parallel_has_its_premium_over_the_base_card_of_each_day(database: Database) -> None:
    base = "2023|bowman chrome|bcp50|ethan salas"
    cards = {key: item_id("card", key) for key in (base, f"{base}|refractor|499")}
    with database.bulk() as bulk:
        create_items(
            bulk,
            pa.table(
                {
                    "item_id": list(cards.values()),
                    "natural_key": list(cards),
                    "category": ["card"] * 2,
                    "reason": pa.nulls(2, pa.string()),
                }
            ),
            NOON,
        )
    plain, parallel = cards.values()
    snapshots(database, parallel, {TODAY - 3 * DAY: "10.00", TODAY: "12.00"})
    snapshots(database, plain, {TODAY - 2 * DAY: "4.00", TODAY - DAY: "5.00"})
    first = TODAY - 3 * DAY
    found = price_history(database, parallel, first=first, last=TODAY, now=NOON).days
    assert [(day.base, day.premium) for day in found] == [
        (None, None),
        (Decimal("4.00"), 1.5),
        (Decimal("5.00"), 1.0),
        (Decimal("5.00"), 1.4),
    ]
    of_base = price_history(database, plain, first=first, last=TODAY, now=NOON).days
    assert {(day.base, day.premium) for day in of_base} == {(None, None)}


def test_the_sales_of_those_days_are_beside_them(database: Database) -> None:
    shown = [
        listing("old", "5.00", sold_at=NOON - 20 * DAY),
        listing("new", "7.00", sold_at=NOON - 3 * DAY),
        listing("undated", "8.00"),
        listing("foreign", "9.00", currency="JPY", sold_at=NOON - 3 * DAY),
    ]
    asked = listing("ask", "1.00", "ask", listed_at=NOON - 3 * DAY)
    commit(database, reply(1, SOLD, listings=shown), reply(1, ASKS, listings=[asked]))
    snapshots(database, 1, {TODAY - 30 * DAY: "6.00"})
    assert history(database, 10).sales == [Sale(NOON - 3 * DAY, Decimal("7.00"))]
    # Seen twice, it is one.
    again = listing("again", "7.20", sold_at=NOON - 2 * DAY)
    commit(database, reply(1, SOLD, NOON + DAY, listings=[again]))
    update_comps(database, now=NOON + DAY)
    assert history(database, 10).sales == [Sale(NOON - 3 * DAY, Decimal("7.00"))]
    assert len(history(database, 40).sales) == 2
    assert history(database, 40, until=TODAY - 31 * DAY).days == []


def test_a_price_is_withheld_when_its_licence_says_so(database: Database) -> None:
    sales(database, 1, ["10.00", "20.00"])
    build_days(database, [TODAY], now=NOON + DAY)
    fresh = history(database, 1, now=NOON + timedelta(hours=23))
    assert fresh.days[0].market == Decimal("15.00")
    assert (fresh.days[0].withheld, fresh.hidden) == ((), [])
    old = history(database, 1, now=NOON + timedelta(hours=25))
    (day,) = old.days
    assert day.withheld == (SOLD,)
    assert {name for name, value in day.values.items() if value is not None} == {
        *("as_of", "provisional", "window_days", "sources")
    }
    assert (day.market, day.range, old.sales) == (None, None, [])
    assert [(hidden.source, hidden.observations) for hidden in old.hidden] == [(SOLD, 2)]


def test_a_withdrawn_ask_is_withheld_as_well(database: Database) -> None:
    commit(database, reply(1, ASKS, listings=[listing("a", "4.00", "ask")]))
    build_days(database, [TODAY], now=NOON + DAY)
    commit(database, reply(1, ASKS, NOON + DAY))
    assert history(database, 1, now=NOON + DAY).days[0].values["min_ask"] == Decimal("4.00")
    (day,) = history(database, 1, now=NOON + 2 * DAY).days
    assert day.values["min_ask"] is None


def test_the_reading_uses_an_index(database: Database) -> None:
    from pricing_assets.store.price_history import _sales, _snapshots

    sales(database, 1, ["10.00"])
    for select in (
        _snapshots(book(1).item_id, TODAY - 90 * DAY, TODAY),
        _sales(book(1).item_id, TODAY - 90 * DAY, TODAY, []),
    ):
        explain = "EXPLAIN QUERY PLAN " if database.dialect == "sqlite" else "EXPLAIN "
        with database.connect() as connection:
            if database.dialect == "postgresql":
                connection.execute(sa.text("SET enable_seqscan = off"))
            plan = connection.execute(sa.text(explain + database.sql(select))).all()
        text = "\n".join(" ".join(map(str, row)) for row in plan)
        assert "item_id" in text, text
        assert "SCAN price" not in text, text
        assert "Seq Scan" not in text, text


def test_simulated_prices_are_shown_whatever_the_vendor_says(database: Database) -> None:
    from tests.examples import register

    register(database, "sandbox:")
    sales(database, 1, ["10.00"], prefix="sandbox:")
    build_days(database, [TODAY], now=NOON + DAY)
    found = history(database, 1, now=datetime(2027, 1, 1, tzinfo=UTC))
    assert (found.days[0].market, found.hidden) == (Decimal("10.00"), [])
