"""Fewer index entries to write: none for a market, title or work that a new item has not."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_PENDING = "market_fetched_at IS NOT NULL AND sold_comps_as_of IS {} market_fetched_at"


def upgrade() -> None:
    """Make the indexes partial; index which items' comps are pending, not when all were fetched.

    On PostgreSQL the decisions of a batch lie together, and a range index finds them.
    """
    op.drop_index("ix_items_market_fetched_at", table_name="items")
    op.create_index(
        "ix_items_comps_pending",
        "items",
        ["id"],
        sqlite_where=sa.text(_PENDING.format("NOT")),
        postgresql_where=sa.text(_PENDING.format("DISTINCT FROM")),
    )
    for table, column in _OPTIONAL:
        op.drop_index(f"ix_{table}_{column}", table_name=table)
        present = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_{table}_{column}",
            table,
            [column],
            sqlite_where=present,
            postgresql_where=present,
        )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP INDEX ix_items_title_words")
        op.execute(
            "CREATE INDEX ix_items_title_words ON items "
            "USING gin (to_tsvector('simple', title)) WHERE title IS NOT NULL"
        )
        _index_batches("brin")


def downgrade() -> None:
    """Bring the whole indexes back."""
    if op.get_bind().dialect.name == "postgresql":
        _index_batches("btree")
        op.execute("DROP INDEX ix_items_title_words")
        op.execute(
            "CREATE INDEX ix_items_title_words ON items "
            "USING gin (to_tsvector('simple', coalesce(title, '')))"
        )
    for table, column in _OPTIONAL:
        op.drop_index(f"ix_{table}_{column}", table_name=table)
        op.create_index(f"ix_{table}_{column}", table, [column])
    op.drop_index("ix_items_comps_pending", table_name="items")
    op.create_index("ix_items_market_fetched_at", "items", ["market_fetched_at"])


def _index_batches(method: str) -> None:
    op.drop_index("ix_enrichment_decisions_batch_id", table_name="enrichment_decisions")
    op.create_index(
        "ix_enrichment_decisions_batch_id",
        "enrichment_decisions",
        ["batch_id"],
        postgresql_using=method,
    )


_OPTIONAL = (
    ("items", "sold_comps_count"),
    ("books", "work_key"),
    ("books", "fingerprint"),
)
