"""A kill -9 in the middle of asking: nothing that was answered is lost or asked again."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from pricing_assets.assets.raw_scans import take_inbox
from pricing_assets.schema import tables as t
from pricing_assets.store.decisions import decide
from pricing_assets.store.queue import lease_holders, release_dead_leases
from resources.clock import Clock
from resources.database import Database
from resources.sandbox.process import SandboxProcess
from resources.settings import Settings
from resources.sources.client import MAX_TAKEN
from sensors.new_scans import fail_dead_runs
from tests.conftest import ROOT, DatabaseUrl
from tests.runs import (
    COMMAND,
    NOON,
    SANDBOX_SOURCES,
    Platform,
    asked,
    isbns,
    make_dagster_home,
    new_platform,
    valued_items,
)

BOOKS = isbns(110)
WIDE = 800
"""Books that two processes ask about at once, in pages of a hundred."""

CALLS = len(BOOKS) * len(SANDBOX_SOURCES)
METADATA_CALLS = 2 * len(BOOKS)


def observations(platform: Platform) -> list[tuple[Any, ...]]:
    listings = t.price_listings.c
    rows = platform.rows(
        sa.select(
            *(t.items.c.natural_key, listings.source, listings.kind, listings.source_listing_id),
            *(listings.price_usd, listings.sold_at, listings.observed_at, listings.superseded_at),
        )
        .join(t.items, t.items.c.id == listings.item_id)
        .order_by(
            *(t.items.c.natural_key, listings.source, listings.kind, listings.source_listing_id)
        )
    )
    return [tuple(row) for row in rows]


@pytest.fixture(scope="session")
def uninterrupted(
    tmp_path_factory: pytest.TempPathFactory, sandbox_url: str
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """What a run that nothing disturbs makes of the same books."""
    directory = tmp_path_factory.mktemp("uninterrupted")
    with new_platform(directory, sandbox_url, Clock(NOON)) as platform:
        platform.scan(BOOKS)
        platform.run()
        return valued_items(platform), observations(platform)


@pytest.fixture
def slow_sandbox() -> Iterator[str]:
    """So slow that who waits for an answer to kill the run is there before the last of them."""
    with SandboxProcess(size=200, latency_ms=500) as sandbox:
        yield sandbox.url


@pytest.fixture
def unasked(tmp_path: Path, migrated_url: DatabaseUrl) -> Iterator[Platform]:
    """A platform with no sandbox to ask."""
    make_dagster_home(tmp_path / "dagster_home")
    settings = Settings(
        home=tmp_path / "home",
        database_url=str(migrated_url),
        profile="sandbox",
        inbox_settle_seconds=0,
    )
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster_home")) as instance:
        yield Platform(settings, instance, Clock(NOON))


@pytest.fixture
def platform(unasked: Platform, slow_sandbox: str) -> Platform:
    return unasked.with_sandbox(slow_sandbox)


def start(platform: Platform) -> subprocess.Popen[bytes]:
    """`pricing run` in a process group of its own."""
    return subprocess.Popen(
        [*COMMAND, "run"],
        cwd=ROOT,
        env={
            **os.environ,
            "PRICING_HOME": str(platform.settings.home),
            "PRICING_DATABASE_URL": platform.settings.database_url,
            "PRICING_SANDBOX_URL": platform.settings.sandbox_url or "",
            "PRICING_NOW": NOON.isoformat(),
            "PRICING_INBOX_SETTLE_SECONDS": "0",
            "DAGSTER_HOME": platform.instance.root_directory,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a run that has to succeed; leave no process behind if it does not."""
    try:
        output = process.communicate(timeout=160)[0].decode()
    finally:
        process.kill()
    assert process.returncode == 0, output


def wait_for_answers(process: subprocess.Popen[bytes], sandbox_url: str, answers: int) -> None:
    """Wait until the sandbox has answered so often, while the process runs."""
    deadline = time.monotonic() + 60
    while asked(sandbox_url).total() < answers:
        assert process.poll() is None, process.communicate()[0].decode()
        assert time.monotonic() < deadline, "it does not get on"
        time.sleep(0.02)


