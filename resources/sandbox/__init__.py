"""The sandbox: a local HTTP server in place of the vendors, so that nothing else is needed.

It speaks the vendors' paths, parameters, authentication and response shapes about a
catalogue of books with a simulated market. Whatever it shows to a person says that it is
simulated. Start it with ``python -m resources.sandbox``, or from a program with
`resources.sandbox.process.SandboxProcess`.

Here: the credentials that the sandbox accepts and the names of what it stands in for.
Not here: any client of a vendor (`resources.sources`).
"""

GOOGLE_BOOKS_API_KEY = "sandbox-google-books-key"
EBAY_CLIENT_ID = "sandbox-ebay-client"
EBAY_CLIENT_SECRET = "sandbox-ebay-secret"  # noqa: S105 - opens a simulation on loopback only
SEARCHAPI_API_KEY = "sandbox-searchapi-key"

CREDENTIALS = {
    "GOOGLE_BOOKS_API_KEY": GOOGLE_BOOKS_API_KEY,
    "EBAY_CLIENT_ID": EBAY_CLIENT_ID,
    "EBAY_CLIENT_SECRET": EBAY_CLIENT_SECRET,
    "SEARCHAPI_API_KEY": SEARCHAPI_API_KEY,
    "PRICING_CONTACT": "sandbox@localhost",
}
"""What the clients are given in the sandbox profile, in place of the operator's own."""

BASE_PATHS = {
    "open_library": "/openlibrary",
    "google_books": "/googlebooks",
    "ebay_browse": "/ebay",
    "searchapi_ebay_sold": "/searchapi",
}
"""Where each source's host begins under the sandbox's origin, by the source's name."""

EBAY_TOKEN = "ebay_token"  # noqa: S105 - the name of a counter
"""How requests for eBay's token are counted, which are not questions to a source."""
