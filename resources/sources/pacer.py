"""Sending no faster than a vendor allows, and hardly slower.

Every process that asks a source has a pacer for it; they grant turns out of one shared state,
so that the rate is that of all of them together, and a process that starts takes up where
the last one ended.
"""

import asyncio
import time
from dataclasses import dataclass

from resources.sources.limits import SENDS_KEPT, SharedLimits

# The vendor counts what arrives, we count what leaves; what lies between varies. So requests
# are sent a little wider apart than allowed, and any N of them within a little more time
# than the vendor counts N in.
# The grid leaves more than the window asks for, or no send that is late is ever caught up on.
_GRID_HEADROOM = 1.025
_WINDOW_HEADROOM = 1.02
# Several processes are late each in its own way, and what one sends late falls together with
# what another one sends in time.
_CROWDED_HEADROOM = 1.05

_CAUGHT_UP_SECONDS = 0.2
"""Of a longer stall only this is caught up on: a burst is what a vendor's limit is against."""


_LATE_SECONDS = 0.002
"""What is later by less is well within the room that the window leaves."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A request that may be sent now: its number, and when that was granted."""

    number: int
    granted_at: float


class Pacer:
    """Grants turns on a fixed grid of times.

    A turn that is granted late (the event loop was busy) does not move the ones after it, so
    the rate holds; what is caught up on never exceeds the vendor's limit in any one second.
    No turn is given out before its time, so a process that dies takes none with it.

    Args:
        rate: Requests a second that the vendor allows; below 1 is fine.
        limits: The state that all pacers of the source share; by default this one's own.
    """

    def __init__(self, rate: float, limits: SharedLimits | None = None) -> None:
        if not rate > 0:
            raise ValueError(f"a rate of {rate} requests a second allows none; give one above 0")
        self._limits = limits or SharedLimits()
        self._allowed = min(max(1, int(rate)), SENDS_KEPT)
        self._interval = _GRID_HEADROOM / rate
        self._window = _WINDOW_HEADROOM * self._allowed / rate
        self._turns = asyncio.Lock()

    async def turn(self) -> "Turn":
        """Wait for the next turn; within a process first come first served."""
        limits = self._limits
        asked = time.monotonic()
        async with self._turns:
            while True:
                async with limits.locked() as now:
                    wait = self._due() - now
                    if wait <= 0:
                        # Counted from when it was due, not from now; nothing is due before
                        # it is asked for.
                        due = max(limits.next_turn, asked, now - _CAUGHT_UP_SECONDS)
                        limits.next_turn = due + self._interval * self._headroom()
                        return Turn(limits.add_send(now), now)
                await asyncio.sleep(wait)

    async def sent(self, turn: "Turn") -> None:
        """Say that the request of a turn has left just now.

        Between the turn and the wire a busy process may lose time, and what it then sends at
        once a vendor counts together. So what follows is counted from when it really left.
        """
        if time.monotonic() - turn.granted_at > _LATE_SECONDS:
            async with self._limits.locked() as now:
                self._limits.move_send(turn.number, now)

    async def hold(self, seconds: float) -> None:
        """Grant no turn for this long: the vendor asked all of us to wait."""
        async with self._limits.locked() as now:
            limits = self._limits
            limits.held_until = max(limits.held_until, now + seconds)
            # What waits meanwhile goes on at the usual pace, not in one burst.
            limits.next_turn = max(limits.next_turn, limits.held_until)

    def _due(self) -> float:
        first = self._limits.nth_last_send(self._allowed)
        return max(
            self._limits.next_turn,
            self._limits.held_until,
            0.0 if first is None else first + self._window * self._headroom(),
        )

    def _headroom(self) -> float:
        return _CROWDED_HEADROOM if self._limits.crowded else 1.0
