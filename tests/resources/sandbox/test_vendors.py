"""The sandbox finds its vendors by itself, and knows them by the names of their sources."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

import resources.sandbox
from pricing_assets.core.answers import ItemQuery
from pricing_assets.core.people import name_key
from resources.sandbox import base_path, credential, registered_vendors
from resources.sandbox.bookscouter import DEALERS
from resources.sandbox.catalogue import Book, bundled_catalogue
from resources.sandbox.decodo_bookfinder import MARKETPLACES
from resources.sandbox.market import Market, Offer
from resources.sandbox.process import SandboxProcess
from resources.sandbox.server import create_app
from resources.sandbox.wire import Vendor
from resources.sources import registered_sources
from resources.sources.base import RetryableError
from resources.sources.client import Reply, SourceClient
from resources.sources.credentials import Credentials
from tests.resources.sandbox.test_catalogue import REFERENCE, needs_reference
from tests.resources.sandbox.test_server import unknown_names
from tests.resources.sources.conftest import book as asked_about
from tests.resources.sources.conftest import example_of

SEED = 3
NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
MARKET = Market(SEED)
CATALOGUE = {book.isbn13: book for book in bundled_catalogue(600)}
SOURCES = registered_sources()
VENDORS: dict[str, Vendor] = {
    name: vendor(CATALOGUE, MARKET) for name, vendor in registered_vendors().items()
}
CREDENTIALS = {
    name: credential(name) for source in SOURCES.values() for name in source.credential_names
}
OF_BOOKS = {name: v for name, v in VENDORS.items() if "book" in SOURCES[name].categories}
EVERYWHERE = [
    book for code, book in CATALOGUE.items() if all(v.knows(code) for v in OF_BOOKS.values())
]
BOUGHT = next(book for book in EVERYWHERE if MARKET.bid(book, "booksrun", NOW))
SOLD = next(book for book in EVERYWHERE if 20 < len(MARKET.sales(book, NOW)) < 100)
every_vendor = pytest.mark.parametrize("name", sorted(VENDORS))
every_vendor_of_books = pytest.mark.parametrize("name", sorted(OF_BOOKS))

MODULE = """
from resources.sandbox.open_library import OpenLibrary as Base
class Extra(Base):
    source = "{source}"
"""


@pytest.fixture
def extra_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(resources.sandbox, "__path__", [*resources.sandbox.__path__, str(tmp_path)])
    yield tmp_path
    for name in ("extra_vendor", "other_vendor"):
        sys.modules.pop(f"resources.sandbox.{name}", None)
        vars(resources.sandbox).pop(name, None)


def ask(path: str) -> httpx.Response:
    async def scenario() -> httpx.Response:
        transport = httpx.ASGITransport(create_app([]))
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            return await client.get(path)

    return asyncio.run(scenario())


def test_every_vendor_plays_a_source() -> None:
    vendors = registered_vendors()
    assert {"open_library", "google_books", "ebay_browse", "searchapi_ebay_sold"} <= set(vendors)
    assert set(vendors) <= set(registered_sources())
    for name, vendor in vendors.items():
        assert vendor.__module__ == f"resources.sandbox.{name}"


def test_a_new_module_is_a_new_vendor(extra_modules: Path) -> None:
    (extra_modules / "extra_vendor.py").write_text(MODULE.format(source="extra"))
    assert ask(f"{base_path('extra')}/api/books?format=json&jscmd=data").json() == {}


def test_two_vendors_of_one_source_are_refused(extra_modules: Path) -> None:
    (extra_modules / "other_vendor.py").write_text(MODULE.format(source="google_books"))
    with pytest.raises(ValueError, match="google_books"):
        registered_vendors()


def test_what_no_vendor_answers_is_refused_and_not_taken_for_unknown() -> None:
    for address in ("/nobody/api", f"{base_path('google_books')}/elsewhere", "/"):
        response = ask(address)
        assert response.status_code == 403
        assert address in response.json()["error"]


def test_a_credential_is_told_from_its_name_and_says_what_it_is() -> None:
    assert credential("EBAY_CLIENT_SECRET") == "sandbox-ebay-client-secret"


def test_the_names_alone_cost_no_discovery() -> None:
    check = "import sys, resources.sandbox; print('numpy' in sys.modules, 'httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with SandboxProcess(size=len(CATALOGUE), seed=SEED) as sandbox:
        yield sandbox.url


def ask_for(
    url: str, name: str, item: str | ItemQuery, credentials: dict[str, str] | None = None
) -> Reply:
    """Ask the sandbox as the source's own client does, about a book or another item."""
    query = item if isinstance(item, ItemQuery) else asked_about(item)

    async def scenario() -> Reply:
        async with SourceClient(
            Credentials(CREDENTIALS if credentials is None else credentials),
            base_urls={name: url + base_path(name)},
            headers={"X-Sandbox-Now": NOW.isoformat()},
        ) as client:
            return await client.ask(SOURCES[name], query)

    return asyncio.run(scenario())


