"""Committing what sources answered: evidence, facts and index in one transaction.

A batch is whole or absent: the body, what was read from it, the call and the index row
that says it was fetched become visible together, so nothing that was answered is asked
again and nothing is called fetched that is not there.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.core.answers import FetchResult
from pricing_assets.core.categories import CATEGORIES
from pricing_assets.core.categories.base import Category
from pricing_assets.core.freshness import is_usable, misses_after, next_due
from pricing_assets.core.metadata import MetadataVersion, completeness, merge
from pricing_assets.core.source_results import tells_far_fewer, tells_nothing
from pricing_assets.schema import tables as t
from pricing_assets.store.evidence import SourceFacts, keep_evidence
from pricing_assets.store.exchange_rates import converted
from pricing_assets.store.listings import (
    append_new,
    of_named_items,
    same_listing,
    supersede,
    supersede_changed,
)
from pricing_assets.store.matches import Judge, judge_of
from resources.database import Bulk, Database, arrow_type
from resources.sources.client import Reply

_log = logging.getLogger(__name__)

_MOMENT = pa.timestamp("us", tz="UTC")
_PRICE = pa.decimal128(12, 2)


@dataclass(frozen=True, slots=True)
class _IndexRow:
    fetched_at: datetime
    result: FetchResult
    completeness: float | None
    misses: int


def commit_replies(
    database: Database,
    replies: Sequence[Reply],
    sources: Mapping[str, SourceFacts],
    *,
    run_id: str,
    now: datetime,
) -> None:
    """Store a batch of replies in one transaction, and give up the leases that they answer.

    Args:
        replies: At most one for each (item, source). One that was postponed is no fetch: it
            leaves nothing, and stays in the queue. That a source does not cover an item is an
            answer, at no cost.
        sources: Facts by stored source name.
    """
    replies = [reply for reply in replies if not reply.postponed]
    index = _index_rows(database, replies)
    # An answer that is found on disk after a crash may have been committed before it.
    replies = [reply for reply in replies if not _is_filed(reply, index)]
    if not replies:
        return
    metadata = [reply for reply in replies if sources[reply.source].kind == "metadata"]
    market = [reply for reply in replies if sources[reply.source].kind != "metadata"]
    seen = [reply.query for reply in replies if reply.answer and reply.answer.listings]
    # A metadata source may have estimates beside what an item is.
    estimates = [reply for reply in metadata if reply.answer and reply.answer.listings]
    priced = [*market, *estimates]
    listings = converted(database, listing_rows(priced, judge_of(database, seen)))
    with database.bulk() as bulk:
        keep_evidence(bulk, replies, sources, run_id)
        quality = _file_metadata(bulk, database, metadata, now)
        _file_listings(bulk, priced, sources, listings)
        _move_fetch_times(bulk, metadata, market)
        _file_index(bulk, replies, sources, index, quality)


def _is_filed(reply: Reply, index: Mapping[str, Mapping[str, _IndexRow]]) -> bool:
    row = index.get(reply.query.item_id, {}).get(reply.source)
    return row is not None and row.fetched_at >= reply.requested_at


def _index_rows(database: Database, replies: Iterable[Reply]) -> dict[str, dict[str, _IndexRow]]:
    index = t.unified_index
    ids = sorted({reply.query.item_id for reply in replies})
    found: dict[str, dict[str, _IndexRow]] = defaultdict(dict)
    statement = sa.select(
        index.c.item_id,
        index.c.source,
        index.c.last_fetched_at,
        index.c.result,
        index.c.completeness,
        index.c.misses,
    ).where(index.c.item_id.in_(ids), index.c.last_fetched_at.is_not(None))
    for row in database.rows(statement):
        found[row.item_id][row.source] = _IndexRow(
            row.last_fetched_at, row.result, row.completeness, row.misses
        )
    return found


def _file_metadata(
    bulk: Bulk, database: Database, replies: Sequence[Reply], now: datetime
) -> dict[str, float]:
    """Append the new versions, merge all versions of their items; return completeness by item."""
    if not replies:
        return {}
    versions: dict[str, list[MetadataVersion]] = defaultdict(list)
    for row in database.rows(
        sa.select(
            t.metadata_versions.c.item_id,
            t.metadata_versions.c.source,
            t.metadata_versions.c.observed_at,
            t.metadata_versions.c.fields,
        ).where(t.metadata_versions.c.item_id.in_(sorted({r.query.item_id for r in replies})))
    ):
        versions[row.item_id].append(
            MetadataVersion(row.source, row.observed_at, json.loads(row.fields))
        )
    new = [r for r in replies if r.answer is not None and r.result == "found"]
    for reply in new:
        if reply.answer is not None:
            versions[reply.query.item_id].append(
                MetadataVersion(reply.source, reply.requested_at, reply.answer.fields)
            )
    fields = [dict(sorted(r.answer.fields.items())) if r.answer else {} for r in new]
    bulk.upsert(
        t.metadata_versions,
        pa.table(
            {
                "item_id": pa.array([r.query.item_id for r in new], pa.string()),
                "source": pa.array([r.source for r in new], pa.string()),
                "observed_at": pa.array([r.requested_at for r in new], _MOMENT),
                "fields": pa.array(
                    [json.dumps(f, ensure_ascii=False) for f in fields], pa.string()
                ),
                "completeness": pa.array(
                    [completeness(f, r.query.category) for f, r in zip(fields, new, strict=True)],
                    pa.float64(),
                ),
                "payload_sha256": pa.array([r.sha256 for r in new], pa.string()),
            }
        ),
    )
    merged = {item: merge(entries) for item, entries in versions.items()}
    categories = {reply.query.item_id: CATEGORIES[reply.query.category] for reply in replies}
    quality = {
        item: completeness(values, categories[item].name) for item, (values, _) in merged.items()
    }
    _update_items(bulk, merged, categories, quality, now)
    return {reply.query.item_id: quality.get(reply.query.item_id, 0.0) for reply in replies}


def _update_items(
    bulk: Bulk,
    merged: Mapping[str, tuple[Any, Any]],
    categories: Mapping[str, Category],
    quality: Mapping[str, float],
    now: datetime,
) -> None:
    if not merged:
        return

    titles = [categories[item].title for item in merged]
    images = [categories[item].image for item in merged]
    origins = [
        {name: [source, at.isoformat()] for name, (source, at) in origin.items()}
        for _, origin in merged.values()
    ]
    staged = bulk.stage(
        pa.table(
            {
                "item_id": list(merged),
                "title": _chosen(merged, titles),
                "description": _chosen(merged, ["description"] * len(merged)),
                "thumbnail_url": _chosen(merged, images),
                "metadata_source": pa.array(
                    [
                        origin[title][0] if title in origin else None
                        for origin, title in zip(origins, titles, strict=True)
                    ],
                    pa.string(),
                ),
                "field_origins": [json.dumps(origin) for origin in origins],
                "quality_score": [quality[item] for item in merged],
            }
        )
    )
    common = ("description", "thumbnail_url", "metadata_source", "field_origins", "quality_score")
    bulk.execute(
        sa.update(t.items)
        .values(
            # A name may be known from the key alone.
            title=sa.func.coalesce(staged.c.title, t.items.c.title),
            **{name: staged.c[name] for name in common},
            updated_at=now,
        )
        .where(t.items.c.id == staged.c.item_id)
    )
    for category in CATEGORIES.values():
        of_it = {item: values for item, values in merged.items() if categories[item] is category}
        if of_it:
            _update_own(bulk, category, of_it)


def _update_own(bulk: Bulk, category: Category, merged: Mapping[str, tuple[Any, Any]]) -> None:
    """Write the fields that the category's own table has, but for those of the key."""
    table = t.CATEGORY_TABLES[category.name]
    names = {
        column.name: _COPIES.get(column.name, column.name)
        for column in table.columns
        if _COPIES.get(column.name, column.name) in category.own
    }
    staged = bulk.stage(
        pa.table(
            {
                "item_id": list(merged),
                **{
                    column: pa.array(
                        [values.get(field) for values, _ in merged.values()],
                        arrow_type(table.c[column].type),
                    )
                    for column, field in names.items()
                },
            }
        )
    )
    bulk.execute(
        sa.update(table)
        .values(
            {
                # A key once assigned stays until `assign_works` has told the work anew.
                name: sa.func.coalesce(table.c[name], staged.c[name])
                if name == "work_key"
                else sa.func.coalesce(staged.c[name], table.c[name])
                for name in names
            }
        )
        .where(table.c.item_id == staged.c.item_id)
    )


