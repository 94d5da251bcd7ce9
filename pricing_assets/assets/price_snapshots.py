"""Price snapshots: the market of every item with news, at the end of each day."""

import logging
from datetime import date, datetime, timedelta

import dagster as dg
import sqlalchemy as sa

from pricing_assets.assets.presentation import OWNERS, column_schema, line, lines, preview
from pricing_assets.assets.sold_comps import sold_comps
from pricing_assets.core.periods import FIRST_MONTH
from pricing_assets.core.wording import number_of
from pricing_assets.schema import tables as t
from pricing_assets.store.price_history import price_history
from pricing_assets.store.snapshots import WINDOW_DAYS, build_days
from resources.clock import Clock
from resources.database import Database

DAYS = dg.DailyPartitionsDefinition(start_date=f"{FIRST_MONTH}-01", end_offset=1)
"""Days in UTC; the running one can be built and is provisional."""

DAYS_SHOWN = 60
ITEMS_SHOWN = 5

_log = logging.getLogger(__name__)


@dg.asset(
    deps=[sold_comps],
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=30),
    description="Number, range and value of what sold in the "
    f"{WINDOW_DAYS} days before the end of the day, for every item with news that day, with a "
    "breakdown by condition, grade and variant. A function of what had been observed by then: a "
    "day that is rebuilt later gives the same rows.",
    group_name="market",
    owners=OWNERS,
    kinds={"duckdb", "sql"},
    tags={"layer": "market"},
    metadata={"dagster/column_schema": column_schema(t.price_snapshots)},
)
def price_snapshots(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult[None]:
    """Build the snapshots of the days of this run, in one pass."""
    wanted = [date.fromisoformat(key) for key in context.partition_keys]
    builds = build_days(database, wanted, now=clock.now())
    for build in builds:
        made = number_of(build.rows, "snapshot")
        _log.info(f"{build.day}: {made} as of {build.as_of.isoformat()}")
    snapshots, items = t.price_snapshots, t.items
    days = database.rows(
        sa.select(snapshots.c.snapshot_date, sa.func.count().label("items"))
        .group_by(snapshots.c.snapshot_date)
        .order_by(snapshots.c.snapshot_date.desc())
        .limit(DAYS_SHOWN)
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": sum(build.rows for build in builds),
            "provisional": any(build.provisional for build in builds),
            "preview": preview(
                database,
                sa.select(
                    items.c.natural_key, items.c.title, snapshots.c.sold_count,
                    snapshots.c.quick_sale, snapshots.c.market_value, snapshots.c.patient_sale,
                    snapshots.c.confidence, snapshots.c.ask_count, snapshots.c.min_ask,
                    snapshots.c.sources,
                )
                .join(items, items.c.id == snapshots.c.item_id)
                .where(snapshots.c.snapshot_date == wanted[-1])
                .order_by(snapshots.c.sold_count.desc(), items.c.natural_key),
            ),
            "market_by_day": _most_sold(database, wanted[-1], clock.now()),
            "items_by_day": line(
                "Items with news, by day",
                "items",
                [(row.snapshot_date.strftime("%m-%d"), row.items) for row in reversed(days)],
            ),
        }
    )  # fmt: skip


def _most_sold(database: Database, last: date, now: datetime) -> dg.MarkdownMetadataValue:
    """Return the plot of what the most sold items of a day were worth until then."""
    snapshots, items = t.price_snapshots, t.items
    most = database.rows(
        sa.select(items.c.id, items.c.natural_key)
        .join(snapshots, snapshots.c.item_id == items.c.id)
        .where(snapshots.c.snapshot_date == last, snapshots.c.market_value.is_not(None))
        .order_by(snapshots.c.sold_count.desc(), items.c.natural_key)
        .limit(ITEMS_SHOWN)
    )
    days = [last - timedelta(days=ago) for ago in reversed(range(DAYS_SHOWN))]
    worth: dict[str, list[float]] = {}
    simulated = False
    for item in most:
        history = price_history(database, item.id, first=days[0], last=last, now=now)
        simulated |= history.simulated
        known = {day.day: day.market for day in history.days if day.market is not None}
        worth[item.natural_key] = [float(known.get(day, "nan")) for day in days]
    if not worth:
        return dg.MetadataValue.md("*nothing sold yet*")
    return lines(
        f"Market value of the most sold items{' (SIMULATED)' if simulated else ''}",
        "USD",
        [f"{day:%m-%d}" for day in days],
        worth,
    )
