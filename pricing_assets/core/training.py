"""The training set's contract: its tables, their columns with their roles, how rows are split.

A change of a column changes `SCHEMA_VERSION`: `check_versions` holds it, and so do the files
that were written before.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

SCHEMA_VERSION = "3.0"
"""Version of the tables. Removed or retyped column, table or file: major; added: minor."""

BUCKETS = 32
"""Files of a table that is cut by item, at most; a bucket without rows has none."""

Role = Literal["key", "feature", "label", "label-derived", "weight", "split", "provenance"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, with its DuckDB type, role and meaning."""

    name: str
    type: str
    role: Role
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the training set: Parquet files of its name, in the order of its keys.

    A table that grows with the observations is cut into buckets of items: a file each, so that
    a build writes those whose rows are new and no others. The order is that within a file.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    order: tuple[str, ...]
    bucketed: bool = False

    def file_of(self, bucket: int = 0) -> str:
        """Return the name of a bucket's file; of the only one where there are none."""
        return f"{self.name}/{bucket:02}.parquet" if self.bucketed else f"{self.name}.parquet"


EXAMPLES = (
    Column("item_id", "VARCHAR", "key", "UUIDv5 of category and natural key"),
    Column("category", "VARCHAR", "feature", "book, card or minifigure"),
    Column("natural_key", "VARCHAR", "key", "ISBN-13, card identifier or figure number"),
    Column("variant", "VARCHAR", "feature", "what copy it is, such as signed; empty: plain"),
    Column("work_key", "VARCHAR", "key", "the work that the edition belongs to"),
    Column("title", "VARCHAR", "feature", "title; name of a card or minifigure"),
    Column("authors", "VARCHAR", "feature", "authors, separated by commas"),
    Column("publisher", "VARCHAR", "feature", "publisher"),
    Column("publication_year", "INTEGER", "feature", "year of this edition"),
    Column("binding", "VARCHAR", "feature", "Hardcover, Paperback, Mass Market"),
    Column("page_count", "INTEGER", "feature", "pages"),
    Column("language", "VARCHAR", "feature", "language code, as the source gives it"),
    Column("player_or_character", "VARCHAR", "feature", "whom a card shows"),
    Column("set_name", "VARCHAR", "feature", "set of a card"),
    Column("number", "VARCHAR", "feature", "number of a card in its set"),
    Column("parallel", "VARCHAR", "feature", "variant of a card"),
    Column("theme", "VARCHAR", "feature", "theme of a minifigure"),
    Column("ask_count", "BIGINT", "feature", "asks open at the as-of"),
    Column("ask_min", "DECIMAL(12,2)", "feature", "lowest open ask, USD"),
    Column("target_price", "DECIMAL(12,2)", "label", "median of the sold comps, USD"),
    Column("sold_comps_count", "BIGINT", "label-derived", "sold comps"),
    Column("sold_comps_min", "DECIMAL(12,2)", "label-derived", "lowest sold comp, USD"),
    Column("sold_comps_median", "DECIMAL(12,2)", "label-derived", "same as target_price"),
    Column("sold_comps_max", "DECIMAL(12,2)", "label-derived", "highest sold comp, USD"),
    Column("training_quality_score", "DOUBLE", "label-derived", "the policy's score, 0 to 1"),
    Column("spread_percent", "BIGINT", "label-derived", "(Q3 - Q1) / Q2 of the sold comps x 100"),
    Column("weight", "DOUBLE", "weight", "comps / 20, at most 1: how much the label rests on"),
    Column("split", "VARCHAR", "split", "train, validation or test, by the work"),
    Column("time_holdout", "BOOLEAN", "split", "a comp sold in the last 30 days before the as-of"),
    Column("sold_sources", "VARCHAR", "provenance", "sources of the comps, separated by commas"),
    Column("metadata_source", "VARCHAR", "provenance", "source of the title"),
    Column("last_sold_at", "TIMESTAMPTZ", "provenance", "when its latest comp sold"),
    Column("last_observed_at", "TIMESTAMPTZ", "provenance", "when its latest comp was learnt"),
    Column("match_percent", "BIGINT", "provenance", "median confidence that the comps match"),
    Column("payload_sha256s", "VARCHAR", "provenance", "bodies of the comps, separated by commas"),
)
"""Columns of `examples`, in order. A row is one item and variant that passed the gate."""

