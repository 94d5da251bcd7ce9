"""Sales: which sold observations of an item are one sale that was seen more than once.

Two sources that watch one venue both report what sold there, one with the shipping rounded
in, one a day later. Counted twice, such a sale would weigh double in the comps.

The rule marks, and removes nothing: an observation that repeats a sale gets the id of that
sale's first observation, so a merge is on record and is undone by not using the mark. It runs
in DuckDB over a relation, on both databases alike.
"""

from decimal import Decimal

from pricing_assets.core.periods import MICROSECONDS_A_DAY

MAX_DAYS_APART = 2
"""Days between two reports of one sale, at most: sources differ in time zone, and in
whether a sale is the end of the auction or its payment."""

MAX_DIFFERENCE_USD = Decimal("0.50")
MAX_DIFFERENCE_SHARE = Decimal("0.03")
"""Difference of the prices of one sale at most, in USD or as a share of the higher price,
whichever is more: exchange rates and rounding."""

REPEATS_SQL = """
WITH RECURSIVE near AS MATERIALIZED (
    SELECT one.id AS one, other.id AS other
    -- By spans of the days apart: two sales are in one span or in neighbouring ones, and a
    -- much sold item's sales are not each compared with all others.
    FROM (SELECT *, epoch_us(sold_at) // {span} AS span FROM {observations}) AS one
    JOIN (
        SELECT *, unnest([epoch_us(sold_at) // {span}, epoch_us(sold_at) // {span} - 1]) AS span
        FROM {observations}
    ) AS other USING (item_id, venue, span)
    WHERE one.id <> other.id
        AND other.sold_at BETWEEN one.sold_at AND one.sold_at + to_days({days})
        AND abs(other.price_usd - one.price_usd)
            <= greatest({usd}, {share} * greatest(other.price_usd, one.price_usd))
        AND (one.id, other.id) NOT IN (FROM {apart})
        AND (other.id, one.id) NOT IN (FROM {apart})
),
-- Few are near another: only those are put in order.
dated AS MATERIALIZED (
    SELECT id, row_number() OVER (ORDER BY item_id, venue, sold_at, {order}) AS place
    FROM {observations}
    WHERE id IN (SELECT one FROM near UNION ALL SELECT other FROM near)
),
alike AS MATERIALIZED (
    SELECT earlier.place AS earlier, later.place AS later
    FROM near
    JOIN dated AS earlier ON earlier.id = near.one
    JOIN dated AS later ON later.id = near.other
    WHERE later.place > earlier.place
),
-- Which observations start a sale. One does when no earlier one that is like it does, so it
-- stays open until all of those are decided; one that is like a first is none and leaves.
rounds AS (
    SELECT place, place NOT IN (SELECT later FROM alike) AS first
    FROM (SELECT earlier AS place FROM alike UNION SELECT later FROM alike)
    UNION ALL
    SELECT candidate.place, count(before.place) = 0 AS first
    FROM rounds AS candidate
    LEFT JOIN alike ON alike.later = candidate.place
    LEFT JOIN rounds AS before ON before.place = alike.earlier
    WHERE NOT candidate.first
    GROUP BY candidate.place
    HAVING NOT coalesce(bool_or(before.first), false)
),
joined AS (
    SELECT alike.later AS place, min(alike.earlier) AS first
    FROM alike
    WHERE alike.earlier IN (SELECT place FROM rounds WHERE first)
    GROUP BY alike.later
)
SELECT later.id, start.id AS sale_id
FROM joined
JOIN dated AS later USING (place)
JOIN dated AS start ON start.place = joined.first
"""


def repeats_sql(observations: str, apart: str, order: str = "id") -> str:
    """Return the DuckDB statement that gives the observations that repeat an earlier sale.

    Two observations of one item are one sale when they are from one venue, differ in price
    by no more than $0.50 or 3 % of the higher one, and sold at most two days apart. What
    has no date, venue or price is a sale of its own: nothing tells it from another.

    Likeness does not travel: of three sales two days apart each, the first and the last
    are four days apart and not one sale. So observations are taken in the order of
    `sold_at` and then `order`, each is compared with the first observation of every sale so
    far, joins the earliest of these that is the same, or else starts a sale of its own.

    Two sales that the rule cannot tell apart, such as two copies at one price on one day,
    are merged, also where one source reports both.

    Args:
        observations: Relation with one row for each sold observation: id (unique), item_id,
            venue, price_usd (DECIMAL, USD), sold_at (TIMESTAMPTZ), and what `order` names.
        apart: Relation of two ids a row, in either order, that are not one sale whatever
            they look like.
        order: Columns that decide which of two comes first that sold at one moment.

    Returns:
        A statement with the columns id and sale_id, one row for each observation that is
        not the first one of its sale; sale_id is the id of the first.
    """
    return REPEATS_SQL.format(
        observations=observations,
        apart=apart,
        order=order,
        days=MAX_DAYS_APART,
        span=MAX_DAYS_APART * MICROSECONDS_A_DAY,
        usd=MAX_DIFFERENCE_USD,
        share=MAX_DIFFERENCE_SHARE,
    )