@every_vendor_of_books
def test_the_sources_client_reads_what_the_vendor_says(url: str, name: str) -> None:
    reply = ask_for(url, name, BOUGHT.isbn13)
    assert reply.answer is not None, reply.error
    assert (reply.result, reply.attempts, reply.answer.problems) == ("found", 1, ())
    kind = SOURCES[name].kind
    if kind == "metadata":
        assert reply.answer.fields["title"] == BOUGHT.title
        assert reply.answer.fields["publication_year"] == BOUGHT.publication_year
    else:
        assert {listing.kind for listing in reply.answer.listings} == {kind}
        assert all(listing.price > 0 for listing in reply.answer.listings)


@every_vendor_of_books
def test_what_a_vendor_does_not_know_is_not_found(url: str, name: str) -> None:
    unknown = next(code for code in CATALOGUE if not VENDORS[name].knows(code))
    assert ask_for(url, name, unknown).result == "not_found"
    assert ask_for(url, name, "9780000000002").result == "not_found"


@every_vendor
def test_a_wrong_credential_is_refused(url: str, name: str) -> None:
    needed = set(SOURCES[name].credential_names) - set(SOURCES[name].optional_credential_names)
    needed -= {"PRICING_CONTACT"}  # any will do
    for wrong in needed:
        item = example_of(SOURCES[name])
        reply = ask_for(url, name, item, {**CREDENTIALS, wrong: "not-the-sandbox"})
        assert (reply.result, reply.attempts) == ("error", 1)
        assert "not-the-sandbox" not in (reply.error or "")


def person(kind: str, name: str) -> ItemQuery:
    return ItemQuery("id", kind, name)


def test_wikidata_tells_the_facts_of_a_well_known_author_and_calls_others_simulated(
    url: str,
) -> None:
    known = ask_for(url, "wikidata", person("author", "J. K. Rowling"))
    assert known.answer is not None, known.error
    assert (known.answer.fields["born"], known.answer.problems) == ("1965-07-31", ())
    assert known.answer.fields.get("awards") == 0
    invented = next(
        book.authors[0]
        for book in CATALOGUE.values()
        if "(simulated)" in book.authors[0] and VENDORS["wikidata"].knows(name_key(book.authors[0]))
    )
    told = ask_for(url, "wikidata", person("author", invented))
    assert told.answer is not None
    assert str(told.answer.fields["label"]).endswith("(simulated)")
    assert ask_for(url, "wikidata", person("character", "J. K. Rowling")).result == "not_found"
    assert ask_for(url, "wikidata", person("author", "Nobody Atall")).result == "not_found"


def test_commons_tells_size_licence_and_whom_to_name_of_what_wikidata_points_to(url: str) -> None:
    names = sorted({book.authors[0] for book in CATALOGUE.values()})[:12]
    answers = [ask_for(url, "wikidata", person("author", name)).answer for name in names]
    files = [str(a.fields["image"]) for a in answers if a and "image" in a.fields]
    assert files
    replies = [ask_for(url, "wikimedia_commons", person("author", file)) for file in files]
    found = [r.answer.fields for r in replies if r.answer and r.result == "found"]
    assert len(found) >= len(files) - 2
    for fields in found:
        assert set(fields) >= {"url", "width", "height", "mime", "licence", "attribution"}
        assert "Simulated" in str(fields["url"])
        assert "<" not in str(fields["attribution"])


def test_wikimedia_refuses_whoever_names_no_contact(url: str) -> None:
    answer = httpx.get(f"{url}/wikidata/w/api.php", headers={"User-Agent": "python"})
    assert answer.status_code == 403


@every_vendor
def test_asking_too_fast_is_worth_a_retry(name: str) -> None:
    reply = VENDORS[name].throttled()
    response = httpx.Response(reply.status, headers=dict(reply.headers), content=reply.body())
    with pytest.raises(RetryableError) as caught:
        SOURCES[name].parse(asked_about(), response)
    assert caught.value.retry_after == 1


def sales(reply: Reply) -> list[tuple[str, Decimal, str | None]]:
    assert reply.answer is not None
    return [
        (entry.source_listing_id.removeprefix("v1|").removesuffix("|0"), entry.price,
         entry.listing_type)
        for entry in reply.answer.listings
    ]  # fmt: skip


