from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from pricing_assets.cli import pricing
from pricing_assets.schema.hypertable import is_hypertable
from resources.database import Database
from tests.conftest import DatabaseUrl, create_timescale
from tests.examples import NOON, register, sales, scan


def test_upgrade_then_check(
    home: Path, database_url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRICING_DATABASE_URL", str(database_url))
    runner = CliRunner()
    empty = runner.invoke(pricing, ["db", "check"])
    assert empty.exit_code == 1
    assert "pricing db upgrade" in empty.output
    for _ in range(2):
        done = runner.invoke(pricing, ["db", "upgrade"])
        assert done.exit_code == 0, done.output
        assert "is at revision" in done.output
    checked = runner.invoke(pricing, ["db", "check"])
    assert checked.exit_code == 0, checked.output
    assert "agree" in checked.output

    database = Database(str(database_url))
    with database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE scans ADD COLUMN stray INTEGER")
    database.close()
    found = runner.invoke(pricing, ["db", "check"])
    assert found.exit_code == 1
    assert "stray" in found.output


@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)
def test_old_weeks_are_shown_and_detached(
    home: Path, migrated_url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(migrated_url)
    with database.connect() as connection:
        if is_hypertable(connection):
            pytest.skip("all databases of this server have TimescaleDB, which makes no partitions")
    database.close()
    monkeypatch.setenv("PRICING_DATABASE_URL", str(migrated_url))
    runner = CliRunner()

    def said(*arguments: str, now: str = "2026-10-20T12:00:00+00:00") -> str:
        monkeypatch.setenv("PRICING_NOW", now)
        done = runner.invoke(pricing, ["db", *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    said("upgrade")
    shown = said("partitions").splitlines()
    assert len(shown) == 1 + 9 + 1
    assert shown[1].split() == [
        *("2026-10-19", "unknown"),
        *(shown[1].split()[2], "price_listings_2026_10_19"),
    ]
    assert shown[-1].startswith("any other")
    early = ("partitions", "--detach-before", "2026-10-25")
    assert "No week that ended by 2026-10-25" in said(*early, now="2026-10-26T00:00:00+00:00")
    detached = said("partitions", "--detach-before", "2026-10-26", now="2026-10-26T00:00:00+00:00")
    assert "The week of 2026-10-19 is not read any more." in detached
    assert "ATTACH PARTITION price_listings_2026_10_19 FOR VALUES FROM" in detached
    assert "DROP TABLE price_listings_2026_10_19" in detached
    assert "price_listings_2026_10_19, detached" in said("partitions")
    to_come = runner.invoke(pricing, ["db", *early])
    assert to_come.exit_code == 2
    assert "2026-10-25 is to come" in to_come.output


def test_chunks_are_shown_and_detached(
    home: Path, before_timescale_url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRICING_DATABASE_URL", str(before_timescale_url))
    monkeypatch.setenv("PRICING_NOW", "2026-11-20T12:00:00+00:00")
    database = Database(before_timescale_url)
    register(database)
    scan(database, 1)
    for weeks in range(2):
        sales(database, 1, [f"{10 + weeks}.00"], NOON + weeks * timedelta(days=7))
    database.close()

    def said(*arguments: str) -> str:
        done = CliRunner().invoke(pricing, ["db", *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    assert "hypertable" not in said("upgrade")
    create_timescale(before_timescale_url)
    assert "the observations were moved into a hypertable" in said("upgrade")
    assert "hypertable" not in said("upgrade")
    assert "agree" in said("check")
    database = Database(before_timescale_url)
    with database.begin() as connection:
        connection.exec_driver_sql(
            "SELECT compress_chunk(c) FROM show_chunks('price_listings') c LIMIT 1"
        )
    database.close()
    shown = [line.split(maxsplit=3) for line in said("partitions").splitlines()[1:]]
    assert [line[0] for line in shown] == ["2026-10-15", "2026-10-22"]
    assert [line[3].endswith(", compressed") for line in shown] == [True, False]
    detached = said("partitions", "--detach-before", "2026-10-22")
    assert "The week of 2026-10-15 is not read any more." in detached
    assert "INSERT INTO price_listings SELECT * FROM price_listings_2026_10_15;" in detached
    assert "price_listings_2026_10_15, detached" in said("partitions")


def test_sqlite_has_no_weeks(home: Path) -> None:
    refused = CliRunner().invoke(pricing, ["db", "partitions"])
    assert refused.exit_code == 1
    assert "PRICING_DATABASE_URL" in refused.output
