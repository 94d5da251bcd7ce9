"""How surely a listing is the item that was asked about, judged when it is filed.

The rule is `core.matching`; here is what it needs to know of the items. A listing that is
likelier another item is kept with its confidence, and counted nowhere.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable

import sqlalchemy as sa

from pricing_assets.core.answers import ItemQuery, Listing
from pricing_assets.core.judging import WEIGHTS
from pricing_assets.core.matching import Matcher, wanted_item
from pricing_assets.schema import tables as t
from resources.database import Database

JUDGED_KINDS = frozenset(("sold", "ask"))
"""Bids and estimates are given for the item itself: no seller wrote a title."""

Confidence = Callable[[ItemQuery, Listing], float]


def belongs() -> sa.ColumnElement[bool]:
    """Return the condition that an observation counts as its item's."""
    return t.price_listings.c.match_confidence >= WEIGHTS.threshold


def confidence_of(database: Database, queries: Iterable[ItemQuery]) -> Confidence:
    """Return the function that judges listings of these items.

    Sources are asked by an item's own key, so that is what found the listings. Sellers repeat
    themselves: a title is judged once an item.
    """
    matchers = _matchers(database, queries)
    judged: dict[tuple[str, str, str], float] = {}

    def confidence(query: ItemQuery, listing: Listing) -> float:
        if listing.kind not in JUDGED_KINDS:
            return 1.0
        key = (query.item_id, listing.title, listing.condition or "")
        if key not in judged:
            match = matchers[query.item_id].match(
                listing.title, condition=key[2], asked_by_identifier=True
            )
            judged[key] = match.confidence
        return judged[key]

    return confidence


def _matchers(database: Database, queries: Iterable[ItemQuery]) -> dict[str, Matcher]:
    by_category: dict[str, dict[str, str]] = defaultdict(dict)
    for query in queries:
        by_category[query.category][query.item_id] = query.natural_key
    matchers = {}
    for category, keys in by_category.items():
        own = t.CATEGORY_TABLES[category]
        known = {
            row.item_id: row._asdict()
            for row in database.rows(
                sa.select(own, t.items.c.title)
                .join(t.items, t.items.c.id == own.c.item_id)
                .where(own.c.item_id.in_(sorted(keys)))
            )
        }
        for item, key in keys.items():
            matchers[item] = Matcher(wanted_item(category, key, known.get(item, {})))
    return matchers
