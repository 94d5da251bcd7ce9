from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.schema.hypertable import is_hypertable
from pricing_assets.schema.migrate import differences
from pricing_assets.schema.weeks import DEFAULT_PARTITION, attach_partition, partition_name
from pricing_assets.store.partitions import (
    WEEKS_AHEAD,
    NotDetached,
    attaching,
    detach_before,
    make_weeks,
    partitions,
)
from resources.database import Database
from tests.conftest import DatabaseUrl
from tests.examples import (
    ASKS,
    DAY,
    NOON,
    SOLD,
    commit,
    execute,
    listing,
    reply,
    rows,
    sales,
    scan,
)

THIS_WEEK = date(2026, 10, 19)
THURSDAY = date(2026, 10, 15)
WEEK = timedelta(days=7)
on_postgresql = pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)


@pytest.fixture
def database(database: Database) -> Database:
    with database.connect() as connection:
        if is_hypertable(connection):
            pytest.skip("all databases of this server have TimescaleDB, which makes no partitions")
    scan(database, 1, 2)
    return database


def places(database: Database) -> dict[datetime, str]:
    """The table that each observation is in, by the time when it was made."""
    with database.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT observed_at, tableoid::regclass::text AS place FROM price_listings"
        )
        return {row.observed_at: row.place for row in found}


