from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.store.decisions import Decided, counts_by_reason, decide, parse_reasons
from pricing_assets.store.queue import count_open_asks
from resources.database import Database
from resources.sources import registered_sources
from tests.examples import (
    ASKS,
    COMPLETE,
    DAY,
    NOON,
    SOLD,
    book,
    commit,
    facts,
    listing,
    register,
    reply,
    row,
    rows,
    scan,
)

LIBRARY, GOOGLE = "open_library", "google_books"
SOURCES = (ASKS, GOOGLE, LIBRARY, SOLD)
MICROSECOND = timedelta(microseconds=1)
POOR = {"title": "Emma"}


def decided(
    database: Database, at: datetime, *numbers: int, run_id: str = "run"
) -> dict[int, dict[str, str]]:
    """Scan books and decide: the reason by source of each of the new scans."""
    (known,) = database.rows(sa.select(sa.func.coalesce(sa.func.max(t.scans.c.id), 0)))
    scan(database, *numbers, origin=f"{at} {known[0]}", at=at)
    decide(database, now=at, run_id=run_id)
    reasons: dict[int, dict[str, str]] = {}
    for found in rows(database, t.enrichment_decisions):
        if found["scan_id"] > known[0]:
            entries = parse_reasons(found["reasons"])
            for action, _, why in entries:
                assert action == ("ask" if why in ("new", "stale", "low_quality") else "skip")
            reasons[found["scan_id"]] = {source: why for _, source, why in entries}
    assert len(reasons) == len(numbers)
    return {place: reasons[scan_id] for place, scan_id in enumerate(sorted(reasons))}


def reason(database: Database, at: datetime, source: str, number: int = 1) -> str:
    return decided(database, at, number)[0][source]


def next_due(database: Database, source: str, number: int = 1) -> datetime:
    index = t.unified_index.c
    found = row(
        database, t.unified_index, index.item_id == book(number).item_id, index.source == source
    )
    due: datetime = found.next_due_at
    return due


def every(why: str) -> Mapping[str, str]:
    return dict.fromkeys(SOURCES, why)


def test_a_new_item_is_asked_of_every_source(database: Database) -> None:
    assert decided(database, NOON, 1, 2) == {0: every("new"), 1: every("new")}


def test_the_same_item_twice_is_asked_once(database: Database) -> None:
    assert decided(database, NOON, 1, 1, 2) == {
        0: every("new"),
        1: every("duplicate"),
        2: every("new"),
    }


def test_an_item_that_is_already_asked_for_is_a_duplicate(database: Database) -> None:
    decided(database, NOON, 1)
    assert decided(database, NOON + DAY, 1) == {0: every("duplicate")}
    commit(database, reply(1, LIBRARY, NOON + DAY, fields=COMPLETE))
    later = decided(database, NOON + 2 * DAY, 1)[0]
    assert later == {**every("duplicate"), LIBRARY: "fresh"}


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        (LIBRARY, {"fields": COMPLETE}),
        (ASKS, {"listings": [listing("1", "9.00", "ask")]}),
        (SOLD, {"listings": [listing("1", "9.00")]}),
    ],
)
def test_an_answer_is_fresh_until_exactly_when_it_is_due(
    database: Database, source: str, answer: dict[str, Any]
) -> None:
    commit_book(database, source, **answer)
    due = NOON + facts()[source].freshness
    assert next_due(database, source) == due
    assert reason(database, NOON, source) == "fresh"
    assert reason(database, due - MICROSECOND, source) == "fresh"
    assert reason(database, due, source) == "stale"


def commit_book(database: Database, source: str, at: datetime = NOON, **answer: Any) -> None:
    scan(database, 1, origin="committed", at=at)
    database.execute(sa.update(t.scans).values(processed_at=at))
    commit(database, reply(1, source, at, **answer))


def test_a_source_that_knows_nothing_is_asked_after_growing_times(database: Database) -> None:
    at = NOON
    for days in (1, 3, 7, 30, 30):
        commit_book(database, SOLD, at)
        due = min(at + days * DAY, at + facts()[SOLD].freshness)
        assert next_due(database, SOLD) == due
        assert reason(database, due - MICROSECOND, SOLD) == "backoff"
        at = due
    assert reason(database, at, SOLD) == "stale"


def test_a_source_that_failed_is_asked_again_after_a_day(database: Database) -> None:
    commit_book(database, LIBRARY, error="answered 503: unwell")
    assert reason(database, NOON + DAY - MICROSECOND, LIBRARY) == "backoff"
    assert reason(database, NOON + DAY, LIBRARY) == "low_quality"
    # Decided and not yet settled.
    assert reason(database, NOON + 2 * DAY, LIBRARY) == "duplicate"


@pytest.mark.parametrize("fields", [POOR, {"subjects": "none that counts"}])
def test_poor_metadata_waits_and_then_is_low_quality(
    database: Database, fields: dict[str, str]
) -> None:
    commit_book(database, LIBRARY, fields=fields)
    assert reason(database, NOON + DAY - MICROSECOND, LIBRARY) == "backoff"
    assert reason(database, NOON + DAY, LIBRARY) == "low_quality"


