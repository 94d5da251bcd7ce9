import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from pricing_assets.cli.price_chart import ABOVE, BELOW, CARRIED, MARKET, picture, terminal_chart
from pricing_assets.store.opening import open_database
from pricing_assets.store.price_history import PriceDay, PriceHistory, Sale
from pricing_assets.store.snapshots import build_days
from resources.database import Database
from resources.settings import Settings
from tests.examples import DAY, NOON, book, sales, scan
from tests.runs import pricing_here

FIRST = date(2026, 9, 1)
PNG_BEGINS = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def database(home: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Two books; the first has sales on 10 and 15 October. It is 20 October."""
    monkeypatch.setenv("PRICING_NOW", NOON.isoformat())
    with open_database(Settings.from_env()) as database:
        scan(database, 1, 2, at=NOON - 10 * DAY)
        for ago, prices in ((10, ["10.00", "12.00"]), (5, ["10.00", "12.00", "20.00"])):
            sales(database, 1, prices, NOON - ago * DAY, prefix="sandbox:")
            build_days(database, [(NOON - ago * DAY).date()], now=NOON)
        return database


def test_a_chart_says_what_it_shows_and_that_it_is_simulated(database: Database) -> None:
    done = pricing_here("price", book(1).natural_key)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert book(1).natural_key in lines[0]
    assert "SIMULATED" in lines[1]
    assert MARKET in done.stdout
    assert CARRIED in done.stdout
    assert "2026-10-10" in done.stdout
    assert "2026-10-20: market $15.25, $11.86 at once, $21.07 with patience." in lines
    assert "3 sold in 90 days, 0 asks open; carried forward from 2026-10-15." in lines
    assert "Since 2026-10-10, at $11.00: +38.6 %." in done.stdout
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in done.stdout


def test_json_has_a_row_for_each_day_and_exact_money(database: Database) -> None:
    done = pricing_here("price", book(1).natural_key, "--json", "--days", "7")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["date"] for row in rows] == [f"2026-10-{day}" for day in range(14, 21)]
    assert [row["carried"] for row in rows] == [day != 15 for day in range(14, 21)]
    assert [row["market_value"] for row in rows] == ["11.00"] + ["15.25"] * 6
    assert {row["simulated"] for row in rows} == {True}
    assert {row["natural_key"] for row in rows} == {book(1).natural_key}
    assert rows[0]["as_of"] == "2026-10-10T23:59:59.999999+00:00"
    assert all(source.startswith("sandbox:") for source in rows[0]["sources"])
    assert rows[0]["breakdown"][0]["median"] == "11.00"


def test_a_picture_is_written_beside_the_rows(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "price.png"
    done = pricing_here("price", book(1).natural_key, "--png", str(file), "--json")
    assert done.returncode == 0, done.stderr
    assert file.read_bytes().startswith(PNG_BEGINS)
    assert json.loads(done.stdout)
    assert f"{file} written" in done.stderr


def test_where_a_picture_cannot_be_written_is_told(database: Database, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere" / "price.png"
    done = pricing_here("price", book(1).natural_key, "--png", str(nowhere))
    assert done.returncode == 1
    assert done.stderr == f"Error: {nowhere} cannot be written: No such file or directory\n"


def test_an_item_without_snapshots_is_told_what_to_run(database: Database) -> None:
    done = pricing_here("price", book(2).natural_key)
    assert done.returncode == 1
    assert f"{book(2).natural_key} has no snapshot until 2026-10-20" in done.stderr
    assert "make today's now: pricing snapshot" in done.stderr


def test_a_cards_code_names_the_card_that_is_known(database: Database) -> None:
    scanned = pricing_here("scan", "--category", "card", "base1-4")
    assert scanned.returncode == 0, scanned.stderr
    for said in ((), ("--category", "card")):
        done = pricing_here("price", *said, "base1-4")
        assert "base1-4 has no snapshot" in done.stderr
    assert "names no item" in pricing_here("price", "base1-5").stderr


def a_day(number: int, market: str | None, *, spread: str = "1", carried: bool = False) -> PriceDay:
    price, around = (None, Decimal(0)) if market is None else (Decimal(market), Decimal(spread))
    values = {
        "sources": "sandbox:x",
        "market_value": price,
        "quick_sale": None if price is None else price - around,
        "patient_sale": None if price is None else price + around,
    }
    return PriceDay(FIRST + timedelta(days=number), carried, (), values)


def a_history(days: list[PriceDay], *sold: tuple[int, str]) -> PriceHistory:
    begin = datetime(2026, 9, 1, 12, tzinfo=UTC)
    found = [Sale(begin + timedelta(days=day), Decimal(price)) for day, price in sold]
    return PriceHistory(days, found, [], simulated=True)


def drawn(history: PriceHistory, width: int = 80) -> list[str]:
    console = Console(width=width, no_color=True, color_system=None)
    with console.capture() as capture:
        console.print(terminal_chart(history, width), soft_wrap=True)
    return capture.get().splitlines()


def test_the_market_is_drawn_where_its_price_is() -> None:
    days = [a_day(number, str(100 + number)) for number in range(30)]
    lines = drawn(a_history(days, (3, "500.00"), (20, "0.50")))
    (rising,) = ([line.find(MARKET) for line in lines[:13] if MARKET in line],)
    assert rising == sorted(rising, reverse=True)
    assert len(rising) > 6
    assert ABOVE in lines[0]
    assert BELOW in lines[12]
    assert lines[14].split() == ["2026-09-01", "2026-09-30"]


def test_a_gap_is_left_where_no_price_is_known() -> None:
    days = [a_day(0, "10"), a_day(1, None), a_day(2, None, carried=True), a_day(3, "10")]
    (row,) = [line for line in drawn(a_history(days))[:13] if MARKET in line]
    assert set(row[row.index(MARKET) : row.rindex(MARKET)]) == {MARKET, " "}
    assert drawn(a_history([a_day(0, None)])) == ["No price to draw."]


@given(
    days=st.lists(
        st.tuples(st.none() | st.integers(1, 10**8), st.integers(0, 10**6), st.booleans()),
        min_size=1,
        max_size=200,
    ),
    sold=st.lists(st.tuples(st.integers(0, 199), st.integers(1, 10**8)), max_size=5),
    width=st.integers(40, 200),
)
@settings(max_examples=30)
def test_whatever_is_drawn_fits_the_terminal(
    days: list[tuple[int | None, int, bool]], sold: list[tuple[int, int]], width: int
) -> None:
    history = a_history(
        [
            a_day(
                number,
                None if cents is None else str(Decimal(cents) / 100),
                spread=str(Decimal(spread) / 100),
                carried=carried,
            )
            for number, (cents, spread, carried) in enumerate(days)
        ],
        *((day, str(Decimal(cents) / 100)) for day, cents in sold),
    )
    assert max(map(len, drawn(history, width))) <= width


def test_a_title_with_dollars_is_no_formula() -> None:
    days = [a_day(0, "10"), a_day(1, None), a_day(2, "12", carried=True)]
    assert picture(a_history(days, (1, "11"), (2, "99")), r"$x^$ and \$").startswith(PNG_BEGINS)
    assert picture(a_history([a_day(0, None)]), "").startswith(PNG_BEGINS)


def test_todays_snapshots_are_made_at_once(database: Database) -> None:
    sales(database, 2, ["30.00"], NOON, prefix="sandbox:")
    done = pricing_here("snapshot")
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()[-1]
    assert said == (
        "Items with news on 2026-10-20, each with a snapshot: 1; provisional, since the day is not "
        "over"
    )
    assert "2026-10-20: market $30.00" in pricing_here("price", book(2).natural_key).stdout
    for day in ("2026-10-21", "2025-12-31"):
        refused = pricing_here("snapshot", day)
        assert refused.returncode == 2
        assert "is none of the days from 2026-01-01 to 2026-10-20" in refused.stderr
