"""People and images, calls about people, and allowances that sources share."""

import sqlalchemy as sa
from alembic import op

from resources.database import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ID = sa.String(length=36)
_OF_A_CALL = "item_id IS NULL OR person_id IS NULL"
_OF_AN_IMAGE = "(item_id IS NULL) <> (person_id IS NULL)"


def upgrade() -> None:
    """Add the tables and columns; what is there stays as it is."""
    _create_people()
    _create_images()
    op.add_column("items", sa.Column("people_as_of", UtcDateTime(), nullable=True))
    op.create_index(
        "ix_items_people_pending",
        "items",
        ["id"],
        sqlite_where=sa.text(
            "metadata_fetched_at IS NOT NULL AND people_as_of IS NOT metadata_fetched_at"
        ),
        postgresql_where=sa.text(
            "metadata_fetched_at IS NOT NULL AND people_as_of IS DISTINCT FROM metadata_fetched_at"
        ),
    )
    op.add_column("data_sources", sa.Column("allowance", sa.String(length=64), nullable=True))
    with op.batch_alter_table("api_calls") as calls:
        calls.add_column(sa.Column("person_id", _ID, nullable=True))
        calls.create_foreign_key(op.f("fk_api_calls_person_id"), "people", ["person_id"], ["id"])
        calls.create_unique_constraint(
            op.f("uq_api_calls_person_id_source_requested_at"),
            ["person_id", "source", "requested_at"],
        )
        calls.create_check_constraint(op.f("ck_api_calls_subject"), _OF_A_CALL)


def downgrade() -> None:
    """Drop what was added, and the calls about people with it."""
    op.execute("DELETE FROM api_calls WHERE person_id IS NOT NULL")
    with op.batch_alter_table("api_calls") as calls:
        calls.drop_constraint(op.f("ck_api_calls_subject"), type_="check")
        calls.drop_constraint(op.f("uq_api_calls_person_id_source_requested_at"), type_="unique")
        calls.drop_constraint(op.f("fk_api_calls_person_id"), type_="foreignkey")
        calls.drop_column("person_id")
    op.drop_column("data_sources", "allowance")
    op.drop_index("ix_items_people_pending", table_name="items")
    op.drop_column("items", "people_as_of")
    for table in ("images", "item_people", "people_index", "people"):
        op.drop_table(table)


def _create_people() -> None:
    op.create_table(
        "people",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("wikidata_id", sa.String(length=16), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("born", sa.String(length=16), nullable=True),
        sa.Column("died", sa.String(length=16), nullable=True),
        sa.Column("awards", sa.Integer(), nullable=True),
        sa.Column("wikis", sa.Integer(), nullable=True),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("field_origins", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('author', 'athlete', 'character')", name=op.f("ck_people_kind")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("kind", "key", name=op.f("uq_people_kind_key")),
    )
    op.create_table(
        "people_index",
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("last_fetched_at", UtcDateTime(), nullable=True),
        sa.Column("result", sa.String(length=16), nullable=True),
        sa.Column("misses", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_due_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_people_index_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["source"], ["data_sources.name"], name=op.f("fk_people_index_source")
        ),
        sa.PrimaryKeyConstraint("person_id", "source", name=op.f("pk_people_index")),
    )
    op.create_table(
        "item_people",
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_item_people_item_id")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_item_people_person_id")
        ),
        sa.PrimaryKeyConstraint("item_id", "person_id", name=op.f("pk_item_people")),
    )
    op.create_index("ix_item_people_person_id", "item_people", ["person_id"])


def _create_images() -> None:
    op.create_table(
        "images",
        sa.Column("id", _ID, nullable=False),
        sa.Column("item_id", _ID, nullable=True),
        sa.Column("person_id", _ID, nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("licence", sa.Text(), nullable=True),
        sa.Column("licence_url", sa.Text(), nullable=True),
        sa.Column("attribution", sa.Text(), nullable=True),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("observed_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(_OF_AN_IMAGE, name=op.f("ck_images_subject")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_images_item_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_images_person_id")),
        sa.ForeignKeyConstraint(["source"], ["data_sources.name"], name=op.f("fk_images_source")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
    )
    op.create_index("ix_images_item_id", "images", ["item_id"])
    op.create_index("ix_images_person_id", "images", ["person_id"])
