"""What a category of items is: its metadata fields, and how its codes are read.

No category's own rule belongs here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Field:
    """One metadata field.

    Attributes:
        name: As sources give it in `core.answers.Answer.fields`.
        meaning: What it holds, with its unit or form, for a person.
        weight: Its share of completeness, from 0 to 1; 0 is kept without counting.
    """

    name: str
    meaning: str
    weight: float = 0.0


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
    """

    name: str
    fields: tuple[Field, ...]
    title: str
    image: str
    natural_key: Callable[[str], str | None]

    @cached_property
    def weights(self) -> Mapping[str, float]:
        """The fields that count towards completeness, with their weights."""
        return {field.name: field.weight for field in self.fields if field.weight}

    @cached_property
    def extra(self) -> tuple[str, ...]:
        """The fields that are kept when a source gives them, without counting."""
        return tuple(field.name for field in self.fields if not field.weight)
