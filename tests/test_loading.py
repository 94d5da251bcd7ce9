import importlib.util
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pyarrow as pa
import pytest

import pricing_assets
from pricing_assets.core.training import EXAMPLES, SALES, TABLES
from pricing_assets.loading import TrainingSetError, load_training_set
from pricing_assets.store.training_publish import publish_to
from tests.training_sets import NOVEMBER, OCTOBER, BuiltSets, built_sets, copied

__all__ = ("built_sets",)

MONTH = OCTOBER


@pytest.fixture
def own(built_sets: BuiltSets, tmp_path: Path) -> Path:
    """A directory of training sets with one month, which may be changed."""
    copied(built_sets.month(MONTH), tmp_path / "sets" / MONTH)
    return tmp_path / "sets"


def test_the_forms_agree(built_sets: BuiltSets) -> None:
    import pandas as pd

    arrow = load_training_set(MONTH, as_="arrow", directory=built_sets.directory)
    relation = load_training_set(MONTH, as_="duckdb", directory=built_sets.directory)
    frame = load_training_set(MONTH, directory=built_sets.directory)
    assert isinstance(arrow, pa.Table)
    assert isinstance(relation, duckdb.DuckDBPyRelation)
    assert isinstance(frame, pd.DataFrame)
    assert arrow.num_rows == len(frame) == built_sets.month(MONTH).manifest["rows"]["examples"]
    assert arrow.column_names == relation.columns == list(frame.columns)
    assert arrow.column_names == [column.name for column in EXAMPLES]
    assert relation.to_arrow_table().to_pylist() == arrow.to_pylist()
    assert pa.Table.from_pandas(frame, preserve_index=False).to_pylist() == arrow.to_pylist()


def test_money_is_exact_in_pandas(built_sets: BuiltSets) -> None:
    frame = load_training_set(MONTH, as_="pandas", directory=str(built_sets.directory))
    assert all(isinstance(price, Decimal) for price in frame["target_price"])
    assert 0 < frame["title"].isna().sum() < len(frame)
    assert str(frame["publication_year"].dtype).startswith("int")


def test_a_split_and_a_category_are_parts_of_the_whole(built_sets: BuiltSets) -> None:
    def loaded(**options: Any) -> pa.Table:
        return load_training_set(MONTH, as_="arrow", directory=built_sets.directory, **options)

    parts = [loaded(split=split) for split in ("train", "validation", "test")]
    assert all(set(part["split"].to_pylist()) <= {name} for part, name in zip(
        parts, ("train", "validation", "test"), strict=True
    ))  # fmt: skip
    assert sum(part.num_rows for part in parts) == loaded().num_rows == len(loaded(category="book"))
    assert loaded(table="sales").column_names == [column.name for column in SALES]
    assert loaded(table="rejected").num_rows > 0
    with pytest.raises(ValueError, match="'train', 'validation' or 'test'"):
        loaded(split="valid")
    with pytest.raises(ValueError, match="there is 'book'"):
        loaded(category="card")
    with pytest.raises(ValueError, match="'examples', 'sales', 'rejected' or 'changes'"):
        loaded(table="sold")
    with pytest.raises(ValueError, match="has no split"):
        loaded(table="rejected", split="train")


@pytest.mark.parametrize(
    ("form", "package"), [("polars", "polars"), ("torch", "torch"), ("hf", "datasets")]
)
def test_a_package_that_is_missing_is_told_before_anything_is_read(
    form: str, package: str, tmp_path: Path
) -> None:
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    with pytest.raises(TrainingSetError, match=f"pip install {package}"):
        load_training_set(MONTH, as_=form, directory=tmp_path)  # type: ignore[call-overload]


