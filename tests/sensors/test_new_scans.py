import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.test_utils import create_run_for_test
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.jobs import process_scans
from resources.clock import Clock
from resources.presence import present
from sensors.new_scans import (
    FILES_COUNTED,
    UNFINISHED,
    WAITS,
    LastRun,
    Memory,
    count_files,
    judge,
    new_scans,
    waits_until,
)
from tests.runs import NOON, Platform, drop, isbns

MOMENTS = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001 (hypothesis adds the zone)
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
MEMORIES = st.builds(Memory, st.integers(0), st.integers(0), st.text(max_size=8))
RUNS = st.builds(LastRun, st.text(min_size=1, max_size=8), st.booleans(), MOMENTS | st.none())

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.sampled_from(["number", "failures", "judged_run"]), inner)
    ),
)


class TestMemory:
    @given(MEMORIES)
    def test_it_comes_back_from_its_cursor(self, memory: Memory) -> None:
        assert Memory.parse(memory.dump()) == memory

    @given(st.none() | st.text() | JSON.map(json.dumps))
    def test_no_cursor_stops_the_sensor(self, cursor: str | None) -> None:
        memory = Memory.parse(cursor)
        assert type(memory.number) is int
        last = LastRun("run", True, NOON)
        judged = judge(memory, last)
        until = waits_until(judged, last)
        assert until is None or NOON < until <= NOON + WAITS[-1]
        assert Memory.parse(Memory(judged.number + 1, judged.failures, "run").dump()).number > 0


class TestJudge:
    @given(MEMORIES, RUNS)
    def test_a_run_is_judged_once(self, memory: Memory, last: LastRun) -> None:
        once = judge(memory, last)
        assert judge(once, last) == once
        assert once.judged_run == last.run_id

    @given(MEMORIES)
    def test_no_run_changes_nothing(self, memory: Memory) -> None:
        assert judge(memory, None) == memory

    @given(MEMORIES, st.lists(st.booleans(), max_size=9))
    def test_failures_in_a_row_are_counted(self, memory: Memory, ends: list[bool]) -> None:
        for number, failed in enumerate([False, *ends]):
            memory = judge(memory, LastRun(f"run number {number}", failed, NOON))
        in_a_row = 0
        for failed in reversed(ends):
            if not failed:
                break
            in_a_row += 1
        assert memory.failures == in_a_row


class TestWaitsUntil:
    @given(MEMORIES, RUNS)
    def test_it_waits_after_failures_alone(self, memory: Memory, last: LastRun) -> None:
        until = waits_until(memory, last)
        if not memory.failures or last.ended_at is None:
            assert until is None
        else:
            assert until is not None
            assert until - last.ended_at in WAITS

    def test_it_waits_longer_every_time_and_no_longer_than_an_hour(self) -> None:
        last = LastRun("run", True, NOON)
        waits = [waits_until(Memory(0, failures, "run"), last) for failures in range(1, 8)]
        moments = [wait for wait in waits if wait is not None]
        assert moments == sorted(moments)
        assert len(set(moments)) == len(WAITS)
        assert moments[0] == NOON + timedelta(seconds=30)
        assert moments[-1] == NOON + timedelta(hours=1)


def tick(
    platform: Platform, cursor: str | None = None, clock: Clock | None = None
) -> dg.SensorResult | dg.SkipReason:
    """One evaluation of the sensor, with resources as the code location gives them."""
    with platform.database() as database:
        result: Any = new_scans(
            dg.build_sensor_context(
                instance=platform.instance,
                cursor=cursor,
                resources={
                    "database": database,
                    "clock": clock or platform.clock,
                    "settings": platform.settings,
                },
            )
        )
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def requests(result: dg.SensorResult | dg.SkipReason) -> list[dg.RunRequest]:
    return list(result.run_requests or []) if isinstance(result, dg.SensorResult) else []


def reason(result: dg.SensorResult | dg.SkipReason) -> str:
    skip = result.skip_reason if isinstance(result, dg.SensorResult) else result
    text = skip.skip_message if isinstance(skip, dg.SkipReason) else skip
    return text or ""


