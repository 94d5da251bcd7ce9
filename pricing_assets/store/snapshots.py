"""Daily snapshots: the market of every item with news, as of the end of the day.

Some days are built in one pass: what is known of the items with news is read once, and every
(item, day) is an item of its own to the statements of comps and value, which see of it what
was known at the end of that day. Sales are merged among those of the window.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.core.comps import comps_sql
from pricing_assets.core.periods import as_of, day_end
from pricing_assets.core.valuation import V1
from pricing_assets.core.variants import breakdown_sql, own_value_sql
from pricing_assets.schema import tables as t
from pricing_assets.store.market import (
    HAPPENED_SQL,
    answers_about,
    count_sales_once,
    reverted_merges,
    select_counted,
)
from resources.compute import duckdb_connection
from resources.database import AnySelect, Database

WINDOW_DAYS = 90
"""Trailing days whose sales make a snapshot."""

SNAPSHOTS_A_BATCH = 20_000
"""Snapshots whose observations are in memory at once."""

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
    "sources": "coalesce(c.sources, '')",
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
    """
    ends = {day: as_of(day_end(day), now) for day in days}
    starts = [datetime.combine(day, time.min, tzinfo=UTC) for day in days]
    moment = pa.timestamp("us", tz="UTC")
    wanted = pa.table(
        {
            "day": pa.array(list(ends), pa.date32()),
            "start": pa.array(starts, moment),
            "as_of": pa.array([end for end, _ in ends.values()], moment),
            "provisional": [provisional for _, provisional in ends.values()],
        }
    )
    first, last = min(starts), max(end for end, _ in ends.values())
    with duckdb_connection() as duck:
        duck.register("days", wanted)
        duck.register("news", database.read_arrow(_news(first, last)))
        duck.execute(
            "CREATE TABLE snapshots AS SELECT row_number() OVER (ORDER BY item_id, day) AS place, "
            "* FROM (SELECT DISTINCT n.item_id, d.day, d.as_of, d.provisional FROM news n "
            "JOIN days d ON n.happened_at BETWEEN d.start AND d.as_of)"
        )
        duck.register("reverts", database.read_arrow(reverted_merges(last)))
        for batch in _batches(duck):
            _load(duck, database, batch, min(end for end, _ in ends.values()), last)
            built = _built(duck)
            database.upsert(t.price_snapshots, built, update=list(_COLUMNS))
        rows = dict(duck.execute("SELECT day, count(*) FROM snapshots GROUP BY day").fetchall())
    return [SnapshotBuild(day, rows.get(day, 0), *end) for day, end in ends.items()]


def _news(first: datetime, last: datetime) -> AnySelect:
    """Return the select of what happened to items, and when, from one moment to another."""
    listings, merges = t.price_listings, t.sale_merges
    news = sa.union_all(
        *(
            sa.select(table.c.item_id, moment.label("happened_at")).where(
                moment.between(first, last)
            )
            for table, moment in (
                (listings, listings.c.observed_at),
                (listings, listings.c.superseded_at),
                (merges, merges.c.reverted_at),
            )
        )
    ).subquery("news")
    return sa.select(news.c.item_id, news.c.happened_at)


def _batches(duck: duckdb.DuckDBPyConnection) -> Iterator[list[str]]:
    """Make `batch` of the next snapshots, again and again; yield the ids of its items."""
    total = duck.execute("SELECT count(*) FROM snapshots").fetchall()[0][0]
    for start in range(0, total, SNAPSHOTS_A_BATCH):
        duck.execute(
            "CREATE OR REPLACE TABLE batch AS FROM snapshots "
            f"WHERE place > {start} AND place <= {start + SNAPSHOTS_A_BATCH}"
        )
        found = duck.execute("SELECT DISTINCT item_id FROM batch ORDER BY item_id").fetchall()
        yield [item for (item,) in found]


def _load(
    duck: duckdb.DuckDBPyConnection,
    database: Database,
    items: Sequence[str],
    first: datetime,
    last: datetime,
) -> None:
    """Make `observations`, `answers` and `reverted` of a batch, each snapshot as an item.

    Args:
        items: Of the batch.
        first: As-of of the first day.
        last: As-of of the last day.
    """
    listings = t.price_listings
    happened = sa.func.coalesce(listings.c.sold_at, listings.c.observed_at)
    seen = select_counted(
        listings.c.item_id.in_(items),
        listings.c.observed_at <= last,
        sa.or_(listings.c.superseded_at.is_(None), listings.c.superseded_at > first),
        sa.or_(listings.c.kind == "ask", happened > first - timedelta(days=WINDOW_DAYS)),
    ).add_columns(listings.c.superseded_at)
    answers = answers_about(items, first - timedelta(days=V1.ask_days), last)
    duck.register("seen", database.read_arrow(seen))
    duck.register("answered", database.read_arrow(answers))
    duck.execute(
        "CREATE OR REPLACE TABLE observations AS SELECT b.place AS item_id, b.as_of, "
        "s.* EXCLUDE (item_id, superseded_at) FROM seen s JOIN batch b "
        "ON b.item_id = s.item_id AND s.observed_at <= b.as_of "
        "AND (s.superseded_at IS NULL OR s.superseded_at > b.as_of) AND (s.kind = 'ask' "
        f"OR coalesce(s.sold_at, s.observed_at) > b.as_of - INTERVAL {WINDOW_DAYS} DAY)"
    )
    for name, known, moment in (
        ("answers", "answered", "answered_at"),
        ("reverted", "reverts", "reverted_at"),
    ):
        duck.execute(
            f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT k.* REPLACE (b.place AS item_id) "
            f"FROM {known} k JOIN batch b ON b.item_id = k.item_id AND k.{moment} <= b.as_of"
        )


def _built(duck: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return the rows of a batch that was loaded."""
    count_sales_once(duck)
    duck.execute(f"CREATE OR REPLACE TABLE happened AS {HAPPENED_SQL}")
    duck.execute(f"CREATE OR REPLACE TABLE own AS {own_value_sql('happened', 'as_of')}")
    comps = comps_sql(
        "observations", ", string_agg(DISTINCT source, ',' ORDER BY source) AS sources"
    )
    columns = ", ".join(f"{value} AS {name}" for name, value in _COLUMNS.items())
    return duck.sql(
        f"SELECT p.item_id, p.day AS snapshot_date, {columns} FROM batch p "
        f"LEFT JOIN ({comps}) c ON c.item_id = p.place LEFT JOIN own v ON v.item_id = p.place "
        f"LEFT JOIN ({breakdown_sql('happened', 'own', 'as_of')}) b ON b.item_id = p.place "
        "ORDER BY p.place"
    ).to_arrow_table()
