"""Enriched metadata: what the sources say an item is, merged, with the origin of each field."""

import dagster as dg
import sqlalchemy as sa

from pricing_assets.assets.asking import ask_open
from pricing_assets.assets.presentation import (
    OWNERS,
    PREVIEW_ROWS,
    bars,
    calls_shown,
    column_schema,
    markdown_table,
    preview,
)
from pricing_assets.assets.raw_scans import raw_scans
from pricing_assets.assets.refresh_plan import refresh_plan
from pricing_assets.schema import tables as t
from pricing_assets.store.conflicts import latest_conflicts
from resources.clock import Clock
from resources.database import Database
from resources.settings import Settings
from resources.source_access import SourceAccess

METADATA_KINDS = ("metadata",)

SOURCES_POOL = "sources"
"""Dagster pool of the paid steps: one at a time, over all runs."""


@dg.asset(
    deps=[raw_scans, refresh_plan],
    description="Title or name, authors, set, theme and the rest of every item, asked of the "
    "metadata sources where the unified index says it is worth it. Each field knows its "
    "source and time; a source's silence never overwrites a value.",
    group_name="enrichment",
    owners=OWNERS,
    kinds={"python", "sql"},
    tags={"layer": "enriched", "paid": "true"},
    metadata={"dagster/column_schema": column_schema(t.metadata_versions)},
    pool=SOURCES_POOL,
)
def enriched_metadata(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    settings: dg.ResourceParam[Settings],
    sources: dg.ResourceParam[SourceAccess],
) -> dg.MaterializeResult[None]:
    """Ask the metadata sources what was decided, and merge their answers."""
    summary = ask_open(
        database,
        sources,
        METADATA_KINDS,
        clock=clock,
        spool_directory=settings.spool,
        run_id=context.run.run_id,
    )
    items, known = t.items, t.items.c.metadata_source.is_not(None)
    tenths = sa.cast(items.c.quality_score * 10, sa.Integer)
    spread = database.rows(
        sa.select(tenths.label("tenth"), sa.func.count().label("items"))
        .where(items.c.quality_score.is_not(None))
        .group_by(sa.text("1"))
        .order_by(sa.text("1"))
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": database.scalar(
                sa.select(sa.func.count()).select_from(t.metadata_versions)
            ),
            **summary.shown(),
            **calls_shown(database, settings, context.run.run_id, METADATA_KINDS, now=clock.now()),
            "items_with_metadata": database.scalar(
                sa.select(sa.func.count()).select_from(items).where(known)
            ),
            "preview": preview(
                database,
                sa.select(
                    items.c.category, items.c.natural_key, items.c.title, t.books.c.authors,
                    t.books.c.publisher, t.books.c.publication_year, items.c.quality_score,
                    items.c.metadata_source,
                )
                .outerjoin(t.books, t.books.c.item_id == items.c.id)
                .where(known)
                .order_by(items.c.metadata_fetched_at.desc()),
            ),
            "conflicts_between_sources": markdown_table(
                ("item", "field", "what the sources say"),
                [
                    (found.natural_key, found.conflict.field, f"{source}: {said}")
                    for found in latest_conflicts(database, PREVIEW_ROWS)
                    for source, said in found.conflict.said.items()
                ],
            ),
            "completeness": bars(
                "Items by completeness of their metadata",
                "items",
                [(f"{row.tenth * 10} %", row.items) for row in spread],
            ),
        }
    )  # fmt: skip
