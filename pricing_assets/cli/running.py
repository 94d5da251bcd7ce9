"""Running the platform's jobs from the command line, as real Dagster runs, with progress."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from pricing_assets.cli.errors import Refusal
from resources.clock import Clock
from resources.settings import Settings

if TYPE_CHECKING:
    import dagster as dg
    from dagster_shared.error import SerializableErrorInfo

RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
"""Tags by which Dagster gives one run a range of partitions."""

NO_CAPTURE = {
    "module": "dagster._core.storage.noop_compute_log_manager",
    "class": "NoOpComputeLogManager",
}
"""What a command prints is for its terminal. To keep it Dagster starts processes that copy it
there, and that answer Ctrl-C with tracebacks; the run's own log is kept as of any run."""

CODE_LOCATION, REPOSITORY = "pricing_assets", "__repository__"
"""What the UI shows a run under: the code location of [tool.dg], and Dagster's own name for what
it defines."""

RUN_TAGS = {
    "dagster/code_location": CODE_LOCATION,
    ".dagster/repository": f"{REPOSITORY}@{CODE_LOCATION}",
    # Whoever started it starts it again: a daemon would, with settings of its own.
    "dagster/max_retries": "0",
}
"""Tags of every run: those that Dagster gives to a run of a job of the code location, and more."""


class Interrupted(click.ClickException):
    """Somebody pressed Ctrl-C while a job ran: no error, exit code 130 as of shells."""

    exit_code = 130

    def __init__(self, go_on: str) -> None:
        super().__init__(f"Interrupted. What was answered is kept; go on with: {go_on}")

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line, without the word "Error"."""
        click.echo(self.message, file=file, err=True)


def dagster_home() -> Path:
    """Return Dagster's home, `./dagster_home` where `DAGSTER_HOME` is not set; create it."""
    home = Path(os.environ.get("DAGSTER_HOME") or "dagster_home").expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def run_job(
    name: str,
    *,
    partition: str | None = None,
    ops: dict[str, object] | None = None,
    settings: Settings | None = None,
) -> "dg.ExecuteInProcessResult":
    """Run a job in this process, recorded in Dagster's home; print progress meanwhile.

    Args:
        name: Name of the job.
        partition: Partition to build, for a partitioned job.
        ops: Config by asset.
        settings: By default the environment's.

    Raises:
        Refusal: The run failed; the message has the cause and the run's id.
        Interrupted: Somebody interrupted it.
    """
    with progress():
        return execute(name, partition=partition, ops=ops, settings=settings)


def execute(
    name: str,
    *,
    partition: str | None = None,
    partitions: tuple[str, str] | None = None,
    ops: dict[str, object] | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
) -> "dg.ExecuteInProcessResult":
    """Run a job as `run_job` does, without a word.

    Args:
        name: Name of the job.
        partition: Partition to build, for a partitioned job.
        partitions: First and last of a range of them to build in one run.
        ops: Config by asset.
        settings: By default the environment's.
        clock: What time it is to the assets; by default the environment's.

    Raises:
        Refusal: The run failed; the message has the cause and the run's id.
        Interrupted: Somebody interrupted it.
    """
    home = dagster_home()
    import dagster as dg
    from dagster._core.instance.ref import InstanceRef

    from pricing_assets.build import build_defs

    of_range = dict(zip(RANGE_TAGS, partitions, strict=True)) if partitions else {}
    reference = InstanceRef.from_dir(str(home), overrides={"compute_logs": NO_CAPTURE})
    with dg.DagsterInstance.from_ref(reference) as instance:
        result = (
            build_defs(settings, {"clock": clock} if clock else None)
            .resolve_job_def(name)
            .execute_in_process(
                instance=instance,
                partition_key=partition,
                tags={**RUN_TAGS, **of_range},
                raise_on_error=False,
                run_config={
                    "ops": {asset: {"config": config} for asset, config in (ops or {}).items()},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )
        )
        _show_under_its_job(instance, result)
    if not result.success:
        if _was_interrupted(result):
            # What is replayed goes on by itself; a run now would take it out of its past.
            by_run = name == "process_scans" and clock is None
            raise Interrupted("pricing run" if by_run else "the same command")
        raise Refusal(f"{_cause(result)}\nThe run is {result.run_id}: see it with 'make ui'.")
    return result


@contextmanager
def progress() -> Iterator[None]:
    """Print what the platform's modules log while a job runs."""
    handler = _Lines()
    logger = logging.getLogger("pricing_assets")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self._started = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        stage = record.name.rpartition(".")[2].replace("_", " ")
        seconds = time.monotonic() - self._started
        click.echo(f"  {seconds:5.1f} s  {stage:<24} {record.getMessage()}")


def _show_under_its_job(
    instance: "dg.DagsterInstance", result: "dg.ExecuteInProcessResult"
) -> None:
    """Name the job's origin, without which the UI's timeline passes over a run.

    A run in this process is created without one, and `execute_in_process` takes none.
    """
    from dagster._core.remote_origin import (
        RegisteredCodeLocationOrigin,
        RemoteJobOrigin,
        RemoteRepositoryOrigin,
    )

    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(CODE_LOCATION), REPOSITORY)
    instance.run_storage.replace_job_origin(
        result.dagster_run, RemoteJobOrigin(repository, result.dagster_run.job_name)
    )


def _was_interrupted(result: "dg.ExecuteInProcessResult") -> bool:
    from dagster._core.events import RunFailureReason

    return any(
        event.job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION
        for event in result.all_events
        if event.is_job_failure
    )


def _cause(result: "dg.ExecuteInProcessResult") -> str:
    from dagster import AssetCheckSeverity

    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data
            described = failure.user_failure_data and failure.user_failure_data.description
            return f"{event.step_key} failed: {described or _innermost(failure.error)}"
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed and evaluation.severity is AssetCheckSeverity.ERROR:
                return f"the check {evaluation.check_name} failed: {evaluation.description}"
        if event.event_type_value == "RESOURCE_INIT_FAILURE":
            return _innermost(event.engine_event_data.error)
    return "the run failed"


def _innermost(error: "SerializableErrorInfo | None") -> str:
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return "no cause is known"
    # Dagster's message begins with the exception's class, which tells a person nothing.
    return (error.message.partition(f"{error.cls_name}: ")[2] or error.message).strip()
