"""Trading cards: one card of one set, named by its normalized identifier.

Two kinds of identifier, in lower case:

- of a trading card game, the code of the set and the number in it: ``base1-4``,
  ``swsh12pt5gg-gg70``, ``cel25c-4_a``
- of any other card, what makes it, between bars: year (the first of a season), set, number,
  player or character, and where it has them parallel and print run:
  ``1986|fleer|57|michael jordan``, ``2023|bowman chrome|bcp50|ethan salas|refractor|499``

Not here: how a title is read (`core.card_titles`); which copy it is and how it was graded.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from pricing_assets.core.card_titles import (
    CardTitle,
    in_vocabulary,
    plain_number,
    read_card_title,
    set_as_sold,
)
from pricing_assets.core.categories.base import Category, Field
from pricing_assets.core.title_words import plain, plain_words

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


def key_of_title(title: str) -> str | None:
    """Return the identifier of the card that a title names.

    A name alone, without year or set, names too many cards.
    """
    return _key_of(read_card_title(title))


def _key_of(read: CardTitle) -> str | None:
    return natural_key(read.identifier) if read.year or read.set_name else None


def key_of_parts(parts: str) -> str | None:
    """Return the identifier of the card whose parts a catalogue has, as its title gives it.

    A set or parallel that no vocabulary has, such as Goudey, would be taken for a part of the
    name, or lost: then it is the parts' plain words.

    Args:
        parts: Year, set, number, player or character, parallel and print run as they are
            written, between bars: ``1989|Upper Deck|#1|Ken Griffey Jr.||``.
    """
    if parts.count("|") != 5:
        return None
    year, set_name, number, player, parallel, copies = parts.split("|")
    number = plain_number("".join(plain_words(plain(number.partition("/")[0]))))
    run = (int(copies) or None) if copies.isdecimal() else None
    signed, limited = f"#{number}" if number else "", f"/{run}" if run else ""
    read = read_card_title(f"{year} {set_name} {player} {signed} {parallel} {limited}")
    agrees = (read.year, plain_number(read.number), read.print_run) == (year, number, run)
    if agrees and in_vocabulary(set_name) and in_vocabulary(parallel) and (key := _key_of(read)):
        return key
    return _key_of(
        CardTitle(
            year=year,
            set_name=" ".join(plain_words(plain(set_name))),
            number=number,
            player=_names(player),
            parallel=_names(parallel),
            print_run=run,
        )
    )


def _names(text: str) -> str:
    """Return the words of letters alone, in plain letters."""
    return " ".join(word for word in plain_words(plain(text)) if word.isalpha())


def key_fields(key: str) -> Mapping[str, str | int]:
    """Return what stands between the bars; nothing of a trading card game's code."""
    if is_game_card(key):
        return {}
    read = read_card_title(key)
    fields: dict[str, str | int | None] = {
        "name": read.player.title(),
        "player_or_character": read.player.title(),
        "set_name": read.set_name.title(),
        "year": int(read.year) if read.year else None,
        "number": read.number.upper(),
        "parallel": read.parallel.title(),
        "print_run": read.print_run,
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


def base_key(key: str) -> str | None:
    """Return the identifier of the base card of a parallel; None of what is none.

    Of ``2023|bowman chrome|bcp50|ethan salas|refractor|499`` that is its first four fields.
    """
    fields = key.split("|")
    return natural_key("|".join(fields[:4])) if any(fields[4:]) else None


def search_words(key: str, fields: Mapping[str, Any]) -> str:
    """Return the words by which a market is searched for a card, in plain letters and digits.

    What stands between the bars: ``2023 bowman chrome bcp50 ethan salas refractor /499``. A
    game's code is no word of a listing, so that its card is searched by name, set and number:
    ``blastoise base set 2``. Empty while one of the three is not known, in Latin letters: any two
    are those of other cards as well. No sign is left by which a search would exclude or join words.
    """
    if is_game_card(key):
        name, set_name, number = (fields.get(part) or "" for part in ("name", "set_name", "number"))
        parts = [plain_words(plain(part)) for part in (name, set_as_sold(set_name), number)]
        return " ".join(word for part in parts for word in part) if all(parts) else ""
    read = read_card_title(key)
    said = (read.year, read.set_name, read.number, read.player, read.parallel)
    run = f"/{read.print_run}" if read.print_run else ""
    return " ".join(filter(None, (*said, run)))


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
    codes="a code of set and number (base1-4), or a title with year, set, number and name",
    key_fields=key_fields,
    key_of_title=key_of_title,
    search_words=search_words,
)
