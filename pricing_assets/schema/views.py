"""Views that give the columns of the older book system, so that its saved SQL runs unchanged.

`cached_books` has that system's 43 columns and `isbn_index` the columns of its index.
Moments are text as SQLite's own `datetime()` writes it, flags are 0 and 1. Columns that no
asset computes are null. Beside them `parallel_premiums`: what a parallel of a card is worth
over its base card.
"""

from typing import Literal

Dialect = Literal["sqlite", "postgresql"]


def create_views(dialect: str) -> tuple[str, ...]:
    """Return the statements that create the views on an empty schema, in order."""
    statements = [_cached_books(dialect), _isbn_index(dialect)]
    if dialect == "postgresql":
        # The older system's SQL asks for datetime('now', '-30 days').
        statements.insert(
            0,
            """
            CREATE OR REPLACE FUNCTION datetime(moment text, modifier text DEFAULT '0 days')
            RETURNS text LANGUAGE sql STABLE AS $$
                SELECT to_char(
                    (moment::timestamptz AT TIME ZONE 'UTC') + modifier::interval,
                    'YYYY-MM-DD HH24:MI:SS'
                )
            $$
            """,
        )
    return tuple(statements)


def create_value_views(dialect: str) -> tuple[str, ...]:
    """Return the statements that put items' values into the views, in order."""
    return ("DROP VIEW cached_books", _cached_books(dialect, valued=True), _PARALLEL_PREMIUMS)


def drop_value_views(dialect: str) -> tuple[str, ...]:
    """Return the statements that take items' values out of the views."""
    return ("DROP VIEW parallel_premiums", "DROP VIEW cached_books", _cached_books(dialect))


def drop_views(dialect: str) -> tuple[str, ...]:
    """Return the statements that remove what `create_views` made."""
    statements = ["DROP VIEW isbn_index", "DROP VIEW cached_books"]
    if dialect == "postgresql":
        statements.append("DROP FUNCTION datetime(text, text)")
    return tuple(statements)


def _moment(column: str, dialect: str) -> str:
    if dialect == "postgresql":
        return f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"
    return f"substr(replace({column}, 'T', ' '), 1, 19)"


def _cached_books(dialect: str, *, valued: bool = False) -> str:
    rarity, label, score, days = (
        f"i.{name}" if valued else f"CAST(NULL AS {kind})"
        for name, kind in (
            *(("rarity", "REAL"), ("probability_label", "TEXT")),
            *(("probability_score", "REAL"), ("time_to_sell_days", "INTEGER")),
        )
    )
    json_object = "json_build_object" if dialect == "postgresql" else "json_object"
    return f"""
    CREATE VIEW cached_books AS
    SELECT
        b.isbn13 AS isbn,
        i.title,
        b.authors,
        b.publisher,
        b.publication_year,
        b.binding,
        b.page_count,
        b.language,
        b.isbn13,
        b.isbn10,
        i.thumbnail_url,
        i.description,
        i.metadata_source AS source,
        {_moment("i.created_at", dialect)} AS created_at,
        {_moment("i.updated_at", dialect)} AS updated_at,
        i.quality_score,
        i.estimated_price,
        CAST(NULL AS REAL) AS price_reference,
        {rarity} AS rarity,
        {label} AS probability_label,
        {score} AS probability_score,
        i.sell_through,
        i.ebay_active_count,
        i.ebay_sold_count,
        i.ebay_currency,
        {days} AS time_to_sell_days,
        i.sold_comps_count,
        i.sold_comps_min,
        i.sold_comps_median,
        i.sold_comps_max,
        CASE WHEN i.sold_comps_is_estimate THEN 1 ELSE 0 END AS sold_comps_is_estimate,
        i.sold_comps_source,
        CASE WHEN i.market_fetched_at IS NULL THEN NULL ELSE CAST({json_object}(
            'sold_count', i.ebay_sold_count,
            'active_count', i.ebay_active_count,
            'sold_median', i.sold_comps_median,
            'sell_through', i.sell_through,
            'currency', i.ebay_currency
        ) AS TEXT) END AS market_json,
        CAST(NULL AS TEXT) AS booksrun_json,
        CAST(NULL AS TEXT) AS bookscouter_json,
        b.cover_type,
        CASE WHEN b.signed THEN 1 ELSE 0 END AS signed,
        b.printing,
        i.training_quality_score,
        CASE WHEN i.in_training THEN 1 ELSE 0 END AS in_training,
        {_moment("i.market_fetched_at", dialect)} AS market_fetched_at,
        {_moment("i.metadata_fetched_at", dialect)} AS metadata_fetched_at,
        {_moment("i.last_enrichment_at", dialect)} AS last_enrichment_at
    FROM items i JOIN books b ON b.item_id = i.id
    """  # noqa: S608 (built from constants of this module)


def _isbn_index(dialect: str) -> str:
    return f"""
    CREATE VIEW isbn_index AS
    SELECT
        b.isbn13 AS isbn,
        CASE WHEN i.in_training THEN 1 ELSE 0 END AS in_training,
        CASE WHEN i.metadata_fetched_at IS NULL THEN 0 ELSE 1 END AS in_cache,
        {_moment("i.last_enrichment_at", dialect)} AS training_updated,
        {_moment("i.metadata_fetched_at", dialect)} AS cache_updated,
        coalesce(i.quality_score, 0.0) AS quality_score,
        {_moment("i.updated_at", dialect)} AS last_checked
    FROM items i JOIN books b ON b.item_id = i.id
    """  # noqa: S608 (built from constants of this module)


_PARALLEL_PREMIUMS = """
    CREATE VIEW parallel_premiums AS
    SELECT c.item_id, b.item_id AS base_item_id, c.parallel, c.print_run, i.market_value,
        base.market_value AS base_market_value,
        CAST(i.market_value AS DOUBLE PRECISION)
            / CAST(base.market_value AS DOUBLE PRECISION) - 1 AS premium
    FROM cards c
    JOIN items i ON i.id = c.item_id
    JOIN cards b ON b.set_name = c.set_name AND b.year = c.year AND b.number = c.number
        AND b.player_or_character = c.player_or_character AND coalesce(b.parallel, '') = ''
    JOIN items base ON base.id = b.item_id
    WHERE c.parallel <> '' AND i.market_value IS NOT NULL AND base.market_value > 0
"""
"""A premium of 0.5 is half as much again as the base card of the same set, year and number."""
