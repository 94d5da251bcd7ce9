import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import zstandard

from pricing_assets.core.answers import Answer, ItemQuery, Listing
from pricing_assets.core.items import item_id
from pricing_assets.schema import tables as t
from pricing_assets.store.answers import commit_replies
from pricing_assets.store.comps import update_comps
from pricing_assets.store.decisions import decide
from pricing_assets.store.queue import count_open_asks, take_asks
from pricing_assets.store.status import call_counts
from pricing_assets.store.unified_index import disagreements
from resources.database import Database
from tests.examples import (
    ASKS,
    COMPLETE,
    DAY,
    NOON,
    SOLD,
    book,
    commit,
    facts,
    item,
    listing,
    reply,
    row,
    rows,
    scan,
)

LIBRARY, GOOGLE = "open_library", "google_books"
WRITTEN = (
    *(t.payloads, t.api_calls, t.metadata_versions, t.price_listings, t.unified_index),
    *(t.enrichment_decisions, t.items, t.books),
)


@pytest.fixture
def database(database: Database) -> Database:
    """Books 1, 2 and 3 are scanned, and every source is to be asked about them."""
    scan(database, 1, 2, 3)
    decide(database, now=NOON, run_id="run-1")
    return database


def state(database: Database) -> dict[str, list[dict[str, Any]]]:
    return {table.name: rows(database, table) for table in WRITTEN}


def show(database: Database, source: str, at: datetime, *shown: Listing, number: int = 1) -> None:
    commit(database, reply(number, source, at, listings=shown))


def observations(database: Database, number: int = 1) -> list[tuple[Any, ...]]:
    """What is stored of a book's listings, in the order it was learnt."""
    found = rows(database, t.price_listings, "observed_at", "source_listing_id")
    return [
        (entry["source_listing_id"], entry["price"], entry["observed_at"], entry["superseded_at"])
        for entry in found
        if entry["item_id"] == book(number).item_id
    ]


def index(database: Database, source: str, number: int = 1) -> Any:
    columns = t.unified_index.c
    return row(
        database, t.unified_index, columns.item_id == book(number).item_id, columns.source == source
    )


def test_an_answer_is_stored_with_its_evidence(database: Database) -> None:
    sold_at = datetime(2026, 10, 1, 8, tzinfo=UTC)
    shown = listing(
        "v1|1", "12.50", shipping=Decimal("3.99"), condition="Good", bids=4, sold_at=sold_at,
        listing_type="auction",
    )  # fmt: skip
    metadata, market = reply(1, LIBRARY, fields=COMPLETE), reply(1, SOLD, listings=[shown])
    commit(database, metadata, market)

    stored = {entry["sha256"]: entry for entry in rows(database, t.payloads)}
    assert set(stored) == {metadata.sha256, market.sha256}
    body = zstandard.ZstdDecompressor().decompress(stored[metadata.sha256 or ""]["body_zstd"])
    assert body == metadata.body
    assert stored[metadata.sha256 or ""]["size_bytes"] == len(body)

    calls = {entry["source"]: entry for entry in rows(database, t.api_calls)}
    assert calls[SOLD]["cost_usd"] == Decimal("0.004")
    assert (calls[SOLD]["run_id"], calls[SOLD]["status"]) == ("run-1", 200)

    version = row(database, t.metadata_versions)
    assert json.loads(version.fields) == dict(COMPLETE)
    assert (version.completeness, version.payload_sha256) == (1.0, metadata.sha256)

    sale = row(database, t.price_listings)
    assert (sale.price, sale.price_usd, sale.exchange_rate) == (
        *(Decimal("12.50"), Decimal("12.50"), Decimal(1)),
    )
    assert (sale.currency, sale.exchange_rate_date) == ("USD", date(2026, 10, 1))
    assert (sale.shipping, sale.condition, sale.bids) == (Decimal("3.99"), "Good", 4)
    assert (sale.sold_at, sale.listed_at, sale.observed_at) == (sold_at, None, NOON)
    assert (sale.quantity, sale.match_confidence, sale.superseded_at) == (1, 0.95, None)
    assert disagreements(database) == {}


