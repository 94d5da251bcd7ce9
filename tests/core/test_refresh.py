from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_assets.core.refresh import (
    LEAST_COST_USD,
    PLACES_A_RESERVED_ONE,
    REFRESH_SQL,
    UNKNOWN_VALUE_USD,
)
from resources.compute import duckdb_connection

NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Candidate:
    item: str
    source: str
    value: Decimal | None
    overdue_days: int
    freshness: float
    cost: Decimal
    calls_left: int | None

    @property
    def priority(self) -> float:
        value = float(self.value if self.value is not None else UNKNOWN_VALUE_USD)
        age = self.freshness + self.overdue_days
        return value * (age / self.freshness) / float(max(self.cost, Decimal(LEAST_COST_USD)))


def planned(
    candidates: list[Candidate], places: int, budget: Decimal | None = None
) -> list[tuple[str, str, bool]]:
    table = pa.table(
        {
            "item_id": [c.item for c in candidates],
            "source": [c.source for c in candidates],
            "allowance": [ALLOWANCES.get(c.source, c.source) for c in candidates],
            "reason": ["stale"] * len(candidates),
            "next_due_at": pa.array(
                [NOW - timedelta(days=c.overdue_days) for c in candidates],
                pa.timestamp("us", tz="UTC"),
            ),
            "value_usd": pa.array([c.value for c in candidates], pa.decimal128(12, 2)),
            "age_days": [c.freshness + c.overdue_days for c in candidates],
            "freshness_days": [c.freshness for c in candidates],
            "cost_usd": pa.array([c.cost for c in candidates], pa.decimal128(12, 6)),
            "calls_left": pa.array([c.calls_left for c in candidates], pa.int64()),
        }
    )
    with duckdb_connection() as duck:
        duck.register("candidates", table)
        found = duck.sql(REFRESH_SQL, params={"places": places, "budget_usd": budget})
        rows = found.to_arrow_table().to_pylist()
    return [(row["item_id"], row["source"], row["longest_waiting"]) for row in rows]


LIMITS = {"free": None, "paid": None, "limited": 4, "sharing": 4}
COSTS = {
    "free": Decimal(0),
    "paid": Decimal("0.004"),
    "limited": Decimal("0.001"),
    "sharing": Decimal("0.001"),
}
ALLOWANCES = {"limited": "account", "sharing": "account"}


@st.composite
def markets(draw: st.DrawFn) -> list[Candidate]:
    keys = draw(
        st.lists(
            st.tuples(st.integers(0, 30), st.sampled_from(sorted(LIMITS))),
            min_size=1,
            max_size=40,
            unique=True,
        )
    )
    return [
        Candidate(
            f"item {item:02}",
            source,
            draw(st.none() | st.decimals("0.50", "200", places=2)),
            draw(st.integers(0, 400)),
            30.0,
            COSTS[source],
            LIMITS[source],
        )
        for item, source in keys
    ]


@settings(deadline=None)
@given(markets(), st.integers(1, 30))
def test_a_plan_keeps_its_places_its_reserve_and_the_budgets(
    candidates: list[Candidate], places: int
) -> None:
    plan = planned(candidates, places)
    by_key = {(c.item, c.source): c for c in candidates}
    assert len(plan) == len({entry[:2] for entry in plan}) <= places
    assert sum(source in ALLOWANCES for _, source, _ in plan) <= 4
    reserved = [by_key[entry[:2]] for entry in plan if entry[2]]
    assert len(reserved) <= places // PLACES_A_RESERVED_ONE
    best = [by_key[entry[:2]] for entry in plan if not entry[2]]
    assert [c.priority for c in best] == sorted((c.priority for c in best), reverse=True)
    unplanned = [c for c in candidates if (c.item, c.source) not in {e[:2] for e in plan}]
    for left in unplanned:
        if left.calls_left is None:
            assert len(plan) == places, "a place was left empty"
            assert all(left.priority <= c.priority for c in best)
            assert all(
                left.overdue_days <= c.overdue_days for c in reserved if c.calls_left is None
            )


@settings(deadline=None)
@given(markets(), st.decimals("0", "0.05", places=4))
def test_a_plan_costs_no_more_than_its_budget(candidates: list[Candidate], budget: Decimal) -> None:
    by_key = {(c.item, c.source): c for c in candidates}
    plan = planned(candidates, 30, budget)
    assert sum((by_key[entry[:2]].cost for entry in plan), Decimal(0)) <= budget


def test_what_waits_longest_has_its_place_though_it_is_worth_little() -> None:
    dear = [
        Candidate(f"dear {n}", "paid", Decimal(100), 10, 30.0, COSTS["paid"], None)
        for n in range(9)
    ]
    poor = Candidate("poor", "paid", Decimal("0.50"), 90, 30.0, COSTS["paid"], None)
    plan = planned([*dear, poor], 5)
    assert plan[0] == ("poor", "paid", True)
    assert len(plan) == 5
