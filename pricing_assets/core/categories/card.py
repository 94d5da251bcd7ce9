"""Trading cards: one card of one set, named by its normalized identifier.

Two kinds of identifier, in lower case:

- of a trading card game, the code of the set and the number in it: ``base1-4``,
  ``swsh12pt5gg-gg70``, ``cel25c-4_a``
- of any other card, what makes it, between bars: year (the first of a season), set, number,
  player or character, and where it has them parallel and print run:
  ``1986|fleer|57|michael jordan``, ``2023|bowman chrome|bcp50|ethan salas|refractor|499``

Not here: what a listing's title says of a card; which copy it is and how it was graded.
"""

import re
import unicodedata

from pricing_assets.core.categories.base import Category, Field

MAX_CODE_LENGTH = 128
"""Longer texts are not looked into."""

# Sets whose code has no digit: a few promotional ones. Without this list, any word with a
# number behind it would be a card.
_SETS_WITHOUT_DIGIT = "basep|np|bp|dpp|hsp|bwp|xyp|smp|swshp|svp|sma|pgo|exu"
_GAME_CARD = re.compile(
    rf"(?:[a-z]+\d+(?:pt\d+)?[a-z]{{0,3}}|{_SETS_WITHOUT_DIGIT})"
    r"-(?:\d{1,3}[a-z]?|\d{1,3}_[a-z]\d?|[a-z]{1,4}\d{1,3}[a-z]?|[a-z]|two|four|[!?])"
).fullmatch
# A card is named by a number or by whom it shows; year and set alone name none.
_BETWEEN_BARS = re.compile(
    r"(?:[12]\d{3})?\|[a-z0-9 ]*\|(?:[a-z0-9]+\|[a-z ]*|\|[a-z ]+)(?:\|[a-z ]+|\|[a-z ]*\|\d{1,6})?"
).fullmatch
_BAR = re.compile(r" ?\| ?")
_MARKS = re.compile("[\u0300-\u036f'\u2019\u2018`]+")


def natural_key(code: str) -> str | None:
    """Return the identifier that a code is, normalized; None when it is none.

    ``Base1-4`` is ``base1-4``; ``1986 | Fleer | 57 | Michael Jordan`` is
    ``1986|fleer|57|michael jordan``.
    """
    if len(code) > MAX_CODE_LENGTH:
        return None
    text = code.strip().lower()
    if is_game_card(text):
        return text
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", text.upper()).lower())
    fields = _BAR.sub("|", " ".join(plain.split()))
    return fields if _BETWEEN_BARS(fields) else None


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
    title="name",
    image="image",
    natural_key=natural_key,
)
