"""The tables of the central database, typed, with their keys and indexes.

One class a table, by area in the order data flows. Nothing here reads or writes: the
statements over these tables are in `pricing_assets.store`. A change here needs a
migration; `pricing db check` compares the two.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from resources.database import Money, UtcDateTime
from resources.settings import DEFAULT_USER

BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""Type of a drawn key: SQLite only counts up by itself on INTEGER."""

ITEM_ID = sa.String(36)
SHA256 = sa.String(64)
SOURCE = sa.String(64)


class Base(DeclarativeBase):
    """Base of all tables; constraint names are fixed so that migrations can name them."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own way to declare it)
        datetime: UtcDateTime(),
        Decimal: Money(12, 2),
        str: sa.Text(),
        float: sa.Float(),
        dict[str, Any]: sa.JSON(),
    }


def _index_of_present(table: str, column: str) -> sa.Index:
    """Index a column where it has a value: a million new items have none, and write no entry."""
    present = sa.text(f"{column} IS NOT NULL")
    return sa.Index(f"ix_{table}_{column}", column, sqlite_where=present, postgresql_where=present)


def _index_of_pending(name: str, *columns: str, evidence: str, as_of: str) -> sa.Index:
    """Index what a stage has to look at: the items whose evidence is not what it last went by."""
    there = f"{evidence} IS NOT NULL AND {as_of} IS"
    return sa.Index(
        name,
        *columns,
        sqlite_where=sa.text(f"{there} NOT {evidence}"),
        postgresql_where=sa.text(f"{there} DISTINCT FROM {evidence}"),
    )


class Scan(Base):
    """One reading of a code by a user, as it came; refused ones are kept with the reason.

    `origin` is the SHA-256 of the file's content, or of one call of the command line, so
    that the same content twice adds nothing.
    """

    __tablename__ = "scans"

    id: Mapped[int] = mapped_column(
        BIG_KEY, primary_key=True, autoincrement=True, doc="in the order of arrival"
    )
    user_id: Mapped[str] = mapped_column(
        sa.String(64), default=DEFAULT_USER, doc="whose scan it is"
    )
    origin: Mapped[str] = mapped_column(SHA256, doc="SHA-256 of what was read")
    origin_name: Mapped[str] = mapped_column(doc="the file's name")
    line: Mapped[int] = mapped_column(sa.BigInteger(), doc="line in the file, from 1")
    code: Mapped[str] = mapped_column(doc="as it came")
    status: Mapped[str] = mapped_column(sa.String(16), doc="accepted or rejected")
    reason: Mapped[str | None] = mapped_column(sa.String(32), doc="why it was rejected")
    note: Mapped[str | None] = mapped_column(doc="what was repaired or refused, for a person")
    item_id: Mapped[str | None] = mapped_column(
        ITEM_ID, sa.ForeignKey("items.id"), doc="the item it resolves to"
    )
    category: Mapped[str | None] = mapped_column(sa.String(16), doc="of the item it resolves to")
    scanned_at: Mapped[datetime] = mapped_column(doc="when it was scanned")
    received_at: Mapped[datetime] = mapped_column(doc="when we stored it")
    processed_at: Mapped[datetime | None] = mapped_column(
        doc="when its item had been gated; null while pending"
    )

    __table_args__ = (
        sa.UniqueConstraint("user_id", "origin", "line"),
        sa.CheckConstraint("status IN ('accepted', 'rejected')", name="status"),
        sa.Index("ix_scans_user_id_status_reason", "user_id", "status", "reason"),
        sa.Index("ix_scans_item_id", "item_id"),
        sa.Index(
            # In the order in which the unified index is read, with all that a decision needs;
            # SQLite looks into the table for what the condition says but the index does not hold.
            "ix_scans_pending",
            "item_id",
            "id",
            "category",
            "status",
            "processed_at",
            sqlite_where=sa.text("processed_at IS NULL AND status = 'accepted'"),
            postgresql_where=sa.text("processed_at IS NULL AND status = 'accepted'"),
        ),
    )


class Item(Base):
    """One sellable thing, with what is common to all categories: market and training state.

    The `*_as_of` columns hold the moment of the evidence that a derived value was computed
    from: a stage is pending where it differs from the stage before.
    """

    __tablename__ = "items"

    id: Mapped[str] = mapped_column(ITEM_ID, primary_key=True)
    category: Mapped[str] = mapped_column(sa.String(16), doc="book, card or minifigure")
    natural_key: Mapped[str] = mapped_column(sa.String(128), doc="such as a book's ISBN-13")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    title: Mapped[str | None] = mapped_column(doc="or name, as metadata_source gives it")
    description: Mapped[str | None]
    thumbnail_url: Mapped[str | None]
    metadata_source: Mapped[str | None] = mapped_column(SOURCE, doc="source of the title")
    field_origins: Mapped[str | None] = mapped_column(doc="JSON: source and time of each field")
    quality_score: Mapped[float | None] = mapped_column(doc="completeness of the metadata, 0 to 1")
    metadata_fetched_at: Mapped[datetime | None]
    market_fetched_at: Mapped[datetime | None]
    last_enrichment_at: Mapped[datetime | None]

    estimated_price: Mapped[Decimal | None] = mapped_column(doc="USD")
    quick_sale: Mapped[Decimal | None] = mapped_column(doc="what sells at once, USD")
    market_value: Mapped[Decimal | None] = mapped_column(doc="value by core.valuation, USD")
    patient_sale: Mapped[Decimal | None] = mapped_column(doc="what a patient seller gets, USD")
    low_value: Mapped[Decimal | None] = mapped_column(doc="lower end of the range, USD")
    high_value: Mapped[Decimal | None] = mapped_column(doc="upper end of the range, USD")
    effective_n: Mapped[float | None] = mapped_column(doc="sales that the value weighs as much as")
    outliers: Mapped[int | None] = mapped_column(doc="sales that are marked, and weigh a tenth")
    confidence: Mapped[str | None] = mapped_column(sa.String(8), doc="of the value")
    method: Mapped[str | None] = mapped_column(sa.String(16), doc="how the value came about")
    sell_through: Mapped[float | None] = mapped_column(
        doc="recent sales / (recent sales + open asks)"
    )
    time_to_sell_days: Mapped[int | None]
    rarity: Mapped[float | None] = mapped_column(doc="0 to 1; 1 where no copy was seen")
    probability_label: Mapped[str | None] = mapped_column(sa.String(8), doc="HIGH, MEDIUM or LOW")
    probability_score: Mapped[float | None] = mapped_column(doc="of a sale, 0 to 1")
    advice: Mapped[str | None] = mapped_column(sa.String(8), doc="ACCEPT, REJECT or SKIP")
    advice_reason: Mapped[str | None] = mapped_column(doc="why, for a person")
    ebay_active_count: Mapped[int | None]
    ebay_sold_count: Mapped[int | None]
    ebay_currency: Mapped[str | None] = mapped_column(sa.String(3))
    sold_comps_count: Mapped[int | None] = mapped_column(doc="sold observations")
    sold_comps_min: Mapped[Decimal | None] = mapped_column(doc="USD")
    sold_comps_median: Mapped[Decimal | None] = mapped_column(doc="USD")
    sold_comps_max: Mapped[Decimal | None] = mapped_column(doc="USD")
    sold_comps_is_estimate: Mapped[bool] = mapped_column(server_default=sa.false())
    sold_comps_source: Mapped[str | None] = mapped_column(
        SOURCE, doc="source of the sold observations"
    )
    sold_comps_as_of: Mapped[datetime | None] = mapped_column(doc="moment of the evidence")

    training_quality_score: Mapped[float] = mapped_column(
        server_default=sa.text("0"), doc="the policy's score, 0 to 1"
    )
    training_quality_as_of: Mapped[datetime | None]
    in_training: Mapped[bool] = mapped_column(
        server_default=sa.false(), doc="whether the gate admits it"
    )
    in_training_as_of: Mapped[datetime | None]
    work_as_of: Mapped[datetime | None] = mapped_column(
        doc="moment of the metadata that its work was told from"
    )
    people_as_of: Mapped[datetime | None] = mapped_column(
        doc="moment of the metadata that its people and image were read from"
    )

    __table_args__ = (
        sa.UniqueConstraint("category", "natural_key"),
        # Partial: scoring rewrites no entry of the many items that are not in training.
        sa.Index(
            "ix_items_in_training",
            "training_quality_score",
            sqlite_where=sa.text("in_training = 1"),
            postgresql_where=sa.text("in_training"),
        ),
        _index_of_pending(
            *("ix_items_work_pending", "category", "id"),
            evidence="metadata_fetched_at",
            as_of="work_as_of",
        ),
        sa.Index(
            "ix_items_title_words",
            sa.text("to_tsvector('simple', title)"),
            postgresql_using="gin",
            postgresql_where=sa.text("title IS NOT NULL"),
        ).ddl_if(dialect="postgresql"),
        _index_of_pending(
            "ix_items_people_pending", "id", evidence="metadata_fetched_at", as_of="people_as_of"
        ),
        _index_of_pending(
            "ix_items_comps_pending", "id", evidence="market_fetched_at", as_of="sold_comps_as_of"
        ),
        _index_of_present("items", "sold_comps_count"),
    )


class Book(Base):
    """A book's own attributes; one row for every item of category `book`."""

    __tablename__ = "books"

    item_id: Mapped[str] = mapped_column(ITEM_ID, sa.ForeignKey("items.id"), primary_key=True)
    isbn13: Mapped[str] = mapped_column(sa.String(13))
    isbn10: Mapped[str | None] = mapped_column(sa.String(10))
    authors: Mapped[str | None]
    publisher: Mapped[str | None]
    publication_year: Mapped[int | None]
    binding: Mapped[str | None] = mapped_column(sa.String(64))
    page_count: Mapped[int | None]
    language: Mapped[str | None] = mapped_column(sa.String(16))
    work_key: Mapped[str | None] = mapped_column(sa.String(64))
    fingerprint: Mapped[str | None] = mapped_column(
        sa.String(64), doc="of title and first author, as of items.work_as_of"
    )
    cover_type: Mapped[str | None] = mapped_column(sa.String(32))
    signed: Mapped[bool] = mapped_column(server_default=sa.false())
    printing: Mapped[str | None] = mapped_column(sa.String(16))

    __table_args__ = (
        sa.UniqueConstraint("isbn13"),
        sa.Index("ix_books_isbn10", "isbn10"),
        _index_of_present("books", "work_key"),
        _index_of_present("books", "fingerprint"),
    )


