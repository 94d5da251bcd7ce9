import json
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import pricing_assets
from pricing_assets.core.training import EXAMPLES
from pricing_assets.loading import TrainingSetError, load_training_set
from pricing_assets.schema.migrate import upgrade
from pricing_assets.store.sources import register_sources
from pricing_assets.store.training_set import build_month
from resources.database import Database
from resources.sources import registered_sources
from tests.examples import COMPLETE, DAY, NOON, agree, commit, reply, sales, scan

MONTH = "2026-10"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Training sets with one month: five books, one of them without metadata."""
    database = Database(f"sqlite:///{tmp_path / 'pricing.db'}")
    upgrade(database)
    register_sources(database, registered_sources(), "")
    agree(database)
    scan(database, *range(5))
    commit(database, *(reply(number, "open_library", fields=COMPLETE) for number in range(4)))
    for number in range(5):
        sales(database, number, [f"{20 + number}.25"] * 8)
    place = tmp_path / "training_sets"
    build_month(
        *(database, MONTH, place),
        now=NOON + DAY,
        policy="v1",
        sandbox=False,
        run_id="run",
        internal=True,
    )
    database.close()
    return place


def test_the_forms_agree(directory: Path) -> None:
    import pandas as pd

    arrow = load_training_set(MONTH, as_="arrow", directory=directory)
    relation = load_training_set(MONTH, as_="duckdb", directory=directory)
    frame = load_training_set(MONTH, directory=directory)
    assert isinstance(arrow, pa.Table)
    assert isinstance(relation, duckdb.DuckDBPyRelation)
    assert isinstance(frame, pd.DataFrame)
    assert arrow.num_rows == len(frame) == 5
    assert arrow.column_names == relation.columns == list(frame.columns)
    assert arrow.column_names == [column.name for column in EXAMPLES]
    assert relation.to_arrow_table().to_pylist() == arrow.to_pylist()
    assert pa.Table.from_pandas(frame, preserve_index=False).to_pylist() == arrow.to_pylist()


def test_money_is_exact_in_pandas(directory: Path) -> None:
    frame = load_training_set(MONTH, as_="pandas", directory=str(directory))
    assert list(frame["target_price"]) == [Decimal(f"{20 + number}.25") for number in range(5)]
    assert frame["title"].isna().sum() == 1
    assert str(frame["publication_year"].dtype).startswith("int")


def test_it_is_found_under_the_home(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICING_HOME", str(directory.parent))
    assert len(pricing_assets.load_training_set(MONTH)) == 5


def test_a_month_that_was_not_built_says_how_to(directory: Path) -> None:
    with pytest.raises(TrainingSetError, match="pricing training-set build --month 2026-09"):
        load_training_set("2026-09", directory=directory)


def test_a_file_that_is_not_the_manifests_is_refused(directory: Path) -> None:
    with (directory / MONTH / "examples.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(TrainingSetError, match="SHA-256 differs"):
        load_training_set(MONTH, directory=directory)


def test_a_manifest_that_was_changed_is_refused(directory: Path) -> None:
    path = directory / MONTH / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["examples.parquet"]["sha256"] = "0" * 64
    path.write_text(json.dumps(manifest))
    with pytest.raises(TrainingSetError, match="build it again"):
        load_training_set(MONTH, as_="duckdb", directory=directory)


def test_a_file_that_is_gone_is_refused(directory: Path) -> None:
    (directory / MONTH / "examples.parquet").unlink()
    with pytest.raises(TrainingSetError, match="build it again"):
        load_training_set(MONTH, directory=directory)


def test_another_form_is_refused(directory: Path) -> None:
    with pytest.raises(ValueError, match="'pandas', 'arrow' or 'duckdb'"):
        load_training_set(MONTH, as_="polars", directory=directory)  # type: ignore[call-overload]