SALES = (
    Column("item_id", "VARCHAR", "key", "UUIDv5 of category and natural key"),
    Column("source", "VARCHAR", "key", "who showed the sale"),
    Column("source_listing_id", "VARCHAR", "key", "the source's own id of it"),
    Column("observed_at", "TIMESTAMPTZ", "key", "when it was learnt"),
    Column("category", "VARCHAR", "feature", "book, card or minifigure"),
    Column("natural_key", "VARCHAR", "key", "ISBN-13, card identifier or figure number"),
    Column("variant", "VARCHAR", "feature", "what copy it is, such as signed; empty: plain"),
    Column("work_key", "VARCHAR", "key", "the work that the edition belongs to"),
    Column("sold_at", "TIMESTAMPTZ", "feature", "when it sold; null where the source is silent"),
    Column("price", "DECIMAL(12,2)", "label", "what it sold for, USD, without shipping"),
    Column("kind", "VARCHAR", "provenance", "sold, always"),
    Column("weight", "DOUBLE", "weight", "confidence that it is this item, 0 to 1"),
    Column("split", "VARCHAR", "split", "train, validation or test, by the work"),
    Column("time_holdout", "BOOLEAN", "split", "sold in the last 30 days before the as-of"),
    Column("in_examples", "BOOLEAN", "provenance", "whether its item passed the gate"),
    Column("payload_sha256", "VARCHAR", "provenance", "body that it was read from"),
)
"""Columns of `sales`. A row is one sold observation, of any item, admitted or not."""

REJECTED = (
    Column("item_id", "VARCHAR", "key", "UUIDv5 of category and natural key"),
    Column("category", "VARCHAR", "provenance", "book, card or minifigure"),
    Column("natural_key", "VARCHAR", "key", "ISBN-13, card identifier or figure number"),
    Column("variant", "VARCHAR", "key", "what copy it is, such as signed; empty: plain"),
    Column("reason", "VARCHAR", "label-derived", "what it lacks for the policy of this build"),
    Column("training_quality_score", "DOUBLE", "label-derived", "the policy's score, 0 to 1"),
    Column("admitted_by", "VARCHAR", "label-derived", "other policies that would admit it"),
    Column("sold_comps_count", "BIGINT", "label-derived", "sold comps"),
    Column("sold_comps_median", "DECIMAL(12,2)", "label-derived", "median of the comps, USD"),
    Column("spread_percent", "BIGINT", "label-derived", "(Q3 - Q1) / Q2 of the sold comps x 100"),
    Column("sale_age_days", "BIGINT", "label-derived", "days since the latest sale"),
    Column("match_percent", "BIGINT", "provenance", "median confidence that the comps match"),
    Column("ask_count", "BIGINT", "provenance", "asks open at the as-of"),
)
"""Columns of `rejected`. A row is one known item and variant that did not pass, and why."""

CHANGES = (
    Column("item_id", "VARCHAR", "key", "UUIDv5 of category and natural key"),
    Column("category", "VARCHAR", "provenance", "book, card or minifigure"),
    Column("natural_key", "VARCHAR", "key", "ISBN-13, card identifier or figure number"),
    Column("variant", "VARCHAR", "key", "what copy it is, such as signed; empty: plain"),
    Column("change", "VARCHAR", "provenance", "added, removed or changed"),
    Column("columns", "VARCHAR", "provenance", "columns that differ, separated by commas"),
    Column("target_price_before", "DECIMAL(12,2)", "label", "in the build before, USD"),
    Column("target_price", "DECIMAL(12,2)", "label", "in this build, USD"),
    Column("sold_comps_count_before", "BIGINT", "label-derived", "in the build before"),
    Column("sold_comps_count", "BIGINT", "label-derived", "in this build"),
)
"""Columns of `changes`. A row is one example that the build before had not, or had otherwise."""

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        Table(
            "examples",
            "One row an item and variant that passed the gate.",
            EXAMPLES,
            ("category", "natural_key", "variant"),
        ),
        Table(
            "sales",
            "One row a sold observation that was current at the as-of, for next-sale models.",
            SALES,
            ("category", "natural_key", "source", "source_listing_id", "observed_at"),
            bucketed=True,
        ),
        Table(
            "rejected",
            "One row an item and variant that did not pass, with what it lacks.",
            REJECTED,
            ("category", "natural_key", "variant"),
        ),
        Table(
            "changes",
            "One row an example that was added, removed or changed since the build before.",
            CHANGES,
            ("category", "natural_key", "variant", "item_id"),
        ),
    )
}
"""All tables by name. Their order is total: two rows never share their `order`."""

REPEATABLE = ("examples", "sales", "rejected")
"""Tables that are a function of the as-of; `changes` is one of the build before too."""

DESCRIBED_CHANGES = ("target_price", "sold_comps_count")
"""Columns whose value before is in `changes`."""