class Card(Base):
    """A card's own attributes; one row for every item of category `card`."""

    __tablename__ = "cards"

    item_id: Mapped[str] = mapped_column(ITEM_ID, sa.ForeignKey("items.id"), primary_key=True)
    name: Mapped[str | None]
    player_or_character: Mapped[str | None]
    set_name: Mapped[str | None]
    year: Mapped[int | None] = mapped_column(doc="of release; the first of a season")
    number: Mapped[str | None] = mapped_column(sa.String(32), doc="in the set, as printed")
    manufacturer: Mapped[str | None]
    language: Mapped[str | None] = mapped_column(sa.String(16))
    rarity: Mapped[str | None]
    parallel: Mapped[str | None]
    print_run: Mapped[int | None]


class Minifigure(Base):
    """A minifigure's own attributes; one row for every item of category `minifigure`."""

    __tablename__ = "minifigures"

    item_id: Mapped[str] = mapped_column(ITEM_ID, sa.ForeignKey("items.id"), primary_key=True)
    set_number: Mapped[str] = mapped_column(
        sa.String(32), doc="number at BrickLink (sw0001) or Rebrickable (fig-000123)"
    )
    name: Mapped[str | None]
    theme: Mapped[str | None]
    year: Mapped[int | None] = mapped_column(doc="of release")
    part_count: Mapped[int | None]
    bricklink_category: Mapped[int | None]

    __table_args__ = (sa.UniqueConstraint("set_number"),)