def test_three_readers_tell_of_the_same_sales(url: str) -> None:
    names = ("serpapi_ebay_sold", "ebay_marketplace_insights", "searchapi_ebay_sold")
    expected = [
        (sale.listing_id, Decimal(sale.price_cents) / 100, sale.listing_type)
        for sale in MARKET.sales(SOLD, NOW)
    ]
    for name in names:
        assert sales(ask_for(url, name, SOLD.isbn13)) == expected


def test_serpapi_dates_most_sales_and_insights_all(url: str) -> None:
    moments: dict[str, Offer] = {sale.listing_id: sale for sale in MARKET.sales(SOLD, NOW)}
    exact = ask_for(url, "ebay_marketplace_insights", SOLD.isbn13).answer
    assert exact is not None
    for entry in exact.listings:
        assert entry.sold_at == moments[entry.source_listing_id[3:-2]].at
    lively = max(EVERYWHERE, key=lambda book: len(MARKET.sales(book, NOW)))
    answer = ask_for(url, "serpapi_ebay_sold", lively.isbn13).answer
    assert answer is not None
    moments = {sale.listing_id: sale for sale in MARKET.sales(lively, NOW)}
    undated = [entry for entry in answer.listings if entry.sold_at is None]
    assert 0 < len(undated) < len(answer.listings) / 10
    for entry in answer.listings:
        day = moments[entry.source_listing_id].at.date()
        assert entry.sold_at is None or entry.sold_at.date() == day


def test_a_dealer_bids_what_the_market_says(url: str) -> None:
    good = MARKET.bid(BOUGHT, "booksrun", NOW)
    answer = ask_for(url, "booksrun", BOUGHT.isbn13).answer
    assert answer is not None
    assert {e.condition: e.price for e in answer.listings}["Good"] == Decimal(good) / 100
    bids = [MARKET.bid(BOUGHT, f"dealer-{dealer}", NOW) for dealer in DEALERS]
    many = ask_for(url, "bookscouter", BOUGHT.isbn13).answer
    assert many is not None
    assert [e.price for e in many.listings] == [Decimal(bid) / 100 for bid in bids if bid]
    assert all("Simulated" in entry.title for entry in many.listings)
    unwanted = next(b for b in EVERYWHERE if not MARKET.bid(b, "booksrun", NOW))
    assert ask_for(url, "booksrun", unwanted.isbn13).result == "not_found"


def test_amazons_page_tells_all_that_the_catalogue_knows(url: str) -> None:
    def full(book: Book) -> bool:
        return bool(book.publisher and book.page_count and book.authors and book.binding)

    book = next(b for b in EVERYWHERE if full(b) and b.binding == "Hardcover")
    answer = ask_for(url, "decodo_amazon", book.isbn13).answer
    assert answer is not None
    wanted = {
        "title": book.title, "authors": ", ".join(book.authors), "publisher": book.publisher,
        "page_count": book.page_count, "binding": "Hardcover", "language": book.language,
        "publication_year": book.publication_year, "isbn13": book.isbn13,
    }  # fmt: skip
    assert {name: answer.fields[name] for name in wanted} == wanted


def test_bookfinder_shows_other_copies_than_ebay_and_each_once(url: str) -> None:
    answer = ask_for(url, "decodo_bookfinder", SOLD.isbn13).answer
    assert answer is not None
    shown: dict[str, list[Decimal]] = {}
    for entry in answer.listings:
        assert "(simulated)" in entry.title
        assert entry.source_listing_id.startswith(f"{SOLD.isbn13}:")
        shown.setdefault(entry.source_listing_id.split(":")[1].upper(), []).append(entry.price)
    assert shown == {
        name: [Decimal(ask.price_cents) / 100 for ask in asks]
        for name in MARKETPLACES
        if (asks := MARKET.asks(SOLD, NOW, name))
    }
    assert len(shown) > 1
    on_ebay = {ask.listing_id for ask in MARKET.asks(SOLD, NOW)}
    assert on_ebay.isdisjoint(
        ask.listing_id for name in MARKETPLACES for ask in MARKET.asks(SOLD, NOW, name)
    )


@pytest.mark.parametrize(
    ("address", "params", "status"),
    [
        ("serpapi_ebay_sold/search.json", {"engine": "google"}, 400),
        ("serpapi_ebay_sold/search.json", {"engine": "ebay"}, 400),
        ("serpapi_ebay_sold/search.json", {"engine": "ebay", "_nkw": "x", "_ipg": "60"}, 400),
        ("serpapi_ebay_sold/search.json", {"engine": "ebay", "_nkw": "x", "_pgn": "0"}, 400),
        ("serpapi_ebay_sold/search.json", {"engine": "ebay", "_nkw": "x"}, 200),
    ],
)
def test_serpapi_refuses_bad_parameters(
    url: str, address: str, params: dict[str, str], status: int
) -> None:
    key = {"api_key": credential("SERPAPI_API_KEY")}
    response = httpx.get(f"{url}/{address}", params=params | key)
    assert response.status_code == status
    assert response.json()["error"]


