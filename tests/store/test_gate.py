from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing_assets.core.gate import V1, V2
from pricing_assets.core.items import item_id
from pricing_assets.schema import tables as t
from pricing_assets.store.comps import update_comps
from pricing_assets.store.gate import evaluate_items, flag_items, score_items
from resources.database import Database
from tests.examples import DAY, NOON, book, item, row, rows, sales, scan

Comps = tuple[int | None, Decimal | None, bool]

counts = st.none() | st.sampled_from([0, 7, 8, 19, 20]) | st.integers(0, 60)
medians = (
    st.none()
    | st.sampled_from(["4.99", "5.00", "14.99", "15.00", "0.01", "9999999999.99"]).map(Decimal)
    | st.decimals(0, 30, places=2)
)


def passes(count: int | None, median: Decimal | None, is_estimate: bool) -> tuple[float, bool]:
    """Score and flag by the rule as people say it."""
    n, price = count or 0, median or Decimal(0)
    score = 70 if n >= 20 else 40 if n >= 8 else 0
    score += 30 if price >= 15 else 15 if price >= 5 else 0
    return score / 100, score >= 60 and n >= 8 and price >= 5 and not is_estimate


def put(database: Database, comps: list[Comps], hour: int) -> None:
    """Make items with these comps, replacing the ones of that place."""
    moment = pa.array([NOON.replace(hour=hour)] * len(comps), pa.timestamp("us", tz="UTC"))
    keys = [f"item {place}" for place in range(len(comps))]
    database.upsert(
        t.items,
        pa.table(
            {
                "id": [item_id("book", key) for key in keys],
                "category": ["book"] * len(comps),
                "natural_key": keys,
                "created_at": moment,
                "updated_at": moment,
                "sold_comps_count": pa.array([count for count, _, _ in comps], pa.int64()),
                "sold_comps_median": pa.array([m for _, m, _ in comps], pa.decimal128(12, 2)),
                "sold_comps_is_estimate": [is_estimate for _, _, is_estimate in comps],
                "sold_comps_as_of": moment,
            }
        ),
        update=(
            *("sold_comps_count", "sold_comps_median", "sold_comps_is_estimate"),
            "sold_comps_as_of",
        ),
    )


@given(st.lists(st.tuples(counts, medians, st.booleans()), min_size=15, max_size=40))
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_stored_scores_and_flags_are_the_rule(database: Database, comps: list[Comps]) -> None:
    database.execute(sa.delete(t.gate_evaluations))
    database.execute(sa.delete(t.items))
    put(database, comps, hour=12)
    assert score_items(database, V1, now=NOON) == len(comps)
    assert flag_items(database, V1, now=NOON) == len(comps)
    stored = {found["natural_key"]: found for found in rows(database, t.items)}
    evaluated = {found["item_id"]: found for found in rows(database, t.gate_evaluations)}
    for place, case in enumerate(comps):
        found = stored[f"item {place}"]
        evaluation = evaluated[found["id"]]
        score, passed = passes(*case)
        assert found["training_quality_score"] == evaluation["score"] == score
        assert found["in_training"] is evaluation["passed"] is passed
        assert (evaluation["reason"] == "passes") is passed
        assert (evaluation["policy"], evaluation["evidence_as_of"]) == ("v1", NOON)


@pytest.mark.parametrize(
    ("comps", "reason"),
    [
        ((17, Decimal("9.50"), False), "needs 3 more comps, or a median of $15"),
        ((5, Decimal("20.00"), False), "needs 3 more comps"),
        ((19, Decimal("9.00"), False), "needs 1 more comp, or a median of $15"),
        ((0, None, False), "no sold comps: needs at least 8"),
        ((50, Decimal("50.00"), True), "the comps are estimates: needs sold comps"),
        ((8, Decimal("15.00"), False), "passes"),
    ],
)
def test_the_reason_is_stored(database: Database, comps: Comps, reason: str) -> None:
    put(database, [comps], hour=12)
    score_items(database, V1, now=NOON)
    flag_items(database, V1, now=NOON)
    assert row(database, t.gate_evaluations).reason == reason