class MetadataVersion(Base):
    """What one source said of one item at one moment; append-only."""

    __tablename__ = "metadata_versions"

    item_id: Mapped[str] = mapped_column(
        ITEM_ID, sa.ForeignKey("items.id"), primary_key=True, doc="the item that it is about"
    )
    source: Mapped[str] = mapped_column(
        SOURCE, sa.ForeignKey("data_sources.name"), primary_key=True, doc="who said it"
    )
    observed_at: Mapped[datetime] = mapped_column(primary_key=True, doc="when we learnt it")
    fields: Mapped[str] = mapped_column(doc="JSON: what it said")
    completeness: Mapped[float] = mapped_column(doc="of this answer alone, 0 to 1")
    payload_sha256: Mapped[str] = mapped_column(
        SHA256, sa.ForeignKey("payloads.sha256"), doc="the body it was read from"
    )


class DataSource(Base):
    """An outside system that can be asked, what a call costs and what its licence allows."""

    __tablename__ = "data_sources"

    name: Mapped[str] = mapped_column(SOURCE, primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    categories: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default=sa.true())
    rate_per_second: Mapped[float]
    cost_per_call_usd: Mapped[Decimal] = mapped_column(Money(12, 6))
    freshness_days: Mapped[float] = mapped_column(doc="how long an answer stays good")
    licence: Mapped[str]
    daily_call_budget: Mapped[int | None] = mapped_column(
        sa.BigInteger(), doc="calls in a day; null is without limit"
    )
    daily_usd_budget: Mapped[Decimal | None] = mapped_column(
        doc="USD in a day; null is without limit"
    )
    time_zone: Mapped[str] = mapped_column(
        sa.String(64), server_default="UTC", doc="IANA zone in which its day begins"
    )
    enabled: Mapped[bool | None] = mapped_column(
        doc="the operator's switch; null is the source's own default"
    )
    agreement: Mapped[str | None] = mapped_column(
        doc="reference of an agreement with the vendor, as the operator declared it"
    )
    agreed_at: Mapped[datetime | None] = mapped_column(doc="when that was declared")
    allowance: Mapped[str | None] = mapped_column(
        sa.String(64), doc="name of the day's allowance that it shares with other sources"
    )


class Payload(Base):
    """A body that a source returned, kept as evidence: compressed, addressed by its hash.

    Where the licence ends the keeping, the body is emptied and the row stays: what was read
    from it names it by its hash.
    """

    __tablename__ = "payloads"

    sha256: Mapped[str] = mapped_column(SHA256, primary_key=True, doc="of the body as it came")
    source: Mapped[str] = mapped_column(
        SOURCE, sa.ForeignKey("data_sources.name"), doc="who returned it"
    )
    fetched_at: Mapped[datetime] = mapped_column(doc="when it was first returned")
    content_type: Mapped[str | None] = mapped_column(doc="as the source named it")
    size_bytes: Mapped[int] = mapped_column(doc="of the body as it came")
    body_zstd: Mapped[bytes] = mapped_column(doc="empty once it was removed")
    removed_at: Mapped[datetime | None] = mapped_column(
        doc="when the body was removed, or was not kept; null while it is here"
    )

    __table_args__ = (
        sa.Index(
            "ix_payloads_kept",
            "source",
            "fetched_at",
            sqlite_where=sa.text("removed_at IS NULL"),
            postgresql_where=sa.text("removed_at IS NULL"),
        ),
    )


class ApiCall(Base):
    """One request to a source that was answered or given up, about an item or a person."""

    __tablename__ = "api_calls"

    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True, autoincrement=True)
    source: Mapped[str] = mapped_column(SOURCE, sa.ForeignKey("data_sources.name"))
    item_id: Mapped[str | None] = mapped_column(
        ITEM_ID, sa.ForeignKey("items.id"), doc="null where it was about no item, as for rates"
    )
    person_id: Mapped[str | None] = mapped_column(ITEM_ID, sa.ForeignKey("people.id"))
    run_id: Mapped[str] = mapped_column(sa.String(64))
    requested_at: Mapped[datetime]
    result: Mapped[str] = mapped_column(sa.String(16))
    status: Mapped[int | None]
    attempts: Mapped[int]
    latency_ms: Mapped[float]
    size_bytes: Mapped[int]
    cost_usd: Mapped[Decimal] = mapped_column(Money(12, 6))
    error: Mapped[str | None]
    payload_sha256: Mapped[str | None] = mapped_column(SHA256, sa.ForeignKey("payloads.sha256"))
    cache_hit: Mapped[bool] = mapped_column(
        server_default=sa.false(), doc="answered from a kept copy, without a request"
    )
    listings: Mapped[int | None] = mapped_column(
        doc="prices that the answer showed; null where it was no answer"
    )

    __table_args__ = (
        sa.UniqueConstraint("item_id", "source", "requested_at"),
        sa.UniqueConstraint("person_id", "source", "requested_at"),
        sa.CheckConstraint("item_id IS NULL OR person_id IS NULL", name="subject"),
        sa.Index("ix_api_calls_source_requested_at", "source", "requested_at"),
        sa.Index("ix_api_calls_run_id", "run_id"),
    )


