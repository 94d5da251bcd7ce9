"""The simulated vendors of cards and minifigures, asked by the platform's own clients."""

import asyncio
import functools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from pricing_assets.core.categories.card import is_game_card
from resources.clock import Clock
from resources.sandbox import base_path, credential
from resources.sandbox.bricklink_catalogue import BrickLinkCatalogue
from resources.sandbox.bricklink_sold import BrickLinkSold
from resources.sandbox.collectible_market import CollectibleMarket
from resources.sandbox.collectibles import Card, Minifigure, bundled_cards, bundled_minifigures
from resources.sandbox.market import Market
from resources.sandbox.process import SandboxProcess
from resources.sandbox.wire import Call
from resources.settings import Settings
from resources.source_access import SourceAccess
from resources.sources import registered_sources
from resources.sources.client import Reply, SourceClient
from resources.sources.credentials import Credentials
from resources.sources.oauth1 import OAuth1
from tests.resources.sandbox.test_server import unknown_names
from tests.resources.sources.conftest import item

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
MARKET = CollectibleMarket(0)
FIGURES = bundled_minifigures()
CARDS = bundled_cards()
SOURCES = ("bricklink_catalogue", "bricklink_sold", "bricklink_stock", "rebrickable", "pokemontcg")
KEYS = {
    "BRICKLINK_CONSUMER_KEY": credential("BRICKLINK_CONSUMER_KEY"),
    "BRICKLINK_CONSUMER_SECRET": credential("BRICKLINK_CONSUMER_SECRET"),
    "BRICKLINK_TOKEN": credential("BRICKLINK_TOKEN"),
    "BRICKLINK_TOKEN_SECRET": credential("BRICKLINK_TOKEN_SECRET"),
    "REBRICKABLE_API_KEY": credential("REBRICKABLE_API_KEY"),
}
KNOWN_BL = [
    figure
    for figure in FIGURES
    if not figure.number.startswith("fig-")
    and all(MARKET.knows(source, figure.number) for source in SOURCES[:3])
]


@functools.cache
def lively() -> Minifigure:
    """The one with most orders: to look takes 0.3 s, which who only collects tests need not."""
    return max(KNOWN_BL, key=lambda figure: len(MARKET.orders(figure.number, NOW)))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with SandboxProcess(size=10) as process:
        yield process.url


def ask(url: str, name: str, *items: tuple[str, str], **changes: str) -> list[Reply]:
    """Ask one source about items, with the sandbox's credentials or changed ones."""

    async def scenario() -> list[Reply]:
        async with SourceClient(
            Credentials(KEYS | changes),
            base_urls={source: url + base_path(source) for source in SOURCES},
            rate_overrides=dict.fromkeys(SOURCES, 500),
            headers={"X-Sandbox-Now": NOW.isoformat()},
            backoff_seconds=0.01,
        ) as client:
            source = registered_sources()[name]
            return [await client.ask(source, item(category, key)) for category, key in items]

    return asyncio.run(scenario())


def figure_known_to(source: str, *, rebrickable: bool) -> Minifigure:
    return next(
        figure
        for figure in FIGURES
        if figure.number.startswith("fig-") == rebrickable and MARKET.knows(source, figure.number)
    )


def test_bricklink_tells_the_orders_of_the_market(url: str) -> None:
    (reply,) = ask(url, "bricklink_sold", ("minifigure", lively().number))
    orders = MARKET.orders(lively().number, NOW)
    assert reply.answer is not None
    assert reply.answer.problems == ()
    assert [(e.quantity, e.price, e.sold_at) for e in reply.answer.listings] == [
        (order.quantity, Decimal(order.price), order.at) for order in orders
    ]
    assert len({e.source_listing_id for e in reply.answer.listings}) == len(orders) > 50
    assert reply.content_type == "text/html;charset=utf-8"


def test_bricklink_tells_the_stock_of_the_market(url: str) -> None:
    (reply,) = ask(url, "bricklink_stock", ("minifigure", lively().number))
    lots = MARKET.stock(lively().number, NOW)
    assert reply.answer is not None
    assert [(e.quantity, e.price, e.sold_at, e.kind) for e in reply.answer.listings] == [
        (lot.quantity, Decimal(lot.price), None, "ask") for lot in lots
    ]
    assert len(lots) > 10


def test_bricklinks_catalogue_describes_a_figure(url: str) -> None:
    with_brackets = next(f for f in KNOWN_BL if "(" in f.name)
    replies = ask(
        url,
        "bricklink_catalogue",
        ("minifigure", with_brackets.number),
        ("minifigure", lively().number),
    )
    for reply, figure in zip(replies, (with_brackets, lively()), strict=True):
        assert reply.answer is not None
        assert reply.answer.problems == ()
        assert reply.answer.fields["name"] == figure.name
        assert reply.answer.fields.get("year") == figure.year
        assert str(reply.answer.fields["image"]).startswith("https://img.bricklink.sandbox.invalid")


