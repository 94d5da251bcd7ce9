"""On PostgreSQL the observations are partitioned by the week in which they were made."""

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_FOREIGN_KEYS = (
    ("item_id", "items", "id"),
    ("payload_sha256", "payloads", "sha256"),
    ("source", "data_sources", "name"),
)
_PARTIAL_INDEXES = (
    ("unconverted", ["currency", "id"], "price_usd IS NULL AND superseded_at IS NULL"),
    ("superseded_at", ["superseded_at"], "superseded_at IS NOT NULL"),
)


def upgrade() -> None:
    """Move the rows, with their ids, into a table for each week; SQLite stays as it is."""
    if op.get_bind().dialect.name != "postgresql":
        return
    _set_aside("PARTITION BY RANGE (observed_at)")
    op.execute("CREATE TABLE price_listings_default PARTITION OF price_listings DEFAULT")
    weeks = op.get_bind().execute(
        sa.text(
            "SELECT DISTINCT date_trunc('week', observed_at AT TIME ZONE 'UTC')::date "
            "FROM price_listings_before"
        )
    )
    for week in weeks.scalars().all():
        op.execute(
            f"CREATE TABLE price_listings_{week.isoformat().replace('-', '_')} "
            "PARTITION OF price_listings "
            f"FOR VALUES FROM ('{week} 00:00+00') TO ('{week + timedelta(days=7)} 00:00+00')"
        )
    _move_rows()
    _constrain(["id", "observed_at"])


def downgrade() -> None:
    """Move the rows of all attached weeks into one table; detached ones stay as they are."""
    if op.get_bind().dialect.name != "postgresql":
        return
    _set_aside("")
    _move_rows()
    _constrain(["id"])


def _set_aside(partitioning: str) -> None:
    """Rename the table, and make one of the same columns in its place."""
    op.execute("ALTER TABLE price_listings RENAME TO price_listings_before")
    op.execute(
        "CREATE TABLE price_listings "
        "(LIKE price_listings_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS) " + partitioning
    )


def _move_rows() -> None:
    op.execute("INSERT INTO price_listings SELECT * FROM price_listings_before")
    op.execute("ALTER SEQUENCE price_listings_id_seq OWNED BY price_listings.id")
    op.execute("DROP TABLE price_listings_before")


def _constrain(key: list[str]) -> None:
    """Make the keys and indexes, which is quicker over rows that are there."""
    op.create_primary_key(op.f("pk_price_listings"), "price_listings", key)
    op.create_unique_constraint(
        op.f("uq_price_listings_item_id_source_kind_source_listing_id_observed_at"),
        "price_listings",
        ["item_id", "source", "kind", "source_listing_id", "observed_at"],
    )
    for column, table, referred in _FOREIGN_KEYS:
        op.create_foreign_key(
            op.f(f"fk_price_listings_{column}"), "price_listings", table, [column], [referred]
        )
    op.create_index("ix_price_listings_observed_at", "price_listings", ["observed_at"])
    for name, columns, condition in _PARTIAL_INDEXES:
        op.create_index(
            f"ix_price_listings_{name}",
            "price_listings",
            columns,
            postgresql_where=sa.text(condition),
        )
