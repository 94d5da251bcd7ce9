"""pokemontcg.io: metadata of Pokémon cards, with TCGplayer's market price of each printing.

Cards of other games and sports are not asked about: an identifier says what it is of. The
vendor's ids mind their case (``smp-SM210``, ``ecard3-50a``), ours do not.

The price is TCGplayer's own figure, made of sales that it does not show: an estimate, and
never a sale. The other figures (low, mid, high) are about what is on offer; they are left to
the payload. Languages other than English are not in it.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
from pydantic import Field

from pricing_assets.core.answers import Answer, ItemQuery, Listing
from pricing_assets.core.categories.card import is_game_card
from resources.sources import bibliographic, wire
from resources.sources.base import Licence, Source, UnparsablePayload
from resources.sources.credentials import Credentials
from resources.sources.wire import Amount, Text, Wire

# What a card's name has behind the Pokémon's own.
_MECHANIC = re.compile(r"(?:[ -](?:EX|GX|ex|V|VMAX|VSTAR|V-UNION|BREAK|LV\.X))+$")
_CAPITALS = re.compile(r"(?<![0-9a-z])[a-z]+")


class _Set(Wire):
    name: Text = ""
    released: Text = Field("", alias="releaseDate")


class _Images(Wire):
    small: Text = ""
    large: Text = ""


class _Prices(Wire):
    market: Amount | None = None


class _TcgPlayer(Wire):
    updated: Text = Field("", alias="updatedAt")
    prices: dict[str, Any] = Field(default_factory=dict)


class _Card(Wire):
    essential: ClassVar[frozenset[str]] = frozenset({"id", "name"})

    id: Text
    name: Text = Field(min_length=1)
    supertype: Text = ""
    number: Text = ""
    rarity: Text = ""
    card_set: _Set | None = Field(None, alias="set")
    images: _Images | None = None
    tcgplayer: _TcgPlayer | None = None


class PokemonTcg(Source):
    """Metadata of a card, and an estimate of its worth for each printing."""

    name = "pokemontcg"
    kind = "metadata"
    categories = ("card",)
    base_url = "https://api.pokemontcg.io"
    rate_per_second = 0.5  # 30 a minute without a key
    cost_per_call_usd = Decimal(0)
    freshness = timedelta(days=90)
    credential_names = ("POKEMONTCG_API_KEY",)
    optional_credential_names = ("POKEMONTCG_API_KEY",)
    not_found_statuses = frozenset({404})
    licence = Licence(
        store_payloads=True,
        payload_retention_days=None,
        display_max_age_hours=None,
        redistribute=False,
        train="with agreement",
        note=(
            "Pictures and texts belong to The Pokémon Company, and prices to TCGplayer; the API "
            "gives no licence to either."
        ),
    )

    def covers(self, query: ItemQuery) -> bool:
        """Whether the identifier is one of a trading card game's."""
        return is_game_card(query.natural_key)

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Ask for the card; without a key the limits are narrower."""
        key = credentials.get("POKEMONTCG_API_KEY")
        return httpx.Request(
            "GET",
            f"{self.base_url}/v2/cards/{quote(vendor_id(query.natural_key), safe='')}",
            headers={"X-Api-Key": key} if key else {},
        )

    def error_detail(self, response: httpx.Response) -> str:
        """Return ``error.message``."""
        try:
            match wire.read_json(response.content):
                case {"error": {"message": str(message)}} | {"error": str(message)}:
                    return wire.excerpt(message)
        except ValueError:
            pass
        return super().error_detail(response)

    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Read a card, or a page of cards that has ours."""
        match document:
            case {"data": dict(raw)}:
                cards, path = [raw], "data"
            case {"data": list(cards)}:
                path = "data[{}]"
            case _:
                raise UnparsablePayload("data", "neither a card nor a list of cards")
        problems: list[str] = []
        readable = 0
        for index, raw in enumerate(cards):
            where = path.format(index)
            card = _Card.read(raw, where, problems)
            readable += card is not None
            if card and card.id.lower() == query.natural_key:
                listings = tuple(_estimates(card, where, problems))
                return Answer("found", _fields(card), listings, tuple(problems))
        if cards and not readable:
            raise UnparsablePayload("data", f"no card can be read: {problems[0]}")
        if cards:
            problems.append(f"data: {len(cards)} cards, none of which is {query.natural_key}")
        return Answer("not_found", problems=tuple(problems))


def vendor_id(key: str) -> str:
    """Return the vendor's spelling of a card's identifier.

    Letters of the number are capitals (``SM210``, ``15_A1``) unless they follow a digit at
    once (``50a``); the set's are small.
    """
    set_code, _, number = key.rpartition("-")
    return f"{set_code}-{_CAPITALS.sub(lambda match: match[0].upper(), number)}"


def _fields(card: _Card) -> dict[str, str | int | float]:
    images = card.images
    return bibliographic.known(
        {
            "name": card.name,
            "player_or_character": (
                _MECHANIC.sub("", card.name) if card.supertype == "Pokémon" else None
            ),
            "set_name": card.card_set.name if card.card_set else None,
            "year": bibliographic.publication_year(card.card_set.released)
            if card.card_set
            else None,
            "number": card.number,
            "rarity": card.rarity,
            "image": (images.large or images.small) if images else None,
        }
    )


def _estimates(card: _Card, path: str, problems: list[str]) -> Iterator[Listing]:
    """Yield the market price of each printing, such as ``holofoil``; it is in US dollars."""
    if card.tcgplayer is None:
        return
    for printing, raw in card.tcgplayer.prices.items():
        where = f"{path}.tcgplayer.prices.{wire.excerpt(printing, 40)}"
        prices = _Prices.read(raw, where, problems)
        if prices is None or prices.market is None:
            continue
        if prices.market < Decimal("0.005"):  # stored to the cent, it would be nothing
            problems.append(f"{where}.market: not a price: '{prices.market}'")
            continue
        yield Listing(
            source_listing_id=f"{card.id}:{wire.excerpt(printing, 40)}:market",
            kind="estimate",
            title=f"{card.name} ({wire.excerpt(printing, 40)})",
            price=prices.market,
            currency="USD",
            listed_at=_day(card.tcgplayer.updated, f"{path}.tcgplayer.updatedAt", problems),
        )


def _day(text: str, path: str, problems: list[str]) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y/%m/%d").replace(tzinfo=UTC)
    except ValueError:
        if (problem := f"{path}: not a day: {wire.shown(text)}") not in problems:
            problems.append(problem)
        return None
