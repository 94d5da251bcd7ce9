from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.sources import ebay_page
from resources.sources.ebay_page import read_price


@given(st.decimals("0.01", 999_999, places=2))
def test_any_price_is_read_back(amount: Decimal) -> None:
    for text in (f"${amount:,}", f"${amount}", f"US ${amount:,}"):
        assert read_price(text) == (amount, "USD")
    assert read_price(f"C ${amount:,}") == (amount, "CAD")
    assert read_price(f"£{amount}") == (amount, "GBP")
    assert read_price(f"${amount}${amount}") is None
    assert read_price(f"${amount} to ${amount}") is None


@given(st.text(max_size=30))
def test_any_text_is_one_price_or_none(text: str) -> None:
    price = read_price(text)
    assert price is None or price[0] > 0


@given(st.decimals("0.01", 99_999, places=2))
def test_any_delivery_is_read_back_in_its_own_currency_only(amount: Decimal) -> None:
    for text in (f"+${amount:,} delivery", f"+${amount} shipping estimate", f"+ ${amount} postage"):
        assert ebay_page.delivery(text, "USD") == amount
        assert ebay_page.delivery(text, "GBP") is None
    assert ebay_page.delivery("Free Shipping", "GBP") == 0


@given(st.dates(datetime(1995, 1, 1).date(), datetime(2100, 1, 1).date()))  # noqa: DTZ001
def test_any_day_is_read_back(date: datetime) -> None:
    expected = datetime(date.year, date.month, date.day, tzinfo=UTC)
    for text in (f"{date:%b} {date.day}, {date.year}", f"{date.day} {date:%b} {date.year}"):
        assert ebay_page.day(ebay_page.sale_line(f"Sold  {text}") or "") == expected


@given(st.text(max_size=40))
def test_any_text_is_read_without_harm(text: str) -> None:
    cost = ebay_page.delivery(text, "USD")
    assert cost is None or cost >= 0
    line = ebay_page.sale_line(text)
    assert ebay_page.day(line or text) is None or any(c.isdigit() for c in text)
    problems: list[str] = []
    kept = ebay_page.condition(text, "x", problems)
    assert (kept is None) == bool(problems or not text)


@pytest.mark.parametrize(
    ("message", "plan", "nothing"),
    [
        ("Your account has run out of searches.", True, False),
        ("eBay hasn't returned any results for this query.", False, True),
        ("Invalid API key.", False, False),
    ],
)
def test_what_an_error_says(message: str, plan: bool, nothing: bool) -> None:
    assert ebay_page.names_plan(message) == plan
    assert ebay_page.says_nothing_found(message) == nothing
