"""Building a month's training set: a function of what was known at its as-of.

Files are written beside their place and shown by one rename, so that a reader never sees
half a build and a failed build leaves the previous one.
"""

import hashlib
import importlib.metadata
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from pricing_assets.core.comps import comps_sql
from pricing_assets.core.gate import POLICIES, Policy
from pricing_assets.core.metadata import TITLES, merge_sql
from pricing_assets.core.periods import as_of, month_end
from pricing_assets.core.training import EXAMPLES, FORMAT_VERSION, split_sql
from pricing_assets.core.training_card import card
from pricing_assets.core.works import work_sql
from pricing_assets.schema import tables as t
from pricing_assets.store.matches import belongs
from pricing_assets.store.snapshots import observed_as_of
from resources.compute import duckdb_connection
from resources.database import Database

ROW_GROUP_ROWS = 131_072
"""Rows in a Parquet row group; pinned, for the bytes to repeat."""

SANDBOX = "sandbox:%"


class NothingToBuild(RuntimeError):
    """There is no training set to build; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Build:
    """A finished build: where it is, and its manifest."""

    path: Path
    manifest: dict[str, Any]


def build_month(
    database: Database,
    month: str,
    directory: Path,
    *,
    now: datetime,
    policy: str,
    sandbox: bool,
    run_id: str,
    at: datetime | None = None,
) -> Build:
    """Build a month's training set under `directory`/`month`.

    Args:
        month: Like `2026-10`.
        directory: Where training sets live.
        now: The moment of the build: the as-of of a month that has not ended.
        policy: Name of the gate's policy.
        sandbox: Whether simulated observations may enter; outside the sandbox never.
        at: As-of to rebuild; a moment within the month or before it.

    Raises:
        ValueError: The month or the as-of cannot be.
        NothingToBuild: Nothing had been observed by then.
    """
    end = month_end(month)
    moment, provisional = as_of(end, now)
    if at is not None:
        if at > moment:
            raise ValueError(
                f"--as-of {at.isoformat()} is after {moment.isoformat()}: what will be known "
                f"then is not known yet, or belongs to a later month than {month}"
            )
        moment, provisional = at.astimezone(UTC), at < end
    directory.mkdir(parents=True, exist_ok=True)
    staging = directory / f".{month}.{uuid.uuid4().hex}.building"
    staging.mkdir()
    try:
        with duckdb_connection() as duck:
            _load(duck, database, moment, sandbox)
            _derive(duck, POLICIES[policy])
            manifest = _write(duck, staging, month, moment, provisional, policy, sandbox)
        place = _publish(staging, directory, month, str(manifest["build_id"]))
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    _record(database, manifest, place, now, run_id)
    return Build(place, manifest)


def _load(duck: duckdb.DuckDBPyConnection, database: Database, at: datetime, sandbox: bool) -> None:
    listings, versions = t.price_listings, t.metadata_versions
    observations = sa.select(
        listings.c.item_id,
        listings.c.kind,
        listings.c.price_usd,
        listings.c.source,
        listings.c.observed_at,
    ).where(
        observed_as_of(at),
        listings.c.price_usd.is_not(None),
        belongs(),
        listings.c.kind.in_(("sold", "ask")),
    )
    metadata = sa.select(
        versions.c.item_id, versions.c.source, versions.c.observed_at, versions.c.fields
    ).where(versions.c.observed_at <= at)
    if not sandbox:
        observations = observations.where(listings.c.source.not_like(SANDBOX))
        metadata = metadata.where(versions.c.source.not_like(SANDBOX))
    items = sa.select(t.items.c.id, t.items.c.category, t.items.c.natural_key)
    for name, statement in (
        ("observations", observations),
        ("versions", metadata),
        ("items", items),
    ):
        reader = pa.RecordBatchReader.from_batches(
            database.arrow_schema(statement), database.iter_arrow(statement)
        )
        duck.register("reader", reader)
        duck.execute(f"CREATE TABLE {name} AS SELECT * FROM reader")
        duck.unregister("reader")
    if _count(duck, "SELECT count(*) FROM observations") == 0:
        raise NothingToBuild(
            f"nothing had been observed by {at.isoformat(timespec='seconds')}"
            + ("" if sandbox else " outside the sandbox")
            + ": scan something and run the assets first (pricing scan CODE, pricing run)"
        )


def _derive(duck: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    names = ("sold_count", "sold_median")
    duck.execute(
        "CREATE TABLE comps AS SELECT *, "
        f"CAST({policy.score_sql(*names)} AS DOUBLE) AS score FROM ("
        + comps_sql(
            "observations",
            ", string_agg(DISTINCT source, ',' ORDER BY source) FILTER (WHERE kind = 'sold') "
            "AS sold_sources, max(observed_at) FILTER (WHERE kind = 'sold') AS last_observed_at",
        )
        + ")"
    )
    duck.execute(
        "CREATE TABLE admitted AS SELECT * FROM comps WHERE "
        + policy.passed_sql("score", *names, "false")
    )
    duck.execute(
        "CREATE VIEW wanted AS SELECT v.item_id, v.source, v.observed_at, "
        "CAST(v.fields AS JSON) AS fields FROM versions v SEMI JOIN admitted USING (item_id)"
    )
    duck.execute(f"CREATE TABLE described AS {merge_sql('wanted')}")
    work = work_sql("d.work_key", "d.title", "d.authors", "a.item_id")
    titles = ", ".join(f"d.{name}" for name in TITLES)
    expressions = {
        "category": "i.category",
        "natural_key": "i.natural_key",
        "work_key": work,
        "title": f"coalesce({titles})",
        "target_price": "a.sold_median",
        "sold_comps_count": "a.sold_count",
        "sold_comps_min": "a.sold_min",
        "sold_comps_median": "a.sold_median",
        "sold_comps_max": "a.sold_max",
        "training_quality_score": "a.score",
        "split": split_sql(work),
        **{name: f"a.{name}" for name in ("item_id", "ask_count", "ask_min", "sold_sources")},
        "last_observed_at": "a.last_observed_at",
    }
    columns = ", ".join(
        f"CAST({expressions.get(column.name, f'd.{column.name}')} AS {column.type}) "
        f"AS {column.name}"
        for column in EXAMPLES
    )
    duck.execute(
        f"CREATE TABLE examples AS SELECT {columns} FROM admitted a "
        "JOIN items i ON i.id = a.item_id LEFT JOIN described d ON d.item_id = a.item_id"
    )


def _write(
    duck: duckdb.DuckDBPyConnection,
    staging: Path,
    month: str,
    at: datetime,
    provisional: bool,
    policy: str,
    sandbox: bool,
) -> dict[str, Any]:
    examples = staging / "examples.parquet"
    rows = _write_parquet(duck, "SELECT * FROM examples ORDER BY category, natural_key", examples)
    manifest: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "month": month,
        "as_of": at.isoformat(),
        "provisional": provisional,
        "simulated": sandbox,
        "policy": policy,
        "code_version": importlib.metadata.version("pricing-assets"),
        "rows": {"examples": rows},
        "splits": dict(_rows(duck, "SELECT split, count(*) FROM examples GROUP BY 1 ORDER BY 1")),
        "items_considered": _count(duck, "SELECT count(*) FROM comps"),
        "observations": dict(
            _rows(duck, "SELECT kind, count(*) FROM observations GROUP BY 1 ORDER BY 1")
        ),
        "sources": dict(
            _rows(duck, "SELECT source, count(*) FROM observations GROUP BY 1 ORDER BY 1")
        ),
        "columns": [
            {"name": c.name, "type": c.type, "role": c.role, "meaning": c.meaning} for c in EXAMPLES
        ],
        "row_hash": _rows(
            duck,
            "SELECT sha256(coalesce(string_agg(sha256(CAST(to_json(e) AS VARCHAR)), '' "
            "ORDER BY category, natural_key), '')) FROM examples e",
        )[0][0],
        "files": {"examples.parquet": _file_entry(examples, rows)},
    }
    identity = json.dumps(manifest, sort_keys=True).encode()
    manifest["build_id"] = hashlib.sha256(identity).hexdigest()[:16]
    (staging / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    summary = _rows(
        duck,
        "SELECT count(*), min(target_price), median(target_price), max(target_price), "
        "count(title), count(authors), count(binding) FROM examples",
    )[0]
    (staging / "card.md").write_text(card(manifest, summary), encoding="utf-8")
    _write_duckdb(staging / "training_set.duckdb", examples, manifest)
    return manifest


def _write_parquet(duck: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    reader = duck.sql(query).to_arrow_reader(ROW_GROUP_ROWS)
    rows = 0
    with pq.ParquetWriter(
        path, reader.schema, compression="zstd", compression_level=3, version="2.6"
    ) as writer:
        for group in _groups(reader):
            writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
            rows += group.num_rows
    return rows


def _groups(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Yield tables of exactly `ROW_GROUP_ROWS` rows, whatever the batches' sizes are."""
    waiting = reader.schema.empty_table()
    for batch in reader:
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch])])
        while waiting.num_rows >= ROW_GROUP_ROWS:
            yield waiting.slice(0, ROW_GROUP_ROWS).combine_chunks()
            waiting = waiting.slice(ROW_GROUP_ROWS)
    if waiting.num_rows:
        yield waiting.combine_chunks()


