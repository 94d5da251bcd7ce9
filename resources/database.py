"""The one door to the central database: SQLite or PostgreSQL, the same calls on both.

Knows connections, transactions, column types and Arrow; knows no table. Rows come out
as Arrow (`read_arrow`), and go in as Arrow (`Bulk.stage`, `Bulk.upsert`): COPY through
ADBC on PostgreSQL, batches through the standard library's driver on SQLite.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.sql import Executable
from sqlalchemy.types import TypeDecorator, TypeEngine

from resources.ahead import map_ahead
from resources.sqlite_arrow import (
    BYTES_A_ROW,
    LEAST_BYTES,
    conform,
    fetched,
    is_packed,
    of_packed,
    packed,
    read_together,
    unpacked,
)

BUSY_TIMEOUT_MS = 30_000
"""How long a SQLite writer waits for another one before it gives up."""

AnySelect = sa.Select[*tuple[Any, ...]]
"""A select of any columns."""

BATCH_ROWS = 5_000
"""Rows written to SQLite at a time."""

ARROW_ROWS = 10_000
"""Rows of an Arrow batch that is read from SQLite."""

DECODED_AHEAD = 2
"""Batches that may wait for their reader while SQLite already reads the next."""


class DatabaseUnavailable(RuntimeError):
    """The database cannot be reached or is not of this version; the message says what to do."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment. PostgreSQL: timestamptz. SQLite: ISO-8601 text with offset, fixed width.

    The fixed width makes text order the order of time. A moment without a zone is refused.
    """

    impl = sa.String(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        """Choose the column type of the database at hand."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(sa.String(32))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        """Turn a moment into what the driver takes."""
        if value is None:
            return None
        value = _in_utc(value)
        if dialect.name == "postgresql":
            return value
        return value.isoformat(timespec="microseconds")

    def literal_processor(self, dialect: sa.Dialect) -> Callable[[datetime], str]:
        """Return what renders a moment inside a statement's text."""

        def render(value: datetime) -> str:
            text = _in_utc(value).isoformat(timespec="microseconds")
            return f"TIMESTAMPTZ '{text}'" if dialect.name == "postgresql" else f"'{text}'"

        return render

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """Turn what the driver gives into an aware moment in UTC."""
        if value is None:
            return None
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """An exact amount with a fixed number of decimals.

    SQLite stores NUMERIC as a float; reading rounds to the scale again, which is exact
    for amounts below 2**53 units of the last decimal.
    """

    impl = sa.Numeric
    cache_ok = True

    def __init__(self, precision: int = 12, scale: int = 2) -> None:
        super().__init__(precision, scale)
        self.precision = precision
        self.scale = scale

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        """Read floats on SQLite, decimals on PostgreSQL."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.Numeric(self.precision, self.scale))
        return dialect.type_descriptor(sa.Numeric(self.precision, self.scale, asdecimal=False))

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> Any:
        """Turn an amount into what the driver takes."""
        if value is None or dialect.name == "postgresql":
            return value
        return float(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:
        """Give the exact amount back."""
        if value is None:
            return None
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-self.scale))


def arrow_type(column_type: TypeEngine[Any]) -> pa.DataType:
    """Return the Arrow type that a column of the database is read as."""
    match column_type:
        case UtcDateTime():
            return pa.timestamp("us", tz="UTC")
        case Money():
            return pa.decimal128(column_type.precision, column_type.scale)
        case sa.Numeric() if column_type.asdecimal and column_type.scale is not None:
            return pa.decimal128(column_type.precision or 38, column_type.scale)
        case sa.Boolean():
            return pa.bool_()
        case sa.Integer():
            return pa.int64()
        case sa.Float() | sa.Numeric():
            return pa.float64()
        case sa.Date():
            return pa.date32()
        case sa.LargeBinary():
            return pa.binary()
        case _:
            return pa.string()


def _copied_type(column_type: TypeEngine[Any]) -> pa.DataType:
    """Return the Arrow type that PostgreSQL takes into a column as it is."""
    # A BIGINT is an `Integer` too.
    if isinstance(column_type, sa.Integer) and not isinstance(column_type, sa.BigInteger):
        return pa.int32()
    return arrow_type(column_type)


def _as_columns(
    data: pa.Table,
    columns: Iterable[sa.Column[Any]],
    type_of: Callable[[TypeEngine[Any]], pa.DataType] = arrow_type,
) -> pa.Table:
    """Return rows in the types of the columns of a table, which are theirs in name and order."""
    return data.cast(pa.schema([(column.name, type_of(column.type)) for column in columns]))


class Database:
    """The central database.

    Args:
        url: SQLAlchemy URL; `sqlite:///path` or `postgresql://...`.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except (sa.exc.ArgumentError, ValueError):
            # Not quoted: what cannot be read as a URL may still hold a password.
            raise DatabaseUnavailable(
                "PRICING_DATABASE_URL is not a URL; use sqlite:///path or "
                "postgresql://user@host/name."
            ) from None
        backend = parsed.get_backend_name()
        if backend in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg2")
            self.engine = sa.create_engine(parsed, pool_pre_ping=True)
            self._arrow_pool = _arrow_pool(parsed)
        elif backend == "sqlite":
            if parsed.database and parsed.database != ":memory:":
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine = sa.create_engine(
                parsed,
                connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "isolation_level": None},
                # The one that was used last: what another one has in its cache is of no use any
                # more once this one has written, and yet would stay there.
                poolclass=sa.pool.QueuePool,
                pool_use_lifo=True,
            )
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)
        else:
            raise DatabaseUnavailable(
                f"PRICING_DATABASE_URL names the database {backend!r}; "
                "use sqlite:///path or postgresql://user@host/name."
            )

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @property
    def shown_url(self) -> str:
        """Its URL for a person: without password, and without options, which may have one."""
        return self.engine.url.set(query={}).render_as_string(hide_password=True)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()
        if self.dialect == "postgresql":
            self._arrow_pool.dispose()

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Open a transaction that writes; commits at the end, rolls back on an error."""
        writing = self.engine.connect().execution_options(pricing_writes=True)
        with writing as connection, connection.begin():
            yield connection

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Open a connection for reading."""
        with self.engine.connect() as connection:
            yield connection

    def scalar(self, statement: AnySelect) -> Any:
        """Return the first column of the first row, or None."""
        with self.connect() as connection:
            return connection.execute(statement).scalar()

    def rows(self, statement: AnySelect) -> Sequence[sa.Row[Any]]:
        """Return all rows of a statement whose result is known to be small."""
        with self.connect() as connection:
            return connection.execute(statement).all()

    def execute(self, statement: Executable, parameters: Any = None) -> int:
        """Run one writing statement in its own transaction; return the rows it touched."""
        with self.begin() as connection:
            return connection.execute(statement, parameters).rowcount

    def sql(self, statement: Any) -> str:
        """Return a statement's text with its values inside, for this database."""
        dialect = self.engine.dialect
        if self.dialect == "postgresql":
            from sqlalchemy.dialects.postgresql.base import PGDialect

            # psycopg2's dialect doubles every %, which only psycopg2 makes single again.
            dialect = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]
        return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))

    def read_arrow(self, statement: AnySelect) -> pa.Table:
        """Return a select's rows as one Arrow table, typed by the select's columns."""
        batches = list(self.iter_arrow(statement))
        return pa.Table.from_batches(batches, schema=self.arrow_schema(statement))

    def read_at_once(self, statement: AnySelect) -> pa.Table:
        """Return what `read_arrow` does, in half the time on SQLite, which makes texts of it.

        Each holds 1 GB, and neither floats nor bytes.
        """
        if self.dialect == "postgresql":
            return self.read_arrow(statement)
        return self._read_together(statement)

    def read_at_most(self, statement: AnySelect, rows: int) -> pa.Table | None:
        """Return what `read_at_once` does; None where that would be more rows, in bounded memory.

        None also where SQLite would make a text of more bytes than of as many moments.
        """
        if self.dialect == "postgresql":
            table = self.read_arrow(statement.limit(rows + 1))
        else:
            try:
                # For a LIMIT SQLite takes every row through a table of its own: the texts have one.
                table = self._read_together(statement, max(rows * BYTES_A_ROW, LEAST_BYTES))
            except sqlite3.DataError:
                return None
        return table if table.num_rows <= rows else None

    def _read_together(self, statement: AnySelect, longest: int | None = None) -> pa.Table:
        schema = self.arrow_schema(statement)
        with self.connect() as connection:
            return read_together(connection, statement, schema, self.sql, longest)

    def arrow_schema(self, statement: AnySelect) -> pa.Schema:
        """Return the Arrow schema that `read_arrow` gives for a select."""
        return pa.schema(
            [(column.name, arrow_type(column.type)) for column in statement.selected_columns]
        )

    def texts(self, values: Sequence[str]) -> AnySelect:
        """Return the select of given texts, for an IN: thousands of them are one value in it."""
        return sa.select(self.numbered(values).c.value)

    def numbered(self, values: Sequence[str]) -> sa.Subquery:
        """Return given texts to join with: each is a `value`, its `place` counts from 0."""
        listed, value = sa.literal(json.dumps(values)), sa.column("value", sa.Text())
        if self.dialect == "postgresql":
            rows = sa.func.json_array_elements_text(sa.cast(listed, sa.JSON())).table_valued(
                value, with_ordinality="number", name="listed"
            )
            rows = rows.render_derived()
            place = sa.cast(rows.c.number, sa.BigInteger()) - 1
        else:
            rows = sa.func.json_each(listed).table_valued(
                value, sa.column("key", sa.BigInteger()), name="listed"
            )
            place = rows.c.key
        return sa.select(rows.c.value, place.label("place")).subquery("numbered")

    def iter_arrow(
        self, statement: AnySelect, batch_rows: int = ARROW_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Yield a select's rows as Arrow batches, in bounded memory."""
        schema = self.arrow_schema(statement)
        if self.dialect == "postgresql":
            with self.adbc() as connection, connection.cursor() as cursor:
                cursor.execute(self.sql(_with_units(statement, schema)))
                for batch in cursor.fetch_record_batch():
                    yield conform(_of_units(batch, schema), schema)
            return
        with self.connect() as connection, ThreadPoolExecutor(1) as decoder:
            cursor = cast(Any, connection.connection.driver_connection).cursor()
            cursor.execute(self.sql(packed(statement, schema)))
            read = iter(partial(fetched, cursor, batch_rows), [])
            yield from map_ahead(decoder, partial(unpacked, schema=schema), read, DECODED_AHEAD)

    @contextmanager
    def bulk(self) -> Iterator["Bulk"]:
        """Open a transaction that takes Arrow; commits at the end, rolls back on an error."""
        if self.dialect == "postgresql":
            with self.adbc() as connection:
                staging = _PostgresBulk(self, connection)
                yield staging
                staging.drop_staged()
                connection.commit()
            return
        with self.begin() as sqlite_connection:
            bulk = _SqliteBulk(self, sqlite_connection)
            yield bulk
            bulk.drop_staged()

    def upsert(
        self, table: sa.Table, data: pa.Table, *, update: Iterable[str] = (), new: bool = False
    ) -> int:
        """Insert rows in one transaction of its own; see `Bulk.upsert`.

        Args:
            new: None of the rows should be there yet, which makes it faster on PostgreSQL. Where
                one is, as another process was faster, it is as without.
        """
        if new and self.dialect == "postgresql" and self._copied(table, data):
            return int(data.num_rows)
        with self.bulk() as bulk:
            return bulk.upsert(table, data, update=update)

    def _copied(self, table: sa.Table, data: pa.Table) -> bool:
        """Copy rows right into a table of PostgreSQL; return False where a key stands against it.

        A fifth less time than by a temporary table.
        """
        import adbc_driver_manager

        columns = [table.columns[name] for name in data.schema.names]
        conformed = _as_columns(data, columns, _copied_type)
        try:
            with self.adbc() as connection, connection.cursor() as cursor:
                cursor.adbc_ingest(table.name, conformed, mode="append")
                connection.commit()
        except adbc_driver_manager.IntegrityError:
            return False
        return True

    @contextmanager
    def adbc(self) -> Iterator[Any]:
        """Open a connection of its own to PostgreSQL that moves Arrow."""
        connection = self._arrow_pool.connect()
        try:
            yield connection
        except BaseException:
            # It may be in the middle of a COPY: nobody else gets it.
            connection.invalidate()
            raise
        connection.close()


class Bulk:
    """One transaction that moves Arrow in, and runs set-based statements over it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stagings = 0

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._database.dialect

    def stage(self, data: pa.Table, like: sa.Table | None = None) -> sa.Table:
        """Load rows into a temporary table of this transaction and return it.

        Columns take the type of the column of that name in `like`, else the one that
        suits their Arrow type.
        """
        table = self._stage(data, like)
        self._analyze(table)
        return table

    def stage_from(self, rows: AnySelect, key: str) -> sa.Table:
        """Load the rows of a select into a temporary table, to be looked up by a column."""
        table = self._stage(self._database.arrow_schema(rows).empty_table())
        self.insert_from(table, rows)
        # Not as an `Index`, which would stay with a table that later transactions share.
        self.execute(sa.text(f'CREATE INDEX "{table.name}_{key}" ON "{table.name}" ("{key}")'))
        self._analyze(table)
        return table

    def upsert(self, table: sa.Table, data: pa.Table, *, update: Iterable[str] = ()) -> int:
        """Insert rows; where the primary key exists, overwrite the `update` columns only.

        Without `update`, rows that collide with any unique key are left as they are.

        Returns:
            How many rows were inserted or overwritten.
        """
        if data.num_rows == 0:
            return 0
        return self._upsert(table, data, list(update))

    def insert_from(self, table: sa.Table, rows: AnySelect, *, update: Iterable[str] = ()) -> int:
        """Insert the rows of a select whose columns are named as the table's."""
        names = [column.name for column in rows.selected_columns]
        # SQLite reads "ON CONFLICT" after a bare SELECT as a join's ON without a WHERE.
        insert = self._insert(table).from_select(names, rows.where(sa.true()))
        return self.execute(_where_it_exists(insert, table, list(update)))

    def append_from(self, table: sa.Table, rows: AnySelect) -> int:
        """Insert the rows of a select, none of which is there: a sixth faster than otherwise."""
        names = [column.name for column in rows.selected_columns]
        return self.execute(sa.insert(table).from_select(names, rows))

    def execute(self, statement: Executable) -> int:
        """Run a writing statement; return the rows it touched."""
        raise NotImplementedError

    def rows(self, statement: AnySelect) -> list[tuple[Any, ...]]:
        """Return the rows of a select, known to be few, as this transaction sees them."""
        raise NotImplementedError

    def _stage(self, data: pa.Table, like: sa.Table | None = None) -> sa.Table:
        self._stagings += 1
        table = _staging_table(self._stagings, tuple(data.schema), like)
        self._load(table, _as_columns(data, table.columns))
        return table

    def _insert(self, table: sa.Table) -> "_Insert":
        raise NotImplementedError

    def _upsert(self, table: sa.Table, data: pa.Table, update: list[str]) -> int:
        raise NotImplementedError

    def _load(self, table: sa.Table, data: pa.Table) -> None:
        raise NotImplementedError

    def _analyze(self, table: sa.Table) -> None:
        """Tell the planner what a temporary table holds, where it does not look by itself."""


_Insert = postgresql.Insert | sqlite.Insert


def _where_it_exists(insert: _Insert, table: sa.Table, update: list[str]) -> _Insert:
    """Let an insert overwrite columns where the primary key exists, or leave what is there."""
    if not update:
        return insert.on_conflict_do_nothing()
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={name: insert.excluded[name] for name in update},
    )


