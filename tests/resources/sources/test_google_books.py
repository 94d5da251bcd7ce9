from typing import Any

import pytest

from pricing_assets.core.answers import ItemQuery
from resources.sources.base import (
    CredentialsRefused,
    MissingCredential,
    QuotaExhausted,
    RetryableError,
    UnparsablePayload,
)
from resources.sources.credentials import Credentials
from resources.sources.google_books import GoogleBooks
from tests.resources.sources.conftest import ISBN, ISBN10, answered

SOURCE = GoogleBooks()


def volume(title: str = "The Lamplighter's Almanac", code: str = ISBN, **info: Any) -> Any:
    return {
        "kind": "books#volume",
        "volumeInfo": {
            "title": title,
            "authors": ["Ada Marlowe"],
            "publisher": "Quayside Press",
            "publishedDate": "1987-05-12",
            "pageCount": 212,
            "language": "en",
            "description": "Of lamps.",
            "categories": ["Fiction"],
            "imageLinks": {"smallThumbnail": "http://s", "thumbnail": "http://t"},
            "industryIdentifiers": [{"type": "ISBN_13", "identifier": code}],
        }
        | info,
        "saleInfo": {"isEbook": False, "listPrice": {"amount": 12.5, "currencyCode": "GBP"}},
    }


def page(*volumes: Any) -> Any:
    return {"kind": "books#volumes", "totalItems": len(volumes), "items": list(volumes)}


def test_the_request_carries_the_key(query: ItemQuery) -> None:
    request = SOURCE.request(query, Credentials({"GOOGLE_BOOKS_API_KEY": "k1"}))
    assert dict(request.url.params) == {"q": f"isbn:{ISBN}", "key": "k1"}
    assert request.url.path == "/books/v1/volumes"
    with pytest.raises(MissingCredential, match="GOOGLE_BOOKS_API_KEY"):
        SOURCE.request(query, Credentials({}))


def test_the_volume_with_our_isbn_is_taken(query: ItemQuery) -> None:
    other = volume("Another", "9780000000002")
    for code in (ISBN, ISBN10):
        answer = SOURCE.parse(query, answered(page(other, volume(code=code))))
        assert answer.fields == {
            "title": "The Lamplighter's Almanac",
            "authors": "Ada Marlowe",
            "publisher": "Quayside Press",
            "publication_year": 1987,
            "page_count": 212,
            "language": "en",
            "description": "Of lamps.",
            "subjects": "Fiction",
            "thumbnail_url": "http://t",
            "list_price": "12.5 GBP",
            "isbn13": ISBN,
            "isbn10": ISBN10,
        }


def test_another_edition_is_not_our_book(query: ItemQuery) -> None:
    answer = SOURCE.parse(query, answered(page(volume(code="9780000000002"))))
    assert answer.result == "not_found"
    assert ISBN in answer.problems[0]


def test_no_hits_have_no_items(query: ItemQuery) -> None:
    answer = SOURCE.parse(query, answered({"kind": "books#volumes", "totalItems": 0}))
    assert (answer.result, answer.problems) == ("not_found", ())


def test_the_price_of_an_ebook_is_not_the_books(query: ItemQuery) -> None:
    ebook = volume()
    ebook["saleInfo"]["isEbook"] = True
    assert "list_price" not in SOURCE.parse(query, answered(page(ebook))).fields


def test_a_broken_volume_does_not_hide_ours(query: ItemQuery) -> None:
    answer = SOURCE.parse(query, answered(page({"volumeInfo": {}}, 7, volume(pageCount="?"))))
    assert answer.result == "found"
    assert [problem.split(":")[0] for problem in answer.problems] == [
        "items[0].volumeInfo.title",
        "items[1]",
        "items[2].volumeInfo.pageCount",
    ]


@pytest.mark.parametrize("document", [[], {}, {"items": 3}, {"items": [{}], "totalItems": 1}])
def test_what_is_no_page_is_unparsable(query: ItemQuery, document: object) -> None:
    with pytest.raises(UnparsablePayload):
        SOURCE.parse(query, answered(document))


def quota(unit: str) -> Any:
    return {
        "error": {
            "code": 429,
            "message": "Quota exceeded.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"metadata": {"quota_unit": unit}}],
        }
    }


def test_the_daily_quota_is_not_retried_and_an_overload_is(query: ItemQuery) -> None:
    with pytest.raises(QuotaExhausted, match="tomorrow") as caught:
        SOURCE.parse(query, answered(quota("1/d/{project}"), 429))
    assert not caught.value.retryable
    with pytest.raises(RetryableError):
        SOURCE.parse(query, answered(quota("1/min/{project}"), 429))


def test_an_invalid_key_is_named(query: ItemQuery) -> None:
    body = {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}
    with pytest.raises(CredentialsRefused, match="GOOGLE_BOOKS_API_KEY"):
        SOURCE.parse(query, answered(body, 400))
