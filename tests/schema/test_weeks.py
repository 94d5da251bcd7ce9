from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.schema.weeks import WEEK, partition_name, partition_week, week_of

MOMENTS = st.datetimes(timezones=st.timezones()).filter(lambda moment: 1 < moment.year < 9999)


@given(MOMENTS)
def test_a_moment_is_within_the_week_that_its_partition_is_named_by(moment: datetime) -> None:
    week = week_of(moment)
    assert week.weekday() == 0
    assert week <= moment.astimezone(UTC).date() < week + WEEK
    assert partition_week(partition_name(week)) == week


def test_other_tables_are_of_no_week() -> None:
    assert partition_week("price_listings_2026_10_19") == date(2026, 10, 19)
    for name in ("price_listings", "price_listings_default", "price_listings_2026_13_01", "items"):
        assert partition_week(name) is None
    assert partition_week("price_listings_2026_10_19_old") is None