UNCOMPARED = ("last_observed_at", "last_sold_at", "payload_sha256s", "time_holdout")
"""Columns that move with every observation or with the as-of: no change of an example."""

HOLDOUT_DAYS = 30
"""Days before the as-of whose sales make the time hold-out."""

FULL_WEIGHT_COMPS = 20
"""Sold comps from which an example has its full weight."""


class SchemaMismatch(RuntimeError):
    """Tables are not of the version they are said or needed to be; the message says what to do."""


Columns = Mapping[str, Sequence[tuple[str, str]]]
"""For every table the names and types of its columns."""


def columns_of_tables() -> Columns:
    """Return this version's columns."""
    return {
        name: [(column.name, column.type) for column in table.columns]
        for name, table in TABLES.items()
    }


def columns_of_manifest(manifest: Mapping[str, Any]) -> Columns:
    """Return the columns that a build's manifest declares."""
    return {
        name: [(column["name"], column["type"]) for column in table["columns"]]
        for name, table in manifest.get("tables", {}).items()
    }


def bucket_sql(item_id: str) -> str:
    """Return the bucket of an item as a DuckDB expression, 0 to `BUCKETS` - 1.

    Args:
        item_id: Expression of its id; the first byte of the UUID decides.
    """
    return f"CAST('0x' || CAST({item_id} AS VARCHAR)[:2] AS INTEGER) * {BUCKETS} // 256"


def bucket_of(item_id: str) -> int:
    """Return the bucket of an item, as `bucket_sql` does; the first two digits are enough."""
    return int(item_id[:2], 16) * BUCKETS // 256


def files_of_manifest(manifest: Mapping[str, Any], table: str) -> list[str]:
    """Return the names of a table's files, as a build's manifest declares them."""
    files: list[str] = manifest["tables"][table]["files"]
    return files


def required_bump(before: Columns, after: Columns) -> Literal["major", "minor"] | None:
    """Return which part of the version a change of the tables has to raise."""
    had = {(table, name, kind) for table, columns in before.items() for name, kind in columns}
    have = {(table, name, kind) for table, columns in after.items() for name, kind in columns}
    if had - have:
        return "major"
    return "minor" if have - had else None


def check_versions(before: str, tables_before: Columns, after: str, tables_after: Columns) -> None:
    """Hold that a version was raised as the change of the tables asks.

    Raises:
        SchemaMismatch: It was not, or it went down; the message says to what.
    """
    old, new = _parts(before), _parts(after)
    if new < old:
        raise SchemaMismatch(
            f"the build before has schema version {before} and this code writes {after}: use the "
            "newer release of pricing-assets, or another directory"
        )
    bump = required_bump(tables_before, tables_after)
    least = {"major": (old[0] + 1, 0), "minor": (old[0], old[1] + 1), None: old}[bump]
    if new < least:
        raise SchemaMismatch(
            f"the tables of version {after} are not those of version {before}: {bump} change, so "
            f"raise SCHEMA_VERSION to {least[0]}.{least[1]}"
        )


def check_readable(version: str, what: str) -> None:
    """Hold that files of a version can be read by this code.

    Raises:
        SchemaMismatch: They have another major version, or none.
    """
    try:
        major = _parts(version)[0]
    except ValueError:
        major = -1
    if major != _parts(SCHEMA_VERSION)[0]:
        raise SchemaMismatch(
            f"{what} has schema version {version!r} and this code reads {SCHEMA_VERSION}: build it "
            "again, or load it with the release of pricing-assets that wrote it"
        )


def _parts(version: str) -> tuple[int, int]:
    major, minor = version.split(".")
    return int(major), int(minor)


POINTER = "current.json"
"""File of a published month that names the build it shows."""


def pointer_text(build_id: str, manifest: bytes) -> str:
    """Return what a pointer says: the build's id, and the hash of its manifest."""
    digest = hashlib.sha256(manifest).hexdigest()
    return json.dumps({"build_id": build_id, "manifest_sha256": digest}) + "\n"


SPLITS = ("train", "validation", "test")

SPLIT_SALT = "pricing-assets/split/1"
"""Never changes: a work stays on its side of the split for ever."""


def split_sql(work: str) -> str:
    """Return the split of a work as a DuckDB expression: 80 % train, 10 %, 10 %.

    The first 32 bits of a salted SHA-256 decide, so that all editions of a work are on one
    side, whichever others are in the set.
    """
    bucket = f"CAST('0x' || substr(sha256('{SPLIT_SALT}|' || {work}), 1, 8) AS BIGINT) % 100"
    return (
        f"CASE WHEN {bucket} < 80 THEN 'train' WHEN {bucket} < 90 THEN 'validation' ELSE 'test' END"
    )
