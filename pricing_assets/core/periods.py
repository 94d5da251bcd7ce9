"""Moments as they are written, and days and months as the moments they end, in UTC."""

import re
from datetime import UTC, date, datetime, time, timedelta

MICROSECONDS_A_DAY = 86_400_000_000

FIRST_MONTH = "2026-01"
"""Nothing was observed before; days and months are built from here on."""


def moment(text: str) -> datetime:
    """Return the moment that is written in ISO 8601 with an offset.

    Raises:
        ValueError: It is none, or has no offset; the message says how one is written.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError(
            f"{text!r} is not a moment with an offset; write it like 2026-11-15T00:00:00+00:00"
        )
    return found


def day_end(day: date) -> datetime:
    """Return the last microsecond of a day."""
    return datetime.combine(day, time.max, tzinfo=UTC)


def month_end(month: str) -> datetime:
    """Return the last microsecond of a month written `2026-10`.

    Raises:
        ValueError: It is not a month; the message says how one is written.
    """
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
        raise ValueError(f"{month!r} is not a month; write it YYYY-MM, like 2026-10")
    year, number = int(month[:4]), int(month[5:])
    following = date(year + number // 12, number % 12 + 1, 1)
    return day_end(following - timedelta(days=1))


def as_of(period_end: datetime, now: datetime) -> tuple[datetime, bool]:
    """Return the as-of of a day or month built now, and whether it is provisional.

    A period that has not ended is built as of this moment and marked provisional.
    """
    return (now, True) if now <= period_end else (period_end, False)
