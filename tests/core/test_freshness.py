from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.answers import FetchResult
from pricing_assets.core.freshness import (
    ASK_REASONS,
    LOW_QUALITY,
    RETRY_AFTER,
    SKIP_REASONS,
    is_usable,
    misses_after,
    next_due,
)

FETCHED = datetime(2026, 10, 20, 12, tzinfo=UTC)
fresh = st.timedeltas(timedelta(hours=1), timedelta(days=400))


@pytest.mark.parametrize(
    ("result", "completeness", "usable"),
    [
        ("found", None, True),
        ("found", 1.0, True),
        ("found", LOW_QUALITY, True),
        ("found", LOW_QUALITY - 0.01, False),
        ("found", 0.0, False),
        ("not_found", None, False),
        ("not_found", 1.0, False),
        ("error", 1.0, False),
    ],
)
def test_an_answer_is_usable_when_it_left_what_was_asked_for(
    result: FetchResult, completeness: float | None, usable: bool
) -> None:
    assert is_usable(result, completeness) is usable
    assert misses_after(result, completeness, 3) == (0 if usable else 4)


@given(fresh)
def test_a_usable_answer_is_due_when_it_is_no_longer_fresh(freshness: timedelta) -> None:
    assert next_due(FETCHED, freshness, 0) == FETCHED + freshness


@given(fresh, st.integers(1, 1000))
def test_waiting_times_grow_and_never_pass_the_freshness(freshness: timedelta, misses: int) -> None:
    due = next_due(FETCHED, freshness, misses)
    assert FETCHED < due <= next_due(FETCHED, freshness, misses + 1) <= FETCHED + freshness


def test_a_source_that_knows_nothing_waits_1_3_7_and_30_days() -> None:
    year = timedelta(days=365)
    waits = [next_due(FETCHED, year, misses) - FETCHED for misses in range(1, 7)]
    assert [wait.days for wait in waits] == [1, 3, 7, 30, 30, 30]
    assert list(RETRY_AFTER) == sorted(RETRY_AFTER)


def test_a_reason_either_asks_or_skips() -> None:
    assert not set(ASK_REASONS) & set(SKIP_REASONS)
    assert all([*ASK_REASONS.values(), *SKIP_REASONS.values()])
