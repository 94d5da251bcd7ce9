from datetime import timedelta
from decimal import Decimal

import sqlalchemy as sa

from pricing_assets.core.freshness import ITEM_FRESHNESS, REFRESH_LAPSES, RETRY_AFTER
from pricing_assets.schema import tables as t
from pricing_assets.store.decisions import decide, next_reasons
from pricing_assets.store.queue import count_open_asks, take_asks
from pricing_assets.store.refresh import due_by_scan, plan_refresh, queue_refresh
from resources.database import Database
from tests.examples import COMPLETE, DAY, NOON, SOLD, book, commit, listing, reply, scan

LIBRARY = "open_library"
MUCH_LATER = NOON + 200 * DAY


def known(database: Database, *numbers: int) -> None:
    """Items that two sources were asked about, through the pipeline."""
    scan(database, *numbers)
    for number in numbers:
        commit(
            database,
            reply(number, LIBRARY, fields=COMPLETE),
            reply(number, SOLD, listings=[listing(str(number), "9.00")]),
        )
    database.execute(sa.update(t.scans).values(processed_at=NOON))


def test_what_is_due_on_an_old_item_is_planned_and_queued(database: Database) -> None:
    known(database, 1, 2)
    database.execute(
        sa.update(t.items)
        .values(estimated_price=Decimal("80.00"))
        .where(t.items.c.id == book(2).item_id)
    )
    plan = plan_refresh(database, now=MUCH_LATER, places=4)
    assert {(row["item_id"], row["source"]) for row in plan.to_pylist()} == {
        (book(number).item_id, source) for number in (1, 2) for source in (LIBRARY, SOLD)
    }
    assert plan.to_pylist()[0]["item_id"] == book(2).item_id
    assert count_open_asks(database, (), now=MUCH_LATER) == 0
    assert queue_refresh(database, plan, now=MUCH_LATER, run_id="run") == 4
    assert count_open_asks(database, (), now=MUCH_LATER) == 4
    # Neither a second plan nor a scan asks for it again.
    assert plan_refresh(database, now=MUCH_LATER).num_rows == 0
    assert next_reasons(database, book(1).item_id, now=MUCH_LATER)[SOLD] == "duplicate"
    asks, _ = take_asks(database, (), now=MUCH_LATER, run_id="run", after="", items=10)
    assert len(asks) == 4
    commit(database, reply(1, SOLD, MUCH_LATER))
    assert count_open_asks(database, (), now=MUCH_LATER) == 3


def test_a_plan_that_nobody_carried_out_lapses(database: Database) -> None:
    known(database, 1)
    queue_refresh(database, plan_refresh(database, now=MUCH_LATER), now=MUCH_LATER, run_id="run")
    assert count_open_asks(database, (), now=MUCH_LATER + REFRESH_LAPSES) == 0
    assert plan_refresh(database, now=MUCH_LATER + REFRESH_LAPSES).num_rows == 2


def test_an_item_of_which_something_was_learnt_lately_is_no_candidate(database: Database) -> None:
    known(database, 1)
    due = NOON + timedelta(days=100)
    commit(database, reply(1, SOLD, due - ITEM_FRESHNESS + DAY))
    assert plan_refresh(database, now=due).num_rows == 0
    assert due_by_scan(database, now=due) == 2
    assert plan_refresh(database, now=due + DAY).num_rows == 2
    assert due_by_scan(database, now=due + DAY) == 0


def test_a_question_that_failed_is_asked_again_without_a_scan(database: Database) -> None:
    scan(database, 1)
    commit(
        database,
        reply(1, SOLD, error="answered 500"),
        reply(1, LIBRARY, fields=COMPLETE),
    )
    database.execute(sa.update(t.scans).values(processed_at=NOON))
    assert plan_refresh(database, now=NOON + RETRY_AFTER[0] - timedelta(seconds=1)).num_rows == 0
    plan = plan_refresh(database, now=NOON + RETRY_AFTER[0])
    assert [(row["source"], row["reason"]) for row in plan.to_pylist()] == [(SOLD, "stale")]
    # Also where nobody ever said a word of the item.
    scan(database, 2)
    commit(database, reply(2, SOLD, error="answered 500"))
    database.execute(sa.update(t.scans).values(processed_at=NOON))
    items = {row["item_id"] for row in plan_refresh(database, now=NOON + DAY).to_pylist()}
    assert items == {book(1).item_id, book(2).item_id}


def test_what_is_fresh_is_not_planned(database: Database) -> None:
    known(database, 1)
    plan = plan_refresh(database, now=NOON + ITEM_FRESHNESS)
    assert [row["source"] for row in plan.to_pylist()] == [SOLD]


def test_the_budget_of_a_source_holds(database: Database) -> None:
    known(database, 1, 2, 3)
    database.execute(
        sa.update(t.data_sources).values(daily_call_budget=1).where(t.data_sources.c.name == SOLD)
    )
    plan = plan_refresh(database, now=MUCH_LATER).to_pylist()
    assert [row["source"] for row in plan].count(SOLD) == 1
    assert len(plan) == 4
    free = plan_refresh(database, now=MUCH_LATER, budget_usd=Decimal(0)).to_pylist()
    assert {row["source"] for row in free} == {LIBRARY}


def test_what_a_scan_has_asked_for_is_not_planned(database: Database) -> None:
    known(database, 1)
    scan(database, 1, origin="again", at=MUCH_LATER)
    assert decide(database, now=MUCH_LATER, run_id="run").scans == 1
    assert plan_refresh(database, now=MUCH_LATER).num_rows == 0
