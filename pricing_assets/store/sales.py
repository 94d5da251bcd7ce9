"""Importing a file of sales: every row is a stored observation, or is kept for review.

A file is a source of its own: its rows have both clocks, its evidence is its hash, and its
licence is what the mapping says. It is never asked.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.core.codes import SHOWN_LENGTH, read_code
from pricing_assets.core.items import item_id
from pricing_assets.core.sales import REASONS, SaleMapping, judge_sql
from pricing_assets.schema import tables as t
from pricing_assets.store.exchange_rates import converted
from pricing_assets.store.intake import create_items
from pricing_assets.store.listings import append_new, mark_items, supersede_changed
from pricing_assets.store.matches import copy_of
from resources.compute import duckdb_connection
from resources.database import Bulk, Database

TRANSACTION_ROWS = 50_000
"""Sales that are stored in one transaction."""

MEMORY_LIMIT = "384MiB"
"""Memory in which the rows of a file are judged."""

_MOMENT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class SalesFile:
    """A file that is imported: its name, hash and size."""

    name: str
    sha256: str
    size_bytes: int
    content_type: str

    @classmethod
    def of(cls, path: Path, sha256: str) -> "SalesFile":
        """Return the file at a path."""
        text = "text/csv" if path.suffix.lower() in (".csv", ".tsv", ".txt") else "application/json"
        return cls(path.name, sha256, path.stat().st_size, text)


@dataclass(frozen=True, slots=True)
class ImportCount:
    """What became of the rows of a file.

    Attributes:
        stored: New observations, and corrections of what an earlier file said.
        known: Sales that were stored before, just so.
        not_counted: Of all sales, those that no rate converts into USD.
    """

    read: int
    stored: int
    known: int
    rejected: int
    not_counted: int


def import_sales(
    database: Database,
    mapping: SaleMapping,
    file: SalesFile,
    batches: Iterable[pa.RecordBatch],
    *,
    now: datetime,
) -> ImportCount:
    """Store the sales of a file, some ten thousand in a transaction.

    The same file again adds nothing; one that says otherwise of a sale corrects it. What was
    rejected of a file is replaced by what its last import rejects.

    Args:
        batches: As `resources.sales_files.read_sales` gives them.
    """
    _register(database, mapping, file, now)
    # A file may be larger than memory: what is beyond the limit waits on disk.
    with duckdb_connection(memory_limit=MEMORY_LIMIT) as duck:
        _judge(duck, mapping, batches, now)
        read, rejected = duck.execute("SELECT count(*), count(reason) FROM judged").fetchall()[0]
        stored = not_counted = 0
        for sales in _sales(duck):
            added, unconverted = _store(database, sales, mapping, file, now)
            stored, not_counted = stored + added, not_counted + unconverted
        _keep_rejected(database, duck, mapping, file, now)
    return ImportCount(read, stored, read - rejected - stored, rejected, not_counted)


def _register(database: Database, mapping: SaleMapping, file: SalesFile, now: datetime) -> None:
    """Make sure that the source and the evidence have their rows."""
    licence = json.dumps(dict(mapping.licence))
    with database.bulk() as bulk:
        bulk.upsert(
            t.data_sources,
            pa.table(
                {
                    "name": [mapping.source],
                    "kind": ["sold"],
                    "categories": [json.dumps([mapping.category])],
                    "is_active": [False],
                    "rate_per_second": [0.0],
                    "cost_per_call_usd": pa.array([0], pa.decimal128(12, 6)),
                    "freshness_days": [0.0],
                    "licence": [licence],
                }
            ),
            update=("licence", "categories"),
        )
        bulk.upsert(
            t.payloads,
            pa.table(
                {
                    "sha256": [file.sha256],
                    "source": [mapping.source],
                    "fetched_at": pa.array([now], _MOMENT),
                    "content_type": [file.content_type],
                    "size_bytes": [file.size_bytes],
                    "body_zstd": pa.array([b""], pa.binary()),
                    "removed_at": pa.array([now], _MOMENT),
                }
            ),
        )


def _judge(
    duck: duckdb.DuckDBPyConnection,
    mapping: SaleMapping,
    batches: Iterable[pa.RecordBatch],
    now: datetime,
) -> None:
    """Fill the relation `judged` with every row, repeated ids told."""
    at = f"TIMESTAMPTZ '{now.isoformat()}'"
    first = True
    for batch in batches:
        duck.register("batch", batch)
        distinct = duck.sql("SELECT DISTINCT trim(code) AS code FROM batch").to_arrow_table()
        duck.register("codes", _codes(distinct["code"].to_pylist(), mapping.category))
        judged = judge_sql(mapping, "batch", "codes", at)
        verb = "CREATE TABLE rows AS" if first else "INSERT INTO rows"
        duck.execute(f"{verb} {judged}")
        first = False
    if first:
        duck.register("batch", _no_rows())
        duck.register("codes", _codes([], mapping.category))
        duck.execute(f"CREATE TABLE rows AS {judge_sql(mapping, 'batch', 'codes', at)}")
    duck.execute(
        "CREATE TABLE repeated AS SELECT line FROM rows WHERE reason IS NULL QUALIFY "
        "row_number() OVER (PARTITION BY item_id, listing_id ORDER BY line) > 1"
    )
    duck.execute(
        "CREATE VIEW judged AS SELECT r.* REPLACE (CASE WHEN d.line IS NOT NULL THEN 'repeated' "
        "ELSE reason END AS reason) FROM rows r LEFT JOIN repeated d ON d.line = r.line"
    )


def _no_rows() -> pa.Table:
    from resources.sales_files import SALES_SCHEMA

    return SALES_SCHEMA.empty_table()


def _codes(codes: list[str], category: str) -> pa.Table:
    """Return what each distinct code names."""
    readings = [read_code(code) for code in codes]
    fits = [reading.category == category for reading in readings]
    return pa.table(
        {
            "code": pa.array(codes, pa.string()),
            "item_id": pa.array(
                [
                    item_id(category, reading.natural_key or "") if fit else None
                    for reading, fit in zip(readings, fits, strict=True)
                ],
                pa.string(),
            ),
            "natural_key": pa.array([reading.natural_key for reading in readings], pa.string()),
            "note": pa.array([reading.note for reading in readings], pa.string()),
        }
    )


def _sales(duck: duckdb.DuckDBPyConnection) -> Iterator[pa.Table]:
    """Yield the sales, in the order of the index that they are stored by."""
    reader = duck.sql(
        "SELECT item_id, natural_key, title, price, currency, sold_at, listing_id, condition, "
        "shipping, quantity FROM judged WHERE reason IS NULL ORDER BY item_id, listing_id"
    ).to_arrow_reader(TRANSACTION_ROWS)
    for batch in reader:
        yield pa.Table.from_batches([batch])


def _store(
    database: Database, sales: pa.Table, mapping: SaleMapping, file: SalesFile, now: datetime
) -> tuple[int, int]:
    """Store a batch of sales and their items; return how many were new or corrected.

    Beside it, how many of the batch are not in USD.
    """
    count = sales.num_rows
    listings = t.price_listings

    def same(value: Any, kind: pa.DataType) -> pa.Array:
        return pa.repeat(pa.scalar(value, kind), count)

    readings = pa.table(
        {
            "item_id": sales["item_id"],
            "natural_key": sales["natural_key"],
            "category": same(mapping.category, pa.string()),
            "reason": pa.nulls(count, pa.string()),
        }
    )
    rows = pa.table(
        {
            "item_id": sales["item_id"],
            "source": same(mapping.source, pa.string()),
            "source_listing_id": sales["listing_id"],
            "kind": same("sold", pa.string()),
            **{
                name: sales[name]
                for name in ("title", "price", "currency", "shipping", "quantity", "condition")
            },
            "listing_type": pa.nulls(count, pa.string()),
            "sold_at": sales["sold_at"].cast(_MOMENT),
            "listed_at": pa.nulls(count, _MOMENT),
            "observed_at": same(now, _MOMENT),
            "payload_sha256": same(file.sha256, pa.string()),
        }
    )
    with database.bulk() as bulk:
        create_items(bulk, readings, now)
        for name, column in _copies(bulk, sales, mapping.category).items():
            rows = rows.append_column(name, column)
        rows = converted(database, rows)
        staged = bulk.stage(rows, like=listings)
        supersede_changed(bulk, staged)
        stored = append_new(bulk, staged)
        mark_items(bulk, staged, mapping.source, now)
    return stored, rows["price_usd"].null_count


def _copies(bulk: Bulk, sales: pa.Table, category: str) -> dict[str, pa.Array]:
    """Return what the titles say of the copies; a code says which item it is, and surely."""
    wanted = bulk.stage(pa.table({"item_id": sales["item_id"].unique()}))
    names = dict(
        bulk.rows(
            sa.select(t.items.c.id, sa.func.coalesce(t.items.c.title, "")).where(
                t.items.c.id.in_(sa.select(wanted.c.item_id))
            )
        )
    )
    said = zip(
        *(sales[name].to_pylist() for name in ("item_id", "title", "condition")), strict=True
    )
    copies = [copy_of(category, names[item], title, state or "") for item, title, state in said]
    return {
        "variant": pa.array([copy.variant.own_price for copy in copies], pa.string()),
        "grader": pa.array([copy.variant.grader or None for copy in copies], pa.string()),
        "grade": pa.array([copy.variant.grade or None for copy in copies], pa.string()),
        "lot_size": pa.array([copy.lot_size for copy in copies], pa.int64()),
    }


def _keep_rejected(
    database: Database,
    duck: duckdb.DuckDBPyConnection,
    mapping: SaleMapping,
    file: SalesFile,
    now: datetime,
) -> None:
    rejected = t.rejected_sales
    notes = " ".join(
        f"WHEN '{reason}' THEN '{text.replace(chr(39), chr(39) * 2)}'"
        for reason, text in REASONS.items()
    )
    duck.execute(
        "CREATE TABLE rejected AS SELECT $sha256 AS payload_sha256, line, $source AS source, "
        f"$name AS file_name, left(code, {SHOWN_LENGTH}) AS code, reason, "
        f"CASE reason WHEN 'code' THEN code_note ELSE CASE reason {notes} END END AS note, "
        "CAST($now AS TIMESTAMPTZ) AS received_at FROM judged WHERE reason IS NOT NULL",
        {"sha256": file.sha256, "source": mapping.source, "name": file.name, "now": now},
    )
    with database.bulk() as bulk:
        bulk.execute(
            sa.delete(rejected).where(
                rejected.c.payload_sha256 == file.sha256, rejected.c.source == mapping.source
            )
        )
        for batch in duck.sql("FROM rejected ORDER BY line").to_arrow_reader(TRANSACTION_ROWS):
            bulk.upsert(rejected, pa.Table.from_batches([batch]))


def rejected_sales(database: Database, limit: int) -> tuple[int, list[sa.Row[Any]]]:
    """Return how many lines of files are kept for review, and those that came last."""
    rejected = t.rejected_sales
    total = database.scalar(sa.select(sa.func.count()).select_from(rejected))
    rows = database.rows(
        sa.select(rejected)
        .order_by(rejected.c.received_at.desc(), rejected.c.payload_sha256, rejected.c.line)
        .limit(limit)
    )
    return int(total or 0), list(rows)
