"""What an item is worth: one formula over its sold comps, for every category.

The value of an (item, variant) as of a moment is a function of its observations until then.
Only sales make a price. Asks can only narrow the range, and the method says when they did.
Offers and estimates never count.

Sales
    A sale counts with a price above 0 and a date at or before the moment. Its weight is
    recency x listing type x match confidence, a tenth of that when it is marked as an
    outlier. Recency is 0.5 ^ (days before the item's newest sale / half-life), on two
    clocks: `slow_days` and `fast_days`. Quantiles know only relative weights, so what counts
    is the age beside the item's newest sale; the age at the moment counts for `confidence`.

Outliers
    Marked, never dropped: |ln(price) - ln(centre)| above `outlier_mads` times the MAD, and
    above `outlier_floor`. Centre and MAD are weighted medians on the slow clock, so that in
    a market that has moved the old sales stand out and not the new ones. Logarithms, since
    prices err by factors. The fences of Tukey (1977), 1.5 IQR outside of the plain
    quartiles, are shown beside them and mark nothing: on skewed prices they mark too much.

Quantiles
    Sales in the order of price, each in the middle of its weight: position of sale i =
    (w_1 + ... + w_i - w_i / 2) / (w_1 + ... + w_n); linear between two positions, and the
    lowest or highest price outside of them. With equal weights that is type 5 of Hyndman
    and Fan (1996), and its median is the plain median.

One price that moves, or many that scatter
    Copies of a book in five conditions scatter around one value, and all of a season say
    more than the last. The price of a graded card moves in small steps that last, and the
    last sale says most. The median relative step between consecutive sales tells them
    apart: gain = 1 up to `steady_step`, 0 from `loose_step`, linear between, and
    `prior_steps` further steps with gain 1 stand for what is not known of few sales.

        market  = (slow median + gain (fast median - slow median)) * carry
        carry   = 1 + carry_share * gain * (fast - slow) / max(fast, slow)
        quick   = market * (1 - (1 - gain) (slow 50 % - slow 25 %) / slow 50 % - gain * reach)
        patient = market * (1 + (1 - gain) (slow 75 % - slow 50 %) / slow 50 % + gain * reach)

    with reach = `quick_steps` times the median step; none is farther from `market` than `market`
    itself, so `patient` and `high` are at most twice as much. `carry` goes on with a part of a
    movement, since the steps of a moving price are alike in sign. `low` and `high` are the
    same with 10 %, 90 % and `low_steps`, never nearer to `market` than
    `doubt` / sqrt(effective n): one sale leaves a wide range.

Asks
    An ask that is not an auction, was seen in the last `ask_days` and matches well is open.
    The lowest open one caps `patient` and `high`, never below `market`.

Effective n
    (sum of weights)^2 / sum of squared weights on the slow clock (Kish, 1965).

Everything is counted in integers: millionths of a dollar, weights in billionths, shares in
millionths; so sums do not depend on the order of rows, and a result repeats to the byte.
`benchmarks/backtest.py` chose the constants on one part of a real series and measures them
on the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pricing_assets.core.periods import MICROSECONDS_A_DAY

CONFIDENCES = ("high", "medium", "low")
"""Names of confidence, best first."""

METHODS: Mapping[str, str] = {
    "sold": "weighted quantiles of the sold prices",
    "sold+ask": "weighted quantiles of the sold prices, the upper range capped by an open ask",
    "none": "no sales: no value",
}
"""Names of how a value came about, with what each means."""

_WHOLE = 1_000_000
"""Shares are in millionths."""

_MOST_CENTS = 999_999_999_999

KEY = ("item_id", "variant")
"""Columns that tell apart what has a value of its own."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """What an item needs for a degree of confidence.

    Attributes:
        effective_n: Least effective number of sales.
        newest_days: Highest age of the newest sale in days.
        spread: Highest (patient - quick) / market before asks, in hundredths.
    """

    effective_n: int
    newest_days: int
    spread: int


@dataclass(frozen=True, slots=True)
class Method:
    """The constants of the formula; the module's docstring has the formula and the reasons.

    Attributes:
        slow_days: Half-life of the slow clock.
        fast_days: Half-life of the fast clock.
        type_weights: Weight of a sale by listing type, in hundredths. Bidders made an
            auction's price; a fixed price was one buyer's; of a best offer vendors show the
            price that was asked, and it was struck below.
        other_weight: Weight where the listing type is another or unknown.
        outlier_weight: Weight of a marked sale, in hundredths.
        outlier_mads: MADs from the centre, in thousandths: 3.5 standard deviations of a
            normal distribution (Iglewicz and Hoaglin, 1993), which has 1.4826 MADs in each.
        outlier_floor: Least distance of an outlier in millionths of ln: a factor of two,
            which condition alone can explain.
        steady_step: Median step up to which prices move, in millionths of the price.
        loose_step: Median step from which prices scatter.
        prior_steps: Steps that stand for what is not known.
        carry_share: Part of a movement that goes on, in hundredths.
        quick_steps: Median steps from `market` to `quick` and `patient`, in hundredths.
        low_steps: Median steps from `market` to `low` and `high`, in hundredths.
        doubt: Distance of `low` and `high` that a single sale leaves, in millionths.
        recent_days: Age below which a sale is counted as recent.
        ask_days: Days for which an ask is open after it was seen.
        ask_match: Least match confidence of an ask that may cap, in hundredths.
        high: What `high` confidence needs.
        medium: What `medium` confidence needs.
    """

    slow_days: int = 30
    fast_days: int = 2
    type_weights: Mapping[str, int] = field(
        default_factory=lambda: {"auction": 100, "fixed_price": 90, "best_offer": 60}
    )
    other_weight: int = 75
    outlier_weight: int = 10
    outlier_mads: int = 5_189
    outlier_floor: int = 700_000
    steady_step: int = 30_000
    loose_step: int = 150_000
    prior_steps: int = 2
    carry_share: int = 10
    quick_steps: int = 175
    low_steps: int = 200
    doubt: int = 300_000
    recent_days: int = 90
    ask_days: int = 30
    ask_match: int = 50
    high: Confidence = Confidence(effective_n=8, newest_days=60, spread=60)
    medium: Confidence = Confidence(effective_n=3, newest_days=180, spread=120)


V1 = Method()
"""The method in use."""

QUANTILES = (10, 25, 50, 75, 90)
"""Quantiles that the range is made of, in hundredths."""


def marked_sales_sql(observations: str, moment: str = "$moment", method: Method = V1) -> str:
    """Return the DuckDB statement that gives every counted sale with its weight and mark.

    Args:
        observations: Relation as for `valuation_sql`.
        moment: SQL expression of the as-of, a TIMESTAMPTZ.
        method: The constants.

    Returns:
        A statement whose rows are the columns of the relation and weight (share of the
        item's slow weight, DOUBLE), is_outlier, outlier_reason (text for a person, null
        where not marked), fence_low and fence_high (USD).
    """
    key = ", ".join(KEY)
    return f"""
    WITH {_sales(observations, moment, method, KEY)},
    val_fenced AS (
        SELECT *, {_fences(f"OVER (PARTITION BY {key})")} FROM val_positions
    )
    SELECT columns(lambda c: NOT starts_with(c, 'val_')),
        CAST(val_slow AS DOUBLE) / CAST(val_slow_total AS DOUBLE) AS weight,
        val_marked AS is_outlier,
        CASE WHEN val_marked THEN
            'the price is ' || CASE WHEN val_micro > val_centre THEN 'above ' ELSE 'below ' END
            || 'what the other sales allow: ' || printf('%.2f', exp(val_distance / 1e6))
            || ' times off their centre of $' || CAST({_usd("val_centre")} AS VARCHAR)
        END AS outlier_reason,
        {_usd("val_fence_low")} AS fence_low, {_usd("val_fence_high")} AS fence_high
    FROM val_fenced
    """


def valuation_sql(
    observations: str,
    moment: str = "$moment",
    method: Method = V1,
    key: Sequence[str] = KEY,
) -> str:
    """Return the DuckDB statement that values every (item, variant) of a relation.

    Args:
        observations: Relation with columns item_id, variant (null is a variant of its own),
            kind, price_usd (DECIMAL, USD, without shipping), happened_at (TIMESTAMPTZ; of a
            sale when it sold, of an ask when it was last seen), listing_type and
            match_confidence (0 to 1). What was superseded by the moment, or observed after
            it, must not be in it; what happened after it is left out here.
        moment: SQL expression of the as-of, a TIMESTAMPTZ.
        method: The constants.
        key: Columns that tell apart what has a value of its own.

    Returns:
        A statement with one row a key that has sales or asks: the key, n, effective_n, min,
        median, max, quick, market, patient, low, high (USD, null without sales), outliers
        (how many are marked), fence_low, fence_high, newest_days (age of the newest sale),
        recent (sales of the last `recent_days`), asks (open ones), confidence and method.
    """
    named = ", ".join(key)
    same = " AND ".join(f"r.{name} IS NOT DISTINCT FROM a.{name}" for name in key)
    return f"""
    WITH {_levels(observations, moment, method, key)},
    val_ranges AS (
        SELECT *,
            {_moved("val_market", f"({_WHOLE} - val_down)")} AS val_quick,
            {_moved("val_market", f"({_WHOLE} + val_up)")} AS val_patient,
            {_moved("val_market", f"({_WHOLE} - greatest(val_down, val_far_down, val_doubt))")}
                AS val_low,
            {_moved("val_market", f"({_WHOLE} + greatest(val_up, val_far_up, val_doubt))")}
                AS val_high
        FROM val_levels
    ),
    val_asks AS (
        SELECT {named}, count(*) FILTER (WHERE {_open_ask(moment, method)}) AS asks,
            min({_micro("price_usd")}) FILTER (WHERE {_open_ask(moment, method)}) AS val_ask
        FROM {observations}
        WHERE kind IN ('sold', 'ask') AND price_usd > 0
            AND CAST(happened_at AS TIMESTAMPTZ) <= {moment}
        GROUP BY {named}
    ),
    val_capped AS (
        SELECT a.*, r.* EXCLUDE ({named}),
            {_capped("val_patient")} AS val_capped_patient,
            {_capped("val_high")} AS val_capped_high
        FROM val_asks a LEFT JOIN val_ranges r ON {same}
    )
    SELECT {named}, coalesce(n, 0) AS n,
        CAST(coalesce(val_effective, 0) * 0.01::DECIMAL(3, 2) AS DECIMAL(12, 2)) AS effective_n,
        {_usd("val_min")} AS min, {_usd("val_median")} AS median, {_usd("val_max")} AS max,
        {_usd("val_quick")} AS quick, {_usd("val_market")} AS market,
        {_usd("val_capped_patient")} AS patient,
        {_usd("val_low")} AS low, {_usd("val_capped_high")} AS high,
        coalesce(outliers, 0) AS outliers,
        {_usd("val_fence_low")} AS fence_low, {_usd("val_fence_high")} AS fence_high,
        newest_days, coalesce(recent, 0) AS recent, asks,
        CASE WHEN {_confident(method.high)} THEN 'high'
             WHEN {_confident(method.medium)} THEN 'medium' ELSE 'low' END AS confidence,
        CASE WHEN n IS NULL THEN 'none'
             WHEN val_capped_patient < val_patient OR val_capped_high < val_high
             THEN 'sold+ask' ELSE 'sold' END AS method
    FROM val_capped
    """


def sold_value_sql(observations: str, moment: str, key: Sequence[str]) -> str:
    """Return the DuckDB statement of what is worth what has sales, and of nothing beside it.

    Args:
        observations: As for `valuation_sql`, and so are the others.

    Returns:
        A statement with one row a key that has sales: the key, n, median and market (USD).
    """
    return f"""
    WITH {_levels(observations, moment, V1, key)}
    SELECT {", ".join(key)}, n, {_usd("val_median")} AS median, {_usd("val_market")} AS market
    FROM val_levels
    """


def _levels(observations: str, moment: str, method: Method, key: Sequence[str]) -> str:
    """Return the common table expressions up to `val_levels`: a row for each key with sales."""
    named = ", ".join(key)
    slow, fast = (f"CAST(val_{clock}_50 AS HUGEINT)" for clock in ("slow", "fast"))
    return f"""{_sales(observations, moment, method, key)},
    val_groups AS (
        SELECT {named}, count(*) AS n, count(*) FILTER (WHERE val_marked) AS outliers,
            min(val_age) AS newest_days,
            count(*) FILTER (WHERE val_age < {method.recent_days}) AS recent,
            min(val_micro) AS val_min, max(val_micro) AS val_max,
            {_plain_quantile(50)} AS val_median, {_fences()},
            coalesce(quantile_disc(val_step, 0.5), 0) AS val_step,
            CAST(sum(val_slow) AS BIGINT) AS val_slow_total,
            CAST(sum(val_fast) AS BIGINT) AS val_fast_total,
            sum(val_slow * val_slow) AS val_slow_squares,
            {", ".join(_bounds("slow", percent) for percent in QUANTILES)},
            {_bounds("fast", 50)}
        FROM val_positions GROUP BY {named}
    ),
    val_quantiles AS (
        SELECT *,
            CAST((200 * CAST(val_slow_total AS HUGEINT) * val_slow_total + val_slow_squares)
                // (2 * val_slow_squares) AS BIGINT) AS val_effective,
            ({_gain(method)} * (n - 1) + 1000 * {method.prior_steps})
                // (n - 1 + {method.prior_steps}) AS val_gain,
            {", ".join(_between("slow", percent) for percent in QUANTILES)},
            {_between("fast", 50)}
        FROM val_groups
    ),
    val_levels AS (
        SELECT *,
            CAST(((1000 - val_gain) * {slow} + val_gain * {fast}) // 1000
                * (100000 * greatest({fast}, {slow})
                    + {method.carry_share} * val_gain * ({fast} - {slow}))
                // (100000 * greatest({fast}, {slow})) AS BIGINT) AS val_market,
            {_reach("val_slow_50 - val_slow_25", method.quick_steps)} AS val_down,
            {_reach("val_slow_75 - val_slow_50", method.quick_steps)} AS val_up,
            {_reach("val_slow_50 - val_slow_10", method.low_steps)} AS val_far_down,
            {_reach("val_slow_90 - val_slow_50", method.low_steps)} AS val_far_up,
            CAST(floor({method.doubt} / sqrt(val_effective / 100.0::DOUBLE)) AS BIGINT)
                AS val_doubt
        FROM val_quantiles
    )"""


def _sales(observations: str, moment: str, method: Method, key: Sequence[str]) -> str:
    """Return the common table expressions up to `val_positions`: a row for each sale.

    Two equal prices with equal weights can change places without a trace, so ordering by
    price and weights is enough to make every running sum repeatable.
    """
    group = f"PARTITION BY {', '.join(key)}"
    by_price = f"{group} ORDER BY val_micro, val_slow, val_fast ROWS UNBOUNDED PRECEDING"
    types = " ".join(f"WHEN '{name}' THEN {w}" for name, w in method.type_weights.items())
    trust = (
        f"CASE listing_type {types} ELSE {method.other_weight} END * greatest(1, "
        "least(100, CAST(round(100 * coalesce(match_confidence, 1)) AS BIGINT)))"
    )
    half = "2 * sum({weight}) OVER ({order}) >= sum({weight}) OVER ({group})"
    return f"""
    val_sold AS (
        SELECT *, {_micro("price_usd")} AS val_micro,
            (epoch_us({moment}) - epoch_us(CAST(happened_at AS TIMESTAMPTZ)))
                // {MICROSECONDS_A_DAY} AS val_age,
            {trust} AS val_trust
        FROM {observations}
        WHERE kind = 'sold' AND price_usd > 0 AND CAST(happened_at AS TIMESTAMPTZ) <= {moment}
    ),
    val_aged AS (
        SELECT *, val_age - min(val_age) OVER ({group}) AS val_behind,
            lag(val_micro) OVER (
                {group} ORDER BY CAST(happened_at AS TIMESTAMPTZ), val_micro) AS val_before
        FROM val_sold
    ),
    val_weighed AS (
        SELECT *, {_weight(method.slow_days)} AS val_slow, {_weight(method.fast_days)} AS val_fast,
            CAST(round(ln(CAST(val_micro AS DOUBLE)) * 1e6) AS BIGINT) AS val_log,
            {_WHOLE} // 10000 * abs(val_micro - val_before)
                // (greatest(val_micro, val_before) // 10000) AS val_step
        FROM val_aged
    ),
    val_halved AS (
        SELECT *, {half.format(weight="val_slow", order=by_price, group=group)} AS val_half
        FROM val_weighed
    ),
    val_centred AS (
        SELECT *, min(val_micro) FILTER (WHERE val_half) OVER ({group}) AS val_centre,
            abs(val_log - min(val_log) FILTER (WHERE val_half) OVER ({group})) AS val_distance
        FROM val_halved
    ),
    val_spread AS (
        SELECT *, {
        half.format(
            weight="val_slow",
            order=f"{group} ORDER BY val_distance, val_slow ROWS UNBOUNDED PRECEDING",
            group=group,
        )
    } AS val_half_distance
        FROM val_centred
    ),
    val_judged AS (
        SELECT *, val_distance > greatest({method.outlier_floor}, {method.outlier_mads}
            * min(val_distance) FILTER (WHERE val_half_distance) OVER ({group}) // 1000)
            AS val_marked
        FROM val_spread
    ),
    val_final AS (
        SELECT * REPLACE ({_marked("slow", method)} AS val_slow, {_marked("fast", method)}
            AS val_fast)
        FROM val_judged
    ),
    val_positions AS (
        SELECT *,
            CAST(sum(val_slow) OVER ({group}) AS BIGINT) AS val_slow_total,
            CAST(sum(val_fast) OVER ({group}) AS BIGINT) AS val_fast_total,
            2 * CAST(sum(val_slow) OVER ({by_price}) AS BIGINT) - val_slow AS val_slow_at,
            2 * CAST(sum(val_fast) OVER ({by_price}) AS BIGINT) - val_fast AS val_fast_at
        FROM val_final
    )"""


def _micro(price: str) -> str:
    return f"CAST(CAST({price} AS DECIMAL(12, 2)) * 100 AS BIGINT) * 10000"


def _usd(micro: str) -> str:
    """Return millionths of a dollar as USD, half a cent upwards."""
    cents = f"least({_MOST_CENTS}, ({micro} + 5000) // 10000)"
    cents = f"CASE WHEN {micro} IS NOT NULL THEN {cents} END"
    return f"CAST(CAST({cents} AS DECIMAL(12, 0)) * 0.01::DECIMAL(3, 2) AS DECIMAL(12, 2))"


def _weight(half_life: int) -> str:
    recency = f"CAST(round(1000000000 * pow(0.5, val_behind / {half_life}.0::DOUBLE)) AS BIGINT)"
    return f"greatest(1, {recency} * val_trust // 10000)"


def _marked(clock: str, method: Method) -> str:
    weight = f"val_{clock}"
    return (
        f"CASE WHEN val_marked THEN greatest(1, {weight} * {method.outlier_weight} // 100) "
        f"ELSE {weight} END"
    )


def _fences(over: str = "") -> str:
    """Return the fences of Tukey; the quartiles are aggregates, or windows by `over`."""
    first, third = (f"quantile_disc(val_micro, {share}) {over}" for share in (0.25, 0.75))
    beyond = f"({third} - {first}) * 3 // 2"
    return f"greatest(0, {first} - {beyond}) AS val_fence_low, {third} + {beyond} AS val_fence_high"


def _plain_quantile(percent: int) -> str:
    exact = f"quantile_cont(CAST(val_micro AS DECIMAL(24, 2)), {percent / 100})"
    return f"CAST(floor({exact}) AS BIGINT)"


def _bounds(clock: str, percent: int) -> str:
    """Return the aggregates for the two sales on either side of a quantile."""
    at, target = f"val_{clock}_at", f"{2 * percent} * val_{clock}_total"
    name = f"val_{clock}_{percent}"
    return (
        f"max(val_micro) FILTER (WHERE 100 * {at} <= {target}) AS {name}_under, "
        f"max({at}) FILTER (WHERE 100 * {at} <= {target}) AS {name}_under_at, "
        f"min(val_micro) FILTER (WHERE 100 * {at} >= {target}) AS {name}_over, "
        f"min({at}) FILTER (WHERE 100 * {at} >= {target}) AS {name}_over_at"
    )


def _between(clock: str, percent: int) -> str:
    name = f"val_{clock}_{percent}"
    return f"""CASE
        WHEN {name}_under IS NULL THEN {name}_over
        WHEN {name}_over IS NULL OR {name}_over_at = {name}_under_at THEN {name}_under
        ELSE {name}_under + CAST(CAST({name}_over - {name}_under AS HUGEINT)
            * ({2 * percent} * val_{clock}_total - 100 * {name}_under_at)
            // (100 * ({name}_over_at - {name}_under_at)) AS BIGINT)
        END AS {name}"""


def _gain(method: Method) -> str:
    width = method.loose_step - method.steady_step
    return f"greatest(0, least(1000, ({method.loose_step} - val_step) * 1000 // {width}))"


def _reach(distance: str, steps: int) -> str:
    """Return how far a bound is from `market`, in millionths of it, below the whole.

    Far beyond the whole a distance is cut, which keeps what follows within 64 bits.
    """
    share = f"CAST({distance} AS HUGEINT) * {_WHOLE} // val_slow_50"
    return (
        f"least({_WHOLE - 1}, ((1000 - val_gain) * CAST(least({share}, {1000 * _WHOLE}) AS BIGINT) "
        f"+ val_gain * ({steps} * val_step // 100)) // 1000)"
    )


def _moved(micro: str, share: str) -> str:
    """Return an amount times a share in millionths, within 64 bits."""
    return f"({micro} // {_WHOLE} * {share} + {micro} % {_WHOLE} * {share} // {_WHOLE})"


def _open_ask(moment: str, method: Method) -> str:
    return (
        "kind = 'ask' AND listing_type IS DISTINCT FROM 'auction' "
        f"AND coalesce(match_confidence, 1) * 100 >= {method.ask_match} "
        f"AND epoch_us({moment}) - epoch_us(CAST(happened_at AS TIMESTAMPTZ)) "
        f"<= {method.ask_days * MICROSECONDS_A_DAY}"
    )


def _capped(bound: str) -> str:
    """Return a bound capped by the lowest open ask; `least` passes over one that is absent."""
    return f"CASE WHEN n IS NOT NULL THEN greatest(val_market, least({bound}, val_ask)) END"


def _confident(needs: Confidence) -> str:
    return (
        f"val_effective >= {needs.effective_n * 100} AND newest_days <= {needs.newest_days} "
        f"AND val_down + val_up <= {needs.spread * _WHOLE // 100}"
    )