def test_a_completeness_of_zero_is_low_quality_and_not_unknown(database: Database) -> None:
    commit_book(database, LIBRARY)
    index = row(database, t.unified_index)
    assert (index.completeness, index.result) == (0.0, "not_found")
    assert reason(database, NOON + DAY, LIBRARY) == "low_quality"


def test_a_sources_poor_answer_is_fresh_once_another_made_the_item_complete(
    database: Database,
) -> None:
    commit_book(database, LIBRARY, fields=POOR)
    commit(database, reply(1, GOOGLE, NOON + DAY, fields=COMPLETE))
    assert reason(database, NOON + 2 * DAY, LIBRARY) == "fresh"


def test_midnight_does_not_make_an_answer_old(database: Database) -> None:
    late = datetime(2026, 10, 20, 23, 59, tzinfo=UTC)
    commit_book(database, SOLD, late, listings=[listing("1", "9.00")])
    commit(database, reply(1, ASKS, late))
    soon = decided(database, late + timedelta(minutes=2), 1)[0]
    assert (soon[SOLD], soon[ASKS]) == ("fresh", "backoff")


def test_instants_are_compared_across_zones(database: Database) -> None:
    tokyo, honolulu = timezone(timedelta(hours=9)), timezone(timedelta(hours=-10))
    commit_book(database, SOLD, NOON.astimezone(tokyo), listings=[listing("1", "9.00")])
    due = NOON + facts()[SOLD].freshness
    assert reason(database, (due - MICROSECOND).astimezone(tokyo), SOLD) == "fresh"
    assert reason(database, due.astimezone(honolulu), SOLD) == "stale"


def test_deciding_again_adds_nothing(database: Database) -> None:
    scan(database, 1, 2, 1)
    assert decide(database, now=NOON, run_id="first").scans == 3
    before = rows(database, t.enrichment_decisions)
    assert decide(database, now=NOON + 400 * DAY, run_id="second") == Decided(0, ())
    assert rows(database, t.enrichment_decisions) == before


def test_a_scan_that_was_decided_before_a_crash_keeps_its_decision(database: Database) -> None:
    scan(database, 1, origin="before")
    decide(database, now=NOON, run_id="crashed")
    commit(database, reply(1, LIBRARY, NOON, fields=COMPLETE), run_id="crashed")
    scan(database, 1, 2, origin="after")
    assert decide(database, now=NOON + DAY, run_id="next").scans == 2
    first, again, other = (found["reasons"] for found in rows(database, t.enrichment_decisions))
    assert [why for *_, why in parse_reasons(first)] == ["new"] * 4
    assert dict(entry[1:] for entry in parse_reasons(again)) == {
        **every("duplicate"),
        LIBRARY: "fresh",
    }
    assert [why for *_, why in parse_reasons(other)] == ["new"] * 4
    assert count_open_asks(database, METADATA_KINDS, now=NOON + DAY) == 3


METADATA_KINDS, MARKET_KINDS = ("metadata",), ("sold", "ask")


def test_rejected_and_processed_scans_are_not_decided(database: Database) -> None:
    scan(database, 1, 2)
    first = row(database, t.scans, t.scans.c.line == 1)
    database.execute(sa.update(t.scans).values(processed_at=NOON).where(t.scans.c.id == first.id))
    assert decide(database, now=NOON, run_id="run").scans == 1


def test_only_active_sources_of_the_category_are_asked(database: Database) -> None:
    database.execute(
        sa.update(t.data_sources)
        .values(categories='["card", "bookmark"]')
        .where(t.data_sources.c.name == GOOGLE)
    )
    database.execute(
        sa.update(t.data_sources).values(is_active=False).where(t.data_sources.c.name == ASKS)
    )
    assert decided(database, NOON, 1) == {0: {LIBRARY: "new", SOLD: "new"}}


def test_sandbox_and_live_answers_are_apart(database: Database) -> None:
    commit_book(database, LIBRARY, fields=COMPLETE)
    register(database, "sandbox:")
    assert decided(database, NOON + DAY, 1) == {
        0: {f"sandbox:{source}": "new" for source in SOURCES}
    }


def test_reasons_are_counted_with_their_cost(database: Database) -> None:
    scan(database, 1, 1)
    decide(database, now=NOON, run_id="run")
    cost = registered_sources()[SOLD].cost_per_call_usd
    assert cost > 0
    counts = counts_by_reason(database, "run")
    assert counts == counts_by_reason(database)
    assert {(c.action, c.source, c.reason): (c.calls, c.usd) for c in counts} == {
        (action, source, why): (1, cost if source == SOLD else 0)
        for action, why in (("ask", "new"), ("skip", "duplicate"))
        for source in SOURCES
    }
    (batch,) = rows(database, t.decision_batches)
    assert (batch["scans"], batch["calls_to_make"], batch["calls_saved"]) == (2, 4, 4)
    assert batch["cost_usd"] == batch["saved_usd"] == cost
    assert counts_by_reason(database, "another") == []