class PriceListing(Base):
    """One price seen in the market; append-only, with both clocks.

    `sold_at`/`listed_at` say when it happened, `observed_at` when we learnt of it,
    `superseded_at` when the source corrected or withdrew it. `price_usd` is null where the
    currency could not be converted: such a row is kept and never counted, until a rate comes
    and a converted row takes its place.

    On PostgreSQL it is partitioned by week (`schema.weeks`), or a hypertable (`schema.hypertable`).
    The key of such a table has to hold what it is partitioned by: there it is (id, observed_at).
    """

    __tablename__ = "price_listings"

    id: Mapped[int] = mapped_column(
        BIG_KEY, primary_key=True, autoincrement=True, doc="number of the observation"
    )
    item_id: Mapped[str] = mapped_column(
        ITEM_ID, sa.ForeignKey("items.id"), doc="the item that was priced"
    )
    source: Mapped[str] = mapped_column(
        SOURCE, sa.ForeignKey("data_sources.name"), doc="who showed it"
    )
    source_listing_id: Mapped[str] = mapped_column(sa.String(128), doc="the source's own id")
    kind: Mapped[str] = mapped_column(sa.String(16), doc="sold, ask, offer or estimate")
    title: Mapped[str] = mapped_column(doc="as the listing shows it")
    price: Mapped[Decimal] = mapped_column(doc="as shown, without shipping")
    currency: Mapped[str] = mapped_column(sa.String(3), doc="ISO 4217")
    exchange_rate: Mapped[Decimal | None] = mapped_column(
        Money(18, 8), doc="to USD, at exchange_rate_date"
    )
    exchange_rate_date: Mapped[date | None] = mapped_column(
        doc="day of that rate; the price's own where it is in USD"
    )
    price_usd: Mapped[Decimal | None] = mapped_column(
        doc="of one piece of the lot; null where it cannot be converted"
    )
    conversion_error: Mapped[str | None] = mapped_column(doc="why it could not be converted")
    shipping: Mapped[Decimal | None] = mapped_column(doc="in currency")
    quantity: Mapped[int] = mapped_column(
        server_default=sa.text("1"), doc="pieces sold or offered, each at the price"
    )
    condition: Mapped[str | None] = mapped_column(sa.String(64), doc="as the source puts it")
    listing_type: Mapped[str | None] = mapped_column(
        sa.String(16), doc="auction, fixed_price or best_offer"
    )
    bids: Mapped[int | None] = mapped_column(doc="bids of the auction so far")
    watchers: Mapped[int | None] = mapped_column(doc="people who watch the listing")
    sold_at: Mapped[datetime | None] = mapped_column(doc="when it sold, where the source says")
    listed_at: Mapped[datetime | None] = mapped_column(doc="when it was listed")
    observed_at: Mapped[datetime] = mapped_column(doc="when we learnt of it")
    superseded_at: Mapped[datetime | None] = mapped_column(
        doc="when the source corrected or withdrew it"
    )
    match_confidence: Mapped[float] = mapped_column(
        server_default=sa.text("1"), doc="that it is this item, 0 to 1"
    )
    variant: Mapped[str | None] = mapped_column(
        sa.String(64), doc="what has a price of its own: signed, a grade; null is a plain copy"
    )
    grader: Mapped[str | None] = mapped_column(sa.String(16), doc="who graded a card")
    grade: Mapped[str | None] = mapped_column(sa.String(16), doc="of a graded card")
    lot_size: Mapped[int] = mapped_column(
        server_default=sa.text("1"), doc="pieces that are sold together"
    )
    seller_feedback: Mapped[float | None] = mapped_column(
        doc="percent of the seller's ratings that are positive"
    )
    payload_sha256: Mapped[str] = mapped_column(
        SHA256, sa.ForeignKey("payloads.sha256"), doc="the body it was read from"
    )

    __table_args__ = (
        sa.UniqueConstraint("item_id", "source", "kind", "source_listing_id", "observed_at"),
        sa.CheckConstraint("kind IN ('sold', 'ask', 'offer', 'estimate')", name="kind"),
        # With the item: a day's items with news are told by the index alone.
        sa.Index("ix_price_listings_observed_at_item_id", "observed_at", "item_id"),
        sa.Index(
            # What rates that arrive may convert: nothing where all prices are in USD.
            "ix_price_listings_unconverted",
            "currency",
            "id",
            sqlite_where=sa.text("price_usd IS NULL AND superseded_at IS NULL"),
            postgresql_where=sa.text("price_usd IS NULL AND superseded_at IS NULL"),
        ),
        # What a correction or withdrawal is news of on its day.
        sa.Index(
            "ix_price_listings_superseded_at",
            "superseded_at",
            sqlite_where=sa.text("superseded_at IS NOT NULL"),
            postgresql_where=sa.text("superseded_at IS NOT NULL"),
        ),
        {"postgresql_partition_by": "RANGE (observed_at)"},
    )


class ExchangeRate(Base):
    """What one unit of a currency cost in USD on a day, as a source published it; append-only."""

    __tablename__ = "exchange_rates"

    day: Mapped[date] = mapped_column(doc="that it is of; banks publish on working days")
    currency: Mapped[str] = mapped_column(sa.String(3), doc="ISO 4217")
    source: Mapped[str] = mapped_column(
        SOURCE, sa.ForeignKey("data_sources.name"), doc="who published it"
    )
    usd_per_unit: Mapped[Decimal] = mapped_column(Money(18, 8), doc="USD for one unit, above 0")
    observed_at: Mapped[datetime] = mapped_column(doc="when we learnt of it")

    __table_args__ = (
        sa.PrimaryKeyConstraint("currency", "day", "source"),
        sa.Index("ix_exchange_rates_source_day", "source", "day"),
    )


