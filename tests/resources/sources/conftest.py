"""Items and documents that the tests of sources share; every item in them is invented."""

import json
from datetime import date

import httpx
import pytest

from pricing_assets.core.answers import ItemQuery
from pricing_assets.core.items import item_id
from resources.sources.base import Source
from resources.sources.rates import RateSource, rates_query

ISBN = "9780306406157"
ISBN10 = "0306406152"


def book(isbn: str = ISBN) -> ItemQuery:
    return item("book", isbn)


def item(category: str, key: str, words: str | None = None) -> ItemQuery:
    return ItemQuery(item_id(category, key), category, key, words=words)


def example_of(source: Source) -> ItemQuery:
    """An item of a category and with a key that the source goes by, or a period of rates."""
    if isinstance(source, RateSource):
        return rates_query(date(2026, 10, 1), date(2026, 10, 20))
    keys = (
        ("book", ISBN),
        ("card", "base1-4"),
        ("minifigure", "sw0001"),
        ("minifigure", "fig-000001"),
        ("author", "Charles Dickens"),
    )
    items = (item(*key) for key in keys)
    return next(q for q in items if q.category in source.categories and source.covers(q))


def answered(document: object, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, content=json.dumps(document).encode())


@pytest.fixture
def query() -> ItemQuery:
    return book()
