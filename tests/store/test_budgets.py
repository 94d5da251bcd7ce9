from datetime import UTC, datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.schema import tables as t
from pricing_assets.store.budgets import Budget, budgets, day_of
from pricing_assets.store.decisions import decide, next_reasons
from pricing_assets.store.intake import pending_count
from pricing_assets.store.queue import finish_scans
from resources.database import Database
from tests.examples import ASKS, DAY, NOON, SOLD, book, commit, reply, rows, scan

MIDNIGHT = datetime(NOON.year, NOON.month, NOON.day, tzinfo=UTC) + DAY
ZONES = ("UTC", "America/Los_Angeles", "Asia/Kolkata", "Europe/Berlin")


def limit(database: Database, **values: object) -> None:
    database.execute(
        sa.update(t.data_sources).values(**values).where(t.data_sources.c.name == SOLD)
    )


def sold_reasons(database: Database, run_id: str, at: datetime = NOON) -> dict[str, int]:
    decided = decide(database, now=at, run_id=run_id)
    return {count.reason: count.calls for count in decided.counts if count.source == SOLD}


def test_without_a_budget_there_is_no_limit(database: Database) -> None:
    assert budgets(database, now=NOON) == {}


def test_calls_beyond_the_days_budget_are_put_off_to_the_next_day(database: Database) -> None:
    limit(database, daily_call_budget=2)
    scan(database, 1, 2, 3, 4)
    assert sold_reasons(database, "run") == {"new": 2, "budget": 2}
    assert budgets(database, now=NOON)[SOLD] == Budget(0, MIDNIGHT, SOLD)
    assert finish_scans(database, now=NOON) == 0
    # The first two wait for their answers.
    assert pending_count(database, now=MIDNIGHT - timedelta(microseconds=1)) == 2
    assert pending_count(database, now=MIDNIGHT) == 4
    commit(database, *(reply(number, SOLD, NOON) for number in (1, 2)))
    assert sold_reasons(database, "tomorrow", MIDNIGHT)["new"] == 2


def test_first_come_first_served(database: Database) -> None:
    limit(database, daily_call_budget=1)
    scan(database, 2, origin="first")
    scan(database, 1, origin="second")
    decide(database, now=NOON, run_id="run")
    first, second = rows(database, t.enrichment_decisions)
    assert f"|ask:{SOLD}:new|" in first["reasons"]
    assert f"|skip:{SOLD}:budget|" in second["reasons"]
    assert first["deferred_until"] is None
    assert second["deferred_until"] == MIDNIGHT


def test_what_was_spent_today_counts_by_attempts(database: Database) -> None:
    limit(database, daily_call_budget=5)
    scan(database, 1, 2, 3)
    commit(database, reply(1, SOLD, NOON - DAY))
    assert budgets(database, now=NOON)[SOLD].calls == 5
    commit(database, reply(2, SOLD, NOON))
    database.execute(
        sa.update(t.api_calls).values(attempts=3).where(t.api_calls.c.requested_at == NOON)
    )
    assert budgets(database, now=NOON)[SOLD].calls == 2


def test_sources_of_one_allowance_spend_one_budget(database: Database) -> None:
    shared = (SOLD, ASKS)
    database.execute(
        sa.update(t.data_sources)
        .values(allowance="account")
        .where(t.data_sources.c.name.in_(shared))
    )
    limit(database, daily_call_budget=5)
    scan(database, 1, 2, 3, 4)
    decided = decide(database, now=NOON, run_id="run")
    asked = {c.source: c.calls for c in decided.counts if (c.action, c.reason) == ("ask", "new")}
    assert sum(asked[source] for source in shared) == 5
    assert asked["open_library"] == 4
    left = budgets(database, now=NOON)
    assert {name: left[name] for name in shared} == dict.fromkeys(
        shared, Budget(0, MIDNIGHT, "account")
    )
    # First come, first served: the first two scans ask both.
    first, second, third, fourth = (
        {source for source in shared if f"|ask:{source}:new|" in decision["reasons"]}
        for decision in rows(database, t.enrichment_decisions)
    )
    assert first == second == set(shared)
    assert third == {ASKS}
    assert fourth == set()
    commit(database, reply(1, SOLD, NOON), reply(1, ASKS, NOON))
    assert budgets(database, now=NOON)[ASKS].calls == 0


def test_a_budget_that_cannot_run_out_changes_no_decision(database: Database) -> None:
    scan(database, 1, 2)
    limit(database, daily_call_budget=2)
    assert sold_reasons(database, "run") == {"new": 2}


def test_a_budget_in_dollars_is_calls_at_their_price(database: Database) -> None:
    limit(database, daily_usd_budget=Decimal("0.01"), cost_per_call_usd=Decimal("0.004"))
    scan(database, 1, 2, 3)
    assert sold_reasons(database, "run") == {"new": 2, "budget": 1}
    limit(database, daily_call_budget=100)
    assert budgets(database, now=NOON)[SOLD].calls == 0


def test_an_item_is_told_that_the_budget_is_spent(database: Database) -> None:
    limit(database, daily_call_budget=0)
    scan(database, 1)
    reasons = next_reasons(database, book(1).item_id, now=NOON)
    assert reasons.pop(SOLD) == "budget"
    assert set(reasons.values()) == {"new"}
    assert next_reasons(database, "no such item", now=NOON) == {}


@given(st.timedeltas(-3000 * DAY, 3000 * DAY), st.sampled_from(ZONES))
def test_a_day_holds_its_moment_and_is_about_a_day_long(away: timedelta, zone: str) -> None:
    at = NOON + away
    begins, ends = day_of(at, zone)
    assert begins <= at < ends
    assert timedelta(hours=23) <= ends - begins <= timedelta(hours=25)


def test_a_day_begins_in_the_sources_own_zone() -> None:
    at = datetime(2026, 10, 20, 5, tzinfo=UTC)
    assert day_of(at, "America/Los_Angeles") == (
        datetime(2026, 10, 19, 7, tzinfo=UTC),
        datetime(2026, 10, 20, 7, tzinfo=UTC),
    )