class SaleMerge(Base):
    """An observation that is the same sale as an earlier one, and so is not counted.

    A record for people: what is counted follows from the observations and from what was
    reverted here (see `store.market`). Both are named as their sources name them, so that a
    corrected observation stays reverted.
    """

    __tablename__ = "sale_merges"

    item_id: Mapped[str] = mapped_column(ITEM_ID, sa.ForeignKey("items.id"), primary_key=True)
    source: Mapped[str] = mapped_column(SOURCE, primary_key=True, doc="of what is not counted")
    source_listing_id: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    first_source: Mapped[str] = mapped_column(SOURCE, primary_key=True, doc="of what is counted")
    first_listing_id: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    decided_at: Mapped[datetime]
    reverted_at: Mapped[datetime | None] = mapped_column(
        doc="when a person said that these are two sales; never merged again"
    )
    reverted_by: Mapped[str | None] = mapped_column(sa.String(64), doc="who said so")
    reason: Mapped[str | None] = mapped_column(doc="why, in that person's words")

    __table_args__ = (
        sa.Index(
            "ix_sale_merges_reverted_at",
            "reverted_at",
            sqlite_where=sa.text("reverted_at IS NOT NULL"),
            postgresql_where=sa.text("reverted_at IS NOT NULL"),
        ),
    )


class RejectedSale(Base):
    """A line of a file of sales that is no observation, kept for review with the reason."""

    __tablename__ = "rejected_sales"

    payload_sha256: Mapped[str] = mapped_column(
        SHA256, sa.ForeignKey("payloads.sha256"), primary_key=True, doc="the file"
    )
    line: Mapped[int] = mapped_column(
        sa.BigInteger(), primary_key=True, autoincrement=False, doc="line in the file, from 1"
    )
    source: Mapped[str] = mapped_column(SOURCE, sa.ForeignKey("data_sources.name"))
    file_name: Mapped[str]
    code: Mapped[str] = mapped_column(doc="as it came, cut short")
    reason: Mapped[str] = mapped_column(sa.String(32))
    note: Mapped[str] = mapped_column(doc="what is wrong, for a person")
    received_at: Mapped[datetime]

    __table_args__ = (sa.Index("ix_rejected_sales_received_at", "received_at"),)


class Search(Base):
    """One search for listings by words: what was asked, of whom, and what came of it.

    A row for each time somebody searched. Where a stored answer was fresh, `cache_hit` is true
    and no call was made; `payload_sha256` then is that of the stored answer.
    """

    __tablename__ = "searches"

    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True, autoincrement=True)
    user_id: Mapped[str] = mapped_column(sa.String(64), doc="who searched")
    query: Mapped[str] = mapped_column(doc="the words, in lower case with single spaces")
    kind: Mapped[str] = mapped_column(sa.String(16), doc="sold or ask")
    filters: Mapped[str] = mapped_column(doc="JSON: what the search was limited to")
    source: Mapped[str] = mapped_column(SOURCE, sa.ForeignKey("data_sources.name"))
    requested_at: Mapped[datetime]
    answered_at: Mapped[datetime | None] = mapped_column(
        doc="when the source answered; null where it did not"
    )
    expires_at: Mapped[datetime | None] = mapped_column(doc="until when the answer is fresh")
    cache_hit: Mapped[bool] = mapped_column(doc="answered from the database, without a call")
    pages: Mapped[int] = mapped_column(doc="pages that were read")
    results: Mapped[int] = mapped_column(doc="listings that the answer showed")
    items: Mapped[int] = mapped_column(doc="items that the listings were matched to")
    payload_sha256: Mapped[str | None] = mapped_column(
        SHA256, sa.ForeignKey("payloads.sha256"), doc="the body that the listings are read from"
    )
    error: Mapped[str | None] = mapped_column(doc="why there is no answer")

    __table_args__ = (
        sa.CheckConstraint("kind IN ('sold', 'ask')", name="kind"),
        sa.Index("ix_searches_user_id_query", "user_id", "query", "kind", "requested_at"),
    )


class PriceSnapshot(Base):
    """The state of one item's market at the end of one day.

    A row exists for a day on which there was news of the item. Statistics are over the sold
    observations of the trailing window; asks are counted beside them and never mixed in.
    """

    __tablename__ = "price_snapshots"

    # The item of its observations, which have the foreign key: here it cost two fifths of writing.
    item_id: Mapped[str] = mapped_column(
        ITEM_ID, primary_key=True, doc="the item that there was news of"
    )
    snapshot_date: Mapped[date] = mapped_column(primary_key=True, doc="the day, in UTC")
    as_of: Mapped[datetime] = mapped_column(doc="only what was known by then")
    provisional: Mapped[bool] = mapped_column(doc="the day had not ended")
    window_days: Mapped[int] = mapped_column(doc="days of sales counted")
    sold_count: Mapped[int] = mapped_column(doc="sales in the window")
    min_price: Mapped[Decimal | None] = mapped_column(doc="USD")
    median_price: Mapped[Decimal | None] = mapped_column(doc="USD")
    max_price: Mapped[Decimal | None] = mapped_column(doc="USD")
    quick_sale: Mapped[Decimal | None] = mapped_column(doc="what sells at once, USD")
    market_value: Mapped[Decimal | None] = mapped_column(doc="value by core.valuation, USD")
    patient_sale: Mapped[Decimal | None] = mapped_column(doc="what a patient seller gets, USD")
    low_value: Mapped[Decimal | None] = mapped_column(doc="lower end of the range, USD")
    high_value: Mapped[Decimal | None] = mapped_column(doc="upper end of the range, USD")
    effective_n: Mapped[float | None] = mapped_column(doc="sales that the value weighs as much as")
    outliers: Mapped[int | None] = mapped_column(doc="sales that are marked, and weigh a tenth")
    confidence: Mapped[str | None] = mapped_column(sa.String(8), doc="of the value")
    method: Mapped[str | None] = mapped_column(sa.String(16), doc="how the value came about")
    ask_count: Mapped[int] = mapped_column(doc="asks open at the as-of")
    min_ask: Mapped[Decimal | None] = mapped_column(doc="lowest open ask, USD")
    sources: Mapped[str] = mapped_column(doc="sources, separated by commas")
    breakdown: Mapped[str | None] = mapped_column(
        doc="JSON: number, median and value by condition, grade and variant"
    )

    __table_args__ = (sa.Index("ix_price_snapshots_snapshot_date", "snapshot_date"),)


