"""Cards and minifigures: a table of their own attributes for each."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "cards",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("player_or_character", sa.Text(), nullable=True),
        sa.Column("set_name", sa.Text(), nullable=True),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("number", sa.String(length=32), nullable=True),
        sa.Column("manufacturer", sa.Text(), nullable=True),
        sa.Column("language", sa.String(length=16), nullable=True),
        sa.Column("rarity", sa.Text(), nullable=True),
        sa.Column("parallel", sa.Text(), nullable=True),
        sa.Column("print_run", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_cards_item_id")),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_cards")),
    )
    op.create_table(
        "minifigures",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("set_number", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("theme", sa.Text(), nullable=True),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("part_count", sa.Integer(), nullable=True),
        sa.Column("bricklink_category", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_minifigures_item_id")),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_minifigures")),
        sa.UniqueConstraint("set_number", name=op.f("uq_minifigures_set_number")),
    )


def downgrade() -> None:
    """Drop the tables: what they hold is in `metadata_versions` and in the keys."""
    op.drop_table("minifigures")
    op.drop_table("cards")
