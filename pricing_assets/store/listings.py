"""Appending observations: what was seen again, what is said otherwise now, and what is new."""

from datetime import datetime

import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.schema.hypertable import DECOMPRESS_ANY_NUMBER, end_of_compressed
from resources.database import Bulk

LISTING_FIELDS = (
    "title",
    "price",
    "currency",
    "shipping",
    "quantity",
    "condition",
    "listing_type",
    "sold_at",
)
"""What makes a listing seen again a different observation. Bids and watchers move all the
time without a change of the offer."""


def same_listing(staged: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that a staged observation is of a stored one's listing."""
    listings = t.price_listings
    return sa.and_(
        *(staged.c[name] == listings.c[name] for name in ("item_id", "source", "kind")),
        staged.c.source_listing_id == listings.c.source_listing_id,
    )


NAMED_ITEMS = 1_000
"""Of how many items a statement holds the names. For more, reading all observations is right."""


def of_named_items(bulk: Bulk, staged: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that an observation is of one of the staged items, by their names.

    A join with what is staged says it already. But PostgreSQL reads all weeks for such a join
    where there are many, and what is named it finds by an index, also where TimescaleDB has
    compressed it. SQLite always takes the index.
    """
    if bulk.dialect != "postgresql":
        return sa.true()
    items = bulk.rows(sa.select(staged.c.item_id).distinct().limit(NAMED_ITEMS + 1))
    if len(items) > NAMED_ITEMS:
        return sa.true()
    return t.price_listings.c.item_id.in_([item for (item,) in items])


def supersede(bulk: Bulk, at: sa.ColumnElement[datetime], which: sa.ColumnElement[bool]) -> None:
    """End the current observations that a condition on them, and on what is staged, names.

    Args:
        at: When; a column of what is staged, or a moment.
    """
    listings = t.price_listings
    current = sa.and_(listings.c.superseded_at.is_(None), which)
    update = sa.update(listings).values(superseded_at=at)
    end = end_of_compressed(bulk)
    if end is None:
        bulk.execute(update.where(current))
        return
    # An update decompresses all that its constants leave open, whatever it is joined with. So
    # compressed weeks are left out, and those that have such an observation updated by its item.
    old = listings.c.observed_at < end
    bulk.execute(update.where(current, ~old))
    found = bulk.rows(
        sa.select(listings.c.item_id, sa.func.min(listings.c.observed_at))
        .where(current, old)
        .group_by(listings.c.item_id)
    )
    if found:
        items, moments = zip(*found, strict=True)
        bulk.execute(sa.text(DECOMPRESS_ANY_NUMBER))
        bulk.execute(
            update.where(
                *(current, old, listings.c.item_id.in_(items)),
                listings.c.observed_at >= min(moments),
            )
        )


def supersede_changed(bulk: Bulk, staged: sa.Table) -> None:
    """End the current observations of which something else is said now."""
    listings = t.price_listings
    changed = sa.or_(
        *(staged.c[name].is_distinct_from(listings.c[name]) for name in LISTING_FIELDS)
    )
    which = sa.and_(same_listing(staged), changed, of_named_items(bulk, staged))
    supersede(bulk, staged.c.observed_at, which)


def append_new(bulk: Bulk, staged: sa.Table) -> int:
    """Append what has no current observation, and return how many that were."""
    listings = t.price_listings
    known = sa.select(listings.c.id).where(
        same_listing(staged), listings.c.superseded_at.is_(None), of_named_items(bulk, staged)
    )
    return bulk.insert_from(
        listings, sa.select(*staged.columns).where(~sa.exists(known).correlate(staged))
    )


def mark_items(bulk: Bulk, staged: sa.Table, source: str, now: datetime) -> None:
    """Let the items' comps be computed anew: something was learnt of their market just now."""
    listings = t.price_listings
    news = sa.select(listings.c.item_id).where(
        listings.c.item_id == t.items.c.id,
        listings.c.source == source,
        listings.c.observed_at == now,
    )
    bulk.execute(
        sa.update(t.items)
        .values(market_fetched_at=now, updated_at=now)
        .where(t.items.c.id.in_(sa.select(staged.c.item_id)), sa.exists(news))
    )
