"""Appending observations: what was seen again, what is said otherwise now, and what is new."""

from datetime import datetime

import sqlalchemy as sa

from pricing_assets.schema import tables as t
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


def supersede_changed(bulk: Bulk, staged: sa.Table) -> None:
    """End the current observations of which something else is said now."""
    listings = t.price_listings
    changed = sa.or_(
        *(staged.c[name].is_distinct_from(listings.c[name]) for name in LISTING_FIELDS)
    )
    bulk.execute(
        sa.update(listings)
        .values(superseded_at=staged.c.observed_at)
        .where(same_listing(staged), listings.c.superseded_at.is_(None), changed)
    )


def append_new(bulk: Bulk, staged: sa.Table) -> int:
    """Append what has no current observation, and return how many that were."""
    listings = t.price_listings
    known = sa.select(listings.c.id).where(same_listing(staged), listings.c.superseded_at.is_(None))
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
