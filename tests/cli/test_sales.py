import shlex
from pathlib import Path

import pytest

from pricing_assets.store.comps import update_comps
from pricing_assets.store.opening import open_database
from pricing_assets.store.sources import register_sources
from resources.settings import Settings
from resources.sources import registered_sources
from tests.examples import DAY, NOON, SOLD, commit, isbn, item, listing, reply, scan
from tests.runs import pricing_here


def seen_twice(number: int, first: str, second: str) -> None:
    """Scan a book, and let two sources of one venue report one sale of it."""
    with open_database(Settings.from_env()) as database:
        register_sources(database, registered_sources(), "")
        scan(database, number)
        for name, source in ((first, SOLD), (second, "serpapi_ebay_sold")):
            sold = [listing(name, "10.00", sold_at=NOON - DAY)]
            commit(database, reply(number, source, NOON - DAY, listings=sold))
        update_comps(database, now=NOON)
        assert item(database, number).sold_comps_count == 1


def test_a_merge_is_listed_explained_and_taken_back(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRICING_NOW", NOON.isoformat())
    seen_twice(1, "a", "b")
    listed = pricing_here("sales", "merged", isbn(1))
    assert listed.stdout.startswith(f"serpapi_ebay_sold b is {SOLD} a")
    explained = pricing_here("explain", isbn(1)).stdout
    assert f"serpapi_ebay_sold b is the sale {SOLD} a seen again, and is not counted" in explained
    assert "Value: $10.00 ($7.00 to $13.00); quick $10.00" in explained
    assert "Advice: SKIP: the value has low confidence: 1 sale is too few" in explained
    words = ("sales", "unmerge", isbn(1), "serpapi_ebay_sold", "b")
    assert pricing_here(*words).returncode == 2
    assert pricing_here(*words, "--reason", "two copies").returncode == 0
    with open_database(Settings.from_env()) as database:
        update_comps(database, now=NOON)
        assert item(database, 1).sold_comps_count == 2
    assert pricing_here("sales", "merged", isbn(1)).stdout == "No sale was seen twice.\n"
    again = pricing_here(*words, "--reason", "two copies")
    assert again.returncode == 1


def test_what_takes_a_merge_back_can_be_pasted_into_a_shell(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRICING_NOW", NOON.isoformat())
    named = "U 2026-10-20T11:00:00 1 x 10.0000 USD #1"
    seen_twice(1, "a", named)
    for words in ((isbn(1),), (isbn(1), "--category", "book")):
        advice = pricing_here("sales", "merged", *words).stdout.splitlines()[-1]
        command = shlex.split(advice.removeprefix("Two sales after all? "), comments=True)
        assert command == [
            *("pricing", "sales", "unmerge", *words),
            *("serpapi_ebay_sold", named, "--reason", "two copies"),
        ]
    assert pricing_here(*command[1:]).returncode == 0