_COPIES = {"cover_type": "binding"}
"""Columns that repeat a field under the name that an older system's SQL asks for."""


def _chosen(merged: Mapping[str, tuple[Any, Any]], names: Iterable[str]) -> pa.Array:
    """Return the value of each item's own field."""
    pairs = zip(merged.values(), names, strict=True)
    return pa.array([values.get(name) for (values, _), name in pairs], pa.string())


def listing_rows(replies: Sequence[Reply], judge: Judge) -> pa.Table:
    """Return the prices that replies show, each once, as they came."""
    rows: list[dict[str, Any]] = []
    for reply in replies:
        seen: set[tuple[str, str]] = set()
        for listing in reply.answer.listings if reply.answer else ():
            if (listing.kind, listing.source_listing_id) in seen:
                continue
            seen.add((listing.kind, listing.source_listing_id))
            copy = judge(reply.query, listing)
            rows.append(
                {
                    "item_id": reply.query.item_id,
                    "source": reply.source,
                    "source_listing_id": listing.source_listing_id,
                    "kind": listing.kind,
                    "title": listing.title,
                    "price": _cents(listing.price),
                    "currency": listing.currency,
                    "shipping": _cents(listing.shipping),
                    "quantity": listing.quantity,
                    "condition": listing.condition,
                    "listing_type": listing.listing_type,
                    "bids": listing.bids,
                    "watchers": listing.watchers,
                    "sold_at": listing.sold_at,
                    "listed_at": listing.listed_at,
                    "observed_at": reply.requested_at,
                    "match_confidence": copy.confidence,
                    "variant": copy.variant.own_price,
                    "grader": copy.variant.grader or None,
                    "grade": copy.variant.grade or None,
                    "lot_size": copy.lot_size,
                    "seller_feedback": listing.seller_feedback,
                    "payload_sha256": reply.sha256,
                }
            )
    return pa.Table.from_pylist(rows, schema=_LISTING_SCHEMA)


