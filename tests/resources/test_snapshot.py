import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources import snapshot as module
from resources.database import Database, Money, UtcDateTime
from resources.snapshot import Reader, snapshot
from tests.conftest import DatabaseUrl

SCHEMA = sa.MetaData()
NOTES = sa.Table(
    "notes",
    SCHEMA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("text", sa.Text()),
    sa.Column("amount", Money(12, 2)),
    sa.Column("at", UtcDateTime()),
    sa.Column("seen", sa.Boolean()),
)


@pytest.fixture
def database(database_url: DatabaseUrl) -> Database:
    database = Database(database_url)
    SCHEMA.create_all(database.engine)
    return database


@pytest.fixture
def sqlite(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'notes.db'}")
    SCHEMA.create_all(database.engine)
    return database


def notes(first: int, count: int) -> pa.Table:
    names = [f"{number:05}" for number in range(first, first + count)]
    return pa.table({"name": names, "text": [f'"{name}"\n' for name in names]})


def names(reader: pa.RecordBatchReader) -> list[str]:
    return sorted(reader.read_all()["name"].to_pylist())


def test_all_parts_are_those_of_one_moment(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART_ROWS", 7)
    database.upsert(NOTES, notes(0, 40))
    statement = sa.select(NOTES.c.name)
    with snapshot(database) as taken:
        assert taken.rows(sa.select(sa.func.count()).select_from(NOTES)) == [(40,)]
        reader = taken.reader(statement, NOTES)
        first = reader.read_next_batch()
        database.upsert(NOTES, notes(40, 40))
        database.execute(sa.delete(NOTES).where(NOTES.c.name < "00030"))
        rest = reader.read_all()
        assert first.num_rows + rest.num_rows == 40
        assert names(taken.reader(statement, NOTES)) == [f"{n:05}" for n in range(40)]
    with snapshot(database) as taken:
        assert names(taken.reader(statement, NOTES)) == [f"{n:05}" for n in range(30, 80)]


def test_connections_begin_between_the_same_two_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes while they are opened, all of them count the same rows."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    url = f"sqlite:///{tmp_path / 'notes.db'}"
    database, writer = Database(url), Database(url)
    SCHEMA.create_all(database.engine)
    stop = False

    def write() -> int:
        written = 0
        while not stop:
            writer.upsert(NOTES, notes(written, 1))
            written += 1
        return written

    def count(reader: Reader, _: int) -> int:
        ((found,),) = reader.rows(sa.select(sa.func.count()).select_from(NOTES))
        return int(found)

    counted = []
    with ThreadPoolExecutor(1) as threads:
        written = threads.submit(write)
        try:
            for _ in range(20):
                with snapshot(database) as taken:
                    counted.append(set(taken.map(count, range(24))))
        finally:
            stop = True
    assert written.result() > 1
    assert [len(found) for found in counted] == [1] * len(counted)


def test_an_empty_table_has_no_rows(database: Database) -> None:
    with snapshot(database) as taken:
        read = taken.reader(sa.select(NOTES), NOTES).read_all()
    assert (read.num_rows, read.column_names) == (0, NOTES.columns.keys())


def test_an_error_of_a_part_is_the_callers(database: Database) -> None:
    def fails(reader: Reader, number: int) -> int:
        return 12 // number

    with snapshot(database) as taken:
        assert list(taken.map(fails, [1, 2])) == [12, 6]
        with pytest.raises(ZeroDivisionError):
            list(taken.map(fails, [3, 0, 4]))
        assert list(taken.map(fails, [4])) == [3]


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
marked = st.text(st.sampled_from('\\"\n\r\t,x\u0001\x1e\x1f\ufeffé'), max_size=8)


@given(st.lists(st.none() | texts | marked, min_size=1, max_size=8))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sqlite_gives_every_text_as_it_is(sqlite: Database, written: list[str | None]) -> None:
    sqlite.execute(sa.delete(NOTES))
    rows = [{"name": str(n), "text": text, "seen": n % 2 == 0} for n, text in enumerate(written)]
    sqlite.execute(sa.insert(NOTES), rows)
    with snapshot(sqlite) as taken:
        statement = sa.select(NOTES.c.name, NOTES.c.text, NOTES.c.seen)
        found = taken.reader(statement, NOTES).read_all().sort_by("name").to_pylist()
    assert found == rows


def test_what_a_text_cannot_hold_is_refused(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'floats.db'}")
    shares = sa.Table("shares", sa.MetaData(), sa.Column("share", sa.Float()))
    shares.create(database.engine)
    database.execute(sa.insert(shares).values(share=0.1))
    with snapshot(database) as taken, pytest.raises(ValueError, match="share: not exact"):
        taken.reader(sa.select(shares.c.share), shares).read_all()
