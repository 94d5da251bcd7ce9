"""The unified index at work: one statement decides for every pending scan and source."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.core.freshness import ASK_REASONS, LOW_QUALITY
from pricing_assets.schema import tables as t
from resources.database import AnySelect, Database

_asks = t.enrichment_decisions.alias("earlier")


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many decisions of one run were taken for one reason, and what they cost or save."""

    action: str
    reason: str
    decisions: int
    cost_usd: Decimal


def decide(database: Database, *, now: datetime, run_id: str) -> int:
    """Decide for every pending scan that has no decision yet; return how many were written.

    One row for each (scan, source that can answer its category). A scan that was decided
    before, in this run or in one that was cut short, keeps its decision.
    """
    with database.bulk() as bulk:
        return bulk.insert_from(t.enrichment_decisions, decision_rows(now=now, run_id=run_id))


def decision_rows(*, now: datetime, run_id: str) -> AnySelect:
    """Return the select that gives the decisions for all pending scans, set-based."""
    scans, index, source = t.scans, t.unified_index, t.data_sources
    pending = (
        sa.select(
            scans.c.id.label("scan_id"),
            scans.c.item_id,
            t.items.c.category,
            sa.func.row_number()
            .over(partition_by=scans.c.item_id, order_by=scans.c.id)
            .label("place"),
        )
        .join(t.items, t.items.c.id == scans.c.item_id)
        .where(
            scans.c.processed_at.is_(None),
            scans.c.status == "accepted",
            ~sa.exists().where(t.enrichment_decisions.c.scan_id == scans.c.id),
        )
        .subquery("pending")
    )
    moment = sa.literal(now, index.c.next_due_at.type)
    open_ask = sa.exists().where(
        _asks.c.item_id == pending.c.item_id,
        _asks.c.source == source.c.name,
        _asks.c.action == "ask",
        _asks.c.settled_at.is_(None),
    )
    reason = sa.case(
        (pending.c.place > 1, "duplicate"),
        (open_ask, "duplicate"),
        (index.c.item_id.is_(None), "new"),
        (sa.and_(index.c.next_due_at > moment, index.c.result != "found"), "backoff"),
        (sa.and_(index.c.next_due_at > moment, index.c.misses == 0), "fresh"),
        (index.c.next_due_at > moment, "backoff"),
        (index.c.completeness < LOW_QUALITY, "low_quality"),
        else_="stale",
    )
    decided = (
        sa.select(
            pending.c.scan_id,
            pending.c.item_id,
            source.c.name.label("source"),
            reason.label("reason"),
            source.c.cost_per_call_usd.label("cost_usd"),
        )
        .select_from(pending)
        .join(
            source,
            sa.and_(
                source.c.is_active,
                source.c.categories.like('%"' + pending.c.category + '"%'),
            ),
        )
        .outerjoin(
            index,
            sa.and_(index.c.item_id == pending.c.item_id, index.c.source == source.c.name),
        )
        .subquery("decided")
    )
    return sa.select(
        decided.c.scan_id,
        decided.c.item_id,
        decided.c.source,
        sa.case((decided.c.reason.in_(sorted(ASK_REASONS)), "ask"), else_="skip").label("action"),
        decided.c.reason,
        decided.c.cost_usd,
        sa.literal(now, t.enrichment_decisions.c.decided_at.type).label("decided_at"),
        sa.literal(run_id).label("run_id"),
    )


def counts_by_reason(database: Database, run_id: str | None = None) -> list[ReasonCount]:
    """Count the decisions of one run, or of all runs, by reason."""
    decisions = t.enrichment_decisions
    statement = (
        sa.select(
            decisions.c.action,
            decisions.c.reason,
            sa.func.count().label("decisions"),
            sa.func.sum(decisions.c.cost_usd).label("cost_usd"),
        )
        .group_by(decisions.c.action, decisions.c.reason)
        .order_by(decisions.c.action, sa.desc("decisions"), decisions.c.reason)
    )
    if run_id is not None:
        statement = statement.where(decisions.c.run_id == run_id)
    return [
        ReasonCount(row.action, row.reason, row.decisions, row.cost_usd)
        for row in database.rows(statement)
    ]


