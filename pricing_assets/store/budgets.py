"""What a source may still be asked today: its budget in calls and USD, less what was spent."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
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
        allowance: Name of the allowance that it shares; of a source of its own, its name. What
            is left is left for all who share it.
    """

    calls: int
    renewed_at: datetime
    allowance: str


def day_of(now: datetime, zone: str) -> tuple[datetime, datetime]:
    """Return when the day of a moment begins and ends in a time zone, in UTC."""
    day = now.astimezone(ZoneInfo(zone)).date()
    begins, ends = (
        datetime.combine(day + timedelta(days=days), time.min, ZoneInfo(zone)).astimezone(UTC)
        for days in (0, 1)
    )
    return begins, ends


def budgets(database: Database, *, now: datetime) -> dict[str, Budget]:
    """Return the budgets of the active sources that have one, by name.

    Sources that share an allowance spend the same calls and dollars, and have the least budget
    that is set of any of them.
    """
    sources = t.data_sources
    has_budget = sa.or_(
        sources.c.daily_call_budget.is_not(None), sources.c.daily_usd_budget.is_not(None)
    )
    allowance = sa.func.coalesce(sources.c.allowance, sources.c.name)
    limited = sa.select(allowance).where(sources.c.is_active, has_budget)
    sharing: dict[str, list[sa.Row[Any]]] = defaultdict(list)
    for row in database.rows(
        sa.select(sources, allowance.label("shared"))
        .where(sources.c.is_active, allowance.in_(limited))
        .order_by(sources.c.name)
    ):
        sharing[row.shared].append(row)
    if not sharing:
        return {}
    every = [member.name for members in sharing.values() for member in members]
    waiting = open_asks(now, names=every)
    queued = {
        row.source: row.asks
        for row in database.rows(
            sa.select(waiting.c.source, sa.func.count().label("asks")).group_by(waiting.c.source)
        )
    }
    left: dict[str, Budget] = {}
    for shared, members in sharing.items():
        names = [member.name for member in members]
        limits = [limit for m in members for limit in _limits(database, m, names, now)]
        if not limits:
            continue
        calls, ends = min(limits)
        calls -= sum(queued.get(name, 0) for name in names)
        left |= {name: Budget(max(calls, 0), ends, shared) for name in names}
    return left


def _limits(
    database: Database, source: sa.Row[Any], sharing: Sequence[str], now: datetime
) -> list[tuple[int, datetime]]:
    """Return the calls that a source's own budgets leave, and when its day ends.

    Args:
        sharing: All sources whose calls count.
    """
    calls = t.api_calls
    begins, ends = day_of(now, source.time_zone)
    (spent,) = database.rows(
        sa.select(
            sa.func.coalesce(sa.func.sum(calls.c.attempts), 0).label("calls"),
            sa.func.coalesce(sa.func.sum(calls.c.cost_usd), 0).label("usd"),
        ).where(calls.c.source.in_(sharing), calls.c.requested_at >= begins)
    )
    limits = []
    if source.daily_call_budget is not None:
        limits.append(source.daily_call_budget - int(spent.calls))
    if source.daily_usd_budget is not None and source.cost_per_call_usd:
        limits.append(int((source.daily_usd_budget - spent.usd) // source.cost_per_call_usd))
    return [(limit, ends) for limit in limits]
