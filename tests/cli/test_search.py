import json
from pathlib import Path
from typing import Any

import pytest

from tests.runs import pricing_here

WORDS = "2023 Bowman Chrome #BCP-50 Ethan Salas Refractor /499"


@pytest.fixture
def searching(home: Path, sandbox_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICING_SANDBOX_URL", sandbox_url)
    monkeypatch.setenv("PRICING_NOW", "2026-10-20T12:00:00+00:00")


def search(*arguments: str) -> dict[str, Any]:
    done = pricing_here("search", WORDS, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.usefixtures("searching")
def test_a_search_asks_once_and_then_serves_what_is_stored() -> None:
    first, second, forced = search(), search(), search("--refresh")
    assert [first["cache_hit"], second["cache_hit"], forced["cache_hit"]] == [False, True, False]
    assert first["source"] == "sandbox:searchapi_ebay_sold"
    assert first["listings"] == second["listings"] == forced["listings"] != []
    assert first["new_observations"] == len(first["listings"])
    assert forced["new_observations"] == 0
    assert any(
        one["card"] == "2023|bowman chrome|bcp50|ethan salas|refractor|499"
        for one in first["listings"]
    )
    assert all("simulated" in one["title"] for one in first["listings"])
    asks = search("--type", "asks")
    assert {one["kind"] for one in asks["listings"]} == {"ask"}
    shown = pricing_here("search", WORDS).stdout
    assert "stored answer, no call made" in shown
    calls = pricing_here("calls").stdout
    assert "sandbox:searchapi_ebay_sold      2 " in calls


@pytest.mark.usefixtures("searching")
def test_a_budget_that_is_used_up_is_said() -> None:
    pricing_here("sources", "set", "searchapi_ebay_sold", "--calls-a-day", "1")
    search()
    refused = pricing_here("search", "1986 Fleer 57 Michael Jordan")
    assert refused.returncode == 1
    assert "budget of sandbox:searchapi_ebay_sold is used up" in refused.stderr
    # What is stored needs no budget.
    assert search()["cache_hit"]
