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
WITH RECURSIVE dated AS (
    SELECT
        id, item_id, venue, price_usd, sold_at,
        sold_at - lag(sold_at) OVER (PARTITION BY item_id, venue ORDER BY sold_at, id)
            <= to_days({days}) AS goes_on
    FROM {observations}
    WHERE sold_at IS NOT NULL AND venue IS NOT NULL AND price_usd IS NOT NULL
),
-- Between neighbours further apart than a sale can be nothing is compared: what lies
-- before and after such a gap is worked on apart.
stretches AS (
    SELECT
        id, item_id, venue, price_usd, sold_at,
        count(*) FILTER (WHERE NOT coalesce(goes_on, false)) OVER (
            PARTITION BY item_id, venue ORDER BY sold_at, id
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS stretch
    FROM dated
),
-- Each round takes one sale out of every stretch: its first observation that has no sale
-- yet, and all that are the same as that one.
rounds AS (
    SELECT *, {same_as_first} AS same, {first_id} AS sale_id
    FROM stretches
    WINDOW remaining AS {remaining}
    UNION ALL
    SELECT
        id, item_id, venue, price_usd, sold_at, stretch,
        {same_as_first} AS same, {first_id} AS sale_id
    FROM rounds
    WHERE NOT same
    WINDOW remaining AS {remaining}
)
SELECT id, sale_id FROM rounds WHERE same
UNION ALL
SELECT id, id AS sale_id FROM {observations}
WHERE sold_at IS NULL OR venue IS NULL OR price_usd IS NULL
"""

_REMAINING = (
    "(PARTITION BY item_id, venue, stretch ORDER BY sold_at, id "
    "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
)
_FIRST_PRICE = "first_value(price_usd) OVER remaining"
_SAME_AS_FIRST = (
    f"(sold_at - first_value(sold_at) OVER remaining <= to_days({MAX_DAYS_APART}) "
    f"AND abs(price_usd - {_FIRST_PRICE}) <= greatest({MAX_DIFFERENCE_USD}, "
    f"{MAX_DIFFERENCE_SHARE} * greatest(price_usd, {_FIRST_PRICE})))"
)


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
        remaining=_REMAINING,
        same_as_first=_SAME_AS_FIRST,
        first_id="first_value(id) OVER remaining",
    )