def kill_when(platform: Platform, answers: int) -> int:
    """Run, and kill -9 the run once the sandbox has answered so often; return how often."""
    process = start(platform)
    try:
        wait_for_answers(process, platform.settings.sandbox_url or "", answers)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    return asked(platform.settings.sandbox_url or "").total()


@pytest.mark.slow
def test_two_kills_lose_nothing_and_ask_nothing_again(
    platform: Platform,
    uninterrupted: tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]],
) -> None:
    url = platform.settings.sandbox_url or ""
    platform.scan(BOOKS)

    # In the middle of the metadata sources, when far more is answered than is in flight.
    at_first_kill = kill_when(platform, METADATA_CALLS - 60)
    assert MAX_TAKEN < at_first_kill < METADATA_CALLS
    (killed,) = platform.instance.get_runs()
    assert killed.status is dg.DagsterRunStatus.STARTED
    # The sensor sees that nobody is at it, and is not held up.
    assert not fail_dead_runs(platform.instance, platform.settings)
    (killed,) = platform.instance.get_runs()
    assert killed.status is dg.DagsterRunStatus.FAILURE
    spooled = list(platform.settings.spool.glob("*/*.jsonl"))
    assert spooled
    # In the middle of the market sources.
    repeated = asked(url).total() - len(asked(url))
    at_second_kill = kill_when(platform, CALLS + repeated - 60)
    assert len(asked(url)) < CALLS
    assert at_second_kill > METADATA_CALLS

    platform.run()

    counts = asked(url)
    assert set(counts) == {(source, isbn) for source in SANDBOX_SOURCES for isbn in BOOKS}
    assert max(counts.values()) <= 3
    assert counts.total() - CALLS <= 2 * MAX_TAKEN, "more than was in flight was asked again"
    again_of_metadata = sum(
        n - 1 for (source, _), n in counts.items() if source in ("open_library", "google_books")
    )
    assert again_of_metadata <= MAX_TAKEN < at_first_kill
    # Every answer is on record once, under the run that paid for it.
    assert platform.count_item_calls() == CALLS
    runs = platform.rows(sa.select(t.api_calls.c.run_id).distinct())
    assert len(runs) == 3
    assert platform.count(t.scans, t.scans.c.processed_at.is_(None)) == 0
    assert list(platform.settings.spool.iterdir()) == []

    items, listings = uninterrupted
    assert valued_items(platform) == items
    assert observations(platform) == listings


@pytest.mark.slow
def test_two_runs_at_once_ask_nothing_twice(platform: Platform) -> None:
    """One in a process of its own, and one here from when the other asks."""
    url = platform.settings.sandbox_url or ""
    books = BOOKS[:60]
    platform.scan(books)
    other = start(platform)
    try:
        wait_for_answers(other, url, 1)
        platform.run()
    finally:
        finish(other)
    counts = asked(url)
    assert len(counts) == len(books) * len(SANDBOX_SOURCES)
    assert set(counts.values()) == {1}
    assert platform.count_item_calls() == counts.total()
    assert platform.count(t.scans) == len(books)
    assert platform.count(t.scans, t.scans.c.processed_at.is_(None)) == 0


ASK_FOR_OFFERS = """
import sys
from pathlib import Path

from pricing_assets.assets import asking
from pricing_assets.assets.asking import ask_open
from pricing_assets.store.opening import open_database
from resources.clock import Clock
from resources.presence import present
from resources.settings import Settings
from resources.source_access import SourceAccess

# Small pages, so that few books are many.
asking.ITEMS_A_PAGE = 100
run_id = sys.argv[1]
settings, clock = Settings.from_env(), Clock.from_env()
with (
    open_database(settings) as database,
    present(settings.runs, run_id),
    SourceAccess(settings, clock) as access,
):
    print("ready", flush=True)
    sys.stdin.readline()
    summary = ask_open(
        database, access, ("offer",), clock=clock, spool_directory=settings.spool, run_id=run_id
    )
    print(summary.calls, flush=True)
"""


