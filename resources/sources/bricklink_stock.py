"""BrickLink's price guide of the stores' stock: what used minifigures are offered for now."""

from datetime import timedelta
from typing import Any

import httpx

from pricing_assets.core.answers import Answer, ItemQuery
from resources.sources.bricklink import BrickLink, price_guide_request, read_price_guide
from resources.sources.credentials import Credentials


class BrickLinkStock(BrickLink):
    """Lots of a minifigure on offer. Asks, never sales."""

    name = "bricklink_stock"
    kind = "ask"
    freshness = timedelta(days=3)

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Ask for what is in stock."""
        return price_guide_request(self, query, "stock")

    def read_data(self, query: ItemQuery, data: dict[str, Any]) -> Answer:
        """Read lots."""
        return read_price_guide(query, data, "ask")
