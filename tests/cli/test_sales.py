import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from pricing_assets.core.answers import ItemQuery
from pricing_assets.core.items import item_id
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


def test_explain_names_the_command_for_the_merges_that_it_leaves_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRICING_NOW", NOON.isoformat())
    key = "1986|fleer|57|michael jordan"
    assert pricing_here("scan", "--category", "card", key).returncode == 0
    card = ItemQuery(item_id("card", key), "card", key)
    with open_database(Settings.from_env()) as database:
        register_sources(database, registered_sources(), "")
        for source in (SOLD, "serpapi_ebay_sold"):
            sold = [
                replace(
                    listing(f"{source}-{n}", "10.00", sold_at=NOON - 10 * n * DAY),
                    title="1986 Fleer Michael Jordan #57",
                )
                for n in range(5)
            ]
            commit(database, replace(reply(1, source, listings=sold), query=card))
        update_comps(database, now=NOON)
    explained = pricing_here("explain", "--category", "card", key).stdout
    assert explained.count("seen again, and is not counted") == 3
    (more,) = (line for line in explained.splitlines() if line.startswith("  2 more: "))
    words = shlex.split(more.removeprefix("  2 more: "))
    listed = pricing_here(*words[1:])
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count("serpapi_ebay_sold-") >= 5


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
