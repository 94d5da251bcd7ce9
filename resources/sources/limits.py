"""What all processes of a machine must agree on about a source: its turns and its circuit.

One small file of fixed size for each source, mapped into memory and changed under a lock
that the operating system takes back from a process however that ends. What the numbers mean
is decided in `pacer` and `circuit`.

Times are those of the monotonic clock: all processes of a machine share it and nobody can
set it. It starts again with the machine; what would then lie in the future is drawn back to
the present, where it makes us wait once more rather than send too early.
"""

import asyncio
import fcntl
import mmap
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

SENDS_KEPT = 1_024
"""The last sends that are remembered; a window that holds more of them is cut to these."""

_VERSION = 1.0
_FIRST_SEND = 16
_CELLS = _FIRST_SEND + SENDS_KEPT
FILE_BYTES = _CELLS * 8
"""Size of every state file."""

_LOCK_PAUSE_SECONDS = 0.0005
_CROWD_SECONDS = 2.0


class SharedLimits:
    """The state of one source: numbers that are read at any time and changed within `locked`.

    Attributes:
        path: The file; None keeps the state in memory, for this object alone.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._map: mmap.mmap | None = None
        if path is None:
            self._cells = memoryview(bytearray(FILE_BYTES)).cast("d")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if os.fstat(self._descriptor).st_size != FILE_BYTES:
            os.ftruncate(self._descriptor, FILE_BYTES)
        self._map = mmap.mmap(self._descriptor, FILE_BYTES)
        self._cells = memoryview(self._map).cast("d")

    def close(self) -> None:
        """Let go of the file."""
        self._cells.release()
        if self._map is not None:
            self._map.close()
            self._map = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[float]:
        """Be the only one who changes the state; yields the time. Nothing is awaited within.

        A process that is stopped while it has the lock holds back turns, not event loops.
        """
        while not self._try_lock():
            await asyncio.sleep(_LOCK_PAUSE_SECONDS)
        try:
            now = time.monotonic()
            self._mend(now)
            yield now
        finally:
            if self._descriptor is not None:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _try_lock(self) -> bool:
        if self._descriptor is None:
            return True
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _mend(self, now: float) -> None:
        """Make a new file ours, and one that was written before the machine was started anew."""
        cells = self._cells
        if cells[0] != _VERSION:
            damaged = any(cells)
            cells[:] = memoryview(bytearray(FILE_BYTES)).cast("d")
            cells[0] = _VERSION
            # What was sent a moment ago is not known then, so a second passes first.
            self.held_until = now + 1.0 if damaged else 0.0
        elif not self.last_send <= now:
            ahead = max(0.0, self.held_until - self.last_send)
            self.held_until = now + ahead
            self.next_turn = now
            cells[10] = min(cells[10], now)
            self.failing_since = min(self.failing_since, now)
            self.open_until = min(self.open_until, now)
            self.probe_until = min(self.probe_until, now)
            for place in range(_FIRST_SEND, _CELLS):
                cells[place] = min(cells[place], now)

    # --- turns (`pacer`) ---------------------------------------------------------------------

    @property
    def next_turn(self) -> float:
        """When the grid has its next turn."""
        return self._cells[1]

    @next_turn.setter
    def next_turn(self, moment: float) -> None:
        self._cells[1] = moment

    @property
    def held_until(self) -> float:
        """Until when the source asked all of us to wait."""
        return self._cells[2]

    @held_until.setter
    def held_until(self, moment: float) -> None:
        self._cells[2] = moment

    @property
    def last_send(self) -> float:
        """When the last request was sent; 0 when none was."""
        count = int(self._cells[3])
        return self._cells[_FIRST_SEND + (count - 1) % SENDS_KEPT] if count else 0.0

    def nth_last_send(self, number: int) -> float | None:
        """Return when the send that lies ``number`` back was; None when there is none.

        Args:
            number: 1 is the last one; at most `SENDS_KEPT`.
        """
        count = int(self._cells[3])
        if count < number:
            return None
        return self._cells[_FIRST_SEND + (count - number) % SENDS_KEPT]

    @property
    def crowded(self) -> bool:
        """Whether other processes have sent as well, a moment ago."""
        return self._cells[10] > self.last_send

    def add_send(self, moment: float) -> int:
        """Remember a send, and that more than one process sends; return its number."""
        sender = os.getpid()
        if self._cells[9] not in (0, sender) and moment - self.last_send < _CROWD_SECONDS:
            self._cells[10] = moment + _CROWD_SECONDS
        self._cells[9] = sender
        count = int(self._cells[3])
        # The time first: whoever is killed in between has not counted it.
        self._cells[_FIRST_SEND + count % SENDS_KEPT] = moment
        self._cells[3] = count + 1
        return count

    def move_send(self, number: int, moment: float) -> None:
        """Correct the time of a send by its number, while it is remembered."""
        if int(self._cells[3]) - number <= SENDS_KEPT:
            self._cells[_FIRST_SEND + number % SENDS_KEPT] = moment

    # --- the circuit (`circuit`) -------------------------------------------------------------

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return int(self._cells[4])

    @failures.setter
    def failures(self, count: int) -> None:
        self._cells[4] = count

    @property
    def openings(self) -> int:
        """How often in a row the circuit opened; 0 while it is closed."""
        return int(self._cells[5])

    @openings.setter
    def openings(self, count: int) -> None:
        self._cells[5] = count

    @property
    def open_until(self) -> float:
        """Until when an open circuit lets nothing through."""
        return self._cells[6]

    @open_until.setter
    def open_until(self, moment: float) -> None:
        self._cells[6] = moment

    @property
    def probe_until(self) -> float:
        """Until when another probe waits for the one that was let through."""
        return self._cells[7]

    @probe_until.setter
    def probe_until(self, moment: float) -> None:
        self._cells[7] = moment

    @property
    def failing_since(self) -> float:
        """When the first of the failures in a row was."""
        return self._cells[8]

    @failing_since.setter
    def failing_since(self, moment: float) -> None:
        self._cells[8] = moment
