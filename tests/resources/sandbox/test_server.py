import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from resources.sandbox import credential, registered_vendors
from resources.sandbox.catalogue import Book, bundled_catalogue
from resources.sandbox.collectible_vendor import CollectibleVendor
from resources.sandbox.ebay_browse import EbayBrowse
from resources.sandbox.ebay_oauth import TOKEN_SECONDS
from resources.sandbox.market import Market
from resources.sandbox.process import SandboxProcess
from resources.sandbox.server import market_date
from resources.sandbox.wire import Call, isbns_in
from tests.resources.sandbox.test_catalogue import REFERENCE, needs_reference

SEED = 3
NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
MARKET = Market(SEED)
CATALOGUE = bundled_catalogue(600)
VENDORS = {
    name: vendor({}, MARKET)
    for name, vendor in registered_vendors().items()
    if not issubclass(vendor, CollectibleVendor)
}
"""The vendors of books."""
EBAY_LOGIN = (credential("EBAY_CLIENT_ID"), credential("EBAY_CLIENT_SECRET"))
EVERYWHERE = [
    book for book in CATALOGUE if all(vendor.knows(book.isbn13) for vendor in VENDORS.values())
]
LIVELY = max(EVERYWHERE, key=lambda book: len(MARKET.sales(book, NOW)))
SCOPE = "https://api.ebay.com/oauth/api_scope"


def unknown_to(source: str) -> Book:
    return next(book for book in CATALOGUE if not VENDORS[source].knows(book.isbn13))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with SandboxProcess(size=len(CATALOGUE), seed=SEED) as sandbox:
        yield sandbox.url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"X-Sandbox-Now": NOW.isoformat()}) as client:
        yield client


@pytest.fixture(scope="module")
def token(client: httpx.Client) -> str:
    response = ask_token(client)
    assert response.status_code == 200
    return str(response.json()["access_token"])


def ask_token(client: httpx.Client, **changes: Any) -> httpx.Response:
    arguments: dict[str, Any] = {
        "auth": EBAY_LOGIN,
        "data": {"grant_type": "client_credentials", "scope": SCOPE},
    }
    return client.post("/ebay_browse/identity/v1/oauth2/token", **{**arguments, **changes})


def open_library(client: httpx.Client, *codes: str) -> httpx.Response:
    keys = ",".join(f"ISBN:{code}" for code in codes)
    params = {"bibkeys": keys, "format": "json", "jscmd": "data"}
    return client.get("/open_library/api/books", params=params)


def google(
    client: httpx.Client, code: str, key: str | None = credential("GOOGLE_BOOKS_API_KEY")
) -> httpx.Response:
    params = {"q": f"isbn:{code}", **({"key": key} if key else {})}
    return client.get("/google_books/books/v1/volumes", params=params)


