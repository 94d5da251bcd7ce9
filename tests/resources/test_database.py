import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from resources import database as module
from resources.database import (
    AnySelect,
    Database,
    DatabaseUnavailable,
    Money,
    UtcDateTime,
    redacted,
)
from tests.conftest import ROOT, DatabaseUrl

SCHEMA = sa.MetaData()
EVENTS = sa.Table(
    "events",
    SCHEMA,
    sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("at", UtcDateTime()),
    sa.Column("amount", Money(12, 2)),
    sa.Column("rate", Money(18, 8)),
    sa.Column("share", sa.Float()),
    sa.Column("happened", sa.Boolean()),
    sa.Column("day", sa.Date()),
    sa.Column("count", sa.Integer()),
    sa.Column("body", sa.LargeBinary()),
    sa.Column("name", sa.Text()),
)
NAMED = sa.Table(
    "named",
    SCHEMA,
    sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text(), unique=True),
    sa.Column("size", sa.BigInteger(), server_default=sa.text("7")),
    sa.Column("event", sa.BigInteger(), sa.ForeignKey("events.id")),
)
ARROW = pa.schema(
    [
        ("id", pa.int64()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("amount", pa.decimal128(12, 2)),
        ("rate", pa.decimal128(18, 8)),
        ("share", pa.float64()),
        ("happened", pa.bool_()),
        ("day", pa.date32()),
        ("count", pa.int64()),
        ("body", pa.binary()),
        ("name", pa.string()),
    ]
)

minutes = st.integers(-14 * 60, 14 * 60)
zones = minutes.map(lambda offset: timezone(timedelta(minutes=offset)))
moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=zones)  # noqa: DTZ001
amounts = st.decimals("-9999999999.99", "9999999999.99", places=2) | st.decimals(0, 100, places=2)
rates = st.decimals(0, 1_000_000, places=8)
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
rows_of_events = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.none() | moments,
            "amount": st.none() | amounts,
            "rate": st.none() | rates,
            "share": st.none() | st.floats(0, 1),
            "happened": st.none() | st.booleans(),
            "day": st.none() | st.dates(date(1900, 1, 1), date(2200, 1, 1)),
            "count": st.none() | st.integers(-(2**31), 2**31 - 1),
            "body": st.none() | st.binary(max_size=20),
            "name": st.none() | texts,
        }
    ),
    min_size=1,
    max_size=20,
)
ON_ONE_DATABASE = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def database(database_url: DatabaseUrl) -> Iterator[Database]:
    database = Database(database_url)
    SCHEMA.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'pricing.db'}")
    SCHEMA.create_all(database.engine)
    yield database
    database.close()


def named(*rows: tuple[int, str], **columns: list[Any]) -> pa.Table:
    return pa.table(
        {
            "id": pa.array([number for number, _ in rows], pa.int64()),
            "name": pa.array([name for _, name in rows], pa.string()),
            **columns,
        }
    )


def stored(database: Database) -> list[tuple[Any, ...]]:
    statement = sa.select(NAMED.c.id, NAMED.c.name, NAMED.c.size).order_by(NAMED.c.id)
    return [tuple(row) for row in database.rows(statement)]


def events(database: Database) -> AnySelect:
    return sa.select(*EVENTS.columns).order_by(EVENTS.c.id)


def numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": number, **row} for number, row in enumerate(rows)]


@given(rows_of_events)
@ON_ONE_DATABASE
def test_what_is_written_as_rows_is_read_again(
    database: Database, rows: list[dict[str, Any]]
) -> None:
    database.execute(sa.delete(EVENTS))
    database.execute(sa.insert(EVENTS), numbered(rows))
    found = [dict(row._mapping) for row in database.rows(events(database))]
    assert found == numbered(rows)
    assert all(row["at"] is None or row["at"].tzinfo is UTC for row in found)
    assert database.read_arrow(events(database)).to_pylist() == numbered(rows)