def test_an_item_takes_what_is_known_of_it(database: Database) -> None:
    commit(database, reply(1, LIBRARY, fields={**COMPLETE, "work_key": "OL1W"}))
    found = item(database, 1)
    assert (found.title, found.description) == (COMPLETE["title"], COMPLETE["description"])
    assert (found.metadata_source, found.quality_score) == (LIBRARY, 1.0)
    assert json.loads(found.field_origins)["publisher"] == [LIBRARY, NOON.isoformat()]
    assert (found.metadata_fetched_at, found.market_fetched_at) == (NOON, None)
    assert found.last_enrichment_at == NOON
    own = row(database, t.books, t.books.c.item_id == book(1).item_id)
    assert (own.authors, own.publication_year, own.page_count) == ("Charles Dickens", 2002, 544)
    assert (own.work_key, own.cover_type) == ("OL1W", "Paperback")
    assert item(database, 2).title is None


def test_an_answer_leaves_the_queue_and_gives_up_its_lease(database: Database) -> None:
    at = NOON + DAY
    take_asks(database, (), now=at, run_id="run", after="", items=10)
    assert count_open_asks(database, (), now=at) == 12
    commit(database, reply(1, LIBRARY, at, fields=COMPLETE))
    assert count_open_asks(database, (), now=at) == 11
    held = rows(database, t.unified_index)
    free = [(r["item_id"], r["source"]) for r in held if r["lease_run_id"] is None]
    assert free == [(book(1).item_id, LIBRARY)]
    assert len(held) == 12


def test_what_was_never_sent_is_no_fetch(database: Database) -> None:
    before = state(database)
    commit(database, replace(reply(1, LIBRARY, error="takes no questions"), attempts=0))
    assert state(database) == before
    assert count_open_asks(database, (), now=NOON) == 12


def test_a_card_has_its_name_for_a_title_and_its_estimates_are_no_sales(
    database: Database,
) -> None:
    key = "base1-4"
    query = ItemQuery(item_id("card", key), "card", key)
    scanned = pa.table(
        {
            "id": [query.item_id],
            "category": ["card"],
            "natural_key": [key],
            "created_at": pa.array([NOON], pa.timestamp("us", tz="UTC")),
            "updated_at": pa.array([NOON], pa.timestamp("us", tz="UTC")),
        }
    )
    database.upsert(t.items, scanned)
    database.upsert(t.cards, scanned.select(["id"]).rename_columns(["item_id"]))
    fields = {
        "name": "Charizard",
        "set_name": "Base",
        "number": "4",
        "image": "https://i.example/4",
    }
    shown = listing("base1-4:holofoil:market", "270.95", kind="estimate")
    answer = replace(reply(1, "pokemontcg", fields=fields, listings=[shown]), query=query)
    commit(database, answer)
    found = row(database, t.items, t.items.c.id == query.item_id)
    assert (found.title, found.thumbnail_url) == ("Charizard", "https://i.example/4")
    assert (found.metadata_source, found.quality_score) == ("pokemontcg", 0.6)
    assert (found.metadata_fetched_at, found.market_fetched_at) == (NOON, None)
    assert row(database, t.metadata_versions).completeness == 0.6
    own = row(database, t.cards)
    assert (own.name, own.set_name, own.number, own.year) == ("Charizard", "Base", "4", None)
    estimate = row(database, t.price_listings)
    assert (estimate.kind, estimate.price, estimate.sold_at) == (
        "estimate",
        Decimal("270.95"),
        None,
    )
    later = replace(
        answer,
        requested_at=NOON + DAY,
        answer=Answer("found", fields, (replace(shown, price=Decimal(300)),)),
    )
    commit(database, later)
    stored = rows(database, t.price_listings, "observed_at")
    assert [entry["superseded_at"] for entry in stored] == [NOON + DAY, None]


def test_that_a_source_does_not_cover_an_item_is_an_answer_without_a_call(
    database: Database,
) -> None:
    not_covered = replace(
        reply(1, LIBRARY), attempts=0, status=None, body=b"", sha256=None, cost_usd=Decimal(0)
    )
    commit(database, not_covered)
    assert count_open_asks(database, (), now=NOON) == 11
    known = row(database, t.unified_index, t.unified_index.c.last_fetched_at.is_not(None))
    assert (known.source, known.result, known.misses) == (LIBRARY, "not_found", 1)
    call = row(database, t.api_calls)
    assert (call.attempts, call.result, call.cost_usd) == (0, "not_found", 0)
    assert call_counts(database)["made"] == 0
    assert disagreements(database) == {}