def record_run(platform: Platform, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    location = GrpcServerCodeLocationOrigin(
        host="localhost", port=1, location_name="pricing_assets"
    )
    repository = RemoteRepositoryOrigin(location, "__repository__")
    run: dg.DagsterRun = create_run_for_test(
        platform.instance,
        job_name=process_scans.name,
        status=status,
        remote_job_origin=RemoteJobOrigin(repository, process_scans.name),
    )
    return run


def test_it_skips_when_nothing_is_pending(platform: Platform) -> None:
    result = tick(platform)
    assert requests(result) == []
    assert "nothing" in reason(result)


def test_a_file_in_the_inbox_is_one_run(platform: Platform) -> None:
    platform.scan(isbns(2), "a.txt")
    platform.scan(isbns(2), "b.txt")
    (request,) = requests(tick(platform))
    assert request.run_key
    assert request.tags["pricing/files_waiting"] == "2"
    assert request.tags["pricing/scans_pending"] == "0"


def test_scans_in_the_table_are_one_run_until_they_are_processed(platform: Platform) -> None:
    from pricing_assets.assets.raw_scans import take_inbox

    platform.scan(isbns(3))
    with platform.database() as database:
        take_inbox(database, platform.clock, platform.settings, 10)
    (request,) = requests(tick(platform))
    assert request.tags["pricing/files_waiting"] == "0"
    assert request.tags["pricing/scans_pending"] == "3"
    platform.run()
    assert requests(tick(platform)) == []


def test_a_file_that_changed_of_late_is_not_counted(platform: Platform) -> None:
    path = drop(platform.settings.inbox, "growing.txt", isbns(1)[0], seconds_ago=1)
    assert requests(tick(platform)) == []
    old = time.time() - platform.settings.inbox_settle_seconds - 1
    os.utime(path, (old, old))
    assert len(requests(tick(platform))) == 1


@pytest.mark.parametrize("status", UNFINISHED, ids=lambda status: status.value)
def test_it_asks_for_nothing_while_a_run_is_unfinished(
    platform: Platform, status: dg.DagsterRunStatus
) -> None:
    platform.scan(isbns(1))
    record_run(platform, status)
    result = tick(platform)
    assert requests(result) == []
    assert "under way" in reason(result)


def test_an_older_run_that_is_unfinished_holds_it_too(platform: Platform) -> None:
    platform.scan(isbns(1))
    record_run(platform, dg.DagsterRunStatus.STARTED)
    record_run(platform, dg.DagsterRunStatus.SUCCESS)
    assert requests(tick(platform)) == []


def test_a_run_of_another_job_does_not_hold_it(platform: Platform) -> None:
    platform.scan(isbns(1))
    create_run_for_test(
        platform.instance, job_name="snapshot_prices", status=dg.DagsterRunStatus.STARTED
    )
    assert len(requests(tick(platform))) == 1


def test_a_run_whose_process_is_gone_does_not_hold_it(platform: Platform) -> None:
    platform.scan(isbns(1))
    run = record_run(platform, dg.DagsterRunStatus.STARTED)
    with present(platform.settings.runs, run.run_id):
        assert requests(tick(platform)) == []
        # As a kill leaves it: the file is there, and nobody holds its lock.
        left = platform.settings.runs / f"{run.run_id}.lock"
    left.touch()
    result = tick(platform)
    found = platform.instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.FAILURE
    # It counts as a failure: the next run waits its half minute.
    assert isinstance(result, dg.SensorResult)
    later = Clock(datetime.now(UTC) + WAITS[0])
    assert len(requests(tick(platform, result.cursor, later))) == 1


def test_it_waits_after_failures_and_starts_afresh_after_a_success(platform: Platform) -> None:
    platform.scan(isbns(1))
    cursor = None
    for failures, wait in enumerate([*WAITS, WAITS[-1]], start=1):
        run = record_run(platform, dg.DagsterRunStatus.STARTED)
        platform.instance.report_run_failed(run)
        now = datetime.now(UTC)
        waiting = tick(platform, cursor, Clock(now + wait - timedelta(seconds=5)))
        assert requests(waiting) == []
        failed = "1 run failed" if failures == 1 else f"{failures} runs in a row failed"
        assert failed in reason(waiting)
        assert isinstance(waiting, dg.SensorResult)
        result = tick(platform, waiting.cursor, Clock(now + wait + timedelta(seconds=5)))
        assert len(requests(result)) == 1
        assert isinstance(result, dg.SensorResult)
        cursor = result.cursor
    record_run(platform, dg.DagsterRunStatus.SUCCESS)
    assert len(requests(tick(platform, cursor, Clock(datetime.now(UTC))))) == 1


def test_run_keys_differ_from_tick_to_tick(platform: Platform) -> None:
    """Dagster drops a request whose key it has seen; the work would wait for ever."""
    platform.scan(isbns(1))
    keys, cursor = set(), None
    for _ in range(3):
        result = tick(platform, cursor)
        (request,) = requests(result)
        assert isinstance(result, dg.SensorResult)
        keys.add(request.run_key)
        cursor = result.cursor
    assert len(keys) == 3


@pytest.mark.parametrize(
    "cursor", ["", "null", "[]", "{", '{"failures": "many"}', '{"number": []}']
)
def test_a_broken_cursor_does_not_stop_it(platform: Platform, cursor: str) -> None:
    platform.scan(isbns(1))
    assert len(requests(tick(platform, cursor))) == 1


def test_a_tick_is_quick_with_ten_thousand_files_waiting(platform: Platform) -> None:
    for number in range(FILES_COUNTED + 50):
        drop(platform.settings.inbox, f"{number}.txt", "9780316769174\n")
    started = time.monotonic()
    (request,) = requests(tick(platform))
    assert time.monotonic() - started < 5
    assert request.tags["pricing/files_waiting"] == str(FILES_COUNTED)


def test_files_are_counted_no_further_than_useful() -> None:
    assert count_files(iter([])) == 0
    assert count_files(iter([Path("a.txt")] * 9), at_most=4) == 4


def test_it_is_on_by_default() -> None:
    assert new_scans.default_status is dg.DefaultSensorStatus.RUNNING
    assert new_scans.job_name == process_scans.name