def test_rebrickable_describes_a_figure(url: str) -> None:
    figure = figure_known_to("rebrickable", rebrickable=True)
    (reply,) = ask(url, "rebrickable", ("minifigure", figure.number))
    assert reply.answer is not None
    assert reply.answer.fields["name"] == figure.name
    assert reply.answer.fields["part_count"] == figure.part_count


def test_pokemontcg_describes_a_card_and_estimates_it(url: str) -> None:
    known = [
        c for c in CARDS if is_game_card(c.identifier) and MARKET.knows("pokemontcg", c.identifier)
    ]
    odd = next(c for c in known if c.identifier == "ex6-105" or "_" in c.identifier)
    replies = ask(url, "pokemontcg", ("card", known[0].identifier), ("card", odd.identifier))
    for reply, card in zip(replies, (known[0], odd), strict=True):
        _check_card(reply, card)


def _check_card(reply: Reply, card: Card) -> None:
    assert reply.answer is not None
    assert reply.answer.problems == ()
    assert reply.answer.fields["name"] == card.name
    assert reply.answer.fields["year"] == int(card.released[:4])
    estimate = MARKET.estimate(card.identifier, NOW)
    assert reply.answer.listings
    assert float(reply.answer.listings[0].price) == pytest.approx(estimate, abs=0.0051)
    assert {e.kind for e in reply.answer.listings} == {"estimate"}
    assert {e.listed_at for e in reply.answer.listings} == {datetime(2026, 11, 3, tzinfo=UTC)}


@pytest.mark.parametrize("name", SOURCES)
def test_what_a_source_lacks_is_not_found(url: str, name: str) -> None:
    category = "card" if name == "pokemontcg" else "minifigure"
    pool = [c.identifier for c in CARDS if c.identifier.startswith("sbx")]
    if category == "minifigure":
        pool = [f.number for f in FIGURES if f.number.startswith("fig-") == (name == "rebrickable")]
    lacking = next(key for key in pool if not MARKET.knows(name, key))
    nowhere = {"card": "sbx99-99", "minifigure": "zzz0001"}[category]
    if name == "rebrickable":
        nowhere = "fig-999999"
    replies = ask(url, name, (category, lacking), (category, nowhere))
    assert [(reply.result, reply.error, reply.attempts) for reply in replies] == [
        ("not_found", None, 1)
    ] * 2


@pytest.mark.parametrize(
    ("name", "variable", "words"),
    [
        ("bricklink_sold", "BRICKLINK_CONSUMER_KEY", "CONSUMER_KEY_UNKNOWN"),
        ("bricklink_stock", "BRICKLINK_TOKEN", "TOKEN_VALUE_UNKNOWN"),
        ("bricklink_catalogue", "BRICKLINK_TOKEN_SECRET", "SIGNATURE_INVALID"),
        ("bricklink_sold", "BRICKLINK_CONSUMER_SECRET", "SIGNATURE_INVALID"),
        ("rebrickable", "REBRICKABLE_API_KEY", "Invalid token"),
    ],
)
def test_wrong_credentials_are_refused(url: str, name: str, variable: str, words: str) -> None:
    figure = figure_known_to(name, rebrickable=name == "rebrickable")
    (reply,) = ask(url, name, ("minifigure", figure.number), **{variable: "wrong-one"})
    assert reply.result == "error"
    assert words in (reply.error or "")
    assert "wrong-one" not in (reply.error or "")
    assert reply.status == (401 if name == "rebrickable" else 200)


def test_bricklink_refuses_unsigned_old_and_repeated_requests(url: str) -> None:
    target = f"{url}/bricklink_catalogue/api/store/v1/items/MINIFIG/{lively().number}"

    def reason(**clocks: Any) -> str:
        secrets = tuple(
            KEYS[name] for name in registered_sources()["bricklink_sold"].credential_names
        )
        response = httpx.get(target, auth=OAuth1(*secrets, **clocks) if clocks else None)
        assert response.status_code == 200
        return str(response.json()["meta"]["description"])

    assert reason().startswith("OAUTH_PARAMETER_MISSING")
    assert reason(clock=lambda: 1_000_000_000).startswith("TIMESTAMP_REFUSED")
    assert reason(nonce=lambda: "once") == "OK"
    assert reason(nonce=lambda: "once").startswith("NONCE_USED")


