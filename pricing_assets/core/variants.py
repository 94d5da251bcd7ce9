"""Which copies make an item's own value, and what copies of each kind are worth beside it.

The value of each kind of copy is that of `core.valuation`, over its sales alone.
"""

from pricing_assets.core.valuation import sold_value_sql, valuation_sql

_BETWEEN = "chr(31)"
_KINDS = ("condition", "grader", "grade", "variant")


def own_value_sql(observations: str, moment: str = "$moment") -> str:
    """Return the DuckDB statement that gives every item's own value.

    That is the value of its plain copies where any sold, else of all its copies.

    Args:
        observations: As for `valuation_sql`, whose columns are given, by item_id.
        moment: As there.
    """
    return valuation_sql(own_copies(observations), moment, key=("item_id",))


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
    said = f" || {_BETWEEN} || ".join(f"coalesce({name}, '')" for name in _KINDS)
    named = ", ".join(f"{name} := nullif({name}, '')" for name in _KINDS)
    # A kind that sold once is worth what was paid: most kinds did, and their value is spared.
    several = (
        "(SELECT k.number, s.* FROM kind_sales s JOIN kinds k "
        "ON k.item_id = s.item_id AND k.kind = s.kind_of AND k.n > 1)"
    )
    values_of_several = sold_value_sql(several, moment, ("number",))
    plain = f"SELECT DISTINCT item_id FROM {observations} WHERE kind = 'sold' AND variant IS NULL"
    premium = (
        "CASE WHEN w.is_variant AND p.item_id IS NOT NULL AND v.market > 0 "
        "THEN round(CAST(e.market AS DOUBLE) / CAST(v.market AS DOUBLE) - 1, 2) END"
    )
    worth = (
        "to_json(struct_pack(n := e.n, median := CAST(e.median AS VARCHAR), "
        f"market := CAST(e.market AS VARCHAR), premium := {premium}))"
    )
    # Kinds go by numbers: their words are few, and are made into JSON once.
    return f"""
    WITH kind_words AS (
        SELECT *, {said} AS said FROM {observations}
        WHERE kind = 'sold' AND price_usd > 0 AND happened_at <= {moment}
    ),
    words AS MATERIALIZED (
        SELECT said, row_number() OVER (ORDER BY said) AS kind,
            coalesce(variant, '') <> '' AS is_variant,
            CAST(to_json(struct_pack({named})) AS VARCHAR) AS json
        FROM (SELECT DISTINCT ON (said) said, {", ".join(_KINDS)} FROM kind_words)
    ),
    kind_sales AS (
        SELECT s.* EXCLUDE (said), w.kind AS kind_of
        FROM kind_words s JOIN words w ON w.said = s.said
    ),
    kinds AS MATERIALIZED (
        SELECT *, row_number() OVER () AS number
        FROM (
            SELECT item_id, kind_of AS kind, count(*) AS n, min(price_usd) AS price
            FROM kind_sales GROUP BY item_id, kind_of
        )
    ),
    entries AS (
        SELECT k.item_id, k.kind, v.n, v.median, v.market
        FROM ({values_of_several}) v JOIN kinds k ON k.number = v.number
        UNION ALL
        SELECT item_id, kind, n, price, price FROM kinds WHERE n = 1
    ),
    texts AS (
        SELECT e.item_id, e.kind, left(w.json, -1) || ',' || substr({worth}, 2) AS json
        FROM entries e JOIN words w ON w.kind = e.kind JOIN {values} v ON v.item_id = e.item_id
            LEFT JOIN ({plain}) p ON p.item_id = e.item_id
    )
    SELECT item_id, '[' || string_agg(json, ',' ORDER BY kind) || ']' AS breakdown
    FROM texts GROUP BY item_id
    """
