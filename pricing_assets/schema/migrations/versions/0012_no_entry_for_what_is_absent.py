"""No index entry for what an item does not have: a new one has no market, title or work yet."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_PENDING = "market_fetched_at IS NOT NULL AND sold_comps_as_of IS {} market_fetched_at"


def upgrade() -> None:
    """Make the indexes partial; index which items' comps are pending, not when all were fetched."""
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


def downgrade() -> None:
    """Bring the whole indexes back."""
    if op.get_bind().dialect.name == "postgresql":
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


_OPTIONAL = (
    ("items", "sold_comps_count"),
    ("books", "work_key"),
    ("books", "fingerprint"),
)
