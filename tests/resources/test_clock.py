from datetime import UTC, datetime, timedelta, timezone

import pytest

from resources.clock import Clock
from resources.settings import SettingsError


def test_it_runs_in_utc() -> None:
    before = datetime.now(UTC)
    now = Clock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.tzinfo is UTC
    assert Clock().fixed is None


def test_it_stands_where_it_is_set() -> None:
    tokyo = datetime(2026, 10, 21, 3, tzinfo=timezone(timedelta(hours=9)))
    clock = Clock(tokyo)
    assert clock.now() == clock.now() == datetime(2026, 10, 20, 18, tzinfo=UTC)
    assert clock.now().tzinfo is UTC
    assert clock.fixed == tokyo


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        Clock(datetime(2026, 10, 20))  # noqa: DTZ001


def test_the_environment_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRICING_NOW", raising=False)
    assert Clock.from_env().fixed is None
    monkeypatch.setenv("PRICING_NOW", "2026-10-20T14:00:00+02:00")
    assert Clock.from_env().now() == datetime(2026, 10, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["tomorrow", "2026-10-20T12:00:00", "2026-10-20"])
def test_an_impossible_time_names_its_variable(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PRICING_NOW", text)
    with pytest.raises(SettingsError, match="PRICING_NOW") as refusal:
        Clock.from_env()
    assert text in str(refusal.value)
