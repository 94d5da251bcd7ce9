"""Where PostgreSQL has TimescaleDB, the observations are in a hypertable."""

from alembic import op

from pricing_assets.schema.hypertable import is_hypertable, make_hypertable, make_partitioned

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move the observations out of the weekly partitions; elsewhere all stays as it is."""
    make_hypertable(op.get_bind())


def downgrade() -> None:
    """Move them back, into the default partition: the next process to open it makes the weeks."""
    if is_hypertable(op.get_bind()):
        make_partitioned(op.get_bind())
