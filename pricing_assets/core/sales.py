"""Files of sales: what a mapping says of their columns, and which rows are an observation.

The rows are judged in DuckDB, all of a file at once. Reading files is `resources.sales_files`,
what a code names is `core.codes`, where the rows go is `store.sales`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pricing_assets.core.licences import FILES

ROLES = (
    *("code", "title", "price", "currency", "sold_date", "listing_id"),
    *("condition", "shipping", "quantity"),
)
"""What a column can be. A price and its shipping are those of one copy."""

REQUIRED = ("code", "price")

CATEGORIES = ("book",)
"""Categories whose codes can be read."""

EARLIEST_SALE = datetime(1995, 1, 1)  # noqa: DTZ001 (a day, compared as text)
"""A sale before this day is a broken date: markets on the web are not older."""

UNKNOWN_CURRENCY = "XXX"
"""ISO 4217's code for no currency: the price is kept and never counted."""

MAX_LISTING_ID = 128
MAX_TITLE = 1_000

REASONS: Mapping[str, str] = {
    "columns": "the row has another number of columns than the header",
    "nul": "the line holds NUL characters: the file was damaged there, so export it again",
    "bad_json": "the line is not one JSON object",
    "code": "the code names no item",
    "price": "the price is not a positive amount like 12.50 or 1,299.00",
    "sold_date": "the sold date cannot be read, or is none on which something sold",
    "shipping": "the shipping is not an amount",
    "quantity": "the quantity is not a whole number from 1",
    "listing_id": f"the listing id has over {MAX_LISTING_ID} characters",
    "repeated": "the listing id was in an earlier line for the same item; where these are "
    "separate sales, map a column that is different for each, such as the order's number",
}
"""Why a row is kept for review and not counted."""


class MappingError(ValueError):
    """A mapping cannot be used; the message says where and what to write."""


@dataclass(frozen=True, slots=True)
class SaleMapping:
    """How the rows of a file become sales.

    Attributes:
        source: Name under which the sales are stored, `file:` included.
        columns: Name of the column by role.
        currency: Of the rows that name none; None where there is none.
        sold_date_format: As in strptime; None reads ISO 8601. Without an offset it is UTC.
        licence: What the sales may be used for, as a source's licence has it.
    """

    source: str
    category: str
    columns: Mapping[str, str]
    currency: str | None
    sold_date_format: str | None
    licence: Mapping[str, Any]


def read_mapping(document: Mapping[str, Any]) -> SaleMapping:
    """Return the mapping that a document describes.

    Raises:
        MappingError: Something is missing, unknown or of another type.
    """
    known = {"source", "kind", "category", "columns", "currency", "sold_date_format", "licence"}
    if unknown := sorted(set(document) - known):
        raise MappingError(f"{unknown[0]!r} is unknown; use {', '.join(sorted(known))}")
    name = document.get("source", "")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,58}", name):
        raise MappingError(
            f"source is {name!r}; give a name of lower-case letters, digits, - and _, "
            'such as source = "my-sales"'
        )
    if document.get("kind", "sold") != "sold":
        raise MappingError(f"kind is {document['kind']!r}; only sales are imported: kind = 'sold'")
    category = document.get("category")
    if category not in CATEGORIES:
        raise MappingError(f"category is {category!r}; use {' or '.join(CATEGORIES)}")
    currency = document.get("currency")
    if currency is not None and not re.fullmatch(r"[A-Z]{3}", str(currency)):
        raise MappingError(f"currency is {currency!r}; use an ISO 4217 code such as 'USD'")
    return SaleMapping(
        source=FILES + name,
        category=str(category),
        columns=_columns(document.get("columns")),
        currency=currency,
        sold_date_format=_date_format(document.get("sold_date_format")),
        licence=_licence(document.get("licence", {})),
    )


def _columns(columns: object) -> dict[str, str]:
    if not isinstance(columns, Mapping):
        raise MappingError("[columns] is missing: name the column of each role there")
    for role, column in columns.items():
        if role not in ROLES:
            raise MappingError(f"columns.{role} is unknown; the roles are {', '.join(ROLES)}")
        if not isinstance(column, str) or not column:
            raise MappingError(f"columns.{role} is {column!r}; give the column's name")
    for role in REQUIRED:
        if role not in columns:
            raise MappingError(f"columns.{role} is missing: name the column of the {role}")
    return dict(columns)


def _date_format(text: object) -> str | None:
    if text is None:
        return None
    day = datetime(2021, 6, 8, tzinfo=UTC)
    try:
        # Without an offset in the format it is UTC, as in the rows.
        read = datetime.strptime(day.strftime(str(text)), str(text)).replace(tzinfo=UTC)
    except ValueError:
        read = None
    if read != day:
        raise MappingError(
            f"sold_date_format is {text!r}, which does not tell a day; use one like '%b-%d-%y'"
        )
    return str(text)


