"""The schedules: snapshots, rates and removals daily, a weekly refresh, a monthly training set."""

import os
from collections.abc import Collection
from datetime import date, datetime, timedelta

import dagster as dg

from pricing_assets.jobs import (
    build_training_set,
    refresh_stale,
    remove_expired_payloads,
    snapshot_prices,
    update_exchange_rates,
)
from pricing_assets.store.training_inputs import first_observed
from pricing_assets.store.training_places import final_months
from resources.database import Database
from sensors.new_scans import UNFINISHED

ZONE = os.environ.get("PRICING_SCHEDULE_ZONE") or "UTC"
"""Time zone of the schedules' hours; days and months themselves are UTC."""

SNAPSHOTS = dg.AssetKey("price_snapshots")
INDEX_CHECK = dg.AssetCheckKey(dg.AssetKey("raw_scans"), "unified_index")

MONTHS_BACK = 12
"""Months that a tick looks back for one that was missed."""

MONTHLY_TICKS = ("0 4 1 * *", "0 5-23 1 * *", "0 4 2-31 * *")
"""On the first at 04:00; while the month is not built, every hour of that day and then daily."""


@dg.schedule(
    job=snapshot_prices,
    cron_schedule="15 1 * * *",
    execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: the snapshots of the day before.",
)
def daily_snapshot(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the snapshots of the day that ended last."""
    day = context.scheduled_execution_time.date() - timedelta(days=1)
    return dg.RunRequest(run_key=day.isoformat(), partition_key=day.isoformat())


def last_month(tick: datetime) -> str:
    """Return the month before a tick, by the calendar of the tick's zone."""
    return f"{tick.date().replace(day=1) - timedelta(days=1):%Y-%m}"


def oldest_missed(last: str, first: str, built: Collection[str]) -> str | None:
    """Return the oldest month that was not built; None where all are.

    Args:
        last: The month that ended last, like `2026-10`; no later one is looked at.
        first: The month of the first observation.
        built: Months whose final training set there is.
    """
    found, month = None, last
    for _ in range(MONTHS_BACK):
        if month < first:
            break
        if month not in built:
            found = month
        month = last_month(datetime.fromisoformat(f"{month}-01"))
    return found


def waits_for(instance: dg.DagsterInstance, month: str) -> str | None:
    """Return what a month's training set still waits for and what to do; None for nothing."""
    following = (date.fromisoformat(f"{month}-01") + timedelta(days=32)).replace(day=1)
    day = (following - timedelta(days=1)).isoformat()
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=SNAPSHOTS, asset_partitions=[day]), limit=1
    ).records
    snapshot = records[0].asset_materialization if records else None
    if snapshot is None or snapshot.metadata["provisional"].value:
        return (
            f"the snapshot of {day}: materialize price_snapshots for that day, or see why "
            "the schedule daily_snapshot did not"
        )
    checks = instance.event_log_storage.get_latest_asset_check_execution_by_key([INDEX_CHECK])
    latest = checks.get(INDEX_CHECK)
    if latest is None or latest.status.value != "SUCCEEDED":
        return (
            "a green check unified_index: run process_scans, and follow what the check says "
            "where it fails"
        )
    return None


@dg.schedule(
    job=refresh_stale,
    cron_schedule="0 2 * * 1",
    execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On Mondays at 02:00: asks again for what has become old, within the budgets.",
)
def weekly_refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the refresh of this week."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.date().isoformat())


@dg.schedule(
    job=build_training_set,
    cron_schedule=list(MONTHLY_TICKS),
    execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the first of the month at 04:00, and while it is not built every hour of that "
    "day and then daily: the training set of the month before. Waits for the snapshot of its last "
    "day and for a green index check; a month that was missed is asked for too, the oldest first.",
)
def monthly_training_set(
    context: dg.ScheduleEvaluationContext, database: dg.ResourceParam[Database]
) -> dg.RunRequest | dg.SkipReason:
    """Ask for the oldest month that has ended and has no final training set."""
    tick = context.scheduled_execution_time
    last, first = last_month(tick), first_observed(database)
    if first is None or first > last:
        return dg.SkipReason("nothing had been observed in a month that has ended")
    month = oldest_missed(last, first, final_months(database))
    if month is None:
        return dg.SkipReason(f"{last} and the months before it are built")
    partition = f"{month}-01"
    tags = {"dagster/partition": partition}
    runs = dg.RunsFilter(job_name=build_training_set.name, tags=tags, statuses=list(UNFINISHED))
    if context.instance.get_runs(runs, limit=1):
        return dg.SkipReason(f"a run for {month} is under way")
    if waiting := waits_for(context.instance, month):
        sentence = f"training set {month} waits for {waiting}"
        if month < last or (tick.day, tick.hour) != (1, 4):
            context.log.error(f"ALERT: {sentence}")
        return dg.SkipReason(sentence)
    return dg.RunRequest(run_key=f"{month} {tick.isoformat()}", partition_key=partition)


@dg.schedule(
    job=remove_expired_payloads,
    cron_schedule="45 2 * * *",
    execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: bodies that their licence lets us keep no longer are removed.",
)
def daily_payload_removal(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the removal of what has expired by now."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.date().isoformat())


@dg.schedule(
    job=update_exchange_rates,
    cron_schedule="30 17 * * *",
    execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 17:30: the day's exchange rates, which the ECB publishes at about "
    "16:00 in Frankfurt. A day that was missed comes with the next one.",
)
def daily_exchange_rates(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the rates of the days since the last one that is kept."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.date().isoformat())


ALL = (
    daily_snapshot,
    daily_payload_removal,
    daily_exchange_rates,
    weekly_refresh,
    monthly_training_set,
)