@pytest.mark.parametrize("new", [False, True])
@given(rows=rows_of_events)
@ON_ONE_DATABASE
def test_what_is_written_as_arrow_is_read_again(
    database: Database, new: bool, rows: list[dict[str, Any]]
) -> None:
    table = pa.Table.from_pylist(numbered(rows), schema=ARROW)
    database.execute(sa.delete(EVENTS))
    assert database.upsert(EVENTS, table, new=new) == len(rows)
    assert database.read_arrow(events(database)).equals(table)
    assert [dict(row._mapping) for row in database.rows(events(database))] == numbered(rows)


@given(st.lists(moments, min_size=2, max_size=10))
@ON_ONE_DATABASE
def test_moments_are_ordered_and_compared_as_moments(
    database: Database, instants: list[datetime]
) -> None:
    database.execute(sa.delete(EVENTS))
    database.execute(
        sa.insert(EVENTS), [{"id": number, "at": at} for number, at in enumerate(instants)]
    )
    ordered = database.rows(sa.select(EVENTS.c.at).order_by(EVENTS.c.at))
    assert [row.at for row in ordered] == sorted(instants)
    until = sa.select(sa.func.count()).where(EVENTS.c.at <= instants[0])
    expected = sum(instant <= instants[0] for instant in instants)
    assert database.scalar(until) == expected
    assert database.read_arrow(until.add_columns(sa.literal(1).label("one")))[0][0].as_py() == (
        expected
    )


def test_a_moment_without_a_zone_is_refused(database: Database) -> None:
    naive = datetime(2026, 10, 20, 12)  # noqa: DTZ001
    with pytest.raises(sa.exc.StatementError, match="has no time zone"):
        database.execute(sa.insert(EVENTS), {"id": 1, "at": naive})
    with pytest.raises(sa.exc.CompileError) as refusal:
        database.read_arrow(sa.select(EVENTS.c.id).where(EVENTS.c.at == naive))
    assert "has no time zone" in str(refusal.value.__cause__)
    assert database.rows(events(database)) == []


def test_arrow_has_the_same_types_on_both_databases(database: Database) -> None:
    assert database.arrow_schema(events(database)).equals(ARROW)
    empty = database.read_arrow(events(database))
    assert empty.schema.equals(ARROW)
    assert empty.num_rows == 0
    database.execute(sa.insert(EVENTS), [{"id": 1}, {"id": 2, "amount": Decimal("0.10")}])
    assert database.read_arrow(events(database)).schema.equals(ARROW)


hard_texts = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.text(st.sampled_from("\"\\/,[]\n\r\0\x1f\x7f\ufeff\u2028'nu é😀"), max_size=12)
    | st.sampled_from(["null", '"null"', "\\n", "\\u0041", "0", "[0", "0]", "", "{}", '["a", 1]'])
)
finite = st.floats(allow_nan=False) | st.sampled_from([5e-324, 1.7976931348623157e308, 0.1 + 0.2])


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "name": st.none() | hard_texts,
                "other": st.none() | hard_texts,
                "share": st.none() | finite,
                "count": st.none() | st.integers(-(2**31), 2**31 - 1),
                "body": st.none() | st.binary(max_size=20),
                "amount": st.none() | amounts,
                "rate": st.none() | rates,
                "number": st.none() | st.integers(-(2**63), 2**63 - 1),
                "at": st.none() | moments,
            }
        ),
        min_size=1,
        max_size=20,
    ),
    st.integers(1, 20),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_sqlite_gives_every_value_exactly(
    sqlite: Database, values: list[dict[str, Any]], batch_rows: int
) -> None:
    sqlite.execute(sa.delete(EVENTS))
    rows = [
        {"id": place, **{name: value for name, value in row.items() if name in EVENTS.columns}}
        for place, row in enumerate(values)
    ]
    sqlite.execute(sa.insert(EVENTS), rows)
    assert pa.Table.from_batches(sqlite.iter_arrow(events(sqlite), batch_rows)).equals(
        pa.Table.from_pylist(rows, schema=ARROW)
    )
    for one in EVENTS.columns:
        alone = sqlite.read_arrow(sa.select(one).order_by(EVENTS.c.id))
        assert alone[one.name].to_pylist() == [row.get(one.name) for row in rows]
    if "\0" not in (values[0]["other"] or ""):  # which SQL text cannot hold
        other = sa.literal(values[0]["other"], sa.Text()).label("other")
        number = sa.literal(values[0]["number"], sa.BigInteger()).label("number")
        assert sqlite.read_arrow(sa.select(other, number)).to_pylist() == [
            {name: values[0][name] for name in ("other", "number")}
        ]