def asking(platform: Platform, run_id: str) -> subprocess.Popen[str]:
    """A process that asks for offers for all that is decided, once it is told to.

    Their source answers in a few words: what is tested is who asks, not what is answered.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", ASK_FOR_OFFERS, run_id],
        cwd=ROOT,
        env={
            **os.environ,
            "PRICING_HOME": str(platform.settings.home),
            "PRICING_DATABASE_URL": platform.settings.database_url,
            "PRICING_SANDBOX_URL": platform.settings.sandbox_url or "",
            "PRICING_NOW": NOON.isoformat(),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def stopped_at_work(process: subprocess.Popen[str], run_id: str, database: Database) -> bool:
    """Stop a run's process where it has items of its own; let it go on where it has none then."""
    assert process.poll() is None, "it had nothing left to do"
    process.send_signal(signal.SIGSTOP)
    if run_id in lease_holders(database):
        return True
    process.send_signal(signal.SIGCONT)
    return False


def decided_platform(platform: Platform, books: int) -> list[str]:
    """Scan books and decide on all of them, on a sandbox that knows them."""
    codes = isbns(books)
    platform.scan(codes)
    with platform.database() as database:
        take_inbox(database, platform.clock, platform.settings, 10)
        assert decide(database, now=NOON, run_id="deciding").scans == books
    return codes


@pytest.fixture
def wide_platform(unasked: Platform) -> Iterator[Platform]:
    with SandboxProcess(size=WIDE) as sandbox:
        yield unasked.with_sandbox(sandbox.url)


@pytest.mark.slow
def test_two_processes_on_the_same_items_ask_each_once(wide_platform: Platform) -> None:
    codes = decided_platform(wide_platform, WIDE)
    both = [asking(wide_platform, run_id) for run_id in ("first", "second")]
    said = []
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in both:
        said.append(int(process.communicate(timeout=160)[0]))
        assert process.returncode == 0
    assert min(said) > 0, "one of them had nothing to do: the two were not at it at once"
    assert sum(said) == WIDE
    counts = asked(wide_platform.settings.sandbox_url or "")
    assert counts == Counter({("booksrun", isbn): 1 for isbn in codes})
    with wide_platform.database() as database:
        assert lease_holders(database) == []


@pytest.mark.slow
def test_the_other_process_goes_on_when_one_is_killed(wide_platform: Platform) -> None:
    url = wide_platform.settings.sandbox_url or ""
    codes = decided_platform(wide_platform, WIDE)
    doomed, other = asking(wide_platform, "doomed"), asking(wide_platform, "other")
    for process in (doomed, other):
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    deadline = time.monotonic() + 60
    with wide_platform.database() as database:
        while asked(url).total() < 250 or not stopped_at_work(doomed, "doomed", database):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    doomed.kill()
    doomed.wait()
    committed = wide_platform.rows(sa.select(t.items.c.natural_key).join(t.api_calls))
    other.communicate(timeout=120)
    assert other.returncode == 0
    with wide_platform.database() as database:
        assert lease_holders(database) == ["doomed"]
        assert release_dead_leases(database, wide_platform.settings.runs) > 0
    last = asking(wide_platform, "last")
    last.communicate("go\n", timeout=120)
    assert last.returncode == 0
    counts = asked(url)
    assert {isbn for _, isbn in counts} == set(codes)
    assert counts.total() - len(codes) <= MAX_TAKEN, "more than was in flight was asked again"
    again = {isbn for (_, isbn), times in counts.items() if times > 1}
    assert not again & {row.natural_key for row in committed}
    assert wide_platform.count_item_calls() == len(codes)


def test_a_kill_between_storing_and_moving_a_file_adds_nothing(unasked: Platform) -> None:
    """The file is read again; its rows are known by content and line."""
    from pricing_assets.store.intake import Readings, store_scans
    from resources.inbox import content_hash
    from resources.scan_files import read_scans

    path = unasked.scan(BOOKS[:30])
    with unasked.database() as database:
        # What a run that dies before the move has done, the first part of the file only.
        batch = next(read_scans(path, batch_rows=10))
        store_scans(
            database,
            [Readings(content_hash(path), path.name, batch)],
            user_id="default",
            received_at=NOON,
        )
        assert unasked.count(t.scans) == 10
        taken, _ = take_inbox(database, unasked.clock, unasked.settings, 10)
    assert (taken.read, taken.accepted, taken.known) == (30, 20, 10)
    assert unasked.count(t.scans) == 30
