"""What makes `price_listings` a hypertable where PostgreSQL has TimescaleDB, and plain again.

Nothing of the platform needs TimescaleDB. It is there once somebody has said `CREATE EXTENSION
timescaledb` in the database. It then keeps the observations in chunks of a week that it makes by
itself, and compresses those that are `COMPRESS_AFTER` old.

A chunk's week begins on Thursday at midnight in UTC, as weeks that are counted from 1970 do:
TimescaleDB takes an interval and no day to begin with.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

import sqlalchemy as sa

from pricing_assets.schema.weeks import DEFAULT_PARTITION, WEEK
from resources.database import Bulk

COMPRESS_AFTER = timedelta(days=98)
"""Age from which the weeks of observations are compressed.

A chart shows 90 days, and a market is asked again after at most 30: what is read of one item at a
time, and what is superseded, is nearly always younger. An older observation can be superseded all
the same; its neighbours are then decompressed, and compressed again by the next run of the policy.
"""

OLDEST = (2, 11)
"""The first TimescaleDB that changes rows of a compressed chunk; an older one is left alone."""

OF_OBSERVATIONS = (
    "to_regclass(format('%I.%I', hypertable_schema, hypertable_name)) "
    "= to_regclass('price_listings')"
)
"""The condition that a row of TimescaleDB's views is of the observations, in whichever schema."""

DECOMPRESS_ANY_NUMBER = "SET LOCAL timescaledb.max_tuples_decompressed_per_dml_transaction = 0"
"""Lifts, for a transaction that names its items, the limit that others stop at."""


def timescale_version(connection: sa.Connection) -> str | None:
    """Return the version of the database's TimescaleDB; None without one that can be used."""
    if connection.dialect.name != "postgresql":
        return None
    version: str | None = connection.execute(
        sa.text("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    ).scalar()
    if version is None or tuple(map(int, version.split("-")[0].split(".")[:2])) < OLDEST:
        return None
    return version


def is_hypertable(connection: sa.Connection) -> bool:
    """Tell whether the observations are in a hypertable."""
    hypertables = sa.table("hypertables", schema="timescaledb_information")
    there = sa.select(sa.func.count()).select_from(hypertables).where(sa.text(OF_OBSERVATIONS))
    return timescale_version(connection) is not None and bool(connection.execute(there).scalar())


def end_of_compressed(bulk: Bulk) -> datetime | None:
    """Return the end of the last compressed chunk; None where nothing is compressed."""
    if bulk.dialect != "postgresql":
        return None
    there = sa.func.to_regclass("timescaledb_information.chunks").is_not(None)
    if not bulk.rows(sa.select(there))[0][0]:
        return None
    chunks = sa.table(
        "chunks",
        sa.column("range_end"),
        sa.column("is_compressed"),
        schema="timescaledb_information",
    )
    [(end,)] = bulk.rows(
        sa.select(sa.func.max(chunks.c.range_end)).where(
            chunks.c.is_compressed, sa.text(OF_OBSERVATIONS)
        )
    )
    return cast(datetime | None, end)


def make_hypertable(connection: sa.Connection) -> bool:
    """Move the observations into a hypertable, in the caller's transaction.

    Keys, constraints, indexes, privileges and the views that read them are as before. Weeks that
    are detached stay the tables that they are. Nothing is done where TimescaleDB is not there, or
    has the observations already.

    Returns:
        Whether they were moved.
    """
    if timescale_version(connection) is None or is_hypertable(connection):
        return False
    _rebuild(
        connection,
        "",
        "SELECT create_hypertable('price_listings', 'observed_at', chunk_time_interval => "
        f"INTERVAL '{WEEK.days} days', create_default_indexes => false)",
    )
    _compress(connection)
    return True


def make_partitioned(connection: sa.Connection) -> None:
    """Move the observations of a hypertable into the default partition of a partitioned table."""
    _rebuild(
        connection,
        "PARTITION BY RANGE (observed_at)",
        f"CREATE TABLE {DEFAULT_PARTITION} PARTITION OF price_listings DEFAULT",
    )


def _rebuild(connection: sa.Connection, partitioning: str, prepare: str) -> None:
    """Put a table of the same rows, that is partitioned otherwise, in the place of the table."""
    views, others = _statements(connection, _VIEWS), _statements(connection, _DEFINITIONS)
    for statement in (
        "ALTER TABLE price_listings RENAME TO price_listings_before",
        "CREATE TABLE price_listings "
        f"(LIKE price_listings_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS) {partitioning}",
        prepare,
        *views,
        "INSERT INTO price_listings SELECT * FROM price_listings_before",
        "ALTER SEQUENCE price_listings_id_seq OWNED BY price_listings.id",
        "DROP TABLE price_listings_before",
        *others,
    ):
        # Nothing in a view's text is a parameter.
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _statements(connection: sa.Connection, query: str) -> Sequence[str]:
    return connection.execute(sa.text(query)).scalars().all()


_DEFINITIONS = """
SELECT format('ALTER TABLE price_listings ADD CONSTRAINT %I %s', conname, pg_get_constraintdef(oid))
    AS statement, contype = 'f' AS later
FROM pg_constraint WHERE conrelid = 'price_listings'::regclass AND contype IN ('p', 'u', 'f')
UNION ALL
SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON '), true
FROM pg_index WHERE indrelid = 'price_listings'::regclass
    AND indexrelid NOT IN (SELECT conindid FROM pg_constraint)
UNION ALL
SELECT format(
    'GRANT %s ON price_listings TO %s', privilege_type,
    CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
), true
FROM pg_class, aclexplode(relacl) WHERE oid = 'price_listings'::regclass AND grantee <> relowner
ORDER BY later, statement
"""
"""What `CREATE TABLE ... (LIKE ...)` leaves out, as statements, in the order to run them."""

_VIEWS = """
SELECT format(
    'CREATE OR REPLACE VIEW %s %s AS %s', oid::regclass,
    'WITH (' || array_to_string(reloptions, ', ') || ')', pg_get_viewdef(oid)
)
FROM pg_class WHERE relkind = 'v' AND oid IN (
    SELECT ev_class FROM pg_rewrite JOIN pg_depend ON objid = pg_rewrite.oid
    WHERE classid = 'pg_rewrite'::regclass AND refobjid = 'price_listings'::regclass
)
"""
"""What lets views read the table that has the name now: by themselves they follow the old one."""


def _compress(connection: sa.Connection) -> None:
    """Have old chunks compressed, where this build of TimescaleDB can.

    By item: its observations of a week, 20 or so, are found by an index and decompressed alone.
    Where they are one or two, nothing is saved. Ordered by item instead, a thousand observations
    at a time, they take a third of the space; but text is not looked for in that order, and
    reading one item's history reads everybody's. The order by id lets training sets leave out
    what is not in their range of ids.
    """
    if connection.execute(sa.text("SHOW timescaledb.license")).scalar() != "timescale":
        return
    for statement in (
        "ALTER TABLE price_listings SET (timescaledb.compress, "
        "timescaledb.compress_segmentby = 'item_id', timescaledb.compress_orderby = "
        "'observed_at, id')",
        f"SELECT add_compression_policy('price_listings', INTERVAL '{COMPRESS_AFTER.days} days')",
    ):
        connection.execute(sa.text(statement))
