import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_assets.core.gate import POLICIES, QUALITY_TIERS, V1, V2, tier_sql
from resources.compute import duckdb_connection
from tests.conftest import DATABASES, DatabaseUrl

Case = tuple[int | None, Decimal | None, bool]
Query = Callable[[str], Sequence[tuple[Any, ...]]]


def reference_score(n: int | None, median: Decimal | None) -> Decimal:
    score = Decimal(0)
    if n is not None and n >= 20:
        score += Decimal("0.7")
    elif n is not None and n >= 8:
        score += Decimal("0.4")
    if median is not None and median >= 15:
        score += Decimal("0.3")
    elif median is not None and median >= 5:
        score += Decimal("0.15")
    return score


def reference_passes(n: int | None, median: Decimal | None, is_estimate: bool) -> bool:
    if n is None or median is None:
        return False
    score = reference_score(n, median)
    return score >= Decimal("0.6") and n >= 8 and median >= 5 and not is_estimate


counts = st.none() | st.sampled_from([0, 1, 7, 8, 9, 19, 20, 21]) | st.integers(0, 10_000)
medians = (
    st.none()
    | st.sampled_from(["0.01", "4.99", "5.00", "5.01", "14.99", "15.00", "15.01"]).map(Decimal)
    | st.decimals(0, 9_999_999_999, places=2)
)
cases = st.lists(st.tuples(counts, medians, st.booleans()), min_size=20, max_size=60)


@pytest.fixture(scope="module", params=[*DATABASES, "duckdb"])
def query(request: pytest.FixtureRequest) -> Iterator[Query]:
    if request.param == "sqlite":
        with closing(sqlite3.connect(":memory:")) as connection:
            yield lambda text: connection.execute(text).fetchall()
    elif request.param == "duckdb":
        with duckdb_connection() as duck:
            yield lambda text: duck.execute(text).fetchall()
    else:
        url: DatabaseUrl = request.getfixturevalue("postgres_server_url")
        with sa.create_engine(url, poolclass=sa.NullPool).connect() as postgres:
            yield lambda text: [tuple(row) for row in postgres.exec_driver_sql(text).all()]


def evaluated(query: Query, shown: Sequence[Case]) -> list[tuple[Any, ...]]:
    """Score, flag, reason and tier of every case, by the policy's SQL."""
    values = ", ".join(
        f"({place}, CAST({'NULL' if n is None else n} AS INTEGER), "
        f"CAST({'NULL' if median is None else median} AS NUMERIC(12, 2)), {is_estimate})"
        for place, (n, median, is_estimate) in enumerate(shown)
    )
    return list(
        query(
            f"WITH c(place, n, median, estimate) AS (VALUES {values}), "
            f"s AS (SELECT *, CAST({V1.score_sql('n', 'median')} AS DOUBLE PRECISION) AS score "
            "FROM c) "
            f"SELECT score, CASE WHEN {V1.passed_sql('score', 'n', 'median', 'estimate')} "
            f"THEN 1 ELSE 0 END, {V1.reason_sql('n', 'median', 'estimate')}, {tier_sql('score')} "
            "FROM s ORDER BY place"
        )
    )


@given(cases)
@settings(max_examples=25, deadline=None)
def test_its_sql_is_the_formula_on_every_engine(query: Query, shown: list[Case]) -> None:
    found = evaluated(query, shown)
    assert [score for score, *_ in found] == [float(reference_score(n, m)) for n, m, _ in shown]
    assert [bool(passed) for _, passed, *_ in found] == [reference_passes(*c) for c in shown]


@given(counts, medians, st.booleans())
def test_its_python_is_the_formula(n: int | None, median: Decimal | None, estimate: bool) -> None:
    assert V1.score(n, median) == float(reference_score(n, median))
    assert V1.passes(n, median, estimate) is reference_passes(n, median, estimate)


@given(cases)
@settings(max_examples=25, deadline=None)
def test_the_reason_is_passes_exactly_when_it_passes(query: Query, shown: list[Case]) -> None:
    for (_, _, is_estimate), (_, passed, reason, _) in zip(
        shown, evaluated(query, shown), strict=True
    ):
        assert reason
        assert (reason == "passes") == bool(passed)
        assert ("estimate" in reason) == is_estimate


def remedies(reason: str) -> list[tuple[int, int]]:
    """What a reason asks for, as (more comps, median in USD) pairs."""
    found = []
    for option in re.split(r", or ", reason.removeprefix("needs ")):
        more = re.search(r"(\d+) more comps?\b", option)
        median = re.search(r"a median of \$(\d+)", option)
        assert more or median, option
        found.append((int(more[1]) if more else 0, int(median[1]) if median else 0))
    return found


@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.decimals("0.01", "40", places=2), st.just(False)),
        min_size=20,
        max_size=40,
    )
)
@settings(max_examples=25, deadline=None)
def test_what_the_reason_asks_for_is_enough_and_no_more(query: Query, shown: list[Case]) -> None:
    for (n, median, _), (_, passed, reason, _) in zip(shown, evaluated(query, shown), strict=True):
        assert n is not None
        assert median is not None
        if passed:
            continue
        for more, needed in remedies(reason):
            reached = max(median, Decimal(needed))
            assert reference_passes(n + more, reached, False), reason
            if more:
                assert not reference_passes(n + more - 1, reached, False), reason
            if needed:
                assert not reference_passes(n + more, Decimal(needed) - Decimal("0.01"), False)


