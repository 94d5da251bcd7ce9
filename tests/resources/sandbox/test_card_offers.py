"""What a search for a card finds in the sandbox, and that the platform's readers can ask for it."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.categories.card import is_game_card, search_words
from pricing_assets.core.matching import Matcher, wanted_item
from resources.sandbox import base_path, credential
from resources.sandbox.card_offers import SOLD_WINDOW, card_offers
from resources.sandbox.collectible_market import CollectibleMarket
from resources.sandbox.collectibles import Card, bundled_cards
from resources.sandbox.process import SandboxProcess
from resources.sources import registered_sources
from resources.sources.client import Reply, SourceClient
from resources.sources.credentials import Credentials
from tests.resources.sources.conftest import item

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
MARKET = CollectibleMarket(0)
CARDS = bundled_cards(120)


def fields(card: Card) -> dict[str, object]:
    return {
        "name": card.name,
        "set_name": card.set_name,
        "number": card.number,
        "year": int(card.released[:4]),
    }


def words(card: Card) -> str:
    return search_words(card.identifier, fields(card))


def sold_lately(card: Card) -> list[float]:
    orders = MARKET.orders(card.identifier, NOW)
    return [float(order.price) for order in orders if NOW - order.at <= SOLD_WINDOW]


LIVELY = next(
    card
    for card in CARDS
    if is_game_card(card.identifier)
    and 20 < len(sold_lately(card)) < 100
    and len(MARKET.stock(card.identifier, NOW)) > 10
)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.identifier)
def test_the_words_of_every_known_card_find_its_own_market(card: Card) -> None:
    orders = [o for o in MARKET.orders(card.identifier, NOW) if NOW - o.at <= SOLD_WINDOW]
    found = card_offers(0, words(card), NOW, sold=True)
    assert [offer.at for _, offer in found] == [order.at for order in orders]
    assert len(card_offers(0, words(card), NOW, sold=False)) == len(
        MARKET.stock(card.identifier, NOW)
    )
    assert all(title.endswith("(simulated)") or "PSA" in title for title, _ in found)


@given(st.sampled_from(CARDS), st.randoms(use_true_random=False))
def test_the_order_of_the_words_is_nothing_to_a_search(card: Card, rng: random.Random) -> None:
    mixed = words(card).split()
    rng.shuffle(mixed)
    assert card_offers(0, " ".join(mixed), NOW, sold=True) == card_offers(
        0, words(card), NOW, sold=True
    )


def test_words_that_name_no_card_find_nothing() -> None:
    for text in ("", "blastoise", "wooden lamp", "9780316769174"):
        assert card_offers(0, text, NOW, sold=True) == []


def test_of_what_is_found_the_plain_copies_alone_are_the_card() -> None:
    kinds: Counter[tuple[str, bool]] = Counter()
    for card in CARDS:
        matcher = Matcher(wanted_item("card", card.identifier, fields(card)))
        prices = []
        for title, offer in card_offers(0, words(card), NOW, sold=True):
            judged = matcher.match(title, condition=offer.condition)
            kind = judged.variant.own_price or "plain"
            kinds[kind, judged.belongs] += 1
            if kind == "plain" and judged.belongs:
                prices.append(offer.price_cents / 100)
        if len(prices) > 20:
            # Neither a parallel at six times nor another number at 0.4 times the price is among.
            wanted = max(0.99, median(sold_lately(card)))  # nobody sells for less
            assert median(prices) == pytest.approx(wanted, rel=0.25)
    assert kinds["plain", True] > kinds["psa 10", True] > kinds["psa 9", True] > 50
    assert kinds["plain", False] > 100
    # Nearly half of what is found are plain copies: hardly one is lost.
    assert kinds["plain", True] > 0.4 * kinds.total()


def ask(url: str, *text: str) -> list[Reply]:
    names = ("searchapi_ebay_sold", "serpapi_ebay_sold", "ebay_browse")
    sources = {name: registered_sources()[name] for name in names}
    keys = {key: credential(key) for s in sources.values() for key in s.credential_names}

    async def scenario() -> list[Reply]:
        async with SourceClient(
            Credentials(keys),
            base_urls={name: url + base_path(name) for name in sources},
            rate_overrides=dict.fromkeys(sources, 500),
            headers={"X-Sandbox-Now": NOW.isoformat()},
            backoff_seconds=0.01,
        ) as client:
            return [
                await client.ask(source, item("card", LIVELY.identifier, words=said))
                for source in sources.values()
                for said in text
            ]

    return asyncio.run(scenario())


def test_every_reader_finds_a_card_by_its_words_and_asks_nothing_without_them() -> None:
    with SandboxProcess(size=10) as sandbox:
        replies = ask(sandbox.url, words(LIVELY), "")
    asked, unasked = replies[::2], replies[1::2]
    for reply, sold in zip(asked, (True, True, False), strict=True):
        assert reply.answer is not None
        assert reply.answer.problems == ()
        expected = card_offers(0, words(LIVELY), NOW, sold=sold)
        assert len(reply.answer.listings) == len(expected) > 10
        assert {listing.title for listing in reply.answer.listings} == {t for t, _ in expected}
    for reply in unasked:
        assert (reply.result, reply.attempts, reply.body) == ("not_found", 0, b"")
        assert not reply.cost_usd
