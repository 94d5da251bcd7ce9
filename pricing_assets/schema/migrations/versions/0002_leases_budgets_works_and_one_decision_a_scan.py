"""Leases and budgets, one decision a scan, refreshes, works and edition reviews."""

import sqlalchemy as sa
from alembic import op

from resources.database import Money, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PENDING = "processed_at IS NULL AND status = 'accepted'"
_IN_KEY = ["last_fetched_at", "result", "completeness", "misses", "next_due_at"]
_LEASE = ["lease_run_id", "lease_until"]


def upgrade() -> None:
    """Create the new tables, and carry index and decisions over."""
    op.add_column("scans", sa.Column("category", sa.String(length=16), nullable=True))
    op.execute(
        "UPDATE scans SET category = (SELECT category FROM items WHERE items.id = scans.item_id)"
    )
    op.drop_index("ix_scans_pending", table_name="scans")
    _index_pending("item_id", "id", "category", "status", "processed_at")

    op.add_column("data_sources", sa.Column("daily_call_budget", sa.BigInteger(), nullable=True))
    op.add_column("data_sources", sa.Column("daily_usd_budget", Money(12, 2), nullable=True))
    op.add_column(
        "data_sources",
        sa.Column("time_zone", sa.String(length=64), server_default="UTC", nullable=False),
    )

    _index_with_leases()
    _decisions_by_scan()

    op.create_table(
        "refresh_asks",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("planned_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.Float(), nullable=False),
        sa.Column("cost_usd", Money(12, 6), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_refresh_asks_item_id")),
        sa.ForeignKeyConstraint(
            ["source"], ["data_sources.name"], name=op.f("fk_refresh_asks_source")
        ),
        sa.PrimaryKeyConstraint("item_id", "source", name=op.f("pk_refresh_asks")),
    )
    op.create_index("ix_refresh_asks_planned_at", "refresh_asks", ["planned_at"])
    op.create_table(
        "works",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("authors", sa.Text(), nullable=True),
        sa.Column("editions", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_works")),
    )
    op.create_index("ix_works_fingerprint", "works", ["fingerprint"])
    op.create_table(
        "edition_reviews",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("other_item_id", sa.String(length=36), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("found_at", UtcDateTime(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("user_id", sa.String(length=64), nullable=True),
        sa.CheckConstraint("item_id < other_item_id", name=op.f("ck_edition_reviews_order")),
        sa.CheckConstraint(
            "verdict IN ('accepted', 'rejected')", name=op.f("ck_edition_reviews_verdict")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_edition_reviews_item_id")),
        sa.ForeignKeyConstraint(
            ["other_item_id"], ["items.id"], name=op.f("fk_edition_reviews_other_item_id")
        ),
        sa.PrimaryKeyConstraint("item_id", "other_item_id", name=op.f("pk_edition_reviews")),
    )
    op.create_index("ix_edition_reviews_verdict_score", "edition_reviews", ["verdict", "score"])


def downgrade() -> None:
    """Drop what was added; leases, and decisions of scans that are pending, are lost."""
    for table in ("edition_reviews", "works", "refresh_asks"):
        op.drop_table(table)
    op.drop_table("enrichment_decisions")
    op.drop_table("decision_batches")
    _old_decisions()
    op.rename_table("unified_index", "leased_index")
    for name in ("source_next_due_at", "lease_run_id"):
        op.drop_index(f"ix_unified_index_{name}", table_name="leased_index")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE leased_index RENAME CONSTRAINT pk_unified_index TO pk_leased_index")
    _create_index_table(leases=False)
    columns = ", ".join(["item_id", "source", *_IN_KEY])
    op.execute(
        f"INSERT INTO unified_index ({columns}) SELECT {columns} FROM leased_index "
        "WHERE last_fetched_at IS NOT NULL"
    )
    op.drop_table("leased_index")
    op.drop_index("ix_scans_pending", table_name="scans")
    _index_pending("id")
    op.drop_column("scans", "category")
    for column in ("daily_call_budget", "daily_usd_budget", "time_zone"):
        op.drop_column("data_sources", column)


def _index_pending(*columns: str) -> None:
    op.create_index(
        "ix_scans_pending",
        "scans",
        list(columns),
        sqlite_where=sa.text(_PENDING),
        postgresql_where=sa.text(_PENDING),
    )


def _index_with_leases() -> None:
    op.rename_table("unified_index", "index_before")
    op.drop_index("ix_unified_index_source_next_due_at", table_name="index_before")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE index_before RENAME CONSTRAINT pk_unified_index TO pk_index_before")
    _create_index_table(leases=True)
    columns = ", ".join(["item_id", "source", *_IN_KEY])
    op.execute(
        f"INSERT INTO unified_index ({columns}) SELECT {columns} FROM index_before "
        "ORDER BY item_id, source"
    )
    op.drop_table("index_before")


def _create_index_table(*, leases: bool) -> None:
    lease_columns = [
        sa.Column("lease_run_id", sa.String(length=64), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
    ]
    op.create_table(
        "unified_index",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("last_fetched_at", UtcDateTime(), nullable=leases),
        sa.Column("result", sa.String(length=16), nullable=leases),
        sa.Column("completeness", sa.Float(), nullable=True),
        sa.Column("misses", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_due_at", UtcDateTime(), nullable=leases),
        *(lease_columns if leases else []),
        sa.CheckConstraint(
            "result IN ('found', 'not_found', 'error')", name=op.f("ck_unified_index_result")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_unified_index_item_id")),
        sa.ForeignKeyConstraint(
            ["source"], ["data_sources.name"], name=op.f("fk_unified_index_source")
        ),
        sa.PrimaryKeyConstraint(
            "item_id",
            "source",
            name=op.f("pk_unified_index"),
            postgresql_include=[*_IN_KEY, *_LEASE] if leases else [],
        ),
        sqlite_with_rowid=not leases,
    )
    op.create_index(
        "ix_unified_index_source_next_due_at", "unified_index", ["source", "next_due_at"]
    )
    if leases:
        held = sa.text("lease_run_id IS NOT NULL")
        op.create_index(
            "ix_unified_index_lease_run_id",
            "unified_index",
            ["lease_run_id"],
            sqlite_where=held,
            postgresql_where=held,
        )


def _decisions_by_scan() -> None:
    joined = "string_agg" if op.get_bind().dialect.name == "postgresql" else "group_concat"
    op.rename_table("enrichment_decisions", "decisions_before")
    for name in ("open", "run_id"):
        op.drop_index(f"ix_enrichment_decisions_{name}", table_name="decisions_before")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "ALTER TABLE decisions_before "
            "RENAME CONSTRAINT pk_enrichment_decisions TO pk_decisions_before"
        )
    amount = sa.text("0")
    op.create_table(
        "decision_batches",
        sa.Column("id", _BIG_KEY, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.Column("scans", sa.Integer(), server_default=amount, nullable=False),
        sa.Column("calls_to_make", sa.Integer(), server_default=amount, nullable=False),
        sa.Column("calls_saved", sa.Integer(), server_default=amount, nullable=False),
        sa.Column("cost_usd", Money(14, 6), server_default=amount, nullable=False),
        sa.Column("saved_usd", Money(14, 6), server_default=amount, nullable=False),
        sa.Column("by_reason", sa.Text(), server_default="[]", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision_batches")),
    )
    op.create_index("ix_decision_batches_run_id", "decision_batches", ["run_id"])
    op.create_index("ix_decision_batches_decided_at", "decision_batches", ["decided_at"])
    op.create_table(
        "enrichment_decisions",
        sa.Column("scan_id", _BIG_KEY, autoincrement=False, nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("calls_to_make", sa.Integer(), nullable=False),
        sa.Column("calls_saved", sa.Integer(), nullable=False),
        sa.Column("cost_usd", Money(12, 6), nullable=False),
        sa.Column("saved_usd", Money(12, 6), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("deferred_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("scan_id", name=op.f("pk_enrichment_decisions")),
    )
    op.create_index("ix_enrichment_decisions_batch_id", "enrichment_decisions", ["batch_id"])
    put_off = sa.text("deferred_until IS NOT NULL")
    op.create_index(
        "ix_enrichment_decisions_deferred_until",
        "enrichment_decisions",
        ["deferred_until"],
        sqlite_where=put_off,
        postgresql_where=put_off,
    )
    ask = "CASE WHEN d.action = 'ask' THEN 1 ELSE 0 END"
    op.execute(
        "INSERT INTO decision_batches (run_id, decided_at, scans, calls_to_make, calls_saved, "
        "cost_usd, saved_usd) SELECT run_id, min(decided_at), count(DISTINCT scan_id), "
        f"sum({ask}), sum(1 - {ask}), sum({ask} * cost_usd), sum((1 - {ask}) * cost_usd) "
        "FROM decisions_before d GROUP BY run_id"
    )
    op.execute(
        "INSERT INTO enrichment_decisions (scan_id, batch_id, calls_to_make, calls_saved, "
        "cost_usd, saved_usd, reasons) SELECT d.scan_id, min(b.id), "
        f"sum({ask}), sum(1 - {ask}), sum({ask} * d.cost_usd), sum((1 - {ask}) * d.cost_usd), "
        f"'|' || {joined}(d.action || ':' || d.source || ':' || d.reason, '|') || '|' "
        "FROM decisions_before d JOIN decision_batches b ON b.run_id = d.run_id "
        "GROUP BY d.scan_id"
    )
    op.drop_table("decisions_before")


def _old_decisions() -> None:
    op.create_table(
        "enrichment_decisions",
        sa.Column("id", _BIG_KEY, autoincrement=True, nullable=False),
        sa.Column("scan_id", _BIG_KEY, nullable=False),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("cost_usd", Money(12, 6), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "action IN ('ask', 'skip')", name=op.f("ck_enrichment_decisions_action")
        ),
        sa.ForeignKeyConstraint(
            ["item_id"], ["items.id"], name=op.f("fk_enrichment_decisions_item_id")
        ),
        sa.ForeignKeyConstraint(
            ["scan_id"], ["scans.id"], name=op.f("fk_enrichment_decisions_scan_id")
        ),
        sa.ForeignKeyConstraint(
            ["source"], ["data_sources.name"], name=op.f("fk_enrichment_decisions_source")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrichment_decisions")),
        sa.UniqueConstraint(
            "scan_id", "source", name=op.f("uq_enrichment_decisions_scan_id_source")
        ),
    )
    open_asks = sa.text("settled_at IS NULL AND action = 'ask'")
    op.create_index(
        "ix_enrichment_decisions_open",
        "enrichment_decisions",
        ["item_id", "source"],
        sqlite_where=open_asks,
        postgresql_where=open_asks,
    )
    op.create_index("ix_enrichment_decisions_run_id", "enrichment_decisions", ["run_id"])
