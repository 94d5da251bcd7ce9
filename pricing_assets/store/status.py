"""The state of the whole platform in a few numbers."""

from typing import Any

import sqlalchemy as sa

from pricing_assets.core.gate import QUALITY_TIERS, tier_sql
from pricing_assets.core.licences import SIMULATED
from pricing_assets.schema import tables as t
from pricing_assets.store.savings import saved_calls
from pricing_assets.store.sessions import running_sessions
from resources.database import Database


def status(database: Database, user_id: str) -> dict[str, Any]:
    """Return the platform's counts; the scans are those of one user.

    Raises:
        ValueError: `user_id` is empty: scans are never read without their owner.
    """
    if not user_id:
        raise ValueError("scans belong to a user: user_id is empty")
    scans, items = t.scans, t.items
    by_status = database.rows(
        sa.select(
            scans.c.status,
            sa.func.count().label("scans"),
            sa.func.sum(
                sa.case(
                    (sa.and_(scans.c.status == "accepted", scans.c.processed_at.is_(None)), 1),
                    else_=0,
                )
            ).label("pending"),
        )
        .where(scans.c.user_id == user_id)
        .group_by(scans.c.status)
    )
    counts = {row.status: (row.scans, int(row.pending)) for row in by_status}
    reasons = database.rows(
        sa.select(scans.c.reason, sa.func.count().label("scans"))
        .where(scans.c.user_id == user_id, scans.c.status == "rejected")
        .group_by(scans.c.reason)
        .order_by(sa.desc("scans"), scans.c.reason)
    )
    scored = items.c.training_quality_as_of.is_not(None)
    totals = database.rows(
        sa.select(
            sa.func.count().label("items"),
            sa.func.sum(sa.case((scored, 1), else_=0)).label("scored"),
            sa.func.sum(sa.case((items.c.in_training, 1), else_=0)).label("in_training"),
            sa.func.avg(sa.case((scored, items.c.training_quality_score))).label("mean"),
        )
    )[0]
    tier = sa.literal_column(tier_sql("training_quality_score"), sa.Text())
    tiers = {
        row.tier: row.items
        for row in database.rows(
            sa.select(tier.label("tier"), sa.func.count().label("items"))
            .select_from(items)
            .where(scored)
            .group_by(sa.text("1"))
        )
    }
    categories = database.rows(
        sa.select(
            items.c.category,
            sa.func.count().label("items"),
            sa.func.sum(sa.case((items.c.in_training, 1), else_=0)).label("in_training"),
        )
        .group_by(items.c.category)
        .order_by(items.c.category)
    )
    return {
        "scans": {
            "accepted": counts.get("accepted", (0, 0))[0],
            "rejected": counts.get("rejected", (0, 0))[0],
            "pending": counts.get("accepted", (0, 0))[1],
            "rejected_by_reason": {row.reason: row.scans for row in reasons},
        },
        "items": totals.items,
        "by_category": {
            row.category: {"items": row.items, "in_training": int(row.in_training)}
            for row in categories
        },
        "items_scored": int(totals.scored or 0),
        "in_training": int(totals.in_training or 0),
        "mean_training_quality": round(float(totals.mean or 0), 4),
        "tiers": {name: tiers.get(name, 0) for name, _ in QUALITY_TIERS},
        "calls": call_counts(database),
        "asking": running_sessions(database),
    }


def has_simulated(database: Database) -> bool:
    """Say whether any price in the database was made up by the sandbox."""
    calls = t.api_calls
    shown = sa.select(calls.c.id).where(calls.c.source.startswith(SIMULATED), calls.c.listings > 0)
    return database.scalar(shown.limit(1)) is not None


def call_counts(database: Database, run_id: str | None = None) -> dict[str, Any]:
    """Return the calls made, saved, failed and their cost, of one run or of all."""
    calls = t.api_calls
    made = sa.select(
        # Without an attempt: what a source does not cover.
        sa.func.coalesce(sa.func.sum(sa.case((calls.c.attempts > 0, 1), else_=0)), 0).label(
            "calls"
        ),
        sa.func.coalesce(sa.func.sum(calls.c.cost_usd), 0).label("cost"),
        sa.func.sum(sa.case((calls.c.result == "error", 1), else_=0)).label("errors"),
    )
    if run_id is not None:
        made = made.where(calls.c.run_id == run_id)
    (made_row,) = database.rows(made)
    saved, saved_usd = saved_calls(database, run_id)
    return {
        "made": made_row.calls,
        "saved": saved,
        "errors": int(made_row.errors or 0),
        "cost_usd": round(float(made_row.cost), 4),
        "saved_usd": round(float(saved_usd), 4),
    }
