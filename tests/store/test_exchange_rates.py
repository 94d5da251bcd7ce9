import csv
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import sqlalchemy as sa

from pricing_assets.core.answers import Answer
from pricing_assets.core.rates import first_day_to_ask
from pricing_assets.schema import tables as t
from pricing_assets.store import exchange_rates as store
from pricing_assets.store.comps import update_comps
from pricing_assets.store.decisions import askable_sources, next_reasons
from pricing_assets.store.exchange_rates import (
    commit_rates,
    convert_waiting,
    converted,
    monthly_levels,
    newest_day,
    store_rates,
    unconverted,
)
from pricing_assets.store.shown_prices import shown_prices
from pricing_assets.store.sources import know_source, register_sources
from pricing_assets.store.unified_index import disagreements, repair
from resources.database import Database
from resources.exchange_rates import SCHEMA, read_exchange_rates_file
from resources.sources import registered_sources
from resources.sources.ecb import Ecb
from resources.sources.rates import rates_query
from tests.examples import (
    ASKS,
    DAY,
    NOON,
    SOLD,
    book,
    commit,
    facts,
    item,
    listing,
    reply,
    row,
    rows,
    scan,
)
from tests.rates import NoRate, Rate, Rates

MONDAY = date(2026, 10, 12)
SALE = datetime(2026, 10, 14, 23, 59, tzinfo=UTC)
CSV = b"Date,USD,GBP,\n2026-10-12,1.25,0.8,\n"


def table(*rates: tuple[date, str, str]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"day": day, "currency": currency, "usd_per_unit": Decimal(rate), "source": "ecb"}
            for day, currency, rate in rates
        ],
        schema=SCHEMA,
    )


def know(
    database: Database,
    *rates: tuple[date, str, str],
    source: str = "ecb",
    now: datetime = NOON - DAY,
) -> int:
    return store_rates(database, table(*rates), source, now=now)


def test_rates_are_kept_once(database: Database) -> None:
    assert know(database, (MONDAY, "EUR", "1.1"), (MONDAY, "GBP", "1.3")) == 2
    assert know(database, (MONDAY, "EUR", "9"), (MONDAY + DAY, "EUR", "1.2"), now=NOON) == 1
    kept = {(r["day"], r["currency"]): r for r in rows(database, t.exchange_rates)}
    assert kept[MONDAY, "EUR"]["usd_per_unit"] == Decimal("1.10000000")
    assert kept[MONDAY, "EUR"]["observed_at"] == NOON - DAY
    assert newest_day(database, "ecb") == MONDAY + DAY
    assert newest_day(database, "frankfurter") is None


def test_the_day_is_that_of_the_sale_else_of_the_listing_else_of_seeing_it(
    database: Database,
) -> None:
    scan(database, 1)
    know(
        database,
        *((MONDAY, "EUR", "1.1"), (MONDAY + DAY, "EUR", "1.2"), (NOON.date(), "EUR", "1.3")),
    )
    times: dict[str, dict[str, Any]] = {
        "sale": {"sold_at": SALE},
        "sale before listing": {"sold_at": SALE - 2 * DAY, "listed_at": SALE},
        "listing": {"listed_at": SALE - 2 * DAY},
        "seen": {},
    }
    shown = [listing(name, "10.00", currency="EUR", **at) for name, at in times.items()]
    commit(database, reply(1, SOLD, listings=shown))
    found = {r["source_listing_id"]: r for r in rows(database, t.price_listings)}
    assert {
        name: (str(r["price_usd"]), r["exchange_rate_date"], r["conversion_error"])
        for name, r in found.items()
    } == {
        "sale": ("12.00", MONDAY + DAY, None),
        "sale before listing": ("11.00", MONDAY, None),
        "listing": ("11.00", MONDAY, None),
        "seen": ("13.00", NOON.date(), None),
    }


def test_what_has_no_rate_is_kept_with_the_reason_and_never_counted(database: Database) -> None:
    scan(database, 1)
    know(database, (MONDAY, "EUR", "1.1"))
    shown = [
        listing("unknown", "10.00", currency="QQQ", sold_at=SALE),
        listing("before", "10.00", currency="EUR", sold_at=SALE - 30 * DAY),
        listing("after", "10.00", currency="EUR", sold_at=SALE + 6 * DAY),
    ]
    commit(database, reply(1, SOLD, listings=shown))
    for found in rows(database, t.price_listings):
        assert (found["price"], found["price_usd"]) == (Decimal("10.00"), None)
        assert found["exchange_rate"] is found["exchange_rate_date"] is None
    waiting = {w.reason: (w.currency, w.prices) for w in unconverted(database, book(1).item_id)}
    assert waiting == {
        "unknown currency QQQ: no source has a rate of it": ("QQQ", 1),
        "no rate of EUR on or before 2026-09-14": ("EUR", 1),
        "the last rate of EUR on or before 2026-10-20 is of 2026-10-12, more than 7 days before": (
            *("EUR", 1),
        ),
    }
    assert unconverted(database, book(2).item_id) == []
    update_comps(database, now=NOON)
    assert item(database, 1).sold_comps_count == 0


