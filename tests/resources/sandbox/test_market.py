import statistics
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.sandbox import registered_vendors
from resources.sandbox.catalogue import Book, bundled_catalogue
from resources.sandbox.collectible_vendor import CollectibleVendor
from resources.sandbox.market import LEAST_BID_CENTS, LONGEST_ASK, SALES_WINDOW, Market
from resources.sandbox.searchapi_ebay_sold import SearchApiEbaySold

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CATALOGUE = bundled_catalogue(2_000)

books = st.sampled_from(CATALOGUE)
seeds = st.integers(0, 50)
dates = st.datetimes(  # the bounds that hypothesis takes are naive
    datetime(2015, 1, 1),  # noqa: DTZ001
    datetime(2035, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
gaps = st.timedeltas(timedelta(0), timedelta(days=200))


@settings(max_examples=150, deadline=None)
@given(book=books, seed=seeds, earlier=dates, gap=gaps)
def test_a_sale_never_changes_and_stays_visible_for_90_days(
    book: Book, seed: int, earlier: datetime, gap: timedelta
) -> None:
    later = earlier + gap
    before = Market(seed).sales(book, earlier)
    after = Market(seed).sales(book, later)
    still = [sale for sale in before if sale.at > later - SALES_WINDOW]
    assert still == [sale for sale in after if sale.at <= earlier]


@settings(max_examples=100, deadline=None)
@given(book=books, seed=seeds, now=dates)
def test_sales_are_those_of_the_window_the_latest_first(
    book: Book, seed: int, now: datetime
) -> None:
    sales = Market(seed).sales(book, now)
    assert all(now - SALES_WINDOW < sale.at <= now for sale in sales)
    assert sales == sorted(sales, key=lambda sale: sale.at, reverse=True)
    assert len({sale.listing_id for sale in sales}) == len(sales)
    for sale in sales:
        assert sale.listing_id.startswith("99")
        assert len(sale.listing_id) == 18
        assert sale.price_cents >= 99
        assert (sale.bids > 0) == (sale.listing_type == "auction")


@settings(max_examples=100, deadline=None)
@given(book=books, seed=seeds, earlier=dates, gap=gaps)
def test_an_ask_stands_from_its_listing_to_its_end_and_only_then(
    book: Book, seed: int, earlier: datetime, gap: timedelta
) -> None:
    later = earlier + gap
    before, after = (Market(seed).asks(book, now) for now in (earlier, later))
    assert all(ask.at <= earlier < ask.until <= ask.at + LONGEST_ASK for ask in before)
    assert [a for a in before if a.until > later] == [a for a in after if a.at <= earlier]


@settings(max_examples=100, deadline=None)
@given(book=books, seed=seeds, now=dates, dealer=st.sampled_from(["booksrun", "dealer-1"]))
def test_a_bid_stands_for_a_week_and_is_worth_naming(
    book: Book, seed: int, now: datetime, dealer: str
) -> None:
    market = Market(seed)
    bid = market.bid(book, dealer, now)
    assert bid == Market(seed).bid(book, dealer, now)
    assert bid == 0 or bid >= LEAST_BID_CENTS
    monday = datetime.fromtimestamp(now.timestamp() // 604_800 * 604_800, UTC)
    week = [market.bid(book, dealer, monday + timedelta(days=day, hours=1)) for day in range(7)]
    assert max(week) <= 1.02 * min(week) or min(week) == 0


def test_dealers_pay_less_than_copies_sell_for_and_not_for_every_book() -> None:
    market = Market(0)
    bids = {book.isbn13: market.bid(book, "booksrun", NOW) for book in CATALOGUE}
    assert 0.35 < sum(bid > 0 for bid in bids.values()) / len(CATALOGUE) < 0.47
    medians = [
        (bids[book.isbn13], statistics.median(sale.price_cents for sale in sales))
        for book in CATALOGUE
        if bids[book.isbn13] and len(sales := market.sales(book, NOW)) >= 20
    ]
    assert len(medians) > 50
    assert 0.2 < statistics.median(bid / price for bid, price in medians) < 0.4


def test_seeds_and_books_have_markets_of_their_own() -> None:
    def listing_ids(market: Market, book: Book) -> set[str]:
        return {sale.listing_id for sale in market.sales(book, NOW)}

    lively = [book for book in CATALOGUE[:200] if len(Market(0).sales(book, NOW)) > 20]
    first, second = lively[:2]
    assert not listing_ids(Market(0), first) & listing_ids(Market(0), second)
    assert not listing_ids(Market(0), first) & listing_ids(Market(1), first)


@pytest.fixture(scope="module", params=[0, 7])
def sold(request: pytest.FixtureRequest) -> list[list[float]]:
    """Prices that SearchAPI would give of every book of the catalogue, one page each."""
    market = Market(request.param)
    vendor = SearchApiEbaySold({}, market)
    return [
        [sale.price_cents / 100 for sale in market.sales(book, NOW)[:120]]
        if vendor.knows(book.isbn13)
        else []
        for book in CATALOGUE
    ]


def test_shares_of_the_default_market(sold: list[list[float]]) -> None:
    enough = [prices for prices in sold if len(prices) >= 8]
    assert 0.35 <= len(enough) / len(sold) <= 0.55
    passing = [
        prices for prices in enough if statistics.median(prices) >= (5 if len(prices) >= 20 else 15)
    ]
    assert 0.25 <= len(passing) / len(sold) <= 0.40
    assert sum(not prices for prices in sold) / len(sold) > 0.12


def test_sales_and_prices_are_heavy_tailed(sold: list[list[float]]) -> None:
    counts = sorted((len(prices) for prices in sold), reverse=True)
    assert sum(counts[: len(counts) // 5]) > 0.55 * sum(counts)
    medians = sorted(statistics.median(prices) for prices in sold if prices)
    assert medians[-len(medians) // 100] > 4 * statistics.median(medians)


def test_hardcovers_cost_more_and_new_copies_too() -> None:
    market = Market(3)

    def middle(prices: list[int]) -> float:
        assert len(prices) > 1_000
        return statistics.median(prices)

    sales = [(book, sale) for book in CATALOGUE for sale in market.sales(book, NOW)]
    hard = [s.price_cents for b, s in sales if b.binding == "Hardcover"]
    mass = [s.price_cents for b, s in sales if b.binding == "Mass Market Paperback"]
    assert middle(hard) > 1.2 * middle(mass)
    new = [s.price_cents for _, s in sales if s.condition == "Brand New"]
    worn = [s.price_cents for _, s in sales if s.condition == "Acceptable"]
    assert middle(new) > 1.4 * middle(worn)
    signed = [s.price_cents for _, s in sales if s.signed]
    assert 0.01 < len(signed) / len(sales) < 0.02


def test_prices_drift_slowly() -> None:
    market = Market(0)
    changes = []
    for book in CATALOGUE[:800]:
        then, later = (
            [s.price_cents for s in market.sales(book, NOW + timedelta(days=days))]
            for days in (0, 365 * 3)
        )
        if min(len(then), len(later)) >= 30:
            changes.append(statistics.median(later) / statistics.median(then))
    assert len(changes) > 50
    assert 1.02 < statistics.median(changes) < 1.4
    assert min(changes) < 0.9


def test_sources_know_different_books() -> None:
    vendors = {
        name: vendor({}, Market(0))
        for name, vendor in registered_vendors().items()
        if not issubclass(vendor, CollectibleVendor)
    }
    known = {
        source: {book.isbn13 for book in CATALOGUE if vendor.knows(book.isbn13)}
        for source, vendor in vendors.items()
    }
    nowhere = len(CATALOGUE) - len(known["open_library"] | known["google_books"])
    assert 0.03 <= nowhere / len(CATALOGUE) <= 0.05
    for source, vendor in vendors.items():
        lacking = 1 - len(known[source]) / len(CATALOGUE)
        assert vendor.lacks * 0.7 < lacking < vendor.lacks * 1.3 + 0.04
    assert len({frozenset(codes) for codes in known.values()}) == len(known)
