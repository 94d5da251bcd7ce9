"""In-training flags: the gate's word on every scored item, with the reason."""

import logging

import dagster as dg
import sqlalchemy as sa

from pricing_assets.assets.presentation import OWNERS, bars, column_schema, preview
from pricing_assets.assets.training_quality_scores import training_quality_scores
from pricing_assets.core.gate import V1, V2
from pricing_assets.core.wording import number_of
from pricing_assets.schema import tables as t
from pricing_assets.store.gate import evaluate_items, flag_items
from pricing_assets.store.queue import finish_scans
from resources.clock import Clock
from resources.database import Database

REASONS_SHOWN = 12

_log = logging.getLogger(__name__)


@dg.asset(
    deps=[training_quality_scores],
    description=f"Whether an item is in training by policy `{V1.name}`, and what it lacks when "
    "it is not. Ends the scans' way: what has been gated is no longer pending.",
    group_name="training",
    owners=OWNERS,
    kinds={"sql"},
    tags={"layer": "training"},
    metadata={"dagster/column_schema": column_schema(t.gate_evaluations), "policy": V1.name},
)
def in_training_flags(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult[None]:
    """Judge the items whose score changed by every policy, and mark their scans processed."""
    # First the verdicts that set no flag: the flag ends an item's way.
    evaluate_items(database, V2, now=clock.now())
    gated = flag_items(database, V1, now=clock.now())
    finished = finish_scans(database, now=clock.now())
    _log.info(f"{number_of(gated, 'item')} gated, {number_of(finished, 'scan')} finished")
    evaluations, items = t.gate_evaluations, t.items
    reasons = database.rows(
        sa.select(evaluations.c.reason, sa.func.count().label("items"))
        .where(evaluations.c.policy == V1.name)
        .group_by(evaluations.c.reason)
        .order_by(sa.desc("items"), evaluations.c.reason)
        .limit(REASONS_SHOWN)
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": database.scalar(
                sa.select(sa.func.count())
                .select_from(evaluations)
                .where(evaluations.c.policy == V1.name)
            ),
            "gated_now": gated,
            "scans_finished": finished,
            "in_training": database.scalar(
                sa.select(sa.func.count()).select_from(items).where(items.c.in_training)
            ),
            "admitted_by_v2": database.scalar(
                sa.select(sa.func.count())
                .select_from(evaluations)
                .where(evaluations.c.policy == V2.name, evaluations.c.passed)
            ),
            "preview": preview(
                database,
                sa.select(
                    items.c.natural_key, items.c.title, items.c.sold_comps_count,
                    items.c.sold_comps_median, items.c.sold_comps_source, evaluations.c.passed,
                    evaluations.c.reason,
                )
                .join(evaluations, evaluations.c.item_id == items.c.id)
                .where(evaluations.c.policy == V1.name)
                .order_by(evaluations.c.evaluated_at.desc(), items.c.natural_key),
            ),
            "reasons": bars(
                "Items by the gate's reason", "items", [(r.reason, r.items) for r in reasons]
            ),
        }
    )  # fmt: skip
