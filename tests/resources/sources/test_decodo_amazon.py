import base64
import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.answers import ItemQuery
from resources.sources.base import (
    CredentialsRefused,
    MissingCredential,
    Outage,
    PermanentError,
    RetryableError,
    UnparsablePayload,
)
from resources.sources.credentials import Credentials
from resources.sources.decodo_amazon import DecodoAmazon
from tests.resources.sources.conftest import ISBN, ISBN10, answered, book

SOURCE = DecodoAmazon()
LOGIN = {"DECODO_AUTHENTICATION": "user", "DECODO_PASSWORD": "top-secret"}


def product(**changes: Any) -> dict[str, Any]:
    return {
        "asin": ISBN10,
        "title": "The Lamplighter's Almanac Paperback",
        "manufacturer": "Ada Marlowe (Author), Jun Seok (Illustrator), B. Oyelaran (Author)",
        "description": "Of lamps.",
        "images": ["data:image/svg+xml,x", "https://images.example/t.jpg"],
        "category": [{"ladder": [{"name": "Books"}, {"name": "Reference"}]}],
        "product_details": {
            "isbn_10": ISBN10,
            "isbn_13": f"{ISBN[:3]}-{ISBN[3:]}",
            "print_length": "1,212 pages",
            "publication_date": "May 12, 1987",
            "publisher": "Quayside Press; 2nd edition (May 12, 1987)",
            "language": "English",
        },
        "featured_merchant": {"name": "lamp_seller"},
        "top_review": "lamp_seller was kind",
        "price": 9.5,
        "parse_status_code": 12000,
    } | changes


def job(content: Any, status: Any = 200) -> Any:
    return {"results": [{"content": content, "status_code": status, "task_id": "1"}]}


def page(**changes: Any) -> Any:
    return job({"results": product(**changes), "errors": [], "status_code": 12000})


def test_the_request_names_the_book_as_amazon_does(query: ItemQuery) -> None:
    credentials = Credentials(LOGIN)
    request = SOURCE.request(query, credentials)
    assert (request.method, request.url.path) == ("POST", "/v2/scrape")
    assert json.loads(request.content) == {
        "target": "amazon_product", "query": ISBN10, "domain": "com", "parse": True,
    }  # fmt: skip
    signed = next(SOURCE.auth(credentials).sync_auth_flow(request))
    login = base64.b64encode(b"user:top-secret").decode()
    assert signed.headers["Authorization"] == f"Basic {login}"
    with pytest.raises(MissingCredential, match="DECODO_PASSWORD"):
        SOURCE.auth(Credentials({"DECODO_AUTHENTICATION": "user"}))
    assert not SOURCE.active_by_default


def test_a_book_without_an_isbn_10_is_not_asked_about() -> None:
    with pytest.raises(PermanentError, match="ISBN-10"):
        SOURCE.request(book("9791090636071"), Credentials(LOGIN))


def test_a_book(query: ItemQuery) -> None:
    nested = SOURCE.parse(query, answered(page()))
    flat = SOURCE.parse(query, answered(job(product())))
    assert nested == flat
    assert nested.fields == {
        "title": "The Lamplighter's Almanac",
        "authors": "Ada Marlowe, B. Oyelaran",
        "publisher": "Quayside Press",
        "publication_year": 1987,
        "binding": "Paperback",
        "page_count": 1212,
        "language": "en",
        "thumbnail_url": "https://images.example/t.jpg",
        "description": "Of lamps.",
        "subjects": "Reference",
        "isbn13": ISBN,
        "isbn10": ISBN10,
    }
    assert (nested.listings, nested.problems) == ((), ())
    assert "lamp_seller" not in repr(nested)


def test_the_binding_is_that_whose_pages_are_told(query: ItemQuery) -> None:
    details = {"isbn_13": ISBN, "mass_market_paperback": "212 pages", "publisher": "Q (May 1987)"}
    fields = SOURCE.parse(query, answered(page(title="Plain", product_details=details))).fields
    assert (fields["binding"], fields["page_count"]) == ("Mass Market", 212)
    assert (fields["publisher"], fields["publication_year"]) == ("Q", 1987)


