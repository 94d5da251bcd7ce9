"""What is worth renewing without a scan: the order in which old answers are asked for again.

priority = value at stake x staleness / cost, where

- value at stake is the item's estimated price in USD, `UNKNOWN_VALUE_USD` where it has none;
- staleness is the age of the answer over the time it stays good: 1 at the moment it is due;
- cost is what the source takes for a call, `LEAST_COST_USD` where it takes nothing: a call that
  is free still takes a place.

One place in `PLACES_A_RESERVED_ONE` goes to what has been due for longest, whatever it is
worth, so that nothing starves. Budgets of sources, and of the plan as a whole, hold for both.
"""

UNKNOWN_VALUE_USD = 1
LEAST_COST_USD = "0.0001"
PLACES_A_RESERVED_ONE = 5

PLACES = 1_000
"""Calls of one refresh where nobody says otherwise."""

REFRESH_SQL = f"""
WITH weighed AS (
    SELECT *, coalesce(value_usd, {UNKNOWN_VALUE_USD}) * (age_days / freshness_days)
            / greatest(cost_usd, CAST({LEAST_COST_USD} AS DECIMAL(12, 6))) AS priority,
        row_number() OVER (
            PARTITION BY allowance ORDER BY next_due_at, item_id, source) AS waiting_place
    FROM candidates
), reserved AS (
    SELECT *, true AS longest_waiting FROM weighed
    WHERE calls_left IS NULL OR waiting_place <= calls_left // {PLACES_A_RESERVED_ONE}
    ORDER BY next_due_at, item_id, source LIMIT $places // {PLACES_A_RESERVED_ONE}
), best AS (
    SELECT w.*, false AS longest_waiting,
        row_number() OVER (
            PARTITION BY w.allowance ORDER BY w.priority DESC, w.item_id, w.source) AS worth_place,
        r.taken
    FROM weighed w ANTI JOIN reserved USING (item_id, source)
    LEFT JOIN (SELECT allowance, count(*) AS taken FROM reserved GROUP BY allowance) r
        ON r.allowance = w.allowance
), chosen AS (
    SELECT * EXCLUDE (worth_place, taken) FROM best
    WHERE calls_left IS NULL OR worth_place <= calls_left - coalesce(taken, 0)
    ORDER BY priority DESC, item_id, source
    LIMIT $places - (SELECT count(*) FROM reserved)
), planned AS (
    SELECT * FROM reserved UNION ALL SELECT * FROM chosen
), summed AS (
    SELECT *, sum(cost_usd) OVER (
        ORDER BY longest_waiting DESC, priority DESC, item_id, source
        ROWS UNBOUNDED PRECEDING) AS spent_usd
    FROM planned
)
SELECT item_id, source, reason, longest_waiting, value_usd, age_days, freshness_days,
    CAST(cost_usd AS DECIMAL(12, 6)) AS cost_usd, CAST(priority AS DOUBLE) AS priority
FROM summed WHERE $budget_usd IS NULL OR spent_usd <= $budget_usd
ORDER BY longest_waiting DESC, priority DESC, item_id, source
"""
"""Statement over the relation `candidates` (item_id, source, allowance: what its budget is
shared by, reason, next_due_at, value_usd, age_days, freshness_days, cost_usd, calls_left: null
without a budget), with the parameters $places and $budget_usd (null without one)."""