class UnifiedIndex(Base):
    """For every item and source: the last fetch, its result, and when asking is worth it again.

    Only a fetch moves `last_fetched_at`. `misses` counts the fetches in a row that left nothing
    usable. A run that is asking holds the lease until its end; a row of an item that was never
    asked has nothing but a lease.
    """

    __tablename__ = "unified_index"

    item_id: Mapped[str] = mapped_column(ITEM_ID, sa.ForeignKey("items.id"), primary_key=True)
    source: Mapped[str] = mapped_column(
        SOURCE, sa.ForeignKey("data_sources.name"), primary_key=True
    )
    last_fetched_at: Mapped[datetime | None]
    result: Mapped[str | None] = mapped_column(sa.String(16))
    completeness: Mapped[float | None]
    misses: Mapped[int] = mapped_column(server_default=sa.text("0"))
    next_due_at: Mapped[datetime | None]
    lease_run_id: Mapped[str | None] = mapped_column(sa.String(64))
    lease_until: Mapped[datetime | None]

    __table_args__ = (
        # A decision reads these for every pending scan: on PostgreSQL from the index alone, and
        # SQLite keeps the whole row in the key's tree.
        sa.PrimaryKeyConstraint(
            "item_id",
            "source",
            postgresql_include=[
                *("last_fetched_at", "result", "completeness", "misses", "next_due_at"),
                *("lease_run_id", "lease_until"),
            ],
        ),
        sa.CheckConstraint("result IN ('found', 'not_found', 'error')", name="result"),
        sa.Index("ix_unified_index_source_next_due_at", "source", "next_due_at"),
        sa.Index(
            "ix_unified_index_lease_run_id",
            "lease_run_id",
            sqlite_where=sa.text("lease_run_id IS NOT NULL"),
            postgresql_where=sa.text("lease_run_id IS NOT NULL"),
        ),
        {"sqlite_with_rowid": False},
    )


class DecisionBatch(Base):
    """One round of decisions: when it was, what it gave, and what it saved."""

    __tablename__ = "decision_batches"

    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(sa.String(64))
    decided_at: Mapped[datetime]
    scans: Mapped[int] = mapped_column(server_default=sa.text("0"), doc="scans decided")
    calls_to_make: Mapped[int] = mapped_column(server_default=sa.text("0"))
    calls_saved: Mapped[int] = mapped_column(server_default=sa.text("0"))
    cost_usd: Mapped[Decimal] = mapped_column(Money(14, 6), server_default=sa.text("0"))
    saved_usd: Mapped[Decimal] = mapped_column(Money(14, 6), server_default=sa.text("0"))
    by_reason: Mapped[str] = mapped_column(
        server_default="[]", doc="JSON: action, source, reason, calls and USD"
    )

    __table_args__ = (
        sa.Index("ix_decision_batches_run_id", "run_id"),
        sa.Index("ix_decision_batches_decided_at", "decided_at"),
    )


class EnrichmentDecision(Base):
    """Which sources are worth a call for one scan, with the one reason for each.

    `reasons` is like `|ask:open_library:new|skip:ebay_browse:fresh|`. What is to be asked stays
    in the queue until the index has a fetch that is not older than the decision. No foreign
    keys: a million rows are written in one statement, and checking each took as long again.
    """

    __tablename__ = "enrichment_decisions"

    scan_id: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False
    )
    batch_id: Mapped[int] = mapped_column(sa.BigInteger())
    calls_to_make: Mapped[int]
    calls_saved: Mapped[int]
    cost_usd: Mapped[Decimal] = mapped_column(Money(12, 6), doc="of the calls to make")
    saved_usd: Mapped[Decimal] = mapped_column(Money(12, 6), doc="of the calls that are skipped")
    reasons: Mapped[str]
    deferred_until: Mapped[datetime | None] = mapped_column(
        doc="when to decide anew: what was to be asked could not be asked"
    )

    __table_args__ = (
        # Batches are written one after the other: where each lies is all that an index has to say.
        sa.Index("ix_enrichment_decisions_batch_id", "batch_id", postgresql_using="brin"),
        sa.Index(
            "ix_enrichment_decisions_deferred_until",
            "deferred_until",
            sqlite_where=sa.text("deferred_until IS NOT NULL"),
            postgresql_where=sa.text("deferred_until IS NOT NULL"),
        ),
    )


class RefreshAsk(Base):
    """A call that no scan asked for: the item's last answer is old, and worth renewing.

    Open until the index has a fetch that is not older than `planned_at`.
    """

    __tablename__ = "refresh_asks"

    item_id: Mapped[str] = mapped_column(
        ITEM_ID, sa.ForeignKey("items.id"), primary_key=True, doc="the item to ask about"
    )
    source: Mapped[str] = mapped_column(
        SOURCE, sa.ForeignKey("data_sources.name"), primary_key=True, doc="the source to ask"
    )
    planned_at: Mapped[datetime] = mapped_column(doc="when it was planned; forgotten after a week")
    run_id: Mapped[str] = mapped_column(sa.String(64), doc="the Dagster run that planned it")
    reason: Mapped[str] = mapped_column(sa.String(16), doc="stale or low_quality")
    priority: Mapped[float] = mapped_column(doc="value at stake x staleness / cost")
    cost_usd: Mapped[Decimal] = mapped_column(Money(12, 6), doc="of the call")

    __table_args__ = (sa.Index("ix_refresh_asks_planned_at", "planned_at"),)