def test_what_cannot_be_searched_for_yet_is_looked_at_again_every_day(database: Database) -> None:
    unasked = replace(
        reply(1, SOLD), attempts=0, status=None, body=b"", sha256=None, cost_usd=Decimal(0)
    )
    wordless = replace(unasked, query=replace(unasked.query, words=""))
    for day in range(4):
        at = NOON + day * DAY
        commit(database, replace(wordless, requested_at=at))
        known = row(database, t.unified_index, t.unified_index.c.source == SOLD)
        assert (known.result, known.misses, known.next_due_at) == ("not_found", 1, at + DAY)
    # What was asked and found nothing waits longer each time.
    commit(database, reply(1, SOLD, NOON + 4 * DAY))
    known = row(database, t.unified_index, t.unified_index.c.source == SOLD)
    assert (known.misses, known.next_due_at) == (2, NOON + 7 * DAY)
    assert call_counts(database)["made"] == 1


def test_a_batch_is_whole_or_absent(database: Database) -> None:
    before = state(database)
    # The database refuses the kind, after metadata and payloads of the batch were written.
    wrong = replace(listing("2", "3.00"), kind="rumour")  # type: ignore[arg-type]
    batch = (
        reply(1, LIBRARY, fields=COMPLETE),
        reply(2, SOLD, listings=[listing("1", "9.00"), wrong]),
    )
    with pytest.raises(Exception, match=r"(?i)check"):
        commit(database, *batch)
    assert state(database) == before
    commit(database, batch[0])
    assert item(database, 1).quality_score == 1.0


def test_an_unknown_item_stops_the_batch_before_anything_is_kept(database: Database) -> None:
    before = state(database)
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        commit(database, reply(1, LIBRARY, fields=COMPLETE), reply(99, LIBRARY, fields=COMPLETE))
    assert state(database) == before


@pytest.mark.parametrize("source", [SOLD, ASKS])
def test_a_listing_seen_again_adds_nothing(database: Database, source: str) -> None:
    kind = facts()[source].kind
    shown = listing("1", "9.10", kind, bids=1, watchers=3)  # type: ignore[arg-type]
    show(database, source, NOON, shown)
    show(database, source, NOON + DAY, replace(shown, bids=2, watchers=9))
    show(database, source, NOON + 2 * DAY, shown)
    assert observations(database) == [("1", Decimal("9.10"), NOON, None)]
    assert item(database, 1).market_fetched_at == NOON + 2 * DAY


def test_a_listing_twice_in_one_answer_is_one(database: Database) -> None:
    show(database, SOLD, NOON, listing("1", "9.00"), listing("1", "9.50"), listing("2", "1.00"))
    assert [entry[:2] for entry in observations(database)] == [
        ("1", Decimal("9.00")),
        ("2", Decimal("1.00")),
    ]


