"""Building a month's training set from 10,000,000 observations of 1,000,000 items.

Measured from the database to the published files, and set beside the same statements and COPY
by DuckDB alone, from Parquet: what is left is reading the database, the documents, the hashes
and the rules against leaks. Both give the same rows.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import sqlalchemy as sa

from benchmarks.running import Found, Place, Stopwatch
from benchmarks.synthetic import NOW, load, load_items, new_database, settle
from pricing_assets.core.periods import month_end
from pricing_assets.core.training import BUCKETS, REPEATABLE, TABLES
from pricing_assets.schema import tables as t
from pricing_assets.store.market import reverted_merges
from pricing_assets.store.training_licences import licensed
from pricing_assets.store.training_observations import copied_observations
from pricing_assets.store.training_parquet import row_sums, write_parquet
from pricing_assets.store.training_sales import observed_by_bucket
from pricing_assets.store.training_set import build_month, observe, read_known
from pricing_assets.store.training_tables import derive, weigh
from pricing_assets.store.training_tables import place as place_items
from resources.compute import duckdb_connection
from resources.database import Database
from resources.snapshot import snapshot

OBSERVATIONS = 10_000_000
OBSERVATIONS_AN_ITEM = 10
MONTH = "2026-10"
"""The month before the moment of the benchmarks: it has ended."""

AS_OF = month_end(MONTH)

RELATIONS = ("allowed", "versions", "items", "accepted")
"""What a build reads."""

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
    seconds = []
    # Each size has an empty directory: a build looks for the one before.
    with TemporaryDirectory(dir=place.directory) as directory:
        for _ in range(2):
            with Stopwatch() as watch:
                build = build_month(
                    database,
                    MONTH,
                    Path(directory),
                    now=NOW,
                    policy="v1",
                    sandbox=True,
                    run_id="bench",
                )
            seconds.append(watch.seconds)
        size = sum(path.stat().st_size for path in build.path.rglob("*") if path.is_file())
    return Found(
        seconds[0],
        {table: build.manifest["tables"][table]["row_hash"] for table in REPEATABLE},
        {"unchanged_seconds": round(seconds[1], 2), "files_mib": round(size / 1024**2, 1)},
    )


def pandas_read_sql(place: Place) -> Found:
    """Label the same items as older systems did: read rows with pandas, group them, write them."""
    import pandas as pd

    database = Database(place.url)
    c = t.price_listings.c
    sold = sa.select(c.item_id, c.price_usd, c.source, c.sold_at, c.observed_at).where(
        c.kind == "sold", c.observed_at <= AS_OF, c.superseded_at.is_(None)
    )
    with Stopwatch() as watch, database.connect() as connection:
        frame = pd.read_sql(sold, connection)
        items = pd.read_sql(sa.select(t.items.c.id, t.items.c.natural_key), connection)
        prices = frame.groupby("item_id")["price_usd"].agg(["count", "min", "median", "max"])
        found = prices.merge(items, left_index=True, right_on="id")
        many = (found["count"] >= 20) & (found["median"] >= 5)
        found = found[many | ((found["count"] >= 8) & (found["median"] >= 15))]
        found.sort_values("natural_key").to_parquet(place.directory / "pandas.parquet")
    return Found(watch.seconds, {"examples": len(found)})


def duckdb_alone(place: Place) -> Found:
    """Make the same tables by DuckDB alone: the same statements over Parquet, and COPY."""
    with TemporaryDirectory(dir=place.directory) as directory:
        return _by_duckdb(Database(place.url), Path(directory))


def _by_duckdb(database: Database, directory: Path) -> Found:
    with duckdb_connection() as duck:
        _export(duck, database, directory)
    made = directory / "made"
    (made / "sales").mkdir(parents=True)
    reverted = database.read_arrow(reverted_merges(AS_OF))
    with duckdb_connection() as duck:
        with Stopwatch() as watch:
            for relation in RELATIONS:
                paths = directory / "known" / relation / "*.parquet"
                duck.execute(f"CREATE VIEW {relation} AS FROM read_parquet('{paths}')")
            place_items(duck)
            for first, last in observed_by_bucket(duck, reverted):
                weigh(duck, "v1", AS_OF, first, last)
                for bucket in range(first, last + 1):
                    rows = f"(SELECT * EXCLUDE (bucket) FROM sold WHERE bucket = {bucket})"
                    _copy(duck, rows, "sales", made, bucket)
            derive(duck, "v1", AS_OF)
            for table in ("examples", "rejected"):
                _copy(duck, table, table, made)
        files = {table: f"{table}/*" if TABLES[table].bucketed else table for table in REPEATABLE}
        hashes = {
            table: row_sums(duck, f"read_parquet('{made / name}.parquet')").sha256()
            for table, name in files.items()
        }
        return Found(watch.seconds, hashes)


def _copy(
    duck: duckdb.DuckDBPyConnection, rows: str, table: str, directory: Path, bucket: int = 0
) -> None:
    declared = TABLES[table]
    write_parquet(duck, rows, declared.order, directory / declared.file_of(bucket))


def _export(duck: duckdb.DuckDBPyConnection, database: Database, directory: Path) -> None:
    """Write what a build reads to Parquet; not measured."""
    by = licensed(database, sandbox=True, internal=False)
    with (
        snapshot(database) as known,
        copied_observations(duck, known, directory / "copies"),
    ):
        observe(duck, AS_OF, by)
        read_known(duck, known, AS_OF, by)
        for relation in RELATIONS:
            path = directory / "known" / relation
            path.mkdir(parents=True)
            parts = BUCKETS if relation == "allowed" else 1
            for part in range(parts):
                rows = f"FROM allowed WHERE bucket = {part}" if parts > 1 else f"FROM {relation}"
                duck.execute(
                    f"COPY ({rows}) TO '{path / f'{part:02}.parquet'}' "
                    "(FORMAT parquet, COMPRESSION zstd)"
                )
