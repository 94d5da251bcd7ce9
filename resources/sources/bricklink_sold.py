"""BrickLink's price guide of the last six months: what used minifigures were sold for.

The window leaks: a sale can be missing from one answer and be in the next.
"""

from datetime import timedelta
from typing import Any

import httpx

from pricing_assets.core.answers import Answer, ItemQuery
from resources.sources.bricklink import BrickLink, price_guide_request, read_price_guide
from resources.sources.credentials import Credentials


class BrickLinkSold(BrickLink):
    """Orders of a minifigure, with their dates."""

    name = "bricklink_sold"
    kind = "sold"
    venue = "bricklink"
    freshness = timedelta(days=30)

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Ask for what was ordered."""
        return price_guide_request(self, query, "sold")

    def read_data(self, query: ItemQuery, data: dict[str, Any]) -> Answer:
        """Read orders."""
        return read_price_guide(query, data, "sold")
