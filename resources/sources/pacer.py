"""Sending no faster than a vendor allows, and hardly slower.

One pacer paces one source in one process.
"""

import asyncio
import time
from collections import deque

# The vendor counts what arrives, we count what leaves; what lies between varies. So requests
# are sent a little wider apart than allowed, and any N of them within a little more time
# than the vendor counts N in.
_GRID_HEADROOM = 1.05
_WINDOW_HEADROOM = 1.04


class Pacer:
    """Grants turns on a fixed grid of times.

    A turn that is granted late (the event loop was busy) does not move the ones after it, so
    the rate holds; what is caught up on never exceeds the vendor's limit in any one second.

    Args:
        rate: Requests a second that the vendor allows; below 1 is fine.
    """

    def __init__(self, rate: float) -> None:
        if not rate > 0:
            raise ValueError(f"a rate of {rate} requests a second allows none; give one above 0")
        allowed = max(1, int(rate))
        self._interval = _GRID_HEADROOM / rate
        self._window = _WINDOW_HEADROOM * allowed / rate
        self._sent: deque[float] = deque(maxlen=allowed)
        self._next = 0.0
        self._held_until = 0.0
        self._turns = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for the next turn, first come first served."""
        asked = time.monotonic()
        async with self._turns:
            while (wait := self._due() - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            # Counted from when it was due, not from now; nothing is due before it is asked for.
            self._next = max(self._next, asked) + self._interval
            self._sent.append(time.monotonic())

    def hold(self, seconds: float) -> None:
        """Grant no turn for this long: the vendor asked all of us to wait."""
        self._held_until = max(self._held_until, time.monotonic() + seconds)

    def _due(self) -> float:
        full = len(self._sent) == self._sent.maxlen
        return max(self._next, self._held_until, self._sent[0] + self._window if full else 0.0)
