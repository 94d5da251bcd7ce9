from datetime import date, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_assets.core.rates import MAX_AGE_DAYS, conversion_sql
from resources.compute import duckdb_connection
from tests.rates import NoRate, Rate, Rates

MONDAY = date(2026, 11, 16)
Asked = tuple[Decimal | None, str | None, date | None]
Answer = tuple[Decimal | None, Decimal | None, date | None, str | None]

RATES = [
    Rate(MONDAY, "EUR", Decimal("1.10000000"), "ecb"),
    Rate(MONDAY + timedelta(days=1), "EUR", Decimal("1.20000000"), "ecb"),
    Rate(MONDAY, "GBP", Decimal("1.30000000"), "frankfurter"),
    Rate(MONDAY, "GBP", Decimal("1.25000000"), "ecb"),
]


def converted(asked: list[Asked], rates: list[Rate]) -> list[Answer]:
    amounts = pa.table(
        {
            "place": pa.array(range(len(asked)), pa.int64()),
            "price": pa.array([price for price, _, _ in asked], pa.decimal128(12, 2)),
            "currency": pa.array([currency for _, currency, _ in asked], pa.string()),
            "day": pa.array([day for _, _, day in asked], pa.date32()),
        }
    )
    known = pa.table(
        {
            "day": pa.array([rate.day for rate in rates], pa.date32()),
            "currency": pa.array([rate.currency for rate in rates], pa.string()),
            "usd_per_unit": pa.array([r.usd_per_unit for r in rates], pa.decimal128(18, 8)),
            "source": pa.array([rate.source for rate in rates], pa.string()),
        }
    )
    with duckdb_connection() as duck:
        duck.register("amounts", amounts)
        duck.register("rates", known)
        table = duck.sql(conversion_sql("amounts", "rates")).to_arrow_table()
    assert table.column_names == [
        *amounts.column_names, "exchange_rate", "exchange_rate_date", "price_usd",
        "conversion_error",
    ]  # fmt: skip
    rows = sorted(table.to_pylist(), key=lambda row: row["place"])
    assert [row["place"] for row in rows] == list(range(len(asked)))
    return [
        (r["price_usd"], r["exchange_rate"], r["exchange_rate_date"], r["conversion_error"])
        for r in rows
    ]


def by_rates(price: Decimal, currency: str, day: date, rates: Rates) -> Answer:
    try:
        found = rates.convert(price, currency, day)
    except NoRate as error:
        return None, None, None, str(error)
    return found.usd, found.rate, found.rate_day, None


days = st.dates(date(2026, 11, 1), date(2026, 11, 30))
currencies = st.sampled_from(["EUR", "GBP", "JPY", "USD", "XXX"])
rates_known = st.lists(
    st.builds(
        Rate,
        day=days,
        currency=st.sampled_from(["EUR", "GBP", "JPY"]),
        usd_per_unit=st.decimals("0.00000001", "9.99999999", places=8),
        source=st.sampled_from(["ecb", "frankfurter"]),
    ),
    max_size=12,
    unique_by=lambda rate: (rate.day, rate.currency, rate.source),
)
amounts = st.decimals("0.00", "9999999999.99", places=2) | st.decimals("0.00", "99.99", places=2)


@given(st.lists(st.tuples(amounts, currencies, days), max_size=20), rates_known)
@settings(max_examples=30, deadline=None)
def test_the_statement_converts_as_the_rule_does(
    asked: list[tuple[Decimal, str, date]], known: list[Rate]
) -> None:
    rates = Rates(known)
    expected = [by_rates(*one, rates) for one in asked]
    assert converted([*asked], known) == expected


@given(amounts, days, rates_known)
def test_a_conversion_uses_the_last_rate_that_was_known(
    amount: Decimal, day: date, known: list[Rate]
) -> None:
    usable = [
        rate
        for rate in known
        if rate.currency == "EUR" and timedelta(0) <= day - rate.day <= timedelta(MAX_AGE_DAYS)
    ]
    rates = Rates(known)
    if not usable:
        with pytest.raises(NoRate, match="EUR"):
            rates.convert(amount, "EUR", day)
        return
    last = max(rate.day for rate in usable)
    expected = min((r.source, r.usd_per_unit) for r in usable if r.day == last)[1]
    if amount * expected < 10_000_000_000 - Decimal("0.01"):
        found = rates.convert(amount, "EUR", day)
        assert (found.rate, found.rate_day) == (expected, last)
        assert abs(found.usd - amount * expected) <= Decimal("0.005")


@pytest.mark.parametrize(
    ("currency", "day", "usd"),
    [
        ("EUR", MONDAY, "11.00"),
        ("EUR", MONDAY + timedelta(days=6), "12.00"),
        ("eur ", MONDAY, "11.00"),
        ("GBP", MONDAY, "12.50"),
        ("USD", date(1999, 1, 1), "10.00"),
    ],
)
def test_an_amount_is_converted_by_the_last_rate(currency: str, day: date, usd: str) -> None:
    assert Rates(RATES).convert(Decimal(10), currency, day).usd == Decimal(usd)
    [(found, *_, error)] = converted([(Decimal(10), currency, day)], RATES)
    assert (found, error) == (Decimal(usd), None)


@pytest.mark.parametrize(
    ("price", "currency", "day", "says"),
    [
        ("10.00", "XXX", MONDAY, "unknown currency XXX"),
        ("10.00", "EUR", MONDAY - timedelta(days=1), "no rate of EUR on or before 2026-11-15"),
        ("10.00", "GBP", MONDAY + timedelta(days=8), "is of 2026-11-16, more than 7 days"),
        ("9999999999.99", "EUR", MONDAY, "too large"),
    ],
)
def test_what_cannot_be_converted_says_why(price: str, currency: str, day: date, says: str) -> None:
    with pytest.raises(NoRate, match=says):
        Rates(RATES).convert(Decimal(price), currency, day)
    [(usd, rate, rate_day, error)] = converted([(Decimal(price), currency, day)], RATES)
    assert (usd, rate, rate_day) == (None, None, None)
    assert error is not None
    assert says in error


def test_one_bad_row_does_not_touch_the_others() -> None:
    asked: list[Asked] = [
        (Decimal(10), "EUR", MONDAY),
        (Decimal(10), None, MONDAY),
        (None, "EUR", MONDAY),
        (Decimal(10), "USD", None),
        (Decimal(10), "USD", MONDAY),
    ]
    found = converted(asked, RATES)
    assert [usd for usd, *_ in found] == [Decimal(11), None, None, None, Decimal(10)]
    assert [error for *_, error in found] == [
        None, "no currency", "no amount or no day", "no amount or no day", None
    ]  # fmt: skip