def test_a_price_of_the_calendars_first_or_last_day_is_kept_with_the_reason(
    database: Database,
) -> None:
    scan(database, 1)
    know(database, (MONDAY, "EUR", "1.1"))
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    shown = [
        listing("first", "10.00", currency="EUR", listed_at=first),
        listing("last", "10.00", currency="EUR", listed_at=last),
        listing("now", "10.00", currency="EUR", listed_at=SALE),
    ]
    commit(database, reply(1, ASKS, listings=shown))
    found = {r["source_listing_id"]: r for r in rows(database, t.price_listings)}
    assert found["first"]["conversion_error"] == "no rate of EUR on or before 0001-01-01"
    assert found["last"]["conversion_error"].startswith("the last rate of EUR on or before 9999-12")
    assert found["now"]["price_usd"] == Decimal("11.00")


def test_a_real_price_is_never_converted_by_a_simulated_rate(database: Database) -> None:
    register_sources(database, registered_sources(), "sandbox:")
    know(database, (MONDAY, "EUR", "5"), source="sandbox:ecb")
    know(database, (MONDAY, "GBP", "1.3"))
    prices = pa.Table.from_pylist(
        [
            {
                "source": source,
                "price": Decimal("2.00"),
                "currency": currency,
                "lot_size": 1,
                "sold_at": SALE,
            }
            for source in ("file:mine", f"sandbox:{SOLD}", SOLD)
            for currency in ("EUR", "USD", "GBP")
        ],
        schema=pa.schema(
            {
                "source": pa.string(),
                "price": pa.decimal128(12, 2),
                "currency": pa.string(),
                "lot_size": pa.int64(),
                **dict.fromkeys(
                    ("sold_at", "listed_at", "observed_at"), pa.timestamp("us", tz="UTC")
                ),
            }
        ),
    )
    found = converted(database, prices)
    assert found.select(prices.column_names).equals(prices)
    assert [str(usd) for usd in found["price_usd"].to_pylist()] == [
        *("None", "2.00", "2.60"),
        *("10.00", "2.00", "2.60"),
        *("None", "2.00", "2.60"),
    ]
    dollars = prices.filter(pc.field("currency") == "USD")
    assert converted(database, dollars).equals(found.filter(pc.field("currency") == "USD"))


