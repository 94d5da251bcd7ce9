import importlib
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.assets.price_snapshots import DAYS
from pricing_assets.assets.training_set import MONTHS
from sensors import schedules
from sensors.schedules import daily_snapshot, monthly_training_set


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
        (datetime(2026, 11, 1, 4, tzinfo=UTC), "2026-10-01"),
        (datetime(2027, 1, 1, 4, tzinfo=UTC), "2026-12-01"),
        (datetime(2026, 3, 1, 4, tzinfo=UTC), "2026-02-01"),
    ],
)
def test_the_first_of_a_month_builds_the_month_before(moment: datetime, month: str) -> None:
    assert partition(monthly_training_set, moment) == month


ZONES = ("UTC", "Pacific/Kiritimati", "Asia/Tokyo", "Europe/Berlin", "Pacific/Pago_Pago")


@given(st.dates(date(2026, 2, 2), date(2035, 12, 31)), st.sampled_from(ZONES))
def test_a_tick_asks_for_the_period_before_by_the_calendar_of_its_zone(
    day: date, zone: str
) -> None:
    tick = datetime(day.year, day.month, day.day, 1, 15, tzinfo=ZoneInfo(zone))
    built = date.fromisoformat(partition(daily_snapshot, tick))
    assert built == day - timedelta(days=1)
    tick = datetime(day.year, day.month, 1, 4, tzinfo=ZoneInfo(zone))
    built = date.fromisoformat(partition(monthly_training_set, tick))
    assert built.day == 1
    assert (built + timedelta(days=32)).replace(day=1) == day.replace(day=1)


@pytest.mark.parametrize("zone", ZONES)
def test_what_is_asked_for_can_be_built_at_that_moment(zone: str) -> None:
    tick = datetime(2027, 1, 1, 1, 15, tzinfo=ZoneInfo(zone))
    assert partition(daily_snapshot, tick) in DAYS.get_partition_keys(tick.astimezone(UTC))
    tick = datetime(2027, 1, 1, 4, tzinfo=ZoneInfo(zone))
    assert partition(monthly_training_set, tick) in MONTHS.get_partition_keys(tick.astimezone(UTC))


def test_the_months_are_built_one_after_the_other_in_a_zone_ahead_of_utc() -> None:
    ticks = [
        datetime(
            2026 + (month - 1) // 12, (month - 1) % 12 + 1, 1, 4, tzinfo=ZoneInfo("Asia/Tokyo")
        )
        for month in range(11, 15)
    ]
    built = [partition(monthly_training_set, tick) for tick in ticks]
    assert built == sorted(set(built))


def test_schedules_run_by_default_at_their_hours() -> None:
    assert daily_snapshot.cron_schedule == "15 1 * * *"
    assert monthly_training_set.cron_schedule == "0 4 1 * *"
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
