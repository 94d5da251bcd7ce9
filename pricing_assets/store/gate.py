"""Scores and gate flags on the items: set-based, from the policy's own SQL.

The flag on an item is that of the one policy that may set it; the verdict of every policy is
in `gate_evaluations`.
"""

from datetime import datetime

import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.core.comps import comps_sql
from pricing_assets.core.evidence import AGGREGATES, evidence_sql
from pricing_assets.core.gate import EvidencePolicy, Policy
from pricing_assets.core.variants import own_copies
from pricing_assets.schema import tables as t
from pricing_assets.store.market import (
    ITEMS_A_BATCH,
    count_sales_once,
    observed_as_of,
    reverted_merges,
    select_counted,
)
from resources.compute import duckdb_connection
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
            # In the order of the key, SQLite inserts a million of them in 4 s instead of 7. Of the
            # bare column it would follow the index and look up every row for itself: 5 s.
            .order_by(items.c.id + ""),
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


def evaluate_items(database: Database, policy: EvidencePolicy, *, now: datetime) -> int:
    """Write a policy's verdict on every item whose evidence changed since; return how many.

    Sets no flag. Commits batch by batch; an item is pending where its evaluation is not of
    the evidence that it was scored on, so a crash leaves exactly the rest to do.
    """
    done, after = 0, ""
    while (page := _unevaluated(database, policy, after)).num_rows:
        database.upsert(
            t.gate_evaluations,
            _verdicts(database, policy, page, now),
            update=("evidence_as_of", "evaluated_at", "score", "passed", "reason"),
        )
        done += page.num_rows
        after = page["item_id"][-1].as_py()
    return done


def _unevaluated(database: Database, policy: EvidencePolicy, after: str) -> pa.Table:
    items, evaluations = t.items, t.gate_evaluations
    known = sa.select(evaluations.c.item_id).where(
        evaluations.c.item_id == items.c.id,
        evaluations.c.policy == policy.name,
        evaluations.c.evidence_as_of == items.c.training_quality_as_of,
    )
    return database.read_arrow(
        sa.select(items.c.id.label("item_id"), items.c.training_quality_as_of.label("as_of"))
        .where(items.c.id > after, items.c.training_quality_as_of.is_not(None), ~sa.exists(known))
        .order_by(items.c.id)
        .limit(ITEMS_A_BATCH)
    )


def _verdicts(
    database: Database, policy: EvidencePolicy, page: pa.Table, now: datetime
) -> pa.Table:
    listings = t.price_listings
    seen = database.read_arrow(
        select_counted(
            listings.c.item_id.between(page["item_id"][0].as_py(), page["item_id"][-1].as_py()),
            observed_as_of(now),
            listings.c.kind == "sold",
        )
    )
    reverted = database.read_arrow(reverted_merges(now))
    with duckdb_connection() as duck:
        duck.register("page", page)
        duck.register("seen", seen)
        duck.execute("CREATE TABLE observations AS FROM seen SEMI JOIN page USING (item_id)")
        duck.register("reverted", reverted)
        count_sales_once(duck)
        own = comps_sql(own_copies("observations"), AGGREGATES)
        comps = f"({own}) RIGHT JOIN page USING (item_id)"
        duck.execute(f"CREATE VIEW evidence AS {evidence_sql(comps, 'as_of')}")
        return duck.sql(
            f"""
            SELECT v.item_id, v.policy, page.as_of AS evidence_as_of, $now AS evaluated_at,
                   v.score, v.passed, v.reason
            FROM ({policy.verdict_sql("evidence")}) v JOIN page USING (item_id)
            ORDER BY v.item_id
            """,
            params={"now": now},
        ).to_arrow_table()
