"""The value of items and snapshots, variants of copies, and sales that were seen twice."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from pricing_assets.schema.views import create_value_views, drop_value_views
from resources.database import Money, UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_Columns = tuple[tuple[str, sa.types.TypeEngine[Any]], ...]

_SUPERSEDED = sa.text("superseded_at IS NOT NULL")
_REVERTED = sa.text("reverted_at IS NOT NULL")
_AMOUNTS = ("quick_sale", "market_value", "patient_sale", "low_value", "high_value")
_RANGE = ("low_value", "high_value")
_HOW: _Columns = (
    ("effective_n", sa.Float()),
    ("outliers", sa.Integer()),
    ("confidence", sa.String(length=8)),
    ("method", sa.String(length=16)),
)
_ADVICE: _Columns = (
    ("time_to_sell_days", sa.Integer()),
    ("rarity", sa.Float()),
    ("probability_label", sa.String(length=8)),
    ("probability_score", sa.Float()),
    ("advice", sa.String(length=8)),
    ("advice_reason", sa.Text()),
)
_ADDED: tuple[tuple[str, _Columns], ...] = (
    ("items", (*((name, Money(12, 2)) for name in _AMOUNTS), *_HOW, *_ADVICE)),
    (
        "price_snapshots",
        (*((name, Money(12, 2)) for name in _RANGE), *_HOW, ("breakdown", sa.Text())),
    ),
    (
        "price_listings",
        (
            ("variant", sa.String(length=64)),
            ("grader", sa.String(length=16)),
            ("grade", sa.String(length=16)),
            ("seller_feedback", sa.Float()),
        ),
    ),
)


def upgrade() -> None:
    """Add what is new; the values come with the next comps and snapshots."""
    for table, columns in _ADDED:
        for name, kind in columns:
            op.add_column(table, sa.Column(name, kind, nullable=True))
    op.add_column(
        "price_listings",
        sa.Column("lot_size", sa.Integer(), server_default=sa.text("1"), nullable=False),
    )
    op.create_index(
        "ix_price_listings_superseded_at",
        "price_listings",
        ["superseded_at"],
        sqlite_where=_SUPERSEDED,
        postgresql_where=_SUPERSEDED,
    )
    op.create_table(
        "sale_merges",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("source_listing_id", sa.String(length=128), nullable=False),
        sa.Column("first_source", sa.String(length=64), nullable=False),
        sa.Column("first_listing_id", sa.String(length=128), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.Column("reverted_at", UtcDateTime(), nullable=True),
        sa.Column("reverted_by", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_sale_merges_item_id")),
        sa.PrimaryKeyConstraint(
            *("item_id", "source", "source_listing_id", "first_source", "first_listing_id"),
            name=op.f("pk_sale_merges"),
        ),
    )
    op.create_index(
        "ix_sale_merges_reverted_at",
        "sale_merges",
        ["reverted_at"],
        sqlite_where=_REVERTED,
        postgresql_where=_REVERTED,
    )
    for statement in create_value_views(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    """Drop what was added; what people said of repeated sales is lost."""
    for statement in drop_value_views(op.get_bind().dialect.name):
        op.execute(statement)
    op.drop_table("sale_merges")
    op.drop_index("ix_price_listings_superseded_at", table_name="price_listings")
    op.drop_column("price_listings", "lot_size")
    for table, columns in reversed(_ADDED):
        for name, _ in reversed(columns):
            op.drop_column(table, name)
