"""Deciding: pending scans against the unified index.

Once beside asking the index row by row (200,000 scans, an index of 2,000,000 rows of four
sources), and once at scale: 1,000,000 scans against an index of two sources, which grows from
1,000,000 to 10,000,000 rows while the scans stay the same.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

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

    As one would write it here: the platform's connection, one parameterised statement a
    question and one a decision, all in one transaction.
    """
    database = Database(place.url)
    decisions = t.enrichment_decisions
    with Stopwatch() as watch, database.begin() as connection:
        batch = connection.execute(
            sa.insert(t.decision_batches)
            .values(run_id="benchmark", decided_at=NOW)
            .returning(t.decision_batches.c.id)
        ).scalar_one()
        insert = sa.insert(decisions)
        for decision in _decisions(connection):
            connection.execute(insert, {"batch_id": batch, **decision})
    return Found(watch.seconds, _outcome(database))


def _decisions(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    scans, index, decided = t.scans.c, t.unified_index.c, t.enrichment_decisions.c
    sources = connection.execute(
        sa.select(t.data_sources.c.name, t.data_sources.c.cost_per_call_usd)
        .where(t.data_sources.c.is_active)
        .order_by(t.data_sources.c.name)
    ).all()
    is_pending = sa.and_(scans.processed_at.is_(None), scans.status == "accepted")
    pending = connection.execute(
        sa.select(scans.id, scans.item_id)
        .where(is_pending, ~sa.exists().where(decided.scan_id == scans.id))
        .order_by(scans.id)
    ).all()
    waiting = dict(
        connection.execute(
            sa.select(scans.item_id, decided.reasons)
            .join(t.enrichment_decisions, decided.scan_id == scans.id)
            .where(is_pending)
        )
        .tuples()
        .all()
    )
    question = sa.select(
        *(index.result, index.misses, index.completeness),
        *(index.next_due_at, index.last_fetched_at),
    ).where(index.item_id == sa.bindparam("item"), index.source == sa.bindparam("source"))
    seen: set[str] = set()
    for scan, item in pending:
        repeated, standing = item in seen, waiting.get(item)
        seen.add(item)
        text, asked, skipped = "|", 0, 0
        cost, saved = Decimal(0), Decimal(0)
        for source, usd in sources:
            reason = "duplicate"
            if not repeated:
                row = connection.execute(question, {"item": item, "source": source}).first()
                reason = _reason(row, standing, source)
            if reason in ASK_REASONS:
                text, asked, cost = f"{text}ask:{source}:{reason}|", asked + 1, cost + usd
            else:
                text, skipped, saved = f"{text}skip:{source}:{reason}|", skipped + 1, saved + usd
        yield {
            "scan_id": scan,
            "calls_to_make": asked,
            "calls_saved": skipped,
            "cost_usd": cost,
            "saved_usd": saved,
            "reasons": text,
        }


def _reason(row: Sequence[Any] | None, standing: str | None, source: str) -> str:
    waits = standing is not None and f"|ask:{source}:" in standing
    if row is None:
        return "duplicate" if waits else "new"
    result, misses, completeness, next_due_at, last_fetched_at = row
    if waits and last_fetched_at < NOW:
        return "duplicate"
    if next_due_at > NOW:
        return "fresh" if result == "found" and misses == 0 else "backoff"
    if completeness is not None and completeness < LOW_QUALITY:
        return "low_quality"
    return "stale"


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
