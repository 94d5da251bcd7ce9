"""Building a month's training set from 10,000,000 observations of 1,000,000 items.

Measured from the database to the published files, and set beside the same aggregation and a
COPY by DuckDB alone, from Parquet: what is left is reading the database, the documents, the
order and the hashes.
"""

from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import sqlalchemy as sa

from benchmarks.running import Found, Place, Stopwatch
from benchmarks.synthetic import NOW, load, load_items, new_database, settle
from pricing_assets.core.comps import comps_sql
from pricing_assets.core.evidence import AGGREGATES
from pricing_assets.schema import tables as t
from pricing_assets.store.training_set import build_month
from resources.compute import duckdb_connection
from resources.database import Database

OBSERVATIONS = 10_000_000
OBSERVATIONS_AN_ITEM = 10
MONTH = "2026-10"
"""The month before the moment of the benchmarks: it has ended."""

LISTINGS = """
    i + 1 AS id, item_id(i // {per_item}) AS item_id,
    'sandbox:searchapi_ebay_sold' AS source, 'v1|' || CAST(100000000000 + i AS VARCHAR)
    AS source_listing_id, CASE WHEN i % 10 = 9 THEN 'ask' ELSE 'sold' END AS kind,
    'copy' AS title, CAST(draw(i, 6, 4000) / 100.0 + 3 AS DECIMAL(12, 2)) AS price,
    'USD' AS currency, CAST(draw(i, 6, 4000) / 100.0 + 3 AS DECIMAL(12, 2)) AS price_usd,
    1 AS quantity, moment(20 + draw(i, 7, 90), i % 80000) AS sold_at,
    moment(5 + draw(i // {per_item}, 8, 15), 0) AS observed_at, 1.0 AS match_confidence,
    sha256(CAST(i // {per_item} AS VARCHAR)) AS payload_sha256
"""


def prepare_million(place: Place) -> Found:
    """Fill a tenth of it, for the curve."""
    return _prepare(place, OBSERVATIONS // 10)


def prepare(place: Place) -> Found:
    """Fill items, one body an item, and their observations."""
    return _prepare(place, OBSERVATIONS)


def _prepare(place: Place, observations: int) -> Found:
    database = new_database(place.url)
    items = observations // OBSERVATIONS_AN_ITEM
    with Stopwatch() as watch:
        load_items(database, items)
        load(
            database,
            t.payloads,
            "sha256(CAST(i AS VARCHAR)) AS sha256, 'sandbox:searchapi_ebay_sold' AS source, "
            "moment(20, 0) AS fetched_at, 1 AS size_bytes, CAST('x' AS BLOB) AS body_zstd",
            items,
        )
        load(
            database,
            t.metadata_versions,
            "item_id(i) AS item_id, 'sandbox:open_library' AS source, "
            "moment(60, 0) AS observed_at, json_object('title', 'Volume ' || CAST(i AS VARCHAR), "
            "'authors', 'A. Writer') "
            "AS fields, 0.45 AS completeness, sha256(CAST(i AS VARCHAR)) AS payload_sha256",
            items,
        )
        load(
            database,
            t.price_listings,
            LISTINGS.format(per_item=OBSERVATIONS_AN_ITEM),
            observations,
        )
    settle(database)
    return Found(watch.seconds)


def ours(place: Place) -> Found:
    """Build the month, and build it again with nothing changed."""
    database = Database(place.url)
    directory = place.directory / "training_sets"
    seconds = []
    for _ in range(2):
        with Stopwatch() as watch:
            build = build_month(
                database, MONTH, directory, now=NOW, policy="v1", sandbox=True, run_id="bench"
            )
        seconds.append(watch.seconds)
    rows = build.manifest["rows"]
    size = sum(path.stat().st_size for path in build.path.iterdir())
    return Found(
        seconds[0],
        {"sales": rows["sales"], "items": rows["examples"] + rows["rejected"]},
        {"unchanged_seconds": round(seconds[1], 2), "files_mib": round(size / 1024**2, 1)},
    )


def duckdb_alone(place: Place) -> Found:
    """Aggregate the same observations in DuckDB and COPY items and sales, from Parquet."""
    listings = t.price_listings
    database = Database(place.url)
    source = place.directory / "observations.parquet"
    with duckdb_connection() as duck:
        _export(database, source)
        until = (NOW.replace(day=1, hour=0) - timedelta(microseconds=1)).isoformat()
        duck.execute(
            f"CREATE VIEW observations AS SELECT * FROM read_parquet('{source}') "
            f"WHERE observed_at <= TIMESTAMPTZ '{until}'"
        )
        with Stopwatch() as watch:
            items, sales = (
                _copied(duck, query, place.directory / f"{name}.parquet")
                for name, query in (
                    ("items", comps_sql("observations", AGGREGATES) + " ORDER BY item_id"),
                    (
                        "sold",
                        "SELECT * FROM observations WHERE kind = 'sold' "
                        f"ORDER BY item_id, {listings.c.source_listing_id.name}",
                    ),
                )
            )
    return Found(watch.seconds, {"sales": sales, "items": items})


def _export(database: Database, path: Path) -> None:
    c = t.price_listings.c
    statement = sa.select(
        *(c.item_id, c.kind, c.price_usd, c.source, c.source_listing_id, c.sold_at),
        *(c.observed_at, c.match_confidence, c.payload_sha256),
    )
    with pq.ParquetWriter(path, database.arrow_schema(statement)) as writer:
        for batch in database.iter_arrow(statement, 100_000):
            writer.write_batch(batch)


def _copied(duck: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    duck.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    return int(pq.read_metadata(path).num_rows)
