"""The weekly partitions of `price_listings` on PostgreSQL: their names and bounds.

A week begins on Monday at midnight in UTC, and its table is named by that day. What no week's
table is there for is in the default partition, so that nothing that is observed is ever refused.
"""

import re
from datetime import UTC, date, datetime, timedelta

DEFAULT_PARTITION = "price_listings_default"

WEEK = timedelta(days=7)

_NAME = re.compile(r"price_listings_(\d{4})_(\d{2})_(\d{2})")


def week_of(moment: datetime) -> date:
    """Return the Monday of a moment's week."""
    day = moment.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def partition_name(week: date) -> str:
    """Return the name of the table of a week, given by its Monday."""
    return f"price_listings_{week.isoformat().replace('-', '_')}"


def partition_week(name: str) -> date | None:
    """Return the week that a table is of; None for any other table."""
    found = _NAME.fullmatch(name)
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None


def attach_partition(week: date) -> str:
    """Return the statement that lets a week's table be read and written with the others."""
    return (
        f"ALTER TABLE price_listings ATTACH PARTITION {partition_name(week)} "
        f"FOR VALUES FROM ('{week} 00:00+00') TO ('{week + WEEK} 00:00+00')"
    )
