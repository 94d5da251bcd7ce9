"""The training set's contract: its columns with their roles, and how rows are split."""

from dataclasses import dataclass
from typing import Literal

FORMAT_VERSION = "1.1"
"""Version of the files' layout. Removed or retyped column: major; added column: minor."""

Role = Literal["key", "feature", "label", "label-derived", "split", "provenance"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `examples`, with its DuckDB type, role and meaning."""

    name: str
    type: str
    role: Role
    meaning: str


EXAMPLES = (
    Column("item_id", "VARCHAR", "key", "UUIDv5 of category and natural key"),
    Column("category", "VARCHAR", "feature", "book, card or minifigure"),
    Column("natural_key", "VARCHAR", "key", "ISBN-13, card identifier or figure number"),
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
    Column("split", "VARCHAR", "split", "train, validation or test, by the work"),
    Column("sold_sources", "VARCHAR", "provenance", "sources of the comps, separated by commas"),
    Column("metadata_source", "VARCHAR", "provenance", "source of the title"),
    Column("last_observed_at", "TIMESTAMPTZ", "provenance", "when its latest comp was learnt"),
)
"""Columns of `examples`, in order. A row is one item that passed the gate."""

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
