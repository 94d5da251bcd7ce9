import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.source_results import (
    FAR_FEWER,
    MIN_CALLS,
    is_far_fewer,
    tells_far_fewer,
    tells_nothing,
    usual_per_call,
)


@pytest.mark.parametrize(
    ("days", "usual"),
    [
        ([], None),
        ([(100, 500), (100, 700)], None),
        ([(100, 500), (100, 700), (100, 600)], 6.0),
        ([(100, 500), (100, 700), (5, 0)], None),
        ([(100, 500), (100, 700), (100, 600), (100, 0)], 5.5),
    ],
)
def test_what_is_usual(days: list[tuple[int, int]], usual: float | None) -> None:
    assert usual_per_call(days) == usual


@given(st.integers(0, 200), st.integers(0, 2000), st.none() | st.floats(0, 50))
def test_far_fewer_needs_calls_and_a_history(calls: int, results: int, usual: float | None) -> None:
    found = is_far_fewer(calls, results, usual)
    if usual is None or calls < MIN_CALLS:
        assert not found
    else:
        assert found == (results / calls < FAR_FEWER * usual)


@pytest.mark.parametrize(
    ("items", "vanished", "silent"),
    [(1, 1, False), (9, 9, False), (10, 10, True), (100, 90, True), (100, 89, False)],
)
def test_what_tells_nothing(items: int, vanished: int, silent: bool) -> None:
    assert tells_nothing(items, vanished) is silent


@pytest.mark.parametrize(
    ("items", "before", "now", "fewer"),
    [(9, 90, 0, False), (10, 100, 30, False), (10, 100, 29, True), (10, 10, 10, False)],
)
def test_what_tells_far_fewer(items: int, before: int, now: int, fewer: bool) -> None:
    assert tells_far_fewer(items, before, now) is fewer
