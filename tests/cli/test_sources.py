import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from resources.sources import circuit
from resources.sources.limits import SharedLimits
from tests.runs import pricing_here


def listed() -> dict[str, dict[str, Any]]:
    shown = pricing_here("sources", "list", "--json")
    assert shown.returncode == 0, shown.stderr
    return {source["name"]: source for source in json.loads(shown.stdout)}


def test_what_is_set_is_shown_and_kept(home: Path) -> None:
    done = pricing_here(
        *("sources", "set", "searchapi_ebay_sold", "--freshness-days", "3.5"),
        *("--calls-a-day", "500", "--usd-a-day", "2.50", "--cost", "0.005"),
        *("--time-zone", "America/Los_Angeles"),
    )
    assert done.returncode == 0, done.stderr
    source = listed()["sandbox:searchapi_ebay_sold"]
    assert source["freshness_days"] == 3.5
    assert (source["calls_a_day"], source["usd_a_day"]) == (500, 2.5)
    assert source["cost_per_call_usd"] == 0.005
    assert source["time_zone"] == "America/Los_Angeles"
    assert source["calls_left_today"] == 500
    assert "500 calls left today (America/Los_Angeles)" in pricing_here("sources", "list").stdout
    cleared = pricing_here(
        *("sources", "set", "sandbox:searchapi_ebay_sold"),
        *("--calls-a-day", "none", "--usd-a-day", "none"),
    )
    assert cleared.returncode == 0, cleared.stderr
    source = listed()["sandbox:searchapi_ebay_sold"]
    assert source["calls_a_day"] is source["usd_a_day"] is source["calls_left_today"] is None
    assert source["freshness_days"] == 3.5


def test_a_switch_and_why_a_source_is_not_asked(home: Path) -> None:
    assert all(source["active"] for source in listed().values() if source["why_not"] is None)
    assert listed()["sandbox:open_library"]["active"]
    assert pricing_here("sources", "disable", "open_library").returncode == 0
    assert listed()["sandbox:open_library"]["why_not"] == "switched off"
    assert "NOT ASKED: switched off" in pricing_here("sources", "list").stdout
    assert pricing_here("sources", "enable", "open_library").returncode == 0
    assert listed()["sandbox:open_library"]["active"]


def test_missing_credentials_are_named_live(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICING_PROFILE", "live")
    found = listed()
    assert found["open_library"]["active"]
    assert found["searchapi_ebay_sold"]["why_not"] == "no credentials: set SEARCHAPI_API_KEY"
    on = pricing_here("sources", "enable", "searchapi_ebay_sold")
    assert "is on, but not asked: no credentials" in on.stdout
    monkeypatch.setenv("SEARCHAPI_API_KEY", "canary-5")
    shown = pricing_here("sources", "list")
    assert "canary" not in shown.stdout + shown.stderr
    assert listed()["searchapi_ebay_sold"]["active"]


def test_an_agreement_is_declared_by_name_and_date(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRICING_NOW", "2026-10-20T12:00:00+00:00")
    done = pricing_here("sources", "agree", "ebay_browse", "--reference", " Contract\n 17 ")
    assert done.returncode == 0, done.stderr
    source = listed()["sandbox:ebay_browse"]
    assert source["agreement"] == "Contract 17"
    assert source["agreed_at"].startswith("2026-10-20T12:00:00")


def test_an_unknown_name_ends_with_2_and_the_close_ones(home: Path) -> None:
    done = pricing_here("sources", "enable", "open_libary")
    assert done.returncode == 2
    assert "did you mean sandbox:open_library? See: pricing sources list" in done.stderr
    unlike = pricing_here("sources", "enable", "nosuch")
    assert unlike.returncode == 2
    assert "wikimedia_commons. See: pricing sources list" in unlike.stderr


def test_one_is_said_in_the_singular(home: Path) -> None:
    one = ("--freshness-days", "1", "--calls-a-day", "1")
    shown = pricing_here("sources", "set", "searchapi_ebay_sold", *one).stdout
    assert "fresh for 1 day; 1 call a day, 1 call left today" in shown


def test_a_source_that_is_left_in_peace_is_shown_with_reason_and_end(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit, "FAILING_SECONDS", 0.0)

    async def fail() -> None:
        limits = SharedLimits(home / "limits" / "sandbox:booksrun")
        for _ in range(circuit.FAILURES_TO_OPEN):
            trial = circuit.Circuit("sandbox:booksrun", limits).trial()
            await trial.enter()
            await trial.fail()
        limits.close()

    assert listed()["sandbox:booksrun"]["circuit"] is None
    asyncio.run(fail())
    shown = listed()["sandbox:booksrun"]["circuit"]
    assert (shown["state"], shown["failures"]) == ("open", circuit.FAILURES_TO_OPEN)
    assert shown["tried_again_at"]
    (found,) = json.loads(pricing_here("status", "--json").stdout)["circuits"]
    assert found["source"] == "sandbox:booksrun"
    for command in (("sources", "list"), ("status",)):
        said = pricing_here(*command).stdout
        assert f"failed {circuit.FAILURES_TO_OPEN} times in a row" in said, command
        assert "tried again" in said
    monkeypatch.setenv("PRICING_PROFILE", "live")
    assert json.loads(pricing_here("status", "--json").stdout)["circuits"] == []