def test_the_json_of_a_function_is_a_text(sqlite: Database) -> None:
    sqlite.upsert(NAMED, named((2, "two"), (1, 'o"ne')))
    names = sa.func.json_group_array(NAMED.c.name, type_=sa.Text()).label("names")
    expected = [{"names": '["two","o\\"ne"]'}]
    in_order = sa.select(NAMED.c.name).order_by(NAMED.c.id.desc()).subquery()
    direct: AnySelect = sa.select(
        sa.func.json_group_array(in_order.c.name, type_=sa.Text()).label("names")
    )
    assert sqlite.read_arrow(direct).to_pylist() == expected
    assert sqlite.read_arrow(sa.select(direct.subquery().c.names)).to_pylist() == expected
    assert sqlite.read_arrow(sa.select(names)).num_rows == 1


def test_columns_of_one_name_and_the_order_are_kept(sqlite: Database) -> None:
    sqlite.upsert(NAMED, named((1, "one"), (2, "two"), (3, "three")))
    other = NAMED.alias()
    statement: AnySelect = (
        sa.select(NAMED.c.name, other.c.name)
        .join(other, other.c.id == NAMED.c.id + 1)
        .order_by(NAMED.c.id.desc())
    )
    found = sqlite.read_arrow(statement)
    assert [column.to_pylist() for column in found.columns] == [["two", "one"], ["three", "two"]]


def test_arrow_is_read_in_batches(database: Database) -> None:
    database.upsert(EVENTS, pa.table({"id": pa.array(range(2_500), pa.int64())}))
    batches = list(database.iter_arrow(events(database), batch_rows=1_000))
    assert sum(batch.num_rows for batch in batches) == 2_500
    assert all(batch.schema.equals(ARROW) for batch in batches)
    if database.dialect == "sqlite":
        assert [batch.num_rows for batch in batches] == [1_000, 1_000, 500]


def test_a_reader_that_is_left_half_way_disturbs_nobody(database: Database) -> None:
    database.upsert(NAMED, named(*((number, f"{number}") for number in range(100))))
    for _ in range(3):
        batches = database.iter_arrow(sa.select(NAMED.c.id).order_by(NAMED.c.id), batch_rows=10)
        assert next(batches).num_rows > 0
        del batches
    assert database.read_arrow(sa.select(NAMED.c.id)).num_rows == 100


def test_a_connection_that_the_server_closed_is_replaced(postgres_url: DatabaseUrl) -> None:
    database = Database(postgres_url)
    SCHEMA.create_all(database.engine)
    database.upsert(NAMED, named((1, "before")))
    administration = sa.create_engine(str(postgres_url), poolclass=sa.NullPool)
    with administration.connect() as connection:
        ended = connection.exec_driver_sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).scalar()
    assert ended == 2
    database.upsert(NAMED, named((2, "after")))
    assert [name for _, name, _ in stored(database)] == ["before", "after"]
    database.close()


@given(texts)
@ON_ONE_DATABASE
def test_a_literal_reaches_the_database_as_it_is(database: Database, text: str) -> None:
    values = [text, f"50% {text} %s %(x)s", f"a\\b' {text} :name ?"]
    literals = [sa.literal(value, sa.Text()).label(f"v{i}") for i, value in enumerate(values)]
    assert list(database.read_arrow(sa.select(*literals)).to_pylist()[0].values()) == values


