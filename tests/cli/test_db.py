from pathlib import Path

import pytest
from click.testing import CliRunner

from pricing_assets.cli import pricing
from resources.database import Database
from tests.conftest import DatabaseUrl


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


def test_sqlite_has_no_weeks(home: Path) -> None:
    refused = CliRunner().invoke(pricing, ["db", "partitions"])
    assert refused.exit_code == 1
    assert "PRICING_DATABASE_URL" in refused.output