def _write_duckdb(path: Path, examples: Path, manifest: dict[str, Any]) -> None:
    with duckdb.connect(str(path)) as duck:
        duck.execute("CREATE TABLE examples AS SELECT * FROM read_parquet(?)", [str(examples)])
        for split in ("train", "validation", "test"):
            duck.execute(f"CREATE VIEW {split} AS SELECT * FROM examples WHERE split = '{split}'")
        # The older system's reader asks for these columns of its table.
        duck.execute(
            "CREATE VIEW cached_books AS SELECT *, natural_key AS isbn, 1 AS in_training "
            "FROM examples WHERE category = 'book'"
        )
        duck.execute("CREATE TABLE manifest (key VARCHAR, value VARCHAR)")
        duck.executemany(
            "INSERT INTO manifest VALUES (?, ?)",
            [[key, json.dumps(value)] for key, value in manifest.items()],
        )


def _publish(staging: Path, directory: Path, month: str, build_id: str) -> Path:
    """Show a build as `directory`/`month` by one rename of a link."""
    builds = directory / ".builds" / month
    builds.mkdir(parents=True, exist_ok=True)
    # A new place every time: the same build made again must not vanish under its readers.
    target = builds / f"{build_id}.{uuid.uuid4().hex[:12]}"
    staging.rename(target)
    place = directory / month
    link = directory / f".{month}.{uuid.uuid4().hex}.link"
    link.symlink_to(os.path.relpath(target, directory), target_is_directory=True)
    link.replace(place)
    # The build before stays for readers that have just resolved the link.
    others = [other for other in builds.iterdir() if other != target]
    for other in sorted(others, key=lambda path: path.stat().st_mtime)[:-1]:
        shutil.rmtree(other, ignore_errors=True)
    return place


def _record(
    database: Database, manifest: dict[str, Any], place: Path, now: datetime, run_id: str
) -> None:
    moment = pa.timestamp("us", tz="UTC")
    database.upsert(
        t.training_sets,
        pa.table(
            {
                "build_id": [manifest["build_id"]],
                "month": [manifest["month"]],
                "as_of": pa.array([datetime.fromisoformat(manifest["as_of"])], moment),
                "provisional": [manifest["provisional"]],
                "policy": [manifest["policy"]],
                "rows": [manifest["rows"]["examples"]],
                "path": [str(place)],
                "examples_sha256": [manifest["files"]["examples.parquet"]["sha256"]],
                "built_at": pa.array([now], moment),
                "run_id": [run_id],
            }
        ),
        update=("built_at", "run_id", "path"),
    )


def _file_entry(path: Path, rows: int) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "bytes": path.stat().st_size, "rows": rows}


def _rows(duck: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return duck.execute(query).fetchall()


def _count(duck: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(_rows(duck, query)[0][0])