def test_upsert_without_update_leaves_what_is_there(database: Database) -> None:
    assert database.upsert(NAMED, named((1, "one"), (2, "two"))) == 2
    assert database.upsert(NAMED, named((1, "ONE"), (3, "three"))) == 1
    assert database.upsert(NAMED, named((4, "two"), (5, "five"))) == 1
    assert stored(database) == [(1, "one", 7), (2, "two", 7), (3, "three", 7), (5, "five", 7)]


def test_upsert_overwrites_the_named_columns_only(database: Database) -> None:
    database.upsert(NAMED, named((1, "one"), (2, "two"), size=[10, 20]))
    again = named((1, "uno"), (3, "tres"), size=[11, 30])
    assert database.upsert(NAMED, again, update=("name",)) == 2
    assert stored(database) == [(1, "uno", 10), (2, "two", 20), (3, "tres", 30)]


@pytest.mark.parametrize("new", [False, True])
def test_upsert_overwrites_also_what_is_thought_new(database: Database, new: bool) -> None:
    database.upsert(NAMED, named((2, "two"), (9, "nine"), size=[20, 90]))
    rows = named((1, "uno"), (2, "dos"), (3, "tres"), size=[1, 2, 3])
    assert database.upsert(NAMED, rows, update=("name",), new=new) == 3
    assert stored(database) == [(1, "uno", 1), (2, "dos", 20), (3, "tres", 3), (9, "nine", 90)]
    assert database.upsert(NAMED, named((4, "four")), update=("name",), new=new) == 1
    assert stored(database)[3] == (4, "four", 7)


def test_upsert_of_nothing_does_nothing(database: Database) -> None:
    assert database.upsert(NAMED, named()) == 0
    assert database.upsert(NAMED, named(), update=("name",)) == 0
    assert database.upsert(NAMED, named(), update=("name",), new=True) == 0
    assert stored(database) == []


def test_insert_from_takes_a_select(database: Database) -> None:
    database.upsert(NAMED, named((1, "one"), (2, "two")))
    with database.bulk() as bulk:
        chosen = sa.select((NAMED.c.id + 10).label("id"), (NAMED.c.name + "!").label("name"))
        assert bulk.insert_from(NAMED, chosen.where(NAMED.c.id == 2)) == 1
        assert bulk.insert_from(NAMED, chosen.where(NAMED.c.id < 10)) == 1
    assert [name for _, name, _ in stored(database)] == ["one", "two", "one!", "two!"]


def test_staged_rows_can_be_joined_and_do_not_stay(database: Database) -> None:
    database.upsert(NAMED, named((1, "one"), (2, "two"), (3, "three")))
    with database.bulk() as bulk:
        staged = bulk.stage(pa.table({"id": [1, 3], "amount": [Decimal("1.50"), Decimal(3)]}))
        other = bulk.stage(pa.table({"id": [3]}))
        touched = bulk.execute(
            sa.update(NAMED).values(size=100).where(NAMED.c.id == staged.c.id, staged.c.amount > 1)
        )
        assert touched == 2
        assert bulk.execute(sa.delete(NAMED).where(NAMED.c.id.in_(sa.select(other.c.id)))) == 1
    assert stored(database) == [(1, "one", 100), (2, "two", 7)]
    for table in (staged, other):
        with pytest.raises(Exception, match=table.name):
            database.rows(sa.select(table))


def test_what_is_staged_alike_has_one_table(database: Database) -> None:
    # SQLAlchemy keeps what it made of a statement for as long as its tables may come again.
    def stage(rows: pa.Table, like: sa.Table | None = None) -> tuple[sa.Table, list[Any]]:
        with database.bulk() as bulk:
            bulk.stage(pa.table({"other": ["first"]}))
            table = bulk.stage(rows, like=like)
            return table, bulk.rows(sa.select(table.c.id, table.c.name).order_by(table.c.id))

    first, _ = stage(named((1, "one")))
    again, rows = stage(named((2, "two"), (3, "three")))
    assert again is first
    assert rows == [(2, "two"), (3, "three")]
    assert stage(named((4, "four")), like=EVENTS)[0] is not first


