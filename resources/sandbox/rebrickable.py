"""Rebrickable as the sandbox plays it: ``/api/v3/lego/minifigs/fig-…/``.

The key comes in the Authorization header. Only figures with Rebrickable's own numbers are
known. The waiting time of a 429 is in its words and in no header.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from resources.sandbox import credential
from resources.sandbox.collectible_vendor import CollectibleVendor
from resources.sandbox.collectibles import Minifigure, minifigures_by_number
from resources.sandbox.wire import Call, Reply

_SITE = "https://rebrickable.sandbox.invalid"
_IMAGES = "https://cdn.rebrickable.sandbox.invalid/media/sets"


@dataclass
class Rebrickable(CollectibleVendor):
    """Metadata of minifigures."""

    figures: Mapping[str, Minifigure] = field(default_factory=minifigures_by_number)
    source: ClassVar[str] = "rebrickable"
    path: ClassVar[str] = "/api/v3/lego/minifigs/{number}/"

    def refusal(self, call: Call) -> Reply | None:
        """Refuse a missing or wrong key."""
        scheme, _, key = call.headers.get("authorization", "").partition(" ")
        if scheme != "key" or not key:
            return Reply(401, {"detail": "Authentication credentials were not provided."})
        if key != credential("REBRICKABLE_API_KEY"):
            return Reply(401, {"detail": "Invalid token."})
        return None

    def throttled(self) -> Reply:
        """Answer that the requests come too fast."""
        detail = "Request was throttled. Expected available in 1 second."
        return Reply(429, {"detail": detail})

    def answer(self, call: Call) -> Reply:
        """Return the figure."""
        number = call.path_params["number"].lower()
        figure = self.figures.get(number)
        known = figure and number.startswith("fig-") and self.knows(number)
        if figure is None or not known:
            return Reply(404, {"detail": "Not found."})
        document = {
            "set_num": figure.number,
            "name": figure.name,
            "num_parts": figure.part_count or 0,
            "set_img_url": f"{_IMAGES}/{figure.number}.jpg",
            "set_url": f"{_SITE}/minifigs/{figure.number}/",
            "last_modified_dt": "2026-01-01T00:00:00.000000Z",
        }
        return Reply(200, document, asked=(number,))
