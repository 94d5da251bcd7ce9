import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal

import pytest
import sqlalchemy as sa
from alembic import command

from pricing_assets.schema import tables as t
from pricing_assets.schema.hypertable import is_hypertable
from pricing_assets.schema.migrate import current_revision, differences, upgrade
from pricing_assets.schema.weeks import DEFAULT_PARTITION
from resources.database import Database, DatabaseUnavailable
from tests.conftest import ROOT, DatabaseUrl
from tests.examples import execute, rows, scan
from tests.schema.conftest import migrate

VIEWS = ("cached_books", "isbn_index", "parallel_premiums")
UPGRADE = """
import sys
from pricing_assets.schema.migrate import upgrade
from resources.database import Database

print(upgrade(Database(sys.argv[1])))
"""


@pytest.fixture
def empty(database_url: DatabaseUrl) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


def relations(database: Database) -> set[str]:
    with database.connect() as connection:
        inspector = sa.inspect(connection)
        return {*inspector.get_table_names(), *inspector.get_view_names()}


def test_an_empty_database_gets_every_table_and_view(empty: Database) -> None:
    assert current_revision(empty) is None
    assert any("revision None" in line for line in differences(empty))
    assert upgrade(empty) == current_revision(empty)
    tables = set(t.Base.metadata.tables)
    with empty.connect() as connection:
        weekly = empty.dialect == "postgresql" and not is_hypertable(connection)
    partitions = {DEFAULT_PARTITION} if weekly else set()
    assert relations(empty) == {*tables, *partitions, *VIEWS, "alembic_version"}
    assert differences(empty) == []


def test_upgrading_again_changes_nothing(database: Database) -> None:
    scan(database, 1, 2)
    before = rows(database, t.scans)
    assert upgrade(database) == current_revision(database)
    assert rows(database, t.scans) == before
    assert differences(database) == []


def test_the_ledger_of_an_older_version_is_kept(empty: Database) -> None:
    migrate(empty, command.upgrade, "0006")
    at = "2026-10-20T12:00:00+00:00"
    execute(
        empty,
        "INSERT INTO data_sources (name, kind, categories, rate_per_second, cost_per_call_usd, "
        "freshness_days, licence) VALUES ('s', 'sold', '[]', 1, 0.004, 1, '{}')",
    )
    execute(
        empty,
        "INSERT INTO items (id, category, natural_key, created_at, updated_at) "
        f"VALUES ('i', 'book', 'k', '{at}', '{at}')",
    )
    execute(
        empty,
        "INSERT INTO api_calls (source, item_id, run_id, requested_at, result, attempts, "
        "latency_ms, size_bytes, cost_usd) "
        f"VALUES ('s', 'i', 'r', '{at}', 'found', 1, 2, 3, 0.004)",
    )
    upgrade(empty)
    assert differences(empty) == []
    (call,) = rows(empty, t.api_calls)
    assert (call["item_id"], call["person_id"], str(call["cost_usd"])) == ("i", None, "0.004000")
    execute(
        empty,
        "INSERT INTO people (id, kind, key, name, created_at, updated_at) "
        f"VALUES ('p', 'author', 'k', 'n', '{at}', '{at}')",
    )
    with pytest.raises(sa.exc.IntegrityError, match="subject"):
        execute(empty, "UPDATE api_calls SET person_id = 'p'")


OBSERVED = ("2026-10-18T23:59:59.999999+00:00", "2026-10-19T00:00:00.000000+00:00")
"""The end of a week, and the begin of the next."""


def observe(database: Database, moment: str, **more: str) -> None:
    values = {
        **{"item_id": "i", "source": "s", "kind": "sold", "payload_sha256": "p", **more},
        **{"source_listing_id": moment, "observed_at": moment},
        **{"title": "t", "price": 9.99, "currency": "USD"},
    }
    execute(
        database, f"INSERT INTO price_listings ({', '.join(values)}) VALUES {(*values.values(),)}"
    )


