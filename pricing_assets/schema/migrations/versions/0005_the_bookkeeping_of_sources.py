"""The bookkeeping of sources: switches and agreements, sessions of asking, removed bodies."""

import sqlalchemy as sa
from alembic import op

from resources.database import Money, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEPT = sa.text("removed_at IS NULL")


def upgrade() -> None:
    """Add the columns and tables; what is there stays as it is."""
    op.add_column("data_sources", sa.Column("enabled", sa.Boolean(), nullable=True))
    op.add_column("data_sources", sa.Column("agreement", sa.Text(), nullable=True))
    op.add_column("data_sources", sa.Column("agreed_at", UtcDateTime(), nullable=True))
    op.add_column(
        "api_calls",
        sa.Column("cache_hit", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column("api_calls", sa.Column("listings", sa.Integer(), nullable=True))
    op.add_column("payloads", sa.Column("removed_at", UtcDateTime(), nullable=True))
    op.create_index(
        "ix_payloads_kept",
        "payloads",
        ["source", "fetched_at"],
        sqlite_where=_KEPT,
        postgresql_where=_KEPT,
    )
    _create_training_sessions()
    _create_rejected_sales()


def downgrade() -> None:
    """Drop what was added; bodies that were removed do not come back."""
    op.drop_table("rejected_sales")
    op.drop_table("training_sessions")
    op.drop_index("ix_payloads_kept", table_name="payloads")
    for table, columns in (
        ("payloads", ("removed_at",)),
        ("api_calls", ("listings", "cache_hit")),
        ("data_sources", ("agreed_at", "agreement", "enabled")),
    ):
        for column in columns:
            op.drop_column(table, column)


def _create_training_sessions() -> None:
    none = sa.text("0")
    op.create_table(
        "training_sessions",
        sa.Column("id", _BIG_KEY, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("kinds", sa.String(length=64), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("calls_planned", sa.Integer(), nullable=False),
        sa.Column("calls_answered", sa.Integer(), server_default=none, nullable=False),
        sa.Column("calls_failed", sa.Integer(), server_default=none, nullable=False),
        sa.Column("calls_unanswered", sa.Integer(), server_default=none, nullable=False),
        sa.Column("cost_usd", Money(14, 6), server_default=none, nullable=False),
        sa.CheckConstraint(
            "status IN ('running', 'finished', 'failed')", name=op.f("ck_training_sessions_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_sessions")),
    )
    op.create_index("ix_training_sessions_run_id", "training_sessions", ["run_id"])
    op.create_index(
        "ix_training_sessions_status_started_at", "training_sessions", ["status", "started_at"]
    )


def _create_rejected_sales() -> None:
    op.create_table(
        "rejected_sales",
        sa.Column("payload_sha256", sa.String(length=64), nullable=False),
        sa.Column("line", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["payload_sha256"],
            ["payloads.sha256"],
            name=op.f("fk_rejected_sales_payload_sha256"),
        ),
        sa.ForeignKeyConstraint(
            ["source"], ["data_sources.name"], name=op.f("fk_rejected_sales_source")
        ),
        sa.PrimaryKeyConstraint("payload_sha256", "line", name=op.f("pk_rejected_sales")),
    )
    op.create_index("ix_rejected_sales_received_at", "rejected_sales", ["received_at"])
