"""The sensor that takes new scans: watches the inbox and the table, one run at a time.

What is pending is read from the inbox and the database at every tick, never remembered, so
a crash of a run or of the daemon loses nothing. The cursor only holds what is needed to wait
longer after failures.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import dagster as dg

from pricing_assets.core.wording import number_of
from pricing_assets.jobs import process_scans
from pricing_assets.store.intake import pending_count
from resources.clock import Clock
from resources.database import Database
from resources.inbox import waiting_files
from resources.presence import is_dead
from resources.settings import Settings

SECONDS_BETWEEN_TICKS = 10

FILES_COUNTED = 10_000
"""Files a tick looks at; more do not change what it does."""

WAITS = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))
"""How long to wait after the first, second, third and every later failed run in a row."""

UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


@dataclass(frozen=True, slots=True)
class Memory:
    """What the sensor keeps between ticks: the runs it asked for and how the last ended."""

    number: int = 0
    failures: int = 0
    judged_run: str = ""

    @classmethod
    def parse(cls, cursor: str | None) -> "Memory":
        """Read a cursor; one that cannot be read starts afresh, which is safe."""
        try:
            match json.loads(cursor or "null"):
                case {"number": int(number), "failures": int(failures), "judged_run": str(run)}:
                    return cls(max(number, 0), max(failures, 0), run)
        except ValueError:
            pass
        return cls()

    def dump(self) -> str:
        """Return the cursor."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class LastRun:
    """The latest run of the job: its id, whether it failed, and when it ended."""

    run_id: str
    failed: bool
    ended_at: datetime | None


def judge(memory: Memory, last: LastRun | None) -> Memory:
    """Count the failures in a row, each run once."""
    if last is None or last.run_id == memory.judged_run:
        return memory
    failures = memory.failures + 1 if last.failed else 0
    return Memory(memory.number, failures, last.run_id)


def waits_until(memory: Memory, last: LastRun | None) -> datetime | None:
    """Return until when to wait after failures, or None."""
    if not memory.failures or last is None or last.ended_at is None:
        return None
    return last.ended_at + WAITS[min(memory.failures, len(WAITS)) - 1]


def count_files(files: Iterator[Path], at_most: int = FILES_COUNTED) -> int:
    """Count waiting files, without looking at more than is useful."""
    return sum(1 for _ in islice(files, at_most))


@dg.sensor(
    job=process_scans,
    minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts process_scans when files wait in the inbox or scans are pending, and "
    "no run of it is under way. After a failed run it waits 30 s, 2 min, 10 min, then an hour.",
)
def new_scans(
    context: dg.SensorEvaluationContext,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    settings: dg.ResourceParam[Settings],
) -> dg.SensorResult | dg.SkipReason:
    """Ask for one run where there is something to do."""
    if fail_dead_runs(context.instance, settings):
        return dg.SkipReason("a run of process_scans is under way; it takes what is pending")
    records = context.instance.get_run_records(dg.RunsFilter(job_name=process_scans.name), limit=1)
    last = _last_run(records[0], clock) if records else None
    memory = judge(Memory.parse(context.cursor), last)
    files = count_files(waiting_files(settings.inbox, settings.inbox_settle_seconds))
    pending = pending_count(database, now=clock.now())
    if not files and not pending:
        return dg.SensorResult(skip_reason="nothing is pending", cursor=memory.dump())
    until = waits_until(memory, last)
    if until is not None and clock.now() < until:
        return dg.SensorResult(
            skip_reason=f"{number_of(memory.failures, 'run', 'runs in a row')} failed; the next "
            f"try is at {until.isoformat(timespec='seconds')}. See the run's error, or start one "
            "by hand.",
            cursor=memory.dump(),
        )
    memory = Memory(memory.number + 1, memory.failures, memory.judged_run)
    request = dg.RunRequest(
        run_key=f"{clock.now().isoformat(timespec='seconds')}-{memory.number}",
        tags={"pricing/files_waiting": str(files), "pricing/scans_pending": str(pending)},
    )
    return dg.SensorResult(run_requests=[request], cursor=memory.dump())


def fail_dead_runs(instance: dg.DagsterInstance, settings: Settings) -> bool:
    """Report the runs whose process is gone as failed; tell whether one of ours still lives.

    A killed process leaves its run "started", where it would hold up the queue and this
    sensor for hours.
    """
    alive = False
    for run in instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED))):
        if is_dead(settings.runs, run.run_id):
            instance.report_run_failed(run, "The run's process is gone; the next run goes on.")
        elif run.job_name == process_scans.name:
            alive = True
    return alive


def _last_run(record: dg.RunRecord, clock: Clock) -> LastRun:
    failed = record.dagster_run.status in (
        dg.DagsterRunStatus.FAILURE,
        dg.DagsterRunStatus.CANCELED,
    )
    now = clock.now()
    ended = datetime.fromtimestamp(record.end_time, now.tzinfo) if record.end_time else None
    return LastRun(record.dagster_run.run_id, failed, ended)
