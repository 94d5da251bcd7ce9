from pathlib import Path

import pytest

from tests.runs import make_dagster_home, sandbox_url

__all__ = ("sandbox_url",)


@pytest.fixture
def home(pricing_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PRICING_HOME, and a Dagster home of this test's own."""
    make_dagster_home(tmp_path / "dagster_home")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster_home"))
    monkeypatch.setenv("PRICING_INBOX_SETTLE_SECONDS", "0")
    return pricing_home
