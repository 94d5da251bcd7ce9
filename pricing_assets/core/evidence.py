"""What the sold comps of an item are worth as evidence: how many, how alike, how recent, how sure.

Nothing here looks at how high a price is. The statements run in DuckDB over the comps of
`core.comps`; the policies of `core.gate` decide over what they give.
"""

from pricing_assets.core.comps import quantile_sql

SECONDS_A_DAY = 86_400

AGGREGATES = (
    f", {quantile_sql(0.25)} AS sold_quarter, {quantile_sql(0.75)} AS sold_three_quarters"
    ", max(coalesce(sold_at, observed_at)) FILTER (WHERE kind = 'sold') AS last_sold_at"
    ", median(match_confidence) FILTER (WHERE kind = 'sold') AS match_confidence"
)
"""Further aggregates for `core.comps.comps_sql`; its relation then needs sold_at, observed_at
and match_confidence too. A sale without a date happened when it was observed."""


def evidence_sql(comps: str, at: str) -> str:
    """Return the DuckDB statement that adds the evidence to comps.

    - `spread_percent`: interquartile range in percent of the median, (Q3 - Q1) / Q2 x 100, so
      that a price level does not show in it;
    - `sale_age_days`: whole days from the latest sale to `at`;
    - `match_percent`: median over the comps of the confidence that they are this item, in
      percent.

    Each is a whole number, null without sold comps.

    Args:
        comps: Relation of `comps_sql` with `AGGREGATES`.
        at: Expression of the moment of the evidence, a TIMESTAMPTZ.
    """
    spread = "(sold_three_quarters - sold_quarter) * 100 / nullif(sold_median, 0)"
    age = f"(epoch_us({at}) - epoch_us(last_sold_at)) // {SECONDS_A_DAY * 1_000_000}"
    return (
        f"SELECT *, CAST(round({spread}) AS BIGINT) AS spread_percent, "
        f"CAST(greatest({age}, 0) AS BIGINT) AS sale_age_days, "
        "CAST(round(match_confidence * 100) AS BIGINT) AS match_percent "
        f"FROM {comps}"
    )
