"""Every recorded payload of our vendors, served over a socket with its recorded status."""

import asyncio
import json
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from pricing_assets.core.answers import ItemQuery
from pricing_assets.core.categories import CATEGORIES
from resources.sources import bibliographic, registered_sources
from resources.sources.base import RetryableError
from resources.sources.client import Reply, SourceClient
from resources.sources.credentials import Credentials
from tests.resources.sources.conftest import book, item
from tests.resources.sources.vendor_server import serving

REFERENCE = Path(
    os.environ.get("PRICING_REFERENCE_DATA") or Path(__file__).parents[3].parent / "shared" / "data"
)
FOLDERS = (
    ("openlibrary", "open_library"),
    ("google_books", "google_books"),
    ("ebay_browse", "ebay_browse"),
    ("searchapi_ebay_sold", "searchapi_ebay_sold"),
    ("bricklink", "bricklink_sold"),
    ("bricklink", "bricklink_stock"),
    ("bricklink", "bricklink_catalogue"),
    ("rebrickable", "rebrickable"),
    ("pokemontcg", "pokemontcg"),
    ("serpapi_ebay", "serpapi_ebay_sold"),
    ("ebay_marketplace_insights", "ebay_marketplace_insights"),
    ("booksrun", "booksrun"),
    ("decodo_amazon", "decodo_amazon"),
)
"""Folders of payloads, each with a source that reads them."""

FIGURES = {"bricklink": "sw0001", "rebrickable": "fig-000001"}
CREDENTIALS = Credentials(
    {
        name: f"test-{name.lower()}"
        for source in registered_sources().values()
        for name in source.credential_names
    }
)


def _recorded() -> list[Any]:
    cases = []
    for folder, source in FOLDERS:
        index = REFERENCE / "payloads" / folder / "_index.json"
        if not index.is_file():
            reason = f"no recorded payloads at {index}; set PRICING_REFERENCE_DATA"
            cases.append(
                pytest.param(source, Path(), {}, id=source, marks=pytest.mark.skip(reason=reason))
            )
            continue
        for entry in json.loads(index.read_text()):
            path = index.parent / entry["file"]
            cases.append(pytest.param(source, path, entry, id=f"{source}/{path.stem}"))
    return cases


def _query(name: str, path: Path, entry: dict[str, Any], document: Any) -> ItemQuery:
    match registered_sources()[name].categories:
        case ["card", *_]:
            card = re.search(r"cards/([a-z0-9]+-[a-z0-9]+)", entry["url"])
            page = document.get("data") or [{"id": "base1-4"}]
            return item("card", card[1] if card else page[-1]["id"])
        case ["minifigure", *_]:
            return item("minifigure", FIGURES[path.parent.name])
    return book(_isbn(entry, document))


def _isbn(entry: dict[str, Any], document: Any) -> str:
    """The ISBN that was asked; for searches by other words, the last one that was answered."""
    asked = re.search(r"97[89]\d{10}", entry["url"])
    if asked:
        return asked[0]
    answered = re.findall(r'"(97[89]\d{10}|\d{9}[\dX])"', json.dumps(document))
    found = [code for text in answered if (code := bibliographic.isbn13(text))]
    return found[-1] if found else "9780306406157"


def _ask(name: str, entry: dict[str, Any], query: ItemQuery, body: bytes) -> Reply:
    async def respond(request: Request) -> Response:
        if request.url.path.endswith("/oauth2/token"):
            return Response('{"access_token": "t", "expires_in": 7200}')
        return Response(
            body,
            entry["status"],
            headers={"Content-Type": "application/json"} | (entry.get("headers") or {}),
        )

    async def scenario() -> Reply:
        async with (
            serving(respond) as origin,
            SourceClient(CREDENTIALS, base_urls={name: origin}, backoff_seconds=0.01) as client,
        ):
            return await client.ask(registered_sources()[name], query)

    return asyncio.run(scenario())


