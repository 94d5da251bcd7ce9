import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pricing_assets.core.items import item_id
from pricing_assets.schema import tables as t
from pricing_assets.store.comps import update_comps
from pricing_assets.store.evidence import SourceFacts
from pricing_assets.store.ledger import calls_since
from pricing_assets.store.payloads import remove_expired
from pricing_assets.store.searches import (
    SearchResult,
    file_search,
    search_query,
    stored_result,
)
from pricing_assets.store.unified_index import disagreements
from resources.database import Database
from resources.sources import registered_sources
from resources.sources.client import Reply
from tests.examples import NOON, SOLD, reply, row, rows, set_licence

TEXT = "1986 Fleer 57  Michael JORDAN"
KEY = "1986|fleer|57|michael jordan"
SOURCE = registered_sources()[SOLD]
SOURCES = {SOLD: SOURCE}
FACTS = SourceFacts("sold", timedelta(days=30))
MINUTE = timedelta(minutes=1)


def answered(*results: tuple[str, str, str], at: datetime = NOON) -> Reply:
    """What the vendor says to the search, in its own words: id, title and price."""
    document = {
        "organic_results": [
            {
                "item_id": number,
                "title": title,
                "price": price,
                "condition": "Ungraded",
                "extensions": ["Sold Oct 1, 2026"],
            }
            for number, title, price in results
        ]
    }
    body = json.dumps(document).encode()
    query = search_query(TEXT)
    return replace(
        reply(1, SOLD, at),
        query=query,
        body=body,
        sha256=hashlib.sha256(body).hexdigest(),
        answer=SOURCE.read(query, json.loads(body)),
        result="found",
    )


def file(database: Database, reply: Reply, user: str = "me", **more: Any) -> SearchResult | None:
    return file_search(
        *(database, reply, more.get("facts", FACTS)),
        user_id=user,
        run_id="search-1",
        now=reply.requested_at,
    )


def stored(database: Database, at: datetime, user: str = "me") -> SearchResult | None:
    return stored_result(database, TEXT, "sold", SOURCES, user_id=user, run_id="served", now=at)


JORDANS = (
    ("1", "1986-87 Fleer Michael Jordan #57", "$100.00"),
    ("2", "1986 Fleer Basketball Michael Jordan #57 PSA 8", "$900.00"),
    ("3", "1986 Fleer Charles Barkley #7", "$20.00"),
    ("4", "Michael Jordan poster", "$5.00"),
)


def test_listings_are_observations_of_the_cards_that_they_name(database: Database) -> None:
    found = file(database, answered(*JORDANS))
    assert found is not None
    assert (found.cache_hit, found.stored, len(found.listings)) == (False, 3, 4)
    assert [one.natural_key for one in found.listings] == [
        *(KEY, KEY, "1986|fleer|7|charles barkley", None)
    ]
    observed = rows(database, t.price_listings, "source_listing_id")
    assert [r["source_listing_id"] for r in observed] == ["1", "2", "3"]
    assert observed[0]["item_id"] == item_id("card", KEY)
    assert observed[0]["match_confidence"] > 0.5
    card = row(database, t.cards, t.cards.c.item_id == item_id("card", KEY))
    assert (card.player_or_character, card.year) == ("Michael Jordan", 1986)
    update_comps(database, now=NOON)
    jordan = row(database, t.items, t.items.c.natural_key == KEY)
    # The graded copy is a variant, with a price of its own.
    assert (jordan.sold_comps_count, jordan.sold_comps_median) == (1, 100)
    call = row(database, t.api_calls)
    assert (call.item_id, call.listings, call.cache_hit) == (None, 4, False)
    search = row(database, t.searches)
    assert (search.user_id, search.query) == ("me", "1986 fleer 57 michael jordan")
    assert (search.results, search.items, search.pages) == (4, 2, 1)
    assert search.expires_at == NOON + 30 * MINUTE
    assert disagreements(database) == {}


