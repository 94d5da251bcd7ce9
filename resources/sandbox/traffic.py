"""Who asked the sandbox what, and how fast: counters, and the limit on requests a second.

All of it is exact: one process, one event loop, and every request passes here once.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

_SECOND = 1_000_000_000


class Traffic:
    """Counters and rate limits by source."""

    def __init__(self, rate: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """Start from zero.

        Args:
            rate: Requests that each source lets in during any second; 0 lets all in.
            clock: Monotonic time in nanoseconds.
        """
        self.rate = rate
        self._clock = clock
        self._requests: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._refused_429: Counter[str] = Counter()
        self._busiest: Counter[str] = Counter()
        self._faults: dict[str, Counter[str]] = {}
        self._asked: dict[str, Counter[str]] = {}
        self._arrived: dict[str, deque[int]] = {}
        self._let_in: dict[str, deque[int]] = {}

    def arrive(self, source: str) -> int:
        """Count a request; return its time."""
        now = self._clock()
        self._requests[source] += 1
        window = _last_second(self._arrived.setdefault(source, deque()), now)
        window.append(now)
        self._busiest[source] = max(self._busiest[source], len(window))
        return now

    def let_in(self, source: str, now: int) -> bool:
        """Whether the source takes the request of that time.

        Only requests that were let in fill the second, so a client that keeps knocking
        still gets its share.
        """
        if not self.rate:
            return True
        window = _last_second(self._let_in.setdefault(source, deque()), now)
        if len(window) >= self.rate:
            return False
        window.append(now)
        return True

    def replied(self, source: str, status: int, asked: Iterable[str]) -> None:
        """Count a reply: 200 is answered, and then so is what it asked about."""
        if status == 200:
            self._answered[source] += 1
            self._asked.setdefault(source, Counter()).update(asked)
        elif status == 429:
            self._refused_429[source] += 1

    def failed(self, source: str, kind: str) -> None:
        """Count a fault that was ordered."""
        self._faults.setdefault(source, Counter())[kind] += 1

    def stats(self) -> dict[str, Any]:
        """Return the counters by source."""
        return {
            "requests": dict(self._requests),
            "answered": dict(self._answered),
            "429s": dict(self._refused_429),
            "max_requests_in_1s": dict(self._busiest),
            "faults": {source: dict(kinds) for source, kinds in self._faults.items()},
        }

    def asked(self) -> dict[str, dict[str, int]]:
        """Return how often each source answered about each item, by its natural key."""
        return {source: dict(counts) for source, counts in self._asked.items()}


def _last_second(times: deque[int], now: int) -> deque[int]:
    while times and now - times[0] >= _SECOND:
        times.popleft()
    return times
