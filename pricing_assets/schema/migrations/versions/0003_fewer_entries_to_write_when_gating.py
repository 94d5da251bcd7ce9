"""Fewer index entries to write when items are scored and gated."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index only the items in training; drop an index that no statement used."""
    op.drop_index("ix_items_in_training_training_quality_score", table_name="items")
    op.create_index(
        "ix_items_in_training",
        "items",
        ["training_quality_score"],
        unique=False,
        sqlite_where=sa.text("in_training = 1"),
        postgresql_where=sa.text("in_training"),
    )
    op.drop_index("ix_gate_evaluations_policy_passed", table_name="gate_evaluations")


def downgrade() -> None:
    """Bring the earlier indexes back."""
    op.create_index(
        "ix_gate_evaluations_policy_passed", "gate_evaluations", ["policy", "passed"], unique=False
    )
    op.drop_index("ix_items_in_training", table_name="items")
    op.create_index(
        "ix_items_in_training_training_quality_score",
        "items",
        ["in_training", "training_quality_score"],
        unique=False,
    )
