import asyncio
import time
from itertools import pairwise

import pytest

from resources.sources.limits import SharedLimits
from resources.sources.pacer import Pacer, Turn


def _turns(rate: float, count: int, stall_every: int = 0, stall: float = 0.0) -> list[float]:
    async def scenario() -> list[float]:
        pacer = Pacer(rate)
        times: list[float] = []

        async def take() -> None:
            await pacer.turn()
            times.append(time.monotonic())
            if stall_every and len(times) % stall_every == 0:
                time.sleep(stall)  # the event loop is busy with something else

        await asyncio.gather(*(take() for _ in range(count)))
        return times

    return asyncio.run(scenario())


def _most_in_any_second(times: list[float]) -> int:
    return max(sum(start <= t < start + 1 for t in times) for start in times)


def test_the_rate_is_reached_and_not_exceeded() -> None:
    times = _turns(100, 150)
    assert _most_in_any_second(times) <= 100
    assert 149 / (times[-1] - times[0]) >= 90


def test_a_late_wake_up_does_not_lower_the_rate() -> None:
    # 10 stalls of 25 ms: pacing by "sleep after each" would lose 250 ms of 780.
    times = _turns(100, 75, stall_every=7, stall=0.025)
    assert times[-1] - times[0] < 0.9


def test_a_stall_is_not_caught_up_on_faster_than_allowed() -> None:
    times = _turns(50, 80, stall_every=30, stall=0.3)
    assert _most_in_any_second(times) <= 50


def test_a_slow_rate_has_no_burst() -> None:
    times = _turns(8, 5)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) >= 0.12


def test_an_idle_time_is_not_caught_up_on() -> None:
    async def scenario() -> float:
        pacer = Pacer(10)
        await pacer.turn()
        await asyncio.sleep(0.3)
        started = time.monotonic()
        for _ in range(3):
            await pacer.turn()
        return time.monotonic() - started

    assert asyncio.run(scenario()) >= 0.19


def test_what_left_late_is_counted_from_when_it_left() -> None:
    async def scenario() -> tuple[float, float]:
        limits = SharedLimits()
        pacer = Pacer(50, limits)
        async with limits.locked() as now:
            numbers = [limits.add_send(now - 1.0 + place / 50) for place in range(50)]
        # In time, and then a fifth of a second late.
        await pacer.sent(Turn(numbers[0], time.monotonic()))
        assert limits.nth_last_send(50) == now - 1.0
        limits.move_send(numbers[0], now - 0.8)
        await pacer.turn()
        waited = time.monotonic() - now
        await pacer.sent(Turn(numbers[1], time.monotonic() - 0.2))
        # The turn above was one send more.
        return waited, time.monotonic() - (limits.nth_last_send(50) or 0.0)

    waited, ago = asyncio.run(scenario())
    assert waited >= 0.215
    assert 0 <= ago < 0.1


def test_a_hold_stops_everyone() -> None:
    async def scenario() -> float:
        pacer = Pacer(1000)
        await pacer.turn()
        waiting = asyncio.create_task(pacer.turn())
        await pacer.hold(0.2)
        started = time.monotonic()
        await waiting
        return time.monotonic() - started

    assert asyncio.run(scenario()) >= 0.19


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_that_allows_nothing_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Pacer(rate)
