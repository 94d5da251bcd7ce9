import itertools
import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.backtest import CHOSEN_ON, HELD_BACK, REPORTED_ON, measure, real_series
from pricing_assets.core.valuation import (
    CONFIDENCES,
    METHODS,
    V1,
    Confidence,
    marked_sales_sql,
    valuation_sql,
)
from resources.compute import duckdb_connection

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CENT = Decimal("0.01")
WHOLE = 1_000_000
AMOUNTS = ("min", "median", "max", "quick", "market", "patient", "low", "high")
Row = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    kind: str
    price: Decimal
    days: float = 0.0
    listing_type: str | None = "fixed_price"
    match: float | None = 1.0
    item: str = "1"
    variant: str | None = None

    @property
    def at(self) -> datetime:
        return NOW - timedelta(days=self.days)


def relation(observations: Sequence[Seen]) -> pa.Table:
    return pa.table(
        {
            "item_id": pa.array([seen.item for seen in observations], pa.string()),
            "variant": pa.array([seen.variant for seen in observations], pa.string()),
            "kind": pa.array([seen.kind for seen in observations], pa.string()),
            "price_usd": pa.array([seen.price for seen in observations], pa.decimal128(12, 2)),
            "happened_at": pa.array([seen.at for seen in observations], pa.timestamp("us", "UTC")),
            "listing_type": pa.array([seen.listing_type for seen in observations], pa.string()),
            "match_confidence": pa.array([seen.match for seen in observations], pa.float64()),
        }
    )


def run(statement: str, observations: Sequence[Seen], threads: int = 2) -> list[Row]:
    with duckdb_connection(threads) as duck:
        duck.register("observations", relation(observations))
        found: list[Row] = duck.sql(statement, params={"moment": NOW}).to_arrow_table().to_pylist()
    return found


def valued(observations: Sequence[Seen], *, threads: int = 2) -> dict[tuple[str, str | None], Row]:
    rows = run(valuation_sql("observations"), observations, threads)
    found = {(row.pop("item_id"), row.pop("variant")): row for row in rows}
    assert len(found) == len(rows)
    return found


def value(observations: Sequence[Seen]) -> Row:
    [row] = valued(observations).values()
    return row


def sold(*prices: str | int, days: Sequence[float] | None = None) -> list[Seen]:
    return [
        Seen("sold", Decimal(price), days=days[place] if days else float(len(prices) - place))
        for place, price in enumerate(prices)
    ]


# --- the reference: the same formula, one item at a time, in plain Python ------------------


@dataclass
class Sale:
    micro: int
    age: int
    at: datetime
    slow: int
    fast: int
    step: int | None = None
    marked: bool = False


