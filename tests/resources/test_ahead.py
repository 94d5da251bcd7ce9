from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.ahead import map_ahead


@given(st.lists(st.integers(), max_size=20), st.integers(1, 4), st.integers(0, 6))
def test_what_comes_of_tasks_is_in_their_order(tasks: list[int], threads: int, most: int) -> None:
    with ThreadPoolExecutor(threads) as executor:
        assert list(map_ahead(executor, str, tasks, most)) == [str(task) for task in tasks]


def test_tasks_are_taken_as_they_are_needed() -> None:
    taken = []

    def tasks() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(1) as executor:
        results = map_ahead(executor, str, tasks(), 2)
        assert (next(results), taken) == ("0", [0, 1, 2])
        assert (next(results), taken) == ("1", [0, 1, 2, 3])
        results.close()


@pytest.mark.parametrize("fails", [True, False])
def test_what_waits_is_not_begun_after_a_failure_or_the_end(fails: bool) -> None:
    over, begun = Event(), []

    def work(number: int) -> int:
        begun.append(number)
        if number == 0 and fails:
            raise ValueError("no")
        if number == 1:
            over.wait(10)
        return number

    with ThreadPoolExecutor(1) as executor:
        results = map_ahead(executor, work, range(4), 3)
        if fails:
            with pytest.raises(ValueError, match="no"):
                next(results)
        else:
            assert next(results) == 0
            results.close()
        over.set()
    assert begun in ([0], [0, 1])
