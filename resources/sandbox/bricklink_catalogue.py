"""BrickLink's catalogue as the sandbox plays it."""

from typing import ClassVar

from resources.sandbox.bricklink import ITEMS, BrickLink, catalogue_item, envelope, unknown
from resources.sandbox.wire import Call, Reply


class BrickLinkCatalogue(BrickLink):
    """Metadata of minifigures."""

    source: ClassVar[str] = "bricklink_catalogue"
    path: ClassVar[str] = ITEMS

    def answer(self, call: Call) -> Reply:
        """Return the item."""
        kind, number = call.path_params["type"].upper(), call.path_params["number"].lower()
        figure = self.figures.get(number)
        if kind != "MINIFIG" or figure is None or not self.knows(number):
            return unknown(kind, number)
        reply = envelope(200, "OK", "OK", catalogue_item(figure))
        return Reply(reply.status, reply.document, reply.headers, asked=(number,))
