"""Building a month's training set: a function of what was known at its as-of.

Here is what is read. Beside it: `training_observations` (the copies that most of it is read
from), `training_inputs` (what a build depends on), `training_sales` (the observations, some items
at a time), `training_tables` (how the tables follow from what was known), `training_files` and
`training_parquet` (writing), `training_places` (showing and finding builds),
`training_facts` (what the card says).
"""

import importlib.metadata
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.core.periods import as_of, month_end
from pricing_assets.core.training import SCHEMA_VERSION, TABLES
from pricing_assets.schema import tables as t
from pricing_assets.store.market import counted, observed_as_of, reverted_merges
from pricing_assets.store.training_files import write_build
from pricing_assets.store.training_inputs import (
    Observed,
    code_fingerprint,
    inputs,
    licences,
    observed,
)
from pricing_assets.store.training_leaks import refuse_leaks
from pricing_assets.store.training_licences import (
    Licensed,
    left_out,
    licensed,
    why_nothing,
)
from pricing_assets.store.training_observations import copied_observations, usable_sql
from pricing_assets.store.training_parquet import (
    WRITER,
    Earlier,
    WrittenFile,
    write_buckets,
    write_no_rows,
)
from pricing_assets.store.training_places import (
    Build,
    build_before,
    month_before,
    publish,
    record,
    same_build,
    shown,
)
from pricing_assets.store.training_sales import observed_by_bucket
from pricing_assets.store.training_tables import derive, place, weigh
from resources.compute import duckdb_connection
from resources.database import Database
from resources.snapshot import Snapshot, snapshot

COPIES = ".observations"
"""Under a directory of training sets: the observations that its builds have read."""


MEMORY_LIMIT = "3GiB"
"""Memory that DuckDB may hold for a build: what is known of all items is in it."""