@pytest.mark.parametrize(
    ("params", "error_id"),
    [({}, 100001), ({"q": "x"}, 100018), ({"category_ids": "267", "limit": "201"}, 100003),
     ({"category_ids": "267", "offset": "10000"}, 100002)],
)  # fmt: skip
def test_insights_refuses_bad_parameters(url: str, params: dict[str, str], error_id: int) -> None:
    base = url + base_path("ebay_marketplace_insights")
    login = (CREDENTIALS["EBAY_CLIENT_ID"], CREDENTIALS["EBAY_CLIENT_SECRET"])
    vendor = registered_vendors()["ebay_marketplace_insights"]
    form = {"grant_type": "client_credentials", "scope": vars(vendor)["scope"]}
    granted = httpx.post(f"{base}/identity/v1/oauth2/token", auth=login, data=form).json()
    headers = {"Authorization": f"Bearer {granted['access_token']}"}
    response = httpx.get(base + vendor.path, params=params, headers=headers)
    assert response.status_code == 400
    assert response.json()["errors"][0]["errorId"] == error_id
    plain = {"grant_type": "client_credentials", "scope": "https://api.ebay.com/oauth/api_scope"}
    refused = httpx.post(f"{base}/identity/v1/oauth2/token", auth=login, data=plain)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize("name", ["decodo_amazon", "decodo_bookfinder"])
@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"target": "google_search", "query": "x"}'])
def test_decodo_refuses_other_orders(url: str, name: str, body: bytes) -> None:
    login = (CREDENTIALS["DECODO_AUTHENTICATION"], CREDENTIALS["DECODO_PASSWORD"])
    response = httpx.post(f"{url}/{name}/v2/scrape", auth=login, content=body)
    assert response.status_code == 400
    assert response.json()["message"]


@needs_reference
@pytest.mark.parametrize(
    ("name", "folder", "beyond"),
    [
        ("booksrun", "booksrun", set()),
        # The vendor's own sample is shortened; these are in public clients of it.
        ("serpapi_ebay_sold", "serpapi_ebay", {
            ".search_metadata", ".search_parameters", ".search_information",
            ".organic_results[].product_id", ".organic_results[].seller",
            ".organic_results[].bids", ".organic_results[].buying_format",
            ".organic_results[].sold_date",
        }),
        # eBay's test environment leaves these out; they are in eBay's specification.
        ("ebay_marketplace_insights", "ebay_marketplace_insights", {
            ".limit", ".offset", ".itemSales[].buyingOptions", ".itemSales[].lastSoldDate",
            ".itemSales[].lastSoldPrice", ".itemSales[].totalSoldQuantity",
            ".itemSales[].seller.username", ".itemSales[].seller.feedbackPercentage",
            ".itemSales[].bidCount",
        }),
        # The vendor's sample is no book; these are those of a book.
        ("decodo_amazon", "decodo_amazon", {
            f".results[].content.results.product_details.{field}"
            for field in (
                "isbn_10", "isbn_13", "publisher", "publication_date", "print_length", "language",
            )
        }),
    ],
)  # fmt: skip
def test_names_are_those_of_the_vendor(url: str, name: str, folder: str, beyond: set[str]) -> None:
    paths = (REFERENCE / "payloads" / folder).glob("[!_]*.json")
    theirs: list[Any] = [json.loads(path.read_text()) for path in paths]
    ours = json.loads(ask_for(url, name, BOUGHT.isbn13).body)
    assert unknown_names(ours, theirs) <= beyond


@needs_reference
@pytest.mark.parametrize(
    ("name", "item", "beyond"),
    [
        ("wikidata", person("author", "J. K. Rowling"), {".success"}),
        (
            "wikimedia_commons",
            person("author", "Simulated portrait of J.K. Rowling.jpg"),
            {".batchcomplete", ".query.pages[].pageid", ".query.pages[].imageinfo[].mime"},
        ),
    ],
)
def test_names_are_those_of_wikimedia(
    url: str, name: str, item: ItemQuery, beyond: set[str]
) -> None:
    theirs = [
        json.loads(re.sub(r'"(Q\d+|q\d+)":', '"Q":', path.read_text()))
        for path in (REFERENCE / "payloads" / name).glob("[!_]*.json")
    ]
    body = ask_for(url, name, item).body.decode()
    ours = json.loads(re.sub(r'"Q\d+":', '"Q":', body))
    assert unknown_names(ours, theirs) <= beyond
