"""Loading a catalogue from files: items that nobody has scanned yet, with what they are.

A catalogue is a source of its own that is never asked: what it says is a version of an item's
metadata like any other's, and the same files again add nothing.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pricing_assets.core.catalogue import CATALOGUES, REASONS, TABLES, Catalogue, judge_sql
from pricing_assets.core.categories import CATEGORIES
from pricing_assets.core.categories.base import Category
from pricing_assets.core.items import item_id
from pricing_assets.schema import tables as t
from pricing_assets.store.intake import create_items
from pricing_assets.store.queue import moment
from resources.catalogue_files import CatalogueFile, read_catalogue
from resources.compute import duckdb_connection
from resources.database import Bulk, Database
from resources.inbox import content_hash

ITEMS_A_BATCH = 20_000
"""Items that are stored in one transaction."""

_MOMENT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row of a file that is not used."""

    file: str
    line: int
    key: str
    reason: str

    @property
    def note(self) -> str:
        """What is wrong, for a person."""
        return REASONS[self.reason]


@dataclass(frozen=True, slots=True)
class FileCount:
    """What became of the rows of a file: each is used or rejected."""

    file: str
    rows: int
    rejected: int


@dataclass(frozen=True, slots=True)
class CatalogueCount:
    """What became of the items of a catalogue.

    Attributes:
        stored: Items of which it says something new.
        known: Items of which the last word was the same.
    """

    source: str
    category: str
    stored: int
    known: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did."""

    files: Sequence[FileCount]
    catalogues: Sequence[CatalogueCount]
    rejected: Sequence[Rejected]


def load_catalogue(database: Database, files: Sequence[CatalogueFile], *, now: datetime) -> Loaded:
    """Store the items that files describe, some ten thousand in a transaction."""
    with duckdb_connection() as duck:
        _read(duck, files)
        counts = []
        for catalogue in CATALOGUES:
            own = [file for file in files if file.table.name == catalogue.tables[0]]
            if own:
                _describe(duck, catalogue)
                _register(database, catalogue, own, now)
                counts.append(_store(database, duck, catalogue, content_hash(own[0].path), now))
        rejected = [
            Rejected(*row)
            for row in duck.execute(
                "SELECT file, line, key, reason FROM rejected ORDER BY file, line"
            ).fetchall()
        ]
        read = dict(duck.execute("SELECT file, sum(rows) FROM read GROUP BY file").fetchall())
    refused = Counter(row.file for row in rejected)
    return Loaded(
        [FileCount(file, int(read.get(file, 0)), refused[file]) for file in _names(files)],
        counts,
        rejected,
    )


def _names(files: Iterable[CatalogueFile]) -> list[str]:
    return [file.path.name for file in files]


def _read(duck: duckdb.DuckDBPyConnection, files: Sequence[CatalogueFile]) -> None:
    """Fill a relation for each table with the rows that are used, and `rejected` with others."""
    duck.execute("CREATE TABLE read (file TEXT, rows BIGINT)")
    duck.execute("CREATE TABLE rejected (file TEXT, line BIGINT, key TEXT, reason TEXT)")
    # In the order of the tables: a later one may name rows of those before it.
    for table in TABLES.values():
        columns = "".join(f", {name} TEXT" for name in (*table.needs, *table.may_have))
        duck.execute(f"CREATE TABLE rows_as_read (file TEXT, line BIGINT, fault TEXT{columns})")
        for file in files:
            if file.table is table:
                _append(duck, file)
        duck.execute(f"CREATE TABLE judged AS {judge_sql(table, 'rows_as_read')}")
        duck.execute(
            "INSERT INTO rejected SELECT file, line, key, reason FROM judged "
            "WHERE reason IS NOT NULL"
        )
        duck.execute(
            f"CREATE TABLE {table.name} AS SELECT * EXCLUDE (key, reason, fault) FROM judged "
            "WHERE reason IS NULL"
        )
        duck.execute("DROP TABLE judged; DROP TABLE rows_as_read")


def _append(duck: duckdb.DuckDBPyConnection, file: CatalogueFile) -> None:
    count = 0
    for batch in read_catalogue(file):
        duck.register("batch", batch)
        duck.execute("INSERT INTO rows_as_read SELECT ?, * FROM batch", [file.path.name])
        duck.unregister("batch")
        count += batch.num_rows
    duck.execute("INSERT INTO read VALUES (?, ?)", [file.path.name, count])


def _describe(duck: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Fill the relation `described` with the items; what names none is rejected."""
    category = CATEGORIES[catalogue.category]
    duck.execute(f"CREATE OR REPLACE TABLE named AS {catalogue.items}")
    codes = duck.sql("SELECT DISTINCT code FROM named").to_arrow_table()["code"].to_pylist()
    keys = [catalogue.natural_key(code) for code in codes]
    duck.register(
        "keys",
        pa.table(
            {
                "code": pa.array(codes, pa.string()),
                "natural_key": pa.array(keys, pa.string()),
                "item_id": pa.array(
                    [key and item_id(category.name, key) for key in keys], pa.string()
                ),
            }
        ),
    )
    duck.execute(
        "CREATE OR REPLACE TABLE placed AS SELECT named.*, natural_key, item_id, CASE "
        "WHEN natural_key IS NULL THEN 'key' "
        "WHEN row_number() OVER (PARTITION BY natural_key ORDER BY file, line) > 1 "
        "THEN 'repeated' END AS reason FROM named JOIN keys USING (code)"
    )
    duck.unregister("keys")
    duck.execute(
        "INSERT INTO rejected SELECT file, line, left(code, 128), reason FROM placed "
        "WHERE reason IS NOT NULL"
    )


