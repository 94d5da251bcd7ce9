"""The work a book is an edition of: what must not be split between training and test."""

from pricing_assets.core.editions import work_fingerprint_sql


def work_sql(work_key: str, title: str, authors: str, otherwise: str) -> str:
    """Return the key that all editions of a work share, as a DuckDB expression.

    The source's own work key where it gave one; otherwise the fingerprint of title and first
    author; without a title the item itself.

    Args:
        work_key: Expression of the source's own work key, null where there is none.
        title: Expression of the title.
        authors: Expression of the authors, the first one first.
        otherwise: Expression of the key of an item of which nothing is known.
    """
    return f"coalesce({work_key}, {work_fingerprint_sql(title, authors)}, {otherwise})"
