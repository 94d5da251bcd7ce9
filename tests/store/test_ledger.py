import statistics
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.store.ledger import calls_of_run, calls_since, cells
from resources.database import Database
from tests.examples import ASKS, DAY, NOON, SOLD, commit, listing, reply, row, scan

LATENCIES = [5.0, 7.5, 11.0, 12.0, 13.0, 80.0, 81.0, 90.5, 300.0, 4000.25, 7.0]


def test_calls_by_source_with_exact_percentiles(database: Database) -> None:
    scan(database, *range(20))
    commit(database, reply(2, SOLD, NOON - 40 * DAY), run_id="old")
    commit(
        database,
        *(
            replace(reply(number, SOLD), latency_ms=latency)
            for number, latency in enumerate(LATENCIES)
        ),
        reply(1, ASKS, error="answered 500"),
    )
    asks, sold = calls_since(database, NOON - 30 * DAY, now=NOON + timedelta(hours=1))
    assert (asks.source, asks.calls, asks.errors, asks.cost_usd) == (ASKS, 1, 1, Decimal(0))
    assert (sold.source, sold.calls, sold.errors, sold.cache_hits) == (SOLD, len(LATENCIES), 0, 0)
    assert sold.cost_usd == Decimal("0.004") * len(LATENCIES)
    assert sold.p50_ms == statistics.median(LATENCIES)
    assert sold.p95_ms == statistics.quantiles(LATENCIES, n=20, method="inclusive")[-1]
    assert sold.size_bytes == database.scalar(
        sa.select(sa.func.sum(t.api_calls.c.size_bytes)).where(
            t.api_calls.c.run_id == "run-1", t.api_calls.c.source == SOLD
        )
    )
    assert sold.calls_left_today is None
    everything = calls_since(database, NOON - 50 * DAY, now=NOON)
    assert [source.calls for source in everything] == [1, len(LATENCIES) + 1]


def test_the_calls_of_a_run_and_what_is_left_today(database: Database) -> None:
    scan(database, 1, 2)
    budget = sa.update(t.data_sources).values(daily_call_budget=10)
    database.execute(budget.where(t.data_sources.c.name == SOLD))
    commit(database, reply(1, SOLD), reply(1, "open_library"))
    commit(database, reply(2, SOLD), run_id="run-2")
    (sold,) = calls_of_run(database, "run-1", ("sold", "ask"), now=NOON)
    # What the day's budget has left counts the other run's call as well, and the open asks.
    assert (sold.source, sold.calls) == (SOLD, 1)
    assert sold.calls_left_today == 8
    assert cells(sold)[:4] == (SOLD, "1", "0", "0")
    assert calls_of_run(database, "run-3", ("sold",), now=NOON) == []


def test_a_call_knows_how_many_prices_it_brought(database: Database) -> None:
    scan(database, 1)
    commit(database, reply(1, SOLD, listings=[listing("a", "5.00"), listing("b", "6.00")]))
    assert row(database, t.api_calls).listings == 2
    assert row(database, t.api_calls).cache_hit is False
