"""The sandbox: a local HTTP server in place of the vendors, so that nothing else is needed.

It speaks the vendors' paths, parameters, authentication and response shapes about a
catalogue of books, cards and minifigures with a simulated market. Whatever it shows to a
person says that it is simulated. Start it with ``python -m resources.sandbox``, or from a
program with `resources.sandbox.process.SandboxProcess`.

Here: the credentials that the sandbox accepts and the names of what it stands in for.
Not here: any client of a vendor (`resources.sources`).
"""

GOOGLE_BOOKS_API_KEY = "sandbox-google-books-key"
EBAY_CLIENT_ID = "sandbox-ebay-client"
EBAY_CLIENT_SECRET = "sandbox-ebay-secret"  # noqa: S105 - opens a simulation on loopback only
SEARCHAPI_API_KEY = "sandbox-searchapi-key"
BRICKLINK_CONSUMER_KEY = "sandbox-bricklink-consumer-key"
BRICKLINK_CONSUMER_SECRET = "sandbox-bricklink-consumer-secret"  # noqa: S105 - a simulation, as above
BRICKLINK_TOKEN = "sandbox-bricklink-token"  # noqa: S105 - a simulation, as above
BRICKLINK_TOKEN_SECRET = "sandbox-bricklink-token-secret"  # noqa: S105 - a simulation, as above
REBRICKABLE_API_KEY = "sandbox-rebrickable-api-key"

BASE_PATHS = {
    "open_library": "/openlibrary",
    "google_books": "/googlebooks",
    "ebay_browse": "/ebay",
    "searchapi_ebay_sold": "/searchapi",
    "bricklink_catalogue": "/bricklink_catalogue",
    "bricklink_sold": "/bricklink_sold",
    "bricklink_stock": "/bricklink_stock",
    "rebrickable": "/rebrickable",
    "pokemontcg": "/pokemontcg",
}
"""Where each source's host begins under the sandbox's origin, by the source's name."""
