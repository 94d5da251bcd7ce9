import importlib
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.assets.price_snapshots import DAYS
from pricing_assets.assets.training_set import MONTHS
from pricing_assets.schema import tables as t
from sensors import schedules
from sensors.schedules import (
    MONTHLY_TICKS,
    daily_snapshot,
    last_month,
    monthly_training_set,
    oldest_missed,
)
from tests.runs import Platform, isbns, platform, sandbox_url

__all__ = ("platform", "sandbox_url")


def partition(schedule: dg.ScheduleDefinition, moment: datetime) -> str:
    request = schedule(dg.build_schedule_context(scheduled_execution_time=moment))
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key is not None
    assert request.run_key == request.partition_key
    return request.partition_key


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 10, 20, 1, 15, tzinfo=UTC), "2026-10-19"),
        (datetime(2026, 10, 1, 1, 15, tzinfo=UTC), "2026-09-30"),
        (datetime(2027, 1, 1, 1, 15, tzinfo=UTC), "2026-12-31"),
        (datetime(2028, 3, 1, 1, 15, tzinfo=UTC), "2028-02-29"),
    ],
)
def test_the_night_builds_the_day_before(moment: datetime, day: str) -> None:
    assert partition(daily_snapshot, moment) == day


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        (datetime(2026, 11, 1, 4, tzinfo=UTC), "2026-10"),
        (datetime(2027, 1, 1, 4, tzinfo=UTC), "2026-12"),
        (datetime(2026, 3, 31, 4, tzinfo=UTC), "2026-02"),
    ],
)
def test_the_month_that_ended_last_is_the_one_before(moment: datetime, month: str) -> None:
    assert last_month(moment) == month


@pytest.mark.parametrize(
    ("first", "built", "missed"),
    [
        ("2026-08", ["2026-08", "2026-09", "2026-10"], None),
        ("2026-08", ["2026-08", "2026-09"], "2026-10"),
        ("2026-08", ["2026-08", "2026-10"], "2026-09"),
        ("2026-08", [], "2026-08"),
        ("2026-10", [], "2026-10"),
        ("2026-11", [], None),
        ("2020-01", [], "2025-11"),
    ],
)
def test_the_oldest_month_that_was_missed_comes_first(
    first: str, built: list[str], missed: str | None
) -> None:
    assert oldest_missed("2026-10", first, built) == missed


ZONES = ("UTC", "Pacific/Kiritimati", "Asia/Tokyo", "Europe/Berlin", "Pacific/Pago_Pago")


@given(st.dates(date(2026, 2, 2), date(2035, 12, 31)), st.sampled_from(ZONES))
def test_a_tick_asks_for_the_period_before_by_the_calendar_of_its_zone(
    day: date, zone: str
) -> None:
    tick = datetime(day.year, day.month, day.day, 1, 15, tzinfo=ZoneInfo(zone))
    built = date.fromisoformat(partition(daily_snapshot, tick))
    assert built == day - timedelta(days=1)
    tick = datetime(day.year, day.month, 1, 4, tzinfo=ZoneInfo(zone))
    ended = date.fromisoformat(f"{last_month(tick)}-01")
    assert (ended + timedelta(days=32)).replace(day=1) == day.replace(day=1)


@pytest.mark.parametrize("zone", ZONES)
def test_what_is_asked_for_can_be_built_at_that_moment(zone: str) -> None:
    tick = datetime(2027, 1, 1, 1, 15, tzinfo=ZoneInfo(zone))
    assert partition(daily_snapshot, tick) in DAYS.get_partition_keys(tick.astimezone(UTC))
    tick = datetime(2027, 1, 1, 4, tzinfo=ZoneInfo(zone))
    assert f"{last_month(tick)}-01" in MONTHS.get_partition_keys(tick.astimezone(UTC))


def test_the_months_are_built_one_after_the_other_in_a_zone_ahead_of_utc() -> None:
    ticks = [
        datetime(
            2026 + (month - 1) // 12, (month - 1) % 12 + 1, 1, 4, tzinfo=ZoneInfo("Asia/Tokyo")
        )
        for month in range(11, 15)
    ]
    built = [last_month(tick) for tick in ticks]
    assert built == sorted(set(built))


def test_schedules_run_by_default_at_their_hours() -> None:
    assert daily_snapshot.cron_schedule == "15 1 * * *"
    # After the ECB has published, at 16:00 in Frankfurt.
    assert schedules.daily_exchange_rates.cron_schedule == "30 17 * * *"
    assert monthly_training_set.cron_schedule == list(MONTHLY_TICKS)
    assert MONTHLY_TICKS[0] == "0 4 1 * *"
    for schedule in schedules.ALL:
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
        assert schedule.execution_timezone == "UTC"
        assert schedule.description


def test_the_zone_is_the_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PRICING_SCHEDULE_ZONE", "Asia/Tokyo")
        changed = importlib.reload(schedules)
        assert {schedule.execution_timezone for schedule in changed.ALL} == {"Asia/Tokyo"}
    importlib.reload(schedules)


def asked(platform: Platform, tick: datetime) -> dg.RunRequest | dg.SkipReason:
    """What the monthly schedule says at a tick of a real platform."""
    with platform.database() as database:
        context = dg.build_schedule_context(
            instance=platform.instance, scheduled_execution_time=tick
        )
        said = monthly_training_set(context, database=database)
    assert isinstance(said, dg.RunRequest | dg.SkipReason)
    return said


def skipped(platform: Platform, tick: datetime) -> str:
    said = asked(platform, tick)
    assert isinstance(said, dg.SkipReason), said
    return said.skip_message or ""


def test_a_month_waits_for_its_snapshot_and_the_check_and_is_built_once(
    platform: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    first = datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert "nothing had been observed" in skipped(platform, first)
    platform.scan(isbns(12))
    platform.run()
    assert "waits for the snapshot of 2026-10-31" in skipped(platform, first)
    assert "ALERT" not in capfd.readouterr().err
    assert "materialize price_snapshots" in skipped(platform, first + timedelta(hours=3))
    assert "ALERT: training set 2026-10 waits" in capfd.readouterr().err
    evening = platform.at(datetime(2026, 10, 31, 20, tzinfo=UTC))
    evening.run("snapshot_prices", partition="2026-10-31")
    assert "waits for the snapshot" in skipped(platform, first), "that one is provisional"
    later = platform.at(first)
    later.run("snapshot_prices", partition="2026-10-31")
    with platform.database() as database:
        kept = database.rows(sa.select(t.unified_index))
        database.execute(sa.delete(t.unified_index))
    later.scan(isbns(1, 12), "more.txt")
    later.run(fails=True)
    assert "a green check unified_index" in skipped(platform, first)
    with platform.database() as database, database.begin() as connection:
        connection.execute(sa.insert(t.unified_index), [dict(row._mapping) for row in kept])
    later.run()
    for tick in (first, datetime(2026, 11, 9, 4, tzinfo=UTC)):
        said = asked(platform, tick)
        assert isinstance(said, dg.RunRequest)
        assert said.partition_key == "2026-10-01"
    later.run("build_training_set", partition="2026-10-01")
    assert "2026-10 and the months before it are built" in skipped(platform, first)
    december = datetime(2026, 12, 1, 4, tzinfo=UTC)
    assert "2026-11-30" in skipped(platform, december)


def test_a_failed_month_is_an_alert_in_the_log(
    platform: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    platform.run("build_training_set", partition="2026-10-01", fails=True)
    said = capfd.readouterr().err
    assert "ALERT: training set 2026-10 failed in training_set" in said
    assert "nothing had been observed" in said
    assert "pricing training-set build --month 2026-10" in said
