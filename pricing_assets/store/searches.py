"""Searches for cards by words: the stored answer while it is fresh, else what a source says.

One rule tells a served answer from an asked one: each search is a row of `searches` and one of
`api_calls`, and their `cache_hit` is true where no request was made for it.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import httpx
import pyarrow as pa
import sqlalchemy as sa
import zstandard

from pricing_assets.core.answers import ItemQuery, Listing
from pricing_assets.core.items import item_id
from pricing_assets.core.searches import FRESH_FOR, FoundListing, matched, plain_query
from pricing_assets.schema import tables as t
from pricing_assets.store.answers import listing_rows
from pricing_assets.store.evidence import SourceFacts, keep_evidence
from pricing_assets.store.exchange_rates import converted
from pricing_assets.store.intake import create_items
from pricing_assets.store.listings import append_new, mark_items, supersede_changed
from pricing_assets.store.queue import moment
from resources.database import Bulk, Database
from resources.sources.base import Source
from resources.sources.client import Reply

CATEGORY = "card"
FILTERS = json.dumps({"category": CATEGORY})


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found.

    Attributes:
        expires_at: Until when it is served without asking; None where it is not kept.
        cache_hit: Whether it was served without a call.
        stored: Observations that are new with it.
    """

    source: str
    answered_at: datetime
    expires_at: datetime | None
    cache_hit: bool
    listings: Sequence[FoundListing]
    stored: int = 0


def search_query(text: str) -> ItemQuery:
    """Return the question that a source is asked: words in the place of an item's key."""
    return ItemQuery("", CATEGORY, plain_query(text))


def stored_result(
    database: Database,
    text: str,
    kind: str,
    sources: Mapping[str, Source],
    *,
    user_id: str,
    run_id: str,
    now: datetime,
) -> SearchResult | None:
    """Return a user's stored answer where it is fresh, and note that it was; None otherwise.

    The listings are read again from the body that the source sent.

    Args:
        sources: Those that may be asked, by stored name.
    """
    searches, payloads = t.searches, t.payloads
    found = database.rows(
        sa.select(searches, payloads.c.body_zstd, payloads.c.content_type)
        .join(payloads, payloads.c.sha256 == searches.c.payload_sha256)
        .where(
            searches.c.user_id == user_id,
            searches.c.query == plain_query(text),
            searches.c.kind == kind,
            searches.c.source.in_(sorted(sources)),
            searches.c.filters == FILTERS,
            searches.c.requested_at <= moment(now),
            searches.c.expires_at > moment(now),
            ~searches.c.cache_hit,
            payloads.c.removed_at.is_(None),
        )
        .order_by(searches.c.requested_at.desc())
        .limit(1)
    )
    if not found:
        return None
    (row,) = found
    body = zstandard.ZstdDecompressor().decompress(row.body_zstd)
    answer = sources[row.source].parse(search_query(text), httpx.Response(200, content=body))
    values = {
        name: getattr(row, name)
        for name in (
            *("user_id", "query", "kind", "filters", "source", "answered_at", "expires_at"),
            *("pages", "results", "items", "payload_sha256"),
        )
    }
    with database.begin() as connection:
        connection.execute(sa.insert(searches).values(**values, requested_at=now, cache_hit=True))
        connection.execute(
            sa.insert(t.api_calls).values(
                source=row.source,
                run_id=run_id,
                requested_at=now,
                result="found" if row.results else "not_found",
                attempts=0,
                latency_ms=0,
                size_bytes=0,
                cost_usd=0,
                payload_sha256=row.payload_sha256,
                cache_hit=True,
            )
        )
    return SearchResult(
        row.source, row.answered_at, row.expires_at, True, _matched(answer.listings)
    )


def file_search(
    database: Database,
    reply: Reply,
    facts: SourceFacts,
    *,
    user_id: str,
    run_id: str,
    now: datetime,
) -> SearchResult | None:
    """Store what a source answered to a search: evidence, call, search and observations.

    A listing whose title names a card is an observation of that card, which becomes an item
    where it is none yet. The others stay in the body, and so do those of a card of which no
    listing is surely one copy: a lot's title names no card that there is. Offers that a search
    does not show are not withdrawn: it shows a page of many.

    Returns:
        What was found; None where the source did not answer.
    """
    listings = _matched(reply.answer.listings if reply.answer else ())
    by_card = _by_card(reply, listings)
    matches = {id(found.listing): found.match for found in listings if found.match}
    rows = converted(database, listing_rows(by_card, lambda _, listing: matches[id(listing)]))
    # What is not kept cannot be read again.
    fresh = facts.store_payloads and reply.answer is not None
    expires_at = reply.requested_at + FRESH_FOR[facts.kind] if fresh else None
    with database.bulk() as bulk:
        keep_evidence(bulk, [reply], {reply.source: facts}, run_id)
        stored = _store(bulk, by_card, rows, reply, now)
        bulk.upsert(
            t.searches,
            pa.table(
                {
                    "user_id": [user_id],
                    "query": [reply.query.natural_key],
                    "kind": [facts.kind],
                    "filters": [FILTERS],
                    "source": [reply.source],
                    "requested_at": _moments(now),
                    "answered_at": _moments(reply.requested_at if reply.answer else None),
                    "expires_at": _moments(expires_at),
                    "cache_hit": [False],
                    "pages": [1 if reply.answer else 0],
                    "results": [len(listings)],
                    "items": [len(by_card)],
                    "payload_sha256": pa.array([reply.sha256], pa.string()),
                    "error": pa.array([reply.error], pa.string()),
                }
            ),
        )
    if reply.answer is None:
        return None
    return SearchResult(reply.source, reply.requested_at, expires_at, False, listings, stored)


def _matched(listings: Sequence[Listing]) -> list[FoundListing]:
    return [matched(listing) for listing in listings]


def _by_card(reply: Reply, found: Sequence[FoundListing]) -> list[Reply]:
    """Return the answer once for each card, with the listings that are of it."""
    if reply.answer is None:
        return []
    cards: dict[str, list[Listing]] = defaultdict(list)
    sure = {
        one.natural_key
        for one in found
        if one.match is not None and one.match.belongs and one.match.lot_size == 1
    }
    for one in found:
        if one.natural_key is not None and one.natural_key in sure:
            cards[one.natural_key].append(one.listing)
    return [
        replace(
            reply,
            query=ItemQuery(item_id(CATEGORY, key), CATEGORY, key),
            answer=replace(reply.answer, listings=tuple(listings)),
        )
        for key, listings in sorted(cards.items())
    ]


def _store(
    bulk: Bulk, by_card: Sequence[Reply], rows: pa.Table, reply: Reply, now: datetime
) -> int:
    if not by_card:
        return 0
    create_items(
        bulk,
        pa.table(
            {
                "item_id": [card.query.item_id for card in by_card],
                "natural_key": [card.query.natural_key for card in by_card],
                "category": [CATEGORY] * len(by_card),
                "reason": pa.nulls(len(by_card), pa.string()),
            }
        ),
        now,
    )
    staged = bulk.stage(rows, like=t.price_listings)
    supersede_changed(bulk, staged)
    stored = append_new(bulk, staged)
    mark_items(bulk, staged, reply.source, reply.requested_at)
    return stored


def _moments(moment: datetime | None) -> pa.Array:
    return pa.array([moment], pa.timestamp("us", tz="UTC"))
