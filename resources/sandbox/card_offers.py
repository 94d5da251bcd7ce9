"""What the sandbox shows to a search for a card: simulated sales and offers of copies of it.

The dates and the level of the prices are those of the collectibles' market for the card that
the words name. One that the sandbox knows is named by all words of its name, set and number, and
of the year where it is of no trading card game, in any order; any other by what is read of it,
year or set, and number or name. A search finds more than was meant: raw and graded copies,
another parallel, another number of the same set, each at a price of its own.

Not here: the form in which a vendor tells of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from pricing_assets.core.card_titles import CardTitle, read_card_title, set_as_sold
from pricing_assets.core.categories.card import is_game_card
from pricing_assets.core.title_words import plain, plain_words
from resources.sandbox.collectible_market import CollectibleMarket, Lot
from resources.sandbox.collectibles import cards_by_identifier
from resources.sandbox.market import Offer
from resources.sandbox.wire import stable_number

SOLD_WINDOW = timedelta(days=90)

_COPIES = (
    *((45, "", 1.0), (65, "PSA 10", 4.0), (80, "PSA 9", 1.8)),
    *((90, "parallel", 6.0), (100, "other number", 0.4)),
)
"""Of a hundred copies up to which one, what sets them apart, and their price over a raw one's."""


@dataclass(frozen=True, slots=True)
class _Named:
    """A card that words name.

    Attributes:
        key: Under which the market has it.
        game: What its titles begin with.
        parallel: The name of its dearer parallel, of which `run` copies were made.
    """

    key: str
    card: CardTitle
    game: str = ""
    parallel: str = "gold refractor"
    run: int | None = 50


def card_offers(seed: int, query: str, now: datetime, *, sold: bool) -> list[tuple[str, Offer]]:
    """Return the titles and listings that a search for a card finds, the latest first.

    Nothing where the words name no card by its year or set.
    """
    named = _known().get(_any_order(query)) or _by_facts(query)
    if named is None:
        return []
    market = CollectibleMarket(seed)
    lots = market.orders(named.key, now) if sold else market.stock(named.key, now)
    return [_copy(named, lot) for lot in lots if not sold or now - lot.at <= SOLD_WINDOW]


@cache
def _known() -> Mapping[tuple[str, ...], _Named]:
    """Return the cards that the sandbox knows, by the words of their facts."""
    found = {}
    for key, card in cards_by_identifier().items():
        if is_game_card(key):
            set_name = set_as_sold(card.set_name)
            title = CardTitle(card.released[:4], set_name, card.number, card.name)
            words = f"{card.name} {set_name} {card.number}"
            found[_any_order(words)] = _Named(key, title, "Pokemon", "reverse holo", None)
        else:
            found[_any_order(key)] = _Named(key, read_card_title(key))
    return found


def _any_order(text: str) -> tuple[str, ...]:
    return tuple(sorted(plain_words(plain(text))))


def _by_facts(query: str) -> _Named | None:
    card = read_card_title(query)
    if not card.identifier or not (card.year or card.set_name):
        return None
    return _Named(card.identifier, card)


def _copy(named: _Named, lot: Lot) -> tuple[str, Offer]:
    number = stable_number("copy", named.key, lot.at.isoformat(), lot.price)
    kind, factor = next((kind, factor) for upto, kind, factor in _COPIES if number % 100 < upto)
    auction = number >> 16 & 1
    offer = Offer(
        listing_id=f"99{number % 10**16:016d}",
        price_cents=max(99, round(float(lot.price) * factor * 100)),
        shipping_cents=(0, 100, 499)[number >> 24 & 1],
        condition="Graded" if kind.startswith("PSA") else "Ungraded",
        listing_type="auction" if auction else "fixed_price",
        bids=1 + (number >> 32) % 30 if auction else 0,
        signed=False,
        at=lot.at,
        until=lot.until,
    )
    return _title(named, kind), offer


def _title(named: _Named, kind: str) -> str:
    card = named.card
    number = card.number.upper()
    if kind == "other number":
        number = f"{number or 'NN'}9"
    parallel, run = card.parallel, card.print_run
    if kind == "parallel":
        parallel, run = named.parallel, named.run
    parts = (
        named.game,
        card.year,
        card.set_name.title(),
        card.player.title(),
        parallel.title(),
        f"#{number}" if number else "",
        f"/{run}" if run else "",
        kind if kind.startswith("PSA") else "",
        "(simulated)",
    )
    return " ".join(part for part in parts if part)
