"""The weeks of the observations on PostgreSQL: made ahead, listed, and detached when old.

SQLite keeps all of them in one table: there all of this does nothing. TimescaleDB makes its chunks
by itself (`schema.hypertable`): they are listed and detached here.
"""

import logging
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from pricing_assets.schema.hypertable import (
    OF_OBSERVATIONS,
    is_hypertable,
    timescale_version,
)
from pricing_assets.schema.weeks import (
    DEFAULT_PARTITION,
    WEEK,
    attach_partition,
    partition_name,
    partition_week,
    week_of,
)
from resources.database import Database

WEEKS_AHEAD = 8

LOCK_TIMEOUT_MS = 150
"""How long making weeks waits for each of its five locks. Together that is less than the second
after which PostgreSQL looks for deadlocks: no writer is ended for it, and what is written meanwhile
has the default partition."""

_GAVE_WAY = ("55P03", "40P01")
"""PostgreSQL's codes of a lock that was not had in time, and of a deadlock."""

_log = logging.getLogger(__name__)


class NotDetached(RuntimeError):
    """Observations cannot be taken out of what is read; the message says what can be done."""


class WeeksDetached(RuntimeError):
    """What was observed in some weeks cannot be read; the message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One table of observations: of a week, or a chunk of a hypertable.

    Attributes:
        week: The day that it begins with; None for the default partition.
        rows: PostgreSQL's estimate as of the last time it looked; None where it never did.
        size_bytes: With its indexes.
        attached: Whether its observations are read.
        compressed: Whether TimescaleDB has compressed it.
    """

    name: str
    week: date | None
    rows: int | None
    size_bytes: int
    attached: bool
    compressed: bool = False


def make_weeks(database: Database, *, now: datetime) -> Sequence[date]:
    """Make the tables of this week and of those ahead, and of what the default partition holds.

    Observations of such a week are moved out of the default partition in the same transaction.
    Takes two queries where all are there. Where writers are in the way nothing is made, and the
    next call tries again. A hypertable needs none of it.

    Returns:
        The weeks that were made.
    """
    if database.dialect != "postgresql":
        return []
    with database.connect() as connection:
        if is_hypertable(connection) or not _missing(connection, now):
            return []
    try:
        with database.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
            connection.exec_driver_sql(f"LOCK TABLE {DEFAULT_PARTITION} IN ACCESS EXCLUSIVE MODE")
            # Another process may have made them while this one waited.
            missing = _missing(connection, now)
            for week in missing:
                _make(connection, week)
    except sa.exc.OperationalError as error:
        if getattr(error.orig, "pgcode", None) not in _GAVE_WAY:
            raise
        _log.info("weekly partitions of price_listings are made later: writers are at it")
        return []
    _analyze(database)
    return missing


def partitions(database: Database) -> list[Partition]:
    """Return the tables of observations by week, detached ones too, and the default one last."""
    if database.dialect != "postgresql":
        return []
    with database.connect() as connection:
        return _partitions(connection)


def require_weeks(database: Database, first: date, last: date) -> None:
    """Make sure that all is read that was observed on some days.

    Raises:
        WeeksDetached: Of these days, some are in detached weeks.
    """
    if database.dialect != "postgresql":
        return
    with database.connect() as connection:
        # Without their sizes, which take a look at every file.
        names = connection.scalars(sa.text(f"SELECT c.relname {_TABLES} AND i.inhrelid IS NULL"))
        weeks = {partition_week(name) for name in names}
    detached = sorted(week for week in weeks if week and first - WEEK < week <= last)
    if detached:
        raise WeeksDetached(
            f"what was observed in the weeks of {', '.join(map(str, detached))} is detached, and "
            f"days up to {last} would be built without it. Attach it first: "
            f"{'; '.join(attaching(database, week) for week in detached)}"
        )


def detach_before(database: Database, day: date) -> list[date]:
    """Detach the weeks that ended by a day; return them. Their tables stay, and are not read.

    Raises:
        NotDetached: This TimescaleDB cannot, or a table has the name already.
    """
    with database.begin() as connection:
        found = _partitions(connection)
        old = [
            (partition, partition.week)
            for partition in found
            if partition.attached and partition.week and partition.week + WEEK <= day
        ]
        if is_hypertable(connection):
            _require_detaching(connection, {p.name for p in found}, [week for _, week in old])
        for partition, week in old:
            _detach(connection, partition, week)
    return [week for _, week in old]


def attaching(database: Database, week: date) -> str:
    """Return what lets a detached week be read and written with the others again."""
    with database.connect() as connection:
        if not is_hypertable(connection):
            return attach_partition(week)
    return _moving_back(partition_name(week))


def _moving_back(name: str) -> str:
    return f"INSERT INTO price_listings SELECT * FROM {name}; DROP TABLE {name}"


