from datetime import timedelta
from decimal import Decimal

from pricing_assets.core.source_results import MIN_VANISHED
from pricing_assets.store.shown_prices import shown_prices
from resources.database import Database
from tests.examples import (
    ASKS,
    DAY,
    NOON,
    SOLD,
    book,
    commit,
    listing,
    reply,
    sales,
    scan,
    set_licence,
)

HOUR = timedelta(hours=1)


def test_a_price_is_shown_for_as_long_as_its_licence_says(database: Database) -> None:
    scan(database, 1, 2)
    sales(database, 1, ["10.00", "20.00", "60.00"])
    sales(database, 2, ["99.00"])
    commit(database, reply(1, ASKS, listings=[listing("x", "9.00", "ask")]))
    fresh = shown_prices(database, book(1).item_id, now=NOON + 6 * HOUR)
    assert (fresh.sold, fresh.least, fresh.median, fresh.greatest) == (
        *(3, Decimal("10.00")),
        *(Decimal("20.00"), Decimal("60.00")),
    )
    assert (fresh.asks, fresh.hidden) == (1, [])
    later = shown_prices(database, book(1).item_id, now=NOON + 7 * HOUR)
    assert (later.sold, later.asks) == (3, 0)
    (hidden,) = later.hidden
    assert (hidden.source, hidden.observations) == (ASKS, 1)
    assert (hidden.fetched_at, hidden.may_be_shown_for) == (NOON, 6 * HOUR)
    old = shown_prices(database, book(1).item_id, now=NOON + 25 * HOUR)
    assert (old.sold, old.least, old.median) == (0, None, None)
    assert [source.source for source in old.hidden] == [ASKS, SOLD]


def test_a_price_that_is_seen_again_is_shown_again(database: Database) -> None:
    scan(database, 1)
    sales(database, 1, ["10.00"])
    again = NOON + 30 * HOUR
    sales(database, 1, ["10.00"], again)
    assert shown_prices(database, book(1).item_id, now=again + 23 * HOUR).sold == 1


def test_an_error_is_no_word_of_the_source(database: Database) -> None:
    scan(database, 1)
    sales(database, 1, ["10.00"])
    commit(database, reply(1, SOLD, NOON + 30 * HOUR, error="answered 500"))
    assert shown_prices(database, book(1).item_id, now=NOON + 31 * HOUR).sold == 0


def test_an_ask_of_a_source_that_fell_silent_caps_no_value_for_ever(database: Database) -> None:
    silent = range(1, MIN_VANISHED + 2)
    scan(database, *silent)
    for source in (ASKS, SOLD):
        set_licence(database, source, display_max_age_hours=None)
    asks = [
        reply(number, ASKS, listings=[listing(f"ask-{number}", "10.50", "ask")])
        for number in silent
    ]
    commit(database, *asks)
    sales(database, 1, ["8.00", "10.00", "12.00", "15.00", "20.00"])
    for days in (20, 40):
        commit(database, *(reply(number, ASKS, NOON + days * DAY) for number in silent))
    methods = []
    for days in (29, 41):
        shown = shown_prices(database, book(1).item_id, now=NOON + days * DAY)
        assert shown.value is not None
        methods.append(shown.value.method)
    assert methods == ["sold+ask", "sold"]


def test_ones_own_sales_may_always_be_shown(database: Database) -> None:
    scan(database, 1)
    set_licence(database, "file:mine", train="yes")
    sales(database, 1, ["10.00"], source="file:mine")
    sales(database, 1, ["90.00"])
    shown = shown_prices(database, book(1).item_id, now=NOON + 9999 * HOUR)
    assert (shown.sold, shown.median) == (1, Decimal("10.00"))


def test_the_value_follows_from_what_may_be_shown_and_names_what_stands_out(
    database: Database,
) -> None:
    scan(database, 1)
    sales(database, 1, ["10.00", "10.10", "10.20", "10.30", "99.00"])
    commit(database, reply(1, ASKS, listings=[listing("x", "10.50", "ask")]))
    shown = shown_prices(database, book(1).item_id, now=NOON + HOUR)
    assert shown.value is not None
    assert (shown.value.method, shown.value.outliers) == ("sold+ask", 1)
    assert Decimal(10) < shown.value.market < shown.value.high == Decimal("10.50")
    (outlier,) = shown.outliers
    assert (outlier.source, outlier.price) == (SOLD, Decimal("99.00"))
    assert "above what the other sales allow" in outlier.reason
    later = shown_prices(database, book(1).item_id, now=NOON + 7 * HOUR)
    assert later.value is not None
    assert (later.value.method, later.asks) == ("sold", 0)
    old = shown_prices(database, book(1).item_id, now=NOON + 25 * HOUR)
    assert (old.value, old.outliers, old.advice.action) == (None, [], "SKIP")
