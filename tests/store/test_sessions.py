from datetime import timedelta
from decimal import Decimal

from pricing_assets.schema import tables as t
from pricing_assets.store.sessions import (
    Progress,
    begin_session,
    close_sessions,
    end_session,
    record_progress,
    running_sessions,
)
from resources.database import Database
from tests.examples import NOON, row, rows

SOON = NOON + timedelta(seconds=3)
LATER = NOON + timedelta(minutes=3)


def test_progress_can_be_read_while_a_session_runs(database: Database) -> None:
    session = begin_session(database, "run-1", ("sold", "ask"), 400, now=NOON)
    record_progress(database, session, Progress(120, 3, 1, Decimal("0.48")), now=SOON)
    (running,) = running_sessions(database)
    assert (running["run_id"], running["kinds"]) == ("run-1", ["sold", "ask"])
    assert (running["calls_planned"], running["calls_answered"]) == (400, 120)
    assert (running["calls_failed"], running["calls_unanswered"]) == (3, 1)
    assert running["cost_usd"] == 0.48
    assert running["updated_at"] == SOON.isoformat()
    end_session(database, session, Progress(396, 4, 0, Decimal("1.5840")), "finished", now=LATER)
    assert running_sessions(database) == []
    done = row(database, t.training_sessions)
    assert (done.status, done.calls_answered, done.finished_at) == ("finished", 396, LATER)
    assert done.cost_usd == Decimal("1.584")


def test_a_late_word_does_not_open_a_closed_session(database: Database) -> None:
    session = begin_session(database, "run-1", ("metadata",), 9, now=NOON)
    end_session(database, session, Progress(9, 0, 0, Decimal(0)), "finished", now=SOON)
    record_progress(database, session, Progress(5, 0, 0, Decimal(0)), now=LATER)
    assert row(database, t.training_sessions).calls_answered == 9


def test_the_sessions_of_dead_runs_are_closed_as_failed(database: Database) -> None:
    for run in ("dead", "alive"):
        begin_session(database, run, ("metadata",), 9, now=NOON)
    done = begin_session(database, "dead", ("sold",), 9, now=NOON)
    end_session(database, done, Progress(9, 0, 0, Decimal(0)), "finished", now=SOON)
    assert close_sessions(database, ["dead", "other"], now=LATER) == 1
    assert close_sessions(database, [], now=LATER) == 0
    states = {(r["run_id"], r["kinds"]): r["status"] for r in rows(database, t.training_sessions)}
    assert states == {
        ("dead", "metadata"): "failed",
        ("dead", "sold"): "finished",
        ("alive", "metadata"): "running",
    }
