"""Works: which books are editions of one work, and which pairs look like one edition."""

import logging

import dagster as dg
import sqlalchemy as sa

from pricing_assets.assets.enriched_metadata import enriched_metadata
from pricing_assets.assets.presentation import OWNERS, bars, column_schema, preview
from pricing_assets.core.wording import number_of
from pricing_assets.schema import tables as t
from pricing_assets.store.reviews import count_open, open_reviews
from pricing_assets.store.works import assign_works
from resources.clock import Clock
from resources.database import Database

EDITIONS_SHOWN = 8
"""Bars of the plot; the last one also holds works of more editions."""

_log = logging.getLogger(__name__)


@dg.asset(
    deps=[enriched_metadata],
    description="Which books are editions of one work: Open Library's key where an edition has "
    "it, otherwise title and author. All editions of a work are on one side of a training "
    "set's split. Pairs that look like one edition wait for a person (`pricing review`) and "
    "are never merged by themselves.",
    group_name="enrichment",
    owners=OWNERS,
    kinds={"python", "duckdb", "sql"},
    tags={"layer": "enriched"},
    metadata={"dagster/column_schema": column_schema(t.works)},
)
def works(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult[None]:
    """Tell the works of the books whose metadata changed, and find their likely duplicates."""
    assigned = assign_works(database, now=clock.now())
    _log.info(f"works of {number_of(assigned, 'book')} told")
    shown = sa.case((t.works.c.editions < EDITIONS_SHOWN, t.works.c.editions), else_=EDITIONS_SHOWN)
    spread = database.rows(
        sa.select(
            shown.label("editions"),
            sa.func.count().label("works"),
            sa.func.sum(t.works.c.editions).label("books"),
        )
        .group_by(sa.text("1"))
        .order_by(sa.text("1"))
    )
    count, books = sum(row.works for row in spread), sum(int(row.books) for row in spread)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": count,
            "books_assigned_now": assigned,
            "editions_per_work": round(books / count, 3) if count else 0.0,
            "works_of_several_editions": sum(row.works for row in spread if row.editions > 1),
            "pairs_waiting": count_open(database),
            "preview": preview(
                database,
                sa.select(
                    t.works.c.title, t.works.c.authors, t.works.c.editions, t.works.c.key
                ).order_by(t.works.c.editions.desc(), t.works.c.key),
            ),
            "pairs": preview(database, open_reviews()),
            "editions": bars(
                "Works by the number of their editions",
                "works",
                [
                    (f"{row.editions}{'+' * (row.editions == EDITIONS_SHOWN)}", row.works)
                    for row in spread
                ],
            ),
        }
    )
