import json
from collections import Counter
from datetime import date, timedelta

import sqlalchemy as sa

from pricing_assets.schema import tables as t
from tests.assets.conftest import Processed
from tests.runs import NOON, metadata

DAY = date(2026, 10, 20)


def test_an_item_with_news_has_its_snapshot(processed: Processed) -> None:
    platform = processed.platform
    news = platform.rows(sa.select(t.price_listings.c.item_id).distinct())
    snapshots = platform.rows(sa.select(t.price_snapshots))
    assert {row.item_id for row in snapshots} == {row.item_id for row in news}
    assert snapshots
    for row in snapshots:
        assert row.snapshot_date == DAY
        assert row.as_of == NOON
        assert row.provisional
        if row.sold_count:
            assert row.min_price <= row.median_price <= row.max_price
            assert row.low_value <= row.quick_sale <= row.market_value
            assert row.market_value <= row.patient_sale <= row.high_value
            copies = json.loads(row.breakdown)
            plain = [entry["n"] for entry in copies if entry["variant"] is None]
            assert row.sold_count == sum(plain or [entry["n"] for entry in copies])
        else:
            assert row.market_value is None
        assert row.sources


def test_only_the_window_counts(processed: Processed) -> None:
    platform, listings = processed.platform, t.price_listings
    in_window = platform.rows(
        sa.select(listings).where(
            listings.c.kind == "sold",
            sa.func.coalesce(listings.c.sold_at, listings.c.observed_at)
            > sa.literal(NOON - timedelta(days=90), listings.c.sold_at.type),
        )
    )
    merges = platform.rows(sa.select(t.sale_merges))
    repeated = {(m.item_id, m.source, m.source_listing_id) for m in merges}
    plain = {row.item_id for row in in_window if row.variant is None}
    seen = Counter(
        row.item_id
        for row in in_window
        if (row.item_id, row.source, row.source_listing_id) not in repeated
        and (row.variant is None or row.item_id not in plain)
    )
    for row in platform.rows(sa.select(t.price_snapshots)):
        assert row.sold_count == seen[row.item_id]


def test_what_it_shows_is_what_is_stored(processed: Processed) -> None:
    shown = metadata(processed.runs["snapshot_prices"], "price_snapshots")
    assert shown["dagster/partition_row_count"] == processed.platform.count(t.price_snapshots)
    assert shown["provisional"] is True
    assert "data:image/png;base64," in shown["items_by_day"]
    assert "data:image/png;base64," in shown["market_by_day"]
    assert shown["preview"].startswith("| natural key |")
