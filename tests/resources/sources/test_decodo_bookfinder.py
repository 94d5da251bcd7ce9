import asyncio
import json
import time
from collections import Counter
from decimal import Decimal
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pricing_assets.core.answers import Answer, ItemQuery
from pricing_assets.core.judging import Wanted
from pricing_assets.core.matching import Matcher
from resources.sources.base import (
    CredentialsRefused,
    PermanentError,
    RetryableError,
    SourceError,
    UnparsablePayload,
)
from resources.sources.client import Reply, SourceClient
from resources.sources.credentials import Credentials
from resources.sources.decodo_amazon import DecodoAmazon
from resources.sources.decodo_bookfinder import DecodoBookfinder
from tests.resources.sources.conftest import ISBN, answered, book
from tests.resources.sources.vendor_server import serving

SOURCE = DecodoBookfinder()
LOGIN = {"DECODO_AUTHENTICATION": "user", "DECODO_PASSWORD": "top-secret"}
SELLER = "Maud Quillfeather"
NAVIGATION = "<title>BookFinder.com: Search Results</title><nav id='desktop-nav'>Search</nav>"
CHALLENGE = (
    "<html><head><title></title><script>window.awsWafCookieDomainList = [];"
    "window.gokuProps = {};</script></head><body><div id='challenge-container'></div></body></html>"
)
NOTHING = f"{NAVIGATION}<p>Sorry, we found\n no <b>matching</b> results at this time.</p>"


def card(rank: int | None = None, test_id: str | None = None, **changes: str | None) -> str:
    """One offer; a change of None leaves the attribute out."""
    told: dict[str, str | None] = {
        "affiliate": "ABEBOOKS",
        "usdprice": "12.5",
        "usdshipping": "3.99",
        "condition": "USED",
        "binding": "SOFTCOVER",
        "title": "The Lamplighter's Almanac",
        "authors": "Marlowe, Ada",
        "publisher": "Quayside & Sons",
        "signed": "false",
        "firstedition": "false",
        "seller": SELLER,
        **changes,
    }
    if rank is not None:
        test_id = f"search-offer-card-NON-RENTAL-{told['condition']}-{rank}"
    name = f' data-test-id="{test_id}"' if test_id else ""
    written = "".join(
        f' data-csa-c-{key}="{escape(value)}"' for key, value in told.items() if value is not None
    )
    return (
        f'<div data-csa-c-item-type="search-offer"{name}{written}><p>Sold by {SELLER}</p>'
        '<a data-csa-c-action="clickout" href="https://shop.example/?visit=7">Buy</a></div>'
    )


def job(content: Any, status: Any = 200) -> Any:
    return {"results": [{"content": content, "status_code": status, "task_id": "1"}]}


def page(*cards: str) -> Any:
    return job(f"<!DOCTYPE html><html><body>{NAVIGATION}{''.join(cards)}</body></html>")


def read(*cards: str) -> Answer:
    return SOURCE.parse(book(), answered(page(*cards)))


def over_a_socket(*documents: Any) -> tuple[Reply, list[Any]]:
    """Ask a server that gives these answers in turn; returns what it was asked, too."""
    orders: list[Any] = []

    async def respond(request: Request) -> Response:
        orders.append((request.headers["Authorization"], json.loads(await request.body())))
        return JSONResponse(documents[min(len(orders), len(documents)) - 1])

    async def scenario() -> Reply:
        async with (
            serving(respond) as origin,
            SourceClient(
                Credentials(LOGIN), base_urls={SOURCE.name: origin}, backoff_seconds=0.01
            ) as client,
        ):
            return await client.ask(SOURCE, book())

    return asyncio.run(scenario()), orders


def test_the_page_is_ordered_as_a_browser_shows_it_and_its_offers_are_asks() -> None:
    reply, orders = over_a_socket(page(card(1), card(2, affiliate="BIBLIO", condition="NEW")))
    assert reply.answer is not None, reply.error
    ((login, order),) = orders
    assert login == "Basic dXNlcjp0b3Atc2VjcmV0"
    assert (order["target"], order["headless"]) == ("universal", "html")
    url = urlsplit(order["url"])
    assert (url.hostname, url.path) == ("www.bookfinder.com", f"/isbn/{ISBN}/")
    assert parse_qs(url.query) == {
        "binding": ["ANY"], "condition": ["ANY"], "currency": ["USD"], "destination": ["US"],
    }  # fmt: skip
    first, second = reply.answer.listings
    assert (first.kind, first.price, first.shipping, first.currency) == (
        "ask", Decimal("12.5"), Decimal("3.99"), "USD",
    )  # fmt: skip
    assert (first.condition, second.condition) == ("Used", "New")
    assert first.title == "The Lamplighter's Almanac by Marlowe, Ada (Paperback)"
    assert first.source_listing_id.startswith(f"{ISBN}:abebooks:")
    assert second.source_listing_id.startswith(f"{ISBN}:biblio:")
    assert reply.answer.problems == ()


