"""`pricing index`, `pricing refresh` and what `pricing explain` says of the index."""

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.store.opening import open_database
from resources.settings import Settings
from tests.runs import drop, isbns, make_dagster_home, pricing_here

ISBN = isbns(1)[0]


@pytest.fixture(scope="session")
def october(tmp_path_factory: pytest.TempPathFactory, sandbox_url: str) -> Path:
    """The homes of three books that went through the pipeline in October, for all who copy them."""
    directory = tmp_path_factory.mktemp("october")
    make_dagster_home(directory / "dagster_home")
    drop(directory / "home" / "inbox", "scans.txt", "".join(f"{isbn}\n" for isbn in isbns(3)))
    with pytest.MonkeyPatch.context() as patch:
        _enter(directory, sandbox_url, patch)
        done = pricing_here("run")
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture
def scanned(
    october: Path, tmp_path: Path, sandbox_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _enter(shutil.copytree(october, tmp_path / "october"), sandbox_url, monkeypatch)


def _enter(directory: Path, sandbox_url: str, patch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("PRICING_HOME", str(directory / "home")),
        ("DAGSTER_HOME", str(directory / "dagster_home")),
        ("PRICING_SANDBOX_URL", sandbox_url),
        ("PRICING_NOW", "2026-10-20T12:00:00+00:00"),
        ("PRICING_INBOX_SETTLE_SECONDS", "0"),
    ):
        patch.setenv(name, value)


@pytest.mark.usefixtures("scanned")
def test_a_damaged_index_is_found_and_repaired() -> None:
    assert pricing_here("index", "check").stdout == "Index and store agree.\n"
    with open_database(Settings.from_env()) as database:
        database.execute(sa.delete(t.unified_index))
    found = pricing_here("index", "check")
    assert found.returncode == 1
    assert "15  calls that the index does not know of" in found.stdout
    assert "pricing index repair" in found.stderr
    # The paid steps do not start.
    assert pricing_here("scan", isbns(5)[4]).returncode == 0
    refused = pricing_here("run")
    assert refused.returncode == 1
    assert "the check unified_index failed" in refused.stderr
    assert "pricing index repair" in refused.stderr
    assert "15 rows rebuilt, 0 dropped" in pricing_here("index", "repair").stdout
    assert pricing_here("index", "check").returncode == 0
    done = pricing_here("run")
    assert done.returncode == 0
    assert "5 calls made" in done.stdout


@pytest.mark.usefixtures("scanned")
def test_explain_shows_the_index_and_the_next_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = pricing_here("explain", ISBN).stdout
    assert "skip: fresh" in fresh
    assert "Suzanne Collins: born 1962-08-10; writer (record of the sandbox) (Q99" in fresh
    assert "found, 100% complete, 2026-10-20 12:00 UTC, due 2027-01-18 12:00" in fresh
    monkeypatch.setenv("PRICING_NOW", "2027-10-20T12:00:00+00:00")
    stale = pricing_here("explain", ISBN).stdout
    assert "ask: stale" in stale
    assert "skip" not in stale


@pytest.mark.usefixtures("scanned")
def test_a_refresh_is_shown_and_then_made(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = pricing_here("refresh", "--dry-run").stdout
    assert nothing == "Nothing is old: no call would be made.\n"
    # Old prices, of items that something was learnt of 25 days ago.
    monkeypatch.setenv("PRICING_NOW", "2026-11-14T12:00:00+00:00")
    young = pricing_here("refresh", "--dry-run").stdout
    assert "learnt of their items in the last 30 days: " in young
    monkeypatch.setenv("PRICING_NOW", "2027-10-20T12:00:00+00:00")
    shown = pricing_here("refresh", "--dry-run", "--limit", "5")
    assert shown.returncode == 0, shown.stderr
    assert "5 calls for $" in shown.stdout
    assert any(isbn in shown.stdout for isbn in isbns(3))
    assert "stale" in shown.stdout
    assert "waited longest" in shown.stdout
    done = pricing_here("refresh", "--limit", "5", "--budget", "1.50")
    assert done.returncode == 0, done.stderr
    # The 5 of the plan, and 3 about authors of whom nothing was learnt for a year.
    assert "8 calls made" in done.stdout
    rest = pricing_here("refresh", "--dry-run").stdout
    assert "calls for $" in rest or "no call" in rest


@pytest.mark.parametrize("budget", ["-1", "nan", "much"])
def test_an_impossible_budget_is_named(budget: str) -> None:
    refused = pricing_here("refresh", "--budget", budget)
    assert refused.returncode == 2
    assert repr(budget) in refused.stderr
