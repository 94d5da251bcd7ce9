"""Minifigures: one figure, named by the number of a catalogue.

Two catalogues number figures, and no table maps one to the other: BrickLink (``sw0001``,
``bat011c01``, ``4555pb118``) and Rebrickable (``fig-000123``). So the number says which
catalogue an item is of; a figure known under both is two items until somebody says so.
"""

import re
from collections.abc import Mapping

from pricing_assets.core.categories.base import Category, Field

MAX_CODE_LENGTH = 20
"""Longer texts are not looked into."""

_FRAMING = re.compile(r"[\s\"'=#()]+")
# Letters of the theme and a running number, with at most the letter of a variant (sw0001a) or
# the number of an assembly (bat011c01); figures of large parts have the part's (4555pb118). A
# bare number is BrickLink's too, but anything has one.
_BRICKLINK = re.compile(r"[a-z]{2,12}\d{2,4}(?:[a-z]|c\d{2})?|\d{4,6}pb\d{2,4}").fullmatch
_REBRICKABLE = re.compile(r"fig[-_]?(\d{6})").fullmatch


def natural_key(code: str) -> str | None:
    """Return the figure's number, in lower case, of a code in either catalogue's dress."""
    if len(code) > MAX_CODE_LENGTH or not code.isascii():
        return None
    text = _FRAMING.sub("", code).lower()
    if match := _REBRICKABLE(text):
        return f"fig-{match[1]}"
    return text if _BRICKLINK(text) else None


# Without being told, only what the numbers of figures nearly all look like: 'shelf12' and
# 'isbn10' are remarks.
_EVIDENT = re.compile(r"[a-z]{2,4}\d{3,4}(?:[a-z]|c\d{2})?|\d{4,6}pb\d{2,4}|fig-\d{6}").fullmatch


def certain_key(code: str) -> str | None:
    """Return the figure's number of a code that looks like nothing else."""
    key = natural_key(code)
    return key if key is not None and _EVIDENT(key) else None


def key_fields(key: str) -> Mapping[str, str]:
    """Return the number in the catalogue."""
    return {"set_number": key}


def is_rebrickable(key: str) -> bool:
    """Whether a natural key is a number of Rebrickable's; else it is one of BrickLink's."""
    return key.startswith("fig-")


CATEGORY = Category(
    name="minifigure",
    fields=(
        Field("name", "of the figure, with what sets the variant apart", 0.35),
        Field(
            "set_number",
            "number in the catalogue that was asked, such as sw0001",
            0.15,
            of_key=True,
        ),
        Field("theme", "such as Star Wars", 0.15),
        Field("year", "of release", 0.15),
        Field("part_count", "number of parts", 0.10),
        Field("image", "address of a picture", 0.10),
        Field("bricklink_category", "BrickLink's number of the main category, such as 65"),
    ),
    title="name",
    image="image",
    natural_key=natural_key,
    codes="its number at BrickLink (sw0001) or Rebrickable (fig-000123)",
    key_fields=key_fields,
    certain_key=certain_key,
)
