from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.core.freshness import DEFERRAL, LEASE
from pricing_assets.core.gate import V1
from pricing_assets.core.items import item_id
from pricing_assets.schema import tables as t
from pricing_assets.store.comps import update_comps
from pricing_assets.store.decisions import decide
from pricing_assets.store.gate import flag_items, score_items
from pricing_assets.store.intake import Readings, pending_count, store_scans
from pricing_assets.store.queue import (
    Ask,
    count_open_asks,
    finish_scans,
    lease_holders,
    release_dead_leases,
    release_leases,
    renew_leases,
    take_asks,
)
from resources.database import Database
from resources.presence import present
from tests.examples import (
    ASKS,
    COMPLETE,
    DAY,
    METADATA,
    NOON,
    READING,
    SOLD,
    book,
    commit,
    isbn,
    reply,
    row,
    rows,
    sales,
    scan,
)

LIBRARY, GOOGLE = "open_library", "google_books"
SOURCES = (ASKS, GOOGLE, LIBRARY, SOLD)
METADATA_KINDS, MARKET_KINDS = ("metadata",), ("sold", "ask")


def taken(
    database: Database,
    run_id: str,
    at: datetime = NOON,
    kinds: tuple[str, ...] = METADATA_KINDS,
    items: int = 10,
) -> list[tuple[str, str]]:
    asks, _ = take_asks(database, kinds, now=at, run_id=run_id, after="", items=items)
    return [(ask.item_id, ask.source) for ask in asks]


def test_the_queue_gives_whole_items_in_pages(database: Database) -> None:
    scan(database, 1, 2, 3, 1)
    decide(database, now=NOON, run_id="run")
    assert count_open_asks(database, METADATA_KINDS, now=NOON) == 6
    assert count_open_asks(database, MARKET_KINDS, now=NOON) == 6
    assert count_open_asks(database, (), now=NOON) == 12
    after: str | None = ""
    pages = []
    while after is not None:
        page, after = take_asks(
            database, METADATA_KINDS, now=NOON, run_id="run", after=after, items=2
        )
        pages.append([(ask.item_id, ask.source) for ask in page])
    items = sorted(book(number).item_id for number in (1, 2, 3))
    assert pages == [
        *(
            [(item, source) for item in part for source in sorted(METADATA)]
            for part in (items[:2], items[2:])
        ),
        [],
    ]


def test_the_queue_knows_the_item(database: Database) -> None:
    scan(database, 1)
    decide(database, now=NOON, run_id="run")
    commit(database, reply(1, LIBRARY, fields=COMPLETE))
    asks, _ = take_asks(database, ("sold",), now=NOON, run_id="run", after="", items=10)
    assert asks == [
        Ask(
            SOLD,
            book(1).item_id,
            "book",
            isbn(1),
            str(COMPLETE["title"]),
        )
    ]
    assert taken(database, "run") == [(book(1).item_id, GOOGLE)]


def scan_cards(database: Database, *keys: str) -> None:
    lines = [
        {
            "line": line,
            "code": key,
            "category": "card",
            "natural_key": key,
            "item_id": item_id("card", key),
        }
        for line, key in enumerate(keys, 1)
    ]
    batch = pa.RecordBatch.from_pylist(lines, schema=READING)
    store_scans(
        database, [Readings("0" * 64, "cards.csv", batch)], user_id="default", received_at=NOON
    )


def test_of_a_card_the_queue_knows_the_words_as_soon_as_its_metadata_is_there(
    database: Database,
) -> None:
    salas = "2023|bowman chrome|bcp50|ethan salas|refractor|499"
    scan_cards(database, "base1-2", "base1-4", salas)
    scan(database, 1)
    decide(database, now=NOON, run_id="run")

    def words(run_id: str) -> dict[tuple[str, str], str | None]:
        asks, _ = take_asks(database, MARKET_KINDS, now=NOON, run_id=run_id, after="", items=10)
        release_leases(database, run_id)
        return {(ask.natural_key, ask.source): ask.words for ask in asks}

    said = {
        isbn(1): None,
        "base1-2": "",
        "base1-4": "",
        salas: "2023 bowman chrome bcp50 ethan salas refractor /499",
    }
    assert words("early") == {(key, s): text for key, text in said.items() for s in (ASKS, SOLD)}
    known = t.cards.c.item_id == item_id("card", "base1-2")
    database.execute(
        sa.update(t.cards).values(name="Blastoise", set_name="Base", number="2").where(known)
    )
    said["base1-2"] = "blastoise base set 2"
    assert words("late") == {(key, s): text for key, text in said.items() for s in (ASKS, SOLD)}


def test_what_one_run_has_leased_another_does_not_get(database: Database) -> None:
    scan(database, 1, 2)
    decide(database, now=NOON, run_id="first")
    first = taken(database, "first", items=1)
    assert len(first) == 2
    second = taken(database, "second")
    assert len(second) == 2
    assert not set(first) & set(second)
    # A run gets its own again, as after a step that is tried again.
    assert set(taken(database, "first")) == set(first)
    assert sorted(lease_holders(database)) == ["first", "second"]


