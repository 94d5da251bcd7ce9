"""Daily snapshots: the market of every item with news, as of the end of the day."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.core.comps import comps_sql, quantile_sql
from pricing_assets.core.periods import as_of, day_end
from pricing_assets.schema import tables as t
from pricing_assets.store.matches import belongs
from resources.compute import duckdb_connection
from resources.database import Database

WINDOW_DAYS = 90
"""Trailing days whose sales make a snapshot."""

QUICK, MARKET, PATIENT = 0.25, 0.5, 0.75
"""Quantiles of the sold prices: what sells at once, usually, and to a patient seller."""

ITEMS_A_BATCH = 20_000
"""Items whose observations are in memory at once."""


@dataclass(frozen=True, slots=True)
class SnapshotBuild:
    """What the build of one day did."""

    rows: int
    as_of: datetime
    provisional: bool


def observed_as_of(moment: datetime) -> sa.ColumnElement[bool]:
    """Return the condition for what was known, and not yet superseded, at a moment."""
    listings = t.price_listings
    return sa.and_(
        listings.c.observed_at <= moment,
        sa.or_(listings.c.superseded_at.is_(None), listings.c.superseded_at > moment),
    )


def build_day(database: Database, day: date, *, now: datetime) -> SnapshotBuild:
    """Write the snapshots of one day; the same day gives the same rows whenever it is built.

    Args:
        day: A day in UTC. A day that has not ended is taken as of `now`, and provisional.
    """
    moment, provisional = as_of(day_end(day), now)
    rows, after = 0, ""
    while page := _items_with_news(database, day, moment, after):
        snapshots = _snapshots(database, page, day, moment, provisional)
        database.upsert(
            t.price_snapshots,
            snapshots,
            update=[c for c in snapshots.column_names if c not in ("item_id", "snapshot_date")],
        )
        rows += snapshots.num_rows
        after = page[-1]
    return SnapshotBuild(rows, moment, provisional)


def _items_with_news(database: Database, day: date, moment: datetime, after: str) -> list[str]:
    listings = t.price_listings
    start = datetime.combine(day, time.min, tzinfo=UTC)
    news = sa.union(
        sa.select(listings.c.item_id).where(listings.c.observed_at.between(start, moment)),
        sa.select(listings.c.item_id).where(listings.c.superseded_at.between(start, moment)),
    ).subquery("news")
    page = database.read_arrow(
        sa.select(news.c.item_id)
        .where(news.c.item_id > after)
        .order_by(news.c.item_id)
        .limit(ITEMS_A_BATCH)
    )
    return [str(item) for item in page["item_id"].to_pylist()]


def _snapshots(
    database: Database, page: list[str], day: date, moment: datetime, provisional: bool
) -> pa.Table:
    listings = t.price_listings
    happened = sa.func.coalesce(listings.c.sold_at, listings.c.observed_at)
    observations = database.read_arrow(
        sa.select(
            listings.c.item_id, listings.c.kind, listings.c.price_usd, listings.c.source
        ).where(
            listings.c.item_id.between(page[0], page[-1]),
            observed_as_of(moment),
            listings.c.price_usd.is_not(None),
            belongs(),
            sa.or_(
                listings.c.kind == "ask",
                sa.and_(
                    listings.c.kind == "sold",
                    happened > moment - timedelta(days=WINDOW_DAYS),
                ),
            ),
        )
    )
    with duckdb_connection() as duck:
        duck.register("page", pa.table({"id": page}))
        duck.register("observations", observations)
        more = (
            f", {quantile_sql(QUICK)} AS quick, {quantile_sql(MARKET)} AS market"
            f", {quantile_sql(PATIENT)} AS patient"
            ", string_agg(DISTINCT source, ',' ORDER BY source) AS sources"
        )
        return duck.sql(
            f"""
            SELECT page.id AS item_id, $day AS snapshot_date, $moment AS as_of,
                   $provisional AS provisional, CAST({WINDOW_DAYS} AS BIGINT) AS window_days,
                   coalesce(sold_count, 0) AS sold_count, sold_min AS min_price,
                   sold_median AS median_price, sold_max AS max_price, quick AS quick_sale,
                   market AS market_value, patient AS patient_sale,
                   coalesce(ask_count, 0) AS ask_count, ask_min AS min_ask,
                   coalesce(sources, '') AS sources
            FROM page LEFT JOIN ({comps_sql("observations", more)}) comps ON comps.item_id = page.id
            ORDER BY page.id
            """,
            params={"day": day, "moment": moment, "provisional": provisional},
        ).to_arrow_table()
