"""The prices of one item that may be shown, and those that their licence says are too old."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from pricing_assets.core.comps import comps_sql
from pricing_assets.schema import tables as t
from pricing_assets.store.comps import counted
from pricing_assets.store.licences import terms_of_sources
from resources.compute import duckdb_connection
from resources.database import Database


@dataclass(frozen=True, slots=True)
class Hidden:
    """What one source says of an item's price and may not be shown any more."""

    source: str
    observations: int
    fetched_at: datetime
    may_be_shown_for: timedelta


@dataclass(frozen=True, slots=True)
class ShownPrices:
    """The statistics of an item over the prices that may be shown, in USD."""

    sold: int
    low: Decimal | None
    median: Decimal | None
    high: Decimal | None
    asks: int
    hidden: Sequence[Hidden]


def shown_prices(database: Database, item_id: str, *, now: datetime) -> ShownPrices:
    """Return what may be shown of an item's prices now.

    A price is as old as the source's last word on the item: one that is seen again is
    displayed anew, and one that is converted later is not. One from a file is as old as its
    import.
    """
    listings = t.price_listings
    mine = sa.and_(counted(), listings.c.item_id == item_id, listings.c.kind.in_(("sold", "ask")))
    hidden = hidden_sources(database, mine, now=now)
    observations = database.read_arrow(
        sa.select(
            listings.c.item_id, listings.c.kind, listings.c.price_usd, listings.c.source
        ).where(mine)
    )
    too_old = pa.array([source.source for source in hidden], pa.string())
    observations = observations.filter(pc.invert(pc.is_in(observations["source"], too_old)))
    with duckdb_connection() as duck:
        duck.register("observations", observations)
        found = duck.execute(comps_sql("observations")).fetchall()
    if not found:
        return ShownPrices(0, None, None, None, 0, hidden)
    _, sold, low, median, high, asks, _ = found[0]
    return ShownPrices(sold, low, median, high, asks, hidden)


def hidden_sources(
    database: Database, observations: sa.ColumnElement[bool], *, now: datetime
) -> list[Hidden]:
    """Return the sources of some observations of one item that may not be shown now, by name."""
    listings, index, payloads = t.price_listings, t.unified_index, t.payloads
    by_source = database.rows(
        sa.select(
            listings.c.source,
            sa.func.count().label("observations"),
            sa.func.max(payloads.c.fetched_at, type_=payloads.c.fetched_at.type).label("learnt"),
            sa.func.max(index.c.last_fetched_at, type_=index.c.last_fetched_at.type).label(
                "fetched"
            ),
        )
        .join(payloads, payloads.c.sha256 == listings.c.payload_sha256)
        .outerjoin(
            index,
            sa.and_(
                index.c.item_id == listings.c.item_id,
                index.c.source == listings.c.source,
                index.c.result != "error",
            ),
        )
        .where(observations)
        .group_by(listings.c.source)
        .order_by(listings.c.source)
    )
    terms = terms_of_sources(database)
    return [
        Hidden(row.source, row.observations, fetched, timedelta(hours=hours))
        for row in by_source
        for fetched in (max(row.learnt, row.fetched or row.learnt),)
        if not terms[row.source].may_show(fetched, now)
        for hours in (terms[row.source].display_max_age_hours or 0,)
    ]
