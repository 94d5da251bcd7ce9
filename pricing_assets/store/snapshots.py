"""Daily snapshots: the market of every item with news, as of the end of the day.

Some days are built in one pass: what is known of the items with news is read once, and every
(item, day) is an item of its own to the statements of comps and value, which see of it what
was known at the end of that day.
"""

import itertools
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

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

WORKERS = os.cpu_count() or 1
"""Threads that read, compute and write a batch each."""

SNAPSHOTS_A_BATCH = min(25_000, 100_000 // WORKERS)
"""Snapshots that are built together at most, their observations in memory. More are no faster, and
of less than half of it the planning of the statements is felt."""

OBSERVATIONS_A_BATCH = 1_200_000 // WORKERS
"""Observations of snapshots that are built together, about: items differ in how many they have."""

HOURS_AT_ONCE = 6
"""Hours of a day whose news one worker looks for: several share in a day."""

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
    stored = t.price_snapshots.c.snapshot_date.in_(days)
    new = not database.scalar(sa.select(sa.exists().where(stored)))

    def write(batch: pa.Table) -> None:
        built = _built_batch(database, batch)
        database.upsert(t.price_snapshots, built, update=list(_COLUMNS), new=new)

    with ThreadPoolExecutor(WORKERS) as workers:
        news = _news(database, workers, ends)
        starts = range(0, news.num_rows, SNAPSHOTS_A_BATCH)
        # Where one fails, those that wait are not begun.
        list(workers.map(write, (news.slice(start, SNAPSHOTS_A_BATCH) for start in starts)))
    rows = {x["values"]: x["counts"] for x in pc.value_counts(news["snapshot_date"]).to_pylist()}
    return [SnapshotBuild(day, rows.get(day, 0), *end) for day, end in ends.items()]


def selects_of_news(start: datetime, moment: datetime) -> list[AnySelect]:
    """Return the selects of the items of whose market something was learnt.

    An item is in them as often as that happened. Each is of one table and tells nothing apart:
    where SQLite only walks an index, threads do not wait for each other.
    """
    listings, merges = t.price_listings, t.sale_merges
    return [
        sa.select(happened.table.c.item_id).where(happened.between(start, moment))
        for happened in (listings.c.observed_at, listings.c.superseded_at, merges.c.reverted_at)
    ]


def _news(
    database: Database, workers: Executor, ends: Mapping[date, tuple[datetime, bool]]
) -> pa.Table:
    """Return the snapshots that days have, by item and day: whose, and what is the same of all."""
    hours = timedelta(hours=HOURS_AT_ONCE)

    def of_share(share: tuple[date, int]) -> pa.Table:
        day, number = share
        moment, provisional = ends[day]
        start = datetime.combine(day, time.min, tzinfo=UTC) + number * hours
        selects = selects_of_news(start, min(start + hours, moment))
        items = pa.concat_tables(map(database.read_at_once, selects))["item_id"].unique()
        same = {
            "snapshot_date": pa.scalar(day, pa.date32()),
            "as_of": pa.scalar(moment, pa.timestamp("us", tz="UTC")),
            "provisional": pa.scalar(provisional),
        }
        repeated = {name: pa.repeat(value, len(items)) for name, value in same.items()}
        return pa.table({"item_id": items, **repeated})

    shares = itertools.product(ends, range(24 // HOURS_AT_ONCE))
    with duckdb_connection() as duck:
        duck.register("found", pa.concat_tables(workers.map(of_share, shares)))
        distinct = duck.sql("SELECT DISTINCT * FROM found ORDER BY item_id, snapshot_date")
        news = distinct.to_arrow_table()
    return news.append_column("place", pa.arange(0, news.num_rows))


def _built_batch(database: Database, batch: pa.Table) -> pa.Table:
    """Return the rows of some snapshots, given by their rows of `_news`."""
    items = batch["item_id"].combine_chunks().dictionary_encode()
    listed = items.dictionary.to_pylist()
    bounds = pc.min_max(batch["as_of"]).as_py()
    first, last = bounds["min"], bounds["max"]
    numbered = database.numbered(listed)
    # Each of an item's snapshots has its observations.
    most = max(OBSERVATIONS_A_BATCH * len(listed) // batch.num_rows, 1)
    observed = _seen(database, numbered, first, last)
    if batch.num_rows == 1:
        seen = database.read_at_once(observed)
    elif (seen := database.read_at_most(observed, most)) is None:
        number = max(_count_observations(database, numbered) // most + 1, 2)
        rows = -(-batch.num_rows // number)
        parts = (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))
        return pa.concat_tables(_built_batch(database, part) for part in parts)
    answers = answers_about(sa.select(numbered.c.value), first - timedelta(days=V1.ask_days), last)
    with duckdb_connection(threads=1) as duck:
        duck.register("batch", batch.append_column("item", items.indices))
        duck.register("seen", seen)
        duck.register("answered", database.read_at_once(answers))
        duck.register("reverts", database.read_at_once(reverted_merges(last)))
        _load(duck)
        del seen
        duck.unregister("seen")
        return _built(duck)


def _count_observations(database: Database, items: sa.Subquery) -> int:
    """Return how many observations items have, also those that do not count."""
    listings = t.price_listings
    joined = items.join(listings, listings.c.item_id == items.c.value)
    return int(database.scalar(sa.select(sa.func.count()).select_from(joined)))


def _seen(database: Database, items: sa.Subquery, first: datetime, last: datetime) -> AnySelect:
    """Return the select of what snapshots may count that are as of moments from first to last."""
    listings = t.price_listings
    theirs = items.join(listings, listings.c.item_id == items.c.value)
    if database.dialect == "sqlite":
        # In the order of its rows SQLite goes from one to the next, not to each from the root.
        places = sa.select(items.c.place, listings.c.id).select_from(theirs)
        items = places.order_by(listings.c.id).subquery("places")
        theirs = items.join(listings, listings.c.id == items.c.id)
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
    ).select_from(theirs)


def _load(duck: duckdb.DuckDBPyConnection) -> None:
    """Make `observations` and `reverted` of a batch, each snapshot as an item."""
    for name, known, moment in (
        ("answers", "answered", "answered_at"),
        ("reverted", "reverts", "reverted_at"),
    ):
        duck.execute(
            f"CREATE TEMP VIEW {name} AS SELECT k.* REPLACE (b.place AS item_id) "
            f"FROM {known} k JOIN batch b ON b.item_id = k.item_id AND k.{moment} <= b.as_of"
        )
    duck.execute(
        "CREATE TEMP VIEW seen_by_snapshot AS SELECT b.place AS item_id, b.as_of, "
        f"s.match_millionths / CAST({MILLIONTHS} AS DOUBLE) AS match_confidence, "
        "s.* EXCLUDE (place, match_millionths, superseded_at) FROM seen s JOIN batch b "
        "ON b.item = s.place AND s.observed_at <= b.as_of "
        "AND (s.superseded_at IS NULL OR s.superseded_at > b.as_of) "
        "AND (s.kind = 'ask' OR coalesce(s.sold_at, s.observed_at) "
        f"> b.as_of - INTERVAL {WINDOW_DAYS + DAYS_BEFORE} DAY)"
    )
    duck.execute(f"CREATE TABLE observations AS {happened_sql('as_of', 'seen_by_snapshot')}")


def _built(duck: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return the rows of a batch that was loaded."""
    count_sales_once(duck)
    # What is older was there to tell which sales are repeats.
    duck.execute(
        "DELETE FROM observations "
        f"WHERE kind = 'sold' AND happened_at <= as_of - INTERVAL {WINDOW_DAYS} DAY"
    )
    duck.execute(
        "CREATE TABLE own AS SELECT item_id, quick, market, patient, low, high, effective_n, "
        f"outliers, confidence, method FROM ({own_value_sql('observations', 'as_of')})"
    )
    comps = comps_sql(own_copies("observations"))
    columns = ", ".join(f"{value} AS {name}" for name, value in _COLUMNS.items())
    return duck.sql(
        f"SELECT p.item_id, p.snapshot_date, {columns} FROM batch p "
        f"LEFT JOIN ({comps}) c ON c.item_id = p.place LEFT JOIN own v ON v.item_id = p.place "
        f"LEFT JOIN ({_sources_sql(duck)}) s ON s.item_id = p.place "
        f"LEFT JOIN ({breakdown_sql('observations', 'own', 'as_of')}) b ON b.item_id = p.place "
        "ORDER BY p.place"
    ).to_arrow_table()


def _sources_sql(duck: duckdb.DuckDBPyConnection) -> str:
    """Return the statement that names the sources of every item's `observations`.

    There are few, and to look for one after the other is three times as fast as a sorted list.
    """
    found = duck.execute("SELECT DISTINCT source FROM observations ORDER BY source").fetchall()
    texts = ["'" + source.replace("'", "''") + "'" for (source,) in found]
    each = [f"CASE WHEN bool_or(source = {text}) THEN {text} END" for text in texts]
    named = ", ".join(["NULL", *each])  # NULL is passed over, and is all there is without sources
    return f"SELECT item_id, concat_ws(',', {named}) AS sources FROM observations GROUP BY item_id"
