"""Days that are lived through again: real runs, with the clock set to each of them."""

import json
from datetime import date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from pricing_assets.cli.demo_history import EVENING
from pricing_assets.schema import tables as t
from pricing_assets.store.opening import open_database
from resources.database import AnySelect
from resources.settings import Settings
from tests.runs import drop, pricing_here

NOW = "2026-10-01T19:30:00+00:00"
DAYS = 3


def rows(statement: AnySelect) -> list[sa.Row[tuple[object, ...]]]:
    with open_database(Settings.from_env()) as database:
        return list(database.rows(statement))


@pytest.mark.slow
def test_past_days_are_lived_through_once_with_the_clock_set_to_them(
    home: Path, monkeypatch: pytest.MonkeyPatch, sandbox_url: str
) -> None:
    monkeypatch.setenv("PRICING_NOW", NOW)
    monkeypatch.setenv("PRICING_SANDBOX_URL", sandbox_url)
    waiting = drop(home / "inbox", "today.txt", "9780316769174\n")
    broken = drop(home / "inbox", "broken.parquet", "no Parquet")
    command = ("demo", "--history", str(DAYS), "--books", "25")
    done = pricing_here(*command)
    assert done.returncode == 0, done.stderr
    assert "SIMULATED" in done.stdout
    assert "training set 2026-09" in done.stdout
    assert "training set 2026-10" in done.stdout

    listings, snapshots, scans = t.price_listings.c, t.price_snapshots.c, t.scans.c
    # 28 to 30 September are one step, and 1 October is the beginning of the next.
    moments = {datetime.combine(date(2026, 9, 30), EVENING), datetime.fromisoformat(NOW)}
    assert {row.observed_at for row in rows(sa.select(listings.observed_at).distinct())} == moments
    # The market answers as of the day: nothing that was still to come.
    assert rows(sa.select(listings.id).where(listings.sold_at > listings.observed_at)) == []
    assert rows(sa.select(listings.id).where(listings.listed_at > listings.observed_at)) == []
    days = {row.scanned_at.date() for row in rows(sa.select(scans.scanned_at))}
    assert len(days) == DAYS + 1
    assert rows(sa.select(scans.id).where(scans.scanned_at > scans.received_at)) == []
    news = {row.snapshot_date for row in rows(sa.select(snapshots.snapshot_date).distinct())}
    assert news == {moment.date() for moment in moments}

    state = json.loads(pricing_here("status", "--json").stdout)
    assert set(state["by_category"]) == {"book", "card", "minifigure"}
    (shown,) = [line for line in done.stdout.splitlines() if "price: book" in line]
    chart = pricing_here(*shown.split("pricing ", 1)[1].split(), "--json")
    assert any(row["market_value"] for row in json.loads(chart.stdout))

    again = pricing_here(*command)
    assert again.returncode == 0, again.stderr
    assert " calls made" not in again.stdout
    assert json.loads(pricing_here("status", "--json").stdout) == state
    # What waits in the inbox is of today, and no past day takes or refuses it.
    assert sorted((home / "inbox").iterdir()) == [broken, waiting]


def test_no_history_begins_before_there_was_anything(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRICING_NOW", "2026-01-10T12:00:00+00:00")
    done = pricing_here("demo", "--history", "30")
    assert done.returncode == 2
    assert "2026-01" in done.stderr
