"""Daily snapshots: the market of every item with news, as of the end of the day.

Some days are built in one pass: what is known of the items with news is read once, and every
(item, day) is an item of its own to the statements of comps and value, which see of it what
was known at the end of that day.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from pricing_assets.core.comps import comps_sql
from pricing_assets.core.periods import as_of, day_end
from pricing_assets.core.valuation import V1
from pricing_assets.core.variants import breakdown_sql, own_copies, own_value_sql
from pricing_assets.schema import tables as t
from pricing_assets.store.market import (
    answers_about,
    count_sales_once,
    happened_sql,
    reverted_merges,
    select_counted,
)
from pricing_assets.store.matches import MILLIONTHS, match_millionths
from pricing_assets.store.partitions import require_weeks
from resources.compute import duckdb_connection
from resources.database import AnySelect, Database

WINDOW_DAYS = 90
"""Trailing days whose sales make a snapshot."""

DAYS_BEFORE = 14
"""Days before the window whose sales are looked at too: one of the window may repeat one of these.
Which of two is the first hangs on the ones before: each snapshot looks as far back, or a day would
hang on the days that are built with it."""

SNAPSHOTS_A_BATCH = 25_000
"""Snapshots that are built together at most, their observations in memory."""

OBSERVATIONS_A_BATCH = 250_000
"""Observations of snapshots that are built together, about: items differ in how many they have."""

HOURS_AT_ONCE = 6
"""Hours of a day whose news one reader looks for: several readers share in a day."""

_COLUMNS = {
    "as_of": "p.as_of",
    "provisional": "p.provisional",
    "window_days": f"CAST({WINDOW_DAYS} AS BIGINT)",
    "sold_count": "coalesce(c.sold_count, 0)",
    "min_price": "c.sold_min",
    "median_price": "c.sold_median",
    "max_price": "c.sold_max",
    "quick_sale": "v.quick",
    "market_value": "v.market",
    "patient_sale": "v.patient",
    "low_value": "v.low",
    "high_value": "v.high",
    "effective_n": "CAST(coalesce(v.effective_n, 0) AS DOUBLE)",
    "outliers": "coalesce(v.outliers, 0)",
    "confidence": "coalesce(v.confidence, 'low')",
    "method": "coalesce(v.method, 'none')",
    "ask_count": "coalesce(c.ask_count, 0)",
    "min_ask": "c.ask_min",
    "sources": "coalesce(s.sources, '')",
    "breakdown": "coalesce(b.breakdown, '[]')",
}
"""Columns of a snapshot beside its key, and of the statement what they hold."""


@dataclass(frozen=True, slots=True)
class SnapshotBuild:
    """What the build of one day did."""

    day: date
    rows: int
    as_of: datetime
    provisional: bool


def build_days(database: Database, days: Sequence[date], *, now: datetime) -> list[SnapshotBuild]:
    """Write the snapshots of some days; a day gives the same rows whenever it is built.

    Args:
        days: Days in UTC. A day that has not ended is taken as of `now`, and provisional.

    Raises:
        WeeksDetached: What a day is made of is not all there, so that its rows would be others.
    """
    require_weeks(database, min(days) - timedelta(days=WINDOW_DAYS + DAYS_BEFORE), max(days))
    ends = {day: as_of(day_end(day), now) for day in days}
    # Reading, computing and writing of batches go on beside each other: one waits for the
    # database, and the processors have something to do.
    with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as workers:
        news = pa.concat_tables(
            _news(database, workers, day, moment, provisional)
            for day, (moment, provisional) in ends.items()
        ).sort_by([("item_id", "ascending"), ("snapshot_date", "ascending")])
        news = news.append_column("place", pa.array(range(news.num_rows), pa.int64()))
        list(workers.map(partial(_build_batch, database), _batches(news, SNAPSHOTS_A_BATCH)))
    rows = Counter(news["snapshot_date"].to_pylist())
    return [SnapshotBuild(day, rows[day], *end) for day, end in ends.items()]


def items_with_news(start: datetime, moment: datetime) -> AnySelect:
    """Return the select of the items of whose market something was learnt.

    An item is in it as often as that happened: telling texts apart costs the databases twice
    what it costs Arrow. But what one answer says was learnt at one moment, and stands together
    in the index.
    """
    listings, merges = t.price_listings, t.sale_merges
    observed, item_id = listings.c.observed_at, listings.c.item_id
    news = sa.union_all(
        sa.select(item_id).where(observed.between(start, moment)).group_by(observed, item_id),
        *(
            sa.select(happened.table.c.item_id).where(happened.between(start, moment))
            for happened in (listings.c.superseded_at, merges.c.reverted_at)
        ),
    ).subquery("news")
    return sa.select(news.c.item_id)


def _news(
    database: Database, workers: Executor, day: date, moment: datetime, provisional: bool
) -> pa.Table:
    """Return the items with news of a day, with what is the same of their snapshots."""
    start = datetime.combine(day, time.min, tzinfo=UTC)
    share = timedelta(hours=HOURS_AT_ONCE)

    def of_share(since: datetime) -> pa.Table:
        return database.read_at_once(items_with_news(since, min(since + share, moment)))

    shares = workers.map(of_share, [start + place * share for place in range(24 // HOURS_AT_ONCE)])
    items = pa.concat_tables(shares).group_by("item_id").aggregate([])
    for name, value in (
        ("snapshot_date", pa.scalar(day, pa.date32())),
        ("as_of", pa.scalar(moment, pa.timestamp("us", tz="UTC"))),
        ("provisional", pa.scalar(provisional)),
    ):
        items = items.append_column(name, pa.repeat(value, items.num_rows))
    return items


def _batches(news: pa.Table, rows: int) -> Iterator[pa.Table]:
    for start in range(0, news.num_rows, rows):
        yield news.slice(start, rows)


def _build_batch(database: Database, batch: pa.Table) -> None:
    """Write some snapshots, given by their rows of `_news`."""
    items = batch["item_id"].combine_chunks().dictionary_encode()
    listed = items.dictionary.to_pylist()
    bounds = pc.min_max(batch["as_of"]).as_py()
    first, last = bounds["min"], bounds["max"]
    seen = _seen(database.numbered(listed), first, last)
    # Each of an item's snapshots has its observations.
    most = max(OBSERVATIONS_A_BATCH * len(listed) // batch.num_rows, 1)
    if batch.num_rows > 1:
        seen = seen.limit(most + 1)
    observations = database.read_at_once(seen)
    if batch.num_rows > 1 and observations.num_rows > most:
        parts = _count_observations(database, listed) // most + 1
        for part in _batches(batch, -(-batch.num_rows // parts)):
            _build_batch(database, part)
        return
    with duckdb_connection(threads=1) as duck:
        duck.register("batch", batch.append_column("item", items.indices))
        duck.register("seen", observations)
        answers = answers_about(database.texts(listed), first - timedelta(days=V1.ask_days), last)
        duck.register("answered", database.read_arrow(answers))
        duck.register("reverts", database.read_arrow(reverted_merges(last)))
        _load(duck)
        built = _built(duck)
    database.upsert(t.price_snapshots, built, update=list(_COLUMNS))


def _count_observations(database: Database, items: Sequence[str]) -> int:
    """Return how many observations items have, also those that do not count."""
    item_id = t.price_listings.c.item_id
    counted = sa.select(sa.func.count()).where(item_id.in_(database.texts(items)))
    return int(database.scalar(counted))


def _seen(items: sa.Subquery, first: datetime, last: datetime) -> AnySelect:
    """Return the select of what snapshots may count that are as of moments from first to last."""
    listings = t.price_listings
    happened = sa.func.coalesce(listings.c.sold_at, listings.c.observed_at)
    counted = select_counted(
        listings.c.observed_at <= last,
        sa.or_(listings.c.superseded_at.is_(None), listings.c.superseded_at > first),
        sa.or_(
            listings.c.kind == "ask", happened > first - timedelta(days=WINDOW_DAYS + DAYS_BEFORE)
        ),
    )
    return counted.with_only_columns(
        items.c.place,
        match_millionths(),
        *(c for c in counted.selected_columns if c.name not in ("item_id", "match_confidence")),
        listings.c.superseded_at,
    ).select_from(items.join(listings, listings.c.item_id == items.c.value))


def _load(duck: duckdb.DuckDBPyConnection) -> None:
    """Make `observations`, `answers` and `reverted` of a batch, each snapshot as an item."""
    duck.execute(
        "CREATE TABLE observations AS SELECT b.place AS item_id, b.as_of, "
        f"s.match_millionths / CAST({MILLIONTHS} AS DOUBLE) AS match_confidence, "
        "s.* EXCLUDE (place, match_millionths, superseded_at) FROM seen s JOIN batch b "
        "ON b.item = s.place AND s.observed_at <= b.as_of "
        "AND (s.superseded_at IS NULL OR s.superseded_at > b.as_of) "
        "AND (s.kind = 'ask' OR coalesce(s.sold_at, s.observed_at) "
        f"> b.as_of - INTERVAL {WINDOW_DAYS + DAYS_BEFORE} DAY)"
    )
    for name, known, moment in (
        ("answers", "answered", "answered_at"),
        ("reverted", "reverts", "reverted_at"),
    ):
        duck.execute(
            f"CREATE TEMP VIEW {name} AS SELECT k.* REPLACE (b.place AS item_id) "
            f"FROM {known} k JOIN batch b ON b.item_id = k.item_id AND k.{moment} <= b.as_of"
        )


def _built(duck: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return the rows of a batch that was loaded."""
    count_sales_once(duck)
    duck.execute(
        "CREATE TABLE happened AS SELECT * EXCLUDE (source_listing_id, sold_at, observed_at) "
        f"FROM ({happened_sql('as_of')}) "
        f"WHERE kind = 'ask' OR happened_at > as_of - INTERVAL {WINDOW_DAYS} DAY"
    )
    duck.execute(f"CREATE TABLE own AS {own_value_sql('happened', 'as_of')}")
    comps = comps_sql(own_copies("happened"))
    shown = (
        "SELECT item_id, array_to_string(list(DISTINCT source ORDER BY source), ',') AS sources "
        "FROM happened GROUP BY item_id"
    )
    columns = ", ".join(f"{value} AS {name}" for name, value in _COLUMNS.items())
    return duck.sql(
        f"SELECT p.item_id, p.snapshot_date, {columns} FROM batch p "
        f"LEFT JOIN ({comps}) c ON c.item_id = p.place LEFT JOIN own v ON v.item_id = p.place "
        f"LEFT JOIN ({shown}) s ON s.item_id = p.place "
        f"LEFT JOIN ({breakdown_sql('happened', 'own', 'as_of')}) b ON b.item_id = p.place "
        "ORDER BY p.place"
    ).to_arrow_table()
