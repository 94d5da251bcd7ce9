"""The refresh plan: old answers that are worth asking for again, without a scan."""

from decimal import Decimal

import dagster as dg

from pricing_assets.assets.presentation import OWNERS, column_schema, markdown_table
from pricing_assets.core.refresh import PLACES
from pricing_assets.schema import tables as t
from pricing_assets.store.refresh import plan_refresh, queue_refresh
from resources.clock import Clock
from resources.database import Database

ROWS_SHOWN = 12


class RefreshConfig(dg.Config):
    """How much a refresh may ask and spend."""

    places: int = PLACES
    budget_usd: str = ""


@dg.asset(
    description="Answers that are due for renewal on items that nothing was learnt of for 30 "
    "days, ordered by value at stake x staleness / cost; one place in five goes to what has "
    "waited longest. Puts them into the queue that the paid steps take from.",
    group_name="enrichment",
    owners=OWNERS,
    kinds={"duckdb", "sql"},
    tags={"layer": "enriched"},
    metadata={"dagster/column_schema": column_schema(t.refresh_asks)},
)
def refresh_plan(
    context: dg.AssetExecutionContext,
    config: RefreshConfig,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult[None]:
    """Plan the calls of this refresh and queue them."""
    plan = plan_refresh(
        database,
        now=clock.now(),
        places=config.places,
        budget_usd=Decimal(config.budget_usd) if config.budget_usd else None,
    )
    queued = queue_refresh(database, plan, now=clock.now(), run_id=context.run.run_id)
    rows = plan.to_pylist()
    names = ("item_id", "source", "reason", "value_usd", "age_days", "priority", "longest_waiting")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": queued,
            "places": config.places,
            "cost_usd": float(sum(row["cost_usd"] for row in rows)),
            "longest_waiting": sum(row["longest_waiting"] for row in rows),
            "preview": markdown_table(
                names,
                [
                    tuple(round(row[n], 2) if isinstance(row[n], float) else row[n] for n in names)
                    for row in rows[:ROWS_SHOWN]
                ],
            ),
        }
    )
