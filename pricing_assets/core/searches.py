"""Searches for cards by words: how long an answer is fresh, and which card a listing is of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pricing_assets.core.answers import Listing
from pricing_assets.core.categories.card import key_of_title
from pricing_assets.core.matching import Match, Matcher, wanted_item

FRESH_FOR: Mapping[str, timedelta] = {
    "ask": timedelta(minutes=5),
    "sold": timedelta(minutes=30),
}
"""How long a stored answer is served instead of asking: offers change by the minute."""


@dataclass(frozen=True, slots=True)
class FoundListing:
    """A listing that a search found.

    Attributes:
        natural_key: Of the card that its title names; None where it names none.
        match: How surely, and as which copy; None where it names none.
    """

    listing: Listing
    natural_key: str | None
    match: Match | None

    @property
    def confidence(self) -> float:
        """That it is one copy of that card, from 0 to 1; 0 where it names none."""
        return self.match.confidence if self.match else 0.0


def plain_query(text: str) -> str:
    """Return the words of a search in the one way in which they are stored and asked."""
    return " ".join(text.lower().split())


def matched(listing: Listing) -> FoundListing:
    """Return a listing with the card that it is of, by its own title alone.

    A lot, a reprint or an empty box names a card too, and is hardly a copy of it.
    """
    key = key_of_title(listing.title)
    if key is None:
        return FoundListing(listing, None, None)
    match = Matcher(wanted_item("card", key, {})).match(
        listing.title, condition=listing.condition or ""
    )
    return FoundListing(listing, key, match)
