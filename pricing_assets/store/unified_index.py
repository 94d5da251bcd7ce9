"""The index against the store: where the two disagree, and rebuilding one from the other.

The store (calls, metadata, items) is what happened; the index only says what follows for the
next question, so it can be made anew at any time.
"""

from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.core.freshness import LOW_QUALITY, RETRY_AFTER
from pricing_assets.core.licences import FILES
from pricing_assets.core.periods import MICROSECONDS_A_DAY
from pricing_assets.schema import tables as t
from pricing_assets.store.queue import is_pending
from resources.compute import duckdb_connection
from resources.database import AnySelect, Bulk, Database

WHOLE_UP_TO = 500_000
"""Rows of the index up to which a check compares everything; beyond, only what is pending: the
cost of a check must not grow with the index. `pricing index check` always compares everything."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did: rows of the index that were rebuilt, dropped, and leases given up."""

    rows: int
    dropped: int
    leases: int


def disagreements(
    database: Database, *, dead: Collection[str] = (), whole: bool | None = None
) -> dict[str, int]:
    """Count where index and store disagree, by kind of disagreement; empty when they agree.

    Args:
        dead: Runs that hold leases past their end, and do not live.
        whole: Whether all items are compared, or those of pending scans; by default the
            former up to `WHOLE_UP_TO` rows.
    """
    index, versions, calls = t.unified_index, t.metadata_versions, t.api_calls
    if whole is None:
        some = sa.select(index.c.item_id).limit(WHOLE_UP_TO + 1).subquery()
        rows = int(database.scalar(sa.select(sa.func.count()).select_from(some)) or 0)
        whole = rows <= WHOLE_UP_TO

    def count(statement: AnySelect, item_id: sa.ColumnElement[str]) -> int:
        if not whole:
            pending = sa.select(t.scans.c.item_id).where(is_pending())
            statement = statement.where(item_id.in_(pending))
        return int(database.scalar(statement) or 0)

    def unknown(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
        known = sa.exists().where(
            index.c.item_id == table.c.item_id,
            index.c.source == table.c.source,
            index.c.last_fetched_at.is_not(None),
        )
        # A call may be about no item, and a file was not asked: there the index has nothing
        # to know.
        about = sa.and_(table.c.item_id.is_not(None), ~table.c.source.startswith(FILES))
        rows = sa.select(sa.func.count()).select_from(table).where(about, ~known, *conditions)
        return count(rows, table.c.item_id)

    answered = sa.exists().where(
        calls.c.item_id == index.c.item_id,
        calls.c.source == index.c.source,
        calls.c.requested_at >= index.c.last_fetched_at,
    )
    of_items = calls.c.item_id.is_not(None)
    unfetched = sa.select(sa.func.count()).where(index.c.last_fetched_at.is_not(None), ~answered)
    held = sa.select(sa.func.count()).where(index.c.lease_run_id.in_(sorted(dead)))
    counts = {
        "metadata answers that the index does not know of": unknown(versions),
        "calls that the index does not know of": unknown(calls, of_items),
        "index rows newer than any call": count(unfetched, index.c.item_id),
        "leases past their end that no living run holds": int(database.scalar(held) or 0),
        "keys that two items have": _shared_keys(database) if whole else 0,
    }
    return {name: number for name, number in counts.items() if number}


def _shared_keys(database: Database) -> int:
    """Count the keys that two items have: the same but for case, or one ISBN-13."""
    items, books = t.items, t.books
    twice = (
        sa.select(sa.func.lower(items.c.natural_key))
        .group_by(items.c.category, sa.func.lower(items.c.natural_key))
        .having(sa.func.count() > 1)
        .subquery()
    )
    foreign = (
        sa.select(sa.func.count())
        .select_from(books)
        .join(items, items.c.id == books.c.item_id)
        .where(books.c.isbn13 != items.c.natural_key)
    )
    return sum(
        int(database.scalar(statement) or 0)
        for statement in (sa.select(sa.func.count()).select_from(twice), foreign)
    )


def repair(database: Database, *, dead: Collection[str] = ()) -> Repaired:
    """Rebuild the index from the calls and the items; give up the leases of dead runs.

    Leases of living runs stay. Two items with one key are left to a person: `pricing index
    check` names them.
    """
    calls, items, sources = t.api_calls, t.items, t.data_sources
    with duckdb_connection() as duck:
        for name, statement in (
            (
                "calls",
                sa.select(
                    calls.c.item_id, calls.c.source, calls.c.requested_at, calls.c.result
                ).where(
                    calls.c.item_id.is_not(None),
                    sa.or_(calls.c.attempts > 0, calls.c.result != "error"),
                ),
            ),
            ("items", sa.select(items.c.id, items.c.quality_score)),
            ("sources", sa.select(sources.c.name, sources.c.kind, sources.c.freshness_days)),
        ):
            reader = pa.RecordBatchReader.from_batches(
                database.arrow_schema(statement), database.iter_arrow(statement)
            )
            duck.register("reader", reader)
            duck.execute(f"CREATE TABLE {name} AS SELECT * FROM reader")
            duck.unregister("reader")
        rebuilt = duck.sql(_REBUILD).to_arrow_table()
    with database.bulk() as bulk:
        staged = bulk.stage(rebuilt, like=t.unified_index)
        rows = bulk.insert_from(
            t.unified_index,
            sa.select(*staged.columns).order_by(staged.c.item_id, staged.c.source),
            update=[c.name for c in staged.columns if c.name not in ("item_id", "source")],
        )
        return Repaired(rows, *_drop_what_is_not_known(bulk, staged, dead))


_WAITS = " ".join(
    f"WHEN {number} THEN {wait.total_seconds() / 86_400}"
    for number, wait in enumerate(RETRY_AFTER[:-1], 1)
)

_REBUILD = f"""
WITH judged AS (
    SELECT c.item_id, c.source, c.requested_at, c.result, s.freshness_days,
        CASE WHEN s.kind = 'metadata' THEN coalesce(i.quality_score, 0.0) END AS completeness,
        c.result = 'found' AND (s.kind <> 'metadata' OR i.quality_score >= {LOW_QUALITY}) AS usable
    FROM calls c JOIN items i ON i.id = c.item_id JOIN sources s ON s.name = c.source
), counted AS (
    SELECT *, max(requested_at) FILTER (WHERE usable) OVER own AS last_usable_at,
        row_number() OVER (own ORDER BY requested_at DESC) AS place
    FROM judged WINDOW own AS (PARTITION BY item_id, source)
), latest AS (
    SELECT item_id, source, max(requested_at) AS last_fetched_at,
        max(result) FILTER (WHERE place = 1) AS result, max(completeness) AS completeness,
        CAST(count(*) FILTER (
            WHERE last_usable_at IS NULL OR requested_at > last_usable_at) AS BIGINT) AS misses,
        max(freshness_days) AS freshness_days
    FROM counted GROUP BY item_id, source
)
SELECT item_id, source, last_fetched_at, result, completeness, misses,
    last_fetched_at + to_microseconds(CAST({MICROSECONDS_A_DAY} * CASE
        WHEN misses = 0 THEN freshness_days ELSE least(freshness_days, CASE misses {_WAITS}
            ELSE {RETRY_AFTER[-1].total_seconds() / 86_400} END) END AS BIGINT)) AS next_due_at
FROM latest
"""
"""The rules of `core.freshness` over all calls: the fetches in a row, from the last, that left
nothing usable, and the moment that follows from them."""


def _drop_what_is_not_known(bulk: Bulk, staged: sa.Table, dead: Collection[str]) -> tuple[int, int]:
    index = t.unified_index
    known = sa.exists().where(
        staged.c.item_id == index.c.item_id, staged.c.source == index.c.source
    )
    no_lease = sa.or_(index.c.lease_run_id.is_(None), index.c.lease_run_id.in_(sorted(dead)))
    leases = index.c.lease_run_id.in_(sorted(dead))
    given_up = sum(count for (count,) in bulk.rows(sa.select(sa.func.count()).where(leases)))
    dropped = bulk.execute(sa.delete(index).where(~known, no_lease))
    bulk.execute(sa.update(index).where(leases).values(lease_run_id=None, lease_until=None))
    return dropped, given_up
