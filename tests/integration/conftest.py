from pathlib import Path

import dagster as dg
import pytest

from resources.clock import Clock
from resources.settings import Settings
from tests.conftest import DatabaseUrl
from tests.runs import NOON, Platform, sandbox_url

__all__ = ("sandbox_url",)


@pytest.fixture
def platform(
    tmp_path: Path,
    sandbox_url: str,
    migrated_url: DatabaseUrl,
    dagster_instance: dg.DagsterInstance,
) -> Platform:
    """A platform with nothing in it, on each database and each instance file.

    Crossed, so that two runs cover all four: Dagster's tables and ours do not share a database.
    """
    settings = Settings(
        home=tmp_path / "home",
        database_url=str(migrated_url),
        profile="sandbox",
        sandbox_url=sandbox_url,
        inbox_settle_seconds=0,
    )
    return Platform(settings, dagster_instance, Clock(NOON))
