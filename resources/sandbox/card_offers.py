"""What the sandbox shows to a search for a card: simulated sales and offers of copies of it.

The dates and the level of the prices are those of the collectibles' market for the card that
the words name. A search finds more than was meant: raw and graded copies, another parallel,
another number of the same set, each at a price of its own.

Not here: the form in which a vendor tells of them.
"""

from datetime import datetime, timedelta

from pricing_assets.core.card_titles import CardTitle, read_card_title
from resources.sandbox.collectible_market import CollectibleMarket, Lot
from resources.sandbox.market import Offer
from resources.sandbox.wire import stable_number

SOLD_WINDOW = timedelta(days=90)

_COPIES = (
    *((45, "", 1.0), (65, "PSA 10", 4.0), (80, "PSA 9", 1.8)),
    *((90, "Gold", 6.0), (100, "other number", 0.4)),
)
"""Of a hundred copies up to which one, what sets them apart, and their price over a raw one's."""


def card_offers(seed: int, query: str, now: datetime, *, sold: bool) -> list[tuple[str, Offer]]:
    """Return the titles and listings that a search for a card finds, the latest first.

    Nothing where the words name no card by its year or set.
    """
    card = read_card_title(query)
    if not card.identifier or not (card.year or card.set_name):
        return []
    market = CollectibleMarket(seed)
    lots = market.orders(card.identifier, now) if sold else market.stock(card.identifier, now)
    return [_copy(card, lot) for lot in lots if not sold or now - lot.at <= SOLD_WINDOW]


def _copy(card: CardTitle, lot: Lot) -> tuple[str, Offer]:
    number = stable_number("copy", card.identifier, lot.at.isoformat(), lot.price)
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
    return _title(card, kind), offer


def _title(card: CardTitle, kind: str) -> str:
    number = card.number.upper()
    if kind == "other number":
        number = f"{number or 'NN'}9"
    parallel = "gold refractor" if kind == "Gold" else card.parallel
    run = 50 if kind == "Gold" else card.print_run
    parts = (
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