CHANGES: Sequence[dict[str, Any]] = (
    {"price": Decimal("8.00")},
    {"currency": "EUR"},
    {"title": "another"},
    {"condition": "Good"},
    {"shipping": Decimal("1.00")},
    {"quantity": 2},
    {"listing_type": "auction"},
    {"sold_at": NOON - DAY},
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_a_changed_listing_supersedes_what_was_known(
    database: Database, change: dict[str, Any]
) -> None:
    shown = listing("1", "9.00")
    changed = replace(shown, **change)
    show(database, SOLD, NOON, shown)
    show(database, SOLD, NOON + DAY, changed)
    show(database, SOLD, NOON + 2 * DAY, changed)
    assert observations(database) == [
        ("1", shown.price, NOON, NOON + DAY),
        ("1", changed.price, NOON + DAY, None),
    ]
    show(database, SOLD, NOON + 3 * DAY, shown)
    assert observations(database)[1:] == [
        ("1", changed.price, NOON + DAY, NOON + 3 * DAY),
        ("1", shown.price, NOON + 3 * DAY, None),
    ]


def test_an_ask_that_vanished_is_withdrawn_and_a_sale_stays(database: Database) -> None:
    asks = [listing("1", "9.00", "ask"), listing("2", "8.00", "ask")]
    show(database, ASKS, NOON, *asks)
    show(database, ASKS, NOON, *asks, number=2)
    show(database, SOLD, NOON, listing("1", "7.00"), listing("2", "6.00"))
    show(database, ASKS, NOON + DAY, asks[1])
    show(database, SOLD, NOON + DAY, listing("2", "6.00"))
    assert set(observations(database)) == {
        ("1", Decimal("9.00"), NOON, NOON + DAY),
        ("2", Decimal("8.00"), NOON, None),
        ("1", Decimal("7.00"), NOON, None),
        ("2", Decimal("6.00"), NOON, None),
    }
    # Another book's asks are its own.
    assert [entry[3] for entry in observations(database, 2)] == [None, None]
    # Nothing is for sale any more; then the ask is back.
    show(database, ASKS, NOON + 2 * DAY)
    show(database, ASKS, NOON + 3 * DAY, asks[1])
    second = [entry for entry in observations(database) if entry[:2] == ("2", Decimal("8.00"))]
    assert [entry[2:] for entry in second] == [(NOON, NOON + 2 * DAY), (NOON + 3 * DAY, None)]


@pytest.mark.parametrize("source", [ASKS, SOLD, LIBRARY])
def test_an_error_moves_no_fetch_time_and_withdraws_nothing(
    database: Database, source: str
) -> None:
    commit(
        database,
        reply(1, LIBRARY, fields=COMPLETE),
        reply(1, ASKS, listings=[listing("1", "9.00", "ask")]),
        reply(1, SOLD, listings=[listing("1", "9.00")]),
    )
    before, seen = item(database, 1), observations(database)
    commit(database, reply(1, source, NOON + DAY, error="answered 503: unwell"))
    after = item(database, 1)
    assert observations(database) == seen
    for name in ("metadata_fetched_at", "market_fetched_at", "last_enrichment_at", "title"):
        assert getattr(after, name) == getattr(before, name)
    assert (index(database, source).result, index(database, source).misses) == ("error", 1)
    calls = t.api_calls.c
    call = row(database, t.api_calls, calls.result == "error")
    assert (call.error, call.attempts, call.cost_usd) == ("answered 503: unwell", 4, Decimal(0))


def test_the_same_replies_again_add_nothing(database: Database) -> None:
    batch = (
        reply(1, LIBRARY, fields={"title": "Emma"}),
        reply(1, GOOGLE),
        reply(2, LIBRARY, error="answered 503"),
        reply(1, ASKS, listings=[listing("1", "9.00", "ask")]),
        reply(2, SOLD, listings=[listing("1", "9.00")]),
        reply(3, SOLD),
    )
    commit(database, *batch)
    before = state(database)
    assert index(database, SOLD, 3).misses == 1
    commit(database, *batch, run_id="run-2")
    assert state(database) == before
    # One that is new among them is filed.
    commit(database, *batch, reply(3, ASKS), run_id="run-2")
    assert index(database, SOLD, 3).misses == 1
    assert index(database, ASKS, 3).misses == 1
    assert len(rows(database, t.api_calls)) == len(batch) + 1


def test_an_answer_to_an_earlier_question_may_come_later(database: Database) -> None:
    second = timedelta(seconds=1)
    quick = reply(
        1,
        "serpapi_ebay_sold",
        NOON + 4 * second,
        listings=[listing("q", "10.00"), listing("r", "14.00")],
    )
    slow = reply(1, SOLD, NOON + second, listings=[listing("s", "20.00")])
    for number, (first, then) in ((1, (quick, slow)), (2, (slow, quick))):
        commit(database, replace(first, query=book(number)))
        update_comps(database, now=NOON + 10 * second)
        commit(database, replace(then, query=book(number)))
        update_comps(database, now=NOON + 60 * second)
    one, two = (item(database, number) for number in (1, 2))
    assert one.market_fetched_at - two.market_fetched_at == timedelta.resolution
    for found in (one, two):
        assert (found.sold_comps_count, found.sold_comps_median) == (3, Decimal("14.00"))
        assert (found.market_value, found.effective_n) == (Decimal("14.00"), 3.0)


def test_half_a_cent_is_a_cent(database: Database) -> None:
    commit(database, reply(1, SOLD, listings=[listing("a", "0.005"), listing("b", "2.345")]))
    prices = {row["source_listing_id"]: row["price"] for row in rows(database, t.price_listings)}
    assert prices == {"a": Decimal("0.01"), "b": Decimal("2.35")}


def test_misses_are_counted_in_a_row(database: Database) -> None:
    for day, misses in enumerate((1, 2, 3)):
        commit(database, reply(1, SOLD, NOON + day * DAY))
        assert index(database, SOLD).misses == misses
    show(database, SOLD, NOON + 4 * DAY, listing("1", "9.00"))
    assert index(database, SOLD).misses == 0
    commit(database, reply(1, SOLD, NOON + 5 * DAY, error="answered 500"))
    assert index(database, SOLD).misses == 1


def test_silence_never_overwrites(database: Database) -> None:
    commit(database, reply(1, LIBRARY, fields=COMPLETE))
    commit(database, reply(1, LIBRARY, NOON + DAY, fields={"title": "Great Expectations!"}))
    commit(database, reply(1, GOOGLE, NOON + DAY, fields={"publisher": "Other"}))
    commit(database, reply(1, GOOGLE, NOON + 2 * DAY))
    commit(database, reply(1, LIBRARY, NOON + 3 * DAY, error="answered 500"))
    found = item(database, 1)
    own = row(database, t.books, t.books.c.item_id == book(1).item_id)
    assert (found.title, found.description) == ("Great Expectations!", COMPLETE["description"])
    assert (own.publisher, own.page_count) == ("Penguin", 544)
    assert found.quality_score == 1.0
    assert len(rows(database, t.metadata_versions)) == 3


def test_a_price_in_another_currency_is_kept_and_never_counted(database: Database) -> None:
    show(database, SOLD, NOON, listing("1", "9.00"), listing("2", "700.00", currency="EUR"))
    show(database, ASKS, NOON, listing("3", "1.00", "ask", currency="GBP"))
    foreign = row(database, t.price_listings, t.price_listings.c.currency == "EUR")
    assert (foreign.price, foreign.price_usd) == (Decimal("700.00"), None)
    assert foreign.exchange_rate is foreign.exchange_rate_date is None
    assert "unknown currency EUR" in foreign.conversion_error
    update_comps(database, now=NOON)
    found = item(database, 1)
    assert (found.sold_comps_count, found.sold_comps_max) == (1, Decimal("9.00"))
    assert found.ebay_active_count == 0


def test_problems_of_an_answer_are_kept_with_its_call(database: Database) -> None:
    commit(database, reply(1, SOLD, problems=("items[0].price: not a number", "b: missing")))
    assert row(database, t.api_calls).error == "items[0].price: not a number; b: missing"


def test_text_in_any_script_comes_back(database: Database) -> None:
    title = "Война и мир 罪と罰 50% 'x' \\n \U0001f4da"
    commit(database, reply(1, LIBRARY, fields={"title": title}))
    show(database, SOLD, NOON, replace(listing("1", "9.00"), title=title))
    assert item(database, 1).title == title
    assert row(database, t.price_listings).title == title


def test_a_body_of_two_items_is_kept_once(database: Database) -> None:
    one, two = reply(1, SOLD), reply(2, SOLD)
    two = replace(two, body=one.body, sha256=one.sha256)
    commit(database, one, two)
    commit(database, replace(reply(3, SOLD, NOON + DAY), body=one.body, sha256=one.sha256))
    assert len(rows(database, t.payloads)) == 1
    assert len(rows(database, t.api_calls)) == 3


def test_moments_of_other_zones_are_the_same_moments(database: Database) -> None:
    east = NOON.astimezone(timezone(timedelta(hours=9)))
    show(database, ASKS, east, listing("1", "9.00", "ask", listed_at=east))
    found = row(database, t.price_listings)
    assert (found.observed_at, found.listed_at) == (NOON, NOON)
    show(database, ASKS, NOON, listing("1", "1.00", "ask"))
    assert observations(database) == [("1", Decimal("9.00"), NOON, None)]


def test_nothing_is_nothing(database: Database) -> None:
    before = state(database)
    commit_replies(database, [], facts(), run_id="run", now=NOON)
    assert state(database) == before