def reference_value(observations: Sequence[Seen]) -> Row:
    counted = [
        seen
        for seen in observations
        if seen.kind in ("sold", "ask") and seen.price > 0 and seen.at <= NOW
    ]
    sales = reference_sales([seen for seen in counted if seen.kind == "sold"])
    asks = [
        micro(seen.price)
        for seen in counted
        if seen.kind == "ask"
        and seen.listing_type != "auction"
        and (1.0 if seen.match is None else seen.match) * 100 >= V1.ask_match
        and NOW - seen.at <= timedelta(days=V1.ask_days)
    ]
    if not sales:
        return {
            **dict.fromkeys((*AMOUNTS, "fence_low", "fence_high", "newest_days")),
            **{
                "recent": 0,
                "n": 0,
                "effective_n": Decimal("0.00"),
                "outliers": 0,
                "asks": len(asks),
            },
            **{"confidence": "low", "method": "none"},
        }
    n = len(sales)
    prices = sorted(sale.micro for sale in sales)
    slow = {p: quantile([(s.micro, s.slow, s.fast) for s in sales], 1, p) for p in
            (10, 25, 50, 75, 90)}  # fmt: skip
    fast = quantile([(s.micro, s.slow, s.fast) for s in sales], 2, 50)
    steps = sorted(sale.step for sale in sales if sale.step is not None)
    step = steps[math.ceil(len(steps) / 2) - 1] if steps else 0
    gain = (V1.loose_step - step) * 1000 / (V1.loose_step - V1.steady_step)
    gain = max(0, min(1000, math.trunc(gain)))
    gain = (gain * (n - 1) + 1000 * V1.prior_steps) // (n - 1 + V1.prior_steps)
    level = ((1000 - gain) * slow[50] + gain * fast) // 1000
    top = 100_000 * max(fast, slow[50])
    market = level * (top + V1.carry_share * gain * (fast - slow[50])) // top
    weights = [sale.slow for sale in sales]
    squares = sum(weight * weight for weight in weights)
    effective = (200 * sum(weights) ** 2 + squares) // (2 * squares)

    def reach(distance: int, share: int) -> int:
        quantiles = (1000 - gain) * (distance * WHOLE // slow[50])
        return min(WHOLE - 1, (quantiles + gain * (share * step // 100)) // 1000)

    down, up = (reach(d, V1.quick_steps) for d in (slow[50] - slow[25], slow[75] - slow[50]))
    doubt = math.floor(V1.doubt / math.sqrt(effective / 100))
    far_down = max(down, doubt, reach(slow[50] - slow[10], V1.low_steps))
    far_up = max(up, doubt, reach(slow[90] - slow[50], V1.low_steps))
    patient, high = market * (WHOLE + up) // WHOLE, market * (WHOLE + far_up) // WHOLE
    capped = [max(market, min([bound, *asks])) for bound in (patient, high)]
    newest = min(sale.age for sale in sales)
    q1, q3 = (prices[math.ceil(n * part) - 1] for part in (0.25, 0.75))

    def confident(needs: Confidence) -> bool:
        return (
            effective >= 100 * needs.effective_n
            and newest <= needs.newest_days
            and (down + up) * 100 <= needs.spread * WHOLE
        )

    return {
        "n": n,
        "effective_n": Decimal(effective) / 100,
        "min": usd(prices[0]),
        "median": usd((prices[(n - 1) // 2] + prices[n // 2]) // 2),
        "max": usd(prices[-1]),
        "quick": usd(market * (WHOLE - down) // WHOLE),
        "market": usd(market),
        "patient": usd(capped[0]),
        "low": usd(market * (WHOLE - far_down) // WHOLE),
        "high": usd(capped[1]),
        "outliers": sum(sale.marked for sale in sales),
        "fence_low": usd(max(0, q1 - (q3 - q1) * 3 // 2)),
        "fence_high": usd(q3 + (q3 - q1) * 3 // 2),
        "newest_days": newest,
        "recent": sum(sale.age < V1.recent_days for sale in sales),
        "asks": len(asks),
        "confidence": "high" if confident(V1.high) else "medium" if confident(V1.medium) else "low",
        "method": "sold+ask" if capped != [patient, high] else "sold",
    }


def reference_sales(observations: Sequence[Seen]) -> list[Sale]:
    if not observations:
        return []
    newest = min((NOW - seen.at).days for seen in observations)
    sales = []
    for seen in observations:
        kind = V1.type_weights.get(seen.listing_type or "", V1.other_weight)
        match = 1.0 if seen.match is None else seen.match
        trust = kind * max(1, min(100, math.floor(100 * match + 0.5)))
        age = (NOW - seen.at).days
        slow, fast = (
            max(1, math.floor(10**9 * 0.5 ** ((age - newest) / days) + 0.5) * trust // 10_000)
            for days in (V1.slow_days, V1.fast_days)
        )
        sales.append(Sale(micro(seen.price), age, seen.at, slow, fast))
    sales.sort(key=lambda sale: (sale.at, sale.micro))
    for before, sale in itertools.pairwise(sales):
        change = abs(sale.micro - before.micro)
        sale.step = change * WHOLE // max(sale.micro, before.micro)
    logs = [math.floor(math.log(sale.micro) * 1e6 + 0.5) for sale in sales]
    weights = [sale.slow for sale in sales]
    centre = weighted_median(logs, weights)
    distances = [abs(log - centre) for log in logs]
    mad = weighted_median(distances, weights)
    for sale, distance in zip(sales, distances, strict=True):
        if distance > max(V1.outlier_floor, V1.outlier_mads * mad // 1000):
            sale.marked = True
            sale.slow = max(1, sale.slow * V1.outlier_weight // 100)
            sale.fast = max(1, sale.fast * V1.outlier_weight // 100)
    return sales


def weighted_median(values: Sequence[int], weights: Sequence[int]) -> int:
    total, reached = sum(weights), 0
    for value, weight in sorted(zip(values, weights, strict=True)):
        reached += weight
        if 2 * reached >= total:
            return value
    raise AssertionError("no values")


def quantile(sales: list[tuple[int, int, int]], clock: int, percent: int) -> int:
    """Of (price, slow weight, fast weight): exact, in the middle of each weight."""
    total = sum(sale[clock] for sale in sales)
    target = 2 * percent * total
    reached, places = 0, []
    for sale in sorted(sales):
        reached += sale[clock]
        places.append((100 * (2 * reached - sale[clock]), sale[0]))
    under = [place for place in places if place[0] <= target]
    over = [place for place in places if place[0] >= target]
    if not under:
        return over[0][1]
    if not over or under[-1][0] == over[0][0]:
        return under[-1][1]
    (low_at, low), (high_at, high) = under[-1], over[0]
    return low + (high - low) * (target - low_at) // (high_at - low_at)


def micro(price: Decimal) -> int:
    return int(price * WHOLE)


def usd(amount: int) -> Decimal:
    exact = (Decimal(amount) / WHOLE).quantize(CENT, ROUND_HALF_UP)
    return min(exact, Decimal("9999999999.99"))


prices = (
    st.decimals("0.00", "9999999999.99", places=2)
    | st.decimals("1.00", "40.00", places=2)
    | st.sampled_from(["0.01", "10.00", "10.01", "10.10", "25.00"]).map(Decimal)
)
listing_types = st.sampled_from(["auction", "fixed_price", "best_offer", "classified", None])
days = st.integers(-2, 400) | st.sampled_from([0, 1, 7, 30]) | st.floats(0, 60).map(float)
seen = st.builds(
    Seen,
    kind=st.sampled_from(["sold", "sold", "sold", "ask", "offer", "estimate"]),
    price=prices,
    days=days,
    listing_type=listing_types,
    match=st.integers(0, 100).map(lambda percent: percent / 100) | st.none(),
    item=st.sampled_from("123456"),
    variant=st.sampled_from([None, "holofoil"]),
)
ordinary_sales = st.lists(
    st.builds(
        Seen,
        kind=st.just("sold"),
        price=st.decimals("1.00", "500.00", places=2),
        days=st.integers(0, 200),
        listing_type=listing_types,
    ),
    min_size=1,
    max_size=12,
)


@given(st.lists(seen, max_size=60))
@settings(max_examples=25, deadline=None)
def test_the_statement_is_the_formula(observations: list[Seen]) -> None:
    by_item = defaultdict(list)
    for one in observations:
        if one.kind in ("sold", "ask") and one.price > 0 and one.at <= NOW:
            by_item[one.item, one.variant].append(one)
    found = valued(observations)
    assert found.keys() == by_item.keys()
    for key, row in found.items():
        assert row == reference_value(by_item[key])


@given(st.lists(seen, max_size=60), st.randoms(use_true_random=False))
@settings(max_examples=5, deadline=None)
def test_the_order_of_rows_and_the_threads_do_not_matter(
    observations: list[Seen], order: random.Random
) -> None:
    shuffled = list(observations)
    order.shuffle(shuffled)
    assert valued(observations, threads=1) == valued(shuffled, threads=3)


@given(st.lists(ordinary_sales, min_size=1, max_size=8), st.sampled_from([2, 7, 100]))
@settings(max_examples=10, deadline=None)
def test_scaling_all_prices_scales_the_values(items: list[list[Seen]], factor: int) -> None:
    plain = [replace(one, item=str(place)) for place, item in enumerate(items) for one in item]
    found = valued([*plain, *(replace(s, variant="scaled", price=s.price * factor) for s in plain)])
    for place in range(len(items)):
        before, after = found[str(place), None], found[str(place), "scaled"]
        for name in AMOUNTS:
            # Half a cent, and two shares that were cut to a millionth.
            allowed = CENT / 2 * (factor + 1) + after[name] * Decimal("0.000005")
            assert abs(after[name] - before[name] * factor) <= allowed, name
        for name in ("n", "effective_n", "outliers", "confidence", "method"):
            assert after[name] == before[name]


@given(
    st.lists(
        st.tuples(ordinary_sales, prices.filter(bool), st.integers(0, 60), listing_types),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=10, deadline=None)
def test_an_ask_only_narrows_the_range_from_above(
    items: list[tuple[list[Seen], Decimal, int, str | None]],
) -> None:
    sales = [replace(one, item=str(k)) for k, (item, *_) in enumerate(items) for one in item]
    asks = [
        Seen("ask", price, age, listing_type, item=str(place), variant="asked")
        for place, (_, price, age, listing_type) in enumerate(items)
    ]
    found = valued([*sales, *(replace(sale, variant="asked") for sale in sales), *asks])
    for place in range(len(items)):
        before, after = found[str(place), None], found[str(place), "asked"]
        for name in set(before) - {"patient", "high", "asks", "method"}:
            assert after[name] == before[name], name
        assert before["market"] <= after["patient"] <= before["patient"]
        assert after["patient"] <= after["high"] <= before["high"]
        narrowed = (after["patient"], after["high"]) != (before["patient"], before["high"])
        assert not narrowed or after["method"] == "sold+ask"


@given(st.lists(seen, max_size=150))
@settings(max_examples=5, deadline=None)
def test_the_amounts_are_in_order(observations: list[Seen]) -> None:
    for row in valued(observations).values():
        assert row["confidence"] in CONFIDENCES
        assert row["method"] in METHODS
        if row["n"]:
            assert row["low"] <= row["quick"] <= row["market"] <= row["patient"] <= row["high"]
            assert row["min"] <= row["median"] <= row["max"]
            assert 1 <= row["effective_n"] <= row["n"]


@given(st.lists(st.tuples(prices.filter(bool), st.integers(0, 400), listing_types), max_size=20))
@settings(max_examples=6, deadline=None)
def test_one_sale_is_its_price_with_low_confidence_and_a_wide_range(
    sales: list[tuple[Decimal, int, str | None]],
) -> None:
    found = valued([Seen("sold", *sale, item=str(place)) for place, sale in enumerate(sales)])
    assert len(found) == len(sales)
    for place, (price, _, _) in enumerate(sales):
        row = found[str(place), None]
        assert row["quick"] == row["market"] == row["patient"] == row["median"] == price
        assert row["confidence"] == "low"
        if price >= 1:
            assert row["low"] <= price * Decimal("0.71")
            assert row["high"] >= min(price * Decimal("1.29"), Decimal("9999999999.99"))


# --- what the formula means ---------------------------------------------------------------


def test_asks_offers_and_estimates_make_no_price() -> None:
    row = value([*(Seen(kind, Decimal(9)) for kind in ("ask", "offer", "estimate"))])
    assert (row["n"], row["market"], row["method"], row["asks"]) == (0, None, "none", 1)


def test_what_happens_later_changes_nothing() -> None:
    known = sold("10.00", "11.00", "12.00")
    later = [Seen("sold", Decimal(99), days=-1), Seen("ask", Decimal(1), days=-1)]
    assert value([*known, *later]) == value(known)


def test_prices_that_scatter_are_valued_by_all_and_prices_that_move_by_the_last() -> None:
    scattered = value(sold(*[8, 16, 9, 14, 7, 15, 10, 16] * 3))
    assert Decimal(9) < scattered["market"] < Decimal(14)
    moving = [f"{10 * 1.02**step:.2f}" for step in range(24)]
    moved = value(sold(*moving, days=[7.0 * (24 - step) for step in range(24)]))
    assert moved["market"] >= Decimal(moving[-1]) * Decimal("0.98")
    assert moved["median"] < Decimal(moving[-1]) * Decimal("0.85")


def test_recent_sales_say_more() -> None:
    old = sold(*[10, 14] * 4, days=[300.0] * 8)
    new = sold(*[20, 28] * 4, days=[1.0] * 8)
    assert value([*old, *new])["market"] >= 20


def test_an_auction_says_more_than_a_best_offer() -> None:
    def market(low_type: str, high_type: str) -> Decimal:
        rows = [Seen("sold", Decimal(p), 1, low_type) for p in (10, 12)]
        rows += [Seen("sold", Decimal(p), 1, high_type) for p in (20, 24)]
        amount: Decimal = value(rows)["market"]
        return amount

    assert market("auction", "best_offer") < market("best_offer", "auction")


def test_an_outlier_is_marked_with_its_reason_and_kept() -> None:
    usual = sold("9.50", "10.00", "10.50", "9.80", "10.20", "10.10")
    signed = Seen("sold", Decimal("80.00"), days=2)
    rows = run(marked_sales_sql("observations"), [*usual, signed])
    assert len(rows) == 7
    assert [row["price_usd"] for row in rows if row["is_outlier"]] == [Decimal("80.00")]
    for row in rows:
        assert row["is_outlier"] == (row["outlier_reason"] is not None)
        assert not [name for name in row if name.startswith("val_")]
    [marked] = [row for row in rows if row["is_outlier"]]
    assert "above" in marked["outlier_reason"]
    assert marked["fence_high"] < 80
    assert math.isclose(sum(row["weight"] for row in rows), 1)
    assert 0 < marked["weight"] < min(row["weight"] for row in rows if not row["is_outlier"])
    whole = value([*usual, signed])
    assert (whole["n"], whole["outliers"], whole["max"]) == (7, 1, Decimal("80.00"))
    assert abs(whole["market"] - value(usual)["market"]) < Decimal("0.50")


def test_an_open_ask_below_patient_caps_it_and_is_named() -> None:
    sales = sold(*[8, 16, 9, 14, 7, 15, 10, 16] * 3)
    free = value(sales)
    capped = value([*sales, Seen("ask", free["patient"] - 1)])
    assert capped["patient"] == free["patient"] - 1
    assert (free["method"], capped["method"]) == ("sold", "sold+ask")
    for ask in (
        Seen("ask", Decimal(1), listing_type="auction"),
        Seen("ask", Decimal(1), days=V1.ask_days + 1),
        Seen("ask", Decimal(1), match=0.2),
    ):
        assert value([*sales, ask]) | {"asks": 0} == free


@pytest.mark.parametrize(
    ("count", "age", "confidence"),
    [(20, 1, "high"), (20, 100, "medium"), (20, 300, "low"), (4, 1, "medium"), (2, 1, "low")],
)
def test_confidence_needs_sales_that_are_recent(count: int, age: int, confidence: str) -> None:
    row = value([Seen("sold", Decimal(20 + k % 3), days=age) for k in range(count)])
    assert row["confidence"] == confidence


def test_the_value_beats_the_last_sale_and_the_plain_median(reference_data: Path) -> None:
    assert max(CHOSEN_ON) + HELD_BACK <= min(REPORTED_ON)
    figures = measure(real_series(reference_data), REPORTED_ON)
    assert figures["held_back"] > 10_000
    assert figures["better_than_both"] > figures["moments"] / 2
    for error in ("ape", "ale"):
        assert figures[f"market_{error}"] < figures[f"last_{error}"]
        assert figures[f"market_{error}"] < figures[f"median_{error}"]
    assert 0.4 <= figures["coverage"] <= 0.6
    assert 0.75 <= figures["wide_coverage"] <= 0.9