def test_a_staged_select_is_indexed_each_time(database: Database) -> None:
    database.upsert(NAMED, named((1, "one"), (2, "two")))
    rows = sa.select(NAMED.c.id, NAMED.c.name)
    for _ in range(2):
        with database.bulk() as bulk:
            staged = bulk.stage_from(rows, "id")
            found = bulk.rows(sa.select(staged.c.name).where(staged.c.id == 2))
            assert found == [("two",)]


def test_a_block_that_raises_leaves_nothing(database: Database) -> None:
    def fail_in_bulk() -> None:
        with database.bulk() as bulk:
            bulk.upsert(NAMED, named((1, "one")))
            bulk.stage(named((1, "one")))
            raise RuntimeError("stop")

    def fail_in_begin() -> None:
        with database.begin() as connection:
            connection.execute(sa.insert(NAMED), {"id": 2, "name": "two"})
            raise RuntimeError("stop")

    for fail in (fail_in_bulk, fail_in_begin):
        with pytest.raises(RuntimeError, match="stop"):
            fail()
    assert stored(database) == []
    # The connection goes on to be of use.
    assert database.upsert(NAMED, named((3, "three"))) == 1
    with database.bulk() as bulk:
        staged = bulk.stage(named((4, "four")))
        assert [row[0] for row in bulk.rows(sa.select(staged))] == [4]


@pytest.mark.parametrize("new", [False, True])
def test_a_statement_that_fails_leaves_nothing(database: Database, new: bool) -> None:
    orphan = named((1, "one"), event=[404])
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        database.upsert(NAMED, orphan, new=new)
    assert stored(database) == []


def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError, match=r"(?i)foreign key"):
        database.execute(sa.insert(NAMED), {"id": 1, "event": 404})
    database.execute(sa.insert(EVENTS), {"id": 5})
    database.execute(sa.insert(NAMED), {"id": 1, "event": 5})
    with pytest.raises(sa.exc.IntegrityError, match=r"(?i)foreign key"):
        database.execute(sa.delete(EVENTS))


def test_sqlite_keeps_a_write_ahead_log_and_its_promises(sqlite: Database) -> None:
    with sqlite.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 2,
        "busy_timeout": 30_000,
    }


def test_a_reader_sees_the_state_before_while_another_writes(sqlite: Database) -> None:
    with sqlite.bulk() as bulk:
        bulk.upsert(NAMED, named((1, "one")))
        assert stored(sqlite) == []
    assert stored(sqlite) == [(1, "one", 7)]


@pytest.mark.parametrize("new", [False, True])
def test_a_second_writer_waits(database: Database, new: bool) -> None:
    holding, failures = threading.Event(), []

    def hold() -> None:
        with database.begin() as connection:
            connection.execute(sa.insert(NAMED), {"id": 1, "name": "same"})
            holding.set()
            time.sleep(0.3)

    def write() -> None:
        holding.wait()
        try:
            database.upsert(NAMED, named((2, "same"), (3, "other")), new=new)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=hold), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert failures == []
    assert stored(database) == [(1, "same", 7), (3, "other", 7)]


COUNT_UP = """
import sys
import sqlalchemy as sa
from resources.database import Database

database = Database(sys.argv[1])
for _ in range(40):
    with database.begin() as connection:
        size = connection.execute(sa.text("SELECT size FROM named")).scalar_one()
        connection.execute(sa.text("UPDATE named SET size = :size"), {"size": size + 1})
"""


def test_processes_that_read_and_then_write_lose_no_update(sqlite: Database) -> None:
    sqlite.upsert(NAMED, named((1, "counter"), size=[0]))
    url = str(sqlite.engine.url)
    counters = [subprocess.Popen([sys.executable, "-c", COUNT_UP, url], cwd=ROOT) for _ in range(2)]
    assert [counter.wait(timeout=60) for counter in counters] == [0, 0]
    assert stored(sqlite) == [(1, "counter", 80)]