class Work(Base):
    """What an author wrote: the editions and printings of one work share its key.

    The key is Open Library's where it is known, otherwise a fingerprint of title and author.
    """

    __tablename__ = "works"

    key: Mapped[str] = mapped_column(
        sa.String(64), primary_key=True, doc="Open Library's, else a fingerprint"
    )
    fingerprint: Mapped[str | None] = mapped_column(sa.String(64), doc="of title and first author")
    title: Mapped[str | None] = mapped_column(doc="of one of its editions")
    authors: Mapped[str | None] = mapped_column(doc="of that edition")
    editions: Mapped[int] = mapped_column(server_default=sa.text("0"), doc="items of this work")
    updated_at: Mapped[datetime] = mapped_column(doc="when its editions were last told")

    __table_args__ = (sa.Index("ix_works_fingerprint", "fingerprint"),)


class Person(Base):
    """An author, athlete or character: what is known of whoever drives a price."""

    __tablename__ = "people"

    id: Mapped[str] = mapped_column(ITEM_ID, primary_key=True, doc="of kind and key")
    kind: Mapped[str] = mapped_column(sa.String(16), doc="author, athlete or character")
    key: Mapped[str] = mapped_column(sa.String(128), doc="the same for all spellings of the name")
    name: Mapped[str] = mapped_column(doc="as an item spells it")
    created_at: Mapped[datetime] = mapped_column(doc="when an item first named them")
    updated_at: Mapped[datetime] = mapped_column(doc="when this row was last written")
    label: Mapped[str | None] = mapped_column(doc="the source's own spelling")
    wikidata_id: Mapped[str | None] = mapped_column(
        sa.String(16), doc="such as Q42; null where it knows none"
    )
    description: Mapped[str | None] = mapped_column(doc="in a few words, by Wikidata")
    born: Mapped[str | None] = mapped_column(
        sa.String(16), doc="ISO 8601 date, as precise as it is known"
    )
    died: Mapped[str | None] = mapped_column(sa.String(16), doc="as born")
    awards: Mapped[int | None] = mapped_column(doc="awards that Wikidata lists")
    wikis: Mapped[int | None] = mapped_column(
        doc="wikis with a page of theirs: how widely they are known"
    )
    image: Mapped[str | None] = mapped_column(doc="name of the picture's file at Commons")
    field_origins: Mapped[str | None] = mapped_column(doc="JSON: source and time of each field")

    __table_args__ = (
        sa.UniqueConstraint("kind", "key"),
        sa.CheckConstraint("kind IN ('author', 'athlete', 'character')", name="kind"),
    )


class PeopleIndex(Base):
    """For every person and source: the last fetch, its result, and when asking is worth it again.

    Whoever takes a person to ask moves `next_due_at` on in the same statement.
    """

    __tablename__ = "people_index"

    person_id: Mapped[str] = mapped_column(ITEM_ID, sa.ForeignKey("people.id"), primary_key=True)
    source: Mapped[str] = mapped_column(
        SOURCE, sa.ForeignKey("data_sources.name"), primary_key=True
    )
    last_fetched_at: Mapped[datetime | None]
    result: Mapped[str | None] = mapped_column(sa.String(16))
    misses: Mapped[int] = mapped_column(server_default=sa.text("0"))
    next_due_at: Mapped[datetime]


