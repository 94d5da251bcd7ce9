"""Sessions of asking: the progress of a batch of calls, written while it runs."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa

from pricing_assets.schema import tables as t
from resources.database import Database


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a session is.

    Attributes:
        answered: Calls that brought an answer.
        failed: Calls that were given up.
        unanswered: Calls that were not sent, since their source took no questions.
    """

    answered: int
    failed: int
    unanswered: int
    cost_usd: Decimal


def begin_session(
    database: Database, run_id: str, kinds: Collection[str], planned: int, *, now: datetime
) -> int:
    """Open a session of a run; return its id."""
    with database.begin() as connection:
        return int(
            connection.execute(
                sa.insert(t.training_sessions)
                .values(
                    run_id=run_id,
                    kinds=",".join(kinds),
                    started_at=now,
                    updated_at=now,
                    status="running",
                    calls_planned=planned,
                )
                .returning(t.training_sessions.c.id)
            ).scalar_one()
        )


def record_progress(
    database: Database, session_id: int, progress: Progress, *, now: datetime
) -> None:
    """Write how far a running session is; one that was closed stays as it was closed."""
    _update(database, session_id, progress, {"updated_at": now})


def end_session(
    database: Database,
    session_id: int,
    progress: Progress,
    status: Literal["finished", "failed"],
    *,
    now: datetime,
) -> None:
    """Close a session with its last numbers."""
    _update(
        database, session_id, progress, {"updated_at": now, "finished_at": now, "status": status}
    )


def _update(
    database: Database, session_id: int, progress: Progress, values: dict[str, Any]
) -> None:
    sessions = t.training_sessions
    database.execute(
        sa.update(sessions)
        .where(sessions.c.id == session_id, sessions.c.status == "running")
        .values(
            calls_answered=progress.answered,
            calls_failed=progress.failed,
            calls_unanswered=progress.unanswered,
            cost_usd=progress.cost_usd,
            **values,
        )
    )


def running_sessions(database: Database) -> list[dict[str, Any]]:
    """Return the sessions that run, the oldest first, as they are shown."""
    sessions = t.training_sessions
    rows = database.rows(
        sa.select(sessions).where(sessions.c.status == "running").order_by(sessions.c.id)
    )
    return [
        {
            "run_id": row.run_id,
            "kinds": row.kinds.split(","),
            "started_at": row.started_at.isoformat(timespec="seconds"),
            "updated_at": row.updated_at.isoformat(timespec="seconds"),
            "calls_planned": row.calls_planned,
            "calls_answered": row.calls_answered,
            "calls_failed": row.calls_failed,
            "calls_unanswered": row.calls_unanswered,
            "cost_usd": float(row.cost_usd),
        }
        for row in rows
    ]


def close_sessions(database: Database, run_ids: Collection[str], *, now: datetime) -> int:
    """Close the running sessions of runs that are dead as failed; return how many those were."""
    sessions = t.training_sessions
    return database.execute(
        sa.update(sessions)
        .where(sessions.c.status == "running", sessions.c.run_id.in_(sorted(run_ids)))
        .values(status="failed", finished_at=now)
    )