def gated(database: Database) -> tuple[int, int]:
    return score_items(database, V1, now=NOON), flag_items(database, V1, now=NOON)


def test_only_new_evidence_is_gated_again(database: Database) -> None:
    put(database, [(8, Decimal(15), False), (20, Decimal(5), False)], hour=12)
    assert gated(database) == (2, 2)
    assert gated(database) == (0, 0)
    put(database, [(8, Decimal("14.99"), False)], hour=13)
    assert gated(database) == (1, 1)
    flags = {found["natural_key"]: found["in_training"] for found in rows(database, t.items)}
    assert flags == {"item 0": False, "item 1": True}
    evaluations = rows(database, t.gate_evaluations)
    assert len(evaluations) == 2
    assert {found["evidence_as_of"].hour for found in evaluations} == {12, 13}


def test_an_item_without_evidence_is_not_gated(database: Database) -> None:
    scan(database, 1)
    assert gated(database) == (0, 0)
    assert item(database, 1).in_training is False
    assert rows(database, t.gate_evaluations) == []


def test_an_item_goes_through_all_stages(database: Database) -> None:
    scan(database, 1)

    def stages() -> tuple[Any, ...]:
        update_comps(database, now=NOON)
        gated(database)
        found = item(database, 1)
        assert found.market_fetched_at == found.in_training_as_of == found.training_quality_as_of
        evaluation = row(database, t.gate_evaluations)
        assert evaluation.item_id == book(1).item_id
        return found.training_quality_score, found.in_training, evaluation.reason

    sales(database, 1, ["16.00"] * 7)
    assert stages() == (0.3, False, "needs 1 more comp")
    sales(database, 1, ["16.00"] * 8, NOON + DAY)
    assert stages() == (0.7, True, "passes")


def test_v2_judges_by_evidence_beside_v1_and_sets_no_flag(database: Database) -> None:
    scan(database, 1, 2, 3)
    sales(database, 1, ["1.00"] * 8)
    sales(database, 2, ["20.00"] * 3)
    sales(database, 3, [f"{1 + place**3}.00" for place in range(9)])
    update_comps(database, now=NOON)
    score_items(database, V1, now=NOON)
    assert evaluate_items(database, V2, now=NOON) == 3
    assert evaluate_items(database, V2, now=NOON) == 0
    flag_items(database, V1, now=NOON)
    found = {
        (e["policy"], e["item_id"]): (e["passed"], e["reason"])
        for e in rows(database, t.gate_evaluations)
    }
    assert found["v2", book(1).item_id] == (True, "passes")
    assert found["v1", book(1).item_id][0] is False
    assert found["v2", book(2).item_id] == (False, "needs 5 more comps")
    assert "a spread of at most 100 % of the median (it is" in found["v2", book(3).item_id][1]
    assert [item(database, number).in_training for number in (1, 2, 3)] == [False, False, True]
    sales(database, 2, ["20.00"] * 9, NOON + DAY)
    update_comps(database, now=NOON + DAY)
    score_items(database, V1, now=NOON + DAY)
    assert evaluate_items(database, V2, now=NOON + DAY) == 1
    (again,) = [
        e
        for e in rows(database, t.gate_evaluations)
        if (e["policy"], e["item_id"]) == ("v2", book(2).item_id)
    ]
    assert (again["passed"], again["evidence_as_of"]) == (True, NOON + DAY)


def test_v2_says_so_where_nothing_sold(database: Database) -> None:
    scan(database, 1)
    sales(database, 1, [])
    update_comps(database, now=NOON)
    score_items(database, V1, now=NOON)
    assert evaluate_items(database, V2, now=NOON) == 1
    assert row(database, t.gate_evaluations).reason == "no sold comps: needs at least 8"