class ItemPerson(Base):
    """A person whom an item names."""

    __tablename__ = "item_people"

    item_id: Mapped[str] = mapped_column(ITEM_ID, sa.ForeignKey("items.id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(ITEM_ID, sa.ForeignKey("people.id"), primary_key=True)
    role: Mapped[str] = mapped_column(sa.String(16), doc="author, or shown")

    __table_args__ = (sa.Index("ix_item_people_person_id", "person_id"),)


class Image(Base):
    """A picture of an item or a person: where it is, and under which licence."""

    __tablename__ = "images"

    id: Mapped[str] = mapped_column(ITEM_ID, primary_key=True, doc="of subject and address")
    item_id: Mapped[str | None] = mapped_column(ITEM_ID, sa.ForeignKey("items.id"))
    person_id: Mapped[str | None] = mapped_column(ITEM_ID, sa.ForeignKey("people.id"))
    url: Mapped[str]
    sha256: Mapped[str | None] = mapped_column(SHA256, doc="of the picture; null: not fetched")
    width: Mapped[int | None] = mapped_column(doc="pixels")
    height: Mapped[int | None] = mapped_column(doc="pixels")
    licence: Mapped[str | None] = mapped_column(doc="null where its source does not say")
    licence_url: Mapped[str | None]
    attribution: Mapped[str | None] = mapped_column(doc="whom the licence wants named")
    source: Mapped[str] = mapped_column(
        SOURCE, sa.ForeignKey("data_sources.name"), doc="who told of it"
    )
    observed_at: Mapped[datetime] = mapped_column(doc="when we learnt of it")

    __table_args__ = (
        sa.CheckConstraint("(item_id IS NULL) <> (person_id IS NULL)", name="subject"),
        sa.Index("ix_images_item_id", "item_id"),
        sa.Index("ix_images_person_id", "person_id"),
    )


class EditionReview(Base):
    """Two ISBNs that look like one edition: shown to a person, never merged by itself."""

    __tablename__ = "edition_reviews"

    item_id: Mapped[str] = mapped_column(ITEM_ID, sa.ForeignKey("items.id"), primary_key=True)
    other_item_id: Mapped[str] = mapped_column(ITEM_ID, sa.ForeignKey("items.id"), primary_key=True)
    score: Mapped[float] = mapped_column(doc="0 to 1")
    reasons: Mapped[str] = mapped_column(doc="what agrees and what does not")
    found_at: Mapped[datetime]
    verdict: Mapped[str | None] = mapped_column(
        sa.String(16), doc="accepted or rejected; null is open"
    )
    decided_at: Mapped[datetime | None]
    user_id: Mapped[str | None] = mapped_column(sa.String(64), doc="who decided")

    __table_args__ = (
        sa.CheckConstraint("item_id < other_item_id", name="order"),
        sa.CheckConstraint("verdict IN ('accepted', 'rejected')", name="verdict"),
        sa.Index("ix_edition_reviews_verdict_score", "verdict", "score"),
    )


class TrainingSession(Base):
    """One batch of asking: the calls of one run to the sources of some kinds, as they go.

    Updated every few seconds while it runs, so that its progress can be read here.
    """

    __tablename__ = "training_sessions"

    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(sa.String(64))
    kinds: Mapped[str] = mapped_column(sa.String(64), doc="of the sources, separated by commas")
    started_at: Mapped[datetime]
    updated_at: Mapped[datetime] = mapped_column(doc="its last sign of life")
    finished_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(sa.String(16), doc="running, finished or failed")
    calls_planned: Mapped[int] = mapped_column(doc="calls that were decided and open at its start")
    calls_answered: Mapped[int] = mapped_column(server_default=sa.text("0"))
    calls_failed: Mapped[int] = mapped_column(server_default=sa.text("0"))
    calls_unanswered: Mapped[int] = mapped_column(
        server_default=sa.text("0"), doc="not sent: their source took no questions"
    )
    cost_usd: Mapped[Decimal] = mapped_column(Money(14, 6), server_default=sa.text("0"))

    __table_args__ = (
        sa.CheckConstraint("status IN ('running', 'finished', 'failed')", name="status"),
        sa.Index("ix_training_sessions_run_id", "run_id"),
        sa.Index("ix_training_sessions_status_started_at", "status", "started_at"),
    )


class GateEvaluation(Base):
    """What one policy said of one item, on which evidence, and why."""

    __tablename__ = "gate_evaluations"

    item_id: Mapped[str] = mapped_column(
        ITEM_ID, sa.ForeignKey("items.id"), primary_key=True, doc="the item that was judged"
    )
    policy: Mapped[str] = mapped_column(sa.String(16), primary_key=True, doc="name of the policy")
    evidence_as_of: Mapped[datetime] = mapped_column(doc="moment of the evidence")
    evaluated_at: Mapped[datetime] = mapped_column(doc="when the policy was applied")
    score: Mapped[float] = mapped_column(doc="0 to 1")
    passed: Mapped[bool] = mapped_column(doc="whether it may be in training")
    reason: Mapped[str] = mapped_column(doc="passes, or what it lacks")


class TrainingSet(Base):
    """One build of one month's training set."""

    __tablename__ = "training_sets"

    build_id: Mapped[str] = mapped_column(SHA256, primary_key=True)
    month: Mapped[str] = mapped_column(sa.String(7))
    as_of: Mapped[datetime]
    provisional: Mapped[bool]
    policy: Mapped[str] = mapped_column(sa.String(16))
    rows: Mapped[int]
    path: Mapped[str]
    examples_sha256: Mapped[str] = mapped_column(SHA256)
    built_at: Mapped[datetime]
    run_id: Mapped[str] = mapped_column(sa.String(64))

    __table_args__ = (sa.Index("ix_training_sets_month_built_at", "month", "built_at"),)


scans: sa.Table = Scan.__table__  # type: ignore[assignment]
items: sa.Table = Item.__table__  # type: ignore[assignment]
books: sa.Table = Book.__table__  # type: ignore[assignment]
cards: sa.Table = Card.__table__  # type: ignore[assignment]
minifigures: sa.Table = Minifigure.__table__  # type: ignore[assignment]
metadata_versions: sa.Table = MetadataVersion.__table__  # type: ignore[assignment]
data_sources: sa.Table = DataSource.__table__  # type: ignore[assignment]
payloads: sa.Table = Payload.__table__  # type: ignore[assignment]
api_calls: sa.Table = ApiCall.__table__  # type: ignore[assignment]
price_listings: sa.Table = PriceListing.__table__  # type: ignore[assignment]
exchange_rates: sa.Table = ExchangeRate.__table__  # type: ignore[assignment]
sale_merges: sa.Table = SaleMerge.__table__  # type: ignore[assignment]
rejected_sales: sa.Table = RejectedSale.__table__  # type: ignore[assignment]
searches: sa.Table = Search.__table__  # type: ignore[assignment]
price_snapshots: sa.Table = PriceSnapshot.__table__  # type: ignore[assignment]
unified_index: sa.Table = UnifiedIndex.__table__  # type: ignore[assignment]
decision_batches: sa.Table = DecisionBatch.__table__  # type: ignore[assignment]
enrichment_decisions: sa.Table = EnrichmentDecision.__table__  # type: ignore[assignment]
refresh_asks: sa.Table = RefreshAsk.__table__  # type: ignore[assignment]
works: sa.Table = Work.__table__  # type: ignore[assignment]
people: sa.Table = Person.__table__  # type: ignore[assignment]
people_index: sa.Table = PeopleIndex.__table__  # type: ignore[assignment]
item_people: sa.Table = ItemPerson.__table__  # type: ignore[assignment]
images: sa.Table = Image.__table__  # type: ignore[assignment]
edition_reviews: sa.Table = EditionReview.__table__  # type: ignore[assignment]
training_sessions: sa.Table = TrainingSession.__table__  # type: ignore[assignment]
gate_evaluations: sa.Table = GateEvaluation.__table__  # type: ignore[assignment]
training_sets: sa.Table = TrainingSet.__table__  # type: ignore[assignment]

CATEGORY_TABLES: Mapping[str, sa.Table] = {"book": books, "card": cards, "minifigure": minifigures}
"""The table of each category's own attributes: its columns have the names of the fields."""
