"""BrickLink's price guide of the stock as the sandbox plays it: lots on offer."""

from typing import ClassVar

from resources.sandbox.bricklink import ITEMS, BrickLink, envelope, price_guide
from resources.sandbox.wire import Call, Reply


class BrickLinkStock(BrickLink):
    """Lots of a minifigure on offer."""

    source: ClassVar[str] = "bricklink_stock"
    path: ClassVar[str] = f"{ITEMS}/price"

    def answer(self, call: Call) -> Reply:
        """Return the figure's lots, line by line."""
        if call.params.get("guide_type", "stock") != "stock":
            message = "the sandbox tells of stock under this address only"
            return envelope(400, "PARAMETER_MISSING_OR_INVALID", message)
        return price_guide(call, self, lambda number: self.collectibles.stock(number, call.now))
