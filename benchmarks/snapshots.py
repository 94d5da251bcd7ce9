"""Building a day's snapshots over 1,000,000 observations of 200,000 items.

Measured from the database to the stored snapshots, and set beside the same statements by
DuckDB alone, from Parquet to Parquet: what is left is reading and writing the database.
"""

from datetime import timedelta
from typing import Any

import duckdb
import pyarrow.parquet as pq
import sqlalchemy as sa

from benchmarks.running import Found, Place, Stopwatch
from benchmarks.synthetic import NOW, load, load_items, new_database, settle
from pricing_assets.core.comps import comps_sql
from pricing_assets.core.periods import day_end
from pricing_assets.core.variants import breakdown_sql, own_copies, own_value_sql
from pricing_assets.schema import tables as t
from pricing_assets.store.market import (
    answers_about,
    count_sales_once,
    happened_sql,
    reverted_merges,
    select_counted,
)
from pricing_assets.store.snapshots import build_days
from resources.compute import duckdb_connection
from resources.database import Database

OBSERVATIONS = 1_000_000
ITEMS = 200_000
DAY = (NOW - timedelta(days=1)).date()
"""The day that is built: all that is known was observed on it."""

LISTINGS = f"""
    i + 1 AS id, item_id(i // {OBSERVATIONS // ITEMS}) AS item_id,
    CASE WHEN i % 5 = 4 THEN 'sandbox:ebay_browse' WHEN i % 2 = 0
        THEN 'sandbox:searchapi_ebay_sold' ELSE 'sandbox:serpapi_ebay_sold' END AS source,
    'v1|' || CAST(100000000000 + i AS VARCHAR) AS source_listing_id,
    CASE WHEN i % 5 = 4 THEN 'ask' ELSE 'sold' END AS kind,
    'copy' AS title, CAST(draw(i, 6, 4000) / 100.0 + 3 AS DECIMAL(12, 2)) AS price,
    'USD' AS currency, CAST(draw(i, 6, 4000) / 100.0 + 3 AS DECIMAL(12, 2)) AS price_usd,
    1 AS quantity, moment(1 + draw(i, 7, 85), i % 80000) AS sold_at,
    moment(1, draw(i // {OBSERVATIONS // ITEMS}, 8, 40000)) AS observed_at,
    0.5 + draw(i, 9, 50) / 100.0 AS match_confidence,
    CASE draw(i, 10, 3) WHEN 0 THEN 'auction' WHEN 1 THEN 'fixed_price' END AS listing_type,
    CASE WHEN draw(i, 11, 20) = 0 THEN 'signed' END AS variant,
    CASE draw(i, 12, 3) WHEN 0 THEN 'Pre-Owned' WHEN 1 THEN 'Brand New' END AS condition,
    sha256('0') AS payload_sha256
"""


def prepare(place: Place) -> Found:
    """Fill items and their observations."""
    database = new_database(place.url)
    with Stopwatch() as watch:
        load_items(database, ITEMS)
        load(
            database,
            t.payloads,
            "sha256('0') AS sha256, 'sandbox:searchapi_ebay_sold' AS source, "
            "moment(20, 0) AS fetched_at, 1 AS size_bytes, CAST('x' AS BLOB) AS body_zstd",
            1,
        )
        load(database, t.price_listings, LISTINGS, OBSERVATIONS)
    settle(database)
    return Found(watch.seconds)


def ours(place: Place) -> Found:
    """Build the day."""
    database = Database(place.url)
    # As the other case does before it is timed: pandas, which Arrow imports as the first value is
    # made one of its own, takes a fifth of a second.
    database.read_arrow(select_counted().limit(1))
    with Stopwatch() as watch:
        (build,) = build_days(database, [DAY], now=NOW)
    snapshots = t.price_snapshots
    found = database.read_arrow(
        sa.select(snapshots.c.sold_count, snapshots.c.market_value, snapshots.c.breakdown)
    )
    with duckdb_connection() as duck:
        duck.register("snapshots", found)
        outcome = _outcome(duck, "snapshots")
    return Found(watch.seconds, outcome, {"snapshots": build.rows})


def duckdb_alone(place: Place) -> Found:
    """Run the same statements over all items at once, from Parquet to Parquet."""
    database = Database(place.url)
    source, target = (place.directory / f"{name}.parquet" for name in ("observations", "snapshots"))
    statement = select_counted()
    with pq.ParquetWriter(source, database.arrow_schema(statement)) as writer:
        for batch in database.iter_arrow(statement, 100_000):
            writer.write_batch(batch)
    moment = f"TIMESTAMPTZ '{day_end(DAY).isoformat()}'"
    with duckdb_connection() as duck:
        duck.register("answers", database.read_arrow(answers_about(database.texts([]), NOW, NOW)))
        duck.register("reverted", database.read_arrow(reverted_merges(NOW)))
        with Stopwatch() as watch:
            duck.execute(
                f"CREATE TABLE observations AS SELECT * FROM read_parquet('{source}') "
                f"WHERE observed_at <= {moment}"
            )
            count_sales_once(duck)
            duck.execute(f"CREATE TABLE happened AS {happened_sql(moment)}")
            duck.execute(f"CREATE TABLE own AS {own_value_sql('happened', moment)}")
            comps = comps_sql(own_copies("observations"))
            shown = (
                "SELECT item_id, string_agg(DISTINCT source, ',' ORDER BY source) AS sources "
                "FROM observations GROUP BY item_id"
            )
            duck.execute(
                "COPY (SELECT v.*, c.* EXCLUDE (item_id), v.market AS market_value, b.breakdown, "
                f"s.sources FROM own v JOIN ({comps}) c USING (item_id) "
                f"JOIN ({shown}) s USING (item_id) "
                f"LEFT JOIN ({breakdown_sql('happened', 'own', moment)}) b USING (item_id) "
                f"ORDER BY v.item_id) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
            )
        outcome = _outcome(duck, f"read_parquet('{target}')")
    return Found(watch.seconds, outcome)


def _outcome(duck: duckdb.DuckDBPyConnection, snapshots: str) -> dict[str, Any]:
    row = duck.execute(
        "SELECT count(*), sum(sold_count), sum(market_value), sum(length(breakdown)) "
        f"FROM {snapshots} WHERE sold_count > 0"
    ).fetchall()[0]
    return dict(zip(("snapshots", "sales", "value", "breakdown"), map(str, row), strict=True))
