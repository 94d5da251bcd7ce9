"""Training quality scores: how good an item's comps are as a training example."""

import logging

import dagster as dg
import sqlalchemy as sa

from pricing_assets.assets.presentation import (
    OWNERS,
    bars,
    column_schema,
    markdown_table,
    preview,
)
from pricing_assets.assets.sold_comps import sold_comps
from pricing_assets.core.gate import QUALITY_TIERS, V1
from pricing_assets.core.wording import number_of
from pricing_assets.schema import tables as t
from pricing_assets.store.gate import score_items
from pricing_assets.store.status import status
from resources.clock import Clock
from resources.database import Database
from resources.settings import DEFAULT_USER

_log = logging.getLogger(__name__)

SCHEMA = column_schema(
    t.items,
    *("natural_key", "title", "sold_comps_count", "sold_comps_median", "sold_comps_source"),
    *("sold_comps_as_of", "training_quality_score", "in_training"),
)


@dg.asset(
    deps=[sold_comps],
    description="How good an item's comps are as a training example, from 0 to 1, scored where "
    f"they changed. {V1.description}",
    group_name="training",
    owners=OWNERS,
    kinds={"sql"},
    tags={"layer": "training"},
    metadata={"dagster/column_schema": SCHEMA, "policy": V1.name},
)
def training_quality_scores(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult[None]:
    """Score the items whose comps changed."""
    scored = score_items(database, V1, now=clock.now())
    _log.info(f"{number_of(scored, 'item')} scored")
    state = status(database, DEFAULT_USER)
    items = t.items
    score = items.c.training_quality_score
    distribution = database.rows(
        sa.select(score.label("score"), sa.func.count().label("items"))
        .where(items.c.training_quality_as_of.is_not(None))
        .group_by(score)
        .order_by(score)
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": state["items_scored"],
            "scored_now": scored,
            "mean_score": state["mean_training_quality"],
            # A table: the UI sorts the names of an object, and the best would not be first.
            "tiers": markdown_table(
                ("tier", "score from", "items"),
                [(name, at, f"{state['tiers'][name]:,}") for name, at in QUALITY_TIERS],
            ),
            "preview": preview(
                database,
                sa.select(
                    items.c.natural_key, items.c.title, items.c.sold_comps_count,
                    items.c.sold_comps_median, score, items.c.sold_comps_source,
                )
                .where(items.c.training_quality_as_of.is_not(None))
                .order_by(score.desc(), items.c.natural_key),
            ),
            "score_distribution": bars(
                "Items by training quality score",
                "items",
                [(f"{row.score:.2f}", row.items) for row in distribution],
            ),
        }
    )  # fmt: skip
