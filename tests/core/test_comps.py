from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_assets.core.comps import comps_sql, quantile_sql
from resources.compute import duckdb_connection

CENT = Decimal("0.01")
prices = st.lists(
    st.decimals("0.00", "9999999999.99", places=2)
    | st.sampled_from(["0.01", "0.02", "0.03", "10.00", "10.01"]).map(Decimal),
    max_size=12,
)
Row = dict[str, Any]


def computed(observations: list[tuple[str, str, Decimal]], *, threads: int = 2) -> dict[str, Row]:
    relation = pa.table(
        {
            "item_id": pa.array([item for item, _, _ in observations], pa.string()),
            "kind": pa.array([kind for _, kind, _ in observations], pa.string()),
            "price_usd": pa.array([price for _, _, price in observations], pa.decimal128(12, 2)),
        }
    )
    more = f", {quantile_sql(0.25)} AS quick, {quantile_sql(0.75)} AS patient"
    with duckdb_connection(threads) as duck:
        duck.register("observations", relation)
        found = duck.sql(comps_sql("observations", more)).to_arrow_table().to_pylist()
    return {row["item_id"]: row for row in found}


def reference_quantile(amounts: list[Decimal], quarter: int) -> Decimal | None:
    if not amounts:
        return None
    ordered = sorted(amounts)
    whole, rest = divmod((len(ordered) - 1) * quarter, 4)
    above = ordered[min(whole + 1, len(ordered) - 1)]
    exact = ordered[whole] + (above - ordered[whole]) * rest / 4
    return exact.quantize(CENT, ROUND_HALF_UP)


@given(st.lists(st.tuples(prices, prices), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_statistics_are_exact(items: list[tuple[list[Decimal], list[Decimal]]]) -> None:
    observations = [
        (str(place), kind, price)
        for place, (sold, asks) in enumerate(items)
        for kind, amounts in (("sold", sold), ("ask", asks))
        for price in amounts
    ]
    found = computed(observations)
    for place, (sold, asks) in enumerate(items):
        if not sold and not asks:
            assert str(place) not in found
            continue
        row = found[str(place)]
        assert row == {
            "item_id": str(place),
            "sold_count": len(sold),
            "sold_min": min(sold, default=None),
            "sold_median": reference_quantile(sold, 2),
            "sold_max": max(sold, default=None),
            "ask_count": len(asks),
            "ask_min": min(asks, default=None),
            "quick": reference_quantile(sold, 1),
            "patient": reference_quantile(sold, 3),
        }


@pytest.mark.parametrize(
    ("amounts", "median"),
    [
        (["0.01", "0.02"], "0.02"),
        (["0.02", "0.03"], "0.03"),
        (["10.00", "10.01"], "10.01"),
        (["1.00", "2.00", "100.00"], "2.00"),
        (["9999999999.98", "9999999999.99"], "9999999999.99"),
    ],
)
def test_half_a_cent_goes_away_from_zero(amounts: list[str], median: str) -> None:
    found = computed([("1", "sold", Decimal(amount)) for amount in amounts])
    assert str(found["1"]["sold_median"]) == median


def test_estimates_and_offers_are_neither_sold_nor_asks() -> None:
    found = computed([("1", "estimate", Decimal(9)), ("1", "offer", Decimal(8))])["1"]
    assert (found["sold_count"], found["ask_count"]) == (0, 0)
    assert found["sold_median"] is found["sold_min"] is found["ask_min"] is None
