"""The items with news of a day are told by one index, without a look at each observation."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_BY_TIME = "ix_price_listings_observed_at"


def upgrade() -> None:
    """Let the index by time hold the item too."""
    op.create_index(f"{_BY_TIME}_item_id", "price_listings", ["observed_at", "item_id"])
    op.drop_index(_BY_TIME, table_name="price_listings")


def downgrade() -> None:
    """Bring the index by time alone back."""
    op.create_index(_BY_TIME, "price_listings", ["observed_at"])
    op.drop_index(f"{_BY_TIME}_item_id", table_name="price_listings")
