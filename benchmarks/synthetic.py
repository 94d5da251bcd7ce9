"""Synthetic rows for the benchmarks: made by DuckDB as Arrow, the same at every run.

Shapes and shares are those of real use: identifiers as long as real ones, repeats, misses,
nulls, refused codes. Nothing here is measured.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.schema.migrate import upgrade
from pricing_assets.store.sources import register_sources
from resources.compute import duckdb_connection
from resources.database import Database
from resources.sources import registered_sources

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
"""The moment at which all benchmarks happen."""

SLICE_ROWS = 250_000
"""Rows that are made and loaded at a time, to hold memory down."""

_MACROS = """
CREATE MACRO weighted(digits) AS
    list_sum(list_transform(range(1, 13), lambda p: CAST(digits[p] AS INTEGER)
        * CASE WHEN p % 2 = 1 THEN 1 ELSE 3 END));
CREATE MACRO isbn13(n) AS '978' || lpad(CAST(n AS VARCHAR), 9, '0')
    || CAST((10 - weighted('978' || lpad(CAST(n AS VARCHAR), 9, '0')) % 10) % 10 AS VARCHAR);
CREATE MACRO isbn10_sum(digits) AS
    list_sum(list_transform(range(1, 10), lambda p: CAST(digits[p] AS INTEGER) * (11 - p)));
CREATE MACRO isbn10(n) AS lpad(CAST(n AS VARCHAR), 9, '0')
    || CASE (11 - isbn10_sum(lpad(CAST(n AS VARCHAR), 9, '0')) % 11) % 11 WHEN 10 THEN 'X'
       ELSE CAST((11 - isbn10_sum(lpad(CAST(n AS VARCHAR), 9, '0')) % 11) % 11 AS VARCHAR) END;
CREATE MACRO book_number(i) AS (i * 7919 + 100003) % 1000000000;
CREATE MACRO item_id(i) AS CAST(CAST(md5('book ' || CAST(i AS VARCHAR)) AS UUID) AS VARCHAR);
-- A number from 0 to n - 1 that looks drawn and is the same at every run.
CREATE MACRO draw(i, salt, n) AS CAST(hash(i * 31 + salt) % n AS BIGINT);
CREATE MACRO moment(day, seconds) AS
    CAST(TIMESTAMP '2026-11-03 12:00:00' - to_days(CAST(day AS INTEGER))
         - to_seconds(CAST(seconds AS BIGINT)) AS TIMESTAMPTZ);
"""


def slices(query: str, rows: int) -> Iterator[pa.Table]:
    """Yield the rows of a query over `i` from 0 to `rows` - 1, some hundred thousand at a time.

    Args:
        query: Select list over the number `i`, with the macros of this module.
    """
    with duckdb_connection() as duck:
        duck.execute("SET preserve_insertion_order = true; SET TimeZone = 'UTC'")
        duck.execute(_MACROS)
        for start in range(0, rows, SLICE_ROWS):
            stop = min(start + SLICE_ROWS, rows)
            yield _in_microseconds(
                duck.sql(f"SELECT {query} FROM range({start}, {stop}) r(i)").to_arrow_table()
            )


def load(database: Database, table: sa.Table, query: str, rows: int) -> None:
    """Fill a table with the rows of a query; see `slices`."""
    for data in slices(query, rows):
        database.upsert(table, data)


def write_scan_file(path: Path, rows: int) -> None:
    """Write a file of scans as they come from many hands, nine in ten of different books."""
    duck: duckdb.DuckDBPyConnection
    with duckdb_connection() as duck:
        duck.execute("SET preserve_insertion_order = true")
        duck.execute(_MACROS)
        duck.execute(
            f"""
            COPY (
                SELECT CASE
                    WHEN draw(i, 1, 100) < 70 THEN isbn13(book)
                    WHEN draw(i, 1, 100) < 80 THEN isbn10(book)
                    WHEN draw(i, 1, 100) < 86 THEN ltrim(isbn10(book), '0')
                    WHEN draw(i, 1, 100) < 92 THEN regexp_replace(
                        isbn13(book), '(...)(.)(....)(....)(.)', '\\1-\\2-\\3-\\4-\\5')
                    WHEN draw(i, 1, 100) < 95 THEN left(isbn13(book), 12)
                    WHEN draw(i, 1, 100) < 97 THEN '9.78014E+12'
                    WHEN draw(i, 1, 100) < 98 THEN 'B00' || upper(left(md5(CAST(i AS VARCHAR)), 7))
                    ELSE 'n/a ' || CAST(i AS VARCHAR) END AS isbn,
                    strftime(TIMESTAMP '2026-11-01' + to_milliseconds(i * 70),
                             '%Y-%m-%dT%H:%M:%S+00:00') AS scanned_at
                FROM (SELECT i, book_number(
                    CASE WHEN draw(i, 2, 10) = 0 THEN i // 2 ELSE i END) AS book
                    FROM range({rows}) r(i))
            ) TO '{path}' (FORMAT csv, HEADER)
            """
        )


def new_database(url: str) -> Database:
    """Return an empty central database with the sandbox's sources registered."""
    database = Database(url)
    upgrade(database)
    register_sources(database, registered_sources(), "sandbox:")
    return database


def load_items(database: Database, rows: int, more: str = "") -> None:
    """Fill `items` with books.

    Args:
        more: Further columns over `i`, each starting with a comma.
    """
    load(
        database,
        t.items,
        "item_id(i) AS id, 'book' AS category, isbn13(book_number(i)) AS natural_key, "
        f"moment(90, i % 80000) AS created_at, moment(9, i % 80000) AS updated_at {more}",
        rows,
    )


def settle(database: Database) -> None:
    """Leave a loaded database as a running one is: statistics taken, nothing to write back."""
    if database.dialect == "postgresql":
        engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    else:
        with database.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def _in_microseconds(table: pa.Table) -> pa.Table:
    moment = pa.timestamp("us", tz="UTC")
    return table.cast(
        pa.schema(
            [
                pa.field(f.name, moment if pa.types.is_timestamp(f.type) else f.type)
                for f in table.schema
            ]
        )
    )
