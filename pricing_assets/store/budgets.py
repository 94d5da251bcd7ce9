"""What a source may still be asked today: its budget in calls and USD, less what was spent."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.store.queue import open_asks
from resources.database import Database


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left of a source's budget for the day.

    Attributes:
        calls: Calls that may still be decided; those that wait in the queue are counted as made.
        renewed_at: When its next day begins, in its own time zone.
    """

    calls: int
    renewed_at: datetime


def day_of(now: datetime, zone: str) -> tuple[datetime, datetime]:
    """Return when the day of a moment begins and ends in a time zone, in UTC."""
    day = now.astimezone(ZoneInfo(zone)).date()
    begins, ends = (
        datetime.combine(day + timedelta(days=days), time.min, ZoneInfo(zone)).astimezone(UTC)
        for days in (0, 1)
    )
    return begins, ends


def budgets(database: Database, *, now: datetime) -> dict[str, Budget]:
    """Return the budgets of the active sources that have one, by name."""
    sources, calls = t.data_sources, t.api_calls
    limited = database.rows(
        sa.select(
            sources.c.name,
            sources.c.daily_call_budget,
            sources.c.daily_usd_budget,
            sources.c.cost_per_call_usd,
            sources.c.time_zone,
        ).where(
            sources.c.is_active,
            sa.or_(
                sources.c.daily_call_budget.is_not(None), sources.c.daily_usd_budget.is_not(None)
            ),
        )
    )
    if not limited:
        return {}
    waiting = open_asks(now)
    queued = {
        row.source: row.asks
        for row in database.rows(
            sa.select(waiting.c.source, sa.func.count().label("asks")).group_by(waiting.c.source)
        )
    }
    left = {}
    for source in limited:
        begins, ends = day_of(now, source.time_zone)
        (spent,) = database.rows(
            sa.select(
                sa.func.coalesce(sa.func.sum(calls.c.attempts), 0).label("calls"),
                sa.func.coalesce(sa.func.sum(calls.c.cost_usd), 0).label("usd"),
            ).where(calls.c.source == source.name, calls.c.requested_at >= begins)
        )
        limits = []
        if source.daily_call_budget is not None:
            limits.append(source.daily_call_budget - spent.calls)
        if source.daily_usd_budget is not None and source.cost_per_call_usd:
            limits.append((source.daily_usd_budget - spent.usd) // source.cost_per_call_usd)
        if limits:
            calls_left = int(min(limits)) - queued.get(source.name, 0)
            left[source.name] = Budget(max(calls_left, 0), ends)
    return left