def _register(
    database: Database, catalogue: Catalogue, files: Sequence[CatalogueFile], now: datetime
) -> None:
    """Make sure that the source and the evidence have their rows."""
    with database.bulk() as bulk:
        bulk.upsert(
            t.data_sources,
            pa.table(
                {
                    "name": [catalogue.source],
                    "kind": ["metadata"],
                    "categories": [json.dumps([catalogue.category])],
                    "is_active": [False],
                    "rate_per_second": [0.0],
                    "cost_per_call_usd": pa.array([0], pa.decimal128(12, 6)),
                    "freshness_days": [0.0],
                    "licence": [json.dumps(dict(catalogue.licence))],
                }
            ),
            update=("licence",),
        )
        bulk.upsert(
            t.payloads,
            pa.table(
                {
                    "sha256": [content_hash(file.path) for file in files],
                    "source": [catalogue.source] * len(files),
                    "fetched_at": pa.array([now] * len(files), _MOMENT),
                    "content_type": ["text/csv"] * len(files),
                    "size_bytes": [file.path.stat().st_size for file in files],
                    "body_zstd": pa.array([b""] * len(files), pa.binary()),
                    "removed_at": pa.array([now] * len(files), _MOMENT),
                }
            ),
        )


def _store(
    database: Database,
    duck: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    sha256: str,
    now: datetime,
) -> CatalogueCount:
    category = CATEGORIES[catalogue.category]
    versions = duck.sql(_versions_sql(duck, category, catalogue.source, now))
    reader = versions.to_arrow_reader(ITEMS_A_BATCH)
    stored = total = 0
    for batch in reader:
        rows = pa.Table.from_batches([batch])
        total += rows.num_rows
        with database.bulk() as bulk:
            create_items(bulk, _readings(rows, category), now)
            stored += _append_versions(bulk, rows, category, catalogue.source, sha256, now)
    return CatalogueCount(catalogue.source, category.name, stored, total - stored)


def _versions_sql(
    duck: duckdb.DuckDBPyConnection, category: Category, source: str, now: datetime
) -> str:
    """Return the statement that gives the items with their fields, completeness and origins."""
    known = {row[0] for row in duck.execute("DESCRIBE placed").fetchall()}
    fields = sorted(field.name for field in category.fields if field.name in known)
    said = ", ".join(f"{name} := {name}" for name in fields)
    origin = f"['{source}', '{now.isoformat()}']"
    origins = ", ".join(
        f"{name} := CASE WHEN {name} IS NOT NULL THEN {origin} END"
        for name in fields
        if name in category.own
    )
    complete = " + ".join(
        f"CASE WHEN {name} IS NULL THEN 0 ELSE {weight} END"
        for name, weight in category.weights.items()
        if name in fields
    )
    # What a patch has as null, a patched document does not have.
    return (
        f"SELECT item_id, natural_key, {', '.join(fields)}, "
        f"json_merge_patch('{{}}', to_json(struct_pack({said})))::VARCHAR AS fields, "
        f"json_merge_patch('{{}}', to_json(struct_pack({origins})))::VARCHAR AS origins, "
        f"round(CAST({complete} AS DOUBLE), 4) AS completeness "
        "FROM placed WHERE reason IS NULL ORDER BY item_id"
    )


