"""Finding items by words of their name: full text on PostgreSQL, word by word on SQLite."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from pricing_assets.core.licences import SIMULATED
from pricing_assets.schema import tables as t
from resources.database import Database

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class FoundItem:
    """An item that a search found.

    Attributes:
        theme: Of a minifigure; of a card its set.
        value: Median of its sold comps, in USD.
        simulated: Whether the sandbox made that up.
    """

    category: str
    natural_key: str
    title: str | None
    theme: str | None
    year: int | None
    value: Decimal | None
    sold_comps: int | None
    simulated: bool

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it: the value as text, exact."""
        return {**asdict(self), "value": None if self.value is None else str(self.value)}


def search_items(
    database: Database,
    text: str,
    *,
    category: str | None = None,
    theme: str | None = None,
    limit: int = 20,
) -> tuple[int, Sequence[FoundItem]]:
    """Return how many items have all words in their title, and the first of them.

    A word is found where one of the title begins with it, in whatever case; without words, all of
    a theme are. Those with most sold comps come first, then by name.

    Args:
        theme: Words that the theme or set has to have, too.
    """
    items, figures, cards, books = t.items, t.minifigures, t.cards, t.books
    theme_name = sa.func.coalesce(figures.c.theme, cards.c.set_name)
    found = (
        sa.select(
            items.c.category,
            items.c.natural_key,
            items.c.title,
            theme_name.label("theme"),
            sa.func.coalesce(figures.c.year, cards.c.year, books.c.publication_year).label("year"),
            items.c.sold_comps_median.label("value"),
            items.c.sold_comps_count.label("sold_comps"),
            sa.func.coalesce(items.c.sold_comps_source.startswith(SIMULATED), sa.false()).label(
                "simulated"
            ),
        )
        .outerjoin(figures, figures.c.item_id == items.c.id)
        .outerjoin(cards, cards.c.item_id == items.c.id)
        .outerjoin(books, books.c.item_id == items.c.id)
    )
    if text or theme is None:
        found = found.where(has_words(database.dialect, items.c.title, text))
    if category is not None:
        found = found.where(items.c.category == category)
    if theme is not None:
        found = found.where(has_words("", theme_name, theme))
    total = database.scalar(sa.select(sa.func.count()).select_from(found.subquery()))
    rows = database.rows(
        found.order_by(
            sa.func.coalesce(items.c.sold_comps_count, 0).desc(),
            items.c.title,
            items.c.natural_key,
        ).limit(limit)
    )
    return int(total or 0), [FoundItem(**row._asdict()) for row in rows]


def has_words(dialect: str, column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
    """Return the condition that a text has words that begin with each of the given ones."""
    words = [word.lower() for word in _WORD.findall(text)]
    if not words:
        return sa.false()
    if dialect == "postgresql":
        # As the index has it, or it would not be used.
        document = sa.func.to_tsvector(sa.text("'simple'"), column)
        query = sa.func.to_tsquery(sa.text("'simple'"), " & ".join(f"{word}:*" for word in words))
        return document.op("@@")(query)
    spaced: sa.ColumnElement[Any] = sa.func.lower(column)
    for mark in "-/()[],.;:\"'&+#|":
        spaced = sa.func.replace(spaced, mark, " ")
    spaced = sa.literal(" ") + spaced
    return sa.and_(*(spaced.contains(f" {word}", autoescape=True) for word in words))