def test_its_directory_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deeper" / "pricing.db"
    database = Database(f"sqlite:///{path}")
    SCHEMA.create_all(database.engine)
    database.close()
    assert path.is_file()


@pytest.mark.parametrize("backend", ["mysql", "postgresq", "postgresqlx", "postgres2"])
def test_another_kind_of_database_is_refused(backend: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="sqlite:///path or postgresql://") as refusal:
        Database(f"{backend}://user:secret@host/name")
    assert f"the database {backend!r}" in str(refusal.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_all_spellings_of_postgresql_are_understood(postgres_url: DatabaseUrl, scheme: str) -> None:
    _, _, rest = postgres_url.partition("://")
    database = Database(f"{scheme}://{rest}")
    assert database.dialect == "postgresql"
    one: AnySelect = sa.select(sa.literal(1).label("one"))
    assert database.scalar(one) == 1
    assert database.read_arrow(one).to_pylist() == [{"one": 1}]
    database.close()


@given(
    st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=4).filter(
        lambda password: password not in "postgresql://user:***@host/name: refused"
    )
)
def test_no_password_is_shown(password: str) -> None:
    shown = redacted(f"postgresql://user:{password}@host/name: refused")
    assert shown == "postgresql://user:***@host/name: refused"


def test_what_has_no_password_is_shown_as_it_is() -> None:
    for message in (
        "connection to server at 'host', port 5432 failed: mail me@example.org",
        "postgresql://host:5432/name is closed",
        "sqlite:////tmp/pricing.db",
    ):
        assert redacted(message) == message


def test_the_password_is_in_no_repr_or_error() -> None:
    database = Database("postgresql://user:s3cret@127.0.0.1:1/name")
    shown = [repr(database), str(database.engine), repr(database.engine.url)]
    one: AnySelect = sa.select(sa.literal(1).label("one"))
    for ask in (database.rows, database.read_arrow):
        with pytest.raises(Exception, match=r"127\.0\.0\.1") as refusal:
            ask(one)
        shown.append(str(refusal.value))
    assert not [text for text in shown if "s3cret" in text]


def test_many_texts_are_one_value_of_a_statement(database: Database) -> None:
    wanted = ["plain", "it's", 'a "quote"', "\u00fc, \\ and :name %s", *map(str, range(2_000))]
    assert [row[0] for row in database.rows(database.texts(wanted))] == wanted
    read = database.read_arrow(database.texts(wanted))
    assert read["value"].to_pylist() == wanted
    assert database.rows(database.texts([])) == []


def test_texts_to_join_with_are_numbered_from_0(database: Database) -> None:
    database.upsert(NAMED, named((5, "it's"), (6, 'a "quote"'), (7, "not wanted")))
    wanted = database.numbered(['a "quote"', "absent", "it's"])
    joined = sa.select(wanted.c.place, NAMED.c.id).join(NAMED, NAMED.c.name == wanted.c.value)
    found = database.read_at_once(joined.order_by(wanted.c.place))
    assert found.schema == pa.schema([("place", pa.int64()), ("id", pa.int64())])
    assert found.to_pylist() == [{"place": 0, "id": 6}, {"place": 2, "id": 5}]


def test_reading_at_once_gives_what_reading_does(database: Database) -> None:
    statement = sa.select(NAMED).order_by(NAMED.c.id)
    assert database.read_at_once(statement).equals(database.read_arrow(statement))
    database.upsert(NAMED, named((1, 'o"ne\\'), (2, "two\nlines, \u00fc"), (3, "")))
    assert database.read_at_once(statement).equals(database.read_arrow(statement))
    assert database.read_at_once(statement.limit(2)).num_rows == 2


SAID = sa.Table(
    "said",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("known", sa.Text(), nullable=False),
    sa.Column("name", sa.Text()),
)


