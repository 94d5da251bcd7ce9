from statistics import median

import sqlalchemy as sa

from pricing_assets.assets.enriched_metadata import SOURCES_POOL
from pricing_assets.assets.sold_comps import sold_comps
from pricing_assets.schema import tables as t
from tests.assets.conftest import BOOKS, Processed
from tests.runs import metadata


def test_each_book_is_asked_once_of_each_market_source(processed: Processed) -> None:
    shown = metadata(processed.runs["process_scans"], "sold_comps")
    assert shown["calls"] == 3 * BOOKS
    assert shown["calls_by_result"].get("error", 0) == 0
    market = [
        pair
        for pair in processed.asked
        if pair[0] in ("booksrun", "ebay_browse", "searchapi_ebay_sold")
    ]
    assert len(market) == 3 * BOOKS
    assert shown["items_updated"] == BOOKS


def test_what_it_shows_is_what_is_stored(processed: Processed) -> None:
    shown = metadata(processed.runs["process_scans"], "sold_comps")
    listings = t.price_listings
    platform = processed.platform
    assert shown["dagster/row_count"] == platform.count(listings)
    assert shown["observations_by_kind"] == {
        kind: platform.count(listings, listings.c.kind == kind) for kind in ("sold", "ask", "offer")
    }
    paid = platform.rows(sa.select(sa.func.sum(t.api_calls.c.cost_usd).label("usd")))[0].usd
    total = shown["cost_usd"] + metadata(
        processed.runs["process_scans"], "enriched_metadata"
    )["cost_usd"]  # fmt: skip
    assert float(paid) == round(total, 6)
    assert "data:image/png;base64," in shown["median_prices"]
    assert shown["prices_not_converted"] == 0


def test_comps_are_the_statistics_of_what_sold_and_of_nothing_else(processed: Processed) -> None:
    platform, listings, items = processed.platform, t.price_listings, t.items
    sold: dict[str, list[float]] = {}
    asks: dict[str, int] = {}
    merges = platform.rows(sa.select(t.sale_merges))
    repeated = {(m.item_id, m.source, m.source_listing_id) for m in merges}
    assert repeated
    current = platform.rows(
        sa.select(listings).where(
            listings.c.superseded_at.is_(None), listings.c.price_usd.is_not(None)
        )
    )
    plain = {row.item_id for row in current if row.kind == "sold" and row.variant is None}
    assert any(row.variant is not None for row in current)
    for row in current:
        if (row.item_id, row.source, row.source_listing_id) in repeated:
            continue
        if row.variant is not None and row.item_id in plain:
            continue
        if row.kind == "sold":
            sold.setdefault(row.item_id, []).append(row.price_usd)
        elif row.kind == "ask":
            asks[row.item_id] = asks.get(row.item_id, 0) + 1
    assert sold
    assert asks
    for item in platform.rows(sa.select(items)):
        prices = sold.get(item.id, [])
        assert item.sold_comps_count == len(prices)
        assert item.ebay_active_count == asks.get(item.id, 0)
        assert not item.sold_comps_is_estimate
        if prices:
            assert item.sold_comps_min == min(prices)
            assert item.sold_comps_max == max(prices)
            assert abs(item.sold_comps_median - median(prices)) <= 0.01
            assert item.sold_comps_source == "sandbox:searchapi_ebay_sold"
        else:
            assert item.sold_comps_median is None


def test_some_books_do_not_sell(processed: Processed) -> None:
    items = t.items
    unsold = processed.platform.count(items, items.c.sold_comps_count == 0)
    assert 0 < unsold < BOOKS


def test_paid_steps_share_a_pool() -> None:
    assert sold_comps.op.pool == SOURCES_POOL
