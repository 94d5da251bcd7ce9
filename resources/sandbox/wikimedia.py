"""Wikimedia as the sandbox plays it: what its two simulated sources have in common.

A client that does not say whom to write to is refused, as Wikimedia does.
"""

import re
from dataclasses import dataclass

from resources.sandbox.people import known_people
from resources.sandbox.wire import Call, Reply, Vendor

_CONTACT = re.compile(r"\(\S+.*\)")


@dataclass
class WikimediaVendor(Vendor):
    """One simulated source; no credentials, but a User-Agent with a contact."""

    path = "/w/api.php"
    lacks = 0.08

    def __post_init__(self) -> None:
        """Find whom the books name."""
        self.people = known_people(self.books.values())

    def refusal(self, call: Call) -> Reply | None:
        """Refuse whoever does not name a contact."""
        if _CONTACT.search(call.headers.get("user-agent", "")):
            return None
        return Reply(403, {"error": "Please set a user-agent with a contact (robot policy)."})

    def throttled(self) -> Reply:
        """Answer that the requests come too fast."""
        return Reply(429, {"error": "Too many requests."}, {"Retry-After": "1"})


def error(code: str, info: str) -> Reply:
    """Return the API's answer to a request that it refuses: it is a 200."""
    return Reply(200, {"error": {"code": code, "info": info}, "servedby": "sandbox"})
