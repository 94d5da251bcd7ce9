"""People who drive prices: who wrote a book, who is on a card, whom a figure shows.

Which people an item names, and when two names are one person. What is known of them is asked
of sources (`resources.sources`).
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pricing_assets.core.categories.card import is_game_card
from pricing_assets.core.items import item_id

PersonKind = Literal["author", "athlete", "character"]

PERSON_KINDS: tuple[PersonKind, ...] = ("author", "athlete", "character")

PERSON_SOURCES = ("people", "image")
"""Kinds of the sources that are asked about people, in the order in which they are asked: an
image is looked for where a person is known to have one."""

ANSWER_EXPECTED_WITHIN = timedelta(minutes=10)
"""After how long a person who was taken to be asked and has no answer is due again."""

MAX_NAME_LENGTH = 120
"""Longer texts are no name."""

_SUFFIX = re.compile(r"(?i)(?:jr|sr|ii|iii|iv|phd|ph\.d|md|m\.d|esq)\.?$")
_ROLE = re.compile(r"(?i)\s*\((?:author|editor|illustrator|translator)\)$")
_NO_NAME = re.compile(r"(?i)(?:various|unknown|anonymous|n/?a|none)(?: authors?| artists?)?")
_MINIFIGURE_REMARK = re.compile(r"\s*(?:[(,;/&]|\s-\s).*")


@dataclass(frozen=True, slots=True)
class Person:
    """A person whom an item names.

    Attributes:
        name: As the item's metadata spells it.
        key: The same for all spellings of the name.
    """

    kind: PersonKind
    name: str
    key: str

    @property
    def id(self) -> str:
        """UUIDv5 of kind and key, as an item's is of category and natural key."""
        return item_id(self.kind, self.key)


def person(kind: PersonKind, name: str) -> Person | None:
    """Return the person of a name; None where the text is none."""
    name = _ROLE.sub("", " ".join(name.split()))
    key = name_key(name)
    if not key or len(name) > MAX_NAME_LENGTH or _NO_NAME.fullmatch(name):
        return None
    return Person(kind, name, key)


def name_key(name: str) -> str:
    """Return what all spellings of a name share: no case, accents, dots or gaps in initials.

    ``J. R. R. Tolkien`` and ``J.R.R. Tolkien`` are ``jrr tolkien``.
    """
    plain = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    words = re.findall(r"\w+", re.sub(r"['\u2019]", "", plain))
    merged: list[str] = []
    initials = False
    for word in words:
        initial = len(word) == 1 and word.isalpha()
        if initial and initials:
            merged[-1] += word
        else:
            merged.append(word)
        initials = initial
    return " ".join(merged)


def authors_of(text: str) -> list[Person]:
    """Return the people of a list of authors, separated by commas, each once, in its order."""
    names: list[str] = []
    for part in re.split(r"\s*[,;]\s*", text):
        if names and _SUFFIX.fullmatch(part):
            names[-1] += f", {part}"
        else:
            names.append(part)
    found = {p.id: p for name in names if (p := person("author", name))}
    return list(found.values())


def people_of(
    category: str, natural_key: str, *, authors: str | None, shown: str | None
) -> Sequence[Person]:
    """Return the people whom an item names.

    Args:
        authors: Of a book, separated by commas.
        shown: Whom a card shows, or the name of a minifigure with its remarks.
    """
    if category == "book":
        return authors_of(authors or "")
    if category == "card":
        kind: PersonKind = "character" if is_game_card(natural_key) else "athlete"
        return [p for p in (person(kind, shown or ""),) if p]
    named = _MINIFIGURE_REMARK.sub("", shown or "")
    return [p for p in (person("character", named),) if p]


def role_of(kind: PersonKind) -> str:
    """Return what a person is to an item that names them: who made it, or whom it shows."""
    return "author" if kind == "author" else "shown"