def test_a_price_that_waited_is_converted_by_a_correction(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ROWS_A_BATCH", 2)
    scan(database, 1, 2)
    shown = [listing(str(n), f"{n}.00", currency="EUR", sold_at=SALE) for n in range(1, 4)]
    old = listing("old", "1.00", currency="EUR", sold_at=SALE - 90 * DAY)
    commit(
        database,
        reply(1, SOLD, listings=[*shown, old, listing("usd", "7.00")]),
        reply(2, SOLD, listings=[listing("q", "1.00", currency="QQQ")]),
    )
    before = rows(database, t.price_listings)
    assert convert_waiting(database, now=NOON + DAY) == 0
    know(database, (MONDAY, "EUR", "1.1"), now=NOON + DAY)
    assert convert_waiting(database, now=NOON + DAY) == 3
    assert convert_waiting(database, now=NOON + 2 * DAY) == 0
    after = rows(database, t.price_listings)
    # Nothing was changed but that three rows are superseded: as of noon all is as it was.
    superseded = [r for r in after if r["superseded_at"] is not None]
    assert [r["source_listing_id"] for r in superseded] == ["1", "2", "3"]
    assert all(r["superseded_at"] == NOON + DAY for r in superseded)
    assert [{**r, "superseded_at": None} for r in after[: len(before)]] == before
    for was, now in zip(superseded, after[len(before) :], strict=True):
        assert now == {
            **was,
            "id": now["id"],
            "observed_at": NOON + DAY,
            "superseded_at": None,
            "exchange_rate": Decimal("1.1"),
            "exchange_rate_date": MONDAY,
            "price_usd": (was["price"] * Decimal("1.1")).quantize(Decimal("0.01")),
            "conversion_error": None,
        }
    assert item(database, 1).market_fetched_at == NOON + DAY
    assert item(database, 2).market_fetched_at == NOON
    update_comps(database, now=NOON + DAY)
    assert item(database, 1).sold_comps_count == 4
    # Seen again, it is the same sale.
    commit(database, reply(1, SOLD, NOON + 2 * DAY, listings=shown))
    assert rows(database, t.price_listings) == after


def test_a_price_converted_later_is_not_shown_for_longer(database: Database) -> None:
    scan(database, 1)
    commit(database, reply(1, ASKS, listings=[listing("x", "9.00", "ask", currency="EUR")]))
    know(database, (NOON.date(), "EUR", "1.1"))
    later = NOON + timedelta(hours=5)
    assert convert_waiting(database, now=later) == 1
    assert shown_prices(database, book(1).item_id, now=later).asks == 1
    (hidden,) = shown_prices(database, book(1).item_id, now=later + 2 * timedelta(hours=1)).hidden
    assert hidden.fetched_at == NOON


def test_an_answer_leaves_its_evidence_and_its_call_and_no_item_is_asked(
    database: Database,
) -> None:
    register_sources(database, registered_sources(), "")
    scan(database, 1)
    asked = replace(
        reply(1, "ecb"), query=rates_query(MONDAY, NOON.date()), body=CSV, answer=Answer("found")
    )
    known = facts()
    assert commit_rates(database, asked, known, run_id="r", now=NOON) == 2
    refused = replace(asked, answer=None, error="down", result="error", requested_at=NOON + DAY)
    assert commit_rates(database, refused, known, run_id="r", now=NOON + DAY) == 0
    calls = rows(database, t.api_calls)
    assert [(c["source"], c["item_id"], c["result"]) for c in calls] == [
        ("ecb", None, "not_found"),
        ("ecb", None, "error"),
    ]
    assert row(database, t.payloads).size_bytes == len(CSV)
    assert disagreements(database) == {}
    repair(database)
    assert rows(database, t.unified_index) == []
    assert not {"ecb", "frankfurter"} & {source.name for source in askable_sources(database)}
    assert not {"ecb", "frankfurter"} & set(next_reasons(database, book(1).item_id, now=NOON))


def test_a_file_in_the_sandbox_profile_has_its_source(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(sa.delete(t.data_sources))
    know_source(database, Ecb())
    found = row(database, t.data_sources)
    assert (found.name, found.kind, found.is_active) == ("ecb", "rates", False)


def test_levels_are_shares_of_the_first_month(database: Database) -> None:
    assert monthly_levels(database, ("EUR",)) == ([], {})
    september = MONDAY.replace(month=9)
    know(
        database,
        *((september, "EUR", "1.0"), (MONDAY, "EUR", "1.2"), (MONDAY + DAY, "EUR", "1.4")),
        *((MONDAY, "GBP", "1.3"), (september, "JPY", "9"), (MONDAY, "JPY", "9")),
    )
    months, levels = monthly_levels(database, ("EUR", "GBP"))
    assert months == ["2026-09", "2026-10"]
    assert levels["EUR"] == pytest.approx([100, 130])
    assert set(levels) == {"EUR"}


@pytest.mark.parametrize(
    ("newest", "longest", "first"),
    [
        (None, None, date(1999, 1, 4)),
        (MONDAY, None, MONDAY),
        (None, timedelta(days=80), NOON.date() - timedelta(days=80)),
        (MONDAY, timedelta(days=80), MONDAY),
    ],
)
def test_first_day_to_ask(newest: date | None, longest: timedelta | None, first: date) -> None:
    assert first_day_to_ask(newest, NOON.date(), longest) == first


# --- reference data, in place -------------------------------------------------------------


def test_recorded_prices_in_other_currencies_are_converted_by_the_real_rates(
    database: Database, reference_data: Path
) -> None:
    """What the statement makes of them is what the rule does, price by price."""
    table = read_exchange_rates_file(reference_data / "datasets" / "fx" / "eurofxref-hist.csv")
    last = pc.max(table["day"]).as_py()
    store_rates(database, table.filter(pc.field("day") > last - 9 * DAY), "ecb", now=NOON)
    moment = datetime(last.year, last.month, last.day, 12, tzinfo=UTC)
    amounts = [*_prices_abroad(reference_data), (Decimal("10.00"), "TWD")]
    shown = [
        listing(str(n), str(price), currency=currency, sold_at=moment)
        for n, (price, currency) in enumerate(amounts)
    ]
    scan(database, 1)
    commit(database, reply(1, SOLD, listings=shown))
    rates = Rates(Rate(r["day"], r["currency"], r["usd_per_unit"]) for r in table.to_pylist())
    found = {r["source_listing_id"]: r for r in rows(database, t.price_listings)}
    assert len(found) == len(amounts)
    refused = set()
    for number, (price, currency) in enumerate(amounts):
        one = found[str(number)]
        said = (one["price_usd"], one["exchange_rate"], one["conversion_error"])
        if one["conversion_error"] is None:
            expected = rates.convert(price, currency, last)
            assert said == (expected.usd, expected.rate, None)
        else:
            with pytest.raises(NoRate) as refusal:
                rates.convert(price, currency, last)
            refused.add(currency)
            assert said == (None, None, str(refusal.value))
    assert refused == {"TWD"}, "the ECB has no rate of it"
    assert {currency for _, currency in amounts} >= {"CAD", "EUR", "PLN", "CZK", "KRW"}


def _prices_abroad(directory: Path) -> Sequence[tuple[Decimal, str]]:
    """Averages of sales in other currencies, to the cent."""
    path = directory / "datasets" / "lego" / "bricklink_minifig_price_cache.csv"
    with path.open(newline="", encoding="utf-8") as file:
        entries = list(csv.DictReader(file))
    return [
        (price, entry["currency_code"])
        for entry in entries
        if entry["currency_code"] != "USD"
        and entry["six_month_avg"]
        and (price := Decimal(entry["six_month_avg"]).quantize(Decimal("0.01")))
    ]
