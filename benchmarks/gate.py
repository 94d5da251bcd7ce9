"""Scoring and gating 1,000,000 items whose comps have changed."""

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any, cast

import sqlalchemy as sa

from benchmarks.running import Found, Place, Stopwatch
from benchmarks.synthetic import NOW, load_items, new_database, settle
from pricing_assets.core.gate import V1
from pricing_assets.schema import tables as t
from pricing_assets.store.gate import flag_items, score_items
from resources.database import Database

ITEMS = 1_000_000
BATCH = 10_000

COMPS = """,
    draw(i, 5, 30) AS sold_comps_count,
    CASE WHEN draw(i, 5, 30) > 0
         THEN CAST(draw(i, 6, 4000) / 100.0 + 0.01 AS DECIMAL(12, 2)) END AS sold_comps_median,
    draw(i, 7, 50) = 0 AS sold_comps_is_estimate,
    moment(1, i % 80000) AS sold_comps_as_of
"""
"""Columns of comps that reach every step of the policy, from both sides."""


def prepare(place: Place) -> Found:
    """Fill the items with comps that were never scored."""
    database = new_database(place.url)
    with Stopwatch() as watch:
        load_items(database, ITEMS, COMPS)
    settle(database)
    return Found(watch.seconds)


def ours(place: Place) -> Found:
    """Score and gate with the policy's statements."""
    database = Database(place.url)
    with Stopwatch() as watch:
        scored = score_items(database, V1, now=NOW)
        flagged = flag_items(database, V1, now=NOW)
    return Found(watch.seconds, _outcome(database), {"scored": scored, "flagged": flagged})


def loop(place: Place) -> Found:
    """Score and gate item by item in Python, written by executemany in one transaction.

    One update of each item, where the statements make two.
    """
    database = Database(place.url)
    with Stopwatch() as watch, database.begin() as connection:
        raw = cast(sqlite3.Connection, connection.connection.driver_connection)
        pending = raw.execute(
            "SELECT id, sold_comps_count, sold_comps_median, sold_comps_is_estimate, "
            "sold_comps_as_of FROM items WHERE sold_comps_as_of IS NOT NULL "
            "AND training_quality_as_of IS NOT sold_comps_as_of"
        ).fetchall()
        rows = iter(pending)
        while batch := list(islice(rows, BATCH)):
            judged = list(_judged(batch))
            raw.executemany(
                "UPDATE items SET training_quality_score = ?, training_quality_as_of = ?, "
                "in_training = ?, in_training_as_of = ?, updated_at = ? WHERE id = ?",
                [(score, at, passed, at, now, i) for i, at, now, score, passed, _ in judged],
            )
            raw.executemany(
                "INSERT INTO gate_evaluations (item_id, policy, evidence_as_of, evaluated_at, "
                "score, passed, reason) VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (item_id, policy) DO UPDATE SET "
                "evidence_as_of = excluded.evidence_as_of, evaluated_at = excluded.evaluated_at, "
                "score = excluded.score, passed = excluded.passed, reason = excluded.reason",
                [
                    (i, V1.name, at, now, score, passed, r)
                    for i, at, now, score, passed, r in judged
                ],
            )
    return Found(watch.seconds, _outcome(database))


def _judged(rows: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    now = NOW.isoformat(timespec="microseconds")
    for item, count, median, is_estimate, at in rows:
        exact = None if median is None else Decimal(str(median))
        score = V1.score(count, exact)
        passed = V1.passes(count, exact, bool(is_estimate))
        yield item, at, now, score, passed, _reason(count, exact, bool(is_estimate))


def _reason(count: int | None, median: Decimal | None, is_estimate: bool) -> str:
    if is_estimate:
        return "the comps are estimates: needs sold comps"
    if not count:
        return f"no sold comps: needs at least {V1.min_count}"
    if median is None:
        return "no median"
    lacks = [
        (max(least_count - count, 0), least_median if median < least_median else 0)
        for least_count, least_median in V1.ways_to_pass()
    ]
    if (0, 0) in lacks:
        return "passes"
    least = [
        lack
        for lack in lacks
        if not any(other != lack and other[0] <= lack[0] and other[1] <= lack[1] for other in lacks)
    ]
    options = []
    for comps, dollars in sorted(least, key=lambda lack: (lack[1], lack[0])):
        parts = [f"{comps} more comp{'' if comps == 1 else 's'}"] if comps else []
        parts += [f"a median of ${dollars}"] if dollars else []
        options.append(" and ".join(parts))
    return "needs " + ", or ".join(options)


def _outcome(database: Database) -> dict[str, Any]:
    items, evaluations = t.items, t.gate_evaluations
    score = items.c.training_quality_score
    flags = database.rows(
        sa.select(items.c.in_training, sa.func.count().label("n"), sa.func.sum(score).label("sum"))
        .group_by(items.c.in_training)
        .order_by(items.c.in_training)
    )
    reasons = database.rows(
        sa.select(evaluations.c.reason, evaluations.c.passed, sa.func.count())
        .group_by(evaluations.c.reason, evaluations.c.passed)
        .order_by(evaluations.c.reason)
    )
    return {
        # Sums of floats in another order differ in the last digits.
        "flags": [[row.in_training, row.n, round(float(row.sum), 3)] for row in flags],
        "reasons": [list(row) for row in reasons],
    }
