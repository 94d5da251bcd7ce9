import calendar
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.periods import as_of, day_end, moment, month_end

MICROSECOND = timedelta(microseconds=1)


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)))
def test_a_day_ends_where_the_next_begins(day: date) -> None:
    following = day + timedelta(days=1)
    assert day_end(day) + MICROSECOND == datetime(
        following.year, following.month, following.day, tzinfo=UTC
    )


@given(st.integers(1900, 2200), st.integers(1, 12))
def test_a_month_ends_with_its_last_day(year: int, month: int) -> None:
    last = calendar.monthrange(year, month)[1]
    assert month_end(f"{year:04d}-{month:02d}") == day_end(date(year, month, last))


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026-1", "26-10", "2026-10-01", "", "\n"])
def test_what_is_no_month_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="2026-10"):
        month_end(text)


def test_a_period_that_has_ended_is_taken_at_its_end() -> None:
    end = month_end("2026-10")
    assert as_of(end, end + MICROSECOND) == (end, False)
    assert as_of(end, end + timedelta(days=400)) == (end, False)


def test_a_running_period_is_taken_now_and_provisional() -> None:
    end = month_end("2026-10")
    now = datetime(2026, 10, 20, tzinfo=UTC)
    assert as_of(end, now) == (now, True)
    assert as_of(end, end) == (end, True)


def test_a_moment_is_read_with_its_offset() -> None:
    written = moment("2026-11-15T01:30:00+02:00")
    assert written == datetime(2026, 11, 15, 1, 30, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize("text", ["next week", "", "2026-11-15", "2026-11-15T00:00:00"])
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it like 2026-11-15T00:00:00\+00:00"):
        moment(text)
