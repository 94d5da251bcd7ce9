"""Cards go the way of books: scanned, asked about in words, gated and trained on."""

import pytest
import sqlalchemy as sa

from pricing_assets.loading import load_training_set
from pricing_assets.schema import tables as t
from tests.runs import NOON, Platform, drop, metadata

TRAINED = "1984|topps|123|dan marino"
"""What the sandbox's market has sold of it by `NOON` is enough: 12 at about 17 USD."""

QUIET = "base1-2"
UNKNOWN = "sbx99-99"
"""Of which the sandbox has no metadata, so that no words are known to search it by."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("migrated_url", "dagster_instance"), [("sqlite", "sqlite")], indirect=True
)
def test_a_card_gets_sold_comps_and_is_trained_on(platform: Platform) -> None:
    lines = [f"{key},card\n" for key in (TRAINED, QUIET, UNKNOWN)]
    drop(platform.settings.inbox, "cards.csv", "".join(["code,category\n", *lines]))
    platform.run()
    found = {row.natural_key: row for row in platform.rows(sa.select(t.items))}
    assert {key: item.in_training for key, item in found.items()} == {
        TRAINED: True,
        QUIET: False,
        UNKNOWN: False,
    }
    assert found[TRAINED].sold_comps_source == "sandbox:searchapi_ebay_sold"
    assert found[QUIET].sold_comps_count > 0
    assert found[QUIET].ebay_active_count > 0

    # A comp is a plain copy of that very card; the others are kept, each as what it is.
    listings = platform.rows(
        sa.select(t.price_listings).where(
            t.price_listings.c.item_id == found[TRAINED].id, t.price_listings.c.kind == "sold"
        )
    )
    comps = [row for row in listings if row.match_confidence >= 0.5 and row.variant is None]
    assert found[TRAINED].sold_comps_count == len(comps)
    assert all("#123 " in row.title and "Gold" not in row.title for row in comps)
    assert any(row.grader == "psa" for row in listings)
    assert any(row.match_confidence < 0.5 for row in listings)

    # What cannot be searched for is not asked, costs nothing and is looked at again tomorrow.
    unknown = [
        row
        for row in platform.rows(sa.select(t.unified_index))
        if row.item_id == found[UNKNOWN].id and not row.source.endswith("pokemontcg")
    ]
    assert {row.source for row in unknown} == {"sandbox:searchapi_ebay_sold", "sandbox:ebay_browse"}
    assert all((row.next_due_at - row.last_fetched_at).days == 1 for row in unknown)
    calls = t.api_calls.c
    made = platform.rows(
        sa.select(calls.attempts, calls.cost_usd).where(
            calls.item_id == found[UNKNOWN].id, ~calls.source.endswith("pokemontcg")
        )
    )
    assert [(call.attempts, call.cost_usd) for call in made] == [(0, 0), (0, 0)]

    month = f"{NOON:%Y-%m}"
    built = platform.run("build_training_set", partition=f"{month}-01")
    assert metadata(built, "training_set")["dagster/partition_row_count"] == 1
    (example,) = load_training_set(
        month, as_="arrow", directory=platform.settings.training_sets
    ).to_pylist()
    assert (example["category"], example["natural_key"]) == ("card", TRAINED)
    assert example["sold_comps_count"] == len(comps)