class NothingToBuild(RuntimeError):
    """There is no training set to build; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built: all that a build follows from, beside the database."""

    month: str
    at: datetime
    provisional: bool
    policy: str
    sandbox: bool
    internal: bool


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

    A build of the same inputs, policy and code that is still there is shown again as it is.

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
        Leaking: The build broke a rule against leaks; what the month shows stays.
    """
    moment, provisional = _as_of(month, now, at)
    order = Order(month, moment, provisional, policy, sandbox, internal)
    by = licensed(database, sandbox=sandbox, internal=internal)
    with _staging(directory, month) as staging:
        build, manifest = _written(database, directory, order, by, staging)
        if build is None:
            refuse_leaks(Build(staging, manifest))
            build = publish(staging, directory, month, manifest)
    record(database, build, now, run_id)
    return build


def refuse_nothing(
    database: Database,
    month: str,
    *,
    now: datetime,
    sandbox: bool,
    at: datetime | None = None,
    internal: bool = False,
) -> None:
    """Do nothing where `build_month` would have something to build.

    It takes a moment: whoever asks before a run has no failed run to show.

    Raises:
        ValueError: The month or the as-of cannot be.
        NothingToBuild: Nothing had been observed by then.
    """
    moment, _ = _as_of(month, now, at)
    by = licensed(database, sandbox=sandbox, internal=internal)
    listings = t.price_listings
    usable = sa.and_(
        counted(),
        observed_as_of(moment),
        sa.or_(listings.c.sold_at.is_(None), listings.c.sold_at <= moment),
    )
    allowed = sa.select(listings.c.id).where(usable, listings.c.source.in_(by.sources))
    if database.scalar(allowed.limit(1)) is not None:
        return
    by_source = sa.select(listings.c.source, sa.func.count().label("rows")).where(usable)
    with snapshot(database) as known:
        observations = dict(map(tuple, known.rows(by_source.group_by(listings.c.source))))
        raise NothingToBuild(why_nothing(moment, by, left_out(observations, known, moment, by)))


@contextmanager
def _staging(directory: Path, month: str) -> Iterator[Path]:
    """Give a place beside the months where a build is written until it is shown."""
    staging = directory / f".{month}.{uuid.uuid4().hex}.building"
    staging.mkdir(parents=True)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _written(
    database: Database, directory: Path, order: Order, by: Licensed, staging: Path
) -> tuple[Build | None, dict[str, Any]]:
    """Return the same build where there is one, otherwise None; and the manifest."""
    with ExitStack() as stack:
        duck = stack.enter_context(duckdb_connection(memory_limit=MEMORY_LIMIT))
        # Closed before the computing begins: SQLite's log grows while it is read.
        with snapshot(database) as known:
            stack.enter_context(copied_observations(duck, known, directory / COPIES))
            observe(duck, order.at, by)
            usable = observed(duck)
            identity = _identity(usable, known, order, by)
            build = same_build(directory, order.month, identity)
            if build is not None:
                return build, build.manifest
            if not usable.by_source().keys() & by.terms.keys():
                raise NothingToBuild(why_nothing(order.at, by, identity["left_out"]))
            read_known(duck, known, order.at, by)
        reverted = database.read_arrow(reverted_merges(order.at))
        there = _same_writer(shown(directory, order.month), identity)
        sales = derive_tables(duck, order.policy, order.at, reverted, staging, there)
        return None, write_build(
            duck,
            staging,
            identity,
            sales=sales,
            licences=licences(database),
            agreements=by.agreements(),
            before=build_before(directory, order.month, order.at, identity),
            month_before=month_before(directory, order.month, identity),
        )


def derive_tables(
    duck: duckdb.DuckDBPyConnection,
    policy: str,
    at: datetime,
    reverted: pa.Table,
    staging: Path,
    there: Earlier | None = None,
) -> list[WrittenFile]:
    """Make the relations of all tables, and write the sales, which are gone through once.

    Args:
        duck: Has what `observe` and `read_known` make.
        policy: Name of the gate's policy.
        at: The as-of.
        reverted: As `store.market.reverted_merges` gives it.
        staging: Where the sales are written.
        there: A build whose files would be the same where their rows are.

    Returns:
        The files of the sales, one at least.
    """
    place(duck)
    table, written = TABLES["sales"], []
    for first, last in observed_by_bucket(duck, reverted):
        weigh(duck, policy, at, first, last)
        written += write_buckets(duck, "sold", table, staging, there)
    written = written or [write_no_rows(duck, "sold", table, staging)]
    derive(duck, policy, at)
    return written


def _same_writer(build: Build | None, identity: Mapping[str, Any]) -> Build | None:
    """Return a build whose files have the bytes that this one's have where the rows are the same.

    It was written in the same layout, by the same code and the same writer.
    """
    same = {name: identity[name] for name in ("schema_version", "code_sha256")} | {"writer": WRITER}
    if build is not None and all(build.manifest.get(name) == same[name] for name in same):
        return build
    return None


def _as_of(month: str, now: datetime, at: datetime | None) -> tuple[datetime, bool]:
    end = month_end(month)
    moment, provisional = as_of(end, now)
    if at is not None:
        if at > moment:
            raise ValueError(
                f"--as-of {at.isoformat()} is after {moment.isoformat()}: what will be known "
                f"then is not known yet, or belongs to a later month than {month}"
            )
        moment, provisional = at.astimezone(UTC), at < end
    return moment, provisional


def _identity(usable: Observed, known: Snapshot, order: Order, by: Licensed) -> dict[str, Any]:
    """Return what decides the content of a build: the same identity gives the same rows."""
    return {
        "schema_version": SCHEMA_VERSION,
        "month": order.month,
        "as_of": order.at.isoformat(),
        "provisional": order.provisional,
        "simulated": order.sandbox,
        "internal": order.internal,
        "left_out": left_out(usable.by_source(), known, order.at, by),
        "agreements_sha256": by.agreements_sha256(),
        "policy": order.policy,
        "code_version": importlib.metadata.version("pricing-assets"),
        "code_sha256": code_fingerprint(),
        "inputs_sha256": inputs(usable, known, order.at),
    }


def observe(duck: duckdb.DuckDBPyConnection, at: datetime, by: Licensed) -> None:
    """Make `usable` of all that was observed, and `allowed` of what the licences allow."""
    duck.execute(f"CREATE VIEW usable AS {usable_sql(at)}")
    duck.execute("CREATE TABLE licensed AS SELECT unnest(?) AS source", [by.sources])
    duck.execute("CREATE VIEW allowed AS FROM usable SEMI JOIN licensed USING (source)")


def read_known(
    duck: duckdb.DuckDBPyConnection, known: Snapshot, at: datetime, by: Licensed
) -> None:
    """Read into DuckDB what else was known: versions, items and accepted."""
    versions, reviews = t.metadata_versions, t.edition_reviews
    metadata = sa.select(
        versions.c.item_id, versions.c.source, versions.c.observed_at, versions.c.fields
    ).where(versions.c.observed_at <= at, versions.c.source.in_(by.sources))
    items = sa.select(
        t.items.c.id.label("item_id"), *(t.items.c[name] for name in ("category", "natural_key")),
        t.items.c.created_at,
    )  # fmt: skip
    accepted = sa.select(reviews.c.item_id, reviews.c.other_item_id).where(
        reviews.c.verdict == "accepted", reviews.c.decided_at <= at
    )
    for name, statement, table, ids in (
        ("versions", metadata, versions, ("item_id",)),
        ("items", items, t.items, ("item_id",)),
        ("accepted", accepted, reviews, ("item_id", "other_item_id")),
    ):
        narrow = ", ".join(f"CAST({column} AS UUID) AS {column}" for column in ids)
        duck.register("reader", known.reader(statement, table))
        duck.execute(f"CREATE TABLE {name} AS SELECT * REPLACE ({narrow}) FROM reader")
        duck.unregister("reader")
