"""Trading cards: one card of one set, named by its normalized identifier.

Two kinds of identifier, in lower case and joined by hyphens:

- of a trading card game, the code of the set and the number in it: ``base1-4``,
  ``swsh12pt5gg-gg70``, ``cel25c-4_a``
- of any other card, from the year on: ``1986-87-fleer-michael-jordan-57``,
  ``1952-topps-mickey-mantle-311``

Not here: what a listing's title says of a card; which copy it is and how it was graded.
"""

import re
import unicodedata

from pricing_assets.core.categories.base import Category, Field

MAX_CODE_LENGTH = 160
"""Longer texts are not looked into."""

_MIN_PARTS = 4
"""Year, maker or set, and of whom it is in two words or with the number."""

# Sets whose code has no digit: a few promotional ones. Without this list, any word with a
# number behind it would be a card.
_SETS_WITHOUT_DIGIT = "basep|np|bp|dpp|hsp|bwp|xyp|smp|swshp|svp|sma|pgo|exu"
_GAME_CARD = re.compile(
    rf"(?:[a-z]+\d+(?:pt\d+)?[a-z]{{0,3}}|{_SETS_WITHOUT_DIGIT})"
    r"-(?:\d{1,3}[a-z]?|\d{1,3}_[a-z]\d?|[a-z]{1,4}\d{1,3}[a-z]?|[a-z]|two|four|[!?])"
).fullmatch
_YEAR_FIRST = re.compile(
    r"(?:18[6-9]\d|19\d\d|20\d\d)(?:-\d\d)?-[a-z0-9-]*[a-z][a-z0-9-]*"
).fullmatch
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_APOSTROPHES = re.compile("['\u2018\u2019`.]")


def natural_key(code: str) -> str | None:
    """Return the normalized identifier of a code; None when it names no card.

    ``Base1-4`` is ``base1-4``; ``1986-87 Fleer Michael Jordan #57`` is
    ``1986-87-fleer-michael-jordan-57``.
    """
    if len(code) > MAX_CODE_LENGTH:
        return None
    text = code.strip().lower()
    if is_game_card(text):
        return text
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    slug = _NOT_WORD.sub("-", _APOSTROPHES.sub("", plain.lower())).strip("-")
    return slug if _YEAR_FIRST(slug) and slug.count("-") + 1 >= _MIN_PARTS else None


def is_game_card(key: str) -> bool:
    """Whether a natural key is that of a trading card game: code of the set and number."""
    return key.isascii() and _GAME_CARD(key) is not None


CATEGORY = Category(
    name="card",
    fields=(
        Field("name", "of the card", 0.20),
        Field("player_or_character", "whom it shows", 0.15),
        Field("set_name", "such as Topps Chrome or Ancient Origins", 0.20),
        Field("year", "of release; the first of a season", 0.10),
        Field("number", "in the set, as printed", 0.15),
        Field("manufacturer", "such as Topps", 0.05),
        Field("language", "of the card, ISO 639-1 code", 0.05),
        Field("rarity", "as the set has it, such as Rare Holo", 0.05),
        Field("image", "address of a picture", 0.05),
        # Most cards have neither, so that lacking one is no gap.
        Field("parallel", "the variant's name, such as Refractor"),
        Field("print_run", "how many were made, where they are numbered"),
    ),
    natural_key=natural_key,
)
