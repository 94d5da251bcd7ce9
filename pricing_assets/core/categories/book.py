"""Books: an edition, named by its ISBN-13."""

from collections.abc import Mapping

from pricing_assets.core.categories.base import Category, Field
from pricing_assets.core.codes import isbn10_of, read_code


def natural_key(code: str) -> str | None:
    """Return the 13 digits of the ISBN that a code stands for (`core.codes` judges)."""
    reading = read_code(code)
    return reading.natural_key if reading.category == "book" else None


def key_fields(key: str) -> Mapping[str, str]:
    """Return both forms of the ISBN; a 979 has no short one."""
    short = isbn10_of(key)
    return {"isbn13": key} | ({"isbn10": short} if short else {})


CATEGORY = Category(
    name="book",
    fields=(
        Field("title", "as on the title page", 0.25),
        Field("authors", "names, separated by commas", 0.20),
        Field("publisher", "its name", 0.10),
        Field("publication_year", "of this edition", 0.10),
        Field("binding", "Hardcover, Paperback, Mass Market or as the source has it", 0.10),
        Field("page_count", "number of pages", 0.05),
        Field("language", "ISO 639-1 code", 0.05),
        Field("thumbnail_url", "address of a picture of the cover", 0.05),
        Field("description", "what the book is about", 0.10),
        Field("isbn10", "ISBN-10; absent for 979", of_key=True),
        Field("isbn13", "ISBN-13, digits only", of_key=True),
        Field("work_key", "what all editions of the work share"),
        Field("subjects", "separated by semicolons"),
        Field("series", "name of the series"),
        Field("list_price", "printed price with its currency, such as 12.5 GBP"),
    ),
    title="title",
    image="thumbnail_url",
    natural_key=natural_key,
    codes="an ISBN: 10 or 13 digits, the last of 10 may be X",
    key_fields=key_fields,
)