def ids(found: Sequence[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in found]


@on_postgresql
def test_observations_move_into_their_week_once_it_is_made(database: Database) -> None:
    late = NOON + (WEEKS_AHEAD + 1) * WEEK
    sunday = datetime.fromisoformat("2026-10-25T23:59:59.999999+00:00")
    for moment in (NOON - WEEK, NOON, sunday, late):
        sales(database, 1, [f"{moment.day}.00"], moment)
    assert set(places(database).values()) == {DEFAULT_PARTITION}
    before = rows(database, t.price_listings)

    ahead = [THIS_WEEK + weeks * WEEK for weeks in range(WEEKS_AHEAD + 1)]
    assert make_weeks(database, now=NOON) == [THIS_WEEK - WEEK, *ahead, THIS_WEEK + 9 * WEEK]
    assert rows(database, t.price_listings) == before
    assert places(database) == {
        NOON: "price_listings_2026_10_19",
        sunday: "price_listings_2026_10_19",
        NOON - WEEK: "price_listings_2026_10_12",
        late: "price_listings_2026_12_21",
    }
    assert make_weeks(database, now=NOON) == []
    assert make_weeks(database, now=NOON + WEEK) == []
    assert differences(database) == []

    sales(database, 2, ["5.00"], NOON + DAY)
    sales(database, 2, ["6.00"], NOON + 20 * WEEK)
    assert places(database)[NOON + DAY] == "price_listings_2026_10_19"
    assert places(database)[NOON + 20 * WEEK] == DEFAULT_PARTITION
    assert make_weeks(database, now=NOON + 2 * WEEK) == [
        THIS_WEEK + 10 * WEEK,
        THIS_WEEK + 20 * WEEK,
    ]
    assert places(database)[NOON + 20 * WEEK] == partition_name(THIS_WEEK + 20 * WEEK)


@on_postgresql
def test_an_observation_of_a_past_week_is_superseded_in_its_place(database: Database) -> None:
    make_weeks(database, now=NOON)
    sales(database, 1, ["10.00", "11.00"], NOON)
    later = NOON + 2 * WEEK
    for moment, price in ((NOON, "30.00"), (later, "25.00")):
        commit(database, reply(2, ASKS, moment, listings=[listing("a", price, "ask")]))
    # The same sales again, and one of them corrected.
    again = [listing("0-10.00", "10.00"), listing("1-11.00", "12.00")]
    commit(database, reply(1, SOLD, later, listings=again))
    found = rows(database, t.price_listings)
    assert len(set(ids(found))) == 5
    assert [(str(row["price"]), row["observed_at"], row["superseded_at"]) for row in found] == [
        ("10.00", NOON, None),
        ("11.00", NOON, later),
        ("30.00", NOON, later),
        ("25.00", later, None),
        ("12.00", later, None),
    ]
    assert set(places(database).values()) == {
        "price_listings_2026_10_19",
        "price_listings_2026_11_02",
    }


@on_postgresql
def test_detached_weeks_keep_their_rows_and_the_rest_is_read(database: Database) -> None:
    for moment in (NOON - 2 * WEEK, NOON - WEEK, NOON):
        sales(database, 1, [f"{moment.day}.00"], moment)
    make_weeks(database, now=NOON)
    before = rows(database, t.price_listings)
    old = THIS_WEEK - 2 * WEEK
    assert detach_before(database, THIS_WEEK - WEEK - DAY) == []
    assert detach_before(database, THIS_WEEK - DAY) == [old]
    assert detach_before(database, THIS_WEEK - DAY) == []
    assert rows(database, t.price_listings) == before[1:]
    assert differences(database) == []

    # It is not made anew under its name, and nothing that comes of its week is lost.
    sales(database, 2, ["7.00"], NOON - 2 * WEEK)
    assert make_weeks(database, now=NOON) == []
    assert places(database)[NOON - 2 * WEEK] == DEFAULT_PARTITION
    found = {partition.name: partition for partition in partitions(database)}
    assert [name for name, of in found.items() if not of.attached] == [partition_name(old)]
    assert list(found)[-1] == DEFAULT_PARTITION
    assert found[DEFAULT_PARTITION].week is None

    execute(database, f"DELETE FROM {DEFAULT_PARTITION}")
    assert attaching(database, old) == attach_partition(old)
    execute(database, attaching(database, old))
    assert rows(database, t.price_listings) == before


@on_postgresql
def test_making_weeks_gives_way_to_a_writer(database: Database) -> None:
    with database.begin() as writer:
        writer.execute(sa.update(t.items).values(title="being written"))
        assert make_weeks(database, now=NOON) == []
    assert [partition.name for partition in partitions(database)] == [DEFAULT_PARTITION]
    assert len(make_weeks(database, now=NOON)) == WEEKS_AHEAD + 1


@on_postgresql
def test_the_planner_knows_all_weeks_together(database: Database) -> None:
    sales(database, 1, ["10.00", "11.00"], NOON)
    make_weeks(database, now=NOON)
    known = sa.text("SELECT attname FROM pg_stats WHERE tablename = 'price_listings' AND inherited")
    with database.connect() as connection:
        assert {"item_id", "source", "kind"} <= set(connection.execute(known).scalars())


@on_postgresql
def test_rows_are_estimated_and_sizes_are_told(database: Database) -> None:
    sales(database, 1, [f"{price}.00" for price in range(10, 60)], NOON)
    make_weeks(database, now=NOON)
    execute(database, "ANALYZE price_listings_2026_10_19")
    first, *others = partitions(database)
    assert (first.week, first.rows, first.attached) == (THIS_WEEK, 50, True)
    assert first.size_bytes > others[0].size_bytes > 0
    # Before PostgreSQL 18 these are looked at too.
    version = database.engine.dialect.server_version_info or ()
    assert {partition.rows for partition in others[:-1]} == {None if version >= (18,) else 0}


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_sqlite_has_no_partitions(database: Database, migrated_url: DatabaseUrl) -> None:
    assert make_weeks(database, now=NOON) == []
    assert partitions(database) == []


def test_chunks_are_detached_and_brought_back(hypertable: Database) -> None:
    """Whether they are compressed or not."""
    for moment in (NOON - 2 * WEEK, NOON - WEEK, NOON):
        sales(hypertable, 1, [f"{moment.day}.00"], moment)
    first, *_ = partitions(hypertable)
    execute(hypertable, f"SELECT compress_chunk('{first.name}')")
    before = rows(hypertable, t.price_listings)
    old = [THURSDAY - 2 * WEEK, THURSDAY - WEEK]
    assert detach_before(hypertable, THURSDAY - WEEK - DAY) == []
    assert detach_before(hypertable, THURSDAY) == old
    assert detach_before(hypertable, THURSDAY) == []
    assert rows(hypertable, t.price_listings) == before[2:]
    assert differences(hypertable) == []
    assert [(p.week, p.attached, p.name) for p in partitions(hypertable)[:2]] == [
        (week, False, partition_name(week)) for week in old
    ]

    # Nothing that comes of such a week is lost; it waits until that is brought back.
    sales(hypertable, 2, ["7.00"], NOON - WEEK)
    with pytest.raises(NotDetached, match="INSERT INTO price_listings SELECT"):
        detach_before(hypertable, THURSDAY)
    for week in old:
        execute(hypertable, attaching(hypertable, week))
    assert rows(hypertable, t.price_listings, "id")[:3] == before
    assert [p.attached for p in partitions(hypertable)] == [True] * 3
    assert detach_before(hypertable, THURSDAY) == old


def test_an_old_timescale_says_what_it_can_do(hypertable: Database) -> None:
    sales(hypertable, 1, ["5.00"], NOON)
    execute(hypertable, "ALTER EXTENSION timescaledb DROP PROCEDURE detach_chunk")
    execute(hypertable, "DROP PROCEDURE detach_chunk")
    with pytest.raises(NotDetached, match="drop_chunks"):
        detach_before(hypertable, THURSDAY + WEEK)
    assert len(rows(hypertable, t.price_listings)) == 1
