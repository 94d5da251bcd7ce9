"""The database as it was at one moment, read in parts by several threads at once.

What another process writes meanwhile is not seen, whichever part is read when.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

import pyarrow as pa
import sqlalchemy as sa

from resources.ahead import map_ahead
from resources.database import AnySelect, Database
from resources.sqlite_arrow import conform, read_together

READERS = 8
"""Connections to SQLite at most: those of a pool are few."""

PART_ROWS = 50_000
"""Rows that SQLite gives at a time."""


T = TypeVar("T")
R = TypeVar("R")


class Reader(ABC):
    """One connection of a snapshot; belongs to one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @abstractmethod
    def rows(self, statement: AnySelect) -> list[tuple[Any, ...]]:
        """Return the rows of a select, known to be few."""

    @abstractmethod
    def read_arrow(self, statement: AnySelect) -> pa.Table:
        """Return the rows of a select that fit into memory; SQLite reads no floats, no bytes."""


class Snapshot:
    """The readers of one moment, and the threads that use them."""

    def __init__(self, database: Database, readers: list[Reader]) -> None:
        self._database = database
        self._count = len(readers)
        self._free: SimpleQueue[Reader] = SimpleQueue()
        for reader in readers:
            self._free.put(reader)

    def rows(self, statement: AnySelect) -> list[tuple[Any, ...]]:
        """Return the rows of a select, known to be few."""
        return self._with_reader(lambda reader, _: reader.rows(statement), None)

    def map(self, function: Callable[[Reader, T], R], tasks: Iterable[T]) -> Iterator[R]:
        """Yield what a function makes of every task, in their order, a few ahead of the caller."""
        work = partial(self._with_reader, function)
        with ThreadPoolExecutor(self._count) as threads:
            yield from map_ahead(threads, work, tasks, self._count)

    def reader(self, statement: AnySelect, table: sa.Table) -> pa.RecordBatchReader:
        """Return the rows of a select from one table, in any order, in bounded memory."""
        parts = (statement.where(part) for part in self._parts(table))
        tables = self.map(lambda reader, part: reader.read_arrow(part), parts)
        batches = (batch for table in tables for batch in table.to_batches())
        return pa.RecordBatchReader.from_batches(self._database.arrow_schema(statement), batches)

    def _with_reader(self, function: Callable[[Reader, T], R], task: T) -> R:
        reader = self._free.get()
        try:
            return function(reader, task)
        finally:
            self._free.put(reader)

    def _parts(self, table: sa.Table) -> Iterator[sa.ColumnElement[bool]]:
        """Yield conditions that cut a table into parts: SQLite by its hidden row numbers."""
        if self._database.dialect == "postgresql":
            yield sa.true()
            return
        row = sa.literal_column(f"{table.name}.rowid", sa.BigInteger())
        ((first, last),) = self.rows(
            sa.select(
                *(
                    sa.select(end(row)).select_from(table).scalar_subquery()
                    for end in (sa.func.min, sa.func.max)
                )
            )
        )
        if first is not None:
            for start in range(first, last + 1, PART_ROWS):
                yield row.between(start, start + PART_ROWS - 1)


@contextmanager
def snapshot(database: Database) -> Iterator[Snapshot]:
    """Open the database as it is now for reading, until the end of the block."""
    with ExitStack() as stack:
        if database.dialect == "postgresql":
            # The server, the wire and our side work at the same time for one connection.
            readers = [_postgres_reader(database, stack)]
        else:
            readers = _sqlite_readers(database, stack, min(os.cpu_count() or 1, READERS))
        yield Snapshot(database, readers)


class _PostgresReader(Reader):
    def __init__(self, database: Database, connection: Any) -> None:
        super().__init__(database)
        self._connection = connection

    def rows(self, statement: AnySelect) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(self._database.sql(statement))
            return [tuple(row) for row in cursor.fetchall()]

    def read_arrow(self, statement: AnySelect) -> pa.Table:
        schema = self._database.arrow_schema(statement)
        with self._connection.cursor() as cursor:
            cursor.execute(self._database.sql(statement))
            batches = [conform(batch, schema) for batch in cursor.fetch_record_batch()]
        return pa.Table.from_batches(batches, schema)


def _postgres_reader(database: Database, stack: ExitStack) -> Reader:
    connection = stack.enter_context(database.adbc())
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    return _PostgresReader(database, connection)


class _SqliteReader(Reader):
    def __init__(self, database: Database, connection: sa.Connection) -> None:
        super().__init__(database)
        self._connection = connection

    def rows(self, statement: AnySelect) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._connection.execute(statement)]

    def read_arrow(self, statement: AnySelect) -> pa.Table:
        schema = self._database.arrow_schema(statement)
        return read_together(self._connection, statement, schema, self._database.sql)


def _sqlite_readers(database: Database, stack: ExitStack, count: int) -> list[Reader]:
    """Open connections that see the same state: none was committed between their beginnings."""
    watch = stack.enter_context(database.connect())
    connections = [stack.enter_context(database.connect()) for _ in range(count)]

    def version() -> int:
        with watch.begin():
            return int(watch.exec_driver_sql("PRAGMA data_version").scalar_one())

    before, after = -1, version()
    while before != after:
        before = after
        for connection in connections:
            connection.rollback()
            connection.begin()
            connection.exec_driver_sql("SELECT 1 FROM sqlite_schema LIMIT 1").all()
        after = version()
    return [_SqliteReader(database, connection) for connection in connections]
