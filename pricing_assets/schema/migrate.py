"""Bringing a database to this version's schema, and proving that it is there."""

import functools
import warnings
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from pricing_assets.schema.hypertable import is_hypertable, make_hypertable
from pricing_assets.schema.tables import Base
from pricing_assets.schema.weeks import DEFAULT_PARTITION, partition_week
from resources.database import Database, DatabaseUnavailable, redacted

UPGRADE_LOCK = 7_204_511
"""PostgreSQL advisory lock, so that two processes do not migrate at once."""


def upgrade(database: Database) -> str:
    """Apply the migrations that are missing; return the revision reached.

    Safe to call from several processes at once, and quick when there is nothing to do.

    Raises:
        DatabaseUnavailable: The database cannot be reached.
    """
    head = _head()
    try:
        if current_revision(database) == head:
            return head
        with database.begin() as connection:
            _wait_for_others(connection)
            command.upgrade(_config(connection), "head")
    except sa.exc.OperationalError as error:
        raise DatabaseUnavailable(
            f"cannot reach the database: {redacted(str(error.orig)).strip()}. "
            "Check PRICING_DATABASE_URL, and that the server runs."
        ) from None
    return head


def use_timescale(database: Database) -> bool:
    """Move the observations into a hypertable where TimescaleDB was added to the database since.

    Returns:
        Whether they were moved: not where they are in one, or TimescaleDB is not there.
    """
    with database.begin() as connection:
        _wait_for_others(connection)
        return make_hypertable(connection)


def current_revision(database: Database) -> str | None:
    """Return the revision the database is at, or None for an empty one."""
    with database.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def differences(database: Database) -> list[str]:
    """Compare database, migrations and models; return a line for each difference."""
    found = []
    revision, head = current_revision(database), _head()
    if revision != head:
        found.append(f"database is at revision {revision}, this version needs {head}")
    with database.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": False,
                "include_name": _is_compared,
            },
        )
        with warnings.catch_warnings():
            # SQLite cannot tell of such an index, and has none.
            warnings.filterwarnings("ignore", message=".*expression-based index")
            found += [str(difference) for difference in compare_metadata(context, Base.metadata)]
        views = set(sa.inspect(connection).get_view_names())
        if database.dialect == "postgresql" and not (
            _has_default_partition(connection) or is_hypertable(connection)
        ):
            found.append(f"price_listings has no partition {DEFAULT_PARTITION}")
    found += [
        f"view {name} is missing"
        for name in sorted({"cached_books", "isbn_index", "parallel_premiums"} - views)
    ]
    return found


def _wait_for_others(connection: sa.Connection) -> None:
    """Let no other process change the schema until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(UPGRADE_LOCK)))


def _is_compared(name: str | None, kind: str, _parents: Any) -> bool:
    """Leave out the partitions: they are as their table is."""
    return kind != "table" or not (
        name and (name == DEFAULT_PARTITION or partition_week(name) is not None)
    )


def _has_default_partition(connection: sa.Connection) -> bool:
    return bool(
        connection.execute(
            sa.text(
                "SELECT count(*) FROM pg_partitioned_table JOIN pg_class c ON c.oid = partdefid "
                "WHERE partrelid = to_regclass('price_listings') AND c.relname = :name"
            ),
            {"name": DEFAULT_PARTITION},
        ).scalar()
    )


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "pricing_assets.schema:migrations")
    config.attributes["connection"] = connection
    return config


@functools.cache
def _head() -> str:
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("no migration is installed: the package is incomplete; reinstall it")
    return head