def test_a_byline_that_names_no_author_is_no_author(query: ItemQuery) -> None:
    fields = SOURCE.parse(query, answered(page(manufacturer="Quayside Press"))).fields
    assert "authors" not in fields


def test_the_page_of_another_product_is_not_our_book(query: ItemQuery) -> None:
    answer = SOURCE.parse(query, answered(page(asin="B00LAMP001", product_details={})))
    assert (answer.result, answer.fields) == ("not_found", {})
    assert answer.problems == (f"results[0].content.results.asin: the product is not {ISBN}",)


def test_what_the_parser_missed_is_said_and_the_rest_used(query: ItemQuery) -> None:
    answer = SOURCE.parse(
        query, answered(page(parse_status_code=12005, _warnings=["Could not parse the count."]))
    )
    assert answer.fields["title"] == "The Lamplighter's Almanac"
    assert answer.problems == (
        "results[0].content.results._warnings[0]: Could not parse the count.",
        "results[0].content.results.parse_status_code: 12005, the page was parsed in part",
    )


def test_bad_fields_do_not_hide_the_others(query: ItemQuery) -> None:
    bad = page(images="none", category=[7], description=["x"], product_details=None)
    answer = SOURCE.parse(query, answered(bad))
    assert answer.fields["title"] == "The Lamplighter's Almanac"
    paths = [problem.partition(":")[0] for problem in answer.problems]
    names = {path.removeprefix("results[0].content.results.") for path in paths}
    assert names == {"images", "category[0]", "description"}


def test_an_unknown_product_is_not_found(query: ItemQuery) -> None:
    for document in (job("", 404), job({"results": {"parse_status_code": 12009}})):
        assert SOURCE.parse(query, answered(document)).result == "not_found"


@pytest.mark.parametrize(
    "document",
    [
        [], {}, {"results": []}, {"results": [7]}, job(None), job("<html>a page</html>"),
        job({"results": [], "errors": ["x"]}), job({"results": {"parse_status_code": 12002}}),
        page(title=None), page(title=""),
    ],
)  # fmt: skip
def test_what_holds_no_product_is_unparsable(query: ItemQuery, document: object) -> None:
    with pytest.raises(UnparsablePayload):
        SOURCE.parse(query, answered(document))


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        (401, {"message": "Unauthorized"}, CredentialsRefused),
        (400, {"message": "Invalid target"}, PermanentError),
        (422, {"message": "Bad payload"}, PermanentError),
        (429, {"message": "Too many requests"}, RetryableError),
        (204, "", RetryableError),
        (524, "", Outage),
        (200, job("", 613), RetryableError),
        (200, job("", 429), RetryableError),
        (200, job("", 524), RetryableError),
        (200, job("", 403), PermanentError),
        (200, job("", "broken"), PermanentError),
        (200, {"message": "Authentication failed"}, CredentialsRefused),
        (200, {"message": "Invalid target"}, PermanentError),
    ],
)
def test_errors(query: ItemQuery, status: int, document: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        SOURCE.parse(query, answered(document, status))
    assert type(caught.value) is kind


def test_html_is_not_a_product(query: ItemQuery) -> None:
    html = httpx.Response(200, headers={"Content-Type": "text/html"}, content=b"<html></html>")
    with pytest.raises(UnparsablePayload, match="text/html"):
        SOURCE.parse(query, html)


@given(st.text(max_size=60), st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_read_into_known_fields_or_none(title: str, byline: str, pages: str) -> None:
    changes = {"title": f"x{title}", "manufacturer": byline}
    details = {"isbn_13": ISBN, "print_length": pages, "publisher": byline, "language": pages}
    fields = SOURCE.parse(book(), answered(page(**changes, product_details=details))).fields
    assert fields["title"]
    assert all(value not in (None, "") for value in fields.values())