def _readings(rows: pa.Table, category: Category) -> pa.Table:
    return pa.table(
        {
            "item_id": rows["item_id"],
            "natural_key": rows["natural_key"],
            "category": pa.repeat(pa.scalar(category.name), rows.num_rows),
            "reason": pa.nulls(rows.num_rows, pa.string()),
        }
    )


def _append_versions(
    bulk: Bulk, rows: pa.Table, category: Category, source: str, sha256: str, now: datetime
) -> int:
    """Append what the catalogue says anew, and write it on the items; return how many there are."""
    versions = t.metadata_versions
    staged = bulk.stage(rows, like=t.CATEGORY_TABLES[category.name])
    latest = (
        sa.select(versions.c.item_id, sa.func.max(versions.c.observed_at).label("at"))
        .where(versions.c.source == source)
        .group_by(versions.c.item_id)
        .subquery("latest")
    )
    same = (
        sa.select(versions.c.item_id)
        .join(
            latest,
            sa.and_(latest.c.item_id == versions.c.item_id, latest.c.at == versions.c.observed_at),
        )
        .join(staged, staged.c.item_id == versions.c.item_id)
        .where(versions.c.source == source, versions.c.fields == staged.c.fields)
    )
    added = bulk.insert_from(
        versions,
        sa.select(
            staged.c.item_id,
            sa.literal(source).label("source"),
            moment(now).label("observed_at"),
            staged.c.fields,
            staged.c.completeness,
            sa.literal(sha256).label("payload_sha256"),
        ).where(staged.c.item_id.not_in(same)),
    )
    if added:
        _write_on_items(bulk, staged, category, source, now)
    return added


def _write_on_items(
    bulk: Bulk, staged: sa.Table, category: Category, source: str, now: datetime
) -> None:
    """Write the new versions' values over those of before; what they do not say stays."""
    items, own, versions = t.items, t.CATEGORY_TABLES[category.name], t.metadata_versions
    news = sa.select(versions.c.item_id).where(
        versions.c.source == source, versions.c.observed_at == moment(now)
    )
    own_fields = [c.name for c in staged.columns if c.name in category.own and c.name in own.c]
    bulk.execute(
        sa.update(own)
        .values({name: sa.func.coalesce(staged.c[name], own.c[name]) for name in own_fields})
        .where(own.c.item_id == staged.c.item_id, own.c.item_id.in_(news))
    )
    bulk.execute(
        sa.update(items)
        .values(
            title=sa.func.coalesce(staged.c[category.title], items.c.title),
            thumbnail_url=sa.func.coalesce(staged.c[category.image], items.c.thumbnail_url),
            metadata_source=source,
            field_origins=_patched(bulk, items.c.field_origins, staged.c.origins),
            updated_at=now,
        )
        .where(items.c.id == staged.c.item_id, items.c.id.in_(news))
    )
    complete = sum(
        (
            sa.case((_column_of(name, category, own).is_(None), 0.0), else_=weight)
            for name, weight in category.weights.items()
        ),
        sa.literal(0.0),
    )
    bulk.execute(
        sa.update(items)
        .values(quality_score=sa.func.round(sa.cast(complete, sa.Numeric), 4))
        .where(
            items.c.id == own.c.item_id,
            items.c.id.in_(sa.select(staged.c.item_id)),
            items.c.id.in_(news),
        )
    )


def _column_of(name: str, category: Category, own: sa.Table) -> sa.ColumnElement[object]:
    return t.items.c.thumbnail_url if name == category.image else own.c[name]


def _patched(
    bulk: Bulk, before: sa.ColumnElement[str | None], patch: sa.ColumnElement[str]
) -> sa.ColumnElement[str]:
    """Return a JSON object with the members of another one put over its own."""
    known = sa.func.coalesce(before, "{}")
    if bulk.dialect == "postgresql":
        return sa.cast(sa.cast(known, JSONB).op("||")(sa.cast(patch, JSONB)), sa.Text())
    return sa.func.json_patch(known, patch, type_=sa.Text())
