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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from pricing_assets.core.comps import comps_sql
from pricing_assets.core.editions import work_fingerprint_sql
from pricing_assets.core.gate import POLICIES, Policy
from pricing_assets.core.licences import SIMULATED, Terms
from pricing_assets.core.metadata import TITLES, merge_sql
from pricing_assets.core.periods import as_of, month_end
from pricing_assets.core.training import EXAMPLES, FORMAT_VERSION, split_sql
from pricing_assets.core.training_card import card
from pricing_assets.core.works import works_sql
from pricing_assets.schema import tables as t
from pricing_assets.store.licences import terms_of_sources
from pricing_assets.store.matches import belongs
from pricing_assets.store.snapshots import observed_as_of
from resources.compute import duckdb_connection
from resources.database import Database

ROW_GROUP_ROWS = 131_072
"""Rows in a Parquet row group; pinned, for the bytes to repeat."""


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
    internal: bool = False,
) -> Build:
    """Build a month's training set under `directory`/`month`.

    Args:
        month: Like `2026-10`.
        directory: Where training sets live.
        now: The moment of the build: the as-of of a month that has not ended.
        policy: Name of the gate's policy.
        sandbox: Whether simulated observations may enter; outside the sandbox never.
        at: As-of to rebuild; a moment within the month or before it.
        internal: Whether the set stays in the house: then it may have what may not be
            redistributed.

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
            licensed = _licensed(database, sandbox, internal)
            left_out = _load(duck, database, moment, licensed)
            _derive(duck, POLICIES[policy])
            told = {"internal": internal, **left_out, "agreements": _agreements(duck, licensed)}
            manifest = _write(duck, staging, month, moment, provisional, policy, sandbox, told)
        place = _publish(staging, directory, month, str(manifest["build_id"]))
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    _record(database, manifest, place, now, run_id)
    return Build(place, manifest)


@dataclass(frozen=True, slots=True)
class _Licensed:
    """The sources that a build may have, by name, and why it may not have the others.

    Outside the sandbox its simulated sources are in neither.
    """

    sandbox: bool
    terms: Mapping[str, Terms]
    barred: Mapping[str, str]


def _licensed(database: Database, sandbox: bool, internal: bool) -> _Licensed:
    terms = {
        name: source
        for name, source in terms_of_sources(database).items()
        if sandbox or not name.startswith(SIMULATED)
    }
    bars = {name: source.bars_from_training(internal=internal) for name, source in terms.items()}
    barred = {name: bar for name, bar in bars.items() if bar}
    return _Licensed(sandbox, {name: terms[name] for name in terms if name not in barred}, barred)


def _agreements(duck: duckdb.DuckDBPyConnection, licensed: _Licensed) -> list[dict[str, Any]]:
    """Return the declared agreements of the sources that the build has something of."""
    present = _rows(
        duck, "SELECT source FROM observations UNION SELECT source FROM versions ORDER BY 1"
    )
    return [
        {"source": name, "reference": terms.agreement, "date": f"{terms.agreed_at:%Y-%m-%d}"}
        for (name,) in present
        for terms in (licensed.terms[name],)
        if terms.agreement is not None and terms.agreed_at is not None
    ]


def _load(
    duck: duckdb.DuckDBPyConnection, database: Database, at: datetime, licensed: _Licensed
) -> dict[str, Any]:
    """Load what was known and may be had; return what the licences left out, by source."""
    listings, versions, reviews = t.price_listings, t.metadata_versions, t.edition_reviews
    known = sa.and_(
        observed_as_of(at),
        listings.c.price_usd.is_not(None),
        belongs(),
        listings.c.kind.in_(("sold", "ask")),
    )
    learnt = versions.c.observed_at <= at
    may = sorted(licensed.terms)
    observations = sa.select(
        listings.c.item_id,
        listings.c.kind,
        listings.c.price_usd,
        listings.c.source,
        listings.c.observed_at,
    ).where(known, listings.c.source.in_(may))
    metadata = sa.select(
        versions.c.item_id, versions.c.source, versions.c.observed_at, versions.c.fields
    ).where(learnt, versions.c.source.in_(may))
    items = sa.select(t.items.c.id, t.items.c.category, t.items.c.natural_key)
    accepted = sa.select(reviews.c.item_id, reviews.c.other_item_id).where(
        reviews.c.verdict == "accepted", reviews.c.decided_at <= at
    )
    for name, statement in (
        ("observations", observations),
        ("versions", metadata),
        ("items", items),
        ("accepted", accepted),
    ):
        reader = pa.RecordBatchReader.from_batches(
            database.arrow_schema(statement), database.iter_arrow(statement)
        )
        duck.register("reader", reader)
        duck.execute(f"CREATE TABLE {name} AS SELECT * FROM reader")
        duck.unregister("reader")
    left_out = [
        {
            "source": row.source,
            "what": what,
            "rows": row.rows,
            "reason": licensed.barred[row.source],
        }
        for what, table, condition in (
            ("observations", listings, known),
            ("metadata", versions, learnt),
        )
        for row in database.rows(
            sa.select(table.c.source, sa.func.count().label("rows"))
            .where(condition, table.c.source.in_(sorted(licensed.barred)))
            .group_by(table.c.source)
            .order_by(table.c.source)
        )
    ]
    if _count(duck, "SELECT count(*) FROM observations") == 0:
        raise NothingToBuild(_why_nothing(at, licensed, left_out))
    return {"left_out": left_out}


def _why_nothing(at: datetime, licensed: _Licensed, left_out: Sequence[Mapping[str, Any]]) -> str:
    barred = [line for line in left_out if line["what"] == "observations"]
    if not barred:
        return (
            f"nothing had been observed by {at.isoformat(timespec='seconds')}"
            + ("" if licensed.sandbox else " outside the sandbox")
            + ": scan something and run the assets first (pricing scan CODE, pricing run)"
        )
    named = "; ".join(f"{b['rows']:,} of {b['source']}: {b['reason']}" for b in barred)
    return (
        f"all observations are left out by their licence: {named}. Declare an agreement "
        "(pricing sources agree NAME --reference TEXT), or build with --internal"
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
        "CREATE VIEW known AS SELECT item_id, source, observed_at, "
        "CAST(fields AS JSON) AS fields FROM versions"
    )
    duck.execute("CREATE VIEW wanted AS FROM known SEMI JOIN admitted USING (item_id)")
    duck.execute(f"CREATE TABLE described AS {merge_sql('wanted')}")
    # Over all that was known, not only what is admitted: an edition that is admitted later
    # must find its work on the side where it is.
    named = merge_sql("known", ("title", "authors", "work_key"))
    editions = (
        "(SELECT i.id AS item_id, n.work_key, "
        f"{work_fingerprint_sql('n.title', 'n.authors')} AS fingerprint "
        f"FROM items i LEFT JOIN ({named}) n ON n.item_id = i.id)"
    )
    duck.execute(f"CREATE TABLE works AS {works_sql(editions, 'accepted')}")
    titles = ", ".join(f"d.{name}" for name in TITLES)
    expressions = {
        "category": "i.category",
        "natural_key": "i.natural_key",
        "work_key": "w.work_key",
        "title": f"coalesce({titles})",
        "target_price": "a.sold_median",
        "sold_comps_count": "a.sold_count",
        "sold_comps_min": "a.sold_min",
        "sold_comps_median": "a.sold_median",
        "sold_comps_max": "a.sold_max",
        "training_quality_score": "a.score",
        "split": split_sql("w.work_key"),
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
        "JOIN items i ON i.id = a.item_id JOIN works w ON w.item_id = a.item_id "
        "LEFT JOIN described d ON d.item_id = a.item_id"
    )


def _write(
    duck: duckdb.DuckDBPyConnection,
    staging: Path,
    month: str,
    at: datetime,
    provisional: bool,
    policy: str,
    sandbox: bool,
    licences: Mapping[str, Any],
) -> dict[str, Any]:
    examples = staging / "examples.parquet"
    rows = _write_parquet(duck, "SELECT * FROM examples ORDER BY category, natural_key", examples)
    manifest: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "month": month,
        "as_of": at.isoformat(),
        "provisional": provisional,
        "simulated": sandbox,
        **licences,
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
