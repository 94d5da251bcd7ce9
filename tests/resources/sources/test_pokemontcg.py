import csv
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from pricing_assets.core.answers import Listing
from pricing_assets.core.categories.card import natural_key
from resources.sources.base import (
    CredentialsRefused,
    RetryableError,
    UnparsablePayload,
)
from resources.sources.credentials import Credentials
from resources.sources.pokemontcg import PokemonTcg, vendor_id
from tests.resources.sources.conftest import answered, item

SOURCE = PokemonTcg()
CARD = item("card", "lmp7-57")


def card(**changes: Any) -> dict[str, Any]:
    return {
        "id": "lmp7-57",
        "name": "Lanternfox-EX",
        "supertype": "Pokémon",
        "hp": "170",
        "set": {"id": "lmp7", "name": "Old Quays", "releaseDate": "2015/08/12"},
        "number": "57",
        "rarity": "Rare Holo EX",
        "images": {"small": "https://i.example/57.png", "large": "https://i.example/57_hires.png"},
        "tcgplayer": {
            "url": "https://prices.example/lmp7-57",
            "updatedAt": "2026/02/23",
            "prices": {
                "holofoil": {"low": 3.25, "mid": 6.0, "high": 14.9, "market": 4.65},
                "reverseHolofoil": {"low": 1.0, "market": None, "directLow": None},
            },
        },
    } | changes


def test_a_card() -> None:
    answer = SOURCE.parse(CARD, answered({"data": card()}))
    assert answer.fields == {
        "name": "Lanternfox-EX",
        "player_or_character": "Lanternfox",
        "set_name": "Old Quays",
        "year": 2015,
        "number": "57",
        "rarity": "Rare Holo EX",
        "image": "https://i.example/57_hires.png",
    }
    assert answer.listings == (
        Listing(
            source_listing_id="lmp7-57:holofoil:market",
            kind="estimate",
            title="Lanternfox-EX (holofoil)",
            price=Decimal("4.65"),
            currency="USD",
            listed_at=datetime(2026, 2, 23, tzinfo=UTC),
        ),
    )
    assert answer.problems == ()


def test_the_request_and_its_optional_key() -> None:
    request = SOURCE.request(item("card", "smp-sm210"), Credentials({"POKEMONTCG_API_KEY": "k"}))
    assert request.url.path == "/v2/cards/smp-SM210"
    assert request.headers["X-Api-Key"] == "k"
    assert "X-Api-Key" not in SOURCE.request(CARD, Credentials({})).headers
    assert SOURCE.missing_credentials(Credentials({})) == []
    odd = SOURCE.request(item("card", "ex10-?"), Credentials({}))
    assert odd.url.raw_path == b"/v2/cards/ex10-%3F"


def test_an_estimate_is_never_a_sale() -> None:
    assert SOURCE.kind == "metadata"
    prices = {name: {"market": 1 + n, "low": 1} for n, name in enumerate(("normal", "1stEdition"))}
    answer = SOURCE.parse(CARD, answered({"data": card(tcgplayer={"prices": prices})}))
    assert [(e.kind, e.sold_at, e.listed_at) for e in answer.listings] == [
        ("estimate", None, None)
    ] * 2


def test_bad_parts_are_reported_and_the_rest_is_used() -> None:
    answer = SOURCE.parse(
        CARD,
        answered(
            {
                "data": card(
                    set={"name": None, "releaseDate": "soon"},
                    images="none",
                    rarity=None,
                    tcgplayer={
                        "updatedAt": "yesterday",
                        "prices": {
                            "normal": {"market": "?"},
                            "holofoil": 4,
                            "reverse": {"market": 0},
                            "foil": {"market": 2.5},
                            "other": {"market": 3.5},
                        },
                    },
                )
            }
        ),
    )
    assert set(answer.fields) == {"name", "player_or_character", "number"}
    assert [e.price for e in answer.listings] == [Decimal("2.5"), Decimal("3.5")]
    assert [problem.partition(": ")[0] for problem in answer.problems] == [
        "data.images",
        "data.tcgplayer.prices.normal.market",
        "data.tcgplayer.prices.holofoil",
        "data.tcgplayer.prices.reverse.market",
        "data.tcgplayer.updatedAt",
    ]