def open_asks(database: Database, kinds: tuple[str, ...], after: str, items: int) -> pa.Table:
    """Return the next page of the queue: what is to be asked about up to `items` items.

    Args:
        kinds: Kinds of sources, such as `metadata`.
        after: Item id of the page before's end; empty for the first page.

    Returns:
        Rows (item_id, source, category, natural_key, title, authors), whole items, by item.
    """
    decisions = t.enrichment_decisions
    queue = (
        sa.select(decisions.c.item_id, decisions.c.source)
        .join(t.data_sources, t.data_sources.c.name == decisions.c.source)
        .where(
            decisions.c.settled_at.is_(None),
            decisions.c.action == "ask",
            decisions.c.item_id > after,
            t.data_sources.c.kind.in_(kinds),
            t.data_sources.c.is_active,
        )
        .distinct()
        .subquery("queue")
    )
    page = (
        sa.select(queue.c.item_id)
        .distinct()
        .order_by(queue.c.item_id)
        .limit(items)
        .subquery("page")
    )
    return database.read_arrow(
        sa.select(
            queue.c.item_id,
            queue.c.source,
            t.items.c.category,
            t.items.c.natural_key,
            t.items.c.title,
            t.books.c.authors,
        )
        .join(page, page.c.item_id == queue.c.item_id)
        .join(t.items, t.items.c.id == queue.c.item_id)
        .outerjoin(t.books, t.books.c.item_id == queue.c.item_id)
        .order_by(queue.c.item_id, queue.c.source)
    )


def count_open_asks(database: Database, kinds: tuple[str, ...]) -> int:
    """Count the calls that are waiting to be made to sources of these kinds."""
    decisions = t.enrichment_decisions
    statement = (
        sa.select(sa.func.count())
        .select_from(decisions)
        .join(t.data_sources, t.data_sources.c.name == decisions.c.source)
        .where(
            decisions.c.settled_at.is_(None),
            decisions.c.action == "ask",
            t.data_sources.c.is_active,
            t.data_sources.c.kind.in_(kinds),
        )
    )
    return int(database.scalar(statement) or 0)


def disagreements(database: Database) -> dict[str, int]:
    """Count where index and store disagree, by kind of disagreement; empty when they agree."""
    index, versions = t.unified_index, t.metadata_versions
    unindexed = (
        sa.select(sa.func.count())
        .select_from(versions)
        .outerjoin(
            index,
            sa.and_(index.c.item_id == versions.c.item_id, index.c.source == versions.c.source),
        )
        .where(index.c.item_id.is_(None))
    )
    # Market sources leave no metadata: their calls tell that they were asked.
    uncounted = (
        sa.select(sa.func.count())
        .select_from(t.api_calls)
        .outerjoin(
            index,
            sa.and_(
                index.c.item_id == t.api_calls.c.item_id,
                index.c.source == t.api_calls.c.source,
            ),
        )
        .where(index.c.item_id.is_(None))
    )
    calls = (
        sa.select(t.api_calls.c.item_id)
        .where(
            t.api_calls.c.item_id == index.c.item_id,
            t.api_calls.c.source == index.c.source,
            t.api_calls.c.requested_at >= index.c.last_fetched_at,
        )
        .exists()
    )
    unfetched = sa.select(sa.func.count()).select_from(index).where(~calls)
    counts = {
        "metadata that the index does not know of": database.scalar(unindexed),
        "calls that the index does not know of": database.scalar(uncounted),
        "index rows newer than any call": database.scalar(unfetched),
    }
    return {name: count for name, count in counts.items() if count}


def finish_scans(database: Database, *, now: datetime) -> int:
    """Mark the pending scans processed that are decided and wait for no answer.

    Also waits for the item's stages: a scan is done when its item has been gated on the
    evidence that was fetched.
    """
    scans, decisions, items = t.scans, t.enrichment_decisions, t.items
    decided = sa.exists().where(decisions.c.scan_id == scans.c.id)
    # A source that is not asked any more, as after a change of profile, is not waited for.
    waiting = sa.exists().where(
        decisions.c.item_id == scans.c.item_id,
        decisions.c.action == "ask",
        decisions.c.settled_at.is_(None),
        decisions.c.source == t.data_sources.c.name,
        t.data_sources.c.is_active,
    )
    behind = sa.exists().where(
        items.c.id == scans.c.item_id,
        items.c.market_fetched_at.is_distinct_from(items.c.in_training_as_of),
    )
    return database.execute(
        sa.update(scans)
        .values(processed_at=now)
        .where(
            scans.c.processed_at.is_(None),
            scans.c.status == "accepted",
            decided,
            ~waiting,
            ~behind,
        )
    )
