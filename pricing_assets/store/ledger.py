"""The ledger of calls: what every source was asked, how well it answered and what that cost."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.store.budgets import budgets
from pricing_assets.store.queue import moment
from resources.compute import duckdb_connection
from resources.database import Database


@dataclass(frozen=True, slots=True)
class SourceCalls:
    """The calls to one source.

    Attributes:
        errors: Calls that were given up.
        cache_hits: Questions that were answered from a kept copy, without a call.
        p50_ms: Median latency of the last attempt, interpolated.
        p95_ms: 95 % quantile of it.
        size_bytes: Of the bodies.
        calls_left_today: Of the source's budget; None where it has none.
    """

    source: str
    calls: int
    errors: int
    cache_hits: int
    p50_ms: float
    p95_ms: float
    size_bytes: int
    cost_usd: Decimal
    calls_left_today: int | None


COLUMNS = (
    *("source", "calls", "errors", "cache hits", "p50 ms", "p95 ms", "bytes", "USD"),
    "calls left today",
)
"""Heads of the table of calls."""


def cells(calls: SourceCalls) -> tuple[str, ...]:
    """Return a line of the table of calls, as `COLUMNS` names it."""
    left = "no limit" if calls.calls_left_today is None else f"{calls.calls_left_today:,}"
    return (
        calls.source,
        *(f"{number:,}" for number in (calls.calls, calls.errors, calls.cache_hits)),
        *(f"{latency:,.0f}" for latency in (calls.p50_ms, calls.p95_ms)),
        f"{calls.size_bytes:,}",
        f"{calls.cost_usd:.4f}",
        left,
    )


def calls_of_run(
    database: Database, run_id: str, kinds: tuple[str, ...], *, now: datetime
) -> list[SourceCalls]:
    """Return the calls of one run to the sources of some kinds, by source."""
    sources = t.data_sources
    of_kinds = sa.select(sources.c.name).where(sources.c.kind.in_(kinds))
    return _calls(
        database, t.api_calls.c.run_id == run_id, t.api_calls.c.source.in_(of_kinds), now=now
    )


def calls_since(database: Database, since: datetime, *, now: datetime) -> list[SourceCalls]:
    """Return the calls that were made from a moment on, by source."""
    return _calls(database, t.api_calls.c.requested_at >= moment(since), now=now)


def _calls(
    database: Database, *conditions: sa.ColumnElement[bool], now: datetime
) -> list[SourceCalls]:
    calls = t.api_calls
    statement = sa.select(
        calls.c.source,
        calls.c.result,
        calls.c.cache_hit,
        calls.c.latency_ms,
        calls.c.size_bytes,
        calls.c.cost_usd,
    ).where(*conditions)
    left = budgets(database, now=now)
    with duckdb_connection() as duck:
        duck.register(
            "calls",
            pa.RecordBatchReader.from_batches(
                database.arrow_schema(statement), database.iter_arrow(statement)
            ),
        )
        rows = duck.execute(_BY_SOURCE).fetchall()
    return [
        SourceCalls(
            source, calls, errors, hits, p50, p95, size, usd,
            left[source].calls if source in left else None,
        )
        for source, calls, errors, hits, p50, p95, size, usd in rows
    ]  # fmt: skip


_BY_SOURCE = """
SELECT source, count(*) FILTER (WHERE NOT cache_hit), count(*) FILTER (WHERE result = 'error'),
    count(*) FILTER (WHERE cache_hit),
    coalesce(quantile_cont(latency_ms, 0.5) FILTER (WHERE NOT cache_hit), 0),
    coalesce(quantile_cont(latency_ms, 0.95) FILTER (WHERE NOT cache_hit), 0),
    CAST(sum(size_bytes) AS BIGINT), CAST(sum(cost_usd) AS DECIMAL(18, 6))
FROM calls GROUP BY source ORDER BY source
"""
"""In DuckDB on both databases alike: SQLite has no percentiles."""
