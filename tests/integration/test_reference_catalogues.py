"""Real catalogues as they are: every row ends as an accepted scan or a rejected one."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from pricing_assets.cli import pricing
from pricing_assets.core.codes import REASONS
from pricing_assets.schema import tables as t
from resources.database import Database
from resources.scan_files import LINE_REASONS
from resources.settings import Settings
from tests.runs import make_dagster_home, pricing_here

CATALOGUES = {
    "goodbooks10k_books.csv": 6_997,
    "goodreads11k_books.csv": 7_843,
    "book_crossing_books.csv": 18_870,
}
"""Rows of data in each."""


@pytest.fixture
def books(reference_data: Path) -> Path:
    path = reference_data / "datasets" / "books"
    missing = [name for name in CATALOGUES if not (path / name).is_file()]
    if missing:
        pytest.skip(f"no {', '.join(missing)} in {path}")
    return path


@pytest.mark.parametrize(("name", "rows"), CATALOGUES.items())
def test_every_row_is_accepted_or_rejected_with_its_reason(
    books: Path, pricing_home: Path, name: str, rows: int
) -> None:
    done = CliRunner().invoke(pricing, ["scan", "--file", str(books / name)])
    assert done.exit_code == 0, done.output
    database = Database(Settings.from_env().database_url)
    scans = t.scans.c
    counts = database.rows(
        sa.select(
            sa.func.count().label("rows"),
            sa.func.count(scans.item_id).label("accepted"),
            sa.func.count(scans.line.distinct()).label("lines"),
            sa.func.min(scans.line).label("first"),
        )
    )[0]  # fmt: skip
    rejected = database.rows(
        sa.select(scans.reason, scans.note, scans.line, scans.item_id).where(
            scans.status == "rejected"
        )
    )
    repeated = CliRunner().invoke(pricing, ["scan", "--file", str(books / name)])
    database.close()
    accepted = counts.accepted
    assert counts.rows == counts.lines == accepted + len(rejected) == rows
    assert counts.first >= 2
    for row in rejected:
        assert row.reason in REASONS or row.reason in LINE_REASONS
        assert len(row.note) > 20
        assert row.item_id is None
    assert accepted > rows * 0.9
    said = f"{rows:,} read: {accepted:,} accepted, {len(rejected):,} rejected, 0 known before"
    assert said in done.output
    assert f"{rows:,} read: 0 accepted, 0 rejected, {rows:,} known before" in repeated.output


@pytest.mark.slow
def test_a_real_catalogue_goes_all_the_way(
    books: Path, pricing_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dagster_home(tmp_path / "dagster_home")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster_home"))
    done = pricing_here(
        *("demo", "--catalogue", str(books / "goodbooks10k_books.csv"), "--books", "60")
    )
    assert done.returncode == 0, done.stderr
    assert "60 scans: " in done.stdout
    assert "items scored" in done.stdout
    database = Database(Settings.from_env().database_url)
    items = t.items.c
    counts = database.rows(
        sa.select(
            sa.func.count().label("items"),
            sa.func.count(items.title).label("titles"),
            sa.func.count(items.training_quality_as_of).label("scored"),
        )
    )[0]
    database.close()
    assert counts.items == counts.scored
    assert counts.items > 50
    assert counts.titles > counts.items * 0.8
    (built,) = [p for p in (pricing_home / "training_sets").iterdir() if p.name[0] != "."]
    assert (built / "examples.parquet").is_file()
