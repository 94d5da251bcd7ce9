"""The plan of a refresh: which old answers are asked for again, and into the queue with them."""

from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.core.freshness import ITEM_FRESHNESS, LOW_QUALITY
from pricing_assets.core.refresh import PLACES, REFRESH_SQL
from pricing_assets.schema import tables as t
from pricing_assets.store.budgets import budgets
from pricing_assets.store.queue import moment, open_asks
from resources.compute import duckdb_connection
from resources.database import AnySelect, Database


def plan_refresh(
    database: Database,
    *,
    now: datetime,
    places: int = PLACES,
    budget_usd: Decimal | None = None,
) -> pa.Table:
    """Return the calls that are worth renewing now, the most urgent first; write nothing.

    An item is a candidate when nothing was learnt of it for `ITEM_FRESHNESS`; of its answers
    those that are due, and that no run is asking for or about to. Where a source failed, no scan
    is needed for it to be asked again once that is due, whatever others said of the item.

    Args:
        places: Calls at the most.
        budget_usd: What they may cost together; None is without limit beside the sources' own.

    Returns:
        Columns item_id, source, reason, longest_waiting, value_usd, age_days, freshness_days,
        cost_usd, priority.
    """
    left = budgets(database, now=now)
    limits = pa.table(
        {
            "source": pa.array(list(left), pa.string()),
            "calls_left": pa.array([budget.calls for budget in left.values()], pa.int64()),
        }
    )
    with duckdb_connection() as duck:
        due = _due(now)
        reader = pa.RecordBatchReader.from_batches(
            database.arrow_schema(due), database.iter_arrow(due)
        )
        duck.register("limits", limits)
        duck.register("due", reader)
        duck.execute(
            "CREATE TABLE candidates AS SELECT due.* EXCLUDE (last_fetched_at), "
            "epoch($now - last_fetched_at) / 86400 AS age_days, calls_left "
            "FROM due LEFT JOIN limits USING (source)",
            {"now": now},
        )
        return duck.sql(
            REFRESH_SQL, params={"places": places, "budget_usd": budget_usd}
        ).to_arrow_table()


def _due(now: datetime) -> AnySelect:
    index, sources, items = t.unified_index, t.data_sources, t.items
    asked = open_asks(now)
    reason = sa.case((index.c.completeness < LOW_QUALITY, "low_quality"), else_="stale")
    return (
        sa.select(
            index.c.item_id,
            index.c.source,
            sa.func.coalesce(sources.c.allowance, sources.c.name).label("allowance"),
            reason.label("reason"),
            index.c.last_fetched_at,
            index.c.next_due_at,
            items.c.estimated_price.label("value_usd"),
            sources.c.freshness_days,
            sources.c.cost_per_call_usd.label("cost_usd"),
        )
        .join(sources, sa.and_(sources.c.name == index.c.source, sources.c.is_active))
        .join(items, items.c.id == index.c.item_id)
        .outerjoin(
            asked, sa.and_(asked.c.item_id == index.c.item_id, asked.c.source == index.c.source)
        )
        .where(
            index.c.next_due_at <= moment(now),
            sa.or_(
                items.c.last_enrichment_at <= moment(now - ITEM_FRESHNESS),
                index.c.result == "error",
            ),
            sa.or_(index.c.lease_until.is_(None), index.c.lease_until <= moment(now)),
            asked.c.item_id.is_(None),
        )
    )


def due_by_scan(database: Database, *, now: datetime) -> int:
    """Count the answers that are due and that only a new scan of their items renews.

    Something was learnt of those within `ITEM_FRESHNESS`, and no source failed: no refresh plans
    them.
    """
    index, sources, items = t.unified_index, t.data_sources, t.items
    statement = (
        sa.select(sa.func.count())
        .select_from(index)
        .join(sources, sa.and_(sources.c.name == index.c.source, sources.c.is_active))
        .join(items, items.c.id == index.c.item_id)
        .where(
            index.c.next_due_at <= moment(now),
            items.c.last_enrichment_at > moment(now - ITEM_FRESHNESS),
            index.c.result != "error",
        )
    )
    return int(database.scalar(statement) or 0)


def queue_refresh(database: Database, plan: pa.Table, *, now: datetime, run_id: str) -> int:
    """Put a plan's calls into the queue of the paid steps; return how many there are."""
    rows = plan.select(["item_id", "source", "reason", "priority", "cost_usd"])
    rows = rows.append_column(
        "planned_at", pa.repeat(pa.scalar(now, pa.timestamp("us", tz="UTC")), rows.num_rows)
    ).append_column("run_id", pa.repeat(pa.scalar(run_id), rows.num_rows))
    return database.upsert(
        t.refresh_asks, rows, update=("planned_at", "run_id", "reason", "priority", "cost_usd")
    )