@pytest.mark.parametrize(
    ("n", "median", "reason"),
    [
        (17, "9.50", "needs 3 more comps, or a median of $15"),
        (19, "9.00", "needs 1 more comp, or a median of $15"),
        (5, "20.00", "needs 3 more comps"),
        (25, "4.99", "needs a median of $5"),
        (8, "15.00", "passes"),
        (20, "5.00", "passes"),
        (0, None, "no sold comps: needs at least 8"),
        (None, None, "no sold comps: needs at least 8"),
        (9, None, "no median"),
    ],
)
def test_a_reason_says_what_is_missing(
    query: Query, n: int | None, median: str | None, reason: str
) -> None:
    case = (n, None if median is None else Decimal(median), False)
    ((_, _, found, _),) = evaluated(query, [case])
    assert found == reason


def test_a_null_estimate_does_not_pass(query: Query) -> None:
    condition = V1.passed_sql("score", "n", "median", "estimate")
    ((passed,),) = query(
        "WITH s(score, n, median, estimate) AS "
        "(VALUES (1.0, 30, 20.0, CAST(NULL AS BOOLEAN))) "
        f"SELECT CASE WHEN {condition} THEN 1 WHEN NOT ({condition}) THEN 0 END FROM s"
    )
    assert passed == 0


@given(cases)
@settings(max_examples=10, deadline=None)
def test_every_score_has_the_tier_that_it_reaches(query: Query, shown: list[Case]) -> None:
    for score, _, _, tier in evaluated(query, shown):
        assert tier == next(name for name, low in QUALITY_TIERS if score >= low)


def test_eight_comps_need_a_median_of_15_and_twenty_one_of_5() -> None:
    assert V1.ways_to_pass() == [(8, 15), (20, 5)]
    assert POLICIES["v1"] is V1


Evidence = tuple[int | None, Decimal | None, int | None, int | None, int | None]

evidences = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 7, 8, 19, 20, 50]),
        st.decimals("0.01", "500", places=2),
        st.none() | st.sampled_from([0, 50, 51, 100, 101, 300]),
        st.none() | st.sampled_from([0, 30, 31, 90, 91, 400]),
        st.none() | st.sampled_from([0, 69, 70, 89, 90, 100]),
    ),
    min_size=1,
    max_size=40,
)


def verdicts(name: str, shown: Sequence[Evidence]) -> list[tuple[Any, ...]]:
    """Score, flag and reason of every item, by a policy's statement over the evidence."""
    columns = {
        "item_id": "VARCHAR",
        "sold_count": "BIGINT",
        "sold_median": "DECIMAL(12, 2)",
        "spread_percent": "BIGINT",
        "sale_age_days": "BIGINT",
        "match_percent": "BIGINT",
    }
    with duckdb_connection() as duck:
        duck.execute(f"CREATE TEMP TABLE e ({', '.join(f'{n} {k}' for n, k in columns.items())})")
        rows = [[f"{place:04}", *case] for place, case in enumerate(shown)]
        duck.executemany("INSERT INTO e VALUES (?, ?, ?, ?, ?, ?)", rows)
        found = duck.execute(POLICIES[name].verdict_sql("e") + " ORDER BY item_id").fetchall()
    assert [row[1] for row in found] == [name] * len(shown)
    return [row[2:] for row in found]


@given(evidences)
@settings(max_examples=25, deadline=None)
def test_v2_is_its_rule(shown: list[Evidence]) -> None:
    for case, (score, passed, reason) in zip(shown, verdicts("v2", shown), strict=True):
        n, _, spread, age, match = case
        enough = [
            n is not None and n >= 8,
            spread is not None and spread <= 100,
            age is not None and age <= 90,
            match is not None and match >= 70,
        ]
        assert passed is all(enough)
        assert (reason == "passes") is passed
        assert not passed or score >= 0.6
        assert 0 <= score <= 1
        if n and not passed:
            said = ("more comp", "a spread of", "a sale in the last", "a match confidence")
            assert [words in reason for words in said] == [not reached for reached in enough]


@given(evidences, st.decimals("0.01", "500", places=2))
@settings(max_examples=15, deadline=None)
def test_v2_never_looks_at_the_price(shown: list[Evidence], price: Decimal) -> None:
    repriced: list[Evidence] = [(case[0], price, *case[2:]) for case in shown]
    assert verdicts("v2", shown) == verdicts("v2", repriced)


@given(evidences)
@settings(max_examples=15, deadline=None)
def test_v1_says_the_same_over_the_evidence(shown: list[Evidence]) -> None:
    for (n, median, *_), (score, passed, _) in zip(shown, verdicts("v1", shown), strict=True):
        assert (score, passed) == (
            float(reference_score(n, median)),
            reference_passes(n, median, False),
        )


def test_a_policy_says_what_it_admits() -> None:
    assert V1.admits() == "8 comps with a median of $15 or 20 comps with a median of $5"
    assert V2.admits() == (
        "8 comps, a spread of at most 100 % of the median, a sale in the last 90 days, "
        "a match confidence of 70 %"
    )
    assert list(POLICIES) == ["v1", "v2"]
