import asyncio
import fcntl
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from pricing_assets.assets import asking
from pricing_assets.assets.asking import AskSummary, ask_open, orderly_interrupt
from pricing_assets.assets.raw_scans import take_inbox
from pricing_assets.schema import tables as t
from pricing_assets.store.answers import commit_replies
from pricing_assets.store.circuits import troubles
from pricing_assets.store.decisions import decide
from pricing_assets.store.queue import count_open_asks, release_leases, take_asks
from pricing_assets.store.sessions import running_sessions
from resources.database import Database
from resources.sandbox.process import SandboxProcess
from resources.source_access import SourceAccess
from resources.sources import circuit
from resources.sources.circuit import read_circuits
from resources.sources.client import Reply
from resources.sources.limits import SharedLimits
from resources.spool import Spool
from tests.runs import Asked, Platform, asked, isbns

METADATA = ("metadata",)


@pytest.fixture
def decided(platform: Platform) -> Iterator[Database]:
    """A database where twenty books are to be asked about."""
    platform.scan(isbns(20))
    with platform.database() as database:
        take_inbox(database, platform.clock, platform.settings, 10)
        assert decide(database, now=platform.clock.now(), run_id="first").scans == 20
        yield database


def ask(platform: Platform, database: Database, run_id: str = "first") -> AskSummary:
    with SourceAccess(platform.settings, platform.clock) as access:
        return ask_open(
            database,
            access,
            METADATA,
            clock=platform.clock,
            spool_directory=platform.settings.spool,
            run_id=run_id,
        )


def answered(platform: Platform, before: Asked) -> Asked:
    assert platform.settings.sandbox_url is not None
    return asked(platform.settings.sandbox_url) - before


def before(platform: Platform) -> Asked:
    return answered(platform, Counter())


def test_only_sources_of_the_kind_are_asked(platform: Platform, decided: Database) -> None:
    start = before(platform)
    summary = ask(platform, decided)
    assert (summary.calls, summary.recovered) == (40, 0)
    assert sum(summary.results.values()) == 40
    new = answered(platform, start)
    assert {source for source, _ in new} == {"open_library", "google_books"}
    assert set(new.values()) == {1}
    assert count_open_asks(decided, METADATA, now=platform.clock.now()) == 0
    assert count_open_asks(decided, ("sold", "ask"), now=platform.clock.now()) == 40
    assert list(platform.settings.spool.iterdir()) == []


def test_a_session_is_kept_while_it_asks(
    platform: Platform, decided: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "SECONDS_BETWEEN_REPORTS", 0.01)
    seen = []

    def watch(*arguments: Any, **named: Any) -> None:
        commit_replies(*arguments, **named)
        seen.extend(running_sessions(decided))

    monkeypatch.setattr(asking, "commit_replies", watch)
    ask(platform, decided)
    assert seen
    assert seen[0]["run_id"] == "first"
    assert seen[0]["calls_planned"] == 40
    (session,) = platform.rows(sa.select(t.training_sessions))
    assert (session.status, session.kinds) == ("finished", "metadata")
    assert (session.calls_answered, session.calls_failed) == (40, 0)
    assert session.finished_at == platform.clock.now()
    ask(platform, decided, "second")
    assert platform.count(t.training_sessions) == 1