def _file_listings(
    bulk: Bulk, replies: Sequence[Reply], sources: Mapping[str, SourceFacts], seen: pa.Table
) -> None:
    """Append what is new, supersede what changed, and withdraw asks that are gone."""
    staged = bulk.stage(seen, like=t.price_listings)
    answered = bulk.stage(
        pa.table(
            {
                "item_id": pa.array([r.query.item_id for r in replies], pa.string()),
                "source": pa.array([r.source for r in replies], pa.string()),
                "kind": pa.array([sources[r.source].kind for r in replies], pa.string()),
                "observed_at": pa.array([r.requested_at for r in replies], _MOMENT),
                "answered": pa.array([r.result != "error" for r in replies], pa.bool_()),
            }
        )
    )
    supersede_changed(bulk, staged)
    listings = t.price_listings
    # An ask or a bid that its source no longer shows is withdrawn; a sale stays a sale.
    supersede(
        bulk,
        answered.c.observed_at,
        sa.and_(
            listings.c.item_id == answered.c.item_id,
            listings.c.source == answered.c.source,
            listings.c.kind.in_(_WITHDRAWN),
            answered.c.answered,
            of_named_items(bulk, answered),
            answered.c.source.not_in(_silent_sources(bulk, answered, staged)),
            ~sa.exists(sa.select(staged.c.item_id).where(same_listing(staged))).correlate(listings),
        ),
    )
    append_new(bulk, staged)


