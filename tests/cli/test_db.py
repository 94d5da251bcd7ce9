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
