"""What the unified index saved: the dearest decisions, and the calls and USD of every week."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.store.decisions import parse_reasons
from resources.database import Database

WEEKS_SHOWN = 26
DEAREST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class DearDecision:
    """One decision with its item, as a person reads it."""

    natural_key: str
    title: str | None
    calls_to_make: int
    cost_usd: Decimal
    calls_saved: int
    saved_usd: Decimal
    why: str


@dataclass(frozen=True, slots=True)
class Week:
    """Calls made and saved in the week from a Monday, and what the saved ones would have cost."""

    monday: date
    calls_to_make: int
    calls_saved: int
    saved_usd: float


def dearest(database: Database, run_id: str) -> list[DearDecision]:
    """Return the decisions of a run that cost or save most, the dearest first."""
    decisions, batches, scans = t.enrichment_decisions, t.decision_batches, t.scans
    at_stake = decisions.c.cost_usd + decisions.c.saved_usd
    rows = database.rows(
        sa.select(t.items.c.natural_key, t.items.c.title, *decisions.columns)
        .join(scans, scans.c.id == decisions.c.scan_id)
        .join(t.items, t.items.c.id == scans.c.item_id)
        .where(decisions.c.batch_id.in_(sa.select(batches.c.id).where(batches.c.run_id == run_id)))
        .order_by(at_stake.desc(), decisions.c.calls_to_make.desc(), decisions.c.scan_id)
        .limit(DEAREST_SHOWN)
    )
    return [
        DearDecision(
            row.natural_key,
            row.title,
            row.calls_to_make,
            row.cost_usd,
            row.calls_saved,
            row.saved_usd,
            ", ".join(f"{reason} ({source})" for _, source, reason in parse_reasons(row.reasons)),
        )
        for row in rows
    ]


def saved_by_week(database: Database, *, now: datetime) -> list[Week]:
    """Return the last weeks in which something was decided, the oldest first."""
    batches = t.decision_batches
    since = now - timedelta(weeks=WEEKS_SHOWN)
    weeks: dict[date, Week] = {}
    for row in database.rows(
        sa.select(
            batches.c.decided_at,
            batches.c.calls_to_make,
            batches.c.calls_saved,
            batches.c.saved_usd,
        )
        .where(batches.c.decided_at >= since, batches.c.scans > 0)
        .order_by(batches.c.decided_at)
    ):
        day = row.decided_at.date()
        monday = day - timedelta(days=day.weekday())
        before = weeks.get(monday, Week(monday, 0, 0, 0.0))
        weeks[monday] = Week(
            monday,
            before.calls_to_make + row.calls_to_make,
            before.calls_saved + row.calls_saved,
            before.saved_usd + float(row.saved_usd),
        )
    return list(weeks.values())


def saved_calls(database: Database, run_id: str | None = None) -> tuple[int, Decimal]:
    """Return how many calls the decisions of one run, or of all, saved, and the USD."""
    batches = t.decision_batches
    statement = sa.select(
        sa.func.coalesce(sa.func.sum(batches.c.calls_saved), 0).label("calls"),
        sa.func.coalesce(sa.func.sum(batches.c.saved_usd), 0).label("usd"),
    )
    if run_id is not None:
        statement = statement.where(batches.c.run_id == run_id)
    (row,) = database.rows(statement)
    return int(row.calls), Decimal(row.usd)
