"""How surely a listing is the item that was asked about, and as which copy, judged when filed.

The rule is `core.matching`; here is what it needs to know of the items. A listing that is
likelier another item is kept with its confidence, and counted nowhere.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache

import sqlalchemy as sa

from pricing_assets.core.answers import ItemQuery, Listing
from pricing_assets.core.judging import WEIGHTS, Wanted
from pricing_assets.core.matching import Match, Matcher, Variant, wanted_item
from pricing_assets.schema import tables as t
from resources.database import Database

MILLIONTHS = 1_000_000
"""Parts of a confidence: it is stored with four decimals, and a whole number is read faster."""

JUDGED_KINDS = frozenset(("sold", "ask"))
"""Bids and estimates are given for the item itself: no seller wrote a title."""

Judge = Callable[[ItemQuery, Listing], Match]

_THE_ITEM_ITSELF = Match(1.0, Variant(), 1, ())


def belongs() -> sa.ColumnElement[bool]:
    """Return the condition that an observation counts as its item's."""
    return t.price_listings.c.match_confidence >= WEIGHTS.threshold


def match_millionths() -> sa.ColumnElement[int]:
    """Return an observation's confidence as a whole number of `MILLIONTHS`, to be read."""
    rounded = sa.func.round(t.price_listings.c.match_confidence * MILLIONTHS)
    return sa.cast(rounded, sa.BigInteger()).label("match_millionths")


def judge_of(database: Database, queries: Iterable[ItemQuery]) -> Judge:
    """Return the function that judges listings of these items.

    Sources are asked by an item's own key, so that is what found the listings, but where they are
    searched by words. Sellers repeat themselves: a title is judged once an item.
    """
    matchers = _matchers(database, queries)
    judged: dict[tuple[str, str, str], Match] = {}

    def judge(query: ItemQuery, listing: Listing) -> Match:
        if listing.kind not in JUDGED_KINDS:
            return _THE_ITEM_ITSELF
        key = (query.item_id, listing.title, listing.condition or "")
        if key not in judged:
            judged[key] = matchers[query.item_id].match(
                listing.title, condition=key[2], asked_by_identifier=query.words is None
            )
        return judged[key]

    return judge


def copy_of(category: str, name: str, title: str, condition: str) -> Match:
    """Return as which copy of an item a title is sold that a seller filed under its code.

    Args:
        name: The item's own title, whose words say nothing of the copy; empty if unknown.
    """
    found = _named(category, "").match(title, condition=condition)
    if found.lot_size == 1 and found.variant.own_price is None:
        return found
    return _named(category, name).match(title, condition=condition)


@lru_cache(maxsize=1024)
def _named(category: str, name: str) -> Matcher:
    return Matcher(Wanted(category, name))


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
