"""Sold comps on the items: recomputed where new evidence arrived."""

from datetime import datetime

import sqlalchemy as sa

from pricing_assets.core.comps import comps_sql
from pricing_assets.schema import tables as t
from pricing_assets.store.matches import belongs
from resources.compute import duckdb_connection
from resources.database import Database

ITEMS_A_BATCH = 20_000
"""Items whose observations are in memory at once."""


def counted() -> sa.ColumnElement[bool]:
    """Return the condition under which an observation is current, of its item, and has a price."""
    return sa.and_(
        t.price_listings.c.superseded_at.is_(None),
        t.price_listings.c.price_usd.is_not(None),
        belongs(),
    )


def update_comps(database: Database, *, now: datetime) -> int:
    """Recompute the comps of every item whose market was fetched since; return their number.

    Commits batch by batch. An item is pending where `sold_comps_as_of` is not the moment
    of its last market fetch, so a crash leaves exactly the rest to do.
    """
    done = 0
    while count := _update_batch(database, now):
        done += count
    return done


def _update_batch(database: Database, now: datetime) -> int:
    items, listings = t.items, t.price_listings
    pending = (
        sa.select(items.c.id, items.c.market_fetched_at)
        .where(
            items.c.market_fetched_at.is_not(None),
            items.c.sold_comps_as_of.is_distinct_from(items.c.market_fetched_at),
        )
        .order_by(items.c.id)
        .limit(ITEMS_A_BATCH)
    )
    page = database.read_arrow(pending)
    if page.num_rows == 0:
        return 0
    chosen = pending.subquery("chosen")
    observations = database.read_arrow(
        sa.select(
            listings.c.item_id,
            listings.c.kind,
            listings.c.price_usd,
            listings.c.source,
            listings.c.currency,
        )
        .join(chosen, chosen.c.id == listings.c.item_id)
        .where(counted(), listings.c.kind.in_(("sold", "ask")))
    )
    with duckdb_connection() as duck:
        duck.register("page", page)
        duck.register("observations", observations)
        more = (
            ", min(source) FILTER (WHERE kind = 'sold') AS sold_source, min(currency) AS currency"
        )
        comps = duck.sql(
            f"""
            SELECT page.id AS item_id, page.market_fetched_at AS as_of,
                   coalesce(sold_count, 0) AS sold_count, sold_min, sold_median, sold_max,
                   coalesce(ask_count, 0) AS ask_count, sold_source, currency,
                   sold_count / nullif(CAST(sold_count + ask_count AS DOUBLE), 0) AS sell_through
            FROM page LEFT JOIN ({comps_sql("observations", more)}) comps ON comps.item_id = page.id
            """
        ).to_arrow_table()
    with database.bulk() as bulk:
        staged = bulk.stage(comps)
        return bulk.execute(
            sa.update(items)
            .values(
                sold_comps_count=staged.c.sold_count,
                sold_comps_min=staged.c.sold_min,
                sold_comps_median=staged.c.sold_median,
                sold_comps_max=staged.c.sold_max,
                sold_comps_is_estimate=False,
                sold_comps_source=staged.c.sold_source,
                sold_comps_as_of=staged.c.as_of,
                estimated_price=staged.c.sold_median,
                sell_through=staged.c.sell_through,
                ebay_active_count=staged.c.ask_count,
                ebay_sold_count=staged.c.sold_count,
                ebay_currency=staged.c.currency,
                updated_at=now,
            )
            .where(items.c.id == staged.c.item_id)
        )
