"""The people whom the sandbox knows: those whom its books, cards and minifigures name.

`people.csv` has the dates of well-known authors, which are facts. Of all others nothing is
known but who they are; an author of a generated book is called simulated and has invented
dates. Not here: how a vendor says it (`wikidata`, `wikimedia_commons`).
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pricing_assets.core.people import PersonKind, name_key, people_of
from resources.sandbox.catalogue import Book
from resources.sandbox.collectibles import bundled_cards, bundled_minifigures
from resources.sandbox.wire import stable_number

BUNDLED_PEOPLE = Path(__file__).with_name("people.csv")
SIMULATED = "(simulated)"
PORTRAIT = "Simulated portrait of "
"""What the name of every picture begins with."""


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """One person.

    Attributes:
        born: ISO 8601 date, as precise as it is known; empty where it is not.
        died: As `born`; empty for the living.
    """

    kind: PersonKind
    name: str
    born: str = ""
    died: str = ""

    @property
    def number(self) -> int:
        """A number that depends on the name alone."""
        return stable_number("person", self.kind, name_key(self.name))

    @property
    def is_simulated(self) -> bool:
        """Whether there is no such person."""
        return SIMULATED in self.name

    @property
    def portrait(self) -> str | None:
        """Name of the file of a picture; one in three has none."""
        return (
            f"{PORTRAIT}{self.name.removesuffix(f' {SIMULATED}')}.jpg" if self.number % 3 else None
        )


def known_people(books: Iterable[Book]) -> Mapping[str, KnownPerson]:
    """Return the people of these books and of the bundled collectibles, by key of the name."""
    found = dict(_of_collectibles())
    dates = _dates()
    for book in books:
        for name in book.authors:
            key = name_key(name)
            if key in found and found[key].kind == "author":
                continue
            born, died = dates.get(key, ("", ""))
            if SIMULATED in name:
                draw = stable_number("born", key)
                born, died = f"{1900 + draw % 90}-{1 + draw // 90 % 12:02d}", ""
            found[key] = KnownPerson("author", name, born, died)
    return found


@cache
def _of_collectibles() -> Mapping[str, KnownPerson]:
    items = [
        *(("card", card.identifier, card.player_or_character) for card in bundled_cards()),
        *(("minifigure", figure.number, figure.name) for figure in bundled_minifigures()),
    ]
    return {
        person.key: KnownPerson(person.kind, person.name)
        for category, key, shown in items
        for person in people_of(category, key, authors=None, shown=shown)
    }


def _dates() -> Mapping[str, tuple[str, str]]:
    with BUNDLED_PEOPLE.open(encoding="utf-8", newline="") as file:
        return {name_key(row["name"]): (row["born"], row["died"]) for row in csv.DictReader(file)}
