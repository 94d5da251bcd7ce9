"""Whether an item is worth taking: how fast it sells, how rare it is, and what to do.

Everything follows from the item's value (`pricing_assets.core.valuation`), the sales of its
recent days, its open asks, and what the copy costs:

    sell_through      = recent sales / (recent sales + open asks)
    time_to_sell_days = days * (open asks + 1) / recent sales, rounded up
    rarity            = 10 / (10 + recent sales + open asks)
    net               = quick * (1 - fee) - postage - cost

The copy at hand is one more on offer, and every recent day sold its share of all that are on
offer: hence the time to sell (Little, 1961). Rarity is 1 where no copy was seen, a half at
ten and near 0 for what is everywhere. `net` counts on the quick price, which a buyer in a
hurry gives: what is earned beyond it is not promised.

`probability_score` says how likely a copy is to sell at about its market value in good time:
points for the value, the sell-through, the time to sell and the confidence, in hundredths.

The advice has three outcomes. SKIP: there is not enough evidence to say, a person has to
look. REJECT: the evidence is enough, and `net` or the score is too low. ACCEPT: else.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from pricing_assets.core.gate import Step

ACTIONS = ("ACCEPT", "REJECT", "SKIP")
LABELS = ("HIGH", "MEDIUM", "LOW")

_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Advice:
    """What is known of an item's market, and what to do about a copy of it.

    Attributes:
        sell_through: 0 to 1; None where neither sales nor asks were seen.
        time_to_sell_days: None without recent sales.
        rarity: 0 to 1.
        net: USD left at the quick price; None without sales.
        probability_score: 0 to 1.
        probability_label: One of `LABELS`.
        action: One of `ACTIONS`.
        reason: Why, for a person.
    """

    sell_through: float | None
    time_to_sell_days: int | None
    rarity: float
    net: Decimal | None
    probability_score: float
    probability_label: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class Policy:
    """The thresholds of the advice.

    Attributes:
        recent_days: Days of sales that are recent; those of the valuation.
        rare_copies: Copies seen at which rarity is a half.
        fee_percent: What a marketplace keeps of the price.
        postage: Postage and packing of one copy, USD.
        min_net: Least USD that a copy has to leave.
        value_steps: Points for the market value, by USD, highest first.
        sell_through_steps: Points for the sell-through, by hundredths, highest first.
        days_steps: Points for the time to sell, by the most days, fewest first.
        confidence_points: Points for the confidence of the value.
        high: Points from which the label is HIGH.
        medium: Points from which it is MEDIUM, and below which an item is rejected.
    """

    recent_days: int
    rare_copies: int
    fee_percent: int
    postage: Decimal
    min_net: Decimal
    value_steps: tuple[Step, ...]
    sell_through_steps: tuple[Step, ...]
    days_steps: tuple[Step, ...]
    confidence_points: tuple[tuple[str, int], ...]
    high: int
    medium: int


V1 = Policy(
    recent_days=90,
    rare_copies=10,
    fee_percent=15,
    postage=Decimal("4.00"),
    min_net=Decimal("3.00"),
    value_steps=(Step(15, 30), Step(8, 20), Step(5, 10)),
    sell_through_steps=(Step(50, 30), Step(25, 20), Step(10, 10)),
    days_steps=(Step(30, 25), Step(90, 15), Step(180, 5)),
    confidence_points=(("high", 15), ("medium", 10)),
    high=70,
    medium=40,
)
"""Fees and postage are those of a seller of single books by media mail. A median of $15 and of
$5 are steps of the gate as well; half of all copies sold within 90 days is a lively market."""


def advise(
    *,
    n: int,
    recent: int,
    asks: int,
    quick: Decimal | None,
    market: Decimal | None,
    confidence: str,
    cost: Decimal | None = None,
    policy: Policy = V1,
) -> Advice:
    """Return the advice on one copy of an item.

    Args:
        n: Sales that made the value.
        recent: Sales of the policy's recent days.
        asks: Open asks.
        quick: Quick price in USD; None without sales, as is `market`.
        market: Market value in USD.
        confidence: Of the value: high, medium or low.
        cost: What the copy costs in USD; None is nothing.
        policy: The thresholds.
    """
    copies = recent + asks
    days = -(-policy.recent_days * (asks + 1) // recent) if recent else None
    net = None
    if quick is not None:
        kept = quick * (100 - policy.fee_percent) / 100
        net = (kept - policy.postage - (cost or 0)).quantize(_CENT, ROUND_HALF_UP)
    points = (
        _reached(policy.value_steps, market)
        + _reached(policy.sell_through_steps, Decimal(100 * recent) / copies if copies else None)
        + next((s.points for s in policy.days_steps if days is not None and days <= s.at_least), 0)
        + dict(policy.confidence_points).get(confidence, 0)
    )
    action, reason = _decided(n, net, confidence, points, policy)
    return Advice(
        sell_through=recent / copies if copies else None,
        time_to_sell_days=days,
        rarity=policy.rare_copies / (policy.rare_copies + copies),
        net=net,
        probability_score=points / 100,
        probability_label=LABELS[(points < policy.high) + (points < policy.medium)],
        action=action,
        reason=reason,
    )


def advice_sql(values: str, policy: Policy = V1) -> str:
    """Return the DuckDB statement that advises on every row of a relation.

    Args:
        values: Relation with the columns of `valuation_sql` and cost_usd (DECIMAL, what the
            copy costs; null is nothing).
        policy: The thresholds.

    Returns:
        A statement with the columns of `values` and those of `Advice`.
    """
    confidence = " ".join(f"WHEN '{n}' THEN {points}" for n, points in policy.confidence_points)
    return f"""
    WITH advice_figures AS (
        SELECT *,
            CASE WHEN recent + asks > 0
                THEN CAST(recent AS DOUBLE) / CAST(recent + asks AS DOUBLE) END AS sell_through,
            CASE WHEN recent > 0 THEN
                ({policy.recent_days} * (asks + 1) + recent - 1) // recent END
                AS time_to_sell_days,
            CAST({policy.rare_copies} AS DOUBLE)
                / CAST({policy.rare_copies} + recent + asks AS DOUBLE) AS rarity,
            CAST(round(CAST(quick AS DECIMAL(20, 2)) * 0.01::DECIMAL(3, 2)
                * {100 - policy.fee_percent} - {policy.postage}
                - coalesce(CAST(cost_usd AS DECIMAL(20, 2)), 0), 2) AS DECIMAL(14, 2)) AS net
        FROM {values}
    ),
    advice_points AS (
        SELECT *,
            {_steps_sql("market", policy.value_steps)}
            + {_steps_sql("100 * recent", policy.sell_through_steps, "(recent + asks)")}
            + {_days_sql(policy.days_steps)}
            + CASE confidence {confidence} ELSE 0 END AS points
        FROM advice_figures
    )
    SELECT * EXCLUDE (points),
        CAST(points AS DOUBLE) / 100 AS probability_score,
        CASE WHEN points >= {policy.high} THEN 'HIGH' WHEN points >= {policy.medium} THEN 'MEDIUM'
            ELSE 'LOW' END AS probability_label,
        CASE WHEN n = 0 OR confidence = 'low' THEN 'SKIP'
            WHEN net < {policy.min_net} OR points < {policy.medium} THEN 'REJECT'
            ELSE 'ACCEPT' END AS action,
        {_reason_sql(policy)} AS reason
    FROM advice_points
    """


def _decided(
    n: int, net: Decimal | None, confidence: str, points: int, policy: Policy
) -> tuple[str, str]:
    score = Decimal(points) / 100
    if n == 0 or net is None:
        return "SKIP", "no sales: there is nothing to go by"
    if confidence == "low":
        sales = "1 sale is" if n == 1 else f"{n} sales are"
        return "SKIP", f"the value has low confidence: {sales} too few, too old or too far apart"
    amount = f"{'-' if net < 0 else ''}${abs(net)}"
    left = f"{amount} would be left at the quick price after fees, postage and cost"
    if net < policy.min_net:
        return "REJECT", f"{left}: needs ${policy.min_net}"
    chance = f"the probability of a sale scores {score:.2f}"
    if points < policy.medium:
        return "REJECT", f"{chance}: needs {Decimal(policy.medium) / 100:.2f}"
    return "ACCEPT", f"{left}, and {chance}"


def _reason_sql(policy: Policy) -> str:
    left = (
        "CASE WHEN net < 0 THEN '-' ELSE '' END || '$' || CAST(abs(net) AS VARCHAR) || "
        "' would be left at the quick price after fees, postage and cost'"
    )
    chance = (
        "'the probability of a sale scores ' "
        "|| CAST(CAST(points * 0.01::DECIMAL(3, 2) AS DECIMAL(4, 2)) AS VARCHAR)"
    )
    return f"""CASE
        WHEN n = 0 THEN 'no sales: there is nothing to go by'
        WHEN confidence = 'low' THEN 'the value has low confidence: '
            || CASE WHEN n = 1 THEN '1 sale is' ELSE CAST(n AS VARCHAR) || ' sales are' END
            || ' too few, too old or too far apart'
        WHEN net < {policy.min_net} THEN {left} || ': needs ${policy.min_net}'
        WHEN points < {policy.medium}
            THEN {chance} || ': needs {Decimal(policy.medium) / 100:.2f}'
        ELSE {left} || ', and ' || {chance}
        END"""


def _reached(steps: tuple[Step, ...], value: Decimal | None) -> int:
    if value is None:
        return 0
    return next((step.points for step in steps if value >= step.at_least), 0)


def _steps_sql(value: str, steps: tuple[Step, ...], unit: str = "1") -> str:
    """Return the points for a value that is counted in units, without dividing."""
    cases = " ".join(
        f"WHEN {unit} > 0 AND {value} >= {step.at_least} * {unit} THEN {step.points}"
        for step in steps
    )
    return f"CASE {cases} ELSE 0 END"


def _days_sql(steps: tuple[Step, ...]) -> str:
    cases = " ".join(f"WHEN time_to_sell_days <= {s.at_least} THEN {s.points}" for s in steps)
    return f"CASE {cases} ELSE 0 END"