def _require_detaching(connection: sa.Connection, names: Set[str], weeks: Sequence[date]) -> None:
    """Raise where chunks of these weeks cannot become tables of these weeks."""
    able = "SELECT count(*) FROM pg_proc WHERE proname = 'detach_chunk'"
    if not connection.execute(sa.text(able)).scalar():
        raise NotDetached(
            f"TimescaleDB {timescale_version(connection)} cannot detach chunks; a newer one can. "
            "SELECT drop_chunks('price_listings', older_than => TIMESTAMPTZ '...') removes what is "
            "older for good: training sets of that time cannot be built any more."
        )
    for name in names & {partition_name(week) for week in weeks}:
        raise NotDetached(
            f"{name} is detached already, and more was observed of that week since. Attach it "
            f"first: {_moving_back(name)}"
        )


def _detach(connection: sa.Connection, partition: Partition, week: date) -> None:
    name = partition_name(week)
    if partition.name == name:
        connection.exec_driver_sql(f"ALTER TABLE price_listings DETACH PARTITION {name}")
        return
    if partition.compressed:
        connection.exec_driver_sql(f"SELECT decompress_chunk('{partition.name}')")
    connection.exec_driver_sql(f"CALL detach_chunk('{partition.name}')")
    # Beside the weeks that were detached before there was a hypertable.
    schema = connection.execute(sa.text(f"SELECT quote_ident(nspname) {_SCHEMA}")).scalar_one()
    chunk = partition.name.split(".")[1]
    connection.exec_driver_sql(f"ALTER TABLE {partition.name} SET SCHEMA {schema}")
    connection.exec_driver_sql(f"ALTER TABLE {schema}.{chunk} RENAME TO {name}")


_SCHEMA = """
FROM pg_namespace
WHERE oid = (SELECT relnamespace FROM pg_class WHERE oid = 'price_listings'::regclass)
"""

_TABLES = """
FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE c.relkind = 'r' AND starts_with(c.relname, 'price_listings_')
    AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'price_listings'::regclass)
"""
"""The tables that are partitions or were, and others of such a name."""

_CHUNKS = f"""
SELECT format('%I.%I', chunk_schema, chunk_name), (range_start AT TIME ZONE 'UTC')::date,
    nullif(approximate_row_count(format('%I.%I', chunk_schema, chunk_name)::regclass), 0),
    total_bytes, is_compressed
FROM timescaledb_information.chunks
    JOIN chunks_detailed_size('price_listings') USING (chunk_schema, chunk_name)
WHERE {OF_OBSERVATIONS}
"""


def _partitions(connection: sa.Connection) -> list[Partition]:
    tables = connection.execute(
        sa.text(
            "SELECT c.relname, c.reltuples, pg_total_relation_size(c.oid), "
            f"i.inhrelid IS NOT NULL {_TABLES}"
        )
    ).all()
    found = [
        Partition(name, partition_week(name), int(rows) if rows >= 0 else None, size, attached)
        for name, rows, size, attached in tables
        if name == DEFAULT_PARTITION or partition_week(name)
    ]
    if is_hypertable(connection):
        found += [
            Partition(name, week, rows, size, True, compressed)
            for name, week, rows, size, compressed in connection.execute(sa.text(_CHUNKS))
        ]
    return sorted(found, key=lambda partition: (partition.week or date.max, partition.name))


def _missing(connection: sa.Connection, now: datetime) -> list[date]:
    """Return the weeks that are to be made. A detached one keeps its name, and is not made anew."""
    found = connection.execute(
        sa.text(
            f"SELECT c.relname, NULL::date {_TABLES} UNION ALL SELECT DISTINCT NULL, "
            "date_trunc('week', observed_at AT TIME ZONE 'UTC')::date "
            f"FROM {DEFAULT_PARTITION}"
        )
    ).all()
    there = {partition_week(name) for name, _ in found if name}
    wanted = {week for _, week in found if week}
    wanted |= {week_of(now) + ahead * WEEK for ahead in range(WEEKS_AHEAD + 1)}
    return sorted(wanted - there)


def _analyze(database: Database) -> None:
    """Tell the planner of all weeks together: by itself PostgreSQL looks at each one alone."""
    version = database.engine.dialect.server_version_info or ()
    # Before 18 the weeks are looked at again too.
    database.execute(sa.text(f"ANALYZE {'ONLY ' if version >= (18,) else ''}price_listings"))


def _make(connection: sa.Connection, week: date) -> None:
    """Make a week's table with what the default partition has of it, and attach it."""
    name = partition_name(week)
    for statement in (
        f"CREATE TABLE {name} (LIKE price_listings INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"WITH moved AS (DELETE FROM {DEFAULT_PARTITION} WHERE observed_at >= '{week} 00:00+00' "
        f"AND observed_at < '{week + WEEK} 00:00+00' RETURNING *) "
        f"INSERT INTO {name} SELECT * FROM moved",
        attach_partition(week),
    ):
        connection.exec_driver_sql(statement)
