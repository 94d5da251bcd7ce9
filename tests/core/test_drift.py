import math
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_assets.core.drift import (
    ks_sql,
    level_sql,
    psi_sql,
    reason_changes,
    reasons_sql,
    verdict,
)
from resources.compute import duckdb_connection


def measured(query: str, before: Sequence[Any], after: Sequence[Any], threads: int = 2) -> Any:
    with duckdb_connection(threads) as duck:
        for name, values in (("b", before), ("a", after)):
            duck.register(name, pa.table({"x": pa.array(values)}))
        return duck.execute(query).fetchall()[0]


def psi_of(before: Sequence[Any], after: Sequence[Any]) -> float:
    """The textbook's sum, over the values as bins."""
    b, a = Counter(before), Counter(after)
    total = 0.0
    for value in {**b, **a}:
        share_b = max(b[value] / len(before), 0.0001)
        share_a = max(a[value] / len(after), 0.0001)
        total += (share_a - share_b) * math.log(share_a / share_b)
    return total


texts = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=40)
numbers = st.lists(st.integers(0, 50), min_size=1, max_size=60)


@given(texts, texts)
@settings(max_examples=25, deadline=None)
def test_the_psi_of_a_text_is_the_textbooks(before: list[str | None], after: list[str]) -> None:
    typed = [pa.array(values, pa.string()) for values in (before, after)]
    (found,) = measured(psi_sql("b", "a", "x", numeric=False), *typed)
    assert found == pytest.approx(psi_of(before, after), abs=1e-6)


@given(numbers, numbers)
@settings(max_examples=25, deadline=None)
def test_the_psi_of_a_number_is_over_the_tenths_of_before(
    before: list[int], after: list[int]
) -> None:
    ordered = sorted(before)
    edges = [ordered[max(math.ceil(n / 10 * len(ordered)) - 1, 0)] for n in range(1, 10)]
    bins = [[bisect_left(edges, value) for value in values] for values in (before, after)]
    (found,) = measured(psi_sql("b", "a", "x", numeric=True), before, after)
    assert found == pytest.approx(psi_of(*bins), abs=1e-6)


@given(numbers, numbers)
@settings(max_examples=25, deadline=None)
def test_ks_is_the_greatest_distance_of_the_distributions(
    before: list[int], after: list[int]
) -> None:
    def share(values: list[int], at: int) -> float:
        return sum(value <= at for value in values) / len(values)

    (found,) = measured(ks_sql("b", "a", "x"), before, after)
    expected = max(abs(share(before, at) - share(after, at)) for at in {*before, *after})
    assert found == pytest.approx(expected, abs=1e-8)


def test_the_same_rows_do_not_drift_and_others_do() -> None:
    draw = random.Random(1)  # noqa: S311 (a sample, no secret)
    before = [draw.lognormvariate(3, 0.5) for _ in range(2000)]
    like = [draw.lognormvariate(3, 0.5) for _ in range(2000)]
    other = [draw.lognormvariate(3.6, 0.5) for _ in range(2000)]
    psi, ks = psi_sql("b", "a", "x", numeric=True), ks_sql("b", "a", "x")
    assert measured(psi, before, before) == (0.0,)
    assert measured(ks, before, before) == (0.0,)
    assert verdict(measured(psi, before, like)[0]) == "stable"
    assert verdict(measured(psi, before, other)[0]) == "changed"
    assert measured(ks, before, other)[0] > 0.3 > 0.1 > measured(ks, before, like)[0]
    for query in (psi, ks):
        assert measured(query, before, other, 1) == measured(query, other[:0] + before, other, 8)


def test_an_empty_month_has_no_drift() -> None:
    nothing = pa.array([], pa.float64())
    assert measured(psi_sql("b", "a", "x", numeric=True), nothing, [1.0]) == (None,)
    assert measured(ks_sql("b", "a", "x"), nothing, [1.0]) == (None,)
    assert measured(level_sql("b", "a", "x"), nothing, [1.0]) == (None, 1.0, None)
    assert verdict(None) == "unknown"


def test_the_level_is_a_change_of_medians_in_percent() -> None:
    assert measured(level_sql("b", "a", "x"), [1, 2, 3], [2, 3, 4]) == (2, 3, 50.0)


def test_reasons_are_counted_without_their_numbers() -> None:
    with duckdb_connection() as duck:
        reasons = [
            "needs 3 more comps and a median of $5",
            "needs 1 more comp and a median of $5",
            "no sold comps: needs at least 8",
            "needs a spread of at most 100 % of the median (it is 120 %)",
            "needs a spread of at most 100 % of the median (it is 103 %)",
            "needs a spread of at most 100 % of the median (unknown)",
        ]
        duck.register("r", pa.table({"reason": reasons}))
        found = duck.execute(reasons_sql("r")).fetchall()
    lacking, spread, none = (
        "needs n more comps and a median of $5",
        "needs a spread of at most 100 % of the median",
        "no sold comps: needs at least 8",
    )
    assert found == [(spread, 3), (lacking, 2), (none, 1)]
    assert reason_changes(found, [(lacking, 5), (spread, 3), ("new", 1)]) == [
        (lacking, 2, 5),
        ("new", 0, 1),
        (none, 1, 0),
        (spread, 3, 3),
    ]