def test_pages_and_batches_lose_and_repeat_nothing(
    platform: Platform, decided: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ITEMS_A_PAGE", 7)
    monkeypatch.setattr(asking, "REPLIES_A_COMMIT", 3)
    start = before(platform)
    assert ask(platform, decided).calls == 40
    assert set(answered(platform, start).values()) == {1}
    assert platform.count(t.api_calls) == platform.count(t.unified_index) == 40
    assert list(platform.settings.spool.iterdir()) == []


def test_nothing_is_asked_twice(platform: Platform, decided: Database) -> None:
    ask(platform, decided)
    start = before(platform)
    again = ask(platform, decided, "second")
    assert again.calls == 0
    assert answered(platform, start) == Counter()


def test_a_source_that_is_away_is_an_error_and_stops_nothing(
    platform: Platform, decided: Database
) -> None:
    with SandboxProcess(size=10) as sandbox:
        gone = sandbox.url
    away = platform.with_sandbox(gone)
    decided.execute(
        sa.update(t.data_sources).values(is_active=t.data_sources.c.name == "sandbox:open_library")
    )
    summary = ask(away, decided)
    assert summary.results == {"error": 20}
    calls = platform.rows(sa.select(t.api_calls))
    assert len(calls) == 20
    for call in calls:
        assert call.status is None
        assert call.cost_usd == 0
        assert "open_library" in call.error
    index = platform.rows(sa.select(t.unified_index))
    assert {row.result for row in index} == {"error"}
    assert all(row.next_due_at > platform.clock.now() for row in index)
    assert platform.count(t.items, t.items.c.metadata_fetched_at.is_not(None)) == 0


def test_a_source_that_stays_away_is_left_in_peace_and_its_questions_open(
    platform: Platform, decided: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit, "FAILING_SECONDS", 0.0)
    with SandboxProcess(size=10) as sandbox:
        gone = sandbox.url
    summary = ask(platform.with_sandbox(gone), decided)
    asked_in_vain, left = summary.results["error"], sum(summary.postponed.values())
    assert set(summary.postponed) <= {"sandbox:open_library", "sandbox:google_books"}
    assert asked_in_vain + left == 40
    assert left > 0
    # What was not sent is neither a call nor an answer: it stays to be asked.
    assert platform.count(t.api_calls) == platform.count(t.unified_index) == asked_in_vain
    assert count_open_asks(decided, METADATA, now=platform.clock.now()) == left
    states = {status.source: status for status in read_circuits(platform.settings.limits)}
    for source in summary.postponed:
        assert states[source].state == "open"
    shown = troubles(decided, platform.settings.limits, "sandbox:")
    assert {trouble.status.source for trouble in shown} == set(summary.postponed)
    assert all("could not be reached" in trouble.reason for trouble in shown)

    # The next run finds the circuit open and costs the source nothing.
    start = before(platform)
    again = ask(platform, decided, "too soon")
    assert (again.calls, again.postponed) == (0, summary.postponed)
    assert answered(platform, start) == Counter()

    # Once its time is over, one probe succeeds and lets all the others through.
    for source in summary.postponed:
        limits = SharedLimits(platform.settings.limits / source)
        limits.open_until = 0.0
        limits.close()
    last = ask(platform, decided, "later")
    assert (last.calls, last.postponed) == (left, {})
    assert count_open_asks(decided, METADATA, now=platform.clock.now()) == 0
    assert {status.state for status in read_circuits(platform.settings.limits)} == {"closed"}


def test_a_commit_that_fails_keeps_the_answers_for_the_next_run(
    platform: Platform, decided: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, the server restarts: what was paid for is on disk and is filed."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    start = before(platform)
    with monkeypatch.context() as patch:
        patch.setattr(asking, "commit_replies", full)
        with pytest.raises(OSError, match="No space left"):
            ask(platform, decided)
    assert platform.count(t.api_calls) == 0
    spooled = [line for path in platform.settings.spool.glob("*/*.jsonl") for line in path.open()]
    assert len(spooled) == 40
    summary = ask(platform, decided, "second")
    assert (summary.calls, summary.recovered) == (40, 40)
    assert set(answered(platform, start).values()) == {1}
    calls = platform.rows(sa.select(t.api_calls.c.run_id).distinct())
    assert [call.run_id for call in calls] == ["first"]
    assert list(platform.settings.spool.iterdir()) == []


def leave_behind(platform: Platform, run_id: str = "killed") -> list[Reply]:
    """Leave the spool of a run behind that was killed after it had asked one source."""
    replies: list[Reply] = []

    class Keeps(Spool):
        def append(self, reply: Reply) -> None:
            replies.append(reply)
            super().append(reply)

    with platform.database() as database, SourceAccess(platform.settings, platform.clock) as access:
        spool = Keeps(platform.settings.spool, run_id)

        async def ask_some() -> None:
            now = platform.clock.now()
            asks, _ = take_asks(database, METADATA, now=now, run_id=run_id, after="", items=50)
            pairs = [(access.source(ask.source), asking._query(ask)) for ask in asks[:16]]
            async with access.client() as client:
                async for reply in client.ask_many(pairs):
                    spool.append(reply)

        asyncio.run(ask_some())
        spool.close()
        # As the next run's check does for a run that is gone.
        release_leases(database, run_id)
    return replies


def test_what_a_killed_run_left_behind_is_filed_before_anything_is_asked(
    platform: Platform, decided: Database
) -> None:
    start = before(platform)
    replies = leave_behind(platform)
    summary = ask(platform, decided, "next")
    assert summary.recovered == 16
    assert summary.calls == 40
    assert set(answered(platform, start).values()) == {1}
    stored = {
        (row.source, row.item_id): row
        for row in platform.rows(sa.select(t.api_calls).where(t.api_calls.c.run_id == "killed"))
    }
    assert set(stored) == {(reply.source, reply.query.item_id) for reply in replies}
    for reply in replies:
        row = stored[reply.source, reply.query.item_id]
        assert row.requested_at == reply.requested_at
        assert row.result == reply.result
        assert row.payload_sha256 == reply.sha256
        assert row.cost_usd == reply.cost_usd
    assert list(platform.settings.spool.iterdir()) == []


def test_a_last_line_that_was_cut_off_is_asked_again(platform: Platform, decided: Database) -> None:
    start = before(platform)
    leave_behind(platform)
    (segment,) = platform.settings.spool.glob("*/*.jsonl")
    content = segment.read_bytes()
    segment.write_bytes(content[: -len(content.splitlines()[-1]) // 2])
    summary = ask(platform, decided, "next")
    assert summary.recovered == 15
    assert summary.calls == 40
    again = answered(platform, start)
    assert sorted(again.values())[-2:] == [1, 2]
    assert platform.count(t.api_calls) == 40


def test_the_spool_of_a_living_run_is_left_alone(platform: Platform, decided: Database) -> None:
    leave_behind(platform, "alive")
    (directory,) = platform.settings.spool.iterdir()
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        summary = ask(platform, decided, "other")
    assert summary.recovered == 0
    assert [json.loads(line) for path in directory.glob("*.jsonl") for line in path.open()]


def test_answers_that_were_committed_before_the_crash_are_not_counted_twice(
    platform: Platform, decided: Database
) -> None:
    """Killed between the commit and the removal of the segment."""
    leave_behind(platform)
    (segment,) = platform.settings.spool.glob("*/*.jsonl")
    content, directory = segment.read_bytes(), segment.parent
    ask(platform, decided, "next")
    calls, listings = platform.count(t.api_calls), platform.count(t.metadata_versions)
    directory.mkdir(parents=True)
    Path(segment).write_bytes(content)
    start = before(platform)
    ask(platform, decided, "after")
    assert answered(platform, start) == Counter()
    assert (platform.count(t.api_calls), platform.count(t.metadata_versions)) == (calls, listings)


def test_a_sandbox_is_started_where_none_is_named_and_ends_with_the_run(
    platform: Platform, decided: Database
) -> None:
    own = replace(platform, settings=replace(platform.settings, sandbox_url=None))
    with SourceAccess(own.settings, own.clock) as access:
        summary = ask_open(
            decided,
            access,
            METADATA,
            clock=own.clock,
            spool_directory=own.settings.spool,
            run_id="own",
        )
        assert summary.results.get("error", 0) == 0
        assert access._origin is not None
        origin = access._origin
        assert httpx.get(f"{origin}/_sandbox/stats").json()["answered"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{origin}/_sandbox/stats")


def test_ctrl_c_ends_the_asking_wherever_it_comes() -> None:
    """Also within a callback of the loop, which swallows what another handler raises there."""

    def as_dagster_does(number: int, frame: FrameType | None) -> None:
        raise BaseException

    async def ask_for_long() -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)

    before = signal.signal(signal.SIGINT, as_dagster_does)
    try:
        with pytest.raises(KeyboardInterrupt), orderly_interrupt():
            asyncio.run(ask_for_long())
        assert signal.getsignal(signal.SIGINT) is as_dagster_does
    finally:
        signal.signal(signal.SIGINT, before)
