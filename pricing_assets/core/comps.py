"""Sold comps of an item: which observations count, and their statistics.

The statistics run in DuckDB over Arrow, on both databases alike, so that an amount is
exact and the same everywhere.
"""

COMPS_SQL = """
SELECT
    {key},
    CAST(count(*) FILTER (WHERE kind = 'sold') AS BIGINT) AS sold_count,
    min(price_usd) FILTER (WHERE kind = 'sold') AS sold_min,
    {median} AS sold_median,
    max(price_usd) FILTER (WHERE kind = 'sold') AS sold_max,
    CAST(count(*) FILTER (WHERE kind = 'ask') AS BIGINT) AS ask_count,
    min(price_usd) FILTER (WHERE kind = 'ask') AS ask_min
    {more}
FROM {observations}
GROUP BY {key}
"""


def quantile_sql(fraction: float, condition: str = "kind = 'sold'") -> str:
    """Return a quantile of `price_usd` as an exact DuckDB expression, rounded to the cent.

    Linear interpolation between the two nearest prices (type 7 of Hyndman and Fan, 1996),
    in DECIMAL with four more decimals, half a cent away from zero.
    """
    value = "CAST(price_usd AS DECIMAL(18, 6))"
    return (
        f"CAST(round(quantile_cont({value}, {fraction}) FILTER (WHERE {condition}), 2) "
        "AS DECIMAL(12, 2))"
    )


def comps_sql(observations: str, more: str = "", key: str = "item_id") -> str:
    """Return the DuckDB statement that gives the comps of every item in a relation.

    Args:
        observations: Relation with columns item_id, kind, price_usd (DECIMAL, USD): only
            what counts, that is, current observations with a price in USD. Estimates are
            neither sold nor asks, and so are never counted.
        more: Further aggregate expressions, each starting with a comma.
        key: Columns that tell apart what has comps of its own.
    """
    return COMPS_SQL.format(key=key, median=quantile_sql(0.5), observations=observations, more=more)
