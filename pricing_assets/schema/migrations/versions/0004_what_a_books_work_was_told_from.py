"""What a book's work was told from: its fingerprint, and the moment of the metadata."""

import sqlalchemy as sa
from alembic import op

from resources.database import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both, with the index that finds the items whose metadata changed since."""
    op.add_column("books", sa.Column("fingerprint", sa.String(length=64), nullable=True))
    op.create_index("ix_books_fingerprint", "books", ["fingerprint"])
    op.add_column("items", sa.Column("work_as_of", UtcDateTime(), nullable=True))
    op.create_index(
        "ix_items_work_pending",
        "items",
        ["category", "id"],
        sqlite_where=sa.text(
            "metadata_fetched_at IS NOT NULL AND work_as_of IS NOT metadata_fetched_at"
        ),
        postgresql_where=sa.text(
            "metadata_fetched_at IS NOT NULL AND work_as_of IS DISTINCT FROM metadata_fetched_at"
        ),
    )


def downgrade() -> None:
    """Remove both."""
    op.drop_index("ix_items_work_pending", table_name="items")
    op.drop_column("items", "work_as_of")
    op.drop_index("ix_books_fingerprint", table_name="books")
    op.drop_column("books", "fingerprint")
