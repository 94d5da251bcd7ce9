"""BrickLink's catalogue: metadata of minifigures by its own numbers.

Names carry HTML entities, pictures come without a scheme, and the category is a number that
only another request would name; so there is no theme.
"""

import html
from datetime import timedelta
from typing import Any, ClassVar

import httpx
from pydantic import Field

from pricing_assets.core.answers import Answer, ItemQuery
from resources.sources import bibliographic
from resources.sources.base import UnparsablePayload
from resources.sources.bricklink import ITEM_TYPE, BrickLink, of_another_item
from resources.sources.credentials import Credentials
from resources.sources.wire import Count, Text, Wire


class _CatalogueItem(Wire):
    essential: ClassVar[frozenset[str]] = frozenset({"no", "name", "type"})

    no: Text
    name: Text = Field(min_length=1)
    type: Text
    category: Count | None = Field(None, alias="category_id", ge=1, le=1_000_000)
    year: Count | None = Field(None, alias="year_released", ge=1900, lt=2100)
    image: Text = Field("", alias="image_url")
    thumbnail: Text = Field("", alias="thumbnail_url")


class BrickLinkCatalogue(BrickLink):
    """Metadata of a minifigure."""

    name = "bricklink_catalogue"
    kind = "metadata"
    freshness = timedelta(days=90)

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Ask for the item."""
        return httpx.Request("GET", self.item_url(query))

    def read_data(self, query: ItemQuery, data: dict[str, Any]) -> Answer:
        """Read an item."""
        problems: list[str] = []
        item = _CatalogueItem.read(data, "data", problems)
        if item is None:
            raise UnparsablePayload("data", "; ".join(problems))
        if other := of_another_item(query, item.no, "data.no"):
            return Answer("not_found", problems=(*problems, other))
        if item.type.upper() != ITEM_TYPE:
            problems.append(f"data.type: a {item.type}, not a {ITEM_TYPE}")
            return Answer("not_found", problems=tuple(problems))
        image = item.image or item.thumbnail
        fields = bibliographic.known(
            {
                "name": html.unescape(item.name),
                "set_number": query.natural_key,
                "year": item.year,
                "image": f"https:{image}" if image.startswith("//") else image,
                "bricklink_category": item.category,
            }
        )
        return Answer("found", fields, problems=tuple(problems))
