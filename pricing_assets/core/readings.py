"""Which item a scanned code names, in whatever category.

A code of which nothing more is said is an ISBN, or a number that only one category has
(``sw0001``). Where its category is said, it may be anything that names an item there, such
as a card's title.

Not here: what a category's codes look like (`core.categories`, `core.codes` for ISBNs).
"""

from pricing_assets.core.categories import CATEGORIES
from pricing_assets.core.categories.base import Category
from pricing_assets.core.codes import CodeReading, read_code, refuse

MAX_KEY_LENGTH = 128
"""Characters of a natural key that are stored."""


def read_item(raw: str, category: str | None = None) -> CodeReading:
    """Say which item a code names. Never raises, whatever the text.

    Args:
        raw: The code as it came.
        category: Name of the category, where whoever brings the code says it.
    """
    if category is not None and category != "book":
        return _said(raw, CATEGORIES[category])
    reading = read_code(raw)
    if category == "book" or reading.reason != "not_a_code":
        return reading
    for other in CATEGORIES.values():
        if (key := other.certain_key(raw)) is not None:
            return CodeReading(other.name, key, None, "")
    return reading


def _said(raw: str, category: Category) -> CodeReading:
    text = raw.strip()
    if not text:
        return refuse("empty", text)
    key = category.natural_key(text) or category.key_of_title(text)
    if key is None or len(key) > MAX_KEY_LENGTH:
        return refuse("not_of_category", text, kind=category.name, hint=category.codes)
    return CodeReading(category.name, key, None, "")
