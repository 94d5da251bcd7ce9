import statistics
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from resources.sandbox.collectible_market import (
    LONGEST_LOT,
    ORDERS_WINDOW,
    UNKNOWN,
    CollectibleMarket,
)
from resources.sandbox.collectibles import bundled_cards, bundled_minifigures

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEYS = [figure.number for figure in bundled_minifigures(1_000)]

keys = st.sampled_from(KEYS)
seeds = st.integers(0, 50)
dates = st.datetimes(  # the bounds that hypothesis takes are naive
    datetime(2015, 1, 1),  # noqa: DTZ001
    datetime(2035, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
gaps = st.timedeltas(timedelta(0), timedelta(days=300))


@settings(max_examples=60, deadline=None)
@given(key=keys, seed=seeds, earlier=dates, gap=gaps)
def test_an_order_never_changes_and_stays_visible_for_six_months(
    key: str, seed: int, earlier: datetime, gap: timedelta
) -> None:
    later = earlier + gap
    before = CollectibleMarket(seed).orders(key, earlier)
    after = CollectibleMarket(seed).orders(key, later)
    assert [lot for lot in before if lot.at > later - ORDERS_WINDOW] == [
        lot for lot in after if lot.at <= earlier
    ]
    assert before == sorted(before, key=lambda lot: lot.at, reverse=True)
    for lot in before:
        assert earlier - ORDERS_WINDOW < lot.at <= earlier
        assert lot.at.microsecond % 1000 == 0
        assert 1 <= lot.quantity <= 9
        assert Decimal(lot.price) >= Decimal("0.05")


@settings(max_examples=60, deadline=None)
@given(key=keys, seed=seeds, earlier=dates, gap=gaps)
def test_a_lot_stands_from_its_start_to_its_end_and_only_then(
    key: str, seed: int, earlier: datetime, gap: timedelta
) -> None:
    later = earlier + gap
    before, after = (CollectibleMarket(seed).stock(key, now) for now in (earlier, later))
    assert all(lot.at <= earlier < lot.until <= lot.at + LONGEST_LOT for lot in before)
    assert [lot for lot in before if lot.until > later] == [
        lot for lot in after if lot.at <= earlier
    ]


@settings(max_examples=60, deadline=None)
@given(key=keys, seed=seeds, now=dates)
def test_an_estimate_holds_for_a_day(key: str, seed: int, now: datetime) -> None:
    market = CollectibleMarket(seed)
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    same = day + timedelta(days=1) - timedelta(microseconds=1)
    assert market.estimate(key, day) == market.estimate(key, same) > 0


def test_seeds_and_items_have_markets_of_their_own() -> None:
    lively = [key for key in KEYS if len(CollectibleMarket(0).orders(key, NOW)) > 20][:2]
    markets = [CollectibleMarket(seed).orders(key, NOW) for seed in (0, 1) for key in lively]
    assert len({str(orders) for orders in markets}) == len(markets)


def test_orders_and_prices_are_heavy_tailed() -> None:
    market = CollectibleMarket(0)
    sold = [market.orders(key, NOW) for key in KEYS]
    counts = sorted((len(orders) for orders in sold), reverse=True)
    assert 0.10 <= counts.count(0) / len(counts) <= 0.30
    assert sum(counts[: len(counts) // 5]) > 0.6 * sum(counts)
    medians = sorted(statistics.median(float(o.price) for o in orders) for orders in sold if orders)
    assert 3 < statistics.median(medians) < 15
    assert medians[-len(medians) // 50] > 5 * statistics.median(medians)
    quantities = [order.quantity for orders in sold for order in orders]
    assert 0.85 < quantities.count(1) / len(quantities) < 0.91


def test_asks_are_dearer_than_sales() -> None:
    market = CollectibleMarket(0)
    ratios = []
    for key in KEYS:
        orders, lots = market.orders(key, NOW), market.stock(key, NOW)
        if min(len(orders), len(lots)) >= 10:
            ask, sale = (
                statistics.median(float(e.price) for e in found) for found in (lots, orders)
            )
            ratios.append(ask / sale)
    assert len(ratios) > 50
    assert 1.2 < statistics.median(ratios) < 1.45


def test_sources_know_different_items() -> None:
    market = CollectibleMarket(0)
    cards = [card.identifier for card in bundled_cards(1_000)]
    known = {
        source: {key for key in (*KEYS, *cards) if market.knows(source, key)} for source in UNKNOWN
    }
    for source, share in UNKNOWN.items():
        assert share * 0.6 < 1 - len(known[source]) / (len(KEYS) + len(cards)) < share * 1.5
    assert len({frozenset(found) for found in known.values()}) == len(known)