def test_bricklink_forgets_old_nonces() -> None:
    time_now = [1_000_000.0]
    vendor = BrickLinkCatalogue({}, Market(0), clock=lambda: time_now[0])
    auth = OAuth1(*list(KEYS.values())[:4], clock=lambda: time_now[0])

    def refused() -> bool:
        request = next(auth.auth_flow(httpx.Request("GET", "http://sandbox/x?b=2&a=1%20c")))
        return vendor.refusal(Call({}, request.headers, NOW, url=str(request.url))) is not None

    assert not refused()
    time_now[0] += 601
    assert not refused()
    assert len(vendor._nonces) == 1


def test_bricklink_is_new_and_vat_checked_unless_told() -> None:
    vendor = BrickLinkSold({}, Market(0))
    path = {"type": "minifig", "number": lively().number.upper()}

    def guide(**params: str) -> Any:
        return vendor.answer(
            Call({"guide_type": "sold"} | params, {}, NOW, path_params=path)
        ).document

    new, used = guide(), guide(new_or_used="U")
    assert (new["data"]["new_or_used"], used["data"]["new_or_used"]) == ("N", "U")
    assert float(new["data"]["avg_price"]) == pytest.approx(
        1.5 * float(used["data"]["avg_price"]), abs=0.001
    )
    assert used["data"]["unit_quantity"] == len(used["data"]["price_detail"])
    # A wrong region is taken for the whole world; a wrong VAT is an error.
    assert guide(new_or_used="U", region="atlantis") == used
    assert guide(vat="X")["meta"]["code"] == 400
    assert guide(new_or_used="X")["meta"]["code"] == 400
    assert guide(guide_type="stock")["meta"]["code"] == 400


def test_the_sandbox_profile_reaches_every_source_with_its_credentials(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRICING_SANDBOX_URL", url)
    settings = Settings.from_env()
    assert settings.profile == "sandbox"

    async def scenario() -> list[Reply]:
        with SourceAccess(settings, Clock(NOW)) as access:
            async with access.client() as client:
                return [
                    await client.ask(access.sources[name], item(category, key))
                    for name, category, key in (
                        ("bricklink_sold", "minifigure", lively().number),
                        ("bricklink_stock", "minifigure", lively().number),
                        ("bricklink_catalogue", "minifigure", lively().number),
                        ("rebrickable", "minifigure", "fig-900001"),
                        ("pokemontcg", "card", "sbx1-1"),
                    )
                ]

    replies = asyncio.run(scenario())
    assert [reply.error for reply in replies] == [None] * 5
    assert {reply.source for reply in replies} == {f"sandbox:{name}" for name in SOURCES}


def test_the_rate_is_held_and_says_how_to_wait() -> None:
    with SandboxProcess(size=10, rate=2) as process, httpx.Client(base_url=process.url) as own:
        key = {"Authorization": f"key {credential('REBRICKABLE_API_KEY')}"}
        paths = {
            "/rebrickable/api/v3/lego/minifigs/fig-900001/": "available in 1 second",
            "/pokemontcg/v2/cards/sbx1-1": "Rate limit",
        }
        for path, words in paths.items():
            replies = [own.get(path, headers=key) for _ in range(4)]
            assert [reply.status_code == 429 for reply in replies] == [False, False, True, True]
            assert words in replies[-1].text


def test_names_are_those_of_recorded_responses(url: str, reference_data: Path) -> None:
    payloads = reference_data / "payloads"

    def recorded(*names: str) -> list[Any]:
        return [json.loads((payloads / name).read_text()) for name in names]

    def body(name: str, category: str, key: str) -> Any:
        (reply,) = ask(url, name, (category, key))
        assert reply.result == "found"
        return json.loads(reply.body)

    guide = recorded("bricklink/price_guide_sold_composed.json", "bricklink/docs_price_guide.json")
    ours = body("bricklink_sold", "minifigure", lively().number)
    assert unknown_names(ours, guide) == set()
    ours = body("bricklink_stock", "minifigure", lively().number)
    # In the documentation, whose example has no line of a lot on offer.
    beyond = {f".data.price_detail[].{name}" for name in ("qunatity", "shipping_available")}
    assert unknown_names(ours, guide) == beyond
    ours = body("bricklink_catalogue", "minifigure", lively().number)
    assert unknown_names(ours, recorded("bricklink/docs_item.json")) == set()
    figure = figure_known_to("rebrickable", rebrickable=True)
    (sets,) = recorded("rebrickable/lego_sets_cmf_a.json")
    assert unknown_names(body("rebrickable", "minifigure", figure.number), sets["results"]) == set()
    card = next(c for c in CARDS if MARKET.knows("pokemontcg", c.identifier))
    (page,) = recorded("pokemontcg/query_cards_pageSize.json")
    theirs = [*recorded("pokemontcg/one_card.json"), *({"data": c} for c in page["data"])]
    ours = body("pokemontcg", "card", card.identifier)
    assert unknown_names(ours, theirs) <= {".data.tcgplayer.prices.normal"}
