"""Deciding: pending scans against the unified index.

Once beside asking the index row by row (200,000 scans, an index of 2,000,000 rows of four
sources), and once at scale: 1,000,000 scans against an index of two sources, which grows from
1,000,000 to 10,000,000 rows while the scans stay the same.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, cast

import sqlalchemy as sa

from benchmarks.running import Found, Place, Stopwatch
from benchmarks.synthetic import NOW, load, load_items, new_database, settle
from pricing_assets.core.freshness import ASK_REASONS, LOW_QUALITY
from pricing_assets.schema import tables as t
from pricing_assets.store.decisions import decide, parse_reasons
from resources.database import Database

FOUR = (
    *("sandbox:ebay_browse", "sandbox:google_books"),
    *("sandbox:open_library", "sandbox:searchapi_ebay_sold"),
)
TWO = ("sandbox:open_library", "sandbox:searchapi_ebay_sold")
EARLIER_SCANS = 10_000
"""Pending scans that were decided before and wait for their answers."""

BATCH = 10_000


def prepare(place: Place) -> Found:
    """Fill an index of 500,000 items and four sources, and 200,000 scans."""
    return _prepare(place, FOUR, items=500_000, new_items=50_000, scans=200_000)


def prepare_1m(place: Place) -> Found:
    """Fill an index of 1,000,000 rows, and 1,000,000 scans."""
    return _prepare(place, TWO, items=500_000, new_items=100_000, scans=1_000_000)


def prepare_2m(place: Place) -> Found:
    """Fill an index of 2,000,000 rows, and 1,000,000 scans."""
    return _prepare(place, TWO, items=1_000_000, new_items=100_000, scans=1_000_000)


def prepare_3m(place: Place) -> Found:
    """Fill an index of 3,000,000 rows, and 1,000,000 scans."""
    return _prepare(place, TWO, items=1_500_000, new_items=100_000, scans=1_000_000)


def prepare_10m(place: Place) -> Found:
    """Fill an index of 10,000,000 rows, and 1,000,000 scans."""
    return _prepare(place, TWO, items=5_000_000, new_items=100_000, scans=1_000_000)


def _prepare(
    place: Place, sources: Sequence[str], *, items: int, new_items: int, scans: int
) -> Found:
    """Fill items, index, scans and the decisions of an earlier run."""
    database = new_database(place.url)
    database.execute(sa.update(t.data_sources).values(is_active=t.data_sources.c.name.in_(sources)))
    with Stopwatch() as watch:
        load_items(database, items + new_items)
        for number, source in enumerate(sources):
            _fill_index(database, number, source, items)
        load(
            database,
            t.scans,
            # Nine in ten of indexed items; one in ten repeats an item of another scan.
            f"""'default' AS user_id, repeat('a', 64) AS origin, 'scans.csv' AS origin_name,
            i + 1 AS line, CAST(i AS VARCHAR) AS code, 'accepted' AS status,
            item_id(CASE WHEN i % 10 = 9 THEN {items} + draw(i, 3, {new_items})
                         WHEN i % 10 = 8 THEN draw(i // 10, 4, {items})
                         ELSE draw(i, 4, {items}) END) AS item_id, 'book' AS category,
            moment(0, i // 10) AS scanned_at, moment(0, 0) AS received_at""",
            EARLIER_SCANS + scans,
        )
        _decide_earlier(database, sources)
    settle(database)
    return Found(watch.seconds)


def _fill_index(database: Database, number: int, source: str, items: int) -> None:
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
        items,
    )


def _decide_earlier(database: Database, sources: Sequence[str]) -> None:
    with database.begin() as connection:
        batch = connection.execute(
            sa.insert(t.decision_batches)
            .values(run_id="earlier", decided_at=NOW)
            .returning(t.decision_batches.c.id)
        ).scalar_one()
    reasons = "|" + "".join(f"ask:{source}:stale|" for source in sources)
    with database.bulk() as bulk:
        bulk.insert_from(
            t.enrichment_decisions,
            sa.select(
                t.scans.c.id.label("scan_id"),
                sa.literal(batch).label("batch_id"),
                sa.literal(len(sources)).label("calls_to_make"),
                sa.literal(0).label("calls_saved"),
                sa.literal(0).label("cost_usd"),
                sa.literal(0).label("saved_usd"),
                sa.literal(reasons).label("reasons"),
            ).where(t.scans.c.line <= EARLIER_SCANS),
        )


