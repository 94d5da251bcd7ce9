from pathlib import Path

import pytest

from pricing_assets.store.comps import update_comps
from pricing_assets.store.opening import open_database
from pricing_assets.store.sources import register_sources
from resources.settings import Settings
from resources.sources import registered_sources
from tests.examples import DAY, NOON, SOLD, commit, isbn, item, listing, reply, scan
from tests.runs import pricing_here


def test_a_merge_is_listed_explained_and_taken_back(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRICING_NOW", NOON.isoformat())
    with open_database(Settings.from_env()) as database:
        register_sources(database, registered_sources(), "")
        scan(database, 1)
        for name, source in (("a", SOLD), ("b", "serpapi_ebay_sold")):
            sold = [listing(name, "10.00", sold_at=NOON - DAY)]
            commit(database, reply(1, source, NOON - DAY, listings=sold))
        update_comps(database, now=NOON)
        assert item(database, 1).sold_comps_count == 1
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
