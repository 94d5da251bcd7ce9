"""Sales: which sold observations of an item are one sale that was seen more than once.

Two sources that watch one venue both report what sold there, one with the shipping rounded
in, one a day later. Counted twice, such a sale would weigh double in the comps.

The rule marks, and removes nothing: every observation gets the id of its sale's first
observation, so a merge is on record and is undone by not using the mark. It runs in DuckDB
over a relation, on both databases alike.
"""

from decimal import Decimal

MAX_DAYS_APART = 2
"""Days between two reports of one sale, at most: sources differ in time zone, and in
whether a sale is the end of the auction or its payment."""

MAX_DIFFERENCE_USD = Decimal("0.50")
MAX_DIFFERENCE_SHARE = Decimal("0.03")
"""Difference of the prices of one sale at most, in USD or as a share of the higher price,
whichever is more: exchange rates and rounding."""

SALES_SQL = """
WITH RECURSIVE dated AS MATERIALIZED (
    SELECT
        row_number() OVER (ORDER BY item_id, venue, sold_at, id) AS place,
        id, item_id, venue, price_usd, sold_at
    FROM {observations}
    WHERE sold_at IS NOT NULL AND venue IS NOT NULL AND price_usd IS NOT NULL
),
alike AS MATERIALIZED (
    SELECT earlier.place AS earlier, later.place AS later
    FROM dated AS earlier
    JOIN dated AS later USING (item_id, venue)
    WHERE later.place > earlier.place
        AND later.sold_at <= earlier.sold_at + to_days({days})
        AND abs(later.price_usd - earlier.price_usd)
            <= greatest({usd}, {share} * greatest(later.price_usd, earlier.price_usd))
),
-- Which observations start a sale. One does when no earlier one that is like it does, so it
-- stays open until all of those are decided; one that is like a first is none and leaves.
rounds AS (
    SELECT place, place NOT IN (SELECT later FROM alike) AS first
    FROM dated
    UNION ALL
    SELECT candidate.place, count(before.place) = 0 AS first
    FROM rounds AS candidate
    LEFT JOIN alike ON alike.later = candidate.place
    LEFT JOIN rounds AS before ON before.place = alike.earlier
    WHERE NOT candidate.first
    GROUP BY candidate.place
    HAVING NOT coalesce(bool_or(before.first), false)
),
firsts AS MATERIALIZED (SELECT place FROM rounds WHERE first),
joined AS (
    SELECT alike.later AS place, min(firsts.place) AS first
    FROM alike
    JOIN firsts ON firsts.place = alike.earlier
    GROUP BY alike.later
)
SELECT dated.id, coalesce(start.id, dated.id) AS sale_id
FROM dated
LEFT JOIN joined USING (place)
LEFT JOIN dated AS start ON start.place = joined.first
UNION ALL
SELECT id, id AS sale_id FROM {observations}
WHERE sold_at IS NULL OR venue IS NULL OR price_usd IS NULL
"""


def sales_sql(observations: str) -> str:
    """Return the DuckDB statement that gives the sale of every sold observation.

    Two observations of one item are one sale when they are from one venue, differ in price
    by no more than $0.50 or 3 % of the higher one, and sold at most two days apart. What
    has no date, venue or price is a sale of its own: nothing tells it from another.

    Likeness does not travel: of three sales two days apart each, the first and the last
    are four days apart and not one sale. So observations are taken in the order of
    `sold_at` and then `id`, each is compared with the first observation of every sale so
    far, joins the earliest of these that is the same, or else starts a sale of its own.

    Two sales that the rule cannot tell apart, such as two copies at one price on one day,
    are merged, also where one source reports both.

    Args:
        observations: Relation with one row for each sold observation: id (unique, and
            ordered as observations came), item_id, venue, price_usd (DECIMAL, USD),
            sold_at (TIMESTAMPTZ).

    Returns:
        A statement with the columns id and sale_id, one row for each observation;
        sale_id is the id of the sale's first observation.
    """
    return SALES_SQL.format(
        observations=observations,
        days=MAX_DAYS_APART,
        usd=MAX_DIFFERENCE_USD,
        share=MAX_DIFFERENCE_SHARE,
    )
