"""Searches that were made, and the words of titles for full-text search on PostgreSQL."""

import sqlalchemy as sa
from alembic import op

from resources.database import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table, and the index where the database has full-text search."""
    op.create_table(
        "searches",
        sa.Column("id", _BIG_KEY, autoincrement=True, nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("filters", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("cache_hit", sa.Boolean(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("results", sa.Integer(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("payload_sha256", sa.String(length=64), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('sold', 'ask')", name=op.f("ck_searches_kind")),
        sa.ForeignKeyConstraint(["source"], ["data_sources.name"], name=op.f("fk_searches_source")),
        sa.ForeignKeyConstraint(
            ["payload_sha256"], ["payloads.sha256"], name=op.f("fk_searches_payload_sha256")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_searches")),
    )
    op.create_index(
        "ix_searches_user_id_query", "searches", ["user_id", "query", "kind", "requested_at"]
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE INDEX ix_items_title_words ON items "
            "USING gin (to_tsvector('simple', coalesce(title, '')))"
        )


def downgrade() -> None:
    """Drop the index and the table."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP INDEX ix_items_title_words")
    op.drop_table("searches")
