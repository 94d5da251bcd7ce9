"""How many pieces a listing sells together, and what one of them costs."""

import re
from collections.abc import Collection, Mapping

from pricing_assets.core.title_words import plain_words

LOT_WORDS = frozenset(("lot", "lots", "bundle", "joblot", "bulk", "set", "pack", "group"))
ONLY_WITH_NUMBER = frozenset(("set", "group", "pack"))
"""These are lots only as 'set of 3': alone they are a LEGO set, a pack of cards."""

NUMBER_WORDS: Mapping[str, int] = {
    word: number
    for number, word in enumerate(
        ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 2
    )
}
MAX_LOT = 999
"""More pieces than these are a number of something else."""


def price_of_piece_sql(price: str, size: str) -> str:
    """Return the DuckDB expression of the price of one piece of a lot, to the cent.

    Args:
        price: Expression of the lot's price, a DECIMAL with two places, not negative.
        size: Expression of its number of pieces.
    """
    # In whole cents, halves up: a quotient of decimals would be a float.
    cents = f"CAST({price} * 100 AS BIGINT)"
    return (
        f"CAST(CAST((2 * {cents} + {size}) // (2 * {size}) AS DECIMAL(14, 0)) "
        "* 0.01::DECIMAL(3, 2) AS DECIMAL(12, 2))"
    )


def lot_size(text: str, words: list[str], own: Collection[str] = ()) -> int | None:
    """Return how many pieces are sold together: 1 for a single one, None for an unknown number.

    Reads ``lot of 5``, ``5 card lot``, ``set of 3``, ``pack of ten``, and ``5x``, ``x5`` or
    ``(5)`` where a title starts or ends with it. ``set`` and ``pack`` count only with a
    number, ``3X MVP`` in the middle of a title is praise, and ``8 x 10`` a size.

    Args:
        text: The plain title.
        words: Its words.
        own: Words of the item's own name, which are no sign of a lot: Salem's Lot, Triage X 4.
    """
    found = _STARTS_WITH_LOT(text) or _ENDS_WITH_LOT(text)
    if found:
        size = int(next(filter(None, found.groups())))
        named = any(word.isdecimal() and int(word) == size for word in own)
        return size if 1 <= size <= MAX_LOT and not named else 1
    lot_words = LOT_WORDS.difference(own)
    if lot_words.isdisjoint(words):
        return 1
    # '#482 lot' is a card's number, and 'lot #5' an auction's.
    words = plain_words(_SIGNED_NUMBERS(" ", _AUCTION_LOT(" ", text)))
    unknown = False
    for place, word in enumerate(words):
        if word not in lot_words:
            continue
        after = [*words[place + 1 : place + 3], "", ""]
        if after[0] == "of" and (size := small_number(after[1])):
            return size
        if word in ONLY_WITH_NUMBER:
            continue
        if size := small_number(after[0]) or _number_before(words[max(0, place - 3) : place]):
            return size
        unknown = True
    return None if unknown else 1


def _number_before(words: list[str]) -> int:
    """Return the number in front of a lot, from which only pieces part it: '5 card lot'."""
    for word in reversed(words):
        if size := small_number(word):
            return size
        if word not in _PIECES:
            return 0
    return 0


_PIECES = frozenset(
    ("card", "cards", "book", "books", "minifig", "minifigs", "minifigure", "minifigures", "figure")
) | {"figures", "baseball", "basketball", "football", "pokemon", "lego", "piece", "pc", "pcs"}
_AUCTION_LOT = re.compile(r"\blot (?=#)").sub
_SIGNED_NUMBERS = re.compile(r"# ?[0-9a-z-]+").sub
_STARTS_WITH_LOT = re.compile(
    r"\(?([0-9]{1,3})\) |([0-9]{1,3}) ?x (?!fractor|men\b|wing|[0-9])"
).match
_ENDS_WITH_LOT = re.compile(
    r".*(?<! [0-9])(?<! [0-9]{2}) (?:\(?x ?([0-9]{1,2})\)?|([0-9]{1,3})x)$"
).match


def small_number(word: str) -> int:
    """Return the number from 2 to 999 that a word says in digits or letters; 0 for none."""
    if word in NUMBER_WORDS:
        return NUMBER_WORDS[word]
    if word.isdigit() and len(word) <= 3 and 1 < int(word) <= MAX_LOT:
        return int(word)
    return 0
