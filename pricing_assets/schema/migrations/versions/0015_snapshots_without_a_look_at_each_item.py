"""Snapshots are written without looking each one's item up.

Its item is that of the observations it is made of, which have the foreign key; no item is ever
deleted. To look it up again, and to lock it, was two fifths of writing on PostgreSQL.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_KEY = "fk_price_snapshots_item_id"


def upgrade() -> None:
    """Drop the foreign key."""
    with op.batch_alter_table("price_snapshots") as snapshots:
        snapshots.drop_constraint(op.f(_KEY), type_="foreignkey")


def downgrade() -> None:
    """Bring the foreign key back."""
    with op.batch_alter_table("price_snapshots") as snapshots:
        snapshots.create_foreign_key(op.f(_KEY), "items", ["item_id"], ["id"])
