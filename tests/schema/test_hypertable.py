"""The observations in a hypertable, on a PostgreSQL that has TimescaleDB."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from pricing_assets.schema import tables as t
from pricing_assets.schema.hypertable import COMPRESS_AFTER, is_hypertable
from pricing_assets.schema.migrate import current_revision, differences, upgrade, use_timescale
from pricing_assets.schema.weeks import DEFAULT_PARTITION
from pricing_assets.store.market import select_counted
from pricing_assets.store.partitions import detach_before, make_weeks, partitions
from resources.database import Database
from tests.conftest import DatabaseUrl, create_timescale
from tests.examples import (
    ASKS,
    DAY,
    NOON,
    SOLD,
    commit,
    execute,
    listing,
    registered_database,
    reply,
    rows,
    sales,
    scan,
)
from tests.schema.conftest import migrate

WEEK = timedelta(days=7)
LISTINGS = t.price_listings.c


@pytest.fixture
def partitioned(before_timescale_url: DatabaseUrl) -> Iterator[Database]:
    """A database whose observations are in weekly partitions; TimescaleDB may be added."""
    with registered_database(before_timescale_url) as database:
        scan(database, 1, 2)
        yield database


def column(database: Database, query: str) -> Sequence[Any]:
    with database.connect() as connection:
        return connection.exec_driver_sql(query).scalars().all()


def in_hypertable(database: Database) -> bool:
    with database.connect() as connection:
        return is_hypertable(connection)


def compress_all(database: Database) -> None:
    execute(database, "SELECT compress_chunk(c) FROM show_chunks('price_listings') c")


DEFINITION = """
SELECT format('%%s %%s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
WHERE conrelid = 'price_listings'::regclass
UNION ALL
SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') FROM pg_index
WHERE indrelid = 'price_listings'::regclass
UNION ALL
SELECT format(
    '%%s %%s %%s %%s %%s', attnum, attname, format_type(atttypid, atttypmod), attnotnull,
    (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum)
) FROM pg_attribute WHERE attrelid = 'price_listings'::regclass AND attnum > 0
UNION ALL
SELECT format('%%s may %%s', grantee::regrole, privilege_type)
FROM pg_class, aclexplode(relacl) WHERE oid = 'price_listings'::regclass
UNION ALL
SELECT pg_get_serial_sequence('price_listings', 'id')
ORDER BY 1
"""


def test_a_fresh_database_gets_a_hypertable_by_migrating(empty_timescale_url: DatabaseUrl) -> None:
    database = Database(empty_timescale_url)
    assert upgrade(database) == current_revision(database)
    assert in_hypertable(database)
    assert differences(database) == []
    assert not use_timescale(database)
    assert make_weeks(database, now=NOON) == []
    assert partitions(database) == []
    database.close()


def test_observations_move_into_a_hypertable_once_timescale_is_there(
    partitioned: Database,
) -> None:
    for moment in (NOON - 3 * WEEK, NOON - 2 * WEEK, NOON):
        sales(partitioned, 1, [f"{moment.day}.00"], moment)
    make_weeks(partitioned, now=NOON)
    (detached,) = detach_before(partitioned, (NOON - 2 * WEEK).date())
    role = f"reader_{partitioned.engine.url.database}"
    execute(
        partitioned,
        "CREATE VIEW asked WITH (security_barrier=true) AS "
        "SELECT id, price, title LIKE '50%%' AS half FROM price_listings",
        "CREATE VIEW dear AS SELECT * FROM asked WHERE price > 6",
        f"CREATE ROLE {role}",
        f"GRANT SELECT ON price_listings, asked TO {role}",
    )
    before = rows(partitioned, t.price_listings)
    definition = column(partitioned, DEFINITION)
    views = column(partitioned, "SELECT array_agg(v ORDER BY v)::text FROM asked v")
    assert not use_timescale(partitioned)

    create_timescale(str(partitioned.engine.url.render_as_string(hide_password=False)))
    # Nobody is surprised by it: only `pricing db upgrade` does it.
    upgrade(partitioned)
    assert not in_hypertable(partitioned)
    assert differences(partitioned) == []
    assert use_timescale(partitioned)
    assert not use_timescale(partitioned)
    assert in_hypertable(partitioned)
    assert differences(partitioned) == []

    assert rows(partitioned, t.price_listings) == before
    assert column(partitioned, DEFINITION) == definition
    assert column(partitioned, "SELECT array_agg(v ORDER BY v)::text FROM asked v") == views
    assert column(partitioned, "SELECT reloptions FROM pg_class WHERE relname = 'asked'") == [
        ["security_barrier=true"]
    ]
    found = {partition.week: partition for partition in partitions(partitioned)}
    assert [week for week, of in found.items() if not of.attached] == [detached]
    assert len(found) == 3
    execute(
        partitioned,
        f"REVOKE SELECT ON price_listings, asked FROM {role}",
        f"DROP ROLE {role}",
    )

    sales(partitioned, 2, ["7.00"], NOON + DAY)
    assert rows(partitioned, t.price_listings, "id")[-1]["id"] > max(row["id"] for row in before)
    dear = column(partitioned, "SELECT price::text FROM dear ORDER BY id")
    assert dear == ["20.00", "7.00"]


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "gift"}, {"item_id": "j"}, {"source": "x"}, {"payload_sha256": "q"}, {"title": None}],
)
def test_a_chunk_refuses_what_the_table_refused(
    hypertable: Database, wrong: dict[str, str | None]
) -> None:
    sales(hypertable, 1, ["10.00"], NOON)
    (row,) = rows(hypertable, t.price_listings)
    del row["id"]
    with pytest.raises(sa.exc.IntegrityError):
        hypertable.execute(sa.insert(t.price_listings).values(row))
    other = {**row, "source_listing_id": "other"}
    with pytest.raises(sa.exc.IntegrityError):
        hypertable.execute(sa.insert(t.price_listings).values({**other, **wrong}))
    hypertable.execute(sa.insert(t.price_listings).values(other))


def test_a_chunk_is_a_week(hypertable: Database) -> None:
    for day in range(8):
        sales(hypertable, 1, [f"{day + 1}.00"], NOON + day * DAY)
    found = partitions(hypertable)
    assert [partition.week for partition in found] == [date(2026, 10, 15), date(2026, 10, 22)]
    assert [partition.attached for partition in found] == [True, True]
    assert all(partition.size_bytes > 0 for partition in found)


def test_compressed_observations_are_read_superseded_and_added_to(hypertable: Database) -> None:
    sales(hypertable, 1, ["10.00", "11.00"], NOON)
    sales(hypertable, 2, ["50.00"], NOON)
    commit(hypertable, reply(2, ASKS, NOON, listings=[listing("a", "30.00", "ask")]))
    before = rows(hypertable, t.price_listings)
    compress_all(hypertable)
    assert rows(hypertable, t.price_listings) == before
    (chunk,) = partitions(hypertable)
    assert (chunk.compressed, chunk.rows) == (True, None)
    execute(hypertable, "ANALYZE price_listings")
    assert [partition.rows for partition in partitions(hypertable)] == [4]

    later = NOON + 20 * WEEK
    # One sale is corrected, an ask has another price, and then is gone.
    commit(
        hypertable,
        reply(1, SOLD, later, listings=[listing("0-10.00", "10.00"), listing("1-11.00", "12.00")]),
        reply(2, ASKS, later, listings=[listing("a", "25.00", "ask")]),
    )
    commit(hypertable, reply(2, ASKS, later + DAY))
    found = rows(hypertable, t.price_listings, "id")
    assert [(str(row["price"]), row["observed_at"], row["superseded_at"]) for row in found] == [
        ("10.00", NOON, None),
        ("11.00", NOON, later),
        ("50.00", NOON, None),
        ("30.00", NOON, later),
        ("12.00", later, None),
        ("25.00", later, later + DAY),
    ]
    # What is observed late goes into the compressed week.
    sales(hypertable, 2, ["60.00"], NOON + DAY)
    assert len(rows(hypertable, t.price_listings)) == 7
    with pytest.raises(sa.exc.IntegrityError):
        hypertable.execute(sa.insert(t.price_listings).values(before[0]))
    assert [partition.compressed for partition in partitions(hypertable)] == [True, False]
    assert differences(hypertable) == []


def test_superseding_decompresses_only_the_item(hypertable: Database) -> None:
    scan(hypertable, *range(3, 40))
    for number in range(1, 40):
        sales(hypertable, number, ["10.00", "11.00"], NOON)
        commit(hypertable, reply(number, ASKS, NOON, listings=[listing("a", "9.00", "ask")]))
    compress_all(hypertable)
    (chunk,) = (partition.name for partition in partitions(hypertable))
    assert column(hypertable, f"SELECT count(*) FROM ONLY {chunk}") == [0]
    later = NOON + 20 * WEEK
    commit(hypertable, reply(7, ASKS, later, listings=[listing("a", "8.00", "ask")]))
    commit(hypertable, reply(8, ASKS, later, listings=[listing("a", "9.00", "ask")]))
    # The three of item 7: nothing was said otherwise of item 8.
    assert column(hypertable, f"SELECT count(*) FROM ONLY {chunk}") == [3]


def test_old_chunks_are_compressed_by_the_policy(hypertable: Database) -> None:
    with hypertable.connect() as connection:
        now = connection.execute(sa.select(sa.func.now())).scalar_one()
    for age in (COMPRESS_AFTER + 2 * WEEK, COMPRESS_AFTER - WEEK):
        sales(hypertable, 1, [f"{age.days}.00"], now - age)
    (job,) = column(
        hypertable,
        "SELECT job_id FROM timescaledb_information.jobs "
        "WHERE hypertable_name = 'price_listings' AND proc_name = 'policy_compression'",
    )
    engine = hypertable.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CALL run_job({job})")
    assert [partition.compressed for partition in partitions(hypertable)] == [True, False]


def test_one_week_of_one_item_is_looked_for_in_its_chunk(hypertable: Database) -> None:
    for weeks in range(4):
        sales(hypertable, 1, [f"{10 + weeks}.00"], NOON - weeks * WEEK)
    (name,) = (p.name.split(".")[1] for p in partitions(hypertable) if p.week == date(2026, 10, 15))
    query = select_counted(LISTINGS.observed_at.between(NOON, NOON + DAY))
    steps = "\n".join(column(hypertable, f"EXPLAIN {hypertable.sql(query)}"))
    assert name in steps
    assert steps.count("_hyper_") == steps.count(f"{name}")


def test_weeks_are_partitions_again_after_a_downgrade(hypertable: Database) -> None:
    for weeks in range(3):
        sales(hypertable, 1, [f"{10 + weeks}.00"], NOON - weeks * WEEK)
    compress_all(hypertable)
    before = rows(hypertable, t.price_listings)
    # What came after the move is taken back first.
    migrate(hypertable, command.downgrade, "0013")
    assert in_hypertable(hypertable)
    definition = column(hypertable, DEFINITION)
    migrate(hypertable, command.downgrade, "0012")
    assert not in_hypertable(hypertable)
    assert {partition.name for partition in partitions(hypertable)} == {DEFAULT_PARTITION}
    assert rows(hypertable, t.price_listings) == before
    assert column(hypertable, DEFINITION) == definition
    upgrade(hypertable)
    assert in_hypertable(hypertable)
    assert rows(hypertable, t.price_listings) == before


def test_a_table_that_is_neither_is_told(partitioned: Database) -> None:
    execute(partitioned, f"DROP TABLE {DEFAULT_PARTITION}")
    assert differences(partitioned) == [f"price_listings has no partition {DEFAULT_PARTITION}"]
    create_timescale(str(partitioned.engine.url.render_as_string(hide_password=False)))
    assert differences(partitioned) == [f"price_listings has no partition {DEFAULT_PARTITION}"]