def _silent_sources(bulk: Bulk, answered: sa.Table, staged: sa.Table) -> list[str]:
    """Return the sources of a batch whose asks or bids vanished for nearly all items at once.

    Or of which only a fraction is left: that is a source that no longer works, and not a market
    where nothing is offered or wanted.
    """
    listings = t.price_listings
    had, has = (
        sa.select(sa.func.count())
        .where(
            shown.c.item_id == answered.c.item_id,
            shown.c.source == answered.c.source,
            shown.c.kind.in_(_WITHDRAWN),
            *conditions,
        )
        .correlate(answered)
        .scalar_subquery()
        for shown, conditions in (
            (listings, (listings.c.superseded_at.is_(None),)),
            (staged, ()),
        )
    )
    # PostgreSQL would otherwise count anew wherever a count is named.
    counted = (
        sa.select(answered.c.source, had.label("had"), has.label("has"))
        .where(answered.c.answered)
        .cte("counted")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    silent = []
    for source, items, *sums in bulk.rows(
        sa.select(
            counted.c.source,
            sa.func.count(),
            sa.func.sum(sa.case((counted.c.has == 0, 1), else_=0)),
            sa.func.sum(counted.c.had),
            sa.func.sum(counted.c.has),
        )
        .where(counted.c.had > 0)
        .group_by(counted.c.source)
    ):
        vanished, before, now = map(int, sums)  # PostgreSQL sums to decimals
        if tells_nothing(items, vanished) or tells_far_fewer(items, before, now):
            _log.warning(
                "%s shows %d asks and bids of %d items where it had %d, and none any more of %d "
                "items: none is withdrawn",
                *(source, now, items, before, vanished),
            )
            silent.append(source)
    return silent


_WITHDRAWN = ("ask", "offer")
"""Kinds that end when their source no longer shows them; a sale stays a sale."""


_LISTING_SCHEMA = pa.schema(
    {
        "item_id": pa.string(),
        "source": pa.string(),
        "source_listing_id": pa.string(),
        "kind": pa.string(),
        "title": pa.string(),
        "price": _PRICE,
        "currency": pa.string(),
        "shipping": _PRICE,
        "quantity": pa.int64(),
        "condition": pa.string(),
        "listing_type": pa.string(),
        "bids": pa.int64(),
        "watchers": pa.int64(),
        "sold_at": _MOMENT,
        "listed_at": _MOMENT,
        "observed_at": _MOMENT,
        "match_confidence": pa.float64(),
        "variant": pa.string(),
        "grader": pa.string(),
        "grade": pa.string(),
        "lot_size": pa.int64(),
        "seller_feedback": pa.float64(),
        "payload_sha256": pa.string(),
    }
)


def _cents(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def _move_fetch_times(bulk: Bulk, metadata: Sequence[Reply], market: Sequence[Reply]) -> None:
    """Move the items' fetch times forward: only a fetch that was answered does.

    An answer may come after one to a later question. What is made of the item is as of its fetch
    time: that moves by as little as can be, for this answer to be seen, and the later one too.
    """
    for replies, column in ((metadata, "metadata_fetched_at"), (market, "market_fetched_at")):
        latest: dict[str, datetime] = {}
        for reply in replies:
            if reply.result != "error":
                item = reply.query.item_id
                latest[item] = max(latest.get(item, reply.requested_at), reply.requested_at)
        if not latest:
            continue
        fetched = t.items.c[column]
        stored = sa.select(t.items.c.id, fetched).where(
            t.items.c.id.in_(sorted(latest)), fetched > min(latest.values())
        )
        for item, at in bulk.rows(stored):
            if at > latest[item]:
                latest[item] = at + timedelta.resolution
        staged = bulk.stage(
            pa.table({"item_id": list(latest), "at": pa.array(list(latest.values()), _MOMENT)})
        )
        bulk.execute(
            sa.update(t.items)
            .values({column: staged.c.at, "last_enrichment_at": staged.c.at})
            .where(t.items.c.id == staged.c.item_id)
        )


def _file_index(
    bulk: Bulk,
    replies: Sequence[Reply],
    sources: Mapping[str, SourceFacts],
    index: Mapping[str, Mapping[str, _IndexRow]],
    quality: Mapping[str, float],
) -> None:
    rows: dict[tuple[str, str], tuple[_IndexRow, datetime]] = {}
    for item, known in index.items():
        # Another source's answer may have made an item complete: it then is no longer
        # worth asking the first one early.
        for source, row in known.items():
            is_metadata = source in sources and sources[source].kind == "metadata"
            if is_metadata and item in quality and is_usable(row.result, quality[item]):
                settled = _IndexRow(row.fetched_at, row.result, quality[item], 0)
                due = next_due(row.fetched_at, sources[source].freshness, 0)
                rows[item, source] = (settled, due)
    for reply in replies:
        item, facts = reply.query.item_id, sources[reply.source]
        known_row = index.get(item, {}).get(reply.source)
        after = quality[item] if facts.kind == "metadata" else None
        misses = misses_after(reply.result, after, known_row.misses if known_row else 0)
        if not reply.attempts and reply.query.words == "":
            # Its words were not known yet, and may be any day: the waiting time does not grow.
            misses = 1
        row = _IndexRow(reply.requested_at, reply.result, after, misses)
        rows[item, reply.source] = (row, next_due(reply.requested_at, facts.freshness, misses))
    entries = list(rows.values())
    bulk.upsert(
        t.unified_index,
        pa.table(
            {
                "item_id": [key[0] for key in rows],
                "source": [key[1] for key in rows],
                "last_fetched_at": pa.array([row.fetched_at for row, _ in entries], _MOMENT),
                "result": [row.result for row, _ in entries],
                "completeness": pa.array([row.completeness for row, _ in entries], pa.float64()),
                "misses": pa.array([row.misses for row, _ in entries], pa.int64()),
                "next_due_at": pa.array([due for _, due in entries], _MOMENT),
                "lease_run_id": pa.nulls(len(rows), pa.string()),
                "lease_until": pa.nulls(len(rows), _MOMENT),
            }
        ),
        update=(
            *("last_fetched_at", "result", "completeness", "misses", "next_due_at"),
            *("lease_run_id", "lease_until"),
        ),
    )