def test_it_is_found_under_the_home(built_sets: BuiltSets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICING_HOME", str(built_sets.directory.parent))
    assert len(pricing_assets.load_training_set(MONTH)) > 0


def test_a_build_is_pinned_by_its_id(built_sets: BuiltSets) -> None:
    build_id = built_sets.month(MONTH).manifest["build_id"]
    directory = built_sets.directory
    assert len(load_training_set(MONTH, directory=directory, build_id=build_id)) > 0
    with pytest.raises(TrainingSetError, match=f"{build_id} was asked for"):
        load_training_set(NOVEMBER, directory=directory, build_id=build_id)


def test_a_month_that_was_not_built_says_how_to(tmp_path: Path) -> None:
    with pytest.raises(TrainingSetError, match="pricing training-set build --month 2026-09"):
        load_training_set("2026-09", directory=tmp_path)


@pytest.mark.parametrize("month", ["2026-13", "november", "2026-9", ""])
def test_what_is_no_month_is_refused(built_sets: BuiltSets, month: str) -> None:
    with pytest.raises(ValueError, match="is not a month; write it YYYY-MM"):
        load_training_set(month, directory=built_sets.directory)


def test_a_file_that_is_not_the_manifests_is_refused(own: Path) -> None:
    with (own / MONTH / "examples.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(TrainingSetError, match="SHA-256 differs"):
        load_training_set(MONTH, directory=own)


def test_a_manifest_that_was_changed_is_refused(own: Path) -> None:
    path = own / MONTH / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["examples.parquet"]["sha256"] = "0" * 64
    path.write_text(json.dumps(manifest))
    with pytest.raises(TrainingSetError, match="build it again"):
        load_training_set(MONTH, as_="duckdb", directory=own)


def test_a_file_that_is_gone_is_refused(own: Path) -> None:
    (own / MONTH / "examples.parquet").unlink()
    with pytest.raises(TrainingSetError, match="build it again"):
        load_training_set(MONTH, directory=own)


@pytest.mark.parametrize("version", ["2.1", "4.0", None])
def test_another_major_version_is_refused_with_what_to_do(own: Path, version: str | None) -> None:
    path = own / MONTH / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["schema_version"] = version
    path.write_text(json.dumps(manifest))
    with pytest.raises(TrainingSetError, match=r"schema version .* build it again"):
        load_training_set(MONTH, directory=own)


def test_another_form_is_refused(built_sets: BuiltSets) -> None:
    with pytest.raises(ValueError, match="'pandas', 'polars', 'arrow'"):
        load_training_set(MONTH, as_="numpy", directory=built_sets.directory)  # type: ignore[call-overload]


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place to publish to."""
    if request.param == "file":
        yield f"file://{tmp_path / 'published'}"
        return
    yield "memory://published"
    fsspec.filesystem("memory").store.clear()


def test_what_is_published_is_loaded_from_its_url(built_sets: BuiltSets, url: str) -> None:
    build = built_sets.month(MONTH)
    with pytest.raises(TrainingSetError, match="pricing training-set publish"):
        load_training_set(MONTH, directory=url)
    place = publish_to(build, url)
    assert place.endswith(f"{MONTH}/{build.manifest['build_id']}")
    for table in TABLES:
        local, remote = (
            load_training_set(MONTH, as_="arrow", directory=directory, table=table)  # type: ignore[call-overload]
            for directory in (built_sets.directory, url)
        )
        assert local.equals(remote)
    pinned = load_training_set(MONTH, directory=url, build_id=build.manifest["build_id"])
    assert len(pinned) == build.manifest["rows"]["examples"]


def test_a_published_file_that_was_changed_is_refused(built_sets: BuiltSets, url: str) -> None:
    place = publish_to(built_sets.month(MONTH), url)
    with fsspec.open(f"{place}/examples.parquet", "wb") as file:
        file.write(b"x")
    with pytest.raises(TrainingSetError, match="SHA-256 differs"):
        load_training_set(MONTH, directory=url)
    with fsspec.open(f"{place}/manifest.json", "wb") as file:
        file.write(b"{}")
    with pytest.raises(TrainingSetError, match=r"current\.json names"):
        load_training_set(MONTH, directory=url)
