from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.sales import ROLES, MappingError, SaleMapping, judge_sql, read_mapping
from resources.compute import duckdb_connection

NOW = "TIMESTAMPTZ '2026-10-20 12:00:00+00'"
MAPPING: dict[str, Any] = {
    "source": "my-sales",
    "category": "book",
    "currency": "USD",
    "columns": {role: role for role in ROLES},
}
GOOD = {"code": "a", "price": "9.99", "sold_date": "2026-10-01", "listing_id": "1"}


def judged(mapping: SaleMapping, **fields: str) -> dict[str, Any]:
    row = {"line": 1, "fault": None, **dict.fromkeys(ROLES, ""), **fields}
    with duckdb_connection() as duck:
        duck.register("given", pa.Table.from_pylist([row]))
        duck.execute(
            "CREATE TEMP TABLE rows AS "
            "SELECT * REPLACE (CAST(fault AS VARCHAR) AS fault) FROM given"
        )
        duck.execute(
            "CREATE TEMP TABLE codes AS SELECT 'a' AS code, 'item' AS item_id, "
            "'9780000000000' AS natural_key, '' AS note"
        )
        table = duck.sql(judge_sql(mapping, "rows", "codes", NOW)).to_arrow_table()
    found: dict[str, Any] = table.to_pylist()[0]
    return found


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, None),
        ({"code": "b"}, "code"),
        ({"price": "$1,299.50"}, None),
        ({"price": "12,50"}, "price"),
        ({"price": "0.00"}, "price"),
        ({"price": "-3"}, "price"),
        ({"price": "9.99 USD"}, "price"),
        ({"price": "99999999999999"}, "price"),
        ({"price": "A title"}, "price"),
        ({"sold_date": ""}, "sold_date"),
        ({"sold_date": "infinity"}, "sold_date"),
        ({"sold_date": "1970-01-01 00:00:00"}, "sold_date"),
        ({"sold_date": "2026-12-01"}, "sold_date"),
        ({"sold_date": "08/06/2021"}, "sold_date"),
        ({"sold_date": "2026-10-01T10:00:00+02:00"}, None),
        ({"shipping": "free"}, "shipping"),
        ({"shipping": "0"}, None),
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "1.5"}, "quantity"),
        ({"listing_id": "x" * 129}, "listing_id"),
        ({"fault": "columns", "price": ""}, "columns"),
    ],
)
def test_a_row_is_a_sale_or_has_a_reason(fields: dict[str, str], reason: str | None) -> None:
    assert judged(read_mapping(MAPPING), **{**GOOD, **fields})["reason"] == reason


@given(st.dictionaries(st.sampled_from(ROLES), st.text(max_size=20), max_size=9))
def test_no_text_breaks_the_judgement(fields: dict[str, str]) -> None:
    clean = {
        role: text.replace("\0", "").encode("utf-8", "ignore").decode()
        for role, text in fields.items()
    }
    found = judged(read_mapping(MAPPING), **{**GOOD, **clean})
    if found["reason"] is None:
        assert found["price"] > 0
        assert found["quantity"] >= 1
        assert found["sold_at"] is not None


@pytest.mark.parametrize(
    ("given_currency", "currency"),
    [("usd", "USD"), ("", "USD"), ("GBP", "GBP"), ("US $", "XXX"), ("dollars", "XXX")],
)
def test_an_unknown_currency_is_kept(given_currency: str, currency: str) -> None:
    found = judged(read_mapping(MAPPING), **{**GOOD, "currency": given_currency})
    assert (found["currency"], found["reason"]) == (currency, None)


def test_a_date_is_read_by_its_format() -> None:
    mapping = read_mapping({**MAPPING, "sold_date_format": "%b-%d-%y"})
    assert judged(mapping, **{**GOOD, "sold_date": "Jun-08-21"})["reason"] is None
    assert judged(mapping, **{**GOOD, "sold_date": "2021-06-08"})["reason"] == "sold_date"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%Y-%m-%dT%H:%M:%S%z", "2021-06-08T01:30:00+05:00"),
        ("%d/%m/%Y %H:%M %z", "07/06/2021 13:30 -0700"),
        ("%d %b %Y %H:%M %Z", "07 Jun 2021 20:30 UTC"),
        ("%d/%m/%Y %H:%M", "07/06/2021 20:30"),
    ],
)
def test_a_date_is_in_utc_where_it_tells_no_offset(form: str, text: str) -> None:
    mapping = read_mapping({**MAPPING, "sold_date_format": form})
    found = judged(mapping, **{**GOOD, "sold_date": text})
    assert found["reason"] is None
    assert found["sold_at"] == datetime(2021, 6, 7, 20, 30, tzinfo=UTC)


def test_a_file_without_dates_or_ids_is_read() -> None:
    mapping = read_mapping({**MAPPING, "columns": {"code": "c", "price": "p"}})
    one = judged(mapping, code="a", price="9.99")
    other = judged(mapping, code="a", price="8.99")
    assert one["reason"] is other["reason"] is one["sold_at"] is None
    assert one["listing_id"].startswith("row:")
    assert one["listing_id"] != other["listing_id"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"source": "My Sales"}, "source is 'My Sales'"),
        ({"kind": "ask"}, "only sales"),
        ({"category": "stamp"}, "category is 'stamp'"),
        ({"currency": "$"}, "ISO 4217"),
        ({"columns": None}, r"\[columns\] is missing"),
        ({"columns": {"code": "a"}}, "columns.price is missing"),
        ({"columns": {"code": "a", "price": "b", "colour": "c"}}, "columns.colour is unknown"),
        ({"columns": {"code": "a", "price": 3}}, "columns.price is 3"),
        ({"sold_date_format": "%H"}, "does not tell a day"),
        ({"sold_date_format": "%H:%M%z"}, "does not tell a day"),
        ({"licence": {"train": "maybe"}}, "licence.train"),
        ({"licence": {"keep": True}}, "licence"),
        ({"sorce": "x"}, "'sorce' is unknown"),
    ],
)
def test_a_mapping_says_what_is_wrong(change: dict[str, Any], says: str) -> None:
    with pytest.raises(MappingError, match=says):
        read_mapping({**MAPPING, **change})


def test_ones_own_sales_may_train_and_leave() -> None:
    licence = read_mapping(MAPPING).licence
    assert (licence["train"], licence["redistribute"]) == ("yes", True)
    assert read_mapping({**MAPPING, "licence": {"redistribute": False}}).licence["train"] == "yes"
