"""Scores and gate flags on the items: set-based, from the policy's own SQL."""

from datetime import datetime

import sqlalchemy as sa

from pricing_assets.core.gate import Policy
from pricing_assets.schema import tables as t
from resources.database import Database

_COUNT, _MEDIAN = "sold_comps_count", "sold_comps_median"
_ESTIMATE, _SCORE = "sold_comps_is_estimate", "training_quality_score"


def score_items(database: Database, policy: Policy, *, now: datetime) -> int:
    """Score every item whose comps changed since; return how many were scored."""
    items = t.items
    return database.execute(
        sa.update(items)
        .values(
            training_quality_score=sa.literal_column(policy.score_sql(_COUNT, _MEDIAN)),
            training_quality_as_of=items.c.sold_comps_as_of,
            updated_at=now,
        )
        .where(
            items.c.sold_comps_as_of.is_not(None),
            items.c.training_quality_as_of.is_distinct_from(items.c.sold_comps_as_of),
        )
    )


def flag_items(database: Database, policy: Policy, *, now: datetime) -> int:
    """Apply the gate to every item whose score changed since; return how many were gated.

    Writes the flag on the item and the evaluation with its reason, in one transaction.
    """
    items, evaluations = t.items, t.gate_evaluations
    pending = sa.and_(
        items.c.training_quality_as_of.is_not(None),
        items.c.in_training_as_of.is_distinct_from(items.c.training_quality_as_of),
    )
    passed = sa.literal_column(policy.passed_sql(_SCORE, _COUNT, _MEDIAN, _ESTIMATE), sa.Boolean())
    with database.bulk() as bulk:
        bulk.insert_from(
            evaluations,
            sa.select(
                items.c.id.label("item_id"),
                sa.literal(policy.name).label("policy"),
                items.c.training_quality_as_of.label("evidence_as_of"),
                sa.literal(now, evaluations.c.evaluated_at.type).label("evaluated_at"),
                items.c.training_quality_score.label("score"),
                passed.label("passed"),
                sa.literal_column(policy.reason_sql(_COUNT, _MEDIAN, _ESTIMATE)).label("reason"),
            )
            .where(pending)
            # In the order of the key: SQLite inserts a million of them in 5 s instead of 7.
            .order_by(items.c.id),
            update=("evidence_as_of", "evaluated_at", "score", "passed", "reason"),
        )
        return bulk.execute(
            sa.update(items)
            .values(
                in_training=passed,
                in_training_as_of=items.c.training_quality_as_of,
                updated_at=now,
            )
            .where(pending)
        )
