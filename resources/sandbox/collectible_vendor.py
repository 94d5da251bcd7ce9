"""A simulated vendor of cards or minifigures: the market and the knowledge that it tells of.

Not here: any vendor's own format (one module each).
"""

from resources.sandbox.collectible_market import CollectibleMarket
from resources.sandbox.wire import Vendor


class CollectibleVendor(Vendor):
    """One simulated source of collectibles; of books it knows none."""

    def __post_init__(self) -> None:
        """Open the market of the same seed."""
        self.collectibles = CollectibleMarket(self.market.seed)

    def knows(self, key: str) -> bool:
        """Whether it has ever heard of the item with this natural key."""
        return self.collectibles.knows(self.source, key)