def ours(place: Place) -> Found:
    """Decide with the one statement."""
    database = Database(place.url)
    with Stopwatch() as watch:
        decided = decide(database, now=NOW, run_id="benchmark")
    return Found(watch.seconds, _outcome(database), {"scans": decided.scans})


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
        now = NOW.isoformat(timespec="microseconds") if mark == "?" else NOW
        cursor.execute(
            "INSERT INTO decision_batches (run_id, decided_at) "
            f"VALUES ('benchmark', {mark}) RETURNING id",
            (now,),
        )
        (batch,) = cursor.fetchone()
        decisions = _decisions(cursor, mark, now, batch)
        insert = (
            "INSERT INTO enrichment_decisions (scan_id, batch_id, calls_to_make, calls_saved, "
            f"cost_usd, saved_usd, reasons) VALUES ({', '.join([mark] * 7)})"
        )
        while rows := list(islice(decisions, BATCH)):
            _write(raw.cursor(), insert, rows)
    return Found(watch.seconds, _outcome(database))


def _decisions(cursor: Any, mark: str, now: Any, batch: int) -> Iterator[tuple[Any, ...]]:
    cursor.execute("SELECT name, cost_per_call_usd FROM data_sources WHERE is_active ORDER BY name")
    sources = cursor.fetchall()
    cursor.execute(
        "SELECT id, item_id FROM scans WHERE processed_at IS NULL AND status = 'accepted' AND NOT "
        "EXISTS (SELECT 1 FROM enrichment_decisions d WHERE d.scan_id = scans.id) ORDER BY id"
    )
    pending = cursor.fetchall()
    cursor.execute(
        "SELECT s.item_id, d.reasons FROM scans s JOIN enrichment_decisions d ON d.scan_id = s.id "
        "WHERE s.processed_at IS NULL AND s.status = 'accepted'"
    )
    waiting = dict(cursor.fetchall())
    question = (
        "SELECT result, misses, completeness, next_due_at, last_fetched_at FROM unified_index "
        f"WHERE item_id = {mark} AND source = {mark}"
    )
    seen: set[str] = set()
    for scan, item in pending:
        repeated, standing = item in seen, waiting.get(item)
        seen.add(item)
        text, asked, skipped, cost, saved = "|", 0, 0, 0, 0
        for source, usd in sources:
            if repeated:
                reason = "duplicate"
            else:
                cursor.execute(question, (item, source))
                reason = _reason(cursor.fetchone(), now, standing, source)
            if reason in ASK_REASONS:
                text, asked, cost = f"{text}ask:{source}:{reason}|", asked + 1, cost + usd
            else:
                text, skipped, saved = f"{text}skip:{source}:{reason}|", skipped + 1, saved + usd
        yield scan, batch, asked, skipped, cost, saved, text


def _reason(row: Sequence[Any] | None, now: Any, standing: str | None, source: str) -> str:
    waits = standing is not None and f"|ask:{source}:" in standing
    if row is None:
        return "duplicate" if waits else "new"
    result, misses, completeness, next_due_at, last_fetched_at = row
    if waits and last_fetched_at < now:
        return "duplicate"
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
    decisions = t.enrichment_decisions
    calls: dict[str, int] = {}
    for row in database.rows(
        sa.select(decisions.c.reasons, sa.func.count().label("scans")).group_by(decisions.c.reasons)
    ):
        for action, source, reason in parse_reasons(row.reasons):
            name = f"{action} {source} {reason}"
            calls[name] = calls.get(name, 0) + row.scans
    return dict(sorted(calls.items()))
