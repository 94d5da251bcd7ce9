"""Sources that are left in peace: their circuits, with the failure that a person should see."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from pricing_assets.schema import tables as t
from resources.database import Database
from resources.sources.circuit import CircuitStatus, read_circuits


@dataclass(frozen=True, slots=True)
class Trouble:
    """A source whose circuit is not closed.

    Attributes:
        status: Of its circuit: ``open`` or ``half-open``.
        last_error: Sentence of its last call that was given up; None where none was filed.
    """

    status: CircuitStatus
    last_error: str | None

    @property
    def reason(self) -> str:
        """Why it is left in peace."""
        said = f"; last: {self.last_error}" if self.last_error else ""
        return f"failed {self.status.failures} times in a row{said}"

    @property
    def tried_again(self) -> str:
        """When it is asked again."""
        until = self.status.until
        return f"{until:%Y-%m-%d %H:%M:%S} UTC" if until else "with the next question"

    def document(self) -> dict[str, str | int | None]:
        """Return it as JSON shows it."""
        until = self.status.until
        return {
            "source": self.status.source,
            "state": self.status.state,
            "failures": self.status.failures,
            "reason": self.reason,
            "tried_again_at": until.isoformat(timespec="seconds") if until else None,
        }


COLUMNS = ("source", "circuit", "reason", "tried again")
"""Heads of the table of circuits."""


def cells(trouble: Trouble) -> tuple[str, ...]:
    """Return a line of the table of circuits, as `COLUMNS` names it."""
    return (trouble.status.source, trouble.status.state, trouble.reason, trouble.tried_again)


def troubles(database: Database, limits: Path, prefix: str) -> Sequence[Trouble]:
    """Return the sources of a profile whose circuit is open or half-open, by name.

    Args:
        limits: Directory of what all processes know of each source (`Settings.limits`).
        prefix: Of the profile's sources: `sandbox:`, or nothing.
    """
    return [
        Trouble(status, _last_error(database, status.source))
        for status in read_circuits(limits)
        if status.state != "closed" and (":" in status.source) == bool(prefix)
    ]


def _last_error(database: Database, source: str) -> str | None:
    calls = t.api_calls
    rows = database.rows(
        sa.select(calls.c.error)
        .where(calls.c.source == source, calls.c.result == "error")
        .order_by(calls.c.requested_at.desc())
        .limit(1)
    )
    return rows[0].error if rows else None