@pytest.mark.parametrize(("name", "path", "entry"), _recorded())
def test_a_recorded_payload_is_read(name: str, path: Path, entry: dict[str, Any]) -> None:
    document = json.loads(path.read_bytes())
    query = _query(name, path, entry, document)
    if (name, path.stem) == ("rebrickable", "error_429_throttled"):
        # Over a socket the client would wait as long as it is told, three times.
        with pytest.raises(RetryableError) as caught:
            registered_sources()[name].parse(query, httpx.Response(429, content=path.read_bytes()))
        assert caught.value.retry_after == 2
        return
    reply = _ask(name, entry, query, path.read_bytes())

    assert reply.status == entry["status"]
    assert reply.body == path.read_bytes()
    assert reply.attempts == 1
    if entry["status"] in registered_sources()[name].not_found_statuses:
        assert (reply.result, reply.error) == ("not_found", None)
        return
    if query.category == "minifigure":
        _check_figure(name, entry, reply, document)
        return
    if entry["status"] != 200:
        assert reply.result == "error"
        assert str(entry["status"]) in (reply.error or "")
        return
    match document:
        case {"result": {"status": "error", "text": text}}:
            assert reply.result == "error"
            assert text in (reply.error or "")
            return
    assert reply.error is None
    assert reply.answer is not None
    seller = json.dumps(document).count('"seller_')
    said = repr(reply.answer).replace("seller_feedback", "")
    assert seller == 0 or "seller_" not in said
    assert set(reply.answer.fields) <= {field.name for field in CATEGORIES[query.category].fields}
    assert None not in reply.answer.fields.values()
    assert "" not in reply.answer.fields.values()
    match document:
        case {"itemSummaries": list(entries)}:
            assert len(reply.answer.listings) == len(entries)
            assert not reply.answer.problems
        case {"itemSales": list(entries)}:
            priced = [entry for entry in entries if "lastSoldPrice" in entry]
            assert len(reply.answer.listings) == len(priced)
            assert len(reply.answer.problems) == len(entries) - len(priced)
        case {"organic_results": list(entries)} if name == "serpapi_ebay_sold":
            _check_priced_page(reply, entries)
        case {"result": {"text": dict(prices)}}:
            bids = {entry.condition: float(entry.price) for entry in reply.answer.listings}
            assert bids == {condition: price for condition, price in prices.items() if price}
            assert {entry.kind for entry in reply.answer.listings} <= {"offer"}
        case {"result": {"offers": dict()}}:
            assert {entry.kind for entry in reply.answer.listings} <= {"ask"}
        case {"results": [{"content": {"results": dict(product)}}]}:
            # The vendor's own example is no book.
            assert reply.result == "not_found"
            assert product["featured_merchant"]["name"] not in repr(reply.answer)
            assert ".asin: the product is not" in reply.answer.problems[-1]
        case {"organic_results": list(entries)}:
            _check_sold_page(reply, entries)
        case {"docs": []} | {"totalItems": 0} | {"search_metadata": _}:
            assert reply.result == "not_found"
        case {} if not document:
            assert reply.result == "not_found"
        case _ if path.stem == "isbn_9780143119111":
            # Google answered with another edition.
            assert reply.result == "not_found"
            assert "9780143119111" in reply.answer.problems[-1]
        case _:
            assert reply.result == "found"
            assert reply.answer.fields["title" if query.category == "book" else "name"]
            assert not reply.answer.problems or query.category == "book"


def _check_sold_page(reply: Reply, entries: list[dict[str, Any]]) -> None:
    assert reply.answer is not None
    one_price = [e for e in entries if re.fullmatch(r"\$[\d,.]+", e.get("price") or e["deal"])]
    assert {e["item_id"] for e in one_price} == {e.source_listing_id for e in reply.answer.listings}
    left_out = sum("not the price of one sale" in p for p in reply.answer.problems)
    assert left_out == len(entries) - len(one_price)
    for listing in reply.answer.listings:
        raw = next(e for e in one_price if e["item_id"] == listing.source_listing_id)
        if "extracted_price" in raw:
            assert float(listing.price) == raw["extracted_price"]
        if "extracted_shipping" in raw:
            assert float(listing.shipping or 0) == raw["extracted_shipping"]
        assert (listing.bids is not None) == ("bid" in raw["buying_format"])
        assert listing.sold_at is None


def _check_priced_page(reply: Reply, entries: list[dict[str, Any]]) -> None:
    assert reply.answer is not None
    one_price = [entry for entry in entries if "extracted" in entry["price"]]
    assert [float(e.price) for e in reply.answer.listings] == [
        entry["price"]["extracted"] for entry in one_price
    ]
    left_out = sum("not the price of one sale" in p for p in reply.answer.problems)
    assert left_out == len(entries) - len(one_price)
    for listing, raw in zip(reply.answer.listings, one_price, strict=True):
        assert listing.title == raw["title"]
        assert (listing.sold_at is None) == ("sold_date" not in raw)


def _check_figure(name: str, entry: dict[str, Any], reply: Reply, document: Any) -> None:
    """None of the recordings is of a minifigure: nothing may be taken from one as it is.

    Those of the same shape are read when they are renamed to what was asked.
    """
    assert reply.answer is None or (reply.answer.fields, reply.answer.listings) == ({}, ())
    match document:
        case {"meta": {"code": 401}}:
            assert "BAD_OAUTH_REQUEST: TOKEN_IP_MISMATCHED" in (reply.error or "")
            return
        case {"data": {"price_detail": list(lines)} as data} if name != "bricklink_catalogue":
            data["item"] |= {"no": "sw0001", "type": "MINIFIG"}
            renamed = [document]
            expected = "found" if lines else "error"
        case {"data": {"no": _} as data} if name == "bricklink_catalogue":
            data |= {"no": "sw0001", "type": "MINIFIG"}
            renamed, expected = [document], "found"
        case {"results": [{"set_num": _}, *_] as sets}:
            renamed = [entry | {"set_num": "fig-000001"} for entry in sets]
            expected = "found"
        case _:
            assert reply.result == "error"
            assert re.search(r": (data|body|data\.\w+|\w+): ", reply.error or "")
            return
    assert renamed
    for ours in renamed:
        again = _ask(name, entry, reply.query, json.dumps(ours).encode())
        assert again.result == expected
        if expected == "error":
            assert "data.price_detail: empty, though 298 lines" in (again.error or "")
            continue
        assert again.answer is not None
        assert again.answer.problems == ()
        assert "country" not in repr(again.answer)
        if again.answer.fields:
            assert set(again.answer.fields) <= set(CATEGORIES["minifigure"].weights) | {
                "bricklink_category"
            }
            assert str(again.answer.fields["name"]) in json.dumps(ours)
        else:
            (line,) = ours["data"]["price_detail"]
            (listing,) = again.answer.listings
            assert str(listing.price) == line["unit_price"]
            assert listing.quantity == line["quantity"]
            assert listing.sold_at == datetime.fromisoformat(line["date_ordered"])
