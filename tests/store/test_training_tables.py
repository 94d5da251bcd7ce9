"""What is in the tables of a build, and that nothing from after its as-of is."""

import json
from collections import Counter
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from pricing_assets.core.gate import POLICIES
from pricing_assets.core.training import BUCKETS, TABLES, SchemaMismatch
from pricing_assets.schema import tables as t
from pricing_assets.store.training_compare import differences
from pricing_assets.store.training_places import Build, all_shown, facts_of
from pricing_assets.store.training_set import build_month
from resources.database import Database
from tests.examples import NOON, SOLD, agree, commit, database, isbn, listing, reply, rows, scan
from tests.training_sets import (
    BOOKS,
    LATER,
    NOVEMBER,
    OCTOBER,
    BuiltSets,
    altered,
    built_sets,
    fill_two_months,
)

__all__ = ("built_sets", "database")


def table(build: Build, name: str) -> list[dict[str, Any]]:
    files = build.manifest["tables"][name]["files"]
    return [row for file in files for row in pq.read_table(build.path / file).to_pylist()]


def build(
    database: Database,
    directory: Path,
    month: str = OCTOBER,
    *,
    policy: str = "v1",
    at: datetime | None = None,
) -> Build:
    return build_month(
        database,
        month,
        directory,
        now=LATER,
        policy=policy,
        sandbox=False,
        run_id="run",
        at=at,
        internal=True,
    )


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_as_declared_and_in_its_total_order(built_sets: BuiltSets, name: str) -> None:
    made = built_sets.month(NOVEMBER)
    found = table(made, name)
    assert len(found) == made.manifest["rows"][name] > 0
    assert list(found[0]) == [column.name for column in TABLES[name].columns]
    keys = [tuple(row[key] for key in TABLES[name].order) for row in found]
    assert len(set(keys)) == len(keys)
    for file in made.manifest["tables"][name]["files"]:
        rows = pq.read_table(made.path / file).to_pylist()
        ordered = [tuple(row[key] for key in TABLES[name].order) for row in rows]
        assert ordered == sorted(ordered)
        if TABLES[name].bucketed:
            buckets = {int(row["item_id"][:2], 16) // (256 // BUCKETS) for row in rows}
            assert buckets == {int(Path(file).stem)}
    money = [c.name for c in TABLES[name].columns if c.type.startswith("DECIMAL")]
    assert all(isinstance(row[m], Decimal | None) for row in found for m in money)


def test_sales_are_every_sale_that_was_current(built_sets: BuiltSets) -> None:
    made = built_sets.month(NOVEMBER)
    as_of = datetime.fromisoformat(made.manifest["as_of"])
    stored = [
        row
        for row in rows(built_sets.database, t.price_listings, "id")
        if row["kind"] == "sold" and row["observed_at"] <= as_of
    ]
    found = table(made, "sales")
    named = Counter((r["item_id"], r["source_listing_id"], r["price"]) for r in found)
    repeats = Counter((r["item_id"], r["source_listing_id"], r["price_usd"]) for r in stored)
    repeats.subtract(named)
    assert set(repeats.values()) == {0, 1}
    # What is missing is a sale that is there, seen again.
    for seen in stored:
        if repeats[seen["item_id"], seen["source_listing_id"], seen["price_usd"]]:
            assert any(
                row["item_id"] == seen["item_id"]
                and abs(row["sold_at"] - seen["sold_at"]) <= timedelta(days=2)
                and abs(row["price"] - seen["price_usd"]) <= max(Decimal("0.5"), row["price"] / 32)
                for row in found
            )
    examples = {row["item_id"]: row for row in table(made, "examples")}
    for row in found:
        assert row["in_examples"] is (row["item_id"] in examples)
        recent = row["sold_at"] > as_of - timedelta(days=30)
        assert row["time_holdout"] is recent
        if row["in_examples"]:
            assert row["split"] == examples[row["item_id"]]["split"]
    # A label is what its sales say.
    for item, example in examples.items():
        prices = [row["price"] for row in found if row["item_id"] == item]
        assert example["target_price"] == median(prices).quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert example["weight"] == min(len(prices), 20) / 20
        held = any(row["time_holdout"] for row in found if row["item_id"] == item)
        assert example["time_holdout"] is held
    assert {row["time_holdout"] for row in examples.values()} == {True, False}


def test_an_item_is_an_example_or_rejected_with_what_it_lacks(built_sets: BuiltSets) -> None:
    made = built_sets.month(OCTOBER)
    admitted = {row["natural_key"] for row in table(made, "examples")}
    rejected = {row["natural_key"]: row for row in table(made, "rejected")}
    assert admitted | set(rejected) == {isbn(number) for number in range(BOOKS)}
    assert not admitted & set(rejected)
    assert all("needs" in str(row["reason"]) for row in rejected.values())
    assert {row["admitted_by"] for row in rejected.values()} == {None, "v2"}
    by_v2 = next(row for row in rejected.values() if row["admitted_by"] == "v2")
    assert by_v2["sold_comps_count"] >= 8
    assert "a median of $" in str(by_v2["reason"])


def test_v2_admits_cheap_items_and_the_card_says_what_each_would(
    built_sets: BuiltSets, tmp_path: Path
) -> None:
    made = build(built_sets.database, tmp_path, policy="v2")
    prices = [row["target_price"] for row in table(made, "examples")]
    by_v1 = [row["target_price"] for row in table(built_sets.month(OCTOBER), "examples")]
    assert min(prices) < min(by_v1)
    v1 = built_sets.month(OCTOBER)
    facts = facts_of(v1)
    assert facts["policies"]["v1"]["admitted"]["count"] == v1.manifest["rows"]["examples"]
    assert facts["policies"]["v2"]["admitted"]["count"] == len(prices)
    for name in POLICIES:
        judged = facts["policies"][name]
        assert judged["admitted"]["count"] + judged["rejected"]["count"] == BOOKS
        assert sum(n for _, n in judged["admitted"]["histogram"]) == judged["admitted"]["count"]
    card = (v1.path / "card.md").read_text()
    assert "`v2` admits 8 comps, a spread of at most 100 %" in card
    assert "median price rejected" in card


def test_a_copy_with_a_price_of_its_own_is_an_example_of_its_own(
    database: Database, tmp_path: Path
) -> None:
    scan(database, 1, 2)
    agree(database)
    # Their titles are of their ids: "copy signed-3".
    plain = [listing(f"plain-{n}", f"{20 + n}.00") for n in range(9)]
    signed = [listing(f"signed-{n}", f"{80 + n}.00") for n in range(8)]
    commit(database, reply(1, SOLD, listings=plain), reply(2, SOLD, listings=plain))
    first = build(database, tmp_path)
    commit(
        database,
        reply(1, SOLD, NOON + timedelta(days=1), listings=[*plain, *signed]),
        reply(2, SOLD, NOON + timedelta(days=1), listings=[*plain, *signed[:3]]),
    )
    made = build(database, tmp_path / "told")
    found = {(r["natural_key"], r["variant"]): r for r in table(made, "examples")}
    assert {key: (r["target_price"], r["sold_comps_count"]) for key, r in found.items()} == {
        (isbn(1), ""): (24, 9),
        (isbn(1), "signed"): (Decimal("83.50"), 8),
        (isbn(2), ""): (24, 9),
    }
    ((lacking),) = table(made, "rejected")
    assert (lacking["natural_key"], lacking["variant"]) == (isbn(2), "signed")
    assert "needs 5 more comps" in lacking["reason"]
    in_examples = {(r["natural_key"], r["variant"]): r["in_examples"] for r in table(made, "sales")}
    assert in_examples == {**dict.fromkeys(found, True), (isbn(2), "signed"): False}
    counts, _ = differences(first, made, 9)
    assert (counts["added"], counts["removed"]) == (1, 0)


def test_changes_are_against_the_month_before(built_sets: BuiltSets) -> None:
    october, november = built_sets.month(OCTOBER), built_sets.month(NOVEMBER)
    assert november.manifest["before"]["build_id"] == october.manifest["build_id"]
    before = {row["natural_key"]: row for row in table(october, "examples")}
    after = {row["natural_key"]: row for row in table(november, "examples")}
    found = {row["natural_key"]: row for row in table(november, "changes")}
    assert {k for k, r in found.items() if r["change"] == "added"} == set(after) - set(before)
    assert {k for k, r in found.items() if r["change"] == "removed"} == set(before) - set(after)
    changed = {k: r for k, r in found.items() if r["change"] == "changed"}
    assert changed
    for key, row in changed.items():
        assert row["target_price_before"] == before[key]["target_price"]
        assert row["sold_comps_count"] == after[key]["sold_comps_count"]
        for name in str(row["columns"]).split(","):
            assert before[key][name] != after[key][name]
    same = set(before) & set(after) - set(changed)
    assert all(before[key]["target_price"] == after[key]["target_price"] for key in same)
    counts, shown = differences(october, november, 1000)
    assert sum(counts.values()) == len(found)
    assert shown == list(table(november, "changes"))
    assert differences(october, october, 5) == ({"added": 0, "removed": 0, "changed": 0}, [])


def test_a_build_from_before_there_were_variants_is_compared_with(
    built_sets: BuiltSets, tmp_path: Path
) -> None:
    october = built_sets.month(OCTOBER)
    drop = "ALTER TABLE examples DROP COLUMN variant"
    old = altered(october, tmp_path / "set", "examples", drop)
    table = old.manifest["tables"]["examples"]
    table["columns"] = [column for column in table["columns"] if column["name"] != "variant"]
    assert differences(old, october, 5) == ({"added": 0, "removed": 0, "changed": 0}, [])


def test_a_second_build_of_a_month_is_compared_with_the_first(
    built_sets: BuiltSets, tmp_path: Path
) -> None:
    first = build(built_sets.database, tmp_path, NOVEMBER, at=LATER - timedelta(days=20))
    early = first.manifest["build_id"]
    assert {row["change"] for row in table(first, "changes")} == {"added"}
    second = build(built_sets.database, tmp_path, NOVEMBER)
    assert second.manifest["before"]["build_id"] == early


def test_drift_is_measured_against_the_month_before(built_sets: BuiltSets) -> None:
    assert facts_of(built_sets.month(OCTOBER))["drift"] is None
    drift = facts_of(built_sets.month(NOVEMBER))["drift"]
    assert drift["month"] == OCTOBER
    assert drift["psi"]["target_price"] > 0
    assert 0 < drift["ks"]["target_price"] < 1
    assert drift["rows"] == [
        built_sets.month(month).manifest["rows"]["examples"] for month in (OCTOBER, NOVEMBER)
    ]
    assert 0 < drift["coverage"][0] < 1


def test_an_unchanged_month_is_recognised_and_not_built_again(
    database: Database, tmp_path: Path
) -> None:
    fill_two_months(database)
    first = build(database, tmp_path)
    written = {p.name: p.stat().st_mtime_ns for p in first.path.iterdir()}
    place = first.path.resolve()
    # What came after the as-of is no input.
    sold = [listing("new", "5.00")]
    commit(database, reply(1, SOLD, LATER, listings=sold))
    again = build(database, tmp_path)
    assert again.manifest == first.manifest
    assert again.path.resolve() == place
    assert {p.name: p.stat().st_mtime_ns for p in again.path.iterdir()} == written
    # A file that was changed meanwhile, and an observation that was, make it anew.
    (place / "examples.parquet").write_bytes(b"x")
    mended = build(database, tmp_path)
    assert mended.path.resolve() != place
    assert mended.manifest == first.manifest
    listings = t.price_listings
    one = sa.select(sa.func.min(listings.c.id)).scalar_subquery()
    database.execute(
        sa.update(listings).where(listings.c.id == one).values(price_usd=listings.c.price_usd + 1)
    )
    assert build(database, tmp_path).manifest["inputs_sha256"] != first.manifest["inputs_sha256"]


def test_changing_the_future_moves_nothing(database: Database, tmp_path: Path) -> None:
    """Whatever is done to what was learnt after the as-of, every byte stays."""
    fill_two_months(database)

    def content(directory: Path) -> dict[str, bytes]:
        made = build(database, directory)
        # The DuckDB file's bytes never repeat, and its content is that of the others.
        return {
            str(p.relative_to(made.path)): p.read_bytes()
            for p in made.path.rglob("*")
            if p.is_file() and p.suffix != ".duckdb"
        }

    before = content(tmp_path / "before")
    assert len([name for name in before if not name.startswith("sales/")]) == 8
    listings, versions = t.price_listings, t.metadata_versions
    end = datetime.fromisoformat(json.loads(before["manifest.json"])["as_of"])
    later = listings.c.observed_at > end
    mutations = [
        sa.update(listings).where(later).values(price_usd=listings.c.price_usd * 7, price=1),
        sa.update(listings).where(later).values(sold_at=end - timedelta(days=3), kind="sold"),
        sa.update(listings).where(later).values(match_confidence=0.1),
        sa.update(listings).where(listings.c.observed_at <= end).values(superseded_at=LATER),
        sa.update(versions).where(versions.c.observed_at > end).values(fields='{"title": "x"}'),
        sa.update(t.items).values(title="x", sold_comps_median=1, in_training=False),
        sa.update(t.books).values(work_key="one", authors="x"),
        sa.delete(listings).where(later),
    ]
    for mutation in mutations:
        assert database.execute(mutation) > 0
    scan(database, *range(500, 520), origin="later", at=LATER)
    after = content(tmp_path / "after")
    assert {name for name in before if before[name] != after[name]} == set()


def test_the_older_readers_query_runs_on_the_duckdb_file(built_sets: BuiltSets) -> None:
    path = built_sets.month(OCTOBER).path / "training_set.duckdb"
    with duckdb.connect(str(path), read_only=True) as duck:
        found = duck.execute(
            """
            SELECT isbn, title, authors, market_json, sold_comps_median as target_price,
                   cover_type, signed, printing, training_quality_score
            FROM cached_books
            WHERE in_training = 1 AND sold_comps_count >= 8 AND sold_comps_median >= 5
              AND market_json IS NOT NULL
            ORDER BY training_quality_score DESC
            """
        ).fetchall()
        kept = duck.execute("SELECT count(*) FROM rejected").fetchall()[0][0]
    assert len(found) == built_sets.month(OCTOBER).manifest["rows"]["examples"]
    assert kept == built_sets.month(OCTOBER).manifest["rows"]["rejected"]
    scores = [row[-1] for row in found]
    assert scores == sorted(scores, reverse=True)
    assert json.loads(found[0][3])["sold_count"] >= 8


def test_a_changed_table_needs_a_new_version(built_sets: BuiltSets, tmp_path: Path) -> None:
    october = build(built_sets.database, tmp_path)
    # As an older code would have left it: without one of today's columns.
    path = october.path / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["tables"]["examples"]["columns"].pop()
    path.write_text(json.dumps(manifest))
    with pytest.raises(SchemaMismatch, match=r"minor change, so raise SCHEMA_VERSION to 3\.1"):
        build(built_sets.database, tmp_path, NOVEMBER)
    assert not (tmp_path / NOVEMBER).exists()


def test_a_build_of_the_first_layout_is_replaced_and_compared_with_nothing(
    built_sets: BuiltSets, tmp_path: Path
) -> None:
    """Its manifest has no schema version, and there are no facts beside it."""
    old = tmp_path / ".builds" / OCTOBER / "0123456789abcdef.1"
    old.mkdir(parents=True)
    first = {"format_version": "1.0", "month": OCTOBER, "policy": "v1", "simulated": False}
    (old / "manifest.json").write_text(json.dumps({**first, "as_of": "2026-10-02T00:00:00+00:00"}))
    (tmp_path / OCTOBER).symlink_to(old, target_is_directory=True)
    for month in (OCTOBER, NOVEMBER):
        made = build(built_sets.database, tmp_path, month)
        assert made.path.resolve() != old
    assert [b.manifest["month"] for b in all_shown(tmp_path)] == [OCTOBER, NOVEMBER]
    assert facts_of(made)["drift"]["month"] == OCTOBER