def test_it_is_off_until_switched_on_shares_decodos_account_and_keeps_no_page() -> None:
    assert not SOURCE.active_by_default
    assert SOURCE.allowance == DecodoAmazon.allowance == "decodo"
    terms = SOURCE.licence
    assert (terms.train, terms.redistribute, terms.store_payloads) == ("no", False, False)
    assert SOURCE.cost_per_call_usd > DecodoAmazon.cost_per_call_usd


def test_no_seller_gets_in() -> None:
    bad = card(2, usdprice=SELLER[:3], usdshipping="x", title=None)
    answer = read(card(1), card(3, usdshipping="x"), bad)
    assert len(answer.listings) == 2
    assert answer.problems
    assert "Quillfeather" not in repr(answer)
    other = read(card(1, seller="Somebody Else"))
    assert other.listings[0].source_listing_id == answer.listings[0].source_listing_id


def test_what_a_copy_is_stands_in_its_title_as_sellers_write_it() -> None:
    told = card(signed="true", firstedition="TRUE", binding="HARDCOVER")
    (listing,) = read(told).listings
    assert listing.title.endswith("(Signed, First Edition, Hardcover)")
    match = Matcher(Wanted("book", "The Lamplighter's Almanac", author="Ada Marlowe")).match(
        listing.title, condition=listing.condition or "", asked_by_identifier=True
    )
    assert match.belongs
    assert (match.variant.signed, match.variant.first_edition) == (True, True)
    (plain,) = read(card(binding="ANY", authors=None, condition="OTHER")).listings
    assert (plain.title, plain.condition) == ("The Lamplighter's Almanac", None)


def test_the_two_layouts_of_the_page_tell_of_each_offer_once() -> None:
    both = [card(1), card(2), card(3, usdprice="9")] * 2
    answer = read(*both)
    # Two of them are alike in all that is kept, and are two copies.
    assert [listing.price for listing in answer.listings] == [Decimal("12.5")] * 2 + [Decimal(9)]
    ids = [listing.source_listing_id for listing in answer.listings]
    assert ids[1] == f"{ids[0]}:2"
    unnamed = read(*[card(), card(), card(usdprice="9")] * 2)
    assert [listing.price for listing in unnamed.listings] == [Decimal("12.5"), Decimal(9)]


def test_an_offer_keeps_its_id_wherever_it_stands_and_loses_it_with_its_price() -> None:
    def ids(*cards: str) -> set[str]:
        return {listing.source_listing_id for listing in read(*cards).listings}

    assert ids(card(1), card(2, usdprice="9")) == ids(card(1, usdprice="9"), card(2))
    assert ids(card(1)) == ids(card(7, usdprice="12.50"))
    assert ids(card(1)).isdisjoint(ids(card(1, usdprice="12.51")))
    elsewhere = SOURCE.parse(book("9780000000002"), answered(page(card(1))))
    assert elsewhere.listings[0].source_listing_id not in ids(card(1))


def test_ebays_listings_and_rented_copies_are_left_out() -> None:
    rented = card(test_id="search-offer-card-RENTAL-USED-1")
    answer = read(card(1, affiliate="EBAY"), card(2, affiliate="EBAY_UK"), rented)
    assert (answer.result, answer.listings, answer.problems) == ("not_found", (), ())
    assert len(read(rented, card(1, affiliate="EBAY"), card(2)).listings) == 1


@pytest.mark.parametrize(
    ("price", "reason"),
    [(None, "missing"), ("", "not a number"), ("0", "not a price"), ("0.001", "not a price"),
     ("-4", "not an amount"), ("NaN", "not a number"), ("free", "not a number")],
)  # fmt: skip
def test_an_offer_without_a_price_is_a_problem_with_its_place(
    price: str | None, reason: str
) -> None:
    answer = read(card(1), card(2, usdprice=price))
    assert len(answer.listings) == 1
    (problem,) = answer.problems
    assert problem.startswith(f"results[0].content.offers[1].data-csa-c-usdprice: {reason}")
    with pytest.raises(UnparsablePayload, match="none of 1 offers"):
        read(card(1, usdprice=price))


def test_a_bad_postage_loses_the_postage_alone() -> None:
    answer = read(card(1, usdshipping="unknown"), card(2, usdshipping=None))
    assert [listing.shipping for listing in answer.listings] == [None, None]
    assert [problem.split(":")[0] for problem in answer.problems] == [
        "results[0].content.offers[0].data-csa-c-usdshipping"
    ]