def test_a_card_without_prices_or_character() -> None:
    without: tuple[Any, ...] = (None, {}, {"prices": {}})
    for tcgplayer in without:
        trainer = card(supertype="Trainer", name="Harbour Master", tcgplayer=tcgplayer)
        answer = SOURCE.parse(CARD, answered({"data": trainer}))
        assert answer.listings == ()
        assert answer.problems == ()
        assert "player_or_character" not in answer.fields


@pytest.mark.parametrize(
    ("name", "character"),
    [
        ("Lanternfox", "Lanternfox"), ("Lanternfox ex", "Lanternfox"),
        ("Lanternfox VMAX", "Lanternfox"), ("Lanternfox-GX", "Lanternfox"),
        ("Lanternfox LV.X", "Lanternfox"), ("Dark Lanternfox", "Dark Lanternfox"),
        ("Lanternfox V-UNION", "Lanternfox"), ("V", "V"),
    ],
)  # fmt: skip
def test_the_character_is_the_name_without_its_mechanic(name: str, character: str) -> None:
    answer = SOURCE.parse(CARD, answered({"data": card(name=name)}))
    assert answer.fields["player_or_character"] == character


def test_our_card_is_found_on_a_page() -> None:
    page = {"data": [card(id="lmp7-1"), {"id": 5}, card()], "page": 1, "count": 3}
    answer = SOURCE.parse(CARD, answered(page))
    assert answer.fields["number"] == "57"
    assert answer.problems == ("data[1].name: missing",)
    none = SOURCE.parse(CARD, answered({"data": [card(id="lmp7-1")]}))
    assert none.result == "not_found"
    assert none.problems == ("data: 1 cards, none of which is lmp7-57",)
    assert SOURCE.parse(CARD, answered({"data": []})).problems == ()


@pytest.mark.parametrize("document", [[], {}, {"data": 3}, {"data": {}}, {"data": [{}, 4]}])
def test_what_is_no_card_is_unparsable(document: object) -> None:
    with pytest.raises(UnparsablePayload):
        SOURCE.parse(CARD, answered(document))


def test_errors_are_told_apart() -> None:
    missing = {"error": {"message": "The requested resource was not found.", "code": 404}}
    assert SOURCE.parse(CARD, answered(missing, 404)).result == "not_found"
    with pytest.raises(RetryableError, match="429: Rate limit"):
        SOURCE.parse(CARD, answered({"error": {"message": "Rate limit", "code": 429}}, 429))
    with pytest.raises(RetryableError, match="500: Server"):
        SOURCE.parse(CARD, answered({"error": "Server"}, 500))
    with pytest.raises(CredentialsRefused, match="401: no"):
        SOURCE.parse(CARD, answered({"error": "no"}, 401))
    with pytest.raises(UnparsablePayload, match="text/html"):
        SOURCE.parse(CARD, httpx.Response(200, html="<html>Checking your browser</html>"))


@pytest.mark.parametrize(
    ("key", "spelt"),
    [
        ("base1-4", "base1-4"), ("swsh12pt5gg-gg70", "swsh12pt5gg-GG70"),
        ("cel25c-15_a1", "cel25c-15_A1"), ("ecard3-50a", "ecard3-50a"), ("ex10-d", "ex10-D"),
        ("ex10-!", "ex10-!"), ("hgss4-four", "hgss4-FOUR"),
    ],
)  # fmt: skip
def test_the_vendors_spelling(key: str, spelt: str) -> None:
    assert vendor_id(key) == spelt


def test_the_vendors_spelling_of_every_card_of_the_reference_data(reference_data: Path) -> None:
    ids = set()
    for name, column in (
        ("pokemon_cards_tcgplayer", "id"),
        ("pokemon_tcgplayer_weekly_sales", "card_id"),
    ):
        with (reference_data / "datasets" / "cards" / f"{name}.csv").open(encoding="utf-8") as file:
            ids |= {row[column] for row in csv.DictReader(file)}
    assert len(ids) > 2_000
    assert {natural_key(card_id): card_id for card_id in ids} == {
        card_id.lower(): vendor_id(card_id.lower()) for card_id in ids
    }


def test_cards_of_sports_are_not_asked_about() -> None:
    assert SOURCE.covers(CARD)
    assert not SOURCE.covers(item("card", "1986|fleer|57|michael jordan"))
