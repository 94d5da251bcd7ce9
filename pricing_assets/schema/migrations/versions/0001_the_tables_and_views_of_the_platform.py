"""The tables and views of the platform."""

import sqlalchemy as sa
from alembic import op

from pricing_assets.schema.views import create_views, drop_views
from resources.database import Money, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table, index and view."""
    op.create_table(
        "data_sources",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("categories", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("rate_per_second", sa.Float(), nullable=False),
        sa.Column("cost_per_call_usd", Money(precision=12, scale=6), nullable=False),
        sa.Column("freshness_days", sa.Float(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_data_sources")),
    )
    op.create_table(
        "items",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("category", sa.String(length=16), nullable=False),
        sa.Column("natural_key", sa.String(length=128), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("thumbnail_url", sa.Text(), nullable=True),
        sa.Column("metadata_source", sa.String(length=64), nullable=True),
        sa.Column("field_origins", sa.Text(), nullable=True),
        sa.Column("quality_score", sa.Float(), nullable=True),
        sa.Column("metadata_fetched_at", UtcDateTime(), nullable=True),
        sa.Column("market_fetched_at", UtcDateTime(), nullable=True),
        sa.Column("last_enrichment_at", UtcDateTime(), nullable=True),
        sa.Column("estimated_price", Money(precision=12, scale=2), nullable=True),
        sa.Column("sell_through", sa.Float(), nullable=True),
        sa.Column("ebay_active_count", sa.Integer(), nullable=True),
        sa.Column("ebay_sold_count", sa.Integer(), nullable=True),
        sa.Column("ebay_currency", sa.String(length=3), nullable=True),
        sa.Column("sold_comps_count", sa.Integer(), nullable=True),
        sa.Column("sold_comps_min", Money(precision=12, scale=2), nullable=True),
        sa.Column("sold_comps_median", Money(precision=12, scale=2), nullable=True),
        sa.Column("sold_comps_max", Money(precision=12, scale=2), nullable=True),
        sa.Column(
            "sold_comps_is_estimate", sa.Boolean(), server_default=sa.false(), nullable=False
        ),
        sa.Column("sold_comps_source", sa.String(length=64), nullable=True),
        sa.Column("sold_comps_as_of", UtcDateTime(), nullable=True),
        sa.Column(
            "training_quality_score", sa.Float(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("training_quality_as_of", UtcDateTime(), nullable=True),
        sa.Column("in_training", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("in_training_as_of", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        sa.UniqueConstraint("category", "natural_key", name=op.f("uq_items_category_natural_key")),
    )
    op.create_index(
        "ix_items_in_training_training_quality_score",
        "items",
        ["in_training", "training_quality_score"],
        unique=False,
    )
    op.create_index("ix_items_market_fetched_at", "items", ["market_fetched_at"], unique=False)
    op.create_index("ix_items_sold_comps_count", "items", ["sold_comps_count"], unique=False)

    op.create_table(
        "training_sets",
        sa.Column("build_id", sa.String(length=64), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("as_of", UtcDateTime(), nullable=False),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("policy", sa.String(length=16), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("examples_sha256", sa.String(length=64), nullable=False),
        sa.Column("built_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("build_id", name=op.f("pk_training_sets")),
    )
    op.create_index(
        "ix_training_sets_month_built_at", "training_sets", ["month", "built_at"], unique=False
    )

    op.create_table(
        "books",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("isbn13", sa.String(length=13), nullable=False),
        sa.Column("isbn10", sa.String(length=10), nullable=True),
        sa.Column("authors", sa.Text(), nullable=True),
        sa.Column("publisher", sa.Text(), nullable=True),
        sa.Column("publication_year", sa.Integer(), nullable=True),
        sa.Column("binding", sa.String(length=64), nullable=True),
        sa.Column("page_count", sa.Integer(), nullable=True),
        sa.Column("language", sa.String(length=16), nullable=True),
        sa.Column("work_key", sa.String(length=64), nullable=True),
        sa.Column("cover_type", sa.String(length=32), nullable=True),
        sa.Column("signed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("printing", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_books_item_id")),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_books")),
        sa.UniqueConstraint("isbn13", name=op.f("uq_books_isbn13")),
    )
    op.create_index("ix_books_isbn10", "books", ["isbn10"], unique=False)
    op.create_index("ix_books_work_key", "books", ["work_key"], unique=False)

    op.create_table(
        "gate_evaluations",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("policy", sa.String(length=16), nullable=False),
        sa.Column("evidence_as_of", UtcDateTime(), nullable=False),
        sa.Column("evaluated_at", UtcDateTime(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["items.id"], name=op.f("fk_gate_evaluations_item_id")
        ),
        sa.PrimaryKeyConstraint("item_id", "policy", name=op.f("pk_gate_evaluations")),
    )
    op.create_index(
        "ix_gate_evaluations_policy_passed", "gate_evaluations", ["policy", "passed"], unique=False
    )

    op.create_table(
        "payloads",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("fetched_at", UtcDateTime(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("body_zstd", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["data_sources.name"], name=op.f("fk_payloads_source")),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_payloads")),
    )
    op.create_table(
        "price_snapshots",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("snapshot_date", sa.Date(), nullable=False),
        sa.Column("as_of", UtcDateTime(), nullable=False),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("window_days", sa.Integer(), nullable=False),
        sa.Column("sold_count", sa.Integer(), nullable=False),
        sa.Column("min_price", Money(precision=12, scale=2), nullable=True),
        sa.Column("median_price", Money(precision=12, scale=2), nullable=True),
        sa.Column("max_price", Money(precision=12, scale=2), nullable=True),
        sa.Column("quick_sale", Money(precision=12, scale=2), nullable=True),
        sa.Column("market_value", Money(precision=12, scale=2), nullable=True),
        sa.Column("patient_sale", Money(precision=12, scale=2), nullable=True),
        sa.Column("ask_count", sa.Integer(), nullable=False),
        sa.Column("min_ask", Money(precision=12, scale=2), nullable=True),
        sa.Column("sources", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_price_snapshots_item_id")),
        sa.PrimaryKeyConstraint("item_id", "snapshot_date", name=op.f("pk_price_snapshots")),
    )
    op.create_index(
        "ix_price_snapshots_snapshot_date", "price_snapshots", ["snapshot_date"], unique=False
    )

    op.create_table(
        "scans",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=64), nullable=False),
        sa.Column("origin_name", sa.Text(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("item_id", sa.String(length=36), nullable=True),
        sa.Column("scanned_at", UtcDateTime(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("processed_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("status IN ('accepted', 'rejected')", name=op.f("ck_scans_status")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_scans_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scans")),
        sa.UniqueConstraint("user_id", "origin", "line", name=op.f("uq_scans_user_id_origin_line")),
    )
    op.create_index("ix_scans_item_id", "scans", ["item_id"], unique=False)
    op.create_index(
        "ix_scans_pending",
        "scans",
        ["id"],
        unique=False,
        sqlite_where=sa.text("processed_at IS NULL AND status = 'accepted'"),
        postgresql_where=sa.text("processed_at IS NULL AND status = 'accepted'"),
    )
    op.create_index(
        "ix_scans_user_id_status_reason", "scans", ["user_id", "status", "reason"], unique=False
    )

    op.create_table(
        "unified_index",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("last_fetched_at", UtcDateTime(), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("completeness", sa.Float(), nullable=True),
        sa.Column("misses", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_due_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "result IN ('found', 'not_found', 'error')", name=op.f("ck_unified_index_result")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_unified_index_item_id")),
        sa.ForeignKeyConstraint(
            ["source"], ["data_sources.name"], name=op.f("fk_unified_index_source")
        ),
        sa.PrimaryKeyConstraint("item_id", "source", name=op.f("pk_unified_index")),
    )
    op.create_index(
        "ix_unified_index_source_next_due_at",
        "unified_index",
        ["source", "next_due_at"],
        unique=False,
    )

    op.create_table(
        "api_calls",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("latency_ms", sa.Float(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("cost_usd", Money(precision=12, scale=6), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("payload_sha256", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_api_calls_item_id")),
        sa.ForeignKeyConstraint(
            ["payload_sha256"], ["payloads.sha256"], name=op.f("fk_api_calls_payload_sha256")
        ),
        sa.ForeignKeyConstraint(
            ["source"], ["data_sources.name"], name=op.f("fk_api_calls_source")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_calls")),
        sa.UniqueConstraint(
            "item_id",
            "source",
            "requested_at",
            name=op.f("uq_api_calls_item_id_source_requested_at"),
        ),
    )
    op.create_index("ix_api_calls_run_id", "api_calls", ["run_id"], unique=False)
    op.create_index(
        "ix_api_calls_source_requested_at", "api_calls", ["source", "requested_at"], unique=False
    )

    op.create_table(
        "enrichment_decisions",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("scan_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("cost_usd", Money(precision=12, scale=6), nullable=False),
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
    op.create_index(
        "ix_enrichment_decisions_open",
        "enrichment_decisions",
        ["item_id", "source"],
        unique=False,
        sqlite_where=sa.text("settled_at IS NULL AND action = 'ask'"),
        postgresql_where=sa.text("settled_at IS NULL AND action = 'ask'"),
    )
    op.create_index(
        "ix_enrichment_decisions_run_id", "enrichment_decisions", ["run_id"], unique=False
    )

    op.create_table(
        "metadata_versions",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("observed_at", UtcDateTime(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("completeness", sa.Float(), nullable=False),
        sa.Column("payload_sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["items.id"], name=op.f("fk_metadata_versions_item_id")
        ),
        sa.ForeignKeyConstraint(
            ["payload_sha256"],
            ["payloads.sha256"],
            name=op.f("fk_metadata_versions_payload_sha256"),
        ),
        sa.ForeignKeyConstraint(
            ["source"], ["data_sources.name"], name=op.f("fk_metadata_versions_source")
        ),
        sa.PrimaryKeyConstraint(
            "item_id", "source", "observed_at", name=op.f("pk_metadata_versions")
        ),
    )
    op.create_table(
        "price_listings",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("source_listing_id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("price", Money(precision=12, scale=2), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("exchange_rate", Money(precision=18, scale=8), nullable=True),
        sa.Column("exchange_rate_date", sa.Date(), nullable=True),
        sa.Column("price_usd", Money(precision=12, scale=2), nullable=True),
        sa.Column("shipping", Money(precision=12, scale=2), nullable=True),
        sa.Column("quantity", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("condition", sa.String(length=64), nullable=True),
        sa.Column("listing_type", sa.String(length=16), nullable=True),
        sa.Column("bids", sa.Integer(), nullable=True),
        sa.Column("watchers", sa.Integer(), nullable=True),
        sa.Column("sold_at", UtcDateTime(), nullable=True),
        sa.Column("listed_at", UtcDateTime(), nullable=True),
        sa.Column("observed_at", UtcDateTime(), nullable=False),
        sa.Column("superseded_at", UtcDateTime(), nullable=True),
        sa.Column("match_confidence", sa.Float(), server_default=sa.text("1"), nullable=False),
        sa.Column("payload_sha256", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "kind IN ('sold', 'ask', 'offer', 'estimate')", name=op.f("ck_price_listings_kind")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_price_listings_item_id")),
        sa.ForeignKeyConstraint(
            ["payload_sha256"], ["payloads.sha256"], name=op.f("fk_price_listings_payload_sha256")
        ),
        sa.ForeignKeyConstraint(
            ["source"], ["data_sources.name"], name=op.f("fk_price_listings_source")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_listings")),
        sa.UniqueConstraint(
            "item_id",
            "source",
            "kind",
            "source_listing_id",
            "observed_at",
            name=op.f("uq_price_listings_item_id_source_kind_source_listing_id_observed_at"),
        ),
    )
    op.create_index(
        "ix_price_listings_observed_at", "price_listings", ["observed_at"], unique=False
    )
    for statement in create_views(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    """Remove everything that `upgrade` made."""
    for statement in drop_views(op.get_bind().dialect.name):
        op.execute(statement)
    op.drop_index("ix_price_listings_observed_at", table_name="price_listings")

    op.drop_table("price_listings")
    op.drop_table("metadata_versions")
    op.drop_index("ix_enrichment_decisions_run_id", table_name="enrichment_decisions")
    op.drop_index("ix_enrichment_decisions_open", table_name="enrichment_decisions")

    op.drop_table("enrichment_decisions")
    op.drop_index("ix_api_calls_source_requested_at", table_name="api_calls")
    op.drop_index("ix_api_calls_run_id", table_name="api_calls")

    op.drop_table("api_calls")
    op.drop_index("ix_unified_index_source_next_due_at", table_name="unified_index")

    op.drop_table("unified_index")
    op.drop_index("ix_scans_user_id_status_reason", table_name="scans")
    op.drop_index("ix_scans_pending", table_name="scans")
    op.drop_index("ix_scans_item_id", table_name="scans")

    op.drop_table("scans")
    op.drop_index("ix_price_snapshots_snapshot_date", table_name="price_snapshots")

    op.drop_table("price_snapshots")
    op.drop_table("payloads")
    op.drop_index("ix_gate_evaluations_policy_passed", table_name="gate_evaluations")

    op.drop_table("gate_evaluations")
    op.drop_index("ix_books_work_key", table_name="books")
    op.drop_index("ix_books_isbn10", table_name="books")

    op.drop_table("books")
    op.drop_index("ix_training_sets_month_built_at", table_name="training_sets")

    op.drop_table("training_sets")
    op.drop_index("ix_items_sold_comps_count", table_name="items")
    op.drop_index("ix_items_market_fetched_at", table_name="items")
    op.drop_index("ix_items_in_training_training_quality_score", table_name="items")

    op.drop_table("items")
    op.drop_table("data_sources")
