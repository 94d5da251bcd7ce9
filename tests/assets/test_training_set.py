import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from pricing_assets.core.gate import QUALITY_TIERS
from pricing_assets.core.training import EXAMPLES
from pricing_assets.loading import load_training_set
from pricing_assets.schema import tables as t
from pricing_assets.store import training_set as training_set_store
from pricing_assets.store.training_observations import usable_sql
from tests.assets.conftest import Processed
from tests.runs import NOON, Platform, metadata


def test_it_holds_what_is_in_training(processed: Processed) -> None:
    platform = processed.platform
    table = load_training_set("2026-10", as_="arrow", directory=platform.settings.training_sets)
    items = t.items
    admitted = {
        row.natural_key: row.sold_comps_median
        for row in platform.rows(
            items.select().with_only_columns(items.c.natural_key, items.c.sold_comps_median).where(
                items.c.in_training
            )
        )
    }  # fmt: skip
    found = dict(
        zip(table["natural_key"].to_pylist(), table["target_price"].to_pylist(), strict=True)
    )
    assert found == admitted
    assert found
    assert all(isinstance(price, Decimal) for price in found.values())
    assert table.column_names == [column.name for column in EXAMPLES]


def test_its_folder_is_complete_and_its_manifest_true(processed: Processed) -> None:
    shown = metadata(processed.runs["build_training_set"], "training_set")
    place = Path(shown["path"])
    assert place == processed.platform.settings.training_sets / "2026-10"
    assert {path.name for path in place.iterdir()} == {
        *("examples.parquet", "sales", "rejected.parquet", "changes.parquet"),
        *("manifest.json", "facts.json", "croissant.json", "card.md", "card.html"),
        "training_set.duckdb",
    }
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest["as_of"] == shown["as_of"] == NOON.isoformat()
    assert manifest["provisional"] is shown["provisional"] is True
    assert manifest["simulated"] is shown["simulated"] is True
    examples = (place / "examples.parquet").read_bytes()
    entry = manifest["files"]["examples.parquet"]
    assert entry["sha256"] == hashlib.sha256(examples).hexdigest()
    assert entry["rows"] == manifest["rows"]["examples"] == shown["dagster/partition_row_count"]
    assert sum(manifest["splits"].values()) == entry["rows"]
    assert all(source.startswith("sandbox:") for source in manifest["sources"])
    assert "simulated" in (place / "card.md").read_text().lower()
    assert shown["card"] == (place / "card.md").read_text()
    for plot in ("growth", "quality_tiers", "coverage_by_month", "drift_by_month"):
        assert "data:image/png;base64," in shown[plot]
    rows = manifest["rows"]
    assert {name: shown[f"rows_{name}"] for name in rows} == rows
    known = rows["examples"] + rows["rejected"]
    assert sum(shown[f"tier_{name}"] for name, _ in QUALITY_TIERS) == known
    assert shown["coverage"] == pytest.approx(rows["examples"] / known, abs=1e-4)
    assert shown["admitted_by_v1"] == rows["examples"]
    assert entry["sha256"][:16] in shown["files"]
    with duckdb.connect(str(place / "training_set.duckdb"), read_only=True) as duck:
        (counted,) = duck.sql("SELECT count(*) FROM examples").fetchall()[0]
    assert counted == entry["rows"]


def test_the_same_as_of_gives_the_same_bytes_whenever_it_is_built(processed: Processed) -> None:
    platform = processed.platform
    place = platform.settings.training_sets / "2026-10"
    config = {"training_set": {"as_of": NOON.isoformat()}}
    before = (place / "examples.parquet").read_bytes(), (place / "manifest.json").read_bytes()
    later = platform.at(datetime(2026, 12, 3, tzinfo=UTC))
    later.run("build_training_set", partition="2026-10-01", ops=config)
    after = (place / "examples.parquet").read_bytes(), (place / "manifest.json").read_bytes()
    assert after == before


@pytest.mark.parametrize(
    ("as_of", "says"),
    [
        ("2026-10-19T00:00:00+00:00", "nothing had been observed"),
        ("2026-11-19T00:00:00+00:00", "after"),
        ("next week", "next week"),
        ("2026-10-20T12:00:00", "offset"),
    ],
)
def test_an_impossible_build_fails_with_its_reason(
    processed: Processed, as_of: str, says: str
) -> None:
    platform: Platform = processed.platform
    place = platform.settings.training_sets / "2026-10"
    before = place.resolve()
    result = platform.run(
        "build_training_set",
        partition="2026-10-01",
        ops={"training_set": {"as_of": as_of}},
        fails=True,
    )
    failure = result.failure_data_for_node("training_set")
    assert failure is not None
    assert failure.user_failure_data is not None, failure.error
    assert says in str(failure.user_failure_data.description)
    assert failure.error is not None
    assert place.resolve() == before
    assert list(platform.settings.training_sets.glob(".*.building")) == []


def test_a_build_that_leaks_fails_and_leaves_the_one_before(
    processed: Processed, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = processed.platform
    place = platform.settings.training_sets / "2026-10"
    before = place.resolve()
    listings = t.price_listings
    one = sa.select(sa.func.min(listings.c.id)).where(listings.c.kind == "sold").scalar_subquery()
    change = sa.update(listings).where(listings.c.id == one)
    with platform.database() as database:
        sold_at = database.scalar(sa.select(listings.c.sold_at).where(listings.c.id == one))
        database.execute(change.values(sold_at=datetime(2027, 1, 1, tzinfo=UTC)))
    # A reader that does not leave out what is dated later than the as-of.
    careless = usable_sql(datetime(2027, 2, 1, tzinfo=UTC))
    monkeypatch.setattr(training_set_store, "usable_sql", lambda _: careless)
    result = platform.run("build_training_set", partition="2026-10-01", fails=True)
    with platform.database() as database:
        database.execute(change.values(sold_at=sold_at))
    failure = result.failure_data_for_node("training_set")
    assert failure is not None
    assert failure.user_failure_data is not None, failure.error
    said = str(failure.user_failure_data.description)
    assert "leaks and is not shown" in said
    assert "later_than_as_of: " in said
    assert place.resolve() == before