def test_a_lease_ends_and_can_be_renewed(database: Database) -> None:
    scan(database, 1)
    decide(database, now=NOON, run_id="first")
    assert len(taken(database, "first")) == 2
    just_before = NOON + LEASE - timedelta(microseconds=1)
    assert taken(database, "second", just_before) == []
    assert lease_holders(database, ended_by=just_before) == []
    assert renew_leases(database, "first", now=just_before) == 2
    assert taken(database, "second", NOON + LEASE) == []
    ended = just_before + LEASE
    assert lease_holders(database, ended_by=ended) == ["first"]
    assert len(taken(database, "second", ended)) == 2


def test_a_released_lease_leaves_no_trace_of_what_was_never_asked(database: Database) -> None:
    scan(database, 1)
    decide(database, now=NOON, run_id="run")
    taken(database, "run")
    commit(database, reply(1, LIBRARY, fields=COMPLETE))
    assert release_leases(database, "run") == 1
    (left,) = rows(database, t.unified_index)
    assert (left["source"], left["lease_run_id"]) == (LIBRARY, None)
    assert taken(database, "other") == [(book(1).item_id, GOOGLE)]


def test_the_leases_of_a_dead_run_are_given_up(database: Database, tmp_path: Path) -> None:
    scan(database, 1, 2)
    decide(database, now=NOON, run_id="run")
    with present(tmp_path, "alive"):
        taken(database, "alive", items=1)
        taken(database, "dead")
        (tmp_path / "dead.lock").touch()
        assert release_dead_leases(database, tmp_path) == 2
        assert lease_holders(database) == ["alive"]
        assert len(taken(database, "next")) == 2


def test_an_answer_that_another_run_has_filed_is_not_asked_for_again(database: Database) -> None:
    scan(database, 1)
    decide(database, now=NOON, run_id="run")
    commit(database, reply(1, LIBRARY, NOON, fields=COMPLETE))
    assert taken(database, "late") == [(book(1).item_id, GOOGLE)]


def test_a_scan_of_what_another_run_is_asking_waits(database: Database) -> None:
    scan(database, 1, origin="first")
    decide(database, now=NOON, run_id="first")
    taken(database, "first", kinds=())
    # The first scan is gone, as of another user's: only the lease tells.
    database.execute(sa.update(t.scans).values(processed_at=NOON))
    scan(database, 1, origin="second")
    decided = decide(database, now=NOON, run_id="second")
    assert {count.reason for count in decided.counts} == {"leased"}
    (batch,) = (b for b in rows(database, t.decision_batches) if b["run_id"] == "second")
    assert (batch["calls_to_make"], batch["calls_saved"]) == (0, 0)
    assert finish_scans(database, now=NOON) == pending_count(database, now=NOON) == 0
    release_leases(database, "first")
    later = NOON + DEFERRAL
    assert pending_count(database, now=later) == 1
    assert decide(database, now=later, run_id="third").scans == 1
    assert count_open_asks(database, (), now=later) == 4


def test_what_could_not_be_asked_is_put_off_and_decided_anew(database: Database) -> None:
    scan(database, 1)
    decide(database, now=NOON, run_id="run")
    commit(database, *(reply(1, source) for source in SOURCES if source != LIBRARY))
    update_comps(database, now=NOON)
    score_items(database, V1, now=NOON)
    flag_items(database, V1, now=NOON)
    assert finish_scans(database, now=NOON) == 0
    assert pending_count(database, now=NOON) == 0
    assert decide(database, now=NOON, run_id="too early").scans == 0
    later = NOON + DEFERRAL
    assert pending_count(database, now=later) == 1
    again = decide(database, now=later, run_id="again")
    assert [(c.source, c.reason) for c in again.counts if c.action == "ask"] == [(LIBRARY, "new")]
    # What is skipped was counted as saved the first time, or asked.
    batch = rows(database, t.decision_batches)[-1]
    assert (batch["calls_to_make"], batch["calls_saved"]) == (1, 0)
    commit(database, reply(1, LIBRARY, later, fields=COMPLETE))
    assert finish_scans(database, now=later) == 1


def test_a_scan_is_finished_when_its_item_was_gated_on_what_was_fetched(
    database: Database,
) -> None:
    scan(database, 1)
    assert finish_scans(database, now=NOON) == 0
    decide(database, now=NOON, run_id="run")
    assert finish_scans(database, now=NOON) == 0
    commit(database, reply(1, LIBRARY, fields=COMPLETE), reply(1, GOOGLE), reply(1, ASKS))
    assert finish_scans(database, now=NOON) == 0
    sales(database, 1, ["20.00"] * 8)
    assert finish_scans(database, now=NOON) == 0
    update_comps(database, now=NOON)
    score_items(database, V1, now=NOON)
    assert finish_scans(database, now=NOON) == 0
    flag_items(database, V1, now=NOON)
    assert finish_scans(database, now=NOON + DAY) == 1
    assert row(database, t.scans).processed_at == NOON + DAY
    assert finish_scans(database, now=NOON) == pending_count(database, now=NOON) == 0


def test_a_scan_whose_sources_all_failed_is_finished(database: Database) -> None:
    scan(database, 1)
    decide(database, now=NOON, run_id="run")
    commit(database, *(reply(1, source, error="answered 503") for source in SOURCES))
    assert finish_scans(database, now=NOON) == 1
