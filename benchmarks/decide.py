"""Deciding: 200,000 pending scans against a unified index of 2,000,000 rows."""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, cast

import sqlalchemy as sa

from benchmarks.running import Found, Place, Stopwatch
from benchmarks.synthetic import NOW, load, load_items, new_database, settle
from pricing_assets.core.freshness import ASK_REASONS, LOW_QUALITY
from pricing_assets.schema import tables as t
from pricing_assets.store.decisions import counts_by_reason, decide
from resources.database import Database

INDEXED_ITEMS = 500_000
"""Items that all four sources were asked about: 2,000,000 index rows."""

NEW_ITEMS = 50_000
SCANS = 200_000
EARLIER_SCANS = 10_000
"""Pending scans that were decided before and wait for their answers."""

BATCH = 10_000


def prepare(place: Place) -> Found:
    """Fill items, index, scans and the decisions of an earlier run."""
    database = new_database(place.url)
    with Stopwatch() as watch:
        load_items(database, INDEXED_ITEMS + NEW_ITEMS)
        _fill_index(database)
        load(
            database,
            t.scans,
            # Nine in ten of indexed items; one in ten repeats an item of another scan.
            f"""'default' AS user_id, repeat('a', 64) AS origin, 'scans.csv' AS origin_name,
            i + 1 AS line, CAST(i AS VARCHAR) AS code, 'accepted' AS status,
            item_id(CASE WHEN i % 10 = 9 THEN {INDEXED_ITEMS} + draw(i, 3, {NEW_ITEMS})
                         WHEN i % 10 = 8 THEN draw(i // 10, 4, {INDEXED_ITEMS})
                         ELSE draw(i, 4, {INDEXED_ITEMS}) END) AS item_id,
            moment(0, i // 10) AS scanned_at, moment(0, 0) AS received_at""",
            EARLIER_SCANS + SCANS,
        )
        with database.bulk() as bulk:
            bulk.insert_from(
                t.enrichment_decisions,
                sa.select(
                    t.scans.c.id.label("scan_id"),
                    t.scans.c.item_id,
                    t.data_sources.c.name.label("source"),
                    sa.literal("ask").label("action"),
                    sa.literal("stale").label("reason"),
                    t.data_sources.c.cost_per_call_usd.label("cost_usd"),
                    t.scans.c.received_at.label("decided_at"),
                    sa.literal("earlier").label("run_id"),
                )
                .join(t.data_sources, sa.true())
                .where(t.scans.c.line <= EARLIER_SCANS),
            )
    settle(database)
    return Found(watch.seconds)


def _fill_index(database: Database) -> None:
    sources = [row.name for row in database.rows(sa.select(t.data_sources.c.name))]
    for number, source in enumerate(sources):
        load(
            database,
            t.unified_index,
            f"""item_id(i) AS item_id, '{source}' AS source,
            moment(draw(i, {number}, 60), i % 80000) AS last_fetched_at,
            CASE WHEN draw(i, {number}, 10) < 8 THEN 'found' ELSE 'not_found' END AS result,
            CASE WHEN draw(i, {number}, 10) < 8 THEN draw(i, {number}, 11) / 10.0 END
                AS completeness,
            CASE WHEN draw(i, {number}, 10) < 7 THEN 0 ELSE 1 END AS misses,
            moment(draw(i, {number}, 60) - 30, i % 80000) AS next_due_at""",
            INDEXED_ITEMS,
        )


def ours(place: Place) -> Found:
    """Decide with the one statement."""
    database = Database(place.url)
    with Stopwatch() as watch:
        decided = decide(database, now=NOW, run_id="benchmark")
    return Found(watch.seconds, _outcome(database), {"decisions": decided})


def row_by_row(place: Place) -> Found:
    """Ask the index scan by scan and source by source, over one connection.

    The driver's own cursor with one parameterised statement, decisions written by
    executemany in one transaction.
    """
    database = Database(place.url)
    with Stopwatch() as watch, database.begin() as connection:
        raw = cast(Any, connection.connection.driver_connection)
        mark = "?" if isinstance(raw, sqlite3.Connection) else "%s"
        cursor = raw.cursor()
        decisions = _decisions(cursor, mark)
        insert = (
            "INSERT INTO enrichment_decisions (scan_id, item_id, source, action, reason, "
            f"cost_usd, decided_at, run_id) VALUES ({', '.join([mark] * 8)})"
        )
        while batch := list(islice(decisions, BATCH)):
            _write(raw.cursor(), insert, batch)
    return Found(watch.seconds, _outcome(database))


def _decisions(cursor: Any, mark: str) -> Iterator[tuple[Any, ...]]:
    now = NOW.isoformat(timespec="microseconds") if mark == "?" else NOW
    cursor.execute("SELECT name, cost_per_call_usd FROM data_sources WHERE is_active")
    sources = cursor.fetchall()
    cursor.execute(
        "SELECT id, item_id FROM scans WHERE processed_at IS NULL AND status = 'accepted' AND NOT "
        "EXISTS (SELECT 1 FROM enrichment_decisions d WHERE d.scan_id = scans.id) ORDER BY id"
    )
    pending = cursor.fetchall()
    question = (
        "SELECT u.result, u.misses, u.completeness, u.next_due_at, EXISTS (SELECT 1 "
        "FROM enrichment_decisions d WHERE d.item_id = i.id AND d.source = s.name "
        "AND d.action = 'ask' AND d.settled_at IS NULL) "
        "FROM items i CROSS JOIN data_sources s LEFT JOIN unified_index u "
        f"ON u.item_id = i.id AND u.source = s.name WHERE i.id = {mark} AND s.name = {mark}"
    )
    seen: set[str] = set()
    for scan, item in pending:
        repeated = item in seen
        seen.add(item)
        for source, cost in sources:
            if repeated:
                reason = "duplicate"
            else:
                cursor.execute(question, (item, source))
                reason = _reason(cursor.fetchone(), now)
            action = "ask" if reason in ASK_REASONS else "skip"
            yield scan, item, source, action, reason, cost, now, "benchmark"


def _reason(row: Sequence[Any], now: Any) -> str:
    result, misses, completeness, next_due_at, is_asked = row
    if is_asked:
        return "duplicate"
    if result is None:
        return "new"
    if next_due_at > now:
        return "fresh" if result == "found" and misses == 0 else "backoff"
    if completeness is not None and completeness < LOW_QUALITY:
        return "low_quality"
    return "stale"


def _write(cursor: Any, insert: str, rows: list[tuple[Any, ...]]) -> None:
    if isinstance(cursor, sqlite3.Cursor):
        cursor.executemany(insert, rows)
        return
    # psycopg2's executemany waits for each row's answer; this is its documented remedy.
    from psycopg2.extras import execute_batch  # type: ignore[import-untyped]

    execute_batch(cursor, insert, rows, page_size=1_000)


def _outcome(database: Database) -> dict[str, Any]:
    return {
        f"{count.action} {count.reason}": count.decisions
        for count in counts_by_reason(database, "benchmark")
    }