def test_nothing_is_on_offer_only_where_bookfinder_says_so() -> None:
    answer = SOURCE.parse(book(), answered(job(NOTHING)))
    assert (answer.result, answer.problems) == ("not_found", ())
    in_a_script = f"{NAVIGATION}<script>'Sorry, we found no matching results'</script>"
    with pytest.raises(RetryableError, match="without its offers"):
        SOURCE.parse(book(), answered(job(in_a_script)))


@pytest.mark.parametrize("status", [200, 202])
def test_a_challenge_is_asked_again_and_is_never_nothing(status: int) -> None:
    reply, orders = over_a_socket(job(CHALLENGE, status), page(card(1)))
    assert (reply.result, len(orders)) == ("found", 2)
    blocked, orders = over_a_socket(job(CHALLENGE, status))
    assert blocked.result == "error"
    assert len(orders) > 1
    assert "challenge of AWS WAF" in (blocked.error or "")


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (job("", 403), RetryableError),
        (job("", 405), RetryableError),
        (job("", 613), RetryableError),
        (job("", 524), RetryableError),
        (job("", 404), PermanentError),
        (job("", 400), PermanentError),
        (job("", [1]), PermanentError),
        (job(""), UnparsablePayload),
        (job(None), UnparsablePayload),
        (job({"results": {}}), UnparsablePayload),
        (job("<h1>Access denied</h1>"), UnparsablePayload),
        ({"results": []}, UnparsablePayload),
        ([], UnparsablePayload),
        ({"message": "Authentication failed"}, CredentialsRefused),
        (page(), RetryableError),
    ],
)
def test_what_is_no_page_of_offers(query: ItemQuery, document: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        SOURCE.parse(query, answered(document))
    assert type(caught.value) is kind


def test_a_call_that_is_refused_or_not_done_is_decodos_to_explain(query: ItemQuery) -> None:
    with pytest.raises(RetryableError, match="not there yet"):
        SOURCE.parse(query, httpx.Response(204))
    with pytest.raises(CredentialsRefused, match="Unauthorized"):
        SOURCE.parse(query, answered({"message": "Unauthorized"}, 401))


@pytest.mark.parametrize("opened", ["<!--", "<a ", "<![CDATA[", "<script></"])
def test_a_page_that_is_cut_off_over_and_over_is_read_in_no_time(opened: str) -> None:
    answer = read(card(1), opened)
    assert len(answer.listings) == 1
    began = time.perf_counter()
    with pytest.raises(SourceError):
        SOURCE.parse(book(), answered(job(opened * 50_000)))
    assert time.perf_counter() - began < 5


marks = st.sampled_from(
    ["<", ">", "<!", "<!--", "<![", "]]>", "<?", "</", "&#", "&#x110000;", '"', "\x00", "<script>",
     "</script>", "<!DOCTYPE", card(1), card(2, usdprice="x"), NAVIGATION, NOTHING, CHALLENGE]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(marks | st.text(max_size=8), max_size=8).map("".join))
def test_any_html_is_an_answer_or_a_named_error(html: str) -> None:
    try:
        answer = SOURCE.parse(book(), answered(job(html)))
    except SourceError:
        return
    assert (answer.result == "found") is bool(answer.listings)
    assert all(": " in problem for problem in answer.problems)
    for listing in answer.listings:
        assert round(listing.price, 2) > 0
        assert len(listing.source_listing_id) <= 128


words = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
amounts = st.decimals(Decimal("0.01"), Decimal(99_999), places=2)
offers = st.fixed_dictionaries(
    {
        "affiliate": st.sampled_from(["ABEBOOKS", "AMAZON_USA", "ZVAB", "ALIBRIS"]),
        "title": words,
        "usdprice": amounts,
        "usdshipping": amounts,
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(offers, min_size=1, max_size=6))
def test_offers_come_back_as_they_were_written(given_offers: list[dict[str, Any]]) -> None:
    cards = [
        card(rank, **{name: str(value) for name, value in offer.items()}, authors="", binding="")
        for rank, offer in enumerate(given_offers)
    ]
    answer = read(*cards * 2)
    assert answer.problems == ()
    told = Counter(
        (entry.source_listing_id.split(":")[1], entry.title, entry.price, entry.shipping)
        for entry in answer.listings
    )
    assert told == Counter(
        (o["affiliate"].lower(), o["title"], o["usdprice"], o["usdshipping"]) for o in given_offers
    )
    assert len({entry.source_listing_id for entry in answer.listings}) == len(given_offers)