def _with_units(statement: AnySelect, schema: pa.Schema) -> AnySelect:
    """Return a select of PostgreSQL with each amount as a whole number of its last decimal.

    Arrow gets a numeric as a text, and makes that an amount: a fifth more time for a row with one.
    """
    amounts = [pa.types.is_decimal(field.type) and is_packed(field) for field in schema]
    if not any(amounts):
        return statement
    rows = statement.subquery("rows")
    return sa.select(
        *(
            sa.cast(sa.type_coerce(column, sa.Numeric()) * 10**field.type.scale, sa.BigInteger())
            if is_amount
            else column
            for column, field, is_amount in zip(rows.columns, schema, amounts, strict=True)
        )
    )


def _of_units(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return what `_with_units` gave, with the amounts."""
    columns = (
        of_packed(column, field) if is_packed(field) else column
        for column, field in zip(batch.columns, schema, strict=True)
    )
    return pa.RecordBatch.from_arrays(list(columns), names=schema.names)


class _PostgresBulk(Bulk):
    def __init__(self, database: Database, connection: Any) -> None:
        super().__init__(database)
        self._connection = connection
        self._staged: list[str] = []

    def execute(self, statement: Executable) -> int:
        with self._connection.cursor() as cursor:
            cursor.execute(self._database.sql(statement))
            return max(int(cursor.rowcount), 0)

    def rows(self, statement: AnySelect) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(self._database.sql(statement))
            return [tuple(row) for row in cursor.fetchall()]

    def _insert(self, table: sa.Table) -> _Insert:
        return postgresql.insert(table)

    def _upsert(self, table: sa.Table, data: pa.Table, update: list[str]) -> int:
        # Not analyzed, which takes half as long as the insert: all of it is read, and once.
        staged = self._stage(data, like=table)
        return self.insert_from(table, sa.select(*staged.columns), update=update)

    def _load(self, table: sa.Table, data: pa.Table) -> None:
        self._staged.append(table.name)
        with self._connection.cursor() as cursor:
            cursor.adbc_ingest(table.name, data, mode="create", temporary=True)

    def _analyze(self, table: sa.Table) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(f'ANALYZE "{table.name}"')

    def drop_staged(self) -> None:
        with self._connection.cursor() as cursor:
            for name in self._staged:
                cursor.execute(f'DROP TABLE "{name}"')


class _SqliteBulk(Bulk):
    def __init__(self, database: Database, connection: sa.Connection) -> None:
        super().__init__(database)
        self._connection = connection
        self._staged: list[str] = []

    def execute(self, statement: Executable) -> int:
        return self._connection.execute(statement).rowcount

    def rows(self, statement: AnySelect) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._connection.execute(statement)]

    def _insert(self, table: sa.Table) -> _Insert:
        return sqlite.insert(table)

    def _upsert(self, table: sa.Table, data: pa.Table, update: list[str]) -> int:
        # Without a temporary table, which would only write the rows twice.
        columns = [table.columns[name] for name in data.schema.names]
        conformed = _as_columns(data, columns)
        insert = self._insert(table).values({c.name: sa.bindparam(c.name) for c in columns})
        statement = _where_it_exists(insert, table, update)
        positional = sqlite.dialect(paramstyle="qmark")
        compiled = statement.compile(dialect=positional, column_keys=data.schema.names)
        return self._insert_many(str(compiled), conformed.select(compiled.positiontup or []))

    def _load(self, table: sa.Table, data: pa.Table) -> None:
        table.create(self._connection)
        self._staged.append(table.name)
        marks = ", ".join("?" * len(data.schema))
        self._insert_many(f'INSERT INTO temp."{table.name}" VALUES ({marks})', data)  # noqa: S608

    def _insert_many(self, statement: str, data: pa.Table) -> int:
        cursor = cast(Any, self._connection.connection.driver_connection).cursor()
        touched = 0
        for batch in data.to_batches(max_chunksize=BATCH_ROWS):
            columns = [_sqlite_values(batch.column(i)) for i in range(batch.num_columns)]
            cursor.executemany(statement, zip(*columns, strict=True))
            touched += cursor.rowcount
        return touched

    def drop_staged(self) -> None:
        for name in self._staged:
            self._connection.exec_driver_sql(f'DROP TABLE temp."{name}"')


def _arrow_pool(url: sa.URL) -> sa.pool.Pool:
    """Return the pool of connections that move Arrow: making one takes 40 ms."""
    from adbc_driver_postgresql import dbapi

    name = url.set(drivername="postgresql").render_as_string(hide_password=False)
    pool = sa.pool.QueuePool(lambda: dbapi.connect(name), pool_size=2, max_overflow=-1)

    def ping(connection: Any, _record: Any, _proxy: Any) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            # The transaction that begins by it is not the caller's.
            connection.rollback()
        except dbapi.Error as error:
            # The server was restarted meanwhile: the pool makes another.
            raise sa.exc.DisconnectionError(str(error)) from None

    sa.event.listen(pool, "checkout", ping)
    return pool


def redacted(message: str) -> str:
    """Return a message without the password of any URL in it."""
    return re.sub(r"(://[^:/@\s]*):\S*@", r"\1:***@", message)


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; every stored moment is aware")
    return moment.astimezone(UTC)


def _prepare_sqlite(dbapi_connection: Any, _record: Any) -> None:
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA cache_size = -65536")
    cursor.execute("PRAGMA temp_store = FILE")
    # Of a million rows, a sort beside the reading saves half a second of one and a half.
    cursor.execute("PRAGMA threads = 2")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A reader that turns writer in mid-transaction fails at once with "database is
    # locked"; a writer takes the lock at its start, where the busy timeout applies.
    writes = connection.get_execution_options().get("pricing_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@lru_cache(maxsize=256)
def _staging_table(number: int, fields: tuple[pa.Field, ...], like: sa.Table | None) -> sa.Table:
    """Return the temporary table of a transaction's so many-th staging.

    The same one for the same fields: SQLAlchemy keeps the text of some hundred statements with
    all that they were made of, 50 KB each, and finds one again by its tables.
    """
    return sa.Table(
        f"staged_{number}",
        sa.MetaData(),
        *(sa.Column(field.name, _column_type(field, like)) for field in fields),
        prefixes=["TEMPORARY"],
    )


def _column_type(field: pa.Field, like: sa.Table | None) -> TypeEngine[Any]:
    if like is not None and field.name in like.columns:
        column_type = like.columns[field.name].type
        return column_type if isinstance(column_type, TypeEngine) else sa.Text()
    match field.type:
        case t if pa.types.is_timestamp(t):
            return UtcDateTime()
        case t if pa.types.is_decimal(t):
            return Money(t.precision, t.scale)
        case t if pa.types.is_boolean(t):
            return sa.Boolean()
        case t if pa.types.is_integer(t):
            return sa.BigInteger()
        case t if pa.types.is_floating(t):
            return sa.Float()
        case t if pa.types.is_date(t):
            return sa.Date()
        case t if pa.types.is_binary(t):
            return sa.LargeBinary()
        case _:
            return sa.Text()


def _sqlite_values(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        # A tenth of what `strftime` takes.
        text = pc.binary_replace_slice(
            column.cast(pa.timestamp("us")).cast(pa.string()), 10, 11, "T"
        )
        column = pc.binary_join_element_wise(text, "+00:00", "")
    elif pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    elif pa.types.is_date(column.type):
        column = column.cast(pa.string())
    return cast(list[Any], column.to_pylist())