def test_observations_are_moved_into_their_weeks_and_back(empty: Database) -> None:
    migrate(empty, command.upgrade, "0010")
    execute(
        empty,
        "INSERT INTO data_sources (name, kind, categories, rate_per_second, cost_per_call_usd, "
        "freshness_days, licence) VALUES ('s', 'sold', '[]', 1, 0.004, 1, '{}')",
    )
    at = OBSERVED[0]
    execute(
        empty,
        "INSERT INTO items (id, category, natural_key, created_at, updated_at) "
        f"VALUES ('i', 'book', 'k', '{at}', '{at}')",
    )
    execute(
        empty,
        "INSERT INTO payloads (sha256, source, fetched_at, size_bytes, body_zstd) "
        f"VALUES ('p', 's', '{at}', 1, '')",
    )
    for moment in OBSERVED:
        observe(empty, moment)
    before = rows(empty, t.price_listings)

    migrate(empty, command.upgrade, "0011")
    assert rows(empty, t.price_listings) == before
    assert {name for name in relations(empty) if name.startswith("price_listings")} == (
        {
            *("price_listings", "price_listings_default"),
            *("price_listings_2026_10_12", "price_listings_2026_10_19"),
        }
        if empty.dialect == "postgresql"
        else {"price_listings"}
    )
    for wrong in ({"kind": "gift"}, {"item_id": "j"}, {"source": "x"}, {"payload_sha256": "q"}):
        with pytest.raises(sa.exc.IntegrityError):
            observe(empty, "2026-10-20T00:00:00.000000+00:00", **wrong)
    with pytest.raises(sa.exc.IntegrityError):
        observe(empty, OBSERVED[1])
    observe(empty, "2026-12-20T00:00:00.000000+00:00")
    assert rows(empty, t.price_listings)[:-1] == before
    upgrade(empty)
    assert differences(empty) == []

    after = rows(empty, t.price_listings)
    migrate(empty, command.downgrade, "0010")
    assert rows(empty, t.price_listings) == after
    observe(empty, "2026-12-21T00:00:00.000000+00:00")
    assert rows(empty, t.price_listings)[-1]["id"] > after[-1]["id"]
    upgrade(empty)
    assert differences(empty) == []


def test_snapshots_stay_as_their_foreign_key_goes_and_comes(database: Database) -> None:
    scan(database, 1)
    (item,) = rows(database, t.items)
    snapshot = {
        **{"item_id": item["id"], "snapshot_date": item["created_at"].date()},
        **{"as_of": item["created_at"], "provisional": True, "window_days": 90},
        **{"sold_count": 1, "market_value": Decimal("9.99"), "ask_count": 0, "sources": "s"},
    }
    database.execute(sa.insert(t.price_snapshots), snapshot)
    before = rows(database, t.price_snapshots)
    assert len(before) == 1

    migrate(database, command.downgrade, "0014")
    assert rows(database, t.price_snapshots) == before
    with pytest.raises(sa.exc.IntegrityError, match=r"(?i)foreign key"):
        database.execute(sa.insert(t.price_snapshots), {**snapshot, "item_id": "none"})
    upgrade(database)
    assert rows(database, t.price_snapshots) == before
    assert differences(database) == []


def test_processes_may_upgrade_at_once(database_url: DatabaseUrl) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADE, str(database_url)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ended = [(process.communicate(timeout=60), process.returncode) for process in processes]
    assert [code for _, code in ended] == [0, 0], ended
    database = Database(database_url)
    assert {said.strip() for (said, _), _ in ended} == {current_revision(database)}
    assert differences(database) == []
    database.close()


@pytest.mark.parametrize(
    ("statements", "names"),
    [
        (["ALTER TABLE payloads ADD COLUMN extra TEXT"], ("payloads", "extra")),
        (
            [
                *("DROP VIEW cached_books", "DROP VIEW isbn_index"),
                "ALTER TABLE items DROP COLUMN description",
            ],
            ("items", "description"),
        ),
        (["ALTER TABLE payloads RENAME COLUMN content_type TO kind"], ("payloads", "kind")),
        (["CREATE TABLE stray (id INTEGER PRIMARY KEY)"], ("stray",)),
        (["DROP TABLE price_snapshots"], ("price_snapshots",)),
        (["DROP INDEX ix_scans_item_id"], ("scans", "ix_scans_item_id")),
        (["DROP VIEW cached_books"], ("view cached_books is missing",)),
        (["DROP VIEW isbn_index"], ("view isbn_index is missing",)),
        (["UPDATE alembic_version SET version_num = '0000'"], ("revision 0000",)),
    ],
)
def test_a_difference_is_named(
    database: Database, statements: list[str], names: tuple[str, ...]
) -> None:
    for statement in statements:
        execute(database, statement)
    found = differences(database)
    assert [line for line in found if all(name in line for name in names)], found


def test_downgrading_to_base_leaves_nothing(database: Database) -> None:
    migrate(database, command.downgrade, "base")
    assert relations(database) == {"alembic_version"}
    assert current_revision(database) is None
    upgrade(database)
    assert differences(database) == []


def test_a_database_that_cannot_be_reached_says_what_to_do() -> None:
    database = Database("postgresql://user:s3cret@127.0.0.1:1/name")
    with pytest.raises(DatabaseUnavailable, match="Check PRICING_DATABASE_URL") as refusal:
        upgrade(database)
    assert "s3cret" not in str(refusal.value)
