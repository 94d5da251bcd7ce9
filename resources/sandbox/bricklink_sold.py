"""BrickLink's price guide of sales as the sandbox plays it: orders of the last six months."""

from typing import ClassVar

from resources.sandbox.bricklink import ITEMS, BrickLink, envelope, price_guide
from resources.sandbox.wire import Call, Reply


class BrickLinkSold(BrickLink):
    """Orders of a minifigure."""

    source: ClassVar[str] = "bricklink_sold"
    path: ClassVar[str] = f"{ITEMS}/price"

    def answer(self, call: Call) -> Reply:
        """Return the figure's orders, line by line."""
        if call.params.get("guide_type", "stock") != "sold":
            message = "the sandbox tells of sold under this address only"
            return envelope(400, "PARAMETER_MISSING_OR_INVALID", message)
        return price_guide(call, self, lambda number: self.collectibles.orders(number, call.now))
