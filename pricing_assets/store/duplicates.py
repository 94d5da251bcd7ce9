"""Likely duplicates among the editions of a work: found, and filed for a person's review."""

from datetime import datetime

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.core.editions import THRESHOLD, edition_pairs_sql
from pricing_assets.schema import tables as t
from resources.database import Bulk

BETWEEN_REASONS = "; "
"""What separates the reasons of a pair where they are stored."""


def likely_duplicates(duck: duckdb.DuckDBPyConnection, books: str, changed: str) -> pa.Table:
    """Return the likely duplicates that one of the changed books is of.

    Args:
        books: Relation with what `edition_pairs_sql` needs, of the changed books and all that
            share a fingerprint with one.
        changed: Relation with item_id.

    Returns:
        item_id < other_item_id, score and reasons, one row a pair.
    """
    return duck.sql(
        f"""
        SELECT item_a AS item_id, item_b AS other_item_id, score,
            array_to_string(reasons, '{BETWEEN_REASONS}') AS reasons
        FROM ({edition_pairs_sql(books, changed)}) WHERE score >= {THRESHOLD}
        """
    ).to_arrow_table()


def file_duplicates(bulk: Bulk, pairs: pa.Table, changed: pa.Table, *, now: datetime) -> None:
    """File the pairs for review; a pair with a verdict is never touched.

    An open pair of a changed book that no longer looks like one edition is withdrawn.

    Args:
        pairs: From `likely_duplicates`.
        changed: The item_id of the books that they were found for, all of their pairs.
    """
    reviews = t.edition_reviews
    found = bulk.stage(pairs, like=reviews)
    books = bulk.stage(changed, like=reviews)
    same_pair = sa.and_(
        found.c.item_id == reviews.c.item_id, found.c.other_item_id == reviews.c.other_item_id
    )
    its_books = sa.select(books.c.item_id)
    bulk.execute(
        sa.delete(reviews).where(
            reviews.c.verdict.is_(None),
            sa.or_(reviews.c.item_id.in_(its_books), reviews.c.other_item_id.in_(its_books)),
            ~sa.exists(sa.select(found.c.item_id).where(same_pair)).correlate(reviews),
        )
    )
    bulk.execute(
        sa.update(reviews)
        .values(score=found.c.score, reasons=found.c.reasons)
        .where(same_pair, reviews.c.verdict.is_(None))
    )
    bulk.insert_from(
        reviews,
        sa.select(*found.columns, sa.literal(now, reviews.c.found_at.type).label("found_at")),
    )
