"""The schedules: the day's snapshot and removals, the week's refresh, the month's training set."""

import os
from datetime import timedelta

import dagster as dg

from pricing_assets.jobs import (
    build_training_set,
    refresh_stale,
    remove_expired_payloads,
    snapshot_prices,
)

ZONE = os.environ.get("PRICING_SCHEDULE_ZONE") or "UTC"
"""Time zone of the schedules' hours; days and months themselves are UTC."""


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
    cron_schedule="0 4 1 * *",
    execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the first of the month at 04:00: the training set of the month before.",
)
def monthly_training_set(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the training set of the month that ended last."""
    last = context.scheduled_execution_time.date().replace(day=1) - timedelta(days=1)
    month = last.replace(day=1).isoformat()
    return dg.RunRequest(run_key=month, partition_key=month)


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


ALL = (daily_snapshot, daily_payload_removal, weekly_refresh, monthly_training_set)
