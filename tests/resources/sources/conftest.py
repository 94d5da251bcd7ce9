"""Items and documents that the tests of sources share; every book in them is invented."""

import json

import httpx
import pytest

from pricing_assets.core.answers import ItemQuery
from pricing_assets.core.items import item_id

ISBN = "9780306406157"
ISBN10 = "0306406152"


def book(isbn: str = ISBN) -> ItemQuery:
    return ItemQuery(item_id("book", isbn), "book", isbn)


def answered(document: object, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, content=json.dumps(document).encode())


@pytest.fixture
def query() -> ItemQuery:
    return book()
