"""What a category of items is: its metadata fields, and how its codes are read.

No category's own rule belongs here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, slots=True)
class Field:
    """One metadata field.

    Attributes:
        name: As sources give it in `core.answers.Answer.fields`.
        meaning: What it holds, with its unit or form, for a person.
        weight: Its share of completeness, from 0 to 1; 0 is kept without counting.
        of_key: Whether the natural key alone says it, whatever a source calls it.
    """

    name: str
    meaning: str
    weight: float = 0.0
    of_key: bool = False


def _nothing(code: str) -> None:
    """Return None: the category has no such codes."""


@dataclass(frozen=True)
class Category:
    """One category of items.

    Attributes:
        name: As it is stored, such as ``book``.
        fields: Its metadata; the weights sum to 1.
        title: Name of the field that says to a person which item it is.
        image: Name of the field that has a picture's address.
        natural_key: Returns the item's natural key for a code as it came, or None when the
            code does not look like one of this category. What it returns it returns again
            for its own result. Never raises.
        codes: What names an item, for a person whose code was refused.
        certain_key: As `natural_key`, but only for a code that hardly stands for anything
            else, so that nobody need say the category.
        key_of_title: As `natural_key`, of a text that is no code and names an item where the
            category is said.
        key_fields: Returns what a natural key itself says of its item.
        search_words: Returns what to search a market for, of a natural key and the fields that
            are known, where listings do not have the key; empty where too little is known. None
            where they have it.
    """

    name: str
    fields: tuple[Field, ...]
    title: str
    image: str
    natural_key: Callable[[str], str | None]
    codes: str
    key_fields: Callable[[str], Mapping[str, str | int]]
    certain_key: Callable[[str], str | None] = _nothing
    key_of_title: Callable[[str], str | None] = _nothing
    search_words: Callable[[str, Mapping[str, Any]], str] | None = None

    @cached_property
    def weights(self) -> Mapping[str, float]:
        """The fields that count towards completeness, with their weights."""
        return {field.name: field.weight for field in self.fields if field.weight}

    @cached_property
    def own(self) -> frozenset[str]:
        """The fields that sources tell; what the natural key fixes is no source's to say."""
        return frozenset(field.name for field in self.fields if not field.of_key)

    @cached_property
    def extra(self) -> tuple[str, ...]:
        """The fields that are kept when a source gives them, without counting."""
        return tuple(field.name for field in self.fields if not field.weight)