def browse(client: httpx.Client, token: str, **params: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.get(
        "/ebay_browse/buy/browse/v1/item_summary/search", params=params, headers=headers
    )


def sold(
    client: httpx.Client, code: str, *, now: datetime | None = None, **params: Any
) -> httpx.Response:
    known: dict[str, Any] = {
        "engine": "ebay_search", "q": code, "filters": "sold_listings", "num": 120,
        "api_key": credential("SEARCHAPI_API_KEY"),
    }  # fmt: skip
    headers = {"X-Sandbox-Now": now.isoformat()} if now else {}
    return client.get(
        "/searchapi_ebay_sold/api/v1/search", params={**known, **params}, headers=headers
    )


# --- Open Library ------------------------------------------------------------------------


def test_open_library_describes_a_book(client: httpx.Client) -> None:
    book = EVERYWHERE[0]
    record = open_library(client, book.isbn13).json()[f"ISBN:{book.isbn13}"]
    assert record["title"] == book.title
    assert [author["name"] for author in record["authors"]] == list(book.authors)
    assert record["publishers"] == [{"name": book.publisher}]
    assert record["publish_date"] == str(book.publication_year)
    assert record["identifiers"]["isbn_13"] == [book.isbn13]
    assert record["physical_format"] == book.binding
    assert record["languages"] == [{"key": "/languages/eng"}]
    assert re.fullmatch(r"/works/OL99\d{10}W", record["works"][0]["key"])


def test_open_library_leaves_unknown_books_out(client: httpx.Client) -> None:
    unknown = unknown_to("open_library").isbn13
    response = open_library(client, unknown, EVERYWHERE[0].isbn13, "9780000000002")
    assert response.status_code == 200
    assert list(response.json()) == [f"ISBN:{EVERYWHERE[0].isbn13}"]
    assert open_library(client, unknown).json() == {}


def test_editions_of_a_work_share_its_key(client: httpx.Client) -> None:
    books = [book for book in EVERYWHERE if book.title.startswith("Simulated")]
    works = {book.work for book in books}
    editions = next(
        group for work in works if len(group := [b for b in books if b.work == work]) > 1
    )
    records = open_library(client, *(book.isbn13 for book in editions)).json().values()
    assert len({record["works"][0]["key"] for record in records}) == 1
    assert len({record["key"] for record in records}) == len(editions)


# --- Google Books ------------------------------------------------------------------------


def test_google_describes_a_book(client: httpx.Client) -> None:
    book = EVERYWHERE[1]
    document = google(client, book.isbn13).json()
    assert document["totalItems"] == 1
    info = document["items"][0]["volumeInfo"]
    assert info["title"] == book.title
    assert {"type": "ISBN_13", "identifier": book.isbn13} in info["industryIdentifiers"]
    assert info["description"].startswith("Simulated description")


def test_google_has_no_items_where_nothing_is_found(client: httpx.Client) -> None:
    document = google(client, unknown_to("google_books").isbn13).json()
    assert document == {"kind": "books#volumes", "totalItems": 0}


def test_google_wants_its_key(client: httpx.Client) -> None:
    missing = google(client, "9780439023481", key=None)
    assert missing.status_code == 429
    assert missing.json()["error"]["details"][0]["metadata"]["quota_limit_value"] == "0"
    wrong = google(client, "9780439023481", key="wrong")
    assert wrong.status_code == 400
    assert wrong.json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"


# --- eBay --------------------------------------------------------------------------------


def test_ebay_token_wants_credentials_grant_and_scope(client: httpx.Client) -> None:
    wrong = ask_token(client, auth=(EBAY_LOGIN[0], "wrong"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    grant = ask_token(client, data={"grant_type": "password", "scope": SCOPE})
    assert (grant.status_code, grant.json()["error"]) == (400, "unsupported_grant_type")
    scope = ask_token(client, data={"grant_type": "client_credentials"})
    assert (scope.status_code, scope.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize(("token", "error_id"), [("wrong", 1001), ("", 1002)])
def test_ebay_wants_a_token(client: httpx.Client, token: str, error_id: int) -> None:
    response = browse(client, token, q=LIVELY.isbn13)
    assert response.status_code == 401
    assert response.json()["errors"][0]["errorId"] == error_id


def test_an_ebay_token_expires() -> None:
    time_now = [100.0]
    ebay = EbayBrowse({}, MARKET, clock=lambda: time_now[0])
    login = httpx.BasicAuth(*EBAY_LOGIN)
    request = next(login.auth_flow(httpx.Request("POST", "http://sandbox")))
    body = httpx.QueryParams({"grant_type": "client_credentials", "scope": SCOPE})
    reply = ebay.token(Call({}, request.headers, NOW, str(body).encode()))
    assert reply.document["expires_in"] == TOKEN_SECONDS
    bearer = {"authorization": f"Bearer {reply.document['access_token']}"}
    time_now[0] += TOKEN_SECONDS - 1
    assert ebay.refusal(Call({}, bearer, NOW)) is None
    time_now[0] += 1
    refusal = ebay.refusal(Call({}, bearer, NOW))
    assert refusal is not None
    assert refusal.status == 401


def test_ebay_lists_the_asks_of_the_market(client: httpx.Client, token: str) -> None:
    everything = "buyingOptions:{FIXED_PRICE|AUCTION|BEST_OFFER}"
    document = browse(client, token, q=LIVELY.isbn13, limit=200, filter=everything).json()
    asks = MARKET.asks(LIVELY, NOW)
    assert document["total"] == len(asks) > 10
    for item, ask in zip(document["itemSummaries"], asks, strict=True):
        assert item["itemId"] == f"v1|{ask.listing_id}|0"
        assert item["price"]["value"] == f"{ask.price_cents / 100:.2f}"
        assert datetime.fromisoformat(item["itemCreationDate"]) == ask.at
        assert item["title"].endswith("(simulated)")
        assert ("bidCount" in item) == (item["buyingOptions"] == ["AUCTION"])


def test_ebay_gives_fixed_prices_unless_asked_for_others(client: httpx.Client, token: str) -> None:
    plain = browse(client, token, q=LIVELY.isbn13).json()["itemSummaries"]
    assert all("FIXED_PRICE" in item["buyingOptions"] for item in plain)
    auctions = browse(client, token, q=LIVELY.isbn13, filter="buyingOptions:{AUCTION}").json()
    assert all(item["buyingOptions"] == ["AUCTION"] for item in auctions["itemSummaries"])


def test_ebay_pages(client: httpx.Client, token: str) -> None:
    first = browse(client, token, q=LIVELY.isbn13, limit=4).json()
    second = browse(client, token, q=LIVELY.isbn13, limit=4, offset=4).json()
    assert "offset=4" in first["next"]
    ids = [item["itemId"] for page in (first, second) for item in page["itemSummaries"]]
    assert len(set(ids)) == len(ids) > 4


@pytest.mark.parametrize(
    ("params", "error_id"), [({}, 12001), ({"q": "x", "limit": 201}, 12005),
                             ({"q": "x", "limit": 10, "offset": 5}, 12006)],
)  # fmt: skip
def test_ebay_refuses_bad_parameters(
    client: httpx.Client, token: str, params: dict[str, str], error_id: int
) -> None:
    response = browse(client, token, **params)
    assert response.status_code == 400
    assert response.json()["errors"][0]["errorId"] == error_id


# --- SearchAPI ---------------------------------------------------------------------------


def test_searchapi_lists_the_sales_of_the_market(client: httpx.Client) -> None:
    results, page = [], 1
    while True:
        document = sold(client, LIVELY.isbn13, page=page, num=50).json()
        results += document["organic_results"]
        if "next" not in document["pagination"]:
            break
        page += 1
    sales = MARKET.sales(LIVELY, NOW)
    assert document["search_information"]["total_results"] == len(sales) > 120
    assert page == -(-len(sales) // 50)
    for result, sale in zip(results, sales, strict=True):
        assert result["item_id"] == sale.listing_id
        text = result.get("price") or result["deal"]
        assert round(float(text.replace("$", "").replace(",", "")) * 100) == sale.price_cents
        day = datetime.strptime(result["extensions"][0] + " +0000", "Sold %b %d, %Y %z")
        assert day.date() == sale.at.date()
        assert result["title"].endswith("(simulated)")
    assert any("deal" in result for result in results)


def test_searchapi_pages_have_at_most_120_and_overlap_over_time(client: httpx.Client) -> None:
    assert len(sold(client, LIVELY.isbn13).json()["organic_results"]) == 120
    quiet = next(b for b in EVERYWHERE if 20 < len(MARKET.sales(b, NOW)) < 60)
    now, later = (
        {
            result["item_id"]: (result["title"], result["extensions"][0])
            for result in sold(client, quiet.isbn13, now=date).json()["organic_results"]
        }
        for date in (NOW, NOW + timedelta(days=30))
    )
    assert now.keys() & later.keys()
    assert later.keys() - now.keys()
    assert all(now[item] == later[item] for item in now.keys() & later.keys())


def test_searchapi_without_the_filter_gives_asks(client: httpx.Client) -> None:
    results = sold(client, LIVELY.isbn13, filters="").json()["organic_results"]
    assert [r["item_id"] for r in results] == [a.listing_id for a in MARKET.asks(LIVELY, NOW)][:120]
    assert not any(text.startswith("Sold") for r in results for text in r["extensions"])


def test_searchapi_answers_nothing_about_an_unknown_book(client: httpx.Client) -> None:
    document = sold(client, unknown_to("searchapi_ebay_sold").isbn13).json()
    assert document["organic_results"] == []


@pytest.mark.parametrize(
    ("params", "status"),
    [({"api_key": "wrong"}, 401), ({"api_key": ""}, 401), ({"engine": "google"}, 422),
     ({"num": 121}, 422), ({"num": "x"}, 422), ({"page": 0}, 422), ({"q": ""}, 422)],
)  # fmt: skip
def test_searchapi_refuses_bad_keys_and_parameters(
    client: httpx.Client, params: dict[str, Any], status: int
) -> None:
    response = sold(client, LIVELY.isbn13, **params)
    assert response.status_code == status
    assert response.json()["error"]


# --- all ---------------------------------------------------------------------------------


def unknown_names(ours: Any, theirs: list[Any], path: str = "") -> set[str]:
    """Return the paths of names that none of the recorded values has."""
    if isinstance(ours, dict):
        theirs = [value for value in theirs if isinstance(value, dict)]
        found = set()
        for name, value in ours.items():
            recorded = [other[name] for other in theirs if name in other]
            inner = f"{path}.{name}"
            found |= unknown_names(value, recorded, inner) if recorded else {inner}
        return found
    if isinstance(ours, list):
        flat = [item for value in theirs if isinstance(value, list) for item in value]
        return {name for item in ours for name in unknown_names(item, flat, f"{path}[]")}
    return set()


@needs_reference
def test_names_are_those_of_recorded_responses(client: httpx.Client, token: str) -> None:
    payloads = REFERENCE / "payloads"

    def recorded(folder: str, pattern: str) -> list[Any]:
        return [json.loads(path.read_text()) for path in (payloads / folder).glob(pattern)]

    book = next(b for b in EVERYWHERE if "cover" in open_library(client, b.isbn13).text)
    ours = list(open_library(client, book.isbn13).json().values())
    theirs = [v for d in recorded("openlibrary", "api_books_data_*") for v in d.values()]
    beyond = {"[].works", "[].physical_format", "[].languages"}  # told in the module's docstring
    assert unknown_names(ours, [theirs]) <= beyond

    ours = google(client, LIVELY.isbn13).json()
    assert unknown_names(ours, recorded("google_books", "[is]*_*.json")) == set()

    everything = "buyingOptions:{FIXED_PRICE|AUCTION|BEST_OFFER}"
    ours = browse(client, token, q=LIVELY.isbn13, limit=2, offset=2, filter=everything).json()
    spec = json.loads((payloads / "_specs" / "buy_browse_v1_oas3.json").read_text())
    schemas = spec["components"]["schemas"]
    assert ours["itemSummaries"]
    assert set(ours) <= set(schemas["SearchPagedCollection"]["properties"])
    real = recorded("ebay_browse", "item_summary_*.json")
    names = set(schemas["ItemSummary"]["properties"])
    names |= {name for page in real for item in page["itemSummaries"] for name in item}
    assert all(set(item) <= names for item in ours["itemSummaries"])

    ours = sold(client, LIVELY.isbn13).json()
    real = recorded("searchapi_ebay_sold", "*_*.json")
    documented = {".search_information", ".pagination", ".search_metadata.created_at"}
    documented |= {".search_parameters.q", ".search_parameters.num"}
    assert unknown_names(ours, [d for d in real if isinstance(d, dict)]) <= documented


def test_an_isbn_is_found_in_any_dress() -> None:
    assert isbns_in("isbn:978-0-439-02348-1 0439023483") == ["9780439023481"]
    assert isbns_in("080442957X") == ["9780804429573"]
    assert isbns_in("99780439023481 hunger games 2008") == []


def test_an_isbn_10_names_the_same_book(client: httpx.Client) -> None:
    isbn10 = "0439023483"
    if VENDORS["open_library"].knows("9780439023481"):
        assert open_library(client, isbn10).json()[f"ISBN:{isbn10}"]["title"] == "The Hunger Games"
    else:
        assert open_library(client, isbn10).json() == {}


def test_a_date_that_cannot_be_read_is_refused(client: httpx.Client) -> None:
    response = client.get("/open_library/api/books", headers={"X-Sandbox-Now": "yesterday"})
    assert response.status_code == 400
    assert "X-Sandbox-Now is 'yesterday'" in response.json()["error"]
    for text in ("1979-01-01", "2200-01-01T00:00:00Z"):
        with pytest.raises(ValueError, match="between 1980 and 2200"):
            market_date(text)
    assert market_date("2026-11-03T12:00:00+02:00") == datetime(2026, 11, 3, 10, tzinfo=UTC)
    assert abs(market_date(None) - datetime.now(UTC)) < timedelta(seconds=5)


def test_counters_tell_what_was_asked() -> None:
    with SandboxProcess(size=600, seed=SEED) as sandbox, httpx.Client(base_url=sandbox.url) as own:
        for _ in range(3):
            open_library(own, EVERYWHERE[0].isbn13, EVERYWHERE[1].isbn13)
        google(own, EVERYWHERE[0].isbn13)
        google(own, EVERYWHERE[0].isbn13, key="wrong")
        google(own, EVERYWHERE[0].isbn13, key=None)
        for page in (1, 2):
            sold(own, LIVELY.isbn13, page=page)
        ask_token(own)
        stats = own.get("/_sandbox/stats").json()
        asked = own.get("/_sandbox/asked").json()
    first, second = EVERYWHERE[0].isbn13, EVERYWHERE[1].isbn13
    assert stats["requests"] == {
        "open_library": 3, "google_books": 3, "searchapi_ebay_sold": 2, "ebay_token": 1,
    }  # fmt: skip
    assert stats["answered"] == {
        "open_library": 3, "google_books": 1, "searchapi_ebay_sold": 2, "ebay_token": 1,
    }  # fmt: skip
    assert stats["429s"] == {"google_books": 1}
    assert stats["max_requests_in_1s"].keys() == stats["requests"].keys()
    assert asked["open_library"] == {first: 3, second: 3}
    assert asked["google_books"] == {first: 1}
    assert asked["searchapi_ebay_sold"] == {LIVELY.isbn13: 1}


def test_the_rate_is_held_over_a_socket_by_source() -> None:
    rate = 5
    with (
        SandboxProcess(size=600, seed=SEED, rate=rate) as sandbox,
        httpx.Client(base_url=sandbox.url) as own,
    ):
        own_token = ask_token(own).json()["access_token"]
        calls: dict[str, Callable[[], httpx.Response]] = {
            "open_library": lambda: open_library(own, LIVELY.isbn13),
            "google_books": lambda: google(own, LIVELY.isbn13),
            "ebay_browse": lambda: browse(own, own_token, q=LIVELY.isbn13),
            "searchapi_ebay_sold": lambda: sold(own, LIVELY.isbn13),
        }
        for source, call in calls.items():
            started = time.monotonic()
            replies = [call() for _ in range(rate + 3)]
            assert time.monotonic() - started < 1
            assert [r.status_code for r in replies] == [200] * rate + [429] * 3, source
            assert replies[-1].headers["Retry-After"] == "1"
            assert "rror" in replies[-1].text
        time.sleep(1)
        assert all(call().status_code == 200 for call in calls.values())
        stats = own.get("/_sandbox/stats").json()
    assert stats["429s"] == dict.fromkeys(calls, 3)
    assert stats["max_requests_in_1s"] == {**dict.fromkeys(calls, rate + 3), "ebay_token": 1}
    assert stats["answered"] == {**dict.fromkeys(calls, rate + 1), "ebay_token": 1}


def test_latency_delays_without_blocking() -> None:
    with (
        SandboxProcess(size=600, latency_ms=300) as sandbox,
        httpx.Client(base_url=sandbox.url) as own,
    ):
        threads = [
            threading.Thread(target=open_library, args=(own, "9780439023481")) for _ in range(6)
        ]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.monotonic() - started
        assert own.get("/_sandbox/stats").json()["answered"] == {"open_library": 6}
    assert 0.3 <= taken < 1.2
