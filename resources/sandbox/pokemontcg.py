"""pokemontcg.io as the sandbox plays it: ``/v2/cards/base1-4``.

Keys are optional, and so not looked at. Only cards of a trading card game are known. Prices
are estimates by printing: holofoil for what is rare, normal for the rest, and a reverse
holofoil for half of the cards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from pricing_assets.core.categories.card import is_game_card
from resources.sandbox.collectible_vendor import CollectibleVendor
from resources.sandbox.collectibles import Card, cards_by_identifier
from resources.sandbox.wire import Call, Reply, stable_number

_IMAGES = "https://images.pokemontcg.sandbox.invalid"
_PRICES = "https://prices.pokemontcg.sandbox.invalid/tcgplayer"


@dataclass
class PokemonTcg(CollectibleVendor):
    """Metadata and estimates of cards."""

    cards: Mapping[str, Card] = field(default_factory=cards_by_identifier)
    source: ClassVar[str] = "pokemontcg"
    path: ClassVar[str] = "/v2/cards/{card_id}"

    def refusal(self, call: Call) -> Reply | None:
        """Let everyone in."""
        return None

    def throttled(self) -> Reply:
        """Answer that the requests come too fast."""
        error = {"message": "Rate limit exceeded.", "code": 429}
        return Reply(429, {"error": error}, {"Retry-After": "1"})

    def answer(self, call: Call) -> Reply:
        """Return the card."""
        identifier = call.path_params["card_id"].lower()
        card = self.cards.get(identifier)
        known = card and is_game_card(identifier) and self.knows(identifier)
        if card is None or not known:
            error = {"message": "The requested resource was not found.", "code": 404}
            return Reply(404, {"error": error})
        estimate = self.collectibles.estimate(identifier, call.now)
        document = {"data": card_document(card, call.path_params["card_id"], estimate, call.now)}
        return Reply(200, document, asked=(identifier,))


def card_document(card: Card, card_id: str, estimate: float, now: datetime) -> dict[str, Any]:
    """Return a card.

    Args:
        card_id: As it was asked for: the vendor's spelling has capitals.
        estimate: What the card is worth, in USD.
    """
    set_code, _, number = card_id.rpartition("-")
    picture = f"{_IMAGES}/{set_code}/{number}"
    main = "holofoil" if "Rare" in card.rarity or "Promo" in card.rarity else "normal"
    prices = {main: _prices(estimate)}
    if stable_number("reverse", card.identifier) & 1:
        prices["reverseHolofoil"] = _prices(estimate * 0.8)
    return {
        "id": card_id,
        "name": card.name,
        "supertype": "Pokémon",
        "set": {
            "id": set_code,
            "name": card.set_name,
            "releaseDate": card.released.replace("-", "/"),
        },
        "number": card.number,
        "rarity": card.rarity,
        "images": {"small": f"{picture}.png", "large": f"{picture}_hires.png"},
        "tcgplayer": {
            "url": f"{_PRICES}/{card_id}",
            "updatedAt": f"{now:%Y/%m/%d}",
            "prices": prices,
        },
    }


def _prices(market: float) -> dict[str, float | None]:
    return {
        "low": round(market * 0.7, 2),
        "mid": round(market * 1.2, 2),
        "high": round(market * 3, 2),
        "market": max(0.01, round(market, 2)),
        "directLow": None,
    }
