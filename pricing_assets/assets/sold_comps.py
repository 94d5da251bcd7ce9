"""Sold comps: the prices seen in the market, and each item's statistics over what sold."""

import logging
from typing import Any

import dagster as dg
import sqlalchemy as sa

from pricing_assets.assets.asking import ask_open
from pricing_assets.assets.enriched_metadata import SOURCES_POOL, enriched_metadata
from pricing_assets.assets.presentation import (
    OWNERS,
    calls_shown,
    column_schema,
    histogram,
    markdown_table,
    preview,
)
from pricing_assets.core.wording import number_of
from pricing_assets.schema import tables as t
from pricing_assets.store.comps import update_comps
from pricing_assets.store.exchange_rates import unconverted
from resources.clock import Clock
from resources.database import Database
from resources.settings import Settings
from resources.source_access import SourceAccess

MARKET_KINDS = ("sold", "ask", "offer")

PRICE_EDGES = (0, 2, 5, 10, 15, 20, 30, 50, 75, 100)
"""Edges of the price plot, USD; the gate's own thresholds are among them."""

_log = logging.getLogger(__name__)


@dg.asset(
    deps=[enriched_metadata],
    description="Sold listings, asks and buyback bids of every scanned item, append-only, and the "
    "number, least, median and greatest price of what sold, its value with range and confidence, "
    "and the advice. A sale that was seen twice counts once; asks, bids and estimates are never "
    "counted as sold.",
    group_name="enrichment",
    owners=OWNERS,
    kinds={"python", "duckdb", "sql"},
    tags={"layer": "market", "paid": "true"},
    metadata={"dagster/column_schema": column_schema(t.price_listings)},
    pool=SOURCES_POOL,
)
def sold_comps(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    settings: dg.ResourceParam[Settings],
    sources: dg.ResourceParam[SourceAccess],
) -> dg.MaterializeResult[None]:
    """Ask the market sources what was decided, and recompute the comps that changed."""
    summary = ask_open(
        database,
        sources,
        MARKET_KINDS,
        clock=clock,
        spool_directory=settings.spool,
        run_id=context.run.run_id,
    )
    updated = update_comps(database, now=clock.now())
    _log.info(f"comps of {number_of(updated, 'item')} recomputed")
    items, listings, waiting = t.items, t.price_listings, unconverted(database)
    by_kind = database.rows(
        sa.select(listings.c.kind, sa.func.count().label("rows")).group_by(listings.c.kind)
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(row.rows for row in by_kind),
            "observations_by_kind": {row.kind: row.rows for row in by_kind},
            **summary.shown(),
            **calls_shown(database, settings, context.run.run_id, MARKET_KINDS, now=clock.now()),
            "items_updated": updated,
            "prices_not_converted": sum(reason.prices for reason in waiting),
            "why_not_converted": markdown_table(
                ("currency", "prices", "why"),
                [(reason.currency, f"{reason.prices:,}", reason.reason) for reason in waiting],
            ),
            "preview": preview(
                database,
                sa.select(
                    items.c.natural_key, items.c.title, items.c.sold_comps_count,
                    items.c.sold_comps_median, items.c.quick_sale, items.c.market_value,
                    items.c.patient_sale, items.c.confidence, items.c.ebay_active_count,
                    items.c.advice,
                )
                .where(items.c.sold_comps_count > 0)
                .order_by(items.c.sold_comps_count.desc(), items.c.natural_key),
            ),
            "advice": _counts(database, items.c.advice),
            "confidence": _counts(database, items.c.confidence),
            "repeated_sales": database.scalar(
                sa.select(sa.func.count())
                .select_from(t.sale_merges)
                .where(t.sale_merges.c.reverted_at.is_(None))
            ),
            "median_prices": histogram(
                "Median sold price of items with comps",
                "USD (the last bar also holds all above)",
                PRICE_EDGES,
                _median_prices(database),
            ),
        }
    )  # fmt: skip


def _counts(database: Database, column: sa.Column[Any]) -> dict[str, int]:
    """Return how many items have each value of a column."""
    rows = database.rows(
        sa.select(column.label("value"), sa.func.count().label("items"))
        .where(column.is_not(None))
        .group_by(column)
        .order_by(column)
    )
    return {row.value: row.items for row in rows}


def _median_prices(database: Database) -> list[int]:
    median = t.items.c.sold_comps_median
    place = sa.case(
        *((median >= edge, number) for number, edge in reversed(list(enumerate(PRICE_EDGES[:-1]))))
    )
    rows = database.rows(
        sa.select(place.label("place"), sa.func.count().label("items"))
        .where(median.is_not(None))
        .group_by(sa.text("1"))
    )
    counts = {row.place: row.items for row in rows}
    return [counts.get(number, 0) for number in range(len(PRICE_EDGES) - 1)]
