import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from pricing_assets.core.training import SchemaMismatch
from pricing_assets.schema import tables as t
from pricing_assets.store.training_verify import (
    NotATrainingSet,
    build_at,
    content_problems,
    rederived_problems,
)
from tests.runs import Platform, isbns, platform, sandbox_url
from tests.training_sets import OCTOBER, BuiltSets, altered, built_sets, copied

__all__ = ("built_sets", "platform", "sandbox_url")


def test_a_build_verifies(built_sets: BuiltSets) -> None:
    assert content_problems(build_at(built_sets.directory / OCTOBER)) == []


def test_what_differs_is_named(built_sets: BuiltSets, tmp_path: Path) -> None:
    build = altered(
        built_sets.month(OCTOBER), tmp_path / "set", "sales", "UPDATE sales SET price = price + 1"
    )
    files = build.manifest["tables"]["sales"]["files"]
    assert len(files) > 1
    assert content_problems(build) == [
        *(f"{f} is not the file that its manifest names (SHA-256 differs)" for f in files),
        *(f"{f} has other rows than its manifest says (row hash)" for f in files),
    ]
    (build.path / "card.md").unlink()
    assert "card.md is missing" in content_problems(build)
    (build.path / "rejected.parquet").write_bytes(b"no parquet")
    assert any("rejected.parquet cannot be read" in line for line in content_problems(build))


def test_the_row_hash_is_of_the_rows_and_not_of_the_file(
    built_sets: BuiltSets, tmp_path: Path
) -> None:
    build = altered(
        built_sets.month(OCTOBER),
        tmp_path / "set",
        "sales",
        "CREATE OR REPLACE TABLE sales AS FROM sales ORDER BY price DESC",
    )
    found = content_problems(build)
    assert found
    assert all("SHA-256" in line for line in found)


def test_rows_that_moved_to_another_file_are_seen(built_sets: BuiltSets, tmp_path: Path) -> None:
    build = copied(built_sets.month(OCTOBER), tmp_path / "set")
    first, second, *_ = build.manifest["tables"]["sales"]["files"]
    build.manifest["tables"]["sales"]["files"].remove(second)
    assert content_problems(build) == [
        "sales: its files have other rows than its manifest says (row hash)"
    ]
    (build.path / second).write_bytes((build.path / first).read_bytes())
    build.manifest["tables"]["sales"]["files"].append(second)
    assert f"{second} has other rows than its manifest says (row hash)" in content_problems(build)


def test_no_training_set_and_another_version_say_what_to_do(
    built_sets: BuiltSets, tmp_path: Path
) -> None:
    with pytest.raises(NotATrainingSet, match=r"no manifest\.json"):
        build_at(tmp_path)
    build = copied(built_sets.month(OCTOBER), tmp_path / "set")
    manifest = {**build.manifest, "schema_version": "9.0"}
    (build.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SchemaMismatch, match="build it again"):
        build_at(build.path)


def test_labels_are_recomputed_from_the_evidence(platform: Platform) -> None:
    platform.scan(isbns(25))
    platform.run()
    platform.run("build_training_set", partition="2026-10-01")
    build = build_at(platform.settings.training_sets / "2026-10")
    listings, payloads = t.price_listings, t.payloads
    with platform.database() as database:
        count, problems = rederived_problems(build, database, 100)
        assert (count, problems) == (build.manifest["rows"]["examples"], [])
        assert count > 5
        assert rederived_problems(build, database, 3) == (3, [])
        sold = sa.and_(listings.c.kind == "sold", listings.c.price > 0)
        database.execute(sa.update(listings).where(sold).values(price_usd=1, price=1))
        _, problems = rederived_problems(build, database, 1)
        assert any("target_price is" in line for line in problems)
        assert any("is stored as 1.00 USD and its body says" in line for line in problems)
        database.execute(
            sa.update(payloads).values(
                body_zstd=sa.select(payloads.c.body_zstd).limit(1).scalar_subquery()
            )
        )
        _, problems = rederived_problems(build, database, 2)
        assert any("is not what its hash says" in line for line in problems)