@example([("\x1f", "plain")])
@example([("plain", "\x1f"), ("plain", None)])
@example([("plain", ""), ("", None)])
@given(st.lists(st.tuples(hard_texts, st.none() | hard_texts), max_size=20))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_texts_read_at_once_are_what_was_written(
    sqlite: Database, said: list[tuple[str, str | None]]
) -> None:
    with sqlite.begin() as connection:
        SAID.create(connection, checkfirst=True)
        connection.execute(sa.delete(SAID))
    rows = [{"id": place, "known": known, "name": name} for place, (known, name) in enumerate(said)]
    sqlite.upsert(SAID, pa.Table.from_pylist(rows, schema=sqlite.arrow_schema(sa.select(SAID))))
    assert sqlite.read_at_once(sa.select(SAID).order_by(SAID.c.id)).to_pylist() == rows


def test_more_rows_than_asked_for_are_not_read(database: Database) -> None:
    database.upsert(NAMED, named(*((number, f"name {number}") for number in range(40))))
    statement = sa.select(NAMED).order_by(NAMED.c.id)
    read = database.read_at_most(statement, 40)
    assert read is not None
    assert read.equals(database.read_arrow(statement))
    assert database.read_at_most(sa.select(NAMED, NAMED.c.name.label("again")), 1) is None
    # What was too much for one reading is not for the next.
    assert database.read_at_once(statement).num_rows == 40


def test_rows_of_moments_are_counted_to_the_row(sqlite: Database) -> None:
    noon = sa.literal(datetime(2026, 11, 2, 12, tzinfo=UTC), UtcDateTime())
    moments = sa.select(noon.label("one"), noon.label("other"))
    rows = sa.union_all(*[moments] * 20).subquery()
    for most, read in ((20, True), (19, False)):
        assert (sqlite.read_at_most(sa.select(rows), most) is not None) == read


def test_texts_that_are_too_long_are_not_made(sqlite: Database) -> None:
    def long(zeros: int) -> Any:
        return sa.select(sa.func.hex(sa.func.zeroblob(zeros), type_=sa.Text()).label("long"))

    assert sqlite.read_at_most(long(500_001), 1) is None
    for most in (1, 40_000):  # the first that is asked of a new connection, and more rows
        sqlite.close()
        assert sqlite.read_at_most(sqlite.texts(["one"]), most) is not None
    assert sqlite.read_at_most(long(500_001), 40_000) is not None


def test_a_connection_has_its_cache_again_after_reading_at_once(sqlite: Database) -> None:
    def cache_size() -> int:
        with sqlite.connect() as connection:
            return int(connection.exec_driver_sql("PRAGMA cache_size").scalar_one())

    before = cache_size()
    sqlite.read_at_once(sa.select(NAMED))
    assert cache_size() == before
    with pytest.raises(sqlite3.OperationalError):
        sqlite.read_at_once(sa.select(sa.func.json("no JSON", type_=sa.Text()).label("wrong")))
    assert cache_size() == before


@pytest.mark.parametrize("count", [0, 9, 10, 11, 25])
def test_any_number_of_rows_is_inserted_and_counted(
    database: Database, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_ROWS", 10)
    values = [(number, f"name {number}") for number in range(count)]
    assert database.upsert(NAMED, named(*values)) == count
    assert database.upsert(NAMED, named(*values, (99, "one more"))) == 1
    changed = [(number, f"changed {number}") for number in range(count)]
    assert database.upsert(NAMED, named(*changed), update=["name"]) == count
    statement = sa.select(NAMED.c.id, NAMED.c.name).where(NAMED.c.id < 99).order_by(NAMED.c.id)
    assert [tuple(row) for row in database.rows(statement)] == changed


def test_the_url_that_is_shown_has_no_secret() -> None:
    database = Database("postgresql://me:canary-1@host:5432/prices?sslpassword=canary-2")
    assert database.shown_url == "postgresql+psycopg2://me:***@host:5432/prices"
    database.close()
