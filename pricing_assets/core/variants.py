"""Which copies make an item's own value, and what copies of each kind are worth beside it.

The value of each kind of copy is that of `core.valuation`, over its sales alone.
"""

from pricing_assets.core.valuation import valuation_sql

_BETWEEN = "chr(31)"
_KINDS = ("condition", "grader", "grade", "variant")


def own_value_sql(observations: str, moment: str = "$moment") -> str:
    """Return the DuckDB statement that gives every item's own value.

    That is the value of its plain copies where any sold, else of all its copies.

    Args:
        observations: As for `valuation_sql`, whose columns are given; variant is null.
        moment: As there.
    """
    return valuation_sql(own_copies(observations), moment)


def own_copies(observations: str) -> str:
    """Return the relation of the observations that make an item's own value, as one variant.

    They are its comps: a signed copy is not comparable to a plain one.
    """
    plain = f"SELECT item_id FROM {observations} WHERE kind = 'sold' AND variant IS NULL"
    return (
        f"(SELECT * REPLACE (CAST(NULL AS VARCHAR) AS variant) FROM {observations} "
        f"WHERE variant IS NULL OR item_id NOT IN ({plain}))"
    )


def breakdown_sql(observations: str, values: str, moment: str = "$moment") -> str:
    """Return the DuckDB statement that gives the breakdown of every item with sales.

    An entry is a combination of condition, grader, grade and variant, with its number of
    sales n, their median and their value `market`, USD as text; null where sellers say
    nothing. `premium` is what a variant is worth over a plain copy, 0.5 being half as much
    again; null for plain copies, and where no plain one sold.

    Args:
        observations: As for `valuation_sql`, with condition, grader and grade besides.
        values: Relation of `own_value_sql`.
        moment: As there.

    Returns:
        A statement with item_id and breakdown, JSON text in the order of what tells the
        entries apart.
    """
    key = f" || {_BETWEEN} || ".join(f"coalesce({name}, '')" for name in _KINDS)
    # A kind that sold once is worth what was paid: most kinds did, and their value is spared.
    several = (
        "(SELECT s.* FROM kind_sales s JOIN kinds k "
        "ON k.item_id = s.item_id AND k.variant = s.variant AND k.sales > 1)"
    )
    kinds = ", ".join(
        f"{name} := nullif(split_part(e.variant, {_BETWEEN}, {place}), '')"
        for place, name in enumerate(_KINDS, 1)
    )
    plain = f"SELECT DISTINCT item_id FROM {observations} WHERE kind = 'sold' AND variant IS NULL"
    is_variant = f"split_part(e.variant, {_BETWEEN}, {len(_KINDS)}) <> ''"
    premium = (
        f"CASE WHEN {is_variant} AND p.item_id IS NOT NULL AND v.market > 0 "
        "THEN round(CAST(e.market AS DOUBLE) / CAST(v.market AS DOUBLE) - 1, 2) END"
    )
    entry = (
        f"struct_pack({kinds}, n := e.n, median := CAST(e.median AS VARCHAR), "
        f"market := CAST(e.market AS VARCHAR), premium := {premium})"
    )
    return f"""
    WITH kind_sales AS (
        SELECT * REPLACE ({key} AS variant) FROM {observations}
        WHERE kind = 'sold' AND price_usd > 0 AND happened_at <= {moment}
    ),
    kinds AS (
        SELECT item_id, variant, count(*) AS sales, min(price_usd) AS price
        FROM kind_sales GROUP BY item_id, variant
    ),
    entries AS (
        SELECT item_id, variant, n, median, market FROM ({valuation_sql(several, moment)})
        UNION ALL
        SELECT item_id, variant, sales, price, price FROM kinds WHERE sales = 1
    )
    SELECT e.item_id, CAST(to_json(list({entry} ORDER BY e.variant)) AS VARCHAR) AS breakdown
    FROM entries e JOIN {values} v ON v.item_id = e.item_id
        LEFT JOIN ({plain}) p ON p.item_id = e.item_id
    GROUP BY e.item_id
    """
