import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_assets.core.repeated_sales import repeats_sql
from resources.compute import duckdb_connection

START = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sold:
    id: int
    item_id: str = "a"
    venue: str | None = "ebay"
    price_usd: Decimal | None = Decimal("10.00")
    sold_at: datetime | None = START


def relation_of(observations: list[Sold]) -> pa.Table:
    return pa.table(
        {
            "id": pa.array([sold.id for sold in observations], pa.int64()),
            "item_id": pa.array([sold.item_id for sold in observations], pa.string()),
            "venue": pa.array([sold.venue for sold in observations], pa.string()),
            "price_usd": pa.array([sold.price_usd for sold in observations], pa.decimal128(12, 2)),
            "sold_at": pa.array(
                [sold.sold_at for sold in observations], pa.timestamp("us", tz="UTC")
            ),
        }
    )


def sales_of(observations: list[Sold], apart: Sequence[tuple[int, int]] = ()) -> dict[int, int]:
    """The id of its sale's first observation, for every observation."""
    with duckdb_connection() as duck:
        duck.register("observations", relation_of(observations))
        duck.execute("CREATE TEMP TABLE apart (one BIGINT, other BIGINT)")
        for pair in apart:
            duck.execute("INSERT INTO apart VALUES (?, ?)", pair)
        rows = duck.sql(repeats_sql("observations", "apart")).fetchall()
    assert len(dict(rows)) == len(rows)
    assert all(key != first for key, first in rows)
    return {sold.id: sold.id for sold in observations} | dict(rows)


def reference_sales(
    observations: list[Sold], apart: Sequence[tuple[int, int]] = ()
) -> dict[int, int]:
    """The rule as its words say it, one observation after the other."""
    far_future = datetime.max.replace(tzinfo=UTC)
    firsts: list[Sold] = []
    found = {}
    for sold in sorted(observations, key=lambda sold: (sold.sold_at or far_future, sold.id)):
        first = next(
            (
                first
                for first in firsts
                if same_sale(first, sold)
                and not {(first.id, sold.id), (sold.id, first.id)} & set(apart)
            ),
            None,
        )
        if first is None:
            firsts.append(sold)
        found[sold.id] = first.id if first else sold.id
    return found


def same_sale(one: Sold, other: Sold) -> bool:
    if one.sold_at is None or other.sold_at is None:
        return False
    if one.price_usd is None or other.price_usd is None or one.venue is None:
        return False
    limit = max(Decimal("0.50"), Decimal("0.03") * max(one.price_usd, other.price_usd))
    return (
        (one.item_id, one.venue) == (other.item_id, other.venue)
        and abs(one.price_usd - other.price_usd) <= limit
        and abs(one.sold_at - other.sold_at) <= timedelta(days=2)
    )


SOLD = st.builds(
    Sold,
    id=st.just(0),
    item_id=st.sampled_from(["a", "b"]),
    venue=st.sampled_from(["ebay", "ebay", "ebay", "bricklink", None]),
    price_usd=st.none()
    | st.decimals("0.00", "40.00", places=2)
    | st.sampled_from(["10.00", "10.50", "10.51", "100.00", "103.00", "103.09", "103.10"]).map(
        Decimal
    ),
    sold_at=st.none()
    | st.integers(0, 12 * 24).map(lambda hours: START + timedelta(hours=hours))
    | st.integers(0, 12).map(lambda days: START + timedelta(days=days)),
)
OBSERVATIONS = st.lists(SOLD, max_size=25).flatmap(
    lambda found: st.permutations(range(len(found))).map(
        lambda ids: [replace(sold, id=key) for sold, key in zip(found, ids, strict=True)]
    )
)


PAIRS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=6)


@given(OBSERVATIONS, PAIRS)
@settings(max_examples=30, deadline=None)
def test_the_statement_says_what_the_rule_says(
    observations: list[Sold], apart: list[tuple[int, int]]
) -> None:
    assert sales_of(observations, apart) == reference_sales(observations, apart)


@given(OBSERVATIONS)
@settings(max_examples=10, deadline=None)
def test_every_member_is_the_same_as_its_sales_first(observations: list[Sold]) -> None:
    by_id = {sold.id: sold for sold in observations}
    for key, first in sales_of(observations).items():
        assert key == first or same_sale(by_id[first], by_id[key])


@pytest.mark.parametrize(
    ("one", "other", "merged"),
    [
        (Sold(1), Sold(2), True),
        (Sold(1), Sold(2, price_usd=Decimal("10.50")), True),
        (Sold(1), Sold(2, price_usd=Decimal("10.51")), False),
        (Sold(1, price_usd=Decimal("97.00")), Sold(2, price_usd=Decimal("100.00")), True),
        (Sold(1, price_usd=Decimal("96.99")), Sold(2, price_usd=Decimal("100.00")), False),
        (Sold(1), Sold(2, sold_at=START + timedelta(days=2)), True),
        (Sold(1), Sold(2, sold_at=START + timedelta(days=2, seconds=1)), False),
        (Sold(1), Sold(2, venue="bricklink"), False),
        (Sold(1), Sold(2, item_id="b"), False),
        (Sold(1, sold_at=None), Sold(2, sold_at=None), False),
        (Sold(1), Sold(2, sold_at=None), False),
        (Sold(1, venue=None), Sold(2, venue=None), False),
        (Sold(1, price_usd=None), Sold(2, price_usd=None), False),
    ],
)
def test_the_limits_of_one_sale(one: Sold, other: Sold, *, merged: bool) -> None:
    expected = {1: 1, 2: 1 if merged else 2}
    assert sales_of([one, other]) == sales_of([other, one]) == expected


def test_a_chain_does_not_merge_what_is_far_apart() -> None:
    chain = [Sold(day, sold_at=START + timedelta(days=day)) for day in range(7)]
    assert sales_of(chain) == {0: 0, 1: 0, 2: 0, 3: 3, 4: 3, 5: 3, 6: 6}
    prices = [Sold(step, price_usd=Decimal("10.00") + step * Decimal("0.30")) for step in range(4)]
    assert sales_of(prices) == {0: 0, 1: 0, 2: 2, 3: 2}


def test_what_was_said_to_be_apart_is_not_merged() -> None:
    three = [Sold(1), Sold(2), Sold(3)]
    assert sales_of(three) == {1: 1, 2: 1, 3: 1}
    assert sales_of(three, [(1, 2)]) == sales_of(three, [(2, 1)]) == {1: 1, 2: 2, 3: 1}
    assert sales_of(three, [(1, 2), (1, 3)]) == {1: 1, 2: 2, 3: 2}


def test_no_observation_is_no_sale() -> None:
    assert sales_of([]) == {}


def test_many_observations_take_seconds() -> None:
    with duckdb_connection() as duck:
        duck.execute(
            "CREATE TEMP TABLE observations AS SELECT i AS id, (i % 2000)::VARCHAR AS item_id, "
            "'ebay' AS venue, (10 + hash(i) % 4000 / 100)::DECIMAL(12, 2) AS price_usd, "
            "TIMESTAMPTZ '2026-01-01' + to_hours((hash(i * 7) % 8760)::INTEGER) AS sold_at "
            "FROM range(100000) t(i)"
        )
        duck.execute("CREATE TEMP TABLE apart (one BIGINT, other BIGINT)")
        started = time.perf_counter()
        statement = repeats_sql("observations", "apart")
        repeats = duck.sql(f"SELECT count(*) FROM ({statement})").fetchall()[0][0]
        seconds = time.perf_counter() - started
    assert 0 < repeats < 10_000
    assert seconds < 20
