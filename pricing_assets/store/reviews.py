"""The review of likely duplicates: what waits for a person, and the verdicts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from pricing_assets.core.items import item_id
from pricing_assets.schema import tables as t
from pricing_assets.store.works import assign_works_of
from resources.database import AnySelect, Database
from resources.settings import DEFAULT_USER

Verdict = Literal["accepted", "rejected"]


class NotForReview(RuntimeError):
    """The pair cannot be given this verdict; the message says why and what to do."""


def open_reviews() -> AnySelect:
    """Return the select of the pairs that wait for a person, the most alike first."""
    reviews = t.edition_reviews
    item, other = t.items.alias("item"), t.items.alias("other_item")
    book, other_book = t.books.alias("book"), t.books.alias("other_book")
    shown = ("publisher", "binding", "publication_year")
    return (
        sa.select(
            book.c.isbn13,
            other_book.c.isbn13.label("other_isbn13"),
            reviews.c.score,
            item.c.title,
            other.c.title.label("other_title"),
            *(
                column
                for name in shown
                for column in (book.c[name], other_book.c[name].label(f"other_{name}"))
            ),
            reviews.c.reasons,
            reviews.c.found_at,
        )
        .join(item, item.c.id == reviews.c.item_id)
        .join(other, other.c.id == reviews.c.other_item_id)
        .join(book, book.c.item_id == reviews.c.item_id)
        .join(other_book, other_book.c.item_id == reviews.c.other_item_id)
        .where(reviews.c.verdict.is_(None))
        .order_by(reviews.c.score.desc(), reviews.c.item_id, reviews.c.other_item_id)
    )


def list_open(database: Database, limit: int) -> Sequence[sa.Row[Any]]:
    """Return the first pairs that wait for a person; the columns are those of `open_reviews`."""
    return database.rows(open_reviews().limit(limit))


def count_open(database: Database) -> int:
    """Return how many pairs wait for a person."""
    reviews = t.edition_reviews
    waiting = sa.select(sa.func.count()).select_from(reviews).where(reviews.c.verdict.is_(None))
    return int(database.scalar(waiting) or 0)


def accept(
    database: Database, isbn13: str, other_isbn13: str, *, user_id: str, now: datetime
) -> None:
    """Record that two ISBNs are editions of one work, and make their works one.

    All editions of both works get the smaller of the two keys. The items stay two: each
    keeps its own comps, prices and scans.

    Raises:
        NotForReview: The pair was never found to be alike, or was rejected before.
    """
    pair = _decide(database, isbn13, other_isbn13, "accepted", user_id, now)
    assign_works_of(database, pair, now=now)


def reject(
    database: Database, isbn13: str, other_isbn13: str, *, user_id: str, now: datetime
) -> None:
    """Record that two ISBNs are not one edition: the pair is never shown again.

    Raises:
        NotForReview: The pair was never found to be alike, or was accepted before.
    """
    _decide(database, isbn13, other_isbn13, "rejected", user_id, now)


def _decide(
    database: Database,
    isbn13: str,
    other_isbn13: str,
    verdict: Verdict,
    user_id: str,
    now: datetime,
) -> tuple[str, str]:
    if not user_id:
        raise ValueError("a verdict has its author: user_id is empty")
    first, second = sorted((item_id("book", isbn13), item_id("book", other_isbn13)))
    reviews, items = t.edition_reviews, t.items
    pair = sa.and_(reviews.c.item_id == first, reviews.c.other_item_id == second)
    with database.begin() as connection:
        decided = connection.execute(
            sa.update(reviews)
            .values(verdict=verdict, decided_at=now, user_id=user_id)
            .where(pair, reviews.c.verdict.is_(None))
        ).rowcount
        if decided and verdict == "accepted":
            # Told anew by the next run too, should this process end before it has done so.
            connection.execute(
                sa.update(items).values(work_as_of=None).where(items.c.id.in_((first, second)))
            )
    if not decided:
        _explain(database, pair, (isbn13, other_isbn13), verdict)
    return first, second


def _explain(
    database: Database, pair: sa.ColumnElement[bool], isbns: tuple[str, str], verdict: Verdict
) -> None:
    """Refuse with the reason; the same verdict again is none."""
    books, reviews = t.books, t.edition_reviews
    before = database.rows(
        sa.select(reviews.c.verdict, reviews.c.decided_at, reviews.c.user_id).where(pair)
    )
    if before and before[0].verdict == verdict:
        return
    both = " and ".join(isbns)
    if before:
        user = before[0].user_id
        by = "" if user == DEFAULT_USER else f" by {user}"
        raise NotForReview(
            f"{both} were {before[0].verdict}{by} on "
            f"{before[0].decided_at:%Y-%m-%d}. A verdict stays: training sets were built on it."
        )
    known = {
        row.isbn13
        for row in database.rows(sa.select(books.c.isbn13).where(books.c.isbn13.in_(isbns)))
    }
    for isbn in isbns:
        if isbn not in known:
            raise NotForReview(
                f"{isbn} was never scanned. Scan it: pricing scan {isbn} && pricing run"
            )
    raise NotForReview(
        f"{both} do not look like one edition, so there is nothing to decide. "
        "List the pairs that wait: pricing review"
    )
