"""Exchange rates, why a price was not converted, and calls that are about no item."""

import sqlalchemy as sa
from alembic import op

from resources.database import Money, UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_UNCONVERTED = sa.text("price_usd IS NULL AND superseded_at IS NULL")


def upgrade() -> None:
    """Add the table, the column and the index; what is there stays as it is."""
    op.create_table(
        "exchange_rates",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("usd_per_unit", Money(18, 8), nullable=False),
        sa.Column("observed_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source"], ["data_sources.name"], name=op.f("fk_exchange_rates_source")
        ),
        sa.PrimaryKeyConstraint("currency", "day", "source", name=op.f("pk_exchange_rates")),
    )
    op.create_index("ix_exchange_rates_source_day", "exchange_rates", ["source", "day"])
    op.add_column("price_listings", sa.Column("conversion_error", sa.Text(), nullable=True))
    op.create_index(
        "ix_price_listings_unconverted",
        "price_listings",
        ["currency", "id"],
        sqlite_where=_UNCONVERTED,
        postgresql_where=_UNCONVERTED,
    )
    with op.batch_alter_table("api_calls") as calls:
        calls.alter_column("item_id", existing_type=sa.String(length=36), nullable=True)


def downgrade() -> None:
    """Drop what was added, and the calls that are about no item."""
    op.execute(sa.text("DELETE FROM api_calls WHERE item_id IS NULL"))
    with op.batch_alter_table("api_calls") as calls:
        calls.alter_column("item_id", existing_type=sa.String(length=36), nullable=False)
    op.drop_index("ix_price_listings_unconverted", table_name="price_listings")
    op.drop_column("price_listings", "conversion_error")
    op.drop_table("exchange_rates")
