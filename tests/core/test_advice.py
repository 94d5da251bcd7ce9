from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_assets.core.advice import ACTIONS, LABELS, V1, Advice, advice_sql, advise
from pricing_assets.core.valuation import V1 as VALUATION
from pricing_assets.core.valuation import valuation_sql
from resources.compute import duckdb_connection
from tests.core.test_valuation import NOW, Seen, relation, sold

Item = dict[str, Any]
money = st.decimals("0.01", "60.00", places=2) | st.decimals("0.01", "9999999999.99", places=2)


@st.composite
def items(draw: st.DrawFn) -> Item:
    n = draw(st.integers(0, 30))
    quick, market = sorted([draw(money), draw(money)])
    return {
        "n": n,
        "recent": draw(st.integers(0, n)),
        "asks": draw(st.integers(0, 40)),
        "quick": quick if n else None,
        "market": market if n else None,
        "confidence": draw(st.sampled_from(["high", "medium", "low"])) if n else "low",
        "cost": draw(st.none() | money),
    }


def advised(given_items: list[Item]) -> list[Advice]:
    amount = pa.decimal128(12, 2)
    table = pa.table(
        {
            "place": pa.array(range(len(given_items)), pa.int64()),
            "n": pa.array([item["n"] for item in given_items], pa.int64()),
            "recent": pa.array([item["recent"] for item in given_items], pa.int64()),
            "asks": pa.array([item["asks"] for item in given_items], pa.int64()),
            "quick": pa.array([item["quick"] for item in given_items], amount),
            "market": pa.array([item["market"] for item in given_items], amount),
            "confidence": pa.array([item["confidence"] for item in given_items], pa.string()),
            "cost_usd": pa.array([item["cost"] for item in given_items], amount),
        }
    )
    with duckdb_connection() as duck:
        duck.register("valued", table)
        rows = duck.sql(advice_sql("valued")).to_arrow_table().to_pylist()
    rows.sort(key=lambda row: row["place"])
    return [Advice(**{name: row[name] for name in Advice.__dataclass_fields__}) for row in rows]


GOOD: Item = {
    "n": 12,
    "recent": 12,
    "asks": 3,
    "quick": Decimal("18.00"),
    "market": Decimal("20.00"),
    "confidence": "high",
    "cost": None,
}


@given(st.lists(items(), max_size=25))
@settings(max_examples=25, deadline=None)
def test_the_statement_advises_as_the_rule_does(given_items: list[Item]) -> None:
    assert advised(given_items) == [advise(**item) for item in given_items]


@given(items())
def test_advice_is_within_its_bounds(item: Item) -> None:
    advice = advise(**item)
    assert 0 <= advice.probability_score <= 1
    assert 0 < advice.rarity <= 1
    assert advice.sell_through is None or 0 <= advice.sell_through <= 1
    assert advice.action in ACTIONS
    assert advice.probability_label in LABELS
    assert (advice.time_to_sell_days is None) == (item["recent"] == 0)
    if advice.action == "ACCEPT":
        assert advice.net is not None
        assert advice.net >= V1.min_net
        assert advice.probability_label != "LOW"


@given(items(), money)
def test_a_copy_that_costs_more_is_never_more_welcome(item: Item, more: Decimal) -> None:
    dearer = advise(**{**item, "cost": (item["cost"] or 0) + more})
    advice = advise(**item)
    assert (dearer.action == "ACCEPT") <= (advice.action == "ACCEPT")
    assert dearer.probability_score == advice.probability_score


@given(items())
def test_more_on_offer_sells_slower_and_is_less_rare(item: Item) -> None:
    fewer, more = advise(**item), advise(**{**item, "asks": item["asks"] + 1})
    assert more.rarity < fewer.rarity
    assert more.probability_score <= fewer.probability_score
    if fewer.time_to_sell_days is not None and more.time_to_sell_days is not None:
        assert more.time_to_sell_days >= fewer.time_to_sell_days


def test_what_sells_well_is_accepted_with_what_it_leaves() -> None:
    advice = advise(**GOOD)
    assert asdict(advice) == {
        "sell_through": 0.8,
        "time_to_sell_days": 30,
        "rarity": 0.4,
        "net": Decimal("11.30"),
        "probability_score": 1.0,
        "probability_label": "HIGH",
        "action": "ACCEPT",
        "reason": "$11.30 would be left at the quick price after fees, postage and cost, "
        "and the probability of a sale scores 1.00",
    }


@pytest.mark.parametrize(
    ("changes", "action", "reason"),
    [
        ({"cost": Decimal("8.31")}, "REJECT", "$2.99 would be left"),
        ({"cost": Decimal("8.30")}, "ACCEPT", "$3.00 would be left"),
        ({"cost": Decimal("20.00")}, "REJECT", "-$8.70 would be left"),
        ({"recent": 1, "asks": 30, "confidence": "medium"}, "ACCEPT", "scores 0.40"),
        (
            {"recent": 1, "asks": 30, "confidence": "medium", "market": Decimal("14.99"),
             "quick": Decimal("14.00")}, "REJECT", "scores 0.30: needs 0.40",
        ),
        ({"confidence": "low"}, "SKIP", "12 sales are too few, too old or too far apart"),
        ({"n": 1, "confidence": "low"}, "SKIP", "1 sale is too few"),
        ({"n": 0, "quick": None, "market": None, "confidence": "low"}, "SKIP", "no sales"),
    ],
)  # fmt: skip
def test_every_outcome_has_its_reason(changes: Item, action: str, reason: str) -> None:
    [advice] = advised([{**GOOD, **changes}])
    assert advice == advise(**{**GOOD, **changes})
    assert advice.action == action
    assert reason in advice.reason


def test_thresholds_stand_in_one_place() -> None:
    item = {**GOOD, "cost": Decimal("8.30")}
    assert advise(**item, policy=replace(V1, min_net=Decimal("3.01"))).action == "REJECT"
    assert "needs $3.01" in advice_sql("valued", replace(V1, min_net=Decimal("3.01")))
    assert V1.recent_days == VALUATION.recent_days
    best = (V1.value_steps[0], V1.sell_through_steps[0], V1.days_steps[0])
    assert sum(step.points for step in best) + V1.confidence_points[0][1] == 100


def test_advice_follows_from_the_valuation() -> None:
    observations = [*sold(*[20, 21, 22] * 5), Seen("ask", Decimal(30))]
    with duckdb_connection() as duck:
        duck.register("observations", relation(observations))
        valued = f"(SELECT *, NULL AS cost_usd FROM ({valuation_sql('observations')}))"
        [row] = duck.sql(advice_sql(valued), params={"moment": NOW}).to_arrow_table().to_pylist()
    assert row["action"] == "ACCEPT"
    assert row["sell_through"] == 15 / 16
    assert row["time_to_sell_days"] == 12
    assert row["market"] > 20