def _licence(terms: object) -> dict[str, Any]:
    own = {"redistribute": True, "train": "yes", "note": "One's own sales."}
    if not isinstance(terms, Mapping) or set(terms) - set(own):
        raise MappingError(f"[licence] takes {', '.join(own)}")
    licence = {**own, **terms}
    if not isinstance(licence["redistribute"], bool):
        raise MappingError("licence.redistribute is true or false")
    if licence["train"] not in ("yes", "with agreement", "no"):
        raise MappingError("licence.train is 'yes', 'with agreement' or 'no'")
    return {
        # The file is the operator's to keep; of it we keep the hash.
        "store_payloads": False,
        "payload_retention_days": None,
        "display_max_age_hours": None,
        **licence,
    }


def judge_sql(mapping: SaleMapping, rows: str, codes: str, now: str) -> str:
    """Return the DuckDB statement that judges the rows of a file.

    Args:
        rows: Relation with columns line, fault and one text column for each of `ROLES`,
            empty where there is nothing.
        codes: Relation with columns code, item_id, natural_key, note; item_id is null for a
            code that names no item.
        now: Expression of the moment of the import.

    Returns:
        A statement giving every row with its values, and the first of `REASONS` that it
        fails by as `reason`, null for a sale. Repeated ids are not told here.
    """
    sold_at = (
        "try_cast(sold_date AS TIMESTAMPTZ)"
        if mapping.sold_date_format is None
        # Without an offset in the format it gives a TIMESTAMP, which the cast takes for UTC.
        else f"CAST(try_strptime(sold_date, {_text(mapping.sold_date_format)}) AS TIMESTAMPTZ)"
    )
    currency = f"coalesce(nullif(upper(currency), ''), {_text(mapping.currency or '')})"
    sold_date_is_bad = (
        "sold_at IS NULL OR sold_at > now + INTERVAL 1 DAY "
        f"OR sold_at < TIMESTAMPTZ '{EARLIEST_SALE:%Y-%m-%d} 00:00:00+00'"
        if "sold_date" in mapping.columns
        else "false"
    )
    columns = ", ".join(f"trim({role}) AS {role}" for role in ROLES)
    return f"""
        WITH trimmed AS (SELECT line, fault, {columns}, {now} AS now FROM {rows}),
        parsed AS (
            SELECT line, fault, code, now, left(title, {MAX_TITLE}) AS title,
                {_amount_sql("price")} AS price,
                CASE WHEN regexp_full_match({currency}, '[A-Z]{{3}}') THEN {currency}
                    ELSE '{UNKNOWN_CURRENCY}' END AS currency,
                CASE WHEN isfinite({sold_at}) THEN {sold_at} END AS sold_at,
                listing_id, nullif(left(condition, 64), '') AS condition,
                shipping AS shipping_text, {_amount_sql("shipping")} AS shipping,
                CASE WHEN quantity = '' THEN 1
                    WHEN regexp_full_match(quantity, '[0-9]{{1,6}}')
                    THEN CAST(quantity AS BIGINT) END AS quantity
            FROM trimmed
        )
        SELECT p.line, p.code, c.item_id, c.natural_key, p.title, p.price, p.currency, p.sold_at,
            CASE WHEN listing_id <> '' THEN listing_id ELSE 'row:' || left(sha256(concat_ws(
                '|', c.item_id, title, price, p.currency, sold_at, condition)), 32)
            END AS listing_id,
            p.condition, p.shipping, p.quantity,
            CASE
                WHEN fault IS NOT NULL THEN fault
                WHEN c.item_id IS NULL THEN 'code'
                WHEN coalesce(price, 0) <= 0 THEN 'price'
                WHEN {sold_date_is_bad} THEN 'sold_date'
                WHEN shipping_text <> '' AND shipping IS NULL THEN 'shipping'
                WHEN coalesce(quantity, 0) < 1 THEN 'quantity'
                WHEN length(listing_id) > {MAX_LISTING_ID} THEN 'listing_id'
            END AS reason,
            c.note AS code_note
        FROM parsed p LEFT JOIN {codes} c ON c.code = p.code
    """


def _amount_sql(column: str) -> str:
    """Return an amount as text like `$1,299.00` as a DECIMAL; null where it is none."""
    bare = f"regexp_replace({column}, '^\\$\\s*', '')"
    grouped = r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?|[0-9]+(\.[0-9]+)?|\.[0-9]+"
    return (
        f"CASE WHEN regexp_full_match({bare}, '{grouped}') "
        f"THEN try_cast(replace({bare}, ',', '') AS DECIMAL(12, 2)) END"
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
