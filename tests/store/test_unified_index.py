from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from pricing_assets.core.gate import V1
from pricing_assets.schema import tables as t
from pricing_assets.store import unified_index
from pricing_assets.store.comps import update_comps
from pricing_assets.store.decisions import decide
from pricing_assets.store.gate import flag_items, score_items
from pricing_assets.store.queue import finish_scans, take_asks
from pricing_assets.store.unified_index import Repaired, disagreements, repair
from resources.database import Database
from tests.examples import (
    ASKS,
    COMPLETE,
    DAY,
    NOON,
    SOLD,
    book,
    commit,
    listing,
    reply,
    rows,
    scan,
)

LIBRARY, GOOGLE = "open_library", "google_books"
MICROSECOND = timedelta(microseconds=1)
POOR = {"title": "Emma"}


def test_index_and_store_agree_after_every_kind_of_answer(database: Database) -> None:
    scan(database, 1, 2)
    commit(
        database,
        reply(1, LIBRARY, fields=COMPLETE),
        reply(1, GOOGLE),
        reply(1, SOLD, error="answered 503"),
        reply(2, SOLD, listings=[listing("1", "9.00")]),
    )
    assert disagreements(database) == {}


def test_a_lost_index_row_is_a_disagreement(database: Database) -> None:
    scan(database, 1)
    commit(database, reply(1, LIBRARY, fields=COMPLETE))
    database.execute(sa.delete(t.unified_index))
    assert disagreements(database)["metadata answers that the index does not know of"] == 1


def test_an_index_row_without_its_call_is_a_disagreement(database: Database) -> None:
    scan(database, 1)
    commit(database, reply(1, SOLD))
    database.execute(sa.update(t.unified_index).values(last_fetched_at=NOON + MICROSECOND))
    assert disagreements(database) == {"index rows newer than any call": 1}


def test_an_index_row_that_has_nothing_but_a_lease_is_no_fetch(database: Database) -> None:
    scan(database, 1)
    decide(database, now=NOON, run_id="run")
    take_asks(database, (), now=NOON, run_id="run", after="", items=10)
    assert disagreements(database) == {}
    commit(database, reply(1, SOLD))
    database.execute(sa.update(t.unified_index).values(last_fetched_at=None))
    assert disagreements(database) == {"calls that the index does not know of": 1}


def test_a_lease_that_nobody_holds_is_a_disagreement(database: Database) -> None:
    scan(database, 1)
    decide(database, now=NOON, run_id="ghost")
    take_asks(database, (), now=NOON, run_id="ghost", after="", items=10)
    assert disagreements(database, dead=["ghost"]) == {
        "leases past their end that no living run holds": 4
    }
    assert repair(database, dead=["ghost"]) == Repaired(0, 4, 4)
    assert disagreements(database, dead=["ghost"]) == {}
    assert rows(database, t.unified_index) == []


def test_two_items_with_one_key_are_a_disagreement(database: Database) -> None:
    scan(database, 1)
    for number, key in enumerate(("sw0001", "SW0001")):
        database.execute(
            sa.insert(t.items).values(
                id=f"item-{number}",
                category="minifigure",
                natural_key=key,
                created_at=NOON,
                updated_at=NOON,
            )
        )
    assert disagreements(database) == {"keys that two items have": 1}
    database.execute(
        sa.update(t.books)
        .values(isbn13="9780000000002")
        .where(t.books.c.item_id == book(1).item_id)
    )
    assert disagreements(database) == {"keys that two items have": 2}


def test_a_large_index_is_compared_where_scans_are_pending(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(database, 1, 2)
    commit(database, reply(1, SOLD), reply(2, SOLD))
    database.execute(
        sa.update(t.unified_index)
        .values(last_fetched_at=NOON + MICROSECOND)
        .where(t.unified_index.c.item_id == book(1).item_id)
    )
    database.execute(
        sa.update(t.scans).values(processed_at=NOON).where(t.scans.c.item_id == book(1).item_id)
    )
    assert disagreements(database) == {"index rows newer than any call": 1}
    monkeypatch.setattr(unified_index, "WHOLE_UP_TO", 1)
    assert disagreements(database) == {}
    assert disagreements(database, whole=True) == {"index rows newer than any call": 1}
    scan(database, 1, origin="again")
    assert disagreements(database) == {"index rows newer than any call": 1}


def history(database: Database) -> list[dict[str, Any]]:
    """Answers of every kind over weeks; returns the index that they leave."""
    scan(database, 1, 2, 3)
    for days in (0, 1, 4, 11, 45):
        at = NOON + days * DAY
        commit(
            database,
            reply(1, LIBRARY, at, fields=COMPLETE),
            reply(1, SOLD, at, listings=[listing("1", "9.00")] if days < 4 else []),
            reply(2, LIBRARY, at, fields=POOR),
            reply(2, GOOGLE, at, error="answered 503"),
            reply(2, SOLD, at),
            reply(3, ASKS, at, error="answered 503"),
        )
    commit(database, reply(3, ASKS, NOON + 46 * DAY, listings=[listing("2", "8.00", "ask")]))
    return rows(database, t.unified_index)


def test_repair_gives_the_index_that_the_answers_left(database: Database) -> None:
    before = history(database)
    assert len({row["misses"] for row in before}) > 2
    assert repair(database).rows == len(before)
    assert rows(database, t.unified_index) == before
    database.execute(sa.delete(t.unified_index).where(t.unified_index.c.source != SOLD))
    database.execute(sa.update(t.unified_index).values(misses=9, next_due_at=NOON, result="error"))
    assert repair(database) == Repaired(len(before), 0, 0)
    assert rows(database, t.unified_index) == before


def test_repair_drops_what_was_never_fetched_and_keeps_the_leases_of_the_living(
    database: Database,
) -> None:
    scan(database, 1, 2)
    decide(database, now=NOON, run_id="alive")
    commit(database, reply(1, SOLD))
    take_asks(database, ("sold",), now=NOON, run_id="alive", after="", items=10)
    database.execute(sa.delete(t.api_calls))
    assert disagreements(database) == {"index rows newer than any call": 1}
    assert repair(database) == Repaired(0, 1, 0)
    (left,) = rows(database, t.unified_index)
    assert (left["item_id"], left["lease_run_id"]) == (book(2).item_id, "alive")
    assert disagreements(database) == {}


def test_after_a_repair_nothing_that_was_answered_is_asked_again(database: Database) -> None:
    scan(database, 1)
    decide(database, now=NOON, run_id="run")
    commit(database, *(reply(1, source) for source in (ASKS, GOOGLE, LIBRARY, SOLD)))
    database.execute(sa.delete(t.unified_index))
    assert repair(database).rows == 4
    update_comps(database, now=NOON)
    score_items(database, V1, now=NOON)
    flag_items(database, V1, now=NOON)
    assert finish_scans(database, now=NOON) == 1
