"""The cards and minifigures that the sandbox knows: the bundled catalogue.

`cards.csv` and `minifigures.csv` hold well-known ones by their facts; a field of which we are
not sure is empty. What is generated beside them has numbers that no catalogue has given
(sets ``sbx1`` to ``sbx99``, figures ``sbx0001`` on and ``fig-900001`` on), and says in its
name that it is simulated.

Not here: what one is worth (`collectible_market`), or what a vendor says of it.
"""

import csv
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BUNDLED_CARDS = Path(__file__).with_name("cards.csv")
BUNDLED_MINIFIGURES = Path(__file__).with_name("minifigures.csv")
DEFAULT_SIZE = 1_000
MAX_GENERATED = 9_900


@dataclass(frozen=True, slots=True)
class Card:
    """One card.

    Attributes:
        identifier: Its natural key, such as ``base1-4``.
        released: Day of the set's release, ISO 8601; the year where that is all we know.
        number: In the set, as printed; empty where it has none.
        manufacturer: Empty for cards of a trading card game.
        rarity: Empty for any other card.
    """

    identifier: str
    name: str
    player_or_character: str
    set_name: str
    released: str
    number: str
    manufacturer: str
    rarity: str


@dataclass(frozen=True, slots=True)
class Minifigure:
    """One minifigure.

    Attributes:
        number: Its natural key: BrickLink's number, or Rebrickable's (``fig-…``).
    """

    number: str
    name: str
    theme: str
    year: int | None
    part_count: int | None


def bundled_cards(size: int = DEFAULT_SIZE) -> list[Card]:
    """Return the bundled real cards first, then generated ones, `size` in all.

    Always the same ones: a smaller catalogue is the beginning of a larger one.

    Raises:
        ValueError: `size` is below 1 or beyond what the generated numbers cover.
    """
    real = [Card(**row) for row in _rows(BUNDLED_CARDS)]
    return [*real[:size], *_generated_cards(_beyond(size, len(real)))]


def bundled_minifigures(size: int = DEFAULT_SIZE) -> list[Minifigure]:
    """Return the bundled real minifigures first, then generated ones, `size` in all.

    Raises:
        ValueError: `size` is below 1 or beyond what the generated numbers cover.
    """
    real = [
        Minifigure(
            row["number"],
            row["name"],
            row["theme"],
            int(row["year"]) if row["year"] else None,
            int(row["part_count"]) if row["part_count"] else None,
        )
        for row in _rows(BUNDLED_MINIFIGURES)
    ]
    return [*real[:size], *_generated_minifigures(_beyond(size, len(real)))]


@cache
def cards_by_identifier() -> Mapping[str, Card]:
    """Return the cards that the sandbox knows, by their identifiers."""
    return {card.identifier: card for card in bundled_cards()}


@cache
def minifigures_by_number() -> Mapping[str, Minifigure]:
    """Return the minifigures that the sandbox knows, by their numbers."""
    return {figure.number: figure for figure in bundled_minifigures()}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _beyond(size: int, real: int) -> int:
    if not 1 <= size <= real + MAX_GENERATED:
        raise ValueError(f"a bundled catalogue has 1 to {real + MAX_GENERATED} items, not {size}")
    return max(0, size - real)


_ADJECTIVES = ("Amber", "Glass", "Iron", "Winter", "Crimson", "Hollow", "Silent", "Northern")
_CREATURES = ("Fox", "Heron", "Golem", "Moth", "Otter", "Lynx", "Wyvern", "Tortoise")
_PEOPLE = ("Pilot", "Knight", "Diver", "Baker", "Wizard", "Sailor", "Ranger", "Engineer")
_RARITIES = (
    "Common", "Common", "Common", "Uncommon", "Uncommon", "Rare", "Rare Holo", "Rare Ultra",
)  # fmt: skip
_CARDS_A_SET = 100


def _generated_cards(count: int) -> Iterator[Card]:
    for place in range(count):
        draw = _draw(f"simulated card {place}")
        set_number, number = place // _CARDS_A_SET + 1, place % _CARDS_A_SET + 1
        character = f"{_ADJECTIVES[draw[0] % 8]} {_CREATURES[draw[1] % 8]}"
        yield Card(
            identifier=f"sbx{set_number}-{number}",
            name=f"Simulated Card {place + 1:05d}: {character}",
            player_or_character=f"{character} (simulated)",
            set_name=f"Sandbox Set {set_number} (simulated)",
            released=f"{1999 + set_number % 27}-{1 + set_number % 12:02d}-01",
            number=str(number),
            manufacturer="",
            rarity=_RARITIES[draw[2] % 8],
        )


def _generated_minifigures(count: int) -> Iterator[Minifigure]:
    bricklink = rebrickable = 0
    for place in range(count):
        draw = _draw(f"simulated minifigure {place}")
        if place % 3:
            bricklink += 1
            number = f"sbx{bricklink:04d}"
        else:
            rebrickable += 1
            number = f"fig-{900_000 + rebrickable}"
        who = f"{_ADJECTIVES[draw[0] % 8]} {_PEOPLE[draw[1] % 8]}"
        yield Minifigure(
            number=number,
            name=f"Simulated Minifigure {place + 1:05d}: {who}",
            theme=f"Sandbox Theme {draw[2] % 20 + 1} (simulated)",
            year=1999 + max(draw[3], draw[4]) * 26 // 255,
            part_count=3 + draw[5] % 4,
        )


def _draw(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
