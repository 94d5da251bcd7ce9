"""Leaving a source in peace that fails: one circuit a source, shared by all processes.

It opens after failures in a row of the source itself: an answer of 5xx, none in time, a
connection that was refused or broke off. An item that it does not know, a refused key or a
body that cannot be read are answers, and say that it is alive.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from resources.sources.base import CircuitOpen
from resources.sources.limits import FILE_BYTES, SharedLimits

CircuitState = Literal["closed", "open", "half-open"]

FAILURES_TO_OPEN = 12
"""Attempts in a row, of all processes. One question fails four times at most, so no single
one opens it."""

FAILING_SECONDS = 1.0
"""For at least this long: when a vendor's gateway is restarted, all that is in flight breaks
off in one moment, and passes when it is tried again."""

OPEN_SECONDS = 30.0
"""How long it is open the first time; every failed probe doubles that."""

LONGEST_OPEN_SECONDS = 900.0

PROBE_SECONDS = 180.0
"""After this long a probe is taken for lost with its process: no attempt lasts as long."""

_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class CircuitStatus:
    """A source's circuit as a person is shown it.

    Attributes:
        source: Name of the source as it is stored, prefix included.
        state: ``closed`` lets all requests through, ``open`` none, ``half-open`` one.
        failures: Failures in a row.
        until: When an open circuit lets a probe through; None for the other states.
    """

    source: str
    state: CircuitState
    failures: int
    until: datetime | None

    def __str__(self) -> str:
        """Return the state, with its end where it has one."""
        return f"open until {self.until:%H:%M:%S} UTC" if self.until else self.state


class Circuit:
    """The circuit of one source.

    Args:
        source: Its name as it is stored.
        limits: The state that all circuits of the source share.
    """

    def __init__(self, source: str, limits: SharedLimits) -> None:
        self._source = source
        self._limits = limits

    def status(self) -> CircuitStatus:
        """Return the state as it is now."""
        limits = self._limits
        left = self._seconds_left()
        state: CircuitState = "closed"
        if limits.openings:
            state = "open" if left > 0 else "half-open"
        until = datetime.now(UTC) + timedelta(seconds=left) if state == "open" else None
        return CircuitStatus(self._source, state, limits.failures, until)

    def check(self) -> None:
        """Do nothing unless it is open.

        Raises:
            CircuitOpen: It is; the sentence says until when.
        """
        if self._limits.openings and self._seconds_left() > 0:
            status = self.status()
            raise CircuitOpen(
                f"failed {status.failures} times in a row and is {status}; nothing was sent, "
                "and the next run after that asks again"
            )

    def _seconds_left(self) -> float:
        """Return for how long an open circuit lets nothing through; 0 or less when it may."""
        left = self._limits.open_until - time.monotonic()
        # The clock starts again with the machine: an end beyond the longest one is from before.
        return left if left <= LONGEST_OPEN_SECONDS else 0.0

    def trial(self) -> "Trial":
        """Return what takes one attempt through the circuit."""
        return Trial(self, self._limits)


class Trial:
    """One attempt's way through a circuit.

    It enters before it waits for its turn, is confirmed right before it is sent, and then
    succeeds, fails or is abandoned; what has not entered has no say.
    """

    def __init__(self, circuit: Circuit, limits: SharedLimits) -> None:
        self._circuit = circuit
        self._limits = limits
        self._entered = False
        self._probing = False

    async def enter(self) -> None:
        """Wait until the attempt may be sent: while another one probes, for what comes of it.

        Raises:
            CircuitOpen: It may not.
        """
        while not self._entered:
            self._circuit.check()
            if not self._limits.openings:
                self._entered = True
                return
            async with self._limits.locked() as now:
                if self._limits.openings and self._limits.probe_until <= now:
                    self._limits.probe_until = now + PROBE_SECONDS
                    self._entered = self._probing = True
                    return
            await asyncio.sleep(_LOOK_SECONDS)

    async def confirm(self) -> None:
        """Do nothing unless it opened while the attempt waited for its turn.

        Raises:
            CircuitOpen: It did.
        """
        try:
            self._circuit.check()
        except CircuitOpen:
            await self.abandon()
            raise

    async def succeed(self) -> None:
        """Say that the source answered: a circuit that is not open is closed by it."""
        limits = self._limits
        if not self._entered:
            return
        self._entered = False
        # Nearly always there is nothing to change; then no lock is taken.
        if not limits.failures and not limits.openings:
            return
        async with limits.locked() as now:
            if limits.openings and limits.open_until > now:
                return  # sent before it opened
            limits.failures = limits.openings = 0
            limits.open_until = limits.probe_until = 0.0

    async def fail(self) -> None:
        """Say that the source failed: enough of that opens the circuit, for longer each time."""
        limits = self._limits
        if not self._entered:
            return
        self._entered = False
        async with limits.locked() as now:
            if limits.openings and limits.open_until > now:
                return  # sent before it opened
            if not limits.failures:
                limits.failing_since = now
            limits.failures += 1
            lasting = now - limits.failing_since >= FAILING_SECONDS
            if limits.openings or (limits.failures >= FAILURES_TO_OPEN and lasting):
                longer = OPEN_SECONDS * 2**limits.openings
                limits.open_until = now + min(longer, LONGEST_OPEN_SECONDS)
                limits.openings = min(limits.openings + 1, 30)
                limits.probe_until = 0.0

    async def abandon(self) -> None:
        """Say that nothing came of it, as when it was cancelled: another one may probe."""
        if self._entered and self._probing:
            async with self._limits.locked():
                self._limits.probe_until = 0.0
        self._entered = False


def read_circuits(directory: Path) -> list[CircuitStatus]:
    """Return the circuits of all sources that were asked on this machine, by name.

    Args:
        directory: Of the state files (`Settings.limits`).
    """
    statuses = []
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        if path.stat().st_size != FILE_BYTES:
            continue
        limits = SharedLimits(path)
        try:
            statuses.append(Circuit(path.name, limits).status())
        finally:
            limits.close()
    return statuses