def test_a_lot_makes_no_card_and_is_kept_beside_copies_of_one(database: Database) -> None:
    lots = (
        ("5", "Lot Of 10 - Assorted Michael Jordan Fleer", "$40.00"),
        ("6", "Lot of 10 1986 Fleer #57 Michael Jordan", "$90.00"),
        ("7", "1986 Fleer Basketball U-PICK", "$2.00"),
    )
    found = file(database, answered(*lots))
    assert found is not None
    assert None not in [one.natural_key for one in found.listings]
    assert (found.stored, len(rows(database, t.items))) == (0, 0)
    file(database, answered(*JORDANS, *lots, at=NOON + MINUTE))
    observed = rows(database, t.price_listings, "source_listing_id")
    assert [(r["source_listing_id"], r["lot_size"]) for r in observed] == [
        *(("1", 1), ("2", 1), ("3", 1), ("6", 10))
    ]


def test_a_fresh_answer_is_served_without_a_call(database: Database) -> None:
    asked = file(database, answered(*JORDANS))
    assert asked is not None
    served = stored(database, NOON + 29 * MINUTE)
    assert served is not None
    assert served == replace(asked, cache_hit=True, stored=0)
    assert stored(database, NOON + 30 * MINUTE) is None
    assert stored(database, NOON + MINUTE, user="you") is None
    asks = stored_result(
        database, TEXT, "ask", SOURCES, user_id="me", run_id="served", now=NOON + MINUTE
    )
    assert asks is None
    paid, served_call = rows(database, t.api_calls, "id")
    assert (paid["attempts"], paid["cache_hit"]) == (1, False)
    assert (served_call["attempts"], served_call["cost_usd"]) == (0, 0)
    assert (served_call["run_id"], served_call["cache_hit"]) == ("served", True)
    # In the ledger it is no call, and its time is none of the source's.
    (calls,) = calls_since(database, NOON - MINUTE, now=NOON)
    assert (calls.calls, calls.cache_hits, calls.p50_ms) == (1, 1, paid["latency_ms"])
    hits = [
        (r["cache_hit"], r["requested_at"], r["answered_at"]) for r in rows(database, t.searches)
    ]
    assert hits == [(False, NOON, NOON), (True, NOON + 29 * MINUTE, NOON)]


def test_the_same_answer_again_adds_no_observation_and_a_changed_one_corrects(
    database: Database,
) -> None:
    file(database, answered(*JORDANS))
    again = file(database, answered(*JORDANS, at=NOON + MINUTE))
    assert again is not None
    assert again.stored == 0
    changed = file(database, answered(("1", JORDANS[0][1], "$120.00"), at=NOON + 2 * MINUTE))
    assert changed is not None
    assert changed.stored == 1
    # A search shows a page: what it does not show is not withdrawn.
    current = rows(database, t.price_listings, "id")
    assert [r["source_listing_id"] for r in current if r["superseded_at"] is None] == [
        *("2", "3", "1")
    ]


def test_what_is_not_answered_or_may_not_be_kept_is_not_served(database: Database) -> None:
    failed = replace(answered(), answer=None, error="out", result="error", sha256=None, body=b"")
    assert file(database, failed) is None
    search = row(database, t.searches)
    assert (search.error, search.answered_at, search.expires_at) == ("out", None, None)
    unkept = SourceFacts("sold", timedelta(days=30), store_payloads=False)
    seen = file(database, answered(*JORDANS, at=NOON + MINUTE), facts=unkept)
    assert seen is not None
    assert seen.expires_at is None
    assert stored(database, NOON + 2 * MINUTE) is None
    # Nor what was kept and has been removed since.
    file(database, answered(*JORDANS[:2], at=NOON + 3 * MINUTE))
    assert stored(database, NOON + 4 * MINUTE) is not None
    set_licence(database, SOLD, payload_retention_days=0)
    remove_expired(database, now=NOON + 5 * MINUTE)
    assert stored(database, NOON + 5 * MINUTE) is None
